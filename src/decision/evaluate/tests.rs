#![expect(clippy::float_cmp, reason = "scores and shares are rounded: they are equal or wrong")]

use std::fmt::Write as _;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::event::{Decoder, Limits};
use crate::identity::Hash;
use crate::policy::{FallbackReview, PolicySet};
use crate::reference::NoReferences;

mod contradictions;

mod statistics;

const NOW: Timestamp = Timestamp(1_767_610_002_500);

/// Everything that a decision depends on.
#[derive(Clone, Debug)]
struct Situation {
    /// The policy's triggers and what follows them, in YAML; none: no policy matches.
    policy: Option<String>,
    /// What the model said, as members of the event.
    outcome: String,
    conflicting: bool,
    /// The operators' orders, by key; none: they could not be read.
    control: Option<Vec<(&'static str, String)>>,
    id: DecisionId,
    appended_at: Option<i64>,
    /// What the meter shows, call by call; the last for ever.
    meter: Vec<u64>,
    references: Arc<dyn References>,
}

impl Default for Situation {
    fn default() -> Self {
        Self {
            policy: Some(ONE_TRIGGER.to_owned()),
            outcome: CONFIDENT.to_owned(),
            conflicting: false,
            control: Some(Vec::new()),
            id: DecisionId([7; 16]),
            appended_at: Some(NOW.0 - 1_000),
            meter: vec![0],
            references: Arc::new(NoReferences),
        }
    }
}

const CONFIDENT: &str = r#""probabilities":{"a":0.9,"b":0.1}"#;
const DOUBTFUL: &str = r#""probabilities":{"a":0.55,"b":0.45}"#;
const ONE_TRIGGER: &str = "triggers: [ { id: low, confidence: { measure: top_probability, below: 0.62 } } ]";

impl Situation {
    fn policy(policy: &str) -> Self {
        Self { policy: Some(policy.to_owned()), ..Self::default() }
    }

    fn order(key: &'static str, value: &str) -> Self {
        Self { control: Some(vec![(key, value.to_owned())]), ..Self::default() }
    }

    fn decide(&self) -> Decision {
        let mut decision = Decision::default();
        self.decide_into(&mut decision);
        decision
    }

