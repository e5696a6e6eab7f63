//! `jidoka policy check`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::terminal::{Exit, FAINT, GOOD, Output, WRONG, paint};
use crate::config::read_policy_files;
use crate::policy::{FallbackReview, Policy};

/// Checks policy files.
#[derive(Args, Debug)]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Subcommand, Debug)]
enum PolicyCommand {
    /// Read policy files as a gate would, and print every mistake with its place
    #[command(after_help = "All files are read as one set: two policies of one name, or that match equally, are mistakes, too.

Exit codes: 0 all can be used; 1 something is wrong; 2 wrong usage.

Example:
  jidoka policy check config/policies/*.yaml")]
    Check {
        /// Policy files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Form of the result
        #[arg(long, value_enum, default_value_t)]
        output: Output,
    },
}

/// Runs the command.
#[must_use]
pub fn run(args: &PolicyArgs) -> Exit {
    let PolicyCommand::Check { files, output } = &args.command;
    match read_policy_files(files, &FallbackReview::default()) {
        Ok(set) => {
            print(set.policies(), *output);
            Exit::Done
        }
        Err(problems) => {
            match output {
                Output::Json => {
                    let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
                    println!("{:#}", json!({ "policies": [], "problems": list }));
                }
                Output::Text => {
                    for problem in &problems {
                        anstream::println!("{} {problem}", paint(WRONG, "error:"));
                    }
                }
            }
            Exit::Failed
        }
    }
}

fn print(policies: &[Policy], output: Output) {
    if output == Output::Json {
        let list: Vec<_> = policies
            .iter()
            .map(|policy| {
                let triggers: Vec<&str> = policy.triggers.iter().map(|trigger| trigger.id.as_str()).collect();
                json!({ "policy": policy.name, "version": policy.version, "hash": policy.hash.to_string(), "triggers": triggers })
            })
            .collect();
        println!("{:#}", json!({ "policies": list, "problems": [] }));
        return;
    }
    for policy in policies {
        let triggers: Vec<&str> = policy.triggers.iter().map(|trigger| trigger.id.as_str()).collect();
        let hash = policy.hash.to_string();
        anstream::println!("{} {} {} {}", paint(GOOD, "ok"), policy.name, paint(FAINT, &hash[..12]), triggers.join(", "));
    }
}
