//! The decoder against another reader of JSON: whatever is thrown at both, they agree on what is JSON and what it says.

use std::fmt::Write as _;
use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::{Code, Decoder, Event, Limits, Plan, Slot, Value};

/// Names of the members that the generated events may have and the plan has: some need escapes, some share their ends.
const NAMES: [&str; 8] =
    ["age", "pay_amt1", "pay_amt2", "", "é\"\\", "a\tb", "a-long-name-1-of-a-feature", "a-long-name-2-of-a-feature"];

struct Planned {
    decoder: Decoder,
    features: [Slot; 8],
    probabilities: [Slot; 8],
    protected: [Slot; 8],
    explanation: [Slot; 8],
}

fn planned() -> Planned {
    let mut plan = Plan::default();
    let features = NAMES.map(|name| plan.feature(name));
    let probabilities = NAMES.map(|name| plan.probability(name));
    let protected = NAMES.map(|name| plan.protected(name));
    let explanation = NAMES.map(|name| plan.explanation(name));
    Planned { decoder: Decoder::new(Arc::new(plan), Limits::default()), features, probabilities, protected, explanation }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z0-9_<>=.-]{0,12}", 1 => "\\PC{0,30}", 1 => "[\\x00-\\x20\"\\\\/\u{7f}é😀]{0,20}"]
}

fn number() -> impl Strategy<Value = Json> {
    prop_oneof![any::<i64>().prop_map(Json::from), (-1e6..1e6_f64).prop_map(Json::from), any::<u8>().prop_map(Json::from)]
}

fn share() -> impl Strategy<Value = Json> {
    prop_oneof![8 => (0.0..=1.0_f64).prop_map(Json::from), 1 => Just(json!(1)), 1 => Just(Json::Null)]
}

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![number(), text().prop_map(Json::from), any::<bool>().prop_map(Json::from), Just(Json::Null)]
}

/// Any JSON that keeps far from the limits.
fn anything() -> impl Strategy<Value = Json> {
    scalar().prop_recursive(4, 24, 5, |inner| {
        prop_oneof![vec(inner.clone(), 0..5).prop_map(Json::from), object(text(), inner).prop_map(Json::from)]
    })
}

fn object(key: impl Strategy<Value = String>, value: impl Strategy<Value = Json>) -> impl Strategy<Value = Json> {
    btree_map(key, value, 0..6).prop_map(|members| Json::Object(members.into_iter().collect()))
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![3 => prop::sample::select(&NAMES[..]).prop_map(str::to_owned), 1 => text()]
}

fn or_null(value: impl Strategy<Value = Json>) -> impl Strategy<Value = Json> {
    prop_oneof![6 => value, 1 => Just(Json::Null)]
}

fn model() -> impl Strategy<Value = Json> {
    (text(), or_null(text().prop_map(Json::from)), anything())
        .prop_map(|(name, version, other)| json!({"name": format!("m{name}"), "version": version, "framework": other}))
}

/// One optional member of an event.
fn member() -> impl Strategy<Value = (String, Json)> {
    let texts = prop::sample::select(&["subject_id", "requested_by", "currency", "action"][..]);
    let evidence = vec((text(), or_null(text().prop_map(Json::from))), 0..4)
        .prop_map(|items| items.into_iter().map(|(uri, sha256)| json!({"uri": uri, "sha256": sha256, "n": 1})).collect::<Json>());
    let named = |name: &str, value: BoxedStrategy<Json>| (Just(name.to_owned()), or_null(value));
    prop_oneof![
        3 => (texts.prop_map(str::to_owned), or_null(text().prop_map(Json::from))),
        1 => named("timestamp", "20[0-9]{2}-0[1-9]-[012][1-8]T[01][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]0[0-9]:30)".prop_map(Json::from).boxed()),
        3 => named("features", object(name(), scalar()).boxed()),
        2 => named("probabilities", object(name(), share()).boxed()),
        2 => named("protected", object(name(), or_null(text().prop_map(Json::from))).boxed()),
        1 => named("explanation", object(name(), or_null(number())).boxed()),
        1 => named("flags", vec(text().prop_map(Json::from), 0..5).prop_map(Json::from).boxed()),
        1 => named("evidence", evidence.boxed()),
        1 => named("confidence", share().boxed()),
        1 => named("amount", number().boxed()),
        2 => ("x_[a-z\"\\\\é]{0,9}", anything()),
    ]
}

