//! What trails leave in other topics: dispositions and cases must be their last word.

use super::Extent;
use super::chains::At;
use super::entry::origin;
use super::finding::{Damage, Findings};
use super::members::{Read, Seen, Wrong, count, decision_id, hash, members, text, truth};
use super::rules::State;
use super::trails::{CaseSeen, Held, Trail, Trails, Words};
use crate::identity::DecisionId;

/// A disposition, as far as it must agree.
struct Disposition {
    id: DecisionId,
    origin: u64,
    outcome: String,
    is_final: bool,
    seq: u64,
}

impl Disposition {
    fn read(value: &[u8]) -> Read<Self> {
        let (mut id, mut event_id, mut source, mut row) = (None, None, None, None);
        let (mut outcome, mut is_final, mut seq, mut seen) = (None, None, None, Seen::default());
        members(value, |name, value| match name {
            b"decision_id" => decision_id(value).map(|found| id = found).and_then(|()| seen.once(0)),
            b"event_id" => text(value).map(|found| event_id = found).and_then(|()| seen.once(1)),
            b"source" => text(value).map(|found| source = found).and_then(|()| seen.once(2)),
            b"row" => count(value).map(|found| row = found).and_then(|()| seen.once(3)),
            b"outcome" => text(value).map(|found| outcome = found).and_then(|()| seen.once(4)),
            b"final" => truth(value).map(|found| is_final = found).and_then(|()| seen.once(5)),
            b"seq" => count(value).map(|found| seq = found).and_then(|()| seen.once(6)),
            _ => Ok(()),
        })?;
        match (id, outcome, is_final, seq) {
            (Some(id), Some(outcome), Some(is_final), Some(seq)) => {
                let origin = origin(event_id.as_deref(), source.as_deref(), row.unwrap_or(0));
                Ok(Self { id, origin, outcome: outcome.into_owned(), is_final, seq })
            }
            _ => Err(Wrong("a member that it must have is missing")),
        }
    }
}

/// Takes a record of the topic of dispositions.
pub(super) fn disposition(trails: &mut Trails, value: Option<&[u8]>, at: &At<'_>, extent: Extent, findings: &mut Findings) {
    let mut told = |sentence: String| findings.add(Damage::DispositionDisagrees, at.place(), sentence);
    let Some(value) = value else {
        tell_by_key(trails, at.key.and_then(DecisionId::parse));
        return told("a tombstone took the word of a decision away".to_owned());
    };
    let said = match Disposition::read(value) {
        Ok(said) => said,
        Err(Wrong(why)) => {
            tell_by_key(trails, at.key.and_then(DecisionId::parse));
            return told(format!("it cannot be read: {why}"));
        }
    };
    if at.key.and_then(DecisionId::parse) != Some(said.id) {
        return told("its key is not its decision_id".to_owned());
    }
    let Some((trail, _)) = trails.get_mut(said.id) else {
        if extent == Extent::Whole {
            told(format!("the decision {} has no trail", said.id));
        }
        return;
    };
    let before = trail.words;
    trail.words = if said.is_final { Words::Final } else { Words::Held };
    if trail.told || (extent == Extent::Partial && said.seq > u64::from(trail.seq)) {
        return;
    }
    if let Some(sentence) = wrong_disposition(trail, before, &said) {
        trail.told = true;
        told(sentence);
    }
}

/// What is said of a decision cannot be read: that it is missing then is no news.
fn tell_by_key(trails: &mut Trails, id: Option<DecisionId>) {
    if let Some((trail, _)) = id.and_then(|id| trails.get_mut(id)) {
        trail.told = true;
    }
}

