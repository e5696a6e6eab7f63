//! All partitions of a topic, read from their beginnings and then followed, with what is known of their ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::stream::client::{ClientSettings, Reports, StreamContext};
use crate::stream::fault::{Fault, Reaction, Step};
use crate::stream::record::Incoming;

/// How often the ends are asked for, at least.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How often it is asked whether there are more partitions.
const COUNT_EVERY: Duration = Duration::from_secs(30);
const ASK_WITHIN: Duration = Duration::from_secs(2);
/// So many records are read before anything else is done.
const RECORDS_AT_ONCE: usize = 10_000;

/// A topic's partitions.
pub(super) struct Tails {
    topic: String,
    consumer: BaseConsumer<StreamContext>,
    reports: Arc<Reports>,
    /// By number of the partition.
    partitions: Vec<Tail>,
    /// When all ends were last known.
    asked_at: Option<Instant>,
    tried_at: Option<Instant>,
    counted_at: Instant,
    ask_every: Duration,
}

/// Where one partition stands.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
struct Tail {
    /// Where it ended when we last asked, and the time before.
    end: Option<i64>,
    end_before: Option<i64>,
    read_to: i64,
    /// The client has said that it has read everything, and nothing came since. Needed beside `read_to`, because the last
    /// offsets may be transaction markers or compacted away, and are then never delivered.
    drained: bool,
}

impl Tail {
    /// Whether everything up to the end was read: the last record before it was; or the client has said that nothing is left,
    /// and the end has not moved since we asked the time before.
    fn is_at_end(&self) -> bool {
        self.end.is_some_and(|end| self.read_to >= end) || (self.drained && self.end.is_some() && self.end == self.end_before)
    }
}

impl Tails {
    /// Begins to read `topic`, whose ends are asked for several times within `max_age`.
    ///
    /// # Errors
    /// Where no broker answers, or the topic does not exist.
    pub fn open(settings: &ClientSettings, topic: &str, max_age: Duration) -> Result<Self, Fault> {
        let reports = Arc::new(Reports::default());
        let config = settings.reader();
        let consumer: BaseConsumer<StreamContext> =
            BaseConsumer::from_config_and_context(&config, StreamContext(Arc::clone(&reports)))
                .map_err(|error| Fault::of(Step::Create, &error))?;
        let partitions = count(&consumer, topic)?;
        if partitions == 0 {
            return Err(Fault::rebuild("restore", format!("the topic {topic} does not exist, or may not be seen")));
        }
        let mut assignment = TopicPartitionList::new();
        for partition in 0..partitions {
            let added = assignment.add_partition_offset(topic, partition, Offset::Beginning);
            added.map_err(|error| Fault::of(Step::Restore, &error))?;
        }
        consumer.assign(&assignment).map_err(|error| Fault::of(Step::Restore, &error))?;
        let partitions = vec![Tail::default(); usize::try_from(partitions).unwrap_or_default()];
        let (topic, counted_at, ask_every) = (topic.to_owned(), Instant::now(), ASK_EVERY.min(max_age / 4));
        Ok(Self { topic, consumer, reports, partitions, asked_at: None, tried_at: None, counted_at, ask_every })
    }

    /// Asks now and then where the partitions end; when all of them were last known. Where no broker answers, what was known
    /// ages.
    ///
    /// # Errors
    /// Where the number of partitions has changed: all of them must be read.
    pub fn ask(&mut self) -> Result<Option<Instant>, Fault> {
        let now = Instant::now();
        if self.tried_at.is_some_and(|tried| now - tried < self.ask_every) {
            return Ok(self.asked_at);
        }
        self.tried_at = Some(now);
        for (partition, tail) in (0..).zip(&mut self.partitions) {
            match self.consumer.fetch_watermarks(&self.topic, partition, ASK_WITHIN) {
                Ok((_, end)) if tail.end.is_some_and(|known| end < known) => {
                    return Err(Fault::rebuild(
                        "restore",
                        format!("{}/{partition} ends before it did: it was made anew", self.topic),
                    ));
                }
                Ok((_, end)) => (tail.end_before, tail.end) = (tail.end, Some(end)),
                Err(error) => {
                    tracing::debug!(%error, topic = self.topic, partition, "could not ask for the end");
                    return Ok(self.asked_at);
                }
            }
        }
        self.asked_at = Some(now);
        if now - self.counted_at >= COUNT_EVERY {
            self.counted_at = now;
            // Where no broker answers there is no other number.
            let found = count(&self.consumer, &self.topic).unwrap_or_default();
            let known = i32::try_from(self.partitions.len()).unwrap_or(i32::MAX);
            if found != 0 && found != known {
                let sentence = format!("{} has {found} partitions now, and had {known}", self.topic);
                return Err(Fault::rebuild("restore", sentence));
            }
        }
        Ok(self.asked_at)
    }

    /// Hands over what is there, or waits a little for it; until `each` wants no more.
    ///
    /// # Errors
    /// With a fault that does not pass by itself.
    pub fn read(&mut self, mut each: impl FnMut(&Incoming<'_>) -> bool) -> Result<(), Fault> {
        if let Some(fault) = self.reports.stopping_fault() {
            return Err(fault);
        }
        let mut wait = Duration::from_millis(50);
        for _ in 0..RECORDS_AT_ONCE {
            match self.consumer.poll(wait) {
                Some(Ok(message)) => {
                    let record = Incoming::of(&message);
                    if let Some(tail) = tail(&mut self.partitions, record.partition) {
                        (tail.read_to, tail.drained) = (record.offset + 1, false);
                    }
                    wait = Duration::ZERO;
                    if !each(&record) {
                        break;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    if let Some(tail) = tail(&mut self.partitions, partition) {
                        tail.drained = true;
                    }
                }
                Some(Err(error)) => {
                    let fault = Fault::of(Step::Poll, &error);
                    if fault.reaction != Reaction::GoOn {
                        return Err(fault);
                    }
                }
                None => break,
            }
        }
        Ok(())
    }

    /// Whether all partitions were read to their ends.
    pub fn are_at_end(&self) -> bool {
        self.partitions.iter().all(Tail::is_at_end)
    }
}

fn tail(tails: &mut [Tail], partition: i32) -> Option<&mut Tail> {
    usize::try_from(partition).ok().and_then(|partition| tails.get_mut(partition))
}

fn count(consumer: &BaseConsumer<StreamContext>, topic: &str) -> Result<i32, Fault> {
    let metadata = consumer.fetch_metadata(Some(topic), ASK_WITHIN).map_err(|error| Fault::of(Step::Restore, &error))?;
    let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    i32::try_from(count).map_err(|_| Fault::rebuild("restore", format!("topic {topic} has {count} partitions")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_reached_by_its_last_record_or_when_nothing_comes_any_more() {
        let at = |end, end_before, read_to, drained| Tail { end, end_before, read_to, drained }.is_at_end();
        assert!(!at(None, None, 5, true), "the end is not known");
        assert!(at(Some(0), None, 0, false), "an empty partition");
        assert!(at(Some(5), Some(3), 5, false) && !at(Some(5), Some(5), 4, false));
        assert!(at(Some(5), Some(5), 3, true), "the last offsets are markers");
        assert!(!at(Some(5), Some(4), 3, true), "something came since");
    }
}
