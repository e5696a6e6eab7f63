//! One lane in a sidecar's hands: its cases, its time, its place in the verdicts, its chain. All of it falls back with the
//! transaction.

use crate::audit::{Chain, Ordered, Refused, VerdictPlace};
use crate::case::{Action, Case, Command, CommandId, Refusal, Step, Unread};
use crate::identity::{DecisionId, Hash, Lane, Timestamp};
use crate::progress::{LaneProgress, lane_key};
use crate::sidecar::SidecarSettings;
use crate::sidecar::book::{CaseBook, Slot};
use crate::sidecar::emit::{Claim, Emitter, Sink, Written};
use crate::sidecar::tally::{Outcome, Tally};
use crate::stream::fault::Fault;
use crate::stream::processor::InputPartition;
use crate::stream::record::{Incoming, Outbox};

/// What the lanes of a sidecar share in a turn.
pub(super) struct Hands<'h> {
    pub settings: &'h SidecarSettings,
    pub emitter: &'h mut Emitter,
    pub tally: &'h mut Tally,
    pub outbox: &'h mut dyn Outbox,
    /// So many more things time may do in this turn.
    pub timed_left: &'h mut usize,
}

/// One lane. See the module.
pub(super) struct SidecarLane {
    pub lane: Lane,
    /// Its partition of the verdicts topic.
    pub input: InputPartition,
    pub book: CaseBook,
    /// Verdicts below this offset came before all of `cases` that was read: a case that is not known then does not exist.
    pub sure_until: i64,
    /// Where it stopped in an earlier turn, and is not read until that is over.
    pub stop: Option<Stop>,
    /// Where it stopped in this turn.
    stopping: Option<Stop>,
    /// How late it is, while no command waits.
    pub tick: Option<Timestamp>,
    /// What is removed in the next turn.
    pub removals: Vec<Removal>,
    chain: Chain,
    /// The lane's time: the latest of its last entry's and the append time of the command at hand; without a command, the
    /// clock's.
    now: Timestamp,
    key: String,
    committed: Mark,
    staged: Mark,
    touched: bool,
    opening: Option<Opening>,
    opened: bool,
}

/// Where a lane stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Mark {
    applied_through: i64,
    sha256: Option<Hash>,
    appended_at: Option<Timestamp>,
    /// The time of the last entry.
    at: Option<Timestamp>,
}

/// Why a lane stopped at a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stop {
    /// The record.
    pub offset: i64,
    /// What must happen before.
    pub until: Until,
}

/// What a lane waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Until {
    /// This case is known, or it is certain that it does not exist.
    Known(DecisionId),
    /// Time has done the rest of what it had to do before: a turn does only so much.
    Timed,
}

/// What is written about a lane when it was taken, before anything else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Opening {
    /// Verdicts that were lost, first and last, and who accepted it; none where none were.
    pub lost: Option<(i64, i64, String)>,
}

/// A case that goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Removal {
    /// It was closed longer ago than closed cases are kept.
    OfOld(DecisionId),
    /// An operator ordered it.
    Erased(DecisionId),
}

impl SidecarLane {
    pub fn new(input: &InputPartition, lane: Lane, progress: &LaneProgress, book: CaseBook, opening: Option<Opening>) -> Self {
        let LaneProgress { applied_through, sha256, appended_at, chain, at } = *progress;
        let mark = Mark { applied_through, sha256, appended_at, at };
        Self {
            lane,
            input: input.clone(),
            book,
            sure_until: i64::MIN,
            stop: None,
            stopping: None,
            tick: None,
            removals: Vec::new(),
            chain: Chain::resume(format!("lane/{}", lane.0), chain),
            now: Timestamp::default(),
            key: lane_key(lane),
            committed: mark,
            staged: mark,
            touched: false,
            opening,
            opened: false,
        }
    }

    /// The offset to read next: last handled + 1, here and nowhere else.
    pub fn next(&self) -> i64 {
        self.staged.applied_through + 1
    }

    /// Whether there is something to write though no command came.
    pub fn wants_turn(&self) -> bool {
        self.opening.is_some() || self.tick.is_some() || !self.removals.is_empty()
    }

