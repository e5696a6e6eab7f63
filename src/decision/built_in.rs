//! Findings that no policy lists: what jidoka itself always checks.

use crate::event::Code;

/// A built-in finding. Always holds; its risk is [`BuiltIn::RISK`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BuiltIn {
    /// The record could not be read as an event.
    Unreadable(Code),
    /// No policy matches the event.
    NoPolicy,
    /// The same event came before with other bytes.
    ConflictingDuplicate,
    /// An operator ordered `hold`.
    Stopped,
    /// `control` or `signals` could not be read to their end lately.
    ControlUnreadable,
    /// Operators activated a policy file that this gate does not have.
    PolicyMissing,
    /// Its priority is among the share that reviewers can look at. Adds nothing to the priority, of which it follows.
    Capacity,
    /// The event was older than `max_age` and the policy says `on_late: hold`.
    Late,
}

impl BuiltIn {
    /// Risk that a built-in finding adds to the priority (contract, section 6).
    pub const RISK: f64 = 0.7;

    /// The finding's id in records.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::NoPolicy => "no-policy",
            Self::ConflictingDuplicate => "conflicting-duplicate",
            Self::Stopped => "stopped",
            Self::ControlUnreadable => "control-unreadable",
            Self::PolicyMissing => "policy-missing",
            Self::Capacity => "capacity",
            Self::Late => "late",
        }
    }

    /// Why it holds: in the audit entry, so without anything of the event.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unreadable(code) => code.as_str(),
            Self::NoPolicy => "no policy matches this source and model",
            Self::ConflictingDuplicate => "the same event came before with other content",
            Self::Stopped => "an operator ordered that everything is held",
            Self::ControlUnreadable => "the operators' orders or the monitor's signals could not be read",
            Self::PolicyMissing => "the policy file that operators activated is not loaded here",
            Self::Capacity => "its priority is among the share that reviewers can look at",
            Self::Late => "the event was older than the policy allows when it was decided",
        }
    }

    /// Why it holds, as a sentence for the reviewer.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Unreadable(_) => {
                "The record could not be read as an inference event; its original bytes are in the dead letters."
            }
            Self::NoPolicy => "No policy matches this source and model.",
            Self::ConflictingDuplicate => "The same event id came before with other content.",
            Self::Stopped => "An operator ordered that everything is held.",
            Self::ControlUnreadable => {
                "The operators' orders or the monitor's signals could not be read, so nothing is released."
            }
            Self::PolicyMissing => "The policy file that operators activated is not loaded here.",
            Self::Capacity => "Its priority is among the share of decisions that reviewers can look at.",
            Self::Late => "The event was older than the policy allows when it was decided.",
        }
    }
}
