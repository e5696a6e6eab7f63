//! Cases out of the records of a `cases` or `archive` partition: the latest of each key, and of a case the changed one.

use std::collections::HashMap;
use std::fmt;

use crate::case::{Case, CaseReader};
use crate::identity::{DecisionId, Lane};

/// The fewest digits by which a case may be named.
const DIGITS_MIN: usize = 6;
const DIGITS: usize = 32;

/// The first digits of a decision's id, or all of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdPrefix(String);

impl IdPrefix {
    /// Reads 6 to 32 hex digits.
    ///
    /// # Errors
    /// With a sentence where it is something else.
    pub fn parse(text: &str) -> Result<Self, String> {
        let digits = text.to_ascii_lowercase();
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) || digits.len() > DIGITS {
            return Err("an id has up to 32 digits, 0-9 and a-f".to_owned());
        }
        if digits.len() < DIGITS_MIN {
            return Err(format!("at least {DIGITS_MIN} digits: the first 4 are the same for a whole partition"));
        }
        Ok(Self(digits))
    }

    /// Whether `id` begins with it.
    pub fn covers(&self, id: DecisionId) -> bool {
        id.hex().starts_with(self.0.as_bytes())
    }

    /// The id, where all of it is there.
    pub fn whole(&self) -> Option<DecisionId> {
        DecisionId::parse(&self.0)
    }

    /// Where its records lie.
    pub fn lane(&self, lanes: u16) -> Lane {
        let padded = format!("{:0<DIGITS$}", self.0);
        DecisionId::parse(&padded).expect("32 hex digits are an id").lane(lanes)
    }
}

impl fmt::Display for IdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A case, and its record's value.
#[derive(Debug)]
pub struct Found {
    /// The case.
    pub case: Case,
    /// The bytes that it was read from.
    pub json: Vec<u8>,
}

/// What was read of a partition so far.
#[derive(Default)]
pub struct Fold {
    slots: HashMap<DecisionId, Slot>,
}

#[derive(Default)]
struct Slot {
    opened: Option<Vec<u8>>,
    changed: Option<Vec<u8>>,
}

impl Fold {
    /// Takes the next record, if it is about a case that is `wanted`.
    pub fn take(&mut self, key: &[u8], value: Option<&[u8]>, wanted: impl Fn(DecisionId) -> bool) {
        let key = str::from_utf8(key).unwrap_or_default();
        let (id, is_opening) = key.strip_suffix("/opened").map_or((key, false), |id| (id, true));
        let Some(id) = DecisionId::parse(id).filter(|id| wanted(*id)) else { return };
        let slot = self.slots.entry(id).or_default();
        *if is_opening { &mut slot.opened } else { &mut slot.changed } = value.map(<[u8]>::to_vec);
    }

    /// The cases by id, and what is wrong with those that cannot be read.
    pub fn finish(self) -> (Vec<Found>, Vec<String>) {
        let (mut found, mut problems, mut reader) = (Vec::new(), Vec::new(), CaseReader::default());
        let mut slots: Vec<(DecisionId, Slot)> = self.slots.into_iter().collect();
        slots.sort_unstable_by_key(|(id, _)| *id);
        for (id, slot) in slots {
            let Some(json) = slot.changed.or(slot.opened) else { continue };
            match reader.read(&json, None) {
                Ok(case) => found.push(Found { case, json }),
                Err(why) => problems.push(format!("The record of {id} is no case: {why}.")),
            }
        }
        (found, problems)
    }
}

/// The one case that `prefix` names.
///
/// # Errors
/// With a sentence where there is none, or more than one.
pub fn only(prefix: &IdPrefix, mut found: Vec<Found>) -> Result<Option<Found>, String> {
    if found.len() > 1 {
        let ids: Vec<String> = found.iter().take(5).map(|found| found.case.decision_id.to_string()).collect();
        let more = if found.len() > ids.len() { ", …" } else { "" };
        return Err(format!("{} cases begin with {prefix}; say more digits: {}{more}.", found.len(), ids.join(", ")));
    }
    Ok(found.pop())
}

