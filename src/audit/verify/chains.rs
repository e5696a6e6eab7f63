//! The chains of the writers: each entry names the number and hash of the one that its writer wrote before.

use std::collections::HashMap;

use super::Extent;
use super::entry::{Entry, Input, Kind, Link};
use super::finding::{Damage, Findings, Place};
use super::heads::ExpectedHead;
use crate::identity::DecisionId;

/// A hash as its digits: so it stands in entries, and so it is compared.
pub(super) type Digits = [u8; 64];

/// So many of a chain's last entries are remembered, to tell kinds of damage apart.
const REMEMBERED: usize = 8;

/// The record that is being looked at.
#[derive(Clone, Copy)]
pub(super) struct At<'r> {
    pub line: u64,
    pub topic: &'r str,
    pub partition: i32,
    pub offset: i64,
    pub key: Option<&'r str>,
}

impl At<'_> {
    pub fn place(&self) -> Place {
        Place {
            line: self.line,
            topic: self.topic.to_owned(),
            partition: self.partition,
            offset: self.offset,
            key: self.key.map(str::to_owned),
        }
    }
}

/// A record that was looked at, in few bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Spot {
    line: u64,
    offset: i64,
    trail: Option<(DecisionId, u64)>,
}

/// One of a chain's last entries.
#[derive(Clone, Copy)]
struct Past {
    n: u64,
    hash: Digits,
    prev: Option<Digits>,
    spot: Spot,
}

/// Entries that are missing where others already came.
struct Missing {
    from: u64,
    to: u64,
    place: Place,
}

/// An entry that does not name the one before it: which of the two is bad, the next one tells.
struct Suspect {
    own: Past,
    before: Option<Past>,
}

struct Chain {
    id: String,
    partition: i32,
    next: u64,
    past: [Option<Past>; REMEMBERED],
    newest: usize,
    missing: Vec<Missing>,
    suspect: Option<Suspect>,
    input: Option<Coverage>,
    heads: Vec<ExpectedHead>,
    heads_seen: usize,
    agreed: Option<u64>,
}

/// How far a gate's chain covers its input partition.
#[derive(Default)]
struct Coverage {
    next: i64,
    row: Option<u64>,
}

/// Input offsets that no entry is about.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Holes {
    pub count: u64,
    pub offsets: u64,
    pub first: Option<String>,
}

/// All chains of the input.
pub(super) struct Chains {
    extent: Extent,
    all: Vec<Chain>,
    by_id: HashMap<String, usize>,
    last: usize,
    topic: String,
    /// Hashes of entries that were changed so that they could not be put in their place.
    orphans: Vec<Digits>,
    pub holes: Holes,
}

/// What an entry's hash is: as its header says, and as its bytes say.
#[derive(Clone, Copy)]
pub(super) struct Hashes {
    pub named: Digits,
    pub own: Digits,
}

impl Chains {
    pub fn new(extent: Extent, heads: HashMap<String, Vec<ExpectedHead>>) -> Self {
        let mut chains = Self {
            extent,
            all: Vec::new(),
            by_id: HashMap::new(),
            last: 0,
            topic: String::new(),
            orphans: Vec::new(),
            holes: Holes::default(),
        };
        let mut heads: Vec<_> = heads.into_iter().collect();
        heads.sort_by(|one, other| one.0.cmp(&other.0));
        for (id, heads) in heads {
            let index = chains.insert(&id);
            chains.all[index].heads = heads;
        }
        chains
    }

    /// How many chains there are.
    pub fn len(&self) -> usize {
        self.all.iter().filter(|chain| chain.next > 0).count()
    }

    fn insert(&mut self, id: &str) -> usize {
        let index = self.all.len();
        self.all.push(Chain::new(id));
        self.by_id.insert(id.to_owned(), index);
        index
    }

    fn index(&mut self, id: &str) -> usize {
        if self.all.get(self.last).is_none_or(|chain| chain.id != id) {
            self.last = match self.by_id.get(id) {
                Some(index) => *index,
                None => self.insert(id),
            };
        }
        self.last
    }

