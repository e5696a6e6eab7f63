//! The anomaly scores of late, by which p-values are found once inputs have lawfully changed.
//!
//! A window of the last 2,000 scores that are believed to be ordinary: those of events that were not flagged and have aged (1,000
//! events came since, and no incident about the inputs was open), and those of flagged events that a late label confirmed.
//!
//! **Why it cannot run away.** *Upward* (learning an attack): what enters unconfirmed was not flagged, so it lies below the
//! threshold in force; the threshold is a quantile of what entered, and rises only by what a label confirmed. *Downward* (a window
//! without the flagged tail has a lower quantile, which flags more, which leaves less): α's share of the window's scores lies at
//! or above the threshold that the profile itself set. Where confirmed ones do not make up that share, the lowest scores of
//! flagged events do, at most α's share of them, and that first threshold itself where there are too few of these. So the flag
//! rate can neither creep up on a stream that stays as it was, nor can any number of unconfirmed events lower it.

use std::collections::VecDeque;

/// Events after which one that nobody minded is believed to be ordinary.
pub(super) const AGED: u64 = 1_000;
/// Scores in the window.
const WINDOW: usize = 2_000;
/// Scores from which on it is published.
const ENOUGH: usize = 1_000;
/// Scores that enter between two publications.
const EVERY: u64 = 500;
/// Flagged and unconfirmed scores that are remembered.
const TAIL: usize = 400;

/// See the module.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Recent {
    /// Share of ordinary events that the trigger flags.
    pub(super) alpha: f64,
    pub(super) window: VecDeque<f32>,
    /// Events that were flagged and not confirmed, and their scores.
    pub(super) tail: VecDeque<(u64, f32)>,
    /// The largest score that was not flagged before anything was published: as good as the profile's own threshold.
    pub(super) first: Option<f32>,
    /// Scores that entered since the last publication.
    pub(super) entered: u64,
    pub(super) is_published: bool,
}

impl Recent {
    pub(super) fn new(alpha: f64) -> Self {
        let alpha = if alpha.is_finite() { alpha.clamp(0.0, 1.0) } else { 0.0 };
        Self { alpha, window: VecDeque::new(), tail: VecDeque::new(), first: None, entered: 0, is_published: false }
    }

    /// Whether it holds more than it would.
    pub(super) fn is_too_large(&self) -> bool {
        self.window.len() > WINDOW || self.tail.len() > TAIL
    }

    /// An event was scored.
    pub(super) fn seen(&mut self, score: f32, flagged: bool) {
        if !self.is_published && !flagged && self.first.is_none_or(|first| score > first) {
            self.first = Some(score);
        }
    }

