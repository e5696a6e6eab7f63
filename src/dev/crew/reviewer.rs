//! One reviewer at work: rests, claims, reads, says something, decides. Time is an argument.

use std::time::Duration;

use super::desk::{Desk, Paper};
use super::dice::Dice;
use super::opinion::{Opinion, Verdict};
use super::people::{Person, Rank};
use crate::case::Action;

/// How long somebody who is in no hurry rests between cases, and reads one.
const REST: Duration = Duration::from_millis(1_500);
const READ: Duration = Duration::from_secs(4);
/// So many cases waiting make everybody twice as fast, twice as many three times, and so on.
const HURRY: f64 = 4.0;
/// How often somebody without a case looks for one.
const LOOK: Duration = Duration::from_millis(200);
/// A command that nothing followed from within this time was refused or lost.
const PATIENCE: Duration = Duration::from_secs(5);
/// In which part of the cases somebody writes something first, and hands the case up.
const COMMENTS: f64 = 0.10;
const ESCALATES: f64 = 0.06;

const COMMENT: [&str; 5] = [
    "Asked the branch for the missing page of the file.",
    "Looked at three similar cases of last week: two were fine.",
    "Called back; what was said fits the file.",
    "The numbers fit last year's statement.",
    "Second look needed at the employer.",
];
const HANDED_UP: [&str; 3] =
    ["Not mine to decide alone.", "Fits no rule that I know; please look.", "Same applicant as last week, with other numbers."];

/// What a reviewer wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// What is to be done.
    pub action: Action,
    /// The case.
    pub decision_id: String,
    /// Where the command goes.
    pub lane: i32,
    /// What was seen of the case.
    pub seen: (u64, String),
    /// The reason's code.
    pub code: Option<String>,
    /// The reason in words.
    pub text: Option<String>,
    /// What the answer should be, of a blind case.
    pub judgement: Option<String>,
    /// To which group it is handed up.
    pub to: Option<String>,
    /// The right answer, where it is another one.
    pub corrected: Option<String>,
}

/// A reviewer and what they are doing.
#[derive(Debug)]
pub struct Reviewer {
    person: &'static Person,
    doing: Doing,
    /// Until when.
    until: Duration,
}

#[derive(Debug)]
enum Doing {
    Resting,
    Reading(Task),
    Waiting(Task, For),
}

/// The case at hand.
#[derive(Debug)]
struct Task {
    id: String,
    opinion: Option<Opinion>,
    wrote: Wrote,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wrote {
    Nothing,
    Comment,
}

/// What must be seen of the case before it goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum For {
    Claim,
    Judgement,
    Word,
}

impl Reviewer {
    /// Somebody who has just come in.
    pub fn new(person: &'static Person, dice: &mut Dice) -> Self {
        Self { person, doing: Doing::Resting, until: REST.mul_f64(dice.part()) }
    }

