//! What a running process takes up when its files change: policies, and writer schemas.
//!
//! ```text
//! folder ─ changed, and still ─→ read and checked as a whole ─┬─ good ─→ rules in force, writer schemas in force ─→ next turn
//!                                                             └─ bad ──→ counted, logged, told by /readyz
//! ```
//!
//! Whatever is wrong with the new files, the old ones stay in force; that is counted, logged, and stands under `notes` in
//! `/readyz`. Workers take up new rules at the beginning of a turn, so that nothing in flight is dropped or decided twice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use crate::config::{Change, FolderWatch, ProfileFiles, SchemaFolder, read_policies, read_schemas};
use crate::document::Problem;
use crate::event::{SchemaSource, Schemas, WriterSchema};
use crate::gate::{Rules, RulesInForce};
use crate::policy::FallbackReview;
use crate::telemetry::health::Health;
use crate::telemetry::metrics::{Metrics, RELOADED};

/// What `/readyz` and metrics call the two.
const POLICIES: &str = RELOADED[0];
const SCHEMAS: &str = RELOADED[1];

/// How soon a stop is noticed.
const NOTICE: Duration = Duration::from_millis(50);

/// Writer schemas that can be replaced while records are read by them.
#[derive(Debug, Default)]
pub struct CurrentSchemas(ArcSwap<Schemas>);

impl CurrentSchemas {
    /// Begins with `schemas`.
    #[must_use]
    pub fn new(schemas: Schemas) -> Self {
        Self(ArcSwap::from_pointee(schemas))
    }
}

impl SchemaSource for CurrentSchemas {
    fn by_id(&self, id: u32) -> Option<Arc<WriterSchema>> {
        self.0.load().by_id(id)
    }

    fn by_fingerprint(&self, fingerprint: u64) -> Option<Arc<WriterSchema>> {
        self.0.load().by_fingerprint(fingerprint)
    }

    fn is_empty(&self) -> bool {
        self.0.load().is_empty()
    }
}

/// The two folders, as they were when their files were read.
#[derive(Clone, Debug)]
pub struct Watches {
    /// That of the policies.
    pub policies: FolderWatch,
    /// That of the writer schemas.
    pub schemas: FolderWatch,
}

/// Where what was read goes.
pub struct Targets {
    /// Policies.
    pub rules: Arc<RulesInForce>,
    /// Writer schemas.
    pub schemas: Arc<CurrentSchemas>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Notes.
    pub health: Arc<Health>,
}

/// Follows the folders.
pub struct Reload {
    watches: Watches,
    schemas: SchemaFolder,
    around: Around,
    to: Targets,
}

/// What the configuration says to all policies.
#[derive(Clone, Debug)]
pub struct Around {
    /// Who reviews where a policy does not say it.
    pub fallback: FallbackReview,
    /// The names of the references.
    pub references: Vec<String>,
}

impl Reload {
    /// Follows the folders of `watches`, whose files were read after those began.
    #[must_use]
    pub fn new(watches: Watches, schemas: SchemaFolder, around: Around, to: Targets) -> Self {
        Self { watches, schemas, around, to }
    }

    /// Looks at the files `every` so often, on the calling thread, until the process ends.
    pub fn follow(&mut self, every: Duration) {
        while !self.to.health.is_stopping() {
            let next = Instant::now() + every;
            while Instant::now() < next && !self.to.health.is_stopping() {
                std::thread::sleep(NOTICE.min(next.saturating_duration_since(Instant::now())));
            }
            self.look();
        }
    }

    /// Looks once.
    pub fn look(&mut self) {
        match self.watches.policies.look() {
            Change::None => {}
            Change::Files => self.read_policies(),
            Change::Unreadable(error) => {
                self.refuse_policies(&[], &format!("{} cannot be read: {error}", self.watches.policies.folder().display()));
            }
        }
        match self.watches.schemas.look() {
            Change::None => {}
            Change::Files => self.read_schemas(),
            Change::Unreadable(error) => {
                self.refuse(SCHEMAS, &format!("{} cannot be read: {error}", self.schemas.path.display()));
            }
        }
    }

    fn read_policies(&mut self) {
        let began = Instant::now();
        let profiles = ProfileFiles::default();
        let references: Vec<&str> = self.around.references.iter().map(String::as_str).collect();
        let read = read_policies(self.watches.policies.folder(), &self.around.fallback, Some(&references), &profiles);
        self.watches.policies.beside(profiles.into_looks());
        let folder = self.watches.policies.folder();
        match read {
            Ok(set) if set.policies().is_empty() => {
                self.refuse_policies(&[], &format!("{} has no policy any more, as if it were gone", folder.display()));
            }
            Ok(set) => match self.to.rules.replace(Rules::new(set, &self.around.fallback, &self.to.metrics)) {
                Ok(()) => self.taken_up(began),
                Err(error) => self.refuse_policies(&[], &error.to_string()),
            },
            Err(problems) => self.refuse_policies(&problems, &summary(&problems)),
        }
    }

