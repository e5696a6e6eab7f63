//! An onlooker: reads whole topics from their beginning and follows them, in no group, as a review tool or an auditor may.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::stream::client::{ClientSettings, Reports, StreamContext};
use crate::stream::fault::{Fault, Reaction, Step};
use crate::stream::record::Incoming;

/// Follows some topics.
pub struct Onlooker {
    consumer: BaseConsumer<StreamContext>,
    reports: Arc<Reports>,
}

impl Onlooker {
    /// An onlooker of so many partitions of each of `topics`.
    ///
    /// # Errors
    /// Where no client can be made of the settings.
    pub fn open<'t>(settings: &ClientSettings, topics: impl IntoIterator<Item = (&'t str, i32)>) -> Result<Self, Fault> {
        let reports = Arc::new(Reports::default());
        let mut config = settings.reader();
        config.set("enable.partition.eof", "false");
        let consumer: BaseConsumer<StreamContext> =
            BaseConsumer::from_config_and_context(&config, StreamContext(Arc::clone(&reports)))
                .map_err(|error| Fault::of(Step::Create, &error))?;
        let mut assignment = TopicPartitionList::new();
        for (topic, partitions) in topics {
            for partition in 0..partitions {
                assignment
                    .add_partition_offset(topic, partition, Offset::Beginning)
                    .map_err(|error| Fault::of(Step::Assign, &error))?;
            }
        }
        consumer.assign(&assignment).map_err(|error| Fault::of(Step::Assign, &error))?;
        Ok(Self { consumer, reports })
    }

    /// Hands over the next record, waiting so long for one; whether there was one.
    ///
    /// # Errors
    /// With a fault that does not pass by itself.
    pub fn next(&self, wait: Duration, each: impl FnOnce(&Incoming<'_>)) -> Result<bool, Fault> {
        if let Some(fault) = self.reports.stopping_fault() {
            return Err(fault);
        }
        match self.consumer.poll(wait) {
            Some(Ok(message)) => {
                each(&Incoming::of(&message));
                Ok(true)
            }
            Some(Err(error)) => {
                let fault = Fault::of(Step::Poll, &error);
                if fault.reaction == Reaction::GoOn { Ok(false) } else { Err(fault) }
            }
            None => Ok(false),
        }
    }
}
