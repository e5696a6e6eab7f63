//! A correct history is clean; each kind of damage is found, named, and its first bad record with it.

use super::*;
use crate::signature::PrivateKey;

mod history;

use history::{History, Record};

fn key() -> PrivateKey {
    PrivateKey::of_secret(&[7; 32])
}

fn heads_of(lines: &[u8]) -> Heads {
    let mut heads = Heads::new(key().public());
    lines.split(|byte| *byte == b'\n').for_each(|line| heads.line(line));
    heads
}

fn verify(terms: Terms, records: &[Record]) -> Report {
    let mut verifier = Verifier::new(terms);
    for record in records {
        verifier.line(&record.line());
    }
    verifier.finish()
}

/// The sample with heads that were signed when it was whole.
fn whole(records: &[Record]) -> Report {
    let heads = Some(heads_of(&History::sample("yes").heads(&key())));
    verify(Terms { heads, ..Terms::default() }, records)
}

/// Kinds, first keys and sentences of what is found.
fn told(report: &Report) -> Vec<(Damage, Option<&str>)> {
    report.findings.iter().map(|finding| (finding.damage, finding.place.key.as_deref())).collect()
}

/// The index of the nth audit entry of the kind.
fn nth(records: &[Record], kind: &str, n: usize) -> usize {
    let has_kind = |record: &Record| record.headers.iter().any(|(name, value)| *name == "jidoka-kind" && value == kind);
    let is_it = |(_, record): &(usize, &Record)| record.topic == "jidoka.audit" && has_kind(record);
    records.iter().enumerate().filter(is_it).nth(n).map(|(index, _)| index).expect("there is such an entry")
}

/// What is found once the sample was damaged, its one kind and the key of its first bad record being these.
fn one(damage: Damage, key: &str, records: &[Record]) -> String {
    let report = whole(records);
    assert_eq!(told(&report), [(damage, Some(key))], "{report:#?}");
    report.findings[0].sentence.clone()
}

#[test]
fn a_correct_history_is_clean() {
    let records = History::sample("yes").exported();
    let report = whole(&records);
    assert!(report.is_clean(), "{report:#?}");
    let counts = ["entries", "chains", "decisions", "released", "open", "duplicates", "refused", "gaps", "holes"]
        .map(|name| report.count(name));
    assert_eq!(counts, [28, 4, 13, 7, 2, 1, 2, 1, 1]);
    assert_eq!(report.count("heads"), 4);
    assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
    assert!(report.notes[0].starts_with("2 input offsets in 1 holes have no entry, first offsets 4 to 5 of gate/inference/0"));

    let report = verify(Terms { holes: HolesAre::Failures, ..Terms::default() }, &records);
    assert_eq!(told(&report), [(Damage::Hole, None)]);
}

#[test]
fn topics_may_come_one_after_the_other_and_some_may_be_left_out() {
    let mut records = History::sample("yes").exported();
    let place =
        |record: &Record| ["jidoka.audit", "jidoka.dispositions", "jidoka.cases"].iter().position(|topic| *topic == record.topic);
    records.sort_by_key(|record| place(record));
    assert!(whole(&records).is_clean());
    records.retain(|record| record.topic == "jidoka.audit");
    let report = whole(&records);
    assert!(report.is_clean() && report.notes.iter().any(|note| note.starts_with("no dispositions")), "{report:#?}");
    let mut late = History::sample("yes").exported();
    late.rotate_left(records.len() / 2);
    assert!(whole(&late).findings.iter().any(|finding| finding.damage == Damage::Unreadable));
    assert!(!verify(Terms::default(), &[]).is_clean());
}

