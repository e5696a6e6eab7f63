//! From the document to the settings.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{
    ApiSettings, BatchBounds, Encoding, EventBounds, Format, GateSettings, MonitorSettings, Presence, SchemaFolder, Settings,
    SidecarSettings, Source, Start, TopicSettings, kafka, references, signing,
};
use crate::document::{DAY, Field, HOUR, MINUTE, Map, SECOND, YEAR, duration_text};
use crate::identity::Timestamp;
use crate::policy::{Band, FallbackReview};

const MILLISECOND: Duration = Duration::from_millis(1);

/// The longest name of a source, group or field, in bytes.
pub(super) const MAX_NAME: usize = 128;

/// Kafka's longest topic name, in bytes.
pub(super) const MAX_TOPIC: usize = 249;

/// The longest prefix, in bytes, that leaves room for the topics' own names.
const MAX_PREFIX: usize = 200;

/// The longest path, in bytes.
pub(super) const MAX_PATH: usize = 1_024;

/// So many sources, references, groups or keys may stand in a list.
pub(super) const MAX_ITEMS: usize = 256;

/// What jidoka's own topics are called behind the prefix.
const OWN_TOPICS: [&str; 11] = [
    "audit",
    "reviews",
    "dispositions",
    "cases",
    "archive",
    "verdicts",
    "progress",
    "tallies",
    "signals",
    "dead-letters",
    "control",
];

/// Reads the settings at `root`; paths in them are relative to `folder`.
pub(super) fn settings(root: &Map<'_>, folder: &Path) -> Settings {
    let topics = root.section("topics", topics);
    let gate = root.section("gate", gate);
    let transaction_timeout = root.section("transaction", |map| timeout(&map.key("timeout"), SECOND..=MINUTE * 15, SECOND * 20));
    Settings {
        kafka: root.section("kafka", kafka::properties),
        encoding: encoding(&root.key("encoding")),
        sources: sources(&root.key("sources"), &topics.prefix),
        policies: policies(&root.key("policies"), folder),
        schemas: root.section("schema_registry", |map| schemas(map, folder)),
        reload_every: root.section("reload", |map| timeout(&map.key("every"), MILLISECOND * 100..=HOUR, SECOND)),
        outcomes: outcomes(&root.key("outcomes"), &topics.prefix),
        monitor: root.section("monitor", monitor),
        references: references::references(&root.key("references")),
        instance: root.key("instance").integer(0..=9_999).unwrap_or(0),
        fallback: root.section("fallback", fallback),
        sidecar: root.section("sidecar", sidecar),
        verdicts: root.section("verdicts", signing::verdicts),
        audit_heads: root.section("audit", |map| map.key("heads").map(|heads| signing::audit_heads(heads, folder)).flatten()),
        cases_keep_closed: root.section("cases", |map| timeout(&map.key("keep_closed"), MINUTE..=YEAR, DAY)),
        archive_keep: root.section("archive", |map| timeout(&map.key("keep"), DAY..=YEAR * 100, YEAR * 3)),
        dead_letters_max_bytes: root
            .section("dead_letters", |map| dead_letter_bytes(&map.key("max_bytes"), gate.max_record_bytes)),
        gate,
        topics,
        control_max_age: root.section("control", |map| timeout(&map.key("max_age"), SECOND..=HOUR, SECOND * 30)),
        transaction_timeout,
        session_timeout: root.section("session", |map| session_timeout(&map.key("timeout"), transaction_timeout)),
        restore_timeout: root.section("restore", |map| timeout(&map.key("timeout"), SECOND..=HOUR, MINUTE * 5)),
        api: root.section("api", api),
    }
}

pub(super) fn timeout(field: &Field<'_>, range: RangeInclusive<Duration>, default: Duration) -> Duration {
    field.duration(range).unwrap_or(default)
}

fn topics(map: &Map<'_>) -> TopicSettings {
    let prefix = map.key("prefix");
    TopicSettings {
        prefix: topic(&prefix, MAX_PREFIX).unwrap_or_else(|| "jidoka.".to_owned()),
        lanes: map.key("lanes").integer(1..=4_096).unwrap_or(3),
        spread: map.key("spread").integer(1..=64).unwrap_or(1),
        replication: map.key("replication").integer(1..=15).unwrap_or(3),
    }
}

