//! The README is true: its commands run, its examples are read, its tables say what the code says. The examples in `config/` are
//! held to the same.

mod consumers;
mod shown;
mod story;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jidoka::audit::verify::Damage;
use jidoka::case::{Action, CaseReader, Command, CommandBounds, CommandsMax, Refusal, State};
use jidoka::config::{self, KEYS, KeyDefault, Settings};
use jidoka::dev::policies::{POLICIES, profile};
use jidoka::event::{Decoder, Limits, Plan};
use jidoka::policy::{Around, FallbackReview, PolicySet, Profiles};
use jidoka::signature::PrivateKey;
use jidoka::stream::topics::{Topic, TopicLayout};
use jidoka::telemetry::metrics;

const README: &str = include_str!("../../README.md");
const LIB: &str = include_str!("../../src/lib.rs");

/// Languages of fenced blocks: each is run or read by a test here or by the compiler (`rust`), but for `text`, which shows what
/// is printed.
const LANGUAGES: [&str; 8] = ["sh", "yaml", "json", "rust,no_run", "text", "console", "python", "java"];

/// A fenced block.
struct Block<'r> {
    language: &'r str,
    text: String,
}

fn blocks() -> Vec<Block<'static>> {
    let mut blocks = Vec::new();
    let mut lines = README.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(Block { language, text: text.join("\n") + "\n" });
        }
    }
    blocks
}

fn blocks_in(language: &str) -> impl Iterator<Item = String> {
    blocks().into_iter().filter(move |block| block.language == language).map(|block| block.text)
}

/// The files that the README tells to write, by the name in their first line.
fn files() -> Vec<(String, String)> {
    let named = |text: String| {
        let name =
            text.lines().next().and_then(|line| line.strip_prefix("# ")).expect("a YAML block begins with its file's name");
        (name.to_owned(), text)
    };
    blocks_in("yaml").map(named).collect()
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Fails with the table to paste where the README has another one.
fn assert_table(heading: &str, rows: impl Iterator<Item = String>) {
    let columns = heading.matches('|').count() - 1;
    let table = format!("{heading}\n|{}\n{}", "---|".repeat(columns), rows.collect::<String>());
    assert!(README.contains(&format!("\n\n{table}\n")), "the README needs this table:\n\n{table}");
}

#[test]
fn every_block_says_what_it_is() {
    for block in blocks() {
        assert!(LANGUAGES.contains(&block.language), "a block of {:?}:\n{}", block.language, block.text);
    }
}

#[test]
fn the_settings_are_those_of_the_program() {
    let row = |key: &config::Key| {
        let default = match key.default {
            KeyDefault::Required => "required".to_owned(),
            KeyDefault::Absent => "none".to_owned(),
            KeyDefault::Is(value) => format!("`{value}`"),
        };
        format!("| `{}` | {default} | {} |\n", key.path, key.meaning)
    };
    assert_table("| key | default | meaning |", KEYS.iter().map(row));
}

#[test]
fn the_metrics_are_those_of_the_program() {
    let row = |metric: &metrics::Described| {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{}` | {} | {} |\n", metric.name, labels.join(", "), metric.help)
    };
    assert_table("| metric | labels | meaning |", metrics::ALL.iter().map(row));
    let mentioned = README.split('`').filter(|word| word.starts_with("jidoka_"));
    for name in mentioned {
        assert!(metrics::ALL.iter().any(|metric| metric.name == name), "there is no metric {name}");
    }
}

#[test]
fn the_topics_are_those_of_the_program() {
    let layout = TopicLayout { prefix: String::new(), ..TopicLayout::default() };
    let table = README.split_once("| topic | key | content |\n|---|---|---|\n").expect("a table of topics").1;
    let rows: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let wanted: Vec<String> = Topic::ALL.iter().map(|topic| format!("| `{}` | {} |", topic.name(&layout), topic.key())).collect();
    assert_eq!(rows.len(), wanted.len(), "{rows:?}");
    for (row, wanted) in rows.iter().zip(wanted) {
        assert!(row.starts_with(&wanted), "{row} should begin with {wanted}");
    }
}

#[test]
fn the_map_names_every_module_and_links_lead_somewhere() {
    let map = README.split_once("\n## Layout of the source\n").expect("a map").1;
    let map = map.split_once("\n## ").expect("a heading after it").0;
    for module in LIB.lines().filter_map(|line| line.strip_prefix("pub mod ")?.split_once(';')).map(|(name, _)| name) {
        assert!(map.contains(&format!("`{module}`")), "the map does not name {module}");
    }
    let headings: Vec<String> = README.lines().filter_map(|line| line.strip_prefix("## ")).map(anchor).collect();
    let links: Vec<&str> = README.split("](#").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link).collect();
    assert!(links.len() > 5);
    for link in links {
        assert!(headings.iter().any(|heading| heading == link), "#{link} leads nowhere");
    }
}

fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace(' ', "-").replace(',', "")
}

