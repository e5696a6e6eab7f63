//! The case as the sidecar keeps it, read from and written to the `cases` topic.
//!
//! `cases record → `[`CaseReader`]` → `[`Case`]` → `[`Case::write`]` → cases, reviews, archive`
//!
//! [`CaseReader`]: crate::case::CaseReader
//!
//! What never changes after the opening is kept as the bytes in which it was written, so that it is copied and not printed
//! anew; what many cases have in common (model, policy, review rules) is kept once.

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::Deserialize;

use crate::case::command::{Action, CommandId};
use crate::case::findings::Findings;
use crate::case::rules::Rules;
use crate::case::state::State;
use crate::identity::{DecisionId, Hash, Lane, Timestamp, write_hex};
use crate::json::{ObjectWriter, object};
use crate::policy::Band;
use crate::record;

/// The trail's last entry that changed what reviewers see: what a verdict must name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct View {
    /// Its number in the trail.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
}

/// One reviewer's vote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vote {
    /// Who.
    pub reviewer: Box<str>,
    /// [`Action::Approve`] or [`Action::Reject`].
    pub vote: Action,
    /// Number of its entry.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// The reason's code and text.
    pub reason: (Option<Box<str>>, Option<Box<str>>),
    /// The right answer, as JSON, where the reviewer gave one.
    pub corrected: Option<Box<str>>,
}

/// One reviewer's blind judgement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Judgement {
    /// Who.
    pub reviewer: Box<str>,
    /// The label, or `cannot-tell`.
    pub judgement: Box<str>,
    /// Number of its entry.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
}

/// What somebody wrote, with a comment or as the reason of another command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Comment {
    /// Who.
    pub reviewer: Box<str>,
    /// With what it was written.
    pub action: Action,
    /// Number of its entry.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// The reason's code.
    pub code: Option<Box<str>>,
    /// The text.
    pub text: Box<str>,
}

/// A case. Cloning it copies what may change and shares the rest. It is one pointer wide, so that in a map of many, which
/// keeps free slots, the free ones are small.
#[derive(Clone, PartialEq, Debug)]
pub struct Case(pub(super) Box<Standing>);

/// How a case stands, and what has become of it so far.
#[derive(Clone, PartialEq, Debug)]
pub struct Standing {
    /// The decision that it is about.
    pub decision_id: DecisionId,
    /// What was said at its opening and stays so.
    pub opened: Arc<Opened>,
    /// Where it stands.
    pub state: State,
    /// Number of the trail's last entry.
    pub seq: u64,
    /// What reviewers see.
    pub view: View,
    /// Hash of the trail's last entry.
    pub entry_hash: Hash,
    /// How urgent it is now.
    pub band: Band,
    /// Who has claimed it.
    pub assignee: Option<Box<str>>,
    /// Until when.
    pub lease_until: Option<Timestamp>,
    /// Whose members may act.
    pub groups: Arc<[String]>,
    /// Votes so far.
    pub votes: Vec<Vote>,
    /// How often it was escalated.
    pub escalations: u32,
    /// When time escalated it, once.
    pub escalated_at: Option<Timestamp>,
    /// Blind judgements.
    pub judgements: Vec<Judgement>,
    /// What was written.
    pub comments: Vec<Comment>,
    /// The commands that took effect.
    pub commands: Vec<CommandId>,
    /// When its final word was said.
    pub closed_at: Option<Timestamp>,
}

/// What never changes after the opening.
#[derive(PartialEq, Debug)]
pub struct Opened {
    /// Partition of jidoka's topics that its records lie in.
    pub lane: Lane,
    pub(super) row: u32,
    /// The earlier decision about the same event id with other bytes.
    pub conflicts_with: Option<DecisionId>,
    /// What salts the hashes of what reviewers write.
    pub salt: [u8; 16],
    /// When it was decided.
    pub opened_at: Timestamp,
    /// When it expires.
    pub due_at: Timestamp,
    /// What it has in common with others.
    pub common: Arc<Common>,
    pub(super) findings: Findings,
    /// The members of [`OWN`], as JSON, one after the other; then the `traceparent` of its input record.
    pub(super) text: Box<str>,
    pub(super) ends: [u32; OWN.len()],
}

/// The members that are kept as JSON, each case its own: the event in whichever way it is carried.
pub(super) const OWN: [&str; 6] = ["event_id", "score", "subject_id", "requested_by", "amount", "event"];
const EVENT_ID: usize = 0;
const SCORE: usize = 1;
const SUBJECT_ID: usize = 2;
const REQUESTED_BY: usize = 3;
const AMOUNT: usize = 4;
const EVENT: usize = 5;

/// What many cases have in common.
#[derive(PartialEq, Debug)]
pub struct Common {
    pub(super) source: Box<str>,
    pub(super) model: Box<str>,
    pub(super) policy: Box<str>,
    pub(super) review: Box<str>,
    /// The name of `event` or `event_ref`.
    pub(super) event_member: &'static str,
    /// The policy's name, for metrics.
    pub policy_name: Box<str>,
    /// The review rules, read.
    pub rules: Rules,
}

impl Opened {
    fn own(&self, place: usize) -> &str {
        let from = if place == 0 { 0 } else { self.ends[place - 1] as usize };
        &self.text[from..self.ends[place] as usize]
    }

    /// The input record's `traceparent`, where it had one.
    #[must_use]
    pub fn trace(&self) -> Option<&str> {
        Some(&self.text[self.ends[EVENT] as usize..]).filter(|trace| !trace.is_empty())
    }

