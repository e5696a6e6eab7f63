//! Reads the sources and holds them to what the design says of them: pure modules stay pure (the same event, policy, state
//! and time always give the same decision), and no function or file outgrows a reader.

mod source;

use std::fs;
use std::path::{Path, PathBuf};

use source::{Source, Token, at, end_of_item};

/// What makes a function depend on more than its arguments.
const IMPURE_WORDS: [&str; 14] = [
    "rdkafka",
    "tokio",
    "SystemTime",
    "Instant",
    "rand",
    "getrandom",
    "RandomState",
    "async",
    "await",
    "println",
    "eprintln",
    "print",
    "eprint",
    "thread_local",
];
const IMPURE_STD: [&str; 5] = ["env", "thread", "fs", "net", "process"];

/// Modules that must be in the pure group of `lib.rs` as soon as they exist.
const ALWAYS_PURE: [&str; 8] = ["identity", "json", "document", "event", "policy", "trigger", "decision", "audit"];

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 500;

#[test]
fn pure_modules_are_pure() {
    let modules = pure_modules(&read(&folder().join("lib.rs")));
    for module in ALWAYS_PURE {
        let exists = folder().join(format!("{module}.rs")).exists() || folder().join(module).exists();
        assert!(!exists || modules.contains(&module.to_owned()), "lib.rs does not list `{module}` in its group `// Pure:`");
    }
    let files: Vec<PathBuf> = modules.iter().flat_map(|module| files_of_module(module)).collect();
    assert!(!files.is_empty(), "none of the pure modules {modules:?} has a file");
    report(&files, |source| impurities(&source.tokens, &modules));
}

#[test]
fn sources_keep_the_house_rules() {
    let files = files_below(&folder());
    assert!(!files.is_empty());
    report(&files, |source| [unwraps(&source.tokens), long_functions(&source.tokens), long_file(source)].concat());
}

/// The modules of the group that begins with `// Pure:` and ends at an empty line.
fn pure_modules(lib: &str) -> Vec<String> {
    let group = lib.lines().skip_while(|line| !line.starts_with("// Pure:")).skip(1).take_while(|line| !line.is_empty());
    group.filter_map(|line| Some(line.strip_prefix("pub mod ")?.split_once(';')?.0.to_owned())).collect()
}

/// What is wrong in a source, by line.
type Offences = Vec<(usize, String)>;

