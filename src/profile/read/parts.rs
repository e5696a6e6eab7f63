//! From the parts of the document to those of the profile, each checked: what is made here can be scored with.

use super::{
    Document, DuplicatesDocument, EcdfDocument, FeatureDocument, FileDocument, PairDocument, ProfileProblem, TypeDocument, plain,
};
use crate::identity::{Hash, Timestamp};
use crate::profile::build::{FEATURES_MAX, ROWS_MAX, ROWS_MIN};
use crate::profile::cell::LEVEL_BYTES_MAX;
use crate::profile::ecdf::{EXCESS_MIN, Ecdf, KNOTS_MAX};
use crate::profile::pairs::PAIRS_A_FEATURE;
use crate::profile::sample::FREQUENT_MAX;
use crate::profile::shape::{CategoryShape, NumberParts, NumberShape, Shape};
use crate::profile::{
    Baseline, Bins, Calibration, Copula, Duplicates, Feature, LEVELS_MAX, Pair, Profile, Provenance, QUANTILES_MAX, SCORES_MAX,
    SourceFile, baseline,
};

/// More edges or cuts than the profile makes of any column.
const EDGES_MAX: usize = 1_024;
const CUTS_MAX: usize = 64;
/// Bytes of a name of a feature or file.
const NAME_BYTES_MAX: usize = 1_024;

type Checked<T> = Result<T, ProfileProblem>;

fn check(holds: bool, what: impl FnOnce() -> String) -> Checked<()> {
    if holds { Ok(()) } else { Err(ProfileProblem::Inconsistent(what())) }
}

fn is_rising<T: PartialOrd>(values: &[T]) -> bool {
    values.windows(2).all(|pair| pair[0] < pair[1])
}

/// The sum, unless it overflows.
fn sum(counts: impl IntoIterator<Item = u64>) -> Option<u64> {
    counts.into_iter().try_fold(0_u64, u64::checked_add)
}

impl Document<'_> {
    pub fn profile(self) -> Checked<Profile> {
        let rows = self.rows;
        check((ROWS_MIN..=ROWS_MAX).contains(&rows), || format!("it has {rows} training rows"))?;
        let features: Vec<Feature> = self.features.into_iter().map(|feature| feature.feature(rows)).collect::<Checked<_>>()?;
        check((1..=FEATURES_MAX).contains(&features.len()), || format!("it has {} features", features.len()))?;
        check(features.windows(2).all(|pair| pair[0].name < pair[1].name), || {
            "features are not in the order of their names".to_owned()
        })?;
        let pairs: Vec<Pair> = self.pairs.into_iter().map(|pair| pair.pair(&features, rows)).collect::<Checked<_>>()?;
        let in_order = pairs.windows(2).all(|pair| (pair[0].first, pair[0].second) < (pair[1].first, pair[1].second));
        check(in_order && pairs.len() <= PAIRS_A_FEATURE * features.len(), || "its pairs are not in order".to_owned())?;
        let copula = copula(&features, self.copula.features, plain(self.copula.correlations))?;
        let duplicates = self.duplicates.duplicates(rows)?;
        let mut profile = Profile::of_training(rows, features, pairs, copula, duplicates);
        let calibration = quantiles("calibration", plain(self.calibration), SCORES_MAX, f32::MAX)?;
        profile.calibration = Calibration::new(calibration);
        profile.priorities = quantiles("priorities", plain(self.priorities), QUANTILES_MAX, 1.0)?;
        profile.confidences = quantiles("confidences", plain(self.confidences), QUANTILES_MAX, 1.0)?;
        profile.baseline = self.baseline.map(checked_baseline).transpose()?;
        let no_hash = || ProfileProblem::Inconsistent("`scoring` is no hash".to_owned());
        profile.scoring = self.scoring.map(|hash| Hash::parse(hash).ok_or_else(no_hash)).transpose()?;
        let no_time = || ProfileProblem::Inconsistent("`built_at` is no time".to_owned());
        profile.provenance = Provenance {
            built_at: Timestamp::parse(self.provenance.built_at).ok_or_else(no_time)?,
            files: self.provenance.files.into_iter().map(FileDocument::file).collect::<Checked<_>>()?,
        };
        Ok(profile)
    }
}

impl FileDocument<'_> {
    fn file(self) -> Checked<SourceFile> {
        let sha256 = Hash::parse(self.sha256).filter(|_| self.name.len() <= NAME_BYTES_MAX);
        let sha256 = sha256.ok_or_else(|| ProfileProblem::Inconsistent("a file of its provenance has no hash".to_owned()))?;
        Ok(SourceFile { name: self.name.into_owned(), sha256, rows: self.rows })
    }
}