    /// Takes an entry that is what its header says.
    pub fn take(&mut self, entry: &Entry<'_>, hash: Digits, at: &At<'_>, findings: &mut Findings) {
        if self.topic.is_empty() {
            at.topic.clone_into(&mut self.topic);
        }
        let index = self.index(&entry.chain.id);
        let (extent, topic) = (self.extent, &self.topic);
        let chain = &mut self.all[index];
        if chain.next == 0 {
            chain.partition = at.partition;
        } else if chain.partition != at.partition {
            let (id, home) = (&chain.id, chain.partition);
            let sentence = format!("the chain {id} lies in partition {home} of {}, and this entry of it does not", at.topic);
            findings.add(Damage::Inserted, at.place(), sentence);
            return;
        }
        let trail = entry.decision_id.zip(entry.seq);
        let spot = Spot { line: at.line, offset: at.offset, trail };
        let own = Past { n: entry.chain.n, hash, prev: entry.chain.prev.copied(), spot };
        let mut turn = Turn { chain, topic, at, extent, orphans: &mut self.orphans, findings };
        if turn.link(&own)
            && let Some(input) = entry.input.filter(|_| chain.input.is_some())
        {
            chain.cover(&input, entry, at, extent, &mut self.holes, findings);
        }
    }

    /// Takes an entry whose bytes are not what its header says: if it still stands where it should, its chain goes on after
    /// it, and otherwise the next entry may name it.
    pub fn take_changed(&mut self, link: Option<&Link<'_>>, hashes: Hashes, at: &At<'_>, trail: Option<(DecisionId, u64)>) {
        let known = link.and_then(|link| Some((link, *self.by_id.get(link.id.as_ref())?)));
        if let Some((link, index)) = known {
            let chain = &mut self.all[index];
            if chain.next == link.n && chain.names_last(link.prev) {
                let spot = Spot { line: at.line, offset: at.offset, trail };
                for hash in [hashes.own, hashes.named] {
                    chain.remember(Past { n: link.n, hash, prev: link.prev.copied(), spot });
                }
                chain.partition = at.partition;
                chain.next += 1;
                chain.input = chain.input.take().map(|_| Coverage { next: -1, row: None });
            }
        }
        // It may have been put into another chain than its own.
        self.orphans.extend([hashes.named, hashes.own]);
    }

    /// Everything was read: what is still missing is missing.
    pub fn finish(&mut self, findings: &mut Findings) {
        for chain in &mut self.all {
            if let Some(suspect) = chain.suspect.take() {
                suspect.own_or_before(&self.topic, chain.partition, &chain.id, findings);
            }
            for missing in chain.missing.drain(..) {
                let sentence = missing.sentence(&chain.id);
                findings.add(Damage::Removed, missing.place, sentence);
            }
            if self.extent == Extent::Whole {
                chain.cut_tail(&self.topic, &self.orphans, findings);
            }
        }
    }

    /// The hole that was found first, for a failure.
    pub fn first_hole(&self) -> Option<&str> {
        self.holes.first.as_deref()
    }
}

impl Missing {
    fn sentence(&self, id: &str) -> String {
        let which = if self.from == self.to {
            format!("entry n = {}", self.from)
        } else {
            format!("entries n = {} to {}", self.from, self.to)
        };
        format!(
            "{which} of the chain {id} should stand before this record, and {} missing",
            if self.from == self.to { "is" } else { "are" }
        )
    }
}

impl Suspect {
    /// The end came before it was clear which of the two is bad: the one that this one should name, unless it is none.
    fn own_or_before(self, topic: &str, partition: i32, id: &str, findings: &mut Findings) {
        let (own, n) = (self.own, self.own.n);
        let bad = self.before.unwrap_or(own);
        let sentence = format!(
            "entry n = {n} of the chain {id} names another hash than that of the entry before it: one of the two was replaced, \
             with its hash in the header"
        );
        findings.add(Damage::ChangedByte, bad.spot.place(topic, partition), sentence);
    }
}

impl Spot {
    fn place(&self, topic: &str, partition: i32) -> Place {
        let key = self.trail.map(|(id, seq)| format!("{id}/{seq}"));
        Place { line: self.line, topic: topic.to_owned(), partition, offset: self.offset, key }
    }
}

