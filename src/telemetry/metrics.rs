//! Every metric, by name, with its labels: the one place where they are made.
//!
//! Label values come from configuration and from fixed sets, never from events. Children are made up front or with their
//! owner, so that a dashboard sees zeros before the first event, and counting costs one atomic addition.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// Seconds from a quarter of a millisecond to about half a minute, and beyond: ages while catching up are hours.
const AGE_BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0, 86_400.0];
const DURATION_BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.25, 2.5, 5.0, 10.0, 30.0];
/// Seconds to days: people answer.
const WAIT_BUCKETS: &[f64] =
    &[1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0, 86_400.0, 259_200.0];

/// One metric as operators know it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Described {
    /// Name.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// Label names.
    pub labels: &'static [&'static str],
}

macro_rules! described {
    ($($constant:ident $name:literal $labels:tt $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: Described = Described { name: $name, help: $help, labels: &$labels };)*
        /// All metrics of this version.
        pub const ALL: &[Described] = &[$($constant),*];
    };
}

described! {
    EVENTS_CONSUMED "jidoka_events_consumed_total" ["source"] "Input records decided, duplicates included.";
    DECISIONS "jidoka_decisions_total" ["policy", "outcome"] "Decisions by outcome; policy \"none\" where none applied.";
    SHADOW_DECISIONS "jidoka_shadow_decisions_total" ["policy", "verdict"] "What a policy decided beside the one that was obeyed: the same, or different.";
    TRIGGER_RESULTS "jidoka_trigger_results_total" ["policy", "trigger", "result"] "Results of triggers and built-in findings.";
    DECISION_AGE "jidoka_decision_age_seconds" ["source"] "Append time of the input record to its decision.";
    COMMIT_AGE "jidoka_commit_age_seconds" ["source"] "Append time of the input record to the commit of its decision.";
    LATE "jidoka_late_decisions_total" ["source"] "Decisions about events older than the maximum age of their policy.";
    TRANSACTION_DURATION "jidoka_transaction_duration_seconds" ["role"] "Begin to commit of a transaction.";
    TRANSACTION_RECORDS "jidoka_transaction_input_records" ["role"] "Input records in a committed transaction.";
    TRANSACTION_ABORTS "jidoka_transaction_aborts_total" ["role", "reason"] "Transactions that were aborted; normal during rebalances.";
    REBUILDS "jidoka_client_rebuilds_total" ["role", "reason"] "Times that a worker made its Kafka clients anew.";
    SOURCE_LAG "jidoka_source_lag_records" ["source", "partition"] "Input records not yet decided; under the name of their topic, verdicts not yet applied.";
    DEAD_LETTERS "jidoka_dead_letters_total" ["source", "code"] "Input records that could not be read.";
    DUPLICATES "jidoka_duplicates_total" ["source", "kind"] "Events seen again within the window: with the same bytes, or conflicting.";
    RESTORE_DURATION "jidoka_restore_duration_seconds" ["role"] "Restoring state after an assignment.";
    PARTITIONS_HELD "jidoka_partitions_held" ["role", "worker"] "Input partitions assigned to a worker; of a sidecar, lanes.";
    PARTITIONS_WAITING "jidoka_partitions_waiting" ["role"] "Input partitions that cannot go on until an operator acts.";
    POLICY_LOAD_FAILURES "jidoka_policy_load_failures_total" [] "Policy files that were refused.";
    RELOAD_REFUSED "jidoka_reload_refused" ["what"] "1 while the files of policies or schemas are refused as they are now, and older ones are in force.";
    BOUND_HITS "jidoka_bound_hits_total" ["bound"] "Times that a configured bound took effect.";
    CONTROL_AGE "jidoka_control_age_seconds" [] "Since control and signals were last known to be read to their end.";
    REFERENCE_RECORDS "jidoka_reference_records" ["reference"] "Subjects of which a topic of trusted facts has a record.";
    REFERENCE_BYTES "jidoka_reference_bytes" ["reference"] "Memory that the records of a topic of trusted facts take.";
    REFERENCE_AGE "jidoka_reference_age_seconds" ["reference"] "Since a topic of trusted facts was last known to be read to its end; infinite while it was not, or has more than its bounds allow.";
    REFERENCE_UNDECODABLE "jidoka_reference_undecodable" ["reference"] "Subjects whose newest trusted record cannot be read.";
    LOOKUPS "jidoka_lookups_total" ["reference", "result"] "Questions to an HTTP source of trusted facts by how they ended: found, absent, cached, late, failed, or refused because it failed too often.";
    BREAKER_OPEN "jidoka_lookup_breaker_open" ["reference"] "1 while an HTTP source of trusted facts failed too often and is not asked.";
    OPEN_CASES "jidoka_open_cases" ["policy", "band", "state"] "Open cases of the lanes that this process owns.";
    OLDEST_PENDING "jidoka_oldest_pending_seconds" ["policy", "band"] "Since the oldest case that nobody has claimed was opened; 0 where there is none.";
    TIME_TO_CLAIM "jidoka_time_to_claim_seconds" ["band"] "Opening of a case to each claim of it.";
    TIME_TO_DECIDE "jidoka_time_to_decide_seconds" ["band"] "Opening of a case to its approval or rejection.";
    VERDICTS "jidoka_verdicts_total" ["action", "result"] "Commands of reviewers: applied, refused, repeated, or forwarded to their lane.";
    REFUSALS "jidoka_verdict_refusals_total" ["code"] "Refused commands by the code of their refusal.";
    SLA_ESCALATIONS "jidoka_sla_escalations_total" ["policy", "band"] "Cases that time escalated because nobody had decided them, by the band before.";
    CASES_EXPIRED "jidoka_cases_expired_total" ["policy", "band"] "Cases that nobody decided in time.";
    RESTORED_CASES "jidoka_restored_cases" ["role"] "Cases in the lane that was last restored.";
    INCIDENTS_OPEN "jidoka_incidents_open" ["policy", "kind"] "Incidents that nobody has acknowledged: fairness, drift, capacity.";
    INCIDENTS_OPENED "jidoka_incidents_opened_total" ["policy", "kind"] "Incidents that the monitor opened.";
    CAPACITY_THRESHOLD "jidoka_capacity_threshold" ["policy"] "Quantile of the calibration's priorities above which decisions are held.";
    SELECTION_RATIO "jidoka_selection_rate_ratio" ["policy", "group"] "A subgroup's share of favourable decisions of late, divided by that of the attribute's group with the largest; not shown below 50 decisions.";
    MONITOR_EVENTS "jidoka_monitor_events_total" ["policy"] "Decisions that the monitor's statistics have counted.";
    MONITOR_SKIPPED "jidoka_monitor_skipped_total" ["reason"] "Decisions that they have not: unreadable, of a policy that is not loaded, or deleted before they were read.";
    OUTCOMES "jidoka_outcomes_total" ["result"] "Late labels: joined to their event, unknown, undecided, or unreadable.";
    CONNECTED "jidoka_broker_connected" ["role", "worker"] "1 while some broker answers.";
}

