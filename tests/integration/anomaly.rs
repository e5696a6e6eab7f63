//! The anomaly trigger on real data: does it find what is wrong with events, name it, and leave usual ones alone?
//!
//! The figures are those of `triggers.md`, section 1, on both data sets of `tests/data`: profiles are built of `reference`
//! and calibrated on `calibration`, false alarms are counted in `events`, corrupted events found in `ood_mixed`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use jidoka::event::Plain;
use jidoka::profile::{Columns, FirstPass, Kind, Profile, SecondPass};
use jidoka::trigger::anomaly::{Anomaly, Scratch, score};
use serde_json::Value;

struct DataSet {
    name: &'static str,
    columns: Columns,
}

/// An event, what was done to it, and to which of its features.
struct Labelled {
    features: Vec<Value>,
    kind: String,
    changed: Vec<usize>,
}

impl DataSet {
    fn open(name: &'static str) -> Self {
        let schema: Value = serde_json::from_str(&text_of(name, "schema.json")).expect("a schema");
        let kind = |feature: &Value| if feature["type"] == "number" { Kind::Number } else { Kind::Category };
        let feature = |feature: &Value| (feature["name"].as_str().expect("a name").to_owned(), kind(feature));
        let features: BTreeMap<String, Kind> = schema["features"].as_array().expect("a list").iter().map(feature).collect();
        Self { name, columns: Columns::new(features).expect("some features") }
    }

    fn place(&self, feature: &str) -> usize {
        self.columns.features().position(|(name, _)| name == feature).expect("a feature")
    }

    /// The profile of the training rows, read in so many shards.
    fn profile(&self, shards: usize) -> Profile {
        let csv = text_of(self.name, "reference.csv.gz");
        let (head, rows) = csv.split_once('\n').expect("a header");
        let columns: Vec<(usize, Kind)> = self
            .columns
            .features()
            .map(|(name, kind)| (head.split(',').position(|column| column == name).expect("a column"), kind))
            .collect();
        let row = |line| {
            let cells: Vec<&str> = str::split(line, ',').collect();
            columns.iter().map(|(place, kind)| cell(*kind, cells[*place])).collect::<Vec<_>>()
        };
        let mut first: Vec<FirstPass> = (0..shards).map(|_| FirstPass::new(&self.columns)).collect();
        rows.lines().enumerate().for_each(|(place, line)| first[place % shards].add(&row(line)));
        let first = first.into_iter().reduce(|mut all, more| {
            all.merge(&more);
            all
        });
        let frozen = first.expect("one shard at least").freeze().expect("enough rows");
        let mut second: Vec<SecondPass<'_>> = (0..shards).map(|_| SecondPass::new(&frozen)).collect();
        rows.lines().enumerate().for_each(|(place, line)| second[place % shards].add(&row(line)));
        let second = second.into_iter().reduce(|mut all, more| {
            all.merge(more);
            all
        });
        second.expect("one shard at least").finish().expect("the same rows")
    }

    fn events(&self, file: &str) -> Vec<Labelled> {
        let labels = text_of(self.name, &format!("{file}.labels.csv.gz"));
        let head: Vec<&str> = labels.lines().next().expect("a header").split(',').collect();
        let events = text_of(self.name, &format!("{file}.jsonl.gz"));
        let labelled = |(event, labels): (&str, &str)| {
            let mut event: Value = serde_json::from_str(event).expect("an event");
            let label =
                |name: &str| head.iter().zip(labels.split(',')).find(|(column, _)| **column == name).map(|(_, label)| label);
            let changed = label("changed").unwrap_or_default().split(';').filter(|feature| !feature.is_empty());
            Labelled {
                features: self.columns.features().map(|(name, _)| event["features"][name].take()).collect(),
                kind: label("kind").unwrap_or_default().to_owned(),
                changed: changed.map(|feature| self.place(feature)).collect(),
            }
        };
        events.lines().zip(labels.lines().skip(1)).map(labelled).collect()
    }
}

fn text_of(data_set: &str, file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(data_set).join(file);
    let mut bytes = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    let read = if path.extension().is_some_and(|extension| extension == "gz") {
        MultiGzDecoder::new(bytes).read_to_string(&mut text)
    } else {
        bytes.read_to_string(&mut text)
    };
    read.expect("text");
    text
}

fn cell(kind: Kind, cell: &str) -> Plain<'_> {
    match kind {
        _ if cell.is_empty() => Plain::Missing,
        Kind::Number => Plain::Number(cell.parse().expect("a number")),
        Kind::Category => Plain::Text(cell),
    }
}

