//! The turn: poll a batch → process → send → offsets → commit, on one OS thread that owns one consumer and one producer.
//!
//! No transaction is open while polling, so a rebalance (which runs inside `poll`) never meets one. A fault that cannot
//! be aborted ends the *session*: both clients are dropped, made anew, and state is restored from what is committed. That
//! is the same path as after a crash, so there is only one way back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::stream::batch::{Batch, BatchLimits};
use crate::stream::client::{ClientSettings, Reassignment, Reports, StreamContext};
use crate::stream::fault::{Fault, Reaction, Step};
use crate::stream::log_reader::LogReader;
use crate::stream::observer::StreamObserver;
use crate::stream::processor::{InputPartition, Processor, Taken};
use crate::stream::record::Incoming;
use crate::stream::transaction::TransactionalProducer;
use crate::stream::unclaimed::UnclaimedWatch;

const ASSIGN_TIMEOUT: Duration = Duration::from_secs(10);
const ASK_WAITING_EVERY: Duration = Duration::from_secs(1);
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// What one worker runs on.
#[derive(Clone)]
pub struct WorkerSettings {
    /// Settings of its clients.
    pub clients: ClientSettings,
    /// Input topics.
    pub topics: Vec<String>,
    /// When a batch closes.
    pub batch: BatchLimits,
    /// Number of this worker in its process.
    pub worker: usize,
    /// Whether this one looks for input partitions that nobody in the group reads.
    pub unclaimed: Unclaimed,
}

/// Whether a worker looks for partitions that nobody reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unclaimed {
    /// It does; one of a process is enough.
    Watch,
    /// Others do, or the broker is a mock that keeps no offsets.
    Ignore,
}

/// Asks the cluster for the largest record that all output topics take.
pub type RecordLimit = dyn Fn() -> Result<usize, Fault> + Send + Sync;

/// Runs `processor` until `observer` says to stop.
///
/// # Errors
/// With the fault that only a person can mend.
pub fn run(
    settings: &WorkerSettings,
    processor: &mut dyn Processor,
    record_limit: &RecordLimit,
    observer: &dyn StreamObserver,
) -> Result<(), Fault> {
    let mut backoff = BACKOFF_FIRST;
    while !observer.is_stopping() {
        let began = Instant::now();
        let reports = Arc::new(Reports::with_lag(observer.lag_listener()));
        let ended = match subscribe(settings, &reports) {
            Ok(consumer) => {
                let mut session = Session {
                    settings,
                    processor,
                    record_limit,
                    observer,
                    reports,
                    consumer: &consumer,
                    producer: None,
                    held: BTreeMap::new(),
                    flow: Flow::Open,
                };
                let ended = session.run();
                session.end();
                ended
            }
            Err(fault) => Err(fault),
        };
        match ended {
            Ok(()) => break,
            Err(fault) if fault.reaction == Reaction::Stop => return Err(fault),
            Err(fault) => {
                observer.rebuilding(&fault);
                backoff = if began.elapsed() > BACKOFF_MAX { BACKOFF_FIRST } else { (backoff * 2).min(BACKOFF_MAX) };
                wait(backoff, observer);
            }
        }
    }
    Ok(())
}

fn wait(time: Duration, observer: &dyn StreamObserver) {
    let until = Instant::now() + time;
    while Instant::now() < until && !observer.is_stopping() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn subscribe(settings: &WorkerSettings, reports: &Arc<Reports>) -> Result<BaseConsumer<StreamContext>, Fault> {
    let config = settings.clients.subscriber(settings.worker);
    let consumer = BaseConsumer::from_config_and_context(&config, StreamContext(Arc::clone(reports)))
        .map_err(|error| Fault::of(Step::Create, &error))?;
    subscribe_to(&consumer, &settings.topics)?;
    Ok(consumer)
}

fn subscribe_to(consumer: &BaseConsumer<StreamContext>, topics: &[String]) -> Result<(), Fault> {
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    consumer.subscribe(&topics).map_err(|error| Fault::of(Step::Create, &error))
}

/// What the worker does with a partition that it holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Holding {
    /// Read.
    Reading,
    /// Assigned, paused, and asked about again.
    Waiting,
    /// Taken, paused at a record for which the processor must read something else first.
    Stopped,
}

/// Whether input is read at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flow {
    Open,
    /// An operator ordered that nothing is read.
    Halted,
}

