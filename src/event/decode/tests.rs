use super::*;
use crate::event::{Slot, Value};

mod refused;

const ADULT: &str = r#"{"event_id":"adult-e-000000","timestamp":"2026-01-05T10:46:41.187Z","model":{"name":"adult-gbdt","version":"1.0.0"},"subject_id":"S20104729","features":{"age":57,"education_num":15,"capital_gain":0,"capital_loss":1902,"hours_per_week":40,"workclass":"Private","education":"Prof-school","marital_status":"Married-civ-spouse","occupation":"Craft-repair","relationship":"Husband","native_country":"Philippines"},"prediction":">50K","probabilities":{"<=50K":0.0427,">50K":0.9573},"confidence":0.9573,"protected":{"sex":"Male","race":"Asian-Pac-Islander","age_band":"45-59"},"amount":0}"#;
const CREDIT: &str = r#"{"event_id":"credit-default-e-000000","timestamp":"2026-01-05T10:46:41.464Z","model":{"name":"credit-default-gbdt","version":"1.0.0"},"subject_id":"S20104729","features":{"limit_bal":210000,"age":30,"pay_0":1,"pay_2":-2,"pay_3":-2,"pay_4":-2,"pay_5":-2,"pay_6":-2,"bill_amt1":0,"bill_amt2":0,"bill_amt3":0,"bill_amt4":0,"bill_amt5":0,"bill_amt6":0,"pay_amt1":0,"pay_amt2":0,"pay_amt3":0,"pay_amt4":0,"pay_amt5":0,"pay_amt6":0,"education":"graduate","marriage":"single"},"prediction":"no_default","probabilities":{"no_default":0.731,"default":0.269},"confidence":0.731,"protected":{"sex":"Female","age_band":"25-34"},"amount":210000}"#;
/// The shortest start of a good event; what a test is about follows.
const START: &str = r#"{"event_id":"e","model":{"name":"m","version":"1"},"prediction":1"#;

fn decoder() -> Decoder {
    Decoder::new(Arc::new(Plan::default()), Limits::default())
}

#[track_caller]
fn assert_accepted(rest: &str) {
    let text = if rest.is_empty() { format!("{START}}}") } else { format!("{START},{rest}}}") };
    let mut decoder = decoder();
    let event = decoder.decode(text.as_bytes()).unwrap_or_else(|unreadable| panic!("{unreadable}: {rest}"));
    assert_eq!((event.event_id(), event.model_name(), event.bytes()), ("e", "m", text.as_bytes()));
}

#[test]
fn a_real_event_is_read_field_by_field() {
    let mut plan = Plan::default();
    let slots = [
        plan.feature("age"),
        plan.feature("education"),
        plan.feature("nothing"),
        plan.probability(">50K"),
        plan.protected("sex"),
        plan.explanation("age"),
    ];
    let mut decoder = Decoder::new(Arc::new(plan), Limits::default());
    let event = decoder.decode(ADULT.as_bytes()).expect("a real event");
    assert_eq!(event.event_id(), "adult-e-000000");
    assert_eq!((event.model_name(), event.model_version()), ("adult-gbdt", Some("1.0.0")));
    assert_eq!(event.timestamp().map(|time| time.to_string()).as_deref(), Some("2026-01-05T10:46:41.187Z"));
    assert_eq!(event.subject_id(), Some("S20104729"));
    assert_eq!([event.requested_by(), event.currency(), event.action()], [None; 3]);
    assert_eq!(event.prediction(), Value::Text(">50K"));
    assert_eq!((event.confidence(), event.confidence_text()), (Some(0.9573), Some("0.9573")));
    assert_eq!(event.amount(), Value::Number { value: 0.0, text: "0" });
    assert_eq!(event.probabilities().collect::<Vec<_>>(), [("<=50K", 0.0427), (">50K", 0.9573)]);
    assert_eq!(event.flags().len(), 0);
    assert_eq!(event.bytes(), ADULT.as_bytes());
    let expected = [
        Value::Number { value: 57.0, text: "57" },
        Value::Text("Prof-school"),
        Value::Missing,
        Value::Number { value: 0.9573, text: "0.9573" },
        Value::Text("Male"),
        Value::Missing,
    ];
    assert_eq!(slots.map(|slot| event.slot(slot)), expected);
}

