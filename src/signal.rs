//! What the monitor says to all gates through the `signals` topic: open incidents, the capacity threshold, fresh calibration.
//!
//! `the monitor's fold → record → `[`SignalsView::apply`]` → what a decision takes into account`
//!
//! A gate that reads something it does not understand holds everything ([`SignalsView::is_readable`]): it might be an incident.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::identity::{Hash, parse_hex, write_hex};
use crate::profile::Calibration;

/// What an incident is about, at large.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncidentKind {
    /// A subgroup's rate of favourable decisions departs from its baseline: adverse decisions of the group are held.
    Fairness,
    /// Inputs, answers or the overall rate depart from the baseline: people are told, nothing is held.
    Drift,
    /// More is risky than reviewers can look at: people are told, nothing is held.
    Capacity,
}

impl IncidentKind {
    /// The word in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fairness => "fairness",
            Self::Drift => "drift",
            Self::Capacity => "capacity",
        }
    }
}

/// Where the rate went.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Below the baseline.
    Down,
    /// Above it.
    Up,
}

impl Direction {
    /// The word in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
        }
    }
}

/// An incident, as the contract (section 2) has it in audit entries, and in signals.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Incident {
    /// 16 hex digits that follow from what it is about and where it was noticed.
    pub id: String,
    /// What it is about, at large.
    pub kind: IncidentKind,
    /// Name of the policy.
    pub policy: String,
    /// What exactly departs: `favourable-rate`, `true-favourable-rate` and `true-adverse-rate` (of late labels),
    /// `feature/<name>`, `prediction`, `confidence`, `identical-inputs`, `review-capacity`.
    pub about: String,
    /// The subgroup: attribute to level; empty for everybody.
    pub group: BTreeMap<String, String>,
    /// Where the rate went.
    pub direction: Direction,
    /// Number of the event, counted by the monitor from 1 for this policy, at which it was noticed.
    pub at_event: u64,
    /// Number of the event after which it began, as far as can be told.
    pub since_event: u64,
    /// The statistic there.
    pub statistic: f64,
    /// What it had to reach.
    pub threshold: f64,
    /// All of it for people, without anything of a single event.
    pub sentence: String,
}

/// An incident's id: 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IncidentId(pub [u8; 8]);

impl IncidentId {
    /// Its 16 hex digits.
    #[must_use]
    pub fn hex(self) -> [u8; 16] {
        let mut text = [0; 16];
        write_hex(&self.0, &mut text);
        text
    }

    /// Reads 16 lower-case hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        parse_hex(text).map(Self)
    }
}

impl std::fmt::Display for IncidentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::str::from_utf8(&self.hex()).unwrap_or_default())
    }
}

/// How far an incident is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncidentState {
    /// Nobody has taken notice; it has its effect.
    Open,
    /// Somebody has, with who and why: its effect is over.
    Acknowledged,
    /// Its cause went away by itself: its effect is over.
    Closed,
}

/// The value of an `incident/<id>` record.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct IncidentRecord {
    /// The incident.
    pub incident: Incident,
    /// How far it is.
    pub state: IncidentState,
    /// Number of its last audit entry in its trail.
    pub seq: u64,
    /// Hash of that entry.
    pub entry_hash: String,
    /// When that was.
    pub at: String,
    /// Who acknowledged it.
    pub by: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// The value of a `threshold/<policy>` record.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Threshold {
    /// Hash of the policy that it was found for; another policy begins anew.
    pub policy_hash: String,
    /// τ: decisions are held whose priority lies above this quantile of the calibration's.
    pub threshold: f64,
    /// The share that is to be held.
    pub rate: f64,
    /// Number of the event after which it holds.
    pub at_event: u64,
}

/// The value of a `calibration/<policy>` record: anomaly scores of late, by which p-values are found instead of the profile's.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Recalibration {
    /// Hash of the policy that it was found for.
    pub policy_hash: String,
    /// Number of the event after which it holds.
    pub at_event: u64,
    /// The scores.
    pub scores: Vec<f32>,
}

/// A [`Recalibration`] at work.
#[derive(Clone, PartialEq, Debug)]
pub struct Fresh {
    policy_hash: String,
    /// What turns scores into p-values.
    pub calibration: Calibration,
    /// Number of the event after which it holds.
    pub at_event: u64,
}

/// What the signals say of one policy.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PolicySignals {
    /// The capacity threshold, where one was published.
    pub threshold: Option<Threshold>,
    /// Fresh calibration, where it was published.
    pub calibration: Option<Arc<Fresh>>,
    /// Incidents that are open, in the order of their ids.
    pub incidents: Vec<(IncidentId, Incident)>,
}

/// The signals as far as they were read: the latest of each key.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SignalsView {
    policies: HashMap<String, PolicySignals>,
    unreadable: BTreeSet<String>,
}

impl SignalsView {
    /// Takes in one record; without a value its key is taken back.
    ///
    /// # Errors
    /// With a sentence where it cannot be read. Nothing is readable then until that key is written anew.
    pub fn apply(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), String> {
        self.unreadable.remove(key);
        let taken = match key.split_once('/') {
            Some(("threshold", policy)) => read(value).map(|threshold| self.of_mut(policy).threshold = threshold),
            Some(("calibration", policy)) => {
                let fresh = |Recalibration { policy_hash, at_event, scores }| {
                    Arc::new(Fresh { policy_hash, at_event, calibration: Calibration::new(scores) })
                };
                read(value).map(|calibration| self.of_mut(policy).calibration = calibration.map(fresh))
            }
            Some(("incident", id)) => match IncidentId::parse(id) {
                Some(id) => read(value).map(|record| self.take_incident(id, record)),
                None if value.is_none() => Ok(()),
                None => Err("what follows `incident/` is not 16 hex digits".to_owned()),
            },
            Some(("state", _)) => Ok(()),
            // Taken back: it is as if it had never been there.
            _ if value.is_none() => Ok(()),
            _ => Err("unknown kind of key".to_owned()),
        };
        taken.map_err(|why| {
            self.unreadable.insert(key.to_owned());
            format!("{key}: {why}")
        })
    }

