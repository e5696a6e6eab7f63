//! What is random about people: splitmix64, always from the same seed.

/// The dice.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall the same way in every run.
    pub fn seeded() -> Self {
        Self(0x6a69_646f_6b61)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below 1.
    pub fn part(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True in this part of all cases.
    pub fn falls(&mut self, part: f64) -> bool {
        self.part() < part
    }

    /// One of several.
    pub fn one_of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        let count = u64::try_from(texts.len().max(1)).unwrap_or(1);
        texts.get(usize::try_from(self.roll() % count).unwrap_or(0)).copied().unwrap_or_default()
    }
}
