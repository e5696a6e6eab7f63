//! Export lines: records of topics as lines of JSON, so that they can be kept, filtered and verified without Kafka.
//!
//! `{"topic","partition","offset","timestamp","key","value","headers"}`, in this order, one record a line:
//!
//! - `timestamp`: the record's append time, or null. Other tools write Kafka's milliseconds; they are read, too.
//! - `key`, `value`: the text exactly as stored, or null. What is no UTF-8 stands as base64 under `key_base64`, `value_base64`.
//! - `headers`: an object of name and text, in the record's order, null where the header has no value. A value that is no
//!   UTF-8 stands as base64 under `<name>_base64`. Of a name that stands there several times, the object has each.
//!
//! `record → `[`write_line`]` → line → `[`LineReader::read`]` → `[`Line`]

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer};

use crate::identity::Timestamp;
use crate::json::text;

mod fast;

/// A record to be written as a line.
#[derive(Clone, Copy, Debug)]
pub struct Exported<'r> {
    /// Topic.
    pub topic: &'r str,
    /// Partition of it.
    pub partition: i32,
    /// Offset in that.
    pub offset: i64,
    /// Append time.
    pub timestamp: Option<Timestamp>,
    /// Key.
    pub key: Option<&'r [u8]>,
    /// Value; none is a tombstone.
    pub value: Option<&'r [u8]>,
}

/// Writes the line of a record with these headers, with its line feed, into `out`.
pub fn write_line<'r>(out: &mut Vec<u8>, record: &Exported<'r>, headers: impl Iterator<Item = (&'r str, Option<&'r [u8]>)>) {
    out.extend_from_slice(b"{\"topic\":");
    text(out, record.topic);
    out.extend_from_slice(b",\"partition\":");
    out.extend_from_slice(itoa::Buffer::new().format(record.partition).as_bytes());
    out.extend_from_slice(b",\"offset\":");
    out.extend_from_slice(itoa::Buffer::new().format(record.offset).as_bytes());
    out.extend_from_slice(b",\"timestamp\":");
    match record.timestamp {
        Some(time) => {
            out.push(b'"');
            out.extend_from_slice(&time.rfc3339());
            out.push(b'"');
        }
        None => out.extend_from_slice(b"null"),
    }
    out.push(b',');
    member(out, "key", record.key);
    out.push(b',');
    member(out, "value", record.value);
    out.extend_from_slice(b",\"headers\":{");
    for (place, (name, value)) in headers.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        member(out, name, value);
    }
    out.extend_from_slice(b"}}\n");
}

/// A member with text, or with base64 where the bytes are no text.
fn member(out: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    let (suffix, value) = match value.map(|bytes| std::str::from_utf8(bytes).map_err(|_| bytes)) {
        None => ("", None),
        Some(Ok(text)) => ("", Some(Ok(text))),
        Some(Err(bytes)) => ("_base64", Some(Err(bytes))),
    };
    match suffix {
        "" => text(out, name),
        suffix => text(out, &format!("{name}{suffix}")),
    }
    out.push(b':');
    match value {
        None => out.extend_from_slice(b"null"),
        Some(Ok(value)) => text(out, value),
        Some(Err(bytes)) => {
            let start = out.len() + 1;
            out.push(b'"');
            out.resize(start + bytes.len().div_ceil(3) * 4, 0);
            let written = BASE64_STANDARD.encode_slice(bytes, &mut out[start..]);
            debug_assert_eq!(written.ok(), Some(out.len() - start), "four digits for three bytes");
            out.push(b'"');
        }
    }
}

/// What a line says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line<'l> {
    /// Topic.
    pub topic: &'l str,
    /// Partition of it.
    pub partition: i32,
    /// Offset in that.
    pub offset: i64,
    /// Append time, as text.
    pub timestamp: Option<&'l str>,
    /// Key; also none where it is no text.
    pub key: Option<&'l str>,
    /// Value; none is a tombstone.
    pub value: Option<&'l [u8]>,
    /// The headers of ours, as far as they are there and text.
    pub headers: OurHeaders<'l>,
}

