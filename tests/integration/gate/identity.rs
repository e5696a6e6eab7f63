//! Identity in time: what is the same event, which log was decided, and where a gate goes on.

use std::time::{SystemTime, UNIX_EPOCH};

use jidoka::identity::Timestamp;
use serde_json::{Value, json};

use super::admin::Admin;
use super::books::{Isolation, read_topic};
use super::stage::{Stage, await_reason, end, entry, event, eventually, findings, json, sentence};
use crate::kafka;

#[test]
fn the_window_outlives_a_restart() {
    if !kafka::required() {
        return;
    }
    let stage = Stage::new(kafka::shared(), 1, "earliest").with("gate: { dedup: { window: 6 } }");
    let mut gate = stage.ready();
    stage.produce(0, event("a", 0.9)); // 0
    stage.produce(0, event("b", 0.9)); // 1
    stage.await_decided(&mut gate, 2);
    end(gate);

    let mut gate = stage.ready();
    stage.produce(0, event("a", 0.9)); // 2: the same bytes
    stage.produce(0, event("b", 0.8)); // 3: other bytes
    stage.await_decided(&mut gate, 4);
    end(gate);

    let mut gate = stage.ready();
    stage.produce(0, event("a", 0.7)); // 4: other bytes than the duplicate's
    for number in 5..9 {
        stage.produce(0, event(&number.to_string(), 0.9));
    }
    stage.produce(0, event("b", 0.8)); // 9: six offsets after 3
    stage.produce(0, event("a", 0.7)); // 10: six offsets after 4
    let entries = stage.await_decided(&mut gate, 11);
    end(gate);

    let at = |offset: i64| entry(&entries, 0, offset);
    let id = |offset: i64| at(offset)["decision_id"].clone();
    assert_eq!((&at(2)["kind"], &at(2)["of"]), (&json!("DUPLICATE"), &id(0)));
    for (offset, previous) in [(3, 1), (4, 2)] {
        let entry = at(offset);
        assert_eq!((&entry["outcome"], &entry["conflicts_with"]), (&json!("HELD"), &id(previous)), "{entry:#}");
        assert_eq!(findings(entry), ["conflicting-duplicate"]);
    }
    for offset in [9, 10] {
        let entry = at(offset);
        assert_eq!((&entry["outcome"], &entry["conflicts_with"]), (&json!("RELEASED"), &Value::Null), "beyond the window");
    }
    let dispositions = stage.read("dispositions");
    assert_eq!(dispositions.len(), 10, "a duplicate has no disposition");
    let conflicting = dispositions.iter().find(|record| id(4) == record.key_text().as_str()).expect("a disposition");
    assert_eq!(json(conflicting)["conflicts_with"], id(2));
}

/// `latest` skips what was there before the very first start, says so, and never skips again.
#[test]
fn what_latest_skips_is_a_gap_and_skipped_once() {
    if !kafka::required() {
        return;
    }
    let stage = Stage::new(kafka::shared(), 1, "latest").with_kafka(&[("topic.metadata.refresh.interval.ms", "1000")]);
    stage.produce(0, event("skipped", 0.9)); // 0
    stage.produce(0, event("skipped too", 0.9)); // 1
    // No record comes before the restart, and one while nobody reads.
    end(stage.ready());
    stage.produce(0, event("while away", 0.9)); // 2
    let mut gate = stage.ready();
    stage.produce(0, event("after", 0.9)); // 3
    let entries = stage.await_decided(&mut gate, 2);

    assert_gaps(&entries, &[(0, 0, 1, "start")]);
    assert_eq!(entries[0]["actor"], json!({ "type": "system", "id": "gate" }));
    for offset in [2, 3] {
        assert_eq!(entry(&entries, 0, offset)["outcome"], "RELEASED");
    }
    // A partition that is added later was never skipped: it begins at its beginning, whenever the gate hears of it.
    Admin::of(&stage).grow(&stage.input, 2);
    stage.produce(1, event("in the new partition", 0.9));
    let entries = stage.await_decided(&mut gate, 3);
    assert_eq!(entry(&entries, 1, 0)["outcome"], "RELEASED");
    assert_gaps(&entries, &[(0, 0, 1, "start")]);
}

