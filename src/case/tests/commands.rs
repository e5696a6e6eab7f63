//! Reading verdicts: anybody may write to the topic.

use proptest::prelude::*;

use super::*;

const BOUNDS: CommandBounds = CommandBounds { record_bytes: 65_536, text_bytes: 4_096 };
const ID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

/// An approval that has every member there is.
fn approval() -> Value {
    json!({
        "command_id": ID,
        "decision_id": "925ab795168fdc48291233198923001a",
        "action": "approve",
        "seen": {"seq": 3, "hash": "ab".repeat(32)},
        "reviewer": {"id": "ann", "groups": ["underwriting", "seniors"]},
        "reason": {"code": "confirmed", "text": "fine"},
        "judgement": null,
        "corrected": null,
        "to": null,
        "issued_at": "2026-01-05T10:50:00Z",
        "channel": "cli",
        "unknown": {"is": ["ignored"]},
    })
}

fn with(changes: &[(&str, Value)]) -> Value {
    let mut json = approval();
    for (at, value) in changes {
        let (parent, name) = at.rsplit_once('/').expect("a pointer");
        json.pointer_mut(parent).expect("a parent")[name] = value.clone();
    }
    json
}

fn refusal(json: &str) -> Option<Refusal> {
    Command::read(Some(json.as_bytes()), BOUNDS).err().map(|unread| unread.refusal)
}