    /// The lane's chain, as it is committed between turns.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Handles one record of the lane's verdicts.
    pub fn process(&mut self, record: &Incoming<'_>, hands: &mut Hands<'_>) -> Result<(), Fault> {
        if self.stop.or(self.stopping).is_some() || record.offset < self.next() {
            return Ok(());
        }
        self.open(hands)?;
        self.now = self.staged.at.max(record.appended_at).unwrap_or_else(|| hands.settings.clock.now());
        if !self.act_on_time(hands)? {
            self.stopping = Some(Stop { offset: record.offset, until: Until::Timed });
            return Ok(());
        }
        let place = VerdictPlace { partition: record.partition, offset: record.offset };
        match Command::read(record.value, hands.settings.bounds) {
            Err(unread) => self.refuse_unread(&unread, place, hands)?,
            Ok(command) => {
                let lane = command.decision_id.lane(hands.settings.lanes);
                if lane != self.lane {
                    hands.emitter.forward(record, lane, hands.outbox)?;
                    hands.tally.verdict(Some(command.action), Outcome::Forwarded);
                } else if !self.apply(&command, record, place, hands)? {
                    self.stopping = Some(Stop { offset: record.offset, until: Until::Known(command.decision_id) });
                    return Ok(());
                }
            }
        }
        self.staged.applied_through = record.offset;
        self.staged.sha256 = Some(Hash::of(record.value.unwrap_or_default()));
        self.staged.appended_at = record.appended_at;
        self.touched = true;
        Ok(())
    }

    /// Applies a command, or refuses it; `false` where it must wait for its case.
    fn apply(
        &mut self,
        command: &Command<'_>,
        record: &Incoming<'_>,
        place: VerdictPlace,
        hands: &mut Hands<'_>,
    ) -> Result<bool, Fault> {
        let (settings, id) = (hands.settings, command.id.to_string());
        let ordered = Ordered {
            command_id: &id,
            verdict: place,
            reviewer: &command.reviewer,
            channel: command.channel.as_deref(),
            signed_by: None,
        };
        let ordered = match settings.authority.signed_by(command, record) {
            Ok(signed_by) => Ordered { signed_by, ..ordered },
            Err(refusal) => return self.refuse(command, &ordered, refusal, hands).map(|()| true),
        };
        let judged = match self.book.get(command.decision_id) {
            None if record.offset < self.sure_until => Err(Refusal::UnknownCase),
            None => return Ok(false),
            Some(Slot::Closed(closed)) if closed.commands.contains(&command.id) => Ok(None),
            Some(Slot::Closed(_)) => Err(Refusal::IllegalTransition),
            Some(Slot::Open(case)) if case.has_taken(command) => Ok(None),
            Some(Slot::Open(case)) => case.judge(command, settings.commands_max).map(|step| Some((case, step))),
        };
        let at = self.now;
        match judged {
            Ok(Some((case, step))) => {
                let mut next = case.clone();
                next.take(step, command, at);
                let claim =
                    if command.action.needs_seen() || command.action == Action::Cancel { Claim::Deciding } else { Claim::Usual };
                if !hands.emitter.has_room(&next, claim, hands.outbox) {
                    hands.tally.no_room();
                    return self.refuse(command, &ordered, Refusal::TooMany, hands).map(|()| true);
                }
                hands.tally.taken(case, command.action, step, at);
                self.change(next, step, (Some(ordered), written(command)), hands)?;
            }
            Ok(None) => hands.tally.verdict(Some(command.action), Outcome::Repeated),
            Err(refusal) => self.refuse(command, &ordered, refusal, hands)?,
        }
        Ok(true)
    }

    fn change(
        &mut self,
        mut case: Case,
        step: Step,
        entry: (Option<Ordered<'_>>, Written<'_>),
        hands: &mut Hands<'_>,
    ) -> Result<(), Fault> {
        hands.emitter.change(&mut case, step, entry, self.now, Sink { chain: &mut self.chain, outbox: hands.outbox })?;
        self.has_written();
        self.book.set(case.decision_id, Some(Slot::of(case)));
        Ok(())
    }

    fn refuse(
        &mut self,
        command: &Command<'_>,
        ordered: &Ordered<'_>,
        refusal: Refusal,
        hands: &mut Hands<'_>,
    ) -> Result<(), Fault> {
        let refused = Refused {
            decision_id: Some(command.decision_id),
            at: self.now,
            reviewer: Some(ordered.reviewer),
            command_id: Some(ordered.command_id),
            verdict: ordered.verdict,
            action: Some(command.action.as_str()),
            error: refusal.as_str(),
            channel: ordered.channel,
            signed_by: ordered.signed_by,
        };
        self.write_refused(&refused, hands)?;
        hands.tally.verdict(Some(command.action), Outcome::Refused(refusal));
        Ok(())
    }

    fn refuse_unread(&mut self, unread: &Unread, place: VerdictPlace, hands: &mut Hands<'_>) -> Result<(), Fault> {
        let id = unread.id.as_ref().map(CommandId::to_string);
        let refused = Refused {
            decision_id: unread.decision_id,
            at: self.now,
            reviewer: unread.reviewer.as_deref(),
            command_id: id.as_deref(),
            verdict: place,
            action: unread.action.map(Action::as_str),
            error: unread.refusal.as_str(),
            channel: unread.channel.as_deref(),
            signed_by: None,
        };
        self.write_refused(&refused, hands)?;
        hands.tally.verdict(unread.action, Outcome::Refused(unread.refusal));
        Ok(())
    }

