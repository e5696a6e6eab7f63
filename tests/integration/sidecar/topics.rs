//! What operators and Kafka itself do to topics: offsets reset, the feed deleted, logs compacted, verdicts lost.

use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};

use super::office::{ANN, BOB, LANES, Office, kinds};
use super::oracle::{Feed, measure};
use crate::gate::admin::Admin;
use crate::gate::books::{Isolation, Record, asker, committed};
use crate::gate::process::Gate;
use crate::gate::stage::{await_that, end, eventually, sentence};
use crate::kafka;

/// Commits offset 0 for the sidecars' group. Refused while it has members.
fn reset(office: &Office) -> rdkafka::error::KafkaResult<()> {
    let consumer = asker(office.bootstrap(), &office.topic("sidecar"), Isolation::Committed);
    let mut list = TopicPartitionList::new();
    for lane in 0..LANES {
        list.add_partition_offset(&office.terms.verdicts, lane, Offset::Offset(0))?;
    }
    consumer.commit(&list, CommitMode::Sync)
}

/// Deletes the sidecars' group. Refused while it has members.
fn delete(office: &Office) -> bool {
    let admin: AdminClient<_> = office.client().create().expect("the settings are sound");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime of one thread needs nothing");
    let group = office.topic("sidecar");
    let results = runtime.block_on(admin.delete_groups(&[&group], &AdminOptions::new()));
    results.is_ok_and(|results| results.iter().all(Result::is_ok))
}

/// `progress` says where to go on, and not the group: neither a reset nor the loss of its offsets applies anything again.
#[test]
fn reset_and_deleted_offsets_apply_nothing_again() {
    const SOON: [(&str, &str); 2] = [("JIDOKA__SESSION__TIMEOUT", "6s"), ("JIDOKA__TRANSACTION__TIMEOUT", "5s")];
    if !kafka::required() {
        return;
    }
    let mut office = Office::new();
    let start = |office: &Office| {
        let mut process = office.start_as("gate,sidecar", 0, &SOON);
        process.await_ready();
        process
    };
    let stop = |office: &Office, mut process: Gate| {
        office.settle(&mut [&mut process]);
        end(process);
    };
    let process = start(&office);
    let id = office.hold("pairs");
    office.applied(&id, "claim", ANN, &json!({}));
    // A refusal, which is judged anew wherever it comes again: it must not.
    assert_eq!(office.refused(&id, "claim", BOB, &json!({})), "illegal-transition");
    stop(&office, process);
    eventually("the group to be empty, and its offsets reset", || reset(&office).ok());
    let process = start(&office);
    office.applied(&id, "approve", ANN, &json!({}));
    stop(&office, process);
    eventually("the group to be empty, and deleted", || delete(&office).then_some(()));
    assert_eq!(committed(office.bootstrap(), &office.topic("sidecar"), &office.terms.verdicts).len(), 0);
    let process = start(&office);
    office.applied(&id, "approve", BOB, &json!({}));
    stop(&office, process);
    let books = office.assert_sound();
    assert_eq!(kinds(&books, &id), ["DECIDED", "CLAIMED", "VOTED", "APPROVED"]);
    assert_eq!(office.entries().len(), 4);
}

/// The feed is no truth: when it is deleted and made anew, every case is still there to be decided.
#[test]
fn a_deleted_feed_loses_no_case() {
    if !kafka::required() {
        return;
    }
    let mut office = Office::new();
    let process = office.ready_as("gate,sidecar", 0);
    let ids: Vec<String> = (0..3).map(|partition| office.hold_in("loans", partition)).collect();
    office.applied(&ids[0], "claim", ANN, &json!({}));
    end(process);
    Admin::of(&office).delete(&office.topic("reviews"));
    office.apply();
    office.terms.reviews = Feed::Lost;
    let mut process = office.ready_as("gate,sidecar", 0);
    for id in &ids {
        office.applied(id, "approve", ANN, &json!({}));
    }
    let fresh = office.hold("loans");
    office.applied(&fresh, "escalate", BOB, &json!({}));
    office.settle(&mut [&mut process]);
    let books = office.books();
    office.assert_applied(&books);
    assert_eq!((books.archive.len(), books.reviews.len()), (3, 2));
}

