//! The simulated crew of `jidoka dev`: cases are claimed and decided, and shown when somebody asks; without it they stay open.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::Value;

use super::{count, dev, documents, ended, sum};

const LINES_MAX: usize = 3_000;

/// `jidoka dev` whose lines are read as they come, and that takes questions.
pub(super) struct Session {
    child: Child,
    questions: ChildStdin,
    lines: Box<dyn Iterator<Item = String>>,
}

impl Session {
    pub(super) fn open(arguments: &[&str]) -> Self {
        let mut child = dev(arguments).stdin(Stdio::piped()).spawn().expect("jidoka starts");
        let questions = child.stdin.take().expect("a pipe");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map(|line| line.expect("text"));
        Self { child, questions, lines: Box::new(lines) }
    }

    fn ask(&mut self, question: &str) {
        writeln!(self.questions, "{question}").expect("it takes questions");
    }

    /// The next line for which this holds; it comes soon or never.
    pub(super) fn next(&mut self, is_it: impl Fn(&str) -> bool) -> String {
        self.lines.by_ref().take(LINES_MAX).find(|line| is_it(line)).expect("it comes")
    }

    pub(super) fn next_of(&mut self, kind: &str) -> Value {
        let line = self.next(|line| serde_json::from_str::<Value>(line).is_ok_and(|document| document["type"] == kind));
        serde_json::from_str(&line).expect("a JSON document")
    }

    /// Interrupts it; the lines that were left.
    pub(super) fn end(mut self) -> Vec<String> {
        crate::kafka::signal("INT", self.child.id());
        let rest = self.lines.collect();
        assert!(self.child.wait().expect("jidoka can be waited for").success());
        let mut errors = String::new();
        self.child.stderr.take().expect("a pipe").read_to_string(&mut errors).expect("text");
        let errors: Vec<&str> = errors.lines().filter(|line| !line.contains("One question is understood")).collect();
        assert!(errors.is_empty(), "{errors:?}");
        rest
    }
}

/// What somebody is shown who runs this in another terminal.
pub(super) fn elsewhere(command: &str) -> String {
    let command = command.replace(" jidoka ", &format!(" {} ", env!("CARGO_BIN_EXE_jidoka")));
    let output = Command::new("sh").args(["-c", &command]).output().expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn what_is_held_is_claimed_and_decided_and_its_trail_is_shown() {
    let mut session = Session::open(&["--rate", "60", "--output", "json"]);
    let start = session.next_of("start");
    assert_eq!(start["crew"], serde_json::json!(["amira", "jonas", "mei", "rosa"]));
    let command = start["case"].as_str().expect("a command").to_owned();
    let claimed = session.next_of("claimed");
    assert!(claimed["by"] == claimed["assignee"] && claimed["by"].is_string() && claimed["age_ms"].is_u64(), "{claimed}");
    let rejected = session.next_of("rejected");
    let approved = session.next_of("approved");
    assert!(rejected["reason"].is_string() && approved["reason"] == "confirmed", "{rejected} {approved}");
    for decided in [rejected, approved] {
        let id = decided["decision_id"].as_str().expect("an id");
        session.ask("what is this?");
        session.ask(&format!("case {}", &id[..20]));
        let case = session.next_of("case");
        let entries = case["trail"].as_array().expect("entries");
        let kinds: Vec<&str> = entries.iter().filter_map(|entry| entry["kind"].as_str()).collect();
        assert!(case["decision_id"] == id && case["state"] == decided["state"] && case["sound"] == true, "{case}");
        assert!(kinds.starts_with(&["DECIDED"]) && kinds.contains(&"CLAIMED"), "{kinds:?}");
        assert_eq!(kinds.last().copied(), decided["state"].as_str());
        let numbers = entries.iter().map(|entry| entry["seq"].as_u64().expect("a number"));
        assert!(numbers.eq(0..u64::try_from(entries.len()).expect("few")), "{case}");
        let shown = elsewhere(&command.replace("show ID", &format!("show {id}")));
        assert!(shown.contains(id) && shown.contains(decided["state"].as_str().expect("a state")), "{shown}");
    }
    let rest = session.end();
    let summary: Value = serde_json::from_str(rest.last().expect("a summary")).expect("a JSON document");
    let cases = &summary["cases"];
    let closed = ["approved", "rejected", "expired", "cancelled"].map(|name| count(cases, name)).iter().sum::<u64>();
    assert!(count(cases, "approved") > 0 && count(cases, "rejected") > 0, "{cases}");
    assert_eq!(count(cases, "opened"), count(&summary, "held"));
    assert_eq!(closed + count(cases, "open"), count(cases, "opened"), "{cases}");
    assert_eq!((count(cases, "open"), count(cases, "refused")), (sum(&cases["open_by_band"]), 0), "{cases}");
    assert!(cases["decide_ms"]["p50"].is_u64(), "{cases}");
}

#[test]
fn people_read_what_became_of_a_case_and_ask_for_it() {
    let mut session = Session::open(&["--rate", "60"]);
    session.next(|line| line.starts_with("reviewers amira, jonas, mei and rosa, simulated"));
    session.next(|line| line.contains("type `case ID`"));
    let mut seen = BTreeSet::new();
    let line = session.next(|line| line.contains("  CLAIMED  ") && line.contains("-e-") && line.contains("  by "));
    assert!(line.chars().count() <= 120, "{line}");
    let event = line.split_whitespace().nth(4).expect("the event's id").to_owned();
    session.ask(&format!("case {event}"));
    session.next(|line| line.starts_with("case "));
    session.next(|line| line.contains(&event) && line.contains("model "));
    session.next(|line| line.contains(" ✓ DECIDED      held by the gate: "));
    session.next(|line| line.contains(" ✓ CLAIMED      by "));
    while !["APPROVED", "REJECTED"].iter().all(|kind| seen.contains(*kind)) {
        let line = session.next(|line| line.contains("  APPROVED  ") || line.contains("  REJECTED  "));
        assert!(line.contains("  by ") && line.contains(", after ") && line.chars().count() <= 120, "{line}");
        seen.extend(line.split_whitespace().nth(1).map(str::to_owned));
    }
    let rest = session.end();
    for heading in ["  approved  ", "  rejected  ", "  open  ", "reviewed  "] {
        assert!(rest.iter().any(|line| line.starts_with(heading)), "no {heading:?}: {rest:#?}");
    }
}

#[test]
fn without_the_crew_everything_that_is_held_stays_open() {
    let output = ended(dev(&["--no-crew", "--once", "100", "--rate", "50", "--output", "json"]).spawn().expect("jidoka starts"));
    let documents = documents(&output.stdout);
    assert_eq!(documents[0]["crew"], serde_json::json!([]));
    let types: BTreeSet<&str> = documents.iter().filter_map(|document| document["type"].as_str()).collect();
    assert_eq!(types, ["dead-letter", "duplicate", "held", "start", "summary"].into());
    let summary = documents.last().expect("a summary");
    assert_eq!(count(&summary["cases"], "open"), count(summary, "held"));
    assert!(count(summary, "held") > 0 && summary["cases"]["decide_ms"]["p50"].is_null());
}
