//! What is remembered of a column in the first pass over the training rows: of numbers how often each occurred, of texts
//! likewise, of whole rows roughly.
//!
//! All of it is a function of the *multiset* of rows: the order of the rows, and how they are cut into shards, change
//! nothing. A sketch that would grow too large becomes coarser, and how coarse depends on nothing but what it has seen.

use std::collections::BTreeMap;

use super::cell::{Cell, LevelName};

/// So many different numbers of a column are told apart; of more, the low bits are dropped.
const NUMBERS_MAX: usize = 32_768;
/// The so many smallest and largest different numbers of a column are always exact.
const TAIL: usize = 64;
/// A column with more different texts than this is no category.
pub const LEVELS_MAX: usize = 10_000;
/// Counters of [`Repeats`] in a row; a power of two.
const COUNTERS: usize = 1 << 16;

/// Numbers in rising order as whole numbers. −0 is 0.
fn key_of(number: f64) -> u64 {
    let bits = (number + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn number_of(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key & !(1 << 63) } else { !key })
}

/// The numbers of a column.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Numbers {
    /// How often each key occurred, its `dropped` low bits zero.
    counts: BTreeMap<u64, u64>,
    /// Never more than 49: 15 bits tell no more than [`NUMBERS_MAX`] keys.
    dropped: u32,
    lowest: Tail,
    highest: Tail,
}

impl Numbers {
    pub fn add(&mut self, number: f64) {
        let key = key_of(number);
        self.lowest.add(key);
        self.highest.add(!key);
        *self.counts.entry(key >> self.dropped << self.dropped).or_insert(0) += 1;
        self.shrink();
    }

    pub fn merge(&mut self, other: &Self) {
        for key in &other.lowest.0 {
            self.lowest.add(*key);
        }
        for key in &other.highest.0 {
            self.highest.add(*key);
        }
        self.drop_bits(other.dropped);
        for (key, count) in &other.counts {
            *self.counts.entry(key >> self.dropped << self.dropped).or_insert(0) += count;
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.counts.len() > NUMBERS_MAX {
            self.drop_bits(self.dropped + 1);
        }
    }

    fn drop_bits(&mut self, dropped: u32) {
        if dropped <= self.dropped {
            return;
        }
        self.dropped = dropped;
        let mut coarser: Vec<(u64, u64)> = Vec::with_capacity(self.counts.len());
        for (key, count) in std::mem::take(&mut self.counts) {
            let key = key >> dropped << dropped;
            match coarser.last_mut() {
                Some((last, sum)) if *last == key => *sum += count,
                _ => coarser.push((key, count)),
            }
        }
        self.counts = coarser.into_iter().collect();
    }

    /// The numbers in rising order with their counts; exact where there were not too many.
    pub fn counted(&self) -> Vec<(f64, u64)> {
        self.counts.iter().map(|(key, count)| (number_of(*key), *count)).collect()
    }

    /// The exact smallest and largest numbers, rising, each once.
    pub fn extremes(&self) -> Vec<f64> {
        let mut keys: Vec<u64> = self.lowest.0.iter().copied().chain(self.highest.0.iter().map(|key| !key)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().map(number_of).collect()
    }

    /// Whether every number is known as it was.
    pub const fn is_exact(&self) -> bool {
        self.dropped == 0
    }

    /// `number` as it stands in [`Numbers::counted`].
    pub fn coarse(&self, number: f64) -> f64 {
        number_of(key_of(number) >> self.dropped << self.dropped)
    }
}

/// The smallest different keys, rising.
#[derive(Clone, PartialEq, Debug, Default)]
struct Tail(Vec<u64>);

impl Tail {
    fn add(&mut self, key: u64) {
        if self.0.len() == TAIL && self.0.last().is_some_and(|last| *last <= key) {
            return;
        }
        if let Err(place) = self.0.binary_search(&key) {
            self.0.insert(place, key);
            self.0.truncate(TAIL);
        }
    }
}

/// The texts of a column.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Levels {
    /// How often each occurred.
    Counted(BTreeMap<Box<str>, u64>),
    /// There are too many: it is no category.
    TooMany,
}

impl Levels {
    pub fn add(&mut self, text: &str) {
        let name = LevelName::of(text);
        self.add_name(name.as_str(), 1);
    }

    fn add_name(&mut self, name: &str, count: u64) {
        let Self::Counted(counts) = self else { return };
        if let Some(known) = counts.get_mut(name) {
            *known += count;
            return;
        }
        counts.insert(name.into(), count);
        if counts.len() > LEVELS_MAX {
            *self = Self::TooMany;
        }
    }

    pub fn merge(&mut self, other: &Self) {
        match other {
            Self::TooMany => *self = Self::TooMany,
            Self::Counted(counts) => counts.iter().for_each(|(name, count)| self.add_name(name, *count)),
        }
    }
}

/// About how often each row occurred: never less than it did (a count-min sketch with two rows of counters).
///
/// It tells the second pass which rows are worth an exact count.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Repeats {
    counters: Vec<u32>,
}

