//! The monitor: tallies → incidents, thresholds, fresh calibrations. How the fold of [`crate::watch`] hangs on a stream.
//!
//! ```text
//! outcomes ─→ label ─→ tallies/0 ─┐
//! gates ────────────→ tallies/0 ──┴→ Desk of its policy ─ Watch::fold ─┬→ incident: audit entry, signal     (one
//! control: acknowledged ─────────────────────────────────────────────→─┤→ threshold, calibration: signal  transaction
//! policies that changed ─────────────────────────────────────────────→─┴→ state, now and then             a turn)
//! ```
//!
//! Whoever owns partition 0 of the tallies folds all policies: in the order of one log, so that whatever crashed the same alarm
//! comes at the same event. In a turn that writes an audit entry the state is written as well, so that no entry is ever
//! folded again (`restore`). A transaction that is aborted leaves the statistics ahead of what is committed: everything is
//! then restored.

mod counts;
mod desk;
mod emit;
mod orders;
mod restore;
mod state;
mod truth;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::audit::IncidentChange;
use crate::control::{AcknowledgedBaseline, Acknowledgement};
use crate::gate::{Rules, RulesInForce};
use crate::heads::HeadBoard;
use crate::identity::Timestamp;
use crate::monitor::counts::{Counts, Labelled, Skipped};
use crate::monitor::desk::Desk;
use crate::monitor::emit::Emitter;
use crate::monitor::state::StateRecord;
use crate::monitor::truth::Judge;
use crate::policy::Policy;
use crate::sidecar::Clock;
use crate::stream::control::ControlFollower;
use crate::stream::fault::Fault;
use crate::stream::log_reader::LogReader;
use crate::stream::processor::{InputPartition, NextOffset, Processor, Taken};
use crate::stream::record::{Incoming, Outbox};
use crate::tallies::{Outcome, Tally, TallyRecord};
use crate::telemetry::health::Health;
use crate::telemetry::metrics::Metrics;
use crate::watch::{Change, Joined, WatchTerms};

/// What the group's offsets are committed for.
const NOTE: &str = "tallies";

/// Names of the topics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MonitorTopics {
    /// Audit entries.
    pub audit: String,
    /// Signals.
    pub signals: String,
    /// Tallies.
    pub tallies: String,
}

/// What a monitor is told.
pub struct MonitorSettings {
    /// Names of the topics.
    pub topics: MonitorTopics,
    /// How many lanes there are.
    pub lanes: u16,
    /// Events of a policy after which its state is written anew.
    pub snapshot_every: u64,
    /// Events of a policy that a late label can be joined to.
    pub window: usize,
    /// The policies, as gates have them.
    pub rules: Arc<RulesInForce>,
    /// How late it is, for what no record is about.
    pub clock: Clock,
    /// Where committed chain heads are posted to be signed, where they are.
    pub heads: Option<Arc<HeadBoard>>,
    /// Where it says what its policies lack.
    pub health: Arc<Health>,
}

/// The processor. One in a process.
pub struct Monitor {
    settings: Arc<MonitorSettings>,
    control: Arc<ControlFollower>,
    emitter: Emitter,
    counts: Counts,
    rules: Arc<Rules>,
    judge: Judge,
    /// By policy; empty while the tallies are another monitor's.
    desks: BTreeMap<String, Desk>,
    dormant: BTreeMap<String, StateRecord>,
    /// Where reading goes on, of the partitions that were taken.
    next: BTreeMap<InputPartition, i64>,
    /// Acknowledgements that are to be applied.
    orders: Vec<(String, Acknowledgement)>,
    /// Acknowledgements of which it was said that they have no effect (yet), and how many events there were.
    told: BTreeMap<(String, AcknowledgedBaseline), u64>,
    /// Hashes of policies whose tallies were skipped.
    skipped: BTreeSet<[u8; 32]>,
    changes: Vec<Change>,
    /// The statistics are ahead of what is committed.
    is_stale: bool,
    /// Something was handled in this turn.
    is_touched: bool,
}

