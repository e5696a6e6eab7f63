//! `schemas/examples`: one record of every kind, written by hand from the contract. What the code writes is the same, byte
//! for byte, and so are the hashes by which the entries name each other.
//!
//! The story: partition 3 of `inference` is decided from offset 40 on. A released event, a held one, the held one's id with
//! other content, a record that is no event, and the second event once more.

mod review;
mod watched;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jidoka::audit::{
    AppendTimeType, Chain, ChainLink, Decided, Duplicate, Gap, GapCause, InputRecord, entry_hash, write_decided, write_duplicate,
    write_gap,
};
use jidoka::case::{EventCopy, Opening, write_opening};
use jidoka::control::{AcceptedGap, AcknowledgedBaseline, Acknowledgement, Activation, ControlView, Erasure, Mode, Stop};
use jidoka::decision::{Decision, Occasion, Signals, Subject, evaluate};
use jidoka::event::{Decoder, Event, Limits, Plan, Schemas, Unreadable, Value};
use jidoka::gate::judge::{Judge, Judged, Origin, Sighted};
use jidoka::gate::window::{DedupWindow, Sighting};
use jidoka::identity::{DecisionId, Hash, LanePrefix, RecordId, Timestamp};
use jidoka::policy::{Band, FallbackReview, Policy, PolicySet, Sight};
use jidoka::progress::Progress;
use jidoka::record::{Disposition, write_disposition};
use jidoka::reference::NoReferences;

const LANES: u16 = 3;
const APPENDED_AT: Timestamp = Timestamp(1_767_610_001_187);
const NOW: Timestamp = Timestamp(1_767_610_002_500);
const TOOK: Duration = Duration::from_micros(7);
const SALT: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/examples")
}

/// An example without the end of its line, which is the file's and not the record's.
pub fn example(name: &str) -> String {
    let file = folder().join(name);
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.strip_suffix('\n').expect("a text file ends its last line").to_owned()
}

fn assert_is(name: &str, written: &[u8]) {
    assert_eq!(std::str::from_utf8(written).expect("JSON is text"), example(name), "{name}");
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

fn policies() -> PolicySet {
    let text = fs::read_to_string(folder().join("policy.yaml")).expect("the example's policy");
    PolicySet::read(&[("policy.yaml".to_owned(), text)], &FallbackReview::default()).expect("a sound policy")
}

fn decoder() -> Decoder {
    Decoder::new(Arc::new(Plan::default()), Limits { max_bytes: 1 << 20, max_depth: 64, max_fields: 1_000 })
}

fn id(offset: i64) -> DecisionId {
    DecisionId::of(RecordId { source: "inference", partition: 3, offset, appended_at_ms: APPENDED_AT.0, row: 0 })
}

fn input(offset: i64, bytes: &[u8]) -> InputRecord<'static> {
    InputRecord {
        source: "inference",
        topic: "inference",
        partition: 3,
        offset,
        appended_at: Some(APPENDED_AT),
        appended_at_type: AppendTimeType::LogAppend,
        sha256: Hash::of(bytes),
        row: 0,
    }
}

/// One of the story's decisions: what was read, and what was decided about it.
struct Told<'a> {
    offset: i64,
    bytes: &'a [u8],
    read: Result<Event<'a>, Unreadable<'a>>,
    policy: Option<&'a Policy>,
    conflicts_with: Option<DecisionId>,
    decision: Decision,
}

impl<'a> Told<'a> {
    fn new(
        decoder: &'a mut Decoder,
        policies: &'a PolicySet,
        offset: i64,
        bytes: &'a [u8],
        conflicts_with: Option<DecisionId>,
    ) -> Self {
        let control = ControlView::default();
        let signals = Signals { control: Some(&control), monitor: None, fallback_band: Band::High, references: &NoReferences };
        let mut decision = Decision::default();
        let read = decoder.decode(bytes);
        let (subject, policy) = match &read {
            Ok(event) => {
                let policy = policies.matching("inference", event.model_name(), event.model_version());
                (Subject::Event { event, policy, conflicting: conflicts_with.is_some() }, policy)
            }
            Err(unreadable) => (Subject::Unreadable(unreadable.code), None),
        };
        let occasion = Occasion { id: id(offset), appended_at: Some(APPENDED_AT), now: NOW };
        evaluate(subject, occasion, signals, &mut || TOOK, &mut decision);
        Self { offset, bytes, read, policy, conflicts_with, decision }
    }

