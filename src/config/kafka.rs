//! The properties that go to librdkafka as they are, and those that do not because a guarantee hangs on them.

use std::collections::BTreeMap;
use std::fmt;

use crate::document::Map;

/// Properties for every Kafka client of the process.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct KafkaProperties {
    properties: BTreeMap<String, String>,
}

impl KafkaProperties {
    /// Every property, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.properties.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of one property.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str)
    }

    /// The brokers to begin with.
    #[must_use]
    pub fn bootstrap_servers(&self) -> &str {
        self.get(BOOTSTRAP).unwrap_or_default()
    }
}

/// Names only, except for the brokers: among the values are passwords and keys.
impl fmt::Debug for KafkaProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.iter().map(|(name, value)| (name, if name == BOOTSTRAP { value } else { "…" }));
        f.debug_map().entries(shown).finish()
    }
}

const BOOTSTRAP: &str = "bootstrap.servers";

const OFFSETS: &str = "offsets are committed in the decisions' transaction and nowhere else";
const START: &str = "`progress` says where to go on, and a source's `start` where to begin";
const GROUP: &str = "the group's name follows from `topics.prefix`";
const MEMBER: &str = "it follows from `instance`, so that a restarted process takes its old place";
const ASSIGNMENT: &str = "what happens on a rebalance is built for `classic` and `cooperative-sticky`";
const ACKNOWLEDGEMENT: &str = "transactions need every replica's acknowledgement, once";
const LEGACY_OFFSETS: &str = "it is another name of `enable.auto.commit`, and offsets are committed in the transaction";

/// Properties that jidoka sets itself, each with the reason. Old names of the same properties are no way around it.
const OWNED: &[(&str, &str)] = &[
    ("enable.auto.commit", OFFSETS),
    ("auto.commit.enable", LEGACY_OFFSETS),
    ("enable.auto.offset.store", OFFSETS),
    ("isolation.level", "what was aborted must never be seen"),
    ("auto.offset.reset", START),
    ("group.id", GROUP),
    ("group.instance.id", MEMBER),
    ("group.protocol", ASSIGNMENT),
    ("partition.assignment.strategy", ASSIGNMENT),
    ("transactional.id", MEMBER),
    ("enable.idempotence", ACKNOWLEDGEMENT),
    ("acks", ACKNOWLEDGEMENT),
    ("request.required.acks", ACKNOWLEDGEMENT),
    ("delivery.report.only.error", "every delivery is counted before a commit"),
    ("linger.ms", "records leave when a turn asks for their delivery, together"),
    ("queue.buffering.max.ms", "records leave when a turn asks for their delivery, together"),
    ("statistics.interval.ms", "lag and health are measured at an interval of their own"),
    ("transaction.timeout.ms", "write it as `transaction.timeout`"),
    ("session.timeout.ms", "write it as `session.timeout`"),
    ("metadata.broker.list", "write it as `bootstrap.servers`"),
];

/// Reads the section `kafka`. Values are never quoted in problems.
pub(super) fn properties(map: &Map<'_>) -> KafkaProperties {
    for (name, reason) in OWNED {
        map.refuse(name, &format!("jidoka sets this property itself: {reason}"));
    }
    let mut properties = BTreeMap::new();
    let servers = map.required(BOOTSTRAP).as_written().map(|servers| (BOOTSTRAP.to_owned(), servers));
    properties.extend(servers);
    for (name, value) in map.rest() {
        if value.is_map() {
            value.problem("write the property's whole name with dots, such as `sasl.username`, not as a map in a map");
        } else if value.is_absent() {
            value.problem("the property has no value");
        } else if let Some(written) = value.as_written() {
            properties.insert(name.to_owned(), written);
        }
    }
    KafkaProperties { properties }
}
