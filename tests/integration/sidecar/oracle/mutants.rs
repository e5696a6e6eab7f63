//! The oracle itself is tested: a sound history is damaged, each time in one way, and the damage must be reported.
//!
//! [`DAMAGE`] is done to records behind the sidecar's back. [`WRONG`] are sidecars that break one rule and write everything
//! else, hashes included, as if it were right.

use serde_json::{Value, json};

use super::history::{Scribe, terms};
use super::judge;
use crate::gate::books::{Books, Record};
use crate::gate::oracle::rules::entry_hash;

mod wrong;

/// Approved by one after a claim, with texts; closed.
const A: &str = "00000000000000000000000000000001";
/// A quorum of two, the second a reject with a correction.
const B: &str = "00020000000000000000000000000002";
/// Nobody comes: the lease lapses, it escalates, it expires.
const C: &str = "00010000000000000000000000000003";
/// Escalated by hand, reassigned, cancelled.
const D: &str = "00030000000000000000000000000004";
/// Open, nothing happened.
const E: &str = "00040000000000000000000000000005";

/// Everything that a sidecar does, done right.
fn sound() -> Books {
    let mut scribe = Scribe::new();
    for id in [A, C, D, E] {
        scribe.hold(id, &json!({}), &json!({}));
    }
    scribe.hold(B, &json!({}), &json!({ "quorum": 2, "blind": true }));
    one_approves(&mut scribe);
    two_vote(&mut scribe);
    nobody_comes(&mut scribe);
    scribe.forget(A, 3_700_000);
    scribe.done()
}

fn one_approves(scribe: &mut Scribe) {
    let claim = scribe.command(A, 1, "claim", &json!({}));
    let claimed = json!({ "state": "UNDER_REVIEW", "assignee": "ann", "lease_until": "2026-03-01T08:02:10.000Z" });
    scribe.applied(&claim, 10_000, "CLAIMED", &claimed);
    // A repeat writes nothing.
    scribe.append(0, claim.to_string().as_bytes(), 11_000);
    let comment = scribe.command(A, 2, "comment", &json!({ "reason": { "text": "looks like a twin" } }));
    let text = json!({ "reviewer": "ann", "action": "comment", "seq": 2, "at": "2026-03-01T08:00:12.000Z", "reason": null, "text": "looks like a twin" });
    scribe.applied(&comment, 12_000, "COMMENTED", &json!({ "comments": [text], "lease_until": "2026-03-01T08:02:12.000Z" }));
    let stale = scribe.command(A, 3, "approve", &json!({ "seen": { "seq": 0, "hash": "00".repeat(32) } }));
    scribe.refused(0, stale.to_string().as_bytes(), 13_000, "stale");
    scribe.signed_by = Some("desk");
    let approve = scribe.command(A, 3, "approve", &json!({ "reason": { "code": "confirmed", "text": "I know the employer" } }));
    let vote = json!({
        "reviewer": "ann", "vote": "approve", "seq": 3, "at": "2026-03-01T08:00:14.000Z",
        "reason": { "code": "confirmed", "text": "I know the employer" }, "corrected": null,
    });
    scribe.applied(&approve, 14_000, "APPROVED", &json!({ "state": "APPROVED", "votes": [vote] }));
    scribe.signed_by = None;
    let late = scribe.command(A, 4, "comment", &json!({ "reason": { "text": "too late for this" } }));
    scribe.refused(0, late.to_string().as_bytes(), 15_000, "illegal-transition");
    scribe.refused(0, b"{\"command_id\":", 16_000, "malformed");
}

