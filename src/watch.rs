//! The monitor's statistics: what all events of one policy say together.
//!
//! `tallies in log order → `[`Watch::fold`]`, `[`Watch::outcome`]` → `[`Change`]`s → audit, signals`
//!
//! Over the same tallies it always comes to the same: an alarm at the same event, whatever crashed in between. It counts events from
//! 1, knows no time, and keeps of each event only what [`crate::tallies`] has of it, for a bounded number of events.
//!
//! | what | where | false alarms |
//! |---|---|---|
//! | favourable decisions of each subgroup, and of everybody | `rates` | one in `events_between_false_alarms` events |
//! | right decisions by late labels, likewise | `labels` | one in as many, both truths together |
//! | inputs, predictions and confidence | `drift` | one in as many |
//! | one input again and again | `identical` | one in as many |
//! | the share that is held | `capacity` | |
//! | anomaly scores of late | `recalibration` | |
//!
//! An open incident is not opened again. What it is about rests until somebody acknowledges it, and then begins anew: with the
//! baseline as it was, or with what has been seen since the incident was opened as the new one.

mod capacity;
mod cells;
mod chance;
mod drift;
mod identical;
mod incident;
mod labels;
mod memory;
mod rates;
mod recalibration;
mod snapshot;
mod stream;
mod summary;
mod terms;
mod words;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use self::identical::DuplicateTerms;
pub use self::summary::GroupSummary;

use self::capacity::{Capacity, Load};
use self::cells::{Cells, Group};
use self::drift::{Drift, Moved};
use self::identical::Identical;
use self::incident::{Noticed, Rate};
use self::labels::Labelled;
use self::memory::Memory;
use self::rates::{Alarm, Open, Rates};
use self::recalibration::{AGED, Recent};
use crate::identity::Hash;
use crate::profile::baseline::{Attribute, Baseline, Cell};
use crate::signal::{Incident, Recalibration, Threshold};
use crate::tallies::{EventHash, EventTally, Outcome};

/// Mean number of events between two false alarms, where a policy does not say it.
pub const EVENTS_BETWEEN_FALSE_ALARMS: f64 = 100_000.0;

/// What is watched of a policy, and against what.
#[derive(Clone, PartialEq, Debug)]
pub struct WatchTerms {
    /// Name of the policy.
    pub policy: String,
    /// Its hash, which covers its profile.
    pub policy_hash: Hash,
    /// The approved baseline.
    pub baseline: Arc<Baseline>,
    /// Which subgroups are watched; none: only everybody.
    pub fairness: Option<FairnessTerms>,
    /// Share of decisions that is to be held.
    pub capacity: Option<f64>,
    /// Share of ordinary events that the anomaly trigger flags.
    pub alpha: Option<f64>,
    /// How often inputs occur in training.
    pub duplicates: DuplicateTerms,
    /// Events that are remembered for labels that come late; at least 2,000.
    pub window: usize,
}

/// See [`WatchTerms::fairness`].
#[derive(Clone, PartialEq, Debug)]
pub struct FairnessTerms {
    /// Places in the baseline's attributes.
    pub attributes: Vec<usize>,
    /// Mean number of events between two false alarms.
    pub events_between_false_alarms: f64,
}

/// What became of an event.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// An incident was opened.
    Opened(Incident),
    /// The cause of one went away by itself.
    Closed(Incident),
    /// From now on what lies above this is held.
    Threshold(Threshold),
    /// From now on anomaly scores are compared with these.
    Recalibrated(Recalibration),
}

/// What an acknowledgement makes the baseline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewBaseline {
    /// It stays.
    Keep,
    /// What has been seen since the incident was opened.
    Recent,
}

/// Why an acknowledgement has no effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// No such incident is open.
    Unknown,
    /// There are only so many events since for a new baseline; 200 are needed.
    TooFew(u64),
    /// It is not about something that has a baseline, or it was opened under another policy.
    NoBaseline,
}

/// What became of a late label.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Joined {
    /// It was joined to its event.
    Joined,
    /// Its event is not remembered, or has its label.
    Unknown,
    /// Its event has no prediction whose favour could be told.
    Undecided,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Watch {
    terms: WatchTerms,
    attributes: Vec<Attribute>,
    events: u64,
    last: EventHash,
    incidents: Vec<Incident>,
    decisions: Rates,
    /// Of labels that say favourable, then of those that say adverse.
    labels: [Labelled; 2],
    drift: Drift,
    identical: Identical,
    capacity: Option<Capacity>,
    recent: Option<Recent>,
    memory: Memory,
    /// The levels of the event at hand, as far as they are watched.
    levels: Vec<u8>,
    /// Measures that passed at it.
    moved: Vec<Moved>,
}

