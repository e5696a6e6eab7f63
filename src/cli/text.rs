//! Text in a grid: cut, wrapped, laid out.

use ratatui::text::Span;

/// How many columns `text` takes.
pub fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// `text` in at most so many columns; where it is longer it ends at a word, with `…`.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = fitting(text, columns.saturating_sub(1));
    if let Some((words, _)) = kept.rsplit_once(' ')
        && width(words) * 3 > columns * 2
    {
        kept = words;
    }
    if columns == 0 { String::new() } else { format!("{}…", kept.trim_end()) }
}

/// The longest beginning of `text` that fits.
fn fitting(text: &str, columns: usize) -> &str {
    let (mut used, mut end) = (0, 0);
    for (at, letter) in text.char_indices() {
        let after = at + letter.len_utf8();
        used += width(&text[at..after]);
        if used > columns {
            break;
        }
        end = after;
    }
    &text[..end]
}

/// `text` in lines of at most so many columns, broken at spaces where there are some.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let (mut lines, mut rest) = (Vec::new(), text.trim_end());
    while width(rest) > columns {
        let fits = fitting(rest, columns.max(1));
        let fits = if fits.is_empty() { &rest[..rest.chars().next().map_or(0, char::len_utf8)] } else { fits };
        let indent = fits.len() - fits.trim_start().len();
        let at_word = rest[fits.len()..].starts_with(' ');
        let space = fits[indent..].rfind(' ').filter(|_| !at_word);
        let end = space.map_or(fits.len(), |space| indent + space + 1);
        lines.push(rest[..end].trim_end().to_owned());
        rest = rest[end..].trim_start();
    }
    lines.push(rest.to_owned());
    lines
}

/// JSON in lines of at most so many columns where that can be: an object or a list that fits stands in one line. Only the space
/// between tokens changes: every number and string stays as it is written. What is no JSON comes out in some shape, never lost.
pub fn laid_out(json: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    lay_out(&flat(json), 0, columns, &mut lines);
    lines
}

/// Deeper levels are not indented further.
const INDENT_MAX: usize = 32;

fn lay_out(flat: &str, indent: usize, columns: usize, lines: &mut Vec<String>) {
    let margin = " ".repeat(indent.min(INDENT_MAX));
    let open = flat.find(['{', '[']).filter(|open| {
        // Only of this member's own value, not within a string.
        let before = &flat[..*open];
        let inside = flat[*open + 1..].trim_end_matches(',');
        (before.is_empty() || before.ends_with("\": ")) && inside.len() > 1 && inside.ends_with(['}', ']'])
    });
    match open {
        Some(open) if width(flat) + margin.len() > columns && indent <= INDENT_MAX => {
            let (head, rest) = flat.split_at(open + 1);
            let closed = rest.trim_end_matches(',');
            let (inner, close) = closed.split_at(closed.len() - 1);
            lines.push(format!("{margin}{head}"));
            for member in members(inner) {
                lay_out(member, indent + 2, columns, lines);
            }
            lines.push(format!("{margin}{close}{}", &rest[closed.len()..]));
        }
        _ => lines.push(format!("{margin}{flat}")),
    }
}

/// Whether letter after letter lies within a string, and how deep.
#[derive(Default)]
struct Scan {
    in_string: bool,
    escaped: bool,
    depth: usize,
}

impl Scan {
    /// Takes the next letter; whether it is one of JSON's own.
    fn is_structure(&mut self, letter: char) -> bool {
        if self.in_string {
            self.in_string = self.escaped || letter != '"';
            self.escaped = !self.escaped && letter == '\\';
            return false;
        }
        match letter {
            '"' => self.in_string = true,
            '{' | '[' => self.depth += 1,
            '}' | ']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        letter != '"'
    }
}

/// JSON in one line, with a space after each comma and colon.
fn flat(json: &str) -> String {
    let (mut scan, mut flat) = (Scan::default(), String::with_capacity(json.len() + json.len() / 8));
    for letter in json.chars() {
        match scan.is_structure(letter) {
            true if letter.is_whitespace() => {}
            true if matches!(letter, ',' | ':') => flat.extend([letter, ' ']),
            _ => flat.push(letter),
        }
    }
    flat
}

/// The members of an object or list, each with its comma.
fn members(inner: &str) -> Vec<&str> {
    let (mut scan, mut members, mut start) = (Scan::default(), Vec::new(), 0);
    for (at, letter) in inner.char_indices() {
        if scan.is_structure(letter) && letter == ',' && scan.depth == 0 {
            members.push(inner[start..=at].trim_start());
            start = at + 1;
        }
    }
    members.push(inner[start..].trim_start());
    members
}

/// A bar of so many columns, `part` of it filled, to an eighth of a column.
pub fn bar(part: f64, columns: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (part.clamp(0.0, 1.0) * columns as f64 * 8.0).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and eight times the columns")]
    let eighths = eighths as usize;
    // Something is never nothing.
    let eighths = if part > 0.0 { eighths.max(1) } else { 0 };
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_fits_and_ends_at_a_word() {
        for (text, columns, cutted) in [
            ("short", 5, "short"),
            ("The model is not sure enough", 20, "The model is not…"),
            ("averyveryverylongword", 8, "averyve…"),
            ("größer als ö", 8, "größer…"),
            ("x", 0, ""),
        ] {
            assert_eq!(cut(text, columns), cutted);
            assert!(width(&cut(text, columns)) <= columns);
        }
    }

    #[test]
    fn lines_are_wrapped_at_spaces_and_nothing_is_lost() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("onetwothree", 4), ["onet", "woth", "ree"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("漢漢漢", 1).concat(), "漢漢漢");
    }

    #[test]
    fn json_is_laid_out_as_it_is_written() {
        let json = r#"{"a":1.10,"b":{"c":"x,{\"y\"}: z","d":[]},"e":[1,2],"f":{ }}"#;
        assert_eq!(laid_out(json, 200), [r#"{"a": 1.10, "b": {"c": "x,{\"y\"}: z", "d": []}, "e": [1, 2], "f": {}}"#]);
        let lines = [
            "{",
            r#"  "a": 1.10,"#,
            r#"  "b": {"#,
            r#"    "c": "x,{\"y\"}: z","#,
            r#"    "d": []"#,
            "  },",
            r#"  "e": [1, 2],"#,
            r#"  "f": {}"#,
            "}",
        ];
        assert_eq!(laid_out(json, 24), lines);
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(laid_out(&deep, 20).concat().replace(' ', ""), deep);
    }

    #[test]
    fn what_is_no_json_is_not_lost() {
        for text in ["", "no { json", "}}]", "{", "[,", "\"open", "{\"a\":{", "{]", "a\": {,,"] {
            for columns in [0, 1, 5] {
                let kept = |text: &str| text.replace(' ', "");
                assert_eq!(kept(&laid_out(text, columns).concat()), kept(text));
            }
        }
    }

    #[test]
    fn bars_are_as_long_as_their_part() {
        assert_eq!((bar(0.0, 4), bar(1.0, 4), bar(2.0, 4)), (String::new(), "████".to_owned(), "████".to_owned()));
        assert_eq!((bar(0.5, 3), bar(0.001, 4)), ("█▌".to_owned(), "▏".to_owned()));
    }
}
