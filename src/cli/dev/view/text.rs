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
        let end = fits[indent..].rfind(' ').map_or(fits.len(), |space| indent + space + 1);
        lines.push(rest[..end].trim_end().to_owned());
        rest = rest[end..].trim_start();
    }
    lines.push(rest.to_owned());
    lines
}

/// JSON with a member a line. Only space between tokens changes: every number and string stays as it is written. What is no
/// JSON comes out in some shape, never lost.
pub fn laid_out(json: &str) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut letters = json.chars().peekable();
    let indent = |depth: usize| "  ".repeat(depth.min(16));
    while let Some(letter) = letters.next() {
        if in_string {
            line.push(letter);
            in_string = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
            continue;
        }
        match letter {
            '"' => {
                in_string = true;
                line.push(letter);
            }
            '{' | '[' => {
                line.push(letter);
                while letters.next_if(|next| next.is_whitespace()).is_some() {}
                if let Some(close) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    line.push(close);
                } else {
                    depth += 1;
                    lines.push(std::mem::replace(&mut line, indent(depth)));
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                lines.push(std::mem::replace(&mut line, indent(depth)));
                line.push(letter);
            }
            ',' => {
                line.push(letter);
                lines.push(std::mem::replace(&mut line, indent(depth)));
            }
            ':' => line.push_str(": "),
            _ if letter.is_whitespace() => {}
            _ => line.push(letter),
        }
    }
    lines.push(line);
    lines
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
        let lines = laid_out(json);
        assert_eq!(lines[1], "  \"a\": 1.10,");
        assert_eq!(lines.len(), 11);
        let again: String = lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join("").replace("\": ", "\":");
        assert_eq!(again.replace("\\\":", "\\\": ").len(), json.len(), "{again}");
        assert!(laid_out("no { json").len() == 2 && laid_out("}}]").len() == 4);
    }

    #[test]
    fn bars_are_as_long_as_their_part() {
        assert_eq!((bar(0.0, 4), bar(1.0, 4), bar(2.0, 4)), (String::new(), "████".to_owned(), "████".to_owned()));
        assert_eq!((bar(0.5, 3), bar(0.001, 4)), ("█▌".to_owned(), "▏".to_owned()));
    }
}
