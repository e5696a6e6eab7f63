//! An installation with a policy that has a profile, and what a monitor of it must come to.

use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::process::Command;

use jidoka::config::{ProfileFiles, read_policies};
use jidoka::policy::{FallbackReview, Policy};
use jidoka::profile::Binned;
use jidoka::signal::{Incident, Threshold};
use jidoka::tallies::{EventHash, EventTally, TallyOf, TallyRecord, TallyWriter, Truth};
use jidoka::watch::{Change, Watch, WatchTerms};
use serde_json::{Value, json};

use crate::gate::books::{Record, committed};
use crate::gate::events::{Input, Player};
use crate::gate::process::Gate;
use crate::gate::stage::{Stage, eventually};
use crate::kafka;

/// Events that a late label can be joined to.
const WINDOW: usize = 3_000;
const POLICY: &str = "\
policy: loans
match: { model: loans }
adverse: prediction == 'no'
profile: ../loans.profile
triggers:
  - id: unsure
    confidence: { measure: top_probability, below: 0.5 }
  - id: subgroup-drop
    fairness: { attributes: [ sex, region ], events_between_false_alarms: 10000 }
review:
  capacity: { rate: 0.1 }
";

/// A seeded sequence, so that a failing run can be run again.
pub struct Draws(pub u64);

impl Draws {
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.0 >> 33).expect("31 bits")) / f64::from(1_u32 << 31)
    }
}

/// See the module.
pub struct Ward {
    stage: Stage,
    pub policy: Policy,
}

impl Deref for Ward {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl Ward {
    pub fn new() -> Self {
        let stage = Stage::new(kafka::shared(), 2, "earliest");
        let outcomes = stage.topic("labels");
        kafka::shared().create_topic(&outcomes, 2, &[]);
        let monitor = format!("{{ snapshot_every: 1000, window: {WINDOW}, batch: {{ max_records: 10 }} }}");
        let stage =
            stage.with(&format!("outcomes: [ {{ topic: {outcomes:?} }} ]\nmonitor: {monitor}\nverdicts: {{ unsigned: allow }}"));
        stage.policy("loans.yaml", POLICY);
        build_profile(&stage.policies());
        let set = read_policies(&stage.policies(), &FallbackReview::default(), Some(&[]), &ProfileFiles::default());
        let set = set.expect("good policies");
        let policy = set.policies().iter().find(|policy| policy.name == "loans").expect("it is there").clone();
        Self { stage, policy }
    }

    /// What is watched.
    pub fn terms(&self) -> WatchTerms {
        WatchTerms::of(&self.policy, WINDOW).expect("it has a baseline")
    }

