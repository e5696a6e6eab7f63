//! Sidecars that break one rule.

use serde_json::{Value, json};

use super::super::history::{Scribe, terms};
use super::super::{Terms, judge};
use super::{A, B};
use crate::gate::oracle::Extent;

/// What a sidecar does wrong, and what one of the reported violations must say.
type Wrong = (&'static str, fn(&mut Scribe), &'static str);

const UNDER_ANN: &str = "2026-03-01T08:02:10.000Z";

fn claimed() -> Value {
    json!({ "state": "UNDER_REVIEW", "assignee": "ann", "lease_until": UNDER_ANN })
}

fn vote(reviewer: &str, seq: i64, at: &str) -> Value {
    json!({ "reviewer": reviewer, "vote": "approve", "seq": seq, "at": at, "reason": { "code": "confirmed", "text": null }, "corrected": null })
}

/// Approves a fresh case `A` with these changes to the command.
fn approves(scribe: &mut Scribe, more: &Value) {
    let approve = scribe.command(A, 1, "approve", more);
    let reviewer = approve["reviewer"]["id"].as_str().expect("a name").to_owned();
    let mut voted = vote(&reviewer, 1, "2026-03-01T08:00:10.000Z");
    voted["reason"]["code"] = approve["reason"]["code"].clone();
    scribe.applied(&approve, 10_000, "APPROVED", &json!({ "state": "APPROVED", "votes": [voted] }));
}

/// Claims `A` for ann at 10 s.
fn claims(scribe: &mut Scribe) {
    let claim = scribe.command(A, 1, "claim", &json!({}));
    scribe.applied(&claim, 10_000, "CLAIMED", &claimed());
}

fn refuses(scribe: &mut Scribe, action: &str, more: &Value, error: &str) {
    let command = scribe.command(A, 7, action, more);
    scribe.refused(0, command.to_string().as_bytes(), 20_000, error);
}

fn bob() -> Value {
    json!({ "reviewer": { "id": "bob", "groups": ["underwriting"] } })
}

