//! Triggers: one file each, a plain function of (event, rule) to a [`Measurement`].
//!
//! `event + settings from the policy → measure → `[`Measurement`]` → (decision) → result, risk, sentence`

pub mod anomaly;
pub mod confidence;
pub mod contradiction;
pub mod rule;
pub mod sample;

use crate::policy::Failure;

/// What a trigger found when it looked at one event.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Measurement {
    /// It could look, and measures something: of a hit and of a miss alike.
    Measured {
        /// The raw measure, compared with the limit.
        value: f64,
        /// Risk 0–1 for the priority.
        risk: f64,
        /// Whether the value is beyond the limit.
        hit: bool,
    },
    /// It could look and measures something, of which there is nothing here: a miss.
    NothingMeasured,
    /// It could look, and what it looks for is there or not.
    Found(bool),
    /// It could look, and there is nothing to look at, for this reason: a miss that says so.
    Absent(&'static str),
    /// What it asked did not answer in time: a timeout, for this reason.
    Late(&'static str),
    /// It could not: the event lacks what the trigger reads. Holds, unless the trigger says otherwise.
    Error(Unmeasured),
}

/// Why a trigger could not look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unmeasured {
    /// For this reason.
    Because(&'static str),
    /// Its expression failed; the expression knows the sentence.
    Expression(Failure),
}