/// What is reloaded while a process runs: policies, and writer schemas.
pub const RELOADED: [&str; 2] = ["policies", "schemas"];

/// A configured bound that can take effect while a gate runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// A batch was full by count.
    BatchRecords,
    /// A batch was full by bytes.
    BatchBytes,
    /// An event was too large.
    EventBytes,
    /// An event was nested too deeply.
    EventDepth,
    /// An event had too many fields.
    EventFields,
    /// A case carries its event by reference.
    RecordBytes,
    /// A dead letter was cut.
    DeadLetterBytes,
    /// A batch of verdicts was full by count.
    VerdictRecords,
    /// A batch of verdicts was full by bytes.
    VerdictBytes,
    /// A batch of tallies and late labels was full by count.
    TallyRecords,
    /// A batch of tallies and late labels was full by bytes.
    TallyBytes,
    /// A case took no more commands.
    CaseCommands,
    /// A case would not have fitted into its topics with one more.
    CaseBytes,
}

impl Bound {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::BatchRecords,
        Self::BatchBytes,
        Self::EventBytes,
        Self::EventDepth,
        Self::EventFields,
        Self::RecordBytes,
        Self::DeadLetterBytes,
        Self::VerdictRecords,
        Self::VerdictBytes,
        Self::TallyRecords,
        Self::TallyBytes,
        Self::CaseCommands,
        Self::CaseBytes,
    ];

    /// The configuration key that sets it.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::BatchRecords => "gate.batch.max_records",
            Self::BatchBytes => "gate.batch.max_bytes",
            Self::EventBytes => "gate.event.max_bytes",
            Self::EventDepth => "gate.event.max_depth",
            Self::EventFields => "gate.event.max_fields",
            Self::RecordBytes => "gate.max_record_bytes",
            Self::DeadLetterBytes => "dead_letters.max_bytes",
            Self::VerdictRecords => "sidecar.batch.max_records",
            Self::VerdictBytes => "sidecar.batch.max_bytes",
            Self::TallyRecords => "monitor.batch.max_records",
            Self::TallyBytes => "monitor.batch.max_bytes",
            Self::CaseCommands => "verdicts.max_commands",
            Self::CaseBytes => "max.message.bytes",
        }
    }

    /// The bound that makes an event unreadable with this code.
    #[must_use]
    pub const fn of(code: crate::event::Code) -> Option<Self> {
        match code {
            crate::event::Code::TooLarge => Some(Self::EventBytes),
            crate::event::Code::TooDeep => Some(Self::EventDepth),
            crate::event::Code::TooManyFields => Some(Self::EventFields),
            _ => None,
        }
    }
}

