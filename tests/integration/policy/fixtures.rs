//! `jidoka policy test`: events, and what is expected of them.

use serde_json::json;

use super::{EVENTS, Folder, POLICY};

const EXPECTED: &str = r#"{"event_id":"a","outcome":"RELEASED","hits":[]}
{"event_id":"b","outcome":"HELD","band":"high","hits":["conflicting-duplicate"]}

{"event_id":"c","outcome":"HELD","hits":["unreadable"]}
"#;

fn folder(expected: &str) -> Folder {
    let fixture = [("fixtures/loans.events.jsonl", EVENTS), ("fixtures/loans.expected.jsonl", expected)];
    Folder::with(&[("loans.yaml", POLICY), fixture[0], fixture[1]])
}

#[test]
fn what_is_as_expected_is_counted_with_the_rest() {
    folder(EXPECTED).policy(&["test", "."]).assert(
        0,
        "\
ok ./fixtures/loans.expected.jsonl: 3 of 3 as expected; of 1 more nothing is expected (d); 1 duplicate
ok 3 expectations in 1 fixture, all met
",
        "",
    );
}

#[test]
fn what_is_not_as_expected_is_said_with_its_place_and_why() {
    let wrong = EXPECTED.replace("RELEASED\",\"hits\":[]", "HELD\",\"band\":\"low\"").replace("\"unreadable\"", "\"unsure\"");
    let wrong = wrong.replace("high", "normal");
    let folder = folder(&wrong);
    folder.policy(&["test", "."]).assert(
        1,
        "\
failed ./fixtures/loans.expected.jsonl:1: a: expected HELD, low; came RELEASED, low, without a hit. Nothing was found.
failed ./fixtures/loans.expected.jsonl:2: b: expected HELD, normal, by conflicting-duplicate; came HELD, high, by \
conflicting-duplicate. The same event id came before with other content.
failed ./fixtures/loans.expected.jsonl:4: c: expected HELD, by unsure; came HELD, high, by unreadable. The record could not \
be read as an inference event; its original bytes are in the dead letters.
failed ./fixtures/loans.expected.jsonl: 0 of 3 as expected; of 1 more nothing is expected (d); 1 duplicate
failed 3 of 3 expectations in 1 fixture
",
        "",
    );
    let document = folder.policy(&["test", ".", "--output", "json"]).json();
    let fixture = &document["fixtures"][0];
    assert_eq!(
        (&document["passed"], &fixture["source"], &fixture["duplicates"]),
        (&json!(false), &json!("inference"), &json!(1))
    );
    assert_eq!(fixture["without_expectation"], json!({ "count": 1, "first": ["d"] }));
    let first = json!({ "line": 1, "event_id": "a", "expected": { "outcome": "HELD", "band": "low", "hits": null },
        "came": { "outcome": "RELEASED", "band": "low", "hits": [], "findings": [] } });
    assert_eq!(fixture["failures"][0], first);
}