fn two_vote(scribe: &mut Scribe) {
    for (number, reviewer, at) in [(1, "ann", 20_000), (2, "bob", 21_000)] {
        let who = json!({ "id": reviewer, "groups": ["underwriting"] });
        let judge = scribe.command(B, number, "judge", &json!({ "reviewer": who, "judgement": "cannot-tell" }));
        let judgement = |reviewer: &str, seq: i64, at: &str| json!({ "reviewer": reviewer, "judgement": "cannot-tell", "seq": seq, "at": at });
        let mut judgements = vec![judgement("ann", 1, "2026-03-01T08:00:20.000Z")];
        if number == 2 {
            judgements.push(judgement("bob", 2, "2026-03-01T08:00:21.000Z"));
        }
        scribe.applied(&judge, at, "JUDGED", &json!({ "judgements": judgements }));
    }
    let approve = scribe.command(B, 3, "approve", &json!({}));
    let reason = json!({ "code": "confirmed", "text": null });
    let first = json!({ "reviewer": "ann", "vote": "approve", "seq": 3, "at": "2026-03-01T08:00:22.000Z", "reason": reason, "corrected": null });
    scribe.applied(&approve, 22_000, "VOTED", &json!({ "votes": [first] }));
    let again = scribe.command(B, 4, "approve", &json!({}));
    scribe.refused(0, again.to_string().as_bytes(), 23_000, "already-voted");
    let bob = json!({ "id": "bob", "groups": ["underwriting"] });
    let reject = scribe.command(B, 5, "reject", &json!({ "reviewer": bob, "corrected": { "income": 12.50 } }));
    let second = json!({ "reviewer": "bob", "vote": "reject", "seq": 4, "at": "2026-03-01T08:00:24.000Z", "reason": reason, "corrected": { "income": 12.50 } });
    scribe.applied(&reject, 24_000, "REJECTED", &json!({ "state": "REJECTED", "votes": [first, second] }));
}

fn nobody_comes(scribe: &mut Scribe) {
    let unmask = scribe.command(D, 1, "unmask", &json!({ "reason": { "code": "confirmed" } }));
    scribe.applied(&unmask, 30_000, "UNMASKED", &json!({}));
    // One for lane 0 that lies in lane 1, and its copy.
    let comment = scribe.command(E, 1, "comment", &json!({ "reason": { "text": "who sees to this one" } }));
    scribe.append(1, comment.to_string().as_bytes(), 31_000);
    let text = json!({ "reviewer": "ann", "action": "comment", "seq": 1, "at": "2026-03-01T08:00:31.500Z", "reason": null, "text": "who sees to this one" });
    scribe.applied(&comment, 31_500, "COMMENTED", &json!({ "comments": [text] }));
    let escalate = scribe.command(D, 2, "escalate", &json!({ "to": "group:seniors" }));
    scribe.applied(&escalate, 32_000, "ESCALATED", &json!({ "groups": ["seniors"], "escalations": 1 }));
    let lead = json!({ "id": "lea", "groups": ["leads", "seniors"] });
    let reassign = scribe.command(D, 3, "reassign", &json!({ "reviewer": lead, "to": "bob" }));
    let assigned = json!({ "state": "UNDER_REVIEW", "assignee": "bob", "lease_until": "2026-03-01T08:02:33.000Z" });
    scribe.applied(&reassign, 33_000, "REASSIGNED", &assigned);
    let cancel = scribe.command(D, 4, "cancel", &json!({ "reviewer": lead }));
    scribe.applied(&cancel, 34_000, "CANCELLED", &json!({ "state": "CANCELLED" }));
    scribe.gap(1, 35_000);
    let unknown = scribe.command("00010000000000000000000000000099", 1, "claim", &json!({}));
    scribe.refused(1, unknown.to_string().as_bytes(), 36_000, "unknown-case");
    let claim = scribe.command(C, 1, "claim", &json!({}));
    let claimed = json!({ "state": "UNDER_REVIEW", "assignee": "ann", "lease_until": "2026-03-01T08:02:40.000Z" });
    scribe.applied(&claim, 40_000, "CLAIMED", &claimed);
    let released = json!({ "state": "PENDING", "assignee": null, "lease_until": null });
    scribe.lapsed(C, 160_500, "UNCLAIMED", "lease", &released);
    let up = json!({ "band": "high", "escalations": 1, "escalated_at": "2026-03-01T08:05:00.500Z" });
    scribe.lapsed(C, 300_500, "ESCALATED", "sla", &up);
    scribe.lapsed(C, 600_000, "EXPIRED", "sla", &json!({ "state": "EXPIRED" }));
}