#[test]
fn a_changed_byte_is_found_in_every_entry() {
    let sound = History::sample("yes").exported();
    for index in 0..sound.len() {
        if sound[index].topic != "jidoka.audit" {
            continue;
        }
        for (from, to) in [("2026", "2025"), ("\"n\":", "\"n\":1"), ("\"id\":\"", "\"id\":\"x"), ("{", "["), ("kind", "kin")] {
            let mut records = sound.clone();
            records[index].change(from, to);
            let key = records[index].key.clone();
            let sentence = one(Damage::ChangedByte, &key, &records);
            assert!(sentence.starts_with("its bytes have the hash "), "{sentence}");
        }
        let mut records = sound.clone();
        records[index].header("jidoka-hash").replace_range(0..1, "g");
        let key = records[index].key.clone();
        one(Damage::ChangedByte, &key, &records);
    }
}

#[test]
fn an_entry_that_was_changed_with_its_hash_is_found_by_the_next() {
    let sound = History::sample("yes").exported();
    // Both have a later entry in their chain, and the second one in its trail as well.
    for (kind, n) in [("DECIDED", 1), ("REFUSED", 0), ("DECIDED", 8)] {
        let mut records = sound.clone();
        let index = nth(&records, kind, n);
        records[index].forge("2026", "2025");
        let report = whole(&records);
        let finding = &report.findings[0];
        assert_eq!((finding.damage, finding.place.line), (Damage::ChangedByte, index as u64 + 1), "{report:#?}");
        // A REFUSED entry is in no trail, and its key is not remembered.
        let key = Some(&records[index].key).filter(|_| kind != "REFUSED");
        assert_eq!(finding.place.key.as_ref(), key);
    }
}

#[test]
fn a_removed_entry_is_found() {
    let sound = History::sample("yes").exported();
    for index in 0..sound.len() {
        let record = &sound[index];
        if record.topic != "jidoka.audit" {
            continue;
        }
        let mut records = sound.clone();
        records.remove(index);
        let report = whole(&records);
        let kinds: Vec<Damage> = report.findings.iter().map(|finding| finding.damage).collect();
        let is_last = !kinds.contains(&Damage::Removed);
        assert!(!kinds.is_empty() && (!is_last || kinds.contains(&Damage::CutTail)), "{record:?} {report:#?}");
        assert!(
            !kinds.iter().any(|kind| matches!(kind, Damage::ChangedByte | Damage::Inserted | Damage::Swapped | Damage::Forked))
        );
    }
    let mut records = sound;
    let index = nth(&records, "REFUSED", 1);
    let in_lane = |record: &&Record| record.value.as_ref().is_some_and(|value| value.contains("{\"id\":\"lane/"));
    let next = records[index + 1..].iter().find(in_lane).unwrap().key.clone();
    records.remove(index);
    let sentence = one(Damage::Removed, &next, &records);
    assert!(sentence.contains("of the chain lane/"), "{sentence}");
}

#[test]
fn a_tombstone_of_an_entry_is_found() {
    let mut records = History::sample("yes").exported();
    let index = nth(&records, "CLAIMED", 0);
    let tombstone = Record { value: None, offset: 999, headers: Vec::new(), ..records[index].clone() };
    let end =
        records.iter().rposition(|record| record.topic == "jidoka.audit" && record.partition == tombstone.partition).unwrap();
    let key = tombstone.key.clone();
    records.insert(end + 1, tombstone);
    one(Damage::Removed, &key, &records);
}

#[test]
fn an_inserted_entry_is_found() {
    let sound = History::sample("yes").exported();
    // A copy of an entry, at the end of its partition.
    let mut records = sound.clone();
    let index = nth(&records, "REFUSED", 0);
    let lane = records[index].partition;
    let last = records.iter().rposition(|record| record.topic == "jidoka.audit" && record.partition == lane).unwrap();
    let copy = Record { offset: 998, ..records[index].clone() };
    let key = copy.key.clone();
    records.insert(last + 1, copy);
    one(Damage::Inserted, &key, &records);

    // One that names nothing that is there, in the place of another.
    let mut records = sound;
    let index = nth(&records, "REFUSED", 1);
    let mut made_up = records[index].clone();
    made_up.forge("\"prev\":\"", "\"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\",\"x\":\"");
    made_up.offset -= 1;
    let expected = index as u64 + 1;
    records.insert(index, made_up);
    let report = whole(&records);
    assert_eq!(report.findings.len(), 1, "{report:#?}");
    assert_eq!((report.findings[0].damage, report.findings[0].place.line), (Damage::Inserted, expected), "{report:#?}");
}

