//! Anomaly, fairness and capacity: what needs a profile and what the monitor says.

use super::*;
use crate::json::object;
use crate::profile::small;

const HEAD: &str = "policy: p\nprofile: p.profile\nadverse: prediction == 'no'\n";
const ANOMALY: &str = "triggers: [ { id: odd, anomaly: { alpha: 0.01 } } ]\n";
const FAIRNESS: &str = "triggers: [ { id: fair, fairness: { attributes: [ sex ] } } ]\n";
const LOW: &str = "triggers:\n  - { id: low, confidence: { measure: top_probability, below: 0.62 } }\n";

/// One event, decided by a policy with a profile.
struct Trained {
    set: PolicySet,
    monitor: SignalsView,
    control: ControlView,
}

impl Trained {
    fn new(rest: &str) -> Self {
        let priorities = (0..1_000_u16).map(|place| f32::from(place) / 1_000.0).collect();
        let set = small::policies(&format!("{HEAD}{rest}"), priorities);
        Self { set, monitor: SignalsView::default(), control: ControlView::default() }
    }

    fn said(mut self, key: &str, value: &str) -> Self {
        let _ = self.monitor.apply(key, Some(value.as_bytes()));
        self
    }

    fn incident(self, level: &str, state: &str) -> Self {
        let record = format!(
            r#"{{"incident":{{"id":"00000000000000aa","kind":"fairness","policy":"p","about":"favourable-rate","group":{{"sex":"{level}"}},
                "direction":"down","at_event":900,"since_event":700,"statistic":5.5e6,"threshold":4e6,"sentence":"Fewer yes for {level}."}},
                "state":"{state}","seq":0,"entry_hash":"","at":"","by":null,"reason":null}}"#
        );
        self.said("incident/00000000000000aa", &record)
    }

    fn threshold(self, threshold: f64) -> Self {
        let hash = self.set.policies()[0].hash;
        let record = format!(r#"{{"policy_hash":"{hash}","threshold":{threshold},"rate":0.1,"at_event":100}}"#);
        self.said("threshold/p", &record)
    }

    fn decide(&self, id: &str, rest: &str) -> Decision {
        self.decide_taking(Duration::ZERO, id, rest)
    }

    /// Each reading of the clock is so much later than the one before.
    fn decide_taking(&self, step: Duration, id: &str, rest: &str) -> Decision {
        let mut spent = Duration::ZERO;
        let mut meter = || {
            spent += step;
            spent
        };
        let mut decision = Decision::default();
        let json = format!(r#"{{"event_id":"{id}","model":{{"name":"m"}},{rest}}}"#);
        let limits = Limits { max_bytes: 10_000, max_depth: 64, max_fields: 1_000 };
        let mut decoder = Decoder::new(Arc::clone(self.set.plan()), limits);
        let event = decoder.decode(json.as_bytes()).expect("an event");
        let policy = self.set.matching("s", "m", None);
        let subject = Subject::Event { event: &event, policy, conflicting: false };
        let signals = Signals {
            control: Some(&self.control),
            monitor: Some(&self.monitor),
            fallback_band: Band::High,
            references: &NoReferences,
        };
        let occasion = Occasion { id: DecisionId([7; 16]), appended_at: None, now: NOW };
        evaluate(subject, occasion, signals, &mut meter, &mut decision);
        decision
    }

    fn told(&self, decision: &Decision, place: usize) -> (String, String) {
        let (mut sentence, mut details, mut scratch) = (String::new(), Vec::new(), String::new());
        let (result, policy) = (&decision.results[place], self.set.policies().first());
        decision.sentence(result, policy, &mut sentence);
        object(&mut details, |details| decision.write_details(details, result, (policy, None), &mut scratch));
        let details = String::from_utf8_lossy(&details).into_owned();
        let details = details.strip_prefix(r#"{"details":"#).and_then(|details| details.strip_suffix('}')).expect("one member");
        (sentence, details.to_owned())
    }
}

const USUAL: &str = r#""prediction":"yes","features":{"age":41,"job":"smith"},"protected":{"sex":"f"}"#;
const ODD: &str = r#""prediction":"yes","features":{"age":4100,"job":"smith"},"protected":{"sex":"f"}"#;
const ADVERSE: &str = r#""prediction":"no","features":{"age":41,"job":"smith"},"protected":{"sex":"f"}"#;

#[test]
fn an_input_unlike_the_training_is_held_and_says_which_feature() {
    let trained = Trained::new(ANOMALY);
    let usual = trained.decide("e", USUAL);
    let result = &usual.results[0];
    assert_eq!((usual.outcome, result.result, result.limit), (Outcome::Released, ResultKind::Miss, Some(0.01)));
    assert!(result.value.is_some_and(|p| p > 0.01) && usual.priority.parts.len() == 1, "{usual:?}");
    assert_eq!(trained.told(&usual, 0).1, "null", "nobody reads of a miss");
    let odd = trained.decide("e", ODD);
    assert_eq!((odd.outcome, odd.results[0].result), (Outcome::Held, ResultKind::Hit));
    assert!(odd.results[0].value.is_some_and(|p| p < 1e-3) && odd.priority.score > usual.priority.score);
    let (sentence, details) = trained.told(&odd, 0);
    assert!(sentence.starts_with("The input is unlike the training data: age is 4100"), "{sentence}");
    let details: serde_json::Value = serde_json::from_str(&details).expect("JSON");
    assert_eq!(details["features"][0]["name"], "age");
    assert!(details["features"][0]["surprise"].as_f64().is_some_and(|nats| nats > 3.0));
    assert!(sentence.contains(details["features"][0]["sentence"].as_str().expect("a sentence")));
    assert!(!format!("{:?}", odd.results[0].reason(trained.set.policies().first())).contains("4100"), "not in the audit");
}

#[test]
fn a_look_that_came_too_late_leaves_no_score_to_be_learnt() {
    let trained = Trained::new(&ANOMALY.replace("id: odd,", "id: odd, budget: 5ms,"));
    let late = trained.decide_taking(Duration::from_millis(10), "e", ODD);
    assert_eq!((late.outcome, late.results[0].result, late.anomaly), (Outcome::Held, ResultKind::Timeout, None));
    assert!(trained.decide("e", ODD).anomaly.is_some());
}

#[test]
fn an_alpha_that_the_calibration_cannot_tell_is_refused() {
    let text = format!("{HEAD}{}", ANOMALY.replace("0.01", "0.0005"));
    let bytes = small::built_for(&text, vec![0.1]);
    let open = |_: &str, _: &str| Ok(bytes.clone());
    let files = [("p.yaml".to_owned(), text)];
    let around = small::around(crate::policy::Profiles::Files(&open));
    let problems = PolicySet::read_with(&files, around).expect_err("of 999 events none tells 0.0005");
    assert_eq!(problems.len(), 1, "and nothing that only follows from it: {problems:?}");
    assert!(problems[0].message.contains("calibration can tell from others, 0.001000"), "{problems:?}");
}

#[test]
fn a_fresh_calibration_counts_where_the_policy_says_so() {
    let fresh = |trained: Trained| {
        let hash = trained.set.policies()[0].hash;
        let scores = vec!["900.5"; 1_000].join(",");
        trained.said("calibration/p", &format!(r#"{{"policy_hash":"{hash}","at_event":5,"scores":[{scores}]}}"#))
    };
    assert_eq!(fresh(Trained::new(ANOMALY)).decide("e", ODD).outcome, Outcome::Held);
    let follows = fresh(Trained::new(&ANOMALY.replace("0.01", "0.01, recalibrate: true")));
    assert_eq!(follows.decide("e", ODD).outcome, Outcome::Released, "such inputs have become usual");
}

#[test]
fn an_open_incident_holds_adverse_decisions_of_its_group_and_no_others() {
    let open = Trained::new(FAIRNESS).incident("f", "open");
    let held = open.decide("e", ADVERSE);
    assert_eq!((held.outcome, held.results[0].result), (Outcome::Held, ResultKind::Hit));
    assert_eq!((held.results[0].value, held.results[0].limit), (Some(5.5e6), Some(4e6)));
    assert_eq!((held.priority.score, held.incidents.len()), (30.0, 1));
    let (sentence, details) = open.told(&held, 0);
    assert!(sentence.ends_with("Fewer yes for f.") && details == r#"{"incident":"00000000000000aa"}"#, "{sentence} {details}");
    let favourable = open.decide("e", USUAL);
    assert_eq!((favourable.outcome, favourable.incidents.len()), (Outcome::Released, 1), "named, as it was asked");
    assert_eq!((favourable.results[0].result, favourable.results[0].value), (ResultKind::Miss, None));
    assert_eq!(favourable.favourable, Some(true));
    assert_eq!(open.decide("e", &ADVERSE.replace("\"f\"", "\"m\"")).outcome, Outcome::Released, "another group");
    assert_eq!(open.decide("e", &ADVERSE.replace("\"sex\":\"f\"", "")).outcome, Outcome::Released, "no group");
    let over = Trained::new(FAIRNESS).incident("f", "acknowledged");
    assert_eq!(over.decide("e", ADVERSE).outcome, Outcome::Released);
    let left = FAIRNESS.replace("id: fair,", "id: fair, mandatory: false,") + "review: { capacity: { rate: 0.1 } }\n";
    let left = Trained::new(&left).incident("f", "open").decide("e", ADVERSE);
    assert_eq!((left.outcome, left.mandatory), (Outcome::Released, false), "left to the capacity");
    let untold = open.decide("e", r#""confidence":0.9,"protected":{"sex":"f"}"#);
    assert_eq!((untold.outcome, untold.results[0].result), (Outcome::Held, ResultKind::Error), "nobody knows what it says");
}

#[test]
fn what_the_monitor_says_and_nobody_understands_holds_everything() {
    for key in ["incident/00000000000000aa", "threshold/other"] {
        let decision = Trained::new(ANOMALY).said(key, "{").decide("e", USUAL);
        assert_eq!(decision.outcome, Outcome::Held);
        assert_eq!(decision.results[0].trigger, TriggerRef::BuiltIn(BuiltIn::ControlUnreadable));
    }
}

/// A probability p of "yes" makes P = 1 − p; of the calibration 1,000 priorities are 0, .001, … .999.
fn sure(of: f64) -> String {
    format!(r#""probabilities":{{"yes":{of},"no":{}}},"prediction":"yes""#, 1.0 - of)
}

#[test]
fn the_capacity_holds_the_riskiest_share_instead_of_every_hit() {
    let trained = Trained::new(&format!("{LOW}review: {{ capacity: {{ rate: 0.1 }} }}\n"));
    let (doubtful, sure_enough) = (trained.decide("e", &sure(0.55)), trained.decide("e", &sure(0.95)));
    assert_eq!((doubtful.outcome, doubtful.results[0].result), (Outcome::Released, ResultKind::Hit), "not among the riskiest");
    assert_eq!(sure_enough.outcome, Outcome::Released);
    let rank = doubtful.rank.expect("ranked");
    assert!((rank.quantile - 0.45).abs() < 0.002 && rank.threshold == Some(0.9), "{rank:?}");
    let held = trained.threshold(0.4).decide("e", &sure(0.55));
    assert_eq!((held.outcome, held.mandatory), (Outcome::Held, false));
    let finding = &held.results[0];
    assert_eq!((finding.trigger, finding.limit), (TriggerRef::BuiltIn(BuiltIn::Capacity), Some(0.4)));
    assert!(held.priority.parts.iter().all(|part| part.trigger == TriggerRef::Policy(0)), "the rank follows from the score");
    assert!((held.priority.score - 45.0).abs() < 0.01);
}

#[test]
fn a_threshold_of_another_policy_file_does_not_count() {
    let trained = Trained::new(&format!("{LOW}review: {{ capacity: {{ rate: 0.1 }} }}\n"));
    let other = Hash::of(b"another file");
    let record = format!(r#"{{"policy_hash":"{other}","threshold":0.2,"rate":0.1,"at_event":1}}"#);
    let decision = trained.said("threshold/p", &record).decide("e", &sure(0.55));
    assert_eq!(decision.rank.and_then(|rank| rank.threshold), Some(0.9));
}

#[test]
fn mandatory_hits_failures_and_samples_hold_whatever_the_capacity() {
    let rest = "  - { id: big, rule: amount > 5, mandatory: true }\nreview: { capacity: { rate: 0.1 } }\n";
    let trained = Trained::new(&format!("{LOW}{rest}"));
    let small = trained.decide("e", &format!("{},\"amount\":1", sure(0.9)));
    assert_eq!((small.outcome, small.mandatory), (Outcome::Released, false));
    let big = trained.decide("e", &format!("{},\"amount\":9", sure(0.9)));
    assert_eq!((big.outcome, big.mandatory), (Outcome::Held, true));
    let failed = trained.decide("e", &sure(0.9));
    assert_eq!((failed.outcome, failed.mandatory), (Outcome::Held, true), "no amount: the rule failed");
    let sampled =
        Trained::new(&format!("{LOW}  - {{ id: drawn, sample: {{ rate: 1 }} }}\nreview: {{ capacity: {{ rate: 0.1 }} }}\n"));
    let decision = sampled.decide("e", &sure(0.9));
    assert_eq!((decision.outcome, decision.results.len()), (Outcome::Held, 2), "drawn of what would be released");
    assert!(decision.mandatory, "the riskiest are told without it");
    assert!((decision.rank.expect("ranked").priority - 0.1).abs() < 1e-6, "ranked before the sample adds to it");
}

#[test]
fn rules_only_skips_what_is_statistical_and_then_every_hit_holds() {
    let rest = format!(
        "{LOW}  - {{ id: odd, anomaly: {{ alpha: 0.01 }} }}\n  - {{ id: fair, fairness: {{ attributes: [ sex ] }} }}\nreview: {{ capacity: {{ rate: 0.1 }} }}\n"
    );
    let mut trained = Trained::new(&rest).incident("f", "open");
    trained.control.apply("stop/global", Some(stop("rules-only").as_bytes())).expect("an order");
    let event = |of| format!(r#"{},"features":{{"age":4100}},"protected":{{"sex":"f"}}"#, sure(of));
    let decision = trained.decide("e", &event(0.9));
    assert_eq!(decision.outcome, Outcome::Released);
    let skipped = [(TriggerRef::Policy(1), ResultKind::Skipped), (TriggerRef::Policy(2), ResultKind::Skipped)];
    assert_eq!(results(&decision)[1..], skipped);
    assert_eq!(trained.decide("e", &event(0.55)).outcome, Outcome::Held, "nobody tells the riskiest: every hit holds");
}

#[test]
fn a_profile_that_was_built_for_another_scoring_or_is_damaged_is_refused() {
    let text = |rest: &str| format!("{HEAD}{rest}");
    let refused = |rest: &str, bytes: Vec<u8>| {
        let open = |_: &str, _: &str| Ok(bytes.clone());
        let files = [("p.yaml".to_owned(), text(rest))];
        let problems = PolicySet::read_with(&files, small::around(crate::policy::Profiles::Files(&open))).expect_err("refused");
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let good = small::built_for(&text(LOW), vec![0.1]);
    let other = LOW.replace("measure", "temperature: 2, measure");
    assert!(refused(&other, good.clone()).contains("scores otherwise"));
    let mut damaged = good.clone();
    let place = damaged.len() / 2;
    damaged[place] ^= 1;
    assert!(refused(LOW, damaged).contains("p.yaml:2:10: profile: p.profile: this profile"));
    let with_capacity = format!("{LOW}review: {{ capacity: {{ rate: 0.1 }} }}\n");
    assert!(refused(&with_capacity, small::built_for(&text(LOW), Vec::new())).contains("no priorities"));
    let fair = "triggers: [ { id: fair, fairness: { attributes: [ race ] } } ]\n";
    assert!(refused(fair, small::built_for(&text(fair), vec![0.1])).contains("no attribute `race` (sex)"));
    // A limit that only says what a hit is may change.
    let open = |_: &str, _: &str| Ok(good.clone());
    let files = [("p.yaml".to_owned(), text(&LOW.replace("0.62", "0.7")))];
    assert!(PolicySet::read_with(&files, small::around(crate::policy::Profiles::Files(&open))).is_ok());
}
