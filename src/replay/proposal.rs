//! Which limits would hold how much: what `jidoka calibrate` proposes, from recorded events decided by the policy at hand.
//!
//! `Replayed → `[`Proposals::count`]` → `[`Proposals::of`]` → shares, limits and loads, each with its 95 % interval`
//!
//! Nothing is changed by it. Of each decision a few numbers are kept, of at most [`DECISIONS_MAX`] decisions a policy.

use std::collections::{BTreeMap, HashMap};

use crate::decision::{Outcome, ResultKind, TriggerRef};
use crate::identity::Timestamp;
use crate::policy::{Limit, Policy, TriggerKind};
use crate::replay::Replayed;
use crate::replay::subgroups::each_level;
use crate::trigger::confidence::top_probability;

/// So many decisions under one policy are taken into account; later ones are only counted.
pub const DECISIONS_MAX: usize = 2_000_000;
/// z of a 95 % interval.
const Z: f64 = 1.959_963_984_540_054;

/// A share that was counted, with its 95 % interval (Wilson 1927).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Share {
    /// So many.
    pub part: u64,
    /// Of so many.
    pub of: u64,
    /// part ÷ of; 0 of nothing.
    pub share: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
}

impl Share {
    /// `part` of `of`.
    #[must_use]
    pub fn new(part: u64, of: u64) -> Self {
        if of == 0 {
            return Self { part, of, share: 0.0, low: 0.0, high: 1.0 };
        }
        let (n, share) = (of as f64, part as f64 / of as f64);
        let middle = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
        let half = Z / (1.0 + Z * Z / n) * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        Self { part, of, share, low: (middle - half).max(0.0), high: (middle + half).min(1.0) }
    }
}

/// A limit that would make so many decisions hits, with its 95 % interval.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Proposal {
    /// The share that is wanted.
    pub rate: f64,
    /// The limit.
    pub limit: f64,
    /// The interval's lower end: with few events a quantile is uncertain.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
    /// What it makes of these events.
    pub share: Share,
    /// Of the wrong decisions among those with a known truth, the ones that it would hold.
    pub caught: Option<Share>,
}

/// What is proposed for one trigger or for the capacity.
#[derive(Clone, PartialEq, Debug)]
pub struct Proposed {
    /// Id of the trigger, or `capacity`.
    pub id: String,
    /// Its kind.
    pub kind: &'static str,
    /// Its limit now; of the capacity τ before anything was tracked.
    pub now: Option<f64>,
    /// What it holds now: hits; of the capacity what is above that τ.
    pub hits: Share,
    /// Limits for the wanted shares; none for what has no limit.
    pub proposals: Vec<Proposal>,
}

/// What one policy's events say.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    /// Name of the policy.
    pub policy: String,
    /// Decisions; more than were taken into account where there were too many.
    pub decisions: u64,
    /// Days from the first event to the last; none where events have no times.
    pub days: Option<f64>,
    /// What is held now.
    pub held: Share,
    /// Decisions with a known truth that are wrong.
    pub wrong: Option<Share>,
    /// The triggers, then the capacity.
    pub triggers: Vec<Proposed>,
    /// By protected attribute and level, in the order of their names; at most [`GROUPS_MAX`].
    pub groups: Vec<(String, String, GroupCalibration)>,
}

/// So many levels of protected attributes are told apart.
pub const GROUPS_MAX: usize = 256;

/// Whether the model is as sure as it is right about one subgroup.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct GroupCalibration {
    /// Decisions about it.
    pub decisions: u64,
    /// Of them held.
    pub held: u64,
    /// Decisions with a known truth and a confidence.
    pub known: u64,
    /// Of them right.
    pub right: u64,
    /// The sum of their confidences: what `right` would be if the model were as right as it is sure.
    pub sure: f64,
}

/// What is kept of each decision under one policy.
#[derive(Clone, Debug, Default)]
struct Kept {
    decisions: u64,
    held: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    /// By trigger: hits, and the value of each decision, NaN where it could not be measured.
    hits: Vec<u64>,
    values: Vec<Vec<f32>>,
    /// The quantile u of each decision; empty without a profile.
    ranks: Vec<f32>,
    /// Of each decision whether it was right, where that is known.
    right: Vec<Option<bool>>,
    groups: BTreeMap<(String, String), GroupCalibration>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Proposals {
    kept: Vec<Kept>,
    /// By event id whether its decision was right.
    truth: HashMap<String, bool>,
}

impl Proposals {
    /// Knows of the events with these ids whether their predictions were right.
    #[must_use]
    pub fn new(truth: HashMap<String, bool>) -> Self {
        Self { truth, kept: Vec::new() }
    }

