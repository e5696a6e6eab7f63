//! The audit entries: each by itself, their chains, and that there is one for each input record.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::rules::{decision_id, entry_hash, rfc3339, sha256, unreadable};
use super::{Entry, Extent, Judge};
use crate::gate::books::Record;

/// What of an event counts for the window: where it was seen, with which bytes, under which id.
struct Sighting {
    offset: i64,
    sha256: String,
    id: String,
}

impl Judge<'_> {
    /// Reads all entries and sorts them by what they are about. Whatever is wrong with one alone is found here.
    pub(super) fn read_entries(&mut self) {
        self.by_key("audit", &self.books.audit);
        for record in &self.books.audit {
            let (value, hash, key) = (self.value("audit", record), entry_hash(record.bytes()), record.key_text());
            let named = record.header("jidoka-hash").unwrap_or("absent");
            self.expect(|| format!("audit: the header jidoka-hash of {key}"), named, &hash);
            self.expect(|| format!("audit: the source of {key}"), &value["source"], &Value::from(self.terms.source.as_str()));
            let input = &value["input"];
            self.expect(|| format!("audit: the input topic of {key}"), &input["topic"], &Value::from(self.terms.topic.as_str()));
            let number = |name: &str| input[name].as_i64().unwrap_or(-1);
            let partition = i32::try_from(number("partition")).unwrap_or(-1);
            if value["kind"] == "GAP" {
                let (first, last) = (number("first_offset"), number("last_offset"));
                let expected = format!("gap/{}/{partition}/{first}", self.terms.source);
                self.expect(|| "audit: the key of a GAP".to_owned(), &key, &expected);
                if last < first {
                    self.blame(format!("audit: {key} covers nothing: {first} to {last}"));
                }
                self.gaps.push((partition, first, last));
            } else {
                self.about.entry((partition, number("offset"))).or_default().push(self.entries.len());
            }
            self.entries.push(Entry { record, value, hash });
        }
    }

    /// Every chain counts from 0 without a gap, names its predecessors, and lies in order in one partition.
    pub(super) fn chains(&mut self) {
        let mut chains: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, entry) in self.entries.iter().enumerate() {
            let id = entry.value["chain"]["id"].as_str().unwrap_or("absent").to_owned();
            chains.entry(id).or_default().push(place);
        }
        let mut found = Vec::new();
        for (id, places) in chains {
            let (mut n, mut before) = (0, Value::Null);
            for entry in places.iter().map(|place| &self.entries[*place]) {
                let (key, link) = (entry.record.key_text(), &entry.value["chain"]);
                let partition = entry.value["input"]["partition"].as_i64().and_then(|number| i32::try_from(number).ok());
                let partition = partition.unwrap_or(0);
                if id != format!("gate/{}/{partition}", self.terms.source) {
                    found.push(format!("audit: {key} of partition {partition} is in the chain {id}"));
                }
                if entry.record.partition != self.terms.lane(partition) {
                    let (actual, lane) = (entry.record.partition, self.terms.lane(partition));
                    found.push(format!("audit: {key} lies in partition {actual}, not on its lane {lane}"));
                }
                if entry.chain_n() != n {
                    found.push(format!("audit: the chain {id} has n = {} at {key}, where {n} belongs", entry.chain_n()));
                    n = entry.chain_n();
                }
                if link["prev"] != before {
                    found.push(format!("audit: prev of {key}, n = {n} of {id}, is {}, not {before}", link["prev"]));
                }
                (n, before) = (n + 1, Value::from(entry.hash.as_str()));
            }
        }
        self.violations.extend(found);
    }

    /// Each input record has exactly one entry or is covered by one gap, and no entry is about a record that is not there.
    pub(super) fn coverage(&mut self) {
        let through = self.decided_through();
        for record in &self.books.input {
            let (partition, offset) = (record.partition, record.offset);
            let entries = self.about.get(&(partition, offset)).map_or(0, Vec::len);
            let gaps =
                self.gaps.iter().filter(|(of, first, last)| *of == partition && (*first..=*last).contains(&offset)).count();
            let beyond = self.terms.extent == Extent::SoFar && offset > through.get(&partition).copied().unwrap_or(-1);
            let expected = usize::from(!beyond);
            if entries + gaps != expected {
                let violation = format!("input {partition}/{offset} has {entries} entries and {gaps} gaps, not {expected}");
                self.blame(violation);
            }
        }
        let there: std::collections::HashSet<(i32, i64)> =
            self.books.input.iter().map(|record| (record.partition, record.offset)).collect();
        let phantoms: Vec<_> = self.about.keys().filter(|place| !there.contains(place)).copied().collect();
        for (partition, offset) in phantoms {
            self.blame(format!("audit: there is an entry about input {partition}/{offset}, which is not there"));
        }
    }

    /// What each entry says of its record, recomputed in the order of the input.
    pub(super) fn input_by_input(&mut self) {
        let mut seen: HashMap<(i32, String), Sighting> = HashMap::new();
        for record in &self.books.input {
            let Some([place]) = self.about.get(&(record.partition, record.offset)).map(Vec::as_slice) else { continue };
            let entry = &self.entries[*place];
            let (kind, key, value) = (entry.kind().to_owned(), entry.record.key_text(), entry.value.clone());
            let is_unreadable = entry.found("unreadable");
            let id = decision_id(&self.terms.source, record.partition, record.offset, record.time_ms);
            self.entry_says(record, entry_parts(&key, &value), &id);
            if let Some(code) = unreadable(record.bytes()).filter(|_| !is_unreadable) {
                self.blame(format!("audit: {key} is about an event, but the input is {code}"));
            }
            if is_unreadable {
                continue;
            }
            let event: Value = serde_json::from_slice(record.bytes()).unwrap_or_default();
            self.expect(|| format!("audit: the event_id of {key}"), &value["event_id"], &event["event_id"]);
            let event_id = event["event_id"].as_str().unwrap_or_default().to_owned();
            let now = Sighting { offset: record.offset, sha256: sha256(&[record.bytes()]), id };
            let this = (now.sha256.clone(), now.offset);
            let before = seen.insert((record.partition, event_id), now);
            let before = before.filter(|before| this.1 - before.offset < self.terms.window);
            match before {
                Some(before) if before.sha256 == this.0 => {
                    self.expect(|| format!("audit: the kind of the second delivery {key}"), kind.as_str(), "DUPLICATE");
                    self.expect(|| format!("audit: `of` of {key}"), &value["of"], &Value::from(before.id));
                }
                other => self.first_or_conflict((&kind, &key, &value), &event, other),
            }
        }
    }

    /// An event that was not seen before within the window, or only with other bytes.
    fn first_or_conflict(&mut self, (kind, key, value): (&str, &str, &Value), event: &Value, before: Option<Sighting>) {
        self.expect(|| format!("audit: the kind of {key}"), kind, "DECIDED");
        let conflicts_with = before.map_or(Value::Null, |before| Value::from(before.id));
        self.expect(|| format!("audit: conflicts_with of {key}"), &value["conflicts_with"], &conflicts_with);
        let results: Vec<&Value> = value["triggers"].as_array().into_iter().flatten().collect();
        let conflict = results.iter().any(|result| result["id"] == "conflicting-duplicate");
        self.expect(
            || format!("audit: whether {key} has the finding conflicting-duplicate"),
            &conflict,
            &!conflicts_with.is_null(),
        );
        let finding = results.iter().any(|result| result["result"] != "miss");
        self.expect(|| format!("audit: whether {key} is HELD, as its triggers say"), &(value["outcome"] == "HELD"), &finding);
        if let Some(holds) = self.terms.holds {
            let expected = holds(event) || conflict;
            self.expect(|| format!("audit: whether {key} is HELD, as its event says"), &(value["outcome"] == "HELD"), &expected);
        }
    }

    /// What an entry says whatever its kind.
    fn entry_says(&mut self, record: &Record, (key, value, kind): (&str, &Value, &str), id: &str) {
        self.expect(|| format!("audit: the id of input {}/{}", record.partition, record.offset), key, &format!("{id}/0"));
        let time = record.time_ms.map_or(Value::Null, |millis| Value::from(rfc3339(millis)));
        let expected = [
            ("decision_id", &value["decision_id"], Value::from(id)),
            ("seq", &value["seq"], Value::from(0)),
            ("row", &value["row"], Value::from(0)),
            ("prev", &value["prev"], Value::Null),
            ("input.sha256", &value["input"]["sha256"], Value::from(sha256(&[record.bytes()]))),
            ("input.appended_at", &value["input"]["appended_at"], time),
        ];
        for (name, actual, expected) in expected {
            self.expect(|| format!("audit: {name} of {key}"), actual, &expected);
        }
        if !["DECIDED", "DUPLICATE"].contains(&kind) {
            self.blame(format!("audit: {key} is of the kind {kind}"));
        }
        let entry = self.entries[self.about[&(record.partition, record.offset)][0]].record;
        self.placed("audit", entry, (id, kind, "audit/1"), self.terms.lane(record.partition));
    }

    /// How far each input partition is decided, by its last progress record.
    pub(super) fn decided_through(&self) -> HashMap<i32, i64> {
        let through = |record: &Record| {
            let key = record.key_text();
            let partition = key.rsplit_once('/')?.1.parse().ok()?;
            let value: Value = serde_json::from_slice(record.bytes()).ok()?;
            Some((partition, value["decided_through"].as_i64()?))
        };
        self.books.progress.iter().filter_map(through).collect()
    }
}

fn entry_parts<'v>(key: &'v str, value: &'v Value) -> (&'v str, &'v Value, &'v str) {
    (key, value, value["kind"].as_str().unwrap_or_default())
}
