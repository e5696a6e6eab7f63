//! `jidoka dev`: see it work with nothing installed. A broker in this process, production's gate, monitor and sidecar, real
//! events, and a simulated crew of reviewers.

mod asked;
mod ground;
mod line;
mod screen;
mod view;
mod why;

use std::io::{IsTerminal as _, stdin, stdout};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use clap::Args;

use super::interrupt;
use super::run::{Ended, GateRole, MonitorRole, Plan, Roles, Running, SidecarRole, TopicCheck, client_settings};
use super::terminal::{Exit, Output, fail, note};
use crate::config::Settings;
use crate::dev::crew::{PEOPLE, review};
use crate::dev::player::{Score, fill, play};
use crate::dev::policies::REFERENCE;
use crate::dev::summary::Summary;
use crate::dev::watcher::{Course, News, watch};
use crate::document::Problem;
use crate::event::Schemas;
use crate::policy::PolicySet;
use crate::stream::ClientConfig;
use crate::stream::client::ClientSettings;
use crate::stream::topics::Role;
use crate::telemetry::health::Health;
use crate::telemetry::logs::{self, LogLines};
use crate::telemetry::metrics::Metrics;
use ground::{Ground, SOURCE};
use screen::{Lines, Start};
use view::{About, Screen, Sources, View};

/// What is logged where `RUST_LOG` does not say it: what is printed is the result, and the gate's own log would bury it. The
/// monitor warns of incidents, which are shown.
const LOGS: &str = "warn,jidoka::monitor=error,librdkafka=error,rdkafka=off";

/// The gate begins to decide within this time, or something is wrong.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// The mock broker keeps 5 MiB of a partition: much faster, and it would drop what is not yet read.
const MOCK_RATE_MAX: u32 = 200;

/// Shows jidoka at work.
#[derive(Args, Debug)]
#[command(
    after_help = "By default the broker is librdkafka's mock broker in this process: it is not exactly-once, and nothing is kept. It
shows what jidoka does, not what it guarantees. --real and --bootstrap run gate, monitor and sidecar as in production. A Kafka
that wants a login is for `jidoka run`.

The events are real: UCI Adult (Becker, Kohavi 1996) and UCI Default of Credit Card Clients (Yeh 2009), both CC BY 4.0. Of
every 50, one is broken, one is sent twice, one comes again with other content, two are made to hit a rule, and two have a
flaw in their input: garbled numbers, or other facts than a topic of trusted ones has about the same person. From the credit
model's 600th event on, for 400 of them, every other favourable answer about a man becomes an adverse one: the monitor opens
an incident after some dozens of them, and adverse answers about men are held until somebody acknowledges it.

What is held is reviewed by a small simulated crew: amira, jonas and mei, and rosa, who leads. They claim the urgent cases
first, read, now and then write a comment or hand a case up, and approve or reject, by verdicts like those of any review
tool; the more is open, the faster they are. rosa acknowledges an incident after 45 s. --no-crew leaves all that to you. Nobody's key is asked for here
(`verdicts.unsigned: allow`).

On a terminal it is drawn; ? shows the keys, and Enter opens a case with its trail. Elsewhere, or with --plain, it prints
lines, and reads lines from standard input: `case ID` prints the trail of one of the last 500 cases, by its event's id or by
the beginning of its decision's id, four letters or more. `jidoka case` works on the same broker from another terminal,
the mock one included; what is printed at the start, and ?, show its settings.

Exit codes: 0 ended as asked; 1 it failed; 2 wrong usage.

