//! All integration tests, in one binary: one link, and one broker for all of them.
//!
//! `kafka` is the fixture that starts brokers; the tests that need none come first.

mod deploy;
mod dev;
mod purity;

mod kafka;
mod produce;
mod readme;
mod topics;
