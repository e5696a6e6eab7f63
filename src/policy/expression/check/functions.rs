//! Functions: the known ones, and what to write instead of the others.

use std::ops::Range;

use super::{Checker, Constant, Map, Meaning, Node, Term, Type, Typed};
use crate::document::suggestion;
use crate::identity::Timestamp;
use crate::policy::expression::program::{Pattern, Quantifier, Sized, TextTest};
use crate::policy::expression::time::{TimePart, parse_duration};

/// A call as it is written.
pub(super) struct Call<'t> {
    pub term: &'t Term,
    pub function: &'t str,
    pub function_at: &'t Range<usize>,
    pub target: Option<&'t Term>,
    pub arguments: &'t [Term],
}

/// All functions, for suggestions.
const FUNCTIONS: [&str; 23] = [
    "has",
    "size",
    "all",
    "exists",
    "exists_one",
    "filter",
    "startsWith",
    "endsWith",
    "contains",
    "matches",
    "double",
    "int",
    "timestamp",
    "duration",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
];

/// Functions of CEL that are not supported, and what to write instead.
const REFUSED: [(&str, &str); 17] = [
    ("map", "map() is not supported: write `exists(v, …)` with the condition on what it would make"),
    ("string", "string() is not supported: compare the value itself, such as `amount == 5`"),
    ("type", "type() is not supported: a comparison with a value of another type is false, and an order is an error"),
    ("dyn", "dyn() is not needed: features and the prediction are of any type"),
    ("bool", "bool() is not supported: write `x == true` or `x == 'true'`"),
    ("uint", "unsigned numbers are not supported: write `int(…)`"),
    ("bytes", "bytes are not supported: compare texts"),
    ("getDayOfYear", "getDayOfYear() is not supported: write getMonth() and getDate()"),
    ("abs", "abs() is not supported: write `x < -5 || x > 5`"),
    ("lowerAscii", "lowerAscii() is not supported: write `x.matches('(?i)^word$')`"),
    ("upperAscii", "upperAscii() is not supported: write `x.matches('(?i)^word$')`"),
    ("split", "split() is not supported: write `x.matches('…')`"),
    ("sum", "sum() is not supported: write the sum out, such as `features.a + features.b`"),
    ("min", "min() is not supported: write `a < b ? a : b`"),
    ("max", "max() is not supported: write `a > b ? a : b`"),
    ("now", "the time of deciding is not known here: compare `timestamp` with timestamp('…')"),
    ("bind", "bind() is not supported: write the value where it is used"),
];

