//! What keys do: to the model at once, to everything else as a wish.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::case;
use super::model::{Model, Opened, Play};
use crate::dev::events::Extra;

/// What the view cannot do by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// End.
    Quit,
    /// Play on, or wait.
    Play(Play),
    /// Send one record more.
    Send(Extra),
}

/// Lines that a page key leaves in sight.
const OVERLAP: usize = 2;

impl Model {
    /// Takes a key.
    pub fn press(&mut self, key: KeyEvent) -> Option<Wish> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return (key.code == KeyCode::Char('c')).then_some(Wish::Quit);
        }
        if self.help {
            self.help = false;
            return (key.code == KeyCode::Char('q')).then_some(Wish::Quit);
        }
        match key.code {
            KeyCode::Char('q') => return Some(Wish::Quit),
            KeyCode::Esc if self.opened.take().is_none() => return Some(Wish::Quit),
            KeyCode::Esc => {}
            KeyCode::Char('?') => self.help = true,
            KeyCode::Char(' ') => {
                self.play = if self.play == Play::On { Play::Paused } else { Play::On };
                return Some(Wish::Play(self.play));
            }
            KeyCode::Char('b') => return Some(self.send(Extra::Broken)),
            KeyCode::Char('l') => return Some(self.send(Extra::LargeAmount)),
            KeyCode::Char('d') => return Some(self.send(Extra::Duplicate)),
            KeyCode::Enter => self.open_or_close(),
            code => self.go(code),
        }
        None
    }

    fn send(&mut self, extra: Extra) -> Wish {
        self.asked_for(extra);
        Wish::Send(extra)
    }

    fn open_or_close(&mut self) {
        self.opened = match self.opened.take() {
            Some(_) => None,
            None => self.cases.list().get(self.marked).map(|case| Opened { case: case.clone(), scroll: 0 }),
        };
    }

    fn go(&mut self, code: KeyCode) {
        let (columns, rows) = (usize::from(self.size.0), usize::from(self.size.1));
        let page = rows.saturating_sub(case::FRAME + OVERLAP).max(1);
        let (place, last) = match &mut self.opened {
            Some(opened) => {
                let lines = case::height(&opened.case, columns);
                (&mut opened.scroll, lines.saturating_sub(rows.saturating_sub(case::FRAME)))
            }
            None => (&mut self.marked, self.cases.list().len().saturating_sub(1)),
        };
        let moved = match code {
            KeyCode::Down | KeyCode::Char('j') => *place + 1,
            KeyCode::Up | KeyCode::Char('k') => place.saturating_sub(1),
            KeyCode::PageDown => *place + page,
            KeyCode::PageUp => place.saturating_sub(page),
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => last,
            _ => *place,
        };
        *place = moved.min(last);
    }

    /// The screen has another size.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.size = (columns, rows);
        if let Some(opened) = &mut self.opened {
            let lines = case::height(&opened.case, usize::from(columns));
            opened.scroll = opened.scroll.min(lines.saturating_sub(usize::from(rows).saturating_sub(case::FRAME)));
        }
    }
}
