//! Runs the README's examples in Python and Java, and its kcat commands, on topics that hold what makes them go wrong: an
//! aborted transaction, events that got their final word twice, one that nobody could read, a tombstone.
//!
//! What differs from the README: where Kafka is, the topic and the group, and that kcat ends at the topic's end (`-e`).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use jidoka::case::{CaseReader, Command as Verdict, CommandBounds, CommandsMax, State};
use jidoka::signature::{Cancelling, PrivateKey, SIGNATURE_HEADER, Signature, SpeaksFor, VerdictKey, VerdictKeys};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Headers as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

use super::{blocks_in, written};
use crate::kafka;

const PATIENCE: Duration = Duration::from_mins(1);
const HOW_TO_GET_IT: &str = "Run `tests/setup`, which installs it or says what to install; or set JIDOKA_TESTS=no-kafka to leave \
     out the tests that need a Kafka.";

/// What happens to events: id, row, outcome, whether that is final. The first transaction is aborted.
type Word = (&'static str, u32, &'static str, bool);
const ABORTED: [Word; 2] = [("never", 0, "RELEASED", true), ("held", 0, "APPROVED", true)];
const COMMITTED: [Word; 10] = [
    ("released", 0, "RELEASED", true),
    ("held", 0, "HELD", false),
    ("refused", 0, "REJECTED", true),
    ("released", 0, "RELEASED", true),
    ("released", 1, "RELEASED", true),
    ("refused", 0, "APPROVED", true),
    ("", 0, "APPROVED", true),
    ("held", 0, "APPROVED", true),
    ("late", 0, "EXPIRED", true),
    ("last", 0, "RELEASED", true),
];
/// All that a service may do about them, and in this order.
const DONE: [&str; 4] =
    ["act on inference released 0", "act on inference released 1", "act on inference held 0", "act on inference last 0"];

/// The example's disposition with another fate; an empty id is one that could not be read.
fn disposition((id, row, outcome, is_final): Word) -> String {
    let mut word: serde_json::Value =
        serde_json::from_str(&crate::examples::example("disposition.released.json")).expect("an example is JSON");
    word["event_id"] = if id.is_empty() { serde_json::Value::Null } else { id.into() };
    word["row"] = row.into();
    word["outcome"] = outcome.into();
    word["final"] = is_final.into();
    word.to_string()
}

/// A topic of dispositions, on which everything that can happen has happened.
struct Dispositions {
    topic: String,
    producer: BaseProducer,
}

impl Dispositions {
    fn new() -> Self {
        let topic = kafka::unique("readme-dispositions");
        kafka::shared().create_topic(&topic, 1, &[("cleanup.policy", "compact")]);
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", kafka::shared().bootstrap()).set("transactional.id", &topic);
        let producer: BaseProducer = config.create().expect("the settings are sound");
        producer.init_transactions(PATIENCE).expect("the coordinator answers");
        let new = Self { topic, producer };
        new.send(&ABORTED);
        new.producer.flush(PATIENCE).expect("the brokers take them");
        new.producer.abort_transaction(PATIENCE).expect("the brokers abort");
        new.commit(&COMMITTED);
        new
    }

    /// A tombstone, and what happens after it.
    fn send(&self, words: &[Word]) {
        self.producer.begin_transaction().expect("none is open");
        let records = words.iter().map(|word| (word.0, disposition(*word))).collect::<Vec<_>>();
        let erased = BaseRecord::<str, str>::to(&self.topic).partition(0).key("erased");
        self.producer.send(erased).expect("the queue has room");
        for (key, value) in &records {
            let record = BaseRecord::to(&self.topic).partition(0).key(*key).payload(value.as_str());
            self.producer.send(record).expect("the queue has room");
        }
    }

    fn commit(&self, words: &[Word]) {
        self.send(words);
        self.producer.commit_transaction(PATIENCE).expect("the brokers commit");
    }
}

/// Groups and topics of the README's examples: of a service that acts, and of one for reviewers.
const BOOKING: [&str; 2] = ["\"loan-booking\"", "\"jidoka.dispositions\""];
const DESK: [&str; 2] = ["\"jidoka.reviewer-desk\"", "\"jidoka.reviews\""];

/// The example in `language` with this group and topic, on this test's broker and with its topic in place of both.
fn example(language: &str, names: [&str; 2], topic: &str) -> String {
    let found: Vec<String> = blocks_in(language).filter(|block| names.iter().all(|name| block.contains(name))).collect();
    assert_eq!(found.len(), 1, "the README has one example in {language} with {names:?}");
    let broker = found[0].replace("localhost:9092", kafka::shared().bootstrap());
    assert_ne!(broker, found[0], "the example says where Kafka is");
    names.iter().fold(broker, |text, name| text.replace(name, &format!("\"{topic}\"")))
}

