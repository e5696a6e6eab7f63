//! The rate of one kind of outcome over all subgroups: favourable decisions, or right ones by late labels.
//!
//! Each event steps the streams of the groups that its cell belongs to. When one passes its limit something has changed; what
//! has, is told by likelihood over all groups ([`Rates::blame`]): a fall of everybody alike is not sold as one of a subgroup,
//! nor one subgroup's as everybody's or as that of an overlapping one.
//!
//! While an incident about a subgroup is open, its events say nothing about other groups (they would all seem to change with
//! it). While one about everybody is open, subgroups are held against the baseline moved by as much as everybody moved, so
//! that a disparity is still seen.

use std::collections::{BTreeSet, VecDeque};

use super::cells::{Approved, CellRate, Cells, Group, Shift, Watched};
use super::chance::{Z_80, jeffreys, rate_of};
use super::stream::{At, Kept, Since, Stream};
use crate::signal::Direction;

/// So many events are remembered to tell what changed, and how much.
const RECENT_MAX: usize = 8_192;
/// While an incident about everybody is open, the shift is found anew after so many events.
const SHIFT_EVERY: u64 = 500;
/// A new baseline is taken from at least so many events of the group since the incident was opened.
pub(super) const APPROVE_MIN: u64 = 200;
/// Intersections have this part of the allowance of false alarms: they are many with few events each, and what befalls one
/// attribute's group shows first in some intersection by chance.
const FINE_SHARE: f64 = 0.1;
/// While everybody is known to move, that they move on, or back, is more likely by so much, as a logarithm.
const EVERYBODY_MOVES: f64 = 2.0;
/// Marks a hit among the remembered.
const HIT: u16 = 1 << 15;

/// See the module.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Rates {
    pub(super) cells: Cells,
    /// By the places of [`Cells::groups`].
    pub(super) streams: Vec<Stream>,
    /// Mean of R over the distances at which each passes.
    limits: Vec<f64>,
    /// Events that counted.
    pub(super) own: u64,
    /// Cells of the latest of them, and whether they were hits.
    pub(super) recent: VecDeque<u16>,
    pub(super) open: Vec<Open>,
    /// What each stream had kept to when its band was last found.
    pub(super) kept: Vec<[Kept; 2]>,
}

/// What an open incident is about, and since when.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Open {
    pub(super) group: Group,
    /// Count of own events when it was opened.
    pub(super) opened: u64,
    /// Count of own events after which it began.
    pub(super) began: u64,
}

/// A stream passed its limit.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Alarm {
    /// Who is meant; everybody if empty.
    pub(super) group: Group,
    pub(super) direction: Direction,
    pub(super) statistic: f64,
    pub(super) limit: f64,
    /// Of this group since the change.
    pub(super) since: Since,
    /// The group's rate in the baseline.
    pub(super) baseline: f64,
    /// Everybody's rate has moved as well, and what is expected with it.
    pub(super) beside: bool,
}

impl Rates {
    /// Nothing seen yet.
    pub(super) fn new(cells: Cells, events_between_false_alarms: f64, event: u64) -> Self {
        let streams = vec![Stream::from(At { event, own: 0 }); cells.groups.len()];
        let kept = vec![[Kept::default(); 2]; streams.len()];
        let fine = cells.groups.iter().filter(|watched| watched.group.0.len() > 1).count();
        let (coarse, fine) = ((streams.len() - fine) as f64, fine as f64);
        let (for_coarse, for_fine) = if fine > 0.0 { (1.0 - FINE_SHARE, FINE_SHARE) } else { (1.0, 1.0) };
        let limit = |watched: &Watched| if watched.group.0.len() > 1 { fine / for_fine } else { coarse / for_coarse };
        let limits = cells.groups.iter().map(|watched| 2.0 * limit(watched) * events_between_false_alarms).collect();
        Self { cells, streams, limits, own: 0, recent: VecDeque::new(), open: Vec::new(), kept }
    }

