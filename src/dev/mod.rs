//! What `jidoka dev` shows: real events are played into a broker, a gate decides them, a watcher says what became of them.
//!
//! ```text
//! events ─→ player ─→ (input topic ─→ gate ─→ audit, reviews, dead-letters) ─→ watcher ─→ happenings, summary
//! (embedded data)                                                        (as any review tool would)
//! ```
//!
//! The gate in the middle is production's, with the policies of `config/policies/`. The watcher knows nothing that any review
//! tool could not read from the topics.

pub mod ages;
pub mod events;
pub mod happening;
pub mod kafka;
pub mod player;
pub mod summary;
pub mod trail;
pub mod watcher;

/// The policies that `dev` runs, as they stand in `config/policies/`: it works in any folder.
pub const POLICIES: [(&str, &str); 2] = [
    ("config/policies/adult-income.yaml", include_str!("../../config/policies/adult-income.yaml")),
    ("config/policies/credit-default.yaml", include_str!("../../config/policies/credit-default.yaml")),
];
