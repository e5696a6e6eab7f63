//! One thing that happened, as a line for people or as a document for programs.

use anstyle::Style;
use serde_json::{Value, json};

use super::why::why;
use crate::case::Kind;
use crate::cli::terminal::{FAINT, GOOD, STRONG, WARNING, WRONG, paint};
use crate::cli::text::{cut, width, wrap};
use crate::dev::happening::{Change, DeadLetter, Duplicate, Finding, Happening, Held, IncidentStep, Refused};
use crate::signal::{Incident, IncidentState};

const PLAIN: Style = Style::new();
/// A line about what happened fits a terminal of so many columns.
const COLUMNS: usize = 120;
/// What is left of them after the time and the kind.
const AFTER_KIND: usize = COLUMNS - "17:03:21  DEAD LETTER  ".len();

fn band_style(band: &str) -> Style {
    match band {
        "critical" => WRONG,
        "high" => WARNING,
        "normal" => PLAIN,
        _ => FAINT,
    }
}

fn kind_style(kind: Kind) -> Style {
    match kind {
        Kind::Approved => GOOD,
        Kind::Rejected | Kind::Expired | Kind::Cancelled => WRONG,
        Kind::Escalated => WARNING,
        _ => FAINT,
    }
}

/// `17:03:21` of an RFC 3339 time.
fn clock(at: &str) -> &str {
    at.get(11..19).unwrap_or("        ")
}

/// A line about what happened; nothing of what was released, nor of the audit entry behind a held decision, nor of what
/// leaves a case where it stood.
pub fn line(happening: &Happening) -> Option<String> {
    match happening {
        Happening::Decided(_) | Happening::Wrote(_) => None,
        Happening::Changed(change) => change.kind.changes_view().then(|| changed(change)),
        Happening::Refused(refused) => Some(refusal(refused)),
        Happening::Incident(step) => Some(incident(step)),
        Happening::Held(held) => {
            let Held { at, band, score, .. } = held;
            let before = Named { band, score: Some(*score), event: held.event_id.as_deref() };
            let sentences: Vec<&str> = held.findings.iter().map(|finding| finding.sentence.as_str()).collect();
            let why = why(&sentences, before.room());
            Some(format!("{}  {}  {}{why}", clock(at), paint(WARNING, "HELD       "), before.painted()))
        }
        Happening::Duplicate(Duplicate { at, event_id, of }) => {
            let what = format!("{event_id}  Seen before with the same content; not decided again (decision {of}).");
            Some(format!("{}  {}  {}", clock(at), paint(FAINT, "DUPLICATE  "), cut(&what, AFTER_KIND)))
        }
        Happening::DeadLetter(DeadLetter { at, code, detail, place, .. }) => {
            let what = cut(&format!("{place}: {detail}"), AFTER_KIND.saturating_sub(width(code) + 2));
            Some(format!("{}  {}  {}  {what}", clock(at), paint(WRONG, "DEAD LETTER"), paint(STRONG, code)))
        }
    }
}

/// What a case is called in a line.
struct Named<'n> {
    band: &'n str,
    score: Option<f64>,
    event: Option<&'n str>,
}

impl Named<'_> {
    fn event(&self) -> &str {
        self.event.unwrap_or("(no event id)")
    }

    fn band(&self) -> String {
        let score = self.score.map_or_else(|| "    -".to_owned(), |score| format!("{score:5.1}"));
        format!("{:8} {score}", self.band)
    }

    fn painted(&self) -> String {
        format!("{}  {:23}  ", paint(band_style(self.band), self.band()), self.event())
    }

    /// What is left of the line after it.
    fn room(&self) -> usize {
        AFTER_KIND.saturating_sub(width(&format!("{}  {:23}  ", self.band(), self.event())))
    }
}

fn changed(change: &Change) -> String {
    let named = Named { band: &change.band, score: change.before.score, event: change.before.event_id.as_deref() };
    let kind = paint(kind_style(change.kind), format_args!("{:11}", change.kind.as_str()));
    format!("{}  {kind}  {}{}", clock(&change.at), named.painted(), cut(&what(change), named.room()))
}

/// Who did it and why, and how long after the case was held.
fn what(change: &Change) -> String {
    let groups = change.groups.join(", ");
    let by = change.reviewer.as_deref().map(|reviewer| format!("by {reviewer}"));
    let who = match (change.kind, by) {
        (Kind::Unclaimed, None) => "the claim lapsed".to_owned(),
        (Kind::Expired, _) => "nobody decided in time".to_owned(),
        (Kind::Escalated, None) => format!("too long undecided, for {groups}"),
        (Kind::Escalated, Some(by)) => format!("{by}, for {groups}"),
        (Kind::Reassigned, Some(by)) => format!("{by}, to {}", change.assignee.as_deref().unwrap_or(&groups)),
        (_, by) => by.unwrap_or_else(|| "by time".to_owned()),
    };
    let code = change.reason.as_deref().filter(|_| change.reviewer.is_some()).map(|code| format!(": {code}"));
    let after = change.before.age_ms.map(|age_ms| format!(", after {:.1} s", age_ms as f64 / 1_000.0));
    [who, code.unwrap_or_default(), after.unwrap_or_default()].concat()
}

