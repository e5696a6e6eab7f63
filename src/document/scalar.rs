//! What a scalar means: numbers, durations, and how to name what was found instead.

use std::time::Duration;

use super::tree::{Node, Style, Value};

/// One second.
pub const SECOND: Duration = Duration::from_secs(1);
/// One minute.
pub const MINUTE: Duration = Duration::from_mins(1);
/// One hour.
pub const HOUR: Duration = Duration::from_hours(1);
/// One day of 24 hours.
pub const DAY: Duration = Duration::from_hours(24);
/// One year of 365 days.
pub const YEAR: Duration = Duration::from_hours(365 * 24);

/// The units a duration may have, the longest first.
const UNITS: [(&str, Duration); 6] =
    [("y", YEAR), ("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", Duration::from_millis(1))];

/// Reads a whole number and a unit, such as `15m`.
///
/// # Errors
/// The end of the sentence that says what is wrong with it.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err("a duration is a whole number and a unit: ms, s, m, h, d or y");
    }
    if unit.is_empty() {
        return Err("the unit is missing: ms, s, m, h, d or y");
    }
    let Some((_, length)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err("the unit must be ms, s, m, h, d or y, and the number whole");
    };
    number.parse::<u32>().ok().and_then(|number| length.checked_mul(number)).ok_or("the number is too large")
}

/// `duration` in the longest unit up to hours that it is a whole number of: `15m`, `24h`, `100ms`. Equal durations have
/// equal texts, however they were written; what is below a millisecond is cut.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    in_longest_unit(duration, &UNITS[2..])
}

/// `duration` in the longest unit that it is a whole number of, for sentences: `1y`, `30d`, `15m`.
pub(super) fn spoken_duration(duration: Duration) -> String {
    in_longest_unit(duration, &UNITS)
}

fn in_longest_unit(duration: Duration, units: &[(&str, Duration)]) -> String {
    let millis = duration.as_millis();
    let divides = |(_, length): &&(&str, Duration)| millis > 0 && millis.is_multiple_of(length.as_millis());
    let (name, length) = units.iter().find(divides).unwrap_or(&UNITS[4]);
    format!("{}{name}", millis / length.as_millis())
}

/// Whether `text` is written as a whole number.
pub(super) fn is_whole_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads a finite decimal number, with or without fraction and exponent.
pub(super) fn parse_number(text: &str) -> Option<f64> {
    let decimal = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    text.parse::<f64>().ok().filter(|number| decimal && number.is_finite())
}

/// What stands at `node`, for the end of "expected …, found …".
pub(super) fn describe(node: &Node) -> String {
    match &node.value {
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a map".to_owned(),
        Value::Scalar { .. } if node.is_null() => "nothing".to_owned(),
        Value::Scalar { text, style: Style::Quoted } => format!("the text \"{}\"", shortened(text)),
        Value::Scalar { text, style: Style::Plain } if parse_number(text).is_some() => format!("the number {}", shortened(text)),
        Value::Scalar { text, style: Style::Plain } => format!("`{}`", shortened(text)),
    }
}

/// `text` cut to a length that fits into a sentence, without control characters.
pub(super) fn shortened(text: &str) -> String {
    const LETTERS: usize = 60;
    let mut short: String =
        text.chars().take(LETTERS).map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect();
    if text.chars().nth(LETTERS).is_some() {
        short.push('…');
    }
    short
}
