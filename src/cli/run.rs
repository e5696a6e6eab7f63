//! `jidoka run`: the roles of a process, from settings to threads, and how it ends.
//!
//! ```text
//! Settings, policies ─→ GatePlan ─→ topics are checked ─→ threads: control, reload, a worker with its gate each
//!                                                            └─→ RunningGate ─ stop, or a fault ─→ Exit
//! ```

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::Args;

use super::interrupt;
use super::terminal::{Exit, fail, leave};
use crate::config::{self, FolderWatch, POLICY_FILES, SCHEMA_FILES, Settings};
use crate::event::{Limits, SchemaSource, Schemas};
use crate::gate::{Gate, GateSettings, OutputTopics, Rules, RulesInForce};
use crate::policy::PolicySet;
use crate::reload::{CurrentSchemas, Reload, Targets, Watches};
use crate::stream::batch::BatchLimits;
use crate::stream::client::ClientSettings;
use crate::stream::control::{BroadcastTopics, ControlFollower};
use crate::stream::fault::Fault;
use crate::stream::topics::{Role, Severity, Topic, TopicLayout, TopicsError, check, record_bytes_max};
use crate::stream::worker::{RecordLimit, Unclaimed, WorkerSettings, run as run_worker};
use crate::telemetry::health::Health;
use crate::telemetry::metrics::{GateMetrics, Metrics, set_seconds};
use crate::telemetry::server::{self, Shown};
use crate::telemetry::worker::WorkerObserver;

/// A broker that does not answer is asked again after this long.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(2);
const ASK_WITHIN: Duration = Duration::from_secs(10);
/// What a turn may take beyond the transaction's timeout before the watchdog ends the process.
const WATCHDOG_GRACE: Duration = Duration::from_secs(15);
/// A topic that takes less than this cannot hold an audit entry of a large policy.
const RECORD_BYTES_LEAST: usize = 32_768;
/// What a batch of one record adds to its key, value and headers.
const BATCH_OVERHEAD: usize = 256;

/// Runs jidoka's roles until SIGTERM or Ctrl-C.
#[derive(Args, Debug)]
#[command(
    after_help = "The process waits for a broker that is not there yet and says so; /readyz answers 503 with the reason until
every worker has its part of the input. SIGTERM ends it after the present transactions; nothing is lost however it ends.

Exit codes: 0 ended as asked; 1 something that only a person can mend, said in one sentence; 2 wrong usage, configuration or policy.

Examples:
  jidoka run --config jidoka.yaml --roles gate
  JIDOKA__INSTANCE=1 JIDOKA__GATE__WORKERS=4 jidoka run --config jidoka.yaml
  curl -s localhost:8080/readyz | jq"
)]
pub struct RunArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE", env = "JIDOKA_CONFIG", default_value = "jidoka.yaml")]
    pub config: PathBuf,
    /// What this process does; monitor, sidecar and api arrive in later versions
    #[arg(long, value_delimiter = ',', default_value = "gate", value_name = "ROLES")]
    pub roles: Vec<String>,
}

/// Runs the command.
#[must_use]
pub fn run(args: &RunArgs) -> Exit {
    if let Some(role) = args.roles.iter().find(|role| *role != "gate") {
        let known = ["monitor", "sidecar", "api"].contains(&role.as_str());
        let why = if known { "is not part of this version yet; it arrives later" } else { "is no role of jidoka" };
        return fail(Exit::Usage, format!("The role {role:?} {why}. This version runs: gate."));
    }
    let settings = match super::settings(Some(&args.config)) {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    let stop = match interrupt::flag() {
        Ok(stop) => stop,
        Err(error) => return fail(Exit::Failed, format!("Cannot listen for Ctrl-C: {error}")),
    };
    let metrics = Arc::new(Metrics::new());
    // Before they are read, so that no change falls between.
    let follow = Some(Watches {
        policies: FolderWatch::new(&settings.policies, &POLICY_FILES),
        schemas: FolderWatch::new(&settings.schemas.path, &SCHEMA_FILES),
    });
    let policies = match config::read_policies(&settings.policies, &settings.fallback) {
        Ok(policies) => policies,
        Err(problems) => return super::report_problems(&problems),
    };
    if policies.policies().is_empty() {
        tracing::warn!(folder = %settings.policies.display(), "there is no policy; every event will be held by `no-policy`");
    }
    for key in settings.without_effect() {
        tracing::warn!(key, "is set, but does nothing in this version");
    }
    let schemas = match config::read_schemas(&settings.schemas) {
        Ok(schemas) => schemas,
        Err(problems) => return super::report_problems(&problems),
    };
    let plan =
        GatePlan { settings: &settings, policies, schemas, follow, metrics: Arc::clone(&metrics), check: TopicCheck::Full };
    match plan.run(&args.config.display().to_string(), &stop) {
        Ok(()) => Exit::Done,
        Err(ended) => fail(ended.exit, ended.sentence),
    }
}

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

/// A gate that is about to run.
pub struct GatePlan<'s> {
    /// Settings of the process.
    pub settings: &'s Settings,
    /// The policies to begin with.
    pub policies: PolicySet,
    /// Writer schemas to begin with.
    pub schemas: Schemas,
    /// The folders that they came from, where they are to be followed.
    pub follow: Option<Watches>,
    /// Where counts go.
    pub metrics: Arc<Metrics>,
    /// How topics are checked.
    pub check: TopicCheck,
}

