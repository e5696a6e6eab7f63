use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::types::Value as AvroValue;
use serde_json::{Value as Json, json};

use super::encoded::{NATIVE, confluent, native, single_object};
use super::*;
use crate::event::{Code, Decoder, Limits, Plan, Value};

mod hostile;
mod mapping;
mod oracle;
mod real;
mod refused;

/// Schemas with the ids 1, 2, 3 …
fn schemas(texts: &[&str]) -> Arc<Schemas> {
    let files: Vec<_> = (1..).zip(texts).map(|(id, text)| (format!("{id}.avsc"), (*text).to_owned())).collect();
    Arc::new(Schemas::read(&files).unwrap_or_else(|problems| panic!("{problems:?}")))
}

fn decoder(texts: &[&str]) -> Decoder {
    decoder_within(Limits::default(), texts)
}

fn decoder_within(limits: Limits, texts: &[&str]) -> Decoder {
    Decoder::new(Arc::new(Plan::default()), limits).with_schemas(schemas(texts))
}

/// The text that a record of the schema is transcoded into, and what that ended with: byte 0 is that of the record itself.
fn transcoded(schema: &str, body: &[u8]) -> (String, Cut) {
    let mut transcoder = Transcoder::default();
    let bytes = confluent(1, body);
    let frame = Frame::of(&bytes).expect("a frame");
    let cut = transcoder.transcode(frame, &bytes, &*schemas(&[schema]), 1 << 20);
    (String::from_utf8(transcoder.text().to_vec()).expect("text"), cut)
}

/// The text of a good record.
#[track_caller]
fn text(schema: &str, body: &[u8]) -> String {
    let (text, cut) = transcoded(schema, body);
    assert!(cut.ended.is_none() && cut.noted.is_none(), "{:?} {:?}", cut.ended, cut.noted);
    text
}

/// A schema of a record with one field named `f`.
fn schema_of(kind: &Json) -> String {
    json!({"type": "record", "name": "E", "fields": [{"name": "f", "type": kind}]}).to_string()
}

fn datum(schema: &str, value: AvroValue) -> Vec<u8> {
    let schema = Schema::parse_str(schema).unwrap_or_else(|error| panic!("{error}: {schema}"));
    apache_avro::to_avro_datum(&schema, value).unwrap_or_else(|error| panic!("{error}: {schema:?}"))
}

/// A `long` as Avro writes it.
fn long(value: i64) -> Vec<u8> {
    let mut rest = (value << 1 ^ value >> 63).cast_unsigned();
    let mut bytes = Vec::new();
    while rest > 0x7f {
        bytes.push(0x80 | u8::try_from(rest & 0x7f).expect("seven bits"));
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).expect("seven bits"));
    bytes
}

/// A string as Avro writes it.
fn string(text: &str) -> Vec<u8> {
    [long(text.len().try_into().expect("short")), text.as_bytes().to_vec()].concat()
}
