//! Bytes → event: the native inference event (contract, section 1) in JSON, read in one pass, or in Avro, which becomes
//! the same JSON first.
//!
//! ```text
//! record bytes ─────────┬─→ JSON text ─ scanner ─→ tokens ─ decode ─→ fields and slots ─→ Event (a view)
//!     └─ avro (framed) ─┘                                        └──→ Unreadable (code, sentence, and who it was)
//! ```
//!
//! This is the hot path, so it keeps no document: the [`Decoder`] goes over the bytes once and writes down where the
//! fields lie that anybody will ask for. Those are the named ones, always, and of the four maps the members that a
//! [`Plan`] names. Its buffers are used again for the next event, so that a warm decoder allocates nothing for what it
//! can read.
//!
//! What is not read is checked all the same: an event that is accepted is JSON from its first byte to its last, without
//! a duplicate key or a number beyond a double at any depth, within the [`Limits`].
//!
//! Two kinds of faults. A *syntax* fault (not JSON, too deep, too many fields) ends the pass. Any other is noted, the
//! first one is kept, and the pass goes on, so that an event can still be named when it cannot be used.

mod avro;
mod decode;
mod keys;
mod path;
mod plan;
mod scanner;
mod unreadable;
mod view;

pub use avro::{MAX_SCHEMAS, SchemaRefused, SchemaSource, Schemas, WriterSchema};
pub use decode::Decoder;
pub use plan::{Plan, Slot};
pub use unreadable::{Code, Limits, Unreadable};
pub use view::{Event, Evidence, Plain, Value};

#[cfg(test)]
pub(crate) use avro::encoded;
#[cfg(test)]
mod oracle;
