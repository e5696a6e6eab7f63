//! What `deploy/` says agrees with what is built and tested.

mod alerts;
mod compose;
mod dashboard;
mod exposition;
mod queries;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};

use jidoka::document::{self, Node};
use serde_json::Value;

use tools::{assert_clean, scratch, tool};

const COMPOSE: &str = include_str!("../../../deploy/compose.yaml");
const DOCKERFILE: &str = include_str!("../../../deploy/Dockerfile");
const DOCKERIGNORE: &str = include_str!("../../../deploy/Dockerfile.dockerignore");
const UNIT: &str = include_str!("../../../deploy/jidoka.service");
const README: &str = include_str!("../../../deploy/README.md");
const CARGO: &str = include_str!("../../../Cargo.toml");
const POM: &str = include_str!("../../kafka/pom.xml");

/// A file of `deploy/`.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

/// A YAML file of `deploy/`; every scalar is a text.
fn yaml(name: &str) -> Value {
    let file = path(name);
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let node = document::parse(name, &text).unwrap_or_else(|problems| panic!("{problems:?}"));
    value(node)
}

fn value(node: Node) -> Value {
    match node.value {
        document::Value::Scalar { text, .. } => Value::String(text),
        document::Value::List(nodes) => nodes.into_iter().map(value).collect(),
        document::Value::Map(entries) => entries.into_iter().map(|entry| (entry.key, value(entry.node))).collect(),
    }
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("a list, not {value}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}"))
}

/// What stands in `text` between the first `before` and the next `after`.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before:?}")).1;
    rest.split_once(after).unwrap_or_else(|| panic!("no {after:?} after {before:?}")).0
}

#[test]
fn compose_runs_the_kafka_that_the_tests_run() {
    let tested = between(POM, "<kafka.version>", "<");
    let images: Vec<&str> = COMPOSE.lines().filter_map(|line| line.trim().strip_prefix("image: apache/kafka:")).collect();
    assert!(!images.is_empty() && images.iter().all(|image| *image == tested), "{images:?}, tested is {tested}");
}

#[test]
fn hadolint_finds_nothing_in_the_dockerfile() {
    let Some(mut hadolint) = tool("hadolint") else { return };
    assert_clean(hadolint.arg(path("Dockerfile")));
}

/// The worst exposure that `systemd-analyze security` may find, in tenths; 1.3 of 10 is the network, which a gate needs.
const EXPOSURE_MAX: &str = "--threshold=15";

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "systemd is of Linux")]
fn systemd_understands_the_unit_and_finds_it_closed() {
    let folder = scratch().join("systemd");
    fs::create_dir_all(&folder).expect("a folder in target/tmp");
    let unit = folder.join("jidoka.service");
    // The program has to be there when the unit is looked at.
    let here = UNIT.replace("ExecStart=/usr/local/bin/jidoka ", concat!("ExecStart=", env!("CARGO_BIN_EXE_jidoka"), " "));
    assert_ne!(here, UNIT);
    fs::write(&unit, here).expect("a file in target/tmp");
    let Some(mut analyze) = tool("systemd-analyze") else { return };
    let said = assert_clean(analyze.arg("verify").arg(&unit));
    assert!(said.is_empty(), "{said}");
    let Some(mut analyze) = tool("systemd-analyze") else { return };
    assert_clean(analyze.args(["security", "--offline=true", "--no-pager", EXPOSURE_MAX]).arg(unit));
}

#[test]
fn the_image_is_built_with_the_rust_that_the_package_names() {
    assert_eq!(between(DOCKERFILE, "FROM rust:", "-"), between(CARGO, "rust-version = \"", "\""));
}

#[test]
fn the_image_is_built_from_what_is_sent_to_the_build() {
    let copied = DOCKERFILE.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--from"));
    // The last word of each is where it goes.
    let copied = copied.flat_map(|line| line.split(' ').rev().skip(1).collect::<Vec<_>>());
    for path in copied {
        assert!(DOCKERIGNORE.lines().any(|line| line.strip_prefix('!') == Some(path)), "{path} is kept out of the build");
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "there is no {path}");
    }
}

/// The files in `folder` and below, as the README names them.
fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("deploy/ can be listed").map(|entry| entry.expect("deploy/ can be listed").path());
    let below = |file: PathBuf| if file.is_dir() { files(&file) } else { vec![name(&file)] };
    entries.flat_map(below).collect()
}

fn name(file: &Path) -> String {
    file.strip_prefix(path("")).expect("it lies in deploy/").to_str().expect("a plain name").to_owned()
}

#[test]
fn the_readme_names_every_file_and_no_other() {
    let named = files(&path("")).into_iter().filter(|name| name != "README.md" && !name.ends_with(".dockerignore"));
    let mut named: Vec<String> = named.map(|name| format!("| `{name}` |")).collect();
    let table = README.split_once("\n\n|").expect("a table of files").1.split_once("\n\n").expect("a table ends").0;
    let mut rows: Vec<String> = table.lines().skip(2).map(|row| row.split_inclusive('|').take(2).collect()).collect();
    named.sort_unstable();
    rows.sort_unstable();
    assert_eq!(rows, named);
}
