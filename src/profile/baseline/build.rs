//! Making a baseline of calibration events, which are looked at twice.
//!
//! `events → `[`BaselineBuilder::see`]` (levels, distributions) → `[`BaselineBuilder::freeze`]` → `[`BaselineCount::count`]` → `[`Baseline`]

use std::collections::BTreeMap;

use super::{Attribute, Baseline, Binned, Bins, Cell, LEVELS_MAX, Measured};
use crate::event::Plain;

/// Where numbers are cut.
const QUANTILES: [f64; 5] = [0.1, 0.3, 0.5, 0.7, 0.9];
/// So many levels of a category that is watched for drift have bins of their own.
const BINS_OF_LEVELS: usize = 5;
/// So many different texts of one attribute or measure are told apart; further ones count as others.
const TEXTS_MAX: usize = 10_000;

/// What was seen of one measure.
#[derive(Clone, Debug, Default)]
struct Seen {
    numbers: Vec<f64>,
    texts: BTreeMap<String, u64>,
}

impl Seen {
    fn see(&mut self, value: Plain<'_>) {
        match value {
            Plain::Missing => {}
            Plain::Number(number) => self.numbers.push(number),
            Plain::Bool(truth) => self.text(if truth { "true" } else { "false" }),
            Plain::Text(text) => self.text(text),
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(count) = self.texts.get_mut(text) {
            *count += 1;
        } else if self.texts.len() < TEXTS_MAX {
            self.texts.insert(text.to_owned(), 1);
        }
    }

    /// The most frequent texts, in the order of the alphabet; of equally frequent ones the first.
    fn levels(&self, most: usize) -> Vec<String> {
        let mut texts: Vec<(&String, u64)> = self.texts.iter().map(|(text, count)| (text, *count)).collect();
        texts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut levels: Vec<String> = texts.into_iter().take(most).map(|(text, _)| text.clone()).collect();
        levels.sort();
        levels
    }

    fn bins(mut self) -> Bins {
        if self.numbers.len() as u64 >= self.texts.values().sum::<u64>().max(1) {
            self.numbers.sort_unstable_by(f64::total_cmp);
            let mut cuts: Vec<f64> = QUANTILES.iter().map(|share| quantile(&self.numbers, *share)).collect();
            // A cut at the largest value would leave nothing above it.
            cuts.retain(|cut| self.numbers.last().is_some_and(|last| cut < last));
            cuts.dedup();
            Bins::Cuts(cuts)
        } else {
            Bins::Levels(self.levels(BINS_OF_LEVELS))
        }
    }
}

/// The smallest value that at least this share of `sorted`, which is not empty, does not exceed.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length is a place")]
    let place = ((share * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len());
    sorted[place - 1]
}

/// Sees which levels and values there are. Keeps the numbers of all events: 8 bytes each.
#[derive(Clone, Debug)]
pub struct BaselineBuilder {
    attributes: Vec<String>,
    measures: Vec<Measured>,
    levels: Vec<Seen>,
    values: Vec<Seen>,
}

impl BaselineBuilder {
    /// For these protected attributes and these measures.
    #[must_use]
    pub fn new(attributes: Vec<String>, measures: Vec<Measured>) -> Self {
        Self {
            levels: vec![Seen::default(); attributes.len()],
            values: vec![Seen::default(); measures.len()],
            attributes,
            measures,
        }
    }

    /// Sees one event: the subject's levels and the measures' values, in their orders.
    pub fn see<'a>(&mut self, levels: impl IntoIterator<Item = Plain<'a>>, values: impl IntoIterator<Item = Plain<'a>>) {
        for (seen, level) in self.levels.iter_mut().zip(levels) {
            seen.see(level);
        }
        for (seen, value) in self.values.iter_mut().zip(values) {
            seen.see(value);
        }
    }

    /// All events were seen once: now they are counted.
    #[must_use]
    pub fn freeze(self) -> BaselineCount {
        let attribute = |(name, seen): (String, Seen)| Attribute { name, levels: seen.levels(LEVELS_MAX) };
        let measure = |(of, seen): (Measured, Seen)| {
            let bins = seen.bins();
            let counts = vec![0; bins.len() + 2];
            Binned { of, bins, counts }
        };
        let baseline = Baseline {
            attributes: self.attributes.into_iter().zip(self.levels).map(attribute).collect(),
            cells: Vec::new(),
            measures: self.measures.into_iter().zip(self.values).map(measure).collect(),
        };
        BaselineCount { baseline, cells: BTreeMap::new() }
    }
}

