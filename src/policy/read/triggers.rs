//! The list of triggers.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::profile::Profiled;
use super::{MAX_NAME, condition, contradiction};
use crate::document::{Field, MINUTE, Map};
use crate::event::Plan;
use crate::policy::{Anomaly, Confidence, Fairness, Limit, Measure, Missed, Sample, Trigger, TriggerKind};

/// So many triggers may stand in a policy.
const MAX_TRIGGERS: usize = 256;

/// The longest id of a trigger, in bytes.
const MAX_ID: usize = 64;

/// The longest reason a trigger gives, in bytes.
const MAX_REASON: usize = 500;

/// How long a check may take.
const BUDGETS: RangeInclusive<Duration> = Duration::from_millis(1)..=MINUTE;

/// The ids of built-in findings; a trigger of that name could not be told from them.
const BUILT_IN_FINDINGS: [&str; 8] =
    ["no-policy", "unreadable", "conflicting-duplicate", "stopped", "control-unreadable", "policy-missing", "capacity", "late"];

/// What of the rest of the policy triggers may need.
#[derive(Clone, Copy)]
pub(super) struct Ground<'g> {
    /// The training profile.
    pub profiled: Profiled<'g>,
    /// Whether the policy says what is adverse.
    pub adverse: bool,
    /// The names of the references, where they are known.
    pub references: Option<&'g [&'g str]>,
}

/// The kinds of trigger.
const KINDS: [&str; 6] = ["rule", "confidence", "anomaly", "fairness", "contradiction", "sample"];

/// Reads the list; the labels and members that its checks read get slots in `plan`.
pub(super) fn read(field: &Field<'_>, ground: &Ground<'_>, plan: &mut Plan) -> Vec<Trigger> {
    let mut seen: Vec<Seen> = Vec::new();
    let read = |item: Field<'_>| item.map(|map| trigger(map, &mut seen, ground, plan)).flatten();
    // Without any trigger a policy would release everything: the list must not be empty.
    field.list(1..=MAX_TRIGGERS, read).unwrap_or_default()
}

/// A trigger before the present one: its id, the text of its rule, and its kind where a policy has only one of that.
struct Seen {
    id: String,
    rule: Option<String>,
    single: Option<&'static str>,
}

fn trigger(map: &Map<'_>, seen: &mut Vec<Seen>, ground: &Ground<'_>, plan: &mut Plan) -> Option<Trigger> {
    let missed = [("hold", Missed::Hold), ("skip", Missed::Skip)];
    let id = trigger_id(&map.required("id"), seen);
    let kind = trigger_kind(map, ground, plan);
    let severity = map.key("severity").number(0.0..=1.0);
    let mandatory = map.key("mandatory").yes_or_no();
    let reason = map.key("reason").text(MAX_REASON);
    let budget = map.key("budget").duration(BUDGETS);
    let on_error = map.key("on_error").choice(&missed).unwrap_or_default();
    let on_timeout = map.key("on_timeout").choice(&missed).unwrap_or_default();
    let (id, kind) = (id?, kind?);
    let rule = if let TriggerKind::Rule(rule) = &kind { Some(rule.text().to_owned()) } else { None };
    if let Some(other) = seen.iter().find(|other| rule.is_some() && other.rule == rule) {
        map.key("rule").problem(format!("the trigger `{}` checks the same already", other.id));
    }
    let single = matches!(kind, TriggerKind::Anomaly(_) | TriggerKind::Fairness(_)).then_some(kind.name());
    if let Some(other) = seen.iter().find(|other| single.is_some() && other.single == single) {
        map.key(kind.name()).problem(format!("a policy has one trigger of this kind, and `{}` is one already", other.id));
    }
    seen.push(Seen { id: id.clone(), rule, single });
    let budget = budget.unwrap_or(kind.default_budget());
    // An open incident holds the adverse decisions of its group, however many; unless the author leaves it to the capacity.
    let mandatory = mandatory.unwrap_or(matches!(kind, TriggerKind::Fairness(_)));
    Some(Trigger { id, kind, severity, mandatory, reason, budget, on_error, on_timeout })
}

fn trigger_id(field: &Field<'_>, seen: &[Seen]) -> Option<String> {
    let id = field.text(MAX_ID)?;
    if !id.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
        return field.refused("may have only the letters a to z, digits and `-`");
    }
    if BUILT_IN_FINDINGS.contains(&id.as_str()) {
        return field.refused(format!("`{id}` is the name of a built-in finding; give the trigger another id"));
    }
    if seen.iter().any(|other| other.id == id) {
        return field.refused(format!("another trigger of this policy has the id `{id}` already"));
    }
    Some(id)
}

