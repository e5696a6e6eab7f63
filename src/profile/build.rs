//! Making a profile of training rows: two passes, each in as many shards as there are, with the same result for any
//! shards and any order of rows.
//!
//! ```text
//!  rows ─→ FirstPass ─┐                                rows ─→ SecondPass ─┐
//!  rows ─→ FirstPass ─┴ merge ─→ freeze ─→ Frozen ────→ rows ─→ SecondPass ─┴ merge ─→ finish ─→ Profile
//!         (where values lie)    (edges, bins, levels)          (how they go together)   (measures of a sample of rows)
//! ```
//!
//! Memory does not grow with the rows. For each column and shard the first pass keeps at most 32,768 numbers or 10,000
//! levels with their counts; the second one table of counts for each pair of columns (at most 26 · 26 · 4 bytes), 5,001
//! rows as they are, and the counts of rows that occur often. A million rows of 40 columns take about 20 MiB a shard.

use std::collections::BTreeMap;

use thiserror::Error;

use super::cell::{Cell, Kind, VectorHash};
use super::copula::Products;
use super::freeze::numbers_shape;
use super::pairs::Tables;
use super::sample::{Frequent, Sample};
use super::shape::{CategoryShape, NumberParts, NumberShape, Shape};
use super::sketch::{Column, Levels, Numbers, Repeats};
use super::{Duplicates, Feature, Profile, narrow};
use crate::event::Plain;

/// So many features a profile can have.
pub const FEATURES_MAX: usize = 256;
/// So many rows it can be made of.
pub const ROWS_MAX: u64 = u32::MAX as u64;
/// So many rows it takes at least.
pub const ROWS_MIN: u64 = 100;

/// Why no profile could be made.
#[derive(Error, Clone, PartialEq, Eq, Debug)]
pub enum BuildProblem {
    /// There is nothing to learn from.
    #[error("the training has {0} rows; a profile takes at least {ROWS_MIN}")]
    TooFewRows(u64),
    /// Counts would overflow.
    #[error("the training has more than {ROWS_MAX} rows: take a sample of them")]
    TooManyRows,
    /// Nothing to look at.
    #[error("there are {0} features; a profile has 1 to {FEATURES_MAX}")]
    Features(usize),
    /// The second pass met other rows than the first.
    #[error("the training changed while it was read: the second pass met other rows than the first")]
    Changed,
}

/// The features of a profile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Columns {
    features: Vec<(String, Kind)>,
}

impl Columns {
    /// These features. They are put in the order of their names, and rows have their values in that order.
    ///
    /// # Errors
    /// When there are none or too many.
    pub fn new(features: BTreeMap<String, Kind>) -> Result<Self, BuildProblem> {
        match features.len() {
            1..=FEATURES_MAX => Ok(Self { features: features.into_iter().collect() }),
            others => Err(BuildProblem::Features(others)),
        }
    }

    /// Names and kinds, in the order of the names.
    pub fn features(&self) -> impl ExactSizeIterator<Item = (&str, Kind)> {
        self.features.iter().map(|(name, kind)| (name.as_str(), *kind))
    }

    fn cells<'a>(&self, row: &[Plain<'a>], cells: &mut Vec<Cell<'a>>) -> u64 {
        assert_eq!(row.len(), self.features.len(), "a row has a value for each feature, missing or not");
        let mut hash = VectorHash::default();
        for ((_, kind), value) in self.features.iter().zip(row) {
            let cell = Cell::of(*kind, *value);
            hash.add(cell);
            cells.push(cell);
        }
        hash.long()
    }
}

/// The first pass over the rows of one shard.
#[derive(Clone, PartialEq, Debug)]
pub struct FirstPass {
    columns: Columns,
    sketches: Vec<Column>,
    missing: Vec<u64>,
    repeats: Repeats,
    rows: u64,
}

impl FirstPass {
    /// A pass that has seen nothing.
    #[must_use]
    pub fn new(columns: &Columns) -> Self {
        let sketch = |kind| match kind {
            Kind::Number => Column::Numbers(Numbers::default()),
            Kind::Category => Column::Levels(Levels::Counted(BTreeMap::new())),
        };
        Self {
            sketches: columns.features().map(|(_, kind)| sketch(kind)).collect(),
            missing: vec![0; columns.features.len()],
            columns: columns.clone(),
            repeats: Repeats::new(),
            rows: 0,
        }
    }

