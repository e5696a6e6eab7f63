//! Replaying: recorded events judged again by the gate's own code, with nothing written anywhere.
//!
//! ```text
//! record ─→ Replay ─→ Replayed ─┬→ Tally        what one set of policies decides
//!          (window,             ├→ DECIDED      as the gate would write it
//!           chain)              ├→ Comparison   two sets of policies on the same events
//!                               └→ Fixture      was it decided as expected?
//! ```
//!
//! The moment of deciding is the record's append time, or in a file the event's own; the time spent is zero. So the same
//! input gives the same bytes, whenever and wherever it is replayed. Memory is bounded by the dedup window and by what a
//! report shows, however long the input is.

mod comparison;
mod fixture;
mod labels;
mod proposal;
mod subgroups;
mod tally;
mod watched;

pub use comparison::{Comparison, Difference, Example, Side, TriggerCounts, TwoSets};
pub use fixture::{Came, Expected, Failure, Fixture, Mistake, Tried};
pub use labels::{Label, Labels};
pub use proposal::{DECISIONS_MAX, GROUPS_MAX, GroupCalibration, Proposal, Proposals, Proposed, Report, Share};
pub use subgroups::{Attribute, Held, Subgroups};
pub use tally::{FindingCounts, Tally};
use watched::Watched;
pub use watched::{Incidents, Noticed};

use std::sync::Arc;
use std::time::Duration;

use crate::audit::{AppendTimeType, Chain, InputRecord, entry_hash, write_decided_in_detail};
use crate::control::ControlView;
use crate::decision::{Signals, TriggerResult};
use crate::event::{Decoder, Limits, Plan, SchemaSource, Schemas};
use crate::gate::judge::{Judge, Judged, Origin, Sighted, Verdict};
use crate::gate::window::{DedupWindow, EventKey, Sighting};
use crate::identity::{Hash, LanePrefix, Timestamp};
use crate::policy::{FallbackReview, PolicySet};
use crate::reference::{NoReferences, References};

/// The bounds and defaults that a gate would have from its configuration.
#[derive(Clone)]
pub struct Terms {
    /// What an event may be at most.
    pub limits: Limits,
    /// Offsets that the dedup window spans.
    pub window: u32,
    /// Review rules of cases that no policy covers.
    pub fallback: FallbackReview,
    /// Writer schemas of events in Avro.
    pub schemas: Arc<dyn SchemaSource>,
    /// What is trusted about subjects.
    pub references: Arc<dyn References>,
}

impl Default for Terms {
    /// Those of a configuration that says nothing of them.
    fn default() -> Self {
        let schemas = Arc::new(Schemas::default());
        let references = Arc::new(NoReferences);
        Self { limits: Limits::default(), window: 100_000, fallback: FallbackReview::default(), schemas, references }
    }
}

/// What records come from: a partition of a topic, or a file, which counts as partition 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Log {
    /// Configured name of the input: the first part of every decision's identity.
    pub source: String,
    /// The topic or the file.
    pub topic: String,
    /// Partition of it.
    pub partition: i32,
}

/// One record of a log.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its offset; in a file its line, from 0.
    pub offset: i64,
    /// When it was appended.
    pub appended_at: Option<Timestamp>,
    /// Whose clock that is.
    pub appended_at_type: AppendTimeType,
    /// Its value: nothing for null.
    pub bytes: &'a [u8],
}

/// Makes records of the lines of files, whose time is the event's own `timestamp`.
pub struct FileRecords {
    decoder: Decoder,
}

impl FileRecords {
    /// Lines are read as events within `limits`.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { decoder: Decoder::new(Arc::new(Plan::default()), limits) }
    }

    /// The record that `line` is, the number `offset` of its file from 0. Without a time where the event has none or
    /// cannot be read.
    pub fn record<'a>(&mut self, offset: i64, line: &'a [u8]) -> Record<'a> {
        let appended_at = self.decoder.decode(line).ok().and_then(|event| event.timestamp());
        Record { offset, appended_at, appended_at_type: AppendTimeType::File, bytes: line }
    }
}

/// Judges the records of one log after the other by one set of policies.
pub struct Replay {
    set: PolicySet,
    terms: Terms,
    /// Nothing was ordered.
    control: ControlView,
    judge: Judge,
    watched: Watched,
    window: DedupWindow,
    log: Log,
    prefix: LanePrefix,
    chain: Chain,
}

impl Replay {
    /// Replays by the policies of `set`, from the beginning of `log`.
    #[must_use]
    pub fn new(set: PolicySet, terms: Terms, log: Log) -> Self {
        let mut judge = Judge::new(terms.limits, Arc::clone(&terms.schemas)).in_detail();
        judge.adopt(set.plan());
        Self {
            judge,
            watched: Watched::new(&set),
            window: DedupWindow::new(terms.window),
            prefix: LanePrefix::of(&log.source, log.partition),
            chain: chain_of(&log),
            control: ControlView::default(),
            set,
            terms,
            log,
        }
    }

