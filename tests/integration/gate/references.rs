//! Topics of trusted facts under running gates: nothing is released that could not be compared.

use serde_json::{Value, json};

use super::admin::Admin;
use super::process::{Gate, PATIENCE};
use super::stage::{Stage, await_that, end, entry};
use crate::kafka;

/// A policy that compares ages.
const POLICY: &str = "\
policy: loans
match: { model: loans }
triggers:
  - id: facts
    contradiction: { reference: customers, compare: [ age ] }
";

struct Scene {
    stage: Stage,
    facts: String,
}

impl Scene {
    /// A gate's surroundings, with the topic of trusted facts that `settings` are about; the topic is not there yet.
    fn new(settings: &str) -> Self {
        let stage = Stage::new(kafka::shared(), 1, "earliest");
        let facts = stage.topic("facts");
        stage.policy("loans.yaml", POLICY);
        let stage = stage.with(&format!("references: [ {{ name: customers, topic: {facts:?}, {settings} }} ]"));
        Self { stage, facts }
    }

    fn make_topic(&self, partitions: i32) {
        Admin::of(&self.stage).create(&self.facts, partitions, &[("cleanup.policy", "compact")]);
    }

    fn tell(&self, partition: i32, subject: &str, value: Option<&str>) -> i64 {
        self.stage.write((&self.facts, partition), Some(subject), &[value.map(str::as_bytes)], &[])
    }

