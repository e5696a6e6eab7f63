//! The confidence trigger: is the model unsure of this prediction?
//!
//! Measures and risk are those of `triggers.md`, section 3. The limit compares the raw measure; the risk is
//! r = 1 − σ(logit(c) / T) with c the measure turned into a certainty, clipped to \[1e-6, 1 − 1e-6\].

use crate::event::{Event, Value};
use crate::policy::{Confidence, Limit, Measure};
use crate::trigger::{Measurement, Unmeasured};

const CERTAINTY_MIN: f64 = 1e-6;

/// Looks at the probabilities of `event` (or, for the top probability, at its `confidence`) as `rule` says.
#[must_use]
pub fn measure(rule: &Confidence, event: &Event<'_>) -> Measurement {
    let (value, certainty) = match &rule.measure {
        Measure::TopProbability => match top_two(event) {
            Some((top, _)) => (top, top),
            None => match event.confidence() {
                Some(confidence) => (confidence, confidence),
                None => return unmeasured("neither probabilities nor confidence"),
            },
        },
        Measure::Margin => match top_two(event) {
            Some((top, Some(second))) => (top - second, f64::midpoint(1.0, top - second)),
            Some((_, None)) => return unmeasured("one probability has no margin"),
            None => return unmeasured("no probabilities"),
        },
        Measure::Entropy => match entropy(event) {
            Ok(entropy) => (entropy, 1.0 - entropy / 2.0),
            Err(missing) => return unmeasured(missing),
        },
        Measure::Class { slot, .. } => match event.slot(*slot) {
            Value::Number { value: probability, .. } => match rule.limit {
                Limit::Below(_) => (probability, probability),
                Limit::Above(_) => (probability, 1.0 - probability),
            },
            _ => return unmeasured("no probability of this label"),
        },
    };
    let hit = match rule.limit {
        Limit::Below(limit) => value < limit,
        Limit::Above(limit) => value > limit,
    };
    Measurement::Measured { value, risk: risk(certainty, rule.temperature), hit }
}

const fn unmeasured(why: &'static str) -> Measurement {
    Measurement::Error(Unmeasured::Because(why))
}

/// r = 1 − σ(logit(c) / T). For T = 1 this is 1 − c.
fn risk(certainty: f64, temperature: f64) -> f64 {
    let certainty = certainty.clamp(CERTAINTY_MIN, 1.0 - CERTAINTY_MIN);
    let logit = (certainty / (1.0 - certainty)).ln();
    1.0 / (1.0 + (logit / temperature).exp())
}

/// How sure the model is: the largest probability, else the event's `confidence`.
#[must_use]
pub fn top_probability(event: &Event<'_>) -> Option<f64> {
    top_two(event).map(|(top, _)| top).or_else(|| event.confidence())
}

/// The largest probability and, where there is one, the next.
fn top_two(event: &Event<'_>) -> Option<(f64, Option<f64>)> {
    event.probabilities().fold(None, |top, (_, probability)| match top {
        None => Some((probability, None)),
        Some((first, _)) if probability > first => Some((probability, Some(first))),
        Some((first, second)) => Some((first, Some(second.map_or(probability, |second| second.max(probability))))),
    })
}

/// Entropy of the probabilities over that of as many equal ones, 0 (certain) to 1.
fn entropy(event: &Event<'_>) -> Result<f64, &'static str> {
    let (count, sum) = event.probabilities().fold((0_u32, 0.0), |(count, sum), (_, probability)| {
        (count + 1, if probability > 0.0 { sum - probability * probability.ln() } else { sum })
    });
    match count {
        0 => Err("no probabilities"),
        1 => Err("one probability has no entropy"),
        _ => Ok((sum / f64::from(count).ln()).clamp(0.0, 1.0)),
    }
}

#[cfg(test)]
mod tests;
