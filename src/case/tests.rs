//! The state machine by itself: no Kafka, and time is a number.

mod commands;
mod memory;
mod properties;
mod records;
mod refusals;
mod table;

use serde_json::{Value, json};

use super::*;
use crate::identity::{Hash, Timestamp};

/// A case as the gate opens it, from the examples.
const HELD: &str = include_str!("../../schemas/examples/case.held.json").trim_ascii_end();
const BY_REFERENCE: &str = include_str!("../../schemas/examples/case.held-by-reference.json").trim_ascii_end();
const UNREADABLE: &str = include_str!("../../schemas/examples/case.unreadable.json").trim_ascii_end();

/// When it is opened, and its times: an SLA of 8 h, half of it until it escalates, claims of 15 min.
const OPENED: Timestamp = Timestamp(1_767_610_002_500);
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

const MANY: CommandsMax = CommandsMax(1_000);

/// The held case with other members; pointers as in `/review/quorum`.
fn altered(changes: &[(&str, Value)]) -> String {
    let mut json: Value = serde_json::from_str(HELD).expect("the example is JSON");
    for (at, value) in changes {
        *json.pointer_mut(at).unwrap_or_else(|| panic!("no {at}")) = value.clone();
    }
    json.to_string()
}

fn case(json: &str) -> Case {
    CaseReader::default().read(json.as_bytes(), None).unwrap_or_else(|why| panic!("{why}: {json}"))
}

fn written(case: &Case) -> String {
    let mut out = Vec::new();
    case.write(&mut out);
    String::from_utf8(out).expect("JSON is text")
}

/// What `reviewer` of the group `underwriting` orders, with everything that the action needs.
fn command(action: Action, reviewer: &'static str, case: &Case) -> Command<'static> {
    Command {
        id: CommandId::of_random([7; 16]),
        decision_id: case.decision_id,
        action,
        seen: Some(case.view),
        reviewer: reviewer.into(),
        groups: vec!["underwriting".into()],
        code: Some("confirmed".into()),
        text: None,
        judgement: (action == Action::Judge).then(|| ">50K".into()),
        corrected: None,
        to: (action == Action::Reassign).then(|| "user:kit".into()),
        channel: None,
    }
}

/// The same from somebody who leads, too.
fn as_lead(command: Command<'static>) -> Command<'static> {
    Command { groups: vec!["underwriting".into(), "underwriting-leads".into()], ..command }
}

/// Judges, takes and seals; the entry's hash is made up.
fn order(case: &mut Case, command: &Command<'_>, at: Timestamp) -> Result<Step, Refusal> {
    let step = case.judge(command, MANY)?;
    case.take(step, command, at);
    seal(case, step);
    Ok(step)
}

/// The same, of a command that has everything it needs, at the opening.
fn act(case: &mut Case, action: Action, reviewer: &'static str) -> Result<Step, Refusal> {
    let command = command(action, reviewer, case);
    order(case, &command, OPENED)
}

/// Lets time act; says what it did.
fn pass(case: &mut Case, now: Timestamp) -> Option<Step> {
    let step = case.due(now)?;
    case.take_timed(step, now);
    seal(case, step);
    Some(step)
}

fn seal(case: &mut Case, step: Step) {
    let hash = Hash::of(&case.seq.to_be_bytes());
    case.seal(step.kind, hash);
}
