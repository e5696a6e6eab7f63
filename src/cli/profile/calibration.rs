//! Calibration events: which features there are, how unusual usual events are, and what the policy makes of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::training::Cells;
use crate::cli::lines::{Input, Lines};
use crate::cli::terminal::{Exit, Stopped, progress, thousands};
use crate::config::read_policy_for_profile;
use crate::control::ControlView;
use crate::decision::{Decision, Occasion, Signals, Subject, evaluate};
use crate::event::{Decoder, Event, Limits, Plain, Plan, Slot};
use crate::identity::{DecisionId, RecordId};
use crate::policy::{FallbackReview, Policy, PolicySet, Profiles, TriggerKind};
use crate::profile::{BaselineBuilder, Feature, Judged, Kind, Measured, Profile, Shape};
use crate::reference::NoReferences;
use crate::trigger::anomaly::{Scratch, score};
use crate::trigger::confidence::top_probability;

/// With fewer events p-values mean nothing.
pub(super) const EVENTS_MIN: u64 = 100;
/// With fewer they are coarse.
pub(super) const EVENTS_GOOD: u64 = 1_000;
/// What a decision's id is made of where the policy matches any source.
const SOURCE: &str = "calibration";

/// A file of calibration events, of which those count that the policy matches.
pub(super) struct CalibrationFile<'a> {
    pub path: &'a Path,
    pub policy: &'a Policy,
}

/// What the events look like.
pub(super) struct Surveyed {
    /// The features, in the order of their names.
    pub features: Vec<(String, Cells)>,
    /// Events that the policy matches.
    pub events: u64,
    pub warnings: Vec<String>,
}

/// How often a feature has values of each type.
#[derive(Clone, Copy, Default)]
struct Types {
    numbers: u64,
    texts: u64,
    truths: u64,
}

impl Types {
    /// What most of its values are; none where it never has one.
    fn cells(self) -> Option<Cells> {
        let Self { numbers, texts, truths } = self;
        match numbers + texts + truths {
            0 => None,
            all if numbers * 2 >= all => Some(Cells::Numbers),
            _ if truths > texts => Some(Cells::Truths),
            _ => Some(Cells::Texts),
        }
    }

    fn are_mixed(self) -> bool {
        [self.numbers, self.texts, self.truths].iter().filter(|count| **count > 0).count() > 1
    }
}

impl Cells {
    /// The kind of a feature with such cells.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Numbers => Kind::Number,
            Self::Texts | Self::Truths => Kind::Category,
        }
    }
}

