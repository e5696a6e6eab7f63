//! What a contradiction trigger compares, and when two values are the same (`triggers.md`, section 4).

use std::collections::BTreeSet;
use std::time::Duration;

use caseless::Caseless as _;
use unicode_normalization::UnicodeNormalization as _;

use super::Expression;
use crate::event::{Event, Plain, Slot};

/// A comparison of the event with what is trusted about its subject.
#[derive(Clone, PartialEq, Debug)]
pub struct Contradiction {
    /// The reference, by its name in the configuration.
    pub reference: String,
    /// What is compared, at most [`COMPARISONS_MAX`].
    pub compare: Vec<Comparison>,
    /// A condition over event and record that is a finding of its own.
    pub when: Option<Expression>,
    /// Records that are older say nothing.
    pub max_age: Option<Duration>,
    /// What follows where the subject has no record.
    pub on_absent: OnAbsent,
}

/// So many fields may one trigger compare: what differs is kept as one bit each.
pub const COMPARISONS_MAX: usize = 64;

/// What follows where the subject has no record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnAbsent {
    /// Nothing can be compared, so nothing is found: a miss that says so.
    #[default]
    Skip,
    /// The decision is held, whatever the trigger's `on_error` says.
    Hold,
}

/// One field of the event, beside one member of the record.
#[derive(Clone, PartialEq, Debug)]
pub struct Comparison {
    /// The event's value.
    pub field: EventField,
    /// How the field is called in sentences: `age`, `protected.sex`, `amount`.
    pub name: String,
    /// The record's member.
    pub trusted: String,
    /// How the two are compared.
    pub kind: ComparisonKind,
    /// Numbers may differ by so much; dates by so many days.
    pub abs_tol: f64,
    /// Numbers may differ by this share of the trusted one.
    pub rel_tol: f64,
    /// Texts that mean the same.
    pub aliases: Aliases,
}

/// What numbers may differ by where the policy says nothing, and dates in days.
pub const ABS_TOL: f64 = 1.0;
/// The share of the trusted number that numbers may differ by where the policy says nothing.
pub const REL_TOL: f64 = 0.02;

/// How two values are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ComparisonKind {
    /// As their types suggest: two numbers as numbers, two texts that are dates as dates, other texts as texts.
    #[default]
    Auto,
    /// As numbers; a text counts as the number that it is.
    Number,
    /// As texts, without regard to case, width and spaces around them.
    Text,
    /// As dates or times: `2026-01-05`, `2026-01-05T10:46:41Z`.
    Date,
}

/// A value of an event that can be compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventField {
    /// `features.<name>`
    Feature(Slot),
    /// `protected.<name>`
    Protected(Slot),
    /// `amount`
    Amount,
    /// `currency`
    Currency,
    /// `action`
    Action,
    /// `prediction`
    Prediction,
    /// `requested_by`
    RequestedBy,
}

impl EventField {
    /// What `event` has there.
    #[must_use]
    pub fn read<'e>(self, event: &Event<'e>) -> Plain<'e> {
        let text = |text: Option<&'e str>| text.map_or(Plain::Missing, Plain::Text);
        match self {
            Self::Feature(slot) | Self::Protected(slot) => event.plain_slot(slot),
            Self::Amount => event.amount_number().map_or(Plain::Missing, Plain::Number),
            Self::Prediction => event.plain_prediction(),
            Self::Currency => text(event.currency()),
            Self::Action => text(event.action()),
            Self::RequestedBy => text(event.requested_by()),
        }
    }
}

/// Texts that stand for others. Both sides are kept folded, sorted by what is replaced.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Aliases(Vec<(Box<str>, Box<str>)>);

impl Aliases {
    /// `pairs` of a text and the one that it stands for, which may itself stand for another.
    ///
    /// # Errors
    /// The place of a text that stands for two.
    pub fn new(pairs: &[(String, String)]) -> Result<Self, usize> {
        let fold = |text: &str| folded(text).collect::<String>().into_boxed_str();
        let mut all: Vec<(Box<str>, Box<str>)> = Vec::with_capacity(pairs.len());
        let mut seen = BTreeSet::new();
        for (place, (from, to)) in pairs.iter().enumerate() {
            all.push((fold(from), fold(to)));
            if !seen.insert(fold(from)) {
                return Err(place);
            }
        }
        all.sort();
        let aliases = Self(all);
        // No way through the table is longer than the table.
        let last = |to: &str| (0..aliases.0.len()).fold(to.to_owned(), |to, _| aliases.of(&to).map_or(to, str::to_owned));
        Ok(Self(aliases.0.iter().map(|(from, to)| (from.clone(), last(to).into_boxed_str())).collect()))
    }

