//! Reading cases back from the `cases` topic.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::case::command::{Action, CommandId};
use crate::case::findings::{self, Findings};
use crate::case::record::{Case, Comment, Common, Judgement, OWN, Opened, Standing, View, Vote};
use crate::case::rules::Rules;
use crate::case::state::State;
use crate::identity::{DecisionId, Hash, Lane, Timestamp, parse_hex};
use crate::policy::Band;

/// Reads cases and keeps what they have in common once.
#[derive(Default, Debug)]
pub struct CaseReader {
    common: HashMap<Box<str>, Arc<Common>>,
    patterns: HashSet<Arc<str>>,
}

/// So many different models, policies, rules and patterns of findings are remembered before those of no open case are forgotten.
const COMMON_MAX: usize = 1_024;

impl CaseReader {
    /// Reads the value of a `cases` record; `trace` is the record's `traceparent`.
    ///
    /// # Errors
    /// With a sentence where it is no case: somebody else wrote to the topic.
    pub fn read(&mut self, value: &[u8], trace: Option<&str>) -> Result<Case, String> {
        let wire: Wire<'_> = serde_json::from_slice(value).map_err(|error| error.to_string())?;
        let common = self.common(&wire)?;
        let findings = self.findings(wire.findings.get());
        let opened = Arc::new(wire.opened(value, Arc::clone(&common), findings, trace)?);
        let entry_hash = wire.entry_hash()?;
        let groups = if *wire.groups == *common.rules.groups { Arc::clone(&common.rules.groups) } else { wire.groups.into() };
        let seq_of = |number: u64, hash: &str| Ok::<_, String>(View { seq: number, hash: hash_of(hash)? });
        Ok(Case(Box::new(Standing {
            decision_id: id_of(&wire.decision_id)?,
            opened,
            state: State::parse(&wire.state).ok_or_else(|| format!("{:?} is no state", wire.state))?,
            seq: wire.seq,
            view: seq_of(wire.view.seq, &wire.view.hash)?,
            entry_hash,
            band: Band::parse(&wire.band).ok_or_else(|| format!("{:?} is no band", wire.band))?,
            assignee: wire.assignee,
            lease_until: wire.lease_until.as_deref().map(time_of).transpose()?,
            groups,
            votes: all(wire.votes, WireVote::vote)?,
            escalations: wire.escalations,
            escalated_at: wire.escalated_at.as_deref().map(time_of).transpose()?,
            judgements: all(wire.judgements, WireJudgement::judgement)?,
            comments: all(wire.comments, WireComment::comment)?,
            commands: all(wire.commands, |id| CommandId::parse(&id).ok_or_else(|| format!("{id:?} is no command id")))?,
            closed_at: wire.closed_at.as_deref().map(time_of).transpose()?,
        })))
    }

    /// How many different models, policies and rules, and how many patterns, are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> (usize, usize) {
        (self.common.len(), self.patterns.len())
    }

    fn findings(&mut self, json: &str) -> Findings {
        let (pattern, numbers) = findings::split(json);
        let numbers = numbers.into();
        if let Some(known) = self.patterns.get(pattern.as_str()) {
            return Findings { pattern: Arc::clone(known), numbers };
        }
        let pattern: Arc<str> = pattern.into();
        if self.patterns.len() >= COMMON_MAX {
            self.patterns.retain(|pattern| Arc::strong_count(pattern) > 1);
        }
        // With so many in use they differ in more than numbers: then each case keeps its own.
        if self.patterns.len() < COMMON_MAX {
            self.patterns.insert(Arc::clone(&pattern));
        }
        Findings { pattern, numbers }
    }

    fn common(&mut self, wire: &Wire<'_>) -> Result<Arc<Common>, String> {
        let event_member = if wire.event.is_some() { "event" } else { "event_ref" };
        let parts = [wire.source.get(), wire.model.get(), wire.policy.get(), wire.review.get(), event_member];
        let key = parts.join("\n");
        if let Some(known) = self.common.get(key.as_str()) {
            return Ok(Arc::clone(known));
        }
        let policy: WirePolicy = serde_json::from_str(wire.policy.get()).map_err(|error| format!("policy: {error}"))?;
        let common = Arc::new(Common {
            source: wire.source.get().into(),
            model: wire.model.get().into(),
            policy: wire.policy.get().into(),
            review: wire.review.get().into(),
            event_member,
            policy_name: policy.name,
            rules: Rules::read(wire.review.get())?,
        });
        if self.common.len() >= COMMON_MAX {
            self.common.retain(|_, common| Arc::strong_count(common) > 1);
        }
        self.common.insert(key.into(), Arc::clone(&common));
        Ok(common)
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    decision_id: Cow<'a, str>,
    lane: u16,
    #[serde(borrow)]
    event_id: Option<&'a RawValue>,
    #[serde(borrow)]
    source: &'a RawValue,
    row: u32,
    #[serde(borrow)]
    conflicts_with: Option<Cow<'a, str>>,
    #[serde(borrow)]
    state: Cow<'a, str>,
    seq: u64,
    #[serde(borrow)]
    view: WireView<'a>,
    #[serde(borrow)]
    entry_hash: Option<Cow<'a, str>>,
    #[serde(borrow)]
    band: Cow<'a, str>,
    #[serde(borrow)]
    score: Option<&'a RawValue>,
    #[serde(borrow)]
    salt: Cow<'a, str>,
    #[serde(borrow)]
    subject_id: Option<&'a RawValue>,
    #[serde(borrow)]
    requested_by: Option<&'a RawValue>,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    #[serde(borrow)]
    findings: &'a RawValue,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    event_ref: Option<&'a RawValue>,
    #[serde(borrow)]
    model: &'a RawValue,
    #[serde(borrow)]
    policy: &'a RawValue,
    #[serde(borrow)]
    review: &'a RawValue,
    #[serde(borrow)]
    opened_at: Cow<'a, str>,
    #[serde(borrow)]
    due_at: Cow<'a, str>,
    assignee: Option<Box<str>>,
    #[serde(borrow)]
    lease_until: Option<Cow<'a, str>>,
    groups: Vec<String>,
    votes: Vec<WireVote>,
    escalations: u32,
    #[serde(borrow)]
    escalated_at: Option<Cow<'a, str>>,
    judgements: Vec<WireJudgement>,
    comments: Vec<WireComment>,
    #[serde(borrow)]
    commands: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    closed_at: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct WirePolicy {
    name: Box<str>,
}

#[derive(Deserialize)]
struct WireView<'a> {
    seq: u64,
    #[serde(borrow)]
    hash: Cow<'a, str>,
}

