//! How far an input partition is decided, and how far a lane's verdicts are applied: the records that say where to go on,
//! whatever happened to offsets or memory.
//!
//! `batch decided → `[`Progress::write`]` → (the same transaction) → progress topic → `[`Progress::read`]` → where a gate goes on`

use serde::Deserialize;

use crate::audit::ChainHead;
use crate::identity::{Hash, Lane, Timestamp};
use crate::json::{ObjectWriter, object};
use crate::record;

/// The value of a `progress` record, key `<source>/<partition>`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The last offset that was decided, or skipped by a GAP entry; −1 before the first.
    pub decided_through: i64,
    /// Hash of the record at that offset, by which a re-created topic is noticed; none where it was skipped.
    pub sha256: Option<Hash>,
    /// Its append time.
    pub appended_at: Option<Timestamp>,
    /// The last entry of this partition's chain; none before the first.
    pub chain: Option<ChainHead>,
    /// How many partitions the source had when it was first started: a later one starts at its beginning.
    pub partitions_at_start: i32,
    /// The first offset that the dedup window may reach back to: what lies before was skipped by a GAP entry, so nothing can
    /// be a duplicate of it.
    pub window_from: i64,
}

/// The key of a partition's progress record.
#[must_use]
pub fn key(source: &str, partition: i32) -> String {
    format!("{source}/{partition}")
}

impl Progress {
    /// Where a partition stands of which nothing is decided: reading begins at offset `start`, and its topic has so many
    /// partitions.
    #[must_use]
    pub const fn beginning(start: i64, partitions: i32) -> Self {
        Self {
            decided_through: start - 1,
            sha256: None,
            appended_at: None,
            chain: None,
            partitions_at_start: partitions,
            window_from: start,
        }
    }

    /// Writes the record's value into `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        object(out, |progress| {
            progress.integer("decided_through", self.decided_through);
            match self.sha256 {
                Some(hash) => progress.word("sha256", &hash.hex()),
                None => progress.raw("sha256", None),
            }
            record::time(progress, "appended_at", self.appended_at);
            chain_member(progress, self.chain);
            progress.integer("partitions_at_start", i64::from(self.partitions_at_start));
            progress.integer("window_from", self.window_from);
        });
    }

    /// Reads a record's value.
    ///
    /// # Errors
    /// With a sentence where it is no progress record: somebody else wrote to the topic.
    pub fn read(value: &[u8]) -> Result<Self, String> {
        let wire: Wire = serde_json::from_slice(value).map_err(|error| error.to_string())?;
        Ok(Self {
            decided_through: wire.decided_through,
            sha256: wire.sha256.as_deref().map(hash_of).transpose()?,
            appended_at: wire.appended_at.as_deref().map(time_of).transpose()?,
            chain: wire.chain.map(WireHead::head).transpose()?,
            partitions_at_start: wire.partitions_at_start,
            window_from: wire.window_from,
        })
    }
}

/// How far the verdicts of a lane are applied: the value of a `progress` record, key `sidecar/lane/<k>`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LaneProgress {
    /// The last offset of the lane's verdicts that was applied, or skipped by a GAP entry; −1 before the first.
    pub applied_through: i64,
    /// Hash of the record at that offset, by which a re-created topic is noticed; none where it was skipped.
    pub sha256: Option<Hash>,
    /// Its append time.
    pub appended_at: Option<Timestamp>,
    /// The last entry of the lane's chain; none before the first.
    pub chain: Option<ChainHead>,
    /// The lane's time, which never goes back: the `at` of its last entry; none before the first.
    pub at: Option<Timestamp>,
}

/// The key of a lane's progress record. No source's key is like it: the name of a source has no `/`.
#[must_use]
pub fn lane_key(lane: Lane) -> String {
    format!("sidecar/lane/{}", lane.0)
}

impl LaneProgress {
    /// Where a lane stands of whose verdicts nothing is applied, and whose log begins at offset `start`.
    #[must_use]
    pub const fn beginning(start: i64) -> Self {
        Self { applied_through: start - 1, sha256: None, appended_at: None, chain: None, at: None }
    }

