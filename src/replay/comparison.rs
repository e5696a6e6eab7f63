//! Two sets of policies on the same events: what would change.

use crate::audit::InputRecord;
use crate::decision::{Decision, Outcome, ResultKind};
use crate::gate::judge::Verdict;
use crate::policy::Band;
use crate::replay::{Incidents, Label, Labels, Log, Reason, Record, Replay, Replayed, Subgroups, reasons};

/// A way in which two decisions about the same record differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Difference {
    /// The first released it, the second holds it.
    NowHeld,
    /// The first held it, the second releases it.
    NowReleased,
    /// Both hold it, in different bands.
    OtherBand,
}

impl Difference {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 3] = [Self::NowHeld, Self::NowReleased, Self::OtherBand];

    fn between(first: &Decision, second: &Decision) -> Option<Self> {
        match (first.outcome, second.outcome) {
            (Outcome::Released, Outcome::Held) => Some(Self::NowHeld),
            (Outcome::Held, Outcome::Released) => Some(Self::NowReleased),
            (Outcome::Held, Outcome::Held) if first.priority.band != second.priority.band => Some(Self::OtherBand),
            _ => None,
        }
    }
}

/// What one side decided about an example.
#[derive(Clone, PartialEq, Debug)]
pub struct Side {
    /// Name of the policy that applied.
    pub policy: Option<String>,
    /// Its outcome.
    pub outcome: Outcome,
    /// The band of its score.
    pub band: Band,
    /// The score, 0–100.
    pub score: f64,
    /// Why: every hit, error and timeout.
    pub reasons: Vec<Reason>,
}

impl Side {
    fn of(verdict: &Verdict<'_>) -> Self {
        let decision = verdict.decision;
        Self {
            policy: verdict.policy.map(|policy| policy.name.clone()),
            outcome: decision.outcome,
            band: decision.priority.band,
            score: decision.priority.score,
            reasons: reasons(verdict),
        }
    }
}

/// One record that both sides decide differently.
#[derive(Clone, PartialEq, Debug)]
pub struct Example {
    /// How they differ.
    pub difference: Difference,
    /// The event's id, where it could be read.
    pub event_id: Option<String>,
    /// The log that the record is in.
    pub log: Log,
    /// Its offset; in a file its line, from 0.
    pub offset: i64,
    /// What the first and the second side decided.
    pub sides: [Side; 2],
}

impl Example {
    fn of(difference: Difference, input: &InputRecord<'_>, [first, second]: [&Verdict<'_>; 2]) -> Self {
        Self {
            difference,
            event_id: first.event_id().map(str::to_owned),
            log: Log { source: input.source.to_owned(), topic: input.topic.to_owned(), partition: input.partition },
            offset: input.offset,
            sides: [Side::of(first), Side::of(second)],
        }
    }
}

/// In how many decisions a trigger or built-in finding was a hit, or failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TriggerCounts {
    /// In the first side's alone.
    pub first: u64,
    /// In the second side's alone.
    pub second: u64,
    /// In both.
    pub both: u64,
    /// By side, decisions in which it could not look, or not in time.
    pub failed: [u64; 2],
}

/// The counts of a comparison.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Records.
    pub records: u64,
    /// The same event again with the same bytes: nothing is decided.
    pub duplicates: u64,
    /// Decisions by outcome of the first and of the second side, released before held.
    pub outcomes: [[u64; 2]; 2],
    /// Decisions to hold of both sides, by band of the first and of the second.
    pub bands: [[u64; Band::ALL.len()]; Band::ALL.len()],
    /// At most so many of each difference as were asked for.
    examples: Vec<Example>,
    /// By protected subgroup.
    pub subgroups: Subgroups,
    /// By side, incidents that the monitor would have opened.
    pub incidents: [Incidents; 2],
    examples_max: usize,
    labels: Labels,
    triggers: Vec<TriggerCounts>,
    /// By label whether it is a hit on either side of the present record.
    hits: Vec<[bool; 2]>,
}

impl Comparison {
    /// Counts one record that both sides judged.
    pub fn count(&mut self, first: &Replayed<'_>, second: &Replayed<'_>) {
        self.records += 1;
        self.incidents[0].count(first.noticed());
        self.incidents[1].count(second.noticed());
        let (Some(one), Some(other)) = (first.verdict(), second.verdict()) else {
            self.duplicates += 1;
            return;
        };
        let decisions = [one.decision, other.decision];
        let held = decisions.map(|decision| decision.outcome == Outcome::Held);
        self.outcomes[usize::from(held[0])][usize::from(held[1])] += 1;
        if held == [true, true] {
            let [before, after] = decisions.map(|decision| decision.priority.band.index());
            self.bands[before][after] += 1;
        }
        self.count_findings([one, other]);
        if let Ok(event) = &one.event {
            self.subgroups.count(event.bytes(), held);
        }
        if let Some(difference) = Difference::between(one.decision, other.decision)
            && self.examples_of(difference).count() < self.examples_max
        {
            self.examples.push(Example::of(difference, &first.input, [one, other]));
        }
    }

