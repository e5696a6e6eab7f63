//! jidoka: human review of high-risk AI decisions, on Kafka.
pub mod identity;

pub mod stream;

pub mod cli;
