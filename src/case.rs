//! The case: a held decision on its way through people's hands.
//!
//! ```text
//! held decision ─→ write_opening ─→ cases, reviews
//!                                     └─→ CaseReader ─→ Case ─┬─ judge(command) ─→ Step, or Refusal
//!                                            verdict ─→ Command ┘       └─ take, seal ─→ Case ─→ write ─→ cases, archive
//!                                               time ─→ due ─→ Step ────────┘
//! ```
//!
//! What may happen in which state, and which entry it writes; `–` is refused as `illegal-transition`. A test holds this table
//! against [`transition`]:
//!
//! | move | PENDING | UNDER_REVIEW | APPROVED | REJECTED | EXPIRED | CANCELLED |
//! |---|---|---|---|---|---|---|
//! | claim | CLAIMED → UNDER_REVIEW | – | – | – | – | – |
//! | unclaim | – | UNCLAIMED → PENDING | – | – | – | – |
//! | judge | JUDGED | JUDGED | – | – | – | – |
//! | approve, below quorum | VOTED | VOTED | – | – | – | – |
//! | approve | APPROVED → APPROVED | APPROVED → APPROVED | – | – | – | – |
//! | reject | REJECTED → REJECTED | REJECTED → REJECTED | – | – | – | – |
//! | escalate | ESCALATED | ESCALATED → PENDING | – | – | – | – |
//! | reassign to a person | REASSIGNED → UNDER_REVIEW | REASSIGNED | – | – | – | – |
//! | reassign to a group | REASSIGNED | REASSIGNED → PENDING | – | – | – | – |
//! | comment | COMMENTED | COMMENTED | – | – | – | – |
//! | unmask | UNMASKED | UNMASKED | – | – | – | – |
//! | cancel | CANCELLED → CANCELLED | CANCELLED → CANCELLED | – | – | – | – |
//! | (lease over) | – | UNCLAIMED → PENDING | – | – | – | – |
//! | (time to escalate) | ESCALATED | ESCALATED → PENDING | – | – | – | – |
//! | (time is up) | EXPIRED → EXPIRED | EXPIRED → EXPIRED | – | – | – | – |

mod apply;
mod command;
mod deadline;
mod findings;
mod opening;
mod reader;
mod record;
mod rules;
mod state;

pub use apply::{CommandsMax, Step};
pub use command::{Action, Command, CommandBounds, CommandId, Refusal, Unread};
pub use opening::{EventCopy, Opening, write_opening};
pub use reader::CaseReader;
pub use record::{Case, Comment, Common, Judgement, Opened, Standing, View, Vote};
pub use rules::Rules;
pub use state::{Kind, Move, State, transition};

#[cfg(test)]
mod tests;
