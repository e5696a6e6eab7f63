//! Counting what a transaction did, and telling the metrics only once it is committed.

use prometheus::IntCounter;

use crate::decision::{BuiltIn, Decision, Outcome, ResultKind, TriggerRef};
use crate::event::Code;
use crate::gate::GateSettings;
use crate::identity::{DecisionId, Hash, Timestamp};
use crate::policy::Policy;
use crate::telemetry::metrics::{Bound, GateMetrics};

/// The staged counts of one gate.
pub(super) struct Tally {
    /// Place of the source, append time and decision time of each record.
    aged: Vec<(usize, Option<Timestamp>)>,
    staged: Vec<(IntCounter, u64)>,
    /// Counters of each policy, in the set's order, and last those of no policy.
    policies: Vec<PolicyCounters>,
    sources: Vec<SourceCounters>,
    decided_at: Vec<(usize, f64)>,
    /// In the order of [`Bound::ALL`].
    bounds: [usize; Bound::ALL.len()],
}

struct SourceCounters {
    consumed: usize,
    same: usize,
    conflicting: usize,
    late: usize,
    dead_letters: Vec<usize>,
}

struct PolicyCounters {
    hash: Option<Hash>,
    released: usize,
    held: usize,
    /// By trigger and result.
    triggers: Vec<[usize; ResultKind::ALL.len()]>,
    /// By built-in finding.
    built_in: Vec<usize>,
}

/// One of each kind, in the order of [`built_in_place`].
const BUILT_IN: [BuiltIn; 7] = [
    BuiltIn::Unreadable(Code::Empty),
    BuiltIn::NoPolicy,
    BuiltIn::ConflictingDuplicate,
    BuiltIn::Stopped,
    BuiltIn::ControlUnreadable,
    BuiltIn::PolicyMissing,
    BuiltIn::Late,
];

const fn built_in_place(built_in: BuiltIn) -> usize {
    match built_in {
        BuiltIn::Unreadable(_) => 0,
        BuiltIn::NoPolicy => 1,
        BuiltIn::ConflictingDuplicate => 2,
        BuiltIn::Stopped => 3,
        BuiltIn::ControlUnreadable => 4,
        BuiltIn::PolicyMissing => 5,
        BuiltIn::Late => 6,
    }
}

impl Tally {
    pub fn new(settings: &GateSettings, metrics: &GateMetrics) -> Self {
        let mut staged = Vec::new();
        let mut place = |counter: IntCounter| {
            staged.push((counter, 0));
            staged.len() - 1
        };
        let sources = metrics
            .sources
            .iter()
            .map(|source| SourceCounters {
                consumed: place(source.consumed.clone()),
                same: place(source.same.clone()),
                conflicting: place(source.conflicting.clone()),
                late: place(source.late.clone()),
                dead_letters: source.dead_letters.iter().map(|counter| place(counter.clone())).collect(),
            })
            .collect();
        let policies = settings.policies.policies().iter().map(Some).chain([None]);
        let policies = policies
            .map(|policy| {
                let name = policy.map_or("none", |policy| policy.name.as_str());
                let all = &metrics.all;
                let mut result = |trigger: &str, kind: ResultKind| {
                    place(all.trigger_results.with_label_values(&[name, trigger, kind.as_str()]))
                };
                PolicyCounters {
                    hash: policy.map(|policy| policy.hash),
                    triggers: policy
                        .map_or(&[][..], |policy| &policy.triggers)
                        .iter()
                        .map(|trigger| ResultKind::ALL.map(|kind| result(&trigger.id, kind)))
                        .collect(),
                    built_in: BUILT_IN.iter().map(|built_in| result(built_in.id(), ResultKind::Hit)).collect(),
                    released: place(all.decisions.with_label_values(&[name, Outcome::Released.as_str()])),
                    held: place(all.decisions.with_label_values(&[name, Outcome::Held.as_str()])),
                }
            })
            .collect();
        let bounds = Bound::ALL.map(|bound| place(metrics.all.bound_hits.with_label_values(&[bound.key()])));
        Self { aged: Vec::new(), staged, policies, sources, decided_at: Vec::new(), bounds }
    }

