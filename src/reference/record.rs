//! One trusted record: the members of a flat JSON object, kept small.
//!
//! The names stand once for all records that have the same ones (a *shape*); a record has the shape and its values in a row.

use std::fmt;
use std::sync::{Arc, Weak};

use hashbrown::HashTable;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::identity::Timestamp;

/// So many members may a record have.
const MEMBERS_MAX: usize = 1_000;
/// So many shapes are shared; records of further ones have their names to themselves.
const SHAPES_MAX: usize = 4_096;
/// The longest subject id, in bytes: what an event may have.
const SUBJECT_BYTES_MAX: usize = 1_024;

/// A value of a record.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Fact<'r> {
    /// Absent or null.
    Missing,
    /// `true` or `false`.
    Bool(bool),
    /// A finite number.
    Number(f64),
    /// A text.
    Text(&'r str),
    /// A list or an object: there, and nothing to compare with.
    Nested,
}

/// Where a record was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// At this place of a topic; of a file, partition 0 and the line less one.
    Log {
        /// Partition of the topic.
        partition: i32,
        /// Offset in it.
        offset: i64,
    },
    /// From an HTTP source, at this time.
    Fetched(Timestamp),
}

/// Why bytes are no record: no value is named.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Undecodable(String);

/// The names of a record's members, sorted.
type Shape = [Box<str>];

/// What is trusted about one subject. Immutable: a newer record replaces it as a whole.
pub struct TrustedRecord {
    shape: Arc<Shape>,
    /// The subject's id (its length in two bytes before it), then the values in the order of the shape.
    bytes: Box<[u8]>,
    origin: Origin,
    as_of: Option<Timestamp>,
}

impl fmt::Debug for TrustedRecord {
    /// Names the place and shows none of it: what is logged must not hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedRecord").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Begins a value in a record.
mod tag {
    pub const MISSING: u8 = 0;
    pub const FALSE: u8 = 1;
    pub const TRUE: u8 = 2;
    pub const NUMBER: u8 = 3;
    pub const TEXT: u8 = 4;
    pub const NESTED: u8 = 5;
    /// A whole number of two bytes.
    pub const SMALL: u8 = 6;
}

impl TrustedRecord {
    /// Whom it is about.
    #[must_use]
    pub fn subject(&self) -> &str {
        std::str::from_utf8(self.subject_bytes()).unwrap_or_default()
    }

    pub(super) fn subject_bytes(&self) -> &[u8] {
        let length = usize::from(u16::from_le_bytes([self.bytes[0], self.bytes[1]]));
        &self.bytes[2..2 + length]
    }

    /// The member `name`. Allocates nothing.
    #[must_use]
    pub fn fact(&self, name: &str) -> Fact<'_> {
        let Ok(place) = self.shape.binary_search_by(|known| (**known).cmp(name)) else { return Fact::Missing };
        let mut rest = &self.bytes[2 + self.subject_bytes().len()..];
        for _ in 0..place {
            rest = read(rest).1;
        }
        read(rest).0
    }

    /// The names of its members, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.shape.iter().map(|name| &**name)
    }

    /// Where it was read.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// Since when it is true: its `as_of` member, else when it was appended or fetched; none where neither is known.
    #[must_use]
    pub const fn as_of(&self) -> Option<Timestamp> {
        self.as_of
    }

    /// What it takes of memory with its entry in a table, in bytes; a shared shape does not count.
    #[must_use]
    pub fn cost(&self) -> usize {
        /// Two allocations' own, the counts of the shared pointer, and an entry of a table at its usual load.
        const OVERHEAD: usize = 2 * 8 + 16 + 64;
        let own_shape = if Arc::strong_count(&self.shape) > 1 || Arc::weak_count(&self.shape) > 0 {
            0
        } else {
            self.shape.iter().map(|name| name.len() + 32).sum()
        };
        size_of::<Self>() + self.bytes.len() + OVERHEAD + own_shape
    }
}

