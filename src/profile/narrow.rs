//! Numbers in fewer bytes.

/// The nearest number of half the size: measures are kept and compared in it, because a profile and a tally have many.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "this is what it is for")]
pub(crate) const fn single(number: f64) -> f32 {
    number as f32
}

/// The place of a feature or pair. A profile has far fewer than fit.
#[inline]
pub(crate) fn place(place: usize) -> u16 {
    u16::try_from(place).unwrap_or(u16::MAX)
}

/// A bin. No feature has more than a hundred.
#[inline]
pub(crate) fn bin(bin: usize) -> u8 {
    u8::try_from(bin).unwrap_or(u8::MAX)
}
