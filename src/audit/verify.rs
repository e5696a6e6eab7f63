//! Verifying an export: whether what is there is what was written, without Kafka and without trust in whoever exported it.
//!
//! ```text
//! export lines ─→ LineReader ─┬─ audit ─→ entry ─┬→ chains (n, prev, input offsets) ←── signed heads
//!                             │                  └→ trails (seq, prev, states)
//!                             ├─ dispositions ──────→ the last word of each trail
//!                             └─ cases, archive ────→ as each trail left it
//!                                                               └─→ Report: counts, notes, first record of each damage
//! ```
//!
//! Hashes are taken over the bytes as they are stored; nothing is printed anew. The lines of a partition must be in the order
//! of its offsets, and a lane's audit entries before its dispositions and cases, as `jidoka audit export` writes them. Memory
//! is some hundred bytes a decision; no record is kept. What follows from damage that was told is not told again, as far as
//! that can be known: one changed byte is one finding.
//!
//! What cannot be found without signed heads: an end that was cut off, and a chain that was written anew up to its end by
//! somebody who computed all hashes.

mod chains;
mod coverage;
mod entry;
mod finding;
mod heads;
mod leftovers;
mod members;
mod rules;
mod trails;

pub use finding::{Damage, Finding, Place, Report};
pub use heads::Heads;

use std::collections::HashMap;

use self::chains::{At, Chains, Digits, Hashes};
use self::entry::{Entry, Kind};
use self::finding::Findings;
use self::leftovers::{CaseTopic, Presence};
use self::members::Wrong;
use self::trails::Trails;
use crate::audit::entry_hash;
use crate::audit::export::{Line, LineReader};
use crate::identity::DecisionId;

/// How much of what was written is in the input.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Extent {
    /// Everything: chains begin with 0 and have no gaps.
    #[default]
    Whole,
    /// A choice: chains have gaps, and only trails that are whole are looked at.
    Partial,
}

/// What holes in the input's offsets are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum HolesAre {
    /// Counted: the markers of transactions and compaction leave them.
    #[default]
    Normal,
    /// Damage.
    Failures,
}

/// What is verified, and how strictly.
#[derive(Debug, Default)]
pub struct Terms {
    /// How much is in the input.
    pub extent: Extent,
    /// What holes are.
    pub holes: HolesAre,
    /// Signed heads to hold the chains against.
    pub heads: Option<Heads>,
}

/// The topics that are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Topic {
    Audit,
    Dispositions,
    Cases,
    Archive,
    Other,
}

impl Topic {
    fn of(name: &str) -> Self {
        let known =
            [("audit", Self::Audit), ("dispositions", Self::Dispositions), ("cases", Self::Cases), ("archive", Self::Archive)];
        known.into_iter().find(|(suffix, _)| name.ends_with(suffix)).map_or(Self::Other, |(_, topic)| topic)
    }
}

/// A partition of a topic, as far as it was read.
struct Log {
    topic: String,
    kind: Topic,
    partition: i32,
    last: i64,
}

/// What was counted.
#[derive(Default)]
struct Counts {
    lines: u64,
    entries: u64,
    refused: u64,
    gaps: u64,
    other: u64,
}

/// Verifies an export, line by line.
pub struct Verifier {
    reader: LineReader,
    inside: Inside,
}

struct Inside {
    extent: Extent,
    holes: HolesAre,
    findings: Findings,
    notes: Vec<String>,
    counts: Counts,
    heads: Option<u64>,
    chains: Chains,
    trails: Trails,
    presence: Presence,
    logs: Vec<Log>,
    last_log: usize,
    prefixes: HashMap<Topic, String>,
}

impl Verifier {
    /// A verifier that has read nothing.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        let (mut findings, mut notes) = (Findings::default(), Vec::new());
        let count = terms.heads.as_ref().map(Heads::count);
        let heads = terms.heads.map(|heads| heads.into_chains(&mut findings, &mut notes)).unwrap_or_default();
        let inside = Inside {
            extent: terms.extent,
            holes: terms.holes,
            findings,
            notes,
            counts: Counts::default(),
            heads: count,
            chains: Chains::new(terms.extent, heads),
            trails: Trails::new(terms.extent),
            presence: Presence::default(),
            logs: Vec::new(),
            last_log: 0,
            prefixes: HashMap::new(),
        };
        Self { reader: LineReader::default(), inside }
    }

    /// Takes the next line, without its line feed. Empty ones are passed over.
    pub fn line(&mut self, line: &[u8]) {
        self.inside.counts.lines += 1;
        if line.is_empty() {
            return;
        }
        match self.reader.read(line) {
            Ok(line) => self.inside.record(&line),
            Err(why) => self.inside.unreadable(why),
        }
    }

    /// How many lines were taken.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.inside.counts.lines
    }

    /// Everything was read.
    #[must_use]
    pub fn finish(self) -> Report {
        self.inside.finish()
    }
}

impl Inside {
    fn unreadable(&mut self, why: String) {
        let place = Place { line: self.counts.lines, ..Place::default() };
        self.findings.add(Damage::Unreadable, place, why);
    }

