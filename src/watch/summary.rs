//! What is shown of subgroups, and raises no alarm.

use std::collections::BTreeMap;

use super::Watch;
use super::chance::{jeffreys, wilson};

/// A group with fewer events of late is not shown.
const SHOWN_MIN: u64 = 50;

/// Favourable decisions of one watched group among the last 8,192 decisions.
#[derive(Clone, PartialEq, Debug)]
pub struct GroupSummary {
    /// Attribute to level; empty for everybody.
    pub group: BTreeMap<String, String>,
    /// Decisions of late.
    pub events: u64,
    /// Share of favourable ones, 0–1; none below 50 decisions, as the rest.
    pub rate: Option<f64>,
    /// The same in the approved baseline.
    pub baseline: f64,
    /// 95 % interval of the share (Wilson).
    pub interval: Option<(f64, f64)>,
    /// The share divided by that of the group of the same attribute with the largest one (the four-fifths rule looks at 0.8).
    pub ratio: Option<f64>,
    /// The share less the baseline's.
    pub difference: Option<f64>,
}

impl Watch {
    /// Whether there are so many intersections of the watched attributes (4,096) that decisions about further ones do not count.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.decisions.cells.is_full()
    }

    /// Of each watched group, everybody first.
    #[must_use]
    pub fn summary(&self) -> Vec<GroupSummary> {
        let counts: Vec<(u64, u64)> = self.decisions.recent_by_group();
        let groups = &self.decisions.cells.groups;
        let rate = |(events, hits): &(u64, u64)| (*events >= SHOWN_MIN).then(|| *hits as f64 / *events as f64);
        let attributes = |place: usize| groups[place].group.0.iter().map(|(attribute, _)| *attribute).collect::<Vec<_>>();
        let mut highest: BTreeMap<Vec<usize>, f64> = BTreeMap::new();
        for (place, counts) in counts.iter().enumerate() {
            if let Some(rate) = rate(counts) {
                let most = highest.entry(attributes(place)).or_insert(rate);
                *most = most.max(rate);
            }
        }
        groups
            .iter()
            .zip(&counts)
            .enumerate()
            .map(|(place, (watched, counts))| {
                let (rate, baseline) = (rate(counts), jeffreys(watched.hits, watched.events));
                let most = highest.get(&attributes(place)).copied().filter(|most| *most > 0.0);
                GroupSummary {
                    group: watched.group.names(&self.attributes),
                    events: counts.0,
                    rate,
                    baseline,
                    interval: rate.map(|_| wilson(counts.1, counts.0)),
                    ratio: rate.zip(most).map(|(rate, most)| rate / most),
                    difference: rate.map(|rate| rate - baseline),
                }
            })
            .collect()
    }
}