/// The life of one consumer and one producer.
struct Session<'s> {
    settings: &'s WorkerSettings,
    processor: &'s mut dyn Processor,
    record_limit: &'s RecordLimit,
    observer: &'s dyn StreamObserver,
    reports: Arc<Reports>,
    consumer: &'s BaseConsumer<StreamContext>,
    producer: Option<TransactionalProducer>,
    held: BTreeMap<InputPartition, Holding>,
    flow: Flow,
}

impl<'s> Session<'s> {
    fn run(&mut self) -> Result<(), Fault> {
        let mut batch = Batch::default();
        let mut asked = Instant::now();
        let mut unclaimed = (self.settings.unclaimed == Unclaimed::Watch).then(UnclaimedWatch::new);
        while !self.observer.is_stopping() {
            batch.collect(self.consumer, &self.settings.batch)?;
            if let Some(fault) = self.reports.stopping_fault() {
                return Err(fault);
            }
            for change in self.reports.take_reassignments() {
                self.reassign(change, &mut batch)?;
            }
            self.observer.polled(self.reports.is_connected(), self.held.len());
            if asked.elapsed() >= ASK_WAITING_EVERY {
                asked = Instant::now();
                self.ask_waiting()?;
            }
            self.heed_operators(&mut batch)?;
            self.look_around()?;
            if !batch.is_empty() || self.processor.wants_turn() {
                self.turn(&batch)?;
                batch.clear();
            } else if let Some(producer) = &self.producer {
                producer.idle();
            }
            if let Some(watch) = &mut unclaimed {
                let partitions = watch.look(self.consumer, &self.settings.topics);
                if !partitions.is_empty() {
                    self.join_again(&partitions, &mut batch)?;
                }
            }
        }
        Ok(())
    }

    /// Forgets all partitions: whoever comes next restores them. What came and could not be restored, or came too late, is
    /// declined, or else closing the consumer would wait for its assignment for ever.
    fn end(&mut self) {
        if self.reports.awaits_assign()
            && let Err(error) = self.consumer.incremental_assign(&TopicPartitionList::new())
        {
            tracing::debug!(%error, "partitions that came at the end could not be declined");
        }
        for partition in std::mem::take(&mut self.held).into_keys() {
            self.processor.lose(&partition);
            self.observer.lost(&partition);
        }
    }

    /// Leaves the group and joins it again, so that it thinks anew about who reads what.
    fn join_again(&mut self, unclaimed: &[(String, i32)], batch: &mut Batch<'s>) -> Result<(), Fault> {
        tracing::warn!(?unclaimed, "nobody in the group reads these partitions; joining it again");
        self.consumer.unsubscribe();
        let until = Instant::now() + ASSIGN_TIMEOUT;
        while !self.held.is_empty() {
            if let Some(Ok(message)) = self.consumer.poll(Duration::from_millis(100)) {
                // It lies in a partition that is about to go; whoever takes that next reads it again.
                drop(message);
            }
            for change in self.reports.take_reassignments() {
                self.reassign(change, batch)?;
            }
            if Instant::now() > until {
                return Err(Fault::rebuild("rebalance", "the group did not let its partitions go".to_owned()));
            }
        }
        subscribe_to(self.consumer, &self.settings.topics)
    }

    fn reassign(&mut self, change: Reassignment, batch: &mut Batch<'s>) -> Result<(), Fault> {
        match change {
            Reassignment::Went(partitions) => {
                for (topic, partition) in partitions {
                    let partition = InputPartition { topic, partition };
                    batch.drop_partition(&partition);
                    self.held.remove(&partition);
                    self.processor.lose(&partition);
                    self.observer.lost(&partition);
                }
                Ok(())
            }
            Reassignment::Came(partitions) => {
                let partitions: Vec<InputPartition> = partitions
                    .elements()
                    .iter()
                    .map(|element| InputPartition { topic: element.topic().to_owned(), partition: element.partition() })
                    .collect();
                self.take_over_id()?;
                self.take(&partitions)
            }
        }
    }

    /// The producer is made after the consumer has joined: an older process of the same ordinal then learns from the group
    /// that it is replaced, before its producer is fenced, and does not fence this one in turn.
    fn take_over_id(&mut self) -> Result<(), Fault> {
        if self.producer.is_none() {
            let limit = (self.record_limit)()?;
            let (clients, worker) = (&self.settings.clients, self.settings.worker);
            self.producer = Some(TransactionalProducer::take_over(clients, worker, limit, Arc::clone(&self.reports))?);
        }
        Ok(())
    }