/// A good event, its members in any order.
fn event() -> impl Strategy<Value = Map<String, Json>> {
    let id = text().prop_map(|text| json!(format!("e{}", text.replace(char::is_control, ""))));
    let prediction = scalar().prop_filter("an outcome must be there", |value| !value.is_null());
    let required = (id, model(), prediction);
    (required, vec(member(), 0..14))
        .prop_map(|((id, model, prediction), optional)| {
            let mut members: Vec<(String, Json)> =
                vec![("event_id".into(), id), ("model".into(), model), ("prediction".into(), prediction)];
            members.extend(optional);
            members
        })
        .prop_shuffle()
        .prop_map(|members| members.into_iter().collect())
}

/// Writes `json` in one of the many ways that mean the same: `choices` decide about spaces and escapes.
fn written(json: &Json, choices: &mut impl Iterator<Item = u8>, out: &mut String) {
    let space = |out: &mut String, choice: Option<u8>| {
        out.push_str(["", "", "", "", " ", "\n", "\t\r", "  "][usize::from(choice.unwrap_or(0) % 8)]);
    };
    space(out, choices.next());
    match json {
        Json::Array(elements) => {
            out.push('[');
            for (n, element) in elements.iter().enumerate() {
                out.push_str(if n > 0 { "," } else { "" });
                written(element, choices, out);
            }
            space(out, choices.next());
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (n, (key, value)) in members.iter().enumerate() {
                out.push_str(if n > 0 { "," } else { "" });
                space(out, choices.next());
                written_string(key, choices, out);
                space(out, choices.next());
                out.push(':');
                written(value, choices, out);
            }
            out.push('}');
        }
        Json::String(text) => written_string(text, choices, out),
        other => out.push_str(&other.to_string()),
    }
    space(out, choices.next());
}

fn written_string(text: &str, choices: &mut impl Iterator<Item = u8>, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        match char {
            _ if choices.next().is_some_and(|choice| choice < 16) => {
                let mut units = [0; 2];
                char.encode_utf16(&mut units).iter().for_each(|unit| write!(out, "\\u{unit:04X}").unwrap());
            }
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '"' | '\\' => {
                let quoted = json!(char).to_string();
                out.push_str(&quoted[1..quoted.len() - 1]);
            }
            _ => out.push(char),
        }
    }
    out.push('"');
}

fn assert_value(found: Value<'_>, expected: Option<&Json>) {
    match (found, expected.unwrap_or(&Json::Null)) {
        (Value::Missing, Json::Null) => {}
        (Value::Bool(found), Json::Bool(expected)) => assert_eq!(found, *expected),
        (Value::Text(found), Json::String(expected)) => assert_eq!(found, expected),
        (Value::Number { value, text }, Json::Number(expected)) => {
            assert_eq!(text, expected.to_string());
            assert_eq!(Some(value), text.parse().ok());
        }
        (found, expected) => panic!("{found:?} is not {expected}"),
    }
}

fn assert_same(event: Event<'_>, expected: &Json) {
    let text = |name: &str| expected.get(name).and_then(Json::as_str);
    assert_eq!(Some(event.event_id()), text("event_id"));
    assert_eq!(Some(event.model_name()), expected["model"]["name"].as_str());
    assert_eq!(event.model_version(), expected["model"]["version"].as_str());
    assert_eq!(event.timestamp(), text("timestamp").and_then(crate::identity::Timestamp::parse));
    let found = [event.subject_id(), event.requested_by(), event.currency(), event.action()];
    assert_eq!(found, ["subject_id", "requested_by", "currency", "action"].map(text));
    assert_value(event.prediction(), expected.get("prediction"));
    assert_value(event.amount(), expected.get("amount"));
    let confidence = expected.get("confidence").filter(|value| !value.is_null());
    assert_eq!(event.confidence_text(), confidence.map(Json::to_string).as_deref());
    assert_eq!(event.confidence(), confidence.and_then(Json::as_f64));
    let flags: Vec<&str> =
        expected.get("flags").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
    assert_eq!(event.flags().collect::<Vec<_>>(), flags);
    let probabilities = expected.get("probabilities").and_then(Json::as_object);
    let given = probabilities.into_iter().flatten().filter_map(|(label, value)| Some((label.as_str(), value.as_f64()?)));
    assert_eq!(event.probabilities().collect::<Vec<_>>(), given.collect::<Vec<_>>());
}

