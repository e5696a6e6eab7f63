//! The settings of a process: one YAML file and the environment.
//!
//! `file → document ← environment variables → `[`Settings`]
//!
//! `JIDOKA__GATE__WORKERS=4` says the same as `gate: { workers: 4 }` and outweighs the file; below `kafka` an `_` is a
//! dot, so `JIDOKA__KAFKA__SASL_PASSWORD` is `sasl.password`. Every key, its default and its meaning are in [`KEYS`].

mod environment;
mod files;
mod kafka;
mod keys;
mod read;
mod references;
mod signing;
mod watch;

pub use files::{
    POLICY_FILES, PROFILE_BYTES_MAX, ProfileFiles, SCHEMA_FILES, policy_files, read_policies, read_policy_files,
    read_policy_for_profile, read_schemas,
};
pub use kafka::KafkaProperties;
pub use keys::{KEYS, Key, KeyDefault, Takes};
pub use references::{HttpReference, Reference, ReferenceSource, SUBJECT_PLACE, TopicReferenceBounds};
pub use watch::{Change, FileLook, FolderWatch};

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::document::{Map, Node, Place, Problem, Problems, parse};
use crate::identity::Timestamp;
use crate::policy::FallbackReview;
use crate::signature::{PrivateKey, VerdictKeys};

/// All that a process is told before it starts. What each field means in full stands in [`KEYS`] under its path.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// `kafka`: properties that librdkafka gets as they are.
    pub kafka: KafkaProperties,
    /// `topics`: how jidoka's own topics are named and laid out.
    pub topics: TopicSettings,
    /// `encoding`: how records are written.
    pub encoding: Encoding,
    /// `sources`: the inputs; none is right for a process that runs no gate.
    pub sources: Vec<Source>,
    /// `policies`: the folder of policy files.
    pub policies: PathBuf,
    /// `schema_registry.folder`: where writer schemas of events in Avro lie, as `<id>.avsc`.
    pub schemas: SchemaFolder,
    /// `reload.every`: how often the folders are looked at.
    pub reload_every: Duration,
    /// `outcomes`: topics of labels that come late.
    pub outcomes: Vec<String>,
    /// `monitor`: its bounds.
    pub monitor: MonitorSettings,
    /// `references`: trusted facts about subjects.
    pub references: Vec<Reference>,
    /// `instance`: the ordinal that makes this process's transactional ids stable.
    pub instance: u16,
    /// `gate`: the gate's workers and bounds.
    pub gate: GateSettings,
    /// `fallback`: who reviews what no policy covers.
    pub fallback: FallbackReview,
    /// `sidecar`: its bounds.
    pub sidecar: SidecarSettings,
    /// `verdicts`: whose commands count.
    pub verdicts: VerdictSettings,
    /// `audit.heads`: where signed chain heads go.
    pub audit_heads: Option<AuditHeads>,
    /// `cases.keep_closed`: how long a closed case stays in the cases topic.
    pub cases_keep_closed: Duration,
    /// `archive.keep`: how long closed cases are kept.
    pub archive_keep: Duration,
    /// `dead_letters.max_bytes`: where the original value is cut.
    pub dead_letters_max_bytes: usize,
    /// `control.max_age`: how long `control` and `signals` may go unread before everything is held.
    pub control_max_age: Duration,
    /// `transaction.timeout`: after which the broker aborts a transaction.
    pub transaction_timeout: Duration,
    /// `session.timeout`: after which the group takes a silent member's partitions; longer than a transaction.
    pub session_timeout: Duration,
    /// `restore.timeout`: how long reading state back may take at a start.
    pub restore_timeout: Duration,
    /// `api`: the address of metrics, health and the API.
    pub api: ApiSettings,
}

/// A folder of writer schemas.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SchemaFolder {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it must be there.
    pub presence: Presence,
}

/// Whether something must be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// It was named: that it is missing is a mistake.
    Required,
    /// It is looked for by default: without it there is simply none.
    Optional,
}

/// How jidoka's own topics are named and laid out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicSettings {
    /// What every topic and consumer group begins with.
    pub prefix: String,
    /// Partitions of the topics that are partitioned by decision, for life.
    pub lanes: u16,
    /// Partitions of the reviews topic for each band.
    pub spread: u16,
    /// Copies of each partition.
    pub replication: u16,
}

/// How records are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// Compact JSON.
    Json,
}

