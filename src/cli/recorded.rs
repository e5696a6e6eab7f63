//! Recorded events for commands that decide them again: where they come from, and by which policies.
//!
//! `arguments → `[`open`]` → `[`Ground`]` → `[`Events::feed`]` → record after record`

mod range;

use std::fs::File;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use self::range::{Bound, is_forward, offsets};
use super::lines::{Input, Lines};
use super::policy::{read_set, sources};
use super::terminal::{Stopped, thousands};
use super::{client, reference, report_problems, settings};
use crate::config::{Settings, read_schemas};
use crate::document::Problem;
use crate::event::Limits;
use crate::policy::PolicySet;
use crate::reference::Tables;
use crate::replay::{FileRecords, Log, Record, Terms};
use crate::stream::ClientConfig;
use crate::stream::log_reader::Extent;
use crate::stream::processor::InputPartition;
use crate::stream::range_reader::RangeReader;
use crate::stream::record::Incoming;
use crate::stream::topics::{TopicsError, partition_count};

/// The source of files whose policies name none.
const SOURCE: &str = "replay";
/// How long the first answer of the brokers may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);
/// So often the progress bar moves.
const ADVANCE_EVERY: u64 = 256;

/// Which events.
#[derive(Args, Debug)]
pub(super) struct RecordedArgs {
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

/// What is needed to decide recorded events.
pub(super) struct Ground {
    /// The policies, a set for each list of files.
    pub sets: Vec<PolicySet>,
    /// What a gate would go by.
    pub terms: Terms,
    /// The events.
    pub events: Events,
}

/// Reads the configuration, the policies of each of these lists, trusted records, and finds out what there is to read.
///
/// # Errors
/// With what is wrong; mistakes in files are printed.
pub(super) fn open(args: &RecordedArgs, policies: &[&[PathBuf]]) -> Result<Ground, Stopped> {
    let wrong = |problems: Vec<Problem>| Stopped::silently(report_problems(&problems));
    let configured = args.topic.config.as_deref().map(|path| settings(Some(path))).transpose().map_err(Stopped::silently)?;
    let mut terms = configured.as_ref().map_or_else(|| Ok(Terms::default()), terms).map_err(wrong)?;
    let sets = policies.iter().map(|paths| read_set(paths, &terms.fallback)).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    terms.references = Arc::new(references(args, configured.as_ref(), &sets)?);
    let events = Events::open(args, configured.as_ref(), &sets, &terms)?;
    Ok(Ground { sets, terms, events })
}

/// How fast it went, for people.
pub(super) fn speed(records: u64, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    format!("{} records in {seconds:.1} s, {:.0} a second", thousands(records), records as f64 / seconds.max(1e-3))
}

/// `0.02` or `2%`.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |number| (number.trim_end(), 100.0));
    let share = number.parse::<f64>().map(|number| number / scale);
    match share {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share from 0 to 1 such as 0.02, or a percentage such as 2%".to_owned()),
    }
}

/// Whoever takes recorded events.
pub(super) trait Feed {
    /// What comes now is from `log`.
    fn begin(&mut self, log: &Log);
    /// A record that lies before the range.
    fn remember(&mut self, record: &Record<'_>);
    /// A record that is judged; breaks off when nobody reads the result any more.
    fn judge(&mut self, record: &Record<'_>) -> ControlFlow<()>;
    /// So many records were judged since the last call.
    fn advance(&self, records: u64);
}

/// What kind of place events lie in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Files,
    Topic,
}

/// Events that can be read.
pub(super) struct Events {
    source: String,
    from: From,
}

enum From {
    Files { inputs: Vec<Input>, limits: Limits },
    Topic { reader: RangeReader, ranges: Vec<Range>, window: u32 },
}

struct Range {
    partition: InputPartition,
    log: Extent,
    read: Extent,
}

impl Events {
    /// Finds out what there is to read.
    pub fn open(args: &RecordedArgs, configured: Option<&Settings>, sets: &[PolicySet], terms: &Terms) -> Result<Self, Stopped> {
        if let Some(topic) = &args.topic.topic {
            let source = source_of_topic(topic, args, configured, sets)?;
            let (reader, ranges) = ranges(topic, &args.topic, configured)?;
            return Ok(Self { source, from: From::Topic { reader, ranges, window: terms.window } });
        }
        let inputs = usable(args.events.iter().cloned().map(Input::from).collect())?;
        Ok(Self { source: source_of_files(args, sets)?, from: From::Files { inputs, limits: terms.limits } })
    }

