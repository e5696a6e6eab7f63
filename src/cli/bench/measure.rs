//! What is counted while a side runs: commits, ages, processor time, partitions touched.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::stream::client::LagListener;
use crate::stream::fault::Fault;
use crate::stream::log_reader::LogReader;
use crate::stream::observer::{Full, StreamObserver};
use crate::stream::processor::{InputPartition, NextOffset, Processor, Taken};
use crate::stream::record::{Incoming, Outbox, Outgoing};

/// The counts of one side in one run, shared by its workers.
pub(super) struct Counts {
    expected: u64,
    done: AtomicU64,
    stopping: AtomicBool,
    marks: Mutex<Marks>,
    ages_ms: Mutex<Vec<i64>>,
    touched: Mutex<Vec<usize>>,
    aborted: AtomicU64,
    /// When each transaction began and ended.
    transactions: Mutex<Vec<Range<Instant>>>,
    /// When policies began to be read, and were in force.
    reloads: Mutex<Vec<Range<Instant>>>,
    restores: Mutex<Vec<Restore>>,
    failed: Mutex<Option<String>>,
    held: AtomicI64,
}

/// What happened when partitions were assigned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Restore {
    /// The time from the assignment until all of them could be read.
    pub took: Duration,
    /// Memory of this process then.
    pub resident_bytes: u64,
}

#[derive(Default)]
struct Marks {
    tenth: Option<(Instant, Duration, u64)>,
    end: Option<(Instant, Duration, u64)>,
}

impl Counts {
    pub fn new(expected: u64) -> Self {
        Self {
            expected,
            done: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            marks: Mutex::default(),
            ages_ms: Mutex::default(),
            touched: Mutex::default(),
            aborted: AtomicU64::new(0),
            transactions: Mutex::default(),
            reloads: Mutex::default(),
            restores: Mutex::default(),
            failed: Mutex::default(),
            held: AtomicI64::new(0),
        }
    }

    /// A batch whose records were appended at these times is committed now.
    pub fn committed(&self, appended_ms: &[i64]) {
        let now = Instant::now();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let wall = i64::try_from(wall).unwrap_or(i64::MAX);
        let done = self.done.fetch_add(appended_ms.len() as u64, Ordering::AcqRel) + appended_ms.len() as u64;
        lock(&self.ages_ms).extend(appended_ms.iter().map(|appended| (wall - appended).max(0)));
        let mut marks = lock(&self.marks);
        if marks.tenth.is_none() && done * 10 >= self.expected {
            marks.tenth = Some((now, processor_time(), done));
        }
        if marks.end.is_none() && done >= self.expected {
            marks.end = Some((now, processor_time(), done));
        }
    }

    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire) >= self.expected
    }

    /// Input partitions that workers hold now.
    pub fn held(&self) -> i64 {
        self.held.load(Ordering::Acquire)
    }

    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Acquire)
    }

    /// A worker ended before it was asked to.
    pub fn fail(&self, reason: &str) {
        lock(&self.failed).get_or_insert_with(|| reason.to_owned());
    }

    pub fn failure(&self) -> Option<String> {
        lock(&self.failed).clone()
    }

    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Events a second and this process's microseconds of processor an event, from a tenth of the records to the end.
    pub fn speed(&self) -> Option<(f64, f64)> {
        let marks = lock(&self.marks);
        let ((begin, busy_before, first), (end, busy_after, last)) = (marks.tenth?, marks.end?);
        let events = last.saturating_sub(first) as f64;
        let busy = busy_after.saturating_sub(busy_before).as_secs_f64();
        Some((events / (end - begin).as_secs_f64(), busy * 1e6 / events))
    }

    /// Ages in milliseconds of all but the first tenth of the records, sorted.
    pub fn ages(&self) -> Vec<i64> {
        let ages = lock(&self.ages_ms);
        let mut ages = ages[ages.len() / 10..].to_vec();
        ages.sort_unstable();
        ages
    }

    /// Partitions touched by each transaction, sorted.
    pub fn touched(&self) -> Vec<usize> {
        let mut touched = lock(&self.touched).clone();
        touched.sort_unstable();
        touched
    }

    /// When each transaction began and ended.
    pub fn transactions(&self) -> Vec<Range<Instant>> {
        lock(&self.transactions).clone()
    }

    /// Policies were read and put into force since `began`.
    pub fn reloaded(&self, began: Instant) {
        lock(&self.reloads).push(began..Instant::now());
    }

    /// When policies began to be read, and were in force.
    pub fn reloads(&self) -> Vec<Range<Instant>> {
        lock(&self.reloads).clone()
    }

    /// What happened at each assignment.
    pub fn restores(&self) -> Vec<Restore> {
        lock(&self.restores).clone()
    }

    pub fn aborted(&self) -> u64 {
        self.aborted.load(Ordering::Relaxed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Processor time of this process so far, user and system.
fn processor_time() -> Duration {
    // Fields 14 and 15 of /proc/self/stat, in ticks of 10 ms; the name in field 2 may hold spaces.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Memory of this process that is in use now.
pub(super) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kibibytes| kibibytes.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// A processor whose batches are counted.
pub(super) struct Counted<'c, P> {
    pub inner: P,
    pub counts: &'c Counts,
    staged: Vec<i64>,
    touched: Vec<(String, i32)>,
}

impl<'c, P> Counted<'c, P> {
    pub fn new(inner: P, counts: &'c Counts) -> Self {
        Self { inner, counts, staged: Vec::new(), touched: Vec::new() }
    }
}

impl<P: Processor> Processor for Counted<'_, P> {
    fn take(&mut self, partition: &InputPartition, log: &mut LogReader) -> Result<Taken, Fault> {
        self.inner.take(partition, log)
    }

    fn lose(&mut self, partition: &InputPartition) {
        self.inner.lose(partition);
    }

    fn look_around(&mut self) -> Result<Vec<InputPartition>, Fault> {
        self.inner.look_around()
    }

    fn stopped_at(&self, partition: &InputPartition) -> Option<i64> {
        self.inner.stopped_at(partition)
    }

    fn wants_turn(&self) -> bool {
        self.inner.wants_turn()
    }

    fn process(&mut self, record: &Incoming<'_>, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        self.staged.push(record.appended_at_ms());
        self.inner.process(record, &mut Touching { outbox, touched: &mut self.touched })
    }

    fn finish(&mut self, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        self.inner.finish(&mut Touching { outbox, touched: &mut self.touched })
    }

    fn next_offset(&self, partition: &InputPartition) -> Option<NextOffset<'_>> {
        self.inner.next_offset(partition)
    }

    fn committed(&mut self) {
        self.inner.committed();
        if !self.staged.is_empty() {
            // One more for the offsets of the group.
            lock(&self.counts.touched).push(self.touched.len() + 1);
            self.counts.committed(&self.staged);
        }
        self.staged.clear();
        self.touched.clear();
    }

    fn rolled_back(&mut self) {
        self.inner.rolled_back();
        self.counts.aborted.fetch_add(1, Ordering::Relaxed);
        self.staged.clear();
        self.touched.clear();
    }

    fn halted(&self) -> bool {
        self.inner.halted()
    }
}

