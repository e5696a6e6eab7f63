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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::config::POLICY_FILES;
    use crate::policy::PolicySet;

    const GOOD: &str = "policy: loans\ntriggers: [ { id: low, confidence: { measure: margin, below: 0.2 } } ]\n";

    struct Setting {
        folder: tempfile::TempDir,
        reload: Reload,
    }

    impl Setting {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            fs::create_dir(folder.path().join("policies")).expect("made");
            let (metrics, health) = (Arc::new(Metrics::new()), Arc::new(Health::default()));
            let rules = Rules::new(PolicySet::default(), &FallbackReview::default(), &metrics);
            let watch = FolderWatch::new(&folder.path().join("policies"), &POLICY_FILES);
            let rules = Arc::new(RulesInForce::new(rules));
            let reload = Reload::new(watch, FallbackReview::default(), rules, metrics, health);
            Self { folder, reload }
        }

        fn policies(&self) -> std::path::PathBuf {
            self.folder.path().join("policies")
        }

        fn write(&mut self, name: &str, text: &str) {
            write(&self.policies().join(name), text);
            self.settle();
        }

        /// Looks until what there is has stood still.
        fn settle(&mut self) {
            self.reload.look();
            self.reload.look();
        }

        /// Versions in force, failures counted, and what `/readyz` notes.
        fn state(&self) -> (Vec<Option<String>>, u64, Option<String>) {
            let versions = self.reload.rules.current().set.policies().iter().map(|policy| policy.version.clone()).collect();
            let note = self.reload.health.readiness().notes.first().map(|note| note.why.clone());
            (versions, self.reload.metrics.policy_load_failures.get(), note)
        }
    }

    fn write(path: &Path, text: &str) {
        fs::write(path, text).expect("written");
    }

    fn version(text: &str) -> Vec<Option<String>> {
        vec![Some(text.to_owned())]
    }

    #[test]
    fn a_good_file_is_taken_up_and_a_bad_one_changes_nothing() {
        let mut setting = Setting::new();
        setting.write("loans.yaml", &format!("version: 1\n{GOOD}"));
        assert_eq!(setting.state(), (version("1"), 0, None));
        setting.write("loans.yaml", &format!("version: 2\n{}", &GOOD[..40]));
        let (versions, failures, note) = setting.state();
        assert_eq!((versions, failures), (version("1"), 1), "half a file");
        assert!(note.as_ref().is_some_and(|note| note.contains("loans.yaml:")), "{note:?}");
        assert!(setting.reload.health.readiness().ready, "the old policies decide");
        setting.write("cards.yaml", "policy: cards\n");
        assert_eq!((setting.state().0, setting.state().1), (version("1"), 3), "two files are bad now");
        fs::remove_file(setting.policies().join("cards.yaml")).expect("removed");
        setting.write("loans.yaml", &format!("version: 3\n{GOOD}"));
        assert_eq!(setting.state(), (version("3"), 3, None), "mended: the note is gone");
    }

    #[test]
    fn a_folder_that_vanishes_or_is_emptied_takes_no_policy_away() {
        let mut setting = Setting::new();
        setting.write("loans.yaml", &format!("version: 1\n{GOOD}"));
        fs::rename(setting.policies(), setting.folder.path().join("away")).expect("moved");
        setting.settle();
        let (versions, failures, note) = setting.state();
        assert_eq!((versions, failures), (version("1"), 1));
        assert!(note.as_ref().is_some_and(|note| note.contains("cannot be read")), "{note:?}");
        fs::create_dir(setting.policies()).expect("made");
        setting.settle();
        let (versions, failures, note) = setting.state();
        assert_eq!((versions, failures), (version("1"), 2));
        assert!(note.as_ref().is_some_and(|note| note.contains("no policy any more")), "{note:?}");
        setting.write("loans.yaml", &format!("version: 2\n{GOOD}"));
        assert_eq!(setting.state(), (version("2"), 2, None));
    }
}
