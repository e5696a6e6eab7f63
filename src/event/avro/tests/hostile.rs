//! Records that do not fit their schema: each is refused where it first shows, and none takes long or panics.

use super::*;

/// That the body is refused with a sentence that holds `hint`.
#[track_caller]
fn assert_refused(kind: &Json, body: &[u8], hint: &str) {
    let (text, cut) = transcoded(&schema_of(kind), body);
    let ended = cut.ended.unwrap_or_else(|| panic!("accepted: {text}"));
    assert_eq!(ended.code, Code::NotAvro, "{}", ended.what);
    assert!(ended.what.contains(hint), "{}", ended.what);
    assert!(ended.what.starts_with("at byte "), "{}", ended.what);
}

#[test]
fn frames() {
    let mut decoder = decoder(&[&schema_of(&json!("int"))]);
    for (bytes, code, hint) in [
        (&b"\x00"[..], Code::NotAvro, "the record ends at byte 1, inside what says which schema it has"),
        (b"\x00\x00\x00\x01", Code::NotAvro, "the record ends at byte 4"),
        (b"\xc3\x01\x00\x00\x00\x00\x00\x00\x00", Code::NotAvro, "the record ends at byte 9"),
        (b"\x00\x00\x00\x00\x07", Code::UnknownSchema, "no schema with the id 7 is known"),
        (b"\x00\xff\xff\xff\xff rest", Code::UnknownSchema, "no schema with the id 4294967295 is known"),
        (b"\xc3\x01\xef\xcd\xab\x89\x67\x45\x23\x01", Code::UnknownSchema, "the fingerprint 0123456789abcdef"),
        (b"\x00\x00\x00\x00\x01", Code::NotAvro, "at byte 5, in `f`: the record ends inside a number"),
    ] {
        let unreadable = decoder.decode(bytes).expect_err("a bad frame");
        assert_eq!((unreadable.code, unreadable.event_id), (code, None), "{unreadable}");
        assert!(unreadable.detail.contains(hint), "{unreadable}");
    }
    // Without any schemas it is no more than bytes that are not JSON.
    let mut decoder = Decoder::new(Arc::new(Plan::default()), Limits::default());
    assert_eq!(decoder.decode(&native_event()).expect_err("no schemas").code, Code::NotJson);
}

