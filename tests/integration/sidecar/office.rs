//! An installation with cases in it, and the people who see to them, one command at a time.

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};

use super::oracle::command::{Cancel, Key, Unsigned, signed_bytes};
use super::oracle::{self, Terms, measure};
use crate::gate::books::{Books, Isolation, Record, asker, committed, read_topic};
use crate::gate::events::{Input, Player};
use crate::gate::oracle::summary;
use crate::gate::process::{Gate, PATIENCE};
use crate::gate::stage::{Stage, eventually};
use crate::kafka;

const PAUSE: Duration = Duration::from_millis(20);
pub const LANES: i32 = 3;

/// Somebody who gives commands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Person {
    pub id: &'static str,
    pub groups: &'static [&'static str],
}

pub const ANN: Person = Person { id: "ann", groups: &["underwriting"] };
pub const BOB: Person = Person { id: "bob", groups: &["underwriting"] };
pub const CAT: Person = Person { id: "cat", groups: &["underwriting", "night-shift"] };
pub const LEA: Person = Person { id: "lea", groups: &["underwriting", "leads"] };
/// Of another department.
pub const EVE: Person = Person { id: "eve", groups: &["marketing"] };
/// Who asked for every decision of these tests.
pub const KIM: Person = Person { id: "kim", groups: &["underwriting"] };

/// The models of these tests and what is special about the review of each.
const POLICIES: [(&str, &str); 5] = [
    ("loans", ""),
    ("pairs", "quorum: 2, "),
    ("blind", "blind: true, "),
    ("swift", "lease: 1s, sla: { critical: 4s, high: 4s, normal: 4s, low: 4s }, "),
    ("leased", "lease: 1s, "),
];

/// A [`Stage`] on the shared broker, with a policy for each of [`POLICIES`].
pub struct Office {
    stage: Stage,
    pub board: Board,
    verdicts: Player,
    pub terms: Terms,
    /// Signs what [`Self::send`] sends.
    pub signer: Option<&'static Signer>,
}

impl Deref for Office {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

/// A key pair, and what the configuration says of it.
pub struct Signer {
    pub id: &'static str,
    seed: u8,
    reviewers: &'static [&'static str],
    groups: &'static [&'static str],
    cancel: Cancel,
}

/// Speaks for everybody.
pub static DESK: Signer = Signer { id: "desk", seed: 1, reviewers: &["*"], groups: &["*"], cancel: Cancel::Allowed };
/// Speaks for ann and bob as underwriters.
pub static TOOL: Signer =
    Signer { id: "tool", seed: 2, reviewers: &["ann", "bob"], groups: &["underwriting"], cancel: Cancel::Refused };
/// Is in no configuration.
pub static FORGER: Signer = Signer { id: "desk", seed: 3, reviewers: &[], groups: &[], cancel: Cancel::Refused };

impl Signer {
    fn key(&self) -> SigningKey {
        SigningKey::from_bytes(&[self.seed; 32])
    }

    /// The value of the header.
    pub fn sign(&self, topic: &str, value: &[u8]) -> String {
        format!("{}:{}", self.id, STANDARD.encode(self.key().sign(&signed_bytes(topic, value)).to_bytes()))
    }

    fn public(&self) -> [u8; 32] {
        self.key().verifying_key().to_bytes()
    }

    fn known(&self) -> Key {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (reviewers, groups) = (owned(self.reviewers), owned(self.groups));
        Key { id: self.id.to_owned(), public: self.public(), reviewers, groups, cancel: self.cancel }
    }

    fn configured(&self) -> String {
        let (public, cancel) = (STANDARD.encode(self.public()), self.cancel == Cancel::Allowed);
        format!(
            "{{ id: {}, public: {public:?}, reviewers: {:?}, groups: {:?}, cancel: {cancel} }}",
            self.id, self.reviewers, self.groups
        )
    }
}

impl Office {
    /// Commands need no signature.
    pub fn new() -> Self {
        Self::with("unsigned: allow", "")
    }

