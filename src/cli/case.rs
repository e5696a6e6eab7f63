//! `jidoka case`: held decisions in a terminal. They are listed and shown as they lie in Kafka; commands on them are verdicts
//! like any other tool's.
//!
//! ```text
//! list, show ─→ desk ─→ cases, archive, audit ─→ fold ─→ lines
//! claim … cancel ─→ the case, its view ─→ verdicts ─→ (the sidecar) ─→ audit ─→ applied, or refused and what to do
//! ```

mod act;
mod desk;
mod fold;
mod list;
mod order;
mod show;
mod trail;
mod words;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::terminal::{Exit, Output};
use crate::config::Settings;
use order::{Common, Note, Seen, Why};

/// Looks at held decisions, and says what a reviewer says.
#[derive(Args, Debug)]
#[command(
    after_help = "An id may be shortened to its first digits, at least 6, as long as no other case begins with them. Who commands
is a claim: the sidecar checks the signature (--key) against its configuration, and then the groups, the state and the rest.

Exit codes: 0 done; 1 refused, not answered in time, or the work failed; 2 wrong usage or configuration.

Examples:
  jidoka case list --band critical                         # most urgent first
  jidoka case show 925ab795
  jidoka case claim 925ab795 --as ann --group underwriting
  jidoka case approve 925ab795 --as ann --group underwriting --reason confirmed"
)]
pub struct CaseArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE", env = "JIDOKA_CONFIG", global = true, default_value = "jidoka.yaml", display_order = 100)]
    config: PathBuf,
    #[command(subcommand)]
    command: CaseCommand,
    /// Form of the result
    #[arg(long, value_enum, default_value_t, global = true, display_order = 101)]
    output: Output,
}

#[derive(Subcommand, Debug)]
enum CaseCommand {
    /// List open cases by priority: the most urgent band first, then what is due first
    List(list::ListArgs),
    /// Show a case in plain words, with its event and its whole trail
    Show(show::ShowArgs),
    /// Take a case, for as long as the policy's lease
    #[command(after_help = "Exit codes: 0 applied; 1 refused, or not answered in time; 2 wrong usage or configuration.

Example:
  jidoka case claim 925ab795 --as ann --group underwriting")]
    Claim {
        #[command(flatten)]
        common: Box<Common>,
        #[command(flatten)]
        note: Note,
    },
    /// Give a case back, your own or, as a lead, anybody's
    #[command(after_help = "Exit codes: 0 applied; 1 refused, or not answered in time; 2 wrong usage or configuration.

Example:
  jidoka case unclaim 925ab795 --as ann")]
    Unclaim {
        #[command(flatten)]
        common: Box<Common>,
        #[command(flatten)]
        note: Note,
    },
    /// Say what the answer should be, before seeing the machine's
    #[command(after_help = "Exit codes: 0 applied; 1 refused, or not answered in time; 2 wrong usage or configuration.

Example:
  jidoka case judge 925ab795 --as ann --group underwriting --judgement '<=50K'")]
    Judge {
        #[command(flatten)]
        common: Box<Common>,
        /// A label, or `cannot-tell`
        #[arg(long, value_name = "LABEL")]
        judgement: String,
        #[command(flatten)]
        note: Note,
    },
    /// Let the automation go on
    #[command(after_help = "Exit codes: 0 applied; 1 refused, or not answered in time; 2 wrong usage or configuration.

Example:
  jidoka case approve 925ab795 --as ann --group underwriting --reason confirmed")]
    Approve {
        #[command(flatten)]
        common: Box<Common>,
        #[command(flatten)]
        why: Why,
        #[command(flatten)]
        seen: Seen,
    },
    /// Stop the automation, and say what would have been right
    #[command(after_help = "Exit codes: 0 applied; 1 refused, or not answered in time; 2 wrong usage or configuration.

Example:
  jidoka case reject 925ab795 --as ann --group underwriting --reason model-wrong \\
      --text 'The income is of another year' --corrected '\"<=50K\"'")]
    Reject {
        #[command(flatten)]
        common: Box<Common>,
        #[command(flatten)]
        why: Why,
        /// The right answer, as JSON: a text needs its quotes
        #[arg(long, value_name = "JSON", value_parser = order::json)]
        corrected: Option<String>,
        #[command(flatten)]
        seen: Seen,
    },
    /// Hand a case up: to the next band, or to a group
    #[command(after_help = "Exit codes: 0 applied; 1 refused, or not answered in time; 2 wrong usage or configuration.

Example:
  jidoka case escalate 925ab795 --as ann --group underwriting --reason policy-exception")]
    Escalate {
        #[command(flatten)]
        common: Box<Common>,
        #[command(flatten)]
        why: Why,
        /// A group; without it the case goes one band up, and from critical to its leads
        #[arg(long, value_name = "GROUP", value_parser = order::name)]
        to: Option<String>,
        #[command(flatten)]
        seen: Seen,
    },
    /// Give a case to a person or a group, as a lead
    #[command(after_help = "Exit codes: 0 applied; 1 refused, or not answered in time; 2 wrong usage or configuration.

Example:
  jidoka case reassign 925ab795 --as lea --group underwriting --group underwriting-leads --to user:bob")]
    Reassign {
        #[command(flatten)]
        common: Box<Common>,
        /// user:NAME or group:NAME
        #[arg(long, value_name = "WHO", value_parser = order::name)]
        to: String,
        #[command(flatten)]
        note: Note,
    },
    /// Write something for others to read
    #[command(after_help = "Exit codes: 0 applied; 1 refused, or not answered in time; 2 wrong usage or configuration.

Example:
  jidoka case comment 925ab795 --as ann --group underwriting --text 'I have asked the branch'")]
    Comment {
        #[command(flatten)]
        common: Box<Common>,
        /// What
        #[arg(long, value_name = "TEXT")]
        text: String,
        /// One of the policy's codes
        #[arg(long, value_name = "CODE", value_parser = order::name)]
        reason: Option<String>,
    },
    /// Have masked fields shown to you, which goes on record
    #[command(after_help = "Exit codes: 0 applied; 1 refused, or not answered in time; 2 wrong usage or configuration.

Example:
  jidoka case unmask 925ab795 --as ann --group underwriting --reason data-error")]
    Unmask {
        #[command(flatten)]
        common: Box<Common>,
        #[command(flatten)]
        why: Why,
    },
    /// Withdraw a decision, as its producer
    #[command(after_help = "Exit codes: 0 applied; 1 refused, or not answered in time; 2 wrong usage or configuration.

Example:
  jidoka case cancel 925ab795 --as loans --group underwriting --key loans.pem --key-id loans")]
    Cancel {
        #[command(flatten)]
        common: Box<Common>,
        #[command(flatten)]
        note: Note,
    },
}

impl CaseArgs {
    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }
}

/// Runs the command.
#[must_use]
pub fn run(args: &CaseArgs, settings: &Settings) -> Exit {
    match (&args.command, args.command.order()) {
        (CaseCommand::List(list), _) => list::run(list, settings, args.output),
        (CaseCommand::Show(show), _) => show::run(show, settings, args.output),
        (_, Some(order)) => act::run(&order, settings, args.output),
        (_, None) => unreachable!("all other commands are orders"),
    }
}
