//! Ours against the interpreter of the `cel` crate, on random expressions and random events.
//!
//! Where the contract says something that CEL does not, both get what means the same: events have no nulls, all their
//! numbers are doubles, and a whole number that meets one of them is written as a double for the oracle (`amount > 3` as
//! `amount > 3.0`).
//!
//! Left out, because the two differ on purpose:
//! - `+` of two features: CEL puts texts together, here it is a failure;
//! - `\d` and its kind: ASCII here and in RE2, Unicode in the crate;
//! - absent `flags`, `evidence` and maps: empty here, unknown names there, so the oracle's events always have them;

use cel::{Context, Program};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::*;

/// One expression, as we and as the oracle write it.
#[derive(Clone, Debug)]
struct Pair {
    ours: String,
    theirs: String,
}

impl Pair {
    fn same(text: impl Into<String>) -> Self {
        let ours = text.into();
        Self { theirs: ours.clone(), ours }
    }

    /// `template` with its `@` replaced by `parts`, in order.
    fn of(template: &str, parts: &[Self]) -> Self {
        let fill = |part: fn(&Self) -> &String| {
            let mut parts = parts.iter();
            let mut pieces = template.split('@');
            let mut filled = pieces.next().unwrap_or_default().to_owned();
            for piece in pieces {
                filled.push_str(part(parts.next().expect("a part for every place")));
                filled.push_str(piece);
            }
            filled
        };
        Self { ours: fill(|pair| &pair.ours), theirs: fill(|pair| &pair.theirs) }
    }
}

fn one_of(texts: &'static [&'static str]) -> BoxedStrategy<Pair> {
    prop::sample::select(texts).prop_map(Pair::same).boxed()
}

/// A number that is written out where an event's number is met.
fn literal() -> BoxedStrategy<Pair> {
    prop_oneof![
        (-3..6_i64).prop_map(|int| Pair { ours: int.to_string(), theirs: format!("{int}.0") }),
        prop::sample::select(&["0.5", "2.5", "-1.5", "0.0", "1e300"][..]).prop_map(Pair::same),
    ]
    .boxed()
}

fn relation() -> BoxedStrategy<&'static str> {
    prop::sample::select(&["@ < @", "@ <= @", "@ > @", "@ >= @", "@ == @", "@ != @"][..]).boxed()
}

/// A number of the event, or computed with one.
fn number() -> BoxedStrategy<Pair> {
    let leaf = one_of(&[
        "amount",
        "event.amount",
        "confidence",
        "explanation.a",
        "probabilities.yes",
        "probabilities['no']",
        "probabilities[prediction]",
        "double(size(flags))",
        "double(features.a)",
        "features.a",
        "features['b-c']",
        "(features.a / 2.0)",
    ]);
    leaf.prop_recursive(2, 6, 2, |inner| {
        let operator = prop::sample::select(&["(@ - @)", "(@ * @)", "(@ / @)"][..]);
        prop_oneof![
            (inner.clone(), prop_oneof![inner.clone(), literal()], operator)
                .prop_map(|(a, b, template)| Pair::of(template, &[a, b])),
            (inner.clone(), literal()).prop_map(|(a, b)| Pair::of("(@ + @)", &[a, b])),
            inner.clone().prop_map(|a| Pair::of("(-@)", &[a])),
            (condition_leaf(), inner.clone(), inner).prop_map(|(c, a, b)| Pair::of("(@ ? @ : @)", &[c, a, b])),
        ]
    })
    .boxed()
}

