//! `jidoka topics` against a real broker: what is created is as planned, what differs is found, and the command that a
//! finding names mends it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use jidoka::stream::ClientConfig;
use jidoka::stream::player::{Offer, Player};
use jidoka::stream::topics::{
    Finding, PlannedTopic, Severity, Topic, TopicLayout, TopicsContext, TopicsError, apply, check, partition_count,
    record_bytes_max,
};

use crate::kafka;

const PATIENCE: Duration = Duration::from_secs(30);

/// An installation of its own on `cluster`, with a source that exists.
fn installation(cluster: &kafka::Cluster) -> TopicsContext {
    let prefix = format!("{}.", kafka::unique("topics"));
    let source = format!("{prefix}inference");
    cluster.create_topic(&source, 2, &[]);
    TopicsContext {
        client: client(cluster.bootstrap()),
        layout: TopicLayout { prefix, replication: 1, ..TopicLayout::default() },
        sources: vec![source],
        references: Vec::new(),
        outcomes: Vec::new(),
        bootstrap: cluster.bootstrap().to_owned(),
        config_path: "jidoka.yaml".to_owned(),
    }
}

fn client(bootstrap: &str) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", bootstrap);
    client
}

fn all(context: &TopicsContext) -> Vec<Finding> {
    check(context, &Topic::ALL, PATIENCE).expect("the broker answers")
}

