//! What a monitor counts: staged with the transaction, shown once it is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::monitor::desk::Desk;
use crate::signal::IncidentKind;
use crate::telemetry::metrics::Metrics;

/// How often gauges are shown.
const SHOW_EVERY: Duration = Duration::from_secs(1);
const KINDS: [IncidentKind; 3] = [IncidentKind::Fairness, IncidentKind::Drift, IncidentKind::Capacity];

/// Why a tally was not folded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Skipped {
    /// It is none.
    Unreadable,
    /// It was made under a policy that this monitor has not loaded, or without a baseline.
    NotLoaded,
    /// It was deleted before it was read.
    Lost,
}

impl Skipped {
    const ALL: [Self; 3] = [Self::Unreadable, Self::NotLoaded, Self::Lost];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NotLoaded => "not-loaded",
            Self::Lost => "lost",
        }
    }
}

/// What became of a late label.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Labelled {
    /// It was joined to its event.
    Joined,
    /// Its event is not remembered, or has its label.
    Unknown,
    /// Whether the event's prediction, or the label, is favourable cannot be told.
    Undecided,
    /// It is none.
    Unreadable,
}

impl Labelled {
    const ALL: [Self; 4] = [Self::Joined, Self::Unknown, Self::Undecided, Self::Unreadable];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Unknown => "unknown",
            Self::Undecided => "undecided",
            Self::Unreadable => "unreadable",
        }
    }
}

/// See the module.
pub(super) struct Counts {
    metrics: Arc<Metrics>,
    events: BTreeMap<String, u64>,
    skipped: BTreeMap<Skipped, u64>,
    labels: BTreeMap<Labelled, u64>,
    opened: BTreeMap<(String, IncidentKind), u64>,
    shown: BTreeSet<String>,
    showed: Option<Instant>,
}

impl Counts {
    pub fn new(metrics: &Arc<Metrics>) -> Self {
        for reason in Skipped::ALL {
            metrics.monitor_skipped.with_label_values(&[reason.as_str()]);
        }
        for result in Labelled::ALL {
            metrics.outcomes.with_label_values(&[result.as_str()]);
        }
        Self {
            metrics: Arc::clone(metrics),
            events: BTreeMap::new(),
            skipped: BTreeMap::new(),
            labels: BTreeMap::new(),
            opened: BTreeMap::new(),
            shown: BTreeSet::new(),
            showed: None,
        }
    }

    pub fn folded(&mut self, policy: &str, events: usize) {
        match self.events.get_mut(policy) {
            Some(count) => *count += events as u64,
            None => drop(self.events.insert(policy.to_owned(), events as u64)),
        }
    }

    pub fn skipped(&mut self, reason: Skipped, events: usize) {
        *self.skipped.entry(reason).or_default() += events as u64;
    }

    pub fn label(&mut self, result: Labelled) {
        *self.labels.entry(result).or_default() += 1;
    }

    pub fn opened(&mut self, policy: &str, kind: IncidentKind) {
        *self.opened.entry((policy.to_owned(), kind)).or_default() += 1;
    }

    pub fn commit(&mut self) {
        for (policy, count) in std::mem::take(&mut self.events) {
            self.metrics.monitor_events.with_label_values(&[&policy]).inc_by(count);
        }
        for (reason, count) in std::mem::take(&mut self.skipped) {
            self.metrics.monitor_skipped.with_label_values(&[reason.as_str()]).inc_by(count);
        }
        for (result, count) in std::mem::take(&mut self.labels) {
            self.metrics.outcomes.with_label_values(&[result.as_str()]).inc_by(count);
        }
        for ((policy, kind), count) in std::mem::take(&mut self.opened) {
            self.metrics.incidents_opened.with_label_values(&[policy.as_str(), kind.as_str()]).inc_by(count);
        }
    }

    pub fn roll_back(&mut self) {
        (self.events, self.skipped) = (BTreeMap::new(), BTreeMap::new());
        (self.labels, self.opened) = (BTreeMap::new(), BTreeMap::new());
    }

    /// Shows what is open, the threshold and the ratios of each policy.
    pub fn show(&mut self, desks: &BTreeMap<String, Desk>) {
        if self.showed.is_some_and(|showed| showed.elapsed() < SHOW_EVERY) {
            return;
        }
        self.showed = Some(Instant::now());
        for gone in self.shown.iter().filter(|policy| !desks.contains_key(*policy)) {
            for kind in KINDS {
                self.metrics.incidents_open.with_label_values(&[gone.as_str(), kind.as_str()]).set(0);
            }
        }
        self.shown = desks.keys().cloned().collect();
        for (policy, desk) in desks {
            for kind in KINDS {
                let open = desk.watch.open_incidents().iter().filter(|incident| incident.kind == kind).count();
                let gauge = self.metrics.incidents_open.with_label_values(&[policy.as_str(), kind.as_str()]);
                gauge.set(i64::try_from(open).unwrap_or(i64::MAX));
                self.metrics.incidents_opened.with_label_values(&[policy.as_str(), kind.as_str()]);
            }
            if let Some(threshold) = desk.watch.threshold() {
                self.metrics.capacity_threshold.with_label_values(&[policy]).set(threshold.threshold);
            }
            for group in desk.watch.summary() {
                let Some(ratio) = group.ratio.filter(|_| !group.group.is_empty()) else { continue };
                let names: Vec<String> = group.group.iter().map(|(attribute, level)| format!("{attribute}={level}")).collect();
                self.metrics.selection_ratio.with_label_values(&[policy.as_str(), &names.join(",")]).set(ratio);
            }
        }
    }
}
