//! The topics: what they should be ([`plan`]), what they are ([`check`]), making them ([`apply`]), and who may use them
//! ([`acls`]).
//!
//! ```text
//! settings ─→ layout ─→ plan ─┬─→ apply ─→ brokers
//!                             └─→ check ←─ brokers
//!                                   └─→ findings, each with the command that mends it
//! ```
//!
//! Nothing here ever changes a topic that exists: a wrong one is reported with the command that mends it, for a person to
//! run. Only benchmarks remove topics, and only those that they made ([`remove`]).

mod access;
mod cluster;
mod finding;
mod layout;
mod plan;
mod settings;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;

pub use access::acls;
use cluster::{Cluster, Creation};
use finding::{ClusterView, Names};
pub use finding::{Finding, Severity};
pub use layout::{Partitions, Role, Topic, TopicLayout};
pub use plan::{PlannedTopic, plan};
pub use settings::{Bound, Setting};

/// What the work on topics needs of the configuration.
#[derive(Clone, Debug, Default)]
pub struct TopicsContext {
    /// How to reach Kafka.
    pub client: ClientConfig,
    /// The configured shape.
    pub layout: TopicLayout,
    /// Topics that events are read from: not jidoka's own, but they must be there.
    pub sources: Vec<String>,
    /// Topics of trusted facts: not jidoka's own either. Without one the gate runs, and holds what needs it.
    pub references: Vec<String>,
    /// Topics of late labels, which the monitor reads; not jidoka's own either.
    pub outcomes: Vec<String>,
    /// The brokers' addresses, for the commands that findings name.
    pub bootstrap: String,
    /// The configuration file, likewise.
    pub config_path: String,
}

impl TopicsContext {
    /// The topics that are only read.
    fn inputs(&self) -> Vec<String> {
        self.sources.iter().chain(&self.references).cloned().collect()
    }

    fn judge(&self, planned: &[PlannedTopic], view: &ClusterView) -> Vec<Finding> {
        let inputs = finding::Inputs { sources: &self.sources, references: &self.references };
        finding::judge(planned, inputs, view, self.names())
    }

    fn names(&self) -> Names<'_> {
        let user = self.client.get("sasl.username").unwrap_or("ANONYMOUS");
        Names { bootstrap: &self.bootstrap, config_path: &self.config_path, user }
    }
}

/// Why the topics could not be looked at or made.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// librdkafka does not take the settings below `kafka`: mend the configuration.
    #[error("The Kafka settings cannot be used: {0}")]
    Settings(String),
    /// No broker answered in time: try again later.
    #[error("No answer from Kafka at {bootstrap} within {} s: {reason}", within.as_secs())]
    NoAnswer {
        /// The brokers' addresses.
        bootstrap: String,
        /// How long was waited.
        within: Duration,
        /// What the client said last.
        reason: String,
    },
    /// A broker does not accept the credentials: trying again does not help.
    #[error("Kafka at {bootstrap} refused the login: {reason}")]
    LoginRefused {
        /// The brokers' addresses.
        bootstrap: String,
        /// The broker's words.
        reason: String,
    },
    /// A broker refused a request, for want of rights as a rule.
    #[error("Kafka at {bootstrap} refused to {action}: {reason}")]
    Refused {
        /// The brokers' addresses.
        bootstrap: String,
        /// What was asked for.
        action: String,
        /// The broker's words.
        reason: String,
    },
}

/// What [`apply`] did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Applied {
    /// Names of the topics that were created.
    pub created: Vec<String>,
    /// What is still wrong: topics that were refused, and topics that were there before and differ.
    pub findings: Vec<Finding>,
}

/// Compares `topics` and the sources with the plan. Called by every process before it starts, with the topics of its role
/// ([`Role::topics`]); a [`Severity::Fatal`] finding must stop it. Blocks for at most `timeout`, on a thread without an
/// async runtime.
///
/// # Errors
/// When no broker answers in time, or one refuses the login or the question.
pub fn check(context: &TopicsContext, topics: &[Topic], timeout: Duration) -> Result<Vec<Finding>, TopicsError> {
    let planned: Vec<_> = topics.iter().map(|topic| PlannedTopic::of(*topic, &context.layout)).collect();
    let cluster = Cluster::connect(&context.client, timeout)?;
    let view = cluster.view(&planned, &context.inputs())?;
    Ok(context.judge(&planned, &view))
}

