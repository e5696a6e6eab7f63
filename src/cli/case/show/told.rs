//! A case in plain words.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::fold::Found;
use super::super::order::view_text;
use super::super::trail::TrailEntry;
use super::super::words::{due_in, in_a_line};
use crate::case::Case;
use crate::cli::terminal::{FAINT, STRONG, paint};
use crate::cli::text::{laid_out, wrap};
use crate::identity::Timestamp;

const LABEL: usize = 11;
/// The members of an event that show what the machine answered.
const ANSWER: [&str; 5] = ["prediction", "probabilities", "confidence", "action", "explanation"];

/// The members of a case's record that only people need.
#[derive(Deserialize)]
struct Facts<'a> {
    event_id: Option<String>,
    source: String,
    row: u32,
    score: f64,
    findings: Vec<Finding>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    event_ref: Option<&'a RawValue>,
    model: Named,
    policy: Named,
    review: Review,
}

#[derive(Deserialize)]
struct Finding {
    trigger: String,
    sentence: String,
    details: Option<Details>,
}

/// What a finding is made of, where it says so.
#[derive(Deserialize)]
struct Details {
    /// Fields that contradict what is trusted.
    #[serde(default)]
    fields: Vec<Field>,
}

#[derive(Deserialize)]
struct Field {
    name: String,
    sentence: String,
}

impl Field {
    /// Whether one of the paths `mask` covers it. A name without a map in front is a field's, or a feature's.
    fn is_masked(&self, mask: &[String]) -> bool {
        let feature = format!("features.{}", self.name);
        let in_a_map = ["features.", "protected."].iter().any(|map| self.name.starts_with(map));
        let paths = if in_a_map { &[&self.name][..] } else { &[&self.name, &feature][..] };
        let covers =
            |masked: &str, path: &str| path.strip_prefix(masked).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let masks = || mask.iter().map(|masked| masked.strip_prefix("event.").unwrap_or(masked));
        paths.iter().any(|path| masks().any(|masked| covers(masked, path)))
    }
}

#[derive(Deserialize)]
struct Named {
    name: Option<String>,
    version: Option<String>,
}

#[derive(Deserialize)]
struct Review {
    mask: Vec<String>,
    reasons: Vec<String>,
}

/// What is hidden from whoever looks.
#[derive(Debug)]
pub struct Eyes {
    answer: Sight,
    masked: Sight,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sight {
    Shown,
    Hidden,
}

impl Eyes {
    /// The eyes of `who`: a blind policy's case shows the answer to those who have judged, and masked fields to those who have
    /// unmasked them. A closed case hides no answer.
    pub fn of(found: &Found, trail: &[TrailEntry], who: &str) -> Self {
        let case = &found.case;
        let has_judged = case.judgements.iter().any(|judgement| *judgement.reviewer == *who);
        let hidden = |is_hidden| if is_hidden { Sight::Hidden } else { Sight::Shown };
        Self {
            answer: hidden(case.rules().blind && case.state.is_open() && !has_judged),
            masked: hidden(!trail.iter().any(|entry| entry.unmasks_for(who))),
        }
    }
}

/// The case in lines of at most so many columns.
pub fn case(found: &Found, eyes: &Eyes, now: Timestamp, columns: usize) -> Vec<String> {
    let case = &found.case;
    let facts: Facts<'_> = match serde_json::from_slice(&found.json) {
        Ok(facts) => facts,
        Err(error) => return vec![format!("The record of {} cannot be told: {error}", case.decision_id)],
    };
    let mut lines = vec![format!("{}  {}", paint(STRONG, case.decision_id), case.state)];
    for (label, text) in head(case, &facts, now) {
        labelled(&mut lines, label, &text, columns);
    }
    why(&mut lines, &facts, eyes, columns);
    event(&mut lines, &facts, eyes, columns);
    said(&mut lines, case, columns);
    lines
}

