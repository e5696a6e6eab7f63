//! JSON text → tokens, for a caller that asks for what it expects: one pass, no recursion, no allocation once the
//! buffers have grown to the largest event.
//!
//! It holds what is true for the whole event, wherever it is: the grammar, the limits, no duplicate keys, no number beyond
//! a double.

use super::keys::{self, Backing, Key, Span, fingerprint};
use super::path::{cut, string_at};
use super::unreadable::{Code, Fault, Limits};

mod number;
mod string;

/// The pass cannot go on; [`Scanner::faults`] says why.
pub(super) struct Stop;

/// What a value is, by its first byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Object,
    List,
    Text,
    Number,
    True,
    False,
    Null,
}

impl Kind {
    /// With its article, for sentences.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Object => "an object",
            Self::List => "a list",
            Self::Text => "a string",
            Self::Number => "a number",
            Self::True | Self::False => "a bool",
            Self::Null => "null",
        }
    }
}

/// An object that was entered: where its keys begin, and whether a member was read.
#[derive(Clone, Copy)]
pub(super) struct Object {
    first_key: usize,
    begun: bool,
}

/// A list that was entered.
#[derive(Clone, Copy)]
pub(super) struct List {
    begun: bool,
}

/// What [`Scanner::skip`] is inside of.
#[derive(Clone, Copy)]
enum Container {
    Object(Object),
    List(List),
}

/// What one pass needs room for; used again by the next.
#[derive(Default)]
pub(super) struct Buffers {
    /// Texts that had escapes, one after the other. Never longer than the event, as every escape is longer than what it
    /// stands for.
    pub unescaped: String,
    /// Keys of the objects that the scanner is inside of.
    keys: Vec<Key>,
    /// Containers that [`Scanner::skip`] is inside of.
    skipped: Vec<Container>,
}

/// What was found wrong in a pass.
#[derive(Default)]
pub(super) struct Faults {
    /// What ended it.
    pub syntax: Option<Fault>,
    /// The first of those that it could go on after.
    pub noted: Option<Fault>,
}

/// A place in the text of an event.
pub(super) struct Scanner<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
    fields: usize,
    limits: Limits,
    buffers: &'t mut Buffers,
    pub faults: Faults,
}

impl<'t> Scanner<'t> {
    pub fn new(text: &'t str, limits: Limits, buffers: &'t mut Buffers) -> Self {
        buffers.unescaped.clear();
        buffers.keys.clear();
        buffers.skipped.clear();
        Self { text, at: 0, depth: 0, fields: 0, limits, buffers, faults: Faults::default() }
    }

    /// The byte that is read next.
    pub const fn at(&self) -> usize {
        self.at
    }

    /// The text at `span`.
    pub fn text(&self, span: Span) -> &str {
        self.backing().text(span)
    }

