//! The rows of the error table (`stream::fault`) that librdkafka's mock cluster can provoke, each through a whole worker.
//!
//! The mock is no proof of exactly-once: it shows aborted records and fences nobody. What is shown here is the reaction:
//! every record is handled, in order, and counted once among what was committed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};
use rdkafka::types::{RDKafkaApiKey as Request, RDKafkaRespErr as Answer};

use jidoka::stream::batch::BatchLimits;
use jidoka::stream::client::{ClientSettings, LagListener};
use jidoka::stream::fault::Fault;
use jidoka::stream::log_reader::LogReader;
use jidoka::stream::observer::{Full, StreamObserver};
use jidoka::stream::processor::{InputPartition, NextOffset, Processor, Taken};
use jidoka::stream::record::{Incoming, Outbox, Outgoing};
use jidoka::stream::worker::{Unclaimed, WorkerSettings, run};

const PATIENCE: Duration = Duration::from_mins(1);
const BROKER: i32 = 1;

/// What lasts beyond a session, as the output topics do for the gate: what was committed, in order.
#[derive(Default)]
struct Committed(Mutex<Vec<i64>>);

impl Committed {
    fn offsets(&self) -> Vec<i64> {
        self.0.lock().expect("no test panics while it holds this").clone()
    }

    fn next(&self) -> i64 {
        self.offsets().last().map_or(0, |last| last + 1)
    }
}

/// Writes one record for each, and notes which offsets were committed.
struct Echo {
    committed: Arc<Committed>,
    staged: Vec<i64>,
    held: BTreeMap<InputPartition, i64>,
    /// While it is up, records are waited with.
    barrier: Arc<AtomicBool>,
}

impl Echo {
    fn position(&self) -> i64 {
        self.staged.last().map_or_else(|| self.committed.next(), |last| last + 1)
    }
}

impl Processor for Echo {
    fn take(&mut self, partition: &InputPartition, _: &mut LogReader) -> Result<Taken, Fault> {
        assert!(self.staged.is_empty(), "taken in the middle of a turn");
        let next = self.committed.next();
        self.held.insert(partition.clone(), next);
        Ok(Taken::ReadFrom(next))
    }

    fn lose(&mut self, partition: &InputPartition) {
        self.held.remove(partition);
    }

    fn wants_turn(&self) -> bool {
        false
    }

    fn process(&mut self, record: &Incoming<'_>, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        assert_eq!(record.offset, self.position(), "records come in order and without a gap");
        while self.barrier.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let headers: [(&str, &[u8]); 1] = [("echo", b"yes")];
        outbox.send(Outgoing { topic: "out", partition: 0, key: None, value: record.value, headers: &headers })?;
        self.staged.push(record.offset);
        Ok(())
    }

    fn finish(&mut self, _: &mut dyn Outbox) -> Result<(), Fault> {
        Ok(())
    }

    fn next_offset(&self, partition: &InputPartition) -> Option<NextOffset<'_>> {
        self.held.get(partition).map(|_| NextOffset { offset: self.position(), note: "echo" })
    }

    fn committed(&mut self) {
        self.committed.0.lock().expect("no test panics while it holds this").append(&mut self.staged);
    }

    fn rolled_back(&mut self) {
        self.staged.clear();
    }

    fn halted(&self) -> bool {
        false
    }
}

/// What the worker told, and whether it should end.
#[derive(Default)]
struct Ear {
    stop: AtomicBool,
    disconnected: AtomicBool,
    aborts: Mutex<Vec<&'static str>>,
    rebuilds: Mutex<Vec<&'static str>>,
}

impl StreamObserver for Ear {
    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn polled(&self, connected: bool, _: usize) {
        if !connected {
            self.disconnected.store(true, Ordering::Relaxed);
        }
    }

    fn taken(&self, _: &InputPartition, _: i64) {}
    fn waiting(&self, _: &InputPartition, _: &str) {}
    fn lost(&self, _: &InputPartition) {}
    fn restored(&self, _: usize, _: Duration) {}
    fn turn_began(&self) {}
    fn turn_ended(&self) {}
    fn committed(&self, _: Duration, _: usize, _: Option<Full>) {}

    fn aborted(&self, fault: &Fault) {
        self.aborts.lock().expect("no test panics while it holds this").push(fault.reason);
    }

