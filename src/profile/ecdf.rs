//! How a raw measure is distributed over training rows, so that measures of different kinds can be compared in nats.

use super::narrow::single;
use super::shape::nats;

/// From one knot to the next the rank grows by this factor at least, so that there are about a hundred of them.
const STEP: f64 = 1.08;
/// The least mean excess that is believed.
pub(super) const EXCESS_MIN: f64 = 0.05;
/// The tail whose mean excess tells how fast the measure falls off.
const TAIL: f64 = 0.02;
/// More knots than any distribution of a sample has.
pub(super) const KNOTS_MAX: usize = 1_024;

/// A distribution by its upper tail.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Ecdf {
    /// Rows it was made of; fewer where they stand for more.
    pub rows: f64,
    /// Values, rising, with #{≥ value}.
    pub knots: Vec<(f32, f64)>,
    /// Mean excess over the value that 98 % are below.
    pub excess: f64,
    /// Surprise at each knot.
    nats: Vec<f64>,
}

/// How surprise grows beyond everything that was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Beyond {
    /// ½ · (x − max) ÷ excess.
    Excess,
    /// 4 · ln(1 + (x ÷ max − 1)).
    Ratio,
}

impl Ecdf {
    pub fn new(rows: f64, knots: Vec<(f32, f64)>, excess: f64) -> Self {
        let nats = knots.iter().map(|(_, at_least)| nats(at_least.min(rows), rows)).collect();
        Self { rows, knots, excess, nats }
    }

    /// The distribution of weighted values that stand for `rows` rows of the same unit.
    pub fn of(mut values: Vec<(f32, u64)>, rows: f64) -> Self {
        values.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let (mut knots, mut at_least, mut next) = (Vec::new(), 0_u64, 1.0_f64);
        let groups: Vec<&[(f32, u64)]> = values.chunk_by(|a, b| a.0 <= b.0).collect();
        for (place, group) in groups.iter().enumerate() {
            at_least += group.iter().map(|(_, weight)| weight).sum::<u64>();
            if at_least as f64 >= next || place + 1 == groups.len() {
                knots.push((group[0].0, at_least as f64));
                next = (at_least as f64 * STEP).max(at_least as f64 + 1.0);
            }
        }
        knots.reverse();
        Self::new(rows, knots, excess(&values, rows))
    }

    /// The surprise of `x` in nats: −ln((#{≥ x} + 1) ÷ (rows + 1)), more beyond all that was seen. Between two knots it is
    /// taken to be linear.
    #[inline]
    pub fn nats(&self, x: f32, beyond: Beyond) -> f64 {
        let place = self.knots.partition_point(|(value, _)| *value <= x);
        let Some(below) = place.checked_sub(1) else { return 0.0 };
        let value = self.knots[below].0;
        if x <= value {
            return self.nats[below];
        }
        if let Some((next, _)) = self.knots.get(place) {
            let part = (f64::from(x) - f64::from(value)) / (f64::from(*next) - f64::from(value));
            return self.nats[below] + (self.nats[place] - self.nats[below]) * part;
        }
        let (x, max) = (f64::from(x), f64::from(value));
        let more = match beyond {
            Beyond::Excess => 0.5 * (x - max) / self.excess,
            Beyond::Ratio => 4.0 * (x / max.max(1e-6)).max(1.0).ln(),
        };
        nats(0.0, self.rows) + more
    }
}

fn excess(falling: &[(f32, u64)], rows: f64) -> f64 {
    let mut at_least = 0;
    let Some((from, _)) = falling.iter().find(|(_, weight)| {
        at_least += weight;
        at_least as f64 > TAIL * rows
    }) else {
        return EXCESS_MIN;
    };
    let above = falling.iter().take_while(|(value, _)| value > from);
    let (sum, weights) = above
        .fold((0.0, 0), |(sum, weights), (value, weight)| (sum + f64::from(value - from) * *weight as f64, weights + weight));
    // As short as the measure itself in the file.
    f64::from(if weights == 0 { 0.0 } else { single(sum / weights as f64) }).max(EXCESS_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Ten values: of 7 there are #{≥ 7} = 4, so −ln(5 ÷ 11); of 10 −ln(2 ÷ 11); beyond it −ln(1 ÷ 11) and more.
    #[test]
    fn ten_values_by_hand() {
        let ecdf = Ecdf::of((1..=10_u8).map(|value| (f32::from(value), 1)).collect(), 10.0);
        assert_eq!(ecdf.knots.len(), 10);
        for (x, nats) in [(0.5, 0.0), (1.0, 0.0), (7.0, (11.0_f64 / 5.0).ln()), (10.0, (11.0_f64 / 2.0).ln())] {
            assert!((ecdf.nats(x, Beyond::Excess) - nats).abs() < 1e-12, "{x}");
        }
        // More than 2 % of ten is one: the largest. Nothing exceeds it.
        assert!((ecdf.nats(11.0, Beyond::Excess) - (11.0_f64.ln() + 0.5 / 0.05)).abs() < 1e-9);
        assert!((ecdf.nats(20.0, Beyond::Ratio) - (11.0_f64.ln() + 4.0 * 2.0_f64.ln())).abs() < 1e-9);
    }

    #[test]
    fn of_many_values_about_a_hundred_knots_remain_and_the_tail_is_exact() {
        let ecdf = Ecdf::of((0..5_000_u16).map(|value| (f32::from(value), 1)).collect(), 5_000.0);
        assert!((80..130).contains(&ecdf.knots.len()), "{}", ecdf.knots.len());
        for value in 0..5_000_u16 {
            let exact = nats(f64::from(5_000 - value), 5_000.0);
            let error = (ecdf.nats(f32::from(value), Beyond::Excess) - exact).abs();
            assert!(error < if value >= 4_990 { 1e-12 } else { 0.01 }, "{value}: {error}");
        }
        // Mean of 1 to 100 above 4,899.
        assert!((ecdf.excess - 50.5).abs() < 1.0, "{}", ecdf.excess);
    }

    #[test]
    fn none_and_one_value_are_no_trouble() {
        assert_eq!(Ecdf::of(Vec::new(), 0.0).nats(1.0, Beyond::Ratio).to_bits(), 0.0_f64.to_bits());
        let one = Ecdf::of(vec![(0.0, 100)], 100.0);
        assert_eq!((one.nats(0.0, Beyond::Ratio), one.nats(-1.0, Beyond::Ratio)), (0.0, 0.0));
        assert!(one.nats(0.1, Beyond::Ratio) > 4.0);
    }

    proptest! {
        #[test]
        fn surprise_never_falls(values in prop::collection::vec((-9.0..9.0_f32, 1..50_u64), 1..300), xs in prop::collection::vec(-12.0..12.0_f32, 2..20)) {
            let rows = values.iter().map(|(_, weight)| *weight).sum::<u64>() as f64;
            let ecdf = Ecdf::of(values, rows);
            let mut xs = xs;
            xs.sort_by(f32::total_cmp);
            for beyond in [Beyond::Excess, Beyond::Ratio] {
                prop_assert!(xs.windows(2).all(|pair| ecdf.nats(pair[0], beyond) <= ecdf.nats(pair[1], beyond) + 1e-12));
            }
        }
    }
}
