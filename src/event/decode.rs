//! Tokens → fields: what the native event means (contract, section 1).

use std::sync::Arc;

use super::avro::{Cut, Frame, SchemaSource, Schemas, TEXT_PER_BYTE, Transcoder};
use super::keys::{Backing, Key, Span};
use super::path::{Origin, sentence};
use super::plan::{Map, Plan};
use super::scanner::{Buffers, Faults, Kind, Scanner, Stop};
use super::unreadable::{Code, Fault, Limits, Unreadable};
use super::view::{Event, EvidenceSpans, Fields, Kept};
use crate::identity::Timestamp;

#[cfg(test)]
mod tests;

/// Bytes of an event id.
const ID_BYTES: usize = 256;
/// Bytes of any other text of a named field. Of its numbers too: they are copied as written.
const TEXT_BYTES: usize = 1_024;

/// Reads one record after the other into the same buffers: JSON, or Avro whose schema a [`SchemaSource`] knows.
pub struct Decoder {
    plan: Arc<Plan>,
    limits: Limits,
    schemas: Arc<dyn SchemaSource>,
    transcoder: Transcoder,
    fields: Fields,
    buffers: Buffers,
}

impl Decoder {
    /// A decoder that finds the members that `plan` names, in events within `limits`, of which `max_bytes` counts up to
    /// 2 GiB. It knows no Avro schemas.
    #[must_use]
    pub fn new(plan: Arc<Plan>, limits: Limits) -> Self {
        let fields = Fields::new(plan.len());
        // The record and its unescaped texts, which are no longer, must have places.
        let limits = Limits { max_bytes: limits.max_bytes.min(Span::PLACES / 2), ..limits };
        let (schemas, transcoder) = (Arc::new(Schemas::default()), Transcoder::default());
        Self { plan, limits, schemas, transcoder, fields, buffers: Buffers::default() }
    }

    /// From now on the members that `plan` names are found.
    pub fn replan(&mut self, plan: Arc<Plan>) {
        self.fields.slots.resize(plan.len(), Kept::Missing);
        self.plan = plan;
    }

    /// The same decoder, with writer schemas for Avro records.
    #[must_use]
    pub fn with_schemas(self, schemas: Arc<dyn SchemaSource>) -> Self {
        Self { schemas, ..self }
    }

    /// Reads a record's value: a null value as no bytes. Where writer schemas are known, what
    /// begins as Avro records do is Avro; all else is JSON.
    ///
    /// # Errors
    /// When it is not a native event within the limits. That record is never skipped: it is held, with the code.
    pub fn decode<'a>(&'a mut self, bytes: &'a [u8]) -> Result<Event<'a>, Unreadable<'a>> {
        self.fields.clear();
        self.buffers.unescaped.clear();
        if bytes.is_empty() {
            return Err(self.unreadable(Code::Empty, "the record has no bytes".to_owned(), ""));
        }
        if bytes.len() > self.limits.max_bytes {
            let detail = format!("the record has {} bytes, more than {}", bytes.len(), self.limits.max_bytes);
            return Err(self.unreadable(Code::TooLarge, detail, ""));
        }
        let (bytes, origin, cut) = match Frame::of(bytes).filter(|_| !self.schemas.is_empty()) {
            None => (bytes, Origin::Record, Cut::default()),
            Some(frame) => {
                // Far enough below what has places, for a name more may be written.
                let max_text = self.limits.max_bytes.saturating_mul(TEXT_PER_BYTE).min(Span::PLACES / 4);
                let cut = self.transcoder.transcode(frame, bytes, &*self.schemas, max_text);
                (self.transcoder.text(), Origin::Transcoded, cut)
            }
        };
        let (text, cut) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, cut),
            Err(_) => utf8_of(bytes),
        };
        let scanner = Scanner::new(text, self.limits, &mut self.buffers);
        let mut faults = Pass { scanner, fields: &mut self.fields, plan: &self.plan, seen: [false; 4] }.run();
        if let Some(ended) = cut.ended {
            // The text was cut there; only what was wrong before is its own.
            faults.syntax = faults.syntax.filter(|fault| fault.at.is_some_and(|at| at < text.len())).or(Some(ended));
        }
        if let Some(fault) = faults.syntax.or(cut.noted).or(faults.noted) {
            return Err(self.unreadable(fault.code, sentence(&fault, text, origin), text));
        }
        let backing = Backing { written: text, unescaped: &self.buffers.unescaped };
        let (event_id, model_name) = (self.fields.event_id, self.fields.model_name);
        let required = "a pass without a fault has read the required fields";
        Ok(Event {
            id: backing.text(event_id.expect(required)),
            model_name: backing.text(model_name.expect(required)),
            fields: &self.fields,
            backing,
        })
    }

    #[cold]
    fn unreadable<'a>(&'a self, code: Code, detail: String, text: &'a str) -> Unreadable<'a> {
        let backing = Backing { written: text, unescaped: &self.buffers.unescaped };
        let read = |span: Option<Span>| span.map(|span| backing.text(span));
        let Fields { event_id, model_name, model_version, .. } = self.fields;
        Unreadable { code, detail, event_id: read(event_id), model_name: read(model_name), model_version: read(model_version) }
    }
}

