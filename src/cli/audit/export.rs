//! `jidoka audit export`: the trail as lines, from a live Kafka or from lines that were exported before.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;
use flate2::Compression;
use flate2::write::GzEncoder;
use indicatif::ProgressBar;

use super::{cut, dump};
use crate::audit::Choice;
use crate::audit::export::{Exported, write_line};
use crate::cli::terminal::{Exit, GOOD, fail, note, paint, progress, thousands};
use crate::identity::{DecisionId, Timestamp};
use crate::stream::record::Incoming;

/// A piece this large is written.
const PIECE_BYTES: usize = 256 * 1024;

/// Writes the trail as lines of JSON, whole or a choice of decisions.
#[derive(Args, Debug)]
#[command(after_help = "A line is {\"topic\",\"partition\",\"offset\",\"timestamp\",\"key\",\"value\",\"headers\"}. value is the
record's text exactly as stored; bytes that are no text stand as base64 under value_base64 (as do keys, and headers under
<name>_base64), and a tombstone's is null. Lane by lane come audit entries, then dispositions, then cases.

An export of a system at work is one cut through it: what is written meanwhile is left out as a whole, so that it verifies.
It waits for transactions that are open when it begins.

--from, --to, --model, --reviewer, --state and --decision choose decisions, and all of each one's records are written: its
whole trail, its dispositions and its case. What is left out cannot be told from what is missing then: verify such an export
with --partial.

Exit codes: 0 done; 1 the work failed; 2 wrong usage or configuration.

Examples:
  jidoka audit export --config jidoka.yaml --out trail.jsonl.gz
  jidoka audit export --config jidoka.yaml --reviewer kim --from 2026-01-05T00:00:00Z --out kims.jsonl
  jidoka audit export --dump trail.jsonl.gz --decision 925ac930a46bce327cfe9b99fc5ab0c0
  jidoka audit export --config jidoka.yaml --topics audit | jidoka audit verify -")]
pub(super) struct ExportArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE", env = "JIDOKA_CONFIG", default_value = "jidoka.yaml")]
    pub config: PathBuf,
    /// File of lines that were exported before, plain or gzipped, instead of Kafka; may be given several times
    #[arg(long, value_name = "FILE")]
    pub dump: Vec<PathBuf>,
    /// File to write, gzipped where its name ends with .gz; - is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    out: PathBuf,
    /// Topics, without their prefix
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', default_value = "audit,dispositions,cases",
        value_parser = PossibleValuesParser::new(["audit", "dispositions", "cases", "archive", "reviews", "verdicts", "progress", "tallies", "signals", "dead-letters", "control"]))]
    pub topics: Vec<String>,
    /// Only decisions made at this time or later
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Only decisions made before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Timestamp>,
    /// Only decisions about this model
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Only decisions in whose trail this reviewer acted
    #[arg(long, value_name = "WHO")]
    reviewer: Option<String>,
    /// Only decisions whose trail ends in this state; HELD is every one that was held
    #[arg(long, value_name = "STATE", ignore_case = true,
        value_parser = PossibleValuesParser::new(["RELEASED", "HELD", "PENDING", "UNDER_REVIEW", "APPROVED", "REJECTED", "EXPIRED", "CANCELLED", "DUPLICATE"]))]
    state: Option<String>,
    /// Only this decision; may be given several times
    #[arg(long, value_name = "ID", value_parser = decision)]
    decision: Vec<DecisionId>,
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "a time such as 2026-01-05T00:00:00Z".to_owned())
}

fn decision(text: &str) -> Result<DecisionId, String> {
    DecisionId::parse(text).ok_or_else(|| "a decision's id has 32 hex digits".to_owned())
}

impl ExportArgs {
    fn choice(&self) -> Choice {
        Choice {
            from: self.from,
            to: self.to,
            model: self.model.clone(),
            reviewer: self.reviewer.clone(),
            state: self.state.as_ref().map(|state| state.to_ascii_uppercase()),
            decisions: self.decision.clone(),
        }
    }
}

/// Why it ended early.
pub(super) enum Stopped {
    /// With this exit and sentence.
    Because(Exit, String),
    /// All that is wrong was said.
    Said(Exit),
    /// Nobody reads on.
    Unread,
}

