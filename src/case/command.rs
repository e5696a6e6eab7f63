//! A verdict: a reviewer's command on a case, as it lies in the `verdicts` topic.
//!
//! `record → `[`Command::read`]` → what is ordered, or `[`Unread`]` with the little that could be made out`

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::case::record::View;
use crate::identity::{DecisionId, Hash, Timestamp};
use crate::json::object;

/// By which a command is known: sent again, it does nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CommandId(uuid::Uuid);

impl CommandId {
    /// Reads a UUID of 36 letters, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 36).then(|| uuid::Uuid::try_parse(text).ok()).flatten().map(Self)
    }

    /// A random id (version 4) of these bytes.
    #[must_use]
    pub fn of_random(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What a reviewer can order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Action {
    /// Take the case.
    Claim,
    /// Give it back.
    Unclaim,
    /// Say what the answer should be, before seeing the machine's.
    Judge,
    /// Let the automation go on.
    Approve,
    /// Stop it.
    Reject,
    /// Hand it up.
    Escalate,
    /// Give it to somebody.
    Reassign,
    /// Write something.
    Comment,
    /// Look at what is masked.
    Unmask,
    /// Withdraw the decision.
    Cancel,
}

impl Action {
    /// All of them, in the contract's order.
    pub const ALL: [Self; 10] = [
        Self::Claim,
        Self::Unclaim,
        Self::Judge,
        Self::Approve,
        Self::Reject,
        Self::Escalate,
        Self::Reassign,
        Self::Comment,
        Self::Unmask,
        Self::Cancel,
    ];

    /// The word in records and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Unclaim => "unclaim",
            Self::Judge => "judge",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Escalate => "escalate",
            Self::Reassign => "reassign",
            Self::Comment => "comment",
            Self::Unmask => "unmask",
            Self::Cancel => "cancel",
        }
    }

    /// The action of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }

    /// Whether it decides what was shown, so that it must name what that was.
    #[must_use]
    pub const fn needs_seen(self) -> bool {
        matches!(self, Self::Approve | Self::Reject | Self::Escalate)
    }

    /// Whether a reason must be given.
    #[must_use]
    pub const fn needs_reason(self) -> bool {
        matches!(self, Self::Approve | Self::Reject | Self::Escalate | Self::Unmask)
    }
}

/// Why a command is refused (contract, section 3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Refusal {
    /// It is no command.
    Malformed,
    /// It, or a text in it, is longer than allowed.
    TooLarge,
    /// Nobody who may speak for the reviewer signed it.
    BadSignature,
    /// There is no such case.
    UnknownCase,
    /// The case is not in a state in which this may be.
    IllegalTransition,
    /// The case is not what was seen any more.
    Stale,
    /// The reviewer is in none of the groups that may.
    NotInGroup,
    /// Nobody decides about what they asked for, or about themselves.
    SelfApproval,
    /// Each vote must be another person's.
    AlreadyVoted,
    /// Somebody else has the case.
    NotAssignee,
    /// The reviewer must judge before seeing, and seeing before deciding.
    JudgeFirst,
    /// The case takes no more commands.
    TooMany,
    /// A reason is missing.
    ReasonRequired,
    /// The policy does not list this reason.
    UnknownReason,
}

impl Refusal {
    /// All of them, in the order in which the first that applies is told.
    pub const ALL: [Self; 14] = [
        Self::Malformed,
        Self::TooLarge,
        Self::BadSignature,
        Self::UnknownCase,
        Self::IllegalTransition,
        Self::Stale,
        Self::NotInGroup,
        Self::SelfApproval,
        Self::AlreadyVoted,
        Self::NotAssignee,
        Self::JudgeFirst,
        Self::TooMany,
        Self::ReasonRequired,
        Self::UnknownReason,
    ];

    /// The code in REFUSED entries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too-large",
            Self::BadSignature => "bad-signature",
            Self::UnknownCase => "unknown-case",
            Self::IllegalTransition => "illegal-transition",
            Self::Stale => "stale",
            Self::NotInGroup => "not-in-group",
            Self::SelfApproval => "self-approval",
            Self::AlreadyVoted => "already-voted",
            Self::NotAssignee => "not-assignee",
            Self::JudgeFirst => "judge-first",
            Self::TooMany => "too-many",
            Self::ReasonRequired => "reason-required",
            Self::UnknownReason => "unknown-reason",
        }
    }
}

