//! From the document to the policy.

mod condition;
mod contradiction;
mod profile;
mod review;
mod triggers;

use std::time::Duration;

use super::{Around, Candidate, Expression, Match, OnLate, Policy};
use crate::document::{Field, Map, YEAR};
use crate::event::Plan;

/// The longest name of a policy, group, label, reason or path, in bytes.
const MAX_NAME: usize = 128;

/// What `control` and decisions already mean something by.
const RESERVED_NAMES: [&str; 2] = ["none", "global"];

/// What is known when a policy is read.
pub(super) struct Known<'k> {
    /// The file's text.
    pub text: &'k str,
    /// What is known around it.
    pub around: Around<'k>,
    /// The policies of the other files, with which it must not clash.
    pub earlier: &'k [(&'k str, Policy)],
}

/// Reads the policy at `root`. What its expressions read is added to `plan`.
pub(super) fn policy(root: &Map<'_>, known: &Known<'_>, plan: &mut Plan) -> Policy {
    let (fallback, earlier) = (known.around.fallback, known.earlier);
    let profile_field = root.key("profile");
    let found = profile::read(&profile_field, known, plan);
    let max_age = root.key("max_age").duration(Duration::from_millis(1)..=YEAR * 10);
    let candidate = root.key("candidate").map(candidate).flatten();
    let name = name(&root.required("policy"), earlier);
    let adverse = adverse(&root.key("adverse"), plan);
    let profiled = found.at_hand();
    let ground = triggers::Ground { profiled, adverse: adverse.is_some(), references: known.around.references };
    let listed = root.required("triggers");
    let triggers = triggers::read(&listed, &ground, plan);
    let (review, capacity) = root.section("review", |map| (review::read(map, fallback, plan), review::capacity(map, profiled)));
    let policy = Policy {
        name,
        version: root.key("version").text(MAX_NAME),
        hash: found.policy_hash(known.text),
        place: earlier.len(),
        matches: matches(&root.key("match"), root, candidate.is_none().then_some(earlier)),
        candidate,
        triggers,
        review,
        capacity,
        adverse,
        trained: found.into_trained(),
        on_late: on_late(&root.key("on_late"), max_age),
        max_age,
    };
    // Of a trigger that is refused there is nothing to hash: its own mistake is told, and no other that follows from it.
    if listed.items() == policy.triggers.len() {
        profile::check(&policy, &profile_field, known.around.profiles);
    }
    policy
}

fn candidate(map: &Map<'_>) -> Option<Candidate> {
    let policy = map.required("for");
    let share = map.key("share").number(0.0..=1.0).unwrap_or(0.0);
    Some(Candidate { policy: policy.text(MAX_NAME)?, share, place: policy.place().clone() })
}

fn adverse(field: &Field<'_>, plan: &mut Plan) -> Option<Expression> {
    let always = "is true for every event; nothing could then be favourable";
    condition::read(field, plan, [always, "is true for no event; nothing could then be adverse"])
}

fn name(field: &Field<'_>, earlier: &[(&str, Policy)]) -> String {
    let name = field.text(MAX_NAME).unwrap_or_default();
    if RESERVED_NAMES.contains(&name.as_str()) {
        field.problem(format!("`{name}` is reserved; give the policy another name"));
    } else if name.contains('/') {
        field.problem("must not contain `/`, which separates the parts of record keys");
    } else if let Some((file, _)) = earlier.iter().find(|(_, other)| !name.is_empty() && other.name == name) {
        field.problem(format!("the policy of {file} has the name `{name}` already"));
    }
    name
}

/// Which events it is for, and whether an `earlier` policy has the same. A candidate has none to compare: its events are
/// those of the policy that it is a candidate for.
fn matches(field: &Field<'_>, root: &Map<'_>, earlier: Option<&[(&str, Policy)]>) -> Match {
    let Some(earlier) = earlier else {
        if !field.is_absent() {
            field.problem("a candidate has the events of the policy that it is `for`; leave `match` away");
        }
        return Match::default();
    };
    let read = |map: &Map<'_>| Match {
        source: map.key("source").text(MAX_NAME),
        model: map.key("model").text(MAX_NAME),
        version: map.key("version").text(MAX_NAME),
    };
    let matches = field.map(read).unwrap_or_default();
    if let Some((file, _)) = earlier.iter().find(|(_, other)| is_rival(other, &matches)) {
        let message = format!("matches exactly the events that {file} matches; only one policy can decide them");
        if field.is_absent() { root.problem(message) } else { field.problem(message) }
    }
    matches
}

fn is_rival(other: &Policy, matches: &Match) -> bool {
    !other.name.is_empty() && other.candidate.is_none() && other.matches == *matches
}

fn on_late(field: &Field<'_>, max_age: Option<Duration>) -> OnLate {
    if !field.is_absent() && max_age.is_none() {
        field.problem("means nothing without `max_age`");
    }
    field.choice(&[("decide", OnLate::Decide), ("hold", OnLate::Hold)]).unwrap_or_default()
}
