//! The gate's records, written once into reused buffers and handed to the transaction.

use std::sync::Arc;

use crate::audit::{Chain, Duplicate, Gap, GapCause, InputRecord, entry_hash, write_decided, write_duplicate, write_gap};
use crate::case::{EventCopy, Opening, write_opening};
use crate::decision::Outcome;
use crate::gate::GateSettings;
use crate::gate::judge::Verdict;
use crate::gate::partition::GatePartition;
use crate::gate::rules::Rules;
use crate::gate::salt::Salts;
use crate::identity::{DecisionId, Hash, Lane, Timestamp};
use crate::policy::Sight;
use crate::record::{Disposition, review_partition, write_disposition};
use crate::stream::fault::Fault;
use crate::stream::processor::InputPartition;
use crate::stream::record::{HEADERS_MAX, Incoming, Outbox, Outgoing};
use crate::telemetry::metrics::Bound;

mod dead_letter;

/// One part in so many of a case record's room is left to what reviewers will write.
const REVIEW_SHARE: usize = 4;
/// A longer `traceparent` is not one.
const TRACEPARENT_MAX: usize = 256;

/// Names of the topics that a gate writes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutputTopics {
    /// Audit entries.
    pub audit: String,
    /// What action services obey.
    pub dispositions: String,
    /// Open cases.
    pub cases: String,
    /// The work feed.
    pub reviews: String,
    /// Originals that could not be read.
    pub dead_letters: String,
    /// Where each input partition stands.
    pub progress: String,
    /// What the monitor needs of each event.
    pub tallies: String,
}

/// A record that is being decided.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub record: &'a Incoming<'a>,
    pub now: Timestamp,
    pub sha256: Hash,
    pub decision_id: DecisionId,
    pub source: &'a str,
    pub rules: &'a Rules,
}

impl<'a> Found<'a> {
    fn input(&self) -> InputRecord<'a> {
        InputRecord {
            source: self.source,
            topic: self.record.topic,
            partition: self.record.partition,
            offset: self.record.offset,
            appended_at: self.record.appended_at,
            appended_at_type: self.record.appended_at_type,
            sha256: self.sha256,
            row: 0,
        }
    }
}

/// Where records go: the chain that the entry is a link of, and the transaction.
pub(super) struct Sink<'s> {
    pub chain: &'s mut Chain,
    pub outbox: &'s mut dyn Outbox,
}

/// Writes and sends records. Buffers are reused: after warm-up nothing is allocated here but headers, by librdkafka.
pub(super) struct Emitter {
    topics: OutputTopics,
    lanes: u16,
    spread: u16,
    record_bytes_max: usize,
    dead_letter_bytes_max: usize,
    salts: Salts,
    value: Vec<u8>,
    key: Vec<u8>,
    sentence: String,
    reached: Vec<Bound>,
}

impl Emitter {
    pub fn new(settings: &Arc<GateSettings>) -> Self {
        Self {
            topics: settings.topics.clone(),
            lanes: settings.lanes,
            spread: settings.spread,
            record_bytes_max: settings.record_bytes_max,
            dead_letter_bytes_max: settings.dead_letter_bytes_max,
            salts: Salts::new(),
            value: Vec::new(),
            key: Vec::new(),
            sentence: String::new(),
            reached: Vec::new(),
        }
    }

    /// All records of one decision; the original of a record that is no event goes to the dead letters.
    pub fn decided(&mut self, found: &Found<'_>, decided: &Verdict<'_>, sink: Sink<'_>) -> Result<(), Fault> {
        let Sink { chain, outbox } = sink;
        self.reached.clear();
        self.value.clear();
        write_decided(&mut self.value, &decided.entry(found.decision_id, found.now, found.input(), chain.next()));
        let hash = self.audit(found, "DECIDED", outbox)?;
        chain.advance(hash);
        self.disposition(found, decided, outbox)?;
        if decided.decision.outcome == Outcome::Held {
            self.case(found, decided, hash, outbox)?;
        }
        match &decided.event {
            Ok(_) => Ok(()),
            Err(unreadable) => self.dead_letter(found, unreadable, outbox),
        }
    }

    /// The bounds that took effect in the last decision.
    pub fn reached(&self) -> &[Bound] {
        &self.reached
    }

    /// The entry about a repeated event: nothing else is written.
    pub fn duplicate(
        &mut self,
        found: &Found<'_>,
        event_id: &str,
        of: DecisionId,
        Sink { chain, outbox }: Sink<'_>,
    ) -> Result<(), Fault> {
        let entry =
            Duplicate { decision_id: found.decision_id, at: found.now, chain: chain.next(), input: found.input(), event_id, of };
        self.value.clear();
        write_duplicate(&mut self.value, &entry);
        chain.advance(self.audit(found, "DUPLICATE", outbox)?);
        Ok(())
    }

    /// The entry about offsets that were never read.
    pub fn gap(
        &mut self,
        (source, lane): (&str, Lane),
        input: &InputPartition,
        (first, last): (i64, i64),
        (cause, at): (&GapCause, Timestamp),
        Sink { chain, outbox }: Sink<'_>,
    ) -> Result<(), Fault> {
        let gap = Gap { at, chain: chain.next(), source, topic: &input.topic, partition: input.partition, first, last, cause };
        self.value.clear();
        write_gap(&mut self.value, &gap);
        let (key, hash) = (gap.key(), entry_hash(&self.value));
        outbox.send(Outgoing {
            topic: &self.topics.audit,
            partition: lane.partition(),
            key: Some(key.as_bytes()),
            value: Some(&self.value),
            headers: &[("jidoka-kind", b"GAP"), ("jidoka-schema", b"audit/1"), ("jidoka-hash", &hash.hex())],
        })?;
        chain.advance(hash);
        Ok(())
    }

