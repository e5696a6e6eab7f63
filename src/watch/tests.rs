//! Real streams with known changes, made-up ones of other shapes, golden values, and what a restart may not change.

mod bars;
mod behaviour;
mod golden;
mod restart;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;

use super::{Change, DuplicateTerms, FairnessTerms, Watch, WatchTerms};
use crate::event::Plain;
use crate::identity::Hash;
use crate::profile::baseline::{Attribute, Baseline, Binned, Bins, Cell, Measured};
use crate::signal::Incident;
use crate::tallies::{EventHash, EventTally};

/// A seeded sequence (splitmix64), so that every run draws the same.
#[derive(Clone)]
struct Draws(u64);

impl Draws {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.word() % bound as u64).unwrap()
    }
}

/// A score as tallies have it.
pub(super) fn single(score: f64) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "a score between 0 and 100")]
    let single = score as f32;
    single
}

/// An event as the streams have them: codes of protected levels, whether the decision was favourable, whether it should be.
#[derive(Clone, PartialEq, Debug)]
struct Decided {
    levels: Vec<u8>,
    favourable: bool,
    should: bool,
}

/// A data set of `tests/data`.
struct DataSet {
    name: &'static str,
    baseline: Arc<Baseline>,
    schema: serde_json::Value,
    /// Codes of the bins of each line of its `events`.
    events: Vec<Vec<u8>>,
}

fn gunzipped(path: &str) -> String {
    let path = format!("{}/tests/data/{path}", env!("CARGO_MANIFEST_DIR"));
    let file = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

fn json_lines(path: &str) -> Vec<serde_json::Value> {
    gunzipped(path).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn plain(value: Option<&serde_json::Value>) -> Plain<'_> {
    match value {
        Some(serde_json::Value::String(text)) => Plain::Text(text),
        Some(serde_json::Value::Number(number)) => Plain::Number(number.as_f64().unwrap()),
        Some(serde_json::Value::Bool(truth)) => Plain::Bool(*truth),
        _ => Plain::Missing,
    }
}

fn measured<'e>(event: &'e serde_json::Value, of: &Measured) -> Option<&'e serde_json::Value> {
    match of {
        Measured::Feature(name) => event["features"].get(name),
        Measured::Prediction => event.get("prediction"),
        Measured::Confidence => event.get("confidence"),
    }
}

/// Bins as [`Bins`] says, and their counts.
fn binned(events: &[serde_json::Value], of: Measured) -> Binned {
    let values: Vec<Plain<'_>> = events.iter().map(|event| plain(measured(event, &of))).collect();
    let mut numbers: Vec<f64> =
        values.iter().filter_map(|value| if let Plain::Number(number) = value { Some(*number) } else { None }).collect();
    numbers.sort_unstable_by(f64::total_cmp);
    let bins = if numbers.is_empty() {
        let mut levels: BTreeMap<String, usize> = BTreeMap::new();
        for value in &values {
            if let Plain::Text(text) = value {
                *levels.entry((*text).to_owned()).or_default() += 1;
            }
        }
        let mut levels: Vec<(usize, String)> = levels.into_iter().map(|(level, count)| (count, level)).collect();
        levels.sort_unstable_by(|a, b| b.cmp(a));
        let mut levels: Vec<String> = levels.into_iter().take(5).map(|(_, level)| level).collect();
        levels.sort_unstable();
        Bins::Levels(levels)
    } else {
        let at = |tenths: usize| numbers[(numbers.len() - 1) * tenths / 10];
        let mut cuts = [1, 3, 5, 7, 9].map(at).to_vec();
        cuts.dedup();
        Bins::Cuts(cuts)
    };
    let mut counts = vec![0; bins.len() + 2];
    for value in &values {
        counts[bins.place(bins.code(*value))] += 1;
    }
    Binned { of, bins, counts }
}

fn cells(events: impl Iterator<Item = (Vec<u8>, bool)>) -> Vec<Cell> {
    let mut counts: BTreeMap<Vec<u8>, (u64, u64)> = BTreeMap::new();
    for (levels, favourable) in events {
        let count = counts.entry(levels).or_default();
        *count = (count.0 + 1, count.1 + u64::from(favourable));
    }
    counts.into_iter().map(|(levels, (events, favourable))| Cell { levels, events, favourable }).collect()
}

