//! An installation of jidoka on a Kafka, and gates as the processes they are: started, killed, stopped, woken.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::books::{self, Books, Isolation};
use super::events::{Input, Player};
use super::oracle::{self, Terms};
use crate::kafka::{self, Cluster};

/// Bounds every wait. Generous: it is only reached when something is wrong.
pub const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(50);

/// Below which top probability the policies of these tests hold an event of a model: about a tenth of the real ones.
pub const LIMITS: [(&str, f64); 2] = [("adult-gbdt", 0.62), ("credit-default-gbdt", 0.65)];

/// What an installation is made with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setup {
    pub partitions: i32,
    pub lanes: u16,
    pub spread: u16,
    pub replication: u16,
    pub workers: u16,
    pub batch_records: u32,
    pub window: u32,
}

impl Default for Setup {
    fn default() -> Self {
        Self { partitions: 6, lanes: 3, spread: 1, replication: 1, workers: 2, batch_records: 500, window: 100_000 }
    }
}

/// Topics of its own on a cluster, a configuration file, and a policy for each model of the real events.
///
/// Transactions time out after 6 s and sessions after 10 s. Everything may be overruled for one process by environment
/// variables: see [`Installation::start_with`].
pub struct Installation {
    pub setup: Setup,
    /// What its topics and its group begin with.
    pub prefix: String,
    /// The input topic.
    pub input: String,
    bootstrap: String,
    folder: PathBuf,
    started: AtomicU32,
}

impl Installation {
    /// Creates the input topic, and jidoka's own by `jidoka topics apply`.
    pub fn new(cluster: &Cluster, setup: Setup) -> Self {
        let installation = Self::without_topics(cluster.bootstrap(), setup);
        cluster.create_topic(&installation.input, setup.partitions, &[]);
        installation.run_to_end(&["topics", "apply"]);
        installation
    }

    /// Only the files: for a Kafka that is not there yet, or lets nobody in without a login.
    pub fn without_topics(bootstrap: &str, setup: Setup) -> Self {
        let name = kafka::unique("gate");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
        let installation = Self {
            setup,
            prefix: format!("{name}."),
            input: format!("{name}.inference"),
            bootstrap: bootstrap.to_owned(),
            folder,
            started: AtomicU32::new(0),
        };
        installation.write_files();
        installation
    }

    fn write_files(&self) {
        fs::create_dir_all(self.policies()).expect("cargo's temporary folder can be written to");
        for (model, limit) in LIMITS {
            let text = format!(
                "policy: {model}\nmatch: {{ model: {model} }}\ntriggers:\n  \
                 - {{ id: low-confidence, confidence: {{ measure: top_probability, below: {limit} }} }}\n"
            );
            fs::write(self.policies().join(format!("{model}.yaml")), text).expect("cargo's temporary folder can be written to");
        }
        let Setup { lanes, spread, replication, workers, batch_records, window, .. } = self.setup;
        let text = format!(
            "kafka: {{ bootstrap.servers: \"{}\" }}\n\
             topics: {{ prefix: {}, lanes: {lanes}, spread: {spread}, replication: {replication} }}\n\
             sources: [ {{ name: {}, topic: {}, start: earliest }} ]\n\
             policies: policies/\n\
             gate: {{ workers: {workers}, batch: {{ max_records: {batch_records} }}, dedup: {{ window: {window} }} }}\n\
             transaction: {{ timeout: 6s }}\n\
             session: {{ timeout: 10s }}\n\
             api: {{ listen: 127.0.0.1:0 }}\n",
            self.bootstrap,
            self.prefix,
            Terms::SOURCE,
            self.input
        );
        fs::write(self.config(), text).expect("cargo's temporary folder can be written to");
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.join("jidoka.yaml")
    }

    /// The folder of policies: for tests that change them.
    pub fn policies(&self) -> PathBuf {
        self.folder.join("policies")
    }

    /// The name of one of its topics, such as `audit`.
    pub fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Where its Kafka is.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Runs `jidoka <arguments> --config …`; its standard output, once it ended well.
    pub fn run_to_end(&self, arguments: &[&str]) -> String {
        let mut command = jidoka();
        let output = command.args(arguments).arg("--config").arg(self.config()).stdin(Stdio::null()).output();
        let output = output.expect("the binary starts");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "jidoka {arguments:?} ended with {}:\n{words}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same, where it must end with exit code 1.
    pub fn run_to_fail(&self, arguments: &[&str]) {
        let status = jidoka().args(arguments).arg("--config").arg(self.config()).output().expect("the binary starts").status;
        assert_eq!(status.code(), Some(1), "jidoka {arguments:?}");
    }

    /// Starts the gate of ordinal `instance`.
    pub fn start(&self, instance: u32) -> Gate {
        self.start_with(instance, &[])
    }

    /// Starts it with more variables, such as `("JIDOKA__GATE__WORKERS", "1")`.
    pub fn start_with(&self, instance: u32, environment: &[(&str, &str)]) -> Gate {
        self.start_as("gate", instance, environment)
    }

    /// Starts a process with these roles.
    pub fn start_as(&self, roles: &str, instance: u32, environment: &[(&str, &str)]) -> Gate {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let log = self.folder.join(format!("{}-{instance}-start-{number}.log", roles.replace(',', "-")));
        // The guard kills its child when we end, however we end.
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/guarded"));
        clean(&mut command);
        command.arg(&log).arg(env!("CARGO_BIN_EXE_jidoka")).args(["run", "--roles", roles, "--config"]).arg(self.config());
        command.env("JIDOKA__INSTANCE", instance.to_string()).envs(environment.iter().copied());
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut guard = command.spawn().expect("tests/kafka/guarded starts");
        let mut line = String::new();
        BufReader::new(guard.stdout.take().expect("it is piped")).read_line(&mut line).expect("it prints a process id");
        let pid = line.trim().parse().unwrap_or_else(|_| panic!("tests/kafka/guarded printed {line:?} for a process id"));
        Gate { instance, pid, guard, ended: None, log }
    }

    /// Plays `inputs` to the input topic.
    pub fn play(&self, inputs: &[Input]) {
        self.player().play(inputs);
    }

    /// A producer for the input topic.
    pub fn player(&self) -> Player {
        Player::new(&self.bootstrap, &self.input)
    }

    /// Waits until the group has committed the end of every input partition; meanwhile `gates` must live.
    pub fn await_decided(&self, gates: &mut [&mut Gate]) {
        let asker = books::asker(&self.bootstrap, "ends", Isolation::Uncommitted);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (ends, committed) = (books::ends(&asker, &self.input), self.committed());
            if ends.iter().all(|(partition, end)| committed.get(partition).unwrap_or(&0) == end) {
                return;
            }
            for gate in gates.iter_mut() {
                gate.check_alive();
            }
            assert!(Instant::now() < deadline, "not decided after {PATIENCE:?}: {committed:?} of {ends:?}");
            std::thread::sleep(PAUSE);
        }
    }