    fn rebuilding(&self, fault: &Fault) {
        self.rebuilds.lock().expect("no test panics while it holds this").push(fault.reason);
    }

    fn lag_listener(&self) -> LagListener {
        Box::new(|_| {})
    }
}

/// A mock cluster, a worker on it, and what is known of both.
struct Stage {
    mock: MockCluster<'static, DefaultProducerContext>,
    producer: BaseProducer,
    worker: Option<JoinHandle<Result<(), Fault>>>,
    ear: Arc<Ear>,
    committed: Arc<Committed>,
    barrier: Arc<AtomicBool>,
    limits_asked: Arc<AtomicUsize>,
    sent: i64,
}

impl Stage {
    /// A worker that has begun to work.
    fn running(transaction_timeout: Duration) -> Self {
        let mut stage = Self::set();
        stage.start(transaction_timeout);
        stage.send_and_await(20);
        stage
    }

    /// A cluster with both topics, and no worker.
    fn set() -> Self {
        let mock = MockCluster::new(1).expect("a mock cluster starts");
        mock.create_topic("in", 1, 1).expect("a topic");
        mock.create_topic("out", 1, 1).expect("a topic");
        let producer = ClientConfig::new()
            .set("bootstrap.servers", mock.bootstrap_servers())
            .set("linger.ms", "0")
            .create()
            .expect("the settings are sound");
        Self {
            mock,
            producer,
            worker: None,
            ear: Arc::default(),
            committed: Arc::default(),
            barrier: Arc::default(),
            limits_asked: Arc::default(),
            sent: 0,
        }
    }

    fn start(&mut self, transaction_timeout: Duration) {
        let settings = WorkerSettings {
            clients: ClientSettings {
                kafka: vec![("bootstrap.servers".to_owned(), self.mock.bootstrap_servers())],
                group: "echo".to_owned(),
                instance: 0,
                transaction_timeout,
                session_timeout: Duration::from_secs(6),
                restore_timeout: Duration::from_secs(10),
            },
            topics: vec!["in".to_owned()],
            batch: BatchLimits { max_records: 7, max_bytes: 1_000_000, linger: Duration::from_millis(5) },
            worker: 0,
            unclaimed: Unclaimed::Ignore,
        };
        let (ear, committed) = (Arc::clone(&self.ear), Arc::clone(&self.committed));
        let (barrier, limits_asked) = (Arc::clone(&self.barrier), Arc::clone(&self.limits_asked));
        let limit = move || {
            limits_asked.fetch_add(1, Ordering::Relaxed);
            Ok(1_000_000)
        };
        let work = move || {
            let mut echo = Echo { committed, staged: Vec::new(), held: BTreeMap::new(), barrier };
            run(&settings, &mut echo, &limit, &*ear)
        };
        self.worker = Some(std::thread::Builder::new().name("echo".to_owned()).spawn(work).expect("a thread starts"));
    }

    fn send(&mut self, count: i64) {
        for _ in 0..count {
            let value = self.sent.to_string();
            self.producer.send(BaseRecord::<(), str>::to("in").partition(0).payload(&value)).expect("the queue has room");
            self.sent += 1;
        }
        self.producer.flush(PATIENCE).expect("the mock takes records");
    }

    fn send_and_await(&mut self, count: i64) {
        self.send(count);
        self.await_all();
    }

