//! Members that several of jidoka's records share, and the disposition: the slim record that action services obey.

use crate::decision::Outcome;
use crate::event::Value;
use crate::identity::{DecisionId, Lane, Timestamp};
use crate::json::{ObjectWriter, object};
use crate::policy::{Band, Policy};

/// The partition of the review feed for cases of `band` in `lane`: band · spread + (lane mod spread).
pub(crate) fn review_partition(band: Band, lane: Lane, spread: u16) -> i32 {
    let band = i32::try_from(band.index()).expect("there are four bands");
    band * i32::from(spread) + i32::from(lane.0 % spread.max(1))
}

/// A decision id, `null` where there is none.
pub(crate) fn decision_id(record: &mut ObjectWriter<'_>, name: &str, id: Option<DecisionId>) {
    match id {
        Some(id) => record.word(name, &id.hex()),
        None => record.raw(name, None),
    }
}

/// The member `policy`: name, version and hash of the one that applied, or `none`.
pub(crate) fn policy(record: &mut ObjectWriter<'_>, policy: Option<&Policy>) {
    record.object("policy", |object| {
        object.text("name", policy.map_or("none", |policy| policy.name.as_str()));
        object.text("version", policy.and_then(|policy| policy.version.as_deref()));
        let hash = policy.map(|policy| policy.hash.hex());
        object.text("hash", hash.as_ref().and_then(|hash| std::str::from_utf8(hash).ok()));
    });
}

/// A value of the event, as its producer wrote it; strings are escaped anew.
pub(crate) fn value(record: &mut ObjectWriter<'_>, name: &str, value: Value<'_>) {
    match value {
        Value::Missing => record.raw(name, None),
        Value::Bool(truth) => record.truth(name, truth),
        Value::Number { text, .. } => record.raw(name, text.as_bytes()),
        Value::Text(text) => record.text(name, text),
    }
}

/// A time, `null` where there is none.
pub(crate) fn time(record: &mut ObjectWriter<'_>, name: &str, time: Option<Timestamp>) {
    match time {
        Some(time) => record.word(name, &time.rfc3339()),
        None => record.raw(name, None),
    }
}

/// What a disposition says, apart from its state: see [`write_disposition`].
#[derive(Debug)]
pub struct Disposition<'a> {
    /// The decision's id.
    pub decision_id: DecisionId,
    /// The producer's id of the event.
    pub event_id: Option<&'a str>,
    /// Configured name of the input.
    pub source: &'a str,
    /// Row of a batch.
    pub row: u32,
    /// RELEASED or HELD.
    pub outcome: Outcome,
    /// When it was decided.
    pub at: Timestamp,
    /// The policy that applied.
    pub policy: Option<&'a Policy>,
    /// The earlier decision about the same event id with other bytes.
    pub conflicts_with: Option<DecisionId>,
}

/// Writes the gate's disposition of a decision into `out`: final where it is released.
pub fn write_disposition(out: &mut Vec<u8>, disposition: &Disposition<'_>) {
    object(out, |record| {
        record.word("decision_id", &disposition.decision_id.hex());
        record.text("event_id", disposition.event_id);
        record.text("source", disposition.source);
        record.integer("row", i64::from(disposition.row));
        record.text("outcome", disposition.outcome.as_str());
        record.truth("final", disposition.outcome == Outcome::Released);
        record.word("at", &disposition.at.rfc3339());
        record.integer("seq", 0);
        policy(record, disposition.policy);
        decision_id(record, "conflicts_with", disposition.conflicts_with);
    });
}
