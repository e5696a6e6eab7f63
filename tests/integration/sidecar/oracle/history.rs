//! Writes small histories by hand, for the tests of the oracle: whoever writes one says himself what each entry and each
//! case is. Only hashes, numbers and places follow by themselves.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

use super::Terms;
use super::command::{Cancel, Key, signed_bytes};
use super::measure::{lane, text_hash};
use crate::gate::books::{Books, Record};
use crate::gate::oracle::rules::{entry_hash, rfc3339, sha256};

/// When every history begins.
pub const BEGIN: i64 = 1_772_352_000_000;
pub const VERDICTS: &str = "t.verdicts";
const SALT: &str = "000102030405060708090a0b0c0d0e0f";

/// A key that may speak for ann and bob in the group underwriting, and not cancel.
fn desk_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// Two lanes, the key `desk`, unsigned commands allowed, closed cases kept for an hour.
pub fn terms() -> Terms {
    let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    let desk = Key {
        id: "desk".to_owned(),
        public: desk_key().verifying_key().to_bytes(),
        reviewers: names(["ann", "bob"]),
        groups: names(["underwriting", "seniors"]),
        cancel: Cancel::Refused,
    };
    Terms {
        keys: vec![desk],
        keep_closed: 3_600_000,
        max_text: 100,
        max_bytes: 4_000,
        max_commands: 4,
        ..Terms::new(VERDICTS, (2, 1))
    }
}

/// A signature for the header.
fn signature(value: &[u8]) -> String {
    format!("desk:{}", STANDARD.encode(desk_key().sign(&signed_bytes(VERDICTS, value)).to_bytes()))
}

/// Writes one installation's records.
pub struct Scribe {
    pub books: Books,
    /// Last number and hash of each chain, last seq and hash of each trail.
    chains: HashMap<String, (i64, String)>,
    trails: HashMap<String, (i64, String)>,
    cases: BTreeMap<String, Value>,
    /// What the next entries are signed by.
    pub signed_by: Option<&'static str>,
    /// The latest time of each lane.
    times: [i64; 2],
}

impl Scribe {
    pub fn new() -> Self {
        let books = Books {
            input: Vec::new(),
            audit: Vec::new(),
            dispositions: Vec::new(),
            cases: Vec::new(),
            reviews: Vec::new(),
            dead_letters: Vec::new(),
            progress: Vec::new(),
            verdicts: Vec::new(),
            archive: Vec::new(),
            group: BTreeMap::new(),
            applied: BTreeMap::new(),
            aborted: 0,
        };
        let (chains, trails, cases) = (HashMap::new(), HashMap::new(), BTreeMap::new());
        Self { books, chains, trails, cases, signed_by: None, times: [i64::MIN; 2] }
    }

    /// A decision is held in the band normal; `changes` are made to its case and to its review rules.
    pub fn hold(&mut self, id: &str, changes: &Value, rules: &Value) {
        let at = rfc3339(BEGIN);
        let policy = json!({ "name": "loans", "version": null, "hash": "ab".repeat(32) });
        let entry = json!({
            "decision_id": id, "seq": 0, "kind": "DECIDED", "at": at, "prev": null, "chain": self.chain("gate/inference/0"),
            "source": "inference", "event_id": "e", "row": 0, "policy": policy, "outcome": "HELD", "conflicts_with": null,
            "priority": { "band": "normal" },
        });
        let hash = self.audit(&format!("{id}/0"), &entry, Some(id));
        self.trails.insert(id.to_owned(), (0, hash.clone()));
        let mut review = json!({
            "groups": ["underwriting"], "leads": ["leads"], "quorum": 1, "lease": "2m", "escalate_at": 0.5,
            "sla": { "critical": "15m", "high": "1h", "normal": "10m", "low": "24h" },
            "reasons": ["confirmed", "model-wrong"], "blind": false,
        });
        merge(&mut review, rules);
        let mut case = json!({
            "decision_id": id, "lane": lane(id, 2), "event_id": "e", "source": "inference", "row": 0, "conflicts_with": null,
            "state": "PENDING", "seq": 0, "view": { "seq": 0, "hash": hash }, "entry_hash": hash, "band": "normal", "score": 47.5,
            "salt": SALT, "subject_id": "subject-77", "requested_by": "kim", "amount": 15_000.0, "findings": [{ "trigger": "unsure" }],
            "event": { "event_id": "e", "features": { "employer": "Harbour Mills" } }, "model": { "name": "loans" },
            "policy": policy, "review": review, "opened_at": at, "due_at": rfc3339(BEGIN + 600_000), "assignee": null,
            "lease_until": null, "groups": ["underwriting"], "votes": [], "escalations": 0, "escalated_at": null,
            "judgements": [], "comments": [], "commands": [], "closed_at": null,
        });
        merge(&mut case, changes);
        self.write(|books| &mut books.cases, (&format!("{id}/opened"), &case), (id, "PENDING", "case/1"), 0);
        self.offer(id, &case);
        self.speak(id, &json!({ "outcome": "HELD", "final": false, "at": at, "seq": 0 }));
        self.cases.insert(id.to_owned(), case);
    }

