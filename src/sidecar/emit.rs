//! The sidecar's records, written into reused buffers and handed to the transaction.

use crate::audit::{Chain, Change, Gap, GapCause, Ordered, Refused, entry_hash, write_change, write_gap, write_refused};
use crate::case::{Case, Kind, Step};
use crate::identity::{DecisionId, Hash, Lane, Timestamp};
use crate::progress::LaneProgress;
use crate::record::review_partition;
use crate::stream::fault::Fault;
use crate::stream::record::{HEADERS_MAX, Incoming, Outbox, Outgoing};

/// So many bytes of a record's room are left to what must always find a place: a decision, and what time does.
const KEPT_FREE: usize = 16_384;
const KEPT_FREE_FOR_TIME: usize = 1_024;
/// So many headers of a forwarded command go with it.
const FORWARDED_HEADERS: usize = 64;

/// Names of the topics that a sidecar writes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SidecarTopics {
    /// Audit entries.
    pub audit: String,
    /// Every open case.
    pub cases: String,
    /// The work feed.
    pub reviews: String,
    /// What action services obey.
    pub dispositions: String,
    /// Closed cases.
    pub archive: String,
    /// Reviewers' commands; also read.
    pub verdicts: String,
    /// Where each lane stands; also read.
    pub progress: String,
}

/// Where records go: the chain that an entry is a link of, and the transaction.
pub(super) struct Sink<'s> {
    pub chain: &'s mut Chain,
    pub outbox: &'s mut dyn Outbox,
}

/// What a reviewer wrote with a command.
#[derive(Clone, Copy, Default)]
pub(super) struct Written<'a> {
    pub text: Option<&'a str>,
    pub corrected: Option<&'a str>,
    pub judgement: Option<&'a str>,
    pub reason: Option<&'a str>,
}

/// How much of a record's room a change may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Claim {
    /// It can wait, or be left out: a comment, a claim.
    Usual,
    /// It decides.
    Deciding,
}

/// Writes and sends records.
pub(super) struct Emitter {
    topics: SidecarTopics,
    spread: u16,
    entry: Vec<u8>,
    value: Vec<u8>,
    key: Vec<u8>,
}

impl Emitter {
    pub fn new(topics: SidecarTopics, spread: u16) -> Self {
        Self { topics, spread, entry: Vec::new(), value: Vec::new(), key: Vec::new() }
    }

    /// Whether the case as it now is finds room in a record.
    pub fn has_room(&mut self, case: &Case, claim: Claim, outbox: &dyn Outbox) -> bool {
        self.value.clear();
        case.write(&mut self.value);
        let room = outbox.record_bytes_max().saturating_sub(HEADERS_MAX);
        let kept_free = match claim {
            Claim::Usual => KEPT_FREE.min(room / 4),
            Claim::Deciding => KEPT_FREE_FOR_TIME,
        };
        self.value.len() + kept_free <= room
    }

    /// All records of one change: the entry, the case, and what its kind asks for. `case` is as it is after the step, but for
    /// the hash of the entry, which it gets here.
    pub fn change(
        &mut self,
        case: &mut Case,
        step: Step,
        (ordered, written): (Option<Ordered<'_>>, Written<'_>),
        at: Timestamp,
        Sink { chain, outbox }: Sink<'_>,
    ) -> Result<(), Fault> {
        self.entry.clear();
        write_change(
            &mut self.entry,
            &Change {
                decision_id: case.decision_id,
                seq: case.seq,
                kind: step.kind.as_str(),
                at,
                prev: case.entry_hash,
                chain: chain.next(),
                ordered,
                state: step.to.as_str(),
                previous_state: step.from.as_str(),
                reason: written.reason,
                band: case.band.as_str(),
                assignee: case.assignee.as_deref(),
                groups: &case.groups,
                salt: &case.opened.salt,
                text: written.text,
                corrected: written.corrected,
                judgement: written.judgement,
            },
        );
        let hash = entry_hash(&self.entry);
        let lane = case.opened.lane;
        self.key.clear();
        self.key.extend_from_slice(&case.decision_id.hex());
        self.key.push(b'/');
        self.key.extend_from_slice(itoa::Buffer::new().format(case.seq).as_bytes());
        let record = Outgoing {
            topic: &self.topics.audit,
            partition: lane.partition(),
            key: Some(&self.key),
            value: Some(&self.entry),
            headers: &[],
        };
        send(case, record, (step.kind.as_str(), "audit/1"), Some(&hash), outbox)?;
        chain.advance(hash);
        case.seal(step.kind, hash);
        self.case(case, step, at, outbox)
    }

    fn case(&mut self, case: &Case, step: Step, at: Timestamp, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        let (id, lane) = (case.decision_id.hex(), case.opened.lane);
        let state = case.state.as_str();
        self.value.clear();
        case.write(&mut self.value);
        let to = |topic| Outgoing { topic, partition: lane.partition(), key: Some(&id), value: Some(&self.value), headers: &[] };
        send(case, to(&self.topics.cases), (state, "case/1"), None, outbox)?;
        if step.kind == Kind::Escalated {
            let partition = review_partition(case.band, lane, self.spread);
            send(case, Outgoing { partition, ..to(&self.topics.reviews) }, (state, "case/1"), None, outbox)?;
        }
        if case.state.is_open() {
            return Ok(());
        }
        send(case, to(&self.topics.archive), (state, "case/1"), None, outbox)?;
        self.value.clear();
        case.write_disposition(&mut self.value, at);
        let record = Outgoing {
            topic: &self.topics.dispositions,
            partition: lane.partition(),
            key: Some(&id),
            value: Some(&self.value),
            headers: &[],
        };
        send(case, record, (state, "disposition/1"), None, outbox)
    }

