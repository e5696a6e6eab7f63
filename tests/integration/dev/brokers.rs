//! `jidoka dev` on a Kafka that it starts, and on one that is there.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{count, dev, documents, ended};
use crate::kafka;

/// What is left in a folder for temporary files.
fn left_in(folder: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(folder).expect("it is there").flatten().map(|entry| entry.path()).collect()
}

#[test]
fn a_kafka_is_started_used_and_removed() {
    if !kafka::own_required() {
        return;
    }
    // Fetched with it, where nobody has yet.
    kafka::shared();
    let temporary = tempfile::tempdir().expect("a folder");
    let mut command = dev(&["--real", "--once", "200", "--rate", "200", "--output", "json"]);
    let output = command.env("TMPDIR", temporary.path()).output().expect("jidoka starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    let documents = documents(&output.stdout);
    let limits = documents[0]["limits"].as_str().expect("it says what it means");
    assert!(documents[0]["broker"].as_str().is_some_and(|broker| broker.starts_with("Apache Kafka")), "{}", documents[0]);
    assert!(limits.starts_with("exactly-once as in production"), "{limits}");
    let summary = documents.last().expect("a summary");
    assert_eq!((count(summary, "played"), count(summary, "decided")), (200, 200));
    let left = left_in(temporary.path());
    assert!(left.is_empty(), "the broker left {left:?}");
}

#[test]
fn a_started_kafka_dies_with_jidoka() {
    if !kafka::own_required() {
        return;
    }
    kafka::shared();
    let temporary = tempfile::tempdir().expect("a folder");
    let mut child = dev(&["--real", "--output", "json"]).env("TMPDIR", temporary.path()).spawn().expect("jidoka starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map(|line| line.expect("text"));
    let start = documents(lines.next().expect("it says what it starts").as_bytes());
    assert!(lines.any(|line| line.contains(r#""type":"held""#)), "it ended by itself");
    for step in [r#""type":"claimed""#, r#""type":"approved""#, r#""type":"rejected""#] {
        assert!(lines.any(|line| line.contains(step)), "nobody reviews: {step}");
    }
    assert!(!left_in(temporary.path()).is_empty());
    child.kill().and_then(|()| child.wait()).expect("it can be killed");
    let until = Instant::now() + Duration::from_secs(20);
    while !left_in(temporary.path()).is_empty() {
        assert!(Instant::now() < until, "the broker or its folder outlived jidoka");
        std::thread::sleep(Duration::from_millis(50));
    }
    let address = start[0]["bootstrap"].as_str().expect("an address");
    assert!(std::net::TcpStream::connect(address).is_err(), "the broker still listens");
}

#[test]
fn without_java_it_says_how_to_get_it() {
    if !kafka::own_required() {
        return;
    }
    kafka::shared();
    let output = dev(&["--real"]).env("JAVA_HOME", "/nowhere").output().expect("jidoka starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("Cannot start /nowhere/bin/java") && errors.contains("tests/setup"), "{errors}");
}

#[test]
fn a_kafka_of_yours_keeps_topics_of_its_own() {
    if !kafka::required() {
        return;
    }
    let bootstrap = kafka::shared().bootstrap();
    let once = ["--bootstrap", bootstrap, "--once", "100", "--rate", "200", "--output", "json"];
    let both = [dev(&once).spawn(), dev(&once).spawn()].map(|child| child.expect("jidoka starts"));
    let both = both.map(|child| documents(&ended(child).stdout));
    for documents in &both {
        let prefix = documents[0]["prefix"].as_str().expect("a prefix");
        let number = prefix.strip_prefix("jidoka-dev-").and_then(|rest| rest.strip_suffix('.'));
        assert!(number.is_some_and(|number| number.parse::<u32>().is_ok()), "{prefix}");
        let summary = documents.last().expect("a summary");
        assert_eq!((count(summary, "played"), count(summary, "decided")), (100, 100));
        let stays = summary["stays"].as_str().expect("it says what stays");
        assert!(stays.contains(prefix) && stays.contains("--delete --topic 'jidoka-dev-"), "{stays}");
    }
    assert_ne!(both[0][0]["prefix"], both[1][0]["prefix"]);
}

#[test]
fn nobody_there_and_too_fast_are_said() {
    let output = dev(&["--rate", "500"]).output().expect("jidoka starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && errors.contains("use --real"), "{errors}");
    let output = dev(&["--real", "--bootstrap", "localhost:9092"]).output().expect("jidoka starts");
    assert_eq!(output.status.code(), Some(2));
}
