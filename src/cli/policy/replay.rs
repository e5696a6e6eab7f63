//! `jidoka policy replay`: recorded events, decided by the policies at hand.

mod events;
mod json;
mod range;
mod text;

use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use indicatif::ProgressBar;

use self::events::{Events, Kind};
use self::range::Bound;
use super::{read_set, reference, sources};
use crate::cli::terminal::{Exit, FAINT, Output, fail, note, paint, progress, say, thousands};
use crate::cli::{report_problems, settings};
use crate::config::{Settings, read_schemas};
use crate::document::Problem;
use crate::event::Limits;
use crate::policy::{Policy, PolicySet};
use crate::reference::Tables;
use crate::replay::{Log, Record, Replay, Tally, Terms, TwoSets};

/// The source of files whose policies name none.
const SOURCE: &str = "replay";
const EXAMPLES_MAX: u64 = 1_000;

#[derive(Args, Debug)]
#[command(after_help = "Decides as a gate would, with the same code, and writes nothing: no topic, no group, no offset.

EVENTS are files of inference events, one a line. A line is the record at offset line - 1 of
partition 0; it was appended, and is decided, at the event's timestamp (where it has none: at an
unknown time, and decided in 1970). The source is --source, else the only one that the policies
name in `match`, else \"replay\".

With --topic the records are those of a topic, partition after partition, with their offsets and
append times, so that decision ids are those of the gate. A range begins with --from and ends
before --to; each is an offset, a time such as 2026-01-05T10:00:00Z, earliest or latest. Records
before it, as many as the dedup window spans, are read for the events that they make duplicates.
With --config, the source's name, Avro schemas and the bounds of events and window are the gate's.

A --reference is a CSV file whose first line names the columns: the column subject_id, else the
first, is the key; cells that are numbers are numbers, empty ones are absent.

--output json prints the DECIDED entries, one a line; with --against, one document with the
differences.

Exit codes: 0 done; 1 more than --allow changes, or the work failed; 2 wrong usage, configuration
or policy.

Examples:
  jidoka policy replay --policy new.yaml yesterday.jsonl.gz
  jidoka policy replay --policy active.yaml --against new.yaml --allow 2% yesterday.jsonl.gz
  jidoka policy replay --policy policies --topic inference --config jidoka.yaml \\
      --from 2026-01-05T00:00:00Z
  jidoka policy replay --policy new.yaml --topic inference --bootstrap localhost:9092 \\
      --source inference --partition 0 --from 1000 --to 2000 --output json")]
pub(super) struct ReplayArgs {
    /// Policy file, or a folder of them; several are read as one set
    #[arg(long, value_name = "FILE", required = true)]
    policy: Vec<PathBuf>,
    /// Other policies, to compare with
    #[arg(long, value_name = "FILE")]
    against: Vec<PathBuf>,
    /// Files of events, plain or gzipped; - is standard input
    #[arg(value_name = "EVENTS", required_unless_present = "topic")]
    events: Vec<PathBuf>,
    /// The source that the events come from: a part of every decision's id
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    #[command(flatten)]
    topic: TopicArgs,
    /// Trusted records that the policies compare with; may be given several times
    #[arg(long, value_name = "NAME=CSV", value_parser = reference::named)]
    reference: Vec<reference::Named>,
    /// How many examples of each kind of difference are shown
    #[arg(long, value_name = "N", default_value_t = 5, requires = "against", value_parser = clap::value_parser!(u64).range(..=EXAMPLES_MAX))]
    examples: u64,
    /// Exit with 1 when the outcome of more than this share changes: 0.02 or 2%
    #[arg(long, value_name = "SHARE", requires = "against", value_parser = share)]
    allow: Option<f64>,
    /// Form of the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// A range of a topic.
#[derive(Args, Debug)]
struct TopicArgs {
    /// Topic to read instead of files
    #[arg(long, value_name = "TOPIC", conflicts_with = "events")]
    topic: Option<String>,
    /// Brokers, instead of those of the configuration
    #[arg(long, value_name = "HOST:PORT,…", requires = "topic", conflicts_with = "events")]
    bootstrap: Option<String>,
    /// Configuration file of the gate
    #[arg(long, value_name = "FILE", requires = "topic", conflicts_with = "events")]
    config: Option<PathBuf>,
    /// A partition to read; may be given several times. Without it all are read
    #[arg(long, value_name = "N", requires = "topic", conflicts_with = "events", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Vec<i32>,
    /// Where the range begins
    #[arg(long, value_name = "WHERE", requires = "topic", conflicts_with = "events", default_value = "earliest")]
    from: Bound,
    /// Where it ends; the record there is not read any more
    #[arg(long, value_name = "WHERE", requires = "topic", conflicts_with = "events", default_value = "latest")]
    to: Bound,
}

/// `0.02` or `2%`.
fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |number| (number.trim_end(), 100.0));
    let share = number.parse::<f64>().map(|number| number / scale);
    match share {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share from 0 to 1 such as 0.02, or a percentage such as 2%".to_owned()),
    }
}