/// A topic's name, or the beginning of one, in the letters that Kafka allows.
pub(super) fn topic(field: &Field<'_>, max_bytes: usize) -> Option<String> {
    let name = field.text(max_bytes)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name == "." || name == ".." || !name.bytes().all(allowed) {
        return field.refused("may have only the letters that Kafka allows in a topic's name: a-z, A-Z, 0-9, `.`, `_` and `-`");
    }
    Some(name)
}

fn encoding(field: &Field<'_>) -> Encoding {
    if field.is_word("avro") {
        field.problem("`avro` is not supported yet: it arrives with the schema registry client; write `json`");
        return Encoding::Json;
    }
    field.choice(&[("json", Encoding::Json)]).unwrap_or(Encoding::Json)
}

fn sources(field: &Field<'_>, prefix: &str) -> Vec<Source> {
    let mut seen: Vec<Source> = Vec::new();
    let read = |item: Field<'_>| {
        let source = item.map(|map| source(map, prefix, &seen)).flatten()?;
        seen.push(source);
        Some(())
    };
    let _ = field.list(0..=MAX_ITEMS, read);
    seen
}

fn source(map: &Map<'_>, prefix: &str, seen: &[Source]) -> Option<Source> {
    let name = source_name(&map.required("name"), seen);
    let topic = source_topic(&map.required("topic"), prefix, seen);
    let format = format(&map.key("format"));
    let what = "`earliest`, `latest` or a time such as 2026-01-05T00:00:00Z";
    let start = map.required("start").parsed(what, |text| match text {
        "earliest" => Some(Start::Earliest),
        "latest" => Some(Start::Latest),
        time => Timestamp::parse(time).map(Start::At),
    });
    Some(Source { name: name?, topic: topic?, format: format?, start: start? })
}

fn schemas(map: &Map<'_>, folder: &Path) -> SchemaFolder {
    map.refuse("url", "`schema_registry.url` is not supported yet: the registry client arrives with `encoding: avro`; until then put the writer schemas as `<id>.avsc` into `schema_registry.folder`");
    match map.key("folder").text(MAX_PATH) {
        Some(path) => SchemaFolder { path: folder.join(path), presence: Presence::Required },
        None => SchemaFolder { path: folder.join("schemas/registry"), presence: Presence::Optional },
    }
}

fn source_name(field: &Field<'_>, seen: &[Source]) -> Option<String> {
    let name = field.text(MAX_NAME)?;
    if name.contains('/') {
        return field.refused("must not contain `/`, which separates the parts of record keys");
    }
    if seen.iter().any(|source| source.name == name) {
        return field.refused(format!("another source has the name `{name}` already"));
    }
    Some(name)
}

/// An input topic. None may be one of ours, which would feed decisions to the gate, nor that of another source, as then
/// a group could not tell which source a partition is read for.
fn source_topic(field: &Field<'_>, prefix: &str, seen: &[Source]) -> Option<String> {
    let name = topic(field, MAX_TOPIC)?;
    if name.strip_prefix(prefix).is_some_and(|rest| OWN_TOPICS.contains(&rest)) {
        return field.refused(format!("`{name}` is one of the topics that jidoka writes"));
    }
    if let Some(source) = seen.iter().find(|source| source.topic == name) {
        return field.refused(format!("the source `{}` reads this topic already", source.name));
    }
    Some(name)
}

fn format(field: &Field<'_>) -> Option<Format> {
    if field.is_absent() {
        return Some(Format::Native);
    }
    if field.is_map() {
        return field
            .refused("mappings are not supported yet: they arrive with the formats of other serving stacks; write `native`");
    }
    let name = field.text(MAX_NAME)?;
    if name != "native" {
        return field.refused(format!(
            "format `{name}` is not supported yet: the formats of other serving stacks arrive later; write `native`"
        ));
    }
    Some(Format::Native)
}

/// The folder of policies. That it exists is asked of one that was named; the default one only whoever reads it needs.
fn policies(field: &Field<'_>, folder: &Path) -> PathBuf {
    let Some(named) = field.text(MAX_PATH) else { return folder.join("policies/") };
    let path = folder.join(named);
    if !path.is_dir() {
        field.problem(format!("there is no folder {}", path.display()));
    }
    path
}