impl CalibrationFile<'_> {
    /// Finds the features.
    pub fn survey(&self) -> Result<Surveyed, Stopped> {
        #[derive(Deserialize)]
        struct Features {
            #[serde(default)]
            features: Option<BTreeMap<String, Value>>,
        }
        let (mut types, mut events, mut lines) = (BTreeMap::<String, Types>::new(), 0, 0_u64);
        self.each("calibration events, features", &Arc::default(), |line, event| {
            lines = line;
            events += 1;
            let features: Features = serde_json::from_slice(event.bytes())
                .map_err(|error| Stopped::failed(format!("{}, line {line}: {error}", self.path.display())))?;
            for (name, value) in features.features.unwrap_or_default() {
                let of = types.entry(name).or_default();
                match value {
                    Value::Number(_) => of.numbers += 1,
                    Value::String(_) => of.texts += 1,
                    Value::Bool(_) => of.truths += 1,
                    Value::Null | Value::Array(_) | Value::Object(_) => {}
                }
            }
            Ok(())
        })?;
        if events < EVENTS_MIN {
            let name = self.path.display();
            return Err(Stopped::failed(format!(
                "{name} has {events} events that the policy matches; a calibration takes at least {EVENTS_MIN}, and should have {} or more",
                thousands(EVENTS_GOOD)
            )));
        }
        let mut warnings = Vec::new();
        for (name, of) in &types {
            match of.cells() {
                None => warnings.push(format!("`{name}` never has a value in the calibration events: it is left out")),
                Some(_) if of.are_mixed() => {
                    warnings.push(format!("`{name}` has values of several types in the calibration events: most of them count"));
                }
                Some(_) => {}
            }
        }
        if events < EVENTS_GOOD {
            warnings.push(format!(
                "{events} calibration events make p-values coarse, none below 1/{}: {} or more are better",
                events + 1,
                thousands(EVENTS_GOOD)
            ));
        }
        let features = types.into_iter().filter_map(|(name, of)| Some((name, of.cells()?))).collect();
        Ok(Surveyed { features, events, warnings })
    }

    /// The anomaly score of each event, and what is worth a warning.
    pub fn scores(&self, profile: &Profile) -> Result<(Vec<f32>, Vec<String>), Stopped> {
        let mut plan = Plan::default();
        let slots: Vec<Slot> = profile.features().iter().map(|feature| plan.feature(&feature.name)).collect();
        let (mut scratch, mut scores) = (Scratch::default(), Vec::new());
        let mut strange = vec![0_u64; slots.len()];
        self.each("calibration events, scores", &Arc::new(plan), |_, event| {
            scores.push(score(profile, |place| event.plain_slot(slots[place]), &mut scratch).score);
            for ((feature, slot), strange) in profile.features().iter().zip(&slots).zip(&mut strange) {
                *strange += u64::from(is_strange(&feature.shape, event.plain_slot(*slot)));
            }
            Ok(())
        })?;
        let many = profile.features().iter().zip(strange).filter(|(_, strange)| strange * 10 > scores.len() as u64);
        let warning = |(feature, strange): (&Feature, u64)| {
            let (name, strange) = (&feature.name, thousands(strange));
            format!("`{name}` has values in {strange} calibration events that the training never has: are both written alike?")
        };
        let warnings = many.map(warning).collect();
        Ok((scores, warnings))
    }

    /// Calls `each` with every event that the policy matches, and its line from 1.
    fn each(
        &self,
        doing: &str,
        plan: &Arc<Plan>,
        mut each: impl FnMut(u64, &Event<'_>) -> Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        let unreadable = |error: std::io::Error| Stopped::failed(format!("Cannot read {}: {error}", self.path.display()));
        let mut lines = Lines::open(&Input::File(self.path.to_owned())).map_err(unreadable)?;
        let mut decoder = Decoder::new(Arc::clone(plan), Limits::default());
        let bar = progress(None, doing);
        let mut number = 0;
        while let Some(chunk) = lines.next_chunk().map_err(unreadable)? {
            for line in chunk.lines() {
                number += 1;
                if line.is_empty() {
                    continue;
                }
                let event = decoder.decode(line).map_err(|unreadable| {
                    let why = unreadable.detail;
                    Stopped::failed(format!("{}, line {}: {why}", self.path.display(), thousands(number)))
                })?;
                let matches = &self.policy.matches;
                let source = matches.source.as_deref().unwrap_or(SOURCE);
                if matches.fits(source, event.model_name(), event.model_version()) {
                    each(number, &event)?;
                    bar.inc(1);
                }
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// What the policy at `path` makes of the events, with `profile`, which is calibrated already.
    pub fn judged(&self, path: &Path, profile: &Profile) -> Result<Judged, Stopped> {
        let mut bytes = Vec::new();
        profile.write(&mut bytes);
        let set = read_policy(path, Profiles::Building(&bytes))?;
        let [policy] = set.policies() else { return Err(Stopped::failed("the policy is not one any more")) };
        let decisions = self.decide(&set, policy)?;
        let mut judged = Judged { scoring: Some(policy.scoring_hash()), ..self.baseline(policy, profile, &decisions)? };
        judged.priorities = decisions.iter().map(|decision| decision.priority).collect();
        Ok(judged)
    }

    /// Decides each event as a gate would, with nothing ordered and nothing known of the monitor. Trusted records are not at
    /// hand, so contradictions are left out, as they are of the scoring's hash.
    fn decide(&self, set: &PolicySet, policy: &Policy) -> Result<Vec<Decided>, Stopped> {
        let (control, mut decision, mut decided) = (ControlView::default(), Decision::default(), Vec::new());
        let band = FallbackReview::default().band;
        let signals = Signals { control: Some(&control), monitor: None, fallback_band: band, references: &NoReferences };
        let mut policy = policy.clone();
        policy.triggers.retain(|trigger| !matches!(trigger.kind, TriggerKind::Contradiction(_)));
        let source = self.policy.matches.source.as_deref().unwrap_or(SOURCE);
        self.each("calibration events, decisions", set.plan(), |line, event| {
            let now = event.timestamp().unwrap_or_default();
            let offset = i64::try_from(line).unwrap_or(i64::MAX) - 1;
            let id = DecisionId::of(RecordId { source, partition: 0, offset, appended_at_ms: now.0, row: 0 });
            let occasion = Occasion { id, appended_at: event.timestamp(), now };
            let subject = Subject::Event { event, policy: Some(&policy), conflicting: false };
            evaluate(subject, occasion, signals, &mut || Duration::ZERO, &mut decision);
            let priority = decision.rank.map_or(f32::NAN, |rank| rank.priority);
            decided.push(Decided { priority, favourable: decision.favourable });
            Ok(())
        })?;
        Ok(decided)
    }

    /// Rates of subgroups and distributions, and confidences.
    fn baseline(&self, policy: &Policy, profile: &Profile, decisions: &[Decided]) -> Result<Judged, Stopped> {
        let mut plan = Plan::default();
        let names = attributes(policy);
        let protected: Vec<Slot> = names.iter().map(|name| plan.protected(name)).collect();
        let features: Vec<Slot> = profile.features().iter().map(|feature| plan.feature(&feature.name)).collect();
        let plan = Arc::new(plan);
        let of_features = profile.features().iter().map(|feature| Measured::Feature(feature.name.clone()));
        let measures = of_features.chain([Measured::Prediction, Measured::Confidence]).collect();
        let mut builder = BaselineBuilder::new(names, measures);
        let mut confidences = Vec::new();
        self.each("calibration events, distributions", &plan, |_, event| {
            let confidence = top_probability(event);
            #[expect(clippy::cast_possible_truncation, reason = "profiles keep confidences in single precision")]
            confidences.extend(confidence.map(|confidence| confidence as f32));
            builder.see(levels(event, &protected), values(event, &features));
            Ok(())
        })?;
        let (mut count, mut decisions) = (builder.freeze(), decisions.iter());
        self.each("calibration events, subgroups", &plan, |_, event| {
            let favourable = decisions.next().and_then(|decided| decided.favourable);
            count.count(levels(event, &protected), values(event, &features), favourable);
            Ok(())
        })?;
        Ok(Judged { confidences, baseline: Some(count.finish()), ..Judged::default() })
    }
}

/// Whether a value of a category is none of its levels in training.
fn is_strange(shape: &Shape, value: Plain<'_>) -> bool {
    matches!((shape, value), (Shape::Category(shape), Plain::Text(text)) if shape.find(text).is_none())
}

/// What the policy says of one event.
struct Decided {
    priority: f32,
    favourable: Option<bool>,
}

/// The protected attributes that the policy's fairness trigger watches.
fn attributes(policy: &Policy) -> Vec<String> {
    let fairness = policy.triggers.iter().find_map(|trigger| match &trigger.kind {
        TriggerKind::Fairness(fairness) => Some(fairness.names.clone()),
        _ => None,
    });
    fairness.unwrap_or_default()
}

fn levels<'a>(event: &Event<'a>, protected: &[Slot]) -> impl Iterator<Item = Plain<'a>> {
    protected.iter().map(|slot| event.plain_slot(*slot))
}

fn values<'a>(event: &Event<'a>, features: &[Slot]) -> impl Iterator<Item = Plain<'a>> {
    let confidence = top_probability(event).map_or(Plain::Missing, Plain::Number);
    features.iter().map(|slot| event.plain_slot(*slot)).chain([event.plain_prediction(), confidence])
}

/// Reads the policy alone, with a profile in the making. Mistakes are said here.
pub(super) fn read_policy(path: &Path, profiles: Profiles<'_>) -> Result<PolicySet, Stopped> {
    read_policy_for_profile(path, &FallbackReview::default(), profiles).map_err(|problems| {
        crate::cli::report_problems(&problems);
        Stopped::silently(Exit::Usage)
    })
}