    /// Restores partitions and begins to read them where they were left.
    fn take(&mut self, partitions: &[InputPartition]) -> Result<(), Fault> {
        let mut assignment = TopicPartitionList::new();
        let mut paused = TopicPartitionList::new();
        let began = Instant::now();
        if !partitions.is_empty() {
            let mut log = LogReader::open(&self.settings.clients)?;
            for partition in partitions {
                let (offset, holding) = match self.processor.take(partition, &mut log)? {
                    Taken::ReadFrom(offset) => {
                        self.observer.taken(partition, offset);
                        (Offset::Offset(offset), Holding::Reading)
                    }
                    Taken::Wait(reason) => {
                        self.observer.waiting(partition, &reason);
                        (Offset::End, Holding::Waiting)
                    }
                };
                if holding == Holding::Waiting || self.flow == Flow::Halted {
                    paused.add_partition(&partition.topic, partition.partition);
                }
                self.held.insert(partition.clone(), holding);
                assignment
                    .add_partition_offset(&partition.topic, partition.partition, offset)
                    .map_err(|error| Fault::of(Step::Assign, &error))?;
            }
        }
        self.consumer.incremental_assign(&assignment).map_err(|error| Fault::of(Step::Assign, &error))?;
        self.reports.assigned();
        if paused.count() > 0 {
            self.consumer.pause(&paused).map_err(|error| Fault::of(Step::Assign, &error))?;
        }
        self.observer.restored(partitions.len(), began.elapsed());
        Ok(())
    }

    /// Asks again about partitions that could not go on.
    fn ask_waiting(&mut self) -> Result<(), Fault> {
        let waiting: Vec<InputPartition> = self
            .held
            .iter()
            .filter(|(_, holding)| **holding == Holding::Waiting)
            .map(|(partition, _)| partition.clone())
            .collect();
        if waiting.is_empty() {
            return Ok(());
        }
        let mut ready = Vec::new();
        let mut log = LogReader::open(&self.settings.clients)?;
        for partition in waiting {
            if let Taken::ReadFrom(offset) = self.processor.take(&partition, &mut log)? {
                self.observer.taken(&partition, offset);
                self.held.insert(partition.clone(), Holding::Reading);
                ready.push((partition, offset));
            }
        }
        self.seek(&ready)?;
        match self.flow {
            Flow::Open => self.resume(ready.iter().map(|(partition, _)| partition)),
            Flow::Halted => Ok(()),
        }
    }

    /// What the processor learns besides its input; partitions that it can go on with are read again.
    fn look_around(&mut self) -> Result<(), Fault> {
        let ready = self.processor.look_around()?;
        for partition in &ready {
            if let Some(holding) = self.held.get_mut(partition) {
                *holding = Holding::Reading;
            }
        }
        match self.flow {
            Flow::Open => self.resume(ready.iter().filter(|partition| self.held.contains_key(*partition))),
            Flow::Halted => Ok(()),
        }
    }

    /// Partitions at which the processor stopped in this turn go back to that record, and wait there.
    fn stop_where_it_must(&mut self) -> Result<(), Fault> {
        let mut stopped = Vec::new();
        for (partition, holding) in self.held.iter_mut().filter(|(_, holding)| **holding == Holding::Reading) {
            if let Some(offset) = self.processor.stopped_at(partition) {
                *holding = Holding::Stopped;
                stopped.push((partition.clone(), offset));
            }
        }
        if stopped.is_empty() {
            return Ok(());
        }
        let paused = list(stopped.iter().map(|(partition, _)| partition));
        self.consumer.pause(&paused).map_err(|error| Fault::of(Step::Assign, &error))?;
        self.seek(&stopped)
    }

