//! What the baseline expects of each subgroup: groups, the cells that they consist of, and likelihood ratios for both.
//!
//! **Limit.** 4,096 cells are told apart. An event of a further one counts for nobody, not even for everybody: whoever watches so many
//! attributes at once is told so ([`super::Watch::is_full`]), and should watch fewer.

use std::collections::BTreeMap;

use super::chance::{Allowance, Band, COARSE, FINE, Steps, logit, rate_of, steps};
use super::stream::Kept;
use crate::profile::baseline::{Attribute, Cell, MISSING, OTHER};

/// A group is watched if its baseline has so many events (and both outcomes).
pub(super) const GROUP_EVENTS_MIN: u64 = 50;
/// So many groups are watched; of more, the first in order of size, then name.
const GROUPS_MAX: usize = 512;
/// A cell's own rate counts as much as so many events of the expected one.
const SHRINKAGE: f64 = 20.0;
/// So many cells are told apart; events of further ones do not count.
const CELLS_MAX: usize = 4_096;
/// Weight of the assumption that an attribute has no effect (a normal prior's precision), so that rare levels stay finite.
const RIDGE: f64 = 0.5;
/// Rounds over all levels in which their effects are found: enough to settle to nine digits.
const ROUNDS: usize = 60;

/// Levels of one or two attributes, by (place of the attribute, code); none for everybody.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Group(pub(super) Vec<(usize, u8)>);

impl Group {
    /// Whether an event with these levels belongs to it.
    pub(super) fn has(&self, levels: &[u8]) -> bool {
        self.0.iter().all(|(attribute, code)| levels.get(*attribute) == Some(code))
    }

    /// Its levels' names, by attribute.
    pub(super) fn names(&self, attributes: &[Attribute]) -> BTreeMap<String, String> {
        let name = |(attribute, code): &(usize, u8)| {
            let attribute = attributes.get(*attribute)?;
            Some((attribute.name.clone(), attribute.level(*code)?.to_owned()))
        };
        self.0.iter().filter_map(name).collect()
    }

    /// The group with these names.
    pub(super) fn named(names: &BTreeMap<String, String>, attributes: &[Attribute]) -> Option<Self> {
        let code = |(name, level): (&String, &String)| {
            let place = attributes.iter().position(|attribute| attribute.name == *name)?;
            let code = attributes[place].levels.iter().position(|known| known == level)?;
            Some((place, u8::try_from(code).ok()?))
        };
        let mut levels = names.iter().map(code).collect::<Option<Vec<_>>>()?;
        levels.sort_unstable();
        Some(Self(levels))
    }
}

/// A watched group.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Watched {
    pub(super) group: Group,
    /// Events of its baseline, and hits among them.
    pub(super) events: u64,
    pub(super) hits: u64,
    /// By the baseline alone.
    pub(super) band: Band,
    /// By what the group has kept to since, as well.
    now: Band,
    /// Events and hits of the profile's baseline, before anything was approved.
    first: (u64, u64),
}

impl Watched {
    fn allowance(&self) -> Allowance {
        if self.group.0.len() > 1 { FINE } else { COARSE }
    }

    fn settle(&mut self, (events, hits): (u64, u64)) {
        (self.events, self.hits) = (events, hits.min(events));
        self.band = Band::around(self.hits, self.events, self.allowance());
        self.now = self.band;
    }
}

/// A new baseline that an operator approved for one group, and how the rates of its cells move with it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Approved {
    pub(super) group: Group,
    pub(super) shift: f64,
    pub(super) events: u64,
    pub(super) hits: u64,
}

/// What everybody's rate moved by while an incident about it is open.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Shift {
    pub(super) by: f64,
    /// Its own sampling error, by which bands widen.
    pub(super) error: f64,
}

/// One intersection of all attributes' levels.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct CellRate {
    pub(super) levels: Box<[u8]>,
    /// Log-odds of a hit by the baseline.
    pub(super) centre: f64,
    /// The same with all shifts.
    pub(super) odds: f64,
    /// The same as a rate.
    pub(super) rate: f64,
    /// Places of the watched groups that it belongs to, everybody (0) first.
    pub(super) groups: Vec<u16>,
    /// Likelihood ratios for each of them.
    pub(super) steps: Vec<Steps>,
    /// A group of it has an open incident: it says nothing about other groups.
    pub(super) explained: bool,
}

/// See the module.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Cells {
    /// Everybody first, then single levels, then intersections of two, in rising order.
    pub(super) groups: Vec<Watched>,
    pub(super) all: Vec<CellRate>,
    /// Places of cells by their levels; only looked up in.
    index: BTreeMap<Box<[u8]>, u16>,
    /// So many of the cells are the baseline's.
    known: usize,
    attributes: usize,
    effects: Effects,
    approved: Vec<Approved>,
    shift: Shift,
    explained: Vec<Group>,
}