/// The words of `text` that stand between single backticks.
fn code_words(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Blocks are read or run by other tests; here it is what the text says.
fn prose() -> String {
    let mut is_block = false;
    let lines = README.lines().filter(|line| {
        let fence = line.starts_with("```");
        is_block ^= fence;
        !is_block && !fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_path_leads_to_a_file() {
    let prose = prose();
    let roots = ["src/", "tests/", "config/", "schemas/", "deploy/", ".ci/"];
    let files = ["CHANGELOG.md", "LICENSE", "Cargo.toml"];
    let is_path = |word: &&str| roots.iter().any(|root| word.starts_with(root)) || files.contains(word);
    let paths: Vec<&str> = code_words(&prose).filter(is_path).filter(|path| !path.contains(['<', ' ', '*'])).collect();
    assert!(paths.len() > 30, "{paths:?}");
    for path in paths {
        assert!(repository().join(path).exists(), "the README names {path}, which is not there");
    }
}

/// A guide through the sources goes out of date silently: each step names files, and they must have what it says is in them.
#[test]
fn what_the_guide_names_is_in_the_files_it_names() {
    let prose = prose();
    let guide = prose.split_once("\n## How to add a trigger, a format, a processor\n").expect("a guide").1;
    let guide = guide.split_once("\n## ").expect("a heading after it").0;
    let mut steps: Vec<String> = Vec::new();
    for line in guide.lines() {
        match steps.last_mut() {
            Some(step) if line.starts_with("   ") => step.push_str(&line[2..]),
            _ => steps.push(line.to_owned()),
        }
    }
    steps.retain(|step| step.starts_with(|first: char| first.is_ascii_digit()));
    assert!(steps.len() > 12, "{steps:#?}");
    for step in steps {
        let (paths, names): (Vec<&str>, Vec<&str>) = code_words(&step).partition(|word| word.contains(['/', '.']));
        let texts: String = paths.iter().map(|path| repository().join(path)).map(|path| source_text(&path)).collect();
        for name in names.iter().filter(|name| name.chars().all(|letter| letter.is_alphanumeric() || letter == '_')) {
            assert!(texts.contains(name), "none of {paths:?} has {name}:\n{step}");
        }
    }
}

/// The text of a source file, or of all that lie in a folder.
fn source_text(path: &Path) -> String {
    if path.is_file() {
        return std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let entries = std::fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let files = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
    files.filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

/// What a newcomer sees without scrolling.
#[test]
fn the_first_screen_is_one() {
    let lines = README.split_once("\n## ").expect("a heading").0.lines().count();
    assert!(lines <= 60, "the README's first screen has {lines} lines");
}

#[test]
fn the_example_event_is_one_and_the_example_verdict_too() {
    let limits = Limits { max_bytes: 1 << 20, max_depth: 64, max_fields: 1_000 };
    let mut decoder = Decoder::new(Arc::new(Plan::default()), limits);
    let [event, verdict] = <[String; 2]>::try_from(blocks_in("json").collect::<Vec<_>>()).expect("an event and a verdict");
    let event = decoder.decode(event.trim_end().as_bytes()).unwrap_or_else(|unreadable| panic!("{}", unreadable.detail));
    assert_eq!(event.event_id(), "loan-4711");
    let bounds = CommandBounds { record_bytes: 65_536, text_bytes: 4_096 };
    let command = Command::read(Some(verdict.as_bytes()), bounds).expect("a command");
    let case = CaseReader::default().read(crate::examples::example("case.under-review.json").as_bytes(), None);
    let step = case.expect("an example").judge(&command, CommandsMax(1_000)).expect("it may be");
    assert_eq!(step.to, State::Rejected);
}

/// What verifying can find.
const DAMAGE: [Damage; 14] = [
    Damage::Unreadable,
    Damage::ChangedByte,
    Damage::Removed,
    Damage::Inserted,
    Damage::Swapped,
    Damage::Forked,
    Damage::CutTail,
    Damage::Rewritten,
    Damage::UnsignedHead,
    Damage::IllegalTrail,
    Damage::InputTwice,
    Damage::Hole,
    Damage::DispositionDisagrees,
    Damage::CaseDisagrees,
];

/// What a table of the README has in its first column.
fn first_column(heading: &str) -> Vec<&'static str> {
    let table = README.split_once(&format!("\n\n{heading}\n")).unwrap_or_else(|| panic!("no table {heading}")).1;
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    rows.flat_map(|row| code_words(row.split('|').nth(1).expect("a row has columns"))).collect()
}

#[test]
fn actions_refusals_and_damage_are_those_of_the_program() {
    let actions = first_column("| action | what it does | who | it needs |");
    assert_eq!(actions, Action::ALL.map(Action::as_str));
    let refusals = first_column("| code | the command | what to do |");
    assert_eq!(refusals, Refusal::ALL.map(Refusal::as_str));
    let damage = first_column("| damage | what was found |");
    assert_eq!(damage, DAMAGE.map(Damage::as_str));
}

/// A member that a review tool is told to read stands in every case.
#[test]
fn the_members_of_a_case_are_those_of_the_program() {
    let [open, by_reference] = ["case.held.json", "case.held-by-reference.json"].map(crate::examples::example);
    for member in first_column("| member | meaning |") {
        assert!([&open, &by_reference].into_iter().any(|case| case.contains(&format!("\"{member}\":"))), "no {member}");
    }
}

#[test]
fn the_example_files_are_read() {
    let files = files();
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let of_policies = ["jidoka.yaml", "policies/adult-income.yaml", "policies/adult-income-2.yaml", "watched/adult-income.yaml"];
    let of_references = ["trusted/jidoka.yaml", "trusted/policies/adult-income.yaml"];
    assert_eq!(names, [&of_policies[..], &of_references].concat());
    let folder = written("readme-files", &files);
    let settings = Settings::load(Some(&folder.join("jidoka.yaml")), std::iter::empty()).expect("a good configuration");
    let policies = config::read_policies(&settings.policies, &settings.fallback, None, &config::ProfileFiles::default())
        .expect("good policies");
    assert_eq!(policies.policies().len(), 2);
    let trusted = Settings::load(Some(&folder.join("trusted/jidoka.yaml")), std::iter::empty()).expect("a good configuration");
    let (names, profiles) = (trusted.reference_names(), config::ProfileFiles::default());
    let policies = config::read_policies(&trusted.policies, &trusted.fallback, Some(&names), &profiles).expect("good policies");
    assert_eq!(policies.references().into_iter().collect::<Vec<_>>(), ["customers"]);
}

/// Every file in `config/` is one that a process would read, and can be.
#[test]
fn the_files_in_config_are_read() {
    let folder = repository().join("config");
    let settings = Settings::load(Some(&folder.join("jidoka.yaml")), std::iter::empty()).expect("a good configuration");
    assert_eq!(settings.without_effect(), [""; 0]);
    let policies = config::read_policies(&settings.policies, &settings.fallback, None, &config::ProfileFiles::default())
        .expect("good policies");
    let names = |path: PathBuf| -> Vec<String> {
        let entries = std::fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name")).collect();
        names.sort();
        names
    };
    assert_eq!(names(folder.clone()), ["jidoka.yaml", "policies", "profiles"]);
    let beside = names(folder.join("policies")).into_iter().filter(|name| name != "fixtures");
    assert_eq!(beside.count(), policies.policies().len());

    let embedded: Vec<(String, String)> = POLICIES.map(|(name, text)| (name.to_owned(), text.to_owned())).to_vec();
    let around = Around { fallback: &FallbackReview::default(), references: None, profiles: Profiles::Files(&profile) };
    let embedded = PolicySet::read_with(&embedded, around).expect("good policies");
    let hashes = |set: &PolicySet| set.policies().iter().map(|policy| policy.hash).collect::<Vec<_>>();
    assert_eq!(hashes(&embedded), hashes(&policies), "`dev` runs other policies than those in config/");
}

/// The example's lines that begin with # and no space are settings that need something of the reader's: once it is there, they
/// are read.
#[test]
fn what_is_switched_off_in_the_example_is_read_once_it_is_switched_on() {
    let text = std::fs::read_to_string(repository().join("config/jidoka.yaml")).expect("the example");
    let is_off = |line: &&str| line.strip_prefix('#').is_some_and(|rest| !rest.starts_with(' ') || rest.starts_with("  "));
    assert!(text.lines().filter(is_off).count() > 5);
    let on = text.lines().map(|line| if is_off(&line) { &line[1..] } else { line });
    let files = [
        ("config/jidoka.yaml", on.collect::<Vec<_>>().join("\n")),
        ("config/heads.key", PrivateKey::of_secret(&[7; 32]).pem()),
        ("config/policies/adult-income.yaml", files().remove(1).1),
        ("schemas/registry/README.md", String::new()),
    ];
    let folder = written("readme-example", &files.map(|(name, text)| (name.to_owned(), text)));
    let settings = Settings::load(Some(&folder.join("config/jidoka.yaml")), std::iter::empty());
    let settings = settings.unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert!(settings.audit_heads.is_some());
    assert_eq!(settings.verdicts.keys.iter().count(), 1);
    assert_eq!(settings.reference_names(), ["customers"]);
    assert_eq!(settings.without_effect(), [""; 0]);
}

/// Writes `files` into a folder of their own.
fn written(name: &str, files: &[(String, String)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(crate::kafka::unique(name));
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a folder can be made");
        std::fs::write(path, text).expect("a file can be written");
    }
    folder
}
