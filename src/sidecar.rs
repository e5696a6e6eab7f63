//! The sidecar: verdict → state. How the case's state machine hangs on a stream.
//!
//! ```text
//! verdicts[k] ─→ Command ─→ signed? ─→ known? ─→ judge ─┬→ refused: entry                                        (one
//! cases[k] ────→ CaseBook (restored, then followed) ────┴→ taken: entry, case ─┬→ escalated: review            transaction
//! time ────────→ due? ─────────────────────────────────────────────────────────└→ closed: disposition, archive   a turn)
//! ```
//!
//! Owning partition k of the verdicts means owning lane k: its cases, its chain, its time. A lane is restored from `cases`
//! and `progress` when it is assigned (`restore`), and nothing is known of it that is not in those topics.

mod authority;
mod book;
mod census;
mod clock;
mod emit;
mod lane;
mod restore;
mod surroundings;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use crate::case::{CaseReader, CommandBounds, CommandsMax};
use crate::heads::HeadBoard;
use crate::sidecar::emit::Emitter;
use crate::sidecar::lane::{Hands, SidecarLane};
use crate::sidecar::restore::Restored;
use crate::sidecar::surroundings::Surroundings;
use crate::sidecar::tally::Tally;
use crate::stream::client::ClientSettings;
use crate::stream::control::ControlFollower;
use crate::stream::fault::Fault;
use crate::stream::log_reader::LogReader;
use crate::stream::processor::{InputPartition, NextOffset, Processor, Taken};
use crate::stream::record::{Incoming, Outbox};
use crate::telemetry::metrics::Metrics;

pub use crate::sidecar::authority::Authority;
pub use crate::sidecar::clock::Clock;
pub use crate::sidecar::emit::SidecarTopics;

/// What the group's offsets are committed for.
const CASES_NOTE: &str = "verdicts";

/// What a sidecar is told.
pub struct SidecarSettings {
    /// How to reach Kafka for reading besides the input.
    pub clients: ClientSettings,
    /// Names of the topics.
    pub topics: SidecarTopics,
    /// How many lanes there are.
    pub lanes: u16,
    /// How many partitions of `reviews` a band has.
    pub spread: u16,
    /// Whose commands count.
    pub authority: Authority,
    /// How long a command may be.
    pub bounds: CommandBounds,
    /// How many commands a case takes.
    pub commands_max: CommandsMax,
    /// How long closed cases stay in `cases`.
    pub keep_closed: Duration,
    /// How long closed cases stay in `archive`.
    pub archive_keep: Duration,
    /// So many things time does in one turn at most: what a batch takes of commands.
    pub timed_max: usize,
    /// How late it is.
    pub clock: Clock,
    /// Where committed chain heads are posted to be signed, where they are.
    pub heads: Option<Arc<HeadBoard>>,
}

/// The processor. One in a process.
pub struct Sidecar {
    settings: Arc<SidecarSettings>,
    control: Arc<ControlFollower>,
    reader: CaseReader,
    emitter: Emitter,
    lanes: Vec<SidecarLane>,
    surroundings: Surroundings,
    tally: Tally,
    timed_left: usize,
}

impl Sidecar {
    /// A sidecar that owns no lane yet.
    ///
    /// # Errors
    /// Where no Kafka client can be made of the settings.
    pub fn new(settings: Arc<SidecarSettings>, control: Arc<ControlFollower>, metrics: &Arc<Metrics>) -> Result<Self, Fault> {
        Ok(Self {
            emitter: Emitter::new(settings.topics.clone(), settings.spread),
            surroundings: Surroundings::new(&settings)?,
            tally: Tally::new(metrics),
            timed_left: settings.timed_max,
            reader: CaseReader::default(),
            lanes: Vec::new(),
            settings,
            control,
        })
    }

    fn place(&self, topic: &str, partition: i32) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.input.partition == partition && lane.input.topic == topic)
    }
}

/// The lanes, and what they share in a turn, borrowed apart.
fn hands<'h>(
    settings: &'h SidecarSettings,
    (emitter, tally): (&'h mut Emitter, &'h mut Tally),
    timed_left: &'h mut usize,
    outbox: &'h mut dyn Outbox,
) -> Hands<'h> {
    Hands { settings, emitter, tally, outbox, timed_left }
}

impl Processor for Sidecar {
    fn take(&mut self, partition: &InputPartition, log: &mut LogReader) -> Result<Taken, Fault> {
        self.lose(partition);
        match restore::take(&self.settings, &self.control, &mut self.reader, partition, log)? {
            Restored::Ready(lane, read_to) => {
                let offset = lane.next();
                self.surroundings.follow(&self.settings, lane.lane, read_to)?;
                self.tally.restored(&lane.book);
                self.lanes.push(*lane);
                Ok(Taken::ReadFrom(offset))
            }
            Restored::Wait(reason) => Ok(Taken::Wait(reason)),
        }
    }

    fn lose(&mut self, partition: &InputPartition) {
        if let Some(place) = self.place(&partition.topic, partition.partition) {
            let lane = self.lanes.remove(place);
            self.surroundings.leave(&self.settings, lane.lane);
        }
    }

    fn look_around(&mut self) -> Result<Vec<InputPartition>, Fault> {
        let ready = self.surroundings.look(&self.settings, &mut self.lanes, &mut self.reader, &self.control.orders().control)?;
        self.tally.show(&self.lanes, self.settings.clock.now());
        Ok(ready)
    }

    fn stopped_at(&self, partition: &InputPartition) -> Option<i64> {
        let lane = &self.lanes[self.place(&partition.topic, partition.partition)?];
        lane.stop.map(|stop| stop.offset)
    }

    fn wants_turn(&self) -> bool {
        self.lanes.iter().any(SidecarLane::wants_turn)
    }

    fn process(&mut self, record: &Incoming<'_>, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        let Some(place) = self.place(record.topic, record.partition) else {
            let sentence = format!("a record of {}/{} came, which this sidecar does not hold", record.topic, record.partition);
            return Err(Fault::rebuild("other", sentence));
        };
        let mut hands = hands(&self.settings, (&mut self.emitter, &mut self.tally), &mut self.timed_left, outbox);
        self.lanes[place].process(record, &mut hands)
    }

    fn finish(&mut self, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        let mut hands = hands(&self.settings, (&mut self.emitter, &mut self.tally), &mut self.timed_left, outbox);
        self.lanes.iter_mut().try_for_each(|lane| lane.finish(&mut hands))
    }

    fn next_offset(&self, partition: &InputPartition) -> Option<NextOffset<'_>> {
        let lane = &self.lanes[self.place(&partition.topic, partition.partition)?];
        Some(NextOffset { offset: lane.next(), note: CASES_NOTE })
    }

    fn committed(&mut self) {
        self.timed_left = self.settings.timed_max;
        for lane in &mut self.lanes {
            lane.commit();
            if let (Some(board), Some(head)) = (&self.settings.heads, lane.chain().head()) {
                board.publish(lane.chain().id(), head);
            }
        }
        self.tally.commit();
    }

    fn rolled_back(&mut self) {
        self.timed_left = self.settings.timed_max;
        for lane in &mut self.lanes {
            lane.roll_back();
        }
        self.tally.roll_back();
    }
}

#[cfg(test)]
mod tests;
