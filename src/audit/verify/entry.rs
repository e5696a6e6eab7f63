//! What verifying needs of an audit entry.

use std::borrow::Cow;

use super::members::{Read, Seen, Wrong, count, decision_id, hash, members, offset, text, time};
use crate::case::Kind as Move;
use crate::identity::{DecisionId, Hash, RecordId};

/// The kind of an entry, as far as verifying treats them differently.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Decided,
    Duplicate,
    /// One of the sidecar's, about a case.
    Move(Move),
    Gap,
    Refused,
    Incident,
}

impl Kind {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "DECIDED" => Self::Decided,
            "DUPLICATE" => Self::Duplicate,
            "GAP" => Self::Gap,
            "REFUSED" => Self::Refused,
            "INCIDENT_OPENED" | "INCIDENT_ACKNOWLEDGED" | "INCIDENT_CLOSED" => Self::Incident,
            word => Self::Move(Move::parse(word)?),
        })
    }
}

/// An entry's place in its writer's chain.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Link<'v> {
    pub id: Cow<'v, str>,
    pub n: u64,
    pub prev: Option<&'v [u8; 64]>,
}

/// The input that an entry is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Input {
    pub partition: u64,
    /// A record's offset; of a gap, the first.
    pub first: i64,
    pub last: i64,
    pub appended_at_ms: i64,
}

/// An entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Entry<'v> {
    pub kind: Kind,
    pub word: Cow<'v, str>,
    pub decision_id: Option<DecisionId>,
    pub seq: Option<u64>,
    pub prev: Option<&'v [u8; 64]>,
    pub chain: Link<'v>,
    pub source: Option<Cow<'v, str>>,
    pub event_id: Option<Cow<'v, str>>,
    pub row: u64,
    pub input: Option<Input>,
    pub outcome: Option<Cow<'v, str>>,
    pub state: Option<Cow<'v, str>>,
    pub previous_state: Option<Cow<'v, str>>,
    pub verdict: Option<(u64, i64)>,
}

impl<'v> Entry<'v> {
    /// Reads the bytes of an entry, and checks that all that its kind must have is there.
    pub fn read(value: &'v [u8]) -> Read<Self> {
        if std::str::from_utf8(value).is_err() {
            return Err(Wrong("it is not UTF-8 text"));
        }
        let mut raw = Raw::default();
        let mut seen = Seen::default();
        members(value, |name, value| {
            let (number, slot) = match name {
                b"decision_id" => (0, &mut raw.decision_id),
                b"seq" => (1, &mut raw.seq),
                b"kind" => (2, &mut raw.kind),
                b"prev" => (3, &mut raw.prev),
                b"chain" => (4, &mut raw.chain),
                b"source" => (5, &mut raw.source),
                b"event_id" => (6, &mut raw.event_id),
                b"row" => (7, &mut raw.row),
                b"input" => (8, &mut raw.input),
                b"outcome" => (9, &mut raw.outcome),
                b"state" => (10, &mut raw.state),
                b"previous_state" => (11, &mut raw.previous_state),
                b"verdict" => (12, &mut raw.verdict),
                _ => return Ok(()),
            };
            *slot = value;
            seen.once(number)
        })?;
        raw.entry()
    }

    /// The record that a decision or duplicate is about: what its id is made of.
    pub fn record_id(&self) -> Option<RecordId<'_>> {
        let (input, source) = (self.input?, self.source.as_deref()?);
        Some(RecordId {
            source,
            partition: i32::try_from(input.partition).ok()?,
            offset: input.first,
            appended_at_ms: input.appended_at_ms,
            row: u32::try_from(self.row).ok()?,
        })
    }

    /// What a disposition and a case must repeat of the event, in eight bytes.
    pub fn origin(&self) -> u64 {
        origin(self.event_id.as_deref(), self.source.as_deref(), self.row)
    }
}

/// Event id, source and row, in eight bytes of a SHA-256.
pub(super) fn origin(event_id: Option<&str>, source: Option<&str>, row: u64) -> u64 {
    let mut bytes = Vec::with_capacity(128);
    for text in [event_id, source] {
        bytes.extend_from_slice(text.unwrap_or("\u{1}").as_bytes());
        bytes.push(0);
    }
    bytes.extend_from_slice(&row.to_be_bytes());
    let hash = Hash::of(&bytes).0;
    u64::from_be_bytes(*hash.first_chunk().expect("a hash has 32 bytes"))
}

/// The members as they stand there, each `null` until it was found.
struct Raw<'v> {
    decision_id: &'v [u8],
    seq: &'v [u8],
    kind: &'v [u8],
    prev: &'v [u8],
    chain: &'v [u8],
    source: &'v [u8],
    event_id: &'v [u8],
    row: &'v [u8],
    input: &'v [u8],
    outcome: &'v [u8],
    state: &'v [u8],
    previous_state: &'v [u8],
    verdict: &'v [u8],
}

