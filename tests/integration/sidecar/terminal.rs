//! `jidoka case`: a reviewer in a terminal, on a real sidecar.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::office::{Office, event};
use crate::gate::events::Input;
use crate::gate::process::Gate;
use crate::gate::stage::end;
use crate::kafka;

/// What a command printed, and how it ended.
struct Ended {
    code: Option<i32>,
    result: String,
    said: String,
}

/// Runs `jidoka case` with these words; the id of a case may be shortened in them.
fn case(office: &Office, line: &str) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jidoka"));
    command.arg("case").args(line.split(' ')).arg("--config").arg(office.config()).env_remove("USER").stdin(Stdio::null());
    let output = command.output().expect("it can be started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what is printed is text");
    Ended { code: output.status.code(), result: text(output.stdout), said: text(output.stderr) }
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.result).unwrap_or_else(|error| panic!("{error}: {}{}", ended.result, ended.said))
}

#[test]
fn a_case_is_decided_from_a_terminal() {
    if !kafka::required() {
        return;
    }
    let mut office = Office::signed();
    let process = office.ready_as("gate,sidecar", 0);
    let id = office.hold("loans");
    let short = &id[..10];
    let pem = office.config().with_file_name("desk.pem");
    // That of `DESK`.
    let key = jidoka::signature::PrivateKey::of_secret(&[1; 32]);
    std::fs::write(&pem, key.pem()).expect("a file can be written");
    let signed = format!("--key {} --key-id desk", pem.display());
    let ann = format!("--as ann --group underwriting {signed}");

    let listed = case(&office, "list --output json");
    let line: Value = json(&listed);
    assert_eq!(
        (&line["decision_id"], &line["state"], &line["policy"]),
        (&id.as_str().into(), &"PENDING".into(), &"loans".into())
    );
    assert!(case(&office, "list").result.contains(&id[..8]), "{}", listed.result);

    let applied = |line: &str, expected: &str| {
        let ended = case(&office, line);
        assert_eq!((ended.code, ended.result.trim_end()), (Some(0), expected), "{line}\n{}", ended.said);
    };
    let refused = |line: &str, expected: &str| {
        let ended = case(&office, line);
        assert_eq!(ended.code, Some(1), "{line}\n{}", ended.said);
        assert!(ended.result.starts_with(expected), "{line}\n{}", ended.result);
    };
    refused(&format!("claim {short} --as ann --group underwriting"), "refused claim: bad-signature. Sign it with --key");
    applied(&format!("claim {short} {ann}"), "applied claim: the case is UNDER_REVIEW; entry 1 of its trail, CLAIMED");
    refused(
        &format!("approve {short} --as bob --group underwriting --reason confirmed {signed}"),
        "refused approve: not-assignee. ",
    );
    refused(&format!("reject {short} {ann} --reason because"), "refused reject: unknown-reason. ");
    let old = format!("0-{}", "ab".repeat(32));
    refused(&format!("approve {short} {ann} --reason confirmed --seen {old}"), "refused approve: stale. Th");
    applied(
        &format!("comment {short} {ann} --text asked"),
        "applied comment: the case is UNDER_REVIEW; entry 2 of its trail, COMMENTED",
    );
    let shown = case(&office, &format!("show {short} --as ann"));
    assert_eq!(shown.code, Some(0), "{}", shown.said);
    for part in
        ["UNDER_REVIEW", "unsure: ", "ann comment: asked", "REFUSED", "bob", "approve: not-assignee", "Ålesund", "signed by desk"]
    {
        assert!(shown.result.contains(part), "no {part}:\n{}", shown.result);
    }
    let rejected = json(&case(&office, &format!("reject {id} {ann} --reason model-wrong --corrected \"no\" --output json")));
    assert_eq!((&rejected["result"], &rejected["state"], &rejected["seq"]), (&"applied".into(), &"REJECTED".into(), &3.into()));

    let shown = json(&case(&office, &format!("show {short} --output json")));
    assert_eq!(
        (&shown["case"]["state"], &shown["from"], &shown["faults"]),
        (&"REJECTED".into(), &"cases".into(), &Value::Array(Vec::new()))
    );
    assert_eq!(shown["case"]["votes"][0]["corrected"], "no");
    let kinds: Vec<&str> = shown["trail"].as_array().expect("a list").iter().filter_map(|entry| entry["kind"].as_str()).collect();
    assert_eq!(kinds, ["DECIDED", "REFUSED", "CLAIMED", "REFUSED", "REFUSED", "REFUSED", "COMMENTED", "REJECTED"]);
    assert_eq!(case(&office, "list").result, "No such case is open.\n");
    assert_eq!(json(&case(&office, "list --state rejected --output json"))["decision_id"], id.as_str());
    refused(&format!("claim {short} {ann}"), "refused claim: illegal-transition. ");

    no_answer(&office, process, &id, &ann);
    office.assert_sound();
}

/// Commands of `ann` of which nothing comes: on no case, without waiting, and while no sidecar runs.
fn no_answer(office: &Office, process: Gate, id: &str, ann: &str) {
    let unknown = case(office, &format!("claim {}{} {ann}", &id[..4], "0".repeat(28)));
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.said.starts_with("error: No case in "), "{}", unknown.said);
    let written = case(office, &format!("comment {id} {ann} --text late --no-wait"));
    assert!(written.code == Some(0) && written.result.starts_with("written comment: command "), "{}", written.said);
    end(process);
    let unheard = case(office, &format!("comment {id} {ann} --text later --wait 300ms"));
    assert_eq!(unheard.code, Some(1));
    assert!(unheard.said.contains("within 0.3 s. It may still be applied"), "{}", unheard.said);
    let mut process = office.ready_as("gate,sidecar", 0);
    office.settle(&mut [&mut process]);
    end(process);
}

/// A released decision has a trail and no case; the most urgent case stands first; several begin with the same digits.
#[test]
fn cases_are_found_by_priority_and_by_their_first_digits() {
    if !kafka::required() {
        return;
    }
    let mut office = Office::new();
    let process = office.ready_as("gate,sidecar", 0);
    office.play(&[Input::plain(0, event("loans", &kafka::unique("event")).replace("0.5,", "0.9,"))]);
    let ids = [office.hold_in("loans", 0), office.hold_in("loans", 0), office.hold_in("loans", 0)];
    let escalate = format!("escalate {} --as ann --group underwriting --reason confirmed", ids[2]);
    assert_eq!(case(&office, &escalate).code, Some(0));
    let lines = case(&office, "list --output json").result;
    let listed: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let order: Vec<&str> = listed.iter().filter_map(|line| line["decision_id"].as_str()).collect();
    assert_eq!(order, [&ids[2], &ids[0], &ids[1]]);
    let limited = case(&office, "list --limit 1");
    assert_eq!((limited.result.lines().count(), limited.said.as_str()), (2, "2 more; --limit shows them.\n"));

    let released = office.audit().into_iter().find(|entry| entry["outcome"] == "RELEASED").expect("a release");
    let id = released["decision_id"].as_str().expect("an id");
    let shown = case(&office, &format!("show {id}"));
    assert!(shown.code == Some(0) && shown.result.starts_with("There is no case of this decision"), "{}", shown.result);
    assert!(shown.result.contains("DECIDED"), "{}", shown.result);
    let none = case(&office, &format!("show {}", &id[..8]));
    assert_eq!(none.code, Some(1), "{}", none.result);
    end(process);
    office.assert_sound();
}
