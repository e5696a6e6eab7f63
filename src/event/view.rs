//! A decoded event, as the rest of the program reads it.

use std::fmt;

use super::keys::{Backing, Span};
use super::plan::Slot;
use crate::identity::Timestamp;

/// A value of an event. Null is [`Value::Missing`]: the contract makes no difference.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Value<'a> {
    /// Absent or null.
    Missing,
    /// `true` or `false`.
    Bool(bool),
    /// A number: its nearest double, which is finite, and the text exactly as it was written.
    Number {
        /// To compute with.
        value: f64,
        /// To copy.
        text: &'a str,
    },
    /// A text, unescaped.
    Text(&'a str),
}

/// A value to compute with: a [`Value`] without the text that its number was written as, which costs time to find.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Plain<'a> {
    /// Absent or null.
    Missing,
    /// `true` or `false`.
    Bool(bool),
    /// A number: its nearest double, which is finite.
    Number(f64),
    /// A text, unescaped.
    Text(&'a str),
}

/// An item of [`Event::evidence`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Evidence<'a> {
    /// Where it lies.
    pub uri: Option<&'a str>,
    /// The hash of what lies there, as the producer wrote it.
    pub sha256: Option<&'a str>,
}

/// A value as the decoder keeps it between the pass and the view.
#[derive(Clone, Copy)]
pub(super) enum Kept {
    Missing,
    Bool(bool),
    Number { value: f64, text: Span },
    Text(Span),
}

impl Kept {
    fn shown(self, backing: Backing<'_>) -> Value<'_> {
        match self {
            Self::Missing => Value::Missing,
            Self::Bool(value) => Value::Bool(value),
            Self::Number { value, text } => Value::Number { value, text: backing.text(text) },
            Self::Text(span) => Value::Text(backing.text(span)),
        }
    }

    #[inline]
    fn plain(self, backing: Backing<'_>) -> Plain<'_> {
        match self {
            Self::Missing => Plain::Missing,
            Self::Bool(value) => Plain::Bool(value),
            Self::Number { value, .. } => Plain::Number(value),
            Self::Text(span) => Plain::Text(backing.text(span)),
        }
    }
}

/// An item of the evidence as the decoder keeps it.
#[derive(Clone, Copy, Default)]
pub(super) struct EvidenceSpans {
    pub uri: Option<Span>,
    pub sha256: Option<Span>,
}

/// What one pass wrote down.
pub(super) struct Fields {
    pub event_id: Option<Span>,
    pub model_name: Option<Span>,
    pub model_version: Option<Span>,
    pub timestamp: Option<Timestamp>,
    pub subject_id: Option<Span>,
    pub requested_by: Option<Span>,
    pub currency: Option<Span>,
    pub action: Option<Span>,
    pub prediction: Kept,
    pub confidence: Option<(f64, Span)>,
    pub amount: Kept,
    pub probabilities: Vec<(Span, f64)>,
    pub flags: Vec<Span>,
    pub evidence: Vec<EvidenceSpans>,
    pub slots: Vec<Kept>,
}

impl Fields {
    /// Fields of an event of which nothing was read, with room for `slots` planned members.
    pub fn new(slots: usize) -> Self {
        Self {
            event_id: None,
            model_name: None,
            model_version: None,
            timestamp: None,
            subject_id: None,
            requested_by: None,
            currency: None,
            action: None,
            prediction: Kept::Missing,
            confidence: None,
            amount: Kept::Missing,
            probabilities: Vec::new(),
            flags: Vec::new(),
            evidence: Vec::new(),
            slots: vec![Kept::Missing; slots],
        }
    }

    /// Forgets the last event; the buffers stay.
    pub fn clear(&mut self) {
        let mut probabilities = std::mem::take(&mut self.probabilities);
        let mut flags = std::mem::take(&mut self.flags);
        let mut evidence = std::mem::take(&mut self.evidence);
        let mut slots = std::mem::take(&mut self.slots);
        probabilities.clear();
        flags.clear();
        evidence.clear();
        slots.fill(Kept::Missing);
        *self = Self { probabilities, flags, evidence, slots, ..Self::new(0) };
    }
}

/// One inference event: a view of the record's bytes and of what its decoder wrote down about them.
///
/// Made by [`Decoder::decode`](super::Decoder::decode). Texts are unescaped and valid until the next record is decoded.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    pub(super) id: &'a str,
    pub(super) model_name: &'a str,
    pub(super) fields: &'a Fields,
    pub(super) backing: Backing<'a>,
}

impl<'a> Event<'a> {
    /// The producer's id of it: 1 to 256 bytes without control characters.
    #[must_use]
    pub const fn event_id(&self) -> &'a str {
        self.id
    }

