//! Taking over an input partition: where to go on, what is remembered, and what must not be skipped in silence.
//!
//! `progress` alone says where to go on. The group's offset fences and shows lag; of it only one thing is read here: that it
//! exists although there is no progress, which means that progress was lost.

use crate::audit::GapCause;
use crate::config::{Source, Start};
use crate::event::Decoder;
use crate::gate::GateSettings;
use crate::gate::partition::{GatePartition, Opening};
use crate::gate::window::{DedupWindow, EventKey, Sighting};
use crate::identity::{Hash, LanePrefix};
use crate::progress::{self, Progress};
use crate::stream::control::ControlFollower;
use crate::stream::fault::Fault;
use crate::stream::log_reader::{Extent, LogReader};
use crate::stream::processor::InputPartition;

/// What became of taking a partition.
pub(super) enum Restored {
    /// It can be read.
    Ready(Box<GatePartition>),
    /// It cannot, for this reason.
    Wait(String),
}

/// Restores `input`.
pub(super) fn take(
    settings: &GateSettings,
    control: &ControlFollower,
    decoder: &mut Decoder,
    input: &InputPartition,
    log: &mut LogReader,
) -> Result<Restored, Fault> {
    let unknown = || Fault::rebuild("other", format!("{input} was assigned, which no source names"));
    let place = settings.sources.iter().position(|source| source.topic == input.topic).ok_or_else(unknown)?;
    let source = &settings.sources[place];
    let extent = log.extent(input)?;
    let Some(progress) = own_progress(settings, source, input, log)? else {
        let (progress, opening) = first_start(settings, source, input, extent, log)?;
        let window = DedupWindow::new(settings.window);
        return Ok(ready(input, (place, settings), &progress, window, Some(opening)));
    };
    let next = progress.decided_through + 1;
    if extent.high < next {
        return Err(recreated(
            source,
            input,
            &format!("its log ends at offset {}, but {next} records were decided", extent.high),
        ));
    }
    if extent.low > next {
        return Ok(match accepted_loss(control, source, input, next, extent) {
            Ok((to, by)) => {
                let after = Progress { decided_through: to - 1, sha256: None, appended_at: None, ..progress };
                let opening = Opening { gap: Some((next, to - 1, GapCause::Lost { by })) };
                ready(input, (place, settings), &after, DedupWindow::new(settings.window), Some(opening))
            }
            Err(reason) => Restored::Wait(reason),
        });
    }
    let window = rebuild_window(settings, decoder, source, input, &progress, extent, log)?;
    Ok(ready(input, (place, settings), &progress, window, None))
}

fn ready(
    input: &InputPartition,
    (source, settings): (usize, &GateSettings),
    progress: &Progress,
    window: DedupWindow,
    opening: Option<Opening>,
) -> Restored {
    Restored::Ready(Box::new(GatePartition::new(input, (source, settings), progress, window, opening)))
}

fn state_partition(settings: &GateSettings, lane: i32) -> InputPartition {
    InputPartition { topic: settings.topics.progress.clone(), partition: lane }
}

/// The latest progress of `input`.
fn own_progress(
    settings: &GateSettings,
    source: &Source,
    input: &InputPartition,
    log: &mut LogReader,
) -> Result<Option<Progress>, Fault> {
    let lane = LanePrefix::of(&source.name, input.partition).lane(settings.lanes);
    let key = progress::key(&source.name, input.partition);
    let (mut latest, mut fault) = (None, None);
    log.read_state(&state_partition(settings, lane.partition()), |record| {
        if record.key == Some(key.as_bytes()) {
            match record.value.map(Progress::read).transpose() {
                Ok(progress) => latest = progress,
                Err(error) => {
                    fault = Some(format!("the progress record {key} at offset {} cannot be read: {error}", record.offset))
                }
            }
        }
    })?;
    match fault {
        Some(sentence) => Err(Fault::stop("progress-unreadable", sentence)),
        None => Ok(latest),
    }
}

/// How many partitions the source had when it was first started, if it was.
fn partitions_at_start(settings: &GateSettings, source: &Source, log: &mut LogReader) -> Result<Option<i32>, Fault> {
    let mut found = None;
    for lane in 0..settings.lanes {
        log.read_state(&state_partition(settings, i32::from(lane)), |record| {
            let key = record.key.and_then(|key| std::str::from_utf8(key).ok());
            let of_source = key.and_then(|key| key.rsplit_once('/')).is_some_and(|(name, _)| name == source.name);
            if let Some(progress) = record.value.filter(|_| of_source).and_then(|value| Progress::read(value).ok()) {
                found = Some(progress.partitions_at_start);
            }
        })?;
        if found.is_some() {
            break;
        }
    }
    Ok(found)
}

