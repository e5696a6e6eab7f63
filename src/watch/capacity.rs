//! The threshold above which the riskiest share is held, kept where as much is held as people can look at.
//!
//! τ is a quantile of the calibration's priorities, so an event's own quantile u is uniform as long as all is as it was, and
//! holding u > τ = 1 − r holds the share r. With each publication τ ← clip(τ + g·(h − r)), h being the share that was held
//! since the last; u being uniform, the loop's gain is g. Gates hold by the threshold before for as long as a publication takes to
//! reach them: with a gain near 1 that delay would make it swing, so g ≤ 0.3.

/// Events between two publications, at least.
const EVENTS_MIN: u64 = 100;
/// The gain for each event that the held share is found from, and at most.
const GAIN: f64 = 0.004;
const GAIN_MAX: f64 = 0.3;
/// The threshold stays between these.
const LOWEST: f64 = 0.5;
const HIGHEST: f64 = 0.9999;
/// Events for which the threshold must have been too high, or no more.
const SATURATED: u64 = 1_000;

/// See the module.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Capacity {
    /// Share that is to be held.
    pub(super) rate: f64,
    /// The threshold τ.
    pub(super) threshold: f64,
    /// Events since the last publication that only the threshold could hold, and those that it did.
    pub(super) events: u64,
    pub(super) held: u64,
    /// For so many events the threshold has been on the other side of what is too high than `saturated` says.
    pub(super) beyond: u64,
    /// An incident is open.
    pub(super) saturated: bool,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Load {
    /// More is risky than people can look at.
    Saturated,
    /// No more.
    Relieved,
}

impl Capacity {
    pub(super) fn new(rate: f64) -> Self {
        let rate = rate.clamp(0.0, 1.0);
        Self { rate, threshold: 1.0 - rate, events: 0, held: 0, beyond: 0, saturated: false }
    }

    /// Above this threshold less than half of what is planned would be held of ordinary events.
    pub(super) fn too_high(&self) -> f64 {
        1.0 - self.rate / 2.0
    }

    /// Takes in an event.
    pub(super) fn fold(&mut self, held: bool, mandatory: bool) -> Option<Load> {
        if !mandatory {
            self.events += 1;
            self.held += u64::from(held);
        }
        if (self.threshold > self.too_high()) == self.saturated {
            self.beyond = 0;
            return None;
        }
        self.beyond += 1;
        if self.beyond < SATURATED {
            return None;
        }
        self.beyond = 0;
        self.saturated = !self.saturated;
        Some(if self.saturated { Load::Saturated } else { Load::Relieved })
    }