    fn taken_up(&self, began: Instant) {
        for policy in self.to.rules.current().set.policies() {
            tracing::info!(policy = policy.name, version = policy.version, hash = %policy.hash, "in force");
        }
        self.settle(POLICIES);
        tracing::info!(took = ?began.elapsed(), "policies taken up; what is in flight is decided by the old ones");
    }

    fn refuse_policies(&self, problems: &[Problem], why: &str) {
        let mut files: Vec<&str> = problems.iter().map(|problem| problem.file.as_str()).filter(|file| !file.is_empty()).collect();
        files.dedup();
        self.to.metrics.policy_load_failures.inc_by(files.len().max(1) as u64);
        for problem in problems {
            tracing::error!(%problem, "policy refused");
        }
        self.refuse(POLICIES, why);
    }

    fn read_schemas(&self) {
        match read_schemas(&self.schemas) {
            Ok(schemas) => {
                tracing::info!(?schemas, "writer schemas taken up");
                self.to.schemas.0.store(Arc::new(schemas));
                self.settle(SCHEMAS);
            }
            Err(problems) => self.refuse(SCHEMAS, &summary(&problems)),
        }
    }

    fn settle(&self, what: &str) {
        self.to.metrics.reload_refused.with_label_values(&[what]).set(0);
        self.to.health.is_settled(what);
    }

    fn refuse(&self, what: &str, why: &str) {
        tracing::error!(what, why, "not reloaded; the old ones stay in force");
        self.to.metrics.reload_refused.with_label_values(&[what]).set(1);
        self.to.health.note(what, &format!("not reloaded, the old ones stay in force: {why}"));
    }
}

fn summary(problems: &[Problem]) -> String {
    match problems {
        [only] => only.to_string(),
        [first, ..] => format!("{} mistakes, the first: {first}", problems.len()),
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::config::{POLICY_FILES, Presence, SCHEMA_FILES};
    use crate::policy::PolicySet;

    const GOOD: &str = "policy: loans\ntriggers: [ { id: low, confidence: { measure: margin, below: 0.2 } } ]\n";

    struct Setting {
        folder: tempfile::TempDir,
        reload: Reload,
    }

    impl Setting {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let (policies, schemas) = (folder.path().join("policies"), folder.path().join("schemas"));
            fs::create_dir(&policies).expect("made");
            let metrics = Arc::new(Metrics::new());
            let rules = Rules::new(PolicySet::default(), &FallbackReview::default(), &metrics);
            let watches = Watches {
                policies: FolderWatch::new(&policies, &POLICY_FILES),
                schemas: FolderWatch::new(&schemas, &SCHEMA_FILES),
            };
            let rules = Arc::new(RulesInForce::new(rules));
            let to = Targets { rules, schemas: Arc::default(), metrics, health: Arc::default() };
            let schemas = SchemaFolder { path: schemas, presence: Presence::Optional };
            Self {
                folder,
                reload: Reload::new(watches, schemas, Around { fallback: FallbackReview::default(), references: Vec::new() }, to),
            }
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
            let versions = self.reload.to.rules.current().set.policies().iter().map(|policy| policy.version.clone()).collect();
            let note = self.reload.to.health.readiness().notes.first().map(|note| note.why.clone());
            let refused = [POLICIES, SCHEMAS].map(|what| self.reload.to.metrics.reload_refused.with_label_values(&[what]).get());
            assert_eq!(refused.iter().sum::<i64>(), i64::from(note.is_some()), "the gauge says what the note says");
            (versions, self.reload.to.metrics.policy_load_failures.get(), note)
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
        assert!(setting.reload.to.health.readiness().ready, "the old policies decide");
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

    #[test]
    fn a_writer_schema_that_comes_is_known_and_a_bad_one_takes_none_away() {
        const SCHEMA: &str = r#"{"type": "record", "name": "E", "fields": [{"name": "event_id", "type": "string"}]}"#;
        let mut setting = Setting::new();
        let folder = setting.folder.path().join("schemas");
        let known = |setting: &Setting, id| setting.reload.to.schemas.by_id(id).is_some();
        fs::create_dir(&folder).expect("made");
        write(&folder.join("7.avsc"), SCHEMA);
        setting.settle();
        assert!(known(&setting, 7) && setting.state().2.is_none());
        write(&folder.join("8.avsc"), &SCHEMA[..30]);
        setting.settle();
        assert!(known(&setting, 7) && !known(&setting, 8));
        assert!(setting.state().2.is_some_and(|note| note.contains("8.avsc")));
        write(&folder.join("8.avsc"), SCHEMA);
        setting.settle();
        assert!(known(&setting, 8) && setting.state().2.is_none());
    }
}
