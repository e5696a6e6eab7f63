//! What is refused, with which code; and what lies in another lane or comes a second time.

use serde_json::{Value, json};

use super::office::{ANN, BOB, CAT, DESK, EVE, FORGER, KIM, LEA, Office, TOOL};
use super::oracle::measure;
use crate::gate::stage::{end, eventually};
use crate::kafka;

/// Each code of the contract, and the first that applies where several do.
#[test]
fn each_is_refused_with_the_first_code_that_applies() {
    if !kafka::required() {
        return;
    }
    let mut office = Office::new();
    let mut process = office.ready_as("gate,sidecar", 0);
    let stale = json!({ "seen": { "seq": 7, "hash": "ab".repeat(32) } });
    let id = office.hold("loans");
    let subject = office.board.cases[&id]["subject_id"].clone();
    let as_subject = json!({ "reviewer": { "id": subject, "groups": ["underwriting"] } });
    let nowhere = json!({ "decision_id": format!("{}{}", &id[..4], "0".repeat(28)) });
    let refusals = [
        ("approve", ANN, stale.clone(), "stale"),
        ("approve", EVE, stale, "stale"),
        ("claim", EVE, json!({}), "not-in-group"),
        ("comment", EVE, json!({}), "not-in-group"),
        ("reassign", ANN, json!({}), "not-in-group"),
        ("claim", KIM, json!({}), "self-approval"),
        ("approve", KIM, json!({}), "self-approval"),
        ("judge", KIM, json!({}), "self-approval"),
        ("claim", ANN, as_subject, "self-approval"),
        ("unclaim", ANN, json!({}), "illegal-transition"),
        ("claim", ANN, nowhere, "unknown-case"),
        ("approve", ANN, json!({ "reason": null }), "reason-required"),
        ("unmask", ANN, json!({ "reason": { "text": "let me see" } }), "reason-required"),
        ("approve", ANN, json!({ "reason": { "code": "because" } }), "unknown-reason"),
        ("claim", ANN, json!({ "reason": { "code": "because" } }), "unknown-reason"),
        ("comment", ANN, json!({ "reason": { "text": "x".repeat(4_097) } }), "too-large"),
        ("judge", ANN, json!({ "judgement": "x".repeat(4_097) }), "too-large"),
        ("reject", ANN, json!({ "corrected": "x".repeat(4_095) }), "too-large"),
        ("claim", EVE, json!({ "more": "x".repeat(65_536) }), "too-large"),
    ];
    for (action, who, more, expected) in &refusals {
        assert_eq!(office.refused(&id, action, *who, more), *expected, "{action} by {who:?} with {more}");
    }
    office.applied(&id, "claim", ANN, &json!({}));
    let refusals = [
        ("claim", ANN, "illegal-transition"),
        ("claim", BOB, "illegal-transition"),
        ("approve", BOB, "not-assignee"),
        ("judge", BOB, "not-assignee"),
        ("escalate", BOB, "not-assignee"),
        ("unclaim", BOB, "not-assignee"),
        ("unclaim", EVE, "not-assignee"),
    ];
    for (action, who, expected) in refusals {
        assert_eq!(office.refused(&id, action, who, &json!({})), expected, "{action} by {who:?}");
    }
    office.applied(&id, "unclaim", LEA, &json!({}));
    office.applied(&id, "reject", CAT, &json!({}));
    for action in ["claim", "unclaim", "judge", "approve", "reject", "escalate", "reassign", "comment", "unmask", "cancel"] {
        assert_eq!(office.refused(&id, action, EVE, &json!({})), "illegal-transition", "{action} when it is closed");
    }
    office.settle(&mut [&mut process]);
    office.assert_sound();
}