const DUTIES: &[Wrong] = &[
    (
        "a stale approval counts",
        |scribe| approves(scribe, &json!({ "seen": { "seq": 1, "hash": "" } })),
        "must be refused as stale",
    ),
    (
        "a stranger approves",
        |scribe| approves(scribe, &json!({ "reviewer": { "id": "ann", "groups": ["friends"] } })),
        "must be refused as not-in-group",
    ),
    (
        "who asked for it approves",
        |scribe| approves(scribe, &json!({ "reviewer": { "id": "kim", "groups": ["underwriting"] } })),
        "must be refused as self-approval",
    ),
    (
        "the subject approves",
        |scribe| approves(scribe, &json!({ "reviewer": { "id": "subject-77", "groups": ["underwriting"] } })),
        "must be refused as self-approval",
    ),
    (
        "an approval without a reason",
        |scribe| approves(scribe, &json!({ "reason": { "code": null } })),
        "must be refused as reason-required",
    ),
    (
        "an approval for a reason of his own",
        |scribe| approves(scribe, &json!({ "reason": { "code": "because" } })),
        "must be refused as unknown-reason",
    ),
    (
        "an approval without having seen anything",
        |scribe| approves(scribe, &json!({ "seen": null })),
        "must be refused as malformed",
    ),
    ("a correction of an approval", |scribe| approves(scribe, &json!({ "corrected": 1 })), "must be refused as malformed"),
    ("a command that is no UUID", |scribe| approves(scribe, &json!({ "command_id": "7" })), "must be refused as malformed"),
    (
        "a reviewer with control characters",
        |scribe| approves(scribe, &json!({ "reviewer": { "id": "a\nn", "groups": ["underwriting"] } })),
        "must be refused as malformed",
    ),
    (
        "an endless text",
        |scribe| approves(scribe, &json!({ "reason": { "code": "confirmed", "text": "x".repeat(101) } })),
        "must be refused as too-large",
    ),
    ("an endless command", |scribe| approves(scribe, &json!({ "more": "x".repeat(5_000) })), "must be refused as too-large"),
    (
        "a key that speaks for another",
        |scribe| {
            scribe.signed_by = Some("desk");
            approves(scribe, &json!({ "reviewer": { "id": "eve", "groups": ["underwriting"] } }));
        },
        "must be refused as bad-signature",
    ),
    (
        "a key that speaks for another group",
        |scribe| {
            scribe.signed_by = Some("desk");
            approves(scribe, &json!({ "reviewer": { "id": "ann", "groups": ["underwriting", "leads"] } }));
        },
        "must be refused as bad-signature",
    ),
    ("a key that may not cancel", cancel_signed, "must be refused as bad-signature"),
    ("a broken signature", break_signature, "must be refused as bad-signature"),
    (
        "somebody else's claim is taken",
        |scribe| {
            claims(scribe);
            let claim = scribe.command(A, 2, "claim", &bob());
            scribe.applied(&claim, 11_000, "CLAIMED", &claimed());
        },
        "must be refused as illegal-transition",
    ),
    (
        "not the assignee escalates",
        |scribe| {
            claims(scribe);
            let escalate = scribe.command(A, 2, "escalate", &bob());
            scribe.applied(&escalate, 11_000, "ESCALATED", &json!({ "state": "PENDING" }));
        },
        "must be refused as not-assignee",
    ),
    (
        "a colleague unclaims",
        |scribe| {
            claims(scribe);
            let unclaim = scribe.command(A, 2, "unclaim", &bob());
            scribe.applied(&unclaim, 11_000, "UNCLAIMED", &json!({ "state": "PENDING" }));
        },
        "must be refused as not-assignee",
    ),
    (
        "a colleague reassigns",
        |scribe| {
            let mut more = bob();
            more["to"] = json!("bob");
            let reassign = scribe.command(A, 2, "reassign", &more);
            scribe.applied(&reassign, 11_000, "REASSIGNED", &json!({}));
        },
        "must be refused as not-in-group",
    ),
    (
        "an approval of what is closed",
        |scribe| {
            approves(scribe, &json!({}));
            let more = scribe.command(A, 2, "comment", &json!({ "reason": { "text": "and yet" } }));
            scribe.applied(&more, 11_000, "COMMENTED", &json!({}));
        },
        "must be refused as illegal-transition",
    ),
    (
        "a repeat counts again",
        |scribe| {
            for at in [10_000, 11_000] {
                let comment = scribe.command(A, 1, "comment", &json!({ "reason": { "text": "again" } }));
                scribe.applied(&comment, at, "COMMENTED", &json!({}));
            }
        },
        "repeats an applied command",
    ),
    (
        "a repeat is refused",
        |scribe| {
            claims(scribe);
            let again = scribe.command(A, 1, "claim", &json!({}));
            scribe.refused(0, again.to_string().as_bytes(), 11_000, "illegal-transition");
        },
        "repeats an applied command",
    ),
    (
        "one too many",
        |scribe| {
            for number in 1..=5 {
                let unmask = scribe.command(A, number, "unmask", &json!({ "reason": { "code": "confirmed" } }));
                scribe.applied(&unmask, 10_000, "UNMASKED", &json!({}));
            }
        },
        "must be refused as too-many",
    ),
    (
        "a claim that is refused for nothing",
        |scribe| refuses(scribe, "claim", &json!({}), "not-in-group"),
        "must be applied, and has",
    ),
    (
        "the second of two reasons is given",
        |scribe| {
            refuses(
                scribe,
                "approve",
                &json!({ "seen": { "seq": 3, "hash": "" }, "reviewer": { "id": "kim" } }),
                "self-approval",
            );
        },
        "not \"stale\"",
    ),
    ("a command that is in the wrong lane is applied there", misplace, "belongs to another lane"),
    ("a known case is unknown", |scribe| refuses(scribe, "claim", &json!({}), "unknown-case"), "must be applied, and has"),
];

const QUORUM: &[Wrong] = &[
    (
        "one closes what two must",
        |scribe| {
            let approve = scribe.command(B, 1, "approve", &json!({}));
            scribe.applied(&approve, 10_000, "APPROVED", &json!({ "state": "APPROVED" }));
        },
        "audit: kind of",
    ),
    (
        "one approves twice",
        |scribe| {
            for number in [1, 2] {
                let approve = scribe.command(B, number, "approve", &json!({}));
                scribe.applied(&approve, 10_000, "VOTED", &json!({}));
            }
        },
        "must be refused as already-voted",
    ),
    (
        "who voted claims",
        |scribe| {
            let approve = scribe.command(B, 1, "approve", &json!({}));
            scribe.applied(&approve, 10_000, "VOTED", &json!({}));
            let claim = scribe.command(B, 2, "claim", &json!({}));
            scribe.applied(&claim, 10_000, "CLAIMED", &json!({}));
        },
        "must be refused as already-voted",
    ),
];