impl Default for Raw<'_> {
    fn default() -> Self {
        let null = &b"null"[..];
        Self {
            decision_id: null,
            seq: null,
            kind: null,
            prev: null,
            chain: null,
            source: null,
            event_id: null,
            row: null,
            input: null,
            outcome: null,
            state: null,
            previous_state: null,
            verdict: null,
        }
    }
}

impl<'v> Raw<'v> {
    fn entry(&self) -> Read<Entry<'v>> {
        let word = text(self.kind)?.ok_or(Wrong("it has no `kind`"))?;
        let kind = Kind::of(&word).ok_or(Wrong("its `kind` is unknown"))?;
        let entry = Entry {
            kind,
            word,
            decision_id: decision_id(self.decision_id)?,
            seq: count(self.seq)?,
            prev: hash(self.prev)?,
            chain: link(self.chain)?,
            source: text(self.source)?,
            event_id: text(self.event_id)?,
            row: count(self.row)?.unwrap_or(0),
            input: if self.input == b"null" { None } else { Some(input(self.input, kind)?) },
            outcome: text(self.outcome)?,
            state: text(self.state)?,
            previous_state: text(self.previous_state)?,
            verdict: if self.verdict == b"null" { None } else { Some(verdict(self.verdict)?) },
        };
        entry.complete()
    }
}

impl Entry<'_> {
    fn complete(self) -> Read<Self> {
        let is_complete = match self.kind {
            Kind::Decided => self.outcome.is_some() && self.is_about_input(),
            Kind::Duplicate => self.is_about_input(),
            Kind::Move(_) => {
                self.decision_id.is_some() && self.seq.is_some() && self.state.is_some() && self.previous_state.is_some()
            }
            Kind::Gap => self.input.is_some() && self.source.is_some(),
            Kind::Refused => self.verdict.is_some(),
            Kind::Incident => true,
        };
        if is_complete { Ok(self) } else { Err(Wrong("a member that its kind must have is missing")) }
    }

    fn is_about_input(&self) -> bool {
        self.decision_id.is_some() && self.seq.is_some() && self.input.is_some() && self.source.is_some()
    }
}

fn link(json: &[u8]) -> Read<Link<'_>> {
    let (mut id, mut n, mut prev, mut seen) = (None, None, None, Seen::default());
    if json == b"null" {
        return Err(Wrong("it has no `chain`"));
    }
    members(json, |name, value| match name {
        b"id" => text(value).map(|found| id = found).and_then(|()| seen.once(0)),
        b"n" => count(value).map(|found| n = found).and_then(|()| seen.once(1)),
        b"prev" => hash(value).map(|found| prev = found).and_then(|()| seen.once(2)),
        _ => Ok(()),
    })?;
    match (id, n) {
        (Some(id), Some(n)) => Ok(Link { id, n, prev }),
        _ => Err(Wrong("its `chain` lacks `id` or `n`")),
    }
}

fn input(json: &[u8], kind: Kind) -> Read<Input> {
    let (mut partition, mut at, mut first, mut last) = (None, None, None, None);
    let (mut appended_at, mut seen) = (None, Seen::default());
    members(json, |name, value| match name {
        b"partition" => count(value).map(|found| partition = found).and_then(|()| seen.once(0)),
        b"offset" => offset(value).map(|found| at = found).and_then(|()| seen.once(1)),
        b"appended_at" => time(value).map(|found| appended_at = found).and_then(|()| seen.once(2)),
        b"first_offset" => offset(value).map(|found| first = found).and_then(|()| seen.once(3)),
        b"last_offset" => offset(value).map(|found| last = found).and_then(|()| seen.once(4)),
        _ => Ok(()),
    })?;
    let (first, last) = if kind == Kind::Gap { (first, last) } else { (at, at) };
    match (partition, first, last) {
        (Some(partition), Some(first), Some(last)) => {
            Ok(Input { partition, first, last, appended_at_ms: appended_at.map_or(0, |time| time.0) })
        }
        _ => Err(Wrong("its `input` lacks partition or offset")),
    }
}

fn verdict(json: &[u8]) -> Read<(u64, i64)> {
    let (mut partition, mut at, mut seen) = (None, None, Seen::default());
    members(json, |name, value| match name {
        b"partition" => count(value).map(|found| partition = found).and_then(|()| seen.once(0)),
        b"offset" => offset(value).map(|found| at = found).and_then(|()| seen.once(1)),
        _ => Ok(()),
    })?;
    partition.zip(at).ok_or(Wrong("its `verdict` lacks partition or offset"))
}
