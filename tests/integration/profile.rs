//! `jidoka profile build|show` as their users run them: the binary, files, standard output and exit codes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::kafka::unique;

const POLICY: &str = "\
policy: adult-income
match: { model: adult-gbdt }
adverse: prediction == '<=50K'
profile: ../adult.profile
triggers:
  - id: unsure
    confidence: { measure: top_probability, below: 0.60 }
  - id: unlike-training
    anomaly: { alpha: 0.01 }
  - id: subgroup-drop
    fairness: { attributes: [ sex, race ] }
review:
  capacity: { rate: 0.10 }
";

/// A folder with a policy, in which the commands run.
pub struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self::with(POLICY)
    }

    /// One with this policy, whose profile is to be `../adult.profile`.
    pub fn with(policy: &str) -> Self {
        let folder = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique("profile")));
        folder.write("policies/adult.yaml", policy);
        folder
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("a folder below ours");
        fs::write(path, text).expect("a file in our folder");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// `jidoka <arguments>`: exit code, standard output, standard error.
    pub fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jidoka"));
        let output = command.args(arguments).current_dir(&self.0).env("NO_COLOR", "1").output().expect("the binary runs");
        let text = |bytes| String::from_utf8(bytes).expect("it prints text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// `jidoka profile build`, with these files.
    pub fn build(&self, training: &str, calibration: &str, more: &[&str]) -> (Option<i32>, String, String) {
        let files = ["profile", "build", "--policy", "policies/adult.yaml", "--training", training, "--calibration", calibration];
        let out = ["--out", "adult.profile", "--built-at", "2026-01-05T08:00:00Z"];
        self.run(&[&files[..], &out[..], more].concat())
    }

    /// A small training and calibration of which a profile can be built.
    fn with_loans(&self) {
        let rows: Vec<String> = (0..300).map(|row| format!("{},{},x{row}\n", 20 + row % 50, ["a", "b"][row % 2])).collect();
        self.write("training.csv", &format!("age,\"job, now\",unused\n{}", rows.concat()));
        let event = |row: usize| {
            let (age, job) = (20 + row % 50, ["a", "b"][row % 2]);
            format!(
                "{{\"event_id\":\"e{row}\",\"model\":{{\"name\":\"adult-gbdt\"}},\"prediction\":\"<=50K\",\"confidence\":0.{},\
                 \"features\":{{\"age\":{age},\"job, now\":\"{job}\"}},\"protected\":{{\"sex\":\"f\",\"race\":\"x\"}}}}\n",
                60 + row % 40
            )
        };
        self.write("calibration.jsonl", &(0..120).map(event).collect::<Vec<_>>().concat());
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed lies in a folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn data(file: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/adult").join(file).display().to_string()
}

#[test]
fn a_profile_of_real_data_is_built_shown_and_taken() {
    let folder = Folder::new();
    let (training, calibration) = (data("reference.csv.gz"), data("calibration.jsonl.gz"));
    let (code, out, err) = folder.build(&training, &calibration, &["--shards", "1"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(
        out.starts_with("built adult.profile: 20,000 training rows, 11 features (5 numbers), 4,000 calibration events"),
        "{out}"
    );
    let one = folder.read("adult.profile");
    assert_eq!(folder.build(&training, &calibration, &["--shards", "8"]).0, Some(0));
    assert!(folder.read("adult.profile") == one, "eight shards make another file");
    assert_eq!(fs::read_dir(&folder.0).expect("our folder").count(), 2, "nothing is left beside the profile");

    // A gate takes it.
    let (code, out, _) = folder.run(&["policy", "check", "policies"]);
    assert!(code == Some(0) && out.contains("unlike-training"), "{out}");

    let (code, out, err) = folder.run(&["profile", "show", "adult.profile"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    for shown in [
        "built 2026-01-05T08:00:00.000Z",
        "reference.csv.gz, 20,000 training rows",
        "age               0.0 %  ▅▇▇▇███",
        "17 … 37 … 90",
    ] {
        assert!(out.contains(shown), "{shown}\n{out}");
    }
    // As in schema.json: 112 of 1,332; of 41 nothing is said.
    assert!(out.contains("sex        Female               1,332       8.4 %") && out.contains("41     too few"), "{out}");

    let (_, out, _) = folder.run(&["profile", "show", "adult.profile", "--output", "json"]);
    let shown: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((&shown["rows"], &shown["calibration"], &shown["priorities"]), (&20_000.into(), &4_000.into(), &4_000.into()));
    assert_eq!(shown["features"][3]["levels"]["HS-grad"], 6_512);
    let male = shown["subgroups"].as_array().expect("a list").iter().find(|group| group["level"] == "Male");
    assert_eq!(male.map(|group| (&group["events"], &group["favourable"])), Some((&2_668.into(), &652.into())));
}

/// The profiles that are delivered are those that the delivered policies make of the data in this repository.
#[test]
fn the_profiles_in_config_can_be_built_again() {
    let folder = Folder::new();
    for (policy, profile, data) in [("adult-income", "adult", "adult"), ("credit-default", "credit-default", "credit_default")] {
        let out = folder.0.join(profile).display().to_string();
        let command = |root: &str, out: &str| {
            format!(
                "profile build --policy {root}config/policies/{policy}.yaml --training {root}tests/data/{data}/reference.csv.gz \
                 --calibration {root}tests/data/{data}/calibration.jsonl.gz --built-at 2026-01-05T08:00:00Z --out {out}"
            )
        };
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
        let (code, _, err) = folder.run(&command(root, &out).split_whitespace().collect::<Vec<_>>());
        assert_eq!((code, err.as_str()), (Some(0), ""));
        let delivered = format!("config/profiles/{profile}.profile");
        let bytes = fs::read(Path::new(root).join(&delivered)).unwrap_or_default();
        assert!(folder.read(profile) == bytes, "{delivered} is out of date: cargo run -- {}", command("", &delivered));
    }
}

#[test]
fn what_is_damaged_or_no_profile_is_not_shown() {
    let folder = Folder::new();
    folder.with_loans();
    let (code, _, err) = folder.build("training.csv", "calibration.jsonl", &[]);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("warning: 120 calibration events make p-values coarse, none below 1/121"), "{err}");
    assert_eq!(err.matches("warning:").count(), 1, "{err}");
    let training = String::from_utf8(folder.read("training.csv")).expect("text");
    folder.write("training.csv", &training.replace(",b,", ",B,"));
    let (code, _, err) = folder.build("training.csv", "calibration.jsonl", &[]);
    let said = "`job, now` has values in 60 calibration events that the training never has: are both written alike?";
    assert!(code == Some(0) && err.contains(said), "{err}");

    let mut bytes = folder.read("adult.profile");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(folder.0.join("damaged.profile"), &bytes).expect("a file");
    let (code, out, err) = folder.run(&["profile", "show", "damaged.profile"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.starts_with("error: damaged.profile: this profile is damaged"), "{err}");
    let (code, _, err) = folder.run(&["profile", "show", "policies/adult.yaml"]);
    assert!(code == Some(1) && err.contains("this is no profile of jidoka"), "{err}");
    let (code, _, err) = folder.run(&["profile", "show", "missing.profile"]);
    assert!(code == Some(1) && err.contains("Cannot read missing.profile"), "{err}");
}

#[test]
fn files_that_do_not_fit_are_refused_with_what_is_wrong() {
    let folder = Folder::new();
    folder.with_loans();
    let training = fs::read_to_string(folder.0.join("training.csv")).expect("text");
    let calibration = fs::read_to_string(folder.0.join("calibration.jsonl")).expect("text");
    folder.write("renamed.csv", &training.replacen("age", "Age", 1));
    folder.write("short.csv", &training.lines().take(50).collect::<Vec<_>>().join("\n"));
    folder.write("ragged.csv", &training.replacen("\n21,b,x1\n", "\n21,b\n", 1));
    folder.write("words.csv", &training.trim_end().replace('\n', "\nold"));
    folder.write("few.jsonl", &calibration.lines().take(99).collect::<Vec<_>>().join("\n"));
    folder.write("broken.jsonl", &calibration.replacen("\"e7\"", "7", 1));
    folder.write("other.jsonl", &calibration.replace("adult-gbdt", "other"));
    let fine = ("training.csv", "calibration.jsonl");
    for (training, calibration, said) in [
        (
            "renamed.csv",
            fine.1,
            "renamed.csv has no column `age`, which the calibration events have as features; its columns are Age, job, now",
        ),
        ("short.csv", fine.1, "short.csv: the training has 49 rows; a profile takes at least 100"),
        ("ragged.csv", fine.1, "ragged.csv, line 3: the row has 2 columns, the header 3"),
        ("words.csv", fine.1, "`age` is a number in the calibration events, and 300 of its cells are none, such as `old20`"),
        ("missing.csv", fine.1, "Cannot read missing.csv"),
        (fine.0, "few.jsonl", "few.jsonl has 99 events that the policy matches; a calibration takes at least 100"),
        (fine.0, "broken.jsonl", "broken.jsonl, line 8: "),
        (fine.0, "other.jsonl", "other.jsonl has 0 events that the policy matches"),
    ] {
        let (code, out, err) = folder.build(training, calibration, &[]);
        assert!(code == Some(1) && out.is_empty() && err.contains(said), "{training} {calibration}: {err}");
    }
    assert!(!folder.0.join("adult.profile").exists(), "nothing was written");

    folder.write("policies/adult.yaml", &POLICY.replacen("alpha", "alhpa", 1));
    let (code, _, err) = folder.build(fine.0, fine.1, &[]);
    assert!(code == Some(2) && err.contains("did you mean `alpha`?"), "{err}");
    let plain = "policy: p\ntriggers: [ { id: a, rule: amount > 1 } ]\n";
    folder.write("policies/adult.yaml", plain);
    let (code, _, err) = folder.build(fine.0, fine.1, &[]);
    assert!(code == Some(2) && err.contains("the policy `p` names no profile"), "{err}");
    assert_eq!(folder.build(fine.0, fine.1, &["--shards", "0"]).0, Some(2));
}