/// A whole number.
fn int() -> BoxedStrategy<Pair> {
    let leaf = one_of(&[
        "size(flags)",
        "flags.size()",
        "size(evidence)",
        "size(probabilities)",
        "3",
        "0",
        "-2",
        "9223372036854775807",
        "size(action)",
        "timestamp.getHours()",
        "timestamp.getFullYear()",
        "timestamp.getMonth()",
        "timestamp.getDate()",
        "timestamp.getDayOfMonth()",
        "timestamp.getDayOfWeek()",
        "timestamp.getMinutes()",
        "timestamp.getSeconds()",
        "flags.filter(f, f.contains('a')).size()",
        "int(amount)",
        "int(confidence)",
        "size(features.t)",
    ]);
    leaf.prop_recursive(2, 6, 2, |inner| {
        let operator = prop::sample::select(&["(@ + @)", "(@ - @)", "(@ * @)", "(@ / @)", "(@ % @)"][..]);
        (inner.clone(), inner, operator).prop_map(|(a, b, template)| Pair::of(template, &[a, b]))
    })
    .boxed()
}

fn text() -> BoxedStrategy<Pair> {
    one_of(&[
        "action",
        "event.currency",
        "subject_id",
        "model.name",
        "model.version",
        "protected.sex",
        "flags[0]",
        "evidence[0].uri",
        "evidence[1].sha256",
        "'a'",
        "'ab'",
        "''",
        "'ä'",
        "event_id",
        "(amount > 1.0 ? action : 'b')",
    ])
}

/// What may be of any type.
fn dynamic() -> BoxedStrategy<Pair> {
    one_of(&["prediction", "event.prediction", "features.a", "features['b-c']", "features.t", "features.absent"])
}

fn any_literal() -> BoxedStrategy<Pair> {
    prop_oneof![literal(), one_of(&["'a'", "'ab'", "true", "false", "'yes'"])].boxed()
}

fn condition_leaf() -> BoxedStrategy<Pair> {
    prop_oneof![
        2 => one_of(&[
            "true", "false", "has(event.amount)", "has(features.a)", "has(model.version)", "has(event.prediction)", "'a' in features",
            "'yes' in probabilities", "has(protected.sex)", "has(evidence[0].uri)", "features.a", "prediction", "has(event.action)",
        ]),
        1 => one_of(&[
            "timestamp > timestamp('2026-01-05T10:46:41.187Z')", "timestamp == timestamp('2026-01-05T11:46:41.187+01:00')",
            "timestamp - timestamp('2026-01-01T00:00:00Z') > duration('100h')", "timestamp + duration('1h30m') < timestamp('2026-06-01T00:00:00Z')",
        ]),
        1 => one_of(&[
            "flags.exists(f, f == 'a')", "flags.all(f, f.startsWith('a'))", "flags.exists_one(f, f.contains('b'))",
            "flags.exists(f, f == action)", "flags.all(f, amount > 1.0)", "flags.exists(f, f == 'a' || amount > 1.0)",
            "flags.all(f, f != 'a' && amount > 1.0)", "flags.exists_one(f, f == 'a' || amount > 1.0)", "flags.exists(f, f in ['a', action])",
            "evidence.exists(e, e.uri == 'a')", "evidence.all(e, has(e.sha256))", "evidence.exists_one(e, e.sha256 == 'a')",
            "probabilities.exists(p, probabilities[p] > 0.5)", "probabilities.all(p, p == prediction || probabilities[p] < 0.5)",
            "['a', action].exists(x, x in flags)", "[amount, confidence].all(x, x > 0.0)", "flags.filter(f, f == action).size() > 1",
            "probabilities.exists_one(p, probabilities[p] == confidence)",
        ]),
    ]
    .boxed()
}

