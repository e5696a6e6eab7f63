//! Text of an event by place, and keys that must not repeat.

/// Where a text of the event lies: in the record as it was written, or, if it had escapes, among the unescaped texts, which
/// are counted on from the record's end.
///
/// Small, because every member passes some on: with eight bytes a place, decoding takes a third longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// How many bytes a record and its unescaped texts may have together. The decoder refuses longer records.
    pub const PLACES: usize = u32::MAX as usize;

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "places are below `PLACES`")]
    pub const fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && end <= Self::PLACES);
        Self { start: start as u32, end: end as u32 }
    }

    /// Its length in bytes, unescaped.
    #[inline]
    pub const fn len(self) -> usize {
        (self.end - self.start) as usize
    }
}

/// What spans point into.
#[derive(Clone, Copy)]
pub(super) struct Backing<'a> {
    pub written: &'a str,
    pub unescaped: &'a str,
}

impl<'a> Backing<'a> {
    #[inline]
    pub fn text(self, span: Span) -> &'a str {
        let (start, end) = (span.start as usize, span.end as usize);
        match start.checked_sub(self.written.len()) {
            None => &self.written[start..end],
            Some(start) => &self.unescaped[start..end - self.written.len()],
        }
    }
}

/// A key of an object.
#[derive(Clone, Copy)]
pub(super) struct Key {
    pub span: Span,
    pub fingerprint: u64,
    /// The byte of its opening quote.
    pub at: usize,
}

/// A number that equal texts share and others rarely do: made of their length and of both their ends.
///
/// It is cheap rather than strong, so nothing may take long when a producer makes many texts share one.
pub(super) fn fingerprint(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let (head, tail) = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>(), bytes) {
            (Some(head), Some(tail), _) => (u64::from(u32::from_le_bytes(*head)), u64::from(u32::from_le_bytes(*tail))),
            (_, _, [first, .., last]) => (u64::from(*first) << 8 | u64::from(bytes[1]), u64::from(*last)),
            (_, _, [only]) => (u64::from(*only), 0),
            (_, _, []) => (0, 0),
        },
    };
    let (low, high) = (head ^ 0x9e37_79b9_7f4a_7c15).carrying_mul(tail ^ 0xc2b2_ae3d_27d4_eb4f, bytes.len() as u64);
    low ^ high
}

/// The first key, in the order of the text, that stands in `keys` before; puts them in another order.
///
/// Few keys are told apart by a filter alone. Sorting the others takes n · log n comparisons whatever they are, so that
/// no choice of keys makes it slow.
pub(super) fn repeated(keys: &mut [Key], backing: Backing<'_>) -> Option<Key> {
    if !may_repeat(keys) {
        return None;
    }
    let order = |key: &Key| (key.fingerprint, backing.text(key.span));
    keys.sort_unstable_by(|a, b| order(a).cmp(&order(b)).then(a.at.cmp(&b.at)));
    keys.windows(2).filter(|pair| order(&pair[0]) == order(&pair[1])).map(|pair| pair[1]).min_by_key(|key| key.at)
}

/// False when no two keys can be equal, because no two fall on the same of 2,048 bits.
fn may_repeat(keys: &[Key]) -> bool {
    let mut taken = [0_u64; 32];
    keys.len() > 1
        && keys.iter().any(|key| {
            let [high, low, ..] = key.fingerprint.to_be_bytes();
            let (word, bit) = (usize::from(high >> 3), 1_u64 << ((high & 7) << 3 | low >> 5));
            let was_taken = taken[word] & bit != 0;
            taken[word] |= bit;
            was_taken
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys_of(names: &[String]) -> (String, Vec<Key>) {
        let mut written = String::new();
        let mut keys = Vec::new();
        for name in names {
            let start = written.len();
            written.push_str(name);
            let span = Span::new(start, written.len());
            keys.push(Key { span, fingerprint: fingerprint(name), at: start });
        }
        (written, keys)
    }

    fn first_repeated(names: &[String]) -> Option<usize> {
        let (written, mut keys) = keys_of(names);
        repeated(&mut keys, Backing { written: &written, unescaped: "" }).map(|key| key.at)
    }

    #[test]
    fn a_repeated_key_is_found_wherever_it_stands_and_whatever_its_length() {
        for length in [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 40] {
            for count in [0_usize, 1, 2, 5, 40, 300] {
                let mut names: Vec<String> = (0..count).map(|n| format!("{n}:{}", "k".repeat(length))).collect();
                assert_eq!(first_repeated(&names), None, "{count} keys of {length}");
                names.insert(count / 2, "x".repeat(length));
                assert_eq!(first_repeated(&names), None, "{count} keys of {length} and another");
                names.push("x".repeat(length));
                let at = names[..=count].iter().map(String::len).sum();
                assert_eq!(first_repeated(&names), Some(at), "{count} keys of {length} and two that are equal");
            }
        }
    }

    #[test]
    fn of_several_repeated_keys_the_first_is_reported() {
        for names in ["a b c b a", "b a c a b", "c a b b a", "c a a a a"] {
            let names: Vec<String> = names.split(' ').map(str::to_owned).collect();
            let first = (1..names.len()).find(|n| names[..*n].contains(&names[*n]));
            assert_eq!(first_repeated(&names), first, "{names:?}");
        }
    }

    #[test]
    fn keys_that_share_a_fingerprint_are_still_told_apart() {
        let mut names: Vec<String> = (0..500).map(|n| format!("the-same-{n:04}-the-same")).collect();
        let fingerprints: std::collections::HashSet<u64> = names.iter().map(|name| fingerprint(name)).collect();
        assert_eq!(fingerprints.len(), 1, "the test needs keys with the same ends and length");
        assert_eq!(first_repeated(&names), None);
        names.push(names[7].clone());
        assert!(first_repeated(&names).is_some());
    }

    #[test]
    fn short_texts_that_differ_in_one_byte_have_fingerprints_that_differ() {
        let mut seen = std::collections::HashSet::new();
        let letters = ["a", "b", "_", "0"];
        let mut texts = vec![String::new()];
        for _ in 0..6 {
            texts = texts.iter().flat_map(|text| letters.iter().map(move |letter| format!("{text}{letter}"))).collect();
            for text in &texts {
                assert!(seen.insert(fingerprint(text)), "{text}");
            }
        }
    }
}
