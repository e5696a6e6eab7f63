//! `jidoka policy check`: every mistake, with its place, its line and a mark below it.

use serde_json::json;

use super::{Folder, POLICY};

const WRONG: &str = "\
policy: cards
versoin: 1
match: { model: cards }
triggers:
  - id: unsure
    confidence: { mesure: top_probability, below: high }
";

#[test]
fn every_mistake_is_shown_with_its_line_and_a_mark() {
    let folder = Folder::with(&[("policies/cards.yaml", WRONG), ("policies/loans.yaml", "policy: [ loans\n")]);
    folder.policy(&["check", "policies"]).assert(
        1,
        "\
error: policies/cards.yaml:2:1: versoin: unknown key; did you mean `version`?
    2 | versoin: 1
      | ^
error: policies/cards.yaml:6:17: triggers[0].confidence.measure: this key is required
    6 |     confidence: { mesure: top_probability, below: high }
      |                 ^
error: policies/cards.yaml:6:19: triggers[0].confidence.mesure: unknown key; did you mean `measure`?
    6 |     confidence: { mesure: top_probability, below: high }
      |                   ^
error: policies/loans.yaml:2:1: this is not YAML: while parsing a flow sequence, expected ',' or ']'
",
        "error: 4 mistakes in 2 files; no gate takes any of this set.\n",
    );
}

#[test]
fn programs_get_the_place_of_each_mistake() {
    let folder = Folder::with(&[("cards.yaml", WRONG)]);
    let ran = folder.policy(&["check", "cards.yaml", "--output", "json"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""));
    let first = json!({ "file": "cards.yaml", "line": 2, "column": 1, "path": "versoin",
        "message": "unknown key; did you mean `version`?" });
    let document = ran.json();
    assert_eq!((&document["policies"], &document["problems"][0]), (&json!([]), &first));
    assert_eq!(document["problems"].as_array().map(Vec::len), Some(3));
    // A problem that is of no line has none.
    let missing = folder.policy(&["check", "missing.yaml", "--output", "json"]).json();
    assert_eq!((&missing["problems"][0]["file"], &missing["problems"][0]["line"]), (&json!("missing.yaml"), &json!(null)));
}

#[test]
fn files_and_folders_are_one_set() {
    let other = "policy: cards\nmatch: { model: cards }\ntriggers:\n  - { id: a, confidence: { measure: margin, below: 0.1 } }\n";
    let folder =
        Folder::with(&[("loans.yaml", POLICY), ("more/cards.yml", other), ("more/notes.txt", "no policy"), ("none/a.txt", "")]);
    let ran = folder.policy(&["check", "loans.yaml", "more"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let lines: Vec<Vec<&str>> = ran.out.lines().map(|line| line.split(' ').collect()).collect();
    let [loans, cards] = &lines[..] else { panic!("two policies: {}", ran.out) };
    assert_eq!((&loans[..2], loans[3], &cards[..2], cards[3]), (&["ok", "loans"][..], "unsure", &["ok", "cards"][..], "a"));

    let twice = folder.policy(&["check", "loans.yaml", "loans.yaml"]);
    assert!(twice.code == Some(1) && twice.out.contains("the policy of loans.yaml has the name `loans` already"), "{twice:?}");
    folder.policy(&["check", "none"]).assert(1, "error: none: has no policy file (*.yaml or *.yml)\n", "");
}
