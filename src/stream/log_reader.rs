//! Reading state back: a topic's partition from some offset to what was its end when we began.
//!
//! The end is the *high watermark*, asked of a read-uncommitted client, and reading starts only when the last stable
//! offset has reached it. A read-committed client's own watermark would be the last stable offset: a commit marker that
//! is still on its way would hide the newest state, and a chain would fork (compare KAFKA-10167).

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::stream::client::{ClientSettings, Reports, StreamContext};
use crate::stream::fault::{Fault, Reaction, Step};
use crate::stream::processor::InputPartition;
use crate::stream::record::Incoming;

const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// First offset still in a log, and the offset after its last record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    /// First offset still there.
    pub low: i64,
    /// One past the last.
    pub high: i64,
}

/// Reads partitions back, one at a time.
pub struct LogReader {
    committed: BaseConsumer<StreamContext>,
    uncommitted: BaseConsumer<StreamContext>,
    reports: Arc<Reports>,
    timeout: Duration,
    deadline: Instant,
}

impl LogReader {
    /// A reader that must be done with everything within the settings' restore timeout.
    ///
    /// # Errors
    /// Where no client can be made of the settings.
    pub fn open(settings: &ClientSettings) -> Result<Self, Fault> {
        let reports = Arc::new(Reports::default());
        let make = |config: &rdkafka::ClientConfig| {
            BaseConsumer::from_config_and_context(config, StreamContext(Arc::clone(&reports)))
                .map_err(|error| Fault::of(Step::Create, &error))
        };
        let mut config = settings.reader();
        // A log ends with a marker that is never shown, so its end is only learnt from a fetch that found nothing. The broker
        // waits that long for more before it says so, once for every partition that is restored.
        config.set("fetch.wait.max.ms", "10");
        let committed = make(&config)?;
        config.set("isolation.level", "read_uncommitted");
        let uncommitted = make(&config)?;
        let timeout = settings.restore_timeout;
        Ok(Self { committed, uncommitted, reports, timeout, deadline: Instant::now() + timeout })
    }

    /// Begins the restore timeout anew: for a reader that is kept and asked again.
    pub fn renew(&mut self) {
        self.deadline = Instant::now() + self.timeout;
    }

    /// Where the committed part of a log ends: nothing below is hidden by an open transaction.
    ///
    /// # Errors
    /// Where no broker answers.
    pub fn stable_end(&self, partition: &InputPartition) -> Result<i64, Fault> {
        Ok(ask_extent(&self.committed, partition)?.high)
    }

    /// The extent of a log, open transactions included.
    ///
    /// # Errors
    /// Where no broker answers.
    pub fn extent(&self, partition: &InputPartition) -> Result<Extent, Fault> {
        ask_extent(&self.uncommitted, partition)
    }

    /// The first offset whose record was appended at `millis` or later; the end where there is none.
    ///
    /// # Errors
    /// Where no broker answers.
    pub fn offset_at(&self, partition: &InputPartition, millis: i64) -> Result<i64, Fault> {
        let mut times = TopicPartitionList::new();
        let added = times.add_partition_offset(&partition.topic, partition.partition, Offset::Offset(millis));
        let found = added.and_then(|()| self.uncommitted.offsets_for_times(times, ASK_TIMEOUT));
        let found = found.map_err(|error| restore_fault(&error))?;
        match found.elements().first().map(rdkafka::topic_partition_list::TopicPartitionListElem::offset) {
            Some(Offset::Offset(offset)) => Ok(offset),
            _ => Ok(self.extent(partition)?.high),
        }
    }

    /// The offset that the group last committed for `partition`, unless its note says that it was committed for something
    /// else than `note`.
    ///
    /// # Errors
    /// Where no broker answers.
    pub fn group_offset(&self, partition: &InputPartition, note: &str) -> Result<Option<i64>, Fault> {
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition(&partition.topic, partition.partition);
        let found = self.committed.committed_offsets(wanted, ASK_TIMEOUT).map_err(|error| restore_fault(&error))?;
        Ok(found.elements().first().and_then(|element| match element.offset() {
            Offset::Offset(offset) if element.metadata().is_empty() || element.metadata() == note => Some(offset),
            _ => None,
        }))
    }