fn wrong_disposition(trail: &Trail, before: Words, said: &Disposition) -> Option<String> {
    if trail.state == State::Duplicate {
        return Some("a DUPLICATE has no disposition".to_owned());
    }
    if before == Words::Final {
        return Some("it follows the final disposition of the same decision".to_owned());
    }
    let last = u64::from(trail.seq);
    let expected = match (said.seq, trail.state) {
        (0, State::Released) => ("RELEASED", true),
        (0, _) => ("HELD", false),
        (seq, state) if seq == last && state.is_final() => (state.as_str(), true),
        (seq, _) => {
            return Some(format!("no entry {seq} of its trail, which ends with {last} at {}, says so", trail.state.as_str()));
        }
    };
    if (said.outcome.as_str(), said.is_final) != expected {
        let finality = |is_final| if is_final { "final" } else { "not final" };
        let ((word, is_final), (expected, expected_final)) = ((&said.outcome, said.is_final), expected);
        return Some(format!(
            "it says {word}, {}; entry {} of its trail says {expected}, {}",
            finality(is_final),
            said.seq,
            finality(expected_final)
        ));
    }
    if before == Words::Held && !said.is_final {
        return Some("it says a second time what is not final".to_owned());
    }
    (said.origin != trail.origin).then(|| "its event_id, source or row is not that of its trail".to_owned())
}

/// A case, as far as it must agree.
struct Case<'v> {
    id: DecisionId,
    state: State,
    seq: u64,
    view: (u64, &'v [u8; 64]),
    entry_hash: Option<&'v [u8; 64]>,
    origin: u64,
}

impl<'v> Case<'v> {
    fn read(value: &'v [u8]) -> Read<Self> {
        let (mut id, mut state, mut seq, mut view, mut entry_hash) = (None, None, None, None, None);
        let (mut event_id, mut source, mut row, mut seen) = (None, None, None, Seen::default());
        members(value, |name, value| match name {
            b"decision_id" => decision_id(value).map(|found| id = found).and_then(|()| seen.once(0)),
            b"state" => text(value).map(|found| state = found).and_then(|()| seen.once(1)),
            b"seq" => count(value).map(|found| seq = found).and_then(|()| seen.once(2)),
            b"view" => view_of(value).map(|found| view = Some(found)).and_then(|()| seen.once(3)),
            b"entry_hash" => hash(value).map(|found| entry_hash = found).and_then(|()| seen.once(4)),
            b"event_id" => text(value).map(|found| event_id = found).and_then(|()| seen.once(5)),
            b"source" => text(value).map(|found| source = found).and_then(|()| seen.once(6)),
            b"row" => count(value).map(|found| row = found).and_then(|()| seen.once(7)),
            _ => Ok(()),
        })?;
        match (id, state.as_deref().and_then(State::of), seq, view) {
            (Some(id), Some(state), Some(seq), Some(view)) => {
                let origin = origin(event_id.as_deref(), source.as_deref(), row.unwrap_or(0));
                Ok(Self { id, state, seq, view, entry_hash, origin })
            }
            _ => Err(Wrong("a member that it must have is missing")),
        }
    }
}

fn view_of(json: &[u8]) -> Read<(u64, &[u8; 64])> {
    let (mut seq, mut digits, mut seen) = (None, None, Seen::default());
    members(json, |name, value| match name {
        b"seq" => count(value).map(|found| seq = found).and_then(|()| seen.once(0)),
        b"hash" => hash(value).map(|found| digits = found).and_then(|()| seen.once(1)),
        _ => Ok(()),
    })?;
    seq.zip(digits).ok_or(Wrong("its `view` lacks seq or hash"))
}

/// Which of the records about a case it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CaseTopic {
    Cases,
    Archive,
}

