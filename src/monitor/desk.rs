//! One policy in the monitor's hands: its statistics, its chain, its incidents' trails, and what must be read again after a
//! restart.

use std::collections::{BTreeMap, VecDeque};

use crate::audit::{Chain, ChainHead};
use crate::identity::{Hash, Timestamp};
use crate::monitor::state::StateRecord;
use crate::tallies::Tally;
use crate::watch::{Change, Watch, WatchTerms};

/// Incidents of a policy that are over stay in `signals` until so many came after them.
const OVER_MAX: usize = 100;

/// For each event that is remembered (`monitor.window`) the memory reaches back over so many records of the tallies, whosever they are,
/// and no further: a restart must read them all again, and of a policy that has few events they would be nearly all there are.
const RECORDS_AN_EVENT: i64 = 4;
/// The state is written anew after so many records of the tallies, whosever they are, for the same reason.
const STATE_RECORDS: i64 = 10_000;

/// See the module.
pub(super) struct Desk {
    pub watch: Watch,
    pub chain: Chain,
    /// When the last entry was written: time does not go back behind it.
    pub at: Option<Timestamp>,
    /// Last entry of each open incident's trail.
    pub open: BTreeMap<String, (u64, Hash)>,
    over: VecDeque<String>,
    /// Offsets of the tallies that the watch's memory reaches back to, and the number of the event before each.
    recall: VecDeque<(i64, u64)>,
    /// Number of the event at which the state was last written.
    pub written_at: Option<u64>,
    /// The tallies below this offset were folded then.
    pub written_next: i64,
    /// The state must be written with this transaction.
    pub must_write: bool,
    /// Its policy is not loaded, or without a profile: its tallies are passed over.
    pub is_asleep: bool,
}

impl Desk {
    /// Of a policy of which nothing is known.
    pub fn new(terms: WatchTerms) -> Self {
        let chain = Chain::resume(chain_id(&terms.policy), None);
        let watch = Watch::new(terms);
        warn_if_full(&watch);
        Self {
            watch,
            chain,
            at: None,
            open: BTreeMap::new(),
            over: VecDeque::new(),
            recall: VecDeque::new(),
            written_at: None,
            written_next: 0,
            must_write: true,
            is_asleep: false,
        }
    }

    /// As it was written.
    ///
    /// # Errors
    /// With a sentence where that could not have been written.
    pub fn restore(terms: WatchTerms, state: &StateRecord) -> Result<Self, String> {
        let chain = Chain::resume(chain_id(&terms.policy), state.chain);
        let mut watch = Watch::restore(terms, &state.watch)?;
        warn_if_full(&watch);
        watch.recall(state.recall.1);
        Ok(Self {
            written_at: Some(watch.events()),
            written_next: state.next,
            watch,
            chain,
            at: state.at,
            open: state.open.iter().map(|(id, seq, hash)| (id.clone(), (*seq, *hash))).collect(),
            over: state.over.iter().cloned().collect(),
            recall: VecDeque::new(),
            must_write: false,
            is_asleep: false,
        })
    }

    /// The same policy with other terms: statistics begin anew, and nothing is remembered of events under the old ones.
    pub fn renew(&mut self, terms: WatchTerms) {
        let placeholder = Watch::new(terms.clone());
        self.watch = std::mem::replace(&mut self.watch, placeholder).renewed(terms);
        self.recall.clear();
        (self.is_asleep, self.must_write) = (false, true);
    }

    /// Nothing that came before can have a late label.
    pub fn begin_remembering(&mut self) {
        self.watch.forget();
        self.recall.clear();
    }

    /// Its policy is not loaded any more. What it remembers for late labels is given up: whether it is taken up again by this
    /// monitor or by another that only has its state, the same comes of it.
    pub fn sleep(&mut self) {
        self.begin_remembering();
        (self.is_asleep, self.must_write) = (true, true);
    }

    /// Its policy is loaded again, as it was.
    pub fn wake(&mut self) {
        (self.is_asleep, self.must_write) = (false, true);
    }

