//! The review rules that a case carries from its opening on, as the sidecar needs them.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::document::parse_duration;

/// Who may do what with a case, and when time acts.
#[derive(Clone, PartialEq, Debug)]
pub struct Rules {
    /// The groups at opening.
    pub groups: Arc<[String]>,
    /// Whose members lead.
    pub leads: Arc<[String]>,
    /// How many different people must approve.
    pub quorum: u32,
    /// How long a claim lasts.
    pub lease: Duration,
    /// After which part of the time to `due_at` the case escalates; more than 0, at most 1.
    pub escalate_at: f64,
    /// The codes that may be given as a reason.
    pub reasons: Vec<String>,
    /// Whether a reviewer must judge before approving or rejecting.
    pub blind: bool,
}

#[derive(Deserialize)]
struct Wire {
    groups: Vec<String>,
    leads: Vec<String>,
    quorum: u32,
    lease: String,
    escalate_at: f64,
    reasons: Vec<String>,
    blind: bool,
}

impl Rules {
    /// Reads the member `review` of a case.
    ///
    /// # Errors
    /// With a sentence where it is none: somebody else wrote to the topic.
    pub fn read(json: &str) -> Result<Self, String> {
        let wire: Wire = serde_json::from_str(json).map_err(|error| format!("review: {error}"))?;
        let lease = parse_duration(&wire.lease).map_err(|why| format!("review.lease {:?}: {why}", wire.lease))?;
        Ok(Self {
            groups: wire.groups.into(),
            leads: wire.leads.into(),
            quorum: wire.quorum.max(1),
            lease,
            escalate_at: wire.escalate_at.clamp(0.0, 1.0),
            reasons: wire.reasons,
            blind: wire.blind,
        })
    }
}