    /// Where a partition stands.
    pub fn progress(&mut self, held: &GatePartition, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        self.value.clear();
        held.progress().write(&mut self.value);
        outbox.send(Outgoing {
            topic: &self.topics.progress,
            partition: held.lane.partition(),
            key: Some(held.key.as_bytes()),
            value: Some(&self.value),
            headers: &[("jidoka-schema", b"progress/1")],
        })
    }

    /// Sends the audit entry in `value`; its hash.
    fn audit(&mut self, found: &Found<'_>, kind: &str, outbox: &mut dyn Outbox) -> Result<Hash, Fault> {
        let hash = entry_hash(&self.value);
        self.key.clear();
        self.key.extend_from_slice(&found.decision_id.hex());
        self.key.extend_from_slice(b"/0");
        let (topic, partition) = (&self.topics.audit, found.decision_id.lane(self.lanes).partition());
        let record = Outgoing { topic, partition, key: Some(&self.key), value: Some(&self.value), headers: &[] };
        send(found, record, (kind, "audit/1"), Some(&hash), outbox)?;
        Ok(hash)
    }

    fn disposition(&mut self, found: &Found<'_>, decided: &Verdict<'_>, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        let outcome = decided.decision.outcome;
        self.value.clear();
        let disposition = Disposition {
            decision_id: found.decision_id,
            event_id: decided.event_id(),
            source: found.source,
            row: 0,
            outcome,
            at: found.now,
            policy: decided.policy,
            conflicts_with: decided.conflicts_with,
        };
        write_disposition(&mut self.value, &disposition);
        let id = found.decision_id.hex();
        let (topic, partition) = (&self.topics.dispositions, found.decision_id.lane(self.lanes).partition());
        let record = Outgoing { topic, partition, key: Some(&id), value: Some(&self.value), headers: &[] };
        send(found, record, (outcome.as_str(), "disposition/1"), None, outbox)
    }

    /// Opens the case and offers it for review: the same bytes to both topics.
    fn case(&mut self, found: &Found<'_>, decided: &Verdict<'_>, entry_hash: Hash, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        let review = found.rules.review(decided.policy);
        let groups = review.groups_for(decided.readable());
        let sampled = decided.decision.results.iter().any(|result| result.is_sampled(decided.policy));
        let sight = if sampled { Sight::Blind } else { Sight::Open };
        let lane = found.decision_id.lane(self.lanes);
        let opening = Opening {
            decision_id: found.decision_id,
            lane,
            input: found.input(),
            event: decided.readable(),
            event_id: decided.event_id(),
            model: decided.model(),
            policy: decided.policy,
            review,
            groups,
            review_json: found.rules.review_text(decided.policy, groups, sight),
            conflicts_with: decided.conflicts_with,
            decision: decided.decision,
            entry_hash,
            salt: self.salts.next(),
            at: found.now,
        };
        self.value.clear();
        write_opening(&mut self.value, &opening, EventCopy::Whole, &mut self.sentence);
        let room = outbox.record_bytes_max().saturating_sub(HEADERS_MAX);
        if self.value.len() > (room - room / REVIEW_SHARE).min(self.record_bytes_max) {
            self.value.clear();
            write_opening(&mut self.value, &opening, EventCopy::Reference, &mut self.sentence);
            self.reached.push(Bound::RecordBytes);
        }
        self.key.clear();
        self.key.extend_from_slice(&found.decision_id.hex());
        let review_partition = review_partition(decided.decision.priority.band, lane, self.spread);
        let record = Outgoing {
            topic: &self.topics.reviews,
            partition: review_partition,
            key: Some(&self.key),
            value: Some(&self.value),
            headers: &[],
        };
        send(found, record, ("PENDING", "case/1"), None, outbox)?;
        self.key.extend_from_slice(b"/opened");
        let (topic, partition) = (&self.topics.cases, lane.partition());
        let record = Outgoing { topic, partition, key: Some(&self.key), value: Some(&self.value), headers: &[] };
        send(found, record, ("PENDING", "case/1"), None, outbox)
    }
}

/// Sends a record about a decision, with the headers that all of them have.
fn send(
    found: &Found<'_>,
    record: Outgoing<'_>,
    (kind, schema): (&str, &str),
    hash: Option<&Hash>,
    outbox: &mut dyn Outbox,
) -> Result<(), Fault> {
    let id = found.decision_id.hex();
    let hash = hash.map(Hash::hex);
    let trace = found.record.headers.get("traceparent").filter(|trace| trace.len() <= TRACEPARENT_MAX);
    let mut headers: [(&str, &[u8]); 5] = [
        ("jidoka-decision-id", &id),
        ("jidoka-kind", kind.as_bytes()),
        ("jidoka-schema", schema.as_bytes()),
        ("", b""),
        ("", b""),
    ];
    let mut count = 3;
    for (name, value) in [("jidoka-hash", hash.as_ref().map(<[u8; 64]>::as_slice)), ("traceparent", trace)] {
        if let Some(value) = value {
            headers[count] = (name, value);
            count += 1;
        }
    }
    outbox.send(Outgoing { headers: &headers[..count], ..record })
}
