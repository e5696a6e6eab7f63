//! The help texts of the commands, made to fit whoever reads them.
//!
//! ```text
//! after_help of a command ─→ flowing  ─→ --help, wrapped by clap at the terminal's width
//!                                └─→ page ─→ a man page, wrapped by man
//! ```
//!
//! In the sources a help text is written like a comment: paragraphs in lines, and indented below them what must stay as it
//! is, lists and examples. A paragraph that begins with `Exit codes:` and the examples have sections of their own in a man page.

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

/// The command and all below it, with every paragraph of their help texts on one line.
#[must_use]
pub fn flowing(command: Command) -> Command {
    let after = command.get_after_help().map(|text| joined(&text.to_string()));
    let long = command.get_long_about().map(|text| joined(&text.to_string()));
    let command = command.mut_subcommands(flowing);
    let command = match after {
        Some(text) => command.after_help(text),
        None => command,
    };
    match long {
        Some(text) => command.long_about(text),
        None => command,
    }
}

/// `text` with the lines of each paragraph joined. Indented lines stay lines.
fn joined(text: &str) -> String {
    let mut flowing = String::with_capacity(text.len());
    let mut before = "";
    for line in text.lines() {
        let goes_on = is_prose(before) && is_prose(line);
        flowing.push_str(match flowing.is_empty() {
            true => "",
            false if goes_on => " ",
            false => "\n",
        });
        flowing.push_str(line);
        before = line;
    }
    flowing
}

fn is_prose(line: &str) -> bool {
    !line.is_empty() && !line.starts_with(' ')
}

/// The man page of a command out of a tree that was built.
///
/// # Errors
/// Never: it is written into memory.
pub fn page(command: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone()).source(concat!("jidoka ", env!("CARGO_PKG_VERSION"))).manual("jidoka");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(text) = command.get_after_help() {
        notes(&text.to_string()).to_writer(&mut page)?;
    }
    Ok(page)
}

/// A help text as sections of a man page.
fn notes(text: &str) -> Roff {
    let mut roff = Roff::new();
    let mut section = "DESCRIPTION";
    for block in text.split("\n\n") {
        let (heading, block) = match block {
            _ if block.starts_with("Example") => ("EXAMPLES", block.split_once('\n').map_or("", |(_, examples)| examples)),
            _ => block.strip_prefix("Exit codes: ").map_or(("NOTES", block), |codes| ("EXIT STATUS", codes)),
        };
        let is_new = section != heading;
        roff.control(if is_new { "SH" } else { "PP" }, is_new.then_some(heading));
        section = heading;
        write_lines(&mut roff, block);
    }
    roff
}

/// Prose is filled by man; lines that are indented stay as they are.
fn write_lines(roff: &mut Roff, block: &str) {
    let mut is_filled = true;
    for line in block.lines() {
        if is_filled != is_prose(line) {
            is_filled = !is_filled;
            roff.control(if is_filled { "fi" } else { "nf" }, []);
        }
        roff.text([roman(line)]);
    }
    if !is_filled {
        roff.control("fi", []);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_flow_and_indented_lines_stand() {
        for (text, flowing) in [
            ("", ""),
            ("a", "a"),
            ("a\nb\n\nc\nd", "a b\n\nc d"),
            ("Examples:\n  a\n  b", "Examples:\n  a\n  b"),
            ("a\n  b\nc\nd", "a\n  b\nc d"),
        ] {
            assert_eq!(joined(text), flowing);
            assert_eq!(joined(flowing), flowing, "twice is once");
        }
    }

    #[test]
    fn a_page_has_the_sections_that_readers_look_for() {
        let text = "One.\n\nTwo:\n  .x\n\nExit codes: 0 done.\n\nExample, for once:\n  a \\\n      b";
        let page = notes(text).to_roff();
        let page: Vec<&str> = page.lines().collect();
        let nf = [".SH NOTES", "One.", ".PP", "Two:", ".nf", "  .x", ".fi", ".SH \"EXIT STATUS\"", "0 done.", ".SH EXAMPLES"];
        assert!(page.windows(nf.len()).any(|lines| lines == nf), "{page:#?}");
        assert_eq!(page[page.len() - 4..], [".nf", "  a \\\\", "      b", ".fi"]);
    }
}
