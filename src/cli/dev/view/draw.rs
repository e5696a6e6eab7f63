//! Drawing the model. A function of the model and the size of the frame, and of nothing else.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::case;
use super::model::{Model, Opened, Play, Stage};
use super::style;
use crate::case::State;
use crate::cli::dev::why::why;
use crate::cli::terminal::thousands;
use crate::cli::text::{bar, cut, width, wrap};
use crate::dev::cases::{Case, Stands};
use crate::dev::summary::{BANDS, Counts};

/// Below this nothing useful fits.
const LEAST: (u16, u16) = (60, 16);
/// Rows of both panels.
const PANEL_LEAST: u16 = 9;
const PANEL_MOST: u16 = 12;
/// From here on a case takes one line instead of two.
const WIDE: usize = 160;
/// Lines of an incident.
const INCIDENT_LINES: usize = 2;
/// What stands before a bar.
const COUNTED: usize = 30;

/// Draws everything.
pub fn draw(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let text = format!("jidoka dev: {} × {} is too small; {} × {} will do", area.width, area.height, LEAST.0, LEAST.1);
        frame.render_widget(Paragraph::new(wrap(&text, usize::from(area.width)).join("\n")), area);
        return;
    }
    match &model.opened {
        Some(opened) => draw_case(opened, frame, area),
        None => draw_all(model, frame, area),
    }
    if model.help {
        draw_help(model, frame, area);
    }
}

/// Hands out rows from the top.
struct Rows(Rect);

impl Rows {
    fn take(&mut self, rows: u16) -> Rect {
        let taken = Rect { height: rows.min(self.0.height), ..self.0 };
        self.0.y += taken.height;
        self.0.height -= taken.height;
        taken
    }
}

fn draw_all(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let columns = usize::from(area.width);
    let mut rows = Rows(area);
    let keys = Rect { y: area.bottom() - 1, height: 1, ..area };
    let latest = Rect { y: area.bottom() - 2, height: 1, ..area };
    rows.0.height -= 2;
    let header = header(model, columns);
    frame.render_widget(Paragraph::new(header.clone()), rows.take(u16::try_from(header.len()).unwrap_or(u16::MAX)));

    let panel = (area.height / 2).saturating_sub(4).clamp(PANEL_LEAST, PANEL_MOST);
    let both = rows.take(panel);
    let half = both.width / 2;
    let counts = model.summary.counts(model.played);
    let left = Rect { width: half.saturating_sub(1), ..both };
    let right = Rect { x: both.x + half, width: both.width - half, ..both };
    frame.render_widget(Paragraph::new(outcomes(model, &counts, usize::from(left.width))), left);
    frame.render_widget(Paragraph::new(findings(&counts, usize::from(right.width), usize::from(panel))), right);
    frame.render_widget(Paragraph::new(below(model, &counts, columns)), rows.take(4));

    let list = rows.0;
    frame.render_widget(Paragraph::new(cases(model, columns, usize::from(list.height))), list);
    frame.render_widget(Paragraph::new(Line::styled(format!(" {}", cut(&model.latest, columns - 2)), style::FAINT)), latest);
    frame.render_widget(Paragraph::new(keys_line(&MAIN_KEYS, columns)), keys);
}

fn header(model: &Model, columns: usize) -> Vec<Line<'static>> {
    let about = &model.about;
    let (state, of_state) = match (model.stage, model.play) {
        (Stage::Joining, _) => ("joining the group …".to_owned(), style::FAINT),
        (Stage::Ending, _) => ("ending …".to_owned(), style::HELD),
        (Stage::Running, Play::Paused) => ("‖ paused".to_owned(), style::HELD),
        (Stage::Running, Play::On) => (format!("▶ {} events/s", about.rate), style::GOOD),
    };
    let room = columns.saturating_sub(width(&state) + " jidoka dev  ".len() + 2);
    let broker = cut(&about.broker, room);
    let gap = room.saturating_sub(width(&broker)) + 1;
    let mut lines = vec![
        Line::from(vec![
            Span::styled(" jidoka dev", style::STRONG),
            Span::raw(format!("  {broker}{}", " ".repeat(gap))),
            Span::styled(state, of_state),
        ]),
        Line::styled(format!(" {}", cut(&about.means, columns - 2)), style::FAINT),
    ];
    lines.extend(incident(model, columns));
    lines.extend(model.notes.last().map(|note| Line::styled(format!(" ! {}", cut(note, columns - 4)), style::WRONG)));
    lines
}

