//! `jidoka topics plan|apply|check`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::terminal::{Exit, FAINT, GOOD, Output, STRONG, Table, WARNING, WRONG, fail, paint, say};
use crate::stream::topics::{
    Finding, Partitions, PlannedTopic, Role, Setting, Severity, Topic, TopicsContext, TopicsError, acls, apply, check, plan,
};

/// Shows, creates and checks the topics that jidoka keeps.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  jidoka topics plan --config jidoka.yaml       # what would be made, and why so
  jidoka topics apply --config jidoka.yaml      # make what is missing
  jidoka topics check --config jidoka.yaml      # is all as planned?")]
pub struct TopicsArgs {
    #[command(subcommand)]
    command: TopicsCommand,
}

#[derive(Subcommand, Debug)]
enum TopicsCommand {
    /// Show every topic with its partitions, settings and reasons; needs no broker
    #[command(after_help = "Exit codes: 0 done; 2 wrong usage or configuration.

Examples:
  jidoka topics plan --config jidoka.yaml
  jidoka topics plan --config jidoka.yaml --output json | jq '.topics[].name'
  jidoka topics plan --config jidoka.yaml --acls > acls.sh    # read it first")]
    Plan {
        #[command(flatten)]
        common: Common,
        /// Print the least rights of each role instead, as kafka-acls.sh commands for users named like the roles
        #[arg(long)]
        acls: bool,
    },
    /// Create what is missing, then check everything; what exists is never altered
    #[command(after_help = "Topics that exist and differ are reported with the command that mends them: altering topics
under a running installation is for a person to decide. Running it twice changes nothing.

Exit codes: 0 all is as planned; 1 something is still wrong; 2 wrong usage or configuration.

Example:
  jidoka topics apply --config jidoka.yaml")]
    Apply {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        patience: Patience,
    },
    /// Compare the brokers' topics with the plan; changes nothing
    #[command(after_help = "Every process makes the same check for its own topics at start: a fatal finding stops it,
a warning does not.

Exit codes: 0 all is as planned; 1 something was found; 2 wrong usage or configuration.

Example, in a deployment pipeline:
  jidoka topics check --config jidoka.yaml --output json || exit 1")]
    Check {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        patience: Patience,
    },
}

#[derive(Args, Debug)]
struct Common {
    /// Configuration file: where Kafka is, prefix, lanes, sources
    #[arg(long, value_name = "FILE", env = "JIDOKA_CONFIG", default_value = "jidoka.yaml", display_order = 100)]
    config: PathBuf,
    /// Form of the result
    #[arg(long, value_enum, default_value_t, display_order = 101)]
    output: Output,
}

#[derive(Args, Debug)]
struct Patience {
    /// How long to wait for the brokers
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

impl TopicsArgs {
    /// The configuration file, from which the caller makes the context of [`run`].
    #[must_use]
    pub fn config(&self) -> &Path {
        match &self.command {
            TopicsCommand::Plan { common, .. } | TopicsCommand::Apply { common, .. } | TopicsCommand::Check { common, .. } => {
                &common.config
            }
        }
    }
}

/// Runs the command.
#[must_use]
pub fn run(args: &TopicsArgs, context: &TopicsContext) -> Exit {
    match &args.command {
        TopicsCommand::Plan { common, acls: false } => {
            print_plan(&plan(&context.layout), common.output);
            Exit::Done
        }
        TopicsCommand::Plan { common, acls: true } => {
            print_acls(context, common.output);
            Exit::Done
        }
        TopicsCommand::Apply { common, patience } => match apply(context, patience.duration()) {
            Ok(applied) => report(&applied.created, &applied.findings, context, common.output),
            Err(error) => stopped(&error),
        },
        TopicsCommand::Check { common, patience } => match check(context, &Topic::ALL, patience.duration()) {
            Ok(findings) => report(&[], &findings, context, common.output),
            Err(error) => stopped(&error),
        },
    }
}

impl Patience {
    fn duration(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

fn stopped(error: &TopicsError) -> Exit {
    let exit = if matches!(error, TopicsError::Settings(_)) { Exit::Usage } else { Exit::Failed };
    fail(exit, error)
}

fn print_plan(planned: &[PlannedTopic], output: Output) {
    if output == Output::Json {
        say(format_args!("{:#}", json!({ "topics": planned })));
        return;
    }
    let mut table = Table::new(&["topic", "partitions", "copies", "cleanup", "key", "written by", "read by"]);
    for topic in planned {
        table.row([
            topic.name.clone(),
            partitions(topic.partitions),
            topic.replication.to_string(),
            topic.setting("cleanup.policy").unwrap_or_default().to_owned(),
            topic.key.to_owned(),
            roles(topic.writers),
            roles(topic.readers),
        ]);
    }
    for line in table.lines() {
        say(line);
    }
    for topic in planned {
        say(format_args!("\n{}", paint(STRONG, &topic.name)));
        for setting in &topic.settings {
            say(format_args!("  {:<44} {}", setting_text(setting), paint(FAINT, setting.why)));
        }
    }
}

fn partitions(partitions: Partitions) -> String {
    match partitions {
        Partitions::Exactly(count) => count.to_string(),
        Partitions::AtLeast(count) => format!("{count}+"),
    }
}

fn roles(roles: &[Role]) -> String {
    roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ")
}

/// `retention.ms=2592000000 (30 d)`.
fn setting_text(setting: &Setting) -> String {
    let unit = setting.key.rsplit('.').next();
    let readable = match setting.value.parse::<u64>() {
        Ok(millis) if unit == Some("ms") => duration(millis),
        Ok(bytes) if unit == Some("bytes") && bytes >= 1 << 20 => format!(" ({} MiB)", bytes >> 20),
        _ => String::new(),
    };
    format!("{}={}{readable}", setting.key, setting.value)
}

fn duration(millis: u64) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000)];
    let whole = units.iter().find(|(_, length)| millis >= *length && millis.is_multiple_of(*length));
    whole.map_or_else(String::new, |(unit, length)| format!(" ({} {unit})", millis / length))
}

