//! What operators have ordered through the `control` topic: a fold of its records, latest of each key.
//!
//! `jidoka control → record → `[`ControlView::apply`]` → the mode in force, active policies, accepted gaps`

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::identity::{DecisionId, Hash};

/// How far the automation may go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// As the policies say.
    #[default]
    Normal,
    /// Statistical triggers are skipped.
    RulesOnly,
    /// Decide, and hold everything.
    Hold,
    /// Read nothing. Of one policy this means [`Mode::Hold`], as others share its source.
    Halt,
}

impl Mode {
    /// All modes, mildest first.
    pub const ALL: [Self; 4] = [Self::Normal, Self::RulesOnly, Self::Hold, Self::Halt];

    /// The word in records and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::RulesOnly => "rules-only",
            Self::Hold => "hold",
            Self::Halt => "halt",
        }
    }
}

/// The value of a `stop/<global or policy>` record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stop {
    /// What is ordered.
    pub mode: Mode,
    /// Who ordered it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// The value of a `policy/<name>` record: only the file with this hash is active.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Activation {
    /// Hash of the policy file.
    pub hash: String,
}

/// The value of a `gap/<source>/<partition>` record: input before `to` is known to be lost.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AcceptedGap {
    /// First offset that is decided again.
    pub to: i64,
    /// Who accepted the loss.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// The value of an `erase/<decision_id>` record: what is left of that closed case goes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Erasure {
    /// Who ordered it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// The value of an `acknowledge/<incident>` record: somebody has taken notice of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// Why it is over.
    pub reason: String,
    /// What it is held against from now on.
    #[serde(default)]
    pub baseline: AcknowledgedBaseline,
}

/// What an acknowledged incident makes the baseline.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AcknowledgedBaseline {
    /// It stays as it was approved.
    #[default]
    Keep,
    /// What has been seen since the incident was opened is approved.
    Recent,
}

impl AcknowledgedBaseline {
    /// The word in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Recent => "recent",
        }
    }
}

/// Everything ordered so far.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ControlView {
    global: Option<Mode>,
    policies: HashMap<String, Mode>,
    active: HashMap<String, Option<Hash>>,
    gaps: HashMap<String, AcceptedGap>,
    erasures: BTreeSet<DecisionId>,
    acknowledged: BTreeMap<String, Acknowledgement>,
}

/// A control record that could not be understood. An unreadable stop is taken as `hold`, an unreadable activation as one
/// that no file fits: both fail closed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("control record {key:?} cannot be read: {why}")]
pub struct UnreadableControl {
    /// The record's key.
    pub key: String,
    /// What is wrong with it.
    pub why: String,
}

impl ControlView {
    /// Folds one record in; `value` is none for a tombstone, which takes the order back.
    ///
    /// # Errors
    /// Where the record cannot be understood; the view has then changed to the safe side.
    pub fn apply(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), UnreadableControl> {
        let mut fault = None;
        match key.split_once('/') {
            Some(("stop", scope)) => {
                let mode = value.map(|value| read::<Stop>(value, &mut fault).map_or(Mode::Hold, |stop| stop.mode));
                if scope == "global" {
                    self.global = mode;
                } else {
                    set(&mut self.policies, scope, mode);
                }
            }
            Some(("policy", name)) => {
                let hash = value.map(|value| read::<Activation>(value, &mut fault).and_then(|active| Hash::parse(&active.hash)));
                if hash == Some(None) && fault.is_none() {
                    fault = Some("`hash` is not 64 hex digits".to_owned());
                }
                set(&mut self.active, name, hash);
            }
            Some(("gap", scope)) => set(&mut self.gaps, scope, value.and_then(|value| read::<AcceptedGap>(value, &mut fault))),
            Some(("erase", id)) => fault = self.order_erasure(id, value),
            Some(("acknowledge", incident)) => match value.map(|value| read::<Acknowledgement>(value, &mut fault)) {
                Some(Some(order)) => drop(self.acknowledged.insert(incident.to_owned(), order)),
                // One that cannot be read acknowledges nothing.
                Some(None) | None => drop(self.acknowledged.remove(incident)),
            },
            _ => fault = Some("unknown kind of key".to_owned()),
        }
        fault.map_or(Ok(()), |why| Err(UnreadableControl { key: key.to_owned(), why }))
    }

    /// The mode for everything.
    #[must_use]
    pub fn global(&self) -> Mode {
        self.global.unwrap_or_default()
    }

    /// The mode that applies to decisions under `policy`: the stricter of its own and the global one.
    #[must_use]
    pub fn mode(&self, policy: Option<&str>) -> Mode {
        let own = policy.filter(|_| !self.policies.is_empty()).and_then(|policy| self.policies.get(policy)).copied();
        self.global().max(own.unwrap_or_default())
    }

    /// Whether operators have activated another file of `policy` than the one with `hash`.
    #[must_use]
    pub fn forbids(&self, policy: &str, hash: Hash) -> bool {
        !self.active.is_empty() && self.active.get(policy).is_some_and(|active| *active != Some(hash))
    }

