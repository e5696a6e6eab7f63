//! Trusted records from files, for replays and fixtures.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::cli::lines::{Input, Lines};
use crate::policy::PolicySet;
use crate::reference::{Table, Tables, read_csv};

/// A longer file is not read: it is kept in memory as a whole.
const FILE_BYTES_MAX: usize = 1 << 30;

/// `NAME=CSV` of a command line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Named {
    /// The reference, as policies call it.
    pub name: String,
    /// Its records.
    pub path: PathBuf,
}

/// Reads `NAME=CSV`.
pub(super) fn named(text: &str) -> Result<Named, String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok(Named { name: name.to_owned(), path: path.into() }),
        _ => Err("NAME=CSV, such as customers=trusted.csv.gz".to_owned()),
    }
}

/// Reads all these files. `as_of` says of a reference which member tells since when a record is true.
pub(super) fn read_all(all: &[Named], as_of: impl Fn(&str) -> Option<String>) -> Result<Tables, String> {
    let mut tables = Tables::default();
    for Named { name, path } in all {
        if tables.0.iter().any(|(known, _)| known == name) {
            return Err(format!("The reference {name} is given twice."));
        }
        tables.0.push((name.clone(), read(path, as_of(name))?));
    }
    Ok(tables)
}

/// Reads one file, plain or gzipped.
pub(super) fn read(path: &Path, as_of: Option<String>) -> Result<Table, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{} cannot be read: {error}", path.display());
    let mut bytes = Vec::new();
    let mut lines = Lines::open(&Input::File(path.to_owned())).map_err(|error| failed(&error))?;
    while let Some(chunk) = lines.next_chunk().map_err(|error| failed(&error))? {
        for line in chunk.lines() {
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
        }
        if bytes.len() > FILE_BYTES_MAX {
            return Err(failed(&format_args!("it is longer than the {FILE_BYTES_MAX} bytes that are read")));
        }
    }
    let text = String::from_utf8(bytes).map_err(|error| failed(&format_args!("it is not UTF-8 text: {}", error.utf8_error())))?;
    read_csv(&text, as_of).map_err(|mistake| format!("{}: {mistake}", path.display()))
}

/// What the policies compare with and `tables` lack.
pub(super) fn lacking<'s>(sets: impl IntoIterator<Item = &'s PolicySet>, tables: &Tables) -> BTreeSet<&'s str> {
    let asked = sets.into_iter().flat_map(PolicySet::references);
    asked.filter(|name| !tables.0.iter().any(|(known, _)| known == name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_a_name_and_a_file() {
        let customers = Named { name: "customers".to_owned(), path: "a=b.csv".into() };
        assert_eq!(named("customers=a=b.csv"), Ok(customers.clone()));
        for text in ["", "=a", "a=", "customers"] {
            assert!(named(text).is_err(), "{text}");
        }
        assert!(read_all(&[Named { path: "no such file".into(), ..customers.clone() }], |_| None).is_err());
        assert!(read_all(&[customers.clone(), customers], |_| None).is_err());
    }
}