fn trigger_kind(map: &Map<'_>, ground: &Ground<'_>, plan: &mut Plan) -> Option<TriggerKind> {
    let fields = KINDS.map(|kind| map.key(kind));
    match fields.iter().filter(|field| !field.is_absent()).count() {
        0 => map.problem(format!("a trigger needs a kind, which says what it checks: {}", one_of(&KINDS))),
        1 => {}
        _ => map.problem("a trigger has one kind; make two triggers of it"),
    }
    let [rule, confidence_field, anomaly_field, fairness_field, contradiction_field, sample_field] = fields;
    let always = "holds for every event, so every decision would wait for a person; name what makes an event risky";
    let never = "can hold for no event, so the trigger would never find anything";
    let rule = condition::read(&rule, plan, [always, never]).map(TriggerKind::Rule);
    let confidence = confidence_field.map(|map| confidence(map, plan)).flatten().map(TriggerKind::Confidence);
    let contradiction = contradiction_field.map(|map| contradiction::read(map, ground.references, plan)).flatten();
    let contradiction = contradiction.map(|rule| TriggerKind::Contradiction(Box::new(rule)));
    let sample = sample_field.map(sample).flatten().map(TriggerKind::Sample);
    let anomaly = anomaly(&anomaly_field, ground.profiled).map(TriggerKind::Anomaly);
    let fairness = fairness(&fairness_field, ground).map(TriggerKind::Fairness);
    rule.or(confidence).or(anomaly).or(fairness).or(contradiction).or(sample)
}

/// `a`, `b` or `c`
fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    let (last, before) = quoted.split_last().expect("there are kinds");
    format!("{} or {last}", before.join(", "))
}

fn anomaly(field: &Field<'_>, profiled: Profiled<'_>) -> Option<Anomaly> {
    if !field.is_absent() && matches!(profiled, Profiled::No) {
        field.problem("needs a `profile`, which `jidoka profile build` makes of the training data");
    }
    let read = |map: &Map<'_>| {
        let alpha = map.required("alpha");
        let recalibrate = map.key("recalibrate").yes_or_no().unwrap_or(false);
        match alpha.number(0.0..=1.0)? {
            0.0 => alpha.refused("must be more than 0: the share of ordinary inputs that people look at"),
            share if profiled.smallest_p().is_some_and(|least| share < least) => alpha.refused(format!(
                "is smaller than any p-value that the profile's calibration can tell from others, {:.6}: take that or more, or build \
                 the profile with more calibration events",
                profiled.smallest_p().unwrap_or(share)
            )),
            alpha => Some(Anomaly { alpha, recalibrate }),
        }
    };
    field.map(read).flatten()
}

/// The most attributes of a fairness trigger: all their levels, and those of each two together, are groups.
const MAX_ATTRIBUTES: usize = 8;

fn fairness(field: &Field<'_>, ground: &Ground<'_>) -> Option<Fairness> {
    if field.is_absent() {
        return None;
    }
    if matches!(ground.profiled, Profiled::No) {
        field.problem("needs a `profile`: its baseline says what rates were approved");
    }
    if !ground.adverse {
        field.problem("needs `adverse`, which says which predictions are bad for the subject");
    }
    let read = |map: &Map<'_>| {
        let listed = map.required("attributes");
        let names = listed.texts(1..=MAX_ATTRIBUTES, MAX_NAME)?;
        let every = map.key("events_between_false_alarms").number(1_000.0..=1e12).unwrap_or(100_000.0);
        let attributes = ground.profiled.attributes(&names).unwrap_or_else(|unknown| {
            listed.problem(unknown);
            Vec::new()
        });
        Some(Fairness { names, attributes, events_between_false_alarms: every })
    };
    field.map(read).flatten()
}

fn sample(map: &Map<'_>) -> Option<Sample> {
    let field = map.required("rate");
    match field.number(0.0..=1.0)? {
        0.0 => field.refused("must be more than 0: the share of what would be released that people look at"),
        rate => Some(Sample { rate }),
    }
}

/// The words for a confidence measure, before it is known whether there is a label.
#[derive(Clone, Copy)]
enum MeasureWord {
    TopProbability,
    Margin,
    Entropy,
    Class,
}

fn confidence(map: &Map<'_>, plan: &mut Plan) -> Option<Confidence> {
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
        MeasureWord::Class => {
            let label = label.text(MAX_NAME)?;
            Measure::Class { slot: plan.probability(&label), label }
        }
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
