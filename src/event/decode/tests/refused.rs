//! Every code, with several records that earn it.

use super::*;

/// The code and the detail that `text` is refused with, and its ids as far as they could be read.
fn refusal(limits: Limits, bytes: &[u8]) -> (Code, String, [Option<String>; 3]) {
    let mut decoder = Decoder::new(Arc::new(Plan::default()), limits);
    match decoder.decode(bytes) {
        Ok(event) => panic!("accepted: {event:?}"),
        Err(Unreadable { code, detail, event_id, model_name, model_version }) => {
            (code, detail, [event_id, model_name, model_version].map(|id| id.map(str::to_owned)))
        }
    }
}

#[track_caller]
fn assert_code(code: Code, bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
    let (found, detail, _) = refusal(Limits::default(), bytes);
    assert_eq!(found, code, "{detail}: {shown}");
    assert!(!detail.is_empty() && detail.len() < 600 && !detail.chars().any(char::is_control), "{detail:?}");
}

/// That the smallest good event is refused with `code` when `rest` follows in it, with its ids, and with a detail that
/// holds `hint`.
#[track_caller]
fn assert_member(code: Code, rest: &str, hint: &str) {
    let (found, detail, ids) = refusal(Limits::default(), format!("{START},{rest}}}").as_bytes());
    assert_eq!(found, code, "{detail}: {rest}");
    assert!(detail.contains(hint), "{detail}");
    assert_eq!(ids, ["e", "m", "1"].map(|id| Some(id.to_owned())));
}

#[test]
fn empty() {
    assert_code(Code::Empty, b"");
}

#[test]
fn not_json() {
    for text in [
        " \n",
        "x",
        "nul",
        "nulls",
        "{",
        "[",
        "\"",
        "{}x",
        "{} {}",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":1 \"b\":2}",
        "{a:1}",
        "{'a':1}",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "{\"a\":1]",
        "[NaN]",
        "[Infinity]",
        "[-Infinity]",
        "[+1]",
        "[.5]",
        "[1.]",
        "[01]",
        "[-01]",
        "[00.5]",
        "[-]",
        "[1e]",
        "[1e+]",
        "[1.e5]",
        "[0x10]",
        "[tru]",
        "[TRUE]",
        "[\"\t\"]",
        "[\"\u{0}\"]",
        "[\"\n\"]",
        r#"["\x"]"#,
        r#"["\u12"]"#,
        r#"["\u12g4"]"#,
        r#"["\u+123"]"#,
        r#"["\ud800"]"#,
        r#"["\udc00"]"#,
        r#"["\ud800\u0041"]"#,
        r#"["\ud800\ud800"]"#,
        r#"["\ud83dx"]"#,
        r#"["abc"#,
        r#"["\"#,
        r#"["\u"#,
        r#"["\ud83d\u"#,
        "\u{feff}{}",
        "//\n{}",
        "[1]//",
        "{\u{a0}}",
        "[\"a\"\"b\"]",
        "\u{c}{}",
    ] {
        assert_code(Code::NotJson, text);
    }
}

#[test]
fn not_utf8_is_not_json() {
    for bytes in [
        &b"\xff"[..],
        b"{\"a\":\"\xff\"}",
        b"{\"a\":\"\xc3",
        b"[\"\xed\xa0\x80\"]",
        b"{} \x80",
        b"[\"\xc0\xaf\"]",
        b"\xfe\xff\0{\0}",
    ] {
        assert_code(Code::NotJson, bytes);
    }
}

#[test]
fn control_characters_in_strings_are_not_json_wherever_they_stand() {
    for byte in 0..0x20 {
        for length in 0..20 {
            let text = [&b"[\""[..], &vec![b' '; length], &[byte], b"\"]"].concat();
            assert_code(Code::NotJson, text);
        }
    }
}

#[test]
fn every_truncation_of_a_real_event_is_not_json() {
    for text in [ADULT, CREDIT] {
        for end in 1..text.len() {
            assert_code(Code::NotJson, &text[..end]);
        }
    }
}

#[test]
fn too_large() {
    let limits = Limits { max_bytes: 100, ..Limits::default() };
    let text = |bytes: usize| format!("{START},\"x\":\"{}\"}}", "x".repeat(bytes - START.len() - 8));
    assert!(Decoder::new(Arc::new(Plan::default()), limits).decode(text(100).as_bytes()).is_ok());
    let (code, detail, ids) = refusal(limits, text(101).as_bytes());
    assert_eq!((code, detail.as_str()), (Code::TooLarge, "the record has 101 bytes, more than 100"));
    assert_eq!(ids, [None, None, None]);
    assert_code(Code::TooLarge, vec![b'['; 1_048_577]);
    assert_code(Code::TooLarge, vec![0xff; 2_000_000]);
}