/// What is done to the books, and what one of the reported violations must say.
type Damage = (&'static str, fn(&mut Books), &'static str);

/// The place of the first record about `id` that is `kind`.
fn place(records: &[Record], id: &str, kind: &str) -> usize {
    let is = |record: &Record| record.header("jidoka-kind") == Some(kind) && record.key_text().contains(id);
    records.iter().position(is).unwrap_or_else(|| panic!("no {kind} of {id}"))
}

fn set_header(record: &mut Record, name: &str, value: &str) {
    let header = record.headers.iter_mut().find(|(key, _)| key == name).expect("it has the header");
    header.1 = value.as_bytes().to_vec();
}

/// Changes a member of a record's value.
fn set(record: &mut Record, name: &str, value: Value) {
    let mut all: Value = serde_json::from_slice(record.bytes()).expect("records are JSON");
    all[name] = value;
    record.value = Some(all.to_string().into_bytes());
}

/// Changes a member of an entry, and its hash as somebody would who can write to the topic.
fn forge(books: &mut Books, (id, kind): (&str, &str), name: &str, value: Value) {
    let place = place(&books.audit, id, kind);
    let record = &mut books.audit[place];
    set(record, name, value);
    let hash = entry_hash(record.bytes());
    set_header(record, "jidoka-hash", &hash);
}

fn forge_case(books: &mut Books, (id, kind): (&str, &str), name: &str, value: Value) {
    let place = place(&books.cases, id, kind);
    set(&mut books.cases[place], name, value);
}

fn double(records: &mut Vec<Record>, place: usize) {
    records.insert(place + 1, records[place].clone());
}

fn remove(records: &mut Vec<Record>, id: &str, kind: &str) -> Record {
    records.remove(place(records, id, kind))
}

/// Makes the value of another case's record a tombstone.
fn forget(books: &mut Books, id: &str, time: i64) {
    for key in [format!("{id}/opened"), id.to_owned()] {
        let mut record = books.cases[place(&books.cases, id, "PENDING")].clone();
        (record.key, record.value, record.time_ms) = (Some(key.into_bytes()), None, Some(time));
        books.cases.push(record);
    }
}

