//! All integration tests, in one binary: one link, and one broker for all of them.
//!
//! `kafka` is the fixture that starts brokers; the tests that need none come first.

mod anomaly;
mod bench;
mod command_line;
mod config_errors;
mod deploy;
mod dev;
mod examples;
mod gate;
mod kafka;
mod mock_faults;
mod monitor;
mod policy;
mod produce;
mod profile;
mod purity;
mod readme;
mod schemas;
mod sidecar;
mod statistics;
mod topics;
