//! The terminal view: what the watcher tells and what keys say changes a [`Model`]; a thread of its own draws it.

mod case;
mod draw;
mod keys;
mod model;
mod picture;
mod style;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus::Histogram;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event};
use ratatui::{DefaultTerminal, Terminal};

use crate::cli::terminal::{before_leaving, leave};
use crate::dev::ages::quantile_ms;
use crate::dev::watcher::{Course, News};
use crate::telemetry::health::Health;
use crate::telemetry::logs::LogLines;
use keys::Wish;
pub use model::About;
use model::{Model, Percentiles, Play, Stage};

/// How long a change may wait to be seen.
const FRAME: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
/// What a shell expects of a process that was interrupted.
const INTERRUPTED: i32 = 130;
/// The screen that pictures show.
const PICTURE: (u16, u16) = (112, 34);

/// The terminal is no longer ours: nothing more is drawn.
static GIVEN_BACK: AtomicBool = AtomicBool::new(false);

/// What the view asks while it runs.
pub struct Sources<'s> {
    /// What the player, the gate and the watcher tell each other.
    pub course: &'s Course,
    /// What `/readyz` asks.
    pub health: &'s Health,
    /// Append time to commit.
    pub commit_age: Histogram,
    /// What is logged meanwhile.
    pub logs: &'s LogLines,
}

/// The view.
pub struct View {
    model: Mutex<Model>,
    changed: AtomicBool,
    over: AtomicBool,
}

impl View {
    /// A view of what has not begun.
    #[must_use]
    pub fn new(about: About) -> Self {
        Self { model: Mutex::new(Model::new(about)), changed: AtomicBool::new(true), over: AtomicBool::new(false) }
    }

    fn model(&self) -> MutexGuard<'_, Model> {
        self.changed.store(true, Ordering::Release);
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the watcher tells.
    pub fn tell(&self, news: &News<'_>) {
        self.model().hear(news);
    }

    /// The gate holds its part of the input.
    pub fn ready(&self) {
        self.model().stage = Stage::Running;
    }

    /// Everything has ended; so does [`View::run`].
    pub fn over(&self) {
        self.over.store(true, Ordering::Release);
    }

    /// Keeps the model up to date until all is over, and draws it where there is a terminal.
    ///
    /// # Errors
    /// Where the terminal cannot be drawn to or read.
    pub fn run(&self, sources: &Sources<'_>, mut screen: Option<&mut Screen>) -> io::Result<()> {
        let mut second = Instant::now() + SECOND;
        while !self.over.load(Ordering::Acquire) {
            if second <= Instant::now() {
                second += SECOND;
                self.second(sources);
            }
            let Some(screen) = screen.as_deref_mut() else {
                std::thread::sleep(FRAME);
                continue;
            };
            if GIVEN_BACK.load(Ordering::Acquire) {
                std::thread::sleep(FRAME);
                continue;
            }
            if self.changed.swap(false, Ordering::AcqRel) {
                let mut model = self.model.lock().unwrap_or_else(PoisonError::into_inner);
                model.played = sources.course.played.load(Ordering::Acquire);
                let size = screen.terminal.size()?;
                model.resize(size.width, size.height);
                let Screen { terminal, colours } = screen;
                terminal.draw(|frame| {
                    draw::draw(&model, frame);
                    if *colours == Colours::Off {
                        // The terminal library would leave them out, and take bold and reversed letters along.
                        frame.buffer_mut().content.iter_mut().for_each(|cell| (cell.fg, cell.bg) = Default::default());
                    }
                })?;
            }
            self.events(sources.course, FRAME)?;
        }
        Ok(())
    }

    fn second(&self, sources: &Sources<'_>) {
        let readiness = sources.health.readiness();
        let mut model = self.model();
        model.played = sources.course.played.load(Ordering::Acquire);
        model.second();
        let percentile = |part| quantile_ms(&sources.commit_age, part);
        model.committed = percentile(0.5).zip(percentile(0.99)).map(|(p50, p99)| Percentiles { p50, p99 });
        let notes = readiness.notes.into_iter().map(|note| format!("{}: {}", note.what, note.why));
        let stage = model.stage;
        let reasons = readiness.reasons.into_iter().filter(|_| stage == Stage::Running);
        let reasons = reasons.map(|reason| format!("{}: {}", reason.what, reason.why));
        model.notes = sources.logs.last().into_iter().chain(notes).chain(reasons).collect();
        if sources.course.stop.load(Ordering::Acquire) {
            model.stage = Stage::Ending;
        }
    }

    /// Takes keys for so long, or until there was one.
    fn events(&self, course: &Course, wait: Duration) -> io::Result<()> {
        let mut wait = wait;
        while event::poll(wait)? {
            wait = Duration::ZERO;
            match event::read()? {
                Event::Key(key) => {
                    let wish = self.model().press(key);
                    self.grant(wish, course);
                }
                Event::Resize(columns, rows) => self.model().resize(columns, rows),
                _ => {}
            }
        }
        Ok(())
    }

    fn grant(&self, wish: Option<Wish>, course: &Course) {
        match wish {
            None => {}
            Some(Wish::Quit) if self.model().stage == Stage::Ending => leave(INTERRUPTED),
            Some(Wish::Quit) => {
                self.model().stage = Stage::Ending;
                course.end();
            }
            Some(Wish::Play(play)) => course.paused.store(play == Play::Paused, Ordering::Release),
            Some(Wish::Send(extra)) => course.ask_for(extra),
        }
    }

    /// Writes what the view shows, now that so many events were played, as a picture.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write_picture(&self, file: &Path, played: u64) -> io::Result<()> {
        let mut terminal = Terminal::new(TestBackend::new(PICTURE.0, PICTURE.1)).expect("memory can be drawn to");
        let mut model = self.model();
        // It is a picture of the run, not of how it ends.
        (model.played, model.stage) = (played, Stage::Running);
        terminal.draw(|frame| draw::draw(&model, frame)).expect("memory can be drawn to");
        std::fs::write(file, picture::svg(terminal.backend().buffer()))
    }
}

/// The terminal while the view has it. Given back when this is dropped, and however else the process ends, short of SIGKILL.
pub struct Screen {
    terminal: DefaultTerminal,
    colours: Colours,
}

/// Whether colours are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Colours {
    On,
    Off,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// Where it cannot be set up.
    pub fn open() -> io::Result<Self> {
        before_leaving(give_back);
        // In a panic of any thread it restores the terminal before the panic is told.
        let terminal = ratatui::try_init()?;
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            GIVEN_BACK.store(true, Ordering::Release);
            told(panic);
        }));
        let is_off = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Ok(Self { terminal, colours: if is_off { Colours::Off } else { Colours::On } })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn give_back() {
    GIVEN_BACK.store(true, Ordering::Release);
    ratatui::restore();
}