/// How long a command, and each text in it, may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandBounds {
    /// Bytes of the record's value.
    pub record_bytes: usize,
    /// Bytes of a reason's text, a corrected answer as JSON, a judgement.
    pub text_bytes: usize,
}

/// The longest name of a reviewer, group, code or channel, in bytes.
const NAME_BYTES: usize = 256;
/// So many groups a reviewer may claim to be in.
const GROUPS: usize = 64;

/// What begins a `to` that names a group, and one that names a person.
pub(super) const GROUP: &str = "group:";
pub(super) const PERSON: &str = "user:";

/// A command that can be judged.
#[derive(Clone, Debug)]
pub struct Command<'a> {
    /// By which it is known.
    pub id: CommandId,
    /// The case.
    pub decision_id: DecisionId,
    /// What is ordered.
    pub action: Action,
    /// What the reviewer saw of the case.
    pub seen: Option<View>,
    /// Who orders it.
    pub reviewer: Cow<'a, str>,
    /// The groups that the reviewer claims to be in.
    pub groups: Vec<Cow<'a, str>>,
    /// The reason's code.
    pub code: Option<Cow<'a, str>>,
    /// The reason's text.
    pub text: Option<Cow<'a, str>>,
    /// The blind judgement.
    pub judgement: Option<Cow<'a, str>>,
    /// The right answer, as JSON.
    pub corrected: Option<&'a str>,
    /// To whom it is given.
    pub to: Option<Cow<'a, str>>,
    /// Through which tool it came.
    pub channel: Option<Cow<'a, str>>,
}

/// What could be made out of a record that is no command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unread {
    /// Why it is refused.
    pub refusal: Refusal,
    /// The case, if it names one.
    pub decision_id: Option<DecisionId>,
    /// Its id, if it has one.
    pub id: Option<CommandId>,
    /// What it wants, if that can be told.
    pub action: Option<Action>,
    /// Who it says it is from.
    pub reviewer: Option<String>,
    /// The channel it names.
    pub channel: Option<String>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    command_id: Cow<'a, str>,
    #[serde(borrow)]
    decision_id: Cow<'a, str>,
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow, default)]
    seen: Option<WireSeen<'a>>,
    #[serde(borrow)]
    reviewer: WireReviewer<'a>,
    #[serde(borrow, default)]
    reason: Option<WireReason<'a>>,
    #[serde(borrow, default)]
    judgement: Option<Text<'a>>,
    #[serde(borrow, default)]
    corrected: Option<&'a RawValue>,
    #[serde(borrow, default)]
    to: Option<Text<'a>>,
    #[serde(borrow, default)]
    issued_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    channel: Option<Text<'a>>,
}

/// Text that is borrowed where it has no escapes, also inside an option.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct WireSeen<'a> {
    seq: u64,
    #[serde(borrow)]
    hash: Cow<'a, str>,
}

#[derive(Deserialize)]
struct WireReviewer<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    groups: Option<Vec<Text<'a>>>,
}

#[derive(Deserialize)]
struct WireReason<'a> {
    #[serde(borrow, default)]
    code: Option<Text<'a>>,
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
}

impl<'a> Command<'a> {
    /// Reads the value of a `verdicts` record; none where it is null.
    ///
    /// # Errors
    /// Where it is no command or too long: with what could be made out, for the REFUSED entry.
    pub fn read(value: Option<&'a [u8]>, bounds: CommandBounds) -> Result<Self, Unread> {
        let bytes = value.unwrap_or_default();
        let command = serde_json::from_slice::<Wire<'a>>(bytes).ok().and_then(Self::of);
        let Some(command) = command else { return Err(Unread::of(bytes, Refusal::Malformed)) };
        if bytes.len() > bounds.record_bytes || command.longest_text() > bounds.text_bytes {
            return Err(Unread::of(bytes, Refusal::TooLarge));
        }
        Ok(command)
    }

