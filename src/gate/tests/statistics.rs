//! Tallies for the monitor, and what it says: held by the gate to what it decided.

use super::*;
use crate::profile::small;
use crate::signal::SignalsView;
use crate::tallies::{EventHash, EventTally, Tally, TallyRecord};

const TRAINED: &str = "policy: loans
profile: p.profile
adverse: prediction == 'no'
triggers:
  - { id: low, confidence: { measure: top_probability, below: 0.62 } }
  - { id: odd, anomaly: { alpha: 0.01 } }
  - { id: fair, fairness: { attributes: [ sex ] } }
  - { id: big, rule: \"has(event.amount) && amount > 5\", mandatory: true }
review: { capacity: { rate: 0.1 } }
";

pub(super) fn trained() -> Rules {
    let priorities = (0..1_000_u16).map(|place| f32::from(place) / 1_000.0).collect();
    Rules::new(small::policies(TRAINED, priorities), &fallback(), &Metrics::new())
}

fn trained_settings() -> GateSettings {
    GateSettings { rules: Arc::new(RulesInForce::new(trained())), ..settings() }
}

pub(super) fn event(id: &str, (prediction, sure): (&str, f64), rest: &str) -> Vec<u8> {
    let other = 1.0 - sure;
    format!(
        r#"{{"event_id":"{id}","model":{{"name":"m"}},"prediction":"{prediction}","probabilities":{{"x":{sure},"y":{other}}},{rest}}}"#
    )
    .into_bytes()
}

const OLD: &str = r#""features":{"age":4100,"job":"smith"},"protected":{"sex":"f"}"#;
const USUAL: &str = r#""features":{"age":41,"job":"smith"},"protected":{"sex":"m"}"#;

/// Open incident about the group f, as the monitor writes it.
pub(super) fn incident() -> SignalsView {
    let mut view = SignalsView::default();
    let record = r#"{"incident":{"id":"00000000000000aa","kind":"fairness","policy":"loans","about":"favourable-rate","group":{"sex":"f"},
        "direction":"down","at_event":900,"since_event":700,"statistic":5.5e6,"threshold":4e6,"sentence":"Fewer yes for sex=f."},
        "state":"open","seq":0,"entry_hash":"","at":"","by":null,"reason":null}"#;
    view.apply("incident/00000000000000aa", Some(record.as_bytes())).expect("readable");
    view
}

fn tallies(outbox: &FakeOutbox) -> Vec<Tally> {
    let read = |sent: &&Sent| match TallyRecord::read(sent.value.as_ref().expect("a value")).expect("a tally") {
        TallyRecord::Decisions(tally) => tally,
        TallyRecord::Outcome(outcome) => panic!("{outcome:?}"),
    };
    outbox.of("tallies").iter().map(read).collect()
}

fn events(tally: &Tally) -> Vec<EventTally<'_>> {
    tally.events(1, 3).expect("one attribute, three measures").collect()
}

#[test]
fn a_turn_tells_the_monitor_of_every_decision_once() {
    let mut gate = gate(trained_settings(), None);
    let values = [
        event("a", ("yes", 0.9), USUAL),
        event("b", ("no", 0.9), OLD),
        event("b", ("no", 0.9), OLD),
        event("c", ("yes", 0.9), &format!("{USUAL},\"amount\":9")),
        b"{".to_vec(),
    ];
    let outbox = done(&mut gate, 40, &values);
    let [tally] = &tallies(&outbox)[..] else { panic!("one record") };
    let sent = outbox.of("tallies")[0];
    assert_eq!((sent.key.as_deref(), sent.partition), (Some("loans"), 0));
    assert_eq!(
        (tally.policy.as_str(), tally.source.as_str(), tally.partition, tally.first_offset),
        ("loans", "inference", 0, 40)
    );
    assert_eq!(tally.policy_hash, gate.rules.set.policies()[0].hash);
    let events = events(tally);
    let ids = ["a", "b", "c"].map(EventHash::of);
    assert_eq!(events.iter().map(|event| event.event).collect::<Vec<_>>(), ids, "duplicates and what is no event are none");
    assert_eq!(events.iter().map(|event| event.levels[0]).collect::<Vec<_>>(), [1, 0, 1]);
    assert_eq!(events.iter().map(|event| event.favourable).collect::<Vec<_>>(), [Some(true), Some(false), Some(true)]);
    assert_eq!(
        events.iter().map(|event| (event.flagged, event.mandatory)).collect::<Vec<_>>(),
        [(false, false), (true, false), (false, true)]
    );
    assert!(events[1].held && events[1].score > events[0].score && events[1].priority > events[0].priority);
    assert_eq!((events[0].vector, events[2].vector), (events[2].vector, events[0].vector));
    assert_ne!(events[0].vector, events[1].vector);
}