impl Cells {
    /// Of a baseline's counts: events and hits by cell.
    pub(super) fn of(attributes: &[Attribute], counts: &[Cell]) -> Self {
        let effects = Effects::of(attributes.len(), counts);
        let mut cells = Self {
            groups: groups_of(attributes, counts),
            all: Vec::new(),
            index: BTreeMap::new(),
            known: 0,
            attributes: attributes.len(),
            effects,
            approved: Vec::new(),
            shift: Shift::default(),
            explained: Vec::new(),
        };
        for cell in counts.iter().filter(|cell| cell.levels.len() == attributes.len()).take(CELLS_MAX) {
            let expected = cells.effects.rate(&cell.levels);
            let rate = (cell.favourable as f64 + SHRINKAGE * expected) / (cell.events as f64 + SHRINKAGE);
            cells.add(&cell.levels, logit(rate));
        }
        cells.known = cells.all.len();
        cells
    }

    fn add(&mut self, levels: &[u8], centre: f64) -> Option<u16> {
        let place = u16::try_from(self.all.len()).ok().filter(|place| usize::from(*place) < CELLS_MAX)?;
        let belongs = |watched: &Watched| watched.group.has(levels);
        let groups = (0_u16..).zip(&self.groups).filter(|(_, watched)| belongs(watched)).map(|(group, _)| group).collect();
        let cell = CellRate { levels: levels.into(), centre, odds: 0.0, rate: 0.0, groups, steps: Vec::new(), explained: false };
        self.all.push(cell);
        self.index.insert(levels.into(), place);
        self.settle(usize::from(place));
        Some(place)
    }

    /// The place of the cell with these levels. One that the baseline has not seen is expected to do as its levels do.
    pub(super) fn find(&mut self, levels: &[u8]) -> Option<usize> {
        let found = match self.index.get(levels) {
            Some(place) => Some(*place),
            None => self.add(levels, logit(self.effects.rate(levels))),
        };
        found.map(usize::from)
    }

    /// How many levels a cell has.
    pub(super) const fn attributes(&self) -> usize {
        self.attributes
    }

    /// Levels of the cells that the baseline has not seen, in the order in which they came.
    pub(super) fn new_cells(&self) -> impl Iterator<Item = &[u8]> {
        self.all[self.known..].iter().map(|cell| &*cell.levels)
    }

    /// Whether no further cell is told apart.
    pub(super) fn is_full(&self) -> bool {
        self.all.len() >= CELLS_MAX
    }

    /// What everybody's rate is moved by.
    pub(super) fn shifted(&self) -> Shift {
        self.shift
    }

    /// Finds a cell's rate and likelihood ratios anew.
    fn settle(&mut self, place: usize) {
        let cell = &mut self.all[place];
        let moved: f64 =
            self.approved.iter().filter(|approved| approved.group.has(&cell.levels)).map(|approved| approved.shift).sum();
        let centre = cell.centre + moved + self.shift.by;
        (cell.odds, cell.rate) = (centre, rate_of(centre));
        cell.explained = self.explained.iter().any(|group| group.has(&cell.levels));
        cell.steps.clear();
        for group in &cell.groups {
            let band = self.groups[usize::from(*group)].now.wider_by(self.shift.error);
            cell.steps.push(steps(centre, band));
        }
    }

    fn settle_all(&mut self) {
        (0..self.all.len()).for_each(|place| self.settle(place));
    }

    /// Groups with an open incident; events of them say nothing about other groups.
    pub(super) fn explain(&mut self, groups: Vec<Group>) {
        self.explained = groups;
        self.settle_all();
    }

    pub(super) fn shift(&mut self, shift: Shift) {
        self.shift = shift;
        self.settle_all();
    }

    /// The baselines that were approved since.
    pub(super) fn approved(&self) -> &[Approved] {
        &self.approved
    }

    /// Takes a new baseline of a group into account: its cells move, and its band and those of groups within it are as wide as
    /// so few events make them. All bands are found anew from their baselines: what groups have kept to is to be said again
    /// ([`Cells::keep`]).
    pub(super) fn approve(&mut self, mut new: Approved) {
        match self.approved.iter_mut().find(|old| old.group == new.group) {
            Some(old) => {
                new.shift += old.shift;
                *old = new;
            }
            None => self.approved.push(new),
        }
        self.settle_bands();
        self.settle_all();
    }

    /// Takes the baselines into account that were approved before a restart, likewise.
    pub(super) fn approve_all(&mut self, approved: Vec<Approved>) {
        self.approved = approved;
        self.settle_bands();
        self.settle_all();
    }

    fn settle_bands(&mut self) {
        for watched in &mut self.groups {
            watched.settle(watched.first);
        }
        for new in &self.approved {
            for watched in
                self.groups.iter_mut().filter(|watched| new.group.0.iter().all(|level| watched.group.0.contains(level)))
            {
                if watched.group == new.group {
                    watched.settle((new.events, new.hits));
                } else {
                    watched.band = watched.band.or_wider(Band::around(new.hits, new.events, watched.allowance()));
                    watched.now = watched.band;
                }
            }
        }
    }

