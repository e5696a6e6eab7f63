//! What `dev` runs on: a mock broker in this process, a Kafka that it starts, or one of the user's.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::super::run::{Ended, TopicCheck};
use super::super::terminal::{Exit, note};
use super::{DevArgs, failed};
use crate::dev::crew::Workplace;
use crate::dev::kafka::Kafka;
use crate::dev::policies::REFERENCE;
use crate::dev::watcher::Watched;
use crate::stream::ClientConfig;
use crate::stream::mock::MockBroker;
use crate::stream::topics::{Severity, Shape, Topic, TopicLayout, TopicsContext, TopicsError, apply, broker_count, create};

/// The input: its name as a source, and its topic where nobody else has topics.
pub const SOURCE: &str = "inference";
const INPUT_PARTITIONS: i32 = 3;
/// More copies than this are not worth their disk.
const COPIES_MAX: usize = 3;
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// A broker with all topics made.
pub struct Ground {
    /// Where it listens.
    pub bootstrap: String,
    /// The shape of jidoka's topics.
    pub layout: TopicLayout,
    /// The topic that events are played into.
    pub input: String,
    /// The topic of the customer file.
    pub customers: String,
    /// Whether the gate can check its topics.
    pub check: TopicCheck,
    /// Which broker it is.
    pub broker: String,
    /// What that means.
    pub means: String,
    /// What stays when all is over.
    pub stays: Option<String>,
}

/// What ends when this is dropped.
#[expect(dead_code, reason = "held, not read: what is in it ends when it is dropped")]
pub enum Running {
    /// The mock broker.
    Mock(MockBroker),
    /// The Kafka that was started.
    Started(Kafka),
    /// Nothing.
    Yours,
}

impl Ground {
    /// Finds or starts the broker that was asked for, and makes the topics. Ends early where a stop is asked for.
    ///
    /// # Errors
    /// With the sentence that says what a person must mend.
    pub fn prepare(args: &DevArgs, stop: &AtomicBool) -> Result<(Self, Running), Ended> {
        match &args.bootstrap {
            Some(bootstrap) => Self::yours(bootstrap),
            None if args.real => Self::started(stop),
            None => Self::mock(),
        }
    }

    /// All topics are made before any client connects.
    ///
    /// The mock broker compacts nothing and deletes by size alone: of each partition it keeps the last 5 MiB. At 20 events a
    /// second `audit` comes to that after ten minutes or so and `cases` after about twenty, and from then on their oldest
    /// records go. Nobody here notices: gate and sidecar keep what they need in memory, and whoever follows reads what was
    /// written a moment ago. Only a restore after a fault would miss cases that were opened before and are still open; their
    /// commands would then be refused as `unknown-case`; and the monitor's statistics would begin anew. That is one more reason why the mock broker is for looking only.
    fn mock() -> Result<(Self, Running), Ended> {
        let layout = TopicLayout { replication: 1, ..TopicLayout::default() };
        let own: Vec<(String, i32)> = Topic::ALL.iter().map(|topic| of(*topic, &layout)).collect();
        let all =
            own.iter().map(|(name, partitions)| (name.as_str(), *partitions)).chain([(SOURCE, INPUT_PARTITIONS), (REFERENCE, 1)]);
        let broker = MockBroker::start(all).map_err(|error| failed(format!("Cannot start the mock broker: {error}")))?;
        let ground = Self {
            bootstrap: broker.bootstrap(),
            layout,
            input: SOURCE.to_owned(),
            customers: REFERENCE.to_owned(),
            check: TopicCheck::MockBroker,
            broker: "librdkafka's mock broker in this process".to_owned(),
            means: "not exactly-once, nothing is kept; for that: --real, or --bootstrap HOST:PORT".to_owned(),
            stays: None,
        };
        Ok((ground, Running::Mock(broker)))
    }

    fn started(stop: &AtomicBool) -> Result<(Self, Running), Ended> {
        note("Starting an Apache Kafka …");
        let kafka = Kafka::start(stop).map_err(failed)?;
        let layout = TopicLayout { replication: 1, ..TopicLayout::default() };
        let bootstrap = kafka.bootstrap().to_owned();
        make_topics(&bootstrap, &layout, [SOURCE, REFERENCE])?;
        let ground = Self {
            bootstrap,
            layout,
            input: SOURCE.to_owned(),
            customers: REFERENCE.to_owned(),
            check: TopicCheck::Full,
            broker: format!("Apache Kafka {}, one node, started for this", kafka.version()),
            means: "exactly-once as in production; gone, with all that is in it, when this ends".to_owned(),
            stays: None,
        };
        Ok((ground, Running::Started(kafka)))
    }