#[test]
fn swapped_entries_are_found() {
    let sound = History::sample("yes").exported();
    for (kind, n) in [("DECIDED", 1), ("REFUSED", 0), ("DECIDED", 0)] {
        let mut records = sound.clone();
        let index = nth(&records, kind, n);
        let (one_offset, other) = (records[index].offset, records[index + 1].offset);
        records.swap(index, index + 1);
        // Once only the lines, once the offsets with them.
        let key = records[index].key.clone();
        let report = whole(&records);
        assert_eq!(report.findings[0].damage, Damage::Swapped, "{report:#?}");
        assert_eq!(report.findings.len(), 1, "{report:#?}");
        (records[index].offset, records[index + 1].offset) = (one_offset, other);
        one(Damage::Swapped, &key, &records);
    }
    // Of one trail.
    let mut records = sound;
    let index = nth(&records, "CLAIMED", 0);
    let (one_offset, other) = (records[index].offset, records[index + 1].offset);
    records.swap(index, index + 1);
    (records[index].offset, records[index + 1].offset) = (one_offset, other);
    let key = records[index].key.clone();
    one(Damage::Swapped, &key, &records);
}

#[test]
fn a_fork_is_found() {
    let sound = History::sample("yes").exported();
    for (kind, n) in [("REFUSED", 0), ("REFUSED", 1), ("DECIDED", 4), ("GAP", 0)] {
        let mut records = sound.clone();
        let index = nth(&records, kind, n);
        let mut other = records[index].clone();
        other.forge("2026", "2025");
        other.offset += 1;
        records.insert(index + 1, other);
        let report = whole(&records);
        assert_eq!(report.findings[0].place.line, index as u64 + 2, "{report:#?}");
        let kinds: Vec<Damage> = report.findings.iter().map(|finding| finding.damage).collect();
        let in_trail = ["DECIDED"].contains(&kind);
        assert!(kinds.contains(&Damage::Forked), "{report:#?}");
        assert_eq!(kinds.len(), 1 + usize::from(in_trail), "{report:#?}");
    }
}

#[test]
fn a_cut_tail_is_found_with_heads_and_only_with_them() {
    let mut history = History::sample("yes");
    history.refuse(0, None);
    history.refuse(0, None);
    let heads = history.heads(&key());
    let mut records = history.exported();
    for _ in 0..2 {
        let last = records.iter().rposition(|record| record.topic == "jidoka.audit" && record.partition == 0).unwrap();
        records.remove(last);
    }
    assert!(verify(Terms::default(), &records).is_clean());
    let report = verify(Terms { heads: Some(heads_of(&heads)), ..Terms::default() }, &records);
    assert_eq!(report.findings.len(), 1, "{report:#?}");
    assert_eq!(report.findings[0].damage, Damage::CutTail);
    assert!(report.findings[0].sentence.contains("the chain lane/0 ends with n ="), "{report:#?}");

    // A whole chain.
    history.chain_of_its_own();
    let report = verify(Terms { heads: Some(heads_of(&history.heads(&key()))), ..Terms::default() }, &records);
    assert!(report.findings[0].count == 2 && report.findings[0].damage == Damage::CutTail, "{report:#?}");
}

