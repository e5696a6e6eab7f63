//! Trusted records from a CSV file (RFC 4180): what `policy replay` compares with.

use super::record::Owned;
use super::{Change, Origin, RecordReader, Table, TableBounds};

/// The column that names the subject, where there is one; else it is the first.
const SUBJECT: &str = "subject_id";

/// Something that is wrong with a file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct CsvMistake {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and how to mend it.
    pub message: String,
}

impl CsvMistake {
    fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

/// Reads `text`, whose first line names the columns: one record a line, a number where a cell is one, nothing where it is
/// empty. The key is the column `subject_id`, else the first. A record's offset is its line less one. Of two records of one
/// subject the later counts, as in a topic.
///
/// # Errors
/// The first line that is not as the header says, a column without a name or with that of another, no header.
pub fn read_csv(text: &str, as_of: Option<String>) -> Result<Table, CsvMistake> {
    let mut rows = Rows { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 };
    let (_, header) = rows.next().ok_or_else(|| CsvMistake::new(1, "the file is empty; its first line names the columns"))??;
    if let Some(place) =
        header.iter().position(|name| name.is_empty() || header.iter().filter(|other| *other == name).count() > 1)
    {
        return Err(CsvMistake::new(1, format!("column {} has no name, or that of another", place + 1)));
    }
    let key = header.iter().position(|name| name == SUBJECT).unwrap_or(0);
    let bounds = TableBounds { records: usize::MAX, bytes: usize::MAX };
    let (mut table, mut reader) = (Table::default(), RecordReader::new(as_of));
    for row in rows {
        let (line, cells) = row?;
        if cells.len() != header.len() {
            return Err(CsvMistake::new(line, format!("has {} cells; the header has {}", cells.len(), header.len())));
        }
        let members = header.iter().zip(&cells).enumerate().filter(|(place, _)| *place != key);
        let members = members.map(|(_, (name, cell))| (name.clone(), value(cell)));
        let offset = i64::try_from(line - 1).unwrap_or(i64::MAX);
        let record = reader.take(&cells[key], members, Origin::Log { partition: 0, offset });
        let record = record.map_err(|undecodable| CsvMistake::new(line, undecodable.to_string()))?;
        table.apply(Change::Record(record), bounds).map_err(|full| CsvMistake::new(line, full.to_string()))?;
    }
    Ok(table)
}

/// A number where it is written as one, nothing where it is empty.
fn value(cell: &str) -> Owned {
    if cell.is_empty() {
        return Owned::Missing;
    }
    let looks_so = cell.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    match cell.parse::<f64>() {
        Ok(number) if looks_so && number.is_finite() => Owned::Number(number),
        _ => Owned::Text(cell.to_owned()),
    }
}

/// The rows of a file, each with the line that it begins in.
struct Rows<'t> {
    rest: &'t str,
    line: usize,
}

impl Iterator for Rows<'_> {
    type Item = Result<(usize, Vec<String>), CsvMistake>;

    fn next(&mut self) -> Option<Self::Item> {
        // Empty lines are none.
        while let Some(rest) = self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n')) {
            self.rest = rest;
            self.line += 1;
        }
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let row = self.row().map(|cells| (line, cells));
        if row.is_err() {
            self.rest = "";
        }
        Some(row)
    }
}

impl Rows<'_> {
    fn row(&mut self) -> Result<Vec<String>, CsvMistake> {
        let mut cells = Vec::new();
        loop {
            cells.push(self.cell()?);
            if let Some(rest) = self.rest.strip_prefix(',') {
                self.rest = rest;
                continue;
            }
            // What follows a cell is a comma, the end of the line, or that of the file.
            let rest = self.rest.strip_prefix('\r').unwrap_or(self.rest);
            self.rest = rest.strip_prefix('\n').unwrap_or(rest);
            self.line += 1;
            return Ok(cells);
        }
    }

    fn cell(&mut self) -> Result<String, CsvMistake> {
        let Some(quoted) = self.rest.strip_prefix('"') else {
            let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
            let (cell, rest) = self.rest.split_at(end);
            // The carriage return belongs to the end of the line.
            let cell = if rest.starts_with(',') { cell } else { cell.strip_suffix('\r').unwrap_or(cell) };
            self.rest = rest;
            return Ok(cell.to_owned());
        };
        let (mut cell, mut rest, begun) = (String::new(), quoted, self.line);
        loop {
            let end = rest.find('"').ok_or_else(|| CsvMistake::new(begun, "a quoted cell does not end"))?;
            cell.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            match rest.strip_prefix('"') {
                Some(more) => {
                    cell.push('"');
                    rest = more;
                }
                None => break,
            }
        }
        self.line += cell.matches('\n').count();
        self.rest = rest;
        if rest.is_empty() || rest.starts_with([',', '\n']) || rest.starts_with("\r\n") {
            Ok(cell)
        } else {
            Err(CsvMistake::new(self.line, "text follows the end of a quoted cell"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{Fact, Trusted};

    fn fact(table: &Table, subject: &str, name: &str) -> String {
        match table.look(subject) {
            Trusted::Record(record) => match record.fact(name) {
                Fact::Number(number) => number.to_string(),
                Fact::Text(text) => text.to_owned(),
                other => format!("{other:?}"),
            },
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn cells_are_numbers_texts_or_nothing() {
        let text = "age,subject_id,name\r\n56.0,S1,\"a, \"\"b\"\"\nc\"\r\n,S2,7th-8th\n\n1e3,S1,\"\"\n-1,S3,NaN";
        let table = read_csv(text, None).expect("a table");
        assert_eq!(table.len(), 3);
        assert_eq!(fact(&table, "S1", "age"), "1000", "the later counts");
        assert_eq!(fact(&table, "S1", "name"), "Missing");
        assert_eq!((fact(&table, "S2", "age"), fact(&table, "S2", "name")), ("Missing".to_owned(), "7th-8th".to_owned()));
        assert_eq!(fact(&table, "S3", "name"), "NaN");
        assert_eq!(fact(&table, "S1", "subject_id"), "Missing", "the key is no fact");
        assert_eq!(fact(&table, "S4", "age"), "NoRecord");
        let Trusted::Record(record) = table.look("S3") else { panic!("it is there") };
        assert_eq!(
            record.origin(),
            Origin::Log { partition: 0, offset: 6 },
            "line 7, after a cell of two lines and an empty line"
        );
        let quoted = read_csv("id,name\nS1,\"a, \"\"b\"\"\nc\"\n", None).expect("a table");
        assert_eq!(fact(&quoted, "S1", "name"), "a, \"b\"\nc", "without `subject_id` the first column is the key");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, said) in [
            ("", "line 1: the file is empty; its first line names the columns"),
            ("a,a\n1,2", "line 1: column 1 has no name, or that of another"),
            ("id,a\nS1,1\nS2", "line 3: has 1 cells; the header has 2"),
            ("id,a\nS1,\"x", "line 2: a quoted cell does not end"),
            ("id,a\nS1,\"x\"y", "line 2: text follows the end of a quoted cell"),
            ("id,a\n,1", "line 2: its key is empty or longer than 1024 bytes"),
        ] {
            assert_eq!(read_csv(text, None).map(drop).expect_err(text).to_string(), said);
        }
    }
}
