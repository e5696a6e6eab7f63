//! Everything that is in Kafka about one installation, read whole.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

const PATIENCE: Duration = Duration::from_secs(90);
const ASK: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

/// What a reader is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Isolation {
    Committed,
    Uncommitted,
}

impl Isolation {
    const fn setting(self) -> &'static str {
        match self {
            Self::Committed => "read_committed",
            Self::Uncommitted => "read_uncommitted",
        }
    }
}

/// A record as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    pub partition: i32,
    pub offset: i64,
    /// The broker's or the producer's time, in milliseconds.
    pub time_ms: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Record {
    fn of(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            headers.iter().map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect()
        });
        Self {
            partition: message.partition(),
            offset: message.offset(),
            time_ms: message.timestamp().to_millis(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers,
        }
    }

    /// The first header `name`, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        std::str::from_utf8(value).ok()
    }

    /// The key as text; empty where there is none.
    pub fn key_text(&self) -> String {
        String::from_utf8_lossy(self.key.as_deref().unwrap_or_default()).into_owned()
    }

    /// The value's bytes; none where it is null.
    pub fn bytes(&self) -> &[u8] {
        self.value.as_deref().unwrap_or_default()
    }
}

/// The whole of an installation's records, in the order of partition and offset.
#[derive(Clone, Debug)]
pub struct Books {
    pub input: Vec<Record>,
    pub audit: Vec<Record>,
    pub dispositions: Vec<Record>,
    pub cases: Vec<Record>,
    pub reviews: Vec<Record>,
    pub dead_letters: Vec<Record>,
    pub progress: Vec<Record>,
    pub verdicts: Vec<Record>,
    pub archive: Vec<Record>,
    /// What the gate's group has committed of the input.
    pub group: BTreeMap<i32, i64>,
    /// What the sidecars' group has committed of the verdicts.
    pub applied: BTreeMap<i32, i64>,
    /// Audit records that only a reader of uncommitted records sees.
    pub aborted: usize,
}

impl Books {
    /// Reads the topics with `prefix` and `input`, once no transaction is open in any of them.
    pub fn read(bootstrap: &str, prefix: &str, input: &str) -> Self {
        let own = |name: &str| read_topic(bootstrap, &format!("{prefix}{name}"), Isolation::Committed);
        let audit = own("audit");
        let everything = read_topic(bootstrap, &format!("{prefix}audit"), Isolation::Uncommitted).len();
        Self {
            input: read_topic(bootstrap, input, Isolation::Committed),
            aborted: everything - audit.len(),
            audit,
            dispositions: own("dispositions"),
            cases: own("cases"),
            reviews: own("reviews"),
            dead_letters: own("dead-letters"),
            progress: own("progress"),
            verdicts: own("verdicts"),
            archive: own("archive"),
            group: committed(bootstrap, &format!("{prefix}gate"), input),
            applied: committed(bootstrap, &format!("{prefix}sidecar"), &format!("{prefix}verdicts")),
        }
    }

    /// What gates wrote of it: everything but the sidecars' records.
    pub fn of_gates(&self) -> Self {
        let value = |record: &Record| -> serde_json::Value { serde_json::from_slice(record.bytes()).unwrap_or_default() };
        let of_lane = |record: &Record| value(record)["chain"]["id"].as_str().is_some_and(|id| id.starts_with("lane/"));
        let later = |record: &Record| value(record)["seq"].as_i64().is_some_and(|seq| seq > 0);
        let mut books = self.clone();
        books.audit.retain(|record| !of_lane(record));
        books.dispositions.retain(|record| !later(record));
        books.reviews.retain(|record| !later(record));
        books.cases.retain(|record| record.value.is_some() && record.key_text().ends_with("/opened"));
        books.progress.retain(|record| !record.key_text().starts_with("sidecar/"));
        books
    }
}

/// A consumer that reads by assignment, or asks.
pub fn asker(bootstrap: &str, group: &str, isolation: Isolation) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("group.id", group).set("enable.auto.commit", "false");
    config.set("isolation.level", isolation.setting()).set("enable.partition.eof", "true");
    config.set("reconnect.backoff.max.ms", "500").set("fetch.queue.backoff.ms", "5");
    config.create().expect("the settings are sound")
}

/// Asks until there is an answer: brokers come and go in these tests.
fn insist<T, E: std::fmt::Debug>(what: &str, mut ask: impl FnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(error) => assert!(Instant::now() < deadline, "{what}: {error:?}"),
        }
        std::thread::sleep(PAUSE);
    }
}

/// The ids of a topic's partitions.
fn partitions(consumer: &BaseConsumer, topic: &str) -> Vec<i32> {
    insist("the partitions of a topic", || {
        let metadata = consumer.fetch_metadata(Some(topic), ASK).map_err(|error| error.to_string())?;
        let ids: Vec<i32> = metadata.topics()[0].partitions().iter().map(rdkafka::metadata::MetadataPartition::id).collect();
        if ids.is_empty() { Err(format!("{topic} has no partitions")) } else { Ok(ids) }
    })
}

/// Where each partition of `topic` ends for `consumer`: at the last stable offset if it reads committed records.
pub fn ends(consumer: &BaseConsumer, topic: &str) -> BTreeMap<i32, i64> {
    let end = |id: i32| insist("the end of a partition", || consumer.fetch_watermarks(topic, id, ASK)).1;
    partitions(consumer, topic).into_iter().map(|id| (id, end(id))).collect()
}

