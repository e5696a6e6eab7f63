//! How each case was opened: what its later life is replayed from.

use std::collections::HashMap;

use serde_json::Value;

use super::model::{BANDS, Case};
use super::{Held, Judge};
use crate::gate::books::Record;

impl Judge<'_> {
    /// Finds for each held decision the record that opened it, or its archived one, and where neither is left, says so.
    pub(super) fn openings(&mut self) {
        let mut opened: HashMap<String, &Record> = HashMap::new();
        for record in self.books.cases.iter().filter(|record| record.value.is_some()) {
            if let Some(id) = record.key_text().strip_suffix("/opened") {
                opened.insert(id.to_owned(), record);
            }
        }
        let archived = self.books.archive.iter().filter(|record| record.value.is_some());
        let archived: HashMap<String, &Record> = archived.map(|record| (record.key_text(), record)).collect();
        let mut held = std::mem::take(&mut self.held);
        for (id, held) in &mut held {
            held.opened = opened.remove(id);
            match held.opened.or_else(|| archived.get(id).copied()) {
                Some(record) => self.open(id, held, record),
                None if self.terms.erased.contains(id) => {}
                None => self.blame(format!("cases: {id} was held, and neither its opening nor its end is there")),
            }
        }
        self.held = held;
        for id in opened.keys() {
            self.blame(format!("cases: {id}/opened belongs to no held decision"));
        }
    }

    fn open<'b>(&mut self, id: &str, held: &mut Held<'b>, record: &'b Record) {
        let value = self.value("cases", record);
        let band = held.entry["priority"]["band"].as_str().unwrap_or_default();
        held.case = Case::opened(&value, &held.hash, band);
        let Some(case) = &held.case else {
            return self.blame(format!("cases: {id} cannot be understood: {value}"));
        };
        let due_at = case.opened_at + case.rules.sla[case.band];
        let (opened_at, actual) = (value["opened_at"].clone(), case.due_at);
        held.snapshots = vec![case.members()];
        self.expect(|| format!("cases: due_at of {id} in the band {}", BANDS[case.band]), &actual, &due_at);
        self.expect(|| format!("cases: opened_at of {id}"), &opened_at, &held.entry["at"]);
        if held.opened.is_some() {
            let fresh = [("state", Value::from("PENDING")), ("seq", Value::from(0)), ("band", Value::from(band))];
            for (name, expected) in fresh {
                self.expect(|| format!("cases: {name} of {id}/opened"), &value[name], &expected);
            }
        }
    }
}
