//! An incident's life: opened from tallies, told to gates, acknowledged by a named person.

use std::collections::BTreeMap;

use serde_json::json;

use super::ward::{Draws, Ward, event};
use crate::gate::stage::{await_that, end, findings};
use crate::kafka;

fn female() -> BTreeMap<String, String> {
    BTreeMap::from([("sex".to_owned(), "f".to_owned())])
}

#[test]
fn an_incident_is_opened_told_acknowledged_and_verified() {
    if !kafka::required() {
        return;
    }
    let (ward, mut draws) = (Ward::new(), Draws(2));
    ward.write_tallies(&mut draws, 0, 20, [0.5, 0.5]);
    ward.write_tallies(&mut draws, 1_000, 20, [0.1, 0.5]);
    ward.write_labels(0..900);
    // What nobody understands is counted and passed over.
    ward.write((&ward.topic("labels"), 0), None, &[Some(b"{"), None], &[]);
    ward.write((&ward.topic("tallies"), 0), None, &[Some(b"nonsense"), None], &[]);
    let mut monitor = ward.ready_as("monitor", 0);
    let opened = await_that(&mut monitor, "an incident", |_| ward.incidents("INCIDENT_OPENED").into_iter().next());
    assert_eq!((&opened.group, opened.about.as_str()), (&female(), "favourable-rate"));
    assert!((1_000..2_000).contains(&opened.at_event), "{opened:?}");
    let key = format!("incident/{}", opened.id);
    let signal = await_that(&mut monitor, "its signal", |_| ward.signals().get(&key).cloned().flatten());
    assert_eq!((&signal["state"], &signal["seq"]), (&json!("open"), &json!(0)));
    await_that(&mut monitor, "labels to be joined", |monitor| {
        let exposition = monitor.metrics();
        let joined = exposition.lines().find(|line| line.starts_with("jidoka_outcomes_total{result=\"joined\"}"))?.to_owned();
        (joined.ends_with(" 900") && exposition.contains("jidoka_outcomes_total{result=\"unreadable\"} 2")).then_some(())
    });
    let exposition = monitor.metrics();
    for line in [
        "jidoka_incidents_opened_total{kind=\"fairness\",policy=\"loans\"} 1",
        "jidoka_incidents_open{kind=\"fairness\",policy=\"loans\"} 1",
        "jidoka_monitor_events_total{policy=\"loans\"} 2000",
        "jidoka_monitor_skipped_total{reason=\"unreadable\"} 2",
        "jidoka_selection_rate_ratio{group=\"sex=f\",policy=\"loans\"}",
        "jidoka_capacity_threshold{policy=\"loans\"}",
    ] {
        assert!(exposition.contains(line), "{line}\n{exposition}");
    }
    // A restart does not tell it again, and an acknowledgement takes effect once, however often the monitor comes back.
    end(monitor);
    ward.control(&["acknowledge", "00000000000000ff"]);
    ward.control(&["acknowledge", &opened.id]);
    let mut monitor = ward.ready_as("monitor", 0);
    await_that(&mut monitor, "the acknowledgement", |_| (ward.entries().len() == 2).then_some(()));
    end(monitor);
    let mut monitor = ward.ready_as("monitor", 1);
    ward.write_tallies(&mut draws, 2_000, 10, [0.5, 0.5]);
    ward.settle(&mut [&mut monitor]);
    let entries = ward.entries();
    let [first, second] = &entries[..] else { panic!("{entries:#?}") };
    assert_eq!(
        (&second["kind"], &second["actor"]),
        (&json!("INCIDENT_ACKNOWLEDGED"), &json!({ "type": "operator", "id": "kim" }))
    );
    assert_eq!((&second["reason"], &second["baseline"]), (&json!("drill"), &json!("keep")));
    assert_eq!((&second["incident"], &second["seq"]), (&first["incident"], &json!(1)));
    let signal = ward.signals()[&key].clone().expect("it stays for a while");
    assert_eq!((&signal["state"], &signal["by"]), (&json!("acknowledged"), &json!("kim")));
    assert!(ward.signals()["state/loans"].is_some());
    end(monitor);
    ward.assert_verified();
}

#[test]
fn a_gate_holds_adverse_decisions_of_the_group_until_somebody_acknowledges_it() {
    if !kafka::required() {
        return;
    }
    let (ward, mut draws) = (Ward::new(), Draws(2));
    ward.write_tallies(&mut draws, 0, 20, [0.5, 0.5]);
    ward.write_tallies(&mut draws, 1_000, 20, [0.1, 0.5]);
    let mut process = ward.ready_as("gate,monitor,sidecar", 0);
    let id = await_that(&mut process, "an incident", |_| ward.incidents("INCIDENT_OPENED").into_iter().next()).id;
    let mut number = 100_000;
    let mut held_by = |process: &mut crate::gate::process::Gate, sex: &str, prediction: &str| {
        number += 1;
        let event_id = super::ward::event_id(number);
        ward.produce(0, event(number, sex, prediction));
        let entry =
            await_that(process, "a decision", |_| ward.audit().into_iter().find(|entry| entry["event_id"] == event_id.as_str()));
        findings(&entry).contains(&"subgroup-drop")
    };
    crate::gate::stage::eventually("the gate to know of it", || held_by(&mut process, "f", "no").then_some(()));
    assert!(!held_by(&mut process, "m", "no") && !held_by(&mut process, "f", "yes"));
    ward.control(&["acknowledge", &id]);
    crate::gate::stage::eventually("the gate to know that it is over", || (!held_by(&mut process, "f", "no")).then_some(()));
    end(process);
    ward.assert_verified();
}

#[test]
fn tallies_of_a_policy_that_is_not_loaded_are_told_of_and_do_not_count() {
    if !kafka::required() {
        return;
    }
    let (ward, mut draws) = (Ward::new(), Draws(3));
    ward.write_tallies(&mut draws, 0, 4, [0.5, 0.5]);
    ward.policy("loans.yaml", &super::ward::other_policy());
    let mut monitor = ward.ready_as("monitor", 0);
    await_that(&mut monitor, "them to be skipped", |monitor| {
        let exposition = monitor.metrics();
        exposition.contains("jidoka_monitor_skipped_total{reason=\"not-loaded\"} 200").then_some(())
    });
    let notes = monitor.readiness().expect("it answers")["notes"].to_string();
    assert!(notes.contains("not watched"), "{notes}");
    end(monitor);
    assert!(ward.entries().is_empty());
}
