//! The monitor's records: audit entries, and signals.

use serde::Serialize;

use crate::audit::{IncidentChange, IncidentEntry, entry_hash, write_incident};
use crate::identity::{LanePrefix, Timestamp};
use crate::monitor::MonitorTopics;
use crate::monitor::desk::Desk;
use crate::monitor::state::StateRecord;
use crate::signal::{Incident, IncidentRecord, IncidentState};
use crate::stream::fault::Fault;
use crate::stream::record::{HEADERS_MAX, Outbox, Outgoing};
use crate::tallies::Outcome;

/// Writes and sends records. Its buffers are used again.
pub(super) struct Emitter {
    topics: MonitorTopics,
    lanes: u16,
    value: Vec<u8>,
}

impl Emitter {
    pub fn new(topics: MonitorTopics, lanes: u16) -> Self {
        Self { topics, lanes, value: Vec::new() }
    }

    /// The entry about a change of an incident, and its signal.
    pub fn incident(
        &mut self,
        desk: &mut Desk,
        incident: &Incident,
        (change, at): (IncidentChange<'_>, Timestamp),
        outbox: &mut dyn Outbox,
    ) -> Result<(), Fault> {
        let before = desk.open.get(&incident.id).copied();
        let at = desk.at.map_or(at, |last| last.max(at));
        let seq = before.map_or(0, |(seq, _)| seq + 1);
        let prev = before.map(|(_, hash)| hash);
        let told = IncidentEntry { seq, change, at, prev, chain: desk.chain.next(), incident };
        self.value.clear();
        write_incident(&mut self.value, &told);
        let (key, hash) = (told.key(), entry_hash(&self.value));
        let lane = LanePrefix::of(&incident.policy, 0).lane(self.lanes);
        outbox.send(Outgoing {
            topic: &self.topics.audit,
            partition: lane.partition(),
            key: Some(key.as_bytes()),
            value: Some(&self.value),
            headers: &[("jidoka-kind", change.kind().as_bytes()), ("jidoka-schema", b"audit/1"), ("jidoka-hash", &hash.hex())],
        })?;
        desk.chain.advance(hash);
        (desk.at, desk.must_write) = (Some(at), true);
        let (state, by, reason) = match change {
            IncidentChange::Opened => (IncidentState::Open, None, None),
            IncidentChange::Closed => (IncidentState::Closed, None, None),
            IncidentChange::Acknowledged { by, reason, .. } => {
                (IncidentState::Acknowledged, Some(by.to_owned()), Some(reason.to_owned()))
            }
        };
        let at = String::from_utf8_lossy(&at.rfc3339()).into_owned();
        let record = IncidentRecord { incident: incident.clone(), state, seq, entry_hash: hash.to_string(), at, by, reason };
        self.signal(&format!("incident/{}", incident.id), &record, outbox)?;
        if state == IncidentState::Open {
            desk.open.insert(incident.id.clone(), (seq, hash));
        } else if let Some(old) = desk.is_over(&incident.id) {
            self.tombstone(&format!("incident/{old}"), outbox)?;
        }
        Ok(())
    }

    /// A signal.
    pub fn signal(&mut self, key: &str, value: &impl Serialize, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        self.value.clear();
        serde_json::to_writer(&mut self.value, value).expect("a record of numbers and texts is JSON");
        let topic = self.topics.signals.clone();
        self.send(&topic, key, Some(()), b"signal/1", outbox)
    }

    fn tombstone(&mut self, key: &str, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        let topic = self.topics.signals.clone();
        self.send(&topic, key, None, b"signal/1", outbox)
    }

    fn send(&mut self, topic: &str, key: &str, value: Option<()>, schema: &[u8], outbox: &mut dyn Outbox) -> Result<(), Fault> {
        outbox.send(Outgoing {
            topic,
            partition: 0,
            key: Some(key.as_bytes()),
            value: value.map(|()| self.value.as_slice()),
            headers: &[("jidoka-schema", schema)],
        })
    }

    /// Where the fold of a policy stands.
    pub fn state(&mut self, policy: &str, state: &StateRecord, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        self.value.clear();
        state.write(&mut self.value);
        let room = outbox.record_bytes_max().saturating_sub(HEADERS_MAX);
        if self.value.len() > room {
            let sentence = format!(
                "The state of the statistics of policy {policy} has {} bytes, and the topic {} takes {room}. Raise its \
                 max.message.bytes; or watch fewer attributes, or features, in the policy's profile.",
                self.value.len(),
                self.topics.signals
            );
            return Err(Fault::stop("too-large", sentence));
        }
        let topic = self.topics.signals.clone();
        self.send(&topic, &format!("state/{policy}"), Some(()), b"state/1", outbox)
    }

    /// A late label goes where tallies are, so that all that is folded lies in one log.
    pub fn outcome(&mut self, outcome: &Outcome, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        self.value.clear();
        outcome.write(&mut self.value);
        let topic = self.topics.tallies.clone();
        self.send(&topic, "outcome", Some(()), b"tally/1", outbox)
    }
}
