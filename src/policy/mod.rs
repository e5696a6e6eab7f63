//! The policy file: which events it is for, what is checked on them, and how people review what was held.
//!
//! `files → `[`PolicySet::read`]` → the policies, checked completely → `[`PolicySet::choose`]` for an event`
//!
//! A set is read as a whole or not at all, so a bad file never replaces a good one. What a later version brings is
//! refused by name: a policy that asks for a check which is not made must not look as if it were.

mod candidate;
mod contradiction;
pub mod expression;
mod read;
mod review;
mod scoring;
mod trained;
mod trigger;

pub use candidate::Candidate;
pub use contradiction::{
    ABS_TOL, Aliases, COMPARISONS_MAX, Comparison, ComparisonKind, Contradiction, EventField, OnAbsent, REL_TOL,
};
pub use expression::{Expression, Failure, Mistake, World};
pub use review::{Band, BandLimits, FallbackReview, GroupRule, ReviewRules, Sight};
pub use trained::{Profiles, Trained};
pub use trigger::{Anomaly, Confidence, Fairness, Limit, Measure, Missed, Sample, Trigger, TriggerKind};

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::document::{Map, Place, Problem, Problems, parse};
use crate::event::Plan;
use crate::identity::{DecisionId, Hash};

/// So many policies may be active at once.
pub const MAX_POLICIES: usize = 256;

/// What is known around policies when they are read.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// What policies may leave open about who reviews.
    pub fallback: &'a FallbackReview,
    /// The names of the references, where they are known: a policy that names another is refused.
    pub references: Option<&'a [&'a str]>,
    /// Where training profiles come from.
    pub profiles: Profiles<'a>,
}

/// One policy file.
#[derive(Clone, PartialEq, Debug)]
pub struct Policy {
    /// Its name: what decisions, metrics and `control` call it.
    pub name: String,
    /// The version that its author gave it; what identifies it is `hash`.
    pub version: Option<String>,
    /// SHA-256 of the file's bytes and then of its profile's, where it has one.
    pub hash: Hash,
    /// Its place in the set, from 0: an index for whoever keeps something by policy.
    pub place: usize,
    /// Which events it is for.
    pub matches: Match,
    /// The policy that it may come to replace, where it is only tried.
    pub candidate: Option<Candidate>,
    /// What is bad for the subject: such decisions are held while an incident about the subject's group is open.
    pub adverse: Option<Expression>,
    /// What the model's inputs and answers look like when all is well.
    pub trained: Option<Trained>,
    /// What is checked, in the order of the file; at least one.
    pub triggers: Vec<Trigger>,
    /// How held decisions are reviewed.
    pub review: ReviewRules,
    /// The share of decisions that reviewers can look at: the riskiest are held, instead of every hit.
    pub capacity: Option<f64>,
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

/// Who decides about an event.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Choice<'a> {
    /// The policy whose decision counts; none means that the event is held by `no-policy`.
    pub policy: Option<&'a Policy>,
    /// The other one of the two, where the policy has a candidate: evaluated beside, obeyed by nobody.
    pub shadow: Option<&'a Policy>,
}

/// The policies that are active together, and what of an event they read.
#[derive(Clone, Debug, Default)]
pub struct PolicySet {
    /// Those that match events, the most specific first; then the candidates.
    policies: Vec<Policy>,
    /// How many match events.
    matching: usize,
    /// The place of each matching policy's candidate.
    candidates: Vec<Option<usize>>,
    plan: Arc<Plan>,
}

impl PolicySet {
    /// Reads all policies from `files` of (name, text). What a policy leaves open about who reviews comes from
    /// `fallback`.
    ///
    /// # Errors
    /// Everything that is wrong in any of the files, and policies that have the same name or match equally.
    pub fn read(files: &[(String, String)], fallback: &FallbackReview) -> Result<Self, Vec<Problem>> {
        Self::read_with(files, Around { fallback, references: None, profiles: Profiles::None })
    }

