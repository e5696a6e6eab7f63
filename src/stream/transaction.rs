//! The transactional producer, and "one transaction is open" as a fact that the compiler checks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::stream::client::{ClientSettings, Reports, StreamContext};
use crate::stream::deliver::deliver;
use crate::stream::fault::{Fault, Reaction, Step, code_of};
use crate::stream::record::{Outbox, Outgoing};

/// How long a wait for delivery lasts before failures are looked for. It ends at once when all is delivered.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a full queue is given to empty before a record is offered again.
const ROOM_WITHIN: Duration = Duration::from_millis(2);

/// A producer that writes only in transactions.
pub struct TransactionalProducer {
    producer: BaseProducer<StreamContext>,
    reports: Arc<Reports>,
    timeout: Duration,
    record_bytes_max: usize,
}

impl TransactionalProducer {
    /// Makes the producer of `worker` and takes over its transactional id: an unfinished transaction of its predecessor is
    /// aborted, and a predecessor that still lives can no longer write.
    ///
    /// # Errors
    /// Where no broker answers within the transaction's time, or the id may not be used.
    pub fn take_over(
        settings: &ClientSettings,
        worker: usize,
        record_bytes_max: usize,
        reports: Arc<Reports>,
    ) -> Result<Self, Fault> {
        let config = settings.producer(worker, record_bytes_max);
        let producer = BaseProducer::from_config_and_context(&config, StreamContext(Arc::clone(&reports)))
            .map_err(|error| Fault::of(Step::Create, &error))?;
        let producer = Self { producer, reports, timeout: settings.transaction_timeout, record_bytes_max };
        producer.retrying(Step::Init, Instant::now() + settings.transaction_timeout, Producer::init_transactions)?;
        Ok(producer)
    }

    /// Opens a transaction.
    ///
    /// # Errors
    /// Where the producer can no longer be used.
    pub fn begin(&mut self) -> Result<Transaction<'_>, Fault> {
        self.producer.begin_transaction().map_err(|error| Fault::of(Step::Begin, &error))?;
        let deadline = Instant::now() + self.timeout;
        Ok(Transaction { producer: self, deadline, finished: false })
    }

    /// The largest record that may be sent, with its key and headers.
    #[must_use]
    pub fn record_bytes_max(&self) -> usize {
        self.record_bytes_max
    }

    /// Whether the coordinator refuses this producer because another one has its id, or its transaction timed out.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        self.producer.client().fatal_error().is_some()
    }

    /// Why the open transaction has failed, where `symptom` is only what came of it: what is not sent yet is purged then, and
    /// nothing more is taken. librdkafka tells the reason in answer to any transactional call; to begin once more is the one
    /// that asks no broker, and while a transaction is open it changes nothing.
    fn cause(&self, symptom: Fault) -> Fault {
        match self.producer.begin_transaction() {
            Err(error) if code_of(&error) != Some(RDKafkaErrorCode::State) => Fault::of(Step::Send, &error),
            _ => symptom,
        }
    }

    /// Serves callbacks while nothing is sent.
    pub fn idle(&self) {
        self.producer.poll(Duration::ZERO);
    }

    /// Makes a transactional call again while librdkafka says it may be, until `deadline`.
    fn retrying(
        &self,
        step: Step,
        deadline: Instant,
        call: impl Fn(&BaseProducer<StreamContext>, Duration) -> rdkafka::error::KafkaResult<()>,
    ) -> Result<(), Fault> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let fault = match call(&self.producer, left.max(Duration::from_millis(1))) {
                Ok(()) => return Ok(()),
                Err(error) => Fault::of(step, &error),
            };
            if let Some(stopping) = self.reports.stopping_fault() {
                return Err(stopping);
            }
            if fault.reaction != Reaction::Retry {
                return Err(fault);
            }
            if left.is_zero() {
                return Err(Fault { reaction: Reaction::Rebuild, ..fault });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// An open transaction. Dropping it unfinished aborts it.
pub struct Transaction<'p> {
    producer: &'p mut TransactionalProducer,
    deadline: Instant,
    finished: bool,
}

