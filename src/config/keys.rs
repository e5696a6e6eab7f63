//! The table of all settings.

/// A setting: where it stands, what it takes, what holds without it, and what it means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// Path in the file; `[]` stands for each item of a list.
    pub path: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// What holds without it.
    pub default: KeyDefault,
    /// What it means, in a line.
    pub meaning: &'static str,
}

/// What a setting takes, which is also how its environment variable is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    /// A single value: the variable's text as it is.
    Value,
    /// A list or a map: the variable holds it as YAML, such as `[a, b]`.
    Structure,
}

/// What holds without a setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyDefault {
    /// Nothing: it must be given, where the map that it belongs to is.
    Required,
    /// It is simply not there.
    Absent,
    /// This, as it would be written.
    Is(&'static str),
}

use KeyDefault::{Absent, Is, Required};
use Takes::{Structure, Value};

const fn key(path: &'static str, takes: Takes, default: KeyDefault, meaning: &'static str) -> Key {
    Key { path, takes, default, meaning }
}

/// Every setting there is, in the order of the example file. A test holds this table and the reader together.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("kafka", Structure, Required, "Properties for librdkafka, as they are: security.protocol, sasl.*, ssl.*, …"),
    key("kafka.bootstrap.servers", Value, Required, "The brokers to begin with, host:port, separated by commas"),
    key("topics.prefix", Value, Is("jidoka."), "What the names of jidoka's topics and consumer groups begin with"),
    key("topics.lanes", Value, Is("3"), "Partitions of the topics by decision, 1 to 4096. For life: more lanes = a new prefix"),
    key("topics.spread", Value, Is("1"), "Partitions of the reviews topic for each band, 1 to 64"),
    key("topics.replication", Value, Is("3"), "Copies of each partition, 1 to 15"),
    key("encoding", Value, Is("json"), "How records are written"),
    key("sources", Structure, Is("[]"), "The inputs; a gate needs at least one"),
    key("sources[].name", Value, Required, "The input's name in decision ids and records; a new name is a new input"),
    key("sources[].topic", Value, Required, "The topic of inference events"),
    key("sources[].format", Value, Is("native"), "What its records look like"),
    key("sources[].start", Value, Required, "Where the very first start begins: earliest, latest or a time"),
    key("policies", Value, Is("policies/"), "The folder of policy files (*.yaml), relative to this file"),
    key("schema_registry.folder", Value, Is("schemas/registry/"), "The folder of writer schemas of events in Avro, <id>.avsc, relative to this file"),
    key("reload.every", Value, Is("1s"), "How often the folders of policies and writer schemas are looked at; a change is taken up once it has stood still for so long"),
    key("references", Structure, Is("[]"), "Trusted facts about subjects: compacted topics (key = subject_id, value = a JSON object) and HTTP sources"),
    key("references[].name", Value, Required, "The reference's name in policies"),
    key("references[].as_of", Value, Absent, "The member that says since when a record is true; without it, when it was appended or fetched"),
    key("references[].topic", Value, Absent, "Its topic; or give `url`"),
    key("references[].max_records", Value, Is("1000000"), "Subjects of a topic that are kept in memory; with more, nothing of it is believed"),
    key("references[].max_bytes", Value, Is("536870912"), "Bytes of memory that a topic's records may take; with more, nothing of it is believed"),
    key("references[].max_age", Value, Is("30s"), "How long a topic may not be known to be read to its end; older, nothing of it is believed"),
    key("references[].url", Value, Absent, "Its address, with {subject_id} where the id belongs; or give `topic`"),
    key("references[].deadline", Value, Is("50ms"), "How long a batch of events waits for an HTTP source, for all its answers together"),
    key("references[].concurrency", Value, Is("16"), "Questions to an HTTP source that are open at once"),
    key("references[].breaker.failures", Value, Is("5"), "Failures in a row after which an HTTP source is not asked"),
    key("references[].breaker.open_for", Value, Is("30s"), "For how long it is not asked then"),
    key("references[].cache.entries", Value, Is("10000"), "Answers of an HTTP source that are kept"),
    key("references[].cache.ttl", Value, Is("60s"), "For how long they are kept"),
    key("instance", Value, Is("0"), "Ordinal of this process, 0 to 9999: makes its transactional ids stable"),
    key("gate.workers", Value, Is("2"), "Threads of the gate, 1 to 64, each with a consumer and a producer of its own"),
    key("gate.batch.max_records", Value, Is("2000"), "Records in a transaction at most"),
    key("gate.batch.max_bytes", Value, Is("8388608"), "Bytes of input in a transaction at most"),
    key("gate.batch.linger", Value, Is("5ms"), "How long a batch waits for more after its first record"),
    key("gate.dedup.window", Value, Is("100000"), "Offsets of a partition within which the same event is a duplicate, 0 for never"),
    key("gate.event.max_bytes", Value, Is("1048576"), "Bytes of an event at most; a larger one is unreadable and held"),
    key("gate.event.max_depth", Value, Is("64"), "Levels of nesting in an event at most"),
    key("gate.event.max_fields", Value, Is("1000"), "Fields of an event on all levels at most"),
    key("gate.max_record_bytes", Value, Is("900000"), "Bytes of a case or review record at most; above, it carries the event by reference. The broker's message.max.bytes must be larger"),
    key("sidecar.batch.max_records", Value, Is("1000"), "Verdicts in a transaction at most, and things that time does in one"),
    key("sidecar.batch.max_bytes", Value, Is("8388608"), "Bytes of verdicts in a transaction at most"),
    key("sidecar.batch.linger", Value, Is("2ms"), "How long a batch waits for more after its first verdict"),
    key("monitor.batch.max_records", Value, Is("1000"), "Tallies and late labels in a transaction at most"),
    key("monitor.batch.max_bytes", Value, Is("16777216"), "Bytes of them in a transaction at most"),
    key("monitor.batch.linger", Value, Is("20ms"), "How long a batch waits for more after its first record"),
    key("monitor.snapshot_every", Value, Is("10000"), "Events of a policy after which the state of its statistics is written anew"),
    key("monitor.window", Value, Is("100000"), "Events of a policy that a late label can still be joined to, 2000 to 10000000"),
    key("outcomes", Structure, Is("[]"), "Topics of labels that come late: what was right to decide, by event_id"),
    key("outcomes[].topic", Value, Required, "The topic"),
    key("fallback.groups", Structure, Is("[reviewers]"), "Who reviews what no policy covers, and where a policy names nobody"),
    key("fallback.leads", Structure, Is("[leads]"), "Who leads them"),
    key("fallback.band", Value, Is("high"), "The band of cases that no policy covers"),
    key("verdicts.keys", Structure, Is("[]"), "Keys that reviewers' commands are signed with, and for whom each may speak"),
    key("verdicts.keys[].id", Value, Required, "The key's name in signatures and in signed_by, without `:`"),
    key("verdicts.keys[].public", Value, Required, "Its public key: 32 bytes in base64, as jidoka verdict-key prints it"),
    key("verdicts.keys[].reviewers", Structure, Required, "The reviewers that it may speak for; \"*\" for all"),
    key("verdicts.keys[].groups", Structure, Required, "The groups that it may say they belong to; \"*\" for all"),
    key("verdicts.keys[].cancel", Value, Is("false"), "Whether it may cancel cases"),
    key("verdicts.unsigned", Value, Is("refuse"), "What becomes of commands without a signature: refuse or allow"),
    key("verdicts.max_bytes", Value, Is("65536"), "Bytes of a command at most; a larger one is refused as too-large"),
    key("verdicts.max_text", Value, Is("4096"), "Bytes of each text in a command at most: reason.text, corrected, judgement"),
    key("verdicts.max_commands", Value, Is("1000"), "Commands that a case takes at most"),
    key("audit.heads", Structure, Absent, "Signed chain heads, kept outside Kafka"),
    key("audit.heads.file", Value, Required, "The file that heads are added to"),
    key("audit.heads.key", Value, Required, "The file of the key that signs them, Ed25519 in PKCS#8 PEM"),
    key("audit.heads.every", Value, Is("60s"), "How often"),
    key("cases.keep_closed", Value, Is("24h"), "How long a closed case stays in the cases topic, so that late commands still meet it"),
    key("archive.keep", Value, Is("3y"), "How long closed cases are kept (a year has 365 days)"),
    key("dead_letters.max_bytes", Value, Is("262144"), "Where the original value in a dead letter is cut"),
    key("control.max_age", Value, Is("30s"), "How long control and signals may go unread before everything is held"),
    key("transaction.timeout", Value, Is("20s"), "After which the broker aborts a transaction that nobody ended"),
    key("session.timeout", Value, Is("45s"), "After which a silent process's partitions go to others; longer than transaction.timeout"),
    key("restore.timeout", Value, Is("5m"), "How long reading the state back may take at a start"),
    key("api.listen", Value, Is("127.0.0.1:8080"), "Address and port of metrics, health and the API"),
    key("api.auth", Structure, Absent, "Who may call the API"),
];
