//! What the reader says to people, and that it reads what it should.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// What a reader of three keys and a list makes of `text`.
fn problems_of(text: &str) -> Vec<String> {
    fn read(text: &str) -> Result<(), Vec<Problem>> {
        let node = parse("test.yaml", text)?;
        let problems = Problems::default();
        Map::of_document(&node, &problems, |root| {
            let _ = root.required("name").text(16);
            root.section("gate", |gate| {
                let _ = gate.key("workers").integer(1..=64_u16);
                let _ = gate.key("linger").duration(Duration::from_millis(1)..=MINUTE);
                let _ = gate.key("share").number(0.0..=1.0);
                let _ = gate.key("fast").yes_or_no();
                let _ = gate.key("on_error").choice(&[("hold", 1), ("skip", 2)]);
                gate.refuse("turbo", "`turbo` is not supported yet");
            });
            let _ = root.key("groups").texts(1..=3, 8);
            let _ = root.key("sources").list(0..=9, |item| item.map(|source| source.required("topic").text(16)));
        });
        problems.finish(())
    }
    read(text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// A document and what is said about it.
#[rustfmt::skip]
const WRONG_VALUES: &[(&str, &[&str])] = &[
    ("name: a\n", &[]),
    ("name: a\ngate:\n", &[]),
    ("\u{feff}name: a\n", &[]),
    ("---\nname: a\n...\n", &[]),
    ("", &["test.yaml:1:1: name: this key is required"]),
    ("gate: {workers: 2}", &["test.yaml:1:1: name: this key is required"]),
    ("name: ~", &["test.yaml:1:1: name: this key is required"]),
    ("- name", &["test.yaml:1:1: expected a map, found a list"]),
    ("nme: a", &["test.yaml:1:1: name: this key is required", "test.yaml:1:1: nme: unknown key; did you mean `name`?"]),
    ("name: a\ngate:\n  workerz: 4\n", &["test.yaml:3:3: gate.workerz: unknown key; did you mean `workers`?"]),
    (
        "name: a\ngate: {verbosity: 4}\n",
        &[
            "test.yaml:2:8: gate.verbosity: unknown key; the keys known here are: `workers`, `linger`, `share`, `fast`, `on_error`",
        ],
    ),
    ("name: a\ngate: 4\n", &["test.yaml:2:7: gate: expected a map, found the number 4"]),
    ("name: [a]\n", &["test.yaml:1:7: name: expected text, found a list"]),
    ("name: ''\n", &["test.yaml:1:7: name: must not be empty"]),
    ("name: abcdefghijklmnopq\n", &["test.yaml:1:7: name: has 17 bytes; at most 16 are allowed"]),
    ("name: \"a\\tb\"\n", &["test.yaml:1:7: name: must not contain control characters"]),
    (
        "name: a\ngate: {workers: \"4\"}",
        &["test.yaml:2:17: gate.workers: expected a whole number from 1 to 64, found the text \"4\""],
    ),
    ("name: a\ngate: {workers: four}", &["test.yaml:2:17: gate.workers: expected a whole number from 1 to 64, found `four`"]),
    (
        "name: a\ngate: {workers: 0}",
        &["test.yaml:2:17: gate.workers: expected a whole number from 1 to 64, found the number 0"],
    ),
    (
        "name: a\ngate: {workers: 99999999999999999999}",
        &["test.yaml:2:17: gate.workers: expected a whole number from 1 to 64, found the number 99999999999999999999"],
    ),
    (
        "name: a\ngate: {workers: 2.0}",
        &["test.yaml:2:17: gate.workers: expected a whole number from 1 to 64, found the number 2.0"],
    ),
    (
        "name: a\ngate: {linger: 15}",
        &[
            "test.yaml:2:16: gate.linger: expected a duration from 1ms to 1m, found `15`; the unit is missing: ms, s, m, h, d or y",
        ],
    ),
    (
        "name: a\ngate: {linger: 1.5s}",
        &[
            "test.yaml:2:16: gate.linger: expected a duration from 1ms to 1m, found `1.5s`; the unit must be ms, s, m, h, d or y, and the number whole",
        ],
    ),
    ("name: a\ngate: {linger: 2h}", &["test.yaml:2:16: gate.linger: expected a duration from 1ms to 1m, found 2h"]),
    (
        "name: a\ngate: {linger: soon}",
        &[
            "test.yaml:2:16: gate.linger: expected a duration from 1ms to 1m, found `soon`; a duration is a whole number and a unit: ms, s, m, h, d or y",
        ],
    ),
    ("name: a\ngate: {share: .nan}", &["test.yaml:2:15: gate.share: expected a number from 0 to 1, found `.nan`"]),
    ("name: a\ngate: {share: 1.2}", &["test.yaml:2:15: gate.share: expected a number from 0 to 1, found the number 1.2"]),
    ("name: a\ngate: {fast: 1}", &["test.yaml:2:14: gate.fast: expected `true` or `false`, found the number 1"]),
    (
        "name: a\ngate: {on_error: hodl}",
        &["test.yaml:2:18: gate.on_error: expected one of `hold`, `skip`, found `hodl`; did you mean `hold`?"],
    ),
    (
        "name: a\ngate: {on_error: release}",
        &["test.yaml:2:18: gate.on_error: expected one of `hold`, `skip`, found `release`"],
    ),
    ("name: a\ngate: {turbo: 1}", &["test.yaml:2:8: gate.turbo: `turbo` is not supported yet"]),
    ("name: a\ngroups: []", &["test.yaml:2:9: groups: must not be empty"]),
    ("name: a\ngroups: [a, b, c, d]", &["test.yaml:2:9: groups: has 4 items; 1 to 3 are allowed"]),
    ("name: a\ngroups: [a, b, a]", &["test.yaml:2:16: groups[2]: `a` stands in the list already"]),
    ("name: a\ngroups: [a, ~]", &["test.yaml:2:13: groups[1]: expected text, found nothing"]),
    ("name: a\ngroups: a", &["test.yaml:2:9: groups: expected a list, found `a`"]),
    (
        "name: a\nsources:\n  - topics: x\n",
        &[
            "test.yaml:3:5: sources[0].topic: this key is required",
            "test.yaml:3:5: sources[0].topics: unknown key; did you mean `topic`?",
        ],
    ),
];

#[test]
fn every_problem_is_a_sentence_with_its_place() {
    for (text, expected) in WRONG_VALUES {
        assert_eq!(problems_of(text), *expected, "{text}");
    }
}

#[test]
fn what_yaml_allows_and_nobody_needs_is_refused() {
    let cases: &[(&str, &[&str])] = &[
        ("name: a\nname: b", &["test.yaml:2:1: the key `name` stands here a second time; the first is on line 1"]),
        ("a: {b: 1, b: 2}", &["test.yaml:1:11: the key `b` stands here a second time; the first is on line 1"]),
        ("name: &x a", &["test.yaml:1:7: anchors (`&name`) are not read here; write the value out wherever it is needed"]),
        (
            "a: &x {b: 1}\nc: *x\n",
            &[
                "test.yaml:1:4: anchors (`&name`) are not read here; write the value out wherever it is needed",
                "test.yaml:2:4: aliases (`*name`) are not read here; write the value out (or in quotes, if it is meant to begin with `*`)",
            ],
        ),
        (
            "name: *x\n",
            &[
                "test.yaml:1:7: aliases (`*name`) are not read here; write the value out (or in quotes, if it is meant to begin with `*`)",
            ],
        ),
        ("<<: {a: 1}\n", &["test.yaml:1:1: merge keys (`<<`) are not read here; write the keys out"]),
        ("name: !secret a\n", &["test.yaml:1:7: tags (`!name`) are not read here; write the value without one"]),
        ("a: 1\n---\nb: 2\n", &["test.yaml:2:1: a second document begins here; a file holds one document"]),
        ("gate:\n\tworkers: 4\n", &["test.yaml:2:1: the line is indented with a tab; YAML takes spaces only"]),
        ("gate:\n  a: 1\n\tworkers: 4\n", &["test.yaml:3:1: the line is indented with a tab; YAML takes spaces only"]),
        ("? [a, b]\n: 1\n", &["test.yaml:1:3: a key must be a word, not a list or a map"]),
        (": 1\n", &["test.yaml:1:1: a key is missing before the colon"]),
    ];
    for (text, expected) in cases {
        assert_eq!(problems_of(text), *expected, "{text}");
    }
}

#[test]
fn text_that_is_no_yaml_is_one_problem_with_a_place() {
    for text in ["a: [1, 2", "a: 'b", "a: b: c", "a: 1\n b: 2", "}", "a: \"\\q\"", "\u{0}", "a: @b"] {
        let found = problems_of(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with("test.yaml:") && found[0].contains("not YAML"), "{text}: {found:?}");
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let nested = |depth: usize| format!("a: {}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse("t", &nested(MAX_DEPTH)).is_ok());
    for depth in [MAX_DEPTH + 1, 100_000] {
        let problems = parse("t", &nested(depth)).expect_err("too deep");
        assert_eq!(problems[0].message, "lists and maps lie more than 64 deep in one another");
    }
    let long = format!("a: {}", "x".repeat(MAX_BYTES));
    let problems = parse("t", &long).expect_err("too long");
    assert_eq!(problems[0].to_string(), "t: the document has 1048579 bytes; at most 1048576 are read");
    assert!(parse("t", &long[..MAX_BYTES]).is_ok());
}

#[test]
fn so_many_problems_and_no_more_are_shown() {
    let lines: Vec<String> = (0..150).map(|index| format!("unknown{index}: 1")).collect();
    let found = problems_of(&format!("name: a\n{}", lines.join("\n")));
    assert_eq!(found.len(), 101);
    assert_eq!(found[100], "50 more problems are not shown");
}

#[test]
fn durations_read_and_print() {
    let read = |text: &str| {
        let node = Node::plain(Place::whole("t"), text);
        let problems = Problems::default();
        Field::new(Some(&node), &node.place, String::new(), &problems).duration(Duration::ZERO..=YEAR * 10)
    };
    for (text, millis, printed) in [
        ("100ms", 100, "100ms"),
        ("60s", 60_000, "1m"),
        ("90s", 90_000, "90s"),
        ("15m", 900_000, "15m"),
        ("8h", 28_800_000, "8h"),
        ("7d", 604_800_000, "168h"),
        ("3y", 94_608_000_000, "26280h"),
        ("0s", 0, "0s"),
        ("1500ms", 1_500, "1500ms"),
    ] {
        assert_eq!(read(text), Some(Duration::from_millis(millis)), "{text}");
        assert_eq!(duration_text(Duration::from_millis(millis)), printed);
    }
    for text in ["", "s", "-1s", "1 s", "1S", "1w", "99999999999s", "4294967295y"] {
        assert_eq!(read(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[a-c:\\[\\]{},&*!|>'\"#%@\\-? \n\t\u{e9}]{0,60}") {
        let _ = problems_of(&text);
    }

    #[test]
    fn printed_durations_are_read_back(millis in 0_u64..1_000_000_000) {
        let duration = Duration::from_millis(millis);
        let parsed = parse_duration(&duration_text(duration));
        prop_assert_eq!(parsed, Ok(duration));
    }
}
