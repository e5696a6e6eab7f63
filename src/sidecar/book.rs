//! The cases of one lane, by decision and by the time at which something happens to them. What a transaction changes is
//! staged: [`CaseBook::roll_back`] leaves no trace of it.

use std::collections::{BTreeSet, HashMap};

use crate::case::{Case, CommandId, State};
use crate::identity::{DecisionId, Timestamp};

/// What is kept of a case.
#[derive(Clone, PartialEq, Debug)]
pub enum Slot {
    /// It is open.
    Open(Case),
    /// It is closed: what late commands must still be told, until its records are removed.
    Closed(Closed),
}

/// What is kept of a closed case.
#[derive(Clone, PartialEq, Debug)]
pub struct Closed {
    /// Its final state.
    pub state: State,
    /// When it was closed.
    pub closed_at: Timestamp,
    /// Commands that took effect: sent again, they do nothing.
    pub commands: Box<[CommandId]>,
}

impl Slot {
    /// What is kept of `case`.
    #[must_use]
    pub fn of(case: Case) -> Self {
        match case.closed_at {
            Some(closed_at) => Self::Closed(Closed { state: case.state, closed_at, commands: case.commands.as_slice().into() }),
            None => Self::Open(case),
        }
    }
}

/// The cases. See the module.
#[derive(Debug)]
pub struct CaseBook {
    slots: HashMap<DecisionId, Slot>,
    deadlines: BTreeSet<(Timestamp, DecisionId)>,
    /// What was there before each change of this transaction, oldest first.
    undo: Vec<(DecisionId, Option<Slot>)>,
    keep_closed_ms: i64,
}

impl CaseBook {
    /// A book without cases, in which closed ones stay for so many milliseconds.
    #[must_use]
    pub fn new(keep_closed_ms: i64) -> Self {
        Self { slots: HashMap::new(), deadlines: BTreeSet::new(), undo: Vec::new(), keep_closed_ms }
    }

    /// What is known of a case.
    #[must_use]
    pub fn get(&self, id: DecisionId) -> Option<&Slot> {
        self.slots.get(&id)
    }

    /// Changes, adds or (with none) removes a case, until [`CaseBook::roll_back`].
    pub fn set(&mut self, id: DecisionId, slot: Option<Slot>) {
        let before = self.put(id, slot);
        self.undo.push((id, before));
    }

    /// Takes in a case as the log has it. A case that is known as far or further stays as it is, so that whatever is read
    /// twice changes nothing.
    pub fn learn(&mut self, case: Case) {
        let is_older = match self.slots.get(&case.decision_id) {
            Some(Slot::Open(known)) => case.seq <= known.seq,
            Some(Slot::Closed(_)) => true,
            None => false,
        };
        if !is_older {
            self.put(case.decision_id, Some(Slot::of(case)));
        }
    }

    /// The log says that the case is gone.
    pub fn forget(&mut self, id: DecisionId) {
        self.put(id, None);
    }

    fn put(&mut self, id: DecisionId, slot: Option<Slot>) -> Option<Slot> {
        let at = slot.as_ref().and_then(|slot| self.acts_at(slot));
        let before = match slot {
            Some(slot) => self.slots.insert(id, slot),
            None => self.slots.remove(&id),
        };
        if let Some(at) = before.as_ref().and_then(|before| self.acts_at(before)) {
            self.deadlines.remove(&(at, id));
        }
        if let Some(at) = at {
            self.deadlines.insert((at, id));
        }
        before
    }

    fn acts_at(&self, slot: &Slot) -> Option<Timestamp> {
        match slot {
            Slot::Open(case) => case.deadline().map(|(at, _)| at),
            Slot::Closed(closed) => Some(closed.closed_at.plus_millis(self.keep_closed_ms)),
        }
    }

    /// The next case to which time does something, and when.
    #[must_use]
    pub fn next_due(&self) -> Option<(Timestamp, DecisionId)> {
        self.deadlines.first().copied()
    }

    /// The open cases.
    pub fn open(&self) -> impl Iterator<Item = &Case> {
        self.slots.values().filter_map(|slot| match slot {
            Slot::Open(case) => Some(case),
            Slot::Closed(_) => None,
        })
    }

    /// How many cases are in it, the closed ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// The transaction was committed.
    pub fn commit(&mut self) {
        self.undo.clear();
    }

    /// The transaction was aborted: everything is as it was.
    pub fn roll_back(&mut self) {
        for (id, before) in std::mem::take(&mut self.undo).into_iter().rev() {
            self.put(id, before);
        }
    }
}
