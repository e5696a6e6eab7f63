//! The reviewers' capacity: not every hit is held but the riskiest share of all decisions (`triggers.md`, section 3).

/// Where a decision's priority lies among those of the profile's calibration events.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rank {
    /// P, 0–1, before a sample adds to it; in single precision, as the calibration's are.
    pub priority: f32,
    /// u: evenly distributed over 0–1 as long as decisions are like those of the calibration.
    pub quantile: f64,
    /// τ: decisions above are held. None where the policy has no capacity.
    pub threshold: Option<f64>,
}

/// The quantile of `priority` among `calibration`, which rises. Equal priorities are told apart by `tie`, 0–1.
///
/// u = (#{below} + tie · (#{equal} + 1)) ÷ (N + 1): of N + 1 exchangeable priorities each rank is equally likely.
pub(super) fn quantile(calibration: &[f32], priority: f32, tie: f64) -> f64 {
    let below = calibration.partition_point(|other| *other < priority);
    let equal = calibration[below..].partition_point(|other| *other <= priority);
    (below as f64 + tie * (equal as f64 + 1.0)) / (calibration.len() as f64 + 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By hand: two of four lie below, one is equal: (2 + .5 · 2) / 5.
    #[test]
    fn quantiles_by_hand() {
        let calibration = [0.1, 0.2, 0.4, 0.8];
        for (priority, tie, wanted) in [(0.4, 0.5, 0.6), (0.4, 0.0, 0.4), (0.3, 0.0, 0.4), (0.9, 0.5, 0.9), (0.0, 0.5, 0.1)] {
            assert!((quantile(&calibration, priority, tie) - wanted).abs() < 1e-12, "{priority}");
        }
        assert!((quantile(&[], 0.3, 0.25) - 0.25).abs() < 1e-12, "nothing is known");
    }

    proptest! {
        #[test]
        fn a_larger_priority_never_ranks_lower(mut calibration in prop::collection::vec(0_u8..20, 0..50), one in 0_u8..20, other in 0_u8..20, tie in 0.0..1.0_f64) {
            calibration.sort_unstable();
            let calibration: Vec<f32> = calibration.into_iter().map(f32::from).collect();
            let (low, high) = (one.min(other), one.max(other));
            let (low, high) = (quantile(&calibration, f32::from(low), tie), quantile(&calibration, f32::from(high), tie));
            prop_assert!(low <= high && (0.0..1.0).contains(&high));
        }
    }
}
