//! What is wrong with the topics of a cluster, and the exact command that mends it. Pure: the cluster is handed in as it
//! was seen.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::access::{Add, Operation};
use super::layout::Partitions;
use super::plan::PlannedTopic;
use super::settings::{Bound, Setting};

/// What a finding means for a start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Decisions would be lost, misplaced or undone: nothing may start.
    Fatal,
    /// Works, but less durable, less bounded or slower than it should be.
    Warning,
}

/// One difference between a topic as it is and as it should be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// What it means for a start.
    pub severity: Severity,
    /// The topic's full name.
    pub topic: String,
    /// What is wrong and why it matters, in a sentence.
    pub sentence: String,
    /// What mends it, to paste into a shell; a comment line where it is the configuration that has to change.
    pub command: String,
}

/// The cluster as it was seen.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct ClusterView {
    /// Ids of the brokers that are up.
    pub brokers: Vec<i32>,
    /// The topics that this user may see, of those asked for.
    pub topics: BTreeMap<String, TopicView>,
}

/// One topic as it was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct TopicView {
    /// The brokers of each partition.
    pub replicas: Vec<Vec<i32>>,
    /// Its settings; `None` where this user may not read them.
    pub settings: Option<BTreeMap<String, String>>,
    /// Whether a record was ever written; looked at only where partitions do not fit.
    pub contents: Contents,
}

/// Whether a topic was ever written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Contents {
    /// Never.
    Empty,
    /// It was, or that is not known.
    Written,
}

/// What commands have to name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    /// The brokers' addresses.
    pub bootstrap: &'a str,
    /// The configuration file.
    pub config_path: &'a str,
    /// The user who is logged in.
    pub user: &'a str,
}

impl Names<'_> {
    /// The command line that creates what is missing.
    pub fn apply(&self) -> String {
        format!("jidoka topics apply --config {}", quoted(self.config_path))
    }

    fn kafka(&self, tool: &str) -> String {
        format!("{tool} --bootstrap-server {}", quoted(self.bootstrap))
    }

    fn fewer_copies(&self, brokers: usize) -> String {
        self.in_configuration(&format!("topics: {{ replication: {brokers} }}, or add brokers"))
    }

    fn in_configuration(&self, change: &str) -> String {
        format!("# in {}: {change}", self.config_path)
    }
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:,@+=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Topics that others write.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub sources: &'a [String],
    pub references: &'a [String],
}

/// Everything that is wrong, fatal findings first.
pub(super) fn judge(planned: &[PlannedTopic], inputs: Inputs<'_>, view: &ClusterView, names: Names<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for topic in planned {
        match view.topics.get(&topic.name) {
            None => findings.push(missing(topic, names)),
            Some(seen) => findings.extend(differences(topic, seen, view, names)),
        }
    }
    let is_missing = |name: &&String| !view.topics.contains_key(*name);
    findings.extend(inputs.sources.iter().filter(is_missing).map(|name| missing_source(name, view, names)));
    findings.extend(inputs.references.iter().filter(is_missing).map(|name| missing_reference(name, view, names)));
    findings.sort_by_key(|finding| finding.severity);
    findings
}

fn fatal(topic: &str, sentence: String, command: String) -> Finding {
    Finding { severity: Severity::Fatal, topic: topic.to_owned(), sentence, command }
}

fn missing(topic: &PlannedTopic, names: Names<'_>) -> Finding {
    let sentence = format!("{} does not exist, or user {} may not see it.", topic.name, names.user);
    fatal(&topic.name, sentence, names.apply())
}

/// A gate runs without it, and holds what needs it.
fn missing_reference(name: &str, view: &ClusterView, names: Names<'_>) -> Finding {
    let replication = view.brokers.len().clamp(1, 3);
    let command = format!(
        "{} --create --topic {} --partitions 6 --replication-factor {replication} --config cleanup.policy=compact",
        names.kafka("kafka-topics.sh"),
        quoted(name)
    );
    let sentence = format!(
        "The topic of trusted facts {name} does not exist, or user {} may not see it: decisions that need it are held.",
        names.user
    );
    Finding { severity: Severity::Warning, topic: name.to_owned(), sentence, command }
}