    /// A record is being decided.
    pub fn consumed(&mut self, source: usize, appended_at: Option<Timestamp>, now: Timestamp) {
        self.staged[self.sources[source].consumed].1 += 1;
        self.aged.push((source, appended_at));
        if let Some(appended_at) = appended_at {
            self.decided_at.push((source, seconds_between(appended_at, now)));
        }
    }

    /// It was a repeated event.
    pub fn duplicate(&mut self, source: usize) {
        self.staged[self.sources[source].same].1 += 1;
    }

    /// It was no event.
    pub fn dead_letter(&mut self, source: usize, code: Code) {
        if let Some(place) = Code::ALL.iter().position(|known| *known == code) {
            self.staged[self.sources[source].dead_letters[place]].1 += 1;
        }
        if let Some(bound) = Bound::of(code) {
            self.reached(&[bound]);
        }
    }

    /// These bounds took effect.
    pub fn reached(&mut self, bounds: &[Bound]) {
        for bound in bounds {
            if let Some(place) = Bound::ALL.iter().position(|known| known == bound) {
                self.staged[self.bounds[place]].1 += 1;
            }
        }
    }

    /// It was decided.
    pub fn decided(&mut self, source: usize, policy: Option<&Policy>, decision: &Decision, conflicts_with: Option<DecisionId>) {
        let source = &self.sources[source];
        if conflicts_with.is_some() {
            self.staged[source.conflicting].1 += 1;
        }
        if decision.late {
            self.staged[source.late].1 += 1;
        }
        let hash = policy.map(|policy| policy.hash);
        let Some(counters) = self.policies.iter().find(|counters| counters.hash == hash) else { return };
        let outcome = match decision.outcome {
            Outcome::Released => counters.released,
            Outcome::Held => counters.held,
        };
        self.staged[outcome].1 += 1;
        for result in &decision.results {
            let place = match result.trigger {
                TriggerRef::BuiltIn(built_in) => counters.built_in[built_in_place(built_in)],
                TriggerRef::Policy(index) => counters.triggers[index][result.result as usize],
            };
            self.staged[place].1 += 1;
        }
        for &index in &decision.missed {
            self.staged[counters.triggers[index][ResultKind::Miss as usize]].1 += 1;
        }
    }

    /// The transaction was committed at `now`: what was counted is told.
    pub fn commit(&mut self, now: Timestamp, metrics: &GateMetrics) {
        for (counter, count) in &mut self.staged {
            if *count > 0 {
                counter.inc_by(std::mem::take(count));
            }
        }
        for (source, age) in self.decided_at.drain(..) {
            metrics.sources[source].decision_age.observe(age);
        }
        for (source, appended_at) in self.aged.drain(..) {
            if let Some(appended_at) = appended_at {
                metrics.sources[source].commit_age.observe(seconds_between(appended_at, now));
            }
        }
    }

    /// The transaction was aborted: it never happened.
    pub fn roll_back(&mut self) {
        self.aged.clear();
        self.decided_at.clear();
        for (_, count) in &mut self.staged {
            *count = 0;
        }
    }
}

/// Never negative: a clock that jumps back makes nothing younger than new.
fn seconds_between(earlier: Timestamp, later: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of an age are far below 2⁵³")]
    let millis = later.0.saturating_sub(earlier.0).max(0) as f64;
    millis / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_finding_has_its_place() {
        for (place, built_in) in BUILT_IN.iter().enumerate() {
            assert_eq!(built_in_place(*built_in), place);
        }
        for (place, kind) in ResultKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, place);
        }
    }

    #[test]
    fn ages_are_never_negative() {
        assert!((seconds_between(Timestamp(1_000), Timestamp(3_500)) - 2.5).abs() < 1e-9);
        assert!(seconds_between(Timestamp(9_000), Timestamp(1_000)).abs() < f64::EPSILON);
    }
}