#[test]
fn a_history_that_was_written_anew_is_found_with_heads_and_only_with_them() {
    let records = History::sample("no").exported();
    assert!(verify(Terms::default(), &records).is_clean());
    let report = whole(&records);
    assert_eq!(report.findings.len(), 1, "{report:#?}");
    assert_eq!((report.findings[0].damage, report.findings[0].count), (Damage::Rewritten, 4));
    assert!(report.findings[0].sentence.contains("written anew somewhere after its beginning"), "{report:#?}");

    // From some point on: the heads before it agree.
    let mut history = History::sample("yes");
    let early = history.heads(&key());
    let mut other = history.clone();
    other.flavour = "no".to_owned();
    for history in [&mut history, &mut other] {
        history.decide(0, "RELEASED");
        history.decide(0, "RELEASED");
    }
    let heads = heads_of(&[early, history.heads(&key())].concat());
    let report = verify(Terms { heads: Some(heads), ..Terms::default() }, &other.exported());
    assert_eq!((report.findings[0].damage, report.findings[0].count), (Damage::Rewritten, 1), "{report:#?}");
    assert!(report.findings[0].sentence.contains("after n = 7"), "{report:#?}");
}

#[test]
fn heads_must_be_signed_with_the_key() {
    let mut lines = History::sample("yes").heads(&key());
    let place = lines.iter().position(|byte| *byte == b'\n').unwrap() - 10;
    lines[place] = if lines[place] == b'A' { b'B' } else { b'A' };
    lines.extend_from_slice(b"{\"chain\":\"lan\n\n");
    let report = verify(Terms { heads: Some(heads_of(&lines)), ..Terms::default() }, &History::sample("yes").exported());
    assert_eq!(told(&report), [(Damage::UnsignedHead, None)]);
    assert!(report.findings[0].sentence.starts_with("line 1 of the heads, of the chain gate/inference/0"), "{report:#?}");
    assert!(report.notes.iter().any(|note| note.starts_with("1 lines of the heads are no heads")));
}

/// One more step of a case, and what is told of it.
fn illegal(kind: &str, state: &str, after: &[(&str, &str)]) -> Option<String> {
    let mut history = History::default();
    let id = history.decide(0, "HELD");
    for (kind, state) in after {
        history.step(id, kind, state);
    }
    assert!(verify(Terms::default(), &history.exported()).is_clean(), "{after:?}");
    history.step(id, kind, state);
    let report = verify(Terms::default(), &history.exported());
    let finding = report.findings.iter().find(|finding| finding.damage == Damage::IllegalTrail)?;
    assert_eq!(finding.place.key, Some(format!("{id}/{}", after.len() + 1)));
    Some(finding.sentence.clone())
}

#[test]
fn what_cannot_have_happened_is_found() {
    assert_eq!(illegal("CLAIMED", "UNDER_REVIEW", &[]), None);
    let claimed = [("CLAIMED", "UNDER_REVIEW")];
    assert_eq!(illegal("CLAIMED", "UNDER_REVIEW", &claimed).unwrap(), "CLAIMED may not lead from UNDER_REVIEW to UNDER_REVIEW");
    assert_eq!(illegal("UNCLAIMED", "PENDING", &[]).unwrap(), "UNCLAIMED may not lead from PENDING to PENDING");
    assert!(illegal("JUDGED", "PENDING", &claimed).is_some() && illegal("APPROVED", "REJECTED", &[]).is_some());
    assert!(illegal("ESCALATED", "UNDER_REVIEW", &claimed).is_some() && illegal("EXPIRED", "PENDING", &[]).is_some());
    assert_eq!(illegal("APPROVED", "APPROVED", &[("EXPIRED", "EXPIRED")]).unwrap(), "APPROVED follows the final word EXPIRED");

    let mut history = History::default();
    let id = history.decide(0, "RELEASED");
    history.step(id, "CLAIMED", "UNDER_REVIEW");
    let report = verify(Terms::default(), &history.exported());
    assert_eq!(report.findings[0].sentence, "CLAIMED may not follow a decision that is RELEASED: it is final");

    // An entry that its own writer wrote wrongly: the chain holds, the trail does not.
    for (from, to, sentence) in [
        (
            "\"previous_state\":\"PENDING\"",
            "\"previous_state\":\"UNDER_REVIEW\"",
            "its previous_state is UNDER_REVIEW, and the trail stood at PENDING",
        ),
        ("\"prev\":\"", "\"prev\":null,\"x\":\"", "its prev is not the hash of the trail's entry before it"),
    ] {
        let mut history = History::default();
        let id = history.decide(0, "HELD");
        history.step(id, "CLAIMED", "UNDER_REVIEW");
        let mut records = history.exported();
        let index = nth(&records, "CLAIMED", 0);
        records[index].forge(from, to);
        let report = verify(Terms::default(), &records);
        assert_eq!(report.findings[0].sentence, sentence, "{report:#?}");
    }
    let mut records = History::sample("yes").exported();
    let last = records.iter().rposition(|record| record.key.ends_with("/0") && record.topic == "jidoka.audit").unwrap();
    records[last].forge("appended_at\":\"2026", "appended_at\":\"2025");
    let report = verify(Terms::default(), &records);
    assert_eq!(report.findings[0].sentence, "its decision_id is not that of its input record", "{report:#?}");
}

