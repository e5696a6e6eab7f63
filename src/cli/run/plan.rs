//! A process that is about to run, and one that runs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::gate::GateRole;
use super::monitor::MonitorRole;
use super::sidecar::SidecarRole;
use crate::cli::terminal::{Exit, leave};
use crate::cli::{layout, topics_context};
use crate::config::{BatchBounds, Settings};
use crate::gate::LiveReferences;
use crate::heads::{HeadBoard, HeadWriter};
use crate::stream::batch::BatchLimits;
use crate::stream::client::ClientSettings;
use crate::stream::control::{BroadcastTopics, ControlFollower};
use crate::stream::fault::Fault;
use crate::stream::topics::{Role, Severity, Topic, TopicLayout, TopicsError, check, record_bytes_max};
use crate::telemetry::health::Health;
use crate::telemetry::metrics::{Metrics, set_seconds};
use crate::telemetry::server::{self, Shown};

/// A broker that does not answer is asked again after this long.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(2);
const ASK_WITHIN: Duration = Duration::from_secs(10);
/// What a turn may take beyond the transaction's timeout before the watchdog ends the process.
const WATCHDOG_GRACE: Duration = Duration::from_secs(15);
/// A topic that takes less than this cannot hold an audit entry of a large policy.
const RECORD_BYTES_LEAST: usize = 32_768;
/// What a batch of one record adds to its key, value and headers.
const BATCH_OVERHEAD: usize = 256;
/// The mock broker cannot be asked.
const MOCK_RECORD_BYTES: usize = 1_000_000;

/// Why a process ended that was not asked to.
#[derive(Debug)]
pub struct Ended {
    /// How the command ends.
    pub exit: Exit,
    /// Why, for people.
    pub sentence: String,
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self { exit: Exit::Failed, sentence: fault.sentence }
    }
}

/// Whether topics are compared with the plan before the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TopicCheck {
    /// As in production.
    Full,
    /// librdkafka's mock broker cannot be asked for settings.
    MockBroker,
}

/// What a process does.
pub struct Roles {
    /// It decides, by these policies.
    pub gate: Option<GateRole>,
    /// It watches all decisions together.
    pub monitor: Option<MonitorRole>,
    /// It applies verdicts.
    pub sidecar: Option<SidecarRole>,
}

/// A process that is about to run.
pub struct Plan<'s> {
    /// Its settings.
    pub settings: &'s Settings,
    /// What it does.
    pub roles: Roles,
    /// Where counts go.
    pub metrics: Arc<Metrics>,
    /// How topics are checked.
    pub check: TopicCheck,
}

/// The thread of a worker or follower.
pub(super) type Thread = JoinHandle<Result<(), Fault>>;

/// What the roles of a process share.
pub(super) struct Shared<'s> {
    pub settings: &'s Settings,
    pub layout: TopicLayout,
    pub metrics: Arc<Metrics>,
    pub check: TopicCheck,
    pub health: Arc<Health>,
    pub control: Arc<ControlFollower>,
    pub heads: Option<Arc<HeadBoard>>,
    pub references: Arc<LiveReferences>,
}

impl Plan<'_> {
    /// Runs the process until `stop`.
    ///
    /// # Errors
    /// With the sentence that says what a person must mend.
    pub fn run(self, config_path: &str, stop: &AtomicBool) -> Result<(), Ended> {
        self.start(config_path, stop)?.wait(stop)
    }

    /// Starts the process: waits for a broker, checks the topics, and leaves its threads running.
    ///
    /// # Errors
    /// With the sentence that says what a person must mend.
    pub fn start(self, config_path: &str, stop: &AtomicBool) -> Result<Running, Ended> {
        let settings = self.settings;
        let shared = Shared {
            settings,
            layout: layout(settings),
            metrics: Arc::clone(&self.metrics),
            check: self.check,
            health: Arc::new(Health::default()),
            control: Arc::new(ControlFollower::new(settings.control_max_age)),
            heads: settings.audit_heads.as_ref().map(|_| Arc::new(HeadBoard::new())),
            references: Arc::new(if self.roles.gate.is_some() {
                LiveReferences::new(&settings.references, &self.metrics)
            } else {
                LiveReferences::default()
            }),
        };
        shared.health.not_ready("start", "Kafka has not answered yet; its topics are checked before anything is read");
        let address = shared.serve()?;
        tracing::info!(%address, "serving /metrics, /healthz and /readyz");
        if self.check == TopicCheck::Full {
            shared.check_topics(&self.roles.topics(), config_path, stop)?;
        }
        // Asked to end while waiting for a broker: nothing was read, and nothing is to be waited for.
        let threads = if stop.load(Ordering::Relaxed) { Vec::new() } else { self.threads(&shared)? };
        shared.health.is_ready("start");
        Ok(Running { address, health: shared.health, threads, turn_max: settings.transaction_timeout + WATCHDOG_GRACE })
    }

    fn threads(self, shared: &Shared<'_>) -> Result<Vec<Thread>, Ended> {
        let role = match (&self.roles.gate, &self.roles.monitor) {
            (Some(_), _) => Role::Gate,
            (None, Some(_)) => Role::Monitor,
            (None, None) => Role::Sidecar,
        };
        let mut threads = vec![shared.follow_control(role)?];
        threads.extend(shared.write_heads()?);
        if let Some(gate) = self.roles.gate {
            threads.extend(gate.threads(shared)?);
        }
        if let Some(monitor) = self.roles.monitor {
            threads.extend(monitor.threads(shared)?);
        }
        if let Some(SidecarRole) = self.roles.sidecar {
            threads.push(super::sidecar::thread(shared)?);
        }
        Ok(threads)
    }
}

