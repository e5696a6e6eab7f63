//! JSON written once, straight into a reused buffer: what is hashed is what is sent.
//!
//! Names are written in the order of the calls and never sorted, so the same calls give the same bytes. Only
//! [`ObjectWriter::raw`] takes bytes as they are; they must be one JSON value.

/// Writes the members of one object; [`object`] begins and ends it.
#[derive(Debug)]
pub struct ObjectWriter<'b> {
    out: &'b mut Vec<u8>,
    empty: bool,
}

/// Writes one object into `out`: `members` gets the writer of its members.
pub fn object(out: &mut Vec<u8>, members: impl FnOnce(&mut ObjectWriter<'_>)) {
    out.push(b'{');
    members(&mut ObjectWriter { out, empty: true });
    out.push(b'}');
}

impl ObjectWriter<'_> {
    fn name(&mut self, name: &str) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// A member with text, escaped; `null` where there is none.
    pub fn text<'t>(&mut self, name: &str, value: impl Into<Option<&'t str>>) {
        self.name(name);
        match value.into() {
            Some(value) => text(self.out, value),
            None => self.out.extend_from_slice(b"null"),
        }
    }

    /// A member whose text is known to need no escaping (hex, times, words of our own).
    pub fn word(&mut self, name: &str, value: &[u8]) {
        debug_assert!(
            value.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')),
            "a word needs no escapes"
        );
        self.name(name);
        self.out.push(b'"');
        self.out.extend_from_slice(value);
        self.out.push(b'"');
    }

    /// A member with a whole number; `null` where there is none.
    pub fn integer(&mut self, name: &str, value: impl Into<Option<i64>>) {
        self.name(name);
        match value.into() {
            Some(value) => self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
            None => self.out.extend_from_slice(b"null"),
        }
    }

    /// A member with a number in its shortest form that reads back as the same double; `null` for none, NaN, infinity.
    pub fn number(&mut self, name: &str, value: impl Into<Option<f64>>) {
        self.name(name);
        number(self.out, value);
    }

    /// A member with `true` or `false`.
    pub fn truth(&mut self, name: &str, value: bool) {
        self.name(name);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// A member whose bytes are JSON already, copied as they are; `null` where there are none.
    pub fn raw<'t>(&mut self, name: &str, value: impl Into<Option<&'t [u8]>>) {
        self.name(name);
        self.out.extend_from_slice(value.into().unwrap_or(b"null"));
    }

    /// A member that is an object.
    pub fn object(&mut self, name: &str, members: impl FnOnce(&mut ObjectWriter<'_>)) {
        self.name(name);
        object(self.out, members);
    }

    /// A member whose name is not ours, and so may need escaping: an object of `value`; `null` where there is none.
    pub fn named_object<T>(&mut self, name: &str, value: Option<T>, members: impl FnOnce(&mut ObjectWriter<'_>, T)) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        text(self.out, name);
        self.out.push(b':');
        match value {
            Some(value) => object(self.out, |writer| members(writer, value)),
            None => self.out.extend_from_slice(b"null"),
        }
    }

    /// A member that is a list of objects, one for each item.
    pub fn objects<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut members: impl FnMut(&mut ObjectWriter<'_>, T),
    ) {
        self.list(name, items, |out, item| object(out, |object| members(object, item)));
    }

    /// A member that is a list of texts.
    pub fn texts<'t>(&mut self, name: &str, items: impl IntoIterator<Item = &'t str>) {
        self.list(name, items, text);
    }

    /// A member that is a list of words, as [`ObjectWriter::word`] takes them.
    pub fn words<const N: usize>(&mut self, name: &str, items: impl IntoIterator<Item = [u8; N]>) {
        self.list(name, items, |out, word| {
            out.push(b'"');
            out.extend_from_slice(&word);
            out.push(b'"');
        });
    }

    fn list<T>(&mut self, name: &str, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Vec<u8>, T)) {
        self.name(name);
        self.out.push(b'[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            write(self.out, item);
        }
        self.out.push(b']');
    }
}

/// Writes `value` as a JSON string: quotes, backslashes and control characters escaped, all else as it is.
pub fn text(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    let mut rest = value.as_bytes();
    loop {
        let plain = plain_len(rest);
        out.extend_from_slice(&rest[..plain]);
        let Some(byte) = rest.get(plain) else { break };
        escape(out, *byte);
        rest = &rest[plain + 1..];
    }
    out.push(b'"');
}

/// Writes `bytes` as a JSON string if they are ASCII without anything to escape, as most texts are: then they need no
/// other check. Says whether it did.
#[inline]
pub(crate) fn plain_ascii(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let ends = |eight: &[u8; 8]| ends_of_plain(u64::from_le_bytes(*eight)) | u64::from_le_bytes(*eight) & HIGHS;
    let is_plain = match bytes.last_chunk() {
        // The last eight may have been looked at before.
        Some(last) => (bytes.as_chunks().0.iter().fold(ends(last), |all, eight| all | ends(eight))) == 0,
        None => bytes.iter().all(|byte| is_plain(*byte) && byte.is_ascii()),
    };
    if is_plain {
        out.push(b'"');
        out.extend_from_slice(bytes);
        out.push(b'"');
    }
    is_plain
}

