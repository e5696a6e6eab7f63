//! How the numbers of a row hang together: a Gaussian copula. Each number's rank becomes a normal quantile z, and the
//! correlations of the z tell what a number should be, given the others (`triggers.md`, section 1, c).

use super::narrow::single;

/// R = (1 − RIDGE) · corr + RIDGE · I: can always be inverted, also where one number repeats another.
const RIDGE: f64 = 0.02;
/// z is summed in units of 2⁻²⁴, so that sums are exact in whatever order.
const UNIT: f64 = 16_777_216.0;

/// The copula of the features that are numbers and vary.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Copula {
    /// Places of these features in the profile, rising.
    pub features: Vec<u16>,
    /// Correlations, the lower triangle without its diagonal, row by row.
    pub correlations: Vec<f32>,
    /// W = R⁻¹, row by row; symmetric.
    weights: Vec<f64>,
    /// 1 ÷ √Wⱼⱼ.
    scales: Vec<f64>,
}

impl Copula {
    /// The copula with these correlations: d·(d − 1) ÷ 2 of them, finite, none beyond 1. `None` where they are none of any
    /// real data, so that R cannot be inverted.
    pub fn new(features: Vec<u16>, correlations: Vec<f32>) -> Option<Self> {
        let size = features.len();
        let mut matrix = vec![0.0; size * size];
        let mut given = correlations.iter().map(|correlation| f64::from(*correlation) * (1.0 - RIDGE));
        for row in 0..size {
            for column in 0..row {
                let value = given.next()?;
                matrix[row * size + column] = value;
                matrix[column * size + row] = value;
            }
            matrix[row * size + row] = 1.0;
        }
        let weights = inverse(matrix, size)?;
        let scales = (0..size).map(|place| 1.0 / weights[place * size + place].sqrt()).collect();
        Some(Self { features, correlations, weights, scales })
    }

    /// Writes W·z into `sums`.
    #[inline]
    pub fn multiply(&self, z: &[f64], sums: &mut [f64]) {
        sums.fill(0.0);
        for (row, value) in self.weights.chunks_exact(self.features.len().max(1)).zip(z) {
            for (sum, weight) in sums.iter_mut().zip(row) {
                *sum += weight * value;
            }
        }
    }

    /// eⱼ of Σ Wⱼₖ·zₖ.
    #[inline]
    pub fn residual(&self, place: usize, sum: f64) -> f64 {
        (sum * self.scales[place]).abs()
    }

    /// What z of the feature at `place` should be, given the others.
    pub fn expected(&self, place: usize, z: f64, sum: f64) -> f64 {
        z - sum * self.scales[place] * self.scales[place]
    }
}

/// The inverse of a symmetric, positive definite matrix (Cholesky: A = L·Lᵀ, A⁻¹ = L⁻ᵀ·L⁻¹). `None` if it is not.
fn inverse(matrix: Vec<f64>, size: usize) -> Option<Vec<f64>> {
    let mut lower = matrix;
    for row in 0..size {
        for column in 0..=row {
            let products: f64 = (0..column).map(|k| lower[row * size + k] * lower[column * size + k]).sum();
            let rest = lower[row * size + column] - products;
            lower[row * size + column] = if row > column {
                rest / lower[column * size + column]
            } else if rest > 1e-9 {
                rest.sqrt()
            } else {
                return None;
            };
        }
    }
    // L⁻¹, row by row, in place.
    for row in 0..size {
        for column in 0..row {
            let products: f64 = (column..row).map(|k| lower[row * size + k] * lower[k * size + column]).sum();
            lower[row * size + column] = -products / lower[row * size + row];
        }
        lower[row * size + row] = 1.0 / lower[row * size + row];
    }
    let mut inverse = vec![0.0; size * size];
    for row in 0..size {
        for column in 0..=row {
            let value: f64 = (row..size).map(|k| lower[k * size + row] * lower[k * size + column]).sum();
            inverse[row * size + column] = value;
            inverse[column * size + row] = value;
        }
    }
    Some(inverse)
}

/// Sums of the z of rows and of their products: plain whole numbers, so that shards add up exactly.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Products {
    rows: i128,
    sums: Vec<i128>,
    /// The lower triangle with its diagonal.
    triangle: Vec<i128>,
    row: Vec<i64>,
}

