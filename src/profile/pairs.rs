//! Pairs of features: which values occur together less often than either alone would make them.

use super::narrow::{place, single};
use super::shape::Shape;

/// So many pairs are kept for each feature.
pub(super) const PAIRS_A_FEATURE: usize = 4;
/// Added to what was seen and to what was expected: a pair needs some rows to be surprising.
const PRIOR: f64 = 2.0;

/// Two features, and how many training rows have each combination of their bins.
#[derive(Clone, PartialEq, Debug)]
pub struct Pair {
    /// Place of the first feature in the profile.
    pub first: u16,
    /// Place of the second, after the first.
    pub second: u16,
    /// Rows for each bin of the first and, within it, each of the second.
    pub counts: Vec<u32>,
    /// Bins of the second.
    width: usize,
    /// t for each combination: ln((E + 2) ÷ (N + 2)), E = `N_a·N_b ÷ n`.
    surprises: Vec<f32>,
}

impl Pair {
    /// A pair of features with these shapes; `counts` has a number for each combination of bins.
    pub(crate) fn new(places: [u16; 2], width: usize, counts: Vec<u32>) -> Self {
        let mut pair = Self { first: places[0], second: places[1], counts, width, surprises: Vec::new() };
        let margins = pair.margins();
        let surprise = |(place, count): (usize, &u32)| {
            let expected = margins.expected(place / width, place % width);
            single(((expected + PRIOR) / (f64::from(*count) + PRIOR)).ln())
        };
        pair.surprises = pair.counts.iter().enumerate().map(surprise).collect();
        pair
    }

    /// t of this combination of bins.
    #[inline]
    pub(crate) fn surprise(&self, first: u8, second: u8) -> f32 {
        self.surprises[usize::from(first) * self.width + usize::from(second)]
    }

    /// How many rows have this combination, and how many would if the features had nothing to do with each other.
    pub(crate) fn seen_and_expected(&self, first: u8, second: u8) -> (u32, f64) {
        let (first, second) = (usize::from(first), usize::from(second));
        (self.counts[first * self.width + second], self.margins().expected(first, second))
    }

    fn margins(&self) -> Margins {
        let rows: Vec<u64> = self.counts.chunks(self.width).map(|row| row.iter().map(|count| u64::from(*count)).sum()).collect();
        let columns =
            (0..self.width).map(|column| self.counts[column..].iter().step_by(self.width).map(|count| u64::from(*count)).sum());
        Margins { columns: columns.collect(), all: rows.iter().sum(), rows }
    }

    /// Mutual information in nats, less what as many rows of independent features show by chance.
    fn information(&self) -> f64 {
        let margins = self.margins();
        let n = margins.all as f64;
        let mut information = 0.0;
        for (place, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let seen = f64::from(*count);
            information += seen / n * (seen / margins.expected(place / self.width, place % self.width)).ln();
        }
        let used = |counts: &[u64]| counts.iter().filter(|count| **count > 0).count().saturating_sub(1) as f64;
        information - used(&margins.rows) * used(&margins.columns) / (2.0 * n)
    }
}

struct Margins {
    rows: Vec<u64>,
    columns: Vec<u64>,
    all: u64,
}

impl Margins {
    fn expected(&self, row: usize, column: usize) -> f64 {
        self.rows[row] as f64 * self.columns[column] as f64 / self.all.max(1) as f64
    }
}

/// The counts of all pairs of features.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Tables {
    bins: Vec<usize>,
    /// Where the table of a pair begins: first 0 with 1, 2, …, then 1 with 2, …
    starts: Vec<usize>,
    counts: Vec<u32>,
}

impl Tables {
    pub fn new(shapes: &[Shape]) -> Self {
        // A text has no bins that mean anything.
        let bins: Vec<usize> = shapes.iter().map(|shape| if matches!(shape, Shape::Text) { 0 } else { shape.bins() }).collect();
        let (mut starts, mut length) = (Vec::new(), 0);
        for first in 0..bins.len() {
            for second in first + 1..bins.len() {
                starts.push(length);
                length += bins[first] * bins[second];
            }
        }
        Self { bins, starts, counts: vec![0; length] }
    }

    pub fn add(&mut self, row: &[u8]) {
        let mut starts = self.starts.iter();
        for (place, first) in row.iter().enumerate() {
            for ((second, bins), start) in row[place + 1..].iter().zip(&self.bins[place + 1..]).zip(&mut starts) {
                if self.bins[place] > 0 && *bins > 0 {
                    self.counts[start + usize::from(*first) * bins + usize::from(*second)] += 1;
                }
            }
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
    }

    /// The pairs with the most mutual information, in the order of their features.
    pub fn kept(&self) -> Vec<Pair> {
        let mut found = Vec::new();
        let mut starts = self.starts.iter();
        for first in 0..self.bins.len() {
            for (second, start) in (first + 1..self.bins.len()).zip(&mut starts) {
                let (width, size) = (self.bins[second], self.bins[first] * self.bins[second]);
                if size > 0 {
                    let counts = self.counts[*start..start + size].to_vec();
                    let pair = Pair::new([first, second].map(place), width, counts);
                    found.push((pair.information(), pair));
                }
            }
        }
        // Features are in the order of their names, and so ties are.
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        let profiled = self.bins.iter().filter(|bins| **bins > 0).count();
        let worth = found.into_iter().filter(|(information, _)| *information > 0.0);
        let mut kept: Vec<Pair> = worth.take(PAIRS_A_FEATURE * profiled).map(|(_, pair)| pair).collect();
        kept.sort_by_key(|pair| (pair.first, pair.second));
        kept
    }
}
