//! Many trusted records, by subject.

use std::hash::Hasher as _;
use std::sync::Arc;

use hashbrown::HashTable;

use super::{REFERENCE_UNDECODABLE, Trusted, TrustedRecord};

/// How much a table may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableBounds {
    /// Records, those that cannot be read included.
    pub records: usize,
    /// Bytes of memory, as counted by [`TrustedRecord::cost`].
    pub bytes: usize,
}

impl Default for TableBounds {
    /// A million records, half a gibibyte.
    fn default() -> Self {
        Self { records: 1_000_000, bytes: 512 * 1024 * 1024 }
    }
}

/// That a change did not fit: the table is incomplete from then on, and must not be believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it has more than {} records or {} bytes", .0.records, .0.bytes)]
pub struct Full(pub TableBounds);

/// What became known of a subject.
#[derive(Debug)]
pub enum Change<'c> {
    /// This is trusted from now on.
    Record(TrustedRecord),
    /// Its record was taken away.
    Removed(&'c str),
    /// Its newest record cannot be read: nothing can be said until the next one.
    Undecodable(&'c str),
}

enum Entry {
    Record(Arc<TrustedRecord>),
    Undecodable(Box<str>),
}

impl Entry {
    fn subject(&self) -> &[u8] {
        match self {
            Self::Record(record) => record.subject_bytes(),
            Self::Undecodable(subject) => subject.as_bytes(),
        }
    }

    fn cost(&self) -> usize {
        match self {
            Self::Record(record) => record.cost(),
            Self::Undecodable(subject) => subject.len() + 64,
        }
    }
}

/// The newest record of each subject.
#[derive(Default)]
pub struct Table {
    entries: HashTable<Entry>,
    bytes: usize,
    undecodable: usize,
}

impl Table {
    /// What is known of `subject`, as far as this table was filled. Allocates nothing.
    #[must_use]
    pub fn look(&self, subject: &str) -> Trusted {
        match self.entries.find(hash(subject.as_bytes()), |entry| entry.subject() == subject.as_bytes()) {
            Some(Entry::Record(record)) => Trusted::Record(Arc::clone(record)),
            Some(Entry::Undecodable(_)) => Trusted::NotReady(REFERENCE_UNDECODABLE),
            None => Trusted::NoRecord,
        }
    }

    /// Takes in a change.
    ///
    /// # Errors
    /// When it does not fit within `bounds`: then the subject has what it had, which is out of date.
    pub fn apply(&mut self, change: Change<'_>, bounds: TableBounds) -> Result<(), Full> {
        let entry = match change {
            Change::Removed(subject) => {
                self.remove(subject.as_bytes());
                return Ok(());
            }
            Change::Record(record) => Entry::Record(Arc::new(record)),
            Change::Undecodable(subject) => Entry::Undecodable(subject.into()),
        };
        let (cost, subject) = (entry.cost(), entry.subject());
        let before = self.entries.find(hash(subject), |known| known.subject() == subject).map(Entry::cost);
        let (others, bytes) =
            (self.entries.len() - usize::from(before.is_some()), self.bytes.saturating_sub(before.unwrap_or(0)));
        if others >= bounds.records || bytes + cost > bounds.bytes {
            return Err(Full(bounds));
        }
        self.remove(entry.subject());
        self.bytes += cost;
        self.undecodable += usize::from(matches!(entry, Entry::Undecodable(_)));
        self.entries.insert_unique(hash(entry.subject()), entry, |entry| hash(entry.subject()));
        Ok(())
    }

    fn remove(&mut self, subject: &[u8]) {
        if let Ok(found) = self.entries.find_entry(hash(subject), |entry| entry.subject() == subject) {
            let (entry, _) = found.remove();
            self.bytes = self.bytes.saturating_sub(entry.cost());
            self.undecodable -= usize::from(matches!(entry, Entry::Undecodable(_)));
        }
    }

    /// How many subjects it knows, with those whose record cannot be read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it knows none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Of how many subjects the newest record cannot be read.
    #[must_use]
    pub const fn undecodable(&self) -> usize {
        self.undecodable
    }

    /// Memory that the records take, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// A number that says where a subject stands.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    hash_with(0, bytes)
}

/// [`hash`] of what comes after what `seed` is the hash of. Without a secret: who writes a trusted topic is trusted, and the
/// same table is made of the same records everywhere.
pub(super) fn hash_with(seed: u64, bytes: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write_u64(seed);
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{Fact, Origin, RecordReader};

    const HERE: Origin = Origin::Log { partition: 0, offset: 0 };

    fn record(reader: &mut RecordReader, subject: &str, age: usize) -> TrustedRecord {
        reader.read((subject, format!("{{\"age\":{age}}}").as_bytes()), HERE, None).expect("a record")
    }

    fn age(table: &Table, subject: &str) -> Option<f64> {
        match table.look(subject) {
            Trusted::Record(record) => match record.fact("age") {
                Fact::Number(age) => Some(age),
                _ => None,
            },
            _ => None,
        }
    }

    #[test]
    fn the_newest_record_counts_until_it_is_taken_away() {
        let (mut table, mut reader, bounds) = (Table::default(), RecordReader::new(None), TableBounds::default());
        for number in 0..10_000 {
            table.apply(Change::Record(record(&mut reader, &format!("S{}", number % 1_000), number)), bounds).expect("room");
        }
        assert_eq!((table.len(), age(&table, "S7"), age(&table, "S1000")), (1_000, Some(9_007.0), None));
        table.apply(Change::Removed("S7"), bounds).expect("room");
        table.apply(Change::Removed("never there"), bounds).expect("room");
        assert!(matches!(table.look("S7"), Trusted::NoRecord));
        table.apply(Change::Undecodable("S8"), bounds).expect("room");
        assert!(matches!(table.look("S8"), Trusted::NotReady(REFERENCE_UNDECODABLE)));
        assert_eq!((table.len(), table.undecodable()), (999, 1));
        table.apply(Change::Record(record(&mut reader, "S8", 8)), bounds).expect("room");
        assert_eq!((age(&table, "S8"), table.undecodable()), (Some(8.0), 0));
        for number in 0..1_000 {
            table.apply(Change::Removed(&format!("S{number}")), bounds).expect("room");
        }
        assert_eq!((table.len(), table.bytes(), table.is_empty()), (0, 0, true));
    }

    #[test]
    fn bounds_are_kept() {
        let (mut table, mut reader) = (Table::default(), RecordReader::new(None));
        let two = TableBounds { records: 2, bytes: usize::MAX };
        table.apply(Change::Record(record(&mut reader, "S1", 1)), two).expect("room");
        table.apply(Change::Record(record(&mut reader, "S2", 2)), two).expect("room");
        table.apply(Change::Record(record(&mut reader, "S2", 3)), two).expect("a replacement needs no room");
        let full = table.apply(Change::Record(record(&mut reader, "S3", 4)), two).expect_err("no room");
        assert_eq!(full, Full(two));
        let tight = TableBounds { records: 2, bytes: 1 };
        assert!(table.apply(Change::Record(record(&mut reader, "S2", 5)), tight).is_err());
        assert!(table.len() == 2 && matches!(table.look("S2"), Trusted::Record(_)), "it has what it had");
        let small = TableBounds { records: 10, bytes: table.bytes() + 10 };
        assert!(table.apply(Change::Undecodable("S3"), small).is_err());
    }
}
