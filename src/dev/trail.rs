//! The audit trail as it is read: each entry's bytes held against the hash in its header, each link against the entry before.

use std::collections::HashMap;

use serde::Deserialize;

use crate::audit::entry_hash;
use crate::stream::record::Incoming;

/// One audit entry as it is stored, and what was checked about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The decision it is about; none for an entry about something else.
    pub decision_id: Option<String>,
    /// What it records.
    pub kind: String,
    /// Its number in the decision's trail; none for an entry that is in no trail.
    pub seq: Option<u64>,
    /// Hash of the trail's entry before.
    pub prev: Option<String>,
    /// Where it lies: topic/partition and offset.
    pub place: String,
    /// Its bytes.
    pub stored: Vec<u8>,
    /// The hash that its header names.
    pub header_hash: String,
    /// Its place in its writer's chain.
    pub chain: Link,
    /// How it follows the entry before.
    pub follows: Follows,
}

/// Of an entry, `chain`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Link {
    /// The chain's name.
    pub id: String,
    /// The entry's number in it, from 0 without gaps.
    pub n: u64,
    /// Hash of the entry before.
    pub prev: Option<String>,
}

/// How an entry follows the one before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Follows {
    /// It is the first of its chain.
    First,
    /// `prev` is the hash of the entry before, as that was read.
    Yes,
    /// The entry before was not read, or it is itself read again.
    Unseen,
    /// The entry before was read, and has another number or hash: something is missing or was changed.
    No,
}

impl Entry {
    /// The hash of the bytes as they are stored.
    #[must_use]
    pub fn hash(&self) -> String {
        String::from_utf8_lossy(&entry_hash(&self.stored).hex()).into_owned()
    }

    /// Whether it is the one that the header names.
    #[must_use]
    pub fn is_as_written(&self) -> bool {
        self.hash() == self.header_hash
    }
}

#[derive(Deserialize)]
struct Parsed {
    kind: String,
    #[serde(default)]
    decision_id: Option<String>,
    #[serde(default)]
    seq: Option<u64>,
    #[serde(default)]
    prev: Option<String>,
    chain: Link,
}

/// The heads of all chains that are read.
#[derive(Debug, Default)]
pub struct Trail {
    heads: HashMap<String, (u64, String)>,
}

impl Trail {
    /// Takes the next entry.
    ///
    /// # Errors
    /// Where it is not an audit entry.
    pub fn read(&mut self, record: &Incoming<'_>) -> serde_json::Result<Entry> {
        let stored = record.value.unwrap_or_default();
        let Parsed { kind, decision_id, seq, prev, chain } = serde_json::from_slice(stored)?;
        let header_hash = String::from_utf8_lossy(record.headers.get("jidoka-hash").unwrap_or_default()).into_owned();
        let place = format!("{}/{} at offset {}", record.topic, record.partition, record.offset);
        let follows = self.follows(&chain);
        let entry = Entry { decision_id, kind, seq, prev, place, stored: stored.to_vec(), header_hash, chain, follows };
        self.heads.insert(entry.chain.id.clone(), (entry.chain.n, entry.hash()));
        Ok(entry)
    }

    /// A mock broker also shows what was aborted, and the same numbers come once more; that is not held against the chain.
    fn follows(&self, link: &Link) -> Follows {
        match (self.heads.get(&link.id), &link.prev) {
            (_, None) if link.n == 0 => Follows::First,
            (None, Some(_)) => Follows::Unseen,
            (Some((n, _)), _) if link.n <= *n => Follows::Unseen,
            (Some((n, hash)), Some(prev)) if link.n == n + 1 && prev == hash => Follows::Yes,
            _ => Follows::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::AppendTimeType;
    use crate::stream::record::IncomingHeaders;

    fn read(trail: &mut Trail, value: &str, header: &str) -> Entry {
        let headers = [("jidoka-hash", Some(header.as_bytes()))];
        let record = Incoming {
            topic: "audit",
            partition: 0,
            offset: 7,
            appended_at: None,
            appended_at_type: AppendTimeType::None,
            key: None,
            value: Some(value.as_bytes()),
            headers: IncomingHeaders::Plain(&headers),
        };
        trail.read(&record).expect("an entry")
    }

    fn entry(n: u64, prev: &str) -> String {
        format!(r#"{{"decision_id":"d{n}","kind":"DECIDED","chain":{{"id":"gate/s/0","n":{n},"prev":{prev}}}}}"#)
    }

    #[test]
    fn links_are_held_against_what_was_read() {
        let mut trail = Trail::default();
        let first = read(&mut trail, &entry(0, "null"), "");
        assert_eq!((first.follows, first.is_as_written()), (Follows::First, false));
        let text = entry(1, &format!("{:?}", first.hash()));
        let hash = String::from_utf8(entry_hash(text.as_bytes()).hex().to_vec()).expect("hex");
        let second = read(&mut trail, &text, &hash);
        assert_eq!((second.follows, second.is_as_written()), (Follows::Yes, true));
        assert_eq!(read(&mut trail, &text, &hash).follows, Follows::Unseen);
        assert_eq!(read(&mut trail, &entry(2, "\"00\""), "").follows, Follows::No, "another hash");
        let last = read(&mut trail, &entry(9, "\"00\""), "");
        assert_eq!((last.follows, last.place.as_str()), (Follows::No, "audit/0 at offset 7"), "entries are missing");
    }
}
