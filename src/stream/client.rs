//! Kafka clients: their settings, in one place and with their reasons, and the context that hears what they report.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::stream::fault::{Fault, Reaction, Step};

/// What every client of one process needs to know.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Handed to librdkafka as is.
    pub kafka: Vec<(String, String)>,
    /// The consumer group, `<prefix>gate` for the gate.
    pub group: String,
    /// Ordinal of this process.
    pub instance: u32,
    /// How long a transaction may stay open.
    pub transaction_timeout: Duration,
    /// How long the group waits for a silent member. More than the transaction timeout.
    pub session_timeout: Duration,
    /// How long restoring may take; no poll happens meanwhile.
    pub restore_timeout: Duration,
}

impl ClientSettings {
    /// The settings of the person who runs this, and nothing else.
    #[must_use]
    pub fn base(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("client.id", format!("{}-{}", self.group, self.instance));
        // A broker that comes back is found soon, without hammering one that does not.
        config.set("reconnect.backoff.max.ms", "2000");
        for (key, value) in &self.kafka {
            config.set(key, value);
        }
        config.set_log_level(RDKafkaLogLevel::Warning);
        config
    }

    /// The id under which worker `worker` is known to group and transaction coordinator. Stable over restarts: a random
    /// one would freeze readers until its timeout after every crash.
    #[must_use]
    pub fn stable_id(&self, worker: usize) -> String {
        format!("{}-{}-{worker}", self.group, self.instance)
    }

    /// A consumer of the group.
    #[must_use]
    pub fn subscriber(&self, worker: usize) -> ClientConfig {
        let mut config = self.reader();
        config.set("group.instance.id", self.stable_id(worker));
        config.set("partition.assignment.strategy", "cooperative-sticky");
        config.set("session.timeout.ms", self.session_timeout.as_millis().to_string());
        config.set("heartbeat.interval.ms", (self.session_timeout.as_millis() / 5).clamp(100, 3_000).to_string());
        let poll_interval = self.session_timeout + self.restore_timeout + Duration::from_mins(1);
        config.set("max.poll.interval.ms", poll_interval.as_millis().to_string());
        config.set("statistics.interval.ms", "5000");
        config.set("enable.partition.eof", "false");
        // New input partitions are read soon after they were made.
        set_default(&mut config, &self.kafka, "topic.metadata.refresh.interval.ms", "30000");
        config
    }

    /// A consumer that reads state back by assignment and is told where a partition ends. It never joins the group.
    #[must_use]
    pub fn reader(&self) -> ClientConfig {
        let mut config = self.base();
        config.set("group.id", &self.group);
        config.set("group.protocol", "classic");
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("isolation.level", "read_committed");
        config.set("auto.offset.reset", "error");
        config.set("enable.partition.eof", "true");
        // Default 1000 stalls a consumer that is faster than its fetches.
        set_default(&mut config, &self.kafka, "fetch.queue.backoff.ms", "10");
        // What waits in memory, a consumer.
        set_default(&mut config, &self.kafka, "queued.max.messages.kbytes", "4096");
        config
    }

    /// A transactional producer whose largest record is `record_bytes_max`.
    #[must_use]
    pub fn producer(&self, worker: usize, record_bytes_max: usize) -> ClientConfig {
        let mut config = self.base();
        let transaction_ms = self.transaction_timeout.as_millis();
        config.set("transactional.id", self.stable_id(worker));
        config.set("transaction.timeout.ms", transaction_ms.to_string());
        // Strictly below the transaction's: an undelivered record is known before the transaction is gone.
        config.set("message.timeout.ms", (transaction_ms * 3 / 4).to_string());
        config.set("enable.idempotence", "true");
        config.set("delivery.report.only.error", "true");
        config.set("message.max.bytes", record_bytes_max.to_string());
        // Records leave when the turn asks for their delivery, not one by one before (`deliver`): longer than a turn takes to
        // write them, and well below the message's timeout.
        config.set("linger.ms", (transaction_ms / 4).min(10_000).to_string());
        set_default(&mut config, &self.kafka, "queue.buffering.max.kbytes", "65536");
        config
    }
}

/// Sets `key` where the person who runs this has not.
fn set_default(config: &mut ClientConfig, own: &[(String, String)], key: &str, value: &str) {
    if own.iter().all(|(own, _)| own != key) {
        config.set(key, value);
    }
}

