//! One cut through a Kafka that is written to: what lies before it is whole.
//!
//! ```text
//! of each lane:  ends of dispositions and cases, first ─→ end of audit ─→ ends of dispositions and cases, again
//! ```
//!
//! Each end is waited for until no transaction before it is open. What a transaction wrote before the first ends has its audit
//! entry before the end of audit, as that was asked later; what has its entry there has all the rest before the last ends. So
//! only what lies between the first and the last ends is in question, and of that what has its entry is taken.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::chosen::{Chosen, decision_of};
use super::export::{ExportArgs, Sink, Stopped};
use crate::audit::{Choice, Chooser};
use crate::cli::terminal::Exit;
use crate::cli::{client, layout, settings};
use crate::identity::DecisionId;
use crate::stream::fault::Fault;
use crate::stream::log_reader::Extent;
use crate::stream::processor::InputPartition;
use crate::stream::range_reader::RangeReader;
use crate::stream::record::Incoming;
use crate::stream::topics::{TopicsError, partition_count};

/// How long the first answer of the brokers may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);
/// Beyond the time of a transaction, this long an open one is waited for.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(20);

/// Topics whose records are taken as far as their audit entry is: each names its decision and `seq`.
const LEFT_BY_ENTRIES: [&str; 3] = ["dispositions", "cases", "archive"];

/// Writes what is wanted of the topics of the configuration, lane by lane.
pub(super) fn export(args: &ExportArgs, choice: &Choice, sink: &mut Sink) -> Result<(), Stopped> {
    let settings = settings(Some(&args.config)).map_err(Stopped::Said)?;
    let client = client(&settings.kafka);
    let prefix = layout(&settings).prefix;
    let mut topics = Vec::new();
    for name in &args.topics {
        let topic = format!("{prefix}{name}");
        match partition_count(&client, &topic, CONNECT_WITHIN) {
            Ok(Some(count)) => {
                topics.push(Topic { name, full_name: topic, partitions: i32::try_from(count).unwrap_or(i32::MAX) })
            }
            Ok(None) => {
                let bootstrap = settings.kafka.bootstrap_servers();
                let sentence = format!(
                    "Topic {topic} does not exist at {bootstrap}, or may not be seen. --topics names those that are exported."
                );
                return Err(Stopped::failed(&sentence));
            }
            Err(error @ TopicsError::Settings(_)) => return Err(Stopped::Because(Exit::Usage, error.to_string())),
            Err(error) => return Err(Stopped::failed(&error)),
        }
    }
    let logs = Logs {
        committed: RangeReader::open(&client).map_err(|fault| Stopped::failed(&fault))?,
        uncommitted: RangeReader::uncommitted(&client).map_err(|fault| Stopped::failed(&fault))?,
        patience: settings.transaction_timeout + PATIENCE,
    };
    let lanes = topics.iter().map(|topic| topic.partitions).max().unwrap_or(0);
    for lane in 0..lanes {
        Lane::cut(&logs, &topics, lane)?.export(&logs, choice, sink)?;
    }
    Ok(())
}

/// A topic that is exported.
struct Topic<'a> {
    name: &'a str,
    full_name: String,
    partitions: i32,
}

/// The clients that look at logs.
struct Logs {
    committed: RangeReader,
    uncommitted: RangeReader,
    patience: Duration,
}

impl Logs {
    /// How far these logs reach now, once no transaction before their ends is open.
    fn settled(&self, logs: &[InputPartition]) -> Result<Vec<Extent>, Stopped> {
        let ask = |log: &InputPartition| self.uncommitted.extent(log).map_err(|fault| unread(log, &fault));
        let extents = logs.iter().map(ask).collect::<Result<Vec<_>, _>>()?;
        let give_up = Instant::now() + self.patience;
        for (log, extent) in logs.iter().zip(&extents) {
            while self.committed.extent(log).map_err(|fault| unread(log, &fault))?.high < extent.high {
                if Instant::now() >= give_up {
                    let sentence = format!(
                        "A transaction on {log} has been open for {} s. Its writer is stuck, or hangs in the broker: \
                         kafka-transactions.sh find-hanging names it.",
                        self.patience.as_secs()
                    );
                    return Err(Stopped::failed(&sentence));
                }
                sleep(PAUSE);
            }
        }
        Ok(extents)
    }

