//! What follows from the entries: dispositions, cases, reviews, dead letters, progress, offsets.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::rules::{band, rfc3339, sha256};
use super::{Extent, Judge};
use crate::gate::books::Record;

/// What the consequences of a decision must agree with.
struct Decided<'b> {
    id: String,
    entry: Value,
    hash: String,
    lane: i32,
    is_unreadable: bool,
    input: Option<&'b Record>,
}

impl<'b> Judge<'b> {
    /// RELEASED or HELD has a disposition; HELD has a case and a review record besides; nothing else has any of them.
    pub(super) fn consequences(&mut self) {
        let books = self.books;
        let mut dispositions = self.by_key("dispositions", &books.dispositions);
        let mut cases = self.by_key("cases", &books.cases);
        let mut reviews = self.by_key("reviews", &books.reviews);
        for decided in self.decided() {
            let (id, held) = (decided.id.as_str(), decided.entry["outcome"] == "HELD");
            match dispositions.remove(id) {
                Some(disposition) => self.disposition(&decided, disposition),
                None => self.blame(format!("dispositions: {id} is missing")),
            }
            let case = cases.remove(&format!("{id}/opened"));
            let review = reviews.remove(id);
            self.expect(|| format!("cases: whether {id} was opened"), &case.is_some(), &held);
            self.expect(|| format!("reviews: whether {id} is offered"), &review.is_some(), &held);
            if let Some(case) = case {
                self.case(&decided, case);
            }
            if let Some((case, review)) = case.zip(review) {
                self.review(&decided, case, review);
            }
        }
        for (topic, left) in [("dispositions", dispositions), ("cases", cases), ("reviews", reviews)] {
            for key in left.keys().collect::<BTreeSet<_>>() {
                self.blame(format!("{topic}: {key} belongs to no decision"));
            }
        }
    }

