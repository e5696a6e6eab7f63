//! `jidoka policy replay` over files: the entries that a gate would write, and what people read.

use std::io::Write as _;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{EVENTS, Folder, POLICY};

/// Computed by hand from the contract: the first two bytes of SHA-256("inference"), then fourteen of SHA-256("jidoka/decision/1" 00
/// "inference" 00 "0" 00 offset 00 milliseconds 00 "0"). The record at offset 2 is a duplicate.
const IDS: [&str; 5] = [
    "925708019d79ad2d5b03386d678b37af",
    "9257bf2dd5fbc94c74e2098650ac976c",
    "9257291848d3f8080c3024d2b96fb259",
    "92575d47eac9be4909c6334b77940702",
    "9257c0b2cec144ea3c896233941c8ec6",
];

const FIRST_LINE: &str = concat!(
    r#"{"decision_id":"925708019d79ad2d5b03386d678b37af","seq":0,"kind":"DECIDED","at":"2026-01-05T10:00:00.000Z","prev":null,"#,
    r#""chain":{"id":"gate/inference/0","n":0,"prev":null},"actor":{"type":"system","id":"gate"},"source":"inference","#,
    r#""event_id":"a","row":0,"input":{"topic":"events.jsonl","partition":0,"offset":0,"#,
    r#""appended_at":"2026-01-05T10:00:00.000Z","appended_at_type":"file","#,
    r#""sha256":"b363843e3a845c77c29d11df985071c0ac7c5e7494947a5578df65deead5aa67"},"model":{"name":"loans","version":null},"#,
    r#""policy":{"name":"loans","version":"3","hash":"13a8436a8a315b726d674165326a30f192fd961e7adf0caa0f4a0c0694fac24d"},"#,
    r#""outcome":"RELEASED","prediction":"yes","confidence":0.9,"conflicts_with":null,"triggers":[{"id":"unsure","#,
    r#""kind":"confidence","result":"miss","value":0.9,"limit":0.6,"reason":null,"details":null}],"missed":[],"#,
    r#""priority":{"score":10,"band":"low","parts":[{"trigger":"unsure","risk":0.1,"weight":1,"share":1}]},"#,
    r#""basis":{"threshold":null,"incidents":[],"control":"normal","reference":null,"now":"2026-01-05T10:00:00.000Z"},"#,
    r#""late":false,"took_us":0}"#
);

fn folder() -> Folder {
    Folder::with(&[("loans.yaml", POLICY), ("events.jsonl", EVENTS)])
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory takes bytes");
    encoder.finish().expect("memory takes bytes")
}

#[test]
fn the_entries_are_those_of_a_gate() {
    let ran = folder().policy(&["replay", "--policy", "loans.yaml", "events.jsonl", "--output", "json"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    assert_eq!(ran.out.lines().next(), Some(FIRST_LINE));
    let entries = ran.lines();
    let of = |pointer: &str| entries.iter().map(|entry| entry.pointer(pointer).cloned().expect(pointer)).collect::<Vec<Value>>();
    assert_eq!(of("/decision_id"), IDS);
    assert_eq!(of("/input/offset"), [0, 1, 3, 4, 5]);
    assert_eq!(of("/outcome"), ["RELEASED", "HELD", "HELD", "HELD", "RELEASED"]);
    assert_eq!(of("/triggers/0/id"), ["unsure", "unsure", "conflicting-duplicate", "unreadable", "unsure"]);
    let none = json!(null);
    assert_eq!(of("/conflicts_with"), [none.clone(), none.clone(), json!(IDS[1]), none.clone(), none.clone()]);
    let (then, never) = (|time: &str| json!(format!("2026-01-05T10:00:0{time}Z")), json!("1970-01-01T00:00:00.000Z"));
    let appended = [then("0.000"), then("1.500"), then("2.000"), none.clone(), none];
    assert_eq!(of("/input/appended_at"), appended);
    let now: Vec<Value> = appended.iter().map(|time| if time.is_null() { never.clone() } else { time.clone() }).collect();
    assert_eq!((of("/at"), of("/basis/now")), (now.clone(), now));
    for entry in &entries {
        let triggers = entry["triggers"].as_array().expect("a list");
        assert!(triggers.iter().all(|trigger| trigger.get("details") == Some(&Value::Null)), "{entry}");
    }
}

/// Whoever verifies an export can verify this, too.
#[test]
fn the_lines_are_a_chain_over_all_files() {
    let folder = folder();
    folder.write("more.jsonl.gz", &gzip(EVENTS));
    let ran = folder.policy(&["replay", "--policy", "loans.yaml", "events.jsonl", "more.jsonl.gz", "--output", "json"]);
    let mut prev = Value::Null;
    for (n, (line, entry)) in ran.out.lines().zip(ran.lines()).enumerate() {
        assert_eq!(entry["chain"], json!({ "id": "gate/inference/0", "n": n, "prev": prev }));
        let hash = Sha256::digest([b"jidoka/audit/1\0", line.as_bytes()].concat());
        prev = hash.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")).into();
    }
    assert_eq!(ran.out.lines().count(), 10, "another file remembers nothing of the one before");
}

#[test]
fn the_same_input_gives_the_same_bytes_however_it_comes() {
    let folder = folder();
    folder.write("zipped", &gzip(EVENTS));
    let arguments = ["replay", "--policy", "loans.yaml", "--output", "json"];
    let replay = |events: &str| folder.policy(&[&arguments[..], &[events]].concat()).out;
    let plain = replay("events.jsonl");
    assert_eq!(plain, replay("events.jsonl"));
    assert_eq!(unnamed(&plain), unnamed(&replay("zipped")));

    let mut command = Command::new(env!("CARGO_BIN_EXE_jidoka"));
    command.arg("policy").args(arguments).arg("-").current_dir(&folder.0).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    child.stdin.take().expect("a pipe").write_all(EVENTS.as_bytes()).expect("it reads");
    let piped = child.wait_with_output().expect("it ends");
    let piped = String::from_utf8(piped.stdout).expect("text");
    assert!(piped.starts_with(&FIRST_LINE.replace("events.jsonl", "-")), "{piped}");
    assert_eq!(unnamed(&piped), unnamed(&plain));
}

/// The entries without what another name of the file changes.
fn unnamed(lines: &str) -> Vec<Value> {
    let entry = |line| {
        let mut entry: Value = serde_json::from_str(line).expect("JSON");
        entry["input"]["topic"] = Value::Null;
        entry["chain"]["prev"] = Value::Null;
        entry
    };
    lines.lines().map(entry).collect()
}

#[test]
fn people_read_a_summary() {
    let ran = folder().policy(&["replay", "--policy", "loans.yaml", "events.jsonl"]);
    let text = "\
loans 13a8436a8a31
on events.jsonl (source inference)

              records   share
decided             5
  released          2  40.0 %
  held              3  60.0 %
    critical        0   0.0 %
    high            2  40.0 %
    normal          1  20.0 %
    low             0   0.0 %
  unreadable        1  20.0 %  held: not-json 1
duplicates          1          the same event with the same content: nothing is decided

finding                kind        hits   share  errors  timeouts
unsure                 confidence     1  20.0 %       0         0
conflicting-duplicate  built-in       1  20.0 %       0         0
unreadable             built-in       1  20.0 %       0         0
";
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), text));
}

