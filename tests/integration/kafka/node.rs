//! One broker process: format, start, kill, stop, continue.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::provide;
use super::settings::Ports;

/// Which way a broker's JVM is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Jvm {
    /// Soon up and small: for tests.
    QuickStart,
    /// With the optimising compiler: the only way in which a throughput means anything.
    Measured,
}

/// A broker with a folder of its own. Dropping it kills the process and, unless the test failed, removes the folder.
pub struct Node {
    pub id: i32,
    pub ports: Ports,
    folder: PathBuf,
    libs: PathBuf,
    jvm: Jvm,
    running: Mutex<Option<Broker>>,
}

/// The process `tests/kafka/guarded`, whose standard input keeps the broker alive, and the broker under it.
struct Broker {
    guard: Child,
    pid: u32,
}

impl Node {
    /// A node whose `server.properties` say `properties`, not yet formatted or started.
    pub fn new(id: i32, ports: Ports, folder: PathBuf, libs: PathBuf, jvm: Jvm, properties: &str) -> Result<Self, String> {
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        fs::write(folder.join("server.properties"), properties).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self { id, ports, folder, libs, jvm, running: Mutex::new(None) })
    }

    /// Begins to write the node's empty storage, with `extra` arguments of Kafka's formatter. See [`Self::formatted`].
    pub fn format(&self, extra: &[&str]) -> Result<Child, String> {
        let mut command = self.java();
        command.args(["kafka.tools.StorageTool", "format", "--cluster-id", "amlkb2thLXRlc3RzLTAwMQ", "--config"]);
        command.arg(self.folder.join("server.properties")).args(extra);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().map_err(|error| format!("{} did not start: {error}", provide::java().display()))
    }

    /// Waits until what [`Self::format`] began is done.
    pub fn formatted(&self, formatter: Child) -> Result<(), String> {
        let output = formatter.wait_with_output().map_err(|error| format!("formatting node {}: {error}", self.id))?;
        if output.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        Err(format!("Kafka's formatter refused the storage of node {}:\n{words}", self.id))
    }

    /// Starts the broker; it is not ready when this returns.
    pub fn start(&self) -> Result<(), String> {
        let mut running = self.running();
        assert!(running.is_none(), "node {} runs already", self.id);
        let java = self.java();
        let mut command = Command::new(provide::repository().join("tests/kafka/guarded"));
        command.arg(self.log()).arg(java.get_program()).args(java.get_args());
        command.arg("kafka.Kafka").arg(self.folder.join("server.properties"));
        // A group of its own, so that an interrupt from the terminal ends the test first and the broker through the pipe.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut guard = command.spawn().map_err(|error| format!("tests/kafka/guarded did not start: {error}"))?;
        let mut line = String::new();
        BufReader::new(guard.stdout.take().expect("it is piped")).read_line(&mut line).map_err(|error| error.to_string())?;
        let pid = line.trim().parse().map_err(|_| format!("tests/kafka/guarded printed {line:?} for a process id"))?;
        *running = Some(Broker { guard, pid });
        Ok(())
    }

    /// Kills the broker as a power cut would. Returns when it is gone.
    pub fn kill(&self) {
        let mut broker = self.running().take().unwrap_or_else(|| panic!("node {} is not running", self.id));
        signal("KILL", broker.pid);
        broker.guard.wait().expect("our own child can be waited for");
    }

    /// Sends `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        let pid = self.running().as_ref().unwrap_or_else(|| panic!("node {} is not running", self.id)).pid;
        signal(name, pid);
    }

    /// An error with the end of the broker's log if it ended without having been killed.
    pub fn check_alive(&self) -> Result<(), String> {
        let ended = self.running().as_mut().and_then(|broker| broker.guard.try_wait().expect("our own child can be asked"));
        ended.map_or(Ok(()), |status| Err(format!("Broker {} ended with {status}.\n{}", self.id, self.log_tail())))
    }

    /// The last lines of the broker's log, and where the rest is.
    pub fn log_tail(&self) -> String {
        const LINES: usize = 40;
        let text = fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        format!("End of {}:\n{}", self.log().display(), lines[lines.len().saturating_sub(LINES)..].join("\n"))
    }

    /// Whether this node, as the active controller, last said of `broker` that it is out. Nothing else tells: clients cannot
    /// ask a controller, and Kafka's tools take a second for an answer.
    pub fn has_fenced(&self, broker: i32) -> bool {
        let text = fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let (out, back) =
            (format!("Fencing broker {broker} "), format!("request from broker {broker} to unfence has been granted"));
        text.lines().rev().find(|line| line.contains(&out) || line.contains(&back)).is_some_and(|line| line.contains(&out))
    }

    /// Runs one of Kafka's own tools to its end.
    pub fn run_tool(&self, arguments: &[&str]) {
        let output = self.java().args(arguments).stdin(Stdio::null()).output().expect("java ran before");
        let words = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?} failed:\n{words}");
    }

    fn java(&self) -> Command {
        let mut command = Command::new(provide::java());
        command.args(["-Xmx512m", "-XX:+UseSerialGC"]);
        if self.jvm == Jvm::QuickStart {
            command.arg("-XX:TieredStopAtLevel=1");
        }
        let logging = provide::repository().join("tests/kafka/log4j2.properties");
        command.arg(format!("-Dlog4j2.configurationFile={}", logging.display()));
        command.arg("-cp").arg(self.libs.join("*"));
        command
    }

    fn log(&self) -> PathBuf {
        self.folder.join("broker.log")
    }

    fn running(&self) -> MutexGuard<'_, Option<Broker>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.running().is_some() {
            self.kill();
        }
        if !std::thread::panicking() {
            // A folder that stays is removed by a later run.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Removes what test processes that no longer live left under `parent` (the shared broker's folder always is).
pub fn remove_leftovers(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner =
            name.to_str().and_then(|name| name.strip_prefix("kafka-")).and_then(|rest| rest.split('-').next()?.parse().ok());
        if owner.is_some_and(|pid: u32| !alive(pid)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn alive(pid: u32) -> bool {
    shell_kill("0", pid)
}

/// Sends a signal to a process that must be there.
pub fn signal(name: &str, pid: u32) {
    assert!(shell_kill(name, pid), "signal {name} did not reach process {pid}");
}

/// The shell's own `kill`: the program of that name is not on every machine.
fn shell_kill(name: &str, pid: u32) -> bool {
    let kill = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\" 2>/dev/null", name]).arg(pid.to_string()).status();
    kill.expect("there is a shell").success()
}
