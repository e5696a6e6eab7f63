//! The least rights of each role, as commands.

use super::TopicsContext;
use super::layout::{Role, Topic, TopicLayout};

/// What a user may do with a resource, in Kafka's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operation {
    Read,
    Write,
    Create,
    Describe,
    DescribeConfigs,
    AlterConfigs,
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::Write => "Write",
            Self::Create => "Create",
            Self::Describe => "Describe",
            Self::DescribeConfigs => "DescribeConfigs",
            Self::AlterConfigs => "AlterConfigs",
        }
    }
}

/// The beginning of a command that allows a user something.
#[derive(Clone, Copy)]
pub(super) struct Add<'a> {
    pub bootstrap: &'a str,
    pub user: &'a str,
}

impl Add<'_> {
    /// Allows `operations` on `topics`.
    pub fn topics(self, operations: &[Operation], topics: &[String]) -> String {
        let topics: Vec<_> = topics.iter().map(|topic| format!("--topic {topic}")).collect();
        self.resource(operations, &topics.join(" "))
    }

    fn resource(self, operations: &[Operation], resource: &str) -> String {
        let operations: Vec<_> = operations.iter().map(|operation| format!("--operation {}", operation.name())).collect();
        format!(
            "kafka-acls.sh --bootstrap-server {} --add --allow-principal User:{} {} {resource}",
            self.bootstrap,
            self.user,
            operations.join(" ")
        )
    }
}

/// The commands that give `role`, as a user of that name, the least rights it needs. An idempotent or transactional
/// producer needs no `IdempotentWrite` beside its `Write` (KIP-679).
#[must_use]
pub fn acls(context: &TopicsContext, role: Role) -> Vec<String> {
    let add = Add { bootstrap: &context.bootstrap, user: role.name() };
    let mut lines = on_topics(add, &context.layout, role);
    lines.extend(on_inputs(add, context, role));
    lines.extend(on_groups(add, &context.layout, role));
    lines
}

/// One line for all topics with the same rights.
fn on_topics(add: Add<'_>, layout: &TopicLayout, role: Role) -> Vec<String> {
    let mut lines: Vec<(Vec<Operation>, Vec<String>)> = Vec::new();
    for topic in Topic::ALL {
        let operations = operations(topic, role);
        if operations.is_empty() {
            continue;
        }
        match lines.iter_mut().find(|(same, _)| *same == operations) {
            Some((_, topics)) => topics.push(topic.name(layout)),
            None => lines.push((operations, vec![topic.name(layout)])),
        }
    }
    lines.iter().map(|(operations, topics)| add.topics(operations, topics)).collect()
}

fn operations(topic: Topic, role: Role) -> Vec<Operation> {
    let (reads, writes) = (topic.readers().contains(&role), topic.writers().contains(&role));
    let mut operations = Vec::new();
    operations.extend(reads.then_some(Operation::Read));
    operations.extend(writes.then_some(Operation::Write));
    match role {
        // The processes check their topics before they start; `Read` and `Write` do not include that right.
        Role::Gate | Role::Monitor | Role::Sidecar | Role::Api if reads || writes => operations.push(Operation::DescribeConfigs),
        Role::Operator => {
            operations.extend([Operation::Create, Operation::Describe, Operation::DescribeConfigs, Operation::AlterConfigs]);
        }
        _ => (),
    }
    operations
}

/// What is only read: sources, topics of trusted facts, and of late labels.
fn on_inputs(add: Add<'_>, context: &TopicsContext, role: Role) -> Option<String> {
    let (operation, inputs) = match role {
        Role::Gate => (Operation::Read, context.inputs()),
        Role::Monitor => (Operation::Read, context.outcomes.clone()),
        Role::Operator => (Operation::Describe, [context.inputs(), context.outcomes.clone()].concat()),
        _ => return None,
    };
    (!inputs.is_empty()).then(|| add.topics(&[operation], &inputs))
}

