//! `jidoka policy replay` over the topic that a gate has decided: the same decisions, by offset and by time, and nothing written.

use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use super::stage::{Stage, end, entry, event};
use crate::kafka;

/// An entry without what differs between then and now: when it was decided, how long that took, and its chain.
fn timeless(entry: &Value) -> Value {
    let mut entry = entry.clone();
    for member in ["at", "chain", "took_us"] {
        entry.as_object_mut().expect("an object").shift_remove(member);
    }
    entry["basis"]["now"] = Value::Null;
    for trigger in entry["triggers"].as_array_mut().expect("a list") {
        trigger.as_object_mut().expect("an object").shift_remove("details");
    }
    entry
}

fn entries(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line is an entry")).collect()
}

/// Two partitions with a duplicate, a conflicting one, a null value and records that are no events; the gate's entries.
fn decided() -> (Stage, Vec<Value>) {
    let stage = Stage::new(kafka::shared(), 2, "earliest");
    let mut gate = stage.ready();
    for value in [event("a", 0.9), event("b", 0.5), event("a", 0.9), event("b", 0.8), "{".to_owned(), event("c", 0.9)] {
        stage.produce(0, value);
        // No two were appended in the same millisecond.
        sleep(Duration::from_millis(5));
    }
    stage.produce(1, event("a", 0.55));
    let input = stage.input.clone();
    stage.write((&input, 1), None, &[None], &[]);
    let entries = stage.await_decided(&mut gate, 8);
    end(gate);
    (stage, entries)
}

fn replay(stage: &Stage, more: &[&str]) -> Vec<Value> {
    let policies = stage.policies();
    let policies = policies.to_str().expect("a plain path");
    let arguments = ["policy", "replay", "--policy", policies, "--topic", &stage.input, "--output", "json"];
    entries(&stage.run_to_end(&[&arguments, more].concat()))
}

#[test]
fn a_replay_decides_what_the_gate_decided() {
    if !kafka::required() {
        return;
    }
    let (stage, live) = decided();
    let written = |stage: &Stage| stage.read("audit").len() + stage.read("dispositions").len();
    let before = (stage.committed(), written(&stage));

    let decided: Vec<Value> = live.iter().filter(|entry| entry["kind"] == "DECIDED").map(timeless).collect();
    let replayed = replay(&stage, &[]);
    assert_eq!(replayed.iter().map(timeless).collect::<Vec<_>>(), decided);
    for (n, entry) in replayed.iter().filter(|entry| entry["input"]["partition"] == 0).enumerate() {
        assert_eq!(entry["chain"]["n"], n);
        assert_eq!(entry["at"], entry["input"]["appended_at"], "now is the append time");
    }

    let offsets = |entries: &[Value]| -> Vec<(i64, i64)> {
        let place = |entry: &Value| (entry["input"]["partition"].as_i64(), entry["input"]["offset"].as_i64());
        entries.iter().map(place).map(|(partition, offset)| (partition.expect("one"), offset.expect("one"))).collect()
    };
    // What came before the range still makes a duplicate of offset 2, and a conflict of 3.
    let range = replay(&stage, &["--partition", "0", "--from", "2", "--to", "5"]);
    assert_eq!(offsets(&range), [(0, 3), (0, 4)]);
    assert_eq!(timeless(&range[0]), timeless(entry(&live, 0, 3)));
    let at = |offset| entry(&live, 0, offset)["input"]["appended_at"].as_str().expect("a time").to_owned();
    assert_eq!(offsets(&replay(&stage, &["--partition", "0", "--from", &at(1), "--to", &at(4)])), [(0, 1), (0, 3)]);
    assert_eq!(offsets(&replay(&stage, &["--from", &at(5)])), [(0, 5), (1, 0), (1, 1)]);
    assert_eq!(offsets(&replay(&stage, &["--partition", "1", "--partition", "1"])), [(1, 0), (1, 1)]);

    assert_eq!((stage.committed(), written(&stage)), before, "nothing is written, no offset is committed");
}

#[test]
fn a_range_that_is_not_there_is_said_with_what_is() {
    if !kafka::required() {
        return;
    }
    let (stage, _) = decided();
    let refused = |topic: &str, more: &[&str]| -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jidoka"));
        command.args(["policy", "replay", "--source", "s", "--topic", topic, "--bootstrap", stage.bootstrap()]);
        let Output { status, stdout, stderr } =
            command.arg("--policy").arg(stage.policies()).args(more).output().expect("the binary runs");
        assert_eq!((status.code(), String::from_utf8_lossy(&stdout).as_ref()), (Some(1), ""));
        String::from_utf8(stderr).expect("text")
    };
    let input = &stage.input;
    let said = refused(input, &["--from", "4"]);
    assert!(said.contains(&format!("--from 4 is outside of {input}/1, which holds the offsets 0 to 1.")), "{said}");
    let said = refused(input, &["--from", "2999-01-01T00:00:00Z"]);
    let all = format!(
        "Nothing lies from 2999-01-01T00:00:00.000Z to latest: {input}/0 holds the offsets 0 to 5, {input}/1 holds the offsets 0 to 1."
    );
    assert!(said.contains(&all), "{said}");
    let said = refused(input, &["--partition", "2"]);
    assert!(said.contains(&format!("Topic {input} has no partition 2; its partitions are 0 to 1.")), "{said}");
    let absent = kafka::unique("absent");
    let said = refused(&absent, &[]);
    assert!(said.contains(&format!("Topic {absent} does not exist at {}", stage.bootstrap())), "{said}");
}