impl Checker<'_> {
    pub(super) fn call<'t>(&mut self, call: &Call<'_>) -> Option<Meaning<'t>> {
        if let Some((_, part)) = TimePart::FUNCTIONS.iter().find(|(name, _)| *name == call.function) {
            return self.time_part(call, *part).map(Meaning::Value);
        }
        let value = match call.function {
            "has" => {
                let [member] = self.arguments::<1>(call, "has(event.amount)")?;
                self.presence(member)
            }
            "filter" => return self.each(call).map(Meaning::Filtered),
            "all" => self.quantified(call, Quantifier::All),
            "exists" => self.quantified(call, Quantifier::Exists),
            "exists_one" | "existsOne" => self.quantified(call, Quantifier::ExistsOne),
            "size" => self.size(call),
            "startsWith" => self.text_test(call, TextTest::StartsWith),
            "endsWith" => self.text_test(call, TextTest::EndsWith),
            "contains" => self.text_test(call, TextTest::Contains),
            "matches" => self.matches(call),
            "double" | "int" => self.conversion(call),
            "timestamp" => self.moment(call, "timestamp('2026-01-05T10:46:41Z')", |text| {
                let time = Timestamp::parse(text).filter(|time| *time >= FIRST_TIME);
                time.map(|time| Constant::Time(time.0)).ok_or("a time is written like '2026-01-05T10:46:41Z', with a zone")
            }),
            "duration" => self.moment(call, "duration('15m')", |text| parse_duration(text).map(Constant::Duration)),
            name => {
                let message = match REFUSED.iter().find(|(known, _)| *known == name) {
                    Some((_, instead)) => (*instead).to_owned(),
                    None => format!("unknown function `{name}`; {}", suggestion(name, &FUNCTIONS, "the functions are")),
                };
                return self.refuse(call.function_at, message);
            }
        };
        value.map(Meaning::Value)
    }

    /// The only things that a function without a target has between its parentheses.
    fn arguments<'t, const N: usize>(&mut self, call: &Call<'t>, example: &str) -> Option<[&'t Term; N]> {
        let arguments: Vec<&Term> = call.arguments.iter().collect();
        match <[&Term; N]>::try_from(arguments) {
            Ok(arguments) if call.target.is_none() => Some(arguments),
            _ => self.refuse(&call.term.at, format!("{}() is written like `{example}`", call.function)),
        }
    }

    /// What a method is called on, and its arguments; written like a function it is refused.
    fn method<'t, const N: usize>(&mut self, call: &Call<'t>, example: &str) -> Option<(&'t Term, [&'t Term; N])> {
        let arguments: Vec<&Term> = call.arguments.iter().collect();
        match (call.target, <[&Term; N]>::try_from(arguments)) {
            (Some(target), Ok(arguments)) => Some((target, arguments)),
            _ => self.refuse(&call.term.at, format!("{}() is written like `{example}`", call.function)),
        }
    }

    /// The one argument of a function that may be written in both styles.
    fn subject<'t>(&mut self, call: &Call<'t>, example: &str) -> Option<&'t Term> {
        match (call.target, call.arguments) {
            (Some(subject), []) | (None, [subject]) => Some(subject),
            _ => self.refuse(&call.term.at, format!("{}() is written like `{example}`", call.function)),
        }
    }

    fn size(&mut self, call: &Call<'_>) -> Option<Typed> {
        let subject = self.subject(call, "size(flags)")?;
        let written = self.written(subject);
        let sized = match self.meaning(subject)? {
            Meaning::Flags => Sized::Flags,
            Meaning::Evidence => Sized::Evidence,
            Meaning::Map(Map::Probabilities) => Sized::Probabilities,
            Meaning::List(elements) => {
                let values: Vec<Option<Typed>> = elements.iter().map(|element| self.value(element)).collect();
                let all_constant = values.into_iter().collect::<Option<Vec<_>>>()?.iter().all(|value| value.constant);
                let size = i64::try_from(elements.len()).ok().filter(|_| all_constant);
                return match size {
                    Some(size) => Some(Typed::constant(Constant::Int(size))),
                    None => self.refuse(&call.term.at, "the size of a list that is written out is known: write the number"),
                };
            }
            Meaning::Filtered(inner) => return Some(Typed::varying(Node::Count(Box::new(inner)), Type::Int)),
            Meaning::Map(map) => {
                let name = map.name();
                return self.refuse(
                    &call.term.at,
                    format!("the size of `{name}` is not known: ask for members, such as `has({name}.age)`"),
                );
            }
            Meaning::Value(value) if matches!(value.kind, Type::Text | Type::Dynamic) => {
                let mistyped = self.failure(format!("{written} is not a text"));
                let constant = value.constant;
                let node = Node::Size(Sized::Text(Box::new(value.node), mistyped));
                return self.folded(call.term, Typed { node, kind: Type::Int, constant });
            }
            Meaning::Value(value) => {
                return self.refuse(&subject.at, format!("`{written}` is {} and has no size", value.kind.noun()));
            }
            Meaning::Event | Meaning::Model | Meaning::Item(_) => {
                return self.refuse(&subject.at, format!("`{written}` has no size"));
            }
        };
        Some(Typed::varying(Node::Size(sized), Type::Int))
    }

    /// A part that must be a text, or may turn out to be one.
    fn text(&mut self, term: &Term) -> Option<Typed> {
        let value = self.value(term)?;
        if matches!(value.kind, Type::Text | Type::Dynamic) {
            return Some(value);
        }
        let (written, noun) = (self.written(term), value.kind.noun());
        self.refuse(&term.at, format!("`{written}` is {noun}, and a text is needed here"))
    }

    fn text_test(&mut self, call: &Call<'_>, kind: TextTest) -> Option<Typed> {
        let (target, [part]) = self.method::<1>(call, &format!("action.{}('x')", call.function))?;
        let (whole, part) = (self.text(target), self.text(part));
        let (whole, part) = (whole?, part?);
        let mistyped = self.failure(format!("a side of {} is not a text", self.written(call.term)));
        let constant = whole.constant && part.constant;
        let node = Node::Test { sides: Box::new([whole.node, part.node]), test: kind, mistyped };
        self.folded(call.term, Typed { node, kind: Type::Bool, constant })
    }

    fn matches(&mut self, call: &Call<'_>) -> Option<Typed> {
        let ((Some(text_term), [pattern_term]) | (None, [text_term, pattern_term])) = (call.target, call.arguments) else {
            return self.refuse(&call.term.at, "matches() is written like `action.matches('^refuse')`");
        };
        let (text, pattern) = (self.text(text_term), self.value(pattern_term));
        let (text, pattern) = (text?, pattern?);
        let Some(pattern) = pattern.text() else {
            return self
                .refuse(&pattern_term.at, "the pattern must be written out as a text: it is compiled when the policy is loaded");
        };
        let pattern = match Pattern::compile(pattern) {
            Ok(pattern) => Box::new(pattern),
            Err(message) => return self.refuse(&pattern_term.at, message),
        };
        let mistyped = self.failure(format!("{} is not a text", self.written(text_term)));
        let constant = text.constant;
        let node = Node::Matches { text: Box::new(text.node), pattern, mistyped };
        self.folded(call.term, Typed { node, kind: Type::Bool, constant })
    }

    fn conversion(&mut self, call: &Call<'_>) -> Option<Typed> {
        let name = call.function;
        let [subject] = self.arguments::<1>(call, &format!("{name}(features.age)"))?;
        let value = self.value(subject)?;
        let written = self.written(subject);
        if matches!(value.kind, Type::Bool | Type::Time | Type::Duration) {
            let instead = if value.kind == Type::Time { ": write `timestamp.getHours()` and its kind" } else { "" };
            return self.refuse(&subject.at, format!("`{written}` is {} and has no {name}{instead}", value.kind.noun()));
        }
        let constant = value.constant;
        let node = Box::new(value.node);
        let (node, kind) = if name == "double" {
            (Node::ToDouble(node, self.failure(format!("{written} is not a number"))), Type::Double)
        } else {
            (Node::ToInt(node, self.failure(format!("{written} is not a number that fits a whole one"))), Type::Int)
        };
        self.folded(call.term, Typed { node, kind, constant })
    }

    /// `timestamp('…')` and `duration('…')`: constants that are written as texts.
    fn moment(&mut self, call: &Call<'_>, example: &str, read: impl Fn(&str) -> Result<Constant, &'static str>) -> Option<Typed> {
        let [subject] = self.arguments::<1>(call, example)?;
        let value = self.value(subject)?;
        let Some(text) = value.text() else {
            return self.refuse(&subject.at, format!("only a text that is written out can be read here: `{example}`"));
        };
        match read(text) {
            Ok(constant) => Some(Typed::constant(constant)),
            Err(message) => self.refuse(&subject.at, message),
        }
    }

    fn time_part(&mut self, call: &Call<'_>, part: TimePart) -> Option<Typed> {
        let example = format!("timestamp.{}()", call.function);
        if call.target.is_some() && call.arguments.len() == 1 {
            return self.refuse(&call.term.at, format!("times are in UTC, other zones are not supported: write `{example}`"));
        }
        let (target, []) = self.method::<0>(call, &example)?;
        let value = self.value(target)?;
        if value.kind != Type::Time {
            let (written, noun) = (self.written(target), value.kind.noun());
            return self.refuse(&target.at, format!("`{written}` is {noun} and no time: write `{example}`"));
        }
        let constant = value.constant;
        self.folded(call.term, Typed { node: Node::TimePart(Box::new(value.node), part), kind: Type::Int, constant })
    }
}

/// The first time of CEL, 0001-01-01.
const FIRST_TIME: Timestamp = Timestamp(-62_135_596_800_000);
