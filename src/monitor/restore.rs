//! Taking over the tallies: where the fold of each policy stands.
//!
//! `signals` has the newest state of each policy, and the offset of the tallies up to which it is folded. From there on up to
//! what the group has committed the tallies are folded again, with nothing written: the transactions that did it before have.

use std::collections::BTreeMap;

use crate::gate::Rules;
use crate::monitor::desk::Desk;
use crate::monitor::state::StateRecord;
use crate::monitor::truth::Judge;
use crate::monitor::{MonitorSettings, NOTE};
use crate::stream::fault::Fault;
use crate::stream::log_reader::{Extent, LogReader};
use crate::stream::processor::InputPartition;
use crate::tallies::{Outcome, Tally, TallyRecord};
use crate::watch::{Change, Watch, WatchTerms};

/// What was restored.
pub(super) struct Restored {
    /// By policy.
    pub desks: BTreeMap<String, Desk>,
    /// States of policies that are not loaded.
    pub dormant: BTreeMap<String, StateRecord>,
    /// The tallies below this offset are folded.
    pub next: i64,
    /// So many tallies were deleted before they were read.
    pub lost: u64,
}

/// Restores everything.
pub(super) fn take(
    settings: &MonitorSettings,
    rules: &Rules,
    input: &InputPartition,
    log: &mut LogReader,
) -> Result<Restored, Fault> {
    // Before the states: the answer waits for a transaction that is still ending, so that whatever it wrote is among them. The other
    // way round an entry of it could be passed over, and the chain forked.
    let committed = log.group_offset(input, NOTE)?;
    let states = states(settings, log)?;
    let extent = log.extent(input)?;
    let mut again = Again::of((settings, rules), input, Found { committed, states, extent })?;
    log.read(input, again.range, |record| again.take(record.offset, record.value.unwrap_or_default()))?;
    let restored = again.done()?;
    tracing::info!(%input, next = restored.next, policies = restored.desks.len(), "statistics restored");
    Ok(restored)
}

/// The newest state of each policy.
fn states(settings: &MonitorSettings, log: &mut LogReader) -> Result<BTreeMap<String, StateRecord>, Fault> {
    let partition = InputPartition { topic: settings.topics.signals.clone(), partition: 0 };
    let (mut states, mut faults) = (BTreeMap::new(), BTreeMap::new());
    log.read_state(&partition, |record| {
        let Some(policy) = record.key.and_then(|key| std::str::from_utf8(key).ok()).and_then(|key| key.strip_prefix("state/"))
        else {
            return;
        };
        faults.remove(policy);
        states.remove(policy);
        match record.value.map(StateRecord::read) {
            Some(Ok(state)) => drop(states.insert(policy.to_owned(), state)),
            Some(Err(why)) => drop(faults.insert(policy.to_owned(), (record.offset, why))),
            None => {}
        }
    })?;
    match faults.into_iter().next() {
        None => Ok(states),
        Some((policy, (offset, why))) => {
            let sentence = format!(
                "The record state/{policy} at offset {offset} of {} cannot be read: {why}. Write under that key its last good record, \
                 or a tombstone, after which the statistics of that policy begin anew.",
                settings.topics.signals
            );
            Err(Fault::stop("state-unreadable", sentence))
        }
    }
}

/// Where a policy's state stands.
struct Stand {
    next: i64,
    recall_from: i64,
    /// Number of the event before the next that is remembered.
    after: u64,
}

/// What the logs say.
pub(super) struct Found {
    /// What the group has committed.
    pub committed: Option<i64>,
    /// The newest state of each policy.
    pub states: BTreeMap<String, StateRecord>,
    /// Of the tallies.
    pub extent: Extent,
}

/// Tallies that are folded again.
pub(super) struct Again<'r> {
    /// These must be read.
    pub range: Extent,
    restored: Restored,
    stands: BTreeMap<String, Stand>,
    judge: Judge,
    rules: &'r Rules,
    changes: Vec<Change>,
    /// A policy of which something came that should have been written before, and where.
    fault: Option<(String, i64)>,
}

