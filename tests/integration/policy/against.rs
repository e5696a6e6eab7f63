//! `jidoka policy replay --against`: what another policy would decide differently.

use serde_json::{Value, json};

use super::{EVENTS, Folder, POLICY};

/// `loans`, stricter and with a trigger more; 0.8 is unsure now, and what is unsure is more urgent.
const STRICTER: &str = "\
policy: loans
version: \"4\"
match: { source: inference, model: loans }
triggers:
  - id: unsure
    confidence: { measure: top_probability, below: 0.85 }
  - id: very-sure
    confidence: { measure: top_probability, below: 0.3 }
review: { bands: { critical: 85, high: 40, normal: 15 } }
";

fn event(id: &str, confidence: f64, sex: &str) -> String {
    format!(
        r#"{{"event_id":"{id}","model":{{"name":"loans"}},"prediction":"yes","confidence":{confidence},"protected":{{"sex":"{sex}"}}}}"#
    ) + "\n"
}

fn folder() -> Folder {
    let events = [("sure", 0.9, "F"), ("quite", 0.8, "F"), ("unsure", 0.5, "M"), ("hardly", 0.2, "M"), ("other", 0.7, "M")];
    let events: String = events.iter().map(|(id, confidence, sex)| event(id, *confidence, sex)).collect();
    Folder::with(&[("loans.yaml", POLICY), ("stricter.yaml", STRICTER), ("events.jsonl", &events)])
}

const COMPARE: [&str; 6] = ["replay", "--policy", "loans.yaml", "--against", "stricter.yaml", "events.jsonl"];

fn compare(folder: &Folder, more: &[&str]) -> super::Ran {
    folder.policy(&[&COMPARE[..], more].concat())
}