    /// An order to erase that cannot be read is not carried out: what is gone cannot be brought back.
    fn order_erasure(&mut self, id: &str, value: Option<&[u8]>) -> Option<String> {
        let Some(id) = DecisionId::parse(id) else { return Some("what follows `erase/` is no decision id".to_owned()) };
        let mut fault = None;
        match value.map(|value| read::<Erasure>(value, &mut fault)) {
            Some(Some(_)) => drop(self.erasures.insert(id)),
            Some(None) => {}
            None => drop(self.erasures.remove(&id)),
        }
        fault
    }

    /// The cases that operators ordered to be erased.
    #[must_use]
    pub fn erasures(&self) -> &BTreeSet<DecisionId> {
        &self.erasures
    }

    /// The incidents that were acknowledged, by id.
    #[must_use]
    pub const fn acknowledged(&self) -> &BTreeMap<String, Acknowledgement> {
        &self.acknowledged
    }

    /// The accepted loss in `partition` of `source`.
    #[must_use]
    pub fn accepted_gap(&self, source: &str, partition: i32) -> Option<&AcceptedGap> {
        self.gaps.get(&gap_scope(source, partition))
    }
}

/// What follows `gap/` in the key of an accepted loss.
#[must_use]
pub fn gap_scope(source: &str, partition: i32) -> String {
    format!("{source}/{partition}")
}

fn read<'v, T: Deserialize<'v>>(value: &'v [u8], fault: &mut Option<String>) -> Option<T> {
    serde_json::from_slice(value).map_err(|error| *fault = Some(error.to_string())).ok()
}

fn set<T>(map: &mut HashMap<String, T>, key: &str, value: Option<T>) {
    match value {
        Some(value) => drop(map.insert(key.to_owned(), value)),
        None => drop(map.remove(key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(records: &[(&str, Option<&str>)]) -> ControlView {
        let mut view = ControlView::default();
        for (key, value) in records {
            view.apply(key, value.map(str::as_bytes)).expect("a readable record");
        }
        view
    }

    const HOLD: Option<&str> = Some(r#"{"mode":"hold","by":"kim","reason":"incident 7"}"#);

    #[test]
    fn the_stricter_mode_applies_and_a_tombstone_takes_it_back() {
        let view = view(&[
            ("stop/loans", HOLD),
            ("stop/global", Some(r#"{"mode":"rules-only","by":"kim","reason":"-"}"#)),
            ("stop/cards", Some(r#"{"mode":"halt","by":"kim","reason":"-"}"#)),
            ("stop/cards", None),
        ]);
        assert_eq!(view.mode(Some("loans")), Mode::Hold);
        assert_eq!(view.mode(Some("cards")), Mode::RulesOnly);
        assert_eq!(view.mode(None), Mode::RulesOnly);
        assert_eq!(view.global(), Mode::RulesOnly);
    }

    #[test]
    fn an_unreadable_stop_holds_and_an_unreadable_activation_fits_no_file() {
        let mut view = ControlView::default();
        assert!(view.apply("stop/global", Some(b"{\"mode\":\"hodl\"")).is_err());
        assert_eq!(view.global(), Mode::Hold);
        assert!(view.apply("policy/loans", Some(b"{\"hash\":\"abc\"}")).is_err());
        assert!(view.forbids("loans", Hash::of(b"file")));
        assert!(view.apply("nonsense", None).is_err());
    }

    #[test]
    fn only_the_activated_file_is_active() {
        let file = Hash::of(b"file");
        let view = view(&[("policy/loans", Some(&format!(r#"{{"hash":"{file}"}}"#)))]);
        assert!(!view.forbids("loans", file));
        assert!(view.forbids("loans", Hash::of(b"other")));
        assert!(!view.forbids("cards", file));
    }

    #[test]
    fn an_order_to_erase_names_a_decision_and_can_be_taken_back() {
        let id = DecisionId([7; 16]);
        let (key, order) = (format!("erase/{id}"), Some(r#"{"by":"kim","reason":"request 9"}"#));
        assert_eq!(view(&[(&key, order)]).erasures().iter().collect::<Vec<_>>(), [&id]);
        assert!(view(&[(&key, order), (&key, None)]).erasures().is_empty());
        let mut view = ControlView::default();
        assert!(view.apply(&key, Some(b"{}")).is_err() && view.apply("erase/all", order.map(str::as_bytes)).is_err());
        assert!(view.erasures().is_empty(), "nothing is erased by mistake");
    }

    #[test]
    fn an_incident_is_acknowledged_with_a_name_and_a_reason() {
        let order = Some(r#"{"by":"kim","reason":"new campaign","baseline":"recent"}"#);
        let view = view(&[("acknowledge/00aa", order), ("acknowledge/00bb", Some(r#"{"by":"kim","reason":"-"}"#))]);
        let baselines: Vec<_> = view.acknowledged().values().map(|order| order.baseline).collect();
        assert_eq!(baselines, [AcknowledgedBaseline::Recent, AcknowledgedBaseline::Keep]);
        let mut view = view;
        assert!(view.apply("acknowledge/00aa", Some(b"{}")).is_err() && !view.acknowledged().contains_key("00aa"));
    }

    #[test]
    fn a_gap_is_accepted_for_one_partition() {
        let view = view(&[("gap/inference/3", Some(r#"{"to":41,"by":"kim","reason":"retention"}"#))]);
        assert_eq!(view.accepted_gap("inference", 3).map(|gap| gap.to), Some(41));
        assert_eq!(view.accepted_gap("inference", 2), None);
    }
}