    fn of_mut(&mut self, policy: &str) -> &mut PolicySignals {
        self.policies.entry(policy.to_owned()).or_default()
    }

    fn take_incident(&mut self, id: IncidentId, record: Option<IncidentRecord>) {
        for policy in self.policies.values_mut() {
            policy.incidents.retain(|(other, _)| *other != id);
        }
        if let Some(IncidentRecord { incident, state: IncidentState::Open, .. }) = record {
            let incidents = &mut self.of_mut(&incident.policy).incidents;
            let place = incidents.partition_point(|(other, _)| *other < id);
            incidents.insert(place, (id, incident));
        }
    }

    /// What is said of `policy`.
    #[must_use]
    pub fn of(&self, policy: &str) -> Option<&PolicySignals> {
        if self.policies.is_empty() { None } else { self.policies.get(policy) }
    }

    /// Whether everything that was said could be understood.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.unreadable.is_empty()
    }
}

impl PolicySignals {
    /// The capacity threshold of the policy with this hash.
    #[must_use]
    pub fn threshold_for(&self, hash: Hash) -> Option<f64> {
        self.threshold.as_ref().filter(|threshold| is_of(&threshold.policy_hash, hash)).map(|threshold| threshold.threshold)
    }

    /// The fresh calibration of the policy with this hash.
    #[must_use]
    pub fn calibration_for(&self, hash: Hash) -> Option<&Fresh> {
        self.calibration.as_deref().filter(|calibration| is_of(&calibration.policy_hash, hash))
    }
}

fn is_of(text: &str, hash: Hash) -> bool {
    text.as_bytes() == hash.hex()
}

fn read<'v, T: Deserialize<'v>>(value: Option<&'v [u8]>) -> Result<Option<T>, String> {
    value.map(serde_json::from_slice).transpose().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident(id: &str, policy: &str) -> IncidentRecord {
        IncidentRecord {
            incident: Incident {
                id: id.to_owned(),
                kind: IncidentKind::Fairness,
                policy: policy.to_owned(),
                about: "favourable-rate".to_owned(),
                group: BTreeMap::from([("sex".to_owned(), "Female".to_owned())]),
                direction: Direction::Down,
                at_event: 8_412,
                since_event: 8_003,
                statistic: 4.1e6,
                threshold: 4e6,
                sentence: "Favourable decisions of sex=Female fell.".to_owned(),
            },
            state: IncidentState::Open,
            seq: 0,
            entry_hash: "ab".repeat(32),
            at: "2026-01-05T10:46:41.187Z".to_owned(),
            by: None,
            reason: None,
        }
    }

    fn bytes(value: &impl Serialize) -> Vec<u8> {
        serde_json::to_vec(value).expect("JSON")
    }

    #[test]
    fn an_incident_is_open_until_it_is_acknowledged_closed_or_taken_back() {
        let mut view = SignalsView::default();
        assert!(view.of("loans").is_none());
        for (id, state) in [("b", None), ("a", Some(IncidentState::Acknowledged)), ("c", Some(IncidentState::Closed))] {
            let id = id.repeat(16);
            let mut record = incident(&id, "loans");
            let key = format!("incident/{id}");
            view.apply(&key, Some(&bytes(&record))).expect("readable");
            assert!(view.of("loans").expect("known").incidents.iter().any(|(_, open)| open.id == id));
            if let Some(state) = state {
                record.state = state;
                view.apply(&key, Some(&bytes(&record))).expect("readable");
            } else {
                view.apply(&key, None).expect("readable");
            }
            assert!(view.of("loans").expect("known").incidents.is_empty(), "{id}");
        }
    }

    #[test]
    fn a_threshold_counts_only_for_the_policy_that_it_was_found_for() {
        let mut view = SignalsView::default();
        let (hash, other) = (Hash::of(b"one"), Hash::of(b"other"));
        let threshold = Threshold { policy_hash: hash.to_string(), threshold: 0.91, rate: 0.1, at_event: 700 };
        view.apply("threshold/loans", Some(&bytes(&threshold))).expect("readable");
        let signals = view.of("loans").expect("known");
        assert_eq!((signals.threshold_for(hash), signals.threshold_for(other)), (Some(0.91), None));
        let calibration = Recalibration { policy_hash: hash.to_string(), at_event: 5, scores: vec![1.0, 2.5] };
        view.apply("calibration/loans", Some(&bytes(&calibration))).expect("readable");
        let signals = view.of("loans").expect("known");
        let fresh = signals.calibration_for(hash).expect("for this policy");
        assert_eq!((fresh.at_event, fresh.calibration.scores()), (5, &[1.0, 2.5][..]));
        assert!(signals.calibration_for(other).is_none());
    }

    #[test]
    fn what_is_not_understood_is_remembered_until_it_is_written_anew() {
        let mut view = SignalsView::default();
        assert!(view.is_readable() && view.apply("state/loans", Some(b"whatever")).is_ok());
        for key in ["incident/aaaaaaaaaaaaaaaa", "incident/a", "threshold/loans", "nonsense"] {
            assert!(view.apply(key, Some(b"{")).is_err());
            assert!(!view.is_readable(), "{key}");
            assert!(view.apply(key, None).is_ok());
        }
        assert!(view.is_readable(), "all were taken back");
    }
}