#[test]
fn under_rules_only_what_is_held_says_nothing_of_the_capacity() {
    let mut control = ControlView::default();
    let order = br#"{"mode":"rules-only","by":"kim","reason":"-"}"#;
    control.apply("stop/global", Some(order)).expect("an order");
    for (control, expected) in [(control, (false, true)), (ControlView::default(), (true, false))] {
        let mut gate = gate_that(trained_settings(), None, ControlFollower::sure_of(control));
        let outbox = done(&mut gate, 0, &[event("a", ("yes", 0.5), OLD)]);
        assert_eq!(outbox.of("dispositions")[0].json()["outcome"], "HELD");
        let tallies = tallies(&outbox);
        assert_eq!(events(&tallies[0]).iter().map(|event| (event.held, event.mandatory)).next(), Some(expected));
    }
}

#[test]
fn what_was_rolled_back_is_told_once() {
    let mut gate = gate(trained_settings(), None);
    let values = [event("a", ("yes", 0.9), USUAL)];
    done(&mut gate, 0, &values);
    gate.rolled_back();
    let outbox = done(&mut gate, 0, &values);
    assert_eq!(tallies(&outbox).iter().map(Tally::len).sum::<usize>(), 1);
    gate.committed();
    assert!(tallies(&done(&mut gate, 1, &[b"{".to_vec()])).is_empty(), "nothing was decided under it");
}

#[test]
fn a_long_turn_writes_records_that_the_topic_takes() {
    let mut gate = gate(trained_settings(), None);
    let mut outbox = FakeOutbox { record_bytes_max: 20_000, ..FakeOutbox::new() };
    let values: Vec<_> = (0..900).map(|n| event(&n.to_string(), ("yes", 0.9), USUAL)).collect();
    turn(&mut gate, 0, &values, &mut outbox).expect("a fake takes everything");
    let tallies = tallies(&outbox);
    assert!(tallies.len() > 1);
    let firsts: Vec<i64> = tallies.iter().map(|tally| tally.first_offset).collect();
    let mut expected = 0;
    for (tally, first) in tallies.iter().zip(firsts) {
        assert_eq!(first, expected);
        expected += i64::try_from(tally.len()).expect("few");
    }
    assert_eq!(expected, 900);
}

#[test]
fn an_incident_holds_and_stands_on_entry_and_case() {
    let mut gate = gate_that_hears(trained_settings(), incident());
    let outbox = done(&mut gate, 0, &[event("a", ("no", 0.9), &USUAL.replace("\"m\"", "\"f\""))]);
    let entry = outbox.of("audit")[0].json();
    assert_eq!(entry["outcome"], "HELD", "whatever the capacity");
    assert_eq!(entry["basis"]["incidents"], json!(["00000000000000aa"]));
    assert_eq!(entry["basis"]["threshold"], json!(0.9));
    let fair =
        entry["triggers"].as_array().expect("a list").iter().find(|result| result["id"] == "fair").expect("listed").clone();
    assert_eq!((&fair["result"], &fair["value"], &fair["limit"]), (&json!("hit"), &json!(5_500_000), &json!(4_000_000)));
}

#[test]
fn findings_on_a_case_have_details() {
    let mut gate = gate_that_hears(trained_settings(), incident());
    let outbox = done(&mut gate, 0, &[event("a", ("no", 0.55), OLD)]);
    let case = outbox.of("cases")[0].json();
    let findings = case["findings"].as_array().expect("a list");
    let of = |id: &str| findings.iter().find(|finding| finding["trigger"] == id).unwrap_or_else(|| panic!("{id}: {findings:?}"));
    assert_eq!(of("odd")["details"]["features"][0]["name"], "age");
    assert_eq!(of("fair")["details"], json!({"incident": "00000000000000aa"}));
    assert_eq!(of("capacity")["kind"], "built-in");
    assert!(of("fair")["sentence"].as_str().is_some_and(|sentence| sentence.contains("Fewer yes for sex=f.")));
    let entry = String::from_utf8(outbox.of("audit")[0].value.clone().expect("a value")).expect("text");
    assert!(!entry.contains("4100") && !entry.contains("Fewer"), "the audit has nothing of the event: {entry}");
}
