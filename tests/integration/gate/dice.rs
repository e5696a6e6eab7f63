//! Randomness that can be had again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Random numbers from a seed that is printed, and taken from `JIDOKA_TESTS_SEED` where that is set.
pub struct Dice(u64);

impl Dice {
    pub fn new() -> Self {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
        let seed = std::env::var("JIDOKA_TESTS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(now);
        println!("JIDOKA_TESTS_SEED={seed}");
        Self(seed)
    }

    /// Others for each `number`, which follow from these.
    pub fn branch(&self, number: u64) -> Self {
        Self(self.0 ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    /// A time from `least` to `most` milliseconds.
    pub fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least + 1))
    }

    /// A number below `end` (splitmix64).
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// Whether something happens that happens in so many of a hundred cases.
    pub fn chance(&mut self, of_hundred: u64) -> bool {
        self.below(100) < of_hundred
    }

    /// One of `all`.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let count = u64::try_from(all.len()).expect("a count");
        &all[usize::try_from(self.below(count)).expect("less than a count")]
    }
}
