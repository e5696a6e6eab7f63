//! A fixture: events, and what is expected of the policies about some of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;

use crate::decision::{Outcome, ResultKind};
use crate::gate::judge::Verdict;
use crate::policy::Band;
use crate::replay::{Reason, reasons};

/// So many expectations a fixture may have, and so many events without one are named.
const EXPECTED_MAX: usize = 100_000;
const OTHERS_NAMED: usize = 5;

/// One line of an expectations file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expected {
    /// Its line, from 1.
    pub line: usize,
    /// The event that it is about.
    pub event_id: String,
    /// The outcome that is expected.
    pub outcome: Outcome,
    /// The band, where it matters.
    pub band: Option<Band>,
    /// All hits, where they matter: ids of triggers and built-in findings.
    pub hits: Option<BTreeSet<String>>,
}

/// Something that is wrong with a fixture itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// The line of the expectations, from 1; 0 where it is about all of them.
    pub line: usize,
    /// What is wrong, and how it is mended.
    pub message: String,
}

/// What the policies decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Came {
    /// The outcome.
    pub outcome: Outcome,
    /// The band of the score.
    pub band: Band,
    /// All hits: ids of triggers and built-in findings.
    pub hits: BTreeSet<String>,
    /// Why it was decided so: every hit, error and timeout.
    pub reasons: Vec<Reason>,
}

/// An expectation that was not met.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// What was expected.
    pub expected: Expected,
    /// What came instead.
    pub came: Came,
}

/// What came of a fixture.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tried {
    /// How many expectations there are.
    pub expected: usize,
    /// Those that were not met, in the order of the file.
    pub failures: Vec<Failure>,
    /// What is wrong with the fixture.
    pub mistakes: Vec<Mistake>,
    /// Decisions that nobody expects anything of.
    pub others: u64,
    /// The first of them by their ids, where they have one.
    pub other_ids: Vec<String>,
    /// Duplicates: nothing is decided about them.
    pub duplicates: u64,
}

/// Expectations that wait for their decisions.
#[derive(Debug)]
pub struct Fixture {
    expected: Vec<Expected>,
    /// Place of the expectation by event.
    places: BTreeMap<String, usize>,
    /// What came, by place: of several decisions about one event id the last.
    came: Vec<Option<Meeting>>,
    tried: Tried,
}

/// Whether a decision is as expected.
#[derive(Clone, Debug)]
enum Meeting {
    Met,
    Failed(Came),
}

impl Fixture {
    /// Reads an expectations file of lines; empty lines are passed over.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut fixture = Self { expected: Vec::new(), places: BTreeMap::new(), came: Vec::new(), tried: Tried::default() };
        for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
            if fixture.expected.len() == EXPECTED_MAX {
                fixture.wrong(line, format!("a fixture can have {EXPECTED_MAX} expectations; split it"));
                break;
            }
            match read_line(line, text) {
                Err(message) => fixture.wrong(line, message),
                Ok(expected) => fixture.expect(expected),
            }
        }
        if fixture.expected.is_empty() && fixture.tried.mistakes.is_empty() {
            let example = r#"{"event_id":"e-1","outcome":"HELD"}"#;
            fixture.wrong(0, format!("expects nothing; write a line such as {example} for each event that matters"));
        }
        fixture.came = vec![None; fixture.expected.len()];
        fixture.tried.expected = fixture.expected.len();
        fixture
    }

    fn wrong(&mut self, line: usize, message: String) {
        self.tried.mistakes.push(Mistake { line, message });
    }

    fn expect(&mut self, expected: Expected) {
        let id = &expected.event_id;
        if let Some(&place) = self.places.get(id) {
            let message = format!("{id} is expected in line {} already; keep one of both", self.expected[place].line);
            self.wrong(expected.line, message);
        } else {
            self.places.insert(id.clone(), self.expected.len());
            self.expected.push(expected);
        }
    }

    /// A record was a duplicate, so nothing was decided.
    pub fn duplicate(&mut self) {
        self.tried.duplicates += 1;
    }

    /// A record was decided. Of several decisions about one event id, which differ in content, the last counts.
    pub fn decided(&mut self, verdict: &Verdict<'_>) {
        if let Some(&place) = verdict.event_id().and_then(|id| self.places.get(id)) {
            self.came[place] = Some(meet(&self.expected[place], verdict));
            return;
        }
        self.tried.others += 1;
        if let Some(id) = verdict.event_id().filter(|_| self.tried.other_ids.len() < OTHERS_NAMED) {
            self.tried.other_ids.push(id.to_owned());
        }
    }

    /// All records were judged.
    #[must_use]
    pub fn finish(mut self) -> Tried {
        for (expected, came) in self.expected.into_iter().zip(self.came) {
            match came {
                Some(Meeting::Met) => {}
                Some(Meeting::Failed(came)) => self.tried.failures.push(Failure { expected, came }),
                None => {
                    let message = format!("no event has the id {}; mend the id or take the line away", expected.event_id);
                    self.tried.mistakes.push(Mistake { line: expected.line, message });
                }
            }
        }
        self.tried.mistakes.sort_by_key(|mistake| mistake.line);
        self.tried
    }
}

/// A line as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    event_id: String,
    outcome: String,
    band: Option<String>,
    hits: Option<Vec<String>>,
}

