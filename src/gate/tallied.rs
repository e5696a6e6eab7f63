//! What the monitor needs of this turn's decisions, gathered by policy and input partition, and written before the commit.

use crate::decision::Outcome;
use crate::gate::judge::Verdict;
use crate::gate::rules::Rules;
use crate::policy::{Policy, TriggerKind};
use crate::stream::fault::Fault;
use crate::stream::record::{Outbox, Outgoing};
use crate::tallies::{EventTally, TallyOf, TallyWriter};

/// A record is written when it has about so many bytes, though the turn goes on: half of what brokers take by default.
const RECORD_BYTES: usize = 512 * 1_024;
/// The schema's name and version.
const SCHEMA: &[u8] = b"tally/1";

/// The tallies of one turn. Its buffers are used again.
#[derive(Default)]
pub(super) struct Tallied {
    groups: Vec<Group>,
    /// How many of them this turn has; the others wait to be used again.
    used: usize,
    codes: Codes,
    value: Vec<u8>,
}

/// One policy's decisions about one input partition.
#[derive(Default)]
struct Group {
    policy: usize,
    partition: (usize, i32),
    first_offset: i64,
    writer: TallyWriter,
}

/// Where a record was.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    /// Configured name of the input, and its place among all.
    pub source: (&'a str, usize),
    /// Partition of it.
    pub partition: i32,
    /// Offset in it.
    pub offset: i64,
}

impl Tallied {
    /// Adds a decision, where its policy has a profile.
    pub fn decided(
        &mut self,
        at: At<'_>,
        verdict: &Verdict<'_>,
        (rules, topic): (&Rules, &str),
        outbox: &mut dyn Outbox,
    ) -> Result<(), Fault> {
        let Some(policy) = verdict.policy.filter(|policy| policy.trained.is_some()) else { return Ok(()) };
        let Some(tally) = self.codes.tally(verdict) else { return Ok(()) };
        let place = group(&mut self.groups, &mut self.used, at, policy);
        self.groups[place].writer.add(&tally);
        if self.groups[place].writer.bytes() < RECORD_BYTES.min(outbox.record_bytes_max() / 2) {
            return Ok(());
        }
        self.write(place, at.source.0, (rules, topic), outbox)
    }

    /// Writes what was gathered. `source` tells the name of the input at a place.
    pub fn finish<'s>(
        &mut self,
        rules: &Rules,
        topic: &str,
        source: impl Fn(usize) -> &'s str,
        outbox: &mut dyn Outbox,
    ) -> Result<(), Fault> {
        for place in 0..self.used {
            if self.groups[place].writer.events() > 0 {
                let source = source(self.groups[place].partition.0);
                self.write(place, source, (rules, topic), outbox)?;
            }
        }
        self.used = 0;
        Ok(())
    }

    fn write(
        &mut self,
        place: usize,
        source: &str,
        (rules, topic): (&Rules, &str),
        outbox: &mut dyn Outbox,
    ) -> Result<(), Fault> {
        let group = &mut self.groups[place];
        let policy = &rules.set.policies()[group.policy];
        let of = TallyOf {
            policy: &policy.name,
            policy_hash: policy.hash,
            source,
            partition: group.partition.1,
            first_offset: group.first_offset,
        };
        self.value.clear();
        group.writer.write(of, &mut self.value);
        // One partition: the monitor folds all of a policy's tallies in the order of one log.
        outbox.send(Outgoing {
            topic,
            partition: 0,
            key: Some(policy.name.as_bytes()),
            value: Some(&self.value),
            headers: &[("jidoka-schema", SCHEMA)],
        })
    }

    /// The transaction was aborted: the events will come again.
    pub fn roll_back(&mut self) {
        for group in &mut self.groups {
            group.writer.clear();
        }
        self.used = 0;
    }
}

/// The place of the group that a decision belongs to.
fn group(groups: &mut Vec<Group>, used: &mut usize, at: At<'_>, policy: &Policy) -> usize {
    let partition = (at.source.1, at.partition);
    let known = groups[..*used].iter().position(|group| group.policy == policy.place && group.partition == partition);
    let place = known.unwrap_or_else(|| {
        if *used == groups.len() {
            groups.push(Group::default());
        }
        *used += 1;
        let group = &mut groups[*used - 1];
        (group.policy, group.partition) = (policy.place, partition);
        *used - 1
    });
    if groups[place].writer.events() == 0 {
        groups[place].first_offset = at.offset;
    }
    place
}

/// The codes of one event's levels and measures. Its buffers are used again.
#[derive(Debug, Default)]
pub struct Codes {
    levels: Vec<u8>,
    bins: Vec<u8>,
}

impl Codes {
    /// What the monitor needs of a decision; none where its policy has no profile, or it is about no event.
    pub fn tally(&mut self, verdict: &Verdict<'_>) -> Option<EventTally<'_>> {
        let (policy, event, decision) = (verdict.policy?, verdict.readable()?, verdict.decision);
        let (trained, rank) = (policy.trained.as_ref()?, decision.rank?);
        self.levels.clear();
        self.bins.clear();
        trained.code_levels(event, &mut self.levels);
        trained.code_measures(event, &mut self.bins);
        // Where no threshold was asked, as while operators ordered rules only, what was held says nothing about it.
        let by_rank = rank.threshold.is_some() && !decision.mandatory;
        let is_anomaly = |kind: &TriggerKind| matches!(kind, TriggerKind::Anomaly(_));
        Some(EventTally {
            event: decision.event?,
            vector: decision.anomaly.map_or(0, |anomaly| anomaly.vector),
            held: decision.outcome == Outcome::Held && by_rank,
            mandatory: !by_rank,
            flagged: decision.results.iter().any(|result| result.is_hit_of(policy, is_anomaly)),
            favourable: decision.favourable,
            score: decision.anomaly.map(|anomaly| anomaly.score),
            priority: rank.priority,
            levels: &self.levels,
            bins: &self.bins,
        })
    }
}