    /// Who it is.
    pub fn person(&self) -> &'static Person {
        self.person
    }

    /// Lets time pass up to `now`; what the reviewer orders.
    pub fn step(&mut self, now: Duration, desk: &mut Desk, dice: &mut Dice) -> Option<Order> {
        match std::mem::replace(&mut self.doing, Doing::Resting) {
            Doing::Resting if now >= self.until => self.begin(now, desk, dice),
            Doing::Resting => None,
            Doing::Reading(task) if now >= self.until => self.act(task, now, desk, dice),
            Doing::Reading(task) => {
                self.doing = Doing::Reading(task);
                None
            }
            Doing::Waiting(task, what) => {
                self.wait(task, what, now, desk, dice);
                None
            }
        }
    }

    fn begin(&mut self, now: Duration, desk: &mut Desk, dice: &mut Dice) -> Option<Order> {
        let Some(paper) = desk.take(self.person) else {
            self.until = now + LOOK;
            return None;
        };
        let task = Task { id: paper.decision_id.clone(), opinion: None, wrote: Wrote::Nothing };
        if paper.is_with(self.person) {
            self.read(task, now, desk, dice);
            return None;
        }
        let order = order(paper, Action::Claim);
        self.expect(task, For::Claim, now);
        Some(order)
    }

    fn read(&mut self, task: Task, now: Duration, desk: &Desk, dice: &mut Dice) {
        self.until = now + self.takes(READ, desk, dice);
        self.doing = Doing::Reading(task);
    }

    fn expect(&mut self, task: Task, what: For, now: Duration) {
        self.until = now + PATIENCE;
        self.doing = Doing::Waiting(task, what);
    }

    fn rest(&mut self, task: &Task, now: Duration, desk: &mut Desk, dice: &mut Dice) {
        desk.leave(&task.id);
        self.until = now + self.takes(REST, desk, dice);
        self.doing = Doing::Resting;
    }

    /// How long something takes, with so much waiting.
    fn takes(&self, usually: Duration, desk: &Desk, dice: &mut Dice) -> Duration {
        let hurry = 1.0 + desk.waiting_for(self.person) as f64 / HURRY;
        usually.mul_f64((0.5 + dice.part()) / hurry)
    }

    fn wait(&mut self, task: Task, what: For, now: Duration, desk: &mut Desk, dice: &mut Dice) {
        let paper = desk.get(&task.id);
        let is_mine = paper.is_some_and(|paper| paper.is_with(self.person));
        let is_others = paper.is_none_or(|paper| paper.assignee.is_some() && !is_mine);
        let (has_come, is_over) = match what {
            For::Claim => (is_mine, is_others),
            For::Judgement => (paper.is_some_and(|paper| paper.is_judged_by(self.person)), !is_mine),
            For::Word => (false, !is_mine),
        };
        if has_come {
            self.read(task, now, desk, dice);
        } else if is_over || now >= self.until {
            self.rest(&task, now, desk, dice);
        } else {
            self.doing = Doing::Waiting(task, what);
        }
    }

    /// The case was read: what follows.
    fn act(&mut self, mut task: Task, now: Duration, desk: &mut Desk, dice: &mut Dice) -> Option<Order> {
        let Some(paper) = desk.get(&task.id).filter(|paper| paper.is_with(self.person)) else {
            self.rest(&task, now, desk, dice);
            return None;
        };
        let opinion = task.opinion.get_or_insert_with(|| Opinion::of(paper, dice)).clone();
        if paper.rules.blind && !paper.is_judged_by(self.person) {
            let order = Order { judgement: Some(opinion.judgement), ..order(paper, Action::Judge) };
            self.expect(task, For::Judgement, now);
            return Some(order);
        }
        if task.wrote == Wrote::Nothing && dice.falls(COMMENTS) {
            task.wrote = Wrote::Comment;
            let order = Order { text: Some(dice.one_of(&COMMENT).to_owned()), ..order(paper, Action::Comment) };
            self.read(task, now, desk, dice);
            return Some(order);
        }
        let may_hand_up = self.person.rank == Rank::Reviewer && paper.escalations == 0;
        let order = match paper.rules.leads.first() {
            Some(leads) if may_hand_up && dice.falls(ESCALATES) => Order {
                code: opinion.code,
                text: Some(dice.one_of(&HANDED_UP).to_owned()),
                to: Some(format!("group:{leads}")),
                ..order(paper, Action::Escalate)
            },
            _ => decision(paper, opinion),
        };
        self.expect(task, For::Word, now);
        Some(order)
    }
}

fn decision(paper: &Paper, opinion: Opinion) -> Order {
    let Opinion { verdict, code, corrected, .. } = opinion;
    match verdict {
        Verdict::Approve => Order { code, ..order(paper, Action::Approve) },
        Verdict::Reject => Order { code, corrected, ..order(paper, Action::Reject) },
    }
}

fn order(paper: &Paper, action: Action) -> Order {
    Order {
        action,
        decision_id: paper.decision_id.clone(),
        lane: paper.lane,
        seen: paper.view.clone(),
        code: None,
        text: None,
        judgement: None,
        to: None,
        corrected: None,
    }
}