    /// A command without a person behind it yet, with what `more` adds.
    pub fn command(&self, id: &str, number: u32, action: &str, more: &Value) -> Value {
        let mut command = json!({
            "command_id": format!("00000000-0000-4000-8000-{number:012}"), "decision_id": id, "action": action,
            "reviewer": { "id": "ann", "groups": ["underwriting"] }, "channel": "console",
        });
        if ["approve", "reject", "escalate"].contains(&action) {
            command["seen"] = self.cases.get(id).map_or(json!({ "seq": 0, "hash": "" }), |case| case["view"].clone());
            command["reason"] = json!({ "code": "confirmed" });
        }
        merge(&mut command, more);
        command
    }

    /// Appends a command to a lane, so many milliseconds after the beginning; its offset.
    pub fn append(&mut self, lane: i32, value: &[u8], after: i64) -> i64 {
        let offset = i64::try_from(self.books.verdicts.iter().filter(|record| record.partition == lane).count()).expect("few");
        let headers =
            self.signed_by.map(|_| ("jidoka-signature".to_owned(), signature(value).into_bytes())).into_iter().collect();
        let (key, value) = (Some(b"any".to_vec()), Some(value.to_vec()));
        self.books.verdicts.push(Record { partition: lane, offset, time_ms: Some(BEGIN + after), key, value, headers });
        offset
    }

    /// A command is appended and applied: the case becomes `patch`, and its entry is of this kind.
    pub fn applied(&mut self, command: &Value, after: i64, kind: &str, patch: &Value) {
        let id = command["decision_id"].as_str().expect("an id").to_owned();
        let lane = lane(&id, 2).expect("a lane");
        let offset = self.append(lane, command.to_string().as_bytes(), after);
        let text =
            |name: &str, value: &Value| value.as_str().map(|text| (format!("{name}_sha256"), json!(text_hash(SALT, text))));
        let mut cause = json!({
            "actor": { "type": "reviewer", "id": command["reviewer"]["id"] }, "command_id": command["command_id"],
            "verdict": { "partition": lane, "offset": offset }, "reason": command["reason"]["code"], "channel": command["channel"],
            "signed_by": self.signed_by,
        });
        let corrected = command.get("corrected").map(|value| Value::from(value.to_string()));
        let texts = [
            ("text", &command["reason"]["text"]),
            ("corrected", &corrected.unwrap_or_default()),
            ("judgement", &command["judgement"]),
        ];
        for (name, hash) in texts.into_iter().filter_map(|(name, value)| text(name, value)) {
            cause[name] = hash;
        }
        let mut patch = patch.clone();
        let mut commands = self.cases[&id]["commands"].as_array().expect("a list").clone();
        commands.push(command["command_id"].clone());
        patch["commands"] = json!(commands);
        self.enter(&id, after, kind, &patch, &cause);
    }

    /// Only time acts.
    pub fn lapsed(&mut self, id: &str, after: i64, kind: &str, reason: &str, patch: &Value) {
        let actor = json!({ "type": "system", "id": "sidecar" });
        let cause =
            json!({ "actor": actor, "command_id": null, "verdict": null, "reason": reason, "channel": null, "signed_by": null });
        self.enter(id, after, kind, patch, &cause);
    }