/// Creates what is missing, with all settings, then checks everything. What exists is never altered.
///
/// # Errors
/// As [`check`]; a refusal to create a single topic is a finding instead.
pub fn apply(context: &TopicsContext, timeout: Duration) -> Result<Applied, TopicsError> {
    let planned = plan(&context.layout);
    let cluster = Cluster::connect(&context.client, timeout)?;
    let before = cluster.view(&planned, &context.inputs())?;
    let missing: Vec<_> = planned.iter().filter(|topic| !before.topics.contains_key(&topic.name)).collect();
    let mut applied = Applied { created: Vec::new(), findings: Vec::new() };
    for (topic, creation) in missing.iter().zip(cluster.create(&missing)?) {
        match creation {
            Creation::Created => applied.created.push(topic.name.clone()),
            Creation::Exists => (),
            Creation::Forbidden => applied.findings.push(finding::forbidden(topic, context.names())),
            Creation::Refused(reason) => applied.findings.push(finding::refused(topic, &before, &reason, context.names())),
        }
    }
    let refused: BTreeSet<_> = applied.findings.iter().map(|finding| finding.topic.clone()).collect();
    let after = view_with(&cluster, &planned, &context.inputs(), &applied.created)?;
    let findings = context.judge(&planned, &after);
    applied.findings.extend(findings.into_iter().filter(|finding| !refused.contains(&finding.topic)));
    applied.findings.sort_by_key(|finding| finding.severity);
    Ok(applied)
}

/// The view once every created topic is in it: brokers learn of a new topic one after the other.
fn view_with(
    cluster: &Cluster,
    planned: &[PlannedTopic],
    sources: &[String],
    created: &[String],
) -> Result<ClusterView, TopicsError> {
    const SETTLES_WITHIN: Duration = Duration::from_secs(10);
    let give_up = Instant::now() + SETTLES_WITHIN;
    loop {
        let view = cluster.view(planned, sources)?;
        let settled = created.iter().all(|name| view.topics.get(name).is_some_and(|topic| topic.settings.is_some()));
        if settled || Instant::now() >= give_up {
            return Ok(view);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The smallest `max.message.bytes` of `topics`: the largest record batch, as sent, that all of them take. A record alone
/// in its batch must leave room for the batch's 61 bytes, its own key, headers and lengths. Called before the start, and
/// again when a broker says that a record is too large.
///
/// # Errors
/// As [`check`], and when a topic's settings cannot be read.
pub fn record_bytes_max(
    client: &ClientConfig,
    layout: &TopicLayout,
    topics: &[Topic],
    timeout: Duration,
) -> Result<usize, TopicsError> {
    let names: Vec<_> = topics.iter().map(|topic| topic.name(layout)).collect();
    Cluster::connect(client, timeout)?.setting_min(&names, "max.message.bytes")
}

/// How many partitions `topic` has; `None` when it does not exist or may not be seen. Never creates it.
///
/// # Errors
/// As [`check`].
pub fn partition_count(client: &ClientConfig, topic: &str, timeout: Duration) -> Result<Option<usize>, TopicsError> {
    Cluster::connect(client, timeout)?.partition_count(topic)
}

/// How many partitions and copies of each a topic has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Partitions.
    pub partitions: i32,
    /// Copies of each.
    pub replication: i32,
}

/// Creates one topic that is not of the plan: for benchmarks, and for `jidoka dev`.
///
/// # Errors
/// As [`check`], and when it exists.
pub fn create(client: &ClientConfig, name: &str, shape: Shape, settings: &[(&str, &str)]) -> Result<(), TopicsError> {
    Cluster::connect(client, Duration::from_secs(30))?.create_one(name, shape, settings)
}

/// Removes all topics whose names begin with `prefix`: what a benchmark made.
///
/// # Errors
/// As [`check`], and when one of them may not be removed.
pub fn remove(client: &ClientConfig, prefix: &str) -> Result<(), TopicsError> {
    Cluster::connect(client, Duration::from_secs(30))?.remove(prefix)
}

/// How many brokers there are.
///
/// # Errors
/// As [`check`].
pub fn broker_count(client: &ClientConfig, timeout: Duration) -> Result<usize, TopicsError> {
    Cluster::connect(client, timeout)?.broker_count()
}