#[test]
fn too_deep() {
    let nested =
        |open: &str, close: &str, levels: usize| format!("{START},\"x\":{}1{}}}", open.repeat(levels), close.repeat(levels));
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), (" [ ", " ] ")] {
        assert!(decoder().decode(nested(open, close, 63).as_bytes()).is_ok());
        assert_code(Code::TooDeep, nested(open, close, 64));
    }
    for levels in [65, 10_000, 1_000_000] {
        assert_code(Code::TooDeep, "[".repeat(levels));
        assert_code(Code::TooDeep, format!("{START},\"features\":{{\"a\":{}", "[".repeat(levels)));
    }
    assert_code(Code::TooDeep, "{\"a\":".repeat(200_000));
    assert_code(Code::TooDeep, r#"{"event_id":7,"model":"#.to_owned() + &"[".repeat(64));
    let limits = Limits { max_depth: 2, ..Limits::default() };
    let (code, ..) = refusal(limits, format!("{START},\"evidence\":[{{}}]}}").as_bytes());
    assert_eq!(code, Code::TooDeep);
}

#[test]
fn a_million_levels_within_the_limits_are_read_without_recursion() {
    let limits = Limits { max_bytes: 10_000_000, max_depth: 1_000_001, max_fields: 2_000_000 };
    let text = format!("{START},\"x\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    assert!(Decoder::new(Arc::new(Plan::default()), limits).decode(text.as_bytes()).is_ok());
}

#[test]
fn too_many_fields() {
    let limits = Limits { max_fields: 10, ..Limits::default() };
    let mut small = Decoder::new(Arc::new(Plan::default()), limits);
    for good in
        [r#""x":[1,2,3,4]"#, r#""features":{"a":1,"b":2,"c":3,"d":4}"#, r#""x":[[],[{"a":1}]]"#, r#""x":{"a":[{"b":1}]},"y":1"#]
    {
        assert!(small.decode(format!("{START},{good}}}").as_bytes()).is_ok(), "{good}");
    }
    for bad in [
        r#""x":[1,2,3,4,5]"#,
        r#""flags":["a","b","c","d","e"]"#,
        r#""features":{"a":1,"b":2,"c":3,"d":4,"e":5}"#,
        r#""x":[[],[{"a":1}],1]"#,
        r#""x":{"a":[{"b":1}]},"y":1,"z":{}"#,
    ] {
        let (code, _, ids) = refusal(limits, format!("{START},{bad}}}").as_bytes());
        assert_eq!((code, ids[0].as_deref()), (Code::TooManyFields, Some("e")), "{bad}");
    }
    assert_code(Code::TooManyFields, format!("[{}", "1,".repeat(1_001)));
}

#[test]
fn too_long() {
    let (fits, long) = ("x".repeat(1_024), "x".repeat(1_025));
    for field in ["subject_id", "requested_by", "currency", "action"] {
        assert_accepted(&format!(r#""{field}":"{fits}""#));
        assert_member(Code::TooLong, &format!(r#""{field}":"{long}""#), field);
    }
    for (before, after) in [
        (r#""timestamp":""#, "\""),
        (r#""protected":{"k":""#, "\"}"),
        (r#""protected":{""#, r#"":"v"}"#),
        (r#""probabilities":{""#, r#"":1}"#),
        (r#""explanation":{""#, r#"":1}"#),
        (r#""flags":["ok",""#, "\"]"),
        (r#""evidence":[{"uri":""#, "\"}]"),
        (r#""evidence":[{"sha256":""#, "\"}]"),
        (r#""amount":0."#, ""),
    ] {
        let filler = if before.contains("amount") { "1".repeat(1_023) } else { long.clone() };
        assert_member(Code::TooLong, &format!("{before}{filler}{after}"), "more than 1024");
        if !before.contains("timestamp") {
            assert_accepted(&format!("{before}{}{after}", &filler[1..]));
        }
    }
    for text in [
        format!(r#"{{"event_id":"e","model":{{"name":"{long}"}},"prediction":1}}"#),
        format!(r#"{{"event_id":"e","model":{{"name":"m","version":"{long}"}},"prediction":1}}"#),
        format!(r#"{{"event_id":"e","model":{{"name":"m"}},"prediction":"{long}"}}"#),
        format!(r#"{{"event_id":"e","model":{{"name":"m"}},"prediction":"{}"}}"#, "ä".repeat(513)),
        format!(r#"{{"event_id":"e","model":{{"name":"m"}},"prediction":{}}}"#, "1".repeat(300) + "." + &"1".repeat(724)),
    ] {
        assert_code(Code::TooLong, text);
    }
    let mebibyte = "x".repeat(1_000_000);
    assert_accepted(&format!(r#""features":{{"a":"{mebibyte}","{long}":1,"b":0.{}}}"#, "1".repeat(2_000)));
    assert_accepted(&format!(r#""note":"{mebibyte}","{long}":["{long}"]"#));
    assert_accepted(&format!(r#""subject_id":"{}""#, r"\u0061".repeat(1_024)));
}

#[test]
fn bad_id() {
    let event = |id: &str| format!(r#"{{"event_id":"{id}","model":{{"name":"m"}},"prediction":1}}"#);
    assert!(decoder().decode(event(&"x".repeat(256)).as_bytes()).is_ok());
    for id in [
        String::new(),
        "x".repeat(257),
        "ä".repeat(129),
        "x".repeat(10_000),
        "a\\nb".into(),
        "\\u0000".into(),
        "a\u{7f}".into(),
        "\u{85}".into(),
    ] {
        let (code, _, ids) = refusal(Limits::default(), event(&id).as_bytes());
        assert_eq!((code, ids), (Code::BadId, [None, Some("m".to_owned()), None]), "{id}");
    }
}

#[test]
fn duplicate_key() {
    assert_member(Code::DuplicateKey, r#""amount":1,"amount":1"#, "`amount`");
    assert_member(Code::DuplicateKey, r#""x":{"y":[{"a":1,"b":2,"a":3}]}"#, "in `x.y[0]`: the key `a`");
    assert_member(Code::DuplicateKey, r#""x":1,"\u0078":2"#, "`\\u0078`");
    assert_member(Code::DuplicateKey, r#""x":{"\"y\"":1,"\"y\"":2}"#, r#"in `x`: the key `\"y\"` stands twice"#);
    assert_member(Code::DuplicateKey, r#""features":{"a":1,"\u0061":1}"#, "in `features`");
    assert_member(Code::DuplicateKey, r#""probabilities":{"":1,"":0}"#, "in `probabilities`");
    assert_member(Code::DuplicateKey, r#""protected":{"a":null,"a":null}"#, "in `protected`");
    assert_member(Code::DuplicateKey, r#""explanation":{"a":1,"a":1}"#, "in `explanation`");
    assert_member(Code::DuplicateKey, r#""evidence":[{"uri":"a","uri":"a"}]"#, "in `evidence[0]`");
    assert_accepted(r#""a":{"a":{"a":1},"b":{"a":1}},"b":[{"a":1},{"a":1}]"#);
    let many = |last: &str| {
        let keys: Vec<String> = (0..900).map(|n| format!("\"{}-{n:04}-{}\":0", "k".repeat(300), "k".repeat(300))).collect();
        format!(r#""features":{{{},"{}-{last}-{}":0}}"#, keys.join(","), "k".repeat(300), "k".repeat(300))
    };
    assert_accepted(&many("0900"));
    assert_member(Code::DuplicateKey, &many("0000"), "kkk…");
}

#[test]
fn an_id_given_twice_is_no_id() {
    let some = |text: &str| Some(text.to_owned());
    for (text, ids) in [
        (r#"{"event_id":"a","event_id":"a","model":{"name":"m"},"prediction":1}"#, [None, some("m"), None]),
        (r#"{"event_id":null,"event\u005fid":"a","model":{"name":"m"},"event_id":"a"}"#, [None, some("m"), None]),
        (r#"{"event_id":"a","model":{"name":"m"},"model":{"name":"m","version":"1"}}"#, [some("a"), None, None]),
        (r#"{"event_id":"a","model":{"name":"m","version":"1","name":"n"}}"#, [some("a"), None, some("1")]),
        (r#"{"event_id":"a","model":{"version":"1","version":"1","name":"n"}}"#, [some("a"), some("n"), None]),
    ] {
        let (code, _, found) = refusal(Limits::default(), text.as_bytes());
        assert_eq!((code, found), (Code::DuplicateKey, ids), "{text}");
    }
    let (code, _, ids) = refusal(Limits::default(), br#"{"event_id":"a","event_id":"a","model":{"name":"m""#);
    assert_eq!((code, ids), (Code::NotJson, [None, some("m"), None]));
}

#[test]
fn missing_field() {
    for (text, hint) in [
        ("{}", "event_id"),
        (r#"{"model":{"name":"m"},"prediction":1}"#, "event_id"),
        (r#"{"event_id":null,"model":{"name":"m"},"prediction":1}"#, "event_id"),
        (r#"{"event_id":"e","prediction":1}"#, "model.name"),
        (r#"{"event_id":"e","model":null,"prediction":1}"#, "model.name"),
        (r#"{"event_id":"e","model":{},"prediction":1}"#, "model.name"),
        (r#"{"event_id":"e","model":{"name":null},"prediction":1}"#, "model.name"),
        (r#"{"event_id":"e","model":{"name":""},"prediction":1}"#, "model.name"),
        (r#"{"event_id":"e","model":{"name":"m"}}"#, "prediction"),
    ] {
        let (code, detail, _) = refusal(Limits::default(), text.as_bytes());
        assert_eq!(code, Code::MissingField, "{text}");
        assert!(detail.contains(hint), "{detail}");
    }
}

#[test]
fn an_outcome_that_is_null_or_empty_is_missing() {
    for outcome in [r#""prediction":null"#, r#""confidence":null"#, r#""probabilities":{}"#, r#""probabilities":{"a":null}"#] {
        assert_code(Code::MissingField, format!(r#"{{"event_id":"e","model":{{"name":"m"}},{outcome}}}"#));
    }
}

#[test]
fn wrong_type() {
    for value in ["1", "true", "{}", "[]"] {
        for field in ["timestamp", "subject_id", "requested_by", "currency", "action"] {
            assert_member(Code::WrongType, &format!(r#""{field}":{value}"#), &format!("in `{field}`: expected a string"));
        }
        assert_member(Code::WrongType, &format!(r#""protected":{{"a":{value}}}"#), "in `protected.a`: expected a string");
        assert_member(Code::WrongType, &format!(r#""flags":["a",{value}]"#), "in `flags[1]`: expected a string");
        assert_member(Code::WrongType, &format!(r#""evidence":[{{"uri":{value}}}]"#), "in `evidence[0].uri`: expected a string");
    }
    for value in ["\"1\"", "true", "{}", "[]"] {
        for field in ["confidence", "amount"] {
            assert_member(Code::WrongType, &format!(r#""{field}":{value}"#), &format!("in `{field}`: expected a number"));
        }
        assert_member(Code::WrongType, &format!(r#""probabilities":{{"a":{value}}}"#), "in `probabilities.a`: expected a number");
        assert_member(Code::WrongType, &format!(r#""explanation":{{"a":{value}}}"#), "in `explanation.a`: expected a number");
    }
    for value in ["1", "\"x\"", "true", "[]"] {
        for field in ["features", "probabilities", "protected", "explanation"] {
            assert_member(Code::WrongType, &format!(r#""{field}":{value}"#), &format!("in `{field}`: expected an object"));
        }
    }
    for value in ["1", "\"x\"", "true", "{}"] {
        assert_member(Code::WrongType, &format!(r#""flags":{value}"#), "in `flags`: expected a list of strings, found");
        assert_member(Code::WrongType, &format!(r#""evidence":{value}"#), "in `evidence`: expected a list of objects, found");
    }
    assert_member(Code::WrongType, r#""flags":[null]"#, "found null");
    assert_member(Code::WrongType, r#""evidence":[null]"#, "found null");
    assert_member(
        Code::WrongType,
        r#""features":{"a":[1]}"#,
        "in `features.a`: expected a number, a string, a bool or null, found a list",
    );
    assert_member(Code::WrongType, r#""features":{"a":{}}"#, "found an object");
    for time in ["yesterday", "", "2026-02-30T00:00:00Z", "2026-01-05", "1767610001187"] {
        assert_member(Code::WrongType, &format!(r#""timestamp":"{time}""#), "RFC 3339");
    }
    for text in ["[]", "1", "\"x\"", "true", "null", "[{\"event_id\":\"e\"}]"] {
        assert_code(Code::WrongType, text);
    }
    for text in [
        r#"{"event_id":7,"model":{"name":"m"},"prediction":1}"#,
        r#"{"event_id":"e","model":"m","prediction":1}"#,
        r#"{"event_id":"e","model":{"name":7},"prediction":1}"#,
        r#"{"event_id":"e","model":{"name":"m","version":7},"prediction":1}"#,
        r#"{"event_id":"e","model":{"name":"m"},"prediction":[1]}"#,
        r#"{"event_id":"e","model":{"name":"m"},"prediction":{}}"#,
    ] {
        assert_code(Code::WrongType, text);
    }
}

#[test]
fn out_of_range() {
    for value in ["1.0000000000000002", "-0.1", "2", "-1e-300", "1e300"] {
        assert_member(Code::OutOfRange, &format!(r#""confidence":{value}"#), "in `confidence`: expected a number from 0 to 1");
        assert_member(Code::OutOfRange, &format!(r#""probabilities":{{"a":0.5,"b":{value}}}"#), "in `probabilities.b`");
    }
    let digits = "9".repeat(400);
    for value in ["1e999", "-1e999", "1e309", "1.8e308", "0.01e311", "1e99999999999999999999999", digits.as_str()] {
        for place in ["\"amount\":", "\"features\":{\"a\":1,\"b\":", "\"explanation\":{\"a\":", "\"x\":", "\"x\":[[{\"y\":"] {
            let close: String = place
                .chars()
                .rev()
                .filter_map(|c| [('{', '}'), ('[', ']')].into_iter().find(|pair| pair.0 == c))
                .map(|p| p.1)
                .collect();
            assert_member(Code::OutOfRange, &format!("{place}{value}{close}"), "beyond a double");
        }
    }
    assert_accepted(r#""amount":1.7976931348623157e308,"x":[1e-999,-1e-99999999999999999999,0e999,0.0e999999999999999999999]"#);
}

#[test]
fn a_syntax_fault_wins_then_the_first_of_the_others_then_what_is_missing() {
    assert_code(Code::NotJson, format!(r#"{START},"amount":"x","confidence":7,"#));
    assert_code(Code::NotJson, "[] x");
    assert_code(Code::TooDeep, format!(r#"{START},"amount":"x","y":{}"#, "[".repeat(64)));
    assert_member(Code::WrongType, r#""amount":"x","confidence":7"#, "in `amount`");
    assert_member(Code::OutOfRange, r#""confidence":7,"amount":"x""#, "in `confidence`");
    assert_code(Code::WrongType, r#"{"amount":"x"}"#);
    let (code, detail, ids) = refusal(Limits::default(), format!("{START},\"x\":\"\u{0}\"}}\u{0}").as_bytes());
    assert_eq!(code, Code::NotJson);
    assert!(detail.contains("in `x`: control character 0x00"), "{detail}");
    assert_eq!(ids[0].as_deref(), Some("e"));
    let mut bytes = format!(r#"{START},"x":"ä"#).into_bytes();
    bytes.extend(b"\xff\"}");
    let (code, detail, ids) = refusal(Limits::default(), &bytes);
    assert_eq!((code, ids[0].as_deref()), (Code::NotJson, Some("e")));
    assert_eq!(detail, format!("at byte {}, in `x`: the bytes here are not UTF-8", bytes.len() - 3));
    let mut deep = "[".repeat(100).into_bytes();
    deep.push(0xff);
    assert_code(Code::TooDeep, deep);
}

#[test]
fn a_sentence_says_where_and_what_without_control_characters() {
    for (text, sentence) in [
        ("\"\"\"", "at byte 2: expected the end of the record, found `\"`"),
        ("{\"a\":{\"b\":\u{1}}}", "at byte 10, in `a.b`: expected a value, found `\\u{1}`"),
        ("{\"a\":[1,2", "at byte 9, in `a[1]`: the record ends where `,` or `]` should stand"),
        ("\u{feff}{}", "at byte 0: expected a value, found a byte-order mark"),
        ("{\"a\":01}", "at byte 5, in `a`: a number with a leading zero"),
        ("{\"ä\":NaN}", "at byte 6, in `ä`: expected a value, found `N`"),
        ("{\"a\":1,\"ä\":\"\\ud800\"}", "at byte 13, in `ä`: half of a surrogate pair in a string"),
    ] {
        assert_eq!(refusal(Limits::default(), text.as_bytes()).1, sentence);
    }
}
