//! Contradictions with trusted records: the bars of `triggers.md`, section 4, on whole data sets (attribution: the README in
//! `tests/data`), and the command line around them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;
use serde_json::{Value, json};

use super::Folder;

fn data(dataset: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(dataset).join(file)
}

/// The rows of a gzipped CSV file without quoted cells: the first column, and the others by name.
fn rows(path: &Path) -> BTreeMap<String, BTreeMap<String, String>> {
    let file = BufReader::new(File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).expect("gzipped text");
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let row = |line: &str| {
        let mut cells = line.split(',').map(str::to_owned);
        let key = cells.next().expect("a first column");
        (key, header[1..].iter().map(|name| (*name).to_owned()).zip(cells).collect())
    };
    lines.map(row).collect()
}

/// What the labels say, and what was found.
#[derive(Default, Debug, PartialEq)]
struct Score {
    lies: usize,
    lies_found: usize,
    harmless: usize,
    harmless_flagged: usize,
    clean: usize,
    clean_flagged: usize,
    without_record: usize,
}

/// Replays a data set by a policy that compares all that is trusted.
fn score(dataset: &str, compare: &str) -> Score {
    let policy = format!(
        "policy: p\nmatch: {{ source: inference }}\ntriggers:\n- id: facts\n  contradiction: {{ reference: customers, compare: [ {compare} ] }}\n"
    );
    let folder = Folder::with(&[("p.yaml", &policy)]);
    let reference = format!("customers={}", data(dataset, "trusted.csv.gz").display());
    let events = data(dataset, "contradiction.jsonl.gz");
    let events = events.to_str().expect("a path of ours");
    let ran = folder.policy(&["replay", "--policy", "p.yaml", "--reference", &reference, events, "--output", "json"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let (labels, trusted) = (rows(&data(dataset, "contradiction.labels.csv.gz")), rows(&data(dataset, "trusted.csv.gz")));
    let subjects = subjects(events);
    let mut score = Score::default();
    for entry in ran.lines() {
        let event_id = entry["event_id"].as_str().expect("an id");
        let (labels, found) = (&labels[event_id], found(&entry));
        let Some(record) = trusted.get(&subjects[event_id]) else {
            score.without_record += 1;
            let expected = json!([{"id":"facts","kind":"contradiction","result":"miss","value":null,"limit":null,
                "reason":"no-reference","details":null}]);
            assert_eq!((&entry["triggers"], &entry["basis"]["reference"]), (&expected, &json!({"customers":null})));
            continue;
        };
        let named = |label: &str| labels[label].split(';').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let (lies, harmless): (BTreeSet<String>, BTreeSet<String>) = (named("contradicts"), named("benign_difference"));
        let lies: BTreeSet<&String> = lies.iter().filter(|name| !record[*name].is_empty()).collect();
        score.lies += lies.len();
        score.lies_found += lies.iter().filter(|name| found.contains(**name)).count();
        score.harmless += harmless.len();
        score.harmless_flagged += harmless.iter().filter(|name| found.contains(*name)).count();
        score.clean += usize::from(lies.is_empty());
        score.clean_flagged += usize::from(lies.is_empty() && !found.is_empty());
        let others: Vec<&String> = found.iter().filter(|name| !lies.contains(name)).collect();
        assert!(others.is_empty(), "{event_id}: {others:?} are no lies");
    }
    score
}

/// The subject of each event.
fn subjects(path: &str) -> BTreeMap<String, String> {
    let mut text = String::new();
    GzDecoder::new(BufReader::new(File::open(path).expect("the events"))).read_to_string(&mut text).expect("gzipped text");
    let of = |line: &str| {
        let event: Value = serde_json::from_str(line).expect("an event");
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        (text("event_id"), text("subject_id"))
    };
    text.lines().map(of).collect()
}

/// The fields that an entry's details name, none where nothing was found.
fn found(entry: &Value) -> BTreeSet<String> {
    let triggers = entry["triggers"].as_array().expect("a list");
    let fields = triggers.iter().flat_map(|trigger| trigger["details"]["fields"].as_array().into_iter().flatten());
    let found: BTreeSet<String> = fields.map(|field| field["name"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(entry["outcome"], if found.is_empty() { "RELEASED" } else { "HELD" });
    found
}

#[test]
fn every_lie_is_found_and_no_harmless_difference() {
    for (dataset, compare) in
        [("adult", "age, education_num, workclass, education"), ("credit_default", "limit_bal, age, education, marriage")]
    {
        let score = score(dataset, compare);
        assert!(score.lies > 50 && score.harmless > 50 && score.clean > 500 && score.without_record > 50, "{dataset}: {score:?}");
        assert_eq!(score.lies_found, score.lies, "{dataset}: {score:?}");
        assert_eq!((score.harmless_flagged, score.clean_flagged), (0, 0), "{dataset}: {score:?}");
    }
}

const POLICY: &str = "\
policy: loans
match: { source: inference }
triggers:
  - id: facts
    contradiction: { reference: customers, compare: [ age, { field: features.income, trusted: yearly_income } ] }
    reason: Ask the customer
";

const EVENT: &str = r#"{"event_id":"a","timestamp":"2026-01-05T10:00:00Z","model":{"name":"loans"},"subject_id":"S1","features":{"age":40,"income":5000},"prediction":"yes","confidence":0.9}
"#;

#[test]
fn the_details_name_both_values_and_the_likely_mistake() {
    let csv = "name,subject_id,age,yearly_income\nKim,S0,40,60000\nKim,S1,41,60000\n";
    let folder = Folder::with(&[("p.yaml", POLICY), ("events.jsonl", EVENT), ("customers.csv", csv)]);
    let ran = folder.policy(&[
        "replay",
        "--policy",
        "p.yaml",
        "--reference",
        "customers=customers.csv",
        "events.jsonl",
        "--output",
        "json",
    ]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let entry = &ran.lines()[0];
    let sentence = "features.income is 5000, the trusted value is 60000: about 12 times as little (monthly vs yearly?).";
    let expected = json!([{"id":"facts","kind":"contradiction","result":"hit","value":null,"limit":null,"reason":"Ask the customer",
        "details":{"fields":[{"name":"features.income","event":5000,"trusted":60000,"sentence":sentence}]}}]);
    assert_eq!(entry["triggers"], expected);
    assert_eq!(entry["basis"]["reference"], json!({"customers":{"partition":0,"offset":2}}));
    assert_eq!((&entry["priority"]["score"], &entry["priority"]["band"]), (&json!(90), &json!("critical")));
}

#[test]
fn a_reference_that_is_not_given_or_not_sound_is_wrong_usage() {
    let folder = Folder::with(&[("p.yaml", POLICY), ("events.jsonl", EVENT), ("bad.csv", "subject_id,age\nS1\n")]);
    let replay = |more: &[&str]| folder.policy(&[&["replay", "--policy", "p.yaml", "events.jsonl"], more].concat());
    for (arguments, said) in [
        (&[][..], "The policies compare with the reference customers: say --reference customers=FILE.csv."),
        (&["--reference", "customers=bad.csv"], "bad.csv: line 2: has 1 cells; the header has 2"),
        (&["--reference", "customers=none.csv"], "none.csv cannot be read"),
        (&["--reference", "customers"], "NAME=CSV, such as customers=trusted.csv.gz"),
    ] {
        let ran = replay(arguments);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains(said), "{said}: {ran:?}");
    }
}

#[test]
fn fixtures_have_their_trusted_records_beside_them() {
    let expected = "{\"event_id\":\"a\",\"outcome\":\"HELD\",\"band\":\"critical\",\"hits\":[\"facts\"]}\n";
    let files = [("loans.yaml", POLICY), ("fixtures/f.events.jsonl", EVENT), ("fixtures/f.expected.jsonl", expected)];
    let folder = Folder::with(&files);
    let ran = folder.policy(&["test", "."]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.out.contains("has no customers.reference.csv beside it"), "{ran:?}");
    folder.write("fixtures/customers.reference.csv", b"subject_id,age\nS1,77\n");
    let ran = folder.policy(&["test", "."]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}