impl FeatureDocument<'_> {
    fn feature(self, rows: u64) -> Checked<Feature> {
        let name = self.name.clone().into_owned();
        let wrong = |what: &str| {
            ProfileProblem::Inconsistent(format!("the feature `{}` {what}", name.chars().take(64).collect::<String>()))
        };
        if name.len() > NAME_BYTES_MAX {
            return Err(wrong("has a name that is too long"));
        }
        let (missing, paired, residual) = (self.missing, self.paired.is_some(), self.residual.is_some());
        let distributions = [&self.paired, &self.residual].map(|ecdf| ecdf.as_ref().map(EcdfDocument::ecdf));
        let shape = match self.kind {
            TypeDocument::Number => self.number().map(Shape::Number),
            TypeDocument::Category => self.category(rows).map(Shape::Category),
            TypeDocument::Text if paired || residual => None,
            TypeDocument::Text => Some(Shape::Text),
        };
        let shape = shape.ok_or_else(|| wrong("has members that do not fit each other"))?;
        let present = match &shape {
            Shape::Number(shape) => sum(shape.at.iter().chain(&shape.after).copied()),
            Shape::Category(shape) => sum(shape.levels.iter().map(|level| level.count)),
            // What they are is not known.
            Shape::Text => rows.checked_sub(missing),
        };
        if present.and_then(|present| present.checked_add(missing)) != Some(rows) {
            return Err(wrong("is not counted for each training row once"));
        }
        let mut feature = Feature::new(&name, missing, shape, rows);
        let [paired, residual] = distributions;
        for (distribution, into) in [(paired, &mut feature.paired), (residual, &mut feature.residual)] {
            if let Some(distribution) = distribution {
                *into = distribution.ok_or_else(|| wrong("has a distribution that is none"))?;
            }
        }
        Ok(feature)
    }

    fn number(self) -> Option<NumberShape> {
        if self.levels.is_some() || self.counts.is_some() {
            return None;
        }
        let parts = NumberParts {
            edges: plain(self.edges?),
            at: self.at?,
            after: self.after?,
            cuts: plain(self.cuts?),
            median: self.median?.0,
            spread_low: self.spread_low?.0,
            spread_high: self.spread_high?.0,
        };
        let is_finite = |numbers: &[f64]| numbers.iter().all(|number| number.is_finite());
        let fits = parts.edges.len() <= EDGES_MAX
            && parts.cuts.len() <= CUTS_MAX
            && is_finite(&parts.edges)
            && is_finite(&parts.cuts)
            && is_finite(&[parts.median, parts.spread_low, parts.spread_high])
            && is_rising(&parts.edges)
            && is_rising(&parts.cuts)
            && parts.at.len() == parts.edges.len()
            && parts.after.len() == parts.edges.len()
            && parts.after.last().is_none_or(|last| *last == 0)
            && sum(parts.at.iter().chain(&parts.after).copied()).is_some_and(|sum| sum <= ROWS_MAX)
            && (parts.edges.is_empty() || parts.spread_low > 0.0 && parts.spread_high > 0.0);
        fits.then(|| NumberShape::new(parts))
    }

    fn category(self, rows: u64) -> Option<CategoryShape> {
        if self.edges.is_some() || self.at.is_some() || self.after.is_some() || self.cuts.is_some() || self.residual.is_some() {
            return None;
        }
        let (levels, counts) = (self.levels?, self.counts?);
        let fits = levels.len() == counts.len()
            && levels.len() <= LEVELS_MAX
            && levels.iter().all(|level| level.len() <= LEVEL_BYTES_MAX)
            && is_rising(&levels)
            && !counts.contains(&0)
            && sum(counts.iter().copied()).is_some_and(|sum| sum <= rows);
        fits.then(|| CategoryShape::new(levels.into_iter().zip(counts).collect(), rows))
    }
}

impl EcdfDocument {
    fn ecdf(&self) -> Option<Ecdf> {
        let (rows, excess) = (self.rows.0, self.excess.0);
        let knots: Vec<(f32, f64)> =
            self.values.iter().zip(&self.at_least).map(|(value, at_least)| (value.0, at_least.0)).collect();
        let fits = self.values.len() == self.at_least.len()
            && (1..=KNOTS_MAX).contains(&knots.len())
            && rows.is_finite()
            && rows >= 0.0
            && excess.is_finite()
            && excess >= EXCESS_MIN
            && knots.iter().all(|(value, at_least)| value.is_finite() && at_least.is_finite() && *at_least >= 1.0)
            && knots.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 > pair[1].1);
        fits.then(|| Ecdf::new(rows, knots, excess))
    }
}

