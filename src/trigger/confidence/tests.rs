//! Golden values were worked out in Python from the formulas of `triggers.md`, section 3:
//! `r = lambda c, T: 1 - 1 / (1 + exp(-log(c / (1 - c)) / T))`.

#![expect(clippy::float_cmp, reason = "the largest of some doubles is one of them, exactly")]

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::event::{Decoder, Limits, Plan};

/// The labels of these tests, each with its slot.
fn plan() -> Plan {
    let mut plan = Plan::default();
    for label in ["a", "b", "c", "d"] {
        plan.probability(label);
    }
    plan
}

fn measured(measure: Measure, limit: Limit, temperature: f64, outcome: &str) -> Measurement {
    let json = format!(r#"{{"event_id":"e","model":{{"name":"m"}},"prediction":"a",{outcome}}}"#);
    let mut decoder = Decoder::new(Arc::new(plan()), Limits { max_bytes: 10_000, max_depth: 64, max_fields: 1_000 });
    let event = decoder.decode(json.as_bytes()).expect("an event");
    super::measure(&Confidence { measure, limit, temperature }, &event)
}

fn class(label: &str) -> Measure {
    Measure::Class { label: label.to_owned(), slot: plan().probability(label) }
}

/// What was measured, as close as doubles come.
fn assert_measured(measurement: Measurement, value: f64, risk: f64, hit: bool) {
    let Measurement::Measured { value: found, risk: at, hit: is } = measurement else { panic!("{measurement:?}") };
    assert!((found - value).abs() < 1e-12 && (at - risk).abs() < 1e-12, "{measurement:?} is not {value}, {risk}");
    assert_eq!(is, hit, "{measurement:?}");
}

const THREE: &str = r#""probabilities":{"a":0.7,"b":0.2,"c":0.1}"#;

#[test]
fn every_measure_and_its_risk_at_three_temperatures() {
    let rows = [
        (Measure::TopProbability, Limit::Below(0.71), 0.7, [0.155_172_413_793_103, 0.3, 0.395_643_923_738_96]),
        (Measure::Margin, Limit::Below(0.51), 0.5, [0.1, 0.25, 0.366_025_403_784_438_6]),
        (
            Measure::Entropy,
            Limit::Above(0.7),
            0.729_846_699_162_097_4,
            [0.248_222_152_919_026_72, 0.364_923_349_581_048_66, 0.431_182_260_845_950_57],
        ),
        (class("b"), Limit::Below(0.21), 0.2, [0.941_176_470_588_235_3, 0.8, 2.0 / 3.0]),
        (class("b"), Limit::Above(0.19), 0.2, [0.058_823_529_411_764_72, 0.2, 1.0 / 3.0]),
    ];
    for (measure, limit, value, risks) in rows {
        for (temperature, risk) in [0.5, 1.0, 2.0].into_iter().zip(risks) {
            assert_measured(measured(measure.clone(), limit, temperature, THREE), value, risk, true);
        }
    }
}

#[test]
fn a_confidence_alone_serves_the_top_probability_and_nothing_else() {
    let alone = r#""confidence":0.9"#;
    assert_measured(measured(Measure::TopProbability, Limit::Below(0.8), 2.0, alone), 0.9, 0.25, false);
    let both = r#""confidence":0.99,"probabilities":{"a":0.7,"b":0.3}"#;
    assert_measured(measured(Measure::TopProbability, Limit::Below(0.8), 1.0, both), 0.7, 0.3, true);
    let empty = r#""confidence":0.9,"probabilities":{}"#;
    assert_measured(measured(Measure::TopProbability, Limit::Below(0.8), 1.0, empty), 0.9, 0.1, false);
    for (measure, limit) in
        [(Measure::Margin, Limit::Below(0.5)), (Measure::Entropy, Limit::Above(0.5)), (class("a"), Limit::Below(0.5))]
    {
        assert!(matches!(measured(measure, limit, 1.0, alone), Measurement::Error(_)));
    }
}

#[test]
fn nothing_to_measure_is_an_error_that_says_what_is_missing() {
    let error = |measure, limit, outcome| match measured(measure, limit, 1.0, outcome) {
        Measurement::Error(Unmeasured::Because(error)) => error,
        other => panic!("{other:?}"),
    };
    let (one, none) = (r#""probabilities":{"a":1}"#, r#""action":"-""#);
    assert_eq!(error(Measure::TopProbability, Limit::Below(0.5), none), "neither probabilities nor confidence");
    assert_eq!(error(Measure::Margin, Limit::Below(0.5), none), "no probabilities");
    assert_eq!(error(Measure::Margin, Limit::Below(0.5), one), "one probability has no margin");
    assert_eq!(error(Measure::Entropy, Limit::Above(0.5), none), "no probabilities");
    assert_eq!(error(Measure::Entropy, Limit::Above(0.5), one), "one probability has no entropy");
    assert_eq!(error(class("z"), Limit::Above(0.5), THREE), "no probability of this label");
    assert_eq!(error(class("a"), Limit::Below(0.5), r#""probabilities":{"a":null,"b":1}"#), "no probability of this label");
}

#[test]
fn ties_and_zeros_and_certainty() {
    let tied = r#""probabilities":{"a":0.5,"b":0.5,"c":0,"d":0}"#;
    assert_measured(measured(Measure::TopProbability, Limit::Below(0.6), 3.0, tied), 0.5, 0.5, true);
    assert_measured(measured(Measure::Margin, Limit::Below(0.1), 3.0, tied), 0.0, 0.5, true);
    // H = ln 2 over ln 4; c = 3/4.
    assert_measured(measured(Measure::Entropy, Limit::Above(0.4), 2.0, tied), 0.5, 0.366_025_403_784_438_6, true);
    // Certainty is clipped to 1 − 1e-6, and doubt to 1e-6: nothing is infinitely sure.
    let certain = r#""probabilities":{"a":1,"b":0}"#;
    assert_measured(measured(Measure::TopProbability, Limit::Below(0.6), 1.0, certain), 1.0, 1e-6, false);
    assert_measured(measured(Measure::Entropy, Limit::Above(0.0), 2.0, certain), 0.0, 0.000_999_001_498_017, false);
    assert_measured(measured(class("b"), Limit::Below(0.6), 1.0, certain), 0.0, 1.0 - 1e-6, true);
    let uniform = r#""probabilities":{"a":0.25,"b":0.25,"c":0.25,"d":0.25}"#;
    assert_measured(measured(Measure::Entropy, Limit::Above(0.99), 1.0, uniform), 1.0, 0.5, true);
}

#[test]
fn a_limit_is_no_hit_itself_and_the_temperature_moves_no_limit() {
    for temperature in [0.01, 1.0, 100.0] {
        for (outcome, below, above) in [("0.625", false, false), ("0.6249", true, false), ("0.6251", false, true)] {
            let outcome = format!(r#""probabilities":{{"a":{outcome},"b":0.1}}"#);
            let hit =
                |limit| matches!(measured(class("a"), limit, temperature, &outcome), Measurement::Measured { hit: true, .. });
            assert_eq!((hit(Limit::Below(0.625)), hit(Limit::Above(0.625))), (below, above), "{outcome}");
        }
    }
}

proptest! {
    #[test]
    fn risk_is_a_share_and_falls_as_certainty_rises(low in 0.0..=1.0_f64, high in 0.0..=1.0_f64, temperature in 0.01..=100.0_f64) {
        let (low, high) = (low.min(high), low.max(high));
        prop_assert!((0.0..=1.0).contains(&risk(low, temperature)));
        prop_assert!(risk(low, temperature) >= risk(high, temperature));
    }

    #[test]
    fn the_order_of_labels_means_nothing(mut shares in prop::collection::vec(0.0..=1.0_f64, 2..6), by in 0_usize..6) {
        let json = |shares: &[f64]| {
            let members: Vec<String> = shares.iter().map(|share| format!("\"{share}:{by}\":{share}")).collect();
            format!("\"probabilities\":{{{}}}", members.join(","))
        };
        shares.sort_by(f64::total_cmp);
        shares.dedup();
        prop_assume!(shares.len() > 1);
        let (top, second) = (shares[shares.len() - 1], shares[shares.len() - 2]);
        let count = shares.len();
        shares.rotate_left(by % count);
        let value = |measure| match measured(measure, Limit::Below(0.5), 1.0, &json(&shares)) {
            Measurement::Measured { value, .. } => value,
            Measurement::Error(error) => panic!("{error:?}"),
            other => panic!("a confidence trigger measures: {other:?}"),
        };
        prop_assert_eq!(value(Measure::TopProbability), top);
        prop_assert_eq!(value(Measure::Margin), top - second);
        prop_assert!((0.0..=1.0).contains(&value(Measure::Entropy)));
    }
}
