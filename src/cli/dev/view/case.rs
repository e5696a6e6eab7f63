//! One case, opened: why it is held, what became of it, where its audit entry stands and that it is what was written, the event,
//! all entries of its trail.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::style;
use crate::case::State;
use crate::cli::terminal::thousands;
use crate::cli::text::{laid_out, wrap};
use crate::dev::cases::{Case, Checked};
use crate::dev::trail::{Entry, Follows};

/// Rows of the screen that are not the case's lines: its title, and the keys.
pub const FRAME: usize = 2;
/// From here on the case and its JSON stand side by side.
const WIDE: usize = 130;
const LABEL: usize = 17;
/// What stands before the words about an entry.
const TOLD: usize = "10:46:03 ✓ ESCALATED  ".len() - "✓".len() + 1;

/// How many lines the case has on a screen of so many columns.
pub fn height(case: &Case, columns: usize) -> usize {
    columns_of(case, columns).iter().map(|(_, lines)| lines.len()).max().unwrap_or(0)
}

/// The lines of the case by the column at which they begin: one column, or two on a wide screen.
pub fn columns_of(case: &Case, columns: usize) -> Vec<(usize, Vec<Line<'static>>)> {
    if columns < WIDE {
        let inner = columns.saturating_sub(2);
        let parts = [why(case, inner), became(case, inner), trail(case, inner), event(case, inner), entries(case, inner)];
        return vec![(1, parts.concat())];
    }
    let half = columns / 2;
    let left = [why(case, half - 3), became(case, half - 3), trail(case, half - 3), entries(case, half - 3)].concat();
    vec![(1, left), (half, event(case, columns - half - 1))]
}

/// The title above it.
pub fn title(case: &Case) -> Line<'static> {
    let (held, stands) = (&case.held, &case.stands);
    let with = stands.assignee.as_deref().filter(|_| stands.state == State::UnderReview);
    let with = with.map(|person| format!(" with {person}")).unwrap_or_default();
    let event = held.event_id.clone().unwrap_or_else(|| "(no event id)".to_owned());
    Line::from(vec![
        Span::styled(format!(" {}{with} ", stands.state), style::state(stands.state).add_modifier(Modifier::REVERSED)),
        Span::styled(format!(" {} {:.1} ", stands.band, held.score), style::band(&stands.band)),
        Span::styled(event, style::STRONG),
        Span::raw(format!("  {}", held.model.name.as_deref().unwrap_or("(no model)"))),
    ])
}

fn heading(text: &str) -> [Line<'static>; 2] {
    [Line::default(), Line::styled(text.to_owned(), style::STRONG.add_modifier(Modifier::UNDERLINED))]
}

/// A label and, beside it, text in as many lines as it needs.
fn labelled(label: &str, text: &str, columns: usize, of_text: Style) -> Vec<Line<'static>> {
    let lines = wrap(text, columns.saturating_sub(LABEL + 1)).into_iter().enumerate();
    let line = |(place, text): (usize, String)| {
        let label = if place == 0 { label } else { "" };
        Line::from(vec![Span::styled(format!("{label:LABEL$} "), style::FAINT), Span::styled(text, of_text)])
    };
    lines.map(line).collect()
}

fn why(case: &Case, columns: usize) -> Vec<Line<'static>> {
    let held = &case.held;
    let mut lines = heading("Why a person must decide").to_vec();
    for finding in &held.findings {
        lines.push(Line::styled(finding.trigger.clone(), style::HELD));
        lines.extend(wrap(&finding.sentence, columns.saturating_sub(2)).into_iter().map(|text| Line::raw(format!("  {text}"))));
    }
    lines.push(Line::default());
    lines.extend(labelled(
        "opened, due",
        &format!("{}, {}", held.at, held.due_at.as_deref().unwrap_or("-")),
        columns,
        Style::new(),
    ));
    lines.extend(labelled("decision", &held.decision_id, columns, Style::new()));
    lines
}

/// The trail in words: each entry's time, kind, who and why, and whether it holds.
fn became(case: &Case, columns: usize) -> Vec<Line<'static>> {
    let mut lines = heading("What became of it").to_vec();
    for told in case.told() {
        let at = told.at.get(11..19).unwrap_or("        ").to_owned();
        let sign = Span::styled(format!("{} ", told.checked.sign()), verdict(of_check(told.checked)));
        let kind = Span::styled(format!("{:10} ", told.kind), style::STRONG);
        let pieces = wrap(&told.what, columns.saturating_sub(TOLD)).into_iter().enumerate();
        lines.extend(pieces.map(|(place, piece)| match place {
            0 => Line::from(vec![Span::raw(format!("{at} ")), sign.clone(), kind.clone(), Span::raw(piece)]),
            _ => Line::raw(format!("{:TOLD$}{piece}", "")),
        }));
    }
    if case.entries.is_empty() {
        lines.push(Line::styled("Nothing was read of it.", style::FAINT));
    }
    lines
}