/// What could not be checked is no hit, and holds all the same.
#[test]
fn an_error_is_said_by_its_trigger() {
    let policy = format!("{POLICY}  - id: large\n    rule: >-\n      amount >\n      3\n");
    let event =
        |id: &str, more: &str| format!(r#"{{"event_id":"{id}","model":{{"name":"loans"}},"confidence":0.9{more}}}"#) + "\n";
    let events = event("none", "") + &event("large", r#","amount":5"#);
    let expected = r#"{"event_id":"none","outcome":"RELEASED"}
{"event_id":"large","outcome":"HELD","hits":[]}"#;
    let folder = Folder::with(&[("loans.yaml", &policy), ("a.events.jsonl", &events), ("a.expected.jsonl", expected)]);
    folder.policy(&["test", "."]).assert(
        1,
        "\
failed ./a.expected.jsonl:1: none: expected RELEASED; came HELD, normal, without a hit. large: Could not be checked: amount is \
missing.
failed ./a.expected.jsonl:2: large: expected HELD, without a hit; came HELD, normal, by large. The rule `amount > 3` applies.
failed ./a.expected.jsonl: 0 of 2 as expected
failed 2 of 2 expectations in 1 fixture
",
        "",
    );
}

#[test]
fn mistakes_of_a_fixture_are_no_failures_of_the_policy() {
    let wrong = r#"{"event_id":"a","outcome":"RELEASED","hit":[]}
{"event_id":"nobody","outcome":"HELD"}
{"event_id":"b","outcome":"HELD"}
{"event_id":"b","outcome":"HELD"}
"#;
    folder(wrong).policy(&["test", "."]).assert(
        2,
        "\
error: ./fixtures/loans.expected.jsonl:1: column 42: unknown field `hit`, expected one of `event_id`, `outcome`, `band`, `hits`
error: ./fixtures/loans.expected.jsonl:2: no event has the id nobody; mend the id or take the line away
error: ./fixtures/loans.expected.jsonl:4: b is expected in line 3 already; keep one of both
failed 3 mistakes in 1 fixture; 0 expectations not met
",
        "",
    );
    folder("\n").policy(&["test", "."]).assert(
        2,
        "\
error: ./fixtures/loans.expected.jsonl: expects nothing; write a line such as {\"event_id\":\"e-1\",\"outcome\":\"HELD\"} for \
each event that matters
failed 1 mistake in 1 fixture; 0 expectations not met
",
        "",
    );
    let alone = Folder::with(&[
        ("loans.yaml", POLICY),
        ("a.events.jsonl", EVENTS),
        ("b.expected.jsonl", EXPECTED),
        ("c.events.jsonl", ""),
    ]);
    alone.write("c.expected.jsonl", EXPECTED.as_bytes());
    alone.policy(&["test", "."]).assert(
        2,
        "\
error: ./a.events.jsonl: has no a.expected.jsonl beside it; say there what is expected
error: ./b.expected.jsonl: has no b.events.jsonl beside it; the events are missing
error: ./c.expected.jsonl: cannot be tried: ./c.events.jsonl is empty
failed 3 mistakes in 3 fixtures; 0 expectations not met
",
        "",
    );
}

#[test]
fn what_is_not_there_is_said_with_what_to_do() {
    let folder = Folder::with(&[("loans.yaml", POLICY), ("only/loans.events.jsonl", EVENTS), ("bad/loans.yaml", "policy: x\n")]);
    folder.policy(&["test", "only"]).assert(
        2,
        "",
        "error: There is no policy file (*.yaml or *.yml) in only. Say where they are: --policies FILE or FOLDER.\n",
    );
    folder.policy(&["test", "."]).assert(
        2,
        "",
        "error: There is no fixture in .: write NAME.events.jsonl and NAME.expected.jsonl (see --help).\n",
    );
    folder.policy(&["test", "nowhere"]).assert(2, "", "error: nowhere cannot be read: No such file or directory (os error 2)\n");
    let bad = folder.policy(&["test", "only", "--policies", "bad"]);
    assert!(bad.code == Some(2) && bad.err.contains("bad/loans.yaml:1:1: triggers: this key is required"), "{bad:?}");
}

/// The policies that are delivered do what their fixtures say.
#[test]
fn the_fixtures_in_config_are_met() {
    let folder = Folder::with(&[]);
    let ran = folder.policy(&["test", concat!(env!("CARGO_MANIFEST_DIR"), "/config/policies")]);
    assert!(ran.code == Some(0) && ran.out.ends_with(", all met\n"), "{ran:?}");
}

/// --source, else the policy of that name or file, else the only source there is, else `fixture`.
#[test]
fn the_source_follows_from_the_names() {
    let by_source =
        |source: &str, name: &str| POLICY.replace("inference", source).replace("policy: loans", &format!("policy: {name}"));
    let expected = r#"{"event_id":"b","outcome":"HELD"}"#;
    let sources = |folder: &Folder, more: &[&str]| -> Vec<String> {
        let document = folder.policy(&[&["test", ".", "--output", "json"], more].concat()).json();
        let fixtures = document["fixtures"].as_array().expect("a list").iter();
        fixtures.map(|fixture| fixture["source"].as_str().expect("a name").to_owned()).collect()
    };
    let folder = Folder::with(&[("file.yaml", &by_source("one", "first")), ("b.yaml", &by_source("two", "second"))]);
    for name in ["file", "second", "third"] {
        folder.write(&format!("{name}.events.jsonl"), EVENTS.as_bytes());
        folder.write(&format!("{name}.expected.jsonl"), expected.as_bytes());
    }
    assert_eq!(sources(&folder, &[]), ["one", "two", "fixture"]);
    assert_eq!(sources(&folder, &["--source", "x"]), ["x", "x", "x"]);
    assert_eq!(sources(&folder, &["--policies", "b.yaml"]), ["two", "two", "two"]);
}
