//! Asking and telling the brokers.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResourceResult, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::metadata::{Metadata, MetadataTopic};
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};

use super::finding::{ClusterView, Contents, TopicView};
use super::plan::PlannedTopic;
use super::{Shape, TopicsError};

/// A connection for as long as one check takes. Metadata is asked of a producer, as rdkafka's admin client never hears
/// why a connection failed.
pub(super) struct Cluster {
    metadata: BaseProducer<Listener>,
    admin: AdminClient<DefaultClientContext>,
    runtime: tokio::runtime::Runtime,
    bootstrap: String,
    within: Duration,
    deadline: Instant,
}

/// What became of one topic that was to be created.
pub(super) enum Creation {
    /// It is new.
    Created,
    /// It was there, and was not seen before: made a moment ago, or hidden from this user.
    Exists,
    /// This user may not create it.
    Forbidden,
    /// The brokers' reason against it.
    Refused(String),
}

impl Cluster {
    /// Prepares to ask; connects on the first question. Everything together takes at most `within`.
    pub fn connect(client: &ClientConfig, within: Duration) -> Result<Self, TopicsError> {
        let unusable = |error: KafkaError| TopicsError::Settings(error.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(|error| TopicsError::Settings(format!("no thread for the Kafka client: {error}")))?;
        Ok(Self {
            metadata: client.create_with_context(Listener::default()).map_err(unusable)?,
            admin: client.create().map_err(unusable)?,
            runtime,
            bootstrap: client.get("bootstrap.servers").unwrap_or_default().to_owned(),
            within,
            deadline: Instant::now() + within,
        })
    }

    /// The planned topics and the sources as they are.
    pub fn view(&self, planned: &[PlannedTopic], sources: &[String]) -> Result<ClusterView, TopicsError> {
        let metadata = self.metadata()?;
        let mut view = ClusterView {
            brokers: metadata.brokers().iter().map(rdkafka::metadata::MetadataBroker::id).collect(),
            ..ClusterView::default()
        };
        view.brokers.sort_unstable();
        let names: Vec<_> = planned.iter().map(|topic| topic.name.clone()).collect();
        let present = |name: &String| metadata.topics().iter().find(|topic| topic.name() == name).filter(|topic| exists(topic));
        let (names, found): (Vec<_>, Vec<_>) =
            names.into_iter().filter_map(|name| present(&name).map(|topic| (name, topic))).unzip();
        for ((name, topic), settings) in names.iter().zip(found).zip(self.settings(&names)?) {
            let contents = Contents::Written;
            view.topics.insert(name.clone(), TopicView { replicas: replicas(topic), settings, contents });
        }
        for source in sources {
            if let Some(topic) = present(source) {
                let seen = TopicView { replicas: replicas(topic), settings: None, contents: Contents::Written };
                view.topics.entry(source.clone()).or_insert(seen);
            }
        }
        for topic in planned {
            if let Some(seen) = view.topics.get_mut(&topic.name)
                && !topic.partitions.allow(i32::try_from(seen.replicas.len()).unwrap_or(i32::MAX))
            {
                seen.contents = self.contents(&topic.name, seen.replicas.len())?;
            }
        }
        Ok(view)
    }

    /// Creates `topics`, one result each.
    pub fn create(&self, topics: &[&PlannedTopic]) -> Result<Vec<Creation>, TopicsError> {
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let new: Vec<_> = topics.iter().map(|topic| new_topic(topic)).collect();
        let results = self.runtime.block_on(self.admin.create_topics(&new, &self.options()));
        let results = results.map_err(|error| self.refused("create topics", &error))?;
        let result_of = |name: &str| {
            results.iter().find(|result| match result {
                Ok(created) => created == name,
                Err((refused, _)) => refused == name,
            })
        };
        Ok(topics.iter().map(|topic| creation(result_of(&topic.name))).collect())
    }

    /// How many brokers there are.
    pub fn broker_count(&self) -> Result<usize, TopicsError> {
        Ok(self.metadata()?.brokers().len())
    }

    /// Creates one topic.
    pub fn create_one(&self, name: &str, shape: Shape, settings: &[(&str, &str)]) -> Result<(), TopicsError> {
        let topic = NewTopic::new(name, shape.partitions, TopicReplication::Fixed(shape.replication));
        let topic = settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
        let results = self.runtime.block_on(self.admin.create_topics(&[topic], &self.options()));
        self.first_refusal("create", results.map_err(|error| self.refused("create a topic", &error))?)?;
        self.await_leaders(name)
    }

    /// Removes all topics whose names begin with `prefix`.
    pub fn remove(&self, prefix: &str) -> Result<(), TopicsError> {
        let metadata = self.metadata()?;
        let names: Vec<&str> =
            metadata.topics().iter().map(MetadataTopic::name).filter(|name| name.starts_with(prefix)).collect();
        if names.is_empty() {
            return Ok(());
        }
        let results = self.runtime.block_on(self.admin.delete_topics(&names, &self.options()));
        self.first_refusal("remove", results.map_err(|error| self.refused("remove topics", &error))?)
    }

    fn first_refusal(&self, verb: &str, results: Vec<Result<String, (String, RDKafkaErrorCode)>>) -> Result<(), TopicsError> {
        match results.into_iter().find_map(Result::err) {
            Some((name, code)) => Err(TopicsError::Refused {
                bootstrap: self.bootstrap.clone(),
                action: format!("{verb} {name}"),
                reason: code.to_string(),
            }),
            None => Ok(()),
        }
    }

    /// A new topic can be written to once all its partitions are led.
    fn await_leaders(&self, name: &str) -> Result<(), TopicsError> {
        loop {
            let metadata = self.metadata()?;
            let led = |topic: &MetadataTopic| topic.partitions().iter().all(|partition| partition.leader() >= 0);
            if metadata.topics().iter().any(|topic| topic.name() == name && exists(topic) && led(topic)) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The smallest value of a setting over `topics`.
    pub fn setting_min(&self, topics: &[String], key: &str) -> Result<usize, TopicsError> {
        let action = || format!("tell {key} of {}", topics.join(", "));
        let refuse = |reason: &str| TopicsError::Refused {
            bootstrap: self.bootstrap.clone(),
            action: action(),
            reason: reason.to_owned(),
        };
        self.metadata()?;
        let mut smallest = None;
        for settings in self.settings(topics)? {
            let settings = settings.ok_or_else(|| refuse("a topic is missing, or this user has no right to DescribeConfigs"))?;
            let value =
                settings.get(key).and_then(|value| value.parse::<usize>().ok()).ok_or_else(|| refuse("it is no number"))?;
            smallest = Some(smallest.map_or(value, |least: usize| least.min(value)));
        }
        smallest.ok_or_else(|| refuse("no topic was named"))
    }

    /// How many partitions a topic has, if it is there.
    pub fn partition_count(&self, name: &str) -> Result<Option<usize>, TopicsError> {
        let metadata = self.metadata()?;
        Ok(metadata.topics().iter().find(|topic| topic.name() == name && exists(topic)).map(|topic| topic.partitions().len()))
    }

    /// All topics at once: to ask for one by name would make a broker create it where `auto.create.topics.enable` is on.
    fn metadata(&self) -> Result<Metadata, TopicsError> {
        let mut patience = Duration::from_secs(1);
        loop {
            let answer = self.metadata.client().fetch_metadata(None, self.left().min(patience));
            let error = match answer {
                Ok(metadata) => return Ok(metadata),
                Err(error) => error,
            };
            // Long enough to hear all that has been said: a poll of no length serves a single event.
            self.metadata.poll(Duration::from_millis(20));
            let heard = self.metadata.context().heard();
            if let Some(Complaint { code: RDKafkaErrorCode::Authentication, reason }) = heard {
                return Err(TopicsError::LoginRefused { bootstrap: self.bootstrap.clone(), reason });
            }
            if self.left().is_zero() {
                let reason = heard.map_or_else(|| error.to_string(), |complaint| complaint.reason);
                return Err(TopicsError::NoAnswer { bootstrap: self.bootstrap.clone(), within: self.within, reason });
            }
            // A refused connection is answered at once; a large cluster takes its time.
            patience *= 2;
            std::thread::sleep(self.left().min(Duration::from_millis(100)));
        }
    }

    /// The settings of topics, in their order; `None` where they may not be read.
    fn settings(&self, topics: &[String]) -> Result<Vec<Option<BTreeMap<String, String>>>, TopicsError> {
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let resources: Vec<_> = topics.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let answer = self.runtime.block_on(self.admin.describe_configs(&resources, &self.options()));
        let answer = answer.map_err(|error| self.refused("tell the topics' settings", &error))?;
        Ok(answer.into_iter().map(values).collect())
    }

    fn contents(&self, topic: &str, partitions: usize) -> Result<Contents, TopicsError> {
        for partition in 0..i32::try_from(partitions).unwrap_or(i32::MAX) {
            let marks = self.metadata.client().fetch_watermarks(topic, partition, self.left());
            let (_, high) = marks.map_err(|error| self.refused(&format!("tell the end of {topic}"), &error))?;
            if high > 0 {
                return Ok(Contents::Written);
            }
        }
        Ok(Contents::Empty)
    }

    fn options(&self) -> AdminOptions {
        // librdkafka refuses a timeout of nothing.
        let left = self.left().max(Duration::from_millis(1));
        AdminOptions::new().request_timeout(Some(left)).operation_timeout(Some(left))
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    fn refused(&self, action: &str, error: &KafkaError) -> TopicsError {
        TopicsError::Refused { bootstrap: self.bootstrap.clone(), action: action.to_owned(), reason: error.to_string() }
    }
}

fn exists(topic: &MetadataTopic) -> bool {
    topic.error().is_none() && !topic.partitions().is_empty()
}

fn replicas(topic: &MetadataTopic) -> Vec<Vec<i32>> {
    topic.partitions().iter().map(|partition| partition.replicas().to_vec()).collect()
}

fn values(answer: ConfigResourceResult) -> Option<BTreeMap<String, String>> {
    let entries = answer.ok()?.entries;
    Some(entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect())
}

fn new_topic(topic: &PlannedTopic) -> NewTopic<'_> {
    let new = NewTopic::new(&topic.name, topic.partitions.count(), TopicReplication::Fixed(topic.replication));
    topic.settings.iter().fold(new, |new, setting| new.set(setting.key, &setting.value))
}

fn creation(result: Option<&Result<String, (String, RDKafkaErrorCode)>>) -> Creation {
    match result {
        Some(Ok(_)) => Creation::Created,
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Creation::Exists,
        Some(Err((_, RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed))) => {
            Creation::Forbidden
        }
        Some(Err((_, code))) => Creation::Refused(code.to_string()),
        None => Creation::Refused("the broker did not say what became of it".to_owned()),
    }
}

/// What the client had to say about its connections.
#[derive(Clone)]
struct Complaint {
    code: RDKafkaErrorCode,
    reason: String,
}

/// Remembers the complaint that explains most: a refused login before a lost connection before "all brokers down".
#[derive(Default)]
struct Listener {
    last: Mutex<Option<Complaint>>,
}

impl Listener {
    fn heard(&self) -> Option<Complaint> {
        self.last.lock().ok()?.clone()
    }
}

impl ClientContext for Listener {
    fn error(&self, error: KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        let Ok(mut last) = self.last.lock() else { return };
        let is_refusal = last.as_ref().is_some_and(|complaint| complaint.code == RDKafkaErrorCode::Authentication);
        if !is_refusal && code != RDKafkaErrorCode::AllBrokersDown {
            *last = Some(Complaint { code, reason: reason.to_owned() });
        }
    }
}

impl ProducerContext for Listener {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): Self::DeliveryOpaque) {}
}