    /// Commands need one of [`DESK`] or [`TOOL`].
    pub fn signed() -> Self {
        let mut office = Self::with(&format!("keys: [ {}, {} ]", DESK.configured(), TOOL.configured()), "");
        (office.terms.unsigned, office.terms.keys) = (Unsigned::Refuse, vec![DESK.known(), TOOL.known()]);
        office.signer = Some(&DESK);
        office
    }

    /// With what stands in `verdicts: { … }`, and more lines of configuration.
    pub fn with(verdicts: &str, more: &str) -> Self {
        let stage = Stage::new(kafka::shared(), LANES, "earliest").with(&format!("verdicts: {{ {verdicts} }}\n{more}"));
        for (model, special) in POLICIES {
            let text = format!(
                "policy: {model}\nmatch: {{ model: {model} }}\ntriggers:\n  - id: unsure\n    confidence: {{ measure: \
                 top_probability, below: 0.6 }}\nreview: {{ {special}groups: [ underwriting ], leads: [ leads ] }}\n"
            );
            stage.policy(&format!("{model}.yaml"), &text);
        }
        let board = Board::new(stage.bootstrap(), &stage.topic("cases"));
        let verdicts = Player::new(stage.bootstrap(), &stage.topic("verdicts"));
        let lanes = u16::try_from(LANES).expect("three");
        let terms = Terms::new(&stage.topic("verdicts"), (lanes, 1));
        Self { stage, board, verdicts, terms, signer: None }
    }

    /// Plays an event that is held, and waits for its case; the decision's id.
    pub fn hold(&mut self, model: &str) -> String {
        self.hold_in(model, 0)
    }

    /// The same in this input partition, and so in one lane.
    pub fn hold_in(&mut self, model: &str, partition: i32) -> String {
        let event_id = kafka::unique("event");
        self.play(&[Input::plain(partition, event(model, &event_id))]);
        let opened = self.board.await_that("a case", |case| case["event_id"] == event_id.as_str());
        opened["decision_id"].as_str().expect("an id").to_owned()
    }

    /// A command about a case as the board has it, by somebody, with what `more` says besides.
    pub fn command(&mut self, id: &str, action: &str, who: Person, more: &Value) -> Value {
        self.board.look();
        let case = self.board.cases.get(id).cloned().unwrap_or_default();
        let mut command = command(&case, action, who);
        command["decision_id"] = json!(id);
        for (name, value) in more.as_object().into_iter().flatten() {
            command[name] = value.clone();
        }
        command
    }

    /// Sends a command to its lane.
    pub fn send(&self, command: &Value) {
        let value = command.to_string();
        let id = command["decision_id"].as_str().expect("an id");
        let lane = measure::lane(id, self.terms.lanes).expect("an id");
        let signature = self.signer.map(|signer| signer.sign(&self.terms.verdicts, value.as_bytes()));
        self.send_bytes(lane, Some(value.as_bytes()), signature);
    }

    /// Sends whatever to a partition of the verdicts.
    pub fn send_bytes(&self, lane: i32, value: Option<&[u8]>, signature: Option<String>) {
        self.verdicts.play(&[input(lane, value, signature)]);
    }

    /// Gives a command, and waits until the case has it; the case.
    pub fn applied(&mut self, id: &str, action: &str, who: Person, more: &Value) -> Value {
        let command = self.command(id, action, who, more);
        self.send(&command);
        self.await_applied(&command)
    }

    /// Waits until a command that was sent is applied; the case.
    pub fn await_applied(&mut self, command: &Value) -> Value {
        let is_it = |case: &Value| {
            let commands = case["commands"].as_array().into_iter().flatten();
            case["decision_id"] == command["decision_id"] && commands.into_iter().any(|id| *id == command["command_id"])
        };
        self.board.await_that(&format!("{} to be applied", command["action"]), is_it)
    }

    /// Gives a command, and waits until it is refused; the code.
    pub fn refused(&mut self, id: &str, action: &str, who: Person, more: &Value) -> String {
        let command = self.command(id, action, who, more);
        self.send(&command);
        self.await_refused(&command)
    }

    /// Waits until a command that was sent is refused; the code of the last such entry.
    pub fn await_refused(&self, command: &Value) -> String {
        let is_it = |entry: &&Value| entry["kind"] == "REFUSED" && entry["command_id"] == command["command_id"];
        eventually("a refusal", || self.entries().iter().rfind(is_it)?["error"].as_str().map(str::to_owned))
    }

