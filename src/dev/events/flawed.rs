//! What becomes of a good event whose input is wrong: garbled on its way, or other than what is trusted about its subject.

use super::PlayedRecord;
use super::altered::{value_of, with};

/// What is wrong with an input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flaw {
    /// Another unit: a thousand times too much.
    Thousandfold,
    /// Two fields changed places.
    Swapped,
    /// A number that stands for "unknown".
    Sentinel,
    /// A category that the training never had.
    Unseen,
    /// An age other than that of the customer file.
    OtherAge,
    /// An education other than that.
    OtherEducation,
    /// An employer other than that.
    OtherEmployer,
}

/// What is compared with the customer file, as the policy `adult-income` names it.
const TRUSTED: [&str; 4] = ["age", "education_num", "workclass", "education"];
/// So far an age is from the trusted one.
const YEARS_OFF: i64 = 17;

impl Flaw {
    /// The one that is due for a model in a cycle.
    pub(super) fn of(model: usize, cycle: u64) -> Self {
        let of_model = match model {
            0 => [
                Self::OtherAge,
                Self::Thousandfold,
                Self::OtherEducation,
                Self::Swapped,
                Self::OtherEmployer,
                Self::Sentinel,
                Self::OtherAge,
                Self::Unseen,
            ],
            _ => [
                Self::Sentinel,
                Self::Swapped,
                Self::Thousandfold,
                Self::Unseen,
                Self::Swapped,
                Self::Sentinel,
                Self::Thousandfold,
                Self::Swapped,
            ],
        };
        of_model[usize::try_from(cycle % 8).expect("below 8")]
    }

    /// Whether an event can have it.
    pub(super) fn fits(self, record: &PlayedRecord) -> bool {
        let PlayedRecord { value, .. } = record;
        let differs = |field, from| value_of(value, field).is_some_and(|value| value != from);
        match self {
            Self::Thousandfold => value_of(value, "age").is_some(),
            Self::Swapped => partner(value).is_some_and(|field| differs(field, value_of(value, "age").unwrap_or_default())),
            Self::Sentinel => true,
            Self::Unseen => category(value).is_some(),
            Self::OtherAge => customer(value).is_some(),
            Self::OtherEducation => customer(value).is_some() && differs("education", r#""Doctorate""#),
            Self::OtherEmployer => customer(value).is_some() && differs("workclass", r#""Federal-gov""#),
        }
    }

    /// The event with it.
    pub(super) fn apply(self, record: PlayedRecord) -> PlayedRecord {
        let PlayedRecord { key, value } = record;
        let age = value_of(&value, "age").unwrap_or_default().to_owned();
        let value = match self {
            Self::Thousandfold => with(&value, "age", &format!("{age}000")),
            Self::Swapped => {
                let field = partner(&value).unwrap_or("age");
                let other = value_of(&value, field).unwrap_or_default().to_owned();
                with(&with(&value, field, &age), "age", &other)
            }
            Self::Sentinel => with(&value, "age", "-1"),
            Self::Unseen => with(&value, category(&value).unwrap_or("education"), r#""n/a""#),
            Self::OtherAge => with(&value, "age", &(age.parse().unwrap_or(0) + YEARS_OFF).to_string()),
            Self::OtherEducation => with(&with(&value, "education", r#""Doctorate""#), "education_num", "16"),
            Self::OtherEmployer => with(&value, "workclass", r#""Federal-gov""#),
        };
        PlayedRecord { key, value }
    }
}

/// The field that gets a category of its own.
fn category(json: &str) -> Option<&'static str> {
    ["native_country", "marriage"].into_iter().find(|field| value_of(json, field).is_some())
}

/// The field that changes places with the age.
fn partner(json: &str) -> Option<&'static str> {
    ["education_num", "limit_bal"].into_iter().find(|field| value_of(json, field).is_some())
}

/// The subject of an event, if it is one whom the customer file knows: about half of all are.
fn customer(json: &str) -> Option<&str> {
    let subject = value_of(json, "subject_id")?.trim_matches('"');
    subject.bytes().last().is_some_and(|digit| digit % 2 == 0).then_some(subject)
}

/// What the customer file says of the subject of this event, if it knows it: the subject's id, and the facts as a record of
/// their topic has them.
pub(super) fn trusted(json: &str) -> Option<PlayedRecord> {
    let key = customer(json)?.to_owned();
    let fact = |name: &&str| value_of(json, name).map(|value| format!("{name:?}:{value}"));
    let facts: Vec<String> = TRUSTED.iter().filter_map(fact).collect();
    Some(PlayedRecord { key, value: format!("{{{}}}", facts.join(",")) })
}

/// The same event, decided the other way round, where it was decided favourably about a man: what a new version of a model
/// might do that nobody has compared by subgroup.
pub(super) fn turned(record: PlayedRecord) -> PlayedRecord {
    let PlayedRecord { key, value } = record;
    let is_favourable = value.contains(r#""prediction":"no_default""#) && value.contains(r#""sex":"Male""#);
    let probabilities = value_of(&value, "no_default").zip(value_of(&value, "default")).filter(|_| is_favourable);
    let Some((for_it, against)) = probabilities.map(|(one, other)| (one.to_owned(), other.to_owned())) else {
        return PlayedRecord { key, value };
    };
    let value = with(&with(&value, "no_default", &against), "default", &for_it);
    PlayedRecord { key, value: value.replacen(r#""prediction":"no_default""#, r#""prediction":"default""#, 1) }
}
