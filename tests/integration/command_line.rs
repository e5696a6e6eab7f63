//! The command line as a person and a script meet it: help that teaches, completions, man pages, exit codes, and no colour
//! where nobody sees it.

mod exits;
mod shells;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use clap::builder::StyledStr;
use clap::error::ErrorKind;

/// Columns of the widest help: a longer example would be broken in a place where it cannot be copied.
const EXAMPLE_COLUMNS: usize = 100;

/// jidoka with these arguments, in a folder of its own and without the environment's own settings.
fn jidoka(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jidoka"));
    for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("JIDOKA_") || key == "RUST_LOG") {
        command.env_remove(key);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

fn output(command: &mut Command) -> Output {
    command.output().expect("it can be started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("what is printed is text")
}

/// A new folder for a test.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(crate::kafka::unique(name));
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    folder
}

/// All commands and groups of commands, jidoka itself first.
fn commands() -> Vec<clap::Command> {
    let mut definition = jidoka::cli::definition().disable_help_subcommand(true);
    definition.build();
    let mut found = vec![definition];
    let mut next = 0;
    while let Some(command) = found.get(next) {
        let below: Vec<_> = command.get_subcommands().cloned().collect();
        found.extend(below);
        next += 1;
    }
    found
}

fn name(command: &clap::Command) -> &str {
    command.get_bin_name().unwrap_or_else(|| command.get_name())
}

/// The part of a help text below `Examples:`, continued lines joined.
fn examples(help: &str) -> Vec<String> {
    let mut examples: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in help.lines().skip_while(|line| !line.starts_with("Example")).skip(1).map(str::trim) {
        let part = line.trim_end_matches('\\');
        match examples.last_mut() {
            Some(example) if goes_on => example.push_str(part),
            _ => examples.push(part.to_owned()),
        }
        goes_on = line.ends_with(['\\', '|']);
    }
    examples
}

/// The words of a simple command line in a shell: quotes, and nothing else that is special.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (part, piece) in line.split('\'').enumerate() {
        if part % 2 == 1 {
            words.push(piece.to_owned());
        } else {
            words.extend(piece.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn every_command_teaches_with_examples_that_it_takes() {
    for command in commands() {
        let name = name(&command);
        let help = command.get_after_help().map(StyledStr::to_string).unwrap_or_default();
        let examples = examples(&help);
        assert!(!examples.is_empty(), "{name} has no example");
        assert!(command.has_subcommands() || help.contains("Exit codes: 0 "), "{name} does not tell its exit codes");
        let mut run = 0;
        for example in &examples {
            let shown = example.split(" #").next().expect("a text has a beginning");
            let pieces = shown.split([';', '|', '>']).map(str::trim);
            for line in pieces.filter_map(|piece| Some(&piece[piece.find("jidoka ")?..])) {
                let taken = jidoka::cli::definition().try_get_matches_from(words(line.trim_end_matches(')')));
                let refused = taken.err().filter(|error| error.kind() != ErrorKind::DisplayHelp);
                assert!(refused.is_none(), "{name}: {line}\n{}", refused.expect("it is refused"));
                run += 1;
            }
        }
        assert!(run > 0, "no example of {name} runs jidoka");
        for line in help.lines().filter(|line| line.starts_with(' ')) {
            assert!(line.chars().count() <= EXAMPLE_COLUMNS, "{name}: too long for a terminal:\n{line}");
        }
    }
}

#[test]
fn help_is_printed_for_every_command_at_any_width() {
    for columns in [40, 80, 120] {
        for command in commands() {
            let name = name(&command).to_owned();
            let help = command.clone().term_width(columns).render_long_help().to_string();
            let prose = help.lines().filter(|line| !line.starts_with(' ') && !line.starts_with("Usage:"));
            for line in prose {
                assert!(line.chars().count() <= columns, "{name} at {columns} columns: {line}");
            }
        }
    }
}