fn native_event() -> Vec<u8> {
    native(r#"{"event_id":"e","model":{"name":"m"},"prediction":1,"features":{"a":1,"b":"x"}}"#)
}

#[test]
fn numbers() {
    for kind in ["int", "long"] {
        assert_refused(&json!(kind), b"", "the record ends inside a number");
        assert_refused(&json!(kind), b"\x80\x80", "the record ends inside a number");
        assert_refused(&json!(kind), &[0x80; 11], "a number of more than 64 bits");
        assert_refused(&json!(kind), b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "a number of more than 64 bits");
    }
    assert_refused(&json!("int"), &long(1 << 31), "an int of more than 32 bits");
    assert_refused(&json!("int"), &long(i64::MIN), "an int of more than 32 bits");
    assert_refused(&json!("boolean"), b"\x02", "at byte 5, in `f`: a boolean is 0 or 1, not 2");
    assert_refused(&json!("double"), &[0; 7], "the record ends inside a double");
    assert_refused(&json!("float"), &[0; 3], "the record ends inside a float");
}

#[test]
fn lengths() {
    for (kind, name) in [("string", "a string"), ("bytes", "bytes")] {
        assert_refused(&json!(kind), &long(1), &format!("the record ends inside {name} of 1 bytes, 0 are left"));
        assert_refused(&json!(kind), &[&long(i64::MAX)[..], b"abc"].concat(), "of 9223372036854775807 bytes, 3 are left");
        assert_refused(&json!(kind), &long(-1), &format!("{name} of -1 bytes"));
        assert_refused(&json!(kind), &long(i64::MIN), &format!("{name} of -9223372036854775808 bytes"));
    }
    assert_refused(&json!({"type": "fixed", "name": "F", "size": 4}), b"abc", "the record ends inside a fixed of 4 bytes");
    assert_refused(&json!({"type": "fixed", "name": "F", "size": 16, "logicalType": "uuid"}), &[0; 15], "inside a uuid");
    let decimal = json!({"type": "bytes", "logicalType": "decimal", "precision": 4});
    assert_refused(&decimal, &long(0), "a decimal of 0 bytes; 1 to 256 are read");
    assert_refused(&decimal, &[long(257), vec![0; 257]].concat(), "a decimal of 257 bytes");
    assert_refused(&json!("string"), b"\x06a\xff\x80", "at byte 7, in `f`: the bytes here are not UTF-8");
}

#[test]
fn choices() {
    let symbols = json!({"type": "enum", "name": "L", "symbols": ["a", "b"]});
    for value in [2, -1, i64::MIN, i64::MAX, 1 << 32] {
        assert_refused(&symbols, &long(value), &format!("number {value} of an enum that has 2, counted from 0"));
        assert_refused(&json!(["null", "int"]), &long(value), &format!("number {value} of a union that has 2"));
    }
    assert_refused(&json!({"type": "enum", "name": "L", "symbols": []}), &long(0), "number 0 of an enum that has 0");
}

#[test]
fn blocks() {
    let array = json!({"type": "array", "items": "double"});
    assert_refused(&array, b"", "the record ends inside a number");
    assert_refused(&array, &[long(2), vec![0; 15]].concat(), "the record ends inside a block of 2 items, 15 bytes are left");
    for count in [i64::MAX, 1 << 40] {
        assert_refused(&array, &[long(count), vec![0; 64]].concat(), &format!("inside a block of {count} items"));
    }
    let sized = |count, size, rest: usize| [long(count), long(size), vec![0; rest]].concat();
    assert_refused(&array, &sized(i64::MIN, 64, 65), "a block of 9223372036854775808 items in 64 bytes");
    assert_refused(&array, &sized(-1, 9, 8), "a block of 9 bytes where 8 are left");
    assert_refused(&array, &sized(-1, -1, 9), "a block of -1 bytes");
    assert_refused(&array, &sized(-1, i64::MIN, 9), "a block of -9223372036854775808 bytes");
    assert_refused(&array, &sized(-2, 8, 17), "a block of 2 items in 8 bytes");
    assert_refused(&array, &sized(-1, 9, 9), "a block that should end at byte 16 ends here");
    assert_refused(&json!({"type": "map", "values": "null"}), &long(1 << 40), "inside a block of");
    // Items that need more than the block has left are found at once, whatever they are.
    let items = json!({"type": "record", "name": "R", "fields": [{"name": "a", "type": "double"}, {"name": "b", "type": ["int", "float"]}]});
    assert_refused(&json!({"type": "array", "items": items}), &[long(7), vec![0; 69]].concat(), "7 items, 69 bytes are left");
}

#[test]
fn a_field_is_named_where_the_record_goes_wrong() {
    let schema = r#"{"type":"record","name":"E","fields":[{"name":"event_id","type":"string"},
        {"name":"features","type":{"type":"map","values":["null","double"]}},
        {"name":"evidence","type":{"type":"array","items":{"type":"record","name":"V","fields":[{"name":"uri","type":"string"}]}}}]}"#;
    let id = string("e");
    let features = [long(2), string("age"), long(0), string("pay")].concat();
    for (rest, place) in [
        ([&features[..], &long(5)].concat(), "at byte 17, in `features.pay`: number 5 of a union"),
        ([&features[..], &long(0), &long(1), &long(-9), b"x"].concat(), "at byte 19, in `features`: a string of -9 bytes"),
        (
            [&features[..], &long(0), &long(0), &long(2), &string("u"), &long(-9)].concat(),
            "at byte 22, in `evidence[1].uri`: a string of -9",
        ),
        ([&features[..], &long(0), &long(0), &long(0), &long(0)].concat(), "at byte 20: the record should end here"),
    ] {
        let bytes = confluent(1, &[&id[..], &rest].concat());
        let mut decoder = decoder(&[schema]);
        let unreadable = decoder.decode(&bytes).expect_err("a bad record");
        assert_eq!((unreadable.code, unreadable.event_id), (Code::NotAvro, Some("e")), "{unreadable}");
        assert!(unreadable.detail.starts_with(place), "{unreadable}: {place}");
    }
}

