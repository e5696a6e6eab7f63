//! The trails of the decisions: what each entry says of the one before, and what must be left of it in other topics.

use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;

use super::Extent;
use super::chains::{At, Digits};
use super::entry::{Entry, Kind};
use super::finding::{Damage, Findings, Place};
use super::rules::{State, changes_view, is_legal};
use crate::case::Kind as Move;
use crate::identity::DecisionId;

/// What is known of one decision: small, as there is one for each.
pub(super) struct Trail {
    /// Of the last entry: its line, offset and partition.
    line: u64,
    offset: i64,
    partition: i32,
    /// Of the last entry.
    pub seq: u32,
    /// Event id, source and row, in eight bytes.
    pub origin: u64,
    /// Place among the held ones; of no meaning where there is no case.
    held: u32,
    pub state: State,
    /// Damage of it was told: what else is wrong with it follows from that, or is not known.
    pub told: bool,
    pub words: Words,
    pub case: CaseSeen,
}

/// Whether a trail begins with damage.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Sound,
    Damaged,
}

/// Which dispositions were seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Words {
    None,
    Held,
    Final,
}

/// Which record of the case was seen last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CaseSeen {
    None,
    Opened,
    Older,
    Last,
    Tombstone,
}

/// What must be left of a held decision.
pub(super) struct Held {
    /// Hash of the trail's last entry.
    pub hash: Digits,
    /// The last entry that changed what reviewers see.
    pub view: (u32, Digits),
}

/// The bytes of an id are a hash already, but for the first two.
#[derive(Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk() {
            self.0 = u64::from_le_bytes(*last).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    /// The length, which is always the same.
    fn write_usize(&mut self, _: usize) {}
}

/// All trails of the input.
pub(super) struct Trails {
    extent: Extent,
    by_id: HashMap<DecisionId, Trail, BuildHasherDefault<IdHasher>>,
    held: Vec<Held>,
    missing: std::collections::HashMap<DecisionId, (u32, u32, Place)>,
    incidents: std::collections::HashMap<String, (u64, Digits)>,
    pub topic: String,
    pub duplicates: u64,
    pub released: u64,
}