Examples:
  jidoka dev
  jidoka dev --real                                    # an Apache Kafka, after tests/setup
  jidoka dev --bootstrap localhost:9092                # yours, with topics jidoka-dev-<number>.*
  jidoka dev --once 200 --rate 100
  jidoka dev --no-crew                                 # nobody reviews; the cases stay open
  jidoka dev --output json | jq 'select(.type == \"held\")'
  jidoka dev --output json | jq 'select(.type == \"rejected\") | {event_id, by, reason}'
  jidoka dev --output json | jq 'select(.type == \"incident-opened\") | .sentence'"
)]
pub struct DevArgs {
    /// Start the Apache Kafka that tests/setup fetched (Java 17 or newer), and remove it at the end
    #[arg(long, conflicts_with = "bootstrap")]
    real: bool,
    /// Use this Kafka, with topics of their own
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap: Option<String>,
    /// Play N events, wait until all of them are decided, print the summary and end
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    once: Option<u64>,
    /// Events a second; the mock broker takes 200 at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    rate: u32,
    /// Simulate no reviewers: what is held stays open
    #[arg(long)]
    no_crew: bool,
    /// Where /metrics, /healthz and /readyz are served; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: std::net::SocketAddr,
    /// Plain lines, also on a terminal
    #[arg(long)]
    plain: bool,
    /// Text for people, or one JSON document a line
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    /// Write what the view shows at the end as an SVG, and draw nothing on the terminal
    #[arg(long, value_name = "FILE", hide = true, requires = "once")]
    picture: Option<PathBuf>,
}

impl DevArgs {
    /// Names of the simulated reviewers.
    fn crew(&self) -> Vec<&'static str> {
        if self.no_crew { Vec::new() } else { PEOPLE.iter().map(|person| person.name).collect() }
    }
}

/// Runs the command.
#[must_use]
pub fn run(args: &DevArgs) -> Exit {
    let can_draw = std::env::var_os("TERM").is_some_and(|terminal| terminal != "dumb");
    let on_terminal = stdout().is_terminal() && stdin().is_terminal() && can_draw;
    let drawn = on_terminal && !args.plain && args.output == Output::Text && args.picture.is_none();
    let logs = if drawn {
        logs::init_kept(LOGS)
    } else {
        logs::init(LOGS);
        LogLines::default()
    };
    let ended = show(args, if drawn { Drawn::OnTerminal } else { Drawn::Nowhere }, &logs);
    for line in logs.take() {
        note(line);
    }
    match ended {
        Ok(()) => Exit::Done,
        Err(ended) => fail(ended.exit, ended.sentence),
    }
}

/// Whether the view is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Drawn {
    OnTerminal,
    Nowhere,
}

fn failed(sentence: String) -> Ended {
    Ended { exit: Exit::Failed, sentence }
}

fn show(args: &DevArgs, drawn: Drawn, logs: &LogLines) -> Result<(), Ended> {
    if args.rate > MOCK_RATE_MAX && !args.real && args.bootstrap.is_none() {
        let sentence =
            format!("The mock broker takes {MOCK_RATE_MAX} events a second at most; for a rate of {} use --real.", args.rate);
        return Err(Ended { exit: Exit::Usage, sentence });
    }
    let stop = interrupt::flag().map_err(|error| failed(format!("Cannot listen for Ctrl-C: {error}")))?;
    let (ground, _running) = Ground::prepare(args, &stop)?;
    let settings = settings(args, &ground)?;
    let policies = policies(&settings)?;
    let names: Vec<String> = policies.policies().iter().map(|policy| policy.name.clone()).collect();
    let metrics = Arc::new(Metrics::new());
    let commit_age = metrics.commit_age.with_label_values(&[SOURCE]);
    fill(&client(&settings), &ground.customers, &stop).map_err(failed)?;
    let monitor = MonitorRole { policies: policies.clone(), follow: None };
    let gate = GateRole { policies, schemas: Schemas::default(), follow: None };
    let roles = Roles { gate: Some(gate), monitor: Some(monitor), sidecar: Some(SidecarRole) };
    let plan = Plan { settings: &settings, roles, metrics, check: ground.check };
    let gate = plan.start("the settings of `jidoka dev`", &stop)?;
    let lines = Arc::new(Lines::new(args.output, Arc::clone(&stop)));
    let metrics = format!("http://{}/metrics", gate.address());
    let start = Start { ground: &ground, metrics, policies: &names, rate: args.rate, crew: args.crew() };
    let view = (drawn == Drawn::OnTerminal || args.picture.is_some()).then(|| View::new(about(&start)));
    if drawn == Drawn::Nowhere {
        lines.start(&start);
        asked::listen(&lines).map_err(|error| cannot_start(&error))?;
    }
    let audience = Audience { lines: (drawn == Drawn::Nowhere).then_some(&*lines), view: view.as_ref() };
    let course = Course::new(stop);
    let health = Arc::clone(gate.health());
    let sources = Sources { course: &course, health: &health, commit_age, logs };
    let run = Run { args, settings: &settings, ground: &ground, course: &course, audience: &audience };
    let summary = run.with_view(gate, &sources, drawn)?;
    let played = course.played.load(Ordering::Acquire);
    if let (Some(file), Some(view)) = (&args.picture, &view) {
        view.write_picture(file, played).map_err(|error| failed(format!("Cannot write {}: {error}", file.display())))?;
    }
    lines.end(&summary.counts(played), ground.stays.as_deref());
    match args.once {
        Some(once) if !summary.is_complete(once) => Err(failed(format!("Ended before all of {once} events were decided."))),
        _ => Ok(()),
    }
}

