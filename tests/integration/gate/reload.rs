//! Policies that change under a running gate, and events in Avro.

use std::fs;
use std::path::Path;
use std::time::Duration;

use apache_avro::Schema;
use apache_avro::types::Value as AvroValue;
use serde_json::{Value, json};

use super::process::Gate;
use super::stage::{Stage, await_that, end, entry, event, findings};
use crate::kafka;

fn version(number: usize) -> String {
    format!("version: \"{number}\"\n{}", super::POLICY)
}

/// Puts a whole file in another's place, as a rollout does.
fn replace(stage: &Stage, text: &str) {
    let beside = stage.policies().join(".loans.yaml.new");
    fs::write(&beside, text).expect("a file in the test's folder");
    fs::rename(beside, stage.policies().join("loans.yaml")).expect("its place");
}

fn note(gate: &Gate) -> Option<String> {
    let readiness = gate.readiness()?;
    Some(readiness["notes"].as_array()?.first()?["why"].as_str()?.to_owned())
}

/// Under load, good files, half files and no folder at all take turns: every record is decided once, by one of the good
/// versions, and of one partition never by an older one after a newer.
#[test]
fn policies_change_under_load_and_nothing_is_dropped_or_decided_twice() {
    const VERSIONS: usize = 6;
    const COUNT: usize = 4_000;
    if !kafka::required() {
        return;
    }
    let stage = Stage::new(kafka::shared(), 3, "earliest").with("reload: { every: 100ms }\ngate: { batch: { max_records: 50 } }");
    replace(&stage, &version(0));
    let mut gate = stage.ready();
    let events: Vec<String> = (0..COUNT).map(|number| event(&number.to_string(), 0.9)).collect();
    let values: Vec<Option<&[u8]>> = events.iter().map(|event| Some(event.as_bytes())).collect();
    std::thread::scope(|scope| {
        for partition in 0..3 {
            let (stage, values) = (&stage, &values);
            scope.spawn(move || {
                for some in values.chunks(100) {
                    stage.write((&stage.input, partition), None, some, &[]);
                    std::thread::sleep(Duration::from_millis(50));
                }
            });
        }
        for number in 1..=VERSIONS {
            replace(&stage, &version(number)[..60]);
            std::thread::sleep(Duration::from_millis(300));
            replace(&stage, &version(number));
            std::thread::sleep(Duration::from_millis(300));
        }
    });
    stage.installation().await_decided(&mut [&mut gate]);
    let books = stage.assert_sound();
    assert_eq!(books.audit.len(), 3 * COUNT);
    let entries = stage.audit();
    for partition in 0..3 {
        let of_partition = entries.iter().filter(|entry| entry["input"]["partition"] == partition);
        let versions: Vec<usize> = of_partition
            .map(|entry| entry["policy"]["version"].as_str().and_then(|version| version.parse().ok()).expect("a good version"))
            .collect();
        assert!(versions.is_sorted(), "partition {partition} went back to an older version");
        assert!(versions.first() < versions.last(), "no version was taken up while partition {partition} was read");
    }
    assert!(gate.metric("jidoka_policy_load_failures_total", "") >= 1.0);
    await_that(&mut gate, "the note to go", |gate| note(gate).is_none().then_some(()));
    end(gate);
}

