//! YAML text to a tree of nodes that know where they stand.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::problem::{Place, Problem, Problems};
use super::scalar::shortened;

/// The longest document that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// The deepest that lists and maps may lie in one another.
pub const MAX_DEPTH: usize = 64;

/// A value of the document and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// Where the value begins.
    pub place: Place,
    /// The value.
    pub value: Value,
}

/// What a node holds. Scalars stay as they were written: what they mean is known to whoever reads them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A single value, as written.
    Scalar {
        /// The text, without quotes and escapes.
        text: String,
        /// How it was written.
        style: Style,
    },
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<Entry>),
}

/// How a scalar was written: quoted ones are text and nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// Bare: may be text, a number, yes or no, nothing.
    Plain,
    /// In quotes, or as a block.
    Quoted,
}

/// A key of a map with its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub place: Place,
    /// Its value.
    pub node: Node,
}

impl Node {
    /// A bare scalar, as an environment variable holds one.
    #[must_use]
    pub fn plain(place: Place, text: &str) -> Self {
        Self { place, value: Value::Scalar { text: text.to_owned(), style: Style::Plain } }
    }

    /// Whether there is no value: nothing after the colon, `~` or `null`. Such a key counts as absent.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, style: Style::Plain } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

/// Reads one document; `origin` is the name that problems give it. An empty text is a node without a value.
///
/// # Errors
/// All that is refused, or the one place where the text stops being YAML.
pub fn parse(origin: &str, text: &str) -> Result<Node, Vec<Problem>> {
    let start = Place { origin: origin.into(), line: 1, column: 1 };
    if text.len() > MAX_BYTES {
        let message = format!("the document has {} bytes; at most {MAX_BYTES} are read", text.len());
        return Err(vec![Problem::new(&Place::whole(origin), "", message)]);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder =
        Builder { parser: Parser::new_from_str(text), text, origin: Arc::clone(&start.origin), problems: Problems::default() };
    let root = builder.document().unwrap_or_else(|Stop(problem)| {
        builder.problems.add(problem);
        None
    });
    builder.problems.finish(root.unwrap_or_else(|| Node::plain(start, "")))
}

/// A problem after which nothing sensible follows.
struct Stop(Problem);

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    text: &'a str,
    origin: Arc<str>,
    problems: Problems,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut root = None;
        loop {
            let (event, span) = self.advance()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::DocumentStart(_) if root.is_some() => {
                    let message = "a second document begins here; a file holds one document";
                    return Err(Stop(Problem::new(&self.place(span.start), "", message)));
                }
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
                event => root = Some(self.node(event, span, 0)?),
            }
        }
    }

    fn advance(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(Stop(self.syntax_problem(&error))),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Stop> {
        let place = self.place(span.start);
        if depth > MAX_DEPTH {
            return Err(Stop(too_deep(&place)));
        }
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_reference(&place, anchor, tag.is_some());
                let style = if style == ScalarStyle::Plain { Style::Plain } else { Style::Quoted };
                Value::Scalar { text: text.into_owned(), style }
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_reference(&place, anchor, tag.is_some());
                Value::List(self.list(depth)?)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_reference(&place, anchor, tag.is_some());
                Value::Map(self.map(depth)?)
            }
            _ => {
                self.problem(&place, ALIAS);
                Value::Scalar { text: String::new(), style: Style::Plain }
            }
        };
        Ok(Node { place, value })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Stop> {
        let mut items = Vec::new();
        loop {
            match self.advance()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, span) = self.advance()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                return Ok(entries);
            }
            let key_node = self.node(event, span, depth + 1)?;
            let (event, span) = self.advance()?;
            let node = self.node(event, span, depth + 1)?;
            let Some(key) = self.key(&key_node) else { continue };
            if let Some(line) = lines.get(&key) {
                let message = format!("the key `{}` stands here a second time; the first is on line {line}", shortened(&key));
                self.problem(&key_node.place, message);
            } else {
                lines.insert(key.clone(), key_node.place.line);
                entries.push(Entry { key, place: key_node.place, node });
            }
        }
    }

    fn key(&self, node: &Node) -> Option<String> {
        let message = match &node.value {
            Value::Scalar { style: Style::Plain, text } if text == "<<" => {
                "merge keys (`<<`) are not read here; write the keys out"
            }
            _ if node.is_null() => "a key is missing before the colon",
            Value::Scalar { text, .. } => return Some(text.clone()),
            Value::List(_) | Value::Map(_) => "a key must be a word, not a list or a map",
        };
        self.problem(&node.place, message);
        None
    }

    fn refuse_reference(&self, place: &Place, anchor: usize, tagged: bool) {
        if anchor > 0 {
            self.problem(place, "anchors (`&name`) are not read here; write the value out wherever it is needed");
        }
        if tagged {
            self.problem(place, "tags (`!name`) are not read here; write the value without one");
        }
    }

    fn problem(&self, place: &Place, message: impl Into<String>) {
        self.problems.add(Problem::new(place, "", message));
    }

    fn place(&self, marker: Marker) -> Place {
        Place { origin: Arc::clone(&self.origin), line: marker.line(), column: marker.col() + 1 }
    }

    /// The parser's error in words for people who do not know YAML's grammar by heart.
    fn syntax_problem(&self, error: &ScanError) -> Problem {
        let place = self.place(*error.marker());
        if error.info().contains("unknown anchor") {
            return Problem::new(&place, "", ALIAS);
        }
        if error.info().contains("recursion limit") {
            return too_deep(&place);
        }
        if let Some((line, column)) = self.tab_indentation(place.line) {
            let message = "the line is indented with a tab; YAML takes spaces only";
            return Problem::new(&Place { line, column, ..place }, "", message);
        }
        Problem::new(&place, "", format!("this is not YAML: {}", error.info()))
    }

    /// The first tab among the white space that begins the line of an error or a neighbour: the parser notices a tab
    /// sometimes before and sometimes after it.
    fn tab_indentation(&self, error_line: usize) -> Option<(usize, usize)> {
        let first = error_line.saturating_sub(2);
        let mut lines = self.text.lines().enumerate().skip(first).take(error_line + 1 - first);
        lines.find_map(|(index, line)| {
            let blank = line.chars().take_while(|letter| letter.is_whitespace());
            let tab = blank.enumerate().find(|(_, letter)| *letter == '\t');
            tab.map(|(column, _)| (index + 1, column + 1))
        })
    }
}

const ALIAS: &str = "aliases (`*name`) are not read here; write the value out (or in quotes, if it is meant to begin with `*`)";

fn too_deep(place: &Place) -> Problem {
    Problem::new(place, "", format!("lists and maps lie more than {MAX_DEPTH} deep in one another"))
}
