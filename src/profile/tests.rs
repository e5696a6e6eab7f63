use std::collections::BTreeMap;

use super::*;
use crate::event::Plain;
use crate::trigger::anomaly::{Scratch, score};
use proptest::prelude::*;

/// A value that rows are made of.
#[derive(Clone, PartialEq, Debug)]
enum Made {
    Missing,
    Number(f64),
    Text(String),
}

impl Made {
    fn plain(&self) -> Plain<'_> {
        match self {
            Self::Missing => Plain::Missing,
            Self::Number(number) => Plain::Number(*number),
            Self::Text(text) => Plain::Text(text),
        }
    }
}

type Row = Vec<Made>;

fn columns() -> Columns {
    let kinds = [
        ("amount", Kind::Number),
        ("city", Kind::Category),
        ("constant", Kind::Number),
        ("id", Kind::Category),
        ("few", Kind::Number),
    ];
    Columns::new(kinds.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect()).unwrap()
}

/// In the order of the names: amount, city, constant, few, id.
fn row(number: u32) -> Row {
    let spread = f64::from(number.wrapping_mul(2_654_435_761) >> 8);
    vec![
        if number.is_multiple_of(13) { Made::Missing } else { Made::Number(spread * 0.01 - 1e4) },
        Made::Text(format!("city {}", number % 40 * (number % 3))),
        Made::Number(5.0),
        Made::Number(f64::from(number % 9) - 4.0 + (spread / 1e7).floor()),
        Made::Text(format!("{number}")),
    ]
}

fn build(rows: &[Row], shards: usize) -> Profile {
    let columns = columns();
    let mut first: Vec<FirstPass> = (0..shards).map(|_| FirstPass::new(&columns)).collect();
    for (place, row) in rows.iter().enumerate() {
        first[place * 7 % shards].add(&row.iter().map(Made::plain).collect::<Vec<_>>());
    }
    let merged = first.into_iter().reduce(|mut all, more| {
        all.merge(&more);
        all
    });
    let frozen = merged.unwrap().freeze().unwrap();
    let mut second: Vec<SecondPass<'_>> = (0..shards).map(|_| SecondPass::new(&frozen)).collect();
    for (place, row) in rows.iter().enumerate() {
        second[place * 3 % shards].add(&row.iter().map(Made::plain).collect::<Vec<_>>());
    }
    let merged = second.into_iter().rev().reduce(|mut all, more| {
        all.merge(more);
        all
    });
    merged.unwrap().finish().unwrap()
}

fn complete(mut profile: Profile) -> Profile {
    profile.calibrate(vec![3.5, 1.25, 2.0, f32::NAN]);
    let judged = Judged {
        priorities: vec![0.5, 0.1],
        confidences: vec![0.9],
        baseline: Some(Baseline {
            attributes: vec![Attribute { name: "sex".to_owned(), levels: vec!["Female".to_owned(), "Male".to_owned()] }],
            cells: vec![Cell { levels: vec![0], events: 10, favourable: 3 }],
            measures: vec![Binned { of: Measured::Confidence, bins: Bins::Cuts(vec![0.25, 0.5]), counts: vec![1, 2, 3, 0, 4] }],
        }),
        scoring: Some(Hash::of(b"scoring")),
    };
    let file = SourceFile { name: "training \"1\".csv".to_owned(), sha256: Hash::of(b"x"), rows: 1 };
    profile.complete(judged, Provenance { built_at: Timestamp(1_767_600_000_000), files: vec![file] });
    profile
}

fn written(profile: &Profile) -> Vec<u8> {
    let mut bytes = Vec::new();
    profile.write(&mut bytes);
    bytes
}

/// `bytes` with the hash that they should have.
fn hashed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[file::HEAD.len()..][..64].copy_from_slice(&file::NO_HASH);
    let hash = Hash::of(&bytes).hex();
    bytes[file::HEAD.len()..][..64].copy_from_slice(&hash);
    bytes
}

