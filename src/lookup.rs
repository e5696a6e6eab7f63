//! Trusted facts behind an HTTP address: asked for all events of a batch at once, under one deadline.
//!
//! ```text
//! batch ─ subjects ─→ Lookup::ask ─┬─ cache, breaker ─────────────→ Round ─ wait until all are there, or the deadline ─→ Trusted
//!                                  └─→ queue ─→ threads ─→ source ──↗
//! ```
//!
//! Whatever the source does, a batch waits no longer than the deadline, so many questions are open at most, and a source that
//! fails again and again is not asked for a while. What was not answered holds, unless the policy says otherwise.

mod breaker;
mod cache;
mod client;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prometheus::IntCounter;

use self::breaker::Breaker;
use self::cache::Cache;
use self::client::{Client, Said};
use crate::config::HttpReference;
use crate::identity::Timestamp;
use crate::reference::{LOOKUP_FAILED, LOOKUP_UNAVAILABLE, Origin, RecordReader, Trusted, TrustedRecord};
use crate::telemetry::metrics::Metrics;

/// How soon a stop is noticed.
const NOTICE: Duration = Duration::from_millis(50);

/// How questions end, as the metric calls it.
pub const RESULTS: [&str; 6] = ["found", "absent", "cached", "late", "failed", "refused"];

/// What came of a question.
#[derive(Clone, Debug)]
pub enum Answer {
    /// This is trusted.
    Record(Arc<TrustedRecord>),
    /// The source knows nobody of that id.
    Absent,
    /// It gave no answer that can be used.
    Failed,
    /// It failed too often lately and was not asked.
    Unavailable,
}

impl Answer {
    fn trusted(self) -> Trusted {
        match self {
            Self::Record(record) => Trusted::Record(record),
            Self::Absent => Trusted::NoRecord,
            Self::Failed => Trusted::NotReady(LOOKUP_FAILED),
            Self::Unavailable => Trusted::NotReady(LOOKUP_UNAVAILABLE),
        }
    }
}

/// The questions of one batch to one source.
pub struct Round {
    /// When the batch goes on.
    deadline: Instant,
    state: Mutex<RoundState>,
    done: Condvar,
}

#[derive(Default)]
struct RoundState {
    answers: HashMap<Arc<str>, Answer>,
    /// Questions without an answer.
    open: usize,
}

impl Round {
    fn settle(&self, subject: Arc<str>, answer: Answer) {
        let mut state = lock(&self.state);
        state.open = state.open.saturating_sub(1);
        state.answers.insert(subject, answer);
        if state.open == 0 {
            self.done.notify_all();
        }
    }

    /// Waits until all are answered, but not beyond the deadline.
    fn wait(&self) -> MutexGuard<'_, RoundState> {
        let mut state = lock(&self.state);
        while state.open > 0 {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }
}

/// A question on its way to the source.
struct Question {
    subject: Arc<str>,
    round: Arc<Round>,
}

/// One HTTP source of trusted facts, shared by all workers.
pub struct Lookup {
    name: String,
    as_of: Option<String>,
    settings: HttpReference,
    client: Client,
    cache: Mutex<Cache>,
    breaker: Mutex<Breaker>,
    queue: Mutex<VecDeque<Question>>,
    came: Condvar,
    counts: [IntCounter; RESULTS.len()],
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Places in [`RESULTS`].
#[derive(Clone, Copy)]
enum Counted {
    Found,
    Absent,
    Cached,
    Late,
    Failed,
    Refused,
}

impl Lookup {
    /// The source that policies call `name`; it asks nothing before its threads run ([`Lookup::serve`]).
    #[must_use]
    pub fn new((name, as_of): (&str, Option<&str>), settings: &HttpReference, metrics: &Metrics) -> Self {
        Self {
            name: name.to_owned(),
            as_of: as_of.map(str::to_owned),
            client: Client::new(&settings.url, usize::from(settings.concurrency)),
            cache: Mutex::new(Cache::new(settings.cache_entries, settings.cache_ttl)),
            breaker: Mutex::new(Breaker::new(settings.breaker_failures, settings.breaker_open_for)),
            queue: Mutex::default(),
            came: Condvar::new(),
            counts: RESULTS.map(|result| metrics.lookups.with_label_values(&[name, result])),
            settings: settings.clone(),
        }
    }

    /// Its name in policies.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many threads should serve it.
    #[must_use]
    pub const fn concurrency(&self) -> u16 {
        self.settings.concurrency
    }

    /// Whether it is not asked at present.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        lock(&self.breaker).is_open(Instant::now())
    }

