//! Where the broker's jars come from.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

const HOW_TO_GET_ONE: &str = "Run `tests/setup`, which fetches one or says what it lacks; or set KAFKA_BOOTSTRAP_SERVERS=host:port \
     to test on a Kafka of yours; or set JIDOKA_TESTS=no-kafka to leave these tests out.";

/// The folder with the broker's jars, fetched by `tests/setup` where they are missing.
///
/// # Errors
/// A sentence that says how to get them.
pub fn libs() -> Result<PathBuf, String> {
    // One at a time: tests run side by side, and so would as many fetches.
    static FETCH: Mutex<()> = Mutex::new(());
    let _one = FETCH.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(libs) = fetched() {
        return Ok(libs);
    }
    run_setup()?;
    fetched().ok_or_else(|| format!("tests/setup ended well but {} is missing. {HOW_TO_GET_ONE}", libs_path().display()))
}

/// The folder with the broker's jars, if they have been fetched.
pub fn fetched() -> Option<PathBuf> {
    Some(libs_path()).filter(|path| path.is_dir())
}

/// The folder of this repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Cargo's folder for files of integration tests, `target/tmp`.
pub fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// The `java` that starts brokers: that of `JAVA_HOME`, or the first on the path.
pub fn java() -> PathBuf {
    std::env::var_os("JAVA_HOME").map_or_else(|| PathBuf::from("java"), |home| Path::new(&home).join("bin/java"))
}

fn target() -> &'static Path {
    scratch().parent().expect("cargo's temporary folder lies in its target folder")
}

fn libs_path() -> PathBuf {
    target().join("kafka").join(version()).join("libs")
}

/// The Kafka version that `tests/kafka/pom.xml` pins.
fn version() -> &'static str {
    let pom = include_str!("../../kafka/pom.xml");
    let rest = pom.split_once("<kafka.version>").expect("the pom pins the Kafka version").1;
    rest.split_once('<').expect("the pom is well-formed").0
}

fn run_setup() -> Result<(), String> {
    let run = Command::new(repository().join("tests/setup"))
        .env("CARGO_TARGET_DIR", target())
        .env_remove("KAFKA_BOOTSTRAP_SERVERS")
        // Only a Kafka is wanted: what checks deploy/ may be impossible to get here.
        .env("JIDOKA_TESTS", "no-tools")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("There is no Kafka to test on, and tests/setup did not start: {error}. {HOW_TO_GET_ONE}"))?;
    if run.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&run.stderr).into_owned();
    Err(format!("There is no Kafka to test on, and tests/setup could not fetch one:\n{words}{HOW_TO_GET_ONE}"))
}
