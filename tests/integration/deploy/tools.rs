//! The real tools that check `deploy/`, fetched by `tests/setup`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::kafka::is_wanted;

const HOW_TO_GET_THEM: &str =
    "Run `tests/setup`, which fetches them or says what it lacks; or set JIDOKA_TESTS=no-tools to leave these tests out.";

/// A command that runs `name`, or none where these tests are left out.
///
/// # Panics
/// When it cannot be had, with the sentence that says how to get it.
pub fn tool(name: &str) -> Option<Command> {
    is_wanted("no-tools").then(|| {
        let found = find(name).or_else(|| {
            static FETCHED: OnceLock<Result<(), String>> = OnceLock::new();
            FETCHED.get_or_init(fetch).as_ref().unwrap_or_else(|problem| panic!("{problem}"));
            find(name)
        });
        Command::new(found.unwrap_or_else(|| panic!("tests/setup ended well but there is no {name}. {HOW_TO_GET_THEM}")))
    })
}

/// Runs `command` and fails with what it said unless it ended well.
///
/// # Panics
/// When it does not start, or finds something.
pub fn assert_clean(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    said
}

/// Cargo's folder for files of integration tests, `target/tmp`.
pub fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

fn target() -> &'static Path {
    scratch().parent().expect("cargo's temporary folder lies in its target folder")
}

/// Ours before the machine's: their versions are pinned.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(target().join("tools/bin")).chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn fetch() -> Result<(), String> {
    let run = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/setup"))
        .env("CARGO_TARGET_DIR", target())
        .env("JIDOKA_TESTS", "no-kafka")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("A tool is missing, and tests/setup did not start: {error}. {HOW_TO_GET_THEM}"))?;
    if run.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&run.stderr).into_owned();
    Err(format!("A tool is missing, and tests/setup could not fetch it:\n{words}{HOW_TO_GET_THEM}"))
}
