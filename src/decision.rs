//! The decision: a plain function of (event, policy, signals, now), with the time spent handed in.
//!
//! ```text
//! event, policy ─→ each trigger ─→ Measurement ─→ result (hit, miss, error, timeout, skipped) ─┬─→ outcome
//! control, age  ─→ built-in findings ─────────────────────────────────────────────────────────┴─→ priority: score, band
//! ```
//!
//! [`evaluate`] never fails. What cannot be measured is an `error` or a `timeout` of its trigger, and holds.

mod built_in;
mod consulted;
mod evaluate;
mod priority;
mod result;

pub use built_in::BuiltIn;
pub use consulted::Consulted;
pub use evaluate::{Occasion, Signals, Subject, evaluate};
pub use priority::{Part, Priority};
pub use result::{RULE_SHOWN_BYTES, ResultKind, TriggerRef, TriggerResult};

use std::time::Duration;

use crate::control::Mode;

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
    /// The event was older than the policy's `max_age`.
    pub late: bool,
    /// Time spent deciding.
    pub took: Duration,
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
            late: false,
            took: Duration::ZERO,
        }
    }
}