proptest! {
    #[test]
    fn every_good_event_is_read_as_it_was_meant(event in event(), choices in vec(any::<u8>(), 0..4_000)) {
        let expected = Json::Object(event);
        let mut text = String::new();
        written(&expected, &mut choices.into_iter(), &mut text);
        assert!(serde_json::from_str::<Json>(&text).is_ok(), "the generator writes what is no JSON: {text}");
        let Planned { mut decoder, features, probabilities, protected, explanation } = planned();
        let decoded = decoder.decode(text.as_bytes());
        let event = decoded.unwrap_or_else(|unreadable| panic!("{unreadable}: {text}"));
        assert_same(event, &expected);
        for (map, slots) in [("features", features), ("probabilities", probabilities), ("protected", protected), ("explanation", explanation)] {
            for (name, slot) in NAMES.into_iter().zip(slots) {
                assert_value(event.slot(slot), expected.get(map).and_then(|map| map.get(name)));
            }
        }
    }

    #[test]
    fn what_is_broken_is_refused_by_both(event in event(), hits in vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..4)) {
        let mut bytes = serde_json::to_vec(&event).expect("JSON");
        for (place, byte, kind) in hits {
            let at = place.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"{}[]\",:0-.eE\\utfn "[usize::from(byte) % 18]),
            }
        }
        agree(&bytes);
    }

    #[test]
    fn what_is_nearly_json_is_judged_alike(text in "[\\[\\]{}\",:0-9.eE+\\\\utrfalsn \\x00-\\x20é-]{0,40}", number in "-?[0-9]{0,20}(\\.[0-9]{0,20})?([eE][+-]?[0-9]{0,4})?") {
        agree(text.as_bytes());
        agree(number.as_bytes());
        agree(format!("{{\"event_id\":\"e\",\"model\":{{\"name\":\"m\"}},\"prediction\":{number},\"x\":{text}}}").as_bytes());
        agree(format!("{{\"event_id\":\"e\",\"model\":{{\"name\":\"m\"}},\"prediction\":\"{text}\"}}").as_bytes());
    }

    #[test]
    fn numbers_are_their_nearest_doubles(number in "-?(0|[1-9][0-9]{0,21})(\\.[0-9]{1,21})?([eE][+-]?[0-9]{1,3})?") {
        let text = format!("{{\"event_id\":\"e\",\"model\":{{\"name\":\"m\"}},\"prediction\":{number}}}");
        let mut decoder = planned().decoder;
        match (decoder.decode(text.as_bytes()), number.parse::<f64>()) {
            (Ok(event), Ok(value)) => assert_eq!(event.prediction(), Value::Number { value, text: &number }),
            (Err(unreadable), Ok(value)) => assert!(unreadable.code == Code::OutOfRange && value.is_infinite(), "{unreadable}: {number}"),
            (_, Err(error)) => panic!("{error}: {number}"),
        }
    }

    #[test]
    fn an_object_with_a_repeated_key_is_refused_wherever_it_is(keys in vec(name(), 0..9), choices in vec(any::<u8>(), 0..400), place in 0..4_usize) {
        let mut choices = choices.into_iter();
        let members = keys.iter().map(|key| {
            let mut member = String::new();
            written_string(key, &mut choices, &mut member);
            member + ":null"
        });
        let object = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
        let (before, after) = [("\"features\":", ""), ("\"protected\":", ""), ("\"evidence\":[{},", "]"), ("\"x\":[[{\"y\":", "}]]")][place];
        let text = format!("{{\"event_id\":\"e\",\"model\":{{\"name\":\"m\"}},\"prediction\":1,{before}{object}{after}}}");
        let repeated = keys.iter().collect::<std::collections::BTreeSet<_>>().len() < keys.len();
        let mut decoder = planned().decoder;
        let code = decoder.decode(text.as_bytes()).map_or_else(|unreadable| Some(unreadable.code), |_| None);
        assert_eq!(code, repeated.then_some(Code::DuplicateKey), "{text}");
    }

    #[test]
    fn any_bytes_are_judged_alike(bytes in vec(any::<u8>(), 0..64)) {
        agree(&bytes);
    }
}

/// Both take `bytes` for JSON, or neither does. A number beyond a double is no JSON to the other reader, and to this one no
/// event; what stands behind it, or behind a limit, only one of them sees.
fn agree(bytes: &[u8]) {
    let mut decoder = planned().decoder;
    let code = decoder.decode(bytes).map_or_else(|unreadable| Some(unreadable.code), |_| None);
    let shown = String::from_utf8_lossy(bytes);
    match (serde_json::from_slice::<Json>(bytes), code) {
        (_, Some(Code::TooDeep | Code::TooManyFields)) => {}
        (Ok(_), _) => assert!(!matches!(code, Some(Code::NotJson | Code::Empty | Code::TooLarge)), "{code:?}: {shown}"),
        (Err(error), _) if error.to_string().starts_with("number out of range") => assert!(code.is_some(), "{shown}"),
        (Err(error), _) => assert!(matches!(code, Some(Code::NotJson | Code::Empty)), "{code:?}, {error}: {shown}"),
    }
}
