//! The events of late, so that a label that comes later finds what was decided.

use std::collections::HashMap;

use crate::tallies::{EventHash, EventTally};

/// A bounded ring of the latest events.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    window: usize,
    attributes: usize,
    /// Number of the latest event.
    last: u64,
    /// Events up to this number are forgotten.
    forgotten: u64,
    ring: Vec<Past>,
    levels: Vec<u8>,
    /// Where an event lies; only looked up in.
    places: HashMap<EventHash, usize>,
}

/// What is remembered of an event.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Past {
    pub(super) number: u64,
    pub(super) event: EventHash,
    pub(super) favourable: Option<bool>,
    pub(super) score: Option<f32>,
    pub(super) flagged: bool,
    /// Its label has come.
    pub(super) labelled: bool,
}

impl Memory {
    /// Of so many events, each with so many levels.
    pub(super) fn new(window: usize, attributes: usize, last: u64) -> Self {
        Self {
            window: window.max(1),
            attributes,
            last,
            forgotten: 0,
            ring: Vec::new(),
            levels: Vec::new(),
            places: HashMap::new(),
        }
    }

    fn place(&self, number: u64) -> usize {
        usize::try_from(number % self.window as u64).unwrap_or(0)
    }

    /// Takes in the next event.
    pub(super) fn push(&mut self, event: &EventTally<'_>, levels: &[u8]) {
        self.last += 1;
        let past = Past {
            number: self.last,
            event: event.event,
            favourable: event.favourable,
            score: event.score,
            flagged: event.flagged,
            labelled: false,
        };
        let place = self.place(self.last);
        if self.ring.len() <= place {
            let nothing =
                Past { number: 0, event: EventHash([0; 8]), favourable: None, score: None, flagged: false, labelled: true };
            self.ring.resize(place + 1, nothing);
            self.levels.resize((place + 1) * self.attributes, 0);
        }
        let old = self.ring[place].event;
        if self.places.get(&old) == Some(&place) {
            self.places.remove(&old);
        }
        self.ring[place] = past;
        self.levels[place * self.attributes..][..self.attributes].copy_from_slice(levels);
        self.places.insert(event.event, place);
    }

    /// The next event is the one after this number.
    pub(super) fn go_to(&mut self, number: u64) {
        self.last = number;
    }

    /// Forgets the events up to this number.
    pub(super) fn forget(&mut self, number: u64) {
        self.forgotten = self.forgotten.max(number);
    }

    /// The event with this number, if it is remembered.
    pub(super) fn numbered(&self, number: u64) -> Option<&Past> {
        self.ring.get(self.place(number)).filter(|past| past.number == number && number > self.forgotten)
    }

    /// Whether the event is there and its label has not come.
    pub(super) fn awaits(&self, event: EventHash) -> bool {
        self.places
            .get(&event)
            .and_then(|place| self.ring.get(*place))
            .is_some_and(|past| !past.labelled && past.number > self.forgotten)
    }

    /// Finds an event whose label has come, and notes that it has: each is joined once. With its levels.
    pub(super) fn label(&mut self, event: EventHash) -> Option<(Past, &[u8])> {
        let (place, forgotten) = (*self.places.get(&event)?, self.forgotten);
        let past = self.ring.get_mut(place).filter(|past| !past.labelled && past.number > forgotten)?;
        past.labelled = true;
        Some((*past, &self.levels[place * self.attributes..][..self.attributes]))
    }
}