/// As much of `bytes` as is text, and that it ended there.
#[cold]
fn utf8_of(bytes: &[u8]) -> (&str, Cut) {
    let text = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let what = "the bytes here are not UTF-8".to_owned();
    (text, Cut { ended: Some(Fault { code: Code::NotJson, at: Some(text.len()), what }), noted: None })
}

/// The fields that name an event: what an unreadable record is reported by.
#[derive(Clone, Copy)]
enum Identity {
    EventId,
    Model,
    ModelName,
    ModelVersion,
}

/// One pass over one event.
struct Pass<'p> {
    scanner: Scanner<'p>,
    fields: &'p mut Fields,
    plan: &'p Plan,
    /// Which of the [`Identity`] fields were there, by its number.
    seen: [bool; 4],
}

impl Pass<'_> {
    /// Reads all of it, as far as that goes.
    fn run(mut self) -> Faults {
        if self.event().is_ok() {
            self.require();
        }
        self.scanner.faults
    }

    fn event(&mut self) -> Result<(), Stop> {
        if self.is(Kind::Object, "an object")? {
            let mut event = self.scanner.open_object()?;
            while let Some(key) = self.scanner.member(&mut event)? {
                self.member(key)?;
            }
        }
        self.scanner.end()
    }

    /// Notes which required field is absent; what was noted before is more likely the cause, and stays.
    fn require(&mut self) {
        let no_outcome = matches!(self.fields.prediction, Kept::Missing)
            && self.fields.confidence.is_none()
            && self.fields.probabilities.is_empty();
        let missing = match (self.fields.event_id, self.fields.model_name) {
            (None, _) => "`event_id` is missing",
            (_, None) => "`model.name` is missing",
            _ if no_outcome => "`prediction`, `probabilities` and `confidence` are all missing",
            _ => return,
        };
        self.scanner.note(Code::MissingField, None, missing.to_owned());
    }

    /// Reads the value of the event's member `key`.
    fn member(&mut self, key: Key) -> Result<(), Stop> {
        match self.scanner.text(key.span) {
            "event_id" => self.event_id(key)?,
            "model" => self.model(key)?,
            "timestamp" => self.timestamp()?,
            "subject_id" => self.fields.subject_id = self.text()?,
            "requested_by" => self.fields.requested_by = self.text()?,
            "currency" => self.fields.currency = self.text()?,
            "action" => self.fields.action = self.text()?,
            "prediction" => self.fields.prediction = self.prediction()?,
            "confidence" => self.fields.confidence = self.probability()?,
            "amount" => self.fields.amount = numeric(self.number()?),
            "features" => self.map(Map::Features)?,
            "probabilities" => self.map(Map::Probabilities)?,
            "protected" => self.map(Map::Protected)?,
            "explanation" => self.map(Map::Explanation)?,
            "flags" => self.flags()?,
            "evidence" => self.evidence()?,
            _ => self.scanner.skip()?,
        }
        Ok(())
    }

    fn event_id(&mut self, key: Key) -> Result<(), Stop> {
        if self.is_repeated(Identity::EventId, key) {
            self.fields.event_id = None;
            return self.scanner.skip();
        }
        if self.is_null()? || !self.is(Kind::Text, "a string")? {
            return Ok(());
        }
        let at = self.scanner.at();
        let span = self.scanner.string()?;
        let id = self.scanner.text(span);
        let wrong = if id.is_empty() {
            "the id is empty".to_owned()
        } else if id.len() > ID_BYTES {
            format!("the id has {} bytes, more than {ID_BYTES}", id.len())
        } else if id.chars().any(char::is_control) {
            "the id has a control character".to_owned()
        } else {
            self.fields.event_id = Some(span);
            return Ok(());
        };
        self.scanner.note(Code::BadId, Some(at), wrong);
        Ok(())
    }

    fn model(&mut self, key: Key) -> Result<(), Stop> {
        if self.is_repeated(Identity::Model, key) {
            (self.fields.model_name, self.fields.model_version) = (None, None);
            return self.scanner.skip();
        }
        if self.is_null()? || !self.is(Kind::Object, "an object")? {
            return Ok(());
        }
        let mut model = self.scanner.open_object()?;
        while let Some(key) = self.scanner.member(&mut model)? {
            match self.scanner.text(key.span) {
                "name" => self.fields.model_name = self.text_once(Identity::ModelName, key)?.filter(|name| name.len() > 0),
                "version" => self.fields.model_version = self.text_once(Identity::ModelVersion, key)?,
                _ => self.scanner.skip()?,
            }
        }
        Ok(())
    }

    /// Reads a text, null, or over a value that stands there for the second time.
    fn text_once(&mut self, identity: Identity, key: Key) -> Result<Option<Span>, Stop> {
        if !self.is_repeated(identity, key) {
            return self.text();
        }
        self.scanner.skip()?;
        Ok(None)
    }

    /// Whether the field was there before, which is noted. Then neither of its values names the event, as nobody can tell
    /// which was meant. (Other duplicate keys are noticed where their object ends, which may never come.)
    fn is_repeated(&mut self, identity: Identity, key: Key) -> bool {
        let repeated = std::mem::replace(&mut self.seen[identity as usize], true);
        if repeated {
            self.scanner.note_repeated(key);
        }
        repeated
    }

    fn timestamp(&mut self) -> Result<(), Stop> {
        self.scanner.kind()?;
        let at = self.scanner.at();
        if let Some(span) = self.text()? {
            self.fields.timestamp = Timestamp::parse(self.scanner.text(span));
            if self.fields.timestamp.is_none() {
                let what = "expected an RFC 3339 time, such as `2026-01-05T10:46:41.187Z`".to_owned();
                self.scanner.note(Code::WrongType, Some(at), what);
            }
        }
        Ok(())
    }

    fn prediction(&mut self) -> Result<Kept, Stop> {
        self.scanner.kind()?;
        let at = self.scanner.at();
        let kept = self.scalar()?;
        if let Kept::Text(text) | Kept::Number { text, .. } = kept {
            self.bound(at, text);
        }
        Ok(kept)
    }

    fn map(&mut self, map: Map) -> Result<(), Stop> {
        if self.is_null()? || !self.is(Kind::Object, "an object")? {
            return Ok(());
        }
        let mut object = self.scanner.open_object()?;
        while let Some(key) = self.scanner.member(&mut object)? {
            let kept = match map {
                Map::Features => self.scalar()?,
                Map::Protected => self.text()?.map_or(Kept::Missing, Kept::Text),
                Map::Explanation => numeric(self.number()?),
                Map::Probabilities => {
                    let probability = self.probability()?;
                    self.fields.probabilities.extend(probability.map(|(value, _)| (key.span, value)));
                    numeric(probability)
                }
            };
            if map != Map::Features {
                self.bound(key.at, key.span);
            }
            if let Some(slot) = self.plan.slot(map, self.scanner.text(key.span), key.fingerprint) {
                self.fields.slots[slot.index()] = kept;
            }
        }
        Ok(())
    }

    fn flags(&mut self) -> Result<(), Stop> {
        if self.is_null()? || !self.is(Kind::List, "a list of strings")? {
            return Ok(());
        }
        let mut flags = self.scanner.open_list()?;
        while self.scanner.element(&mut flags)? {
            let flag = self.text_not_null()?;
            self.fields.flags.extend(flag);
        }
        Ok(())
    }

    fn evidence(&mut self) -> Result<(), Stop> {
        if self.is_null()? || !self.is(Kind::List, "a list of objects")? {
            return Ok(());
        }
        let mut evidence = self.scanner.open_list()?;
        while self.scanner.element(&mut evidence)? {
            if !self.is(Kind::Object, "an object with `uri` and `sha256`")? {
                continue;
            }
            let mut item = self.scanner.open_object()?;
            let mut spans = EvidenceSpans::default();
            while let Some(key) = self.scanner.member(&mut item)? {
                match self.scanner.text(key.span) {
                    "uri" => spans.uri = self.text()?,
                    "sha256" => spans.sha256 = self.text()?,
                    _ => self.scanner.skip()?,
                }
            }
            self.fields.evidence.push(spans);
        }
        Ok(())
    }

    /// Reads a text of a named field, or null.
    fn text(&mut self) -> Result<Option<Span>, Stop> {
        if self.is_null()? { Ok(None) } else { self.text_not_null() }
    }

    fn text_not_null(&mut self) -> Result<Option<Span>, Stop> {
        if !self.is(Kind::Text, "a string")? {
            return Ok(None);
        }
        let at = self.scanner.at();
        let span = self.scanner.string()?;
        Ok(self.bound(at, span).then_some(span))
    }

    /// Reads a number of a named field, or null.
    fn number(&mut self) -> Result<Option<(f64, Span)>, Stop> {
        if self.is_null()? || !self.is(Kind::Number, "a number")? {
            return Ok(None);
        }
        let at = self.scanner.at();
        let (value, span) = self.scanner.number()?;
        Ok(self.bound(at, span).then_some((value, span)))
    }

    /// Reads a number from 0 to 1, or null.
    fn probability(&mut self) -> Result<Option<(f64, Span)>, Stop> {
        self.scanner.kind()?;
        let at = self.scanner.at();
        let number = self.number()?;
        if number.is_some_and(|(value, _)| !(0.0..=1.0).contains(&value)) {
            self.scanner.note(Code::OutOfRange, Some(at), "expected a number from 0 to 1".to_owned());
        }
        Ok(number)
    }

    /// Reads a value that may be anything but an object or a list, of any length.
    fn scalar(&mut self) -> Result<Kept, Stop> {
        Ok(match self.scanner.kind()? {
            Kind::Text => Kept::Text(self.scanner.string()?),
            Kind::Number => numeric(Some(self.scanner.number()?)),
            kind @ (Kind::True | Kind::False) => {
                self.scanner.word(kind)?;
                Kept::Bool(kind == Kind::True)
            }
            Kind::Null => {
                self.scanner.word(Kind::Null)?;
                Kept::Missing
            }
            Kind::Object | Kind::List => {
                self.mistyped("a number, a string, a bool or null")?;
                Kept::Missing
            }
        })
    }

    /// Whether null comes next, which then is read.
    fn is_null(&mut self) -> Result<bool, Stop> {
        let is_null = self.scanner.kind()? == Kind::Null;
        if is_null {
            self.scanner.word(Kind::Null)?;
        }
        Ok(is_null)
    }

    /// Whether a value of `kind` comes next. Any other is noted and read over.
    fn is(&mut self, kind: Kind, wanted: &str) -> Result<bool, Stop> {
        let is = self.scanner.kind()? == kind;
        if !is {
            self.mistyped(wanted)?;
        }
        Ok(is)
    }

    #[cold]
    fn mistyped(&mut self, wanted: &str) -> Result<(), Stop> {
        let what = format!("expected {wanted}, found {}", self.scanner.kind()?.noun());
        self.scanner.note(Code::WrongType, Some(self.scanner.at()), what);
        self.scanner.skip()
    }

    /// Whether the text that began at `at` is short enough for a named field. A longer one is noted.
    fn bound(&mut self, at: usize, span: Span) -> bool {
        let fits = span.len() <= TEXT_BYTES;
        if !fits {
            self.scanner.note(Code::TooLong, Some(at), format!("{} bytes of text, more than {TEXT_BYTES}", span.len()));
        }
        fits
    }
}

fn numeric(number: Option<(f64, Span)>) -> Kept {
    number.map_or(Kept::Missing, |(value, text)| Kept::Number { value, text })
}
