//! The sidecar as its users run it: real processes and a crew of reviewers on a real Kafka, judged by an oracle that replays
//! every verdict and shares no code with them.
//!
//! ```text
//! events ─→ gate ─→ cases ─→ office, reviewers ─→ verdicts ─→ sidecar (killed, stopped, doubled) ─→ topics ─→ books ─→ oracle
//! ```

mod crashes;
mod lives;
mod office;
mod oracle;
mod refusals;
mod reviewers;
mod surroundings;
mod terminal;
mod time;
mod topics;
