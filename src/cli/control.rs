//! `jidoka control`: orders to all running gates and sidecars, written to the `control` topic.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::terminal::{Exit, GOOD, Output, fail, paint, say};
use crate::config::Settings;
use crate::control::{AcceptedGap, AcknowledgedBaseline, Acknowledgement, Erasure, Mode, Stop, gap_scope};
use crate::identity::DecisionId;
use crate::stream::player::send_one;
use crate::stream::record::Outgoing;
use crate::stream::topics::Topic;

const SEND_WITHIN: Duration = Duration::from_secs(15);
/// Names and reasons are kept in a record that every gate reads.
const TEXT_MAX: usize = 1_024;

/// Tells running gates and sidecars what to do.
#[derive(Args, Debug)]
#[command(
    after_help = "Gates and sidecars follow the control topic and obey within about a second. A gate that cannot read it for
control.max_age holds everything.

Exit codes: 0 the order is written; 1 it could not be; 2 wrong usage or configuration.

Examples:
  jidoka control stop --mode hold --by kim --reason 'incident 0042'
  jidoka control stop --mode normal --by kim --reason 'incident 0042 closed'
  jidoka control accept-gap --source inference --partition 3 --to 120000 \\
      --by kim --reason 'retention was 1 h'
  jidoka control acknowledge 5c0ffee05c0ffee0 --by kim --reason 'campaign for first-time buyers'
  jidoka control erase 925ab795168fdc48291233198923001a --by kim --reason 'request 17'"
)]
pub struct ControlArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE", env = "JIDOKA_CONFIG", global = true, default_value = "jidoka.yaml", display_order = 100)]
    config: PathBuf,
    #[command(subcommand)]
    command: ControlCommand,
    /// Form of the result
    #[arg(long, value_enum, default_value_t, global = true, display_order = 101)]
    output: Output,
}

#[derive(Subcommand, Debug)]
enum ControlCommand {
    /// Set the mode of all gates, or of one policy: normal, rules-only, hold, or halt
    #[command(after_help = "The modes:
  normal      as the policies say
  rules-only  statistical triggers are skipped
  hold        decide, and hold everything
  halt        read nothing (all gates only: a source may serve several policies)

Exit codes: 0 the order is written; 1 it could not be; 2 wrong usage or configuration.

Examples:
  jidoka control stop --mode hold --by kim --reason 'incident 0042'
  jidoka control stop --mode normal --by kim --reason 'incident 0042 closed'
  jidoka control stop --policy adult-income --mode hold --by kim --reason 'bias report'")]
    Stop {
        /// The mode
        #[arg(long, value_enum)]
        mode: ModeArg,
        /// Only decisions under this policy
        #[arg(long, value_name = "NAME")]
        policy: Option<String>,
        #[command(flatten)]
        signature: Signature,
    },
    /// Accept that input records were lost before they could be decided, and go on behind them
    #[command(
        after_help = "A partition whose next input record was deleted before it was read waits, and /readyz names it and the offset
to go on at. Accepting the loss is written to the audit trail, with who did it and why.

Exit codes: 0 the order is written; 1 it could not be; 2 wrong usage or configuration.

Example:
  jidoka control accept-gap --source inference --partition 3 --to 120000 \\
      --by kim --reason 'retention was 1 h'"
    )]
    AcceptGap {
        /// Name of the source; or the verdicts topic, where reviewers' commands were lost
        #[arg(long, value_name = "NAME")]
        source: String,
        /// Partition of its topic
        #[arg(long, value_name = "N")]
        partition: i32,
        /// First offset to decide again
        #[arg(long, value_name = "OFFSET")]
        to: i64,
        #[command(flatten)]
        signature: Signature,
    },
    /// Say that an incident of the monitor is understood: its effect is over
    #[command(
        after_help = "While an incident about a subgroup is open, adverse decisions about its members are held. Acknowledging it ends
that, and is written to the audit trail with who did it and why. From then on the group is watched anew: against the approved
baseline, or, with --baseline recent, against what has been seen since the incident was opened (at least 200 events).

Exit codes: 0 the order is written; 1 it could not be; 2 wrong usage or configuration.

Examples:
  jidoka control acknowledge 5c0ffee05c0ffee0 --by kim --reason 'model 7 was rolled back'
  jidoka control acknowledge 5c0ffee05c0ffee0 --baseline recent \\
      --by kim --reason 'new income limits, approved in minutes 44'"
    )]
    Acknowledge {
        /// The incident's id
        #[arg(value_name = "INCIDENT", value_parser = incident_id)]
        incident: String,
        /// What it is held against from now on
        #[arg(long, value_enum, default_value_t = BaselineArg::Keep)]
        baseline: BaselineArg,
        #[command(flatten)]
        signature: Signature,
    },
    /// Erase what is left of closed cases: the event, the findings, and what reviewers wrote
    #[command(
        after_help = "Removes a case's records from the topics cases and archive; compaction then removes them from the disks
(for archive within about a day, see `jidoka topics plan`). A case that is still open is erased once it is closed. The audit
trail stays whole: it holds only hashes of what is erased. What lies in reviews, verdicts and dead-letters expires by itself
(retention.ms).

Exit codes: 0 the orders are written; 1 they could not be; 2 wrong usage or configuration.

Example:
  jidoka control erase 925ab795168fdc48291233198923001a --by kim --reason 'request 17'"
    )]
    Erase {
        /// Decision ids
        #[arg(value_name = "DECISION_ID", required = true, value_parser = decision_id)]
        decisions: Vec<DecisionId>,
        #[command(flatten)]
        signature: Signature,
    },
}