    /// The policies.
    #[must_use]
    pub fn set(&self) -> &PolicySet {
        &self.set
    }

    /// What comes now is from `log`, in which nothing was seen yet. Its entries have a chain of their own, unless it has the
    /// source and partition of the log before, as files have.
    pub fn begin(&mut self, log: Log) {
        self.window = DedupWindow::new(self.terms.window);
        if (&log.source, log.partition) != (&self.log.source, self.log.partition) {
            self.chain = chain_of(&log);
            self.prefix = LanePrefix::of(&log.source, log.partition);
        }
        self.log = log;
    }

    /// Remembers the event of `record`, which lies before what is judged, as a gate does that goes on after a restart.
    pub fn remember(&mut self, record: &Record<'_>) {
        if let Ok(event) = self.judge.decoder().decode(record.bytes) {
            let sighting = Sighting { offset: record.offset, appended_at: record.appended_at };
            self.window.see(EventKey::of(event.event_id(), 0), Hash::of(record.bytes), sighting);
            self.window.commit(record.offset + 1);
        }
    }

    /// Judges `record`. Offsets rise from call to call within a log.
    pub fn judge<'a>(&'a mut self, record: &Record<'a>) -> Replayed<'a> {
        let Log { source, topic, partition } = &self.log;
        let origin = Origin { source, partition: *partition, prefix: self.prefix };
        let sighting = Sighting { offset: record.offset, appended_at: record.appended_at };
        let sighted = Sighted::new(origin, sighting, record.bytes, record.appended_at.unwrap_or_default());
        let input = InputRecord {
            source,
            topic,
            partition: *partition,
            offset: record.offset,
            appended_at: record.appended_at,
            appended_at_type: record.appended_at_type,
            sha256: sighted.sha256,
            row: 0,
        };
        // What is out of the window's reach is dropped; nothing here ever falls back.
        self.window.commit(record.offset);
        let signals = Signals {
            control: Some(&self.control),
            monitor: Some(self.watched.signals()),
            fallback_band: self.terms.fallback.band,
            references: &*self.terms.references,
        };
        let judged = self.judge.judge(&sighted, &mut self.window, &self.set, signals, &mut || Duration::ZERO);
        match &judged {
            Judged::Decided(verdict) => self.watched.fold(verdict, sighted.now),
            Judged::Duplicate { .. } => self.watched.nothing(),
        }
        Replayed { sighted, judged, input, chain: &mut self.chain, watched: &mut self.watched }
    }
}

fn chain_of(log: &Log) -> Chain {
    Chain::resume(format!("gate/{}/{}", log.source, log.partition), None)
}

/// What became of one record.
#[derive(Debug)]
pub struct Replayed<'a> {
    /// The record.
    pub sighted: Sighted<'a>,
    /// What became of it.
    pub judged: Judged<'a>,
    watched: &'a mut Watched,
    input: InputRecord<'a>,
    chain: &'a mut Chain,
}

impl<'a> Replayed<'a> {
    /// The decision; none about a duplicate.
    #[must_use]
    pub fn verdict(&self) -> Option<&Verdict<'a>> {
        match &self.judged {
            Judged::Duplicate { .. } => None,
            Judged::Decided(verdict) => Some(verdict),
        }
    }

    /// The incidents that it opened or closed.
    #[must_use]
    pub fn noticed(&self) -> &[Noticed] {
        self.watched.noticed()
    }

    /// Appends the DECIDED entry, with the details of each trigger's result, and takes it into the chain; then, each in a line
    /// of its own, the entries about the incidents that it opened or closed. Nothing for a duplicate. Called at most once a
    /// record.
    pub fn write_entry(&mut self, out: &mut Vec<u8>) {
        let Judged::Decided(verdict) = &self.judged else { return };
        let start = out.len();
        let decided = verdict.entry(self.sighted.id, self.sighted.now, self.input, self.chain.next());
        write_decided_in_detail(out, &decided, verdict.readable());
        self.chain.advance(entry_hash(&out[start..]));
        self.watched.write_entries(out, self.sighted.now);
    }
}

/// A finding, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason {
    /// Id of the trigger or built-in finding.
    pub trigger: String,
    /// What was found, or why nothing could be.
    pub sentence: String,
}

/// Why it was decided so: every hit, error and timeout.
fn reasons(verdict: &Verdict<'_>) -> Vec<Reason> {
    let findings = verdict.decision.results.iter().filter(|result| result.is_finding());
    let reason = |result: &TriggerResult| {
        let mut sentence = String::new();
        verdict.decision.sentence(result, verdict.policy, &mut sentence);
        Reason { trigger: result.id(verdict.policy).to_owned(), sentence }
    };
    findings.map(reason).collect()
}
