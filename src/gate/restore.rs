//! Taking over an input partition: where to go on, what is remembered, and what must not be skipped in silence.
//!
//! `progress` alone says where to go on. The group's offset fences and shows lag. It is read here for two things: that it exists
//! although there is no progress, which means that progress was lost; and that it says something else, which is set right.

use crate::audit::GapCause;
use crate::config::{Source, Start};
use crate::event::Decoder;
use crate::gate::GateSettings;
use crate::gate::partition::{GatePartition, Opening};
use crate::gate::window::{DedupWindow, EventKey, Sighting};
use crate::identity::{Hash, Lane, LanePrefix};
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
    Taking { settings, place, source: &settings.sources[place], input, log }.run(control, decoder)
}

/// One partition that is being taken.
struct Taking<'t> {
    settings: &'t GateSettings,
    place: usize,
    source: &'t Source,
    input: &'t InputPartition,
    log: &'t mut LogReader,
}

impl Taking<'_> {
    fn run(&mut self, control: &ControlFollower, decoder: &mut Decoder) -> Result<Restored, Fault> {
        let extent = self.log.extent(self.input)?;
        let Some(progress) = self.own_progress()? else {
            let (progress, opening) = self.first_start(extent)?;
            return Ok(self.ready(&progress, DedupWindow::new(self.settings.window), Some(opening)));
        };
        let next = progress.decided_through + 1;
        if extent.high < next {
            let how = format!("its log ends at offset {}, but {next} records were decided", extent.high);
            return Err(self.recreated(&how));
        }
        if extent.low > next {
            return Ok(match self.accepted_loss(control, next, extent) {
                Ok((to, by)) => {
                    let after =
                        Progress { decided_through: to - 1, sha256: None, appended_at: None, window_from: to, ..progress };
                    let opening = Opening { gap: Some((next, to - 1, GapCause::Lost { by })) };
                    self.ready(&after, DedupWindow::new(self.settings.window), Some(opening))
                }
                Err(reason) => Restored::Wait(reason),
            });
        }
        let window = self.rebuild_window(decoder, &progress, extent)?;
        // Offsets that were reset or expired are set right at once, and not only when the next record comes.
        let is_shown = self.log.group_offset(self.input, &self.source.name)? == Some(next);
        Ok(self.ready(&progress, window, (!is_shown).then_some(Opening { gap: None })))
    }

    fn ready(&self, progress: &Progress, window: DedupWindow, opening: Option<Opening>) -> Restored {
        Restored::Ready(Box::new(GatePartition::new(self.input, (self.place, self.settings), progress, window, opening)))
    }

    fn state_partition(&self, lane: Lane) -> InputPartition {
        InputPartition { topic: self.settings.topics.progress.clone(), partition: lane.partition() }
    }

    /// The latest progress of the partition.
    fn own_progress(&mut self) -> Result<Option<Progress>, Fault> {
        let lane = LanePrefix::of(&self.source.name, self.input.partition).lane(self.settings.lanes);
        let key = progress::key(&self.source.name, self.input.partition);
        let (mut latest, mut fault) = (None, None);
        self.log.read_state(&self.state_partition(lane), |record| {
            if record.key == Some(key.as_bytes()) {
                match record.value.map(Progress::read).transpose() {
                    Ok(progress) => latest = progress,
                    Err(error) => {
                        fault = Some(format!("The progress record {key} at offset {} cannot be read: {error}", record.offset));
                    }
                }
            }
        })?;
        fault.map_or(Ok(latest), |sentence| Err(Fault::stop("progress-unreadable", sentence)))
    }

    /// How many partitions the source had when it was first started, if it was.
    fn partitions_at_start(&mut self) -> Result<Option<i32>, Fault> {
        let mut found = None;
        for lane in 0..self.settings.lanes {
            self.log.read_state(&self.state_partition(Lane(lane)), |record| {
                let key = record.key.and_then(|key| std::str::from_utf8(key).ok());
                let of_source = key.and_then(|key| key.rsplit_once('/')).is_some_and(|(name, _)| name == self.source.name);
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
    fn first_start(&mut self, extent: Extent) -> Result<(Progress, Opening), Fault> {
        if let Some(offset) = self.log.group_offset(self.input, &self.source.name)? {
            let sentence = format!(
                "progress-lost: the group has committed offset {offset} of {} for source {:?}, but the topic {} has no progress \
                 of it. Nothing is decided twice, so the gate stops. Restore that topic, or give the source a new `name` to \
                 begin anew.",
                self.input, self.source.name, self.settings.topics.progress
            );
            return Err(Fault::stop("progress-lost", sentence));
        }
        let (partitions_at_start, begins_late) = match self.partitions_at_start()? {
            Some(count) => (count, self.input.partition >= count),
            None => (self.log.partition_count(&self.input.topic)?, false),
        };
        let start = match self.source.start {
            _ if begins_late => extent.low,
            Start::Earliest => extent.low,
            Start::Latest => extent.high,
            Start::At(time) => self.log.offset_at(self.input, time.0)?.max(extent.low),
        };
        let progress = Progress::beginning(start, partitions_at_start);
        Ok((progress, Opening { gap: (start > 0).then_some((0, start - 1, GapCause::Start)) }))
    }

    /// The offset that an operator accepted to go on at, and who did; or why the partition must wait.
    fn accepted_loss(&self, control: &ControlFollower, next: i64, extent: Extent) -> Result<(i64, String), String> {
        let (input, source) = (self.input, &self.source.name);
        let lost = format!(
            "lost: {input} begins at offset {low}, but decisions end before {next}, so {count} records were lost before they \
             could be read. If they are known to be gone, accept it: jidoka control accept-gap --source {source} \
             --partition {partition} --to {low} --by WHO --reason TEXT",
            low = extent.low,
            count = extent.low - next,
            partition = input.partition,
        );
        match control.accepted_gap(source, input.partition) {
            Some(gap) if gap.to >= extent.low && gap.to <= extent.high => Ok((gap.to, gap.by)),
            Some(gap) if gap.to > extent.high => Err(format!("{lost} (accepted was {}, which is past the end)", gap.to)),
            _ => Err(lost),
        }
    }

    fn recreated(&self, how: &str) -> Fault {
        let sentence = format!(
            "{} is not the log that source {:?} was decided from: {how}. The topic was re-created; offsets of the old one say \
             nothing about it. Give the source a new `name` in the configuration, and it is decided from its `start`.",
            self.input, self.source.name
        );
        Fault::stop("re-created", sentence)
    }

    /// Reads the last `window` offsets again, as far as they were not skipped: which events were seen, and whether the last
    /// decided record is still the one that was decided.
    fn rebuild_window(&mut self, decoder: &mut Decoder, progress: &Progress, extent: Extent) -> Result<DedupWindow, Fault> {
        let next = progress.decided_through + 1;
        let mut window = DedupWindow::new(self.settings.window);
        let reach = i64::from(self.settings.window).max(1);
        let mut other_record = false;
        self.log.read(
            self.input,
            Extent { low: (next - reach).max(extent.low).max(progress.window_from), high: next },
            |record| {
                let bytes = record.value.unwrap_or_default();
                let sha256 = Hash::of(bytes);
                if record.offset == progress.decided_through && progress.sha256.is_some() {
                    other_record = progress.sha256 != Some(sha256) || progress.appended_at != record.appended_at;
                }
                if let Ok(event) = decoder.decode(bytes) {
                    let sighting = Sighting { offset: record.offset, appended_at: record.appended_at };
                    window.see(EventKey::of(event.event_id(), 0), sha256, sighting);
                }
            },
        )?;
        if other_record {
            return Err(self.recreated(&format!("the record at offset {} is another one", progress.decided_through)));
        }
        window.commit(next);
        Ok(window)
    }
}