    /// [`PolicySet::read`] with what is known around it.
    ///
    /// # Errors
    /// As there. A policy that names an unknown reference is a mistake, too, and so is a training profile that cannot be read,
    /// is damaged, or does not fit its policy.
    pub fn read_with(files: &[(String, String)], around: Around<'_>) -> Result<Self, Vec<Problem>> {
        let problems = Problems::default();
        if let Some((file, _)) = files.get(MAX_POLICIES) {
            problems.add(Problem::new(&Place::whole(file), "", format!("at most {MAX_POLICIES} policies can be active at once")));
        }
        let mut plan = Plan::default();
        let mut read: Vec<(&str, Policy)> = Vec::new();
        for (file, text) in files.iter().take(MAX_POLICIES) {
            match parse(file, text) {
                Err(found) => problems.extend(found),
                Ok(document) => {
                    let known = read::Known { text, around, earlier: &read };
                    let reader = |root: &Map<'_>| read::policy(root, &known, &mut plan);
                    let policy = Map::of_document(&document, &problems, reader);
                    read.push((file, policy));
                }
            }
        }
        candidate::check(&read, &problems);
        for (file, text) in files {
            problems.point_into(file, text);
        }
        problems.finish(Self::of(read.into_iter().map(|(_, policy)| policy).collect(), plan))
    }

    fn of(mut policies: Vec<Policy>, plan: Plan) -> Self {
        policies.sort_by_key(|policy| (policy.candidate.is_some(), std::cmp::Reverse(policy.matches.specificity())));
        for (place, policy) in policies.iter_mut().enumerate() {
            policy.place = place;
        }
        let matching = policies.iter().take_while(|policy| policy.candidate.is_none()).count();
        let (decided, tried) = policies.split_at(matching);
        let of = |policy: &Policy| tried.iter().find(|candidate| candidate.is_for(&policy.name)).map(|found| found.place);
        let candidates = decided.iter().map(of).collect();
        Self { policies, matching, candidates, plan: Arc::new(plan) }
    }

    /// Who decides about the event that the decision `id` is about. Called for every event; allocates nothing.
    #[must_use]
    pub fn choose(&self, (source, model, version): (&str, &str, Option<&str>), id: DecisionId) -> Choice<'_> {
        let Some(policy) = self.matching(source, model, version) else { return Choice { policy: None, shadow: None } };
        let candidate = self.candidates[policy.place].map(|place| &self.policies[place]);
        match candidate {
            Some(candidate) if candidate.draws(id) => Choice { policy: Some(candidate), shadow: Some(policy) },
            _ => Choice { policy: Some(policy), shadow: candidate },
        }
    }

    /// The most specific policy that fits an event, candidates apart.
    #[must_use]
    pub fn matching(&self, source: &str, model: &str, model_version: Option<&str>) -> Option<&Policy> {
        self.policies[..self.matching].iter().find(|policy| policy.matches.fits(source, model, model_version))
    }

    /// The candidate of `policy`, a matching one of this set, where it has one.
    #[must_use]
    pub fn candidate(&self, policy: &Policy) -> Option<&Policy> {
        self.candidates.get(policy.place).copied().flatten().map(|place| &self.policies[place])
    }

    /// The names of the references that the policies compare with, each once.
    #[must_use]
    pub fn references(&self) -> BTreeSet<&str> {
        let triggers = self.policies.iter().flat_map(|policy| &policy.triggers);
        let of = triggers.filter_map(|trigger| match &trigger.kind {
            TriggerKind::Contradiction(rule) => Some(rule.reference.as_str()),
            _ => None,
        });
        of.collect()
    }

    /// All policies, in the order of their places.
    #[must_use]
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// The members of an event's maps that the policies read: what a decoder must know before their expressions are asked.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }
}

#[cfg(test)]
mod tests;