    /// Folds the events of a record at this offset; `changes` are what comes of it. Whether it was made for this baseline.
    pub fn fold(&mut self, tally: &Tally, offset: i64, changes: &mut Vec<Change>) -> bool {
        let baseline = &self.watch.terms().baseline;
        let Some(events) = tally.events(baseline.attributes.len(), baseline.measures.len()) else { return false };
        self.reaches_back_to(offset, self.watch.events());
        self.forget(offset);
        for event in events {
            self.watch.fold(&event, changes);
        }
        self.watch.end_of_record(changes);
        true
    }

    /// Takes the events of a record only into memory: `after` is the number of the event before them.
    pub fn remember(&mut self, tally: &Tally, offset: i64, after: u64) -> u64 {
        let baseline = &self.watch.terms().baseline;
        let Some(events) = tally.events(baseline.attributes.len(), baseline.measures.len()) else { return after };
        self.reaches_back_to(offset, after);
        self.forget(offset);
        let count = events.len() as u64;
        for event in events {
            self.watch.remember(&event);
        }
        after + count
    }

    /// How far back the memory reaches, in records, when the record at this offset comes.
    fn horizon(&self, offset: i64) -> i64 {
        let window = i64::try_from(self.watch.terms().window).unwrap_or(i64::MAX);
        offset.saturating_sub(window.saturating_mul(RECORDS_AN_EVENT))
    }

    /// Forgets what lies too far back when the record at this offset comes.
    pub fn forget(&mut self, offset: i64) {
        let horizon = self.horizon(offset);
        while self.recall.front().is_some_and(|(from, _)| *from < horizon) {
            self.recall.pop_front();
            let after = self.recall.front().map_or(self.watch.events(), |(_, after)| *after);
            self.watch.forget_up_to(after);
        }
    }

    /// Whether the state is to be written anew, where the tallies below `next` are folded.
    pub fn is_due(&self, next: i64, snapshot_every: u64) -> bool {
        let is_old = self.written_at.is_none_or(|at| self.watch.events() >= at.saturating_add(snapshot_every));
        self.must_write || is_old || next - self.written_next >= STATE_RECORDS
    }

    fn reaches_back_to(&mut self, offset: i64, after: u64) {
        self.recall.push_back((offset, after));
        let needed = after.saturating_sub(self.watch.terms().window as u64);
        while self.recall.get(1).is_some_and(|(_, next)| *next <= needed) {
            self.recall.pop_front();
        }
    }

    /// What is written about it, where the tallies below `next` are folded.
    pub fn state(&self, next: i64) -> StateRecord {
        let mut watch = Vec::new();
        self.watch.snapshot(&mut watch);
        StateRecord {
            next,
            recall: self
                .recall
                .iter()
                .find(|(from, _)| *from >= self.horizon(next))
                .copied()
                .unwrap_or((next, self.watch.events())),
            chain: self.chain.head(),
            at: self.at,
            open: self.open.iter().map(|(id, (seq, hash))| (id.clone(), *seq, *hash)).collect(),
            over: self.over.iter().cloned().collect(),
            asleep: self.is_asleep,
            watch,
        }
    }

    /// An incident is over; the one that leaves `signals` for it, if any.
    pub fn is_over(&mut self, id: &str) -> Option<String> {
        self.open.remove(id);
        self.over.push_back(id.to_owned());
        if self.over.len() > OVER_MAX { self.over.pop_front() } else { None }
    }

    /// Whether an incident was this policy's and is over.
    pub fn knows_over(&self, id: &str) -> bool {
        self.over.iter().any(|over| over == id)
    }

    /// The head of its chain, for signing.
    pub fn head(&self) -> Option<ChainHead> {
        self.chain.head()
    }
}

fn warn_if_full(watch: &Watch) {
    if watch.is_full() {
        let policy = &watch.terms().policy;
        tracing::warn!(
            policy,
            "decisions about further than 4,096 intersections of the fairness attributes do not count; watch fewer"
        );
    }
}

fn chain_id(policy: &str) -> String {
    format!("monitor/{policy}")
}
