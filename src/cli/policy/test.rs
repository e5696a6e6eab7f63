//! `jidoka policy test`: fixtures, events beside what is expected of the policies about them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::{in_a_line, read_set, reason_text, reasons_json, sources};
use crate::cli::lines::{Input, Lines};
use crate::cli::reference;
use crate::cli::report_problems;
use crate::cli::terminal::{Exit, FAINT, GOOD, Output, WRONG, fail, paint, say};
use crate::config::policy_files;
use crate::gate::judge::Judged;
use crate::policy::{Band, PolicySet};
use crate::reference::Tables;
use crate::replay::{Failure, FileRecords, Fixture, Log, Mistake, Reason, Replay, Terms, Tried};

/// Where fixtures are looked for besides the folder itself.
const FOLDERS: [&str; 2] = ["fixtures", "tests"];
const EVENTS: [&str; 2] = [".events.jsonl", ".events.jsonl.gz"];
const EXPECTED: [&str; 2] = [".expected.jsonl", ".expected.jsonl.gz"];
/// What trusted records of a fixture are called, after the name of their reference.
const REFERENCE: [&str; 2] = [".reference.csv", ".reference.csv.gz"];
/// A longer file of expectations is none.
const EXPECTED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The source of events whose fixture and policies name none.
const SOURCE: &str = "fixture";