impl Roles {
    /// The topics that any of them reads or writes.
    fn topics(&self) -> Vec<Topic> {
        let gate = self.gate.as_ref().map(|_| Role::Gate.topics()).unwrap_or_default();
        let sidecar = self.sidecar.as_ref().map(|SidecarRole| Role::Sidecar.topics()).unwrap_or_default();
        let monitor = self.monitor.as_ref().map(|_| Role::Monitor.topics()).unwrap_or_default();
        Topic::ALL.into_iter().filter(|topic| [&gate, &monitor, &sidecar].iter().any(|topics| topics.contains(topic))).collect()
    }
}

impl Shared<'_> {
    fn serve(&self) -> Result<SocketAddr, Ended> {
        let listen = self.settings.api.listen;
        let (metrics, follower) = (Arc::clone(&self.metrics), Arc::clone(&self.control));
        let references = Arc::clone(&self.references);
        let refresh = Arc::new(move || {
            set_seconds(&metrics.control_age, follower.age());
            references.show(&metrics);
        });
        let shown = Shown { metrics: Arc::clone(&self.metrics), health: Arc::clone(&self.health), refresh };
        server::spawn(listen, shown).map_err(|error| Ended {
            exit: Exit::Usage,
            sentence: format!(
                "Cannot listen on api.listen {listen}: {error}. Another process may have the port; choose a free one."
            ),
        })
    }

    /// Waits for a broker, then compares the topics with the plan. Returns early when a stop is asked for.
    fn check_topics(&self, topics: &[Topic], config_path: &str, stop: &AtomicBool) -> Result<(), Ended> {
        let context = topics_context(self.settings, config_path);
        loop {
            match check(&context, topics, ASK_WITHIN) {
                Ok(findings) => {
                    for finding in &findings {
                        match finding.severity {
                            Severity::Fatal => tracing::error!(mend = finding.command, "{}", finding.sentence),
                            Severity::Warning => tracing::warn!(mend = finding.command, "{}", finding.sentence),
                        }
                    }
                    let fatal: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Fatal).collect();
                    let Some(first) = fatal.first() else { return Ok(()) };
                    let sentence =
                        format!("{} topics are not as they must be. {}\n    {}", fatal.len(), first.sentence, first.command);
                    return Err(Ended { exit: Exit::Usage, sentence });
                }
                Err(error @ TopicsError::NoAnswer { .. }) => {
                    self.health.not_ready("start", &error.to_string());
                    tracing::warn!(%error, "waiting for a broker");
                }
                Err(error) => return Err(Ended { exit: Exit::Failed, sentence: error.to_string() }),
            }
            let again = Instant::now() + ASK_AGAIN_AFTER;
            while Instant::now() < again {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }

    /// The follower of `control`, and of `signals` where the process decides.
    fn follow_control(&self, role: Role) -> Result<Thread, Ended> {
        let topics = BroadcastTopics {
            control: Topic::Control.name(&self.layout),
            signals: (role == Role::Gate).then(|| Topic::Signals.name(&self.layout)),
        };
        let (follower, reader) = (Arc::clone(&self.control), client_settings(self.settings, role));
        let ending = Arc::clone(&self.health);
        spawn("control", move || {
            follower.follow(&reader, &topics, &|| ending.is_stopping());
            Ok(())
        })
    }

    /// The writer of signed chain heads, where they are configured.
    fn write_heads(&self) -> Result<Option<Thread>, Ended> {
        let (Some(heads), Some(board)) = (&self.settings.audit_heads, &self.heads) else { return Ok(None) };
        let writer = HeadWriter::new(Arc::clone(board), heads.file.clone(), heads.key.clone());
        let (every, ending) = (heads.every, Arc::clone(&self.health));
        let thread = spawn("heads", move || {
            writer.follow(every, &|| ending.is_stopping());
            Ok(())
        });
        thread.map(Some)
    }

    /// What the topics of a role take, with key and headers; asked at every new producer, so that a topic's changed setting is
    /// seen.
    pub fn record_limit(&self, role: Role) -> impl Fn() -> Result<usize, Fault> + Send + Sync + 'static {
        let output: Vec<Topic> = Topic::ALL.into_iter().filter(|topic| is_output(*topic, role)).collect();
        let (client, layout, check) = (client_settings(self.settings, role).base(), self.layout.clone(), self.check);
        move || {
            if check == TopicCheck::MockBroker {
                return Ok(MOCK_RECORD_BYTES);
            }
            let limit = record_bytes_max(&client, &layout, &output, ASK_WITHIN)
                .map_err(|error| Fault::rebuild("topics", error.to_string()))?;
            if limit < RECORD_BYTES_LEAST {
                let sentence = format!(
                    "One of the {role}'s topics takes records of at most {limit} bytes (max.message.bytes); at least \
                     {RECORD_BYTES_LEAST} are needed. `jidoka topics check` names it and the command that mends it."
                );
                return Err(Fault::stop("too-large", sentence));
            }
            Ok(limit - BATCH_OVERHEAD)
        }
    }
}

