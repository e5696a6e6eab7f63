//! The crew on cases in memory: what they order is what the sidecar's own rules allow, and it ends.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::audit::entry_hash;
use crate::case::{Case, CaseReader, Command, CommandBounds, CommandsMax, State};
use crate::policy::FallbackReview;

const BOUNDS: CommandBounds = CommandBounds { record_bytes: 65_536, text_bytes: 4_096 };

/// A case as the gate opens it.
fn opened(number: usize, band: &str, groups: &str, blind: bool) -> String {
    format!(
        r#"{{"decision_id":"{number:032x}","lane":1,"event_id":"e-{number}","source":"inference","row":0,"conflicts_with":null,"state":"PENDING",
        "seq":0,"view":{{"seq":0,"hash":"{hash}"}},"entry_hash":"{hash}","band":"{band}","score":50,"salt":"{salt}","subject_id":"S1",
        "requested_by":null,"amount":null,"findings":[{{"trigger":"low-confidence","kind":"confidence","sentence":"s","value":0.5,"limit":0.6,"details":null}}],
        "event":{{"prediction":"a","probabilities":{{"a":0.5,"b":0.5}}}},"model":{{"name":"m","version":null}},
        "policy":{{"name":"p","version":null,"hash":null}},"review":{{"groups":["{groups}"],"leads":["{leads}"],"quorum":1,"lease":"15m",
        "escalate_at":0.5,"reasons":["model-wrong","confirmed"],"blind":{blind}}},"opened_at":"2026-01-05T10:00:00.{:03}Z","due_at":"2026-01-05T20:00:00.000Z",
        "assignee":null,"lease_until":null,"groups":["{groups}"],"votes":[],"escalations":0,"escalated_at":null,"judgements":[],"comments":[],
        "commands":[],"closed_at":null}}"#,
        number % 1_000,
        leads = if groups == "credit" { "credit-leads" } else { "underwriting-leads" },
        hash = "ab".repeat(32),
        salt = "cd".repeat(16),
    )
}

/// What the sidecar does, without its log.
struct Office {
    cases: BTreeMap<String, Case>,
    done: Vec<(Action, String)>,
}

impl Office {
    fn open(&mut self, desk: &mut Desk, record: &str) {
        let case = CaseReader::default().read(record.as_bytes(), None).expect("a case");
        desk.see(record.as_bytes()).expect("a case");
        self.cases.insert(String::from_utf8(case.decision_id.hex().to_vec()).expect("hex"), case);
    }

    fn apply(&mut self, desk: &mut Desk, person: &Person, order: &Order) {
        let id = CommandId::of_random([u8::try_from(self.done.len() % 256).expect("below 256"); 16]);
        let text = command(id, person, order, "2026-01-05T10:00:00.000Z");
        let command = Command::read(Some(text.as_bytes()), BOUNDS).expect("a command");
        let case = self.cases.get_mut(&order.decision_id).expect("a case that is there");
        let step = case.judge(&command, CommandsMax(1_000)).expect("nothing that is refused");
        case.take(step, &command, Timestamp(1_767_610_800_000));
        case.seal(step.kind, entry_hash(text.as_bytes()));
        self.done.push((order.action, person.name.to_owned()));
        let mut record = Vec::new();
        case.write(&mut record);
        desk.see(&record).expect("a case");
    }
}

/// Lets the crew work for so many seconds.
fn work(desk: &mut Desk, office: &mut Office, seconds: u64) {
    let mut dice = Dice::seeded();
    let mut crew: Vec<Reviewer> = PEOPLE.iter().map(|person| Reviewer::new(person, &mut dice)).collect();
    for moment in 0..seconds * 50 {
        for reviewer in &mut crew {
            if let Some(order) = reviewer.step(GLANCE * u32::try_from(moment).expect("few"), desk, &mut dice) {
                office.apply(desk, reviewer.person(), &order);
            }
        }
    }
}