    /// The state of a case as the board has it.
    pub fn await_state(&mut self, id: &str, state: &str) -> Value {
        self.board.await_that(&format!("{id} to be {state}"), |case| case["decision_id"] == id && case["state"] == state)
    }

    /// The sidecars' audit entries, lane by lane.
    pub fn entries(&self) -> Vec<Value> {
        let all = self.read("audit").into_iter().map(|record| crate::gate::stage::json(&record));
        all.filter(|entry| entry["chain"]["id"].as_str().is_some_and(|id| id.starts_with("lane/"))).collect()
    }

    /// Waits until every verdict is handled; meanwhile these must live.
    pub fn settle(&self, processes: &mut [&mut Gate]) {
        let (topic, group) = (self.topic("verdicts"), self.topic("sidecar"));
        eventually("every verdict to be handled", || {
            for process in processes.iter_mut() {
                process.check_alive();
            }
            let mut last: BTreeMap<i32, i64> = BTreeMap::new();
            for record in read_topic(self.bootstrap(), &topic, Isolation::Committed) {
                last.insert(record.partition, record.offset + 1);
            }
            let committed = committed(self.bootstrap(), &group, &topic);
            last.iter().all(|(lane, next)| committed.get(lane).unwrap_or(&0) >= next).then_some(())
        });
    }

    /// Everything in Kafka.
    pub fn books(&self) -> Books {
        self.stage.books()
    }

    /// Reads everything back and has it judged, the gates' part and the sidecars'.
    pub fn assert_sound(&self) -> Books {
        let books = self.books();
        let violations = crate::gate::oracle::judge(&self.stage.terms(), &books.of_gates());
        assert!(violations.is_empty(), "{}", summary(&violations));
        self.assert_applied(&books);
        books
    }

    /// The same, where verdicts that were handled are no longer there; the test has them.
    pub fn assert_sound_but_for(&self, gone: &[Record]) -> Books {
        let mut books = self.books();
        books.verdicts.extend_from_slice(gone);
        books.verdicts.sort_by_key(|record| (record.partition, record.offset));
        books.verdicts.dedup();
        let violations = crate::gate::oracle::judge(&self.stage.terms(), &books.of_gates());
        assert!(violations.is_empty(), "{}", summary(&violations));
        self.assert_applied(&books);
        books
    }

    /// Has the sidecars' part judged.
    pub fn assert_applied(&self, books: &Books) {
        let violations = oracle::judge(&self.terms, books);
        assert!(violations.is_empty(), "{}", summary(&violations));
    }
}

/// A record for the topic of verdicts.
pub fn input(lane: i32, value: Option<&[u8]>, signature: Option<String>) -> Input {
    let headers = signature.map(|signature| ("jidoka-signature".to_owned(), signature.into_bytes()));
    let value = value.map(<[u8]>::to_vec);
    let read: Value = serde_json::from_slice(value.as_deref().unwrap_or_default()).unwrap_or_default();
    let key = read["decision_id"].as_str().map(|id| id.as_bytes().to_vec());
    Input { partition: lane, key, value, headers: headers.into_iter().collect() }
}

/// An event that is held, about a subject and with features of which the trail may say nothing.
pub fn event(model: &str, id: &str) -> String {
    let event = json!({
        "event_id": id, "model": { "name": model }, "prediction": "yes", "confidence": 0.5, "subject_id": format!("subject-{id}"),
        "requested_by": KIM.id, "amount": 1_250.5, "features": { "employer": "Harbour & Mills", "income": 48_123.75, "town": "Ålesund" },
    });
    event.to_string()
}

