//! The statistic of one group in both directions: Shiryaev–Roberts, a mixture over distances.
//!
//! R ← (R + 1)·LR for each distance. As long as the rate lies within the band, R less the number of events is a
//! supermartingale, so that with the limit 2·G·A on the mean over the distances, for G groups in two directions, the mean number of
//! events until a false alarm is at least A: at every stopping time, and however the groups overlap.

use super::chance::Steps;

/// See the module. What lies in it is never negative, never NaN, and finite: it grows by a factor of at most e a step, and
/// once it passes its limit it rests until its incident is over.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Stream {
    /// R: downward by distance, then upward.
    pub(super) odds: [f64; 6],
    /// Largest likelihood ratio of a change at any event so far, for the middle distance (CUSUM): 1 means none.
    pub(super) change: [f64; 2],
    /// Since the event at which `change` last was 1, downward and upward.
    pub(super) since: [Since; 2],
    /// What came before that: the level that the group has kept, downward and upward.
    pub(super) kept: [Kept; 2],
}

/// What a stream without signs of a change has shown of the level that its group really has.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Kept {
    /// Hits, less those that the baseline expects.
    pub(super) surplus: f64,
    /// Σ p·(1 − p) of the events: what they say about the log-odds.
    pub(super) information: f64,
}

impl Kept {
    pub(super) fn is_sound(&self) -> bool {
        self.surplus.is_finite() && self.information.is_finite() && self.information >= 0.0
    }
}

/// What has come since a change began, as far as can be told.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Since {
    /// Number of the event after which it began.
    pub(super) event: u64,
    /// The same, as the count of its own events (see [`super::rates::Rates`]).
    pub(super) own: u64,
    pub(super) events: u64,
    pub(super) hits: u64,
    /// Hits that the baseline expects.
    pub(super) expected: f64,
    /// Σ p·(1 − p) of the events.
    pub(super) information: f64,
}

/// Where in the log an event is: its number among all of the policy, and among those that count here.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct At {
    pub(super) event: u64,
    pub(super) own: u64,
}

/// More than any limit; a guard, not a part of the method.
const ODDS_MAX: f64 = 1e200;

impl Stream {
    /// Nothing seen, from after this event on.
    pub(super) fn from(at: At) -> Self {
        let since = Since { event: at.event, own: at.own, ..Since::default() };
        Self { odds: [0.0; 6], change: [1.0; 2], since: [since; 2], kept: [Kept::default(); 2] }
    }

    /// Takes in the event with this number: `hit` or not, as the baseline expects at `rate`.
    #[inline]
    pub(super) fn step(&mut self, at: At, hit: bool, rate: f64, steps: &Steps) {
        let ratios = &steps[usize::from(hit)];
        for (odds, ratio) in self.odds.iter_mut().zip(ratios) {
            *odds = ((*odds + 1.0) * ratio).min(ODDS_MAX);
        }
        for side in 0..2 {
            let change = self.change[side] * ratios[3 * side];
            let since = &mut self.since[side];
            since.events += 1;
            since.hits += u64::from(hit);
            since.expected += rate;
            since.information += rate * (1.0 - rate);
            if change <= 1.0 {
                self.change[side] = 1.0;
                self.kept[side].surplus += since.hits as f64 - since.expected;
                self.kept[side].information += since.information;
                *since = Since { event: at.event, own: at.own, ..Since::default() };
            } else {
                self.change[side] = change.min(ODDS_MAX);
            }
        }
    }

    /// Mean over the distances, downward and upward.
    #[inline]
    pub(super) fn statistics(&self) -> [f64; 2] {
        let mean = |side: usize| self.odds[side..side + 3].iter().sum::<f64>() / 3.0;
        [mean(0), mean(3)]
    }

    /// Whether nothing in it could have come about otherwise than by stepping: what a snapshot says is checked.
    pub(super) fn is_sound(&self) -> bool {
        let fine = |value: &f64| value.is_finite() && *value >= 0.0;
        self.odds.iter().all(fine)
            && self.change.iter().all(|change| fine(change) && *change >= 1.0)
            && self.since.iter().all(|since| fine(&since.expected) && fine(&since.information) && since.hits <= since.events)
            && self.kept.iter().all(Kept::is_sound)
    }
}
