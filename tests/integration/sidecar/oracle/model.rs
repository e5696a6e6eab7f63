//! A case and what commands and time make of it: the contract's section 3, written down a second time.

use serde_json::{Value, json};

use super::command::Command;
use super::measure::{duration, millis};
use crate::gate::oracle::rules::rfc3339;

pub const BANDS: [&str; 4] = ["critical", "high", "normal", "low"];

/// The review rules that a case carries.
#[derive(Clone, Debug)]
pub struct Rules {
    pub groups: Vec<String>,
    pub leads: Vec<String>,
    pub reasons: Vec<String>,
    pub quorum: usize,
    pub lease: i64,
    pub escalate_at: f64,
    pub blind: bool,
    /// By band, as in [`BANDS`].
    pub sla: [i64; 4],
}

impl Rules {
    /// The rules in the member `review` of a case.
    pub fn read(review: &Value) -> Option<Self> {
        let sla = |band: &str| duration(review["sla"][band].as_str()?);
        let sla: Option<Vec<i64>> = BANDS.into_iter().map(sla).collect();
        Some(Self {
            groups: texts(&review["groups"])?,
            leads: texts(&review["leads"])?,
            reasons: texts(&review["reasons"])?,
            quorum: usize::try_from(review["quorum"].as_u64()?).ok()?,
            lease: duration(review["lease"].as_str()?)?,
            escalate_at: review["escalate_at"].as_f64()?,
            blind: review["blind"].as_bool()?,
            sla: sla?.try_into().ok()?,
        })
    }
}

fn texts(list: &Value) -> Option<Vec<String>> {
    list.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
}

/// What time does to a case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lapse {
    Lease,
    Escalation,
    Expiry,
}

/// A case as it stands after some entries of its trail.
#[derive(Clone, Debug)]
pub struct Case {
    pub rules: Rules,
    pub salt: String,
    pub requested_by: Option<String>,
    pub subject_id: Option<String>,
    pub opened_at: i64,
    pub due_at: i64,
    pub state: &'static str,
    pub seq: i64,
    pub view: (i64, String),
    pub hash: String,
    pub band: usize,
    pub assignee: Option<String>,
    pub lease_until: Option<i64>,
    pub groups: Vec<String>,
    pub votes: Vec<Value>,
    pub escalations: i64,
    pub escalated_at: Option<i64>,
    pub judgements: Vec<Value>,
    pub comments: Vec<Value>,
    pub commands: Vec<String>,
    pub closed_at: Option<i64>,
}

impl Case {
    /// The case as it was opened, from any record of it; `hash` is that of its DECIDED entry, `band` the one there.
    pub fn opened(record: &Value, hash: &str, band: &str) -> Option<Self> {
        let (rules, time) = (Rules::read(&record["review"])?, |name: &str| millis(record[name].as_str()?));
        let text = |name: &str| record[name].as_str().map(str::to_owned);
        Some(Self {
            salt: text("salt")?,
            requested_by: text("requested_by"),
            subject_id: text("subject_id"),
            opened_at: time("opened_at")?,
            due_at: time("due_at")?,
            state: "PENDING",
            seq: 0,
            view: (0, hash.to_owned()),
            hash: hash.to_owned(),
            band: BANDS.iter().position(|known| *known == band)?,
            assignee: None,
            lease_until: None,
            groups: rules.groups.clone(),
            votes: Vec::new(),
            escalations: 0,
            escalated_at: None,
            judgements: Vec::new(),
            comments: Vec::new(),
            commands: Vec::new(),
            closed_at: None,
            rules,
        })
    }

    pub fn is_open(&self) -> bool {
        ["PENDING", "UNDER_REVIEW"].contains(&self.state)
    }

    pub fn has_applied(&self, command_id: &str) -> bool {
        self.commands.iter().any(|known| known == command_id)
    }

