//! What the audit topic has about one decision: its trail, and commands on it that were refused.

use serde::Deserialize;

use crate::audit::entry_hash;
use crate::identity::DecisionId;
use crate::stream::record::Incoming;

/// One audit entry.
#[derive(Debug)]
pub struct TrailEntry {
    /// Its stored bytes.
    pub json: Vec<u8>,
    /// The hash that its header names.
    pub header_hash: String,
    /// What it says.
    pub says: Says,
}

/// The members of an audit entry that are told, whatever its kind.
#[derive(Deserialize, Debug)]
pub struct Says {
    /// What happened.
    pub kind: String,
    /// When.
    pub at: String,
    seq: Option<u64>,
    prev: Option<String>,
    actor: Actor,
    command_id: Option<String>,
    outcome: Option<String>,
    state: Option<String>,
    previous_state: Option<String>,
    reason: Option<String>,
    assignee: Option<String>,
    band: Option<String>,
    action: Option<String>,
    error: Option<String>,
    signed_by: Option<String>,
}

#[derive(Deserialize, Debug)]
struct Actor {
    id: Option<String>,
}

/// What came of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It took effect.
    Applied {
        /// The kind of its entry.
        kind: String,
        /// Number of that entry.
        seq: u64,
        /// The state after it.
        state: String,
    },
    /// It was refused.
    Refused {
        /// Why.
        code: String,
    },
}

impl TrailEntry {
    /// The entry in `record`, if it is about the decision `id`.
    pub fn of(id: DecisionId, record: &Incoming<'_>) -> Option<Self> {
        let key = record.key.unwrap_or_default();
        let hex = id.hex();
        let is_of_trail = key.strip_prefix(&hex[..]).is_some_and(|rest| rest.starts_with(b"/"));
        let is_refused = key.starts_with(b"refused/") && record.headers.get("jidoka-decision-id") == Some(&hex[..]);
        if !is_of_trail && !is_refused {
            return None;
        }
        let json = record.value?.to_vec();
        let says = serde_json::from_slice(&json).ok()?;
        let header_hash = String::from_utf8_lossy(record.headers.get("jidoka-hash").unwrap_or_default()).into_owned();
        Some(Self { json, header_hash, says })
    }

    /// What came of the command `id`, if this is the entry about it.
    pub fn answer(&self, id: &str) -> Option<Answer> {
        let says = &self.says;
        if says.command_id.as_deref() != Some(id) {
            return None;
        }
        Some(match (&says.error, says.seq) {
            (Some(code), _) => Answer::Refused { code: code.clone() },
            (None, seq) => Answer::Applied {
                kind: says.kind.clone(),
                seq: seq.unwrap_or_default(),
                state: says.state.clone().unwrap_or_default(),
            },
        })
    }

    /// Whether `reviewer` had masked fields shown.
    pub fn unmasks_for(&self, reviewer: &str) -> bool {
        self.says.kind == "UNMASKED" && self.says.actor.id.as_deref() == Some(reviewer)
    }

    /// Number, time, kind, who and what, for a table.
    pub fn cells(&self) -> [String; 5] {
        let says = &self.says;
        let seq = says.seq.map_or_else(|| "–".to_owned(), |seq| seq.to_string());
        let who = says.actor.id.clone().unwrap_or_else(|| "?".to_owned());
        [seq, says.at.clone(), says.kind.clone(), who, says.what()]
    }
}

impl Says {
    fn what(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        parts.extend(self.outcome.clone());
        parts.extend(self.error.iter().map(|error| format!("{}: {error}", self.action.as_deref().unwrap_or("?"))));
        if self.state != self.previous_state {
            parts.extend(self.state.clone());
        }
        parts.extend(self.reason.iter().map(|reason| format!("reason {reason}")));
        if matches!(self.kind.as_str(), "CLAIMED" | "REASSIGNED") {
            parts.extend(self.assignee.iter().map(|assignee| format!("to {assignee}")));
        }
        if self.kind == "ESCALATED" {
            parts.extend(self.band.iter().map(|band| format!("band {band}")));
        }
        parts.extend(self.signed_by.iter().map(|key| format!("signed by {key}")));
        parts.join(", ")
    }
}

