//! What one set of policies decides, in numbers.

use crate::decision::{Outcome, ResultKind};
use crate::event::Code;
use crate::gate::judge::Verdict;
use crate::policy::{Band, PolicySet};
use crate::replay::{Incidents, Label, Labels, Replayed};

/// How often a trigger or built-in finding came to each result that is a finding.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FindingCounts {
    /// It found something.
    pub hits: u64,
    /// It could not look.
    pub errors: u64,
    /// It took longer than its budget.
    pub timeouts: u64,
}

/// Counts of a replay.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Records.
    pub records: u64,
    /// Decisions to release.
    pub released: u64,
    /// Decisions to hold, by band.
    pub held: [u64; Band::ALL.len()],
    /// The same event again with the same bytes: nothing is decided.
    pub duplicates: u64,
    /// Decisions about events older than their policy's `max_age`.
    pub late: u64,
    /// Decisions that the policy tried beside would have made otherwise, and how many it was tried on.
    pub shadow: (u64, u64),
    /// Incidents that the monitor would have opened.
    pub incidents: Incidents,
    unreadable: [u64; Code::ALL.len()],
    labels: Labels,
    findings: Vec<FindingCounts>,
}

impl Tally {
    /// Nothing yet of what `set` decides.
    #[must_use]
    pub fn of(set: &PolicySet) -> Self {
        Self { labels: Labels::of(&[set]), ..Self::default() }
    }

    /// Counts one record.
    pub fn count(&mut self, replayed: &Replayed<'_>) {
        self.records += 1;
        self.incidents.count(replayed.noticed());
        match replayed.verdict() {
            None => self.duplicates += 1,
            Some(verdict) => self.decided(verdict),
        }
    }

    fn decided(&mut self, verdict: &Verdict<'_>) {
        let decision = verdict.decision;
        match decision.outcome {
            Outcome::Released => self.released += 1,
            Outcome::Held => self.held[decision.priority.band.index()] += 1,
        }
        if let Err(unreadable) = &verdict.event {
            self.unreadable[unreadable.code as usize] += 1;
        }
        self.late += u64::from(decision.late);
        if let Some((_, shadow)) = verdict.shadow {
            self.shadow.0 += u64::from(shadow.outcome != decision.outcome);
            self.shadow.1 += 1;
        }
        for result in &decision.results {
            let Some(number) = self.labels.of_trigger(0, verdict.policy, result.trigger) else { continue };
            if self.findings.len() <= number {
                self.findings.resize(number + 1, FindingCounts::default());
            }
            let counts = &mut self.findings[number];
            match result.result {
                ResultKind::Hit => counts.hits += 1,
                ResultKind::Error => counts.errors += 1,
                ResultKind::Timeout => counts.timeouts += 1,
                ResultKind::Miss | ResultKind::Skipped => {}
            }
        }
    }

    /// Decisions to hold.
    #[must_use]
    pub fn held_in_all(&self) -> u64 {
        self.held.iter().sum()
    }

    /// All decisions.
    #[must_use]
    pub fn decisions(&self) -> u64 {
        self.released + self.held_in_all()
    }

    /// Records that could not be read, by code, where there were any.
    pub fn unreadable(&self) -> impl Iterator<Item = (Code, u64)> {
        Code::ALL.into_iter().map(|code| (code, self.unreadable[code as usize])).filter(|(_, count)| *count > 0)
    }

    /// What was found by every trigger, also by those that found nothing, and by the built-in findings that came up.
    pub fn findings(&self) -> impl Iterator<Item = (&Label, FindingCounts)> {
        let counts = |number: usize| self.findings.get(number).copied().unwrap_or_default();
        self.labels.list().iter().enumerate().map(move |(number, label)| (label, counts(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_counted_in_their_places() {
        for (place, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, place);
        }
    }
}