/// The first reading of a partition: `start` decides, and what it skips is a gap. One that was added after the source
/// had been started begins at its beginning.
fn first_start(
    settings: &GateSettings,
    source: &Source,
    input: &InputPartition,
    extent: Extent,
    log: &mut LogReader,
) -> Result<(Progress, Opening), Fault> {
    if let Some(offset) = log.group_offset(input, &source.name)? {
        let sentence = format!(
            "progress-lost: the group has committed offset {offset} of {input} for source {:?}, but the topic {} has no progress of it. \
             Nothing is decided twice, so the gate stops. Restore that topic, or give the source a new `name` to begin anew.",
            source.name, settings.topics.progress
        );
        return Err(Fault::stop("progress-lost", sentence));
    }
    let (partitions_at_start, begins_late) = match partitions_at_start(settings, source, log)? {
        Some(count) => (count, input.partition >= count),
        None => (log.partition_count(&input.topic)?, false),
    };
    let start = match source.start {
        _ if begins_late => extent.low,
        Start::Earliest => extent.low,
        Start::Latest => extent.high,
        Start::At(time) => log.offset_at(input, time.0)?.max(extent.low),
    };
    let progress = Progress { decided_through: start - 1, sha256: None, appended_at: None, chain: None, partitions_at_start };
    Ok((progress, Opening { gap: (start > 0).then_some((0, start - 1, GapCause::Start)) }))
}

/// The offset that an operator accepted to go on at, and who did; or why the partition must wait.
fn accepted_loss(
    control: &ControlFollower,
    source: &Source,
    input: &InputPartition,
    next: i64,
    extent: Extent,
) -> Result<(i64, String), String> {
    let lost = format!(
        "lost: {input} begins at offset {}, but decisions end before {next}, so {} records were lost before they could be read. \
         If they are known to be gone, accept it: jidoka control accept-gap --source {} --partition {} --to {} --by WHO --reason TEXT",
        extent.low,
        extent.low - next,
        source.name,
        input.partition,
        extent.low
    );
    match control.accepted_gap(&source.name, input.partition) {
        Some(gap) if gap.to >= extent.low && gap.to <= extent.high => Ok((gap.to, gap.by)),
        Some(gap) if gap.to > extent.high => Err(format!("{lost} (accepted was {}, which is past the end)", gap.to)),
        _ => Err(lost),
    }
}

fn recreated(source: &Source, input: &InputPartition, how: &str) -> Fault {
    let sentence = format!(
        "{input} is not the log that source {:?} was decided from: {how}. The topic was re-created; offsets of the old one say \
         nothing about it. Give the source a new `name` in the configuration, and it is decided from its `start`.",
        source.name
    );
    Fault::stop("re-created", sentence)
}

/// Reads the last `window` offsets again: which events were seen, and whether the last decided record is still the one
/// that was decided.
fn rebuild_window(
    settings: &GateSettings,
    decoder: &mut Decoder,
    source: &Source,
    input: &InputPartition,
    progress: &Progress,
    extent: Extent,
    log: &mut LogReader,
) -> Result<DedupWindow, Fault> {
    let next = progress.decided_through + 1;
    let mut window = DedupWindow::new(settings.window);
    let reach = i64::from(settings.window).max(1);
    let mut other_record = false;
    log.read(input, Extent { low: (next - reach).max(extent.low), high: next }, |record| {
        let bytes = record.value.unwrap_or_default();
        let sha256 = Hash::of(bytes);
        if record.offset == progress.decided_through && progress.sha256.is_some() {
            other_record = progress.sha256 != Some(sha256) || progress.appended_at != record.appended_at;
        }
        if let Ok(event) = decoder.decode(bytes) {
            let sighting = Sighting { offset: record.offset, appended_at: record.appended_at };
            window.see(EventKey::of(event.event_id(), 0), sha256, sighting);
        }
    })?;
    if other_record {
        return Err(recreated(source, input, &format!("the record at offset {} is another one", progress.decided_through)));
    }
    window.commit(next);
    Ok(window)
}
