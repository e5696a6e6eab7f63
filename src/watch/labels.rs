//! Whether the right decision is made as often as it was, by labels that come late: of events that should have been decided
//! favourably (equal opportunity), and of those that should not.
//!
//! A profile knows nothing of labels. So the first 1,000 of each truth are the baseline; from then on it is as for decisions.

use std::collections::BTreeMap;

use super::cells::Cells;
use super::rates::{Alarm, Rates};
use crate::profile::baseline::{Attribute, Cell};

/// Labels of one truth that make up its baseline.
const BASELINE: u64 = 1_000;

/// One truth.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Labelled {
    /// Labels so far that make up the baseline.
    pub(super) counts: BTreeMap<Vec<u8>, (u64, u64)>,
    pub(super) events: u64,
    /// Once there are enough.
    pub(super) rates: Option<Rates>,
    events_between_false_alarms: f64,
}

impl Labelled {
    /// With half of the allowance of false alarms: there are two truths.
    pub(super) fn new(events_between_false_alarms: f64) -> Self {
        let events_between_false_alarms = 2.0 * events_between_false_alarms;
        Self { counts: BTreeMap::new(), events: 0, rates: None, events_between_false_alarms }
    }

    /// Takes in a label, which came after the event with this number: whether the decision was `right`.
    pub(super) fn fold(&mut self, event: u64, levels: &[u8], right: bool, attributes: &[Attribute]) -> Option<Alarm> {
        if let Some(rates) = &mut self.rates {
            return rates.fold(event, levels, right);
        }
        let count = self.counts.entry(levels.to_vec()).or_default();
        count.0 += 1;
        count.1 += u64::from(right);
        self.events += 1;
        self.settle(event, attributes);
        None
    }

    /// Begins to watch once there are enough.
    pub(super) fn settle(&mut self, event: u64, attributes: &[Attribute]) {
        if self.events >= BASELINE && self.rates.is_none() {
            let cell = |(levels, (events, hits)): (&Vec<u8>, &(u64, u64))| Cell {
                levels: levels.clone(),
                events: *events,
                favourable: *hits,
            };
            let counts: Vec<Cell> = self.counts.iter().map(cell).collect();
            self.rates = Some(Rates::new(Cells::of(attributes, &counts), self.events_between_false_alarms, event));
        }
    }
}
