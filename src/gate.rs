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
pub mod judge;
mod lookups;
mod partition;
mod references;
mod restore;
mod rules;
mod salt;
mod tallied;
mod tally;
pub mod window;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::config::Source;
use crate::decision::Signals;
use crate::event::{Limits, SchemaSource};
use crate::gate::emit::{Emitter, Found, Sink};
use crate::gate::judge::{Judge, Judged, Origin, Sighted};
use crate::gate::lookups::LookedUp;
use crate::gate::partition::GatePartition;
use crate::gate::tallied::{At, Tallied};
use crate::gate::tally::Tally;
use crate::gate::window::{DedupWindow, Sighting};
use crate::heads::HeadBoard;
use crate::identity::Timestamp;
use crate::lookup::Lookup;
use crate::policy::FallbackReview;
use crate::progress::Progress;
use crate::reference::References;
use crate::stream::control::ControlFollower;
use crate::stream::fault::Fault;
use crate::stream::log_reader::LogReader;
use crate::stream::processor::{InputPartition, NextOffset, Processor, Taken};
use crate::stream::record::{Incoming, Outbox};
use crate::telemetry::metrics::GateMetrics;

pub use crate::gate::emit::OutputTopics;
pub use crate::gate::references::LiveReferences;
pub use crate::gate::rules::{Rules, RulesInForce, TooLong};
pub use crate::gate::tallied::Codes;

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
    /// The policies in force.
    pub rules: Arc<RulesInForce>,
    /// Review rules of cases that no policy covers.
    pub fallback: FallbackReview,
    /// Bounds of an event.
    pub limits: Limits,
    /// Writer schemas of events in Avro.
    pub schemas: Arc<dyn SchemaSource>,
    /// What is trusted about subjects.
    pub references: Arc<dyn References>,
    /// HTTP sources of trusted facts: asked for each batch, and not by `references`.
    pub lookups: Vec<Arc<Lookup>>,
    /// Offsets that the dedup window spans.
    pub window: u32,
    /// Larger records carry their event by reference.
    pub record_bytes_max: usize,
    /// How much of an original a dead letter keeps.
    pub dead_letter_bytes_max: usize,
    /// Where committed chain heads are posted to be signed, where they are.
    pub heads: Option<Arc<HeadBoard>>,
}

/// The processor of one worker.
pub struct Gate {
    settings: Arc<GateSettings>,
    control: Arc<ControlFollower>,
    metrics: Arc<GateMetrics>,
    judge: Judge,
    /// What this turn is decided by.
    rules: Arc<Rules>,
    /// Whether a turn has begun, in which no other rules may come.
    in_turn: bool,
    emitter: Emitter,
    partitions: Vec<GatePartition>,
    tally: Tally,
    tallied: Tallied,
    /// What HTTP sources said for the events of this batch.
    looked_up: LookedUp,
}

impl Gate {
    /// A gate that holds no partition yet.
    #[must_use]
    pub fn new(settings: Arc<GateSettings>, control: Arc<ControlFollower>, metrics: Arc<GateMetrics>) -> Self {
        let rules = settings.rules.current();
        let mut gate = Self {
            judge: Judge::new(settings.limits, Arc::clone(&settings.schemas)),
            emitter: Emitter::new(&settings),
            tally: Tally::new(&metrics),
            tallied: Tallied::default(),
            rules: Arc::clone(&rules),
            in_turn: false,
            looked_up: LookedUp::new(&settings),
            settings,
            control,
            metrics,
            partitions: Vec::new(),
        };
        gate.adopt(rules);
        gate
    }

    /// Holds `partition` of the source at the place `source` as if its log began now, without asking any log: for measuring.
    pub(crate) fn begin_empty(&mut self, source: usize, partition: i32) {
        let input = InputPartition { topic: self.settings.sources[source].topic.clone(), partition };
        let window = DedupWindow::new(self.settings.window);
        self.partitions.push(GatePartition::new(&input, (source, &self.settings), &Progress::beginning(0, 1), window, None));
    }

    fn adopt(&mut self, rules: Arc<Rules>) {
        self.judge.adopt(rules.set.plan());
        self.tally.adopt(&rules);
        self.rules = rules;
    }

