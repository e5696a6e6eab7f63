//! The policy file: which events it is for, what is checked on them, and how people review what was held.
//!
//! `files → `[`PolicySet::read`]` → the policies, checked completely → `[`PolicySet::matching`]` an event`
//!
//! A set is read as a whole or not at all, so a bad file never replaces a good one. What a later version brings is
//! refused by name: a policy that asks for a check which is not made must not look as if it were.

pub mod expression;
mod read;
mod review;
mod trigger;

pub use expression::{Expression, Failure, Mistake};
pub use review::{Band, BandLimits, FallbackReview, ReviewRules};
pub use trigger::{Confidence, Limit, Measure, Missed, Trigger, TriggerKind};

use std::time::Duration;

use crate::document::{Map, Place, Problem, Problems, parse};
use crate::identity::Hash;

/// So many policies may be active at once.
pub const MAX_POLICIES: usize = 256;

/// One policy file.
#[derive(Clone, PartialEq, Debug)]
pub struct Policy {
    /// Its name: what decisions, metrics and `control` call it.
    pub name: String,
    /// The version that its author gave it; what identifies it is `hash`.
    pub version: Option<String>,
    /// SHA-256 of the file's bytes.
    pub hash: Hash,
    /// Which events it is for.
    pub matches: Match,
    /// What is checked, in the order of the file; at least one.
    pub triggers: Vec<Trigger>,
    /// How held decisions are reviewed.
    pub review: ReviewRules,
    /// The age of an event from which its decision counts as late; never where there is none.
    pub max_age: Option<Duration>,
    /// What being late means for the decision.
    pub on_late: OnLate,
}

/// What follows when an event is older than the policy's `max_age`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnLate {
    /// Decide as ever, so that catching up after an outage does not flood the reviewers; the decision says `late`.
    #[default]
    Decide,
    /// Hold it.
    Hold,
}

/// Which events a policy is for: each part that is given must be equal.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Match {
    /// Name of the source.
    pub source: Option<String>,
    /// Name of the model.
    pub model: Option<String>,
    /// Version of the model; an event without one does not match.
    pub version: Option<String>,
}

impl Match {
    /// How much the match says: a model's version outweighs its name, and both outweigh the source. Of two matches that
    /// fit the same event one says more, unless they are equal.
    #[must_use]
    pub fn specificity(&self) -> u8 {
        u8::from(self.version.is_some()) * 4 + u8::from(self.model.is_some()) * 2 + u8::from(self.source.is_some())
    }

    /// Whether an event of this source, model and version fits.
    #[must_use]
    pub fn fits(&self, source: &str, model: &str, version: Option<&str>) -> bool {
        self.source.as_deref().is_none_or(|wanted| wanted == source)
            && self.model.as_deref().is_none_or(|wanted| wanted == model)
            && self.version.as_deref().is_none_or(|wanted| version == Some(wanted))
    }
}

/// The policies that are active together.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PolicySet {
    /// The most specific first.
    policies: Vec<Policy>,
}

impl PolicySet {
    /// Reads all policies from `files` of (name, text). What a policy leaves open about who reviews comes from
    /// `fallback`.
    ///
    /// # Errors
    /// Everything that is wrong in any of the files, and policies that have the same name or match equally.
    pub fn read(files: &[(String, String)], fallback: &FallbackReview) -> Result<Self, Vec<Problem>> {
        let problems = Problems::default();
        if let Some((file, _)) = files.get(MAX_POLICIES) {
            problems.add(Problem::new(&Place::whole(file), "", format!("at most {MAX_POLICIES} policies can be active at once")));
        }
        let mut read: Vec<(&str, Policy)> = Vec::new();
        for (file, text) in files.iter().take(MAX_POLICIES) {
            match parse(file, text) {
                Err(found) => problems.extend(found),
                Ok(document) => {
                    let hash = Hash::of(text.as_bytes());
                    let policy = Map::of_document(&document, &problems, |root| read::policy(root, hash, fallback, &read));
                    read.push((file, policy));
                }
            }
        }
        let mut policies: Vec<Policy> = read.into_iter().map(|(_, policy)| policy).collect();
        policies.sort_by_key(|policy| std::cmp::Reverse(policy.matches.specificity()));
        problems.finish(Self { policies })
    }

    /// The most specific policy that fits an event; `None` means that the event is held by `no-policy`. Called for every
    /// event; allocates nothing.
    #[must_use]
    pub fn matching(&self, source: &str, model: &str, model_version: Option<&str>) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.matches.fits(source, model, model_version))
    }

    /// All policies, the most specific first.
    #[must_use]
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }
}

#[cfg(test)]
mod tests;
