//! Policies as people write them, right and wrong.

use std::time::Duration;

use super::*;
use crate::event::{Decoder, Limits};

fn read(text: &str) -> Result<PolicySet, Vec<Problem>> {
    PolicySet::read(&[("p.yaml".to_owned(), text.to_owned())], &FallbackReview::default())
}

fn problems_of(result: Result<PolicySet, Vec<Problem>>) -> Vec<String> {
    result.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// The policies of `files`, each with one trigger and the given head.
fn set(heads: &[&str]) -> Result<PolicySet, Vec<Problem>> {
    let file = |(index, head): (usize, &&str)| (format!("{index}.yaml"), format!("{head}\n{TRIGGERS}"));
    PolicySet::read(&heads.iter().enumerate().map(file).collect::<Vec<_>>(), &FallbackReview::default())
}

const TRIGGERS: &str = "triggers: [ { id: t, confidence: { measure: margin, below: 0.2 } } ]";

fn example(text: &str) -> Policy {
    let files = [("p.yaml".to_owned(), text.to_owned())];
    let around = Around { fallback: &FallbackReview::default(), references: None, profiles: Profiles::Unbuilt };
    let set = PolicySet::read_with(&files, around).unwrap();
    assert_eq!(set.policies()[0].hash, Hash::of(text.as_bytes()));
    set.policies()[0].clone()
}

#[test]
fn the_example_policies_say_what_they_seem_to() {
    let adult = example(include_str!("../../config/policies/adult-income.yaml"));
    assert_eq!((adult.name.as_str(), adult.version.as_deref()), ("adult-income", Some("3")));
    assert_eq!(adult.matches, Match { model: Some("adult-gbdt".to_owned()), ..Match::default() });
    assert_eq!(adult.adverse.as_ref().map(Expression::text), Some("prediction == '<=50K'"));
    let confidence = Confidence { measure: Measure::TopProbability, limit: Limit::Below(0.60), temperature: 1.0 };
    let kinds: Vec<&str> = adult.triggers.iter().map(|trigger| trigger.kind.name()).collect();
    assert_eq!(kinds, ["confidence", "rule", "rule", "rule", "rule", "anomaly", "fairness", "sample"]);
    assert_eq!(adult.triggers[0].kind, TriggerKind::Confidence(confidence));
    let large = &adult.triggers[1];
    assert_eq!((large.mandatory, large.severity, large.budget), (true, Some(0.85), Duration::from_millis(50)));
    assert_eq!(adult.triggers[7].kind, TriggerKind::Sample(Sample { rate: 0.005 }));
    let groups: Vec<_> = adult.review.groups.iter().map(|rule| (rule.when.is_some(), rule.groups.join(" "))).collect();
    assert_eq!(groups, [(true, "senior-underwriting".to_owned()), (false, "underwriting".to_owned())]);
    assert_eq!(adult.review.mask, ["protected"]);

    let credit = example(include_str!("../../config/policies/credit-default.yaml"));
    assert_eq!((credit.name.as_str(), credit.matches.model.as_deref()), ("credit-default", Some("credit-default-gbdt")));
    assert_eq!(credit.review, ReviewRules::with_defaults(vec!["credit".to_owned()], vec!["credit-leads".to_owned()]));
}

#[test]
fn what_is_left_out_has_the_contracts_default() {
    let set = set(&["policy: a"]).unwrap();
    let policy = &set.policies()[0];
    assert_eq!((policy.max_age, policy.on_late), (None, OnLate::Decide));
    let trigger = &policy.triggers[0];
    assert_eq!((trigger.weight(), trigger.plain_risk()), (1.0, 0.5));
    assert_eq!((trigger.on_error, trigger.on_timeout, trigger.mandatory), (Missed::Hold, Missed::Hold, false));
    assert_eq!((trigger.budget, trigger.kind.name()), (Duration::from_millis(100), "confidence"));
    assert_eq!(policy.review, FallbackReview::default().review_rules());
    assert_eq!(
        policy.review.to_json(0, Sight::Open),
        r#"{"groups":["reviewers"],"leads":["leads"],"bands":{"critical":85,"high":60,"normal":30},"quorum":1,"lease":"15m","escalate_at":0.5,"sla":{"critical":"15m","high":"1h","normal":"8h","low":"24h"},"reasons":["data-error","policy-exception","model-wrong","confirmed"],"blind":false,"mask":[]}"#
    );
}

#[test]
fn what_is_written_is_what_is_read() {
    let text = "policy: all\nversion: 1.10\nmatch: {source: s, model: m, version: 2}\nmax_age: 10m\non_late: hold\ntriggers:
  - {id: c, severity: 0.8, mandatory: true, reason: why, budget: 20ms, on_error: skip, on_timeout: skip,
     confidence: {measure: class, label: '<=50K', above: 0.9, temperature: 1.5}}
  - {id: e, confidence: {measure: entropy, above: 0.7}}
review:
  {groups: [g], leads: [l, m], bands: {critical: 90.5, high: 50, normal: 0}, quorum: 2, lease: 60m, escalate_at: 1,
   sla: {critical: 5m}, reasons: [r], blind: true, mask: [protected, features.age]}\n";
    let set = read(text).unwrap();
    let policy = &set.policies()[0];
    assert_eq!(policy.version.as_deref(), Some("1.10"));
    assert_eq!(policy.matches.specificity(), 7);
    assert_eq!((policy.max_age, policy.on_late), (Some(Duration::from_mins(10)), OnLate::Hold));
    let trigger = &policy.triggers[0];
    let measure = Measure::Class { label: "<=50K".to_owned(), slot: Plan::default().probability("<=50K") };
    assert_eq!(trigger.kind, TriggerKind::Confidence(Confidence { measure, limit: Limit::Above(0.9), temperature: 1.5 }));
    assert_eq!((trigger.weight(), trigger.plain_risk(), trigger.mandatory), (0.8, 0.8, true));
    assert_eq!((trigger.on_error, trigger.on_timeout), (Missed::Skip, Missed::Skip));
    assert_eq!((trigger.reason.as_deref(), trigger.budget), (Some("why"), Duration::from_millis(20)));
    assert_eq!(
        policy.review.to_json(0, Sight::Open),
        r#"{"groups":["g"],"leads":["l","m"],"bands":{"critical":90.5,"high":50,"normal":0},"quorum":2,"lease":"1h","escalate_at":1,"sla":{"critical":"5m","high":"1h","normal":"8h","low":"24h"},"reasons":["r"],"blind":true,"mask":["protected","features.age"]}"#
    );
}

#[test]
fn bands_begin_at_their_limit_and_go_up_one_by_one() {
    let rules = FallbackReview::default().review_rules();
    for (score, band) in [
        (100.0, Band::Critical),
        (85.0, Band::Critical),
        (84.99, Band::High),
        (60.0, Band::High),
        (59.99, Band::Normal),
        (30.0, Band::Normal),
        (29.99, Band::Low),
        (0.0, Band::Low),
        (f64::NAN, Band::Critical),
    ] {
        assert_eq!(rules.band_of(score), band, "{score}");
    }
    for pair in Band::ALL.windows(2) {
        assert_eq!(pair[1].one_up(), Some(pair[0]));
        assert_eq!(pair[1].index(), pair[0].index() + 1);
        assert!(rules.sla(pair[0]) < rules.sla(pair[1]));
    }
    assert_eq!((Band::Critical.one_up(), Band::Critical.index()), (None, 0));
}

#[test]
fn the_most_specific_policy_decides() {
    let set = set(&[
        "policy: everything",
        "policy: source\nmatch: {source: s}",
        "policy: model\nmatch: {model: m}",
        "policy: both\nmatch: {source: s, model: m}",
        "policy: version\nmatch: {version: 2}",
        "policy: release\nmatch: {model: m, version: 1}",
    ])
    .unwrap();
    for (source, model, version, expected) in [
        ("x", "x", None, "everything"),
        ("s", "x", None, "source"),
        ("x", "m", None, "model"),
        ("s", "m", None, "both"),
        ("s", "m", Some("1"), "release"),
        ("s", "m", Some("2"), "version"),
        ("s", "m", Some("3"), "both"),
        ("S", "x", Some("1"), "everything"),
    ] {
        let found = set.matching(source, model, version).map(|policy| policy.name.as_str());
        assert_eq!(found, Some(expected), "{source} {model} {version:?}");
    }
    assert_eq!(PolicySet::default().matching("s", "m", None), None);
}

#[test]
fn policies_that_clash_are_refused() {
    let clash = |heads: &[&str]| problems_of(set(heads));
    assert_eq!(
        clash(&["policy: a\nmatch: {model: m}", "policy: a\nmatch: {model: n}"]),
        ["1.yaml:1:9: policy: the policy of 0.yaml has the name `a` already"]
    );
    assert_eq!(
        clash(&["policy: a\nmatch: {model: m}", "policy: b\nmatch: {model: m}"]),
        ["1.yaml:2:8: match: matches exactly the events that 0.yaml matches; only one policy can decide them"]
    );
    assert_eq!(
        clash(&["policy: a", "policy: b\nmatch: {}"]),
        ["1.yaml:2:8: match: matches exactly the events that 0.yaml matches; only one policy can decide them"]
    );
    let many: Vec<String> = (0..=MAX_POLICIES).map(|index| format!("policy: p{index}\nmatch: {{model: m{index}}}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(clash(&many), ["256.yaml: at most 256 policies can be active at once"]);
    assert!(set(&many[1..]).is_ok());
}

/// What a policy with one trigger of this text is told.
fn trigger_problems(trigger: &str) -> Vec<String> {
    let problems = problems_of(read(&format!("policy: a\ntriggers:\n  - {trigger}\n")));
    problems.into_iter().map(|problem| problem.replacen("p.yaml:3:", "", 1).replacen("triggers[0]", "T", 1)).collect()
}

const BELOW: &str =
    "25: T.confidence: the measures `top_probability` and `margin` take `below` and not `above`: low values are doubt";

/// A trigger and what is said about it; `T` stands for `triggers[0]`.
#[rustfmt::skip]
const WRONG_TRIGGERS: &[(&str, &[&str])] = &[
    ("{id: t, confidence: {measure: margin, below: 1}}", &[]),
    ("t", &["5: T: expected a map, found `t`"]),
    ("{id: t}", &["5: T: a trigger needs a kind, which says what it checks: `rule`, `confidence`, `anomaly`, `fairness`, `contradiction` or `sample`"]),
    ("{confidence: {measure: margin, below: 0.5}}", &["5: T.id: this key is required"]),
    (
        "{id: Low_1, confidence: {measure: margin, below: 0.5}}",
        &["10: T.id: may have only the letters a to z, digits and `-`"],
    ),
    (
        "{id: unreadable, confidence: {measure: margin, below: 0.5}}",
        &["10: T.id: `unreadable` is the name of a built-in finding; give the trigger another id"],
    ),
    (
        "{id: t, confidense: {measure: margin, below: 0.5}}",
        &[
            "5: T: a trigger needs a kind, which says what it checks: `rule`, `confidence`, `anomaly`, `fairness`, `contradiction` or `sample`",
            "13: T.confidense: unknown key; did you mean `confidence`?",
        ],
    ),
    ("{id: t, rule: true}", &["19: T.rule: holds for every event, so every decision would wait for a person; name what makes an event risky"]),
    ("{id: t, rule: false}", &["19: T.rule: can hold for no event, so the trigger would never find anything"]),
    ("{id: t, rule: ''}", &["19: T.rule: the expression is empty"]),
    ("{id: t, rule: [amount]}", &["19: T.rule: expected an expression, such as `amount >= 15000`, found a list"]),
    ("{id: t, rule: amount > 5, sample: {rate: 0.1}}", &["5: T: a trigger has one kind; make two triggers of it"]),
    (
        "{id: t, sample: {rate: 0}}",
        &["28: T.sample.rate: must be more than 0: the share of what would be released that people look at"],
    ),
    (
        "{id: t, anomaly: {alpha: 0.1}}",
        &["22: T.anomaly: needs a `profile`, which `jidoka profile build` makes of the training data"],
    ),
    (
        "{id: t, anomaly: {alpha: 0}}",
        &[
            "22: T.anomaly: needs a `profile`, which `jidoka profile build` makes of the training data",
            "30: T.anomaly.alpha: must be more than 0: the share of ordinary inputs that people look at",
        ],
    ),
    (
        "{id: t, fairness: {attributes: []}}",
        &[
            "23: T.fairness: needs a `profile`: its baseline says what rates were approved",
            "23: T.fairness: needs `adverse`, which says which predictions are bad for the subject",
            "36: T.fairness.attributes: must not be empty",
        ],
    ),
    (
        "{id: t, contradiction: {}}",
        &[
            "28: T.contradiction.reference: this key is required",
            "28: T.contradiction: says nothing to look for: name fields in `compare`, such as `[ age ]`, or a condition in `when`",
        ],
    ),
    ("{id: t, contradiction: {reference: r, compare: [age, protected.sex, {field: amount, trusted: limit, rel_tol: 0}], on_absent: hold}}", &[]),
    ("{id: t, contradiction: {reference: r, when: amount > reference.limit, max_age: 90d}}", &[]),
    (
        "{id: t, contradiction: {reference: r, compare: []}}",
        &["52: T.contradiction.compare: must not be empty"],
    ),
    (
        "{id: t, contradiction: {reference: r, compare: [features., {trusted: x}], max_age: 1ms, on_absent: drop}}",
        &[
            "53: T.contradiction.compare[0]: name the member that is meant, such as `features.age`",
            "64: T.contradiction.compare[1].field: this key is required",
            "88: T.contradiction.max_age: expected a duration from 1s to 100y, found 1ms",
            "104: T.contradiction.on_absent: expected one of `skip`, `hold`, found `drop`",
        ],
    ),
    (
        "{id: t, contradiction: {reference: r, compare: [{field: a, kind: text, abs_tol: 2}, {field: b, kind: date, rel_tol: 0.1}, {field: c, kind: number, aliases: {x: y}}]}}",
        &[
            "85: T.contradiction.compare[0].abs_tol: texts are the same or not: the tolerance belongs to numbers and dates",
            "121: T.contradiction.compare[1].rel_tol: dates have no share: give `abs_tol`, in days",
            "161: T.contradiction.compare[2].aliases: only texts have aliases",
        ],
    ),
    (
        "{id: t, contradiction: {reference: r, compare: [{field: a, aliases: {X: y, ' x': z}}]}}",
        &["73: T.contradiction.compare[0].aliases: ` x` stands for two texts: case, width and spaces around it do not tell it from another"],
    ),
    (
        "{id: t, contradiction: {reference: r, when: true}}",
        &["49: T.contradiction.when: holds for every event and record, so every decision would wait for a person"],
    ),
    (
        "{id: t, contradiction: {reference: r, when: reference > 5}}",
        &["49: T.contradiction.when: `reference` is not a single value: name the member that is meant, such as `reference.age`"],
    ),
    (
        "{id: t, rule: amount > reference.limit}",
        &["28: T.rule: the trusted record `reference` is known only in the `when` of a contradiction trigger"],
    ),
    ("{id: t, confidence: {below: 0.5}}", &["25: T.confidence.measure: this key is required"]),
    (
        "{id: t, confidence: {measure: margn, below: 0.5}}",
        &[
            "35: T.confidence.measure: expected one of `top_probability`, `margin`, `entropy`, `class`, found `margn`; did you mean `margin`?",
        ],
    ),
    ("{id: t, confidence: {measure: margin}}", &[BELOW]),
    ("{id: t, confidence: {measure: top_probability, above: 0.5}}", &[BELOW]),
    ("{id: t, confidence: {measure: margin, above: 0.5, below: 0.5}}", &[BELOW]),
    (
        "{id: t, confidence: {measure: entropy, below: 0.5}}",
        &["25: T.confidence: the measure `entropy` takes `above` and not `below`: high entropy is doubt"],
    ),
    (
        "{id: t, confidence: {measure: class, label: a, below: 0.5, above: 0.9}}",
        &["25: T.confidence: the measure `class` takes exactly one of `below` and `above`"],
    ),
    ("{id: t, confidence: {measure: class, below: 0.5}}", &["25: T.confidence.label: this key is required"]),
    (
        "{id: t, confidence: {measure: margin, below: 0.5, label: a}}",
        &["62: T.confidence.label: belongs to the measure `class` only"],
    ),
    (
        "{id: t, confidence: {measure: margin, below: 62}}",
        &["50: T.confidence.below: expected a number from 0 to 1, found the number 62"],
    ),
    (
        "{id: t, confidence: {measure: margin, below: 0.5, temperature: 0}}",
        &["68: T.confidence.temperature: expected a number from 0.01 to 100, found the number 0"],
    ),
    (
        "{id: t, severity: 2, mandatory: maybe, confidence: {measure: margin, below: 0.5}}",
        &[
            "23: T.severity: expected a number from 0 to 1, found the number 2",
            "37: T.mandatory: expected `true` or `false`, found `maybe`",
        ],
    ),
    (
        "{id: t, budget: 100, on_error: release, confidence: {measure: margin, below: 0.5}}",
        &[
            "21: T.budget: expected a duration from 1ms to 1m, found `100`; the unit is missing: ms, s, m, h, d or y",
            "36: T.on_error: expected one of `hold`, `skip`, found `release`",
        ],
    ),
];

#[test]
fn a_wrong_trigger_is_told_what_is_wrong() {
    for (trigger, expected) in WRONG_TRIGGERS {
        assert_eq!(trigger_problems(trigger), *expected, "{trigger}");
    }
}

#[test]
fn a_reference_that_is_not_configured_is_refused() {
    let text = "policy: a\ntriggers:\n  - {id: t, contradiction: {reference: custmers, compare: [age]}}\n";
    let file = [("p.yaml".to_owned(), text.to_owned())];
    let told = |references: Option<&[&str]>| {
        let fallback = FallbackReview::default();
        problems_of(PolicySet::read_with(&file, Around { fallback: &fallback, references, profiles: Profiles::None }))
    };
    assert_eq!(
        told(Some(&["bureau", "customers"])),
        ["p.yaml:3:40: triggers[0].contradiction.reference: there is no reference `custmers`; did you mean `customers`?"]
    );
    assert_eq!(
        told(Some(&[])),
        ["p.yaml:3:40: triggers[0].contradiction.reference: there is no reference `custmers`: the configuration has none under \
         `references`"]
    );
    assert_eq!(told(Some(&["custmers"])), [""; 0]);
    let set = read(text).expect("names that nobody knows are not looked at");
    assert_eq!(set.references().into_iter().collect::<Vec<_>>(), ["custmers"]);
}

#[test]
fn a_wrong_policy_is_told_what_is_wrong() {
    let cases: &[(&str, &[&str])] = &[
        ("", &["p.yaml:1:1: policy: this key is required", "p.yaml:1:1: triggers: this key is required"]),
        ("policy: a\ntriggers: []", &["p.yaml:2:11: triggers: must not be empty"]),
        ("policy: global\nTRIGGERS", &["p.yaml:1:9: policy: `global` is reserved; give the policy another name"]),
        ("policy: a/b\nTRIGGERS", &["p.yaml:1:9: policy: must not contain `/`, which separates the parts of record keys"]),
        ("policy: a\nprofile: x\nTRIGGERS", &["p.yaml:2:10: profile: x: cannot be read here: the policy stands alone"]),
        ("policy: a\non_late: hold\nTRIGGERS", &["p.yaml:2:10: on_late: means nothing without `max_age`"]),
        ("policy: a\nmatch: {modle: m}\nTRIGGERS", &["p.yaml:2:9: match.modle: unknown key; did you mean `model`?"]),
        (
            "policy: a\nreview: {capacity: {rate: 0.1}}\nTRIGGERS",
            &[
                "p.yaml:2:20: review.capacity: needs a `profile`: what is risky is told by the priorities of its calibration events",
            ],
        ),
        (
            "policy: a\nreview: {groups: [{when: amount > 5, groups: [x]}, {groups: [y]}, {when: amount > 3, groups: [z]}]}\nTRIGGERS",
            &["p.yaml:2:67: review.groups[2]: is never reached: the groups before it are for every event"],
        ),
        (
            "policy: a\nreview: {groups: [{when: true, groups: [x]}, x]}\nTRIGGERS",
            &[
                "p.yaml:2:26: review.groups[0].when: holds for every event; leave `when` away, and these groups are for all that come this far",
                "p.yaml:2:46: review.groups[1]: expected a map, found `x`",
            ],
        ),
        ("policy: a\nreview: {groups: []}\nTRIGGERS", &["p.yaml:2:18: review.groups: must not be empty"]),
        (
            "policy: a\nreview: {bands: {high: 90}}\nTRIGGERS",
            &["p.yaml:2:17: review.bands: must fall from critical to normal, and are critical 85, high 90, normal 30"],
        ),
        (
            "policy: a\nreview: {quorum: 0, escalate_at: 0}\nTRIGGERS",
            &[
                "p.yaml:2:18: review.quorum: expected a whole number from 1 to 100, found the number 0",
                "p.yaml:2:34: review.escalate_at: must be more than 0: the part of the time after which the case escalates",
            ],
        ),
        (
            "policy: a\nreview: {sla: {critical: 15, urgent: 1h}}\nTRIGGERS",
            &[
                "p.yaml:2:26: review.sla.critical: expected a duration from 1s to 1y, found `15`; the unit is missing: ms, s, m, h, d or y",
                "p.yaml:2:30: review.sla.urgent: unknown key; the keys known here are: `critical`, `high`, `normal`, `low`",
            ],
        ),
        (
            "policy: a\ntriggers:\n- {id: t, rule: amount > 5}\n- {id: u, rule: amount > 5}",
            &["p.yaml:4:17: triggers[1].rule: the trigger `t` checks the same already"],
        ),
        (
            "policy: a\ntriggers:\n- {id: t, confidence: {measure: margin, below: 0.2}}\n- {id: t, confidence: {measure: margin, below: 0.3}}",
            &["p.yaml:4:8: triggers[1].id: another trigger of this policy has the id `t` already"],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(problems_of(read(&text.replace("TRIGGERS", TRIGGERS))), *expected, "{text}");
    }
}

#[test]
fn groups_are_the_first_that_apply() {
    let text = format!(
        "policy: a\n{TRIGGERS}\nreview: {{groups: [{{when: amount >= 15000, groups: [senior]}}, {{when: has(event.amount), groups: [junior, other]}}]}}"
    );
    let set = read(&text).expect("a sound policy");
    let review = &set.policies()[0].review;
    let mut decoder = Decoder::new(Arc::clone(set.plan()), Limits { max_bytes: 1_000, max_depth: 8, max_fields: 100 });
    let mut groups = |amount: &str| {
        let json = format!(r#"{{"event_id":"e","model":{{"name":"m"}},"prediction":1{amount}}}"#);
        let event = decoder.decode(json.as_bytes()).expect("an event");
        review.groups[review.groups_for(Some(&event))].groups.join(" ")
    };
    assert_eq!(groups(r#","amount":20000"#), "senior");
    assert_eq!(groups(r#","amount":2"#), "junior other");
    assert_eq!(groups(""), "reviewers", "a condition that cannot be evaluated does not apply");
    assert_eq!(review.groups[review.groups_for(None)].groups, ["reviewers"], "nobody asks an unreadable event");
    let (senior, blind) = (review.to_json(0, Sight::Open), review.to_json(1, Sight::Blind));
    assert!(senior.starts_with(r#"{"groups":["senior"],"#) && senior.contains(r#""blind":false"#), "{senior}");
    assert!(blind.starts_with(r#"{"groups":["junior","other"],"#) && blind.contains(r#""blind":true"#), "{blind}");
}

fn ids() -> impl Iterator<Item = DecisionId> {
    (0..10_000_u128).map(|number| DecisionId((number * 0x1234_5678_9abc).to_be_bytes()))
}

#[test]
fn a_candidate_decides_its_share_and_is_a_shadow_of_the_rest() {
    let names = |set: &PolicySet| {
        let name = |policy: Option<&Policy>| policy.map_or("-", |policy| &policy.name).to_owned();
        let chosen = |id| {
            let Choice { policy, shadow } = set.choose(("s", "m", None), id);
            (name(policy), name(shadow))
        };
        let mut counts = std::collections::BTreeMap::new();
        for id in ids() {
            *counts.entry(chosen(id)).or_insert(0) += 1;
        }
        counts
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let shadow = set(&["policy: new\ncandidate: {for: old}", "policy: old\nmatch: {model: m}"]).expect("sound policies");
    assert_eq!(names(&shadow), [(pair("old", "new"), 10_000)].into());
    let shared = set(&["policy: new\ncandidate: {for: old, share: 0.1}", "policy: old\nmatch: {model: m}"]).expect("sound");
    let counts = names(&shared);
    assert_eq!(counts.len(), 2);
    assert!((900..1_100).contains(&counts[&pair("new", "old")]), "{counts:?}");
    assert_eq!(shared.choose(("s", "x", None), DecisionId([0; 16])), Choice { policy: None, shadow: None });
}

#[test]
fn candidates_that_fit_nothing_are_refused() {
    let clash = |heads: &[&str]| problems_of(set(heads));
    assert_eq!(
        clash(&["policy: new\ncandidate: {for: old}"]),
        ["0.yaml:2:18: candidate: there is no policy `old` that this could be a candidate for; both files must be read together"]
    );
    assert_eq!(
        clash(&[
            "policy: a",
            "policy: b\ncandidate: {for: a}",
            "policy: c\ncandidate: {for: b}",
            "policy: d\ncandidate: {for: a}"
        ]),
        [
            "2.yaml:2:18: candidate: the policy of 1.yaml is itself a candidate; it decides about no events of its own",
            "3.yaml:2:18: candidate: 1.yaml is a candidate for `a` already; one is tried at a time",
        ]
    );
    assert_eq!(
        clash(&["policy: a", "policy: b\nmatch: {model: m}\ncandidate: {for: a}"]),
        ["1.yaml:2:8: match: a candidate has the events of the policy that it is `for`; leave `match` away"]
    );
}

#[test]
fn a_problem_shows_its_line_and_points_at_its_part() {
    let text =
        "policy: a\ntriggers:\n  - id: t\n    rule: amount > 5 &&\n      flagz.exists(f, f == 'x')\n  - {id: t, rule: [x]}\n";
    let problems = read(text).expect_err("problems");
    let shown: Vec<_> = problems
        .iter()
        .map(|problem| {
            let excerpt = problem.excerpt.as_ref().expect("a line");
            let marked: String = excerpt.line.chars().skip(excerpt.before).take(excerpt.width).collect();
            (problem.line, problem.column, marked)
        })
        .collect();
    assert_eq!(shown, [(5, 7, "flagz".to_owned()), (6, 19, "[".to_owned())]);
}