    /// An event has aged. Whether there is something to publish.
    pub(super) fn aged(&mut self, event: u64, score: f32, flagged: bool) -> bool {
        if !flagged {
            return self.enter(score);
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back((event, score));
        false
    }

    /// A flagged event was confirmed. Whether there is something to publish.
    pub(super) fn confirmed(&mut self, event: u64, score: f32) -> bool {
        self.tail.retain(|(of, _)| *of != event);
        self.enter(score)
    }

    fn enter(&mut self, score: f32) -> bool {
        if self.window.len() == WINDOW {
            self.window.pop_front();
        }
        self.window.push_back(score);
        self.entered += 1;
        self.window.len() >= ENOUGH && self.entered >= EVERY
    }

    /// The scores to publish, rising.
    pub(super) fn publish(&mut self) -> Vec<f32> {
        (self.entered, self.is_published) = (0, true);
        let mut scores: Vec<f32> = self.window.iter().copied().collect();
        if let Some(first) = self.first {
            let above = scores.iter().filter(|score| **score >= first).count();
            let mut tail: Vec<f32> = self.tail.iter().map(|(_, score)| *score).filter(|score| *score >= first).collect();
            tail.sort_unstable_by(f32::total_cmp);
            let mut tail = tail.into_iter();
            let mut filled = above;
            while (filled as f64) < (self.alpha * (scores.len() as f64 + 1.0)).floor() && scores.len() < 2 * WINDOW {
                scores.push(tail.next().unwrap_or(first));
                filled += 1;
            }
        }
        scores.sort_unstable_by(f32::total_cmp);
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a gate does with published scores, and labels that may confirm flagged events `late` events later.
    struct Gate {
        scores: Vec<f64>,
        recent: Recent,
        /// Score, and whether it was flagged, by event.
        past: Vec<(f32, bool)>,
    }

    impl Gate {
        fn new(alpha: f64, mut calibration: Vec<f64>) -> Self {
            calibration.sort_unstable_by(f64::total_cmp);
            Self { scores: calibration, recent: Recent::new(alpha), past: Vec::new() }
        }

        fn event(&mut self, score: f64, confirmed: impl Fn(usize) -> bool) -> bool {
            let at_least = self.scores.len() - self.scores.partition_point(|known| *known < score);
            let flagged = (1.0 + at_least as f64) / (self.scores.len() as f64 + 1.0) <= self.recent.alpha;
            let score = super::super::tests::single(score);
            self.recent.seen(score, flagged);
            self.past.push((score, flagged));
            let mut publish = false;
            if let Some(aged) = self.past.len().checked_sub(usize::try_from(AGED).unwrap() + 1) {
                let (score, flagged) = self.past[aged];
                publish = if flagged && confirmed(aged) {
                    self.recent.confirmed(aged as u64, score)
                } else {
                    self.recent.aged(aged as u64, score, flagged)
                };
            }
            if publish {
                self.scores = self.recent.publish().into_iter().map(f64::from).collect();
            }
            flagged
        }
    }

    struct Draws(u64);

    impl Draws {
        fn unit(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
        }

        /// Scores are about exponential: surprises in nats.
        fn score(&mut self) -> f64 {
            3.0 - self.unit().ln()
        }
    }

    fn share(flags: &[bool]) -> f64 {
        flags.iter().filter(|flag| **flag).count() as f64 / flags.len() as f64
    }

    #[test]
    fn a_stream_that_stays_as_it_was_keeps_its_flag_rate() {
        for alpha in [0.01, 0.1] {
            for confirmed in [false, true] {
                let mut draws = Draws(11);
                let mut gate = Gate::new(alpha, (0..4_000).map(|_| draws.score()).collect());
                let flags: Vec<bool> = (0..120_000).map(|_| gate.event(draws.score(), |_| confirmed)).collect();
                for some in flags.chunks(20_000) {
                    assert!((share(some) - alpha).abs() < 0.4 * alpha, "α {alpha}, labels {confirmed}: {}", share(some));
                }
            }
        }
    }

    #[test]
    fn a_change_that_labels_confirm_is_learnt_and_one_that_none_does_is_not() {
        let mut draws = Draws(5);
        let calibration: Vec<f64> = (0..4_000).map(|_| draws.score()).collect();
        let run = |confirmed: bool| {
            let (mut draws, mut gate) = (Draws(6), Gate::new(0.01, calibration.clone()));
            (0..40_000)
                .map(|event| {
                    let score = if event < 10_000 { draws.score() } else { 1.4 * draws.score() };
                    gate.event(score, |_| confirmed)
                })
                .collect::<Vec<bool>>()
        };
        let (learnt, unlearnt) = (run(true), run(false));
        assert!(share(&learnt[10_500..11_500]) > 0.04, "{}", share(&learnt[10_500..11_500]));
        assert!((share(&learnt[20_000..]) - 0.01).abs() < 0.004, "{}", share(&learnt[20_000..]));
        assert!(share(&unlearnt[20_000..]) > 0.04, "{}", share(&unlearnt[20_000..]));
    }

    #[test]
    fn an_attack_stays_noticed_however_long_it_lasts() {
        let mut draws = Draws(8);
        let mut gate = Gate::new(0.01, (0..4_000).map(|_| draws.score()).collect());
        let (mut attacks, mut ordinary) = (Vec::new(), Vec::new());
        for event in 0..60_000 {
            if event >= 10_000 && draws.unit() < 0.15 {
                attacks.push(gate.event(9.0 + 3.0 * draws.unit(), |_| false));
            } else {
                let flagged = gate.event(draws.score(), |_| false);
                if event >= 10_000 {
                    ordinary.push(flagged);
                }
            }
        }
        assert!(attacks.iter().all(|flagged| *flagged), "{}", share(&attacks));
        assert!(share(&ordinary) < 0.016, "{}", share(&ordinary));
    }
}