impl Watch {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(terms: WatchTerms) -> Self {
        Self::from(terms, 0)
    }

    /// Nothing seen since the event with this number.
    fn from(terms: WatchTerms, event: u64) -> Self {
        let fairness = terms.fairness.as_ref();
        let chosen: Vec<usize> = fairness.map(|fairness| fairness.attributes.clone()).unwrap_or_default();
        let chosen: Vec<usize> = chosen.into_iter().filter(|place| *place < terms.baseline.attributes.len()).collect();
        let attributes: Vec<Attribute> = chosen.iter().map(|place| terms.baseline.attributes[*place].clone()).collect();
        let between = fairness.map_or(EVENTS_BETWEEN_FALSE_ALARMS, |fairness| fairness.events_between_false_alarms);
        let between = if between.is_finite() { between.max(1.0) } else { EVENTS_BETWEEN_FALSE_ALARMS };
        let cells = Cells::of(&attributes, &projected(&terms.baseline, &chosen));
        Self {
            decisions: Rates::new(cells, between, event),
            labels: [Labelled::new(between), Labelled::new(between)],
            drift: Drift::new(&terms.baseline.measures, between, event),
            identical: Identical::new(between),
            capacity: terms.capacity.map(Capacity::new),
            recent: terms.alpha.map(Recent::new),
            memory: Memory::new(terms.window.max(2_000), attributes.len(), event),
            attributes,
            terms,
            events: event,
            last: EventHash([0; 8]),
            incidents: Vec::new(),
            levels: Vec::new(),
            moved: Vec::new(),
        }
    }

    /// How many events it has counted.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// What it watches.
    #[must_use]
    pub const fn terms(&self) -> &WatchTerms {
        &self.terms
    }

    /// The capacity threshold τ, where the policy has a capacity.
    #[must_use]
    pub fn threshold(&self) -> Option<Threshold> {
        self.capacity.as_ref().map(|capacity| Threshold {
            policy_hash: self.terms.policy_hash.to_string(),
            threshold: words::rounded(capacity.threshold),
            rate: capacity.rate,
            at_event: self.events,
        })
    }

    /// Incidents that are open, in the order in which they were opened.
    #[must_use]
    pub fn open_incidents(&self) -> &[Incident] {
        &self.incidents
    }

    /// Takes in the next event.
    pub fn fold(&mut self, tally: &EventTally<'_>, out: &mut Vec<Change>) {
        self.memory.go_to(self.events);
        self.remember(tally);
        self.events += 1;
        if let Some(favourable) = tally.favourable
            && let Some(alarm) = self.decisions.fold(self.events, &self.levels, favourable)
        {
            self.alarm(Rate::Favourable, &alarm, out);
        }
        self.inputs(tally, out);
        if let Some(load) = self.capacity.as_mut().and_then(|capacity| capacity.fold(tally.held, tally.mandatory)) {
            self.load(load, out);
        }
        self.age(tally, out);
    }

    /// Takes an event only into the memory, for labels that come later: what lies before a snapshot is read again like this.
    /// It is not counted.
    pub fn remember(&mut self, tally: &EventTally<'_>) {
        self.levels.clear();
        let level = |place: &usize| tally.levels.get(*place).copied().unwrap_or(crate::profile::baseline::MISSING);
        if let Some(fairness) = &self.terms.fairness {
            let known = |place: &&usize| **place < self.terms.baseline.attributes.len();
            self.levels.extend(fairness.attributes.iter().filter(known).map(level));
        }
        self.last = tally.event;
        self.memory.push(tally, &self.levels);
    }