    /// Counts one record.
    pub fn count(&mut self, replayed: &Replayed<'_>) {
        let Some(verdict) = replayed.verdict() else { return };
        let (Some(policy), Some(event)) = (verdict.policy, verdict.readable()) else { return };
        if self.kept.len() <= policy.place {
            self.kept.resize_with(policy.place + 1, Kept::default);
        }
        let kept = &mut self.kept[policy.place];
        kept.decisions += 1;
        if kept.decisions > DECISIONS_MAX as u64 {
            return;
        }
        let decision = verdict.decision;
        kept.held += u64::from(decision.outcome == Outcome::Held);
        kept.first = kept.first.or(event.timestamp());
        kept.last = event.timestamp().or(kept.last);
        let right = self.truth.get(event.event_id()).copied();
        kept.right.push(right);
        let (held, sure) = (decision.outcome == Outcome::Held, top_probability(event));
        each_level(event.bytes(), |attribute, level| kept.group(attribute, level, (held, right.zip(sure))));
        kept.hits.resize(policy.triggers.len(), 0);
        kept.values.resize_with(policy.triggers.len(), Vec::new);
        for (place, trigger) in policy.triggers.iter().enumerate() {
            let result = decision.results.iter().find(|result| result.trigger == TriggerRef::Policy(place));
            kept.hits[place] += u64::from(result.is_some_and(|result| result.result == ResultKind::Hit));
            if matches!(trigger.kind, TriggerKind::Confidence(_) | TriggerKind::Anomaly(_)) {
                kept.values[place].push(single(result.and_then(|result| result.value).unwrap_or(f64::NAN)));
            }
        }
        if let Some(rank) = decision.rank {
            kept.ranks.push(single(rank.quantile));
        }
    }

    /// What the events say of each of `policies`, and which limits would hold the shares `rates`.
    #[must_use]
    pub fn of(&self, policies: &[Policy], rates: &[f64]) -> Vec<Report> {
        let decided = policies.iter().filter_map(|policy| Some((policy, self.kept.get(policy.place)?)));
        decided.filter(|(_, kept)| kept.decisions > 0).map(|(policy, kept)| kept.report(policy, rates)).collect()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a limit needs no more than seven digits")]
const fn single(value: f64) -> f32 {
    value as f32
}

/// On which side of a limit hits are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Below,
    AtMost,
    Above,
}

impl Kept {
    fn counted(&self) -> u64 {
        self.decisions.min(DECISIONS_MAX as u64)
    }

    fn group(&mut self, attribute: &str, level: &str, (held, known): (bool, Option<(bool, f64)>)) {
        let key = (attribute.to_owned(), level.to_owned());
        if self.groups.len() >= GROUPS_MAX && !self.groups.contains_key(&key) {
            return;
        }
        let group = self.groups.entry(key).or_default();
        group.decisions += 1;
        group.held += u64::from(held);
        if let Some((right, sure)) = known {
            group.known += 1;
            group.right += u64::from(right);
            group.sure += sure;
        }
    }

    fn report(&self, policy: &Policy, rates: &[f64]) -> Report {
        let known = self.right.iter().flatten();
        let (known, wrong) = known.fold((0, 0), |(known, wrong), right| (known + 1, wrong + u64::from(!right)));
        let mut triggers: Vec<Proposed> = (0..policy.triggers.len()).map(|place| self.trigger(policy, place, rates)).collect();
        if !self.ranks.is_empty() {
            let now = policy.capacity.map(|rate| 1.0 - rate);
            let above = self.ranks.iter().filter(|rank| now.is_some_and(|now| f64::from(**rank) > now)).count() as u64;
            triggers.push(Proposed {
                id: "capacity".to_owned(),
                kind: "capacity",
                now,
                hits: Share::new(above, self.counted()),
                proposals: self.proposals(&self.ranks, Side::Above, rates),
            });
        }
        let days = match (self.first, self.last) {
            (Some(first), Some(last)) if last > first => Some((last.0 - first.0) as f64 / 86_400_000.0),
            _ => None,
        };
        Report {
            policy: policy.name.clone(),
            decisions: self.decisions,
            days,
            held: Share::new(self.held, self.counted()),
            wrong: (known > 0).then(|| Share::new(wrong, known)),
            triggers,
            groups: self.groups.iter().map(|((attribute, level), group)| (attribute.clone(), level.clone(), *group)).collect(),
        }
    }