/// Counts the events.
#[derive(Clone, Debug)]
pub struct BaselineCount {
    baseline: Baseline,
    /// By the levels' codes: events, and the favourable ones of them.
    cells: BTreeMap<Vec<u8>, (u64, u64)>,
}

impl BaselineCount {
    /// Counts one event; `favourable` is none where it cannot be told, and then it belongs to no subgroup.
    pub fn count<'a>(
        &mut self,
        levels: impl IntoIterator<Item = Plain<'a>>,
        values: impl IntoIterator<Item = Plain<'a>>,
        favourable: Option<bool>,
    ) {
        let Baseline { attributes, measures, .. } = &mut self.baseline;
        for (measure, value) in measures.iter_mut().zip(values) {
            let place = measure.bins.place(measure.bins.code(value));
            measure.counts[place] += 1;
        }
        if let Some(favourable) = favourable {
            let codes = attributes.iter().zip(levels).map(|(attribute, level)| attribute.code(level)).collect();
            let (events, good) = self.cells.entry(codes).or_default();
            *events += 1;
            *good += u64::from(favourable);
        }
    }

    /// All events were counted.
    #[must_use]
    pub fn finish(self) -> Baseline {
        let cell = |(levels, (events, favourable))| Cell { levels, events, favourable };
        Baseline { cells: self.cells.into_iter().map(cell).collect(), ..self.baseline }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MISSING, OTHER};
    use super::*;

    #[test]
    fn a_baseline_by_hand() {
        let sexes = ["f", "m", "m", "f", "m"].map(Plain::Text);
        let ages = [1.0, 2.0, 3.0, 4.0, 5.0].map(Plain::Number);
        let jobs = [Plain::Bool(true), Plain::Missing, Plain::Text("a"), Plain::Text("a"), Plain::Text("a")];
        let measures = vec![Measured::Feature("age".to_owned()), Measured::Feature("job".to_owned())];
        let mut builder = BaselineBuilder::new(vec!["sex".to_owned()], measures);
        let rows = || (0..5).map(|row| ([sexes[row]], [ages[row], jobs[row]]));
        rows().for_each(|(levels, values)| builder.see(levels, values));
        let mut count = builder.freeze();
        for (row, (levels, values)) in rows().enumerate() {
            count.count(levels, values, (row != 2).then_some(row == 1));
        }
        count.count([Plain::Missing], [Plain::Text("?"), Plain::Text("b")], Some(true));
        let baseline = count.finish();
        assert_eq!(baseline.attributes[0].levels, ["f", "m"]);
        let cells: Vec<_> = baseline.cells.iter().map(|cell| (cell.levels[0], cell.events, cell.favourable)).collect();
        assert_eq!(cells, [(0, 2, 0), (1, 2, 1), (MISSING, 1, 1)]);
        // .1 → 1st, .3 → 2nd, .5 → 3rd, .7 → 4th, .9 → 5th, which is the largest and no cut.
        assert_eq!(baseline.measures[0].bins, Bins::Cuts(vec![1.0, 2.0, 3.0, 4.0]));
        assert_eq!(baseline.measures[0].counts, [1, 1, 1, 1, 1, 1, 0]);
        assert_eq!(baseline.measures[1].bins, Bins::Levels(vec!["a".to_owned(), "true".to_owned()]));
        assert_eq!(baseline.measures[1].counts, [3, 1, 1, 1]);
        assert_eq!(baseline.attributes[0].code(Plain::Text("x")), OTHER);
    }

    #[test]
    fn rare_levels_share_a_code_and_equal_numbers_one_bin() {
        let mut builder = BaselineBuilder::new(vec!["town".to_owned()], vec![Measured::Confidence, Measured::Prediction]);
        let towns: Vec<String> = (0..100).map(|town| format!("{town:03}")).collect();
        for (place, town) in towns.iter().enumerate() {
            for _ in 0..=place {
                builder.see([Plain::Text(town)], [Plain::Number(7.0), Plain::Missing]);
            }
        }
        let baseline = builder.freeze().finish();
        assert_eq!(baseline.attributes[0].levels, towns[100 - LEVELS_MAX..]);
        assert_eq!(baseline.measures[0].bins, Bins::Cuts(Vec::new()));
        assert_eq!(baseline.measures[1].bins, Bins::Levels(Vec::new()));
    }
}
