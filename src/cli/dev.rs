//! `jidoka dev`: see it work with nothing installed. A broker in this process, production's gate, real events.

mod screen;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Args;

use super::interrupt;
use super::run::{Ended, GatePlan, RunningGate, TopicCheck, client_settings};
use super::terminal::{Exit, Output, fail};
use crate::config::Settings;
use crate::dev::POLICIES;
use crate::dev::player::{Score, play};
use crate::dev::summary::Summary;
use crate::dev::watcher::{Course, Watched, watch};
use crate::document::Problem;
use crate::event::Schemas;
use crate::policy::PolicySet;
use crate::stream::ClientConfig;
use crate::stream::mock::MockBroker;
use crate::stream::topics::{Topic, TopicLayout};
use crate::telemetry::health::Health;
use crate::telemetry::metrics::Metrics;
use screen::{Screen, Start};

/// The input.
const TOPIC: &str = "inference";
const TOPIC_PARTITIONS: i32 = 3;
/// The gate begins to decide within this time, or something is wrong.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// The mock broker keeps 5 MiB of a partition: much faster, and it would drop what is not yet read.
const RATE_MAX: i64 = 200;

/// Shows jidoka at work.
#[derive(Args, Debug)]
#[command(
    after_help = "The broker is librdkafka's mock broker in this process: it is not exactly-once, and nothing is kept. It shows what
jidoka does, not what it guarantees; for that, `jidoka run` on a Kafka.

The events are real: UCI Adult (Becker, Kohavi 1996) and UCI Default of Credit Card Clients (Yeh 2009), both CC BY 4.0. Of
every 50, one is broken, one is sent twice and one comes again with other content.

Exit codes: 0 ended as asked; 1 it failed; 2 wrong usage.

Examples:
  jidoka dev
  jidoka dev --once 200 --rate 100
  jidoka dev --output json | jq 'select(.type == \"held\")'"
)]
pub struct DevArgs {
    /// Play N events, wait until all of them are decided, print the summary and end
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    once: Option<u64>,
    /// Events a second
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=RATE_MAX))]
    rate: u32,
    /// Where /metrics, /healthz and /readyz are served; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: std::net::SocketAddr,
    /// Text for people, or one JSON document a line
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Runs the command.
#[must_use]
pub fn run(args: &DevArgs) -> Exit {
    match show(args) {
        Ok(()) => Exit::Done,
        Err(ended) => fail(ended.exit, ended.sentence),
    }
}

fn failed(sentence: String) -> Ended {
    Ended { exit: Exit::Failed, sentence }
}

fn show(args: &DevArgs) -> Result<(), Ended> {
    let stop = interrupt::flag().map_err(|error| failed(format!("Cannot listen for Ctrl-C: {error}")))?;
    let layout = TopicLayout { replication: 1, ..TopicLayout::default() };
    let broker = start_broker(&layout)?;
    let settings = settings(args, &broker.bootstrap())?;
    let policies = policies(&settings)?;
    let names: Vec<String> = policies.policies().iter().map(|policy| policy.name.clone()).collect();
    let screen = Screen::new(args.output, Arc::clone(&stop));
    let metrics = Arc::new(Metrics::new());
    let plan = GatePlan {
        settings: &settings,
        policies,
        schemas: Schemas::default(),
        follow: None,
        metrics,
        check: TopicCheck::MockBroker,
    };
    let gate = plan.start("the settings of `jidoka dev`", &stop)?;
    screen.start(&Start { bootstrap: &broker.bootstrap(), address: gate.address(), policies: &names, rate: args.rate });
    let course = Course::new(stop);
    let summary = run_course(args, &settings, &layout, gate, &course, &screen)?;
    let played = course.played.load(Ordering::Acquire);
    screen.end(&summary.counts(played));
    match args.once {
        Some(once) if !summary.is_complete(once) => Err(failed(format!("Ended before all of {once} events were decided."))),
        _ => Ok(()),
    }
}

/// All topics are made before any client connects.
fn start_broker(layout: &TopicLayout) -> Result<MockBroker, Ended> {
    let own: Vec<(String, i32)> = Topic::ALL.iter().map(|topic| of(*topic, layout)).collect();
    let all = own.iter().map(|(name, partitions)| (name.as_str(), *partitions)).chain([(TOPIC, TOPIC_PARTITIONS)]);
    MockBroker::start(all).map_err(|error| failed(format!("Cannot start the mock broker: {error}")))
}

