//! A small history as gates and sidecars write it, built from the contract and not from their code.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::audit::export::{Exported, write_line};
use crate::audit::{ChainHead, HeadSigner, entry_hash};
use crate::identity::{DecisionId, Hash, RecordId, Timestamp};
use crate::signature::PrivateKey;

pub const LANES: u16 = 2;
const SOURCE: &str = "inference";

/// A record of one of the topics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    pub topic: &'static str,
    pub partition: i32,
    pub offset: i64,
    pub key: String,
    pub value: Option<String>,
    pub headers: Vec<(&'static str, String)>,
}

impl Record {
    pub fn line(&self) -> Vec<u8> {
        let timestamp = Some(Timestamp(1_767_610_001_187 + self.offset));
        let record = Exported {
            topic: self.topic,
            partition: self.partition,
            offset: self.offset,
            timestamp,
            key: Some(self.key.as_bytes()),
            value: self.value.as_deref().map(str::as_bytes),
        };
        let mut line = Vec::new();
        write_line(&mut line, &record, self.headers.iter().map(|(name, value)| (*name, Some(value.as_bytes()))));
        line.pop();
        line
    }

    pub fn header(&mut self, name: &str) -> &mut String {
        self.headers.iter_mut().find(|(known, _)| *known == name).map(|(_, value)| value).expect("it has the header")
    }

    /// Replaces in the value, and says nothing of it in the header.
    pub fn change(&mut self, from: &str, to: &str) {
        let value = self.value.as_mut().expect("it has a value");
        assert!(value.contains(from), "{value} has no {from}");
        *value = value.replacen(from, to, 1);
    }

    /// Replaces in the value, and computes the header anew.
    pub fn forge(&mut self, from: &str, to: &str) {
        self.change(from, to);
        let hash = entry_hash(self.value.as_deref().expect("it has a value").as_bytes()).to_string();
        *self.header("jidoka-hash") = hash;
    }
}

#[derive(Clone)]
struct Standing {
    lane: i32,
    offset: i64,
    hash: String,
    seq: u64,
    state: String,
    view: (u64, String),
}

/// A history that grows.
#[derive(Clone, Default)]
pub struct History {
    pub records: Vec<Record>,
    chains: HashMap<String, (u64, Hash)>,
    standing: HashMap<DecisionId, Standing>,
    inputs: HashMap<i32, i64>,
    verdicts: i64,
    /// What the entries say of prediction and channel: other texts, another history.
    pub flavour: String,
}

impl History {
    /// The history that the tests damage: two input partitions on two lanes, decisions of every end.
    pub fn sample(flavour: &str) -> Self {
        let mut history = Self { flavour: flavour.to_owned(), ..Self::default() };
        history.gap(1, 4);
        for _ in 0..3 {
            history.decide(0, "RELEASED");
        }
        let approved = history.decide(0, "HELD");
        let rejected = history.decide(1, "HELD");
        history.step(approved, "CLAIMED", "UNDER_REVIEW");
        history.step(approved, "JUDGED", "UNDER_REVIEW");
        history.refuse(history.lane(approved), Some(approved));
        history.refuse(history.lane(approved), None);
        history.skip_input(0, 2);
        history.duplicate(0);
        history.step(approved, "VOTED", "UNDER_REVIEW");
        history.step(rejected, "ESCALATED", "PENDING");
        history.step(rejected, "REJECTED", "REJECTED");
        history.step(approved, "UNCLAIMED", "PENDING");
        history.step(approved, "APPROVED", "APPROVED");
        let expired = history.decide(1, "HELD");
        let open = history.decide(0, "HELD");
        let untouched = history.decide(1, "HELD");
        history.step(open, "REASSIGNED", "UNDER_REVIEW");
        history.step(open, "COMMENTED", "UNDER_REVIEW");
        history.step(expired, "EXPIRED", "EXPIRED");
        let cancelled = history.decide(1, "HELD");
        history.step(cancelled, "CANCELLED", "CANCELLED");
        history.forget_case(cancelled);
        for partition in [0, 1, 0, 1] {
            history.decide(partition, "RELEASED");
        }
        assert_eq!(history.standing[&untouched].seq, 0);
        history
    }

    pub fn lane(&self, id: DecisionId) -> i32 {
        self.standing[&id].lane
    }