fn refusal(refused: &Refused) -> String {
    let action = refused.action.as_deref().unwrap_or("a command");
    let by = refused.reviewer.as_deref().unwrap_or("(nobody)");
    let of = refused.decision_id.as_deref().unwrap_or("(none)");
    let what = cut(&format!("{action} by {by}, decision {of}"), AFTER_KIND.saturating_sub(width(&refused.error) + 2));
    format!("{}  {}  {}  {what}", clock(&refused.at), paint(WARNING, "REFUSED    "), paint(STRONG, &refused.error))
}

/// What happened to an incident, and below it, all of it, the sentence, or who said that it is over, and why.
fn incident(step: &IncidentStep) -> String {
    let Incident { kind, policy, id, sentence, .. } = &step.incident;
    let style = if step.state == IncidentState::Open { WRONG } else { GOOD };
    let what = cut(&format!("{} of {policy}: {}", kind.as_str(), step.word()), AFTER_KIND.saturating_sub(width(id) + 2));
    let mut line = format!("{}  {}  {}  {what}", clock(&step.at), paint(style, "INCIDENT   "), paint(STRONG, id));
    let margin = " ".repeat(COLUMNS - AFTER_KIND);
    let below = if step.state == IncidentState::Open { sentence.clone() } else { step.by_whom() };
    line.extend(wrap(&below, AFTER_KIND).into_iter().filter(|rest| !rest.is_empty()).map(|rest| format!("\n{margin}{rest}")));
    line
}

