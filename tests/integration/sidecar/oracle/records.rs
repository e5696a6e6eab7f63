//! What follows from the replay: the records of `cases`, `archive`, `reviews` and `dispositions`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::model::BANDS;
use super::{Feed, Judge};
use crate::gate::books::Record;

/// The members that a case keeps from its opening, byte for byte.
const KEPT: [&str; 17] = [
    "decision_id",
    "lane",
    "event_id",
    "source",
    "row",
    "conflicts_with",
    "score",
    "salt",
    "subject_id",
    "requested_by",
    "amount",
    "findings",
    "event",
    "event_ref",
    "model",
    "policy",
    "review",
];

impl<'b> Judge<'b> {
    /// Each record of a case is as the replay has it at its seq, and the latest is the latest; or the case was closed long
    /// enough ago, and both its records are gone.
    pub(super) fn cases(&mut self) {
        let changed = self.by_decision("cases", &self.books.cases, |record, _| !record.key_text().ends_with("/opened"));
        let mut gone = BTreeSet::new();
        for record in self.books.cases.iter().filter(|record| record.value.is_none()) {
            let key = record.key_text();
            gone.insert(key.clone());
            self.tombstone(key.strip_suffix("/opened").unwrap_or(&key), record);
        }
        for (id, records) in &changed {
            let mut last = 0;
            let mut records = records.iter();
            for (record, value) in records.by_ref().take_while(|(record, _)| record.value.is_some()) {
                let seq = value["seq"].as_i64().unwrap_or(-1);
                if seq <= last {
                    self.blame(format!("cases: {id} goes from seq {last} to {seq}"));
                }
                last = seq;
                self.as_replayed("cases", id, record, value);
            }
            if records.next().is_some() {
                self.blame(format!("cases: {id} comes again after its tombstone"));
            }
        }
        self.latest(&changed, &gone);
    }

    fn latest(&mut self, changed: &super::Own<'b>, gone: &BTreeSet<String>) {
        let mut ids: Vec<String> = self.held.keys().cloned().collect();
        ids.sort_unstable();
        for id in ids {
            let (is_gone, opening_is_gone) = (gone.contains(&id), gone.contains(&format!("{id}/opened")));
            self.expect(|| format!("cases: whether {id}/opened is gone like {id}"), &opening_is_gone, &is_gone);
            let held = &self.held[&id];
            let (Some(case), was_opened) = (&held.case, held.opened.is_some()) else { continue };
            let seq = case.seq;
            if is_gone {
                continue;
            }
            self.expect(|| format!("cases: whether {id}/opened is there"), &was_opened, &true);
            let last =
                changed.get(&id).and_then(|records| records.last()).map_or(0, |(_, value)| value["seq"].as_i64().unwrap_or(-1));
            self.expect(|| format!("cases: the last seq of {id}"), &last, &seq);
        }
        let strange: Vec<&String> = changed.keys().filter(|id| !self.held.contains_key(*id)).collect();
        for id in strange {
            self.blame(format!("cases: {id} belongs to no held decision"));
        }
    }

    /// Only what was closed long enough ago may be gone.
    fn tombstone(&mut self, id: &str, record: &Record) {
        let Some(held) = self.held.get(id) else { return self.blame(format!("cases: {id} is gone, and was never held")) };
        let lane = held.lane;
        let early = match held.case.as_ref().map(|case| case.closed_at) {
            Some(Some(closed)) => record.time_ms.is_some_and(|time| time < closed + self.terms.keep_closed),
            Some(None) => true,
            None => false,
        };
        if early {
            self.blame(format!("cases: {} is gone before its time", record.key_text()));
        }
        self.expect(|| format!("cases: the partition of the tombstone {}", record.key_text()), &record.partition, &lane);
    }

    /// A whole case is as the replay has it at the seq that it names.
    fn as_replayed(&mut self, topic: &str, id: &str, record: &Record, value: &Value) {
        let Some(held) = self.held.get(id) else { return };
        let seq = usize::try_from(value["seq"].as_i64().unwrap_or(-1)).unwrap_or(usize::MAX);
        let (lane, opened, unknown) = (held.lane, held.opened, held.case.is_none());
        let Some(members) = held.snapshots.get(seq).cloned() else {
            if !unknown {
                self.blame(format!("{topic}: {id} has seq {seq}, which its trail has not"));
            }
            return;
        };
        let partition = if topic == "reviews" { self.feed(&members, lane) } else { lane };
        let state = members["state"].as_str().unwrap_or_default().to_owned();
        self.placed(topic, record, (id, &state, "case/1"), partition);
        for (name, expected) in members.as_object().into_iter().flatten() {
            let actual = if name == "comments" { with_text(&value[name]) } else { value[name].clone() };
            self.expect(|| format!("{topic}: {name} of {id} at seq {seq}"), &actual, expected);
        }
        if let Some(opened) = opened {
            self.kept(topic, id, record, opened);
        }
    }

