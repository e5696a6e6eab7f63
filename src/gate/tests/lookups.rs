//! A gate whose policy compares with an HTTP source.

use std::time::Duration;

use super::*;
use crate::lookup::tests::{Behaviour, Served, Server};
use crate::stream::processor::Processor as _;

const POLICY: &str = "policy: loans
triggers:
  - { id: facts, budget: 10s, contradiction: { reference: bureau, compare: [ age ] } }
";

/// Handles events about these subjects as one batch: outcome, result and reason of each.
fn decide(gate: &mut Gate, first: i64, subjects: &[&str]) -> Vec<(String, String)> {
    let event = |(place, subject): (usize, &&str)| {
        format!(
            r#"{{"event_id":"{first}-{place}","model":{{"name":"m"}},"prediction":"yes","subject_id":"{subject}","features":{{"age":17}}}}"#
        )
        .into_bytes()
    };
    let mut values: Vec<Vec<u8>> = subjects.iter().enumerate().map(event).collect();
    values.push(b"no event".to_vec());
    gate.foresee(&mut (first..).zip(&values).map(|(offset, value)| incoming(offset, value)));
    let outbox = done(gate, first, &values);
    gate.committed();
    let told = |sent: &Sent| {
        let entry = sent.json();
        let result = entry["triggers"].as_array().and_then(|list| list.first().cloned()).unwrap_or_default();
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (word(&entry["outcome"]), format!("{} {}", word(&result["result"]), word(&result["reason"])).trim().to_owned())
    };
    let mut told: Vec<_> = outbox.of("audit").into_iter().map(told).collect();
    assert_eq!(told.pop().map(|(outcome, _)| outcome).as_deref(), Some("HELD"), "no event");
    told
}

#[test]
fn a_batch_is_decided_by_what_came_in_time() {
    let server = Server::start(|path| match path {
        "/subjects/old/facts" => Behaviour::Says(200, "{\"age\":40}"),
        "/subjects/young/facts" => Behaviour::Says(200, "{\"age\":17}"),
        "/subjects/broken/facts" => Behaviour::Says(200, "{"),
        "/subjects/slow/facts" => Behaviour::Stalls,
        _ => Behaviour::Says(404, ""),
    });
    let bureau = Served::new(&server, |settings| settings.deadline = Duration::from_secs(2));
    let set = PolicySet::read(&[("p.yaml".to_owned(), POLICY.to_owned())], &fallback()).expect("a sound policy");
    let rules = Arc::new(RulesInForce::new(Rules::new(set, &fallback(), &Metrics::new())));
    let mut gate = gate(GateSettings { rules, lookups: vec![Arc::clone(&bureau.lookup)], ..settings() }, None);
    let expected = [
        ("HELD", "hit"),
        ("RELEASED", ""),
        ("HELD", "error lookup-failed"),
        ("HELD", "timeout lookup-timeout"),
        ("RELEASED", "miss no-reference"),
        ("HELD", "hit"),
    ];
    let expected: Vec<_> = expected.iter().map(|(outcome, told)| ((*outcome).to_owned(), (*told).to_owned())).collect();
    assert_eq!(decide(&mut gate, 0, &["old", "young", "broken", "slow", "nobody", "old"]), expected);
    let asked = server.asked();
    assert!(asked <= 5, "once for each subject");
    assert_eq!(decide(&mut gate, 100, &["old", "young"]), expected[..2]);
    assert_eq!(server.asked(), asked, "what was said is kept");
    // A record that nobody announced is late, and waits for nothing.
    let unannounced = br#"{"event_id":"u","model":{"name":"m"},"prediction":"yes","subject_id":"other","features":{"age":17}}"#;
    let outbox = done(&mut gate, 200, &[unannounced.to_vec()]);
    assert_eq!(outbox.of("audit")[0].json()["triggers"][0]["result"], "timeout");
}
