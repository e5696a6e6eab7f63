//! Taking over a lane: where to go on, and which cases there are.
//!
//! `progress` alone says where to go on. The group's offset fences and shows lag; that it exists although there is no
//! progress means that progress was lost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::audit::ChainHead;
use crate::case::CaseReader;
use crate::identity::{DecisionId, Hash, Lane};
use crate::progress::{LaneProgress, lane_key};
use crate::sidecar::book::CaseBook;
use crate::sidecar::lane::{Opening, SidecarLane};
use crate::sidecar::{CASES_NOTE, SidecarSettings};
use crate::stream::control::ControlFollower;
use crate::stream::fault::Fault;
use crate::stream::log_reader::{Extent, LogReader};
use crate::stream::processor::InputPartition;
use crate::stream::record::Incoming;

/// So many keys with a record that is no case are remembered, to see whether a later record sets it right.
const FAULTS_MAX: usize = 1_000;
/// How often a long restore says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(1);

/// What became of taking a lane.
pub(super) enum Restored {
    /// It can be read; its cases are known up to this offset of `cases`.
    Ready(Box<SidecarLane>, i64),
    /// It cannot, for this reason.
    Wait(String),
}

/// Restores the lane whose verdicts lie in `input`.
pub(super) fn take(
    settings: &SidecarSettings,
    control: &ControlFollower,
    reader: &mut CaseReader,
    input: &InputPartition,
    log: &mut LogReader,
) -> Result<Restored, Fault> {
    let lane = u16::try_from(input.partition).ok().filter(|lane| *lane < settings.lanes).map(Lane);
    let unknown = || Fault::stop("topics", format!("{input} was assigned, but there are only {} lanes", settings.lanes));
    Taking { settings, lane: lane.ok_or_else(unknown)?, input, log }.run(control, reader)
}

/// One lane that is being taken.
struct Taking<'t> {
    settings: &'t SidecarSettings,
    lane: Lane,
    input: &'t InputPartition,
    log: &'t mut LogReader,
}

impl Taking<'_> {
    fn run(&mut self, control: &ControlFollower, reader: &mut CaseReader) -> Result<Restored, Fault> {
        let extent = self.log.extent(self.input)?;
        let (progress, opening) = match self.own_progress()? {
            None => (self.first_start(extent)?, Some(Opening { lost: None })),
            Some(progress) => {
                let next = progress.applied_through + 1;
                if extent.high < next {
                    let how = format!("its log ends at offset {}, but {next} verdicts were applied", extent.high);
                    return Err(self.recreated(&how));
                }
                if extent.low > next {
                    match self.accepted_loss(control, next, extent) {
                        Ok((to, by)) => (skipped(&progress, to), Some(Opening { lost: Some((next, to - 1, by)) })),
                        Err(reason) => return Ok(Restored::Wait(reason)),
                    }
                } else {
                    self.check_last_record(&progress, extent)?;
                    // Offsets that were reset or expired are set right at once, and not only when the next command comes.
                    let is_shown = self.log.group_offset(self.input, CASES_NOTE)? == Some(next);
                    (progress, (!is_shown).then_some(Opening { lost: None }))
                }
            }
        };
        let (book, read_to) = self.cases(reader)?;
        let mut lane = SidecarLane::new(self.input, self.lane, &progress, book, opening);
        // Whatever came before the cases were read.
        lane.sure_until = extent.high;
        Ok(Restored::Ready(Box::new(lane), read_to))
    }

    fn partition(&self, topic: &str) -> InputPartition {
        InputPartition { topic: topic.to_owned(), partition: self.lane.partition() }
    }

    /// The latest progress of the lane.
    fn own_progress(&mut self) -> Result<Option<LaneProgress>, Fault> {
        let (key, partition) = (lane_key(self.lane), self.partition(&self.settings.topics.progress));
        let (mut latest, mut fault) = (None, None);
        self.log.read_state(&partition, |record| {
            if record.key == Some(key.as_bytes()) {
                match record.value.map(LaneProgress::read).transpose() {
                    Ok(progress) => latest = progress,
                    Err(error) => {
                        fault = Some(format!("The progress record {key} at offset {} cannot be read: {error}", record.offset));
                    }
                }
            }
        })?;
        fault.map_or(Ok(latest), |sentence| Err(Fault::stop("progress-unreadable", sentence)))
    }

    /// The first reading of a lane: from the first verdict on.
    fn first_start(&mut self, extent: Extent) -> Result<LaneProgress, Fault> {
        if let Some(offset) = self.log.group_offset(self.input, CASES_NOTE)? {
            let sentence = format!(
                "progress-lost: the group has committed offset {offset} of {}, but the topic {} has no progress of this lane. \
                 No verdict is applied twice, so the sidecar stops. Restore that topic from a copy.",
                self.input, self.settings.topics.progress
            );
            return Err(Fault::stop("progress-lost", sentence));
        }
        Ok(LaneProgress::beginning(extent.low))
    }

    /// The offset that an operator accepted to go on at, and who did; or why the lane must wait.
    fn accepted_loss(&self, control: &ControlFollower, next: i64, extent: Extent) -> Result<(i64, String), String> {
        let (topic, partition) = (&self.input.topic, self.input.partition);
        let lost = format!(
            "lost: {input} begins at offset {low}, but verdicts are applied only before {next}, so {count} commands were lost \
             before they could be read. If they are known to be gone, accept it: jidoka control accept-gap --source {topic} \
             --partition {partition} --to {low} --by WHO --reason TEXT",
            input = self.input,
            low = extent.low,
            count = extent.low - next,
        );
        match control.accepted_gap(topic, partition) {
            Some(gap) if gap.to >= extent.low && gap.to <= extent.high => Ok((gap.to, gap.by)),
            Some(gap) if gap.to > extent.high => Err(format!("{lost} (accepted was {}, which is past the end)", gap.to)),
            _ => Err(lost),
        }
    }

    /// Whether the last applied verdict is still the one that was applied, where it is still there.
    fn check_last_record(&mut self, progress: &LaneProgress, extent: Extent) -> Result<(), Fault> {
        let at = progress.applied_through;
        let Some(sha256) = progress.sha256.filter(|_| at >= extent.low) else { return Ok(()) };
        let mut is_other = false;
        self.log.read(self.input, Extent { low: at, high: at + 1 }, |record| {
            let same = Hash::of(record.value.unwrap_or_default()) == sha256 && record.appended_at == progress.appended_at;
            is_other |= record.offset == at && !same;
        })?;
        if is_other { Err(self.recreated(&format!("the record at offset {at} is another one"))) } else { Ok(()) }
    }

    fn recreated(&self, how: &str) -> Fault {
        let sentence = format!(
            "{} is not the log that its verdicts were applied from: {how}. The topic was re-created, and the numbers of its records \
             stand for others now. Restore the old topic; or begin anew with another topics.prefix.",
            self.input
        );
        Fault::stop("re-created", sentence)
    }

    /// All cases of the lane, and up to which offset they are known.
    fn cases(&mut self, reader: &mut CaseReader) -> Result<(CaseBook, i64), Fault> {
        let partition = self.partition(&self.settings.topics.cases);
        let keep_closed = i64::try_from(self.settings.keep_closed.as_millis()).unwrap_or(i64::MAX);
        let end = self.log.extent(&partition)?.high;
        let (mut book, mut faults) = (CaseBook::new(keep_closed), BTreeMap::new());
        let mut first_beyond = None;
        let (began, mut said, mut count) = (Instant::now(), Instant::now(), 0_u64);
        let extent = self.log.read_state(&partition, |record| {
            count += 1;
            // What is wrong may have been set right later: only the last record of each key counts.
            match learn(&mut book, reader, record) {
                Ok(()) => drop(faults.remove(record.key.unwrap_or_default())),
                Err(fault) if faults.len() < FAULTS_MAX => drop(faults.insert(record.key.unwrap_or_default().to_vec(), fault)),
                Err(fault) => drop(first_beyond.get_or_insert(fault)),
            }
            if said.elapsed() >= SAY_EVERY {
                said = Instant::now();
                tracing::info!(%partition, read = record.offset, of = end, cases = book.len(), "restoring");
            }
        })?;
        if let Some(fault) = faults.into_values().next().or(first_beyond) {
            return Err(fault);
        }
        tracing::info!(%partition, records = count, cases = book.len(), took = ?began.elapsed(), "cases restored");
        Ok((book, extent.high))
    }
}

