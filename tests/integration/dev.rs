//! `jidoka dev`, as somebody runs it who has just cloned the repository.

mod brokers;
mod crew;
mod monitor;
mod view;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn dev(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jidoka"));
    // In a folder where nothing is, and with settings in the environment that belong to something else.
    command.arg("dev").args(arguments).current_dir(std::env::temp_dir()).env("JIDOKA__TOPICS__LANES", "7").env_remove("RUST_LOG");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn ended(child: Child) -> Output {
    let output = child.wait_with_output().expect("jidoka can be waited for");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{}: {errors}", output.status);
    output
}

fn documents(output: &[u8]) -> Vec<Value> {
    let lines = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("each line is a JSON document")).collect()
}

fn count(document: &Value, name: &str) -> u64 {
    document[name].as_u64().unwrap_or_else(|| panic!("no {name} in {document}"))
}

fn sum(counts: &Value) -> u64 {
    counts.as_object().expect("counts by name").values().filter_map(Value::as_u64).sum()
}

#[test]
fn two_at_once_decide_everything_alike_and_say_why() {
    let once = ["--once", "200", "--rate", "100", "--output", "json"];
    let both = [dev(&once).spawn(), dev(&once).spawn()].map(|child| child.expect("jidoka starts"));
    let both = both.map(|child| documents(&ended(child).stdout));
    for documents in &both {
        let of_type = |name: &str| documents.iter().filter(|document| document["type"] == name).collect::<Vec<_>>();
        assert!(
            documents[0]["type"] == "start" && documents[0]["limits"].as_str().is_some_and(|it| it.contains("not exactly-once"))
        );
        let summary = documents.last().expect("a summary");
        assert_eq!(summary["type"], "summary");
        let held = of_type("held");
        for case in &held {
            let findings = case["findings"].as_array().expect("findings");
            let is_said = |finding: &Value| finding["sentence"].as_str().is_some_and(|sentence| sentence.len() > 20);
            assert!(!findings.is_empty() && findings.iter().all(is_said), "{case}");
        }
        assert_eq!((count(summary, "played"), count(summary, "decided")), (200, 200));
        assert_eq!(count(summary, "released") + count(summary, "held") + count(summary, "duplicates"), 200);
        assert_eq!((count(summary, "duplicates"), of_type("duplicate").len()), (4, 4));
        assert_eq!((count(summary, "dead_letters"), of_type("dead-letter").len()), (4, 4));
        assert_eq!(usize::try_from(count(summary, "held")), Ok(held.len()));
        assert_eq!(sum(&summary["bands"]), count(summary, "held"));
        assert_eq!(count(&summary["cases"], "opened"), count(summary, "held"));
        assert_eq!((count(&summary["findings"], "unreadable"), count(&summary["findings"], "conflicting-duplicate")), (4, 4));
        assert!(count(&summary["findings"], "low-confidence") > 0 && count(summary, "released") > 100);
        let mandatory = ["large-amount", "large-limit", "upstream-bias-flag", "overdue-but-released"];
        assert!(["unlike-training", "trusted-facts"].iter().all(|it| count(&summary["findings"], it) > 0), "{summary}");
        assert!(mandatory.iter().all(|trigger| count(&summary["findings"], trigger) > 0), "{summary}");
    }
    let decided = |documents: &[Value]| {
        // What is drawn for review follows from the time of appending, too.
        let drawn = |case: &Value| {
            case["findings"]
                .as_array()
                .is_some_and(|findings| findings.iter().any(|finding| finding["trigger"] == "quality-sample"))
        };
        let held = documents.iter().filter(|document| document["type"] == "held" && !drawn(document));
        let mut held: Vec<_> = held.map(|case| (case["event_id"].to_string(), case["score"].to_string())).collect();
        held.sort();
        held
    };
    assert_eq!(decided(&both[0]), decided(&both[1]), "the same events give the same decisions");
}

#[test]
fn people_read_plain_lines_where_nothing_draws_colours() {
    let output = ended(dev(&["--once", "60", "--rate", "100"]).spawn().expect("jidoka starts"));
    let text = String::from_utf8(output.stdout).expect("plain text");
    assert!(!text.contains('\u{1b}'), "{text}");
    let held = text.lines().filter(|line| line.contains("  HELD  ")).collect::<Vec<_>>();
    assert!(held.iter().any(|line| line.contains("The model is not sure enough to decide alone")), "{text}");
    let mut happened = text.lines().filter(|line| line.as_bytes().get(2) == Some(&b':'));
    assert!(happened.clone().count() > held.len() && happened.all(|line| line.chars().count() <= 120), "{text}");
    let numbers = |heading: &str| {
        let line = text.lines().find(|line| line.starts_with(heading)).unwrap_or_else(|| panic!("no {heading}: {text}"));
        line.split_whitespace().nth(1).and_then(|number| number.parse::<usize>().ok()).unwrap_or_else(|| panic!("{line}"))
    };
    // The first line of that name is the heading above.
    assert_eq!(numbers("held "), held.len());
    assert_eq!(numbers("released ") + numbers("held ") + numbers("duplicates "), 60);
}

#[test]
fn ctrl_c_ends_it_with_a_summary() {
    let mut child = dev(&["--output", "json"]).spawn().expect("jidoka starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map(|line| line.expect("text"));
    assert!(lines.any(|line| line.contains(r#""type":"held""#)), "it ended by itself");
    // Twice at once, as `timeout` does: that is still one order.
    let pid = child.id().to_string();
    let interrupted = Command::new("bash").args(["-c", "kill -INT $0; sleep 0.05; kill -INT $0", &pid]).status();
    assert!(interrupted.expect("there is a bash").success());
    let last: Value = serde_json::from_str(&lines.last().expect("a last line")).expect("a JSON document");
    assert!(child.wait().expect("jidoka can be waited for").success());
    assert!(last["type"] == "summary" && count(&last, "decided") > 0, "{last}");
}

#[test]
fn it_ends_when_nobody_reads_any_more() {
    let mut child = dev(&["--rate", "100"]).spawn().expect("jidoka starts");
    let first = BufReader::new(child.stdout.take().expect("a pipe")).lines().next();
    assert!(first.is_some_and(|line| line.is_ok_and(|line| line.contains("mock broker"))));
    ended(child);
}
