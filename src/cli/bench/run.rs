//! The runs: fill an input topic once, then let both sides take turns on it.

use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::BenchArgs;
use super::compute;
use super::measure::{Counted, Counts};
use super::report::{Ages, Latency, Reloading, Results, Round};
use crate::cli::lines::{Input, Lines};
use crate::cli::run::{client_settings, gate_settings};
use crate::cli::terminal::note;
use crate::cli::{client, layout};
use crate::config::Settings;
use crate::event::Schemas;
use crate::gate::{Gate, Rules, RulesInForce};
use crate::policy::{FallbackReview, PolicySet};
use crate::stream::batch::BatchLimits;
use crate::stream::client::ClientSettings;
use crate::stream::control::{BroadcastTopics, ControlFollower};
use crate::stream::copy_loop::CopyLoop;
use crate::stream::player::{Offer, Player};
use crate::stream::topics::{Role, Shape, Topic, TopicsContext, apply, create};
use crate::stream::worker::{Unclaimed, WorkerSettings, run as run_worker};
use crate::telemetry::metrics::{GateMetrics, Metrics};

const PATIENCE: Duration = Duration::from_mins(2);
const EVENTS: [&[u8]; 2] =
    [include_bytes!("../../dev/data/adult/events.jsonl.gz"), include_bytes!("../../dev/data/credit_default/events.jsonl.gz")];
const POLICIES: [(&str, &str); 2] = [
    ("adult-income.yaml", include_str!("../../../config/policies/adult-income.yaml")),
    ("credit-default.yaml", include_str!("../../../config/policies/credit-default.yaml")),
];
/// The input stays idle for so long after all workers have their partitions: a late rebalance is no latency of a turn.
const SETTLE: Duration = Duration::from_secs(4);

/// Everything, in turns.
pub(super) fn all(args: &BenchArgs) -> Result<Results, String> {
    note("deciding without a broker");
    let adult = embedded(EVENTS[0])?;
    let compute = compute::all(&adult, args.rounds)?;
    let mut results = Results { compute, ..Results::default() };
    let Some(bootstrap) = &args.bootstrap else { return Ok(results) };
    let bench = Bench::new(args, bootstrap)?;
    note(format!("filling {} with {} records", bench.input, args.events));
    bench.fill(&bench.input, args.events, None, &Counts::new(0))?;
    note("warming up");
    bench.throughput(Side::Copy, "w")?;
    bench.throughput(Side::Gate, "w")?;
    for round in 0..args.rounds {
        note(format!("throughput, round {} of {}", round + 1, args.rounds));
        let copy = bench.throughput(Side::Copy, &round.to_string())?;
        results.rounds.push(Round { copy, gate: bench.throughput(Side::Gate, &round.to_string())? });
    }
    if args.only_throughput {
        return Ok(results);
    }
    let half = (results.gate_speed() / 2.0).round();
    for rate in [200.0, f64::from(args.rate), half] {
        for round in 0..args.rounds {
            note(format!("latency at {rate} a second, round {} of {}", round + 1, args.rounds));
            let copy = bench.latency(Side::Copy, rate, round)?;
            let gate = bench.latency(Side::Gate, rate, round)?;
            results.latencies.push(Latency { rate, copy, gate });
        }
    }
    note(format!("reading {} policies again and again at {} a second", compute::POLICIES, args.rate));
    results.reloading = Some(bench.reloading()?);
    Ok(results)
}

/// Who runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Copy,
    Gate,
    /// The gate, while policies are read and taken up once a second.
    Reloading,
}

struct Bench<'a> {
    args: &'a BenchArgs,
    bootstrap: &'a str,
    prefix: String,
    input: String,
    lines: Vec<Vec<u8>>,
}

impl<'a> Bench<'a> {
    fn new(args: &'a BenchArgs, bootstrap: &'a str) -> Result<Self, String> {
        let lines = lines(args)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
        let prefix = format!("bench-{}.", now.as_millis());
        let bench = Self { args, bootstrap, input: format!("{prefix}in"), prefix, lines };
        bench.create(&bench.input)?;
        Ok(bench)
    }

