//! What is wrong with a document, where, and the list that gathers it.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::excerpt::{Excerpt, excerpt, found_in};

/// So many problems are shown; a file with more is not the file that was meant.
const MAX_SHOWN: usize = 100;

/// Where something stands: the file or environment variable, and the line and column in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Name of the file or of the environment variable.
    pub origin: Arc<str>,
    /// Line from 1; 0 where the origin has no lines, as a plain environment variable.
    pub line: usize,
    /// Column in characters from 1; 0 where `line` is.
    pub column: usize,
}

impl Place {
    /// The whole of `origin`, no line of it.
    #[must_use]
    pub fn whole(origin: &str) -> Self {
        Self { origin: origin.into(), line: 0, column: 0 }
    }
}

/// One thing that is wrong, in a sentence, and where. Shown as
/// ``jidoka.yaml:12:5: gate.workerz: unknown key; did you mean `workers`?``.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Name of the file or of the environment variable.
    pub file: String,
    /// Line from 1; 0 where there is none.
    pub line: usize,
    /// Column in characters from 1; 0 where there is none.
    pub column: usize,
    /// The key's path, such as `gate.dedup.window`; empty where the problem is the document's.
    pub path: String,
    /// What is wrong and, where it can be said, what to write instead.
    pub message: String,
    /// The line of the file, where its text was at hand.
    pub excerpt: Option<Box<Excerpt>>,
    /// The scalar that the problem is in, and which bytes of it.
    inside: Option<Box<(String, Range<usize>)>>,
}

impl Problem {
    /// The problem `message` with the key `path` (may be empty) at `place`.
    #[must_use]
    pub fn new(place: &Place, path: &str, message: impl Into<String>) -> Self {
        Self {
            file: place.origin.to_string(),
            line: place.line,
            column: place.column,
            path: path.to_owned(),
            message: message.into(),
            excerpt: None,
            inside: None,
        }
    }

    /// This problem, being that of the bytes `part` of a scalar that stands at its place and says `text`.
    #[must_use]
    pub(super) fn inside(self, text: &str, part: Range<usize>) -> Self {
        Self { inside: Some(Box::new((text.to_owned(), part))), ..self }
    }

    /// Points into `source`, the text of the file: at the part of a scalar that is meant, and with the line to show.
    fn point_into(&mut self, source: &str) {
        let mut width = 1;
        if let Some(inside) = self.inside.take()
            && let (text, part) = *inside
            && let Some(found) = found_in(source, (self.line, self.column), &text, part)
        {
            (self.line, self.column, width) = (found.line, found.column, found.width);
        }
        self.excerpt = excerpt(source, self.line, self.column, width).map(Box::new);
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            f.write_str(&self.file)?;
            if self.line > 0 {
                write!(f, ":{}:{}", self.line, self.column)?;
            }
            f.write_str(": ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// Gathers what is wrong while a document is read.
#[derive(Default, Debug)]
pub struct Problems {
    found: RefCell<Vec<Problem>>,
}

impl Problems {
    /// Records one problem.
    pub fn add(&self, problem: Problem) {
        self.found.borrow_mut().push(problem);
    }

    /// Records several problems.
    pub fn extend(&self, problems: Vec<Problem>) {
        self.found.borrow_mut().extend(problems);
    }

    /// Gives the problems of the file `origin`, whose text is `source`, their lines.
    pub fn point_into(&self, origin: &str, source: &str) {
        for problem in self.found.borrow_mut().iter_mut().filter(|problem| problem.file == origin) {
            problem.point_into(source);
        }
    }

    /// `value` if nothing was wrong.
    ///
    /// # Errors
    /// Everything that was found wrong, in the order of the files and lines; of a great many the first 100.
    pub fn finish<T>(self, value: T) -> Result<T, Vec<Problem>> {
        let mut found = self.found.into_inner();
        if found.is_empty() {
            return Ok(value);
        }
        found.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        let more = found.len().saturating_sub(MAX_SHOWN);
        found.truncate(MAX_SHOWN);
        if more > 0 {
            let message = format!("{more} more problems are not shown");
            found.push(Problem::new(&Place::whole(""), "", message));
        }
        Err(found)
    }
}
