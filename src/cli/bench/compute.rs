//! What needs no broker: bytes → decision, the records of a decision, and reading many policies.
//!
//! Both sides of each ratio take their turns within a round, and what is shown is the median over the rounds.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::avro::Framed;
use super::report::Compute;
use crate::audit::AppendTimeType;
use crate::config::{Format, Source, Start};
use crate::control::ControlView;
use crate::dev::policies::profile;
use crate::event::{Limits, Schemas};
use crate::gate::judge::{Judge, Judged, Origin, Sighted};
use crate::gate::window::{DedupWindow, Sighting};
use crate::gate::{Gate, GateSettings, OutputTopics, Rules, RulesInForce};
use crate::identity::{LanePrefix, Timestamp};
use crate::policy::{Around, FallbackReview, PolicySet, Profiles};
use crate::reference::NoReferences;
use crate::stream::control::ControlFollower;
use crate::stream::fault::Fault;
use crate::stream::processor::Processor;
use crate::stream::record::{HeaderItem, Incoming, IncomingHeaders, Outbox, Outgoing};
use crate::telemetry::metrics::{GateMetrics, Metrics};

/// Events of a side in a round.
const EVENTS: usize = 20_000;
const LIMITS: Limits = Limits { max_bytes: 1 << 20, max_depth: 64, max_fields: 1_000 };
const AT: Timestamp = Timestamp(1_767_610_001_187);
/// Policies that are read together, each with ten rules.
pub(super) const POLICIES: usize = 100;

/// Ten rules as risk teams write them; `{n}` varies, so that no two are the same.
const RULES: [&str; 10] = [
    "amount >= 15{n} && prediction == '>50K'",
    "flags.exists(f, f.startsWith('bias-{n}'))",
    "has(features.age) && features.age < 1{n}",
    "features.hours_per_week > 9{n}",
    "features.native_country in ['Cuba', 'Iran', 'Country-{n}'] && prediction == '>50K'",
    "has(features.capital_gain) && features.capital_gain >= 99{n}",
    "protected.sex == 'Female' && protected.age_band == '75-{n}'",
    "model.version == '0.9.{n}' || model.version.startsWith('beta')",
    "confidence < 0.51 && features.education_num > 1{n}",
    "has(event.action) && action.matches('^(pay|wire)-{n}$')",
];

/// Measures everything `rounds` times, on the events of `lines` (native JSON).
pub(super) fn all(lines: &[Vec<u8>], rounds: u32) -> Result<Compute, String> {
    let avro = Framed::new(lines)?;
    let mut ten = Side::new(&policy("ten", 10), &avro)?;
    let mut many = Side::new(&policy("two-hundred", 200), &avro)?;
    let mut gate = Handing::new(&policy("ten", 10))?;
    let mut compute = Compute::default();
    // The first round warms caches and buffers up and is thrown away.
    for round in 0..=rounds {
        let json = ten.decide(lines);
        let of_avro = ten.decide(&avro.records);
        let more_rules = many.decide(lines);
        let handed = gate.handle(lines)?;
        let read = read_many()?;
        if round > 0 {
            compute.json_us.push(json);
            compute.avro_us.push(of_avro);
            compute.records_us.push(handed - json);
            compute.rules_ratio.push(more_rules / json);
            compute.reload_ms.push(read.as_secs_f64() * 1e3);
        }
    }
    Ok(compute)
}

/// A policy of so many rules and a confidence trigger.
fn policy(name: &str, rules: usize) -> String {
    let head = format!(
        "policy: {name}\ntriggers:\n  - {{ id: low-confidence, confidence: {{ measure: top_probability, below: 0.62 }} }}\n"
    );
    let line = |number: usize| {
        let rule = RULES[number % RULES.len()].replace("{n}", &format!("{:03}", number / RULES.len()));
        format!("  - {{ id: rule-{number}, rule: \"{rule}\" }}\n")
    };
    head + &(0..rules).map(line).collect::<String>()
}

