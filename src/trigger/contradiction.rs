//! The contradiction trigger: does the event say other than what is trusted about its subject? (`triggers.md`, section 4.)
//!
//! Numbers differ if |a − b| > max(abs, rel · |b|), b being the trusted one; dates if they lie more than so many days apart;
//! texts after NFKC, trimming, case folding and aliases. Where either side is absent nothing is found: what is missing is
//! no statement.

mod details;

pub use details::{SHOWN_BYTES_MAX, sentence, write_details};

use crate::event::{Event, Plain};
use crate::policy::{Comparison, ComparisonKind, Contradiction};
use crate::reference::{Fact, TrustedRecord, parse_time};
use crate::trigger::Unmeasured;

/// Milliseconds of a day.
const DAY_MS: f64 = 86_400_000.0;
/// Doubles of decimal fractions are off by so much of themselves, and their difference by some more: `10.9` and `9.9` differ
/// by 1 and not by more.
const ROUNDING: f64 = 8.0 * f64::EPSILON;

/// What a look at one event and its subject's record found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Contradictions {
    /// The comparisons that found a difference: bit n for number n.
    pub differing: u64,
    /// Whether the condition over both holds.
    pub applies: bool,
    /// Why a part could not be looked at.
    pub failed: Option<Unmeasured>,
}

impl Contradictions {
    /// Whether anything was found; that stands even where another part failed.
    #[must_use]
    pub const fn is_hit(&self) -> bool {
        self.differing != 0 || self.applies
    }
}

/// Compares `event` with `record` as `rule` says. Allocates nothing for texts of ASCII.
#[must_use]
pub fn measure(rule: &Contradiction, event: &Event<'_>, record: &TrustedRecord) -> Contradictions {
    let mut found = Contradictions::default();
    for (place, comparison) in rule.compare.iter().enumerate() {
        match compare(comparison, comparison.field.read(event), record.fact(&comparison.trusted)) {
            Agreement::Same | Agreement::Unknown => {}
            Agreement::Different => found.differing |= 1 << place,
            Agreement::Unclear(why) => found.failed = found.failed.or(Some(Unmeasured::Because(why))),
        }
    }
    match rule.when.as_ref().map(|condition| condition.holds_beside(event, record)) {
        None => {}
        Some(Ok(holds)) => found.applies = holds,
        Some(Err(failure)) => found.failed = found.failed.or(Some(Unmeasured::Expression(failure))),
    }
    found
}

/// How two values stand to each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Agreement {
    Same,
    Different,
    /// One of them is absent.
    Unknown,
    /// The trusted one is not what it should be.
    Unclear(&'static str),
}

impl Agreement {
    const fn of(same: bool) -> Self {
        if same { Self::Same } else { Self::Different }
    }
}

fn compare(by: &Comparison, said: Plain<'_>, trusted: Fact<'_>) -> Agreement {
    match (said, trusted) {
        (Plain::Missing, _) | (_, Fact::Missing) => Agreement::Unknown,
        (_, Fact::Nested) => Agreement::Unclear("a trusted value is a list or an object"),
        _ => match by.kind {
            ComparisonKind::Auto => auto(by, said, trusted),
            ComparisonKind::Text => Agreement::of(are_same_texts(by, said, trusted)),
            ComparisonKind::Number => match (number_of(said), number_of(plain(trusted))) {
                (_, None) => Agreement::Unclear("a trusted value is no number"),
                (None, _) => Agreement::Different,
                (Some(said), Some(trusted)) => Agreement::of(are_near(by, said, trusted)),
            },
            ComparisonKind::Date => match (date_of(said), date_of(plain(trusted))) {
                (_, None) => Agreement::Unclear("a trusted value is no date"),
                (None, _) => Agreement::Different,
                (Some(said), Some(trusted)) => Agreement::of(are_near_days(by, said, trusted)),
            },
        },
    }
}

fn auto(by: &Comparison, said: Plain<'_>, trusted: Fact<'_>) -> Agreement {
    Agreement::of(match (said, plain(trusted)) {
        (Plain::Number(said), Plain::Number(trusted)) => are_near(by, said, trusted),
        (Plain::Text(left), Plain::Text(right)) => {
            by.aliases.are_same(left, right)
                || matches!((date_of(said), date_of(plain(trusted))), (Some(said), Some(trusted)) if are_near_days(by, said, trusted))
        }
        (Plain::Number(_), Plain::Text(_)) | (Plain::Text(_), Plain::Number(_)) => {
            match (number_of(said), number_of(plain(trusted))) {
                (Some(said), Some(trusted)) => are_near(by, said, trusted),
                _ => false,
            }
        }
        _ => are_same_texts(by, said, trusted),
    })
}

/// Whether both are the same text; of numbers, the same number, however it is written.
fn are_same_texts(by: &Comparison, said: Plain<'_>, trusted: Fact<'_>) -> bool {
    let word = |value| if value { "true" } else { "false" };
    match (said, plain(trusted)) {
        (Plain::Text(said), Plain::Text(trusted)) => by.aliases.are_same(said, trusted),
        (Plain::Bool(said), Plain::Bool(trusted)) => said == trusted,
        (Plain::Bool(value), Plain::Text(text)) | (Plain::Text(text), Plain::Bool(value)) => {
            by.aliases.are_same(text, word(value))
        }
        (said, trusted) => {
            #[expect(clippy::float_cmp, reason = "the same number, not a near one")]
            let same = matches!((number_of(said), number_of(trusted)), (Some(said), Some(trusted)) if said == trusted);
            same
        }
    }
}

/// Whether two numbers lie within the tolerances.
fn are_near(by: &Comparison, said: f64, trusted: f64) -> bool {
    let tolerance = by.abs_tol.max(by.rel_tol * trusted.abs());
    (said - trusted).abs() <= tolerance + ROUNDING * said.abs().max(trusted.abs())
}

fn are_near_days(by: &Comparison, said: f64, trusted: f64) -> bool {
    (said - trusted).abs() <= by.abs_tol * DAY_MS
}

fn plain(fact: Fact<'_>) -> Plain<'_> {
    match fact {
        Fact::Missing | Fact::Nested => Plain::Missing,
        Fact::Bool(value) => Plain::Bool(value),
        Fact::Number(value) => Plain::Number(value),
        Fact::Text(text) => Plain::Text(text),
    }
}

fn number_of(value: Plain<'_>) -> Option<f64> {
    match value {
        Plain::Number(value) => Some(value),
        Plain::Text(text) => {
            let text = text.trim();
            let decimal = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
            text.parse().ok().filter(|number: &f64| decimal && number.is_finite())
        }
        Plain::Missing | Plain::Bool(_) => None,
    }
}

/// Milliseconds since 1970.
fn date_of(value: Plain<'_>) -> Option<f64> {
    match value {
        Plain::Text(text) => parse_time(text).map(|time| time.0 as f64),
        Plain::Missing | Plain::Bool(_) | Plain::Number(_) => None,
    }
}

#[cfg(test)]
mod tests;