impl DataSet {
    fn read(name: &'static str) -> Self {
        let path = format!("{}/tests/data/{name}/schema.json", env!("CARGO_MANIFEST_DIR"));
        let schema: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let texts = |value: &serde_json::Value| {
            value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let calibration = json_lines(&format!("{name}/calibration.jsonl.gz"));
        let attribute = |name: String| {
            let mut levels: Vec<String> =
                calibration.iter().map(|event| event["protected"][&name].as_str().unwrap().to_owned()).collect();
            levels.sort_unstable();
            levels.dedup();
            Attribute { name, levels }
        };
        let attributes: Vec<Attribute> = texts(&schema["protected"]).into_iter().map(attribute).collect();
        let levels = |event: &serde_json::Value| {
            attributes.iter().map(|attribute| attribute.code(plain(event["protected"].get(&attribute.name)))).collect()
        };
        let cells = cells(calibration.iter().map(|event| (levels(event), event["prediction"] == schema["favourable"])));
        let features = schema["features"]
            .as_array()
            .unwrap()
            .iter()
            .map(|feature| Measured::Feature(feature["name"].as_str().unwrap().to_owned()));
        let measures: Vec<Binned> =
            features.chain([Measured::Prediction, Measured::Confidence]).map(|of| binned(&calibration, of)).collect();
        let codes = |event: serde_json::Value| {
            measures.iter().map(|binned| binned.bins.code(plain(measured(&event, &binned.of)))).collect()
        };
        let events = json_lines(&format!("{name}/events.jsonl.gz")).into_iter().map(codes).collect();
        Self { name, baseline: Arc::new(Baseline { attributes, cells, measures }), schema, events }
    }

    fn both() -> [Self; 2] {
        ["adult", "credit_default"].map(Self::read)
    }

    /// A stream of `fairness/`.
    fn stream(&self, name: &str) -> Vec<Decided> {
        let text = gunzipped(&format!("{}/{name}.csv.gz", self.name));
        let mut lines = text.lines();
        let head: Vec<&str> = lines.next().unwrap().split(',').collect();
        let column = |name: &str| head.iter().position(|column| *column == name).unwrap();
        let columns: Vec<(usize, &Attribute)> =
            self.baseline.attributes.iter().map(|attribute| (column(&attribute.name), attribute)).collect();
        let (should, favourable) = (column("y_true"), column("pred"));
        lines
            .map(|line| {
                let values: Vec<&str> = line.split(',').collect();
                let levels = columns.iter().map(|(column, attribute)| attribute.code(Plain::Text(values[*column]))).collect();
                Decided { levels, favourable: values[favourable] == "1", should: values[should] == "1" }
            })
            .collect()
    }

    /// The streams without any change, one after another: as good as the population.
    fn population(&self) -> Vec<Decided> {
        (0..3).flat_map(|stream| self.stream(&format!("fairness/null_{stream}"))).collect()
    }

    fn terms(&self) -> WatchTerms {
        fairness_terms(Arc::new(Baseline { measures: Vec::new(), ..(*self.baseline).clone() }))
    }
}

fn fairness_terms(baseline: Arc<Baseline>) -> WatchTerms {
    WatchTerms {
        policy: "loans".to_owned(),
        policy_hash: Hash([7; 32]),
        fairness: Some(FairnessTerms {
            attributes: (0..baseline.attributes.len()).collect(),
            events_between_false_alarms: 100_000.0,
        }),
        baseline,
        capacity: None,
        alpha: None,
        duplicates: DuplicateTerms::default(),
        window: 100_000,
    }
}

/// An event about which nothing is said but what `levels` and `favourable` say.
fn tally(number: u64, levels: &[u8], favourable: bool) -> EventTally<'_> {
    EventTally {
        event: EventHash(number.to_be_bytes()),
        vector: 0,
        held: false,
        mandatory: false,
        flagged: false,
        favourable: Some(favourable),
        score: None,
        priority: 0.0,
        levels,
        bins: &[],
    }
}

fn opened(changes: &[Change]) -> Vec<&Incident> {
    changes.iter().filter_map(|change| if let Change::Opened(incident) = change { Some(incident) } else { None }).collect()
}

/// Folds a whole stream.
fn folded(terms: WatchTerms, events: &[Decided]) -> Vec<Incident> {
    let (mut watch, mut changes) = (Watch::new(terms), Vec::new());
    for (event, number) in events.iter().zip(1..) {
        watch.fold(&tally(number, &event.levels, event.favourable), &mut changes);
    }
    opened(&changes).into_iter().cloned().collect()
}