pub(super) fn read(policies: &[String]) -> Result<PolicySet, String> {
    let files: Vec<(String, String)> =
        policies.iter().enumerate().map(|(number, text)| (format!("{number}.yaml"), text.clone())).collect();
    let around = Around { fallback: &FallbackReview::default(), references: None, profiles: Profiles::Files(&profile) };
    PolicySet::read_with(&files, around)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// The time that a hundred policies of ten rules take until they are in force.
fn read_many() -> Result<Duration, String> {
    let policies = many_policies();
    let began = Instant::now();
    let set = read(&policies)?;
    black_box(Rules::new(set, &FallbackReview::default(), &Metrics::new()));
    Ok(began.elapsed())
}

/// A hundred policies of ten rules, each for a model of its own.
pub(super) fn many_policies() -> Vec<String> {
    let named = |number| format!("match: {{ model: model-{number} }}\n{}", policy(&format!("policy-{number}"), 10));
    (0..POLICIES).map(named).collect()
}

/// Bytes → decision.
struct Side {
    set: PolicySet,
    judge: Judge,
}

impl Side {
    fn new(policy: &str, avro: &Framed) -> Result<Self, String> {
        let set = read(&[policy.to_owned()])?;
        let mut judge = Judge::new(LIMITS, Arc::clone(&avro.schemas));
        judge.adopt(set.plan());
        Ok(Self { set, judge })
    }

    /// Microseconds an event.
    fn decide(&mut self, values: &[Vec<u8>]) -> f64 {
        let origin = Origin { source: "bench", partition: 0, prefix: LanePrefix::of("bench", 0) };
        let mut window = DedupWindow::new(1_000);
        let control = ControlView::default();
        let band = FallbackReview::default().band;
        let signals =
            crate::decision::Signals { control: Some(&control), monitor: None, fallback_band: band, references: &NoReferences };
        let began = Instant::now();
        for (number, value) in values.iter().cycle().take(EVENTS).enumerate() {
            let offset = i64::try_from(number).unwrap_or(i64::MAX);
            let sighting = Sighting { offset, appended_at: Some(AT) };
            let sighted = Sighted::new(origin, sighting, value, AT);
            let started = Instant::now();
            let judged = self.judge.judge(&sighted, &mut window, &self.set, signals, &mut || started.elapsed());
            assert!(matches!(black_box(judged), Judged::Decided(_)), "no event comes twice within the window");
        }
        began.elapsed().as_secs_f64() * 1e6 / EVENTS as f64
    }
}

/// Bytes → all records of the decision, handed to whoever sends them.
struct Handing {
    gate: Gate,
    next: i64,
}

impl Handing {
    fn new(policy: &str) -> Result<Self, String> {
        let metrics = Arc::new(Metrics::new());
        let fallback = FallbackReview::default();
        let rules = Rules::new(read(&[policy.to_owned()])?, &fallback, &metrics);
        let name = |name: &str| name.to_owned();
        let settings = GateSettings {
            references: Arc::new(NoReferences),
            lookups: Vec::new(),
            sources: vec![Source { name: name("bench"), topic: name("in"), format: Format::Native, start: Start::Earliest }],
            topics: OutputTopics {
                audit: name("audit"),
                dispositions: name("dispositions"),
                cases: name("cases"),
                reviews: name("reviews"),
                dead_letters: name("dead-letters"),
                tallies: name("tallies"),
                progress: name("progress"),
            },
            lanes: 3,
            spread: 1,
            rules: Arc::new(RulesInForce::new(rules)),
            fallback,
            limits: LIMITS,
            schemas: Arc::new(Schemas::default()),
            window: 1_000,
            record_bytes_max: 900_000,
            dead_letter_bytes_max: 100_000,
            heads: None,
        };
        let control = Arc::new(ControlFollower::sure_of(ControlView::default()));
        let metrics = Arc::new(GateMetrics::new(&metrics, &["bench"]));
        let mut gate = Gate::new(Arc::new(settings), control, metrics);
        gate.begin_empty(0, 0);
        Ok(Self { gate, next: 0 })
    }

    /// Microseconds an event.
    fn handle(&mut self, values: &[Vec<u8>]) -> Result<f64, String> {
        let began = Instant::now();
        for value in values.iter().cycle().take(EVENTS) {
            let headers: &[HeaderItem<'_>] = &[];
            let record = Incoming {
                topic: "in",
                partition: 0,
                offset: self.next,
                appended_at: Some(AT),
                appended_at_type: AppendTimeType::LogAppend,
                key: None,
                value: Some(value),
                headers: IncomingHeaders::Plain(headers),
            };
            self.next += 1;
            self.gate.process(&record, &mut Nowhere).map_err(|fault| fault.sentence)?;
            if self.next % 2_000 == 0 {
                self.gate.finish(&mut Nowhere).map_err(|fault| fault.sentence)?;
                self.gate.committed();
            }
        }
        Ok(began.elapsed().as_secs_f64() * 1e6 / EVENTS as f64)
    }
}

/// Takes records and forgets them.
struct Nowhere;

impl Outbox for Nowhere {
    fn record_bytes_max(&self) -> usize {
        1_000_000
    }

    fn send(&mut self, record: Outgoing<'_>) -> Result<(), Fault> {
        black_box(record.value);
        Ok(())
    }
}
