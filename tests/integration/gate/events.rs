//! What is played to the gate: real inference events, and records that are none.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};

/// A record for an input topic.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Input {
    pub partition: i32,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Input {
    /// `value` for `partition`, without key and headers.
    pub fn plain(partition: i32, value: impl Into<Vec<u8>>) -> Self {
        Self { partition, value: Some(value.into()), ..Self::default() }
    }
}

/// The 12,000 real events, those of the two models taking turns.
pub fn real() -> &'static [Vec<u8>] {
    static REAL: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    REAL.get_or_init(|| {
        let (mut adult, mut credit) = (lines("adult").into_iter(), lines("credit_default").into_iter());
        let mut events = Vec::new();
        loop {
            let before = events.len();
            events.extend(adult.next());
            events.extend(credit.next());
            if events.len() == before {
                return events;
            }
        }
    })
}

fn lines(dataset: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dev/data").join(dataset).join("events.jsonl.gz");
    let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines = BufReader::new(GzDecoder::new(file)).split(b'\n');
    lines.map(|line| line.expect("the file is gzip")).filter(|line| !line.is_empty()).collect()
}

/// Records that are no events, of every kind that a broken producer makes.
pub fn broken() -> Vec<Option<Vec<u8>>> {
    let text = |text: &str| Some(text.as_bytes().to_vec());
    let deep = format!("{{\"event_id\":\"deep\",\"x\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let long = format!("{{\"event_id\":\"{}\",\"model\":{{\"name\":\"m\"}},\"confidence\":0.9}}", "x".repeat(10_000));
    vec![
        None,
        text(""),
        text("not JSON"),
        text("{\"event_id\":\"cut\",\"model\":{\"na"),
        text("[1,2,3]"),
        Some(vec![0xff, 0xfe, 0x00, 0x80, 0x81]),
        Some(b"{\"event_id\":\"\xc3\x28\",\"model\":{\"name\":\"m\"},\"confidence\":0.5}".to_vec()),
        text("\u{feff}{\"event_id\":\"bom\",\"model\":{\"name\":\"m\"},\"confidence\":0.5}"),
        text("{\"event_id\":\"nan\",\"model\":{\"name\":\"m\"},\"confidence\":NaN}"),
        text("{\"event_id\":\"huge\",\"model\":{\"name\":\"m\"},\"confidence\":0.5,\"amount\":1e999}"),
        text("{\"event_id\":\"twice\",\"event_id\":\"again\",\"model\":{\"name\":\"m\"},\"confidence\":0.5}"),
        text("{\"event_id\":\"\",\"model\":{\"name\":\"m\"},\"confidence\":0.5}"),
        text("{\"event_id\":7,\"model\":{\"name\":\"m\"},\"confidence\":0.5}"),
        text("{\"event_id\":\"no-model\",\"confidence\":0.5}"),
        text("{\"event_id\":\"no-answer\",\"model\":{\"name\":\"m\"}}"),
        text("{\"event_id\":\"beyond\",\"model\":{\"name\":\"m\"},\"confidence\":1.5}"),
        text("{\"event_id\":\"mistyped\",\"model\":{\"name\":\"m\"},\"confidence\":\"high\"}"),
        Some(deep.into_bytes()),
        Some(long.into_bytes()),
    ]
}

/// The first `count` real events over `partitions` partitions, with what happens to real streams strewn in: every 50th
/// comes again, every 97th comes again with other bytes, and every 600th is followed by a broken record.
pub fn stream(count: usize, partitions: i32) -> Vec<Input> {
    let mut broken = broken().into_iter().cycle();
    let mut inputs = Vec::new();
    for (number, event) in real().iter().cycle().take(count).enumerate() {
        let partition = i32::try_from(number).expect("a few thousand") % partitions;
        inputs.push(Input::plain(partition, event.clone()));
        if number % 50 == 49 {
            inputs.push(Input::plain(partition, event.clone()));
        }
        if number % 97 == 96 {
            let mut other = event.clone();
            other.insert(event.len() - 1, b' ');
            inputs.push(Input::plain(partition, other));
        }
        if number % 600 == 599 {
            let headers = vec![("trace".to_owned(), format!("broken {number}").into_bytes())];
            let key = Some(format!("key {number}").into_bytes());
            inputs.push(Input { partition, key, value: broken.next().expect("it goes round"), headers });
        }
    }
    inputs
}

/// Writes records to one topic, each once and in order.
pub struct Player {
    producer: ThreadedProducer<rdkafka::producer::DefaultProducerContext>,
    topic: String,
}

impl Player {
    pub fn new(bootstrap: &str, topic: &str) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("enable.idempotence", "true").set("linger.ms", "5");
        config.set("compression.type", "lz4").set("message.max.bytes", "2000000");
        Self { producer: config.create().expect("the settings are sound"), topic: topic.to_owned() }
    }

    /// Hands over `inputs` and returns when the broker has all of them.
    pub fn play(&self, inputs: &[Input]) {
        for input in inputs {
            self.offer(input);
        }
        self.producer.flush(Duration::from_secs(90)).expect("the broker takes what it is given");
    }

    /// Plays `inputs` at `rate` records a second, as long as `wanted` says so; how many were played.
    pub fn play_at(&self, inputs: &[Input], rate: u32, wanted: impl Fn() -> bool) -> usize {
        let began = Instant::now();
        let mut played = 0;
        for (input, number) in inputs.iter().zip(1..) {
            if !wanted() {
                break;
            }
            self.offer(input);
            played += 1;
            let due = began + Duration::from_secs(1) * number / rate;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        self.producer.flush(Duration::from_secs(90)).expect("the broker takes what it is given");
        played
    }

    /// Hands over one and does not wait.
    pub fn offer(&self, input: &Input) {
        let headers = input
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let mut record = BaseRecord::<[u8], [u8]>::to(&self.topic).partition(input.partition).headers(headers);
        record.key = input.key.as_deref();
        record.payload = input.value.as_deref();
        while let Err((error, refused)) = self.producer.send(record) {
            let full = error.rdkafka_error_code() == Some(rdkafka::types::RDKafkaErrorCode::QueueFull);
            assert!(full, "playing to {}: {error}", self.topic);
            std::thread::sleep(Duration::from_millis(5));
            record = refused;
        }
    }
}