    /// Waits until all that was sent is committed.
    fn await_all(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.committed.next() < self.sent {
            let has_ended = self.worker.as_ref().is_some_and(JoinHandle::is_finished);
            assert!(!has_ended, "the worker ended: {:?}", self.ended());
            assert!(
                Instant::now() < deadline,
                "committed {} of {}, aborts {:?}, rebuilds {:?}",
                self.committed.next(),
                self.sent,
                self.aborts(),
                self.rebuilds()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Has the worker's next writes answered with `answers`, and not those of the test's own producer.
    fn refuse_writes(&mut self, answers: &[Answer]) {
        self.barrier.store(true, Ordering::Relaxed);
        self.send(5);
        self.mock.request_errors(Request::Produce, answers);
        self.barrier.store(false, Ordering::Relaxed);
    }

    /// Waits until the worker told something of `heard`.
    fn await_some(&self, heard: impl Fn(&Self) -> Vec<&'static str>) {
        let deadline = Instant::now() + PATIENCE;
        while heard(self).is_empty() {
            assert!(Instant::now() < deadline, "aborts {:?}, rebuilds {:?}", self.aborts(), self.rebuilds());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// How the worker ended by itself.
    fn ended(&mut self) -> Result<(), Fault> {
        let deadline = Instant::now() + PATIENCE;
        let worker = self.worker.take().expect("it was started");
        while !worker.is_finished() {
            assert!(Instant::now() < deadline, "the worker goes on: aborts {:?}, rebuilds {:?}", self.aborts(), self.rebuilds());
            std::thread::sleep(Duration::from_millis(10));
        }
        worker.join().expect("the worker does not panic")
    }

    /// Stops the worker and looks at what it committed: everything, once and in order.
    fn finish(mut self) -> (Vec<&'static str>, Vec<&'static str>) {
        self.send_and_await(10);
        self.ear.stop.store(true, Ordering::Relaxed);
        self.ended().expect("asked to end, it ends well");
        assert_eq!(self.committed.offsets(), (0..self.sent).collect::<Vec<_>>());
        (self.aborts(), self.rebuilds())
    }

    fn aborts(&self) -> Vec<&'static str> {
        self.ear.aborts.lock().expect("no test panics while it holds this").clone()
    }

    fn rebuilds(&self) -> Vec<&'static str> {
        self.ear.rebuilds.lock().expect("no test panics while it holds this").clone()
    }
}

/// Longer than anything here takes that is not meant to time out; the session's is longer still.
const TIMEOUT: Duration = Duration::from_secs(4);

#[test]
fn what_is_retriable_is_retried_until_it_is_committed() {
    let mut stage = Stage::running(TIMEOUT);
    let rows = [
        (Request::AddPartitionsToTxn, Answer::RD_KAFKA_RESP_ERR_NOT_COORDINATOR),
        (Request::AddPartitionsToTxn, Answer::RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS),
        (Request::AddOffsetsToTxn, Answer::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS),
        (Request::TxnOffsetCommit, Answer::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS),
        (Request::TxnOffsetCommit, Answer::RD_KAFKA_RESP_ERR_NOT_COORDINATOR),
        (Request::EndTxn, Answer::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE),
        (Request::EndTxn, Answer::RD_KAFKA_RESP_ERR_NOT_COORDINATOR),
        (Request::Produce, Answer::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION),
    ];
    for (request, answer) in rows {
        stage.mock.request_errors(request, &[answer, answer]);
        stage.send_and_await(5);
    }
    assert_eq!(stage.finish(), (vec![], vec![]));
}

#[test]
fn what_requires_an_abort_is_aborted_and_the_batch_comes_again() {
    let mut stage = Stage::running(TIMEOUT);
    for answer in [Answer::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, Answer::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID] {
        stage.mock.request_errors(Request::TxnOffsetCommit, &[answer]);
        stage.send_and_await(15);
    }
    assert_eq!(stage.finish(), (vec!["rebalance", "rebalance"], vec![]));
}

#[test]
fn an_undelivered_record_aborts_and_the_batch_comes_again() {
    let mut stage = Stage::running(TIMEOUT);
    stage.refuse_writes(&[Answer::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION; 500]);
    stage.await_some(Stage::aborts);
    stage.mock.clear_request_errors(Request::Produce);
    let (aborts, _) = stage.finish();
    assert!(aborts.iter().all(|reason| *reason == "timeout"), "{aborts:?}");
}

#[test]
fn a_record_that_a_topic_refuses_as_too_large_has_the_limits_read_again() {
    let mut stage = Stage::running(TIMEOUT);
    let asked = stage.limits_asked.load(Ordering::Relaxed);
    stage.refuse_writes(&[Answer::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);
    stage.await_all();
    let limits_asked = Arc::clone(&stage.limits_asked);
    assert_eq!(stage.finish(), (vec!["too-large"], vec!["too-large"]));
    assert_eq!(limits_asked.load(Ordering::Relaxed), asked + 1);
}

#[test]
fn a_fenced_producer_is_made_anew() {
    let mut stage = Stage::running(TIMEOUT);
    stage.mock.request_errors(Request::EndTxn, &[Answer::RD_KAFKA_RESP_ERR_PRODUCER_FENCED]);
    stage.send_and_await(15);
    assert_eq!(stage.finish(), (vec!["fenced"], vec!["fenced"]));
}

#[test]
fn an_epoch_that_is_not_ours_is_made_anew() {
    let mut stage = Stage::running(TIMEOUT);
    stage.mock.request_errors(Request::AddPartitionsToTxn, &[Answer::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH]);
    stage.send_and_await(15);
    assert_eq!(stage.finish(), (vec!["fenced"], vec!["fenced"]));
}

#[test]
fn a_commit_of_unknown_outcome_rebuilds_and_never_repeats_itself() {
    let mut stage = Stage::running(Duration::from_secs(2));
    stage.mock.request_errors(Request::EndTxn, &[Answer::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS; 500]);
    stage.send(5);
    stage.await_some(Stage::rebuilds);
    stage.mock.clear_request_errors(Request::EndTxn);
    stage.await_all();
    let (aborts, rebuilds) = stage.finish();
    assert!(!aborts.is_empty() && rebuilds[0] == "timeout", "{aborts:?} {rebuilds:?}");
}

#[test]
fn a_broker_that_goes_and_comes_back_is_waited_for() {
    let mut stage = Stage::running(TIMEOUT);
    stage.mock.broker_down(BROKER).expect("the mock has it");
    let deadline = Instant::now() + PATIENCE;
    while !stage.ear.disconnected.load(Ordering::Relaxed) {
        assert!(Instant::now() < deadline, "the worker does not notice that no broker answers");
        std::thread::sleep(Duration::from_millis(10));
    }
    stage.mock.broker_up(BROKER).expect("the mock has it");
    stage.send_and_await(15);
    let (aborts, rebuilds) = stage.finish();
    assert!(aborts.is_empty() && rebuilds.is_empty(), "{aborts:?} {rebuilds:?}");
}

#[test]
fn an_offset_out_of_range_is_looked_at_anew_and_nothing_is_skipped() {
    let mut stage = Stage::running(TIMEOUT);
    stage.mock.request_errors(Request::Fetch, &[Answer::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE]);
    stage.send_and_await(15);
    let (aborts, rebuilds) = stage.finish();
    assert_eq!((aborts.len(), rebuilds), (0, vec!["offset-out-of-range"]));
}

/// A running worker that meets `answer` ends; with which sentence.
fn ends_with(request: Request, answer: Answer) -> Fault {
    let mut stage = Stage::running(TIMEOUT);
    let before = stage.committed.offsets();
    stage.mock.request_errors(request, &[answer; 50]);
    stage.send(5);
    let fault = stage.ended().expect_err("only a person can mend it");
    assert_eq!(stage.committed.offsets(), before, "nothing more was committed");
    fault
}

#[test]
fn a_topic_that_may_not_be_written_ends_the_worker() {
    let fault = ends_with(Request::AddPartitionsToTxn, Answer::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    assert!(fault.sentence.contains("may not use one of the topics"), "{fault}");
    assert_eq!(fault.reason, "authorization");
}

#[test]
fn a_group_that_may_not_be_used_ends_the_worker() {
    let fault = ends_with(Request::TxnOffsetCommit, Answer::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    assert!(fault.sentence.contains("may not use the consumer group"), "{fault}");
}

#[test]
fn a_second_process_of_the_same_ordinal_ends_the_worker() {
    let fault = ends_with(Request::TxnOffsetCommit, Answer::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
    assert!(fault.sentence.contains("another process with the same `instance`"), "{fault}");
    assert_eq!(fault.reason, "fenced-instance");
}

#[test]
fn a_transactional_id_that_may_not_be_used_ends_the_worker_before_it_reads() {
    let mut stage = Stage::set();
    let refused = Answer::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    stage.mock.request_errors(Request::InitProducerId, &[refused; 50]);
    stage.start(TIMEOUT);
    let fault = stage.ended().expect_err("only a person can mend it");
    assert!(fault.sentence.contains("may not use the transactional id"), "{fault}");
    assert_eq!(stage.committed.offsets(), [0; 0]);
}
