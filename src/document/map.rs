//! Reading a map by its keys, so that what is not a key is noticed.

use std::cell::{Cell, RefCell};

use super::field::Field;
use super::problem::{Place, Problem, Problems};
use super::scalar::shortened;
use super::tree::{Entry, Node, Value};
use super::words::suggestion;

/// A map being read. Every key that is asked for is thereby known; when the function that reads the map returns, keys
/// that were never asked for are reported. So a reader cannot forget to check, nor list its keys twice.
#[derive(Debug)]
pub struct Map<'a> {
    entries: &'a [Entry],
    place: &'a Place,
    path: String,
    problems: &'a Problems,
    known: RefCell<Vec<&'static str>>,
    refused: RefCell<Vec<&'static str>>,
    open: Cell<bool>,
}

impl<'a> Map<'a> {
    /// Reads the whole document `node`; a document without a value is an empty map. Problems are told to `problems`.
    pub fn of_document<T>(node: &Node, problems: &Problems, read: impl FnOnce(&Map<'_>) -> T) -> T {
        let field = Field::new(Some(node).filter(|node| !node.is_null()), &node.place, String::new(), problems);
        Self::of_field(&field, read)
    }

    /// Reads the map that stands in `field`. Where none does, `read` gets an empty one: what it requires is then
    /// missing, unless something else stands there, which is the one problem to tell.
    pub(super) fn of_field<T>(field: &Field<'_>, read: impl FnOnce(&Map<'_>) -> T) -> T {
        let ignored = Problems::default();
        let (entries, problems) = match field.node().map(|node| &node.value) {
            Some(Value::Map(entries)) => (entries.as_slice(), field.problems()),
            None => (&[][..], field.problems()),
            Some(_) => {
                field.expected::<()>("a map");
                (&[][..], &ignored)
            }
        };
        let (known, refused, open) = (RefCell::default(), RefCell::default(), Cell::default());
        let map = Map { entries, place: field.place(), path: field.path().to_owned(), problems, known, refused, open };
        let value = read(&map);
        map.report_unknown();
        value
    }

    /// The value of `key`, which may be absent.
    pub fn key(&self, key: &'static str) -> Field<'a> {
        self.known.borrow_mut().push(key);
        self.field(key)
    }

    /// The value of `key`; a problem where it is absent.
    pub fn required(&self, key: &'static str) -> Field<'a> {
        let field = self.key(key);
        if field.is_absent() {
            field.problem("this key is required");
        }
        field
    }

    /// The map under `key`, read by `read` in any case: an absent one is an empty one, so that its defaults stand in one
    /// place.
    pub fn section<T>(&self, key: &'static str, read: impl FnOnce(&Map<'_>) -> T) -> T {
        Map::of_field(&self.key(key), read)
    }

    /// Whether `key` stands in the map, with or without a value.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// Refuses `key` by name with `sentence`; it is not offered as a correction either.
    pub fn refuse(&self, key: &'static str, sentence: &str) {
        self.refused.borrow_mut().push(key);
        if let Some(entry) = self.entries.iter().find(|entry| entry.key == key) {
            self.problems.add(Problem::new(&entry.place, &self.path_of(key), sentence));
        }
    }

    /// Every key that was not asked for or refused before, with its value, for maps whose other keys are not ours: none is
    /// unknown then.
    pub fn rest(&self) -> Vec<(&'a str, Field<'a>)> {
        self.open.set(true);
        let field = |entry: &'a Entry| {
            let node = Some(&entry.node).filter(|node| !node.is_null());
            let place = node.map_or(&entry.place, |node| &node.place);
            (entry.key.as_str(), Field::new(node, place, self.path_of(&entry.key), self.problems))
        };
        self.unasked().into_iter().map(field).collect()
    }

    /// Reports a problem of the map as a whole.
    pub fn problem(&self, message: impl Into<String>) {
        self.problems.add(Problem::new(self.place, &self.path, message));
    }

    fn field(&self, key: &str) -> Field<'a> {
        let entry = self.entries.iter().find(|entry| entry.key == key && !entry.node.is_null());
        let place = entry.map_or(self.place, |entry| &entry.node.place);
        Field::new(entry.map(|entry| &entry.node), place, self.path_of(key), self.problems)
    }

    fn path_of(&self, key: &str) -> String {
        let key = shortened(key);
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    fn unasked(&self) -> Vec<&'a Entry> {
        let (known, refused) = (self.known.borrow(), self.refused.borrow());
        let unasked = |entry: &&Entry| !known.contains(&entry.key.as_str()) && !refused.contains(&entry.key.as_str());
        self.entries.iter().filter(unasked).collect()
    }

    fn report_unknown(&self) {
        if self.open.get() {
            return;
        }
        for entry in self.unasked() {
            let message = format!("unknown key; {}", suggestion(&entry.key, &self.known.borrow(), "the keys known here are"));
            self.problems.add(Problem::new(&entry.place, &self.path_of(&entry.key), message));
        }
    }
}
