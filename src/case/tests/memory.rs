//! What an open case costs: a sidecar keeps all that are open.

use std::collections::{BTreeSet, HashMap};

use super::*;
use crate::identity::DecisionId;
use crate::test_allocator::live_bytes;

const CASES: u32 = 10_000;
const BYTES_MAX: usize = 1_024;

/// The held case with its own ids, values and times, claimed, voted on and commented: 5 commands.
fn used(n: u32) -> (String, DecisionId) {
    let mut id = [0x92; 16];
    id[12..].copy_from_slice(&n.to_be_bytes());
    let id = DecisionId(id);
    let value = f64::from(n) / f64::from(CASES) + 0.000_000_1;
    let sentence = format!(
        "The probability of the most likely answer is {value:.4}, below the limit of 0.62. The model is not sure enough to decide alone"
    );
    let at = |minute: u32| OPENED.plus_millis(i64::from(n) * 1_000 + i64::from(minute) * MINUTE).to_string();
    let command = |place: u32| format!("3f2504e0-4f89-41d3-9a0c-{n:08x}{place:04x}");
    let json = altered(&[
        ("/decision_id", id.to_string().into()),
        ("/event_id", format!("adult-e-{n:06}").into()),
        ("/event/event_id", format!("adult-e-{n:06}").into()),
        ("/subject_id", format!("S{n}").into()),
        ("/findings/0/sentence", sentence.into()),
        ("/findings/0/value", value.into()),
        ("/state", "UNDER_REVIEW".into()),
        ("/seq", 5.into()),
        ("/view/seq", 4.into()),
        ("/review/quorum", 2.into()),
        ("/opened_at", at(0).into()),
        ("/due_at", at(480).into()),
        ("/assignee", "b.reviewer".into()),
        ("/lease_until", at(20).into()),
        (
            "/votes",
            json!([{"reviewer": "a.reviewer", "vote": "approve", "seq": 3, "at": at(3), "corrected": null,
            "reason": {"code": "confirmed", "text": "The documents agree with the application."}}]),
        ),
        (
            "/comments",
            json!([{"reviewer": "b.reviewer", "action": "comment", "seq": 5, "at": at(5), "reason": null,
            "text": "I have asked the branch for the original."}]),
        ),
        ("/commands", (0..5).map(|place| Value::from(command(place))).collect()),
    ]);
    (json, id)
}

fn event_bytes(json: &str) -> usize {
    let json: Value = serde_json::from_str(json).expect("JSON");
    json["event"].to_string().len()
}

#[test]
fn an_open_case_takes_a_kibibyte_beside_its_event() {
    let records: Vec<(String, DecisionId)> = (0..CASES).map(used).collect();
    let events: usize = records.iter().map(|(json, _)| event_bytes(json)).sum();
    let mut reader = CaseReader::default();
    let (kept, bytes) = live_bytes(|| {
        let (mut cases, mut deadlines) = (HashMap::new(), BTreeSet::new());
        for (json, id) in &records {
            let case = reader.read(json.as_bytes(), None).expect("a case");
            deadlines.extend(case.deadline().map(|(at, _)| (at, *id)));
            cases.insert(*id, case);
        }
        (cases, deadlines)
    });
    assert_eq!((kept.0.len(), kept.1.len()), (CASES as usize, CASES as usize));
    let each = (bytes - events) / CASES as usize;
    assert!(each <= BYTES_MAX, "{each} bytes a case beside its event");
}

/// A case that changed takes no more than one that was read.
#[test]
fn a_changed_case_is_as_small_as_a_read_one() {
    let json = altered(&[("/review/quorum", 2.into())]);
    let (changed, bytes) = live_bytes(|| {
        let mut case = case(&json);
        for (action, reviewer) in [(Action::Claim, "ann"), (Action::Approve, "bob"), (Action::Comment, "ann")] {
            let mut command = command(action, reviewer, &case);
            command.text = Some("I have asked the branch for the original.".into());
            order(&mut case, &command, OPENED).expect("they may");
        }
        case
    });
    let json = written(&changed);
    let (read, read_bytes) = live_bytes(|| case(&json));
    assert_eq!(read, changed);
    assert!(bytes <= read_bytes, "{bytes} bytes, {read_bytes} when read");
}
