//! `jidoka produce` against a real broker.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use flate2::Compression;
use flate2::write::GzEncoder;
use jidoka::cli::produce::{Ended, ProduceArgs, play};
use jidoka::cli::terminal::Exit;
use jidoka::stream::ClientConfig;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::Offset;

use crate::kafka;

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    produce: ProduceArgs,
}

fn arguments(line: &[&str]) -> ProduceArgs {
    CommandLine::try_parse_from([&["produce"], line].concat()).expect("a good command line").produce
}

/// Plays to the end; how the command would end.
fn played(line: &[&str]) -> Exit {
    play(&arguments(line), ClientConfig::new(), &AtomicBool::new(false))
        .map_or_else(|unplayed| unplayed.exit, |played| played.exit())
}

fn file(name: &str, bytes: &[u8]) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(kafka::unique("produce") + name);
    fs::write(&path, bytes).expect("a file in cargo's temporary folder");
    path.to_str().expect("a path of plain letters").to_owned()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes bytes");
    encoder.finish().expect("memory takes bytes")
}

type Record = (Option<Vec<u8>>, Vec<u8>);

/// All `count` records of partition 0, and no more than these.
fn records(topic: &str, count: usize) -> Vec<Record> {
    let bootstrap = kafka::shared().bootstrap();
    let config: ClientConfig = [("bootstrap.servers", bootstrap), ("group.id", "unused"), ("enable.auto.commit", "false")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into_iter()
        .collect();
    let consumer: BaseConsumer = config.create().expect("good settings");
    let mut list = rdkafka::TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Beginning).expect("a good offset");
    consumer.assign(&list).expect("an assignment");
    let mut found = Vec::new();
    let give_up = Instant::now() + Duration::from_secs(30);
    while found.len() < count && Instant::now() < give_up {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            found.push((message.key().map(<[u8]>::to_vec), message.payload().unwrap_or_default().to_vec()));
        }
    }
    let (_, high) = consumer.fetch_watermarks(topic, 0, Duration::from_secs(10)).expect("watermarks");
    assert_eq!(usize::try_from(high).expect("an offset"), found.len(), "records in {topic}");
    found
}

fn topic() -> String {
    let topic = kafka::unique("produce");
    kafka::shared().create_topic(&topic, 1, &[]);
    topic
}

#[test]
fn every_line_arrives_once_in_order_and_with_its_key() {
    if !kafka::required() {
        return;
    }
    let (topic, bootstrap) = (topic(), kafka::shared().bootstrap());
    let plain = file("a.jsonl", b"{\"event_id\":\"a\"}\n{broken\n\n");
    let zipped = file("b.jsonl.gz", &gzip(b"{\"event_id\":\"b\",\"n\":1}"));
    assert_eq!(
        played(&[&plain, &zipped, "--topic", &topic, "--bootstrap", bootstrap, "--repeat", "2", "--limit", "7"]),
        Exit::Done
    );
    let once = [
        (Some(b"a".to_vec()), b"{\"event_id\":\"a\"}".to_vec()),
        (None, b"{broken".to_vec()),
        (None, Vec::new()),
        (Some(b"b".to_vec()), b"{\"event_id\":\"b\",\"n\":1}".to_vec()),
    ];
    let expected: Vec<Record> = once.iter().cycle().take(7).cloned().collect();
    assert_eq!(records(&topic, 7), expected);
}

#[test]
fn many_lines_pass_a_queue_that_is_far_too_small() {
    if !kafka::required() {
        return;
    }
    let (topic, bootstrap) = (topic(), kafka::shared().bootstrap());
    let lines: Vec<String> = (0..20_000).map(|number| format!("{{\"event_id\":\"{number}\"}}\n")).collect();
    let lines = lines.concat();
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", bootstrap).set("queue.buffering.max.messages", "100");
    let arguments = arguments(&[&file(".jsonl", lines.as_bytes()), "--topic", &topic]);
    let played = play(&arguments, client, &AtomicBool::new(false)).expect("a broker and a topic");
    assert_eq!((played.tally.delivered, played.tally.failed, played.ended), (20_000, 0, Ended::Complete));
    let found = records(&topic, 20_000);
    assert!(found.iter().map(|(_, value)| value.as_slice()).eq(lines.as_bytes().split(|byte| *byte == b'\n').take(20_000)));
}

