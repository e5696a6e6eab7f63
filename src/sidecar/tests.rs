//! A lane between records and records: a fake outbox, no Kafka.

use serde_json::{Value, json};

use super::*;
use crate::audit::entry_hash;
use crate::case::CommandId;
use crate::config::Unsigned;
use crate::identity::{DecisionId, Hash, Lane, Timestamp};
use crate::progress::LaneProgress;
use crate::sidecar::book::{CaseBook, Slot};
use crate::sidecar::lane::Until;
use crate::signature::{Cancelling, PrivateKey, SIGNATURE_HEADER, SpeaksFor, VerdictKey, VerdictKeys};
use crate::stream::fake_outbox::{FakeOutbox, Sent};
use crate::stream::record::{HeaderItem, IncomingHeaders};

const OPENING: &str = include_str!("../../schemas/examples/case.held.json");
const OPENED_AT: i64 = 1_767_610_002_500;
/// The case's time to `due_at`, 8 h, of which it escalates after a half.
const SLA_MS: i64 = 8 * 3_600_000;
const LEASE_MS: i64 = 15 * 60_000;
const KEEP_CLOSED_MS: i64 = 86_400_000;

fn settings() -> SidecarSettings {
    let topic = |name: &str| format!("j.{name}");
    SidecarSettings {
        clients: ClientSettings {
            kafka: Vec::new(),
            group: String::new(),
            instance: 0,
            transaction_timeout: Duration::from_secs(1),
            session_timeout: Duration::from_secs(2),
            restore_timeout: Duration::from_secs(1),
        },
        topics: SidecarTopics {
            audit: topic("audit"),
            cases: topic("cases"),
            reviews: topic("reviews"),
            dispositions: topic("dispositions"),
            archive: topic("archive"),
            verdicts: topic("verdicts"),
            progress: topic("progress"),
        },
        lanes: 3,
        spread: 1,
        authority: Authority { keys: VerdictKeys::default(), unsigned: Unsigned::Allow },
        bounds: CommandBounds { record_bytes: 65_536, text_bytes: 4_096 },
        commands_max: CommandsMax(1_000),
        keep_closed: Duration::from_hours(24),
        archive_keep: Duration::from_hours(48),
        timed_max: 100,
        clock: Clock::start(),
        heads: None,
    }
}

/// One lane with one case, and everything it needs.
struct Stage {
    settings: SidecarSettings,
    lane: SidecarLane,
    emitter: Emitter,
    tally: Tally,
    outbox: FakeOutbox,
    timed_left: usize,
    offset: i64,
    commands: u8,
}

fn opening() -> &'static [u8] {
    OPENING.trim_end().as_bytes()
}

fn case_id() -> DecisionId {
    let case: Value = serde_json::from_slice(opening()).expect("JSON");
    DecisionId::parse(case["decision_id"].as_str().expect("text")).expect("an id")
}

