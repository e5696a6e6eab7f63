//! What becomes what: the table of the module's documentation, one row a line.

use super::*;

/// That a field of the type `kind`, written as `body`, becomes `expected`.
#[track_caller]
fn assert_becomes(kind: &Json, body: &[u8], expected: &str) {
    assert_eq!(text(&schema_of(kind), body), format!(r#"{{"f":{expected}}}"#), "{kind}");
}

fn logical(kind: &str, logical: &str) -> Json {
    json!({"type": kind, "logicalType": logical})
}

#[test]
fn primitives() {
    assert_becomes(&json!("null"), b"", "null");
    assert_becomes(&json!("boolean"), b"\x00", "false");
    assert_becomes(&json!("boolean"), b"\x01", "true");
    for (value, expected) in [(0, "0"), (-1, "-1"), (i64::from(i32::MAX), "2147483647"), (i64::from(i32::MIN), "-2147483648")] {
        assert_becomes(&json!("int"), &long(value), expected);
    }
    for value in [0, -1, 9_007_199_254_740_993, i64::MAX, i64::MIN] {
        assert_becomes(&json!("long"), &long(value), &value.to_string());
    }
    for (value, expected) in [(0.1_f64, "0.1"), (85.0, "85"), (-0.0, "-0"), (1e300, "1e+300"), (5e-324, "5e-324")] {
        assert_becomes(&json!("double"), &value.to_le_bytes(), expected);
    }
    assert_becomes(&json!("float"), &0.1_f32.to_le_bytes(), "0.10000000149011612");
    assert_becomes(&json!("string"), &string("a \"b\"\n\u{1}é😀"), r#""a \"b\"\n\u0001é😀""#);
    assert_becomes(&json!("bytes"), b"\x08\x00\xff\x10\x20", r#""AP8QIA==""#);
    assert_becomes(&json!("bytes"), b"\x00", r#""""#);
    assert_becomes(&json!({"type": "fixed", "name": "F", "size": 3}), b"abc", r#""YWJj""#);
    assert_becomes(&json!({"type": "fixed", "name": "F", "size": 0}), b"", r#""""#);
    assert_becomes(&json!({"type": "enum", "name": "L", "symbols": ["no", "yes"]}), &long(1), r#""yes""#);
}

#[test]
fn logical_types() {
    let decimal = json!({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2});
    assert_becomes(&decimal, b"\x04\x30\x39", "123.45");
    assert_becomes(&decimal, b"\x02\xff", "-0.01");
    let decimal = json!({"type": "fixed", "name": "D", "size": 4, "logicalType": "decimal", "precision": 9});
    assert_becomes(&decimal, b"\x00\x00\x30\x39", "12345");
    // 2026-01-05T10:46:41.187Z
    let millis = 1_767_610_001_187_i64;
    for (unit, per_milli) in [("millis", 1), ("micros", 1_000), ("nanos", 1_000_000)] {
        for prefix in ["timestamp", "local-timestamp"] {
            let kind = logical("long", &format!("{prefix}-{unit}"));
            assert_becomes(&kind, &long(millis * per_milli + per_milli / 2), r#""2026-01-05T10:46:41.187Z""#);
            assert_becomes(&kind, &long(-per_milli), r#""1969-12-31T23:59:59.999Z""#);
        }
    }
    assert_becomes(&logical("int", "date"), &long(20_458), r#""2026-01-05""#);
    assert_becomes(&logical("int", "date"), &long(-719_528), r#""0000-01-01""#);
    let uuid = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
    assert_becomes(&logical("string", "uuid"), &string(uuid), &format!("\"{uuid}\""));
    let bytes = b"\xf8\x1d\x4f\xae\x7d\xec\x11\xd0\xa7\x65\x00\xa0\xc9\x1e\x6b\xf6";
    assert_becomes(&json!({"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}), bytes, &format!("\"{uuid}\""));
}

#[test]
fn a_logical_type_that_is_unknown_misplaced_or_invalid_is_none() {
    assert_becomes(&logical("long", "fortnights"), &long(7), "7");
    assert_becomes(&logical("int", "timestamp-millis"), &long(7), "7");
    assert_becomes(&logical("int", "time-millis"), &long(7), "7");
    for parameters in
        [json!({}), json!({"precision": 0}), json!({"precision": 2, "scale": 3}), json!({"precision": 2, "scale": -1})]
    {
        let mut kind = logical("bytes", "decimal");
        kind.as_object_mut().expect("an object").extend(parameters.as_object().expect("an object").clone());
        assert_becomes(&kind, b"\x02\x01", r#""AQ==""#);
    }
}

#[test]
fn containers() {
    let array = json!({"type": "array", "items": "int"});
    assert_becomes(&array, b"\x00", "[]");
    assert_becomes(&array, b"\x04\x02\x04\x00", "[1,2]");
    // Two blocks, the second with its size in bytes.
    assert_becomes(&array, b"\x04\x02\x04\x01\x02\x06\x00", "[1,2,3]");
    let map = json!({"type": "map", "values": ["null", "int"]});
    assert_becomes(&map, b"\x00", "{}");
    // The second block has two bytes: an empty key, and the branch null.
    assert_becomes(&map, b"\x02\x04a\"\x02\x0e\x01\x04\x00\x00\x00", r#"{"a\"":7,"":null}"#);
    let record = json!({"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, {"name": "b", "type": array}]});
    assert_becomes(&json!(["null", record]), b"\x02\x02\x02\x04\x00", r#"{"a":1,"b":[2]}"#);
    assert_becomes(&json!({"type": "record", "name": "R", "fields": []}), b"", "{}");
    assert_becomes(&json!({"type": {"type": {"type": "int"}}}), b"\x02", "1");
}

#[test]
fn a_type_can_be_used_by_name_wherever_its_namespace_reaches() {
    let schema = r#"{"type":"record","name":"a.b.E","fields":[
        {"name":"x","type":{"type":"enum","name":"L","symbols":["p","q"]}},
        {"name":"y","type":["null","L"]},
        {"name":"z","type":{"type":"record","name":"c.R","fields":[
            {"name":"l","type":"a.b.L"},{"name":"f","type":{"type":"fixed","name":"F","namespace":"","size":1}},{"name":"g","type":"F"}]}},
        {"name":"w","type":{"type":"array","items":"c.R"}}]}"#;
    let body = b"\x02\x02\x00\x00AB\x02\x02CD\x00";
    assert_eq!(
        text(schema, body),
        r#"{"x":"q","y":"p","z":{"l":"p","f":"QQ==","g":"Qg=="},"w":[{"l":"q","f":"Qw==","g":"RA=="}]}"#
    );
}

#[test]
fn what_is_no_number_is_missing_in_features_and_refused_elsewhere() {
    let number = |name: &str| json!({"name": name, "type": "double"});
    let features = json!({"name": "features", "type": {"type": "map", "values": ["float", "double"]}});
    let model = json!({"name": "model", "type": {"type": "record", "name": "M", "fields": [{"name": "name", "type": "string"}]}});
    let id = json!({"name": "event_id", "type": "string"});
    let schema = json!({"type": "record", "name": "E", "fields": [features, number("prediction"), model, number("amount"), id]});
    let mut plan = Plan::default();
    let slots = ["nan", "inf", "one"].map(|name| plan.feature(name));
    let mut decoder = Decoder::new(Arc::new(plan), Limits::default()).with_schemas(schemas(&[&schema.to_string()]));
    let record = |prediction: f64, amount: f64| {
        let features = [
            long(3),
            [string("nan"), long(0), f32::NAN.to_le_bytes().to_vec()].concat(),
            [string("inf"), long(1), f64::NEG_INFINITY.to_le_bytes().to_vec()].concat(),
            [string("one"), long(1), 1_f64.to_le_bytes().to_vec()].concat(),
            long(0),
        ];
        let rest = [prediction.to_le_bytes().to_vec(), string("m"), amount.to_le_bytes().to_vec(), string("e")];
        confluent(1, &[features.concat(), rest.concat()].concat())
    };
    let event = record(1.0, 2.0);
    let event = decoder.decode(&event).expect("a good event");
    assert_eq!(slots.map(|slot| event.slot(slot)), [Value::Missing, Value::Missing, Value::Number { value: 1.0, text: "1" }]);
    for (prediction, amount, field) in [(f64::NAN, 1.0, "prediction"), (1.0, f64::INFINITY, "amount")] {
        let event = record(prediction, amount);
        let unreadable = decoder.decode(&event).expect_err("not a number");
        assert_eq!((unreadable.code, unreadable.event_id, unreadable.model_name), (Code::OutOfRange, Some("e"), Some("m")));
        assert!(unreadable.detail.contains(&format!("in `{field}`: NaN and infinities")), "{unreadable}");
    }
}

#[test]
fn times_that_rfc_3339_cannot_write_are_refused() {
    let milli = logical("long", "timestamp-millis");
    let (first, last) = (-62_167_219_200_000, 253_402_300_799_999);
    assert_becomes(&milli, &long(first), r#""0000-01-01T00:00:00.000Z""#);
    assert_becomes(&milli, &long(last), r#""9999-12-31T23:59:59.999Z""#);
    for (kind, value) in
        [(&milli, first - 1), (&milli, last + 1), (&milli, i64::MAX), (&logical("int", "date"), i64::from(i32::MIN))]
    {
        let (text, cut) = transcoded(&schema_of(kind), &long(value));
        let noted = cut.noted.expect("noted");
        assert_eq!((noted.code, text.as_str()), (Code::OutOfRange, r#"{"f":null}"#), "{kind}");
        assert!(noted.what.contains("in `f`: a time outside the years 0 to 9999"), "{}", noted.what);
    }
}
