//! Reads the file of a profile. Whatever the bytes are, they give a profile that can be used, or a sentence; never a panic.
//!
//! `bytes → form, hash → `[`Document`]` → each part checked while it is made → `[`Profile`]

mod parts;

use std::borrow::Cow;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::value::RawValue;
use thiserror::Error;

use super::file::{HEAD, NO_HASH, VERSION};
use super::{Baseline, Profile};
use crate::identity::Hash;

/// A larger file is not read: that of 256 features is not half as large.
pub const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why a profile cannot be used.
#[derive(Error, Clone, PartialEq, Eq, Debug)]
pub enum ProfileProblem {
    /// It is something else.
    #[error("this is no profile of jidoka: make one with `jidoka profile build`")]
    NoProfile,
    /// It was made by another version.
    #[error("this profile has the form {0}, and this version of jidoka reads the form {VERSION}: build it again")]
    OtherForm(u64),
    /// It is not as it was written.
    #[error("this profile is damaged: its content does not have the hash that stands in it; build it again or restore the file")]
    Damaged,
    /// It is larger than any profile.
    #[error("this file has {0} bytes; a profile has at most {BYTES_MAX}")]
    TooLarge(usize),
    /// A member is missing, unknown or of another type.
    #[error("this profile cannot be read: {0}; build it again")]
    Unreadable(String),
    /// Its parts contradict each other.
    #[error("this profile contradicts itself: {0}; build it again")]
    Inconsistent(String),
}

impl Profile {
    /// Reads a file that [`Profile::write`] wrote.
    ///
    /// # Errors
    /// When it cannot be used; nothing of it is.
    pub fn read(bytes: &[u8]) -> Result<Self, ProfileProblem> {
        if bytes.len() > BYTES_MAX {
            return Err(ProfileProblem::TooLarge(bytes.len()));
        }
        check_form(bytes)?;
        check_hash(bytes)?;
        let document = serde_json::from_slice::<Document<'_>>(bytes);
        document.map_err(|error| ProfileProblem::Unreadable(error.to_string()))?.profile()
    }
}

fn check_form(bytes: &[u8]) -> Result<(), ProfileProblem> {
    #[derive(Deserialize)]
    struct Form {
        jidoka_profile: u64,
    }
    if bytes.starts_with(HEAD) {
        return Ok(());
    }
    match serde_json::from_slice::<Form>(bytes) {
        Ok(Form { jidoka_profile: VERSION }) => Err(ProfileProblem::Damaged),
        Ok(Form { jidoka_profile }) => Err(ProfileProblem::OtherForm(jidoka_profile)),
        Err(_) => Err(ProfileProblem::NoProfile),
    }
}

fn check_hash(bytes: &[u8]) -> Result<(), ProfileProblem> {
    let mut content = bytes.to_vec();
    let digits = content.get_mut(HEAD.len()..HEAD.len() + NO_HASH.len()).ok_or(ProfileProblem::Damaged)?;
    let stated: Vec<u8> = digits.to_vec();
    digits.copy_from_slice(&NO_HASH);
    if Hash::of(&content).hex() == *stated { Ok(()) } else { Err(ProfileProblem::Damaged) }
}

/// A number read exactly: `serde_json` may round the last digit.
#[derive(Clone, Copy)]
struct Exact<T>(T);

impl<'de, T: FromStr> Deserialize<'de> for Exact<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        text.parse()
            .map(Self)
            .map_err(|_| D::Error::custom(format!("`{}` is no number here", text.chars().take(32).collect::<String>())))
    }
}

fn plain<T>(numbers: Vec<Exact<T>>) -> Vec<T> {
    numbers.into_iter().map(|Exact(number)| number).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    #[serde(rename = "jidoka_profile")]
    _form: u64,
    #[serde(rename = "content_hash")]
    _hash: &'a str,
    scoring: Option<&'a str>,
    #[serde(borrow)]
    provenance: ProvenanceDocument<'a>,
    rows: u64,
    #[serde(borrow)]
    features: Vec<FeatureDocument<'a>>,
    pairs: Vec<PairDocument>,
    copula: CopulaDocument,
    duplicates: DuplicatesDocument,
    calibration: Vec<Exact<f32>>,
    priorities: Vec<Exact<f32>>,
    confidences: Vec<Exact<f32>>,
    baseline: Option<Baseline>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProvenanceDocument<'a> {
    built_at: &'a str,
    #[serde(borrow)]
    files: Vec<FileDocument<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileDocument<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    sha256: &'a str,
    rows: u64,
}

/// A feature of any type: which members it has, depends on the type.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeatureDocument<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: TypeDocument,
    missing: u64,
    median: Option<Exact<f64>>,
    spread_low: Option<Exact<f64>>,
    spread_high: Option<Exact<f64>>,
    edges: Option<Vec<Exact<f64>>>,
    at: Option<Vec<u64>>,
    after: Option<Vec<u64>>,
    cuts: Option<Vec<Exact<f64>>>,
    levels: Option<Vec<String>>,
    counts: Option<Vec<u64>>,
    paired: Option<EcdfDocument>,
    residual: Option<EcdfDocument>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum TypeDocument {
    Number,
    Category,
    Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EcdfDocument {
    rows: Exact<f64>,
    excess: Exact<f64>,
    values: Vec<Exact<f32>>,
    at_least: Vec<Exact<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PairDocument {
    features: [u16; 2],
    counts: Vec<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CopulaDocument {
    features: Vec<u16>,
    correlations: Vec<Exact<f32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DuplicatesDocument {
    least: u64,
    vectors: Vec<u32>,
    counts: Vec<u64>,
}