impl Stage {
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: SidecarSettings) -> Self {
        let lane = case_id().lane(settings.lanes);
        let input = InputPartition { topic: settings.topics.verdicts.clone(), partition: lane.partition() };
        let mut book = CaseBook::new(KEEP_CLOSED_MS);
        book.learn(CaseReader::default().read(opening(), Some("00-trace")).expect("a case"));
        Self {
            lane: SidecarLane::new(&input, lane, &LaneProgress::beginning(0), book, None),
            emitter: Emitter::new(settings.topics.clone(), settings.spread),
            tally: Tally::new(&Arc::new(Metrics::new())),
            outbox: FakeOutbox::new(),
            timed_left: settings.timed_max,
            offset: 0,
            commands: 0,
            settings,
        }
    }

    fn with_hands(&mut self, work: impl FnOnce(&mut SidecarLane, &mut Hands<'_>)) {
        let emitted = (&mut self.emitter, &mut self.tally);
        work(&mut self.lane, &mut hands(&self.settings, emitted, &mut self.timed_left, &mut self.outbox));
    }

    /// Has the lane process a record that was appended so many milliseconds after the case's opening.
    fn process(&mut self, value: &[u8], after_ms: i64, headers: &[HeaderItem<'_>]) {
        let (topic, partition, offset) = (self.settings.topics.verdicts.clone(), self.lane.lane.partition(), self.offset);
        self.offset += 1;
        let record = Incoming {
            topic: &topic,
            partition,
            offset,
            appended_at: Some(Timestamp(OPENED_AT + after_ms)),
            appended_at_type: crate::audit::AppendTimeType::LogAppend,
            key: Some(b"key"),
            value: Some(value),
            headers: IncomingHeaders::Plain(headers),
        };
        self.with_hands(|lane, hands| lane.process(&record, hands).expect("sent"));
    }

    fn tick(&mut self, after_ms: i64) {
        self.lane.tick = Some(Timestamp(OPENED_AT + after_ms));
        self.finish();
        self.commit();
    }

    fn finish(&mut self) {
        self.with_hands(|lane, hands| lane.finish(hands).expect("sent"));
    }

    fn commit(&mut self) {
        self.lane.commit();
        self.timed_left = self.settings.timed_max;
    }

    /// A command of `reviewer` in the case's group, on what the case shows now.
    fn command(&mut self, action: &str, reviewer: &str, more: &Value) -> Vec<u8> {
        self.commands += 1;
        let mut command = json!({
            "command_id": CommandId::of_random([self.commands; 16]).to_string(),
            "decision_id": case_id().to_string(),
            "action": action,
            "reviewer": {"id": reviewer, "groups": ["underwriting"]},
            "reason": {"code": "confirmed", "text": "noted"},
            "seen": self.seen(),
        });
        for (name, value) in more.as_object().expect("an object") {
            command[name] = value.clone();
        }
        command.to_string().into_bytes()
    }

    fn seen(&self) -> Value {
        match self.lane.book.get(case_id()) {
            Some(Slot::Open(case)) => json!({"seq": case.view.seq, "hash": case.view.hash.to_string()}),
            _ => json!({"seq": 0, "hash": "0".repeat(64)}),
        }
    }

    fn take(&mut self, action: &str, reviewer: &str, after_ms: i64) {
        let command = self.command(action, reviewer, &json!({}));
        self.process(&command, after_ms, &[]);
    }

    fn entries(&self) -> Vec<Value> {
        self.outbox.of("j.audit").iter().map(|sent| sent.json()).collect()
    }

    fn kinds(&self) -> Vec<String> {
        let kind = |entry: &Value| match entry["error"].as_str() {
            Some(error) => format!("REFUSED {error}"),
            None => entry["kind"].as_str().expect("a kind").to_owned(),
        };
        self.entries().iter().map(kind).collect()
    }

    fn topics(&self) -> Vec<&str> {
        self.outbox.sent.iter().map(|sent| sent.topic.as_str()).collect()
    }
}

#[test]
fn a_final_word_writes_entry_case_archive_and_disposition_and_then_where_the_lane_stands() {
    let mut stage = Stage::new();
    stage.take("approve", "ann", 1_000);
    stage.finish();
    assert_eq!(stage.topics(), ["j.audit", "j.cases", "j.archive", "j.dispositions", "j.progress"]);
    let [entry, case, archived, disposition, progress] = &stage.outbox.sent[..] else { panic!("five") };
    let hash = entry_hash(entry.value.as_ref().expect("a value")).to_string();
    assert_eq!(entry.key, Some(format!("{}/1", case_id())));
    assert_eq!(entry.header("jidoka-hash").as_ref(), Some(&hash));
    assert_eq!(entry.json()["chain"], json!({"id": "lane/2", "n": 0, "prev": null}));
    assert_eq!(entry.json()["at"], Timestamp(OPENED_AT + 1_000).to_string());
    for record in [case, archived] {
        assert_eq!(record.json()["state"], "APPROVED");
        assert_eq!(record.json()["entry_hash"], hash);
        assert_eq!(record.header("jidoka-kind").as_deref(), Some("APPROVED"));
    }
    assert_eq!(case.value, archived.value);
    assert_eq!((disposition.json()["outcome"].as_str(), disposition.json()["final"].as_bool()), (Some("APPROVED"), Some(true)));
    assert_eq!(progress.json()["applied_through"], 0);
    assert_eq!(progress.json()["chain"]["hash"], hash);
    assert!(stage.outbox.sent[..4].iter().all(|sent| sent.header("traceparent").as_deref() == Some("00-trace")));
}

#[test]
fn an_aborted_transaction_leaves_no_trace_and_comes_again_the_same() {
    let mut stage = Stage::new();
    stage.take("claim", "ann", 0);
    stage.finish();
    stage.commit();
    let (before, offset) = (stage.lane.book.get(case_id()).cloned(), stage.offset);
    let commands = [stage.command("escalate", "ann", &json!({})), b"{bad".to_vec(), stage.command("cancel", "bob", &json!({}))];
    let mut runs: Vec<Vec<Sent>> = Vec::new();
    for _ in 0..3 {
        stage.outbox.sent.clear();
        stage.offset = offset;
        for command in &commands {
            stage.process(command, 5_000, &[]);
        }
        stage.finish();
        runs.push(std::mem::take(&mut stage.outbox.sent));
        stage.lane.roll_back();
        stage.timed_left = stage.settings.timed_max;
        assert_eq!(stage.lane.book.get(case_id()), before.as_ref());
        assert_eq!(stage.lane.next(), offset);
        assert_eq!(stage.lane.book.next_due().map(|(at, _)| at.0), Some(OPENED_AT + LEASE_MS));
    }
    assert!(runs[0] == runs[1] && runs[1] == runs[2] && runs[0].len() == 9, "{runs:?}");
}

/// Whatever is kept in memory is what the topics say.
#[test]
fn a_restored_book_is_the_book_that_was_lost() {
    let mut stage = Stage::new();
    for (action, reviewer) in [("claim", "ann"), ("comment", "bob"), ("escalate", "ann"), ("claim", "bob")] {
        let command = stage.command(action, reviewer, &json!({"reason": {"code": "confirmed", "text": "see \"this\" é"}}));
        stage.process(&command, 1_000, &[]);
    }
    let mut restored = CaseBook::new(KEEP_CLOSED_MS);
    let mut reader = CaseReader::default();
    for bytes in
        [opening()].into_iter().chain(stage.outbox.of("j.cases").iter().map(|sent| &**sent.value.as_ref().expect("a value")))
    {
        restored.learn(reader.read(bytes, Some("00-trace")).expect("a case"));
    }
    assert_eq!(restored.get(case_id()), stage.lane.book.get(case_id()));
    assert_eq!(restored.next_due(), stage.lane.book.next_due());
    // What is older changes nothing.
    restored.learn(reader.read(opening(), Some("00-trace")).expect("a case"));
    assert_eq!(restored.get(case_id()), stage.lane.book.get(case_id()));
}

#[test]
fn a_command_for_an_unknown_case_waits_until_it_is_certain_that_there_is_none() {
    let mut stage = Stage::new();
    let known = stage.command("claim", "ann", &json!({}));
    let other = DecisionId([case_id().0[0], case_id().0[1], 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]);
    let unknown = stage.command("claim", "ann", &json!({"decision_id": other.to_string()}));
    stage.process(&unknown, 10, &[]);
    stage.process(&known, 11, &[]);
    stage.lane.roll_back();
    assert_eq!(stage.lane.stop, None, "the batch comes again");
    stage.offset = 0;
    stage.process(&unknown, 10, &[]);
    stage.process(&known, 11, &[]);
    stage.finish();
    stage.commit();
    assert_eq!(stage.lane.stop.map(|stop| (stop.offset, stop.until)), Some((0, Until::Known(other))));
    stage.lane.roll_back();
    assert!(stage.lane.stop.is_some(), "what other lanes have aborted does not set it free");
    assert_eq!((stage.kinds().len(), stage.lane.next()), (0, 0), "the lane waits in order");
    (stage.lane.stop, stage.lane.sure_until, stage.offset) = (None, 1, 0);
    stage.process(&unknown, 10, &[]);
    stage.process(&known, 11, &[]);
    assert_eq!(stage.kinds(), ["REFUSED unknown-case", "CLAIMED"]);
    assert_eq!(stage.entries()[0]["decision_id"], other.to_string());
    assert_eq!(stage.outbox.of("j.audit")[0].key.as_deref(), Some("refused/2/0"));
}

#[test]
fn a_command_in_another_lane_is_sent_on_as_it_is() {
    let mut stage = Stage::new();
    let mut id = case_id().0;
    id[1] += 1;
    let command = stage.command("claim", "ann", &json!({"decision_id": DecisionId(id).to_string()}));
    stage.process(&command, 0, &[("jidoka-signature", Some(b"tool:x")), ("empty", None)]);
    let [sent] = &stage.outbox.sent[..] else { panic!("one record") };
    assert_eq!((sent.topic.as_str(), sent.partition), ("j.verdicts", Lane((stage.lane.lane.0 + 1) % 3).partition()));
    assert_eq!(sent.value.as_deref(), Some(&*command));
    assert_eq!(sent.header("jidoka-signature").as_deref(), Some("tool:x"));
    assert_eq!(stage.lane.next(), 1);
}

#[test]
fn time_acts_before_a_command_that_came_later_and_after_one_that_came_earlier() {
    let mut stage = Stage::new();
    stage.take("claim", "ann", 0);
    stage.take("comment", "ann", LEASE_MS - 1); // renews the claim
    stage.take("comment", "bob", LEASE_MS + 1);
    stage.take("approve", "ann", 2 * LEASE_MS); // lapsed one millisecond before, so what was seen is not it any more
    assert_eq!(stage.kinds(), ["CLAIMED", "COMMENTED", "COMMENTED", "UNCLAIMED", "REFUSED stale"]);
    assert_eq!((&stage.entries()[3]["reason"], &stage.entries()[3]["actor"]["id"]), (&json!("lease"), &json!("sidecar")));
    stage.take("approve", "ann", SLA_MS);
    assert_eq!(stage.kinds()[5..], ["ESCALATED", "EXPIRED", "REFUSED illegal-transition"]);
    let dispositions = stage.outbox.of("j.dispositions");
    assert_eq!(dispositions.last().expect("one").json()["outcome"], "EXPIRED");
    assert_eq!(stage.outbox.of("j.reviews").len(), 1, "the feed hears of the escalation");
    assert_eq!(stage.outbox.of("j.reviews")[0].partition, 1, "one band up");
}

#[test]
fn without_commands_the_clock_counts_and_it_never_goes_back() {
    let mut stage = Stage::new();
    stage.tick(SLA_MS / 2 - 1);
    assert!(stage.outbox.sent.is_empty(), "nothing is due, so nothing is written: not even where the lane stands");
    stage.tick(SLA_MS / 2);
    assert_eq!(stage.kinds(), ["ESCALATED"]);
    // The broker's clock is behind: the lane's is not set back.
    stage.take("claim", "ann", 0);
    assert_eq!(stage.entries()[1]["at"], Timestamp(OPENED_AT + SLA_MS / 2).to_string());
    stage.tick(SLA_MS);
    assert_eq!(stage.kinds(), ["ESCALATED", "CLAIMED", "UNCLAIMED", "EXPIRED"]);
}

#[test]
fn a_turn_does_only_so_much_of_what_time_does_and_the_command_waits_for_the_rest() {
    let mut stage = Stage::new();
    stage.timed_left = 1;
    let command = stage.command("approve", "ann", &json!({}));
    stage.process(&command, SLA_MS, &[]);
    assert_eq!(stage.kinds(), ["ESCALATED"]);
    stage.finish();
    stage.commit();
    assert_eq!(stage.lane.stop.map(|stop| stop.until), Some(Until::Timed));
    (stage.lane.stop, stage.offset) = (None, 0);
    stage.process(&command, SLA_MS, &[]);
    assert_eq!(stage.kinds(), ["ESCALATED", "EXPIRED", "REFUSED illegal-transition"]);
}

#[test]
fn repeats_write_nothing_also_after_the_end_and_late_commands_meet_the_closed_case_until_it_goes() {
    let mut stage = Stage::new();
    let comment = stage.command("comment", "bob", &json!({"reason": {"text": "ok"}}));
    let approve = stage.command("approve", "ann", &json!({}));
    stage.process(&comment, 1, &[]);
    stage.process(&comment, 2, &[]);
    stage.process(&approve, 3, &[]);
    stage.process(&approve, 4, &[]);
    stage.process(&comment, 5, &[]);
    assert_eq!(stage.kinds(), ["COMMENTED", "APPROVED"]);
    stage.take("reject", "bob", 6);
    assert_eq!(stage.kinds().last().map(String::as_str), Some("REFUSED illegal-transition"));
    let sent = stage.outbox.sent.len();
    stage.tick(3 + KEEP_CLOSED_MS);
    let removed: Vec<_> = stage.outbox.sent[sent..].iter().map(|sent| (sent.key.clone(), sent.value.is_none())).collect();
    let id = case_id();
    assert_eq!(removed[..2], [(Some(id.to_string()), true), (Some(format!("{id}/opened")), true)]);
    stage.lane.sure_until = i64::MAX;
    stage.process(&approve, 4 + KEEP_CLOSED_MS, &[]);
    assert_eq!(stage.kinds().last().map(String::as_str), Some("REFUSED unknown-case"));
}

#[test]
fn only_who_may_speak_for_the_reviewer_is_heard() {
    let private = PrivateKey::of_secret(&[7; 32]);
    let names = |names: &[&str]| SpeaksFor::names(names.iter().map(|name| (*name).to_owned()).collect());
    let key = VerdictKey {
        id: "tool".to_owned(),
        public: private.public(),
        reviewers: names(&["ann"]),
        groups: names(&["underwriting"]),
        cancelling: Cancelling::Refused,
    };
    for unsigned in [Unsigned::Allow, Unsigned::Refuse] {
        let authority = Authority { keys: VerdictKeys::new(vec![key.clone()]), unsigned };
        let mut stage = Stage::with(SidecarSettings { authority, ..settings() });
        let mut told = |action: &str, reviewer: &str, headers: &dyn Fn(&[u8]) -> Vec<String>| {
            let command = stage.command(action, reviewer, &json!({"reason": {"code": "confirmed", "text": "t"}}));
            let values = headers(&command);
            let items: Vec<HeaderItem<'_>> = values.iter().map(|value| (SIGNATURE_HEADER, Some(value.as_bytes()))).collect();
            stage.process(&command, 0, &items);
            (stage.kinds().last().cloned().expect("an entry"), stage.entries().last().expect("an entry")["signed_by"].clone())
        };
        let sign = |value: &[u8]| vec![private.sign_verdict("tool", "j.verdicts", value)];
        let bad = ("REFUSED bad-signature".to_owned(), Value::Null);
        let unsigned_is = if unsigned == Unsigned::Allow { ("COMMENTED".to_owned(), Value::Null) } else { bad.clone() };
        assert_eq!(told("comment", "ann", &|_| Vec::new()), unsigned_is);
        assert_eq!(told("comment", "ann", &sign), ("COMMENTED".to_owned(), json!("tool")));
        assert_eq!(told("comment", "bob", &sign), bad, "not this reviewer's key");
        assert_eq!(told("cancel", "ann", &sign), bad, "it may not cancel");
        assert_eq!(told("comment", "ann", &|value| vec![private.sign_verdict("tool", "other", value)]), bad);
        assert_eq!(told("comment", "ann", &|value| [sign(value), sign(value)].concat()), bad, "two leave it open which counts");
    }
}

#[test]
fn a_case_that_fills_its_record_takes_no_comment_but_still_a_decision() {
    let mut stage = Stage::new();
    stage.outbox.record_bytes_max = 40_000;
    let long = json!({"reason": {"text": "x".repeat(4_000)}});
    while !stage.kinds().iter().any(|kind| kind.starts_with("REFUSED")) {
        assert!(stage.offset < 20, "{:?}", stage.kinds());
        let command = stage.command("comment", "bob", &long);
        stage.process(&command, 1, &[]);
    }
    assert_eq!(stage.kinds().last().map(String::as_str), Some("REFUSED too-many"));
    let decision = json!({"reason": {"code": "model-wrong", "text": "y".repeat(4_000)}, "corrected": "z".repeat(3_900)});
    let command = stage.command("reject", "ann", &decision);
    stage.process(&command, 2, &[]);
    assert_eq!(stage.kinds().last().map(String::as_str), Some("REJECTED"));
}

#[test]
fn the_chain_of_a_lane_goes_through_everything_it_writes() {
    let mut stage = Stage::new();
    stage.process(b"\xff", 0, &[]);
    stage.take("claim", "ann", 1);
    stage.take("claim", "bob", 2);
    stage.tick(SLA_MS);
    let mut before: Option<Hash> = None;
    for (n, sent) in stage.outbox.of("j.audit").iter().enumerate() {
        let link = sent.json()["chain"].clone();
        let prev = before.map(|hash| hash.to_string());
        assert_eq!(link, json!({"id": "lane/2", "n": n, "prev": prev}));
        before = Some(entry_hash(sent.value.as_ref().expect("a value")));
    }
    assert_eq!(
        stage.kinds(),
        ["REFUSED malformed", "CLAIMED", "REFUSED illegal-transition", "UNCLAIMED", "ESCALATED", "EXPIRED"]
    );
}
