//! What was found, for people: sentences with values, which only a case may hold.

use std::fmt::Write as _;

use super::{Contradictions, number_of, plain};
use crate::event::{Event, Plain};
use crate::json::ObjectWriter;
use crate::policy::{Comparison, Contradiction};
use crate::reference::TrustedRecord;

/// So many letters of a text are shown; the whole one stands in the event.
const SHOWN_LETTERS: usize = 80;
/// What one difference may take in a record, beside the field's name: two values, each twice, every letter escaped.
pub const SHOWN_BYTES_MAX: usize = 4 * 6 * SHOWN_LETTERS + 300;

/// Ratios that tell a mistaken unit, with what it may be.
const RATIOS: [(f64, &str); 4] = [
    (12.0, "monthly vs yearly?"),
    (60.0, "minutes vs hours?"),
    (100.0, "hundredths vs whole units?"),
    (1000.0, "thousands vs single units?"),
];
/// How near a ratio must be to be told.
const RATIO_TOL: f64 = 0.02;

/// Appends what was found by `rule`, in names of the policy: the values stand in the details.
pub fn sentence(rule: &Contradiction, found: &Contradictions, out: &mut String) {
    let differing = differing(rule, found);
    let count = differing.clone().count();
    if count > 0 {
        let verb = if count == 1 { "contradicts" } else { "contradict" };
        for (place, comparison) in differing.enumerate() {
            let before = if place == 0 { "" } else { ", " };
            out.push_str(before);
            out.push_str(&comparison.name);
        }
        let written = write!(out, " {verb} the trusted record in `{}`.", rule.reference);
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }
    if let (true, Some(condition)) = (found.applies, &rule.when) {
        let space = if count > 0 { " " } else { "" };
        let text = shortened(condition.text());
        let written = write!(out, "{space}Beside the trusted record in `{}` `{}{}` holds.", rule.reference, text.0, text.1);
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }
}

/// Writes the member `details`: `{"fields":[{"name","event","trusted","sentence"}]}`. `scratch` is overwritten.
pub fn write_details(
    writer: &mut ObjectWriter<'_>,
    (rule, found): (&Contradiction, &Contradictions),
    (event, record): (&Event<'_>, &TrustedRecord),
    scratch: &mut String,
) {
    writer.object("details", |details| {
        details.objects("fields", differing(rule, found), |field, comparison| {
            let said = comparison.field.read(event);
            let trusted = plain(record.fact(&comparison.trusted));
            field.text("name", comparison.name.as_str());
            value(field, "event", said);
            value(field, "trusted", trusted);
            scratch.clear();
            difference(comparison, said, trusted, scratch);
            field.text("sentence", scratch.as_str());
        });
    });
}

fn differing<'r>(rule: &'r Contradiction, found: &Contradictions) -> impl Iterator<Item = &'r Comparison> + Clone + use<'r> {
    let bits = found.differing;
    rule.compare.iter().enumerate().filter(move |(place, _)| bits >> place & 1 == 1).map(|(_, comparison)| comparison)
}

fn value(field: &mut ObjectWriter<'_>, name: &str, value: Plain<'_>) {
    match value {
        Plain::Missing => field.raw(name, None),
        Plain::Bool(truth) => field.truth(name, truth),
        Plain::Number(number) => field.number(name, number),
        Plain::Text(text) => field.text(name, shortened(text).0),
    }
}

/// `income is 60000, the trusted value is 5000: about 12 times as much (monthly vs yearly?).`
fn difference(by: &Comparison, said: Plain<'_>, trusted: Plain<'_>, out: &mut String) {
    out.push_str(&by.name);
    out.push_str(" is ");
    show(said, out);
    out.push_str(", the trusted value is ");
    show(trusted, out);
    if let (Some(said), Some(trusted)) = (number_of(said), number_of(trusted))
        && let Some((ratio, what, hint)) = ratio(said, trusted)
    {
        let written = write!(out, ": about {ratio} times as {what} ({hint})");
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }
    out.push('.');
}

/// The ratio of two numbers that may tell a mistaken unit: how many times, whether as much or as little, and what it may be.
pub(super) fn ratio(said: f64, trusted: f64) -> Option<(f64, &'static str, &'static str)> {
    let near = |quotient: f64| RATIOS.into_iter().find(|(ratio, _)| (quotient / ratio - 1.0).abs() <= RATIO_TOL);
    let much = near(said / trusted).map(|(ratio, hint)| (ratio, "much", hint));
    much.or_else(|| near(trusted / said).map(|(ratio, hint)| (ratio, "little", hint)))
}

/// Numbers from here on are shown with an exponent.
const LONG: f64 = 1e15;

/// Appends a value to a sentence.
fn show(value: Plain<'_>, out: &mut String) {
    let written = match value {
        Plain::Missing => out.write_str("absent"),
        Plain::Bool(truth) => write!(out, "{truth}"),
        Plain::Number(number) if number.abs() < LONG && (number == 0.0 || number.abs() >= LONG.recip()) => {
            write!(out, "{number}")
        }
        Plain::Number(number) => write!(out, "{number:e}"),
        Plain::Text(text) => {
            let (text, dots) = shortened(text);
            write!(out, "\"{text}{dots}\"")
        }
    };
    debug_assert!(written.is_ok(), "writing to a String cannot fail");
}

/// As much of `text` as is shown, and what stands for the rest.
fn shortened(text: &str) -> (&str, &'static str) {
    match text.char_indices().nth(SHOWN_LETTERS) {
        None => (text, ""),
        Some((end, _)) => (&text[..end], "…"),
    }
}