impl Products {
    pub fn new(size: usize) -> Self {
        Self { rows: 0, sums: vec![0; size], triangle: vec![0; size * (size + 1) / 2], row: Vec::with_capacity(size) }
    }

    #[expect(clippy::cast_possible_truncation, reason = "no z is beyond 9, so units are below 2²⁸")]
    pub fn add(&mut self, z: &[f64]) {
        self.rows += 1;
        self.row.clear();
        self.row.extend(z.iter().map(|z| (z * UNIT).round() as i64));
        let mut products = self.triangle.iter_mut();
        for (place, (first, sum)) in self.row.iter().zip(&mut self.sums).enumerate() {
            *sum += i128::from(*first);
            for (second, product) in self.row[..=place].iter().zip(&mut products) {
                *product += i128::from(first * second);
            }
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, more)| *sum += more);
        self.triangle.iter_mut().zip(&other.triangle).for_each(|(sum, more)| *sum += more);
    }

    /// The copula of those of `features` that vary. One alone hangs together with nothing.
    pub fn copula(&self, features: &[u16]) -> Copula {
        // n² times the covariance, exactly.
        let covariance = |row: usize, column: usize| {
            let (row, column) = (row.max(column), row.min(column));
            (self.rows * self.triangle[row * (row + 1) / 2 + column] - self.sums[row] * self.sums[column]) as f64
        };
        let varying: Vec<usize> = (0..features.len()).filter(|place| covariance(*place, *place) > 0.0).collect();
        if varying.len() < 2 {
            return Copula::default();
        }
        let mut correlations = Vec::new();
        for (place, row) in varying.iter().enumerate() {
            for column in &varying[..place] {
                let scale = covariance(*row, *row).sqrt() * covariance(*column, *column).sqrt();
                correlations.push(single((covariance(*row, *column) / scale).clamp(-1.0, 1.0)));
            }
        }
        let kept: Vec<u16> = varying.iter().map(|place| features[*place]).collect();
        Copula::new(kept, correlations).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// corr = .5: R = [[1, .49], [.49, 1]], W = R ÷ (1 − .49²) with its signs.
    #[test]
    fn two_numbers_by_hand() {
        let copula = Copula::new(vec![3, 7], vec![0.5]).unwrap();
        let mut sums = [0.0; 2];
        copula.multiply(&[1.0, -2.0], &mut sums);
        let det = 1.0 - 0.49 * 0.49;
        let by_hand = [(1.0 + 0.98) / det, (-0.49 - 2.0) / det];
        assert!((sums[0] - by_hand[0]).abs() < 1e-12 && (sums[1] - by_hand[1]).abs() < 1e-12, "{sums:?}");
        assert!((copula.residual(0, sums[0]) - 1.98 / det.sqrt()).abs() < 1e-12);
        // Given the other one it should be .49 · −2.
        assert!((copula.expected(0, 1.0, sums[0]) + 0.98).abs() < 1e-12);
    }

    #[test]
    fn what_repeats_another_number_and_what_never_varies_is_no_trouble() {
        let mut products = Products::new(3);
        for row in [-1.5, -0.5, 0.25, 2.0] {
            products.add(&[row, 0.0, -row]);
        }
        let copula = products.copula(&[0, 4, 9]);
        assert_eq!((copula.features.as_slice(), copula.correlations.as_slice()), (&[0, 9][..], &[-1.0][..]));
        let mut sums = [0.0; 2];
        copula.multiply(&[1.0, 1.0], &mut sums);
        assert!(sums.iter().all(|sum| (sum - 1.0 / 0.02).abs() < 1e-6), "{sums:?}");
    }

    #[test]
    fn sums_are_the_same_in_any_order() {
        let rows: Vec<[f64; 2]> = (0..100).map(|row| [f64::from(row).sin() * 3.0, f64::from(row * row).cos()]).collect();
        let sum = |rows: &[[f64; 2]]| {
            let mut sum = Products::new(2);
            for row in rows {
                sum.add(row);
            }
            sum
        };
        let mut merged = sum(&rows[60..]);
        merged.merge(&sum(&rows[..60]));
        let whole = sum(&rows);
        assert_eq!((merged.sums, merged.triangle), (whole.sums, whole.triangle));
    }
}
