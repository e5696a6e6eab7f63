//! Evaluating one event under its policy.

use std::time::Duration;

use crate::control::{ControlView, Mode};
use crate::decision::{BuiltIn, ControlBasis, Decision, Outcome, Part, ResultKind, TriggerRef, TriggerResult};
use crate::event::{Code, Event};
use crate::identity::Timestamp;
use crate::policy::{Band, Limit, Missed, OnLate, Policy, Trigger, TriggerKind};
use crate::trigger::{Measurement, confidence};

/// What is to be decided.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// An event, and the policy that matches it.
    Event {
        /// The event.
        event: &'a Event<'a>,
        /// Its policy; none matches: held.
        policy: Option<&'a Policy>,
        /// Whether the same event came before with other bytes.
        conflicting: bool,
    },
    /// A record that is no event.
    Unreadable(Code),
}

impl<'a> Subject<'a> {
    /// The policy that applies.
    #[must_use]
    pub const fn policy(&self) -> Option<&'a Policy> {
        match self {
            Self::Event { policy, .. } => *policy,
            Self::Unreadable(_) => None,
        }
    }
}

/// What the rest of the system says at this moment; named on the decision as its basis.
#[derive(Clone, Copy, Debug)]
pub struct Signals<'a> {
    /// The operators' orders; none where they are not known to be read to the end within `control.max_age`.
    pub control: Option<&'a ControlView>,
    /// Band of cases that no policy covers.
    pub fallback_band: Band,
}

/// Decides about `subject`, appended at `appended_at`, at the moment `now`. `meter` tells the time spent so far.
///
/// Writes the result into `decision`, whatever was in it. Never fails: what cannot be measured holds.
pub fn evaluate(
    subject: Subject<'_>,
    appended_at: Option<Timestamp>,
    signals: Signals<'_>,
    now: Timestamp,
    meter: &mut dyn FnMut() -> Duration,
    decision: &mut Decision,
) {
    let policy = subject.policy();
    decision.results.clear();
    decision.missed.clear();
    decision.priority.parts.clear();
    decision.control = signals
        .control
        .map_or(ControlBasis::Unreadable, |control| ControlBasis::Read(control.mode(policy.map(|policy| policy.name.as_str()))));
    decision.late = is_late(policy, appended_at, now);
    let built_in = built_in_findings(subject, signals, decision);
    let triggers = match subject {
        Subject::Event { event, policy: Some(policy), .. } => run_triggers(policy, event, meter, decision),
        _ => Holds::No,
    };
    decision.outcome = if built_in == Holds::Yes || triggers == Holds::Yes { Outcome::Held } else { Outcome::Released };
    decision.priority.rate();
    decision.priority.band = policy.map_or(signals.fallback_band, |policy| policy.review.band_of(decision.priority.score));
    decision.took = meter();
}

/// Whether something that was found holds the decision.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Yes,
    No,
}

/// Late = older than the policy's `max_age`. Where the append time is unknown, or ahead of a clock that jumped, it is not.
fn is_late(policy: Option<&Policy>, appended_at: Option<Timestamp>, now: Timestamp) -> bool {
    match (policy.and_then(|policy| policy.max_age), appended_at) {
        (Some(max_age), Some(appended_at)) => {
            i64::try_from(max_age.as_millis()).is_ok_and(|max_age| now.0.saturating_sub(appended_at.0) > max_age)
        }
        _ => false,
    }
}

