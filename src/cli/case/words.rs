//! How times and refusals are told.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::case::{Case, Refusal};
use crate::identity::Timestamp;

/// The time by this machine's clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// How much time a case has left: `3h20m`, or `5m over`; of a closed one `–`.
pub fn due_in(case: &Case, now: Timestamp) -> String {
    let left = case.opened.due_at.0 - now.0;
    match left {
        _ if !case.state.is_open() => "–".to_owned(),
        ..0 => format!("{} over", span(-left)),
        left => span(left),
    }
}

/// So many milliseconds, in the two units that matter.
pub fn span(millis: i64) -> String {
    let (seconds, minutes, hours, days) = (millis / 1_000, millis / 60_000, millis / 3_600_000, millis / 86_400_000);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m"),
        (0, ..) => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

/// On one line, and without anything that would steer a terminal: reviewers and producers wrote it.
pub fn in_a_line(text: &str) -> Cow<'_, str> {
    if text.contains(|letter: char| letter.is_control()) {
        text.split(|letter: char| letter.is_control()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ").into()
    } else {
        text.into()
    }
}

/// What to do about a refusal.
pub fn advice(code: &str) -> &'static str {
    let Some(refusal) = Refusal::ALL.into_iter().find(|refusal| refusal.as_str() == code) else {
        return "This version does not know that code; look for it in the documentation of the sidecar's.";
    };
    match refusal {
        Refusal::Malformed => "Something that the command needs is missing or has another form: see `jidoka help case`.",
        Refusal::TooLarge => "Write less: verdicts.max_text and verdicts.max_bytes say how much is taken.",
        Refusal::BadSignature => {
            "Sign it with --key and --key-id of a key that verdicts.keys lets speak for this reviewer and all these groups."
        }
        Refusal::UnknownCase => "There is no such case, or it was closed so long ago that only the archive has it.",
        Refusal::IllegalTransition => "The case is not in a state in which this can be done: `jidoka case show` says which.",
        Refusal::Stale => "The case has changed since it was seen: look at it again with `jidoka case show`, then decide.",
        Refusal::NotInGroup => "Say with --group that you are in one of the case's groups; to reassign, in its leads as well.",
        Refusal::SelfApproval => "Somebody else must decide: you asked for this decision, or it is about you.",
        Refusal::AlreadyVoted => "You have voted; the next vote must be another person's.",
        Refusal::NotAssignee => "Somebody else has the case: wait, or have a lead reassign it.",
        Refusal::JudgeFirst => "Say first what the answer should be, with `jidoka case judge`: this policy is blind.",
        Refusal::TooMany => "The case takes no more commands: it waits until its time is up.",
        Refusal::ReasonRequired => "Give one of the policy's codes with --reason: `jidoka case show` lists them.",
        Refusal::UnknownReason => "The policy does not list this reason: `jidoka case show` lists those that it does.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::CaseReader;

    #[test]
    fn spans_have_two_units() {
        for (millis, text) in [
            (0, "0s"),
            (59_999, "59s"),
            (60_000, "1m"),
            (3_599_999, "59m"),
            (3_600_000, "1h00m"),
            (12_000_000, "3h20m"),
            (86_400_000, "1d00h"),
            (200_000_000, "2d07h"),
        ] {
            assert_eq!(span(millis), text);
        }
    }

    #[test]
    fn what_is_left_is_told() {
        let mut case = CaseReader::default()
            .read(include_bytes!("../../../schemas/examples/case.held.json").trim_ascii_end(), None)
            .expect("a case");
        let due = case.opened.due_at;
        assert_eq!(due_in(&case, due.plus_millis(-12_000_000)), "3h20m");
        assert_eq!(due_in(&case, due.plus_millis(300_000)), "5m over");
        case.state = crate::case::State::Expired;
        assert_eq!(due_in(&case, due), "–");
    }

    /// Each sentence is another one, and all are.
    #[test]
    fn every_refusal_has_advice() {
        let all: std::collections::BTreeSet<&str> = Refusal::ALL.iter().map(|refusal| advice(refusal.as_str())).collect();
        assert_eq!(all.len(), Refusal::ALL.len());
        assert!(all.iter().all(|sentence| sentence.ends_with('.')));
        assert!(!all.contains(advice("of-tomorrow")));
    }
}