/// 40,000 numbers, of which a column tells 32,768 apart; more ids than levels; a row that comes again and again.
#[test]
fn shards_and_the_order_of_rows_change_no_byte() {
    let mut rows: Vec<Row> = (0..40_000).map(row).collect();
    rows.extend(vec![row(77); 500]);
    let one = written(&build(&rows, 1));
    assert!(one.len() < 200_000, "{}", one.len());
    for shards in [2, 8] {
        assert!(written(&build(&rows, shards)) == one, "{shards} shards");
    }
    rows.reverse();
    rows.swap(3, 30_000);
    assert!(written(&build(&rows, 3)) == one, "another order");
    let profile = Profile::read(&one).unwrap();
    assert!(matches!(profile.features()[4].shape, Shape::Text) && profile.features()[4].name == "id");
    let values: Vec<Plain<'_>> = rows[3].iter().map(Made::plain).collect();
    assert!(score(&profile, |place| values[place], &mut Scratch::default()).score.is_finite());
    assert_eq!(profile.duplicates().vectors.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [501]);
}

#[test]
fn what_is_written_is_read() {
    let profile = complete(build(&(0..500).map(row).collect::<Vec<_>>(), 1));
    let bytes = written(&profile);
    let again = Profile::read(&bytes).unwrap();
    assert_eq!(again, profile);
    assert_eq!(written(&again), bytes);
    assert_eq!(again.calibration().scores(), [1.25, 2.0, 3.5]);
    // Its own hash stands in it, and it is one line of JSON.
    let document: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(document["content_hash"].as_str().unwrap().as_bytes(), &hashed(bytes.clone())[file::HEAD.len()..][..64]);
    assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 1);
}

#[test]
fn other_files_and_damaged_ones_are_told_apart() {
    let bytes = written(&build(&(0..200).map(row).collect::<Vec<_>>(), 1));
    let problem = |bytes: &[u8]| Profile::read(bytes).unwrap_err();
    for other in [&b""[..], b"{}", b"policy: x", b"[]", b"{\"jidoka_profile\":\"1\"}"] {
        assert_eq!(problem(other), ProfileProblem::NoProfile);
    }
    let newer = String::from_utf8(bytes.clone()).unwrap().replacen("\"jidoka_profile\":1", "\"jidoka_profile\":2", 1);
    assert_eq!(problem(newer.as_bytes()), ProfileProblem::OtherForm(2));
    assert_eq!(problem(&bytes[..bytes.len() - 1]), ProfileProblem::Damaged);
    let mut changed = bytes.clone();
    let last = changed.len() - 40;
    changed[last] ^= 1;
    assert_eq!(problem(&changed), ProfileProblem::Damaged);
    assert_eq!(problem(file::HEAD), ProfileProblem::Damaged);
    assert!(matches!(problem(&vec![b' '; BYTES_MAX + 1]), ProfileProblem::TooLarge(_)));
}

/// With a right hash, so that only the content is wrong.
#[test]
fn contradictions_are_refused_with_a_sentence() {
    let text = String::from_utf8(written(&complete(build(&(0..200).map(row).collect::<Vec<_>>(), 1)))).unwrap();
    for (from, to, said) in [
        ("\"rows\":200,", "\"rows\":7,", "it has 7 training rows"),
        ("\"missing\":16,", "\"missing\":17,", "the feature `amount` is not counted for each training row once"),
        ("\"name\":\"amount\"", "\"name\":\"zebra\"", "features are not in the order of their names"),
        ("\"counts\":[1,", "\"counts\":[0,", "the feature `id` has members that do not fit each other"),
        ("\"calibration\":[1.25,2", "\"calibration\":[2.25,2", "`calibration` is not a rising list"),
        ("\"priorities\":[0.1,0.5]", "\"priorities\":[0.1,1.5]", "`priorities` is not a rising list"),
        ("\"favourable\":3", "\"favourable\":11", "its baseline of subgroups is not counted"),
        ("\"copula\":{\"features\":[0,", "\"copula\":{\"features\":[1,", "its correlations are none of any data"),
    ] {
        assert!(text.contains(from), "{from}");
        let problem = Profile::read(&hashed(text.replacen(from, to, 1).into_bytes())).unwrap_err().to_string();
        assert!(problem.contains(said), "{from}: {problem}");
    }
    let unknown = text.replacen("\"pairs\":", "\"more\":1,\"pairs\":", 1);
    let problem = Profile::read(&hashed(unknown.into_bytes())).unwrap_err().to_string();
    assert!(problem.contains("unknown field `more`"), "{problem}");
}

