//! A candidate: a policy that is tried on live events beside the one that it may come to replace.
//!
//! It decides for a share of the events, drawn by the decision's id, so that a replay draws the same; for the others it is
//! evaluated all the same, and its outcome stands on the entry as `shadow`. A share of 0, the default, is a shadow alone.

use super::Policy;
use crate::document::{Place, Problem, Problems};
use crate::identity::DecisionId;

/// What a policy is a candidate for.
#[derive(Clone, PartialEq, Debug)]
pub struct Candidate {
    /// Name of the policy whose events it is tried on.
    pub policy: String,
    /// The share of them that it decides, 0 to 1.
    pub share: f64,
    /// Where the file says so.
    pub(super) place: Place,
}

impl Policy {
    pub(super) fn is_for(&self, name: &str) -> bool {
        self.candidate.as_ref().is_some_and(|candidate| candidate.policy == name)
    }

    /// Whether it decides about `id`, being a candidate.
    pub(super) fn draws(&self, id: DecisionId) -> bool {
        self.candidate.as_ref().is_some_and(|candidate| candidate.share > 0.0 && id.draw("rollout", &self.name) < candidate.share)
    }
}

/// Tells of candidates for policies that are not there, and of two for the same.
pub(super) fn check(read: &[(&str, Policy)], problems: &Problems) {
    for (number, (_, policy)) in read.iter().enumerate() {
        let Some(candidate) = &policy.candidate else { continue };
        let wanted = &candidate.policy;
        let target = read.iter().find(|(_, other)| other.name == *wanted);
        let earlier = read[..number].iter().find(|(_, other)| other.is_for(wanted));
        let message = match (target, earlier) {
            (None, _) => {
                format!("there is no policy `{wanted}` that this could be a candidate for; both files must be read together")
            }
            (Some((file, other)), _) if other.candidate.is_some() => {
                format!("the policy of {file} is itself a candidate; it decides about no events of its own")
            }
            (_, Some((file, _))) => format!("{file} is a candidate for `{wanted}` already; one is tried at a time"),
            _ => continue,
        };
        problems.add(Problem::new(&candidate.place, "candidate", message));
    }
}
