//! What the command line says of a wrong configuration or policy: everything at once, with its place, and exit code 2.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::gate::POLICY;
use crate::kafka::unique;

/// A folder with files of their own, in which the command runs: places in its sentences are then the same everywhere.
struct Folder(PathBuf);

const CONFIGURATION: &str = "\
kafka: { bootstrap.servers: 127.0.0.1:1 }
sources: [ { name: inference, topic: inference, start: earliest } ]
policies: policies
";

impl Folder {
    fn with(configuration: &str, policies: &[(&str, &str)]) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique("config"));
        fs::create_dir_all(folder.join("policies")).expect("a folder below cargo's temporary one");
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("a file");
        write("jidoka.yaml", configuration);
        for (name, text) in policies {
            write(&format!("policies/{name}"), text);
        }
        Self(folder)
    }

    fn jidoka(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jidoka"));
        command.args(arguments).current_dir(&self.0).env("NO_COLOR", "1");
        command.envs(environment.iter().copied()).output().expect("the binary runs")
    }

    /// `jidoka run`, which has to end by itself with exit code 2 and these lines on standard error.
    fn refuses_to_run(&self, environment: &[(&str, &str)], lines: &[&str]) {
        self.refuses(&["run", "--config", "jidoka.yaml"], environment, lines);
    }

    fn refuses(&self, arguments: &[&str], environment: &[(&str, &str)], lines: &[&str]) {
        let output = self.jidoka(arguments, environment);
        assert_eq!(text(&output.stderr).lines().collect::<Vec<_>>(), lines);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed lies in a folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_missing_configuration_file_is_named() {
    let folder = Folder::with(CONFIGURATION, &[]);
    let missing = "error: missing.yaml: cannot be read: No such file or directory (os error 2)";
    folder.refuses(&["run", "--config", "missing.yaml"], &[], &[missing]);
    folder.refuses(&["topics", "plan", "--config", "missing.yaml"], &[], &[missing]);
    let stop = ["control", "stop", "--config", "missing.yaml", "--mode", "hold", "--by", "kim", "--reason", "drill"];
    folder.refuses(&stop, &[], &[missing]);
}

#[test]
fn every_mistake_of_a_configuration_is_shown_with_its_place() {
    let configuration = "\
kafka: { bootstrap.servers: 127.0.0.1:1 }
sources: [ { name: inference, topik: inference, start: yesterday } ]
policies: nowhere
gate: { workers: many, dedup: { window: -1 } }
controll: { max_age: 30s }
";
    Folder::with(configuration, &[]).refuses_to_run(
        &[],
        &[
            "error: jidoka.yaml:2:12: sources[0].topic: this key is required",
            "error: jidoka.yaml:2:31: sources[0].topik: unknown key; did you mean `topic`?",
            "error: jidoka.yaml:2:56: sources[0].start: expected `earliest`, `latest` or a time such as 2026-01-05T00:00:00Z, \
             found `yesterday`",
            "error: jidoka.yaml:3:11: policies: there is no folder nowhere",
            "error: jidoka.yaml:4:18: gate.workers: expected a whole number from 1 to 64, found `many`",
            "error: jidoka.yaml:4:41: gate.dedup.window: expected a whole number from 0 to 10000000, found the number -1",
            "error: jidoka.yaml:5:1: controll: unknown key; did you mean `control`?",
            "error: 7 mistakes; nothing was started.",
        ],
    );
}

#[test]
fn a_mistake_in_the_environment_is_named_by_its_variable() {
    let folder = Folder::with(CONFIGURATION, &[("loans.yaml", POLICY)]);
    folder.refuses_to_run(
        &[("JIDOKA__GATE__WORKRES", "4")],
        &["error: JIDOKA__GATE__WORKRES: gate.workres: unknown key; did you mean `workers`?"],
    );
    folder.refuses_to_run(
        &[("JIDOKA__TOPICS__LANES", "0")],
        &["error: JIDOKA__TOPICS__LANES: topics.lanes: expected a whole number from 1 to 4096, found the number 0"],
    );
}

#[test]
fn every_mistake_of_all_policies_is_shown_with_its_place() {
    let other = "\
policy: cards
match: { model: cards }
triggers:
  - id: unsure
    confidence: { mesure: top_probability, below: high }
  - id: large
    rule: amount > 3
review: { quorum: two, sla: { urgent: 1h } }
";
    Folder::with(CONFIGURATION, &[("cards.yaml", other), ("loans.yaml", "policy: [ loans\n")]).refuses_to_run(
        &[],
        &[
            "error: policies/cards.yaml:5:17: triggers[0].confidence.measure: this key is required",
            "    5 |     confidence: { mesure: top_probability, below: high }",
            "      |                 ^",
            "error: policies/cards.yaml:5:19: triggers[0].confidence.mesure: unknown key; did you mean `measure`?",
            "    5 |     confidence: { mesure: top_probability, below: high }",
            "      |                   ^",
            "error: policies/cards.yaml:8:19: review.quorum: expected a whole number from 1 to 100, found `two`",
            "    8 | review: { quorum: two, sla: { urgent: 1h } }",
            "      |                   ^",
            "error: policies/cards.yaml:8:31: review.sla.urgent: unknown key; the keys known here are: `critical`, `high`, \
             `normal`, `low`",
            "    8 | review: { quorum: two, sla: { urgent: 1h } }",
            "      |                               ^",
            "error: policies/loans.yaml:2:1: this is not YAML: while parsing a flow sequence, expected ',' or ']'",
            "error: 5 mistakes; nothing was started.",
        ],
    );
}

#[test]
fn two_policies_that_match_equally_are_refused() {
    let twin = POLICY.replace("policy: loans", "policy: twin");
    Folder::with(CONFIGURATION, &[("a.yaml", POLICY), ("b.yaml", &twin)]).refuses_to_run(
        &[],
        &[
            "error: policies/b.yaml:2:8: match: matches exactly the events that policies/a.yaml matches; only one policy can \
             decide them",
            "    2 | match: { model: loans }",
            "      |        ^",
        ],
    );
}

#[test]
fn roles_that_are_not_there_are_told_from_those_that_never_will_be() {
    let folder = Folder::with(CONFIGURATION, &[("loans.yaml", POLICY)]);
    let run = |roles: &str, line: &str| folder.refuses(&["run", "--config", "jidoka.yaml", "--roles", roles], &[], &[line]);
    run(
        "gate,api",
        "error: The role \"api\" is not part of this version yet; it arrives later. This version runs: gate, monitor, sidecar.",
    );
    run("gaet", "error: The role \"gaet\" is no role of jidoka. This version runs: gate, monitor, sidecar.");
}

#[test]
fn a_sidecar_wants_keys_unless_everybody_is_believed() {
    let folder = Folder::with(CONFIGURATION, &[("loans.yaml", POLICY)]);
    let run = ["run", "--config", "jidoka.yaml", "--roles", "gate,sidecar"];
    let line = "error: The sidecar takes only signed verdicts, and no key is configured. Make one with `jidoka verdict-key new` and \
                write it below verdicts.keys; or take everybody's word: verdicts: { unsigned: allow }.";
    folder.refuses(&run, &[], &[line]);
}

#[test]
fn an_order_that_no_gate_could_obey_is_refused_before_it_is_written() {
    let folder = Folder::with(CONFIGURATION, &[("loans.yaml", POLICY)]);
    let order = |arguments: &[&str], line: &str| {
        let whole = [&["control"], arguments, &["--config", "jidoka.yaml", "--by", "kim", "--reason", "drill"]].concat();
        folder.refuses(&whole, &[], &[line]);
    };
    order(
        &["stop", "--policy", "loans", "--mode", "halt"],
        "error: halt stops reading, and a source may serve other policies than loans. Use --mode hold for one policy, or leave \
         --policy away.",
    );
    order(
        &["accept-gap", "--source", "loans", "--partition", "0", "--to", "7"],
        "error: There is no source \"loans\". The configuration names: inference, jidoka.verdicts.",
    );
    let nobody = ["control", "stop", "--config", "jidoka.yaml", "--mode", "hold", "--by", " ", "--reason", "drill"];
    let output = folder.jidoka(&nobody, &[]);
    let said = text(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("may not be empty: others will want to know"), "{said}");
}

#[test]
fn a_port_in_use_is_said_with_the_key_that_names_it() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address").to_string();
    let output = Folder::with(CONFIGURATION, &[("loans.yaml", POLICY)])
        .jidoka(&["run", "--config", "jidoka.yaml"], &[("JIDOKA__API__LISTEN", &address)]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    let sentence = format!("error: Cannot listen on api.listen {address}: Address already in use");
    assert!(said.lines().any(|line| line.starts_with(&sentence)), "{said}");
}
