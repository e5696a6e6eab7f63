//! `jidoka profile build`.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use sha2::{Digest as _, Sha256};

use super::calibration::{CalibrationFile, Surveyed, read_policy};
use super::training::Training;
use crate::cli::terminal::Stopped;
use crate::cli::terminal::{Exit, FAINT, GOOD, WARNING, note, paint, say, thousands};
use crate::config::read_policy_for_profile;
use crate::identity::{Hash, Timestamp};
use crate::policy::{FallbackReview, Profiles};
use crate::profile::{Columns, Kind, Profile, Provenance, SourceFile};

/// More shards than any machine has threads for this.
const SHARDS_MAX: usize = 64;

#[derive(Args, Debug)]
#[command(after_help = "TRAINING is what the model was trained with: a column for each feature of the events, an
empty cell where it is missing. Other columns are ignored.
CALIBRATION is events that were not in the training and that nobody objects to: 1,000 or
more, better 4,000. Which features there are, and whether they are numbers or categories,
follows from them. What the policy makes of them becomes the baseline of its triggers.

The same files give the same profile, whatever the number of shards. Build it again
whenever the model is trained again, or the policy scores otherwise.

Exit codes: 0 done; 1 it could not be built; 2 wrong usage or policy.

Examples:
  jidoka profile build --policy policies/adult-income.yaml \\
      --training training.csv.gz --calibration calibration.jsonl.gz \\
      --out profiles/adult.profile")]
pub(super) struct BuildArgs {
    /// The policy that the profile is for; its `profile` need not exist yet
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Training rows: CSV with a header, plain or gzipped
    #[arg(long, value_name = "CSV")]
    training: PathBuf,
    /// Calibration events: JSON Lines, plain or gzipped
    #[arg(long, value_name = "JSONL")]
    calibration: PathBuf,
    /// Where the profile is written; one that is there is replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Threads that read the training [default: one for each core, at most 8]
    #[arg(long, value_name = "N", value_parser = shards)]
    shards: Option<usize>,
    /// What stands in the profile as the time of building, such as 2026-01-05T08:00:00Z
    /// [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    built_at: Option<Timestamp>,
}

fn shards(text: &str) -> Result<usize, String> {
    let shards = text.parse().ok().filter(|shards| (1..=SHARDS_MAX).contains(shards));
    shards.ok_or_else(|| format!("a number from 1 to {SHARDS_MAX}"))
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "a time such as 2026-01-05T08:00:00Z".to_owned())
}

pub(super) fn run(args: &BuildArgs) -> Exit {
    match build(args) {
        Ok(built) => built.report(&args.out),
        Err(stopped) => stopped.say(),
    }
}

/// What was built.
struct Built {
    profile: Profile,
    bytes: usize,
}

fn build(args: &BuildArgs) -> Result<Built, Stopped> {
    let set = read_policy(&args.policy, Profiles::Unbuilt)?;
    let [policy] = set.policies() else {
        return Err(Stopped::usage(format!("{} holds no policy", args.policy.display())));
    };
    if !names_profile(&args.policy) {
        return Err(Stopped::usage(format!(
            "{}: the policy `{}` names no profile, and so would not use this one: add `profile:` with the path of --out, as \
             seen from the policy's folder",
            args.policy.display(),
            policy.name
        )));
    }
    let calibration = CalibrationFile { path: &args.calibration, policy };
    let Surveyed { features, events, warnings } = calibration.survey()?;
    warn(&warnings);
    let columns = Columns::new(features.iter().map(|(name, cells)| (name.clone(), cells.kind())).collect())
        .map_err(|problem| Stopped::failed(format!("{}: {problem}", args.calibration.display())))?;
    let shards = args.shards.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, NonZeroUsize::get).min(8));
    let trained = Training::open(&args.training, shards, &features)?.profile(&columns)?;
    warn(&trained.warnings);
    let mut profile = trained.profile;
    let (scores, warnings) = calibration.scores(&profile)?;
    warn(&warnings);
    profile.calibrate(scores);
    let judged = calibration.judged(&args.policy, &profile)?;
    let files = vec![source(&args.training, trained.rows)?, source(&args.calibration, events)?];
    profile.complete(judged, Provenance { built_at: args.built_at.unwrap_or_else(now), files });
    let mut bytes = Vec::new();
    profile.write(&mut bytes);
    write(&args.out, &bytes).map_err(|error| Stopped::failed(format!("Cannot write {}: {error}", args.out.display())))?;
    Ok(Built { profile, bytes: bytes.len() })
}

/// Whether the policy asks for a profile when it is read as a gate reads it.
fn names_profile(policy: &Path) -> bool {
    let asked = Cell::new(false);
    let open = |_: &str, _: &str| {
        asked.set(true);
        Err(String::new())
    };
    // What is wrong with it was looked for before.
    let _ = read_policy_for_profile(policy, &FallbackReview::default(), Profiles::Files(&open));
    asked.get()
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        note(format_args!("{} {warning}", paint(WARNING, "warning:")));
    }
}

/// A file as the profile names it.
fn source(path: &Path, rows: u64) -> Result<SourceFile, Stopped> {
    let hash = || -> io::Result<Hash> {
        let (mut file, mut hasher, mut piece) = (File::open(path)?, Sha256::new(), vec![0; 1 << 16]);
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(Hash(hasher.finalize().into())),
                read => hasher.update(&piece[..read]),
            }
        }
    };
    let sha256 = hash().map_err(|error| Stopped::failed(format!("Cannot read {}: {error}", path.display())))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(SourceFile { name, sha256, rows })
}

fn now() -> Timestamp {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    Timestamp(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// Writes a file beside, then puts it in the place of the old one: a gate reads the one or the other, never a part.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().ok_or_else(|| io::Error::other("this is no name of a file"))?.to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = File::create(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let placed = written.and_then(|()| fs::rename(&part, path));
    if placed.is_err() {
        // What cannot be removed is named as what it is.
        let _ = fs::remove_file(&part);
    }
    placed
}

impl Built {
    fn report(&self, out: &Path) -> Exit {
        let features = self.profile.features();
        let numbers = features.iter().filter(|feature| feature.kind() == Kind::Number).count();
        let events = self.profile.provenance().files.last().map_or(0, |file| file.rows);
        say(format_args!(
            "{} {}: {} training rows, {} features ({numbers} numbers), {} calibration events, {} KiB",
            paint(GOOD, "built"),
            out.display(),
            thousands(self.profile.rows()),
            features.len(),
            thousands(events),
            self.bytes.div_ceil(1_024)
        ));
        say(paint(FAINT, format_args!("jidoka profile show {}", out.display())));
        Exit::Done
    }
}
