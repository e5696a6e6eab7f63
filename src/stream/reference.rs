//! Following a topic of trusted facts: the whole of it is read into a table before anything is said, then it is followed.
//!
//! One thread a process and reference writes the table; all workers read it. It is kept in shards, each with a lock of its own
//! that is held for one record.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::reference::{
    Change, Full, Origin, REFERENCE_NOT_READY, REFERENCE_STALE, REFERENCE_TOO_LARGE, RecordReader, Table, TableBounds, Trusted,
};
use crate::stream::client::ClientSettings;
use crate::stream::fault::Fault;
use crate::stream::record::Incoming;

mod tails;

use tails::Tails;

/// So many tables, each with its lock, make one.
const SHARDS: usize = 64;
/// After a failure it is begun anew this much later.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// A topic that has too much is looked at again after this long: records may have been taken away.
const TOO_LARGE_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// How soon a stop is noticed.
const NOTICE: Duration = Duration::from_millis(50);

/// What a topic of trusted facts is, and how much of it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicReferenceSettings {
    /// Its name in policies.
    pub name: String,
    /// The topic.
    pub topic: String,
    /// The member that says since when a record is true; else when it was appended.
    pub as_of: Option<String>,
    /// How much the table may hold.
    pub bounds: TableBounds,
    /// How long it may not be known to be read to its end.
    pub max_age: Duration,
}

/// The table of one topic.
pub struct TopicReference {
    settings: TopicReferenceSettings,
    shards: Box<[RwLock<Table>]>,
    born: Instant,
    /// Milliseconds since `born` at which it was last known to be complete; negative: it is not.
    sure_at_ms: AtomicI64,
    /// How often the table was begun anew.
    generation: AtomicU64,
    is_too_large: AtomicBool,
    records: AtomicUsize,
    bytes: AtomicUsize,
    undecodable: AtomicUsize,
}

impl fmt::Debug for TopicReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicReference").field("name", &self.settings.name).finish_non_exhaustive()
    }
}

impl TopicReference {
    /// An empty table that is sure of nothing.
    #[must_use]
    pub fn new(settings: TopicReferenceSettings) -> Self {
        Self {
            settings,
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            born: Instant::now(),
            sure_at_ms: AtomicI64::new(-1),
            generation: AtomicU64::new(0),
            is_too_large: AtomicBool::new(false),
            records: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            undecodable: AtomicUsize::new(0),
        }
    }

    /// What it is.
    #[must_use]
    pub const fn settings(&self) -> &TopicReferenceSettings {
        &self.settings
    }

    /// What is trusted about `subject`, if the table was complete within `max_age`. Called by workers; allocates nothing.
    #[must_use]
    pub fn look(&self, subject: &str) -> Trusted {
        // Asked before and after: a table that is filled or emptied meanwhile would know too little.
        let before = self.generation.load(Ordering::Acquire);
        if let Some(why) = self.unready() {
            return Trusted::NotReady(why);
        }
        let found = self.shard(subject).read().unwrap_or_else(PoisonError::into_inner).look(subject);
        match self.unready() {
            Some(why) => Trusted::NotReady(why),
            None if self.generation.load(Ordering::Acquire) != before => Trusted::NotReady(REFERENCE_NOT_READY),
            None => found,
        }
    }

