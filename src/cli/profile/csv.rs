//! Comma-separated values (RFC 4180): records from a file, and fields from a record.

use std::io;

use crate::cli::lines::{Input, Lines};

/// Records are handed on in pieces of about so many bytes.
const BATCH_BYTES: usize = 256 * 1024;

/// Whole records, one after the other.
#[derive(Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// The line on which each begins, from 1.
    lines: Vec<u64>,
}

impl Batch {
    /// The records, without their line ends, and the lines on which they begin.
    pub fn records(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let records = starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end]);
        self.lines.iter().copied().zip(records)
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH_BYTES
    }

    fn end(&mut self) {
        self.ends.push(self.bytes.len());
    }
}

/// Reads records. Empty lines are none.
pub(super) struct Records {
    lines: Lines,
    pending: Batch,
    /// A quoted field goes on in the next line.
    is_open: bool,
    line: u64,
}

impl Records {
    /// Opens a file of them, plain or gzipped.
    pub fn open(input: &Input) -> io::Result<Self> {
        Ok(Self { lines: Lines::open(input)?, pending: Batch::default(), is_open: false, line: 0 })
    }

    /// The next records; none at the end.
    pub fn next_batch(&mut self) -> io::Result<Option<Batch>> {
        while self.is_open || !self.pending.is_full() {
            let Some(chunk) = self.lines.next_chunk()? else { return self.last() };
            for line in chunk.lines() {
                self.add(line);
            }
        }
        Ok(Some(std::mem::take(&mut self.pending)))
    }

    fn last(&mut self) -> io::Result<Option<Batch>> {
        if self.is_open {
            return Err(io::Error::other("the last record has a quoted field without an end"));
        }
        Ok(Some(std::mem::take(&mut self.pending)).filter(|batch| batch.len() > 0))
    }

    fn add(&mut self, line: &[u8]) {
        self.line += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.is_open {
            self.pending.bytes.push(b'\n');
        } else if line.is_empty() {
            return;
        } else {
            self.pending.lines.push(self.line);
        }
        self.pending.bytes.extend_from_slice(line);
        self.is_open ^= line.iter().filter(|byte| **byte == b'"').count() % 2 == 1;
        if !self.is_open {
            self.pending.end();
        }
    }
}

/// The fields of one record, unquoted. Used again for the next.
#[derive(Default)]
pub(super) struct Fields {
    text: String,
    ends: Vec<usize>,
}

impl Fields {
    /// Reads a record.
    pub fn read(&mut self, record: &[u8]) -> Result<(), &'static str> {
        self.text.clear();
        self.ends.clear();
        let mut rest = std::str::from_utf8(record).map_err(|_| "is not UTF-8 text")?;
        loop {
            rest = if let Some(quoted) = rest.strip_prefix('"') {
                self.quoted(quoted)?
            } else {
                let (field, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
                self.text.push_str(field);
                after
            };
            self.ends.push(self.text.len());
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None if rest.is_empty() => return Ok(()),
                None => return Err("has text after a quoted field"),
            }
        }
    }

    /// Takes a field whose opening quote was taken; what comes after it.
    fn quoted<'r>(&mut self, mut rest: &'r str) -> Result<&'r str, &'static str> {
        loop {
            let (text, after) = rest.split_once('"').ok_or("has a quoted field without an end")?;
            self.text.push_str(text);
            match after.strip_prefix('"') {
                Some(more) => {
                    self.text.push('"');
                    rest = more;
                }
                None => return Ok(after),
            }
        }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The field at this place; empty where there is none.
    pub fn get(&self, place: usize) -> &str {
        let start = place.checked_sub(1).map_or(0, |before| self.ends.get(before).copied().unwrap_or(self.text.len()));
        self.ends.get(place).map_or("", |end| &self.text[start..*end])
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|place| self.get(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(record: &str) -> Result<Vec<String>, &'static str> {
        let mut fields = Fields::default();
        fields.read(record.as_bytes()).map(|()| fields.iter().map(str::to_owned).collect())
    }

    #[test]
    fn fields_are_unquoted() {
        for (record, wanted) in [
            ("a,b", &["a", "b"][..]),
            ("", &[""]),
            (",", &["", ""]),
            ("\"a,\"\"b\"\"\",c\"d", &["a,\"b\"", "c\"d"]),
            ("\"\",é", &["", "é"]),
            ("\"two\nlines\"", &["two\nlines"]),
        ] {
            assert_eq!(fields(record).unwrap(), wanted);
        }
        for wrong in ["\"a", "\"a\"b,c", "a,\"b\"\""] {
            assert!(fields(wrong).is_err(), "{wrong}");
        }
        assert!(Fields::default().read(b"a,\xff").is_err());
    }

    #[test]
    fn records_may_go_over_lines_and_know_where_they_begin() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "a,b\r\n\n1,\"x\n\ny\"\n2,z").unwrap();
        let mut records = Records::open(&Input::from(path.clone())).unwrap();
        let batch = records.next_batch().unwrap().unwrap();
        let found: Vec<(u64, &[u8])> = batch.records().collect();
        assert_eq!(found, [(1, &b"a,b"[..]), (3, b"1,\"x\n\ny\""), (6, b"2,z")]);
        assert!(records.next_batch().unwrap().is_none());
        std::fs::write(&path, "a,\"b\n").unwrap();
        assert!(Records::open(&Input::from(path)).unwrap().next_batch().is_err());
    }

    #[test]
    fn many_records_come_in_pieces_and_none_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let text: Vec<String> = (0..60_000).map(|row| format!("{row},\"quoted\n{row}\"\n")).collect();
        std::fs::write(&path, text.concat()).unwrap();
        let mut records = Records::open(&Input::from(path)).unwrap();
        let (mut fields, mut row, mut pieces) = (Fields::default(), 0, 0);
        while let Some(batch) = records.next_batch().unwrap() {
            pieces += 1;
            for (_, record) in batch.records() {
                fields.read(record).unwrap();
                assert_eq!((fields.len(), fields.get(0), fields.get(1)), (2, &*row.to_string(), &*format!("quoted\n{row}")));
                row += 1;
            }
        }
        assert!(row == 60_000 && pieces > 1);
    }
}
