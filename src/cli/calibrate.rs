//! `jidoka calibrate`: which limits would hold how much, from recorded events. Changes nothing.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::lines::{Input, Lines};
use super::recorded::{self, Feed, Ground, RecordedArgs};
use super::terminal::{Exit, FAINT, Output, STRONG, Stopped, Table, fail, note, paint, progress, say, thousands};
use crate::replay::{GroupCalibration, Log, Proposal, Proposals, Proposed, Record, Replay, Report, Share};

/// The shares that are proposed where nobody asks for others.
const RATES: [f64; 5] = [0.01, 0.02, 0.05, 0.1, 0.2];

/// Proposes limits, and how much each would hold.
#[derive(Args, Debug)]
#[command(after_help = "Decides recorded events as a gate would, and says of each trigger and of the reviewers' capacity
which limit would hold which share of them, with 95 % intervals: what you would write into the
policy. Nothing is changed. EVENTS are as those of `jidoka policy replay`: files, or a range of a
topic (live events).

With --labels, a CSV file with the columns event_id and correct (1 or 0), it also says how many of
the wrong decisions each limit would catch, and of each protected subgroup how often the model is
right and how sure it is.

Exit codes: 0 done; 1 the work failed; 2 wrong usage, configuration or policy.

Examples:
  jidoka calibrate --policy policies/adult-income.yaml calibration.jsonl.gz
  jidoka calibrate --policy policies/adult-income.yaml --labels calibration.labels.csv.gz \\
      --rate 0.05 --rate 0.1 --per-day 20000 calibration.jsonl.gz
  jidoka calibrate --policy policies --topic inference --config jidoka.yaml \\
      --from 2026-01-05T00:00:00Z --output json")]
pub struct CalibrateArgs {
    /// Policy file, or a folder of them
    #[arg(long, value_name = "FILE", required = true)]
    policy: Vec<PathBuf>,
    #[command(flatten)]
    recorded: RecordedArgs,
    /// A share of decisions that people could look at; may be given several times
    #[arg(long, value_name = "SHARE", value_parser = share)]
    rate: Vec<f64>,
    /// Decisions a day, for the load; without it that of the events' own times
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    per_day: Option<u64>,
    /// Which decisions were right: a CSV file with the columns `event_id` and `correct`
    #[arg(long, value_name = "CSV")]
    labels: Option<PathBuf>,
    /// Form of the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

fn share(text: &str) -> Result<f64, String> {
    let share = recorded::share(text)?;
    if share > 0.0 && share < 1.0 { Ok(share) } else { Err("more than nothing and less than all".to_owned()) }
}

/// Runs the command.
#[must_use]
pub fn run(args: &CalibrateArgs) -> Exit {
    let began = Instant::now();
    match recorded::open(&args.recorded, &[&args.policy]).and_then(|ground| calibrate(args, &ground)) {
        Ok((reports, records)) if reports.is_empty() => {
            let why =
                format!("None of the {} records is an event of these policies: is the source's name right?", thousands(records));
            fail(Exit::Failed, why)
        }
        Ok((reports, records)) => {
            match args.output {
                Output::Json => say(format_args!(
                    "{:#}",
                    json!({ "policies": reports.iter().map(|report| as_json(report, args.per_day)).collect::<Vec<_>>() })
                )),
                Output::Text => {
                    reports.iter().flat_map(|report| as_text(report, args.per_day)).for_each(say);
                    note(paint(FAINT, recorded::speed(records, began.elapsed())));
                }
            }
            Exit::Done
        }
        Err(stopped) => stopped.say(),
    }
}

/// What comes of the events, and how many there were.
fn calibrate(args: &CalibrateArgs, Ground { sets, terms, events }: &Ground) -> Result<(Vec<Report>, u64), Stopped> {
    let truth = args.labels.as_deref().map_or_else(|| Ok(HashMap::new()), labels).map_err(Stopped::usage)?;
    let rates = if args.rate.is_empty() { RATES.to_vec() } else { args.rate.clone() };
    let replay = Replay::new(sets[0].clone(), terms.clone(), events.first());
    let bar = progress(events.length(), "records");
    let mut watched = Watched { replay, proposals: Proposals::new(truth), records: 0, bar: &bar };
    let fed = events.feed(&mut watched);
    bar.finish_and_clear();
    fed?;
    Ok((watched.proposals.of(sets[0].policies(), &rates), watched.records))
}

struct Watched<'w> {
    replay: Replay,
    proposals: Proposals,
    records: u64,
    bar: &'w ProgressBar,
}

impl Feed for Watched<'_> {
    fn begin(&mut self, log: &Log) {
        self.replay.begin(log.clone());
    }

    fn remember(&mut self, record: &Record<'_>) {
        self.replay.remember(record);
    }

    fn judge(&mut self, record: &Record<'_>) -> ControlFlow<()> {
        self.records += 1;
        self.proposals.count(&self.replay.judge(record));
        ControlFlow::Continue(())
    }

    fn advance(&self, records: u64) {
        self.bar.inc(records);
    }
}