fn comparison() -> BoxedStrategy<Pair> {
    let tests =
        prop::sample::select(&["@.startsWith(@)", "@.endsWith(@)", "@.contains(@)", "@ == @", "@ != @", "@ < @", "@ >= @"][..]);
    let pattern = prop::sample::select(&["@.matches('^a')", "@.matches('b$')", "@.matches('a|ä')", "@.matches('^.$')"][..]);
    prop_oneof![
        3 => (number(), prop_oneof![literal(), number()], relation()).prop_map(|(a, b, template)| Pair::of(template, &[a, b])),
        1 => (literal(), number(), relation()).prop_map(|(a, b, template)| Pair::of(template, &[a, b])),
        2 => (int(), int(), relation()).prop_map(|(a, b, template)| Pair::of(template, &[a, b])),
        1 => (int(), number(), relation()).prop_map(|(a, b, template)| Pair::of(template, &[a, b])),
        2 => (text(), text(), tests).prop_map(|(a, b, template)| Pair::of(template, &[a, b])),
        1 => (dynamic(), pattern).prop_map(|(a, template)| Pair::of(template, &[a])),
        3 => (dynamic(), prop_oneof![any_literal(), dynamic()], relation()).prop_map(|(a, b, template)| Pair::of(template, &[a, b])),
        1 => (dynamic(), vec(any_literal(), 0..4)).prop_map(|(a, list)| {
            let places = vec!["@"; list.len()].join(", ");
            Pair::of(&format!("@ in [{places}]"), &[vec![a], list].concat())
        }),
        1 => text().prop_map(|a| Pair::of("@ in flags", &[a])),
        1 => text().prop_map(|a| Pair::of("@ in ['a', currency, 'ab']", &[a])),
    ]
    .boxed()
}

fn condition() -> BoxedStrategy<Pair> {
    prop_oneof![condition_leaf(), comparison()]
        .prop_recursive(3, 10, 3, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| Pair::of("(@ && @)", &[a, b])),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| Pair::of("(@ || @)", &[a, b])),
                (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| Pair::of("(@ || @ || @)", &[a, b, c])),
                inner.clone().prop_map(|a| Pair::of("!(@)", &[a])),
                (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| Pair::of("(@ ? (@) : (@))", &[a, b, c])),
            ]
        })
        .boxed()
}

fn few_numbers() -> impl Strategy<Value = Json> {
    prop_oneof![Just(0.0), Just(1.0), Just(-2.5), Just(0.5), -10.0..10.0_f64, Just(1e300)].prop_map(Json::from)
}

fn share() -> impl Strategy<Value = Json> {
    prop_oneof![Just(0.0), Just(1.0), Just(0.5), 0.0..1.0_f64].prop_map(Json::from)
}

fn few_texts() -> impl Strategy<Value = Json> {
    prop::sample::select(&["a", "ab", "b", "", "ä", "yes", "no", "😀"][..]).prop_map(Json::from)
}

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![few_numbers(), few_texts(), any::<bool>().prop_map(Json::from)]
}

fn object(names: &'static [&'static str], value: impl Strategy<Value = Json>) -> impl Strategy<Value = Json> {
    let name = prop::sample::select(names).prop_map(str::to_owned);
    btree_map(name, value, 0..4).prop_map(|members| Json::Object(members.into_iter().collect()))
}

/// An event without nulls, whose numbers are doubles and whose lists and maps are there.
fn event() -> impl Strategy<Value = Json> {
    let item = object(&["uri", "sha256"], few_texts());
    let collections = (
        object(&["a", "b-c", "t"], scalar()),
        object(&["yes", "no", "a"], share()),
        object(&["sex"], few_texts()),
        object(&["a"], few_numbers()),
        vec(few_texts(), 0..4),
        vec(item, 0..3),
    );
    let texts = (option::of(few_texts()), option::of(few_texts()), option::of(few_texts()), option::of(few_texts()));
    let times = prop::sample::select(
        &["2026-01-05T10:46:41.187Z", "1969-12-31T23:59:59.001Z", "2026-07-19T00:00:00Z", "2024-02-29T12:30:15Z"][..],
    );
    let others = (option::of(few_numbers()), option::of(share()), option::of(scalar()), option::of(times));
    (collections, texts, others).prop_map(|(collections, texts, (amount, confidence, prediction, timestamp))| {
        let (features, probabilities, protected, explanation, flags, evidence) = collections;
        let (action, currency, subject_id, version) = texts;
        let mut event = json!({"event_id": "e", "model": {"name": "a"}, "features": features, "probabilities": probabilities,
            "protected": protected, "explanation": explanation, "flags": flags, "evidence": evidence});
        let optional = [
            ("action", action),
            ("currency", currency),
            ("subject_id", subject_id),
            ("amount", amount),
            ("confidence", confidence),
            ("prediction", prediction),
            ("timestamp", timestamp.map(Json::from)),
        ];
        for (name, value) in optional {
            event.as_object_mut().unwrap().extend(value.map(|value| (name.to_owned(), value)));
        }
        if event.get("prediction").is_none() {
            event.as_object_mut().unwrap().entry("confidence").or_insert(json!(0.5));
        }
        event["model"].as_object_mut().unwrap().extend(version.map(|version| ("version".to_owned(), version)));
        event
    })
}