#[test]
fn what_the_json_decoder_finds_is_told_without_bytes_of_the_record() {
    let schema = r#"{"type":"record","name":"E","fields":[{"name":"event_id","type":"string"},{"name":"model","type":{"type":"record",
        "name":"M","fields":[{"name":"name","type":"string"}]}},{"name":"prediction","type":["null","int"]},
        {"name":"amount","type":["null","string"]},{"name":"features","type":{"type":"map","values":"int"}}]}"#;
    let record = |id: &str, prediction: &[u8], amount: &[u8], features: &[u8]| {
        confluent(1, &[&string(id)[..], &string("m"), prediction, amount, features].concat())
    };
    let (null, none) = (&b"\x00"[..], &b"\x00"[..]);
    let twice = [long(2), string("a"), long(1), string("a"), long(2), long(0)].concat();
    for (bytes, code, detail) in [
        (record("e", null, null, none), Code::MissingField, "`prediction`, `probabilities` and `confidence` are all missing"),
        (record("e", b"\x02\x02", b"\x02\x02x", none), Code::WrongType, "in `amount`: expected a number, found a string"),
        (record("e", b"\x02\x02", null, &twice), Code::DuplicateKey, "in `features`: the key `a` stands twice in this object"),
        (record("", b"\x02\x02", null, none), Code::BadId, "in `event_id`: the id is empty"),
    ] {
        let mut decoder = decoder(&[schema]);
        let unreadable = decoder.decode(&bytes).expect_err("no event");
        assert_eq!((unreadable.code, unreadable.detail.as_str(), unreadable.model_name), (code, detail, Some("m")));
    }
}

#[test]
fn limits_are_those_of_the_configuration() {
    let limits = Limits { max_bytes: 200, max_depth: 3, max_fields: 10 };
    let schema = schema_of(&json!({"type": "array", "items": "boolean"}));
    let mut decoder = decoder_within(
        limits,
        &[&schema, &schema_of(&json!({"type": "map", "values": {"type": "map", "values": {"type": "map", "values": "int"}}}))],
    );
    let record = |items: usize| confluent(1, &[long(items.try_into().expect("few")), vec![0; items + 1]].concat());
    assert_eq!(decoder.decode(&record(11)).expect_err("too many").code, Code::TooManyFields);
    assert_eq!(decoder.decode(&record(193)).expect_err("too long").code, Code::TooLarge);
    let deep = confluent(2, &[long(1), string("a"), long(1), string("a"), long(1), string("a"), long(1), vec![0; 3]].concat());
    assert_eq!(decoder.decode(&deep).expect_err("too deep").code, Code::TooDeep);
}

#[test]
fn a_short_record_does_not_become_endless_text() {
    // Each item takes one byte, and writes a hundred names.
    let mut fields: Vec<Json> = (0..100).map(|n| json!({"name": format!("a_rather_long_name_{n}"), "type": "null"})).collect();
    fields.push(json!({"name": "b", "type": "boolean"}));
    let schema = schema_of(&json!({"type": "array", "items": {"type": "record", "name": "R", "fields": fields}}));
    let record = |items: usize| confluent(1, &[long(items.try_into().expect("few")), vec![0; items + 1]].concat());
    let limits = Limits { max_bytes: 10_000, max_fields: 1_000_000, ..Limits::default() };
    let mut decoder = decoder_within(limits, &[&schema]);
    assert_eq!(decoder.decode(&record(10)).expect_err("no id").code, Code::MissingField);
    let many = record(9_000);
    let unreadable = decoder.decode(&many).expect_err("too long");
    assert_eq!(unreadable.code, Code::TooLarge);
    assert!(unreadable.detail.contains("the event has more than 40000 bytes as JSON"), "{unreadable}");
    // One text alone can be too much, and then does not stand in what the event is named by.
    let schema = r#"{"type":"record","name":"E","fields":[{"name":"event_id","type":"string"},
        {"name":"features","type":{"type":"map","values":"string"}}]}"#;
    let mut decoder = decoder_within(limits, &[schema]);
    let long_text = string(&"\u{1}".repeat(9_000));
    for features in
        [[long(1), string("a"), long_text.clone(), long(0)].concat(), [long(1), long_text, string("a"), long(0)].concat()]
    {
        let bytes = confluent(1, &[string("e"), features].concat());
        let unreadable = decoder.decode(&bytes).expect_err("too long");
        assert_eq!((unreadable.code, unreadable.event_id), (Code::TooLarge, Some("e")), "{unreadable}");
        assert!(unreadable.detail.contains("in `features"), "{unreadable}");
        let mut transcoder = Transcoder::default();
        let frame = Frame::of(&bytes).expect("a frame");
        assert!(transcoder.transcode(frame, &bytes, &*schemas(&[schema]), 40_000).ended.is_some());
        assert!(transcoder.text().len() < 100);
    }
}