impl Stopped {
    pub fn failed(reason: &impl ToString) -> Self {
        Self::Because(Exit::Failed, reason.to_string())
    }
}

/// Runs the command.
pub(super) fn run(args: &ExportArgs) -> Exit {
    let choice = args.choice();
    let mut sink = match Sink::open(&args.out) {
        Ok(sink) => sink,
        Err(error) => return fail(Exit::Failed, format!("{} cannot be written: {error}", args.out.display())),
    };
    let exported =
        if args.dump.is_empty() { cut::export(args, &choice, &mut sink) } else { dump::export(args, &choice, &mut sink) };
    let partial = !choice.is_everything();
    match exported.and_then(|()| sink.finish()) {
        Ok(lines) => {
            let hint = if partial { ", a choice: verify it with --partial" } else { "" };
            note(format_args!("{} {} records{hint}", paint(GOOD, "exported"), thousands(lines)));
            Exit::Done
        }
        Err(Stopped::Because(exit, reason)) => fail(exit, reason),
        Err(Stopped::Said(exit)) => exit,
        Err(Stopped::Unread) => Exit::Done,
    }
}

/// Where lines go.
pub(super) struct Sink {
    out: Out,
    /// What a file is called until it is whole.
    parts: Option<(PathBuf, PathBuf)>,
    buffer: Vec<u8>,
    lines: u64,
    pub bar: ProgressBar,
}

enum Out {
    Plain(Box<dyn Write>),
    Gzip(GzEncoder<BufWriter<File>>),
}

impl Sink {
    fn open(path: &Path) -> io::Result<Self> {
        let (out, parts) = if path.as_os_str() == "-" {
            (Out::Plain(Box::new(io::stdout())), None)
        } else {
            let mut part = path.as_os_str().to_owned();
            part.push(".part");
            let part = PathBuf::from(part);
            let file = BufWriter::new(File::create(&part)?);
            let gzipped = path.extension().is_some_and(|extension| extension == "gz");
            let out = if gzipped { Out::Gzip(GzEncoder::new(file, Compression::default())) } else { Out::Plain(Box::new(file)) };
            (out, Some((part, path.to_owned())))
        };
        Ok(Self { out, parts, buffer: Vec::new(), lines: 0, bar: progress(None, "records") })
    }

    /// Writes a record of a topic.
    pub fn record(&mut self, record: &Incoming<'_>) -> Result<(), Stopped> {
        let exported = Exported {
            topic: record.topic,
            partition: record.partition,
            offset: record.offset,
            timestamp: record.appended_at,
            key: record.key,
            value: record.value,
        };
        write_line(&mut self.buffer, &exported, record.headers.iter());
        self.written()
    }

    /// Writes a line that was exported before.
    pub fn line(&mut self, line: &[u8]) -> Result<(), Stopped> {
        self.buffer.extend_from_slice(line);
        self.buffer.push(b'\n');
        self.written()
    }

    fn written(&mut self) -> Result<(), Stopped> {
        self.lines += 1;
        if self.buffer.len() < PIECE_BYTES {
            return Ok(());
        }
        self.bar.set_position(self.lines);
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Stopped> {
        let written = match &mut self.out {
            Out::Plain(out) => out.write_all(&self.buffer),
            Out::Gzip(out) => out.write_all(&self.buffer),
        };
        self.buffer.clear();
        written.map_err(|error| unwritten(&error))
    }

    /// Everything was written: the file takes its name. How many lines there are.
    fn finish(mut self) -> Result<u64, Stopped> {
        self.flush()?;
        self.bar.finish_and_clear();
        let ended = match self.out {
            Out::Plain(mut out) => out.flush(),
            Out::Gzip(out) => out.finish().and_then(|mut file| file.flush()),
        };
        let named = ended.and_then(|()| self.parts.map_or(Ok(()), |(part, path)| std::fs::rename(part, path)));
        named.map(|()| self.lines).map_err(|error| unwritten(&error))
    }
}

fn unwritten(error: &io::Error) -> Stopped {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Stopped::Unread;
    }
    Stopped::failed(&format_args!("The lines cannot be written: {error}"))
}