/// The event as the oracle's value: every number a double.
fn as_cel(json: &Json) -> cel::Value {
    match json {
        Json::Number(number) => cel::Value::Float(number.as_f64().unwrap()),
        Json::String(text) => text.as_str().into(),
        Json::Bool(value) => cel::Value::Bool(*value),
        Json::Array(elements) => cel::Value::List(Arc::new(elements.iter().map(as_cel).collect())),
        Json::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.clone().into(), as_cel(value)));
            cel::Value::Map(cel::objects::Map { map: Arc::new(members.collect()) })
        }
        Json::Null => unreachable!("these events have no nulls"),
    }
}

fn oracle_members(event: &Map<String, Json>) -> Vec<(String, cel::Value)> {
    let mut members: Vec<(String, cel::Value)> = Vec::new();
    for (name, value) in event {
        let value = match name.as_str() {
            "timestamp" => evaluated(&format!("timestamp({value})"), &Context::default()).unwrap(),
            _ => as_cel(value),
        };
        members.push((name.clone(), value));
    }
    members
}

/// What the oracle says: `None` for an error and for what is no bool.
fn oracle(text: &str, event: &Json) -> Option<bool> {
    let members = oracle_members(event.as_object().unwrap());
    let mut context = Context::default();
    for (name, value) in &members {
        context.add_variable_from_value(name.as_str(), value.clone());
    }
    let whole = members.into_iter().map(|(name, value)| (name.into(), value)).collect();
    context.add_variable_from_value("event", cel::Value::Map(cel::objects::Map { map: Arc::new(whole) }));
    match evaluated(text, &context) {
        Ok(cel::Value::Bool(value)) => Some(value),
        _ => None,
    }
}

fn evaluated(text: &str, context: &Context<'_, '_>) -> Result<cel::Value, cel::ExecutionError> {
    Program::compile(text).unwrap_or_else(|error| panic!("{text}: {error}")).execute(context)
}

fn ours(expression: &Expression, plan: &Plan, event: &Json) -> Result<bool, String> {
    let text = event.to_string();
    let mut decoder = Decoder::new(Arc::new(plan.clone()), Limits::default());
    let event = decoder.decode(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
    expression.holds(&event).map_err(|failure| expression.reason(failure).to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn both_say_the_same(pair in condition(), events in vec(event(), 1..4)) {
        let mut plan = Plan::default();
        // What can only fail is refused when it is loaded; there is nothing to compare then.
        let compiled = Expression::condition(&pair.ours, &mut plan);
        if let Err(mistakes) = &compiled {
            prop_assume!(!mistakes.iter().all(|mistake| mistake.message.contains("can only end in an error")));
        }
        let expression = compiled.unwrap_or_else(|mistakes| panic!("{}: {mistakes:?}", pair.ours));
        for event in events {
            let said = ours(&expression, &plan, &event);
            let expected = oracle(&pair.theirs, &event);
            prop_assert_eq!(said.clone().ok(), expected, "{} said {:?} of {}", &pair.ours, said, event);
            if let Some(known) = expression.known() {
                prop_assert!(if known { said == Ok(true) } else { said != Ok(true) }, "{} is known to be {known}", &pair.ours);
            }
        }
    }
}
