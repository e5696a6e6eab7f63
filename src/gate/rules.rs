//! The policies that are in force, with all that is prepared once for them; replaced as a whole when their files change.

use std::sync::Arc;

use arc_swap::ArcSwap;
use prometheus::IntCounter;

use crate::decision::{BuiltIn, Outcome, ResultKind};
use crate::event::Code;
use crate::policy::{FallbackReview, Policy, PolicySet, ReviewRules, Sight};
use crate::telemetry::metrics::Metrics;

/// Policies in force. Made outside the gates' threads, so that a turn in which new ones come takes no longer.
pub struct Rules {
    /// The policies.
    pub set: PolicySet,
    /// Review rules as JSON, by place of the policy and last those of no policy.
    reviews: Vec<ReviewTexts>,
    /// By place of the policy and last those of no policy.
    pub(super) counters: Vec<PolicyCounters>,
    /// All counters of all policies, where the places in [`PolicyCounters`] point to.
    pub(super) all_counters: Vec<IntCounter>,
    fallback: ReviewRules,
}

/// One policy's review rules as text: by place of the groups, seen and blind.
struct ReviewTexts(Vec<[String; 2]>);

/// Places of one policy's counters.
pub(super) struct PolicyCounters {
    pub released: usize,
    pub held: usize,
    /// By trigger and result.
    pub triggers: Vec<[usize; ResultKind::ALL.len()]>,
    /// By built-in finding, in the order of [`BUILT_IN`].
    pub built_in: Vec<usize>,
    /// What it decided beside another: as that one did, and otherwise.
    pub shadow: [usize; 2],
}

/// One of each kind, in the order of [`built_in_place`].
const BUILT_IN: [BuiltIn; 7] = [
    BuiltIn::Unreadable(Code::Empty),
    BuiltIn::NoPolicy,
    BuiltIn::ConflictingDuplicate,
    BuiltIn::Stopped,
    BuiltIn::ControlUnreadable,
    BuiltIn::PolicyMissing,
    BuiltIn::Late,
];

pub(super) const fn built_in_place(built_in: BuiltIn) -> usize {
    match built_in {
        BuiltIn::Unreadable(_) => 0,
        BuiltIn::NoPolicy => 1,
        BuiltIn::ConflictingDuplicate => 2,
        BuiltIn::Stopped => 3,
        BuiltIn::ControlUnreadable => 4,
        BuiltIn::PolicyMissing => 5,
        BuiltIn::Late => 6,
    }
}

impl Rules {
    /// Prepares `set`; cases that no policy covers are reviewed as `fallback` says, and counts go to `metrics`.
    #[must_use]
    pub fn new(set: PolicySet, fallback: &FallbackReview, metrics: &Metrics) -> Self {
        let fallback = fallback.review_rules();
        let policies = || set.policies().iter().map(Some).chain([None]);
        let reviews = policies().map(|policy| ReviewTexts::of(policy.map_or(&fallback, |policy| &policy.review))).collect();
        let mut all_counters = Vec::new();
        let counters = policies().map(|policy| PolicyCounters::new(policy, metrics, &mut all_counters)).collect();
        Self { set, reviews, counters, all_counters, fallback }
    }

    /// The review rules under `policy`, or those of no policy.
    pub(super) fn review<'r>(&'r self, policy: Option<&'r Policy>) -> &'r ReviewRules {
        policy.map_or(&self.fallback, |policy| &policy.review)
    }

    /// These rules as JSON, with the groups at the place `groups`.
    pub(super) fn review_text(&self, policy: Option<&Policy>, groups: usize, sight: Sight) -> &str {
        let texts = self.reviews.get(self.place(policy)).and_then(|texts| texts.0.get(groups));
        texts.map_or("null", |texts| texts[sight as usize].as_str())
    }

    /// Where what belongs to `policy` stands; after all policies what belongs to none.
    pub(super) fn place(&self, policy: Option<&Policy>) -> usize {
        policy.map_or(self.set.policies().len(), |policy| policy.place)
    }
}

impl ReviewTexts {
    fn of(rules: &ReviewRules) -> Self {
        let text = |groups| [Sight::Open, Sight::Blind].map(|sight| rules.to_json(groups, sight));
        Self((0..rules.groups.len()).map(text).collect())
    }
}

impl PolicyCounters {
    fn new(policy: Option<&Policy>, metrics: &Metrics, all: &mut Vec<IntCounter>) -> Self {
        let name = policy.map_or("none", |policy| policy.name.as_str());
        let mut place = |counter: IntCounter| {
            all.push(counter);
            all.len() - 1
        };
        let result = |trigger: &str, kind: ResultKind| metrics.trigger_results.with_label_values(&[name, trigger, kind.as_str()]);
        let triggers = policy.map_or(&[][..], |policy| &policy.triggers);
        Self {
            triggers: triggers.iter().map(|trigger| ResultKind::ALL.map(|kind| place(result(&trigger.id, kind)))).collect(),
            built_in: BUILT_IN.iter().map(|built_in| place(result(built_in.id(), ResultKind::Hit))).collect(),
            released: place(metrics.decisions.with_label_values(&[name, Outcome::Released.as_str()])),
            held: place(metrics.decisions.with_label_values(&[name, Outcome::Held.as_str()])),
            shadow: ["same", "different"].map(|verdict| place(metrics.shadow_decisions.with_label_values(&[name, verdict]))),
        }
    }
}

/// The rules in force, for all workers of a process.
pub struct RulesInForce(ArcSwap<Rules>);

impl RulesInForce {
    /// Begins with `rules`.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self(ArcSwap::from_pointee(rules))
    }

    /// Puts `rules` into force: every worker takes them up at the beginning of its next turn. What it has begun is decided
    /// by the old ones.
    pub fn replace(&self, rules: Rules) {
        self.0.store(Arc::new(rules));
    }

    /// The rules now.
    #[must_use]
    pub fn current(&self) -> Arc<Rules> {
        self.0.load_full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_finding_has_its_place() {
        for (place, built_in) in BUILT_IN.iter().enumerate() {
            assert_eq!(built_in_place(*built_in), place);
        }
        for (place, kind) in ResultKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, place);
        }
    }
}
