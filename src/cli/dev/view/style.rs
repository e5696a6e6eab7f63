//! The colours: those of every terminal, so that they fit light and dark ones. With `NO_COLOR` none is written; what they say
//! also stands in words.

use ratatui::style::{Color, Modifier, Style};

use crate::case::State;

/// Headings and names.
pub const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
/// What stands beside the point.
pub const FAINT: Style = Style::new().add_modifier(Modifier::DIM);
/// All is well.
pub const GOOD: Style = Style::new().fg(Color::Green);
/// Released.
pub const RELEASED: Style = GOOD;
/// Held.
pub const HELD: Style = Style::new().fg(Color::Yellow);
/// Wrong.
pub const WRONG: Style = Style::new().fg(Color::Red);
/// What somebody can press.
pub const KEY: Style = Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD);
/// A line that is marked.
pub const MARKED: Style = Style::new().add_modifier(Modifier::REVERSED);
/// Curves and bars that are neither good nor bad.
pub const CURVE: Style = Style::new().fg(Color::Cyan);

/// The colour of a band.
#[must_use]
pub fn band(band: &str) -> Style {
    match band {
        "critical" => WRONG.add_modifier(Modifier::BOLD),
        "high" => Style::new().fg(Color::Magenta),
        "normal" => HELD,
        _ => Style::new().fg(Color::Blue),
    }
}

/// The colour of where a case stands.
#[must_use]
pub fn state(state: State) -> Style {
    match state {
        State::Pending => HELD,
        State::UnderReview => CURVE,
        State::Approved => GOOD,
        State::Rejected | State::Expired | State::Cancelled => WRONG,
    }
}