impl Repeats {
    pub fn new() -> Self {
        Self { counters: vec![0; 2 * COUNTERS] }
    }

    #[expect(clippy::cast_possible_truncation, reason = "these bits are meant")]
    fn places(hash: u64) -> [usize; 2] {
        let mask = COUNTERS - 1;
        [hash as usize & mask, COUNTERS + ((hash >> 24) as usize & mask)]
    }

    pub fn add(&mut self, hash: u64) {
        for place in Self::places(hash) {
            self.counters[place] = self.counters[place].saturating_add(1);
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (counter, more) in self.counters.iter_mut().zip(&other.counters) {
            *counter = counter.saturating_add(*more);
        }
    }

    /// At most so often it occurred.
    pub fn at_most(&self, hash: u64) -> u32 {
        let [first, second] = Self::places(hash).map(|place| self.counters[place]);
        first.min(second)
    }
}

/// What is remembered of one column.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Column {
    Numbers(Numbers),
    Levels(Levels),
}

impl Column {
    pub fn add(&mut self, cell: Cell<'_>) {
        match (self, cell) {
            (Self::Numbers(numbers), Cell::Number(number)) => numbers.add(number),
            (Self::Levels(levels), Cell::Level(text)) => levels.add(text),
            _ => {}
        }
    }

    pub fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Numbers(numbers), Self::Numbers(more)) => numbers.merge(more),
            (Self::Levels(levels), Self::Levels(more)) => levels.merge(more),
            _ => unreachable!("both were made for the same columns"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_are_in_the_order_of_the_numbers() {
        let numbers = [f64::MIN, -1.5, -f64::MIN_POSITIVE, 0.0, f64::MIN_POSITIVE, 1.0, 1.5, f64::MAX];
        assert!(numbers.windows(2).all(|pair| key_of(pair[0]) < key_of(pair[1])));
        assert!(numbers.iter().all(|number| number_of(key_of(*number)).to_bits() == number.to_bits()));
        assert_eq!(key_of(-0.0), key_of(0.0));
    }

    fn sketch(numbers: impl IntoIterator<Item = f64>) -> Numbers {
        let mut sketch = Numbers::default();
        numbers.into_iter().for_each(|number| sketch.add(number));
        sketch
    }

    /// More different numbers than are told apart: whatever the order and the shards, the same remains of them.
    #[test]
    fn a_coarse_sketch_depends_only_on_what_it_saw() {
        let numbers: Vec<f64> =
            (0..100_000_u32).map(|number| f64::from(number.wrapping_mul(2_654_435_761)) * 1e-3 - 1e6).collect();
        let whole = sketch(numbers.iter().copied());
        assert!(whole.dropped > 0 && whole.dropped <= 49 && whole.counts.len() <= NUMBERS_MAX);
        assert_eq!(whole.counts.values().sum::<u64>(), 100_000);
        assert_eq!(sketch(numbers.iter().rev().copied()), whole);
        let mut merged = sketch(numbers[..300].iter().copied());
        merged.merge(&sketch(numbers[70_000..].iter().copied()));
        merged.merge(&sketch(numbers[300..70_000].iter().copied()));
        assert_eq!(merged, whole);
        let mut sorted = numbers;
        sorted.sort_by(f64::total_cmp);
        let extremes = whole.extremes();
        assert_eq!((&extremes[..TAIL], &extremes[TAIL..]), (&sorted[..TAIL], &sorted[sorted.len() - TAIL..]));
        assert!(whole.counted().windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn too_many_levels_are_too_many_however_they_are_met() {
        let levels = |range: std::ops::Range<usize>| {
            let mut levels = Levels::Counted(BTreeMap::new());
            range.for_each(|level| levels.add(&level.to_string()));
            levels
        };
        let mut merged = levels(0..6_000);
        merged.merge(&levels(4_000..10_000));
        assert_eq!(merged, {
            let mut all = levels(0..10_000);
            all.merge(&levels(4_000..6_000));
            all
        });
        merged.merge(&levels(10_000..10_001));
        assert_eq!(merged, Levels::TooMany);
        assert_eq!(levels(0..10_001), Levels::TooMany);
    }

    proptest! {
        #[test]
        fn sketches_merge_in_any_order(parts in prop::collection::vec(prop::collection::vec(-50.0..50.0_f64, 0..40), 3)) {
            let [a, b, c] = [0, 1, 2].map(|part| sketch(parts[part].iter().copied()));
            let merged = |first: &Numbers, second: &Numbers| { let mut sum = first.clone(); sum.merge(second); sum };
            prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&c, &b)));
            prop_assert_eq!(merged(&a, &b), sketch(parts[0].iter().chain(&parts[1]).copied()));
        }

        #[test]
        fn rows_are_never_counted_too_low(hashes in prop::collection::vec(any::<u64>(), 1..200), again in 0..20_u32) {
            let mut repeats = Repeats::new();
            for hash in &hashes {
                repeats.add(*hash);
            }
            (0..again).for_each(|_| repeats.add(hashes[0]));
            prop_assert!(repeats.at_most(hashes[0]) > again);
        }
    }
}
