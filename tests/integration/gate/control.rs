//! What operators order takes effect on running gates, and silence holds everything.

use serde_json::{Value, json};

use super::admin::Admin;
use super::process::Gate;
use super::stage::{Stage, await_that, end, entry, event, findings};
use crate::kafka;

/// Produces until a decision is as `wanted`: an order takes effect about a second after it was given. Then one more, which
/// must be like it; that one's entry.
fn decided_as(stage: &Stage, gate: &mut Gate, wanted: impl Fn(&Value) -> bool) -> Value {
    let decide = |gate: &mut Gate| {
        let offset = stage.produce(0, event(&kafka::unique("event"), 0.9));
        let entries = stage.await_decided(gate, usize::try_from(offset + 1).expect("few"));
        entry(&entries, 0, offset).clone()
    };
    let give_up = std::time::Instant::now() + super::process::PATIENCE;
    loop {
        let decided = decide(gate);
        if wanted(&decided) {
            break;
        }
        assert!(std::time::Instant::now() < give_up, "still {decided:#}");
    }
    let next = decide(gate);
    assert!(wanted(&next), "{next:#}");
    next
}

fn is(outcome: &'static str) -> impl Fn(&Value) -> bool {
    move |entry| entry["outcome"] == outcome
}

#[test]
fn hold_and_rules_only_are_ordered_and_taken_back() {
    if !kafka::required() {
        return;
    }
    let stage = Stage::new(kafka::shared(), 1, "earliest");
    let mut gate = stage.ready();
    decided_as(&stage, &mut gate, is("RELEASED"));

    stage.control(&["stop", "--mode", "hold"]);
    let held = decided_as(&stage, &mut gate, is("HELD"));
    assert_eq!((findings(&held), &held["basis"]["control"]), (vec!["stopped"], &json!("hold")));
    // What was ordered outlives the process.
    end(gate);
    let mut gate = stage.ready();
    let held = decided_as(&stage, &mut gate, is("HELD"));
    assert_eq!(findings(&held), ["stopped"]);

    stage.control(&["stop", "--mode", "rules-only"]);
    let released = decided_as(&stage, &mut gate, is("RELEASED"));
    assert_eq!(released["basis"]["control"], "rules-only");

    stage.control(&["stop", "--mode", "normal"]);
    decided_as(&stage, &mut gate, |entry| entry["outcome"] == "RELEASED" && entry["basis"]["control"] == "normal");
}

#[test]
fn one_policy_is_held_and_another_is_not() {
    if !kafka::required() {
        return;
    }
    let stage = Stage::new(kafka::shared(), 1, "earliest");
    stage.policy("cards.yaml", "policy: cards\nmatch: { model: cards }\ntriggers:\n  - id: unsure\n    confidence: { measure: top_probability, below: 0.5 }\n");
    let mut gate = stage.ready();
    stage.control(&["stop", "--policy", "loans", "--mode", "hold"]);
    let held = decided_as(&stage, &mut gate, is("HELD"));
    assert_eq!((findings(&held), &held["policy"]["name"]), (vec!["stopped"], &json!("loans")));
    let offset = stage.produce(0, r#"{"event_id":"card","model":{"name":"cards"},"confidence":0.9}"#);
    let entries = stage.await_decided(&mut gate, usize::try_from(offset + 1).expect("few"));
    let card = entry(&entries, 0, offset);
    assert_eq!((&card["outcome"], &card["basis"]["control"]), (&json!("RELEASED"), &json!("normal")));
}

/// Halted gates read nothing, however they are restarted, and afterwards nothing is missing.
#[test]
fn halt_reads_nothing_and_loses_nothing() {
    const COUNT: usize = 3_000;
    if !kafka::required() {
        return;
    }
    let stage = Stage::new(kafka::shared(), 3, "earliest").with("gate: { batch: { max_records: 50 } }");
    let mut gate = stage.ready();
    let events: Vec<String> = (0..COUNT).map(|number| event(&number.to_string(), 0.9)).collect();
    let values: Vec<Option<&[u8]>> = events.iter().map(|event| Some(event.as_bytes())).collect();
    std::thread::scope(|scope| {
        let play = |partition| {
            for some in values.chunks(100) {
                stage.write((&stage.input, partition), None, some, &[]);
            }
        };
        scope.spawn(move || play(0));
        scope.spawn(move || play(1));
        // In mid-load.
        stage.control(&["stop", "--mode", "halt"]);
    });
    let resting = await_that(&mut gate, "the gate to halt", |_| {
        let before = stage.read("audit").len();
        std::thread::sleep(std::time::Duration::from_secs(2));
        (stage.read("audit").len() == before).then_some(before)
    });
    end(gate);
    // Partitions that are assigned while everything is halted are not read either.
    let mut gate = stage.ready();
    stage.write((&stage.input, 2), None, &values[..10], &[]);
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(stage.read("audit").len(), resting);

    stage.control(&["stop", "--mode", "normal"]);
    stage.installation().await_decided(&mut [&mut gate]);
    let books = stage.assert_sound();
    assert_eq!(books.audit.len(), 2 * COUNT + 10);
    assert!(books.cases.is_empty(), "nothing was held by the halt");
}

/// The control topic is taken away under a running gate: after `control.max_age` nothing is released any more, until it is
/// there again.
#[test]
fn silence_of_control_holds_everything() {
    if !kafka::required() {
        return;
    }
    let stage = Stage::new(kafka::shared(), 1, "earliest").with("control: { max_age: 5s }");
    let mut gate = stage.ready();
    decided_as(&stage, &mut gate, is("RELEASED"));
    Admin::of(&stage).delete(&stage.topic("control"));
    let held = decided_as(&stage, &mut gate, is("HELD"));
    assert_eq!((findings(&held), &held["basis"]["control"]), (vec!["control-unreadable"], &json!("unreadable")));
    assert!(gate.metric("jidoka_control_age_seconds", "") > 5.0);
    stage.apply();
    decided_as(&stage, &mut gate, is("RELEASED"));
}

/// Operators activated a file that this gate does not have.
#[test]
fn another_file_of_the_policy_is_not_obeyed() {
    if !kafka::required() {
        return;
    }
    let stage = Stage::new(kafka::shared(), 1, "earliest");
    let mut gate = stage.ready();
    let released = decided_as(&stage, &mut gate, is("RELEASED"));
    let activate = |hash: &str| {
        let value = json!({ "hash": hash }).to_string();
        stage.write((&stage.topic("control"), 0), Some("policy/loans"), &[Some(value.as_bytes())], &[]);
    };
    activate(&"ab".repeat(32));
    let held = decided_as(&stage, &mut gate, is("HELD"));
    assert_eq!(findings(&held), ["policy-missing"]);
    activate(released["policy"]["hash"].as_str().expect("a hash"));
    decided_as(&stage, &mut gate, is("RELEASED"));
    // An order that cannot be read is taken to the safe side.
    stage.write((&stage.topic("control"), 0), Some("stop/global"), &[Some(b"{\"mode\":\"norml\"}")], &[]);
    let held = decided_as(&stage, &mut gate, is("HELD"));
    assert_eq!(findings(&held), ["stopped"]);
}
