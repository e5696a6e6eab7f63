//! `deploy/compose.yaml`: what its services are told is what jidoka takes. There is no engine here to start them with, so each
//! is started without one, with its mounts copied to where its container would see them, and with a Kafka that is not there.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::tools::{assert_clean, scratch, tool};
use super::{list, path, text, yaml};

/// Nothing listens on the port of `discard`.
const NO_KAFKA: &str = "127.0.0.1:9";

#[test]
fn compose_understands_its_file() {
    let Some(mut compose) = tool("docker-compose") else { return };
    assert_clean(compose.arg("-f").arg(path("compose.yaml")).args(["config", "-q"]));
}

#[test]
fn prometheus_scrapes_a_service() {
    let compose = yaml("compose.yaml");
    for job in list(&yaml("prometheus/prometheus.yaml")["scrape_configs"]) {
        for target in list(&job["static_configs"]).iter().flat_map(|config| list(&config["targets"])) {
            let (host, _) = text(target).split_once(':').expect("host:port");
            assert!(compose["services"].get(host).is_some(), "compose has no service {host}");
        }
    }
}

#[test]
fn what_is_mounted_is_there() {
    let compose = yaml("compose.yaml");
    let services = compose["services"].as_object().expect("services by name");
    for volume in services.values().filter_map(|service| service.get("volumes")).flat_map(list) {
        let (from, _) = mount(volume);
        assert!(path(from).is_dir(), "there is no folder {from}");
    }
}

#[test]
fn jidoka_takes_what_its_services_tell_it() {
    let compose = yaml("compose.yaml");
    let services = compose["services"].as_object().expect("services by name");
    let ours = services.iter().filter(|(_, service)| service["image"] == "jidoka");
    let started: Vec<(&String, Child)> = ours.map(|(name, service)| (name, start(name, service))).collect();
    assert_eq!(started.len(), 5, "the topics, the gate, the monitor, the sidecar and the player");
    for (name, mut child) in started {
        let said = BufReader::new(child.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
        // Gate, monitor and sidecar wait for their brokers, the others end without them. A mistake in what they are told ends them earlier.
        let end = said.inspect(|line| eprintln!("{name}: {line}")).find(|line| line.contains("waiting for a broker"));
        if end.is_some() {
            child.kill().expect("it was running");
        }
        let status = child.wait().expect("it was started");
        assert!(end.is_some() || status.code() == Some(1), "{name} ended with {status}");
        assert_eq!(end.is_some(), ["gate", "monitor", "sidecar"].contains(&name.as_str()));
    }
}

/// Starts `service` as its container would.
fn start(name: &str, service: &Value) -> Child {
    let root = scratch().join("compose").join(name);
    // What an earlier run copied would be found in place of what is missing now.
    if root.exists() {
        fs::remove_dir_all(&root).expect("a folder in target/tmp");
    }
    for (from, to) in list(&service["volumes"]).iter().map(mount) {
        copy(&path(from), &inside(&root, to));
    }
    let words = list(&service["command"]).iter().map(|word| match text(word) {
        "kafka:9092" => NO_KAFKA.into(),
        file if file.starts_with('/') => inside(&root, file).into_os_string(),
        word => word.into(),
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_jidoka"));
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).env_remove("RUST_LOG");
    for (key, value) in service.get("environment").and_then(Value::as_object).into_iter().flatten() {
        let value = match text(value) {
            "kafka:9092" => NO_KAFKA,
            "0.0.0.0:8080" => "127.0.0.1:0",
            value => value,
        };
        command.env(key, value);
    }
    command.spawn().expect("jidoka starts")
}

/// The folder beside the compose file, and where a container sees it.
fn mount(volume: &Value) -> (&str, &str) {
    let (from, to) = text(volume).split_once(':').expect("a folder of ours, and where it goes");
    (from, to.strip_suffix(":ro").expect("nothing of ours is written to"))
}

fn inside(root: &Path, absolute: &str) -> PathBuf {
    root.join(absolute.trim_start_matches('/'))
}

/// Copied, as a link would let `..` lead back into the repository.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder in target/tmp");
    for entry in fs::read_dir(from).expect("a folder of ours") {
        let entry = entry.expect("a folder of ours").path();
        let to = to.join(entry.file_name().expect("an entry has a name"));
        if entry.is_dir() {
            copy(&entry, &to);
        } else {
            fs::copy(&entry, to).expect("a file in target/tmp");
        }
    }
}