/// Static members that come back get their old partitions without a rebalance, so nobody would be given a partition that was
/// added meanwhile.
#[test]
fn a_partition_that_was_added_while_the_gate_was_down_is_read() {
    if !kafka::required() {
        return;
    }
    let stage = Stage::new(kafka::shared(), 1, "earliest");
    stage.produce(0, event("before", 0.9));
    let mut gate = stage.ready();
    stage.await_decided(&mut gate, 1);
    assert!(gate.terminate().success());
    Admin::of(&stage).grow(&stage.input, 2);
    let mut gate = stage.ready();
    stage.produce(1, event("in the new partition", 0.9));
    let entries = stage.await_decided(&mut gate, 2);
    assert_eq!(entry(&entries, 1, 0)["outcome"], "RELEASED");
}

#[test]
fn a_time_to_start_at_skips_what_is_older() {
    if !kafka::required() {
        return;
    }
    let mut stage = Stage::new(kafka::shared(), 2, "earliest");
    let appended = |offset: usize| {
        let records = read_topic(stage.bootstrap(), &stage.input, Isolation::Committed);
        records[offset].time_ms.expect("the broker stores times")
    };
    stage.produce(0, event("old", 0.9));
    let old = appended(0);
    eventually("the clock to go on", || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is past 1970");
        (now.as_millis() > u128::try_from(old + 5).expect("past 1970")).then_some(())
    });
    stage.produce(0, event("new", 0.9));
    let input = stage.input.clone();
    let start = Timestamp(old + 1).rfc3339();
    let start = String::from_utf8_lossy(&start).into_owned();
    stage.set_sources(&[("inference", &input, &start)]);
    let mut gate = stage.ready();
    let entries = stage.await_decided(&mut gate, 1);
    assert_eq!(entry(&entries, 0, 1)["event_id"], "new");
    assert_gaps(&entries, &[(0, 0, 0, "start")]);
}

/// Records are deleted beyond what was decided: the partition waits for a person, the others go on, and the command that
/// `/readyz` names is the one that helps.
#[test]
fn lost_records_wait_for_a_person() {
    if !kafka::required() {
        return;
    }
    let stage = Stage::new(kafka::shared(), 2, "earliest");
    let mut gate = stage.ready();
    stage.produce(0, event("decided", 0.9)); // 0
    stage.await_decided(&mut gate, 1);
    end(gate);
    for id in ["lost 1", "lost 2", "lost 3"] {
        stage.produce(0, event(id, 0.9)); // 1, 2, 3
    }
    stage.produce(0, event("kept", 0.9)); // 4
    Admin::of(&stage).delete_before(&stage.input, 0, 4);

    let mut gate = stage.start(0);
    let reason = await_reason(&mut gate, "jidoka control accept-gap");
    assert!(reason.contains("begins at offset 4") && reason.contains("3 records were lost"), "{reason}");
    stage.produce(1, event("elsewhere", 0.9));
    let entries = stage.await_decided(&mut gate, 2);
    assert_eq!(entry(&entries, 1, 0)["outcome"], "RELEASED");
    assert_eq!(gate.metric("jidoka_partitions_waiting", "gate").to_string(), "1");

    let command = reason.split_once(": jidoka ").expect("the command stands behind a colon").1;
    let arguments: Vec<&str> = command.split(' ').collect();
    stage.run_to_end(&arguments);
    let entries = stage.await_decided(&mut gate, 3);
    assert_eq!(entry(&entries, 0, 4)["event_id"], "kept");
    assert_gaps(&entries, &[(0, 1, 3, "lost")]);
    let gap = entries.iter().find(|entry| entry["kind"] == "GAP").expect("a gap");
    assert_eq!(gap["actor"], json!({ "type": "operator", "id": "WHO" }));
    gate.await_ready();
    assert_eq!(gate.metric("jidoka_partitions_waiting", "gate").to_string(), "0");
}

/// GAP entries as partition, first and last offset, and cause.
fn assert_gaps(entries: &[Value], expected: &[(i64, i64, i64, &str)]) {
    let number = |value: &Value| value.as_i64().expect("a number");
    let gaps: Vec<(i64, i64, i64, &str)> = entries
        .iter()
        .filter(|entry| entry["kind"] == "GAP")
        .map(|entry| {
            let input = &entry["input"];
            let cause = entry["cause"].as_str().expect("a word");
            (number(&input["partition"]), number(&input["first_offset"]), number(&input["last_offset"]), cause)
        })
        .collect();
    assert_eq!(gaps, expected);
}

