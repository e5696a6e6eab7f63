//! A decimal's bytes → the digits of its number.

/// The longest unscaled number, in bytes: twice what a double's digits take, and digits cost time that grows with the square.
pub(super) const MAX_BYTES: usize = 256;

const WORDS: usize = MAX_BYTES / 4;
/// As many digits as fit into a word are split off at once.
const DIGITS_AT_ONCE: usize = 9;
const BILLION: u64 = 1_000_000_000;
/// Digits of `WORDS` words, and a few more: nine for each word is less than ten for 32 bits.
const DIGITS: usize = WORDS * 10 + DIGITS_AT_ONCE;

/// Writes the number that `bytes` are in two's complement, highest first, divided by 10 to the power of `scale`: exactly,
/// with `scale` digits after the point. `bytes` are not empty and not more than [`MAX_BYTES`].
pub(super) fn write(out: &mut Vec<u8>, bytes: &[u8], scale: usize) {
    let is_negative = bytes[0] >= 0x80;
    let mut magnitude = magnitude(bytes, is_negative);
    let mut buffer = [b'0'; DIGITS];
    let mut first = DIGITS;
    let mut len = magnitude.len();
    loop {
        while len > 0 && magnitude[len - 1] == 0 {
            len -= 1;
        }
        if len == 0 {
            break;
        }
        let mut nine = split_off(&mut magnitude[..len]);
        for place in (first - DIGITS_AT_ONCE..first).rev() {
            buffer[place] = b'0' + u8::try_from(nine % 10).expect("a digit");
            nine /= 10;
        }
        first -= DIGITS_AT_ONCE;
    }
    let digits = &buffer[first..];
    let digits = &digits[digits.iter().take_while(|digit| **digit == b'0').count()..];
    if is_negative {
        out.push(b'-');
    }
    let whole = digits.len().saturating_sub(scale);
    out.extend_from_slice(if whole == 0 { b"0" } else { &digits[..whole] });
    if scale > 0 {
        out.push(b'.');
        out.resize(out.len() + scale.saturating_sub(digits.len()), b'0');
        out.extend_from_slice(&digits[whole..]);
    }
}

/// The number without its sign, lowest word first.
fn magnitude(bytes: &[u8], is_negative: bool) -> [u32; WORDS] {
    let mut words = [0_u32; WORDS];
    let mut carry = is_negative;
    for (word, chunk) in words.iter_mut().zip(bytes.rchunks(4)) {
        let mut four = [if is_negative { 0xff } else { 0 }; 4];
        four[4 - chunk.len()..].copy_from_slice(chunk);
        let value = u32::from_be_bytes(four);
        (*word, carry) = if is_negative { (!value).overflowing_add(u32::from(carry)) } else { (value, false) };
    }
    words
}

/// Divides `words` by a billion, and gives the remainder.
fn split_off(words: &mut [u32]) -> u64 {
    words.iter_mut().rev().fold(0, |rest, word| {
        let value = rest << 32 | u64::from(*word);
        *word = u32::try_from(value / BILLION).expect("the rest is less than the divisor");
        value % BILLION
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    fn written(bytes: &[u8], scale: usize) -> String {
        let mut out = Vec::new();
        super::write(&mut out, bytes, scale);
        String::from_utf8(out).expect("digits")
    }

    #[test]
    fn digits_stand_on_both_sides_of_the_point() {
        for (value, scale, text) in [
            (0_i32, 0, "0"),
            (0, 2, "0.00"),
            (5, 2, "0.05"),
            (-5, 2, "-0.05"),
            (123, 2, "1.23"),
            (-100, 2, "-1.00"),
            (1_000_000_000, 0, "1000000000"),
            (1_000_000_000, 9, "1.000000000"),
            (i32::MIN, 3, "-2147483.648"),
            (12, 5, "0.00012"),
        ] {
            assert_eq!(written(&value.to_be_bytes(), scale), text);
        }
        assert_eq!(written(&[0xff], 0), "-1");
        assert_eq!(written(&[0x80], 0), "-128");
    }

    #[test]
    fn the_biggest_numbers_have_room() {
        // 2²⁰⁴⁷, the digits of which are known: 617, beginning with 1615.
        let mut lowest = [0; super::MAX_BYTES];
        lowest[0] = 0x80;
        let text = written(&lowest, 0);
        assert!(text.starts_with("-1615") && text.len() == 618, "{text}");
        assert_eq!(written(&[0xff; super::MAX_BYTES], 1), "-0.1");
    }

    proptest! {
        #[test]
        fn whole_numbers_are_written_as_the_standard_library_writes_them(value: i128, more in 0..200_usize) {
            let mut bytes = vec![if value < 0 { 0xff } else { 0 }; more];
            bytes.extend(value.to_be_bytes());
            prop_assert_eq!(written(&bytes, 0), value.to_string());
        }
    }
}