impl Chain {
    fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            partition: 0,
            next: 0,
            past: [None; REMEMBERED],
            newest: 0,
            missing: Vec::new(),
            suspect: None,
            input: id.starts_with("gate/").then(Coverage::default),
            heads: Vec::new(),
            heads_seen: 0,
            agreed: None,
        }
    }

    #[inline]
    fn remember(&mut self, past: Past) {
        self.newest = (self.newest + 1) % REMEMBERED;
        self.past[self.newest] = Some(past);
    }

    fn pasts(&self) -> impl Iterator<Item = &Past> {
        self.past.iter().flatten()
    }

    /// Whether `prev` is what the next entry must name.
    #[inline]
    fn names_last(&self, prev: Option<&Digits>) -> bool {
        match (self.next, prev) {
            (0, prev) => prev.is_none(),
            (_, None) => false,
            (next, Some(prev)) => {
                // Nearly always the newest; but a changed entry has two hashes, and a fork two ends.
                self.past[self.newest].is_some_and(|past| past.n + 1 == next && past.hash == *prev)
                    || self.pasts().any(|past| past.n + 1 == next && past.hash == *prev)
            }
        }
    }

    fn last(&self) -> Option<Past> {
        self.pasts().filter(|past| past.n + 1 == self.next).copied().next()
    }

    /// Notes what the input says of the offsets up to this entry's.
    fn cover(
        &mut self,
        input: &Input,
        entry: &Entry<'_>,
        at: &At<'_>,
        extent: Extent,
        holes: &mut Holes,
        findings: &mut Findings,
    ) {
        let Some(coverage) = &mut self.input else { return };
        let same_record = coverage.next == input.first + 1 && coverage.row.is_some_and(|row| entry.row > row);
        let row = (entry.kind != Kind::Gap).then_some(entry.row);
        if coverage.next >= 0 && input.first < coverage.next && !same_record {
            let (id, first, next) = (&self.id, input.first, coverage.next);
            let sentence =
                format!("the chain {id} has decided its input up to offset {}, and this entry is about {first}", next - 1);
            findings.add(Damage::InputTwice, at.place(), sentence);
            return;
        }
        if coverage.next >= 0 && input.first > coverage.next && extent == Extent::Whole {
            let (from, to) = (coverage.next, input.first - 1);
            holes.count += 1;
            holes.offsets += (to - from + 1).unsigned_abs();
            holes.first.get_or_insert_with(|| {
                format!(
                    "{} of {}",
                    if from == to { format!("offset {from}") } else { format!("offsets {from} to {to}") },
                    self.id
                )
            });
        }
        *coverage = Coverage { next: input.last + 1, row };
    }

    /// Compares the entry with the heads that were signed of its place.
    #[inline]
    fn meet_heads(&mut self, own: &Past, at: &At<'_>, findings: &mut Findings) {
        while let Some(head) = self.heads.get(self.heads_seen).filter(|head| head.n <= own.n) {
            self.heads_seen += 1;
            if head.n < own.n {
                continue;
            }
            if head.hash == own.hash {
                self.agreed = Some(head.n);
                continue;
            }
            let since = self.agreed.map_or_else(|| "its beginning".to_owned(), |n| format!("n = {n}"));
            let sentence = format!(
                "the head of the chain {}, signed at {}, names another entry n = {}: the chain was written anew somewhere after {since}",
                self.id, head.at, head.n
            );
            findings.add(Damage::Rewritten, at.place(), sentence);
        }
    }

    fn cut_tail(&mut self, topic: &str, orphans: &[Digits], findings: &mut Findings) {
        let beyond = self.heads.get(self.heads_seen..).and_then(<[_]>::last).filter(|head| head.n >= self.next);
        // The last entry may be one that was changed, of which it was told.
        let Some(beyond) = beyond.filter(|head| head.n > self.next || !orphans.contains(&head.hash)) else { return };
        let place = self.last().map_or_else(Place::default, |last| last.spot.place(topic, self.partition));
        let ends = match self.next {
            0 => "has no entry".to_owned(),
            next => format!("ends with n = {}", next - 1),
        };
        let sentence = format!(
            "the chain {} {ends}, and the head signed at {} names n = {}: its tail was cut off",
            self.id, beyond.at, beyond.n
        );
        findings.add(Damage::CutTail, place, sentence);
    }
}

/// One entry on its way into its chain.
struct Turn<'t, 'f> {
    chain: &'t mut Chain,
    topic: &'t str,
    at: &'t At<'t>,
    extent: Extent,
    orphans: &'t mut Vec<Digits>,
    findings: &'f mut Findings,
}

impl Turn<'_, '_> {
    /// Links the entry; whether it goes on where its chain stood.
    #[inline]
    fn link(&mut self, own: &Past) -> bool {
        if own.n < self.chain.next {
            return self.behind(own);
        }
        if own.n > self.chain.next {
            self.ahead(own);
        } else if !self.chain.names_last(own.prev.as_ref()) {
            self.mismatch(own);
        }
        if self.chain.suspect.is_some() {
            self.after_suspect(own);
        }
        self.chain.meet_heads(own, self.at, self.findings);
        self.chain.remember(*own);
        self.chain.next = own.n + 1;
        true
    }