    fn append(
        &mut self,
        topic: &'static str,
        partition: i32,
        key: String,
        value: Option<String>,
        headers: Vec<(&'static str, String)>,
    ) {
        let before = self.records.iter().filter(|record| (record.topic, record.partition) == (topic, partition)).count();
        // As if markers lay between.
        let offset = i64::try_from(before).expect("few") * 2;
        self.records.push(Record { topic, partition, offset, key, value, headers });
    }

    /// Appends an entry whose value has `CHAIN` where the member goes; its hash.
    fn entry(&mut self, lane: i32, key: String, chain: &str, kind: &str, id: Option<DecisionId>, value: &str) -> String {
        let (n, prev) = self.chains.get(chain).map_or((0, None), |(n, hash)| (n + 1, Some(*hash)));
        let prev = prev.map_or("null".to_owned(), |hash| format!("\"{hash}\""));
        let value = value.replace("CHAIN", &format!(r#"{{"id":"{chain}","n":{n},"prev":{prev}}}"#));
        let hash = entry_hash(value.as_bytes());
        self.chains.insert(chain.to_owned(), (n, hash));
        let mut headers: Vec<(&'static str, String)> = id.iter().map(|id| ("jidoka-decision-id", id.to_string())).collect();
        headers.extend([
            ("jidoka-kind", kind.to_owned()),
            ("jidoka-schema", "audit/1".to_owned()),
            ("jidoka-hash", hash.to_string()),
        ]);
        self.append("jidoka.audit", lane, key, Some(value), headers);
        hash.to_string()
    }

    fn next_input(&mut self, partition: i32) -> (i64, DecisionId, i32) {
        let offset = *self.inputs.entry(partition).or_default();
        self.inputs.insert(partition, offset + 1);
        let at = RecordId { source: SOURCE, partition, offset, appended_at_ms: 1_767_610_001_187, row: 0 };
        let id = DecisionId::of(at);
        (offset, id, id.lane(LANES).partition())
    }

    pub fn skip_input(&mut self, partition: i32, count: i64) {
        *self.inputs.entry(partition).or_default() += count;
    }

    fn beginning(id: DecisionId, kind: &str, partition: i32, offset: i64) -> String {
        let digits = "ab".repeat(32);
        format!(
            r#"{{"decision_id":"{id}","seq":0,"kind":"{kind}","at":"2026-01-05T10:46:41.187Z","prev":null,"chain":CHAIN,"actor":{{"type":"system","id":"gate"}},"source":"{SOURCE}","event_id":"e\"{offset}","row":0,"input":{{"topic":"in","partition":{partition},"offset":{offset},"appended_at":"2026-01-05T10:46:41.187Z","appended_at_type":"log-append","sha256":"{digits}"}},"#
        )
    }

    /// A DECIDED entry, with all that comes with it.
    pub fn decide(&mut self, partition: i32, outcome: &str) -> DecisionId {
        let (offset, id, lane) = self.next_input(partition);
        let mut value = Self::beginning(id, "DECIDED", partition, offset);
        write!(
            value,
            r#""model":{{"name":"m","version":"1"}},"policy":{{"name":"none","version":null,"hash":null}},"outcome":"{outcome}","prediction":"{}","confidence":0.93,"conflicts_with":null,"triggers":[{{"id":"unsure","kind":"confidence","result":"hit","value":0.51,"limit":0.6,"reason":null}}],"missed":["a","b"],"priority":{{"score":12.5,"band":"low","parts":[]}},"basis":{{"threshold":null,"incidents":[],"control":"normal","reference":null,"now":"2026-01-05T10:46:41.187Z"}},"late":false,"took_us":12}}"#,
            self.flavour
        )
        .expect("a string takes all");
        let hash = self.entry(lane, format!("{id}/0"), &format!("gate/{SOURCE}/{partition}"), "DECIDED", Some(id), &value);
        let view = (0, hash.clone());
        self.standing.insert(id, Standing { lane, offset, hash, seq: 0, state: "PENDING".to_owned(), view });
        self.disposition(id, outcome, outcome == "RELEASED");
        if outcome == "HELD" {
            self.case(id, "/opened");
        }
        id
    }

    pub fn duplicate(&mut self, partition: i32) {
        let (offset, id, lane) = self.next_input(partition);
        let value = Self::beginning(id, "DUPLICATE", partition, offset) + r#""of":null}"#;
        self.entry(lane, format!("{id}/0"), &format!("gate/{SOURCE}/{partition}"), "DUPLICATE", Some(id), &value);
    }

    /// A GAP entry that skips so many input records.
    pub fn gap(&mut self, partition: i32, count: i64) {
        let first = self.inputs.get(&partition).copied().unwrap_or(0);
        let last = first + count - 1;
        self.skip_input(partition, count);
        let lane = crate::identity::LanePrefix::of(SOURCE, partition).lane(LANES).partition();
        let value = format!(
            r#"{{"kind":"GAP","at":"2026-01-05T10:46:41.187Z","chain":CHAIN,"actor":{{"type":"system","id":"gate"}},"source":"{SOURCE}","input":{{"topic":"in","partition":{partition},"first_offset":{first},"last_offset":{last}}},"cause":"start"}}"#
        );
        self.entry(lane, format!("gap/{SOURCE}/{partition}/{first}"), &format!("gate/{SOURCE}/{partition}"), "GAP", None, &value);
    }

    /// One of the sidecar's entries.
    pub fn step(&mut self, id: DecisionId, kind: &str, state: &str) {
        let before = self.standing[&id].clone();
        let (seq, lane) = (before.seq + 1, before.lane);
        self.verdicts += 1;
        let value = format!(
            r#"{{"decision_id":"{id}","seq":{seq},"kind":"{kind}","at":"2026-01-05T10:47:41.187Z","prev":"{}","chain":CHAIN,"actor":{{"type":"reviewer","id":"kim"}},"command_id":"00000000-0000-4000-8000-000000000000","verdict":{{"partition":{lane},"offset":{}}},"state":"{state}","previous_state":"{}","reason":"confirmed","channel":"{}","signed_by":null,"band":"low","assignee":null,"groups":["reviewers"]}}"#,
            before.hash, self.verdicts, before.state, self.flavour
        );
        let hash = self.entry(lane, format!("{id}/{seq}"), &format!("lane/{lane}"), kind, Some(id), &value);
        let standing = self.standing.get_mut(&id).expect("it was decided");
        (standing.seq, standing.state) = (seq, state.to_owned());
        if !["JUDGED", "COMMENTED", "UNMASKED"].contains(&kind) {
            standing.view = (seq, hash.clone());
        }
        standing.hash = hash;
        if ["APPROVED", "REJECTED", "EXPIRED", "CANCELLED"].contains(&kind) {
            self.disposition(id, kind, true);
        }
        self.case(id, "");
    }

    pub fn refuse(&mut self, lane: i32, id: Option<DecisionId>) {
        self.verdicts += 1;
        let offset = self.verdicts;
        let shown = id.map_or("null".to_owned(), |id| format!("\"{id}\""));
        let value = format!(
            r#"{{"decision_id":{shown},"kind":"REFUSED","at":"2026-01-05T10:47:41.187Z","chain":CHAIN,"actor":{{"type":"reviewer","id":null}},"command_id":null,"verdict":{{"partition":{lane},"offset":{offset}}},"action":"claim","error":"stale","channel":null,"signed_by":null}}"#
        );
        self.entry(lane, format!("refused/{lane}/{offset}"), &format!("lane/{lane}"), "REFUSED", id, &value);
    }

    fn disposition(&mut self, id: DecisionId, outcome: &str, is_final: bool) {
        let Standing { lane, offset, seq, .. } = self.standing[&id];
        let value = format!(
            r#"{{"decision_id":"{id}","event_id":"e\"{offset}","source":"{SOURCE}","row":0,"outcome":"{outcome}","final":{is_final},"at":"2026-01-05T10:46:41.187Z","seq":{seq},"policy":{{"name":"none","version":null,"hash":null}},"conflicts_with":null}}"#
        );
        self.append("jidoka.dispositions", lane, id.to_string(), Some(value), vec![("jidoka-decision-id", id.to_string())]);
    }

    fn case(&mut self, id: DecisionId, suffix: &str) {
        let standing = self.standing[&id].clone();
        let Standing { lane, offset, seq, state, hash, view, .. } = standing;
        let value = format!(
            r#"{{"decision_id":"{id}","lane":{lane},"event_id":"e\"{offset}","source":"{SOURCE}","row":0,"conflicts_with":null,"state":"{state}","seq":{seq},"view":{{"seq":{},"hash":"{}"}},"entry_hash":"{hash}","band":"low","event":{{"deep":[1,{{"x":"é"}}]}}}}"#,
            view.0, view.1
        );
        self.append("jidoka.cases", lane, format!("{id}{suffix}"), Some(value), Vec::new());
    }

    /// The tombstones of a case that was closed long ago.
    pub fn forget_case(&mut self, id: DecisionId) {
        let lane = self.lane(id);
        for key in [format!("{id}/opened"), id.to_string()] {
            self.append("jidoka.cases", lane, key, None, Vec::new());
        }
    }

    /// A chain whose one entry is in no topic.
    pub fn chain_of_its_own(&mut self) {
        self.chains.insert("gate/other/0".to_owned(), (0, Hash::of(b"")));
    }

    /// The records in the order of an export.
    pub fn exported(&self) -> Vec<Record> {
        let place = |record: &Record| {
            ["jidoka.audit", "jidoka.dispositions", "jidoka.cases"].iter().position(|topic| *topic == record.topic)
        };
        let mut records = self.records.clone();
        records.sort_by_key(|record| (record.partition, place(record), record.offset));
        records
    }

    /// Signed lines of all heads as they stand now.
    pub fn heads(&self, key: &PrivateKey) -> Vec<u8> {
        let (mut lines, signer) = (Vec::new(), HeadSigner::new(key.clone()));
        let mut chains: Vec<_> = self.chains.iter().collect();
        chains.sort_by_key(|(chain, _)| *chain);
        for (chain, (n, hash)) in chains {
            signer.write_line(&mut lines, chain, ChainHead { n: *n, hash: *hash }, Timestamp(1_767_610_001_187));
        }
        lines
    }
}
