//! What is watched of a policy follows from the policy and its profile.

use std::sync::Arc;

use super::{DuplicateTerms, FairnessTerms, WatchTerms};
use crate::policy::{Policy, TriggerKind};

impl WatchTerms {
    /// Those of `policy`, of whose events so many are remembered for late labels; none where it has no profile, since there is
    /// nothing then to hold its events against.
    #[must_use]
    pub fn of(policy: &Policy, window: usize) -> Option<Self> {
        let profile = policy.trained.as_ref()?.profile();
        let baseline = Arc::new(profile.baseline()?.clone());
        let (mut fairness, mut alpha) = (None, None);
        for trigger in &policy.triggers {
            match &trigger.kind {
                TriggerKind::Fairness(settings) => {
                    let events_between_false_alarms = settings.events_between_false_alarms;
                    fairness = Some(FairnessTerms { attributes: settings.attributes.clone(), events_between_false_alarms });
                }
                TriggerKind::Anomaly(settings) if settings.recalibrate => alpha = Some(settings.alpha),
                _ => {}
            }
        }
        let duplicates = profile.duplicates();
        let duplicates = DuplicateTerms { rows: profile.rows(), most: duplicates.vectors.clone(), others: duplicates.at_most(0) };
        Some(Self {
            policy: policy.name.clone(),
            policy_hash: policy.hash,
            baseline,
            fairness,
            capacity: policy.capacity,
            alpha,
            duplicates,
            window,
        })
    }
}