/// Runs an example until it has done all that there is to do; what it has done.
fn done_by(mut command: Command, is_all: impl Fn(&[String]) -> bool) -> Vec<String> {
    let shown = format!("{command:?}");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}. {HOW_TO_GET_IT}"));
    let output = BufReader::new(child.stdout.take().expect("a pipe was asked for"));
    let (sender, lines) = channel();
    let reader = std::thread::Builder::new().name("reads-example".to_owned()).spawn(move || {
        // Nobody listens any more after the last line.
        output.lines().map_while(Result::ok).take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
    });
    let (mut done, until) = (Vec::new(), Instant::now() + PATIENCE);
    let ended = loop {
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => done.push(line),
            Err(RecvTimeoutError::Timeout) => break "did nothing more",
            Err(RecvTimeoutError::Disconnected) => break "ended by itself",
        }
        if is_all(&done) {
            break "";
        }
    };
    // It may have ended by itself, which is why the test fails.
    drop(child.kill());
    let mut said = String::new();
    drop(child.stderr.take().expect("a pipe was asked for").read_to_string(&mut said));
    drop(child.wait());
    reader.expect("a thread starts").join().expect("it only reads");
    let hint = if done.is_empty() { HOW_TO_GET_IT } else { "" };
    assert!(ended.is_empty(), "{shown} {ended} after {done:?}:\n{said}{hint}");
    done
}

/// Cargo's target folder, in which tests/setup keeps what it fetched.
fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's temporary folder lies in its target folder")
}

fn ends_with(last: &str) -> impl Fn(&[String]) -> bool {
    move |done| done.last().is_some_and(|line| line == last)
}

/// A file of `folder`, run with the client that tests/setup fetched. Unbuffered, so that a pipe shows what it does at once.
fn python(folder: &Path, file: &str) -> Command {
    let pinned = include_str!("../../kafka/requirements.txt");
    let version = pinned.lines().find_map(|line| line.strip_prefix("confluent-kafka==")).expect("the client is pinned");
    let clients = target().join(format!("clients/confluent-kafka-{version}"));
    assert!(clients.exists(), "{} is missing: the Kafka client for Python. {HOW_TO_GET_IT}", clients.display());
    let mut command = Command::new("python3");
    command.args(["-u", file]).current_dir(folder).env("PYTHONPATH", clients);
    command
}

#[test]
fn the_example_in_python_acts_on_each_event_once() {
    if !kafka::required() || !kafka::is_wanted("no-examples") {
        return;
    }
    let log = Dispositions::new();
    let example = example("python", BOOKING, &log.topic);
    // The second reads all of it once more, as a group whose offsets were lost.
    let again = example.replace("\"group.id\": \"", "\"group.id\": \"again-");
    assert_ne!(example, again);
    let folder = written("readme-python", &[("booking.py".to_owned(), example), ("again.py".to_owned(), again)]);
    assert_eq!(done_by(python(&folder, "booking.py"), ends_with(DONE[3])), DONE);
    log.commit(&[("later", 0, "APPROVED", true)]);
    let mut done = done_by(python(&folder, "again.py"), ends_with("act on inference later 0"));
    // It was ended between saying this and remembering it, or after that.
    done.retain(|line| line != DONE[3]);
    assert_eq!(done, ["act on inference later 0"], "its memory outlives it");
}

#[test]
fn the_example_in_java_acts_on_each_event_once() {
    if !kafka::own_required() {
        return;
    }
    let libs = kafka::libs();
    let log = Dispositions::new();
    let folder = written("readme-java", &[("LoanBooking.java".to_owned(), example("java", BOOKING, &log.topic))]);
    let mut command = Command::new(kafka::java());
    command.arg("-cp").arg(libs.join("*")).arg("LoanBooking.java").current_dir(&folder);
    assert_eq!(done_by(command, ends_with(DONE[3])), DONE);
}