#[test]
fn everything_is_decided_in_the_end_and_nothing_is_refused() {
    let (mut desk, mut office) = (Desk::default(), Office { cases: BTreeMap::new(), done: Vec::new() });
    for number in 0..120 {
        let band = BANDS_BY_TURNS[number % 4];
        let groups = ["underwriting", "senior-underwriting", "credit"][number % 3];
        office.open(&mut desk, &opened(number, band, groups, number % 10 == 0));
    }
    work(&mut desk, &mut office, 1_200);
    let states: Vec<State> = office.cases.values().map(|case| case.state).collect();
    assert!(states.iter().all(|state| matches!(state, State::Approved | State::Rejected)), "{states:?}");
    assert!(states.contains(&State::Approved) && states.contains(&State::Rejected));
    let actions: BTreeSet<Action> = office.done.iter().map(|(action, _)| *action).collect();
    let all = [Action::Claim, Action::Judge, Action::Approve, Action::Reject, Action::Escalate, Action::Comment];
    assert_eq!(actions, all.into_iter().collect());
    let people: BTreeSet<&str> = office.done.iter().map(|(_, person)| person.as_str()).collect();
    assert_eq!(people.len(), PEOPLE.len(), "everybody worked");
    assert_eq!(desk.len(), 0, "what is closed is forgotten");
}

const BANDS_BY_TURNS: [&str; 4] = ["low", "normal", "high", "critical"];

#[test]
fn the_most_urgent_is_claimed_first() {
    let mut desk = Desk::default();
    for (number, band) in ["low", "normal", "critical", "high", "critical"].into_iter().enumerate() {
        desk.see(opened(number, band, "credit", false).as_bytes()).expect("a case");
    }
    let mei = &PEOPLE[2];
    let taken: Vec<String> = std::iter::from_fn(|| desk.take(mei).map(|paper| paper.decision_id.clone())).collect();
    assert_eq!(taken, [2, 4, 3, 1, 0].map(|number| format!("{number:032x}")));
    assert!(desk.take(&PEOPLE[0]).is_none(), "another group's");
}

#[test]
fn the_desk_is_bounded_and_keeps_what_is_urgent() {
    let mut desk = Desk::default();
    desk.see(opened(9_999, "critical", "credit", false).as_bytes()).expect("a case");
    for number in 0..3_000 {
        desk.see(opened(number, "low", "credit", false).as_bytes()).expect("a case");
    }
    assert_eq!(desk.len(), 1_000);
    assert_eq!(desk.take(&PEOPLE[2]).expect("it is there").decision_id, format!("{:032x}", 9_999));
}

#[test]
fn a_reviewer_whose_claim_comes_to_nothing_goes_on() {
    let (mut desk, mut dice) = (Desk::default(), Dice::seeded());
    desk.see(opened(1, "low", "credit", false).as_bytes()).expect("a case");
    let mut mei = Reviewer::new(&PEOPLE[2], &mut dice);
    let mut orders = Vec::new();
    for second in 0..60 {
        orders.extend(mei.step(Duration::from_secs(second), &mut desk, &mut dice));
    }
    assert!(orders.len() > 3 && orders.iter().all(|order| order.action == Action::Claim));
    desk.see(opened(1, "low", "credit", false).replace(r#""state":"PENDING""#, r#""state":"EXPIRED""#).as_bytes())
        .expect("a case");
    assert!((60..90).all(|second| mei.step(Duration::from_secs(second), &mut desk, &mut dice).is_none()));
}

/// Somebody of the crew is in every group that the policies of `dev` name, and in those for what no policy covers.
#[test]
fn nothing_that_dev_holds_is_left_to_nobody() {
    let fallback = FallbackReview::default();
    let policies = crate::dev::policies::policies(&fallback).expect("a test reads these files");
    let is_ours = |group: &str| PEOPLE.iter().any(|person| person.groups.contains(&group));
    for review in policies.policies().iter().map(|policy| &policy.review) {
        let groups = review.groups.iter().flat_map(|rule| rule.groups.iter()).chain(&review.leads);
        groups.for_each(|group| assert!(is_ours(group), "{group}"));
    }
    fallback.groups.iter().chain(&fallback.leads).for_each(|group| assert!(is_ours(group), "{group}"));
}
