//! A record's bytes, along its schema's program, → JSON text.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::decimal;
use super::frame::Frame;
use super::input::{Input, Read, Stop, misfit_at};
use super::program::{Items, Node, NodeId};
use super::registry::SchemaSource;
use super::schema::WriterSchema;
use crate::event::path::{ending_in, sentence_at};
use crate::event::unreadable::{Code, Fault};
use crate::identity::Timestamp;
use crate::json;

/// The text of a record may have so many times the bytes that a record may have: names and digits make it longer than the
/// record is, and a schema of many names can make it very much longer.
pub(in crate::event) const TEXT_PER_BYTE: usize = 4;

/// The times that RFC 3339 can write, in milliseconds: the years 0 to 9999.
const TIMES: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;
const DAY_MILLIS: i64 = 86_400_000;

/// Writes one record after the other into the same buffer.
#[derive(Default)]
pub(in crate::event) struct Transcoder {
    text: Vec<u8>,
}

/// What the JSON text of a record cannot show.
#[derive(Default)]
pub(in crate::event) struct Cut {
    /// What ended the text before the record did.
    pub ended: Option<Fault>,
    /// The first thing that was wrong and could be passed over: null stands in its place.
    pub noted: Option<Fault>,
}

impl Transcoder {
    /// The text of the last record, as far as it came.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Writes the record `bytes`, which begins with `frame`, as JSON of at most `max_text` bytes and a name. The faults that
    /// it gives are whole sentences.
    pub fn transcode(&mut self, frame: Frame, bytes: &[u8], source: &dyn SchemaSource, max_text: usize) -> Cut {
        self.text.clear();
        let Some(schema) = frame.schema(source) else { return Cut { ended: Some(unknown(frame, bytes)), noted: None } };
        let input = Input::new(bytes, frame.len());
        let mut run = Run { schema: &schema, input, out: &mut self.text, max_text, in_features: false, noted: None };
        let ended = run.event().err();
        let noted = run.noted;
        Cut { ended: ended.map(|Stop(fault)| placed(*fault, &self.text)), noted }
    }
}

/// Why there is no schema.
#[cold]
fn unknown(frame: Frame, bytes: &[u8]) -> Fault {
    let (code, what) = match frame {
        Frame::Id(id) => (Code::UnknownSchema, format!("no schema with the id {id} is known")),
        Frame::Fingerprint(fingerprint) => (
            Code::UnknownSchema,
            format!("the fingerprint {fingerprint:016x} is that of no known schema, or of several that mean different things"),
        ),
        Frame::CutShort => {
            (Code::NotAvro, format!("the record ends at byte {}, inside what says which schema it has", bytes.len()))
        }
    };
    Fault { code, at: None, what }
}

/// The fault as a whole sentence: its byte is one of the record, and its field the one that `text` ends in.
#[cold]
fn placed(fault: Fault, text: &[u8]) -> Fault {
    let what = match fault.at {
        Some(at) => sentence_at(at, &ending_in(text), &fault.what),
        None => fault.what,
    };
    Fault { what, at: None, ..fault }
}

/// One record on its way.
struct Run<'r> {
    schema: &'r WriterSchema,
    input: Input<'r>,
    out: &'r mut Vec<u8>,
    max_text: usize,
    in_features: bool,
    noted: Option<Fault>,
}

