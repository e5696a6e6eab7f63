//! The training profile that a policy names.

use super::Known;
use crate::document::Field;
use crate::event::Plan;
use crate::identity::Hash;
use crate::policy::{Policy, Profiles, Trained, TriggerKind};
use crate::profile::Profile;

/// The longest path of a profile, in bytes.
const MAX_PATH: usize = 4_096;

/// What there is of a profile while the rest of its policy is read.
#[derive(Clone, Copy)]
pub(super) enum Profiled<'p> {
    /// The policy names none.
    No,
    /// It names one that is not there yet, or that is refused: nothing more is said about it.
    Unknown,
    /// This one.
    Yes(&'p Profile),
}

impl Profiled<'_> {
    /// The smallest p-value of an event that lies within the profile's calibration; none where that is not known yet.
    pub fn smallest_p(self) -> Option<f64> {
        match self {
            Self::No | Self::Unknown => None,
            Self::Yes(profile) => Some(1.0 / (profile.calibration().scores().len() as f64 + 1.0)),
        }
    }

    /// The places of the attributes called `names` in the profile's baseline.
    pub fn attributes(self, names: &[String]) -> Result<Vec<usize>, String> {
        match self {
            Self::No | Self::Unknown => Ok((0..names.len()).collect()),
            Self::Yes(profile) => names.iter().map(|name| place(profile, name)).collect(),
        }
    }
}

fn place(profile: &Profile, name: &str) -> Result<usize, String> {
    let attributes = profile.baseline().map_or(&[][..], |baseline| &baseline.attributes);
    attributes.iter().position(|attribute| attribute.name == name).ok_or_else(|| {
        let known: Vec<&str> = attributes.iter().map(|attribute| attribute.name.as_str()).collect();
        format!(
            "the profile's baseline has no attribute `{name}` ({}); build the profile anew with this policy",
            known.join(", ")
        )
    })
}

/// The outcome of [`read`].
pub(super) enum Found {
    /// The policy names none.
    Nothing,
    /// It names one that is not there yet, or is refused.
    Refused,
    /// The profile, and its bytes.
    Profile(Box<Trained>, Vec<u8>),
}

impl Found {
    pub fn at_hand(&self) -> Profiled<'_> {
        match self {
            Self::Nothing => Profiled::No,
            // One that is being built has no baseline yet.
            Self::Profile(trained, _) if trained.profile().baseline().is_some() => Profiled::Yes(trained.profile()),
            Self::Refused | Self::Profile(..) => Profiled::Unknown,
        }
    }

    /// SHA-256 of the policy file's bytes, then of its profile's.
    pub fn policy_hash(&self, text: &str) -> Hash {
        match self {
            Self::Nothing | Self::Refused => Hash::of(text.as_bytes()),
            Self::Profile(_, bytes) => Hash::of(&[text.as_bytes(), bytes].concat()),
        }
    }

    pub fn into_trained(self) -> Option<Trained> {
        match self {
            Self::Nothing | Self::Refused => None,
            Self::Profile(trained, _) => Some(*trained),
        }
    }
}

/// Reads the profile that stands at the path in `field`; its members get slots in `plan`.
pub(super) fn read(field: &Field<'_>, known: &Known<'_>, plan: &mut Plan) -> Found {
    let Some(path) = field.text(MAX_PATH) else { return if field.is_absent() { Found::Nothing } else { Found::Refused } };
    let bytes = match known.around.profiles {
        Profiles::None => Err("cannot be read here: the policy stands alone".to_owned()),
        Profiles::Files(open) => open(field.file(), &path),
        Profiles::Unbuilt => return Found::Refused,
        Profiles::Building(bytes) => Ok(bytes.to_vec()),
    };
    match bytes.and_then(|bytes| Profile::read(&bytes).map(|profile| (profile, bytes)).map_err(|problem| problem.to_string())) {
        Ok((profile, bytes)) => Found::Profile(Box::new(Trained::new(profile, plan)), bytes),
        Err(why) => {
            field.problem(format!("{path}: {why}"));
            Found::Refused
        }
    }
}

/// Whether the profile was built for what the policy asks of it.
pub(super) fn check(policy: &Policy, field: &Field<'_>, profiles: Profiles<'_>) {
    let Some(trained) = &policy.trained else { return };
    if matches!(profiles, Profiles::Building(_)) {
        return;
    }
    let profile = trained.profile();
    if profile.scoring().is_none() {
        return field.problem("is not finished: `jidoka profile build` did not come to its end; build it anew");
    }
    let watched = |trigger: &TriggerKind| matches!(trigger, TriggerKind::Fairness(_));
    if profile.scoring() != Some(policy.scoring_hash()) {
        field.problem(
            "was built for a policy that scores otherwise (other triggers, severities or `adverse`), so its calibration says \
             nothing about this one; build it anew with `jidoka profile build --policy` and this file",
        );
    } else if policy.capacity.is_some() && profile.priorities().is_empty() {
        field.problem("has no priorities, which `review.capacity` needs; build it anew with `jidoka profile build`");
    } else if policy.triggers.iter().any(|trigger| watched(&trigger.kind)) && trained.baseline().cells.is_empty() {
        field
            .problem("has no baseline of subgroups, which the fairness trigger needs; build it anew with `jidoka profile build`");
    }
}