    /// At the first record of a turn the rules that are in force now are taken up, so that one transaction is decided by one
    /// set of policies.
    fn begin_turn(&mut self) {
        if !std::mem::replace(&mut self.in_turn, true) {
            let rules = self.settings.rules.current();
            if !Arc::ptr_eq(&rules, &self.rules) {
                self.adopt(rules);
            }
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
        let taken = restore::take(&self.settings, &self.control, self.judge.decoder(), partition, log)?;
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

    fn foresee(&mut self, records: &mut dyn Iterator<Item = Incoming<'_>>) {
        if self.looked_up.is_idle() {
            return;
        }
        self.begin_turn();
        for record in records {
            let Some(place) = self.place(record.topic, record.partition) else { continue };
            let held = &self.partitions[place];
            if record.offset < held.position.next() {
                continue;
            }
            let source = &self.settings.sources[held.source].name;
            if let Ok(event) = self.judge.decoder().decode(record.value.unwrap_or_default()) {
                self.looked_up.want(source, &event, &self.rules.set);
            }
        }
        self.looked_up.ask();
    }

    fn wants_turn(&self) -> bool {
        self.partitions.iter().any(GatePartition::has_opening)
    }

    fn process(&mut self, record: &Incoming<'_>, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        let Some(place) = self.place(record.topic, record.partition) else {
            let sentence = format!("a record of {}/{} came, which this worker does not hold", record.topic, record.partition);
            return Err(Fault::rebuild("other", sentence));
        };
        if record.offset < self.partitions[place].position.next() {
            // Decided before: a rewind that went further back than it had to.
            return Ok(());
        }
        self.begin_turn();
        let held = &mut self.partitions[place];
        let now = wall_clock();
        held.open(now, &self.settings, &mut self.emitter, outbox)?;
        let source = &self.settings.sources[held.source].name;
        let origin = Origin { source, partition: record.partition, prefix: held.prefix };
        let sighting = Sighting { offset: record.offset, appended_at: record.appended_at };
        let sighted = Sighted::new(origin, sighting, record.value.unwrap_or_default(), now);
        self.tally.consumed(held.source, record.appended_at, now);
        let control = self.control.current();
        let signals = Signals {
            control: control.as_ref().map(|view| &view.control),
            monitor: control.as_ref().map(|view| &view.signals),
            fallback_band: self.settings.fallback.band,
            references: &self.looked_up,
        };
        let began = Instant::now();
        let judged = self.judge.judge(&sighted, &mut held.window, &self.rules.set, signals, &mut || began.elapsed());
        let Sighted { id: decision_id, sha256, .. } = sighted;
        let found = Found { record, now, sha256, decision_id, source, rules: &self.rules };
        let sink = Sink { chain: &mut held.chain, outbox };
        match judged {
            Judged::Duplicate { event_id, of } => {
                self.tally.duplicate(held.source);
                self.emitter.duplicate(&found, event_id, of, sink)?;
            }
            Judged::Decided(verdict) => {
                self.tally.decided(held.source, &verdict, &self.rules);
                if let Err(unreadable) = &verdict.event {
                    self.tally.dead_letter(held.source, unreadable.code);
                }
                self.emitter.decided(&found, &verdict, sink)?;
                self.tally.reached(self.emitter.reached());
                let at = At { source: (source, held.source), partition: record.partition, offset: record.offset };
                self.tallied.decided(at, &verdict, (&self.rules, &self.settings.topics.tallies), outbox)?;
            }
        }
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
        let Self { settings, rules, tallied, .. } = self;
        tallied.finish(rules, &settings.topics.tallies, |source| &settings.sources[source].name, outbox)
    }

    fn next_offset(&self, partition: &InputPartition) -> Option<NextOffset<'_>> {
        let held = &self.partitions[self.place(&partition.topic, partition.partition)?];
        Some(NextOffset { offset: held.position.next(), note: &self.settings.sources[held.source].name })
    }

    fn committed(&mut self) {
        self.in_turn = false;
        for held in self.partitions.iter_mut().filter(|held| held.position.is_touched()) {
            held.commit();
            if let (Some(board), Some(head)) = (&self.settings.heads, held.chain.head()) {
                board.publish(held.chain.id(), head);
            }
        }
        self.tally.commit(wall_clock(), &self.metrics, &self.rules);
    }

    fn rolled_back(&mut self) {
        self.in_turn = false;
        for held in &mut self.partitions {
            held.roll_back();
        }
        self.tally.roll_back();
        self.tallied.roll_back();
    }

    fn halted(&self) -> bool {
        self.control.is_halted()
    }
}

#[cfg(test)]
mod tests;