/// Why it ended early, for people.
struct Stopped {
    exit: Exit,
    reason: String,
}

impl Stopped {
    fn usage(reason: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, reason: reason.into() }
    }

    fn failed(reason: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, reason: reason.into() }
    }
}

pub(super) fn run(args: &ReplayArgs) -> Exit {
    let configured = match args.topic.config.as_deref().map(|path| settings(Some(path))).transpose() {
        Ok(configured) => configured,
        Err(exit) => return exit,
    };
    let mut terms = match configured.as_ref().map_or_else(|| Ok(Terms::default()), terms) {
        Ok(terms) => terms,
        Err(problems) => return report_problems(&problems),
    };
    let mut sets = Vec::new();
    for paths in [&args.policy, &args.against] {
        match read_set(paths, &terms.fallback) {
            Ok(set) => sets.push(set),
            Err(problems) => return report_problems(&problems),
        }
    }
    match references(args, configured.as_ref(), &sets) {
        Ok(references) => terms.references = Arc::new(references),
        Err(Stopped { exit, reason }) => return fail(exit, reason),
    }
    let began = Instant::now();
    match Events::open(args, configured.as_ref(), &sets, &terms).and_then(|events| replay(args, &sets, &terms, &events)) {
        Ok((exit, records)) => {
            if args.output == Output::Text && records > 0 {
                let seconds = began.elapsed().as_secs_f64();
                let rate = records as f64 / seconds.max(1e-3);
                let said = format!("{} records in {seconds:.1} s, {rate:.0} a second", thousands(records));
                note(paint(FAINT, said));
            }
            exit
        }
        Err(Stopped { exit, reason }) => fail(exit, reason),
    }
}

/// The trusted records, of which the policies must have all that they compare with.
fn references(args: &ReplayArgs, configured: Option<&Settings>, sets: &[PolicySet]) -> Result<Tables, Stopped> {
    let as_of = |name: &str| configured?.references.iter().find(|known| known.name == name)?.as_of.clone();
    let tables = reference::read_all(&args.reference, as_of).map_err(Stopped::usage)?;
    match reference::lacking(sets, &tables).first() {
        None => Ok(tables),
        Some(name) => {
            let reason = format!("The policies compare with the reference {name}: say --reference {name}=FILE.csv.");
            Err(Stopped::usage(reason))
        }
    }
}

/// What the gate of this configuration goes by.
fn terms(settings: &Settings) -> Result<Terms, Vec<Problem>> {
    let event = &settings.gate.event;
    let limits = Limits { max_bytes: event.max_bytes, max_depth: event.max_depth, max_fields: event.max_fields };
    let schemas = Arc::new(read_schemas(&settings.schemas)?);
    let (window, fallback) = (settings.gate.dedup_window, settings.fallback.clone());
    Ok(Terms { limits, window, fallback, schemas, ..Terms::default() })
}

/// Replays all events; how the command ends, and how many records there were.
fn replay(args: &ReplayArgs, sets: &[PolicySet], terms: &Terms, events: &Events) -> Result<(Exit, u64), Stopped> {
    let first = events.first();
    let side = |set: &PolicySet| Replay::new(set.clone(), terms.clone(), first.clone());
    let mut task = match sets {
        [policy, against] if !args.against.is_empty() => {
            let examples = usize::try_from(args.examples).unwrap_or(usize::MAX);
            Task::Compare(Box::new(TwoSets::new([side(policy), side(against)], examples)))
        }
        _ => {
            let replay = side(&sets[0]);
            let sink = match args.output {
                Output::Json => Sink::Entries(Entries::new()),
                Output::Text => Sink::Counts(Box::new(Tally::of(replay.set()))),
            };
            Task::Decide(Box::new(replay), sink)
        }
    };
    let bar = progress(events.length(), "records");
    if args.output == Output::Json && io::stdout().is_terminal() {
        // It would be drawn among the entries.
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    let fed = events.feed(&mut Feed { task: &mut task, bar: &bar });
    bar.finish_and_clear();
    fed?;
    task.report(args, events)
}

/// Where the events go, and who watches.
struct Feed<'f> {
    task: &'f mut Task,
    bar: &'f ProgressBar,
}