#[test]
fn a_command_is_read_whole() {
    let json =
        with(&[("/action", "reject".into()), ("/corrected", json!({"a": [1.50]})), ("/command_id", ID.to_uppercase().into())]);
    let json = json.to_string().replace("1.5", "1.50");
    let command = Command::read(Some(json.as_bytes()), BOUNDS).expect("a command");
    assert_eq!((command.id.to_string().as_str(), command.action), (ID, Action::Reject));
    assert_eq!(command.seen, Some(View { seq: 3, hash: Hash([0xab; 32]) }));
    assert_eq!((&*command.reviewer, command.groups.join("+")), ("ann", "underwriting+seniors".to_owned()));
    assert_eq!((command.code.as_deref(), command.text.as_deref()), (Some("confirmed"), Some("fine")));
    assert_eq!((command.corrected, command.channel.as_deref()), (Some(r#"{"a":[1.50]}"#), Some("cli")));
    let borrowed = [&command.reviewer, &command.groups[0]].map(|text| matches!(text, std::borrow::Cow::Borrowed(_)));
    assert_eq!(borrowed, [true, true], "text without escapes is not copied");
}

#[test]
fn escapes_are_read_and_null_is_absent() {
    let json = with(&[("/reviewer/id", "a\"ü".into()), ("/reason", Value::Null), ("/reviewer/groups", Value::Null)]);
    let command = Command::read(Some(json.to_string().as_bytes()), BOUNDS)
        .map(|command| (command.reviewer.into_owned(), command.groups.len(), command.code.is_some()));
    assert_eq!(command.expect("a command"), ("a\"ü".to_owned(), 0, false));
}

#[test]
fn what_an_action_needs_must_be_there() {
    let action = |action: &str, changes: &[(&str, Value)]| {
        let changes = [&[("/action", action.into())], changes].concat();
        refusal(&with(&changes).to_string())
    };
    let (malformed, null) = (Some(Refusal::Malformed), Value::Null);
    for word in ["approve", "reject", "escalate"] {
        assert_eq!(action(word, &[]), None, "{word}");
        assert_eq!(action(word, &[("/seen", null.clone())]), malformed, "{word} must say what was seen");
    }
    for word in ["claim", "unclaim", "comment", "unmask", "cancel"] {
        assert_eq!(action(word, &[("/seen", null.clone())]), None, "{word}");
    }
    assert_eq!(action("judge", &[]), malformed);
    assert_eq!(action("judge", &[("/judgement", ">50K".into())]), None);
    assert_eq!(action("reassign", &[]), malformed);
    assert_eq!(action("comment", &[("/reason", json!({"code": "confirmed"}))]), malformed);
    for (to, told) in
        [("kit", None), ("user:kit", None), ("group:g", None), ("user:", malformed), ("group:", malformed), ("", malformed)]
    {
        assert_eq!(action("reassign", &[("/to", to.into())]), told, "{to:?}");
    }
    // A case goes up to a group, not to a person.
    for (to, told) in [("experts", None), ("group:experts", None), ("user:kit", malformed), ("group:", malformed)] {
        assert_eq!(action("escalate", &[("/to", to.into())]), told, "{to:?}");
    }
    for word in Action::ALL.map(Action::as_str) {
        let changes = [("/corrected", json!(1)), ("/judgement", "x".into()), ("/to", "kit".into())];
        let expected = if word == "reject" { None } else { malformed };
        assert_eq!(action(word, &changes), expected, "`corrected` with {word}");
    }
}

#[test]
fn what_is_no_command_is_malformed() {
    let text = approval().to_string();
    let long = "x".repeat(257);
    for json in [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        text.clone() + "}",
        format!("\u{feff}{text}"),
        text.replace("\"action\"", "\"channel\":\"x\",\"action\""),
        text.replace("\"seq\":3", "\"seq\":3,\"seq\":3"),
        text.replace("\"seq\":3", "\"seq\":-3"),
        text.replace("\"seq\":3", "\"seq\":3.0"),
        text.replace("\"seq\":3", "\"seq\":1e400"),
        text.replace("\"seq\":3", "\"seq\":18446744073709551616"),
        text.replace("fine", "\\ud800"),
        with(&[("/command_id", "3f2504e04f8941d39a0c0305e82c3301".into())]).to_string(),
        with(&[("/command_id", "{3f2504e0-4f89-41d3-9a0c-0305e82c330}".into())]).to_string(),
        with(&[("/command_id", 7.into())]).to_string(),
        with(&[("/decision_id", "925AB795168fdc48291233198923001a".into())]).to_string(),
        with(&[("/action", "Approve".into())]).to_string(),
        with(&[("/reviewer", "ann".into())]).to_string(),
        with(&[("/reviewer/id", "".into())]).to_string(),
        with(&[("/reviewer/id", "a\nb".into())]).to_string(),
        with(&[("/reviewer/id", long.clone().into())]).to_string(),
        with(&[("/reviewer/groups", json!(["g", null]))]).to_string(),
        with(&[("/reviewer/groups", json!(vec!["g"; 65]))]).to_string(),
        with(&[("/reason/code", long.clone().into())]).to_string(),
        with(&[("/channel", "\u{85}".into())]).to_string(),
        with(&[("/to", long.into())]).to_string(),
        with(&[("/seen/hash", "AB".repeat(32).into())]).to_string(),
        with(&[("/issued_at", "today".into())]).to_string(),
    ] {
        assert_eq!(refusal(&json), Some(Refusal::Malformed), "{json}");
    }
    assert_eq!(Command::read(None, BOUNDS).err().map(|unread| unread.refusal), Some(Refusal::Malformed));
}

#[test]
fn what_is_longer_than_allowed_is_too_large_but_only_if_it_is_a_command() {
    let long = "é".repeat(2_049);
    let comment = |text: &str| with(&[("/action", "comment".into()), ("/reason/text", text.into())]).to_string();
    let judge = with(&[("/action", "judge".into()), ("/judgement", long.clone().into())]).to_string();
    let reject = with(&[("/action", "reject".into()), ("/corrected", long.clone().into())]).to_string();
    let padded = with(&[("/unknown", "x".repeat(65_536).into())]).to_string();
    for json in [comment(&long), judge, reject, padded] {
        assert_eq!(refusal(&json), Some(Refusal::TooLarge));
        assert_eq!(refusal(&json.replace("\"ann\"", "\"\"")), Some(Refusal::Malformed));
    }
    assert_eq!(refusal(&comment(&"é".repeat(2_048))), None);
}

/// A REFUSED entry says as much as can be known.
#[test]
fn of_what_is_refused_the_rest_is_still_told() {
    let json = approval().to_string().replace("\"action\"", "\"to\":\"kit\",\"action\"");
    let unread = Command::read(Some(json.as_bytes()), BOUNDS).expect_err("`to` stands twice");
    assert_eq!(unread.id, CommandId::parse(ID));
    assert_eq!(unread.decision_id.map(|id| id.to_string()).as_deref(), Some("925ab795168fdc48291233198923001a"));
    assert_eq!(
        (unread.action, unread.reviewer.as_deref(), unread.channel.as_deref()),
        (Some(Action::Approve), Some("ann"), Some("cli"))
    );
    // But nothing that would be no name.
    let json =
        with(&[("/reviewer/id", "a\nb".into()), ("/channel", "x".repeat(300).into()), ("/action", "x".into())]).to_string();
    let unread = Command::read(Some(json.as_bytes()), BOUNDS).expect_err("no name");
    assert_eq!((unread.action, unread.reviewer, unread.channel), (None, None, None));
    let nothing =
        Unread { refusal: Refusal::Malformed, decision_id: None, id: None, action: None, reviewer: None, channel: None };
    for bytes in [None, Some(&b"\xff{"[..]), Some(b"{\"action\":")] {
        assert_eq!(Command::read(bytes, BOUNDS).expect_err("no JSON"), nothing);
    }
}

#[test]
fn deep_nesting_ends_nothing() {
    for depth in [100, 10_000, 1_000_000] {
        let deep = "[".repeat(depth) + &"]".repeat(depth);
        for member in ["unknown", "corrected", "reason", "seen"] {
            let json = approval().to_string().replace("\"reviewer\"", &format!("\"{member}_\":{deep},\"reviewer\""));
            for json in [json.replace(&format!("{member}_"), member), json] {
                let unread = Command::read(Some(json.as_bytes()), BOUNDS).err();
                let told = unread.as_ref().map(|unread| unread.refusal);
                assert!(matches!(told, None | Some(Refusal::Malformed | Refusal::TooLarge)), "{depth} in {member}: {told:?}");
            }
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("x".repeat(5_000))),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z]{1,6}", inner, 0..4).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// One of the members, at any depth.
const PLACES: [&str; 14] = [
    "/command_id",
    "/decision_id",
    "/action",
    "/seen",
    "/seen/seq",
    "/seen/hash",
    "/reviewer",
    "/reviewer/id",
    "/reviewer/groups",
    "/reason",
    "/reason/code",
    "/judgement",
    "/issued_at",
    "/unknown",
];

proptest! {
    #[test]
    fn any_bytes_are_classified(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let refusal = Command::read(Some(&bytes), BOUNDS).err().map(|unread| unread.refusal);
        prop_assert_eq!(refusal, Some(Refusal::Malformed));
    }

    /// Bytes of a command changed, left out or repeated: whatever is still read has good names, and nothing panics.
    #[test]
    fn damaged_commands_are_classified(at in any::<prop::sample::Index>(), with in any::<[u8; 3]>(), cut in 0..40_usize) {
        let mut bytes = approval().to_string().into_bytes();
        let at = at.index(bytes.len());
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, with);
        match Command::read(Some(&bytes), BOUNDS) {
            Ok(command) => prop_assert!(!command.reviewer.is_empty() && command.groups.iter().all(|group| !group.is_empty())),
            Err(unread) => prop_assert_eq!(unread.refusal, Refusal::Malformed),
        }
    }

    #[test]
    fn members_of_any_type_are_classified(place in prop::sample::select(&PLACES[..]), value in any_json()) {
        let json = with(&[(place, value)]).to_string();
        if let Err(unread) = Command::read(Some(json.as_bytes()), BOUNDS) {
            prop_assert!(matches!(unread.refusal, Refusal::Malformed | Refusal::TooLarge), "{json}");
            prop_assert!(unread.reviewer.is_none_or(|name| !name.is_empty() && name.len() <= 256));
        }
    }
}