    /// Why nothing can be said of anybody.
    fn unready(&self) -> Option<&'static str> {
        match self.age() {
            Some(age) if age <= self.settings.max_age => None,
            Some(_) => Some(REFERENCE_STALE),
            None if self.is_too_large.load(Ordering::Acquire) => Some(REFERENCE_TOO_LARGE),
            None => Some(REFERENCE_NOT_READY),
        }
    }

    /// How long ago it was last known to be complete; none while it is not.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let sure_at = u64::try_from(self.sure_at_ms.load(Ordering::Acquire)).ok()?;
        Some(self.born.elapsed().saturating_sub(Duration::from_millis(sure_at)))
    }

    /// Whether it has more than its bounds allow.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.is_too_large.load(Ordering::Acquire)
    }

    /// Subjects, bytes of memory, and subjects whose newest record cannot be read.
    #[must_use]
    pub fn size(&self) -> (usize, usize, usize) {
        let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
        (count(&self.records), count(&self.bytes), count(&self.undecodable))
    }

    fn shard(&self, subject: &str) -> &RwLock<Table> {
        // The last bytes differ most, whatever ids look like.
        let hash =
            subject.bytes().rev().take(16).fold(0_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(byte)));
        &self.shards[hash % SHARDS]
    }

    fn sure_as_of(&self, moment: Instant) {
        let millis = moment.saturating_duration_since(self.born).as_millis();
        self.sure_at_ms.store(i64::try_from(millis).unwrap_or(i64::MAX), Ordering::Release);
    }

    /// Forgets everything, and is sure of nothing.
    fn clear(&self) {
        self.sure_at_ms.store(-1, Ordering::Release);
        self.generation.fetch_add(1, Ordering::AcqRel);
        for shard in &self.shards {
            *shard.write().unwrap_or_else(PoisonError::into_inner) = Table::default();
        }
        for count in [&self.records, &self.bytes, &self.undecodable] {
            count.store(0, Ordering::Relaxed);
        }
    }

    /// Takes in what became known of a subject. Only the thread that follows calls it.
    fn apply(&self, subject: &str, change: Change<'_>) -> Result<(), Full> {
        let mut table = self.shard(subject).write().unwrap_or_else(PoisonError::into_inner);
        let (records, bytes, undecodable) = self.size();
        let others = (records - table.len(), bytes.saturating_sub(table.bytes()), undecodable - table.undecodable());
        let bounds = self.settings.bounds;
        let room = TableBounds { records: bounds.records.saturating_sub(others.0), bytes: bounds.bytes.saturating_sub(others.1) };
        let applied = table.apply(change, room).map_err(|_| Full(bounds));
        self.records.store(others.0 + table.len(), Ordering::Relaxed);
        self.bytes.store(others.1 + table.bytes(), Ordering::Relaxed);
        self.undecodable.store(others.2 + table.undecodable(), Ordering::Relaxed);
        applied
    }

    /// Takes in one record of the topic.
    fn fold(&self, reader: &mut RecordReader, record: &Incoming<'_>) -> Result<(), Full> {
        let name = &self.settings.name;
        let (partition, offset) = (record.partition, record.offset);
        let Some(subject) = record.key.and_then(|key| std::str::from_utf8(key).ok()) else {
            tracing::warn!(reference = name, partition, offset, "a record without a key that is text says nothing about anybody");
            return Ok(());
        };
        let Some(value) = record.value else { return self.apply(subject, Change::Removed(subject)) };
        match reader.read((subject, value), Origin::Log { partition, offset }, record.appended_at) {
            Ok(record) => self.apply(subject, Change::Record(record)),
            Err(why) => {
                tracing::warn!(reference = name, partition, offset, %why, "a record cannot be read; events of its subject are held");
                self.apply(subject, Change::Undecodable(subject))
            }
        }
    }

    /// Reads the topic until `stopping` says so, on the calling thread. Whatever fails is tried anew, and while the topic was
    /// not read for too long, nothing is said: nothing about this topic ends the process.
    pub fn follow(&self, settings: &ClientSettings, stopping: &dyn Fn() -> bool) {
        let mut said = String::new();
        while !stopping() {
            let again = match self.follow_once(settings, stopping) {
                Ok(()) => continue,
                Err(Ended::Fault(fault)) => {
                    let (reference, sentence) = (&self.settings.name, fault.to_string());
                    if sentence == said {
                        tracing::debug!(%fault, reference, "the topic cannot be followed");
                    } else {
                        tracing::error!(%fault, reference, "the topic cannot be followed; it is tried until it can");
                        said = sentence;
                    }
                    AGAIN_AFTER
                }
                Err(Ended::Full(full)) => {
                    let name = &self.settings.name;
                    tracing::error!(
                        reference = name,
                        "the topic does not fit: {full}; let it take more (references[].max_records, max_bytes), or remove subjects"
                    );
                    self.is_too_large.store(true, Ordering::Release);
                    TOO_LARGE_AGAIN_AFTER
                }
            };
            self.clear();
            let until = Instant::now() + again;
            while Instant::now() < until && !stopping() {
                std::thread::sleep(NOTICE);
            }
        }
    }

    fn follow_once(&self, settings: &ClientSettings, stopping: &dyn Fn() -> bool) -> Result<(), Ended> {
        let mut reader = RecordReader::new(self.settings.as_of.clone());
        let mut tails = Tails::open(settings, &self.settings.topic, self.settings.max_age)?;
        let began = Instant::now();
        let mut is_first = true;
        while !stopping() {
            let asked_at = tails.ask()?;
            let mut full = None;
            tails.read(|record| {
                let folded = self.fold(&mut reader, record);
                full = folded.err();
                full.is_none()
            })?;
            if let Some(full) = full {
                return Err(Ended::Full(full));
            }
            if let Some(asked_at) = asked_at.filter(|_| tails.are_at_end()) {
                self.is_too_large.store(false, Ordering::Release);
                self.sure_as_of(asked_at);
                if std::mem::take(&mut is_first) {
                    let (records, bytes, undecodable) = self.size();
                    let (reference, took) = (&self.settings.name, began.elapsed());
                    tracing::info!(reference, records, bytes, undecodable, ?took, "read to its end");
                }
            }
        }
        Ok(())
    }
}

