//! `jidoka policy check|test|replay`.

mod check;
mod replay;
mod test;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::terminal::Exit;
use crate::config::{policy_files, read_policy_files};
use crate::document::{Place, Problem};
use crate::policy::{FallbackReview, PolicySet};
use crate::replay::Reason;

/// Checks policies and tries them out.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  jidoka policy check policies                       # would a gate take them?
  jidoka policy test policies                        # do they decide as expected?
  jidoka policy replay --policy new.yaml yesterday.jsonl.gz
                                                     # what would have been held?")]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Subcommand, Debug)]
enum PolicyCommand {
    /// Read policy files as a gate would, and print every mistake with its place
    Check(check::CheckArgs),
    /// Decide fixtures, and compare with what is expected
    Test(test::TestArgs),
    /// Decide recorded events, from files or a range of a topic, and show what comes of it; nothing is written
    Replay(Box<replay::ReplayArgs>),
}

/// Runs the command.
#[must_use]
pub fn run(args: &PolicyArgs) -> Exit {
    match &args.command {
        PolicyCommand::Check(args) => check::run(args),
        PolicyCommand::Test(args) => test::run(args),
        PolicyCommand::Replay(args) => replay::run(args),
    }
}

/// Reads the policies of `paths`, which are files or folders of them, as one set.
pub(super) fn read_set(paths: &[PathBuf], fallback: &FallbackReview) -> Result<PolicySet, Vec<Problem>> {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        match policy_files(path) {
            Ok(found) if found.is_empty() => problems.push(problem(path, "has no policy file (*.yaml or *.yml)")),
            Ok(found) => files.extend(found),
            Err(error) => problems.push(problem(path, &format!("cannot be read: {error}"))),
        }
    }
    match read_policy_files(&files, fallback) {
        Ok(set) if problems.is_empty() => Ok(set),
        Ok(_) => Err(problems),
        Err(found) => Err([problems, found].concat()),
    }
}

fn problem(path: &Path, message: &str) -> Problem {
    Problem::new(&Place::whole(&path.display().to_string()), "", message)
}

/// The sources that the policies name, each once.
pub(super) fn sources<'s>(sets: impl IntoIterator<Item = &'s PolicySet>) -> BTreeSet<&'s str> {
    sets.into_iter().flat_map(PolicySet::policies).filter_map(|policy| policy.matches.source.as_deref()).collect()
}

/// `trigger: sentence`.
fn reason_text(Reason { trigger, sentence }: &Reason) -> String {
    format!("{trigger}: {}", in_a_line(sentence))
}

/// `text` on one line: a rule's may go over several.
fn in_a_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn reasons_json(reasons: &[Reason]) -> Value {
    reasons.iter().map(|Reason { trigger, sentence }| json!({ "trigger": trigger, "sentence": sentence })).collect()
}
