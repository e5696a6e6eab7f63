//! Reading one value as the type that it should have.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::str::FromStr;
use std::time::Duration;

use super::map::Map;
use super::problem::{Place, Problem, Problems};
use super::scalar::{describe, is_whole_number, parse_duration, parse_number, shortened, spoken_duration};
use super::tree::{Node, Style, Value};
use super::words::{quoted, suggestion};

/// A place in the document where a value may stand. Each read gives `None` where none does, and also where it is not of
/// the asked type, which is then a recorded problem: `field.integer(1..=64).unwrap_or(2)` is all a setting needs.
#[derive(Debug)]
pub struct Field<'a> {
    node: Option<&'a Node>,
    place: &'a Place,
    path: String,
    problems: &'a Problems,
}

impl<'a> Field<'a> {
    pub(super) fn new(node: Option<&'a Node>, place: &'a Place, path: String, problems: &'a Problems) -> Self {
        Self { node, place, path, problems }
    }

    /// The node that stands here.
    #[must_use]
    pub fn node(&self) -> Option<&'a Node> {
        self.node
    }

    /// Name of the file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.place.origin
    }

    /// How many items the list here has; none where there is no list.
    #[must_use]
    pub fn items(&self) -> usize {
        match self.node.map(|node| &node.value) {
            Some(Value::List(items)) => items.len(),
            _ => 0,
        }
    }

    /// Whether no value stands here.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.node.is_none()
    }

    /// Whether a map stands here, for values that may be a word or a map.
    #[must_use]
    pub fn is_map(&self) -> bool {
        matches!(self.node, Some(Node { value: Value::Map(_), .. }))
    }

    /// Whether exactly this word stands here, for words that get an answer of their own.
    #[must_use]
    pub fn is_word(&self, word: &str) -> bool {
        matches!(self.node, Some(Node { value: Value::Scalar { text, .. }, .. }) if text == word)
    }

    /// Reports a problem of this value.
    pub fn problem(&self, message: impl Into<String>) {
        self.problems.add(Problem::new(self.place, &self.path, message));
    }

    /// Text that is not empty, has at most `max_bytes` and no control characters. Bare words and numbers are text as
    /// they are written, so that `version: 1.10` stays `1.10`.
    #[must_use]
    pub fn text(&self, max_bytes: usize) -> Option<String> {
        let (text, _) = self.scalar("text")?;
        let wrong = if text.is_empty() {
            "must not be empty".to_owned()
        } else if text.len() > max_bytes {
            format!("has {} bytes; at most {max_bytes} are allowed", text.len())
        } else if text.chars().any(char::is_control) {
            "must not contain control characters".to_owned()
        } else {
            return Some(text.to_owned());
        };
        self.refused(wrong)
    }

    /// Text in another language, such as an expression: any scalar but nothing, as it reads without its quotes.
    #[must_use]
    pub fn source_text(&self, what: &str) -> Option<&'a str> {
        self.scalar(what).map(|(text, _)| text)
    }

    /// Reports a problem of the bytes `part` of [`Field::source_text`].
    pub fn problem_inside(&self, part: Range<usize>, message: impl Into<String>) {
        let problem = Problem::new(self.place, &self.path, message);
        let text = self.source_text("text").unwrap_or_default();
        self.problems.add(problem.inside(text, part));
    }

    /// Text, number, yes or no exactly as written, for values that are handed on to somebody else. Never quoted in a
    /// problem, as it may be a secret.
    #[must_use]
    pub fn as_written(&self) -> Option<String> {
        match self.node.map(|node| &node.value) {
            Some(Value::Scalar { text, .. }) => Some(text.clone()),
            Some(_) => self.expected("a single value"),
            None => None,
        }
    }

    /// A whole number in `range`.
    #[must_use]
    pub fn integer<T: Copy + PartialOrd + Display + FromStr>(&self, range: RangeInclusive<T>) -> Option<T> {
        let what = format!("a whole number from {} to {}", range.start(), range.end());
        let (text, style) = self.scalar(&what)?;
        let number = text.parse().ok().filter(|number| style == Style::Plain && is_whole_number(text) && range.contains(number));
        number.or_else(|| self.expected(&what))
    }

    /// A finite number in `range`.
    #[must_use]
    pub fn number(&self, range: RangeInclusive<f64>) -> Option<f64> {
        let what = format!("a number from {} to {}", range.start(), range.end());
        let (text, style) = self.scalar(&what)?;
        let number = parse_number(text).filter(|number| style == Style::Plain && range.contains(number));
        number.or_else(|| self.expected(&what))
    }

    /// Yes or no: `true`, `yes`, `on` and `false`, `no`, `off`.
    #[must_use]
    pub fn yes_or_no(&self) -> Option<bool> {
        match self.scalar("`true` or `false`")? {
            ("true" | "yes" | "on", Style::Plain) => Some(true),
            ("false" | "no" | "off", Style::Plain) => Some(false),
            _ => self.expected("`true` or `false`"),
        }
    }

    /// A whole number with a unit, such as `100ms`, `15m` or `3y` (of 365 days), in `range`.
    #[must_use]
    pub fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let what = format!("a duration from {} to {}", spoken_duration(*range.start()), spoken_duration(*range.end()));
        let (text, _) = self.scalar(&what)?;
        match parse_duration(text) {
            Ok(duration) if range.contains(&duration) => Some(duration),
            Ok(_) => self.refused(format!("expected {what}, found {}", shortened(text))),
            Err(wrong) => self.refused(format!("expected {what}, found `{}`; {wrong}", shortened(text))),
        }
    }

    /// One of `words`, as what it stands for.
    #[must_use]
    pub fn choice<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let what = if names.len() == 1 { quoted(&names) } else { format!("one of {}", quoted(&names)) };
        let (text, _) = self.scalar(&what)?;
        if let Some((_, meaning)) = words.iter().find(|(name, _)| *name == text) {
            return Some(*meaning);
        }
        let hint = suggestion(text, &names, "");
        let hint = if hint.starts_with("did") { format!("; {hint}") } else { String::new() };
        self.refused(format!("expected {what}, found `{}`{hint}", shortened(text)))
    }

    /// A value that `parse` understands; where it does not, the problem says that `what` was expected.
    #[must_use]
    pub fn parsed<T>(&self, what: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let (text, _) = self.scalar(what)?;
        parse(text).or_else(|| self.expected(what))
    }

    /// A list of so many items, each read by `read`; items that it cannot read are left out, having been reported.
    #[must_use]
    pub fn list<T>(&self, count: RangeInclusive<usize>, mut read: impl FnMut(Field<'a>) -> Option<T>) -> Option<Vec<T>> {
        let Value::List(items) = &self.node?.value else { return self.expected("a list") };
        self.bounded(items.len(), &count)?;
        let item = |(index, node): (usize, &'a Node)| {
            read(Field::new(Some(node), &node.place, format!("{}[{index}]", self.path), self.problems))
        };
        Some(items.iter().enumerate().filter_map(item).collect())
    }

    /// A list of so many different texts of at most `max_bytes` each.
    #[must_use]
    pub fn texts(&self, count: RangeInclusive<usize>, max_bytes: usize) -> Option<Vec<String>> {
        let mut seen: Vec<String> = Vec::new();
        self.list(count, |item| {
            let text = item.text(max_bytes)?;
            if seen.contains(&text) {
                return item.refused(format!("`{}` stands in the list already", shortened(&text)));
            }
            seen.push(text);
            Some(())
        })?;
        Some(seen)
    }

    /// A map, read by `read` where there is one.
    #[must_use]
    pub fn map<T>(&self, read: impl FnOnce(&Map<'_>) -> T) -> Option<T> {
        match &self.node?.value {
            Value::Map(_) => Some(Map::of_field(self, read)),
            Value::List(_) | Value::Scalar { .. } => self.expected("a map"),
        }
    }

    /// A map as it stands, for somebody else to read.
    #[must_use]
    pub fn whole_map(&self) -> Option<Node> {
        if self.is_map() { self.node.cloned() } else { self.node.and_then(|_| self.expected("a map")) }
    }

    /// Records that `what` was expected; for `return field.expected(…)`.
    pub fn expected<T>(&self, what: &str) -> Option<T> {
        let found = self.node.map_or_else(|| "nothing".to_owned(), describe);
        self.refused(format!("expected {what}, found {found}"))
    }

    /// Records `message`; for `return field.refused(…)`.
    pub fn refused<T>(&self, message: impl Into<String>) -> Option<T> {
        self.problem(message);
        None
    }

    /// Where the value stands; where it is absent, the map that it would stand in.
    #[must_use]
    pub fn place(&self) -> &'a Place {
        self.place
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn problems(&self) -> &'a Problems {
        self.problems
    }

    /// The scalar that stands here; anything else, and an item of a list that is nothing, is a problem.
    fn scalar(&self, what: &str) -> Option<(&'a str, Style)> {
        match &self.node?.value {
            Value::Scalar { text, style } if !self.node?.is_null() => Some((text, *style)),
            _ => self.expected(what),
        }
    }

    fn bounded(&self, items: usize, count: &RangeInclusive<usize>) -> Option<()> {
        if count.contains(&items) {
            Some(())
        } else if items == 0 {
            self.refused("must not be empty")
        } else {
            self.refused(format!("has {items} items; {} to {} are allowed", count.start(), count.end()))
        }
    }
}
