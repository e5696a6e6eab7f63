//! The gate between records and records: a fake outbox, no Kafka.

mod allocation;
mod lookups;
mod rules_in_force;
mod statistics;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::audit::{AppendTimeType, GapCause, entry_hash};
use crate::config::{Format, Start};
use crate::control::ControlView;
use crate::event::Schemas;
use crate::gate::partition::Opening;
use crate::gate::window::DedupWindow;
use crate::identity::Hash;
use crate::policy::{Band, PolicySet};
use crate::progress::Progress;
use crate::signal::SignalsView;
use crate::stream::fake_outbox::{FakeOutbox, Sent};
use crate::stream::record::{HeaderItem, IncomingHeaders};
use crate::telemetry::metrics::Metrics;

const POLICY: &str = "policy: loans
triggers: [ { id: low, confidence: { measure: top_probability, below: 0.62 }, reason: Not sure enough } ]
";

fn fallback() -> FallbackReview {
    FallbackReview { band: Band::Critical, ..FallbackReview::default() }
}

fn rules(policy: &str) -> Rules {
    let set = PolicySet::read(&[("loans.yaml".to_owned(), policy.to_owned())], &fallback()).expect("a sound policy");
    Rules::new(set, &fallback(), &Metrics::new())
}

fn settings() -> GateSettings {
    let name = |name: &str| name.to_owned();
    GateSettings {
        references: Arc::new(crate::reference::NoReferences),
        lookups: Vec::new(),
        sources: vec![Source { name: name("inference"), topic: name("in"), format: Format::Native, start: Start::Earliest }],
        topics: OutputTopics {
            audit: name("audit"),
            dispositions: name("dispositions"),
            cases: name("cases"),
            reviews: name("reviews"),
            dead_letters: name("dead-letters"),
            tallies: name("tallies"),
            progress: name("progress"),
        },
        lanes: 3,
        spread: 2,
        rules: Arc::new(RulesInForce::new(rules(POLICY))),
        fallback: fallback(),
        limits: Limits { max_bytes: 1 << 20, max_depth: 64, max_fields: 1_000 },
        schemas: Arc::new(Schemas::default()),
        window: 100,
        record_bytes_max: 1_000_000,
        dead_letter_bytes_max: 100_000,
        heads: None,
    }
}

/// A gate that holds partition 0 of `in`, of which nothing is decided.
fn gate(settings: GateSettings, opening: Option<Opening>) -> Gate {
    gate_that(settings, opening, ControlFollower::sure_of(ControlView::default()))
}

/// Such a gate, to which the monitor has said something.
fn gate_that_hears(settings: GateSettings, signals: SignalsView) -> Gate {
    gate_that(settings, None, ControlFollower::sure_of_both(ControlView::default(), signals))
}

fn gate_that(settings: GateSettings, opening: Option<Opening>, control: ControlFollower) -> Gate {
    let metrics = Arc::new(GateMetrics::new(&Arc::new(Metrics::new()), &["inference"]));
    let mut gate = Gate::new(Arc::new(settings), Arc::new(control), metrics);
    let first = match &opening {
        Some(Opening { gap: Some((_, last, _)) }) => last + 1,
        _ => 0,
    };
    let progress = Progress::beginning(first, 1);
    let window = DedupWindow::new(gate.settings.window);
    gate.partitions.push(GatePartition::new(&input(), (0, &gate.settings), &progress, window, opening));
    gate
}

fn input() -> InputPartition {
    InputPartition { topic: "in".to_owned(), partition: 0 }
}

fn event(id: &str, confidence: &str) -> Vec<u8> {
    format!(r#"{{"event_id":"{id}","model":{{"name":"m","version":"1"}},"prediction":"yes","confidence":{confidence}}}"#)
        .into_bytes()
}

fn incoming(offset: i64, value: &[u8]) -> Incoming<'_> {
    Incoming {
        topic: "in",
        partition: 0,
        offset,
        appended_at: Some(Timestamp(1_767_610_001_187 + offset)),
        appended_at_type: AppendTimeType::LogAppend,
        key: Some(b"a key"),
        value: Some(value),
        headers: IncomingHeaders::Plain(&[]),
    }
}

