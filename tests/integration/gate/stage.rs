//! An installation whose configuration a test writes itself, and what small tests ask of it, record by record.

use std::fmt::Write as _;
use std::fs;
use std::ops::Deref;
use std::thread::sleep;
use std::time::{Duration, Instant};

use jidoka::stream::topics::{TopicLayout, TopicsContext, apply};
use rdkafka::ClientConfig;
use rdkafka::consumer::Consumer as _;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use serde_json::Value;

use super::books::{Isolation, Record, asker, read_topic};
use super::process::{Gate, Installation, PATIENCE, Setup};
use crate::kafka::Cluster;

const PAUSE: Duration = Duration::from_millis(50);
const ASK: Duration = Duration::from_secs(10);

/// The policy of these tests: holds what is less sure than 0.6.
pub const POLICY: &str = "\
policy: loans
match: { model: loans }
triggers:
  - id: unsure
    confidence: { measure: top_probability, below: 0.6 }
";

/// An [`Installation`] with one policy for the model `loans` and a configuration that can be changed between starts.
pub struct Stage {
    installation: Installation,
    /// Where the test itself connects.
    plain: String,
    kafka: Vec<(String, String)>,
    sources: String,
    more: String,
}

impl Deref for Stage {
    type Target = Installation;

    fn deref(&self) -> &Installation {
        &self.installation
    }
}

impl Stage {
    /// Topics on `cluster`, the input with `partitions` partitions, and the source `inference` that reads it from `start`.
    pub fn new(cluster: &Cluster, partitions: i32, start: &str) -> Self {
        let stage = Self::without_topics(cluster, start);
        cluster.create_topic(&stage.input, partitions, &[]);
        stage.apply();
        stage
    }

    /// The same, with nothing on the cluster yet.
    pub fn without_topics(cluster: &Cluster, start: &str) -> Self {
        Self::at((cluster.bootstrap(), cluster.plain()), start)
    }

    /// The same, for a Kafka that gates reach at the first address, and the test at the second; later perhaps.
    pub fn at((bootstrap, plain): (&str, &str), start: &str) -> Self {
        let installation = Installation::without_topics(bootstrap, Setup::default());
        fs::remove_dir_all(installation.policies()).expect("a folder of our own");
        fs::create_dir(installation.policies()).expect("a folder of our own");
        let kafka = vec![("bootstrap.servers".to_owned(), bootstrap.to_owned())];
        let mut stage = Self { installation, plain: plain.to_owned(), kafka, sources: String::new(), more: String::new() };
        stage.policy("loans.yaml", POLICY);
        let input = stage.input.clone();
        stage.set_sources(&[("inference", &input, start)]);
        stage
    }

    /// Without the methods of its own.
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// Makes jidoka's topics as `jidoka topics apply` does.
    pub fn apply(&self) {
        let layout = TopicLayout { prefix: self.prefix.clone(), replication: 1, ..TopicLayout::default() };
        let applied = apply(&TopicsContext { client: self.client(), layout, ..TopicsContext::default() }, PATIENCE);
        let findings = applied.expect("the broker answers").findings;
        assert!(findings.is_empty(), "{findings:?}");
    }

    /// Adds lines to the configuration.
    pub fn with(mut self, lines: &str) -> Self {
        writeln!(self.more, "{lines}").expect("a string takes all");
        self.configure();
        self
    }

    /// Sets properties of the gate's Kafka clients.
    pub fn with_kafka(mut self, properties: &[(&str, &str)]) -> Self {
        self.kafka.extend(properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        self.configure();
        self
    }

    /// Sources as name, topic and start.
    pub fn set_sources(&mut self, sources: &[(&str, &str, &str)]) {
        let line =
            |(name, topic, start): &(&str, &str, &str)| format!("  - {{ name: {name}, topic: {topic:?}, start: {start:?} }}\n");
        self.sources = sources.iter().map(line).collect();
        self.configure();
    }

    pub fn policy(&self, file: &str, text: &str) {
        fs::write(self.policies().join(file), text).expect("a file in the test's folder");
    }

    fn configure(&self) {
        let line = |text: String, (key, value): &(String, String)| text + &format!("  {key}: {value:?}\n");
        let kafka = self.kafka.iter().fold(String::new(), line);
        let text = format!(
            "kafka:\n{kafka}topics: {{ prefix: {:?}, replication: 1 }}\nsources:\n{}policies: policies\n\
             transaction: {{ timeout: 6s }}\nsession: {{ timeout: 10s }}\napi: {{ listen: \"127.0.0.1:0\" }}\n{}",
            self.prefix, self.sources, self.more
        );
        fs::write(self.config(), text).expect("a file in the test's folder");
    }

    /// Starts a gate and waits until it is ready.
    pub fn ready(&self) -> Gate {
        let mut gate = self.start(0);
        gate.await_ready();
        gate
    }

    /// The same for a process with these roles.
    pub fn ready_as(&self, roles: &str, instance: u32) -> Gate {
        let mut process = self.start_as(roles, instance, &[]);
        process.await_ready();
        process
    }

    /// `jidoka control …`, signed by kim.
    pub fn control(&self, arguments: &[&str]) {
        self.run_to_end(&[&["control"], arguments, &["--by", "kim", "--reason", "drill"]].concat());
    }

    /// Appends to the input; the record's offset.
    pub fn produce(&self, partition: i32, value: impl AsRef<[u8]>) -> i64 {
        self.write((&self.input, partition), None, &[Some(value.as_ref())], &[])
    }

    /// Appends records and waits until they are there; the offset of the first.
    pub fn write(
        &self,
        (topic, partition): (&str, i32),
        key: Option<&str>,
        values: &[Option<&[u8]>],
        headers: &[(&str, &str)],
    ) -> i64 {
        let before = self.extent(topic, partition).1;
        let mut config = self.client();
        config.set("message.max.bytes", "20000000").set("enable.idempotence", "true");
        let producer: ThreadedProducer<DefaultProducerContext> = config.create().expect("good settings");
        for value in values {
            let insert = |all: OwnedHeaders, (key, value): &(&str, &str)| all.insert(Header { key, value: Some(*value) });
            let mut record = BaseRecord::<str, [u8]>::to(topic).partition(partition);
            record = record.headers(headers.iter().fold(OwnedHeaders::new(), insert));
            (record.key, record.payload) = (key, *value);
            producer.send(record).map_err(|(error, _)| error).expect("the queue takes a test's records");
        }
        producer.flush(PATIENCE).expect("the broker takes records");
        let written = self.extent(topic, partition).1 - before;
        assert_eq!(usize::try_from(written), Ok(values.len()), "records that {topic} took");
        before
    }

    /// First offset of a partition, and the one after the last.
    pub fn extent(&self, topic: &str, partition: i32) -> (i64, i64) {
        let asker = asker(&self.plain, "stage", Isolation::Uncommitted);
        asker.fetch_watermarks(topic, partition, ASK).expect("the broker answers")
    }

    /// How many partitions of `topic` have a leader; none where there is no such topic.
    pub fn partitions(&self, topic: &str) -> usize {
        let metadata = asker(&self.plain, "stage", Isolation::Uncommitted).fetch_metadata(Some(topic), ASK);
        let metadata = metadata.expect("the broker answers");
        let topic = metadata.topics().iter().find(|topic| topic.error().is_none());
        topic.map_or(0, |topic| topic.partitions().iter().filter(|partition| partition.leader() >= 0).count())
    }

    /// How the test itself reaches the cluster.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.plain);
        config
    }

