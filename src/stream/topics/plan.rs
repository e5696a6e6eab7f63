//! The plan: every topic with all that it is created with.

use serde::Serialize;

use super::layout::{Partitions, Role, Topic, TopicLayout};
use super::settings::{self, Setting};

/// A topic as it should be.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct PlannedTopic {
    /// Its name, prefix included.
    pub name: String,
    /// How many partitions.
    pub partitions: Partitions,
    /// How many copies of each.
    pub replication: i32,
    /// What a record's key is.
    pub key: &'static str,
    /// Who alone may write.
    pub writers: &'static [Role],
    /// Who needs to read.
    pub readers: &'static [Role],
    /// The broker settings, `cleanup.policy` first.
    pub settings: Vec<Setting>,
}

impl PlannedTopic {
    /// The plan of one topic.
    #[must_use]
    pub fn of(topic: Topic, layout: &TopicLayout) -> Self {
        Self {
            name: topic.name(layout),
            partitions: topic.partitions(layout),
            replication: layout.replication,
            key: topic.key(),
            writers: topic.writers(),
            readers: topic.readers(),
            settings: settings::wanted(topic, layout),
        }
    }

    /// The wanted value of a setting, where the plan has one.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.iter().find(|setting| setting.key == key).map(|setting| setting.value.as_str())
    }
}

/// All topics of an installation, in the order of the design.
#[must_use]
pub fn plan(layout: &TopicLayout) -> Vec<PlannedTopic> {
    Topic::ALL.into_iter().map(|topic| PlannedTopic::of(topic, layout)).collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// One topic a line, as section 3 of the design has them.
    #[test]
    fn plan_is_the_designs() {
        let layout = TopicLayout { prefix: "j.".to_owned(), lanes: 5, spread: 2, replication: 3 };
        let mut text = String::new();
        for topic in plan(&layout) {
            let policy = topic.setting("cleanup.policy").expect("every topic has one");
            let time = topic.setting("message.timestamp.type").expect("every topic has one");
            writeln!(text, "{} {:?} {policy} {time} {}", topic.name, topic.partitions, topic.key).expect("a string");
        }
        assert_eq!(
            text,
            "j.audit Exactly(5) compact CreateTime decision_id/seq\n\
             j.reviews Exactly(8) delete CreateTime decision_id\n\
             j.dispositions Exactly(5) compact CreateTime decision_id\n\
             j.cases Exactly(5) compact CreateTime decision_id[/opened]\n\
             j.archive Exactly(5) compact CreateTime decision_id\n\
             j.verdicts Exactly(5) delete LogAppendTime decision_id\n\
             j.progress Exactly(5) compact CreateTime source/partition, sidecar/lane/k\n\
             j.tallies AtLeast(1) delete CreateTime policy\n\
             j.signals Exactly(1) compact CreateTime kind/scope\n\
             j.dead-letters AtLeast(1) delete CreateTime source key\n\
             j.control Exactly(1) compact CreateTime kind/scope\n"
        );
    }
}
