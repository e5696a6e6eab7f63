//! What is read is written again byte for byte, and what cases have in common is kept once.

use std::sync::Arc;

use super::*;

/// A case in which every list and every member has something, with what is awkward in JSON.
pub(super) fn full() -> String {
    let member = |at: &'static str, value: Value| (at, value);
    let time = "2026-01-05T10:50:00.000Z";
    altered(&[
        member("/event_id", "\"e\"\\\n\u{1}é🦀".into()),
        member("/conflicts_with", "925ab795168fdc48291233198923001b".into()),
        member("/state", "REJECTED".into()),
        member("/seq", 9.into()),
        member("/view", json!({"seq": 7, "hash": "ab".repeat(32)})),
        member("/entry_hash", "cd".repeat(32).into()),
        member("/band", "critical".into()),
        member("/score", json!(99.99)),
        member("/subject_id", "S \"1\"\t\u{7f}".into()),
        member("/amount", json!("12 €")),
        member("/findings/0/sentence", "\"0.5\" of 1.2.3 …\n".into()),
        member("/findings/0/details", json!({"fields": [{"name": "age", "event": "1e-7", "trusted": "-0.50"}]})),
        member("/event/features/workclass", "\u{0}\"\\/ ~ é".into()),
        member("/policy/name", "p\"ö".into()),
        member("/assignee", "kit \"k\" ü".into()),
        member("/lease_until", Value::Null),
        member("/groups", json!(["experts", "ü\n"])),
        member(
            "/votes",
            json!([
                {"reviewer": "ann", "vote": "approve", "seq": 3, "at": time, "reason": {"code": "confirmed", "text": null}, "corrected": null},
                {"reviewer": "b\"ob", "vote": "reject", "seq": 9, "at": time, "reason": {"code": null, "text": "no\n\"1.0\""},
                 "corrected": {"label": [1, 1.50, null]}},
            ]),
        ),
        member("/escalations", 2.into()),
        member("/escalated_at", time.into()),
        member("/judgements", json!([{"reviewer": "ann", "judgement": "cannot-tell", "seq": 2, "at": time}])),
        member(
            "/comments",
            json!([
                {"reviewer": "ann", "action": "comment", "seq": 4, "at": time, "reason": null, "text": "é\u{1f}"},
                {"reviewer": "kim", "action": "unmask", "seq": 5, "at": time, "reason": "data-error", "text": ""},
            ]),
        ),
        member("/commands", json!(["01234567-89ab-cdef-0123-456789abcdef", "01234567-89ab-cdef-0123-456789abcdee"])),
        member("/closed_at", time.into()),
    ])
}

