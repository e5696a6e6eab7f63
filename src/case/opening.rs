//! The record that opens a case: complete in itself, so that sidecar and reviewers need neither policy nor input topic.

use crate::audit::InputRecord;
use crate::case::state::State;
use crate::decision::{Decision, TriggerResult};
use crate::event::{Event, Value};
use crate::identity::{DecisionId, Hash, Lane, Timestamp, write_hex};
use crate::json::{ObjectWriter, object};
use crate::policy::{Policy, ReviewRules};
use crate::record;

/// How the case carries its event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventCopy {
    /// The original JSON, byte for byte.
    Whole,
    /// Topic, partition, offset and hash: the event is unreadable, or too large to copy.
    Reference,
}

/// What is known when a case opens.
#[derive(Debug)]
pub struct Opening<'a> {
    /// The decision's id.
    pub decision_id: DecisionId,
    /// Its lane.
    pub lane: Lane,
    /// The record it is about.
    pub input: InputRecord<'a>,
    /// The event; none where it could not be read.
    pub event: Option<&'a Event<'a>>,
    /// The producer's id and the model's name and version, as far as they could be read.
    pub event_id: Option<&'a str>,
    /// Name and version of the model.
    pub model: (Option<&'a str>, Option<&'a str>),
    /// The policy that applied.
    pub policy: Option<&'a Policy>,
    /// The review rules that apply: the policy's, or the fallback's.
    pub review: &'a ReviewRules,
    /// Place in those rules of the groups that apply.
    pub groups: usize,
    /// Those rules as JSON, with these groups.
    pub review_json: &'a str,
    /// The earlier decision about the same event id with other bytes.
    pub conflicts_with: Option<DecisionId>,
    /// The decision.
    pub decision: &'a Decision,
    /// Hash of its DECIDED entry.
    pub entry_hash: Hash,
    /// 16 random bytes that salt what reviewers will write.
    pub salt: [u8; 16],
    /// When it was decided.
    pub at: Timestamp,
}

/// Writes the case as it opens into `out`; the same bytes go to `cases` and `reviews`. `sentence` is scratch space.
pub fn write_opening(out: &mut Vec<u8>, opening: &Opening<'_>, copy: EventCopy, sentence: &mut String) {
    let priority = &opening.decision.priority;
    let sla = i64::try_from(opening.review.sla(priority.band).as_millis()).unwrap_or(i64::MAX);
    object(out, |case| {
        case.word("decision_id", &opening.decision_id.hex());
        case.integer("lane", i64::from(opening.lane.0));
        case.text("event_id", opening.event_id);
        case.text("source", opening.input.source);
        case.integer("row", i64::from(opening.input.row));
        record::decision_id(case, "conflicts_with", opening.conflicts_with);
        case.text("state", State::Pending.as_str());
        case.integer("seq", 0);
        case.object("view", |view| {
            view.integer("seq", 0);
            view.word("hash", &opening.entry_hash.hex());
        });
        case.word("entry_hash", &opening.entry_hash.hex());
        case.text("band", priority.band.as_str());
        case.number("score", priority.score);
        let mut salt = [0; 32];
        write_hex(&opening.salt, &mut salt);
        case.word("salt", &salt);
        case.text("subject_id", opening.event.and_then(Event::subject_id));
        case.text("requested_by", opening.event.and_then(Event::requested_by));
        record::value(case, "amount", opening.event.map_or(Value::Missing, Event::amount));
        let findings = opening.decision.results.iter().filter(|result| result.is_finding());
        case.objects("findings", findings, |object, result| finding(object, result, opening, sentence));
        event(case, opening, copy);
        case.object("model", |model| {
            model.text("name", opening.model.0);
            model.text("version", opening.model.1);
        });
        record::policy(case, opening.policy);
        case.raw("review", opening.review_json.as_bytes());
        case.word("opened_at", &opening.at.rfc3339());
        case.word("due_at", &opening.at.plus_millis(sla).rfc3339());
        case.text("assignee", None);
        case.text("lease_until", None);
        let groups = opening.review.groups.get(opening.groups).map_or(&[][..], |rule| &rule.groups);
        case.texts("groups", groups.iter().map(String::as_str));
        nothing_happened_yet(case);
    });
}

fn nothing_happened_yet(case: &mut ObjectWriter<'_>) {
    case.texts("votes", []);
    case.integer("escalations", 0);
    case.text("escalated_at", None);
    case.texts("judgements", []);
    case.texts("comments", []);
    case.texts("commands", []);
    case.text("closed_at", None);
}

fn finding(object: &mut ObjectWriter<'_>, result: &TriggerResult, opening: &Opening<'_>, sentence: &mut String) {
    let (decision, policy) = (opening.decision, opening.policy);
    sentence.clear();
    decision.sentence(result, policy, sentence);
    object.text("trigger", result.id(policy));
    object.text("kind", result.kind(policy));
    object.text("sentence", sentence.as_str());
    object.number("value", result.value);
    object.number("limit", result.limit);
    decision.write_details(object, result, (policy, opening.event), sentence);
}

fn event(case: &mut ObjectWriter<'_>, opening: &Opening<'_>, copy: EventCopy) {
    match (copy, opening.event) {
        (EventCopy::Whole, Some(event)) => case.raw("event", event.bytes()),
        _ => case.object("event_ref", |reference| {
            reference.text("topic", opening.input.topic);
            reference.integer("partition", i64::from(opening.input.partition));
            reference.integer("offset", opening.input.offset);
            reference.word("sha256", &opening.input.sha256.hex());
        }),
    }
}