/// Headers that jidoka writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OurHeaders<'l> {
    /// `jidoka-decision-id`.
    pub decision_id: Option<&'l str>,
    /// `jidoka-kind`.
    pub kind: Option<&'l str>,
    /// `jidoka-hash`.
    pub hash: Option<&'l str>,
}

/// Reads lines, in whatever order and layout their members are; fast where they are as [`write_line`] writes them.
#[derive(Debug, Default)]
pub struct LineReader {
    unescaped: Vec<u8>,
    slow: Slow,
}

impl LineReader {
    /// What `line` says; good until the next one is read.
    ///
    /// # Errors
    /// With a sentence where it is no export line.
    pub fn read<'l>(&'l mut self, line: &'l [u8]) -> Result<Line<'l>, String> {
        let whole = std::str::from_utf8(line).map_err(|error| format!("the line is not UTF-8 text: {error}"))?;
        if let Some(found) = fast::read(whole, &mut self.unescaped) {
            return Ok(found.with_value(&self.unescaped));
        }
        self.slow = Slow::read(whole)?;
        Ok(self.slow.line())
    }
}

/// A line that is laid out in some other way.
#[derive(Debug, Default)]
struct Slow {
    wire: Wire,
    value: Option<Vec<u8>>,
}

impl Slow {
    fn read(line: &str) -> Result<Self, String> {
        let mut wire: Wire = serde_json::from_str(line).map_err(|error| format!("the line is no export line: {error}"))?;
        let value = match (wire.value.take(), wire.value_base64.take()) {
            (Some(_), Some(_)) => return Err("the line is no export line: it has both value and value_base64".to_owned()),
            (Some(text), None) => Some(text.into_bytes()),
            (None, Some(base64)) => Some(of_base64(&base64)?),
            (None, None) => None,
        };
        Ok(Self { wire, value })
    }

    fn line(&self) -> Line<'_> {
        let (wire, headers) = (&self.wire, &self.wire.headers);
        Line {
            topic: &wire.topic,
            partition: wire.partition,
            offset: wire.offset,
            timestamp: wire.timestamp.as_deref(),
            key: wire.key.as_deref(),
            value: self.value.as_deref(),
            headers: OurHeaders {
                decision_id: headers.decision_id.as_deref(),
                kind: headers.kind.as_deref(),
                hash: headers.hash.as_deref(),
            },
        }
    }
}

fn of_base64(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; text.len().div_ceil(4) * 3];
    let len = BASE64_STANDARD.decode_slice(text, &mut bytes).map_err(|error| format!("value_base64 is no base64: {error}"))?;
    bytes.truncate(len);
    Ok(bytes)
}

/// A time as text, whether it stands there as text or in milliseconds.
fn time<'de, D: Deserializer<'de>>(time: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Time {
        Text(String),
        Millis(i64),
    }
    Ok(Option::<Time>::deserialize(time)?.map(|time| match time {
        Time::Text(text) => text,
        Time::Millis(millis) => Timestamp(millis).to_string(),
    }))
}

#[derive(Debug, Default, Deserialize)]
struct Wire {
    topic: String,
    partition: i32,
    offset: i64,
    #[serde(default, deserialize_with = "time")]
    timestamp: Option<String>,
    key: Option<String>,
    value: Option<String>,
    value_base64: Option<String>,
    headers: WireHeaders,
}

#[derive(Debug, Default, Deserialize)]
struct WireHeaders {
    #[serde(rename = "jidoka-decision-id")]
    decision_id: Option<String>,
    #[serde(rename = "jidoka-kind")]
    kind: Option<String>,
    #[serde(rename = "jidoka-hash")]
    hash: Option<String>,
}

#[cfg(test)]
mod tests;
