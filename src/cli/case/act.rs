//! Commands on a case: a verdict is written, and what the sidecar made of it is waited for.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::desk::Desk;
use super::fold::{Found, only};
use super::order::{Order, view_text};
use super::trail::{Answer, TrailEntry};
use super::words::{advice, now};
use crate::case::{Command, CommandId};
use crate::cli::terminal::{Exit, GOOD, Output, WRONG, fail, note, paint, say};
use crate::config::Settings;
use crate::identity::{DecisionId, Lane};
use crate::signature::{PrivateKey, SIGNATURE_HEADER};
use crate::stream::fault::Fault;
use crate::stream::log_reader::Extent;
use crate::stream::player::send_one;
use crate::stream::processor::InputPartition;
use crate::stream::record::Outgoing;
use crate::stream::topics::Topic;

const SEND_WITHIN: Duration = Duration::from_secs(15);
/// How often it is asked whether there is an answer.
const GLANCE: Duration = Duration::from_millis(50);

/// How a command ends before there is an answer.
struct Stopped(Exit, String);

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self(Exit::Failed, fault.sentence)
    }
}

/// A command that was written.
struct Sent {
    id: String,
    decision_id: DecisionId,
    lane: Lane,
    offset: i64,
    answer: Option<Answer>,
}

/// Runs a command.
pub fn run(order: &Order<'_>, settings: &Settings, output: Output) -> Exit {
    match send(order, settings, output) {
        Ok(sent) => tell(order, &sent, output),
        Err(Stopped(exit, why)) => fail(exit, why),
    }
}

fn send(order: &Order<'_>, settings: &Settings, output: Output) -> Result<Sent, Stopped> {
    let common = order.common;
    let reviewer = reviewer(common.reviewer.as_deref(), std::env::var("USER").ok()).map_err(|why| Stopped(Exit::Usage, why))?;
    let signer = common.key.as_deref().map(private_key).transpose().map_err(|why| Stopped(Exit::Usage, why))?;

    let desk = Desk::open(settings)?;
    let lane = common.id.lane(desk.lanes());
    let found = desk.cases(Topic::Cases, lane, |id| common.id.covers(id))?;
    let Some(Found { case, .. }) = only(&common.id, found).map_err(|why| Stopped(Exit::Usage, why))? else {
        let cases = desk.place(Topic::Cases, lane);
        let why = format!("No case in {cases} begins with {}. What was closed long ago is only in the archive.", common.id);
        return Err(Stopped(Exit::Failed, why));
    };
    if order.action.needs_seen() && order.seen.is_none() && output == Output::Text {
        note(format_args!("Decided on the case as it is now, {}, view {}.", case.state, view_text(case.view)));
    }
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| Stopped(Exit::Failed, format!("There are no random bytes: {error}")))?;
    let command = order.verdict(CommandId::of_random(random), case.decision_id, &reviewer, case.view);
    let audit = desk.place(Topic::Audit, lane);
    let from = desk.end(&audit)?;
    let offset = write(&command, settings, &desk.place(Topic::Verdicts, lane), signer.as_ref().zip(common.key_id.as_deref()))?;
    let (id, decision_id) = (command.id.to_string(), case.decision_id);
    let wait = if common.no_wait { Duration::ZERO } else { common.wait };
    let answer = answer(&desk, &audit, from, (decision_id, &id), wait)?;
    Ok(Sent { id, decision_id, lane, offset, answer })
}

/// Writes the verdict; its offset.
fn write(
    command: &Command<'_>,
    settings: &Settings,
    verdicts: &InputPartition,
    signer: Option<(&PrivateKey, &str)>,
) -> Result<i64, Stopped> {
    let (mut value, id) = (Vec::new(), command.decision_id.hex());
    command.write(&mut value, now());
    let signature = signer.map(|(key, id)| key.sign_verdict(id, &verdicts.topic, &value));
    let mut headers = vec![
        ("jidoka-decision-id", &id[..]),
        ("jidoka-kind", command.action.as_str().as_bytes()),
        ("jidoka-schema", b"verdict/1"),
    ];
    headers.extend(signature.as_ref().map(|signature| (SIGNATURE_HEADER, signature.as_bytes())));
    let record = Outgoing {
        topic: &verdicts.topic,
        partition: verdicts.partition,
        key: Some(&id),
        value: Some(&value),
        headers: &headers,
    };
    send_one(&crate::cli::client(&settings.kafka), record, SEND_WITHIN)
        .map_err(|error| Stopped(Exit::Failed, format!("The command could not be written to {verdicts}: {error}")))
}

