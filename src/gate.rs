//! The gate: inference event → decision. How the pure parts hang on a stream.
//!
//! ```text
//! record → decode → seen before? → policy → evaluate → audit entry → disposition ┬→ (held) case, review
//!             └─ unreadable ─────────────────────────→ held                      └→ (unreadable) dead letter
//! ```
//!
//! One [`Gate`] lives in each worker. It keeps of the past only its partitions' dedup windows and chain heads, all of
//! which are rebuilt from the log when a partition is assigned (`restore`).

mod emit;
mod partition;
mod restore;
mod salt;
mod tally;
pub mod window;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::config::Source;
use crate::decision::{Decision, Signals, Subject, evaluate};
use crate::event::{Decoder, Limits, Plan};
use crate::gate::emit::{Decided, Emitter, Found, Sink};
use crate::gate::partition::GatePartition;
use crate::gate::tally::Tally;
use crate::gate::window::{EventKey, Seen, Sighting};
use crate::identity::{DecisionId, Hash, RecordId, Timestamp};
use crate::policy::{FallbackReview, PolicySet};
use crate::stream::control::ControlFollower;
use crate::stream::fault::Fault;
use crate::stream::log_reader::LogReader;
use crate::stream::processor::{InputPartition, NextOffset, Processor, Taken};
use crate::stream::record::{Incoming, Outbox};
use crate::telemetry::metrics::GateMetrics;

pub use crate::gate::emit::OutputTopics;

/// What all gates of a process share.
pub struct GateSettings {
    /// Inputs.
    pub sources: Vec<Source>,
    /// Names of the topics written to.
    pub topics: OutputTopics,
    /// How many lanes there are.
    pub lanes: u16,
    /// How many partitions of `reviews` a band has.
    pub spread: u16,
    /// Active policies.
    pub policies: PolicySet,
    /// Review rules of cases that no policy covers.
    pub fallback: FallbackReview,
    /// Bounds of an event.
    pub limits: Limits,
    /// Offsets that the dedup window spans.
    pub window: u32,
    /// Larger records carry their event by reference.
    pub record_bytes_max: usize,
    /// How much of an original a dead letter keeps.
    pub dead_letter_bytes_max: usize,
}

/// The processor of one worker.
pub struct Gate {
    settings: Arc<GateSettings>,
    control: Arc<ControlFollower>,
    metrics: Arc<GateMetrics>,
    decoder: Decoder,
    decision: Decision,
    emitter: Emitter,
    partitions: Vec<GatePartition>,
    tally: Tally,
}

impl Gate {
    /// A gate that holds no partition yet.
    #[must_use]
    pub fn new(settings: Arc<GateSettings>, control: Arc<ControlFollower>, metrics: Arc<GateMetrics>) -> Self {
        Self {
            decoder: Decoder::new(Arc::new(Plan::default()), settings.limits),
            emitter: Emitter::new(&settings),
            tally: Tally::new(&settings, &metrics),
            settings,
            control,
            metrics,
            decision: Decision::default(),
            partitions: Vec::new(),
        }
    }

    fn place(&self, topic: &str, partition: i32) -> Option<usize> {
        self.partitions.iter().position(|held| held.input.partition == partition && held.input.topic == topic)
    }
}

/// The wall clock, as records show it.
fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

impl Processor for Gate {
    fn take(&mut self, partition: &InputPartition, log: &mut LogReader) -> Result<Taken, Fault> {
        self.lose(partition);
        let taken = restore::take(&self.settings, &self.control, &mut self.decoder, partition, log)?;
        match taken {
            restore::Restored::Ready(held) => {
                let offset = held.position.next();
                self.partitions.push(*held);
                Ok(Taken::ReadFrom(offset))
            }
            restore::Restored::Wait(reason) => Ok(Taken::Wait(reason)),
        }
    }

    fn lose(&mut self, partition: &InputPartition) {
        self.partitions.retain(|held| held.input != *partition);
    }

    fn wants_turn(&self) -> bool {
        self.partitions.iter().any(GatePartition::has_opening)
    }