#[test]
fn a_training_of_which_no_profile_can_be_made_is_refused() {
    assert_eq!(Columns::new(BTreeMap::new()), Err(BuildProblem::Features(0)));
    let columns = columns();
    let mut first = FirstPass::new(&columns);
    let rows: Vec<Row> = (0..100).map(row).collect();
    let add = |first: &mut FirstPass, row: &Row| first.add(&row.iter().map(Made::plain).collect::<Vec<_>>());
    for row in &rows[..99] {
        add(&mut first, row);
    }
    assert_eq!(first.clone().freeze(), Err(BuildProblem::TooFewRows(99)));
    add(&mut first, &rows[99]);
    let frozen = first.freeze().unwrap();
    // The file changed between the passes: a row less, another value.
    let second = |rows: &[Row]| {
        let mut second = SecondPass::new(&frozen);
        for row in rows {
            second.add(&row.iter().map(Made::plain).collect::<Vec<_>>());
        }
        second.finish()
    };
    assert!(second(&rows).is_ok());
    assert_eq!(second(&rows[1..]), Err(BuildProblem::Changed));
    let mut other = rows.clone();
    other[5][1] = Made::Text("a new city".to_owned());
    assert_eq!(second(&other), Err(BuildProblem::Changed));
    other[5][1] = rows[5][1].clone();
    other[5][0] = Made::Number(1e9);
    assert_eq!(second(&other), Err(BuildProblem::Changed));
}

/// Columns that say nothing, and values at the ends of what numbers can be.
#[test]
fn extreme_columns_are_no_trouble() {
    let kinds = [
        ("empty", Kind::Number),
        ("one", Kind::Category),
        ("none", Kind::Category),
        ("wide", Kind::Number),
        ("twice", Kind::Number),
    ];
    let columns = Columns::new(kinds.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect()).unwrap();
    let wide = [f64::MAX, f64::MIN, 0.0, f64::MIN_POSITIVE, 1.0];
    let rows: Vec<Vec<Plain<'_>>> = (0..100_usize)
        .map(|row| {
            let number = Plain::Number(wide[row % 5]);
            vec![Plain::Missing, Plain::Missing, Plain::Text("x"), number, number]
        })
        .collect();
    let mut first = FirstPass::new(&columns);
    for row in &rows {
        first.add(row);
    }
    let frozen = first.freeze().unwrap();
    let mut second = SecondPass::new(&frozen);
    for row in &rows {
        second.add(row);
    }
    let profile = second.finish().unwrap();
    assert_eq!(Profile::read(&written(&profile)).unwrap(), profile);
    let mut scratch = Scratch::default();
    for number in [f64::MAX, f64::MIN, -0.0, 5e-324, 0.5, 1e308] {
        let values = [Plain::Number(number), Plain::Text("y"), Plain::Text(""), Plain::Number(number), Plain::Missing];
        let anomaly = score(&profile, |place| values[place], &mut scratch);
        assert!(anomaly.score.is_finite() && anomaly.score > 0.0, "{number}: {anomaly:?}");
        for unusual in anomaly.unusual() {
            let mut sentence = String::new();
            unusual.sentence(&profile, values[unusual.feature], &mut sentence);
            assert!(!sentence.is_empty() && sentence.len() < 400, "{sentence}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Bytes that were changed anywhere and hashed again: a profile that can score, or a sentence. Never a panic.
    #[test]
    fn hostile_files_are_read_or_refused(
        edits in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(b"0123456789,.-[]{}\":e \xffnulrtw".to_vec())), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        static BYTES: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let mut bytes = BYTES.get_or_init(|| written(&complete(build(&(0..120).map(row).collect::<Vec<_>>(), 1)))).clone();
        let head = file::HEAD.len() + 64;
        for (place, byte) in edits {
            let place = head + place.index(bytes.len() - head);
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(head + cut.index(bytes.len() - head));
        }
        match Profile::read(&hashed(bytes)) {
            Ok(profile) => {
                for number in [f64::MAX, -3.0, 0.0, 12.5] {
                    let anomaly = score(&profile, |_| Plain::Number(number), &mut Scratch::default());
                    prop_assert!(!anomaly.score.is_nan());
                    for unusual in anomaly.unusual() {
                        unusual.sentence(&profile, Plain::Number(number), &mut String::new());
                    }
                }
            }
            Err(problem) => prop_assert!(!problem.to_string().is_empty()),
        }
    }
}
