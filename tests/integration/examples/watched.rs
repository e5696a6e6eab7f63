//! What the monitor reads and writes: tallies, signals, and audit entries about incidents.

use std::collections::BTreeMap;

use jidoka::audit::{Chain, IncidentChange, IncidentEntry, entry_hash, write_incident};
use jidoka::identity::{Hash, Timestamp};
use jidoka::signal::{Direction, Incident, IncidentKind, IncidentRecord, IncidentState, Recalibration, SignalsView, Threshold};
use jidoka::tallies::{EventHash, EventTally, Outcome, TallyOf, TallyRecord, TallyWriter, Truth};

use super::{assert_is, example, written};

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time")
}

fn fairness() -> Incident {
    Incident {
        id: "5c0ffee05c0ffee0".to_owned(),
        kind: IncidentKind::Fairness,
        policy: "adult-income".to_owned(),
        about: "favourable-rate".to_owned(),
        group: BTreeMap::from([("sex".to_owned(), "Female".to_owned())]),
        direction: Direction::Down,
        at_event: 11_498,
        since_event: 7_835,
        statistic: 2_541_120.0,
        threshold: 2_444_440.0,
        sentence:
            "The share of favourable decisions of sex=Female fell to 4.4 % (54 of 1,235 decisions since event 7,835); 8.6 % were \
                   to be expected of them by the approved baseline, which has 8.4 %."
                .to_owned(),
    }
}

fn capacity() -> Incident {
    Incident {
        id: "0ddba110ddba1100".to_owned(),
        kind: IncidentKind::Capacity,
        about: "review-capacity".to_owned(),
        group: BTreeMap::new(),
        direction: Direction::Up,
        at_event: 20_100,
        since_event: 19_100,
        statistic: 0.9873,
        threshold: 0.95,
        sentence: "Review capacity is saturated.".to_owned(),
        ..fairness()
    }
}

#[test]
fn entries_about_incidents_and_their_signals_are_the_examples() {
    let mut chain = Chain::resume("monitor/adult-income".to_owned(), None);
    let (fairness, capacity) = (fairness(), capacity());
    let (by, reason) = ("kim", "model 1.0.1 was rolled back");
    let acknowledged = IncidentChange::Acknowledged { by, reason, baseline: "keep" };
    let mut prev = None;
    for (name, seq, change, time, incident) in [
        ("audit-entry.incident-opened.json", 0, IncidentChange::Opened, "2026-01-05T10:46:42.500Z", &fairness),
        ("audit-entry.incident-acknowledged.json", 1, acknowledged, "2026-01-05T11:46:42.500Z", &fairness),
    ] {
        let entry = IncidentEntry { seq, change, at: at(time), prev, chain: chain.next(), incident };
        let bytes = written(|out| write_incident(out, &entry));
        assert_is(name, &bytes);
        prev = Some(entry_hash(&bytes));
        chain.advance(entry_hash(&bytes));
    }
    let record = IncidentRecord {
        incident: fairness,
        state: IncidentState::Acknowledged,
        seq: 1,
        entry_hash: prev.expect("two were written").to_string(),
        at: "2026-01-05T11:46:42.500Z".to_owned(),
        by: Some(by.to_owned()),
        reason: Some(reason.to_owned()),
    };
    assert_is("signal.incident.json", &serde_json::to_vec(&record).expect("JSON"));
    let closed = IncidentEntry {
        seq: 1,
        change: IncidentChange::Closed,
        at: at("2026-01-05T12:46:42.500Z"),
        prev: Some(Hash::of(b"opened")),
        chain: chain.next(),
        incident: &capacity,
    };
    assert_is("audit-entry.incident-closed.json", &written(|out| write_incident(out, &closed)));
}

#[test]
fn signals_are_the_examples_and_a_gate_reads_them() {
    let policy_hash = "ab".repeat(32);
    let threshold = Threshold { policy_hash: policy_hash.clone(), threshold: 0.9128, rate: 0.1, at_event: 5_200 };
    assert_is("signal.threshold.json", &serde_json::to_vec(&threshold).expect("JSON"));
    let calibration = Recalibration { policy_hash, at_event: 5_200, scores: vec![2.5, 3.25, 9.75] };
    assert_is("signal.calibration.json", &serde_json::to_vec(&calibration).expect("JSON"));
    let mut view = SignalsView::default();
    for (key, name) in [
        ("threshold/adult-income", "signal.threshold.json"),
        ("calibration/adult-income", "signal.calibration.json"),
        ("incident/5c0ffee05c0ffee0", "signal.incident.json"),
    ] {
        view.apply(key, Some(example(name).as_bytes())).expect("a signal");
    }
    let signals = view.of("adult-income").expect("it is known");
    assert_eq!((signals.threshold.as_ref(), signals.incidents.len()), (Some(&threshold), 0));
}

#[test]
fn tallies_are_the_examples() {
    let released = EventTally {
        event: EventHash([1; 8]),
        vector: 7,
        held: false,
        mandatory: false,
        flagged: false,
        favourable: Some(true),
        score: Some(2.5),
        priority: 0.25,
        levels: &[0, 4, 1],
        bins: &[2, 0],
    };
    let held = EventTally {
        event: EventHash([2; 8]),
        vector: 9,
        held: true,
        favourable: Some(false),
        score: None,
        priority: 0.75,
        levels: &[1, 255, 3],
        bins: &[5, 1],
        ..released
    };
    let mut writer = TallyWriter::default();
    for event in [released, held] {
        writer.add(&event);
    }
    let of =
        TallyOf { policy: "adult-income", policy_hash: Hash([0xab; 32]), source: "inference", partition: 3, first_offset: 41 };
    assert_is("tally.decisions.json", &written(|out| writer.write(of, out)));
    let event = EventHash([0xc5, 0xd0, 0xb9, 0xc9, 0xff, 0x0c, 0x9a, 0x8e]);
    let outcome = Outcome { event, truth: Truth::Label(">50K".to_owned()) };
    assert_is("tally.outcome.json", &written(|out| outcome.write(out)));
    let read = TallyRecord::read(example("tally.outcome.json").as_bytes());
    assert_eq!(read, Ok(TallyRecord::Outcome(outcome)));
}