    fn resume<'p>(&self, partitions: impl Iterator<Item = &'p InputPartition>) -> Result<(), Fault> {
        let list = list(partitions);
        if list.count() == 0 {
            return Ok(());
        }
        self.consumer.resume(&list).map_err(|error| Fault::of(Step::Assign, &error))
    }

    /// An operator's halt, or its end. What was polled and not yet handled is read again later.
    fn heed_operators(&mut self, batch: &mut Batch<'s>) -> Result<(), Fault> {
        let ordered = if self.processor.halted() { Flow::Halted } else { Flow::Open };
        if std::mem::replace(&mut self.flow, ordered) == ordered {
            return Ok(());
        }
        let reading = || self.held.iter().filter(|(_, holding)| **holding == Holding::Reading).map(|(partition, _)| partition);
        if ordered == Flow::Open {
            return self.resume(reading());
        }
        let list = list(reading());
        if list.count() > 0 {
            self.consumer.pause(&list).map_err(|error| Fault::of(Step::Assign, &error))?;
        }
        let first = batch.first_offsets();
        batch.clear();
        self.seek(&first)
    }

    /// One transaction.
    fn turn(&mut self, batch: &Batch<'s>) -> Result<(), Fault> {
        let began = Instant::now();
        self.observer.turn_began();
        let result = self.transact(batch);
        self.observer.turn_ended();
        match result {
            Ok(()) => {
                self.processor.committed();
                self.observer.committed(began.elapsed(), batch.messages().len(), batch.full(&self.settings.batch));
                self.stop_where_it_must()
            }
            Err(fault) if fault.reaction == Reaction::Abort => {
                self.processor.rolled_back();
                self.observer.aborted(&fault);
                self.seek(&batch.first_offsets())
            }
            Err(fault) => {
                self.processor.rolled_back();
                self.observer.aborted(&fault);
                self.heed_a_successor()?;
                Err(fault)
            }
        }
    }

    fn transact(&mut self, batch: &Batch<'s>) -> Result<(), Fault> {
        self.processor.foresee(&mut batch.messages().iter().map(Incoming::of));
        let missing = || Fault::rebuild("other", "a turn began before the producer was made".to_owned());
        let mut transaction = self.producer.as_mut().ok_or_else(missing)?.begin()?;
        for message in batch.messages() {
            self.processor.process(&Incoming::of(message), &mut transaction)?;
        }
        self.processor.finish(&mut transaction)?;
        let offsets = offsets(self.held.keys(), self.processor)?;
        if self.consumer.assignment_lost() {
            let sentence = "the group gave this worker's input away while it was deciding".to_owned();
            return Err(Fault { reaction: Reaction::Abort, reason: "rebalance", sentence });
        }
        let left_the_group = || Fault::rebuild("rebalance", "the consumer is not in its group".to_owned());
        let group = self.consumer.group_metadata().ok_or_else(left_the_group)?;
        transaction.commit(&offsets, &group)
    }

    /// After the producer was fenced: if another process has taken our place in the group, we hear of it within a few
    /// heartbeats, and end instead of fencing it in turn.
    fn heed_a_successor(&mut self) -> Result<(), Fault> {
        let fenced = self.producer.as_ref().is_some_and(TransactionalProducer::is_fenced);
        let until = Instant::now() + if fenced { Duration::from_secs(7) } else { Duration::ZERO };
        let held = list(self.held.keys());
        if fenced && self.consumer.pause(&held).is_err() {
            return Ok(());
        }
        while Instant::now() < until && !self.observer.is_stopping() {
            if let Some(Err(error)) = self.consumer.poll(Duration::from_millis(100)) {
                let fault = Fault::of(Step::Poll, &error);
                if fault.reaction == Reaction::Stop {
                    return Err(fault);
                }
            }
            if let Some(fault) = self.reports.stopping_fault() {
                return Err(fault);
            }
        }
        Ok(())
    }

    /// Rewinds (or moves on) partitions that are still held.
    fn seek(&self, to: &[(InputPartition, i64)]) -> Result<(), Fault> {
        let mut positions = TopicPartitionList::new();
        for (partition, offset) in to.iter().filter(|(partition, _)| self.held.contains_key(partition)) {
            positions
                .add_partition_offset(&partition.topic, partition.partition, Offset::Offset(*offset))
                .map_err(|error| Fault::of(Step::Assign, &error))?;
        }
        if positions.count() == 0 {
            return Ok(());
        }
        let sought = self.consumer.seek_partitions(positions, ASSIGN_TIMEOUT).map_err(|error| Fault::of(Step::Assign, &error))?;
        for element in sought.elements() {
            element.error().map_err(|error| {
                let fault = Fault::of(Step::Assign, &error);
                // Never go on from a place that is not known.
                Fault { reaction: if fault.reaction == Reaction::Stop { Reaction::Stop } else { Reaction::Rebuild }, ..fault }
            })?;
        }
        Ok(())
    }
}

fn list<'p>(partitions: impl Iterator<Item = &'p InputPartition>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(&partition.topic, partition.partition);
    }
    list
}

/// Last handled + 1 of every partition that is read, whether this turn changed it or not: a transaction without offsets is
/// not fenced. The one place where the 1 is added is the processor's.
fn offsets<'p>(held: impl Iterator<Item = &'p InputPartition>, processor: &dyn Processor) -> Result<TopicPartitionList, Fault> {
    let mut offsets = TopicPartitionList::new();
    for partition in held {
        if let Some(next) = processor.next_offset(partition) {
            let mut element = offsets.add_partition(&partition.topic, partition.partition);
            element.set_offset(Offset::Offset(next.offset)).map_err(|error| Fault::of(Step::Offsets, &error))?;
            element.set_metadata(next.note);
        }
    }
    Ok(offsets)
}