    /// Writes the record's value into `out`.
    pub fn write(&self, out: &mut Vec<u8>, issued_at: Timestamp) {
        object(out, |command| {
            command.text("command_id", self.id.to_string().as_str());
            command.word("decision_id", &self.decision_id.hex());
            command.text("action", self.action.as_str());
            match self.seen {
                Some(view) => command.object("seen", |seen| {
                    seen.integer("seq", i64::try_from(view.seq).unwrap_or(i64::MAX));
                    seen.word("hash", &view.hash.hex());
                }),
                None => command.raw("seen", None),
            }
            command.object("reviewer", |reviewer| {
                reviewer.text("id", &*self.reviewer);
                reviewer.texts("groups", self.groups.iter().map(|group| &**group));
            });
            if self.code.is_some() || self.text.is_some() {
                command.object("reason", |reason| {
                    reason.text("code", self.code.as_deref());
                    reason.text("text", self.text.as_deref());
                });
            } else {
                command.raw("reason", None);
            }
            command.text("judgement", self.judgement.as_deref());
            command.raw("corrected", self.corrected.map(str::as_bytes));
            command.text("to", self.to.as_deref());
            command.word("issued_at", &issued_at.rfc3339());
            command.text("channel", self.channel.as_deref());
        });
    }

    fn of(wire: Wire<'a>) -> Option<Self> {
        let text = |text: Option<Text<'a>>| text.map(|text| text.0);
        let (code, reason_text) = wire.reason.map_or((None, None), |reason| (text(reason.code), text(reason.text)));
        let seen = match wire.seen {
            Some(seen) => Some(View { seq: seen.seq, hash: Hash::parse(&seen.hash)? }),
            None => None,
        };
        if let Some(issued_at) = &wire.issued_at {
            Timestamp::parse(&issued_at.0)?;
        }
        let command = Self {
            id: CommandId::parse(&wire.command_id)?,
            decision_id: DecisionId::parse(&wire.decision_id)?,
            action: Action::parse(&wire.action)?,
            seen,
            reviewer: wire.reviewer.id,
            groups: wire.reviewer.groups.unwrap_or_default().into_iter().map(|group| group.0).collect(),
            code,
            text: reason_text,
            judgement: text(wire.judgement),
            corrected: wire.corrected.map(RawValue::get),
            to: text(wire.to),
            channel: text(wire.channel),
        };
        (command.has_good_names() && command.is_complete()).then_some(command)
    }

    /// Whether everything that its action needs is there, and `corrected` only where it belongs.
    fn is_complete(&self) -> bool {
        let needed = match self.action {
            Action::Judge => self.judgement.is_some(),
            Action::Reassign => self.to.as_deref().is_some_and(|to| to != GROUP && to != PERSON),
            // A case goes up to a group, never past it to one person.
            Action::Escalate if self.to.as_deref().is_some_and(|to| to == GROUP || to.starts_with(PERSON)) => false,
            Action::Comment => self.text.is_some(),
            action => self.seen.is_some() || !action.needs_seen(),
        };
        needed && (self.corrected.is_none() || self.action == Action::Reject)
    }

    fn has_good_names(&self) -> bool {
        let names = [&self.code, &self.to, &self.channel].into_iter().flatten();
        let names = names.chain(&self.groups).chain([&self.reviewer]);
        self.groups.len() <= GROUPS && names.into_iter().all(|name| is_name(name))
    }

    fn longest_text(&self) -> usize {
        let texts = [self.text.as_deref(), self.judgement.as_deref(), self.corrected];
        texts.into_iter().flatten().map(str::len).max().unwrap_or(0)
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES && !name.chars().any(char::is_control)
}

impl Unread {
    /// What can be made out of `bytes`, which are refused. A duplicate key, for one, leaves the rest readable.
    fn of(bytes: &[u8], refusal: Refusal) -> Self {
        let json: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
        let text = |pointer: &str| json.pointer(pointer).and_then(Value::as_str);
        let name = |pointer: &str| text(pointer).filter(|name| is_name(name)).map(str::to_owned);
        Self {
            refusal,
            decision_id: text("/decision_id").and_then(DecisionId::parse),
            id: text("/command_id").and_then(CommandId::parse),
            action: text("/action").and_then(Action::parse),
            reviewer: name("/reviewer/id"),
            channel: name("/channel"),
        }
    }
}