fn about(start: &Start<'_>) -> About {
    About {
        broker: start.ground.broker.clone(),
        means: start.ground.means.clone(),
        metrics: start.metrics.clone(),
        policies: start.policies.to_vec(),
        rate: start.rate,
        crew: start.crew.iter().map(|name| (*name).to_owned()).collect(),
        elsewhere: start.ground.case_command("ID").join(" "),
    }
}

/// Who is told what happens.
struct Audience<'a> {
    lines: Option<&'a Lines>,
    view: Option<&'a View>,
}

impl Audience<'_> {
    fn tell(&self, news: &News<'_>) {
        if let Some(lines) = self.lines {
            lines.tell(news);
        }
        if let Some(view) = self.view {
            view.tell(news);
        }
    }

    fn ready(&self) {
        if let Some(lines) = self.lines {
            lines.ready();
        }
        if let Some(view) = self.view {
            view.ready();
        }
    }
}

/// As a configuration file would say it. The environment is left out: `dev` is the same everywhere.
fn settings(args: &DevArgs, ground: &Ground) -> Result<Settings, Ended> {
    let source = format!("[ {{ name: {SOURCE}, topic: {}, start: earliest }} ]", ground.input);
    let references = format!("[ {{ name: {REFERENCE}, topic: {} }} ]", ground.customers);
    let (listen, replication) = (args.listen.to_string(), ground.layout.replication.to_string());
    let mut given = vec![
        ("KAFKA__BOOTSTRAP_SERVERS", ground.bootstrap.as_str()),
        ("TOPICS__PREFIX", &ground.layout.prefix),
        ("TOPICS__REPLICATION", &replication),
        ("SOURCES", &source),
        ("REFERENCES", &references),
        ("GATE__WORKERS", "1"),
        ("API__LISTEN", &listen),
        // Nobody's key is known here: everybody's word counts.
        ("VERDICTS__UNSIGNED", "allow"),
    ];
    if ground.check == TopicCheck::MockBroker {
        // The mock broker answers a fetch that found nothing only when its time is over, not when something comes.
        given.push(("KAFKA__FETCH_WAIT_MAX_MS", "40"));
    }
    let variables = given.into_iter().map(|(name, value)| (format!("JIDOKA__{name}"), value.to_owned()));
    Settings::load(None, variables).map_err(|problems| wrong(&problems))
}

fn client(settings: &Settings) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", settings.kafka.bootstrap_servers());
    client
}

fn policies(settings: &Settings) -> Result<PolicySet, Ended> {
    crate::dev::policies::policies(&settings.fallback).map_err(|problems| wrong(&problems))
}

fn wrong(problems: &[Problem]) -> Ended {
    let sentences: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Ended { exit: Exit::Usage, sentence: sentences.join("\n") }
}

/// One run of player, gate, sidecar, crew and watcher.
struct Run<'r> {
    args: &'r DevArgs,
    settings: &'r Settings,
    ground: &'r Ground,
    course: &'r Course,
    audience: &'r Audience<'r>,
}

