//! The file of a profile: one JSON document, its members always in this order, so that the same profile has the same bytes.
//!
//! | member | what |
//! |---|---|
//! | `jidoka_profile` | version of the form: 1 |
//! | `content_hash` | SHA-256 of the file's bytes with these 64 digits all 0 |
//! | `scoring` | hash of the policy's triggers that made the priorities; null for none |
//! | `provenance` | when it was built, of which files |
//! | `rows` | training rows |
//! | `features` | name, type, training rows without it; of numbers `edges` with the rows `at` them and `after` them, `cuts` of bins; of categories levels with their rows; how surprising pairs and residuals are in training rows |
//! | `pairs` | places of two features and the rows with each combination of their bins |
//! | `copula` | places of features that are numbers, and correlations: the lower triangle |
//! | `duplicates` | rows that occurred often |
//! | `calibration` | anomaly scores of calibration events, rising |
//! | `priorities`, `confidences` | of calibration events, rising |
//! | `baseline` | rates of subgroups and distributions of measures; null for none |

use super::{Ecdf, Feature, Profile, Shape};
use crate::identity::Hash;
use crate::json::{self, ObjectWriter, object};

/// The form that is written and read.
pub(super) const VERSION: u64 = 1;
/// How a file of this form begins; the digits of its hash follow.
pub(super) const HEAD: &[u8] = br#"{"jidoka_profile":1,"content_hash":""#;
/// What stands in the hash's place while it is computed.
pub(super) const NO_HASH: [u8; 64] = [b'0'; 64];

impl Profile {
    /// Writes the profile's file to the end of `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        object(out, |document| {
            document.raw("jidoka_profile", VERSION.to_string().as_bytes());
            document.word("content_hash", &NO_HASH);
            self.write_origin(document);
            document.raw("rows", self.rows.to_string().as_bytes());
            document.objects("features", &self.features, feature);
            document.objects("pairs", &self.pairs, |document, pair| {
                integers(document, "features", [u64::from(pair.first), u64::from(pair.second)]);
                integers(document, "counts", pair.counts.iter().map(|count| u64::from(*count)));
            });
            document.object("copula", |document| {
                integers(document, "features", self.copula.features.iter().map(|place| u64::from(*place)));
                singles(document, "correlations", &self.copula.correlations);
            });
            document.object("duplicates", |document| {
                document.raw("least", self.duplicates.least.to_string().as_bytes());
                integers(document, "vectors", self.duplicates.vectors.iter().map(|(vector, _)| u64::from(*vector)));
                integers(document, "counts", self.duplicates.vectors.iter().map(|(_, count)| *count));
            });
            singles(document, "calibration", self.calibration.scores());
            singles(document, "priorities", &self.priorities);
            singles(document, "confidences", &self.confidences);
            let baseline = self.baseline.as_ref().and_then(|baseline| serde_json::to_vec(baseline).ok());
            document.raw("baseline", baseline.as_deref());
        });
        out.push(b'\n');
        let hash = Hash::of(&out[start..]).hex();
        out[start + HEAD.len()..][..hash.len()].copy_from_slice(&hash);
    }

    fn write_origin(&self, document: &mut ObjectWriter<'_>) {
        let hex = |hash: Hash| hash.to_string();
        document.text("scoring", self.scoring.map(hex).as_deref());
        document.object("provenance", |document| {
            document.word("built_at", &self.provenance.built_at.rfc3339());
            document.objects("files", &self.provenance.files, |document, file| {
                document.text("name", file.name.as_str());
                document.word("sha256", &file.sha256.hex());
                document.raw("rows", file.rows.to_string().as_bytes());
            });
        });
    }
}

fn feature(document: &mut ObjectWriter<'_>, feature: &Feature) {
    document.text("name", feature.name.as_str());
    let kind = match feature.shape {
        Shape::Number(_) => "number",
        Shape::Category(_) => "category",
        Shape::Text => "text",
    };
    document.text("type", kind);
    document.raw("missing", feature.missing.to_string().as_bytes());
    match &feature.shape {
        Shape::Number(shape) => {
            document.number("median", shape.median);
            document.number("spread_low", shape.spread_low);
            document.number("spread_high", shape.spread_high);
            numbers(document, "edges", &shape.edges);
            integers(document, "at", shape.at.iter().copied());
            integers(document, "after", shape.after.iter().copied());
            numbers(document, "cuts", &shape.cuts);
        }
        Shape::Category(shape) => {
            document.texts("levels", shape.levels.iter().map(|level| level.name.as_str()));
            integers(document, "counts", shape.levels.iter().map(|level| level.count));
        }
        Shape::Text => {}
    }
    ecdf(document, "paired", &feature.paired);
    ecdf(document, "residual", &feature.residual);
}

fn ecdf(document: &mut ObjectWriter<'_>, name: &str, ecdf: &Ecdf) {
    if ecdf.knots.is_empty() {
        return document.raw(name, None);
    }
    document.object(name, |document| {
        document.number("rows", ecdf.rows);
        document.number("excess", ecdf.excess);
        let values: Vec<f32> = ecdf.knots.iter().map(|(value, _)| *value).collect();
        singles(document, "values", &values);
        let at_least: Vec<f64> = ecdf.knots.iter().map(|(_, at_least)| *at_least).collect();
        numbers(document, "at_least", &at_least);
    });
}

/// A member that is a list, each item written by `write`.
fn list<T>(document: &mut ObjectWriter<'_>, name: &str, items: impl IntoIterator<Item = T>, write: impl Fn(&mut Vec<u8>, T)) {
    let mut text = vec![b'['];
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            text.push(b',');
        }
        write(&mut text, item);
    }
    text.push(b']');
    document.raw(name, text.as_slice());
}

fn integers(document: &mut ObjectWriter<'_>, name: &str, items: impl IntoIterator<Item = u64>) {
    list(document, name, items, |text, item| text.extend_from_slice(itoa::Buffer::new().format(item).as_bytes()));
}

fn numbers(document: &mut ObjectWriter<'_>, name: &str, items: &[f64]) {
    list(document, name, items, |text, item| json::number(text, *item));
}

/// Half as long as doubles.
fn singles(document: &mut ObjectWriter<'_>, name: &str, items: &[f32]) {
    list(document, name, items, |text, item| {
        let whole = f64::from(*item);
        if whole.fract().abs() <= 0.0 {
            json::number(text, whole);
        } else {
            text.extend_from_slice(zmij::Buffer::new().format_finite(*item).as_bytes());
        }
    });
}
