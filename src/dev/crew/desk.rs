//! The open cases as the crew sees them, read from the `cases` topic.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::people::Person;
use crate::identity::Timestamp;
use crate::policy::Band;

/// The crew keeps so many cases in mind. What is beyond and less urgent is left to others, or to time.
const CASES_MAX: usize = 1_000;
/// By so many milliseconds a case of each band goes before one of the least urgent: so what is urgent comes first, and the rest
/// does not wait for ever.
const HEAD_START_MS: [i64; 4] = [600_000, 60_000, 20_000, 0];

/// An open case.
#[derive(Clone, PartialEq, Debug)]
pub struct Paper {
    /// The decision.
    pub decision_id: String,
    /// Where commands about it go.
    pub lane: i32,
    /// What a reviewer sees of it: what a verdict must name.
    pub view: (u64, String),
    /// Who has it.
    pub assignee: Option<String>,
    /// Who may act.
    pub groups: Vec<String>,
    /// How often it was handed up.
    pub escalations: u32,
    /// What a review needs to know, which does not change.
    pub rules: Rules,
    /// What held it.
    pub findings: Vec<String>,
    /// What the model answered, and what it could have answered.
    pub answer: (Option<String>, Vec<String>),
    /// When it opened, less its head start: the least comes first.
    place: i64,
    seq: u64,
    /// Who may not decide: whom it is about, who asked for it, who has voted.
    barred: Vec<String>,
    judged_by: Vec<String>,
    /// One of the crew is about to act on it.
    attended: bool,
}

/// The rules of a case.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Rules {
    /// Who leads.
    pub leads: Vec<String>,
    /// Codes that may be given as a reason.
    pub reasons: Vec<String>,
    /// Whether a reviewer must judge before deciding.
    pub blind: bool,
}

#[derive(Deserialize)]
struct Wire {
    decision_id: String,
    lane: i32,
    state: String,
    seq: u64,
    view: WireView,
    band: String,
    subject_id: Option<String>,
    requested_by: Option<String>,
    findings: Vec<WireFinding>,
    event: Option<WireEvent>,
    review: Rules,
    opened_at: String,
    assignee: Option<String>,
    groups: Vec<String>,
    votes: Vec<ByReviewer>,
    judgements: Vec<ByReviewer>,
    escalations: u32,
}

#[derive(Deserialize)]
struct WireView {
    seq: u64,
    hash: String,
}

#[derive(Deserialize)]
struct WireFinding {
    trigger: String,
}

#[derive(Deserialize)]
struct WireEvent {
    prediction: Option<Value>,
    probabilities: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct ByReviewer {
    reviewer: String,
}

impl Wire {
    fn is_open(&self) -> bool {
        self.state == "PENDING" || self.state == "UNDER_REVIEW"
    }

    fn paper(self) -> Paper {
        let names = |list: Vec<ByReviewer>| list.into_iter().map(|by| by.reviewer);
        let head_start = Band::parse(&self.band).map_or(0, |band| HEAD_START_MS[band.index()]);
        let opened_at = Timestamp::parse(&self.opened_at).unwrap_or_default().0;
        let answer = self.event.map_or((None, Vec::new()), |event| {
            let labels = event.probabilities.unwrap_or_default().into_iter().map(|(label, _)| label).collect();
            (event.prediction.as_ref().and_then(Value::as_str).map(str::to_owned), labels)
        });
        Paper {
            decision_id: self.decision_id,
            lane: self.lane,
            view: (self.view.seq, self.view.hash),
            assignee: self.assignee,
            groups: self.groups,
            escalations: self.escalations,
            rules: self.review,
            findings: self.findings.into_iter().map(|finding| finding.trigger).collect(),
            answer,
            place: opened_at - head_start,
            seq: self.seq,
            barred: names(self.votes).chain(self.subject_id).chain(self.requested_by).collect(),
            judged_by: names(self.judgements).collect(),
            attended: false,
        }
    }
}

impl Paper {
    /// Whether this person may take the case now.
    fn is_for(&self, person: &Person) -> bool {
        let may = self.groups.iter().any(|group| person.groups.contains(&group.as_str()));
        may && self.assignee.is_none() && !self.attended && !self.barred.iter().any(|barred| barred == person.name)
    }

    /// Whether this person has it.
    pub fn is_with(&self, person: &Person) -> bool {
        self.assignee.as_deref() == Some(person.name)
    }

    /// Whether this person has said what the answer should be.
    pub fn is_judged_by(&self, person: &Person) -> bool {
        self.judged_by.iter().any(|judge| judge == person.name)
    }
}

/// The open cases.
#[derive(Debug, Default)]
pub struct Desk {
    papers: HashMap<String, Paper>,
}

impl Desk {
    /// Takes a record of `cases`.
    ///
    /// # Errors
    /// Where it is not a case.
    pub fn see(&mut self, value: &[u8]) -> serde_json::Result<()> {
        let wire: Wire = serde_json::from_slice(value)?;
        let known = self.papers.get(&wire.decision_id);
        if !wire.is_open() {
            self.papers.remove(&wire.decision_id);
            return Ok(());
        }
        // The mock broker shows what was aborted, and then the same again.
        if known.is_some_and(|known| known.seq > wire.seq) {
            return Ok(());
        }
        let attended = known.is_some_and(|known| known.attended);
        let paper = Paper { attended, ..wire.paper() };
        self.papers.insert(paper.decision_id.clone(), paper);
        self.forget();
        Ok(())
    }

    fn forget(&mut self) {
        if self.papers.len() > CASES_MAX {
            let free = self.papers.values().filter(|paper| paper.assignee.is_none() && !paper.attended);
            let last = free.max_by_key(|paper| paper.place).map(|paper| paper.decision_id.clone());
            last.map(|id| self.papers.remove(&id));
        }
    }

    /// A case, as long as it is open.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Paper> {
        self.papers.get(id)
    }

    /// What this person should take up: what they have and forgot, or else the most urgent, and of these the oldest.
    pub fn take(&mut self, person: &Person) -> Option<&Paper> {
        let own = self.papers.values().find(|paper| paper.is_with(person) && !paper.attended);
        let next = || self.papers.values().filter(|paper| paper.is_for(person)).min_by_key(|paper| paper.place);
        let id = own.or_else(next)?.decision_id.clone();
        let paper = self.papers.get_mut(&id)?;
        paper.attended = true;
        Some(paper)
    }

    /// Nobody of the crew acts on it any more.
    pub fn leave(&mut self, id: &str) {
        if let Some(paper) = self.papers.get_mut(id) {
            paper.attended = false;
        }
    }

    /// How many cases wait that this person could take.
    #[must_use]
    pub fn waiting_for(&self, person: &Person) -> usize {
        self.papers.values().filter(|paper| paper.is_for(person)).count()
    }

    /// How many cases the crew has in mind.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.papers.len()
    }
}
