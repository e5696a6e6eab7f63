//! What becomes of the held decision: ann claims it, bob's approval of what he saw before is stale, ann rejects it. Of the
//! record that is no event nobody takes care: time escalates its case and ends it. All of it is in the chain of lane 2.

use jidoka::audit::{Change, Ordered, Refused, VerdictPlace, write_change, write_refused};
use jidoka::case::{Action, Case, CaseReader, Command, CommandBounds, CommandId, CommandsMax, Refusal, State, Step};
use jidoka::progress::LaneProgress;

use super::*;

const MAX: CommandsMax = CommandsMax(1_000);

fn case(json: &str) -> Case {
    CaseReader::default().read(json.as_bytes(), None).expect("a case")
}

/// The command of an example, which is written as it was read.
fn verdict(json: &str) -> Command<'_> {
    let bounds = CommandBounds { record_bytes: 65_536, text_bytes: 4_096 };
    let command = Command::read(Some(json.as_bytes()), bounds).expect("a command");
    let issued_at = json.split("\"issued_at\":\"").nth(1).and_then(|rest| Timestamp::parse(&rest[..24])).expect("a time");
    assert_eq!(String::from_utf8(written(|out| command.write(out, issued_at))).expect("text"), json);
    command
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time")
}

fn assert_case(case: &Case, name: &str) {
    assert_is(name, &written(|out| case.write(out)));
}

/// A lane that writes entries.
struct Writer(Chain);

impl Writer {
    fn new() -> Self {
        Self(Chain::resume("lane/2".to_owned(), None))
    }

    /// A command that was at `offset`, applied at `at`, signed by `key`.
    fn apply(&mut self, case: &mut Case, command: &Command<'_>, (offset, at, key): (i64, &str, Option<&str>), name: &str) {
        let step = case.judge(command, MAX).expect("a command that may be");
        case.take(step, command, time(at));
        let id = command.id.to_string();
        let ordered = Ordered {
            command_id: &id,
            verdict: VerdictPlace { partition: 2, offset },
            reviewer: &command.reviewer,
            channel: command.channel.as_deref(),
            signed_by: key,
        };
        let texts = [command.text.as_deref(), command.corrected, command.judgement.as_deref()];
        self.write(case, step, (Some(ordered), command.code.as_deref(), texts), (at, name));
    }

    fn pass(&mut self, case: &mut Case, at: &str, name: &str) {
        assert_eq!(case.due(time(at).plus_millis(-1)), None);
        let step = case.due(time(at)).expect("something is due");
        case.take_timed(step, time(at));
        self.write(case, step, (None, Some("sla"), [None; 3]), (at, name));
    }

