//! Whatever reviewers order and however late it is.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::*;

/// `kim` asked for the decision and `S1` is its subject.
const PEOPLE: [&str; 6] = ["ann", "bob", "cid", "dee", "kim", "S1"];
const GROUPS: [&str; 4] = ["underwriting", "underwriting-leads", "experts", "strangers"];
const RECEIVERS: [&str; 7] =
    ["group:experts", "underwriting", "underwriting-leads", "user:ann", "dee", "group:strangers", "user:experts"];
const CODES: [Option<&str>; 4] = [None, Some("confirmed"), Some("model-wrong"), Some("because")];

/// What happens next, and how long after the last.
#[derive(Clone, Debug)]
struct Event {
    millis: i64,
    action: Action,
    reviewer: &'static str,
    groups: Vec<&'static str>,
    /// Of ten reviewers eight look before they decide.
    looked: u8,
    code: Option<&'static str>,
    text: Option<String>,
    to: Option<&'static str>,
    corrected: Option<&'static str>,
    /// One in ten is sent again.
    repeats: u8,
}

fn event() -> impl Strategy<Value = Event> {
    let actions = [&Action::ALL[..], &[Action::Approve, Action::Judge, Action::Claim, Action::Approve]].concat();
    let who = (prop::sample::select(actions), prop::sample::select(&PEOPLE[..]), prop::sample::subsequence(&GROUPS[..], 1..=4));
    let what = (
        0..10_u8,
        prop::sample::select(&CODES[..]),
        prop::option::of("[a-z\"\u{1}é]{0,8}"),
        prop::option::of(prop::sample::select(&RECEIVERS[..])),
        prop::option::of(Just("{\"label\": 1.50}")),
        0..10_u8,
    );
    let millis = prop_oneof![6 => 0..5 * MINUTE, 2 => 0..2 * HOUR, 1 => Just(15 * MINUTE), 1 => Just(4 * HOUR)];
    (millis, who, what).prop_map(|(millis, (action, reviewer, groups), (looked, code, text, to, corrected, repeats))| Event {
        millis,
        action,
        reviewer,
        groups,
        looked,
        code: if action == Action::Approve { Some("confirmed") } else { code },
        text: text.or((action == Action::Comment).then(|| "hm".to_owned())),
        to: to.or((action == Action::Reassign).then_some("experts")),
        corrected: corrected.filter(|_| action == Action::Reject),
        repeats,
    })
}

fn command_of(event: &Event, place: usize, case: &Case) -> Command<'static> {
    let id = if event.repeats == 0 { place.saturating_sub(1) } else { place };
    Command {
        id: CommandId::of_random([u8::try_from(id).expect("few events"); 16]),
        decision_id: case.decision_id,
        action: event.action,
        seen: Some(if event.looked < 8 { case.view } else { View { seq: 0, hash: Hash([0; 32]) } }),
        reviewer: event.reviewer.into(),
        groups: event.groups.iter().map(|group| (*group).into()).collect(),
        code: event.code.map(Into::into),
        text: event.text.clone().map(Into::into),
        judgement: (event.action == Action::Judge).then(|| "cannot-tell".into()),
        corrected: event.corrected,
        to: event.to.filter(|_| matches!(event.action, Action::Reassign | Action::Escalate)).map(Into::into),
        channel: None,
    }
}

/// What must hold of a case at all times.
fn check(case: &Case) {
    let (rules, is_open) = (case.rules(), case.state.is_open());
    assert_eq!((case.closed_at.is_none(), case.deadline().is_some()), (is_open, is_open), "closed, and then no more time");
    assert_eq!(case.lease_until.is_some(), case.state == State::UnderReview, "a claim has an end, and nothing else has");
    assert!(case.state != State::UnderReview || case.assignee.is_some());
    assert!(case.state != State::Pending || case.assignee.is_none());
    assert!(case.view.seq <= case.seq && !case.groups.is_empty());

    let voters: BTreeSet<&str> = case.votes.iter().map(|vote| &*vote.reviewer).collect();
    assert_eq!(voters.len(), case.votes.len(), "each vote is another person's");
    assert!(!voters.contains("kim") && !voters.contains("S1"), "nobody decides about their own");
    let approvals = case.votes.iter().filter(|vote| vote.vote == Action::Approve).count();
    let rejects = case.votes.len() - approvals;
    assert_eq!(case.state == State::Approved, approvals == rules.quorum as usize, "approved when the quorum is reached");
    assert_eq!(case.state == State::Rejected, rejects == 1, "one reject ends it");
    assert!(approvals <= rules.quorum as usize && rejects <= 1);
    for vote in case.votes.iter().filter(|_| rules.blind) {
        let before = |judgement: &&Judgement| judgement.reviewer == vote.reviewer && judgement.seq < vote.seq;
        assert!(case.judgements.iter().any(|judgement| before(&judgement)), "{} judged before", vote.reviewer);
    }
    let ids: BTreeSet<CommandId> = case.commands.iter().copied().collect();
    assert_eq!(ids.len(), case.commands.len(), "a command takes effect once");
    assert_eq!(&self::case(&written(case)), case, "what is written is read");
}

