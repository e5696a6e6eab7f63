//! What a policy's priorities depend on: a profile whose calibration was scored otherwise says nothing about them.

use std::fmt::Write as _;

use super::{Measure, Policy, Trigger, TriggerKind};
use crate::identity::Hash;
use crate::policy::Limit;

impl Policy {
    /// Hash of everything that enters the priority P and the baseline's favour: of each trigger its kind, its settings and
    /// its severity, in an order of their own, and the text of `adverse`. Ids, reasons, budgets, limits that only say what a
    /// hit is, and the review rules may change without it; and so may contradictions, as calibration events have no trusted
    /// records, and samples, which are drawn after the priority by which the riskiest are told.
    #[must_use]
    pub fn scoring_hash(&self) -> Hash {
        let mut lines: Vec<String> = self.triggers.iter().filter_map(line).collect();
        lines.sort();
        if let Some(adverse) = &self.adverse {
            lines.push(format!("adverse {}", adverse.text()));
        }
        Hash::in_domain("jidoka/scoring/1", lines.join("\n").as_bytes())
    }
}

fn line(trigger: &Trigger) -> Option<String> {
    let mut line = trigger.kind.name().to_owned();
    let written = match &trigger.kind {
        TriggerKind::Rule(rule) => write!(line, " {:?}", rule.text()),
        TriggerKind::Confidence(confidence) => {
            let (label, side) = match (&confidence.measure, confidence.limit) {
                (Measure::Class { label, .. }, Limit::Below(_)) => (label.as_str(), "below"),
                (Measure::Class { label, .. }, Limit::Above(_)) => (label.as_str(), "above"),
                (Measure::TopProbability, _) => ("", "top_probability"),
                (Measure::Margin, _) => ("", "margin"),
                (Measure::Entropy, _) => ("", "entropy"),
            };
            write!(line, " {side} {label:?} {}", confidence.temperature)
        }
        TriggerKind::Anomaly(_) | TriggerKind::Fairness(_) => Ok(()),
        TriggerKind::Contradiction(_) | TriggerKind::Sample(_) => return None,
    };
    debug_assert!(written.is_ok(), "writing to a String cannot fail");
    let severity = trigger.severity.map_or_else(|| "default".to_owned(), |severity| severity.to_string());
    line.push(' ');
    line.push_str(&severity);
    Some(line)
}
