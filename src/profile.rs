//! The training profile: what a model's inputs and answers look like when all is well, so that what is unlike it is noticed.
//!
//! ```text
//! training rows ─→ FirstPass, SecondPass ─→ Profile ─┬─ calibrate ─┬─ complete ─→ write ─→ file ─→ read ─→ Profile
//! calibration events ─ scores (trigger::anomaly) ────┘             │
//!                    └ judged by the policy: priorities, baseline ─┘
//! ```
//!
//! The same rows and events give the same bytes, in whatever order and however many shards they are read.

pub mod baseline;
mod build;
mod calibration;
mod cell;
mod copula;
mod ecdf;
mod file;
mod freeze;
mod hashing;
pub(crate) mod narrow;
mod normal;
mod pairs;
mod read;
mod sample;
mod shape;
mod sketch;

pub use baseline::{Attribute, Baseline, BaselineBuilder, BaselineCount, Binned, Bins, Cell, Measured};
pub use build::{BuildProblem, Columns, FEATURES_MAX, FirstPass, Frozen, ROWS_MAX, ROWS_MIN, SecondPass};
pub use calibration::{Calibration, SCORES_MAX};
pub use cell::{Kind, LEVEL_BYTES_MAX};
pub use pairs::Pair;
pub use read::{BYTES_MAX, ProfileProblem};
pub use shape::{CategoryShape, Level, NumberShape, Shape};
pub use sketch::LEVELS_MAX;

pub(crate) use cell::{Cell as Value, VectorHash};
pub(crate) use copula::Copula;
pub(crate) use ecdf::{Beyond, Ecdf};
pub(crate) use normal::probability;
pub(crate) use shape::missing_nats;

use crate::identity::{Hash, Timestamp};
use crate::trigger::anomaly;
use calibration::thinned;
use sample::Sample;

/// So many priorities and confidences of calibration events are kept, evenly spaced in rank.
pub const QUANTILES_MAX: usize = 4_096;

/// See the module.
#[derive(Clone, PartialEq, Debug)]
pub struct Profile {
    rows: u64,
    features: Vec<Feature>,
    pairs: Vec<Pair>,
    copula: Copula,
    duplicates: Duplicates,
    calibration: Calibration,
    priorities: Vec<f32>,
    confidences: Vec<f32>,
    baseline: Option<Baseline>,
    scoring: Option<Hash>,
    provenance: Provenance,
}

/// What a profile knows of one feature.
#[derive(Clone, PartialEq, Debug)]
pub struct Feature {
    /// Its name in the event's `features`.
    pub name: String,
    /// Training rows in which it is missing, or of another type.
    pub missing: u64,
    /// What its values are like.
    pub shape: Shape,
    /// How surprising its pairs are in training rows.
    pub(crate) paired: Ecdf,
    /// How far training rows are from what the other numbers make one expect.
    pub(crate) residual: Ecdf,
    pub(crate) missing_nats: f64,
}

impl Feature {
    fn new(name: &str, missing: u64, shape: Shape, rows: u64) -> Self {
        let (paired, residual) = (Ecdf::default(), Ecdf::default());
        Self { name: name.to_owned(), missing, shape, paired, residual, missing_nats: missing_nats(missing, rows) }
    }

    /// Its kind. A text that is no category counts as one.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self.shape {
            Shape::Number(_) => Kind::Number,
            Shape::Category(_) | Shape::Text => Kind::Category,
        }
    }
}

/// Rows of the training that occurred more than once, so that an event which comes again and again can be told from one
/// that always did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Duplicates {
    /// Rows that occurred less often are not in it.
    pub least: u64,
    /// The most frequent rows, at most 64, by [`anomaly::Anomaly::vector`], with how often each occurred; the most
    /// frequent first.
    pub vectors: Vec<(u32, u64)>,
}

impl Duplicates {
    /// At most so many of the training's rows were this vector.
    #[must_use]
    pub fn at_most(&self, vector: u32) -> u64 {
        let known = self.vectors.iter().find(|(known, _)| *known == vector).map(|(_, count)| *count);
        let rest = if self.vectors.len() < sample::FREQUENT_MAX { None } else { self.vectors.last().map(|(_, count)| *count) };
        known.or(rest).unwrap_or(self.least.saturating_sub(1))
    }
}

/// Where a profile comes from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Provenance {
    /// When it was made.
    pub built_at: Timestamp,
    /// The files it was made of: training, then calibration.
    pub files: Vec<SourceFile>,
}