    fn write(
        &mut self,
        case: &mut Case,
        step: Step,
        (ordered, reason, [text, corrected, judgement]): (Option<Ordered<'_>>, Option<&str>, [Option<&str>; 3]),
        (at, name): (&str, &str),
    ) {
        let change = Change {
            decision_id: case.decision_id,
            seq: case.seq,
            kind: step.kind.as_str(),
            at: time(at),
            prev: case.entry_hash,
            chain: self.0.next(),
            ordered,
            state: step.to.as_str(),
            previous_state: step.from.as_str(),
            reason,
            band: case.band.as_str(),
            assignee: case.assignee.as_deref(),
            groups: &case.groups,
            salt: &case.opened.salt,
            text,
            corrected,
            judgement,
        };
        let entry = written(|out| write_change(out, &change));
        assert_is(name, &entry);
        let hash = entry_hash(&entry);
        self.0.advance(hash);
        case.seal(step.kind, hash);
    }
}

#[test]
fn reviews_are_the_examples() {
    let [approve, reject] = ["verdict.approve.json", "verdict.reject.json"].map(example);
    let (approve, reject) = (verdict(&approve), verdict(&reject));
    let (mut lane, mut case) = (Writer::new(), case(&example("case.held.json")));
    let claim = Command {
        id: CommandId::parse("3f2504e0-4f89-41d3-9a0c-0305e82c3301").expect("an id"),
        action: Action::Claim,
        reviewer: "ann".into(),
        code: None,
        ..approve.clone()
    };
    lane.apply(&mut case, &claim, (0, "2026-01-05T10:50:00.125Z", Some("console")), "audit-entry.claimed.json");
    assert_case(&case, "case.under-review.json");

    assert_eq!(case.judge(&approve, MAX), Err(Refusal::Stale));
    let refused = Refused {
        decision_id: Some(approve.decision_id),
        at: time("2026-01-05T10:51:00.000Z"),
        reviewer: Some(&approve.reviewer),
        command_id: Some(&approve.id.to_string()),
        verdict: VerdictPlace { partition: 2, offset: 1 },
        action: Some(approve.action.as_str()),
        error: Refusal::Stale.as_str(),
        channel: approve.channel.as_deref(),
        signed_by: None,
    };
    assert_eq!(refused.key(), "refused/2/1");
    let entry = written(|out| write_refused(out, &refused, &lane.0.next()));
    assert_is("audit-entry.refused.json", &entry);
    lane.0.advance(entry_hash(&entry));

    lane.apply(&mut case, &reject, (2, "2026-01-05T10:55:00.750Z", Some("console")), "audit-entry.rejected.json");
    assert_case(&case, "case.closed.json");

    let mut unreadable = self::case(&example("case.unreadable.json"));
    lane.pass(&mut unreadable, "2026-01-05T11:16:42.500Z", "audit-entry.escalated.json");
    lane.pass(&mut unreadable, "2026-01-05T11:46:42.500Z", "audit-entry.expired.json");
    assert_eq!((unreadable.state, unreadable.deadline()), (State::Expired, None));

    let progress = LaneProgress {
        applied_through: 2,
        sha256: Some(Hash::of(example("verdict.reject.json").as_bytes())),
        appended_at: Some(time("2026-01-05T10:55:00.750Z")),
        chain: lane.0.head(),
        at: unreadable.closed_at,
    };
    assert_is("progress.lane.json", &written(|out| progress.write(out)));
    assert_eq!(LaneProgress::read(example("progress.lane.json").as_bytes()), Ok(progress));
}

/// Had nobody claimed it, bob's approval would have been the final word, or where two must approve a vote.
#[test]
fn an_approval_is_the_examples() {
    let (json, held) = (example("verdict.approve.json"), example("case.held.json"));
    let approve = verdict(&json);
    let mut two = case(&held.replace("\"quorum\":1", "\"quorum\":2"));
    Writer::new().apply(&mut two, &approve, (0, "2026-01-05T10:51:00.000Z", None), "audit-entry.voted.json");
    assert!(two.state.is_open());

    let mut one = case(&held);
    let at = time("2026-01-05T10:51:00.000Z");
    let step = one.judge(&approve, MAX).expect("a member may");
    one.take(step, &approve, at);
    assert_is("disposition.approved.json", &written(|out| one.write_disposition(out, at)));
}

/// Computed without this program, as in `entries_hash_as_any_verifier_hashes_them`.
#[test]
fn the_lanes_entries_hash_as_any_verifier_hashes_them() {
    let hashes = [
        ("audit-entry.claimed.json", "73ced0d39bba6867c6c979159ac79c89fc16f88b8822bcbc9bb3e55dbb2363e5"),
        ("audit-entry.refused.json", "15ff55cc34b0a09d5f4178ccbd95588fa381dc839a682d11d1e216c91e2e8565"),
        ("audit-entry.rejected.json", "44ee6cc18bd8216401099073cde4d2c54824f4a0dbac17733ec15bab324fc941"),
        ("audit-entry.escalated.json", "1271bf4c8c4c86e060f5eda01bdd4dc4c463ae7b7b826c03fe853ce154fc2679"),
        ("audit-entry.expired.json", "1f68d9ace4f3e94d0f056faaafe0eaeffc8df4608329581f9ba7b391d95f84fa"),
    ];
    let mut before: Option<&str> = None;
    for (name, hash) in hashes {
        let text = example(name);
        assert_eq!(entry_hash(text.as_bytes()).to_string(), hash, "{name}");
        let named = before.map_or("null".to_owned(), |before| format!("\"{before}\""));
        assert!(text.contains(&format!("\"prev\":{named}}},\"actor\"")), "{name} names its predecessor");
        before = Some(hash);
    }
}

/// By which an entry commits to a text: `printf '…' | sha256sum`, where … is the salt, a zero byte and the text, worked as in
/// `audit::change`.
#[test]
fn texts_are_committed_to_by_their_salted_hash() {
    let entry = example("audit-entry.rejected.json");
    let mut text = SALT.to_vec();
    text.extend_from_slice("\0The “income” was read from the wrong year.".as_bytes());
    assert!(entry.contains(&format!("\"text_sha256\":\"{}\"", Hash::of(&text))));
    let corrected = [&SALT[..], b"\0\"<=50K\""].concat();
    assert!(entry.ends_with(&format!("\"corrected_sha256\":\"{}\"}}", Hash::of(&corrected))));
    assert!(!entry.contains("income") && !entry.contains("50K"), "nothing of what was written is in the entry");
}