/// The sentence of the open incident that matters most, in so few lines that the cases stay in sight.
fn incident(model: &Model, columns: usize) -> Vec<Line<'static>> {
    let Some((incident, open)) = model.incident() else { return Vec::new() };
    let others = if open > 1 { format!(" (and {} more)", open - 1) } else { String::new() };
    let text = format!("▲ incident{others}: {}", incident.sentence);
    let mut lines = wrap(&text, columns - 2);
    if lines.len() > INCIDENT_LINES {
        let rest = lines.split_off(INCIDENT_LINES - 1).join(" ");
        lines.push(cut(&rest, columns - 2));
    }
    lines.into_iter().map(|line| Line::styled(format!(" {line}"), style::WRONG)).collect()
}

/// A line across with a heading in it.
fn rule(heading: &str, columns: usize) -> Line<'static> {
    let rest = columns.saturating_sub(width(heading) + 4);
    Line::from(vec![
        Span::styled("─ ", style::FAINT),
        Span::styled(heading.to_owned(), style::STRONG),
        Span::styled(format!(" {}", "─".repeat(rest)), style::FAINT),
    ])
}

/// `heading`, a number, something about it, and a bar.
fn counted(heading: &str, number: u64, about: &str, of_bar: (String, Style)) -> Line<'static> {
    let (drawn, style) = of_bar;
    Line::from(vec![Span::raw(format!(" {heading:11}{:>8} {about:>8}  ", thousands(number))), Span::styled(drawn, style)])
}

