//! Kafka: the only place that knows rdkafka.

pub mod player;
pub mod topics;

/// How to reach Kafka: librdkafka's own properties, as they stand in the configuration below `kafka`.
pub use rdkafka::ClientConfig;