#[test]
fn an_input_that_was_decided_twice_is_found() {
    let mut history = History::default();
    history.decide(0, "RELEASED");
    history.decide(0, "RELEASED");
    history.skip_input(0, -1);
    history.gap(0, 1);
    let report = verify(Terms::default(), &history.exported());
    assert_eq!(told(&report), [(Damage::InputTwice, Some("gap/inference/0/1"))], "{report:#?}");
}

#[test]
fn dispositions_must_be_the_last_word() {
    let sound = History::sample("yes").exported();
    let find = |outcome: &str| {
        let is_it = |record: &Record| {
            record.topic == "jidoka.dispositions" && record.value.as_ref().is_some_and(|value| value.contains(outcome))
        };
        sound.iter().position(is_it).unwrap()
    };
    let (approved, released) = (find("\"APPROVED\""), find("\"RELEASED\""));
    for (index, from, to, sentence) in [
        (approved, "APPROVED", "REJECTED", "it says REJECTED, final; entry 5 of its trail says APPROVED, final"),
        (approved, "\"final\":true", "\"final\":false", "it says APPROVED, not final; entry 5 of its trail says APPROVED, final"),
        (approved, "\"seq\":5", "\"seq\":4", "no entry 4 of its trail, which ends with 5 at APPROVED, says so"),
        (approved, "\"row\":0", "\"row\":1", "its event_id, source or row is not that of its trail"),
        (released, "RELEASED", "HELD", "it says HELD, final; entry 0 of its trail says RELEASED, final"),
        (released, "{", "", "it cannot be read: it is not JSON"),
    ] {
        let mut records = sound.clone();
        records[index].change(from, to);
        let key = records[index].key.clone();
        let report = whole(&records);
        let finding = &report.findings[0];
        assert_eq!((finding.damage, finding.sentence.as_str()), (Damage::DispositionDisagrees, sentence), "{report:#?}");
        assert_eq!(finding.place.key.as_ref(), Some(&key));
    }
    let mut records = sound.clone();
    let removed = records.remove(approved);
    assert_eq!(
        one(Damage::DispositionDisagrees, &format!("{}/5", removed.key), &records),
        "the last disposition of this decision is not its last word, APPROVED"
    );
    let mut records = sound.clone();
    let removed = records.remove(released);
    assert_eq!(
        one(Damage::DispositionDisagrees, &format!("{}/0", removed.key), &records),
        "there is no disposition of this decision"
    );
    let mut records = sound.clone();
    records[released].value = None;
    assert_eq!(whole(&records).findings[0].sentence, "a tombstone took the word of a decision away");
    let mut records = sound;
    let again = Record { offset: records[approved].offset + 1, ..records[approved].clone() };
    records.insert(approved + 1, again);
    let key = records[approved].key.clone();
    assert_eq!(one(Damage::DispositionDisagrees, &key, &records), "it follows the final disposition of the same decision");
}