/// Whatever shows that a trail is not as it was written: a changed byte, an entry that is missing or names another one.
pub fn faults(entries: &[TrailEntry]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut before: Option<(u64, String)> = None;
    for entry in entries {
        let hash = entry_hash(&entry.json).to_string();
        let name = entry.says.seq.map_or_else(|| format!("The refusal of {}", entry.says.at), |seq| format!("Entry {seq}"));
        if hash != entry.header_hash {
            faults.push(format!("{name} is not what its hash says: it was changed."));
        }
        let Some(seq) = entry.says.seq else { continue };
        let expected = before.as_ref().map_or(0, |(before, _)| before + 1);
        if seq != expected {
            faults.push(format!("{name} stands where entry {expected} should."));
        } else if entry.says.prev.as_ref() != before.as_ref().map(|(_, hash)| hash) {
            faults.push(format!("{name} does not name the entry before it."));
        }
        before = Some((seq, hash));
    }
    faults
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::audit::AppendTimeType;
    use crate::stream::record::IncomingHeaders;

    /// The trail of the examples' case: decided, claimed, a stale approval, rejected.
    pub const ENTRIES: [&str; 4] = [
        include_str!("../../../schemas/examples/audit-entry.held.json").trim_ascii_end(),
        include_str!("../../../schemas/examples/audit-entry.claimed.json").trim_ascii_end(),
        include_str!("../../../schemas/examples/audit-entry.refused.json").trim_ascii_end(),
        include_str!("../../../schemas/examples/audit-entry.rejected.json").trim_ascii_end(),
    ];
    const KEYS: [&str; 4] = ["/0", "/1", "refused/2/1", "/2"];
    const ID: &str = "925ab795168fdc48291233198923001a";

    fn read(id: &str, key: &str, value: &str, hash: &str) -> Option<TrailEntry> {
        let key = if key.starts_with('/') { format!("{ID}{key}") } else { key.to_owned() };
        let headers = [("jidoka-decision-id", Some(ID.as_bytes())), ("jidoka-hash", Some(hash.as_bytes()))];
        let record = Incoming {
            topic: "audit",
            partition: 0,
            offset: 7,
            appended_at: None,
            appended_at_type: AppendTimeType::None,
            key: Some(key.as_bytes()),
            value: Some(value.as_bytes()),
            headers: IncomingHeaders::Plain(&headers),
        };
        TrailEntry::of(DecisionId::parse(id).expect("an id"), &record)
    }

    pub fn entries(texts: &[String]) -> Vec<TrailEntry> {
        let entry = |(text, key): (&String, &&str)| {
            let original = ENTRIES[KEYS.iter().position(|known| known == key).expect("a key")];
            read(ID, key, text, &entry_hash(original.as_bytes()).to_string()).expect("an entry of the trail")
        };
        texts.iter().zip(&KEYS).map(entry).collect()
    }

    pub fn whole() -> Vec<TrailEntry> {
        entries(&ENTRIES.map(str::to_owned))
    }

    #[test]
    fn a_trail_is_told_line_by_line() {
        let lines: Vec<String> = whole().iter().map(|entry| entry.cells().join(" | ")).collect();
        assert_eq!(
            lines,
            [
                "0 | 2026-01-05T10:46:42.500Z | DECIDED | gate | HELD",
                "1 | 2026-01-05T10:50:00.125Z | CLAIMED | ann | UNDER_REVIEW, to ann, signed by console",
                "– | 2026-01-05T10:51:00.000Z | REFUSED | bob | approve: stale",
                "2 | 2026-01-05T10:55:00.750Z | REJECTED | ann | REJECTED, reason model-wrong, signed by console",
            ]
        );
    }

    #[test]
    fn other_decisions_entries_are_left_out() {
        let other = "925ab795168fdc48291233198923001b";
        assert!(read(other, "/0", ENTRIES[0], "").is_none() && read(other, "refused/2/1", ENTRIES[2], "").is_none());
        assert!(read(ID, "gap/inference/0/3", "{}", "").is_none());
    }

    #[test]
    fn what_came_of_a_command_is_found_by_its_id() {
        let trail = whole();
        let answer = |id: &str| trail.iter().find_map(|entry| entry.answer(id));
        let applied = |kind: &str, seq, state: &str| Answer::Applied { kind: kind.to_owned(), seq, state: state.to_owned() };
        assert_eq!(answer("3f2504e0-4f89-41d3-9a0c-0305e82c3301"), Some(applied("CLAIMED", 1, "UNDER_REVIEW")));
        assert_eq!(answer("3f2504e0-4f89-41d3-9a0c-0305e82c3302"), Some(Answer::Refused { code: "stale".to_owned() }));
        assert_eq!(answer("3f2504e0-4f89-41d3-9a0c-0305e82c3303"), Some(applied("REJECTED", 2, "REJECTED")));
        assert_eq!(answer("3f2504e0-4f89-41d3-9a0c-0305e82c3304"), None);
    }

    #[test]
    fn damage_is_told() {
        assert_eq!(faults(&whole()), [""; 0]);
        let mut changed = ENTRIES.map(str::to_owned);
        changed[1] = changed[1].replace("ann", "eve");
        assert_eq!(
            faults(&entries(&changed)),
            ["Entry 1 is not what its hash says: it was changed.", "Entry 2 does not name the entry before it."]
        );
        let mut removed = whole();
        removed.remove(1);
        assert_eq!(faults(&removed), ["Entry 2 stands where entry 1 should."]);
    }
}