    /// Takes in an event.
    pub(super) fn fold(&mut self, event: u64, levels: &[u8], hit: bool) -> Option<Alarm> {
        let place_of_cell = self.cells.find(levels)?;
        self.own += 1;
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(u16::try_from(place_of_cell).unwrap_or(0) | if hit { HIT } else { 0 });
        if self.own.is_multiple_of(SHIFT_EVERY) && self.is_open(&Group(Vec::new())) {
            self.shift();
        }
        let at = At { event, own: self.own };
        let cell = &self.cells.all[place_of_cell];
        if cell.explained {
            return None;
        }
        let resting = self.open.iter().any(|open| open.group.0.is_empty());
        let mut passed: Option<(usize, usize, f64)> = None;
        for (place, steps) in cell.groups.iter().zip(&cell.steps).skip(usize::from(resting)) {
            let place = usize::from(*place);
            let stream = &mut self.streams[place];
            stream.step(at, hit, cell.rate, steps);
            for (side, statistic) in stream.statistics().into_iter().enumerate() {
                if statistic >= self.limits[place] && passed.is_none_or(|(_, _, most)| statistic >= most) {
                    passed = Some((place, side, statistic));
                }
            }
        }
        if !resting {
            let groups = cell.groups.len();
            for at in 0..groups {
                self.keep(usize::from(self.cells.all[place_of_cell].groups[at]));
            }
        }
        let (place, side, statistic) = passed?;
        let alarm = self.blame(place, side, statistic);
        if resting && alarm.group.0.is_empty() {
            // Everybody moved again, perhaps back: that is told already, and no disparity.
            self.follow(alarm.since.own, event);
            return None;
        }
        Some(alarm)
    }

    /// Finds a group's band anew each time that what it has kept to has grown by a fifth.
    fn keep(&mut self, place: usize) {
        let (kept, before) = (self.streams[place].kept, self.kept[place]);
        if (0..2).any(|side| kept[side].information > 1.2 * before[side].information + 5.0) {
            self.kept[place] = kept;
            self.cells.keep(place, kept);
        }
    }

    fn is_open(&self, group: &Group) -> bool {
        self.open.iter().any(|open| open.group == *group)
    }

    /// Who changed, when a stream has passed: the group for which a change since then explains most, compared by likelihood
    /// against the edge of its band in force. Of equals the finest. A group that explains nothing (none of its events counts, as an open
    /// incident explains them, or they keep to its band) is not said to have changed: if none does, it is the one that passed.
    fn blame(&self, place: usize, side: usize, statistic: f64) -> Alarm {
        let since = self.streams[place].since[side];
        let counts = self.counts(since.own);
        let resting = self.is_open(&Group(Vec::new()));
        let mut best = (place, 0.0);
        for group in 0..self.cells.groups.len() {
            let known = if resting && self.cells.groups[group].group.0.is_empty() { EVERYBODY_MOVES } else { 0.0 };
            let gain = self.gain(group, side, &counts);
            if gain > 0.0 && gain + known >= best.1 {
                best = (group, gain + known);
            }
        }
        let (group, mut whole) = (best.0, Since { event: since.event, own: since.own, ..Since::default() });
        for (cell, (events, hits)) in self.cells.all.iter().zip(&counts) {
            if cell.groups.iter().any(|other| usize::from(*other) == group) {
                whole.events += events;
                whole.hits += hits;
                whole.expected += *events as f64 * cell.rate;
            }
        }
        let watched = &self.cells.groups[group];
        Alarm {
            group: watched.group.clone(),
            direction: if side == 0 { Direction::Down } else { Direction::Up },
            statistic,
            limit: self.limits[place],
            since: whole,
            baseline: jeffreys(watched.hits, watched.events),
            beside: resting,
        }
    }

    /// Events and hits by cell, of those remembered after the `own`-th; without cells that an open incident explains.
    fn counts(&self, own: u64) -> Vec<(u64, u64)> {
        let mut counts = vec![(0, 0); self.cells.all.len()];
        let events = usize::try_from(self.own.saturating_sub(own)).unwrap_or(usize::MAX).min(self.recent.len());
        for packed in self.recent.range(self.recent.len() - events..) {
            let cell = usize::from(packed & !HIT);
            if let Some((events, hits)) = counts.get_mut(cell).filter(|_| !self.cells.all[cell].explained) {
                *events += 1;
                *hits += u64::from(packed & HIT != 0);
            }
        }
        counts
    }

