//! The trail that a gate leaves, exported while it works, and verified without Kafka.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::stage::{Stage, end, event};
use crate::kafka;

/// What `jidoka audit verify --output json` says, and whether it ended with 0.
fn verify(arguments: &[&str], file: &Path) -> (Value, bool) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jidoka"));
    let output =
        command.args(["audit", "verify", "--output", "json"]).args(arguments).arg(file).output().expect("the binary starts");
    let said = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    (report, output.status.success())
}

fn export(stage: &Stage, name: &str, arguments: &[&str]) -> PathBuf {
    let file = stage.config().with_file_name(name);
    let path = file.to_str().expect("a path of ours is text");
    stage.run_to_end(&[&["audit", "export", "--out", path], arguments].concat());
    file
}

/// Produces records of all kinds to both partitions: released, held, a duplicate, a conflict, no event at all.
fn produce(stage: &Stage, round: usize) -> usize {
    for number in 0..10 {
        let id = format!("{round}-{number}");
        stage.produce(number % 2, event(&id, if number % 3 == 0 { 0.5 } else { 0.9 }));
    }
    stage.produce(0, event(&format!("{round}-0"), 0.5));
    stage.produce(1, event(&format!("{round}-1"), 0.7));
    stage.produce(1, "no event");
    13
}

#[test]
fn an_export_of_a_gate_at_work_verifies_and_a_changed_byte_is_found() {
    if !kafka::required() {
        return;
    }
    let stage = Stage::new(kafka::shared(), 2, "earliest");
    let mut gate = stage.ready();
    let mut produced = 0;
    for round in 0..3 {
        produced += produce(&stage, round);
        // Whatever was decided by then.
        let file = export(&stage, "part.jsonl", &[]);
        if fs::metadata(&file).expect("it was written").len() > 0 {
            let (report, clean) = verify(&[], &file);
            assert!(clean, "{report:#}");
        }
    }
    stage.await_decided(&mut gate, produced);
    end(gate);

    let file = export(&stage, "trail.jsonl.gz", &[]);
    assert_eq!(fs::read(&file).expect("it was written")[..2], [0x1f, 0x8b], "gzip");
    let (report, clean) = verify(&[], &file);
    assert!(clean, "{report:#}");
    let counts = &report["counts"];
    assert_eq!((counts["entries"].as_u64(), counts["duplicates"].as_u64()), (Some(39), Some(3)), "{report:#}");
    assert_eq!(counts["dispositions"].as_u64(), Some(36));
    assert!(counts["open"].as_u64().is_some_and(|open| open >= 15) && counts["cases"] == counts["open"], "{report:#}");

    let lines = fs::read_to_string(export(&stage, "trail.jsonl", &[])).expect("text");
    let damaged = stage.config().with_file_name("damaged.jsonl");
    fs::write(&damaged, lines.replacen("RELEASED", "RELEASE!", 1)).expect("a file in the test's folder");
    let (report, clean) = verify(&[], &damaged);
    assert!(!clean && report["damage"][0]["damage"] == "changed-byte", "{report:#}");
    let first = lines.lines().position(|line| line.contains("RELEASED")).expect("there is one") + 1;
    assert_eq!(report["damage"][0]["first"]["line"].as_u64(), u64::try_from(first).ok());
    assert_eq!(report["damage"].as_array().map(Vec::len), Some(1), "{report:#}");
}

#[test]
fn a_choice_holds_whole_decisions_from_kafka_as_from_a_dump() {
    if !kafka::required() {
        return;
    }
    let stage = Stage::new(kafka::shared(), 2, "earliest");
    let mut gate = stage.ready();
    let produced = produce(&stage, 0);
    stage.await_decided(&mut gate, produced);
    end(gate);

    let whole = export(&stage, "whole.jsonl", &[]);
    let held = export(&stage, "held.jsonl", &["--state", "HELD", "--model", "loans"]);
    let (report, clean) = verify(&["--partial"], &held);
    assert!(clean, "{report:#}");
    let counts = &report["counts"];
    assert!(counts["open"] == counts["decisions"] && counts["released"] == 0 && counts["cases"] == counts["open"], "{report:#}");
    assert_eq!(counts["dispositions"], counts["open"]);
    assert!(!verify(&[], &held).1, "a choice is not the whole");

    let dump = whole.to_str().expect("a path of ours is text");
    let again = held.with_file_name("again.jsonl");
    let path = again.to_str().expect("a path of ours is text");
    let mut command = Command::new(env!("CARGO_BIN_EXE_jidoka"));
    command.args(["audit", "export", "--dump", dump, "--state", "held", "--model", "loans", "--out", path]);
    assert!(command.status().expect("the binary starts").success());
    assert_eq!(fs::read_to_string(&again).expect("text"), fs::read_to_string(&held).expect("text"));
}