fn gate(map: &Map<'_>) -> GateSettings {
    GateSettings {
        workers: map.key("workers").integer(1..=64).unwrap_or(2),
        batch: map.section("batch", |map| {
            batch(map, BatchBounds { max_records: 2_000, max_bytes: 8_388_608, linger: MILLISECOND * 5 })
        }),
        dedup_window: map.section("dedup", |dedup| dedup.key("window").integer(0..=10_000_000).unwrap_or(100_000)),
        event: map.section("event", |event| EventBounds {
            max_bytes: event.key("max_bytes").integer(1_024..=67_108_864).unwrap_or(1_048_576),
            max_depth: event.key("max_depth").integer(2..=128).unwrap_or(64),
            max_fields: event.key("max_fields").integer(10..=100_000).unwrap_or(1_000),
        }),
        max_record_bytes: map.key("max_record_bytes").integer(16_384..=67_108_864).unwrap_or(900_000),
    }
}

fn sidecar(map: &Map<'_>) -> SidecarSettings {
    let default = BatchBounds { max_records: 1_000, max_bytes: 8_388_608, linger: MILLISECOND * 2 };
    SidecarSettings { batch: map.section("batch", |map| batch(map, default)) }
}

fn monitor(map: &Map<'_>) -> MonitorSettings {
    let default = BatchBounds { max_records: 1_000, max_bytes: 16_777_216, linger: MILLISECOND * 20 };
    MonitorSettings {
        batch: map.section("batch", |map| batch(map, default)),
        snapshot_every: map.key("snapshot_every").integer(100..=10_000_000).unwrap_or(10_000),
        window: map.key("window").integer(2_000..=10_000_000).unwrap_or(100_000),
    }
}

/// Topics of late labels. None may be one of ours.
fn outcomes(field: &Field<'_>, prefix: &str) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    let read = |item: Field<'_>| {
        let name = item.map(|map| source_topic(&map.required("topic"), prefix, &[])).flatten()?;
        if seen.contains(&name) {
            return item.refused(format!("the topic `{name}` stands here already"));
        }
        seen.push(name);
        Some(())
    };
    let _ = field.list(0..=MAX_ITEMS, read);
    seen
}

fn batch(map: &Map<'_>, default: BatchBounds) -> BatchBounds {
    BatchBounds {
        max_records: map.key("max_records").integer(1..=100_000).unwrap_or(default.max_records),
        max_bytes: map.key("max_bytes").integer(65_536..=268_435_456).unwrap_or(default.max_bytes),
        linger: map.key("linger").duration(MILLISECOND..=SECOND).unwrap_or(default.linger),
    }
}

fn dead_letter_bytes(field: &Field<'_>, max_record_bytes: usize) -> usize {
    let bytes = field.integer(1_024..=67_108_864).unwrap_or(262_144.min(max_record_bytes));
    if bytes > max_record_bytes {
        field.problem(format!("must be at most `gate.max_record_bytes`, which is {max_record_bytes}"));
    }
    bytes
}

fn session_timeout(field: &Field<'_>, transaction: Duration) -> Duration {
    let session = timeout(field, SECOND * 6..=MINUTE * 30, SECOND * 45);
    if session <= transaction {
        let (session, transaction) = (duration_text(session), duration_text(transaction));
        field.problem(format!("must be longer than `transaction.timeout`, and they are {session} and {transaction}"));
    }
    session
}

fn fallback(map: &Map<'_>) -> FallbackReview {
    let default = FallbackReview::default();
    let bands = Band::ALL.map(|band| (band.as_str(), band));
    FallbackReview {
        groups: map.key("groups").texts(1..=MAX_ITEMS, MAX_NAME).unwrap_or(default.groups),
        leads: map.key("leads").texts(1..=MAX_ITEMS, MAX_NAME).unwrap_or(default.leads),
        band: map.key("band").choice(&bands).unwrap_or(default.band),
    }
}

fn api(map: &Map<'_>) -> ApiSettings {
    let listen = map.key("listen").parsed("an address and port such as 127.0.0.1:8080", |text| text.parse().ok());
    ApiSettings {
        listen: listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 8_080))),
        auth: map.key("auth").whole_map(),
    }
}
