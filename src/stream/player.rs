//! Plays bytes into any topic: an idempotent producer with a bounded queue that counts what became of each record.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext, ThreadedProducer};

use crate::stream::record::Outgoing;

/// Settings that hold unless the user set others. Java's partitioner, so that a key lies where any other producer puts it;
/// a record limit far above the brokers', so that the topic's own decides; batches well below the smallest useful one.
const DEFAULTS: [(&str, &str); 7] = [
    ("partitioner", "murmur2_random"),
    ("linger.ms", "5"),
    ("batch.size", "131072"),
    ("compression.type", "lz4"),
    ("message.max.bytes", "33554432"),
    ("queue.buffering.max.kbytes", "65536"),
    ("message.timeout.ms", "120000"),
];

/// A producer for one topic.
pub struct Player {
    producer: ThreadedProducer<Deliveries>,
    topic: String,
}

/// What became of a record that was offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offer {
    /// It is on its way and will be counted as delivered or failed.
    Taken,
    /// The queue is full: offer it again in a moment.
    Full,
    /// It can never be sent, and is counted as failed.
    Refused,
}

/// What became of all records so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Acknowledged by all in-sync replicas.
    pub delivered: u64,
    /// Given up.
    pub failed: u64,
    /// Why the first one failed.
    pub first_error: Option<String>,
}

impl Player {
    /// A producer for `topic`. Connects in the background.
    ///
    /// # Errors
    /// When librdkafka does not take the settings.
    pub fn new(client: &ClientConfig, topic: &str) -> Result<Self, String> {
        let mut config = client.clone();
        for (key, value) in DEFAULTS {
            if config.get(key).is_none() {
                config.set(key, value);
            }
        }
        config.set("enable.idempotence", "true").set("acks", "all");
        let producer = config.create_with_context(Deliveries::default()).map_err(|error: KafkaError| error.to_string())?;
        Ok(Self { producer, topic: topic.to_owned() })
    }

    /// Offers one record, which its key places. Never blocks.
    #[must_use]
    pub fn offer(&self, key: Option<&[u8]>, value: &[u8]) -> Offer {
        self.offer_to(None, key, value)
    }

    /// Offers one record for `partition`, where it matters. Never blocks.
    #[must_use]
    pub fn offer_to(&self, partition: Option<i32>, key: Option<&[u8]>, value: &[u8]) -> Offer {
        let mut record = BaseRecord::to(&self.topic).payload(value);
        (record.key, record.partition) = (key, partition);
        match self.producer.send(record) {
            Ok(()) => Offer::Taken,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Offer::Full,
            Err((error, _)) => {
                self.producer.context().fail(&error);
                Offer::Refused
            }
        }
    }

    /// What became of the records so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.producer.context().tally()
    }
}

/// Counts deliveries and keeps the first error.
#[derive(Default)]
struct Deliveries {
    delivered: AtomicU64,
    failed: AtomicU64,
    first_error: Mutex<Option<String>>,
}

impl Deliveries {
    /// The error is kept before the failure counts, so that whoever sees the count also sees why.
    fn fail(&self, error: &KafkaError) {
        if let Ok(mut first) = self.first_error.lock() {
            let reason = error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string());
            first.get_or_insert(reason);
        }
        self.failed.fetch_add(1, Ordering::Release);
    }

    fn tally(&self) -> Tally {
        let (delivered, failed) = (self.delivered.load(Ordering::Acquire), self.failed.load(Ordering::Acquire));
        let first_error = self.first_error.lock().ok().and_then(|first| first.clone());
        Tally { delivered, failed, first_error }
    }
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): Self::DeliveryOpaque) {
        match result {
            Ok(_) => {
                self.delivered.fetch_add(1, Ordering::Release);
            }
            Err((error, _)) => self.fail(error),
        }
    }
}

/// Writes one record to its partition and waits until all in-sync replicas have it; its offset.
///
/// # Errors
/// With the reason, when it was not acknowledged within `within`.
pub fn send_one(client: &ClientConfig, record: Outgoing<'_>, within: Duration) -> Result<i64, String> {
    let mut config = client.clone();
    config.set("enable.idempotence", "true").set("acks", "all").set("message.timeout.ms", within.as_millis().to_string());
    let producer: BaseProducer<OneDelivery> =
        config.create_with_context(OneDelivery::default()).map_err(|error: KafkaError| error.to_string())?;
    let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
    for (key, value) in record.headers {
        headers = headers.insert(Header { key, value: Some(*value) });
    }
    let mut message: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(record.topic).partition(record.partition).headers(headers);
    (message.key, message.payload) = (record.key, record.value);
    producer.send(message).map_err(|(error, _)| error.to_string())?;
    let until = Instant::now() + within + Duration::from_secs(1);
    while Instant::now() < until {
        producer.poll(Duration::from_millis(20));
        if let Some(result) = producer.context().0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return result;
        }
    }
    Err(format!("no answer within {} s", within.as_secs()))
}

/// What became of the one record.
#[derive(Default)]
struct OneDelivery(Mutex<Option<Result<i64, String>>>);

impl ClientContext for OneDelivery {}

impl ProducerContext for OneDelivery {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let result = match result {
            Ok(message) => Ok(message.offset()),
            Err((error, _)) => Err(error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string())),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }
}
