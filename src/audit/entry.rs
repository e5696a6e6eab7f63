//! The gate's audit entries: DECIDED, DUPLICATE, GAP, each written field by field in the contract's order.

use crate::audit::ChainLink;
use crate::decision::{Decision, Part, TriggerResult};
use crate::event::{Event, Value};
use crate::identity::{DecisionId, Hash, Timestamp};
use crate::json::{ObjectWriter, object};
use crate::policy::Policy;
use crate::record;
use crate::signal::IncidentId;

/// What the append time of an input record means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AppendTimeType {
    /// The broker's clock when it appended the record.
    LogAppend,
    /// The producer's clock.
    Create,
    /// The record has none.
    None,
    /// It was read from a file; the time is the event's own.
    File,
}

impl AppendTimeType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::LogAppend => "log-append",
            Self::Create => "create",
            Self::None => "none",
            Self::File => "file",
        }
    }
}

/// The input record that an entry is about.
#[derive(Clone, Copy, Debug)]
pub struct InputRecord<'a> {
    /// Configured name of the input.
    pub source: &'a str,
    /// Its topic.
    pub topic: &'a str,
    /// Partition of that topic.
    pub partition: i32,
    /// Offset in that partition.
    pub offset: i64,
    /// When it was appended.
    pub appended_at: Option<Timestamp>,
    /// Whose clock that is.
    pub appended_at_type: AppendTimeType,
    /// SHA-256 of the record's value (of no bytes, where it is null).
    pub sha256: Hash,
    /// Row of a batch.
    pub row: u32,
}

impl InputRecord<'_> {
    fn write(&self, entry: &mut ObjectWriter<'_>) {
        entry.object("input", |input| {
            input.text("topic", self.topic);
            input.integer("partition", i64::from(self.partition));
            input.integer("offset", self.offset);
            record::time(input, "appended_at", self.appended_at);
            input.text("appended_at_type", self.appended_at_type.as_str());
            input.word("sha256", &self.sha256.hex());
        });
    }
}

/// What a DECIDED entry says.
#[derive(Debug)]
pub struct Decided<'a> {
    /// The decision's id.
    pub decision_id: DecisionId,
    /// When it was made.
    pub at: Timestamp,
    /// Its place in the gate's chain.
    pub chain: ChainLink<'a>,
    /// The record it is about.
    pub input: InputRecord<'a>,
    /// The producer's id of the event; none where it could not be read.
    pub event_id: Option<&'a str>,
    /// Name and version of the model, as far as they could be read.
    pub model: (Option<&'a str>, Option<&'a str>),
    /// The policy that applied; none where none did.
    pub policy: Option<&'a Policy>,
    /// What the model said.
    pub prediction: Value<'a>,
    /// The model's confidence, as written.
    pub confidence: Option<&'a str>,
    /// The earlier decision about the same event id with other bytes.
    pub conflicts_with: Option<DecisionId>,
    /// The decision itself.
    pub decision: &'a Decision,
    /// What the policy that is tried beside decided, where one is.
    pub shadow: Option<Shadow<'a>>,
}

/// The decision of a policy that nobody obeys.
#[derive(Clone, Copy, Debug)]
pub struct Shadow<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// Its decision.
    pub decision: &'a Decision,
}

/// Whether each trigger's result says in detail what it found, as `policy replay` shows it. Entries do not: details belong to
/// the case, which can be erased.
#[derive(Clone, Copy, Debug)]
enum Details<'a> {
    Omitted,
    Shown(Option<&'a Event<'a>>),
}

/// Writes a DECIDED entry into `out`.
pub fn write_decided(out: &mut Vec<u8>, decided: &Decided<'_>) {
    write(out, decided, Details::Omitted);
}

/// Writes the same entry with the member `details` in each trigger's result: null for the kinds of trigger that have none.
/// `event` is what was decided, where it could be read.
pub fn write_decided_in_detail(out: &mut Vec<u8>, decided: &Decided<'_>, event: Option<&Event<'_>>) {
    write(out, decided, Details::Shown(event));
}

fn write(out: &mut Vec<u8>, decided: &Decided<'_>, details: Details<'_>) {
    let decision = decided.decision;
    let mut scratch = String::new();
    object(out, |entry| {
        beginning(entry, decided.decision_id, "DECIDED", decided.at, &decided.chain);
        entry.text("source", decided.input.source);
        entry.text("event_id", decided.event_id);
        entry.integer("row", i64::from(decided.input.row));
        decided.input.write(entry);
        entry.object("model", |model| {
            model.text("name", decided.model.0);
            model.text("version", decided.model.1);
        });
        record::policy(entry, decided.policy);
        entry.text("outcome", decision.outcome.as_str());
        record::value(entry, "prediction", decided.prediction);
        entry.raw("confidence", decided.confidence.map(str::as_bytes));
        record::decision_id(entry, "conflicts_with", decided.conflicts_with);
        entry.objects("triggers", &decision.results, |object, result| {
            trigger_result(object, result, decided.policy);
            if let Details::Shown(event) = details {
                decision.write_details(object, result, (decided.policy, event), &mut scratch);
            }
        });
        entry.texts("missed", decision.missed.iter().filter_map(|&index| Some(decided.policy?.triggers.get(index)?.id.as_str())));
        priority(entry, decision, decided.policy);
        entry.object("basis", |basis| {
            basis.number("threshold", decision.rank.and_then(|rank| rank.threshold));
            incidents(basis, &decision.incidents);
            basis.text("control", decision.control.as_str());
            decision.write_reference(basis, decided.policy);
            basis.word("now", &decided.at.rfc3339());
        });
        entry.truth("late", decision.late);
        if let Some(shadow) = decided.shadow {
            entry.object("shadow", |object| shadow_members(object, shadow));
        }
        entry.integer("took_us", i64::try_from(decision.took.as_micros()).unwrap_or(i64::MAX));
    });
}

