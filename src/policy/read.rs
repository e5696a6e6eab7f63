//! From the document to the policy.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{
    Band, BandLimits, Confidence, FallbackReview, Limit, Match, Measure, Missed, OnLate, Policy, ReviewRules, Trigger,
    TriggerKind,
};
use crate::document::{DAY, Field, MINUTE, Map, SECOND, Value, YEAR};
use crate::identity::Hash;

/// So many triggers may stand in a policy.
const MAX_TRIGGERS: usize = 64;

/// The longest name of a policy, group, label, reason or path, in bytes.
const MAX_NAME: usize = 128;

/// The longest id of a trigger, in bytes.
const MAX_ID: usize = 64;

/// The longest reason a trigger gives, in bytes.
const MAX_REASON: usize = 500;

/// So many groups, reasons or paths may stand in a list.
const MAX_WORDS: usize = 64;

/// How long a check may take.
const BUDGETS: RangeInclusive<Duration> = Duration::from_millis(1)..=MINUTE;

/// How long a confidence check may take where the policy does not say it.
const CONFIDENCE_BUDGET: Duration = Duration::from_millis(100);

/// What `control` and decisions already mean something by.
const RESERVED_NAMES: [&str; 2] = ["none", "global"];

/// The ids of built-in findings; a trigger of that name could not be told from them.
const BUILT_IN_FINDINGS: [&str; 8] =
    ["no-policy", "unreadable", "conflicting-duplicate", "stopped", "control-unreadable", "policy-missing", "capacity", "late"];

/// The kinds of trigger that are refused by name, and with what each arrives.
const LATER_KINDS: [(&str, &str); 5] = [
    ("rule", "the expression language"),
    ("anomaly", "training profiles"),
    ("fairness", "the monitor"),
    ("contradiction", "reference topics"),
    ("sample", "blind quality review"),
];

/// Reads the policy at `root`; `earlier` are those of the other files, with which it must not clash.
pub(super) fn policy(root: &Map<'_>, hash: Hash, fallback: &FallbackReview, earlier: &[(&str, Policy)]) -> Policy {
    root.refuse("adverse", "`adverse` is not supported yet: it arrives with the expression language");
    root.refuse("profile", "`profile` is not supported yet: it arrives with the anomaly trigger");
    let max_age = root.key("max_age").duration(Duration::from_millis(1)..=YEAR * 10);
    Policy {
        name: name(&root.required("policy"), earlier),
        version: root.key("version").text(MAX_NAME),
        hash,
        matches: matches(&root.key("match"), root, earlier),
        triggers: triggers(&root.required("triggers")),
        review: root.section("review", |map| review(map, fallback)),
        on_late: on_late(&root.key("on_late"), max_age),
        max_age,
    }
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

fn matches(field: &Field<'_>, root: &Map<'_>, earlier: &[(&str, Policy)]) -> Match {
    let read = |map: &Map<'_>| Match {
        source: map.key("source").text(MAX_NAME),
        model: map.key("model").text(MAX_NAME),
        version: map.key("version").text(MAX_NAME),
    };
    let matches = field.map(read).unwrap_or_default();
    if let Some((file, _)) = earlier.iter().find(|(_, other)| !other.name.is_empty() && other.matches == matches) {
        let message = format!("matches exactly the events that {file} matches; only one policy can decide them");
        if field.is_absent() { root.problem(message) } else { field.problem(message) }
    }
    matches
}

fn on_late(field: &Field<'_>, max_age: Option<Duration>) -> OnLate {
    if !field.is_absent() && max_age.is_none() {
        field.problem("means nothing without `max_age`");
    }
    field.choice(&[("decide", OnLate::Decide), ("hold", OnLate::Hold)]).unwrap_or_default()
}

fn triggers(field: &Field<'_>) -> Vec<Trigger> {
    let mut ids: Vec<String> = Vec::new();
    let read = |item: Field<'_>| item.map(|map| trigger(map, &mut ids)).flatten();
    // Without any trigger a policy would release everything: the list must not be empty.
    field.list(1..=MAX_TRIGGERS, read).unwrap_or_default()
}

fn trigger(map: &Map<'_>, ids: &mut Vec<String>) -> Option<Trigger> {
    let missed = [("hold", Missed::Hold), ("skip", Missed::Skip)];
    let id = trigger_id(&map.required("id"), ids);
    let kind = trigger_kind(map);
    let severity = map.key("severity").number(0.0..=1.0);
    let mandatory = map.key("mandatory").yes_or_no().unwrap_or(false);
    let reason = map.key("reason").text(MAX_REASON);
    let budget = map.key("budget").duration(BUDGETS).unwrap_or(CONFIDENCE_BUDGET);
    let on_error = map.key("on_error").choice(&missed).unwrap_or_default();
    let on_timeout = map.key("on_timeout").choice(&missed).unwrap_or_default();
    Some(Trigger { id: id?, kind: kind?, severity, mandatory, reason, budget, on_error, on_timeout })
}

fn trigger_id(field: &Field<'_>, ids: &mut Vec<String>) -> Option<String> {
    let id = field.text(MAX_ID)?;
    if !id.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
        return field.refused("may have only the letters a to z, digits and `-`");
    }
    if BUILT_IN_FINDINGS.contains(&id.as_str()) {
        return field.refused(format!("`{id}` is the name of a built-in finding; give the trigger another id"));
    }
    if ids.contains(&id) {
        return field.refused(format!("another trigger of this policy has the id `{id}` already"));
    }
    ids.push(id.clone());
    Some(id)
}

