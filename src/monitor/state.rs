//! The value of a `state/<policy>` record: where the fold of a policy stands.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::audit::ChainHead;
use crate::identity::{Hash, Timestamp};
use crate::json::object;

/// See the module.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct StateRecord {
    /// The tallies below this offset are folded.
    pub next: i64,
    /// What a late label may still be joined to: the tallies from this offset on, the first event of which comes after this
    /// number.
    pub recall: (i64, u64),
    /// The last entry of the policy's chain.
    pub chain: Option<ChainHead>,
    /// When that was.
    pub at: Option<Timestamp>,
    /// Open incidents: their last entry's number and hash.
    pub open: Vec<(String, u64, Hash)>,
    /// Incidents that are over and still in `signals`, oldest first.
    pub over: Vec<String>,
    /// The policy was not loaded: what came after `next` was passed over, and is not to be folded when it is loaded again.
    pub asleep: bool,
    /// The statistics ([`crate::watch::Watch::snapshot`]).
    pub watch: Vec<u8>,
}

#[derive(Deserialize)]
struct Wire<'v> {
    next: i64,
    recall_from: i64,
    recall_after: u64,
    chain: Option<WireHead>,
    at: Option<String>,
    open: Vec<(String, u64, String)>,
    over: Vec<String>,
    #[serde(default)]
    asleep: bool,
    #[serde(borrow)]
    watch: &'v RawValue,
}

#[derive(Deserialize)]
struct WireHead {
    n: u64,
    hash: String,
}

impl StateRecord {
    /// Writes the record's value into `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let open: Vec<_> = self.open.iter().map(|(id, seq, hash)| (id, seq, hash.to_string())).collect();
        let open = serde_json::to_vec(&open).expect("texts and numbers are JSON");
        object(out, |state| {
            state.integer("next", self.next);
            state.integer("recall_from", self.recall.0);
            state.integer("recall_after", i64::try_from(self.recall.1).unwrap_or(i64::MAX));
            match self.chain {
                Some(head) => state.object("chain", |chain| {
                    chain.integer("n", i64::try_from(head.n).unwrap_or(i64::MAX));
                    chain.word("hash", &head.hash.hex());
                }),
                None => state.raw("chain", None),
            }
            match self.at {
                Some(at) => state.word("at", &at.rfc3339()),
                None => state.raw("at", None),
            }
            state.raw("open", Some(open.as_slice()));
            state.texts("over", self.over.iter().map(String::as_str));
            state.truth("asleep", self.asleep);
            state.raw("watch", Some(self.watch.as_slice()));
        });
    }

    /// Reads the record's value.
    ///
    /// # Errors
    /// With a sentence where it is none.
    pub fn read(value: &[u8]) -> Result<Self, String> {
        let wire: Wire<'_> = serde_json::from_slice(value).map_err(|error| error.to_string())?;
        let hash = |text: &str| Hash::parse(text).ok_or_else(|| format!("{text:?} is no SHA-256"));
        let head = |head: WireHead| Ok::<_, String>(ChainHead { n: head.n, hash: hash(&head.hash)? });
        Ok(Self {
            next: wire.next,
            recall: (wire.recall_from, wire.recall_after),
            chain: wire.chain.map(head).transpose()?,
            at: wire.at.as_deref().and_then(Timestamp::parse),
            open: wire.open.into_iter().map(|(id, seq, text)| Ok((id, seq, hash(&text)?))).collect::<Result<_, String>>()?,
            over: wire.over,
            asleep: wire.asleep,
            watch: wire.watch.get().as_bytes().to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let state = StateRecord {
            next: 41,
            recall: (7, 1_000),
            chain: Some(ChainHead { n: 3, hash: Hash::of(b"three") }),
            at: Timestamp::parse("2026-01-05T10:46:41.187Z"),
            open: vec![("00aa".to_owned(), 2, Hash::of(b"two"))],
            over: vec!["00bb".to_owned()],
            asleep: true,
            watch: br#"{"version":1}"#.to_vec(),
        };
        let mut value = Vec::new();
        state.write(&mut value);
        assert_eq!(StateRecord::read(&value), Ok(state));
        assert!(StateRecord::read(b"{}").is_err());
    }
}