/// What the example for a review tool writes is a command that may be, signed with the tool's key, in the case's lane.
#[test]
fn the_verdict_in_python_is_signed_and_counts() {
    if !kafka::required() || !kafka::is_wanted("no-examples") {
        return;
    }
    let topic = kafka::unique("readme-verdicts");
    kafka::shared().create_topic(&topic, 3, &[]);
    let found: Vec<String> = blocks_in("python").filter(|block| block.contains("jidoka.verdicts")).collect();
    let [example] = found.try_into().expect("the README has one example that writes verdicts");
    let example = example.replace("localhost:9092", kafka::shared().bootstrap()).replace("jidoka.verdicts", &topic);
    let key = PrivateKey::of_secret(&[5; 32]);
    let folder = written("readme-verdict", &[("verdict.py".to_owned(), example), ("desk.key".to_owned(), key.pem())]);
    let case = crate::examples::example("case.held.json");
    let mut command = python(&folder, "verdict.py");
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("python3 starts");
    writeln!(child.stdin.take().expect("a pipe was asked for"), "{case}").expect("it reads the case");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}\n{HOW_TO_GET_IT}", String::from_utf8_lossy(&output.stderr));

    let case = CaseReader::default().read(case.as_bytes(), None).expect("an example");
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka::shared().bootstrap()).set("group.id", &topic);
    let consumer: BaseConsumer = config.create().expect("the settings are sound");
    let mut lane = TopicPartitionList::new();
    lane.add_partition_offset(&topic, case.opened.lane.partition(), Offset::Beginning).expect("a partition");
    consumer.assign(&lane).expect("a topic that is there");
    let record = consumer.poll(PATIENCE).expect("a verdict in the case's lane").expect("a record");
    let value = record.payload().expect("a value");
    let command = Verdict::read(Some(value), CommandBounds { record_bytes: 65_536, text_bytes: 4_096 }).expect("a command");
    assert_eq!(record.key().map(String::from_utf8_lossy), Some(case.decision_id.to_string().into()));
    assert_eq!(case.judge(&command, CommandsMax(1_000)).expect("it may be").to, State::Approved);
    let keys = VerdictKeys::new(vec![VerdictKey {
        id: "desk".to_owned(),
        public: key.public(),
        reviewers: SpeaksFor::All,
        groups: SpeaksFor::All,
        cancelling: Cancelling::Refused,
    }]);
    let headers = record.headers().expect("it is signed");
    let signature = headers.iter().find(|header| header.key == SIGNATURE_HEADER).and_then(|header| header.value);
    assert!(matches!(keys.check(signature, &topic, value), Signature::Good(_)));
}

/// Which band is read first when is a matter of time; that each is read, and what of it is shown, is not.
#[test]
fn the_review_desk_in_python_takes_from_every_band() {
    if !kafka::required() || !kafka::is_wanted("no-examples") {
        return;
    }
    let topic = kafka::unique("readme-reviews");
    kafka::shared().create_topic(&topic, 4, &[]);
    let mut config = ClientConfig::new();
    let producer: BaseProducer =
        config.set("bootstrap.servers", kafka::shared().bootstrap()).create().expect("the settings are sound");
    let bands = ["critical", "high", "normal", "low"];
    let mut case: serde_json::Value =
        serde_json::from_str(&crate::examples::example("case.held.json")).expect("an example is JSON");
    for (partition, band) in (0..).zip(bands) {
        case["band"] = band.into();
        let value = case.to_string();
        producer.send(BaseRecord::to(&topic).partition(partition).key("id").payload(&value)).expect("the queue has room");
    }
    producer.flush(PATIENCE).expect("the brokers take them");
    let folder = written("readme-desk", &[("desk.py".to_owned(), example("python", DESK, &topic))]);
    let mut done = done_by(python(&folder, "desk.py"), |done| done.len() == bands.len());
    let text = |name: &str| case[name].as_str().expect("the example has it").to_owned();
    let sentence = case["findings"][0]["sentence"].as_str().expect("the example has a finding");
    let mut wanted = bands.map(|band| format!("{band} {} due {} because {sentence}", text("event_id"), text("due_at")));
    done.sort();
    wanted.sort();
    assert_eq!(done, wanted);
}

/// The lines that a reader is shown how to type.
fn kcat_commands() -> Vec<String> {
    let typed = blocks_in("console").flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>());
    typed.filter_map(|line| line.strip_prefix("$ ").map(str::to_owned)).collect()
}

#[test]
fn the_kcat_commands_show_what_was_committed() {
    if !kafka::required() || !kafka::is_wanted("no-examples") {
        return;
    }
    let log = Dispositions::new();
    let commands = kcat_commands();
    assert_eq!(commands.len(), 2, "{commands:?}");
    for (command, its_topic) in commands.iter().zip(["jidoka.dispositions", "jidoka.reviews"]) {
        assert!(command.starts_with("kcat ") && command.contains(its_topic), "{command}");
        let here = command.replace("localhost:9092", kafka::shared().bootstrap()).replace(its_topic, &log.topic);
        let shown = Command::new("bash").args(["-c", &format!("{here} -e -q")]).output().expect("bash starts");
        let said = String::from_utf8_lossy(&shown.stderr);
        assert!(shown.status.success(), "{here}: {said}\n{HOW_TO_GET_IT}");
        let wanted: Vec<String> = COMMITTED.iter().map(|word| format!("{} {}", word.0, disposition(*word))).collect();
        let shown = String::from_utf8(shown.stdout).expect("JSON is text");
        assert_eq!(shown.lines().skip(1).collect::<Vec<_>>(), wanted, "after the tombstone");
    }
}