    pub fn kind(&self) -> Kind {
        match self.from {
            From::Files { .. } => Kind::Files,
            From::Topic { .. } => Kind::Topic,
        }
    }

    /// Name of their source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The log that comes first.
    pub fn first(&self) -> Log {
        match &self.from {
            From::Files { inputs, .. } => self.file(&inputs[0]),
            From::Topic { ranges, .. } => self.partition(&ranges[0].partition),
        }
    }

    fn file(&self, input: &Input) -> Log {
        let topic = if *input == Input::Stdin { "-".to_owned() } else { input.to_string() };
        Log { source: self.source.clone(), topic, partition: 0 }
    }

    fn partition(&self, partition: &InputPartition) -> Log {
        Log { source: self.source.clone(), topic: partition.topic.clone(), partition: partition.partition }
    }

    /// How many records there are, where that is known before.
    pub fn length(&self) -> Option<u64> {
        match &self.from {
            From::Files { .. } => None,
            From::Topic { ranges, .. } => {
                Some(ranges.iter().map(|range| u64::try_from(range.read.high - range.read.low).unwrap_or(0)).sum())
            }
        }
    }

    /// What they are, for people.
    pub fn described(&self) -> String {
        let from = match &self.from {
            From::Files { inputs, .. } => inputs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            From::Topic { ranges, .. } => {
                let range = |range: &Range| format!("{} from {} to {}", range.partition, range.read.low, range.read.high - 1);
                let filled = ranges.iter().filter(|range| range.read.low < range.read.high);
                filled.map(range).collect::<Vec<_>>().join(", ")
            }
        };
        format!("{from} (source {})", self.source)
    }

