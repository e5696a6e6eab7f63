//! Priority by noisy-OR: P = 1 − ∏(1 − wᵢ·rᵢ) over everything that was looked at, score = 100 · P (`triggers.md`, section 3).

use crate::decision::TriggerRef;
use crate::policy::Band;

/// How urgent a decision's review is.
#[derive(Clone, PartialEq, Debug)]
pub struct Priority {
    /// 0–100, two decimals.
    pub score: f64,
    /// The policy's band of that score.
    pub band: Band,
    /// What made the score, in the order of the results.
    pub parts: Vec<Part>,
}

impl Default for Priority {
    fn default() -> Self {
        Self { score: 0.0, band: Band::Low, parts: Vec::new() }
    }
}

/// One factor of the score.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Part {
    /// Whose factor it is.
    pub trigger: TriggerRef,
    /// r, 0–1, six decimals.
    pub risk: f64,
    /// w, 0–1.
    pub weight: f64,
    /// ln(1 − w·r) ÷ ln(1 − P): its part of the score, six decimals; all zero where P is.
    pub share: f64,
}

impl Part {
    /// A factor whose share [`Priority::rate`] fills in.
    #[must_use]
    pub fn new(trigger: TriggerRef, risk: f64, weight: f64) -> Self {
        Self { trigger, risk: decimals(risk, 1e6), weight, share: 0.0 }
    }

    /// w·r, below 1 so that no single factor makes the others count for nothing.
    #[must_use]
    pub fn factor(&self) -> f64 {
        (self.weight * self.risk).clamp(0.0, 1.0 - 1e-9)
    }

    fn surprise(&self) -> f64 {
        (-self.factor()).ln_1p()
    }
}

impl Priority {
    /// P, 0–1, of the parts so far.
    #[must_use]
    pub fn probability(&self) -> f64 {
        -self.parts.iter().map(Part::surprise).sum::<f64>().exp_m1()
    }

    /// Computes score and shares from the parts; the band is the caller's.
    pub fn rate(&mut self) {
        let sum: f64 = self.parts.iter().map(Part::surprise).sum();
        self.score = decimals(-sum.exp_m1() * 100.0, 1e2);
        for part in &mut self.parts {
            part.share = if sum < 0.0 { decimals(part.surprise() / sum, 1e6) } else { 0.0 };
        }
    }
}

fn decimals(value: f64, scale: f64) -> f64 {
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::BuiltIn;
    use proptest::prelude::*;

    fn rated(factors: &[(f64, f64)]) -> Priority {
        let trigger = TriggerRef::BuiltIn(BuiltIn::NoPolicy);
        let mut priority = Priority {
            parts: factors.iter().map(|&(risk, weight)| Part::new(trigger, risk, weight)).collect(),
            ..Priority::default()
        };
        priority.rate();
        priority
    }

    /// By hand: 1 − .6·.3 = .82; ln(.6)/ln(.18) = .2979, ln(.3)/ln(.18) = .7021.
    #[test]
    fn two_factors_by_hand() {
        let priority = rated(&[(0.4, 1.0), (0.7, 1.0)]);
        assert!((priority.score - 82.0).abs() < 1e-9, "{priority:?}");
        assert!(
            (priority.parts[0].share - 0.297_893).abs() < 1e-6 && (priority.parts[1].share - 0.702_107).abs() < 1e-6,
            "{priority:?}"
        );
    }

    #[test]
    fn nothing_is_zero_and_certainty_stays_below_itself() {
        assert!(rated(&[]).score.abs() < f64::EPSILON);
        assert!(rated(&[(0.0, 1.0)]).parts[0].share.abs() < f64::EPSILON);
        let certain = rated(&[(1.0, 1.0), (1.0, 1.0)]);
        assert!((certain.score - 100.0).abs() < 1e-9 && (certain.parts[0].share - 0.5).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn score_is_the_formula_and_shares_add_up(factors in prop::collection::vec((0.0..=1.0_f64, 0.0..=1.0_f64), 1..8)) {
            let priority = rated(&factors);
            let product: f64 = factors.iter().map(|(risk, weight)| 1.0 - (risk * weight).min(1.0 - 1e-9)).product();
            prop_assert!((priority.score - 100.0 * (1.0 - product)).abs() < 0.0052);
            let shares: f64 = priority.parts.iter().map(|part| part.share).sum();
            prop_assert!(product > 1.0 - 1e-12 || (shares - 1.0).abs() < 1e-5, "{}", shares);
        }

        #[test]
        fn another_finding_never_lowers_the_score(factors in prop::collection::vec((0.0..=1.0_f64, 0.0..=1.0_f64), 0..6), more in 0.0..=1.0_f64) {
            let before = rated(&factors).score;
            let mut factors = factors;
            factors.push((more, 1.0));
            prop_assert!(rated(&factors).score >= before);
        }
    }
}