fn incident_id(text: &str) -> Result<String, String> {
    let is_id = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_id { Ok(text.to_owned()) } else { Err("an incident's id is 16 digits, 0-9 and a-f".to_owned()) }
}

/// What an incident is held against once it is acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum BaselineArg {
    /// The approved baseline, as it was
    Keep,
    /// What has been seen since the incident was opened
    Recent,
}

fn decision_id(text: &str) -> Result<DecisionId, String> {
    DecisionId::parse(text).ok_or_else(|| "a decision id is 32 digits, 0-9 and a-f".to_owned())
}

#[derive(Args, Debug)]
struct Signature {
    /// Who orders it
    #[arg(long, value_name = "WHO", value_parser = short_text)]
    by: String,
    /// Why
    #[arg(long, value_name = "TEXT", value_parser = short_text)]
    reason: String,
}

fn short_text(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("may not be empty: others will want to know".to_owned()),
        text if text.len() > TEXT_MAX => Err(format!("at most {TEXT_MAX} bytes")),
        text => Ok(text.to_owned()),
    }
}

/// A mode as an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum ModeArg {
    Normal,
    RulesOnly,
    Hold,
    Halt,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Normal => Self::Normal,
            ModeArg::RulesOnly => Self::RulesOnly,
            ModeArg::Hold => Self::Hold,
            ModeArg::Halt => Self::Halt,
        }
    }
}

impl ControlArgs {
    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }
}

/// Runs the command.
#[must_use]
pub fn run(args: &ControlArgs, settings: &Settings) -> Exit {
    let orders = match orders(&args.command, settings) {
        Ok(orders) => orders,
        Err(reason) => return fail(Exit::Usage, reason),
    };
    let topic = Topic::Control.name(&super::layout(settings));
    for Order { key, value, said } in orders {
        let (key_bytes, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
        let record = Outgoing { topic: &topic, partition: 0, key: key_bytes, value, headers: &[] };
        match send_one(&super::client(&settings.kafka), record, SEND_WITHIN) {
            Ok(offset) => match args.output {
                Output::Json => say(json!({ "topic": topic, "key": key, "offset": offset })),
                Output::Text => say(format_args!("{} {said}", paint(GOOD, "ordered"))),
            },
            Err(error) => return fail(Exit::Failed, format!("The order could not be written to {topic}: {error}")),
        }
    }
    Exit::Done
}

/// A record of `control`, and what is said when it is written.
struct Order {
    key: String,
    value: String,
    said: String,
}

fn orders(command: &ControlCommand, settings: &Settings) -> Result<Vec<Order>, String> {
    let order = |(key, value, said): (String, serde_json::Result<String>, String)| {
        value.map(|value| Order { key, value, said }).map_err(|error| error.to_string())
    };
    let one = match command {
        ControlCommand::Stop { mode: ModeArg::Halt, policy: Some(policy), .. } => {
            return Err(format!(
                "halt stops reading, and a source may serve other policies than {policy}. Use --mode hold for one policy, \
                 or leave --policy away."
            ));
        }
        ControlCommand::Stop { mode, policy, signature } => {
            let mode = Mode::from(*mode);
            let stop = Stop { mode, by: signature.by.clone(), reason: signature.reason.clone() };
            let scope = policy.as_deref().unwrap_or("global");
            let said = format!("mode {} for {}", mode.as_str(), policy.as_deref().unwrap_or("everything"));
            (format!("stop/{scope}"), serde_json::to_string(&stop), said)
        }
        ControlCommand::AcceptGap { source, partition, to, signature } => {
            let verdicts = Topic::Verdicts.name(&super::layout(settings));
            if *source != verdicts && !settings.sources.iter().any(|known| known.name == *source) {
                let mut known: Vec<&str> = settings.sources.iter().map(|source| source.name.as_str()).collect();
                known.push(&verdicts);
                return Err(format!("There is no source {source:?}. The configuration names: {}.", known.join(", ")));
            }
            if *to < 0 || *partition < 0 {
                return Err("--partition and --to are numbers from 0 on.".to_owned());
            }
            let gap = AcceptedGap { to: *to, by: signature.by.clone(), reason: signature.reason.clone() };
            let scope = gap_scope(source, *partition);
            let said = format!("{scope} goes on at offset {to}");
            (format!("gap/{scope}"), serde_json::to_string(&gap), said)
        }
        ControlCommand::Acknowledge { incident, baseline, signature } => {
            let baseline = match baseline {
                BaselineArg::Keep => AcknowledgedBaseline::Keep,
                BaselineArg::Recent => AcknowledgedBaseline::Recent,
            };
            let order = Acknowledgement { by: signature.by.clone(), reason: signature.reason.clone(), baseline };
            let said = format!("{incident} is acknowledged once the monitor has read it");
            (format!("acknowledge/{incident}"), serde_json::to_string(&order), said)
        }
        ControlCommand::Erase { decisions, signature } => {
            let erasure = Erasure { by: signature.by.clone(), reason: signature.reason.clone() };
            let erase = |id: &DecisionId| {
                (format!("erase/{id}"), serde_json::to_string(&erasure), format!("{id} is erased once it is closed"))
            };
            return decisions.iter().map(|id| order(erase(id))).collect();
        }
    };
    order(one).map(|order| vec![order])
}
