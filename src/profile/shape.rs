//! What the training data knows of one feature alone: where its numbers lie, or how frequent its levels are.

use super::cell::LevelName;
use super::{hashing, narrow, normal};

/// So many levels have a bin of their own.
pub(crate) const BINNED_LEVELS: usize = 24;
/// A column with at most so many different numbers has a bin for each.
pub(crate) const BINNED_NUMBERS: usize = 16;
/// What never occurred although all training data is known is worse by so many nats (e³ ≈ 20 times).
const NEVER: f64 = 3.0;

/// −ln((count + 1) ÷ (rows + 1)): the surprise of what so many rows are like.
pub(crate) fn nats(count: f64, rows: f64) -> f64 {
    -((count + 1.0) / (rows + 1.0)).ln()
}

/// The surprise of a missing value, of which the training had so many (`triggers.md`, section 1).
pub(crate) fn missing_nats(missing: u64, rows: u64) -> f64 {
    nats(missing as f64, rows as f64) + if missing == 0 { NEVER } else { 0.0 }
}

/// The numbers of a feature: how many training rows lie at each edge and between the edges.
///
/// Edges are quantiles, all of the extreme values, and all values where they are few. Between two edges rows are taken to
/// lie evenly.
#[derive(Clone, PartialEq, Debug)]
pub struct NumberShape {
    /// Rising; the first is the training's minimum, the last its maximum. Empty if it had no numbers.
    pub edges: Vec<f64>,
    /// Training rows with exactly this value.
    pub at: Vec<u64>,
    /// Training rows between this edge and the next; as many as there are edges, the last is 0.
    pub after: Vec<u64>,
    /// Bins: a number x is in bin #{cuts < x}.
    pub cuts: Vec<f64>,
    /// The training's median.
    pub median: f64,
    /// The unit in which a distance below the minimum is measured: `max(median − q.005, IQR ÷ 4)`.
    pub spread_low: f64,
    /// Likewise above the maximum: `max(q.995 − median, IQR ÷ 4)`.
    pub spread_high: f64,
    /// Rows below each edge; from `at` and `after`.
    below: Vec<f64>,
    total: f64,
}

/// How many training rows lie on either side of a number.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Rank {
    /// L = #{≤ x}.
    pub low: f64,
    /// G = #{≥ x}.
    pub high: f64,
    /// How far outside of all training it lies, in units of spread.
    pub outside: Option<f64>,
}

/// What [`NumberShape::new`] takes; see there.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct NumberParts {
    pub edges: Vec<f64>,
    pub at: Vec<u64>,
    pub after: Vec<u64>,
    pub cuts: Vec<f64>,
    pub median: f64,
    pub spread_low: f64,
    pub spread_high: f64,
}

impl NumberShape {
    /// A shape of these parts: edges rise and are finite, `at` and `after` are as long.
    pub(crate) fn new(parts: NumberParts) -> Self {
        let NumberParts { edges, at, after, cuts, median, spread_low, spread_high } = parts;
        let mut below = Vec::with_capacity(edges.len());
        let mut sum = 0;
        for (at, after) in at.iter().zip(&after) {
            below.push(sum as f64);
            sum += at + after;
        }
        Self { edges, at, after, cuts, median, spread_low, spread_high, below, total: sum as f64 }
    }

    /// How many training rows have a number.
    #[must_use]
    pub fn rows(&self) -> f64 {
        self.total
    }

    /// The training's smallest and largest number.
    #[must_use]
    pub fn range(&self) -> Option<(f64, f64)> {
        self.edges.first().copied().zip(self.edges.last().copied())
    }

    pub(crate) fn rank(&self, x: f64) -> Rank {
        let (Some((lowest, highest)), total) = (self.range(), self.total) else {
            return Rank { low: 0.0, high: 0.0, outside: None };
        };
        if x < lowest {
            return Rank { low: 0.0, high: total, outside: Some(((lowest - x) / self.spread_low).min(f64::MAX)) };
        }
        if x > highest {
            return Rank { low: total, high: 0.0, outside: Some(((x - highest) / self.spread_high).min(f64::MAX)) };
        }
        let place = self.edges.partition_point(|edge| *edge <= x) - 1;
        let (edge, up_to) = (self.edges[place], self.below[place] + self.at[place] as f64);
        if x <= edge {
            return Rank { low: up_to, high: total - self.below[place], outside: None };
        }
        let part = (x - edge) / (self.edges[place + 1] - edge);
        let low = up_to + self.after[place] as f64 * if part.is_finite() { part } else { 0.5 };
        Rank { low, high: total - low, outside: None }
    }

    /// The bin of a number.
    #[inline]
    pub(crate) fn bin(&self, x: f64) -> u8 {
        narrow::bin(self.cuts.partition_point(|cut| *cut < x))
    }

    /// The bin of a missing number; as many have one of their own.
    pub(crate) fn missing_bin(&self) -> u8 {
        narrow::bin(self.cuts.len() + 1)
    }

    /// m of a number among so many training rows, and whether it lies outside of them.
    #[inline]
    pub(crate) fn surprise(rank: Rank, rows: f64) -> f64 {
        let p = (2.0 * (rank.low.min(rank.high) + 1.0) / (rows + 1.0)).min(1.0);
        match rank.outside {
            Some(distance) => std::f64::consts::LN_2 + 2.0 * distance.ln_1p() - p.ln(),
            None => -p.ln(),
        }
    }