    fn kept(&mut self, topic: &str, id: &str, record: &Record, opened: &Record) {
        type Members<'r> = BTreeMap<String, &'r RawValue>;
        let read = |record: &'_ Record| -> Option<BTreeMap<String, String>> {
            let members: Members<'_> = serde_json::from_slice(record.bytes()).ok()?;
            let given = members.into_iter().filter(|(_, value)| value.get() != "null");
            Some(given.map(|(name, value)| (name, value.get().to_owned())).collect())
        };
        let (Some(now), Some(then)) = (read(record), read(opened)) else { return };
        for name in KEPT.into_iter().chain(["opened_at", "due_at"]) {
            self.expect(|| format!("{topic}: {name} of {id}, compared with its opening"), &now.get(name), &then.get(name));
        }
    }

    /// The partition of the review feed.
    fn feed(&self, members: &Value, lane: i32) -> i32 {
        let band = BANDS.iter().position(|band| members["band"] == **band).and_then(|band| i32::try_from(band).ok());
        let spread = i32::from(self.terms.spread);
        band.unwrap_or(-1) * spread + lane % spread
    }

    /// Each closed case, and no other, lies there with the bytes of its last record in `cases`.
    pub(super) fn archive(&mut self) {
        let archived = self.by_decision("archive", &self.books.archive, |_, _| true);
        let mut last: BTreeMap<String, &Record> = BTreeMap::new();
        for record in self.books.cases.iter().filter(|record| record.value.is_some()) {
            last.insert(record.key_text(), record);
        }
        let mut ids: Vec<String> = self.held.keys().cloned().collect();
        ids.sort_unstable();
        for id in ids {
            let held = &self.held[&id];
            let Some(case) = &held.case else { continue };
            let records = archived.get(&id).map_or(&[][..], Vec::as_slice);
            let (whole, closed) = (records.iter().filter(|(record, _)| record.value.is_some()).count(), !case.is_open());
            self.expect(|| format!("archive: how many records of {id}"), &whole, &usize::from(closed));
            let erased = records.last().is_some_and(|(record, _)| record.value.is_none());
            self.expect(|| format!("archive: whether {id} is erased"), &erased, &self.terms.erased.contains(&id));
            for (record, value) in records.iter().filter(|(record, _)| record.value.is_some()) {
                self.as_replayed("archive", &id, record, value);
                let same = last.get(&id).is_none_or(|last| last.value == record.value);
                self.expect(|| format!("archive: whether {id} has the bytes of its case"), &same, &true);
            }
        }
        for id in archived.keys().filter(|id| !self.held.contains_key(*id)).cloned().collect::<Vec<_>>() {
            self.blame(format!("archive: {id} belongs to no held decision"));
        }
    }

    /// One record after each escalation, of the case as it then was.
    pub(super) fn reviews(&mut self) {
        let offered = self.by_decision("reviews", &self.books.reviews, |_, value| value["seq"] != 0);
        let mut escalated: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for entry in self.lanes.values().flatten().filter(|entry| entry.kind() == "ESCALATED") {
            escalated.entry(entry.id().to_owned()).or_default().push(entry.value["seq"].as_i64().unwrap_or(-1));
        }
        let cases = self.by_decision("cases", &self.books.cases, |record, _| record.value.is_some());
        let ids: BTreeSet<&String> = offered.keys().chain(escalated.keys()).collect();
        for id in ids {
            let records = offered.get(id).map_or(&[][..], Vec::as_slice);
            let mut found: Vec<i64> = records.iter().map(|(_, value)| value["seq"].as_i64().unwrap_or(-1)).collect();
            found.sort_unstable();
            let mut expected = escalated.get(id).cloned().unwrap_or_default();
            if self.terms.reviews == Feed::Lost {
                expected.retain(|seq| found.contains(seq));
            }
            self.expect(|| format!("reviews: the escalations of {id} that are offered"), &found, &expected);
            for (record, value) in records {
                self.as_replayed("reviews", id, record, value);
                // The case's record of that time may have been compacted away since.
                let of_then = cases.get(id).into_iter().flatten().find(|(_, case)| case["seq"] == value["seq"]);
                if of_then.is_some_and(|(case, _)| case.value != record.value) {
                    self.blame(format!("reviews: {id} at seq {} has not the bytes of its case", value["seq"]));
                }
            }
        }
    }

    /// The last word on each held decision: none while its case is open, one when it is closed.
    pub(super) fn dispositions(&mut self) {
        let spoken = self.by_decision("dispositions", &self.books.dispositions, |_, value| value["seq"] != 0);
        let mut ids: BTreeSet<String> = self.held.keys().cloned().collect();
        ids.extend(spoken.keys().cloned());
        for id in ids {
            let records = spoken.get(&id).map_or(&[][..], Vec::as_slice);
            let Some(held) = self.held.get(&id) else {
                self.blame(format!("dispositions: {id} was never held"));
                continue;
            };
            let Some(case) = &held.case else { continue };
            let (closed, lane, entry, state) = (case.closed_at, held.lane, held.entry.clone(), case.state);
            let seq = case.seq;
            self.expect(|| format!("dispositions: how many last words on {id}"), &records.len(), &usize::from(closed.is_some()));
            for (record, value) in records {
                self.placed("dispositions", record, (&id, state, "disposition/1"), lane);
                let at = closed.map(crate::gate::oracle::rules::rfc3339);
                let own = [("outcome", json!(state)), ("final", json!(true)), ("at", json!(at)), ("seq", json!(seq))];
                let kept = ["decision_id", "event_id", "source", "row", "policy", "conflicts_with"];
                let kept = kept.map(|name| (name, entry[name].clone()));
                for (name, expected) in own.into_iter().chain(kept) {
                    self.expect(|| format!("dispositions: {name} of {id}"), &value[name], &expected);
                }
                let names = value.as_object().map_or(0, serde_json::Map::len);
                self.expect(|| format!("dispositions: how many members {id} has"), &names, &10);
            }
        }
    }
}

/// The comments that have a text: whether the others are listed, the contract leaves open.
fn with_text(comments: &Value) -> Value {
    let written = comments.as_array().into_iter().flatten().filter(|comment| !comment["text"].is_null());
    written.cloned().collect()
}
