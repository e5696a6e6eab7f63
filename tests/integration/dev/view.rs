//! The view, in a terminal: it is drawn, it obeys keys, and it gives the terminal back.

use std::io::{Read as _, Write};
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use vt100::Parser;

const PATIENCE: Duration = Duration::from_secs(40);

/// A terminal with `jidoka dev` in it.
struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    /// What the terminal shows.
    shown: Arc<Mutex<Parser>>,
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

fn side(cells: u16) -> NonZero<u16> {
    NonZero::new(cells).expect("a screen has an extent")
}

impl Terminal {
    fn open(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let pair = native_pty_system().openpty(size(24, 80)).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_jidoka"));
        command.arg("dev");
        command.args(arguments);
        command.cwd(std::env::temp_dir());
        command.env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR");
        for (name, value) in environment {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).expect("jidoka starts");
        let shown = Arc::new(Mutex::new(Parser::new(side(24), side(80), 0)));
        let (mut reader, parser) = (pair.master.try_clone_reader().expect("it can be read"), Arc::clone(&shown));
        // Ends with the terminal.
        let read = move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                parser.lock().expect("no test panics with it").process(&bytes[..count]);
            }
        };
        std::thread::Builder::new().name("terminal".to_owned()).spawn(read).expect("a thread");
        let keys = pair.master.take_writer().expect("it can be written to");
        Self { master: pair.master, keys, child, shown }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).expect("the terminal takes keys");
    }

    fn text(&self) -> String {
        self.shown.lock().expect("no test panics with it").screen().contents()
    }

    fn is_drawn_on(&self) -> bool {
        let shown = self.shown.lock().expect("no test panics with it");
        shown.screen().alternate_screen()
    }

    /// Waits until the screen shows all of `words`.
    fn shows(&self, words: &[&str]) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let text = self.text();
            if words.iter().all(|word| text.contains(word)) {
                return text;
            }
            assert!(Instant::now() < until, "the screen does not show {words:?}:\n{text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn resize(&self, rows: u16, cols: u16) {
        self.shown.lock().expect("no test panics with it").screen_mut().set_size(side(rows), side(cols));
        self.master.resize(size(rows, cols)).expect("the terminal can be resized");
    }

    /// Waits for the end, and that the terminal is as it was.
    fn ended(mut self) -> (ExitStatus, String) {
        let until = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it can be asked") {
                break status;
            }
            assert!(Instant::now() < until, "it does not end:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(50));
        };
        let restored = || {
            let shown = self.shown.lock().expect("no test panics with it");
            !shown.screen().alternate_screen() && !shown.screen().hide_cursor()
        };
        while !restored() {
            assert!(Instant::now() < until, "the terminal is not given back:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(50));
        }
        (status, self.text())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended, unless the test failed.
        drop(self.child.kill());
    }
}

#[test]
fn a_person_looks_opens_a_case_sends_a_broken_event_and_quits() {
    let mut terminal = Terminal::open(&["--rate", "60"], &[]);
    terminal.shows(&["mock broker", "not exactly-once", "last held, and why", "low-confidence", "not sure enough"]);
    terminal.shows(&["cases: ", " open · ", " approved · ", "claimed by ", "reviewed after p50 "]);
    assert!(terminal.is_drawn_on());
    terminal.press(" ");
    terminal.shows(&["‖ paused"]);
    terminal.press("b");
    terminal.shows(&["yours-001", "Unreadable, not-json"]);
    terminal.press("l");
    terminal.shows(&["yours-002", "Amounts of 15,000 and more need a person"]);
    terminal.press("\r");
    terminal.shows(&["What became of it", "✓ DECIDED", "✓ CLAIMED    by ", "Where it stands in the audit trail"]);
    terminal.resize(45, 170);
    terminal.shows(&[
        "The event, as it was sent",
        "\"event_id\": \"yours-002\"",
        "hashed here and now",
        "Its audit entry, DECIDED",
        "\"amount\": 750000",
    ]);
    terminal.press("\u{1b}");
    terminal.shows(&["every hash and link checked ✓", "Amounts of 15,000 and more need a person"]);
    terminal.press("?");
    terminal.shows(&["a mandatory rule holds it", "/metrics", "amira, jonas, mei, rosa", "jidoka case show ID"]);
    terminal.press("x q");
    let (status, text) = terminal.ended();
    assert!(status.success(), "{status:?}: {text}");
    assert!(text.contains("the automation may go on") && text.contains("from sent to decided"), "the summary: {text}");
}

#[test]
fn colours_are_left_out_on_demand_and_sigterm_gives_the_terminal_back() {
    let coloured = |terminal: &Terminal| {
        let shown = terminal.shown.lock().expect("no test panics with it");
        let screen = shown.screen();
        let cells = (0..24).flat_map(|row| (0..80).map(move |column| (row, column)));
        cells
            .filter(|(row, column)| screen.cell(*row, *column).is_some_and(|cell| cell.fgcolor() != vt100::Color::Default))
            .count()
    };
    let plain = Terminal::open(&[], &[("NO_COLOR", "1")]);
    let bright = Terminal::open(&[], &[]);
    for terminal in [&plain, &bright] {
        terminal.shows(&["low-confidence", "not sure enough"]);
    }
    assert_eq!(coloured(&plain), 0);
    assert!(coloured(&bright) > 20);
    for terminal in [plain, bright] {
        crate::kafka::signal("TERM", terminal.child.process_id().expect("it runs"));
        let (status, text) = terminal.ended();
        assert!(status.success() && text.contains("the automation may go on"), "{status:?}: {text}");
    }
}

#[test]
fn lines_on_a_terminal_where_they_are_asked_for_and_an_end_after_so_many() {
    let (status, text) = Terminal::open(&["--plain", "--once", "30", "--rate", "100"], &[]).ended();
    assert!(status.success() && text.contains("the automation may go on"), "{status:?}: {text}");
    let viewed = Terminal::open(&["--once", "60", "--rate", "60"], &[]);
    viewed.shows(&["last held, and why"]);
    let (status, text) = viewed.ended();
    assert!(status.success() && text.contains("events             60"), "{status:?}: {text}");
}