impl GatePlan<'_> {
    /// Runs the gate until `stop`.
    ///
    /// # Errors
    /// With the sentence that says what a person must mend.
    pub fn run(self, config_path: &str, stop: &AtomicBool) -> Result<(), Ended> {
        self.start(config_path, stop)?.wait(stop)
    }

    /// Starts the gate: waits for a broker, checks the topics, and leaves its threads running.
    ///
    /// # Errors
    /// With the sentence that says what a person must mend.
    pub fn start(self, config_path: &str, stop: &AtomicBool) -> Result<RunningGate, Ended> {
        let health = Arc::new(Health::default());
        let control = Arc::new(ControlFollower::new(self.settings.control_max_age));
        health.not_ready("start", "Kafka has not answered yet; its topics are checked before anything is read");
        let address = self.serve(&health, &control)?;
        tracing::info!(%address, "serving /metrics, /healthz and /readyz");
        if self.check == TopicCheck::Full {
            self.check_topics(config_path, &health, stop)?;
        }
        // Asked to end while waiting for a broker: nothing was read, and nothing is to be waited for.
        let threads = if stop.load(Ordering::Relaxed) { Vec::new() } else { self.threads(&health, &control)? };
        health.is_ready("start");
        Ok(RunningGate { address, health, threads, turn_max: self.settings.transaction_timeout + WATCHDOG_GRACE })
    }

    fn serve(&self, health: &Arc<Health>, control: &Arc<ControlFollower>) -> Result<SocketAddr, Ended> {
        let listen = self.settings.api.listen;
        let (metrics, follower) = (Arc::clone(&self.metrics), Arc::clone(control));
        let refresh = Arc::new(move || set_seconds(&metrics.control_age, follower.age()));
        let shown = Shown { metrics: Arc::clone(&self.metrics), health: Arc::clone(health), refresh };
        server::spawn(listen, shown).map_err(|error| Ended {
            exit: Exit::Usage,
            sentence: format!(
                "Cannot listen on api.listen {listen}: {error}. Another process may have the port; choose a free one."
            ),
        })
    }

    /// Waits for a broker, then compares the topics with the plan. Returns early when a stop is asked for.
    fn check_topics(&self, config_path: &str, health: &Health, stop: &AtomicBool) -> Result<(), Ended> {
        let context = super::topics_context(self.settings, config_path);
        loop {
            match check(&context, &Role::Gate.topics(), ASK_WITHIN) {
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
                    health.not_ready("start", &error.to_string());
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

    /// Starts the follower of `control` and the workers.
    fn threads(&self, health: &Arc<Health>, control: &Arc<ControlFollower>) -> Result<Vec<JoinHandle<Result<(), Fault>>>, Ended> {
        let settings = self.settings;
        let layout = super::layout(settings);
        let clients = client_settings(settings);
        let mut threads = Vec::new();
        let topics = BroadcastTopics { control: Topic::Control.name(&layout), signals: Some(Topic::Signals.name(&layout)) };
        let (follower, reader, ending) = (Arc::clone(control), clients.clone(), Arc::clone(health));
        threads.push(spawn("control", move || {
            follower.follow(&reader, &topics, &|| ending.is_stopping());
            Ok(())
        })?);

        let rules = Rules::new(self.policies.clone(), &settings.fallback, &self.metrics);
        let rules = Arc::new(RulesInForce::new(rules));
        let schemas = Arc::new(CurrentSchemas::new(self.schemas.clone()));
        if let Some(watches) = self.follow.clone() {
            let (rules, schemas) = (Arc::clone(&rules), Arc::clone(&schemas));
            let to = Targets { rules, schemas, metrics: Arc::clone(&self.metrics), health: Arc::clone(health) };
            let mut reload = Reload::new(watches, settings.schemas.clone(), settings.fallback.clone(), to);
            let every = settings.reload_every;
            threads.push(spawn("reload", move || {
                reload.follow(every);
                Ok(())
            })?);
        }
        let gate = Arc::new(gate_settings(settings, &layout, rules, schemas));
        let names: Vec<&str> = settings.sources.iter().map(|source| source.name.as_str()).collect();
        let metrics = Arc::new(GateMetrics::new(&self.metrics, &names));
        let sources: Arc<HashMap<String, String>> =
            Arc::new(settings.sources.iter().map(|source| (source.topic.clone(), source.name.clone())).collect());
        let limit: Arc<RecordLimit> = self.record_limit(&layout, &gate.rules);
        for worker in 0..usize::from(settings.gate.workers) {
            let worker_settings = WorkerSettings {
                clients: clients.clone(),
                topics: settings.sources.iter().map(|source| source.topic.clone()).collect(),
                batch: BatchLimits {
                    max_records: settings.gate.batch.max_records,
                    max_bytes: settings.gate.batch.max_bytes,
                    linger: settings.gate.batch.linger,
                },
                worker,
                unclaimed: if worker == 0 && self.check == TopicCheck::Full { Unclaimed::Watch } else { Unclaimed::Ignore },
            };
            let observer =
                WorkerObserver::new("gate", worker, Arc::clone(&self.metrics), Arc::clone(health), Arc::clone(&sources));
            let (gate, control, metrics) = (Arc::clone(&gate), Arc::clone(control), Arc::clone(&metrics));
            let (limit, patience, ending) = (Arc::clone(&limit), settings.control_max_age, Arc::clone(health));
            threads.push(spawn(&format!("gate-{worker}"), move || {
                wait_for_control(&control, patience, &ending);
                run_worker(&worker_settings, &mut Gate::new(gate, control, metrics), &*limit, &observer)
            })?);
        }
        Ok(threads)
    }

    /// What the gate's output topics take. Asked at every new producer, so that a topic's changed setting is seen.
    fn record_limit(&self, layout: &TopicLayout, rules: &Arc<RulesInForce>) -> Arc<RecordLimit> {
        let (client, layout, check) = (client_settings(self.settings).base(), layout.clone(), self.check);
        let rules = Arc::clone(rules);
        Arc::new(move || {
            if check == TopicCheck::MockBroker {
                return Ok(1_000_000);
            }
            let limit = record_bytes_max(&client, &layout, &GATE_OUTPUT, ASK_WITHIN)
                .map_err(|error| Fault::rebuild("topics", error.to_string()))?;
            if limit < RECORD_BYTES_LEAST {
                let sentence = format!(
                    "One of the gate's topics takes records of at most {limit} bytes (max.message.bytes); at least \
                     {RECORD_BYTES_LEAST} are needed. `jidoka topics check` names it and the command that mends it."
                );
                return Err(Fault::stop("too-large", sentence));
            }
            rules
                .make_room(limit - BATCH_OVERHEAD)
                .map_err(|error| Fault::stop("too-large", format!("With these policies the gate cannot run: {error}.")))?;
            Ok(limit - BATCH_OVERHEAD)
        })
    }
}

/// A gate whose threads run.
pub struct RunningGate {
    address: SocketAddr,
    health: Arc<Health>,
    threads: Vec<JoinHandle<Result<(), Fault>>>,
    turn_max: Duration,
}

impl RunningGate {
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

/// Topics that a gate writes to.
const GATE_OUTPUT: [Topic; 6] =
    [Topic::Audit, Topic::Dispositions, Topic::Cases, Topic::Reviews, Topic::DeadLetters, Topic::Progress];

fn spawn(name: &str, work: impl FnOnce() -> Result<(), Fault> + Send + 'static) -> Result<JoinHandle<Result<(), Fault>>, Ended> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| Ended { exit: Exit::Failed, sentence: format!("Cannot start the thread {name}: {error}") })
}

/// Nothing is decided before the operators' orders were read; where they cannot be, everything will be held.
fn wait_for_control(control: &ControlFollower, patience: Duration, health: &Health) {
    let until = Instant::now() + patience;
    while control.age().is_none() && Instant::now() < until && !health.is_stopping() {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until a stop is asked for, or a thread ends by itself, or a turn hangs.
fn watch(threads: &[JoinHandle<Result<(), Fault>>], health: &Health, stop: &AtomicBool, turn_max: Duration) {
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

/// What every client of this process is told.
pub(super) fn client_settings(settings: &Settings) -> ClientSettings {
    ClientSettings {
        kafka: settings.kafka.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        group: format!("{}gate", settings.topics.prefix),
        instance: u32::from(settings.instance),
        transaction_timeout: settings.transaction_timeout,
        session_timeout: settings.session_timeout,
        restore_timeout: settings.restore_timeout,
    }
}

pub(super) fn gate_settings(
    settings: &Settings,
    layout: &TopicLayout,
    rules: Arc<RulesInForce>,
    schemas: Arc<dyn SchemaSource>,
) -> GateSettings {
    let event = &settings.gate.event;
    GateSettings {
        sources: settings.sources.clone(),
        topics: OutputTopics {
            audit: Topic::Audit.name(layout),
            dispositions: Topic::Dispositions.name(layout),
            cases: Topic::Cases.name(layout),
            reviews: Topic::Reviews.name(layout),
            dead_letters: Topic::DeadLetters.name(layout),
            progress: Topic::Progress.name(layout),
        },
        lanes: settings.topics.lanes,
        spread: settings.topics.spread,
        rules,
        schemas,
        fallback: settings.fallback.clone(),
        limits: Limits { max_bytes: event.max_bytes, max_depth: event.max_depth, max_fields: event.max_fields },
        window: settings.gate.dedup_window,
        record_bytes_max: settings.gate.max_record_bytes,
        dead_letter_bytes_max: settings.dead_letters_max_bytes,
    }
}
