//! Strings: found eight bytes at a time, copied only where they have escapes.

use super::{Scanner, Stop};
use crate::event::keys::Span;
use crate::event::unreadable::Code;
use crate::json::ends_of_plain;

impl Scanner<'_> {
    /// Reads the string whose opening quote comes next.
    #[inline]
    pub fn string(&mut self) -> Result<Span, Stop> {
        self.at += 1;
        let start = self.at;
        self.pass_plain();
        if self.text.as_bytes().get(self.at) == Some(&b'"') {
            self.at += 1;
            return Ok(Span::new(start, self.at - 1));
        }
        self.string_with_escapes(start)
    }

    /// Goes on with a string that began at `start` and of which the bytes before the current one are plain.
    fn string_with_escapes(&mut self, start: usize) -> Result<Span, Stop> {
        let begin = self.text.len() + self.buffers.unescaped.len();
        let mut copied = start;
        loop {
            self.buffers.unescaped.push_str(&self.text[copied..self.at]);
            match self.text.as_bytes().get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Span::new(begin, self.text.len() + self.buffers.unescaped.len()));
                }
                Some(b'\\') => self.escape()?,
                Some(byte) => {
                    let what = format!("control character {byte:#04x} in a string, where it must be escaped");
                    return Err(self.stop(Code::NotJson, self.at, what));
                }
                None => {
                    let what = format!("the record ends inside the string that begins at byte {}", start - 1);
                    return Err(self.stop(Code::NotJson, self.at, what));
                }
            }
            copied = self.at;
            self.pass_plain();
        }
    }

    /// Goes to the next quote, backslash or control character, or to the end of the text.
    #[inline]
    fn pass_plain(&mut self) {
        let bytes = self.text.as_bytes();
        while let Some(eight) = bytes.get(self.at..).and_then(<[u8]>::first_chunk::<8>) {
            let ends = ends_of_plain(u64::from_le_bytes(*eight));
            if ends != 0 {
                self.at += (ends.trailing_zeros() / 8) as usize;
                return;
            }
            self.at += 8;
        }
        while bytes.get(self.at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
            self.at += 1;
        }
    }

    /// Reads an escape, whose backslash comes next.
    fn escape(&mut self) -> Result<(), Stop> {
        let at = self.at;
        let unescaped = match self.text.as_bytes().get(at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let char = self.unicode_escape()?;
                self.buffers.unescaped.push(char);
                return Ok(());
            }
            _ => return Err(self.stop(Code::NotJson, at, "no such escape in a string".to_owned())),
        };
        self.at += 2;
        self.buffers.unescaped.push(unescaped);
        Ok(())
    }

    /// Reads `\uXXXX`, or two of them that are a pair of surrogates.
    fn unicode_escape(&mut self) -> Result<char, Stop> {
        let at = self.at;
        let first = self.unit()?;
        let scalar = match first {
            0xd800..=0xdbff if self.text.as_bytes()[self.at..].starts_with(b"\\u") => match self.unit()? {
                second @ 0xdc00..=0xdfff => 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                _ => first,
            },
            _ => first,
        };
        char::from_u32(scalar).ok_or_else(|| self.stop(Code::NotJson, at, "half of a surrogate pair in a string".to_owned()))
    }

    /// Reads one `\uXXXX`.
    fn unit(&mut self) -> Result<u32, Stop> {
        let digit = |sum: u32, byte: &u8| char::from(*byte).to_digit(16).map(|digit| sum << 4 | digit);
        let digits = self.text.as_bytes().get(self.at + 2..self.at + 6);
        let Some(unit) = digits.and_then(|digits| digits.iter().try_fold(0, digit)) else {
            return Err(self.stop(Code::NotJson, self.at, "`\\u` without four hex digits".to_owned()));
        };
        self.at += 6;
        Ok(unit)
    }
}
