//! The gate as its users run it: real processes on a real Kafka, judged by an oracle that shares no code with them.
//!
//! ```text
//! events ─→ input topic ─→ process (the binary, killed and stopped as a test likes) ─→ topics ─→ books ─→ oracle
//! ```

pub mod admin;
mod audit;
pub mod books;
mod control;
pub mod dice;
pub mod events;
mod exactly_once;
mod faults;
mod identity;
pub mod oracle;
pub mod process;
mod references;
mod reload;
mod replay;
pub mod stage;

pub use stage::POLICY;