fn skipped(progress: &LaneProgress, to: i64) -> LaneProgress {
    let chain: Option<ChainHead> = progress.chain;
    LaneProgress { applied_through: to - 1, sha256: None, appended_at: None, chain, at: progress.at }
}

/// What follows the decision's id in the key of the record that opens its case.
const OPENED: &[u8] = b"/opened";

/// Whether a record of `cases` is one that opens a case: all others are the sidecar's own.
pub(super) fn is_opening(record: &Incoming<'_>) -> bool {
    record.key.is_some_and(|key| key.ends_with(OPENED))
}

/// Takes a record of `cases` into the book.
///
/// # Errors
/// With a fault that only a person can mend, where it is none of jidoka's.
pub(super) fn learn(book: &mut CaseBook, reader: &mut CaseReader, record: &Incoming<'_>) -> Result<(), Fault> {
    let key = record.key.unwrap_or_default();
    let foreign = |why: String| {
        let sentence = format!(
            "The record at offset {offset} of {topic}/{partition}, key {key:?}, is no case: {why}. Only gates and sidecars may write \
             there. Find out who did, and write under that key what belongs there: the case's last good record, which `jidoka audit \
             export --topics cases` shows, or a tombstone where there never was a case. The last record of a key counts.",
            offset = record.offset,
            topic = record.topic,
            partition = record.partition,
            key = String::from_utf8_lossy(key),
        );
        Fault::stop("case-unreadable", sentence)
    };
    let id = std::str::from_utf8(key.strip_suffix(OPENED).unwrap_or(key)).ok().and_then(DecisionId::parse);
    let (id, value) = match (id, record.value) {
        (Some(id), Some(value)) => (id, value),
        (None, Some(_)) => return Err(foreign("its key names no decision".to_owned())),
        (id, None) => {
            if let Some(id) = id {
                book.forget(id);
            }
            return Ok(());
        }
    };
    let trace = record.headers.get("traceparent").and_then(|trace| std::str::from_utf8(trace).ok());
    let case = reader.read(value, trace).map_err(foreign)?;
    if case.decision_id != id {
        return Err(foreign(format!("it says that it is {}", case.decision_id)));
    }
    book.learn(case);
    Ok(())
}
