//! Distributions as pictures: blocks of eight heights.

use crate::profile::NumberShape;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// `counts` as blocks, the largest the highest; nothing at all is a space.
pub(super) fn blocks(counts: &[f64]) -> String {
    let most = counts.iter().copied().fold(0.0, f64::max);
    let block = |count: &f64| {
        if *count <= 0.0 || most <= 0.0 {
            return ' ';
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 7")]
        let height = (count / most * 7.0).round() as usize;
        BLOCKS[height.min(7)]
    };
    counts.iter().map(block).collect()
}

/// The histogram of a feature's numbers between its quantiles .01 and .99, in so many columns.
pub(super) fn histogram(shape: &NumberShape, columns: usize) -> String {
    let (low, high) = (shape.quantile(0.01), shape.quantile(0.99));
    if high <= low {
        return blocks(&[1.0]);
    }
    let width = (high - low) / columns as f64;
    // The first column begins before its number, so that rows with it are in.
    let below = |place: usize| if place == 0 { 0.0 } else { shape.rank(low + width * place as f64).low };
    let counts: Vec<f64> = (0..columns).map(|place| below(place + 1) - below(place)).collect();
    blocks(&counts)
}

/// A number for people: four digits, thousands as `12.3k`.
pub(super) fn short(number: f64) -> String {
    let size = number.abs();
    let (scaled, unit) = match size {
        _ if size >= 1e15 || (size > 0.0 && size < 1e-3) => return format!("{number:.2e}"),
        _ if size >= 1e9 => (number / 1e9, "G"),
        _ if size >= 1e6 => (number / 1e6, "M"),
        _ if size >= 1e4 => (number / 1e3, "k"),
        _ => (number, ""),
    };
    let digits =
        if scaled.fract().abs() < 1e-9 { 0 } else { usize::from(scaled.abs() < 1_000.0) + usize::from(scaled.abs() < 10.0) };
    format!("{scaled:.digits$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_as_high_as_their_counts() {
        assert_eq!(blocks(&[0.0, 0.1, 4.0, 8.0]), " ▁▅█");
        assert_eq!((blocks(&[]), blocks(&[0.0])), (String::new(), " ".to_owned()));
    }

    #[test]
    fn numbers_are_short() {
        for (number, shown) in [
            (17.0, "17"),
            (0.5, "0.50"),
            (12.34, "12.3"),
            (99_999.0, "100.0k"),
            (-1.5e6, "-1.50M"),
            (1e300, "1.00e300"),
            (0.0, "0"),
        ] {
            assert_eq!(short(number), shown);
        }
    }
}
