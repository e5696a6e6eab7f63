//! How commands end: 0 done, 1 found something or failed, 2 wrong usage, configuration or policy. Those that need a broker
//! that answers are in the tests of their commands.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use super::{folder, jidoka, output, text};

const CONFIG: &str = "kafka: { bootstrap.servers: \"127.0.0.1:9\" }
topics: { replication: 1 }
sources: [ { name: inference, topic: inference, format: native, start: earliest } ]
";
const POLICY: &str = "policy: p
match: { model: m }
triggers: [ { id: large, rule: amount > 100 } ]
";
const EVENT: &str = r#"{"event_id":"e-1","model":{"name":"m"},"prediction":"yes","amount":200}
"#;

/// A folder with a configuration whose broker does not answer, policies, fixtures and events.
struct Desk(std::path::PathBuf);

impl Desk {
    fn new() -> Self {
        let folder = folder("command-line");
        let expected = |outcome| format!("{{\"event_id\":\"e-1\",\"outcome\":\"{outcome}\"}}\n");
        for (name, text) in [
            ("jidoka.yaml", CONFIG.to_owned()),
            ("wrong.yaml", CONFIG.replace("sources", "sorces")),
            ("policies/p.yaml", POLICY.to_owned()),
            ("other.yaml", POLICY.replace("100", "1000")),
            ("broken.yaml", POLICY.replace("amount", "amont")),
            ("met/p.events.jsonl", EVENT.to_owned()),
            ("met/p.expected.jsonl", expected("HELD")),
            ("unmet/p.events.jsonl", EVENT.to_owned()),
            ("unmet/p.expected.jsonl", expected("RELEASED")),
        ] {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a folder can be made");
            std::fs::write(path, text).expect("a file can be written");
        }
        Self(folder)
    }

    fn run(&self, line: &str) -> Command {
        let mut command = jidoka(&line.split(' ').skip(1).collect::<Vec<_>>());
        command.current_dir(&self.0);
        command
    }

    /// Runs `line` and compares how it ends. Whoever fails says why, and nobody paints where there is no terminal.
    fn ends(&self, line: &str, exit: i32) {
        let ended = output(&mut self.run(line));
        let (result, said) = (text(&ended.stdout), text(&ended.stderr));
        assert_eq!(ended.status.code(), Some(exit), "{line}\n{result}\n{said}");
        assert!(!result.contains('\x1b') && !said.contains('\x1b'), "colours in a pipe: {line}\n{result}{said}");
        match exit {
            0 => assert!(!result.is_empty(), "{line} has no result"),
            1 => assert!(
                !result.is_empty() || said.starts_with("error: "),
                "{line} should say why it failed, and only that\n{said}"
            ),
            _ => assert!(result.is_empty() && !said.is_empty(), "{line} should say on standard error what is wrong\n{result}"),
        }
    }

    fn json(&self, line: &str) -> serde_json::Value {
        let ended = output(&mut self.run(line));
        serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("{line}: {error}\n{}", text(&ended.stdout)))
    }
}

#[test]
fn usage_is_told_apart_from_results() {
    let desk = Desk::new();
    for line in [
        "jidoka",
        "jidoka frobnicate",
        "jidoka run --rols gate",
        "jidoka run --roles sidecar",
        "jidoka run --config nowhere.yaml",
        "jidoka run --config wrong.yaml",
        "jidoka dev --rate 0",
        "jidoka topics plan --config nowhere.yaml",
        "jidoka topics check --config wrong.yaml",
        "jidoka topics apply --timeout 0",
        "jidoka policy check",
        "jidoka policy test nowhere",
        "jidoka policy test policies",
        "jidoka policy test met --policies broken.yaml",
        "jidoka policy replay --policy policies nowhere.jsonl",
        "jidoka policy replay --policy broken.yaml met/p.events.jsonl",
        "jidoka policy replay --policy policies met/p.events.jsonl --allow 2%",
        "jidoka control stop --mode hold --by kim",
        "jidoka control stop --mode halt --policy p --by kim --reason why",
        "jidoka control accept-gap --source other --partition 0 --to 1 --by kim --reason why",
        "jidoka case show 925",
        "jidoka case approve 925ab795 --as ann",
        "jidoka case reject 925ab795 --as ann --reason x --corrected <=50K",
        "jidoka case approve 925ab795 --as ann --reason x --seen 3-ab",
        "jidoka case claim 925ab795 --as ann --key nowhere.pem",
        "jidoka case claim 925ab795 --as ann --key nowhere.pem --key-id k",
        "jidoka case list --state open",
        "jidoka produce met/p.events.jsonl --topic inference",
        "jidoka produce nowhere.jsonl --topic inference --config jidoka.yaml",
        "jidoka bench --rounds many",
        "jidoka completions tcsh",
        "jidoka man topic",
    ] {
        desk.ends(line, 2);
    }
}