    /// What the gate's group has committed, by input partition.
    pub fn committed(&self) -> std::collections::BTreeMap<i32, i64> {
        books::committed(&self.bootstrap, &self.topic("gate"), &self.input)
    }

    /// How many input records the group has committed.
    pub fn decided(&self) -> i64 {
        self.committed().values().sum()
    }

    /// Everything that is in Kafka about it.
    pub fn books(&self) -> Books {
        Books::read(&self.bootstrap, &self.prefix, &self.input)
    }

    /// What the oracle holds records against.
    pub fn terms(&self) -> Terms {
        let Setup { lanes, spread, window, .. } = self.setup;
        Terms::new(&self.input, (lanes, spread), i64::from(window))
    }

    /// Reads everything back and has it judged: everything must have been decided, once.
    pub fn assert_sound(&self) -> Books {
        let books = self.books();
        let violations = oracle::judge(&self.terms(), &books);
        assert!(violations.is_empty(), "{}", oracle::summary(&violations));
        books
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // A folder that stays does no harm.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// The binary, without settings of the person who runs the tests.
fn jidoka() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jidoka"));
    clean(&mut command);
    command
}

fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("JIDOKA_") {
            command.env_remove(name);
        }
    }
}

/// A running gate, or what other roles it was started with. It dies with this value, and with the test process.
pub struct Gate {
    pub instance: u32,
    pid: u32,
    guard: Child,
    ended: Option<ExitStatus>,
    log: PathBuf,
}

impl Gate {
    /// Ends it as a power cut would (SIGKILL).
    pub fn kill(&mut self) {
        self.signal("KILL");
        self.await_end();
    }

    /// Asks it to end (SIGTERM), and waits until it has.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.await_end()
    }

    /// Stops it in its tracks (SIGSTOP).
    pub fn stop(&self) {
        self.signal("STOP");
    }

    /// Lets it go on after [`Self::stop`] (SIGCONT).
    pub fn wake(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        kafka::signal(name, self.pid);
    }

    /// Waits until it ends, by itself or because it was told to. `ExitStatus::code` is 128 + the signal's number where one
    /// ended it.
    pub fn await_end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(ended) = self.ended() {
                return ended;
            }
            assert!(Instant::now() < deadline, "gate {} did not end within {PATIENCE:?}", self.instance);
            std::thread::sleep(PAUSE);
        }
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.ended = self.ended.or_else(|| self.guard.try_wait().expect("our own child can be asked"));
        self.ended
    }

    /// Fails the test if it has ended.
    pub fn check_alive(&mut self) {
        if let Some(ended) = self.ended() {
            panic!("gate {} ended with {ended}", self.instance);
        }
    }

    /// Waits until `/readyz` says that every worker has its part of the input.
    pub fn await_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.readiness().is_some_and(|readiness| readiness["ready"] == true) {
            self.check_alive();
            assert!(Instant::now() < deadline, "gate {} is not ready: {:?}", self.instance, self.readiness());
            std::thread::sleep(PAUSE);
        }
    }

    /// What `/readyz` answers; nothing before it is served.
    pub fn readiness(&self) -> Option<Value> {
        serde_json::from_str(&self.get("/readyz")?).ok()
    }

    /// What `/metrics` answers; empty before it is served.
    pub fn metrics(&self) -> String {
        self.get("/metrics").unwrap_or_default()
    }

    /// The sum of a metric over all its labels that contain `label`.
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        let metrics = self.metrics();
        let samples = metrics.lines().filter(|line| line.starts_with(name) && line.contains(label));
        samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    fn get(&self, path: &str) -> Option<String> {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(5)));
        let agent: ureq::Agent = config.build().into();
        agent.get(format!("http://{}{path}", self.address()?)).call().ok()?.body_mut().read_to_string().ok()
    }

    /// Where it serves, as it said in its log.
    fn address(&self) -> Option<String> {
        let log = self.log();
        let line = log.lines().find(|line| line.contains("/readyz") && line.contains("address"))?;
        let address = line.split_once("127.0.0.1:")?.1;
        let port: String = address.chars().take_while(char::is_ascii_digit).collect();
        Some(format!("127.0.0.1:{port}"))
    }

    /// All that it has written on standard output and error.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.signal("KILL");
            self.guard.wait().expect("our own child can be waited for");
        }
        if std::thread::panicking() {
            const LINES: usize = 60;
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(LINES)..].join("\n");
            eprintln!("End of {} ({:?}):\n{tail}\n", self.log.display(), self.ended);
        }
    }
}
