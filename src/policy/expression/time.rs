//! Times and durations of expressions; all in UTC.

use crate::identity::Timestamp;

/// What of a time is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TimePart {
    Year,
    /// From 0.
    Month,
    /// From 1.
    Date,
    /// From 0.
    DayOfMonth,
    /// From 0, which is Sunday.
    DayOfWeek,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

impl TimePart {
    /// The functions that ask for them.
    pub const FUNCTIONS: [(&'static str, Self); 9] = [
        ("getFullYear", Self::Year),
        ("getMonth", Self::Month),
        ("getDate", Self::Date),
        ("getDayOfMonth", Self::DayOfMonth),
        ("getDayOfWeek", Self::DayOfWeek),
        ("getHours", Self::Hours),
        ("getMinutes", Self::Minutes),
        ("getSeconds", Self::Seconds),
        ("getMilliseconds", Self::Milliseconds),
    ];

    /// This part of a time.
    pub fn of(self, millis: i64) -> i64 {
        match self {
            Self::Year => written(millis, 0..4),
            Self::Month => written(millis, 5..7) - 1,
            Self::Date => written(millis, 8..10),
            Self::DayOfMonth => written(millis, 8..10) - 1,
            // The first day of 1970 was a Thursday.
            Self::DayOfWeek => (millis.div_euclid(86_400_000) + 4).rem_euclid(7),
            Self::Hours => millis.rem_euclid(86_400_000) / 3_600_000,
            Self::Minutes => millis.rem_euclid(3_600_000) / 60_000,
            Self::Seconds => millis.rem_euclid(60_000) / 1_000,
            Self::Milliseconds => millis.rem_euclid(1_000),
        }
    }
}

/// The number that stands at `places` of the time as it is written.
fn written(millis: i64, places: std::ops::Range<usize>) -> i64 {
    Timestamp(millis).rfc3339()[places].iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'))
}

/// Reads a duration as CEL writes it: `1h30m`, `-1.5s`, `250ms`. In milliseconds, as events count no finer.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse_duration(text: &str) -> Result<i64, &'static str> {
    const UNITS: [(&str, f64); 4] = [("ms", 1.0), ("h", 3_600_000.0), ("m", 60_000.0), ("s", 1_000.0)];
    const SHAPE: &str = "a duration is written like '1h30m', '90s', '1.5s' or '250ms', with the units h, m, s and ms";
    let (negative, mut rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    if rest.is_empty() {
        return Err(SHAPE);
    }
    let mut millis = 0.0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (number, after) = rest.split_at(digits);
        let number: f64 = number.parse().map_err(|_| SHAPE)?;
        let (unit, length) = UNITS.iter().find(|(unit, _)| after.starts_with(unit)).ok_or(SHAPE)?;
        millis += number * length;
        rest = &after[unit.len()..];
    }
    if millis.fract() != 0.0 {
        return Err("events count in milliseconds: write the duration in whole ones");
    }
    // Three hundred years, as in CEL, are exact in a double.
    if millis > 9_223_372_036_854.0 {
        return Err("the duration is longer than 290 years");
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2⁵³")]
    let millis = millis as i64;
    Ok(if negative { -millis } else { millis })
}
