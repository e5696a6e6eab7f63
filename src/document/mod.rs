//! Reading the YAML that people write: configuration and policies.
//!
//! `text → `[`parse`]` → tree of `[`Node`]`s that know their place → `[`Map`]` and `[`Field`]`, which read typed values → value, or every `[`Problem`]
//!
//! Whoever mends a file wants to do it once, so reading never stops at the first problem: a value that cannot be read
//! is reported and stands as absent, and only [`Problems::finish`] decides whether there is a result at all.
//!
//! What YAML allows and nobody should need here is refused with a sentence: anchors, aliases, merge keys, tags, several
//! documents in a file, keys that are no words. A file is at most [`MAX_BYTES`] long and [`MAX_DEPTH`] deep.

mod excerpt;
mod field;
mod map;
mod problem;
mod scalar;
mod tree;
mod words;

pub use excerpt::Excerpt;
pub use field::Field;
pub use map::Map;
pub use problem::{Place, Problem, Problems};
pub(crate) use scalar::parse_duration;
pub use scalar::{DAY, HOUR, MINUTE, SECOND, YEAR, duration_text};
pub use tree::{Entry, MAX_BYTES, MAX_DEPTH, Node, Style, Value, parse};
pub use words::suggestion;

#[cfg(test)]
mod tests;
