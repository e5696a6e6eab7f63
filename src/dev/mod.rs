//! What `jidoka dev` shows: real events are played into a broker, a gate decides them, a monitor watches all decisions together,
//! a crew reviews what is held, a sidecar applies their verdicts, a watcher says what became of it all.
//!
//! ```text
//! events ─→ player ─→ (input ─→ gate ─→ audit, reviews, dead-letters, cases) ─→ watcher ─→ happenings, summary, cases
//! (embedded data)               ↑ └─→ tallies ─→ monitor ─→ audit            └─→ crew
//!                               └── signals ────────┘ ↑                             │
//!                     (verdicts ─→ sidecar ─→ audit, cases; control) ←─────────────┘
//! ```
//!
//! Gate, monitor and sidecar in the middle are production's, with the policies of `config/policies/` and a customer file that is
//! taken from the events. Watcher and crew know and do nothing that any review tool could not, by the topics alone.

pub mod ages;
pub mod cases;
pub mod crew;
pub mod docket;
pub mod events;
pub mod happening;
pub mod kafka;
pub mod player;
pub mod policies;
pub mod summary;
pub mod trail;
pub mod watcher;