/// Commands of which perhaps nothing can be read: no code, no id. Each is refused and recorded, and the lane goes on.
#[test]
fn hostile_bytes_are_recorded_and_the_lane_goes_on() {
    if !kafka::required() {
        return;
    }
    let mut office = Office::new();
    let mut process = office.ready_as("gate,sidecar", 0);
    let id = office.hold("loans");
    let lane = measure::lane(&id, office.terms.lanes).expect("an id");
    let good = office.command(&id, "claim", ANN, &json!({}));
    let with = |name: &str, value: Value| {
        let mut command = good.clone();
        command[name] = value;
        command.to_string().into_bytes()
    };
    let text = good.to_string();
    let deep = format!("{{\"command_id\":{}1{}}}", "[".repeat(20_000), "]".repeat(20_000));
    let hostile: Vec<Option<Vec<u8>>> = vec![
        None,
        Some(Vec::new()),
        Some(b"null".to_vec()),
        Some(b"[]".to_vec()),
        Some(b"claim it".to_vec()),
        Some(vec![0xff, 0xfe, 0x00]),
        Some([b"\xef\xbb\xbf", text.as_bytes()].concat()),
        Some(text.as_bytes()[..text.len() - 1].to_vec()),
        Some([text.as_bytes(), b"}"].concat()),
        Some(deep.into_bytes()),
        Some(text.replacen('{', "{\"action\":\"approve\",", 1).into_bytes()),
        Some(with("command_id", json!("1"))),
        Some(with("command_id", json!(7))),
        Some(with("command_id", Value::Null)),
        Some(with("action", json!("CLAIM"))),
        Some(with("action", json!("delete"))),
        Some(with("reviewer", Value::Null)),
        Some(with("reviewer", json!("ann"))),
        Some(with("reviewer", json!({ "id": "" }))),
        Some(with("reviewer", json!({ "id": "a".repeat(257), "groups": [] }))),
        Some(with("reviewer", json!({ "id": "ann\nbob", "groups": ["underwriting"] }))),
        Some(with("reviewer", json!({ "id": "ann", "groups": "underwriting" }))),
        Some(with("reviewer", json!({ "id": "ann", "groups": vec!["underwriting"; 65] }))),
        Some(with("seen", json!([0, "ab"]))),
        Some(with("reason", json!("confirmed"))),
        Some(with("corrected", json!(1))),
    ];
    for value in &hostile {
        office.send_bytes(lane, value.as_deref(), None);
    }
    office.send(&good);
    assert_eq!(office.await_applied(&good)["state"], "UNDER_REVIEW");
    // Names of what they need, and without it.
    for (action, name) in [
        ("approve", "seen"),
        ("reject", "seen"),
        ("escalate", "seen"),
        ("judge", "judgement"),
        ("reassign", "to"),
        ("comment", "reason"),
    ] {
        let more = json!({ name: null });
        assert_eq!(office.refused(&id, action, LEA, &more), "malformed", "{action} without {name}");
    }
    office.settle(&mut [&mut process]);
    let books = office.assert_sound();
    let entries = office.entries();
    let malformed = entries.iter().filter(|entry| entry["error"] == "malformed").count();
    assert_eq!((malformed, books.verdicts.len()), (hostile.len() + 6, hostile.len() + 7));
    assert!(books.dead_letters.is_empty(), "a refused command is an entry and no dead letter");
}

#[test]
fn signatures_say_who_may_speak_for_whom() {
    if !kafka::required() {
        return;
    }
    let mut office = Office::signed();
    let mut process = office.ready_as("gate,sidecar", 0);
    let id = office.hold("loans");
    let plain = json!({});
    office.signer = None;
    assert_eq!(office.refused(&id, "claim", ANN, &plain), "bad-signature");
    office.signer = Some(&FORGER);
    assert_eq!(office.refused(&id, "claim", ANN, &plain), "bad-signature");
    office.signer = Some(&TOOL);
    for (action, who) in [("claim", CAT), ("claim", EVE), ("cancel", ANN)] {
        assert_eq!(office.refused(&id, action, who, &plain), "bad-signature", "{action} by {who:?}");
    }
    // Signed for another topic, and other bytes than were signed.
    let command = office.command(&id, "claim", ANN, &plain);
    let (value, lane) = (command.to_string(), measure::lane(&id, office.terms.lanes).expect("an id"));
    let elsewhere = TOOL.sign("elsewhere", value.as_bytes());
    office.send_bytes(lane, Some(value.as_bytes()), Some(elsewhere));
    assert_eq!(office.await_refused(&command), "bad-signature");
    let command = office.command(&id, "claim", ANN, &plain);
    let value = command.to_string();
    let signature = TOOL.sign(&office.terms.verdicts, value.replace("ann", "bob").as_bytes());
    office.send_bytes(lane, Some(value.as_bytes()), Some(signature));
    assert_eq!(office.await_refused(&command), "bad-signature");

    office.applied(&id, "claim", ANN, &plain);
    office.signer = Some(&DESK);
    assert_eq!(office.applied(&id, "cancel", LEA, &plain)["state"], "CANCELLED");
    office.settle(&mut [&mut process]);
    office.assert_sound();
    let signed: Vec<Value> =
        office.entries().into_iter().filter(|entry| entry["kind"] != "REFUSED").map(|entry| entry["signed_by"].clone()).collect();
    assert_eq!(signed, [json!("tool"), json!("desk")]);
}