fn of(topic: Topic, layout: &TopicLayout) -> (String, i32) {
    (topic.name(layout), topic.partitions(layout).count())
}

/// As a configuration file would say it. The environment is left out: `dev` is the same everywhere.
fn settings(args: &DevArgs, bootstrap: &str) -> Result<Settings, Ended> {
    let source = format!("[ {{ name: {TOPIC}, topic: {TOPIC}, start: earliest }} ]");
    let listen = args.listen.to_string();
    let given = [
        ("KAFKA__BOOTSTRAP_SERVERS", bootstrap),
        // The mock broker answers a fetch that found nothing only when its time is over, not when something comes.
        ("KAFKA__FETCH_WAIT_MAX_MS", "40"),
        ("TOPICS__REPLICATION", "1"),
        ("SOURCES", &source),
        ("GATE__WORKERS", "1"),
        ("API__LISTEN", &listen),
    ];
    let variables = given.into_iter().map(|(name, value)| (format!("JIDOKA__{name}"), value.to_owned()));
    Settings::load(None, variables).map_err(|problems| wrong(&problems))
}

fn policies(settings: &Settings) -> Result<PolicySet, Ended> {
    let files = POLICIES.map(|(name, text)| (name.to_owned(), text.to_owned()));
    PolicySet::read(&files, &settings.fallback).map_err(|problems| wrong(&problems))
}

fn wrong(problems: &[Problem]) -> Ended {
    let sentences: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Ended { exit: Exit::Usage, sentence: sentences.join("\n") }
}

/// Lets player, gate and watcher run until one of them ends; then ends the others.
fn run_course(
    args: &DevArgs,
    settings: &Settings,
    layout: &TopicLayout,
    gate: RunningGate,
    course: &Course,
    screen: &Screen,
) -> Result<Summary, Ended> {
    let health = Arc::clone(gate.health());
    let clients = client_settings(settings);
    let mut producer = ClientConfig::new();
    producer.set("bootstrap.servers", settings.kafka.bootstrap_servers());
    let topics = Watched {
        audit: of(Topic::Audit, layout),
        reviews: of(Topic::Reviews, layout),
        dead_letters: of(Topic::DeadLetters, layout),
    };
    std::thread::scope(|scope| {
        let watcher = thread("watcher").spawn_scoped(scope, || {
            let watched = watch(&clients, &topics, course, &|news| screen.tell(news));
            course.end();
            watched.map_err(Ended::from)
        });
        let player = thread("player").spawn_scoped(scope, || {
            let score = Score { topic: TOPIC, rate: args.rate, limit: args.once };
            let played = until_ready(&health, course).and_then(|()| {
                screen.ready();
                play(&producer, score, &course.played, &course.stop)
            });
            course.played_all.store(true, Ordering::Release);
            if played.is_err() {
                course.end();
            }
            played.map_err(failed)
        });
        let ended = gate.wait(&course.stop);
        course.gate_ended.store(true, Ordering::Release);
        course.end();
        let player = player
            .map_err(|error| cannot_start(&error))?
            .join()
            .unwrap_or_else(|_| Err(failed("The player panicked.".to_owned())));
        let watcher = watcher
            .map_err(|error| cannot_start(&error))?
            .join()
            .unwrap_or_else(|_| Err(failed("The watcher panicked.".to_owned())));
        ended.and(player).and(watcher)
    })
}

fn thread(name: &str) -> std::thread::Builder {
    std::thread::Builder::new().name(name.to_owned())
}

fn cannot_start(error: &std::io::Error) -> Ended {
    failed(format!("Cannot start a thread: {error}"))
}

/// Ages count from when somebody is there to decide.
fn until_ready(health: &Health, course: &Course) -> Result<(), String> {
    let until = Instant::now() + READY_WITHIN;
    while !health.readiness().ready && !course.stop.load(Ordering::Relaxed) {
        if Instant::now() > until {
            let reasons: Vec<String> =
                health.readiness().reasons.iter().map(|reason| format!("{}: {}", reason.what, reason.why)).collect();
            return Err(format!("The gate was not ready within {} s: {}", READY_WITHIN.as_secs(), reasons.join("; ")));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
