//! The state of a [`Watch`] as JSON, bit for bit: what is restored goes on exactly as what was saved would have.
//!
//! What follows from the terms is not in it, nor what is remembered for late labels: that is read again from the tallies
//! ([`Watch::recall`]). It comes back from a topic, so nothing in it is trusted: what could not have come about is refused.

use serde::{Deserialize, Serialize};

use super::cells::{Approved, Group, Shift};
use super::identical::{Identical, Place};
use super::labels::Labelled;
use super::rates::{Open, Rates};
use super::recalibration::Recent;
use super::stream::{Kept, Since, Stream};
use super::words::Words;
use super::{Attribute, Capacity, Drift, Incident, Watch, WatchTerms};
use crate::identity::Hash;
use crate::tallies::EventHash;

/// This version of the snapshot.
const VERSION: u64 = 1;

#[derive(Serialize, Deserialize)]
struct Snapshot {
    version: u64,
    policy_hash: String,
    events: u64,
    last: [u8; 8],
    incidents: Vec<Incident>,
    decisions: RatesState,
    labels: [LabelsState; 2],
    drift: Vec<MeasureState>,
    identical: IdenticalState,
    capacity: Option<Words>,
    recent: Option<RecentState>,
}

#[derive(Serialize, Deserialize)]
struct RatesState {
    own: u64,
    streams: Words,
    kept: Words,
    /// Four to a word.
    recent: Words,
    recent_len: usize,
    /// Levels of cells that the baseline has not seen, in the order in which they came.
    new_cells: Vec<Vec<u8>>,
    approved: Vec<ApprovedState>,
    open: Vec<Open>,
    shift: Words,
}

#[derive(Serialize, Deserialize)]
struct ApprovedState {
    group: Group,
    /// Shift, events, hits.
    numbers: Words,
}

#[derive(Serialize, Deserialize)]
struct LabelsState {
    counts: Vec<(Vec<u8>, u64, u64)>,
    rates: Option<RatesState>,
}

#[derive(Serialize, Deserialize)]
struct MeasureState {
    streams: Words,
    approved: Option<Vec<u64>>,
    open: Option<Vec<u64>>,
}

#[derive(Serialize, Deserialize)]
struct IdenticalState {
    places: Words,
    open: Option<(u32, u64, u64)>,
    approved: Vec<(u32, u64)>,
}

#[derive(Serialize, Deserialize)]
struct RecentState {
    window: Words,
    tail: Words,
    first: Option<u32>,
    entered: u64,
    is_published: bool,
}

impl Watch {
    /// Writes the state, as one JSON object.
    pub fn snapshot(&self, out: &mut Vec<u8>) {
        let snapshot = Snapshot {
            version: VERSION,
            policy_hash: self.terms.policy_hash.to_string(),
            events: self.events,
            last: self.last.0,
            incidents: self.incidents.clone(),
            decisions: RatesState::of(&self.decisions),
            labels: self.labels.each_ref().map(LabelsState::of),
            drift: self
                .drift
                .measures
                .iter()
                .map(|measure| MeasureState {
                    streams: streams(&measure.streams),
                    approved: measure.approved.then(|| measure.counts.clone()),
                    open: measure.open.clone(),
                })
                .collect(),
            identical: IdenticalState::of(&self.identical),
            capacity: self.capacity.as_ref().map(|capacity| {
                Words(vec![
                    capacity.threshold.to_bits(),
                    capacity.events,
                    capacity.held,
                    capacity.beyond,
                    u64::from(capacity.saturated),
                ])
            }),
            recent: self.recent.as_ref().map(RecentState::of),
        };
        serde_json::to_writer(out, &snapshot).expect("a state of numbers and texts is JSON");
    }

