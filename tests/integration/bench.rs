//! `jidoka bench` against a real broker: that it measures at all. How fast anything is, it says itself.

use std::process::Command;
use std::time::Duration;

use jidoka::stream::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::Value;

use crate::kafka;

fn topics(bootstrap: &str) -> Vec<String> {
    let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("good settings");
    let metadata = consumer.fetch_metadata(None, Duration::from_secs(10)).expect("the broker answers");
    metadata.topics().iter().map(|topic| topic.name().to_owned()).collect()
}

#[test]
fn reviews_are_measured_and_nothing_of_it_stays() {
    if !kafka::required() {
        return;
    }
    let bootstrap = kafka::shared().bootstrap();
    let arguments = "bench --reviews 200 --rounds 1 --seconds 1 --partitions 3 --workers 1 --output json --bootstrap";
    let mut command = Command::new(env!("CARGO_BIN_EXE_jidoka"));
    let ended = command.args(arguments.split(' ')).arg(bootstrap).output().expect("it can be started");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
    let results: Value = serde_json::from_slice(&ended.stdout).expect("JSON");
    assert_eq!(results["cases"], 200);
    assert_eq!(results["restore_records"], 200.0);
    for member in ["copy_p50_ms", "sidecar_p50_ms", "sidecar_p99_ms", "restore_seconds", "restore_bytes", "event_bytes_per_case"]
    {
        assert!(results[member].as_f64().is_some_and(|value| value >= 0.0), "{member} in {results}");
    }
    let prefix = said.split_whitespace().find(|word| word.starts_with("bench-")).and_then(|topic| topic.split_once('.'));
    let (prefix, _) = prefix.expect("it says what it fills");
    let left: Vec<String> = topics(bootstrap).into_iter().filter(|topic| topic.starts_with(prefix)).collect();
    assert!(left.is_empty(), "{left:?}");
}