/// A record that the broker does not take is counted, and costs no other record.
#[test]
fn a_record_too_large_fails_alone() {
    if !kafka::required() {
        return;
    }
    let (topic, bootstrap) = (topic(), kafka::shared().bootstrap());
    // Random digits: the limit counts compressed bytes.
    let mut state = 1_u64;
    let noise = (0..200_000).fold(String::new(), |noise, _| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise + &format!("{state:016x}")
    });
    let lines = format!("{{\"event_id\":\"1\"}}\n{{\"event_id\":\"2\",\"noise\":\"{noise}\"}}\n{{\"event_id\":\"3\"}}\n");
    assert_eq!(played(&[&file(".jsonl", lines.as_bytes()), "--topic", &topic, "--bootstrap", bootstrap]), Exit::Failed);
    let keys: Vec<_> = records(&topic, 2).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [Some(b"1".to_vec()), Some(b"3".to_vec())]);
}

#[test]
fn the_rate_is_kept() {
    if !kafka::required() {
        return;
    }
    let (topic, bootstrap) = (topic(), kafka::shared().bootstrap());
    let lines = "{}\n".repeat(60);
    let started = Instant::now();
    assert_eq!(
        played(&[&file(".jsonl", lines.as_bytes()), "--topic", &topic, "--bootstrap", bootstrap, "--rate", "30"]),
        Exit::Done
    );
    let seconds = started.elapsed().as_secs_f64();
    // 59 gaps of a thirtieth of a second; what lies above is the connection.
    assert!((1.96..6.0).contains(&seconds), "{seconds}");
}

#[test]
fn an_interruption_loses_nothing_that_was_counted() {
    if !kafka::required() {
        return;
    }
    let (topic, bootstrap) = (topic(), kafka::shared().bootstrap());
    let lines = "{}\n".repeat(1_000);
    let arguments = arguments(&[&file(".jsonl", lines.as_bytes()), "--topic", &topic, "--bootstrap", bootstrap, "--rate", "100"]);
    let stop = AtomicBool::new(false);
    let played = std::thread::scope(|scope| {
        let playing = scope.spawn(|| play(&arguments, ClientConfig::new(), &stop).expect("a broker and a topic"));
        std::thread::sleep(Duration::from_secs(2));
        stop.store(true, Ordering::Relaxed);
        playing.join().expect("no panic")
    });
    assert_eq!((played.exit(), &played.ended, played.tally.failed), (Exit::Failed, &Ended::Interrupted, 0));
    assert!((1..1_000).contains(&played.tally.delivered), "{}", played.tally.delivered);
    records(&topic, usize::try_from(played.tally.delivered).expect("fewer than 1,000"));
}

#[test]
fn wrong_usage_is_told_from_a_failure() {
    let missing = ["/no/such/file", "--topic", "t", "--bootstrap", "127.0.0.1:1"];
    assert_eq!(played(&missing), Exit::Usage);
    let file = file(".jsonl", b"{}");
    assert_eq!(played(&[&file, "--topic", "t"]), Exit::Usage, "no brokers are named");
    assert_eq!(played(&["-", "-", "--topic", "t", "--bootstrap", "127.0.0.1:1"]), Exit::Usage, "standard input twice");
    if kafka::required() {
        assert_eq!(
            played(&[&file, "--topic", &kafka::unique("absent"), "--bootstrap", kafka::shared().bootstrap()]),
            Exit::Failed
        );
    }
}
