//! Says everything that is wrong with what a gate wrote. Shares no code with it: what it holds records against is the
//! contract, written down a second time in [`rules`].

mod mutants;
pub mod rules;
mod state;
mod trail;

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::books::{Books, Record};

/// How much of the input must have been decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// All of it.
    Everything,
    /// What `progress` says; nothing beyond.
    SoFar,
}

/// What an installation was set to do.
#[derive(Clone, Debug)]
pub struct Terms {
    pub source: String,
    pub topic: String,
    pub lanes: u16,
    pub spread: u16,
    pub window: i64,
    pub extent: Extent,
    /// Recomputes for an event that matches no built-in finding whether it is held; none where the test does not say.
    pub holds: Option<fn(&Value) -> bool>,
}

impl Terms {
    /// The source of every installation, unless a test configures another.
    pub const SOURCE: &'static str = "inference";

    /// Terms for a source [`Self::SOURCE`] of which everything must have been decided.
    pub fn new(topic: &str, (lanes, spread): (u16, u16), window: i64) -> Self {
        let (source, topic) = (Self::SOURCE.to_owned(), topic.to_owned());
        Self { source, topic, lanes, spread, window, extent: Extent::Everything, holds: None }
    }

    /// The lane of an input partition.
    fn lane(&self, partition: i32) -> i32 {
        rules::lane(&self.source, partition, self.lanes)
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

    fn chain_n(&self) -> i64 {
        self.value["chain"]["n"].as_i64().unwrap_or(-1)
    }

    /// Whether a trigger of this id or kind is listed with something else than a miss.
    fn found(&self, name: &str) -> bool {
        let results = self.value["triggers"].as_array().into_iter().flatten();
        results.into_iter().any(|result| (result["id"] == name || result["kind"] == name) && result["result"] != "miss")
    }
}

/// Violations, and what the checks know in common.
struct Judge<'b> {
    terms: &'b Terms,
    books: &'b Books,
    entries: Vec<Entry<'b>>,
    /// Where the entries about one input record stand in `entries`.
    about: BTreeMap<(i32, i64), Vec<usize>>,
    /// What GAP entries cover: partition, first, last.
    gaps: Vec<(i32, i64, i64)>,
    violations: Vec<String>,
}

/// All violations, in the order of the checks; none where everything is as it must be.
pub fn judge(terms: &Terms, books: &Books) -> Vec<String> {
    let mut judge = Judge { terms, books, entries: Vec::new(), about: BTreeMap::new(), gaps: Vec::new(), violations: Vec::new() };
    judge.read_entries();
    judge.chains();
    judge.coverage();
    judge.input_by_input();
    judge.consequences();
    judge.dead_letters();
    judge.progress();
    judge.violations
}

/// The first violations and how many there are, for the message of a failed test.
pub fn summary(violations: &[String]) -> String {
    const SHOWN: usize = 25;
    let shown: Vec<&str> = violations.iter().take(SHOWN).map(String::as_str).collect();
    format!("{} violations, of which the first are:\n  {}", violations.len(), shown.join("\n  "))
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

    /// Records by key. A key that comes twice is a violation.
    fn by_key(&mut self, topic: &str, records: &'b [Record]) -> HashMap<String, &'b Record> {
        let mut found = HashMap::new();
        for record in records {
            let key = record.key_text();
            if found.insert(key.clone(), record).is_some() {
                self.blame(format!("{topic}: the key {key} comes twice"));
            }
        }
        found
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
    }
}
