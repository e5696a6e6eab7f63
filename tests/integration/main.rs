//! All integration tests, in one binary: one link, and one broker for all of them.
//!
//! `kafka` is the fixture that starts brokers; the tests that need none come first.

mod deploy;
mod examples;
mod purity;
mod schemas;

mod mock_faults;

mod kafka;
mod produce;
mod topics;