    /// Adds a row: a value for each feature, in the order of their names. What is of another type than the feature, or no
    /// finite number, counts as missing.
    ///
    /// # Panics
    /// When the row has more or fewer values.
    pub fn add(&mut self, row: &[Plain<'_>]) {
        let mut cells = Vec::with_capacity(row.len());
        let hash = self.columns.cells(row, &mut cells);
        self.repeats.add(hash);
        self.rows += 1;
        for ((cell, sketch), missing) in cells.into_iter().zip(&mut self.sketches).zip(&mut self.missing) {
            match cell {
                Cell::Missing | Cell::WrongType => *missing += 1,
                Cell::Number(_) | Cell::Level(_) => sketch.add(cell),
            }
        }
    }

    /// Adds what another shard saw.
    ///
    /// # Panics
    /// When it was made for other columns.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.columns, other.columns, "shards have the same columns");
        self.sketches.iter_mut().zip(&other.sketches).for_each(|(sketch, more)| sketch.merge(more));
        self.missing.iter_mut().zip(&other.missing).for_each(|(missing, more)| *missing += more);
        self.repeats.merge(&other.repeats);
        self.rows += other.rows;
    }

    /// How many rows it has seen.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Fixes edges, bins and levels.
    ///
    /// # Errors
    /// When there were too few rows, or too many.
    pub fn freeze(self) -> Result<Frozen, BuildProblem> {
        match self.rows {
            rows @ ..ROWS_MIN => return Err(BuildProblem::TooFewRows(rows)),
            ROWS_MIN..=ROWS_MAX => {}
            _ => return Err(BuildProblem::TooManyRows),
        }
        let shape = |sketch| match sketch {
            Column::Numbers(numbers) => Shape::Number(numbers_shape(&numbers)),
            Column::Levels(Levels::Counted(levels)) => {
                let counted = levels.into_iter().map(|(name, count)| (String::from(name), count)).collect();
                Shape::Category(CategoryShape::new(counted, self.rows))
            }
            Column::Levels(Levels::TooMany) => Shape::Text,
        };
        let shapes = self.sketches.into_iter().map(shape).collect();
        let repeats = self.repeats;
        Ok(Frozen { columns: self.columns, shapes, missing: self.missing, repeats, rows: self.rows })
    }
}

/// What the first pass found out. Shards of the second share it.
#[derive(Clone, PartialEq, Debug)]
pub struct Frozen {
    columns: Columns,
    shapes: Vec<Shape>,
    missing: Vec<u64>,
    repeats: Repeats,
    rows: u64,
}

impl Frozen {
    /// Names of features that are texts with too many levels to be profiled: of them only whether they are missing is
    /// looked at.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let texts = self.columns.features().zip(&self.shapes).filter(|(_, shape)| matches!(shape, Shape::Text));
        texts.map(|((name, _), _)| name)
    }

    /// How many rows there are.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    fn number_places(&self) -> Vec<u16> {
        let places = self.shapes.iter().enumerate().filter(|(_, shape)| matches!(shape, Shape::Number(_)));
        places.map(|(place, _)| narrow::place(place)).collect()
    }
}

/// The second pass over the rows of one shard.
#[derive(Clone, PartialEq, Debug)]
pub struct SecondPass<'f> {
    frozen: &'f Frozen,
    /// Of each number column, rows at each edge and after it.
    numbers: Vec<(Vec<u64>, Vec<u64>)>,
    tables: Tables,
    products: Products,
    sample: Sample,
    frequent: Frequent,
    rows: u64,
    /// A value was not where the first pass saw them all.
    strayed: bool,
    bins: Vec<u8>,
    z: Vec<f64>,
}

