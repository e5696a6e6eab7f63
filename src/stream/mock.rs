//! librdkafka's own mock broker, in this process: enough of Kafka to show what jidoka does, without anything installed.
//!
//! It is no place to prove anything: what was aborted stays visible, committed offsets and zombies are not kept apart, times
//! are the producers', a partition keeps 5 MiB, and topics cannot be made or asked about over the wire.

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

/// A mock broker; it ends when it is dropped.
pub struct MockBroker {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl MockBroker {
    /// Starts a broker that has `topics` with so many partitions. All of them are made here, before any client connects:
    /// the broker makes a topic that somebody asks for with a partition count of its own.
    ///
    /// # Errors
    /// Where it cannot listen, or a topic cannot be made.
    pub fn start<'t>(topics: impl IntoIterator<Item = (&'t str, i32)>) -> Result<Self, String> {
        let cluster = MockCluster::new(1).map_err(|error| error.to_string())?;
        for (topic, partitions) in topics {
            cluster.create_topic(topic, partitions, 1).map_err(|error| format!("topic {topic}: {error}"))?;
        }
        Ok(Self { cluster })
    }

    /// Where it listens, as `bootstrap.servers`.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.cluster.bootstrap_servers()
    }
}
