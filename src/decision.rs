//! The decision: a plain function of (event, policy, signals, now), with the time spent handed in.
//!
//! ```text
//! event, policy ─→ each trigger ─→ Measurement ─→ result (hit, miss, error, timeout, skipped) ─┬─→ outcome
//! control, age  ─→ built-in findings ─────────────────────────────────────────────────────────┴─→ priority: score, band
//! ```
//!
//! [`evaluate`] never fails. What cannot be measured is an `error` or a `timeout` of its trigger, and holds.

mod built_in;
mod capacity;
mod consulted;
mod evaluate;
mod fairness;
mod priority;
mod result;
mod unusual;

pub use built_in::BuiltIn;
pub use capacity::Rank;
pub use consulted::Consulted;
pub use evaluate::{Occasion, Signals, Subject, evaluate};
pub use priority::{Part, Priority};
use result::Telling;
pub use result::{RULE_SHOWN_BYTES, ResultKind, Told, TriggerRef, TriggerResult};
pub(crate) use unusual::told_bytes_max;

use std::time::Duration;

use crate::control::Mode;
use crate::signal::IncidentId;
use crate::tallies::EventHash;
use crate::trigger::anomaly::{Anomaly, Scratch};

/// What the automation may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Outcome {
    /// Go on.
    Released,
    /// Wait for a person.
    #[default]
    Held,
}

impl Outcome {
    /// The word in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Released => "RELEASED",
            Self::Held => "HELD",
        }
    }
}

/// What the `control` topic said when the decision was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ControlBasis {
    /// It was read to its end and this mode applied.
    Read(Mode),
    /// It was not known to be read to its end.
    Unreadable,
}

impl ControlBasis {
    /// The word in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read(mode) => mode.as_str(),
            Self::Unreadable => "unreadable",
        }
    }
}

/// One decision. Reused from event to event, so that deciding allocates nothing.
#[derive(Debug)]
pub struct Decision {
    /// May the automation go on?
    pub outcome: Outcome,
    /// Built-in findings, then every trigger's result that is not a plain miss (one without a reason), in the policy's order; samples last.
    pub results: Vec<TriggerResult>,
    /// Triggers of the unmeasured kinds that missed, as places in the policy's list.
    pub missed: Vec<usize>,
    /// What the contradiction triggers saw of their references, in the policy's order.
    pub consulted: Vec<Consulted>,
    /// How urgent a review would be; present on released decisions, too.
    pub priority: Priority,
    /// What `control` said.
    pub control: ControlBasis,
    /// Open incidents about a group that the subject belongs to.
    pub incidents: Vec<IncidentId>,
    /// Where its priority lies among those of the calibration; only under a policy with a profile.
    pub rank: Option<Rank>,
    /// How unlike the training data the input is; none where the policy has no such trigger, or it did not look.
    pub anomaly: Option<Anomaly>,
    /// Whether misses are told in detail, too, as whoever tries a policy out wants to see them. Stays as it is set.
    pub detailed: bool,
    /// It was held whatever the reviewers' capacity.
    pub mandatory: bool,
    /// Whether the prediction is favourable for the subject; none where the policy does not say it, or cannot.
    pub favourable: Option<bool>,
    /// The event's hash, by which ties are broken and labels that come late are joined; only under a policy with a profile.
    pub event: Option<EventHash>,
    /// What was found, in words, and what of it reviewers see in detail, as JSON: parts of these belong to results.
    told: Telling,
    scratch: Scratch,
    /// The event was older than the policy's `max_age`.
    pub late: bool,
    /// Time spent deciding.
    pub took: Duration,
}

impl Decision {
    /// Forgets the decision before; the buffers stay.
    fn clear(&mut self) {
        self.results.clear();
        self.missed.clear();
        self.consulted.clear();
        self.priority.parts.clear();
        self.incidents.clear();
        self.told.clear();
        self.rank = None;
        self.anomaly = None;
        self.mandatory = false;
        self.favourable = None;
        self.event = None;
    }
}

impl Default for Decision {
    fn default() -> Self {
        Self {
            outcome: Outcome::Held,
            results: Vec::new(),
            missed: Vec::new(),
            consulted: Vec::new(),
            priority: Priority::default(),
            control: ControlBasis::Unreadable,
            incidents: Vec::new(),
            rank: None,
            anomaly: None,
            detailed: false,
            mandatory: false,
            favourable: None,
            event: None,
            told: Telling::default(),
            scratch: Scratch::default(),
            late: false,
            took: Duration::ZERO,
        }
    }
}
