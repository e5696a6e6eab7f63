//! Topics of trusted facts under running gates: nothing is released that could not be compared.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

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
        Self::with_source(|facts| format!("topic: {facts:?}, {settings}"))
    }

    fn with_source(source: impl FnOnce(&str) -> String) -> Self {
        let stage = Stage::new(kafka::shared(), 1, "earliest");
        let facts = stage.topic("facts");
        stage.policy("loans.yaml", POLICY);
        let source = source(&facts);
        let stage = stage.with(&format!("references: [ {{ name: customers, {source} }} ]"));
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
    /// nothing is decided but so, or as `before`, or held because nothing is sure.
    fn decide_until(&self, gate: &mut Gate, about: (&str, u32), before: &[How], wanted: How) -> Value {
        let give_up = std::time::Instant::now() + PATIENCE;
        loop {
            let decided = self.decide(gate, about.0, about.1);
            let (result, reason) = how(&decided);
            let ended = (result.as_str(), reason.as_deref());
            if ended == wanted {
                return decided;
            }
            let is_unsure = [STALE, NOT_READY].contains(&ended) && decided["outcome"] == "HELD";
            assert!(is_unsure || before.contains(&ended), "neither {wanted:?} nor {before:?}: {decided:#}");
            assert!(std::time::Instant::now() < give_up, "still {decided:#}");
        }
    }
}

/// A metric of the reference.
fn metric(gate: &Gate, name: &str) -> String {
    gate.metric(name, "reference=\"customers\"").to_string()
}

/// How the trigger ended, and why.
fn how(entry: &Value) -> (String, Option<String>) {
    let Some(result) = entry["triggers"].as_array().expect("a list").first() else {
        assert_eq!(entry["missed"], json!(["facts"]));
        return ("missed".to_owned(), None);
    };
    (result["result"].as_str().expect("a word").to_owned(), result["reason"].as_str().map(str::to_owned))
}

type How = (&'static str, Option<&'static str>);
const NOT_READY: How = ("error", Some("reference-not-ready"));
/// A busy machine may not hear of the topic's end for long enough; then this is right, and passes.
const STALE: How = ("error", Some("reference-stale"));
const NO_REFERENCE: How = ("miss", Some("no-reference"));
const HIT: How = ("hit", None);
const AGREES: How = ("missed", None);

