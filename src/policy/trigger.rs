//! What a policy checks on an event.

use std::time::Duration;

use super::contradiction::Contradiction;
use super::expression::Expression;
use crate::event::Slot;

/// One check, as the policy describes it.
#[derive(Clone, PartialEq, Debug)]
pub struct Trigger {
    /// Its name within the policy.
    pub id: String,
    /// What is checked.
    pub kind: TriggerKind,
    /// As written, 0–1: see [`Trigger::weight`] and [`Trigger::plain_risk`], whose defaults differ.
    pub severity: Option<f64>,
    /// Whether a hit holds whatever the capacity of the reviewers; of the fairness trigger so unless the policy says otherwise.
    /// Decides holding, never the score.
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
            TriggerKind::Confidence(_) | TriggerKind::Anomaly(_) | TriggerKind::Fairness(_) => self.severity.unwrap_or(1.0),
            TriggerKind::Rule(_) | TriggerKind::Contradiction(_) | TriggerKind::Sample(_) => 1.0,
        }
    }

    /// Whether it is a rule.
    #[must_use]
    pub const fn is_rule(&self) -> bool {
        matches!(self.kind, TriggerKind::Rule(_))
    }

    /// The risk that a hit which measures none stands for in the score: its severity; where the policy gives none 0.9 of a
    /// contradiction (`triggers.md`, section 3) and 0.5 of the others.
    #[must_use]
    pub fn plain_risk(&self) -> f64 {
        let usual = if matches!(self.kind, TriggerKind::Contradiction(_)) { 0.9 } else { 0.5 };
        self.severity.unwrap_or(usual)
    }

    /// The risk that a failed or late check stands for in the score: its severity, 0.5 where the policy gives none.
    #[must_use]
    pub fn failed_risk(&self) -> f64 {
        self.severity.unwrap_or(0.5)
    }
}

/// The kinds of check, each with its own settings.
#[derive(Clone, PartialEq, Debug)]
pub enum TriggerKind {
    /// A condition on the event's fields holds: a limit, a hard business rule, a flag set upstream.
    Rule(Expression),
    /// The model is not sure enough.
    Confidence(Confidence),
    /// The input is unlike the training data.
    Anomaly(Anomaly),
    /// The decision is adverse, and favourable ones have become rare in the subject's group.
    Fairness(Fairness),
    /// The event says other than what is trusted about its subject.
    Contradiction(Box<Contradiction>),
    /// The decision was drawn for a quality review, of those that would be released.
    Sample(Sample),
}

impl TriggerKind {
    /// The kind's name in policies and on decisions.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Rule(_) => "rule",
            Self::Confidence(_) => "confidence",
            Self::Anomaly(_) => "anomaly",
            Self::Fairness(_) => "fairness",
            Self::Contradiction(_) => "contradiction",
            Self::Sample(_) => "sample",
        }
    }

    /// How long the check may take where the policy does not say it.
    #[must_use]
    pub const fn default_budget(&self) -> Duration {
        match self {
            Self::Rule(_) | Self::Sample(_) => Duration::from_millis(50),
            Self::Confidence(_) | Self::Fairness(_) | Self::Contradiction(_) => Duration::from_millis(100),
            Self::Anomaly(_) => Duration::from_millis(500),
        }
    }
}

/// A share of what would be released that people look at all the same, blind: what makes the rate of misses measurable.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sample {
    /// The share, more than 0 and at most 1. Which decisions it is follows from their ids.
    pub rate: f64,
}

/// How unlike the training data an input may be (`triggers.md`, section 1).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Anomaly {
    /// The share of ordinary inputs that are hits: a hit has a p-value of at most this.
    pub alpha: f64,
    /// Whether p-values follow what the monitor learns of late, instead of the profile's calibration alone.
    pub recalibrate: bool,
}

/// Which subgroups are watched for a change of their rate of favourable decisions (`triggers.md`, section 2). The monitor
/// watches; a gate only asks whether it has found anything.
#[derive(Clone, PartialEq, Debug)]
pub struct Fairness {
    /// The protected attributes' names, as written.
    pub names: Vec<String>,
    /// The protected attributes, as places in the profile's baseline.
    pub attributes: Vec<usize>,
    /// The wanted mean number of events from one false alarm to the next.
    pub events_between_false_alarms: f64,
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
        /// Where an event's probability of it is found.
        slot: Slot,
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