    fn create(&self, topic: &str) -> Result<(), String> {
        let settings = [("message.timestamp.type", "LogAppendTime")];
        let client = client(&self.settings(topic, "x")?.kafka);
        create(&client, topic, one_copy(self.args.partitions), &settings).map_err(|error| error.to_string())
    }

    fn settings(&self, input: &str, run: &str) -> Result<Settings, String> {
        let said = [
            ("JIDOKA__KAFKA__BOOTSTRAP_SERVERS", self.bootstrap.to_owned()),
            ("JIDOKA__TOPICS__PREFIX", format!("{}{run}.", self.prefix)),
            ("JIDOKA__TOPICS__REPLICATION", "1".to_owned()),
            ("JIDOKA__SOURCES", format!("[{{ name: {input}, topic: {input}, format: native, start: earliest }}]")),
            ("JIDOKA__GATE__WORKERS", self.args.workers.to_string()),
        ];
        let said = said.into_iter().map(|(key, value)| (key.to_owned(), value));
        let set = self.args.set.iter().filter_map(|set| set.split_once('='));
        let said = said.chain(
            set.map(|(key, value)| (format!("JIDOKA__KAFKA__{}", key.replace('.', "_").to_uppercase()), value.to_owned())),
        );
        Settings::load(None, said).map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    /// Sends `count` events, each with an id of its own; steadily at `rate`, or as fast as the broker takes them.
    fn fill(&self, topic: &str, count: u64, rate: Option<f64>, counts: &Counts) -> Result<(), String> {
        let mut client = client(&self.settings(topic, "x")?.kafka);
        if rate.is_some() {
            client.set("linger.ms", "0");
        }
        let player = Player::new(&client, topic)?;
        let began = Instant::now();
        for number in 0..count {
            if let Some(rate) = rate {
                let due = began + Duration::from_secs_f64(number as f64 / rate);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            let line = &self.lines[usize::try_from(number).unwrap_or(0) % self.lines.len()];
            let id = format!("{number:x}");
            let event = renamed(line, &id);
            while player.offer(Some(id.as_bytes()), &event) == Offer::Full {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        wait("the records to be delivered", counts, || {
            let tally = player.tally();
            tally.delivered + tally.failed >= count
        })?;
        player.tally().first_error.map_or(Ok(()), Err)
    }

    /// Events a second, and microseconds of processor an event.
    fn throughput(&self, side: Side, round: &str) -> Result<(f64, f64), String> {
        let counts = Arc::new(Counts::new(self.args.events));
        self.side(side, &self.input, &format!("t{round}"), &counts, |counts| wait("all records", counts, || counts.is_done()))?;
        counts.speed().ok_or_else(|| "the run ended before a tenth of the records".to_owned())
    }

    fn latency(&self, side: Side, rate: f64, round: u32) -> Result<Ages, String> {
        let counts = self.steadily(side, rate, round)?;
        Ok(Ages::of(&counts.ages(), &counts.touched(), counts.aborted()))
    }

    /// The gate's transactions at the steady rate, with and without policies being read meanwhile.
    fn reloading(&self) -> Result<Reloading, String> {
        let counts = self.steadily(Side::Reloading, f64::from(self.args.rate), 0)?;
        Ok(Reloading::of(&counts.transactions(), &counts.reloads()))
    }

    fn steadily(&self, side: Side, rate: f64, round: u32) -> Result<Arc<Counts>, String> {
        let run = format!("l{rate}-{round}-{side:?}");
        let input = format!("{}in-{run}", self.prefix);
        self.create(&input)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of records")]
        let count = (rate * f64::from(self.args.seconds)) as u64;
        let counts = Arc::new(Counts::new(count));
        self.side(side, &input, &run, &counts, |counts| {
            if side != Side::Copy {
                wait("the group to settle", counts, || counts.held() == i64::from(self.args.partitions))?;
            }
            std::thread::sleep(SETTLE);
            self.fill(&input, count, Some(rate), counts)?;
            wait("all records", counts, || counts.is_done())
        })?;
        Ok(counts)
    }

    /// Runs the workers of one side while `during` lasts.
    fn side(
        &self,
        side: Side,
        input: &str,
        run: &str,
        counts: &Arc<Counts>,
        during: impl FnOnce(&Counts) -> Result<(), String>,
    ) -> Result<(), String> {
        let settings = self.settings(input, run)?;
        let clients = client_settings(&settings, Role::Gate);
        let batch = BatchLimits {
            max_records: settings.gate.batch.max_records,
            max_bytes: settings.gate.batch.max_bytes,
            linger: settings.gate.batch.linger,
        };
        std::thread::scope(|scope| {
            let prepared = match side {
                Side::Copy => self.copies(&settings, &clients, batch, input, run),
                Side::Gate | Side::Reloading => self.gates(scope, side, &settings, &clients, batch, counts),
            };
            let workers = match prepared {
                Ok(work) => work
                    .into_iter()
                    .map(|work| scope.spawn(move || work(counts).inspect_err(|reason| counts.fail(reason))))
                    .collect::<Vec<_>>(),
                Err(reason) => return Err(reason),
            };
            let result = during(counts);
            counts.stop();
            let ended: Result<Vec<()>, String> =
                workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| Err("a worker panicked".to_owned()))).collect();
            result.and(ended.map(|_| ()))
        })
    }

    fn copies(
        &self,
        settings: &Settings,
        clients: &ClientSettings,
        batch: BatchLimits,
        input: &str,
        run: &str,
    ) -> Result<Vec<Work<'static>>, String> {
        let outputs = ["a", "b", "c"].map(|name| format!("{}{run}-{name}", self.prefix));
        for output in &outputs {
            create(&client(&settings.kafka), output, one_copy(i32::from(settings.topics.lanes)), &[])
                .map_err(|error| error.to_string())?;
        }
        let clients = ClientSettings { group: format!("{}copy", settings.topics.prefix), ..clients.clone() };
        Ok((0..self.args.workers)
            .map(|worker| {
                let copy = CopyLoop {
                    clients: clients.clone(),
                    worker,
                    input: input.to_owned(),
                    partitions: (0..self.args.partitions).skip(worker).step_by(self.args.workers).collect(),
                    outputs: outputs.clone(),
                    lanes: i32::from(settings.topics.lanes),
                    batch,
                };
                let work: Work<'static> = Box::new(move |counts: &Counts| {
                    copy.run(&|| counts.is_stopping(), &mut |appended| counts.committed(appended))
                        .map_err(|error| error.to_string())
                });
                work
            })
            .collect())
    }

    fn gates<'scope>(
        &self,
        scope: &'scope std::thread::Scope<'scope, '_>,
        side: Side,
        settings: &Settings,
        clients: &ClientSettings,
        batch: BatchLimits,
        counts: &Arc<Counts>,
    ) -> Result<Vec<Work<'static>>, String> {
        let layout = layout(settings);
        let context = TopicsContext { client: client(&settings.kafka), layout: layout.clone(), ..TopicsContext::default() };
        apply(&context, PATIENCE).map_err(|error| error.to_string())?;
        let files = POLICIES.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let policies = PolicySet::read(&files, &FallbackReview::default()).map_err(|problems| format!("{problems:?}"))?;
        let metrics = Arc::new(Metrics::new());
        let rules = Arc::new(RulesInForce::new(Rules::new(policies, &settings.fallback, &metrics)));
        if side == Side::Reloading {
            let (rules, counts, metrics) = (Arc::clone(&rules), Arc::clone(counts), Arc::clone(&metrics));
            let fallback = settings.fallback.clone();
            scope.spawn(move || keep_reloading(&rules, &fallback, &metrics, &counts));
        }
        let gate = Arc::new(gate_settings(settings, (&layout, None), rules, Arc::new(Schemas::default())));
        let metrics = Arc::new(GateMetrics::new(&metrics, &[&settings.sources[0].name]));
        let control = Arc::new(ControlFollower::new(settings.control_max_age));
        let topics = BroadcastTopics { control: Topic::Control.name(&layout), signals: Some(Topic::Signals.name(&layout)) };
        let (follower, reader, stopping) = (Arc::clone(&control), clients.clone(), Arc::clone(counts));
        scope.spawn(move || follower.follow(&reader, &topics, &|| stopping.is_stopping()));
        wait("the control topic", counts, || control.age().is_some())?;
        let settings = |worker| WorkerSettings {
            clients: clients.clone(),
            topics: vec![settings.sources[0].topic.clone()],
            batch,
            worker,
            unclaimed: Unclaimed::Ignore,
        };
        Ok((0..self.args.workers)
            .map(|worker| {
                let settings = settings(worker);
                let (gate, control, metrics) = (Arc::clone(&gate), Arc::clone(&control), Arc::clone(&metrics));
                let work: Work<'static> = Box::new(move |counts: &Counts| {
                    let mut processor = Counted::new(Gate::new(gate, control, metrics), counts);
                    run_worker(&settings, &mut processor, &|| Ok(1_000_000), counts).map_err(|fault| fault.sentence)
                });
                work
            })
            .collect())
    }
}

