//! What the lead does about incidents: looks into each for a while, then acknowledges it.

use std::time::Duration;

use super::people::{PEOPLE, Rank};
use crate::control::{AcknowledgedBaseline, Acknowledgement};
use crate::signal::{IncidentKind, IncidentRecord, IncidentState};

/// For so long an incident is looked into: at 20 events a second its cause is over by then.
const LOOKS_INTO_IT: Duration = Duration::from_secs(45);
/// What the key of an incident's signal begins with.
const INCIDENT: &str = "incident/";

/// An incident that somebody looks into.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Case {
    id: String,
    kind: IncidentKind,
    until: Duration,
}

/// The open incidents, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Lead {
    open: Vec<Case>,
}

impl Lead {
    /// Takes a record of `signals` that came at `now`.
    ///
    /// # Errors
    /// Where it is about an incident and cannot be read.
    pub fn see(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, now: Duration) -> serde_json::Result<()> {
        let id = key.and_then(|key| std::str::from_utf8(key).ok()).and_then(|key| key.strip_prefix(INCIDENT));
        let Some(id) = id else { return Ok(()) };
        let record: Option<IncidentRecord> = value.map(serde_json::from_slice).transpose()?;
        match record.filter(|record| record.state == IncidentState::Open) {
            None => self.open.retain(|case| case.id != id),
            Some(_) if self.open.iter().any(|case| case.id == id) => {}
            Some(record) => {
                self.open.push(Case { id: id.to_owned(), kind: record.incident.kind, until: now + LOOKS_INTO_IT });
            }
        }
        Ok(())
    }

    /// The record of `control` that is due, if one is: its key and value.
    pub fn acknowledges(&mut self, now: Duration) -> Option<(String, String)> {
        let lead = PEOPLE.iter().find(|person| person.rank == Rank::Lead)?;
        let place = self.open.iter().position(|case| case.until <= now)?;
        let Case { id, kind, .. } = self.open.remove(place);
        let reason = match kind {
            IncidentKind::Fairness => "the new version of the model was taken back",
            IncidentKind::Drift => "looked into it; what feeds the model is being mended",
            IncidentKind::Capacity => "more people review for now",
        };
        let order = Acknowledgement { by: lead.name.to_owned(), reason: reason.to_owned(), baseline: AcknowledgedBaseline::Keep };
        let value = serde_json::to_string(&order).expect("texts are JSON");
        Some((format!("acknowledge/{id}"), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ControlView;

    #[test]
    fn an_incident_is_acknowledged_once_after_a_while_unless_it_is_over() {
        let record = |state: &str| {
            format!(
                r#"{{"incident":{{"id":"5c0ffee05c0ffee0","kind":"fairness","policy":"p","about":"favourable-rate","group":{{}},
                "direction":"down","at_event":2,"since_event":1,"statistic":1.0,"threshold":0.5,"sentence":"It fell."}},
                "state":"{state}","seq":0,"entry_hash":"","at":"2026-01-05T10:46:41.250Z","by":null,"reason":null}}"#
            )
        };
        let (key, open) = (Some(&b"incident/5c0ffee05c0ffee0"[..]), record("open"));
        let mut lead = Lead::default();
        for second in [0, 30] {
            lead.see(key, Some(open.as_bytes()), Duration::from_secs(second)).expect("a signal");
        }
        lead.see(Some(b"threshold/p"), Some(b"{}"), Duration::ZERO).expect("of no interest");
        assert_eq!(lead.acknowledges(LOOKS_INTO_IT.mul_f64(0.99)), None);
        let (key_of_order, value) = lead.acknowledges(LOOKS_INTO_IT).expect("it is due");
        let mut view = ControlView::default();
        view.apply(&key_of_order, Some(value.as_bytes())).expect("an order");
        assert_eq!(view.acknowledged().get("5c0ffee05c0ffee0").map(|order| order.by.as_str()), Some("rosa"));
        assert_eq!(lead.acknowledges(LOOKS_INTO_IT * 2), None, "once");

        lead.see(key, Some(open.as_bytes()), Duration::ZERO).expect("a signal");
        lead.see(key, Some(record("closed").as_bytes()), Duration::ZERO).expect("a signal");
        assert_eq!(lead.acknowledges(LOOKS_INTO_IT), None, "it went away by itself");
        assert!(lead.see(key, Some(b"{}"), Duration::ZERO).is_err());
    }
}