/// Why following ended.
enum Ended {
    Fault(Fault),
    Full(Full),
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::REFERENCE_UNDECODABLE;

    fn reference(records: usize, max_age: Duration) -> TopicReference {
        TopicReference::new(TopicReferenceSettings {
            name: "customers".to_owned(),
            topic: "customer-facts".to_owned(),
            as_of: None,
            bounds: TableBounds { records, ..TableBounds::default() },
            max_age,
        })
    }

    fn fold(reference: &TopicReference, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), Full> {
        let record = Incoming {
            topic: "customer-facts",
            partition: 0,
            offset: 3,
            appended_at: None,
            appended_at_type: crate::audit::AppendTimeType::None,
            key,
            value,
            headers: crate::stream::record::IncomingHeaders::Plain(&[]),
        };
        reference.fold(&mut RecordReader::new(None), &record)
    }

    #[test]
    fn it_says_nothing_until_it_is_complete_and_nothing_when_it_is_old() {
        let table = reference(10, Duration::from_hours(1));
        fold(&table, Some(b"S1"), Some(b"{\"age\":1}")).expect("room");
        assert!(matches!(table.look("S1"), Trusted::NotReady(REFERENCE_NOT_READY)));
        table.sure_as_of(Instant::now());
        assert!(matches!(table.look("S1"), Trusted::Record(_)));
        assert!(matches!(table.look("S2"), Trusted::NoRecord));
        fold(&table, Some(b"S2"), Some(b"[]")).expect("room");
        assert!(matches!(table.look("S2"), Trusted::NotReady(REFERENCE_UNDECODABLE)));
        assert_eq!((table.size().0, table.size().2), (2, 1));
        fold(&table, Some(b"S1"), None).expect("room");
        fold(&table, None, Some(b"{}")).expect("says nothing");
        fold(&table, Some(b"\xff"), Some(b"{}")).expect("says nothing");
        assert!(matches!(table.look("S1"), Trusted::NoRecord));
        table.clear();
        assert!(matches!(table.look("S2"), Trusted::NotReady(REFERENCE_NOT_READY)));
        assert_eq!(table.size(), (0, 0, 0));

        let stale = reference(10, Duration::ZERO);
        stale.sure_as_of(stale.born);
        std::thread::sleep(Duration::from_millis(2));
        assert!(matches!(stale.look("S1"), Trusted::NotReady(REFERENCE_STALE)));
    }

    #[test]
    fn the_bounds_are_those_of_all_shards_together() {
        let table = reference(100, Duration::from_hours(1));
        for number in 0..100 {
            fold(&table, Some(format!("S{number}").as_bytes()), Some(b"{\"age\":1}")).expect("room");
        }
        assert_eq!(table.size().0, 100);
        fold(&table, Some(b"S7"), Some(b"{\"age\":2}")).expect("a replacement");
        assert!(fold(&table, Some(b"S100"), Some(b"{}")).is_err());
        fold(&table, Some(b"S7"), None).expect("room");
        fold(&table, Some(b"S100"), Some(b"{}")).expect("room again");
        assert!(table.shards.iter().filter(|shard| !shard.read().expect("sound").is_empty()).count() > SHARDS / 2, "spread");
    }
}