#[test]
fn a_bad_file_and_a_vanished_folder_leave_the_old_policy_in_force() {
    if !kafka::required() {
        return;
    }
    let stage = Stage::new(kafka::shared(), 1, "earliest").with("reload: { every: 100ms }");
    replace(&stage, &version(1));
    let mut gate = stage.ready();
    let decide = |gate: &mut Gate| {
        let offset = stage.produce(0, event(&kafka::unique("event"), 0.9));
        let entries = stage.await_decided(gate, usize::try_from(offset + 1).expect("few"));
        let entry = entry(&entries, 0, offset);
        (entry["outcome"].clone(), entry["policy"]["version"].clone())
    };
    replace(&stage, "policy: loans\ntriggers: [ { id: big, rule: amuont > 5 } ]\n");
    let why = await_that(&mut gate, "a note about the bad file", note);
    assert!(why.contains("loans.yaml:2:") && why.contains("did you mean `amount`"), "{why}");
    assert_eq!(decide(&mut gate), (json!("RELEASED"), json!("1")));

    let away = stage.policies().with_extension("away");
    fs::rename(stage.policies(), &away).expect("a folder can be moved");
    await_that(&mut gate, "a note about the folder", |gate| note(gate).filter(|why| why.contains("cannot be read")));
    assert_eq!(decide(&mut gate), (json!("RELEASED"), json!("1")));
    assert!(gate.readiness().is_some_and(|readiness| readiness["ready"] == true));

    fs::rename(&away, stage.policies()).expect("and back");
    replace(&stage, &version(2));
    await_that(&mut gate, "the note to go", |gate| note(gate).is_none().then_some(()));
    assert_eq!(decide(&mut gate), (json!("RELEASED"), json!("2")));
    assert!(gate.metric("jidoka_policy_load_failures_total", "") >= 2.0);
    end(gate);
}

/// An event of the model `loans`, with Confluent's framing for the schema `id`.
fn framed(id: u32, event_id: &str, confidence: f64) -> Vec<u8> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/inference-event.avsc"));
    let schema = Schema::parse_str(&text.expect("the repository has it")).expect("a schema");
    let native: Value = serde_json::from_str(&event(event_id, confidence)).expect("JSON");
    let value = AvroValue::from(native).resolve(&schema).expect("a native event");
    let body = apache_avro::to_avro_datum(&schema, value).expect("it fits");
    [&[0], id.to_be_bytes().as_slice(), &body].concat()
}

/// Avro is decided as JSON is; a schema nobody knows holds, until it is put into the folder.
#[test]
fn events_in_avro_are_decided_by_the_schemas_of_the_folder() {
    if !kafka::required() {
        return;
    }
    let stage =
        Stage::new(kafka::shared(), 1, "earliest").with("reload: { every: 100ms }\nschema_registry: { folder: registry }");
    let folder = stage.config().with_file_name("registry");
    let native = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/inference-event.avsc");
    fs::create_dir(&folder).expect("a folder of our own");
    fs::copy(&native, folder.join("7.avsc")).expect("a copy");
    let mut gate = stage.ready();
    let sure = stage.produce(0, framed(7, "sure", 0.9));
    let unsure = stage.produce(0, framed(7, "unsure", 0.5));
    let again = stage.produce(0, framed(7, "sure", 0.9));
    let unknown = stage.produce(0, framed(8, "stranger", 0.9));
    let cut = stage.produce(0, &framed(7, "cut", 0.9)[..9]);
    let json = stage.produce(0, event("plain", 0.9));
    let entries = stage.await_decided(&mut gate, 6);
    let outcome = |offset| entry(&entries, 0, offset)["outcome"].as_str().unwrap_or("-").to_owned();
    assert_eq!([sure, unsure, unknown, cut, json].map(outcome), ["RELEASED", "HELD", "HELD", "HELD", "RELEASED"]);
    assert_eq!(entry(&entries, 0, again)["kind"], "DUPLICATE");
    let unreadable = entry(&entries, 0, unknown);
    assert_eq!((findings(unreadable), &unreadable["triggers"][0]["reason"]), (vec!["unreadable"], &json!("unknown-schema")));
    assert_eq!(entry(&entries, 0, cut)["triggers"][0]["reason"], "not-avro");
    // The case shows the event as a person can read it.
    let cases = stage.read("cases");
    let case = cases.iter().map(super::stage::json).find(|case| case["event_id"] == "unsure").expect("a case of it");
    assert_eq!((&case["event"]["confidence"], &case["event"]["model"]["name"]), (&json!(0.5), &json!("loans")));

    fs::copy(&native, folder.join("8.avsc")).expect("a copy");
    let mut number = 0;
    await_that(&mut gate, "the new schema to be known", |_| {
        number += 1;
        let offset = stage.produce(0, framed(8, &format!("later-{number}"), 0.9));
        std::thread::sleep(Duration::from_millis(200));
        stage.audit().iter().any(|entry| entry["input"]["offset"] == offset && entry["outcome"] == "RELEASED").then_some(())
    });
    end(gate);
}
