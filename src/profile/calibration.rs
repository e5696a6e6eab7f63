//! From a score to a p-value: how many events of the calibration were at least as unusual (inductive conformal prediction).

/// So many scores are kept; of more, so many that are evenly spaced in rank.
pub const SCORES_MAX: usize = 16_384;

/// The anomaly scores of events that are known to be usual and that the profile was not made of.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Calibration {
    /// Rising.
    scores: Vec<f32>,
}

impl Calibration {
    /// A calibration by these scores, in any order. What is no number is left out.
    #[must_use]
    pub fn new(mut scores: Vec<f32>) -> Self {
        scores.retain(|score| score.is_finite());
        Self { scores: thinned(scores, SCORES_MAX) }
    }

    /// The scores, rising.
    #[must_use]
    pub fn scores(&self) -> &[f32] {
        &self.scores
    }

    /// p = (1 + #{calibration ≥ score}) ÷ (N + 1): small is unusual. Of usual events at most the part α has p ≤ α.
    ///
    /// Beyond all of the calibration p falls on with exp(−(score − max)), which only ranks: that no usual event is that
    /// unusual is all that is known. 1 where there is no calibration.
    #[must_use]
    pub fn p(&self, score: f32) -> f64 {
        let below = self.scores.partition_point(|known| *known < score);
        let p = (1 + self.scores.len() - below) as f64 / (self.scores.len() + 1) as f64;
        match self.scores.last() {
            Some(max) if score > *max => p * (f64::from(*max) - f64::from(score)).exp(),
            _ => p,
        }
    }
}

/// `values` in rising order; at most so many, evenly spaced in rank, the smallest and the largest among them.
pub(crate) fn thinned(mut values: Vec<f32>, most: usize) -> Vec<f32> {
    values.sort_unstable_by(f32::total_cmp);
    if values.len() <= most {
        return values;
    }
    let last = values.len() - 1;
    (0..most).map(|place| values[place * last / (most - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Of 1, 2, 2, 3: two are at least 2 and one more makes p(2) = (1 + 3) ÷ 5.
    #[test]
    fn p_by_hand() {
        let calibration = Calibration::new(vec![3.0, 2.0, 1.0, 2.0, f32::NAN]);
        for (score, p) in [(0.5, 1.0), (1.0, 1.0), (2.0, 0.8), (2.5, 0.4), (3.0, 0.4)] {
            assert!((calibration.p(score) - p).abs() < 1e-15, "{score}");
        }
        assert!((calibration.p(4.0) - 0.2 * (-1.0_f64).exp()).abs() < 1e-15);
        assert_eq!(Calibration::default().p(1e9).to_bits(), 1.0_f64.to_bits());
    }

    #[test]
    fn what_is_too_much_is_thinned_evenly() {
        let thin = thinned((0..100_001_u32).rev().map(|value| value as f32).collect(), 5);
        assert_eq!(thin, [0.0, 25_000.0, 50_000.0, 75_000.0, 100_000.0]);
    }

    proptest! {
        #[test]
        fn p_never_rises_with_the_score(scores in prop::collection::vec(0.0..20.0_f32, 0..50), a in 0.0..40.0_f32, b in 0.0..40.0_f32) {
            let calibration = Calibration::new(scores);
            prop_assert!(calibration.p(a.max(b)) <= calibration.p(a.min(b)));
            prop_assert!((0.0..=1.0).contains(&calibration.p(a)));
        }
    }
}
