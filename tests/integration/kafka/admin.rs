//! What the fixture asks of a Kafka: metadata and topics.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::metadata::{MetadataBroker, MetadataPartition};

const ONE_TRY: Duration = Duration::from_secs(2);

/// A partition as the cluster sees it.
pub struct Partition {
    pub id: i32,
    /// Negative where there is none.
    pub leader: i32,
    pub replicas: Vec<i32>,
    pub in_sync: Vec<i32>,
}

/// The ids of the brokers that the one at `address` knows to be up; none when it does not answer.
pub fn brokers(address: &str) -> Vec<i32> {
    let metadata = asker(address).fetch_metadata(None, ONE_TRY);
    metadata.map_or_else(|_| Vec::new(), |metadata| metadata.brokers().iter().map(MetadataBroker::id).collect())
}

/// The partitions of `topic`, or nothing when nobody answers or the topic is not known yet.
pub fn partitions(servers: &str, topic: &str) -> Option<Vec<Partition>> {
    let metadata = asker(servers).fetch_metadata(Some(topic), ONE_TRY).ok()?;
    let topic = metadata.topics().first().filter(|topic| topic.error().is_none())?;
    let sorted = |ids: &[i32]| {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids
    };
    let partition = |found: &MetadataPartition| Partition {
        id: found.id(),
        leader: found.leader(),
        replicas: sorted(found.replicas()),
        in_sync: sorted(found.isr()),
    };
    Some(topic.partitions().iter().map(partition).collect())
}

/// Creates a topic with the brokers' default replication.
pub fn create_topic(servers: &str, name: &str, partitions: i32, settings: &[(&str, &str)]) {
    let admin: AdminClient<DefaultClientContext> = config(servers).create().expect("the settings are sound");
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(-1));
    let topic = settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime of one thread needs nothing");
    let results = runtime.block_on(admin.create_topics([&topic], &options));
    let result = results.unwrap_or_else(|error| panic!("creating topic {name} at {servers}: {error}"));
    for topic in result {
        topic.unwrap_or_else(|(name, error)| panic!("creating topic {name} at {servers}: {error}"));
    }
}

/// A fresh client each time: one that has learnt of other brokers would ask any of them.
fn asker(servers: &str) -> BaseConsumer {
    config(servers).create().expect("the settings are sound")
}

fn config(servers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers).set("reconnect.backoff.ms", "50").set("reconnect.backoff.max.ms", "200");
    config
}
