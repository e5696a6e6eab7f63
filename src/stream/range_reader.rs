//! Reading ranges of a topic for somebody who only looks: by assignment, read committed, in no group, and committing nothing.
//!
//! The end of a log is the *last stable offset* here: nothing waits for a transaction that is still open.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};

use crate::identity::Timestamp;
use crate::stream::client::{Reports, StreamContext};
use crate::stream::fault::{Fault, Reaction, Step, code_of};
use crate::stream::log_reader::Extent;
use crate::stream::processor::InputPartition;
use crate::stream::record::Incoming;

const ASK_TIMEOUT: Duration = Duration::from_secs(10);
/// So long nothing may come of a log that has more.
const PATIENCE: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_millis(100);
/// The client wants the name of a group for everything it assigns. Nobody joins it, and nothing is committed for it.
const NO_GROUP: &str = "jidoka-onlooker";

/// Reads ranges, one after the other.
pub struct RangeReader {
    consumer: BaseConsumer<StreamContext>,
    reports: Arc<Reports>,
}

impl RangeReader {
    /// A reader with the settings of `client`.
    ///
    /// # Errors
    /// Where no client can be made of them.
    pub fn open(client: &ClientConfig) -> Result<Self, Fault> {
        Self::isolated(client, "read_committed")
    }

    /// A reader for which a log ends after the last record of all, whatever transaction it is of: for asking where that is.
    ///
    /// # Errors
    /// Where no client can be made of the settings.
    pub fn uncommitted(client: &ClientConfig) -> Result<Self, Fault> {
        Self::isolated(client, "read_uncommitted")
    }

    fn isolated(client: &ClientConfig, isolation: &str) -> Result<Self, Fault> {
        let reports = Arc::new(Reports::default());
        let mut config = client.clone();
        if config.get("group.id").is_none() {
            config.set("group.id", NO_GROUP);
        }
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("isolation.level", isolation);
        config.set("auto.offset.reset", "error");
        config.set("enable.partition.eof", "true");
        config.set("allow.auto.create.topics", "false");
        // Default 1000 stalls a consumer that is faster than its fetches.
        config.set("fetch.queue.backoff.ms", "10");
        let consumer = BaseConsumer::from_config_and_context(&config, StreamContext(Arc::clone(&reports)));
        Ok(Self { consumer: consumer.map_err(|error| Fault::of(Step::Create, &error))?, reports })
    }

    /// The first offset still in a log, and the one after the last that is committed.
    ///
    /// # Errors
    /// Where no broker answers.
    pub fn extent(&self, partition: &InputPartition) -> Result<Extent, Fault> {
        let asked = self.consumer.fetch_watermarks(&partition.topic, partition.partition, ASK_TIMEOUT);
        let (low, high) = asked.map_err(|error| Fault::of(Step::Poll, &error))?;
        Ok(Extent { low, high })
    }

    /// The first offset whose record was appended at `time` or later; none where there is none.
    ///
    /// # Errors
    /// Where no broker answers.
    pub fn offset_at(&self, partition: &InputPartition, time: Timestamp) -> Result<Option<i64>, Fault> {
        let mut times = TopicPartitionList::new();
        let added = times.add_partition_offset(&partition.topic, partition.partition, Offset::Offset(time.0));
        let found = added.and_then(|()| self.consumer.offsets_for_times(times, ASK_TIMEOUT));
        let found = found.map_err(|error| Fault::of(Step::Poll, &error))?;
        Ok(match found.elements().first().map(TopicPartitionListElem::offset) {
            Some(Offset::Offset(offset)) if offset >= 0 => Some(offset),
            _ => None,
        })
    }

    /// Hands over the committed records of `partition` from `range.low` up to, not including, `range.high`, until `each`
    /// breaks off; whether it did.
    ///
    /// # Errors
    /// Where nothing comes for half a minute, or the partition cannot be read.
    pub fn read(
        &self,
        partition: &InputPartition,
        range: Extent,
        mut each: impl FnMut(&Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Fault> {
        if range.low >= range.high {
            return Ok(ControlFlow::Continue(()));
        }
        let mut position = TopicPartitionList::new();
        position
            .add_partition_offset(&partition.topic, partition.partition, Offset::Offset(range.low))
            .and_then(|()| self.consumer.assign(&position))
            .map_err(|error| Fault::of(Step::Assign, &error))?;
        let result = self.read_assigned(partition, range, &mut each);
        if let Err(error) = self.consumer.unassign() {
            tracing::debug!(%error, "a partition that was read could not be unassigned");
        }
        result
    }

    fn read_assigned(
        &self,
        partition: &InputPartition,
        range: Extent,
        each: &mut dyn FnMut(&Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Fault> {
        let (mut give_up, mut next) = (Instant::now() + PATIENCE, range.low);
        while next < range.high {
            match self.consumer.poll(GLANCE) {
                Some(Ok(message)) => {
                    let record = Incoming::of(&message);
                    next = record.offset + 1;
                    give_up = Instant::now() + PATIENCE;
                    if record.offset < range.high && each(&record).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(error)) => bearable(&error)?,
                None => {}
            }
            if let Some(fault) = self.reports.stopping_fault() {
                return Err(fault);
            }
            if Instant::now() >= give_up {
                let sentence =
                    format!("Kafka sent nothing of {partition} after offset {} for {} s", next - 1, PATIENCE.as_secs());
                return Err(Fault::rebuild("other", sentence));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Nothing, where the client goes on by itself. That the group may not be used is nothing to somebody who is in none.
fn bearable(error: &KafkaError) -> Result<(), Fault> {
    let fault = Fault::of(Step::Poll, error);
    let no_matter = code_of(error) == Some(RDKafkaErrorCode::GroupAuthorizationFailed);
    if fault.reaction == Reaction::GoOn || no_matter { Ok(()) } else { Err(fault) }
}