    fn event(&self) -> Option<&Event<'a>> {
        self.read.as_ref().ok()
    }

    fn event_id(&self) -> Option<&str> {
        self.read.as_ref().map_or_else(|unreadable| unreadable.event_id, |event| Some(event.event_id()))
    }

    fn model(&self) -> (Option<&str>, Option<&str>) {
        match &self.read {
            Ok(event) => (Some(event.model_name()), event.model_version()),
            Err(unreadable) => (unreadable.model_name, unreadable.model_version),
        }
    }

    fn entry(&self, chain: ChainLink<'_>) -> Vec<u8> {
        let entry = Decided {
            decision_id: id(self.offset),
            at: NOW,
            chain,
            input: input(self.offset, self.bytes),
            event_id: self.event_id(),
            model: self.model(),
            policy: self.policy,
            prediction: self.event().map_or(Value::Missing, Event::prediction),
            confidence: self.event().and_then(Event::confidence_text),
            conflicts_with: self.conflicts_with,
            decision: &self.decision,
            shadow: None,
        };
        written(|out| write_decided(out, &entry))
    }

    fn disposition(&self) -> Vec<u8> {
        let disposition = Disposition {
            decision_id: id(self.offset),
            event_id: self.event_id(),
            source: "inference",
            row: 0,
            outcome: self.decision.outcome,
            at: NOW,
            policy: self.policy,
            conflicts_with: self.conflicts_with,
        };
        written(|out| write_disposition(out, &disposition))
    }

    fn case(&self, entry: &str, copy: EventCopy) -> Vec<u8> {
        let fallback = FallbackReview::default().review_rules();
        let review = self.policy.map_or(&fallback, |policy| &policy.review);
        let opening = Opening {
            decision_id: id(self.offset),
            lane: id(self.offset).lane(LANES),
            input: input(self.offset, self.bytes),
            event: self.event(),
            event_id: self.event_id(),
            model: self.model(),
            policy: self.policy,
            review,
            groups: 0,
            review_json: &review.to_json(0, Sight::Open),
            conflicts_with: self.conflicts_with,
            decision: &self.decision,
            entry_hash: entry_hash(example(entry).as_bytes()),
            salt: SALT,
            at: NOW,
        };
        written(|out| write_opening(out, &opening, copy, &mut String::new()))
    }
}

#[test]
fn the_chain_of_entries_is_the_examples() {
    let (policies, mut chain) = (policies(), Chain::resume("gate/inference/3".to_owned(), None));
    let story = [
        (40, "inference-event.released.json", None, "audit-entry.released.json"),
        (41, "inference-event.held.json", None, "audit-entry.held.json"),
        (42, "inference-event.conflicting.json", Some(id(41)), "audit-entry.conflicting.json"),
        (43, "unreadable-event.json", None, "audit-entry.unreadable.json"),
    ];
    for (offset, event, conflicts_with, entry) in story {
        let (mut decoder, bytes) = (decoder(), example(event));
        let told = Told::new(&mut decoder, &policies, offset, bytes.as_bytes(), conflicts_with);
        let bytes = told.entry(chain.next());
        assert_is(entry, &bytes);
        chain.advance(entry_hash(&bytes));
    }
    let again = example("inference-event.conflicting.json");
    let duplicate = Duplicate {
        decision_id: id(44),
        at: NOW,
        chain: chain.next(),
        input: input(44, again.as_bytes()),
        event_id: "adult-e-000001",
        of: id(42),
    };
    let bytes = written(|out| write_duplicate(out, &duplicate));
    assert_is("audit-entry.duplicate.json", &bytes);
    chain.advance(entry_hash(&bytes));
    let cause = GapCause::Lost { by: "kim".to_owned() };
    assert_is("audit-entry.gap-lost.json", &gap(chain.next(), (45, 99), &cause));
    let start = Chain::resume("gate/inference/3".to_owned(), None);
    assert_is("audit-entry.gap-start.json", &gap(start.next(), (0, 39), &GapCause::Start));
}

