//! The runs: fill an input topic once, then let both sides take turns on it.

use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::BenchArgs;
use super::compute;
use super::measure::{Counted, Counts};
use super::report::{Ages, Latency, Reloading, Results, Round};
use crate::cli::lines::{Input, Lines};
use crate::cli::run::{batch_limits, client_settings, gate_settings};
use crate::cli::terminal::note;
use crate::cli::{client, layout};
use crate::config::{BatchBounds, Settings};
use crate::dev::policies::{POLICIES, profile};
use crate::event::Schemas;
use crate::gate::{Gate, Rules, RulesInForce};
use crate::policy::{Around, FallbackReview, PolicySet, Profiles};
use crate::stream::ClientConfig;
use crate::stream::client::ClientSettings;
use crate::stream::control::{BroadcastTopics, ControlFollower};
use crate::stream::copy_loop::CopyLoop;
use crate::stream::player::{Offer, Player};
use crate::stream::topics::{Role, Shape, Topic, TopicsContext, apply, create, remove};
use crate::stream::worker::{Unclaimed, WorkerSettings, run as run_worker};
use crate::telemetry::metrics::{GateMetrics, Metrics};

const PATIENCE: Duration = Duration::from_mins(2);
const EVENTS: [&[u8]; 2] =
    [include_bytes!("../../dev/data/adult/events.jsonl.gz"), include_bytes!("../../dev/data/credit_default/events.jsonl.gz")];
/// Holds whatever is not nothing, and gives reviewers all the time there is.
const OPENING: [(&str, &str); 1] = [(
    "reviews.yaml",
    "policy: reviews
triggers:
  - { id: everything, rule: \"prediction != ''\", reason: Everything is reviewed here }
review:
  groups: [ { groups: [ reviewers ] } ]
  leads: [ leads ]
  sla: { critical: 30d, high: 30d, normal: 30d, low: 30d }
  reasons: [ confirmed, data-error, model-wrong, policy-exception ]
",
)];
/// The input stays idle for so long after all workers have their partitions: a late rebalance is no latency of a turn.
const SETTLE: Duration = Duration::from_secs(4);

/// Everything, in turns.
pub(super) fn all(args: &BenchArgs) -> Result<Results, String> {
    note("deciding without a broker");
    let adult = embedded(EVENTS[0])?;
    let compute = compute::all(&adult, args.rounds)?;
    let mut results = Results { compute, ..Results::default() };
    if let Some(bootstrap) = &args.bootstrap {
        let bench = Bench::new(args, bootstrap)?;
        let measured = of_gate(&bench, &mut results);
        bench.remove_topics();
        measured?;
    }
    Ok(results)
}

fn of_gate(bench: &Bench<'_>, results: &mut Results) -> Result<(), String> {
    let args = bench.args;
    bench.fill_input(args.events)?;
    note("warming up");
    bench.throughput(Side::Copy, "w")?;
    bench.throughput(Side::Gate, "w")?;
    for round in 0..args.rounds {
        note(format!("throughput, round {} of {}", round + 1, args.rounds));
        let copy = bench.throughput(Side::Copy, &round.to_string())?;
        let gate = bench.throughput(Side::Gate, &round.to_string())?;
        let rules_only = bench.throughput(Side::RulesOnly, &round.to_string())?;
        results.rounds.push(Round { copy, gate, rules_only });
    }
    if args.only_throughput {
        return Ok(());
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
    Ok(())
}

/// Who runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Copy,
    Gate,
    /// The gate, by the same policies without what is statistical.
    RulesOnly,
    /// The gate, while policies are read and taken up once a second.
    Reloading,
    /// The gate, by a policy that opens a case for every event.
    Opening,
    Sidecar,
}

/// What a side reads, and with how many workers.
pub(super) struct Reading {
    pub topic: String,
    pub partitions: i32,
    pub workers: usize,
    /// What a transaction takes of it.
    pub batch: fn(&Settings) -> BatchBounds,
}

/// A bench on a broker: its topics, and what is written into them.
pub(super) struct Bench<'a> {
    pub args: &'a BenchArgs,
    bootstrap: &'a str,
    pub prefix: String,
    pub input: String,
    lines: Vec<Vec<u8>>,
}

impl<'a> Bench<'a> {
    pub fn new(args: &'a BenchArgs, bootstrap: &'a str) -> Result<Self, String> {
        let lines = lines(args)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
        let prefix = format!("bench-{}.", now.as_millis());
        let bench = Self { args, bootstrap, input: format!("{prefix}in"), prefix, lines };
        bench.create(&bench.input, args.partitions)?;
        Ok(bench)
    }

    /// Creates a topic whose records carry the time at which the broker appended them.
    pub fn create(&self, topic: &str, partitions: i32) -> Result<(), String> {
        let settings = [("message.timestamp.type", "LogAppendTime")];
        create(&self.client()?, topic, one_copy(partitions), &settings).map_err(|error| error.to_string())
    }