/// Handles `values` from `first` on as one batch.
fn turn(gate: &mut Gate, first: i64, values: &[Vec<u8>], outbox: &mut FakeOutbox) -> Result<(), Fault> {
    for (offset, value) in (first..).zip(values) {
        gate.process(&incoming(offset, value), outbox)?;
    }
    gate.finish(outbox)
}

fn done(gate: &mut Gate, first: i64, values: &[Vec<u8>]) -> FakeOutbox {
    let mut outbox = FakeOutbox::new();
    turn(gate, first, values, &mut outbox).expect("a fake takes everything");
    outbox
}

/// One of each: released, held, the same again, the same id with other bytes, no event.
fn batch() -> Vec<Vec<u8>> {
    vec![event("a", "0.9"), event("b", "0.5"), event("b", "0.5"), event("a", "0.8"), b"{".to_vec()]
}

/// The entries' chain: numbers from `n` on, each naming the hash of the one before, by stored bytes. Its head.
fn assert_chained(outbox: &FakeOutbox, mut n: u64, mut prev: Option<String>) -> (u64, Option<String>) {
    for sent in outbox.of("audit") {
        let hash = entry_hash(sent.value.as_ref().expect("an entry")).to_string();
        assert_eq!(sent.json()["chain"], json!({"id": "gate/inference/0", "n": n, "prev": prev}));
        assert_eq!(sent.header("jidoka-hash").as_ref(), Some(&hash));
        (n, prev) = (n + 1, Some(hash));
    }
    let progress = outbox.of("progress");
    assert_eq!(progress.len(), 1, "progress is written once a transaction");
    assert_eq!(progress[0].json()["chain"], json!({"n": n - 1, "hash": prev}));
    (n, prev)
}

/// Topic, partition, key, value and headers of a record.
type Timeless = (String, i32, Option<String>, Value, BTreeMap<String, Vec<u8>>);

/// The records without what time and chance put into them; the chain's hashes follow from those.
fn timeless(outbox: &FakeOutbox) -> Vec<Timeless> {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(members) => {
                for name in ["at", "now", "took_us", "opened_at", "due_at", "salt", "prev", "hash", "entry_hash"] {
                    if let Some(member) = members.get_mut(name).filter(|member| !member.is_null()) {
                        *member = json!("of time and chance");
                    }
                }
                members.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let strip_record = |sent: &Sent| {
        let bytes = sent.value.clone().expect("a value");
        let mut value = serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(bytes));
        strip(&mut value);
        let headers = sent.headers.iter().filter(|(name, _)| name != "jidoka-hash").cloned().collect();
        (sent.topic.clone(), sent.partition, sent.key.clone(), value, headers)
    };
    outbox.sent.iter().map(strip_record).collect()
}

