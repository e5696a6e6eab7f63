//! Which topics there are, how they are partitioned, and who may write and read each: section 3 of the design.

use std::fmt;

use serde::Serialize;

/// Bands of the review feed: critical, high, normal, low.
const BANDS: u16 = 4;

/// The configured shape of all topics (`topics:` in the configuration). Lanes are for life.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicLayout {
    /// What every topic, group and transactional id of this installation begins with, `jidoka.` by default.
    pub prefix: String,
    /// Partitions of the topics that are partitioned by decision.
    pub lanes: u16,
    /// Partitions of the review feed for each band.
    pub spread: u16,
    /// Copies of each partition.
    pub replication: i32,
}

impl Default for TopicLayout {
    fn default() -> Self {
        Self { prefix: "jidoka.".to_owned(), lanes: 3, spread: 1, replication: 3 }
    }
}

/// A party that reads or writes jidoka's topics, and the name of the user that stands for it in access lists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Event → decision.
    Gate,
    /// Decisions over time → signals.
    Monitor,
    /// Verdict → state.
    Sidecar,
    /// Queue, console, webhooks, live status.
    Api,
    /// People with `jidoka topics` and `jidoka control`.
    Operator,
    /// A review tool that works on the topics instead of the API.
    Reviewer,
    /// A service that carries out what was released or approved.
    ActionService,
    /// Exports and verifies the trail.
    Auditor,
}

impl Role {
    /// Every role: the processes of jidoka first, then the parties outside.
    pub const ALL: [Self; 8] =
        [Self::Gate, Self::Monitor, Self::Sidecar, Self::Api, Self::Operator, Self::Reviewer, Self::ActionService, Self::Auditor];

    /// The role's name, as in `--roles` and in access lists.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Monitor => "monitor",
            Self::Sidecar => "sidecar",
            Self::Api => "api",
            Self::Operator => "operator",
            Self::Reviewer => "reviewer",
            Self::ActionService => "action-service",
            Self::Auditor => "auditor",
        }
    }

    /// The topics this role writes or reads, in the order of the design: what it checks before it starts.
    #[must_use]
    pub fn topics(self) -> Vec<Topic> {
        Topic::ALL.into_iter().filter(|topic| topic.writers().contains(&self) || topic.readers().contains(&self)).collect()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A topic that jidoka owns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Topic {
    /// One immutable entry a record.
    Audit,
    /// The work feed, partitioned by priority.
    Reviews,
    /// The final word that action services obey.
    Dispositions,
    /// Every open case, complete.
    Cases,
    /// Closed cases, complete: the part that can be erased.
    Archive,
    /// Reviewers' commands.
    Verdicts,
    /// Decided-through offset and chain head of each input partition.
    Progress,
    /// What the statistics need of each event.
    Tallies,
    /// Open incidents, capacity threshold, the monitor's snapshot.
    Signals,
    /// Input that could not be read, byte for byte.
    DeadLetters,
    /// Operators' commands.
    Control,
}

/// How many partitions a topic has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Partitions {
    /// The number carries meaning (lane, band): another one would send records astray.
    Exactly(i32),
    /// Created with this number; more do no harm.
    AtLeast(i32),
}

impl Partitions {
    /// The number that the topic is created with.
    #[must_use]
    pub const fn count(self) -> i32 {
        match self {
            Self::Exactly(count) | Self::AtLeast(count) => count,
        }
    }

    /// Whether a topic of `found` partitions will do.
    #[must_use]
    pub const fn allow(self, found: i32) -> bool {
        match self {
            Self::Exactly(count) => found == count,
            Self::AtLeast(count) => found >= count,
        }
    }
}

impl Topic {
    /// Every topic, in the order of the design.
    pub const ALL: [Self; 11] = [
        Self::Audit,
        Self::Reviews,
        Self::Dispositions,
        Self::Cases,
        Self::Archive,
        Self::Verdicts,
        Self::Progress,
        Self::Tallies,
        Self::Signals,
        Self::DeadLetters,
        Self::Control,
    ];

    /// The topic's name in an installation.
    #[must_use]
    pub fn name(self, layout: &TopicLayout) -> String {
        let name = match self {
            Self::Audit => "audit",
            Self::Reviews => "reviews",
            Self::Dispositions => "dispositions",
            Self::Cases => "cases",
            Self::Archive => "archive",
            Self::Verdicts => "verdicts",
            Self::Progress => "progress",
            Self::Tallies => "tallies",
            Self::Signals => "signals",
            Self::DeadLetters => "dead-letters",
            Self::Control => "control",
        };
        format!("{}{name}", layout.prefix)
    }

    /// How many partitions the topic has in an installation.
    #[must_use]
    pub fn partitions(self, layout: &TopicLayout) -> Partitions {
        match self {
            Self::Audit | Self::Dispositions | Self::Cases | Self::Archive | Self::Verdicts | Self::Progress => {
                Partitions::Exactly(i32::from(layout.lanes))
            }
            Self::Reviews => Partitions::Exactly(i32::from(BANDS) * i32::from(layout.spread)),
            Self::Signals | Self::Control => Partitions::Exactly(1),
            Self::Tallies | Self::DeadLetters => Partitions::AtLeast(1),
        }
    }

    /// What a record's key is.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Audit => "decision_id/seq",
            Self::Reviews | Self::Dispositions | Self::Archive | Self::Verdicts => "decision_id",
            Self::Cases => "decision_id[/opened]",
            Self::Progress => "source/partition, sidecar/lane/k",
            Self::Tallies => "policy",
            Self::Signals | Self::Control => "kind/scope",
            Self::DeadLetters => "source key",
        }
    }

    /// Who alone may write here.
    #[must_use]
    pub const fn writers(self) -> &'static [Role] {
        match self {
            Self::Audit => &[Role::Gate, Role::Monitor, Role::Sidecar],
            // In `progress` the sidecar says how far each lane's verdicts are applied.
            Self::Reviews | Self::Dispositions | Self::Cases | Self::Progress => &[Role::Gate, Role::Sidecar],
            Self::Archive => &[Role::Sidecar],
            // The sidecar forwards commands that a default partitioner put into another lane.
            Self::Verdicts => &[Role::Sidecar, Role::Api, Role::Reviewer],
            // The monitor adds late labels, so that what it folds lies in one log.
            Self::Tallies => &[Role::Gate, Role::Monitor],
            Self::DeadLetters => &[Role::Gate],
            Self::Signals => &[Role::Monitor],
            Self::Control => &[Role::Operator],
        }
    }

    /// Who needs to read here.
    #[must_use]
    pub const fn readers(self) -> &'static [Role] {
        match self {
            // A reviewer's tool learns here what became of its command.
            Self::Audit => &[Role::Api, Role::Reviewer, Role::Auditor],
            Self::Reviews => &[Role::Reviewer],
            Self::Dispositions => &[Role::ActionService, Role::Auditor],
            Self::Cases => &[Role::Sidecar, Role::Api, Role::Reviewer, Role::Auditor],
            // The sidecar looks for what was kept long enough.
            Self::Archive => &[Role::Sidecar, Role::Api],
            Self::Verdicts => &[Role::Sidecar],
            Self::Progress => &[Role::Gate, Role::Sidecar],
            Self::Tallies => &[Role::Monitor],
            Self::Signals => &[Role::Gate, Role::Monitor, Role::Api],
            Self::DeadLetters => &[Role::Operator],
            Self::Control => &[Role::Gate, Role::Monitor, Role::Sidecar, Role::Api, Role::Operator],
        }
    }
}
