//! The anomaly trigger: is this input unlike the training data? (`triggers.md`, section 1.)
//!
//! Each feature has three surprises in nats: of its value alone (m), of the worst pair that it is in (r), and of its
//! distance from what the other numbers make one expect (c). The largest counts: aⱼ. The score of an event is a soft
//! maximum of them, S = (Σ aⱼ⁸)^⅛, and its p-value tells how many usual events score as high.
//!
//! `features → `[`score`]` → `[`Anomaly`]` (S, the most unusual features) → `[`Calibration::p`]` → p → `[`risk`]
//!
//! [`Calibration::p`]: crate::profile::Calibration::p

mod sentence;

use crate::event::Plain;
use crate::profile::narrow::{place as short, single};
use crate::profile::{Beyond, Feature, NumberShape, Profile, Shape, Value, VectorHash};

/// So many of the most unusual features are named.
pub const NAMED: usize = 5;
/// The part of all events that is taken to be unusual before anything is known of this one.
const PRIOR: f64 = 0.02;
/// How quickly evidence grows as p falls: e = κ·p^(κ−1).
const KAPPA: f64 = 0.3;

/// How unlike the training data an event is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Anomaly {
    /// S in nats, 0 or more. What is compared with the calibration and goes into tallies.
    pub score: f32,
    /// Identical features have the same. Never 0.
    pub vector: u32,
    unusual: [Unusual; NAMED],
    named: usize,
}

impl Anomaly {
    /// The most unusual features, the most unusual first; only such that add to the score. Of two that do not go together
    /// that one comes first which goes with its other partners less, too.
    #[must_use]
    pub fn unusual(&self) -> &[Unusual] {
        &self.unusual[..self.named]
    }
}

/// One feature that is unusual; [`Unusual::sentence`] says why.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Unusual {
    /// Its place in the profile.
    pub feature: usize,
    /// aⱼ in nats.
    pub surprise: f64,
    /// Which of the three surprises it is.
    pub part: Part,
}

/// What is unusual about a feature.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Part {
    /// It is missing.
    Missing,
    /// Its value is of another type than the feature.
    WrongType,
    /// Few training rows have values like it.
    Rare,
    /// It lies outside of all training, or is a level that training never had.
    Unseen,
    /// It occurs with another feature's value less often than either alone would make it.
    Pair {
        /// The pair's place in the profile.
        pair: usize,
        /// The bins of its first and its second feature.
        bins: [u8; 2],
    },
    /// It is not what the other numbers make one expect.
    Misfit {
        /// The normal quantile that was expected.
        expected: f64,
    },
}

/// Room for the surprises of one event, used again for the next: scoring allocates nothing once it has seen one.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    alone: Vec<Alone>,
    paired: Vec<Paired>,
    z: Vec<f64>,
    sums: Vec<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Alone {
    surprise: f64,
    part: Part,
    bin: u8,
    z: f64,
}

/// What the pairs of a feature say.
#[derive(Clone, Copy, Debug)]
struct Paired {
    /// The raw surprise of the worst.
    surprise: f32,
    /// The worst.
    pair: u16,
    /// How many there are.
    pairs: u16,
    /// The sum of those surprises that are above 0.
    sum: f32,
}

const UNPAIRED: Paired = Paired { surprise: f32::NEG_INFINITY, pair: u16::MAX, pairs: 0, sum: 0.0 };

impl Paired {
    fn add(&mut self, pair: usize, surprise: f32) {
        self.pairs += 1;
        self.sum += surprise.max(0.0);
        if surprise > self.surprise {
            (self.surprise, self.pair) = (surprise, short(pair));
        }
    }

    /// How badly the feature goes with its partners, on average: what is wrong fits none of them, and a partner of what is
    /// wrong fits the others.
    fn blame(self) -> f64 {
        f64::from(self.sum) / f64::from(self.pairs.max(1))
    }
}

impl Scratch {
    /// The raw r of the feature at this place; `None` if no pair has it.
    pub(crate) fn paired(&self, feature: usize) -> Option<f32> {
        let paired = self.paired[feature];
        (paired.pairs > 0).then_some(paired.surprise)
    }

    /// The raw e of the number at this place of the copula.
    pub(crate) fn residual(&self, profile: &Profile, place: usize) -> f32 {
        single(profile.copula().residual(place, self.sums[place]))
    }
}

/// Scores one event: `value_of` gives the value of the feature at a place of [`Profile::features`]. It is asked once for
/// each, in order.
#[must_use]
pub fn score<'a>(profile: &Profile, mut value_of: impl FnMut(usize) -> Plain<'a>, scratch: &mut Scratch) -> Anomaly {
    let features = profile.features();
    let vector = measure(profile, |place| Value::of(features[place].kind(), value_of(place)), scratch);
    let (mut sum, mut named) = (0.0, Named::default());
    let mut numbers = profile.copula().features.iter().enumerate().peekable();
    for (place, feature) in features.iter().enumerate() {
        let mut worst = Unusual { feature: place, surprise: scratch.alone[place].surprise, part: scratch.alone[place].part };
        let mut consider = |surprise: f64, part: &dyn Fn() -> Part| {
            if surprise > worst.surprise {
                let part = if is_plain(worst.part, feature) { worst.part } else { part() };
                worst = Unusual { surprise, part, ..worst };
            }
        };
        if let Some((number, _)) = numbers.next_if(|(_, feature)| usize::from(**feature) == place) {
            let surprise = feature.residual.nats(scratch.residual(profile, number), Beyond::Ratio);
            let expected = || profile.copula().expected(number, scratch.z[number], scratch.sums[number]);
            consider(surprise, &|| Part::Misfit { expected: expected() });
        }
        if let Some(raw) = scratch.paired(place) {
            let pair = usize::from(scratch.paired[place].pair);
            let of = &profile.pairs()[pair];
            let bins = || [of.first, of.second].map(|feature| scratch.alone[usize::from(feature)].bin);
            consider(feature.paired.nats(raw, Beyond::Excess), &|| Part::Pair { pair, bins: bins() });
        }
        sum += eighth_power(worst.surprise);
        named.add(worst, scratch.paired[place].blame());
    }
    let score = single(sum.sqrt().sqrt().sqrt().min(f64::from(f32::MAX)));
    Anomaly { score, vector: vector.short(), unusual: named.unusual, named: named.count }
}