    /// Removes all topics that were made, unless they are to stay.
    pub fn remove_topics(&self) {
        if self.args.keep_topics {
            return;
        }
        let removed = self.client().and_then(|client| remove(&client, &self.prefix).map_err(|error| error.to_string()));
        if let Err(reason) = removed {
            note(format!("the topics {}… stay: {reason}", self.prefix));
        }
    }

    /// The settings of whoever reads and writes besides both sides.
    pub fn client(&self) -> Result<ClientConfig, String> {
        Ok(client(&self.settings(&self.input, "x")?.kafka))
    }

    /// The gate's input.
    pub fn events(&self, topic: &str) -> Reading {
        Reading {
            topic: topic.to_owned(),
            partitions: self.args.partitions,
            workers: self.args.workers,
            batch: |settings| settings.gate.batch,
        }
    }

    /// The settings of a run that reads events from `input`.
    pub fn settings(&self, input: &str, run: &str) -> Result<Settings, String> {
        let said = [
            ("JIDOKA__KAFKA__BOOTSTRAP_SERVERS", self.bootstrap.to_owned()),
            ("JIDOKA__TOPICS__PREFIX", format!("{}{run}.", self.prefix)),
            ("JIDOKA__TOPICS__REPLICATION", "1".to_owned()),
            ("JIDOKA__SOURCES", format!("[{{ name: {input}, topic: {input}, format: native, start: earliest }}]")),
            ("JIDOKA__GATE__WORKERS", self.args.workers.to_string()),
            ("JIDOKA__VERDICTS__UNSIGNED", "allow".to_owned()),
        ];
        let said = said.into_iter().map(|(key, value)| (key.to_owned(), value));
        let set = self.args.set.iter().filter_map(|set| set.split_once('='));
        let said = said.chain(
            set.map(|(key, value)| (format!("JIDOKA__KAFKA__{}", key.replace('.', "_").to_uppercase()), value.to_owned())),
        );
        Settings::load(None, said).map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    /// Fills the input topic with so many events, as fast as the broker takes them.
    pub fn fill_input(&self, count: u64) -> Result<(), String> {
        note(format!("filling {} with {count} records", self.input));
        self.fill(&self.input, count, None, &Counts::new(0))
    }

    /// Sends `count` events, each with an id of its own.
    fn fill(&self, topic: &str, count: u64, rate: Option<f64>, counts: &Counts) -> Result<(), String> {
        self.play(topic, count, rate, counts, &mut |number, offer| {
            let line = &self.lines[usize::try_from(number).unwrap_or(0) % self.lines.len()];
            let id = format!("{number:x}");
            offer(None, id.as_bytes(), &renamed(line, &id));
        })
    }

    /// Sends `count` records, which `each` offers by their number; steadily at `rate`, or as fast as the broker takes them.
    pub fn play(
        &self,
        topic: &str,
        count: u64,
        rate: Option<f64>,
        counts: &Counts,
        each: &mut dyn FnMut(u64, &mut OfferTo<'_>),
    ) -> Result<(), String> {
        let mut client = self.client()?;
        if rate.is_some() {
            client.set("linger.ms", "0");
        }
        let player = Player::new(&client, topic)?;
        let mut offer = |partition: Option<i32>, key: &[u8], value: &[u8]| {
            while player.offer_to(partition, Some(key), value) == Offer::Full {
                std::thread::sleep(Duration::from_millis(2));
            }
        };
        let began = Instant::now();
        for number in 0..count {
            if let Some(rate) = rate {
                let due = began + Duration::from_secs_f64(number as f64 / rate);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            each(number, &mut offer);
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
        self.side(side, &self.events(&self.input), &format!("t{round}-{side:?}"), &counts, wait_until_done)?;
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
        self.create(&input, self.args.partitions)?;
        let count = at_rate(rate, self.args.seconds);
        let counts = Arc::new(Counts::new(count));
        let reading = self.events(&input);
        self.side(side, &reading, &run, &counts, |counts| {
            wait_until_settled(side, &reading, counts)?;
            self.fill(&input, count, Some(rate), counts)?;
            wait_until_done(counts)
        })?;
        Ok(counts)
    }

    /// Runs the workers of one side while `during` lasts.
    pub fn side(
        &self,
        side: Side,
        reading: &Reading,
        run: &str,
        counts: &Arc<Counts>,
        during: impl FnOnce(&Counts) -> Result<(), String>,
    ) -> Result<(), String> {
        // Only a gate may read what it is told; verdicts, for one, are no source.
        let is_gate = !matches!(side, Side::Copy | Side::Sidecar);
        let settings = self.settings(if is_gate { &reading.topic } else { &self.input }, run)?;
        std::thread::scope(|scope| {
            let prepared = match side {
                Side::Copy => self.copies(&settings, reading, run),
                Side::Gate | Side::RulesOnly | Side::Reloading | Side::Opening => gates(scope, side, &settings, reading, counts),
                Side::Sidecar => Ok(vec![super::reviews::sidecar(&settings)]),
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

    /// The topics that the copy loop of a run writes to.
    pub fn copied_to(&self, run: &str) -> [String; 3] {
        ["a", "b", "c"].map(|name| format!("{}{run}-{name}", self.prefix))
    }

    fn copies(&self, settings: &Settings, reading: &Reading, run: &str) -> Result<Vec<Work<'static>>, String> {
        let outputs = self.copied_to(run);
        for output in &outputs {
            create(&client(&settings.kafka), output, one_copy(i32::from(settings.topics.lanes)), &[])
                .map_err(|error| error.to_string())?;
        }
        let clients =
            ClientSettings { group: format!("{}copy", settings.topics.prefix), ..client_settings(settings, Role::Gate) };
        Ok((0..reading.workers)
            .map(|worker| {
                let copy = CopyLoop {
                    clients: clients.clone(),
                    worker,
                    input: reading.topic.clone(),
                    partitions: (0..reading.partitions).skip(worker).step_by(reading.workers).collect(),
                    outputs: outputs.clone(),
                    lanes: i32::from(settings.topics.lanes),
                    batch: batch_limits((reading.batch)(settings)),
                };
                let work: Work<'static> = Box::new(move |counts: &Counts| {
                    copy.run(&|| counts.is_stopping(), &mut |appended| counts.committed(appended))
                        .map_err(|error| error.to_string())
                });
                work
            })
            .collect())
    }
}

/// The policy in `text` without its profile and the triggers that need it.
fn rules_only(text: &str) -> String {
    const TRIGGER: &str = "\n  - id: ";
    let whole: Vec<&str> =
        text.split(TRIGGER).filter(|part| !part.contains("anomaly: {") && !part.contains("fairness: {")).collect();
    whole.join(TRIGGER).lines().filter(|line| !line.starts_with("profile: ")).flat_map(|line| [line, "\n"]).collect()
}

fn gates<'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    side: Side,
    settings: &Settings,
    reading: &Reading,
    counts: &Arc<Counts>,
) -> Result<Vec<Work<'static>>, String> {
    let clients = client_settings(settings, Role::Gate);
    let layout = layout(settings);
    let context = TopicsContext { client: client(&settings.kafka), layout: layout.clone(), ..TopicsContext::default() };
    apply(&context, PATIENCE).map_err(|error| error.to_string())?;
    let files = if side == Side::Opening { &OPENING[..] } else { &POLICIES };
    let text = |text: &str| if side == Side::RulesOnly { rules_only(text) } else { text.to_owned() };
    let files: Vec<_> = files.iter().map(|(name, whole)| ((*name).to_owned(), text(whole))).collect();
    let around = Around { fallback: &settings.fallback, references: None, profiles: Profiles::Files(&profile) };
    let policies = PolicySet::read_with(&files, around).map_err(|problems| format!("{problems:?}"))?;
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
        batch: batch_limits(settings.gate.batch),
        worker,
        unclaimed: Unclaimed::Ignore,
    };
    Ok((0..reading.workers)
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

/// Takes one record: its partition, unless its key says where it lies, its key and its value.
pub(super) type OfferTo<'o> = dyn FnMut(Option<i32>, &[u8], &[u8]) + 'o;

/// One worker's whole life.
pub(super) type Work<'w> = Box<dyn FnOnce(&Counts) -> Result<(), String> + Send + 'w>;

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

/// So many records come in so many seconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of records")]
pub(super) fn at_rate(rate: f64, seconds: u32) -> u64 {
    (rate * f64::from(seconds)) as u64
}

/// Waits until the workers of `side` have all partitions, and a little longer.
pub(super) fn wait_until_settled(side: Side, reading: &Reading, counts: &Counts) -> Result<(), String> {
    if side != Side::Copy {
        wait("the group to settle", counts, || counts.held() == i64::from(reading.partitions))?;
    }
    std::thread::sleep(SETTLE);
    Ok(())
}

/// Waits until everything is committed.
pub(super) fn wait_until_done(counts: &Counts) -> Result<(), String> {
    wait("all records", counts, || counts.is_done())
}

pub(super) fn wait(what: &str, counts: &Counts, mut until: impl FnMut() -> bool) -> Result<(), String> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::TriggerKind;

    #[test]
    fn policies_of_rules_only_are_the_same_without_what_is_statistical() {
        for (name, text) in POLICIES {
            let files = |text: &str| [(name.to_owned(), text.to_owned())];
            let around = Around { fallback: &FallbackReview::default(), references: None, profiles: Profiles::Files(&profile) };
            let whole = PolicySet::read_with(&files(text), around).expect("a sound policy");
            let rest = PolicySet::read(&files(&rules_only(text)), &FallbackReview::default()).expect("a sound policy");
            let (whole, rest) = (&whole.policies()[0], &rest.policies()[0]);
            let is_plain = |kind: &TriggerKind| !matches!(kind, TriggerKind::Anomaly(_) | TriggerKind::Fairness(_));
            let kept = whole.triggers.iter().filter(|trigger| is_plain(&trigger.kind)).map(|trigger| &trigger.id);
            assert!(kept.eq(rest.triggers.iter().map(|trigger| &trigger.id)) && whole.triggers.len() > rest.triggers.len());
            assert!(whole.trained.is_some() && rest.trained.is_none());
            assert_eq!(whole.review.groups, rest.review.groups, "{name}");
        }
    }
}
