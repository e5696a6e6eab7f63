//! `jidoka case list`: the queue.

use std::io::{IsTerminal as _, stdout};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use serde::Deserialize;
use serde_json::json;

use super::desk::Desk;
use super::fold::{Found, digits_needed};
use super::words::{due_in, in_a_line, now};
use crate::case::{Case, State};
use crate::cli::terminal::{Exit, Output, Table, fail, note, say};
use crate::cli::text::cut;
use crate::config::Settings;
use crate::identity::{DecisionId, Lane, Timestamp};
use crate::policy::Band;
use crate::stream::topics::Topic;

/// So narrow a sentence says nothing any more.
const WHY_MIN: usize = 20;
/// Between two columns of a table.
const GAP: usize = 2;
const HEADINGS: [&str; 8] = ["CASE", "STATE", "BAND", "SCORE", "DUE IN", "ASSIGNEE", "POLICY", "WHY"];

/// Lists open cases.
#[derive(Args, Debug)]
#[command(
    after_help = "Read from `cases` as it is now; closed cases stay there for cases.keep_closed and are listed if --state names
theirs. Of a blind policy's case nothing is told that shows the machine's answer.

Exit codes: 0 listed; 1 Kafka did not answer; 2 wrong usage or configuration.

Examples:
  jidoka case list
  jidoka case list --state pending --group underwriting --limit 10
  jidoka case list --output json | head -1"
)]
pub struct ListArgs {
    /// Only cases in this state
    #[arg(long, value_name = "STATE", value_parser = states())]
    state: Option<State>,
    /// Only cases in this band
    #[arg(long, value_name = "BAND", value_parser = bands())]
    band: Option<Band>,
    /// Only cases whose members may act are of this group
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// So many at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

fn states() -> impl clap::builder::TypedValueParser<Value = State> {
    let words = ["pending", "under-review", "approved", "rejected", "expired", "cancelled"];
    PossibleValuesParser::new(words).map(move |word| State::ALL[words.iter().position(|known| **known == word).unwrap_or(0)])
}

fn bands() -> impl clap::builder::TypedValueParser<Value = Band> {
    let words = Band::ALL.map(Band::as_str);
    PossibleValuesParser::new(words).map(|word| Band::parse(&word).unwrap_or(Band::Low))
}

/// A line of the list.
#[derive(Debug)]
struct Row {
    id: DecisionId,
    lane: Lane,
    state: State,
    band: Band,
    score: f64,
    due_at: Timestamp,
    due_in: String,
    assignee: Option<Box<str>>,
    groups: Vec<String>,
    policy: Box<str>,
    why: String,
}

#[derive(Deserialize)]
struct Facts {
    score: f64,
    findings: Vec<Finding>,
}

#[derive(Deserialize)]
struct Finding {
    sentence: String,
}

/// Runs the command.
pub fn run(args: &ListArgs, settings: &Settings, output: Output) -> Exit {
    let read = Desk::open(settings).and_then(|desk| {
        let (mut rows, mut ids, now) = (Vec::new(), Vec::new(), now());
        for lane in (0..desk.lanes()).map(Lane) {
            let found = desk.cases(Topic::Cases, lane, |_| true)?;
            ids.extend(found.iter().map(|found| found.case.decision_id));
            rows.extend(found.iter().filter(|found| args.wants(&found.case)).map(|found| Row::of(found, now)));
        }
        Ok((rows, ids))
    });
    let (mut rows, mut ids) = match read {
        Ok(read) => read,
        Err(fault) => return fail(Exit::Failed, format!("The cases cannot be read: {fault}")),
    };
    rows.sort_unstable_by_key(|row| (row.band, row.due_at, row.id));
    ids.sort_unstable();
    let left_out = rows.len().saturating_sub(args.limit);
    rows.truncate(args.limit);
    match output {
        Output::Json => rows.iter().for_each(|row| say(row.json())),
        Output::Text if rows.is_empty() => say("No such case is open."),
        Output::Text => lines(&rows, digits_needed(&ids), columns()).iter().for_each(say),
    }
    if left_out > 0 {
        note(format_args!("{left_out} more; --limit shows them."));
    }
    Exit::Done
}

impl ListArgs {
    fn wants(&self, case: &Case) -> bool {
        self.state.map_or(case.state.is_open(), |state| case.state == state)
            && self.band.is_none_or(|band| case.band == band)
            && self.group.as_ref().is_none_or(|group| case.groups.contains(group))
    }
}

impl Row {
    fn of(found: &Found, now: Timestamp) -> Self {
        let case = &found.case;
        let facts: Option<Facts> = serde_json::from_slice(&found.json).ok();
        let sentence = facts.as_ref().and_then(|facts| facts.findings.first()).map(|first| first.sentence.clone());
        let why = if case.rules().blind { "(blind: judge first)".to_owned() } else { sentence.unwrap_or_default() };
        Self {
            id: case.decision_id,
            lane: case.opened.lane,
            state: case.state,
            band: case.band,
            score: facts.map_or(0.0, |facts| facts.score),
            due_at: case.opened.due_at,
            due_in: due_in(case, now),
            assignee: case.assignee.clone(),
            groups: case.groups.to_vec(),
            policy: case.opened.common.policy_name.clone(),
            why: in_a_line(&why).into_owned(),
        }
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "decision_id": self.id.to_string(),
            "lane": self.lane.0,
            "state": self.state.as_str(),
            "band": self.band.as_str(),
            "score": self.score,
            "due_at": self.due_at.to_string(),
            "assignee": self.assignee,
            "groups": self.groups,
            "policy": self.policy,
            "why": self.why,
        })
    }

    fn cells(&self, digits: usize) -> [String; 8] {
        [
            self.id.to_string()[..digits].to_owned(),
            self.state.to_string(),
            self.band.as_str().to_owned(),
            self.score.to_string(),
            self.due_in.clone(),
            self.assignee.as_deref().unwrap_or("–").to_owned(),
            self.policy.to_string(),
            self.why.clone(),
        ]
    }
}