impl Run<'_> {
    fn event(&mut self) -> Read<()> {
        let schema = self.schema;
        self.open(schema.event);
        for (place, field) in schema.program.fields(schema.event).iter().enumerate() {
            self.out.extend_from_slice(schema.program.literal(field.before));
            self.in_features = schema.features == Some(place);
            self.value(field.node)?;
        }
        self.out.push(b'}');
        self.input.end()
    }

    /// Reads and writes a value. As deep as the schema is, which is bounded.
    fn value(&mut self, node: NodeId) -> Read<()> {
        match self.chosen(node)? {
            Node::Null => self.out.extend_from_slice(b"null"),
            Node::Boolean => {
                let value = self.input.boolean()?;
                self.out.extend_from_slice(if value { b"true" } else { b"false" });
            }
            Node::Int => {
                let value = self.input.int()?;
                self.integer(i64::from(value));
            }
            Node::Long => {
                let value = self.input.long()?;
                self.integer(value);
            }
            Node::Float => {
                let value = f32::from_le_bytes(self.input.chunk("a float")?);
                self.double(f64::from(value));
            }
            Node::Double => {
                let value = f64::from_le_bytes(self.input.chunk("a double")?);
                self.double(value);
            }
            Node::Text => self.text()?,
            Node::Bytes => {
                let bytes = self.input.counted("bytes")?;
                self.base64(bytes)?;
            }
            Node::Fixed { size } => {
                let bytes = self.input.take(size as usize, "a fixed")?;
                self.base64(bytes)?;
            }
            Node::Decimal { scale, size } => self.decimal(scale, size)?,
            Node::Date => {
                let days = self.input.int()?;
                self.time(i64::from(days) * DAY_MILLIS, "0000-00-00".len());
            }
            Node::Time { per_milli } => {
                let time = self.input.long()?.div_euclid(i64::from(per_milli));
                self.time(time, "0000-00-00T00:00:00.000Z".len());
            }
            Node::Uuid => self.uuid()?,
            Node::Enum { symbols } => {
                let choice = self.input.choice(symbols.len, "an enum")?;
                self.out.extend_from_slice(self.schema.program.symbol(symbols, choice));
            }
            Node::Array { items, item_bytes } => self.array(items, item_bytes)?,
            Node::Map { values, item_bytes } => self.map(values, item_bytes)?,
            Node::Union { .. } => unreachable!("a union that is a branch of a union is refused"),
            Node::Record { fields } => self.record(fields)?,
        }
        self.room_for(0)
    }

    /// The node, or the branch of it that the record chose.
    #[inline]
    fn chosen(&mut self, node: NodeId) -> Read<Node> {
        let program = &self.schema.program;
        match program.node(node) {
            Node::Union { branches } => {
                let choice = self.input.choice(branches.len, "a union")?;
                Ok(program.node(program.branch(branches, choice)))
            }
            node => Ok(node),
        }
    }

    /// Checks that the text may have so many bytes more. Asked before what can be long, and after each value, so that only
    /// a name or a number can be too much for a moment.
    #[inline]
    fn room_for(&self, bytes: usize) -> Read<()> {
        if self.out.len() + bytes <= self.max_text { Ok(()) } else { Err(self.too_long()) }
    }

    #[cold]
    fn too_long(&self) -> Stop {
        let what = format!("the event has more than {} bytes as JSON", self.max_text);
        Stop::new(Code::TooLarge, self.input.at(), what)
    }

    /// Begins the object of a record without fields; that of another begins with what stands before its first field.
    fn open(&mut self, fields: Items) {
        if fields.len == 0 {
            self.out.push(b'{');
        }
    }

    fn record(&mut self, fields: Items) -> Read<()> {
        let program = &self.schema.program;
        self.open(fields);
        for field in program.fields(fields) {
            self.out.extend_from_slice(program.literal(field.before));
            self.value(field.node)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn array(&mut self, items: NodeId, item_bytes: usize) -> Read<()> {
        self.out.push(b'[');
        while let Some(block) = self.input.block(item_bytes)? {
            for _ in 0..block.items {
                self.value(items)?;
                self.out.push(b',');
            }
            self.input.end_block(block)?;
        }
        self.close(b']');
        Ok(())
    }

    fn map(&mut self, values: NodeId, item_bytes: usize) -> Read<()> {
        self.out.push(b'{');
        while let Some(block) = self.input.block(item_bytes)? {
            for _ in 0..block.items {
                self.text()?;
                self.out.push(b':');
                self.value(values)?;
                self.out.push(b',');
            }
            self.input.end_block(block)?;
        }
        self.close(b'}');
        Ok(())
    }

    /// Ends a list or an object, whose items each brought a comma.
    fn close(&mut self, end: u8) {
        match self.out.last_mut() {
            Some(comma @ b',') => *comma = end,
            _ => self.out.push(end),
        }
    }

    fn text(&mut self) -> Read<()> {
        let bytes = self.input.counted("a string")?;
        self.room_for(bytes.len())?;
        if json::plain_ascii(self.out, bytes) { Ok(()) } else { self.other_text(bytes) }
    }

    /// Writes the text just read, which is to be decoded or needs escapes.
    #[inline(never)]
    fn other_text(&mut self, bytes: &[u8]) -> Read<()> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let at = self.input.at() - bytes.len() + error.valid_up_to();
            misfit_at(at, "the bytes here are not UTF-8".to_owned())
        })?;
        let start = self.out.len();
        json::text(self.out, text);
        // Escapes make it up to six times as long. None is left in part, as the decoder looks for the event's id in the text.
        self.room_for(0).inspect_err(|_| self.out.truncate(start))
    }

    fn integer(&mut self, value: i64) {
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn double(&mut self, value: f64) {
        if !value.is_finite() && !self.in_features {
            self.note("NaN and infinities are no numbers of an event");
        }
        match value {
            // JSON has the sign too, and what divides by it tells the two zeros apart.
            0.0 if value.is_sign_negative() => self.out.extend_from_slice(b"-0"),
            value => json::number(self.out, value),
        }
    }

    fn decimal(&mut self, scale: u32, size: Option<u32>) -> Read<()> {
        let bytes = match size {
            Some(size) => self.input.take(size as usize, "a decimal")?,
            None => self.input.counted("a decimal")?,
        };
        if bytes.is_empty() || bytes.len() > decimal::MAX_BYTES {
            let what = format!("a decimal of {} bytes; 1 to {} are read", bytes.len(), decimal::MAX_BYTES);
            return Err(self.input.misfit(what));
        }
        decimal::write(self.out, bytes, scale as usize);
        Ok(())
    }

    /// Writes the first `len` characters of a time.
    fn time(&mut self, millis: i64, len: usize) {
        if !TIMES.contains(&millis) {
            self.note("a time outside the years 0 to 9999");
            return self.out.extend_from_slice(b"null");
        }
        self.out.push(b'"');
        self.out.extend_from_slice(&Timestamp(millis).rfc3339()[..len]);
        self.out.push(b'"');
    }

    fn uuid(&mut self) -> Read<()> {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let bytes: [u8; 16] = self.input.chunk("a uuid")?;
        self.out.push(b'"');
        for (place, byte) in bytes.into_iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                self.out.push(b'-');
            }
            self.out.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        self.out.push(b'"');
        Ok(())
    }

    fn base64(&mut self, bytes: &[u8]) -> Read<()> {
        let len = bytes.len().div_ceil(3) * 4;
        self.room_for(len)?;
        self.out.push(b'"');
        let start = self.out.len();
        self.out.resize(start + len, 0);
        BASE64_STANDARD.encode_slice(bytes, &mut self.out[start..]).expect("four characters for each three bytes have room");
        self.out.push(b'"');
        Ok(())
    }

    /// Notes that the value just read has no JSON. The first one stays.
    #[cold]
    fn note(&mut self, what: &str) {
        if self.noted.is_none() {
            let fault = Fault { code: Code::OutOfRange, at: Some(self.input.at()), what: what.to_owned() };
            self.noted = Some(placed(fault, self.out));
        }
    }
}