#[test]
fn a_disposition_without_a_trail_is_found() {
    let mut records = History::sample("yes").exported();
    let is_released =
        |record: &Record| record.value.as_ref().is_some_and(|value| value.contains("\"outcome\":\"RELEASED\",\"final\""));
    let index = records.iter().position(|record| record.topic == "jidoka.dispositions" && is_released(record)).unwrap();
    let key = "0".repeat(32);
    let own = records[index].key.clone();
    records[index].change(&own, &key);
    records[index].key.clone_from(&key);
    let report = whole(&records);
    assert_eq!(report.findings[0].count, 2, "that, and the one that is missing: {report:#?}");
    assert!(report.findings[0].damage == Damage::DispositionDisagrees);
}

#[test]
fn cases_must_be_as_their_trails_left_them() {
    let sound = History::sample("yes").exported();
    let last_of = |state: &str| {
        let is_it =
            |record: &Record| record.topic == "jidoka.cases" && record.value.as_ref().is_some_and(|value| value.contains(state));
        sound.iter().rposition(is_it).unwrap()
    };
    let (approved, open) = (last_of("\"APPROVED\""), last_of("\"UNDER_REVIEW\",\"seq\":2"));
    for (index, from, to, sentence) in [
        (approved, "\"APPROVED\"", "\"REJECTED\"", "it is REJECTED, and its trail ends at APPROVED"),
        (approved, "\"entry_hash\":\"", "\"entry_hash\":null,\"view_hash\":\"", ""),
        (open, "\"seq\":2,\"view", "\"seq\":3,\"view", "it is the case after entry 3, and its trail ends with 2"),
        (open, "\"view\":{\"seq\":1", "\"view\":{\"seq\":2", "its view is not entry 1, the last that changed what reviewers see"),
        (open, "\"source\":\"inference\"", "\"source\":\"other\"", "its event_id, source or row is not that of its trail"),
        (open, "\"state\"", "\"stat\"", "it cannot be read: a member that it must have is missing"),
    ] {
        let mut records = sound.clone();
        records[index].change(from, to);
        let report = whole(&records);
        let found =
            report.findings.first().map(|finding| (finding.damage, finding.sentence.as_str(), finding.place.key.as_ref()));
        let expected = Some((Damage::CaseDisagrees, sentence, Some(&records[index].key))).filter(|_| !sentence.is_empty());
        assert_eq!(found, expected, "{report:#?}");
    }
    let mut records = sound.clone();
    let mut digits = records[open].value.clone().unwrap();
    let place = digits.find("entry_hash\":\"").unwrap() + 13;
    digits.replace_range(place..place + 4, "0000");
    records[open].value = Some(digits);
    let key = records[open].key.clone();
    assert_eq!(one(Damage::CaseDisagrees, &key, &records), "its entry_hash is not the hash of its trail's last entry");

    // An open case that is gone; of a closed one that may be.
    let mut records = sound.clone();
    let gone = records.remove(open);
    let sentence = one(Damage::CaseDisagrees, &format!("{}/2", gone.key), &records);
    assert_eq!(sentence, "there is no case as this entry, after which it is UNDER_REVIEW, left it");
    let mut records = sound.clone();
    records[open].value = None;
    one(Damage::CaseDisagrees, &format!("{}/2", gone.key), &records);
    let mut records = sound.clone();
    let closed = records[approved].key.clone();
    records.retain(|record| !(record.topic == "jidoka.cases" && record.key.starts_with(&closed)));
    assert!(whole(&records).is_clean());
    // An older one after the last.
    let mut records = sound;
    let older = Record { offset: records[open].offset + 1, ..records[open - 1].clone() };
    assert_eq!(older.key, gone.key);
    records.insert(open + 1, older);
    assert_eq!(told(&whole(&records))[0].0, Damage::CaseDisagrees);
}