    fn record(&mut self, line: &Line<'_>) {
        let topic = self.log(line);
        let at = At { line: self.counts.lines, topic: line.topic, partition: line.partition, offset: line.offset, key: line.key };
        match topic {
            Topic::Audit => self.audit(line, &at),
            Topic::Dispositions => {
                self.presence.dispositions += 1;
                leftovers::disposition(&mut self.trails, line.value, &at, self.extent, &mut self.findings);
            }
            Topic::Cases => {
                self.presence.cases += 1;
                leftovers::case(&mut self.trails, (CaseTopic::Cases, line.value), &at, self.extent, &mut self.findings);
            }
            Topic::Archive => {
                leftovers::case(&mut self.trails, (CaseTopic::Archive, line.value), &at, self.extent, &mut self.findings);
            }
            Topic::Other => self.counts.other += 1,
        }
    }

    /// Which topic a record is of, after its place among the others was looked at.
    #[inline]
    fn log(&mut self, line: &Line<'_>) -> Topic {
        let is_it = |log: &Log| log.partition == line.partition && log.topic == line.topic;
        if !self.logs.get(self.last_log).is_some_and(is_it) {
            self.last_log = match self.logs.iter().position(is_it) {
                Some(index) => index,
                None => self.new_log(line),
            };
        }
        let log = &mut self.logs[self.last_log];
        let (kind, last) = (log.kind, log.last);
        if line.offset <= last && kind != Topic::Other {
            let place = Place {
                line: self.counts.lines,
                topic: line.topic.to_owned(),
                partition: line.partition,
                offset: line.offset,
                key: line.key.map(str::to_owned),
            };
            let sentence = format!("it comes after offset {last} of the same partition");
            self.findings.add(Damage::Swapped, place, sentence);
        }
        log.last = last.max(line.offset);
        kind
    }

    #[cold]
    fn new_log(&mut self, line: &Line<'_>) -> usize {
        let mut kind = Topic::of(line.topic);
        if kind != Topic::Other && self.prefixes.entry(kind).or_insert_with(|| line.topic.to_owned()) != line.topic {
            let note = format!("{} is passed over: {} is in the input already", line.topic, self.prefixes[&kind]);
            self.notes.push(note);
            kind = Topic::Other;
        }
        let has_left = |log: &Log| log.partition == line.partition && !matches!(log.kind, Topic::Audit | Topic::Other);
        if kind == Topic::Audit && self.logs.iter().any(has_left) {
            let why = format!(
                "the audit entries of partition {} come after its dispositions or cases; an export has them before, and only so can they be \
                 compared",
                line.partition
            );
            self.unreadable(why);
        }
        if kind == Topic::Audit {
            line.topic.clone_into(&mut self.trails.topic);
        }
        self.logs.push(Log { topic: line.topic.to_owned(), kind, partition: line.partition, last: -1 });
        self.logs.len() - 1
    }

    fn audit(&mut self, line: &Line<'_>, at: &At<'_>) {
        self.counts.entries += 1;
        let Some(value) = line.value else {
            self.findings.add(Damage::Removed, at.place(), "a tombstone: somebody deleted the entry of this key".to_owned());
            return;
        };
        let own = entry_hash(value).hex();
        let named = line.headers.hash.and_then(|hash| <&Digits>::try_from(hash.as_bytes()).ok());
        if named != Some(&own) {
            self.changed(line, (value, own, named.copied()), at);
            return;
        }
        match Entry::read(value) {
            Ok(entry) => self.entry(&entry, own, line, at),
            Err(Wrong(why)) => self.findings.add(Damage::Unreadable, at.place(), format!("the entry cannot be read: {why}")),
        }
    }

    fn entry(&mut self, entry: &Entry<'_>, hash: Digits, line: &Line<'_>, at: &At<'_>) {
        match entry.kind {
            Kind::Refused => self.counts.refused += 1,
            Kind::Gap => self.counts.gaps += 1,
            _ => {}
        }
        if let Some(sentence) = wrong_frame(entry, line) {
            self.findings.add(Damage::ChangedByte, at.place(), sentence);
        }
        self.chains.take(entry, hash, at, &mut self.findings);
        self.trails.take(entry, hash, at, &mut self.findings);
    }

    /// An entry whose bytes do not have the hash of its header.
    #[cold]
    fn changed(&mut self, line: &Line<'_>, (value, own, named): (&[u8], Digits, Option<Digits>), at: &At<'_>) {
        let sentence = match line.headers.hash {
            None => "it has no header jidoka-hash".to_owned(),
            Some(named) => {
                let own = std::str::from_utf8(&own).unwrap_or_default();
                format!("its bytes have the hash {own}, and its header jidoka-hash says {named}")
            }
        };
        self.findings.add(Damage::ChangedByte, at.place(), sentence);
        let trail = at.key.and_then(|key| {
            let (id, seq) = key.split_once('/')?;
            Some((DecisionId::parse(id)?, seq.parse().ok()?))
        });
        let entry = Entry::read(value).ok();
        let hashes = Hashes { own, named: named.unwrap_or(own) };
        self.chains.take_changed(entry.as_ref().map(|entry| &entry.chain), hashes, at, trail);
        if let Some((id, seq)) = trail {
            self.trails.take_changed(id, seq, hashes.named, at);
        }
    }

