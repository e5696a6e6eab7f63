//! Entries of the sidecar: what became of a case, and which commands were refused.

use serde::Deserialize;

use crate::case::{Kind, State};

/// Of an entry of the sidecar: one step of a case.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    /// The case.
    pub decision_id: String,
    /// Number of the entry in the case's trail.
    pub seq: u64,
    /// What happened.
    pub kind: Kind,
    /// When.
    pub at: String,
    /// Who did it; none where only time acted.
    pub reviewer: Option<String>,
    /// The reason's code.
    pub reason: Option<String>,
    /// Where the case stands after it.
    pub state: State,
    /// Where it stood before.
    pub previous_state: State,
    /// How urgent it is after it.
    pub band: String,
    /// Who has the case after it.
    pub assignee: Option<String>,
    /// Who may act after it.
    pub groups: Vec<String>,
    /// What whoever looks on knew of the case before.
    pub before: Before,
}

/// What is known of a case from earlier entries.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Before {
    /// The producer's id of the event.
    pub event_id: Option<String>,
    /// The score that the case was opened with.
    pub score: Option<f64>,
    /// How urgent it was.
    pub band: Option<String>,
    /// Who had it.
    pub assignee: Option<String>,
    /// Milliseconds from its opening to the change.
    pub age_ms: Option<u64>,
}

/// Of a REFUSED entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The case that the command named, if it named one.
    pub decision_id: Option<String>,
    /// When it was refused.
    pub at: String,
    /// Who sent it, as far as it could be read.
    pub reviewer: Option<String>,
    /// What it wanted, as far as it could be read.
    pub action: Option<String>,
    /// Why it was refused, as a code.
    pub error: String,
}

#[derive(Deserialize)]
struct Actor {
    r#type: String,
    id: Option<String>,
}

#[derive(Deserialize)]
struct WireChange {
    decision_id: String,
    seq: u64,
    at: String,
    actor: Actor,
    reason: Option<String>,
    state: String,
    previous_state: String,
    band: String,
    assignee: Option<String>,
    groups: Vec<String>,
}

#[derive(Deserialize)]
struct WireRefused {
    decision_id: Option<String>,
    at: String,
    actor: Actor,
    action: Option<String>,
    error: String,
}

impl Change {
    /// Reads an entry of this kind; none where it is about no case.
    ///
    /// # Errors
    /// Where a member is missing or is not what it should be.
    pub fn read(kind: &str, entry: &[u8]) -> serde_json::Result<Option<Self>> {
        let Some(kind) = Kind::ALL.into_iter().find(|known| known.as_str() == kind) else { return Ok(None) };
        let wire: WireChange = serde_json::from_slice(entry)?;
        let state = |word: &str| {
            let no_state = || serde::de::Error::custom(format!("{word:?} is no state of a case"));
            State::parse(word).ok_or_else(no_state)
        };
        Ok(Some(Self {
            kind,
            state: state(&wire.state)?,
            previous_state: state(&wire.previous_state)?,
            decision_id: wire.decision_id,
            seq: wire.seq,
            at: wire.at,
            reviewer: wire.actor.id.filter(|_| wire.actor.r#type == "reviewer"),
            reason: wire.reason,
            band: wire.band,
            assignee: wire.assignee,
            groups: wire.groups,
            before: Before::default(),
        }))
    }
}

impl Refused {
    /// Reads a REFUSED entry.
    ///
    /// # Errors
    /// Where a member is missing.
    pub fn read(entry: &[u8]) -> serde_json::Result<Self> {
        let WireRefused { decision_id, at, actor, action, error } = serde_json::from_slice(entry)?;
        Ok(Self { decision_id, at, reviewer: actor.id, action, error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_s_step_and_that_of_time_are_told_apart() {
        let entry = |actor: &str| {
            format!(
                r#"{{"decision_id":"d","seq":2,"kind":"ESCALATED","at":"t","actor":{actor},"state":"PENDING",
                "previous_state":"UNDER_REVIEW","reason":"sla","band":"high","assignee":null,"groups":["g"]}}"#
            )
        };
        let read = |actor: &str| Change::read("ESCALATED", entry(actor).as_bytes()).expect("an entry").expect("of a case");
        assert_eq!(read(r#"{"type":"reviewer","id":"mei"}"#).reviewer.as_deref(), Some("mei"));
        let timed = read(r#"{"type":"system","id":"sidecar"}"#);
        assert_eq!((timed.reviewer, timed.kind, timed.state), (None, Kind::Escalated, State::Pending));
        assert_eq!(Change::read("INCIDENT_OPENED", b"{}").expect("skipped"), None);
        assert!(Change::read("CLAIMED", b"{}").is_err());
    }
}
