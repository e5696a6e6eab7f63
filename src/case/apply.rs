//! What a command does to a case, or why it may not: duties are checked here, when it is applied, whatever tool wrote it.
//!
//! `case, command, time → `[`Case::judge`]` → `[`Step`]` → `[`Case::take`]` → the case after it (its entry is written then) → `[`Case::seal`]

use std::borrow::Cow;
use std::sync::Arc;

use crate::case::command::{Action, Command, GROUP, PERSON, Refusal};
use crate::case::record::{Case, Comment, Judgement, View, Vote};
use crate::case::state::{Kind, Move, State, transition};
use crate::identity::{Hash, Timestamp};
use crate::policy::Band;

/// A change that a case may undergo.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// What happens.
    pub a_move: Move,
    /// The kind of its audit entry.
    pub kind: Kind,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
}

/// How many commands a case takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandsMax(pub u32);

/// To whom a case is given.
enum Receiver<'a> {
    Group(&'a str),
    Person(&'a str),
}

impl Case {
    /// Whether `command` took effect before. Sent again, it does nothing.
    #[must_use]
    pub fn has_taken(&self, command: &Command<'_>) -> bool {
        self.commands.contains(&command.id)
    }

    /// What `command` would do.
    ///
    /// # Errors
    /// With the first refusal that applies, in the contract's order; the case is as it was.
    pub fn judge(&self, command: &Command<'_>, max: CommandsMax) -> Result<Step, Refusal> {
        let step = self.step(self.move_of(command)).ok_or(Refusal::IllegalTransition)?;
        if command.action.needs_seen() && command.seen != Some(self.view) {
            return Err(Refusal::Stale);
        }
        self.may(command)?;
        if self.commands.len() >= max.0 as usize {
            return Err(Refusal::TooMany);
        }
        match &command.code {
            None if command.action.needs_reason() => Err(Refusal::ReasonRequired),
            Some(code) if !self.rules().reasons.iter().any(|reason| reason == code) => Err(Refusal::UnknownReason),
            _ => Ok(step),
        }
    }

    /// The step of `a_move` in the present state.
    #[must_use]
    pub fn step(&self, a_move: Move) -> Option<Step> {
        transition(self.state, a_move).map(|(kind, to)| Step { a_move, kind, from: self.state, to })
    }

    fn move_of(&self, command: &Command<'_>) -> Move {
        match command.action {
            Action::Claim => Move::Claim,
            Action::Unclaim => Move::Unclaim,
            Action::Judge => Move::Judge,
            Action::Approve if self.approvals() + 1 < self.rules().quorum => Move::Vote,
            Action::Approve => Move::Approve,
            Action::Reject => Move::Reject,
            Action::Escalate => Move::Escalate,
            Action::Reassign => match self.receiver(command) {
                Receiver::Group(_) => Move::Hand,
                Receiver::Person(_) => Move::Assign,
            },
            Action::Comment => Move::Comment,
            Action::Unmask => Move::Unmask,
            Action::Cancel => Move::Cancel,
        }
    }

    fn approvals(&self) -> u32 {
        u32::try_from(self.votes.len()).unwrap_or(u32::MAX)
    }

    /// A name is a group's if it says so, or if the case knows a group of that name.
    fn receiver<'c>(&self, command: &'c Command<'_>) -> Receiver<'c> {
        let to = command.to.as_deref().unwrap_or_default();
        let known = || self.groups.iter().chain(&*self.rules().leads).chain(&*self.rules().groups).any(|group| group == to);
        match (to.strip_prefix(GROUP), to.strip_prefix(PERSON)) {
            (Some(group), _) => Receiver::Group(group),
            (_, Some(person)) => Receiver::Person(person),
            _ if known() => Receiver::Group(to),
            _ => Receiver::Person(to),
        }
    }

    /// The duties: whose command this may be.
    fn may(&self, command: &Command<'_>) -> Result<(), Refusal> {
        let reviewer = &*command.reviewer;
        let is_in = |groups: &[String]| command.groups.iter().any(|claimed| groups.iter().any(|group| group == claimed));
        let is_assignee = self.assignee.as_deref() == Some(reviewer);
        if command.action == Action::Unclaim {
            return if is_assignee || is_in(&self.rules().leads) { Ok(()) } else { Err(Refusal::NotAssignee) };
        }
        if !is_in(&self.groups) || command.action == Action::Reassign && !is_in(&self.rules().leads) {
            return Err(Refusal::NotInGroup);
        }
        let decides = matches!(command.action, Action::Judge | Action::Approve | Action::Reject);
        if decides || command.action == Action::Claim {
            let is_own = |person: Option<Cow<'_, str>>| person.as_deref() == Some(reviewer);
            if is_own(self.opened.requested_by()) || is_own(self.opened.subject_id()) {
                return Err(Refusal::SelfApproval);
            }
            if self.votes.iter().any(|vote| *vote.reviewer == *reviewer) {
                return Err(Refusal::AlreadyVoted);
            }
        }
        let is_shared = decides && self.rules().quorum > 1;
        let is_assignees = decides || command.action == Action::Escalate;
        if self.state == State::UnderReview && is_assignees && !is_assignee && !is_shared {
            return Err(Refusal::NotAssignee);
        }
        let is_final = matches!(command.action, Action::Approve | Action::Reject);
        let has_judged = || self.judgements.iter().any(|judgement| *judgement.reviewer == *reviewer);
        if self.rules().blind && is_final && !has_judged() {
            return Err(Refusal::JudgeFirst);
        }
        Ok(())
    }

    /// Takes `command`, which [`Case::judge`] let through as `step`, at time `at`.
    pub fn take(&mut self, step: Step, command: &Command<'_>, at: Timestamp) {
        self.begin(step, at);
        let seq = self.seq;
        match step.a_move {
            Move::Claim => self.assign(&command.reviewer, at),
            Move::Vote | Move::Approve | Move::Reject => {
                let reason = (command.code.as_deref().map(Into::into), command.text.as_deref().map(Into::into));
                let corrected = command.corrected.map(Into::into);
                let reviewer = (&*command.reviewer).into();
                append(&mut self.votes, Vote { reviewer, vote: command.action, seq, at, reason, corrected });
            }
            Move::Judge => {
                let judgement = command.judgement.as_deref().unwrap_or_default().into();
                append(&mut self.judgements, Judgement { reviewer: (&*command.reviewer).into(), judgement, seq, at });
            }
            Move::Escalate => match command.to.as_deref() {
                Some(to) => self.give_to_group(to.strip_prefix(GROUP).unwrap_or(to)),
                None => self.raise(),
            },
            Move::Assign | Move::Hand => match self.receiver(command) {
                Receiver::Group(group) => self.give_to_group(group),
                Receiver::Person(person) => self.assign(person, at),
            },
            Move::Unclaim | Move::Comment | Move::Unmask | Move::Cancel | Move::Lapse | Move::Remind | Move::Expire => {}
        }
        self.keep_text(step, command, at);
        append(&mut self.commands, command.id);
        if self.assignee.as_deref() == Some(&*command.reviewer) && self.state == State::UnderReview {
            self.lease_until = Some(self.lease_from(at));
        }
    }

    /// Takes a step that only time caused.
    pub fn take_timed(&mut self, step: Step, at: Timestamp) {
        self.begin(step, at);
        if step.a_move == Move::Remind {
            self.raise();
            self.escalated_at = Some(at);
        }
    }

    /// The entry about the last step was written, with this hash.
    pub fn seal(&mut self, kind: Kind, hash: Hash) {
        self.entry_hash = hash;
        if kind.changes_view() {
            self.view = View { seq: self.seq, hash };
        }
    }

    fn begin(&mut self, step: Step, at: Timestamp) {
        self.seq += 1;
        self.state = step.to;
        if step.to != State::UnderReview {
            self.lease_until = None;
            // Of a closed case it stays known who had it.
            if step.to == State::Pending {
                self.assignee = None;
            }
        }
        if !step.to.is_open() {
            self.closed_at = Some(at);
        }
        if step.kind == Kind::Escalated {
            self.escalations = self.escalations.saturating_add(1);
        }
    }

    /// A vote's text lies with the vote.
    fn keep_text(&mut self, step: Step, command: &Command<'_>, at: Timestamp) {
        let Some(text) = &command.text else { return };
        if !matches!(step.a_move, Move::Vote | Move::Approve | Move::Reject) {
            let comment = Comment {
                reviewer: (&*command.reviewer).into(),
                action: command.action,
                seq: self.seq,
                at,
                code: command.code.as_deref().map(Into::into),
                text: (&**text).into(),
            };
            append(&mut self.comments, comment);
        }
    }

    fn assign(&mut self, person: &str, at: Timestamp) {
        self.assignee = Some(person.into());
        self.lease_until = Some(self.lease_from(at));
    }

    fn lease_from(&self, at: Timestamp) -> Timestamp {
        at.plus_millis(i64::try_from(self.rules().lease.as_millis()).unwrap_or(i64::MAX))
    }

    fn give_to_group(&mut self, group: &str) {
        self.groups = Arc::new([group.to_owned()]);
    }

    /// One band up; from the most urgent to those who lead.
    fn raise(&mut self) {
        match Band::one_up(self.band) {
            Some(band) => self.band = band,
            None => self.groups = Arc::clone(&self.rules().leads),
        }
    }
}

/// Most cases have few votes and comments, and there are many cases: a short list takes no more room than it needs.
fn append<T>(list: &mut Vec<T>, item: T) {
    const SHORT: usize = 8;
    if list.len() < SHORT {
        list.reserve_exact(1);
    }
    list.push(item);
}