/// One worker's whole life.
type Work<'w> = Box<dyn FnOnce(&Counts) -> Result<(), String> + Send + 'w>;

fn lines(args: &BenchArgs) -> Result<Vec<Vec<u8>>, String> {
    let mut lines = Vec::new();
    for file in &args.file {
        let input = Input::from(file.clone());
        let mut reader = Lines::open(&input).map_err(|error| format!("Cannot read {input}: {error}"))?;
        while let Some(chunk) = reader.next_chunk().map_err(|error| format!("Cannot read {input}: {error}"))? {
            lines.extend(chunk.lines().map(<[u8]>::to_vec));
        }
    }
    if args.file.is_empty() {
        for gzipped in EVENTS {
            lines.extend(embedded(gzipped)?);
        }
    }
    if lines.is_empty() { Err("There are no events in the files.".to_owned()) } else { Ok(lines) }
}

fn embedded(gzipped: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(gzipped).read_to_end(&mut text).map_err(|error| error.to_string())?;
    Ok(text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect())
}

/// Reads the policies of the bench and a hundred others once a second, and puts them into force.
fn keep_reloading(rules: &RulesInForce, fallback: &FallbackReview, metrics: &Metrics, counts: &Counts) {
    let own = POLICIES.map(|(_, text)| text.to_owned());
    let all: Vec<String> = own.into_iter().chain(compute::many_policies()).collect();
    while !counts.is_stopping() {
        std::thread::sleep(Duration::from_secs(1));
        let began = Instant::now();
        match compute::read(&all) {
            Ok(set) => match rules.replace(Rules::new(set, fallback, metrics)) {
                Ok(()) => counts.reloaded(began),
                Err(error) => counts.fail(&error.to_string()),
            },
            Err(problems) => counts.fail(&problems),
        }
    }
}

/// What bench makes is measured and removed with its broker: nobody needs a second copy.
fn one_copy(partitions: i32) -> Shape {
    Shape { partitions, replication: 1 }
}

/// The event with `id` put before its own id, so that no two are duplicates.
fn renamed(line: &[u8], id: &str) -> Vec<u8> {
    const MEMBER: &[u8] = br#""event_id":""#;
    let Some(at) = line.windows(MEMBER.len()).position(|window| window == MEMBER) else { return line.to_vec() };
    let (head, tail) = line.split_at(at + MEMBER.len());
    [head, id.as_bytes(), b"-", tail].concat()
}

fn wait(what: &str, counts: &Counts, mut until: impl FnMut() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    while !until() {
        if let Some(reason) = counts.failure() {
            return Err(reason);
        }
        if Instant::now() > deadline {
            return Err(format!("waited {} s in vain for {what} ({} records done)", PATIENCE.as_secs(), counts.done()));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