/// The same for programs, with every step of a case.
pub fn document(happening: &Happening) -> Option<Value> {
    match happening {
        Happening::Decided(_) | Happening::Wrote(_) => None,
        Happening::Held(held) => {
            let why = |finding: &Finding| json!({ "trigger": finding.trigger, "sentence": finding.sentence });
            let findings: Vec<_> = held.findings.iter().map(why).collect();
            Some(json!({ "type": "held", "at": held.at, "decision_id": held.decision_id, "event_id": held.event_id,
                "model": held.model.name, "band": held.band, "score": held.score, "findings": findings }))
        }
        Happening::Incident(step) => {
            let mut document = json!(step.incident);
            document["type"] = json!(format!("incident-{}", step.word()));
            (document["at"], document["by"], document["reason"]) = (json!(step.at), json!(step.by), json!(step.reason));
            Some(document)
        }
        Happening::Duplicate(Duplicate { at, event_id, of }) => {
            Some(json!({ "type": "duplicate", "at": at, "event_id": event_id, "of": of }))
        }
        Happening::DeadLetter(DeadLetter { at, code, detail, place, .. }) => {
            Some(json!({ "type": "dead-letter", "at": at, "code": code, "detail": detail, "place": place }))
        }
        Happening::Changed(change) => {
            let Change { decision_id, seq, at, reviewer, reason, state, band, assignee, groups, before, .. } = change;
            Some(json!({ "type": change.kind.as_str().to_ascii_lowercase(), "at": at, "decision_id": decision_id,
                "event_id": before.event_id, "seq": seq, "by": reviewer, "reason": reason, "state": state.as_str(), "band": band,
                "assignee": assignee, "groups": groups, "age_ms": before.age_ms }))
        }
        Happening::Refused(Refused { decision_id, at, reviewer, action, error }) => Some(
            json!({ "type": "refused", "at": at, "decision_id": decision_id, "by": reviewer, "action": action, "error": error }),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::State;
    use crate::dev::happening::Before;
    use crate::signal::{Direction, IncidentKind};

    fn change(kind: Kind, reviewer: Option<&str>, reason: Option<&str>) -> Change {
        Change {
            decision_id: "d".to_owned(),
            seq: 1,
            kind,
            at: "2026-01-05T10:46:41.250Z".to_owned(),
            reviewer: reviewer.map(str::to_owned),
            reason: reason.map(str::to_owned),
            state: State::UnderReview,
            previous_state: State::Pending,
            band: "high".to_owned(),
            assignee: None,
            groups: vec!["credit-leads".to_owned()],
            before: Before {
                event_id: Some("adult-e-000063".to_owned()),
                score: Some(86.5),
                age_ms: Some(4_250),
                ..Before::default()
            },
        }
    }

    #[test]
    fn what_became_of_a_case_stands_in_a_line_that_fits() {
        let plain =
            |change: Change| anstream::adapter::strip_str(&line(&Happening::Changed(change)).expect("a line")).to_string();
        for (kind, reviewer, reason, end) in [
            (Kind::Claimed, Some("mei"), None, "CLAIMED      high      86.5  adult-e-000063           by mei, after 4.2 s"),
            (Kind::Rejected, Some("mei"), Some("model-wrong"), "by mei: model-wrong, after 4.2 s"),
            (Kind::Escalated, Some("mei"), Some("model-wrong"), "by mei, for credit-leads: model-wrong, after 4.2 s"),
            (Kind::Escalated, None, Some("sla"), "too long undecided, for credit-leads, after 4.2 s"),
            (Kind::Unclaimed, None, Some("lease"), "the claim lapsed, after 4.2 s"),
            (Kind::Expired, None, Some("sla"), "nobody decided in time, after 4.2 s"),
        ] {
            let line = plain(change(kind, reviewer, reason));
            assert!(line.starts_with("10:46:41  ") && line.ends_with(end), "{line}");
        }
        let long = plain(change(Kind::Claimed, Some(&"x".repeat(200)), None));
        assert!(width(&long) <= COLUMNS && long.ends_with('…'), "{long}");
        assert_eq!(line(&Happening::Changed(change(Kind::Commented, Some("mei"), None))), None);
        let refused = Refused {
            decision_id: Some("ab".repeat(16)),
            at: "2026-01-05T10:46:41.250Z".to_owned(),
            reviewer: Some("y".repeat(200)),
            action: Some("claim".to_owned()),
            error: "illegal-transition".to_owned(),
        };
        let refused = line(&Happening::Refused(refused)).expect("a line");
        assert!(width(&anstream::adapter::strip_str(&refused).to_string()) <= COLUMNS, "{refused}");
    }

    fn step(state: IncidentState) -> IncidentStep {
        let incident = Incident {
            id: "5c0ffee05c0ffee0".to_owned(),
            kind: IncidentKind::Fairness,
            policy: "credit-default".to_owned(),
            about: "favourable-rate".to_owned(),
            group: [("sex".to_owned(), "Male".to_owned())].into(),
            direction: Direction::Down,
            at_event: 755,
            since_event: 566,
            statistic: 6.5,
            threshold: 5.0,
            sentence: "The share of favourable decisions of sex=Male fell to 46.7 % (21 of 45 decisions since event 566); 85.4 % were to be expected of them.".to_owned(),
        };
        let told = (state == IncidentState::Acknowledged).then(|| ["rosa", "rolled back"].map(str::to_owned));
        let [by, reason] = told.map_or([None, None], |told| told.map(Some));
        IncidentStep { state, at: "2026-01-05T10:46:41.250Z".to_owned(), by, reason, incident }
    }

    #[test]
    fn an_incident_is_told_with_all_of_its_sentence_and_with_who_ended_it() {
        let plain = |state| {
            let line = line(&Happening::Incident(step(state))).expect("a line");
            anstream::adapter::strip_str(&line).to_string()
        };
        assert_eq!(
            plain(IncidentState::Open),
            "10:46:41  INCIDENT     5c0ffee05c0ffee0  fairness of credit-default: opened
                       The share of favourable decisions of sex=Male fell to 46.7 % (21 of 45 decisions since event
                       566); 85.4 % were to be expected of them."
        );
        let head = "10:46:41  INCIDENT     5c0ffee05c0ffee0  fairness of credit-default: ";
        let by = "                       by rosa: rolled back";
        assert_eq!(plain(IncidentState::Acknowledged), format!("{head}acknowledged\n{by}"));
        assert_eq!(plain(IncidentState::Closed), format!("{head}closed"));
        assert!(plain(IncidentState::Open).lines().all(|line| width(line) <= COLUMNS));
        let document = document(&Happening::Incident(step(IncidentState::Closed))).expect("a document");
        let members = ["type", "id", "policy", "kind", "at", "by"].map(|name| document[name].as_str());
        let at = Some("2026-01-05T10:46:41.250Z");
        assert_eq!(
            members[..5],
            [Some("incident-closed"), Some("5c0ffee05c0ffee0"), Some("credit-default"), Some("fairness"), at]
        );
        assert_eq!((members[5], document["group"]["sex"].as_str()), (None, Some("Male")));
    }

    #[test]
    fn programs_hear_of_every_step() {
        let document = document(&Happening::Changed(change(Kind::Commented, Some("mei"), None))).expect("a document");
        assert_eq!((document["type"].as_str(), document["by"].as_str()), (Some("commented"), Some("mei")));
        assert_eq!(document["age_ms"], 4_250);
    }
}