    /// How many partitions `topic` has.
    ///
    /// # Errors
    /// Where no broker answers.
    pub fn partition_count(&self, topic: &str) -> Result<i32, Fault> {
        let metadata = self.uncommitted.fetch_metadata(Some(topic), ASK_TIMEOUT).map_err(|error| restore_fault(&error))?;
        let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        i32::try_from(count).map_err(|_| Fault::rebuild("restore", format!("topic {topic} has {count} partitions")))
    }

    /// Reads the whole of a state partition, as it is committed now.
    ///
    /// # Errors
    /// Where it cannot be read to its end in time; the sentence says what held it up.
    pub fn read_state(&mut self, partition: &InputPartition, mut each: impl FnMut(&Incoming<'_>)) -> Result<Extent, Fault> {
        let extent = self.extent(partition)?;
        self.wait_until_stable(partition, extent.high)?;
        self.read(partition, extent, &mut each)?;
        Ok(extent)
    }

    /// Reads records of `partition` from `extent.low` up to, not including, `extent.high`, as far as they are committed.
    ///
    /// # Errors
    /// Where that takes too long or the partition cannot be read.
    pub fn read(&mut self, partition: &InputPartition, extent: Extent, mut each: impl FnMut(&Incoming<'_>)) -> Result<(), Fault> {
        if extent.low >= extent.high {
            return Ok(());
        }
        // Asked for what it teaches the client: who leads the partition. An assignment alone would wait a second for that.
        ask_extent(&self.committed, partition)?;
        let mut position = TopicPartitionList::new();
        position
            .add_partition_offset(&partition.topic, partition.partition, Offset::Offset(extent.low))
            .and_then(|()| self.committed.assign(&position))
            .map_err(|error| restore_fault(&error))?;
        let result = self.read_assigned(partition, extent.high, &mut each);
        if let Err(error) = self.committed.unassign() {
            tracing::debug!(%error, "a restored partition could not be unassigned");
        }
        result
    }

    fn read_assigned(&self, partition: &InputPartition, end: i64, each: &mut dyn FnMut(&Incoming<'_>)) -> Result<(), Fault> {
        loop {
            match self.committed.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    let record = Incoming::of(&message);
                    if record.offset < end {
                        each(&record);
                    }
                    if record.offset + 1 >= end {
                        return Ok(());
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                Some(Err(error)) => {
                    let fault = Fault::of(Step::Poll, &error);
                    if fault.reaction != Reaction::GoOn {
                        return Err(fault);
                    }
                }
                None => {}
            }
            self.in_time(|| format!("reading {partition} up to offset {end}"))?;
        }
    }

    /// Waits until no open transaction hides a record below `high`.
    fn wait_until_stable(&self, partition: &InputPartition, high: i64) -> Result<(), Fault> {
        let mut said = false;
        loop {
            let stable = ask_extent(&self.committed, partition)?.high;
            if stable >= high {
                return Ok(());
            }
            if !said {
                said = true;
                tracing::info!(%partition, stable, high, "waiting for an open transaction of another worker before restoring");
            }
            self.in_time(|| format!("waiting for an open transaction in {partition} (stable to {stable}, written to {high})"))?;
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn in_time(&self, doing: impl Fn() -> String) -> Result<(), Fault> {
        if let Some(fault) = self.reports.stopping_fault() {
            return Err(fault);
        }
        if Instant::now() < self.deadline {
            return Ok(());
        }
        Err(Fault::rebuild("restore", format!("{} took longer than restore.timeout", doing())))
    }
}

fn ask_extent(consumer: &BaseConsumer<StreamContext>, partition: &InputPartition) -> Result<Extent, Fault> {
    let (low, high) =
        consumer.fetch_watermarks(&partition.topic, partition.partition, ASK_TIMEOUT).map_err(|error| restore_fault(&error))?;
    Ok(Extent { low, high })
}

/// While restoring nothing is at stake yet: whatever is not for a person to mend is tried anew.
fn restore_fault(error: &KafkaError) -> Fault {
    let fault = Fault::of(Step::Restore, error);
    let reaction = if fault.reaction == Reaction::Stop { Reaction::Stop } else { Reaction::Rebuild };
    Fault { reaction, ..fault }
}