/// The first decision again, as it is where `candidate.yaml` is tried beside the policy.
#[test]
fn an_entry_with_a_candidates_decision_is_the_example() {
    let files = ["policy.yaml", "candidate.yaml"].map(|name| (name.to_owned(), example(name) + "\n"));
    let policies = PolicySet::read(&files, &FallbackReview::default()).expect("sound policies");
    let bytes = example("inference-event.released.json");
    let limits = Limits { max_bytes: 1 << 20, max_depth: 64, max_fields: 1_000 };
    let mut judge = Judge::new(limits, Arc::new(Schemas::default()));
    judge.adopt(policies.plan());
    let origin = Origin { source: "inference", partition: 3, prefix: LanePrefix::of("inference", 3) };
    let sighted = Sighted::new(origin, Sighting { offset: 40, appended_at: Some(APPENDED_AT) }, bytes.as_bytes(), NOW);
    let control = ControlView::default();
    let signals = Signals { control: Some(&control), monitor: None, fallback_band: Band::High, references: &NoReferences };
    let judged = judge.judge(&sighted, &mut DedupWindow::new(10), &policies, signals, &mut || TOOK);
    let Judged::Decided(verdict) = judged else { panic!("{judged:?}") };
    let chain = Chain::resume("gate/inference/3".to_owned(), None);
    let entry = verdict.entry(sighted.id, NOW, input(40, bytes.as_bytes()), chain.next());
    assert_is("audit-entry.shadow.json", &written(|out| write_decided(out, &entry)));
}

fn gap(chain: ChainLink<'_>, (first, last): (i64, i64), cause: &GapCause) -> Vec<u8> {
    let gap = Gap { at: NOW, chain, source: "inference", topic: "inference", partition: 3, first, last, cause };
    assert_eq!(gap.key(), format!("gap/inference/3/{first}"));
    written(|out| write_gap(out, &gap))
}

/// Computed without this program, for each file in `schemas/examples`:
/// `python3 -c 'import hashlib, sys; print(hashlib.sha256(b"jidoka/audit/1\0" + open(sys.argv[1], "rb").read()[:-1]).hexdigest())' FILE`
#[test]
fn entries_hash_as_any_verifier_hashes_them() {
    let hashes = [
        ("audit-entry.released.json", "368dc8372cbec58abb8ee57435f6641efbd7288b7d99f116f0bc8c70e44163fd"),
        ("audit-entry.held.json", "3eeb2a8d31c6ebec9e56a51ac82dce0fca426f293d18e00314aaa8f0e3d025f2"),
        ("audit-entry.conflicting.json", "b402dbc4088d7558c93e014809164a88d23c65452f9acc50acf38a0a77648f66"),
        ("audit-entry.unreadable.json", "f4a9ffd58dc0708fcd7ce97a5bad1e98490dab1ea5f543d1db3012468fc06db8"),
        ("audit-entry.duplicate.json", "59b0ea6ba4a6f6d4d0a7312e8663d1f6898f4969c885be1bde767a2aeee36a7d"),
    ];
    let mut before: Option<&str> = None;
    for (name, hash) in hashes {
        let text = example(name);
        assert_eq!(entry_hash(text.as_bytes()).to_string(), hash, "{name}");
        let named = before.map_or("null".to_owned(), |before| format!("\"{before}\""));
        assert!(text.contains(&format!("\"prev\":{named}}}")), "{name} names its predecessor");
        before = Some(hash);
    }
}

#[test]
fn dispositions_are_the_examples() {
    let policies = policies();
    let story = [
        (40, "inference-event.released.json", None, "disposition.released.json"),
        (41, "inference-event.held.json", None, "disposition.held.json"),
        (42, "inference-event.conflicting.json", Some(id(41)), "disposition.conflicting.json"),
        (43, "unreadable-event.json", None, "disposition.unreadable.json"),
    ];
    for (offset, event, conflicts_with, disposition) in story {
        let (mut decoder, bytes) = (decoder(), example(event));
        let told = Told::new(&mut decoder, &policies, offset, bytes.as_bytes(), conflicts_with);
        assert_is(disposition, &told.disposition());
    }
}

