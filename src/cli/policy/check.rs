//! `jidoka policy check`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::read_set;
use crate::cli::problems;
use crate::cli::terminal::{Exit, FAINT, GOOD, Output, fail, paint, say};
use crate::document::Problem;
use crate::policy::{FallbackReview, Policy};

#[derive(Args, Debug)]
#[command(after_help = "All files are read as one set: two policies of one name, or that match equally, are mistakes, too.

Exit codes: 0 all can be used; 1 something is wrong; 2 wrong usage.

Examples:
  jidoka policy check policies/adult-income.yaml
  jidoka policy check policies --output json | jq -r '.problems[].message'")]
pub(super) struct CheckArgs {
    /// Policy files, or folders of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Form of the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &CheckArgs) -> Exit {
    match read_set(&args.files, &FallbackReview::default()) {
        Ok(set) => {
            print(set.policies(), args.output);
            Exit::Done
        }
        Err(problems) => refuse(&problems, args.output),
    }
}

fn refuse(found: &[Problem], output: Output) -> Exit {
    if output == Output::Json {
        let list: Vec<_> = found.iter().map(problems::json).collect();
        say(format_args!("{:#}", json!({ "policies": [], "problems": list })));
        return Exit::Failed;
    }
    for problem in found {
        say(problems::text(problem));
    }
    let files: BTreeSet<&str> = found.iter().map(|problem| problem.file.as_str()).filter(|file| !file.is_empty()).collect();
    match (found.len(), files.len()) {
        (1, _) => Exit::Failed,
        (mistakes, 1) => fail(Exit::Failed, format!("{mistakes} mistakes; no gate takes this file.")),
        (mistakes, files) => fail(Exit::Failed, format!("{mistakes} mistakes in {files} files; no gate takes any of this set.")),
    }
}

fn print(policies: &[Policy], output: Output) {
    let triggers = |policy: &Policy| policy.triggers.iter().map(|trigger| trigger.id.clone()).collect::<Vec<_>>();
    if output == Output::Json {
        let of = |policy: &Policy| {
            let hash = policy.hash.to_string();
            json!({ "policy": policy.name, "version": policy.version, "hash": hash, "triggers": triggers(policy) })
        };
        let list: Vec<_> = policies.iter().map(of).collect();
        say(format_args!("{:#}", json!({ "policies": list, "problems": [] })));
        return;
    }
    for policy in policies {
        let hash = policy.hash.to_string();
        let hash = paint(FAINT, &hash[..12]);
        say(format_args!("{} {} {hash} {}", paint(GOOD, "ok"), policy.name, triggers(policy).join(", ")));
    }
}
