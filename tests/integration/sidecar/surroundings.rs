//! What a sidecar looks at besides its verdicts: cases that an open transaction hides, and an archive that grows old.

use std::time::Duration;

use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::json;

use super::office::{ANN, BOB, Office};
use crate::gate::process::PATIENCE;
use crate::gate::stage::{end, eventually};
use crate::kafka;

/// Long enough for a sidecar that does not wait to have refused.
const LONGER_THAN_A_TURN: Duration = Duration::from_secs(3);

/// A command whose case may be hidden by an open transaction is no command for an unknown case: the lane waits, in order.
#[test]
fn a_lane_waits_for_a_case_that_an_open_transaction_hides() {
    if !kafka::required() {
        return;
    }
    let mut office = Office::new();
    let process = office.ready_as("gate,sidecar", 0);
    let id = office.hold("loans");
    let cases = office.topic("cases");
    let opening =
        office.read("cases").into_iter().find(|record| record.key_text() == format!("{id}/opened")).expect("its opening");
    // Another decision of the same lane, with the same case.
    let hidden = format!("{}{}", &id[..4], "5".repeat(28));
    let (key, value) = (format!("{hidden}/opened"), String::from_utf8_lossy(opening.bytes()).replace(&id, &hidden));
    let mut config = office.client();
    let producer: BaseProducer = config.set("transactional.id", kafka::unique("hides")).create().expect("the settings are sound");
    producer.init_transactions(PATIENCE).expect("the coordinator answers");
    producer.begin_transaction().expect("it can begin");
    let record = BaseRecord::to(&cases).partition(opening.partition).key(&key).payload(&value);
    producer.send(record).map_err(|(error, _)| error).expect("the queue takes it");
    producer.flush(PATIENCE).expect("the broker takes it");

    let claim = office.command(&hidden, "claim", ANN, &json!({}));
    office.send(&claim);
    let behind = office.command(&id, "claim", BOB, &json!({}));
    office.send(&behind);
    std::thread::sleep(LONGER_THAN_A_TURN);
    assert!(office.entries().is_empty(), "neither is answered before it is known: {:?}", office.entries());
    producer.commit_transaction(PATIENCE).expect("it can be committed");
    assert_eq!(office.await_applied(&claim)["assignee"], claim["reviewer"]["id"]);
    office.await_applied(&behind);
    let kinds: Vec<_> = office.entries().iter().map(|entry| (entry["decision_id"].clone(), entry["kind"].clone())).collect();
    assert_eq!(kinds, [(json!(hidden), json!("CLAIMED")), (json!(id), json!("CLAIMED"))]);
    end(process);
}

/// What was closed longer ago than `archive.keep` goes from the archive, and nothing else does.
#[test]
fn the_archive_keeps_cases_for_as_long_as_it_is_told() {
    if !kafka::required() {
        return;
    }
    let office = Office::new();
    let archive = office.topic("archive");
    let (old, young) = (format!("0000{}", "1".repeat(28)), format!("0000{}", "2".repeat(28)));
    for (id, closed_at) in [(&old, "2020-01-01T00:00:00.000Z"), (&young, "2199-01-01T00:00:00.000Z")] {
        let value = json!({ "decision_id": id, "closed_at": closed_at }).to_string();
        office.write((&archive, 0), Some(id), &[Some(value.as_bytes())], &[]);
    }
    let process = office.ready_as("gate,sidecar", 0);
    eventually("the old case to go", || {
        office.read("archive").iter().any(|record| record.key_text() == old && record.value.is_none()).then_some(())
    });
    assert!(office.read("archive").iter().all(|record| record.key_text() != young || record.value.is_some()));
    end(process);
}
