//! jidoka: human review of high-risk AI decisions, on Kafka.
pub mod event;
pub mod identity;
pub mod document;
pub mod policy;
pub mod config;
