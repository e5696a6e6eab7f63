//! The sample trigger: was this decision drawn for a quality review? (`triggers.md`, section 5.)
//!
//! It draws from what would be released, since what is held is looked at anyway. The draw follows from the decision's id and
//! the trigger's, so a replay draws the same decisions, and a higher rate draws the same ones and more.

use crate::identity::DecisionId;
use crate::policy::Sample;
use crate::trigger::Measurement;

/// Draws the decision `id` for the trigger called `trigger`.
#[must_use]
pub fn measure(sample: Sample, trigger: &str, id: DecisionId) -> Measurement {
    Measurement::Found(id.draw("sample", trigger) < sample.rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(rate: f64, trigger: &str) -> Vec<bool> {
        let id = |number: u128| DecisionId((number * 0x9e37_79b9).to_be_bytes());
        (0..20_000).map(|number| measure(Sample { rate }, trigger, id(number)) == Measurement::Found(true)).collect()
    }

    #[test]
    fn the_share_is_the_rate_and_more_draws_the_same_and_more() {
        let share = |drawn: &[bool]| drawn.iter().filter(|drawn| **drawn).count() as f64 / drawn.len() as f64;
        let (few, many) = (drawn(0.005, "a"), drawn(0.1, "a"));
        assert!((share(&few) - 0.005).abs() < 0.002, "{}", share(&few));
        assert!((share(&many) - 0.1).abs() < 0.01, "{}", share(&many));
        assert!(few.iter().zip(&many).all(|(few, many)| *many || !*few));
        assert!(drawn(1.0, "a").iter().all(|drawn| *drawn));
        assert_ne!(many, drawn(0.1, "b"), "triggers draw independently");
    }
}
