//! An Apache Kafka for the tests: the broker that all of them share, and clusters of their own for tests that break one.
//!
//! A test begins with `if !kafka::required() { return; }` (or [`own_required`] when it starts a cluster itself), takes
//! names from [`unique`] so that tests do not meet, and asks [`shared`] for the broker.

mod admin;
mod cluster;
mod node;
mod provide;
mod settings;
mod smoke;

use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

pub use cluster::{Cluster, PASSWORD, USER, login};
pub use node::signal;
pub use provide::java;

/// Whether tests that need a Kafka run. With `JIDOKA_TESTS=no-kafka` they do not, and a line says so for each.
pub fn required() -> bool {
    is_wanted("no-kafka")
}

/// Whether the tests that `word` leaves out run: it is one of those in `JIDOKA_TESTS`, which commas separate, or one that
/// `tests/setup` has written down because this machine cannot have what they need.
pub fn is_wanted(word: &str) -> bool {
    let wanted = std::env::var("JIDOKA_TESTS").map_or(true, |words| words.split(',').all(|it| it != word));
    if !wanted {
        say_skipped(&format!("JIDOKA_TESTS={word}"));
        return false;
    }
    let without = provide::scratch().with_file_name("without");
    let possible = std::fs::read_to_string(without).map_or(true, |words| words.lines().all(|it| it != word));
    if !possible {
        say_skipped(&format!("tests/setup could not get what it needs ({word} in target/without)"));
    }
    possible
}

/// Whether tests that start and break brokers of their own run. With `KAFKA_BOOTSTRAP_SERVERS` and no Kafka fetched
/// they cannot: nobody's brokers are killed for a test.
pub fn own_required() -> bool {
    if !required() {
        return false;
    }
    let possible = external().is_none() || provide::fetched().is_some();
    if !possible {
        say_skipped(
            "it needs brokers that it may kill, not those of KAFKA_BOOTSTRAP_SERVERS (tests/setup without it fetches them)",
        );
    }
    possible
}

/// The one-node cluster that all tests use at the same time, or the one named by `KAFKA_BOOTSTRAP_SERVERS`. Started
/// by whoever asks first; ends with the test process. Its brokers are never stopped.
///
/// # Panics
/// When there is none and none can be started, for each test with the same sentence.
pub fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Result<Cluster, String>> = OnceLock::new();
    let started = SHARED.get_or_init(|| external().map_or_else(cluster::start_shared, |servers| Ok(Cluster::external(servers))));
    started.as_ref().unwrap_or_else(|problem| panic!("{problem}"))
}

/// A name for a topic, group or transactional id that no other test, and no earlier run on the same Kafka, has.
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_millis();
    format!("{prefix}-{now:x}-{:x}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The folder with the Kafka that [`own_required`] found or will fetch: its clients and what they need are among its jars.
///
/// # Panics
/// When it cannot be fetched, with a sentence.
pub fn libs() -> std::path::PathBuf {
    provide::libs().unwrap_or_else(|problem| panic!("{problem}"))
}

fn external() -> Option<String> {
    std::env::var("KAFKA_BOOTSTRAP_SERVERS").ok().filter(|servers| !servers.is_empty())
}

/// Written past the test harness, which swallows what a passing test prints.
fn say_skipped(why: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    writeln!(std::io::stderr(), "skipped {name}: {why}").expect("standard error takes a line");
}