    /// A group has kept to a level.
    pub(super) fn keep(&mut self, place: usize, kept: [Kept; 2]) {
        let watched = &mut self.groups[place];
        let is_new = kept == [Kept::default(); 2];
        watched.now =
            if is_new { watched.band } else { watched.band.kept(watched.hits, watched.events, watched.allowance(), kept) };
        let band = watched.now.wider_by(self.shift.error);
        let place = u16::try_from(place).unwrap_or(u16::MAX);
        for cell in &mut self.all {
            if let Ok(at) = cell.groups.binary_search(&place) {
                cell.steps[at] = steps(cell.odds, band);
            }
        }
    }

    /// The band that is in force for a group.
    pub(super) fn band_of(&self, place: usize) -> Band {
        self.groups[place].now.wider_by(self.shift.error)
    }

    /// The place of a watched group.
    pub(super) fn place_of(&self, group: &Group) -> Option<usize> {
        self.groups.iter().position(|watched| watched.group == *group)
    }
}

/// Everybody, each level, and each intersection of two levels, as far as they are watched.
fn groups_of(attributes: &[Attribute], counts: &[Cell]) -> Vec<Watched> {
    let mut sums: BTreeMap<(usize, Group), (u64, u64)> = BTreeMap::new();
    for cell in counts.iter().filter(|cell| cell.levels.len() == attributes.len()) {
        let known: Vec<(usize, u8)> =
            cell.levels.iter().copied().enumerate().filter(|(_, code)| *code != OTHER && *code != MISSING).collect();
        let mut add = |levels: Vec<(usize, u8)>| {
            let sum = sums.entry((levels.len(), Group(levels))).or_default();
            *sum = (sum.0.saturating_add(cell.events), sum.1.saturating_add(cell.favourable));
        };
        add(Vec::new());
        for (place, level) in known.iter().enumerate() {
            add(vec![*level]);
            known[place + 1..].iter().for_each(|other| add(vec![*level, *other]));
        }
    }
    let watched = sums.into_iter().filter(|(_, (events, hits))| *events >= GROUP_EVENTS_MIN && *hits > 0 && hits < events);
    let watched = watched.map(|((_, group), first)| {
        let mut watched = Watched { group, events: 0, hits: 0, band: Band::default(), now: Band::default(), first };
        watched.settle(first);
        watched
    });
    watched.take(GROUPS_MAX).collect()
}

/// A level's effect on the log-odds, whatever the others: what is expected of a cell of which little is known. (Towards one
/// mean for all, a rare cell of a group with few hits would be expected to have many.)
#[derive(Clone, PartialEq, Debug, Default)]
struct Effects {
    base: f64,
    levels: BTreeMap<(usize, u8), f64>,
}

impl Effects {
    /// By coordinate-wise Newton steps of a logistic regression with a ridge.
    fn of(attributes: usize, counts: &[Cell]) -> Self {
        let cells: Vec<&Cell> =
            counts.iter().filter(|cell| cell.levels.len() == attributes && cell.favourable <= cell.events).collect();
        let events: u64 = cells.iter().map(|cell| cell.events).sum();
        let hits: u64 = cells.iter().map(|cell| cell.favourable).sum();
        let mut effects = Self { base: logit((hits as f64 + 0.5) / (events as f64 + 1.0)), levels: BTreeMap::new() };
        for cell in &cells {
            cell.levels.iter().enumerate().for_each(|(place, code)| _ = effects.levels.insert((place, *code), 0.0));
        }
        let keys: Vec<(usize, u8)> = effects.levels.keys().copied().collect();
        for _ in 0..ROUNDS {
            effects.base += effects.step(cells.iter().copied(), 0.0, 0.0);
            for (place, code) in &keys {
                let old = effects.levels[&(*place, *code)];
                let step = effects.step(cells.iter().copied().filter(|cell| cell.levels[*place] == *code), old, RIDGE);
                effects.levels.insert((*place, *code), old + step);
            }
        }
        effects
    }

    fn step<'c>(&self, cells: impl Iterator<Item = &'c Cell>, old: f64, ridge: f64) -> f64 {
        let (mut slope, mut curve) = (-ridge * old, ridge + 1e-9);
        for cell in cells {
            let (n, rate) = (cell.events as f64, self.rate(&cell.levels));
            slope += cell.favourable as f64 - n * rate;
            curve += n * rate * (1.0 - rate);
        }
        (slope / curve).clamp(-2.0, 2.0)
    }

    fn rate(&self, levels: &[u8]) -> f64 {
        let effects = levels.iter().enumerate().filter_map(|(place, code)| self.levels.get(&(place, *code)));
        rate_of((self.base + effects.sum::<f64>()).clamp(-12.0, 12.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_when_no_further_cell_is_told_apart() {
        let cells = |count: usize| {
            let cell = |place: usize| Cell {
                levels: vec![u8::try_from(place / 64).unwrap(), u8::try_from(place % 64).unwrap()],
                events: 2,
                favourable: 1,
            };
            let attributes = ["a", "b"].map(|name| Attribute { name: name.to_owned(), levels: Vec::new() });
            Cells::of(&attributes, &(0..count).map(cell).collect::<Vec<_>>())
        };
        let mut almost = cells(CELLS_MAX - 1);
        assert!(!almost.is_full() && almost.find(&[200, 200]).is_some());
        assert!(almost.is_full() && almost.find(&[201, 201]).is_none());
    }
}