    /// At the end of a record of tallies: whether there is a new threshold.
    pub(super) fn end_of_record(&mut self) -> bool {
        if self.events < EVENTS_MIN {
            return false;
        }
        let (n, share) = (self.events as f64, self.held as f64 / self.events as f64);
        let gain = (GAIN * n).min(GAIN_MAX);
        let (lowest, highest) = (LOWEST.min(1.0 - self.rate), HIGHEST.max(1.0 - self.rate / 4.0));
        self.threshold = (self.threshold + gain * (share - self.rate)).clamp(lowest, highest);
        (self.events, self.held) = (0, 0);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A seeded sequence of numbers in 0–1.
    struct Draws(u64);

    impl Draws {
        fn next(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    /// Runs the loop with a gate that learns of each threshold one publication late; the shares that were held, by events.
    fn run(capacity: &mut Capacity, events: u64, record: u64, mut quantile: impl FnMut(u64) -> f64) -> Vec<bool> {
        let (mut at_the_gate, mut on_its_way) = (capacity.threshold, capacity.threshold);
        let mut held = Vec::new();
        for event in 0..events {
            let is_held = quantile(event) > at_the_gate;
            held.push(is_held);
            capacity.fold(is_held, false);
            if (event + 1) % record == 0 && capacity.end_of_record() {
                at_the_gate = on_its_way;
                on_its_way = capacity.threshold;
            }
        }
        held
    }

    fn share(held: &[bool]) -> f64 {
        held.iter().filter(|held| **held).count() as f64 / held.len() as f64
    }

    #[test]
    fn as_much_is_held_as_is_planned_when_priorities_are_as_they_were_or_not() {
        for (rate, power) in [(0.1, 1.0), (0.1, 0.6), (0.1, 1.6), (0.02, 1.0), (0.02, 0.5), (0.3, 1.4)] {
            for record in [1, 40, 500] {
                let mut draws = Draws(7 + record);
                let mut capacity = Capacity::new(rate);
                // u = U^power: at 1 what the calibration had; below it more is risky, above it less.
                let held = run(&mut capacity, 45_000, record, |_| draws.next().powf(power));
                let after = share(&held[5_000..]);
                assert!((after - rate).abs() <= 0.005, "rate {rate}, power {power}, records of {record}: {after}");
                // It does not swing: each 4,000 events hold about that much, too (4 standard deviations and half a point).
                let noise = 4.0 * (rate * (1.0 - rate) / 4_000.0).sqrt() + 0.005;
                for some in held[5_000..].chunks(4_000) {
                    assert!(
                        (share(some) - rate).abs() < noise,
                        "rate {rate}, power {power}, records of {record}: {}",
                        share(some)
                    );
                }
            }
        }
    }

    #[test]
    fn a_burst_of_bad_inputs_does_not_flood_the_reviewers() {
        let mut draws = Draws(3);
        let mut capacity = Capacity::new(0.1);
        // From event 10,000 on 15 % of events have a priority beyond nearly all that the calibration had.
        let held = run(&mut capacity, 20_000, 100, |event| {
            let (bad, u) = (draws.next() < 0.15, draws.next());
            if event >= 10_000 && bad { 0.97 + 0.03 * u } else { u }
        });
        let in_the_burst = share(&held[10_000..]);
        assert!(in_the_burst <= 1.4 * 0.1, "{in_the_burst}");
        assert!(share(&held[15_000..]) <= 0.11, "{}", share(&held[15_000..]));
    }

    #[test]
    fn a_threshold_that_stays_too_high_is_told_once_and_so_is_its_end() {
        let mut capacity = Capacity::new(0.1);
        let mut told = Vec::new();
        let mut fold = |capacity: &mut Capacity, event: u64| told.extend(capacity.fold(false, false).map(|load| (event, load)));
        capacity.threshold = 0.96;
        (1..=3_000).for_each(|event| fold(&mut capacity, event));
        capacity.threshold = 0.95;
        (3_001..=3_500).for_each(|event| fold(&mut capacity, event));
        capacity.threshold = 0.951;
        fold(&mut capacity, 3_501);
        capacity.threshold = 0.9;
        (3_502..=6_000).for_each(|event| fold(&mut capacity, event));
        assert_eq!(told, [(1_000, Load::Saturated), (4_501, Load::Relieved)]);
    }

    #[test]
    fn mandatory_findings_do_not_move_the_threshold_and_few_events_do_not_either() {
        let mut capacity = Capacity::new(0.1);
        (0..99).for_each(|_| _ = capacity.fold(true, false));
        (0..500).for_each(|_| _ = capacity.fold(false, true));
        assert!(!capacity.end_of_record());
        capacity.fold(true, false);
        assert!(capacity.end_of_record());
        // 0.9 + min(0.004·100, 0.3)·(1 − 0.1), and no higher than 0.9999.
        assert!((capacity.threshold - 0.9999).abs() < 1e-12, "{}", capacity.threshold);
        (0..100).for_each(|_| _ = capacity.fold(false, false));
        assert!(capacity.end_of_record());
        assert!((capacity.threshold - (0.9999 - 0.3 * 0.1)).abs() < 1e-12, "{}", capacity.threshold);
    }
}