fn read_line(line: usize, text: &str) -> Result<Expected, String> {
    let read: Line = serde_json::from_str(text).map_err(|error| {
        // It counts lines from the beginning of this one.
        let said = error.to_string();
        let what = said.split(" at line ").next().unwrap_or_default();
        format!("column {}: {what}", error.column().max(1))
    })?;
    let outcome = [Outcome::Released, Outcome::Held].into_iter().find(|outcome| outcome.as_str() == read.outcome);
    let outcome = outcome.ok_or_else(|| format!("`outcome` is RELEASED or HELD, not {:?}", read.outcome))?;
    let named = |name: &String| Band::ALL.into_iter().find(|band| band.as_str() == name);
    let band = match &read.band {
        None => None,
        Some(name) => Some(named(name).ok_or_else(|| format!("`band` is critical, high, normal or low, not {name:?}"))?),
    };
    let listed = read.hits.as_ref().map(Vec::len);
    let hits: Option<BTreeSet<String>> = read.hits.map(|hits| hits.into_iter().collect());
    if hits.as_ref().map(BTreeSet::len) != listed {
        return Err("`hits` names an id twice".to_owned());
    }
    Ok(Expected { line, event_id: read.event_id, outcome, band, hits })
}

/// Compares what is expected with what was decided.
fn meet(expected: &Expected, verdict: &Verdict<'_>) -> Meeting {
    let (decision, policy) = (verdict.decision, verdict.policy);
    let hits = decision.results.iter().filter(|result| result.result == ResultKind::Hit);
    let hits: BTreeSet<String> = hits.map(|result| result.id(policy).to_owned()).collect();
    let band = decision.priority.band;
    if decision.outcome == expected.outcome
        && expected.band.is_none_or(|wanted| wanted == band)
        && expected.hits.as_ref().is_none_or(|wanted| *wanted == hits)
    {
        return Meeting::Met;
    }
    Meeting::Failed(Came { outcome: decision.outcome, band, hits, reasons: reasons(verdict) })
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        in_words(f, self.outcome, self.band, self.hits.as_ref())
    }
}

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        in_words(f, self.outcome, Some(self.band), Some(&self.hits))
    }
}

/// `HELD, normal, by large-amount, low-confidence`.
fn in_words(f: &mut fmt::Formatter<'_>, outcome: Outcome, band: Option<Band>, hits: Option<&BTreeSet<String>>) -> fmt::Result {
    f.write_str(outcome.as_str())?;
    if let Some(band) = band {
        write!(f, ", {}", band.as_str())?;
    }
    match hits {
        None => Ok(()),
        Some(hits) if hits.is_empty() => f.write_str(", without a hit"),
        Some(hits) => write!(f, ", by {}", hits.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        let tried = Fixture::read(text).finish();
        tried.mistakes.iter().map(|mistake| format!("{}: {}", mistake.line, mistake.message)).collect()
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said_with_its_place() {
        for (text, said) in [
            (
                "",
                "0: expects nothing; write a line such as {\"event_id\":\"e-1\",\"outcome\":\"HELD\"} for each event that matters",
            ),
            ("{", "1: column 1: EOF while parsing an object"),
            (
                r#"{"event_id":"a","outcome":"HELD","hit":[]}"#,
                "1: column 38: unknown field `hit`, expected one of `event_id`, `outcome`, `band`, `hits`",
            ),
            (r#"{"event_id":"a"}"#, "1: column 16: missing field `outcome`"),
            (r#"{"event_id":7,"outcome":"HELD"}"#, "1: column 13: invalid type: integer `7`, expected a string"),
            (r#"{"event_id":"a","outcome":"held"}"#, r#"1: `outcome` is RELEASED or HELD, not "held""#),
            (
                r#"{"event_id":"a","outcome":"HELD","band":"urgent"}"#,
                r#"1: `band` is critical, high, normal or low, not "urgent""#,
            ),
            (r#"{"event_id":"a","outcome":"HELD","hits":["x","x"]}"#, "1: `hits` names an id twice"),
        ] {
            assert_eq!(mistakes(text), [said], "{text}");
        }
        let twice = "{\"event_id\":\"a\",\"outcome\":\"HELD\"}\n\n{\"event_id\":\"a\",\"outcome\":\"RELEASED\"}\n";
        let said = [
            "1: no event has the id a; mend the id or take the line away",
            "3: a is expected in line 1 already; keep one of both",
        ];
        assert_eq!(mistakes(twice), said);
    }

    #[test]
    fn expectations_are_bounded() {
        let line = |number: usize| format!("{{\"event_id\":\"{number}\",\"outcome\":\"HELD\"}}\n");
        let many: String = (0..EXPECTED_MAX + 5).map(line).collect();
        let fixture = Fixture::read(&many);
        assert_eq!((fixture.expected.len(), fixture.tried.mistakes.len()), (EXPECTED_MAX, 1));
    }

    #[test]
    fn words() {
        let came = |outcome, band, hits: &[&str]| {
            let hits = hits.iter().map(|hit| (*hit).to_owned()).collect();
            Came { outcome, band, hits, reasons: Vec::new() }.to_string()
        };
        assert_eq!(came(Outcome::Released, Band::Low, &[]), "RELEASED, low, without a hit");
        assert_eq!(came(Outcome::Held, Band::High, &["b", "a"]), "HELD, high, by a, b");
        assert_eq!(read_line(1, r#"{"event_id":"a","outcome":"HELD"}"#).expect("a line").to_string(), "HELD");
    }
}