/// What `group` has committed of `topic`; partitions of which it has committed nothing are left out.
pub fn committed(bootstrap: &str, group: &str, topic: &str) -> BTreeMap<i32, i64> {
    let consumer = asker(bootstrap, group, Isolation::Committed);
    let mut list = TopicPartitionList::new();
    for id in partitions(&consumer, topic) {
        list.add_partition(topic, id);
    }
    let found = insist("the group's offsets", || consumer.committed_offsets(list.clone(), ASK));
    let offset = |element: &TopicPartitionListElem<'_>| match element.offset() {
        Offset::Offset(offset) => Some((element.partition(), offset)),
        _ => None,
    };
    found.elements().iter().filter_map(offset).collect()
}

/// Every record of `topic`, once no transaction is open in it.
pub fn read_topic(bootstrap: &str, topic: &str, isolation: Isolation) -> Vec<Record> {
    let written = ends(&asker(bootstrap, "oracle", Isolation::Uncommitted), topic);
    let consumer = asker(bootstrap, "oracle", isolation);
    insist("an open transaction to end", || {
        let stable = ends(&consumer, topic);
        if stable.iter().all(|(id, end)| *end >= written[id]) {
            Ok(())
        } else {
            Err(format!("{topic}: {stable:?} of {written:?}"))
        }
    });
    let mut list = TopicPartitionList::new();
    for (id, _) in written.iter().filter(|(_, end)| **end > 0) {
        list.add_partition_offset(topic, *id, Offset::Beginning).expect("the beginning is an offset");
    }
    let mut unread: HashSet<i32> = list.elements().iter().map(TopicPartitionListElem::partition).collect();
    consumer.assign(&list).expect("partitions that exist can be assigned");
    let (mut found, deadline) = (Vec::new(), Instant::now() + PATIENCE);
    while !unread.is_empty() {
        match consumer.poll(PAUSE) {
            Some(Ok(message)) => found.push(Record::of(&message)),
            Some(Err(KafkaError::PartitionEOF(id))) => drop(unread.remove(&id)),
            _ => assert!(Instant::now() < deadline, "reading {topic}: {unread:?} have no end"),
        }
    }
    found.sort_by_key(|record| (record.partition, record.offset));
    found
}

/// Reads a topic as it grows, as a consumer of the audit trail would, and remembers what should not have been shown.
pub struct Watcher {
    /// How many records to see before the end; [`usize::MAX`] until that is known.
    wanted: Arc<AtomicUsize>,
    reading: Option<JoinHandle<Watched>>,
}

/// What a watcher saw.
#[derive(Default, Debug)]
pub struct Watched {
    pub records: usize,
    /// Keys that came a second time.
    pub doubled: Vec<String>,
    /// Links of a chain that did not come in order.
    pub out_of_order: Vec<String>,
}

impl Watcher {
    /// Watches the audit topic `topic` from its beginning.
    pub fn start(bootstrap: &str, topic: &str) -> Self {
        let wanted = Arc::new(AtomicUsize::new(usize::MAX));
        let (until, consumer, topic) = (Arc::clone(&wanted), asker(bootstrap, "watcher", Isolation::Committed), topic.to_owned());
        let reading = std::thread::Builder::new().name("watcher".to_owned()).spawn(move || watch(&consumer, &topic, &until));
        let reading = reading.expect("a thread can be started");
        Self { wanted, reading: Some(reading) }
    }

    /// Ends once `records` were seen, or never more came.
    pub fn end(mut self, records: usize) -> Watched {
        self.wanted.store(records, Ordering::Relaxed);
        self.reading.take().expect("it is ended once").join().expect("the watcher does not panic")
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.wanted.store(0, Ordering::Relaxed);
    }
}

fn watch(consumer: &BaseConsumer, topic: &str, wanted: &AtomicUsize) -> Watched {
    let mut list = TopicPartitionList::new();
    for id in partitions(consumer, topic) {
        list.add_partition_offset(topic, id, Offset::Beginning).expect("the beginning is an offset");
    }
    consumer.assign(&list).expect("partitions that exist can be assigned");
    let (mut keys, mut links, mut watched) = (HashSet::new(), BTreeMap::new(), Watched::default());
    let mut deadline = None;
    loop {
        let wanted = wanted.load(Ordering::Relaxed);
        if wanted < usize::MAX {
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
            if watched.records >= wanted || Instant::now() > deadline {
                return watched;
            }
        }
        let Some(Ok(message)) = consumer.poll(PAUSE) else { continue };
        watched.records += 1;
        let record = Record::of(&message);
        let entry: serde_json::Value = serde_json::from_slice(record.bytes()).unwrap_or_default();
        let chain = entry["chain"]["id"].as_str().unwrap_or_default().to_owned();
        let n = entry["chain"]["n"].as_i64().unwrap_or(-1);
        let expected = links.insert(chain, n).map_or(0, |before: i64| before + 1);
        if n != expected {
            watched.out_of_order.push(format!("{}, expected was n = {expected}", entry["chain"]));
        }
        let key = record.key_text();
        if !keys.insert(key.clone()) {
            watched.doubled.push(key);
        }
    }
}