    /// How much more likely a change of this group alone makes what was seen than none, as a logarithm.
    fn gain(&self, group: usize, side: usize, counts: &[(u64, u64)]) -> f64 {
        let (band, sign) = (self.cells.band_of(group), if side == 0 { -1.0 } else { 1.0 });
        let edge = if side == 0 { -band.low } else { band.high };
        let of_group = |(cell, _): &(&CellRate, &(u64, u64))| cell.groups.iter().any(|other| usize::from(*other) == group);
        let seen: Vec<(f64, f64, f64)> = self
            .cells
            .all
            .iter()
            .zip(counts)
            .filter(|(_, counts)| counts.0 > 0)
            .filter(of_group)
            .map(|(cell, (events, hits))| (*events as f64, *hits as f64, cell.odds + edge))
            .collect();
        let distance = fitted(&seen).map_or(0.0, |shift| shift * sign).clamp(0.0, 3.0) * sign;
        seen.iter()
            .map(|(events, hits, centre)| {
                let (null, other) = (rate_of(*centre), rate_of(centre + distance));
                hits * (other / null).ln() + (events - hits) * ((1.0 - other) / (1.0 - null)).ln()
            })
            .sum()
    }

    /// Notes that an incident was opened, at this event.
    pub(super) fn opened(&mut self, alarm: &Alarm, event: u64) {
        self.hold(Open { group: alarm.group.clone(), opened: self.own, began: alarm.since.own }, event);
    }

    /// Notes an open incident.
    pub(super) fn hold(&mut self, open: Open, event: u64) {
        let group = open.group.clone();
        self.open.push(open);
        self.settle();
        self.restart(&group, event);
    }

    /// Groups that share cells with `group` begin anew.
    fn restart(&mut self, group: &Group, event: u64) {
        let at = At { event, own: self.own };
        let mut touched: BTreeSet<usize> = self.cells.place_of(group).into_iter().collect();
        for cell in self.cells.all.iter().filter(|cell| group.has(&cell.levels)) {
            touched.extend(cell.groups.iter().map(|other| usize::from(*other)));
        }
        for place in touched {
            self.streams[place] = Stream::from(at);
            self.kept[place] = [Kept::default(); 2];
            self.cells.keep(place, self.kept[place]);
        }
    }

    /// What cells say follows from which incidents are open.
    fn settle(&mut self) {
        self.cells.explain(self.explained());
        self.shift();
    }

    /// Subgroups with an open incident.
    pub(super) fn explained(&self) -> Vec<Group> {
        self.open.iter().map(|open| open.group.clone()).filter(|group| !group.0.is_empty()).collect()
    }

    /// Whether what was restored could have come about.
    pub(super) fn is_sound(&self) -> bool {
        let cells = self.cells.all.len();
        self.recent.len() <= RECENT_MAX
            && self.recent.len() as u64 <= self.own
            && self.recent.iter().all(|packed| usize::from(packed & !HIT) < cells)
    }

    /// How far everybody has moved since the incident about everybody began.
    fn shift(&mut self) {
        self.cells.shift(Shift::default());
        let Some(began) = self.open.iter().find(|open| open.group.0.is_empty()).map(|open| open.began) else { return };
        let (shift, information) =
            self.moved(&Group(Vec::new()), began).map_or((0.0, 0.0), |moved| (moved.shift, moved.information));
        let error = if information > 0.0 { Z_80 / information.sqrt() } else { 0.0 };
        self.cells.shift(Shift { by: shift, error });
    }

    /// Everybody has moved once more, after the `own`-th event: subgroups are held against that from now on.
    fn follow(&mut self, own: u64, event: u64) {
        let everybody = Group(Vec::new());
        if let Some(open) = self.open.iter_mut().find(|open| open.group == everybody) {
            open.began = own;
        }
        self.shift();
        self.restart(&everybody, event);
    }