#[test]
fn keys_and_headers_must_be_those_of_their_entry() {
    let sound = History::sample("yes").exported();
    for kind in ["DECIDED", "CLAIMED", "REFUSED", "GAP"] {
        let index = nth(&sound, kind, 0);
        let mut records = sound.clone();
        records[index].key.push('1');
        let key = records[index].key.clone();
        assert_eq!(one(Damage::ChangedByte, &key, &records), "its key is not that of its entry");
        let mut records = sound.clone();
        *records[index].header("jidoka-kind") = "UNMASKED".to_owned();
        let key = records[index].key.clone();
        assert_eq!(one(Damage::ChangedByte, &key, &records), format!("its header jidoka-kind is not its kind, {kind}"));
    }
    let index = nth(&sound, "CLAIMED", 0);
    let mut records = sound;
    records[index].header("jidoka-decision-id").replace_range(0..4, "0000");
    let key = records[index].key.clone();
    one(Damage::ChangedByte, &key, &records);
}

type Choice<'c> = &'c dyn Fn(usize, &Record) -> bool;

#[test]
fn a_choice_is_verified_as_far_as_it_goes() {
    let sound = History::sample("yes").exported();
    let partial = || Terms { extent: Extent::Partial, ..Terms::default() };
    let choices: [Choice<'_>; 5] = [
        &|_, _| true,
        &|_, record| record.value.as_ref().is_some_and(|value| value.contains("APPROVED")),
        &|index, _| index % 2 == 0,
        &|index, _| index % 3 == 0,
        &|_, record| record.topic != "jidoka.audit" || record.offset > 6,
    ];
    for choice in choices {
        let chosen: Vec<Record> =
            sound.iter().enumerate().filter(|(index, record)| choice(*index, record)).map(|(_, record)| record.clone()).collect();
        let report = verify(partial(), &chosen);
        assert!(report.is_clean(), "{report:#?}");
        let entries: Vec<usize> = (0..chosen.len()).filter(|index| chosen[*index].topic == "jidoka.audit").collect();
        let mut records = chosen.clone();
        records[entries[0]].change("2026", "2025");
        assert_eq!(told(&verify(partial(), &records))[0].0, Damage::ChangedByte);
    }
    assert!(!verify(Terms::default(), &sound[1..]).is_clean());
}

#[test]
fn a_line_that_is_none_is_found_with_its_number() {
    let mut verifier = Verifier::new(Terms::default());
    let records = History::sample("yes").exported();
    verifier.line(&records[0].line());
    verifier.line(b"");
    verifier.line(b"{\"topic\":");
    records[1..].iter().for_each(|record| verifier.line(&record.line()));
    let report = verifier.finish();
    assert_eq!((report.findings[0].damage, report.findings[0].place.line), (Damage::Unreadable, 3), "{report:#?}");
    assert_eq!(report.findings.len(), 1);

    let mut out = Vec::new();
    report.write_json(&mut out);
    let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(
        (&json["clean"], &json["damage"][0]["damage"], &json["damage"][0]["first"]["line"]),
        (&false.into(), &"unreadable".into(), &3.into())
    );
    assert_eq!(json["counts"]["entries"], 28);
}

#[test]
fn of_an_input_without_entries_the_first_line_that_cannot_be_read_is_named() {
    let read = |lines: &[&[u8]]| {
        let mut verifier = Verifier::new(Terms::default());
        for line in lines {
            verifier.line(line);
        }
        let report = verifier.finish();
        let [finding] = &report.findings[..] else { panic!("one kind: {report:#?}") };
        (finding.damage, finding.place.line, finding.sentence.clone())
    };
    let (damage, line, sentence) = read(&[b"{}", b"nonsense"]);
    assert_eq!((damage, line), (Damage::Unreadable, 1));
    assert!(sentence.contains("no export line"), "{sentence}");
    assert_eq!(read(&[]), (Damage::Unreadable, 0, "there is no audit entry in the input".to_owned()));
}
