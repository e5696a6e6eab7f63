//! `jidoka policy replay`: recorded events, decided by the policies at hand.

mod json;
mod text;

use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use indicatif::ProgressBar;

use crate::cli::recorded::{self, Events, Feed, Ground, Kind, RecordedArgs};
use crate::cli::terminal::{Exit, FAINT, Output, Stopped, note, paint, progress, say};
use crate::policy::{Policy, PolicySet};
use crate::replay::{Log, Record, Replay, Tally, TwoSets};

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
    #[command(flatten)]
    recorded: RecordedArgs,
    /// How many examples of each kind of difference are shown
    #[arg(long, value_name = "N", default_value_t = 5, requires = "against", value_parser = clap::value_parser!(u64).range(..=EXAMPLES_MAX))]
    examples: u64,
    /// Exit with 1 when the outcome of more than this share changes: 0.02 or 2%
    #[arg(long, value_name = "SHARE", requires = "against", value_parser = recorded::share)]
    allow: Option<f64>,
    /// Form of the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &ReplayArgs) -> Exit {
    let ground = match recorded::open(&args.recorded, &[&args.policy, &args.against]) {
        Ok(ground) => ground,
        Err(stopped) => return stopped.say(),
    };
    let began = Instant::now();
    match replay(args, &ground) {
        Ok((exit, records)) => {
            if args.output == Output::Text && records > 0 {
                note(paint(FAINT, recorded::speed(records, began.elapsed())));
            }
            exit
        }
        Err(stopped) => stopped.say(),
    }
}

/// Replays all events; how the command ends, and how many records there were.
fn replay(args: &ReplayArgs, Ground { sets, terms, events }: &Ground) -> Result<(Exit, u64), Stopped> {
    let first = events.first();
    let side = |set: &PolicySet| Replay::new(set.clone(), terms.clone(), first.clone());
    let mut task = match &sets[..] {
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
    let fed = events.feed(&mut Watched { task: &mut task, bar: &bar });
    bar.finish_and_clear();
    fed?;
    task.report(args, events)
}

/// Where the events go, and who watches.
struct Watched<'f> {
    task: &'f mut Task,
    bar: &'f ProgressBar,
}

impl Feed for Watched<'_> {
    fn begin(&mut self, log: &Log) {
        match self.task {
            Task::Decide(replay, _) => replay.begin(log.clone()),
            Task::Compare(two) => two.begin(log),
        }
    }

    fn remember(&mut self, record: &Record<'_>) {
        match self.task {
            Task::Decide(replay, _) => replay.remember(record),
            Task::Compare(two) => two.remember(record),
        }
    }

    fn judge(&mut self, record: &Record<'_>) -> ControlFlow<()> {
        match self.task {
            Task::Decide(replay, Sink::Counts(tally)) => tally.count(&replay.judge(record)),
            Task::Decide(replay, Sink::Entries(entries)) => return entries.write(|line| replay.judge(record).write_entry(line)),
            Task::Compare(two) => two.judge(record),
        }
        ControlFlow::Continue(())
    }

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
