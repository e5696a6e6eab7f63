//! Tallies: what the monitor needs of each event, written by gates in the transaction of the decisions.
//!
//! `decisions of a turn, by policy → `[`TallyWriter`]` → tallies topic → `[`TallyRecord::read`]` → the monitor's fold`
//!
//! The value of a record is one JSON object. What there is of each event stands in it packed, as base64 of so many bytes an
//! event, because there are as many of them as there are events:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | the event: the first bytes of the hash by which duplicates are noticed, that of (row, event id) |
//! | 4 | the features: a hash by which identical ones are noticed; 0 where the policy has no profile of them |
//! | 1 | flags: 1 held by the capacity, 2 says nothing about the capacity, 4 unlike the training data, 8 adverse, 16 favourable |
//! | 4 | anomaly score S, a little-endian float; NaN for none |
//! | 4 | priority P, 0–1, likewise |
//! | a | a protected level's code for each attribute of the profile's baseline |
//! | m | a bin's code for each measure of that baseline |

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::identity::Hash;
use crate::json::object;

/// Bytes of an event before its codes.
const FIXED: usize = 21;
/// A record of more bytes an event is refused.
const CODES_MAX: usize = 4_096;

const HELD: u8 = 1;
const MANDATORY: u8 = 2;
const FLAGGED: u8 = 4;
const ADVERSE: u8 = 8;
const FAVOURABLE: u8 = 16;

/// What an event is remembered by: eight bytes of a hash of its id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EventHash(pub [u8; 8]);

impl EventHash {
    /// That of the event with this id: the first eight bytes of SHA-256(row 0 as four bytes, event id), as duplicates are
    /// noticed by.
    #[must_use]
    pub fn of(event_id: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(0_u32.to_be_bytes());
        hasher.update(event_id.as_bytes());
        let hash: [u8; 32] = hasher.finalize().into();
        Self(*hash.first_chunk().expect("a hash has 32 bytes"))
    }

    /// A number from 0 to below 1, evenly distributed over events and the same at every replay.
    #[must_use]
    pub fn draw(self) -> f64 {
        (u64::from_be_bytes(self.0) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What the statistics need of one event.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct EventTally<'a> {
    /// The event.
    pub event: EventHash,
    /// Hash of its features; 0 for none.
    pub vector: u32,
    /// It was held because it is among the riskiest share.
    pub held: bool,
    /// It says nothing about the capacity: it was held whatever that is (a mandatory hit, a sample, a built-in finding, an error or
    /// timeout), or no threshold was asked.
    pub mandatory: bool,
    /// The anomaly trigger was a hit.
    pub flagged: bool,
    /// Whether the prediction is favourable for the subject; none where that cannot be told.
    pub favourable: Option<bool>,
    /// Anomaly score S.
    pub score: Option<f32>,
    /// Priority P, 0–1.
    pub priority: f32,
    /// Codes of the protected levels, in the order of the baseline's attributes.
    pub levels: &'a [u8],
    /// Codes of the bins, in the order of the baseline's measures.
    pub bins: &'a [u8],
}

/// Gathers one policy's events of a transaction. Its buffers are used again.
#[derive(Debug, Default)]
pub struct TallyWriter {
    packed: Vec<u8>,
    text: String,
    events: u64,
}

/// What all events of a record have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TallyOf<'a> {
    /// Name of the policy.
    pub policy: &'a str,
    /// Its hash, which covers its profile.
    pub policy_hash: Hash,
    /// Configured name of the input.
    pub source: &'a str,
    /// Partition of it.
    pub partition: i32,
    /// Offset of the first of these events.
    pub first_offset: i64,
}

impl TallyWriter {
    /// Adds an event.
    pub fn add(&mut self, event: &EventTally<'_>) {
        let flag = |truth: bool, bit: u8| if truth { bit } else { 0 };
        let flags = flag(event.held, HELD)
            | flag(event.mandatory, MANDATORY)
            | flag(event.flagged, FLAGGED)
            | flag(event.favourable == Some(false), ADVERSE)
            | flag(event.favourable == Some(true), FAVOURABLE);
        self.packed.extend_from_slice(&event.event.0);
        self.packed.extend_from_slice(&event.vector.to_le_bytes());
        self.packed.push(flags);
        self.packed.extend_from_slice(&event.score.unwrap_or(f32::NAN).to_le_bytes());
        self.packed.extend_from_slice(&event.priority.to_le_bytes());
        self.packed.extend_from_slice(event.levels);
        self.packed.extend_from_slice(event.bins);
        self.events += 1;
    }

