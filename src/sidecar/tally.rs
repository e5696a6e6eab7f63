//! What a sidecar counts: staged with the transaction, shown once it is committed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::case::{Action, Case, Kind, Move, Refusal, State, Step};
use crate::identity::Timestamp;
use crate::policy::Band;
use crate::sidecar::book::CaseBook;
use crate::sidecar::lane::SidecarLane;
use crate::telemetry::metrics::{Bound, Metrics, set_count};

/// How often open cases are shown.
const SHOW_EVERY: Duration = Duration::from_secs(1);
/// What stands for an action that could not be made out.
const NO_ACTION: &str = "unknown";

/// What became of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// It took effect.
    Applied,
    /// It had taken effect before.
    Repeated,
    /// It went to the lane of its case.
    Forwarded,
    /// It was refused.
    Refused(Refusal),
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Repeated => "repeated",
            Self::Forwarded => "forwarded",
            Self::Refused(_) => "refused",
        }
    }
}

/// One thing to count.
enum Count {
    Verdict(&'static str, Outcome),
    Claimed(Band, Duration),
    Decided(Band, Duration),
    Escalated(Box<str>, Band),
    Expired(Box<str>, Band),
    NoRoom,
    TooMany,
}

/// How many open cases there are of one kind, and since when the oldest.
#[derive(Clone, Copy)]
struct Open {
    count: usize,
    oldest: Timestamp,
}

type Key = (Box<str>, Band, State);

/// The counts. See the module.
pub(super) struct Tally {
    metrics: Arc<Metrics>,
    staged: Vec<Count>,
    shown: HashMap<Key, Open>,
    showed: Option<Instant>,
}

impl Tally {
    pub fn new(metrics: &Arc<Metrics>) -> Self {
        for action in Action::ALL {
            for result in [Outcome::Applied, Outcome::Repeated, Outcome::Forwarded, Outcome::Refused(Refusal::Malformed)] {
                metrics.verdicts.with_label_values(&[action.as_str(), result.as_str()]);
            }
        }
        for refusal in Refusal::ALL {
            metrics.refusals.with_label_values(&[refusal.as_str()]);
        }
        for band in Band::ALL {
            metrics.time_to_claim.with_label_values(&[band.as_str()]);
            metrics.time_to_decide.with_label_values(&[band.as_str()]);
        }
        for bound in [Bound::VerdictRecords, Bound::VerdictBytes, Bound::CaseCommands, Bound::CaseBytes] {
            metrics.bound_hits.with_label_values(&[bound.key()]);
        }
        Self { metrics: Arc::clone(metrics), staged: Vec::new(), shown: HashMap::new(), showed: None }
    }

    /// What became of a command.
    pub fn verdict(&mut self, action: Option<Action>, outcome: Outcome) {
        self.staged.push(Count::Verdict(action.map_or(NO_ACTION, Action::as_str), outcome));
        if outcome == Outcome::Refused(Refusal::TooMany) {
            self.staged.push(Count::TooMany);
        }
    }

    /// A command took effect on `case`, which is as it was before.
    pub fn taken(&mut self, case: &Case, action: Action, step: Step, at: Timestamp) {
        self.verdict(Some(action), Outcome::Applied);
        let age = age(case, at);
        match step.kind {
            Kind::Claimed => self.staged.push(Count::Claimed(case.band, age)),
            Kind::Approved | Kind::Rejected => self.staged.push(Count::Decided(case.band, age)),
            _ => {}
        }
    }

    /// Time did something to `case`, which is as it was before.
    pub fn timed(&mut self, case: &Case, step: Step) {
        let policy = case.opened.common.policy_name.clone();
        match step.a_move {
            Move::Remind => self.staged.push(Count::Escalated(policy, case.band)),
            Move::Expire => self.staged.push(Count::Expired(policy, case.band)),
            _ => {}
        }
    }

    /// A case would have become too large for its topics.
    pub fn no_room(&mut self) {
        self.staged.push(Count::NoRoom);
    }

    /// A lane was restored.
    pub fn restored(&mut self, book: &CaseBook) {
        set_count(&self.metrics.restored_cases.with_label_values(&["sidecar"]), book.len());
        self.showed = None;
    }

    /// The transaction was committed.
    pub fn commit(&mut self) {
        let metrics = &self.metrics;
        for count in self.staged.drain(..) {
            match count {
                Count::Verdict(action, outcome) => {
                    metrics.verdicts.with_label_values(&[action, outcome.as_str()]).inc();
                    if let Outcome::Refused(refusal) = outcome {
                        metrics.refusals.with_label_values(&[refusal.as_str()]).inc();
                    }
                }
                Count::Claimed(band, age) => metrics.time_to_claim.with_label_values(&[band.as_str()]).observe(age.as_secs_f64()),
                Count::Decided(band, age) => {
                    metrics.time_to_decide.with_label_values(&[band.as_str()]).observe(age.as_secs_f64());
                }
                Count::Escalated(policy, band) => metrics.sla_escalations.with_label_values(&[&policy, band.as_str()]).inc(),
                Count::Expired(policy, band) => metrics.cases_expired.with_label_values(&[&policy, band.as_str()]).inc(),
                Count::NoRoom => metrics.bound_hits.with_label_values(&[Bound::CaseBytes.key()]).inc(),
                Count::TooMany => metrics.bound_hits.with_label_values(&[Bound::CaseCommands.key()]).inc(),
            }
        }
    }

    /// The transaction was aborted.
    pub fn roll_back(&mut self) {
        self.staged.clear();
    }

    /// Shows how many open cases all lanes have, now and then.
    pub fn show(&mut self, lanes: &[SidecarLane], now: Timestamp) {
        if self.showed.is_some_and(|showed| showed.elapsed() < SHOW_EVERY) {
            return;
        }
        self.showed = Some(Instant::now());
        let mut open: HashMap<Key, Open> = HashMap::new();
        for kind in lanes.iter().flat_map(|lane| lane.book.census().kinds()) {
            let key = (kind.policy.into(), kind.band, kind.state);
            let of = open.entry(key).or_insert(Open { count: 0, oldest: kind.oldest });
            of.count += kind.count;
            of.oldest = of.oldest.min(kind.oldest);
        }
        // Of what was there before, zero is shown.
        for key in self.shown.keys() {
            open.entry(key.clone()).or_insert(Open { count: 0, oldest: now });
        }
        for ((policy, band, state), of) in &open {
            if !self.shown.contains_key(&(policy.clone(), *band, *state)) {
                self.begin_at_zero(policy);
            }
            set_count(&self.metrics.open_cases.with_label_values(&[&**policy, band.as_str(), state.as_str()]), of.count);
            if *state == State::Pending {
                let age = since(of.oldest, now).as_secs_f64();
                self.metrics.oldest_pending.with_label_values(&[&**policy, band.as_str()]).set(age);
            }
        }
        self.shown = open;
    }

    /// What time may do to cases of a policy is shown before it has done it, so that its first time is seen as a rise.
    fn begin_at_zero(&self, policy: &str) {
        for band in Band::ALL {
            self.metrics.sla_escalations.with_label_values(&[policy, band.as_str()]);
            self.metrics.cases_expired.with_label_values(&[policy, band.as_str()]);
        }
    }
}

fn age(case: &Case, at: Timestamp) -> Duration {
    since(case.opened.opened_at, at)
}

fn since(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(to.0 - from.0).unwrap_or(0))
}