    /// Every DECIDED entry.
    fn decided(&self) -> Vec<Decided<'b>> {
        let input: HashMap<(i32, i64), &Record> =
            self.books.input.iter().map(|record| ((record.partition, record.offset), record)).collect();
        let decided = self.entries.iter().filter(|entry| entry.kind() == "DECIDED").map(|entry| {
            let number = |name: &str| entry.value["input"][name].as_i64().unwrap_or(-1);
            let partition = i32::try_from(number("partition")).unwrap_or(0);
            Decided {
                id: entry.value["decision_id"].as_str().unwrap_or_default().to_owned(),
                hash: entry.hash.clone(),
                lane: self.terms.lane(partition),
                is_unreadable: entry.found("unreadable"),
                input: input.get(&(partition, number("offset"))).copied(),
                entry: entry.value.clone(),
            }
        });
        decided.collect()
    }

    fn disposition(&mut self, decided: &Decided<'_>, record: &Record) {
        let (id, outcome) = (&decided.id, decided.entry["outcome"].as_str().unwrap_or_default());
        self.placed("dispositions", record, (id, outcome, "disposition/1"), decided.lane);
        let value = self.value("dispositions", record);
        let mut expected = decided.entry.clone();
        expected["final"] = Value::from(outcome == "RELEASED");
        for name in ["decision_id", "event_id", "source", "row", "outcome", "final", "at", "seq", "policy", "conflicts_with"] {
            self.expect(|| format!("dispositions: {name} of {id}"), &value[name], &expected[name]);
        }
    }

    fn case(&mut self, decided: &Decided<'_>, record: &Record) {
        let id = &decided.id;
        self.placed("cases", record, (id, "PENDING", "case/1"), decided.lane);
        let (value, entry) = (self.value("cases", record), &decided.entry);
        let expected = [
            ("decision_id", Value::from(id.as_str())),
            ("lane", Value::from(decided.lane)),
            ("event_id", entry["event_id"].clone()),
            ("source", entry["source"].clone()),
            ("state", Value::from("PENDING")),
            ("seq", Value::from(0)),
            ("view", serde_json::json!({ "seq": 0, "hash": decided.hash })),
            ("band", entry["priority"]["band"].clone()),
            ("score", entry["priority"]["score"].clone()),
            ("policy", entry["policy"].clone()),
            ("opened_at", entry["at"].clone()),
        ];
        for (name, expected) in expected {
            self.expect(|| format!("cases: {name} of {id}"), &value[name], &expected);
        }
        if value["salt"].as_str().is_none_or(|salt| salt.len() != 32) {
            self.blame(format!("cases: the salt of {id} is {}", value["salt"]));
        }
        if value["findings"].as_array().is_none_or(Vec::is_empty) {
            self.blame(format!("cases: {id} has no finding"));
        }
        self.evidence(decided, record, &value);
    }

    /// The event stands in the case as it came, or the case says where it is.
    fn evidence(&mut self, decided: &Decided<'_>, record: &Record, value: &Value) {
        let (id, Some(input)) = (&decided.id, decided.input) else { return };
        if value["event_ref"].is_null() {
            let copied = !decided.is_unreadable && record.bytes().windows(input.bytes().len()).any(|part| part == input.bytes());
            self.expect(|| format!("cases: whether {id} carries its event byte for byte"), &copied, &true);
            return;
        }
        let reference = serde_json::json!({
            "topic": self.terms.topic, "partition": input.partition, "offset": input.offset, "sha256": sha256(&[input.bytes()])
        });
        self.expect(|| format!("cases: event_ref of {id}"), &value["event_ref"], &reference);
    }

    fn review(&mut self, decided: &Decided<'_>, case: &Record, review: &Record) {
        let id = &decided.id;
        let name = decided.entry["priority"]["band"].as_str().unwrap_or_default();
        let Some(band) = band(name) else { return self.blame(format!("audit: {id} has the band {name:?}")) };
        let spread = i32::from(self.terms.spread);
        self.placed("reviews", review, (id, "PENDING", "case/1"), band * spread + decided.lane % spread);
        let (case, review) = (self.value("cases", case), self.value("reviews", review));
        self.expect(|| format!("reviews: {id}, compared with its case"), &review, &case);
    }

    /// Unreadable ⇔ a dead letter with the original.
    pub(super) fn dead_letters(&mut self) {
        let mut letters: BTreeMap<String, Vec<&Record>> = BTreeMap::new();
        for record in &self.books.dead_letters {
            let id = record.header("jidoka-decision-id").unwrap_or("absent").to_owned();
            letters.entry(id).or_default().push(record);
        }
        for decided in self.decided() {
            let (id, found) = (&decided.id, letters.remove(&decided.id).unwrap_or_default());
            self.expect(|| format!("dead-letters: how many of {id}"), &found.len(), &usize::from(decided.is_unreadable));
            if let (Some(input), [letter, ..]) = (decided.input, found.as_slice()) {
                self.dead_letter(id, input, letter);
            }
        }
        for id in letters.keys() {
            self.blame(format!("dead-letters: {id} belongs to no unreadable record"));
        }
    }

    fn dead_letter(&mut self, id: &str, input: &Record, letter: &Record) {
        let (size, whole) = (input.bytes().len(), letter.bytes().len() == input.bytes().len());
        if !input.bytes().starts_with(letter.bytes()) || (!whole && letter.bytes().len() < 1_024) {
            self.blame(format!("dead-letters: {id} has not the bytes of its original"));
        }
        self.expect(|| format!("dead-letters: whether {id} is null"), &letter.value.is_none(), &input.value.is_none());
        self.expect(|| format!("dead-letters: the key of {id}"), &letter.key, &input.key);
        let expected = [
            ("jidoka-source-topic", self.terms.topic.clone()),
            ("jidoka-source-partition", input.partition.to_string()),
            ("jidoka-source-offset", input.offset.to_string()),
            ("jidoka-original-size", size.to_string()),
            ("jidoka-original-sha256", sha256(&[input.bytes()])),
        ];
        for (name, expected) in expected {
            self.expect(|| format!("dead-letters: {name} of {id}"), letter.header(name).unwrap_or("absent"), &expected);
        }
        for header in &input.headers {
            self.expect(|| format!("dead-letters: whether {id} kept {header:?}"), &letter.headers.contains(header), &true);
        }
    }

    /// Progress never goes back, ends where the input and the chain end, and the group has committed the same.
    pub(super) fn progress(&mut self) {
        let mut last: BTreeMap<i32, (&Record, Value)> = BTreeMap::new();
        for record in &self.books.progress {
            let key = record.key_text();
            let partition = key.strip_prefix(&format!("{}/", self.terms.source)).and_then(|number| number.parse().ok());
            let Some(partition) = partition else {
                self.blame(format!("progress: {key} is no key of this source"));
                continue;
            };
            self.expect(|| format!("progress: the partition of {key}"), &record.partition, &self.terms.lane(partition));
            let value = self.value("progress", record);
            if let Some((_, before)) = last.get(&partition) {
                let position = |value: &Value| (value["decided_through"].as_i64(), value["chain"]["n"].as_i64());
                if position(&value) < position(before) {
                    self.blame(format!("progress: {key} goes back from {before} to {value}"));
                }
            }
            last.insert(partition, (record, value));
        }
        let partitions: BTreeSet<i32> = self.books.input.iter().map(|record| record.partition).collect();
        for partition in partitions {
            match last.get(&partition) {
                Some((_, value)) => self.position(partition, &value.clone()),
                None if self.terms.extent == Extent::Everything => self.blame(format!("progress: none of partition {partition}")),
                None => {}
            }
        }
        for (partition, (_, value)) in last {
            let next = value["decided_through"].as_i64().unwrap_or(-1) + 1;
            let committed = self.books.group.get(&partition).copied();
            self.expect(|| format!("the group's offset of partition {partition}"), &committed, &Some(next));
        }
    }

    /// What progress says of a partition that has records.
    fn position(&mut self, partition: i32, value: &Value) {
        let handled = self.about.keys().filter(|(of, _)| *of == partition).map(|(_, offset)| *offset);
        let skipped = self.gaps.iter().filter(|(of, ..)| *of == partition).map(|(.., last)| *last);
        let through = handled.chain(skipped).max().unwrap_or(-1);
        self.expect(|| format!("progress: decided_through of {partition}"), &value["decided_through"], &Value::from(through));
        let head = self
            .entries
            .iter()
            .filter(|entry| entry.value["input"]["partition"] == partition)
            .max_by_key(|entry| entry.chain_n());
        let head = head.map_or(Value::Null, |entry| serde_json::json!({ "n": entry.chain_n(), "hash": entry.hash }));
        self.expect(|| format!("progress: the chain's head of {partition}"), &value["chain"], &head);
        let input = self.books.input.iter().find(|record| record.partition == partition && record.offset == through);
        let Some(input) = input.filter(|_| self.about.contains_key(&(partition, through))) else { return };
        self.expect(|| format!("progress: sha256 of {partition}"), &value["sha256"], &Value::from(sha256(&[input.bytes()])));
        let time = input.time_ms.map_or(Value::Null, |millis| Value::from(rfc3339(millis)));
        self.expect(|| format!("progress: appended_at of {partition}"), &value["appended_at"], &time);
    }
}
