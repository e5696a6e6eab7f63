//! Questions that somebody types while lines are printed: `case ID` shows a case with its trail.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, stdin, stdout};
use std::sync::Arc;

use anstyle::Style;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::screen::Lines;
use crate::case::State;
use crate::cli::terminal::{FAINT, GOOD, STRONG, WARNING, WRONG, paint};
use crate::cli::text::wrap;
use crate::dev::cases::{Case, Checked};

/// A longer line is no question.
const LINE_MAX: u64 = 1_024;
const COLUMNS: usize = 120;
const LABEL: &str = "  because  ";

/// What somebody wants to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Question<'t> {
    /// Nothing.
    Nothing,
    /// The case of this event, or of the decision whose id begins like this.
    Case(&'t str),
    /// Something else.
    Unknown,
}

/// Reads a line that somebody typed.
pub fn read(typed: &str) -> Question<'_> {
    let mut words = typed.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (None, ..) => Question::Nothing,
        (Some("case"), Some(id), None) => Question::Case(id),
        _ => Question::Unknown,
    }
}

/// Answers what comes on standard input, until that ends. Nobody types there where what is printed goes elsewhere.
///
/// # Errors
/// Where no thread can be started.
pub fn listen(lines: &Arc<Lines>) -> io::Result<()> {
    if stdin().is_terminal() && !stdout().is_terminal() {
        return Ok(());
    }
    let lines = Arc::clone(lines);
    // It waits in a call that nothing ends: the process does not wait for it.
    std::thread::Builder::new().name("questions".to_owned()).spawn(move || {
        let mut typed = Vec::new();
        while stdin().lock().take(LINE_MAX).read_until(b'\n', &mut typed).is_ok_and(|count| count > 0) {
            lines.answer(&String::from_utf8_lossy(&typed));
            typed.clear();
        }
    })?;
    Ok(())
}

/// A case for people.
pub fn lines(case: &Case) -> Vec<String> {
    let (held, stands) = (&case.held, &case.stands);
    let state = paint(state_style(stands.state), stands.state);
    let with = stands.assignee.as_deref().filter(|_| stands.state == State::UnderReview);
    let with = with.map(|person| format!(" by {person}")).unwrap_or_default();
    let mut lines = vec![
        String::new(),
        format!("{} {}  {state}{with}, {} {:.1}", paint(STRONG, "case"), held.decision_id, stands.band, held.score),
        format!(
            "  event    {}, model {}",
            held.event_id.as_deref().unwrap_or("(no event id)"),
            held.model.name.as_deref().unwrap_or("(no model)")
        ),
        format!("  due      {}", held.due_at.as_deref().unwrap_or("-")),
    ];
    for finding in &held.findings {
        let pieces = wrap(&finding.sentence, COLUMNS - LABEL.len()).into_iter().enumerate();
        lines.extend(pieces.map(|(place, piece)| format!("{:11}{piece}", if place == 0 { LABEL } else { "" })));
    }
    for told in case.told() {
        let sign = match told.checked {
            Checked::Good => paint(GOOD, told.checked.sign()),
            Checked::Alone => paint(FAINT, told.checked.sign()),
            Checked::Wrong => paint(WRONG, told.checked.sign()),
        };
        let at = told.at.get(11..23).unwrap_or("            ");
        lines.push(format!("  {at}  {sign} {}  {}", paint(STRONG, format_args!("{:11}", told.kind)), told.what));
    }
    lines.push(paint(FAINT, "  ✓ the entry's bytes have the hash that they should have, and it follows the entries before"));
    lines.push(String::new());
    lines
}

fn state_style(state: State) -> Style {
    match state {
        State::Pending | State::UnderReview => WARNING,
        State::Approved => GOOD,
        State::Rejected | State::Expired | State::Cancelled => WRONG,
    }
}

/// A case for programs: its entries as they are stored.
pub fn document(case: &Case) -> Value {
    let (held, stands) = (&case.held, &case.stands);
    let stored = |bytes: &[u8]| serde_json::from_slice::<Box<RawValue>>(bytes).ok();
    let entries = case.entries.iter().filter_map(|entry| stored(&entry.stored)).map(|entry| json!(entry));
    let sound = case.told().iter().all(|told| told.checked != Checked::Wrong);
    json!({ "type": "case", "decision_id": held.decision_id, "event_id": held.event_id, "model": held.model.name,
        "state": stands.state.as_str(), "band": stands.band, "score": held.score, "assignee": stands.assignee,
        "due_at": held.due_at, "sound": sound, "trail": entries.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_question_is_understood() {
        for (typed, question) in [
            ("\n", Question::Nothing),
            (" case  adult-e-000003 \n", Question::Case("adult-e-000003")),
            ("case\n", Question::Unknown),
            ("case a b\n", Question::Unknown),
            ("help\n", Question::Unknown),
        ] {
            assert_eq!(read(typed), question);
        }
    }
}