    fn decide_into(&self, decision: &mut Decision) {
        let policies = self.policies();
        let json = format!(r#"{{"event_id":"e","model":{{"name":"m"}},"prediction":"a",{}}}"#, self.outcome);
        let mut decoder =
            Decoder::new(Arc::clone(policies.plan()), Limits { max_bytes: 10_000, max_depth: 64, max_fields: 1_000 });
        let event = decoder.decode(json.as_bytes()).expect("an event");
        let policy = policies.matching("s", "m", None);
        self.evaluate(Subject::Event { event: &event, policy, conflicting: self.conflicting }, decision);
    }

    fn evaluate(&self, subject: Subject<'_>, decision: &mut Decision) {
        let control = self.control.as_ref().map(|orders| {
            let mut view = ControlView::default();
            for (key, value) in orders {
                view.apply(key, Some(value.as_bytes())).expect("a readable order");
            }
            view
        });
        let signals =
            Signals { control: control.as_ref(), monitor: None, fallback_band: Band::High, references: &*self.references };
        let mut calls = self.meter.iter();
        let mut last = 0;
        let mut meter = || {
            last = calls.next().copied().unwrap_or(last);
            Duration::from_millis(last)
        };
        let occasion = Occasion { id: self.id, appended_at: self.appended_at.map(Timestamp), now: NOW };
        evaluate(subject, occasion, signals, &mut meter, decision);
    }

    fn policies(&self) -> PolicySet {
        let files: Vec<(String, String)> =
            self.policy.iter().map(|rest| ("p.yaml".to_owned(), format!("policy: p\n{rest}\n"))).collect();
        PolicySet::read(&files, &FallbackReview::default()).unwrap_or_else(|problems| panic!("{problems:?}\n{files:?}"))
    }
}

fn results(decision: &Decision) -> Vec<(TriggerRef, ResultKind)> {
    decision.results.iter().map(|result| (result.trigger, result.result)).collect()
}

fn stop(mode: &str) -> String {
    format!(r#"{{"mode":"{mode}","by":"kim","reason":"-"}}"#)
}

const NO_FILE: &str = r#"{"hash":"0000000000000000000000000000000000000000000000000000000000000000"}"#;

#[test]
fn what_is_not_a_hit_is_released_and_says_what_was_measured() {
    let decision = Situation::default().decide();
    assert_eq!(decision.outcome, Outcome::Released);
    assert_eq!(results(&decision), [(TriggerRef::Policy(0), ResultKind::Miss)]);
    assert_eq!((decision.results[0].value, decision.results[0].limit), (Some(0.9), Some(0.62)));
    assert_eq!((decision.priority.score, decision.priority.band), (10.0, Band::Low));
    assert_eq!(decision.control, ControlBasis::Read(Mode::Normal));
    assert!(!decision.late && decision.missed.is_empty());
}

#[test]
fn a_hit_holds() {
    let decision = Situation { outcome: DOUBTFUL.to_owned(), ..Situation::default() }.decide();
    assert_eq!((decision.outcome, results(&decision)), (Outcome::Held, vec![(TriggerRef::Policy(0), ResultKind::Hit)]));
    assert_eq!((decision.priority.score, decision.priority.band), (45.0, Band::Normal));
}

#[test]
fn every_built_in_finding_holds_and_stands_before_the_triggers() {
    let late = format!("max_age: 500ms\non_late: hold\n{ONE_TRIGGER}");
    let rows = [
        (BuiltIn::ConflictingDuplicate, Situation { conflicting: true, ..Situation::default() }),
        (BuiltIn::Stopped, Situation::order("stop/global", &stop("hold"))),
        (BuiltIn::Stopped, Situation::order("stop/p", &stop("hold"))),
        (BuiltIn::Stopped, Situation::order("stop/p", &stop("halt"))),
        (BuiltIn::ControlUnreadable, Situation { control: None, ..Situation::default() }),
        (BuiltIn::PolicyMissing, Situation::order("policy/p", NO_FILE)),
        (BuiltIn::Late, Situation::policy(&late)),
    ];
    for (built_in, situation) in rows {
        let decision = situation.decide();
        let expected = vec![(TriggerRef::BuiltIn(built_in), ResultKind::Hit), (TriggerRef::Policy(0), ResultKind::Miss)];
        assert_eq!((decision.outcome, results(&decision)), (Outcome::Held, expected), "{situation:?}");
        // 1 − .3 · .9, and the shares ln .3 and ln .9 of ln .27.
        assert_eq!(decision.priority.score, 73.0, "{situation:?}");
        let shares: Vec<f64> = decision.priority.parts.iter().map(|part| part.share).collect();
        assert_eq!(shares, [0.919_531, 0.080_469], "{situation:?}");
    }
}

#[test]
fn without_a_policy_the_band_is_the_fallbacks() {
    let decision = Situation { policy: None, ..Situation::default() }.decide();
    assert_eq!(results(&decision), [(TriggerRef::BuiltIn(BuiltIn::NoPolicy), ResultKind::Hit)]);
    assert_eq!((decision.outcome, decision.priority.score, decision.priority.band), (Outcome::Held, 70.0, Band::High));

    let mut decision = Decision::default();
    let situation = Situation { policy: None, control: None, ..Situation::default() };
    situation.evaluate(Subject::Unreadable(Code::TooDeep), &mut decision);
    let unreadable = TriggerRef::BuiltIn(BuiltIn::Unreadable(Code::TooDeep));
    let unread = TriggerRef::BuiltIn(BuiltIn::ControlUnreadable);
    assert_eq!(results(&decision), [(unreadable, ResultKind::Hit), (unread, ResultKind::Hit)]);
    assert_eq!((decision.outcome, decision.priority.score, decision.priority.band), (Outcome::Held, 91.0, Band::High));
    assert_eq!(decision.control, ControlBasis::Unreadable);
}

#[test]
fn orders_for_others_and_milder_ones_hold_nothing() {
    for (key, value) in [("stop/other", stop("hold")), ("stop/global", stop("rules-only")), ("policy/other", NO_FILE.to_owned())]
    {
        assert_eq!(Situation::order(key, &value).decide().outcome, Outcome::Released, "{key}");
    }
    let own = Situation::default().policies().policies()[0].hash;
    let decision = Situation::order("policy/p", &format!(r#"{{"hash":"{own}"}}"#)).decide();
    assert_eq!(decision.outcome, Outcome::Released);
    let decision = Situation::order("stop/p", &stop("rules-only")).decide();
    assert_eq!(decision.control, ControlBasis::Read(Mode::RulesOnly));
}

#[test]
fn an_error_holds_unless_the_trigger_says_skip_and_counts_as_its_severity() {
    let alone = r#""confidence":0.9"#.to_owned();
    for (settings, outcome, score) in [
        ("", Outcome::Held, 50.0),
        (", on_error: hold", Outcome::Held, 50.0),
        (", on_error: skip", Outcome::Released, 50.0),
        (", on_timeout: skip", Outcome::Held, 50.0),
        (", severity: 0.2", Outcome::Held, 20.0),
        (", severity: 0", Outcome::Held, 0.0),
    ] {
        let policy = format!("triggers: [ {{ id: low, confidence: {{ measure: margin, below: 0.2 }}{settings} }} ]");
        let decision = Situation { outcome: alone.clone(), ..Situation::policy(&policy) }.decide();
        assert_eq!((decision.outcome, decision.priority.score), (outcome, score), "{settings}");
        let result = decision.results[0];
        assert_eq!((result.result, result.value, result.limit), (ResultKind::Error, None, Some(0.2)));
        assert_eq!(result.error, Some(Unmeasured::Because("no probabilities")));
    }
}

#[test]
fn a_timeout_is_more_than_the_budget_of_the_trigger_itself() {
    use ResultKind::{Miss, Timeout};
    let two = |settings: &str| {
        format!(
            "triggers:\n  - {{ id: one, budget: 10ms, confidence: {{ measure: top_probability, below: 0.62 }}{settings} }}\n  \
             - {{ id: two, budget: 10ms, confidence: {{ measure: margin, below: 0.2 }} }}"
        )
    };
    let decide =
        |settings: &str, meter: &[u64]| Situation { meter: meter.to_vec(), ..Situation::policy(&two(settings)) }.decide();
    let kinds = |decision: &Decision| decision.results.iter().map(|result| result.result).collect::<Vec<_>>();
    // The time before the first trigger (decoding) is nobody's; each trigger's is its own.
    let in_time = decide("", &[500, 510, 520, 530]);
    assert_eq!((in_time.outcome, kinds(&in_time)), (Outcome::Released, vec![Miss, Miss]));
    assert_eq!(in_time.took, Duration::from_millis(530));
    let first = decide("", &[0, 11, 12, 13]);
    assert_eq!((first.outcome, kinds(&first)), (Outcome::Held, vec![Timeout, Miss]));
    assert_eq!(
        (first.results[0].value, first.results[0].error),
        (None, Some(Unmeasured::Because("took longer than its budget")))
    );
    // A timeout is a factor of its own (.5), the other trigger's risk (.1) another: 1 − .5 · .9.
    assert_eq!(first.priority.score, 55.0);
    let skipped = decide(", on_timeout: skip", &[0, 11, 12, 13]);
    assert_eq!((skipped.outcome, kinds(&skipped)), (Outcome::Released, vec![Timeout, Miss]));
    assert_eq!(decide(", on_error: skip", &[0, 11, 12, 13]).outcome, Outcome::Held);
    let second = decide(", on_timeout: skip", &[0, 1, 12, 13]);
    assert_eq!((second.outcome, kinds(&second)), (Outcome::Held, vec![Miss, Timeout]));
    // A meter that jumps back proves nothing.
    assert_eq!(kinds(&decide("", &[20, 10, 5, 0])), [Miss, Miss]);
}

#[test]
fn of_several_confidence_triggers_only_the_largest_factor_counts() {
    let policy = "triggers:
  - { id: top, severity: 0.5, confidence: { measure: top_probability, below: 0.62 } }
  - { id: margin, confidence: { measure: margin, below: 0.2, temperature: 2 } }
  - { id: again, confidence: { measure: margin, below: 0.05, temperature: 2 } }";
    let decision = Situation { outcome: DOUBTFUL.to_owned(), ..Situation::policy(policy) }.decide();
    let kinds: Vec<ResultKind> = decision.results.iter().map(|result| result.result).collect();
    assert_eq!(kinds, [ResultKind::Hit, ResultKind::Hit, ResultKind::Miss]);
    // top .5 · .45, margin 1 · (1 − σ(logit(.55) / 2)) = .474937; of equal ones the first.
    let parts: Vec<(TriggerRef, f64, f64)> =
        decision.priority.parts.iter().map(|part| (part.trigger, part.risk, part.share)).collect();
    assert_eq!(parts, [(TriggerRef::Policy(1), 0.474_937, 1.0)]);
    assert_eq!(decision.priority.score, 47.49);
}

#[test]
fn late_is_older_than_max_age_and_holds_only_where_the_policy_says_so() {
    for (on_late, outcome) in
        [("", Outcome::Released), ("on_late: decide\n", Outcome::Released), ("on_late: hold\n", Outcome::Held)]
    {
        let policy = format!("max_age: 500ms\n{on_late}{ONE_TRIGGER}");
        let at = |appended_at| Situation { appended_at, ..Situation::policy(&policy) }.decide();
        let old = at(Some(NOW.0 - 501));
        assert_eq!((old.late, old.outcome), (true, outcome), "{on_late}");
        // At the limit, of unknown age, ahead of a clock that jumped back, and at the ends of time.
        for (appended_at, late) in
            [(Some(NOW.0 - 500), false), (None, false), (Some(NOW.0 + 9_000), false), (Some(i64::MAX), false)]
        {
            let decision = at(appended_at);
            assert_eq!((decision.late, decision.outcome), (late, Outcome::Released), "{on_late} {appended_at:?}");
        }
        assert!(at(Some(i64::MIN)).late);
    }
    assert!(!Situation { appended_at: Some(0), ..Situation::default() }.decide().late, "no max_age: never late");
}

#[test]
fn the_score_is_rounded_before_it_is_banded() {
    let policy = format!("{ONE_TRIGGER}\nreview: {{ bands: {{ critical: 85, high: 60, normal: 45 }} }}");
    for (top, score, band) in [("0.550049", 45.0, Band::Normal), ("0.550051", 44.99, Band::Low)] {
        let outcome = format!(r#""confidence":{top}"#);
        let decision = Situation { outcome, ..Situation::policy(&policy) }.decide();
        assert_eq!((decision.priority.score, decision.priority.band), (score, band), "{top}");
    }
}

/// Situations of every kind, and by the contract's words whether they hold.
fn situations() -> impl Strategy<Value = (Situation, bool)> {
    let trigger = (0_u32..100, any::<bool>(), any::<bool>(), any::<bool>(), 0.0..=1.0_f64);
    let events = (0_u32..=100, any::<bool>(), any::<bool>());
    let orders = (0_usize..6, any::<bool>(), any::<bool>());
    let ages = (0_i64..2_000, any::<bool>(), any::<bool>());
    (prop::collection::vec(trigger, 1..5), events, orders, ages, any::<bool>()).prop_map(describe)
}

type Trait = (u32, bool, bool, bool, f64);
type Parts = (Vec<Trait>, (u32, bool, bool), (usize, bool, bool), (i64, bool, bool), bool);

fn describe(
    (triggers, (top, readable, conflicting), (mode, control_read, active), (age, aged, hold_late), covered): Parts,
) -> (Situation, bool) {
    let (mut policy, mut meter, mut holds) = ("triggers:\n".to_owned(), vec![0], false);
    for (number, (limit, skip_error, skip_timeout, slow, severity)) in triggers.iter().enumerate() {
        let word = |skip: &bool| if *skip { "skip" } else { "hold" };
        writeln!(
            policy,
            "  - {{ id: t{number}, budget: 10ms, severity: {severity}, on_error: {}, on_timeout: {}, \
             confidence: {{ measure: class, label: a, below: {} }} }}",
            word(skip_error),
            word(skip_timeout),
            f64::from(*limit) / 100.0
        )
        .expect("a String takes everything");
        meter.push(meter[number] + if *slow { 11 } else { 10 });
        holds |= match (*slow, readable) {
            (true, _) => !skip_timeout,
            (false, false) => !skip_error,
            (false, true) => top < *limit,
        };
    }
    let label = if readable { "a" } else { "z" };
    let outcome = format!(r#""probabilities":{{"{label}":{},"b":0}}"#, f64::from(top) / 100.0);
    if aged {
        let on_late = if hold_late { "hold" } else { "decide" };
        writeln!(policy, "max_age: 1s\non_late: {on_late}").expect("a String takes everything");
        holds |= hold_late && age > 1_000;
    }
    let (key, value, stops) = [
        ("stop/global", "normal", false),
        ("stop/global", "rules-only", false),
        ("stop/global", "hold", true),
        ("stop/p", "hold", true),
        ("stop/p", "halt", true),
        ("stop/q", "halt", false),
    ][mode];
    let mut orders = vec![(key, stop(value))];
    if !active {
        orders.push(("policy/p", NO_FILE.to_owned()));
    }
    holds |= !active && control_read;
    // Without a policy its own stop, activation, triggers and age mean nothing; that there is none holds.
    holds = if covered { holds } else { true };
    let situation = Situation {
        policy: covered.then_some(policy),
        outcome,
        conflicting,
        control: control_read.then_some(orders),
        id: DecisionId([7; 16]),
        appended_at: Some(NOW.0 - age),
        meter,
        references: Arc::new(NoReferences),
    };
    (situation, holds || conflicting || !control_read || stops)
}

proptest! {
    #[test]
    fn held_is_what_the_contract_holds((situation, holds) in situations()) {
        let decision = situation.decide();
        prop_assert_eq!(decision.outcome, if holds { Outcome::Held } else { Outcome::Released }, "{:?}", situation);
        prop_assert!((0.0..=100.0).contains(&decision.priority.score));
        prop_assert!(((decision.priority.score * 100.0).round() - decision.priority.score * 100.0).abs() < 1e-6);
        let shares: f64 = decision.priority.parts.iter().map(|part| part.share).sum();
        prop_assert!(decision.priority.score < 0.01 || (shares - 1.0).abs() < 1e-5, "{}", shares);
    }

    #[test]
    fn a_reused_decision_shows_nothing_of_the_event_before((before, _) in situations(), (situation, _) in situations()) {
        let (mut reused, again) = (before.decide(), situation.decide());
        situation.decide_into(&mut reused);
        prop_assert_eq!(format!("{reused:?}"), format!("{:?}", &again));
        prop_assert_eq!(format!("{again:?}"), format!("{:?}", situation.decide()));
    }

    #[test]
    fn another_finding_never_lowers_the_score((situation, _) in situations(), even in any::<bool>()) {
        let meter = if even { vec![0] } else { situation.meter.clone() };
        let without = Situation { conflicting: false, control: Some(Vec::new()), meter, ..situation };
        let score = |situation: Situation| situation.decide().priority.score;
        let least = score(without.clone());
        let mut more = vec![
            Situation { conflicting: true, ..without.clone() },
            Situation { control: None, ..without.clone() },
            Situation { control: Some(vec![("stop/global", stop("hold"))]), ..without.clone() },
        ];
        let another = "triggers:\n  - { id: more, confidence: { measure: class, label: b, below: 0.5 } }\n";
        let policy = without.policy.as_ref().map(|policy| policy.replacen("triggers:\n", another, 1));
        // The meter counts calls, and a trigger more would shift who is slow: here nobody is.
        more.extend(policy.filter(|_| without.meter == [0]).map(|policy| Situation { policy: Some(policy), ..without.clone() }));
        for more in more {
            let score = score(more.clone());
            prop_assert!(score >= least, "{} is less than {}: {:?}", score, least, more);
        }
    }
}

#[test]
fn the_hash_that_control_activates_is_the_files() {
    let policies = Situation::default().policies();
    assert_eq!(policies.policies()[0].hash, Hash::of(format!("policy: p\n{ONE_TRIGGER}\n").as_bytes()));
}

#[test]
fn a_rule_counts_only_where_it_hits_and_holds_where_it_fails() {
    let rule = |settings: &str| format!("triggers: [ {{ id: large, rule: amount >= 15000{settings} }} ]");
    let decide = |settings: &str, amount: &str| {
        Situation { outcome: format!("{CONFIDENT}{amount}"), ..Situation::policy(&rule(settings)) }.decide()
    };
    for (settings, amount, result, outcome, score) in [
        ("", r#","amount":15000"#, ResultKind::Hit, Outcome::Held, 50.0),
        (", severity: 0.8", r#","amount":15000"#, ResultKind::Hit, Outcome::Held, 80.0),
        ("", "", ResultKind::Error, Outcome::Held, 50.0),
        (", on_error: skip", "", ResultKind::Error, Outcome::Released, 50.0),
    ] {
        let decision = decide(settings, amount);
        assert_eq!((decision.outcome, decision.priority.score), (outcome, score), "{settings} {amount}");
        let [found] = decision.results[..] else { panic!("{decision:?}") };
        assert_eq!((found.result, found.value, found.limit), (result, None, None));
        assert!(decision.missed.is_empty());
    }
    let missed = decide(", severity: 0.8", r#","amount":14999"#);
    assert_eq!((missed.outcome, missed.priority.score, missed.results.len()), (Outcome::Released, 0.0, 0));
    assert_eq!(missed.missed, [0], "what was checked and missed is named");
}

#[test]
fn a_sample_draws_from_what_would_be_released() {
    let policy = "triggers:\n  - { id: all, sample: { rate: 1 }, severity: 0.2 }\n  - { id: large, rule: amount >= 15000 }";
    let decide =
        |amount: &str| Situation { outcome: format!("{CONFIDENT},\"amount\":{amount}"), ..Situation::policy(policy) }.decide();
    let drawn = decide("1");
    assert_eq!((drawn.outcome, drawn.priority.score), (Outcome::Held, 20.0));
    assert_eq!((results(&drawn), drawn.missed), (vec![(TriggerRef::Policy(0), ResultKind::Hit)], vec![1]));
    let held = decide("15000");
    assert_eq!((held.outcome, held.priority.score), (Outcome::Held, 50.0));
    assert_eq!((results(&held), held.missed), (vec![(TriggerRef::Policy(1), ResultKind::Hit)], vec![0]));
}

#[test]
fn rules_share_a_reading_of_the_clock_until_they_are_too_slow_together() {
    use ResultKind::{Hit, Timeout};
    let rule = |id: &str, budget: u32, rule: &str| format!("  - {{ id: {id}, budget: {budget}ms, rule: {rule} }}\n");
    let policy =
        format!("triggers:\n{}{}{}", rule("a", 50, "amount > 1"), rule("b", 10, "amount > 2"), rule("c", 50, "amount > 99"));
    let decide = |meter: &[u64]| {
        let outcome = format!("{CONFIDENT},\"amount\":5");
        let decision = Situation { outcome, meter: meter.to_vec(), ..Situation::policy(&policy) }.decide();
        (results(&decision).into_iter().map(|(_, kind)| kind).collect::<Vec<_>>(), decision.missed, decision.priority.score)
    };
    assert_eq!(decide(&[500, 510]), (vec![Hit, Hit], vec![2], 75.0), "10 ms for all three are no more than anyone's budget");
    // Together they take too long; on their own none of them does: somebody else had the processor.
    assert_eq!(decide(&[0, 11, 12, 13, 14]), (vec![Hit, Hit], vec![2], 75.0));
    // Of those that take long by themselves each is out of its own budget.
    assert_eq!(decide(&[0, 11, 12, 23, 24]), (vec![Hit, Timeout], vec![2], 75.0));
    assert_eq!(decide(&[0, 11, 22, 23, 74]), (vec![Hit, Hit, Timeout], vec![], 87.5));
}
