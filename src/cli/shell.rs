//! `jidoka completions` and `jidoka man`: what shells and `man` know of the command line, from the same definitions as it.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;

use super::help::page;
use super::terminal::{Exit, GOOD, fail, paint, say};
use crate::document::suggestion;

/// Prints what a shell needs to complete jidoka's commands and options.
#[derive(Args, Debug)]
#[command(after_help = "Exit codes: 0 done; 2 wrong usage.

Examples:
  source <(jidoka completions bash)
  jidoka completions bash > /etc/bash_completion.d/jidoka
  jidoka completions zsh > \"${fpath[1]}/_jidoka\"
  jidoka completions fish > ~/.config/fish/completions/jidoka.fish")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints or writes the pages for `man`.
#[derive(Args, Debug)]
#[command(after_help = "Exit codes: 0 done; 1 the pages could not be written; 2 wrong usage.

Examples:
  jidoka man | man -l -
  jidoka man policy replay | man -l -
  jidoka man --out /usr/local/share/man/man1")]
pub struct ManArgs {
    /// The command whose page is printed [default: jidoka itself]
    command: Vec<String>,
    /// Write the pages of all commands into this folder, which is made where there is none
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    out: Option<PathBuf>,
}

/// Runs `jidoka completions`.
#[must_use]
pub fn completions(args: &CompletionsArgs, mut command: Command) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "jidoka", &mut script);
    say(String::from_utf8_lossy(&script).trim_end());
    Exit::Done
}

/// Runs `jidoka man`.
#[must_use]
pub fn man(args: &ManArgs, command: Command) -> Exit {
    // No page for `help`, which every shell user knows.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    match &args.out {
        Some(folder) => write_all(folder, &command),
        None => print_one(&command, &args.command),
    }
}

fn print_one(root: &Command, path: &[String]) -> Exit {
    let mut command = root;
    for name in path {
        let Some(found) = command.find_subcommand(name) else {
            let known: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
            let hint = suggestion(name, &known, "its commands are");
            let within = command.get_bin_name().unwrap_or("jidoka");
            return fail(Exit::Usage, format!("{within} has no command {name:?}; {hint}"));
        };
        command = found;
    }
    match page(command) {
        Ok(page) => say(String::from_utf8_lossy(&page).trim_end()),
        Err(error) => return fail(Exit::Failed, format!("The page cannot be made: {error}")),
    }
    Exit::Done
}

fn write_all(folder: &Path, root: &Command) -> Exit {
    let result = std::fs::create_dir_all(folder).and_then(|()| {
        let mut pages = 0_usize;
        let mut rest = vec![root];
        while let Some(command) = rest.pop() {
            let name = command.get_display_name().unwrap_or_else(|| command.get_name());
            std::fs::write(folder.join(format!("{name}.1")), page(command)?)?;
            pages += 1;
            rest.extend(command.get_subcommands());
        }
        Ok(pages)
    });
    match result {
        Ok(pages) => {
            say(format_args!("{} {pages} pages to {}", paint(GOOD, "wrote"), folder.display()));
            Exit::Done
        }
        Err(error) => fail(Exit::Failed, format!("The pages cannot be written to {}: {error}", folder.display())),
    }
}
