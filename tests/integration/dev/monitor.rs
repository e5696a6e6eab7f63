//! The statistics in `jidoka dev`: flawed inputs and contradictions are held, and a subgroup that fares badly is an incident
//! that somebody acknowledges from another terminal.

use serde_json::{Value, json};

use super::crew::{Session, elsewhere};

/// A held decision in `line` with this finding, if it is one; and the finding's sentence.
fn held_by(line: &str, trigger: &str) -> Option<(Value, String)> {
    let document: Value = serde_json::from_str(line).ok().filter(|document: &Value| document["type"] == "held")?;
    let finding = document["findings"].as_array()?.iter().find(|finding| finding["trigger"] == trigger)?;
    let sentence = finding["sentence"].as_str()?.to_owned();
    Some((document, sentence))
}

/// The next decision that this trigger holds.
fn next_held(session: &mut Session, trigger: &str) -> (Value, String) {
    let line = session.next(|line| held_by(line, trigger).is_some());
    held_by(&line, trigger).expect("it was just looked at")
}

#[test]
fn what_all_decisions_together_say_is_an_incident_until_it_is_acknowledged() {
    let mut session = Session::open(&["--no-crew", "--rate", "150", "--output", "json"]);
    let start = session.next_of("start");
    let (_, unlike) = next_held(&mut session, "unlike-training");
    assert!(unlike.starts_with("The input is unlike the training data: "), "{unlike}");
    let (_, contradicts) = next_held(&mut session, "trusted-facts");
    assert!(contradicts.contains(" the trusted record in `customers`"), "{contradicts}");

    let opened = session.next_of("incident-opened");
    assert_eq!((&opened["policy"], &opened["group"]), (&json!("credit-default"), &json!({ "sex": "Male" })));
    let sentence = opened["sentence"].as_str().expect("a sentence");
    assert!(sentence.starts_with("The share of favourable decisions of sex=Male fell to "), "{sentence}");
    let (held, _) = next_held(&mut session, "subgroup-drop");
    assert_eq!(held["model"], "credit-default-gbdt");

    let id = opened["id"].as_str().expect("an id");
    let command = start["case"].as_str().expect("a command");
    elsewhere(&command.replace("case show ID", &format!("control acknowledge {id} --by kim --reason 'rolled back'")));
    let over = session.next_of("incident-acknowledged");
    assert_eq!((over["id"].as_str(), &over["by"], &over["reason"]), (Some(id), &json!("kim"), &json!("rolled back")));
    let rest = session.end();
    let summary: Value = serde_json::from_str(rest.last().expect("a summary")).expect("a JSON document");
    let of_incidents = |name: &str| summary["incidents"][name].as_u64().expect("a number");
    assert!(of_incidents("opened") > of_incidents("open"), "{summary}");
}

#[test]
fn people_read_an_incident_with_all_of_its_sentence() {
    let mut session = Session::open(&["--rate", "150"]);
    let line = session.next(|line| line.contains("  INCIDENT  "));
    assert!(line.ends_with("  fairness of credit-default: opened"), "{line}");
    let line = session.next(|_| true);
    assert!(line.trim_start().starts_with("The share of favourable decisions of sex=Male fell to "), "{line}");
    session.next(|line| line.ends_with("by the approved baseline, which has 85.2 %."));
    let rest = session.end();
    assert!(rest.iter().any(|line| line.starts_with("incidents ") && line.contains("noticed in all decisions together")));
}
