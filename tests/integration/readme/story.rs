//! Runs every `sh` block of the README in order, as one story: in a folder with the files that it tells to write, on the tests'
//! broker. What differs from a reader's terminal: where Kafka is, the names of topics and the port, so that tests do not meet.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{blocks_in, files, repository, written};
use crate::kafka;

/// Not run: it is the command that runs this test.
const TEST_COMMAND: &str = "tests/setup && cargo test";
/// Ends never by itself, so that it gets an end here.
const DEV_COMMAND: &str = "cargo run --release -- dev";
const SOON: Duration = Duration::from_mins(1);

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
    listen: String,
    gate: Option<Child>,
    played: u64,
}

impl Story {
    fn begin() -> Self {
        let topic = kafka::unique("readme");
        kafka::shared().create_topic(&topic, 3, &[]);
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let mut story = Self {
            folder: PathBuf::new(),
            prefix: kafka::unique("readme") + ".",
            topic,
            listen: free.to_string(),
            gate: None,
            played: 0,
        };
        let files: Vec<_> = files().into_iter().map(|(name, text)| (name, story.here(&text))).collect();
        story.folder = written("readme-story", &files);
        std::os::unix::fs::symlink(repository().join("src"), story.folder.join("src")).expect("a link can be made");
        story
    }

    /// `text` with this test's broker, topic and port.
    fn here(&self, text: &str) -> String {
        text.replace("localhost:9092", kafka::shared().bootstrap())
            .replace("topic: inference", &format!("topic: {}", self.topic))
            .replace("--topic inference", &format!("--topic {}", self.topic))
            .replace("127.0.0.1:8080", &self.listen)
            .replace("localhost:8080", &self.listen)
    }

    fn line(&mut self, line: &str) {
        let here = self.here(line);
        match line {
            TEST_COMMAND => (),
            DEV_COMMAND => self.succeeds("jidoka dev --once 30 --rate 100"),
            _ if line.starts_with("jidoka run ") => {
                let gate = self.shell(&format!("exec {here}")).spawn().expect("bash starts");
                assert!(self.gate.replace(gate).is_none(), "the README runs one gate");
            }
            _ if line.starts_with("curl -s ") => self.answers(&here["curl -s ".len()..]),
            _ => {
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

    /// The gate that the README runs ends as the README says.
    fn end(mut self) {
        let mut gate = self.gate.take().expect("the README runs a gate");
        let asked = Command::new("kill").args(["-TERM", &gate.id().to_string()]).status().expect("there is a kill command");
        assert!(asked.success() && gate.wait().expect("it can be waited for").success());
        assert!(self.played > 0, "the README plays events");
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if let Some(gate) = &mut self.gate {
            // It may have ended by itself, which is why the test failed.
            drop(gate.kill());
            drop(gate.wait());
        }
    }
}