#[derive(Deserialize)]
struct WireVote {
    reviewer: Box<str>,
    vote: String,
    seq: u64,
    at: String,
    reason: WireReason,
    corrected: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct WireReason {
    code: Option<Box<str>>,
    text: Option<Box<str>>,
}

#[derive(Deserialize)]
struct WireJudgement {
    reviewer: Box<str>,
    judgement: Box<str>,
    seq: u64,
    at: String,
}

#[derive(Deserialize)]
struct WireComment {
    reviewer: Box<str>,
    action: String,
    seq: u64,
    at: String,
    reason: Option<Box<str>>,
    text: Box<str>,
}

impl Wire<'_> {
    /// Cases that gates of version 0.1.0 opened do not name the trail's last entry: of an opening it is the one that is seen.
    fn entry_hash(&self) -> Result<Hash, String> {
        match &self.entry_hash {
            Some(hash) => hash_of(hash),
            None if self.seq == self.view.seq => hash_of(&self.view.hash),
            None => Err("`entry_hash` is missing".to_owned()),
        }
    }

    fn opened(&self, value: &[u8], common: Arc<Common>, findings: Findings, trace: Option<&str>) -> Result<Opened, String> {
        let raw = |value: Option<&RawValue>| value.map_or("null", RawValue::get).to_owned();
        let event = self.event.or(self.event_ref).ok_or("it has neither `event` nor `event_ref`")?;
        let own = [
            raw(self.event_id),
            raw(self.score),
            raw(self.subject_id),
            raw(self.requested_by),
            raw(self.amount),
            with_whitespace(value, event).to_owned(),
        ];
        let mut ends = [0; OWN.len()];
        let mut sum = 0;
        for (end, part) in ends.iter_mut().zip(&own) {
            sum += part.len();
            *end = u32::try_from(sum).map_err(|_| "it is longer than 4 GiB")?;
        }
        Ok(Opened {
            lane: Lane(self.lane),
            row: self.row,
            conflicts_with: self.conflicts_with.as_deref().map(id_of).transpose()?,
            salt: parse_hex(&self.salt).ok_or_else(|| format!("{:?} is no salt", self.salt))?,
            opened_at: time_of(&self.opened_at)?,
            due_at: time_of(&self.due_at)?,
            common,
            findings,
            text: [own.concat(), trace.unwrap_or_default().to_owned()].concat().into(),
            ends,
        })
    }
}

impl WireVote {
    fn vote(self) -> Result<Vote, String> {
        let corrected = self.corrected.map(|json| json.get().into());
        let reason = (self.reason.code, self.reason.text);
        let vote = action_of(&self.vote)?;
        Ok(Vote { reviewer: self.reviewer, vote, seq: self.seq, at: time_of(&self.at)?, reason, corrected })
    }
}

impl WireJudgement {
    fn judgement(self) -> Result<Judgement, String> {
        Ok(Judgement { reviewer: self.reviewer, judgement: self.judgement, seq: self.seq, at: time_of(&self.at)? })
    }
}

impl WireComment {
    fn comment(self) -> Result<Comment, String> {
        let Self { reviewer, action, seq, at, reason, text } = self;
        Ok(Comment { reviewer, action: action_of(&action)?, seq, at: time_of(&at)?, code: reason, text })
    }
}

/// `event` with the whitespace around it: the event's hash is that of all its bytes. No other member has any.
fn with_whitespace<'v>(value: &'v [u8], event: &RawValue) -> &'v str {
    let is_space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let start = event.get().as_ptr().addr() - value.as_ptr().addr();
    let end = start + event.get().len();
    let before = value[..start].iter().rev().take_while(is_space).count();
    let after = value[end..].iter().take_while(is_space).count();
    str::from_utf8(&value[start - before..end + after]).unwrap_or_default()
}

/// What `read` makes of all of them, in no more room than they need.
fn all<W, T>(wires: Vec<W>, read: impl Fn(W) -> Result<T, String>) -> Result<Vec<T>, String> {
    let mut all = Vec::with_capacity(wires.len());
    for wire in wires {
        all.push(read(wire)?);
    }
    Ok(all)
}

fn action_of(text: &str) -> Result<Action, String> {
    Action::parse(text).ok_or_else(|| format!("{text:?} is no action"))
}

fn id_of(text: &str) -> Result<DecisionId, String> {
    DecisionId::parse(text).ok_or_else(|| format!("{text:?} is no decision id"))
}

fn hash_of(text: &str) -> Result<Hash, String> {
    Hash::parse(text).ok_or_else(|| format!("{text:?} is no SHA-256"))
}

fn time_of(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| format!("{text:?} is no time"))
}
