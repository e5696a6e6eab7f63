//! The sidecars' audit entries: each by itself, the lanes' chains and the decisions' trails.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::{Entry, Held, Judge, measure};
use crate::gate::books::Record;
use crate::gate::oracle::rules::entry_hash;

/// Members of every entry of a sidecar about a case, and those that it has where there is a text.
const MEMBERS: [&str; 17] = [
    "decision_id",
    "seq",
    "kind",
    "at",
    "prev",
    "chain",
    "actor",
    "command_id",
    "verdict",
    "state",
    "previous_state",
    "reason",
    "channel",
    "signed_by",
    "band",
    "assignee",
    "groups",
];
const HASHES: [&str; 3] = ["text_sha256", "corrected_sha256", "judgement_sha256"];
const REFUSED: [&str; 10] =
    ["decision_id", "kind", "at", "chain", "actor", "command_id", "verdict", "action", "error", "channel"];
const GAP: [&str; 7] = ["kind", "at", "chain", "actor", "source", "input", "cause"];

impl<'b> Judge<'b> {
    /// Reads all entries: those of the lanes' chains are kept, and of the gate's the held decisions.
    pub(super) fn read_entries(&mut self) {
        let mut keys = HashSet::new();
        for record in &self.books.audit {
            let (value, hash, key) = (self.value("audit", record), entry_hash(record.bytes()), record.key_text());
            if !keys.insert(key.clone()) {
                self.blame(format!("audit: the key {key} comes twice"));
            }
            let named = record.header("jidoka-hash").unwrap_or("absent");
            self.expect(|| format!("audit: the header jidoka-hash of {key}"), named, &hash);
            let chain = value["chain"]["id"].as_str().unwrap_or_default().to_owned();
            if let Some(lane) = chain.strip_prefix("lane/") {
                let (lane, entry) = (lane.parse().unwrap_or(-1), Entry { record, value, hash });
                if entry.kind() == "REFUSED" {
                    let error = entry.value["error"].as_str().unwrap_or_default().to_owned();
                    self.refused_at.insert((lane, entry.offset().unwrap_or(-1)), error);
                }
                self.lanes.entry(lane).or_default().push(entry);
            } else if chain.starts_with("gate/") {
                if value["outcome"] == "HELD" {
                    let id = value["decision_id"].as_str().unwrap_or_default().to_owned();
                    self.held.insert(id, Held::new(value, hash, record.partition));
                }
            } else if !chain.starts_with("monitor/") {
                self.blame(format!("audit: {key} is in the chain {chain:?}, which nobody writes"));
            }
        }
    }

    /// Every lane's chain counts from 0 without a gap, names its predecessors, lies in order in the lane's partition, and its
    /// time never falls.
    pub(super) fn chains(&mut self) {
        let mut found = Vec::new();
        for (lane, entries) in &self.lanes {
            let (mut n, mut before, mut time) = (0, Value::Null, i64::MIN);
            for entry in entries {
                let (key, link) = (entry.record.key_text(), &entry.value["chain"]);
                if entry.record.partition != *lane {
                    found.push(format!("audit: {key} lies in partition {}, not on its lane {lane}", entry.record.partition));
                }
                let actual = link["n"].as_i64().unwrap_or(-1);
                if actual != n {
                    found.push(format!("audit: the chain lane/{lane} has n = {actual} at {key}, where {n} belongs"));
                    n = actual;
                }
                if link["prev"] != before {
                    found.push(format!("audit: prev of {key} in lane/{lane} is {}, not {before}", link["prev"]));
                }
                if entry.at() < time {
                    found.push(format!("audit: the time of lane/{lane} falls at {key} to {}", entry.value["at"]));
                }
                (n, before, time) = (n + 1, Value::from(entry.hash.as_str()), entry.at().max(time));
            }
        }
        self.violations.extend(found);
        let lanes: Vec<i32> =
            self.lanes.keys().copied().filter(|lane| !(0..i32::from(self.terms.lanes)).contains(lane)).collect();
        for lane in lanes {
            self.blame(format!("audit: lane/{lane} is no lane"));
        }
    }

    /// Every trail counts from the gate's seq 0 without a gap and names its predecessors; each entry has its key, headers and
    /// members, and no others.
    pub(super) fn trails(&mut self) {
        let mut heads: HashMap<String, (i64, String)> =
            self.held.iter().map(|(id, held)| (id.clone(), (0, held.hash.clone()))).collect();
        let lanes = std::mem::take(&mut self.lanes);
        for (lane, entries) in &lanes {
            for entry in entries {
                match entry.kind() {
                    "REFUSED" => self.shape_of_refused(*lane, entry),
                    "GAP" => self.shape_of_gap(*lane, entry),
                    _ => self.link(*lane, entry, &mut heads),
                }
            }
        }
        self.lanes = lanes;
    }