/// A file that a profile was made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceFile {
    /// Its name, without the folder.
    pub name: String,
    /// Hash of its bytes.
    pub sha256: Hash,
    /// Rows or events in it.
    pub rows: u64,
}

/// What [`Profile::complete`] adds, computed by the policy that the profile is for.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Judged {
    /// P of each calibration event, 0–1.
    pub priorities: Vec<f32>,
    /// The confidence of each calibration event that has one, 0–1.
    pub confidences: Vec<f32>,
    /// Rates of subgroups and distributions.
    pub baseline: Option<Baseline>,
    /// Hash of the policy's triggers that enter P.
    pub scoring: Option<Hash>,
}

impl Profile {
    fn of_training(rows: u64, features: Vec<Feature>, pairs: Vec<Pair>, copula: Copula, duplicates: Duplicates) -> Self {
        Self {
            rows,
            features,
            pairs,
            copula,
            duplicates,
            calibration: Calibration::default(),
            priorities: Vec::new(),
            confidences: Vec::new(),
            baseline: None,
            scoring: None,
            provenance: Provenance::default(),
        }
    }

    /// Itself, with the distributions of its own measures over these rows.
    fn measured(mut self, sample: &Sample) -> Self {
        let mut scratch = anomaly::Scratch::default();
        let (mut paired, mut residual) = (vec![Vec::new(); self.features.len()], vec![Vec::new(); self.copula.features.len()]);
        for (count, row) in sample.rows() {
            anomaly::measure(&self, |place| row[place].cell(), &mut scratch);
            for (place, values) in paired.iter_mut().enumerate() {
                values.extend(scratch.paired(place).map(|raw| (raw, count)));
            }
            for (place, values) in residual.iter_mut().enumerate() {
                values.push((scratch.residual(&self, place), count));
            }
        }
        // A row of the sample stands for 1 ÷ part, and so all rows are so many of it.
        let rows = f64::from(narrow::single(self.rows as f64 * sample.part()));
        for (feature, values) in self.features.iter_mut().zip(paired).filter(|(_, values)| !values.is_empty()) {
            feature.paired = Ecdf::of(values, rows);
        }
        for (place, values) in self.copula.features.iter().zip(residual) {
            self.features[usize::from(*place)].residual = Ecdf::of(values, rows);
        }
        self
    }

    /// Takes the anomaly scores of calibration events, by which it turns scores into p-values from now on.
    pub fn calibrate(&mut self, scores: Vec<f32>) {
        self.calibration = Calibration::new(scores);
    }

    /// Takes what the policy made of the calibration events, and where everything comes from.
    pub fn complete(&mut self, judged: Judged, provenance: Provenance) {
        let quantiles = |mut values: Vec<f32>| {
            values.retain(|value| value.is_finite());
            thinned(values, QUANTILES_MAX)
        };
        self.priorities = quantiles(judged.priorities);
        self.confidences = quantiles(judged.confidences);
        self.baseline = judged.baseline;
        self.scoring = judged.scoring;
        self.provenance = provenance;
    }

    /// Training rows.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// The features, in the order of their names.
    #[must_use]
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// The pairs of features that are looked at together.
    #[must_use]
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// Training rows that occurred often.
    #[must_use]
    pub const fn duplicates(&self) -> &Duplicates {
        &self.duplicates
    }

    /// Turns scores into p-values.
    #[must_use]
    pub const fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// Priorities P of calibration events, 0–1, rising, evenly spaced in rank.
    #[must_use]
    pub fn priorities(&self) -> &[f32] {
        &self.priorities
    }

    /// Confidences of calibration events, 0–1, rising, evenly spaced in rank.
    #[must_use]
    pub fn confidences(&self) -> &[f32] {
        &self.confidences
    }

    /// Rates and distributions that the monitor holds the present against.
    #[must_use]
    pub const fn baseline(&self) -> Option<&Baseline> {
        self.baseline.as_ref()
    }

    /// Hash of the triggers that made [`Profile::priorities`].
    #[must_use]
    pub const fn scoring(&self) -> Option<Hash> {
        self.scoring
    }

    /// Where it comes from.
    #[must_use]
    pub const fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    pub(crate) const fn copula(&self) -> &Copula {
        &self.copula
    }
}

#[cfg(test)]
pub(crate) mod small;
#[cfg(test)]
mod tests;