fn outcomes(model: &Model, counts: &Counts<'_>, columns: usize) -> Vec<Line<'static>> {
    let room = columns.saturating_sub(COUNTED);
    let outcomes = (counts.released + counts.held).max(1) as f64;
    let part = |number: u64| number as f64 / outcomes;
    let percent = |number: u64| format!("{:.1} %", part(number) * 100.0);
    let waiting = counts.played.saturating_sub(counts.decided);
    let waits = if waiting > 0 { format!("{} wait", thousands(waiting)) } else { String::new() };
    let mut lines = vec![
        rule("decisions", columns),
        counted("played", counts.played, &waits, (String::new(), Style::new())),
        counted("decided", counts.decided, &format!("{:.1}/s", model.rate()), (curve(model, room), style::CURVE)),
        counted("released", counts.released, &percent(counts.released), (bar(part(counts.released), room), style::RELEASED)),
        counted("held", counts.held, &percent(counts.held), (bar(part(counts.held), room), style::HELD)),
    ];
    let of_band = |band: &str| counts.bands.get(band).copied().unwrap_or(0);
    let most = BANDS.iter().map(|band| of_band(band)).max().unwrap_or(0).max(1);
    for band in BANDS {
        let drawn = bar(of_band(band) as f64 / most as f64, room);
        let open = counts.cases.open_by_band.get(band).copied().unwrap_or(0);
        let open = match (of_band(band), open) {
            (0, _) => String::new(),
            (_, 0..1_000) => format!("{open} open"),
            _ => format!("{}k open", open / 1_000),
        };
        lines.push(counted(&format!("  {band}"), of_band(band), &open, (drawn, style::band(band))));
    }
    lines
}

/// Decisions in each of the last seconds. The highest leaves some room, so that a steady rate is no bar.
fn curve(model: &Model, columns: usize) -> String {
    const LEVELS: [char; 6] = ['▁', '▂', '▃', '▄', '▅', '▆'];
    let most = model.seconds.iter().copied().max().unwrap_or(0).max(1);
    let last = model.seconds.iter().rev().take(columns).rev();
    last.map(|number| LEVELS[usize::try_from(number * 5 / most).unwrap_or(0).min(5)]).collect()
}

fn findings(counts: &Counts<'_>, columns: usize, rows: usize) -> Vec<Line<'static>> {
    let mut found: Vec<(&str, u64)> = counts.findings.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    found.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let most = found.first().map_or(1, |(_, count)| *count).max(1);
    let room = columns.saturating_sub(COUNTED);
    let line = |name: &str, count: u64, drawn: String| {
        Line::from(vec![Span::raw(format!(" {:21}{:>6}  ", cut(name, 21), thousands(count))), Span::styled(drawn, style::HELD)])
    };
    let mut lines = vec![rule("held because of", columns)];
    let shown = if found.len() < rows { found.len() } else { rows.saturating_sub(2) };
    lines.extend(found[..shown].iter().map(|(name, count)| line(name, *count, bar(*count as f64 / most as f64, room))));
    if shown < found.len() {
        let rest = found[shown..].iter().map(|(_, count)| count).sum();
        lines.push(line(&format!("{} others", found.len() - shown), rest, String::new()));
    }
    lines
}

fn below(model: &Model, counts: &Counts<'_>, columns: usize) -> Vec<Line<'static>> {
    let good = model.trails.altered + model.trails.broken == 0;
    let special = format!(" {} duplicates · {}", thousands(counts.duplicates), model.trail());
    let [fates, claimed] = Model::fates(&counts.cases);
    vec![
        Line::raw(format!(" {}", cut(&fates, columns - 2))),
        Line::raw(format!(" {}", cut(&claimed, columns - 2))),
        Line::styled(cut(&special, columns - 1), if good { Style::new() } else { style::WRONG }),
        Line::raw(format!(" {}", cut(&model.ages(), columns - 2))),
    ]
}

fn cases(model: &Model, columns: usize, rows: usize) -> Vec<Line<'static>> {
    let each = if columns < WIDE { 2 } else { 1 };
    let fit = rows.saturating_sub(1) / each;
    let first = model.marked.saturating_sub(fit.saturating_sub(1));
    let heading = match model.marked {
        0 => "last held, and why".to_owned(),
        marked => format!("held, and why: {} of the last {}", marked + 1, model.cases.list().len()),
    };
    let mut lines = vec![rule(&heading, columns)];
    for (place, case) in model.cases.list().iter().enumerate().skip(first).take(fit) {
        let marked = place == model.marked;
        lines.extend(if each == 1 { one_line(case, marked, columns) } else { two_lines(case, marked, columns) });
    }
    if model.cases.list().is_empty() {
        let nothing =
            if model.stage == Stage::Joining { "nothing yet: the gate joins its consumer group" } else { "nothing yet" };
        lines.push(Line::styled(format!(" {nothing}"), style::FAINT));
    }
    lines
}

/// `17:03:21` of an RFC 3339 time.
fn clock(at: &str) -> &str {
    at.get(11..19).unwrap_or("        ")
}

/// All reasons, as far as they fit; of what could not be read, what is wrong with it.
fn reasons(case: &Case, columns: usize) -> String {
    let sentences = case.held.findings.iter().map(|finding| match &case.dead_letter {
        Some(dead_letter) if finding.trigger == "unreadable" => {
            format!("Unreadable, {}: {}.", dead_letter.code, dead_letter.detail)
        }
        _ => finding.sentence.clone(),
    });
    let sentences: Vec<String> = sentences.collect();
    why(&sentences.iter().map(String::as_str).collect::<Vec<_>>(), columns)
}

/// Where a case stands, in a word or two.
fn standing(stands: &Stands) -> String {
    match (stands.state, &stands.assignee) {
        (State::Pending, _) if stands.escalated => "handed up".to_owned(),
        (State::Pending, _) => "open".to_owned(),
        (State::UnderReview, Some(person)) => format!("with {person}"),
        (state, _) => state.as_str().to_ascii_lowercase(),
    }
}

/// The marked line's beginning, its band and score, the event id, where it stands, and the model.
fn named(case: &Case, marked: bool) -> [Span<'static>; 5] {
    let (held, stands) = (&case.held, &case.stands);
    let base = if marked { style::MARKED } else { Style::new() };
    let mark = if marked { "›" } else { " " };
    let event = held.event_id.as_deref().unwrap_or("(no event id)");
    let model = held.model.name.as_deref().unwrap_or("(no model)");
    [
        Span::styled(format!("{mark}{} ", clock(&held.at)), base),
        Span::styled(format!("{:8} {:>5.1} ", stands.band, held.score), base.patch(style::band(&stands.band))),
        Span::styled(format!("{:23} ", cut(event, 23)), base.add_modifier(Modifier::BOLD)),
        Span::styled(format!("{:11} ", cut(&standing(stands), 11)), base.patch(style::state(stands.state))),
        Span::styled(format!("{:19} ", cut(model, 19)), base),
    ]
}

fn two_lines(case: &Case, marked: bool, columns: usize) -> Vec<Line<'static>> {
    let base = if marked { style::MARKED } else { Style::new() };
    let mut first = Line::from(named(case, marked).to_vec());
    first.push_span(Span::styled(" ".repeat(columns.saturating_sub(first.width())), base));
    vec![first, Line::raw(format!("   {}", reasons(case, columns.saturating_sub(4))))]
}

fn one_line(case: &Case, marked: bool, columns: usize) -> Vec<Line<'static>> {
    let base = if marked { style::MARKED } else { Style::new() };
    let mut line = Line::from(named(case, marked).to_vec());
    let room = columns.saturating_sub(line.width() + 1);
    let reasons = reasons(case, room);
    line.push_span(Span::styled(format!("{reasons}{}", " ".repeat(room.saturating_sub(width(&reasons)))), base));
    vec![line]
}

