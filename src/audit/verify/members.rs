//! JSON objects, member by member: all of it is checked, nothing is built, and strings are passed eight bytes at a time.

use std::borrow::Cow;

use crate::identity::{DecisionId, Timestamp};
use crate::json::ends_of_plain;

/// Why something cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wrong(pub &'static str);

pub(super) type Read<T> = Result<T, Wrong>;

const NOT_JSON: Wrong = Wrong("it is not JSON");
const TWICE: Wrong = Wrong("a member stands in it twice");
const TYPE: Wrong = Wrong("a member is of the wrong type");

/// More levels than any record of ours has.
const DEPTH_MAX: u32 = 120;

/// Hands name and value of every member of the object that `json` is to `each`, in order.
#[inline]
pub(super) fn members<'v>(json: &'v [u8], mut each: impl FnMut(&[u8], &'v [u8]) -> Read<()>) -> Read<()> {
    let mut scan = Scan { bytes: json, at: 0 };
    scan.space();
    scan.byte(b'{')?;
    scan.space();
    if scan.next() == Some(b'}') {
        scan.at += 1;
        return scan.end();
    }
    loop {
        let name = scan.string()?;
        scan.colon()?;
        let start = scan.at;
        scan.value()?;
        let value = &json[start..scan.at];
        let taken = if name.contains(&b'\\') { each(unescaped(name)?.as_bytes(), value) } else { each(name, value) };
        taken?;
        scan.space();
        match scan.next() {
            Some(b',') => scan.at += 1,
            Some(b'}') => break,
            _ => return Err(NOT_JSON),
        }
        scan.space();
    }
    scan.at += 1;
    scan.end()
}

/// Which members of an object were read already.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen(u32);

impl Seen {
    /// Notes the member with this number, below 32.
    #[inline]
    pub fn once(&mut self, number: u32) -> Read<()> {
        let bit = 1 << number;
        if self.0 & bit != 0 {
            return Err(TWICE);
        }
        self.0 |= bit;
        Ok(())
    }
}

/// A string; none where `value` is null.
#[inline]
pub(super) fn text(value: &[u8]) -> Read<Option<Cow<'_, str>>> {
    match value {
        [b'"', inner @ .., b'"'] if inner.contains(&b'\\') => unescaped(inner).map(|text| Some(Cow::Owned(text))),
        [b'"', inner @ .., b'"'] => std::str::from_utf8(inner).map(|text| Some(Cow::Borrowed(text))).map_err(|_| NOT_JSON),
        b"null" => Ok(None),
        _ => Err(TYPE),
    }
}

/// A whole number that is not negative; none where `value` is null.
#[inline]
pub(super) fn count(value: &[u8]) -> Read<Option<u64>> {
    match value {
        b"null" => Ok(None),
        digits if digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit) => {
            Ok(Some(digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))))
        }
        digits if digits.iter().all(u8::is_ascii_digit) => {
            std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).map(Some).ok_or(TYPE)
        }
        _ => Err(TYPE),
    }
}

/// A whole number that is not negative and fits a signed one, such as an offset.
#[inline]
pub(super) fn offset(value: &[u8]) -> Read<Option<i64>> {
    count(value)?.map(|number| i64::try_from(number).map_err(|_| TYPE)).transpose()
}

/// `true` or `false`.
pub(super) fn truth(value: &[u8]) -> Read<Option<bool>> {
    match value {
        b"null" => Ok(None),
        b"true" => Ok(Some(true)),
        b"false" => Ok(Some(false)),
        _ => Err(TYPE),
    }
}

/// The 64 digits of a hash, as they stand there; none where `value` is null.
#[inline]
pub(super) fn hash(value: &[u8]) -> Read<Option<&[u8; 64]>> {
    match value {
        b"null" => Ok(None),
        [b'"', digits @ .., b'"'] => digits.try_into().map(Some).map_err(|_| Wrong("a hash in it does not have 64 digits")),
        _ => Err(TYPE),
    }
}

/// A decision's id; none where `value` is null.
#[inline]
pub(super) fn decision_id(value: &[u8]) -> Read<Option<DecisionId>> {
    let id = |text: Cow<'_, str>| DecisionId::parse(&text).ok_or(Wrong("a decision id in it does not have 32 hex digits"));
    text(value)?.map(id).transpose()
}