const TIME: &[Wrong] = &[
    (
        "a lease that lapses early",
        |scribe| {
            claims(scribe);
            scribe.lapsed(A, 100_000, "UNCLAIMED", "lease", &json!({ "state": "PENDING", "assignee": null }));
        },
        "before 2026-03-01T08:02:10",
    ),
    ("a lease that never was", |scribe| scribe.lapsed(A, 100_000, "UNCLAIMED", "lease", &json!({})), "no such time was running"),
    (
        "an escalation before its time",
        |scribe| scribe.lapsed(A, 299_000, "ESCALATED", "sla", &json!({ "band": "high" })),
        "before 2026-03-01T08:05:00",
    ),
    (
        "a second escalation",
        |scribe| {
            for at in [300_000, 400_000] {
                scribe.lapsed(A, at, "ESCALATED", "sla", &json!({ "band": "high" }));
            }
        },
        "no such time was running",
    ),
    (
        "an expiry without the escalation before it",
        |scribe| scribe.lapsed(A, 600_000, "EXPIRED", "sla", &json!({ "state": "EXPIRED" })),
        "of 00000000000000000000000000000001 has passed before",
    ),
    (
        "an expiry that approves",
        |scribe| {
            scribe.lapsed(A, 300_000, "ESCALATED", "sla", &json!({ "band": "high" }));
            scribe.lapsed(A, 600_000, "EXPIRED", "sla", &json!({ "state": "APPROVED" }));
        },
        "audit: state of",
    ),
    (
        "a claim that time undid before",
        |scribe| {
            claims(scribe);
            let comment = scribe.command(A, 2, "comment", &json!({ "reason": { "text": "still here" } }));
            scribe.applied(&comment, 200_000, "COMMENTED", &json!({}));
        },
        "was judged while 2026-03-01T08:02:10",
    ),
    (
        "a command that expiry came before",
        |scribe| {
            let claim = scribe.command(A, 1, "claim", &json!({}));
            scribe.applied(&claim, 700_000, "CLAIMED", &json!({ "state": "UNDER_REVIEW", "assignee": "ann" }));
        },
        "was judged while 2026-03-01T08:05:00",
    ),
    ("a case that nobody hurries", claims, "has passed and nothing came of it"),
    (
        "a lease that is not renewed",
        |scribe| {
            claims(scribe);
            let comment = scribe.command(A, 2, "comment", &json!({ "reason": { "text": "still here" } }));
            scribe.applied(&comment, 50_000, "COMMENTED", &json!({}));
        },
        "cases: lease_until of",
    ),
    (
        "a time of the clock while a command waits",
        |scribe| {
            claims(scribe);
            let comment = scribe.command(A, 2, "comment", &json!({ "reason": { "text": "at last" } }));
            scribe.applied(&comment, 20_000, "COMMENTED", &json!({}));
            scribe.books.verdicts.last_mut().expect("it is there").time_ms = Some(super::super::history::BEGIN + 15_000);
        },
        "not within",
    ),
];

fn cancel_signed(scribe: &mut Scribe) {
    scribe.signed_by = Some("desk");
    let cancel = scribe.command(A, 1, "cancel", &json!({}));
    scribe.applied(&cancel, 10_000, "CANCELLED", &json!({ "state": "CANCELLED" }));
}

fn break_signature(scribe: &mut Scribe) {
    scribe.signed_by = Some("desk");
    approves(scribe, &json!({}));
    let header = &mut scribe.books.verdicts.last_mut().expect("it is there").headers[0].1;
    header[10] = if header[10] == b'A' { b'B' } else { b'A' };
}

fn misplace(scribe: &mut Scribe) {
    approves(scribe, &json!({}));
    let (verdict, entry) = (scribe.books.verdicts.last_mut(), scribe.books.audit.last_mut());
    let entry = entry.expect("it is there");
    verdict.expect("it is there").partition = 1;
    let text = String::from_utf8(entry.bytes().to_vec()).expect("JSON").replace("lane/0", "lane/1");
    (entry.value, entry.partition) = (Some(text.into_bytes()), 1);
}

fn small() -> Scribe {
    let mut scribe = Scribe::new();
    scribe.hold(A, &json!({}), &json!({}));
    scribe.hold(B, &json!({}), &json!({ "quorum": 2 }));
    scribe
}

fn assert_reported(terms: &Terms, wrongs: &[Wrong]) {
    for (what, wrong, expected) in wrongs {
        let mut scribe = small();
        wrong(&mut scribe);
        let violations = judge(terms, &scribe.done());
        assert!(violations.iter().any(|violation| violation.contains(expected)), "{what}: {violations:#?}");
    }
}

#[test]
fn every_broken_rule_is_reported() {
    assert_eq!(judge(&terms(), &small().done()), Vec::<String>::new());
    assert_reported(&terms(), DUTIES);
    assert_reported(&terms(), QUORUM);
    assert_reported(&Terms { settled_at: Some(super::super::history::BEGIN + 200_000), ..terms() }, TIME);
}

/// What is read too early is not blamed for what has not happened yet; what was refused for want of a signature is.
#[test]
fn terms_make_a_difference() {
    let mut scribe = small();
    claims(&mut scribe);
    let mut books = scribe.done();
    books.verdicts.push(crate::gate::books::Record { offset: 9, ..books.verdicts[0].clone() });
    assert!(!judge(&terms(), &books).is_empty());
    assert_eq!(judge(&Terms { extent: Extent::SoFar, ..terms() }, &books), Vec::<String>::new());
    books.verdicts.pop();
    let strict = Terms { unsigned: super::super::command::Unsigned::Refuse, ..terms() };
    assert!(judge(&strict, &books).iter().any(|violation| violation.contains("must be refused as bad-signature")));
}