/// A change of what this consumer reads.
#[derive(Debug)]
pub enum Reassignment {
    /// These came; they are not read before [`BaseConsumer::incremental_assign`].
    Came(TopicPartitionList),
    /// These went; what was polled of them must not be handled.
    Went(Vec<(String, i32)>),
}

/// Where the log of one input partition ends, as the client last heard.
pub type LagListener = Box<dyn Fn(&Statistics) + Send + Sync>;

/// What clients report between and during calls. Errors keep the first of their kind; reading takes them.
#[derive(Default)]
pub struct Reports {
    reassignments: Mutex<Vec<Reassignment>>,
    awaits_assign: AtomicBool,
    delivery: Mutex<Option<Fault>>,
    stopping: Mutex<Option<Fault>>,
    connected: AtomicBool,
    lag: Option<LagListener>,
}

impl Reports {
    /// Reports whose statistics go to `lag`.
    #[must_use]
    pub fn with_lag(lag: LagListener) -> Self {
        Self { lag: Some(lag), connected: AtomicBool::new(true), ..Self::default() }
    }

    /// What happened to the assignment since the last call, in order.
    pub fn take_reassignments(&self) -> Vec<Reassignment> {
        std::mem::take(&mut *lock(&self.reassignments))
    }

    /// Whether partitions came that were not assigned yet. Until they are, or an empty list in their place, the consumer
    /// can neither go on nor be closed: closing would wait for ever.
    pub fn awaits_assign(&self) -> bool {
        self.awaits_assign.load(Ordering::Relaxed)
    }

    /// Partitions were assigned.
    pub fn assigned(&self) {
        self.awaits_assign.store(false, Ordering::Relaxed);
    }

    /// The first failed delivery since the last call.
    pub fn take_delivery_fault(&self) -> Option<Fault> {
        lock(&self.delivery).take()
    }

    /// A fault that only a person can mend.
    pub fn stopping_fault(&self) -> Option<Fault> {
        lock(&self.stopping).clone()
    }

    /// Whether some broker answered lately.
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Some broker answered.
    pub fn answered(&self) {
        self.connected.store(true, Ordering::Relaxed);
    }

    fn hear(&self, error: &KafkaError, reason: &str) {
        if matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::AllBrokersDown))
            && self.connected.swap(false, Ordering::Relaxed)
        {
            tracing::warn!(reason, "no broker can be reached; waiting for one");
        }
        let fault = Fault::of(Step::Poll, error);
        if fault.reaction == Reaction::Stop {
            let sentence = format!("{}: {reason}", fault.sentence);
            lock(&self.stopping).get_or_insert(Fault { sentence, ..fault });
        } else {
            tracing::debug!(%error, reason, "a client reported");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The context of all clients here: hands on to [`Reports`].
pub struct StreamContext(pub std::sync::Arc<Reports>);

impl ClientContext for StreamContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(target: "librdkafka", facility, "{message}");
            }
            // Lost connections are normal during a broker's restart, and reported as errors besides.
            _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn stats(&self, statistics: Statistics) {
        if let Some(lag) = &self.0.lag {
            lag(&statistics);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.hear(&error, reason);
    }
}

impl ConsumerContext for StreamContext {
    /// Runs inside `poll`, on the worker's thread, with no transaction open. Partitions that come are only noted: the
    /// worker first finds out where to go on, and assigns them then.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        kind: rdkafka::types::RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        if kind == rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.0.awaits_assign.store(true, Ordering::Relaxed);
            lock(&self.0.reassignments).push(Reassignment::Came(partitions.clone()));
            return;
        }
        let went = partitions.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect();
        lock(&self.0.reassignments).push(Reassignment::Went(went));
        if let Err(error) = consumer.incremental_unassign(partitions) {
            tracing::warn!(%error, "partitions could not be given back");
        }
        self.post_rebalance(consumer, &Rebalance::Revoke(partitions));
    }
}

impl ProducerContext for StreamContext {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            let fault = Fault::of(Step::Send, error);
            let mut first = lock(&self.0.delivery);
            // A purge is the echo of an abort; the reason for it was noted before.
            if first.as_ref().is_none_or(|first| first.reaction == Reaction::Abort && fault.reaction != Reaction::Abort) {
                *first = Some(fault);
            }
        }
    }
}
