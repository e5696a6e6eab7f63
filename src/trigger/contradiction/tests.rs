//! The comparison, by hand; the bars on whole data sets stand in `tests/integration/contradiction.rs`.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::event::{Decoder, Limits, Plan};
use crate::json::object;
use crate::policy::{FallbackReview, PolicySet, TriggerKind};
use crate::reference::{Origin, RecordReader};

/// What the settings, an event's members and a record come to: the names that differ, or why it could not be looked at; and
/// the details.
fn looked(settings: &str, event: &str, record: &str) -> (Result<Vec<String>, String>, String) {
    let text = format!("policy: p\ntriggers:\n- id: t\n  contradiction: {{ reference: r, {settings} }}\n");
    let set = PolicySet::read(&[("p.yaml".to_owned(), text)], &FallbackReview::default());
    let set = set.unwrap_or_else(|problems| panic!("{settings}: {problems:?}"));
    let TriggerKind::Contradiction(rule) = &set.policies()[0].triggers[0].kind else { panic!("another kind") };
    let event = format!(r#"{{"event_id":"e","model":{{"name":"m"}},"prediction":"yes",{event}}}"#);
    let mut decoder = Decoder::new(Arc::clone(set.plan()), Limits::default());
    let event = decoder.decode(event.as_bytes()).expect("a good event");
    let here = Origin::Log { partition: 0, offset: 0 };
    let record = RecordReader::new(None).read(("S", record.as_bytes()), here, None).expect("a good record");
    let found = measure(rule, &event, &record);
    let mut details = Vec::new();
    object(&mut details, |writer| write_details(writer, (rule, &found), (&event, &record), &mut String::new()));
    let names = rule.compare.iter().enumerate().filter(|(place, _)| found.differing >> place & 1 == 1);
    let mut names: Vec<String> = names.map(|(_, comparison)| comparison.name.clone()).collect();
    if found.applies {
        names.push("when".to_owned());
    }
    let result = match found.failed {
        Some(Unmeasured::Because(why)) if names.is_empty() => Err(why.to_owned()),
        Some(Unmeasured::Expression(failure)) if names.is_empty() => {
            Err(rule.when.as_ref().expect("it failed").reason(failure).to_owned())
        }
        _ => Ok(names),
    };
    (result, String::from_utf8(details).expect("JSON is text"))
}

/// Whether one value contradicts another under `settings` of the comparison.
fn differs(settings: &str, said: &str, trusted: &str) -> Result<bool, String> {
    let (event, record) = (format!(r#""features":{{"x":{said}}}"#), format!(r#"{{"x":{trusted}}}"#));
    let compare = if settings.is_empty() { "x".to_owned() } else { format!("{{ field: x, {settings} }}") };
    looked(&format!("compare: [ {compare} ]"), &event, &record).0.map(|names| !names.is_empty())
}

fn sentence_of(said: &str, trusted: &str) -> String {
    let (event, record) = (format!(r#""features":{{"x":{said}}}"#), format!(r#"{{"x":{trusted}}}"#));
    let details = looked("compare: [ x ]", &event, &record).1;
    let details: serde_json::Value = serde_json::from_str(&details).expect("JSON");
    details["details"]["fields"][0]["sentence"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn numbers_differ_beyond_the_larger_tolerance() {
    // max(1, 2 % of the trusted one): 1 up to 50, then more.
    for (settings, said, trusted, expected) in [
        ("", "57", "56", false),
        ("", "58", "56", true),
        ("", "10.9", "9.9", false),
        ("", "0.3", "-0.7", false),
        ("", "102000", "100000", false),
        ("", "102001", "100000", true),
        ("", "98000", "100000", false),
        ("", "-102000", "-100000", false),
        ("", "-100000", "100000", true),
        ("abs_tol: 0, rel_tol: 0", "0.1", "0.1", false),
        ("abs_tol: 0, rel_tol: 0", "0.1", "0.2", true),
        ("abs_tol: 5", "61", "56", false),
        ("abs_tol: 0, rel_tol: 0.5", "150", "100", false),
        ("abs_tol: 0, rel_tol: 0.5", "151", "100", true),
        ("", "1e300", "1e300", false),
        ("", "\"56.4\"", "56", false),
        ("", "\"1,000\"", "1000", true),
        ("kind: number", "\" 56 \"", "\"56\"", false),
        ("kind: number", "\"fifty\"", "56", true),
        ("", "true", "true", false),
        ("", "true", "\"TRUE\"", false),
        ("", "true", "false", true),
        ("", "true", "1", true),
    ] {
        assert_eq!(differs(settings, said, trusted), Ok(expected), "{settings}: {said} and {trusted}");
    }
}

#[test]
fn texts_and_dates() {
    for (settings, said, trusted, expected) in [
        ("", "\"HS-grad\"", "\" hs-GRAD\"", false),
        ("", "\"HS-grad\"", "\"Bachelors\"", true),
        ("aliases: { HS: HS-grad }", "\"hs\"", "\"HS-grad\"", false),
        ("aliases: { \"high school\": HS-grad }", "\"High School\"", "\"HS-grad\"", false),
        ("", "\"1001\"", "\"1000\"", true),
        ("kind: number", "\"1001\"", "\"1000\"", false),
        ("kind: text", "\"1001\"", "1001", false),
        ("kind: text", "\"1001\"", "1000", true),
        ("kind: text", "\"2026-01-05\"", "\"2026-01-06\"", true),
        ("", "\"2026-01-05\"", "\"2026-01-06\"", false),
        ("", "\"2026-01-05\"", "\"2026-01-07\"", true),
        ("", "\"2026-01-05T12:00:00+02:00\"", "\"2026-01-06T10:00:00Z\"", false),
        ("", "\"2026-01-05T12:00:00Z\"", "\"2026-01-06T12:00:00.001Z\"", true),
        ("kind: date, abs_tol: 0", "\"2026-01-05\"", "\"2026-01-05T00:00:00Z\"", false),
        ("kind: date, abs_tol: 30", "\"2026-01-05\"", "\"2026-02-04\"", false),
        ("kind: date", "\"soon\"", "\"2026-02-04\"", true),
        ("kind: date", "20260105", "\"2026-02-04\"", true),
    ] {
        assert_eq!(differs(settings, said, trusted), Ok(expected), "{settings}: {said} and {trusted}");
    }
}

#[test]
fn what_is_absent_says_nothing_and_what_cannot_be_compared_is_an_error() {
    for (said, trusted) in [("null", "1"), ("1", "null"), ("null", "null")] {
        assert_eq!(differs("", said, trusted), Ok(false), "{said} and {trusted}");
    }
    assert_eq!(looked("compare: [ x ]", r#""features":{}"#, "{}").0, Ok(Vec::new()));
    for (settings, trusted) in [("", "[1]"), ("", "{\"a\":1}"), ("kind: number", "\"many\""), ("kind: date", "5")] {
        let failed = differs(settings, "1", trusted).expect_err(trusted);
        assert!(failed.starts_with("a trusted value is "), "{failed}");
    }
    // What was found stands, whatever else could not be looked at.
    let (result, _) = looked("compare: [ x, y ]", r#""features":{"x":1,"y":1}"#, r#"{"x":[],"y":9}"#);
    assert_eq!(result, Ok(vec!["y".to_owned()]));
}

#[test]
fn any_field_of_the_event_is_compared() {
    let event = r#""amount":500,"currency":"EUR","action":"pay","requested_by":"u1","protected":{"sex":"F"},"features":{"amount":1,"a":2}"#;
    let record = r#"{"amount":100,"currency":"usd","action":"PAY","requested_by":"u2","sex":"m","yearly":24,"prediction":"no"}"#;
    let fields = "[ amount, currency, action, requested_by, protected.sex, prediction, { field: features.a, trusted: yearly }, \
                  { field: features.amount, trusted: amount } ]";
    let (result, details) = looked(&format!("compare: {fields}"), event, record);
    let expected = ["amount", "currency", "requested_by", "protected.sex", "prediction", "features.a", "features.amount"];
    assert_eq!(result, Ok(expected.map(str::to_owned).to_vec()));
    let first = r#"{"details":{"fields":[{"name":"amount","event":500,"trusted":100,"sentence":"amount is 500, the trusted value is 100."},"#;
    assert!(details.starts_with(first), "{details}");
    assert!(details.contains(
        r#"{"name":"currency","event":"EUR","trusted":"usd","sentence":"currency is \"EUR\", the trusted value is \"usd\"."}"#
    ));
}

#[test]
fn mistaken_units_are_named() {
    for (said, trusted, sentence) in [
        ("60000", "5000", "x is 60000, the trusted value is 5000: about 12 times as much (monthly vs yearly?)."),
        ("5000", "60000", "x is 5000, the trusted value is 60000: about 12 times as little (monthly vs yearly?)."),
        ("605", "10", "x is 605, the trusted value is 10: about 60 times as much (minutes vs hours?)."),
        ("12.5", "1250", "x is 12.5, the trusted value is 1250: about 100 times as little (hundredths vs whole units?)."),
        ("-2e6", "-2000", "x is -2000000, the trusted value is -2000: about 1000 times as much (thousands vs single units?)."),
        ("7", "0", "x is 7, the trusted value is 0."),
        ("0", "7", "x is 0, the trusted value is 7."),
        ("-60000", "5000", "x is -60000, the trusted value is 5000."),
        ("1e300", "7", "x is 1e300, the trusted value is 7."),
        ("\"a\\\"b\"", "\"c\"", "x is \"a\"b\", the trusted value is \"c\"."),
        ("true", "false", "x is true, the trusted value is false."),
    ] {
        assert_eq!(sentence_of(said, trusted), sentence);
    }
    let long = format!("\"{}\"", "ä".repeat(1_000));
    assert_eq!(sentence_of(&long, "\"c\""), format!("x is \"{}…\", the trusted value is \"c\".", "ä".repeat(80)));
}

#[test]
fn a_condition_over_both_is_a_finding_of_its_own() {
    let when = "when: amount > reference.limit && (!has(reference.blocked) || reference.blocked)";
    let at = |amount: f64, record: &str| looked(when, &format!("\"amount\":{amount}"), record).0;
    assert_eq!(at(10.0, r#"{"limit":9}"#), Ok(vec!["when".to_owned()]));
    assert_eq!(at(9.0, r#"{"limit":9}"#), Ok(Vec::new()));
    assert_eq!(at(10.0, r#"{"limit":9,"blocked":false}"#), Ok(Vec::new()));
    assert_eq!(at(10.0, r#"{"limit":"9"}"#), Err("reference.limit is not a number".to_owned()));
    assert_eq!(at(10.0, "{}"), Err("reference.limit is missing".to_owned()));
    assert_eq!(at(10.0, r#"{"limit":[9]}"#), Err("reference.limit is missing".to_owned()));
    let texts = "when: \"event.action != reference['usual action'] && reference.country in ['AT', 'DE']\"";
    let record = r#"{"usual action":"pay","country":"AT"}"#;
    assert_eq!(looked(texts, r#""action":"refund""#, record).0, Ok(vec!["when".to_owned()]));
    // With fields that differ a condition that fails changes nothing.
    let both = "compare: [ x ], when: amount > reference.limit";
    assert_eq!(looked(both, r#""features":{"x":9}"#, r#"{"x":1,"limit":1}"#).0, Ok(vec!["x".to_owned()]));
    assert_eq!(looked(both, r#""features":{"x":1}"#, r#"{"x":1,"limit":1}"#).0, Err("amount is missing".to_owned()));
}

fn numbers(abs_tol: f64, rel_tol: f64) -> Comparison {
    let aliases = crate::policy::Aliases::default();
    let field = crate::policy::EventField::Feature(Plan::default().feature("x"));
    Comparison { field, name: "x".to_owned(), trusted: "x".to_owned(), kind: ComparisonKind::Auto, abs_tol, rel_tol, aliases }
}

proptest! {
    #[test]
    fn the_edge_of_the_tolerance_is_the_same_on_both_sides(trusted in -1e9..1e9_f64, abs in 0.0..100.0_f64, rel in 0.0..0.5_f64) {
        let (by, tolerance) = (numbers(abs, rel), f64::max(abs, rel * trusted.abs()));
        for side in [-1.0, 1.0] {
            prop_assert!(are_near(&by, trusted + side * tolerance, trusted));
            prop_assert!(!are_near(&by, trusted + side * (tolerance * 1.000_001 + 1e-5), trusted));
        }
        prop_assert!(are_near(&by, trusted, trusted));
    }

    #[test]
    fn without_an_absolute_tolerance_scale_does_not_matter(trusted in 1.0..1e6_f64, ratio in 0.9..1.1_f64, scale in 1e-6..1e6_f64) {
        // Away from the edge, where rounding decides.
        prop_assume!(((ratio - 1.0).abs() - 0.02).abs() > 1e-9);
        let by = numbers(0.0, 0.02);
        prop_assert_eq!(are_near(&by, trusted * ratio, trusted), are_near(&by, trusted * ratio * scale, trusted * scale));
        prop_assert_eq!(are_near(&by, trusted * ratio, trusted), (ratio - 1.0).abs() <= 0.02);
    }

    #[test]
    fn a_wider_tolerance_finds_no_more(said in -1e6..1e6_f64, trusted in -1e6..1e6_f64, abs in 0.0..1e5_f64, more in 0.0..1e5_f64) {
        prop_assert!(!are_near(&numbers(abs, 0.0), said, trusted) || are_near(&numbers(abs + more, 0.0), said, trusted));
    }

    #[test]
    fn ratios_are_told_at_every_scale(base in 1e-3..1e6_f64, place in 0..4_usize, off in -0.019..0.019_f64) {
        let times = [12.0, 60.0, 100.0, 1000.0][place];
        let told = details::ratio(base * times * (1.0 + off), base).expect("a ratio");
        prop_assert!((told.0 - times).abs() < 1e-9 && told.1 == "much");
        let told = details::ratio(base, base * times * (1.0 + off)).expect("a ratio");
        prop_assert!((told.0 - times).abs() < 1e-9 && told.1 == "little");
    }
}
