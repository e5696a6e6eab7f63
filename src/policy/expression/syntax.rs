//! Tokens → tree: the parser's answer with the byte range of every part.
//!
//! The parser says of a part only where its sign or first word lies; what range it spans is put
//! together here from its parts and the tokens. Chains of `&&` and `||` become one node.

use std::ops::Range;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};
use cel::{ParseError, ParseErrors};

use super::Mistake;
use super::scan::{MAX_DEPTH, Token, TokenKind};

/// A part of an expression.
#[derive(Debug)]
pub(super) struct Term {
    /// All of it.
    pub at: Range<usize>,
    pub kind: Syntax,
}

#[derive(Debug)]
pub(super) enum Syntax {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    Null,
    Name(String),
    List(Vec<Term>),
    /// `operand.name`
    Member {
        operand: Box<Term>,
        name: String,
        name_at: Range<usize>,
    },
    /// `operand[index]`
    Index {
        operand: Box<Term>,
        index: Box<Term>,
    },
    /// `function(…)` or `target.function(…)`
    Call {
        function: String,
        function_at: Range<usize>,
        target: Option<Box<Term>>,
        arguments: Vec<Term>,
    },
    Not(Box<Term>),
    Negate(Box<Term>),
    Binary {
        operator: Operator,
        sides: Box<[Term; 2]>,
    },
    And(Vec<Term>),
    Or(Vec<Term>),
    /// `[0] ? [1] : [2]`
    Choose(Box<[Term; 3]>),
    /// What was refused where it stands.
    Refused,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
}

impl Operator {
    const ALL: [(&str, Self); 12] = [
        (operators::ADD, Self::Add),
        (operators::SUBSTRACT, Self::Subtract),
        (operators::MULTIPLY, Self::Multiply),
        (operators::DIVIDE, Self::Divide),
        (operators::MODULO, Self::Remainder),
        (operators::EQUALS, Self::Equal),
        (operators::NOT_EQUALS, Self::Unequal),
        (operators::LESS, Self::Less),
        (operators::LESS_EQUALS, Self::LessEqual),
        (operators::GREATER, Self::Greater),
        (operators::GREATER_EQUALS, Self::GreaterEqual),
        (operators::IN, Self::In),
    ];
}

/// Parses `text`, whose `tokens` are within the bounds.
///
/// # Errors
/// What the parser does not expect, and parts of the language that are not supported in any place.
pub(super) fn parse(text: &str, tokens: &[Token]) -> Result<Term, Vec<Mistake>> {
    let places = Places { text, tokens };
    if tokens.is_empty() {
        return Err(vec![Mistake { at: 0..text.len(), message: "the expression is empty".to_owned() }]);
    }
    // Without macros, calls stay as they are written.
    let parser = cel::Env::default().with_optional_support(false).parser();
    let depth = u16::try_from(4 * MAX_DEPTH).expect("a small number");
    match parser.max_recursion_depth(depth).parse_with_source_info(text) {
        Err(errors) => Err(places.mistakes(errors)),
        Ok((parsed, source)) => {
            let mut reader = Reader { places, source, mistakes: Vec::new() };
            let term = reader.term(parsed);
            if reader.mistakes.is_empty() { Ok(term) } else { Err(reader.mistakes) }
        }
    }
}

/// From the parser's places to tokens.
struct Places<'t> {
    text: &'t str,
    tokens: &'t [Token],
}

