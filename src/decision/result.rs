//! One trigger's result as the decision keeps it: by reference into the policy, so that it costs no allocation.

use std::fmt::Write as _;

use crate::decision::BuiltIn;
use crate::policy::{Limit, Measure, Policy, Trigger, TriggerKind};
use crate::reference::LOOKUP_LATE;
use crate::trigger::Unmeasured;

/// Whose result it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TriggerRef {
    /// The policy's trigger at this place in its list.
    Policy(usize),
    /// One of jidoka's own.
    BuiltIn(BuiltIn),
}

impl TriggerRef {
    /// The trigger's id.
    #[must_use]
    pub fn id(self, policy: Option<&Policy>) -> &str {
        match self {
            Self::Policy(_) => self.of(policy).map_or("", |trigger| trigger.id.as_str()),
            Self::BuiltIn(built_in) => built_in.id(),
        }
    }

    fn of(self, policy: Option<&Policy>) -> Option<&Trigger> {
        match self {
            Self::Policy(index) => policy?.triggers.get(index),
            Self::BuiltIn(_) => None,
        }
    }
}

/// How a trigger's look at the event ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResultKind {
    /// It found something.
    Hit,
    /// It found nothing.
    Miss,
    /// It could not look.
    Error,
    /// It took longer than its budget.
    Timeout,
    /// An operator had it skipped.
    Skipped,
}

impl ResultKind {
    /// Every kind, for metrics that are made up front.
    pub const ALL: [Self; 5] = [Self::Hit, Self::Miss, Self::Error, Self::Timeout, Self::Skipped];

    /// The word in records and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Skipped => "skipped",
        }
    }
}

/// One trigger's result.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TriggerResult {
    /// Whose.
    pub trigger: TriggerRef,
    /// How it ended.
    pub result: ResultKind,
    /// What was measured; none for what measures nothing.
    pub value: Option<f64>,
    /// What it was compared with.
    pub limit: Option<f64>,
    /// Why it could not be measured; of a miss, why there was nothing to measure.
    pub error: Option<Unmeasured>,
    /// What was found, where that is more than the other members say.
    pub told: Told,
}

/// Which parts of a decision's words and details belong to a result: begin and end of each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Told {
    sentence: (u32, u32),
    details: (u32, u32),
}

/// What was found, in words, and in detail as JSON. Its buffers are used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Telling {
    sentences: String,
    details: Vec<u8>,
}

impl Telling {
    pub fn clear(&mut self) {
        self.sentences.clear();
        self.details.clear();
    }

    /// Tells of one result: `tell` appends its sentence and its details.
    pub fn tell(&mut self, tell: impl FnOnce(&mut String, &mut Vec<u8>)) -> Told {
        let place = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let (sentence, details) = (place(self.sentences.len()), place(self.details.len()));
        tell(&mut self.sentences, &mut self.details);
        Told { sentence: (sentence, place(self.sentences.len())), details: (details, place(self.details.len())) }
    }

    pub fn sentence(&self, result: &TriggerResult) -> Option<&str> {
        let (from, to) = result.told.sentence;
        (from < to).then(|| self.sentences.get(from as usize..to as usize)).flatten()
    }

    pub fn details(&self, result: &TriggerResult) -> Option<&[u8]> {
        let (from, to) = result.told.details;
        (from < to).then(|| self.details.get(from as usize..to as usize)).flatten()
    }
}

impl TriggerResult {
    /// A result of which there is no more to say.
    #[must_use]
    pub const fn plain(trigger: TriggerRef, result: ResultKind) -> Self {
        let told = Told { sentence: (0, 0), details: (0, 0) };
        Self { trigger, result, value: None, limit: None, error: None, told }
    }

