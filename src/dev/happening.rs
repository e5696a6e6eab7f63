//! What the records of `audit`, `reviews`, `cases` and `dead-letters` say, as far as somebody who looks on wants to know it.

mod change;
mod incident;
mod words;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::identity::Timestamp;

pub use change::{Before, Change, Refused};
pub use incident::{IncidentStep, Incidents};
pub use words::{Words, words};

/// One thing that happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Happening {
    /// An audit entry: the gate decided.
    Decided(Decided),
    /// An audit entry: the gate saw an event again.
    Duplicate(Duplicate),
    /// A record of the review feed: a decision waits for a person.
    Held(Held),
    /// A dead letter: a record could not be read.
    DeadLetter(DeadLetter),
    /// An audit entry: the sidecar changed a case.
    Changed(Change),
    /// An audit entry: the sidecar refused a command.
    Refused(Refused),
    /// An audit entry: the monitor noticed something, or somebody took notice of it.
    Incident(IncidentStep),
    /// A record of a case: what people wrote about it, of which the trail has only the hash.
    Wrote(Words),
}

/// Of a DECIDED entry.
#[derive(Clone, PartialEq, Debug)]
pub struct Decided {
    /// The case that it opens; none where it was released.
    pub opens: Option<Opens>,
    /// Whether it was held.
    pub outcome: Outcome,
    /// Ids of what held it.
    pub findings: Vec<String>,
    /// Append time of the event to its decision, in milliseconds.
    pub age_ms: Option<u64>,
}

/// The case that a decision opens.
#[derive(Clone, PartialEq, Debug)]
pub struct Opens {
    /// The decision.
    pub decision_id: String,
    /// The producer's id, where it could be read.
    pub event_id: Option<String>,
    /// When it was decided.
    pub at: String,
    /// How urgent it is.
    pub band: String,
    /// The same as a number, 0 to 100.
    pub score: f64,
}

/// What was decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// The automation may go on.
    Released,
    /// A person decides.
    Held,
}

/// Of a DUPLICATE entry.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Duplicate {
    /// When it was seen.
    pub at: String,
    /// The producer's id.
    pub event_id: String,
    /// The decision about the sighting before.
    pub of: String,
}

/// Of a review record.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Held {
    /// The decision.
    pub decision_id: String,
    /// When the case opened.
    #[serde(rename = "opened_at")]
    pub at: String,
    /// How urgent it is.
    pub band: String,
    /// The same as a number, 0 to 100.
    pub score: f64,
    /// Which model.
    pub model: Model,
    /// The producer's id, where it could be read.
    pub event_id: Option<String>,
    /// Why it is held.
    pub findings: Vec<Finding>,
    /// Until when a person should have decided.
    #[serde(default)]
    pub due_at: Option<String>,
    /// The event as it was sent; none where it is unreadable or too large.
    #[serde(default, deserialize_with = "as_written")]
    pub event: Option<String>,
}

fn as_written<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let event = Option::<Box<RawValue>>::deserialize(deserializer)?;
    Ok(event.map(|event| event.get().to_owned()).filter(|event| event != "null"))
}

/// The model of a case.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Model {
    /// Its name, where it could be read.
    pub name: Option<String>,
}

/// One reason.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Finding {
    /// The trigger's id.
    pub trigger: String,
    /// Why, for people.
    pub sentence: String,
}

/// A dead letter, from its headers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeadLetter {
    /// The decision about it.
    pub decision_id: String,
    /// When it was written.
    pub at: String,
    /// What is wrong, as a code.
    pub code: String,
    /// What is wrong, for people.
    pub detail: String,
    /// Where the original lies: topic/partition and offset.
    pub place: String,
    /// The original's beginning, as text.
    pub original: String,
    /// How long the original was, in bytes.
    pub original_size: String,
}

/// So much of an original is kept to be shown.
const ORIGINAL_BYTES_MAX: usize = 16 * 1024;

#[derive(Deserialize)]
struct Entry {
    kind: String,
}

#[derive(Deserialize)]
struct DecidedEntry {
    decision_id: String,
    event_id: Option<String>,
    at: String,
    outcome: Outcome,
    triggers: Vec<EntryTrigger>,
    input: EntryInput,
    priority: EntryPriority,
}

#[derive(Deserialize)]
struct EntryPriority {
    score: f64,
    band: String,
}

#[derive(Deserialize)]
struct EntryTrigger {
    id: String,
    result: String,
}