/// The log cleaner runs for real: what it leaves is enough to go on, and every trail is still whole.
#[test]
fn compacted_topics_keep_every_trail_and_every_case() {
    const TOPICS: [&str; 4] = ["audit", "cases", "dispositions", "progress"];
    if !kafka::required() {
        return;
    }
    let mut office = Office::new();
    let mut process = office.ready_as("gate,sidecar", 0);
    let ids: Vec<String> = (0..6).map(|number| office.hold_in("pairs", number % LANES)).collect();
    let work =
        |office: &mut Office, action: &str, who| ids.iter().for_each(|id| drop(office.applied(id, action, who, &json!({}))));
    work(&mut office, "claim", ANN);
    work(&mut office, "comment", ANN);
    office.settle(&mut [&mut process]);
    let before = office.assert_sound();
    end(process);

    let admin = Admin::of(&office);
    for topic in TOPICS {
        let topic = office.topic(topic);
        let settings = [
            ("min.compaction.lag.ms", "0"),
            ("min.cleanable.dirty.ratio", "0.001"),
            ("max.compaction.lag.ms", "1000"),
            ("segment.ms", "200"),
        ];
        for (key, value) in settings {
            admin.set(&topic, key, value);
        }
    }
    // A segment is closed by a record that comes later.
    let mut process = office.ready_as("gate,sidecar", 0);
    work(&mut office, "approve", ANN);
    eventually("the log to be compacted", || {
        office.applied(&ids[0], "comment", BOB, &json!({}));
        let kept = office.read("cases");
        let is_early = |record: &&Record| record.key_text() == ids[1] && value(record)["seq"] == 1;
        (!kept.iter().any(|record| is_early(&record))).then_some(())
    });
    process.kill();

    let mut process = office.ready_as("gate,sidecar", 0);
    work(&mut office, "approve", BOB);
    office.settle(&mut [&mut process]);
    let books = office.books();
    office.assert_applied(&books);
    assert!(before.audit.iter().all(|entry| books.audit.contains(entry)), "an entry is gone or was changed");
    assert_eq!(books.archive.len(), ids.len());
}

fn value(record: &Record) -> Value {
    serde_json::from_slice(record.bytes()).unwrap_or_default()
}

/// Verdicts are deleted before they were read: the lane waits and says with which command to go on, and the loss is recorded.
#[test]
fn lost_verdicts_are_waited_for_and_recorded_when_accepted() {
    if !kafka::required() {
        return;
    }
    let mut office = Office::new();
    let process = office.ready_as("gate,sidecar", 0);
    let id = office.hold("loans");
    let lane = measure::lane(&id, office.terms.lanes).expect("an id");
    office.applied(&id, "claim", ANN, &json!({}));
    office.settle(&mut []);
    end(process);
    let kept = office.books().verdicts;
    for _ in 0..3 {
        let lost = office.command(&id, "comment", ANN, &json!({}));
        office.send(&lost);
    }
    let end_of_log = office.extent(&office.terms.verdicts, lane).1;
    Admin::of(&office).delete_before(&office.terms.verdicts, lane, end_of_log);

    let mut process = office.start_as("gate,sidecar", 0, &[]);
    let told = await_that(&mut process, "the command that accepts the loss", |process| {
        let readiness = process.readiness()?;
        let reasons = readiness["reasons"].as_array()?.iter().filter_map(|reason| reason["why"].as_str());
        reasons.chain([process.log().as_str()]).find(|why| why.contains("accept-gap")).map(str::to_owned)
    });
    let words: Vec<&str> = told.split("accept-gap").nth(1).expect("it is there").split([' ', '\n', '"', '`', '\'']).collect();
    let argument =
        |name: &str| words[words.iter().position(|word| *word == name).unwrap_or_else(|| panic!("{name}: {told}")) + 1];
    let (source, partition, to) = (argument("--source"), argument("--partition"), argument("--to").trim_end_matches(['.', ',']));
    assert_eq!((partition, to), (lane.to_string().as_str(), end_of_log.to_string().as_str()));
    office.control(&["accept-gap", "--source", source, "--partition", partition, "--to", to]);
    process.await_ready();
    office.applied(&id, "approve", ANN, &json!({}));
    office.settle(&mut [&mut process]);
    let mut books = office.assert_sound_but_for(&kept);
    books.audit.retain(|record| record.key_text().starts_with("gap/"));
    assert_eq!(books.audit.len(), 1);
    assert_eq!(value(&books.audit[0])["actor"], json!({ "type": "operator", "id": "kim" }));
}

/// A record of `cases` that is none stops the sidecar with a sentence, until what belongs there is written under its key.
#[test]
fn a_foreign_record_among_the_cases_stops_it_until_it_is_set_right() {
    if !kafka::required() {
        return;
    }
    let mut office = Office::new();
    let mut process = office.ready_as("gate,sidecar", 0);
    let id = office.hold("loans");
    let cases = office.topic("cases");
    let opening =
        office.read("cases").into_iter().find(|record| record.key_text() == format!("{id}/opened")).expect("its opening");
    for key in [opening.key_text(), "nonsense".to_owned()] {
        office.write((&cases, opening.partition), Some(&key), &[Some(b"{}")], &[]);
    }
    let (code, said) = sentence(&mut process);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is no case") && said.contains("tombstone where there never was a case"), "{said}");
    office.write((&cases, opening.partition), Some(&opening.key_text()), &[Some(opening.bytes())], &[]);
    office.write((&cases, opening.partition), Some("nonsense"), &[None], &[]);
    let process = office.ready_as("gate,sidecar", 0);
    office.applied(&id, "approve", ANN, &json!({}));
    end(process);
}