/// The registry and everything in it.
pub struct Metrics {
    registry: Registry,
    /// [`EVENTS_CONSUMED`].
    pub events_consumed: IntCounterVec,
    /// [`DECISIONS`].
    pub decisions: IntCounterVec,
    /// [`SHADOW_DECISIONS`].
    pub shadow_decisions: IntCounterVec,
    /// [`TRIGGER_RESULTS`].
    pub trigger_results: IntCounterVec,
    /// [`DECISION_AGE`].
    pub decision_age: HistogramVec,
    /// [`COMMIT_AGE`].
    pub commit_age: HistogramVec,
    /// [`LATE`].
    pub late: IntCounterVec,
    /// [`TRANSACTION_DURATION`].
    pub transaction_duration: HistogramVec,
    /// [`TRANSACTION_RECORDS`].
    pub transaction_records: HistogramVec,
    /// [`TRANSACTION_ABORTS`].
    pub transaction_aborts: IntCounterVec,
    /// [`REBUILDS`].
    pub rebuilds: IntCounterVec,
    /// [`SOURCE_LAG`].
    pub source_lag: IntGaugeVec,
    /// [`DEAD_LETTERS`].
    pub dead_letters: IntCounterVec,
    /// [`DUPLICATES`].
    pub duplicates: IntCounterVec,
    /// [`RESTORE_DURATION`].
    pub restore_duration: GaugeVec,
    /// [`PARTITIONS_HELD`].
    pub partitions_held: IntGaugeVec,
    /// [`PARTITIONS_WAITING`].
    pub partitions_waiting: IntGaugeVec,
    /// [`POLICY_LOAD_FAILURES`].
    pub policy_load_failures: IntCounter,
    /// [`RELOAD_REFUSED`].
    pub reload_refused: IntGaugeVec,
    /// [`BOUND_HITS`].
    pub bound_hits: IntCounterVec,
    /// [`CONTROL_AGE`].
    pub control_age: Gauge,
    /// [`REFERENCE_RECORDS`].
    pub reference_records: IntGaugeVec,
    /// [`REFERENCE_BYTES`].
    pub reference_bytes: IntGaugeVec,
    /// [`REFERENCE_AGE`].
    pub reference_age: GaugeVec,
    /// [`REFERENCE_UNDECODABLE`].
    pub reference_undecodable: IntGaugeVec,
    /// [`LOOKUPS`].
    pub lookups: IntCounterVec,
    /// [`BREAKER_OPEN`].
    pub breaker_open: IntGaugeVec,
    /// [`OPEN_CASES`].
    pub open_cases: IntGaugeVec,
    /// [`OLDEST_PENDING`].
    pub oldest_pending: GaugeVec,
    /// [`TIME_TO_CLAIM`].
    pub time_to_claim: HistogramVec,
    /// [`TIME_TO_DECIDE`].
    pub time_to_decide: HistogramVec,
    /// [`VERDICTS`].
    pub verdicts: IntCounterVec,
    /// [`REFUSALS`].
    pub refusals: IntCounterVec,
    /// [`SLA_ESCALATIONS`].
    pub sla_escalations: IntCounterVec,
    /// [`CASES_EXPIRED`].
    pub cases_expired: IntCounterVec,
    /// [`RESTORED_CASES`].
    pub restored_cases: IntGaugeVec,
    /// [`INCIDENTS_OPEN`].
    pub incidents_open: IntGaugeVec,
    /// [`INCIDENTS_OPENED`].
    pub incidents_opened: IntCounterVec,
    /// [`CAPACITY_THRESHOLD`].
    pub capacity_threshold: GaugeVec,
    /// [`SELECTION_RATIO`].
    pub selection_ratio: GaugeVec,
    /// [`MONITOR_EVENTS`].
    pub monitor_events: IntCounterVec,
    /// [`MONITOR_SKIPPED`].
    pub monitor_skipped: IntCounterVec,
    /// [`OUTCOMES`].
    pub outcomes: IntCounterVec,
    /// [`CONNECTED`].
    pub connected: IntGaugeVec,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A registry of its own with every metric of this version.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let made = Maker { registry: &registry };
        let reload_refused = made.gauges(RELOAD_REFUSED);
        for what in RELOADED {
            reload_refused.with_label_values(&[what]).set(0);
        }
        Self {
            events_consumed: made.counters(EVENTS_CONSUMED),
            decisions: made.counters(DECISIONS),
            shadow_decisions: made.counters(SHADOW_DECISIONS),
            trigger_results: made.counters(TRIGGER_RESULTS),
            decision_age: made.histograms(DECISION_AGE, AGE_BUCKETS),
            commit_age: made.histograms(COMMIT_AGE, AGE_BUCKETS),
            late: made.counters(LATE),
            transaction_duration: made.histograms(TRANSACTION_DURATION, DURATION_BUCKETS),
            transaction_records: made.histograms(TRANSACTION_RECORDS, &[1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 4_096.0, 16_384.0]),
            transaction_aborts: made.counters(TRANSACTION_ABORTS),
            rebuilds: made.counters(REBUILDS),
            source_lag: made.gauges(SOURCE_LAG),
            dead_letters: made.counters(DEAD_LETTERS),
            duplicates: made.counters(DUPLICATES),
            restore_duration: made.registered(GaugeVec::new(opts(RESTORE_DURATION), RESTORE_DURATION.labels)),
            partitions_held: made.gauges(PARTITIONS_HELD),
            partitions_waiting: made.gauges(PARTITIONS_WAITING),
            policy_load_failures: made.registered(IntCounter::with_opts(opts(POLICY_LOAD_FAILURES))),
            reload_refused,
            bound_hits: made.counters(BOUND_HITS),
            control_age: made.registered(Gauge::with_opts(opts(CONTROL_AGE))),
            reference_records: made.gauges(REFERENCE_RECORDS),
            reference_bytes: made.gauges(REFERENCE_BYTES),
            reference_age: made.registered(GaugeVec::new(opts(REFERENCE_AGE), REFERENCE_AGE.labels)),
            reference_undecodable: made.gauges(REFERENCE_UNDECODABLE),
            lookups: made.counters(LOOKUPS),
            breaker_open: made.gauges(BREAKER_OPEN),
            open_cases: made.gauges(OPEN_CASES),
            oldest_pending: made.registered(GaugeVec::new(opts(OLDEST_PENDING), OLDEST_PENDING.labels)),
            time_to_claim: made.histograms(TIME_TO_CLAIM, WAIT_BUCKETS),
            time_to_decide: made.histograms(TIME_TO_DECIDE, WAIT_BUCKETS),
            verdicts: made.counters(VERDICTS),
            refusals: made.counters(REFUSALS),
            sla_escalations: made.counters(SLA_ESCALATIONS),
            cases_expired: made.counters(CASES_EXPIRED),
            restored_cases: made.gauges(RESTORED_CASES),
            incidents_open: made.gauges(INCIDENTS_OPEN),
            incidents_opened: made.counters(INCIDENTS_OPENED),
            capacity_threshold: made.registered(GaugeVec::new(opts(CAPACITY_THRESHOLD), CAPACITY_THRESHOLD.labels)),
            selection_ratio: made.registered(GaugeVec::new(opts(SELECTION_RATIO), SELECTION_RATIO.labels)),
            monitor_events: made.counters(MONITOR_EVENTS),
            monitor_skipped: made.counters(MONITOR_SKIPPED),
            outcomes: made.counters(OUTCOMES),
            connected: made.gauges(CONNECTED),
            registry,
        }
    }

    /// All metrics in the text format that Prometheus scrapes.
    #[must_use]
    pub fn exposition(&self) -> String {
        prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}