impl Places<'_> {
    /// The number of the token at or after a byte; one more than there are at the end.
    fn token_at(&self, byte: usize) -> usize {
        self.tokens.partition_point(|token| token.at.end <= byte)
    }

    fn range(&self, token: usize) -> Range<usize> {
        self.tokens.get(token).map_or(self.text.len()..self.text.len(), |token| token.at.clone())
    }

    fn is(&self, token: usize, sign: &str) -> bool {
        self.tokens.get(token).is_some_and(|token| &self.text[token.at.clone()] == sign)
    }

    /// The end of what the bracket `token` opens.
    fn end_of_bracket(&self, token: usize) -> usize {
        let partner = self.tokens.get(token).and_then(|token| token.partner).unwrap_or(token);
        self.range(partner).end
    }

    /// `at` with the parentheses around it that only group.
    fn with_parentheses(&self, mut at: Range<usize>) -> Range<usize> {
        loop {
            let first = self.tokens.partition_point(|token| token.at.end <= at.start);
            let after = self.tokens.partition_point(|token| token.at.start < at.end);
            let Some(open) = first.checked_sub(1).filter(|open| self.is(*open, "(")) else { return at };
            let calls =
                open.checked_sub(1).is_some_and(|before| self.tokens[before].kind == TokenKind::Word && !self.is(before, "in"));
            if calls || self.tokens[open].partner != Some(after) {
                return at;
            }
            at = self.range(open).start..self.range(after).end;
        }
    }

    fn mistakes(&self, errors: ParseErrors) -> Vec<Mistake> {
        let mut mistakes: Vec<Mistake> = Vec::new();
        for error in errors.errors {
            let token = self.token_at(self.byte_of(&error));
            let message = self.sentence(&error.msg, token);
            // What follows the first unexpected token is mostly its consequence.
            let follows = mistakes.last().is_some_and(|last| last.message == message || is_consequence(&error.msg));
            if !follows {
                mistakes.push(Mistake { at: self.range(token), message });
            }
        }
        mistakes
    }

    /// The byte at which the parser found something. Of a part it says the byte; otherwise a line and a character in it,
    /// both from 1.
    fn byte_of(&self, error: &ParseError) -> usize {
        let by_part = error.source_info.as_ref().and_then(|source| source.offset_for(error.expr_id));
        if let Some((start, _)) = by_part.filter(|_| error.expr_id > 0) {
            return start as usize;
        }
        let before = |place: isize| usize::try_from(place).unwrap_or(1).saturating_sub(1);
        let mut lines = self.text.split_inclusive('\n');
        let start: usize = lines.by_ref().take(before(error.pos.0)).map(str::len).sum();
        let line = lines.next().unwrap_or_default();
        start + line.char_indices().nth(before(error.pos.1)).map_or(line.len(), |(byte, _)| byte)
    }

    fn sentence(&self, said: &str, token: usize) -> String {
        let written = &self.text[self.range(token)];
        if said.contains("invalid int") {
            return format!("whole numbers lie between {} and {}", i64::MIN, i64::MAX);
        }
        if said.contains("invalid double") {
            return "the number is beyond a double".to_owned();
        }
        if said.contains("reserved identifier") {
            return format!("`{written}` is a reserved word of the language and no name");
        }
        if said.contains("unsupported syntax") {
            return "optional members (`?`) are not supported: ask first with has()".to_owned();
        }
        if said.contains("ecursion") {
            return "the expression is nested too deeply: write several rules".to_owned();
        }
        if !is_consequence(said) {
            return format!("this cannot be read: {said}");
        }
        match written {
            "" => "the expression ends too early: something is missing after its last word".to_owned(),
            ")" | "]" | "}" => format!("something is missing before `{written}`"),
            _ => format!("`{written}` is not expected here: an operator such as `&&` is missing before it, or it is too much"),
        }
    }
}

/// Whether the parser says only what it expected instead.
fn is_consequence(said: &str) -> bool {
    said.starts_with("Syntax error")
}

