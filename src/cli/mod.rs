//! The command line: arguments in, exit code out.
//!
//! ```text
//! arguments ─────────→ Cli ───────┐
//! file, environment ─→ Settings ──┴─→ run of a command ─┬─→ standard output: results
//!                                                       ├─→ standard error: everything else
//!                                                       └─→ Exit: 0, 1, 2
//! ```
//!
//! Each command has a module with its arguments, its help and `run`. What they share: `terminal` (exit codes, colours,
//! tables, progress), `text` (cut, wrapped, laid out), `problems` (mistakes in files), `lines` (files of records),
//! `interrupt` (Ctrl-C), `help` and `shell` (what is made of the definitions: help texts, completions, man pages).

pub mod audit;
pub mod bench;
pub mod calibrate;
pub mod case;
pub mod control;
pub mod dev;
pub mod help;
pub mod interrupt;
pub mod lines;
pub mod policy;
pub mod problems;
pub mod produce;
pub mod profile;
mod recorded;
mod reference;
pub mod run;
pub mod shell;
pub mod terminal;
mod text;
pub mod topics;
pub mod verdict_key;

use std::path::Path;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::{KafkaProperties, Settings};
use crate::document::Problem;
use crate::stream::ClientConfig;
use crate::stream::topics::{TopicLayout, TopicsContext};
use crate::telemetry::logs;
use terminal::{Exit, fail, note};

/// Human review of high-risk AI decisions, on Kafka.
#[derive(Parser, Debug)]
#[command(
    name = "jidoka",
    version,
    about = "Human review of high-risk AI decisions, on Kafka",
    long_about = "Reads every inference event of an AI from Kafka, decides whether the automation may go on, holds the decision for a
person where it may not, and keeps an audit trail of it that nobody can quietly change.",
    after_help = "Every key of the configuration file can also be set in the environment, which outweighs it: JIDOKA__GATE__WORKERS=4,
and below kafka with _ for a dot: JIDOKA__KAFKA__SASL_PASSWORD. JIDOKA_CONFIG names the file, RUST_LOG=debug tells more, NO_COLOR=1
turns colours off. Results go to standard output, everything else to standard error.

Exit codes: 0 done; 1 the check found something or the work failed; 2 wrong usage, configuration or policy.

Examples:
  jidoka dev                                  # see it work, with nothing installed
  jidoka topics apply --config jidoka.yaml    # create its topics
  jidoka policy check policies                # read policies as a gate would
  jidoka run --config jidoka.yaml             # decide
  jidoka help policy replay                   # the help of one command"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// See it work: a broker in this process, real events, and why some decisions are held
    Dev(dev::DevArgs),
    /// Run roles of jidoka until asked to stop
    Run(run::RunArgs),
    /// Show, create and check the topics that jidoka keeps
    Topics(topics::TopicsArgs),
    /// Check policy files, try them on fixtures and on recorded events
    Policy(policy::PolicyArgs),
    /// Build the profile of a model's training data, and look at it
    Profile(profile::ProfileArgs),
    /// Propose limits, and how much each would hold, from recorded events
    Calibrate(calibrate::CalibrateArgs),
    /// List and show held decisions, and claim, approve, reject them
    Case(case::CaseArgs),
    /// Tell running gates to hold, stop or go on; accept lost input
    Control(control::ControlArgs),
    /// Export the trail, and verify that it is as it was written
    Audit(audit::AuditArgs),
    /// Make and show the keys that verdicts are signed with
    VerdictKey(verdict_key::VerdictKeyArgs),
    /// Measure the gate against a bare copy loop
    Bench(bench::BenchArgs),
    /// Play files of events into a Kafka topic
    Produce(produce::ProduceArgs),
    /// Print what a shell needs to complete commands and options
    Completions(shell::CompletionsArgs),
    /// Print or write man pages
    Man(shell::ManArgs),
}

impl Command {
    /// What is logged where `RUST_LOG` does not say it. `dev` says for itself where logs go: they would be in the way of what
    /// it draws.
    const fn logs(&self) -> Option<&'static str> {
        match self {
            Self::Dev(_) => None,
            Self::Run(_) => Some("info,librdkafka=error,rdkafka=off"),
            // They end with what came of it, a broker's refusal included.
            _ => Some("warn,librdkafka=off,rdkafka=off"),
        }
    }
}

/// The definition of the command line, from which help, completions and man pages are made.
#[must_use]
pub fn definition() -> clap::Command {
    help::flowing(Cli::command())
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> Exit {
    let cli = Cli::from_arg_matches(&definition().get_matches()).unwrap_or_else(|error| error.exit());
    if let Some(filter) = cli.command.logs() {
        logs::init(filter);
    }
    match cli.command {
        Command::Dev(args) => dev::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::VerdictKey(args) => verdict_key::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Policy(args) => policy::run(&args),
        Command::Profile(args) => profile::run(&args),
        Command::Completions(args) => shell::completions(&args, definition()),
        Command::Man(args) => shell::man(&args, definition()),
        Command::Topics(args) => match settings(Some(args.config())) {
            Ok(settings) => topics::run(&args, &topics_context(&settings, &args.config().display().to_string())),
            Err(exit) => exit,
        },
        Command::Case(args) => match settings(Some(args.config())) {
            Ok(settings) => case::run(&args, &settings),
            Err(exit) => exit,
        },
        Command::Control(args) => match settings(Some(args.config())) {
            Ok(settings) => control::run(&args, &settings),
            Err(exit) => exit,
        },
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Produce(args) => match args.config().map(|path| settings(Some(path))) {
            None => produce::run(&args, ClientConfig::new()),
            Some(Ok(settings)) => produce::run(&args, client(&settings.kafka)),
            Some(Err(exit)) => exit,
        },
    }
}

/// The settings of the file at `path` and of the environment; or the exit, after everything wrong was said.
fn settings(path: Option<&Path>) -> Result<Settings, Exit> {
    Settings::load(path, std::env::vars()).map_err(|problems| report_problems(&problems))
}

/// Says everything that is wrong in a configuration or policy.
fn report_problems(problems: &[Problem]) -> Exit {
    for problem in problems {
        note(problems::text(problem));
    }
    if problems.len() > 1 { fail(Exit::Usage, format!("{} mistakes; nothing was started.", problems.len())) } else { Exit::Usage }
}

fn client(kafka: &KafkaProperties) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (key, value) in kafka.iter() {
        config.set(key, value);
    }
    config
}

fn layout(settings: &Settings) -> TopicLayout {
    let topics = &settings.topics;
    TopicLayout {
        prefix: topics.prefix.clone(),
        lanes: topics.lanes,
        spread: topics.spread,
        replication: i32::from(topics.replication),
    }
}

fn topics_context(settings: &Settings, config_path: &str) -> TopicsContext {
    TopicsContext {
        client: client(&settings.kafka),
        layout: layout(settings),
        sources: settings.sources.iter().map(|source| source.topic.clone()).collect(),
        references: settings.references.iter().filter_map(crate::config::Reference::topic).map(str::to_owned).collect(),
        outcomes: settings.outcomes.clone(),
        bootstrap: settings.kafka.bootstrap_servers().to_owned(),
        config_path: config_path.to_owned(),
    }
}
