//! Says everything that is wrong with what sidecars wrote. Shares no code with them: it replays every verdict that lies in
//! Kafka by the contract, written down a second time in [`command`] and [`model`], and compares.
//!
//! ```text
//! books ─→ entries (chains, trails) ─→ openings ─→ replay, lane by lane ─→ records (cases, archive, …) and privacy
//! ```

pub mod command;
mod entries;
mod history;
pub mod measure;
mod mutants;
pub mod model;
mod openings;
mod privacy;
mod records;
mod replay;
mod standing;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use self::command::{Key, Unsigned};
use self::model::Case;
use crate::gate::books::{Books, Record};
use crate::gate::oracle::Extent;

/// What an installation was set to do, and what a test did to it.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The topic of verdicts.
    pub verdicts: String,
    pub lanes: u16,
    pub spread: u16,
    /// Whether every verdict must have been handled.
    pub extent: Extent,
    pub unsigned: Unsigned,
    pub keys: Vec<Key>,
    pub max_bytes: usize,
    pub max_text: usize,
    pub max_commands: usize,
    /// How long closed cases stay in `cases`, in milliseconds.
    pub keep_closed: i64,
    pub reviews: Feed,
    /// Decisions of which an operator erased what was left.
    pub erased: BTreeSet<String>,
    /// A time in milliseconds by which every deadline before it has certainly been acted on.
    pub settled_at: Option<i64>,
}

/// What became of the reviews topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Feed {
    Whole,
    /// The test deleted it.
    Lost,
}

impl Terms {
    /// The defaults, without keys and with unsigned commands allowed.
    pub fn new(verdicts: &str, (lanes, spread): (u16, u16)) -> Self {
        Self {
            verdicts: verdicts.to_owned(),
            lanes,
            spread,
            extent: Extent::Everything,
            unsigned: Unsigned::Allow,
            keys: Vec::new(),
            max_bytes: 65_536,
            max_text: 4_096,
            max_commands: 1_000,
            keep_closed: 86_400_000,
            reviews: Feed::Whole,
            erased: BTreeSet::new(),
            settled_at: None,
        }
    }
}

/// An audit entry with its value read.
struct Entry<'b> {
    record: &'b Record,
    value: Value,
    hash: String,
}

impl Entry<'_> {
    fn kind(&self) -> &str {
        self.value["kind"].as_str().unwrap_or_default()
    }

    fn id(&self) -> &str {
        self.value["decision_id"].as_str().unwrap_or_default()
    }

    fn at(&self) -> i64 {
        self.value["at"].as_str().and_then(measure::millis).unwrap_or(-1)
    }

    /// Offset of the command that it is about; none where it is about none.
    fn offset(&self) -> Option<i64> {
        self.value["verdict"]["offset"].as_i64()
    }
}

/// A decision that was held.
struct Held<'b> {
    entry: Value,
    hash: String,
    lane: i32,
    /// The record that opened the case; none where it is gone.
    opened: Option<&'b Record>,
    /// The case as it is now, and after each entry of its trail.
    case: Option<Case>,
    snapshots: Vec<Value>,
    /// Texts that people wrote about it.
    texts: Vec<String>,
}

/// Violations, and what the checks know in common.
struct Judge<'b> {
    terms: &'b Terms,
    books: &'b Books,
    /// All entries of the lanes' chains, by lane, in order.
    lanes: BTreeMap<i32, Vec<Entry<'b>>>,
    held: HashMap<String, Held<'b>>,
    /// How far each lane was followed: offset, and the latest append time.
    through: BTreeMap<i32, (i64, i64)>,
    /// The verdicts that were refused: lane, offset and code.
    refused_at: BTreeMap<(i32, i64), String>,
    /// Commands that lay in another lane and were not refused there: key and value, and how often.
    misplaced: BTreeMap<(i32, Vec<u8>), usize>,
    violations: Vec<String>,
}

/// All violations, in the order of the checks; none where everything is as it must be.
pub fn judge(terms: &Terms, books: &Books) -> Vec<String> {
    let (lanes, held, through, misplaced) = (BTreeMap::new(), HashMap::new(), BTreeMap::new(), BTreeMap::new());
    let (refused_at, violations) = (BTreeMap::new(), Vec::new());
    let mut judge = Judge { terms, books, lanes, held, through, refused_at, misplaced, violations };
    judge.read_entries();
    judge.chains();
    judge.trails();
    judge.openings();
    judge.replay();
    judge.forwarded();
    judge.cases();
    judge.archive();
    judge.reviews();
    judge.dispositions();
    judge.standing();
    judge.privacy();
    judge.violations
}

impl<'b> Judge<'b> {
    fn blame(&mut self, violation: String) {
        self.violations.push(violation);
    }

    /// Where `actual` is not what it must be.
    fn expect<T: PartialEq + std::fmt::Debug + ?Sized>(&mut self, what: impl FnOnce() -> String, actual: &T, expected: &T) {
        if actual != expected {
            self.blame(format!("{} is {actual:?}, not {expected:?}", what()));
        }
    }

    /// The value of a record; null, and a violation, where it is no JSON.
    fn value(&mut self, topic: &str, record: &Record) -> Value {
        serde_json::from_slice(record.bytes()).unwrap_or_else(|error| {
            self.blame(format!("{topic}: {} is no JSON: {error}", record.key_text()));
            Value::Null
        })
    }

    /// The headers that every record about a decision has, and where it lies.
    fn placed(&mut self, topic: &str, record: &Record, (id, kind, schema): (&str, &str, &str), partition: i32) {
        let key = record.key_text();
        self.expect(|| format!("{topic}: the partition of {key}"), &record.partition, &partition);
        for (name, expected) in [("jidoka-decision-id", id), ("jidoka-kind", kind), ("jidoka-schema", schema)] {
            self.expect(|| format!("{topic}: the header {name} of {key}"), record.header(name).unwrap_or("absent"), expected);
        }
        let trace = self.held.get(id).and_then(|held| held.opened).map(|opened| opened.header("traceparent").map(str::to_owned));
        if let Some(trace) = trace {
            self.expect(|| format!("{topic}: the header traceparent of {key}"), &record.header("traceparent"), &trace.as_deref());
        }
    }

    /// Records of the sidecar by the decision that is their key, each with its value; `is_own` tells them from the gate's.
    fn by_decision(&mut self, topic: &str, records: &'b [Record], is_own: fn(&Record, &Value) -> bool) -> Own<'b> {
        let mut found = Own::new();
        for record in records {
            let value = if record.value.is_some() { self.value(topic, record) } else { Value::Null };
            if is_own(record, &value) {
                found.entry(record.key_text()).or_default().push((record, value));
            }
        }
        found
    }
}

/// Records of one topic by decision.
type Own<'b> = BTreeMap<String, Vec<(&'b Record, Value)>>;