    /// What `text` stands for.
    fn of(&self, text: &str) -> Option<&str> {
        let place = self.0.binary_search_by(|(from, _)| from.chars().cmp(folded(text)));
        place.ok().map(|place| &*self.0[place].1)
    }

    /// Whether two texts are the same: after NFKC, without spaces around them, case and what they are aliases of. Allocates
    /// nothing for texts of ASCII.
    #[must_use]
    pub fn are_same(&self, left: &str, right: &str) -> bool {
        let (left, right) = (left.trim(), right.trim());
        if left.is_ascii() && right.is_ascii() {
            if left.eq_ignore_ascii_case(right) {
                return true;
            }
        } else if folded(left).eq(folded(right)) {
            return true;
        }
        if self.0.is_empty() {
            return false;
        }
        match (self.of(left), self.of(right)) {
            (None, None) => false,
            (Some(left), None) => left.chars().eq(folded(right)),
            (None, Some(right)) => right.chars().eq(folded(left)),
            (Some(left), Some(right)) => left == right,
        }
    }
}

/// `text` trimmed, in compatibility form and without case: NFKC(fold(NFKC(text))).
fn folded(text: &str) -> impl Iterator<Item = char> {
    text.trim().nfkc().default_case_fold().nfkc()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn aliases(pairs: &[(&str, &str)]) -> Aliases {
        Aliases::new(&pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect::<Vec<_>>())
            .expect("no text twice")
    }

    #[test]
    fn texts_are_the_same_whatever_their_form() {
        for (left, right) in [
            ("HS-grad", " hs-GRAD\t"),
            ("Größe", "GRÖSSE"),
            ("Gro\u{308}ße", "größe"),
            ("ﬁnance", "Finance"),
            ("ＡＢＣ１２", "abc12"),
            ("\u{a0}x\u{3000}", "X"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("①", "1"),
            ("", "  "),
        ] {
            assert!(Aliases::default().are_same(left, right), "{left} {right}");
        }
        for (left, right) in [("a", "b"), ("é", "e"), ("a b", "ab"), ("1", "1.0"), ("ı", "i")] {
            assert!(!Aliases::default().are_same(left, right), "{left} {right}");
        }
    }

    #[test]
    fn aliases_go_as_far_as_they_lead() {
        let table = aliases(&[("HS", "HS-grad"), ("high school", "hs"), ("Größe", "Size"), ("a", "b"), ("b", "a")]);
        for (left, right) in [
            ("hs", "HS-GRAD"),
            ("HS-grad", " hs "),
            ("High School", "hs-grad"),
            ("HIGH SCHOOL", "HS"),
            ("GRÖSSE", "size"),
            ("hs", "hs"),
        ] {
            assert!(table.are_same(left, right) && table.are_same(right, left), "{left} {right}");
        }
        for (left, right) in [("hs", "bachelors"), ("size", "hs"), ("", "hs")] {
            assert!(!table.are_same(left, right) && !table.are_same(right, left), "{left} {right}");
        }
    }

    proptest! {
        #[test]
        fn sameness_is_symmetric_and_of_every_text_with_itself(left in "\\PC{0,12}", right in "\\PC{0,12}", alias in "#\\PC{0,6}") {
            let table = aliases(&[(&alias, &right), ("x", "y")]);
            prop_assert!(table.are_same(&left, &left));
            prop_assert_eq!(table.are_same(&left, &right), table.are_same(&right, &left));
            prop_assert!(table.are_same(&alias, &right));
        }

        #[test]
        fn ascii_is_folded_as_every_text_is(left in "[ -~]{0,8}", right in "[ -~]{0,8}") {
            prop_assert_eq!(Aliases::default().are_same(&left, &right), folded(&left).eq(folded(&right)));
        }
    }
}