#[test]
fn case_openings_are_the_examples() {
    let policies = policies();
    let (mut decoder, bytes) = (decoder(), example("inference-event.held.json"));
    let held = Told::new(&mut decoder, &policies, 41, bytes.as_bytes(), None);
    assert_is("case.held.json", &held.case("audit-entry.held.json", EventCopy::Whole));
    assert_is("case.held-by-reference.json", &held.case("audit-entry.held.json", EventCopy::Reference));
    let (mut decoder, bytes) = (self::decoder(), example("unreadable-event.json"));
    let unreadable = Told::new(&mut decoder, &policies, 43, bytes.as_bytes(), None);
    for copy in [EventCopy::Whole, EventCopy::Reference] {
        assert_is("case.unreadable.json", &unreadable.case("audit-entry.unreadable.json", copy));
    }
}

#[test]
fn progress_is_the_examples() {
    let first =
        Progress { decided_through: -1, sha256: None, appended_at: None, chain: None, partitions_at_start: 6, window_from: 0 };
    let read = Progress::read(example("progress.later.json").as_bytes()).expect("a progress record");
    assert_eq!(read.decided_through, 44);
    assert_eq!(read.sha256, Some(Hash::of(example("inference-event.conflicting.json").as_bytes())));
    assert_eq!(read.chain.map(|head| head.hash), Some(entry_hash(example("audit-entry.duplicate.json").as_bytes())));
    assert_is("progress.first.json", &written(|out| first.write(out)));
    assert_is("progress.later.json", &written(|out| read.write(out)));
}

#[test]
fn control_records_are_the_examples() {
    let text = |value: &dyn Fn() -> serde_json::Result<String>| value().expect("plain data");
    let policies = policies();
    let policy = &policies.policies()[0];
    let stop = Stop { mode: Mode::Hold, by: "kim".to_owned(), reason: "incident 7".to_owned() };
    let activation = Activation { hash: policy.hash.to_string() };
    let reason = "retention was shorter than the outage".to_owned();
    let gap = AcceptedGap { to: 100, by: "kim".to_owned(), reason };
    assert_eq!(text(&|| serde_json::to_string(&stop)), example("control.stop.json"));
    assert_eq!(text(&|| serde_json::to_string(&activation)), example("control.activation.json"));
    assert_eq!(text(&|| serde_json::to_string(&gap)), example("control.gap.json"));
    let erasure = Erasure { by: "kim".to_owned(), reason: "request 9 of the subject".to_owned() };
    assert_eq!(text(&|| serde_json::to_string(&erasure)), example("control.erase.json"));

    let reason = "model 1.0.1 was rolled back".to_owned();
    let acknowledged = Acknowledgement { by: "kim".to_owned(), reason, baseline: AcknowledgedBaseline::Keep };
    assert_eq!(text(&|| serde_json::to_string(&acknowledged)), example("control.acknowledge.json"));

    let mut view = ControlView::default();
    for (key, name) in [
        ("stop/global", "control.stop.json"),
        ("policy/adult-income", "control.activation.json"),
        ("gap/inference/3", "control.gap.json"),
        ("acknowledge/5c0ffee05c0ffee0", "control.acknowledge.json"),
        (&format!("erase/{}", id(41)), "control.erase.json"),
    ] {
        view.apply(key, Some(example(name).as_bytes())).expect("a readable order");
    }
    assert_eq!(view.global(), Mode::Hold);
    assert!(!view.forbids("adult-income", policy.hash) && view.forbids("adult-income", Hash::of(b"another file")));
    assert_eq!(view.accepted_gap("inference", 3), Some(&gap));
    assert!(view.erasures().contains(&id(41)));
    assert_eq!(view.acknowledged().get("5c0ffee05c0ffee0"), Some(&acknowledged));
}

/// The audit topic is kept for years: what every entry costs is watched.
#[test]
fn an_entry_stays_small() {
    for (name, bytes_max) in
        [("audit-entry.released.json", 1_250), ("audit-entry.held.json", 1_350), ("audit-entry.duplicate.json", 600)]
    {
        let bytes = example(name).len();
        assert!(bytes <= bytes_max, "{name} has {bytes} bytes");
    }
}
