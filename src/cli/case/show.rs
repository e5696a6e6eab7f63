//! `jidoka case show`: one case, told to a person.

mod told;

use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;

use super::desk::Desk;
use super::fold::{Found, IdPrefix, only};
use super::list::columns;
use super::trail::{TrailEntry, faults};
use super::words::now;
use crate::cli::terminal::{Exit, Output, STRONG, Table, WRONG, fail, note, paint, say};
use crate::config::Settings;
use crate::stream::fault::Fault;
use crate::stream::topics::Topic;

/// Lines are no longer, however wide the terminal is.
const COLUMNS_MAX: usize = 120;

/// Shows one case.
#[derive(Args, Debug)]
#[command(
    after_help = "A closed case comes from the archive when `cases` has it no more; of a decision that was released, or whose
case was erased, the trail is shown (the whole id is needed then). The trail is checked as it is read: each entry against the hash
in its header, and against the entry before it.

What the policy masks is hidden until you have unmasked it, and of a blind policy's case what shows the machine's answer until you
have judged. --output json prints the records as they are stored, with nothing hidden.

Exit codes: 0 shown, and the trail is whole; 1 there is no such case, Kafka did not answer, or the trail is not as it was written;
2 wrong usage or configuration.

Examples:
  jidoka case show 925ab795
  jidoka case show 925ab795168fdc48291233198923001a --output json"
)]
pub struct ShowArgs {
    /// The case: its id, or at least the first 6 digits of it
    #[arg(value_name = "ID", value_parser = IdPrefix::parse)]
    id: IdPrefix,
    /// Who looks; without it, the user who is logged in
    #[arg(long = "as", value_name = "REVIEWER")]
    reviewer: Option<String>,
}

/// What there is of a case.
struct Shown {
    found: Option<(Found, &'static str)>,
    trail: Vec<TrailEntry>,
}

/// The records as they are stored.
#[derive(Serialize)]
struct Stored<'a> {
    case: Option<&'a RawValue>,
    from: Option<&'static str>,
    trail: Vec<&'a RawValue>,
    faults: &'a [String],
}

/// Runs the command.
pub fn run(args: &ShowArgs, settings: &Settings, output: Output) -> Exit {
    let read = Desk::open(settings).map_err(|fault| (Exit::Failed, fault.sentence)).and_then(|desk| look(&desk, &args.id));
    let shown = match read {
        Ok(shown) => shown,
        Err((exit, why)) => return fail(exit, why),
    };
    let faults = faults(&shown.trail);
    match output {
        Output::Json => say(json(&shown, &faults)),
        Output::Text => {
            let who = args.reviewer.clone().or_else(|| std::env::var("USER").ok());
            text(&shown, who.as_deref().unwrap_or_default()).iter().for_each(say);
            for fault in &faults {
                note(format_args!("{} {fault}", paint(WRONG, "damaged:")));
            }
        }
    }
    if faults.is_empty() { Exit::Done } else { Exit::Failed }
}

fn look(desk: &Desk, id: &IdPrefix) -> Result<Shown, (Exit, String)> {
    let failed = |fault: Fault| (Exit::Failed, fault.sentence);
    let lane = id.lane(desk.lanes());
    for (topic, from) in [(Topic::Cases, "cases"), (Topic::Archive, "archive")] {
        let found = desk.cases(topic, lane, |found| id.covers(found)).map_err(failed)?;
        if let Some(found) = only(id, found).map_err(|why| (Exit::Usage, why))? {
            let (decision_id, since) = (found.case.decision_id, found.case.opened.opened_at);
            let trail = desk.trail(lane, decision_id, Some(since)).map_err(failed)?;
            return Ok(Shown { found: Some((found, from)), trail });
        }
    }
    let none = |more: &str| (Exit::Failed, format!("There is no case {id}{more}."));
    let Some(whole) = id.whole() else {
        return Err(none("…; what was released has a trail and no case: say all 32 digits to see it"));
    };
    let trail = desk.trail(lane, whole, None).map_err(failed)?;
    if trail.is_empty() { Err(none(", and no trail")) } else { Ok(Shown { found: None, trail }) }
}

fn json(shown: &Shown, faults: &[String]) -> String {
    let trail = shown.trail.iter().filter_map(|entry| serde_json::from_slice(&entry.json).ok()).collect();
    let case = shown.found.as_ref().and_then(|(found, _)| serde_json::from_slice(&found.json).ok());
    let stored = Stored { case, from: shown.found.as_ref().map(|(_, from)| *from), trail, faults };
    serde_json::to_string(&stored).expect("plain data")
}

fn text(shown: &Shown, who: &str) -> Vec<String> {
    let columns = columns().unwrap_or(COLUMNS_MAX).min(COLUMNS_MAX);
    let mut lines = match &shown.found {
        Some((found, _)) => told::case(found, &told::Eyes::of(found, &shown.trail, who), now(), columns),
        None => vec!["There is no case of this decision: it was released, or what was left of it was erased.".to_owned()],
    };
    lines.extend([String::new(), paint(STRONG, "Trail")]);
    let mut table = Table::new(&["", "AT", "KIND", "WHO", "WHAT"]).right(&[0]);
    shown.trail.iter().for_each(|entry| table.row(entry.cells()));
    lines.extend(table.lines());
    lines
}

#[cfg(test)]
mod tests {
    use super::super::trail::tests::whole;
    use super::*;
    use crate::case::CaseReader;

    fn shown() -> Shown {
        let json = include_str!("../../../schemas/examples/case.closed.json").trim_ascii_end();
        let case = CaseReader::default().read(json.as_bytes(), None).expect("a case");
        Shown { found: Some((Found { case, json: json.as_bytes().to_vec() }, "cases")), trail: whole() }
    }

    #[test]
    fn json_is_what_is_stored() {
        let json = json(&shown(), &["It was changed.".to_owned()]);
        let case = include_str!("../../../schemas/examples/case.closed.json").trim_ascii_end();
        assert!(json.starts_with(&format!("{{\"case\":{case},\"from\":\"cases\",\"trail\":[{{\"decision_id\"")));
        assert!(json.ends_with("],\"faults\":[\"It was changed.\"]}"));
        let nothing = self::json(&Shown { found: None, trail: Vec::new() }, &[]);
        assert_eq!(nothing, r#"{"case":null,"from":null,"trail":[],"faults":[]}"#);
    }

    #[test]
    fn the_trail_stands_below_the_case() {
        let lines: Vec<String> =
            text(&shown(), "ann").iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
        let at = lines.iter().position(|line| line == "Trail").expect("a heading");
        assert_eq!(
            lines[at + 1..].iter().map(|line| line.trim_start()).collect::<Vec<_>>(),
            [
                "AT                        KIND      WHO   WHAT",
                "0  2026-01-05T10:46:42.500Z  DECIDED   gate  HELD",
                "1  2026-01-05T10:50:00.125Z  CLAIMED   ann   UNDER_REVIEW, to ann, signed by console",
                "–  2026-01-05T10:51:00.000Z  REFUSED   bob   approve: stale",
                "2  2026-01-05T10:55:00.750Z  REJECTED  ann   REJECTED, reason model-wrong, signed by console",
            ]
        );
    }
}
