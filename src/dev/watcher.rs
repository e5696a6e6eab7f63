//! Looks on: what is read from the topics is told and counted, each thing once.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::dev::docket::Docket;
use crate::dev::events::Extra;
use crate::dev::happening::{self, Happening};
use crate::dev::summary::{Counts, Summary};
use crate::dev::trail::{Entry, Trail};
use crate::stream::client::ClientSettings;
use crate::stream::fault::Fault;
use crate::stream::onlooker::Onlooker;
use crate::stream::record::Incoming;

const SUMMARY_EVERY: Duration = Duration::from_secs(10);
const GLANCE: Duration = Duration::from_millis(50);
/// Records that wait to be played because somebody asked for them.
const EXTRAS_MAX: usize = 100;
/// After the gate has ended, what it wrote has arrived when nothing more came for so long.
const QUIET: Duration = Duration::from_millis(300);

/// The topics that are looked at, with their partition counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Watched {
    /// Audit entries.
    pub audit: (String, i32),
    /// The review feed.
    pub reviews: (String, i32),
    /// The cases, for what people write.
    pub cases: (String, i32),
    /// Dead letters.
    pub dead_letters: (String, i32),
}

/// What the player, the gate and the watcher tell each other.
pub struct Course {
    /// Records played so far.
    pub played: AtomicU64,
    /// The player plays no more.
    pub played_all: AtomicBool,
    /// The gate has ended.
    pub gate_ended: AtomicBool,
    /// The player waits.
    pub paused: AtomicBool,
    /// Everything should end; also set by signals.
    pub stop: Arc<AtomicBool>,
    /// What the player is asked for besides.
    extras: Mutex<VecDeque<Extra>>,
}

impl Course {
    /// Nothing was played yet. `stop` ends it.
    #[must_use]
    pub fn new(stop: Arc<AtomicBool>) -> Self {
        Self {
            played: AtomicU64::new(0),
            played_all: AtomicBool::new(false),
            gate_ended: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            stop,
            extras: Mutex::default(),
        }
    }

    /// Asks the player for one record more. A person's fingers are slow; what is asked for faster is forgotten.
    pub fn ask_for(&self, extra: Extra) {
        let mut extras = self.extras.lock().unwrap_or_else(PoisonError::into_inner);
        if extras.len() < EXTRAS_MAX {
            extras.push_back(extra);
        }
    }