/// The api, operators and auditors read whole partitions without a group.
fn on_groups(add: Add<'_>, layout: &TopicLayout, role: Role) -> Vec<String> {
    let name = format!("{}{role}", layout.prefix);
    match role {
        Role::Gate | Role::Monitor | Role::Sidecar => vec![
            add.resource(&[Operation::Read], &format!("--group {name}")),
            add.resource(
                &[Operation::Write, Operation::Describe],
                &format!("--transactional-id {name}- --resource-pattern-type prefixed"),
            ),
        ],
        // Several tools, each with a group of its own.
        Role::Reviewer | Role::ActionService => {
            vec![add.resource(&[Operation::Read], &format!("--group {name} --resource-pattern-type prefixed"))]
        }
        Role::Api | Role::Operator | Role::Auditor => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden(role: Role) -> Vec<String> {
        let layout = TopicLayout { prefix: "j.".to_owned(), ..TopicLayout::default() };
        let context = TopicsContext { layout, bootstrap: "k:1".to_owned(), ..TopicsContext::default() };
        let context = TopicsContext { sources: vec!["in".to_owned()], references: vec!["facts".to_owned()], ..context };
        let context = TopicsContext { outcomes: vec!["labels".to_owned()], ..context };
        let start = format!("kafka-acls.sh --bootstrap-server k:1 --add --allow-principal User:{role} ");
        let short = |line: &String| line.strip_prefix(&start).expect("every line begins alike").replace("--operation ", "+");
        acls(&context, role).iter().map(short).collect()
    }

    #[test]
    fn each_role_gets_the_least() {
        for (role, lines) in [
            (
                Role::Gate,
                &[
                    "+Write +DescribeConfigs --topic j.audit --topic j.reviews --topic j.dispositions --topic j.cases \
                     --topic j.tallies --topic j.dead-letters",
                    "+Read +Write +DescribeConfigs --topic j.progress",
                    "+Read +DescribeConfigs --topic j.signals --topic j.control",
                    "+Read --topic in --topic facts",
                    "+Read --group j.gate",
                    "+Write +Describe --transactional-id j.gate- --resource-pattern-type prefixed",
                ][..],
            ),
            (
                Role::Monitor,
                &[
                    "+Write +DescribeConfigs --topic j.audit",
                    "+Read +Write +DescribeConfigs --topic j.tallies --topic j.signals",
                    "+Read +DescribeConfigs --topic j.control",
                    "+Read --topic labels",
                    "+Read --group j.monitor",
                    "+Write +Describe --transactional-id j.monitor- --resource-pattern-type prefixed",
                ],
            ),
            (
                Role::Sidecar,
                &[
                    "+Write +DescribeConfigs --topic j.audit --topic j.reviews --topic j.dispositions",
                    "+Read +Write +DescribeConfigs --topic j.cases --topic j.archive --topic j.verdicts --topic j.progress",
                    "+Read +DescribeConfigs --topic j.control",
                    "+Read --group j.sidecar",
                    "+Write +Describe --transactional-id j.sidecar- --resource-pattern-type prefixed",
                ],
            ),
            (
                Role::Api,
                &[
                    "+Read +DescribeConfigs --topic j.audit --topic j.cases --topic j.archive --topic j.signals --topic j.control",
                    "+Write +DescribeConfigs --topic j.verdicts",
                ],
            ),
            (
                Role::Operator,
                &[
                    "+Create +Describe +DescribeConfigs +AlterConfigs --topic j.audit --topic j.reviews --topic j.dispositions \
                     --topic j.cases --topic j.archive --topic j.verdicts --topic j.progress --topic j.tallies --topic j.signals",
                    "+Read +Create +Describe +DescribeConfigs +AlterConfigs --topic j.dead-letters",
                    "+Read +Write +Create +Describe +DescribeConfigs +AlterConfigs --topic j.control",
                    "+Describe --topic in --topic facts --topic labels",
                ],
            ),
            (
                Role::Reviewer,
                &[
                    "+Read --topic j.audit --topic j.reviews --topic j.cases",
                    "+Write --topic j.verdicts",
                    "+Read --group j.reviewer --resource-pattern-type prefixed",
                ],
            ),
            (
                Role::ActionService,
                &["+Read --topic j.dispositions", "+Read --group j.action-service --resource-pattern-type prefixed"],
            ),
            (Role::Auditor, &["+Read --topic j.audit --topic j.dispositions --topic j.cases"]),
        ] {
            assert_eq!(golden(role), lines, "{role}");
        }
    }
}
