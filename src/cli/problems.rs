//! How a mistake in a configuration or policy is shown: its place and sentence, and below them the line with a mark.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::terminal::{FAINT, WRONG, paint};
use crate::document::Problem;

/// So much of a line is shown that the mark still stands below its text where lines are 100 columns wide.
const COLUMNS: usize = 88;

/// The problem for people, on one line or three.
#[must_use]
pub fn text(problem: &Problem) -> String {
    let mut text = format!("{} {problem}", paint(WRONG, "error:"));
    if let Some(excerpt) = &problem.excerpt {
        let (line, before) = cut(&excerpt.line, excerpt.before, excerpt.width);
        let width = excerpt.width.min(line.chars().count().saturating_sub(before)).max(1);
        let number = problem.line.to_string();
        let bar = paint(FAINT, "|");
        let mark = paint(WRONG, "^".repeat(width));
        let written = write!(text, "\n{number:>5} {bar} {line}\n{:5} {bar} {:before$}{mark}", "", "");
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }
    text
}

/// The problem for programs.
#[must_use]
pub fn json(problem: &Problem) -> Value {
    let place = |number: usize| (number > 0).then_some(number);
    let file = Some(&problem.file).filter(|file| !file.is_empty());
    json!({ "file": file, "line": place(problem.line), "column": place(problem.column), "path": problem.path,
        "message": problem.message })
}

/// A part of `line` that fits, with what is marked in it, and how many letters of it come before the mark.
fn cut(line: &str, before: usize, width: usize) -> (String, usize) {
    let letters = line.trim_end().chars().count();
    if letters <= COLUMNS {
        return (line.trim_end().to_owned(), before);
    }
    // The mark in the middle, or its beginning where it is longer than that.
    let first = before.saturating_sub(COLUMNS.saturating_sub(width.min(COLUMNS)) / 2).min(letters - COLUMNS);
    let mut shown: Vec<char> = line.chars().skip(first).take(COLUMNS).collect();
    if first > 0 {
        shown[0] = '…';
    }
    if first + COLUMNS < letters {
        shown[COLUMNS - 1] = '…';
    }
    (shown.into_iter().collect(), before - first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Place;

    fn shown(line: &str, before: usize, width: usize) -> String {
        let mut problem = Problem::new(&Place { origin: "a.yaml".into(), line: 12, column: before + 1 }, "x", "is wrong");
        problem.excerpt = Some(Box::new(crate::document::Excerpt { line: line.to_owned(), before, width }));
        anstream::adapter::strip_str(&text(&problem)).to_string()
    }

    #[test]
    fn the_mark_stands_below_what_is_meant() {
        let said = "error: a.yaml:12:7: x: is wrong\n   12 |   ab: größe\n      |       ^^^^^";
        assert_eq!(shown("  ab: größe", 6, 5), said);
        assert!(shown("", 0, 1).ends_with("\n      | ^"));
    }

    #[test]
    fn a_long_line_is_cut_around_the_mark() {
        for before in [0, 40, 87, 88, 100, 155] {
            let line: String = (0..160).map(|column| if (before..before + 3).contains(&column) { 'X' } else { 'o' }).collect();
            let shown = shown(&line, before, 3);
            let lines: Vec<Vec<char>> = shown.lines().map(|line| line.chars().collect()).collect();
            assert!(lines[1].len() <= 96, "{shown}");
            let marked: String =
                lines[2].iter().zip(&lines[1]).filter(|(mark, _)| **mark == '^').map(|(_, letter)| letter).collect();
            assert_eq!(marked, "XXX", "{shown}");
        }
    }
}
