//! What a decision makes of trusted records.

use super::*;
use crate::reference::{
    Change, Origin, REFERENCE_NOT_READY, REFERENCE_UNDECODABLE, RecordReader, Table, TableBounds, Tables, UNKNOWN_REFERENCE,
};

const COMPARES: &str = "triggers: [ { id: facts, contradiction: { reference: customers, compare: [ age, job ] } } ]";

/// An event of the subject `S1`.
fn about(features: &str) -> String {
    format!(r#""subject_id":"S1","features":{{{features}}}"#)
}

/// The reference `customers`, in which `S1` has this record.
fn trusting(record: &str) -> Arc<dyn References> {
    let mut table = Table::default();
    let mut reader = RecordReader::new(Some("as_of".to_owned()));
    let record = reader.read(("S1", record.as_bytes()), Origin::Log { partition: 2, offset: 41 }, None).expect("a record");
    table.apply(Change::Record(record), TableBounds::default()).expect("room");
    table.apply(Change::Undecodable("S2"), TableBounds::default()).expect("room");
    Arc::new(Tables(vec![("customers".to_owned(), table)]))
}

/// A reference that always says the same.
#[derive(Debug)]
struct Always(Trusted);

impl References for Always {
    fn look(&self, _: &str, _: &str) -> Trusted {
        self.0.clone()
    }
}

fn situation(policy: &str, features: &str, references: Arc<dyn References>) -> Situation {
    Situation { outcome: about(features), references, ..Situation::policy(policy) }
}

fn reference_of(decision: &Decision, situation: &Situation) -> String {
    let mut out = Vec::new();
    let set = situation.policies();
    crate::json::object(&mut out, |writer| decision.write_reference(writer, set.policies().first()));
    String::from_utf8(out).expect("JSON is text")
}

/// The only result: how it ended and its reason.
fn ended(decision: &Decision, situation: &Situation) -> (Outcome, ResultKind, Option<String>) {
    let [result] = decision.results[..] else { panic!("{:?}", decision.results) };
    let set = situation.policies();
    (decision.outcome, result.result, result.reason(set.policies().first()).map(str::to_owned))
}

#[test]
fn a_contradiction_holds_and_names_its_record() {
    let situation = situation(COMPARES, r#""age":37,"job":"clerk""#, trusting(r#"{"age":56,"job":"Clerk"}"#));
    let decision = situation.decide();
    assert_eq!(ended(&decision, &situation), (Outcome::Held, ResultKind::Hit, None));
    assert_eq!((decision.results[0].value, decision.results[0].limit), (None, None));
    assert_eq!((decision.priority.score, decision.priority.parts.len()), (90.0, 1), "severity .9");
    assert_eq!(decision.consulted[0].found.differing, 1);
    assert_eq!(reference_of(&decision, &situation), r#"{"reference":{"customers":{"partition":2,"offset":41}}}"#);
    let mut sentence = String::new();
    let set = situation.policies();
    decision.sentence(&decision.results[0], set.policies().first(), &mut sentence);
    assert_eq!(sentence, "age contradicts the trusted record in `customers`.");
}

#[test]
fn what_agrees_is_a_plain_miss() {
    let situation = situation(COMPARES, r#""age":56,"job":"clerk""#, trusting(r#"{"age":56,"job":"Clerk"}"#));
    let decision = situation.decide();
    assert_eq!((decision.outcome, &decision.results[..], &decision.missed[..]), (Outcome::Released, &[][..], &[0][..]));
    assert_eq!(decision.priority.score, 0.0);
    assert_eq!(reference_of(&decision, &situation), r#"{"reference":{"customers":{"partition":2,"offset":41}}}"#);
}

#[test]
fn a_subject_without_a_record_is_a_miss_that_says_so_or_held() {
    let without = Situation { outcome: about("").replace("S1", "S9"), references: trusting("{}"), ..Situation::policy(COMPARES) };
    let decision = without.decide();
    let no_reference = || Some("no-reference".to_owned());
    assert_eq!(ended(&decision, &without), (Outcome::Released, ResultKind::Miss, no_reference()));
    assert!(decision.missed.is_empty(), "it stands among the results, for its reason");
    assert_eq!((decision.priority.score, decision.priority.parts.len()), (0.0, 0));
    assert_eq!(reference_of(&decision, &without), r#"{"reference":{"customers":null}}"#);
    let strict = COMPARES.replace("compare:", "on_absent: hold, compare:").replace("id: facts", "id: facts, on_error: skip");
    let strict = Situation { policy: Some(strict), ..without };
    assert_eq!(ended(&strict.decide(), &strict), (Outcome::Held, ResultKind::Error, no_reference()));
}

#[test]
fn what_cannot_be_looked_up_is_an_error_that_holds_unless_it_is_skipped() {
    let unready: [(Arc<dyn References>, &str, &str, ResultKind); 5] = [
        (Arc::new(NoReferences), "S1", UNKNOWN_REFERENCE, ResultKind::Error),
        (Arc::new(Always(Trusted::NotReady(REFERENCE_NOT_READY))), "S1", REFERENCE_NOT_READY, ResultKind::Error),
        (trusting("{}"), "S2", REFERENCE_UNDECODABLE, ResultKind::Error),
        (Arc::new(Always(Trusted::Late)), "S1", LOOKUP_LATE, ResultKind::Timeout),
        (trusting("{}"), "", "subject_id is missing", ResultKind::Error),
    ];
    for (references, subject, reason, result) in unready {
        let outcome = if subject.is_empty() { "\"features\":{}".to_owned() } else { about("").replace("S1", subject) };
        let held = Situation { outcome, references, ..Situation::policy(COMPARES) };
        let decision = held.decide();
        assert_eq!(ended(&decision, &held), (Outcome::Held, result, Some(reason.to_owned())));
        assert_eq!(decision.priority.score, 50.0, "{reason}: what failed counts with .5, not with the severity of a finding");
        let skips = "id: facts, on_error: skip, on_timeout: skip";
        let skipped = Situation { policy: Some(COMPARES.replace("id: facts", skips)), ..held };
        assert_eq!(ended(&skipped.decide(), &skipped), (Outcome::Released, result, Some(reason.to_owned())));
    }
}

#[test]
fn records_beyond_their_age_say_nothing() {
    let policy = COMPARES.replace("compare:", "max_age: 90d, compare:");
    // Deciding is on 2026-01-05.
    for (record, expected) in [
        (r#"{"age":56,"as_of":"2025-10-01"}"#, (Outcome::Released, ResultKind::Miss, Some("reference-too-old".to_owned()))),
        (r#"{"age":56,"as_of":"2025-10-20"}"#, (Outcome::Held, ResultKind::Hit, None)),
        // Nobody knows how old it is, so it is believed: what is found then waits for a person.
        (r#"{"age":56}"#, (Outcome::Held, ResultKind::Hit, None)),
    ] {
        let situation = situation(&policy, r#""age":37"#, trusting(record));
        assert_eq!(ended(&situation.decide(), &situation), expected, "{record}");
    }
}

#[test]
fn a_condition_that_fails_says_why() {
    let policy = "triggers: [ { id: facts, contradiction: { reference: customers, when: amount > reference.limit } } ]";
    let situation = situation(policy, "", trusting("{\"limit\":5}"));
    let reason = Some("amount is missing".to_owned());
    assert_eq!(ended(&situation.decide(), &situation), (Outcome::Held, ResultKind::Error, reason));
}

#[test]
fn triggers_that_ask_one_reference_are_told_the_same() {
    let policy = "triggers: [ { id: age, contradiction: { reference: customers, compare: [ age ] } }, \
                  { id: job, severity: 0.2, contradiction: { reference: customers, compare: [ job ] } }, \
                  { id: other, on_error: skip, contradiction: { reference: bureau, compare: [ job ] } } ]";
    let situation = situation(policy, r#""age":37,"job":"clerk""#, trusting(r#"{"age":56,"job":"baker"}"#));
    let decision = situation.decide();
    assert_eq!(
        results(&decision).iter().map(|(_, result)| *result).collect::<Vec<_>>(),
        [ResultKind::Hit, ResultKind::Hit, ResultKind::Error]
    );
    let expected = r#"{"reference":{"customers":{"partition":2,"offset":41},"bureau":null}}"#;
    assert_eq!(reference_of(&decision, &situation), expected);
    let [first, second, third] = &decision.consulted[..] else { panic!("three looked") };
    assert!(Arc::ptr_eq(first.record.as_ref().expect("one"), second.record.as_ref().expect("one")) && third.record.is_none());
    // 1 − .1 · .8 · .5
    assert_eq!(decision.priority.score, 96.0);
}
