//! The open cases, as the audit trail tells of them: what an entry says about a case that it changes, and what was known
//! before.

use std::collections::HashMap;

use crate::dev::happening::{Before, Change, Opens, age_ms};

/// The open cases. As many as the sidecar keeps in the same process, of each a small part.
#[derive(Debug, Default)]
pub struct Docket {
    open: HashMap<String, Open>,
}

/// One of them.
#[derive(Clone, Debug)]
struct Open {
    event_id: Option<String>,
    at: String,
    score: f64,
    band: String,
    assignee: Option<String>,
}

impl Docket {
    /// A case opened.
    pub fn opened(&mut self, opens: &Opens) {
        let Opens { decision_id, event_id, at, band, score } = opens.clone();
        self.open.insert(decision_id, Open { event_id, at, score, band, assignee: None });
    }

    /// A case changed. Tells the change what was known of the case before.
    pub fn changed(&mut self, change: &mut Change) {
        let Some(open) = self.open.get_mut(&change.decision_id) else { return };
        change.before = Before {
            event_id: open.event_id.clone(),
            score: Some(open.score),
            band: Some(std::mem::replace(&mut open.band, change.band.clone())),
            assignee: std::mem::replace(&mut open.assignee, change.assignee.clone()),
            age_ms: age_ms(&open.at, &change.at),
        };
        if !change.state.is_open() {
            self.open.remove(&change.decision_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{Kind, State};

    #[test]
    fn a_change_learns_what_was_before_and_closed_cases_are_forgotten() {
        let mut docket = Docket::default();
        docket.opened(&Opens {
            decision_id: "d".to_owned(),
            event_id: Some("e".to_owned()),
            at: "2026-01-05T10:00:00.000Z".to_owned(),
            band: "high".to_owned(),
            score: 70.0,
        });
        let mut change = Change {
            decision_id: "d".to_owned(),
            seq: 1,
            kind: Kind::Claimed,
            at: "2026-01-05T10:00:02.000Z".to_owned(),
            reviewer: Some("mei".to_owned()),
            reason: None,
            state: State::UnderReview,
            previous_state: State::Pending,
            band: "high".to_owned(),
            assignee: Some("mei".to_owned()),
            groups: Vec::new(),
            before: Before::default(),
        };
        docket.changed(&mut change);
        assert_eq!((change.before.age_ms, change.before.assignee.as_deref()), (Some(2_000), None));
        (change.kind, change.state) = (Kind::Approved, State::Approved);
        docket.changed(&mut change);
        assert_eq!((change.before.event_id.as_deref(), change.before.assignee.as_deref()), (Some("e"), Some("mei")));
        assert!(docket.open.is_empty());
        change.before = Before::default();
        docket.changed(&mut change);
        assert_eq!(change.before, Before::default(), "of what was never opened nothing is known");
    }
}
