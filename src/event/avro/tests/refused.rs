//! Schemas that are refused, each for what it is, and those that only look as if they should be.

use std::time::{Duration, Instant};

use super::*;

/// That `text` is refused, about `field`, with a sentence that holds `hint`.
#[track_caller]
fn assert_refused(text: &str, field: &str, hint: &str) {
    let start = Instant::now();
    let refused = WriterSchema::parse(text).expect_err("a bad schema");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?} for {refused}", start.elapsed());
    assert!(refused.what.contains(hint), "{refused}");
    assert_eq!(refused.field, field, "{refused}");
    assert!(refused.to_string().len() < 1_000 && !refused.to_string().chars().any(char::is_control), "{refused}");
}

/// That a record with a field `f` of `kind` is refused.
#[track_caller]
fn assert_kind_refused(kind: &Json, field: &str, hint: &str) {
    assert_refused(&schema_of(kind), field, hint);
}

/// Types of records `R0`, `R1` …, each of which has two fields of the one before.
fn doubled(levels: usize) -> String {
    (1..=levels).fold(r#"{"type":"record","name":"R0","fields":[]}"#.to_owned(), |inner, level| {
        let before = level - 1;
        format!(
            r#"{{"type":"record","name":"R{level}","fields":[{{"name":"a","type":{inner}}},{{"name":"b","type":"R{before}"}}]}}"#
        )
    })
}

