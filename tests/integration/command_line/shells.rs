//! Completions and man pages, judged by the tools that they are for, as far as these are on the machine.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{commands, folder, jidoka, name, output, text};

/// What a shell completes is asked of bash itself, which every machine with this test has.
const ASK_BASH: &str = r#"source /dev/stdin
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_jidoka jidoka "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
echo "${COMPREPLY[@]}""#;

fn has(tool: &str) -> bool {
    Command::new("sh")
        .args(["-c", &format!("command -v {tool}")])
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn script(shell: &str) -> String {
    let made = output(&mut jidoka(&["completions", shell]));
    assert!(made.status.success() && made.stderr.is_empty(), "{}", text(&made.stderr));
    text(&made.stdout)
}

/// What a tool prints about `input`; it has to be content with it.
fn judged_by(tool: &mut Command, input: &str) -> String {
    let mut judge = tool.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it is there");
    let mut pipe = judge.stdin.take().expect("a pipe was asked for");
    pipe.write_all(input.as_bytes()).expect("it reads all of it");
    drop(pipe);
    let said = judge.wait_with_output().expect("it ends");
    assert!(said.status.success() && said.stderr.is_empty(), "{tool:?}: {}", text(&said.stderr));
    text(&said.stdout)
}

fn completed(script: &str, typed: &[&str]) -> BTreeSet<String> {
    let line = judged_by(Command::new("bash").args(["-c", ASK_BASH, "bash"]).args(typed), script);
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn completions_are_made_for_every_shell() {
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute"), ("elvish", ""), ("powershell", "")] {
        let script = script(shell);
        for command in commands() {
            assert!(script.contains(command.get_name()), "{shell} does not know {}", name(&command));
        }
        if !check.is_empty() && has(shell) {
            judged_by(Command::new(shell).arg(check), &script);
        }
    }
}

#[test]
fn bash_completes_commands_options_and_values() {
    let script = script("bash");
    let all: BTreeSet<String> = commands()[0].get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let offered = completed(&script, &["jidoka", ""]);
    assert!(all.is_subset(&offered), "{offered:?}");
    assert_eq!(completed(&script, &["jidoka", "topics", "pl"]), ["plan".to_owned()].into());
    assert_eq!(completed(&script, &["jidoka", "policy", "replay", "--aga"]), ["--against".to_owned()].into());
    assert!(completed(&script, &["jidoka", "control", "stop", "--mode", "ru"]).contains("rules-only"));
}

#[test]
fn every_command_has_a_man_page_that_man_takes() {
    let folder = folder("man").join("man1");
    let made = output(jidoka(&["man", "--out"]).arg(&folder));
    assert!(made.status.success(), "{}", text(&made.stderr));
    let wanted: BTreeSet<String> = commands().iter().map(|command| name(command).replace(' ', "-") + ".1").collect();
    let files = std::fs::read_dir(&folder).expect("the folder was made");
    let found: BTreeSet<String> =
        files.map(|file| file.expect("a file").file_name().into_string().expect("a plain name")).collect();
    assert_eq!(found, wanted);
    for file in found {
        let page = std::fs::read_to_string(folder.join(&file)).expect("a page is text");
        assert!(page.contains(".SH EXAMPLES\n"), "{file}");
        judge_page(&page, &folder.join(&file));
    }
    let printed = text(&output(&mut jidoka(&["man", "topics", "check"])).stdout);
    assert_eq!(printed, std::fs::read_to_string(folder.join("jidoka-topics-check.1")).expect("a page is text"));
}

fn judge_page(page: &str, path: &Path) {
    if has("groff") {
        judged_by(Command::new("groff").args(["-man", "-Tutf8", "-Kutf8", "-ww", "-z"]), page);
    }
    if has("mandoc") {
        let said = output(Command::new("mandoc").args(["-Tlint", "-Wwarning"]).arg(path));
        assert!(said.status.success(), "{}", text(&said.stdout));
    }
}
