//! Input partitions that nobody reads.
//!
//! A static member that comes back gets its old partitions at once, without the group thinking anew. So partitions that were
//! added to a topic while all members were away stay with nobody, and nobody notices. Every partition that is taken
//! commits an offset, so one without an offset is one that was never taken; after two looks the group is made to think
//! anew by leaving and joining again.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::stream::client::StreamContext;

const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A partition that stays unread though the group thought anew is not asked about all the time.
const LOOK_EVERY_MAX: Duration = Duration::from_mins(10);
const ASK_WITHIN: Duration = Duration::from_secs(2);

/// Looks now and then whether all partitions are read.
pub(super) struct UnclaimedWatch {
    every: Duration,
    looked: Instant,
    before: Vec<(String, i32)>,
}

impl UnclaimedWatch {
    /// A watch that first looks after a while.
    pub fn new() -> Self {
        Self { every: LOOK_EVERY, looked: Instant::now(), before: Vec::new() }
    }

    /// The partitions of `topics` that were read by nobody at this look and at the one before; none where it is not time to
    /// look, or no broker answers.
    pub fn look(&mut self, consumer: &BaseConsumer<StreamContext>, topics: &[String]) -> Vec<(String, i32)> {
        if self.looked.elapsed() < self.every {
            return Vec::new();
        }
        self.looked = Instant::now();
        let now = match never_taken(consumer, topics) {
            Ok(now) => now,
            Err(error) => {
                tracing::debug!(%error, "could not look for partitions that nobody reads");
                return Vec::new();
            }
        };
        let still: Vec<_> = now.iter().filter(|partition| self.before.contains(partition)).cloned().collect();
        self.before = now;
        if !still.is_empty() {
            self.before.clear();
            self.every = (self.every * 4).min(LOOK_EVERY_MAX);
        }
        still
    }
}

/// Partitions of `topics` for which the group never committed an offset.
fn never_taken(consumer: &BaseConsumer<StreamContext>, topics: &[String]) -> KafkaResult<Vec<(String, i32)>> {
    let mut all = TopicPartitionList::new();
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), ASK_WITHIN)?;
        for partition in metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions) {
            all.add_partition(topic, partition.id());
        }
    }
    let committed = consumer.committed_offsets(all, ASK_WITHIN)?;
    let never = committed.elements().into_iter().filter(|element| !matches!(element.offset(), Offset::Offset(_)));
    Ok(never.map(|element| (element.topic().to_owned(), element.partition())).collect())
}
