//! `jidoka audit verify`: is what is there what was written?

use std::path::{Path, PathBuf};

use clap::Args;

use crate::audit::verify::{Extent, Finding, Heads, HolesAre, Report, Terms, Verifier};
use crate::cli::lines::{Input, Lines};
use crate::cli::terminal::{Exit, FAINT, GOOD, Output, STRONG, WARNING, WRONG, fail, paint, progress, say, thousands};
use crate::config::Settings;
use crate::signature::{PrivateKey, PublicKey};

/// Verifies exported lines: chains, trails, dispositions and cases, offline.
#[derive(Args, Debug)]
#[command(after_help = "Reads lines that `jidoka audit export` wrote, in their order, and nothing else. It checks that every
entry has the hash of its header; that every writer's chain and every decision's trail is without a gap and names its
predecessors; that each trail is legal; that each input offset was decided once; and that dispositions and cases are what
their trails say. Of each kind of damage it names the first bad record.

Holes in the offsets of an input are normal, as the markers of transactions and compaction leave them; they are counted, and
--no-holes makes them a failure.

That an end was cut off, or a chain written anew up to its end, is only noticed with signed heads: copies of the files that
audit.heads.file names, taken before the export. --heads-key is the public key in base64, a PEM file, or the configuration file.

A filtered export is not whole: with --partial, hashes and what is there of chains and trails are verified.

Exit codes: 0 no damage; 1 damage, or a file could not be read; 2 wrong usage.

Examples:
  jidoka audit verify trail.jsonl.gz
  jidoka audit verify trail.jsonl.gz --heads heads.jsonl --heads-key jidoka.yaml
  jidoka audit verify kims.jsonl --partial --output json
  zcat trail.jsonl.gz | jidoka audit verify -")]
pub(super) struct VerifyArgs {
    /// Files of export lines, plain or gzipped, in their order; - is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// File of signed heads; may be given several times
    #[arg(long, value_name = "FILE", requires = "heads_key")]
    heads: Vec<PathBuf>,
    /// The key that signed them: base64, a PEM file, or a configuration file
    #[arg(long, value_name = "KEY", requires = "heads")]
    heads_key: Option<String>,
    /// The lines are a choice of decisions, not everything
    #[arg(long)]
    partial: bool,
    /// Input offsets without an entry are damage
    #[arg(long)]
    no_holes: bool,
    /// Form of the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Runs the command.
pub(super) fn run(args: &VerifyArgs) -> Exit {
    let heads = match heads(args) {
        Ok(heads) => heads,
        Err((exit, reason)) => return fail(exit, reason),
    };
    let extent = if args.partial { Extent::Partial } else { Extent::Whole };
    let holes = if args.no_holes { HolesAre::Failures } else { HolesAre::Normal };
    let mut verifier = Verifier::new(Terms { extent, holes, heads });
    for input in args.files.iter().cloned().map(Input::from) {
        if let Err(reason) = feed(&input, &mut verifier) {
            return fail(Exit::Failed, reason);
        }
    }
    let report = verifier.finish();
    match args.output {
        Output::Json => {
            let mut out = Vec::new();
            report.write_json(&mut out);
            say(String::from_utf8_lossy(&out));
        }
        Output::Text => show(&report),
    }
    if report.is_clean() { Exit::Done } else { Exit::Failed }
}

fn feed(input: &Input, verifier: &mut Verifier) -> Result<(), String> {
    let unreadable = |error: std::io::Error| format!("Cannot read {input}: {error}");
    let mut lines = Lines::open(input).map_err(unreadable)?;
    let bar = progress(None, "lines");
    while let Some(chunk) = lines.next_chunk().map_err(unreadable)? {
        for line in chunk.lines() {
            verifier.line(line);
        }
        bar.set_position(verifier.lines());
    }
    bar.finish_and_clear();
    Ok(())
}

/// The signed heads, where they are asked for.
fn heads(args: &VerifyArgs) -> Result<Option<Heads>, (Exit, String)> {
    let Some(key) = &args.heads_key else { return Ok(None) };
    let mut heads = Heads::new(public_key(key).map_err(|reason| (Exit::Usage, reason))?);
    for path in &args.heads {
        let input = Input::from(path.clone());
        let unreadable = |error: std::io::Error| (Exit::Failed, format!("Cannot read the heads in {input}: {error}"));
        let mut lines = Lines::open(&input).map_err(unreadable)?;
        while let Some(chunk) = lines.next_chunk().map_err(unreadable)? {
            chunk.lines().for_each(|line| heads.line(line));
        }
    }
    Ok(Some(heads))
}

/// The public key that `text` is, or that lies in the file that it names.
fn public_key(text: &str) -> Result<PublicKey, String> {
    if let Ok(key) = PublicKey::parse(text) {
        return Ok(key);
    }
    let path = Path::new(text);
    let content = std::fs::read_to_string(path)
        .map_err(|error| format!("--heads-key {text} is no public key in base64, and as a file it cannot be read: {error}"))?;
    if let Some(key) = PublicKey::parse(&content).ok().or_else(|| PrivateKey::parse_pem(&content).ok().map(|key| key.public())) {
        return Ok(key);
    }
    let settings = Settings::load(Some(path), std::env::vars()).map_err(|problems| {
        format!("--heads-key {text} is neither a key nor a configuration that can be read: {}", problems[0])
    })?;
    settings.audit_heads.map(|heads| heads.key.public()).ok_or_else(|| format!("{text} names no audit.heads.key"))
}

fn show(report: &Report) {
    if report.is_clean() {
        say(format_args!("{} no damage", paint(GOOD, "verified")));
    } else {
        say(format_args!("{} of {} kinds", paint(WRONG, "damage"), report.findings.len()));
    }
    let number = |name: &str| thousands(report.count(name));
    say(format_args!(
        "  {} entries in {} chains; {} refused commands, {} gaps, {} duplicates",
        number("entries"),
        number("chains"),
        number("refused"),
        number("gaps"),
        number("duplicates")
    ));
    say(format_args!(
        "  {} decisions, of which {} released and {} open",
        number("decisions"),
        number("released"),
        number("open")
    ));
    say(format_args!(
        "  {} dispositions, {} records of cases, {} signed heads",
        number("dispositions"),
        number("cases"),
        number("heads")
    ));
    for finding in &report.findings {
        damage(finding);
    }
    for text in &report.notes {
        say(format_args!("{} {text}", paint(WARNING, "note:")));
    }
}

fn damage(finding: &Finding) {
    let place = &finding.place;
    let mut parts = Vec::new();
    if !place.topic.is_empty() {
        parts.push(format!("{}/{} offset {}", place.topic, place.partition, place.offset));
    }
    parts.extend(place.key.as_ref().map(|key| format!("key {key}")));
    if place.line > 0 {
        parts.push(format!("line {}", thousands(place.line)));
    }
    let times = if finding.count > 1 { format!(" ({} in all)", thousands(finding.count)) } else { String::new() };
    say(format_args!("{}{}", paint(STRONG, finding.damage.as_str()), paint(FAINT, times)));
    if !parts.is_empty() {
        say(format_args!("  {}", parts.join(", ")));
    }
    say(format_args!("  {}", finding.sentence));
}