/// What must hold of a step from `before` to `after`.
fn check_step(before: &Case, step: Step, after: &Case) {
    assert_eq!((step.from, step.to), (before.state, after.state));
    assert!(before.state.is_open(), "nothing follows a final word");
    assert_eq!(transition(before.state, step.a_move), Some((step.kind, after.state)));
    assert_eq!(after.seq, before.seq + 1);
    let unseen = matches!(step.kind, Kind::Judged | Kind::Commented | Kind::Unmasked);
    assert_eq!(after.view == before.view, unseen);
    assert!(unseen || after.view == View { seq: after.seq, hash: after.entry_hash });
    assert_eq!(after.opened, before.opened);
    assert!(after.band <= before.band, "a case never becomes less urgent");
    assert_eq!(after.escalations - before.escalations, u32::from(step.kind == Kind::Escalated));
    let grown = [after.votes.len() - before.votes.len(), after.judgements.len() - before.judgements.len()];
    let votes = matches!(step.kind, Kind::Voted | Kind::Approved | Kind::Rejected);
    assert_eq!(grown, [usize::from(votes), usize::from(step.kind == Kind::Judged)]);
    assert!(after.votes.starts_with(&before.votes) && after.comments.starts_with(&before.comments));
}

/// Lets time act until it has nothing more to do.
fn let_time_act(case: &mut Case, now: Timestamp) {
    for steps in 0.. {
        let before = case.clone();
        let Some(step) = pass(case, now) else { break };
        assert!(steps < 3, "time ends");
        assert!(before.deadline().is_some_and(|(at, _)| at <= now));
        assert_eq!(case.commands, before.commands);
        check_step(&before, step, case);
        check(case);
    }
    assert!(case.deadline().is_none_or(|(at, _)| at > now), "nothing stays due");
}

fn tell(case: &mut Case, events: &[Event]) {
    let mut now = OPENED;
    check(case);
    for (place, event) in events.iter().enumerate() {
        now = now.plus_millis(event.millis);
        let_time_act(case, now);
        let command = command_of(event, place, case);
        if case.has_taken(&command) {
            continue;
        }
        let before = case.clone();
        match order(case, &command, now) {
            Ok(step) => {
                check_step(&before, step, case);
                assert_eq!(case.commands.last(), Some(&command.id));
                check(case);
            }
            Err(refusal) => {
                assert!(refusal >= Refusal::IllegalTransition);
                assert!(before.state.is_open() || refusal == Refusal::IllegalTransition);
                assert_eq!(*case, before, "a refused command changes nothing");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_sequence_of_commands_breaks_a_case(quorum in 1..=3_u32, blind in any::<bool>(), events in prop::collection::vec(event(), 1..40)) {
        let mut case = case(&altered(&[("/review/quorum", quorum.into()), ("/review/blind", blind.into())]));
        tell(&mut case, &events);
        // And in the end it is closed, whatever happened.
        let_time_act(&mut case, OPENED.plus_millis(1_000 * HOUR));
        prop_assert!(!case.state.is_open());
    }

    /// A case that was written and read in between goes on as if it had stayed in memory.
    #[test]
    fn a_restart_in_between_changes_nothing(events in prop::collection::vec(event(), 2..20), at in any::<prop::sample::Index>()) {
        let json = altered(&[("/review/quorum", 2.into())]);
        let (mut stayed, mut restarted) = (case(&json), case(&json));
        tell(&mut stayed, &events);
        let (first, second) = events.split_at(at.index(events.len()));
        let mut now = OPENED;
        for (part, offset) in [(first, 0), (second, first.len())] {
            restarted = case(&written(&restarted));
            for (place, event) in part.iter().enumerate() {
                now = now.plus_millis(event.millis);
                while pass(&mut restarted, now).is_some() {}
                let command = command_of(event, offset + place, &restarted);
                if !restarted.has_taken(&command) {
                    let _ = order(&mut restarted, &command, now);
                }
            }
        }
        prop_assert_eq!(written(&restarted), written(&stayed));
    }
}

/// Were all random commands refused, the properties would say nothing.
#[test]
fn random_commands_reach_everything() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut kinds, mut refusals, mut states) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for round in 0..3_000_u32 {
        let json = altered(&[("/review/quorum", (round % 3 + 1).into()), ("/review/blind", (round % 2 == 0).into())]);
        let (mut case, mut now) = (case(&json), OPENED);
        let events = prop::collection::vec(event(), 20).new_tree(&mut runner).expect("a strategy").current();
        for (place, event) in events.iter().enumerate() {
            now = now.plus_millis(event.millis);
            kinds.extend(std::iter::from_fn(|| pass(&mut case, now)).map(|step| step.kind));
            let command = command_of(event, place, &case);
            match order(&mut case, &command, now) {
                Ok(step) => drop(kinds.insert(step.kind)),
                Err(refusal) => drop(refusals.insert(refusal)),
            }
            states.insert(case.state);
        }
    }
    assert_eq!(kinds, Kind::ALL.into());
    assert_eq!(states, State::ALL.into());
    let all: BTreeSet<Refusal> = Refusal::ALL[4..].iter().copied().filter(|refusal| *refusal != Refusal::TooMany).collect();
    assert_eq!(refusals, all);
}