fn report(files: &[PathBuf], judge: impl Fn(&Source) -> Offences) {
    let mut offences = Vec::new();
    for file in files {
        let found = judge(&Source::read(&read(file)));
        offences.extend(found.into_iter().map(|(line, what)| format!("{}:{line}: {what}", file.display())));
    }
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

fn impurities(tokens: &[Token], pure: &[String]) -> Offences {
    let mut found = Vec::new();
    for (position, token) in tokens.iter().enumerate() {
        if IMPURE_WORDS.contains(&token.text.as_str()) {
            found.push((token.line, format!("`{}` in a pure module", token.text)));
        }
        let in_path = |start: usize| named_after(tokens, start).into_iter();
        if at(tokens, position, &["std", ":", ":"]) {
            let used = in_path(position + 3).filter(|used| IMPURE_STD.contains(&used.text.as_str()));
            found.extend(used.map(|used| (used.line, format!("`std::{}` in a pure module", used.text))));
        }
        if at(tokens, position, &["crate", ":", ":"]) {
            let used = in_path(position + 3).filter(|used| !pure.contains(&used.text));
            found.extend(used.map(|used| (used.line, format!("a pure module uses `crate::{}`, which is not pure", used.text))));
        }
    }
    found
}

/// The names that come first in the path or the braces at `start`: `a` of `a::b`, `a` and `c` of `{a::b, c}`.
fn named_after(tokens: &[Token], start: usize) -> Vec<&Token> {
    if !at(tokens, start, &["{"]) {
        return tokens.get(start).into_iter().collect();
    }
    let (mut depth, mut names) = (0_usize, Vec::new());
    for position in start..tokens.len() {
        match tokens[position].text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ if depth == 1 && matches!(tokens[position - 1].text.as_str(), "{" | ",") => names.push(&tokens[position]),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

fn unwraps(tokens: &[Token]) -> Offences {
    let positions = (0..tokens.len()).filter(|position| at(tokens, *position, &[".", "unwrap", "("]));
    positions.map(|position| (tokens[position].line, "`unwrap()`: say with `expect` why it cannot be".to_owned())).collect()
}

fn long_functions(tokens: &[Token]) -> Offences {
    let mut found = Vec::new();
    for (position, token) in tokens.iter().enumerate().filter(|(_, token)| token.text == "fn") {
        let lines = tokens[end_of_item(tokens, position) - 1].line - token.line + 1;
        // After `fn` comes a name; a parenthesis there is that of a type.
        if lines > FUNCTION_LINES_MAX && !at(tokens, position + 1, &["("]) {
            found.push((token.line, format!("`{}` has {lines} lines; at most {FUNCTION_LINES_MAX}", tokens[position + 1].text)));
        }
    }
    found
}

fn long_file(source: &Source) -> Offences {
    let offence = (1, format!("{} lines without its tests; at most {FILE_LINES_MAX}", source.lines));
    if source.lines > FILE_LINES_MAX { vec![offence] } else { Vec::new() }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn files_of_module(name: &str) -> Vec<PathBuf> {
    let own = folder().join(format!("{name}.rs"));
    let mut files = all_below(&folder().join(name));
    files.extend(own.exists().then_some(own));
    without_tests(&files)
}

/// The sources in and under `folder`, but for the files of modules that are only tests.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    without_tests(&all_below(folder))
}

fn without_tests(all: &[PathBuf]) -> Vec<PathBuf> {
    let tests: Vec<PathBuf> = all.iter().flat_map(|file| test_modules_of(file)).collect();
    let only_tests = |file: &PathBuf| tests.iter().any(|module| file.starts_with(module) || file.with_extension("") == *module);
    all.iter().filter(|file| !only_tests(file)).cloned().collect()
}

fn all_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("a folder of sources can be listed").path();
        if path.is_dir() {
            files.extend(all_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Where the test modules that `file` declares lie, without `.rs`.
fn test_modules_of(file: &Path) -> Vec<PathBuf> {
    let is_root = file.file_stem().is_some_and(|stem| stem == "mod" || stem == "lib" || stem == "main");
    let children = if is_root { file.with_file_name("") } else { file.with_extension("") };
    Source::read(&read(file)).test_modules.iter().map(|module| children.join(module)).collect()
}

/// Every way to be impure that was thought of is found, and what only looks like one is not.
#[test]
fn impurities_are_found() {
    let pure = ["event".to_owned(), "policy".to_owned()];
    let found = |text: &str| impurities(&Source::read(text).tokens, &pure).len();
    let impure = [
        "use rdkafka::Message;",
        "let now = std::time::Instant::now();",
        "use std::time::{Duration, SystemTime};",
        "let home = std::env::var(\"HOME\");",
        "use std::{collections::BTreeMap, fs};",
        "use std::fs::read;",
        "std::thread::sleep(pause);",
        "fn a() { std::net::TcpStream::connect(b) }",
        "async fn a() {}",
        "let salt = rand::random();",
        "getrandom::fill(&mut salt);",
        "use crate::stream::Turn;",
        "use crate::{event::Event, stream};",
        "println!();",
    ];
    for text in impure {
        assert_eq!(found(text), 1, "{text}");
    }
    let pure = [
        "// rdkafka",
        "/// An `Instant` of std::time.",
        "let text = \"tokio\";",
        "use crate::{event::{Event, stream}, policy};",
        "let env = event.env; env.get(); let operand = 1;",
        "#[cfg(test)] mod tests { use std::fs; fn a() { std::env::args(); } }",
        "env!(\"CARGO_PKG_VERSION\")",
    ];
    for text in pure {
        assert_eq!(found(text), 0, "{text}");
    }
}

#[test]
fn offences_against_the_house_rules_are_found() {
    let body = "\n    b();".repeat(FUNCTION_LINES_MAX - 1);
    let function = format!("fn a(c: [u8; 4], d: fn(u8)) -> u8 {{{body}\n}}");
    let long = |text: &str| long_functions(&Source::read(text).tokens);
    assert_eq!(long(&function), [(1, "`a` has 71 lines; at most 70".to_owned())]);
    assert_eq!(long(&function.replacen("\n    b();", "", 1)), []);
    assert_eq!(long(&format!("trait T {{ fn a(); }}\n{}", "\n".repeat(99))), []);

    assert_eq!(unwraps(&Source::read("a.unwrap_or(1);\nb\n.unwrap();").tokens).len(), 1);
    assert_eq!(unwraps(&Source::read("// a.unwrap()\n#[cfg(test)]\nfn a() { b.unwrap(); }").tokens), []);

    let file = |lines: usize| long_file(&Source::read(&"a;\n".repeat(lines))).len();
    assert_eq!((file(FILE_LINES_MAX), file(FILE_LINES_MAX + 1)), (0, 1));
}

#[test]
fn the_pure_group_is_read_from_the_map() {
    let lib = "pub mod x;\n\n// Pure: yes.\npub mod event; // bytes\npub mod policy;\n\npub mod stream;\n";
    assert_eq!(pure_modules(lib), ["event", "policy"]);
}
