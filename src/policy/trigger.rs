//! What a policy checks on an event.

use std::time::Duration;

/// One check, as the policy describes it.
#[derive(Clone, PartialEq, Debug)]
pub struct Trigger {
    /// Its name within the policy.
    pub id: String,
    /// What is checked.
    pub kind: TriggerKind,
    /// As written, 0–1: see [`Trigger::weight`] and [`Trigger::missed_risk`], whose defaults differ.
    pub severity: Option<f64>,
    /// Whether a hit holds whatever the capacity of the reviewers. Decides holding, never the score.
    pub mandatory: bool,
    /// What the reviewer is told, in the author's words.
    pub reason: Option<String>,
    /// How long the check may take.
    pub budget: Duration,
    /// What follows when the check fails.
    pub on_error: Missed,
    /// What follows when the check takes longer than its budget.
    pub on_timeout: Missed,
}

impl Trigger {
    /// The weight w of this trigger's measured risk in the score (contract, section 6).
    #[must_use]
    pub fn weight(&self) -> f64 {
        match self.kind {
            TriggerKind::Confidence(_) => self.severity.unwrap_or(1.0),
        }
    }

    /// The risk that a failed or late check stands for in the score: its severity, 0.5 where the policy gives none.
    #[must_use]
    pub fn missed_risk(&self) -> f64 {
        self.severity.unwrap_or(0.5)
    }
}

/// The kinds of check, each with its own settings.
#[derive(Clone, PartialEq, Debug)]
pub enum TriggerKind {
    /// The model is not sure enough.
    Confidence(Confidence),
}

impl TriggerKind {
    /// The kind's name in policies and on decisions.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Confidence(_) => "confidence",
        }
    }
}

/// A limit on how sure the model must be.
#[derive(Clone, PartialEq, Debug)]
pub struct Confidence {
    /// What is measured.
    pub measure: Measure,
    /// Where it becomes a hit; compared with the measure as it is, whatever the temperature.
    pub limit: Limit,
    /// Softens (above 1) or sharpens (below 1) the risk that the measure stands for in the score.
    pub temperature: f64,
}

/// What a confidence trigger measures on an event (`triggers.md`, section 3); all lie in 0–1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Measure {
    /// The largest of `probabilities`, else `confidence`.
    TopProbability,
    /// The largest less the second largest probability.
    Margin,
    /// The entropy of `probabilities` ÷ ln K for K labels.
    Entropy,
    /// The probability of one label.
    Class {
        /// The label.
        label: String,
    },
}

/// The side of a limit that is a hit.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Limit {
    /// Values below are hits.
    Below(f64),
    /// Values above are hits.
    Above(f64),
}

/// What follows when a check gave no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Missed {
    /// The decision is held: an unanswered question is no approval.
    #[default]
    Hold,
    /// The decision goes on without this check, and says so.
    Skip,
}