    /// By how much a group moved in those remembered after the `own`-th.
    fn moved(&self, group: &Group, own: u64) -> Option<Moved> {
        let counts = self.counts(own);
        let seen: Vec<(f64, f64, f64)> = self
            .cells
            .all
            .iter()
            .zip(&counts)
            .filter(|(cell, counts)| counts.0 > 0 && group.has(&cell.levels))
            .map(|(cell, (events, hits))| (*events as f64, *hits as f64, cell.odds))
            .collect();
        let shift = fitted(&seen)?;
        let (events, hits) = counts
            .iter()
            .zip(&self.cells.all)
            .filter(|(_, cell)| group.has(&cell.levels))
            .fold((0, 0), |sum, (counts, _)| (sum.0 + counts.0, sum.1 + counts.1));
        let information = seen
            .iter()
            .map(|(events, _, centre)| {
                let rate = rate_of(centre + shift);
                events * rate * (1.0 - rate)
            })
            .sum();
        Some(Moved { shift, information, events, hits })
    }

    /// The incident about this group is over. With `recent` its rate since then is the baseline from now on.
    ///
    /// # Errors
    /// With how many events there are, if these are too few for a baseline.
    pub(super) fn over(&mut self, group: &Group, event: u64, recent: bool) -> Result<(), u64> {
        let Some(place) = self.open.iter().position(|open| open.group == *group) else { return Ok(()) };
        let seen = self.events_since(group, self.open[place].opened);
        if recent && seen < APPROVE_MIN {
            return Err(seen);
        }
        let open = self.open.remove(place);
        self.settle();
        if recent && let Some(Moved { shift, events, hits, .. }) = self.moved(&open.group, open.opened) {
            self.cells.approve(Approved { group: open.group, shift, events, hits });
            // What the others have kept to is still theirs, as after a restart.
            (0..self.kept.len()).for_each(|place| self.cells.keep(place, self.kept[place]));
        }
        self.restart(group, event);
        Ok(())
    }

    /// Events of a group among those remembered after the `own`-th.
    fn events_since(&self, group: &Group, own: u64) -> u64 {
        let events = usize::try_from(self.own.saturating_sub(own)).unwrap_or(usize::MAX).min(self.recent.len());
        let cell = |packed: &&u16| self.cells.all.get(usize::from(**packed & !HIT)).is_some_and(|cell| group.has(&cell.levels));
        self.recent.range(self.recent.len() - events..).filter(cell).count() as u64
    }

    /// Events and hits among those remembered, by group.
    pub(super) fn recent_by_group(&self) -> Vec<(u64, u64)> {
        let mut counts = vec![(0, 0); self.cells.groups.len()];
        for packed in &self.recent {
            let Some(cell) = self.cells.all.get(usize::from(packed & !HIT)) else { continue };
            for group in &cell.groups {
                let (events, hits) = &mut counts[usize::from(*group)];
                *events += 1;
                *hits += u64::from(packed & HIT != 0);
            }
        }
        counts
    }
}

struct Moved {
    shift: f64,
    information: f64,
    events: u64,
    hits: u64,
}

/// The shift in log-odds by which as many hits are expected as were seen (with half a hit and half a miss added); of (events,
/// hits, log-odds).
fn fitted(seen: &[(f64, f64, f64)]) -> Option<f64> {
    let (events, hits) = seen.iter().fold((0.0, 0.0), |sum, (events, hits, _)| (sum.0 + events, sum.1 + hits));
    if events <= 0.0 {
        return None;
    }
    let wanted = (hits + 0.5) * events / (events + 1.0);
    let (mut low, mut high) = (-20.0_f64, 20.0_f64);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        let expected: f64 = seen.iter().map(|(events, _, centre)| events * rate_of(centre + middle)).sum();
        if expected < wanted { low = middle } else { high = middle }
    }
    Some(f64::midpoint(low, high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::baseline::{Attribute, Cell};

    #[test]
    fn a_group_of_which_nothing_is_seen_is_not_said_to_have_changed() {
        let levels = ["f", "m"].map(str::to_owned).to_vec();
        let cell = |level: u8| Cell { levels: vec![level], events: 1_000, favourable: 400 };
        let rates = Rates::new(Cells::of(&[Attribute { name: "sex".to_owned(), levels }], &[cell(0), cell(1)]), 1e5, 0);
        // Nothing is seen of anybody: it is the group that passed.
        assert_eq!(rates.blame(1, 0, 1.0).group, Group(vec![(0, 0)]));
    }
}
