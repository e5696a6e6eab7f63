//! A batch: what one transaction takes in.

use std::time::{Duration, Instant};

use rdkafka::consumer::BaseConsumer;
use rdkafka::message::{BorrowedMessage, Message};

use crate::stream::client::StreamContext;
use crate::stream::fault::{Fault, Reaction, Step};
use crate::stream::observer::Full;
use crate::stream::processor::InputPartition;

/// When a batch closes: on whichever comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchLimits {
    /// Records.
    pub max_records: usize,
    /// Bytes of values and keys.
    pub max_bytes: usize,
    /// Time since the first record, while no more are waiting.
    pub linger: Duration,
}

/// How long an idle worker waits for a first record before it looks after other things.
const IDLE_WAIT: Duration = Duration::from_millis(100);

/// Messages polled and not yet committed. Grows under load up to its limits and closes after `linger` when idle, so
/// latency is low at low rates and throughput high at high ones.
#[derive(Default)]
pub struct Batch<'c> {
    messages: Vec<BorrowedMessage<'c>>,
    bytes: usize,
}

impl<'c> Batch<'c> {
    /// Polls until the batch is full, or lingered, or nothing came. Rebalance callbacks run in here.
    ///
    /// # Errors
    /// Where the consumer cannot go on.
    pub fn collect(&mut self, consumer: &'c BaseConsumer<StreamContext>, limits: &BatchLimits) -> Result<(), Fault> {
        let mut deadline = None;
        while self.messages.len() < limits.max_records && self.bytes < limits.max_bytes {
            let wait = match deadline {
                None => IDLE_WAIT,
                Some(deadline) => Instant::saturating_duration_since(&deadline, Instant::now()),
            };
            match consumer.poll(wait) {
                Some(Ok(message)) => {
                    self.bytes += message.payload_len() + message.key_len();
                    self.messages.push(message);
                    deadline.get_or_insert_with(|| Instant::now() + limits.linger);
                }
                Some(Err(error)) => {
                    let fault = Fault::of(Step::Poll, &error);
                    if fault.reaction != Reaction::GoOn {
                        return Err(fault);
                    }
                    tracing::debug!(%fault, "the consumer reported");
                }
                None => break,
            }
        }
        Ok(())
    }

    /// Drops the messages of `partition`, which went to somebody else, and of no other.
    pub fn drop_partition(&mut self, partition: &InputPartition) {
        self.messages.retain(|message| message.partition() != partition.partition || message.topic() != partition.topic);
        self.bytes = self.messages.iter().map(|message| message.payload_len() + message.key_len()).sum();
    }

    /// The messages, in the order in which they were polled.
    #[must_use]
    pub fn messages(&self) -> &[BorrowedMessage<'c>] {
        &self.messages
    }

    /// The limit that closed it, if one did.
    #[must_use]
    pub fn full(&self, limits: &BatchLimits) -> Option<Full> {
        let by_records = (self.messages.len() >= limits.max_records).then_some(Full::Records);
        by_records.or_else(|| (self.bytes >= limits.max_bytes).then_some(Full::Bytes))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The first offset of every partition in it: where to rewind to when its transaction is aborted.
    #[must_use]
    pub fn first_offsets(&self) -> Vec<(InputPartition, i64)> {
        let mut first: Vec<(InputPartition, i64)> = Vec::new();
        for message in &self.messages {
            let known = first.iter().any(|(known, _)| known.partition == message.partition() && known.topic == message.topic());
            if !known {
                first.push((
                    InputPartition { topic: message.topic().to_owned(), partition: message.partition() },
                    message.offset(),
                ));
            }
        }
        first
    }

    /// The batch is done with.
    pub fn clear(&mut self) {
        self.messages.clear();
        self.bytes = 0;
    }
}