impl Monitor {
    /// A monitor that owns nothing yet.
    #[must_use]
    pub fn new(settings: Arc<MonitorSettings>, control: Arc<ControlFollower>, metrics: &Arc<Metrics>) -> Self {
        let rules = settings.rules.current();
        Self {
            emitter: Emitter::new(settings.topics.clone(), settings.lanes),
            counts: Counts::new(metrics),
            judge: Judge::new(&rules),
            rules,
            settings,
            control,
            desks: BTreeMap::new(),
            dormant: BTreeMap::new(),
            next: BTreeMap::new(),
            orders: Vec::new(),
            told: BTreeMap::new(),
            skipped: BTreeSet::new(),
            changes: Vec::new(),
            is_stale: false,
            is_touched: false,
        }
    }

    fn tallies(&self) -> InputPartition {
        InputPartition { topic: self.settings.topics.tallies.clone(), partition: 0 }
    }

    fn owns_tallies(&self) -> bool {
        self.next.contains_key(&self.tallies())
    }

    fn terms(&self, policy: &str) -> Option<WatchTerms> {
        let known = self.rules.set.policies().iter().find(|known| known.name == policy)?;
        WatchTerms::of(known, self.settings.window)
    }

    /// Folds a record of the tallies.
    fn fold(&mut self, record: &Incoming<'_>, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        let at = record.appended_at.unwrap_or_else(|| self.settings.clock.now());
        match TallyRecord::read(record.value.unwrap_or_default()) {
            Ok(TallyRecord::Decisions(tally)) => self.decisions(&tally, (record.offset, at), outbox),
            Ok(TallyRecord::Outcome(outcome)) => self.label(&outcome, (record.offset, at), outbox),
            Err(why) => {
                tracing::error!(topic = record.topic, offset = record.offset, why, "not a tally; skipped");
                self.counts.skipped(Skipped::Unreadable, 1);
                Ok(())
            }
        }
    }

    fn decisions(&mut self, tally: &Tally, (offset, at): (i64, Timestamp), outbox: &mut dyn Outbox) -> Result<(), Fault> {
        let is_loaded = self.has_desk(tally);
        let mut changes = std::mem::take(&mut self.changes);
        let folded = is_loaded && self.desks.get_mut(&tally.policy).is_some_and(|desk| desk.fold(tally, offset, &mut changes));
        if !folded {
            self.skip(tally);
        }
        let told = self.tell(&tally.policy, &mut changes, at, outbox);
        self.changes = changes;
        if folded {
            self.counts.folded(&tally.policy, tally.len());
        }
        told
    }

    /// Whether there is a desk for the policy that a tally was made under; one is made if that is loaded.
    fn has_desk(&mut self, tally: &Tally) -> bool {
        match self.desks.get(&tally.policy) {
            Some(desk) => !desk.is_asleep && desk.watch.terms().policy_hash == tally.policy_hash,
            None => self
                .terms(&tally.policy)
                .filter(|terms| terms.policy_hash == tally.policy_hash)
                .is_some_and(|terms| self.open_desk(terms)),
        }
    }

    /// Makes a desk; whether it could be.
    fn open_desk(&mut self, terms: WatchTerms) -> bool {
        let policy = terms.policy.clone();
        let desk = match self.dormant.get(&policy) {
            None => Ok(Desk::new(terms)),
            Some(state) => Desk::restore(terms, state),
        };
        match desk {
            Ok(mut desk) => {
                desk.begin_remembering();
                desk.must_write = true;
                self.dormant.remove(&policy);
                self.desks.insert(policy, desk);
                true
            }
            Err(why) => {
                tracing::error!(policy, why, "the state of this policy cannot be taken up; its tallies are skipped");
                false
            }
        }
    }

    fn skip(&mut self, tally: &Tally) {
        self.counts.skipped(Skipped::NotLoaded, tally.len());
        if self.skipped.insert(tally.policy_hash.0) {
            let (policy, hash) = (&tally.policy, tally.policy_hash);
            tracing::error!(
                policy,
                %hash,
                "a gate decides by a policy that is not loaded here, or has no baseline: its decisions are not watched. Give the \
                 monitor the same policies and profiles as the gates"
            );
            let why = format!("decisions under {policy} ({hash}) are not watched: it is not loaded here as gates have it");
            self.settings.health.note("monitor policies", &why);
        }
    }