/// How many digits tell each of `ids`, which are in order, from all others; at least 8.
pub fn digits_needed(ids: &[DecisionId]) -> usize {
    let shared = |pair: &[DecisionId]| pair[0].hex().iter().zip(pair[1].hex()).take_while(|(one, other)| **one == *other).count();
    ids.windows(2).map(|pair| shared(pair) + 1).max().unwrap_or(0).clamp(8, DIGITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: &str = include_str!("../../../schemas/examples/case.held.json").trim_ascii_end();
    const CLAIMED: &str = include_str!("../../../schemas/examples/case.under-review.json").trim_ascii_end();
    const ID: &str = "925ab795168fdc48291233198923001a";

    fn folded(records: &[(&str, Option<&str>)]) -> Vec<String> {
        let mut fold = Fold::default();
        for (key, value) in records {
            fold.take(key.as_bytes(), value.map(str::as_bytes), |_| true);
        }
        fold.finish().0.iter().map(|found| found.case.state.to_string()).collect()
    }

    #[test]
    fn the_changed_case_wins_whatever_comes_last_and_tombstones_remove() {
        let opened = format!("{ID}/opened");
        assert_eq!(folded(&[(&opened, Some(HELD))]), ["PENDING"]);
        assert_eq!(folded(&[(&opened, Some(HELD)), (ID, Some(CLAIMED))]), ["UNDER_REVIEW"]);
        assert_eq!(folded(&[(ID, Some(CLAIMED)), (&opened, Some(HELD))]), ["UNDER_REVIEW"]);
        assert_eq!(folded(&[(&opened, Some(HELD)), (ID, Some(CLAIMED)), (&opened, None)]), ["UNDER_REVIEW"]);
        assert_eq!(folded(&[(ID, Some(CLAIMED)), (&opened, None), (ID, None)]), [""; 0]);
        assert_eq!(folded(&[("nonsense", Some(HELD))]), [""; 0]);
    }

    #[test]
    fn what_is_not_wanted_is_not_kept_and_what_is_no_case_is_told() {
        let mut fold = Fold::default();
        fold.take(ID.as_bytes(), Some(b"{}"), |_| true);
        fold.take(b"925ab795168fdc48291233198923001b", Some(HELD.as_bytes()), |id| id.to_string() == ID);
        let (found, problems) = fold.finish();
        assert_eq!((found.len(), problems.len()), (0, 1));
        assert!(problems[0].starts_with(&format!("The record of {ID} is no case: missing field")), "{problems:?}");
    }

    #[test]
    fn an_id_may_be_shortened() {
        let id = DecisionId::parse(ID).expect("an id");
        for text in [ID, "925ab7", "925AB795"] {
            let prefix = IdPrefix::parse(text).expect("a prefix");
            assert!(prefix.covers(id));
            assert_eq!(prefix.lane(3), id.lane(3));
            assert_eq!(prefix.whole().is_some(), text.len() == 32);
        }
        for text in ["", "925ab", "925ab795168fdc48291233198923001a0", "925abg", "925ab–"] {
            assert!(IdPrefix::parse(text).is_err(), "{text}");
        }
        assert!(!IdPrefix::parse("925ab8").expect("a prefix").covers(id));
    }

    #[test]
    fn a_prefix_names_one_case_or_says_why_not() {
        let prefix = IdPrefix::parse("925ab7").expect("a prefix");
        let read =
            |json: &str| Found { case: CaseReader::default().read(json.as_bytes(), None).expect("a case"), json: Vec::new() };
        let other = HELD.replacen("001a", "001b", 1);
        assert!(only(&prefix, vec![read(HELD)]).expect("one").is_some());
        assert!(only(&prefix, Vec::new()).expect("none").is_none());
        let why = only(&prefix, vec![read(HELD), read(&other)]).expect_err("two");
        assert_eq!(why, format!("2 cases begin with 925ab7; say more digits: {ID}, 925ab795168fdc48291233198923001b."));
        let ids = [read(HELD).case.decision_id, read(&other).case.decision_id];
        assert_eq!((digits_needed(&ids), digits_needed(&ids[..1]), digits_needed(&[])), (32, 8, 8));
    }
}
