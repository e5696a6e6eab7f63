//! Logs: for people on a terminal, JSON otherwise, always on standard error.

use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::EnvFilter;

/// Sends logs to standard error. `RUST_LOG` says how much, or else `directives`; `NO_COLOR` turns colours off.
pub fn init(directives: &str) {
    let builder = tracing_subscriber::fmt().with_env_filter(filter(directives)).with_writer(io::stderr);
    let initialised = if io::stderr().is_terminal() {
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        builder.with_target(false).with_ansi(colours).compact().try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    };
    // A second call, in tests: the first one's logs go on.
    drop(initialised);
}

fn filter(directives: &str) -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(directives))
}

/// Keeps logs for as long as somebody draws on the terminal; `RUST_LOG` says how much, or else `directives`.
pub fn init_kept(directives: &str) -> LogLines {
    let lines = LogLines::default();
    let writer = lines.clone();
    let builder = tracing_subscriber::fmt().with_env_filter(filter(directives)).with_writer(move || writer.clone());
    drop(builder.with_target(false).with_ansi(false).without_time().compact().try_init());
    lines
}

/// The last log lines.
#[derive(Clone, Debug, Default)]
pub struct LogLines(Arc<Mutex<VecDeque<String>>>);

impl LogLines {
    const MOST: usize = 100;

    /// The last line.
    #[must_use]
    pub fn last(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).back().cloned()
    }

    /// All that are kept.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

impl io::Write for LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(String::from_utf8_lossy(line).trim().to_owned());
        if lines.len() > Self::MOST {
            lines.pop_front();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