#[test]
fn what_is_trusted_is_known_before_anything_is_released() {
    if !kafka::required() {
        return;
    }
    let scene = Scene::new("max_age: 5s");
    // The topic is not there: everything is held.
    let mut gate = scene.stage.ready();
    let held = scene.decide_until(&mut gate, ("S1", 40), &[], NOT_READY);
    assert_eq!((&held["outcome"], &held["basis"]["reference"]), (&json!("HELD"), &json!({"customers": null})));
    assert_eq!(metric(&gate, "jidoka_reference_age_seconds"), "inf");
    scene.make_topic(3);
    let offset = scene.tell(2, "S1", Some(r#"{"age":40,"name":"Kim"}"#));
    scene.tell(0, "S2", Some(r#"{"age":40}"#));
    // Between its making and its first record there is no record of anybody, and that is known.
    let agrees = scene.decide_until(&mut gate, ("S1", 41), &[NO_REFERENCE], AGREES);
    let basis = json!({"customers":{"partition":2,"offset":offset}});
    assert_eq!((&agrees["outcome"], &agrees["basis"]["reference"]), (&json!("RELEASED"), &basis));
    let differs = scene.decide_until(&mut gate, ("S1", 17), &[], HIT);
    assert_eq!(differs["outcome"], "HELD");
    assert!(!differs["triggers"].to_string().contains("17"), "no values in the trail: {differs:#}");
    let details = json!({"fields":[{"name":"age","event":17,"trusted":40,"sentence":"age is 17, the trusted value is 40."}]});
    assert_eq!(case_of(&scene, &differs)["findings"][0]["details"], details);
    assert_eq!(metric(&gate, "jidoka_reference_records"), "2");
    // A gate that begins anew knows it before its first decision: nobody is taken for somebody without a record.
    end(gate);
    let mut gate = scene.stage.ready();
    scene.decide_until(&mut gate, ("S1", 17), &[], HIT);
    scene.decide_until(&mut gate, ("S3", 17), &[], NO_REFERENCE);
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
    scene.decide_until(&mut gate, ("S1", 17), &[], HIT);
    scene.tell(0, "S1", Some(r#"{"age":17}"#));
    scene.decide_until(&mut gate, ("S1", 17), &[HIT], AGREES);
    scene.tell(0, "S1", Some("no JSON"));
    let undecodable = ("error", Some("reference-undecodable"));
    let held = scene.decide_until(&mut gate, ("S1", 17), &[AGREES], undecodable);
    assert_eq!(held["outcome"], "HELD");
    assert_eq!(metric(&gate, "jidoka_reference_undecodable"), "1");
    // Others are not concerned.
    scene.decide_until(&mut gate, ("S2", 17), &[], NO_REFERENCE);
    scene.tell(0, "S1", Some(r#"{"age":40}"#));
    scene.decide_until(&mut gate, ("S1", 17), &[undecodable], HIT);
    scene.tell(0, "S1", None);
    let gone = scene.decide_until(&mut gate, ("S1", 17), &[HIT], NO_REFERENCE);
    assert_eq!(gone["outcome"], "RELEASED");
    assert_eq!(metric(&gate, "jidoka_reference_records"), "0");
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
    scene.decide_until(&mut gate, ("S1", 17), &[], HIT);
    Admin::of(&scene.stage).delete(&scene.facts);
    // Whether it is old or begun anew first is the client's to find out; either holds.
    let give_up = std::time::Instant::now() + PATIENCE;
    let held = loop {
        let decided = scene.decide(&mut gate, "S1", 40);
        if how(&decided).0 == "error" {
            break decided;
        }
        assert_eq!(how(&decided).0, "missed", "{decided:#}");
        assert!(std::time::Instant::now() < give_up, "still {decided:#}");
    };
    assert_eq!(held["outcome"], "HELD");
    let reason = how(&held).1;
    assert!([STALE.1, NOT_READY.1].contains(&reason.as_deref()), "{held:#}");
    scene.make_topic(1);
    scene.tell(0, "S1", Some(r#"{"age":17}"#));
    scene.decide_until(&mut gate, ("S1", 17), &[HIT, NO_REFERENCE], AGREES);
    let gone = scene.decide_until(&mut gate, ("S2", 17), &[], NO_REFERENCE);
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
    let held = scene.decide_until(&mut gate, ("S1", 40), &[], ("error", Some("reference-too-large")));
    assert_eq!(held["outcome"], "HELD");
    await_that(&mut gate, "the log to say it", |gate| gate.log().contains("more than 2 records").then_some(()));
}

/// A service that knows `S1`, is silent about `slow`, and knows nobody else. Ends with the process.
fn bureau() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let spawn = |work: Box<dyn FnOnce() + Send>| {
        std::thread::Builder::new().name("bureau".to_owned()).spawn(work).expect("a thread");
    };
    spawn(Box::new(move || {
        for stream in listener.incoming() {
            spawn(Box::new(move || answer(&stream.expect("a connection"))));
        }
    }));
    format!("http://{address}/subjects/{{subject_id}}")
}

fn answer(stream: &TcpStream) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(request) = lines.next() {
        // The rest of the question ends with an empty line.
        lines.find(String::is_empty);
        let (status, body) = match request.split(' ').nth(1) {
            Some("/subjects/S1") => (200, "{\"age\":40}"),
            Some("/subjects/slow") => return std::thread::sleep(PATIENCE),
            _ => (404, ""),
        };
        if write!(&*stream, "HTTP/1.1 {status} -\r\ncontent-length: {}\r\n\r\n{body}", body.len()).is_err() {
            return;
        }
    }
}

#[test]
fn an_http_source_is_asked_and_its_silence_holds() {
    if !kafka::required() {
        return;
    }
    let url = bureau();
    let scene = Scene::with_source(|_| format!("url: {url:?}, deadline: 3s, breaker: {{ failures: 1000 }}"));
    let mut gate = scene.stage.ready();
    let late = ("timeout", Some("lookup-timeout"));
    let hit = scene.decide_until(&mut gate, ("S1", 17), &[late], HIT);
    let fetched_at = hit["basis"]["reference"]["customers"]["fetched_at"].as_str().expect("a time");
    assert!(fetched_at.starts_with("20") && fetched_at.ends_with('Z'), "{fetched_at}");
    scene.decide_until(&mut gate, ("S2", 17), &[late], NO_REFERENCE);
    let held = scene.decide_until(&mut gate, ("slow", 17), &[], late);
    assert_eq!(held["outcome"], "HELD");
    scene.decide_until(&mut gate, ("S1", 40), &[late], AGREES);
    let counted = |result: &str| gate.metric("jidoka_lookups_total", &format!("result=\"{result}\""));
    assert!(counted("found") >= 1.0 && counted("cached") >= 1.0 && counted("absent") >= 1.0 && counted("late") >= 1.0);
    assert_eq!(metric(&gate, "jidoka_lookup_breaker_open"), "0");
}