#[derive(Args, Debug)]
#[command(after_help = "A fixture is two files in DIR or its folders fixtures and tests, plain or gzipped:
  NAME.events.jsonl     inference events, one a line
  NAME.expected.jsonl   what is expected of some or all of them, one a line:
                        {\"event_id\":\"e-1\",\"outcome\":\"HELD\",\"band\":\"high\",\"hits\":[\"large-amount\"]}
Where policies compare with a reference, REFERENCE.reference.csv beside them has the trusted
records: the column subject_id, else the first, is the key.
band and hits may be left away; hits are all the triggers and built-in findings that are a hit.
Events without an expectation are decided, too, and counted. Of several decisions about one event
id the last is compared.

The events come from the source --source; else from that of the policy whose name or file is NAME;
else from the only source that the policies name; else from \"fixture\". The moment of deciding is
each event's timestamp.

Exit codes: 0 all as expected; 1 something is not; 2 wrong usage, policy or fixture.

Examples:
  jidoka policy test config/policies
  jidoka policy test fixtures --policies config/policies --output json")]
pub(super) struct TestArgs {
    /// Folder of fixtures, and of the policies unless --policies says otherwise
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Policy files, or folders of them, read as one set
    #[arg(long, value_name = "FILE", num_args = 1..)]
    policies: Vec<PathBuf>,
    /// The source that the events come from
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Form of the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &TestArgs) -> Exit {
    let policies = match policies(args) {
        Ok(policies) => policies,
        Err(reason) => return fail(Exit::Usage, reason),
    };
    let terms = Terms::default();
    let set = match read_set(&policies, &terms.fallback) {
        Ok(set) => set,
        Err(problems) => return report_problems(&problems),
    };
    let found = match find(&args.folder) {
        Ok(found) if found.is_empty() => {
            let folder = args.folder.display();
            let reason =
                format!("There is no fixture in {folder}: write NAME.events.jsonl and NAME.expected.jsonl (see --help).");
            return fail(Exit::Usage, reason);
        }
        Ok(found) => found,
        Err((path, error)) => return fail(Exit::Usage, format!("{} cannot be read: {error}", path.display())),
    };
    let results: Vec<Trial> = found.into_iter().map(|files| try_one(files, args, &policies, &set, &terms)).collect();
    match args.output {
        Output::Json => print_json(&results),
        Output::Text => print_text(&results),
    }
    exit(&results)
}

/// The policy files that are tested.
fn policies(args: &TestArgs) -> Result<Vec<PathBuf>, String> {
    if !args.policies.is_empty() {
        return Ok(args.policies.clone());
    }
    let folder = args.folder.display();
    match policy_files(&args.folder) {
        Ok(files) if files.is_empty() => {
            Err(format!("There is no policy file (*.yaml or *.yml) in {folder}. Say where they are: --policies FILE or FOLDER."))
        }
        Ok(files) => Ok(files),
        Err(error) => Err(format!("{folder} cannot be read: {error}")),
    }
}

/// The two files of a fixture, of which one may be missing.
struct Files {
    name: String,
    events: Option<PathBuf>,
    expected: Option<PathBuf>,
}

/// One fixture, tried.
struct Trial {
    files: Files,
    source: String,
    tried: Tried,
}

/// All fixtures in `folder` and below, in the order of their folders and names.
fn find(folder: &Path) -> Result<Vec<Files>, (PathBuf, io::Error)> {
    let mut all = Vec::new();
    let below = FOLDERS.iter().map(|name| folder.join(name)).filter(|path| path.is_dir());
    for folder in std::iter::once(folder.to_owned()).chain(below) {
        let failed = |error| (folder.clone(), error);
        let entries = std::fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(failed)?;
        let mut names: Vec<String> = entries.iter().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        let mut fixtures: Vec<&str> = names.iter().filter_map(|name| stem(name)).collect();
        fixtures.sort_unstable();
        fixtures.dedup();
        let path = |name: &str, endings: [&str; 2]| {
            let candidates = endings.map(|ending| format!("{name}{ending}"));
            candidates.into_iter().find(|candidate| names.contains(candidate)).map(|file| folder.join(file))
        };
        let files = |name: &str| Files { name: name.to_owned(), events: path(name, EVENTS), expected: path(name, EXPECTED) };
        all.extend(fixtures.into_iter().map(files));
    }
    Ok(all)
}

fn stem(name: &str) -> Option<&str> {
    EVENTS.iter().chain(&EXPECTED).find_map(|ending| name.strip_suffix(ending)).filter(|stem| !stem.is_empty())
}

fn try_one(files: Files, args: &TestArgs, policies: &[PathBuf], set: &PolicySet, terms: &Terms) -> Trial {
    let source = source(&files.name, args, policies, set);
    let tried = match (&files.events, &files.expected) {
        (Some(events), Some(expected)) => decide(events, expected, &source, set, terms),
        (Some(_), None) => mistaken(format!("has no {}{} beside it; say there what is expected", files.name, EXPECTED[0])),
        _ => mistaken(format!("has no {}{} beside it; the events are missing", files.name, EVENTS[0])),
    };
    Trial { files, source, tried }
}

fn mistaken(message: String) -> Tried {
    Tried { mistakes: vec![Mistake { line: 0, message }], ..Tried::default() }
}

/// Where a fixture's events come from (see the help).
fn source(name: &str, args: &TestArgs, policies: &[PathBuf], set: &PolicySet) -> String {
    if let Some(source) = &args.source {
        return source.clone();
    }
    let named = set.policies().iter().find(|policy| policy.name == name).and_then(|policy| policy.matches.source.clone());
    let of_file = || {
        let file = policies.iter().find(|path| path.file_stem().is_some_and(|stem| stem == name))?;
        let text = std::fs::read(file).ok()?;
        let hash = crate::identity::Hash::of(&text);
        set.policies().iter().find(|policy| policy.hash == hash)?.matches.source.clone()
    };
    let only = || {
        let all = sources([set]);
        if all.len() == 1 { all.first().map(|source| (*source).to_owned()) } else { None }
    };
    named.or_else(of_file).or_else(only).unwrap_or_else(|| SOURCE.to_owned())
}

fn decide(events: &Path, expected: &Path, source: &str, set: &PolicySet, terms: &Terms) -> Tried {
    let text = match read_text(expected) {
        Ok(text) => text,
        Err(reason) => return mistaken(reason),
    };
    let terms = match references(events, set) {
        Ok(references) => Terms { references: Arc::new(references), ..terms.clone() },
        Err(reason) => return mistaken(reason),
    };
    let mut fixture = Fixture::read(&text);
    let log = Log { source: source.to_owned(), topic: events.display().to_string(), partition: 0 };
    let mut replay = Replay::new(set.clone(), terms.clone(), log);
    let mut records = FileRecords::new(terms.limits);
    let each = |offset: i64, line: &[u8]| {
        let replayed = replay.judge(&records.record(offset, line));
        match &replayed.judged {
            Judged::Duplicate { .. } => fixture.duplicate(),
            Judged::Decided(verdict) => fixture.decided(verdict),
        }
    };
    match each_line(events, each) {
        Err(error) => mistaken(format!("cannot be tried: {} cannot be read: {error}", events.display())),
        Ok(0) => mistaken(format!("cannot be tried: {} is empty", events.display())),
        Ok(_) => fixture.finish(),
    }
}

/// The trusted records beside the fixture, one file for each reference that the policies compare with.
fn references(events: &Path, set: &PolicySet) -> Result<Tables, String> {
    let mut tables = Tables::default();
    for name in set.references() {
        let candidates = REFERENCE.map(|ending| events.with_file_name(format!("{name}{ending}")));
        let Some(path) = candidates.iter().find(|path| path.exists()) else {
            return Err(format!("has no {name}{} beside it; the policies compare with that reference", REFERENCE[0]));
        };
        tables.0.push((name.to_owned(), reference::read(path, None)?));
    }
    Ok(tables)
}

fn each_line(path: &Path, mut each: impl FnMut(i64, &[u8])) -> io::Result<i64> {
    let mut lines = Lines::open(&Input::File(path.to_owned()))?;
    let mut offset = 0;
    while let Some(chunk) = lines.next_chunk()? {
        for line in chunk.lines() {
            each(offset, line);
            offset += 1;
        }
    }
    Ok(offset)
}

fn read_text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let mut lines = Lines::open(&Input::File(path.to_owned())).map_err(|error| format!("cannot be read: {error}"))?;
    while let Some(chunk) = lines.next_chunk().map_err(|error| format!("cannot be read: {error}"))? {
        for line in chunk.lines() {
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
        }
        if bytes.len() > EXPECTED_BYTES_MAX {
            return Err(format!("is longer than the {EXPECTED_BYTES_MAX} bytes that are read"));
        }
    }
    String::from_utf8(bytes).map_err(|error| format!("is not UTF-8 text: {}", error.utf8_error()))
}