    /// The entry comes too early.
    #[cold]
    fn ahead(&mut self, own: &Past) {
        // What lies between is not known to be missing: it may be the end of a chain that was not chosen.
        self.chain.input = self.chain.input.take().map(|_| Coverage { next: -1, row: None });
        if self.extent == Extent::Partial {
            return;
        }
        let names_orphan = own.prev.and_then(|prev| self.orphans.iter().position(|orphan| *orphan == prev));
        if let Some(orphan) = names_orphan.filter(|_| own.n == self.chain.next + 1) {
            self.orphans.swap_remove(orphan);
            return;
        }
        let missing = Missing { from: self.chain.next, to: own.n - 1, place: self.at.place() };
        self.chain.missing.push(missing);
    }

    /// The entry does not name the one before it.
    #[cold]
    fn mismatch(&mut self, own: &Past) {
        if let Some(suspect) = self.chain.suspect.take() {
            // Neither is that one named by this: both its sides are wrong.
            self.changed(&suspect.own, own.n);
            return;
        }
        let before = self.chain.last();
        self.chain.suspect = Some(Suspect { own: *own, before });
    }

    /// The entry after one that did not name the one before it.
    #[cold]
    fn after_suspect(&mut self, own: &Past) {
        let Some(suspect) = self.chain.suspect.take_if(|suspect| suspect.own.n < own.n) else { return };
        // It is named itself: so the one before it was replaced.
        self.changed(&suspect.before.unwrap_or(suspect.own), suspect.own.n);
    }

    fn changed(&mut self, bad: &Past, by: u64) {
        let sentence = format!(
            "entry n = {by} of the chain {} names another hash than this entry n = {} has: it was replaced, with its hash in the header",
            self.chain.id, bad.n
        );
        self.findings.add(Damage::ChangedByte, bad.spot.place(self.topic, self.chain.partition), sentence);
    }

    /// The number of the entry was there already, or passed over. Never goes on where its chain stood.
    #[cold]
    fn behind(&mut self, own: &Past) -> bool {
        if let Some(place) = self.chain.missing.iter().position(|missing| (missing.from..=missing.to).contains(&own.n)) {
            self.late(own, place);
            return false;
        }
        let (n, id) = (own.n, self.chain.id.clone());
        let replaces =
            |suspect: &Suspect| suspect.own.n == n && own.prev.is_some() && own.prev == suspect.before.map(|before| before.hash);
        if let Some(suspect) = self.chain.suspect.take_if(|suspect| replaces(suspect)) {
            let sentence = format!("this entry n = {n} of the chain {id} names no entry that is there: it was put in");
            self.findings.add(Damage::Inserted, suspect.own.spot.place(self.topic, self.chain.partition), sentence);
            self.chain.remember(*own);
            return false;
        }
        let same = |past: &&Past| past.n == n;
        let (damage, sentence) = if self.chain.pasts().filter(same).any(|past| past.hash == own.hash) {
            (Damage::Inserted, format!("entry n = {n} of the chain {id} stands here a second time"))
        } else if n == 0 || self.chain.pasts().filter(same).any(|past| past.prev == own.prev) || self.continues_fork(own) {
            (Damage::Forked, format!("the chain {id} has another entry n = {n} already, and both follow the same one"))
        } else {
            (Damage::Inserted, format!("the chain {id} has another entry n = {n} already"))
        };
        if damage == Damage::Forked {
            self.chain.remember(*own);
        }
        self.findings.add(damage, self.at.place(), sentence);
        false
    }

    fn continues_fork(&self, own: &Past) -> bool {
        own.prev.is_some_and(|prev| self.chain.pasts().any(|past| past.n + 1 == own.n && past.hash == prev))
    }

    /// An entry that was missing came after all.
    fn late(&mut self, own: &Past, place: usize) {
        let missing = self.chain.missing.swap_remove(place);
        let sentence = format!(
            "this record stands before entry n = {} of the chain {}, which was written before it: they change places",
            own.n, self.chain.id
        );
        let parts = [(missing.from, own.n.wrapping_sub(1)), (own.n + 1, missing.to)];
        for (from, to) in parts.into_iter().filter(|(from, to)| from <= to && (own.n > 0 || *from > own.n)) {
            self.chain.missing.push(Missing { from, to, place: missing.place.clone() });
        }
        self.findings.add(Damage::Swapped, missing.place, sentence);
    }
}
