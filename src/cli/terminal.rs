//! What all commands share: exit codes, colours, tables, progress.
//!
//! Results go to standard output, everything else to standard error. Colours are stripped where nobody looks or `NO_COLOR`
//! asks for it; progress bars are silent where standard error is no terminal.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};

/// Headings and names.
pub const STRONG: Style = Style::new().bold();
/// What stands beside the point.
pub const FAINT: Style = Style::new().dimmed();
/// All is well.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Not as it should be.
pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// Wrong.
pub const WRONG: Style = AnsiColor::Red.on_default().bold();

/// How a command ends (contract, section 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Done, nothing found.
    Done,
    /// The check found something, or the work failed.
    Failed,
    /// Wrong usage, configuration or policy.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::from(1),
            Exit::Usage => Self::from(2),
        }
    }
}

/// In which form a result is printed. The values need no help of their own, which would make every command's twice as long.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    #[value(help = None)]
    Text,
    /// JSON, for programs.
    #[value(help = None)]
    Json,
}

static BEFORE_LEAVING: OnceLock<fn()> = OnceLock::new();

/// Has `restore` called where the process ends in the middle of its work: the terminal is given back as it was.
pub fn before_leaving(restore: fn()) {
    BEFORE_LEAVING.get_or_init(|| restore);
}

/// Ends the process at once, wherever its threads are.
pub fn leave(code: i32) -> ! {
    if let Some(restore) = BEFORE_LEAVING.get() {
        restore();
    }
    std::process::exit(code)
}

/// `text` in `style`, for [`say`] and [`note`].
pub fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Says on standard error why a command ends, and ends it with `exit`.
pub fn fail(exit: Exit, reason: impl Display) -> Exit {
    note(format_args!("{} {reason}", paint(WRONG, "error:")));
    exit
}

/// Prints a line of the result on standard output. A reader that closed its pipe, like `head`, wanted no more.
pub fn say(line: impl Display) {
    is_read(line);
}

/// Prints a line of the result, as [`say`] does; whether anybody still reads. For commands that would go on for ever.
pub fn is_read(line: impl Display) -> bool {
    let Err(error) = writeln!(anstream::stdout(), "{line}") else { return true };
    if error.kind() != io::ErrorKind::BrokenPipe {
        note(format_args!("{} The result cannot be written: {error}", paint(WRONG, "error:")));
    }
    false
}

/// Prints a line on standard error; where that is closed there is nobody to tell.
pub fn note(line: impl Display) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// Columns as wide as their widest cell.
#[derive(Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<usize>,
}

impl Table {
    /// A table with a line of headings.
    #[must_use]
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()], right: Vec::new() }
    }

    /// The same, with these columns, counted from 0, aligned on their right: numbers.
    #[must_use]
    pub fn right(self, columns: &[usize]) -> Self {
        Self { right: columns.to_vec(), ..self }
    }

    /// Adds a line.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// The table as lines, headings painted.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| letters(cell)).max();
        let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let padded = |column: usize, cell: &String| {
            let room = " ".repeat(widths[column] - letters(cell));
            if self.right.contains(&column) { format!("{room}{cell}") } else { format!("{cell}{room}") }
        };
        let line = |row: &Vec<String>| {
            let cells: Vec<_> = row.iter().enumerate().map(|(column, cell)| padded(column, cell)).collect();
            cells.join("  ").trim_end().to_owned()
        };
        let mut lines: Vec<_> = self.rows.iter().map(line).collect();
        if let Some(headings) = lines.first_mut() {
            *headings = paint(STRONG, &headings);
        }
        lines
    }
}

/// How wide a cell is, its paint apart.
fn letters(cell: &str) -> usize {
    anstream::adapter::strip_str(cell).map(|part| part.chars().count()).sum()
}

/// A progress bar towards `length`, or a counter without an end. Silent where standard error is no terminal.
///
/// # Panics
/// Never: both templates are constants, and a test draws them.
#[must_use]
pub fn progress(length: Option<u64>, unit: &str) -> ProgressBar {
    let (bar, template) = match length {
        Some(length) => (ProgressBar::new(length), format!("{{bar:30}} {{human_pos}}/{{human_len}} {unit} {{msg}} {{eta}} left")),
        None => (ProgressBar::new_spinner(), format!("{{spinner}} {{human_pos}} {unit} {{msg}}")),
    };
    bar.set_style(ProgressStyle::with_template(&template).expect("the templates above are well-formed"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// `number` with its thousands set apart.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Why a command ended early, for people.
#[derive(Debug)]
pub(super) struct Stopped {
    /// How it ends.
    pub exit: Exit,
    /// Why; empty where it was said already.
    pub reason: String,
}

impl Stopped {
    /// It was called wrongly.
    pub fn usage(reason: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, reason: reason.into() }
    }

    /// The work failed.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, reason: reason.into() }
    }

    /// Everything was said already.
    pub const fn silently(exit: Exit) -> Self {
        Self { exit, reason: String::new() }
    }

    /// Says why, and how it ends.
    #[must_use]
    pub fn say(self) -> Exit {
        if self.reason.is_empty() { self.exit } else { fail(self.exit, self.reason) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["a", "long heading", "c"]);
        table.row(["wide cell".to_owned(), "é".to_owned(), "x".to_owned()]);
        let lines = table.lines();
        assert_eq!(anstream::adapter::strip_str(&lines[0]).to_string(), "a          long heading  c");
        assert_eq!(lines[1], "wide cell  é             x");
    }

    #[test]
    fn numbers_line_up_on_their_right_whatever_their_paint() {
        let mut table = Table::new(&["a", "n"]).right(&[1]);
        table.row(["x".to_owned(), paint(WARNING, "7")]);
        table.row(["y".to_owned(), "1,000".to_owned()]);
        let plain: Vec<String> = table.lines().iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
        assert_eq!(plain, ["a      n", "x      7", "y  1,000"]);
    }

    #[test]
    fn both_templates_are_well_formed() {
        for length in [None, Some(3)] {
            let bar = progress(length, "records");
            bar.inc(1);
            assert_eq!(bar.position(), 1);
            bar.finish_and_clear();
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567"), (100_000, "100,000")] {
            assert_eq!(thousands(number), text);
        }
    }
}
