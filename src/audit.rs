//! The audit entry and its chain: immutable records in which a change or an omission shows.
//!
//! ```text
//! decision ────────→ write_decided ─┬→ bytes ─┬────────────────────────→ audit topic
//! change of a case → write_change ──┘         └─ entry_hash ─→ Chain ─┐
//!                         ↑                                           │
//!                         └───────────── the hash before ─────────────┘
//! ```
//!
//! An entry's bytes are written once; those bytes are hashed ([`entry_hash`]) and sent. Each entry names the hash of the one
//! that its writer wrote before ([`Chain`]), so whoever holds a later hash holds all earlier entries.

mod chain;
mod change;
mod choice;
mod entry;
pub mod export;
mod head;
mod incident;
pub mod verify;

pub use chain::{Chain, ChainHead, ChainLink};
pub use change::{Change, Ordered, Refused, VerdictPlace, text_hash, write_change, write_refused};
pub use choice::{Choice, Chooser};
pub use entry::{
    AppendTimeType, Decided, Duplicate, Gap, GapCause, InputRecord, Shadow, write_decided, write_decided_in_detail,
    write_duplicate, write_gap,
};
pub use head::{HeadSigner, SignedHead};
pub use incident::{IncidentChange, IncidentEntry, write_incident};

use crate::identity::Hash;

/// The hash by which later entries name this one: SHA-256 over `jidoka/audit/1`, a zero byte and the stored bytes.
#[must_use]
pub fn entry_hash(stored: &[u8]) -> Hash {
    Hash::in_domain("jidoka/audit/1", stored)
}
