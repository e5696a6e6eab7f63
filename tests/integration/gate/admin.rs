//! What tests do to topics under a gate: grow, empty, change, delete and make them anew.

use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::stage::{Stage, eventually};

const WITHIN: Duration = Duration::from_secs(30);

/// Changes topics of a [`Stage`], and waits until the broker has done it.
pub struct Admin<'s> {
    stage: &'s Stage,
    client: AdminClient<DefaultClientContext>,
    options: AdminOptions,
    runtime: tokio::runtime::Runtime,
}

impl<'s> Admin<'s> {
    pub fn of(stage: &'s Stage) -> Self {
        Self {
            stage,
            client: stage.client().create().expect("good settings"),
            options: AdminOptions::new().operation_timeout(Some(WITHIN)),
            runtime: tokio::runtime::Builder::new_current_thread().build().expect("a runtime of one thread needs nothing"),
        }
    }

    pub fn create(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
        let new = settings.iter().fold(new, |new, (key, value)| new.set(key, value));
        // A topic of that name may just be on its way out.
        eventually("a new topic", || {
            let results = self.runtime.block_on(self.client.create_topics([&new], &self.options)).expect("the broker answers");
            results[0].is_ok().then_some(())
        });
        self.await_partitions(topic, partitions);
    }

    pub fn delete(&self, topic: &str) {
        let results = self.runtime.block_on(self.client.delete_topics(&[topic], &self.options)).expect("the broker answers");
        results[0].as_ref().expect("a topic that is there");
        eventually("the topic to be gone", || (self.stage.partitions(topic) == 0).then_some(()));
    }

    /// Grows a topic to `partitions`.
    pub fn grow(&self, topic: &str, partitions: i32) {
        let count = usize::try_from(partitions).expect("a count");
        let new = NewPartitions::new(topic, count);
        let results = self.runtime.block_on(self.client.create_partitions([&new], &self.options)).expect("the broker answers");
        results[0].as_ref().expect("a topic that may grow");
        self.await_partitions(topic, partitions);
    }

    /// Deletes the records of a partition before `offset`.
    pub fn delete_before(&self, topic: &str, partition: i32, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset)).expect("a good offset");
        self.runtime.block_on(self.client.delete_records(&list, &self.options)).expect("the broker answers");
        eventually("the records to be gone", || (self.stage.extent(topic, partition).0 == offset).then_some(()));
    }

    /// Changes one setting of a topic and leaves its others as they are.
    pub fn set(&self, topic: &str, key: &str, value: &str) {
        let resource = [ResourceSpecifier::Topic(topic)];
        let told = self.runtime.block_on(self.client.describe_configs(&resource, &self.options)).expect("the broker answers");
        let told = told[0].as_ref().expect("a topic that is there");
        let own = told.entries.iter().filter(|entry| entry.source == ConfigSource::DynamicTopic && entry.name != key);
        let kept: Vec<(&str, &str)> =
            own.map(|entry| (entry.name.as_str(), entry.value.as_deref().unwrap_or_default())).collect();
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(key, value);
        let change = kept.into_iter().fold(change, |change, (key, value)| change.set(key, value));
        let done = self.runtime.block_on(self.client.alter_configs([&change], &self.options)).expect("the broker answers");
        done[0].as_ref().expect("a setting that is allowed");
    }

    fn await_partitions(&self, topic: &str, partitions: i32) {
        let count = usize::try_from(partitions).expect("a count");
        eventually("the partitions", || (self.stage.partitions(topic) == count).then_some(()));
    }
}