    fn yours(bootstrap: &str) -> Result<(Self, Running), Ended> {
        let brokers = broker_count(&client(bootstrap), ANSWERS_WITHIN).map_err(|error| refused(&error))?;
        let prefix = format!("jidoka-dev-{}.", number()?);
        let replication = i32::try_from(brokers.clamp(1, COPIES_MAX)).unwrap_or(1);
        let layout = TopicLayout { prefix: prefix.clone(), replication, ..TopicLayout::default() };
        let (input, customers) = (format!("{prefix}{SOURCE}"), format!("{prefix}{REFERENCE}"));
        make_topics(bootstrap, &layout, [&input, &customers])?;
        let pattern = prefix.replace('.', "\\.");
        let ground = Self {
            bootstrap: bootstrap.to_owned(),
            layout,
            input,
            customers,
            check: TopicCheck::Full,
            broker: format!("your Kafka at {bootstrap}, {brokers} broker{}", if brokers == 1 { "" } else { "s" }),
            means: format!("exactly-once as in production; its topics, {prefix}*, stay there"),
            stays: Some(format!(
                "The topics {prefix}* stay at {bootstrap}. To delete them:\n  \
                 kafka-topics.sh --bootstrap-server {bootstrap} --delete --topic '{pattern}.*'"
            )),
        };
        Ok((ground, Running::Yours))
    }

    /// Where the crew works.
    #[must_use]
    pub fn workplace(&self) -> Workplace {
        let name = |topic: Topic| topic.name(&self.layout);
        Workplace {
            cases: of(Topic::Cases, &self.layout),
            verdicts: name(Topic::Verdicts),
            signals: name(Topic::Signals),
            control: name(Topic::Control),
        }
    }

    /// The command that shows a case from another terminal, as long as the broker is there: its settings, and what follows
    /// them. They are all that it needs: the file is an empty one.
    #[must_use]
    pub fn case_command(&self, id: &str) -> [String; 2] {
        let Self { bootstrap, layout, .. } = self;
        [
            format!("JIDOKA__KAFKA__BOOTSTRAP_SERVERS={bootstrap} JIDOKA__TOPICS__PREFIX={}", layout.prefix),
            format!("jidoka case show {id} --config /dev/null"),
        ]
    }

    /// The topics that the watcher reads.
    #[must_use]
    pub fn watched(&self) -> Watched {
        Watched {
            audit: of(Topic::Audit, &self.layout),
            reviews: of(Topic::Reviews, &self.layout),
            cases: of(Topic::Cases, &self.layout),
            dead_letters: of(Topic::DeadLetters, &self.layout),
        }
    }
}

fn of(topic: Topic, layout: &TopicLayout) -> (String, i32) {
    (topic.name(layout), topic.partitions(layout).count())
}

fn client(bootstrap: &str) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", bootstrap);
    client
}

fn refused(error: &TopicsError) -> Ended {
    failed(error.to_string())
}

/// Six digits that the last run, most probably, had not.
fn number() -> Result<u32, Ended> {
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(|error| failed(format!("The operating system has no random number: {error}")))?;
    Ok(100_000 + u32::from_ne_bytes(random) % 900_000)
}

fn make_topics(bootstrap: &str, layout: &TopicLayout, [input, customers]: [&str; 2]) -> Result<(), Ended> {
    let client = client(bootstrap);
    let shape = Shape { partitions: INPUT_PARTITIONS, replication: layout.replication };
    create(&client, input, shape, &[]).map_err(|error| refused(&error))?;
    let compacted = [("cleanup.policy", "compact")];
    create(&client, customers, Shape { partitions: 1, ..shape }, &compacted).map_err(|error| refused(&error))?;
    let context = TopicsContext {
        client,
        layout: layout.clone(),
        sources: vec![input.to_owned()],
        references: vec![customers.to_owned()],
        outcomes: Vec::new(),
        bootstrap: bootstrap.to_owned(),
        config_path: "the settings of `jidoka dev`".to_owned(),
    };
    let applied = apply(&context, ANSWERS_WITHIN).map_err(|error| refused(&error))?;
    match applied.findings.iter().find(|finding| finding.severity == Severity::Fatal) {
        Some(fatal) => Err(Ended { exit: Exit::Failed, sentence: fatal.sentence.clone() }),
        None => Ok(()),
    }
}
