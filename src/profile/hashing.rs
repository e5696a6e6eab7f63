//! Hashes that are the same everywhere and for ever: of rows while a profile is built, of events while they are decided.
//!
//! They guard nothing, so they are quick and not cryptographic: who can choose values can also make two hashes equal.

/// An odd number without a pattern (2⁶⁴ ÷ the golden ratio).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Every bit of the result depends on every bit of `hash` (the finaliser of `MurmurHash3`, 64 bits).
#[inline]
pub(crate) const fn mix(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// The hash of `hash` and, after it, `next`.
#[inline]
pub(crate) const fn chain(hash: u64, next: u64) -> u64 {
    mix(hash.rotate_left(5).wrapping_mul(SPREAD) ^ next)
}

/// The hash of a text.
#[inline]
pub(crate) fn of_text(text: &str) -> u64 {
    let (eights, rest) = text.as_bytes().as_chunks();
    let mut hash = (text.len() as u64 + 1).wrapping_mul(SPREAD);
    for eight in eights {
        hash = (hash ^ u64::from_le_bytes(*eight)).wrapping_mul(SPREAD).rotate_left(29);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix((hash ^ u64::from_le_bytes(last)).wrapping_mul(SPREAD))
}

/// The hash of a number. −0 is 0.
#[inline]
pub(crate) fn of_number(number: f64) -> u64 {
    mix((number + 0.0).to_bits() ^ SPREAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Profiles on disk hold such hashes: they may never change.
    #[test]
    fn hashes_are_for_ever() {
        assert_eq!((of_text(""), of_text("Doctorate")), (4_050_689_244_607_654_210, 5_112_557_641_848_947_150));
        assert_eq!((of_number(1.5), chain(1, 2)), (3_868_538_229_376_497_241, 18_364_885_177_057_638_417));
        assert_eq!(of_number(-0.0), of_number(0.0));
    }

    #[test]
    fn texts_that_differ_anywhere_have_other_hashes() {
        let texts =
            ["", "\0", "\0\0", "a", "b", "ab", "ba", "abcdefgh", "abcdefgh\0", "abcdefghi", "bbcdefghi", "abcdefghabcdefgh"];
        let mut hashes: Vec<u64> = texts.iter().map(|text| of_text(text)).collect();
        hashes.extend([0.0, 1.0, -1.0, f64::MAX, f64::MIN_POSITIVE].map(of_number));
        hashes.extend([chain(1, 2), chain(2, 1), chain(0, 0)]);
        hashes.sort_unstable();
        assert!(hashes.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