#[test]
fn results_are_good_or_bad() {
    let desk = Desk::new();
    for line in [
        "jidoka --version",
        "jidoka --help",
        "jidoka help control stop",
        "jidoka topics plan",
        "jidoka topics plan --acls",
        "jidoka policy check policies",
        "jidoka policy test met --policies policies",
        "jidoka policy replay --policy policies met/p.events.jsonl",
        "jidoka policy replay --policy policies --against other.yaml --allow 100% met/p.events.jsonl",
        "jidoka completions bash",
        "jidoka man",
        "jidoka man policy check",
    ] {
        desk.ends(line, 0);
    }
    for line in [
        "jidoka policy check broken.yaml",
        "jidoka policy check nowhere.yaml",
        "jidoka policy test unmet --policies policies",
        "jidoka policy replay --policy policies --against other.yaml --allow 0 met/p.events.jsonl",
        "jidoka topics check --timeout 1",
        "jidoka topics apply --timeout 1",
        "jidoka man --out jidoka.yaml",
    ] {
        desk.ends(line, 1);
    }
}

/// Each waits for the broker as long as it always does, so they wait together.
#[test]
fn a_broker_that_does_not_answer_is_a_failure() {
    let desk = Desk::new();
    std::thread::scope(|scope| {
        for line in [
            "jidoka control stop --mode hold --by kim --reason why",
            "jidoka case list",
            "jidoka case show 925ab795",
            "jidoka case claim 925ab795 --as ann",
            "jidoka produce met/p.events.jsonl --topic inference --config jidoka.yaml",
        ] {
            scope.spawn(|| desk.ends(line, 1));
        }
    });
}

#[test]
fn an_address_that_is_taken_is_a_wrong_setting() {
    let desk = Desk::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it has an address");
    desk.ends(&format!("jidoka dev --once 1 --listen {address}"), 2);
    let run = output(desk.run("jidoka run").env("JIDOKA__API__LISTEN", address.to_string()));
    assert_eq!(run.status.code(), Some(2), "{}", text(&run.stderr));
    assert!(text(&run.stderr).contains(&address.to_string()), "{}", text(&run.stderr));
}

#[test]
fn results_can_be_piped() {
    let desk = Desk::new();
    assert_eq!(desk.json("jidoka topics plan --output json")["topics"][0]["name"], "jidoka.audit");
    assert_eq!(desk.json("jidoka topics plan --acls --output json")["acls"][0]["role"], "gate");
    assert_eq!(desk.json("jidoka policy check policies --output json")["policies"][0]["policy"], "p");
    assert_eq!(desk.json("jidoka policy check broken.yaml --output json")["problems"][0]["line"], 3);
    assert_eq!(desk.json("jidoka policy test unmet --policies policies --output json")["passed"], false);
    assert_eq!(desk.json("jidoka policy replay --policy policies met/p.events.jsonl --output json")["outcome"], "HELD");
    let compared = desk.json("jidoka policy replay --policy policies --against other.yaml met/p.events.jsonl --output json");
    assert!(compared.is_object(), "{compared}");
}

/// Whether something is painted on a terminal, which util-linux's `script` pretends to be.
fn is_painted_on_a_terminal(desk: &Path, no_color: Option<&str>) -> bool {
    let line = format!("{} policy check policies", env!("CARGO_BIN_EXE_jidoka"));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).current_dir(desk).env("TERM", "xterm").env_remove("NO_COLOR").env_remove("CI");
    if let Some(value) = no_color {
        script.env("NO_COLOR", value);
    }
    let shown = text(&output(&mut script).stdout);
    assert!(shown.contains("ok") && shown.contains("large"), "{shown}");
    shown.contains('\x1b')
}

#[test]
fn colours_are_for_terminals_and_no_color_turns_them_off() {
    let desk = Desk::new();
    if Command::new("script").arg("--version").output().is_ok_and(|said| text(&said.stdout).contains("util-linux")) {
        assert!(is_painted_on_a_terminal(&desk.0, None));
        assert!(!is_painted_on_a_terminal(&desk.0, Some("1")));
    }
    for command in ["jidoka policy check policies", "jidoka policy check broken.yaml", "jidoka run --config wrong.yaml"] {
        let said = output(desk.run(command).env("TERM", "xterm"));
        assert!(!text(&[said.stdout, said.stderr].concat()).contains('\x1b'), "{command}");
    }
}
