//! Kafka: the only place that knows rdkafka.
//!
//! ```text
//! worker: poll a batch → Processor → Transaction → offsets → commit
//!           └ on assignment: LogReader restores what was committed
//! ```
//!
//! The same turn carries every processor; what they differ in is behind [`processor::Processor`].

pub mod batch;
pub mod client;
pub mod copy_loop;
pub mod control;
mod deliver;
#[cfg(test)]
pub(crate) mod fake_outbox;
pub mod fault;
pub mod follower;
pub mod log_reader;
pub mod mock;
pub mod observer;
pub mod onlooker;
pub mod player;
pub mod processor;
pub mod range_reader;
pub mod record;
pub mod reference;
pub mod topics;
pub mod transaction;
mod unclaimed;
pub mod worker;

/// How to reach Kafka: librdkafka's own properties, as they stand in the configuration below `kafka`.
pub use rdkafka::ClientConfig;