    /// The entry about a new event that says that `subject` is `age` years old.
    fn decide(&self, gate: &mut Gate, subject: &str, age: u32) -> Value {
        let id = kafka::unique("event");
        let rest = format!(r#""prediction":"yes","confidence":0.9,"subject_id":"{subject}","features":{{"age":{age}}}"#);
        let offset = self.stage.produce(0, format!(r#"{{"event_id":"{id}","model":{{"name":"loans"}},{rest}}}"#));
        let entries = self.stage.await_decided(gate, usize::try_from(offset + 1).expect("few"));
        entry(&entries, 0, offset).clone()
    }

    /// [`Scene::decide`] until the trigger ends as `wanted`: a change is known a moment after it was written. Meanwhile
    /// nothing is decided but so, or as `before`.
    fn decide_until(
        &self,
        gate: &mut Gate,
        about: (&str, u32),
        before: &[(&str, Option<&str>)],
        wanted: (&str, Option<&str>),
    ) -> Value {
        let give_up = std::time::Instant::now() + PATIENCE;
        loop {
            let decided = self.decide(gate, about.0, about.1);
            let (result, reason) = how(&decided);
            if (result.as_str(), reason.as_deref()) == wanted {
                return decided;
            }
            let is_before = before.iter().any(|before| (result.as_str(), reason.as_deref()) == *before);
            assert!(is_before, "neither {wanted:?} nor {before:?}: {decided:#}");
            assert!(std::time::Instant::now() < give_up, "still {decided:#}");
        }
    }
}

/// How the trigger ended, and why.
fn how(entry: &Value) -> (String, Option<String>) {
    let Some(result) = entry["triggers"].as_array().expect("a list").first() else {
        assert_eq!(entry["missed"], json!(["facts"]));
        return ("missed".to_owned(), None);
    };
    (result["result"].as_str().expect("a word").to_owned(), result["reason"].as_str().map(str::to_owned))
}

const NOT_READY: (&str, Option<&str>) = ("error", Some("reference-not-ready"));

#[test]
fn what_is_trusted_is_known_before_anything_is_released() {
    if !kafka::required() {
        return;
    }
    let scene = Scene::new("max_age: 2s");
    // The topic is not there: everything is held.
    let mut gate = scene.stage.ready();
    let held = scene.decide(&mut gate, "S1", 40);
    assert_eq!(how(&held), ("error".to_owned(), Some("reference-not-ready".to_owned())));
    assert_eq!((&held["outcome"], &held["basis"]["reference"]), (&json!("HELD"), &json!({"customers": null})));
    assert_eq!(gate.metric("jidoka_reference_age_seconds", "reference=\"customers\""), f64::INFINITY);
    scene.make_topic(3);
    let offset = scene.tell(2, "S1", Some(r#"{"age":40,"name":"Kim"}"#));
    scene.tell(0, "S2", Some(r#"{"age":40}"#));
    // Between its making and its first record there is no record of anybody, and that is known.
    let before = [NOT_READY, ("miss", Some("no-reference"))];
    let agrees = scene.decide_until(&mut gate, ("S1", 41), &before, ("missed", None));
    assert_eq!(
        (&agrees["outcome"], &agrees["basis"]["reference"]),
        (&json!("RELEASED"), &json!({"customers":{"partition":2,"offset":offset}}))
    );
    let differs = scene.decide(&mut gate, "S1", 17);
    assert_eq!((how(&differs), &differs["outcome"]), (("hit".to_owned(), None), &json!("HELD")));
    assert!(!differs["triggers"].to_string().contains("17"), "no values in the trail: {differs:#}");
    let case = case_of(&scene, &differs);
    assert_eq!(
        case["findings"][0]["details"],
        json!({"fields":[{"name":"age","event":17,"trusted":40,"sentence":"age is 17, the trusted value is 40."}]})
    );
    assert_eq!(gate.metric("jidoka_reference_records", "reference=\"customers\""), 2.0);
    // A gate that begins anew knows it before its first decision, without being told to wait.
    end(gate);
    let mut gate = scene.stage.ready();
    assert_eq!(how(&scene.decide(&mut gate, "S1", 17)).0, "hit");
    assert_eq!(how(&scene.decide(&mut gate, "S3", 17)), ("miss".to_owned(), Some("no-reference".to_owned())));
}

fn case_of(scene: &Scene, entry: &Value) -> Value {
    let key = format!("{}/opened", entry["decision_id"].as_str().expect("an id"));
    let cases = scene.stage.read("cases");
    let record = cases.iter().find(|record| record.key.as_deref() == Some(key.as_bytes())).expect("its case");
    super::stage::json(record)
}

#[test]
fn what_is_told_of_a_subject_replaces_what_was_known() {
    if !kafka::required() {
        return;
    }
    let scene = Scene::new("max_age: 10s");
    scene.make_topic(1);
    scene.tell(0, "S1", Some(r#"{"age":40}"#));
    let mut gate = scene.stage.ready();
    assert_eq!(how(&scene.decide(&mut gate, "S1", 17)).0, "hit");
    scene.tell(0, "S1", Some(r#"{"age":17}"#));
    scene.decide_until(&mut gate, ("S1", 17), &[("hit", None)], ("missed", None));
    scene.tell(0, "S1", Some("no JSON"));
    let undecodable = ("error", Some("reference-undecodable"));
    let held = scene.decide_until(&mut gate, ("S1", 17), &[("missed", None)], undecodable);
    assert_eq!(held["outcome"], "HELD");
    assert_eq!(gate.metric("jidoka_reference_undecodable", "reference=\"customers\""), 1.0);
    // Others are not concerned.
    assert_eq!(how(&scene.decide(&mut gate, "S2", 17)), ("miss".to_owned(), Some("no-reference".to_owned())));
    scene.tell(0, "S1", Some(r#"{"age":40}"#));
    scene.decide_until(&mut gate, ("S1", 17), &[undecodable], ("hit", None));
    scene.tell(0, "S1", None);
    let gone = scene.decide_until(&mut gate, ("S1", 17), &[("hit", None)], ("miss", Some("no-reference")));
    assert_eq!(gone["outcome"], "RELEASED");
    assert_eq!(gate.metric("jidoka_reference_records", "reference=\"customers\""), 0.0);
}

/// The topic is taken away: after `max_age` nothing is believed any more. It comes back with other content, which counts.
#[test]
fn a_topic_that_is_silent_for_too_long_is_not_believed() {
    if !kafka::required() {
        return;
    }
    let scene = Scene::new("max_age: 3s");
    scene.make_topic(1);
    for number in 0..5 {
        scene.tell(0, &format!("S{number}"), Some(r#"{"age":40}"#));
    }
    let mut gate = scene.stage.ready();
    assert_eq!(how(&scene.decide(&mut gate, "S1", 17)).0, "hit");
    Admin::of(&scene.stage).delete(&scene.facts);
    let stale = ("error", Some("reference-stale"));
    // Whether it is stale or begun anew first is the client's to find out; either holds.
    let give_up = std::time::Instant::now() + PATIENCE;
    loop {
        let decided = scene.decide(&mut gate, "S1", 40);
        let (result, reason) = how(&decided);
        if result == "error" {
            assert!([stale.1, NOT_READY.1].contains(&reason.as_deref()), "{decided:#}");
            assert_eq!(decided["outcome"], "HELD");
            break;
        }
        assert_eq!(result, "missed", "{decided:#}");
        assert!(std::time::Instant::now() < give_up, "still {decided:#}");
    }
    scene.make_topic(1);
    scene.tell(0, "S1", Some(r#"{"age":17}"#));
    let before = [stale, NOT_READY, ("hit", None), ("miss", Some("no-reference"))];
    scene.decide_until(&mut gate, ("S1", 17), &before, ("missed", None));
    let gone = scene.decide_until(&mut gate, ("S2", 17), &[], ("miss", Some("no-reference")));
    assert_eq!(gone["outcome"], "RELEASED");
}

#[test]
fn more_than_the_bounds_allow_is_not_believed() {
    if !kafka::required() {
        return;
    }
    let scene = Scene::new("max_records: 2");
    scene.make_topic(2);
    for (partition, subject) in [(0, "S1"), (1, "S2"), (1, "S3")] {
        scene.tell(partition, subject, Some(r#"{"age":40}"#));
    }
    let mut gate = scene.stage.ready();
    let held = scene.decide(&mut gate, "S1", 40);
    assert_eq!(how(&held), ("error".to_owned(), Some("reference-too-large".to_owned())));
    await_that(&mut gate, "the log to say it", |gate| gate.log().contains("more than 2 records").then_some(()));
}