fn opts(described: Described) -> Opts {
    Opts::new(described.name, described.help)
}

struct Maker<'r> {
    registry: &'r Registry,
}

impl Maker<'_> {
    fn registered<C: prometheus::core::Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        let collector = made.expect("names and labels of the table are valid");
        self.registry.register(Box::new(collector.clone())).expect("no name stands twice in the table");
        collector
    }

    fn counters(&self, described: Described) -> IntCounterVec {
        self.registered(IntCounterVec::new(opts(described), described.labels))
    }

    fn gauges(&self, described: Described) -> IntGaugeVec {
        self.registered(IntGaugeVec::new(opts(described), described.labels))
    }

    fn histograms(&self, described: Described, buckets: &[f64]) -> HistogramVec {
        let options = HistogramOpts::new(described.name, described.help).buckets(buckets.to_vec());
        self.registered(HistogramVec::new(options, described.labels))
    }
}

/// What one source's partitions share.
pub struct SourceMetrics {
    /// [`EVENTS_CONSUMED`] of it.
    pub consumed: IntCounter,
    /// [`DUPLICATES`] of it with the same bytes.
    pub same: IntCounter,
    /// [`DUPLICATES`] of it with other bytes.
    pub conflicting: IntCounter,
    /// [`LATE`] of it.
    pub late: IntCounter,
    /// [`DECISION_AGE`] of it.
    pub decision_age: Histogram,
    /// [`COMMIT_AGE`] of it.
    pub commit_age: Histogram,
    /// [`DEAD_LETTERS`] of it, in the order of [`crate::event::Code::ALL`].
    pub dead_letters: Vec<IntCounter>,
}