/// Six partitions: two for each of the default lanes, so that lanes are loaded alike and two workers have enough.
fn missing_source(name: &str, view: &ClusterView, names: Names<'_>) -> Finding {
    let replication = view.brokers.len().clamp(1, 3);
    let command = format!(
        "{} --create --topic {} --partitions 6 --replication-factor {replication}",
        names.kafka("kafka-topics.sh"),
        quoted(name)
    );
    fatal(name, format!("The source topic {name} does not exist, or user {} may not see it.", names.user), command)
}

fn differences(topic: &PlannedTopic, seen: &TopicView, view: &ClusterView, names: Names<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(partitions(topic, seen, names));
    findings.extend(replication(topic, seen, view, names));
    match &seen.settings {
        None => findings.push(unreadable_settings(topic, names)),
        Some(settings) => findings.extend(topic.settings.iter().filter_map(|wanted| {
            // A broker that does not know a setting has nothing to compare.
            let found = settings.get(wanted.key).filter(|found| !wanted.allows(found) && !is_out_of_reach(wanted, seen))?;
            Some(wrong_setting(topic, wanted, found, names))
        })),
    }
    findings
}

/// More copies in sync than there are copies would stop every write: first the copies, then this setting.
fn is_out_of_reach(wanted: &Setting, seen: &TopicView) -> bool {
    let copies = seen.replicas.iter().map(Vec::len).min().unwrap_or(0);
    wanted.key == "min.insync.replicas" && wanted.value.parse().is_ok_and(|in_sync: usize| in_sync > copies)
}

fn partitions(topic: &PlannedTopic, seen: &TopicView, names: Names<'_>) -> Option<Finding> {
    let found = i32::try_from(seen.replicas.len()).unwrap_or(i32::MAX);
    if topic.partitions.allow(found) {
        return None;
    }
    let (name, wanted) = (&topic.name, topic.partitions.count());
    let tool = names.kafka("kafka-topics.sh");
    let (rest, command) = match (seen.contents, topic.partitions) {
        (Contents::Written, Partitions::Exactly(_)) => (
            "records were written to it, so it has to stay as it is: partitions are for life, and with another number a \
             decision's later records would miss its earlier ones; put the number back that this installation was created \
             with, or begin a new one under a new prefix",
            names.in_configuration(&format!(
                "the `topics.lanes` or `topics.spread` that gave {found} partitions, or a new `topics.prefix`"
            )),
        ),
        (Contents::Empty, _) if found > wanted => (
            "partitions cannot be taken away, but nothing was ever written to it, so it can be created anew",
            format!("{tool} --delete --topic {name} && {}", names.apply()),
        ),
        _ => ("partitions may still be added to it", format!("{tool} --alter --topic {name} --partitions {wanted}")),
    };
    let needed = match topic.partitions {
        Partitions::Exactly(_) => "exactly",
        Partitions::AtLeast(_) => "at least",
    };
    let sentence = format!("{name} has {found} partitions and needs {needed} {wanted}: {rest}.");
    Some(fatal(name, sentence, command))
}

fn replication(topic: &PlannedTopic, seen: &TopicView, view: &ClusterView, names: Names<'_>) -> Option<Finding> {
    let wanted = usize::try_from(topic.replication).unwrap_or(1);
    let found = seen.replicas.iter().map(Vec::len).min().filter(|found| *found < wanted)?;
    let name = &topic.name;
    let (rest, command) = if view.brokers.len() < wanted {
        (format!("and only {} up", are(view.brokers.len())), names.fewer_copies(view.brokers.len()))
    } else {
        ("so fewer broker losses than planned lose its records".to_owned(), reassignment(topic, seen, view, wanted, names))
    };
    let sentence = format!("{name} keeps {found} of {wanted} planned copies of a partition, {rest}.");
    Some(Finding { severity: Severity::Warning, topic: name.clone(), sentence, command })
}

