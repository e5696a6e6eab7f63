//! The oracle itself is tested: sound books of a real gate are damaged, each in one way, and the damage must be reported.

use super::super::books::{Books, Record};
use super::super::events;
use super::super::process::{Installation, Setup};
use super::{judge, rules};
use crate::kafka;

/// What is done to the books, and what one of the reported violations must say.
type Mutant = (&'static str, fn(&mut Books), &'static str);

/// The place of the first record that is `kind`.
fn first(records: &[Record], kind: &str) -> usize {
    records.iter().position(|record| record.header("jidoka-kind") == Some(kind)).expect("there is one of every kind")
}

fn change_byte(record: &mut Record) {
    let value = record.value.as_mut().expect("it has a value");
    let place = value.iter().position(u8::is_ascii_digit).expect("it has a digit");
    value[place] = if value[place] == b'7' { b'8' } else { b'7' };
}

/// Replaces text in a value, and rewrites the hash as somebody would who can write to the topic.
fn forge(record: &mut Record, from: &str, to: &str) {
    let text = String::from_utf8(record.bytes().to_vec()).expect("entries are text");
    assert!(text.contains(from), "{text} has no {from}");
    let text = text.replacen(from, to, 1).into_bytes();
    set_header(record, "jidoka-hash", &rules::entry_hash(&text));
    record.value = Some(text);
}

fn set_header(record: &mut Record, name: &str, value: &str) {
    let header = record.headers.iter_mut().find(|(key, _)| key == name).expect("it has the header");
    header.1 = value.as_bytes().to_vec();
}

fn double(records: &mut Vec<Record>, place: usize) {
    let again = records[place].clone();
    records.insert(place + 1, again);
}

const TRAIL: &[Mutant] = &[
    ("a changed byte", |books| change_byte(&mut books.audit[0]), "jidoka-hash of"),
    ("a changed byte with a new hash", |books| forge(&mut books.audit[0], "\"late\":false", "\"late\":true "), "audit: prev of"),
    ("a missing entry", |books| drop(books.audit.remove(3)), "0 entries and 0 gaps"),
    ("a missing last entry", |books| drop(books.audit.pop()), "the chain's head of"),
    ("a doubled entry", |books| double(&mut books.audit, 3), "comes twice"),
    ("a second decision under another key", fork, "2 entries and 0 gaps"),
    ("two swapped entries", |books| books.audit.swap(3, 4), "where"),
    ("the wrong lane", |books| books.audit[0].partition += 1, "not on its lane"),
    ("another hash in the header", |books| set_header(&mut books.audit[0], "jidoka-hash", &"0".repeat(64)), "jidoka-hash of"),
    ("another kind in the header", |books| set_header(&mut books.audit[0], "jidoka-kind", "DUPLICATE"), "jidoka-kind of"),
    ("another key", |books| books.audit[0].key = Some(b"00/0".to_vec()), "the id of input"),
    ("a duplicate that was decided", decide_duplicate, "the kind of the second delivery"),
    ("a duplicate of another record", |books| forge_first(books, "DUPLICATE", "\"of\":\"", "\"of\":\"0"), "`of` of"),
    ("a conflict that is not named", unname_conflict, "conflicts_with of"),
    (
        "held in place of released",
        |books| forge_first(books, "DECIDED", "\"RELEASED\"", "\"HELD\"    "),
        "is HELD, as its triggers say",
    ),
];