    /// Writes the record's value into `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        object(out, |progress| {
            progress.integer("applied_through", self.applied_through);
            match self.sha256 {
                Some(hash) => progress.word("sha256", &hash.hex()),
                None => progress.raw("sha256", None),
            }
            record::time(progress, "appended_at", self.appended_at);
            chain_member(progress, self.chain);
            record::time(progress, "at", self.at);
        });
    }

    /// Reads a record's value.
    ///
    /// # Errors
    /// With a sentence where it is none: somebody else wrote to the topic.
    pub fn read(value: &[u8]) -> Result<Self, String> {
        let wire: WireLane = serde_json::from_slice(value).map_err(|error| error.to_string())?;
        Ok(Self {
            applied_through: wire.applied_through,
            sha256: wire.sha256.as_deref().map(hash_of).transpose()?,
            appended_at: wire.appended_at.as_deref().map(time_of).transpose()?,
            chain: wire.chain.map(WireHead::head).transpose()?,
            at: wire.at.as_deref().map(time_of).transpose()?,
        })
    }
}

fn chain_member(progress: &mut ObjectWriter<'_>, head: Option<ChainHead>) {
    match head {
        Some(head) => progress.object("chain", |chain| {
            chain.integer("n", i64::try_from(head.n).unwrap_or(i64::MAX));
            chain.word("hash", &head.hash.hex());
        }),
        None => progress.raw("chain", None),
    }
}

fn hash_of(text: &str) -> Result<Hash, String> {
    Hash::parse(text).ok_or_else(|| format!("{text:?} is no SHA-256"))
}

fn time_of(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| format!("{text:?} is no time"))
}

#[derive(Deserialize)]
struct WireLane {
    applied_through: i64,
    sha256: Option<String>,
    appended_at: Option<String>,
    chain: Option<WireHead>,
    at: Option<String>,
}

#[derive(Deserialize)]
struct Wire {
    decided_through: i64,
    sha256: Option<String>,
    appended_at: Option<String>,
    chain: Option<WireHead>,
    partitions_at_start: i32,
    window_from: i64,
}

#[derive(Deserialize)]
struct WireHead {
    n: u64,
    hash: String,
}

impl WireHead {
    fn head(self) -> Result<ChainHead, String> {
        Ok(ChainHead { n: self.n, hash: hash_of(&self.hash)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_wrote_and_the_bytes_are_the_contracts() {
        let hash = Hash([0xab; 32]);
        let full = Progress {
            decided_through: 41,
            sha256: Some(hash),
            appended_at: Some(Timestamp(1_767_610_001_187)),
            chain: Some(ChainHead { n: 40, hash }),
            partitions_at_start: 6,
            window_from: 3,
        };
        let empty = Progress::beginning(0, 1);
        for progress in [full, empty] {
            let mut out = Vec::new();
            progress.write(&mut out);
            assert_eq!(Progress::read(&out), Ok(progress));
        }
        let mut out = Vec::new();
        full.write(&mut out);
        let digits = "ab".repeat(32);
        let golden = format!(
            r#"{{"decided_through":41,"sha256":"{digits}","appended_at":"2026-01-05T10:46:41.187Z","chain":{{"n":40,"hash":"{digits}"}},"partitions_at_start":6,"window_from":3}}"#
        );
        assert_eq!(String::from_utf8(out).expect("text"), golden);
    }

    #[test]
    fn a_lane_reads_what_it_wrote_and_the_bytes_are_the_contracts() {
        let hash = Hash([0xab; 32]);
        let at = Some(Timestamp(1_767_610_001_187));
        let full =
            LaneProgress { applied_through: 7, sha256: Some(hash), appended_at: at, chain: Some(ChainHead { n: 11, hash }), at };
        for progress in [full, LaneProgress::beginning(0)] {
            let mut out = Vec::new();
            progress.write(&mut out);
            assert_eq!(LaneProgress::read(&out), Ok(progress));
            assert!(Progress::read(&out).is_err(), "neither is taken for the other");
        }
        let mut out = Vec::new();
        full.write(&mut out);
        let (digits, at) = ("ab".repeat(32), "2026-01-05T10:46:41.187Z");
        let golden = format!(
            r#"{{"applied_through":7,"sha256":"{digits}","appended_at":"{at}","chain":{{"n":11,"hash":"{digits}"}},"at":"{at}"}}"#
        );
        assert_eq!(String::from_utf8(out).expect("text"), golden);
        assert_eq!(lane_key(Lane(2)), "sidecar/lane/2");
    }

    #[test]
    fn what_is_no_progress_is_refused() {
        assert!(Progress::read(b"{}").is_err());
        assert!(Progress::read(br#"{"decided_through":1,"sha256":"zz","partitions_at_start":1,"window_from":0}"#).is_err());
    }
}