    /// Joins a late label to its event.
    fn label(&mut self, outcome: &Outcome, (offset, at): (i64, Timestamp), outbox: &mut dyn Outbox) -> Result<(), Fault> {
        self.desks.values_mut().for_each(|desk| desk.forget(offset));
        let waiting = self.desks.iter().filter(|(_, desk)| desk.watch.awaits(outcome.event));
        let waiting: Vec<String> = waiting.map(|(policy, _)| policy.clone()).collect();
        let mut result = Labelled::Unknown;
        for policy in waiting {
            let Some(desk) = self.desks.get_mut(&policy) else { continue };
            let mut changes = std::mem::take(&mut self.changes);
            match self.judge.join(outcome, (&policy, desk), &self.rules, Some(&mut changes)) {
                Some(Joined::Joined) => result = Labelled::Joined,
                Some(Joined::Undecided) if result == Labelled::Unknown => result = Labelled::Undecided,
                _ => {}
            }
            let told = self.tell(&policy, &mut changes, at, outbox);
            self.changes = changes;
            told?;
        }
        self.counts.label(result);
        Ok(())
    }

    /// Writes what came of a record.
    fn tell(&mut self, policy: &str, changes: &mut Vec<Change>, at: Timestamp, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        let Some(desk) = self.desks.get_mut(policy) else { return Ok(()) };
        for change in changes.drain(..) {
            match change {
                Change::Opened(incident) => {
                    tracing::warn!(policy, incident = incident.id, "{}", incident.sentence);
                    self.counts.opened(policy, incident.kind);
                    self.emitter.incident(desk, &incident, (IncidentChange::Opened, at), outbox)?;
                }
                Change::Closed(incident) => {
                    tracing::info!(policy, incident = incident.id, "closed by itself");
                    self.emitter.incident(desk, &incident, (IncidentChange::Closed, at), outbox)?;
                }
                Change::Threshold(threshold) => self.emitter.signal(&format!("threshold/{policy}"), &threshold, outbox)?,
                Change::Recalibrated(scores) => self.emitter.signal(&format!("calibration/{policy}"), &scores, outbox)?,
            }
        }
        Ok(())
    }

    /// A record of an `outcomes` topic goes among the tallies.
    fn forward(&mut self, record: &Incoming<'_>, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        match truth::read(record.value.unwrap_or_default()) {
            Ok(outcome) => self.emitter.outcome(&outcome, outbox),
            Err(why) => {
                tracing::error!(
                    topic = record.topic,
                    partition = record.partition,
                    offset = record.offset,
                    why,
                    "not a label; skipped"
                );
                self.counts.label(Labelled::Unreadable);
                Ok(())
            }
        }
    }

    /// Whether a policy whose statistics there are is loaded otherwise now, or no more, or again.
    fn has_changed(&self, policy: &str, desk: &Desk) -> bool {
        match self.watched(policy) {
            Some(loaded) => desk.is_asleep || loaded.hash != desk.watch.terms().policy_hash,
            None => !desk.is_asleep,
        }
    }

    /// A policy that is loaded and has what its events are held against.
    fn watched(&self, policy: &str) -> Option<&Policy> {
        let is_it =
            |known: &&Policy| known.name == policy && known.trained.as_ref().is_some_and(|it| it.profile().baseline().is_some());
        self.rules.set.policies().iter().find(is_it)
    }

    /// The statistics of policies that changed begin anew. Those of a policy that is not loaded any more, or without a profile, rest: its
    /// chain goes on where it ended once it is loaded again, and its open incidents can be acknowledged meanwhile.
    fn renew(&mut self) {
        let changed: Vec<String> =
            self.desks.iter().filter(|(policy, desk)| self.has_changed(policy, desk)).map(|(policy, _)| policy.clone()).collect();
        for policy in changed {
            let terms = self.terms(&policy);
            let Some(desk) = self.desks.get_mut(&policy) else { continue };
            match terms {
                Some(terms) if terms.policy_hash == desk.watch.terms().policy_hash => {
                    tracing::info!(policy, "the policy is loaded again: its statistics go on");
                    desk.wake();
                }
                Some(terms) => {
                    tracing::info!(policy, hash = %terms.policy_hash, "the policy changed: its statistics begin anew, open incidents stay");
                    desk.renew(terms);
                }
                None => {
                    tracing::warn!(policy, "the policy is not loaded any more, or without a profile: its statistics rest");
                    desk.sleep();
                }
            }
        }
    }
}

