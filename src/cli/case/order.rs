//! What is ordered on the command line, and the verdict that it becomes.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::value::RawValue;

use super::CaseCommand;
use super::fold::IdPrefix;
use crate::case::{Action, Command, CommandId, View};
use crate::document::parse_duration;
use crate::identity::{DecisionId, Hash};

/// The longest name of a reviewer, group, code or channel that the sidecar takes.
const NAME_BYTES: usize = 256;

/// What all commands on a case have.
#[derive(Args, Debug)]
pub struct Common {
    /// The case: its id, or at least the first 6 digits of it
    #[arg(value_name = "ID", value_parser = IdPrefix::parse)]
    pub id: IdPrefix,
    /// Who orders it; without it, the user who is logged in
    #[arg(long = "as", value_name = "REVIEWER", value_parser = name)]
    pub reviewer: Option<String>,
    /// A group that the reviewer is in; may be repeated
    #[arg(long = "group", value_name = "GROUP", value_parser = name)]
    pub groups: Vec<String>,
    /// The tool it comes through, as the trail will show it
    #[arg(long, value_name = "NAME", default_value = "cli", value_parser = name)]
    pub channel: String,
    /// Private key that signs it: a file in PKCS#8 PEM
    #[arg(long, value_name = "FILE", requires = "key_id")]
    pub key: Option<PathBuf>,
    /// What the sidecar's configuration calls that key
    #[arg(long, value_name = "ID", requires = "key")]
    pub key_id: Option<String>,
    /// Write it and do not wait for what comes of it
    #[arg(long)]
    pub no_wait: bool,
    /// How long to wait for what comes of it
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration, conflicts_with = "no_wait")]
    pub wait: Duration,
}

/// What may be said with a command.
#[derive(Args, Debug)]
pub struct Note {
    /// One of the policy's codes
    #[arg(long, value_name = "CODE", value_parser = name)]
    reason: Option<String>,
    /// In your own words; kept with the case, and only its hash in the trail
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
}

/// What must be said with a command.
#[derive(Args, Debug)]
pub struct Why {
    /// One of the policy's codes
    #[arg(long, value_name = "CODE", value_parser = name)]
    reason: String,
    /// In your own words; kept with the case, and only its hash in the trail
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
}

/// What was seen.
#[derive(Args, Debug)]
pub struct Seen {
    /// The view of the case that you decided on, as `case show` names it; without it, the one it has now
    #[arg(long, value_name = "SEQ-HASH", value_parser = view)]
    seen: Option<View>,
}

/// A command as it was typed.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// What all have.
    pub common: &'a Common,
    /// What is ordered.
    pub action: Action,
    code: Option<&'a str>,
    text: Option<&'a str>,
    judgement: Option<&'a str>,
    corrected: Option<&'a str>,
    to: Option<&'a str>,
    /// The view that was named.
    pub seen: Option<View>,
}

impl CaseCommand {
    /// What is ordered; none where somebody only looks.
    pub fn order(&self) -> Option<Order<'_>> {
        let plain = |common, action| Order {
            common,
            action,
            code: None,
            text: None,
            judgement: None,
            corrected: None,
            to: None,
            seen: None,
        };
        Some(match self {
            Self::List(_) | Self::Show(_) => return None,
            Self::Claim { common, note } => note.with(plain(common, Action::Claim)),
            Self::Unclaim { common, note } => note.with(plain(common, Action::Unclaim)),
            Self::Judge { common, judgement, note } => {
                Order { judgement: Some(judgement), ..note.with(plain(common, Action::Judge)) }
            }
            Self::Approve { common, why, seen } => Order { seen: seen.seen, ..why.with(plain(common, Action::Approve)) },
            Self::Reject { common, why, corrected, seen } => {
                Order { corrected: corrected.as_deref(), seen: seen.seen, ..why.with(plain(common, Action::Reject)) }
            }
            Self::Escalate { common, why, to, seen } => {
                Order { to: to.as_deref(), seen: seen.seen, ..why.with(plain(common, Action::Escalate)) }
            }
            Self::Reassign { common, to, note } => Order { to: Some(to), ..note.with(plain(common, Action::Reassign)) },
            Self::Comment { common, text, reason } => {
                Order { text: Some(text), code: reason.as_deref(), ..plain(common, Action::Comment) }
            }
            Self::Unmask { common, why } => why.with(plain(common, Action::Unmask)),
            Self::Cancel { common, note } => note.with(plain(common, Action::Cancel)),
        })
    }
}

impl Note {
    fn with<'a>(&'a self, order: Order<'a>) -> Order<'a> {
        Order { code: self.reason.as_deref(), text: self.text.as_deref(), ..order }
    }
}

impl Why {
    fn with<'a>(&'a self, order: Order<'a>) -> Order<'a> {
        Order { code: Some(&self.reason), text: self.text.as_deref(), ..order }
    }
}

impl<'a> Order<'a> {
    /// The verdict: of `reviewer`, about the case `decision_id`, having seen `view`.
    pub fn verdict(&self, id: CommandId, decision_id: DecisionId, reviewer: &'a str, view: View) -> Command<'a> {
        Command {
            id,
            decision_id,
            action: self.action,
            seen: self.action.needs_seen().then(|| self.seen.unwrap_or(view)),
            reviewer: reviewer.into(),
            groups: self.common.groups.iter().map(|group| group.as_str().into()).collect(),
            code: self.code.map(Into::into),
            text: self.text.map(Into::into),
            judgement: self.judgement.map(Into::into),
            corrected: self.corrected,
            to: self.to.map(Into::into),
            channel: Some(self.common.channel.as_str().into()),
        }
    }
}

/// What a view is called: the number of its entry and its hash.
pub fn view_text(view: View) -> String {
    format!("{}-{}", view.seq, view.hash)
}

fn view(text: &str) -> Result<View, String> {
    let parsed = text.split_once('-').and_then(|(seq, hash)| Some(View { seq: seq.parse().ok()?, hash: Hash::parse(hash)? }));
    parsed.ok_or_else(|| "a view is a number, a hyphen and 64 hex digits, as `jidoka case show` prints it".to_owned())
}

/// A name that the sidecar takes.
pub fn name(text: &str) -> Result<String, String> {
    match text {
        "" => Err("may not be empty".to_owned()),
        text if text.len() > NAME_BYTES => Err(format!("at most {NAME_BYTES} bytes")),
        text if text.chars().any(char::is_control) => Err("may not contain control characters".to_owned()),
        text => Ok(text.to_owned()),
    }
}

/// JSON of any kind.
pub fn json(text: &str) -> Result<String, String> {
    match RawValue::from_string(text.to_owned()) {
        Ok(json) if json.get() != "null" => Ok(json.get().to_owned()),
        Ok(_) => Err("null says nothing: leave it away".to_owned()),
        Err(error) => Err(format!("no JSON ({error}); a text needs its quotes: '\"…\"'")),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(str::to_owned)
}