    fn link(&mut self, lane: i32, entry: &Entry<'b>, heads: &mut HashMap<String, (i64, String)>) {
        let (id, key) = (entry.id().to_owned(), entry.record.key_text());
        let Some(head) = heads.get_mut(&id) else {
            return self.blame(format!("audit: {key} is about a decision that was never held"));
        };
        let (seq, prev) = (Value::from(head.0 + 1), Value::from(head.1.as_str()));
        self.expect(|| format!("audit: seq of {key}"), &entry.value["seq"], &seq);
        self.expect(|| format!("audit: prev of {key} in its trail"), &entry.value["prev"], &prev);
        *head = (entry.value["seq"].as_i64().unwrap_or(-1), entry.hash.clone());
        self.expect(|| "audit: the key of an entry".to_owned(), &key, &format!("{id}/{}", head.0));
        self.expect(|| format!("audit: the lane of {key}"), &measure::lane(&id, self.terms.lanes), &Some(lane));
        self.placed("audit", entry.record, (&id, entry.kind(), "audit/1"), lane);
        self.only(&key, &entry.value, &[&MEMBERS[..], &HASHES].concat());
    }

    fn shape_of_refused(&mut self, lane: i32, entry: &Entry<'b>) {
        let key = entry.record.key_text();
        let expected = format!("refused/{lane}/{}", entry.offset().unwrap_or(-1));
        self.expect(|| "audit: the key of a REFUSED".to_owned(), &key, &expected);
        self.expect(|| format!("audit: the partition in {key}"), &entry.value["verdict"]["partition"], &Value::from(lane));
        self.others(&key, entry.record, "REFUSED");
        let id = entry.value["decision_id"].as_str();
        self.expect(|| format!("audit: the header jidoka-decision-id of {key}"), &entry.record.header("jidoka-decision-id"), &id);
        self.only(&key, &entry.value, &[&REFUSED[..], &["signed_by"]].concat());
    }

    fn shape_of_gap(&mut self, lane: i32, entry: &Entry<'b>) {
        let (key, input) = (entry.record.key_text(), &entry.value["input"]);
        let expected = format!("gap/{}/{lane}/{}", self.terms.verdicts, input["first_offset"]);
        self.expect(|| "audit: the key of a GAP".to_owned(), &key, &expected);
        self.expect(|| format!("audit: the topic in {key}"), &input["topic"], &Value::from(self.terms.verdicts.as_str()));
        self.expect(|| format!("audit: the partition in {key}"), &input["partition"], &Value::from(lane));
        self.expect(|| format!("audit: the actor of {key}"), &entry.value["actor"]["type"], &Value::from("operator"));
        if input["last_offset"].as_i64() < input["first_offset"].as_i64() {
            self.blame(format!("audit: {key} covers nothing: {input}"));
        }
        self.others(&key, entry.record, "GAP");
        self.only(&key, &entry.value, &GAP);
    }

    /// Headers of an entry that is about no decision, or perhaps about one.
    fn others(&mut self, key: &str, record: &Record, kind: &str) {
        for (name, expected) in [("jidoka-kind", kind), ("jidoka-schema", "audit/1")] {
            self.expect(|| format!("audit: the header {name} of {key}"), record.header(name).unwrap_or("absent"), expected);
        }
    }

    /// Nothing may stand in an entry but what the contract lists: that is how it holds no personal data.
    fn only(&mut self, key: &str, value: &Value, allowed: &[&str]) {
        let (mut strange, none) = (Vec::new(), Map::new());
        let members = value.as_object().unwrap_or(&none);
        strange.extend(members.keys().filter(|name| !allowed.contains(&name.as_str())));
        if !strange.is_empty() {
            self.blame(format!("audit: {key} has the members {strange:?}, which the contract does not know"));
        }
        let missing: Vec<&&str> = allowed.iter().filter(|name| !HASHES.contains(name) && !members.contains_key(**name)).collect();
        if !missing.is_empty() {
            self.blame(format!("audit: {key} lacks the members {missing:?}"));
        }
    }
}

impl Held<'_> {
    fn new(entry: Value, hash: String, lane: i32) -> Self {
        Self { entry, hash, lane, opened: None, case: None, snapshots: Vec::new(), texts: Vec::new() }
    }
}
