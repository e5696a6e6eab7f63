//! Why commands are refused, and in which order the reasons are told.

use super::*;

/// A case and an approval of it by `rev`, both in order but for `faults`.
fn faulty(faults: &[Refusal]) -> (Case, Command<'static>, CommandsMax) {
    let is = |refusal| faults.contains(&refusal);
    let asker = if is(Refusal::SelfApproval) { "rev" } else { "kim" };
    let json = altered(&[("/review/blind", true.into()), ("/requested_by", asker.into())]);
    let mut case = case(&json);
    case.state = if is(Refusal::IllegalTransition) { State::Expired } else { State::UnderReview };
    case.assignee = Some(if is(Refusal::NotAssignee) { "other" } else { "rev" }.into());
    if is(Refusal::AlreadyVoted) {
        let reason = (None, None);
        let vote = Vote { reviewer: "rev".into(), vote: Action::Approve, seq: 1, at: OPENED, reason, corrected: None };
        case.votes.push(vote);
    }
    if !is(Refusal::JudgeFirst) {
        case.judgements.push(Judgement { reviewer: "rev".into(), judgement: "x".into(), seq: 1, at: OPENED });
    }
    let mut command = command(Action::Approve, "rev", &case);
    if is(Refusal::Stale) {
        command.seen = Some(View { seq: 0, hash: Hash::of(b"another") });
    }
    if is(Refusal::NotInGroup) {
        command.groups = vec!["strangers".into(), "underwriting-leads".into()];
    }
    if is(Refusal::UnknownReason) {
        command.code = Some("because".into());
    }
    if is(Refusal::ReasonRequired) {
        command.code = None;
    }
    (case, command, if is(Refusal::TooMany) { CommandsMax(0) } else { MANY })
}

/// All 1,024 ways to be wrong in what the case decides: the first fault in the contract's order is told.
#[test]
fn of_several_faults_the_first_is_told() {
    let told = &Refusal::ALL[4..];
    assert_eq!(told[0], Refusal::IllegalTransition);
    for set in 0..1_u32 << told.len() {
        let faults: Vec<Refusal> =
            told.iter().enumerate().filter(|(bit, _)| set >> bit & 1 == 1).map(|(_, fault)| *fault).collect();
        let (case, command, max) = faulty(&faults);
        assert_eq!(case.judge(&command, max).err(), faults.first().copied(), "{faults:?}");
    }
}

#[test]
fn the_order_is_the_contracts() {
    let codes = Refusal::ALL.map(Refusal::as_str);
    let contract = "malformed, too-large, bad-signature, unknown-case, illegal-transition, stale, not-in-group, self-approval, \
                    already-voted, not-assignee, judge-first, too-many, reason-required, unknown-reason";
    assert_eq!(codes.join(", "), contract);
    assert!(Refusal::ALL.is_sorted());
}

