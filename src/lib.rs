//! jidoka: human review of high-risk AI decisions, on Kafka.
//!
//! It reads every inference event, decides whether the automation may go on, holds the decision for a person where it may
//! not, and keeps a trail of it that nobody can quietly change. The modules, in the order in which data moves:
//!
//! ```text
//!  input topic ─→ stream ─→ event ─→ policy ─→ trigger ─→ decision ─→ audit ────→ audit topic
//!                (batch,   (bytes   (which    (each       (released  (entry,      dispositions
//!                 turn)     → slots)  rules)    finding)    or held)   chain)      progress
//!                   ↑                                          └─(held)→ case ──→ cases, reviews
//!                control, progress (read back before the first decision)           │
//!                                                                                  ↓
//!  verdicts ────→ stream ─→ case ─→ audit ──────────────────────────────────────→ audit topic
//!                 time ───────┘ (command, duties, state)                           dispositions, cases, archive
//! ```
//!
//! `gate` and `sidecar` hang the pure parts on a stream. Everything above it in this list but `stream` is pure: plain functions of
//! their arguments that know no Kafka, clock, environment or randomness (a test reads the sources and keeps it so).

// Pure: bytes and rules in, records out.
pub mod identity; // times, hashes, decision ids, lanes
pub mod json; // records written once into reused buffers
pub mod document; // YAML with places, all mistakes at once
pub mod event; // bytes → event
pub mod profile; // what a model's inputs and answers look like when all is well
pub mod reference; // what is trusted about subjects: records and tables of them
pub mod policy; // the policy file
pub mod trigger; // one file a trigger
pub mod signal; // what the monitor says to all gates
pub mod decision; // evaluate(): findings → decision, priority
pub mod control; // what operators ordered
pub mod signature; // Ed25519 keys, of verdicts and of chain heads
pub mod audit; // entry and chain
pub mod case; // a held decision on its way through people's hands
pub mod progress; // how far a partition is decided
pub mod tallies; // what the monitor needs of each event
pub mod watch; // the monitor's statistics: what all events of a policy say together
pub mod record; // members that records share; the disposition

// Kafka, and what hangs on it.
pub mod stream; // turn, transaction, assignment, faults, topics: the only place that knows rdkafka
pub mod lookup; // trusted facts behind an HTTP address
pub mod gate; // the processor: event → decision
pub mod sidecar; // the processor: verdict → state
pub mod monitor; // the processor: tallies → incidents, thresholds
pub mod replay; // the same, over files and ranges of a topic, with nothing written

// Around it.
pub mod config; // settings of a process
pub mod telemetry; // metrics, health, logs
pub mod heads; // signed chain heads, kept outside Kafka
pub mod reload; // policies and writer schemas that change while a process runs
pub mod dev; // real events, a crew of reviewers and a watcher, for `jidoka dev`
pub mod cli; // the commands; help, completions and man pages from one definition

#[cfg(test)]
mod test_allocator;

/// The README's examples in Rust, for the compiler.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