#[test]
fn the_difference_is_told_by_outcome_band_trigger_and_subgroup() {
    let folder = folder();
    let ran = compare(&folder, &["--output", "json", "--examples", "1"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let document = ran.json();
    let of = |key: &str| document[key].clone();
    assert_eq!((&document["policy"][0]["version"], &document["against"][0]["version"]), (&json!("3"), &json!("4")));
    assert_eq!((of("records"), of("decisions"), of("changed"), of("changed_share")), (json!(5), json!(5), json!(2), json!(0.4)));
    assert_eq!(of("outcomes"), json!({ "released_by_both": 1, "released_to_held": 2, "held_to_released": 0, "held_by_both": 2 }));
    // 50: normal → high; 80: high by both limits.
    assert_eq!(of("bands"), json!([{ "from": "normal", "to": "high", "decisions": 1 }]));
    assert_eq!(
        of("triggers"),
        json!([
            { "policy": null, "id": "unsure", "kind": "confidence", "only_policy": 0, "only_against": 2, "both": 2,
                "failed_by_policy": 0, "failed_by_against": 0 },
            { "policy": null, "id": "very-sure", "kind": "confidence", "only_policy": 0, "only_against": 1, "both": 0,
                "failed_by_policy": 0, "failed_by_against": 0 },
        ])
    );
    let level = |level: &str, events: u32, held: (u32, u32), shares: (f64, f64, f64)| {
        json!({ "level": level, "events": events, "held_by_policy": held.0, "held_by_against": held.1,
            "share_by_policy": shares.0, "share_by_against": shares.1, "difference": shares.2 })
    };
    let levels = [level("F", 2, (0, 1), (0.0, 0.5, 0.5)), level("M", 3, (2, 3), (0.666_667, 1.0, 0.333_333))];
    assert_eq!(of("subgroups")["attributes"], json!([{ "attribute": "sex", "levels": levels, "other_levels": null }]));
    let examples = document["examples"].as_array().expect("a list");
    let told = |example: &Value| (example["difference"].clone(), example["event_id"].clone(), example["offset"].clone());
    let wanted = [(json!("released_to_held"), json!("quite"), json!(1)), (json!("other_band"), json!("unsure"), json!(2))];
    assert_eq!(examples.iter().map(told).collect::<Vec<_>>(), wanted);
    let sentence = "The probability of the most likely answer is 0.8000, below the limit of 0.85.";
    let finding = json!([{ "trigger": "unsure", "sentence": sentence }]);
    assert_eq!((&examples[0]["policy"]["findings"], &examples[0]["against"]["findings"]), (&json!([]), &finding));
    assert_eq!(ran.out, compare(&folder, &["--output", "json", "--examples", "1"]).out, "the same bytes");
}

#[test]
fn people_read_the_same() {
    let text = compare(&folder(), &["--allow", "50%"]).out;
    let hash = |line: &str| line.rsplit_once(' ').map(|(name, _)| name.to_owned());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((hash(lines[0]), hash(lines[1])), (Some("policy   loans".to_owned()), Some("against  loans".to_owned())));
    let wanted = "\
on events.jsonl (source inference)

                      records    share
decided                     5  100.0 %
  held by policy            2   40.0 %
  held by against           4   80.0 %
  released by both          1   20.0 %
  held by both              2   40.0 %
released → held             2   40.0 %
held → released             0    0.0 %
held in another band        1   20.0 %  normal → high 1

hits of    kind        policy only  against only  both  errors of policy  of against
unsure     confidence            0             2     2                 0           0
very-sure  confidence            0             1     0                 0           0

subgroup  level  records  held by policy  by against  points
sex       F            2           0.0 %      50.0 %   +50.0
sex       M            3          66.7 %     100.0 %   +33.3

released → held: 2 of 2
  quite  events.jsonl:2
    policy   RELEASED low       20.0  nothing was found
    against  HELD     normal    20.0  unsure: The probability of the most likely answer is 0.8000,
                                      below the limit of 0.85.
  other  events.jsonl:5
    policy   RELEASED normal    30.0  nothing was found
    against  HELD     normal    30.0  unsure: The probability of the most likely answer is 0.7000,
                                      below the limit of 0.85.

held in another band: 1 of 1
  unsure  events.jsonl:3
    policy   HELD     normal    50.0  unsure: The probability of the most likely answer is 0.5000,
                                      below the limit of 0.6. Not sure enough
    against  HELD     high      50.0  unsure: The probability of the most likely answer is 0.5000,
                                      below the limit of 0.85.

ok 40.0 % of the outcomes change, 2 of 5; 50 % are allowed
";
    assert_eq!(lines[2..].join("\n") + "\n", wanted);
    assert!(lines.iter().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn more_than_is_allowed_ends_with_one() {
    let folder = folder();
    for (allow, code) in [("0.4", 0), ("40%", 0), ("0.39", 1), ("0", 1), ("1", 0)] {
        let ran = compare(&folder, &["--allow", allow]);
        assert_eq!(ran.code, Some(code), "{allow}: {ran:?}");
    }
    let ran = compare(&folder, &["--allow", "1%", "--output", "json"]);
    assert_eq!(
        (ran.code, ran.json()["is_allowed"].clone(), ran.json()["allowed_share"].clone()),
        (Some(1), json!(false), json!(0.01))
    );
    let same = folder.policy(&["replay", "--policy", "loans.yaml", "--against", "loans.yaml", "events.jsonl", "--allow", "0"]);
    assert_eq!(same.code, Some(0), "{same:?}");
    assert_eq!(compare(&folder, &["--allow", "2"]).code, Some(2), "neither a share nor a percentage");
}

/// The same record is a duplicate, a conflict or unreadable to both.
#[test]
fn what_no_policy_decides_is_the_same_on_both_sides() {
    let folder = folder();
    folder.write("events.jsonl", EVENTS.as_bytes());
    let document = compare(&folder, &["--output", "json"]).json();
    assert_eq!((&document["records"], &document["duplicates"], &document["decisions"]), (&json!(6), &json!(1), &json!(5)));
    let both = |id: &str| {
        json!({ "policy": null, "id": id, "kind": "built-in", "only_policy": 0, "only_against": 0, "both": 1,
            "failed_by_policy": 0, "failed_by_against": 0 })
    };
    assert_eq!((&document["triggers"][2], &document["triggers"][3]), (&both("conflicting-duplicate"), &both("unreadable")));
}
