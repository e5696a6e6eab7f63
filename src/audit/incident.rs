//! The monitor's audit entries: incidents that were opened, acknowledged, or went away by themselves.

use serde::Serialize as _;

use crate::audit::ChainLink;
use crate::audit::entry::actor_member;
use crate::identity::{Hash, Timestamp};
use crate::json::object;
use crate::signal::Incident;

/// What became of an incident.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IncidentChange<'a> {
    /// The monitor noticed it.
    Opened,
    /// An operator has taken notice.
    Acknowledged {
        /// Who.
        by: &'a str,
        /// Why it is over.
        reason: &'a str,
        /// What it is held against from now on: `keep` or `recent`.
        baseline: &'a str,
    },
    /// Its cause went away.
    Closed,
}

impl IncidentChange<'_> {
    /// The kind of the entry.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Opened => "INCIDENT_OPENED",
            Self::Acknowledged { .. } => "INCIDENT_ACKNOWLEDGED",
            Self::Closed => "INCIDENT_CLOSED",
        }
    }
}

/// What an entry about an incident says.
#[derive(Clone, Copy, Debug)]
pub struct IncidentEntry<'a> {
    /// Its number in the incident's trail.
    pub seq: u64,
    /// What happened.
    pub change: IncidentChange<'a>,
    /// When.
    pub at: Timestamp,
    /// Hash of the trail's entry before; none for the first.
    pub prev: Option<Hash>,
    /// Its place in the policy's chain.
    pub chain: ChainLink<'a>,
    /// The incident.
    pub incident: &'a Incident,
}

impl IncidentEntry<'_> {
    /// The record's key, `incident/<id>/<seq>`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("incident/{}/{}", self.incident.id, self.seq)
    }
}

/// Writes the entry into `out`.
pub fn write_incident(out: &mut Vec<u8>, told: &IncidentEntry<'_>) {
    let mut incident = Vec::new();
    told.incident.serialize(&mut serde_json::Serializer::new(&mut incident)).expect("an incident of numbers and texts is JSON");
    object(out, |entry| {
        entry.integer("seq", i64::try_from(told.seq).unwrap_or(i64::MAX));
        entry.text("kind", told.change.kind());
        entry.word("at", &told.at.rfc3339());
        match told.prev {
            Some(prev) => entry.word("prev", &prev.hex()),
            None => entry.raw("prev", None),
        }
        told.chain.write(entry);
        if let IncidentChange::Acknowledged { by, reason, baseline } = told.change {
            actor_member(entry, "operator", Some(by));
            entry.text("reason", reason);
            entry.text("baseline", baseline);
        } else {
            actor_member(entry, "system", Some("monitor"));
        }
        entry.raw("incident", Some(incident.as_slice()));
    });
}