impl Feed<'_> {
    /// What comes now is from `log`.
    fn begin(&mut self, log: &Log) {
        match self.task {
            Task::Decide(replay, _) => replay.begin(log.clone()),
            Task::Compare(two) => two.begin(log),
        }
    }

    /// A record that lies before the range.
    fn remember(&mut self, record: &Record<'_>) {
        match self.task {
            Task::Decide(replay, _) => replay.remember(record),
            Task::Compare(two) => two.remember(record),
        }
    }

    /// A record that is judged; breaks off when nobody reads the result any more.
    fn judge(&mut self, record: &Record<'_>) -> ControlFlow<()> {
        match self.task {
            Task::Decide(replay, Sink::Counts(tally)) => tally.count(&replay.judge(record)),
            Task::Decide(replay, Sink::Entries(entries)) => return entries.write(|line| replay.judge(record).write_entry(line)),
            Task::Compare(two) => two.judge(record),
        }
        ControlFlow::Continue(())
    }

    /// So many records were judged since the last call.
    fn advance(&self, records: u64) {
        self.bar.inc(records);
    }
}

/// What is made of the events.
enum Task {
    Decide(Box<Replay>, Sink),
    Compare(Box<TwoSets>),
}

enum Sink {
    Counts(Box<Tally>),
    Entries(Entries),
}

impl Task {
    fn report(self, args: &ReplayArgs, events: &Events) -> Result<(Exit, u64), Stopped> {
        match self {
            Self::Decide(_, Sink::Entries(entries)) => entries.finish().map(|()| (Exit::Done, 0)),
            Self::Decide(replay, Sink::Counts(tally)) => {
                for line in text::tally(&tally, replay.set(), &events.described()) {
                    say(line);
                }
                Ok((Exit::Done, tally.records))
            }
            Self::Compare(two) => {
                let comparison = two.comparison();
                let is_allowed = args.allow.is_none_or(|allowed| comparison.changed_share() <= allowed);
                match args.output {
                    Output::Json => say(format_args!("{:#}", json::comparison(&two, args.allow, events))),
                    Output::Text => {
                        for line in text::comparison(&two, args.allow, events) {
                            say(line);
                        }
                    }
                }
                Ok((if is_allowed { Exit::Done } else { Exit::Failed }, comparison.records))
            }
        }
    }
}

/// Entries on their way to standard output, one a line.
struct Entries {
    out: BufWriter<io::Stdout>,
    line: Vec<u8>,
    failed: Option<io::Error>,
}

impl Entries {
    fn new() -> Self {
        Self { out: BufWriter::with_capacity(1 << 16, io::stdout()), line: Vec::new(), failed: None }
    }

    /// Writes what `entry` puts into the line, if anything; breaks off when that is not possible.
    fn write(&mut self, entry: impl FnOnce(&mut Vec<u8>)) -> ControlFlow<()> {
        self.line.clear();
        entry(&mut self.line);
        if self.line.is_empty() {
            return ControlFlow::Continue(());
        }
        self.line.push(b'\n');
        match self.out.write_all(&self.line) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    /// A reader that closed its pipe, like `head`, wanted no more.
    fn finish(mut self) -> Result<(), Stopped> {
        let flushed = self.out.flush();
        match self.failed.map_or(flushed, Err) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Stopped::failed(format!("The result cannot be written: {error}")))
            }
            _ => Ok(()),
        }
    }
}

/// `adult-income 5b59d8566350`.
fn name_of(policy: &Policy) -> String {
    let hash = policy.hash.to_string();
    format!("{} {}", policy.name, &hash[..12])
}

/// The source of files, which nobody configures.
fn source_of_files(args: &ReplayArgs, sets: &[PolicySet]) -> Result<String, Stopped> {
    if let Some(source) = &args.source {
        return Ok(source.clone());
    }
    let named = sources(sets);
    match named.len() {
        0 => Ok(SOURCE.to_owned()),
        1 => Ok(named.first().map_or_else(String::new, |source| (*source).to_owned())),
        _ => {
            let named: Vec<&str> = named.into_iter().collect();
            Err(Stopped::usage(format!(
                "Which source do the events come from? The policies name {}: say --source NAME.",
                named.join(", ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_numbers_or_percentages() {
        for (text, number) in [("0", 0.0), ("0.02", 0.02), ("1", 1.0), ("2%", 0.02), ("100 %", 1.0), ("0.5%", 0.005)] {
            assert!(share(text).is_ok_and(|share| (share - number).abs() < 1e-12), "{text}");
        }
        for text in ["", "2", "-1", "101%", "nan", "%", "two", "2%%"] {
            assert!(share(text).is_err(), "{text}");
        }
    }
}