/// What came of the command; none where nothing is heard of it within `wait`.
fn answer(
    desk: &Desk,
    audit: &InputPartition,
    from: i64,
    (decision_id, command_id): (DecisionId, &str),
    wait: Duration,
) -> Result<Option<Answer>, Fault> {
    let (until, mut next, mut answer) = (Instant::now() + wait, from, None);
    while answer.is_none() && Instant::now() < until {
        let high = desk.end(audit)?;
        if high <= next {
            std::thread::sleep(GLANCE);
            continue;
        }
        desk.read(audit, Extent { low: next, high }, |record| {
            if let Some(found) = TrailEntry::of(decision_id, record).and_then(|entry| entry.answer(command_id)) {
                answer = Some(found);
            }
        })?;
        next = high;
    }
    Ok(answer)
}

/// Says what came of it.
fn tell(order: &Order<'_>, sent: &Sent, output: Output) -> Exit {
    let (action, waited) = (order.action.as_str(), !order.common.no_wait);
    if output == Output::Json {
        let (result, kind, seq, state, error) = match &sent.answer {
            Some(Answer::Applied { kind, seq, state }) => ("applied", Some(kind), Some(seq), Some(state), None),
            Some(Answer::Refused { code }) => ("refused", None, None, None, Some(code)),
            None => (if waited { "unanswered" } else { "written" }, None, None, None, None),
        };
        say(json!({
            "command_id": sent.id, "decision_id": sent.decision_id.to_string(), "action": action, "lane": sent.lane.0,
            "offset": sent.offset, "result": result, "kind": kind, "seq": seq, "state": state, "error": error,
        }));
    }
    match &sent.answer {
        Some(Answer::Applied { kind, seq, state }) => {
            if output == Output::Text {
                say(format_args!("{} {action}: the case is {state}; entry {seq} of its trail, {kind}", paint(GOOD, "applied")));
            }
            Exit::Done
        }
        Some(Answer::Refused { code }) => {
            if output == Output::Text {
                say(format_args!("{} {action}: {code}. {}", paint(WRONG, "refused"), advice(code)));
            }
            Exit::Failed
        }
        None if !waited => {
            if output == Output::Text {
                say(format_args!("{} {action}: command {}", paint(GOOD, "written"), sent.id));
            }
            Exit::Done
        }
        None => fail(
            Exit::Failed,
            format_args!(
                "Nothing was heard of command {} within {} s. It may still be applied: is a sidecar running (`jidoka run \
                 --roles sidecar`)? `jidoka case show {}` tells what became of it.",
                sent.id,
                order.common.wait.as_secs_f64(),
                order.common.id
            ),
        ),
    }
}

/// Who orders it.
fn reviewer(named: Option<&str>, user: Option<String>) -> Result<String, String> {
    let user = user.filter(|user| super::order::name(user).is_ok());
    named.map(str::to_owned).or(user).ok_or_else(|| "Say with --as who orders it: USER names nobody.".to_owned())
}

fn private_key(path: &Path) -> Result<PrivateKey, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    PrivateKey::parse_pem(&text).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_must_order_it() {
        assert_eq!(reviewer(Some("ann"), Some("kim".to_owned())), Ok("ann".to_owned()));
        assert_eq!(reviewer(None, Some("kim".to_owned())), Ok("kim".to_owned()));
        assert!(reviewer(None, None).is_err() && reviewer(None, Some(String::new())).is_err());
    }

    #[test]
    fn a_key_that_is_none_is_named() {
        let missing = private_key(Path::new("no/such.pem")).expect_err("no file");
        assert!(missing.starts_with("no/such.pem cannot be read: "), "{missing}");
        let other = private_key(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))).expect_err("no key");
        assert!(other.ends_with("Cargo.toml: this is no Ed25519 private key in PKCS#8 PEM; `jidoka verdict-key new` makes one"));
    }
}