fn plain(value: &Value) -> Plain<'_> {
    match value {
        Value::Bool(truth) => Plain::Bool(*truth),
        Value::Number(number) => Plain::Number(number.as_f64().expect("a double")),
        Value::String(text) => Plain::Text(text),
        _ => Plain::Missing,
    }
}

fn written(profile: &Profile) -> Vec<u8> {
    let mut bytes = Vec::new();
    profile.write(&mut bytes);
    bytes
}

/// The probability that an unusual event scores higher than a usual one.
fn auroc(unusual: &[f32], usual: &mut [f32]) -> f64 {
    usual.sort_by(f32::total_cmp);
    let below = |score: &f32| {
        let (less, not_more) = (usual.partition_point(|other| other < score), usual.partition_point(|other| other <= score));
        (less + not_more) as f64 / 2.0
    };
    unusual.iter().map(below).sum::<f64>() / (unusual.len() * usual.len()) as f64
}

fn share(of: impl IntoIterator<Item = bool>) -> f64 {
    let (hits, all) = of.into_iter().fold((0_u32, 0_u32), |(hits, all), hit| (hits + u32::from(hit), all + 1));
    f64::from(hits) / f64::from(all)
}

/// Whether one of the features that were changed is among the three that are named first.
fn is_named(event: &Labelled, anomaly: &Anomaly) -> bool {
    anomaly.unusual().iter().take(3).any(|unusual| event.changed.contains(&unusual.feature))
}

/// The bars. A feature counts as named where an event shows that it was changed, that is, of those that are among the most
/// unusual tenth (p ≤ 10 %) and so may be held: nobody reads an explanation of the others.
fn holds(name: &'static str, auroc_min: f64) {
    let data = DataSet::open(name);
    let mut profile = data.profile(1);
    assert!(written(&profile) == written(&data.profile(8)), "eight shards make another profile");
    let mut scratch = Scratch::default();
    let mut scored = |profile: &Profile, event: &Labelled| score(profile, |place| plain(&event.features[place]), &mut scratch);
    profile.calibrate(data.events("calibration").iter().map(|event| scored(&profile, event).score).collect());
    let bytes = written(&profile);
    let profile = Profile::read(&bytes).expect("what was written");

    let usual: Vec<f64> =
        data.events("events").iter().map(|event| profile.calibration().p(scored(&profile, event).score)).collect();
    let flagged = |alpha: f64| share(usual.iter().map(|p| *p <= alpha));
    let events = data.events("ood_mixed");
    let anomalies: Vec<(&Labelled, Anomaly)> = events.iter().map(|event| (event, scored(&profile, event))).collect();
    let of_kind = |kind: &str| -> Vec<f32> {
        anomalies.iter().filter(|(event, _)| event.kind == kind).map(|(_, anomaly)| anomaly.score).collect()
    };
    let kinds: BTreeSet<&str> = events.iter().map(|event| event.kind.as_str()).filter(|kind| !kind.is_empty()).collect();
    let mut usual_scores = of_kind("");
    let by_kind: Vec<(&str, f64)> = kinds.iter().map(|kind| (*kind, auroc(&of_kind(kind), &mut usual_scores))).collect();
    let mean = by_kind.iter().map(|(_, auroc)| auroc).sum::<f64>() / by_kind.len() as f64;
    let changed = anomalies.iter().filter(|(event, _)| !event.changed.is_empty());
    let may_be_held = |anomaly: &Anomaly| profile.calibration().p(anomaly.score) <= 0.1;
    let named =
        share(changed.clone().filter(|(_, anomaly)| may_be_held(anomaly)).map(|(event, anomaly)| is_named(event, anomaly)));
    let named_of_all = share(changed.map(|(event, anomaly)| is_named(event, anomaly)));

    println!("{name}: {} bytes; AUROC {mean:.4} {by_kind:.3?}", bytes.len());
    println!("named {named:.4} of those that may be held, {named_of_all:.4} of all");
    println!("usual events flagged: {:.4} at 1 %, {:.4} at 10 %", flagged(0.01), flagged(0.1));
    assert_eq!(kinds.len(), 8);
    assert!(mean >= auroc_min, "AUROC {mean}");
    assert!(named >= 0.95 && named_of_all >= 0.94, "named {named}, {named_of_all} of all");
    assert!((0.005..=0.015).contains(&flagged(0.01)), "flagged {}", flagged(0.01));
    assert!((0.085..=0.12).contains(&flagged(0.1)), "flagged {}", flagged(0.1));
}

#[test]
fn corrupted_events_of_adult_are_found_and_named() {
    holds("adult", 0.945);
}

#[test]
fn corrupted_events_of_credit_default_are_found_and_named() {
    holds("credit_default", 0.92);
}