const TRAIL: &[Damage] = &[
    ("a changed byte", |books| set(&mut books.audit[7], "channel", json!("forged")), "jidoka-hash of"),
    ("a changed entry with a new hash", |books| forge(books, (A, "COMMENTED"), "channel", json!("forged")), "in lane/0 is"),
    ("a missing entry", |books| drop(remove(&mut books.audit, A, "COMMENTED")), "must be applied, and has no entry"),
    (
        "a missing refusal",
        |books| drop(remove(&mut books.audit, "refused", "REFUSED")),
        "must be refused as stale, and has no entry",
    ),
    ("a missing last entry", |books| drop(remove(&mut books.audit, C, "EXPIRED")), "the chain's head of lane 1"),
    ("a doubled entry", |books| double(&mut books.audit, 7), "comes twice"),
    ("two swapped entries", |books| books.audit.swap(5, 6), "where"),
    ("a fork", fork, "was handled before"),
    ("the wrong lane", |books| books.audit[5].partition = 1, "not on its lane"),
    ("another key", |books| books.audit[6].key = Some(b"0000/9".to_vec()), "the key of an entry"),
    ("another kind in the header", |books| set_header(&mut books.audit[6], "jidoka-kind", "CLAIMED"), "jidoka-kind of"),
    ("a refusal under another key", |books| rekey(books, "refused/0/3", "refused/0/9"), "the key of a REFUSED"),
    ("another seq", |books| forge(books, (A, "APPROVED"), "seq", json!(4)), "audit: seq of"),
    ("a trail that hangs in the air", |books| forge(books, (A, "CLAIMED"), "prev", json!("00".repeat(32))), "in its trail is"),
    (
        "an entry with a subject",
        |books| forge(books, (A, "CLAIMED"), "subject_id", json!("subject-77")),
        "which the contract does not know",
    ),
    ("an entry that does not say who signed", unsign, "lacks the members"),
    (
        "an entry of a chain that nobody writes",
        |books| forge(books, (A, "CLAIMED"), "chain", json!({ "id": "mine", "n": 0 })),
        "which nobody writes",
    ),
    (
        "another command",
        |books| forge(books, (A, "CLAIMED"), "command_id", json!("00000000-0000-4000-8000-000000000009")),
        "command_id of",
    ),
    (
        "another actor",
        |books| forge(books, (A, "CLAIMED"), "actor", json!({ "type": "reviewer", "id": "eve" })),
        "audit: actor of",
    ),
    ("another signer", |books| forge(books, (A, "APPROVED"), "signed_by", json!(null)), "audit: signed_by of"),
    ("another text", |books| forge(books, (A, "COMMENTED"), "text_sha256", json!("00".repeat(32))), "audit: text_sha256 of"),
    (
        "another correction",
        |books| forge(books, (B, "REJECTED"), "corrected_sha256", json!("00".repeat(32))),
        "audit: corrected_sha256 of",
    ),
    (
        "another judgement",
        |books| forge(books, (B, "JUDGED"), "judgement_sha256", json!("00".repeat(32))),
        "audit: judgement_sha256 of",
    ),
    ("a text for a code", |books| forge(books, (A, "APPROVED"), "reason", json!("I know the employer")), "which is personal"),
    ("a feature in an entry", |books| forge(books, (A, "APPROVED"), "reason", json!("Harbour Mills")), "tells \"Harbour Mills\""),
    (
        "a time that falls",
        |books| forge(books, (A, "APPROVED"), "at", json!("2026-03-01T08:00:01.000Z")),
        "the time of lane/0 falls",
    ),
    ("a time out of the air", |books| forge(books, (A, "APPROVED"), "at", json!("2026-03-01T08:00:14.500Z")), "not within"),
    ("another error", |books| forge(books, ("refused", "REFUSED"), "error", json!("not-in-group")), "audit: error of"),
    ("another group", |books| forge(books, (D, "ESCALATED"), "groups", json!(["friends"])), "audit: groups of"),
    ("another band", |books| forge(books, (C, "ESCALATED"), "band", json!("critical")), "audit: band of"),
    (
        "another state before",
        |books| forge(books, (A, "APPROVED"), "previous_state", json!("PENDING")),
        "audit: previous_state of",
    ),
    (
        "an expiry before its time",
        |books| forge(books, (C, "EXPIRED"), "at", json!("2026-03-01T08:09:59.000Z")),
        "before 2026-03-01T08:10",
    ),
    (
        "a lapse that somebody did",
        |books| forge(books, (C, "EXPIRED"), "actor", json!({ "type": "reviewer", "id": "eve" })),
        "audit: actor of",
    ),
    (
        "a gap of another partition",
        |books| {
            forge(
                books,
                ("gap", "GAP"),
                "input",
                json!({ "topic": "t.verdicts", "partition": 0, "first_offset": 5, "last_offset": 5 }),
            );
        },
        "audit: the partition in",
    ),
    (
        "a gap that nobody accepted",
        |books| forge(books, ("gap", "GAP"), "actor", json!({ "type": "system", "id": "sidecar" })),
        "audit: the actor of",
    ),
    ("verdicts that are gone", |books| drop(books.verdicts.remove(2)), "is about a verdict that is not there"),
    (
        "a verdict that nobody read",
        |books| books.verdicts.push(Record { offset: 99, ..books.verdicts[0].clone() }),
        "applied_through of lane 0",
    ),
    (
        "a verdict that changed",
        |books| set(&mut books.verdicts[2], "reason", json!({ "text": "quite another" })),
        "audit: text_sha256 of",
    ),
    ("a copy too few", |books| drop(uncopy(books)), "how many copies"),
];