/// How many of the first bytes a JSON string holds as they are.
#[inline]
fn plain_len(bytes: &[u8]) -> usize {
    let (eights, rest) = bytes.as_chunks();
    for (place, eight) in eights.iter().enumerate() {
        let ends = ends_of_plain(u64::from_le_bytes(*eight));
        if ends != 0 {
            return place * 8 + (ends.trailing_zeros() / 8) as usize;
        }
    }
    eights.len() * 8 + rest.iter().take_while(|byte| is_plain(**byte)).count()
}

/// Whether a JSON string holds the byte as it is.
#[inline]
const fn is_plain(byte: u8) -> bool {
    !matches!(byte, b'"' | b'\\' | 0..=0x1f)
}

#[cold]
fn escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Of eight bytes, lowest first: the high bit of the first one that is a quote, a backslash or a control character is
/// set and none before it; zero if there is none. Bits after it mean nothing, for a borrow may have gone through them.
#[inline]
pub(crate) const fn ends_of_plain(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let is_quote = quote.wrapping_sub(ONES) & !quote;
    let is_backslash = backslash.wrapping_sub(ONES) & !backslash;
    let is_control = word.wrapping_sub(ONES * 0x20) & !word;
    (is_quote | is_backslash | is_control) & HIGHS
}

/// Writes a double; whole numbers without a fraction (`85`, not `85.0`), `null` for none, NaN and infinities.
pub fn number(out: &mut Vec<u8>, value: impl Into<Option<f64>>) {
    /// Beyond 2⁵³ not every whole number is a double.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    match value.into() {
        Some(value) if value.is_finite() => {
            #[expect(clippy::cast_possible_truncation, reason = "compared with what it was made of")]
            let whole = value as i64;
            #[expect(clippy::float_cmp, reason = "exactly the same, or it is not the whole number")]
            if value.abs() < WHOLE_MAX && whole as f64 == value {
                out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
            } else {
                out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
            }
        }
        _ => out.extend_from_slice(b"null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(members: impl FnOnce(&mut ObjectWriter<'_>)) -> String {
        let mut out = Vec::new();
        object(&mut out, members);
        String::from_utf8(out).expect("JSON is text")
    }

    #[test]
    fn members_come_in_the_order_of_the_calls() {
        let json = written(|object| {
            object.text("text", "a\"b\\c\n\u{1}é");
            object.text("none", None);
            object.integer("integer", -7);
            object.number("whole", 85.0);
            object.number("number", 0.1);
            object.number("nan", f64::NAN);
            object.truth("truth", true);
            object.raw("raw", b"1.50".as_slice());
            object.object("object", |inner| inner.word("hex", b"00ff"));
            object.objects("objects", [1, 2], |inner, item| inner.integer("n", item));
            object.texts("texts", ["x", "y"]);
        });
        assert_eq!(
            json,
            concat!(
                r#"{"text":"a\"b\\c\n\u0001é","none":null,"integer":-7,"whole":85,"number":0.1,"nan":null,"truth":true,"#,
                r#""raw":1.50,"object":{"hex":"00ff"},"objects":[{"n":1},{"n":2}],"texts":["x","y"]}"#
            )
        );
    }

    #[test]
    fn every_byte_at_every_place_ends_plain_text_or_does_not() {
        for byte in 0..=255_u8 {
            for place in 0..8 {
                for (filler, after) in [(b'a', b'a'), (0xff, b'"'), (0x80, 0), (b'#', b'!'), (b' ', b']')] {
                    let mut eight = [after; 8];
                    eight[..place].fill(filler);
                    eight[place] = byte;
                    let found = ends_of_plain(u64::from_le_bytes(eight));
                    let first = eight.iter().position(|byte| !is_plain(*byte));
                    assert_eq!(first.is_some(), found != 0, "{eight:?}");
                    if let Some(first) = first {
                        assert_eq!((found.trailing_zeros() / 8) as usize, first, "{eight:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn plain_ascii_is_told_from_all_else_at_every_place() {
        for len in 0..30 {
            let mut out = Vec::new();
            assert!(plain_ascii(&mut out, &vec![b'~'; len]) && out.len() == len + 2);
            for (place, byte) in (0..len).flat_map(|place| (0..=255).map(move |byte| (place, byte))) {
                let mut bytes = vec![b'~'; len];
                bytes[place] = byte;
                let is_plain = byte.is_ascii() && is_plain(byte);
                assert_eq!(plain_ascii(&mut Vec::new(), &bytes), is_plain, "{byte} at {place} of {len}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_reads_back(value in ".*") {
            let mut out = Vec::new();
            text(&mut out, &value);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).expect("a string"), value);
        }

        #[test]
        fn any_number_reads_back(value in proptest::num::f64::NORMAL | proptest::num::f64::ZERO | proptest::num::f64::SUBNORMAL) {
            let mut out = Vec::new();
            number(&mut out, Some(value));
            prop_assert!(serde_json::from_slice::<f64>(&out).is_ok(), "is JSON");
            // Read by the standard library: serde_json rounds the last digit of some.
            let read: f64 = std::str::from_utf8(&out).expect("text").parse().expect("a number");
            // −0 is written as 0.
            prop_assert_eq!((read + 0.0).to_bits(), (value + 0.0).to_bits());
        }
    }
}
