//! The yardstick of the benchmark: a bare transactional copy loop, three records out for one in, that decides nothing.
//!
//! Written apart from the worker on purpose, so that what the worker adds shows. It has what exactly-once needs and nothing
//! else: partitions assigned by hand, no restore, no faults, no metrics; any error ends it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::stream::batch::BatchLimits;
use crate::stream::client::{ClientSettings, Reports, StreamContext};
use crate::stream::deliver::deliver;
use crate::stream::fault::{Reaction, Step, reaction};

/// Says nothing.
struct Quiet;

impl ClientContext for Quiet {}

impl ConsumerContext for Quiet {}

/// What is copied, and where to.
#[derive(Clone, Debug)]
pub struct CopyLoop {
    /// Settings of the clients, so that both sides of a comparison have the same.
    pub clients: ClientSettings,
    /// Number of this copy in its process.
    pub worker: usize,
    /// Topic that is read.
    pub input: String,
    /// Partitions of it that this copy reads.
    pub partitions: Vec<i32>,
    /// Topics that every record is copied to.
    pub outputs: [String; 3],
    /// Partitions of the outputs: a record goes to its input partition modulo this.
    pub lanes: i32,
    /// When a batch closes.
    pub batch: BatchLimits,
}

impl CopyLoop {
    /// Copies until `stop`; `committed` hears the append times (milliseconds) of each committed batch.
    ///
    /// # Errors
    /// With whatever went wrong first.
    pub fn run(&self, stop: &dyn Fn() -> bool, committed: &mut dyn FnMut(&[i64])) -> KafkaResult<()> {
        let mut assignment = TopicPartitionList::new();
        for partition in &self.partitions {
            assignment.add_partition_offset(&self.input, *partition, Offset::Beginning)?;
        }
        let consumer: BaseConsumer<Quiet> = BaseConsumer::from_config_and_context(&self.clients.reader(), Quiet)?;
        consumer.assign(&assignment)?;
        let config = self.clients.producer(self.worker, 1_000_000);
        let producer: BaseProducer<StreamContext> =
            BaseProducer::from_config_and_context(&config, StreamContext(Arc::new(Reports::default())))?;
        producer.init_transactions(Duration::from_secs(30))?;
        let mut appended = Vec::new();
        while !stop() {
            appended.clear();
            self.turn(&consumer, &producer, &mut appended)?;
            if !appended.is_empty() {
                committed(&appended);
            }
        }
        Ok(())
    }

    fn turn(
        &self,
        consumer: &BaseConsumer<Quiet>,
        producer: &BaseProducer<StreamContext>,
        appended: &mut Vec<i64>,
    ) -> KafkaResult<()> {
        let mut next: Vec<(i32, i64)> = Vec::new();
        let mut deadline: Option<Instant> = None;
        while appended.len() < self.batch.max_records {
            let wait = deadline.map_or(Duration::from_millis(100), |deadline| deadline.saturating_duration_since(Instant::now()));
            let Some(message) = consumer.poll(wait) else { break };
            let message = match message {
                Ok(message) => message,
                Err(error) if reaction(Step::Poll, &error) == Reaction::GoOn => continue,
                Err(error) => return Err(error),
            };
            if deadline.is_none() {
                deadline = Some(Instant::now() + self.batch.linger);
                producer.begin_transaction()?;
            }
            self.copy(producer, message.partition(), message.key(), message.payload())?;
            appended.push(message.timestamp().to_millis().unwrap_or(0));
            match next.iter_mut().find(|(partition, _)| *partition == message.partition()) {
                Some((_, offset)) => *offset = message.offset() + 1,
                None => next.push((message.partition(), message.offset() + 1)),
            }
        }
        if deadline.is_none() {
            return Ok(());
        }
        while !deliver(producer, Duration::from_millis(100)) {
            producer.poll(Duration::ZERO);
        }
        let mut offsets = TopicPartitionList::new();
        for (partition, offset) in next {
            offsets.add_partition_offset(&self.input, partition, Offset::Offset(offset))?;
        }
        let group = consumer.group_metadata().ok_or(KafkaError::Canceled)?;
        producer.send_offsets_to_transaction(&offsets, &group, Duration::from_secs(10))?;
        producer.commit_transaction(Duration::from_secs(10))
    }

    fn copy(
        &self,
        producer: &BaseProducer<StreamContext>,
        partition: i32,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> KafkaResult<()> {
        for output in &self.outputs {
            let mut record = BaseRecord::<[u8], [u8]>::to(output).partition(partition % self.lanes);
            (record.key, record.payload) = (key, value);
            while let Err((error, refused)) = producer.send(record) {
                if error.rdkafka_error_code() != Some(rdkafka::error::RDKafkaErrorCode::QueueFull) {
                    return Err(error);
                }
                record = refused;
                deliver(producer, Duration::from_millis(2));
            }
        }
        Ok(())
    }
}