const STATE: &[Damage] = &[
    ("no last word", |books| drop(remove(&mut books.dispositions, A, "APPROVED")), "how many last words on"),
    (
        "two last words",
        |books| {
            let place = place(&books.dispositions, A, "APPROVED");
            double(&mut books.dispositions, place);
        },
        "how many last words on",
    ),
    (
        "another last word",
        |books| {
            let place = place(&books.dispositions, B, "REJECTED");
            set(&mut books.dispositions[place], "outcome", json!("APPROVED"));
        },
        "dispositions: outcome of",
    ),
    (
        "a last word that is not final",
        |books| {
            let place = place(&books.dispositions, B, "REJECTED");
            set(&mut books.dispositions[place], "final", json!(false));
        },
        "dispositions: final of",
    ),
    ("a last word on an open case", |books| early_word(books), "how many last words on"),
    (
        "a disposition with a subject",
        |books| {
            let place = place(&books.dispositions, B, "REJECTED");
            set(&mut books.dispositions[place], "subject_id", json!("subject-77"));
        },
        "tells \"subject-77\"",
    ),
    ("no opening", |books| drop(books.cases.remove(opening(books, D))), "/opened is there is false"),
    (
        "an opening that nothing is left of",
        |books| books.cases.retain(|record| !record.key_text().starts_with(E)),
        "neither its opening nor its end",
    ),
    ("the last record of a case", |books| drop(remove(&mut books.cases, B, "REJECTED")), "cases: the last seq of"),
    ("another state", |books| forge_case(books, (B, "REJECTED"), "state", json!("APPROVED")), "cases: state of"),
    ("another view", |books| forge_case(books, (A, "UNDER_REVIEW"), "view", json!({ "seq": 0, "hash": "" })), "cases: view of"),
    ("another hash", |books| forge_case(books, (A, "UNDER_REVIEW"), "entry_hash", json!("")), "cases: entry_hash of"),
    ("another assignee", |books| forge_case(books, (A, "UNDER_REVIEW"), "assignee", json!("eve")), "cases: assignee of"),
    (
        "another lease",
        |books| forge_case(books, (A, "UNDER_REVIEW"), "lease_until", json!("2026-03-01T09:00:00.000Z")),
        "cases: lease_until of",
    ),
    ("another vote", |books| forge_case(books, (B, "REJECTED"), "votes", json!([])), "cases: votes of"),
    (
        "another judgement in the case",
        |books| forge_case(books, (B, "REJECTED"), "judgements", json!([])),
        "cases: judgements of",
    ),
    ("another comment", |books| forge_case(books, (A, "APPROVED"), "comments", json!([])), "cases: comments of"),
    ("forgotten commands", |books| forge_case(books, (A, "APPROVED"), "commands", json!([])), "cases: commands of"),
    ("another escalation", |books| forge_case(books, (C, "EXPIRED"), "escalated_at", json!(null)), "cases: escalated_at of"),
    ("another time of closing", |books| forge_case(books, (B, "REJECTED"), "closed_at", json!(null)), "cases: closed_at of"),
    ("another event in the case", |books| forge_case(books, (B, "REJECTED"), "event", json!({})), "cases: event of"),
    (
        "another time to decide",
        |books| forge_case(books, (C, "UNDER_REVIEW"), "due_at", json!("2026-03-02T08:00:00.000Z")),
        "cases: due_at of",
    ),
    ("a seq that the trail has not", |books| forge_case(books, (B, "REJECTED"), "seq", json!(9)), "which its trail has not"),
    ("a case that goes back", |books| books.cases.swap(5, 6), "cases: "),
    (
        "a case that comes again",
        |books| {
            let again = books.cases[place(&books.cases, A, "APPROVED")].clone();
            books.cases.push(again);
        },
        "comes again after its tombstone",
    ),
    ("an open case that is gone", |books| forget(books, E, super::history::BEGIN + 9_000_000), "is gone before its time"),
    ("a closed case that is gone too soon", |books| forget(books, B, super::history::BEGIN + 100_000), "is gone before its time"),
    ("half a case that is gone", |books| drop(books.cases.pop()), "is gone like"),
    ("nothing in the archive", |books| drop(remove(&mut books.archive, A, "APPROVED")), "archive: how many records of"),
    (
        "other bytes in the archive",
        |books| {
            let place = place(&books.archive, B, "REJECTED");
            set(&mut books.archive[place], "extra", json!(1));
        },
        "has the bytes of its case",
    ),
    (
        "an open case in the archive",
        |books| {
            let early = books.cases[place(&books.cases, C, "UNDER_REVIEW")].clone();
            books.archive.push(early);
        },
        "archive: how many records of",
    ),
    (
        "an erased case that nobody erased",
        |books| books.archive.push(Record { value: None, ..books.archive[0].clone() }),
        "is erased is true",
    ),
    ("no review after an escalation", |books| drop(books.reviews.pop()), "reviews: the escalations of"),
    (
        "a review that nobody asked for",
        |books| {
            let place = books.reviews.len() - 1;
            double(&mut books.reviews, place);
        },
        "reviews: the escalations of",
    ),
    ("the wrong feed", |books| books.reviews.last_mut().expect("there is one").partition = 2, "reviews: the partition of"),
    (
        "another case in the feed",
        |books| set(books.reviews.last_mut().expect("there is one"), "findings", json!([])),
        "reviews: ",
    ),
    ("no progress", |books| books.progress.clear(), "progress: none of lane"),
    (
        "progress that stopped early",
        |books| set(&mut books.progress[0], "applied_through", json!(1)),
        "applied_through of lane 0",
    ),
    (
        "progress that goes back",
        |books| {
            books.progress.insert(0, books.progress[0].clone());
            set(&mut books.progress[0], "applied_through", json!(99));
        },
        "goes back",
    ),
    ("another verdict in progress", |books| set(&mut books.progress[0], "sha256", json!("")), "progress: sha256 of lane 0"),
    ("another chain head", |books| set(&mut books.progress[0], "chain", json!(null)), "the chain's head of lane 0"),
    ("another lane time", |books| set(&mut books.progress[1], "at", json!("2026-03-01T10:00:00.000Z")), "progress: at of lane 1"),
    ("a group one too far", |books| *books.applied.entry(0).or_default() += 1, "the group's offset of lane 0"),
    ("a group that committed nothing", |books| books.applied.clear(), "the group's offset of lane 1"),
];

