//! Following state partitions that others write to, as they grow: by assignment, read committed, without waiting.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::stream::client::{ClientSettings, Reports, StreamContext};
use crate::stream::fault::{Fault, Reaction, Step};
use crate::stream::processor::InputPartition;
use crate::stream::record::Incoming;

/// So many records are handed over at once, so that whoever follows gets to do other things.
const RECORDS_AT_ONCE: usize = 10_000;

/// Follows some partitions.
pub struct Follower {
    consumer: BaseConsumer<StreamContext>,
    reports: Arc<Reports>,
}

impl Follower {
    /// A follower of nothing yet.
    ///
    /// # Errors
    /// Where no client can be made of the settings.
    pub fn open(settings: &ClientSettings) -> Result<Self, Fault> {
        let reports = Arc::new(Reports::default());
        let mut config = settings.reader();
        config.set("enable.partition.eof", "false");
        let consumer = BaseConsumer::from_config_and_context(&config, StreamContext(Arc::clone(&reports)))
            .map_err(|error| Fault::of(Step::Create, &error))?;
        Ok(Self { consumer, reports })
    }

    /// Follows `partition` from offset `from` on.
    ///
    /// # Errors
    /// Where the client does not take it.
    pub fn follow(&self, partition: &InputPartition, from: i64) -> Result<(), Fault> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&partition.topic, partition.partition, Offset::Offset(from))
            .and_then(|()| self.consumer.incremental_assign(&list))
            .map_err(|error| Fault::of(Step::Assign, &error))
    }

    /// Follows `partition` no more.
    pub fn leave(&self, partition: &InputPartition) {
        let mut list = TopicPartitionList::new();
        list.add_partition(&partition.topic, partition.partition);
        if let Err(error) = self.consumer.incremental_unassign(&list) {
            tracing::debug!(%error, %partition, "was not followed");
        }
    }

    /// Hands over what has come since the last call.
    ///
    /// # Errors
    /// With a fault that does not pass by itself.
    pub fn take(&self, mut each: impl FnMut(&Incoming<'_>)) -> Result<(), Fault> {
        if let Some(fault) = self.reports.stopping_fault() {
            return Err(fault);
        }
        for _ in 0..RECORDS_AT_ONCE {
            match self.consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => each(&Incoming::of(&message)),
                Some(Err(error)) => {
                    let fault = Fault::of(Step::Poll, &error);
                    if fault.reaction != Reaction::GoOn {
                        return Err(fault);
                    }
                }
                None => break,
            }
        }
        Ok(())
    }
}
