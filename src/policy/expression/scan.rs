//! Text → tokens: what is looked at before the parser may run.
//!
//! The parser recurses into what is nested, so how deep it will go is counted here, on a flat list. And what people write
//! who know another language (`=`, `and`, typographic quotes) is named here, because a parser would only say that it did
//! not expect it.

use std::ops::Range;

use super::{MAX_TEXT, Mistake};

/// How many tokens an expression may have.
pub(super) const MAX_TOKENS: usize = 1_000;
/// How deep an expression may be nested; each bracket, each condition of a `? :` and each operator in a row counts.
pub(super) const MAX_DEPTH: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TokenKind {
    /// A name or a word of the language.
    Word,
    /// A number or a quoted text.
    Literal,
    /// An operator, a comma, a bracket.
    Sign,
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub at: Range<usize>,
    pub kind: TokenKind,
    /// The other bracket of the pair, for brackets.
    pub partner: Option<usize>,
}

/// The tokens of `text`, within the bounds and with all brackets in pairs.
///
/// # Errors
/// What cannot be a token, is not closed or goes beyond a bound.
pub(super) fn scan(text: &str) -> Result<Vec<Token>, Vec<Mistake>> {
    if text.len() > MAX_TEXT {
        let message = format!("the expression has {} bytes, more than {MAX_TEXT}", text.len());
        return Err(vec![Mistake { at: 0..0, message }]);
    }
    let mut scan = Scan { text, at: 0, tokens: Vec::new(), mistakes: Vec::new() };
    scan.run();
    if let Some(token) = scan.tokens.get(MAX_TOKENS) {
        let message = format!("the expression has more than {MAX_TOKENS} words and signs: write several rules");
        scan.mistakes.push(Mistake { at: token.at.clone(), message });
    }
    if scan.mistakes.is_empty() {
        scan.pair();
    }
    if scan.mistakes.is_empty() { Ok(scan.tokens) } else { Err(scan.mistakes) }
}

struct Scan<'t> {
    text: &'t str,
    at: usize,
    tokens: Vec<Token>,
    mistakes: Vec<Mistake>,
}