    /// Hands all of them over, in order.
    pub fn feed(&self, feed: &mut dyn Feed) -> Result<(), Stopped> {
        match &self.from {
            From::Files { inputs, limits } => {
                for input in inputs {
                    feed.begin(&self.file(input));
                    if feed_file(input, *limits, feed).map_err(Stopped::failed)?.is_break() {
                        break;
                    }
                }
            }
            From::Topic { reader, ranges, window } => {
                for range in ranges {
                    feed.begin(&self.partition(&range.partition));
                    if feed_range(reader, range, *window, feed).map_err(Stopped::failed)?.is_break() {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The inputs, where each can be opened.
fn usable(inputs: Vec<Input>) -> Result<Vec<Input>, Stopped> {
    if inputs.iter().filter(|input| **input == Input::Stdin).count() > 1 {
        return Err(Stopped::usage("Standard input can be read only once."));
    }
    for input in &inputs {
        if let Input::File(path) = input {
            File::open(path).map_err(|error| Stopped::usage(format!("Cannot open {input}: {error}")))?;
        }
    }
    Ok(inputs)
}

fn feed_file(input: &Input, limits: Limits, feed: &mut dyn Feed) -> Result<ControlFlow<()>, String> {
    let mut offset = 0;
    let unreadable = |offset: i64, error: std::io::Error| {
        let after = if offset == 0 { String::new() } else { format!(" after line {}", thousands(offset.unsigned_abs())) };
        format!("Cannot read {input}{after}: {error}")
    };
    let mut lines = Lines::open(input).map_err(|error| unreadable(0, error))?;
    let mut records = FileRecords::new(limits);
    while let Some(chunk) = lines.next_chunk().map_err(|error| unreadable(offset, error))? {
        let before = offset;
        for line in chunk.lines() {
            if feed.judge(&records.record(offset, line)).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            offset += 1;
        }
        feed.advance((offset - before).unsigned_abs());
    }
    Ok(ControlFlow::Continue(()))
}

fn feed_range(reader: &RangeReader, range: &Range, window: u32, feed: &mut dyn Feed) -> Result<ControlFlow<()>, String> {
    if range.read.low >= range.read.high {
        return Ok(ControlFlow::Continue(()));
    }
    // As the gate does at a restart: what came before makes duplicates of what comes now.
    let low = range.log.low.max(range.read.low - i64::from(window));
    let mut judged = 0;
    let each = |incoming: &Incoming<'_>| {
        let record = Record {
            offset: incoming.offset,
            appended_at: incoming.appended_at,
            appended_at_type: incoming.appended_at_type,
            bytes: incoming.value.unwrap_or_default(),
        };
        if record.offset < range.read.low {
            feed.remember(&record);
            return ControlFlow::Continue(());
        }
        judged += 1;
        if judged % ADVANCE_EVERY == 0 {
            feed.advance(ADVANCE_EVERY);
        }
        feed.judge(&record)
    };
    let read = reader.read(&range.partition, Extent { low, high: range.read.high }, each);
    read.map_err(|fault| format!("While reading {}: {fault}", range.partition))
}

/// The configured name of `topic`.
fn source_of_topic(
    topic: &str,
    args: &RecordedArgs,
    configured: Option<&Settings>,
    sets: &[PolicySet],
) -> Result<String, Stopped> {
    if let Some(source) = &args.source {
        return Ok(source.clone());
    }
    let configured = configured.into_iter().flat_map(|settings| &settings.sources).filter(|source| source.topic == topic);
    let configured: Vec<&str> = configured.map(|source| source.name.as_str()).collect();
    match (configured.as_slice(), sources(sets).into_iter().collect::<Vec<_>>().as_slice()) {
        ([source], _) | ([], [source]) => Ok((*source).to_owned()),
        _ => Err(Stopped::usage(format!(
            "Under which name does the gate read {topic}? Decision ids depend on it: say --source NAME, or --config FILE with \
             the gate's configuration."
        ))),
    }
}

/// Connects, and finds the offsets of every partition that is wanted.
fn ranges(topic: &str, args: &TopicArgs, configured: Option<&Settings>) -> Result<(RangeReader, Vec<Range>), Stopped> {
    if !is_forward(args.from, args.to) {
        return Err(Stopped::usage(format!(
            "--from {} lies after --to {}, or is the same: nothing is between.",
            args.from, args.to
        )));
    }
    let mut config = configured.map_or_else(ClientConfig::new, |settings| client(&settings.kafka));
    if let Some(bootstrap) = &args.bootstrap {
        config.set("bootstrap.servers", bootstrap);
    }
    if config.get("bootstrap.servers").is_none_or(str::is_empty) {
        return Err(Stopped::usage("Which Kafka? Say --bootstrap HOST:PORT or --config FILE."));
    }
    let partitions = partitions(topic, args, &config)?;
    if let Some(settings) = configured {
        // The gate's user may look at it.
        config.set("group.id", format!("{}gate", settings.topics.prefix));
    }
    let reader = RangeReader::open(&config).map_err(|fault| Stopped::usage(fault.sentence))?;
    let mut ranges = Vec::new();
    for partition in partitions {
        let partition = InputPartition { topic: topic.to_owned(), partition };
        let log = reader.extent(&partition).map_err(|fault| Stopped::failed(fault.sentence))?;
        let read = offsets((args.from, args.to), &partition, log, |time| reader.offset_at(&partition, time));
        ranges.push(Range { read: read.map_err(Stopped::failed)?, partition, log });
    }
    if ranges.iter().all(|range| range.read.low >= range.read.high) {
        let held = |range: &Range| match range.log {
            Extent { low, high } if low == high => format!("{} is empty", range.partition),
            Extent { low, high } => format!("{} holds the offsets {low} to {}", range.partition, high - 1),
        };
        let held: Vec<String> = ranges.iter().map(held).collect();
        return Err(Stopped::failed(format!("Nothing lies from {} to {}: {}.", args.from, args.to, held.join(", "))));
    }
    Ok((reader, ranges))
}

/// The partitions that are wanted, ascending.
fn partitions(topic: &str, args: &TopicArgs, config: &ClientConfig) -> Result<Vec<i32>, Stopped> {
    let count = match partition_count(config, topic, CONNECT_WITHIN) {
        Ok(Some(count)) => i32::try_from(count).unwrap_or(i32::MAX),
        Ok(None) => {
            let bootstrap = config.get("bootstrap.servers").unwrap_or_default();
            return Err(Stopped::failed(format!("Topic {topic} does not exist at {bootstrap}, or may not be seen.")));
        }
        Err(error @ TopicsError::Settings(_)) => return Err(Stopped::usage(error.to_string())),
        Err(error) => return Err(Stopped::failed(error.to_string())),
    };
    if let Some(absent) = args.partition.iter().find(|partition| **partition >= count) {
        return Err(Stopped::failed(format!("Topic {topic} has no partition {absent}; its partitions are 0 to {}.", count - 1)));
    }
    let mut partitions = if args.partition.is_empty() { (0..count).collect() } else { args.partition.clone() };
    partitions.sort_unstable();
    partitions.dedup();
    Ok(partitions)
}

/// The trusted records, of which the policies must have all that they compare with.
fn references(args: &RecordedArgs, configured: Option<&Settings>, sets: &[PolicySet]) -> Result<Tables, Stopped> {
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

/// The source of files, which nobody configures.
fn source_of_files(args: &RecordedArgs, sets: &[PolicySet]) -> Result<String, Stopped> {
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
