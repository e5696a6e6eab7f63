//! Trusted facts about subjects: what a contradiction trigger compares events with.
//!
//! ```text
//! topic, file or HTTP source ─→ bytes ─→ TrustedRecord ─→ Table ─→ (References) ─→ the contradiction trigger
//! ```
//!
//! A reference is a set of records by subject id, each a flat JSON object. Here is what a record is and how a table keeps
//! many of them; who fills a table, and when it may be believed, is told by [`References`].

mod csv;
mod record;
mod table;

pub use csv::{CsvMistake, read_csv};
pub(crate) use record::parse_time;
pub use record::{Fact, Origin, RecordReader, TrustedRecord, Undecodable};
pub use table::{Change, Full, Table, TableBounds};

use std::fmt;
use std::sync::Arc;

/// The longest name of a reference, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// What is known about a subject at the moment of deciding.
#[derive(Clone, Debug)]
pub enum Trusted {
    /// This is trusted.
    Record(Arc<TrustedRecord>),
    /// The reference is complete and has no record of the subject.
    NoRecord,
    /// Nothing can be said, for this reason: an error of the trigger, which holds by default.
    NotReady(&'static str),
    /// The answer did not come in time: a timeout of the trigger, which holds by default.
    Late,
}

/// The references of a process, by the names that policies call them by.
pub trait References: fmt::Debug + Send + Sync {
    /// What the reference `name` knows of `subject`. Called for every event that a contradiction trigger looks at; must not
    /// wait and must not allocate.
    fn look(&self, name: &str, subject: &str) -> Trusted;
}

/// No references: every name is unknown.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoReferences;

/// Why nothing can be said of a reference that the process does not have. Policies that name one are refused at load.
pub const UNKNOWN_REFERENCE: &str = "reference-unknown";
/// Why nothing can be said while a reference was not read to its end yet.
pub const REFERENCE_NOT_READY: &str = "reference-not-ready";
/// Why nothing can be said when a reference was not known to be read to its end lately.
pub const REFERENCE_STALE: &str = "reference-stale";
/// Why nothing can be said when a reference has more records than its bounds allow.
pub const REFERENCE_TOO_LARGE: &str = "reference-too-large";
/// Why nothing can be said when the newest record of this subject cannot be read.
pub const REFERENCE_UNDECODABLE: &str = "reference-undecodable";
/// Why nothing is compared where the subject has no record.
pub const NO_REFERENCE: &str = "no-reference";
/// Why nothing is compared where the subject's record is older than the trigger's `max_age`.
pub const REFERENCE_TOO_OLD: &str = "reference-too-old";
/// Why nothing can be said when an HTTP source failed too often lately and is not asked.
pub const LOOKUP_UNAVAILABLE: &str = "lookup-unavailable";
/// Why nothing can be said when an HTTP source gave no answer that can be used.
pub const LOOKUP_FAILED: &str = "lookup-failed";
/// Why nothing can be said when an HTTP source did not answer within its deadline.
pub const LOOKUP_LATE: &str = "lookup-timeout";

/// Tables that nobody changes any more, each with its name: what a replay compares with.
#[derive(Default)]
pub struct Tables(pub Vec<(String, Table)>);

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, table)| (name, table.len()))).finish()
    }
}

impl References for Tables {
    fn look(&self, name: &str, subject: &str) -> Trusted {
        let table = self.0.iter().find(|(known, _)| known == name);
        table.map_or(Trusted::NotReady(UNKNOWN_REFERENCE), |(_, table)| table.look(subject))
    }
}

impl References for NoReferences {
    fn look(&self, _: &str, _: &str) -> Trusted {
        Trusted::NotReady(UNKNOWN_REFERENCE)
    }
}