fn head(case: &Case, facts: &Facts<'_>, now: Timestamp) -> Vec<(&'static str, String)> {
    let rules = case.rules();
    let named = |named: &Named| {
        let version = named.version.as_ref().map(|version| format!(" {version}"));
        format!("{}{}", named.name.as_deref().unwrap_or("(none)"), version.unwrap_or_default())
    };
    let mut lines = vec![("band", format!("{}, score {}", case.band.as_str(), facts.score))];
    match case.closed_at {
        Some(at) => lines.push(("closed", at.to_string())),
        None => lines.push(("due in", format!("{} ({})", due_in(case, now), case.opened.due_at))),
    }
    if let Some(assignee) = &case.assignee {
        let until = case.lease_until.map(|until| format!(" until {until}"));
        lines.push(("assignee", format!("{assignee}{}", until.unwrap_or_default())));
    }
    let quorum = if rules.quorum > 1 { format!("; {} must approve", rules.quorum) } else { String::new() };
    lines.push(("groups", format!("{} (leads: {}){quorum}", case.groups.join(", "), rules.leads.join(", "))));
    if case.escalations > 0 {
        lines.push(("escalated", format!("{} times", case.escalations)));
    }
    lines.push(("policy", named(&facts.policy)));
    lines.push(("model", named(&facts.model)));
    let row = if facts.row > 0 { format!(", row {}", facts.row) } else { String::new() };
    lines.push(("event", format!("{} of {}{row}", facts.event_id.as_deref().unwrap_or("(no id)"), facts.source)));
    lines.extend(case.opened.subject_id().map(|subject| ("subject", subject.into_owned())));
    lines.extend(case.opened.requested_by().map(|asker| ("asked by", asker.into_owned())));
    lines.extend(case.opened.conflicts_with.map(|other| ("conflicts", format!("with {other}"))));
    lines.push(("reasons", facts.review.reasons.join(", ")));
    lines.push(("view", view_text(case.view)));
    lines
}

fn why(lines: &mut Vec<String>, facts: &Facts<'_>, eyes: &Eyes, columns: usize) {
    heading(lines, "Why it is held");
    if eyes.answer == Sight::Hidden {
        lines.push("  Hidden until you have judged: `jidoka case judge`.".to_owned());
        return;
    }
    for finding in &facts.findings {
        bullet(lines, &format!("{}: {}", finding.trigger, in_a_line(&finding.sentence)), columns);
        for field in finding.details.iter().flat_map(|details| &details.fields) {
            let is_hidden = eyes.masked == Sight::Hidden && field.is_masked(&facts.review.mask);
            let told = if is_hidden { format!("{}: •••", field.name) } else { in_a_line(&field.sentence).into_owned() };
            lines.extend(wrap(&told, columns.saturating_sub(6)).iter().map(|part| format!("      {part}")));
        }
    }
}

fn event(lines: &mut Vec<String>, facts: &Facts<'_>, eyes: &Eyes, columns: usize) {
    let Some(event) = facts.event else {
        heading(lines, "Event, which is unreadable or too large to copy");
        let place = facts.event_ref.map_or("null", RawValue::get);
        lines.extend(laid_out(place, columns.saturating_sub(2)).iter().map(|line| format!("  {line}")));
        return;
    };
    heading(lines, "Event");
    let mut paths: Vec<&str> = Vec::new();
    if eyes.answer == Sight::Hidden {
        paths.extend(ANSWER);
    }
    if eyes.masked == Sight::Hidden {
        paths.extend(facts.review.mask.iter().map(String::as_str));
    }
    let (shown, hidden) = without(event.get(), &paths);
    lines.extend(laid_out(&shown, columns.saturating_sub(2)).iter().map(|line| format!("  {line}")));
    if !hidden.is_empty() {
        let how = "`jidoka case unmask` shows what is masked, and goes on record";
        lines.push(paint(FAINT, format_args!("  hidden: {} ({how})", hidden.join(", "))));
    }
}

/// The event without what lies at `paths`, and which of them were there. All the rest stays as it was written.
fn without<'p>(event: &str, paths: &[&'p str]) -> (String, Vec<&'p str>) {
    let (mut shown, mut hidden) = (event.to_owned(), Vec::new());
    for path in paths {
        let at = find(&shown, path.strip_prefix("event.").unwrap_or(path)).filter(|value| *value != "null").map(|value| {
            let start = value.as_ptr().addr() - shown.as_ptr().addr();
            start..start + value.len()
        });
        if let Some(at) = at {
            shown.replace_range(at, "\"•••\"");
            hidden.push(*path);
        }
    }
    (shown, hidden)
}