    fn finish(mut self) -> Report {
        self.chains.finish(&mut self.findings);
        self.trails.finish(&mut self.findings);
        if self.extent == Extent::Whole {
            leftovers::finish(&self.trails, self.presence, &mut self.findings);
        }
        // Where lines could not be read, the first of them says more.
        if self.counts.entries == 0 && !self.findings.has(Damage::Unreadable) {
            self.counts.lines = 0;
            self.unreadable("there is no audit entry in the input".to_owned());
        }
        if let Some(first) = self.chains.first_hole().filter(|_| self.holes == HolesAre::Failures) {
            let sentence = format!("{first} was never decided, the first of {} such holes", self.chains.holes.count);
            self.findings.add(Damage::Hole, Place::default(), sentence);
        }
        self.add_notes();
        let counts = self.counted();
        Report { counts, notes: self.notes, findings: self.findings.into_list() }
    }

    fn add_notes(&mut self) {
        if let Some(first) = self.chains.first_hole().filter(|_| self.holes == HolesAre::Normal) {
            let holes = &self.chains.holes;
            let note = format!(
                "{} input offsets in {} holes have no entry, first {first}: markers of transactions, or records that compaction removed",
                holes.offsets, holes.count
            );
            self.notes.push(note);
        }
        if self.presence.dispositions == 0 && self.counts.entries > 0 {
            self.notes.push("no dispositions are in the input: they were not compared".to_owned());
        }
        if self.presence.cases == 0 && self.trails.open() > 0 {
            self.notes.push("no cases are in the input: they were not compared".to_owned());
        }
        if self.counts.other > 0 {
            self.notes.push(format!("{} records of other topics were passed over", self.counts.other));
        }
        match (self.extent, self.heads) {
            (Extent::Partial, _) => self.notes.push("partial: what is missing was not looked for".to_owned()),
            (Extent::Whole, None) => {
                self.notes.push("without signed heads, a cut end or a chain that was written anew is not noticed".to_owned());
            }
            (Extent::Whole, Some(_)) => {}
        }
    }

    fn counted(&self) -> Vec<(&'static str, u64)> {
        let number = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
        let decisions = number(self.trails.len()) - self.trails.duplicates;
        vec![
            ("entries", self.counts.entries),
            ("chains", number(self.chains.len())),
            ("decisions", decisions),
            ("released", self.trails.released),
            ("open", self.trails.open()),
            ("duplicates", self.trails.duplicates),
            ("refused", self.counts.refused),
            ("gaps", self.counts.gaps),
            ("holes", self.chains.holes.count),
            ("dispositions", self.presence.dispositions),
            ("cases", self.presence.cases),
            ("heads", self.heads.unwrap_or(0)),
        ]
    }
}

/// What of a record's key and headers is not as its entry says: they are not hashed, but keys decide what compaction keeps.
fn wrong_frame(entry: &Entry<'_>, line: &Line<'_>) -> Option<String> {
    let key = line.key.unwrap_or_default();
    let (headers, id) = (&line.headers, entry.decision_id);
    if headers.kind.is_some_and(|kind| kind != entry.word) {
        return Some(format!("its header jidoka-kind is not its kind, {}", entry.word));
    }
    if headers.decision_id.is_some() && headers.decision_id.and_then(DecisionId::parse) != id {
        return Some("its header jidoka-decision-id is not its decision_id".to_owned());
    }
    let is_right = match entry.kind {
        Kind::Decided | Kind::Duplicate | Kind::Move(_) => is_trail_key(key, id, entry.seq),
        Kind::Refused => entry.verdict.is_some_and(|(partition, offset)| key == format!("refused/{partition}/{offset}")),
        Kind::Gap => is_gap_key(key, entry),
        Kind::Incident => key.starts_with("incident/"),
    };
    (!is_right).then(|| "its key is not that of its entry".to_owned())
}

/// Whether `key` is `<decision_id>/<seq>`.
#[inline]
fn is_trail_key(key: &str, id: Option<DecisionId>, seq: Option<u64>) -> bool {
    let (Some(id), Some(seq)) = (id, seq) else { return false };
    let (Some(first), Some(rest)) = (key.as_bytes().first_chunk::<32>(), key.get(33..)) else { return false };
    *first == id.hex() && key.as_bytes()[32] == b'/' && rest == itoa::Buffer::new().format(seq)
}

fn is_gap_key(key: &str, entry: &Entry<'_>) -> bool {
    let Some(input) = entry.input else { return false };
    let end = format!("/{}/{}", input.partition, input.first);
    let name = key.strip_prefix("gap/").and_then(|rest| rest.strip_suffix(&end));
    // A gate's names its source, a sidecar's the topic of verdicts.
    name.is_some_and(|name| !entry.chain.id.starts_with("gate/") || Some(name) == entry.source.as_deref())
}

#[cfg(test)]
mod tests;