/// Adds brokers to each partition, beginning at another one for each, so that the load spreads.
fn reassignment(topic: &PlannedTopic, seen: &TopicView, view: &ClusterView, wanted: usize, names: Names<'_>) -> String {
    let mut json = String::from(r#"{"version":1,"partitions":["#);
    for (partition, present) in seen.replicas.iter().enumerate() {
        let mut replicas = present.clone();
        let others = view.brokers.iter().cycle().skip(partition).take(view.brokers.len());
        replicas.extend(others.filter(|broker| !present.contains(broker)).take(wanted.saturating_sub(present.len())));
        let comma = if partition == 0 { "" } else { "," };
        let _ = write!(json, r#"{comma}{{"topic":"{}","partition":{partition},"replicas":{replicas:?}}}"#, topic.name);
    }
    json.push_str("]}");
    let file = format!("{}.replicas.json", topic.name);
    let tool = names.kafka("kafka-reassign-partitions.sh");
    format!("echo '{json}' > {file} && {tool} --reassignment-json-file {file} --execute")
}

fn wrong_setting(topic: &PlannedTopic, wanted: &Setting, found: &str, names: Names<'_>) -> Finding {
    let bound = match wanted.bound {
        Bound::Exactly => "",
        Bound::AtLeast => "at least ",
        Bound::AtLeastFinite => "a limit of at least ",
        Bound::AtMost => "at most ",
    };
    let must = match wanted.severity {
        Severity::Fatal => "must",
        Severity::Warning => "should",
    };
    let (name, key, value) = (&topic.name, wanted.key, &wanted.value);
    Finding {
        severity: wanted.severity,
        topic: name.clone(),
        sentence: format!("{name} has {key}={found}, which {must} be {bound}{value}: {}.", wanted.why),
        command: format!(
            "{} --alter --entity-type topics --entity-name {name} --add-config {key}={value}",
            names.kafka("kafka-configs.sh")
        ),
    }
}

/// Unproven is not proven right: a start that cannot see the cleanup policy must not trust it.
fn unreadable_settings(topic: &PlannedTopic, names: Names<'_>) -> Finding {
    let add = Add { bootstrap: names.bootstrap, user: names.user };
    let sentence = format!("The settings of {} cannot be checked: user {} may not read them.", topic.name, names.user);
    fatal(&topic.name, sentence, add.topics(&[Operation::DescribeConfigs], std::slice::from_ref(&topic.name)))
}

/// A topic that this user may not create.
pub(super) fn forbidden(topic: &PlannedTopic, names: Names<'_>) -> Finding {
    let add = Add { bootstrap: names.bootstrap, user: names.user };
    let sentence = format!("{} could not be created: user {} may not create it.", topic.name, names.user);
    fatal(&topic.name, sentence, add.topics(&[Operation::Create], std::slice::from_ref(&topic.name)))
}

/// A topic that the brokers would not create, for `reason`.
pub(super) fn refused(topic: &PlannedTopic, view: &ClusterView, reason: &str, names: Names<'_>) -> Finding {
    let brokers = view.brokers.len();
    let (reason, command) = if usize::try_from(topic.replication).is_ok_and(|copies| copies > brokers) {
        (format!("{} copies need as many brokers, and {} up", topic.replication, are(brokers)), names.fewer_copies(brokers))
    } else {
        (reason.to_owned(), names.apply())
    };
    fatal(&topic.name, format!("{} could not be created: {reason}.", topic.name), command)
}

fn are(brokers: usize) -> String {
    if brokers == 1 { "one broker is".to_owned() } else { format!("{brokers} brokers are") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::topics::layout::{Topic, TopicLayout};

    const NAMES: Names<'_> = Names { bootstrap: "k:9092", config_path: "jidoka.yaml", user: "gate" };

    fn layout() -> TopicLayout {
        TopicLayout { prefix: "j.".to_owned(), lanes: 3, spread: 1, replication: 2 }
    }

    /// A topic just as it was planned, on brokers 1 and 2.
    fn as_planned(topic: &PlannedTopic) -> TopicView {
        let count = usize::try_from(topic.partitions.count()).expect("a count");
        let settings = topic.settings.iter().map(|setting| (setting.key.to_owned(), setting.value.clone())).collect();
        TopicView { replicas: vec![vec![1, 2]; count], settings: Some(settings), contents: Contents::Written }
    }

    fn judged(topic: Topic, change: impl FnOnce(&mut TopicView)) -> Vec<Finding> {
        let planned = PlannedTopic::of(topic, &layout());
        let mut seen = as_planned(&planned);
        change(&mut seen);
        let view = ClusterView { brokers: vec![1, 2, 3], topics: BTreeMap::from([(planned.name.clone(), seen)]) };
        judge(&[planned], Inputs { sources: &[], references: &[] }, &view, NAMES)
    }

    fn with_setting(topic: Topic, key: &str, value: &str) -> Finding {
        let mut findings = judged(topic, |seen| {
            seen.settings.as_mut().expect("settings").insert(key.to_owned(), value.to_owned());
        });
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings.remove(0)
    }

    #[test]
    fn a_cluster_as_planned_has_no_findings() {
        for topic in Topic::ALL {
            assert_eq!(judged(topic, |_| ()), [], "{topic:?}");
        }
    }

    #[test]
    fn a_missing_topic_of_trusted_facts_stops_nothing() {
        let view = ClusterView { brokers: vec![1], ..ClusterView::default() };
        let findings = judge(&[], Inputs { sources: &[], references: &["facts".to_owned()] }, &view, NAMES);
        let [finding] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!((finding.severity, finding.topic.as_str()), (Severity::Warning, "facts"));
        assert!(finding.command.ends_with("--topic facts --partitions 6 --replication-factor 1 --config cleanup.policy=compact"));
    }

    #[test]
    fn what_is_missing_is_fatal() {
        let planned = [PlannedTopic::of(Topic::Audit, &layout())];
        let view = ClusterView { brokers: vec![1], ..ClusterView::default() };
        let names = Names { config_path: "my file.yaml", ..NAMES };
        let inputs = Inputs { sources: &["inference".to_owned()], references: &[] };
        let findings = judge(&planned, inputs, &view, names);
        let expected = [
            fatal(
                "j.audit",
                "j.audit does not exist, or user gate may not see it.".to_owned(),
                "jidoka topics apply --config 'my file.yaml'".to_owned(),
            ),
            fatal(
                "inference",
                "The source topic inference does not exist, or user gate may not see it.".to_owned(),
                "kafka-topics.sh --bootstrap-server k:9092 --create --topic inference --partitions 6 --replication-factor 1"
                    .to_owned(),
            ),
        ];
        assert_eq!(findings, expected);
    }

    #[test]
    fn a_wrong_cleanup_policy_is_fatal_and_comes_with_its_command() {
        let finding = with_setting(Topic::Audit, "cleanup.policy", "delete");
        assert_eq!(finding.severity, Severity::Fatal);
        assert_eq!(
            finding.sentence,
            "j.audit has cleanup.policy=delete, which must be compact: with unique keys compaction drops nothing, and the trail \
             is kept for good."
        );
        assert_eq!(
            finding.command,
            "kafka-configs.sh --bootstrap-server k:9092 --alter --entity-type topics --entity-name j.audit --add-config \
             cleanup.policy=compact"
        );
        assert_eq!(with_setting(Topic::Cases, "cleanup.policy", "compact,delete").severity, Severity::Fatal);
    }

    #[test]
    fn verdicts_want_the_brokers_clock() {
        assert_eq!(with_setting(Topic::Verdicts, "message.timestamp.type", "CreateTime").severity, Severity::Fatal);
        assert_eq!(with_setting(Topic::Audit, "message.timestamp.type", "LogAppendTime").severity, Severity::Warning);
    }

    #[test]
    fn what_is_merely_worse_is_a_warning() {
        for (topic, key, value, phrase) in [
            (Topic::Audit, "min.insync.replicas", "1", "should be at least 2"),
            (Topic::Audit, "unclean.leader.election.enable", "true", "should be false"),
            (Topic::Verdicts, "retention.ms", "1000", "should be a limit of at least 2592000000"),
            (Topic::Reviews, "retention.ms", "-1", "should be a limit of at least 2592000000"),
            (Topic::Cases, "max.message.bytes", "1048588", "should be at least 2097152"),
            (Topic::Progress, "segment.bytes", "1073741824", "should be at most 16777216"),
        ] {
            let finding = with_setting(topic, key, value);
            assert_eq!(finding.severity, Severity::Warning, "{key}");
            assert!(finding.sentence.contains(&format!("has {key}={value}, which {phrase}: ")), "{}", finding.sentence);
        }
    }

    #[test]
    fn partitions_may_be_added_only_to_what_is_empty() {
        let fewer = |contents| {
            judged(Topic::Audit, |seen| {
                seen.replicas.pop();
                seen.contents = contents;
            })
        };
        let more = |contents| {
            judged(Topic::Audit, |seen| {
                seen.replicas.push(vec![1, 2]);
                seen.contents = contents;
            })
        };
        let tool = "kafka-topics.sh --bootstrap-server k:9092";
        for (findings, command) in [
            (fewer(Contents::Empty), format!("{tool} --alter --topic j.audit --partitions 3")),
            (more(Contents::Empty), format!("{tool} --delete --topic j.audit && jidoka topics apply --config jidoka.yaml")),
            (
                fewer(Contents::Written),
                "# in jidoka.yaml: the `topics.lanes` or `topics.spread` that gave 2 partitions, or a new `topics.prefix`"
                    .to_owned(),
            ),
            (
                more(Contents::Written),
                "# in jidoka.yaml: the `topics.lanes` or `topics.spread` that gave 4 partitions, or a new `topics.prefix`"
                    .to_owned(),
            ),
        ] {
            assert_eq!(findings.len(), 1);
            assert_eq!((findings[0].severity, &findings[0].command), (Severity::Fatal, &command));
        }
    }

    #[test]
    fn more_partitions_of_tallies_do_no_harm() {
        assert_eq!(judged(Topic::Tallies, |seen| seen.replicas.push(vec![1, 2])), []);
    }

    #[test]
    fn missing_copies_come_with_their_reassignment() {
        let findings = judged(Topic::Audit, |seen| seen.replicas = vec![vec![1], vec![2], vec![3]]);
        assert_eq!(findings[0].severity, Severity::Warning);
        assert_eq!(
            findings[0].command,
            r#"echo '{"version":1,"partitions":[{"topic":"j.audit","partition":0,"replicas":[1, 2]},{"topic":"j.audit","partition":1,"replicas":[2, 3]},{"topic":"j.audit","partition":2,"replicas":[3, 1]}]}' > j.audit.replicas.json && kafka-reassign-partitions.sh --bootstrap-server k:9092 --reassignment-json-file j.audit.replicas.json --execute"#
        );
    }

    /// With one copy, `min.insync.replicas=2` would stop every write.
    #[test]
    fn no_command_asks_for_more_in_sync_than_there_are() {
        let findings = judged(Topic::Audit, |seen| {
            seen.replicas = vec![vec![1]; 3];
            seen.settings.as_mut().expect("settings").insert("min.insync.replicas".to_owned(), "1".to_owned());
        });
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].sentence.starts_with("j.audit keeps 1 of 2 planned copies"), "{}", findings[0].sentence);
    }

    #[test]
    fn copies_that_no_broker_can_hold_are_a_matter_of_configuration() {
        let planned = PlannedTopic::of(Topic::Audit, &layout());
        let seen = TopicView { replicas: vec![vec![1]; 3], ..as_planned(&planned) };
        let view = ClusterView { brokers: vec![1], topics: BTreeMap::from([(planned.name.clone(), seen)]) };
        let findings = judge(&[planned], Inputs { sources: &[], references: &[] }, &view, NAMES);
        assert_eq!(findings[0].command, "# in jidoka.yaml: topics: { replication: 1 }, or add brokers");
    }

    #[test]
    fn settings_that_cannot_be_read_are_not_trusted() {
        let findings = judged(Topic::Audit, |seen| seen.settings = None);
        assert_eq!(findings[0].severity, Severity::Fatal);
        assert_eq!(
            findings[0].command,
            "kafka-acls.sh --bootstrap-server k:9092 --add --allow-principal User:gate --operation DescribeConfigs --topic j.audit"
        );
    }
}
