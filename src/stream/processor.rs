//! What hangs on a stream: the gate, the sidecar, the monitor.

use crate::stream::fault::Fault;
use crate::stream::log_reader::LogReader;
use crate::stream::record::{Incoming, Outbox};

/// A partition of an input topic.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct InputPartition {
    /// Topic.
    pub topic: String,
    /// Partition of it.
    pub partition: i32,
}

impl std::fmt::Display for InputPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// What a processor says of a partition that it was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Taken {
    /// State is restored; reading goes on at this offset.
    ReadFrom(i64),
    /// It cannot go on yet, for this reason; it is asked again every second.
    Wait(String),
}

/// An offset as the group keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NextOffset<'p> {
    /// Last handled + 1.
    pub offset: i64,
    /// What it was committed for.
    pub note: &'p str,
}

/// Turns records into records, in transactions. All calls come from one thread.
///
/// State changes of a batch are staged until [`Processor::committed`] and undone by [`Processor::rolled_back`]; whatever
/// is kept in memory is rebuilt by [`Processor::take`] from what was committed.
pub trait Processor {
    /// A partition was assigned: restore its state. No transaction is open and none of its records was polled yet.
    ///
    /// # Errors
    /// Where state cannot be read back; the fault's reaction is carried out.
    fn take(&mut self, partition: &InputPartition, log: &mut LogReader) -> Result<Taken, Fault>;

    /// A partition went to another worker, or will be taken anew: forget it.
    fn lose(&mut self, partition: &InputPartition);

    /// Between turns, with no transaction open: takes up what other logs say, and how late it is. Partitions whose reading
    /// stopped ([`Processor::stopped_at`]) and may go on.
    ///
    /// # Errors
    /// Where those logs cannot be read; the fault's reaction is carried out.
    fn look_around(&mut self) -> Result<Vec<InputPartition>, Fault> {
        Ok(Vec::new())
    }

    /// Where `partition` stopped at a record that cannot be handled before more was read elsewhere. Records from there on are
    /// not handled in this turn; they are read again when [`Processor::look_around`] says so.
    fn stopped_at(&self, _partition: &InputPartition) -> Option<i64> {
        None
    }

    /// A batch was polled, and these are its records: begins, and waits a bounded time for, what must be asked elsewhere about
    /// them. Called before their transaction begins; a record that was not among them may be handled as well.
    fn foresee(&mut self, _records: &mut dyn Iterator<Item = Incoming<'_>>) {}

    /// Whether there is something to write though no record came: a partition's first record, later a deadline.
    fn wants_turn(&self) -> bool;

    /// Handles one record.
    ///
    /// # Errors
    /// Only what sending answers: a record's own faults are results, not errors.
    fn process(&mut self, record: &Incoming<'_>, outbox: &mut dyn Outbox) -> Result<(), Fault>;

    /// All records of the batch were handled: write what is written once a transaction.
    ///
    /// # Errors
    /// Only what sending answers.
    fn finish(&mut self, outbox: &mut dyn Outbox) -> Result<(), Fault>;

    /// Where reading `partition` goes on once this batch is committed; none where it is not (or no longer) taken.
    fn next_offset(&self, partition: &InputPartition) -> Option<NextOffset<'_>>;

    /// The transaction was committed.
    fn committed(&mut self);

    /// The transaction was aborted; the batch will come again.
    fn rolled_back(&mut self);

    /// Whether reading should pause: an operator's halt.
    fn halted(&self) -> bool {
        false
    }
}
