//! Where in an event a byte lies, for the sentences about faults.

use std::fmt::Write as _;

use super::unreadable::Fault;

/// Longer keys are cut here, in characters.
const KEY_CHARS: usize = 40;
/// Deeper paths are cut here.
const STEPS: usize = 8;

enum Step<'t> {
    /// Inside an object; the key once it was read.
    Member(Option<&'t str>),
    /// Inside a list, at this index.
    Element(usize),
}

/// What a text is to its record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The record itself.
    Record,
    /// Made from the record, whose bytes are others.
    Transcoded,
}

/// The fault in one sentence: where it is, and what. Bytes are named where they are the record's.
pub(super) fn sentence(fault: &Fault, text: &str, origin: Origin) -> String {
    let Some(at) = fault.at else { return fault.what.clone() };
    let path = path_to(text, at);
    match origin {
        Origin::Record => sentence_at(at, &path, &fault.what),
        Origin::Transcoded if path.is_empty() => fault.what.clone(),
        Origin::Transcoded => format!("in `{path}`: {}", fault.what),
    }
}

/// `what` at the record's byte `at`, in the field `path`, which may be empty.
pub(super) fn sentence_at(at: usize, path: &str, what: &str) -> String {
    if path.is_empty() { format!("at byte {at}: {what}") } else { format!("at byte {at}, in `{path}`: {what}") }
}

/// The member that `text`, the first part of an event's JSON, ends in.
pub(super) fn ending_in(text: &[u8]) -> String {
    std::str::from_utf8(text).map_or_else(|_| String::new(), |text| path_to(text, text.len()))
}

/// The member that the byte `at` belongs to, such as `evidence[2].uri`; empty for the event itself. Keys stand as they
/// were written, so a path has no control characters. What comes before `at` must be a part of JSON.
///
/// It goes over the text once more: only faults pay for paths.
fn path_to(text: &str, at: usize) -> String {
    let bytes = text.as_bytes();
    let mut steps = Vec::new();
    let mut here = 0;
    while here < at.min(bytes.len()) {
        match bytes[here] {
            b'{' => steps.push(Step::Member(None)),
            b'[' => steps.push(Step::Element(0)),
            b'}' | b']' => drop(steps.pop()),
            b',' => match steps.last_mut() {
                Some(Step::Member(key)) => *key = None,
                Some(Step::Element(index)) => *index += 1,
                None => {}
            },
            b'"' => {
                let string = string_at(text, here);
                here += 1 + string.len();
                if let Some(Step::Member(key @ None)) = steps.last_mut().filter(|_| here < at) {
                    *key = Some(string);
                }
            }
            _ => {}
        }
        here += 1;
    }
    shown(&steps)
}

/// The string whose opening quote is the byte `at`, as it is written, without its quotes.
pub(super) fn string_at(text: &str, at: usize) -> &str {
    let bytes = text.as_bytes();
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    text.get(at + 1..end).unwrap_or_default()
}

fn shown(steps: &[Step<'_>]) -> String {
    let mut path = String::new();
    for step in steps.iter().take(STEPS) {
        match step {
            Step::Member(Some(key)) => {
                let dot = if path.is_empty() { "" } else { "." };
                path.push_str(dot);
                path.push_str(&cut(key));
            }
            Step::Element(index) => drop(write!(path, "[{index}]")),
            Step::Member(None) => {}
        }
    }
    if steps.len() > STEPS {
        path.push('…');
    }
    path
}

/// `key`, not longer than a sentence can carry.
pub(super) fn cut(key: &str) -> String {
    let mut chars = key.chars();
    let mut short: String = chars.by_ref().take(KEY_CHARS).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_the_member_that_a_byte_belongs_to() {
        let text = r#"{"a":1,"b":{"c\"{":[true,{"d":"x,[{"},3]}, "e" : "f"}"#;
        for (mark, path) in [
            ("1,", "a"),
            ("\"b\"", ""),
            ("{\"c", "b"),
            ("c\\\"{\":", "b"),
            ("\"c", "b"),
            ("[true", r#"b.c\"{"#),
            ("true", r#"b.c\"{[0]"#),
            ("\"x,", r#"b.c\"{[1].d"#),
            ("[{\"},3", r#"b.c\"{[1].d"#),
            ("3]", r#"b.c\"{[2]"#),
            ("\"f", "e"),
        ] {
            assert_eq!(path_to(text, text.find(mark).expect("in the text")), path, "{mark}");
        }
    }

    #[test]
    fn paths_and_keys_are_cut() {
        let long = format!(r#"{{"{}":1}}"#, "ä".repeat(100));
        assert_eq!(path_to(&long, long.len() - 2), format!("{}…", "ä".repeat(40)));
        let deep = "[".repeat(100_000);
        assert_eq!(path_to(&deep, deep.len()), "[0][0][0][0][0][0][0][0]…");
    }
}