impl Scan<'_> {
    fn run(&mut self) {
        while let Some(char) = self.rest().chars().next() {
            let start = self.at;
            match char {
                ' ' | '\t' | '\n' | '\r' | '\u{c}' => self.at += 1,
                '/' if self.rest().starts_with("//") => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                '\'' | '"' => self.quoted(start, Escapes::Allowed),
                '0'..='9' => self.number(),
                '.' if self.rest()[1..].starts_with(|next: char| next.is_ascii_digit()) && !self.follows_a_value() => {
                    self.number();
                }
                'a'..='z' | 'A'..='Z' | '_' => self.word(),
                _ if char.is_alphabetic() => self.foreign_word(),
                _ => self.sign(char),
            }
        }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn push(&mut self, start: usize, kind: TokenKind) {
        self.tokens.push(Token { at: start..self.at, kind, partner: None });
    }

    fn refuse(&mut self, at: Range<usize>, message: impl Into<String>) {
        self.mistakes.push(Mistake { at, message: message.into() });
    }

    /// Whether a dot that comes now asks for a member and begins no number.
    fn follows_a_value(&self) -> bool {
        let last = self.tokens.last();
        last.is_some_and(|last| last.kind != TokenKind::Sign || matches!(&self.text[last.at.clone()], ")" | "]" | "}"))
    }

    fn word(&mut self) {
        let start = self.at;
        let end = self.rest().find(|char: char| !char.is_ascii_alphanumeric() && char != '_');
        self.at += end.unwrap_or(self.rest().len());
        let word = &self.text[start..self.at];
        if self.rest().starts_with(['\'', '"']) && word.len() <= 2 && word.bytes().all(|byte| b"rRbB".contains(&byte)) {
            let raw = word.contains(['r', 'R']);
            return self.quoted(start, if raw { Escapes::Raw } else { Escapes::Allowed });
        }
        let is_member = self.tokens.last().is_some_and(|last| &self.text[last.at.clone()] == ".");
        let instead = match word.to_ascii_lowercase().as_str() {
            "and" => "write `&&` for \"and\"",
            "or" => "write `||` for \"or\"",
            "not" => "write `!` for \"not\", such as `!(amount > 10)`",
            "is" => "write `==` for \"is\"",
            "none" | "nil" | "undefined" => "what is absent or null is asked for with has(), such as `!has(event.amount)`",
            _ if word != "true" && word.eq_ignore_ascii_case("true") => "write `true` in small letters",
            _ if word != "false" && word.eq_ignore_ascii_case("false") => "write `false` in small letters",
            _ => "",
        };
        if !instead.is_empty() && !is_member {
            self.refuse(start..self.at, instead);
        }
        self.push(start, TokenKind::Word);
    }

    /// Reads a word that no name can be; the letters before it are part of it.
    fn foreign_word(&mut self) {
        let before = self.tokens.pop_if(|last| last.kind == TokenKind::Word && last.at.end == self.at);
        let start = before.map_or(self.at, |before| before.at.start);
        let end = self.rest().find(|char: char| !char.is_alphanumeric() && char != '_');
        self.at += end.unwrap_or(self.rest().len());
        self.refuse(start..self.at, "names have only the letters a to z: write features['the-name'] for others");
        self.push(start, TokenKind::Word);
    }

    /// Reads a number as far as it can be one; the parser knows what it is worth.
    fn number(&mut self) {
        let (start, bytes) = (self.at, self.text.as_bytes());
        while let Some(byte) = bytes.get(self.at) {
            let signed = matches!(byte, b'+' | b'-') && matches!(bytes[self.at - 1], b'e' | b'E') && !self.is_hexadecimal(start);
            let fraction = *byte == b'.' && bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit);
            if !(byte.is_ascii_alphanumeric() || *byte == b'_' || (self.at > start && signed) || fraction) {
                break;
            }
            self.at += 1;
        }
        let written = &self.text[start..self.at];
        if written.contains('_') {
            self.refuse(start..self.at, format!("write the number without `_`: {}", written.replace('_', "")));
        } else if written.ends_with(['u', 'U']) {
            self.refuse(start..self.at, format!("unsigned numbers are not supported: write {}", &written[..written.len() - 1]));
        }
        self.push(start, TokenKind::Literal);
    }

    fn is_hexadecimal(&self, start: usize) -> bool {
        self.text[start..].starts_with("0x")
    }

    /// Reads a text whose prefix began at `start` and whose quote comes now.
    fn quoted(&mut self, start: usize, escapes: Escapes) {
        let quote = &self.rest()[..1];
        let long = quote.repeat(3);
        let close = if self.rest().starts_with(&long) { long } else { quote.to_owned() };
        self.at += close.len();
        loop {
            let Some(char) = self.rest().chars().next() else {
                return self.refuse(start..self.text.len(), "the text that begins here is not closed");
            };
            if self.rest().starts_with(&close) {
                self.at += close.len();
                return self.push(start, TokenKind::Literal);
            }
            if matches!(char, '\n' | '\r') && close.len() == 1 {
                self.refuse(start..self.at, "the text that begins here is not closed on its line");
                // Where the next text begins and ends cannot be told.
                self.at = self.text.len();
                return;
            }
            if char == '\\' && escapes == Escapes::Allowed {
                self.escape();
            } else {
                self.at += char.len_utf8();
            }
        }
    }

    /// Reads an escape sequence, whose backslash comes now.
    fn escape(&mut self) {
        let start = self.at;
        let mut chars = self.rest()[1..].chars();
        let name = chars.next();
        let (digits, radix) = match name {
            Some('x' | 'X') => (2, 16),
            Some('u') => (4, 16),
            Some('U') => (8, 16),
            Some('0'..='3') => (2, 8),
            _ => (0, 8),
        };
        let known = name.is_some_and(|name| "abfnrtv\\'\"`?xXuU0123".contains(name));
        let complete = chars.take(digits).filter(|digit| digit.is_digit(radix)).count() == digits;
        self.at += 1 + name.map_or(0, char::len_utf8);
        if name.is_some() && !(known && complete) {
            let message = "this is no escape sequence: write `\\\\` for a backslash, or r'…' around a text without escapes";
            self.refuse(start..self.at, message);
        } else if complete {
            self.at += digits;
        }
    }

    fn sign(&mut self, char: char) {
        let start = self.at;
        let double = ["&&", "||", "==", "!=", "<=", ">="].iter().any(|sign| self.rest().starts_with(sign));
        self.at += if double { 2 } else { char.len_utf8() };
        let instead = match char {
            _ if double => "",
            '(' | ')' | '[' | ']' | '{' | '}' | '.' | ',' | '?' | ':' | '!' | '-' | '+' | '*' | '/' | '%' | '<' | '>' => "",
            '=' => "write `==` to compare",
            '&' => "write `&&` for \"and\"",
            '|' => "write `||` for \"or\"",
            '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}' => "write a straight quote, ' or \"",
            '≥' => "write `>=`",
            '≤' => "write `<=`",
            '≠' => "write `!=`",
            '`' => "a name in backquotes is not supported: write features['the-name']",
            ';' => "an expression has no end sign: remove it",
            _ => "this sign has no meaning here; within a text it stands between quotes",
        };
        if !instead.is_empty() {
            // One sentence is enough for a row of them.
            let follows = self.mistakes.last().is_some_and(|last| last.at.end == start && last.message == instead);
            match self.mistakes.last_mut().filter(|_| follows) {
                Some(last) => last.at.end = self.at,
                None => self.refuse(start..self.at, instead),
            }
        }
        self.push(start, TokenKind::Sign);
    }

    /// Pairs the brackets and counts how deep they and the operators nest.
    fn pair(&mut self) {
        let mut levels = vec![Level::default()];
        for place in 0..self.tokens.len() {
            let token = self.tokens[place].clone();
            let sign = if token.kind == TokenKind::Literal { "" } else { &self.text[token.at.clone()] };
            let level = levels.last_mut().expect("the outermost level is never closed");
            level.count(sign);
            match sign {
                "(" | "[" | "{" => levels.push(Level { opened: Some(place), ..Level::default() }),
                ")" | "]" | "}" => {
                    let open = level.opened.filter(|open| closes(&self.text[self.tokens[*open].at.clone()], sign));
                    let Some(open) = open else {
                        return self.refuse(token.at, format!("nothing is open here that `{sign}` could close"));
                    };
                    (self.tokens[open].partner, self.tokens[place].partner) = (Some(place), Some(open));
                    levels.pop();
                }
                _ => {}
            }
            let depth: usize = levels.iter().map(Level::depth).sum();
            if depth > MAX_DEPTH {
                let message = format!("the expression is nested more than {MAX_DEPTH} levels deep here: write several rules");
                return self.refuse(token.at, message);
            }
        }
        if let Some(open) = levels.last().and_then(|level| level.opened) {
            let at = self.tokens[open].at.clone();
            let sign = &self.text[at.clone()];
            self.refuse(at, format!("the `{sign}` that begins here is not closed"));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    Allowed,
    Raw,
}

/// What nests within one pair of brackets.
#[derive(Clone, Default)]
struct Level {
    opened: Option<usize>,
    /// `? :` of which one lies in the other.
    choices: usize,
    /// Operators in a row, each of which takes the ones before it as its left side.
    operators: usize,
    /// The same for members and indices.
    members: usize,
}

impl Level {
    fn depth(&self) -> usize {
        usize::from(self.opened.is_some()) + self.choices + self.operators + self.members
    }

    fn count(&mut self, sign: &str) {
        match sign {
            "," => *self = Self { opened: self.opened, ..Self::default() },
            "&&" | "||" | ":" => (self.operators, self.members) = (0, 0),
            "?" => (self.choices, self.operators, self.members) = (self.choices + 1, 0, 0),
            "." | "[" => self.members += 1,
            "!" | "-" | "+" | "*" | "/" | "%" | "<" | ">" | "==" | "!=" | "<=" | ">=" | "in" => {
                (self.operators, self.members) = (self.operators + 1, 0);
            }
            _ => {}
        }
    }
}

fn closes(open: &str, close: &str) -> bool {
    matches!((open, close), ("(", ")") | ("[", "]") | ("{", "}"))
}
