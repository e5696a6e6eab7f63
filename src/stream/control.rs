//! Following the broadcast topics: every gate reads `control` and `signals` whole, and knows how sure it is to have read
//! them to their end.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::control::{AcceptedGap, ControlView, Mode};
use crate::signal::SignalsView;
use crate::stream::client::{ClientSettings, Reports, StreamContext};
use crate::stream::fault::{Fault, Reaction, Step};
use crate::stream::record::Incoming;

/// How often the end of the topics is asked for.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// What was read of the two topics, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Broadcast {
    /// The operators' orders.
    pub control: ControlView,
    /// What the monitor says.
    pub signals: SignalsView,
}

/// The orders and signals as far as they were read, and when they were last known to be complete.
pub struct ControlFollower {
    view: ArcSwap<Broadcast>,
    born: Instant,
    /// Milliseconds since `born`; negative: never.
    sure_at_ms: AtomicI64,
    max_age: Duration,
}

impl ControlFollower {
    /// A follower that is sure of nothing yet.
    #[must_use]
    pub fn new(max_age: Duration) -> Self {
        Self { view: ArcSwap::default(), born: Instant::now(), sure_at_ms: AtomicI64::new(-1), max_age }
    }

    /// Orders and signals, if they were complete within the last `control.max_age`. The clock is monotonic: one that jumps
    /// changes nothing.
    #[must_use]
    pub fn current(&self) -> Option<Guard<Arc<Broadcast>>> {
        self.age().is_some_and(|age| age <= self.max_age).then(|| self.view.load())
    }

    /// How long ago the orders were last known to be complete; none before the first time.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let sure_at = u64::try_from(self.sure_at_ms.load(Ordering::Acquire)).ok()?;
        Some(self.born.elapsed().saturating_sub(Duration::from_millis(sure_at)))
    }

    /// Whether an operator ordered that nothing is read.
    #[must_use]
    pub fn is_halted(&self) -> bool {
        self.view.load().control.global() == Mode::Halt
    }

    /// The orders as far as they were read: for whoever only carries them out.
    #[must_use]
    pub fn orders(&self) -> Guard<Arc<Broadcast>> {
        self.view.load()
    }

    /// The accepted loss in `partition` of `source`.
    #[must_use]
    pub fn accepted_gap(&self, source: &str, partition: i32) -> Option<AcceptedGap> {
        self.view.load().control.accepted_gap(source, partition).cloned()
    }

    /// One that counts as having just read these orders to their end, without a topic: for tests, and for measuring.
    pub(crate) fn sure_of(control: ControlView) -> Self {
        Self::sure_of_both(control, SignalsView::default())
    }

    /// The same with signals.
    pub(crate) fn sure_of_both(control: ControlView, signals: SignalsView) -> Self {
        let follower = Self::new(Duration::from_hours(1));
        follower.view.store(Arc::new(Broadcast { control, signals }));
        follower.sure_as_of(Instant::now());
        follower
    }

    fn sure_as_of(&self, moment: Instant) {
        let millis = moment.saturating_duration_since(self.born).as_millis();
        self.sure_at_ms.store(i64::try_from(millis).unwrap_or(i64::MAX), Ordering::Release);
    }

    /// Reads `control` and `signals` until `stopping` says so, on the calling thread. Whatever fails is tried anew, and what
    /// could not be read for too long holds all decisions: nothing about these topics ends the process.
    pub fn follow(&self, settings: &ClientSettings, topics: &BroadcastTopics, stopping: &dyn Fn() -> bool) {
        while !stopping() {
            if let Err(fault) = self.follow_once(settings, topics, stopping) {
                tracing::error!(%fault, "control and signals cannot be followed; everything is held until they can");
                std::thread::sleep(Duration::from_millis(500));
            }
        }
    }

    fn follow_once(&self, settings: &ClientSettings, topics: &BroadcastTopics, stopping: &dyn Fn() -> bool) -> Result<(), Fault> {
        let mut control = Tail::open(settings, &topics.control)?;
        let mut signals = topics.signals.as_deref().map(|topic| Tail::open(settings, topic)).transpose()?;
        let mut view = Broadcast::default();
        // What was known before stays, and ages, until everything was read: half of the orders are other orders.
        let (mut is_whole, mut is_told) = (false, false);
        while !stopping() {
            let mut asked_at = control.ask();
            let mut changed = control.read(|record| fold(&mut view.control, record))?;
            let mut at_end = control.is_at_end();
            if let Some(signals) = &mut signals {
                asked_at = asked_at.min(signals.ask());
                changed |= signals.read(|record| fold_signal(&mut view.signals, record))?;
                at_end &= signals.is_at_end();
            }
            is_whole |= at_end;
            is_told &= !changed;
            if is_whole && !is_told {
                self.view.store(Arc::new(view.clone()));
                is_told = true;
            }
            if let Some(asked_at) = asked_at.filter(|_| at_end) {
                self.sure_as_of(asked_at);
            }
        }
        Ok(())
    }
}