    /// The trigger's id.
    #[must_use]
    pub fn id<'p>(&self, policy: Option<&'p Policy>) -> &'p str {
        self.trigger.id(policy)
    }

    /// The trigger's kind.
    #[must_use]
    pub fn kind(&self, policy: Option<&Policy>) -> &'static str {
        self.trigger.of(policy).map_or("built-in", |trigger| trigger.kind.name())
    }

    /// Why: the error, or of a hit the policy's reason; never anything of the event.
    #[must_use]
    pub fn reason<'p>(&self, policy: Option<&'p Policy>) -> Option<&'p str> {
        match (self.error, self.trigger) {
            (Some(error), _) => Some(self.said(error, policy)),
            (None, TriggerRef::BuiltIn(built_in)) => Some(built_in.reason()),
            (None, TriggerRef::Policy(_)) if self.result == ResultKind::Hit => self.trigger.of(policy)?.reason.as_deref(),
            (None, TriggerRef::Policy(_)) => None,
        }
    }

    /// Why it could not be measured, in words; never anything of the event.
    fn said<'p>(&self, error: Unmeasured, policy: Option<&'p Policy>) -> &'p str {
        match (error, self.trigger.of(policy).map(|trigger| &trigger.kind)) {
            (Unmeasured::Because(why), _) => why,
            (Unmeasured::Expression(failure), Some(TriggerKind::Rule(rule))) => rule.reason(failure),
            (Unmeasured::Expression(failure), Some(TriggerKind::Contradiction(rule))) => {
                rule.when.as_ref().map_or("its condition failed", |condition| condition.reason(failure))
            }
            (Unmeasured::Expression(_), _) => "its expression failed",
        }
    }

    /// Whether a reviewer should read of it: everything but misses and what was skipped.
    #[must_use]
    pub const fn is_finding(&self) -> bool {
        matches!(self.result, ResultKind::Hit | ResultKind::Error | ResultKind::Timeout)
    }

    /// Whether it is a hit of a trigger of `policy` whose kind is as asked.
    #[must_use]
    pub fn is_hit_of(&self, policy: &Policy, is_kind: impl Fn(&TriggerKind) -> bool) -> bool {
        self.result == ResultKind::Hit && self.trigger.of(Some(policy)).is_some_and(|trigger| is_kind(&trigger.kind))
    }

    /// Whether the decision was drawn for a quality review.
    #[must_use]
    pub fn is_sampled(&self, policy: Option<&Policy>) -> bool {
        let is_sample = |trigger: &Trigger| matches!(trigger.kind, TriggerKind::Sample(_));
        self.result == ResultKind::Hit && self.trigger.of(policy).is_some_and(is_sample)
    }

    /// Appends the sentence that tells the reviewer what was found; `told` is what the trigger itself said.
    pub(super) fn sentence(&self, policy: Option<&Policy>, told: Option<&str>, out: &mut String) {
        let trigger = match (self.trigger, self.trigger.of(policy)) {
            (TriggerRef::BuiltIn(built_in), _) => return out.push_str(built_in.sentence()),
            (TriggerRef::Policy(_), None) => return,
            (TriggerRef::Policy(_), Some(trigger)) => trigger,
        };
        let written = match (self.result, &trigger.kind) {
            (ResultKind::Error, _) => {
                write!(out, "Could not be checked: {}.", self.error.map_or("unknown", |error| self.said(error, policy)))
            }
            (ResultKind::Timeout, TriggerKind::Contradiction(_)) if self.error == Some(Unmeasured::Because(LOOKUP_LATE)) => {
                out.write_str("Could not be checked: the trusted record did not come in time.")
            }
            (ResultKind::Timeout, _) => write!(out, "Could not be checked within {:?}.", trigger.budget),
            (_, TriggerKind::Confidence(confidence)) => {
                let relation = match confidence.limit {
                    Limit::Below(_) => "below",
                    Limit::Above(_) => "above",
                };
                let (value, limit) = (self.value.unwrap_or(f64::NAN), self.limit.unwrap_or(f64::NAN));
                write!(out, "{} is {value:.4}, {relation} the limit of {limit}.", described(&confidence.measure))
            }
            (_, TriggerKind::Anomaly(_)) => out.write_str(told.unwrap_or("The input is unlike the training data.")),
            (_, TriggerKind::Fairness(_)) => {
                out.write_str(told.unwrap_or("An incident about the subject's group is open, and the prediction is adverse."))
            }
            (_, TriggerKind::Contradiction(rule)) => write!(out, "Contradicts the trusted record in `{}`.", rule.reference),
            (_, TriggerKind::Rule(rule)) => write!(out, "The rule `{}` applies.", shortened(rule.text())),
            (_, TriggerKind::Sample(_)) => {
                out.write_str("Drawn for a quality review: nothing was found, and it would have been released.")
            }
        };
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
        self.reason_after(policy, out);
    }

    /// Appends the reason in the author's words, where there is one.
    pub(super) fn reason_after(&self, policy: Option<&Policy>, out: &mut String) {
        if let Some(reason) = self.trigger.of(policy).and_then(|trigger| trigger.reason.as_ref()) {
            out.push(' ');
            out.push_str(reason);
        }
    }
}

/// What a measure is, for people.
const fn described(measure: &Measure) -> &'static str {
    match measure {
        Measure::TopProbability => "The probability of the most likely answer",
        Measure::Margin => "The margin between the two most likely answers",
        Measure::Entropy => "The model's uncertainty (entropy, 0 to 1)",
        Measure::Class { .. } => "The probability of the label that the policy watches",
    }
}

/// So much of a rule's text stands in a sentence, in bytes.
pub const RULE_SHOWN_BYTES: usize = 200;

/// A rule's text as far as a sentence can carry it.
fn shortened(text: &str) -> &str {
    let end = (0..=RULE_SHOWN_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    end.map_or("", |end| &text[..end])
}