fn incidents(basis: &mut ObjectWriter<'_>, ids: &[IncidentId]) {
    basis.words("incidents", ids.iter().map(|id| id.hex()));
}

/// What a DUPLICATE entry says.
#[derive(Debug)]
pub struct Duplicate<'a> {
    /// The id of this sighting.
    pub decision_id: DecisionId,
    /// When it was seen.
    pub at: Timestamp,
    /// Its place in the gate's chain.
    pub chain: ChainLink<'a>,
    /// The record.
    pub input: InputRecord<'a>,
    /// The producer's id of the event.
    pub event_id: &'a str,
    /// The sighting before this one.
    pub of: DecisionId,
}

/// Writes a DUPLICATE entry into `out`.
pub fn write_duplicate(out: &mut Vec<u8>, duplicate: &Duplicate<'_>) {
    object(out, |entry| {
        beginning(entry, duplicate.decision_id, "DUPLICATE", duplicate.at, &duplicate.chain);
        entry.text("source", duplicate.input.source);
        entry.text("event_id", duplicate.event_id);
        entry.integer("row", i64::from(duplicate.input.row));
        duplicate.input.write(entry);
        record::decision_id(entry, "of", Some(duplicate.of));
    });
}

/// Why input offsets were never read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GapCause {
    /// They lay before the source's configured start.
    Start,
    /// The log lost them before they were read; this operator accepted it.
    Lost {
        /// Who accepted.
        by: String,
    },
}

/// What a GAP entry says: offsets `first ..= last` of an input partition were never decided.
#[derive(Debug)]
pub struct Gap<'a> {
    /// When it was written.
    pub at: Timestamp,
    /// Its place in the gate's chain.
    pub chain: ChainLink<'a>,
    /// Configured name of the input.
    pub source: &'a str,
    /// Its topic.
    pub topic: &'a str,
    /// Partition of that topic.
    pub partition: i32,
    /// First offset that was not read.
    pub first: i64,
    /// Last offset that was not read.
    pub last: i64,
    /// Why.
    pub cause: &'a GapCause,
}

impl Gap<'_> {
    /// The record's key, `gap/<source>/<partition>/<first offset>`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("gap/{}/{}/{}", self.source, self.partition, self.first)
    }
}

/// Writes a GAP entry into `out`.
pub fn write_gap(out: &mut Vec<u8>, gap: &Gap<'_>) {
    object(out, |entry| {
        entry.text("kind", "GAP");
        entry.word("at", &gap.at.rfc3339());
        gap.chain.write(entry);
        let (cause, actor, id) = match gap.cause {
            GapCause::Start => ("start", "system", "gate"),
            GapCause::Lost { by } => ("lost", "operator", by.as_str()),
        };
        actor_member(entry, actor, Some(id));
        entry.text("source", gap.source);
        entry.object("input", |input| {
            input.text("topic", gap.topic);
            input.integer("partition", i64::from(gap.partition));
            input.integer("first_offset", gap.first);
            input.integer("last_offset", gap.last);
        });
        entry.text("cause", cause);
    });
}

fn beginning(entry: &mut ObjectWriter<'_>, id: DecisionId, kind: &str, at: Timestamp, chain: &ChainLink<'_>) {
    entry.word("decision_id", &id.hex());
    entry.integer("seq", 0);
    entry.text("kind", kind);
    entry.word("at", &at.rfc3339());
    entry.raw("prev", None);
    chain.write(entry);
    actor_member(entry, "system", Some("gate"));
}

pub(super) fn actor_member(entry: &mut ObjectWriter<'_>, kind: &str, id: Option<&str>) {
    entry.object("actor", |actor| {
        actor.text("type", kind);
        actor.text("id", id);
    });
}

fn trigger_result(object: &mut ObjectWriter<'_>, result: &TriggerResult, policy: Option<&Policy>) {
    object.text("id", result.id(policy));
    object.text("kind", result.kind(policy));
    object.text("result", result.result.as_str());
    object.number("value", result.value);
    object.number("limit", result.limit);
    object.text("reason", result.reason(policy));
}

fn shadow_members(object: &mut ObjectWriter<'_>, Shadow { policy, decision }: Shadow<'_>) {
    record::policy(object, Some(policy));
    object.text("outcome", decision.outcome.as_str());
    object.number("score", decision.priority.score);
    object.text("band", decision.priority.band.as_str());
    let hits = decision.results.iter().filter(|result| result.is_finding());
    object.texts("findings", hits.map(|result| result.id(Some(policy))));
}

fn priority(entry: &mut ObjectWriter<'_>, decision: &Decision, policy: Option<&Policy>) {
    let part_member = |object: &mut ObjectWriter<'_>, part: &Part| {
        object.text("trigger", part.trigger.id(policy));
        object.number("risk", part.risk);
        object.number("weight", part.weight);
        object.number("share", part.share);
    };
    entry.object("priority", |priority| {
        priority.number("score", decision.priority.score);
        priority.text("band", decision.priority.band.as_str());
        priority.objects("parts", &decision.priority.parts, part_member);
    });
}
