//! What a gate keeps of one input partition: position, chain, window. All of it falls back with the transaction.

use crate::audit::{Chain, GapCause};
use crate::gate::GateSettings;
use crate::gate::emit::{Emitter, Sink};
use crate::gate::window::DedupWindow;
use crate::identity::{Hash, Lane, LanePrefix, Timestamp};
use crate::progress::Progress;
use crate::stream::fault::Fault;
use crate::stream::processor::InputPartition;
use crate::stream::record::{Incoming, Outbox};

/// One input partition in a gate's hands.
pub(super) struct GatePartition {
    pub input: InputPartition,
    /// Its key in `progress`.
    pub key: String,
    /// Place of its source in the settings.
    pub source: usize,
    pub prefix: LanePrefix,
    pub lane: Lane,
    pub chain: Chain,
    pub window: DedupWindow,
    pub position: Position,
    /// What is written before its first record: offsets that will never be read, or only where it stands.
    pub opening: Option<Opening>,
    opened: bool,
    partitions_at_start: i32,
    window_from: i64,
}

/// The first thing written about a partition after it was taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Opening {
    /// The offsets that are skipped, first and last, and why; none where nothing is.
    pub gap: Option<(i64, i64, GapCause)>,
}

/// Where a partition stands, committed and staged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Position {
    committed: Mark,
    staged: Mark,
    touched: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Mark {
    decided_through: i64,
    sha256: Option<Hash>,
    appended_at: Option<Timestamp>,
}

impl Position {
    /// After the record of `progress`.
    pub fn after(progress: &Progress) -> Self {
        let mark = Mark { decided_through: progress.decided_through, sha256: progress.sha256, appended_at: progress.appended_at };
        Self { committed: mark, staged: mark, touched: false }
    }

    /// The offset to read next: last handled + 1, here and nowhere else.
    pub fn next(&self) -> i64 {
        self.staged.decided_through + 1
    }

    /// Whether this transaction changes it.
    pub fn is_touched(&self) -> bool {
        self.touched
    }

    /// `record` was handled.
    pub fn advance(&mut self, record: &Incoming<'_>, sha256: Hash) {
        self.staged = Mark { decided_through: record.offset, sha256: Some(sha256), appended_at: record.appended_at };
        self.touched = true;
    }
}

impl GatePartition {
    pub fn new(
        input: &InputPartition,
        (source, settings): (usize, &GateSettings),
        progress: &Progress,
        window: DedupWindow,
        opening: Option<Opening>,
    ) -> Self {
        let name = &settings.sources[source].name;
        let prefix = LanePrefix::of(name, input.partition);
        Self {
            key: crate::progress::key(name, input.partition),
            source,
            prefix,
            lane: prefix.lane(settings.lanes),
            chain: Chain::resume(format!("gate/{name}/{}", input.partition), progress.chain),
            window,
            position: Position::after(progress),
            opening,
            opened: false,
            partitions_at_start: progress.partitions_at_start,
            window_from: progress.window_from,
            input: input.clone(),
        }
    }

    /// Whether something is to be written before a first record comes.
    pub fn has_opening(&self) -> bool {
        self.opening.is_some()
    }

    /// Writes the opening, once.
    pub fn open(
        &mut self,
        now: Timestamp,
        settings: &GateSettings,
        emitter: &mut Emitter,
        outbox: &mut dyn Outbox,
    ) -> Result<(), Fault> {
        let Some(opening) = self.opening.as_ref().filter(|_| !self.opened) else { return Ok(()) };
        self.opened = true;
        self.position.touched = true;
        match &opening.gap {
            Some((first, last, cause)) => {
                let source = &settings.sources[self.source].name;
                emitter.gap(
                    (source, self.lane),
                    &self.input,
                    (*first, *last),
                    (cause, now),
                    Sink { chain: &mut self.chain, outbox },
                )
            }
            None => Ok(()),
        }
    }

    /// What `progress` will say once this transaction is committed.
    pub fn progress(&self) -> Progress {
        Progress {
            decided_through: self.position.staged.decided_through,
            sha256: self.position.staged.sha256,
            appended_at: self.position.staged.appended_at,
            chain: self.chain.head(),
            partitions_at_start: self.partitions_at_start,
            window_from: self.window_from,
        }
    }

    pub fn commit(&mut self) {
        self.position.committed = self.position.staged;
        self.position.touched = false;
        self.chain.commit();
        self.window.commit(self.position.next());
        if self.opened {
            self.opening = None;
        }
    }

    pub fn roll_back(&mut self) {
        self.position.staged = self.position.committed;
        self.position.touched = false;
        self.chain.roll_back();
        self.window.roll_back();
        self.opened = false;
    }
}