const MAIN_KEYS: [(&str, &str); 8] = [
    ("q", "quit"),
    ("space", "pause"),
    ("↑↓", "mark"),
    ("Enter", "open"),
    ("b", "broken"),
    ("l", "large"),
    ("d", "repeat"),
    ("?", "help"),
];
const CASE_KEYS: [(&str, &str); 4] = [("Esc", "back"), ("↑↓", "scroll"), ("PgUp PgDn", "page"), ("q", "quit")];

fn keys_line(keys: &[(&str, &str)], columns: usize) -> Line<'static> {
    let mut spans = Vec::new();
    for (key, does) in keys {
        spans.extend([Span::styled(format!(" {key}"), style::KEY), Span::raw(format!(" {does}  "))]);
    }
    let mut line = Line::from(spans);
    if line.width() > columns {
        let mut narrow = Vec::new();
        for (key, does) in keys {
            narrow.extend([Span::styled(format!(" {key}"), style::KEY), Span::raw(format!(" {does}"))]);
        }
        line = Line::from(narrow);
    }
    line
}

fn draw_case(opened: &Opened, frame: &mut Frame<'_>, area: Rect) {
    let columns = usize::from(area.width);
    let mut rows = Rows(area);
    frame.render_widget(Paragraph::new(case::title(&opened.case)), rows.take(1));
    let body = Rect { height: rows.0.height - 1, ..rows.0 };
    for (column, lines) in case::columns_of(&opened.case, columns) {
        let shown: Vec<Line<'_>> = lines.into_iter().skip(opened.scroll).take(usize::from(body.height)).collect();
        let column = u16::try_from(column).unwrap_or(0);
        frame.render_widget(Paragraph::new(shown), Rect { x: body.x + column, width: body.width - column, ..body });
    }
    let keys = Rect { y: area.bottom() - 1, height: 1, ..area };
    let mut line = keys_line(&CASE_KEYS, columns);
    let (height, room) = (case::height(&opened.case, columns), usize::from(body.height));
    let last = (opened.scroll + room).min(height);
    line.push_span(Span::styled(format!("  lines {} to {last} of {height}", (opened.scroll + 1).min(last)), style::FAINT));
    frame.render_widget(Paragraph::new(line), keys);
}

const HELP: [(&str, &str); 9] = [
    ("q, Ctrl-C", "end; a summary is printed"),
    ("space", "stop playing events, and go on"),
    ("↑ ↓ k j", "mark a held case; Home is the newest"),
    ("Enter", "open it: why, its trail, its audit entries and chain, the event"),
    ("Esc", "close it; on the first screen: end"),
    ("b", "send an event that cannot be read: it is held all the same"),
    ("l", "send an event about a large amount: a mandatory rule holds it"),
    ("d", "send the last event again: it is not decided again"),
    ("?", "this"),
];

fn draw_help(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let (columns, rows) = (78.min(area.width), 17.min(area.height));
    let inside = Rect { x: (area.width - columns) / 2, y: (area.height - rows) / 2, width: columns, height: rows };
    let mut lines = vec![rule("keys", usize::from(columns))];
    lines.extend(
        HELP.iter()
            .map(|(key, does)| Line::from(vec![Span::styled(format!("  {key:11}"), style::KEY), Span::raw((*does).to_owned())])),
    );
    let room = usize::from(columns) - 3;
    lines.push(Line::default());
    lines.push(Line::raw(cut(&format!("  policies   {}", model.about.policies.join(", ")), room)));
    lines.push(Line::raw(cut(&format!("  metrics    {}", model.about.metrics), room)));
    let crew = if model.about.crew.is_empty() {
        "nobody; what is held stays open".to_owned()
    } else {
        format!("{}, simulated; --no-crew sends them home", model.about.crew.join(", "))
    };
    lines.push(Line::raw(cut(&format!("  reviewers  {crew}"), room)));
    lines.push(Line::raw(cut("  times are UTC; a case from another terminal:", room)));
    lines.extend(wrap(&model.about.elsewhere, room - 2).into_iter().map(|line| Line::raw(format!("  {line}"))));
    lines.push(Line::styled("─".repeat(usize::from(columns)), style::FAINT));
    frame.render_widget(Clear, inside);
    frame.render_widget(Paragraph::new(lines), inside);
}