/// A second entry about a verdict that has one, at the same place of the chain.
fn fork(books: &mut Books) {
    let at = place(&books.audit, A, "COMMENTED");
    let mut other = books.audit[at].clone();
    set(&mut other, "channel", json!("elsewhere"));
    let hash = entry_hash(other.bytes());
    set_header(&mut other, "jidoka-hash", &hash);
    books.audit.insert(at + 1, other);
}

/// The place of the record that opened a case.
fn opening(books: &Books, id: &str) -> usize {
    let key = format!("{id}/opened");
    books.cases.iter().position(|record| record.key_text() == key).expect("it was opened")
}

fn rekey(books: &mut Books, from: &str, to: &str) {
    let record = books.audit.iter_mut().find(|record| record.key_text() == from).expect("there is one");
    record.key = Some(to.as_bytes().to_vec());
}

fn unsign(books: &mut Books) {
    let place = place(&books.audit, A, "CLAIMED");
    let mut value: Value = serde_json::from_slice(books.audit[place].bytes()).expect("JSON");
    value.as_object_mut().expect("an object").shift_remove("signed_by");
    books.audit[place].value = Some(value.to_string().into_bytes());
}

/// Removes the copy of the command that lay in another lane.
fn uncopy(books: &mut Books) -> Record {
    let is_copy =
        |record: &Record| record.partition == 0 && String::from_utf8_lossy(record.bytes()).contains("who sees to this one");
    books.verdicts.remove(books.verdicts.iter().position(is_copy).expect("there is one"))
}

fn early_word(books: &mut Books) {
    let mut word = books.dispositions[place(&books.dispositions, B, "REJECTED")].clone();
    word.key = Some(E.as_bytes().to_vec());
    books.dispositions.push(word);
}

#[test]
fn every_damage_is_reported() {
    let (terms, books) = (terms(), sound());
    assert_eq!(judge(&terms, &books), Vec::<String>::new());
    for (what, damage, expected) in TRAIL.iter().chain(STATE) {
        let mut damaged = books.clone();
        damage(&mut damaged);
        let violations = judge(&terms, &damaged);
        assert!(violations.iter().any(|violation| violation.contains(expected)), "{what}: {violations:#?}");
    }
}
