//! Cases on their way through people's hands, each told step by step.

use serde_json::{Value, json};

use super::office::{ANN, BOB, CAT, LEA, Office, kinds, last_word, trail};
use crate::gate::stage::{end, eventually, json};
use crate::kafka;

#[test]
fn a_case_is_claimed_and_approved_and_the_action_service_knows() {
    if !kafka::required() {
        return;
    }
    let mut office = Office::new();
    let mut process = office.ready_as("gate,sidecar", 0);
    let id = office.hold("loans");
    let claimed = office.applied(&id, "claim", ANN, &json!({}));
    assert_eq!((&claimed["state"], &claimed["assignee"], &claimed["seq"]), (&json!("UNDER_REVIEW"), &json!("ann"), &json!(1)));
    let commented = office.applied(&id, "comment", BOB, &json!({}));
    assert_eq!((&commented["view"], &commented["seq"]), (&claimed["view"], &json!(2)), "a comment changes nothing that was seen");
    let approved =
        office.applied(&id, "approve", ANN, &json!({ "reason": { "code": "confirmed", "text": "Payslips are fine" } }));
    assert_eq!(approved["state"], "APPROVED");
    office.settle(&mut [&mut process]);
    let books = office.assert_sound();
    assert_eq!(kinds(&books, &id), ["DECIDED", "CLAIMED", "COMMENTED", "APPROVED"]);
    assert_eq!(last_word(&books, &id), ("APPROVED".to_owned(), true));
    end(process);
}

/// Every action once, by processes of their own.
#[test]
fn a_long_life_with_every_action() {
    if !kafka::required() {
        return;
    }
    let mut office = Office::new();
    let (gate, mut sidecar) = (office.ready_as("gate", 0), office.ready_as("sidecar", 1));
    let id = office.hold("loans");
    office.applied(&id, "unmask", ANN, &json!({}));
    office.applied(&id, "judge", ANN, &json!({ "judgement": "yes" }));
    office.applied(&id, "claim", ANN, &json!({}));
    let unclaimed = office.applied(&id, "unclaim", ANN, &json!({}));
    assert_eq!(
        (&unclaimed["state"], &unclaimed["assignee"], &unclaimed["lease_until"]),
        (&json!("PENDING"), &Value::Null, &Value::Null)
    );
    let assigned = office.applied(&id, "reassign", LEA, &json!({ "to": "user:cat" }));
    assert_eq!((&assigned["state"], &assigned["assignee"]), (&json!("UNDER_REVIEW"), &json!("cat")));
    let escalated = office.applied(&id, "escalate", CAT, &json!({}));
    assert_eq!(
        (&escalated["state"], &escalated["escalations"], &escalated["groups"]),
        (&json!("PENDING"), &json!(1), &json!(["underwriting"]))
    );
    let moved = office.applied(&id, "escalate", ANN, &json!({ "to": "group:night-shift" }));
    assert_eq!((&moved["groups"], &moved["band"]), (&json!(["night-shift"]), &escalated["band"]));
    assert_eq!(office.refused(&id, "claim", ANN, &json!({})), "not-in-group");
    let rejected = office.applied(&id, "reject", CAT, &json!({ "corrected": { "prediction": "no" } }));
    assert_eq!((&rejected["state"], &rejected["votes"][0]["corrected"]), (&json!("REJECTED"), &json!({ "prediction": "no" })));
    let other = office.hold("loans");
    assert_eq!(office.applied(&other, "cancel", ANN, &json!({}))["state"], "CANCELLED");
    office.settle(&mut [&mut sidecar]);
    let books = office.assert_sound();
    let expected = ["DECIDED", "UNMASKED", "JUDGED", "CLAIMED", "UNCLAIMED", "REASSIGNED", "ESCALATED", "ESCALATED", "REJECTED"];
    assert_eq!(kinds(&books, &id), expected);
    assert_eq!(books.reviews.iter().filter(|record| record.key_text() == id).count(), 3);
    end(gate);
    end(sidecar);
}