/// A topic of the same name with other records, fewer or more, is never read on as if it were the old one.
#[test]
fn a_topic_made_anew_needs_a_new_source_name() {
    if !kafka::required() {
        return;
    }
    for records in [1, 5] {
        let mut stage = Stage::new(kafka::shared(), 1, "earliest");
        let input = stage.input.clone();
        let mut gate = stage.ready();
        for id in ["a", "b", "c"] {
            stage.produce(0, event(id, 0.9));
        }
        stage.await_decided(&mut gate, 3);
        end(gate);
        Admin::of(&stage).delete(&input);
        Admin::of(&stage).create(&input, 1, &[]);
        for number in 0..records {
            stage.produce(0, event(&format!("other {number}"), 0.9));
        }
        let (code, said) = sentence(&mut stage.start(0));
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("The topic was re-created") && said.contains("Give the source a new `name`"), "{said}");
        assert_eq!(stage.audit().len(), 3);

        stage.set_sources(&[("second-life", &input, "earliest")]);
        let mut gate = stage.ready();
        let entries = stage.await_decided(&mut gate, 3 + records);
        let new = entries.iter().filter(|entry| entry["source"] == "second-life");
        assert_eq!(new.map(|entry| entry["outcome"].clone()).collect::<Vec<_>>(), vec![json!("RELEASED"); records]);
    }
}

/// The same while the gate runs.
#[test]
fn a_topic_made_anew_under_a_running_gate_stops_it() {
    if !kafka::required() {
        return;
    }
    let stage = Stage::new(kafka::shared(), 1, "earliest");
    let mut gate = stage.ready();
    for id in ["a", "b", "c"] {
        stage.produce(0, event(id, 0.9));
    }
    stage.await_decided(&mut gate, 3);
    Admin::of(&stage).delete(&stage.input);
    Admin::of(&stage).create(&stage.input, 1, &[]);
    for number in 0..5 {
        stage.produce(0, event(&format!("other {number}"), 0.9));
    }
    let (code, said) = sentence(&mut gate);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("The topic was re-created"), "{said}");
    assert_eq!(stage.audit().len(), 3);
}

#[test]
fn lost_progress_is_never_made_up() {
    if !kafka::required() {
        return;
    }
    let mut stage = Stage::new(kafka::shared(), 1, "earliest");
    let (input, progress) = (stage.input.clone(), stage.topic("progress"));
    let mut gate = stage.ready();
    stage.produce(0, event("a", 0.9));
    stage.await_decided(&mut gate, 1);
    end(gate);
    Admin::of(&stage).delete(&progress);
    stage.apply();
    let (code, said) = sentence(&mut stage.start(0));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.starts_with("progress-lost: the group has committed offset 1 of") && said.contains("new `name`"), "{said}");
    assert_eq!(stage.audit().len(), 1);

    stage.set_sources(&[("again", &input, "earliest")]);
    let mut gate = stage.ready();
    stage.await_decided(&mut gate, 2);
}

#[test]
fn one_process_reads_several_sources() {
    if !kafka::required() {
        return;
    }
    let mut stage = Stage::new(kafka::shared(), 2, "earliest");
    let (first, second) = (stage.input.clone(), stage.topic("cards"));
    kafka::shared().create_topic(&second, 1, &[]);
    stage.set_sources(&[("inference", &first, "earliest"), ("cards", &second, "earliest")]);
    stage.policy("cards.yaml", "policy: cards\nmatch: { source: cards, model: loans }\ntriggers:\n  - id: strict\n    confidence: { measure: top_probability, below: 0.95 }\n");
    let mut gate = stage.ready();
    stage.produce(1, event("same id", 0.9));
    stage.write((&second, 0), None, &[Some(event("same id", 0.9).as_bytes())], &[]);
    let entries = stage.await_decided(&mut gate, 2);
    let of = |source: &str| entries.iter().find(|entry| entry["source"] == source).expect("an entry").clone();
    let (loans, cards) = (of("inference"), of("cards"));
    assert_eq!(
        (&loans["outcome"], &loans["policy"]["name"], &loans["chain"]["id"]),
        (&json!("RELEASED"), &json!("loans"), &json!("gate/inference/1"))
    );
    assert_eq!(
        (&cards["outcome"], &cards["policy"]["name"], &cards["chain"]["id"]),
        (&json!("HELD"), &json!("cards"), &json!("gate/cards/0"))
    );
    assert_eq!(findings(&cards), ["strict"]);
    assert_ne!(loans["decision_id"], cards["decision_id"]);
}
