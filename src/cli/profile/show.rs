//! `jidoka profile show`.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::picture::{blocks, histogram, short};
use crate::cli::terminal::Stopped;
use crate::cli::terminal::{Exit, FAINT, Output, STRONG, Table, paint, say, thousands};
use crate::cli::text::{cut, wrap};
use crate::profile::{BYTES_MAX, Baseline, CategoryShape, Feature, Profile, Shape};

/// A page is so wide.
const COLUMNS: usize = 80;
/// Columns of a histogram.
const HISTOGRAM: usize = 20;
/// Columns of a name.
const NAME: usize = 18;
/// Columns of what is told about a distribution.
const TOLD: usize = COLUMNS - NAME - HISTOGRAM - 13;
/// Rates of fewer events are not shown: they say nothing, and may say something about a person.
const EVENTS_MIN: u64 = 50;

#[derive(Args, Debug)]
#[command(after_help = "The file is checked as a gate checks it: one that is damaged, or of another version, is refused.
Histograms go from the quantile .01 to .99. Rates of subgroups with fewer than 50 events are
not shown.

Exit codes: 0 done; 1 it cannot be read; 2 wrong usage.

Examples:
  jidoka profile show profiles/adult.profile
  jidoka profile show profiles/adult.profile --output json | jq .features")]
pub(super) struct ShowArgs {
    /// The profile
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Form of the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &ShowArgs) -> Exit {
    let profile = match read(&args.file) {
        Ok(profile) => profile,
        Err(stopped) => return stopped.say(),
    };
    match args.output {
        Output::Json => say(format_args!("{:#}", as_json(&profile))),
        Output::Text => text(&profile).into_iter().for_each(say),
    }
    Exit::Done
}

fn read(path: &Path) -> Result<Profile, Stopped> {
    let mut bytes = Vec::new();
    let most = BYTES_MAX as u64 + 1;
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map_err(|error| Stopped::failed(format!("Cannot read {}: {error}", path.display())))?;
    Profile::read(&bytes).map_err(|problem| Stopped::failed(format!("{}: {problem}", path.display())))
}

fn text(profile: &Profile) -> Vec<String> {
    let mut lines = origin(profile);
    lines.extend(features(profile));
    lines.extend(pairs(profile));
    lines.extend(distributions(profile));
    lines.extend(profile.baseline().into_iter().flat_map(subgroups));
    lines
}

fn origin(profile: &Profile) -> Vec<String> {
    let provenance = profile.provenance();
    let built_at = provenance.built_at.rfc3339();
    let mut lines = vec![format!("{} {}", paint(STRONG, "built"), String::from_utf8_lossy(&built_at))];
    for (file, what) in provenance.files.iter().zip(["training rows", "calibration events"]) {
        let (name, hash) = (name(&file.name, 24), file.sha256.to_string());
        let hash = paint(FAINT, format_args!("sha256 {}…", &hash[..12]));
        lines.push(format!("  {name}, {} {what}  {hash}", thousands(file.rows)));
    }
    let scoring = profile.scoring().map_or_else(|| "none".to_owned(), |hash| format!("{}…", &hash.to_string()[..12]));
    lines.push(format!("  scoring {}", paint(FAINT, scoring)));
    lines
}

fn features(profile: &Profile) -> Vec<String> {
    let mut table = Table::new(&["feature", "missing", "distribution", ""]).right(&[1]);
    for feature in profile.features() {
        let missing = percent(feature.missing, profile.rows());
        let [picture, told] = match &feature.shape {
            Shape::Number(shape) => match shape.range() {
                Some((lowest, highest)) => {
                    let median = paint(STRONG, short(shape.median));
                    [histogram(shape, HISTOGRAM), format!("{} … {median} … {}", short(lowest), short(highest))]
                }
                None => [String::new(), "no numbers".to_owned()],
            },
            Shape::Category(shape) => {
                let levels = by_count(shape);
                let counts: Vec<f64> = levels.iter().take(HISTOGRAM).map(|(_, count)| *count as f64).collect();
                [blocks(&counts), cut(&levels_told(&levels, profile.rows()), TOLD)]
            }
            Shape::Text => [String::new(), "texts of many kinds".to_owned()],
        };
        table.row([name(&feature.name, NAME), missing, picture, told]);
    }
    let mut lines = vec![String::new()];
    lines.extend(table.lines());
    lines
}

/// A name out of the file, cut to so many columns, without what would move the terminal's cursor.
fn name(name: &str, columns: usize) -> String {
    cut(&name.replace(char::is_control, " "), columns)
}

fn by_count(shape: &CategoryShape) -> Vec<(&str, u64)> {
    let mut levels: Vec<(&str, u64)> = shape.levels.iter().map(|level| (level.name.as_str(), level.count)).collect();
    levels.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    levels
}

/// `8: Private 69.7 %, Self-emp-not-inc 7.8 %`
fn levels_told(levels: &[(&str, u64)], rows: u64) -> String {
    let told: Vec<String> =
        levels.iter().take(3).map(|(level, count)| format!("{} {}", name(level, 14), percent(*count, rows))).collect();
    format!("{}: {}", levels.len(), told.join(", "))
}