impl<'f> SecondPass<'f> {
    /// A pass that has seen nothing.
    #[must_use]
    pub fn new(frozen: &'f Frozen) -> Self {
        let counts = |shape: &Shape| match shape {
            Shape::Number(shape) => (vec![0; shape.edges.len()], vec![0; shape.edges.len()]),
            Shape::Category(_) | Shape::Text => (Vec::new(), Vec::new()),
        };
        Self {
            frozen,
            numbers: frozen.shapes.iter().map(counts).collect(),
            tables: Tables::new(&frozen.shapes),
            products: Products::new(frozen.number_places().len()),
            sample: Sample::default(),
            frequent: Frequent::default(),
            rows: 0,
            strayed: false,
            bins: Vec::new(),
            z: Vec::new(),
        }
    }

    /// Adds a row, as the first pass did.
    ///
    /// # Panics
    /// When the row has more or fewer values than there are features.
    pub fn add(&mut self, row: &[Plain<'_>]) {
        let mut cells = Vec::with_capacity(row.len());
        let hash = self.frozen.columns.cells(row, &mut cells);
        self.rows += 1;
        self.bins.clear();
        self.z.clear();
        for ((cell, shape), (at, after)) in cells.iter().zip(&self.frozen.shapes).zip(&mut self.numbers) {
            let (bin, z) = match (shape, cell) {
                (Shape::Number(shape), Cell::Number(number)) => {
                    self.strayed |= !count(shape, *number, at, after);
                    (shape.bin(*number), shape.z(shape.rank(*number)))
                }
                (Shape::Category(shape), Cell::Level(text)) => {
                    let level = shape.find(text);
                    self.strayed |= level.is_none();
                    (level.map_or(shape.other_bin(), |level| level.bin), 0.0)
                }
                _ => (shape.missing_bin(), 0.0),
            };
            self.bins.push(bin);
            if matches!(shape, Shape::Number(_)) {
                self.z.push(z);
            }
        }
        self.tables.add(&self.bins);
        self.products.add(&self.z);
        self.sample.add(hash, &cells);
        self.frequent.add(hash, &self.frozen.repeats, Frequent::least(self.frozen.rows));
    }

    /// Adds what another shard saw.
    pub fn merge(&mut self, other: Self) {
        for ((at, after), (more_at, more_after)) in self.numbers.iter_mut().zip(&other.numbers) {
            at.iter_mut().zip(more_at).for_each(|(count, more)| *count += more);
            after.iter_mut().zip(more_after).for_each(|(count, more)| *count += more);
        }
        self.tables.merge(&other.tables);
        self.products.merge(&other.products);
        self.sample.merge(other.sample);
        self.frequent.merge(&other.frequent);
        self.rows += other.rows;
        self.strayed |= other.strayed;
    }

    /// The profile, still without calibration.
    ///
    /// # Errors
    /// When these are not the rows that the first pass saw.
    pub fn finish(self) -> Result<Profile, BuildProblem> {
        let frozen = self.frozen;
        if self.strayed || self.rows != frozen.rows {
            return Err(BuildProblem::Changed);
        }
        let features = frozen.columns.features().zip(&frozen.shapes).zip(&frozen.missing).zip(self.numbers);
        let feature = |((((name, _), shape), missing), (at, after)): (((_, &Shape), &u64), _)| {
            let shape = match shape {
                Shape::Number(shape) => Shape::Number(NumberShape::new(NumberParts {
                    at,
                    after,
                    edges: shape.edges.clone(),
                    cuts: shape.cuts.clone(),
                    median: shape.median,
                    spread_low: shape.spread_low,
                    spread_high: shape.spread_high,
                })),
                other => other.clone(),
            };
            Feature::new(name, *missing, shape, self.rows)
        };
        let features = features.map(feature).collect();
        let copula = self.products.copula(&frozen.number_places());
        let frequent = Duplicates { least: Frequent::least(self.rows), vectors: self.frequent.most(Frequent::least(self.rows)) };
        Ok(Profile::of_training(self.rows, features, self.tables.kept(), copula, frequent).measured(&self.sample))
    }
}

/// Counts a number at its edge or after it; false if it lies outside of all.
fn count(shape: &NumberShape, number: f64, at: &mut [u64], after: &mut [u64]) -> bool {
    let Some(place) = shape.edges.partition_point(|edge| *edge <= number).checked_sub(1) else { return false };
    let is_last = place + 1 == shape.edges.len();
    match shape.edges[place] < number {
        true if is_last => return false,
        true => after[place] += 1,
        false => at[place] += 1,
    }
    true
}