/// The list in lines of at most so many columns; of any length, where none are given.
fn lines(rows: &[Row], digits: usize, columns: Option<usize>) -> Vec<String> {
    let mut rows: Vec<[String; 8]> = rows.iter().map(|row| row.cells(digits)).collect();
    if let Some(columns) = columns {
        let widest = |place: usize| rows.iter().map(|row| row[place].chars().count()).max().unwrap_or(0);
        let before: usize = (0..7).map(|place| widest(place).max(HEADINGS[place].len()) + GAP).sum();
        let room = columns.saturating_sub(before).max(WHY_MIN);
        for row in &mut rows {
            row[7] = cut(&row[7], room);
        }
    }
    let mut table = Table::new(&HEADINGS).right(&[3, 4]);
    for row in rows {
        table.row(row);
    }
    table.lines()
}

/// The width of the terminal, where there is one.
pub fn columns() -> Option<usize> {
    let size = stdout().is_terminal().then(ratatui::crossterm::terminal::size)?;
    size.ok().map(|(columns, _)| usize::from(columns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::CaseReader;

    fn found(changes: &[(&str, &str)]) -> Found {
        let mut json = include_str!("../../../schemas/examples/case.under-review.json").trim_ascii_end().to_owned();
        for (from, to) in changes {
            assert!(json.contains(from), "{from}");
            json = json.replace(from, to);
        }
        Found { case: CaseReader::default().read(json.as_bytes(), None).expect("a case"), json: json.into_bytes() }
    }

    fn plain(rows: &[Row], columns: Option<usize>) -> Vec<String> {
        lines(rows, 8, columns).iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect()
    }

    #[test]
    fn a_line_fits_the_terminal() {
        let row = Row::of(&found(&[]), Timestamp(1_767_638_802_500 - 12_000_000));
        let rows = [row];
        assert_eq!(
            plain(&rows, Some(130)),
            [
                "CASE      STATE         BAND    SCORE  DUE IN  ASSIGNEE  POLICY        WHY",
                "925ab795  UNDER_REVIEW  normal  47.49   3h20m  ann       adult-income  The probability of the most likely answer is 0.5500,…",
            ]
        );
        assert!(plain(&rows, None)[1].ends_with("The model is not sure enough to decide alone"));
        for columns in [0, 100, 200] {
            let width = plain(&rows, Some(columns))[1].chars().count();
            assert!(width <= columns.max(93), "{width} of {columns}");
        }
    }

    #[test]
    fn the_most_urgent_stands_first_and_then_what_is_due_first() {
        let of = |changes: &[(&str, &str)]| Row::of(&found(changes), Timestamp(0));
        let mut rows = [
            of(&[]),
            of(&[("\"band\":\"normal\"", "\"band\":\"critical\""), ("T18:46", "T19:00")]),
            of(&[("T18:46", "T17:00")]),
            of(&[("\"band\":\"normal\"", "\"band\":\"critical\"")]),
        ];
        rows.sort_unstable_by_key(|row| (row.band, row.due_at, row.id));
        let order: Vec<String> =
            rows.iter().map(|row| format!("{} {}", row.band.as_str(), &row.due_at.to_string()[11..16])).collect();
        assert_eq!(order, ["critical 18:46", "critical 19:00", "normal 17:00", "normal 18:46"]);
    }

    #[test]
    fn filters_ask_for_all_at_once() {
        let all = ListArgs { state: None, band: None, group: None, limit: 1 };
        let case = found(&[]).case;
        let closed = found(&[("\"state\":\"UNDER_REVIEW\"", "\"state\":\"EXPIRED\"")]).case;
        assert!(all.wants(&case) && !all.wants(&closed));
        assert!(ListArgs { state: Some(State::Expired), ..all }.wants(&closed));
        let group = |name: &str| ListArgs { state: None, band: Some(Band::Normal), group: Some(name.to_owned()), limit: 1 };
        assert!(group("underwriting").wants(&case) && !group("leads").wants(&case));
        assert!(!ListArgs { band: Some(Band::Low), ..group("underwriting") }.wants(&case));
    }

    #[test]
    fn a_blind_case_tells_nothing_of_the_machines_answer() {
        let row = Row::of(&found(&[("\"blind\":false", "\"blind\":true")]), Timestamp(0));
        assert!(!plain(&[row], None)[1].contains("0.55"));
    }
}