#[test]
fn a_case_is_written_as_it_was_read() {
    for json in [HELD, BY_REFERENCE, UNREADABLE, &full()] {
        let read = case(json);
        assert_eq!(written(&read), json);
        assert_eq!(case(&written(&read)), read);
    }
    let full = case(&full());
    let lists = [full.votes.len(), full.judgements.len(), full.comments.len(), full.commands.len(), full.groups.len()];
    assert_eq!(lists, [2, 1, 2, 2, 2]);
    assert_eq!(full.votes[1].corrected.as_deref(), Some(r#"{"label":[1,1.5,null]}"#));
    assert_eq!(full.opened.subject_id().as_deref(), Some("S \"1\"\t\u{7f}"));
}

/// The event's hash is that of all its bytes.
/// As the first version wrote them, and the contract lists their members.
#[test]
fn a_case_that_an_older_gate_opened_is_read() {
    let hash = case(HELD).entry_hash;
    let members = [
        r#""conflicts_with":null,"#.to_owned(),
        format!(r#""entry_hash":"{hash}","#),
        r#""escalated_at":null,"#.to_owned(),
        r#","closed_at":null"#.to_owned(),
    ];
    let older = members.iter().fold(HELD.to_owned(), |json, member| json.replacen(member, "", 1));
    assert_eq!(older.len() + members.iter().map(String::len).sum::<usize>(), HELD.len(), "all four were there");
    assert_eq!(written(&case(&older)), HELD);
    let older = older.replacen(r#""seq":0"#, r#""seq":1"#, 1);
    assert!(CaseReader::default().read(older.as_bytes(), None).is_err(), "which entry is the last is not known");
}

#[test]
fn whitespace_in_and_around_the_event_stays() {
    for (before, after) in [("", "\n"), (" \t", ""), ("\r\n ", " \n\n")] {
        let json = HELD.replace(r#""event":{"#, &format!("\"event\":{before}{{ \n"));
        let json = json.replace(
            r#"},"model":{"name":"adult-gbdt","version":"1.0.0"},"policy""#,
            &format!("}}{after},\"model\":{{\"name\":\"adult-gbdt\",\"version\":\"1.0.0\"}},\"policy\""),
        );
        assert_ne!(json, HELD);
        assert_eq!(written(&case(&json)), json);
        assert_eq!(written(&case(&written(&case(&json)))), json);
    }
}

#[test]
fn the_opening_says_what_the_sidecar_needs() {
    let mut reader = CaseReader::default();
    let case = reader.read(HELD.as_bytes(), Some("00-ab-cd-01")).expect("a case");
    assert_eq!((case.opened.trace(), case.opened.lane.0, case.state), (Some("00-ab-cd-01"), 2, State::Pending));
    assert_eq!((case.opened.requested_by().as_deref(), case.opened.subject_id().as_deref()), (Some("kim"), Some("S1")));
    assert_eq!((case.opened.opened_at, case.opened.due_at), (OPENED, OPENED.plus_millis(8 * HOUR)));
    assert_eq!(case.opened.remind_at(), OPENED.plus_millis(4 * HOUR));
    assert_eq!((&*case.opened.common.policy_name, case.rules().quorum, case.rules().blind), ("adult-income", 1, false));
    assert_eq!(case.rules().lease.as_secs(), 15 * 60);
    let unreadable = reader.read(UNREADABLE.as_bytes(), None).expect("a case");
    assert_eq!((unreadable.opened.trace(), unreadable.opened.subject_id()), (None, None));
    assert_eq!(&*unreadable.opened.common.policy_name, "none");
}

#[test]
fn cases_share_what_they_have_in_common() {
    let mut reader = CaseReader::default();
    let mut read = |json: &str| reader.read(json.as_bytes(), None).expect("a case");
    let other = altered(&[("/decision_id", "925ab795168fdc48291233198923001b".into()), ("/findings/0/value", json!(0.51))]);
    let (one, other, reference) = (read(HELD), read(&other), read(BY_REFERENCE));
    assert!(Arc::ptr_eq(&one.opened.common, &other.opened.common));
    assert!(Arc::ptr_eq(&one.opened.findings.pattern, &other.opened.findings.pattern));
    assert!(Arc::ptr_eq(&one.groups, &other.groups) && Arc::ptr_eq(&one.groups, &one.rules().groups));
    // The event lies elsewhere: that is another way to write it.
    assert!(!Arc::ptr_eq(&one.opened.common, &reference.opened.common));
    let strict = read(&altered(&[("/review/quorum", 2.into())]));
    assert!(!Arc::ptr_eq(&one.opened.common, &strict.opened.common));
}

/// What no open case has any more is forgotten, so that memory follows what is open and not what ever was.
#[test]
fn what_no_case_has_is_forgotten() {
    let mut reader = CaseReader::default();
    let kept = reader.read(HELD.as_bytes(), None).expect("a case");
    for version in 0..5_000 {
        let word: String =
            version.to_string().chars().map(|digit| char::from(b'a' + u8::try_from(digit).unwrap_or(0) - b'0')).collect();
        let json = altered(&[("/model/version", version.to_string().into()), ("/findings/0/sentence", word.into())]);
        reader.read(json.as_bytes(), None).expect("a case");
        let (common, patterns) = reader.remembered();
        assert!(common <= 1_024 && patterns <= 1_024, "{common} and {patterns}");
    }
    let again = reader.read(HELD.as_bytes(), None).expect("a case");
    assert!(Arc::ptr_eq(&kept.opened.common, &again.opened.common));
}

#[test]
fn what_is_no_case_is_refused_with_a_sentence() {
    let mut without_event: Value = serde_json::from_str(HELD).expect("JSON");
    without_event.as_object_mut().expect("an object").shift_remove("event");
    for (json, part) in [
        (String::new(), "EOF"),
        ("{}".to_owned(), "missing field"),
        (without_event.to_string(), "neither `event` nor `event_ref`"),
        (altered(&[("/state", "OPEN".into())]), "\"OPEN\" is no state"),
        (altered(&[("/band", "urgent".into())]), "\"urgent\" is no band"),
        (altered(&[("/decision_id", "925A".into())]), "\"925A\" is no decision id"),
        (altered(&[("/view/hash", "zz".into())]), "\"zz\" is no SHA-256"),
        (altered(&[("/salt", "00".into())]), "\"00\" is no salt"),
        (altered(&[("/due_at", "soon".into())]), "\"soon\" is no time"),
        (altered(&[("/review/lease", "soon".into())]), "review.lease"),
        (altered(&[("/commands", json!(["x"]))]), "\"x\" is no command id"),
        (altered(&[("/review", json!({}))]), "review: missing field"),
    ] {
        let why = CaseReader::default().read(json.as_bytes(), None).expect_err(&json);
        assert!(why.contains(part), "{why}");
    }
}

#[test]
fn the_final_word_is_what_became_of_the_case() {
    for (action, outcome) in [(Action::Approve, "APPROVED"), (Action::Reject, "REJECTED"), (Action::Cancel, "CANCELLED")] {
        let mut case = case(HELD);
        act(&mut case, action, "ann").expect("a member may");
        let mut out = Vec::new();
        case.write_disposition(&mut out, OPENED);
        let read: Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!((&read["outcome"], &read["final"], &read["seq"]), (&json!(outcome), &json!(true), &json!(1)));
    }
}