fn exit(results: &[Trial]) -> Exit {
    if results.iter().any(|result| !result.tried.mistakes.is_empty()) {
        Exit::Usage
    } else if results.iter().any(|result| !result.tried.failures.is_empty()) {
        Exit::Failed
    } else {
        Exit::Done
    }
}

impl Files {
    /// The file that lines are lines of, or the one that is there at all.
    fn path(&self) -> String {
        self.expected.as_ref().or(self.events.as_ref()).map_or_else(String::new, |path| path.display().to_string())
    }

    fn place(&self, line: usize) -> String {
        if line == 0 { self.path() } else { format!("{}:{line}", self.path()) }
    }
}

fn print_text(results: &[Trial]) {
    for Trial { files, tried, .. } in results {
        for mistake in &tried.mistakes {
            say(format_args!("{} {}: {}", paint(WRONG, "error:"), files.place(mistake.line), mistake.message));
        }
        for failure in &tried.failures {
            say(format_args!("{} {}: {}", paint(WRONG, "failed"), files.place(failure.expected.line), in_one_line(failure)));
        }
        if tried.mistakes.is_empty() {
            let met = tried.expected - tried.failures.len();
            let word = if tried.failures.is_empty() { paint(GOOD, "ok") } else { paint(WRONG, "failed") };
            let beside = paint(FAINT, beside(tried));
            say(format_args!("{word} {}: {met} of {} as expected{beside}", files.path(), tried.expected));
        }
    }
    let count = |of: fn(&Tried) -> usize| results.iter().map(|result| of(&result.tried) as u64).sum::<u64>();
    let (expected, failed) = (count(|tried| tried.expected), count(|tried| tried.failures.len()));
    let fixtures = some(results.len() as u64, "fixture");
    match (failed, count(|tried| tried.mistakes.len())) {
        (0, 0) => say(format_args!("{} {} in {fixtures}, all met", paint(GOOD, "ok"), some(expected, "expectation"))),
        (_, 0) => say(format_args!("{} {failed} of {} in {fixtures}", paint(WRONG, "failed"), some(expected, "expectation"))),
        (_, mistakes) => {
            let said = format!("{} in {fixtures}; {} not met", some(mistakes, "mistake"), some(failed, "expectation"));
            say(format_args!("{} {said}", paint(WRONG, "failed")));
        }
    }
}

/// `1 fixture`, `2 fixtures`.
fn some(count: u64, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// What else there was in the events.
fn beside(tried: &Tried) -> String {
    let others = match tried.others {
        0 => String::new(),
        others => format!("; of {others} more nothing is expected{}", named(tried)),
    };
    match tried.duplicates {
        0 => others,
        duplicates => format!("{others}; {}", some(duplicates, "duplicate")),
    }
}

/// ` (e-3, e-4, …)`.
fn named(tried: &Tried) -> String {
    if tried.other_ids.is_empty() {
        return String::new();
    }
    let more = if tried.others > tried.other_ids.len() as u64 { ", …" } else { "" };
    format!(" ({}{more})", tried.other_ids.join(", "))
}

fn in_one_line(Failure { expected, came }: &Failure) -> String {
    let sentence = |reason: &Reason| {
        // Hits are named before; what failed is not among them.
        let text = if came.hits.contains(&reason.trigger) { in_a_line(&reason.sentence) } else { reason_text(reason) };
        if text.ends_with('.') { text } else { text + "." }
    };
    let why: Vec<String> = came.reasons.iter().map(sentence).collect();
    let why = if why.is_empty() { "Nothing was found.".to_owned() } else { why.join(" ") };
    format!("{}: expected {expected}; came {came}. {why}", expected.event_id)
}

fn print_json(results: &[Trial]) {
    let of = |result: &Trial| -> Value {
        let Trial { files, source, tried } = result;
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let failure = |Failure { expected, came }: &Failure| {
            let wanted = json!({ "outcome": expected.outcome.as_str(), "band": expected.band.map(Band::as_str),
                "hits": expected.hits });
            let came = json!({ "outcome": came.outcome.as_str(), "band": came.band.as_str(), "hits": came.hits,
                "findings": reasons_json(&came.reasons) });
            json!({ "line": expected.line, "event_id": expected.event_id, "expected": wanted, "came": came })
        };
        let mistake = |mistake: &Mistake| {
            let line = (mistake.line > 0).then_some(mistake.line);
            json!({ "line": line, "message": mistake.message })
        };
        json!({ "name": files.name, "source": source, "events": path(&files.events), "expected": path(&files.expected),
            "expectations": tried.expected, "failures": tried.failures.iter().map(failure).collect::<Vec<_>>(),
            "mistakes": tried.mistakes.iter().map(mistake).collect::<Vec<_>>(), "duplicates": tried.duplicates,
            "without_expectation": { "count": tried.others, "first": tried.other_ids } })
    };
    let fixtures: Vec<Value> = results.iter().map(of).collect();
    say(format_args!("{:#}", json!({ "passed": exit(results) == Exit::Done, "fixtures": fixtures })));
}