/// The topics that every gate reads whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BroadcastTopics {
    /// Operators' orders.
    pub control: String,
    /// The monitor's incidents and thresholds; none for a process that decides nothing, and may have no right to read them.
    pub signals: Option<String>,
}

fn fold(view: &mut ControlView, record: &Incoming<'_>) {
    let key = String::from_utf8_lossy(record.key.unwrap_or_default());
    match view.apply(&key, record.value) {
        Ok(()) => tracing::info!(%key, offset = record.offset, "control"),
        Err(error) => tracing::error!(%error, offset = record.offset, "taken to the safe side"),
    }
}

fn fold_signal(view: &mut SignalsView, record: &Incoming<'_>) {
    let key = String::from_utf8_lossy(record.key.unwrap_or_default());
    match view.apply(&key, record.value) {
        Ok(()) => tracing::debug!(%key, offset = record.offset, "signal"),
        Err(error) => tracing::error!(%error, offset = record.offset, "a signal that is not understood: everything is held"),
    }
}

/// The one partition of a broadcast topic: read from its beginning, then followed.
struct Tail {
    topic: String,
    consumer: BaseConsumer<StreamContext>,
    reports: Arc<Reports>,
    asked_at: Option<Instant>,
    /// Where the topic ended when we last asked, and the time before.
    end: Option<i64>,
    end_before: Option<i64>,
    read_to: i64,
    /// The client has said that it has read everything, and nothing came since. Needed beside `read_to`, because the last
    /// offsets may be transaction markers or compacted away, and are then never delivered.
    drained: bool,
}

impl Tail {
    fn open(settings: &ClientSettings, topic: &str) -> Result<Self, Fault> {
        let reports = Arc::new(Reports::default());
        let consumer: BaseConsumer<StreamContext> =
            BaseConsumer::from_config_and_context(&settings.reader(), StreamContext(Arc::clone(&reports)))
                .map_err(|error| Fault::of(Step::Create, &error))?;
        let mut assignment = TopicPartitionList::new();
        assignment
            .add_partition_offset(topic, 0, Offset::Beginning)
            .and_then(|()| consumer.assign(&assignment))
            .map_err(|error| Fault::of(Step::Restore, &error))?;
        Ok(Self {
            topic: topic.to_owned(),
            consumer,
            reports,
            asked_at: None,
            end: None,
            end_before: None,
            read_to: 0,
            drained: false,
        })
    }

    /// Asks now and then where the topic ends; when it was last known. Where no broker answers, what was known ages.
    fn ask(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if self.asked_at.is_none_or(|asked| now - asked >= ASK_EVERY) {
            match self.consumer.fetch_watermarks(&self.topic, 0, Duration::from_secs(2)) {
                Ok((_, end)) => (self.end_before, self.end, self.asked_at) = (self.end, Some(end), Some(now)),
                Err(error) => tracing::debug!(%error, topic = self.topic, "could not ask for the end"),
            }
        }
        self.asked_at
    }

    /// Reads what is there, or waits a little; whether anything came.
    fn read(&mut self, mut each: impl FnMut(&Incoming<'_>)) -> Result<bool, Fault> {
        if let Some(fault) = self.reports.stopping_fault() {
            return Err(fault);
        }
        let mut came = false;
        let mut wait = Duration::from_millis(50);
        loop {
            match self.consumer.poll(wait) {
                Some(Ok(message)) => {
                    let record = Incoming::of(&message);
                    self.read_to = record.offset + 1;
                    self.drained = false;
                    each(&record);
                    (came, wait) = (true, Duration::ZERO);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => self.drained = true,
                Some(Err(error)) => {
                    let fault = Fault::of(Step::Poll, &error);
                    if fault.reaction != Reaction::GoOn {
                        return Err(fault);
                    }
                }
                None => return Ok(came),
            }
        }
    }

    /// Whether everything up to the end was read: the last record before it was; or the client has said that nothing is
    /// left, and the end has not moved since we asked the time before.
    fn is_at_end(&self) -> bool {
        self.end.is_some_and(|end| self.read_to >= end) || (self.drained && self.end.is_some() && self.end == self.end_before)
    }
}