/// An input topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// Its name in ids and records; a new name is a new input.
    pub name: String,
    /// The topic.
    pub topic: String,
    /// What its records look like.
    pub format: Format,
    /// Where the very first start begins.
    pub start: Start,
}

/// What the records of an input look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// The native inference event (contract, section 1).
    Native,
}

/// Where the very first start of a source begins; later `progress` says where to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// At the oldest record.
    Earliest,
    /// After the newest record; what is skipped is recorded.
    Latest,
    /// At the first record of that time or later; what is skipped is recorded.
    At(Timestamp),
}

/// The gate's workers and bounds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GateSettings {
    /// OS threads, each with a consumer and a producer.
    pub workers: u16,
    /// When a batch is full.
    pub batch: BatchBounds,
    /// For how many offsets of a partition the same event is a duplicate; 0 for never.
    pub dedup_window: u32,
    /// What an event may be at most.
    pub event: EventBounds,
    /// The largest value that a case or review record may have; above, it carries the event by reference.
    pub max_record_bytes: usize,
}

/// When a batch is full: whichever comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchBounds {
    /// So many records.
    pub max_records: usize,
    /// So many bytes of input.
    pub max_bytes: usize,
    /// So long after its first record.
    pub linger: Duration,
}

/// What an event may be at most; beyond, it is unreadable and held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventBounds {
    /// Bytes of the record's value.
    pub max_bytes: usize,
    /// Levels of nesting.
    pub max_depth: usize,
    /// Fields on all levels together.
    pub max_fields: usize,
}

/// The sidecar's bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SidecarSettings {
    /// When a batch of verdicts is full.
    pub batch: BatchBounds,
}

/// The monitor's bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MonitorSettings {
    /// When a batch of tallies and labels is full.
    pub batch: BatchBounds,
    /// Events of a policy after which its state is written anew.
    pub snapshot_every: u64,
    /// Events of a policy that a label that comes late can still be joined to.
    pub window: usize,
}

/// Whose commands count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerdictSettings {
    /// What becomes of commands without a signature.
    pub unsigned: Unsigned,
    /// The keys that commands may be signed with.
    pub keys: VerdictKeys,
    /// The bytes of a command at most.
    pub max_bytes: usize,
    /// The bytes of each text that a reviewer writes at most: `reason.text`, `corrected`, `judgement`.
    pub max_text: usize,
    /// So many commands a case takes.
    pub max_commands: u32,
}

/// What becomes of commands without a signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Unsigned {
    /// They are refused.
    #[default]
    Refuse,
    /// They count; every entry then says that nobody signed it.
    Allow,
}

/// Where signed chain heads are kept outside Kafka.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditHeads {
    /// The file that heads are added to.
    pub file: PathBuf,
    /// The key that signs them.
    pub key: PrivateKey,
    /// How often.
    pub every: Duration,
}

/// The address of metrics, health and the API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiSettings {
    /// Address and port.
    pub listen: SocketAddr,
    /// Who may call the API, as written. Without effect yet.
    pub auth: Option<Node>,
}

impl Settings {
    /// Reads the settings of the file at `path`, or of none, and of the variables in `environment` that begin with
    /// `JIDOKA__`. Paths in them are relative to the file's folder.
    ///
    /// # Errors
    /// Everything that is wrong in the file and in the variables, each with its place.
    pub fn load(path: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Result<Self, Vec<Problem>> {
        let mut document = match path {
            Some(path) => parse(&path.display().to_string(), &files::read_text(path).map_err(|problem| vec![problem])?)?,
            None => Node::plain(Place::whole("environment"), ""),
        };
        let problems = Problems::default();
        environment::overlay(&mut document, environment, &problems);
        let folder = path.and_then(Path::parent).unwrap_or(Path::new(""));
        let settings = Map::of_document(&document, &problems, |root| read::settings(root, folder));
        problems.finish(settings)
    }

    /// The names of the references, as policies call them.
    #[must_use]
    pub fn reference_names(&self) -> Vec<&str> {
        self.references.iter().map(|reference| reference.name.as_str()).collect()
    }

    /// The keys that are set but do nothing in this version, for a warning at the start: nobody should think that the API
    /// asks who is calling.
    #[must_use]
    pub fn without_effect(&self) -> Vec<&'static str> {
        let given = [("api.auth", self.api.auth.is_some())];
        given.into_iter().filter_map(|(key, given)| given.then_some(key)).collect()
    }
}

#[cfg(test)]
mod tests;