/// Notes which partitions are written to.
struct Touching<'o> {
    outbox: &'o mut dyn Outbox,
    touched: &'o mut Vec<(String, i32)>,
}

impl Outbox for Touching<'_> {
    fn record_bytes_max(&self) -> usize {
        self.outbox.record_bytes_max()
    }

    fn send(&mut self, record: Outgoing<'_>) -> Result<(), Fault> {
        if !self.touched.iter().any(|(topic, partition)| *partition == record.partition && topic == record.topic) {
            self.touched.push((record.topic.to_owned(), record.partition));
        }
        self.outbox.send(record)
    }
}

impl StreamObserver for Counts {
    fn is_stopping(&self) -> bool {
        self.is_stopping()
    }
    fn polled(&self, _: bool, _: usize) {}
    fn taken(&self, _: &InputPartition, _: i64) {
        self.held.fetch_add(1, Ordering::AcqRel);
    }
    fn waiting(&self, _: &InputPartition, reason: &str) {
        tracing::warn!(reason, "a partition waits");
    }
    fn lost(&self, _: &InputPartition) {
        self.held.fetch_sub(1, Ordering::AcqRel);
    }
    fn restored(&self, partitions: usize, took: Duration) {
        if partitions > 0 {
            lock(&self.restores).push(Restore { took, resident_bytes: resident_bytes() });
        }
    }
    fn turn_began(&self) {}
    fn turn_ended(&self) {}
    fn committed(&self, took: Duration, records: usize, _: Option<Full>) {
        if records > 0 {
            let now = Instant::now();
            lock(&self.transactions).push(now.checked_sub(took).unwrap_or(now)..now);
        }
    }
    fn aborted(&self, fault: &Fault) {
        tracing::debug!(%fault, "aborted");
    }
    fn rebuilding(&self, fault: &Fault) {
        tracing::warn!(%fault, "starting over");
    }
    fn lag_listener(&self) -> LagListener {
        Box::new(|_| {})
    }
}