impl<'r> Again<'r> {
    /// Takes up the states, and finds what must be read.
    pub fn of((settings, rules): (&MonitorSettings, &'r Rules), input: &InputPartition, found: Found) -> Result<Self, Fault> {
        let extent = found.extent;
        let written = found.states.values().map(|state| state.next).max();
        let next = found.committed.max(written).unwrap_or(extent.low);
        if extent.high < next {
            let sentence = format!(
                "re-created: {input} ends at offset {}, but its tallies are folded below {next}. The topic was re-created. Restore the \
                 old one; or begin anew with another topics.prefix.",
                extent.high
            );
            return Err(Fault::stop("re-created", sentence));
        }
        let restored = Restored { desks: BTreeMap::new(), dormant: BTreeMap::new(), next, lost: 0 };
        let mut again = Self {
            range: extent,
            restored,
            stands: BTreeMap::new(),
            judge: Judge::new(rules),
            rules,
            changes: Vec::new(),
            fault: None,
        };
        for (policy, state) in found.states {
            again.take_up(settings, policy, &state)?;
        }
        if extent.low > next {
            again.restored.lost = u64::try_from(extent.low - next).unwrap_or(0);
            tracing::error!(%input, from = next, to = extent.low, "tallies were deleted before they were read; the statistics go on without them");
            again.restored.next = extent.low;
        }
        let from = again.stands.values().map(|stand| stand.recall_from.min(stand.next)).min().unwrap_or(next).max(extent.low);
        again.range = Extent { low: from, high: next };
        Ok(again)
    }

    fn take_up(&mut self, settings: &MonitorSettings, policy: String, state: &StateRecord) -> Result<(), Fault> {
        let known = self.rules.set.policies().iter().find(|known| known.name == policy);
        let Some(terms) = known.and_then(|known| WatchTerms::of(known, settings.window)) else {
            self.restored.dormant.insert(policy, state.clone());
            return Ok(());
        };
        let mut desk = Desk::restore(terms, state).map_err(|why| {
            let sentence = format!(
                "The record state/{policy} in {} cannot be taken up: {why}. Only monitors may write there. Find out who did, and \
                 write under that key its last good record, which `jidoka audit export` shows of earlier copies of the topic; or a \
                 tombstone, after which the statistics of that policy begin anew.",
                settings.topics.signals
            );
            Fault::stop("state-unreadable", sentence)
        })?;
        // Only what was folded under this state, and is all there, is folded again: what was passed over when it came would raise alarms
        // that nobody is told of.
        let is_lost = self.range.low > state.next && self.restored.next > state.next;
        if state.asleep || is_lost || Watch::saved_under(&state.watch) != Some(desk.watch.terms().policy_hash) {
            tracing::warn!(
                policy,
                from = state.next,
                to = self.restored.next,
                "the statistics go on without what came since they were saved"
            );
            desk.begin_remembering();
            desk.must_write = true;
            self.restored.desks.insert(policy, desk);
            return Ok(());
        }
        self.stands.insert(policy.clone(), Stand { next: state.next, recall_from: state.recall.0, after: state.recall.1 });
        self.restored.desks.insert(policy, desk);
        Ok(())
    }

    /// What is restored, once all was read.
    ///
    /// # Errors
    /// Where an incident was opened or closed: whoever folded these tallies before would have written a newer state with it.
    pub fn done(self) -> Result<Restored, Fault> {
        match self.fault {
            None => Ok(self.restored),
            Some((policy, offset)) => {
                let sentence = format!(
                    "Folding the tallies of policy {policy} again up to offset {offset} opens or closes an incident, and no entry says \
                     so: another version of jidoka, or one with another monitor.window, folded them before. Run that one until it has \
                     written state/{policy} anew (monitor.snapshot_every), or write a tombstone under that key, after which the \
                     statistics of that policy begin anew."
                );
                Err(Fault::stop("state-unreadable", sentence))
            }
        }
    }

    /// Takes a record of the tallies.
    pub fn take(&mut self, offset: i64, value: &[u8]) {
        match TallyRecord::read(value) {
            Ok(TallyRecord::Decisions(tally)) => self.decisions(&tally, offset),
            Ok(TallyRecord::Outcome(outcome)) => self.label(&outcome, offset),
            Err(_) => {}
        }
    }

    fn decisions(&mut self, tally: &Tally, offset: i64) {
        let (Some(desk), Some(stand)) = (self.restored.desks.get_mut(&tally.policy), self.stands.get_mut(&tally.policy)) else {
            return;
        };
        if tally.policy_hash != desk.watch.terms().policy_hash {
            return;
        }
        if offset >= stand.next {
            desk.fold(tally, offset, &mut self.changes);
            self.check(&tally.policy, offset);
        } else if offset >= stand.recall_from {
            stand.after = desk.remember(tally, offset, stand.after);
        }
    }

    fn label(&mut self, outcome: &Outcome, offset: i64) {
        let mut folded = None;
        for (policy, stand) in &self.stands {
            let Some(desk) = self.restored.desks.get_mut(policy) else { continue };
            desk.forget(offset);
            let changes = (offset >= stand.next).then_some(&mut self.changes);
            self.judge.join(outcome, (policy, desk), self.rules, changes);
            if self.changes.iter().any(is_written) {
                folded = Some(policy.clone());
            }
        }
        if let Some(policy) = folded {
            self.check(&policy, offset);
        }
        self.changes.clear();
    }

    /// Nothing may come of it that is written to the trail.
    fn check(&mut self, policy: &str, offset: i64) {
        if self.changes.drain(..).any(|change| is_written(&change)) {
            self.fault.get_or_insert_with(|| (policy.to_owned(), offset));
        }
    }
}

/// Whether an entry is written about it.
const fn is_written(change: &Change) -> bool {
    matches!(change, Change::Opened(_) | Change::Closed(_))
}
