use std::collections::BTreeMap;

use super::*;
use crate::profile::{Columns, FirstPass, Kind, SecondPass};
use proptest::prelude::*;
use serde_json::Value as Json;

/// Made by `tests/data/anomaly/reference.py` from the formulas.
const GOLDEN: &str = include_str!("../../../tests/data/anomaly/golden.json");

fn plain(value: &Json) -> Plain<'_> {
    match value {
        Json::Bool(truth) => Plain::Bool(*truth),
        Json::Number(number) => Plain::Number(number.as_f64().unwrap()),
        Json::String(text) => Plain::Text(text),
        _ => Plain::Missing,
    }
}

fn profile(kinds: &[(&str, Kind)], rows: &[Vec<Plain<'_>>]) -> Profile {
    let columns = Columns::new(kinds.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect()).unwrap();
    let mut first = FirstPass::new(&columns);
    for row in rows {
        first.add(row);
    }
    let frozen = first.freeze().unwrap();
    let mut second = SecondPass::new(&frozen);
    for row in rows {
        second.add(row);
    }
    second.finish().unwrap()
}

fn scored(profile: &Profile, values: &[Plain<'_>]) -> Anomaly {
    score(profile, |place| values[place], &mut Scratch::default())
}

fn sentence(profile: &Profile, values: &[Plain<'_>], feature: usize) -> String {
    let anomaly = scored(profile, values);
    let unusual = anomaly.unusual().iter().find(|unusual| unusual.feature == feature).expect("it is unusual");
    let mut out = String::new();
    unusual.sentence(profile, values[feature], &mut out);
    out
}

fn golden() -> (Json, Profile) {
    let golden: Json = serde_json::from_str(GOLDEN).unwrap();
    let kind = |kind: &Json| if kind == "number" { Kind::Number } else { Kind::Category };
    let kinds: BTreeMap<&str, Kind> =
        golden["features"].as_object().unwrap().iter().map(|(name, of)| (name.as_str(), kind(of))).collect();
    let kinds: Vec<(&str, Kind)> = kinds.into_iter().collect();
    let rows: Vec<Vec<Plain<'_>>> =
        golden["rows"].as_array().unwrap().iter().map(|row| row.as_array().unwrap().iter().map(plain).collect()).collect();
    let profile = profile(&kinds, &rows);
    (golden, profile)
}

#[test]
fn scores_are_those_of_the_reference() {
    let (golden, profile) = golden();
    let events = golden["events"].as_array().unwrap();
    for event in events {
        let values: Vec<Plain<'_>> = event["values"].as_array().unwrap().iter().map(plain).collect();
        let anomaly = scored(&profile, &values);
        let expected = event["score"].as_f64().unwrap();
        assert!((f64::from(anomaly.score) - expected).abs() < 1e-4, "{event}: {}", anomaly.score);
        for (place, expected) in event["surprises"].as_array().unwrap().iter().enumerate() {
            let found = anomaly.unusual().iter().find(|unusual| unusual.feature == place).map_or(0.0, |unusual| unusual.surprise);
            assert!((found - expected.as_f64().unwrap()).abs() < 1e-4, "{event}: {place}: {found}");
        }
    }
    assert_eq!(events.len(), 20);
}

/// 200 rows: `a` from 0 to 199 with `b` = 3·a, `c` a level of each half, `d` half missing.
fn halves() -> Profile {
    let row = |row: u32| {
        let (a, level) = (f64::from(row), if row < 100 { "low" } else { "high" });
        vec![
            Plain::Number(a),
            Plain::Number(3.0 * a),
            Plain::Text(level),
            if row.is_multiple_of(2) { Plain::Missing } else { Plain::Bool(row % 4 == 1) },
        ]
    };
    let rows: Vec<Vec<Plain<'_>>> = (0..200).map(row).collect();
    profile(&[("a", Kind::Number), ("b", Kind::Number), ("c", Kind::Category), ("d", Kind::Category)], &rows)
}

#[test]
fn sentences_say_what_is_unusual() {
    let profile = halves();
    let (a, b, c, d) = (Plain::Number(150.0), Plain::Number(450.0), Plain::Text("high"), Plain::Missing);
    let long = format!("{}é\n", "x".repeat(63));
    for (values, feature, said) in [
        ([Plain::Number(999.0), b, c, d], 0, "a is 999, above all of training (0 to 199)"),
        ([Plain::Number(-0.5), Plain::Number(0.0), Plain::Text("low"), d], 0, "a is -0.5, below all of training (0 to 199)"),
        ([Plain::Missing, b, c, d], 0, "a is missing, which training never was"),
        ([Plain::Text("150"), b, c, d], 0, "a has the wrong type (a text)"),
        ([a, Plain::Number(f64::NAN), c, d], 1, "b has the wrong type (no finite number)"),
        ([a, Plain::Number(1e300), c, d], 1, "b is 1e300, above all of training (0 to 597)"),
        ([a, b, Plain::Number(1.0), d], 2, "c has the wrong type (a number)"),
        ([a, b, Plain::Text("middle\u{7}"), d], 2, "c=middle , which training never had"),
        ([a, b, Plain::Text(&long), d], 2, &format!("c={}…, which training never had", "x".repeat(63))),
        ([a, b, Plain::Text("low"), d], 2, "c=low with 149<a≤162: seen 0, expected 6.5"),
        ([a, Plain::Number(30.0), c, d], 1, "b≤36 with c=high: seen 0, expected 6.5"),
        ([a, b, c, Plain::Missing], 3, "d is missing, as in 100 of 200 training rows"),
    ] {
        assert_eq!(sentence(&profile, &values, feature), said);
    }
}

/// 200 rows: `x` from 0 to 199, and ten odd ones of `k`, which has nothing to do with it.
#[test]
fn rare_values_are_told_with_how_rare_they_are() {
    let row = |row: u32| vec![Plain::Text(if row % 20 == 7 { "odd" } else { "usual" }), Plain::Number(f64::from(row))];
    let profile = profile(&[("k", Kind::Category), ("x", Kind::Number)], &(0..200).map(row).collect::<Vec<_>>());
    for (values, feature, said) in [
        ([Plain::Text("odd"), Plain::Number(100.0)], 0, "k=odd, as in 10 of 200 training rows"),
        ([Plain::Text("usual"), Plain::Number(1.0)], 1, "x is 1: 2 of 200 training rows are as low"),
        ([Plain::Text("usual"), Plain::Number(198.5)], 1, "x is 198.5: 1 of 200 training rows are as high"),
    ] {
        assert_eq!(sentence(&profile, &values, feature), said);
    }
}

/// A number that is usual alone and in its pairs, but not with the others together.
#[test]
fn a_misfit_is_told_with_what_was_expected() {
    let row = |row: u32| {
        let (x, y) = (f64::from(row * 7_919 % 1_009), f64::from(row * 104_729 % 997));
        vec![Plain::Number(x), Plain::Number(y), Plain::Number(x - y)]
    };
    let rows: Vec<Vec<Plain<'_>>> = (0..1_000).map(row).collect();
    let profile = profile(&[("x", Kind::Number), ("y", Kind::Number), ("z", Kind::Number)], &rows);
    let values = [500.0, 500.0, -300.0].map(Plain::Number);
    let anomaly = scored(&profile, &values);
    assert!(matches!(anomaly.unusual()[0].part, Part::Misfit { .. }), "{anomaly:?}");
    let said = sentence(&profile, &values, 2);
    let expected =
        said.strip_prefix("z does not fit the other numbers: expected about ").unwrap().strip_suffix(", is -300").unwrap();
    assert!(expected.parse::<f64>().unwrap().abs() < 150.0, "{said}");
}

#[test]
fn the_most_unusual_features_are_named_in_order() {
    let values = [Plain::Number(1e6), Plain::Missing, Plain::Text("new"), Plain::Number(0.0)];
    let anomaly = scored(&halves(), &values);
    let named: Vec<usize> = anomaly.unusual().iter().map(|unusual| unusual.feature).collect();
    assert_eq!(named.len(), 4);
    assert_eq!(named[0], 0);
    let most = anomaly.unusual()[0].surprise;
    assert!(f64::from(anomaly.score) >= most && f64::from(anomaly.score) < most * 4.0_f64.powf(0.125) + 1e-3);
}

#[test]
fn identical_features_have_one_vector() {
    let profile = halves();
    let vector = |values: &[Plain<'_>]| scored(&profile, values).vector;
    let usual = [Plain::Number(7.0), Plain::Number(21.0), Plain::Text("low"), Plain::Bool(true)];
    let same = [Plain::Number(7.0), Plain::Number(21.0), Plain::Text("low"), Plain::Text("true")];
    assert_eq!(vector(&usual), vector(&same));
    let other = [Plain::Number(7.0), Plain::Number(21.0), Plain::Text("low"), Plain::Bool(false)];
    assert_ne!(vector(&usual), vector(&other));
    // It occurred once, and only what occurred twice is listed.
    assert_eq!((profile.duplicates().vectors.len(), profile.duplicates().at_most(vector(&usual))), (0, 1));
}

/// p = 1: e = .3, r = .006 ÷ .986; p = 1e-4: e = .3 · 10^2.8 = 189.3, r = 3.786 ÷ 4.766.
#[test]
fn risks_by_hand() {
    assert!((risk(1.0) - 0.006 / 0.986).abs() < 1e-12);
    assert!((risk(1e-4) - 0.794_37).abs() < 1e-4, "{}", risk(1e-4));
    assert!(risk(0.0) > 0.999_999 && risk(f64::MIN_POSITIVE) <= 1.0);
    let risks: Vec<f64> = (0..300).map(|power| risk(10.0_f64.powi(-power))).collect();
    assert!(risks.windows(2).all(|pair| pair[0] <= pair[1]));
}

proptest! {
    /// What is further out is not less surprising.
    #[test]
    fn surprise_grows_outwards(a in 200.0..1e12_f64, b in 200.0..1e12_f64) {
        let profile = halves();
        let Shape::Number(shape) = &profile.features()[0].shape else { panic!("a is a number") };
        let surprise = |x: f64| NumberShape::surprise(shape.rank(x), 200.0);
        prop_assert!(surprise(a.min(b)) <= surprise(a.max(b)) && surprise(-a.min(b)) <= surprise(-a.max(b)));
        prop_assert!(surprise(199.0) < surprise(a) && surprise(0.0) < surprise(-a));
        prop_assert!(surprise((a / 1e12 * 90.0).floor()) >= surprise((a / 1e12 * 90.0).floor() + 5.0));
    }

    /// In another unit numbers are as surprising as before.
    #[test]
    fn units_change_nothing(power in -20..20_i32, values in prop::collection::vec((-400.0..400.0_f64, -50.0..50.0_f64), 1..20)) {
        // A power of two, so that no digit is lost.
        let scale = 2.0_f64.powi(power);
        let of = |scale: f64| {
            let row = |row: u32| {
                let x = f64::from(row * row % 251) * 1.5 - 100.0;
                vec![Plain::Number(x * scale), Plain::Number((x * 0.1 + f64::from(row % 7)) * scale)]
            };
            profile(&[("x", Kind::Number), ("y", Kind::Number)], &(0..300).map(row).collect::<Vec<_>>())
        };
        let (plain, scaled) = (of(1.0), of(scale));
        for (x, y) in values {
            let before = scored(&plain, &[Plain::Number(x), Plain::Number(y)]);
            let after = scored(&scaled, &[Plain::Number(x * scale), Plain::Number(y * scale)]);
            prop_assert_eq!((before.score, before.unusual()), (after.score, after.unusual()));
        }
    }
}

/// The job does not go with the age, and the age goes with nothing: the age is named first.
#[test]
fn what_goes_with_nothing_is_named_before_its_partners() {
    let row = |row: u32| {
        let half = row % 2;
        let words = |words: [&'static str; 2]| Plain::Text(words[half as usize]);
        vec![
            Plain::Number(f64::from(20 + half * 40 + row / 2 % 20)),
            words(["learns", "works"]),
            words(["flat", "house"]),
            words(["no", "yes"]),
        ]
    };
    let kinds = [("age", Kind::Number), ("does", Kind::Category), ("home", Kind::Category), ("owns", Kind::Category)];
    let profile = profile(&kinds, &(0..400).map(row).collect::<Vec<_>>());
    let values = [Plain::Number(65.0), Plain::Text("learns"), Plain::Text("flat"), Plain::Text("no")];
    assert_eq!(scored(&profile, &values).unusual()[0].feature, 0);
    let values = [Plain::Number(25.0), Plain::Text("learns"), Plain::Text("flat"), Plain::Text("yes")];
    assert_eq!(scored(&profile, &values).unusual()[0].feature, 3);
}

/// A warm scratch is enough, whatever the event holds.
#[test]
fn scoring_allocates_nothing() {
    let profile = halves();
    let long = "x".repeat(1_000);
    let events = [
        [Plain::Number(1e6), Plain::Missing, Plain::Text("new"), Plain::Number(0.0)],
        [Plain::Number(7.0), Plain::Number(21.0), Plain::Text("low"), Plain::Bool(true)],
        [Plain::Text("7"), Plain::Number(f64::NAN), Plain::Text(&long), Plain::Missing],
    ];
    let mut scratch = Scratch::default();
    let warm = score(&profile, |place| events[0][place], &mut scratch);
    let mut scores = [warm.score; 3];
    let allocations = crate::test_allocator::allocations(|| {
        for (event, scored) in events.iter().zip(&mut scores) {
            *scored = score(&profile, |place| event[place], &mut scratch).score;
        }
    });
    assert_eq!(allocations, 0);
    assert!(scores.iter().all(|score| *score > 0.0) && scores[0] > scores[1]);
}