/// A default partitioner knows no lanes: the command is forwarded, and judged where it belongs.
#[test]
fn a_command_in_another_lane_is_forwarded_and_applied_once() {
    if !kafka::required() {
        return;
    }
    let mut office = Office::signed();
    let mut process = office.ready_as("gate,sidecar", 0);
    let ids: Vec<String> = (0..3).map(|partition| office.hold_in("loans", partition)).collect();
    for id in &ids {
        let lane = measure::lane(id, office.terms.lanes).expect("an id");
        let command = office.command(id, "claim", ANN, &json!({}));
        let value = command.to_string();
        let signature = DESK.sign(&office.terms.verdicts, value.as_bytes());
        office.send_bytes((lane + 1) % 3, Some(value.as_bytes()), Some(signature));
        office.await_applied(&command);
    }
    // In the other lane it is refused like at home.
    let strange = office.command(&ids[0], "claim", EVE, &json!({}));
    let value = strange.to_string();
    let lane = measure::lane(&ids[0], office.terms.lanes).expect("an id");
    let signature = DESK.sign(&office.terms.verdicts, value.as_bytes());
    office.send_bytes((lane + 2) % 3, Some(value.as_bytes()), Some(signature));
    assert_eq!(office.await_refused(&strange), "illegal-transition");
    office.settle(&mut [&mut process]);
    let books = office.assert_sound();
    assert_eq!(books.verdicts.len(), 8);
    assert_eq!(office.entries().len(), 4);
}

/// The same bytes again, before and after a restart, and after the case was closed.
#[test]
fn a_repeat_writes_nothing_whenever_it_comes() {
    if !kafka::required() {
        return;
    }
    let mut office = Office::new();
    let mut process = office.ready_as("gate,sidecar", 0);
    let id = office.hold("loans");
    let claim = office.command(&id, "claim", ANN, &json!({}));
    office.send(&claim);
    office.await_applied(&claim);
    // Refused first: judged anew when it comes again.
    let approve = office.command(&id, "approve", ANN, &json!({ "seen": { "seq": 0, "hash": "ab".repeat(32) } }));
    office.send(&approve);
    assert_eq!(office.await_refused(&approve), "stale");
    office.send(&claim);
    office.settle(&mut [&mut process]);
    end(process);

    let mut process = office.ready_as("gate,sidecar", 0);
    office.send(&claim);
    let mut approve = approve;
    approve["seen"] = office.board.cases[&id]["view"].clone();
    office.send(&approve);
    assert_eq!(office.await_applied(&approve)["state"], "APPROVED");
    let mut shouted = approve.clone();
    shouted["command_id"] = json!(approve["command_id"].as_str().expect("an id").to_uppercase());
    for again in [&claim, &approve, &shouted] {
        office.send(again);
    }
    office.settle(&mut [&mut process]);
    process.kill();

    let mut process = office.ready_as("gate,sidecar", 0);
    office.send(&approve);
    office.settle(&mut [&mut process]);
    let books = office.assert_sound();
    assert_eq!(books.verdicts.len(), 9);
    assert_eq!(office.entries().len(), 3, "a claim, a refusal, an approval");
}

#[test]
fn a_case_takes_so_many_commands_and_no_more() {
    if !kafka::required() {
        return;
    }
    let mut office = Office::with("unsigned: allow, max_commands: 3", "");
    office.terms.max_commands = 3;
    let mut process = office.ready_as("gate,sidecar", 0);
    let id = office.hold("loans");
    for _ in 0..3 {
        office.applied(&id, "comment", ANN, &json!({}));
    }
    assert_eq!(office.refused(&id, "approve", ANN, &json!({})), "too-many");
    let other = office.hold("loans");
    office.applied(&other, "approve", ANN, &json!({}));
    office.settle(&mut [&mut process]);
    office.assert_sound();
}

/// A command that comes before the case's opening was read waits for it: that it is unknown is said only when it is sure.
#[test]
fn a_command_right_after_the_opening_finds_its_case() {
    const CASES: usize = 40;
    if !kafka::required() {
        return;
    }
    let mut office = Office::new();
    let mut process = office.ready_as("gate,sidecar", 0);
    let mut commands = Vec::new();
    for _ in 0..CASES {
        // The board shows it no sooner than the sidecar can read it.
        let id = office.hold("loans");
        let claim = office.command(&id, "claim", ANN, &json!({}));
        office.send(&claim);
        commands.push(claim);
    }
    office.settle(&mut [&mut process]);
    let claimed = eventually("all to be claimed", || {
        office.board.look();
        let claimed = office.board.cases.values().filter(|case| case["state"] == "UNDER_REVIEW").count();
        (claimed == CASES).then_some(claimed)
    });
    assert_eq!(claimed, commands.len());
    office.assert_sound();
}