/// `education × occupation, relationship`: each pair once, at its first feature.
fn pairs(profile: &Profile) -> Vec<String> {
    let of = |place: u16| name(&profile.features()[usize::from(place)].name, NAME);
    let mut lines = vec![String::new(), paint(STRONG, format_args!("{} pairs looked at together", profile.pairs().len()))];
    for group in profile.pairs().chunk_by(|a, b| a.first == b.first) {
        let seconds: Vec<String> = group.iter().map(|pair| of(pair.second)).collect();
        let told = format!("{} × {}", of(group[0].first), seconds.join(", "));
        let wrapped = wrap(&told, COLUMNS - 4).into_iter().enumerate();
        lines.extend(wrapped.map(|(place, line)| format!("{}{line}", if place == 0 { "  " } else { "    " })));
    }
    lines
}

fn distributions(profile: &Profile) -> Vec<String> {
    let mut table = Table::new(&["calibration", "events", "50 %", "90 %", "99 %", "most"]).right(&[1, 2, 3, 4, 5]);
    let mut row = |name: &str, values: &[f32]| {
        let at = |part: usize| values.get((values.len() * part / 100).min(values.len().saturating_sub(1)));
        let [half, ninety, most_of, most] =
            [50, 90, 99, 100].map(|part| at(part).map_or_else(String::new, |value| format!("{value:.3}")));
        table.row([name.to_owned(), thousands(values.len() as u64), half, ninety, most_of, most]);
    };
    row("anomaly score", profile.calibration().scores());
    row("priority", profile.priorities());
    row("confidence", profile.confidences());
    let mut lines = vec![String::new()];
    lines.extend(table.lines());
    let duplicates = profile.duplicates();
    if let Some((_, most)) = duplicates.vectors.first() {
        let share = percent(*most, profile.rows());
        lines.push(format!("  the most frequent row occurs {} times ({share})", thousands(*most)));
    }
    lines
}

/// n and favourable decisions of each level of each attribute.
fn groups(baseline: &Baseline) -> Vec<(&str, String, u64, u64)> {
    let mut groups = Vec::new();
    for (place, attribute) in baseline.attributes.iter().enumerate() {
        let mut codes: Vec<u8> = baseline.cells.iter().map(|cell| cell.levels[place]).collect();
        codes.sort_unstable();
        codes.dedup();
        for code in codes {
            let cells = baseline.cells.iter().filter(|cell| cell.levels[place] == code);
            let (n, favourable) = cells.fold((0, 0), |(n, good), cell| (n + cell.events, good + cell.favourable));
            let level = attribute.level(code).map_or_else(|| "(other or missing)".to_owned(), str::to_owned);
            groups.push((attribute.name.as_str(), level, n, favourable));
        }
    }
    groups
}

fn subgroups(baseline: &Baseline) -> Vec<String> {
    if baseline.attributes.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(&["attribute", "level", "events", "favourable"]).right(&[2, 3]);
    for (attribute, level, n, favourable) in groups(baseline) {
        let rate = if n < EVENTS_MIN { paint(FAINT, "too few") } else { percent(favourable, n) };
        table.row([name(attribute, NAME), name(&level, 30), thousands(n), rate]);
    }
    let mut lines = vec![String::new()];
    lines.extend(table.lines());
    lines
}

fn percent(part: u64, of: u64) -> String {
    format!("{:.1} %", part as f64 / of.max(1) as f64 * 100.0)
}

fn as_json(profile: &Profile) -> Value {
    let provenance = profile.provenance();
    let built_at = provenance.built_at.rfc3339();
    let files =
        provenance.files.iter().map(|file| json!({ "name": file.name, "sha256": file.sha256.to_string(), "rows": file.rows }));
    let pair = |place: u16| profile.features().get(usize::from(place)).map(|feature| feature.name.as_str());
    let groups = profile.baseline().map(|baseline| {
        let group = |(attribute, level, n, favourable)| {
            json!({ "attribute": attribute, "level": level, "events": n, "favourable": (n >= EVENTS_MIN).then_some(favourable) })
        };
        groups(baseline).into_iter().map(group).collect::<Vec<_>>()
    });
    json!({
        "built_at": String::from_utf8_lossy(&built_at),
        "files": files.collect::<Vec<_>>(),
        "scoring": profile.scoring().map(|hash| hash.to_string()),
        "rows": profile.rows(),
        "features": profile.features().iter().map(feature_json).collect::<Vec<_>>(),
        "pairs": profile.pairs().iter().map(|of| [pair(of.first), pair(of.second)]).collect::<Vec<_>>(),
        "calibration": profile.calibration().scores().len(),
        "priorities": profile.priorities().len(),
        "confidences": profile.confidences().len(),
        "subgroups": groups,
    })
}

fn feature_json(feature: &Feature) -> Value {
    let (name, missing) = (&feature.name, feature.missing);
    match &feature.shape {
        Shape::Number(shape) => {
            let range = shape.range();
            json!({ "name": name, "type": "number", "missing": missing, "minimum": range.map(|range| range.0),
                "median": range.map(|_| shape.median), "maximum": range.map(|range| range.1) })
        }
        Shape::Category(shape) => {
            let levels: serde_json::Map<String, Value> =
                by_count(shape).into_iter().map(|(name, count)| (name.to_owned(), count.into())).collect();
            json!({ "name": name, "type": "category", "missing": missing, "levels": levels })
        }
        Shape::Text => json!({ "name": name, "type": "text", "missing": missing }),
    }
}
