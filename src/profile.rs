//! The training profile: what a model's inputs and answers look like when all is well, so that what is unlike it is noticed.

pub mod baseline;

pub use baseline::{Attribute, Baseline, BaselineBuilder, BaselineCount, Binned, Bins, Cell, Measured};

use serde::{Deserialize, Serialize};

use crate::identity::Hash;

/// STUB until the builder is merged.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Profile {
    features: Vec<String>,
    baseline: Baseline,
    priorities: Vec<f64>,
    scoring: Option<String>,
}

impl Profile {
    /// Reads.
    ///
    /// # Errors
    /// Where it is none.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
    /// Names of the features.
    pub fn features(&self) -> impl Iterator<Item = &str> {
        self.features.iter().map(String::as_str)
    }
    /// The baseline.
    pub fn baseline(&self) -> &Baseline {
        &self.baseline
    }
    /// Hash of the scoring.
    pub fn scoring(&self) -> Option<Hash> {
        self.scoring.as_deref().and_then(Hash::parse)
    }
    /// Priorities of the calibration events, rising.
    pub fn priorities(&self) -> &[f64] {
        &self.priorities
    }
}