    /// The name of the model that inferred, never empty.
    #[must_use]
    pub const fn model_name(&self) -> &'a str {
        self.model_name
    }

    /// The version of that model.
    #[must_use]
    pub fn model_version(&self) -> Option<&'a str> {
        self.text(self.fields.model_version)
    }

    /// When the producer says that it happened.
    #[must_use]
    pub const fn timestamp(&self) -> Option<Timestamp> {
        self.fields.timestamp
    }

    /// Whom it is about.
    #[must_use]
    pub fn subject_id(&self) -> Option<&'a str> {
        self.text(self.fields.subject_id)
    }

    /// Who asked for it, and so may not approve it.
    #[must_use]
    pub fn requested_by(&self) -> Option<&'a str> {
        self.text(self.fields.requested_by)
    }

    /// What [`Event::amount`] is counted in.
    #[must_use]
    pub fn currency(&self) -> Option<&'a str> {
        self.text(self.fields.currency)
    }

    /// What the automation would do.
    #[must_use]
    pub fn action(&self) -> Option<&'a str> {
        self.text(self.fields.action)
    }

    /// What the model said: a text, number or bool, or missing where only probabilities or a confidence are there.
    #[must_use]
    pub fn prediction(&self) -> Value<'a> {
        self.fields.prediction.shown(self.backing)
    }

    /// How sure the model is, 0 to 1.
    #[must_use]
    pub fn confidence(&self) -> Option<f64> {
        self.fields.confidence.map(|(value, _)| value)
    }

    /// [`Event::confidence`] exactly as it was written.
    #[must_use]
    pub fn confidence_text(&self) -> Option<&'a str> {
        self.fields.confidence.map(|(_, span)| self.backing.text(span))
    }

    /// How much it is about: a number, or missing.
    #[must_use]
    pub fn amount(&self) -> Value<'a> {
        self.fields.amount.shown(self.backing)
    }

    /// Labels with their probabilities, each 0 to 1, in the order of the event; none where they are absent.
    #[must_use]
    pub fn probabilities(&self) -> impl ExactSizeIterator<Item = (&'a str, f64)> + Clone + use<'a> {
        let backing = self.backing;
        self.fields.probabilities.iter().map(move |(label, value)| (backing.text(*label), *value))
    }

    /// Flags set upstream, in the order of the event.
    #[must_use]
    pub fn flags(&self) -> impl ExactSizeIterator<Item = &'a str> + Clone + use<'a> {
        let backing = self.backing;
        self.fields.flags.iter().map(move |span| backing.text(*span))
    }

    /// Evidence for it, in the order of the event.
    #[must_use]
    pub fn evidence(&self) -> impl ExactSizeIterator<Item = Evidence<'a>> + Clone + use<'a> {
        let backing = self.backing;
        let text = move |span: Option<Span>| span.map(|span| backing.text(span));
        self.fields.evidence.iter().map(move |item| Evidence { uri: text(item.uri), sha256: text(item.sha256) })
    }

    /// [`Event::prediction`] to compute with.
    #[must_use]
    #[inline]
    pub fn plain_prediction(&self) -> Plain<'a> {
        self.fields.prediction.plain(self.backing)
    }

    /// [`Event::amount`] to compute with.
    #[must_use]
    #[inline]
    pub const fn amount_number(&self) -> Option<f64> {
        match self.fields.amount {
            Kept::Number { value, .. } => Some(value),
            Kept::Missing | Kept::Bool(_) | Kept::Text(_) => None,
        }
    }

    /// [`Event::slot`] to compute with.
    #[must_use]
    #[inline]
    pub fn plain_slot(&self, slot: Slot) -> Plain<'a> {
        self.fields.slots.get(slot.index()).map_or(Plain::Missing, |kept| kept.plain(self.backing))
    }

    /// The planned member of a map. A slot of another plan than the decoder's finds whatever lies there.
    #[must_use]
    pub fn slot(&self, slot: Slot) -> Value<'a> {
        self.fields.slots.get(slot.index()).map_or(Value::Missing, |kept| kept.shown(self.backing))
    }

    /// The event as JSON: the record's bytes, all of them and unchanged, or what an Avro record was transcoded into.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.backing.written.as_bytes()
    }

    fn text(&self, span: Option<Span>) -> Option<&'a str> {
        span.map(|span| self.backing.text(span))
    }
}

impl fmt::Debug for Event<'_> {
    /// Names the event and shows none of it: what is logged must not hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("event_id", &self.id).field("model_name", &self.model_name).finish_non_exhaustive()
    }
}