    /// The state that was saved, under these terms. If it was saved under another policy hash the statistics begin anew and open
    /// incidents stay (see [`Watch::renewed`]).
    ///
    /// # Errors
    /// With a sentence where it is no state, or one that could not have come about.
    pub fn restore(terms: WatchTerms, bytes: &[u8]) -> Result<Self, String> {
        let snapshot: Snapshot = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if snapshot.version != VERSION {
            return Err(format!("version {} of the state is not known here, only {VERSION}", snapshot.version));
        }
        let mut watch = Self::from(terms, snapshot.events);
        watch.last = EventHash(snapshot.last);
        if snapshot.policy_hash != watch.terms.policy_hash.to_string() {
            snapshot.incidents.into_iter().for_each(|incident| watch.hold(incident));
            return Ok(watch);
        }
        watch.incidents = snapshot.incidents;
        snapshot.decisions.restore(&mut watch.decisions)?;
        for (labelled, state) in watch.labels.iter_mut().zip(snapshot.labels) {
            state.restore(labelled, snapshot.events, &watch.attributes)?;
        }
        restore_drift(&mut watch.drift, snapshot.drift)?;
        snapshot.identical.restore(&mut watch.identical)?;
        if let (Some(capacity), Some(words)) = (&mut watch.capacity, snapshot.capacity) {
            restore_capacity(capacity, &words)?;
        }
        if let (Some(recent), Some(state)) = (&mut watch.recent, snapshot.recent) {
            state.restore(recent)?;
        }
        Ok(watch)
    }

    /// The hash of the policy under which a state was saved; none where it is no state.
    #[must_use]
    pub fn saved_under(bytes: &[u8]) -> Option<Hash> {
        #[derive(Deserialize)]
        struct Under {
            policy_hash: String,
        }
        Hash::parse(&serde_json::from_slice::<Under>(bytes).ok()?.policy_hash)
    }

    /// The next event that is given to [`Watch::remember`] is the one after this number.
    pub fn recall(&mut self, after: u64) {
        self.memory.go_to(after);
    }
}

fn streams(streams: &[Stream]) -> Words {
    let mut words = Vec::with_capacity(streams.len() * 24);
    for stream in streams {
        words.extend(stream.odds.iter().chain(&stream.change).map(|value| value.to_bits()));
        for since in &stream.since {
            words.extend([
                since.event,
                since.own,
                since.events,
                since.hits,
                since.expected.to_bits(),
                since.information.to_bits(),
            ]);
        }
        words.extend(stream.kept.iter().flat_map(|kept| [kept.surplus.to_bits(), kept.information.to_bits()]));
    }
    Words(words)
}

fn restore_streams(words: &Words, streams: &mut [Stream]) -> Result<(), String> {
    let groups = words.groups::<24>()?;
    if groups.len() != streams.len() {
        return Err(format!("{} streams are saved and {} are watched", groups.len(), streams.len()));
    }
    for (stream, w) in streams.iter_mut().zip(groups) {
        let f = f64::from_bits;
        let since = |at: usize| Since {
            event: w[at],
            own: w[at + 1],
            events: w[at + 2],
            hits: w[at + 3],
            expected: f(w[at + 4]),
            information: f(w[at + 5]),
        };
        let kept = |at: usize| Kept { surplus: f(w[at]), information: f(w[at + 1]) };
        let odds = [0, 1, 2, 3, 4, 5].map(|at| f(w[at]));
        *stream = Stream { odds, change: [f(w[6]), f(w[7])], since: [since(8), since(14)], kept: [kept(20), kept(22)] };
        if !stream.is_sound() {
            return Err("a stream has a state that it cannot come to".to_owned());
        }
    }
    Ok(())
}