#[test]
fn nothing_of_an_event_is_left_for_the_next() {
    let full = format!(
        r#"{START},"features":{{"f":1}},"protected":{{"f":"x"}},"flags":["a"],"probabilities":{{"f":1}},"confidence":1,
        "amount":2,"currency":"EUR","action":"pay","requested_by":"u","subject_id":"s","timestamp":"2026-01-05T10:46:41Z"}}"#
    );
    let mut plan = Plan::default();
    let slots: [Slot; 3] = [plan.feature("f"), plan.protected("f"), plan.probability("f")];
    let mut decoder = Decoder::new(Arc::new(plan), Limits::default());
    let event = decoder.decode(full.as_bytes()).expect("a good event");
    assert!(slots.iter().all(|slot| event.slot(*slot) != Value::Missing));
    let bare = r#"{"event_id":"e","model":{"name":"m"},"prediction":true}"#;
    let event = decoder.decode(bare.as_bytes()).expect("a good event");
    assert_eq!(event.prediction(), Value::Bool(true));
    assert!(slots.iter().all(|slot| event.slot(*slot) == Value::Missing));
    let texts = [event.model_version(), event.subject_id(), event.requested_by(), event.currency(), event.action()];
    assert_eq!((texts, event.confidence_text(), event.amount()), ([None; 5], None, Value::Missing));
    assert_eq!((event.timestamp(), event.flags().len(), event.probabilities().len()), (None, 0, 0));
    let unreadable = decoder.decode(b"[]").expect_err("a list");
    assert_eq!((unreadable.event_id, unreadable.model_name), (None, None));
}

#[test]
fn numbers_stay_as_written_and_texts_are_unescaped() {
    let text = r#"{"event\u005fid":"\u0061\"\\\/","model":{"name":"\ud83d\ude00ü","version":"\u00e4"},"prediction":-1.50e+2,
        "confidence":1.0E-1,"amount":12345678901234567890.10,"features":{"\u0061":"\t\udbff\udfff","b":0.1e-400,"c":-0,"d":18446744073709551617},"flags":["bi\u0061s","x"]}"#;
    let mut plan = Plan::default();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| plan.feature(name));
    let mut decoder = Decoder::new(Arc::new(plan), Limits::default());
    let event = decoder.decode(text.as_bytes()).expect("a good event");
    assert_eq!((event.event_id(), event.model_name(), event.model_version()), ("a\"\\/", "😀ü", Some("ä")));
    assert_eq!(event.prediction(), Value::Number { value: -150.0, text: "-1.50e+2" });
    assert_eq!((event.confidence(), event.confidence_text()), (Some(0.1), Some("1.0E-1")));
    assert_eq!(event.amount(), Value::Number { value: 1.234_567_890_123_456_8e19, text: "12345678901234567890.10" });
    assert_eq!(event.flags().collect::<Vec<_>>(), ["bias", "x"]);
    assert_eq!(event.slot(a), Value::Text("\t\u{10ffff}"));
    assert_eq!(event.slot(b), Value::Number { value: 0.0, text: "0.1e-400" });
    assert_eq!(event.slot(d), Value::Number { value: 18_446_744_073_709_551_616.0, text: "18446744073709551617" });
    assert!(matches!(event.slot(c), Value::Number { value, text: "-0" } if value == 0.0 && value.is_sign_negative()));
}

#[test]
fn null_is_absent() {
    for field in "timestamp subject_id requested_by currency action confidence amount features probabilities protected explanation flags evidence"
        .split(' ')
    {
        assert_accepted(&format!(r#""{field}":null"#));
    }
    assert_accepted(r#""probabilities":{"a":null},"protected":{"a":null},"explanation":{"a":null},"features":{"a":null}"#);
    assert_accepted(r#""evidence":[{"uri":null,"sha256":null}]"#);
}

#[test]
fn optional_fields_are_read_and_unknown_ones_passed_over() {
    assert_accepted("");
    assert_accepted(r#""features":{},"probabilities":{},"protected":{},"explanation":{},"flags":[],"evidence":[]"#);
    assert_accepted(r#""features":{"a":1.5,"b":"x","c":true,"d":false,"e":null},"explanation":{"a":-0.5}"#);
    assert_accepted(r#""evidence":[{"uri":"s3://b/k","sha256":"00","size":[1,{"a":2}]},{}]"#);
    assert_accepted(r#""":{"a":[[],{},[{"a":{"a":"a"}}],true,false,null,-1.5e-3,"\n"]},"Event_id":3"#);
    assert_accepted("\n\t\"x\" : [ ] \r\n");
    assert_accepted(&format!(r#""x":[{0}],"y":[{0}]"#, "[],{},[{}],".repeat(66) + "[]"));
    assert_accepted(r#""confidence":0,"probabilities":{"a":1.0,"b":-0.0}"#);
}

#[test]
fn any_one_outcome_is_enough() {
    for outcome in
        [r#""prediction":"a""#, r#""prediction":false"#, r#""prediction":0"#, r#""confidence":0"#, r#""probabilities":{"a":1}"#]
    {
        let text = format!(r#"{{"event_id":"e","model":{{"name":"m"}},{outcome}}}"#);
        assert!(decoder().decode(text.as_bytes()).is_ok(), "{outcome}");
    }
}