/// A time; none where `value` is null.
#[inline]
pub(super) fn time(value: &[u8]) -> Read<Option<Timestamp>> {
    text(value)?.map(|text| Timestamp::parse(&text).ok_or(Wrong("a time in it is none"))).transpose()
}

#[cold]
fn unescaped(inner: &[u8]) -> Read<String> {
    let quoted = [b"\"", inner, b"\""].concat();
    serde_json::from_slice(&quoted).map_err(|_| NOT_JSON)
}

struct Scan<'v> {
    bytes: &'v [u8],
    at: usize,
}

impl<'v> Scan<'v> {
    #[inline]
    fn next(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn space(&mut self) {
        while matches!(self.next(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    #[inline]
    fn byte(&mut self, wanted: u8) -> Read<()> {
        if self.next() != Some(wanted) {
            return Err(NOT_JSON);
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn colon(&mut self) -> Read<()> {
        self.space();
        self.byte(b':')?;
        self.space();
        Ok(())
    }

    fn end(&mut self) -> Read<()> {
        self.space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(NOT_JSON) }
    }

    /// Reads the string that comes next; what is between its quotes, with its escapes.
    #[inline]
    fn string(&mut self) -> Read<&'v [u8]> {
        self.byte(b'"')?;
        let start = self.at;
        loop {
            while let Some(eight) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
                let ends = ends_of_plain(u64::from_le_bytes(*eight));
                if ends != 0 {
                    self.at += (ends.trailing_zeros() / 8) as usize;
                    break;
                }
                self.at += 8;
            }
            match self.next() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.bytes[start..self.at - 1]);
                }
                Some(b'\\') => self.escape()?,
                Some(0..=0x1f) | None => return Err(NOT_JSON),
                Some(_) => self.at += 1,
            }
        }
    }

