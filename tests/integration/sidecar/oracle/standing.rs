//! Where the sidecars stand: progress and the group's offsets.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Judge;
use crate::gate::oracle::Extent;
use crate::gate::oracle::rules::{rfc3339, sha256};

impl Judge<'_> {
    /// How far `progress` says that a lane is applied; −1 where it says nothing.
    pub(super) fn applied_through(&self, lane: i32) -> i64 {
        let key = format!("sidecar/lane/{lane}");
        let last = self.books.progress.iter().rfind(|record| record.key_text() == key);
        let value: Value = last.and_then(|record| serde_json::from_slice(record.bytes()).ok()).unwrap_or_default();
        value["applied_through"].as_i64().unwrap_or(-1)
    }

    /// Progress of each lane never goes back, ends where its verdicts and its chain end, and the group has committed the same.
    pub(super) fn standing(&mut self) {
        let mut last: BTreeMap<i32, Value> = BTreeMap::new();
        for record in self.books.progress.iter().filter(|record| record.key_text().starts_with("sidecar/")) {
            let key = record.key_text();
            let lane = key.strip_prefix("sidecar/lane/").and_then(|number| number.parse().ok());
            let Some(lane) = lane.filter(|lane| (0..i32::from(self.terms.lanes)).contains(lane)) else {
                self.blame(format!("progress: {key} is no key of a lane"));
                continue;
            };
            self.expect(|| format!("progress: the partition of {key}"), &record.partition, &lane);
            let value = self.value("progress", record);
            let position = |value: &Value| {
                let time = value["at"].as_str().unwrap_or_default().to_owned();
                [value["applied_through"].as_i64(), value["chain"]["n"].as_i64()]
                    .map(|number| number.unwrap_or(-1))
                    .into_iter()
                    .map(|number| format!("{number:020}"))
                    .chain([time])
                    .collect::<Vec<_>>()
            };
            let back = last
                .get(&lane)
                .is_some_and(|before| position(&value).iter().zip(position(before)).any(|(now, then)| *now < then));
            if back {
                self.blame(format!("progress: {key} goes back to {value}"));
            }
            last.insert(lane, value);
        }
        for lane in 0..i32::from(self.terms.lanes) {
            self.lane_stands(lane, last.get(&lane));
            let next = self.applied_through(lane) + 1;
            let committed = self.books.applied.get(&lane).copied();
            if committed.is_some() || last.contains_key(&lane) {
                self.expect(|| format!("the group's offset of lane {lane}"), &committed, &Some(next));
            }
        }
    }

    fn lane_stands(&mut self, lane: i32, value: Option<&Value>) {
        let (through, appended) = self.through.get(&lane).copied().unwrap_or((-1, i64::MIN));
        let entries = self.lanes.get(&lane).map_or(&[][..], Vec::as_slice);
        let head = entries.last().map(|entry| json!({ "n": entry.value["chain"]["n"], "hash": entry.hash }));
        let covered = value.is_some_and(|value| {
            let ends_here = |entry: &super::Entry<'_>| entry.value["input"]["last_offset"] == value["applied_through"];
            entries.iter().any(|entry| entry.kind() == "GAP" && ends_here(entry))
        });
        let (head, time) = (json!(head), entries.last().map_or(i64::MIN, super::Entry::at));
        let Some(value) = value else {
            if through >= 0 || !head.is_null() {
                self.blame(format!("progress: none of lane {lane}"));
            }
            return;
        };
        if self.terms.extent == Extent::Everything {
            self.expect(|| format!("progress: applied_through of lane {lane}"), &value["applied_through"], &json!(through));
        }
        self.expect(|| format!("progress: the chain's head of lane {lane}"), &value["chain"], &head);
        let times = [time, time.max(appended)].map(|time| json!((time > i64::MIN).then(|| rfc3339(time))));
        if !times.contains(&value["at"]) {
            self.blame(format!("progress: at of lane {lane} is {}, not {} or {}", value["at"], times[0], times[1]));
        }
        let record =
            self.books.verdicts.iter().find(|record| record.partition == lane && value["applied_through"] == record.offset);
        let Some(record) = record.filter(|_| !covered) else { return };
        self.expect(|| format!("progress: sha256 of lane {lane}"), &value["sha256"], &json!(sha256(&[record.bytes()])));
        let time = json!(record.time_ms.map(rfc3339));
        self.expect(|| format!("progress: appended_at of lane {lane}"), &value["appended_at"], &time);
    }
}