const STATE: &[Mutant] = &[
    ("no disposition", |books| drop(books.dispositions.remove(0)), "dispositions: "),
    ("a doubled disposition", |books| double(&mut books.dispositions, 0), "comes twice"),
    ("a held decision that acts", release, "dispositions: outcome of"),
    ("no case", |books| drop(books.cases.remove(0)), "was opened is false, not true"),
    ("no review", |books| drop(books.reviews.remove(0)), "is offered is false, not true"),
    ("a case without a decision", |books| books.cases[0].key = Some(b"00/opened".to_vec()), "00/opened belongs to no decision"),
    ("the wrong band", |books| books.reviews[0].partition = 3 - books.reviews[0].partition, "reviews: the partition of"),
    ("another view", |books| forge_case(books, "\"view\":{\"seq\":0", "\"view\":{\"seq\":1"), "cases: view of"),
    ("another event in the case", |books| forge_case(books, "\"subject_id\":\"S", "\"subject_id\":\"T"), "reviews: "),
    ("no dead letter", |books| drop(books.dead_letters.remove(0)), "dead-letters: how many of"),
    ("a doubled dead letter", |books| double(&mut books.dead_letters, 0), "dead-letters: how many of"),
    ("other bytes in a dead letter", |books| books.dead_letters[0].value = Some(b"x".to_vec()), "dead-letters: "),
    ("progress that stopped early", |books| drop(books.progress.pop()), "decided_through of"),
    ("progress that goes back", |books| books.progress.rotate_right(1), "goes back"),
    ("another chain head", |books| forge_progress(books, "\"hash\":\"", "\"hash\":\"0"), "the chain's head of"),
    ("a group one too far", |books| *books.group.entry(0).or_default() += 1, "the group's offset of partition 0"),
    (
        "a group that committed nothing",
        |books| books.group.retain(|partition, _| *partition != 0),
        "the group's offset of partition 0",
    ),
    ("input that changed", |books| change_byte(&mut books.input[0]), "input.sha256 of"),
    ("input that is gone", |books| drop(books.input.remove(0)), "which is not there"),
];

/// An entry of another process about a record that has one: same place in the chain, other bytes, other key.
fn fork(books: &mut Books) {
    let mut other = books.audit[3].clone();
    forge(&mut other, "\"took_us\":", "\"took_us\":1");
    other.key = Some(b"0123/0".to_vec());
    books.audit.insert(4, other);
}

fn forge_first(books: &mut Books, kind: &str, from: &str, to: &str) {
    let matching = |record: &&mut Record| {
        record.header("jidoka-kind") == Some(kind) && String::from_utf8_lossy(record.bytes()).contains(from)
    };
    forge(books.audit.iter_mut().find(matching).expect("there is one"), from, to);
}

fn decide_duplicate(books: &mut Books) {
    let place = first(&books.audit, "DUPLICATE");
    forge(&mut books.audit[place], "\"kind\":\"DUPLICATE\"", "\"kind\":\"DECIDED\"  ");
    set_header(&mut books.audit[place], "jidoka-kind", "DECIDED");
}

fn unname_conflict(books: &mut Books) {
    forge_first(books, "DECIDED", "\"conflicts_with\":\"", "\"conflicts_with\":\"0");
}

fn release(books: &mut Books) {
    let place = first(&books.dispositions, "HELD");
    let text = String::from_utf8_lossy(books.dispositions[place].bytes()).replace("HELD", "RELEASED");
    books.dispositions[place].value = Some(text.into_bytes());
}

/// Changes a case and leaves its review record as it is.
fn forge_case(books: &mut Books, from: &str, to: &str) {
    let matching = |record: &&mut Record| String::from_utf8_lossy(record.bytes()).contains(from);
    let case = books.cases.iter_mut().find(matching).expect("there is one");
    case.value = Some(String::from_utf8_lossy(case.bytes()).replacen(from, to, 1).into_bytes());
}

fn forge_progress(books: &mut Books, from: &str, to: &str) {
    let last = books.progress.last_mut().expect("there is progress");
    last.value = Some(String::from_utf8_lossy(last.bytes()).replacen(from, to, 1).into_bytes());
}

#[test]
fn every_damage_is_reported() {
    if !kafka::required() {
        return;
    }
    let setup = Setup { partitions: 2, batch_records: 100, ..Setup::default() };
    let installation = Installation::new(kafka::shared(), setup);
    installation.play(&events::stream(1_300, 2));
    let mut gate = installation.start(0);
    installation.await_decided(&mut [&mut gate]);
    let (terms, books) = (installation.terms(), installation.assert_sound());
    for (what, damage, expected) in TRAIL.iter().chain(STATE) {
        let mut damaged = books.clone();
        damage(&mut damaged);
        let violations = judge(&terms, &damaged);
        assert!(violations.iter().any(|violation| violation.contains(expected)), "{what}: {violations:#?}");
    }
}
