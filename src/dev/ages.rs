//! Percentiles of a histogram, as Prometheus would tell them.

use prometheus::Histogram;
use prometheus::core::Metric as _;

/// The age that a part of the observations did not exceed, in milliseconds: estimated within its bucket, as `histogram_quantile`
/// does. None before the first observation.
#[must_use]
pub fn quantile_ms(histogram: &Histogram, part: f64) -> Option<f64> {
    let metric = histogram.metric();
    let histogram = metric.get_histogram();
    let all = histogram.get_sample_count();
    if all == 0 {
        return None;
    }
    let rank = all as f64 * part;
    let (mut below, mut floor) = (0, 0.0);
    for bucket in histogram.get_bucket() {
        let upto = bucket.cumulative_count();
        if upto as f64 >= rank && upto > below {
            let share = (rank - below as f64) / (upto - below) as f64;
            return Some((floor + (bucket.upper_bound() - floor) * share) * 1_000.0);
        }
        (below, floor) = (upto, bucket.upper_bound());
    }
    Some(floor * 1_000.0)
}

#[cfg(test)]
mod tests {
    use prometheus::HistogramOpts;

    use super::*;

    #[test]
    fn quantiles_lie_within_their_bucket() {
        let options = HistogramOpts::new("age", "Age.").buckets(vec![0.010, 0.020, 0.100]);
        let histogram = Histogram::with_opts(options).expect("sound options");
        assert_eq!(quantile_ms(&histogram, 0.5), None);
        for millis in 0..100 {
            histogram.observe(f64::from(millis) / 10_000.0);
        }
        for _ in 0..100 {
            histogram.observe(0.05);
        }
        let close = |part, millis: f64| (quantile_ms(&histogram, part).expect("observed") - millis).abs() < 0.2;
        assert!(close(0.25, 5.0) && close(0.75, 60.0) && close(1.0, 100.0));
        histogram.observe(7.0);
        assert_eq!(quantile_ms(&histogram, 1.0), Some(100.0), "beyond the last bucket");
    }
}