    /// How many events it has.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Bytes that its record's value will have, about.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.packed.len().div_ceil(3) * 4 + 512
    }

    /// Writes the record's value into `out`, and begins anew.
    pub fn write(&mut self, of: TallyOf<'_>, out: &mut Vec<u8>) {
        self.text.clear();
        STANDARD.encode_string(&self.packed, &mut self.text);
        object(out, |record| {
            record.text("kind", "decisions");
            record.text("policy", of.policy);
            record.word("policy_hash", &of.policy_hash.hex());
            record.text("source", of.source);
            record.integer("partition", i64::from(of.partition));
            record.integer("first_offset", of.first_offset);
            record.integer("count", i64::try_from(self.events).unwrap_or(i64::MAX));
            record.text("events", self.text.as_str());
        });
        self.clear();
    }

    /// Forgets what was added.
    pub fn clear(&mut self) {
        self.packed.clear();
        self.events = 0;
    }
}

/// A record of the tallies topic.
#[derive(Clone, PartialEq, Debug)]
pub enum TallyRecord {
    /// Decisions of one transaction under one policy.
    Decisions(Tally),
    /// The truth about an event, which came late.
    Outcome(Outcome),
}

/// See [`TallyRecord::Decisions`].
#[derive(Clone, PartialEq, Debug)]
pub struct Tally {
    /// Name of the policy.
    pub policy: String,
    /// Its hash, which covers its profile.
    pub policy_hash: Hash,
    /// Configured name of the input.
    pub source: String,
    /// Partition of it.
    pub partition: i32,
    /// Offset of the first of these events.
    pub first_offset: i64,
    count: usize,
    packed: Vec<u8>,
}

/// The truth about an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The event.
    pub event: EventHash,
    /// What turned out.
    pub truth: Truth,
}

/// What turned out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Truth {
    /// What was right to decide was favourable for the subject, or not.
    Favourable(bool),
    /// The label that the model should have said; the policy's `adverse` says whether it is favourable.
    Label(String),
}

impl Tally {
    /// The events, of which each has `attributes` levels and `measures` bins; none where the record says otherwise, as it was
    /// written for another profile.
    #[must_use]
    pub fn events(&self, attributes: usize, measures: usize) -> Option<impl ExactSizeIterator<Item = EventTally<'_>>> {
        let width = FIXED + attributes + measures;
        (self.packed.len() == width * self.count)
            .then(|| self.packed.chunks_exact(width).map(move |bytes| event(bytes, attributes)))
    }

    /// How many events there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

fn event(bytes: &[u8], attributes: usize) -> EventTally<'_> {
    let four = |at: usize| <[u8; 4]>::try_from(&bytes[at..at + 4]).expect("four bytes");
    let flags = bytes[12];
    let score = f32::from_le_bytes(four(13));
    EventTally {
        event: EventHash(bytes[..8].try_into().expect("eight bytes")),
        vector: u32::from_le_bytes(four(8)),
        held: flags & HELD != 0,
        mandatory: flags & MANDATORY != 0,
        flagged: flags & FLAGGED != 0,
        favourable: match (flags & ADVERSE != 0, flags & FAVOURABLE != 0) {
            (true, false) => Some(false),
            (false, true) => Some(true),
            _ => None,
        },
        score: (!score.is_nan()).then_some(score),
        priority: f32::from_le_bytes(four(17)),
        levels: &bytes[FIXED..FIXED + attributes],
        bins: &bytes[FIXED + attributes..],
    }
}

impl Outcome {
    /// Writes the record's value into `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut hex = [0; 16];
        crate::identity::write_hex(&self.event.0, &mut hex);
        object(out, |record| {
            record.text("kind", "outcome");
            record.word("event", &hex);
            match &self.truth {
                Truth::Favourable(truth) => record.truth("favourable", *truth),
                Truth::Label(label) => record.text("label", label.as_str()),
            }
        });
    }
}