#[test]
fn two_must_approve_and_one_rejects() {
    if !kafka::required() {
        return;
    }
    let mut office = Office::new();
    let mut process = office.ready_as("gate,sidecar", 0);
    let (both, one) = (office.hold("pairs"), office.hold("pairs"));
    office.applied(&both, "claim", ANN, &json!({}));
    let voted = office.applied(&both, "approve", ANN, &json!({}));
    assert_eq!((&voted["state"], &voted["assignee"]), (&json!("UNDER_REVIEW"), &json!("ann")));
    assert_eq!(office.refused(&both, "approve", ANN, &json!({})), "already-voted");
    assert_eq!(office.applied(&both, "approve", BOB, &json!({}))["state"], "APPROVED");
    office.applied(&one, "approve", ANN, &json!({}));
    assert_eq!(office.applied(&one, "reject", BOB, &json!({}))["state"], "REJECTED");
    office.settle(&mut [&mut process]);
    let books = office.assert_sound();
    assert_eq!(kinds(&books, &both), ["DECIDED", "CLAIMED", "VOTED", "APPROVED"]);
    assert_eq!(kinds(&books, &one), ["DECIDED", "VOTED", "REJECTED"]);
}

#[test]
fn the_blind_judge_before_they_decide() {
    if !kafka::required() {
        return;
    }
    let mut office = Office::new();
    let mut process = office.ready_as("gate,sidecar", 0);
    let id = office.hold("blind");
    office.applied(&id, "judge", BOB, &json!({ "judgement": "no" }));
    assert_eq!(office.refused(&id, "approve", ANN, &json!({})), "judge-first");
    office.applied(&id, "judge", ANN, &json!({ "judgement": "yes" }));
    assert_eq!(office.applied(&id, "approve", ANN, &json!({}))["state"], "APPROVED");
    office.settle(&mut [&mut process]);
    let books = office.assert_sound();
    let judged = trail(&books, &id);
    assert!(judged[1]["judgement_sha256"].is_string() && judged[1]["judgement_sha256"] != judged[2]["judgement_sha256"]);
}

/// Both see the same, and both are quick: the log decides.
#[test]
fn of_two_at_once_one_wins_and_the_other_is_told() {
    const ROUNDS: usize = 5;
    if !kafka::required() {
        return;
    }
    let mut office = Office::new();
    let mut process = office.ready_as("gate,sidecar", 0);
    for round in 0..ROUNDS {
        let id = office.hold("loans");
        let (first, second) = (office.command(&id, "claim", ANN, &json!({})), office.command(&id, "claim", BOB, &json!({})));
        let (approve, reject) = (office.command(&id, "approve", ANN, &json!({})), office.command(&id, "reject", BOB, &json!({})));
        let (one, other) = if round % 2 == 0 { (&first, &second) } else { (&approve, &reject) };
        std::thread::scope(|scope| {
            scope.spawn(|| office.send(one));
            scope.spawn(|| office.send(other));
        });
        let errors = eventually("one to be told", || {
            let errors: Vec<Value> = office.entries().into_iter().filter(|entry| entry["decision_id"] == id.as_str()).collect();
            (errors.len() == 2).then_some(errors)
        });
        let refused: Vec<&Value> = errors.iter().filter(|entry| entry["kind"] == "REFUSED").collect();
        assert_eq!(refused.len(), 1, "{errors:#?}");
        assert_eq!(refused[0]["error"], "illegal-transition");
    }
    office.settle(&mut [&mut process]);
    office.assert_sound();
}

/// A case that is closed stays for a while, is forgotten then, and the archive has it.
#[test]
fn a_closed_case_is_archived_and_later_forgotten() {
    if !kafka::required() {
        return;
    }
    let mut office = Office::with("unsigned: allow", "cases: { keep_closed: 1m }");
    office.terms.keep_closed = 60_000;
    let mut process = office.ready_as("gate,sidecar", 0);
    let (id, open) = (office.hold("loans"), office.hold("loans"));
    office.applied(&id, "approve", ANN, &json!({}));
    assert_eq!(office.refused(&id, "claim", BOB, &json!({})), "illegal-transition");
    eventually("the case to be forgotten", || {
        process.check_alive();
        office.board.look();
        (!office.board.cases.contains_key(&id)).then_some(())
    });
    assert_eq!(office.refused(&id, "claim", BOB, &json!({})), "unknown-case");
    office.applied(&open, "claim", BOB, &json!({}));
    office.settle(&mut [&mut process]);
    let books = office.assert_sound();
    let archived = books.archive.iter().find(|record| record.key_text() == id).expect("it is archived");
    assert_eq!(json(archived)["state"], "APPROVED");
}