    fn count(&self, counted: Counted, by: usize) {
        self.counts[counted as usize].inc_by(by as u64);
    }

    /// Begins to ask about `subjects`, each once. What is known already, or will not be asked, is answered at once.
    #[must_use]
    pub fn ask(&self, subjects: impl Iterator<Item = Arc<str>>) -> Arc<Round> {
        let now = Instant::now();
        let deadline = now + self.settings.deadline;
        let round = Arc::new(Round { deadline, state: Mutex::default(), done: Condvar::new() });
        let is_unavailable = lock(&self.breaker).is_open(now);
        let mut questions = Vec::new();
        {
            let (cache, mut state) = (lock(&self.cache), lock(&round.state));
            for subject in subjects {
                if let Some(answer) = cache.get(&subject, now) {
                    self.count(Counted::Cached, 1);
                    state.answers.insert(subject, answer);
                } else if is_unavailable {
                    self.count(Counted::Refused, 1);
                    state.answers.insert(subject, Answer::Unavailable);
                } else {
                    questions.push(Question { subject, round: Arc::clone(&round) });
                }
            }
            state.open = questions.len();
        }
        if !questions.is_empty() {
            lock(&self.queue).extend(questions);
            self.came.notify_all();
        }
        round
    }

    /// Waits for the answers of `round`, but not beyond its deadline; what is still open is late. Then nothing of the round is
    /// asked any more.
    pub fn wait(&self, round: &Arc<Round>, into: &mut HashMap<Arc<str>, Trusted>) {
        let open = {
            let mut state = round.wait();
            into.extend(state.answers.drain().map(|(subject, answer)| (subject, answer.trusted())));
            state.open
        };
        if open > 0 {
            self.count(Counted::Late, open);
            lock(&self.queue).retain(|question| !Arc::ptr_eq(&question.round, round));
        }
    }

    /// Answers questions until `stopping` says so, on the calling thread. As many threads run it as questions may be open.
    pub fn serve(&self, stopping: &dyn Fn() -> bool) {
        let mut reader = RecordReader::new(self.as_of.clone());
        while !stopping() {
            let question = {
                let queue = lock(&self.queue);
                let mut queue = self
                    .came
                    .wait_timeout_while(queue, NOTICE, |queue| queue.is_empty())
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
                queue.pop_front()
            };
            if let Some(Question { subject, round }) = question {
                let left = round.deadline.saturating_duration_since(Instant::now());
                // What has no answer in time is left open, so that it is late for whoever waits.
                if !left.is_zero()
                    && let Some(answer) = self.answer(&subject, left, &mut reader)
                {
                    round.settle(subject, answer);
                }
            }
        }
    }

    /// Asks the source; none where it did not answer in time.
    fn answer(&self, subject: &Arc<str>, within: Duration, reader: &mut RecordReader) -> Option<Answer> {
        if !lock(&self.breaker).admits(Instant::now()) {
            self.count(Counted::Refused, 1);
            return Some(Answer::Unavailable);
        }
        let read = match self.client.ask(subject, within) {
            Said::Body(body) => {
                let now = wall_clock();
                let record = reader.read((subject, &body), Origin::Fetched(now), Some(now));
                record.map(|record| Answer::Record(Arc::new(record))).map_err(|why| why.to_string())
            }
            Said::Nobody => Ok(Answer::Absent),
            Said::Failed(why) => Err(why),
            Said::Nothing => {
                self.failed("no answer in time");
                return None;
            }
        };
        match read {
            Ok(answer) => {
                self.count(if matches!(answer, Answer::Record(_)) { Counted::Found } else { Counted::Absent }, 1);
                lock(&self.breaker).succeeded();
                lock(&self.cache).put(Arc::clone(subject), answer.clone(), Instant::now());
                Some(answer)
            }
            Err(why) => {
                self.count(Counted::Failed, 1);
                self.failed(&why);
                Some(Answer::Failed)
            }
        }
    }

    fn failed(&self, why: &str) {
        let now = Instant::now();
        let opened = {
            let mut breaker = lock(&self.breaker);
            let was_open = breaker.is_open(now);
            breaker.failed(now);
            !was_open && breaker.is_open(now)
        };
        if opened {
            let (reference, open_for) = (&self.name, self.settings.breaker_open_for);
            tracing::error!(reference, why, ?open_for, "the source fails again and again; it is not asked for a while");
        } else {
            tracing::debug!(reference = self.name, why, "no answer");
        }
    }
}

fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests;
