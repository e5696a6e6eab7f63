//! The cases of one lane, by decision and by the time at which something happens to them. What a transaction changes is
//! staged: [`CaseBook::roll_back`] leaves no trace of it.

use std::collections::{BTreeSet, HashMap};

use crate::case::{Case, CommandId, State};
use crate::identity::{DecisionId, Timestamp};
use crate::sidecar::census::Census;

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
    pub at: Timestamp,
    /// Commands that took effect: sent again, they do nothing.
    pub commands: Box<[CommandId]>,
}

impl Slot {
    /// What is kept of `case`.
    #[must_use]
    pub fn of(case: Case) -> Self {
        match case.closed_at {
            Some(at) => Self::Closed(Closed { state: case.state, at, commands: case.commands.as_slice().into() }),
            None => Self::Open(case),
        }
    }
}

/// The cases. See the module.
#[derive(Debug)]
pub struct CaseBook {
    slots: HashMap<DecisionId, Slot>,
    deadlines: BTreeSet<(Timestamp, DecisionId)>,
    census: Census,
    /// What was there before each change of this transaction, oldest first.
    undo: Vec<(DecisionId, Option<Slot>)>,
    keep_closed_ms: i64,
}

impl CaseBook {
    /// A book without cases, in which closed ones stay for so many milliseconds.
    #[must_use]
    pub fn new(keep_closed_ms: i64) -> Self {
        Self { slots: HashMap::new(), deadlines: BTreeSet::new(), census: Census::default(), undo: Vec::new(), keep_closed_ms }
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
        if let Some(Slot::Open(case)) = &slot {
            self.census.add(case);
        }
        let before = match slot {
            Some(slot) => self.slots.insert(id, slot),
            None => self.slots.remove(&id),
        };
        if let Some(Slot::Open(case)) = &before {
            self.census.remove(case);
        }
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
            Slot::Closed(closed) => Some(closed.at.plus_millis(self.keep_closed_ms)),
        }
    }

    /// The next case to which time does something, and when.
    #[must_use]
    pub fn next_due(&self) -> Option<(Timestamp, DecisionId)> {
        self.deadlines.first().copied()
    }

    /// How many open cases there are.
    pub(super) fn census(&self) -> &Census {
        &self.census
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::case::CaseReader;
    use crate::policy::Band;

    const OPENING: &str = include_str!("../../schemas/examples/case.held.json");
    /// What a state and a band can be; the last state is closed.
    const STATES: [&str; 3] = ["PENDING", "UNDER_REVIEW", "APPROVED"];

    fn id(number: u8) -> DecisionId {
        DecisionId::parse(&format!("{number:032x}")).expect("an id")
    }

    fn case(number: u8, (state, band, second): (usize, usize, u8)) -> Case {
        let mut case: Value = serde_json::from_str(OPENING).expect("JSON");
        case["decision_id"] = json!(format!("{number:032x}"));
        case["state"] = json!(STATES[state]);
        case["band"] = json!(Band::ALL[band].as_str());
        case["opened_at"] = json!(format!("2026-01-05T10:00:{second:02}.700Z"));
        case["closed_at"] = if state == 2 { json!("2026-01-05T11:00:00.000Z") } else { Value::Null };
        CaseReader::default().read(case.to_string().as_bytes(), None).expect("a case")
    }

    /// What the census should say: everything counted.
    fn counted(book: &CaseBook) -> BTreeMap<(Band, State), (usize, Timestamp)> {
        let mut all = BTreeMap::new();
        for slot in book.slots.values() {
            let Slot::Open(case) = slot else { continue };
            let second = Timestamp(case.opened.opened_at.0 / 1_000 * 1_000);
            let (count, oldest) = all.entry((case.band, case.state)).or_insert((0, second));
            *count += 1;
            *oldest = second.min(*oldest);
        }
        all
    }

    #[derive(Clone, Debug)]
    enum Happening {
        Set(u8, Option<(usize, usize, u8)>),
        Learn(u8, (usize, usize, u8)),
        Forget(u8),
        Commit,
        RollBack,
    }

    fn happening() -> impl Strategy<Value = Happening> {
        let kind = || (0..STATES.len(), 0..Band::ALL.len(), 0..5_u8);
        prop_oneof![
            5 => (0..6_u8, proptest::option::of(kind())).prop_map(|(number, kind)| Happening::Set(number, kind)),
            2 => (0..6_u8, kind()).prop_map(|(number, kind)| Happening::Learn(number, kind)),
            1 => (0..6_u8).prop_map(Happening::Forget),
            1 => Just(Happening::Commit),
            1 => Just(Happening::RollBack),
        ]
    }

    proptest! {
        #[test]
        fn the_census_is_what_counting_all_cases_gives(happenings in proptest::collection::vec(happening(), 0..60)) {
            let mut book = CaseBook::new(0);
            for happening in happenings {
                match happening {
                    Happening::Set(number, kind) => book.set(id(number), kind.map(|kind| Slot::of(case(number, kind)))),
                    // What the log says comes between transactions.
                    Happening::Learn(number, kind) if book.undo.is_empty() => book.learn(case(number, kind)),
                    Happening::Forget(number) if book.undo.is_empty() => book.forget(id(number)),
                    Happening::Learn(..) | Happening::Forget(_) => {}
                    Happening::Commit => book.commit(),
                    Happening::RollBack => book.roll_back(),
                }
                let census: BTreeMap<_, _> =
                    book.census().kinds().map(|kind| ((kind.band, kind.state), (kind.count, kind.oldest))).collect();
                prop_assert_eq!(census, counted(&book));
            }
        }
    }
}