    fn backing(&self) -> Backing<'_> {
        Backing { written: self.text, unescaped: &self.buffers.unescaped }
    }

    /// Notes a fault after which the pass goes on. The first one stays.
    #[cold]
    pub fn note(&mut self, code: Code, at: Option<usize>, what: String) {
        self.faults.noted.get_or_insert(Fault { code, at, what });
    }

    /// Ends the pass.
    #[cold]
    fn stop(&mut self, code: Code, at: usize, what: String) -> Stop {
        self.faults.syntax = Some(Fault { code, at: Some(at), what });
        Stop
    }

    /// Ends the pass because `wanted` does not stand here.
    #[cold]
    fn unexpected(&mut self, wanted: &str) -> Stop {
        let what = match self.text[self.at..].chars().next() {
            None => format!("the record ends where {wanted} should stand"),
            Some('\u{feff}') => format!("expected {wanted}, found a byte-order mark"),
            Some(found) if found.is_ascii_graphic() => format!("expected {wanted}, found `{found}`"),
            Some(found) => format!("expected {wanted}, found `{}`", found.escape_debug()),
        };
        self.stop(Code::NotJson, self.at, what)
    }

    /// The next byte that is not whitespace, which stays unread.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// What kind of value comes next; it stays unread, and [`Scanner::at`] is its first byte.
    #[inline]
    pub fn kind(&mut self) -> Result<Kind, Stop> {
        match self.peek() {
            Some(b'"') => Ok(Kind::Text),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::List),
            Some(b't') => Ok(Kind::True),
            Some(b'f') => Ok(Kind::False),
            Some(b'n') => Ok(Kind::Null),
            _ => Err(self.unexpected("a value")),
        }
    }

    /// Enters the object that comes next.
    pub fn open_object(&mut self) -> Result<Object, Stop> {
        self.descend()?;
        Ok(Object { first_key: self.buffers.keys.len(), begun: false })
    }

    /// Reads up to the next member's value and gives its key; leaves the object where it ends.
    #[inline]
    pub fn member(&mut self, object: &mut Object) -> Result<Option<Key>, Stop> {
        match self.peek() {
            Some(b'"') if !object.begun => {}
            Some(b',') if object.begun => {
                self.at += 1;
                if self.peek() != Some(b'"') {
                    return Err(self.unexpected("a key"));
                }
            }
            Some(b'}') => {
                self.leave_object(*object);
                return Ok(None);
            }
            _ => return Err(self.unexpected(if object.begun { "`,` or `}`" } else { "a key or `}`" })),
        }
        object.begun = true;
        self.count()?;
        let at = self.at;
        let span = self.string()?;
        if self.peek() != Some(b':') {
            return Err(self.unexpected("`:`"));
        }
        self.at += 1;
        let key = Key { span, fingerprint: fingerprint(self.text(span)), at };
        self.buffers.keys.push(key);
        Ok(Some(key))
    }

    fn leave_object(&mut self, object: Object) {
        self.ascend();
        let backing = Backing { written: self.text, unescaped: &self.buffers.unescaped };
        if let Some(key) = keys::repeated(&mut self.buffers.keys[object.first_key..], backing) {
            self.note_repeated(key);
        }
        self.buffers.keys.truncate(object.first_key);
    }

    /// Notes that `key` stood in its object before.
    pub fn note_repeated(&mut self, key: Key) {
        let what = format!("the key `{}` stands twice in this object", cut(string_at(self.text, key.at)));
        self.note(Code::DuplicateKey, Some(key.at), what);
    }

    /// Enters the list that comes next.
    pub fn open_list(&mut self) -> Result<List, Stop> {
        self.descend()?;
        Ok(List { begun: false })
    }

    /// Reads up to the next element and says whether there is one; leaves the list where it ends.
    pub fn element(&mut self, list: &mut List) -> Result<bool, Stop> {
        match self.peek() {
            Some(b']') => {
                self.ascend();
                return Ok(false);
            }
            Some(b',') if list.begun => self.at += 1,
            Some(_) if !list.begun => {}
            _ => return Err(self.unexpected(if list.begun { "`,` or `]`" } else { "a value or `]`" })),
        }
        list.begun = true;
        self.count()?;
        Ok(true)
    }

    /// Reads `true`, `false` or `null`, of which `kind` told the first letter.
    pub fn word(&mut self, kind: Kind) -> Result<(), Stop> {
        let word = match kind {
            Kind::True => "true",
            Kind::False => "false",
            _ => "null",
        };
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.unexpected("a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// Reads over the value that comes next, whatever it is, and checks all of it.
    pub fn skip(&mut self) -> Result<(), Stop> {
        loop {
            match self.kind()? {
                Kind::Text => drop(self.string()?),
                Kind::Number => drop(self.number()?),
                Kind::Object => {
                    let object = self.open_object()?;
                    self.buffers.skipped.push(Container::Object(object));
                }
                Kind::List => {
                    let list = self.open_list()?;
                    self.buffers.skipped.push(Container::List(list));
                }
                kind => self.word(kind)?,
            }
            if !self.another_skipped()? {
                return Ok(());
            }
        }
    }

    /// Goes to the next value inside the skipped one and says whether there is one.
    fn another_skipped(&mut self) -> Result<bool, Stop> {
        while let Some(mut container) = self.buffers.skipped.pop() {
            let more = match &mut container {
                Container::Object(object) => self.member(object)?.is_some(),
                Container::List(list) => self.element(list)?,
            };
            if more {
                self.buffers.skipped.push(container);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Checks that nothing but whitespace follows.
    pub fn end(&mut self) -> Result<(), Stop> {
        if self.peek().is_some() { Err(self.unexpected("the end of the record")) } else { Ok(()) }
    }

    fn descend(&mut self) -> Result<(), Stop> {
        if self.depth == self.limits.max_depth {
            return Err(self.stop(Code::TooDeep, self.at, format!("more than {} levels", self.limits.max_depth)));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    const fn ascend(&mut self) {
        self.depth -= 1;
        self.at += 1;
    }

    /// Counts a member or an element.
    #[inline]
    fn count(&mut self) -> Result<(), Stop> {
        if self.fields == self.limits.max_fields {
            let what = format!("more than {} members and elements", self.limits.max_fields);
            return Err(self.stop(Code::TooManyFields, self.at, what));
        }
        self.fields += 1;
        Ok(())
    }
}