/// The gate's children, made once.
pub struct GateMetrics {
    /// By place of the source in the settings.
    pub sources: Vec<SourceMetrics>,
    /// The registry's own.
    pub all: Arc<Metrics>,
}

impl GateMetrics {
    /// Children for `sources`.
    #[must_use]
    pub fn new(all: &Arc<Metrics>, sources: &[&str]) -> Self {
        let source = |name: &&str| SourceMetrics {
            consumed: all.events_consumed.with_label_values(&[*name]),
            same: all.duplicates.with_label_values(&[*name, "same"]),
            conflicting: all.duplicates.with_label_values(&[*name, "conflicting"]),
            late: all.late.with_label_values(&[*name]),
            decision_age: all.decision_age.with_label_values(&[*name]),
            commit_age: all.commit_age.with_label_values(&[*name]),
            dead_letters: crate::event::Code::ALL
                .iter()
                .map(|code| all.dead_letters.with_label_values(&[*name, code.as_str()]))
                .collect(),
        };
        Self { sources: sources.iter().map(source).collect(), all: Arc::clone(all) }
    }
}

/// A gauge of seconds.
pub fn set_seconds(gauge: &Gauge, time: Option<Duration>) {
    gauge.set(time.map_or(f64::INFINITY, |time| time.as_secs_f64()));
}

/// A count as a gauge.
pub fn set_count(gauge: &IntGauge, count: usize) {
    gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_house_and_stand_once() {
        let mut names: Vec<&str> = ALL.iter().map(|described| described.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        for described in ALL {
            assert!(described.name.starts_with("jidoka_") && described.help.ends_with('.'), "{}", described.name);
        }
        let text = {
            let metrics = Metrics::new();
            metrics.policy_load_failures.inc();
            metrics.exposition()
        };
        assert!(text.contains("jidoka_policy_load_failures_total 1"), "{text}");
    }
}
