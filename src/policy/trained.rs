//! A training profile as a policy uses it: with the places where an event's values are found.

use std::sync::Arc;

use crate::event::{Event, Plain, Plan, Slot};
use crate::profile::{Baseline, Measured, Profile};
use crate::trigger::confidence::top_probability;

/// Opens the profile at the path that the policy in the first file names; or says why it cannot be had.
pub type Opener<'o> = dyn Fn(&str, &str) -> Result<Vec<u8>, String> + 'o;

/// Where the profiles that policies name come from.
#[derive(Clone, Copy)]
pub enum Profiles<'p> {
    /// From nowhere: a policy that names one is refused.
    None,
    /// What stands at the path that the policy in the first file names; or why it cannot be had.
    Files(&'p Opener<'p>),
    /// It is still to be built: the policy is read as if it were there.
    Unbuilt,
    /// It is being built and this is what there is: it is not asked whether it is finished.
    Building(&'p [u8]),
}

/// That of a profile without one.
static NO_BASELINE: Baseline = Baseline { attributes: Vec::new(), cells: Vec::new(), measures: Vec::new() };

/// See the module.
#[derive(Clone, PartialEq, Debug)]
pub struct Trained {
    profile: Arc<Profile>,
    features: Vec<Slot>,
    attributes: Vec<Slot>,
    /// Of the baseline's measures those that are features, with their slots.
    measures: Vec<Option<Slot>>,
}

impl Trained {
    /// The profile, whose members get slots in `plan`.
    #[must_use]
    pub fn new(profile: Profile, plan: &mut Plan) -> Self {
        let features = profile.features().iter().map(|feature| plan.feature(&feature.name)).collect();
        let baseline = profile.baseline().unwrap_or(&NO_BASELINE);
        let attributes = baseline.attributes.iter().map(|attribute| plan.protected(&attribute.name)).collect();
        let slot = |of: &Measured, plan: &mut Plan| match of {
            Measured::Feature(name) => Some(plan.feature(name)),
            Measured::Prediction | Measured::Confidence => None,
        };
        let measures = baseline.measures.iter().map(|measure| slot(&measure.of, plan)).collect();
        Self { profile: Arc::new(profile), features, attributes, measures }
    }

    /// The profile.
    #[must_use]
    pub const fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// The approved baseline.
    #[must_use]
    pub fn baseline(&self) -> &Baseline {
        self.profile.baseline().unwrap_or(&NO_BASELINE)
    }

    /// What the event says of the profile's feature at `place`.
    #[must_use]
    pub fn feature<'a>(&self, event: &Event<'a>, place: usize) -> Plain<'a> {
        self.features.get(place).map_or(Plain::Missing, |slot| event.plain_slot(*slot))
    }

    /// The subject's level of the baseline's attribute at `place`.
    #[must_use]
    pub fn level<'a>(&self, event: &Event<'a>, place: usize) -> Plain<'a> {
        self.attributes.get(place).map_or(Plain::Missing, |slot| event.plain_slot(*slot))
    }

    /// The subject's level of the attribute called `name`.
    #[must_use]
    pub fn level_of<'a>(&self, event: &Event<'a>, name: &str) -> Plain<'a> {
        let place = self.baseline().attributes.iter().position(|attribute| attribute.name == name);
        place.map_or(Plain::Missing, |place| self.level(event, place))
    }

    /// Appends the codes of the event's protected levels.
    pub fn code_levels(&self, event: &Event<'_>, codes: &mut Vec<u8>) {
        let attributes = self.baseline().attributes.iter().enumerate();
        codes.extend(attributes.map(|(place, attribute)| attribute.code(self.level(event, place))));
    }

    /// Appends the codes of what is watched for drift.
    pub fn code_measures(&self, event: &Event<'_>, codes: &mut Vec<u8>) {
        for (measure, slot) in self.baseline().measures.iter().zip(&self.measures) {
            let value = match (&measure.of, slot) {
                (_, Some(slot)) => event.plain_slot(*slot),
                (Measured::Prediction, None) => event.plain_prediction(),
                (_, None) => top_probability(event).map_or(Plain::Missing, Plain::Number),
            };
            codes.push(measure.bins.code(value));
        }
    }
}