fn of_check(checked: Checked) -> Option<bool> {
    match checked {
        Checked::Good => Some(true),
        Checked::Alone => None,
        Checked::Wrong => Some(false),
    }
}

fn trail(case: &Case, columns: usize) -> Vec<Line<'static>> {
    let mut lines = heading("Where it stands in the audit trail").to_vec();
    let Some(entry) = case.decided() else {
        lines.push(Line::styled("Its audit entry has not been read.", style::FAINT));
        return lines;
    };
    let mut say = |label: &str, text: &str, of_text: Style| lines.extend(labelled(label, text, columns, of_text));
    say("audit entry", &entry.place, Style::new());
    say("chain", &format!("{}, entry number {}", entry.chain.id, thousands(entry.chain.n)), Style::new());
    say("prev", entry.chain.prev.as_deref().unwrap_or("null"), Style::new());
    let (sentence, good) = follows(entry);
    say("", &sentence, verdict(good));
    say("hash in header", &entry.header_hash, Style::new());
    say("hash of bytes", &entry.hash(), Style::new());
    let bytes = thousands(entry.stored.len() as u64);
    let (sentence, good) = if entry.is_as_written() {
        (format!("✓ The {bytes} bytes as they are stored, hashed here and now, give what the header says."), Some(true))
    } else {
        (format!("✗ The {bytes} bytes as they are stored do not give what the header says: they were altered."), Some(false))
    };
    say("", &sentence, verdict(good));
    lines
}

fn verdict(good: Option<bool>) -> Style {
    match good {
        Some(true) => style::GOOD,
        Some(false) => style::WRONG,
        None => style::FAINT,
    }
}

fn follows(entry: &Entry) -> (String, Option<bool>) {
    let before = thousands(entry.chain.n.saturating_sub(1));
    match entry.follows {
        Follows::First => ("✓ It is the first of its chain.".to_owned(), Some(true)),
        Follows::Yes => (format!("✓ That is the hash of entry {before}, as it was read."), Some(true)),
        Follows::Unseen => (format!("Entry {before} was not read just before; nothing to hold it against."), None),
        Follows::No => (format!("✗ Entry {before}, as it was read, has another number or hash."), Some(false)),
    }
}

fn event(case: &Case, columns: usize) -> Vec<Line<'static>> {
    if let Some(event) = &case.held.event {
        let mut lines = heading("The event, as it was sent").to_vec();
        lines.extend(json(event, columns));
        return lines;
    }
    let mut lines = heading("What was sent, from the dead letters").to_vec();
    match &case.dead_letter {
        None => lines
            .push(Line::styled("The event is too large to stand in the case, or its dead letter was not read.", style::FAINT)),
        Some(dead_letter) => {
            let said = format!("{}: {}", dead_letter.code, dead_letter.detail);
            lines.extend(wrap(&said, columns).into_iter().map(|text| Line::styled(text, style::WRONG)));
            lines.push(Line::styled(format!("{}, {} bytes:", dead_letter.place, dead_letter.original_size), style::FAINT));
            lines.extend(wrap(&dead_letter.original, columns).into_iter().map(Line::raw));
        }
    }
    lines
}

fn entries(case: &Case, columns: usize) -> Vec<Line<'static>> {
    let of_entry = |entry: &Entry| {
        let mut lines = heading(&format!("Its audit entry, {}, at {}", entry.kind, entry.place)).to_vec();
        lines.extend(json(&String::from_utf8_lossy(&entry.stored), columns));
        lines
    };
    case.entries.iter().flat_map(of_entry).collect()
}

/// JSON laid out, names faint.
fn json(text: &str, columns: usize) -> Vec<Line<'static>> {
    let wrapped = |line: String| {
        let indent = line.len() - line.trim_start().len();
        let within = columns.saturating_sub(indent).max(8);
        let pieces = wrap(line.trim_start(), within).into_iter().enumerate();
        pieces.map(|(place, piece)| coloured(&format!("{}{piece}", " ".repeat(indent)), place)).collect::<Vec<_>>()
    };
    laid_out(text, columns).into_iter().flat_map(wrapped).collect()
}

fn coloured(line: &str, place: usize) -> Line<'static> {
    match line.split_once("\": ") {
        Some((name, value)) if place == 0 => {
            Line::from(vec![Span::styled(format!("{name}\": "), style::FAINT), Span::raw(value.to_owned())])
        }
        _ => Line::raw(line.to_owned()),
    }
}
