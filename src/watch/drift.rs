//! Whether inputs and answers are still distributed as on the calibration events: one stream for each bin of each measure, and
//! how often one and the same input comes.
//!
//! A feature's bins are the intervals between its quantiles .1, .3, .5, .7 and .9 or its five most frequent levels, others,
//! and missing (see [`crate::profile::baseline`]). A bin's share is held against the baseline's like a group's rate is, with its own
//! allowance of false alarms for all bins together.

use super::chance::{Band, FINE, Steps, jeffreys, logit, steps};
use super::stream::{At, Stream};
use crate::profile::baseline::{Binned, Bins, Measured};
use crate::signal::Direction;

/// See the module.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Drift {
    pub(super) measures: Vec<Measure>,
    /// Mean of R over the distances at which a stream passes.
    pub(super) limit: f64,
}

/// One feature, the prediction or the confidence.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Measure {
    /// As the profile has it, or as it was approved since.
    pub(super) counts: Vec<u64>,
    /// Whether `counts` were approved since.
    pub(super) approved: bool,
    bins: Vec<Bin>,
    /// By bin.
    pub(super) streams: Vec<Stream>,
    /// While an incident about it is open: what has come since, by bin.
    pub(super) open: Option<Vec<u64>>,
}

/// What is expected of one bin.
#[derive(Clone, PartialEq, Debug)]
struct Bin {
    share: f64,
    steps: Steps,
}

/// A stream passed its limit.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Moved {
    /// Place of the measure.
    pub(super) measure: usize,
    /// Place of its bin.
    pub(super) bin: usize,
    pub(super) direction: Direction,
    pub(super) statistic: f64,
    pub(super) limit: f64,
    pub(super) since: super::stream::Since,
    /// The bin's share by the baseline.
    pub(super) baseline: f64,
}

impl Measure {
    fn new(counts: Vec<u64>, approved: bool, at: At) -> Self {
        let mut measure = Self { streams: vec![Stream::from(at); counts.len()], bins: Vec::new(), counts, approved, open: None };
        measure.settle();
        measure
    }

    /// Finds what is expected from the counts.
    fn settle(&mut self) {
        let events: u64 = self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count));
        let bin = |hits: &u64| {
            let share = jeffreys(*hits, events);
            Bin { share, steps: steps(logit(share), Band::around(*hits, events, FINE)) }
        };
        self.bins = self.counts.iter().map(bin).collect();
    }
}

impl Drift {
    /// Nothing seen yet. A measure without events in the baseline is not watched.
    pub(super) fn new(measures: &[Binned], events_between_false_alarms: f64, event: u64) -> Self {
        let at = At { event, own: 0 };
        let counts = |binned: &Binned| {
            let expected = binned.bins.len() + 2;
            let sound = binned.counts.len() == expected && binned.counts.iter().any(|count| *count > 0);
            if sound { binned.counts.clone() } else { Vec::new() }
        };
        let measures: Vec<Measure> = measures.iter().map(|binned| Measure::new(counts(binned), false, at)).collect();
        let streams: usize = measures.iter().map(|measure| measure.streams.len()).sum();
        Self { measures, limit: 2.0 * streams.max(1) as f64 * events_between_false_alarms }
    }

    /// Takes in an event's bins; `moved` is given each measure that passed.
    pub(super) fn fold(&mut self, event: u64, codes: &[u8], baseline: &[Binned], mut moved: impl FnMut(Moved)) {
        let at = At { event, own: event };
        for (place, ((measure, code), binned)) in self.measures.iter_mut().zip(codes).zip(baseline).enumerate() {
            let hit = binned.bins.place(*code);
            if let Some(counts) = &mut measure.open {
                counts.get_mut(hit).into_iter().for_each(|count| *count += 1);
                continue;
            }
            let mut passed: Option<Moved> = None;
            for (bin, (stream, expected)) in measure.streams.iter_mut().zip(&measure.bins).enumerate() {
                stream.step(at, bin == hit, expected.share, &expected.steps);
                for (side, statistic) in stream.statistics().into_iter().enumerate() {
                    if statistic >= self.limit && passed.is_none_or(|most| statistic > most.statistic) {
                        let direction = if side == 0 { Direction::Down } else { Direction::Up };
                        let (limit, baseline, since) = (self.limit, expected.share, stream.since[side]);
                        passed = Some(Moved { measure: place, bin, direction, statistic, limit, since, baseline });
                    }
                }
            }
            passed.into_iter().for_each(&mut moved);
        }
    }

    /// Notes that an incident about this measure is open.
    pub(super) fn opened(&mut self, measure: usize) {
        if let Some(measure) = self.measures.get_mut(measure) {
            measure.open = Some(vec![0; measure.counts.len()]);
        }
    }

    /// Whether something about the inputs is in question.
    pub(super) fn is_open(&self, baseline: &[Binned]) -> bool {
        let feature = |binned: &Binned| matches!(binned.of, Measured::Feature(_));
        self.measures.iter().zip(baseline).any(|(measure, binned)| measure.open.is_some() && feature(binned))
    }

    /// The incident about this measure is over. With `recent` its distribution since then is the baseline from now on.
    ///
    /// # Errors
    /// With how many events there are, if these are too few for a baseline.
    pub(super) fn over(&mut self, measure: usize, event: u64, recent: bool) -> Result<(), u64> {
        let Some(measure) = self.measures.get_mut(measure) else { return Ok(()) };
        let Some(seen) = &measure.open else { return Ok(()) };
        if recent {
            let events: u64 = seen.iter().sum();
            if events < super::rates::APPROVE_MIN {
                return Err(events);
            }
            measure.counts.clone_from(seen);
            measure.approved = true;
            measure.settle();
        }
        measure.open = None;
        measure.streams.fill(Stream::from(At { event, own: event }));
        Ok(())
    }

    /// A measure's counts as they were approved since.
    pub(super) fn approve(&mut self, measure: usize, counts: Vec<u64>) {
        if let Some(measure) = self.measures.get_mut(measure).filter(|measure| measure.counts.len() == counts.len()) {
            (measure.counts, measure.approved) = (counts, true);
            measure.settle();
        }
    }
}

/// What a bin holds, for people.
pub(super) fn bin_name(binned: &Binned, place: usize) -> String {
    let name = match &binned.of {
        Measured::Feature(name) => name.as_str(),
        Measured::Prediction => "the prediction",
        Measured::Confidence => "the confidence",
    };
    let own = binned.bins.len();
    match &binned.bins {
        _ if place > own => format!("{name} missing"),
        Bins::Levels(_) if place == own => format!("{name} another than the most frequent levels"),
        Bins::Cuts(_) if place == own => format!("{name} of another type"),
        Bins::Levels(levels) => format!("{name} = {}", levels[place]),
        Bins::Cuts(cuts) => match (place.checked_sub(1).map(|before| cuts[before]), cuts.get(place)) {
            (None, Some(high)) => format!("{name} ≤ {high}"),
            (Some(low), Some(high)) => format!("{name} over {low} up to {high}"),
            (Some(low), None) => format!("{name} > {low}"),
            (None, None) => format!("{name} present"),
        },
    }
}
