//! From the first pass's numbers of a column to the edges, bins and spreads that the second pass and all scoring use.

use super::shape::{BINNED_NUMBERS, NumberParts, NumberShape};
use super::sketch::Numbers;

/// Inner quantiles that become edges.
const QUANTILES: u32 = 256;
/// With at most so many different numbers each is an edge.
pub(super) const EDGES_MAX: usize = 384;
/// A number's bins are between so many quantiles.
const BINS: u32 = 16;

/// The shape of a column. Its counts are exact where the sketch is; the second pass counts again.
pub(super) fn numbers_shape(numbers: &Numbers) -> NumberShape {
    let column = Counted::new(numbers.counted());
    let (extremes, counted) = (numbers.extremes(), &column.numbers);
    let (Some(lowest), Some(highest)) = (extremes.first(), extremes.last()) else {
        return NumberShape::new(NumberParts::default());
    };
    let quantiles = |parts: u32| (1..parts).map(move |place| f64::from(place) / f64::from(parts));
    let cuts: Vec<f64> = if counted.len() <= BINNED_NUMBERS {
        counted[..counted.len() - 1].iter().map(|(number, _)| *number).collect()
    } else {
        let cuts = quantiles(BINS).map(|part| column.quantile(part));
        distinct(cuts.filter(|cut| lowest <= cut && cut < highest))
    };
    let edges = if numbers.is_exact() && counted.len() <= EDGES_MAX {
        counted.iter().map(|(number, _)| *number).collect()
    } else {
        let inner = quantiles(QUANTILES + 1).map(|part| column.quantile(part)).chain(cuts.iter().copied());
        distinct(inner.filter(|edge| lowest <= edge && edge <= highest).chain(extremes.iter().copied()))
    };
    let (at, after) = column.between(&edges, numbers);
    let median = column.quantile(0.5);
    let [spread_low, spread_high] = column.spreads(median);
    NumberShape::new(NumberParts { edges, at, after, cuts, median, spread_low, spread_high })
}

/// Rising, each once.
fn distinct(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.dedup();
    numbers
}

/// Numbers in rising order with their counts.
struct Counted {
    numbers: Vec<(f64, u64)>,
    /// How many are not above each.
    up_to: Vec<u64>,
}

impl Counted {
    fn new(numbers: Vec<(f64, u64)>) -> Self {
        let mut sum = 0;
        let mut add = |count: &u64| {
            sum += count;
            sum
        };
        let up_to = numbers.iter().map(|(_, count)| add(count)).collect();
        Self { numbers, up_to }
    }

    fn total(&self) -> u64 {
        self.up_to.last().copied().unwrap_or(0)
    }

    /// The smallest number that at least this part is not above.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a count is one")]
    fn quantile(&self, part: f64) -> f64 {
        let wanted = (part * self.total() as f64).ceil() as u64;
        let place = self.up_to.partition_point(|up_to| *up_to < wanted);
        self.numbers.get(place).or(self.numbers.last()).map_or(0.0, |(number, _)| *number)
    }

    /// How many lie at each edge and between it and the next. Edges that the sketch cannot tell apart have them at the first.
    fn between(&self, edges: &[f64], numbers: &Numbers) -> (Vec<u64>, Vec<u64>) {
        let (mut at, mut after) = (vec![0; edges.len()], vec![0; edges.len()]);
        let coarse: Vec<f64> = edges.iter().map(|edge| numbers.coarse(*edge)).collect();
        for (number, count) in &self.numbers {
            let place = coarse.partition_point(|edge| edge < number);
            if coarse.get(place).is_some_and(|edge| edge <= number) {
                at[place] += count;
            } else {
                after[place.max(1) - 1] += count;
            }
        }
        (at, after)
    }

    /// The units of distances below the minimum and above the maximum (`triggers.md`, section 1, m). None is 0.
    fn spreads(&self, median: f64) -> [f64; 2] {
        let range = self.quantile(0.75) - self.quantile(0.25);
        let usual = if range > 0.0 { range / 4.0 } else { self.deviation() };
        let usual = if usual > 0.0 { usual } else { median.abs() };
        let usual = if usual > 0.0 { usual } else { 1.0 };
        [median - self.quantile(0.005), self.quantile(0.995) - median].map(|spread| spread.max(usual).min(f64::MAX))
    }

    /// Standard deviation.
    fn deviation(&self) -> f64 {
        let total = self.total() as f64;
        let weighted = |value: &dyn Fn(f64) -> f64| {
            self.numbers.iter().map(|(number, count)| value(*number) * (*count as f64 / total)).sum::<f64>()
        };
        let mean = weighted(&|number| number);
        weighted(&|number| (number - mean) * (number - mean)).sqrt()
    }
}
