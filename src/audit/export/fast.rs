//! Lines as our own exporter writes them: members in their order, no spaces, and in values no escapes but those of quotes
//! and backslashes. Anything else is left to the slow way; what is read here, it reads the same.

use super::{Line, OurHeaders};
use crate::json::ends_of_plain;

/// A line whose value lies in the buffer, where it has one.
pub(super) struct Found<'l> {
    line: Line<'l>,
    has_value: bool,
}

impl<'l> Found<'l> {
    pub fn with_value(self, value: &'l [u8]) -> Line<'l> {
        Line { value: self.has_value.then_some(value), ..self.line }
    }
}

/// Reads `line`; its value goes to `value`. None where it is laid out in another way, or is no export line.
pub(super) fn read<'l>(line: &'l str, value: &mut Vec<u8>) -> Option<Found<'l>> {
    let (mut cursor, mut timestamp, mut key) = (Cursor { text: line, at: 0 }, None, None);
    cursor.expect(b"{\"topic\":\"")?;
    let topic = cursor.plain()?;
    cursor.expect(b",\"partition\":")?;
    let partition = i32::try_from(cursor.number()?).ok()?;
    cursor.expect(b",\"offset\":")?;
    let offset = cursor.number()?;
    cursor.expect(b",\"timestamp\":")?;
    cursor.plain_or_null(&mut timestamp)?;
    cursor.expect(b",\"key\":")?;
    cursor.plain_or_null(&mut key)?;
    cursor.expect(b",\"value\":")?;
    let has_value = cursor.value(value)?;
    cursor.expect(b",\"headers\":{")?;
    let headers = cursor.headers()?;
    cursor.expect(b"}")?;
    let line = Line { topic, partition, offset, timestamp, key, value: None, headers };
    (cursor.at == cursor.text.len()).then_some(Found { line, has_value })
}

struct Cursor<'l> {
    text: &'l str,
    at: usize,
}

impl<'l> Cursor<'l> {
    #[inline]
    fn rest(&self) -> &'l [u8] {
        &self.text.as_bytes()[self.at..]
    }

    #[inline]
    fn expect(&mut self, wanted: &[u8]) -> Option<()> {
        self.rest().starts_with(wanted).then(|| self.at += wanted.len())
    }

    /// A whole number that is not negative, in few digits.
    #[inline]
    fn number(&mut self) -> Option<i64> {
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.rest().split_at(digits);
        let well_formed = (1..=18).contains(&digits) && (digits == 1 || number[0] != b'0') && matches!(rest, [b',', ..]);
        self.at += digits;
        well_formed.then(|| number.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
    }

    /// The rest of a string without escapes, whose opening quote was read.
    #[inline]
    fn plain(&mut self) -> Option<&'l str> {
        let bytes = self.rest();
        let mut len = 0;
        while let Some(eight) = bytes.get(len..).and_then(<[u8]>::first_chunk) {
            let ends = ends_of_plain(u64::from_le_bytes(*eight));
            if ends != 0 {
                len += (ends.trailing_zeros() / 8) as usize;
                break;
            }
            len += 8;
        }
        // In the last bytes of a line, one by one.
        len += bytes[len..].iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)).count();
        let start = self.at;
        self.at += len + 1;
        (bytes.get(len) == Some(&b'"')).then(|| &self.text[start..start + len])
    }

    /// A string without escapes, to be put into `found`, or null.
    #[inline]
    fn plain_or_null(&mut self, found: &mut Option<&'l str>) -> Option<()> {
        match self.rest().first()? {
            b'"' => {
                self.at += 1;
                *found = Some(self.plain()?);
                Some(())
            }
            _ => self.expect(b"null"),
        }
    }

    /// A string whose escapes are those of quotes and backslashes, or null; whether it is a string.
    #[inline]
    fn value(&mut self, out: &mut Vec<u8>) -> Option<bool> {
        if self.rest().first()? != &b'"' {
            return self.expect(b"null").map(|()| false);
        }
        self.at += 1;
        let bytes = self.rest();
        // Never longer than what it was written as. Eight bytes are copied at a time, and the last ones may be too many.
        if out.len() < bytes.len() + 8 {
            out.resize(bytes.len() + 8, 0);
        }
        let (mut read, mut written) = (0, 0);
        // The end of the string is followed by more than eight bytes, or it is no line of ours.
        while let Some(eight) = bytes.get(read..).and_then(<[u8]>::first_chunk::<8>) {
            out[written..written + 8].copy_from_slice(eight);
            let ends = ends_of_plain(u64::from_le_bytes(*eight));
            if ends == 0 {
                (read, written) = (read + 8, written + 8);
                continue;
            }
            let plain = (ends.trailing_zeros() / 8) as usize;
            (read, written) = (read + plain, written + plain);
            match (bytes[read], bytes.get(read + 1)?) {
                (b'"', _) => {
                    self.at += read + 1;
                    out.truncate(written);
                    return Some(true);
                }
                (b'\\', escaped @ (b'"' | b'\\')) => {
                    out[written] = *escaped;
                    (read, written) = (read + 2, written + 1);
                }
                _ => return None,
            }
        }
        None
    }

    /// The members of `headers` and the brace that ends it.
    #[inline]
    fn headers(&mut self) -> Option<OurHeaders<'l>> {
        let mut headers = OurHeaders::default();
        if self.expect(b"}").is_some() {
            return Some(headers);
        }
        loop {
            self.expect(b"\"")?;
            let name = self.plain()?;
            self.expect(b":\"")?;
            let value = self.plain()?;
            let slot = match name {
                "jidoka-decision-id" => Some(&mut headers.decision_id),
                "jidoka-kind" => Some(&mut headers.kind),
                "jidoka-hash" => Some(&mut headers.hash),
                _ => None,
            };
            if slot.is_some_and(|slot| slot.replace(value).is_some()) {
                // Twice: the slow way says so.
                return None;
            }
            if self.expect(b",").is_none() {
                return self.expect(b"}").map(|()| headers);
            }
        }
    }
}