/// The value at `path`, whose names may have dots in them.
fn find<'e>(json: &'e str, path: &str) -> Option<&'e str> {
    let members: HashMap<String, &'e RawValue> = serde_json::from_str(json).ok()?;
    let whole = members.get(path).map(|value| value.get());
    let dots = || path.match_indices('.').map(|(at, _)| (&path[..at], &path[at + 1..]));
    whole.or_else(|| dots().find_map(|(name, rest)| find(members.get(name)?.get(), rest)))
}

fn said(lines: &mut Vec<String>, case: &Case, columns: usize) {
    let why = |code: Option<&str>, text: Option<&str>| {
        let code = code.map(|code| format!(", {code}"));
        let text = text.map(|text| format!(": {}", in_a_line(text)));
        format!("{}{}", code.unwrap_or_default(), text.unwrap_or_default())
    };
    if !case.votes.is_empty() {
        heading(lines, "Votes");
        for vote in &case.votes {
            let right = vote.corrected.as_ref().map(|json| format!(" Right would be {json}."));
            let reason = why(vote.reason.0.as_deref(), vote.reason.1.as_deref());
            let text = format!("{} {} {}{reason}{}", vote.at, vote.reviewer, vote.vote.as_str(), right.unwrap_or_default());
            bullet(lines, &text, columns);
        }
    }
    if !case.judgements.is_empty() {
        heading(lines, "Judgements");
        for judgement in &case.judgements {
            bullet(lines, &format!("{} {}: {}", judgement.at, judgement.reviewer, in_a_line(&judgement.judgement)), columns);
        }
    }
    if !case.comments.is_empty() {
        heading(lines, "Comments");
        for comment in &case.comments {
            let reason = why(comment.code.as_deref(), Some(&comment.text));
            bullet(lines, &format!("{} {} {}{reason}", comment.at, comment.reviewer, comment.action.as_str()), columns);
        }
    }
}

fn heading(lines: &mut Vec<String>, text: &str) {
    lines.extend([String::new(), paint(STRONG, text)]);
}

fn labelled(lines: &mut Vec<String>, label: &str, text: &str, columns: usize) {
    for (place, part) in wrap(&in_a_line(text), columns.saturating_sub(LABEL)).into_iter().enumerate() {
        let label = if place == 0 { label } else { "" };
        lines.push(format!("{}{part}", paint(FAINT, format_args!("{label:LABEL$}"))));
    }
}

