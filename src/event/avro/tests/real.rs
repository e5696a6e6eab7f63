//! Real events, written by apache-avro with the native schema.

use super::*;

const HELD: &str = include_str!("../../../../schemas/examples/inference-event.held.json");
const RELEASED: &str = include_str!("../../../../schemas/examples/inference-event.released.json");
const CONFLICTING: &str = include_str!("../../../../schemas/examples/inference-event.conflicting.json");

/// A number without its text: how it was written in JSON is not told by a double.
fn number(value: Value<'_>) -> Option<f64> {
    if let Value::Number { value, .. } = value { Some(value) } else { None }
}

/// The same with every number as a double.
fn with_doubles(json: Json) -> Json {
    match json {
        Json::Number(number) => json!(number.as_f64()),
        Json::Array(items) => items.into_iter().map(with_doubles).collect(),
        Json::Object(members) => members.into_iter().map(|(key, member)| (key, with_doubles(member))).collect(),
        other => other,
    }
}

#[test]
fn an_event_means_the_same_in_both_encodings() {
    for json in [HELD, RELEASED, CONFLICTING] {
        let mut plan = Plan::default();
        let event: Json = serde_json::from_str(json).expect("JSON");
        let names = event["features"].as_object().expect("features").keys();
        let slots: Vec<_> = names.map(|name| plan.feature(name)).collect();
        let plan = Arc::new(plan);
        let mut of_json = Decoder::new(Arc::clone(&plan), Limits::default());
        let mut of_avro = Decoder::new(plan, Limits::default()).with_schemas(schemas(&[NATIVE]));
        let bytes = native(json);
        let (a, b) = (of_json.decode(json.as_bytes()).expect("a good event"), of_avro.decode(&bytes).expect("a good event"));
        assert_eq!(
            (a.event_id(), a.model_name(), a.model_version(), a.timestamp(), a.subject_id(), a.prediction(), a.confidence()),
            (b.event_id(), b.model_name(), b.model_version(), b.timestamp(), b.subject_id(), b.prediction(), b.confidence()),
        );
        assert_eq!((a.action(), a.currency(), number(a.amount())), (b.action(), b.currency(), number(b.amount())));
        assert!(a.flags().eq(b.flags()) && a.probabilities().len() == b.probabilities().len());
        assert!(!slots.is_empty());
        for slot in slots {
            assert_eq!(number(a.slot(slot)), number(b.slot(slot)));
            assert!(number(a.slot(slot)).is_some() || a.slot(slot) == b.slot(slot));
        }
        // What the case will carry: the same members, and null for those that were absent.
        let mut carried: Json = serde_json::from_slice(b.bytes()).expect("JSON");
        carried.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        assert_eq!(with_doubles(carried), with_doubles(event));
    }
}

#[test]
fn a_record_cut_anywhere_is_no_avro_and_keeps_its_name_as_far_as_it_was_read() {
    let body = native(HELD).split_off(5);
    let fingerprint = WriterSchema::parse(NATIVE).expect("the native schema").fingerprint();
    let (id, model) = ("event_id", "model");
    for whole in [confluent(1, &body), single_object(fingerprint, &body)] {
        let mut decoder = decoder(&[NATIVE]);
        let mut named = [0, 0];
        for len in 1..whole.len() {
            let unreadable = decoder.decode(&whole[..len]).expect_err("a part of a record");
            assert_eq!(unreadable.code, Code::NotAvro, "{len}: {unreadable}");
            assert!(unreadable.detail.contains("ends"), "{unreadable}");
            named[0] += usize::from(unreadable.event_id.is_some());
            named[1] += usize::from(unreadable.model_name.is_some());
        }
        let event = decoder.decode(&whole).expect("all of it");
        let json: Json = serde_json::from_slice(event.bytes()).expect("JSON");
        assert!(json[id].is_string() && json[model].is_object());
        let id_bytes = json[id].as_str().expect("a string").len();
        // The id is the first field, and the model follows the time.
        assert!(named[0] > whole.len() - id_bytes - 20 && named[1] > whole.len() - id_bytes - 80, "{named:?} of {}", whole.len());
        let longer = [&whole[..], &[0]].concat();
        let unreadable = decoder.decode(&longer).expect_err("one byte too many");
        assert_eq!((unreadable.code, unreadable.event_id), (Code::NotAvro, json[id].as_str()));
        assert_eq!(unreadable.detail, format!("at byte {}: the record should end here, bytes left: 1", whole.len()));
    }
}

#[test]
fn a_bit_that_flips_does_no_harm() {
    let whole = native(HELD);
    let mut decoder = decoder(&[NATIVE]);
    let (mut accepted, mut refused) = (0, 0);
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match decoder.decode(&flipped) {
            Ok(_) => accepted += 1,
            Err(unreadable) => {
                assert!(!unreadable.detail.chars().any(char::is_control), "{unreadable}");
                refused += 1;
            }
        }
    }
    assert!(accepted > 100 && refused > 500, "{accepted} accepted, {refused} refused");
}
