//! Dead letters: the original of a record that could not be read, for whoever mends its producer.

use crate::event::Unreadable;
use crate::gate::emit::{Emitter, Found};
use crate::stream::fault::Fault;
use crate::stream::record::{HEADERS_MAX, Outbox, Outgoing};
use crate::telemetry::metrics::Bound;

/// How much of the original's headers is kept.
const ORIGINAL_HEADERS_MAX: usize = 8_192;
/// What a header costs beyond its name and value: their lengths, each of up to five bytes. Counted, because thousands of
/// headers without a value would otherwise make the record larger than any topic takes, and it would be tried for ever.
const HEADER_LENGTHS: usize = 10;
/// A longer key is not kept.
const KEY_MAX: usize = 1_024;
/// Detail is a sentence.
const DETAIL_MAX: usize = 512;

impl Emitter {
    /// Sends the original value and headers, cut at a bound, with what was wrong and where it came from.
    pub(super) fn dead_letter(
        &mut self,
        found: &Found<'_>,
        unreadable: &Unreadable<'_>,
        outbox: &mut dyn Outbox,
    ) -> Result<(), Fault> {
        let record = found.record;
        let value = record.value.unwrap_or_default();
        let room = outbox.record_bytes_max().saturating_sub(HEADERS_MAX + ORIGINAL_HEADERS_MAX + KEY_MAX);
        let cut = &value[..value.len().min(self.dead_letter_bytes_max).min(room)];
        if cut.len() < value.len() {
            self.reached.push(Bound::DeadLetterBytes);
        }
        let mut digits = [itoa::Buffer::new(), itoa::Buffer::new(), itoa::Buffer::new()];
        let [partition, offset, size] = &mut digits;
        let (id, sha256) = (found.decision_id.hex(), found.sha256.hex());
        let detail = &unreadable.detail.as_bytes()[..unreadable.detail.floor_char_boundary(DETAIL_MAX)];
        let mut headers: Vec<(&str, &[u8])> = vec![
            ("jidoka-decision-id", &id),
            ("jidoka-kind", b"HELD"),
            ("jidoka-schema", b"dead-letter/1"),
            ("jidoka-error-code", unreadable.code.as_str().as_bytes()),
            ("jidoka-error-detail", detail),
            ("jidoka-source-topic", record.topic.as_bytes()),
            ("jidoka-source-partition", partition.format(record.partition).as_bytes()),
            ("jidoka-source-offset", offset.format(record.offset).as_bytes()),
            ("jidoka-original-size", size.format(value.len()).as_bytes()),
            ("jidoka-original-sha256", &sha256),
        ];
        let mut left = ORIGINAL_HEADERS_MAX;
        // A producer's own `jidoka-` headers would pass for ours.
        for (name, value) in record.headers.iter().filter(|(name, _)| !name.starts_with("jidoka-")) {
            let value = value.unwrap_or_default();
            let Some(rest) = left.checked_sub(name.len() + value.len() + HEADER_LENGTHS) else { break };
            left = rest;
            headers.push((name, value));
        }
        outbox.send(Outgoing {
            topic: &self.topics.dead_letters,
            partition: 0,
            key: record.key.filter(|key| key.len() <= KEY_MAX),
            value: record.value.map(|_| cut),
            headers: &headers,
        })
    }
}