#[test]
fn the_source_is_named_or_the_policies_or_the_default() {
    let folder = folder();
    folder.write("any.yaml", POLICY.replace("source: inference, ", "").as_bytes());
    folder.write(
        "other.yaml",
        POLICY.replace("source: inference, model: loans", "source: other").replace("policy: loans", "policy: o").as_bytes(),
    );
    let source = |arguments: &[&str]| {
        let ran = folder.policy(&[&["replay", "events.jsonl", "--output", "json"], arguments].concat());
        ran.lines().first().map(|entry| (entry["source"].clone(), entry["outcome"].clone())).ok_or(ran.err)
    };
    assert_eq!(source(&["--policy", "any.yaml"]), Ok((json!("replay"), json!("RELEASED"))));
    assert_eq!(source(&["--policy", "loans.yaml"]), Ok((json!("inference"), json!("RELEASED"))));
    // No policy is for that source: held, as a gate would.
    assert_eq!(source(&["--policy", "loans.yaml", "--source", "x"]), Ok((json!("x"), json!("HELD"))));
    let unclear = source(&["--policy", "loans.yaml", "--policy", "other.yaml"]);
    let said = "error: Which source do the events come from? The policies name inference, other: say --source NAME.\n";
    assert_eq!(unclear, Err(said.to_owned()));
}

#[test]
fn what_cannot_be_read_is_said_with_what_to_do() {
    let folder = folder();
    let cut = gzip(&EVENTS.repeat(50));
    folder.write("cut.gz", &cut[..cut.len() - 9]);
    folder.write("bad.yaml", POLICY.replace("below: 0.6", "below: 6").as_bytes());
    let replay = |arguments: &[&str]| {
        let ran = folder.policy(&[&["replay"], arguments].concat());
        assert_eq!(ran.out, "", "{ran:?}");
        (ran.code, ran.err)
    };
    let usage = |said: &str| (Some(2), format!("error: {said}\n"));
    let loans = ["--policy", "loans.yaml"];
    let with = |more: &[&'static str]| [&loans[..], more].concat();
    assert_eq!(replay(&with(&["nowhere"])), usage("Cannot open nowhere: No such file or directory (os error 2)"));
    assert_eq!(replay(&with(&["-", "-"])), usage("Standard input can be read only once."));
    assert_eq!(
        replay(&["--policy", "none.yaml", "events.jsonl"]),
        usage("none.yaml: cannot be read: No such file or directory (os error 2)")
    );
    let (code, said) = replay(&["--policy", "bad.yaml", "events.jsonl"]);
    assert!(code == Some(2) && said.contains("error: bad.yaml:6:52: triggers[0].confidence.below: "), "{said}");
    let (code, said) = replay(&with(&["cut.gz"]));
    assert!(code == Some(1) && said.starts_with("error: Cannot read cut.gz"), "{said}");

    let topic = |more: &[&'static str]| with(&[&["--topic", "t"], more].concat());
    let bootstrap = ["--source", "s", "--bootstrap", "127.0.0.1:1"];
    assert_eq!(replay(&topic(&["--source", "s"])), usage("Which Kafka? Say --bootstrap HOST:PORT or --config FILE."));
    assert_eq!(
        replay(&topic(&[&bootstrap[..], &["--from", "9", "--to", "3"]].concat())),
        usage("--from 9 lies after --to 3, or is the same: nothing is between.")
    );
    folder.write("any.yaml", POLICY.replace("source: inference, ", "").as_bytes());
    assert_eq!(
        replay(&["--policy", "any.yaml", "--topic", "t", "--bootstrap", "127.0.0.1:1"]),
        usage(
            "Under which name does the gate read t? Decision ids depend on it: say --source NAME, or --config FILE with the gate's configuration."
        )
    );
    for wrong in
        [&["events.jsonl", "--from", "3"][..], &["events.jsonl", "--topic", "t"], &[], &["events.jsonl", "--allow", "1%"]]
    {
        assert_eq!(replay(&with(wrong)).0, Some(2), "{wrong:?}");
    }
}
