//! The trail of a case, told: when, what, by whom, and whether the entry is what was written.

use serde::Deserialize;

use super::Case;
use crate::case::Kind;
use crate::dev::happening::{Change, Refused};
use crate::dev::trail::{Entry, Follows};

/// One entry of a trail, told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// When.
    pub at: String,
    /// What happened.
    pub kind: String,
    /// By whom, and what there is to say of it.
    pub what: String,
    /// Whether the entry is what was written.
    pub checked: Checked,
}

/// What came of holding an entry against its hash, its chain and its trail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checked {
    /// Its bytes have the hash that they should have, and it follows the entries before.
    Good,
    /// Its bytes have that hash; what came before was not read.
    Alone,
    /// It was altered, or does not follow.
    Wrong,
}

impl Checked {
    /// The sign for it.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Alone => "·",
            Self::Wrong => "✗",
        }
    }
}

#[derive(Deserialize)]
struct Dated {
    at: String,
}

impl Case {
    /// Its trail, entry by entry.
    #[must_use]
    pub fn told(&self) -> Vec<Told> {
        self.entries.iter().map(|entry| self.tell(entry)).collect()
    }

    fn tell(&self, entry: &Entry) -> Told {
        let at = serde_json::from_slice::<Dated>(&entry.stored).map(|dated| dated.at).unwrap_or_default();
        let text = entry.seq.and_then(|seq| self.texts.get(&seq)).map(String::as_str);
        let what = match (Change::read(&entry.kind, &entry.stored), Refused::read(&entry.stored)) {
            (Ok(Some(change)), _) => sentence(&change, text),
            (_, Ok(refused)) => refusal(&refused),
            _ => {
                let found: Vec<&str> = self.held.findings.iter().map(|finding| finding.trigger.as_str()).collect();
                format!("held by the gate: {}", found.join(", "))
            }
        };
        Told { at, kind: entry.kind.clone(), what, checked: self.check(entry) }
    }

    fn check(&self, entry: &Entry) -> Checked {
        let before = entry.seq.and_then(|seq| seq.checked_sub(1));
        let before = before.and_then(|seq| self.entries.iter().find(|other| other.seq == Some(seq)));
        let follows_trail = before.is_none_or(|before| entry.prev == Some(before.hash()));
        if !entry.is_as_written() || entry.follows == Follows::No || !follows_trail {
            Checked::Wrong
        } else if entry.follows == Follows::Unseen {
            Checked::Alone
        } else {
            Checked::Good
        }
    }
}

/// By whom, with the reason's code and the words.
fn sentence(change: &Change, text: Option<&str>) -> String {
    let by = change.reviewer.as_deref().map(|reviewer| format!("by {reviewer}"));
    let groups = change.groups.join(", ");
    let what = match (change.kind, by) {
        (Kind::Unclaimed, None) => "the claim lapsed".to_owned(),
        (Kind::Expired, _) => "nobody decided in time".to_owned(),
        (Kind::Escalated, None) => format!("half of its time had passed; now {}, for {groups}", change.band),
        (Kind::Escalated, Some(by)) => format!("{by}; now {}, for {groups}", change.band),
        (Kind::Reassigned, Some(by)) => format!("{by}, to {}", change.assignee.as_deref().unwrap_or(&groups)),
        (_, Some(by)) => by,
        (_, None) => "by time".to_owned(),
    };
    let code = change.reason.as_deref().filter(|_| change.reviewer.is_some()).map(|code| format!(", {code}"));
    let text = text.map(|text| format!(": {text}"));
    [what, code.unwrap_or_default(), text.unwrap_or_default()].concat()
}

fn refusal(refused: &Refused) -> String {
    let action = refused.action.as_deref().unwrap_or("a command");
    let by = refused.reviewer.as_deref().unwrap_or("nobody who could be made out");
    format!("{action} by {by}: {}", refused.error)
}
