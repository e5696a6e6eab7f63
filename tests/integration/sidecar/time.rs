//! What time does: leases lapse, cases escalate and expire, and neither a restart nor a command that waits changes that.

use serde_json::{Value, json};

use super::office::{ANN, BOB, Office, kinds, last_word, trail};
use super::oracle::measure::millis;
use crate::gate::books::Books;
use crate::gate::stage::{end, eventually};
use crate::kafka;

fn time(entry: &Value, name: &str) -> i64 {
    millis(entry[name].as_str().expect("a time")).expect("a time")
}

/// Nobody looks at it: one band up half way, and EXPIRED in the end, which the action service is told like a verdict.
#[test]
fn what_nobody_decides_escalates_and_expires() {
    if !kafka::required() {
        return;
    }
    let mut office = Office::new();
    let mut process = office.ready_as("gate,sidecar", 0);
    let ids: Vec<String> = (0..3).map(|partition| office.hold_in("swift", partition)).collect();
    let opened = office.board.cases[&ids[0]].clone();
    office.board.await_closed(&ids);
    office.settle(&mut [&mut process]);
    let last = ids.iter().map(|id| time(&office.board.cases[id], "due_at")).max().expect("three");
    office.terms.settled_at = Some(last);
    let books = office.assert_sound();
    for id in &ids {
        assert_eq!(kinds(&books, id), ["DECIDED", "ESCALATED", "EXPIRED"]);
        assert_eq!(last_word(&books, id), ("EXPIRED".to_owned(), true));
    }
    let entries = trail(&books, &ids[0]);
    assert_ne!(entries[1]["band"], opened["band"]);
    let half = i64::midpoint(time(&opened, "opened_at"), time(&opened, "due_at"));
    assert!(time(&entries[1], "at") >= half && time(&entries[2], "at") >= time(&opened, "due_at"));
    assert_eq!(books.reviews.iter().filter(|record| record.key_text() == ids[0]).count(), 2);
}

/// The lease lapses by itself, and another may claim; the assignee's next command makes it longer.
#[test]
fn a_claim_lapses_and_work_renews_it() {
    if !kafka::required() {
        return;
    }
    let mut office = Office::new();
    let mut process = office.ready_as("gate,sidecar", 0);
    let id = office.hold("leased");
    let claimed = office.applied(&id, "claim", ANN, &json!({}));
    let renewed = office.applied(&id, "comment", ANN, &json!({}));
    assert!(time(&renewed, "lease_until") >= time(&claimed, "lease_until"));
    let lapsed = office.await_state(&id, "PENDING");
    assert_eq!((&lapsed["assignee"], &lapsed["lease_until"]), (&Value::Null, &Value::Null));
    office.applied(&id, "claim", BOB, &json!({}));
    office.await_state(&id, "PENDING");
    office.settle(&mut [&mut process]);
    let books = office.assert_sound();
    assert_eq!(kinds(&books, &id), ["DECIDED", "CLAIMED", "COMMENTED", "UNCLAIMED", "CLAIMED", "UNCLAIMED"]);
    assert_eq!(trail(&books, &id)[3]["reason"], "lease");
}

/// Commands of before the deadline count, though the sidecar reads them long after it; those of after it do not.
#[test]
fn what_came_in_time_counts_though_the_sidecar_was_away() {
    if !kafka::required() {
        return;
    }
    let mut office = Office::new();
    let mut gate = office.ready_as("gate", 0);
    let (in_time, too_late) = (office.hold("swift"), office.hold("swift"));
    let approve = office.command(&in_time, "approve", ANN, &json!({}));
    office.send(&approve);
    let due = time(&office.board.cases[&too_late], "due_at");
    let late = office.command(&too_late, "approve", ANN, &json!({}));
    eventually("the time to be over", || (now() > due).then_some(()));
    office.send(&late);

    let mut sidecar = office.ready_as("sidecar", 1);
    assert_eq!(office.await_applied(&approve)["state"], "APPROVED");
    assert_eq!(office.await_refused(&late), "illegal-transition");
    office.settle(&mut [&mut gate, &mut sidecar]);
    let books = office.assert_sound();
    assert_eq!(kinds(&books, &in_time), ["DECIDED", "APPROVED"]);
    assert_eq!(kinds(&books, &too_late), ["DECIDED", "ESCALATED", "EXPIRED"]);
}

/// A sidecar that comes back after every deadline acts on each, in the order of time, without any command.
#[test]
fn deadlines_that_passed_while_it_was_away_are_made_up_for() {
    if !kafka::required() {
        return;
    }
    let mut office = Office::new();
    let mut process = office.ready_as("gate,sidecar", 0);
    let id = office.hold("swift");
    office.applied(&id, "claim", ANN, &json!({}));
    process.kill();
    let due = time(&office.board.cases[&id], "due_at");
    eventually("the time to be over", || (now() > due).then_some(()));
    let mut process = office.ready_as("gate,sidecar", 0);
    office.await_state(&id, "EXPIRED");
    office.settle(&mut [&mut process]);
    office.terms.settled_at = Some(due);
    let books: Books = office.assert_sound();
    assert_eq!(kinds(&books, &id), ["DECIDED", "CLAIMED", "UNCLAIMED", "ESCALATED", "EXPIRED"]);
    end(process);
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("the clock is past 1970");
    i64::try_from(since.as_millis()).expect("it is not yet that late")
}