    fn write_refused(&mut self, refused: &Refused<'_>, hands: &mut Hands<'_>) -> Result<(), Fault> {
        hands.emitter.refused(self.lane, refused, Sink { chain: &mut self.chain, outbox: hands.outbox })?;
        self.has_written();
        Ok(())
    }

    /// An entry was written: the lane's time does not go back behind it.
    fn has_written(&mut self) {
        self.staged.at = Some(self.now);
        self.touched = true;
    }

    /// Everything that time does up to the lane's time, in its order; `false` where a turn's share of it is used up.
    fn act_on_time(&mut self, hands: &mut Hands<'_>) -> Result<bool, Fault> {
        let now = self.now;
        while let Some((_, id)) = self.book.next_due().filter(|(at, _)| *at <= now) {
            if *hands.timed_left == 0 {
                return Ok(false);
            }
            *hands.timed_left -= 1;
            match self.book.get(id) {
                Some(Slot::Open(case)) => {
                    let Some(step) = case.due(now) else { break };
                    let mut next = case.clone();
                    next.take_timed(step, now);
                    hands.tally.timed(case, step);
                    let reason = Some(reason_of(step));
                    self.change(next, step, (None, Written { reason, ..Written::default() }), hands)?;
                }
                _ => self.remove(id, hands)?,
            }
        }
        Ok(true)
    }

    fn remove(&mut self, id: DecisionId, hands: &mut Hands<'_>) -> Result<(), Fault> {
        hands.emitter.remove_case(id, self.lane, hands.outbox)?;
        self.book.set(id, None);
        self.touched = true;
        Ok(())
    }

    /// What is written once a turn: what was lost, what time does, what goes, and where the lane stands.
    pub fn finish(&mut self, hands: &mut Hands<'_>) -> Result<(), Fault> {
        self.open(hands)?;
        if let Some(tick) = self.tick.take().filter(|_| self.stop.or(self.stopping).is_none()) {
            self.now = self.staged.at.map_or(tick, |at| at.max(tick));
            self.act_on_time(hands)?;
        }
        for removal in self.removals.clone() {
            let (Removal::OfOld(id) | Removal::Erased(id)) = removal;
            hands.emitter.remove_from_archive(id, self.lane, hands.outbox)?;
            if matches!(removal, Removal::Erased(_)) {
                self.remove(id, hands)?;
            }
            self.touched = true;
        }
        if self.touched {
            hands.emitter.progress((self.lane, &self.key), &self.progress(), hands.outbox)?;
        }
        Ok(())
    }

    fn progress(&self) -> LaneProgress {
        let Mark { applied_through, sha256, appended_at, at } = self.staged;
        LaneProgress { applied_through, sha256, appended_at, chain: self.chain.head(), at }
    }

    /// Writes the opening, once.
    fn open(&mut self, hands: &mut Hands<'_>) -> Result<(), Fault> {
        let Some(opening) = self.opening.clone().filter(|_| !self.opened) else { return Ok(()) };
        self.opened = true;
        self.touched = true;
        if let Some((first, last, by)) = &opening.lost {
            self.now = self.staged.at.max(Some(hands.settings.clock.now())).unwrap_or_default();
            let sink = Sink { chain: &mut self.chain, outbox: hands.outbox };
            hands.emitter.gap(self.lane, (*first, *last), (by, self.now), sink)?;
            self.has_written();
        }
        Ok(())
    }

    pub fn commit(&mut self) {
        self.committed = self.staged;
        self.touched = false;
        self.stop = self.stopping.take().or(self.stop);
        self.chain.commit();
        self.book.commit();
        self.removals.clear();
        if self.opened {
            self.opening = None;
        }
    }

    pub fn roll_back(&mut self) {
        self.staged = self.committed;
        self.touched = false;
        self.stopping = None;
        self.tick = None;
        self.chain.roll_back();
        self.book.roll_back();
        self.opened = false;
    }
}

fn written<'c>(command: &'c Command<'_>) -> Written<'c> {
    Written {
        text: command.text.as_deref(),
        corrected: command.corrected,
        judgement: command.judgement.as_deref().filter(|_| command.action == Action::Judge),
        reason: command.code.as_deref(),
    }
}

/// What an entry gives as the reason where only time acted.
fn reason_of(step: Step) -> &'static str {
    match step.a_move {
        crate::case::Move::Lapse => "lease",
        _ => "sla",
    }
}