    /// Everything committed in one of jidoka's topics.
    pub fn read(&self, name: &str) -> Vec<Record> {
        read_topic(&self.plain, &self.topic(name), Isolation::Committed)
    }

    /// The audit entries, in the order of their chains.
    pub fn audit(&self) -> Vec<Value> {
        let mut entries: Vec<Value> = self.read("audit").iter().map(json).collect();
        entries.sort_by_key(|entry| (entry["chain"]["id"].as_str().map(str::to_owned), entry["chain"]["n"].as_i64()));
        entries
    }

    /// Waits until `gate` has decided `count` records since the first start, GAP entries not counted; all entries.
    pub fn await_decided(&self, gate: &mut Gate, count: usize) -> Vec<Value> {
        await_that(gate, &format!("{count} decided records"), |_| {
            let entries = self.audit();
            let decided = entries.iter().filter(|entry| entry["kind"] != "GAP").count();
            assert!(decided <= count, "{decided} records were decided instead of {count}: {entries:#?}");
            (decided == count).then_some(entries)
        })
    }
}

/// Asks until `found` has something; meanwhile the gate must live.
pub fn await_that<T>(gate: &mut Gate, what: &str, mut found: impl FnMut(&Gate) -> Option<T>) -> T {
    eventually(what, || {
        gate.check_alive();
        found(gate)
    })
}

/// Asks until `found` has something.
pub fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < give_up, "waited {PATIENCE:?} in vain for {what}");
        sleep(PAUSE);
    }
}

/// Waits until `/readyz` fails for a reason with `part` in it; that reason.
pub fn await_reason(gate: &mut Gate, part: &str) -> String {
    await_that(gate, part, |gate| {
        let readiness = gate.readiness().filter(|readiness| readiness["ready"] == false)?;
        let reasons = readiness["reasons"].as_array()?.iter();
        reasons.filter_map(|reason| reason["why"].as_str()).find(|why| why.contains(part)).map(str::to_owned)
    })
}

/// Ends a gate as a rollout does; it must end well.
pub fn end(mut gate: Gate) {
    let status = gate.terminate();
    assert!(status.success(), "{status}");
}

/// Waits until a gate has ended by itself; its exit code and the one sentence that says why.
pub fn sentence(gate: &mut Gate) -> (Option<i32>, String) {
    let status = gate.await_end();
    let log = gate.log();
    let sentences: Vec<&str> = log.split("\nerror: ").skip(1).collect();
    let [sentence] = sentences[..] else { panic!("one sentence says why:\n{log}") };
    (status.code(), sentence.trim_end().to_owned())
}

/// The value of a record that jidoka wrote.
pub fn json(record: &Record) -> Value {
    serde_json::from_slice(record.bytes()).expect("jidoka writes JSON")
}

/// An event of the model `loans`.
pub fn event(id: &str, confidence: f64) -> String {
    format!(r#"{{"event_id":"{id}","model":{{"name":"loans"}},"prediction":"yes","confidence":{confidence}}}"#)
}

/// The entry about the record at `offset` of `partition`.
pub fn entry(entries: &[Value], partition: i32, offset: i64) -> &Value {
    let is_it = |entry: &&Value| entry["input"]["partition"] == partition && entry["input"]["offset"] == offset;
    entries.iter().find(is_it).unwrap_or_else(|| panic!("no entry of {partition}/{offset} in {entries:#?}"))
}

/// The ids of an entry's triggers that are not a miss.
pub fn findings(entry: &Value) -> Vec<&str> {
    let triggers = entry["triggers"].as_array().expect("a list").iter();
    triggers.filter(|trigger| trigger["result"] != "miss").filter_map(|trigger| trigger["id"].as_str()).collect()
}
