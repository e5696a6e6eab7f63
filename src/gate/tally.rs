//! Counting what a transaction did, and telling the metrics only once it is committed.

use prometheus::IntCounter;

use crate::decision::{Decision, Outcome, ResultKind, TriggerRef};
use crate::event::Code;
use crate::gate::judge::Verdict;
use crate::gate::rules::{PolicyCounters, Rules, built_in_place};
use crate::identity::Timestamp;
use crate::telemetry::metrics::{Bound, GateMetrics, SourceMetrics};

/// The staged counts of one gate.
pub(super) struct Tally {
    /// Place of the source, append time and decision time of each record.
    aged: Vec<(usize, Option<Timestamp>)>,
    staged: Vec<(IntCounter, u64)>,
    sources: Vec<SourceCounters>,
    decided_at: Vec<(usize, f64)>,
    /// In the order of [`Bound::ALL`].
    bounds: [usize; Bound::ALL.len()],
    /// What [`Rules::all_counters`] will be told, by the same places.
    of_rules: Vec<u64>,
}

struct SourceCounters {
    consumed: usize,
    same: usize,
    conflicting: usize,
    late: usize,
    dead_letters: Vec<usize>,
}

impl Tally {
    pub fn new(metrics: &GateMetrics) -> Self {
        let mut staged = Vec::new();
        let mut place = |counter: IntCounter| {
            staged.push((counter, 0));
            staged.len() - 1
        };
        let source = |source: &SourceMetrics| SourceCounters {
            consumed: place(source.consumed.clone()),
            same: place(source.same.clone()),
            conflicting: place(source.conflicting.clone()),
            late: place(source.late.clone()),
            dead_letters: source.dead_letters.iter().map(|counter| place(counter.clone())).collect(),
        };
        let sources = metrics.sources.iter().map(source).collect();
        let bounds = Bound::ALL.map(|bound| place(metrics.all.bound_hits.with_label_values(&[bound.key()])));
        Self { aged: Vec::new(), staged, sources, decided_at: Vec::new(), bounds, of_rules: Vec::new() }
    }

    /// Other rules are in force, and nothing is counted yet.
    pub fn adopt(&mut self, rules: &Rules) {
        self.of_rules.clear();
        self.of_rules.resize(rules.all_counters.len(), 0);
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

    /// It was decided, by these rules.
    pub fn decided(&mut self, source: usize, verdict: &Verdict<'_>, rules: &Rules) {
        let source = &self.sources[source];
        if verdict.conflicts_with.is_some() {
            self.staged[source.conflicting].1 += 1;
        }
        if verdict.decision.late {
            self.staged[source.late].1 += 1;
        }
        self.by_policy(verdict.decision, &rules.counters[rules.place(verdict.policy)]);
        if let Some((policy, shadow)) = verdict.shadow {
            let different = usize::from(shadow.outcome != verdict.decision.outcome);
            self.of_rules[rules.counters[policy.place].shadow[different]] += 1;
        }
    }

    fn by_policy(&mut self, decision: &Decision, counters: &PolicyCounters) {
        let outcome = match decision.outcome {
            Outcome::Released => counters.released,
            Outcome::Held => counters.held,
        };
        self.of_rules[outcome] += 1;
        for result in &decision.results {
            let place = match result.trigger {
                TriggerRef::BuiltIn(built_in) => counters.built_in[built_in_place(built_in)],
                TriggerRef::Policy(index) => counters.triggers[index][result.result as usize],
            };
            self.of_rules[place] += 1;
        }
        for &index in &decision.missed {
            self.of_rules[counters.triggers[index][ResultKind::Miss as usize]] += 1;
        }
    }

    /// The transaction was committed at `now`: what was counted is told.
    pub fn commit(&mut self, now: Timestamp, metrics: &GateMetrics, rules: &Rules) {
        for (counter, count) in rules.all_counters.iter().zip(&mut self.of_rules) {
            if *count > 0 {
                counter.inc_by(std::mem::take(count));
            }
        }
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
        self.of_rules.fill(0);
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
    fn ages_are_never_negative() {
        assert!((seconds_between(Timestamp(1_000), Timestamp(3_500)) - 2.5).abs() < 1e-9);
        assert!(seconds_between(Timestamp(9_000), Timestamp(1_000)).abs() < f64::EPSILON);
    }
}
