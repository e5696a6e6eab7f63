//! What time does to a case. Time is an argument: whoever calls says how late it is.

use crate::case::apply::Step;
use crate::case::record::Case;
use crate::case::state::{Move, State};
use crate::identity::Timestamp;

impl Case {
    /// The next thing that time will do, and when. Of things at the same time the final one comes first. None for a closed case.
    #[must_use]
    pub fn deadline(&self) -> Option<(Timestamp, Move)> {
        if !self.state.is_open() {
            return None;
        }
        let expires = (self.opened.due_at, Move::Expire);
        let escalates = self.escalated_at.is_none().then(|| (self.opened.remind_at(), Move::Remind));
        let lapses = self.lease_until.filter(|_| self.state == State::UnderReview).map(|at| (at, Move::Lapse));
        // `min_by_key` keeps the first of equals.
        [Some(expires), escalates, lapses].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// What time does by `now`; none while nothing is due.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Option<Step> {
        let (at, a_move) = self.deadline()?;
        (at <= now).then(|| self.step(a_move)).flatten()
    }
}
