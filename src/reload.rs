//! What a running process takes up when its files change: policies.
//!
//! Whatever is wrong with the new files, the old ones stay in force; that is counted, logged, and stands under `notes` in
//! `/readyz`. Workers take up new rules at the beginning of a turn, so that nothing in flight is dropped or decided twice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::{Change, FolderWatch, read_policies};
use crate::document::Problem;
use crate::gate::{Rules, RulesInForce};
use crate::policy::FallbackReview;
use crate::telemetry::health::Health;
use crate::telemetry::metrics::Metrics;

/// What `/readyz` calls the policies.
const POLICIES: &str = "policies";

/// How soon a stop is noticed.
const NOTICE: Duration = Duration::from_millis(50);

/// Follows the folder of policies.
pub struct Reload {
    policies: FolderWatch,
    fallback: FallbackReview,
    rules: Arc<RulesInForce>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
}

impl Reload {
    /// Follows the folder of `policies`, whose files were read after that watch began and are `rules`.
    #[must_use]
    pub fn new(
        policies: FolderWatch,
        fallback: FallbackReview,
        rules: Arc<RulesInForce>,
        metrics: Arc<Metrics>,
        health: Arc<Health>,
    ) -> Self {
        Self { policies, fallback, rules, metrics, health }
    }

    /// Looks at the files `every` so often, on the calling thread, until the process ends.
    pub fn follow(&mut self, every: Duration) {
        while !self.health.is_stopping() {
            let next = Instant::now() + every;
            while Instant::now() < next && !self.health.is_stopping() {
                std::thread::sleep(NOTICE.min(next.saturating_duration_since(Instant::now())));
            }
            self.look();
        }
    }

    /// Looks once.
    pub fn look(&mut self) {
        match self.policies.look() {
            Change::None => {}
            Change::Files => self.read(),
            Change::Unreadable(error) => {
                self.refuse(&[], &format!("{} cannot be read: {error}", self.policies.folder().display()))
            }
        }
    }

    fn read(&self) {
        let began = Instant::now();
        let folder = self.policies.folder();
        match read_policies(folder, &self.fallback) {
            Ok(set) if set.policies().is_empty() => {
                self.refuse(&[], &format!("{} has no policy any more, as if it were gone", folder.display()));
            }
            Ok(set) => {
                for policy in set.policies() {
                    tracing::info!(policy = policy.name, version = policy.version, hash = %policy.hash, "in force");
                }
                self.rules.replace(Rules::new(set, &self.fallback, &self.metrics));
                self.health.is_settled(POLICIES);
                tracing::info!(took = ?began.elapsed(), "policies taken up; what is in flight is decided by the old ones");
            }
            Err(problems) => {
                let first = problems.first().map(ToString::to_string).unwrap_or_default();
                self.refuse(&problems, &format!("{} mistakes; the first: {first}", problems.len()));
            }
        }
    }

    fn refuse(&self, problems: &[Problem], why: &str) {
        for problem in problems {
            tracing::error!(%problem, "policy refused");
        }
        let mut files: Vec<&str> = problems.iter().map(|problem| problem.file.as_str()).filter(|file| !file.is_empty()).collect();
        files.dedup();
        self.metrics.policy_load_failures.inc_by(files.len().max(1) as u64);
        tracing::error!(why, "the policies were not reloaded; the ones that were in force stay so");
        self.health.note(POLICIES, &format!("not reloaded, the ones that were in force stay so: {why}"));
    }
}