    fn enter(&mut self, id: &str, after: i64, kind: &str, patch: &Value, by: &Value) {
        let mut case = self.cases[id].clone();
        let (before, at) = (case["state"].clone(), rfc3339(BEGIN + after));
        merge(&mut case, patch);
        let (seq, prev) = self.trails[id].clone();
        let own = lane(id, 2).expect("a lane");
        let chain = self.chain(&format!("lane/{own}"));
        let mut entry = json!({ "decision_id": id, "seq": seq + 1, "kind": kind, "at": at, "prev": prev, "chain": chain });
        merge(&mut entry, by);
        let of_case = json!({ "previous_state": before, "state": case["state"], "band": case["band"], "assignee": case["assignee"], "groups": case["groups"] });
        merge(&mut entry, &of_case);
        let hash = self.audit(&format!("{id}/{}", seq + 1), &entry, Some(id));
        self.trails.insert(id.to_owned(), (seq + 1, hash.clone()));
        self.times[usize::try_from(own).expect("a lane")] = BEGIN + after;
        merge(&mut case, &json!({ "seq": seq + 1, "entry_hash": hash }));
        if !["JUDGED", "COMMENTED", "UNMASKED"].contains(&kind) {
            case["view"] = json!({ "seq": seq + 1, "hash": hash });
        }
        let state = case["state"].as_str().expect("a state").to_owned();
        let closed = !["PENDING", "UNDER_REVIEW"].contains(&state.as_str());
        if closed {
            case["closed_at"] = json!(at);
        }
        self.write(|books| &mut books.cases, (id, &case), (id, &state, "case/1"), BEGIN + after);
        if kind == "ESCALATED" {
            self.offer(id, &case);
        }
        if closed {
            self.write(|books| &mut books.archive, (id, &case), (id, &state, "case/1"), BEGIN + after);
            self.speak(id, &json!({ "outcome": state, "final": true, "at": at, "seq": seq + 1 }));
        }
        self.cases.insert(id.to_owned(), case);
    }

    /// A command is appended to a lane and refused there.
    pub fn refused(&mut self, lane: i32, value: &[u8], after: i64, error: &str) {
        let offset = self.append(lane, value, after);
        let loose: Value = serde_json::from_slice(value).unwrap_or_default();
        let entry = json!({
            "decision_id": loose["decision_id"], "kind": "REFUSED", "at": rfc3339(BEGIN + after), "chain": self.chain(&format!("lane/{lane}")),
            "actor": { "type": "reviewer", "id": loose["reviewer"]["id"] }, "command_id": loose["command_id"],
            "verdict": { "partition": lane, "offset": offset }, "action": loose["action"], "error": error,
            "channel": loose["channel"], "signed_by": self.signed_by.filter(|_| error != "bad-signature"),
        });
        self.audit(&format!("refused/{lane}/{offset}"), &entry, loose["decision_id"].as_str());
        self.times[usize::try_from(lane).expect("a lane")] = BEGIN + after;
    }

    /// One verdict was lost before it was read, and an operator accepted it.
    pub fn gap(&mut self, lane: i32, after: i64) {
        let offset = self.append(lane, b"lost", after);
        let entry = json!({
            "kind": "GAP", "at": rfc3339(BEGIN + after), "chain": self.chain(&format!("lane/{lane}")), "actor": { "type": "operator", "id": "kim" },
            "source": "verdicts", "input": { "topic": VERDICTS, "partition": lane, "first_offset": offset, "last_offset": offset }, "cause": "lost",
        });
        self.audit(&format!("gap/{VERDICTS}/{lane}/{offset}"), &entry, None);
    }

    /// Both records of a closed case are deleted.
    pub fn forget(&mut self, id: &str, after: i64) {
        for key in [format!("{id}/opened"), id.to_owned()] {
            let partition = lane(id, 2).expect("a lane");
            let offset = i64::try_from(self.books.cases.len()).expect("few");
            let key = Some(key.into_bytes());
            self.books.cases.push(Record {
                partition,
                offset,
                time_ms: Some(BEGIN + after),
                key,
                value: None,
                headers: Vec::new(),
            });
        }
    }

