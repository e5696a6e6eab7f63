//! The approved baseline: how often decisions are favourable in each subgroup, and how inputs and answers are distributed,
//! on calibration events. What the monitor holds the present against.
//!
//! Everything is coded in one byte a value, here and in the tallies of gates ([`crate::tallies`]): a level by its place in a
//! sorted list, a number by the interval that it falls into.

mod build;

pub use build::{BaselineBuilder, BaselineCount};

use serde::{Deserialize, Serialize};

use crate::event::Plain;

/// The code of a level that the baseline does not know, or knows too many others of.
pub const OTHER: u8 = 254;
/// The code of what is missing.
pub const MISSING: u8 = 255;
/// So many levels of an attribute or category have codes of their own.
pub const LEVELS_MAX: usize = 64;

/// See the module.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The protected attributes whose subgroups are watched, in the order of the policy's fairness trigger.
    pub attributes: Vec<Attribute>,
    /// The finest intersections that occurred, by their codes in rising order; each once.
    pub cells: Vec<Cell>,
    /// What is watched for drift: features in the profile's order, then prediction and confidence.
    pub measures: Vec<Binned>,
}

/// A protected attribute.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// Its name in the event's `protected`.
    pub name: String,
    /// Its levels, sorted; at most [`LEVELS_MAX`], the most frequent.
    pub levels: Vec<String>,
}

impl Attribute {
    /// The code of an event's level: its place, [`OTHER`] or [`MISSING`].
    #[must_use]
    pub fn code(&self, level: Plain<'_>) -> u8 {
        match level {
            Plain::Text(level) => code_of(&self.levels, level),
            Plain::Missing => MISSING,
            Plain::Bool(_) | Plain::Number(_) => OTHER,
        }
    }

    /// The level with this code.
    #[must_use]
    pub fn level(&self, code: u8) -> Option<&str> {
        self.levels.get(usize::from(code)).map(String::as_str)
    }
}

/// One intersection of all attributes' levels.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// The code of each attribute's level.
    pub levels: Vec<u8>,
    /// Calibration events with a prediction whose favour could be told.
    pub events: u64,
    /// Of these the favourable ones.
    pub favourable: u64,
}

/// Whose distribution is watched.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// A feature, by name.
    Feature(String),
    /// What the model said.
    Prediction,
    /// How sure it was: the event's largest probability, else its confidence.
    Confidence,
}

/// One distribution in bins.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binned {
    /// Of what.
    pub of: Measured,
    /// How values become codes.
    pub bins: Bins,
    /// Calibration events by code: first those with a code of their own, then [`OTHER`], then [`MISSING`].
    pub counts: Vec<u64>,
}

/// How values become codes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bins {
    /// A number x has the code #{cuts < x}: cuts at the quantiles .1, .3, .5, .7 and .9, rising, each once.
    Cuts(Vec<f64>),
    /// A text has its place in this sorted list: the five most frequent levels. `true` and `false` are texts.
    Levels(Vec<String>),
}

impl Bins {
    /// How many codes of their own there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Cuts(cuts) => cuts.len() + 1,
            Self::Levels(levels) => levels.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The code of a value. One of the wrong type is [`OTHER`].
    #[must_use]
    pub fn code(&self, value: Plain<'_>) -> u8 {
        match (self, value) {
            (_, Plain::Missing) => MISSING,
            (Self::Cuts(cuts), Plain::Number(number)) => u8::try_from(cuts.partition_point(|cut| *cut < number)).unwrap_or(OTHER),
            (Self::Levels(levels), Plain::Text(level)) => code_of(levels, level),
            (Self::Levels(levels), Plain::Bool(truth)) => code_of(levels, if truth { "true" } else { "false" }),
            (Self::Cuts(_) | Self::Levels(_), _) => OTHER,
        }
    }

    /// The place of a code in [`Binned::counts`].
    #[must_use]
    pub fn place(&self, code: u8) -> usize {
        match code {
            MISSING => self.len() + 1,
            code if usize::from(code) < self.len() => usize::from(code),
            _ => self.len(),
        }
    }
}

fn code_of(sorted: &[String], level: &str) -> u8 {
    match sorted.binary_search_by(|known| known.as_str().cmp(level)) {
        Ok(place) => u8::try_from(place).unwrap_or(OTHER),
        Err(_) => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_intervals_have_codes() {
        let sex = Attribute { name: "sex".to_owned(), levels: vec!["Female".to_owned(), "Male".to_owned()] };
        let codes = [Plain::Text("Male"), Plain::Text("Divers"), Plain::Missing, Plain::Number(1.0)].map(|level| sex.code(level));
        assert_eq!(codes, [1, OTHER, MISSING, OTHER]);
        assert_eq!((sex.level(0), sex.level(OTHER)), (Some("Female"), None));
        let age = Bins::Cuts(vec![20.0, 30.0]);
        assert_eq!([19.0, 20.0, 20.5, 30.0, 31.0].map(|age_of| age.code(Plain::Number(age_of))), [0, 0, 1, 1, 2]);
        assert_eq!([0, 2, OTHER, MISSING, 7].map(|code| age.place(code)), [0, 2, 3, 4, 3]);
        let known = Bins::Levels(vec!["false".to_owned(), "true".to_owned()]);
        assert_eq!([Plain::Bool(true), Plain::Text("false"), Plain::Number(1.0)].map(|value| known.code(value)), [1, 0, OTHER]);
    }
}
