//! Avro → the same event in JSON: a record is written as native JSON text into a reused buffer, and that text goes through
//! the one decoder there is. So every check, limit, code and slot means the same for both encodings, and a held case carries
//! the event in the form that reviewers read.
//!
//! ```text
//! registry/7.avsc ─ schema ─→ Program (once)
//!                                │
//! record bytes ─ frame ─→ id ─→ transcode ─→ JSON text ─→ decode …
//!                                  └──→ Cut (code and sentence), and the text as far as it came
//! ```
//!
//! | Avro | JSON |
//! |---|---|
//! | record, map | object: the writer's field names, the keys |
//! | array | list |
//! | union | the value of its branch |
//! | null, boolean, int, long, string | the same, every digit |
//! | float, double | the shortest number that reads back as that double; a float is widened exactly |
//! | enum | its symbol |
//! | `decimal` | the exact number, with all digits of its scale |
//! | `timestamp-…`, `local-timestamp-…` | RFC 3339 with milliseconds, finer digits cut; a local time is taken for UTC |
//! | `date` | `2026-01-05` |
//! | `uuid` | its text |
//! | other bytes and fixed | base64 |
//!
//! NaN and infinities have no JSON. Within `features` they become null, which is how the triggers count them; anywhere
//! else the record is unreadable, `out-of-range`. So is it for a time whose year has no four digits.
//!
//! Both sides come from strangers. A [`WriterSchema`] is checked completely before it is used ([`SchemaRefused`] says what
//! for), and whatever the bytes of a record claim, transcoding it takes time and memory in proportion to its text, which is
//! at most [`TEXT_PER_BYTE`] times [`Limits::max_bytes`](super::Limits::max_bytes) long.

mod decimal;
mod fingerprint;
mod frame;
mod input;
mod program;
mod registry;
mod schema;
mod transcode;

pub use registry::{MAX_SCHEMAS, SchemaSource, Schemas};
pub use schema::{SchemaRefused, WriterSchema};

pub(super) use frame::Frame;
pub(super) use transcode::{Cut, TEXT_PER_BYTE, Transcoder};

#[cfg(test)]
pub(crate) mod encoded;
#[cfg(test)]
mod tests;
