//! What a sidecar looks at between turns: cases that gates open, how late it is, and what operators and time have ordered
//! to be removed.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::case::CaseReader;
use crate::control::ControlView;
use crate::identity::{DecisionId, Lane, Timestamp};
use crate::sidecar::SidecarSettings;
use crate::sidecar::book::Slot;
use crate::sidecar::lane::{Removal, SidecarLane, Until};
use crate::sidecar::restore::{is_opening, learn};
use crate::stream::fault::Fault;
use crate::stream::follower::Follower;
use crate::stream::log_reader::{Extent, LogReader};
use crate::stream::processor::InputPartition;

/// How often the broker is asked about one lane.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How often it is looked for what operators ordered to be erased.
const ORDERS_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked for closed cases that are older than they are kept, and offsets of the archive looked at at once.
const SWEEP_EVERY: Duration = Duration::from_hours(1);
const SWEEP_OFFSETS: i64 = 2_000;
/// A lane that waits for its cases for longer than this says so.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many cases a lane removes in one turn.
const REMOVALS_MAX: usize = 500;

/// What is known of a lane's surroundings.
struct Outlook {
    /// The offset of `cases` up to which openings are known.
    read_to: i64,
    asked: Option<Instant>,
    wait: Option<Wait>,
    /// Where the lane stood and where its verdicts ended when it was last asked.
    seen: Option<(i64, i64)>,
    /// No command lies between where the lane stands and this offset: only markers of transactions.
    empty_to: i64,
    /// Orders to erase that were carried out.
    erased: BTreeSet<DecisionId>,
    swept_to: i64,
    swept: Option<Instant>,
}

/// A lane that stopped at a command for a case that it does not know.
struct Wait {
    since: Instant,
    said: bool,
    /// Where the verdicts ended, and where `cases` ended then.
    verdicts: i64,
    cases: i64,
}

/// The logs besides the input. See the module.
pub(super) struct Surroundings {
    follower: Follower,
    log: LogReader,
    lanes: HashMap<Lane, Outlook>,
    looked_at_orders: Instant,
}

impl Surroundings {
    pub fn new(settings: &SidecarSettings) -> Result<Self, Fault> {
        Ok(Self {
            follower: Follower::open(&settings.clients)?,
            log: LogReader::open(&settings.clients)?,
            lanes: HashMap::new(),
            looked_at_orders: Instant::now(),
        })
    }

    /// Follows the openings of `lane` from this offset of `cases` on.
    pub fn follow(&mut self, settings: &SidecarSettings, lane: Lane, read_to: i64) -> Result<(), Fault> {
        self.follower.follow(&partition(&settings.topics.cases, lane), read_to)?;
        let outlook = Outlook {
            read_to,
            asked: None,
            wait: None,
            seen: None,
            empty_to: 0,
            erased: BTreeSet::new(),
            swept_to: 0,
            swept: None,
        };
        self.lanes.insert(lane, outlook);
        Ok(())
    }

    /// The lane is another's.
    pub fn leave(&mut self, settings: &SidecarSettings, lane: Lane) {
        self.follower.leave(&partition(&settings.topics.cases, lane));
        self.lanes.remove(&lane);
    }

    /// Looks at everything once. The inputs that may go on.
    pub fn look(
        &mut self,
        settings: &SidecarSettings,
        lanes: &mut [SidecarLane],
        reader: &mut CaseReader,
        orders: &ControlView,
    ) -> Result<Vec<InputPartition>, Fault> {
        self.take_openings(lanes, reader)?;
        self.log.renew();
        let looks_at_orders = self.looked_at_orders.elapsed() >= ORDERS_EVERY;
        if looks_at_orders {
            self.looked_at_orders = Instant::now();
        }
        let mut ready = Vec::new();
        for lane in lanes {
            let Some(outlook) = self.lanes.get_mut(&lane.lane) else { continue };
            let mut look = Look { settings, lane, outlook, log: &mut self.log };
            if look.is_ready_again(reader)? {
                ready.push(look.lane.input.clone());
            }
            look.tick()?;
            if looks_at_orders {
                look.erase(orders);
                look.sweep()?;
            }
        }
        Ok(ready)
    }

