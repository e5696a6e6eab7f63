//! `jidoka policy check|test|replay` as their users run them: the binary, files, standard output and exit codes.

mod against;
mod check;
mod contradictions;
mod fixtures;
mod replay;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::kafka::unique;

/// Holds what is less sure than 0.6.
const POLICY: &str = "\
policy: loans
version: \"3\"
match: { source: inference, model: loans }
triggers:
  - id: unsure
    confidence: { measure: top_probability, below: 0.6 }
    reason: Not sure enough
";

/// A released event, a held one, the first one again, the second one with other content, a broken one, and one that does not
/// say when it happened.
const EVENTS: &str = r#"{"event_id":"a","timestamp":"2026-01-05T10:00:00Z","model":{"name":"loans"},"prediction":"yes","confidence":0.9}
{"event_id":"b","timestamp":"2026-01-05T10:00:01.5Z","model":{"name":"loans","version":"2"},"prediction":"no","confidence":0.50}
{"event_id":"a","timestamp":"2026-01-05T10:00:00Z","model":{"name":"loans"},"prediction":"yes","confidence":0.9}
{"event_id":"b","timestamp":"2026-01-05T10:00:02Z","model":{"name":"loans"},"prediction":"no","confidence":0.8}
{"event_id":"c",
{"event_id":"d","model":{"name":"loans"},"prediction":true,"confidence":0.95}
"#;

/// A folder with files of its own, in which the command runs: what it prints is then the same everywhere.
struct Folder(PathBuf);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique("policy")));
        fs::create_dir_all(&folder.0).expect("a folder below cargo's temporary one");
        for (name, text) in files {
            folder.write(name, text.as_bytes());
        }
        folder
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("a folder below ours");
        fs::write(path, bytes).expect("a file in our folder");
    }

    /// `jidoka policy <arguments>`.
    fn policy(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jidoka"));
        let output = command.arg("policy").args(arguments).current_dir(&self.0).env("NO_COLOR", "1").output();
        let output = output.expect("the binary runs");
        let text = |bytes| String::from_utf8(bytes).expect("it prints text");
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed lies in a folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What came of a command.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    /// Its standard output as a document.
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Its standard output as one document a line.
    fn lines(&self) -> Vec<Value> {
        let line = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.out.lines().map(line).collect()
    }

    /// It ended with `code`, and said this.
    fn assert(&self, code: i32, out: &str, err: &str) {
        assert_eq!((self.code, self.out.as_str(), self.err.as_str()), (Some(code), out, err));
    }
}
