//! What a real process exposes, held against the table, the rules and the dashboard.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use jidoka::policy::Band;
use jidoka::telemetry::metrics::{ALL, BREAKER_OPEN, CAPACITY_THRESHOLD, Described, LOOKUPS, REBUILDS, SELECTION_RATIO};
use serde_json::Value;

use super::queries::metric_of;
use super::tools::{assert_clean, scratch, tool};
use super::{alerts, dashboard, text};

/// The policies of `jidoka dev` have no capacity, subgroups are shown once there are enough decisions about them, and no source of
/// trusted facts is behind HTTP.
const NOT_IN_DEV: [&Described; 4] = [&CAPACITY_THRESHOLD, &SELECTION_RATIO, &LOOKUPS, &BREAKER_OPEN];
const PATIENCE: Duration = Duration::from_mins(1);

/// `jidoka dev` while it decides.
struct Dev {
    process: Child,
    /// It ends when nobody reads it any more.
    shown: Lines<BufReader<ChildStdout>>,
    metrics: String,
}

impl Dev {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_jidoka"))
            .args(["dev", "--listen", "127.0.0.1:0", "--rate", "100", "--output", "json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("jidoka starts");
        let shown = BufReader::new(process.stdout.take().expect("its output is piped")).lines();
        let mut dev = Self { process, shown, metrics: String::new() };
        let start = dev.await_shown("start");
        text(&start["metrics"]).clone_into(&mut dev.metrics);
        // It has decided something when it shows that something is held.
        dev.await_shown("held");
        dev
    }

    fn await_shown(&mut self, what: &str) -> Value {
        let mut documents = self.shown.by_ref().map_while(Result::ok).map(|line| serde_json::from_str(&line).expect("JSON"));
        let found = documents.find(|document: &Value| document["type"] == what);
        found.unwrap_or_else(|| panic!("jidoka dev ended without showing {what:?}"))
    }

    /// What it exposes once every metric has been there.
    fn metrics(&self) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let asked = ureq::get(&self.metrics).call();
            let text = asked.expect("it answers").body_mut().read_to_string().expect("metrics are text");
            // The lag comes with librdkafka's statistics, open cases and references are counted every now and then, and the
            // monitor's first tallies come after the first decisions.
            let late = [
                "jidoka_source_lag_records{",
                "jidoka_open_cases{",
                "jidoka_oldest_pending_seconds{",
                "jidoka_reference_records{",
                "jidoka_monitor_events_total{",
                "jidoka_incidents_open{",
            ];
            if late.iter().all(|series| text.contains(series)) || Instant::now() > until {
                return text;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // Failing is for the test itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Values by label, by series.
type Series = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn series(metrics: &str) -> Series {
    let mut series = Series::new();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let (what, _) = line.rsplit_once(' ').expect("a line ends with its value");
        let (name, labels) = what.split_once('{').unwrap_or((what, "}"));
        let of_name = series.entry(name.to_owned()).or_default();
        for (label, value) in labels.trim_end_matches('}').split("\",").filter_map(|it| it.split_once("=\"")) {
            of_name.entry(label.to_owned()).or_default().insert(value.trim_end_matches('"').to_owned());
        }
    }
    series
}

#[test]
fn a_process_exposes_the_table_and_rules_and_panels_find_their_values() {
    let metrics = Dev::start().metrics();
    let series = series(&metrics);

    let exposed: BTreeSet<&str> = series.keys().map(|name| metric_of(name)).collect();
    // Its children are made when it happens: what makes a worker start over is no fixed set.
    let is_shown = |it: &&Described| **it != REBUILDS && !NOT_IN_DEV.contains(it);
    let table: BTreeSet<&str> = ALL.iter().filter(is_shown).map(|described| described.name).collect();
    let shown: BTreeSet<&str> =
        exposed.iter().copied().filter(|name| !NOT_IN_DEV.iter().any(|described| described.name == *name)).collect();
    assert_eq!(shown, table);
    for described in ALL.iter().filter(|described| series.contains_key(described.name)) {
        let labels: BTreeSet<&str> = series[described.name].keys().map(String::as_str).collect();
        assert_eq!(labels, described.labels.iter().copied().collect(), "{}", described.name);
    }

    for (place, query) in alerts::queries().into_iter().chain(dashboard::queries()) {
        for selector in query.selectors.iter().filter(|selector| series.contains_key(&selector.metric)) {
            for matcher in &selector.matchers {
                let known = series[&selector.metric].get(&matcher.label);
                // Cases need not lie in every band.
                let is_band = |it: &String| matcher.label == "band" && Band::parse(it).is_some();
                let is_monitor = |it: &String| matcher.label == "role" && it == "monitor";
                let is_known = |it: &&String| is_band(it) || is_monitor(it) || known.is_some_and(|known| known.contains(*it));
                let unknown: Vec<_> = matcher.values.iter().filter(|it| !is_known(it)).collect();
                assert!(unknown.is_empty(), "{place}: no {} of {} is {unknown:?}", matcher.label, selector.metric);
            }
        }
    }

    let file = scratch().join("exposition.txt");
    fs::write(&file, metrics).expect("a file in target/tmp");
    let Some(mut promtool) = tool("promtool") else { return };
    let said = assert_clean(promtool.args(["check", "metrics"]).stdin(fs::File::open(&file).expect("just written")));
    assert!(said.is_empty(), "{said}");
}
