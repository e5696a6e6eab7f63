//! `jidoka audit export|verify`: the trail, taken out of Kafka and held against itself.

mod chosen;
mod cut;
mod dump;
mod export;
mod verify;

use clap::{Args, Subcommand};

use super::terminal::Exit;

/// Exports the trail and verifies it.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  jidoka audit export --config jidoka.yaml --out trail.jsonl.gz
  jidoka audit verify trail.jsonl.gz
  jidoka audit verify trail.jsonl.gz --heads heads.jsonl --heads-key jidoka.yaml")]
pub struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Subcommand, Debug)]
enum AuditCommand {
    /// Write the trail as lines of JSON, whole or a choice of decisions
    Export(Box<export::ExportArgs>),
    /// Verify exported lines: chains, trails, dispositions and cases, offline
    Verify(verify::VerifyArgs),
}

/// Runs the command.
#[must_use]
pub fn run(args: &AuditArgs) -> Exit {
    match &args.command {
        AuditCommand::Export(args) => export::run(args),
        AuditCommand::Verify(args) => verify::run(args),
    }
}