/// By event id whether the decision was right.
fn labels(path: &Path) -> Result<HashMap<String, bool>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{} cannot be read: {error}", path.display());
    let mut lines = Lines::open(&Input::File(path.to_owned())).map_err(|error| failed(&error))?;
    let (mut known, mut columns) = (HashMap::new(), None);
    while let Some(chunk) = lines.next_chunk().map_err(|error| failed(&error))? {
        for line in chunk.lines() {
            let line = std::str::from_utf8(line).map_err(|error| failed(&error))?;
            let cells: Vec<&str> = line.trim_end().split(',').collect();
            let Some((id, correct)) = columns else {
                let place = |name: &str| cells.iter().position(|cell| *cell == name);
                let lacks = || format!("{}: its first line must name the columns event_id and correct", path.display());
                columns = Some((place("event_id").ok_or_else(lacks)?, place("correct").ok_or_else(lacks)?));
                continue;
            };
            match (cells.get(id), cells.get(correct)) {
                (Some(id), Some(&"1")) => drop(known.insert((*id).to_owned(), true)),
                (Some(id), Some(&"0")) => drop(known.insert((*id).to_owned(), false)),
                _ => return Err(format!("{}: `{line}` says neither 1 nor 0 under correct", path.display())),
            }
        }
    }
    Ok(known)
}

/// Decisions a day: as was said, or by the events' own times.
fn per_day(report: &Report, said: Option<u64>) -> Option<f64> {
    said.map(|said| said as f64).or_else(|| report.days.map(|days| report.decisions as f64 / days))
}

fn as_text(report: &Report, said: Option<u64>) -> Vec<String> {
    let day = per_day(report, said);
    let mut lines = vec![
        format!(
            "{} · {} decisions{}",
            paint(STRONG, &report.policy),
            thousands(report.decisions),
            day.map_or(String::new(), |day| format!(" · {day:.0} a day"))
        ),
        format!("  held now {}{}", percent(report.held), load(report.held, day)),
    ];
    if let Some(wrong) = report.wrong {
        lines.push(format!("  wrong {} of those with a label", percent(wrong)));
    }
    for trigger in &report.triggers {
        let now = trigger.now.map_or(String::new(), |now| format!(", limit {now}"));
        lines.push(String::new());
        lines.push(format!("{} {}", paint(STRONG, &trigger.id), paint(FAINT, format!("({}{now})", trigger.kind))));
        lines.push(format!("  hits now {}{}", percent(trigger.hits), load(trigger.hits, day)));
        lines.extend(trigger.proposals.iter().map(|proposal| line(proposal, trigger, day)));
    }
    lines.push(String::new());
    if !report.groups.is_empty() {
        let mut table = Table::new(&["subgroup", "level", "decisions", "held", "right", "sure"]).right(&[2, 3, 4, 5]);
        for (attribute, level, group) in &report.groups {
            let of_known =
                |part: f64| if group.known == 0 { String::new() } else { format!("{:.1} %", part / group.known as f64 * 100.0) };
            let held = format!("{:.1} %", group.held as f64 / group.decisions as f64 * 100.0);
            let (right, sure) = (of_known(group.right as f64), of_known(group.sure));
            table.row([attribute.clone(), level.clone(), thousands(group.decisions), held, right, sure]);
        }
        lines.extend(table.lines());
        lines.push(String::new());
    }
    lines
}

fn line(proposal: &Proposal, trigger: &Proposed, day: Option<f64>) -> String {
    let digits = |value: f64| if trigger.kind == "anomaly" { format!("{value:.2e}") } else { format!("{value:.4}") };
    let caught = proposal.caught.map_or(String::new(), |caught| format!(", catches {:.0} % of the wrong", caught.share * 100.0));
    format!(
        "  {:>4.1} %: limit {} ({} to {}){}{caught}",
        proposal.rate * 100.0,
        digits(proposal.limit),
        digits(proposal.low),
        digits(proposal.high),
        load(proposal.share, day)
    )
}

fn percent(share: Share) -> String {
    format!("{:.1} % ({:.1} to {:.1})", share.share * 100.0, share.low * 100.0, share.high * 100.0)
}

/// The load that a share means, with the same interval.
fn load(share: Share, day: Option<f64>) -> String {
    let Some(day) = day else { return String::new() };
    format!(", {:.0} a day ({:.0} to {:.0})", share.share * day, share.low * day, share.high * day)
}

fn as_json(report: &Report, said: Option<u64>) -> Value {
    let day = per_day(report, said);
    let trigger = |trigger: &Proposed| {
        let proposal = |proposal: &Proposal| {
            json!({ "rate": proposal.rate, "limit": proposal.limit, "limit_low": proposal.low, "limit_high": proposal.high,
                "share": share_json(proposal.share, day), "caught": proposal.caught.map(|caught| share_json(caught, None)) })
        };
        json!({ "id": trigger.id, "kind": trigger.kind, "limit": trigger.now, "hits": share_json(trigger.hits, day),
            "proposals": trigger.proposals.iter().map(proposal).collect::<Vec<_>>() })
    };
    json!({ "policy": report.policy, "decisions": report.decisions, "decisions_per_day": day, "held": share_json(report.held, day),
        "subgroups": report.groups.iter().map(subgroup).collect::<Vec<_>>(), "wrong": report.wrong.map(|wrong| share_json(wrong, None)), "triggers": report.triggers.iter().map(trigger).collect::<Vec<_>>() })
}

fn subgroup((attribute, level, group): &(String, String, GroupCalibration)) -> Value {
    json!({ "attribute": attribute, "level": level, "decisions": group.decisions, "held": group.held, "known": group.known,
        "right": group.right, "sure": group.sure })
}

fn share_json(share: Share, day: Option<f64>) -> Value {
    let mut value = json!({ "part": share.part, "of": share.of, "share": share.share, "low": share.low, "high": share.high });
    if let (Some(day), Some(members)) = (day, value.as_object_mut()) {
        members.insert("per_day".to_owned(), json!([share.share * day, share.low * day, share.high * day]));
    }
    value
}
