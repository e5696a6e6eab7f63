//! Lines written and read; the fast way reads what the slow way reads.

use proptest::prelude::*;

use super::*;

type Header = (&'static str, Option<Vec<u8>>);

fn written(record: &Exported<'_>, headers: &[Header]) -> Vec<u8> {
    let mut out = Vec::new();
    write_line(&mut out, record, headers.iter().map(|(name, value)| (*name, value.as_deref())));
    out
}

fn record<'r>(key: Option<&'r [u8]>, value: Option<&'r [u8]>) -> Exported<'r> {
    Exported { topic: "jidoka.audit", partition: 2, offset: 41, timestamp: Some(Timestamp(1_767_610_001_187)), key, value }
}

/// What the slow way makes of a line; and that the fast way, if it reads it, makes the same of it.
fn both(line: &[u8]) -> Result<(String, Option<Vec<u8>>), String> {
    let shown = |line: &Line<'_>| format!("{:?}", Line { value: None, ..*line });
    let text = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    let slow = Slow::read(text);
    let slow = slow.as_ref().map(|slow| (shown(&slow.line()), slow.line().value.map(<[u8]>::to_vec))).map_err(Clone::clone);
    let mut buffer = vec![7; 3];
    if let Some(found) = fast::read(text, &mut buffer) {
        let line = found.with_value(&buffer);
        assert_eq!(Ok((shown(&line), line.value.map(<[u8]>::to_vec))), slow, "{text}");
    }
    slow
}

fn is_fast(line: &[u8]) -> bool {
    fast::read(std::str::from_utf8(line).expect("text"), &mut Vec::new()).is_some()
}

#[test]
fn a_line_is_the_contracts() {
    let headers = [("jidoka-kind", Some(b"DECIDED".to_vec())), ("jidoka-hash", Some(b"00ff".to_vec()))];
    let line = written(&record(Some(b"ab/0"), Some(br#"{"a":"b\\n"}"#)), &headers);
    let expected = concat!(
        r#"{"topic":"jidoka.audit","partition":2,"offset":41,"timestamp":"2026-01-05T10:46:41.187Z","key":"ab/0","#,
        r#""value":"{\"a\":\"b\\\\n\"}","headers":{"jidoka-kind":"DECIDED","jidoka-hash":"00ff"}}"#,
        "\n"
    );
    assert_eq!(String::from_utf8_lossy(&line), expected);
    let line = &line[..line.len() - 1];
    assert!(is_fast(line));
    let mut reader = LineReader::default();
    let read = reader.read(line).unwrap();
    assert_eq!((read.topic, read.partition, read.offset, read.key), ("jidoka.audit", 2, 41, Some("ab/0")));
    assert_eq!(read.value, Some(&br#"{"a":"b\\n"}"#[..]));
    assert_eq!((read.headers.kind, read.headers.hash, read.headers.decision_id), (Some("DECIDED"), Some("00ff"), None));
    assert!(both(line).is_ok());
}

#[test]
fn what_is_no_text_is_base64_and_reads_back() {
    let line = written(&record(Some(b"\xff"), Some(b"\x00\xff\xfe")), &[("x", Some(b"\xff".to_vec())), ("y", None)]);
    let text = String::from_utf8(line).unwrap();
    let end = "\"key_base64\":\"/w==\",\"value_base64\":\"AP/+\",\"headers\":{\"x_base64\":\"/w==\",\"y\":null}}\n";
    assert!(text.ends_with(end), "{text}");
    let mut reader = LineReader::default();
    let read = reader.read(text.trim_end().as_bytes()).unwrap();
    assert_eq!((read.key, read.value), (None, Some(&b"\x00\xff\xfe"[..])));
    assert!(reader.read(text.replace("AP/+", "AP*+").trim_end().as_bytes()).is_err());

    let tombstone = written(&Exported { timestamp: None, ..record(Some(b"a"), None) }, &[]);
    let tombstone = tombstone.trim_ascii_end();
    assert!(is_fast(tombstone));
    assert_eq!(reader.read(tombstone).unwrap().value, None);
    assert!(both(tombstone).is_ok());
}

#[test]
fn other_layouts_are_read_the_slow_way() {
    let line = r#"{"headers": {"jidoka-hash": "a\u0062"}, "value": "x\u00e9\n", "offset": 1, "topic": "t", "partition": 0}"#;
    assert!(!is_fast(line.as_bytes()));
    let mut reader = LineReader::default();
    let read = reader.read(line.as_bytes()).unwrap();
    assert_eq!((read.value, read.headers.hash, read.timestamp), (Some("xé\n".as_bytes()), Some("ab"), None));
    let millis = r#"{"topic":"t","partition":0,"offset":1,"timestamp":1767610001187,"key":null,"value":null,"headers":{}}"#;
    assert_eq!(reader.read(millis.as_bytes()).unwrap().timestamp, Some("2026-01-05T10:46:41.187Z"));
    for line in [
        "",
        "{}",
        "[]",
        r#"{"topic":"t","partition":0,"offset":1}"#,
        r#"{"topic":"t","topic":"t","partition":0,"offset":1,"headers":{}}"#,
        r#"{"topic":"t","partition":0,"offset":1,"value":"a","value_base64":"YQ==","headers":{}}"#,
        r#"{"topic":"t","partition":0,"offset":1,"timestamp":null,"key":null,"value":null,"headers":{"jidoka-hash":"a","jidoka-hash":"b"}}"#,
        r#"{"topic":"t","partition":99999999999,"offset":1,"timestamp":null,"key":null,"value":null,"headers":{}}"#,
        "{\"topic\":\"\u{1}\",\"partition\":0,\"offset\":1,\"timestamp\":null,\"key\":null,\"value\":null,\"headers\":{}}",
    ] {
        assert!(both(line.as_bytes()).is_err() && reader.read(line.as_bytes()).is_err(), "{line}");
    }
    assert!(reader.read(b"\xff").is_err());
}

fn some_bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        Just(None),
        "[ -~]{0,40}".prop_map(|text| Some(text.into_bytes())),
        ".{0,20}".prop_map(|text| Some(text.into_bytes())),
        r#"\{("[a-c]{1,9}":("[a-z\\\\]{0,9}"|[0-9]{1,4}|null),?){0,20}\}"#.prop_map(|text| Some(text.into_bytes())),
        proptest::collection::vec(any::<u8>(), 0..9).prop_map(Some),
    ]
}

proptest! {
    #[test]
    fn whatever_is_written_reads_back(
        key in some_bytes(), value in some_bytes(), header in some_bytes(), offset in 0_i64.., partition in 0_i32..,
    ) {
        let exported = Exported { partition, offset, ..record(key.as_deref(), value.as_deref()) };
        let line = written(&exported, &[("jidoka-kind", header.clone()), ("a\"b", Some(vec![1]))]);
        let line = line.trim_ascii_end();
        prop_assert!(both(line).is_ok());
        let mut reader = LineReader::default();
        let read = reader.read(line).unwrap();
        prop_assert_eq!((read.partition, read.offset, read.value), (partition, offset, value.as_deref()));
        let text = |bytes: &Option<Vec<u8>>| bytes.clone().and_then(|bytes| String::from_utf8(bytes).ok());
        prop_assert_eq!(read.key.map(str::to_owned), text(&key));
        prop_assert_eq!(read.headers.kind.map(str::to_owned), text(&header));
    }

    #[test]
    fn a_changed_line_is_read_the_same_by_both_ways(
        value in r#"\{("[a-c]{1,9}":("[a-z\\\\]{0,9}"|[0-9]{1,4}|null),?){0,20}\}"#,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(b'"'), Just(b'\\'), Just(b' '), Just(b'0')]), 0..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let headers = [("jidoka-decision-id", Some(b"ab".to_vec())), ("jidoka-kind", Some(b"HELD".to_vec())), ("t", Some(b"x".to_vec()))];
        let mut line = written(&record(Some(b"ab/0"), Some(value.as_bytes())), &headers);
        line.pop();
        for (place, byte) in changes {
            let place = place.index(line.len());
            line[place] = byte;
        }
        if let Some(cut) = cut {
            line.truncate(cut.index(line.len()));
        }
        let _ = both(&line);
    }
}