    fn noticed(&self) -> Noticed<'_> {
        Noticed { policy: &self.terms.policy, event: self.events, hash: self.last }
    }

    fn open(&mut self, incident: Incident, out: &mut Vec<Change>) {
        self.incidents.push(incident.clone());
        out.push(Change::Opened(incident));
    }

    fn alarm(&mut self, rate: Rate, alarm: &Alarm, out: &mut Vec<Change>) {
        let incident = incident::of_rate(self.noticed(), rate, alarm, &self.attributes);
        let event = self.events;
        if let Some(rates) = self.rates(rate) {
            rates.opened(alarm, event);
        }
        self.open(incident, out);
    }

    fn rates(&mut self, rate: Rate) -> Option<&mut Rates> {
        match rate {
            Rate::Favourable => Some(&mut self.decisions),
            Rate::TrueFavourable => self.labels[0].rates.as_mut(),
            Rate::TrueAdverse => self.labels[1].rates.as_mut(),
        }
    }

    fn inputs(&mut self, tally: &EventTally<'_>, out: &mut Vec<Change>) {
        let baseline = Arc::clone(&self.terms.baseline);
        let mut moved = std::mem::take(&mut self.moved);
        self.drift.fold(self.events, tally.bins, &baseline.measures, |measure| moved.push(measure));
        for measure in moved.drain(..) {
            let incident = incident::of_measure(self.noticed(), &measure, &baseline.measures[measure.measure]);
            self.drift.opened(measure.measure);
            self.open(incident, out);
        }
        self.moved = moved;
        if let Some(flood) = self.identical.fold(self.events, tally.vector, &self.terms.duplicates) {
            let incident = incident::of_flood(self.noticed(), &flood);
            self.identical.opened(flood.place.vector);
            self.open(incident, out);
        }
    }

    fn load(&mut self, load: Load, out: &mut Vec<Change>) {
        let is_capacity = |incident: &Incident| incident.about == incident::CAPACITY;
        match load {
            Load::Saturated if !self.incidents.iter().any(is_capacity) => {
                let Some(capacity) = &self.capacity else { return };
                let incident = incident::of_load(self.noticed(), capacity.threshold, capacity.too_high(), capacity.rate);
                self.open(incident, out);
            }
            Load::Saturated => {}
            Load::Relieved => {
                if let Some(place) = self.incidents.iter().position(is_capacity) {
                    out.push(Change::Closed(self.incidents.remove(place)));
                }
            }
        }
    }

    /// What the event's score, and the one that has aged with it, say about scores.
    fn age(&mut self, tally: &EventTally<'_>, out: &mut Vec<Change>) {
        let is_in_question = self.identical.open.is_some() || self.drift.is_open(&self.terms.baseline.measures);
        let Some(recent) = &mut self.recent else { return };
        if let Some(score) = tally.score.filter(|score| score.is_finite()) {
            recent.seen(score, tally.flagged);
        }
        let aged = self.events.checked_sub(AGED).and_then(|number| self.memory.numbered(number));
        let Some((past, score)) = aged.and_then(|past| Some((past, past.score.filter(|score| score.is_finite())?))) else {
            return;
        };
        // A flagged one whose label has come entered with it.
        let enters = if past.flagged { !past.labelled } else { !is_in_question };
        if enters && recent.aged(past.number, score, past.flagged) {
            self.recalibrate(out);
        }
    }

    fn recalibrate(&mut self, out: &mut Vec<Change>) {
        let Some(recent) = &mut self.recent else { return };
        let scores = recent.publish();
        let policy_hash = self.terms.policy_hash.to_string();
        out.push(Change::Recalibrated(Recalibration { policy_hash, at_event: self.events, scores }));
    }

    /// Whether an event is remembered and its label has not come.
    #[must_use]
    pub fn awaits(&self, event: EventHash) -> bool {
        self.memory.awaits(event)
    }

    /// Takes in a label that came late: what was right to decide, as `favourable` says of `outcome`'s truth.
    pub fn outcome(&mut self, outcome: &Outcome, favourable: bool, out: &mut Vec<Change>) -> Joined {
        let Some((past, levels)) = self.memory.label(outcome.event) else { return Joined::Unknown };
        self.levels.clear();
        self.levels.extend_from_slice(levels);
        if past.flagged
            && let (Some(recent), Some(score)) = (&mut self.recent, past.score.filter(|score| score.is_finite()))
            && recent.confirmed(past.number, score)
        {
            self.recalibrate(out);
        }
        let Some(decided) = past.favourable else { return Joined::Undecided };
        let rate = if favourable { Rate::TrueFavourable } else { Rate::TrueAdverse };
        let labelled = &mut self.labels[usize::from(!favourable)];
        let was_watched = labelled.rates.is_some();
        if let Some(alarm) = labelled.fold(self.events, &self.levels, decided == favourable, &self.attributes) {
            self.alarm(rate, &alarm, out);
        }
        if !was_watched {
            self.hold_all(rate);
        }
        Joined::Joined
    }

    /// Takes a label only into the memory, as [`Watch::remember`] does an event.
    pub fn remember_outcome(&mut self, outcome: &Outcome) {
        let _ = self.memory.label(outcome.event);
    }

    /// Forgets the events that a late label could be joined to.
    pub fn forget(&mut self) {
        self.memory = Memory::new(self.terms.window.max(2_000), self.attributes.len(), self.events);
    }

    /// Forgets the events up to this number, so that no late label can be joined to them.
    pub fn forget_up_to(&mut self, number: u64) {
        self.memory.forget(number);
    }

    /// At the end of a record of tallies, which is where a new capacity threshold holds from.
    pub fn end_of_record(&mut self, out: &mut Vec<Change>) {
        if self.capacity.as_mut().is_some_and(Capacity::end_of_record)
            && let Some(threshold) = self.threshold()
        {
            out.push(Change::Threshold(threshold));
        }
    }

    /// Somebody took notice of an incident: it is over, and what it was about is watched anew.
    ///
    /// # Errors
    /// With why it has no effect.
    pub fn acknowledge(&mut self, id: &str, baseline: NewBaseline) -> Result<Incident, Why> {
        let place = self.incidents.iter().position(|incident| incident.id == id).ok_or(Why::Unknown)?;
        let incident = self.incidents[place].clone();
        let (event, recent) = (self.events, baseline == NewBaseline::Recent);
        match self.topic(&incident) {
            Some(Topic::Rate(rate, group)) => match self.rates(rate) {
                Some(rates) => rates.over(&group, event, recent).map_err(Why::TooFew)?,
                None if recent => return Err(Why::NoBaseline),
                None => {}
            },
            Some(Topic::Measure(measure)) => self.drift.over(measure, event, recent).map_err(Why::TooFew)?,
            Some(Topic::Identical) => self.identical.over(recent).map_err(Why::TooFew)?,
            _ if recent => return Err(Why::NoBaseline),
            Some(Topic::Capacity) => {
                if let Some(capacity) = &mut self.capacity {
                    (capacity.saturated, capacity.beyond) = (false, 0);
                }
            }
            None => {}
        }
        self.incidents.remove(place);
        Ok(incident)
    }

    /// What an incident is about, if it is watched.
    fn topic(&self, incident: &Incident) -> Option<Topic> {
        if let Some(rate) = Rate::ALL.into_iter().find(|rate| rate.about() == incident.about) {
            return Some(Topic::Rate(rate, Group::named(&incident.group, &self.attributes)?));
        }
        match incident.about.as_str() {
            incident::IDENTICAL => Some(Topic::Identical),
            incident::CAPACITY => Some(Topic::Capacity),
            about => {
                let measures = &self.terms.baseline.measures;
                measures.iter().position(|binned| incident::about(&binned.of) == about).map(Topic::Measure)
            }
        }
    }

    /// The same policy with other terms: the statistics and the threshold begin anew, events are counted on, and open incidents stay
    /// open until somebody acknowledges them.
    #[must_use]
    pub fn renewed(self, terms: WatchTerms) -> Self {
        let mut new = Self::from(terms, self.events);
        new.last = self.last;
        for incident in self.incidents {
            new.hold(incident);
        }
        new
    }

    /// A rate is watched from now on: incidents about it that were opened under other terms are still open.
    fn hold_all(&mut self, rate: Rate) {
        let (event, attributes) = (self.events, &self.attributes);
        let of_rate = self.incidents.iter().filter(|incident| incident.about == rate.about());
        let groups: Vec<Group> = of_rate.filter_map(|incident| Group::named(&incident.group, attributes)).collect();
        let Some(rates) = self.rates(rate) else { return };
        for group in groups {
            rates.hold(Open { group, opened: rates.own, began: rates.own }, event);
        }
    }

    /// Takes in an incident that was opened under other terms.
    fn hold(&mut self, incident: Incident) {
        let event = self.events;
        match self.topic(&incident) {
            Some(Topic::Rate(rate, group)) => {
                if let Some(rates) = self.rates(rate) {
                    rates.hold(Open { group, opened: rates.own, began: rates.own }, event);
                }
            }
            Some(Topic::Measure(measure)) => self.drift.opened(measure),
            Some(Topic::Identical) => self.identical.opened(0),
            Some(Topic::Capacity) => {
                if let Some(capacity) = &mut self.capacity {
                    capacity.saturated = true;
                }
            }
            None => {}
        }
        self.incidents.push(incident);
    }
}

/// What an incident is about.
enum Topic {
    Rate(Rate, Group),
    Measure(usize),
    Identical,
    Capacity,
}

/// The baseline's cells by some of the attributes only.
fn projected(baseline: &Baseline, chosen: &[usize]) -> Vec<Cell> {
    let mut sums: std::collections::BTreeMap<Vec<u8>, (u64, u64)> = std::collections::BTreeMap::new();
    for cell in
        baseline.cells.iter().filter(|cell| cell.levels.len() == baseline.attributes.len() && cell.favourable <= cell.events)
    {
        let sum = sums.entry(chosen.iter().map(|place| cell.levels[*place]).collect()).or_default();
        *sum = (sum.0.saturating_add(cell.events), sum.1.saturating_add(cell.favourable));
    }
    sums.into_iter().map(|(levels, (events, favourable))| Cell { levels, events, favourable }).collect()
}
