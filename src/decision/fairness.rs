//! The fairness trigger at the gate: is an incident about the subject's group open? The statistics are the monitor's
//! (`watch`); of a single decision nothing but this can be asked.

use std::fmt::Write as _;

use crate::event::{Event, Plain};
use crate::json::object;
use crate::policy::Trained;
use crate::signal::{Incident, IncidentId, IncidentKind, PolicySignals};

/// r of an adverse decision about somebody of a group with an open incident (`triggers.md`, section 3).
pub(super) const RISK: f64 = 0.3;

/// The open incidents about a group that the subject of `event` belongs to.
pub(super) fn concerning<'s>(
    signals: Option<&'s PolicySignals>,
    trained: &Trained,
    event: &Event<'_>,
) -> impl Iterator<Item = (IncidentId, &'s Incident)> {
    let incidents = signals.map_or(&[][..], |signals| &signals.incidents);
    let belongs = move |incident: &Incident| {
        let is_level = |(attribute, level): (&String, &String)| trained.level_of(event, attribute) == Plain::Text(level);
        incident.kind == IncidentKind::Fairness && !incident.group.is_empty() && incident.group.iter().all(is_level)
    };
    incidents.iter().filter(move |(_, incident)| belongs(incident)).map(|(id, incident)| (*id, incident))
}

/// Tells the reviewer of `incident`.
pub(super) fn tell(id: IncidentId, incident: &Incident, sentence: &mut String, details: &mut Vec<u8>) {
    let written =
        write!(sentence, "The prediction is adverse, and an incident about the subject's group is open: {}", incident.sentence);
    debug_assert!(written.is_ok(), "writing to a String cannot fail");
    object(details, |details| details.word("incident", &id.hex()));
}