impl Processor for Monitor {
    fn take(&mut self, partition: &InputPartition, log: &mut LogReader) -> Result<Taken, Fault> {
        self.lose(partition);
        let offset = if *partition == self.tallies() {
            self.rules = self.settings.rules.current();
            self.judge = Judge::new(&self.rules);
            let restored = restore::take(&self.settings, &self.rules, partition, log)?;
            (self.desks, self.dormant) = (restored.desks, restored.dormant);
            if restored.lost > 0 {
                self.counts.skipped(Skipped::Lost, usize::try_from(restored.lost).unwrap_or(usize::MAX));
            }
            restored.next
        } else {
            let extent = log.extent(partition)?;
            log.group_offset(partition, NOTE)?.filter(|offset| (extent.low..=extent.high).contains(offset)).unwrap_or(extent.low)
        };
        self.next.insert(partition.clone(), offset);
        Ok(Taken::ReadFrom(offset))
    }

    fn lose(&mut self, partition: &InputPartition) {
        self.next.remove(partition);
        if *partition == self.tallies() {
            self.desks.clear();
            self.dormant.clear();
            self.orders.clear();
        }
        if self.next.is_empty() {
            self.is_stale = false;
        }
    }

    fn look_around(&mut self) -> Result<Vec<InputPartition>, Fault> {
        let rules = self.settings.rules.current();
        if !Arc::ptr_eq(&rules, &self.rules) {
            self.rules = rules;
            self.judge = Judge::new(&self.rules);
            self.skipped.clear();
            self.settings.health.is_settled("monitor policies");
        }
        self.orders.clear();
        self.look_for_orders();
        self.counts.show(&self.desks);
        Ok(Vec::new())
    }

    fn wants_turn(&self) -> bool {
        self.is_stale || !self.orders.is_empty() || self.desks.iter().any(|(policy, desk)| self.has_changed(policy, desk))
    }

    fn process(&mut self, record: &Incoming<'_>, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        self.rebuild_if_stale()?;
        self.is_touched = true;
        self.renew();
        let partition = InputPartition { topic: record.topic.to_owned(), partition: record.partition };
        let Some(next) = self.next.get(&partition).copied() else {
            let sentence = format!("a record of {partition} came, which this monitor does not hold");
            return Err(Fault::rebuild("other", sentence));
        };
        if record.offset < next {
            return Ok(());
        }
        if partition == self.tallies() {
            self.fold(record, outbox)?;
        } else if partition.topic != self.settings.topics.tallies {
            self.forward(record, outbox)?;
        }
        self.next.insert(partition, record.offset + 1);
        Ok(())
    }

    fn finish(&mut self, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        self.rebuild_if_stale()?;
        self.is_touched = true;
        self.renew();
        self.acknowledge(outbox)?;
        let Some(next) = self.next.get(&self.tallies()).copied() else { return Ok(()) };
        for (policy, desk) in &mut self.desks {
            if desk.is_due(next, self.settings.snapshot_every) {
                self.emitter.state(policy, &desk.state(next), outbox)?;
                (desk.written_at, desk.written_next, desk.must_write) = (Some(desk.watch.events()), next, false);
            }
        }
        // Their tallies are passed over from here on, whoever reads the state.
        for (policy, state) in self.dormant.iter_mut().filter(|(_, state)| !state.asleep) {
            state.asleep = true;
            self.emitter.state(policy, state, outbox)?;
        }
        Ok(())
    }

    fn next_offset(&self, partition: &InputPartition) -> Option<NextOffset<'_>> {
        self.next.get(partition).map(|offset| NextOffset { offset: *offset, note: NOTE })
    }

    fn committed(&mut self) {
        self.is_touched = false;
        for desk in self.desks.values_mut() {
            desk.chain.commit();
            if let (Some(board), Some(head)) = (&self.settings.heads, desk.head()) {
                board.publish(desk.chain.id(), head);
            }
        }
        self.counts.commit();
    }

    fn rolled_back(&mut self) {
        // The statistics have no way back but to be restored.
        self.is_stale |= self.is_touched;
        self.is_touched = false;
        self.orders.clear();
        self.counts.roll_back();
    }
}

impl Monitor {
    fn rebuild_if_stale(&self) -> Result<(), Fault> {
        if self.is_stale {
            let sentence = "the transaction was aborted: the statistics are restored from what is committed".to_owned();
            return Err(Fault::rebuild("restore", sentence));
        }
        Ok(())
    }
}
