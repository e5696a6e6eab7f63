//! Entries of the monitor: an incident was opened, acknowledged or closed.

use serde::Deserialize;

use crate::signal::{Incident, IncidentState};

/// One step of an incident.
#[derive(Clone, PartialEq, Debug)]
pub struct IncidentStep {
    /// Where the incident stands after it.
    pub state: IncidentState,
    /// When.
    pub at: String,
    /// Who acknowledged it.
    pub by: Option<String>,
    /// Why it is over, in that person's words.
    pub reason: Option<String>,
    /// The incident.
    pub incident: Incident,
}

#[derive(Deserialize)]
struct Wire {
    at: String,
    actor: Actor,
    reason: Option<String>,
    incident: Incident,
}

#[derive(Deserialize)]
struct Actor {
    id: Option<String>,
}

impl IncidentStep {
    /// Reads an entry of this kind; none where it is about no incident.
    ///
    /// # Errors
    /// Where a member is missing or is not what it should be.
    pub fn read(kind: &str, entry: &[u8]) -> serde_json::Result<Option<Self>> {
        let state = match kind {
            "INCIDENT_OPENED" => IncidentState::Open,
            "INCIDENT_ACKNOWLEDGED" => IncidentState::Acknowledged,
            "INCIDENT_CLOSED" => IncidentState::Closed,
            _ => return Ok(None),
        };
        let Wire { at, actor, reason, incident } = serde_json::from_slice(entry)?;
        let by = actor.id.filter(|_| state == IncidentState::Acknowledged);
        Ok(Some(Self { state, at, by, reason, incident }))
    }

    /// What happened, in a word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self.state {
            IncidentState::Open => "opened",
            IncidentState::Acknowledged => "acknowledged",
            IncidentState::Closed => "closed",
        }
    }

    /// Who acknowledged it and why; nothing where nobody did.
    #[must_use]
    pub fn by_whom(&self) -> String {
        let by = self.by.as_deref().map(|by| format!("by {by}")).unwrap_or_default();
        by + &self.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default()
    }
}

/// The incidents of which it is not known that they are over, and how many there were.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Incidents {
    open: Vec<Incident>,
    opened: u64,
}

impl Incidents {
    /// So many are shown at most; of more the oldest go.
    const OPEN_MAX: usize = 100;

    /// Takes the next step.
    pub fn take(&mut self, step: &IncidentStep) {
        self.open.retain(|incident| incident.id != step.incident.id);
        if step.state == IncidentState::Open {
            self.opened += 1;
            self.open.push(step.incident.clone());
            let over = self.open.len().saturating_sub(Self::OPEN_MAX);
            self.open.drain(..over);
        }
    }

    /// The open ones, the oldest first.
    #[must_use]
    pub fn open(&self) -> &[Incident] {
        &self.open
    }

    /// How many were opened.
    #[must_use]
    pub const fn opened(&self) -> u64 {
        self.opened
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Chain, IncidentChange, IncidentEntry, write_incident};
    use crate::identity::Timestamp;
    use crate::signal::{Direction, IncidentKind};

    fn incident() -> Incident {
        Incident {
            id: "5c0ffee05c0ffee0".to_owned(),
            kind: IncidentKind::Fairness,
            policy: "p".to_owned(),
            about: "favourable-rate".to_owned(),
            group: [("sex".to_owned(), "Male".to_owned())].into(),
            direction: Direction::Down,
            at_event: 755,
            since_event: 566,
            statistic: 6.5,
            threshold: 5.0,
            sentence: "It fell.".to_owned(),
        }
    }

    #[test]
    fn what_the_monitor_writes_is_read_and_open_ones_are_counted() {
        let (incident, mut incidents) = (incident(), Incidents::default());
        let acknowledged = IncidentChange::Acknowledged { by: "rosa", reason: "rolled back", baseline: "keep" };
        let steps = [IncidentChange::Opened, acknowledged, IncidentChange::Closed].map(|change| {
            let chain = Chain::resume("monitor/p".to_owned(), None);
            let entry = IncidentEntry { seq: 0, change, at: Timestamp(0), prev: None, chain: chain.next(), incident: &incident };
            let mut bytes = Vec::new();
            write_incident(&mut bytes, &entry);
            IncidentStep::read(change.kind(), &bytes).expect("an entry").expect("of an incident")
        });
        assert_eq!(steps.each_ref().map(IncidentStep::word), ["opened", "acknowledged", "closed"]);
        assert_eq!(steps.each_ref().map(IncidentStep::by_whom), ["", "by rosa: rolled back", ""]);
        for (step, open) in steps.iter().zip([1, 0, 0]) {
            incidents.take(step);
            assert_eq!((incidents.open().len(), incidents.opened(), &step.incident), (open, 1, &incident));
        }
        assert_eq!(IncidentStep::read("CLAIMED", b"{}").expect("skipped"), None);
        assert!(IncidentStep::read("INCIDENT_OPENED", b"{}").is_err());
    }
}
