//! Times, durations, lanes and hashes of the contract, written down a second time.

use crate::gate::oracle::rules::sha256;

/// The lane of a decision; none where `id` is no id.
pub fn lane(id: &str, lanes: u16) -> Option<i32> {
    let first = u16::from_str_radix(id.get(..4)?, 16).ok()?;
    Some(i32::from(first % lanes))
}

/// A time of a record in milliseconds.
pub fn millis(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    if text.len() != 24 || !text.ends_with('Z') {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    // Days from 1970 by the civil calendar, the year beginning in March.
    let (shifted, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * months + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let seconds = (number(11, 13)? * 60 + number(14, 16)?) * 60 + number(17, 19)?;
    Some(days * 86_400_000 + seconds * 1_000 + number(20, 23)?)
}

/// A duration such as `15m` in milliseconds.
pub fn duration(text: &str) -> Option<i64> {
    let digits = text.len() - text.trim_start_matches(|sign: char| sign.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "y" => 365 * 86_400_000,
        _ => return None,
    };
    Some(number.parse::<i64>().ok()? * unit)
}

/// What an entry shows of a text that a reviewer wrote.
pub fn text_hash(salt: &str, text: &str) -> String {
    let bytes = (0..salt.len() / 2).filter_map(|place| u8::from_str_radix(salt.get(2 * place..2 * place + 2)?, 16).ok());
    sha256(&[&bytes.collect::<Vec<u8>>(), b"\0", text.as_bytes()])
}

#[test]
fn the_measures_are_those_of_the_contract() {
    use crate::gate::oracle::rules::rfc3339;
    for time in [0, 951_868_799_999, 951_868_800_000, 1_767_610_001_187, 4_102_444_800_000] {
        assert_eq!(millis(&rfc3339(time)), Some(time));
    }
    assert_eq!(millis("yesterday"), None);
    assert_eq!(
        ["90s", "15m", "100ms", "2d", "m"].map(duration),
        [Some(90_000), Some(900_000), Some(100), Some(172_800_000), None]
    );
    assert_eq!((lane("000700", 3), lane("ffff00", 4), lane("x", 3)), (Some(1), Some(3), None));
    // SHA-256 of 01 02 00 and "abc".
    assert_eq!(text_hash("0102", "abc"), sha256(&[&[1, 2, 0], b"abc"]));
}
