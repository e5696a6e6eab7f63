//! A screen as a picture: SVG, cell by cell as a terminal would show it.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

const CELL: (f64, f64) = (8.4, 18.0);
const MARGIN: f64 = 14.0;
const BACKGROUND: &str = "#14181d";
const TEXT: &str = "#d6dde4";
const DIM: &str = "#7d8894";

/// The picture of a screen.
pub fn svg(screen: &Buffer) -> String {
    let (columns, rows) = (screen.area.width, screen.area.height);
    let (width, height) = (f64::from(columns) * CELL.0 + MARGIN * 2.0, f64::from(rows) * CELL.1 + MARGIN * 2.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" \
         font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n"
    );
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            let run = Run::at(screen, column, row);
            run.write(&mut svg, column, row);
            column += run.columns;
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Neighbouring cells that look alike.
struct Run {
    columns: u16,
    text: String,
    ink: &'static str,
    paper: Option<&'static str>,
    bold: bool,
    underlined: bool,
}

impl Run {
    fn at(screen: &Buffer, column: u16, row: u16) -> Self {
        let first = &screen[(column, row)];
        let drawn = |symbol: &str| shape(symbol).is_some();
        let (mut columns, mut text) = (0, String::new());
        while column + columns < screen.area.width {
            let cell = &screen[(column + columns, row)];
            let alike = (cell.fg, cell.bg, cell.modifier) == (first.fg, first.bg, first.modifier);
            if !alike || drawn(cell.symbol()) != drawn(first.symbol()) {
                break;
            }
            text.push_str(cell.symbol());
            columns += 1;
        }
        let (mut ink, mut paper) = (ink(first.fg, first.modifier), None);
        if first.modifier.contains(Modifier::REVERSED) {
            (ink, paper) = (BACKGROUND, Some(ink));
        }
        let (bold, underlined) = (first.modifier.contains(Modifier::BOLD), first.modifier.contains(Modifier::UNDERLINED));
        Self { columns, text, ink, paper, bold, underlined }
    }

    fn write(&self, svg: &mut String, column: u16, row: u16) {
        let (x, y) = (MARGIN + f64::from(column) * CELL.0, MARGIN + f64::from(row) * CELL.1);
        let width = f64::from(self.columns) * CELL.0;
        let mut add = |piece: std::fmt::Arguments<'_>| svg.write_fmt(piece).expect("a string takes all");
        if let Some(paper) = self.paper {
            add(format_args!("<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{}\" fill=\"{paper}\"/>\n", CELL.1));
        }
        if self.text.trim().is_empty() {
            return;
        }
        if shape(&self.text[..self.text.chars().next().map_or(0, char::len_utf8)]).is_some() {
            // Bars and curves as shapes: fonts leave gaps between such letters.
            let mut letters = self.text.chars().enumerate().peekable();
            while let Some((place, letter)) = letters.next() {
                let Some([left, top, mut wide, high]) = shape(letter.encode_utf8(&mut [0; 4])) else { continue };
                while wide >= 1.0 && letters.next_if(|(_, next)| *next == letter).is_some() {
                    wide += 1.0;
                }
                // The last, narrower piece of a bar, without a seam.
                if let Some((_, last)) = letters.next_if(|(_, next)| letter == '█' && ('▉'..='▏').contains(next)) {
                    wide += shape(last.encode_utf8(&mut [0; 4])).map_or(0.0, |[_, _, wide, _]| wide);
                }
                let x = x + (place as f64 + left) * CELL.0;
                let (y, wide, high) = (y + top * CELL.1, wide * CELL.0, high * CELL.1);
                add(format_args!(
                    "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{wide:.2}\" height=\"{high:.2}\" fill=\"{}\"/>\n",
                    self.ink
                ));
            }
            return;
        }
        let bold = if self.bold { " font-weight=\"bold\"" } else { "" };
        let underlined = if self.underlined { " text-decoration=\"underline\"" } else { "" };
        // Words apart from each other where they are columns: not every reader keeps runs of spaces as wide as they are.
        let mut at = 0;
        for words in self.text.split("  ") {
            let leading = words.len() - words.trim_start().len();
            let (text, letters) = (words.trim(), words.trim().chars().count() as f64);
            if !text.is_empty() {
                add(format_args!(
                    "<text x=\"{:.1}\" y=\"{:.1}\" textLength=\"{:.1}\" fill=\"{}\"{bold}{underlined}>{}</text>\n",
                    x + f64::from(at + u16::try_from(leading).unwrap_or(0)) * CELL.0,
                    y + CELL.1 * 0.75,
                    letters * CELL.0,
                    self.ink,
                    escaped(text)
                ));
            }
            at += u16::try_from(words.chars().count() + 2).unwrap_or(0);
        }
    }
}

/// Left, top, width and height in parts of a cell, of the letters that bars, curves and rules are made of.
fn shape(symbol: &str) -> Option<[f64; 4]> {
    let letter = symbol.chars().next()?;
    let place = f64::from(u32::from(letter));
    match letter {
        '─' => Some([0.0, 0.47, 1.0, 0.06]),
        '▁'..='█' => {
            let eighths = (place - f64::from(u32::from('▁')) + 1.0) / 8.0;
            Some([0.0, 0.85 - eighths * 0.7, 1.0, eighths * 0.7])
        }
        '▉'..='▏' => Some([0.0, 0.15, (f64::from(u32::from('▏')) - place + 1.0) / 8.0, 0.7]),
        _ => None,
    }
}

fn ink(colour: Color, modifier: Modifier) -> &'static str {
    match colour {
        Color::Red => "#ff7b72",
        Color::Green => "#7ee787",
        Color::Yellow => "#f0c060",
        Color::Blue => "#79b8ff",
        Color::Magenta => "#e59cf2",
        Color::Cyan => "#6cd0d8",
        _ if modifier.contains(Modifier::DIM) => DIM,
        _ => TEXT,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn text_is_escaped_and_bars_are_shapes() {
        let mut screen = Buffer::empty(Rect::new(0, 0, 20, 2));
        screen.set_string(0, 0, "a <b> & c", Style::new().fg(Color::Red));
        screen.set_string(0, 1, "██▌ ▌", Style::new());
        let svg = svg(&screen);
        assert!(svg.contains("fill=\"#ff7b72\">a &lt;b&gt; &amp; c</text>"), "{svg}");
        assert_eq!((svg.matches("<rect").count(), svg.matches("<text").count()), (3, 1), "{svg}");
        assert!(svg.contains("width=\"21.00\"") && svg.contains("width=\"4.20\""), "two cells and a half, and half a one: {svg}");
    }
}
