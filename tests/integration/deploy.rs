//! What `deploy/` says agrees with what is built and tested.

use std::path::Path;

use jidoka::document;

const COMPOSE: &str = include_str!("../../deploy/compose.yaml");
const DOCKERFILE: &str = include_str!("../../deploy/Dockerfile");
const DOCKERIGNORE: &str = include_str!("../../deploy/Dockerfile.dockerignore");
const README: &str = include_str!("../../deploy/README.md");
const CARGO: &str = include_str!("../../Cargo.toml");
const POM: &str = include_str!("../kafka/pom.xml");

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
fn compose_is_sound_yaml() {
    let problems = document::parse("deploy/compose.yaml", COMPOSE).err();
    assert!(problems.is_none(), "{problems:?}");
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

#[test]
fn the_readme_names_every_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    for entry in std::fs::read_dir(folder).expect("deploy/ can be listed") {
        let name = entry.expect("deploy/ can be listed").file_name().into_string().expect("a plain name");
        let is_part_of_another = name == "README.md" || name.ends_with(".dockerignore");
        assert!(is_part_of_another || README.contains(&format!("`{name}`")), "deploy/README.md does not name {name}");
    }
}
