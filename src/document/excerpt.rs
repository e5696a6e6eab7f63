//! The line of a file that a problem is on, and where in it the caret stands.

use std::ops::Range;

/// Longer lines are shown in part, in characters.
const LINE_CHARS: usize = 160;
/// So much of a long line is shown before the caret.
const LEAD_CHARS: usize = 60;

/// A line of a file and the part of it that is meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Excerpt {
    /// The line; of a long one the part around the caret.
    pub line: String,
    /// Characters before the caret.
    pub before: usize,
    /// Characters that are marked, at least one.
    pub width: usize,
}

/// A part of a file's text, in lines and characters from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub line: usize,
    pub column: usize,
    pub width: usize,
}

/// The line `line` of `source`, with `width` characters marked from `column` on. None where there is no such line.
pub(super) fn excerpt(source: &str, line: usize, column: usize, width: usize) -> Option<Excerpt> {
    let text = source.lines().nth(line.checked_sub(1)?)?;
    let before = column.saturating_sub(1).min(text.chars().count());
    let first = if before > LINE_CHARS - LEAD_CHARS { before - LEAD_CHARS } else { 0 };
    // A tab or another control character would put the caret elsewhere than it is meant.
    let shown: String =
        text.chars().skip(first).take(LINE_CHARS).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let before = before - first;
    let width = width.clamp(1, shown.chars().count().saturating_sub(before).max(1));
    Some(Excerpt { line: shown, before, width })
}

/// Where the bytes `part` of the scalar `text`, which begins at `from` (line and column), lie in `source`. YAML may fold
/// lines, indent them and put quotes around the whole, so white space matches any white space. None where the two differ
/// otherwise (escapes): the caller then points at the beginning.
pub(super) fn found_in(source: &str, from: (usize, usize), text: &str, part: Range<usize>) -> Option<Found> {
    let start = place_to_byte(source, from)?;
    let start = start + opening(source.get(start..)?);
    let first = walk(source, start, text.get(..part.start)?)?;
    // White space before the part is not a part of it, wherever the file breaks its lines.
    let first = first + source[first..].len() - source[first..].trim_start().len();
    let last = walk(source, first, text.get(part)?.trim_start())?;
    let line_start = source[..first].rfind('\n').map_or(0, |newline| newline + 1);
    let line = source[..first].matches('\n').count() + 1;
    let end_of_line = source[first..].find('\n').map_or(source.len(), |length| first + length);
    let width = source[first..last.min(end_of_line).max(first)].chars().count().max(1);
    Some(Found { line, column: source[line_start..first].chars().count() + 1, width })
}

fn place_to_byte(source: &str, (line, column): (usize, usize)) -> Option<usize> {
    let start = match line.checked_sub(1)? {
        0 => 0,
        before => source.match_indices('\n').nth(before - 1)?.0 + 1,
    };
    let rest = &source[start..];
    Some(start + rest.char_indices().nth(column.checked_sub(1)?).map_or(rest.len(), |(byte, _)| byte))
}

/// The bytes of a quote or of a block's head (`|`, `>-`) before the text itself.
fn opening(rest: &str) -> usize {
    match rest.as_bytes().first() {
        Some(b'"' | b'\'') => 1,
        Some(b'|' | b'>') => rest.find('\n').unwrap_or(0),
        _ => 0,
    }
}

/// The byte of `source` after `text`, which begins at byte `at`.
fn walk(source: &str, at: usize, text: &str) -> Option<usize> {
    let mut here = at;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let rest = source.get(here..)?;
        if letter.is_whitespace() {
            while letters.next_if(|next| next.is_whitespace()).is_some() {}
            here += rest.len() - rest.trim_start().len();
        } else {
            let rest = if here == at { rest.trim_start() } else { rest };
            here = source.len() - rest.len();
            if !rest.starts_with(letter) {
                return None;
            }
            here += letter.len_utf8();
            // A quote inside quotes is written twice.
            here += usize::from(letter == '\'' && rest.starts_with("''") && letters.peek() != Some(&'\''));
        }
    }
    Some(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of `source` that is marked for `wanted`, a part of the scalar `text` that begins where `«` stands.
    fn marked(source: &str, text: &str, wanted: &str) -> Option<String> {
        let at = source.find('«').expect("a mark");
        let source = source.replace('«', "");
        let line = source[..at].matches('\n').count() + 1;
        let column = source[..at].chars().rev().take_while(|letter| *letter != '\n').count() + 1;
        let start = text.find(wanted).expect("a part");
        let found = found_in(&source, (line, column), text, start..start + wanted.len())?;
        let line = source.lines().nth(found.line - 1).expect("a line");
        Some(line.chars().skip(found.column - 1).take(found.width).collect())
    }

    #[test]
    fn a_part_of_a_scalar_is_found_however_yaml_writes_it() {
        let text = "amount >= 15 && größe == 'x' && flagz";
        for source in [
            "ä: «amount >= 15 && größe == 'x' && flagz",
            "a: «\"amount >= 15 && größe == 'x' && flagz\"",
            "a: «'amount >= 15 && größe == ''x'' && flagz'",
            "a:\n  b: «>-\n    amount >= 15 &&\n    größe == 'x'\n    && flagz\n",
            "a: «|\n  amount >= 15 && größe == 'x' && flagz\n",
            "- «amount >= 15\n  && größe == 'x'\n  && flagz",
        ] {
            for wanted in ["amount", ">= 15", "größe", "flagz"] {
                assert_eq!(marked(source, text, wanted).as_deref(), Some(wanted), "{source}");
            }
        }
        assert_eq!(marked("a: «\"b\\u0063\"", "bc", "c"), None, "escapes are not followed");
    }

    #[test]
    fn long_lines_and_control_characters_are_shown_so_that_the_caret_fits() {
        let source = format!("a\n{}\tx{}", "ä".repeat(300), "b".repeat(300));
        let shown = excerpt(&source, 2, 302, 1).expect("a line");
        assert_eq!(shown.line.chars().nth(shown.before), Some('x'));
        assert!(shown.line.chars().count() <= LINE_CHARS && !shown.line.contains('\t'));
        assert_eq!(excerpt(&source, 1, 9, 5), Some(Excerpt { line: "a".to_owned(), before: 1, width: 1 }));
        assert_eq!((excerpt(&source, 0, 1, 1), excerpt(&source, 3, 1, 1)), (None, None));
    }
}
