//! jidoka: human review of high-risk AI decisions, on Kafka.
pub mod event;
pub mod identity;