/// Asks until the answer is `expected`: brokers take a moment to tell each other.
fn eventually(context: &TopicsContext, expected: &[Finding]) {
    let give_up = Instant::now() + PATIENCE;
    while all(context) != expected {
        assert!(Instant::now() < give_up, "still {:?}", all(context));
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn what_is_applied_passes_the_check_and_is_applied_once() {
    if !kafka::required() {
        return;
    }
    let context = installation(kafka::shared());
    let before = all(&context);
    assert_eq!(before.len(), Topic::ALL.len());
    assert!(before.iter().all(|finding| finding.severity == Severity::Fatal && finding.command.contains("topics apply")));

    let applied = apply(&context, PATIENCE).expect("the broker answers");
    let names: Vec<_> = Topic::ALL.iter().map(|topic| topic.name(&context.layout)).collect();
    assert_eq!((applied.created, applied.findings), (names, Vec::new()));
    eventually(&context, &[]);

    let again = apply(&context, PATIENCE).expect("the broker answers");
    assert_eq!((again.created, again.findings), (Vec::new(), Vec::new()));
    assert_eq!(partition_count(&context.client, &Topic::Reviews.name(&context.layout), PATIENCE).expect("an answer"), Some(4));
    let limit = record_bytes_max(&context.client, &context.layout, &[Topic::Audit, Topic::Cases], PATIENCE).expect("an answer");
    assert!((1 << 20..=2 << 20).contains(&limit), "{limit}");
    let limit = record_bytes_max(&context.client, &context.layout, &[Topic::Cases], PATIENCE).expect("an answer");
    assert_eq!(limit, 2 << 20);
}

#[test]
fn looking_creates_nothing() {
    if !kafka::required() {
        return;
    }
    let mut context = installation(kafka::shared());
    context.sources.push(format!("{}absent", context.layout.prefix));
    for _ in 0..2 {
        assert_eq!(all(&context).len(), Topic::ALL.len() + 1);
        assert_eq!(partition_count(&context.client, &context.sources[1], PATIENCE).expect("an answer"), None);
    }
    let missing = record_bytes_max(&context.client, &context.layout, &[Topic::Audit], PATIENCE);
    assert!(matches!(missing, Err(TopicsError::Refused { .. })), "{missing:?}");
}

#[test]
fn more_copies_than_brokers_are_refused_with_a_sentence() {
    if !kafka::required() {
        return;
    }
    let mut context = installation(kafka::shared());
    context.layout.replication = 99;
    let applied = apply(&context, PATIENCE).expect("the broker answers");
    assert_eq!((applied.created.len(), applied.findings.len()), (0, Topic::ALL.len()));
    assert!(applied.findings[0].sentence.contains("99 copies need as many brokers, and "), "{}", applied.findings[0].sentence);
    assert!(applied.findings[0].command.starts_with("# in jidoka.yaml: topics: { replication: "));
}

/// The commands are run as they stand, by Kafka's own tools.
#[test]
fn the_command_of_a_finding_mends_it() {
    if !kafka::required() {
        return;
    }
    let Some(tools) = kafka_tools() else { return };
    let mut context = installation(kafka::shared());
    let source = format!("{}new", context.layout.prefix);
    context.sources.push(source.clone());
    let [audit, verdicts, control] = [Topic::Audit, Topic::Verdicts, Topic::Control].map(|topic| topic.name(&context.layout));
    create_wrong(&context, Topic::Audit, 3, ("cleanup.policy", "delete"));
    create_wrong(&context, Topic::Verdicts, 2, ("retention.ms", "3600000"));
    create_wrong(&context, Topic::Control, 3, ("segment.ms", "3600000"));

    let applied = apply(&context, PATIENCE).expect("the broker answers");
    assert_eq!(applied.created.len(), Topic::ALL.len() - 3);
    let found: Vec<_> = applied.findings.iter().map(|finding| (finding.severity, &finding.topic)).collect();
    let fatal = [&audit, &verdicts, &control, &source].map(|name| (Severity::Fatal, name));
    assert_eq!(found, [&fatal[..], &[(Severity::Warning, &verdicts)]].concat());
    for finding in &applied.findings {
        // One ends in `jidoka topics apply`, which comes below.
        run(&tools, finding.command.split(" && jidoka").next().expect("there is always a first part"));
    }
    let give_up = Instant::now() + PATIENCE;
    while apply(&context, PATIENCE).expect("the broker answers").created != [control.clone()] {
        assert!(Instant::now() < give_up, "{control} is not gone");
    }
    eventually(&context, &[]);
}

/// Creates a topic as planned but for the number of partitions and one setting.
fn create_wrong(context: &TopicsContext, topic: Topic, partitions: i32, (key, value): (&str, &str)) {
    let planned = PlannedTopic::of(topic, &context.layout);
    let as_planned = planned.settings.iter().map(|setting| (setting.key, setting.value.as_str()));
    let settings: Vec<_> = as_planned.map(|(name, wanted)| (name, if name == key { value } else { wanted })).collect();
    kafka::shared().create_topic(&planned.name, partitions, &settings);
}

#[test]
fn lanes_of_a_written_topic_are_for_life() {
    if !kafka::required() {
        return;
    }
    let mut context = installation(kafka::shared());
    apply(&context, PATIENCE).expect("the broker answers");
    let player = Player::new(&context.client, &Topic::Audit.name(&context.layout)).expect("good settings");
    assert_eq!(player.offer(Some(b"key"), b"{}"), Offer::Taken);
    let give_up = Instant::now() + PATIENCE;
    while player.tally().delivered < 1 {
        assert!(Instant::now() < give_up, "{:?}", player.tally());
        std::thread::sleep(Duration::from_millis(10));
    }
    context.layout.lanes = 5;
    let findings = all(&context);
    let of = |topic: Topic| findings.iter().find(|finding| finding.topic == topic.name(&context.layout)).expect("a finding");
    assert!(of(Topic::Audit).sentence.contains("partitions are for life"), "{}", of(Topic::Audit).sentence);
    assert!(of(Topic::Audit).command.contains("that gave 3 partitions"), "{}", of(Topic::Audit).command);
    assert!(of(Topic::Cases).command.ends_with("--partitions 5"), "{}", of(Topic::Cases).command);
}

#[test]
fn nobody_there_is_said_in_time() {
    let started = Instant::now();
    let context = TopicsContext { client: client("127.0.0.1:1"), ..TopicsContext::default() };
    let error = check(&context, &Topic::ALL, Duration::from_secs(2)).expect_err("nobody listens there");
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    let sentence = error.to_string();
    assert!(sentence.starts_with("No answer from Kafka at 127.0.0.1:1 within 2 s: "), "{sentence}");
    assert!(sentence.contains("Connection refused"), "{sentence}");
}

#[test]
fn a_setting_that_librdkafka_does_not_know_is_the_configurations_fault() {
    let mut context = TopicsContext { client: client("127.0.0.1:1"), ..TopicsContext::default() };
    context.client.set("no.such.key", "1");
    let error = check(&context, &Topic::ALL, Duration::from_secs(2)).expect_err("no such key");
    assert!(matches!(&error, TopicsError::Settings(reason) if reason.contains("no.such.key")), "{error}");
}

#[test]
fn a_refused_login_ends_early_with_the_reason() {
    if !kafka::own_required() {
        return;
    }
    let cluster = kafka::Cluster::sasl();
    let mut context = installation(&cluster);
    for (key, value) in kafka::login(kafka::USER, "wrong") {
        context.client.set(key, value);
    }
    let started = Instant::now();
    let error = check(&context, &Topic::ALL, PATIENCE).expect_err("the password is wrong");
    assert!(matches!(error, TopicsError::LoginRefused { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());

    for (key, value) in kafka::login(kafka::USER, kafka::PASSWORD) {
        context.client.set(key, value);
    }
    assert!(apply(&context, PATIENCE).is_ok_and(|applied| applied.findings.is_empty()));
}

/// A folder with Kafka's tools as scripts of their usual names; none when the brokers are somebody else's.
fn kafka_tools() -> Option<PathBuf> {
    let kafka = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?.join("kafka");
    let libs =
        fs::read_dir(kafka).ok()?.filter_map(Result::ok).map(|version| version.path().join("libs")).find(|libs| libs.is_dir())?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kafka-tools");
    fs::create_dir_all(&folder).expect("a folder for scripts");
    for (script, class) in [
        ("kafka-topics.sh", "org.apache.kafka.tools.TopicCommand"),
        ("kafka-configs.sh", "kafka.admin.ConfigCommand"),
        ("kafka-acls.sh", "org.apache.kafka.tools.AclCommand"),
    ] {
        let path = folder.join(script);
        let text = format!("#!/bin/sh\nexec \"${{JAVA_HOME:+$JAVA_HOME/bin/}}java\" -cp '{}/*' {class} \"$@\"\n", libs.display());
        fs::write(&path, text).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a script that runs");
    }
    Some(folder)
}

fn run(tools: &Path, command: &str) {
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("sh").args(["-c", command]).env("PATH", path).output().expect("a shell");
    assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stdout));
}