impl Trails {
    pub fn new(extent: Extent) -> Self {
        Self {
            extent,
            by_id: HashMap::default(),
            held: Vec::new(),
            missing: std::collections::HashMap::new(),
            incidents: std::collections::HashMap::new(),
            topic: String::new(),
            duplicates: 0,
            released: 0,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The trail of a decision, and what must be left of it where it was held.
    #[inline]
    pub fn get_mut(&mut self, id: DecisionId) -> Option<(&mut Trail, Option<&Held>)> {
        let trail = self.by_id.get_mut(&id)?;
        let held = if trail.state.has_case() { self.held.get(trail.held as usize) } else { None };
        Some((trail, held))
    }

    /// How many wait for people.
    pub fn open(&self) -> u64 {
        self.by_id.values().map(|trail| u64::from(trail.state.is_open())).sum()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&DecisionId, &Trail)> {
        self.by_id.iter()
    }

    /// Takes an entry that is what its header says.
    pub fn take(&mut self, entry: &Entry<'_>, hash: Digits, at: &At<'_>, findings: &mut Findings) {
        match (entry.kind, entry.decision_id, entry.seq) {
            (Kind::Decided | Kind::Duplicate, Some(id), Some(seq)) => self.begin(id, (entry, seq), hash, at, findings),
            (Kind::Move(a_move), Some(id), Some(seq)) => {
                let Ok(seq) = u32::try_from(seq) else {
                    findings.add(Damage::IllegalTrail, at.place(), format!("no trail has an entry {seq}"));
                    return;
                };
                self.go_on(id, (entry, a_move, seq), hash, at, findings);
            }
            (Kind::Incident, ..) => self.incident(entry, hash, at, findings),
            _ => {}
        }
    }

    fn begin(&mut self, id: DecisionId, (entry, seq): (&Entry<'_>, u64), hash: Digits, at: &At<'_>, findings: &mut Findings) {
        let state = match (entry.kind, entry.outcome.as_deref()) {
            (Kind::Duplicate, _) => State::Duplicate,
            (_, Some("RELEASED")) => State::Released,
            (_, Some("HELD")) => State::Pending,
            _ => {
                findings.add(Damage::IllegalTrail, at.place(), "its outcome is neither RELEASED nor HELD".to_owned());
                return;
            }
        };
        let wrong = if seq != 0 || entry.prev.is_some() {
            Some(format!("{} begins a trail: its seq is 0 and its prev null", entry.word))
        } else if entry.record_id().map(DecisionId::of) != Some(id) {
            Some("its decision_id is not that of its input record".to_owned())
        } else {
            None
        };
        if let Some(sentence) = wrong.as_ref() {
            findings.add(Damage::IllegalTrail, at.place(), sentence.clone());
        }
        if let Some(trail) = self.by_id.get_mut(&id) {
            if self.missing.get(&id).is_some_and(|(from, ..)| *from == 0) {
                let (_, to, place) = self.missing.remove(&id).expect("it was there");
                if to > 0 {
                    self.missing.insert(id, (1, to, place.clone()));
                }
                findings.add(
                    Damage::Swapped,
                    place,
                    format!("this record stands before the entry {id}/0, which begins its trail"),
                );
                return;
            }
            trail.told = true;
            findings.add(Damage::Inserted, at.place(), format!("the decision {id} has an entry 0 already"));
            return;
        }
        match state {
            State::Duplicate => self.duplicates += 1,
            State::Released => self.released += 1,
            _ => {}
        }
        self.insert(id, state, (entry.origin(), hash), at, if wrong.is_some() { Told::Damaged } else { Told::Sound });
    }

    fn insert(&mut self, id: DecisionId, state: State, (origin, hash): (u64, Digits), at: &At<'_>, told: Told) {
        let held = u32::try_from(self.held.len()).unwrap_or(u32::MAX);
        if state.has_case() {
            self.held.push(Held { hash, view: (0, hash) });
        }
        let (line, offset, partition, told) = (at.line, at.offset, at.partition, told == Told::Damaged);
        let (words, case) = (Words::None, CaseSeen::None);
        self.by_id.insert(id, Trail { line, offset, partition, seq: 0, origin, held, state, told, words, case });
    }

    fn go_on(
        &mut self,
        id: DecisionId,
        (entry, a_move, seq): (&Entry<'_>, Move, u32),
        hash: Digits,
        at: &At<'_>,
        findings: &mut Findings,
    ) {
        let words = (entry.previous_state.as_deref().and_then(State::of), entry.state.as_deref().and_then(State::of));
        let Some(trail) = self.by_id.get_mut(&id) else {
            self.insert(id, words.1.filter(|state| state.has_case()).unwrap_or(State::Pending), (0, hash), at, Told::Damaged);
            self.skip_to(id, seq, at);
            if self.extent == Extent::Whole {
                self.missing.insert(id, (0, seq.saturating_sub(1), at.place()));
            }
            return;
        };
        if seq <= trail.seq || seq > trail.seq + 1 {
            self.out_of_place(id, seq, at, findings);
            return;
        }
        let Some(held) = self.held.get_mut(trail.held as usize).filter(|_| trail.state.has_case()) else {
            let sentence = format!("{} may not follow a decision that is {}: it is final", entry.word, trail.state.as_str());
            (trail.told, trail.seq) = (true, seq);
            findings.add(Damage::IllegalTrail, at.place(), sentence);
            return;
        };
        (trail.seq, trail.line, trail.offset, trail.partition) = (seq, at.line, at.offset, at.partition);
        let wrong = wrong_step((trail, held), (entry, a_move), words);
        if let Some(sentence) = wrong.filter(|_| !trail.told) {
            trail.told = true;
            findings.add(Damage::IllegalTrail, at.place(), sentence);
        }
        held.hash = hash;
        if changes_view(a_move) {
            held.view = (seq, hash);
        }
        trail.state = words.1.filter(|state| state.has_case()).unwrap_or(trail.state);
    }

    /// A trail that is damaged, so that its next entry is the one after `seq`.
    fn skip_to(&mut self, id: DecisionId, seq: u32, at: &At<'_>) {
        if let Some(trail) = self.by_id.get_mut(&id) {
            (trail.told, trail.seq) = (true, seq.max(trail.seq));
            (trail.line, trail.offset, trail.partition) = (at.line, at.offset, at.partition);
        }
    }

    #[cold]
    fn out_of_place(&mut self, id: DecisionId, seq: u32, at: &At<'_>, findings: &mut Findings) {
        let last = self.by_id.get(&id).map_or(0, |trail| trail.seq);
        self.skip_to(id, seq, at);
        if seq > last {
            if self.extent == Extent::Whole {
                self.missing.entry(id).or_insert_with(|| (last + 1, seq - 1, at.place()));
            }
            return;
        }
        let late = self.missing.get(&id).is_some_and(|(from, to, _)| (*from..=*to).contains(&seq));
        if let Some((from, to, place)) = self.missing.remove(&id).filter(|_| late) {
            if from < to {
                let rest = if seq == from { (from + 1, to) } else { (from, to - 1) };
                self.missing.insert(id, (rest.0, rest.1, place.clone()));
            }
            let sentence = format!("this record stands before the entry {id}/{seq}, which its trail has before it");
            findings.add(Damage::Swapped, place, sentence);
            return;
        }
        findings.add(Damage::Inserted, at.place(), format!("the decision {id} has an entry {seq} already"));
    }

    /// Takes an entry whose bytes are not what its header says.
    pub fn take_changed(&mut self, id: DecisionId, seq: u64, hash: Digits, at: &At<'_>) {
        let seq = u32::try_from(seq).unwrap_or(u32::MAX - 1);
        if self.by_id.contains_key(&id) {
            self.skip_to(id, seq, at);
        } else {
            self.insert(id, State::Pending, (0, hash), at, Told::Damaged);
            self.skip_to(id, seq, at);
        }
    }

    /// An incident has a trail of its own, by its id.
    fn incident(&mut self, entry: &Entry<'_>, hash: Digits, at: &At<'_>, findings: &mut Findings) {
        let parts = at.key.and_then(|key| key.strip_prefix("incident/")?.rsplit_once('/'));
        let Some((id, seq)) = parts.and_then(|(id, seq)| Some((id, seq.parse::<u64>().ok()?))) else {
            findings.add(Damage::IllegalTrail, at.place(), "the key of an incident's entry is incident/<id>/<seq>".to_owned());
            return;
        };
        let before = self.incidents.get(id).copied();
        let follows = match before {
            None => seq == 0 && entry.prev.is_none(),
            Some((last, hash)) => seq == last + 1 && entry.prev == Some(&hash),
        };
        if !follows && (self.extent == Extent::Whole || before.is_some_and(|(last, _)| last + 1 == seq)) {
            findings.add(Damage::IllegalTrail, at.place(), "it does not follow the entry of its incident before it".to_owned());
        }
        self.incidents.insert(id.to_owned(), (seq, hash));
    }

    /// Everything was read: what is still missing is missing.
    pub fn finish(&mut self, findings: &mut Findings) {
        for (id, (from, to, place)) in self.missing.drain() {
            let which =
                if from == to { format!("the entry {id}/{from} is") } else { format!("the entries {id}/{from} to {to} are") };
            findings.add(Damage::Removed, place, format!("{which} missing, which should stand before this record"));
        }
    }

    /// Where a trail's last entry lies.
    pub fn place(&self, id: &DecisionId, trail: &Trail) -> Place {
        let Trail { line, partition, offset, seq, .. } = *trail;
        Place { line, topic: self.topic.clone(), partition, offset, key: Some(format!("{id}/{seq}")) }
    }
}

/// What is wrong with an entry that follows the last one of its trail by number.
fn wrong_step(
    (trail, held): (&Trail, &Held),
    (entry, a_move): (&Entry<'_>, Move),
    (before, after): (Option<State>, Option<State>),
) -> Option<String> {
    let state = trail.state;
    if entry.prev != Some(&held.hash) {
        return Some("its prev is not the hash of the trail's entry before it".to_owned());
    }
    if state.is_final() {
        return Some(format!("{} follows the final word {}", entry.word, state.as_str()));
    }
    if before != Some(state) {
        let said = entry.previous_state.as_deref().unwrap_or_default();
        return Some(format!("its previous_state is {said}, and the trail stood at {}", state.as_str()));
    }
    if !after.is_some_and(|after| is_legal(state, a_move, after)) {
        let said = entry.state.as_deref().unwrap_or_default();
        return Some(format!("{} may not lead from {} to {said}", entry.word, state.as_str()));
    }
    None
}