struct Reader<'t> {
    places: Places<'t>,
    source: SourceInfo,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    /// The number of the token that the parser gives as a part's place.
    fn token_of(&self, id: u64) -> usize {
        self.places.token_at(self.source.offset_for(id).map_or(0, |(start, _)| start as usize))
    }

    fn refuse(&mut self, at: Range<usize>, message: &str) -> Syntax {
        self.mistakes.push(Mistake { at, message: message.to_owned() });
        Syntax::Refused
    }

    fn term(&mut self, part: IdedExpr) -> Term {
        let token = self.token_of(part.id);
        let place = self.places.range(token);
        let (at, kind) = match part.expr {
            Expr::Literal(literal) => self.literal(literal, token),
            Expr::Ident(name) => (place, Syntax::Name(name)),
            Expr::List(list) => {
                let at = place.start..self.places.end_of_bracket(token);
                (at, Syntax::List(list.elements.into_iter().map(|element| self.term(element)).collect()))
            }
            Expr::Select(select) => {
                let operand = Box::new(self.term(*select.operand));
                let name_at = self.places.range(token + 1);
                (operand.at.start..name_at.end, Syntax::Member { operand, name: select.field, name_at })
            }
            Expr::Call(call) => self.call(call, token),
            Expr::Map(_) => {
                let at = place.start..self.places.end_of_bracket(token);
                let refused =
                    self.refuse(at.clone(), "maps cannot be written in an expression: compare their members one by one");
                (at, refused)
            }
            Expr::Struct(_) => {
                let at = place.start..self.places.end_of_bracket(token);
                let refused =
                    self.refuse(at.clone(), "messages cannot be written in an expression: compare the fields one by one");
                (at, refused)
            }
            Expr::Comprehension(_) | Expr::Unspecified => {
                let refused = self.refuse(place.clone(), "this is not supported");
                (place, refused)
            }
        };
        Term { at: self.places.with_parentheses(at), kind }
    }

    fn literal(&mut self, literal: LiteralValue, token: usize) -> (Range<usize>, Syntax) {
        let mut at = self.places.range(token);
        let kind = match literal {
            LiteralValue::Boolean(value) => Syntax::Bool(*value),
            LiteralValue::Double(value) => Syntax::Double(*value),
            LiteralValue::Int(value) => Syntax::Int(*value),
            LiteralValue::Null => Syntax::Null,
            LiteralValue::String(value) => Syntax::Text(value.into_inner()),
            LiteralValue::Bytes(_) => self.refuse(at.clone(), "bytes are not supported: write a text without the `b`"),
            LiteralValue::UInt(_) => self.refuse(at.clone(), "unsigned numbers are not supported: write it without the `u`"),
        };
        // The sign of a number belongs to it, but the parser may give the place of either.
        if matches!(kind, Syntax::Int(_) | Syntax::Double(_)) {
            if self.places.is(token, "-") {
                at.end = self.places.range(token + 1).end;
            } else if token > 0 && self.places.is(token - 1, "-") && self.is_prefix(token - 1) {
                at.start = self.places.range(token - 1).start;
            }
        }
        (at, kind)
    }

    /// Whether the sign `token` has no left side.
    fn is_prefix(&self, token: usize) -> bool {
        let Some(before) = token.checked_sub(1) else { return true };
        let written = &self.places.text[self.places.range(before)];
        match self.places.tokens[before].kind {
            TokenKind::Literal => false,
            TokenKind::Word => written == "in",
            TokenKind::Sign => !matches!(written, ")" | "]" | "}"),
        }
    }

    fn call(&mut self, call: CallExpr, token: usize) -> (Range<usize>, Syntax) {
        let name = call.func_name.as_str();
        if call.target.is_some() || !name.contains(['_', '@', '!']) || self.places.is(token, "(") {
            return self.function(call, token);
        }
        let mut arguments: Vec<Term> = Vec::with_capacity(call.args.len());
        let is_chain = matches!(name, operators::LOGICAL_AND | operators::LOGICAL_OR);
        for argument in call.args {
            let argument = self.term(argument);
            match argument.kind {
                Syntax::And(terms) if is_chain && name == operators::LOGICAL_AND => arguments.extend(terms),
                Syntax::Or(terms) if is_chain && name == operators::LOGICAL_OR => arguments.extend(terms),
                _ => arguments.push(argument),
            }
        }
        let sign = self.places.range(token);
        let start = arguments.first().map_or(sign.start, |first| first.at.start);
        let end = arguments.last().map_or(sign.end, |last| last.at.end);
        let at = start.min(sign.start)..end;
        let kind = match (name, arguments.len()) {
            (operators::LOGICAL_AND, _) => Syntax::And(arguments),
            (operators::LOGICAL_OR, _) => Syntax::Or(arguments),
            (operators::CONDITIONAL, 3) => Syntax::Choose(Box::new(sides(arguments))),
            (operators::LOGICAL_NOT, 1) => Syntax::Not(Box::new(arguments.remove(0))),
            (operators::NEGATE, 1) => Syntax::Negate(Box::new(arguments.remove(0))),
            (operators::INDEX, 2) => {
                let [operand, index] = sides(arguments);
                let at = operand.at.start..self.places.end_of_bracket(token);
                return (at, Syntax::Index { operand: Box::new(operand), index: Box::new(index) });
            }
            (_, 2) => match Operator::ALL.iter().find(|(known, _)| *known == name) {
                Some((_, operator)) => Syntax::Binary { operator: *operator, sides: Box::new(sides(arguments)) },
                None => self.refuse(at.clone(), "this operator is not supported"),
            },
            _ => self.refuse(at.clone(), "this operator is not supported"),
        };
        (at, kind)
    }

    /// A call by name; its place is the opening parenthesis.
    fn function(&mut self, call: CallExpr, token: usize) -> (Range<usize>, Syntax) {
        let target = call.target.map(|target| Box::new(self.term(*target)));
        let function_at = self.places.range(token.saturating_sub(1));
        let start = target.as_ref().map_or(function_at.start, |target| target.at.start);
        let arguments = call.args.into_iter().map(|argument| self.term(argument)).collect();
        let at = start..self.places.end_of_bracket(token);
        (at, Syntax::Call { function: call.func_name, function_at, target, arguments })
    }
}

fn sides<const N: usize>(terms: Vec<Term>) -> [Term; N] {
    let sides: Result<[Term; N], _> = terms.try_into();
    sides.unwrap_or_else(|terms| unreachable!("{} sides were counted before", terms.len()))
}