    /// Whom the decision is about.
    #[must_use]
    pub fn subject_id(&self) -> Option<Cow<'_, str>> {
        text_of(self.own(SUBJECT_ID))
    }

    /// Who asked for the decision.
    #[must_use]
    pub fn requested_by(&self) -> Option<Cow<'_, str>> {
        text_of(self.own(REQUESTED_BY))
    }

    /// When time escalates the case: so much of the way from opening to `due_at`.
    #[must_use]
    pub fn remind_at(&self) -> Timestamp {
        let whole = self.due_at.0 - self.opened_at.0;
        #[expect(clippy::cast_possible_truncation, reason = "a part of a whole number of milliseconds, rounded down")]
        let part = (whole as f64 * self.common.rules.escalate_at) as i64;
        self.opened_at.plus_millis(part)
    }
}

impl Deref for Case {
    type Target = Standing;

    fn deref(&self) -> &Standing {
        &self.0
    }
}

impl DerefMut for Case {
    fn deref_mut(&mut self) -> &mut Standing {
        &mut self.0
    }
}

fn text_of(json: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Option<Text<'_>>>(json).ok().flatten().map(|text| text.0)
}

impl Case {
    /// The review rules that it was opened with.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.opened.common.rules
    }

    /// Writes the whole case into `out`: the value of its records in `cases`, `reviews` and `archive`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let opened = &*self.opened;
        object(out, |case| {
            case.word("decision_id", &self.decision_id.hex());
            case.integer("lane", i64::from(opened.lane.0));
            case.raw("event_id", opened.own(EVENT_ID).as_bytes());
            case.raw("source", opened.common.source.as_bytes());
            case.integer("row", i64::from(opened.row));
            record::decision_id(case, "conflicts_with", opened.conflicts_with);
            case.text("state", self.state.as_str());
            case.integer("seq", number(self.seq));
            case.object("view", |view| {
                view.integer("seq", number(self.view.seq));
                view.word("hash", &self.view.hash.hex());
            });
            case.word("entry_hash", &self.entry_hash.hex());
            case.text("band", self.band.as_str());
            case.raw("score", opened.own(SCORE).as_bytes());
            let mut salt = [0; 32];
            write_hex(&opened.salt, &mut salt);
            case.word("salt", &salt);
            for place in [SUBJECT_ID, REQUESTED_BY, AMOUNT] {
                case.raw(OWN[place], opened.own(place).as_bytes());
            }
            case.raw("findings", opened.findings.json().as_bytes());
            case.raw(opened.common.event_member, opened.own(EVENT).as_bytes());
            case.raw("model", opened.common.model.as_bytes());
            case.raw("policy", opened.common.policy.as_bytes());
            case.raw("review", opened.common.review.as_bytes());
            case.word("opened_at", &opened.opened_at.rfc3339());
            case.word("due_at", &opened.due_at.rfc3339());
            self.write_progress(case);
        });
    }

    fn write_progress(&self, case: &mut ObjectWriter<'_>) {
        case.text("assignee", self.assignee.as_deref());
        record::time(case, "lease_until", self.lease_until);
        case.texts("groups", self.groups.iter().map(String::as_str));
        case.objects("votes", &self.votes, |vote, of| {
            vote.text("reviewer", &*of.reviewer);
            vote.text("vote", of.vote.as_str());
            vote.integer("seq", number(of.seq));
            vote.word("at", &of.at.rfc3339());
            vote.object("reason", |reason| {
                reason.text("code", of.reason.0.as_deref());
                reason.text("text", of.reason.1.as_deref());
            });
            vote.raw("corrected", of.corrected.as_deref().map(str::as_bytes));
        });
        case.integer("escalations", i64::from(self.escalations));
        record::time(case, "escalated_at", self.escalated_at);
        case.objects("judgements", &self.judgements, |judgement, of| {
            judgement.text("reviewer", &*of.reviewer);
            judgement.text("judgement", &*of.judgement);
            judgement.integer("seq", number(of.seq));
            judgement.word("at", &of.at.rfc3339());
        });
        case.objects("comments", &self.comments, |comment, of| {
            comment.text("reviewer", &*of.reviewer);
            comment.text("action", of.action.as_str());
            comment.integer("seq", number(of.seq));
            comment.word("at", &of.at.rfc3339());
            comment.text("reason", of.code.as_deref());
            comment.text("text", &*of.text);
        });
        let texts: Vec<String> = self.commands.iter().map(ToString::to_string).collect();
        case.texts("commands", texts.iter().map(String::as_str));
        record::time(case, "closed_at", self.closed_at);
    }

    /// Writes the final word that action services obey into `out`.
    pub fn write_disposition(&self, out: &mut Vec<u8>, at: Timestamp) {
        object(out, |disposition| {
            disposition.word("decision_id", &self.decision_id.hex());
            disposition.raw("event_id", self.opened.own(EVENT_ID).as_bytes());
            disposition.raw("source", self.opened.common.source.as_bytes());
            disposition.integer("row", i64::from(self.opened.row));
            disposition.text("outcome", self.state.as_str());
            disposition.truth("final", !self.state.is_open());
            disposition.word("at", &at.rfc3339());
            disposition.integer("seq", number(self.seq));
            disposition.raw("policy", self.opened.common.policy.as_bytes());
            record::decision_id(disposition, "conflicts_with", self.opened.conflicts_with);
        });
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