    /// The entry about a refused command.
    pub fn refused(&mut self, lane: Lane, refused: &Refused<'_>, Sink { chain, outbox }: Sink<'_>) -> Result<(), Fault> {
        self.entry.clear();
        write_refused(&mut self.entry, refused, &chain.next());
        let id = refused.decision_id.map(DecisionId::hex);
        let key = refused.key();
        self.loose_entry(lane, (&key, "REFUSED"), id.as_ref(), Sink { chain, outbox })
    }

    /// The entry about commands that were lost before they could be read.
    pub fn gap(
        &mut self,
        lane: Lane,
        (first, last): (i64, i64),
        (by, at): (&str, Timestamp),
        Sink { chain, outbox }: Sink<'_>,
    ) -> Result<(), Fault> {
        let cause = GapCause::Lost { by: by.to_owned() };
        let topic = self.topics.verdicts.clone();
        let gap = Gap {
            at,
            chain: chain.next(),
            source: &topic,
            topic: &topic,
            partition: lane.partition(),
            first,
            last,
            cause: &cause,
        };
        self.entry.clear();
        write_gap(&mut self.entry, &gap);
        let key = gap.key();
        self.loose_entry(lane, (&key, "GAP"), None, Sink { chain, outbox })
    }

    /// Sends the entry that was written: one that belongs to the lane's chain and to no trail.
    fn loose_entry(
        &mut self,
        lane: Lane,
        (key, kind): (&str, &str),
        id: Option<&[u8; 32]>,
        Sink { chain, outbox }: Sink<'_>,
    ) -> Result<(), Fault> {
        let hash = entry_hash(&self.entry);
        let hex = hash.hex();
        let mut headers: Vec<(&str, &[u8])> = id.map(|id| ("jidoka-decision-id", id.as_slice())).into_iter().collect();
        headers.extend([("jidoka-kind", kind.as_bytes()), ("jidoka-schema", b"audit/1"), ("jidoka-hash", &hex)]);
        outbox.send(Outgoing {
            topic: &self.topics.audit,
            partition: lane.partition(),
            key: Some(key.as_bytes()),
            value: Some(&self.entry),
            headers: &headers,
        })?;
        chain.advance(hash);
        Ok(())
    }

    /// A command that lies in another lane than its case goes there, as it is.
    pub fn forward(&self, record: &Incoming<'_>, lane: Lane, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        let headers: Vec<(&str, &[u8])> =
            record.headers.iter().take(FORWARDED_HEADERS).map(|(name, value)| (name, value.unwrap_or_default())).collect();
        outbox.send(Outgoing {
            topic: &self.topics.verdicts,
            partition: lane.partition(),
            key: record.key,
            value: record.value,
            headers: &headers,
        })
    }

    /// Removes both records of a case from `cases`.
    pub fn remove_case(&mut self, id: DecisionId, lane: Lane, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        self.key.clear();
        self.key.extend_from_slice(&id.hex());
        tombstone(&self.topics.cases, lane, &self.key, outbox)?;
        self.key.extend_from_slice(b"/opened");
        tombstone(&self.topics.cases, lane, &self.key, outbox)
    }

    /// Removes a closed case from the archive.
    pub fn remove_from_archive(&self, id: DecisionId, lane: Lane, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        tombstone(&self.topics.archive, lane, &id.hex(), outbox)
    }

    /// Where a lane stands.
    pub fn progress(&mut self, (lane, key): (Lane, &str), progress: &LaneProgress, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        self.value.clear();
        progress.write(&mut self.value);
        outbox.send(Outgoing {
            topic: &self.topics.progress,
            partition: lane.partition(),
            key: Some(key.as_bytes()),
            value: Some(&self.value),
            headers: &[("jidoka-schema", b"progress/1")],
        })
    }
}

fn tombstone(topic: &str, lane: Lane, key: &[u8], outbox: &mut dyn Outbox) -> Result<(), Fault> {
    outbox.send(Outgoing {
        topic,
        partition: lane.partition(),
        key: Some(key),
        value: None,
        headers: &[("jidoka-schema", b"case/1")],
    })
}

/// Sends a record about a case, with the headers that all of them have.
fn send(
    case: &Case,
    record: Outgoing<'_>,
    (kind, schema): (&str, &str),
    hash: Option<&Hash>,
    outbox: &mut dyn Outbox,
) -> Result<(), Fault> {
    let (id, hash) = (case.decision_id.hex(), hash.map(Hash::hex));
    let mut headers: Vec<(&str, &[u8])> = Vec::with_capacity(5);
    headers.extend([
        ("jidoka-decision-id", id.as_slice()),
        ("jidoka-kind", kind.as_bytes()),
        ("jidoka-schema", schema.as_bytes()),
    ]);
    headers.extend(hash.as_ref().map(|hash| ("jidoka-hash", hash.as_slice())));
    headers.extend(case.opened.trace().map(|trace| ("traceparent", trace.as_bytes())));
    outbox.send(Outgoing { headers: &headers, ..record })
}