impl PairDocument {
    fn pair(self, features: &[Feature], rows: u64) -> Checked<Pair> {
        let [first, second] = self.features;
        let wrong = || ProfileProblem::Inconsistent(format!("the pair of the features {first} and {second} does not fit them"));
        let bins = |place: u16| {
            let feature = features.get(usize::from(place)).filter(|feature| !matches!(feature.shape, Shape::Text));
            feature.map(|feature| feature.shape.bins()).ok_or_else(wrong)
        };
        let (height, width) = (bins(first)?, bins(second)?);
        let total = sum(self.counts.iter().map(|count| u64::from(*count)));
        let fits = first < second && self.counts.len() == height * width && total == Some(rows);
        if fits { Ok(Pair::new([first, second], width, self.counts)) } else { Err(wrong()) }
    }
}

fn copula(features: &[Feature], places: Vec<u16>, correlations: Vec<f32>) -> Checked<Copula> {
    let is_number =
        |place: &u16| features.get(usize::from(*place)).is_some_and(|feature| matches!(feature.shape, Shape::Number(_)));
    let measured = |place: &u16| !features[usize::from(*place)].residual.knots.is_empty();
    let fits = places.len() <= features.len()
        && is_rising(&places)
        && places.iter().all(is_number)
        && places.iter().all(measured)
        && correlations.len() == places.len() * places.len().saturating_sub(1) / 2
        && correlations.iter().all(|correlation| correlation.abs() <= 1.0);
    let copula = fits.then(|| Copula::new(places, correlations)).flatten();
    copula.ok_or_else(|| ProfileProblem::Inconsistent("its correlations are none of any data".to_owned()))
}

impl DuplicatesDocument {
    fn duplicates(self, rows: u64) -> Checked<Duplicates> {
        let fits = self.vectors.len() == self.counts.len()
            && self.vectors.len() <= FREQUENT_MAX
            && self.least >= 2
            && self.counts.iter().all(|count| *count >= self.least)
            && self.counts.windows(2).all(|pair| pair[0] >= pair[1])
            && sum(self.counts.iter().copied()).is_some_and(|sum| sum <= rows);
        check(fits, || "its duplicates are not counted".to_owned())?;
        Ok(Duplicates { least: self.least, vectors: self.vectors.into_iter().zip(self.counts).collect() })
    }
}

/// Rising values from 0 to `max`.
fn quantiles(name: &str, values: Vec<f32>, most: usize, max: f32) -> Checked<Vec<f32>> {
    let fits = values.len() <= most
        && values.iter().all(|value| (0.0..=max).contains(value))
        && values.windows(2).all(|pair| pair[0] <= pair[1]);
    check(fits, || format!("`{name}` is not a rising list of values that can be"))?;
    Ok(values)
}

fn checked_baseline(baseline: Baseline) -> Checked<Baseline> {
    let attributes = baseline.attributes.iter().all(|attribute| {
        attribute.levels.len() <= baseline::LEVELS_MAX && is_rising(&attribute.levels) && attribute.name.len() <= NAME_BYTES_MAX
    });
    let cells =
        baseline.cells.iter().all(|cell| cell.levels.len() == baseline.attributes.len() && cell.favourable <= cell.events);
    let total = sum(baseline.cells.iter().map(|cell| cell.events));
    let in_order = baseline.cells.windows(2).all(|pair| pair[0].levels < pair[1].levels);
    check(attributes && cells && total.is_some() && in_order, || "its baseline of subgroups is not counted".to_owned())?;
    let measures = baseline.measures.iter().all(|measure| {
        let bins = match &measure.bins {
            Bins::Cuts(cuts) => cuts.len() <= CUTS_MAX && cuts.iter().all(|cut| cut.is_finite()) && is_rising(cuts),
            Bins::Levels(levels) => levels.len() <= baseline::LEVELS_MAX && is_rising(levels),
        };
        bins && measure.counts.len() == measure.bins.len() + 2 && sum(measure.counts.iter().copied()).is_some()
    });
    check(measures, || "its baseline of distributions is not counted".to_owned())?;
    Ok(baseline)
}
