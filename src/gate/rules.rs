//! The policies that are in force, with all that is prepared once for them; replaced as a whole when their files change.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use prometheus::IntCounter;

use crate::decision::{BuiltIn, Outcome, RULE_SHOWN_BYTES, ResultKind, told_bytes_max};
use crate::event::Code;
use crate::policy::{FallbackReview, Policy, PolicySet, ReviewRules, Sight, Trigger, TriggerKind};
use crate::telemetry::metrics::Metrics;
use crate::trigger::contradiction::SHOWN_BYTES_MAX;

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
    /// What a record about a decision may need beside the event's own fields: see [`Rules::record_bytes`].
    record_bytes: usize,
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
const BUILT_IN: [BuiltIn; 8] = [
    BuiltIn::Unreadable(Code::Empty),
    BuiltIn::NoPolicy,
    BuiltIn::ConflictingDuplicate,
    BuiltIn::Stopped,
    BuiltIn::ControlUnreadable,
    BuiltIn::PolicyMissing,
    BuiltIn::Late,
    BuiltIn::Capacity,
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
        BuiltIn::Capacity => 7,
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
        let record_bytes = set.policies().iter().map(own_bytes).max().unwrap_or(0);
        Self { set, reviews, counters, all_counters, fallback, record_bytes }
    }

    /// The most bytes that the policies' own words can take in one record, the event being carried by reference: every
    /// trigger finds something, and says so with its id, its reason and its sentence.
    #[must_use]
    pub const fn record_bytes(&self) -> usize {
        self.record_bytes
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

/// See [`Rules::record_bytes`]. Written as JSON, names and reasons of a policy are at most twice as long, as they have no
/// control characters; what an expression says of itself, at most six times. An id stands in the result, in its factor of the
/// score, and in the result of the other of a policy and its candidate.
fn own_bytes(policy: &Policy) -> usize {
    const MEMBERS: usize = 600;
    let of_rule = |trigger: &Trigger| match &trigger.kind {
        TriggerKind::Rule(rule) => 6 * rule.reason_bytes_max().max(RULE_SHOWN_BYTES),
        TriggerKind::Anomaly(_) => 6 * policy.trained.as_ref().map_or(0, |trained| told_bytes_max(trained.profile())),
        TriggerKind::Fairness(_) => 6 * INCIDENT_BYTES,
        TriggerKind::Contradiction(rule) => {
            let of_when = rule.when.as_ref().map_or(0, |when| 6 * when.reason_bytes_max().max(RULE_SHOWN_BYTES));
            let of_fields = rule.compare.iter().map(|comparison| SHOWN_BYTES_MAX + 6 * comparison.name.len()).sum::<usize>();
            of_when + of_fields + 6 * rule.reference.len()
        }
        TriggerKind::Confidence(_) | TriggerKind::Sample(_) => 0,
    };
    let of_trigger = |trigger: &Trigger| {
        MEMBERS + 4 * trigger.id.len() + 2 * trigger.reason.as_ref().map_or(0, String::len) + of_rule(trigger)
    };
    let review = (0..policy.review.groups.len()).map(|groups| policy.review.to_json(groups, Sight::Blind).len()).max();
    policy.triggers.iter().map(of_trigger).sum::<usize>() + review.unwrap_or(0)
}

/// What an incident's sentence and the ids of those that concern a subject take.
const INCIDENT_BYTES: usize = 2_048;

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

/// What the event's own fields and the frame of a record may take; the policies' words come on top.
pub(super) const EVENT_BYTES: usize = 24_576;

/// The rules in force, for all workers of a process.
pub struct RulesInForce {
    rules: ArcSwap<Rules>,
    /// What the topics take, as it was last asked.
    room: AtomicUsize,
}

/// Policies that could find more than the topics take: such a record would never be written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "one of the gate's topics takes records of at most {room} bytes (max.message.bytes), and with these policies a record may \
     need {needed}; let the topics take more, or give the policies fewer triggers or shorter reasons"
)]
pub struct TooLong {
    /// What the topics take.
    pub room: usize,
    /// What a record may need.
    pub needed: usize,
}

impl RulesInForce {
    /// Begins with `rules`.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { rules: ArcSwap::from_pointee(rules), room: AtomicUsize::new(usize::MAX) }
    }

    /// Puts `rules` into force: every worker takes them up at the beginning of its next turn. What it has begun is decided
    /// by the old ones.
    ///
    /// # Errors
    /// Where they could find more than the topics take; then the old ones stay.
    pub fn replace(&self, rules: Rules) -> Result<(), TooLong> {
        fits(&rules, self.room.load(Ordering::Acquire))?;
        self.rules.store(Arc::new(rules));
        Ok(())
    }

    /// The topics take records of so many bytes.
    ///
    /// # Errors
    /// Where the rules in force could find more.
    pub fn make_room(&self, room: usize) -> Result<(), TooLong> {
        self.room.store(room, Ordering::Release);
        fits(&self.rules.load(), room)
    }

    /// The rules now.
    #[must_use]
    pub fn current(&self) -> Arc<Rules> {
        self.rules.load_full()
    }
}

fn fits(rules: &Rules, room: usize) -> Result<(), TooLong> {
    let needed = EVENT_BYTES + rules.record_bytes();
    if needed > room { Err(TooLong { room, needed }) } else { Ok(()) }
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

    fn rules(triggers: usize, reason: usize) -> Rules {
        let line = |number| {
            format!("  - {{ id: rule-{number}, rule: amount > {number}, reason: \"{}\" }}\n", "'\\\"".repeat(reason / 2))
        };
        let text = format!("policy: loans\ntriggers:\n{}", (0..triggers).map(line).collect::<String>());
        let set = PolicySet::read(&[("p.yaml".to_owned(), text)], &FallbackReview::default()).expect("a sound policy");
        Rules::new(set, &FallbackReview::default(), &Metrics::new())
    }

    #[test]
    fn policies_that_say_more_than_the_topics_take_do_not_come_into_force() {
        let in_force = RulesInForce::new(rules(1, 10));
        assert_eq!(in_force.make_room(32_768), Ok(()), "the smallest that a gate starts with");
        let refused = in_force.replace(rules(200, 400)).expect_err("too long");
        assert!(refused.needed > 200 * 2 * 400 && refused.room == 32_768, "{refused}");
        assert_eq!(in_force.current().set.policies()[0].triggers.len(), 1, "the old ones stay");
        assert_eq!(in_force.make_room(1_000_000), Ok(()));
        assert_eq!(in_force.replace(rules(200, 400)), Ok(()));
        assert!(in_force.make_room(32_768).is_err(), "a topic's limit was lowered");
    }
}