    /// What `command` must be refused with, the first that applies.
    pub fn refuses(&self, command: &Command, max_commands: usize) -> Option<&'static str> {
        let (under_review, action) = (self.state == "UNDER_REVIEW", command.action.as_str());
        let is = |actions: &[&str]| actions.contains(&action);
        let (assigned, lead) = (self.assignee.as_ref() == Some(&command.reviewer), command.is_in(&self.rules.leads));
        let is_reviewer = |name: &Option<String>| name.as_ref() == Some(&command.reviewer);
        let listed = |list: &[Value]| list.iter().any(|one| one["reviewer"] == command.reviewer.as_str());
        let decides = is(&["claim", "judge", "approve", "reject"]);
        let fits = if under_review { action != "claim" } else { action != "unclaim" };
        let stale = is(&["approve", "reject", "escalate"]) && command.seen.as_ref() != Some(&self.view);
        let member = match action {
            "unclaim" => true,
            "reassign" => lead,
            _ => command.is_in(&self.groups),
        };
        let entitled = match action {
            "unclaim" => assigned || lead,
            "judge" | "approve" | "reject" => !under_review || assigned || self.rules.quorum > 1,
            "escalate" => !under_review || assigned,
            _ => true,
        };
        let blind = self.rules.blind && is(&["approve", "reject"]) && !listed(&self.judgements);
        let reasonless = is(&["approve", "reject", "escalate", "unmask"]) && command.code.is_none();
        let unknown = command.code.as_ref().is_some_and(|code| !self.rules.reasons.contains(code));
        let refusals = [
            (!self.is_open() || !fits, "illegal-transition"),
            (stale, "stale"),
            (!member, "not-in-group"),
            (decides && (is_reviewer(&self.requested_by) || is_reviewer(&self.subject_id)), "self-approval"),
            (decides && listed(&self.votes), "already-voted"),
            (!entitled, "not-assignee"),
            (blind, "judge-first"),
            (self.commands.len() >= max_commands, "too-many"),
            (reasonless, "reason-required"),
            (unknown, "unknown-reason"),
        ];
        refusals.into_iter().find_map(|(applies, code)| applies.then_some(code))
    }

    /// Applies a command that is not refused; the kind of its entry. [`Self::entered`] follows.
    pub fn apply(&mut self, command: &Command, at: i64) -> &'static str {
        let (seq, time, reviewer) = (self.seq + 1, rfc3339(at), command.reviewer.as_str());
        self.commands.push(command.id.clone());
        let renews = self.state == "UNDER_REVIEW" && self.assignee.as_deref() == Some(reviewer);
        if renews {
            self.lease_until = Some(at + self.rules.lease);
        }
        let votes = ["approve", "reject"].contains(&command.action.as_str());
        if votes {
            let corrected: Value = command.corrected.as_ref().and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default();
            let reason = json!({ "code": command.code, "text": command.text });
            self.votes.push(json!({ "reviewer": reviewer, "vote": command.action, "seq": seq, "at": time, "reason": reason, "corrected": corrected }));
        } else if command.text.is_some() {
            self.comments.push(json!({ "reviewer": reviewer, "action": command.action, "seq": seq, "at": time, "reason": command.code, "text": command.text }));
        }
        match command.action.as_str() {
            "claim" => self.assign(reviewer, at, "CLAIMED"),
            "unclaim" => self.release("UNCLAIMED"),
            "judge" => {
                self.judgements.push(json!({ "reviewer": reviewer, "judgement": command.judgement, "seq": seq, "at": time }));
                "JUDGED"
            }
            "approve" if self.votes.len() < self.rules.quorum => "VOTED",
            "approve" => self.close("APPROVED", at),
            "reject" => self.close("REJECTED", at),
            "escalate" => self.escalate(command.to.as_deref()),
            "reassign" => self.reassign(command.to.as_deref().unwrap_or_default(), at),
            "comment" => "COMMENTED",
            "unmask" => "UNMASKED",
            _ => self.close("CANCELLED", at),
        }
    }

    fn assign(&mut self, reviewer: &str, at: i64, kind: &'static str) -> &'static str {
        (self.state, self.assignee, self.lease_until) = ("UNDER_REVIEW", Some(reviewer.to_owned()), Some(at + self.rules.lease));
        kind
    }

    fn release(&mut self, kind: &'static str) -> &'static str {
        (self.state, self.assignee, self.lease_until) = ("PENDING", None, None);
        kind
    }

    fn close(&mut self, state: &'static str, at: i64) -> &'static str {
        (self.state, self.closed_at) = (state, Some(at));
        state
    }

    fn escalate(&mut self, to: Option<&str>) -> &'static str {
        match to {
            Some(to) => self.groups = vec![to.strip_prefix("group:").unwrap_or(to).to_owned()],
            None if self.band == 0 => self.groups.clone_from(&self.rules.leads),
            None => self.band -= 1,
        }
        self.escalations += 1;
        self.release("ESCALATED")
    }

    fn reassign(&mut self, to: &str, at: i64) -> &'static str {
        // Any group that the case names, also the one that it was opened for and has left since.
        let known = self.groups.iter().chain(&self.rules.leads).chain(&self.rules.groups).any(|group| group == to);
        match (to.strip_prefix("group:"), to.strip_prefix("user:")) {
            (Some(group), _) => self.groups = vec![group.to_owned()],
            (None, None) if known => self.groups = vec![to.to_owned()],
            (None, user) => return self.assign(user.unwrap_or(to), at, "REASSIGNED"),
        }
        self.release("REASSIGNED")
    }

    /// The deadlines that lie ahead, the soonest first.
    pub fn deadlines(&self) -> Vec<(i64, Lapse)> {
        if !self.is_open() {
            return Vec::new();
        }
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds of at most a year")]
        let way = ((self.due_at - self.opened_at) as f64 * self.rules.escalate_at).floor() as i64;
        let escalation = self.escalated_at.is_none().then_some((self.opened_at + way, Lapse::Escalation));
        let lease = self.lease_until.filter(|_| self.state == "UNDER_REVIEW").map(|until| (until, Lapse::Lease));
        let mut all: Vec<_> = [lease, escalation, Some((self.due_at, Lapse::Expiry))].into_iter().flatten().collect();
        all.sort_unstable();
        all
    }

    /// Lets time act; the kind of its entry and the reason there. [`Self::entered`] follows.
    pub fn lapse(&mut self, lapse: Lapse, at: i64) -> (&'static str, &'static str) {
        match lapse {
            Lapse::Lease => (self.release("UNCLAIMED"), "lease"),
            Lapse::Escalation => {
                self.escalated_at = Some(at);
                (self.escalate(None), "sla")
            }
            Lapse::Expiry => (self.close("EXPIRED", at), "sla"),
        }
    }

    /// The entry of a change was written, with this hash.
    pub fn entered(&mut self, kind: &str, hash: &str) {
        self.seq += 1;
        hash.clone_into(&mut self.hash);
        if !["JUDGED", "COMMENTED", "UNMASKED"].contains(&kind) {
            self.view = (self.seq, hash.to_owned());
        }
    }

    /// The members of the case's record that change, as they must be now. A closed case's claim is not among them.
    pub fn members(&self) -> Value {
        let time = |time: Option<i64>| time.map(rfc3339);
        let mut members = json!({
            "state": self.state, "seq": self.seq, "view": { "seq": self.view.0, "hash": self.view.1 }, "entry_hash": self.hash,
            "band": BANDS[self.band], "groups": self.groups, "votes": self.votes, "escalations": self.escalations,
            "escalated_at": time(self.escalated_at), "judgements": self.judgements, "comments": self.comments,
            "commands": self.commands, "closed_at": time(self.closed_at),
        });
        members["assignee"] = json!(self.assignee);
        if self.is_open() {
            members["lease_until"] = json!(time(self.lease_until));
        }
        members
    }
}
