//! The statistics as their users meet them: a profile is built, events are replayed, and what is held is counted. The bars are
//! those of `triggers.md`, sections 2 and 3, on both data sets of `tests/data`.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};

use crate::profile::Folder;

/// A data set, and how its policies differ.
struct DataSet {
    name: &'static str,
    model: &'static str,
    adverse: &'static str,
    attributes: &'static str,
}

const ADULT: DataSet = DataSet { name: "adult", model: "adult-gbdt", adverse: "<=50K", attributes: "[ sex, race, age_band ]" };
const CREDIT: DataSet =
    DataSet { name: "credit_default", model: "credit-default-gbdt", adverse: "default", attributes: "[ sex, age_band ]" };

const CONFIDENCE: &str = "  - { id: unsure, confidence: { measure: top_probability, below: 0.62 } }\n";
const ANOMALY: &str = "  - { id: odd, anomaly: { alpha: 0.01 } }\n";

/// An event, whether its decision was right, and what was done to it.
#[derive(Clone)]
struct Labelled {
    event: Value,
    correct: bool,
    corrupted: bool,
}

impl DataSet {
    fn path(&self, file: &str) -> String {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(self.name).join(file).display().to_string()
    }

    fn text(&self, file: &str) -> String {
        let mut text = String::new();
        let open = File::open(self.path(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        MultiGzDecoder::new(open).read_to_string(&mut text).expect("gzipped text");
        text
    }

    /// A folder with a policy of these triggers, and its profile.
    fn folder(&self, triggers: &str, review: &str) -> Folder {
        let policy = format!(
            "policy: tried\nmatch: {{ model: {} }}\nadverse: prediction == '{}'\nprofile: ../adult.profile\ntriggers:\n{triggers}{review}",
            self.model, self.adverse
        );
        let folder = Folder::with(&policy);
        let (code, out, err) = folder.build(&self.path("reference.csv.gz"), &self.path("calibration.jsonl.gz"), &[]);
        assert_eq!(code, Some(0), "{out}{err}");
        folder
    }

    fn labelled(&self, file: &str) -> Vec<Labelled> {
        let labels = self.text(&format!("{file}.labels.csv.gz"));
        let (head, rows) = labels.split_once('\n').expect("a header");
        let place = |name: &str| head.split(',').position(|column| column == name);
        let (correct, kind) = (place("correct").expect("a column"), place("kind"));
        let events = self.text(&format!("{file}.jsonl.gz"));
        let pairs = events.lines().zip(rows.lines()).map(|(event, row)| {
            let event: Value = serde_json::from_str(event).expect("an event");
            let cells: Vec<&str> = row.split(',').collect();
            assert_eq!(event["event_id"], cells[0]);
            Labelled { event, correct: cells[correct] == "1", corrupted: kind.is_some_and(|kind| !cells[kind].is_empty()) }
        });
        pairs.collect()
    }

    /// Clean events, of which each hundred has so many corrupted ones instead.
    fn mixed(&self, clean: &[Labelled], bad: usize, count: usize) -> Vec<Labelled> {
        let corrupted: Vec<Labelled> = self.labelled("ood_mixed").into_iter().filter(|labelled| labelled.corrupted).collect();
        let (mut clean, mut corrupted) = (clean.iter().cycle(), corrupted.iter().cycle());
        let next = |place: usize| if place * bad % 100 < bad { corrupted.next() } else { clean.next() };
        (0..count).map(next).map(|labelled| labelled.expect("there are some").clone()).collect()
    }
}

/// What a replay said.
struct Replayed {
    /// Whether each event was held, in order.
    held: Vec<bool>,
    entries: Vec<Value>,
    /// The incidents that were opened, each with how many events were decided before.
    incidents: Vec<(usize, Value)>,
}

fn replay<'e>(folder: &Folder, events: impl IntoIterator<Item = &'e Value>) -> Replayed {
    let mut lines = String::new();
    for (number, event) in events.into_iter().enumerate() {
        let mut event = event.clone();
        event["event_id"] = json!(format!("e-{number}"));
        lines.push_str(&event.to_string());
        lines.push('\n');
    }
    folder.write("events.jsonl", &lines);
    let (code, out, err) = folder.run(&["policy", "replay", "--policy", "policies", "--output", "json", "events.jsonl"]);
    assert_eq!(code, Some(0), "{err}");
    let mut replayed = Replayed { held: Vec::new(), entries: Vec::new(), incidents: Vec::new() };
    for line in out.lines() {
        let entry: Value = serde_json::from_str(line).expect("JSON");
        match entry["kind"].as_str().expect("a kind") {
            "DECIDED" => {
                assert_eq!(entry["event_id"], format!("e-{}", replayed.held.len()));
                replayed.held.push(entry["outcome"] == "HELD");
                replayed.entries.push(entry);
            }
            "INCIDENT_OPENED" => replayed.incidents.push((replayed.held.len(), entry)),
            "INCIDENT_CLOSED" => {}
            other => panic!("{other}"),
        }
    }
    replayed
}

fn share(part: usize, of: usize) -> f64 {
    part as f64 / of.max(1) as f64
}

/// The share of those that should be looked at that is held.
fn caught(events: &[Labelled], held: &[bool]) -> f64 {
    let bad = |labelled: &Labelled| labelled.corrupted || !labelled.correct;
    let all = events.iter().filter(|labelled| bad(labelled)).count();
    share(events.iter().zip(held).filter(|(labelled, held)| **held && bad(labelled)).count(), all)
}

const CAPACITY: &str = "review: { capacity: { rate: 0.10 } }\n";

#[test]
fn a_tenth_is_held_and_it_is_the_riskiest_tenth() {
    let (mut found, mut alone) = (Vec::new(), Vec::new());
    for set in [ADULT, CREDIT] {
        let both = set.folder(&format!("{CONFIDENCE}{ANOMALY}"), CAPACITY);
        let confidence = set.folder(CONFIDENCE, CAPACITY);
        let clean = set.labelled("events");

        // Clean traffic, long enough for the tracking to settle: the events twice over.
        let long: Vec<Labelled> = clean.iter().chain(&clean).cloned().collect();
        let of_both = replay(&both, long.iter().map(|labelled| &labelled.event));
        let rate = share(of_both.held.iter().filter(|held| **held).count(), long.len());
        let first = share(of_both.held[..5_000].iter().filter(|held| **held).count(), 5_000);
        assert!((first - 0.1).abs() <= 0.015, "{}: {first} of the first 5,000", set.name);
        assert!((rate - 0.1).abs() <= 0.005, "{}: {rate} of all", set.name);
        let of_confidence = replay(&confidence, long.iter().map(|labelled| &labelled.event));
        let captured = [&of_both, &of_confidence].map(|replayed| caught(&long, &replayed.held));
        assert!(captured[0] >= captured[1] - 0.01, "{}: {captured:?} of the wrong are caught", set.name);

        // One in twenty is corrupted.
        let mixed = set.mixed(&clean, 5, 6_000);
        found.push(caught(&mixed, &replay(&both, mixed.iter().map(|labelled| &labelled.event)).held));
        alone.push(caught(&mixed, &replay(&confidence, mixed.iter().map(|labelled| &labelled.event)).held));

        // A burst: three in twenty among the last 2,000.
        let burst: Vec<Labelled> = clean[..3_000].iter().cloned().chain(set.mixed(&clean[3_000..], 15, 2_000)).collect();
        let held = replay(&both, burst.iter().map(|labelled| &labelled.event)).held;
        let in_burst = share(held[3_000..].iter().filter(|held| **held).count(), 2_000);
        assert!(in_burst <= 0.14, "{}: {in_burst} are held in a burst", set.name);
        println!(
            "{}: first {first:.3}, all {rate:.3}, captured {captured:.3?}, burst {in_burst:.3}, caught {:.3?} by confidence {:.3?}",
            set.name,
            found.last(),
            alone.last()
        );
    }
    let mean = found.iter().sum::<f64>() / found.len() as f64;
    println!("caught {mean:.3} of wrong or corrupted, by confidence alone {:.3}", alone.iter().sum::<f64>() / 2.0);
    assert!(mean >= 0.32, "{mean} of wrong or corrupted are caught: {found:?}");
}

/// The decisions of a fairness stream as events.
fn stream(set: &DataSet, file: &str) -> Vec<Value> {
    let text = set.text(&format!("fairness/{file}.csv.gz"));
    let (head, rows) = text.split_once('\n').expect("a header");
    let columns: Vec<&str> = head.split(',').collect();
    let labels = if set.name == "adult" { ["<=50K", ">50K"] } else { ["default", "no_default"] };
    let event = |row: &str| {
        let cells: HashMap<&str, &str> = columns.iter().copied().zip(row.split(',')).collect();
        let protected: BTreeMap<&str, &str> =
            columns.iter().filter(|column| !["y_true", "pred"].contains(column)).map(|column| (*column, cells[column])).collect();
        json!({ "event_id": "", "model": { "name": set.model }, "prediction": labels[usize::from(cells["pred"] == "1")], "protected": protected })
    };
    rows.lines().map(event).collect()
}

#[test]
fn a_subgroup_drop_opens_an_incident_that_holds_adverse_decisions_of_the_group() {
    for (set, file, level) in [(ADULT, "drop_sex_Female_50", "Female"), (CREDIT, "drop_sex_Male_50", "Male")] {
        let schema: Value =
            serde_json::from_str(&std::fs::read_to_string(set.path("schema.json")).expect("a file")).expect("JSON");
        let change = schema["streams"][&format!("fairness/{file}")]["change_point"].as_u64().expect("a number");
        let fairness = format!("  - {{ id: fair, fairness: {{ attributes: {} }} }}\n", set.attributes);
        let folder = set.folder(&fairness, "");
        let events = stream(&set, file);
        let replayed = replay(&folder, &events);
        let fair = replayed.incidents.iter().find(|(_, entry)| entry["incident"]["kind"] == "fairness").expect("an incident");
        let (at, incident) = (fair.0, &fair.1["incident"]);
        assert_eq!(incident["group"], json!({ "sex": level }), "{incident}");
        assert_eq!((&incident["direction"], &incident["at_event"]), (&json!("down"), &json!(at)));
        assert!(at as u64 > change, "{at} is before the change at {change}");
        println!("{} {file}: {} events after the change", set.name, at as u64 - change);
        let before = replayed.held[..at].iter().filter(|held| **held).count();
        assert_eq!(before, 0, "nothing is held before");
        let id = incident["id"].clone();
        for (entry, event) in replayed.entries[at..].iter().zip(&events[at..]).take(500) {
            let is_of_group = event["protected"]["sex"] == level;
            let is_adverse = event["prediction"] == set.adverse;
            assert_eq!(entry["basis"]["incidents"].as_array().expect("a list").contains(&id), is_of_group);
            assert!(!(is_of_group && is_adverse) || entry["outcome"] == "HELD", "{entry}");
        }
        // The same again, byte for byte.
        let again = replay(&folder, &events);
        assert!(again.entries == replayed.entries && again.incidents == replayed.incidents);
    }
}

#[test]
fn streams_without_a_drop_hold_nothing() {
    for set in [ADULT, CREDIT] {
        let fairness = format!("  - {{ id: fair, fairness: {{ attributes: {} }} }}\n", set.attributes);
        let folder = set.folder(&fairness, "");
        for file in ["null_0", "mix_shift"] {
            let replayed = replay(&folder, &stream(&set, file));
            let fair: Vec<_> = replayed.incidents.iter().filter(|(_, entry)| entry["incident"]["kind"] == "fairness").collect();
            assert!(fair.is_empty(), "{} {file}: {fair:?}", set.name);
        }
    }
}