#[test]
fn what_is_no_schema_of_a_record() {
    assert_refused("", "", "not JSON");
    assert_refused("{", "", "not JSON");
    assert_refused("7", "", "a type is a name, an object");
    for text in [r#""string""#, r#"["null","string"]"#, r#"{"type":"map","values":"int"}"#, r#"{"type":{"type":"int"}}"#] {
        assert_refused(text, "", "an event must be a record");
    }
    assert_refused("{}", "", "a type needs the member `type`");
    assert_refused(r#"{"type":"record"}"#, "", "needs the member `name`");
    assert_refused(r#"{"type":"record","name":"E"}"#, "", "needs the member `fields`");
    assert_refused(r#"{"type":"record","name":"E","fields":{}}"#, "", "needs the member `fields`, a list");
    assert_refused(r#"{"type":"record","name":"E","fields":[7]}"#, "", "a field needs the member `name`");
    assert_refused(r#"{"type":"record","name":"E","fields":[{"name":"f"}]}"#, "f", "a field needs the member `type`");
    assert_kind_refused(&json!({"type": "enum", "name": "L"}), "f", "needs the member `symbols`");
    assert_kind_refused(&json!({"type": "enum", "name": "L", "symbols": [7]}), "f", "a symbol of an enum is a string");
    assert_kind_refused(&json!({"type": "array"}), "f", "needs the member `items`");
    assert_kind_refused(&json!({"type": "map"}), "f", "needs the member `values`");
    assert_kind_refused(&json!({"type": "fixed", "name": "F"}), "f", "needs the member `size`");
    assert_kind_refused(&json!({"type": "fixed", "name": "F", "size": -1}), "f", "needs the member `size`");
    assert_kind_refused(&json!(null), "f", "a type is a name");
    assert_kind_refused(&json!([]), "f", "a union without branches");
}

#[test]
fn bad_names() {
    for name in ["", "7a", "a-b", "ä", "a b", "a\u{7}", &"a-".repeat(10_000)] {
        assert_refused(
            &json!({"type": "record", "name": "E", "fields": [{"name": name, "type": "int"}]}).to_string(),
            "",
            "is no name of a field",
        );
        assert_kind_refused(&json!({"type": "enum", "name": "L", "symbols": [name]}), "f", "is no name of a symbol");
        assert_kind_refused(&json!({"type": "fixed", "name": name, "size": 1}), "f", "is no name of a type");
    }
    for name in ["a..b", ".a", "a."] {
        assert_kind_refused(&json!({"type": "fixed", "name": name, "size": 1}), "f", "is no name of a type");
    }
    assert_kind_refused(&json!({"type": "fixed", "name": "F", "namespace": "a..b", "size": 1}), "f", "is no name of a type");
    assert_kind_refused(&json!({"type": "fixed", "name": "string", "size": 1}), "f", "cannot be named `string`");
    // Aliases rename nothing for the one who reads with the writer's own schema, so nobody reads them.
    assert!(WriterSchema::parse(r#"{"type":"record","name":"E","aliases":["not a name",7],"fields":[]}"#).is_ok());
}

#[test]
fn types_that_are_unknown_recursive_or_there_twice() {
    assert_kind_refused(&json!("nope"), "f", "the type `nope` is not defined before it is used");
    assert_kind_refused(&json!({"type": "nope"}), "f", "`nope` is not defined");
    assert_kind_refused(&json!(["null", "E"]), "f", "the type `E` contains itself");
    assert_kind_refused(&json!({"type": "array", "items": "E"}), "f", "contains itself");
    let through = json!({"type": "record", "name": "a.R", "fields": [{"name": "g", "type": {"type": "map", "values": "a.R"}}]});
    assert_kind_refused(&through, "f.g", "the type `a.R` contains itself");
    let inner = json!({"type": "record", "name": "E", "fields": []});
    assert_kind_refused(&inner, "f", "the type `E` is defined twice");
    let twice = json!([{"type": "fixed", "name": "F", "size": 1}, {"type": "fixed", "name": "F", "size": 2}]);
    assert_kind_refused(&twice, "f", "the type `F` is defined twice");
    let text = json!({"type": "record", "name": "E", "fields": [{"name": "a", "type": "int"}, {"name": "a", "type": "int"}]});
    assert_refused(&text.to_string(), "", "two fields named `a`");
    assert_kind_refused(&json!(["null", ["int", "string"]]), "f", "a branch of another union");
    assert_kind_refused(&json!(["null", {"type": ["int", "string"]}]), "f", "a branch of another union");
}

#[test]
fn bombs() {
    assert_refused(&" ".repeat(64 * 1_024 + 1), "", "the schema has 65537 bytes; at most 65536");
    assert_refused(&"[".repeat(64 * 1_024), "", "not JSON: recursion limit");
    assert_refused(&r#"{"type":"#.repeat(8_000), "", "not JSON: recursion limit");
    let deep = |levels| {
        (0..levels).fold(json!("int"), |inner, level| {
            if level % 2 == 0 { json!({"type": "map", "values": inner}) } else { json!({"type": "array", "items": inner}) }
        })
    };
    assert!(WriterSchema::parse(&schema_of(&deep(63))).is_ok());
    // As deep as the JSON may be, but not its values.
    let braces = (0..120).fold(json!("int"), |inner, _| json!({"type": inner}));
    assert_eq!(text(&schema_of(&braces), &long(1)), r#"{"f":1}"#);
    assert_kind_refused(&deep(64), "", "more than 64 levels");
    let body = [
        (0..63).map(|level| if level % 2 == 0 { [long(1), string("k")].concat() } else { long(1) }).collect::<Vec<_>>().concat(),
        long(7),
        vec![0; 63],
    ];
    assert_eq!(text(&schema_of(&deep(63)), &body.concat()).matches(['{', '[']).count(), 64);
    // Named types can be deep without deep text.
    let chain: Vec<Json> = (0..100)
        .map(|level| {
            let inner = if level == 0 { json!("int") } else { json!(format!("R{}", level - 1)) };
            json!({"name": format!("f{level}"), "type": {"type": "record", "name": format!("R{level}"), "fields": [{"name": "a", "type": inner}]}})
        })
        .collect();
    assert_refused(&json!({"type": "record", "name": "E", "fields": chain}).to_string(), "f64", "more than 64 levels");
    assert!(WriterSchema::parse(&doubled(12)).is_ok());
    assert_refused(&doubled(30), "a.a.a.a.a.a.a.a", "more than 10000 types");
    assert!(WriterSchema::parse(&schema_of(&json!(vec!["int"; 9_000]))).is_ok());
    let branches: Vec<Json> = (0..5_001).map(|_| json!("E0")).collect();
    let text = json!({"type": "record", "name": "E", "fields": [
        {"name": "f", "type": {"type": "record", "name": "E0", "fields": [{"name": "a", "type": "null"}]}},
        {"name": "g", "type": branches},
    ]});
    assert_refused(&text.to_string(), "g", "more than 10000 types");
}

#[test]
fn items_that_take_no_bytes() {
    let empty = json!({"type": "record", "name": "R", "fields": []});
    let nothing = json!({"type": "record", "name": "R", "fields": [{"name": "a", "type": "null"}, {"name": "b", "type": {"type": "fixed", "name": "F", "size": 0}}]});
    for items in [json!("null"), json!({"type": "fixed", "name": "F", "size": 0}), empty, nothing] {
        assert_kind_refused(&json!({"type": "array", "items": items}), "f", "take no bytes");
        assert!(WriterSchema::parse(&schema_of(&json!({"type": "map", "values": items}))).is_ok());
        assert!(WriterSchema::parse(&schema_of(&json!({"type": "array", "items": ["null", items]}))).is_ok() || items == "null");
    }
}

#[test]
fn fixeds_and_decimals_beyond_the_bounds() {
    let fixed = |size: u64| json!({"type": "fixed", "name": "F", "size": size});
    assert!(WriterSchema::parse(&schema_of(&fixed(65_536))).is_ok());
    assert_kind_refused(&fixed(65_537), "f", "a fixed of 65537 bytes; at most 65536");
    assert_kind_refused(&fixed(u64::MAX), "f", "a fixed of");
    let decimal = |digits: u64| json!({"type": "bytes", "logicalType": "decimal", "precision": digits, "scale": digits});
    assert!(WriterSchema::parse(&schema_of(&decimal(500))).is_ok());
    assert_kind_refused(&decimal(501), "f", "a decimal of 501 digits; at most 500");
    assert_kind_refused(&decimal(u64::MAX), "f", "a decimal of");
}

#[test]
fn a_set_says_everything_that_is_wrong_with_its_files() {
    let good = schema_of(&json!("int"));
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let files = [
        file("1.avsc", &good),
        file("01.avsc", &good),
        file("4294967296.avsc", &good),
        file("-1.avsc", &good),
        file("event.avsc", &good),
        file("2.json", &good),
        file("3.avsc", &schema_of(&json!("nope"))),
        file("1.avsc", &good),
    ];
    let problems = Schemas::read(&files).expect_err("bad files");
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 7, "{shown:#?}");
    assert!(shown.contains(&"3.avsc: f: the type `nope` is not defined before it is used here".to_owned()), "{shown:#?}");
    assert!(shown.contains(&"1.avsc: the id 1 is there twice".to_owned()), "{shown:#?}");
    assert!(
        shown.contains(&"01.avsc: a schema's file is named by its id, a number up to 4294967295: `7.avsc`".to_owned()),
        "{shown:#?}"
    );
    let many: Vec<_> = (0..=MAX_SCHEMAS).map(|id| file(&format!("{id}.avsc"), &good)).collect();
    assert!(Schemas::read(&many[1..]).is_ok_and(|schemas| schemas.by_id(1_000).is_some()));
    assert_eq!(Schemas::read(&many).expect_err("too many")[0].message, "at most 1000 schemas can be known at once");
    assert!(Schemas::read(&[]).is_ok_and(|schemas| schemas.is_empty()));
}

#[test]
fn a_fingerprint_that_schemas_of_different_meaning_share_finds_none_of_them() {
    let bytes = schema_of(&json!({"type": "bytes"}));
    let decimal = schema_of(&json!({"type": "bytes", "logicalType": "decimal", "precision": 4}));
    let same = schema_of(&json!({"type": "bytes", "doc": "the same"}));
    let fingerprint = WriterSchema::parse(&bytes).expect("a schema").fingerprint();
    for text in [&decimal, &same] {
        assert_eq!(WriterSchema::parse(text).expect("a schema").fingerprint(), fingerprint);
    }
    assert!(schemas(&[&bytes, &same]).by_fingerprint(fingerprint).is_some());
    for texts in [[&bytes, &decimal, &same], [&decimal, &bytes, &bytes]] {
        let schemas = schemas(&texts.map(String::as_str));
        assert!(schemas.by_fingerprint(fingerprint).is_none());
        assert!((1..=3).all(|id| schemas.by_id(id).is_some()) && schemas.by_id(4).is_none());
    }
}