fn trigger_kind(map: &Map<'_>) -> Option<TriggerKind> {
    let asked_for_later = LATER_KINDS.iter().any(|(kind, _)| map.has(kind));
    for (kind, arrival) in LATER_KINDS {
        map.refuse(kind, &format!("trigger kind `{kind}` is not supported yet: it arrives with {arrival}"));
    }
    let field = map.key("confidence");
    if field.is_absent() && !asked_for_later {
        map.problem("a trigger needs a kind, which says what it checks: `confidence: { … }`");
    }
    field.map(confidence)?.map(TriggerKind::Confidence)
}

/// The words for a confidence measure, before it is known whether there is a label.
#[derive(Clone, Copy)]
enum MeasureWord {
    TopProbability,
    Margin,
    Entropy,
    Class,
}

fn confidence(map: &Map<'_>) -> Option<Confidence> {
    let words = [
        ("top_probability", MeasureWord::TopProbability),
        ("margin", MeasureWord::Margin),
        ("entropy", MeasureWord::Entropy),
        ("class", MeasureWord::Class),
    ];
    let word = map.required("measure").choice(&words);
    let temperature = map.key("temperature").number(0.01..=100.0).unwrap_or(1.0);
    let label = if matches!(word, Some(MeasureWord::Class)) { map.required("label") } else { map.key("label") };
    let (below, above) = (map.key("below"), map.key("above"));
    let word = word?;
    if !matches!(word, MeasureWord::Class) && !label.is_absent() {
        label.problem("belongs to the measure `class` only");
    }
    let limit = limit(map, word, &below, &above);
    let measure = match word {
        MeasureWord::TopProbability => Measure::TopProbability,
        MeasureWord::Margin => Measure::Margin,
        MeasureWord::Entropy => Measure::Entropy,
        MeasureWord::Class => Measure::Class { label: label.text(MAX_NAME)? },
    };
    Some(Confidence { measure, limit: limit?, temperature })
}

/// The limit on the side that makes sense for the measure.
fn limit(map: &Map<'_>, word: MeasureWord, below: &Field<'_>, above: &Field<'_>) -> Option<Limit> {
    let share = |field: &Field<'_>| field.number(0.0..=1.0);
    match (word, below.is_absent(), above.is_absent()) {
        (MeasureWord::Class, false, true) => share(below).map(Limit::Below),
        (MeasureWord::Class | MeasureWord::Entropy, true, false) => share(above).map(Limit::Above),
        (MeasureWord::Class, ..) => refuse(map, "the measure `class` takes exactly one of `below` and `above`"),
        (MeasureWord::Entropy, ..) => refuse(map, "the measure `entropy` takes `above` and not `below`: high entropy is doubt"),
        (_, false, true) => share(below).map(Limit::Below),
        _ => refuse(map, "the measures `top_probability` and `margin` take `below` and not `above`: low values are doubt"),
    }
}

fn refuse<T>(map: &Map<'_>, message: &str) -> Option<T> {
    map.problem(message);
    None
}

fn review(map: &Map<'_>, fallback: &FallbackReview) -> ReviewRules {
    map.refuse("capacity", "`capacity` is not supported yet: it arrives with the monitor");
    let default = fallback.review_rules();
    let escalate_at = map.key("escalate_at");
    ReviewRules {
        groups: groups(&map.key("groups")).unwrap_or(default.groups),
        leads: map.key("leads").texts(1..=MAX_WORDS, MAX_NAME).unwrap_or(default.leads),
        bands: map.section("bands", |bands| band_limits(bands, default.bands)),
        quorum: map.key("quorum").integer(1..=100).unwrap_or(default.quorum),
        lease: map.key("lease").duration(SECOND..=DAY * 30).unwrap_or(default.lease),
        escalate_at: share_above_zero(&escalate_at).unwrap_or(default.escalate_at),
        sla: map.section("sla", |sla| sla_by_band(sla, default.sla)),
        reasons: map.key("reasons").texts(1..=MAX_WORDS, MAX_NAME).unwrap_or(default.reasons),
        blind: map.key("blind").yes_or_no().unwrap_or(default.blind),
        mask: map.key("mask").texts(0..=MAX_WORDS, MAX_NAME).unwrap_or(default.mask),
    }
}

/// The list of groups. Groups by condition are refused by name, before a wrong type could be blamed.
fn groups(field: &Field<'_>) -> Option<Vec<String>> {
    let items = match field.node().map(|node| &node.value) {
        Some(Value::List(items)) => items.as_slice(),
        _ => &[],
    };
    if items.iter().any(|item| matches!(item.value, Value::Map(_))) {
        return field.refused("groups by `when` are not supported yet: they arrive with the expression language");
    }
    field.texts(1..=MAX_WORDS, MAX_NAME)
}

fn band_limits(map: &Map<'_>, default: BandLimits) -> BandLimits {
    let score = |key| map.key(key).number(0.0..=100.0);
    let limits = BandLimits {
        critical: score("critical").unwrap_or(default.critical),
        high: score("high").unwrap_or(default.high),
        normal: score("normal").unwrap_or(default.normal),
    };
    if limits.critical <= limits.high || limits.high <= limits.normal {
        let BandLimits { critical, high, normal } = limits;
        map.problem(format!("must fall from critical to normal, and are critical {critical}, high {high}, normal {normal}"));
    }
    limits
}

fn sla_by_band(map: &Map<'_>, default: [Duration; 4]) -> [Duration; 4] {
    Band::ALL.map(|band| map.key(band.as_str()).duration(SECOND..=YEAR).unwrap_or(default[band.index()]))
}

fn share_above_zero(field: &Field<'_>) -> Option<f64> {
    match field.number(0.0..=1.0)? {
        0.0 => field.refused("must be more than 0: the part of the time after which the case escalates"),
        share => Some(share),
    }
}
