//! Bad input, and a Kafka that is not as it should be: everything is held or said, nothing is skipped or stuck.

use std::collections::BTreeMap;

use jidoka::identity::Hash;
use serde_json::{Value, json};

use super::admin::Admin;
use super::books::Record;
use super::stage::{Stage, await_reason, await_that, end, entry, event, findings, json, sentence};
use crate::kafka::{self, Cluster};

/// A record that is no event: its bytes, the code, and the id where one could be read.
type Broken = (Option<Vec<u8>>, &'static str, Option<&'static str>);

fn with(id: &str, member: &str) -> Vec<u8> {
    format!(r#"{{"event_id":"{id}","model":{{"name":"loans"}},"confidence":0.9,{member}}}"#).into_bytes()
}

fn broken() -> Vec<Broken> {
    let some = |text: &str| Some(text.as_bytes().to_vec());
    let mut not_utf8 = with("utf8", r#""currency":"?""#);
    let at = not_utf8.iter().position(|byte| *byte == b'?').expect("it is there");
    not_utf8[at] = 0xff;
    let noise: Vec<u8> = (0_u32..4_096).map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let many: Vec<String> = (0..1_001).map(|number| format!(r#""f{number}":1"#)).collect();
    let long = "x".repeat(10_240);
    vec![
        (None, "empty", None),
        (some(""), "empty", None),
        (Some(noise), "not-json", None),
        (some(r#"{"event_id":"cut","model":{"name":"loans"},"conf"#), "not-json", Some("cut")),
        (Some(with("deep", &format!(r#""more":{}1{}"#, "[".repeat(10_000), "]".repeat(10_000)))), "too-deep", Some("deep")),
        (Some(with("megabyte", &format!(r#""subject_id":"{}""#, "x".repeat(1_000_000)))), "too-long", Some("megabyte")),
        (Some(with("nan", r#""amount":NaN"#)), "not-json", Some("nan")),
        (Some(with("beyond", r#""amount":1e999"#)), "out-of-range", Some("beyond")),
        (Some(not_utf8), "not-json", Some("utf8")),
        (Some(with("twice", r#""amount":1,"amount":2"#)), "duplicate-key", Some("twice")),
        (Some(with("first", r#""event_id":"second""#)), "duplicate-key", None),
        (some("null"), "wrong-type", None),
        (some(r#"{"event_id":"no model","confidence":0.9}"#), "missing-field", Some("no model")),
        (some(r#"{"event_id":"no answer","model":{"name":"loans"}}"#), "missing-field", Some("no answer")),
        (some(r#"{"event_id":null,"model":{"name":"loans"},"confidence":0.9}"#), "missing-field", None),
        (some(r#"{"event_id":17,"model":{"name":"loans"},"confidence":0.9}"#), "wrong-type", None),
        (Some(with("mistyped", r#""amount":"much""#)), "wrong-type", Some("mistyped")),
        (Some(with("yesterday", r#""timestamp":"yesterday""#)), "wrong-type", Some("yesterday")),
        (Some(with("sure", r#""probabilities":{"yes":1.5}"#)), "out-of-range", Some("sure")),
        (Some(with(&long, r#""amount":1"#)), "bad-id", None),
        (Some(with("", r#""amount":1"#)), "bad-id", None),
        (Some([b"\xef\xbb\xbf".as_slice(), &with("bom", r#""amount":1"#)].concat()), "not-json", None),
        (Some(with("many", &format!(r#""features":{{{}}}"#, many.join(",")))), "too-many-fields", Some("many")),
        (Some(with("large", &format!(r#""features":{{"text":"{}"}}"#, "x".repeat(1_100_000)))), "too-large", None),
    ]
}

#[test]
fn what_cannot_be_read_is_held_and_kept_and_the_partition_goes_on() {
    if !kafka::required() {
        return;
    }
    let stage = Stage::without_topics(kafka::shared(), "earliest");
    kafka::shared().create_topic(&stage.input, 1, &[("max.message.bytes", "3000000")]);
    stage.apply();
    let broken = broken();
    for (value, ..) in &broken {
        stage.write((&stage.input, 0), Some("the key"), &[value.as_deref()], &[("origin", "lab"), ("traceparent", "00-1-2-01")]);
    }
    stage.produce(0, event("good", 0.9));
    let mut gate = stage.ready();
    let entries = stage.await_decided(&mut gate, broken.len() + 1);
    assert_eq!(entry(&entries, 0, i64::try_from(broken.len()).expect("few"))["outcome"], "RELEASED");

    let (cases, dead_letters) = (by_key(&stage.read("cases")), stage.read("dead-letters"));
    assert_eq!((cases.len(), dead_letters.len(), stage.read("reviews").len()), (broken.len(), broken.len(), broken.len()));
    for (((value, code, id), dead), offset) in broken.iter().zip(&dead_letters).zip(0..) {
        let bytes = value.as_deref().unwrap_or_default();
        let sha256 = Hash::of(bytes).to_string();
        let entry = entry(&entries, 0, offset);
        let decision_id = entry["decision_id"].as_str().expect("an id");
        assert_eq!(
            (&entry["outcome"], &entry["event_id"], &entry["input"]["sha256"]),
            (&json!("HELD"), &json!(id), &json!(sha256)),
            "{code}"
        );
        assert_eq!((findings(entry), entry["triggers"][0]["reason"].as_str()), (vec!["unreadable"], Some(*code)), "{entry:#}");
        let case = &cases[&format!("{decision_id}/opened")];
        let reference = json!({ "topic": stage.input, "partition": 0, "offset": offset, "sha256": sha256 });
        assert_eq!((&case["event_ref"], &case["event"], &case["event_id"]), (&reference, &Value::Null, &json!(id)), "{code}");

        let kept = value.as_ref().map(|value| value[..value.len().min(262_144)].to_vec());
        assert!(dead.value == kept, "{code}: the original, cut at the bound");
        assert_eq!(dead.key_text(), "the key");
        let detail = dead.header("jidoka-error-detail").expect("a sentence");
        assert!(!detail.is_empty() && detail.len() <= 512, "{detail}");
        let (number, size) = (offset.to_string(), bytes.len().to_string());
        let expected = [
            ("jidoka-decision-id", decision_id),
            ("jidoka-kind", "HELD"),
            ("jidoka-schema", "dead-letter/1"),
            ("jidoka-error-code", code),
            ("jidoka-error-detail", detail),
            ("jidoka-source-topic", &stage.input),
            ("jidoka-source-partition", "0"),
            ("jidoka-source-offset", &number),
            ("jidoka-original-size", &size),
            ("jidoka-original-sha256", &sha256),
            ("origin", "lab"),
            ("traceparent", "00-1-2-01"),
        ];
        let found: Vec<(&str, &str)> =
            dead.headers.iter().map(|(key, value)| (key.as_str(), std::str::from_utf8(value).expect("text"))).collect();
        assert_eq!(found, expected);
    }
    // The lag is known from the client's statistics, which come every few seconds.
    let metrics = await_that(&mut gate, "the lag", |gate| {
        Some(gate.metrics()).filter(|text| text.contains("\njidoka_source_lag_records{"))
    });
    assert_metrics(&metrics);
}

fn by_key(records: &[Record]) -> BTreeMap<String, Value> {
    records.iter().map(|record| (record.key_text(), json(record))).collect()
}

/// Contract, section 8, as far as it is the gate's: names with exactly these labels, and no value out of an event.
fn assert_metrics(text: &str) {
    const EXPECTED: [(&str, &[&str]); 13] = [
        ("jidoka_events_consumed_total", &["source"]),
        ("jidoka_decisions_total", &["outcome", "policy"]),
        ("jidoka_trigger_results_total", &["policy", "result", "trigger"]),
        ("jidoka_decision_age_seconds", &["source"]),
        ("jidoka_commit_age_seconds", &["source"]),
        ("jidoka_transaction_duration_seconds", &["role"]),
        ("jidoka_transaction_aborts_total", &["reason", "role"]),
        ("jidoka_source_lag_records", &["partition", "source"]),
        ("jidoka_dead_letters_total", &["code", "source"]),
        ("jidoka_duplicates_total", &["kind", "source"]),
        ("jidoka_restore_duration_seconds", &["role"]),
        ("jidoka_control_age_seconds", &[]),
        ("jidoka_policy_load_failures_total", &[]),
    ];
    for (name, labels) in EXPECTED {
        let samples = text.lines().filter(|line| {
            let rest = line.strip_prefix(name).unwrap_or("-");
            let rest = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| rest.strip_prefix(suffix)).unwrap_or(rest);
            rest.starts_with('{') || rest.starts_with(' ')
        });
        let samples: Vec<&str> = samples.collect();
        assert!(!samples.is_empty(), "{name} is not there:\n{text}");
        for sample in samples {
            let inside = sample.split_once('{').map_or("", |(_, rest)| rest.split_once('}').expect("it is closed").0);
            let mut found: Vec<&str> = inside.split(',').filter_map(|label| Some(label.split_once('=')?.0)).collect();
            found.retain(|label| *label != "le");
            found.sort_unstable();
            assert_eq!(found, labels, "{sample}");
        }
    }
    for value in ["megabyte", "the key", "lab", "good", "yesterday"] {
        assert!(!text.contains(&format!("\"{value}\"")), "{value} came out of an event:\n{text}");
    }
}

/// An event that is held, with digits that do not compress away: the broker's limit is about what it is sent.
fn large(id: &str, bytes: usize) -> String {
    let mut state = 1_u64;
    let mut noise = String::new();
    while noise.len() < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.push_str(&state.to_string());
    }
    format!(r#"{{"event_id":"{id}","model":{{"name":"loans"}},"confidence":0.5,"features":{{"text":"{noise}"}}}}"#)
}

/// A small event, held, of which the case is as long as it can be beside the event.
fn verbose(id: &str) -> String {
    let text = "\\u0001".repeat(1_024);
    format!(
        r#"{{"event_id":"{id}","model":{{"name":"loans","version":"{text}"}},"prediction":"{text}","subject_id":"{text}","requested_by":"{text}","currency":"{text}","confidence":0.5}}"#
    )
}

/// How the case of each event carries it: whole, by reference.
fn carried(stage: &Stage) -> BTreeMap<String, (bool, bool)> {
    let cases = by_key(&stage.read("cases"));
    assert_eq!(cases.len(), stage.read("reviews").len());
    let by_id = cases.into_values().map(|case| {
        let how = (case["event"].is_object(), case["event_ref"].is_object());
        (case["event_id"].as_str().expect("an id").to_owned(), how)
    });
    by_id.collect()
}

/// Topics that take less than an event is long: it is held all the same, with a reference.
#[test]
fn an_event_larger_than_the_broker_takes_is_held_by_reference() {
    if !kafka::required() {
        return;
    }
    let stage = Stage::new(kafka::shared(), 1, "earliest");
    let (whole, by_reference) = ((true, false), (false, true));

    let mut gate = stage.ready();
    stage.produce(0, large("half", 500_000));
    stage.produce(0, large("beyond the configuration", 950_000));
    stage.await_decided(&mut gate, 2);
    assert_eq!(
        carried(&stage),
        BTreeMap::from([("half".to_owned(), whole), ("beyond the configuration".to_owned(), by_reference)])
    );

    // The limit is lowered under the running gate.
    for topic in ["cases", "reviews", "dead-letters"] {
        Admin::of(&stage).set(&stage.topic(topic), "max.message.bytes", "40000");
    }
    stage.produce(0, large("half, later", 500_000));
    stage.produce(0, large("unreadable", 100_000).replace("\"confidence\":0.5,", ""));
    stage.produce(0, verbose("verbose"));
    stage.produce(0, event("small", 0.5));
    stage.await_decided(&mut gate, 6);
    let carried = carried(&stage);
    assert_eq!((carried["half, later"], carried["unreadable"], carried["small"]), (by_reference, by_reference, whole));
    let dead = stage.read("dead-letters");
    assert_eq!(dead.len(), 1);
    assert!(dead[0].bytes().len() < 40_000 && dead[0].header("jidoka-original-size").is_some_and(|size| size.len() == 6));
    end(gate);

    // And the smallest limit with which a gate starts at all.
    for topic in ["cases", "reviews", "dead-letters", "dispositions", "audit", "progress"] {
        Admin::of(&stage).set(&stage.topic(topic), "max.message.bytes", "32768");
    }
    let mut gate = stage.start(0);
    stage.produce(0, large("once more", 500_000));
    stage.produce(0, verbose("verbose again"));
    stage.await_decided(&mut gate, 8);
}

#[test]
fn topics_that_are_wrong_or_missing_refuse_the_start_with_what_mends_them() {
    if !kafka::required() {
        return;
    }
    let stage = Stage::without_topics(kafka::shared(), "earliest");
    let (code, said) = sentence(&mut stage.start(0));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("topics are not as they must be") && said.contains("jidoka topics apply --config"), "{said}");

    kafka::shared().create_topic(&stage.input, 1, &[]);
    kafka::shared().create_topic(&stage.topic("reviews"), 3, &[]);
    kafka::shared().create_topic(&stage.topic("progress"), 3, &[("cleanup.policy", "delete")]);
    stage.run_to_fail(&["topics", "apply"]);
    let mut gate = stage.start(0);
    let (code, said) = sentence(&mut gate);
    assert_eq!(code, Some(2), "{said}");
    let log = gate.log();
    assert!(log.contains(&format!("kafka-topics.sh --bootstrap-server {}", stage.bootstrap())), "{log}");
    assert!(log.contains("--add-config cleanup.policy=compact"), "{log}");
    assert!(said.contains("2 topics are not as they must be"), "{said}");
}

#[test]
fn a_broker_that_comes_late_is_waited_for() {
    if !kafka::own_required() {
        return;
    }
    let cluster = Cluster::single();
    let stage = Stage::new(&cluster, 1, "earliest");
    stage.produce(0, event("early", 0.9));
    cluster.kill(1);
    let mut gate = stage.start(0);
    await_reason(&mut gate, "No answer from Kafka at ");
    assert!(gate.log().contains("waiting for a broker"));
    // Asked to, it ends well even now.
    end(gate);
    let mut gate = stage.start(0);
    cluster.restart(1);
    stage.await_decided(&mut gate, 1);
    gate.await_ready();
}

/// One cluster for both: it takes seconds to start.
#[test]
fn a_login_or_a_right_that_is_refused_ends_with_a_sentence() {
    if !kafka::own_required() {
        return;
    }
    let cluster = Cluster::sasl();
    let wrong = Stage::new(&cluster, 1, "earliest").with_kafka(&kafka::login(kafka::USER, "wrong"));
    let (code, said) = sentence(&mut wrong.start(0));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("refused the login"), "{said}");

    // The audit cannot be written: nothing is released.
    let stage = Stage::new(&cluster, 1, "earliest").with_kafka(&kafka::login(kafka::USER, kafka::PASSWORD));
    let mut gate = stage.ready();
    stage.produce(0, event("before", 0.9));
    stage.await_decided(&mut gate, 1);
    cluster.deny_write(&stage.topic("audit"), kafka::USER);
    let produced = stage.produce(0, event("after", 0.9));
    let (code, said) = sentence(&mut gate);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("this user may not use one of the topics") && said.contains("topics plan --acls"), "{said}");
    assert_eq!(stage.extent(&stage.input, 0).1, produced + 1);
    assert_eq!((stage.read("dispositions").len(), stage.read("audit").len()), (1, 1));
}
