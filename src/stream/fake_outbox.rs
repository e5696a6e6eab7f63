//! An outbox for tests of processors: no Kafka.

use serde_json::Value;

use crate::stream::fault::Fault;
use crate::stream::record::{Outbox, Outgoing};

/// A record as it was sent, copied.
#[derive(Clone, PartialEq, Debug)]
pub struct Sent {
    pub topic: String,
    pub partition: i32,
    pub key: Option<String>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Sent {
    pub fn json(&self) -> Value {
        serde_json::from_slice(self.value.as_ref().expect("a value")).expect("JSON")
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| String::from_utf8(value.clone()).expect("text"))
    }
}

/// What a test keeps of an outbox: everything, until one send fails.
pub struct FakeOutbox {
    pub sent: Vec<Sent>,
    pub record_bytes_max: usize,
    pub fails_at: Option<usize>,
}

impl FakeOutbox {
    pub fn new() -> Self {
        Self { sent: Vec::new(), record_bytes_max: 1_000_000, fails_at: None }
    }

    pub fn of(&self, topic: &str) -> Vec<&Sent> {
        self.sent.iter().filter(|sent| sent.topic == topic).collect()
    }
}

impl Outbox for FakeOutbox {
    fn record_bytes_max(&self) -> usize {
        self.record_bytes_max
    }

    fn send(&mut self, record: Outgoing<'_>) -> Result<(), Fault> {
        if self.fails_at == Some(self.sent.len()) {
            return Err(Fault::rebuild("delivery", "the test said so".to_owned()));
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("keys are text");
        let headers: Vec<_> = record.headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
        // As librdkafka counts: two varints of up to five bytes a header.
        let header_bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 10).sum();
        let size = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len) + header_bytes;
        assert!(size <= self.record_bytes_max, "{} bytes to {}, more than {}", size, record.topic, self.record_bytes_max);
        self.sent.push(Sent {
            topic: record.topic.to_owned(),
            partition: record.partition,
            key: record.key.map(text),
            value: record.value.map(<[u8]>::to_vec),
            headers,
        });
        Ok(())
    }
}