/// The value that `bytes` begins with, and the rest.
fn read(bytes: &[u8]) -> (Fact<'_>, &[u8]) {
    let rest = &bytes[1..];
    match bytes[0] {
        tag::FALSE => (Fact::Bool(false), rest),
        tag::TRUE => (Fact::Bool(true), rest),
        tag::NESTED => (Fact::Nested, rest),
        tag::SMALL => {
            let (number, rest) = rest.split_first_chunk::<2>().expect("a record is written with its values whole");
            (Fact::Number(f64::from(i16::from_le_bytes(*number))), rest)
        }
        tag::NUMBER => {
            let (number, rest) = rest.split_first_chunk::<8>().expect("a record is written with its values whole");
            (Fact::Number(f64::from_le_bytes(*number)), rest)
        }
        tag::TEXT => {
            let (length, rest) = rest.split_first_chunk::<4>().expect("a record is written with its values whole");
            let (text, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
            (Fact::Text(std::str::from_utf8(text).expect("a record's texts are written from texts")), rest)
        }
        _ => (Fact::Missing, rest),
    }
}

fn write(out: &mut Vec<u8>, fact: &Owned) {
    match fact {
        Owned::Missing => out.push(tag::MISSING),
        Owned::Bool(false) => out.push(tag::FALSE),
        Owned::Bool(true) => out.push(tag::TRUE),
        Owned::Nested => out.push(tag::NESTED),
        Owned::Number(number) => {
            #[expect(clippy::cast_possible_truncation, reason = "compared with what it was made of")]
            let small = *number as i16;
            // By bits, so that −0 stays what it is.
            if f64::from(small).to_bits() == number.to_bits() {
                out.push(tag::SMALL);
                out.extend_from_slice(&small.to_le_bytes());
            } else {
                out.push(tag::NUMBER);
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        Owned::Text(text) => {
            out.push(tag::TEXT);
            let length = u32::try_from(text.len()).expect("a record is smaller than four gibibytes");
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
    }
}

/// A value on its way into a record.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Owned {
    Missing,
    Bool(bool),
    Number(f64),
    Text(String),
    Nested,
}

/// Reads records of one reference, and keeps the names that they share.
pub struct RecordReader {
    /// The member that says since when a record is true.
    as_of: Option<String>,
    shapes: HashTable<(u64, Weak<Shape>)>,
    members: Vec<(String, Owned)>,
    bytes: Vec<u8>,
}

impl RecordReader {
    /// Reads records whose member `as_of` says since when they are true, where there is one.
    #[must_use]
    pub fn new(as_of: Option<String>) -> Self {
        Self { as_of, shapes: HashTable::new(), members: Vec::new(), bytes: Vec::new() }
    }

    /// Reads `json`, a JSON object, as what is trusted about `subject`. `stamped` is when it was appended or fetched.
    ///
    /// # Errors
    /// When it is no JSON object with at most 1,000 members and no name twice, or `as_of` is no time: the subject has
    /// no trusted record then, and must not be released on an older one.
    pub fn read(
        &mut self,
        (subject, json): (&str, &[u8]),
        origin: Origin,
        stamped: Option<Timestamp>,
    ) -> Result<TrustedRecord, Undecodable> {
        self.members.clear();
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        Members(&mut self.members)
            .deserialize(&mut deserializer)
            .and_then(|()| deserializer.end())
            .map_err(|error| Undecodable(without_values(&error)))?;
        self.record(subject, origin, stamped)
    }

    /// Makes a record of these `members`, as [`RecordReader::read`] does.
    pub(super) fn take(
        &mut self,
        subject: &str,
        members: impl IntoIterator<Item = (String, Owned)>,
        origin: Origin,
    ) -> Result<TrustedRecord, Undecodable> {
        self.members.clear();
        self.members.extend(members);
        self.record(subject, origin, None)
    }

    fn record(&mut self, subject: &str, origin: Origin, stamped: Option<Timestamp>) -> Result<TrustedRecord, Undecodable> {
        if subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX {
            return Err(Undecodable(format!("its key is empty or longer than {SUBJECT_BYTES_MAX} bytes")));
        }
        self.members.sort_by(|(left, _), (right, _)| left.cmp(right));
        if self.members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(Undecodable("it has a member twice".to_owned()));
        }
        let as_of = match &self.as_of {
            None => stamped,
            Some(name) => match self.members.iter().find(|(member, _)| member == name).map(|(_, value)| value) {
                None | Some(Owned::Missing) => None,
                Some(Owned::Text(text)) => Some(parse_time(text).ok_or_else(|| no_time(name))?),
                Some(_) => return Err(no_time(name)),
            },
        };
        self.bytes.clear();
        self.bytes.extend_from_slice(&u16::try_from(subject.len()).unwrap_or_default().to_le_bytes());
        self.bytes.extend_from_slice(subject.as_bytes());
        for (_, value) in &self.members {
            write(&mut self.bytes, value);
        }
        Ok(TrustedRecord { shape: self.shape(), bytes: self.bytes.as_slice().into(), origin, as_of })
    }

    /// The shape of the members at hand, shared with earlier records that have it.
    fn shape(&mut self) -> Arc<Shape> {
        let hash = self.members.iter().fold(0, |hash, (name, _)| super::table::hash_with(hash, name.as_bytes()));
        let is_same = |shape: &Shape| {
            shape.len() == self.members.len() && shape.iter().zip(&self.members).all(|(name, (member, _))| **name == **member)
        };
        let known = self.shapes.find(hash, |(_, shape)| shape.upgrade().is_some_and(|shape| is_same(&shape)));
        if let Some(shape) = known.and_then(|(_, shape)| shape.upgrade()) {
            return shape;
        }
        let shape: Arc<Shape> = self.members.iter().map(|(name, _)| name.as_str().into()).collect();
        if self.shapes.len() >= SHAPES_MAX {
            self.shapes.retain(|(_, shape)| shape.strong_count() > 0);
        }
        if self.shapes.len() < SHAPES_MAX {
            self.shapes.insert_unique(hash, (hash, Arc::downgrade(&shape)), |(hash, _)| *hash);
        }
        shape
    }
}

fn no_time(name: &str) -> Undecodable {
    Undecodable(format!("its member `{name}` is no time such as 2026-01-05T10:46:41Z or 2026-01-05"))
}

/// A time, or a day as its beginning in UTC.
pub(crate) fn parse_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.len() == 10 {
        let mut whole = [0; 20];
        whole[..10].copy_from_slice(text.as_bytes());
        whole[10..].copy_from_slice(b"T00:00:00Z");
        return Timestamp::parse(std::str::from_utf8(&whole).ok()?);
    }
    Timestamp::parse(text)
}

/// What is wrong, as far as it can be said without quoting the record.
fn without_values(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "it is no flat JSON object",
        serde_json::error::Category::Eof => "it ends within its JSON",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is no JSON",
    };
    format!("{what} (column {})", error.column())
}