    #[cold]
    fn escape(&mut self) -> Read<()> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') if self.bytes.get(self.at + 2..self.at + 6).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) => {
                self.at += 6;
            }
            _ => return Err(NOT_JSON),
        }
        Ok(())
    }

    /// Passes the value that comes next, whatever it is.
    #[inline]
    fn value(&mut self) -> Read<()> {
        match self.next() {
            Some(b'"') => self.string().map(drop),
            Some(b'{' | b'[') => self.container(),
            _ => self.scalar(),
        }
    }

    fn scalar(&mut self) -> Read<()> {
        match self.next() {
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            _ => Err(NOT_JSON),
        }
    }

    #[inline]
    fn word(&mut self, word: &[u8]) -> Read<()> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(NOT_JSON);
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Read<()> {
        if self.next() == Some(b'-') {
            self.at += 1;
        }
        let start = self.at;
        self.digits()?;
        if self.at > start + 1 && self.bytes[start] == b'0' {
            return Err(NOT_JSON);
        }
        if self.next() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.next(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.next(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Read<()> {
        let start = self.at;
        while matches!(self.next(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(NOT_JSON) } else { Ok(()) }
    }

    /// Passes the object or list that comes next, without recursion: the bits of `inside` say what it is inside of.
    fn container(&mut self) -> Read<()> {
        let (mut inside, mut depth) = (0_u128, 0_u32);
        loop {
            let opened = match self.next() {
                Some(b'{') => 1,
                Some(b'[') => 0,
                _ => {
                    self.scalar()?;
                    2
                }
            };
            if opened < 2 {
                if depth == DEPTH_MAX {
                    return Err(Wrong("it is nested too deeply"));
                }
                (inside, depth) = (inside << 1 | opened, depth + 1);
                self.at += 1;
                self.space();
                if self.next() != Some(if opened == 1 { b'}' } else { b']' }) {
                    self.name_in(inside)?;
                    continue;
                }
            }
            loop {
                if depth == 0 {
                    return Ok(());
                }
                self.space();
                match (self.next(), inside & 1) {
                    (Some(b'}'), 1) | (Some(b']'), 0) => (inside, depth) = (inside >> 1, depth - 1),
                    (Some(b','), _) => break,
                    _ => return Err(NOT_JSON),
                }
                self.at += 1;
            }
            self.at += 1;
            self.space();
            self.name_in(inside)?;
        }
    }

    /// Passes the name and colon before a value, where it stands in an object.
    #[inline]
    fn name_in(&mut self, inside: u128) -> Read<()> {
        if inside & 1 == 1 {
            self.string()?;
            self.colon()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    fn ours(json: &[u8]) -> Option<Vec<(String, String)>> {
        let mut found = Vec::new();
        let each = |name: &[u8], value: &[u8]| {
            found.push((String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value).into_owned()));
            Ok(())
        };
        members(json, each).ok().map(|()| found)
    }

    /// The members in order, of an object without names that stand twice.
    fn serdes(json: &[u8]) -> Option<Vec<(String, String)>> {
        struct Members;
        impl<'de> serde::de::Visitor<'de> for Members {
            type Value = Vec<(String, String)>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    found.push((name, value.get().to_owned()));
                }
                Ok(found)
            }
        }
        let text = std::str::from_utf8(json).ok()?;
        let mut reader = serde_json::Deserializer::from_str(text);
        let found = serde::Deserializer::deserialize_map(&mut reader, Members).ok()?;
        reader.end().ok().map(|()| found)
    }

    fn same(json: &[u8]) {
        let shown = String::from_utf8_lossy(json);
        if std::str::from_utf8(json).is_ok() {
            assert_eq!(ours(json), serdes(json), "{shown}");
        }
    }

    #[test]
    fn what_serde_reads_is_read_and_nothing_else() {
        for json in [
            "{}",
            " { } ",
            "{} x",
            "",
            "[]",
            "{\"a\":1}",
            "{\"a\":01}",
            "{\"a\":-}",
            "{\"a\":1.}",
            "{\"a\":1e}",
            "{\"a\":1e+9}",
            "{\"a\":-0.5E-3,\"b\":[]}",
            "{\"a\":1,}",
            "{,}",
            "{\"a\" : [ 1 , {\"b\":[ ]} , {} ] }",
            "{\"a\":[1,]}",
            "{\"a\":[1 2]}",
            "{\"a\":{\"b\"}}",
            "{\"a\":{\"b\":1]}",
            "{\"a\":tru}",
            "{\"a\":nullx}",
            "{\"a\":\"\\u00e9\\n\"}",
            "{\"a\":\"\\u00g9\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\u{1}\"}",
            "{\"a\":\"é\u{7f}日本\"}",
            "{\"\\u0061\":1,\"\":2}",
            "{\"a\":[[[[[[]]]]]]}",
            "{\"a\":]}",
            "{\"a\":\"x",
            "{\"a\"",
            "{\"a\":1",
            "{\"a\":[{\"b\":[true,false,null,\"c\",1]},2]}",
            "{1:2}",
            "{\"a\":{}",
            "{\"a\":[}]}",
        ] {
            same(json.as_bytes());
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(120), "]".repeat(120));
        assert!(ours(deep.as_bytes()).is_some());
        let deeper = format!("{{\"a\":{}{}}}", "[".repeat(121), "]".repeat(121));
        assert!(ours(deeper.as_bytes()).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_as_serde_reads_them(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("{".to_owned()), Just("}".to_owned()), Just("[".to_owned()), Just("]".to_owned()), Just(",".to_owned()),
                    Just(":".to_owned()), Just("\"a\"".to_owned()), Just("\"a\\\"b\\\\\"".to_owned()), Just(" ".to_owned()),
                    Just("1".to_owned()), Just("-2.5e3".to_owned()), Just("null".to_owned()), Just("\"k\":".to_owned()),
                    Just("\"0123456789abcdef\"".to_owned()), "[\\x00-\\x7fé]{0,3}",
                ],
                0..14,
            )
        ) {
            same(parts.concat().as_bytes());
            same(format!("{{\"a\":{}}}", parts.concat()).as_bytes());
        }

        #[test]
        fn numbers_are_the_standard_librarys(number in any::<u64>()) {
            prop_assert_eq!(count(number.to_string().as_bytes()), Ok(Some(number)));
            prop_assert_eq!(offset(number.to_string().as_bytes()).ok().flatten(), i64::try_from(number).ok());
        }
    }

    #[test]
    fn values_are_what_they_are() {
        assert_eq!(text(b"\"a\\nb\"").unwrap().as_deref(), Some("a\nb"));
        assert_eq!(text(b"null"), Ok(None));
        assert!(text(b"1").is_err() && count(b"-1").is_err() && count(b"1.0").is_err() && count(b"+1").is_err());
        assert!(truth(b"1").is_err() && truth(b"true") == Ok(Some(true)) && truth(b"null") == Ok(None));
        assert!(hash(b"\"ab\"").is_err() && hash(b"null") == Ok(None));
        assert!(decision_id(b"\"ab\"").is_err() && time(b"\"now\"").is_err());
    }
}
