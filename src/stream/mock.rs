//! librdkafka's own mock broker, in this process: enough of Kafka to show what jidoka does, without anything installed.
//!
//! It is no place to prove anything: what was aborted stays visible, committed offsets and zombies are not kept apart, times
//! are the producers', a partition keeps 5 MiB, and topics cannot be made or asked about over the wire.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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
        let address = cluster.bootstrap_servers();
        let made = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let knocker = std::thread::Builder::new().name("knocker".to_owned()).spawn_scoped(scope, || knock(&address, &made));
            let result = topics.into_iter().try_for_each(|(topic, partitions)| {
                cluster.create_topic(topic, partitions, 1).map_err(|error| format!("topic {topic}: {error}"))
            });
            made.store(true, Ordering::Release);
            knocker.map_err(|error| format!("cannot start a thread: {error}")).and(result)
        })?;
        Ok(Self { cluster })
    }

    /// Where it listens, as `bootstrap.servers`.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.cluster.bootstrap_servers()
    }
}

/// Connects again and again until `made`: librdkafka 2.12 sometimes forgets to wake the broker's thread for a command, which
/// then waits for up to a second, and a connection wakes it, too.
fn knock(address: &str, made: &AtomicBool) {
    while !made.load(Ordering::Acquire) {
        // Whether anybody answers is of no interest.
        drop(TcpStream::connect(address));
        std::thread::sleep(Duration::from_millis(2));
    }
}
