//! One case, opened: why it is held, where its audit entry stands and that it is what was written, the event, the entry.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::model::Case;
use super::style;
use crate::cli::terminal::thousands;
use crate::cli::text::{laid_out, wrap};
use crate::dev::trail::{Entry, Follows};

/// Rows of the screen that are not the case's lines: its title, and the keys.
pub const FRAME: usize = 2;
/// From here on the case and its JSON stand side by side.
const WIDE: usize = 130;
const LABEL: usize = 17;

/// How many lines the case has on a screen of so many columns.
pub fn height(case: &Case, columns: usize) -> usize {
    columns_of(case, columns).iter().map(|(_, lines)| lines.len()).max().unwrap_or(0)
}

/// The lines of the case by the column at which they begin: one column, or two on a wide screen.
pub fn columns_of(case: &Case, columns: usize) -> Vec<(usize, Vec<Line<'static>>)> {
    if columns < WIDE {
        let inner = columns.saturating_sub(2);
        return vec![(1, [why(case, inner), trail(case, inner), event(case, inner), entry(case, inner)].concat())];
    }
    let half = columns / 2;
    let left = [why(case, half - 3), trail(case, half - 3), entry(case, half - 3)].concat();
    vec![(1, left), (half, event(case, columns - half - 1))]
}

/// The title above it.
pub fn title(case: &Case) -> Line<'static> {
    let held = &case.held;
    let event = held.event_id.clone().unwrap_or_else(|| "(no event id)".to_owned());
    Line::from(vec![
        Span::styled(" HELD ", style::HELD.add_modifier(Modifier::REVERSED)),
        Span::styled(format!(" {} {:.1} ", held.band, held.score), style::band(&held.band)),
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

fn trail(case: &Case, columns: usize) -> Vec<Line<'static>> {
    let mut lines = heading("Where it stands in the audit trail").to_vec();
    let Some(entry) = &case.entry else {
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

fn entry(case: &Case, columns: usize) -> Vec<Line<'static>> {
    let Some(entry) = &case.entry else { return Vec::new() };
    let mut lines = heading(&format!("Its audit entry, {}", entry.kind)).to_vec();
    lines.extend(json(&String::from_utf8_lossy(&entry.stored), columns));
    lines
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
