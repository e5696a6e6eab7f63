//! Counts of what became of cases.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Ages, Histogram, count};
use crate::case::{Kind, State};
use crate::dev::happening::{Change, Opens};

/// Times to a decision are told to this many milliseconds, up to an hour.
const STEP_MS: u64 = 100;
const STEPS_MAX: usize = 36_000;

/// What became of cases so far.
#[derive(Clone, Debug)]
pub(super) struct CaseTally {
    opened: u64,
    open: BTreeMap<String, u64>,
    claimed: BTreeMap<String, u64>,
    approved: u64,
    rejected: u64,
    expired: u64,
    cancelled: u64,
    escalated: u64,
    refused: u64,
    ages: Histogram,
}

/// The counts as JSON.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CaseCounts<'s> {
    /// Cases that were opened.
    pub opened: u64,
    /// Those that are still open.
    pub open: u64,
    /// The open ones by band.
    pub open_by_band: &'s BTreeMap<String, u64>,
    /// The open ones that somebody has, by who it is.
    pub claimed_by: &'s BTreeMap<String, u64>,
    /// Closed: the automation may go on.
    pub approved: u64,
    /// Closed: a person stopped it.
    pub rejected: u64,
    /// Closed: nobody decided in time.
    pub expired: u64,
    /// Closed: withdrawn.
    pub cancelled: u64,
    /// How often a case was handed up, by a person or by time.
    pub escalated: u64,
    /// Commands that were refused.
    pub refused: u64,
    /// Opening of a case to its approval or rejection.
    pub decide_ms: Ages,
}

impl Default for CaseTally {
    fn default() -> Self {
        Self {
            opened: 0,
            open: BTreeMap::new(),
            claimed: BTreeMap::new(),
            approved: 0,
            rejected: 0,
            expired: 0,
            cancelled: 0,
            escalated: 0,
            refused: 0,
            ages: Histogram::new(STEP_MS, STEPS_MAX),
        }
    }
}

impl CaseTally {
    pub fn opened(&mut self, opens: &Opens) {
        self.opened += 1;
        count(&mut self.open, &opens.band);
    }

    pub fn refused(&mut self) {
        self.refused += 1;
    }

    pub fn changed(&mut self, change: &Change) {
        let before = &change.before;
        // Of a case whose opening was not seen nothing was counted.
        if let Some(band) = &before.band {
            give_back(&mut self.open, band);
            if change.state.is_open() {
                count(&mut self.open, &change.band);
            }
        }
        if let Some(person) = &before.assignee {
            give_back(&mut self.claimed, person);
        }
        if let Some(person) = change.assignee.as_ref().filter(|_| change.state == State::UnderReview) {
            count(&mut self.claimed, person);
        }
        match change.kind {
            Kind::Approved => self.approved += 1,
            Kind::Rejected => self.rejected += 1,
            Kind::Expired => self.expired += 1,
            Kind::Cancelled => self.cancelled += 1,
            Kind::Escalated => self.escalated += 1,
            _ => {}
        }
        if let (Kind::Approved | Kind::Rejected, Some(age_ms)) = (change.kind, before.age_ms) {
            self.ages.add(age_ms);
        }
    }

    pub fn counts(&self) -> CaseCounts<'_> {
        CaseCounts {
            opened: self.opened,
            open: self.open.values().sum(),
            open_by_band: &self.open,
            claimed_by: &self.claimed,
            approved: self.approved,
            rejected: self.rejected,
            expired: self.expired,
            cancelled: self.cancelled,
            escalated: self.escalated,
            refused: self.refused,
            decide_ms: self.ages.ages(),
        }
    }
}

/// One less of it; what there is none of is not listed.
fn give_back(counts: &mut BTreeMap<String, u64>, name: &str) {
    if let Some(count) = counts.get_mut(name) {
        *count -= 1;
        if *count == 0 {
            counts.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::happening::Before;

    fn change(kind: Kind, state: State, assignee: Option<&str>, before: (&str, Option<&str>)) -> Change {
        Change {
            decision_id: "d".to_owned(),
            seq: 1,
            kind,
            at: String::new(),
            reviewer: None,
            reason: None,
            state,
            previous_state: State::Pending,
            band: "high".to_owned(),
            assignee: assignee.map(str::to_owned),
            groups: Vec::new(),
            before: Before {
                band: Some(before.0.to_owned()),
                assignee: before.1.map(str::to_owned),
                age_ms: Some(4_200),
                ..Before::default()
            },
        }
    }

    #[test]
    fn cases_are_counted_where_they_stand() {
        let mut tally = CaseTally::default();
        for band in ["normal", "high"] {
            let [decision_id, at] = [const { String::new() }; 2];
            tally.opened(&Opens { decision_id, event_id: None, at, band: band.to_owned(), score: 50.0 });
        }
        tally.changed(&change(Kind::Claimed, State::UnderReview, Some("mei"), ("high", None)));
        assert_eq!((tally.counts().open, tally.counts().claimed_by["mei"]), (2, 1));
        tally.changed(&change(Kind::Escalated, State::Pending, None, ("normal", None)));
        assert_eq!(tally.counts().open_by_band["high"], 2);
        // Of a closed case it stays known who had it.
        tally.changed(&change(Kind::Approved, State::Approved, Some("mei"), ("high", Some("mei"))));
        let counts = tally.counts();
        assert_eq!((counts.opened, counts.open, counts.approved, counts.escalated), (2, 1, 1, 1));
        assert!(counts.claimed_by.is_empty());
        assert_eq!(counts.decide_ms, Ages { p50: Some(4_200), p99: Some(4_200) });
    }
}