/// A command about a case with everything that its action needs.
pub fn command(case: &Value, action: &str, who: Person) -> Value {
    let mut command = json!({
        "command_id": command_id(), "decision_id": case["decision_id"], "action": action,
        "reviewer": { "id": who.id, "groups": who.groups }, "issued_at": "2026-03-01T08:00:00.000Z", "channel": "tests",
    });
    match action {
        "approve" | "reject" | "escalate" => {
            command["seen"] = case["view"].clone();
            command["reason"] = json!({ "code": "confirmed" });
        }
        "unmask" => command["reason"] = json!({ "code": "data-error" }),
        "judge" => command["judgement"] = json!("cannot-tell"),
        "comment" => command["reason"] = json!({ "text": "Called the applicant, no answer" }),
        "reassign" => command["to"] = json!(BOB.id),
        _ => {}
    }
    command
}

/// A UUID that no other command has.
pub fn command_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_nanos();
    let (next, low) = (NEXT.fetch_add(1, Ordering::Relaxed), now & 0xffff_ffff_ffff);
    format!("{:08x}-{:04x}-4{:03x}-8{:03x}-{low:012x}", next, std::process::id() & 0xffff, next >> 32 & 0xfff, now >> 48 & 0xfff)
}

/// Follows the cases, as a review tool does.
pub struct Board {
    consumer: BaseConsumer,
    /// By decision, as they are now.
    pub cases: HashMap<String, Value>,
}

impl Board {
    pub fn new(bootstrap: &str, topic: &str) -> Self {
        let consumer = asker(bootstrap, "board", Isolation::Committed);
        let mut list = TopicPartitionList::new();
        for lane in 0..LANES {
            list.add_partition_offset(topic, lane, Offset::Beginning).expect("the beginning is an offset");
        }
        consumer.assign(&list).expect("partitions that exist can be assigned");
        Self { consumer, cases: HashMap::new() }
    }

    /// Takes in what has come since, for a moment; the decisions of which something came.
    pub fn look(&mut self) -> Vec<String> {
        let (mut changed, until) = (Vec::new(), Instant::now() + PAUSE * 10);
        while Instant::now() < until {
            let Some(polled) = self.consumer.poll(PAUSE) else { break };
            let Ok(message) = polled else { continue };
            let key = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
            let id = key.strip_suffix("/opened").unwrap_or(&key).to_owned();
            match message.payload() {
                Some(value) => {
                    let case: Value = serde_json::from_slice(value).expect("cases are JSON");
                    let older = self.cases.get(&id).is_some_and(|known| known["seq"].as_i64() > case["seq"].as_i64());
                    if !older {
                        self.cases.insert(id.clone(), case);
                    }
                }
                None => drop(self.cases.remove(&id)),
            }
            changed.push(id);
        }
        changed
    }

    /// Follows until a case is as wanted; that case.
    pub fn await_that(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let give_up = Instant::now() + PATIENCE;
        loop {
            self.look();
            if let Some(case) = self.cases.values().find(|case| wanted(case)) {
                return case.clone();
            }
            assert!(Instant::now() < give_up, "waited {PATIENCE:?} in vain for {what}");
        }
    }

    /// Follows until all of these are closed.
    pub fn await_closed(&mut self, ids: &[String]) {
        let give_up = Instant::now() + PATIENCE;
        let is_closed = |case: &Value| !case["closed_at"].is_null();
        while !ids.iter().all(|id| self.cases.get(id).is_some_and(is_closed)) {
            self.look();
            assert!(Instant::now() < give_up, "waited {PATIENCE:?} in vain for cases to be closed");
        }
    }
}

/// The entries of the sidecars about a case in the order of its trail.
pub fn trail(books: &Books, id: &str) -> Vec<Value> {
    let about = |record: &&Record| record.key_text().starts_with(&format!("{id}/"));
    let mut entries: Vec<Value> = books.audit.iter().filter(about).map(crate::gate::stage::json).collect();
    entries.sort_by_key(|entry| entry["seq"].as_i64());
    entries
}

/// The kinds of those entries.
pub fn kinds(books: &Books, id: &str) -> Vec<String> {
    trail(books, id).iter().map(|entry| entry["kind"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The outcome of a decision as an action service knows it, and whether it is final.
pub fn last_word(books: &Books, id: &str) -> (String, bool) {
    let word = books.dispositions.iter().rfind(|record| record.key_text() == id).expect("every decision has one");
    let word = crate::gate::stage::json(word);
    (word["outcome"].as_str().unwrap_or_default().to_owned(), word["final"] == true)
}