    fn trigger(&self, policy: &Policy, place: usize, rates: &[f64]) -> Proposed {
        let trigger = &policy.triggers[place];
        let (now, side) = match &trigger.kind {
            TriggerKind::Confidence(confidence) => match confidence.limit {
                Limit::Below(limit) => (Some(limit), Some(Side::Below)),
                Limit::Above(limit) => (Some(limit), Some(Side::Above)),
            },
            TriggerKind::Anomaly(anomaly) => (Some(anomaly.alpha), Some(Side::AtMost)),
            _ => (None, None),
        };
        Proposed {
            id: trigger.id.clone(),
            kind: trigger.kind.name(),
            now,
            hits: Share::new(self.hits[place], self.counted()),
            proposals: side.map_or(Vec::new(), |side| self.proposals(&self.values[place], side, rates)),
        }
    }

    /// The limits that make the shares `rates` of the decisions hits. The interval's ends are the order statistics that lie
    /// √(n·r·(1 − r)) · z places apart from the limit, whatever the distribution.
    fn proposals(&self, values: &[f32], side: Side, rates: &[f64]) -> Vec<Proposal> {
        let mut sorted: Vec<f32> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        if sorted.is_empty() {
            return Vec::new();
        }
        sorted.sort_unstable_by(f32::total_cmp);
        if side == Side::Above {
            sorted.reverse();
        }
        let n = sorted.len() as f64;
        let at = |rank: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to places of the list")]
            let place = rank.round().clamp(0.0, n - 1.0) as usize;
            sorted[place]
        };
        let propose = |rate: &f64| {
            let (rank, apart) = (n * rate, Z * (n * rate * (1.0 - rate)).sqrt());
            let limit = at(rank - f64::from(u8::from(side == Side::AtMost)));
            let ends = [at(rank - apart), at(rank + apart)];
            let is_hit = |value: f32| match side {
                Side::Below => value < limit,
                Side::AtMost => value <= limit,
                Side::Above => value > limit,
            };
            let part = values.iter().filter(|value| is_hit(**value)).count() as u64;
            Proposal {
                rate: *rate,
                limit: f64::from(limit),
                low: f64::from(ends[0].min(ends[1])),
                high: f64::from(ends[0].max(ends[1])),
                share: Share::new(part, self.counted()),
                caught: self.caught(values, is_hit),
            }
        };
        rates.iter().map(propose).collect()
    }

    fn caught(&self, values: &[f32], is_hit: impl Fn(f32) -> bool) -> Option<Share> {
        let wrong = values.iter().zip(&self.right).filter(|(_, right)| **right == Some(false));
        let (caught, all) = wrong.fold((0, 0), |(caught, all), (value, _)| (caught + u64::from(is_hit(*value)), all + 1));
        (all > 0).then(|| Share::new(caught, all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wilson 95 % of 10 of 100, as published: .0552 to .1744.
    #[test]
    fn intervals_are_wilsons() {
        let share = Share::new(10, 100);
        assert!((share.low - 0.055_229).abs() < 1e-5 && (share.high - 0.174_366).abs() < 1e-5, "{share:?}");
        assert_eq!((Share::new(0, 0).low, Share::new(0, 0).high), (0.0, 1.0));
        assert!(Share::new(0, 50).low.abs() < 1e-12 && Share::new(50, 50).high > 0.999_999);
    }

    #[test]
    fn a_limit_holds_the_share_that_was_asked_for() {
        let values: Vec<f32> = (0..1_000_u16).map(|value| f32::from(value) / 1_000.0).collect();
        let right = values.iter().map(|value| Some(*value >= 0.05)).collect();
        let kept = Kept { decisions: 1_000, right, ..Kept::default() };
        for (side, limit) in [(Side::Below, 0.1), (Side::AtMost, 0.099), (Side::Above, 0.899)] {
            let [proposal] = kept.proposals(&values, side, &[0.1])[..] else { panic!("one proposal") };
            assert!((proposal.limit - limit).abs() < 1e-6, "{proposal:?}");
            assert_eq!(proposal.share.part, 100);
            assert!(proposal.low < proposal.limit && proposal.limit < proposal.high, "{proposal:?}");
            let caught = proposal.caught.expect("some are wrong");
            assert_eq!((caught.part, caught.of), (if side == Side::Above { 0 } else { 50 }, 50));
        }
    }

    #[test]
    fn what_could_not_be_measured_is_no_hit() {
        let kept = Kept { decisions: 4, right: vec![None; 4], ..Kept::default() };
        let proposals = kept.proposals(&[f32::NAN, 0.1, 0.2, f32::NAN], Side::Below, &[0.5]);
        assert_eq!((proposals[0].share.part, proposals[0].share.of, proposals[0].caught), (1, 4, None));
        assert!(kept.proposals(&[f32::NAN], Side::Below, &[0.5]).is_empty());
    }
}