impl TallyRecord {
    /// Reads a record's value.
    ///
    /// # Errors
    /// With a sentence where it is none: somebody else wrote to the topic.
    pub fn read(value: &[u8]) -> Result<Self, String> {
        match serde_json::from_slice(value).map_err(|error| error.to_string())? {
            Wire::Decisions { policy, policy_hash, source, partition, first_offset, count, events } => {
                let policy_hash = Hash::parse(&policy_hash).ok_or("`policy_hash` is no SHA-256")?;
                let packed = STANDARD.decode(events).map_err(|error| format!("`events`: {error}"))?;
                let widest = FIXED + CODES_MAX;
                let even = if count == 0 { packed.is_empty() } else { packed.len() % count == 0 };
                if !even || packed.len() < FIXED * count || packed.len() > widest.saturating_mul(count) {
                    return Err(format!("`events` has {} bytes, which is not so many for each of {count} events", packed.len()));
                }
                Ok(Self::Decisions(Tally { policy, policy_hash, source, partition, first_offset, count, packed }))
            }
            Wire::Outcome { event, favourable, label } => {
                let event = EventHash(crate::identity::parse_hex(&event).ok_or("`event` is not 16 hex digits")?);
                let truth = match (favourable, label) {
                    (Some(truth), None) => Truth::Favourable(truth),
                    (None, Some(label)) => Truth::Label(label),
                    _ => return Err("an outcome has either `favourable` or `label`".to_owned()),
                };
                Ok(Self::Outcome(Outcome { event, truth }))
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Wire {
    Decisions {
        policy: String,
        policy_hash: String,
        source: String,
        partition: i32,
        first_offset: i64,
        count: usize,
        events: String,
    },
    Outcome {
        event: String,
        favourable: Option<bool>,
        label: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(policy: &str) -> TallyOf<'_> {
        TallyOf { policy, policy_hash: Hash([7; 32]), source: "inference", partition: 3, first_offset: 41 }
    }

    type Drawn = ([u8; 8], u32, [bool; 3], Option<bool>, Option<f32>, f32, ([u8; 3], [u8; 5]));

    fn tally((event, vector, [held, mandatory, flagged], favourable, score, priority, (levels, bins)): &Drawn) -> EventTally<'_> {
        EventTally {
            event: EventHash(*event),
            vector: *vector,
            held: *held,
            mandatory: *mandatory,
            flagged: *flagged,
            favourable: *favourable,
            score: *score,
            priority: *priority,
            levels,
            bins,
        }
    }

    fn drawn() -> impl Strategy<Value = Drawn> {
        let (score, priority) = (prop::option::of(0.0_f32..900.0), 0.0_f32..1.0);
        (any::<[u8; 8]>(), any::<u32>(), any::<[bool; 3]>(), any::<Option<bool>>(), score, priority, any::<([u8; 3], [u8; 5])>())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(events in prop::collection::vec(drawn(), 0..20)) {
            let mut writer = TallyWriter::default();
            for event in &events {
                writer.add(&tally(event));
            }
            let mut out = Vec::new();
            writer.write(of("a \"b\""), &mut out);
            prop_assert_eq!(writer.events(), 0);
            let TallyRecord::Decisions(read) = TallyRecord::read(&out).expect("a tally") else { panic!("another kind") };
            let of = (read.policy.as_str(), read.source.as_str(), read.partition, read.first_offset);
            prop_assert_eq!(of, ("a \"b\"", "inference", 3, 41));
            let again: Vec<EventTally<'_>> = read.events(3, 5).expect("that many codes").collect();
            prop_assert_eq!(again, events.iter().map(tally).collect::<Vec<_>>());
            prop_assert!(events.is_empty() || read.events(3, 4).is_none());
        }

        #[test]
        fn nothing_that_is_read_makes_it_fall(bytes in prop::collection::vec(any::<u8>(), 0..200), count in 0_usize..9) {
            let value = format!(r#"{{"kind":"decisions","policy":"p","policy_hash":"{}","source":"s","partition":0,"first_offset":0,"count":{count},"events":"{}"}}"#,
                "ab".repeat(32), STANDARD.encode(&bytes));
            if let Ok(TallyRecord::Decisions(tally)) = TallyRecord::read(value.as_bytes()) {
                for width in 0..9 {
                    prop_assert!(tally.events(width, 0).is_none_or(|events| events.count() == count));
                }
            }
        }
    }

    #[test]
    fn an_outcome_is_read_and_half_a_one_is_not() {
        for truth in [Truth::Favourable(true), Truth::Label("<=50K".to_owned())] {
            let outcome = Outcome { event: EventHash([9; 8]), truth };
            let mut out = Vec::new();
            outcome.write(&mut out);
            assert_eq!(TallyRecord::read(&out), Ok(TallyRecord::Outcome(outcome)));
        }
        assert!(TallyRecord::read(br#"{"kind":"outcome","event":"0909090909090909"}"#).is_err());
    }
}