    /// Hands over the records in a range.
    fn read(
        &self,
        log: &InputPartition,
        range: Extent,
        mut each: impl FnMut(&Incoming<'_>) -> Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        let mut stopped = None;
        let read = self.committed.read(log, range, |record| match each(record) {
            Ok(()) => ControlFlow::Continue(()),
            Err(why) => {
                stopped = Some(why);
                ControlFlow::Break(())
            }
        });
        let _whole = read.map_err(|fault| unread(log, &fault))?;
        stopped.map_or(Ok(()), Err)
    }
}

fn unread(log: &InputPartition, fault: &Fault) -> Stopped {
    Stopped::failed(&format_args!("While reading {log}: {fault}"))
}

/// A log of a lane, and what of it is taken.
struct Taken {
    log: InputPartition,
    range: Extent,
    /// From here on, only what has its audit entry.
    in_question: i64,
}

/// What is taken of a lane.
struct Lane {
    audit: Option<Taken>,
    others: Vec<Taken>,
}

/// A decision and the entry of its trail that a record was written with.
type Cause = (DecisionId, u64);

impl Lane {
    fn cut(logs: &Logs, topics: &[Topic<'_>], lane: i32) -> Result<Self, Stopped> {
        let here: Vec<&Topic<'_>> = topics.iter().filter(|topic| lane < topic.partitions).collect();
        let log = |topic: &Topic<'_>| InputPartition { topic: topic.full_name.clone(), partition: lane };
        let audit: Vec<InputPartition> = here.iter().filter(|topic| topic.name == "audit").map(|topic| log(topic)).collect();
        let others: Vec<&Topic<'_>> = here.into_iter().filter(|topic| topic.name != "audit").collect();
        let other_logs: Vec<InputPartition> = others.iter().map(|topic| log(topic)).collect();

        let first = logs.settled(&other_logs)?;
        let middle = logs.settled(&audit)?;
        let last = if audit.is_empty() { first.clone() } else { logs.settled(&other_logs)? };

        let audit = audit.into_iter().zip(middle).next();
        let audit = audit.map(|(log, range)| Taken { log, range, in_question: range.high });
        let taken = others.iter().zip(other_logs).zip(first.into_iter().zip(last));
        let others = taken.map(|((topic, log), (first, last))| {
            // What has no entry of its own is taken up to the first end.
            let high = if LEFT_BY_ENTRIES.contains(&topic.name) { last.high } else { first.high };
            Taken { log, range: Extent { low: first.low, high }, in_question: first.high }
        });
        Ok(Self { audit, others: others.collect() })
    }

    fn export(&self, logs: &Logs, choice: &Choice, sink: &mut Sink) -> Result<(), Stopped> {
        let chosen = self.choose(logs, choice)?;
        let in_question = self.in_question(logs)?;
        let mut with_entry: HashSet<Cause> = HashSet::new();
        if let Some(audit) = &self.audit {
            logs.read(&audit.log, audit.range, |record| {
                let cause = text(record.key).and_then(|key| Some((decision_of(key)?, key.split_once('/')?.1.parse().ok()?)));
                with_entry.extend(cause.filter(|cause| in_question.contains(cause)));
                write(record, &chosen, sink)
            })?;
        }
        for taken in &self.others {
            logs.read(&taken.log, taken.range, |record| {
                let has_entry = |cause: Cause| with_entry.contains(&cause);
                if record.offset < taken.in_question || cause(record).is_some_and(has_entry) {
                    return write(record, &chosen, sink);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// The decisions of this lane that are wanted.
    fn choose(&self, logs: &Logs, choice: &Choice) -> Result<Chosen, Stopped> {
        let Some(audit) = self.audit.as_ref().filter(|_| !choice.is_everything()) else {
            return Ok(if choice.is_everything() { Chosen::Everything } else { Chosen::of(choice, HashSet::new()) });
        };
        let mut chooser = Chooser::new(choice.clone());
        logs.read(&audit.log, audit.range, |record| {
            chooser.note(record.value.unwrap_or_default());
            Ok(())
        })?;
        Ok(Chosen::of(choice, chooser.chosen()))
    }

    /// The entries that records between the first and the last ends were written with.
    fn in_question(&self, logs: &Logs) -> Result<HashSet<Cause>, Stopped> {
        let mut causes = HashSet::new();
        for taken in &self.others {
            logs.read(&taken.log, Extent { low: taken.in_question, ..taken.range }, |record| {
                causes.extend(cause(record));
                Ok(())
            })?;
        }
        Ok(causes)
    }
}

fn write(record: &Incoming<'_>, chosen: &Chosen, sink: &mut Sink) -> Result<(), Stopped> {
    let header = text(record.headers.get("jidoka-decision-id"));
    if chosen.wants(text(record.key), header, record.appended_at) { sink.record(record) } else { Ok(()) }
}

fn text(bytes: Option<&[u8]>) -> Option<&str> {
    std::str::from_utf8(bytes?).ok()
}

/// The entry that a disposition or a case was written with. A tombstone has none: that a case is forgotten a moment later is
/// nothing to the cut.
fn cause(record: &Incoming<'_>) -> Option<Cause> {
    #[derive(Deserialize)]
    struct Wire {
        seq: u64,
    }
    let wire: Wire = serde_json::from_slice(record.value?).ok()?;
    Some((decision_of(text(record.key)?)?, wire.seq))
}