impl RatesState {
    fn of(rates: &Rates) -> Self {
        let recent: Vec<u16> = rates.recent.iter().copied().collect();
        let word = |four: &[u16]| four.iter().rev().fold(0, |word, part| word << 16 | u64::from(*part));
        let shift = rates.cells.shifted();
        Self {
            own: rates.own,
            streams: streams(&rates.streams),
            kept: Words(
                rates.kept.iter().flatten().flat_map(|kept| [kept.surplus.to_bits(), kept.information.to_bits()]).collect(),
            ),
            recent: Words(recent.chunks(4).map(word).collect()),
            recent_len: recent.len(),
            new_cells: rates.cells.new_cells().map(<[u8]>::to_vec).collect(),
            approved: rates
                .cells
                .approved()
                .iter()
                .map(|approved| ApprovedState {
                    group: approved.group.clone(),
                    numbers: Words(vec![approved.shift.to_bits(), approved.events, approved.hits]),
                })
                .collect(),
            open: rates.open.clone(),
            shift: Words(vec![shift.by.to_bits(), shift.error.to_bits()]),
        }
    }

    /// Into what was made of the terms.
    fn restore(self, rates: &mut Rates) -> Result<(), String> {
        for levels in &self.new_cells {
            if levels.len() != rates.cells.attributes() || rates.cells.find(levels).is_none() {
                return Err("a cell is saved that cannot be".to_owned());
            }
        }
        let mut approved = Vec::new();
        for state in self.approved {
            let [shift, events, hits] = one(&state.numbers)?;
            let shift = f64::from_bits(shift);
            if !shift.is_finite() || shift.abs() > 1e3 || hits > events {
                return Err("a baseline is saved that cannot be".to_owned());
            }
            approved.push(Approved { group: state.group, shift, events, hits });
        }
        rates.cells.approve_all(approved);
        restore_streams(&self.streams, &mut rates.streams)?;
        rates.own = self.own;
        let parts =
            self.recent.0.iter().flat_map(|word| [0, 16, 32, 48].map(|shift| u16::try_from(word >> shift & 0xffff).unwrap_or(0)));
        rates.recent = parts.take(self.recent_len).collect();
        rates.open = self.open;
        let [by, error] = one(&self.shift)?;
        let shift = Shift { by: f64::from_bits(by), error: f64::from_bits(error) };
        let sound =
            shift.by.is_finite() && shift.by.abs() <= 1e3 && shift.error.is_finite() && (0.0..=1e3).contains(&shift.error);
        if !rates.is_sound() || !sound {
            return Err("decisions are saved that cannot be".to_owned());
        }
        rates.cells.explain(rates.explained());
        rates.cells.shift(shift);
        let kept = self.kept.groups::<4>()?;
        if kept.len() != rates.streams.len() {
            return Err("as much must be kept as there are streams".to_owned());
        }
        for (place, words) in kept.enumerate() {
            let [a, b, c, d] = words.map(f64::from_bits);
            let kept = [Kept { surplus: a, information: b }, Kept { surplus: c, information: d }];
            if !kept.iter().all(Kept::is_sound) {
                return Err("what is kept cannot be".to_owned());
            }
            rates.kept[place] = kept;
            rates.cells.keep(place, kept);
        }
        Ok(())
    }
}

fn one<const N: usize>(words: &Words) -> Result<[u64; N], String> {
    words.0.as_slice().try_into().map_err(|_| format!("{N} words expected"))
}

impl LabelsState {
    fn of(labelled: &Labelled) -> Self {
        let counts = labelled.counts.iter().map(|(levels, (events, hits))| (levels.clone(), *events, *hits)).collect();
        Self { counts, rates: labelled.rates.as_ref().map(RatesState::of) }
    }

    fn restore(self, labelled: &mut Labelled, event: u64, attributes: &[Attribute]) -> Result<(), String> {
        for (levels, events, hits) in self.counts {
            if hits > events || levels.len() != attributes.len() {
                return Err("labels are saved that cannot be".to_owned());
            }
            labelled.events = labelled.events.saturating_add(events);
            labelled.counts.insert(levels, (events, hits));
        }
        labelled.settle(event, attributes);
        match (self.rates, &mut labelled.rates) {
            (Some(state), Some(rates)) => state.restore(rates),
            (None, None) => Ok(()),
            _ => Err("labels are watched from their 1,000th on, no sooner and no later".to_owned()),
        }
    }
}

