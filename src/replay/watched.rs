//! The monitor's fold beside a replay: what it says takes effect with the next event, as if its signals took no time.

use std::collections::HashMap;

use crate::audit::{Chain, IncidentChange, IncidentEntry, entry_hash, write_incident};
use crate::gate::Codes;
use crate::gate::judge::Verdict;
use crate::identity::{Hash, Timestamp};
use crate::policy::PolicySet;
use crate::signal::{Incident, IncidentRecord, IncidentState, SignalsView};
use crate::watch::{Change, Watch, WatchTerms};

/// So many events are remembered: what the fold needs of them without late labels.
const WINDOW: usize = 2_000;

/// An incident that an event opened, or closed.
#[derive(Clone, PartialEq, Debug)]
pub struct Noticed {
    /// The policy's place.
    pub policy: usize,
    /// Opened or closed.
    pub state: IncidentState,
    /// The incident.
    pub incident: Incident,
}

/// So many incidents are kept for a report.
const KEPT: usize = 100;

/// Incidents that a replay opened.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Incidents {
    /// So many.
    pub opened: u64,
    /// The first of them.
    pub first: Vec<Incident>,
}

impl Incidents {
    /// Counts those that one event opened.
    pub(super) fn count(&mut self, noticed: &[Noticed]) {
        for noticed in noticed.iter().filter(|noticed| noticed.state == IncidentState::Open) {
            self.opened += 1;
            if self.first.len() < KEPT {
                self.first.push(noticed.incident.clone());
            }
        }
    }
}

/// The statistics of a set of policies, and what they say.
#[derive(Debug)]
pub(super) struct Watched {
    /// By place of the policy; none for those without a profile.
    watches: Vec<Option<Watch>>,
    view: SignalsView,
    changes: Vec<Change>,
    codes: Codes,
    noticed: Vec<Noticed>,
    /// By place of the policy, the chain of its incidents' entries.
    chains: Vec<Chain>,
    /// Of each open incident the hash of its last entry.
    trails: HashMap<String, Hash>,
}

impl Watched {
    pub fn new(set: &PolicySet) -> Self {
        let watch = |policy| WatchTerms::of(policy, WINDOW).map(Watch::new);
        Self {
            watches: set.policies().iter().map(watch).collect(),
            view: SignalsView::default(),
            changes: Vec::new(),
            codes: Codes::default(),
            noticed: Vec::new(),
            chains: set.policies().iter().map(|policy| Chain::resume(format!("monitor/{}", policy.name), None)).collect(),
            trails: HashMap::new(),
        }
    }

    /// What the next event is decided by.
    pub fn signals(&self) -> &SignalsView {
        &self.view
    }

    /// What the last event opened or closed.
    pub fn noticed(&self) -> &[Noticed] {
        &self.noticed
    }

    /// Appends the entries about what the last event opened or closed, each after a line's end.
    pub fn write_entries(&mut self, out: &mut Vec<u8>, at: Timestamp) {
        for Noticed { policy, state, incident } in &self.noticed {
            let (seq, change) = match state {
                IncidentState::Open => (0, IncidentChange::Opened),
                IncidentState::Acknowledged | IncidentState::Closed => (1, IncidentChange::Closed),
            };
            let (chain, prev) = (&mut self.chains[*policy], self.trails.remove(&incident.id));
            out.push(b'\n');
            let start = out.len();
            write_incident(out, &IncidentEntry { seq, change, at, prev, chain: chain.next(), incident });
            let hash = entry_hash(&out[start..]);
            chain.advance(hash);
            if *state == IncidentState::Open {
                self.trails.insert(incident.id.clone(), hash);
            }
        }
    }

    /// Nothing was decided.
    pub fn nothing(&mut self) {
        self.noticed.clear();
    }

    /// Takes in a decision, made at `now`.
    pub fn fold(&mut self, verdict: &Verdict<'_>, now: Timestamp) {
        self.noticed.clear();
        let Some(policy) = verdict.policy else { return };
        let Some(Some(watch)) = self.watches.get_mut(policy.place) else { return };
        let Some(tally) = self.codes.tally(verdict) else { return };
        watch.fold(&tally, &mut self.changes);
        watch.end_of_record(&mut self.changes);
        for change in self.changes.drain(..) {
            let (key, value) = match change {
                Change::Threshold(threshold) => (format!("threshold/{}", policy.name), serde_json::to_vec(&threshold)),
                Change::Recalibrated(fresh) => (format!("calibration/{}", policy.name), serde_json::to_vec(&fresh)),
                Change::Opened(incident) => noticed(&mut self.noticed, policy.place, IncidentState::Open, incident, now),
                Change::Closed(incident) => noticed(&mut self.noticed, policy.place, IncidentState::Closed, incident, now),
            };
            let applied = value.map_err(|error| error.to_string()).and_then(|value| self.view.apply(&key, Some(&value)));
            debug_assert!(applied.is_ok(), "what the fold says is understood: {applied:?}");
        }
    }
}

fn noticed(
    all: &mut Vec<Noticed>,
    policy: usize,
    state: IncidentState,
    incident: Incident,
    now: Timestamp,
) -> (String, serde_json::Result<Vec<u8>>) {
    let at = String::from_utf8_lossy(&now.rfc3339()).into_owned();
    all.push(Noticed { policy, state, incident: incident.clone() });
    let key = format!("incident/{}", incident.id);
    let record = IncidentRecord { incident, state, seq: 0, entry_hash: String::new(), at, by: None, reason: None };
    (key, serde_json::to_vec(&record))
}