    /// A record of tallies as a gate writes it.
    pub fn tally(&self, events: &[EventTally<'_>]) -> Vec<u8> {
        let (mut writer, mut value) = (TallyWriter::default(), Vec::new());
        for event in events {
            writer.add(event);
        }
        let of = TallyOf { policy: "loans", policy_hash: self.policy.hash, source: "inference", partition: 0, first_offset: 0 };
        writer.write(of, &mut value);
        value
    }

    /// Writes tallies, from the event with this number on, of which the rates of `f` and `m` are as given.
    pub fn write_tallies(&self, draws: &mut Draws, first: u64, records: u64, rates: [f64; 2]) {
        const EVENTS: u64 = 50;
        let baseline = self.terms().baseline;
        let values: Vec<Vec<u8>> = (0..records)
            .map(|record| {
                let tallied: Vec<([u8; 2], Vec<u8>, bool, bool)> = (0..EVENTS)
                    .map(|_| {
                        let levels = [u8::from(draws.unit() < 0.5), u8::from(draws.unit() < 0.5)];
                        let favourable = draws.unit() < rates[usize::from(levels[0])];
                        let bins = baseline.measures.iter().map(|measure| bin(measure, draws.unit())).collect();
                        (levels, bins, favourable, draws.unit() < 0.1)
                    })
                    .collect();
                let events: Vec<EventTally<'_>> = (0_u64..)
                    .zip(&tallied)
                    .map(|(at, (levels, bins, favourable, held))| EventTally {
                        event: EventHash::of(&event_id(first + record * EVENTS + at)),
                        vector: 0,
                        held: *held,
                        mandatory: false,
                        flagged: false,
                        favourable: Some(*favourable),
                        score: None,
                        priority: 0.5,
                        levels,
                        bins,
                    })
                    .collect();
                self.tally(&events)
            })
            .collect();
        // Monitors write there, too, so that it cannot be told by its length whether all were taken.
        let text = |value: Vec<u8>| Input::plain(0, String::from_utf8(value).expect("JSON is text"));
        let inputs: Vec<Input> = values.into_iter().map(text).collect();
        Player::new(self.bootstrap(), &self.topic("tallies")).play(&inputs);
    }

    /// Writes late labels of events.
    pub fn write_labels(&self, events: impl Iterator<Item = u64>) {
        let labels: Vec<String> = events
            .map(|event| json!({ "event_id": event_id(event), "label": if event % 3 == 0 { "no" } else { "yes" } }).to_string())
            .collect();
        let values: Vec<Option<&[u8]>> = labels.iter().map(|label| Some(label.as_bytes())).collect();
        self.write((&self.topic("labels"), 1), None, &values, &[]);
    }

    /// Waits until the monitors have committed all of the tallies and labels; meanwhile these must live.
    pub fn settle(&self, processes: &mut [&mut Gate]) {
        let group = self.topic("monitor");
        eventually("all tallies to be folded", || {
            for process in processes.iter_mut() {
                process.check_alive();
            }
            // Labels first: what is forwarded of them makes the tallies longer.
            [("labels", 1), ("tallies", 0)]
                .iter()
                .all(|(name, partition)| {
                    let topic = self.topic(name);
                    let end = self.extent(&topic, *partition).1;
                    end == 0
                        || committed(self.bootstrap(), &group, &topic)
                            .get(partition)
                            .is_some_and(|next| *next >= last_of(self, name, *partition))
                })
                .then_some(())
        });
    }

    /// What the pure fold comes to over the tallies as they are.
    pub fn expected(&self) -> Expected {
        let mut watch = Watch::new(self.terms());
        let (baseline, mut expected) = (self.terms().baseline, Expected::default());
        let mut changes = Vec::new();
        for record in self.read("tallies").iter().filter(|record| record.partition == 0) {
            match TallyRecord::read(record.bytes()).expect("a tally") {
                TallyRecord::Decisions(tally) => {
                    let events = tally.events(baseline.attributes.len(), baseline.measures.len()).expect("of this baseline");
                    events.for_each(|event| watch.fold(&event, &mut changes));
                    watch.end_of_record(&mut changes);
                }
                TallyRecord::Outcome(outcome) => {
                    let Truth::Label(label) = &outcome.truth else { panic!("these tests give labels") };
                    watch.outcome(&outcome, label == "yes", &mut changes);
                }
            }
        }
        for change in changes {
            match change {
                Change::Opened(incident) => expected.opened.push(incident),
                Change::Closed(incident) => expected.closed.push(incident),
                Change::Threshold(threshold) => expected.threshold = Some(threshold),
                Change::Recalibrated(_) => {}
            }
        }
        expected
    }

    /// The monitor's audit entries, in the order of their chain.
    pub fn entries(&self) -> Vec<Value> {
        self.audit().into_iter().filter(|entry| entry["chain"]["id"] == "monitor/loans").collect()
    }

    /// The incidents of entries of this kind, in order.
    pub fn incidents(&self, kind: &str) -> Vec<Incident> {
        let of_kind = self.entries().into_iter().filter(|entry| entry["kind"] == kind);
        of_kind.map(|entry| serde_json::from_value(entry["incident"].clone()).expect("an incident")).collect()
    }

    /// The newest value of each key of `signals`.
    pub fn signals(&self) -> std::collections::BTreeMap<String, Option<Value>> {
        let text = |record: &Record| String::from_utf8(record.key.clone().expect("a key")).expect("text");
        let value = |record: &Record| record.value.as_ref().map(|value| serde_json::from_slice(value).expect("JSON"));
        self.read("signals").iter().map(|record| (text(record), value(record))).collect()
    }

    /// `jidoka audit verify` finds nothing.
    pub fn assert_verified(&self) {
        let export = self.policies().with_file_name("trail.jsonl");
        self.run_to_end(&["audit", "export", "--out", export.to_str().expect("a path of ours is text")]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_jidoka"));
        let output = command.args(["audit", "verify", "--output", "json"]).arg(&export).output().expect("the binary starts");
        let report = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// One past the last committed record's offset.
fn last_of(ward: &Ward, name: &str, partition: i32) -> i64 {
    ward.read(name).iter().filter(|record| record.partition == partition).map(|record| record.offset + 1).max().unwrap_or(0)
}

/// What the fold came to.
#[derive(Default)]
pub struct Expected {
    pub opened: Vec<Incident>,
    pub closed: Vec<Incident>,
    pub threshold: Option<Threshold>,
}

pub fn event_id(number: u64) -> String {
    format!("loan-{number}")
}

/// An event as a producer writes it.
pub fn event(number: u64, sex: &str, prediction: &str) -> String {
    json!({
        "event_id": event_id(number), "model": { "name": "loans" }, "prediction": prediction, "confidence": 0.9,
        "features": { "age": 20 + number % 50, "job": "a" }, "protected": { "sex": sex, "region": "west" },
    })
    .to_string()
}

/// 4,000 calibration events: half of all decisions are favourable, whoever asks.
fn build_profile(policies: &Path) {
    let mut draws = Draws(3);
    let rows: Vec<String> = (0..1_000).map(|row| format!("{},{}\n", 20 + row % 50, ["a", "b"][row % 2])).collect();
    let folder = policies.parent().expect("it lies in the test's folder");
    fs::write(folder.join("training.csv"), format!("age,job\n{}", rows.concat())).expect("a file in the test's folder");
    let mut of = |two: [&'static str; 2]| two[usize::from(draws.unit() < 0.5)];
    let events: Vec<String> = (0..4_000)
        .map(|row| {
            let (sex, region, prediction, job) = (of(["f", "m"]), of(["east", "west"]), of(["no", "yes"]), of(["a", "b"]));
            let event = json!({
                "event_id": format!("c{row}"), "model": { "name": "loans" }, "prediction": prediction,
                "confidence": 0.5 + f64::from(row % 500) / 1_000.0,
                "features": { "age": 20 + row % 50, "job": job }, "protected": { "sex": sex, "region": region },
            });
            format!("{event}\n")
        })
        .collect();
    fs::write(folder.join("calibration.jsonl"), events.concat()).expect("a file in the test's folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_jidoka"));
    command.current_dir(folder).args(["profile", "build", "--policy", "policies/loans.yaml", "--training", "training.csv"]);
    command.args(["--calibration", "calibration.jsonl", "--out", "loans.profile"]);
    let output = command.output().expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The policy with another hash.
pub fn other_policy() -> String {
    format!("{POLICY}\n# changed\n")
}

/// A code as the calibration events have them.
fn bin(measure: &Binned, unit: f64) -> u8 {
    let own = &measure.counts[..measure.bins.len()];
    let mut left = unit * own.iter().map(|count| f64::from(u32::try_from(*count).expect("4,000"))).sum::<f64>();
    let place = own.iter().position(|count| {
        left -= f64::from(u32::try_from(*count).expect("4,000"));
        left <= 0.0
    });
    u8::try_from(place.unwrap_or(0)).expect("few bins")
}
