//! What a reviewer thinks of a case.

use super::desk::Paper;
use super::dice::Dice;

/// By what held a case: which part of such cases is approved, and why the others are not.
const USUAL: [(&str, f64, &str); 11] = [
    ("unreadable", 0.0, "data-error"),
    ("conflicting-duplicate", 0.1, "data-error"),
    ("implausible-hours", 0.15, "data-error"),
    ("overdue-but-released", 0.2, "model-wrong"),
    ("upstream-bias-flag", 0.45, "policy-exception"),
    ("thin-file", 0.5, "data-error"),
    ("undocumented-category", 0.6, "data-error"),
    ("low-confidence", 0.65, "model-wrong"),
    ("large-amount", 0.8, "policy-exception"),
    ("large-limit", 0.8, "policy-exception"),
    ("quality-sample", 0.9, "model-wrong"),
];
/// What is thought of anything else.
const OTHER: (f64, &str) = (0.7, "policy-exception");
const APPROVAL: &str = "confirmed";
/// The reason that names another answer as the right one.
const CORRECTION: &str = "model-wrong";
const CANNOT_TELL: &str = "cannot-tell";

/// What somebody thinks of a case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opinion {
    /// Whether the automation may go on.
    pub verdict: Verdict,
    /// The reason's code, one of those that the case allows.
    pub code: Option<String>,
    /// The answer that should have been given, where it is another one.
    pub corrected: Option<String>,
    /// The same, for a case that is judged before the model's answer is seen.
    pub judgement: String,
}

/// What becomes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The automation may go on.
    Approve,
    /// It may not.
    Reject,
}

impl Opinion {
    /// Of several findings the gravest counts.
    pub fn of(paper: &Paper, dice: &mut Dice) -> Self {
        let usual = |finding: &String| {
            let known = USUAL.iter().find(|(trigger, ..)| trigger == finding);
            known.map_or(OTHER, |(_, part, code)| (*part, *code))
        };
        let (part, code) = paper.findings.iter().map(usual).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or(OTHER);
        let verdict = if dice.falls(part) { Verdict::Approve } else { Verdict::Reject };
        let (given, labels) = &paper.answer;
        let other = || labels.iter().find(|label| Some(*label) != given.as_ref()).cloned();
        let (code, right) = match verdict {
            Verdict::Approve => (APPROVAL, given.clone()),
            Verdict::Reject => (code, (code == CORRECTION).then(other).flatten()),
        };
        let allowed = &paper.rules.reasons;
        Self {
            verdict,
            code: allowed.iter().find(|reason| *reason == code).or(allowed.last()).cloned(),
            judgement: right.clone().unwrap_or_else(|| CANNOT_TELL.to_owned()),
            corrected: right.filter(|_| verdict == Verdict::Reject),
        }
    }
}
