//! Why a record could not be read, and the bounds beyond which it is not.

use std::fmt;

/// How big an event may be (`gate.event` of the configuration). A record beyond any of these is unreadable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of the record's value.
    pub max_bytes: usize,
    /// Levels of objects and lists; the event itself is the first.
    pub max_depth: usize,
    /// Members of objects and elements of lists, counted together over the whole event.
    pub max_fields: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_bytes: 1_048_576, max_depth: 64, max_fields: 1_000 }
    }
}

/// Why a record is unreadable: the codes of the dead letters (contract, section 2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Code {
    /// No bytes, or a null value.
    Empty,
    /// Not JSON, or not UTF-8.
    NotJson,
    /// Not the Avro that its schema says.
    NotAvro,
    /// A schema id or fingerprint that the registry does not know.
    UnknownSchema,
    /// More bytes than [`Limits::max_bytes`].
    TooLarge,
    /// More levels than [`Limits::max_depth`].
    TooDeep,
    /// More members and elements than [`Limits::max_fields`].
    TooManyFields,
    /// A named field with more text than 1 KiB.
    TooLong,
    /// An event id that is empty, too long, or has control characters.
    BadId,
    /// The same key twice in one object.
    DuplicateKey,
    /// A required field is absent.
    MissingField,
    /// A named field of another type, or a timestamp that is no time.
    WrongType,
    /// A number beyond a double, or a probability outside 0–1.
    OutOfRange,
    /// A shape that the source's mapping does not fit.
    Unmappable,
}

impl Code {
    /// Every code, in the contract's order.
    pub const ALL: [Self; 14] = [
        Self::Empty,
        Self::NotJson,
        Self::NotAvro,
        Self::UnknownSchema,
        Self::TooLarge,
        Self::TooDeep,
        Self::TooManyFields,
        Self::TooLong,
        Self::BadId,
        Self::DuplicateKey,
        Self::MissingField,
        Self::WrongType,
        Self::OutOfRange,
        Self::Unmappable,
    ];

    /// The code as dead letters and metrics show it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotJson => "not-json",
            Self::NotAvro => "not-avro",
            Self::UnknownSchema => "unknown-schema",
            Self::TooLarge => "too-large",
            Self::TooDeep => "too-deep",
            Self::TooManyFields => "too-many-fields",
            Self::TooLong => "too-long",
            Self::BadId => "bad-id",
            Self::DuplicateKey => "duplicate-key",
            Self::MissingField => "missing-field",
            Self::WrongType => "wrong-type",
            Self::OutOfRange => "out-of-range",
            Self::Unmappable => "unmappable",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A record that could not be read: its dead letter's code and sentence, and what of its identity could be read.
///
/// An id stands here only where it is sound: one that is bad or given twice is `None`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Unreadable<'a> {
    /// Why.
    pub code: Code,
    /// One sentence for the person who mends the producer: byte, field and what was expected there. It holds keys of
    /// the event, cut short, and no values.
    pub detail: String,
    /// The event's id.
    pub event_id: Option<&'a str>,
    /// The model's name.
    pub model_name: Option<&'a str>,
    /// The model's version.
    pub model_version: Option<&'a str>,
}

/// One thing that is wrong with a record.
#[derive(Debug)]
pub(super) struct Fault {
    pub code: Code,
    /// The byte that it was noticed at; `None` where it is about the record as a whole.
    pub at: Option<usize>,
    pub what: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_the_contracts_and_no_two_are_alike() {
        let listed = "empty not-json not-avro unknown-schema too-large too-deep too-many-fields too-long bad-id \
                      duplicate-key missing-field wrong-type out-of-range unmappable";
        assert_eq!(Code::ALL.map(Code::as_str).join(" "), listed);
    }
}