impl Transaction<'_> {
    /// Adds the input's offsets and commits. The list must not be empty: a transaction without offsets is not fenced.
    ///
    /// # Errors
    /// After any error the caller aborts or rebuilds, as the fault says; nothing is visible unless the outcome is unknown.
    pub fn commit(mut self, offsets: &TopicPartitionList, group: &ConsumerGroupMetadata) -> Result<(), Fault> {
        assert!(offsets.count() > 0, "a transaction without offsets is not fenced by the group");
        self.drain()?;
        let add = |producer: &BaseProducer<StreamContext>, left| producer.send_offsets_to_transaction(offsets, group, left);
        self.producer.retrying(Step::Offsets, self.deadline, add)?;
        // Anything in flight here would make the commit wait in steps of 100 ms, and would mean that drain is wrong.
        assert!(deliver(&self.producer.producer, Duration::ZERO), "nothing is in flight at a commit");
        let left = self.left();
        let result = self.producer.producer.commit_transaction(left).map_err(|error| Fault::of(Step::Commit, &error));
        // An abortable failure is aborted by the caller's drop; of an unknown outcome nothing more may be said here.
        self.finished = !matches!(&result, Err(fault) if fault.reaction == Reaction::Abort);
        result
    }

    fn abort_once(&mut self) -> Result<(), Fault> {
        self.finished = true;
        // Flushed before: an abort while the first produce is in flight can be fatal (librdkafka#4849).
        if !deliver(&self.producer.producer, Duration::from_secs(2)) {
            tracing::debug!("not everything was delivered before an abort");
        }
        let aborted = self.producer.producer.abort_transaction(self.producer.timeout);
        self.producer.reports.take_delivery_fault();
        aborted.map_err(|error| Fault { reaction: Reaction::Rebuild, ..Fault::of(Step::Abort, &error) })
    }

    /// Waits until everything sent is delivered.
    fn drain(&mut self) -> Result<(), Fault> {
        loop {
            // Of records only: the client's own count of what is in flight has reports of lost connections in it, too.
            let delivered = deliver(&self.producer.producer, LOOK_EVERY);
            self.producer.producer.poll(Duration::ZERO);
            if let Some(fault) = self.producer.reports.take_delivery_fault() {
                // Another code than that of a purge says itself what is wrong with the record.
                return Err(if fault.reaction == Reaction::Abort { self.producer.cause(fault) } else { fault });
            }
            if delivered {
                return Ok(());
            }
            self.within_time()?;
        }
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
    }

    fn within_time(&self) -> Result<(), Fault> {
        if Instant::now() < self.deadline {
            return Ok(());
        }
        let sentence = "records were not delivered within the transaction's time".to_owned();
        Err(Fault { reaction: Reaction::Abort, reason: "timeout", sentence })
    }
}

impl Outbox for Transaction<'_> {
    fn record_bytes_max(&self) -> usize {
        self.producer.record_bytes_max
    }

    fn send(&mut self, record: Outgoing<'_>) -> Result<(), Fault> {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for (key, value) in record.headers {
            headers = headers.insert(Header { key, value: Some(*value) });
        }
        let mut base = BaseRecord::<[u8], [u8]>::to(record.topic).partition(record.partition).headers(headers);
        base.key = record.key;
        base.payload = record.value;
        loop {
            let Err((error, refused)) = self.producer.producer.send(base) else { return Ok(()) };
            let fault = Fault::of(Step::Send, &error);
            if fault.reaction != Reaction::Retry {
                let failed_before = code_of(&error) == Some(RDKafkaErrorCode::State);
                return Err(if failed_before { self.producer.cause(fault) } else { fault });
            }
            self.within_time()?;
            self.producer.producer.poll(Duration::ZERO);
            deliver(&self.producer.producer, ROOM_WITHIN);
            base = refused;
        }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.finished
            && let Err(fault) = self.abort_once()
        {
            tracing::warn!(%fault, "a transaction could not be aborted; its timeout will");
        }
    }
}