    /// What the player was asked for and has not played yet.
    pub fn next_extra(&self) -> Option<Extra> {
        self.extras.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Asks everybody to end.
    pub fn end(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Asks everybody to end where something went wrong.
    pub fn end_unless(&self, is_well: bool) {
        if !is_well {
            self.end();
        }
    }
}

/// What a watcher tells.
#[derive(Debug)]
pub enum News<'w> {
    /// An audit entry was read.
    Stored(&'w Entry),
    /// Something happened.
    Happened(&'w Happening),
    /// What happened so far, every few seconds.
    SoFar(Box<Counts<'w>>),
}

/// Tells what happens until everything that was played is decided, or the gate has ended.
///
/// # Errors
/// Where the topics cannot be read.
pub fn watch(clients: &ClientSettings, topics: &Watched, course: &Course, tell: &dyn Fn(&News<'_>)) -> Result<Summary, Fault> {
    let Watched { audit, reviews, cases, dead_letters } = topics;
    let looked_at = [audit, reviews, cases, dead_letters].map(|(name, partitions)| (name.as_str(), *partitions));
    let onlooker = Onlooker::open(clients, looked_at)?;
    let mut watcher = Watcher {
        topics,
        tell,
        trail: Trail::default(),
        docket: Docket::default(),
        summary: Summary::default(),
        seen: Seen::default(),
    };
    let (mut last_came, mut last_summed) = (Instant::now(), Instant::now());
    loop {
        let played_all = course.played_all.load(Ordering::Acquire);
        if onlooker.next(GLANCE, |record| watcher.see(record))? {
            last_came = Instant::now();
        }
        let played = course.played.load(Ordering::Acquire);
        let gate_ended = course.gate_ended.load(Ordering::Acquire);
        if (played_all && watcher.summary.is_complete(played)) || (gate_ended && last_came.elapsed() > QUIET) {
            return Ok(watcher.summary);
        }
        if last_summed.elapsed() >= SUMMARY_EVERY {
            last_summed = Instant::now();
            tell(&News::SoFar(Box::new(watcher.summary.counts(played))));
        }
    }
}

struct Watcher<'w> {
    topics: &'w Watched,
    tell: &'w dyn Fn(&News<'_>),
    trail: Trail,
    docket: Docket,
    summary: Summary,
    seen: Seen,
}

impl Watcher<'_> {
    fn see(&mut self, record: &Incoming<'_>) {
        if let Err(error) = self.take(record) {
            tracing::error!(%error, topic = record.topic, offset = record.offset, "a record cannot be read");
        }
    }

    fn take(&mut self, record: &Incoming<'_>) -> serde_json::Result<()> {
        if record.topic == self.topics.audit.0 {
            (self.tell)(&News::Stored(&self.trail.read(record)?));
        }
        if !self.is_new(record) {
            return Ok(());
        }
        if let Some(mut happening) = self.read(record)? {
            match &mut happening {
                Happening::Decided(decided) => decided.opens.iter().for_each(|opens| self.docket.opened(opens)),
                Happening::Changed(change) => self.docket.changed(change),
                _ => {}
            }
            self.summary.add(&happening);
            (self.tell)(&News::Happened(&happening));
        }
        Ok(())
    }

    /// The mock broker shows what was aborted, so that what is sent again would be seen twice. An entry is known by its key; the
    /// review feed has a case again when it was handed up, and the cases have it at every change, which is no news.
    fn is_new(&mut self, record: &Incoming<'_>) -> bool {
        if record.topic == self.topics.cases.0 {
            return true;
        }
        let id = record.headers.get("jidoka-decision-id");
        let id = if record.topic == self.topics.audit.0 { record.key } else { id };
        self.seen.is_new([record.topic.as_bytes(), b"/", id.unwrap_or_default()].concat())
    }

    fn read(&self, record: &Incoming<'_>) -> serde_json::Result<Option<Happening>> {
        let value = record.value.unwrap_or_default();
        if record.topic == self.topics.audit.0 {
            happening::audit(value)
        } else if record.topic == self.topics.reviews.0 {
            happening::review(value).map(Some)
        } else if record.topic == self.topics.cases.0 {
            // A record without a value says that a case is gone.
            Ok(if value.is_empty() { None } else { happening::words(value)?.map(Happening::Wrote) })
        } else {
            Ok(Some(happening::dead_letter(record.appended_at, value, |name| record.headers.get(name))))
        }
    }
}

/// Remembers what was seen lately: two generations, so that memory stays bounded.
#[derive(Default)]
struct Seen {
    recent: HashSet<Vec<u8>>,
    before: HashSet<Vec<u8>>,
}

impl Seen {
    const GENERATION: usize = 10_000;

    fn is_new(&mut self, key: Vec<u8>) -> bool {
        if self.recent.len() >= Self::GENERATION {
            self.before = std::mem::take(&mut self.recent);
        }
        !self.before.contains(&key) && self.recent.insert(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_seen_once_and_memory_is_bounded() {
        let mut seen = Seen::default();
        let key = |number: usize| number.to_be_bytes().to_vec();
        for number in 0..Seen::GENERATION * 5 {
            assert!(seen.is_new(key(number)));
            assert!(!seen.is_new(key(number)) && !seen.is_new(key(number.saturating_sub(Seen::GENERATION - 1))));
        }
        assert!(seen.recent.len() + seen.before.len() <= Seen::GENERATION * 2);
    }
}