struct Members<'m>(&'m mut Vec<(String, Owned)>);

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if self.0.len() == MEMBERS_MAX {
                return Err(A::Error::custom("too many members"));
            }
            let value = map.next_value_seed(Member)?;
            self.0.push((name, value));
        }
        Ok(())
    }
}

struct Member;

impl<'de> DeserializeSeed<'de> for Member {
    type Value = Owned;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Owned, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Member {
    type Value = Owned;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Owned, E> {
        Ok(Owned::Missing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Owned, E> {
        Ok(Owned::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Owned, E> {
        Ok(Owned::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Owned, E> {
        Ok(Owned::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Owned, E> {
        Ok(Owned::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Owned, E> {
        Ok(Owned::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Owned, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Owned::Nested)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Owned, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Owned::Nested)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Origin = Origin::Log { partition: 0, offset: 7 };

    fn reader() -> RecordReader {
        RecordReader::new(Some("as_of".to_owned()))
    }

    fn read_one(json: &str) -> Result<TrustedRecord, Undecodable> {
        reader().read(("S1", json.as_bytes()), HERE, Some(Timestamp(5)))
    }

    #[test]
    fn every_kind_of_value_comes_back() {
        let json = r#"{"a":1,"b":-32768.0,"c":1e9,"d":0.1,"e":"ä\"","f":true,"g":false,"h":null,"i":[1],"j":{"k":2},"l":-0.0,"as_of":"2026-01-05"}"#;
        let record = read_one(json).expect("a record");
        assert_eq!(record.subject(), "S1");
        for (name, fact) in [
            ("a", Fact::Number(1.0)),
            ("b", Fact::Number(-32768.0)),
            ("c", Fact::Number(1e9)),
            ("d", Fact::Number(0.1)),
            ("e", Fact::Text("ä\"")),
            ("f", Fact::Bool(true)),
            ("g", Fact::Bool(false)),
            ("h", Fact::Missing),
            ("i", Fact::Nested),
            ("j", Fact::Nested),
            ("k", Fact::Missing),
            ("", Fact::Missing),
        ] {
            assert_eq!(record.fact(name), fact, "{name}");
        }
        assert_eq!(record.as_of(), Timestamp::parse("2026-01-05T00:00:00Z"));
        assert_eq!(record.origin(), HERE);
        assert!(!format!("{record:?}").contains("S1"), "no personal data in logs");
    }

    #[test]
    fn what_is_no_record_is_refused_without_quoting_it() {
        for json in [
            "",
            "secret",
            "[1]",
            "\"secret\"",
            "{\"secret\":1",
            "{\"secret\":1,\"secret\":2}",
            "{\"as_of\":\"secret\"}",
            "{\"as_of\":17}",
            "{\"secret\":1e999}",
            "{\"secret\":1} secret",
        ] {
            let refused = read_one(json).expect_err(json).to_string();
            assert!(!refused.contains("secret"), "{json}: {refused}");
        }
        let many: Vec<String> = (0..=MEMBERS_MAX).map(|number| format!("\"m{number}\":1")).collect();
        assert!(read_one(&format!("{{{}}}", many.join(","))).is_err());
        assert!(reader().read(("", b"{}"), HERE, None).is_err());
    }

    #[test]
    fn without_a_member_the_time_is_the_appending() {
        let record = RecordReader::new(None).read(("S1", b"{\"a\":1}"), HERE, Some(Timestamp(5))).expect("a record");
        assert_eq!(record.as_of(), Some(Timestamp(5)));
        assert_eq!(read_one("{}").expect("a record").as_of(), None, "what was asked for is not there: nobody knows");
    }

    #[test]
    fn records_of_one_shape_share_it() {
        let mut reader = reader();
        let first = reader.read(("S1", br#"{"a":1,"b":2}"#), HERE, None).expect("a record");
        let second = reader.read(("S2", br#"{"b":3,"a":"x"}"#), HERE, None).expect("a record");
        assert!(Arc::ptr_eq(&first.shape, &second.shape));
        for number in 0..SHAPES_MAX * 2 {
            let json = format!("{{\"m{number}\":1}}");
            let record = reader.read(("S3", json.as_bytes()), HERE, None).expect("a record");
            assert_eq!(record.fact(&format!("m{number}")), Fact::Number(1.0));
        }
        assert!(reader.shapes.len() <= SHAPES_MAX);
    }
}