fn restore_drift(drift: &mut Drift, states: Vec<MeasureState>) -> Result<(), String> {
    if states.len() != drift.measures.len() {
        return Err(format!("{} measures are saved and {} are watched", states.len(), drift.measures.len()));
    }
    for (place, state) in states.into_iter().enumerate() {
        if let Some(counts) = state.approved {
            drift.approve(place, counts);
        }
        let measure = &mut drift.measures[place];
        restore_streams(&state.streams, &mut measure.streams)?;
        if state.open.as_ref().is_some_and(|counts| counts.len() != measure.counts.len()) {
            return Err("an open measure has as many counts as bins".to_owned());
        }
        measure.open = state.open;
    }
    Ok(())
}

fn restore_capacity(capacity: &mut Capacity, words: &Words) -> Result<(), String> {
    let [threshold, events, held, beyond, saturated] = one(words)?;
    let threshold = f64::from_bits(threshold);
    if !(0.0..=1.0).contains(&threshold) || held > events || saturated > 1 {
        return Err("a capacity is saved that cannot be".to_owned());
    }
    (capacity.threshold, capacity.events, capacity.held) = (threshold, events, held);
    (capacity.beyond, capacity.saturated) = (beyond, saturated == 1);
    Ok(())
}

impl IdenticalState {
    fn of(identical: &Identical) -> Self {
        let words = |place: &Place| {
            let [a, b, c] = place.odds.map(f64::to_bits);
            [u64::from(place.vector), place.count, place.since, place.hits, a, b, c, place.rate.to_bits()]
        };
        Self {
            places: Words(identical.places.iter().flat_map(words).collect()),
            open: identical.open,
            approved: identical.approved.iter().map(|(vector, rate)| (*vector, rate.to_bits())).collect(),
        }
    }

    fn restore(self, identical: &mut Identical) -> Result<(), String> {
        for [vector, count, since, hits, a, b, c, rate] in self.places.groups::<8>()? {
            let (odds, rate) = ([a, b, c].map(f64::from_bits), f64::from_bits(rate));
            let vector = u32::try_from(vector).map_err(|_| "an input's hash has 32 bits".to_owned())?;
            if !odds.iter().all(|odds| odds.is_finite() && *odds >= 0.0) || !(0.0..=1.0).contains(&rate) {
                return Err("an input is saved that cannot be".to_owned());
            }
            identical.restore(Place { count, hits, odds, ..Place::new(vector, since, rate) });
        }
        identical.open = self.open;
        for (vector, rate) in self.approved {
            let rate = f64::from_bits(rate);
            if !(0.0..=2.0).contains(&rate) {
                return Err("an input's rate is saved that cannot be".to_owned());
            }
            identical.approved.push((vector, rate));
        }
        Ok(())
    }
}

impl RecentState {
    fn of(recent: &Recent) -> Self {
        Self {
            window: Words(recent.window.iter().map(|score| u64::from(score.to_bits())).collect()),
            tail: Words(recent.tail.iter().flat_map(|(event, score)| [*event, u64::from(score.to_bits())]).collect()),
            first: recent.first.map(f32::to_bits),
            entered: recent.entered,
            is_published: recent.is_published,
        }
    }

    fn restore(self, recent: &mut Recent) -> Result<(), String> {
        let score = |word: u64| {
            let score = u32::try_from(word).map(f32::from_bits).ok().filter(|score| score.is_finite());
            score.ok_or_else(|| "a score is saved that is none".to_owned())
        };
        recent.window = self.window.0.iter().map(|word| score(*word)).collect::<Result<_, _>>()?;
        for [event, word] in self.tail.groups::<2>()? {
            recent.tail.push_back((event, score(word)?));
        }
        recent.first = self.first.map(|bits| score(u64::from(bits))).transpose()?;
        (recent.entered, recent.is_published) = (self.entered, self.is_published);
        if recent.is_too_large() { Err("more scores are saved than are kept".to_owned()) } else { Ok(()) }
    }
}
