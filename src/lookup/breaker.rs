//! A circuit breaker: a source that fails again and again is left alone for a while.

use std::time::{Duration, Instant};

/// Counts failures in a row. The moment is always an argument.
#[derive(Debug)]
pub(super) struct Breaker {
    failures_max: u32,
    open_for: Duration,
    failures: u32,
    /// Until when nothing is asked, where it is open.
    open_until: Option<Instant>,
    /// Whether the one question is under way that decides whether it closes.
    is_probing: bool,
}

impl Breaker {
    /// Opens after `failures_max` failures in a row, for `open_for`.
    pub const fn new(failures_max: u32, open_for: Duration) -> Self {
        Self { failures_max, open_for, failures: 0, open_until: None, is_probing: false }
    }

    /// Whether a question would be refused at `now`.
    pub fn is_open(&self, now: Instant) -> bool {
        self.open_until.is_some_and(|until| now < until || self.is_probing)
    }

    /// Whether a question may be asked at `now`. When it was open for long enough one may, and all others wait for what comes
    /// of it.
    pub fn admits(&mut self, now: Instant) -> bool {
        if self.is_open(now) {
            return false;
        }
        self.is_probing = self.open_until.is_some();
        true
    }

    /// What was asked was answered.
    pub const fn succeeded(&mut self) {
        (self.failures, self.open_until, self.is_probing) = (0, None, false);
    }

    /// What was asked was not answered, or not as it should be.
    pub fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.failures_max {
            self.open_until = Some(now + self.open_for);
        }
        self.is_probing = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_after_one_that_went_well() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut breaker = Breaker::new(3, second * 30);
        for _ in 0..2 {
            breaker.failed(start);
        }
        breaker.succeeded();
        for _ in 0..2 {
            breaker.failed(start);
        }
        assert!(breaker.admits(start), "not three in a row");
        breaker.failed(start);
        assert!(breaker.is_open(start) && !breaker.admits(start + second * 29));
        let later = start + second * 30;
        assert!(!breaker.is_open(later));
        assert!(breaker.admits(later), "one is tried");
        assert!(!breaker.admits(later) && breaker.is_open(later), "and only one");
        breaker.failed(later);
        assert!(breaker.is_open(later + second * 29), "it failed: as long again");
        assert!(breaker.admits(later + second * 30));
        breaker.succeeded();
        assert!(breaker.admits(later + second * 30) && breaker.admits(later + second * 30));
    }
}
