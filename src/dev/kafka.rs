//! An Apache Kafka of one node behind `jidoka dev --real`: started from the jars that `tests/setup` fetched, in a folder of its
//! own, and gone with this process, however that ends.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const GUARDED: &str = include_str!("guarded.sh");
/// Any id of this form will do: nobody else is in the cluster.
const CLUSTER_ID: &str = "amlkb2thLWRldi1raXQtMQ";
/// A broker on a busy machine is up within this time, or something is wrong.
const UP_WITHIN: Duration = Duration::from_mins(1);
const GLANCE: Duration = Duration::from_millis(50);
/// So much of the broker's words is shown when it ends by itself.
const LINES_SHOWN: usize = 12;

const LOGGING: &str = "appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{ISO8601} %-5p %c{1}: %m%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
";

/// Small and quick to start; safe for exactly-once as any broker is.
const PROPERTIES: &str = "process.roles=broker,controller
node.id=1
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=8388608
";

/// A running broker. Dropping it kills the broker and removes its folder.
pub struct Kafka {
    guard: Child,
    folder: PathBuf,
    bootstrap: String,
    version: String,
}

impl Kafka {
    /// Starts a broker and waits until it listens. Ends early where a stop is asked for.
    ///
    /// # Errors
    /// With a sentence that says what is missing and how to get it.
    pub fn start(stop: &AtomicBool) -> Result<Self, String> {
        let (version, jars) = jars()?;
        let folder = new_folder().map_err(|error| format!("Cannot make a folder for the broker: {error}"))?;
        match Self::launch(&jars, &folder) {
            Ok((guard, bootstrap)) => Self { guard, folder, bootstrap, version }.up(stop),
            Err(reason) => {
                // A folder that cannot be removed is one of the system's temporary ones.
                drop(fs::remove_dir_all(&folder));
                Err(reason)
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    fn launch(jars: &Path, folder: &Path) -> Result<(Child, String), String> {
        let cannot = |error: io::Error| format!("Cannot prepare the broker in {}: {error}", folder.display());
        let (broker, controller) = free_ports().map_err(cannot)?;
        let properties = folder.join("server.properties");
        let text = format!(
            "{PROPERTIES}log.dirs={}\nlisteners=BROKER://{broker},CONTROLLER://{controller}\ncontroller.quorum.voters=1@{controller}\n",
            folder.join("data").display()
        );
        fs::write(&properties, text).map_err(cannot)?;
        fs::write(folder.join("log4j2.properties"), LOGGING).map_err(cannot)?;
        let java = java();
        let mut format = Command::new(&java);
        format.args(arguments(jars, folder)).args(["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config"]);
        let formatted = format.arg(&properties).stdin(Stdio::null()).output().map_err(|error| no_java(&java, &error))?;
        if !formatted.status.success() {
            let words = [formatted.stdout, formatted.stderr].concat();
            return Err(format!(
                "Kafka's formatter did not do its work; Kafka 4 needs Java 17 or newer, and {} is perhaps an older one:\n{}",
                java.display(),
                tail(&words)
            ));
        }
        let mut guarded = Command::new("sh");
        guarded.args(["-c", GUARDED, "guarded"]).arg(folder).arg(&java).args(arguments(jars, folder));
        guarded.arg("kafka.Kafka").arg(&properties);
        // A group of its own: Ctrl-C ends the gate first, and the broker through the pipe.
        guarded.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok((guarded.spawn().map_err(cannot)?, broker))
    }

    fn up(mut self, stop: &AtomicBool) -> Result<Self, String> {
        let until = Instant::now() + UP_WITHIN;
        while TcpStream::connect(&self.bootstrap).is_err() && !stop.load(Ordering::Relaxed) {
            if let Ok(Some(status)) = self.guard.try_wait() {
                return Err(format!("The broker ended with {status}:\n{}", self.words()));
            }
            if Instant::now() > until {
                return Err(format!("The broker was not up within {} s:\n{}", UP_WITHIN.as_secs(), self.words()));
            }
            std::thread::sleep(GLANCE);
        }
        Ok(self)
    }

    fn words(&self) -> String {
        tail(&fs::read(self.folder.join("broker.log")).unwrap_or_default())
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        // The guard reads the end of its input and kills the broker.
        drop(self.guard.stdin.take());
        drop(self.guard.wait());
        // Already gone, unless the broker had ended by itself.
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn arguments(jars: &Path, folder: &Path) -> [OsString; 7] {
    let mut logging = OsString::from("-Dlog4j2.configurationFile=");
    logging.push(folder.join("log4j2.properties"));
    let small = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"].map(OsString::from);
    let [heap, collector, compiler, counters] = small;
    [heap, collector, compiler, counters, logging, "-cp".into(), jars.join("*").into_os_string()]
}

/// The `java` of `JAVA_HOME`, or the first on the path.
fn java() -> PathBuf {
    std::env::var_os("JAVA_HOME").map_or_else(|| PathBuf::from("java"), |home| Path::new(&home).join("bin/java"))
}

fn no_java(java: &Path, error: &io::Error) -> String {
    format!(
        "Cannot start {}: {error}. --real needs Java 17 or newer; `tests/setup` installs it or says how. Without it: `jidoka dev`.",
        java.display()
    )
}

/// The newest Kafka that was fetched, with its version: beside the folder of this program, as `cargo run` has it, or in the
/// target folder of where we are.
fn jars() -> Result<(String, PathBuf), String> {
    let beside = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.parent()?.to_owned()));
    let named = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let folders: Vec<PathBuf> =
        [beside, named, Some(PathBuf::from("target"))].into_iter().flatten().map(|target| target.join("kafka")).collect();
    folders.iter().find_map(|folder| newest(folder)).ok_or_else(|| {
        let looked: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        format!(
            "There is no Kafka to start: no folder VERSION/libs in {}. Run `tests/setup` in the repository, which fetches one, or \
             use a Kafka of yours: --bootstrap HOST:PORT.",
            looked.join(", ")
        )
    })
}

fn newest(folder: &Path) -> Option<(String, PathBuf)> {
    let versions = fs::read_dir(folder).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let numbers = |version: &str| version.split('.').map(|part| part.parse::<u32>().ok()).collect::<Option<Vec<_>>>();
    let fetched = versions.filter(|version| folder.join(version).join("libs").is_dir());
    let newest = fetched.filter_map(|version| Some((numbers(&version)?, version))).max()?.1;
    let jars = folder.join(&newest).join("libs");
    Some((newest, jars))
}

fn new_folder() -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let folder = std::env::temp_dir().join(format!("jidoka-dev-{:016x}", u64::from_ne_bytes(random)));
    fs::create_dir(&folder)?;
    Ok(folder)
}

/// Two addresses that nobody listens on.
fn free_ports() -> io::Result<(String, String)> {
    let listeners = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
    Ok((listeners.0.local_addr()?.to_string(), listeners.1.local_addr()?.to_string()))
}

fn tail(words: &[u8]) -> String {
    let text = String::from_utf8_lossy(words);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_version_is_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(newest(folder.path()), None);
        for path in ["4.3.1/libs", "4.10.0/libs", "4.11.0", "4.3.1/libs/partial.x", "partial.abc/libs"] {
            fs::create_dir_all(folder.path().join(path)).expect("a folder");
        }
        assert_eq!(newest(folder.path()), Some(("4.10.0".to_owned(), folder.path().join("4.10.0/libs"))));
    }
}