fn built_in_findings(subject: Subject<'_>, signals: Signals<'_>, decision: &mut Decision) -> Holds {
    let mut found = Holds::No;
    let mut find = |built_in: BuiltIn| {
        found = Holds::Yes;
        let trigger = TriggerRef::BuiltIn(built_in);
        decision.results.push(TriggerResult { trigger, result: ResultKind::Hit, value: None, limit: None, error: None });
        decision.priority.parts.push(Part::new(trigger, BuiltIn::RISK, 1.0));
    };
    match subject {
        Subject::Unreadable(code) => find(BuiltIn::Unreadable(code)),
        Subject::Event { policy, conflicting, .. } => {
            if policy.is_none() {
                find(BuiltIn::NoPolicy);
            }
            if conflicting {
                find(BuiltIn::ConflictingDuplicate);
            }
        }
    }
    match decision.control {
        ControlBasis::Unreadable => find(BuiltIn::ControlUnreadable),
        ControlBasis::Read(Mode::Hold | Mode::Halt) => find(BuiltIn::Stopped),
        ControlBasis::Read(Mode::Normal | Mode::RulesOnly) => {}
    }
    if let (Some(policy), Some(control)) = (subject.policy(), signals.control)
        && control.forbids(&policy.name, policy.hash)
    {
        find(BuiltIn::PolicyMissing);
    }
    if decision.late && subject.policy().is_some_and(|policy| policy.on_late == OnLate::Hold) {
        find(BuiltIn::Late);
    }
    found
}

fn run_triggers(policy: &Policy, event: &Event<'_>, meter: &mut dyn FnMut() -> Duration, decision: &mut Decision) -> Holds {
    let mut holds = Holds::No;
    let mut spent = meter();
    let mut most_unsure: Option<Part> = None;
    for (index, trigger) in policy.triggers.iter().enumerate() {
        let measurement = match &trigger.kind {
            TriggerKind::Confidence(rule) => confidence::measure(rule, event),
        };
        let after = meter();
        let took = after.saturating_sub(spent);
        spent = after;
        let (result, part) = judge(index, trigger, measurement, took);
        if holding(trigger, result.result) == Holds::Yes {
            holds = Holds::Yes;
        }
        match result.result {
            ResultKind::Error | ResultKind::Timeout => decision.priority.parts.push(part),
            // Several confidence triggers look at the same doubt: only the largest counts.
            _ if most_unsure.is_none_or(|most| part.factor() > most.factor()) => most_unsure = Some(part),
            _ => {}
        }
        decision.results.push(result);
    }
    decision.priority.parts.extend(most_unsure);
    holds
}

/// One trigger's result and its factor of the priority.
fn judge(index: usize, trigger: &Trigger, measurement: Measurement, took: Duration) -> (TriggerResult, Part) {
    let TriggerKind::Confidence(rule) = &trigger.kind;
    let trigger_ref = TriggerRef::Policy(index);
    let fault = |result, error| {
        let result =
            TriggerResult { trigger: trigger_ref, result, value: None, limit: Some(limit(rule.limit)), error: Some(error) };
        (result, Part::new(trigger_ref, trigger.missed_risk(), 1.0))
    };
    match measurement {
        _ if took > trigger.budget => fault(ResultKind::Timeout, "took longer than its budget"),
        Measurement::Error(error) => fault(ResultKind::Error, error),
        Measurement::Measured { value, risk, hit } => {
            let result = if hit { ResultKind::Hit } else { ResultKind::Miss };
            let limit = Some(limit(rule.limit));
            (
                TriggerResult { trigger: trigger_ref, result, value: Some(value), limit, error: None },
                Part::new(trigger_ref, risk, trigger.weight()),
            )
        }
    }
}

const fn limit(limit: Limit) -> f64 {
    match limit {
        Limit::Below(limit) | Limit::Above(limit) => limit,
    }
}

fn holding(trigger: &Trigger, result: ResultKind) -> Holds {
    let fault = match result {
        ResultKind::Hit => return Holds::Yes,
        ResultKind::Miss | ResultKind::Skipped => return Holds::No,
        ResultKind::Error => trigger.on_error,
        ResultKind::Timeout => trigger.on_timeout,
    };
    match fault {
        Missed::Hold => Holds::Yes,
        Missed::Skip => Holds::No,
    }
}

#[cfg(test)]
mod tests;
