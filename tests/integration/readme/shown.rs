//! What the README shows as printed is what is printed.

use std::process::Command;

use super::{blocks, files, repository, written};

/// The command that compares two policies, and below it the lines of its answer; `…` stands for others between them.
#[test]
fn the_comparison_of_two_policies_is_the_one_that_is_shown() {
    let all = blocks();
    let place = all.iter().position(|block| block.language == "sh" && block.text.contains("--against")).expect("a comparison");
    let (typed, shown) = (&all[place].text, &all[place + 1]);
    assert_eq!(shown.language, "text");
    let folder = written("readme-shown", &files());
    std::os::unix::fs::symlink(repository().join("src"), folder.join("src")).expect("a link can be made");
    let here = typed.replace("jidoka ", concat!(env!("CARGO_BIN_EXE_jidoka"), " "));
    let printed = Command::new("bash").args(["-ec", &here]).current_dir(&folder).output().expect("bash starts");
    let printed = String::from_utf8(printed.stdout).expect("what is printed is text");
    let mut rest = printed.lines().map(str::trim_end);
    for line in shown.text.lines().filter(|line| *line != "…") {
        assert!(rest.any(|printed| printed == line), "{line:?} is not printed, or not in this place:\n{printed}");
    }
}
