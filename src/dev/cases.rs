//! The last held cases with all that was read of them: why, what was sent, every entry of the trail, what people wrote.

mod telling;

use std::collections::{BTreeMap, VecDeque};

use crate::case::State;
use crate::dev::happening::{Change, DeadLetter, Happening, Held, Words};
use crate::dev::trail::Entry;
use crate::dev::watcher::News;

pub use telling::{Checked, Told};

/// Cases that can be looked at.
const CASES_MAX: usize = 500;
/// Entries and dead letters that came before their case.
const WAITING_MAX: usize = 500;
/// Entries of one case; beyond them the oldest but the first go.
const ENTRIES_MAX: usize = 100;
/// The least that is asked for of a decision's id.
const PREFIX_MIN: usize = 4;

/// A held decision with what belongs to it, as far as it has come.
#[derive(Clone, PartialEq, Debug)]
pub struct Case {
    /// The record of the review feed.
    pub held: Held,
    /// Its dead letter, where the record could not be read.
    pub dead_letter: Option<DeadLetter>,
    /// Its audit entries, in the order of the trail, and those about commands that were refused.
    pub entries: Vec<Entry>,
    /// What people wrote, by the number of the entry.
    pub texts: BTreeMap<u64, String>,
    /// Where it stands.
    pub stands: Stands,
}

/// Where a case stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stands {
    /// Its state.
    pub state: State,
    /// How urgent it is now.
    pub band: String,
    /// Who has it, or had it when it was closed.
    pub assignee: Option<String>,
    /// Whether it was handed up.
    pub escalated: bool,
}

/// The cases, the newest first.
#[derive(Clone, Debug, Default)]
pub struct Cases {
    list: VecDeque<Case>,
    entries: VecDeque<Entry>,
    dead_letters: VecDeque<DeadLetter>,
}

/// What news meant for the cases.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// Nothing.
    Nothing,
    /// There is one more, the first.
    Added,
    /// Something came to the case of this decision.
    Changed(String),
}

impl Cases {
    /// The cases, the newest first.
    #[must_use]
    pub fn list(&self) -> &VecDeque<Case> {
        &self.list
    }

    /// The case of this decision.
    #[must_use]
    pub fn of(&self, decision_id: &str) -> Option<&Case> {
        self.list.iter().find(|case| case.held.decision_id == decision_id)
    }

    /// The newest case whose event has this id, or whose decision's id begins like this, with four letters or more.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Case> {
        let is_prefix = |case: &Case| id.len() >= PREFIX_MIN && case.held.decision_id.starts_with(id);
        self.list.iter().find(|case| case.held.event_id.as_deref() == Some(id) || is_prefix(case))
    }

    /// Takes what the watcher tells.
    pub fn hear(&mut self, news: &News<'_>) -> Heard {
        match news {
            News::Stored(entry) => self.stored(entry),
            News::Happened(Happening::Held(held)) => self.held(held),
            News::Happened(Happening::DeadLetter(dead_letter)) => self.dead_letter(dead_letter),
            News::Happened(Happening::Wrote(words)) => self.wrote(words),
            News::Happened(_) | News::SoFar(_) => Heard::Nothing,
        }
    }

    fn stored(&mut self, entry: &Entry) -> Heard {
        let Some(id) = entry.decision_id.as_ref().filter(|_| entry.kind != "DUPLICATE") else { return Heard::Nothing };
        let heard = self.complete(id, |case| case.take(entry.clone()));
        if heard == Heard::Nothing {
            keep(&mut self.entries, entry.clone());
        }
        heard
    }

    fn dead_letter(&mut self, dead_letter: &DeadLetter) -> Heard {
        let heard = self.complete(&dead_letter.decision_id, |case| case.dead_letter = Some(dead_letter.clone()));
        if heard == Heard::Nothing {
            keep(&mut self.dead_letters, dead_letter.clone());
        }
        heard
    }

    fn wrote(&mut self, words: &Words) -> Heard {
        self.complete(&words.decision_id, |case| case.texts = words.texts.iter().cloned().collect())
    }

    /// Gives something to the case that it belongs to, if that is there.
    fn complete(&mut self, id: &str, give: impl FnOnce(&mut Case)) -> Heard {
        match self.list.iter_mut().find(|case| case.held.decision_id == id) {
            Some(case) => {
                give(case);
                Heard::Changed(id.to_owned())
            }
            None => Heard::Nothing,
        }
    }

    fn held(&mut self, held: &Held) -> Heard {
        let id = &held.decision_id;
        let dead_letter = take(&mut self.dead_letters, |dead_letter| &dead_letter.decision_id == id);
        let stands = Stands { state: State::Pending, band: held.band.clone(), assignee: None, escalated: false };
        let mut case = Case { held: held.clone(), dead_letter, entries: Vec::new(), texts: BTreeMap::new(), stands };
        while let Some(entry) = take(&mut self.entries, |entry| entry.decision_id.as_ref() == Some(id)) {
            case.take(entry);
        }
        self.list.push_front(case);
        self.list.truncate(CASES_MAX);
        Heard::Added
    }
}

impl Case {
    /// Takes an entry. Where a mock broker shows an aborted one, what was sent again takes its place.
    fn take(&mut self, entry: Entry) {
        if let Ok(Some(change)) = Change::read(&entry.kind, &entry.stored) {
            let escalated = self.stands.escalated || change.kind == crate::case::Kind::Escalated;
            self.stands = Stands { state: change.state, band: change.band, assignee: change.assignee, escalated };
        }
        match self.entries.iter_mut().find(|known| known.seq.is_some() && known.seq == entry.seq) {
            Some(known) => *known = entry,
            None => self.entries.push(entry),
        }
        if self.entries.len() > ENTRIES_MAX {
            self.entries.remove(1);
        }
    }

    /// Its DECIDED entry.
    #[must_use]
    pub fn decided(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.kind == "DECIDED")
    }
}

fn keep<T>(waiting: &mut VecDeque<T>, one: T) {
    waiting.push_back(one);
    if waiting.len() > WAITING_MAX {
        waiting.pop_front();
    }
}

fn take<T>(waiting: &mut VecDeque<T>, is_it: impl Fn(&T) -> bool) -> Option<T> {
    let place = waiting.iter().position(is_it)?;
    waiting.remove(place)
}

#[cfg(test)]
mod tests;