fn bullet(lines: &mut Vec<String>, text: &str, columns: usize) {
    for (place, part) in wrap(text, columns.saturating_sub(4)).into_iter().enumerate() {
        lines.push(format!("{}{part}", if place == 0 { "  - " } else { "    " }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::CaseReader;

    const CLOSED: &str = include_str!("../../../../schemas/examples/case.closed.json").trim_ascii_end();
    const CLAIMED: &str = include_str!("../../../../schemas/examples/case.under-review.json").trim_ascii_end();

    fn found(json: &str) -> Found {
        Found { case: CaseReader::default().read(json.as_bytes(), None).expect("a case"), json: json.as_bytes().to_vec() }
    }

    fn plain(json: &str, who: &str) -> Vec<String> {
        let found = found(json);
        let now = Timestamp(1_767_626_802_500);
        let lines = case(&found, &Eyes::of(&found, &[], who), now, 100);
        lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect()
    }

    #[test]
    fn a_case_is_told_in_plain_words() {
        let lines = plain(CLAIMED, "ann");
        let head = [
            "925ab795168fdc48291233198923001a  UNDER_REVIEW",
            "band       normal, score 47.49",
            "due in     3h20m (2026-01-05T18:46:42.500Z)",
            "assignee   ann until 2026-01-05T11:05:00.125Z",
            "groups     underwriting (leads: underwriting-leads)",
            "policy     adult-income 1",
            "model      adult-gbdt 1.0.0",
            "event      adult-e-000001 of inference",
            "subject    S1",
            "asked by   kim",
            "reasons    data-error, policy-exception, model-wrong, confirmed",
        ];
        assert_eq!(lines[..head.len()], head);
        assert!(lines[head.len()].starts_with("view       1-73ced0d3"), "{}", lines[head.len()]);
        let why = lines.iter().position(|line| line == "Why it is held").expect("a heading");
        assert!(lines[why + 1].starts_with("  - low-confidence: The probability of the most likely answer is 0.5500"));
        assert!(lines.iter().all(|line| line.chars().count() <= 100), "{lines:#?}");
    }

    #[test]
    fn what_was_said_is_told() {
        let lines = plain(CLOSED, "ann").join("\n");
        let vote = "Votes\n  - 2026-01-05T10:55:00.750Z ann reject, model-wrong: The “income” was read from the wrong year.\n    Right would be \"<=50K\".";
        assert!(lines.contains(vote), "{lines}");
    }

    #[test]
    fn what_is_masked_is_hidden_and_said_to_be() {
        let lines = plain(CLAIMED, "ann").join("\n");
        assert!(!lines.contains("Female") && lines.contains("\"protected\": \"•••\""), "{lines}");
        assert!(lines.contains("hidden: protected (`jidoka case unmask` shows what is masked, and goes on record)"));
        let open = plain(&CLAIMED.replace("\"mask\":[\"protected\"]", "\"mask\":[]"), "ann").join("\n");
        assert!(open.contains("Female") && open.contains("15000.00") && !open.contains("hidden"), "as it was written\n{open}");
    }

    #[test]
    fn what_contradicts_is_told_field_by_field_unless_it_is_masked() {
        let fields = r#"{"fields":[{"name":"age","event":17,"trusted":40,"sentence":"age is 17, the trusted value is 40."},
            {"name":"protected.sex","event":"F","trusted":"M","sentence":"protected.sex is \"F\", the trusted value is \"M\"."}]}"#;
        let told = |mask: &str| {
            let json = CLAIMED.replacen("\"details\":null", &format!("\"details\":{fields}"), 1);
            plain(&json.replace("\"mask\":[\"protected\"]", &format!("\"mask\":[{mask}]")), "ann").join("\n")
        };
        assert!(
            told("").contains(
                "\n      age is 17, the trusted value is 40.\n      protected.sex is \"F\", the trusted value is \"M\"."
            )
        );
        assert!(told("\"protected\"").contains("\n      age is 17, the trusted value is 40.\n      protected.sex: •••"));
        for mask in ["\"features\"", "\"features.age\"", "\"event.features.age\""] {
            assert!(told(mask).contains("\n      age: •••\n      protected.sex is"), "{mask}");
        }
        assert!(told("\"features.ag\"").contains("age is 17"));
    }

    #[test]
    fn a_blind_case_shows_the_answer_to_those_who_have_judged() {
        let blind = CLAIMED.replace("\"blind\":false", "\"blind\":true");
        let judgement = r#"[{"reviewer":"ann","judgement":"x","seq":1,"at":"2026-01-05T10:50:00.125Z"}]"#;
        let judged = blind.replace("\"judgements\":[]", &format!("\"judgements\":{judgement}"));
        for (json, who, shows) in [(&blind, "ann", false), (&judged, "ann", true), (&judged, "bob", false)] {
            let lines = plain(json, who).join("\n");
            assert_eq!((lines.contains("0.55"), lines.contains(">50K")), (shows, shows), "to {who}\n{lines}");
        }
    }

    #[test]
    fn paths_are_hidden_wherever_they_lead() {
        let event = r#"{"features":{"a.b":1,"age":2.50,"n":1.50},"x.y":3,"none":null}"#;
        let (shown, hidden) = without(event, &["features.age", "x.y", "none", "missing.at.all", "event.features.a.b"]);
        assert_eq!(hidden, ["features.age", "x.y", "event.features.a.b"]);
        assert_eq!(shown, r#"{"features":{"a.b":"•••","age":"•••","n":1.50},"x.y":"•••","none":null}"#);
        assert_eq!(without(event, &["none"]), (event.to_owned(), Vec::new()));
    }

    #[test]
    fn nothing_steers_the_terminal() {
        let sly = CLOSED.replace("The “income”", "\\u001b[2J\\nThe");
        let lines = plain(&sly, "ann").join("\n");
        assert!(lines.contains("model-wrong: [2J The was read"), "{lines}");
    }
}