fn print_acls(context: &TopicsContext, output: Output) {
    if output == Output::Json {
        let list: Vec<_> = Role::ALL.iter().map(|role| json!({ "role": role, "commands": acls(context, *role) })).collect();
        say(format_args!("{:#}", json!({ "acls": list })));
        return;
    }
    say(format_args!(
        "{}",
        paint(FAINT, "# The least rights of each role. Put your own users for User:<role>, and add --command-config FILE")
    ));
    say(format_args!(
        "{}",
        paint(FAINT, "# with an administrator's login. Groups of review tools and action services begin with the role's name.")
    ));
    for role in Role::ALL {
        say(format_args!("\n{}", paint(STRONG, format!("# {role}"))));
        for line in acls(context, role) {
            say(line);
        }
    }
}

fn report(created: &[String], findings: &[Finding], context: &TopicsContext, output: Output) -> Exit {
    match output {
        Output::Json => say(format_args!("{:#}", json!({ "created": created, "findings": findings }))),
        Output::Text => print_report(created, findings, context),
    }
    if findings.is_empty() { Exit::Done } else { Exit::Failed }
}

fn print_report(created: &[String], findings: &[Finding], context: &TopicsContext) {
    for name in created {
        say(format_args!("{} {name}", paint(GOOD, "created")));
    }
    for finding in findings {
        let word = match finding.severity {
            Severity::Fatal => paint(WRONG, "fatal"),
            Severity::Warning => paint(WARNING, "warning"),
        };
        say(format_args!("{word} {}\n    {}", finding.sentence, finding.command));
    }
    let fatal = findings.iter().filter(|finding| finding.severity == Severity::Fatal).count();
    let warnings = findings.len() - fatal;
    match (fatal, warnings) {
        (0, 0) => say(format_args!("{} {} topics at {} are as planned", paint(GOOD, "ok"), Topic::ALL.len(), context.bootstrap)),
        (0, _) => say(format_args!("\nWarnings: {warnings}. jidoka starts all the same.")),
        _ => say(format_args!("\nFatal: {fatal}, warnings: {warnings}. jidoka does not start before the fatal ones are mended.")),
    }
    let secured = context.client.get("security.protocol").is_some_and(|protocol| !protocol.eq_ignore_ascii_case("plaintext"));
    if secured && !findings.is_empty() {
        say(format_args!("{}", paint(FAINT, "Kafka's own tools need --command-config FILE with your login.")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_readable() {
        for (key, value, text) in [
            ("retention.ms", "2592000000", "retention.ms=2592000000 (30 d)"),
            ("segment.ms", "600000", "segment.ms=600000 (10 min)"),
            ("segment.ms", "1", "segment.ms=1"),
            ("segment.bytes", "16777216", "segment.bytes=16777216 (16 MiB)"),
            ("retention.bytes", "-1", "retention.bytes=-1"),
            ("cleanup.policy", "compact", "cleanup.policy=compact"),
        ] {
            let setting = Setting {
                key,
                value: value.to_owned(),
                bound: crate::stream::topics::Bound::Exactly,
                severity: Severity::Warning,
                why: "",
            };
            assert_eq!(setting_text(&setting), text);
        }
    }
}