    /// The progress of both lanes and the group's offsets; the books are done.
    pub fn done(mut self) -> Books {
        for lane in 0..2 {
            let Some(last) = self.books.verdicts.iter().rfind(|record| record.partition == lane).cloned() else { continue };
            let head = self.chains.get(&format!("lane/{lane}")).map(|(n, hash)| json!({ "n": n, "hash": hash }));
            let at = self.times[usize::try_from(lane).expect("a lane")].max(last.time_ms.expect("it has a time"));
            let value = json!({
                "applied_through": last.offset, "sha256": sha256(&[last.bytes()]), "appended_at": last.time_ms.map(rfc3339),
                "chain": head, "at": rfc3339(at),
            });
            let record = record_of(lane, 0, (&format!("sidecar/lane/{lane}"), &value), Vec::new());
            self.books.progress.push(record);
            self.books.applied.insert(lane, last.offset + 1);
        }
        self.books
    }

    fn chain(&self, id: &str) -> Value {
        let head = self.chains.get(id);
        json!({ "id": id, "n": head.map_or(0, |(n, _)| n + 1), "prev": head.map(|(_, hash)| hash) })
    }

    fn audit(&mut self, key: &str, entry: &Value, id: Option<&str>) -> String {
        let (chain, n) =
            (entry["chain"]["id"].as_str().expect("a chain").to_owned(), entry["chain"]["n"].as_i64().expect("a number"));
        let partition = id.and_then(|id| lane(id, 2)).filter(|_| chain.starts_with("gate/"));
        let partition = partition.or_else(|| chain.strip_prefix("lane/")?.parse().ok()).expect("a lane");
        let text = entry.to_string();
        let hash = entry_hash(text.as_bytes());
        let mut headers = vec![
            ("jidoka-hash", hash.as_str()),
            ("jidoka-kind", entry["kind"].as_str().expect("a kind")),
            ("jidoka-schema", "audit/1"),
        ];
        headers.extend(id.map(|id| ("jidoka-decision-id", id)));
        let mut record = record_of(partition, BEGIN, (key, entry), owned(&headers));
        record.offset = i64::try_from(self.books.audit.len()).expect("few");
        self.books.audit.push(record);
        self.chains.insert(chain, (n, hash.clone()));
        hash
    }

    fn speak(&mut self, id: &str, word: &Value) {
        let mut value = json!({ "decision_id": id, "event_id": "e", "source": "inference", "row": 0, "policy": null, "conflicts_with": null });
        value["policy"] = json!({ "name": "loans", "version": null, "hash": "ab".repeat(32) });
        merge(&mut value, word);
        let outcome = word["outcome"].as_str().expect("an outcome").to_owned();
        self.write(|books| &mut books.dispositions, (id, &value), (id, &outcome, "disposition/1"), 0);
    }

    fn write(
        &mut self,
        topic: fn(&mut Books) -> &mut Vec<Record>,
        (key, value): (&str, &Value),
        about: (&str, &str, &str),
        time: i64,
    ) {
        let (id, kind, schema) = about;
        let headers = owned(&[("jidoka-decision-id", id), ("jidoka-kind", kind), ("jidoka-schema", schema)]);
        let records = topic(&mut self.books);
        let mut record = record_of(lane(id, 2).expect("a lane"), time, (key, value), headers);
        record.offset = i64::try_from(records.len()).expect("few");
        records.push(record);
    }

    /// The review feed is partitioned by band.
    fn offer(&mut self, id: &str, case: &Value) {
        let state = case["state"].as_str().expect("a state");
        self.write(|books| &mut books.reviews, (id, case), (id, state, "case/1"), BEGIN);
        let band = ["critical", "high", "normal", "low"].iter().position(|band| case["band"] == **band);
        let review = self.books.reviews.last_mut().expect("it was just written");
        review.partition = i32::try_from(band.expect("a band")).expect("four");
    }
}

fn record_of(partition: i32, time: i64, (key, value): (&str, &Value), headers: Vec<(String, Vec<u8>)>) -> Record {
    let (key, value) = (Some(key.as_bytes().to_vec()), Some(value.to_string().into_bytes()));
    Record { partition, offset: 0, time_ms: Some(time), key, value, headers }
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

/// Sets the members of `changes` in `value`.
fn merge(value: &mut Value, changes: &Value) {
    for (name, change) in changes.as_object().into_iter().flatten() {
        value[name] = change.clone();
    }
}