/// Topics that the role writes whole records to. A verdict that is forwarded was small enough for its topic before, and
/// tallies are not written yet.
fn is_output(topic: Topic, role: Role) -> bool {
    topic.writers().contains(&role) && !matches!(topic, Topic::Verdicts | Topic::Tallies)
}

/// A process whose threads run.
pub struct Running {
    address: SocketAddr,
    health: Arc<Health>,
    threads: Vec<Thread>,
    turn_max: Duration,
}

impl Running {
    /// Where metrics and health are served, with the port that was chosen where the settings ask for port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `/readyz` asks.
    #[must_use]
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// Waits until `stop`, or until a thread ends by itself; then ends all of them after their present turns.
    ///
    /// # Errors
    /// With the sentence that says what a person must mend.
    pub fn wait(self, stop: &AtomicBool) -> Result<(), Ended> {
        watch(&self.threads, &self.health, stop, self.turn_max);
        self.health.stop();
        let mut first = Ok(());
        for thread in self.threads {
            let result = thread.join().unwrap_or_else(|_| Err(Fault::stop("panic", "a thread panicked".to_owned())));
            first = first.and(result);
        }
        tracing::info!("ended");
        first.map_err(Ended::from)
    }
}

/// Starts a thread of the process.
pub(super) fn spawn(name: &str, work: impl FnOnce() -> Result<(), Fault> + Send + 'static) -> Result<Thread, Ended> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| Ended { exit: Exit::Failed, sentence: format!("Cannot start the thread {name}: {error}") })
}

/// Waits until a stop is asked for, or a thread ends by itself, or a turn hangs.
fn watch(threads: &[Thread], health: &Health, stop: &AtomicBool, turn_max: Duration) {
    while !stop.load(Ordering::Relaxed) && !threads.iter().any(JoinHandle::is_finished) {
        if health.longest_turn() > turn_max {
            tracing::error!(
                ?turn_max,
                "a transaction hangs in a call that ignores its timeout; ending the process, nothing is lost"
            );
            // Joining would hang, too. The broker aborts the transaction, or the next process of this ordinal does.
            leave(1);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// When a batch closes.
pub(in crate::cli) fn batch_limits(bounds: BatchBounds) -> BatchLimits {
    BatchLimits { max_records: bounds.max_records, max_bytes: bounds.max_bytes, linger: bounds.linger }
}

/// What every client of `role` in this process is told.
pub(in crate::cli) fn client_settings(settings: &Settings, role: Role) -> ClientSettings {
    ClientSettings {
        kafka: settings.kafka.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        group: format!("{}{role}", settings.topics.prefix),
        instance: u32::from(settings.instance),
        transaction_timeout: settings.transaction_timeout,
        session_timeout: settings.session_timeout,
        restore_timeout: settings.restore_timeout,
    }
}