/// What training never had needs no other explanation, even where another part is more surprising.
const fn is_plain(part: Part, feature: &Feature) -> bool {
    matches!(part, Part::Unseen | Part::WrongType) || matches!(part, Part::Missing) && feature.missing == 0
}

fn eighth_power(value: f64) -> f64 {
    let square = value * value;
    (square * square) * (square * square)
}

/// The most unusual features so far.
struct Named {
    unusual: [Unusual; NAMED],
    /// By which they are in order: surprise and blame.
    weights: [f64; NAMED],
    count: usize,
}

impl Default for Named {
    fn default() -> Self {
        let nobody = Unusual { feature: 0, surprise: 0.0, part: Part::Rare };
        Self { unusual: [nobody; NAMED], weights: [0.0; NAMED], count: 0 }
    }
}

impl Named {
    /// Names a feature if it is among the most unusual; of equals the first stays.
    fn add(&mut self, unusual: Unusual, blame: f64) {
        let weight = unusual.surprise + blame;
        let place = self.weights[..self.count].partition_point(|other| *other >= weight);
        if place == NAMED || unusual.surprise <= 0.0 {
            return;
        }
        self.count = (self.count + 1).min(NAMED);
        self.unusual[place..].rotate_right(1);
        self.weights[place..].rotate_right(1);
        (self.unusual[place], self.weights[place]) = (unusual, weight);
    }
}

/// Measures an event: fills `scratch` with what each feature is alone, with its worst pair, and with the other numbers.
pub(crate) fn measure<'a>(profile: &Profile, mut value_of: impl FnMut(usize) -> Value<'a>, scratch: &mut Scratch) -> VectorHash {
    let (features, copula) = (profile.features(), profile.copula());
    let mut vector = VectorHash::default();
    scratch.alone.clear();
    for (place, feature) in features.iter().enumerate() {
        let value = value_of(place);
        vector.add(value);
        scratch.alone.push(alone(&feature.shape, value, feature.missing_nats, profile.rows()));
    }
    scratch.paired.clear();
    scratch.paired.resize(features.len(), UNPAIRED);
    for (place, pair) in profile.pairs().iter().enumerate() {
        let (first, second) = (usize::from(pair.first), usize::from(pair.second));
        let surprise = pair.surprise(scratch.alone[first].bin, scratch.alone[second].bin);
        for feature in [first, second] {
            scratch.paired[feature].add(place, surprise);
        }
    }
    scratch.z.clear();
    scratch.z.extend(copula.features.iter().map(|feature| scratch.alone[usize::from(*feature)].z));
    scratch.sums.resize(copula.features.len(), 0.0);
    copula.multiply(&scratch.z, &mut scratch.sums);
    vector
}

#[inline]
fn alone(shape: &Shape, value: Value<'_>, missing_nats: f64, rows: u64) -> Alone {
    let absent = |part| Alone { surprise: missing_nats, part, bin: shape.missing_bin(), z: 0.0 };
    match (shape, value) {
        (_, Value::Missing) => absent(Part::Missing),
        (Shape::Number(shape), Value::Number(number)) => {
            let rank = shape.rank(number);
            let part = if rank.outside.is_some() { Part::Unseen } else { Part::Rare };
            Alone { surprise: NumberShape::surprise(rank, rows as f64), part, bin: shape.bin(number), z: shape.z(rank) }
        }
        (Shape::Category(shape), Value::Level(text)) => match shape.find(text) {
            Some(level) => Alone { surprise: level.nats, part: Part::Rare, bin: level.bin, z: 0.0 },
            None => Alone { surprise: shape.unseen_nats(), part: Part::Unseen, bin: shape.other_bin(), z: 0.0 },
        },
        (Shape::Text, Value::Level(_)) => Alone { surprise: 0.0, part: Part::Rare, bin: 0, z: 0.0 },
        _ => absent(Part::WrongType),
    }
}

/// The risk of an event with this p-value, 0–1: the probability that it is unusual, where a part of .02 of all events is,
/// and their p-values have the density κ·p^(κ−1), κ = .3 (`triggers.md`, section 3).
#[must_use]
pub fn risk(p: f64) -> f64 {
    let evidence = KAPPA * p.clamp(1e-300, 1.0).powf(KAPPA - 1.0);
    PRIOR * evidence / (PRIOR * evidence + 1.0 - PRIOR)
}

#[cfg(test)]
mod tests;
