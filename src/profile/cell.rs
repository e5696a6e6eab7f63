//! A value of a feature, as the profile sees it: of the feature's type, of another, or missing.

use super::hashing;
use crate::event::Plain;

/// A level's name is cut to so many bytes; what is cut off is hashed.
pub const LEVEL_BYTES_MAX: usize = 256;

/// What kind of values a feature has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Numbers.
    Number,
    /// Texts, or `true` and `false`.
    Category,
}

/// A value of a feature.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Cell<'a> {
    Missing,
    /// A text where numbers are wanted, a number where texts are, or no number at all (NaN, infinity).
    WrongType,
    Number(f64),
    Level(&'a str),
}

impl<'a> Cell<'a> {
    /// `value` as one of a feature of this kind.
    #[inline]
    pub fn of(kind: Kind, value: Plain<'a>) -> Self {
        match (kind, value) {
            (_, Plain::Missing) => Self::Missing,
            (Kind::Number, Plain::Number(number)) if number.is_finite() => Self::Number(number),
            (Kind::Category, Plain::Text(text)) => Self::Level(text),
            (Kind::Category, Plain::Bool(truth)) => Self::Level(if truth { "true" } else { "false" }),
            _ => Self::WrongType,
        }
    }

    /// Its part of the hash of a row.
    #[inline]
    pub fn hash(self) -> u64 {
        match self {
            Self::Missing => 1,
            Self::WrongType => 2,
            Self::Number(number) => hashing::of_number(number),
            Self::Level(text) => hashing::of_text(text),
        }
    }
}

/// A level's name: the text itself, or of a long one the beginning and a hash of the whole.
#[derive(Clone, Copy)]
pub(crate) struct LevelName<'a>(Name<'a>);

#[derive(Clone, Copy)]
#[expect(clippy::large_enum_variant, reason = "scoring an event allocates nothing, whatever is in it")]
enum Name<'a> {
    Whole(&'a str),
    Cut([u8; LEVEL_BYTES_MAX], usize),
}

impl<'a> LevelName<'a> {
    /// The name of the level that `text` is.
    #[inline]
    pub fn of(text: &'a str) -> Self {
        if text.len() <= LEVEL_BYTES_MAX { Self(Name::Whole(text)) } else { Self::cut(text) }
    }

    #[cold]
    fn cut(text: &str) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let end = text.floor_char_boundary(LEVEL_BYTES_MAX - 17);
        let mut bytes = [0; LEVEL_BYTES_MAX];
        bytes[..end].copy_from_slice(&text.as_bytes()[..end]);
        bytes[end] = b'~';
        let hash = hashing::of_text(text);
        for place in 0..16 {
            bytes[end + 1 + place] = HEX[(hash >> (60 - 4 * place) & 15) as usize];
        }
        Self(Name::Cut(bytes, end + 17))
    }

    #[inline]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Whole(text) => text,
            // Always text: cut at a character, and ASCII after it.
            Name::Cut(bytes, len) => std::str::from_utf8(&bytes[..*len]).unwrap_or_default(),
        }
    }
}

/// The hash of a whole row, by which identical ones are known. Never 0, which means none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct VectorHash(u64);

impl VectorHash {
    #[inline]
    pub fn add(&mut self, cell: Cell<'_>) {
        self.0 = hashing::chain(self.0, cell.hash());
    }

    /// All 64 bits.
    #[inline]
    pub const fn long(self) -> u64 {
        self.0
    }

    /// The 32 bits that profiles and tallies hold.
    #[inline]
    pub const fn short(self) -> u32 {
        shortened(self.0)
    }
}

/// See [`VectorHash::short`].
#[inline]
pub(crate) const fn shortened(hash: u64) -> u32 {
    let short = (hash >> 32) as u32;
    if short == 0 { 1 } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_type_of_their_feature_or_none() {
        let number = |value| Cell::of(Kind::Number, value);
        assert_eq!(number(Plain::Number(1.5)), Cell::Number(1.5));
        for value in [Plain::Number(f64::NAN), Plain::Number(f64::INFINITY), Plain::Text("1"), Plain::Bool(true)] {
            assert_eq!(number(value), Cell::WrongType);
        }
        let level = |value| Cell::of(Kind::Category, value);
        assert_eq!((level(Plain::Bool(true)), level(Plain::Text("x"))), (Cell::Level("true"), Cell::Level("x")));
        assert_eq!((level(Plain::Number(1.0)), level(Plain::Missing)), (Cell::WrongType, Cell::Missing));
    }

    #[test]
    fn long_names_are_cut_and_still_tell_levels_apart() {
        let name = |text: &str| LevelName::of(text).as_str().to_owned();
        assert_eq!(name("short"), "short");
        let exact = "é".repeat(LEVEL_BYTES_MAX / 2);
        assert_eq!(name(&exact), exact);
        let (a, b) = (format!("{exact}a"), format!("{exact}b"));
        assert!(name(&a).len() <= LEVEL_BYTES_MAX && name(&a) != name(&b) && name(&a).starts_with("éé"));
    }

    #[test]
    fn rows_that_differ_have_other_hashes() {
        let hash = |cells: &[Cell<'_>]| {
            let mut hash = VectorHash::default();
            for cell in cells {
                hash.add(*cell);
            }
            hash.short()
        };
        let rows: [&[Cell<'_>]; 5] = [
            &[Cell::Missing, Cell::Number(1.0)],
            &[Cell::Number(1.0), Cell::Missing],
            &[Cell::WrongType, Cell::Number(1.0)],
            &[Cell::Level("a"), Cell::Level("b")],
            &[Cell::Level("b"), Cell::Level("a")],
        ];
        for (place, row) in rows.iter().enumerate() {
            assert!(rows[..place].iter().all(|other| hash(other) != hash(row)));
        }
        assert_eq!(hash(&[Cell::Number(0.0)]), hash(&[Cell::Number(-0.0)]));
        assert_eq!(shortened(7), 1, "0 means none");
    }
}
