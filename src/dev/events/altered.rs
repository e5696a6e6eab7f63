//! What becomes of a good event: a broken one, a conflicting one, or one that a rule of its policy holds.

use super::PlayedRecord;

/// Levels that no gate reads.
const TOO_DEEP: usize = 70;

/// The same event, sent again by the next version of its model: one of the two must be wrong.
pub(super) fn rescored(record: PlayedRecord) -> PlayedRecord {
    PlayedRecord { value: record.value.replacen(r#""version":"1.0.0""#, r#""version":"1.0.1""#, 1), ..record }
}

/// An event as a broken producer might send it, in one of eight ways.
pub(super) fn broken(record: PlayedRecord, which: u64) -> PlayedRecord {
    let PlayedRecord { key, value } = record;
    let value = match which % 8 {
        0 => value[..value.floor_char_boundary(value.len() / 2)].to_owned(),
        1 => value.replacen(r#""confidence":"#, r#""confidence":1"#, 1),
        2 => value.replacen(r#""event_id":"#, r#""id":"#, 1),
        3 => String::new(),
        4 => value.replacen('{', &format!(r#"{{"event_id":"{key}","#), 1),
        5 => value.replacen(r#""confidence":"#, r#""confidence":true,"was":"#, 1),
        6 => value.replacen(&key, &format!("{key}\\n"), 1),
        _ => value.replacen('{', &format!(r#"{{"nested":{}{},"#, "[".repeat(TOO_DEEP), "]".repeat(TOO_DEEP)), 1),
    };
    PlayedRecord { key, value }
}

/// What makes a rule of the policies in `config/policies/` find something in an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Touch {
    /// `large-amount`, `large-limit`: a favourable answer about much money.
    LargeAmount,
    /// `upstream-bias-flag`, of both policies.
    BiasFlag,
    /// `implausible-hours`
    Hours,
    /// `thin-file`: a favourable answer about somebody of whom little is known.
    ThinFile,
    /// `overdue-but-released`: a favourable answer to a client who is behind.
    Overdue,
    /// `undocumented-category`
    Undocumented,
}

impl Touch {
    /// The one that is due for a model in a cycle.
    pub(super) fn of(model: usize, cycle: u64) -> Self {
        let of_model = match model {
            0 => [Self::LargeAmount, Self::BiasFlag, Self::Hours, Self::ThinFile],
            _ => [Self::Overdue, Self::Undocumented, Self::LargeAmount, Self::BiasFlag],
        };
        of_model[usize::try_from(cycle % 4).expect("below 4")]
    }

    /// Whether the rule's other conditions hold of this event.
    pub(super) fn fits(self, record: &PlayedRecord) -> bool {
        let has = |text: &str| record.value.contains(text);
        let favourable = has(r#""prediction":">50K""#) || has(r#""prediction":"no_default""#);
        match self {
            Self::BiasFlag => true,
            Self::LargeAmount => favourable,
            Self::Hours => has(r#""hours_per_week":"#),
            Self::ThinFile => favourable && has(r#""occupation":"#),
            Self::Overdue => favourable && has(r#""pay_0":"#),
            Self::Undocumented => has(r#""education":"#),
        }
    }

    /// The event with it.
    pub(super) fn apply(self, record: PlayedRecord) -> PlayedRecord {
        let PlayedRecord { key, value } = record;
        let value = match self {
            Self::LargeAmount => with(&value, "amount", "750000"),
            Self::BiasFlag => value.replacen(r#""prediction":"#, r#""flags":["bias-audit:sex"],"prediction":"#, 1),
            Self::Hours => with(&value, "hours_per_week", "99"),
            Self::ThinFile => with(&value, "occupation", "null"),
            Self::Overdue => with(&value, "pay_0", "4"),
            Self::Undocumented => with(&value, "education", r#""unknown_5""#),
        };
        PlayedRecord { key, value }
    }
}

/// `json` with another value of `field`, which is there and no object. Everything else stays as it is written.
pub(super) fn with(json: &str, field: &str, value: &str) -> String {
    let name = format!(r#""{field}":"#);
    let (before, rest) = json.split_once(&name).unwrap_or((json, ""));
    format!("{before}{name}{value}{}", &rest[end_of_value(rest)..])
}

/// The value of `field` in `json`, as it is written, where it is there, not null, and no object.
pub(super) fn value_of<'j>(json: &'j str, field: &str) -> Option<&'j str> {
    let (_, rest) = json.split_once(&format!(r#""{field}":"#))?;
    Some(&rest[..end_of_value(rest)]).filter(|value| *value != "null")
}

fn end_of_value(rest: &str) -> usize {
    [rest.find(",\""), rest.find('}')].into_iter().flatten().min().unwrap_or(rest.len())
}