#[derive(Deserialize)]
struct EntryInput {
    appended_at: Option<String>,
}

/// Reads an audit entry; none where it is about something else than an event.
///
/// # Errors
/// Where it is not an audit entry.
pub fn audit(value: &[u8]) -> serde_json::Result<Option<Happening>> {
    let Entry { kind } = serde_json::from_slice(value)?;
    Ok(match kind.as_str() {
        "DECIDED" => Some(Happening::Decided(decided(serde_json::from_slice(value)?))),
        "DUPLICATE" => Some(Happening::Duplicate(serde_json::from_slice(value)?)),
        "REFUSED" => Some(Happening::Refused(Refused::read(value)?)),
        kind => match IncidentStep::read(kind, value)? {
            Some(step) => Some(Happening::Incident(step)),
            None => Change::read(kind, value)?.map(Happening::Changed),
        },
    })
}

fn decided(entry: DecidedEntry) -> Decided {
    let is_finding = |trigger: &EntryTrigger| ["hit", "error", "timeout"].contains(&trigger.result.as_str());
    let age_ms = entry.input.appended_at.as_deref().and_then(|appended_at| age_ms(appended_at, &entry.at));
    let findings = entry.triggers.into_iter().filter(is_finding).map(|trigger| trigger.id).collect();
    let EntryPriority { score, band } = entry.priority;
    let opens = Opens { decision_id: entry.decision_id, event_id: entry.event_id, at: entry.at, band, score };
    let opens = (entry.outcome == Outcome::Held).then_some(opens);
    Decided { opens, outcome: entry.outcome, findings, age_ms }
}

/// Milliseconds from one time to another.
pub(super) fn age_ms(from: &str, to: &str) -> Option<u64> {
    let age = Timestamp::parse(to)?.0 - Timestamp::parse(from)?.0;
    // Two clocks may disagree by a little; nothing is decided before it was sent.
    Some(u64::try_from(age).unwrap_or(0))
}

/// Reads a record of the review feed.
///
/// # Errors
/// Where it is not a case.
pub fn review(value: &[u8]) -> serde_json::Result<Happening> {
    serde_json::from_slice(value).map(Happening::Held)
}

/// Reads a dead letter by its headers and its value, the original.
#[must_use]
pub fn dead_letter<'h>(at: Option<Timestamp>, original: &[u8], header: impl Fn(&str) -> Option<&'h [u8]>) -> Happening {
    let text = |name: &str| String::from_utf8_lossy(header(name).unwrap_or_default()).into_owned();
    let topic = text("jidoka-source-topic");
    let place = format!("{topic}/{} at offset {}", text("jidoka-source-partition"), text("jidoka-source-offset"));
    let at = at.map(|at| String::from_utf8_lossy(&at.rfc3339()).into_owned()).unwrap_or_default();
    Happening::DeadLetter(DeadLetter {
        decision_id: text("jidoka-decision-id"),
        at,
        code: text("jidoka-error-code"),
        detail: text("jidoka-error-detail"),
        place,
        original: String::from_utf8_lossy(&original[..original.len().min(ORIGINAL_BYTES_MAX)]).into_owned(),
        original_size: text("jidoka-original-size"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_by_their_kind() {
        let decided = br#"{"decision_id":"d","event_id":null,"kind":"DECIDED","at":"2026-01-05T10:00:00.250Z","outcome":"HELD",
            "input":{"appended_at":"2026-01-05T10:00:00.200Z"},"priority":{"score":70.5,"band":"high"},
            "triggers":[{"id":"a","result":"hit"},{"id":"b","result":"miss"},{"id":"c","result":"error"}]}"#;
        let opens = Opens {
            decision_id: "d".to_owned(),
            event_id: None,
            at: "2026-01-05T10:00:00.250Z".to_owned(),
            band: "high".to_owned(),
            score: 70.5,
        };
        let findings = vec!["a".to_owned(), "c".to_owned()];
        let expected = Decided { opens: Some(opens), outcome: Outcome::Held, findings, age_ms: Some(50) };
        assert_eq!(audit(decided).unwrap(), Some(Happening::Decided(expected)));

        let gap = br#"{"kind":"GAP","at":"2026-01-05T10:00:00.250Z","input":{"first_offset":0}}"#;
        assert_eq!(audit(gap).unwrap(), None);
        assert!(audit(b"{}").is_err());
    }
}
