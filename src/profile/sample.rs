//! Rows that are kept as they are, so that the measures of the profile can be tried on them; and rows that occur often.

use std::collections::BTreeMap;

use super::cell::{Cell, shortened};
use super::hashing;
use super::sketch::Repeats;

/// So many different rows are kept.
const ROWS_MAX: usize = 5_000;
/// So many of the most frequent rows stand in the profile.
pub(super) const FREQUENT_MAX: usize = 64;
/// Rows that are a smaller part of the training than one in so many are not counted.
const RARE: u64 = 10_000;

/// A value that is kept.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Kept {
    Missing,
    WrongType,
    Number(f64),
    Level(Box<str>),
}

impl Kept {
    fn of(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Missing => Self::Missing,
            Cell::WrongType => Self::WrongType,
            Cell::Number(number) => Self::Number(number),
            Cell::Level(text) => Self::Level(text.into()),
        }
    }

    pub fn cell(&self) -> Cell<'_> {
        match self {
            Self::Missing => Cell::Missing,
            Self::WrongType => Cell::WrongType,
            Self::Number(number) => Cell::Number(*number),
            Self::Level(text) => Cell::Level(text),
        }
    }
}

/// The different rows with the smallest hashes, and how often each occurred: chosen by what they contain, so that order
/// and shards do not matter.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Sample {
    /// One more than is used: its hash says which part of all different rows are in.
    rows: BTreeMap<u64, (u64, Vec<Kept>)>,
}

impl Sample {
    pub fn add(&mut self, hash: u64, row: &[Cell<'_>]) {
        let hash = hashing::mix(hash ^ 0x0073_616d_706c_6500);
        if let Some((count, _)) = self.rows.get_mut(&hash) {
            *count += 1;
        } else if self.rows.len() <= ROWS_MAX || self.rows.last_key_value().is_some_and(|(last, _)| hash < *last) {
            self.rows.insert(hash, (1, row.iter().map(|cell| Kept::of(*cell)).collect()));
            self.shrink();
        }
    }

    pub fn merge(&mut self, other: Self) {
        for (hash, (count, row)) in other.rows {
            self.rows.entry(hash).or_insert((0, row)).0 += count;
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.rows.len() > ROWS_MAX + 1 {
            self.rows.pop_last();
        }
    }

    /// The part of all different rows that is in it, 0–1.
    pub fn part(&self) -> f64 {
        match self.rows.last_key_value() {
            Some((last, _)) if self.rows.len() > ROWS_MAX => *last as f64 / 2.0_f64.powi(64),
            _ => 1.0,
        }
    }

    /// The rows, each with how often it occurred.
    pub fn rows(&self) -> impl Iterator<Item = (u64, &[Kept])> {
        self.rows.values().take(ROWS_MAX).map(|(count, row)| (*count, row.as_slice()))
    }
}

/// How often rows occurred of which the first pass says that they may be frequent: exactly.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Frequent {
    counts: BTreeMap<u64, u64>,
}

impl Frequent {
    /// A row is worth counting if it may have occurred so often in `rows`.
    pub fn least(rows: u64) -> u64 {
        (rows / RARE).max(2)
    }

    pub fn add(&mut self, hash: u64, repeats: &Repeats, least: u64) {
        if u64::from(repeats.at_most(hash)) >= least {
            *self.counts.entry(hash).or_insert(0) += 1;
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (hash, count) in &other.counts {
            *self.counts.entry(*hash).or_insert(0) += count;
        }
    }

    /// The most frequent rows with their counts, the most frequent first.
    pub fn most(&self, least: u64) -> Vec<(u32, u64)> {
        let mut short: BTreeMap<u32, u64> = BTreeMap::new();
        for (hash, count) in self.counts.iter().filter(|(_, count)| **count >= least) {
            *short.entry(shortened(*hash)).or_insert(0) += count;
        }
        let mut most: Vec<(u32, u64)> = short.into_iter().collect();
        most.sort_by_key(|(hash, count)| (std::cmp::Reverse(*count), *hash));
        most.truncate(FREQUENT_MAX);
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_depends_only_on_the_rows() {
        let row = |row: u32| [Cell::Number(f64::from(row % 12_000)), Cell::Missing];
        let sample = |rows: &mut dyn Iterator<Item = u32>| {
            let mut sample = Sample::default();
            rows.for_each(|number| sample.add(hashing::of_number(f64::from(number % 12_000)), &row(number)));
            sample
        };
        let whole = sample(&mut (0..30_000));
        assert_eq!((whole.rows().count(), whole.rows.len()), (ROWS_MAX, ROWS_MAX + 1));
        assert!((whole.part() - 5.0 / 12.0).abs() < 0.02, "{}", whole.part());
        // Two or three of each.
        let rows: u64 = whole.rows().map(|(count, _)| count).sum();
        assert!((rows as f64 / whole.part() - 30_000.0).abs() < 1_000.0);
        assert_eq!(sample(&mut (0..30_000).rev()), whole);
        let mut merged = sample(&mut (20_000..30_000));
        merged.merge(sample(&mut (0..1)));
        merged.merge(sample(&mut (1..20_000)));
        assert_eq!(merged, whole);
    }

    #[test]
    fn frequent_rows_are_counted_exactly() {
        let rows: Vec<u64> = (0..50_000_u64)
            .map(|row| {
                hashing::mix(if row % 10 == 0 {
                    7
                } else if row % 100 == 3 {
                    9
                } else {
                    row
                })
            })
            .collect();
        let mut repeats = Repeats::new();
        for hash in &rows {
            repeats.add(*hash);
        }
        let least = Frequent::least(50_000);
        let count = |rows: &[u64]| {
            let mut frequent = Frequent::default();
            for hash in rows {
                frequent.add(*hash, &repeats, least);
            }
            frequent
        };
        let (mut merged, whole) = (count(&rows[..9_999]), count(&rows));
        merged.merge(&count(&rows[9_999..]));
        assert_eq!(merged, whole);
        assert_eq!(whole.most(least), [(shortened(hashing::mix(7)), 5_001), (shortened(hashing::mix(9)), 501)]);
    }
}