impl Run<'_> {
    /// Shows the view, where there is one, for as long as the others run.
    fn with_view(&self, gate: Running, sources: &Sources<'_>, drawn: Drawn) -> Result<Summary, Ended> {
        let Some(view) = self.audience.view else { return self.until_one_ends(gate) };
        let cannot = |error: std::io::Error| failed(format!("Cannot draw on the terminal: {error}. Plain lines: --plain"));
        let mut screen = if drawn == Drawn::OnTerminal { Some(Screen::open().map_err(cannot)?) } else { None };
        std::thread::scope(|scope| {
            let drawing = thread("view").spawn_scoped(scope, || {
                let drawn = view.run(sources, screen.as_mut());
                self.course.end_unless(drawn.is_ok());
                drawn
            });
            let summary = self.until_one_ends(gate);
            view.over();
            let drawn = drawing.map_err(|error| cannot_start(&error))?.join();
            let drawn = drawn.unwrap_or_else(|_| Err(std::io::Error::other("it panicked"))).map_err(cannot);
            summary.and_then(|summary| drawn.map(|()| summary))
        })
    }

    /// Lets player, roles, crew and watcher run until one of them ends; then ends the others.
    fn until_one_ends(&self, roles: Running) -> Result<Summary, Ended> {
        let course = self.course;
        let health = Arc::clone(roles.health());
        let clients = client_settings(self.settings, Role::Reviewer);
        let topics = self.ground.watched();
        std::thread::scope(|scope| {
            let watcher = thread("watcher").spawn_scoped(scope, || {
                let watched = watch(&clients, &topics, course, &|news| self.audience.tell(news));
                course.end();
                watched.map_err(Ended::from)
            });
            let player = thread("player").spawn_scoped(scope, || {
                let played = self.play(&health);
                course.played_all.store(true, Ordering::Release);
                course.end_unless(played.is_ok());
                played.map_err(failed)
            });
            let crew = thread("crew").spawn_scoped(scope, || {
                let reviewed = if self.args.no_crew { Ok(()) } else { self.review(&clients) };
                course.end_unless(reviewed.is_ok());
                reviewed.map_err(failed)
            });
            let ended = roles.wait(&course.stop);
            course.gate_ended.store(true, Ordering::Release);
            course.end();
            let (player, crew) = (joined(player, "player"), joined(crew, "crew"));
            ended.and(player).and(crew).and(joined(watcher, "watcher"))
        })
    }

    fn review(&self, clients: &ClientSettings) -> Result<(), String> {
        review(clients, &client(self.settings), &self.ground.workplace(), &self.course.stop)
    }

    fn play(&self, health: &Health) -> Result<(), String> {
        until_ready(health, &self.course.stop)?;
        self.audience.ready();
        play(
            &client(self.settings),
            Score { topic: &self.ground.input, rate: self.args.rate, limit: self.args.once },
            self.course,
        )
    }
}

fn thread(name: &str) -> std::thread::Builder {
    std::thread::Builder::new().name(name.to_owned())
}

/// What a thread ended with; its scope waits for it in any case.
fn joined<T>(thread: std::io::Result<ScopedJoinHandle<'_, Result<T, Ended>>>, name: &str) -> Result<T, Ended> {
    let thread = thread.map_err(|error| cannot_start(&error))?;
    thread.join().unwrap_or_else(|_| Err(failed(format!("The {name} panicked."))))
}

fn cannot_start(error: &std::io::Error) -> Ended {
    failed(format!("Cannot start a thread: {error}"))
}

/// Ages count from when somebody is there to decide.
fn until_ready(health: &Health, stop: &AtomicBool) -> Result<(), String> {
    let until = Instant::now() + READY_WITHIN;
    while !health.readiness().ready && !stop.load(Ordering::Relaxed) {
        if Instant::now() > until {
            let reasons: Vec<String> =
                health.readiness().reasons.iter().map(|reason| format!("{}: {}", reason.what, reason.why)).collect();
            return Err(format!(
                "Gate, monitor and sidecar were not ready within {} s: {}",
                READY_WITHIN.as_secs(),
                reasons.join("; ")
            ));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
