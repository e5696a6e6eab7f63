//! What a worker's life means for metrics, health and logs: one place for each thing that can happen.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus::Histogram;
use rdkafka::statistics::Statistics;

use crate::stream::client::LagListener;
use crate::stream::fault::{ABORT_REASONS, Fault};
use crate::stream::observer::{Full, StreamObserver};
use crate::stream::processor::InputPartition;
use crate::telemetry::health::Health;
use crate::telemetry::metrics::{Bound, Metrics, set_count};

/// Observes one worker.
pub struct WorkerObserver {
    role: &'static str,
    worker: usize,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    /// Topic to source name.
    sources: Arc<HashMap<String, String>>,
    transaction_duration: Histogram,
    transaction_records: Histogram,
}

impl WorkerObserver {
    /// The observer of worker `worker` in `role`.
    #[must_use]
    pub fn new(
        role: &'static str,
        worker: usize,
        metrics: Arc<Metrics>,
        health: Arc<Health>,
        sources: Arc<HashMap<String, String>>,
    ) -> Self {
        health.not_ready(&joining(role, worker), "has not been given its part of the input yet");
        for reason in ABORT_REASONS {
            metrics.transaction_aborts.with_label_values(&[role, reason]);
        }
        let transaction_duration = metrics.transaction_duration.with_label_values(&[role]);
        let transaction_records = metrics.transaction_records.with_label_values(&[role]);
        Self { role, worker, metrics, health, sources, transaction_duration, transaction_records }
    }

    fn partition_reason(partition: &InputPartition) -> String {
        format!("partition {partition}")
    }

    fn count_waiting(&self) {
        let waiting = self.health.readiness().reasons.iter().filter(|reason| reason.what.starts_with("partition ")).count();
        set_count(&self.metrics.partitions_waiting.with_label_values(&[self.role]), waiting);
    }

    fn source<'a>(&'a self, topic: &'a str) -> &'a str {
        self.sources.get(topic).map_or(topic, String::as_str)
    }
}

fn joining(role: &str, worker: usize) -> String {
    format!("{role} worker {worker}")
}

fn connection(role: &str, worker: usize) -> String {
    format!("{role} worker {worker} broker")
}

impl StreamObserver for WorkerObserver {
    fn is_stopping(&self) -> bool {
        self.health.is_stopping()
    }

    fn polled(&self, connected: bool, held: usize) {
        let worker = self.worker.to_string();
        set_count(&self.metrics.partitions_held.with_label_values(&[self.role, &worker]), held);
        self.metrics.connected.with_label_values(&[self.role, &worker]).set(i64::from(connected));
        if connected {
            self.health.is_ready(&connection(self.role, self.worker));
        } else {
            self.health.not_ready(&connection(self.role, self.worker), "no broker can be reached");
        }
    }

    fn taken(&self, partition: &InputPartition, offset: i64) {
        self.health.is_ready(&Self::partition_reason(partition));
        self.count_waiting();
        tracing::info!(role = self.role, worker = self.worker, %partition, offset, "reading goes on here");
    }

    fn waiting(&self, partition: &InputPartition, reason: &str) {
        if self.health.not_ready(&Self::partition_reason(partition), reason) {
            tracing::error!(role = self.role, %partition, reason, "this partition is not read until an operator acts");
        }
        self.count_waiting();
    }

    fn lost(&self, partition: &InputPartition) {
        self.health.is_ready(&Self::partition_reason(partition));
        self.count_waiting();
        let number = partition.partition.to_string();
        let removed = self.metrics.source_lag.remove_label_values(&[self.source(&partition.topic), &number]);
        tracing::debug!(role = self.role, worker = self.worker, %partition, known = removed.is_ok(), "given back");
    }

    fn restored(&self, partitions: usize, took: Duration) {
        self.health.is_ready(&joining(self.role, self.worker));
        if partitions == 0 {
            tracing::debug!(role = self.role, worker = self.worker, "joined; others have all partitions");
            return;
        }
        self.metrics.restore_duration.with_label_values(&[self.role]).set(took.as_secs_f64());
        tracing::info!(role = self.role, worker = self.worker, partitions, ?took, "restored");
    }

    fn turn_began(&self) {
        self.health.turn_began((self.role, self.worker));
    }

    fn turn_ended(&self) {
        self.health.turn_ended((self.role, self.worker));
    }

    fn committed(&self, took: Duration, records: usize, full: Option<Full>) {
        self.transaction_duration.observe(took.as_secs_f64());
        self.transaction_records.observe(records as f64);
        let Some(full) = full else { return };
        let bound = match (self.role, full) {
            ("sidecar", Full::Records) => Bound::VerdictRecords,
            ("sidecar", Full::Bytes) => Bound::VerdictBytes,
            ("monitor", Full::Records) => Bound::TallyRecords,
            ("monitor", Full::Bytes) => Bound::TallyBytes,
            (_, Full::Records) => Bound::BatchRecords,
            (_, Full::Bytes) => Bound::BatchBytes,
        };
        self.metrics.bound_hits.with_label_values(&[bound.key()]).inc();
    }

    fn aborted(&self, fault: &Fault) {
        self.metrics.transaction_aborts.with_label_values(&[self.role, fault.reason]).inc();
        tracing::info!(role = self.role, worker = self.worker, reason = fault.reason, %fault, "a transaction was aborted; nothing of it is visible");
    }

    fn rebuilding(&self, fault: &Fault) {
        self.metrics.rebuilds.with_label_values(&[self.role, fault.reason]).inc();
        self.health.not_ready(&joining(self.role, self.worker), &fault.sentence);
        tracing::warn!(role = self.role, worker = self.worker, reason = fault.reason, %fault, "starting over with new clients");
    }

    fn lag_listener(&self) -> LagListener {
        let (metrics, sources) = (Arc::clone(&self.metrics), Arc::clone(&self.sources));
        Box::new(move |statistics: &Statistics| {
            for (topic, of_topic) in &statistics.topics {
                let Some(source) = sources.get(topic) else { continue };
                // Only partitions that this client reads and whose end it knows. The offsets are committed by the producer, so
                // librdkafka's own `consumer_lag` never sees them: what counts is how far we have read.
                for of in of_topic.partitions.values().filter(|of| of.partition >= 0 && of.ls_offset >= 0) {
                    let read_to = if of.app_offset >= 0 { of.app_offset } else { of.next_offset };
                    if read_to >= 0 {
                        let number = of.partition.to_string();
                        metrics.source_lag.with_label_values(&[source.as_str(), &number]).set((of.ls_offset - read_to).max(0));
                    }
                }
            }
        })
    }
}
