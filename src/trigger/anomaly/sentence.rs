//! What is unusual about a feature, in a sentence for reviewers. Made only when somebody reads it.

use std::fmt::{self, Write as _};

use super::{Part, Unusual};
use crate::event::Plain;
use crate::profile::{CategoryShape, Feature, NumberShape, Profile, Shape, probability};

/// So many bytes of a value or a name are shown.
const SHOWN_BYTES: usize = 64;

impl Unusual {
    /// Writes the sentence to `out`. `value` is the feature's value in the event that was scored.
    pub fn sentence(&self, profile: &Profile, value: Plain<'_>, out: &mut String) {
        let Some(feature) = profile.features().get(self.feature) else { return };
        // Writing to a String cannot fail.
        let _ = self.write(profile, feature, value, out);
    }

    fn write(&self, profile: &Profile, feature: &Feature, value: Plain<'_>, out: &mut String) -> fmt::Result {
        let (name, rows) = (Short(&feature.name), profile.rows());
        match (self.part, &feature.shape, value) {
            (Part::Missing, _, _) if feature.missing == 0 => write!(out, "{name} is missing, which training never was"),
            (Part::Missing, _, _) => write!(out, "{name} is missing, as in {} of {rows} training rows", feature.missing),
            (Part::WrongType, _, value) => write!(out, "{name} has the wrong type ({})", type_of(value)),
            (Part::Unseen, Shape::Number(shape), Plain::Number(number)) => outside(shape, &name, number, out),
            (Part::Unseen, _, value) => write!(out, "{name}={}, which training never had", Shown(value)),
            (Part::Rare, Shape::Number(shape), Plain::Number(number)) => {
                let rank = shape.rank(number);
                let (few, side) = if rank.low < rank.high { (rank.low, "low") } else { (rank.high, "high") };
                write!(out, "{name} is {}: {:.0} of {rows} training rows are as {side}", Number(number), few.floor())
            }
            (Part::Rare, Shape::Category(shape), value) => {
                let count = level(shape, value).unwrap_or(0);
                write!(out, "{name}={}, as in {count} of {rows} training rows", Shown(value))
            }
            (Part::Pair { pair, bins }, _, value) => self.pair(profile, (pair, bins), value, out),
            (Part::Misfit { expected }, Shape::Number(shape), Plain::Number(number)) => {
                let expected = rounded(shape.quantile(probability(expected)));
                let (expected, number) = (Number(expected), Number(number));
                write!(out, "{name} does not fit the other numbers: expected about {expected}, is {number}")
            }
            (Part::Misfit { .. }, _, _) => write!(out, "{name} is missing and does not fit the other numbers"),
            (Part::Rare, _, value) => write!(out, "{name}={} is rare in training", Shown(value)),
        }
    }

    /// `education=Doctorate with age≤20: seen 0, expected 41`
    fn pair(&self, profile: &Profile, (pair, bins): (usize, [u8; 2]), value: Plain<'_>, out: &mut String) -> fmt::Result {
        let Some(pair) = profile.pairs().get(pair) else { return Ok(()) };
        let features = [pair.first, pair.second].map(usize::from);
        let own = usize::from(features[0] != self.feature);
        for (place, value) in [(own, value), (1 - own, Plain::Missing)] {
            let feature = &profile.features()[features[place]];
            binned(feature, bins[place], value, out)?;
            if place == own {
                out.push_str(" with ");
            }
        }
        let (seen, expected) = pair.seen_and_expected(bins[0], bins[1]);
        write!(out, ": seen {seen}, expected {}", Number(rounded(expected)))
    }
}

/// What is in a bin: `age≤20`, `20<age≤30`, `education=Doctorate`, `education missing`. `value` tells which of the levels it
/// is that share a bin.
fn binned(feature: &Feature, bin: u8, value: Plain<'_>, out: &mut String) -> fmt::Result {
    let name = Short(&feature.name);
    match &feature.shape {
        shape if bin == shape.missing_bin() => write!(out, "{name} missing"),
        Shape::Number(shape) => {
            let bin = usize::from(bin);
            let only = shape.edges.get(bin).filter(|_| shape.edges.len() == shape.cuts.len() + 1);
            match (bin.checked_sub(1).and_then(|below| shape.cuts.get(below)), shape.cuts.get(bin), only) {
                (_, _, Some(only)) => write!(out, "{name}={}", Number(*only)),
                (Some(low), Some(high), None) => write!(out, "{}<{name}≤{}", Number(*low), Number(*high)),
                (Some(low), None, None) => write!(out, "{name}>{}", Number(*low)),
                (None, Some(high), None) => write!(out, "{name}≤{}", Number(*high)),
                (None, None, None) => write!(out, "any {name}"),
            }
        }
        Shape::Category(shape) => match (shape.level_of_bin(bin), value) {
            (Some(level), _) => write!(out, "{name}={}", Short(&level.name)),
            (None, Plain::Missing) => write!(out, "a rare {name}"),
            (None, value) => write!(out, "{name}={}", Shown(value)),
        },
        Shape::Text => write!(out, "any {name}"),
    }
}

fn outside(shape: &NumberShape, name: &Short<'_>, number: f64, out: &mut String) -> fmt::Result {
    let Some((lowest, highest)) = shape.range() else {
        return write!(out, "{name} is {}, and training has none", Number(number));
    };
    let side = if number < lowest { "below" } else { "above" };
    let (number, lowest, highest) = (Number(number), Number(lowest), Number(highest));
    write!(out, "{name} is {number}, {side} all of training ({lowest} to {highest})")
}

fn level(shape: &CategoryShape, value: Plain<'_>) -> Option<u64> {
    let text = match value {
        Plain::Text(text) => text,
        Plain::Bool(truth) => {
            if truth {
                "true"
            } else {
                "false"
            }
        }
        Plain::Missing | Plain::Number(_) => return None,
    };
    shape.find(text).map(|level| level.count)
}

const fn type_of(value: Plain<'_>) -> &'static str {
    match value {
        Plain::Missing => "missing",
        Plain::Bool(_) => "true or false",
        Plain::Number(number) if number.is_finite() => "a number",
        Plain::Number(_) => "no finite number",
        Plain::Text(_) => "a text",
    }
}

/// To four digits: what is only about so much is not told more exactly.
fn rounded(number: f64) -> f64 {
    if number == 0.0 || !number.is_finite() {
        return number;
    }
    let scale = 10.0_f64.powf(3.0 - number.abs().log10().floor());
    let rounded = (number * scale).round() / scale;
    if rounded.is_finite() { rounded } else { number }
}

/// A number with as many digits as it needs; very large and small ones as `1.5e300`.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        if size == 0.0 || (1e-5..1e15).contains(&size) { write!(f, "{}", self.0) } else { write!(f, "{:e}", self.0) }
    }
}

/// A text that is cut where it is long, without what would move a terminal's cursor.
struct Short<'a>(&'a str);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.floor_char_boundary(SHOWN_BYTES)];
        for letter in shown.chars() {
            f.write_char(if letter.is_control() { ' ' } else { letter })?;
        }
        if shown.len() < self.0.len() { f.write_char('…') } else { Ok(()) }
    }
}

/// A value of an event.
struct Shown<'a>(Plain<'a>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Plain::Missing => f.write_str("missing"),
            Plain::Bool(truth) => write!(f, "{truth}"),
            Plain::Number(number) => Number(number).fmt(f),
            Plain::Text(text) => Short(text).fmt(f),
        }
    }
}
