//! Runs every `sh` block of the README in order, as one story: in a folder with the files that it tells to write, on the tests'
//! broker. What differs from a reader's terminal: where Kafka is, the names of topics and the port, so that tests do not meet.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{blocks_in, files, repository, written};
use crate::kafka;

/// Not run: it is the command that runs this test.
const TEST_COMMAND: &str = "tests/setup && cargo test";
/// Ends never by itself, so that it gets an end here.
const DEV_COMMAND: &str = "cargo run --release -- dev";
const SOON: Duration = Duration::from_mins(1);
/// The case that the README decides, in full and as a person types it; here it is one that is held.
const CASE: &str = "925ab795168fdc48291233198923001a";
const CASE_SHORT: &str = "925ab795";

#[test]
fn every_command_works() {
    if !kafka::required() {
        return;
    }
    let mut story = Story::begin();
    for block in blocks_in("sh") {
        for line in block.lines() {
            story.line(line.split("   #").next().unwrap_or(line).trim());
        }
    }
    story.end();
}

struct Story {
    folder: PathBuf,
    topic: String,
    prefix: String,
    /// Where the processes listen: those that say 8080 in the README, and 8081.
    listen: [String; 2],
    /// The gate, then the sidecar.
    running: Vec<Child>,
    case: Option<String>,
    played: u64,
}

impl Story {
    fn begin() -> Self {
        let topic = kafka::unique("readme");
        kafka::shared().create_topic(&topic, 3, &[]);
        // Both at once, so that they are two.
        let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let listen = free.map(|listener| listener.local_addr().expect("it listens").to_string());
        let mut story = Self {
            folder: PathBuf::new(),
            prefix: kafka::unique("readme") + ".",
            topic,
            listen,
            running: Vec::new(),
            case: None,
            played: 0,
        };
        let files: Vec<_> = files().into_iter().map(|(name, text)| (name, story.here(&text))).collect();
        story.folder = written("readme-story", &files);
        for folder in ["src", "tests"] {
            std::os::unix::fs::symlink(repository().join(folder), story.folder.join(folder)).expect("a link can be made");
        }
        story
    }

    /// `text` with this test's broker, topic, ports and case.
    fn here(&self, text: &str) -> String {
        text.replace("localhost:9092", kafka::shared().bootstrap())
            .replace("topic: inference", &format!("topic: {}", self.topic))
            .replace("--topic inference", &format!("--topic {}", self.topic))
            .replace("127.0.0.1:8080", &self.listen[0])
            .replace("localhost:8080", &self.listen[0])
            .replace("127.0.0.1:8081", &self.listen[1])
            .replace("localhost:8081", &self.listen[1])
            .replace(CASE, self.case.as_deref().unwrap_or(CASE))
            .replace(CASE_SHORT, self.case.as_deref().unwrap_or(CASE_SHORT))
    }

    fn line(&mut self, line: &str) {
        if line.contains(CASE_SHORT) && self.case.is_none() {
            self.case = Some(self.held());
        }
        let here = self.here(line);
        match line {
            TEST_COMMAND => (),
            DEV_COMMAND => self.succeeds("jidoka dev --once 30 --rate 100"),
            _ if line.contains("jidoka run ") => {
                // The settings before it are the shell's.
                let process = self.shell(&here.replace("jidoka run ", "exec jidoka run ")).spawn().expect("bash starts");
                self.running.push(process);
            }
            _ if line.starts_with("curl -s ") => self.answers(&here["curl -s ".len()..]),
            _ => {
                if line.starts_with("cp heads.jsonl ") {
                    self.await_heads();
                }
                self.succeeds(&here);
                if let Some((_, limit)) = line.split_once("jidoka produce ").and_then(|(_, rest)| rest.split_once("--limit ")) {
                    self.played = limit.parse().expect("a number of events");
                }
            }
        }
    }

    fn shell(&self, line: &str) -> Command {
        let binaries = PathBuf::from(env!("CARGO_BIN_EXE_jidoka"));
        let binaries = binaries.parent().expect("a file in a folder").display();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("bash");
        command.args(["-c", line]).current_dir(&self.folder).env("PATH", format!("{binaries}:{path}"));
        command.env("JIDOKA__TOPICS__PREFIX", &self.prefix).env("JIDOKA__TOPICS__REPLICATION", "1");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn succeeds(&self, line: &str) {
        let output = self.shell(line).stdout(Stdio::piped()).stderr(Stdio::piped()).output().expect("bash starts");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{line}\n{}: {}", output.status, String::from_utf8_lossy(&said));
    }

    /// Asks until the gate is ready and everything that was played is decided.
    fn answers(&self, url: &str) {
        let decided = format!("jidoka_events_consumed_total{{source=\"inference\"}} {}", self.played);
        let wanted = if url.ends_with("/metrics") { decided.as_str() } else { "\"ready\":true" };
        let until = Instant::now() + SOON;
        loop {
            let answer = ureq::get(url).call().and_then(|mut answer| answer.body_mut().read_to_string());
            match answer {
                Ok(body) if body.contains(wanted) => return,
                other => assert!(Instant::now() < until, "{url} does not say {wanted}: {other:?}"),
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A case that ann of underwriting may decide at once.
    fn held(&self) -> String {
        let output = self.shell("jidoka case list --output json --limit 10000").stdout(Stdio::piped()).output();
        let listed = String::from_utf8(output.expect("bash starts").stdout).expect("JSON is text");
        let mut cases = listed.lines().map(|line| serde_json::from_str::<Value>(line).expect("a case a line"));
        let is_plain = |case: &Value| {
            let may_be_seen = !case["why"].as_str().expect("a reason").starts_with("(blind");
            case["groups"] == serde_json::json!(["underwriting"]) && may_be_seen
        };
        let case = cases.find(is_plain).unwrap_or_else(|| panic!("nothing is held for underwriting:\n{listed}"));
        case["decision_id"].as_str().expect("an id").to_owned()
    }

    /// Heads are written every so often.
    fn await_heads(&self) {
        let until = Instant::now() + SOON;
        while !self.folder.join("heads.jsonl").exists() {
            assert!(Instant::now() < until, "no heads are written");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What the README runs ends as the README says.
    fn end(mut self) {
        assert_eq!(self.running.len(), 2, "the README runs a gate and a sidecar");
        for mut process in self.running.drain(..) {
            let asked =
                Command::new("kill").args(["-TERM", &process.id().to_string()]).status().expect("there is a kill command");
            assert!(asked.success() && process.wait().expect("it can be waited for").success());
        }
        assert!(self.played > 0, "the README plays events");
        assert!(self.case.is_some(), "the README decides a case");
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        for process in &mut self.running {
            // It may have ended by itself, which is why the test failed.
            drop(process.kill());
            drop(process.wait());
        }
    }
}
