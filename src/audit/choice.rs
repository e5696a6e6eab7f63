//! A choice of decisions, by what their trails say: which ones an export holds.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use crate::identity::{DecisionId, Timestamp};

/// Which decisions are wanted: those that fit all that is said.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Choice {
    /// Decided at this time or later.
    pub from: Option<Timestamp>,
    /// Decided before this time.
    pub to: Option<Timestamp>,
    /// About this model.
    pub model: Option<String>,
    /// In whose trail this reviewer acted.
    pub reviewer: Option<String>,
    /// Whose trail ends in this state; `HELD` is any that was held.
    pub state: Option<String>,
    /// These; none said is all.
    pub decisions: Vec<DecisionId>,
}

impl Choice {
    /// Whether everything is wanted.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

/// Reads all audit entries once, and then knows which decisions are wanted.
#[derive(Debug)]
pub struct Chooser {
    choice: Choice,
    wanted: HashSet<DecisionId>,
    candidates: HashMap<DecisionId, Candidate>,
}

/// What is known of a decision so far.
#[derive(Debug, Default)]
struct Candidate {
    fits_beginning: bool,
    was_held: bool,
    has_reviewer: bool,
    state: String,
}

impl Chooser {
    /// A chooser that has read nothing.
    #[must_use]
    pub fn new(choice: Choice) -> Self {
        Self { wanted: choice.decisions.iter().copied().collect(), choice, candidates: HashMap::new() }
    }

    /// Takes the value of an audit entry. One that cannot be read is of no decision.
    pub fn note(&mut self, value: &[u8]) {
        let Ok(entry) = serde_json::from_slice::<Wire<'_>>(value) else { return };
        let Some(id) = entry.decision_id.as_deref().and_then(DecisionId::parse) else { return };
        if entry.kind == "REFUSED" || !(self.wanted.is_empty() || self.wanted.contains(&id)) {
            return;
        }
        let candidate = self.candidates.entry(id).or_default();
        if matches!(entry.kind.as_ref(), "DECIDED" | "DUPLICATE") {
            candidate.fits_beginning = self.choice.begins(&entry);
            candidate.was_held = entry.outcome.as_deref() == Some("HELD");
        }
        let state = entry.state.as_deref().or(match entry.outcome.as_deref() {
            Some("HELD") => Some("PENDING"),
            outcome => outcome,
        });
        state.unwrap_or(&entry.kind).clone_into(&mut candidate.state);
        let reviewer = entry.actor.as_ref().filter(|actor| actor.kind == "reviewer").and_then(|actor| actor.id.as_deref());
        candidate.has_reviewer |= reviewer.is_some() && reviewer == self.choice.reviewer.as_deref();
    }

    /// The decisions that are wanted, once all entries were noted.
    #[must_use]
    pub fn chosen(self) -> HashSet<DecisionId> {
        let Self { choice, candidates, .. } = self;
        let fits = |candidate: &Candidate| {
            let state =
                choice.state.as_deref().is_none_or(|state| (state == "HELD" && candidate.was_held) || state == candidate.state);
            candidate.fits_beginning && state && (choice.reviewer.is_none() || candidate.has_reviewer)
        };
        candidates.into_iter().filter(|(_, candidate)| fits(candidate)).map(|(id, _)| id).collect()
    }
}

impl Choice {
    fn begins(&self, entry: &Wire<'_>) -> bool {
        let at = Timestamp::parse(&entry.at);
        let model = entry.model.as_ref().and_then(|model| model.name.as_deref());
        self.from.is_none_or(|from| at.is_some_and(|at| at >= from))
            && self.to.is_none_or(|to| at.is_some_and(|at| at < to))
            && self.model.as_deref().is_none_or(|wanted| model == Some(wanted))
    }
}

#[derive(Deserialize)]
struct Wire<'v> {
    #[serde(borrow)]
    decision_id: Option<std::borrow::Cow<'v, str>>,
    kind: String,
    #[serde(default)]
    at: String,
    outcome: Option<String>,
    state: Option<String>,
    model: Option<Model>,
    actor: Option<Actor>,
}

#[derive(Deserialize)]
struct Model {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Actor {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> DecisionId {
        DecisionId([byte; 16])
    }

    /// The ids of these decisions that are chosen: 1 released, 2 approved by kim, 3 open, 4 a duplicate.
    fn chosen(choice: Choice) -> Vec<u8> {
        let mut chooser = Chooser::new(choice);
        let decided = |byte: u8, day: u32, outcome: &str, model: &str| {
            format!(
                r#"{{"decision_id":"{}","kind":"DECIDED","at":"2026-01-0{day}T00:00:00.000Z","outcome":"{outcome}","model":{{"name":"{model}"}},"actor":{{"type":"system","id":"gate"}}}}"#,
                id(byte)
            )
        };
        let moved = |byte: u8, kind: &str, who: &str, state: &str| {
            format!(
                r#"{{"decision_id":"{}","kind":"{kind}","state":"{state}","actor":{{"type":"reviewer","id":"{who}"}}}}"#,
                id(byte)
            )
        };
        for entry in [
            decided(1, 1, "RELEASED", "a"),
            decided(2, 2, "HELD", "a"),
            decided(3, 3, "HELD", "b"),
            format!(r#"{{"decision_id":"{}","kind":"DUPLICATE","at":"2026-01-04T00:00:00.000Z"}}"#, id(4)),
            moved(2, "CLAIMED", "kim", "UNDER_REVIEW"),
            moved(2, "APPROVED", "kim", "APPROVED"),
            moved(3, "CLAIMED", "lee", "UNDER_REVIEW"),
            format!(r#"{{"decision_id":"{}","kind":"REFUSED","actor":{{"type":"reviewer","id":"kim"}}}}"#, id(3)),
            "no entry".to_owned(),
            r#"{"kind":"GAP"}"#.to_owned(),
        ] {
            chooser.note(entry.as_bytes());
        }
        let mut found: Vec<u8> = chooser.chosen().into_iter().map(|id| id.0[0]).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn decisions_are_chosen_by_all_that_is_said() {
        let none = Choice::default;
        assert!(none().is_everything());
        assert_eq!(chosen(none()), [1, 2, 3, 4]);
        let day = |day: u32| Timestamp::parse(&format!("2026-01-0{day}T00:00:00Z"));
        assert_eq!(chosen(Choice { from: day(2), to: day(4), ..none() }), [2, 3]);
        assert_eq!(chosen(Choice { model: Some("a".into()), ..none() }), [1, 2]);
        assert_eq!(chosen(Choice { reviewer: Some("kim".into()), ..none() }), [2]);
        assert!(chosen(Choice { reviewer: Some("gate".into()), ..none() }).is_empty());
        let state = |state: &str| chosen(Choice { state: Some(state.to_owned()), ..none() });
        assert_eq!(
            ["HELD", "APPROVED", "UNDER_REVIEW", "DUPLICATE", "RELEASED"].map(state),
            [vec![2, 3], vec![2], vec![3], vec![4], vec![1]]
        );
        assert_eq!(chosen(Choice { decisions: vec![id(3), id(1)], ..none() }), [1, 3]);
        assert_eq!(chosen(Choice { decisions: vec![id(3), id(1)], model: Some("a".into()), ..none() }), [1]);
    }
}