    /// z of a number: the normal quantile of the middle of its rank.
    #[inline]
    pub(crate) fn z(&self, rank: Rank) -> f64 {
        let n = self.total;
        if n < 1.0 {
            return 0.0;
        }
        let middle = (rank.low + n - rank.high) / (2.0 * n);
        normal::quantile(middle.clamp(0.5 / n, 1.0 - 0.5 / n))
    }

    /// The number below which this part of the training lies.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let wanted = part * self.total;
        let place = self.below.partition_point(|below| *below <= wanted).saturating_sub(1);
        let Some(edge) = self.edges.get(place) else { return self.median };
        let beyond = wanted - self.below[place] - self.at[place] as f64;
        match self.edges.get(place + 1) {
            Some(next) if beyond > 0.0 && self.after[place] > 0 => {
                let part = beyond / self.after[place] as f64;
                edge * (1.0 - part) + next * part
            }
            _ => *edge,
        }
    }
}

/// The levels of a category.
#[derive(Clone, PartialEq, Debug)]
pub struct CategoryShape {
    /// In the order of their names.
    pub levels: Vec<Level>,
    /// Their places, by hash: a power of two of them, open addressing; [`NONE`] where there is nothing.
    table: Vec<u16>,
    /// Places of the levels that have a bin, by bin.
    binned: Vec<usize>,
    unseen: f64,
}

const NONE: u16 = u16::MAX;

/// One level of a category.
#[derive(Clone, PartialEq, Debug)]
pub struct Level {
    /// Its name; of a text beyond [`super::LEVEL_BYTES_MAX`] the beginning and a hash.
    pub name: String,
    /// Training rows with it.
    pub count: u64,
    pub(crate) nats: f64,
    pub(crate) bin: u8,
}

impl CategoryShape {
    /// The shape of these levels, which are in the order of their names, among so many rows.
    pub(crate) fn new(counted: Vec<(String, u64)>, rows: u64) -> Self {
        let mut by_count: Vec<(u64, usize)> = counted.iter().enumerate().map(|(place, level)| (level.1, place)).collect();
        by_count.sort_unstable_by_key(|(count, place)| (std::cmp::Reverse(*count), *place));
        let binned: Vec<usize> = by_count.iter().take(BINNED_LEVELS).map(|(_, place)| *place).collect();
        let other = narrow::bin(binned.len());
        let of = |(name, count)| Level { name, count, nats: 0.0, bin: other };
        let mut levels: Vec<Level> = counted.into_iter().map(of).collect();
        for (bin, place) in binned.iter().enumerate() {
            levels[*place].bin = narrow::bin(bin);
        }
        // From the rarest: rows whose level is no more frequent.
        let (mut rarer, mut from) = (0, by_count.len());
        while from > 0 {
            let count = by_count[from - 1].0;
            let first = by_count.partition_point(|(other, _)| *other > count);
            rarer += count * (from - first) as u64;
            for (_, place) in &by_count[first..from] {
                levels[*place].nats = nats(rarer as f64, rows as f64);
            }
            from = first;
        }
        let singletons = by_count.iter().filter(|(count, _)| *count == 1).count();
        let closed = if singletons <= 1 { NEVER } else { 0.0 };
        let unseen = closed - (singletons.max(1) as f64 / (rows as f64 + 1.0)).ln();
        let mut shape = Self { levels, table: Vec::new(), binned, unseen };
        shape.index();
        shape
    }

    fn index(&mut self) {
        self.table = vec![NONE; (self.levels.len() * 2 + 1).next_power_of_two()];
        for (place, level) in self.levels.iter().enumerate() {
            let mut slot = self.slot(hashing::of_text(&level.name));
            while self.table[slot] != NONE {
                slot = (slot + 1) % self.table.len();
            }
            self.table[slot] = narrow::place(place);
        }
    }

    fn slot(&self, hash: u64) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "these bits are meant")]
        let bits = hash as usize;
        bits & (self.table.len() - 1)
    }

    /// The level that `text` is.
    pub(crate) fn find(&self, text: &str) -> Option<&Level> {
        let name = LevelName::of(text);
        let mut slot = self.slot(hashing::of_text(name.as_str()));
        loop {
            let level = self.levels.get(usize::from(self.table[slot]))?;
            if level.name == name.as_str() {
                return Some(level);
            }
            slot = (slot + 1) % self.table.len();
        }
    }

    /// m of a level that training never had.
    pub(crate) fn unseen_nats(&self) -> f64 {
        self.unseen
    }

    /// The bin of all levels that have none of their own, and of unseen ones.
    pub(crate) fn other_bin(&self) -> u8 {
        narrow::bin(self.binned.len())
    }

    pub(crate) fn missing_bin(&self) -> u8 {
        narrow::bin(self.binned.len() + 1)
    }

    /// The level that has this bin to itself.
    pub(crate) fn level_of_bin(&self, bin: u8) -> Option<&Level> {
        self.levels.get(*self.binned.get(usize::from(bin))?)
    }
}

/// What is known of a feature's values.
#[derive(Clone, PartialEq, Debug)]
pub enum Shape {
    /// Numbers.
    Number(NumberShape),
    /// A category.
    Category(CategoryShape),
    /// Texts of which there are too many different ones: only whether there is one is looked at.
    Text,
}

impl Shape {
    /// How many bins there are, that of missing values included.
    pub(crate) fn bins(&self) -> usize {
        usize::from(self.missing_bin()) + 1
    }

    pub(crate) fn missing_bin(&self) -> u8 {
        match self {
            Self::Number(shape) => shape.missing_bin(),
            Self::Category(shape) => shape.missing_bin(),
            Self::Text => 1,
        }
    }
}