    fn take_openings(&mut self, lanes: &mut [SidecarLane], reader: &mut CaseReader) -> Result<(), Fault> {
        let (outlooks, mut fault) = (&mut self.lanes, None);
        self.follower.take(|record| {
            let place = lanes.iter().position(|lane| lane.lane.partition() == record.partition);
            let Some(lane) = place.map(|place| &mut lanes[place]).filter(|_| fault.is_none()) else { return };
            if is_opening(record) && record.value.is_some() {
                fault = learn(&mut lane.book, reader, record).err();
            }
            if let Some(outlook) = outlooks.get_mut(&lane.lane) {
                outlook.read_to = outlook.read_to.max(record.offset + 1);
            }
        })?;
        fault.map_or(Ok(()), Err)
    }
}

fn partition(topic: &str, lane: Lane) -> InputPartition {
    InputPartition { topic: topic.to_owned(), partition: lane.partition() }
}

/// One lane that is looked at.
struct Look<'l> {
    settings: &'l SidecarSettings,
    lane: &'l mut SidecarLane,
    outlook: &'l mut Outlook,
    log: &'l mut LogReader,
}

impl Look<'_> {
    fn may_ask(&mut self) -> bool {
        let may = self.outlook.asked.is_none_or(|asked| asked.elapsed() >= ASK_EVERY);
        if may {
            self.outlook.asked = Some(Instant::now());
        }
        may
    }

    /// Whether a lane that stopped goes on: its case is known now; or `cases` was read past everything that was there when the
    /// command came, and the command will be told that there is none.
    fn is_ready_again(&mut self, reader: &mut CaseReader) -> Result<bool, Fault> {
        let Some(stop) = self.lane.stop else { return Ok(false) };
        let is_ready = match stop.until {
            Until::Timed => true,
            Until::Known(id) => self.lane.book.get(id).is_some() || self.has_read_past(reader)?,
        };
        if is_ready {
            self.lane.stop = None;
            self.outlook.wait = None;
        }
        Ok(is_ready)
    }

    fn has_read_past(&mut self, reader: &mut CaseReader) -> Result<bool, Fault> {
        if !self.may_ask() {
            return Ok(false);
        }
        let cases = partition(&self.settings.topics.cases, self.lane.lane);
        let wait = match &mut self.outlook.wait {
            Some(wait) => wait,
            none => {
                // In this order: what was in the verdicts then is older than what `cases` ended with.
                let verdicts = self.log.extent(&self.lane.input)?.high;
                let high = self.log.extent(&cases)?.high;
                none.insert(Wait { since: Instant::now(), said: false, verdicts, cases: high })
            }
        };
        let stable = self.log.stable_end(&cases)?;
        if stable < wait.cases {
            if !wait.said && wait.since.elapsed() > PATIENCE {
                wait.said = true;
                tracing::warn!(partition = %cases, stable, written = wait.cases, "a command waits for a case that an open transaction may hide");
            }
            return Ok(false);
        }
        let (extent, verdicts) = (Extent { low: self.outlook.read_to, high: wait.cases }, wait.verdicts);
        let (book, mut fault) = (&mut self.lane.book, None);
        self.log.read(&cases, extent, |record| {
            if is_opening(record) && record.value.is_some() && fault.is_none() {
                fault = learn(book, reader, record).err();
            }
        })?;
        if let Some(fault) = fault {
            return Err(fault);
        }
        self.outlook.read_to = extent.high.max(extent.low);
        self.lane.sure_until = self.lane.sure_until.max(verdicts);
        Ok(true)
    }

    /// Where something is due by the clock, and no command waits: lets the clock count. A command that came before it was due
    /// is applied first, however late it is read.
    fn tick(&mut self) -> Result<(), Fault> {
        let now = self.settings.clock.now();
        let is_due = self.lane.book.next_due().is_some_and(|(at, _)| at <= now);
        if !is_due || self.lane.stop.is_some() || self.lane.tick.is_some() || !self.may_ask() {
            return Ok(());
        }
        let next = self.lane.next();
        let high = self.log.extent(&self.lane.input)?.high;
        if next >= high || self.outlook.empty_to >= high || self.is_only_markers(next, high)? {
            self.lane.tick = Some(now);
        }
        Ok(())
    }

    /// Whether nothing lies from `next` up to `high` that will ever be read. Looked at only when nothing of it came for a while.
    fn is_only_markers(&mut self, next: i64, high: i64) -> Result<bool, Fault> {
        let came_nothing = self.outlook.seen.replace((next, high)) == Some((next, high));
        if !came_nothing || self.log.stable_end(&self.lane.input)? < high {
            return Ok(false);
        }
        let mut is_empty = true;
        self.log.read(&self.lane.input, Extent { low: next, high }, |_| is_empty = false)?;
        if is_empty {
            self.outlook.empty_to = high;
        }
        Ok(is_empty)
    }

    /// Carries out orders to erase. An open case is erased once it is closed.
    fn erase(&mut self, orders: &ControlView) {
        for id in orders.erasures() {
            let is_here = id.lane(self.settings.lanes) == self.lane.lane;
            let is_open = matches!(self.lane.book.get(*id), Some(Slot::Open(_)));
            if is_here && !is_open && self.lane.removals.len() < REMOVALS_MAX && self.outlook.erased.insert(*id) {
                tracing::info!(decision = %id, "erased by order");
                self.lane.removals.push(Removal::Erased(*id));
            }
        }
    }

    /// Looks in the archive for cases that were closed longer ago than they are kept. They lie there in the order in which they
    /// were closed, so the first that is younger ends it.
    fn sweep(&mut self) -> Result<(), Fault> {
        let is_time = self.outlook.swept.is_none_or(|swept| swept.elapsed() >= SWEEP_EVERY);
        if !is_time || !self.lane.removals.is_empty() {
            return Ok(());
        }
        let archive = partition(&self.settings.topics.archive, self.lane.lane);
        let whole = self.log.extent(&archive)?;
        let end = self.log.stable_end(&archive)?;
        let low = self.outlook.swept_to.max(whole.low);
        let high = end.min(low + SWEEP_OFFSETS);
        let keep = i64::try_from(self.settings.archive_keep.as_millis()).unwrap_or(i64::MAX);
        let now = self.settings.clock.now();
        let (mut young, removals) = (None, &mut self.lane.removals);
        self.log.read(&archive, Extent { low, high }, |record| {
            let (Some(id), Some(closed_at)) = (id_of(record.key), closed_at(record.value)) else { return };
            if young.is_none() && closed_at.plus_millis(keep) <= now && removals.len() < REMOVALS_MAX {
                removals.push(Removal::OfOld(id));
            } else {
                young.get_or_insert(record.offset);
            }
        })?;
        self.outlook.swept_to = young.unwrap_or(high.max(low));
        if self.lane.removals.is_empty() && (young.is_some() || high >= end) {
            self.outlook.swept = Some(Instant::now());
        }
        Ok(())
    }
}

fn id_of(key: Option<&[u8]>) -> Option<DecisionId> {
    DecisionId::parse(std::str::from_utf8(key?).ok()?)
}

/// When the case in a record of the archive was closed; none for a tombstone.
fn closed_at(value: Option<&[u8]>) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Closed {
        closed_at: String,
    }
    let closed: Closed = serde_json::from_slice(value?).ok()?;
    Timestamp::parse(&closed.closed_at)
}
