//! The cases: what comes before and after them finds them, the trail is told and checked, and memory stays bounded.

use super::*;
use crate::audit::entry_hash;
use crate::dev::happening::Model;
use crate::dev::trail::{Follows, Link};

fn held(id: &str, event_id: &str) -> Held {
    Held {
        decision_id: id.to_owned(),
        at: "2026-01-05T10:00:00.000Z".to_owned(),
        band: "normal".to_owned(),
        score: 40.0,
        model: Model { name: None },
        event_id: Some(event_id.to_owned()),
        findings: Vec::new(),
        due_at: None,
        event: None,
    }
}

/// An entry of this kind, with the members that changes have.
fn entry(id: &str, seq: u64, kind: &str, prev: Option<&Entry>) -> Entry {
    let (state, assignee) = match kind {
        "CLAIMED" => ("UNDER_REVIEW", r#""mei""#),
        "APPROVED" => ("APPROVED", r#""mei""#),
        _ => ("PENDING", "null"),
    };
    let stored = format!(
        r#"{{"decision_id":"{id}","seq":{seq},"kind":"{kind}","at":"2026-01-05T10:00:0{seq}.000Z","actor":{{"type":"reviewer","id":"mei"}},
        "state":"{state}","previous_state":"PENDING","reason":"confirmed","band":"high","assignee":{assignee},"groups":["credit"]}}"#
    );
    Entry {
        decision_id: Some(id.to_owned()),
        kind: kind.to_owned(),
        seq: Some(seq),
        prev: prev.map(Entry::hash),
        place: String::new(),
        header_hash: String::from_utf8(entry_hash(stored.as_bytes()).hex().to_vec()).expect("hex"),
        stored: stored.into_bytes(),
        chain: Link { id: "lane/0".to_owned(), n: seq, prev: None },
        follows: Follows::Yes,
    }
}

fn decided(id: &str) -> Entry {
    Entry { stored: format!(r#"{{"at":"t","decision_id":"{id}"}}"#).into_bytes(), ..entry(id, 0, "DECIDED", None) }
}

#[test]
fn a_case_stands_where_its_trail_says_whatever_comes_first() {
    let mut cases = Cases::default();
    let first = entry("abcdef", 0, "DECIDED", None);
    let claimed = entry("abcdef", 1, "CLAIMED", Some(&first));
    for before in [&first, &claimed] {
        assert_eq!(cases.hear(&News::Stored(before)), Heard::Nothing);
    }
    assert_eq!(cases.hear(&News::Happened(&Happening::Held(held("abcdef", "event-1")))), Heard::Added);
    let case = cases.of("abcdef").expect("it is there");
    assert_eq!((case.stands.state, case.stands.assignee.as_deref()), (State::UnderReview, Some("mei")));
    let approved = entry("abcdef", 2, "APPROVED", Some(&claimed));
    assert_eq!(cases.hear(&News::Stored(&approved)), Heard::Changed("abcdef".to_owned()));
    let words = Words { decision_id: "abcdef".to_owned(), texts: vec![(2, "all is well".to_owned())] };
    cases.hear(&News::Happened(&Happening::Wrote(words)));
    let case = cases.find("event-1").expect("by its event");
    assert_eq!(case.stands.state, State::Approved);
    let told = case.told();
    assert_eq!(told.iter().map(|told| told.checked).collect::<Vec<_>>(), [Checked::Good; 3]);
    assert_eq!(told[2].what, "by mei, confirmed: all is well");
    assert!(cases.find("abcd").is_some() && cases.find("abc").is_none() && cases.find("abce").is_none());
}

#[test]
fn an_entry_that_does_not_follow_in_its_trail_is_wrong() {
    let mut cases = Cases::default();
    cases.hear(&News::Happened(&Happening::Held(held("abcdef", "event-1"))));
    cases.hear(&News::Stored(&decided("abcdef")));
    cases.hear(&News::Stored(&entry("abcdef", 1, "CLAIMED", Some(&decided("other")))));
    let told = cases.of("abcdef").expect("it is there").told();
    assert_eq!(told[0].checked, Checked::Wrong, "other bytes than the header says");
    assert_eq!(told[1].checked, Checked::Wrong, "another entry before");
}

#[test]
fn memory_is_bounded() {
    let mut cases = Cases::default();
    for number in 0..CASES_MAX * 3 {
        cases.hear(&News::Stored(&entry(&format!("unknown-{number}"), 0, "DECIDED", None)));
        cases.hear(&News::Happened(&Happening::Held(held(&format!("known-{number}"), "event"))));
    }
    for seq in 0..300 {
        cases.hear(&News::Stored(&entry(&format!("known-{}", CASES_MAX * 3 - 1), seq, "COMMENTED", None)));
    }
    let case = &cases.list()[0];
    assert_eq!((cases.list.len(), cases.entries.len(), case.entries.len()), (CASES_MAX, WAITING_MAX, ENTRIES_MAX));
    assert_eq!((case.entries[0].seq, case.entries[ENTRIES_MAX - 1].seq), (Some(0), Some(299)));
}
