//! Which records an export holds.

use std::collections::HashSet;

use crate::audit::Choice;
use crate::identity::{DecisionId, Timestamp};

/// What is to be exported.
pub(super) enum Chosen {
    /// Every record.
    Everything,
    /// The records of these decisions; what is about none, such as a GAP, where only a time is chosen and it fits.
    Of {
        /// The decisions.
        decisions: HashSet<DecisionId>,
        /// The time in which a record of no decision must have been appended; none where such records are left out.
        span: Option<(Option<Timestamp>, Option<Timestamp>)>,
    },
}

impl Chosen {
    /// These decisions, chosen by `choice`.
    pub fn of(choice: &Choice, decisions: HashSet<DecisionId>) -> Self {
        let only_time = Choice { from: None, to: None, ..choice.clone() }.is_everything();
        Self::Of { decisions, span: only_time.then_some((choice.from, choice.to)) }
    }

    /// Whether a record with this key, header `jidoka-decision-id` and append time is wanted.
    pub fn wants(&self, key: Option<&str>, header: Option<&str>, at: Option<Timestamp>) -> bool {
        let Self::Of { decisions, span } = self else { return true };
        let id = header.and_then(DecisionId::parse).or_else(|| decision_of(key?));
        match (id, span, at) {
            (Some(id), ..) => decisions.contains(&id),
            (None, Some((from, to)), Some(at)) => from.is_none_or(|from| at >= from) && to.is_none_or(|to| at < to),
            (None, ..) => false,
        }
    }
}

/// The decision that a key begins with.
pub(super) fn decision_of(key: &str) -> Option<DecisionId> {
    DecisionId::parse(key.split('/').next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_go_with_their_decision_and_others_with_their_time() {
        let id = DecisionId([1; 16]);
        let (own, other) = (format!("{id}/3"), "f".repeat(32));
        let time = |millis| Some(Timestamp(millis));
        let chosen = Chosen::of(&Choice { from: time(5), to: time(9), ..Choice::default() }, HashSet::from([id]));
        assert!(chosen.wants(Some(&own), None, time(1)) && chosen.wants(Some("refused/0/1"), Some(&id.to_string()), None));
        assert!(!chosen.wants(Some(&other), None, time(6)));
        assert!(chosen.wants(Some("gap/s/0/1"), None, time(5)) && !chosen.wants(Some("gap/s/0/1"), None, time(9)));
        assert!(!chosen.wants(None, None, None) && Chosen::Everything.wants(None, None, None));
        let chosen = Chosen::of(&Choice { model: Some("m".into()), ..Choice::default() }, HashSet::new());
        assert!(!chosen.wants(Some("gap/s/0/1"), None, time(5)));
    }
}
