//! The differences for programs. Keys stand in the order in which they are written here.

use serde_json::{Value, json};

use crate::cli::policy::reasons_json;
use crate::cli::recorded::Events;
use crate::policy::PolicySet;
use crate::replay::{Attribute, Comparison, Difference, Example, Held, Incidents, Side, TwoSets};

/// The whole report.
pub(super) fn comparison(two: &TwoSets, allowed: Option<f64>, events: &Events) -> Value {
    let comparison = two.comparison();
    let [policy, against] = two.sides().map(|side| policies(side.set()));
    let [[both_release, now_held], [now_released, both_hold]] = comparison.outcomes;
    let share = comparison.changed_share();
    json!({
        "policy": policy,
        "against": against,
        "source": events.source(),
        "records": comparison.records,
        "duplicates": comparison.duplicates,
        "decisions": comparison.decisions(),
        "outcomes": { "released_by_both": both_release, "released_to_held": now_held, "held_to_released": now_released,
            "held_by_both": both_hold },
        "changed": now_held + now_released,
        "changed_share": rounded(share),
        "allowed_share": allowed,
        "is_allowed": allowed.map(|allowed| share <= allowed),
        "bands": bands(comparison),
        "triggers": triggers(comparison),
        "subgroups": subgroups(comparison),
        "incidents": { "opened_by_policy": incidents(&comparison.incidents[0]), "opened_by_against": incidents(&comparison.incidents[1]) },
        "examples": comparison.examples_by_difference().map(example).collect::<Vec<_>>(),
    })
}

/// How many were opened, and the first of them.
fn incidents(all: &Incidents) -> Value {
    json!({ "count": all.opened, "first": all.first })
}

fn policies(set: &PolicySet) -> Value {
    let policies = set.policies().iter();
    let of = policies.map(|policy| json!({ "name": policy.name, "version": policy.version, "hash": policy.hash.to_string() }));
    of.collect()
}

fn bands(comparison: &Comparison) -> Value {
    let changes = comparison.band_changes();
    changes.map(|(from, to, count)| json!({ "from": from.as_str(), "to": to.as_str(), "decisions": count })).collect()
}

fn triggers(comparison: &Comparison) -> Value {
    let of = comparison.triggers().map(|(label, counts)| {
        json!({ "policy": label.policy, "id": label.id, "kind": label.kind, "only_policy": counts.first,
            "only_against": counts.second, "both": counts.both, "failed_by_policy": counts.failed[0], "failed_by_against": counts.failed[1] })
    });
    of.collect()
}

fn subgroups(comparison: &Comparison) -> Value {
    let attribute = |(name, attribute): (&str, &Attribute)| {
        let levels: Vec<Value> = attribute.levels.iter().map(|(level, held)| held_json(Some(level), held)).collect();
        let other = (attribute.other.events > 0).then(|| held_json(None, &attribute.other));
        json!({ "attribute": name, "levels": levels, "other_levels": other })
    };
    let attributes: Vec<Value> = comparison.subgroups.attributes().map(attribute).collect();
    json!({ "attributes": attributes, "values_of_other_attributes": comparison.subgroups.other })
}

fn held_json(level: Option<&String>, held: &Held) -> Value {
    let [policy, against] = [held.share(0), held.share(1)];
    json!({ "level": level, "events": held.events, "held_by_policy": held.held[0], "held_by_against": held.held[1],
        "share_by_policy": rounded(policy), "share_by_against": rounded(against), "difference": rounded(against - policy) })
}

fn example(example: &Example) -> Value {
    let Example { difference, event_id, log, offset, sides } = example;
    let difference = match difference {
        Difference::NowHeld => "released_to_held",
        Difference::NowReleased => "held_to_released",
        Difference::OtherBand => "other_band",
    };
    json!({ "difference": difference, "event_id": event_id, "topic": log.topic, "partition": log.partition, "offset": offset,
        "policy": side(&sides[0]), "against": side(&sides[1]) })
}

fn side(side: &Side) -> Value {
    json!({ "policy": side.policy, "outcome": side.outcome.as_str(), "band": side.band.as_str(), "score": side.score,
        "findings": reasons_json(&side.reasons) })
}

/// Six decimals: more would be noise.
fn rounded(share: f64) -> f64 {
    (share * 1e6).round() / 1e6
}