    fn process(&mut self, record: &Incoming<'_>, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        let Some(place) = self.place(record.topic, record.partition) else {
            let sentence = format!("a record of {}/{} came, which this worker does not hold", record.topic, record.partition);
            return Err(Fault::rebuild("other", sentence));
        };
        let held = &mut self.partitions[place];
        if record.offset < held.position.next() {
            // Decided before: a rewind that went further back than it had to.
            return Ok(());
        }
        let now = wall_clock();
        held.open(now, &self.settings, &mut self.emitter, outbox)?;
        let bytes = record.value.unwrap_or_default();
        let sha256 = Hash::of(bytes);
        let source = &self.settings.sources[held.source];
        let prefix = held.prefix;
        let id_of = |offset, appended_at_ms| {
            let at = RecordId { source: &source.name, partition: record.partition, offset, appended_at_ms, row: 0 };
            DecisionId::with_prefix(prefix, at)
        };
        let found =
            Found { record, now, sha256, decision_id: id_of(record.offset, record.appended_at_ms()), source: &source.name };
        self.tally.consumed(held.source, record.appended_at, now);

        let began = Instant::now();
        let mut meter = || began.elapsed();
        let control = self.control.current();
        let signals = Signals { control: control.as_ref().map(|view| &***view), fallback_band: self.settings.fallback.band };
        let event = self.decoder.decode(bytes);
        let (subject, conflicts_with) = match &event {
            Err(unreadable) => (Subject::Unreadable(unreadable.code), None),
            Ok(event) => {
                let sighting = Sighting { offset: record.offset, appended_at: record.appended_at };
                let seen = held.window.see(EventKey::of(event.event_id(), 0), sha256, sighting);
                let id_before = |before: Sighting| id_of(before.offset, before.appended_at.map_or(0, |time| time.0));
                if let Seen::Same(before) = seen {
                    self.tally.duplicate(held.source);
                    let sink = Sink { chain: &mut held.chain, outbox };
                    self.emitter.duplicate(&found, event.event_id(), id_before(before), sink)?;
                    held.position.advance(record, sha256);
                    return Ok(());
                }
                let conflicts_with = if let Seen::Other(before) = seen { Some(id_before(before)) } else { None };
                let policy = self.settings.policies.matching(&source.name, event.model_name(), event.model_version());
                (Subject::Event { event, policy, conflicting: conflicts_with.is_some() }, conflicts_with)
            }
        };
        evaluate(subject, record.appended_at, signals, now, &mut meter, &mut self.decision);
        self.tally.decided(held.source, subject.policy(), &self.decision, conflicts_with);
        if let Err(unreadable) = &event {
            self.tally.dead_letter(held.source, unreadable.code);
        }
        let decided = Decided { event: event.as_ref(), policy: subject.policy(), conflicts_with, decision: &self.decision };
        self.emitter.decided(&found, &decided, Sink { chain: &mut held.chain, outbox })?;
        self.tally.reached(self.emitter.reached());
        held.position.advance(record, sha256);
        Ok(())
    }

    fn finish(&mut self, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        let now = wall_clock();
        for held in &mut self.partitions {
            held.open(now, &self.settings, &mut self.emitter, outbox)?;
            if held.position.is_touched() {
                self.emitter.progress(held, outbox)?;
            }
        }
        Ok(())
    }

    fn next_offset(&self, partition: &InputPartition) -> Option<NextOffset<'_>> {
        let held = &self.partitions[self.place(&partition.topic, partition.partition)?];
        Some(NextOffset { offset: held.position.next(), note: &self.settings.sources[held.source].name })
    }

    fn committed(&mut self) {
        for held in &mut self.partitions {
            held.commit();
        }
        self.tally.commit(wall_clock(), &self.metrics);
    }

    fn rolled_back(&mut self) {
        for held in &mut self.partitions {
            held.roll_back();
        }
        self.tally.roll_back();
    }

    fn halted(&self) -> bool {
        self.control.is_halted()
    }
}

#[cfg(test)]
mod tests;
