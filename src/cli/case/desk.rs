//! Reading cases, archive and trail from Kafka, by assignment and in no group.

use std::ops::ControlFlow;

use super::fold::{Fold, Found};
use super::trail::TrailEntry;
use crate::cli::terminal::note;
use crate::config::Settings;
use crate::identity::{DecisionId, Lane, Timestamp};
use crate::stream::fault::Fault;
use crate::stream::log_reader::Extent;
use crate::stream::processor::InputPartition;
use crate::stream::range_reader::RangeReader;
use crate::stream::record::Incoming;
use crate::stream::topics::{Topic, TopicLayout};

/// How far the clocks of gate and sidecar may be apart: so much earlier than a case was opened its trail is looked for.
const CLOCKS_APART_MS: i64 = 60_000;

/// Where a reviewer sits.
pub struct Desk {
    reader: RangeReader,
    layout: TopicLayout,
}

impl Desk {
    /// A desk at the configured Kafka.
    ///
    /// # Errors
    /// Where no client can be made of the settings.
    pub fn open(settings: &Settings) -> Result<Self, Fault> {
        let reader = RangeReader::open(&crate::cli::client(&settings.kafka))?;
        Ok(Self { reader, layout: crate::cli::layout(settings) })
    }

    /// How many lanes there are.
    pub fn lanes(&self) -> u16 {
        self.layout.lanes
    }

    /// The partition of `topic` that `lane` is.
    pub fn place(&self, topic: Topic, lane: Lane) -> InputPartition {
        InputPartition { topic: topic.name(&self.layout), partition: lane.partition() }
    }

    /// The cases of `lane` that are `wanted`, by id. What is no case is told on standard error.
    ///
    /// # Errors
    /// Where Kafka does not answer.
    pub fn cases(&self, topic: Topic, lane: Lane, wanted: impl Fn(DecisionId) -> bool) -> Result<Vec<Found>, Fault> {
        let (place, mut fold) = (self.place(topic, lane), Fold::default());
        let log = self.reader.extent(&place)?;
        self.read(&place, log, |record| fold.take(record.key.unwrap_or_default(), record.value, &wanted))?;
        let (found, problems) = fold.finish();
        problems.iter().for_each(note);
        Ok(found)
    }

    /// The audit entries of a decision, and the refused commands on it, in order; `since` is when it was made, where that is
    /// known.
    ///
    /// # Errors
    /// Where Kafka does not answer.
    pub fn trail(&self, lane: Lane, id: DecisionId, since: Option<Timestamp>) -> Result<Vec<TrailEntry>, Fault> {
        let (place, mut entries) = (self.place(Topic::Audit, lane), Vec::new());
        let log = self.reader.extent(&place)?;
        let low = match since.map(|since| self.reader.offset_at(&place, since.plus_millis(-CLOCKS_APART_MS))).transpose()? {
            Some(found) => found.unwrap_or(log.high).max(log.low),
            None => log.low,
        };
        self.read(&place, Extent { low, ..log }, |record| entries.extend(TrailEntry::of(id, record)))?;
        Ok(entries)
    }

    /// Where a log ends.
    ///
    /// # Errors
    /// Where Kafka does not answer.
    pub fn end(&self, place: &InputPartition) -> Result<i64, Fault> {
        self.reader.extent(place).map(|log| log.high)
    }

    /// Hands over what is in a log.
    ///
    /// # Errors
    /// Where Kafka does not answer.
    pub fn read(&self, place: &InputPartition, range: Extent, mut each: impl FnMut(&Incoming<'_>)) -> Result<(), Fault> {
        let read = self.reader.read(place, range, |record| {
            each(record);
            ControlFlow::Continue(())
        });
        read.map(|_| ())
    }
}