    fn count_findings(&mut self, verdicts: [&Verdict<'_>; 2]) {
        self.hits.fill([false; 2]);
        for (side, verdict) in verdicts.iter().enumerate() {
            for result in verdict.decision.results.iter().filter(|result| result.is_finding()) {
                let Some(number) = self.labels.of_trigger(side, verdict.policy, result.trigger) else { continue };
                if self.hits.len() <= number {
                    self.hits.resize(number + 1, [false; 2]);
                    self.triggers.resize(number + 1, TriggerCounts::default());
                }
                match result.result {
                    ResultKind::Hit => self.hits[number][side] = true,
                    _ => self.triggers[number].failed[side] += 1,
                }
            }
        }
        for (counts, hits) in self.triggers.iter_mut().zip(&self.hits) {
            match hits {
                [true, true] => counts.both += 1,
                [true, false] => counts.first += 1,
                [false, true] => counts.second += 1,
                [false, false] => {}
            }
        }
    }

    /// All decisions.
    #[must_use]
    pub fn decisions(&self) -> u64 {
        self.outcomes.iter().flatten().sum()
    }

    /// Decisions that are different in this way.
    #[must_use]
    pub fn changed(&self, difference: Difference) -> u64 {
        match difference {
            Difference::NowHeld => self.outcomes[0][1],
            Difference::NowReleased => self.outcomes[1][0],
            Difference::OtherBand => self.band_changes().map(|(_, _, count)| count).sum(),
        }
    }

    /// The share of the decisions whose outcome changes; 0 of none.
    #[must_use]
    pub fn changed_share(&self) -> f64 {
        let changed = self.changed(Difference::NowHeld) + self.changed(Difference::NowReleased);
        if changed == 0 { 0.0 } else { changed as f64 / self.decisions() as f64 }
    }

    /// From which band to which other one how many decisions go that both sides hold.
    pub fn band_changes(&self) -> impl Iterator<Item = (Band, Band, u64)> {
        let pairs = Band::ALL.into_iter().flat_map(|from| Band::ALL.into_iter().map(move |to| (from, to)));
        let changes = pairs.filter(|(from, to)| from != to);
        changes.map(|(from, to)| (from, to, self.bands[from.index()][to.index()])).filter(|(_, _, count)| *count > 0)
    }

    /// The findings of every trigger of either side, and of the built-in findings that came up.
    pub fn triggers(&self) -> impl Iterator<Item = (&Label, TriggerCounts)> {
        let counts = |number: usize| self.triggers.get(number).copied().unwrap_or_default();
        self.labels.list().iter().enumerate().map(move |(number, label)| (label, counts(number)))
    }

    /// All examples, those of the same difference together.
    pub fn examples_by_difference(&self) -> impl Iterator<Item = &Example> {
        Difference::ALL.into_iter().flat_map(|difference| self.examples_of(difference))
    }

    /// The examples of one difference.
    pub fn examples_of(&self, difference: Difference) -> impl Iterator<Item = &Example> {
        self.examples.iter().filter(move |example| example.difference == difference)
    }
}

/// Judges every record by two sets of policies and compares.
pub struct TwoSets {
    sides: [Replay; 2],
    comparison: Comparison,
}

impl TwoSets {
    /// Compares two replays of the same log, with `examples_max` examples of each difference.
    #[must_use]
    pub fn new(sides: [Replay; 2], examples_max: usize) -> Self {
        let labels = Labels::of(&[sides[0].set(), sides[1].set()]);
        Self { sides, comparison: Comparison { examples_max, labels, ..Comparison::default() } }
    }

    /// See [`Replay::begin`].
    pub fn begin(&mut self, log: &Log) {
        for side in &mut self.sides {
            side.begin(log.clone());
        }
    }

    /// See [`Replay::remember`].
    pub fn remember(&mut self, record: &Record<'_>) {
        for side in &mut self.sides {
            side.remember(record);
        }
    }

    /// Judges `record` twice and compares.
    pub fn judge(&mut self, record: &Record<'_>) {
        let [first, second] = &mut self.sides;
        self.comparison.count(&first.judge(record), &second.judge(record));
    }

    /// Both sides.
    #[must_use]
    pub fn sides(&self) -> [&Replay; 2] {
        [&self.sides[0], &self.sides[1]]
    }

    /// What was found so far.
    #[must_use]
    pub fn comparison(&self) -> &Comparison {
        &self.comparison
    }
}
