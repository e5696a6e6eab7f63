//! The fixture itself: it serves, and it breaks where it is told to.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, ClientContext};

use super::{Cluster, PASSWORD, USER, login};

const PATIENCE: Duration = Duration::from_secs(40);

fn client(cluster: &Cluster) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap());
    config
}

/// One record to partition 0, in a transaction of its own.
fn produce(cluster: &Cluster, topic: &str, value: &str) {
    let id = super::unique("smoke");
    let producer: BaseProducer = client(cluster).set("transactional.id", &id).create().expect("the settings are sound");
    producer.init_transactions(PATIENCE).expect("the coordinator answers");
    producer.begin_transaction().expect("none is open");
    producer.send(BaseRecord::to(topic).partition(0).key("key").payload(value)).expect("the queue has room");
    producer.commit_transaction(PATIENCE).expect("the brokers commit");
}

/// The first `count` committed records of partition 0.
fn consume(cluster: &Cluster, topic: &str, count: usize) -> Vec<String> {
    let mut config = client(cluster);
    config.set("group.id", super::unique("smoke")).set("isolation.level", "read_committed");
    let consumer: BaseConsumer = config.create().expect("the settings are sound");
    let mut start = TopicPartitionList::new();
    start.add_partition_offset(topic, 0, Offset::Beginning).expect("an offset that a list takes");
    consumer.assign(&start).expect("the partition exists");
    let (mut values, deadline) = (Vec::new(), Instant::now() + PATIENCE);
    while values.len() < count && Instant::now() < deadline {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            values.push(String::from_utf8(message.payload().unwrap_or_default().to_vec()).expect("we wrote text"));
        }
    }
    values
}

/// What became of the one record that [`write_plainly`] sends.
#[derive(Default)]
struct Fate(OnceLock<Result<(), RDKafkaErrorCode>>);

impl ClientContext for Fate {}

impl ProducerContext for Fate {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let code = result.as_ref().map(drop).map_err(|(error, _)| error.rdkafka_error_code().expect("a broker's answer"));
        self.0.set(code).expect("one record has one fate");
    }
}

/// One record to partition 0 without a transaction, and the broker's answer.
fn write_plainly(config: &ClientConfig, topic: &str) -> Result<(), RDKafkaErrorCode> {
    let producer: BaseProducer<Fate> = config.create_with_context(Fate::default()).expect("the settings are sound");
    producer.send(BaseRecord::to(topic).partition(0).key("key").payload("a record")).expect("the queue has room");
    producer.flush(PATIENCE).expect("the broker answers");
    *producer.context().0.get().expect("flushed is answered")
}

#[test]
fn the_shared_broker_commits_a_transaction() {
    if !super::required() {
        return;
    }
    let (cluster, topic) = (super::shared(), super::unique("smoke"));
    cluster.create_topic(&topic, 2, &[("cleanup.policy", "compact")]);
    produce(cluster, &topic, "one");
    assert_eq!(consume(cluster, &topic, 1), ["one"]);
}

#[test]
fn one_node_keeps_its_records_when_killed_and_stands_still_when_stopped() {
    if !super::own_required() {
        return;
    }
    let (cluster, topic) = (Cluster::single(), super::unique("smoke"));
    cluster.create_topic(&topic, 1, &[]);
    produce(&cluster, &topic, "before");
    cluster.kill(1);
    cluster.restart(1);
    cluster.stop_process(1);
    assert_eq!(super::admin::brokers(cluster.bootstrap()), [0; 0], "a stopped broker answers nothing");
    cluster.continue_process(1);
    produce(&cluster, &topic, "after");
    assert_eq!(consume(&cluster, &topic, 2), ["before", "after"]);
}

#[test]
fn three_nodes_lose_one_and_go_on() {
    if !super::own_required() {
        return;
    }
    let (cluster, topic) = (Cluster::three(), super::unique("smoke"));
    cluster.create_topic(&topic, 1, &[]);
    produce(&cluster, &topic, "by all");
    let lost = cluster.leader(&topic, 0);
    cluster.kill(lost);
    produce(&cluster, &topic, "by two");
    assert_ne!(cluster.leader(&topic, 0), lost);
    cluster.restart(lost);
    cluster.await_in_sync(&topic);
    assert_eq!(consume(&cluster, &topic, 2), ["by all", "by two"]);
}

#[test]
fn a_login_is_checked_and_so_is_the_right_to_write() {
    if !super::own_required() {
        return;
    }
    let (cluster, topic) = (Cluster::sasl(), super::unique("smoke"));
    cluster.create_topic(&topic, 1, &[]);
    let asks = |password: &str| {
        let mut config = client(&cluster);
        for (key, value) in login(USER, password) {
            config.set(key, value);
        }
        config
    };
    let metadata = |config: ClientConfig| {
        let consumer: BaseConsumer = config.create().expect("the settings are sound");
        consumer.fetch_metadata(Some(&topic), Duration::from_secs(5)).map(|metadata| metadata.topics()[0].partitions().len())
    };
    assert_eq!(metadata(asks(PASSWORD)), Ok(1));
    assert!(metadata(asks("guessed")).is_err(), "a wrong password was let in");

    assert_eq!(write_plainly(&asks(PASSWORD), &topic), Ok(()));
    cluster.deny_write(&topic, USER);
    let refused = write_plainly(&asks(PASSWORD), &topic);
    assert_eq!(refused, Err(RDKafkaErrorCode::TopicAuthorizationFailed));
    assert_eq!(metadata(asks(PASSWORD)), Ok(1), "the topic can still be seen");
}

/// A broker to measure on, for as long as standard input stays open:
/// `cargo test --test integration -- --ignored --exact kafka::smoke::a_broker_to_measure_on --nocapture`.
#[test]
#[ignore = "starts a broker for a person, and waits for that person to close standard input"]
fn a_broker_to_measure_on() {
    let cluster = Cluster::measured();
    println!("bootstrap.servers={}", cluster.bootstrap());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).expect("standard input can be read");
}