#[test]
fn one_of_each_kind_writes_what_the_contract_says() {
    let mut gate = gate(settings(), None);
    let outbox = done(&mut gate, 0, &batch());
    let words = |topic: &str, member: &str| {
        outbox.of(topic).iter().map(|sent| sent.json()[member].as_str().unwrap_or("-").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(words("audit", "kind"), ["DECIDED", "DECIDED", "DUPLICATE", "DECIDED", "DECIDED"]);
    assert_eq!(words("audit", "outcome"), ["RELEASED", "HELD", "-", "HELD", "HELD"]);
    assert_eq!(words("dispositions", "outcome"), ["RELEASED", "HELD", "HELD", "HELD"]);
    assert_eq!(words("cases", "state"), ["PENDING", "PENDING", "PENDING"]);
    assert_eq!(words("cases", "band"), ["normal", "high", "critical"]);
    assert_chained(&outbox, 0, None);
    let ids = words("audit", "decision_id");
    assert_eq!(words("audit", "of")[2], ids[1]);
    assert_eq!(words("dispositions", "conflicts_with"), ["-", "-", &ids[0], "-"]);
    for (case, review) in outbox.of("cases").into_iter().zip(outbox.of("reviews")) {
        assert_eq!(case.value, review.value, "the same bytes to both");
        let id = review.key.clone().expect("a key");
        assert_eq!(case.key, Some(format!("{id}/opened")));
        let entry = outbox.of("audit").into_iter().find(|entry| entry.key == Some(format!("{id}/0"))).expect("its entry");
        assert_eq!(case.json()["view"]["hash"], json!(entry.header("jidoka-hash")));
        let (lane, band) = (case.json()["lane"].as_i64().expect("a lane"), case.json()["band"].as_str().map(str::to_owned));
        let band =
            ["critical", "high", "normal", "low"].iter().position(|known| Some((*known).to_owned()) == band).expect("a band");
        assert_eq!(i64::from(case.partition), lane);
        assert_eq!(i64::from(review.partition), i64::try_from(band).expect("small") * 2 + lane % 2);
    }
    assert_eq!(outbox.of("progress")[0].json()["decided_through"], json!(4));
    let note = gate.next_offset(&input()).expect("it is held");
    assert_eq!((note.offset, note.note), (5, "inference"));
}

#[test]
fn after_an_abort_the_same_batch_is_decided_the_same_again() {
    let mut gate = gate(settings(), None);
    let before = done(&mut gate, 0, &[event("b", "0.7"), event("z", "0.9")]);
    let (n, prev) = assert_chained(&before, 0, None);
    gate.committed();

    let first = done(&mut gate, 2, &batch());
    gate.rolled_back();
    assert_eq!(gate.next_offset(&input()).expect("held").offset, 2);
    let second = done(&mut gate, 2, &batch());
    assert_eq!(timeless(&first), timeless(&second));
    assert_eq!(assert_chained(&second, n, prev.clone()).0, n + 5);
    // The aborted sightings left no trace: "b" conflicts with the committed one, not with itself.
    let of_b = second.of("audit")[1].json()["conflicts_with"].clone();
    assert_eq!(of_b, before.of("audit")[0].json()["decision_id"]);

    // Another batch in its place: only what was committed counts.
    gate.rolled_back();
    let other = done(&mut gate, 2, &[event("a", "0.8")]);
    assert_eq!(other.of("audit")[0].json()["outcome"], json!("RELEASED"));
    assert_chained(&other, n, prev);
}

#[test]
fn a_send_that_fails_in_mid_batch_leaves_nothing_behind() {
    let complete = done(&mut gate(settings(), None), 0, &batch());
    for fails_at in 0..complete.sent.len() {
        let mut gate = gate(settings(), None);
        let mut failing = FakeOutbox { fails_at: Some(fails_at), ..FakeOutbox::new() };
        turn(&mut gate, 0, &batch(), &mut failing).expect_err("the outbox fails");
        gate.rolled_back();
        assert_eq!(gate.next_offset(&input()).expect("held").offset, 0, "{fails_at}");
        let again = done(&mut gate, 0, &batch());
        assert_eq!(timeless(&again), timeless(&complete), "failed at {fails_at}");
        assert_chained(&again, 0, None);
    }
}

#[test]
fn a_gap_is_written_once_and_again_after_an_abort() {
    let opening = || Some(Opening { gap: Some((0, 6, GapCause::Start)) });
    let mut gate = gate(settings(), opening());
    assert!(gate.wants_turn(), "it is written though no record comes");
    let idle = done(&mut gate, 7, &[]);
    assert_eq!(idle.of("audit")[0].key.as_deref(), Some("gap/inference/0/0"));
    assert_eq!(idle.of("progress")[0].json()["decided_through"], json!(6));
    gate.rolled_back();
    assert!(gate.wants_turn());
    let with_records = done(&mut gate, 7, &batch());
    assert_eq!(with_records.of("audit").len(), 6);
    let (n, prev) = assert_chained(&with_records, 0, None);
    gate.committed();
    assert!(!gate.wants_turn());
    let later = done(&mut gate, 12, &[event("c", "0.9")]);
    assert_eq!(later.of("audit").len(), 1);
    assert_chained(&later, n, prev);
    gate.committed();
    assert_eq!(done(&mut gate, 13, &[]).sent, [], "nothing happened, nothing is written");
}

#[test]
fn a_record_that_comes_again_is_not_decided_again() {
    let mut gate = gate(settings(), None);
    done(&mut gate, 0, &batch());
    gate.committed();
    let again = done(&mut gate, 0, &batch());
    assert_eq!(again.sent, []);
    let foreign = Incoming { partition: 1, ..incoming(9, b"{") };
    let fault = gate.process(&foreign, &mut FakeOutbox::new()).expect_err("it is not held");
    assert!(fault.sentence.contains("in/1"), "{fault}");
}

#[test]
fn an_event_that_makes_its_case_too_large_goes_by_reference() {
    let long =
        format!(r#"{{"event_id":"b","model":{{"name":"m"}},"confidence":0.5,"features":{{"note":"{}"}}}}"#, "x".repeat(8_000));
    for (own_max, topic_max, whole) in [(1_000_000, 1_000_000, true), (9_000, 1_000_000, false), (1_000_000, 10_000, false)] {
        let mut gate = gate(GateSettings { record_bytes_max: own_max, ..settings() }, None);
        let mut outbox = FakeOutbox { record_bytes_max: topic_max, ..FakeOutbox::new() };
        turn(&mut gate, 0, &[long.clone().into_bytes()], &mut outbox).expect("a fake takes what fits");
        let case = outbox.of("cases")[0].json();
        assert_eq!(case["event"].is_object(), whole, "{own_max} {topic_max}");
        if !whole {
            let hash = Hash::of(long.as_bytes()).to_string();
            assert_eq!(case["event_ref"], json!({"topic": "in", "partition": 0, "offset": 0, "sha256": hash}));
        }
        assert_eq!(outbox.of("reviews")[0].json(), case);
    }
}

#[test]
fn a_dead_letter_keeps_the_original_as_far_as_the_bounds_go() {
    let value: Vec<u8> = std::iter::repeat_n(b'x', 60_000).collect();
    let many: Vec<HeaderItem<'_>> = std::iter::repeat_n(("h", None), 9_000).collect();
    let headers: [HeaderItem<'_>; 2] = [("traceparent", Some(b"00-trace")), ("tenant", Some(b"blue"))];
    let letter = |own_max: usize, topic_max: usize, headers: &[HeaderItem<'_>], key: &[u8]| {
        let mut gate = gate(GateSettings { dead_letter_bytes_max: own_max, ..settings() }, None);
        let mut outbox = FakeOutbox { record_bytes_max: topic_max, ..FakeOutbox::new() };
        let record = Incoming { headers: IncomingHeaders::Plain(headers), key: Some(key), ..incoming(41, &value) };
        gate.process(&record, &mut outbox).expect("a fake takes what fits");
        assert_eq!(outbox.of("audit")[0].json()["triggers"][0]["reason"], json!("not-json"));
        outbox.of("dead-letters")[0].clone()
    };
    let length = |letter: &Sent| letter.value.as_ref().map(Vec::len);
    let whole = letter(100_000, 1_000_000, &headers, b"k");
    assert_eq!((whole.value.as_ref(), whole.key.as_deref()), (Some(&value), Some("k")));
    for (name, expected) in [
        ("jidoka-error-code", "not-json".to_owned()),
        ("jidoka-source-topic", "in".to_owned()),
        ("jidoka-source-partition", "0".to_owned()),
        ("jidoka-source-offset", "41".to_owned()),
        ("jidoka-original-size", "60000".to_owned()),
        ("jidoka-original-sha256", Hash::of(&value).to_string()),
        ("traceparent", "00-trace".to_owned()),
        ("tenant", "blue".to_owned()),
    ] {
        assert_eq!(whole.header(name), Some(expected), "{name}");
    }
    let example: Value = serde_json::from_str(include_str!("../../schemas/examples/dead-letter-headers.json")).expect("JSON");
    let documented: Vec<&String> = example.as_object().expect("an object").keys().collect();
    let own: Vec<&String> = whole.headers.iter().map(|(name, _)| name).take(documented.len()).collect();
    assert_eq!(own, documented, "the headers that schemas/ documents, before the original's");
    assert_eq!(length(&letter(1_000, 1_000_000, &headers, b"k")), Some(1_000));
    // Whatever the producer made its headers and key of, the record fits (the fake checks): it can never be stuck.
    let long_key = vec![b'k'; 5_000];
    let full = letter(100_000, 40_000, &many, &long_key);
    assert!(length(&full) > Some(20_000) && full.key.is_none());
    assert!(full.headers.iter().any(|(name, _)| name == "h"));
}

#[test]
fn a_null_value_is_empty_and_stays_null_in_its_dead_letter() {
    let mut gate = gate(settings(), None);
    let mut outbox = FakeOutbox::new();
    gate.process(&Incoming { value: None, key: None, ..incoming(0, b"") }, &mut outbox).expect("a fake takes it");
    let letter = outbox.of("dead-letters")[0];
    assert_eq!((letter.value.as_ref(), letter.key.as_ref()), (None, None));
    assert_eq!(letter.header("jidoka-error-code").as_deref(), Some("empty"));
    let entry = outbox.of("audit")[0].json();
    assert_eq!((&entry["event_id"], &entry["model"]["name"]), (&Value::Null, &Value::Null));
    assert_eq!(entry["input"]["sha256"], json!(Hash::of(b"").to_string()));
}

#[test]
fn a_traceparent_follows_the_decision() {
    let headers: [HeaderItem<'_>; 1] = [("traceparent", Some(b"00-trace"))];
    let value = event("b", "0.5");
    let mut gate = gate(settings(), None);
    let mut outbox = FakeOutbox::new();
    let record = Incoming { headers: IncomingHeaders::Plain(&headers), ..incoming(0, &value) };
    gate.process(&record, &mut outbox).expect("a fake takes it");
    assert_eq!(outbox.sent.len(), 4);
    for sent in &outbox.sent {
        assert_eq!(sent.header("traceparent").as_deref(), Some("00-trace"), "{}", sent.topic);
        assert!(sent.header("jidoka-decision-id").is_some_and(|id| sent.key.as_ref().is_some_and(|key| key.starts_with(&id))));
    }
    let heads: Vec<_> = outbox.sent.iter().map(|sent| (sent.header("jidoka-kind"), sent.header("jidoka-schema"))).collect();
    let expected = [("DECIDED", "audit/1"), ("HELD", "disposition/1"), ("PENDING", "case/1"), ("PENDING", "case/1")];
    assert_eq!(heads, expected.map(|(kind, schema)| (Some(kind.to_owned()), Some(schema.to_owned()))));
}

#[test]
fn where_the_orders_cannot_be_read_nothing_is_released() {
    let mut held = gate(settings(), None);
    held.control = Arc::new(ControlFollower::new(Duration::from_secs(30)));
    let outbox = done(&mut held, 0, &[event("a", "0.99")]);
    let entry = outbox.of("audit")[0].json();
    assert_eq!((&entry["outcome"], &entry["basis"]["control"]), (&json!("HELD"), &json!("unreadable")));
}
