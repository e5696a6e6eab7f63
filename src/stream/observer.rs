//! Whoever watches a stream: metrics, health and logs hang here, so that the turn itself reads as the turn.

use std::time::Duration;

use crate::stream::client::LagListener;
use crate::stream::fault::Fault;
use crate::stream::processor::InputPartition;

/// Which limit closed a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Full {
    /// Its count of records.
    Records,
    /// Its bytes.
    Bytes,
}

/// Hears what a worker does. Calls come from the worker's thread and must be quick.
pub trait StreamObserver: Send + Sync {
    /// Whether the worker should end after its present turn.
    fn is_stopping(&self) -> bool;
    /// Polled; whether some broker answers, and how many partitions are held.
    fn polled(&self, connected: bool, held: usize);
    /// A partition was restored; reading goes on at `offset`.
    fn taken(&self, partition: &InputPartition, offset: i64);
    /// A partition cannot go on.
    fn waiting(&self, partition: &InputPartition, reason: &str);
    /// A partition went elsewhere.
    fn lost(&self, partition: &InputPartition);
    /// The worker has joined its group and was given partitions, which are restored; or none, where others have them all.
    fn restored(&self, partitions: usize, took: Duration);
    /// A transaction begins: from here the watchdog counts.
    fn turn_began(&self);
    /// It ended, either way.
    fn turn_ended(&self);
    /// It was committed, with so many input records; and which limit closed its batch, if one did.
    fn committed(&self, took: Duration, records: usize, full: Option<Full>);
    /// It was aborted.
    fn aborted(&self, fault: &Fault);
    /// Both clients are made anew.
    fn rebuilding(&self, fault: &Fault);
    /// Who hears the client's statistics.
    fn lag_listener(&self) -> LagListener;
}