/// Each line: the command, the state, and what comes of it on a case that `rev` has if it is under review.
#[test]
fn who_may_do_what() {
    type Changed = fn(Command<'static>) -> Command<'static>;
    type Row = (Action, &'static str, Changed, State, Result<Kind, Refusal>);
    let same: Changed = |command| command;
    let stranger: Changed = |command| Command { groups: vec!["strangers".into()], ..command };
    let lead: Changed = as_lead;
    let only_lead: Changed = |command| Command { groups: vec!["underwriting-leads".into()], ..command };
    let [pending, review] = [State::Pending, State::UnderReview];
    let no = |refusal| Err::<Kind, _>(refusal);
    let rows: [Row; 33] = [
        (Action::Claim, "ann", same, pending, Ok(Kind::Claimed)),
        (Action::Claim, "ann", stranger, pending, no(Refusal::NotInGroup)),
        (Action::Claim, "ann", same, review, no(Refusal::IllegalTransition)),
        (Action::Claim, "rev", same, review, no(Refusal::IllegalTransition)),
        (Action::Claim, "kim", same, pending, no(Refusal::SelfApproval)),
        (Action::Claim, "S1", same, pending, no(Refusal::SelfApproval)),
        (Action::Unclaim, "rev", same, review, Ok(Kind::Unclaimed)),
        (Action::Unclaim, "rev", stranger, review, Ok(Kind::Unclaimed)),
        (Action::Unclaim, "ann", same, review, no(Refusal::NotAssignee)),
        (Action::Unclaim, "ann", only_lead, review, Ok(Kind::Unclaimed)),
        (Action::Unclaim, "ann", only_lead, pending, no(Refusal::IllegalTransition)),
        (Action::Judge, "ann", same, pending, Ok(Kind::Judged)),
        (Action::Judge, "ann", same, review, no(Refusal::NotAssignee)),
        (Action::Judge, "kim", same, pending, no(Refusal::SelfApproval)),
        (Action::Approve, "ann", same, pending, Ok(Kind::Approved)),
        (Action::Approve, "rev", same, review, Ok(Kind::Approved)),
        (Action::Approve, "rev", stranger, review, no(Refusal::NotInGroup)),
        (Action::Approve, "ann", lead, review, no(Refusal::NotAssignee)),
        (Action::Reject, "rev", same, review, Ok(Kind::Rejected)),
        (Action::Reject, "S1", same, pending, no(Refusal::SelfApproval)),
        (Action::Escalate, "ann", same, pending, Ok(Kind::Escalated)),
        (Action::Escalate, "ann", lead, review, no(Refusal::NotAssignee)),
        (Action::Escalate, "kim", same, pending, Ok(Kind::Escalated)),
        (Action::Reassign, "ann", lead, pending, Ok(Kind::Reassigned)),
        (Action::Reassign, "ann", lead, review, Ok(Kind::Reassigned)),
        (Action::Reassign, "rev", same, review, no(Refusal::NotInGroup)),
        (Action::Reassign, "ann", only_lead, review, no(Refusal::NotInGroup)),
        (Action::Comment, "ann", same, review, Ok(Kind::Commented)),
        (Action::Comment, "ann", only_lead, review, no(Refusal::NotInGroup)),
        (Action::Unmask, "kim", same, review, Ok(Kind::Unmasked)),
        (Action::Cancel, "ann", same, pending, Ok(Kind::Cancelled)),
        (Action::Cancel, "kim", same, review, Ok(Kind::Cancelled)),
        (Action::Cancel, "kim", stranger, review, no(Refusal::NotInGroup)),
    ];
    for (action, reviewer, changed, state, expected) in rows {
        let mut case = case(HELD);
        if state == review {
            act(&mut case, Action::Claim, "rev").expect("a free case");
        }
        let command = changed(command(action, reviewer, &case));
        let told = case.judge(&command, MANY).map(|step| step.kind);
        assert_eq!(told, expected, "{} by {reviewer} of {:?} in {state}", action.as_str(), command.groups);
    }
}

#[test]
fn a_quorum_is_of_different_people_and_one_reject_ends_it() {
    let opened = || case(&altered(&[("/review/quorum", 2.into())]));
    let mut case = opened();
    act(&mut case, Action::Claim, "ann").expect("a free case");
    // Somebody else of the group votes; the claim stays.
    let vote = act(&mut case, Action::Approve, "bob").expect("a vote");
    assert_eq!((vote.kind, case.state, case.assignee.as_deref()), (Kind::Voted, State::UnderReview, Some("ann")));
    for action in [Action::Approve, Action::Reject, Action::Judge] {
        assert_eq!(case.judge(&command(action, "bob", &case), MANY), Err(Refusal::AlreadyVoted));
    }
    let mut rejected = case.clone();
    let last = act(&mut rejected, Action::Reject, "cid").expect("a reject");
    assert_eq!((last.kind, rejected.state, rejected.votes.len()), (Kind::Rejected, State::Rejected, 2));
    let last = act(&mut case, Action::Approve, "ann").expect("the second vote");
    assert_eq!((last.kind, case.state), (Kind::Approved, State::Approved));
    assert_eq!(case.assignee.as_deref(), Some("ann"), "of a closed case it stays known who had it");
    assert_eq!((case.lease_until, case.closed_at), (None, Some(OPENED)));
}

#[test]
fn a_reason_that_is_given_must_be_the_policys_whatever_the_command() {
    let case = case(HELD);
    for action in [Action::Claim, Action::Comment, Action::Judge, Action::Cancel] {
        let told = |code: Option<&'static str>| {
            case.judge(&Command { code: code.map(Into::into), ..command(action, "ann", &case) }, MANY).err()
        };
        assert_eq!((told(None), told(Some("confirmed")), told(Some("x"))), (None, None, Some(Refusal::UnknownReason)));
    }
    let unmask = Command { code: None, ..command(Action::Unmask, "ann", &case) };
    assert_eq!(case.judge(&unmask, MANY), Err(Refusal::ReasonRequired));
}

#[test]
fn a_name_is_a_groups_where_the_case_knows_it_and_a_persons_otherwise() {
    for (to, groups, assignee) in [
        ("user:kit", "underwriting", Some("kit")),
        ("kit", "underwriting", Some("kit")),
        ("user:underwriting-leads", "underwriting", Some("underwriting-leads")),
        ("underwriting-leads", "underwriting-leads", None),
        ("group:kit", "kit", None),
    ] {
        let mut case = case(HELD);
        let order_to = Command { to: Some(to.into()), ..as_lead(command(Action::Reassign, "ann", &case)) };
        order(&mut case, &order_to, OPENED).expect("a lead may");
        assert_eq!((case.groups.join(","), case.assignee.as_deref()), (groups.to_owned(), assignee), "{to}");
        let lease = assignee.map(|_| OPENED.plus_millis(15 * MINUTE));
        assert_eq!((case.lease_until, case.state == State::UnderReview), (lease, assignee.is_some()), "{to}");
    }
}

#[test]
fn escalation_leads_up_and_then_to_those_who_lead() {
    let mut case = case(HELD);
    for (band, groups) in [("high", "underwriting"), ("critical", "underwriting"), ("critical", "underwriting-leads")] {
        act(&mut case, Action::Escalate, "ann").expect("a member may");
        assert_eq!((case.band.as_str(), case.groups.join(",").as_str()), (band, groups));
    }
    assert_eq!((case.escalations, case.escalated_at), (3, None));
    let to = Command { to: Some("group:experts".into()), ..as_lead(command(Action::Escalate, "ann", &case)) };
    order(&mut case, &to, OPENED).expect("a lead is in its group now");
    assert_eq!((case.band.as_str(), case.groups.join(",").as_str(), case.escalations), ("critical", "experts", 4));
}

#[test]
fn time_gives_a_claim_back_escalates_once_and_expires() {
    let mut case = case(HELD);
    act(&mut case, Action::Claim, "ann").expect("a free case");
    // A comment by the one who has it renews the claim; one by another does not.
    let later = OPENED.plus_millis(10 * MINUTE);
    let comment = |reviewer, case: &mut Case| {
        let comment = Command { text: Some("hm".into()), ..command(Action::Comment, reviewer, case) };
        order(case, &comment, later)
    };
    comment("bob", &mut case).expect("a member may");
    assert_eq!(case.deadline(), Some((OPENED.plus_millis(15 * MINUTE), Move::Lapse)));
    comment("ann", &mut case).expect("a member may");
    assert_eq!(case.deadline(), Some((OPENED.plus_millis(25 * MINUTE), Move::Lapse)));

    assert_eq!(pass(&mut case, OPENED.plus_millis(25 * MINUTE - 1)), None);
    // However late anybody looks: one thing after the other, in the order of time, and then nothing more.
    let late = OPENED.plus_millis(100 * HOUR);
    let kinds: Vec<Kind> = std::iter::from_fn(|| pass(&mut case, late)).map(|step| step.kind).collect();
    assert_eq!(kinds, [Kind::Unclaimed, Kind::Escalated, Kind::Expired]);
    assert_eq!((case.band.as_str(), case.escalations, case.escalated_at), ("high", 1, Some(late)));
    assert_eq!((case.state, case.closed_at, case.deadline()), (State::Expired, Some(late), None));
}

#[test]
fn what_is_due_is_due_at_its_millisecond() {
    let at = |part: f64| case(&altered(&[("/review/escalate_at", part.into())]));
    let half = at(0.5);
    assert_eq!(half.deadline(), Some((OPENED.plus_millis(4 * HOUR), Move::Remind)));
    assert_eq!(half.due(OPENED.plus_millis(4 * HOUR - 1)), None);
    assert_eq!(half.due(OPENED.plus_millis(4 * HOUR)).map(|step| step.kind), Some(Kind::Escalated));
    // At the same time the final word comes first, and nothing follows it.
    let whole = at(1.0);
    assert_eq!(whole.deadline(), Some((OPENED.plus_millis(8 * HOUR), Move::Expire)));
}