/// Takes a record of the topics of cases.
pub(super) fn case(
    trails: &mut Trails,
    (topic, value): (CaseTopic, Option<&[u8]>),
    at: &At<'_>,
    extent: Extent,
    findings: &mut Findings,
) {
    let mut told = |sentence: String| findings.add(Damage::CaseDisagrees, at.place(), sentence);
    let key = at.key.unwrap_or_default();
    let (key_id, is_opening) = match key.strip_suffix("/opened") {
        Some(id) => (DecisionId::parse(id), true),
        None => (DecisionId::parse(key), false),
    };
    let Some(key_id) = key_id else { return told("its key is neither <decision_id> nor <decision_id>/opened".to_owned()) };
    let Some(value) = value else {
        if let Some((trail, _)) = trails.get_mut(key_id).filter(|_| topic == CaseTopic::Cases)
            && !(is_opening && trail.case != CaseSeen::Opened)
        {
            trail.case = CaseSeen::Tombstone;
        }
        return;
    };
    let said = match Case::read(value) {
        Ok(said) => said,
        Err(Wrong(why)) => {
            tell_by_key(trails, Some(key_id));
            return told(format!("it cannot be read: {why}"));
        }
    };
    if key_id != said.id {
        return told("its key is not its decision_id".to_owned());
    }
    let Some((trail, held)) = trails.get_mut(said.id) else {
        if extent == Extent::Whole {
            told(format!("the decision {} has no trail", said.id));
        }
        return;
    };
    let before = trail.case;
    if topic == CaseTopic::Cases {
        let is_last = said.seq == u64::from(trail.seq);
        trail.case = match (is_last, is_opening) {
            (true, _) => CaseSeen::Last,
            (false, true) if before != CaseSeen::None => before,
            (false, true) => CaseSeen::Opened,
            (false, false) => CaseSeen::Older,
        };
    }
    if trail.told || (extent == Extent::Partial && said.seq > u64::from(trail.seq)) {
        return;
    }
    if let Some(sentence) = wrong_case(trail, held, &said, (topic, is_opening && said.seq != 0)) {
        trail.told = true;
        told(sentence);
    }
}

fn wrong_case(trail: &Trail, held: Option<&Held>, said: &Case<'_>, (topic, opens_late): (CaseTopic, bool)) -> Option<String> {
    let Some(held) = held else {
        return Some(format!("its decision is {} and has no case", trail.state.as_str()));
    };
    let last = u64::from(trail.seq);
    if said.seq > last {
        return Some(format!("it is the case after entry {}, and its trail ends with {last}", said.seq));
    }
    if said.origin != trail.origin {
        return Some("its event_id, source or row is not that of its trail".to_owned());
    }
    if opens_late || (topic == CaseTopic::Archive && said.seq != last) {
        return Some(format!("it is the case after entry {}, which it cannot be here", said.seq));
    }
    if said.seq < last {
        return None;
    }
    if said.state != trail.state {
        return Some(format!("it is {}, and its trail ends at {}", said.state.as_str(), trail.state.as_str()));
    }
    if said.entry_hash.is_some_and(|hash| *hash != held.hash) {
        return Some("its entry_hash is not the hash of its trail's last entry".to_owned());
    }
    let (view_seq, view_hash) = (u64::from(held.view.0), &held.view.1);
    (said.view != (view_seq, view_hash))
        .then(|| format!("its view is not entry {view_seq}, the last that changed what reviewers see"))
}

/// Which topics were in the input.
#[derive(Clone, Copy, Default)]
pub(super) struct Presence {
    pub dispositions: u64,
    pub cases: u64,
}

/// Everything was read: each trail must have left what it says.
pub(super) fn finish(trails: &Trails, presence: Presence, findings: &mut Findings) {
    for (id, trail) in trails.iter().filter(|(_, trail)| !trail.told) {
        let expected = match trail.state {
            State::Duplicate => Words::None,
            state if state.is_final() => Words::Final,
            _ => Words::Held,
        };
        if presence.dispositions > 0 && trail.words != expected {
            let sentence = match trail.words {
                Words::None => "there is no disposition of this decision".to_owned(),
                _ => format!("the last disposition of this decision is not its last word, {}", trail.state.as_str()),
            };
            findings.add(Damage::DispositionDisagrees, trails.place(id, trail), sentence);
        }
        let is_there = match trail.case {
            CaseSeen::Last => true,
            CaseSeen::Older => false,
            CaseSeen::None | CaseSeen::Opened | CaseSeen::Tombstone => !trail.state.is_open(),
        };
        if presence.cases > 0 && !is_there {
            let sentence = format!("there is no case as this entry, after which it is {}, left it", trail.state.as_str());
            findings.add(Damage::CaseDisagrees, trails.place(id, trail), sentence);
        }
    }
}
