//! The gate as its users run it: real processes on a real Kafka, judged by an oracle that shares no code with them.
//!
//! ```text
//! events ─→ input topic ─→ process (the binary, killed and stopped as a test likes) ─→ topics ─→ books ─→ oracle
//! ```

mod admin;
mod audit;
mod books;
mod control;
mod events;
mod exactly_once;
mod faults;
mod identity;
mod oracle;
mod process;
mod reload;
mod replay;
mod stage;

pub use stage::POLICY;
