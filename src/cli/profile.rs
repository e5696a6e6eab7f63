//! `jidoka profile build|show`.

mod build;
mod calibration;
mod csv;
mod picture;
mod show;
mod training;

use clap::{Args, Subcommand};

use super::terminal::Exit;

/// Builds and shows profiles.
#[derive(Args, Debug)]
#[command(after_help = "A profile says what a model's inputs and answers look like when all is well. The anomaly
and fairness triggers, and the reviewers' capacity, need one; a policy names it.

Examples:
  jidoka profile build --policy policies/adult-income.yaml \\
      --training training.csv.gz --calibration calibration.jsonl.gz \\
      --out profiles/adult.profile
  jidoka profile show profiles/adult.profile")]
pub struct ProfileArgs {
    #[command(subcommand)]
    command: ProfileCommand,
}

#[derive(Subcommand, Debug)]
enum ProfileCommand {
    /// Build a profile of training rows, and calibrate it with events
    Build(build::BuildArgs),
    /// Show what a profile knows: features, pairs, calibration, subgroups
    Show(show::ShowArgs),
}

/// Runs the command.
#[must_use]
pub fn run(args: &ProfileArgs) -> Exit {
    match &args.command {
        ProfileCommand::Build(args) => build::run(args),
        ProfileCommand::Show(args) => show::run(args),
    }
}
