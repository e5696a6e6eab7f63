//! How it looks: lines for people, or JSON.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::Style;
use serde_json::json;

use super::ground::Ground;
use super::why::why;
use crate::cli::run::TopicCheck;
use crate::cli::terminal::{FAINT, GOOD, Output, STRONG, WARNING, WRONG, is_read, paint, thousands};
use crate::cli::text::{cut, width};
use crate::dev::happening::{DeadLetter, Duplicate, Finding, Happening, Held};
use crate::dev::summary::{BANDS, Counts};
use crate::dev::watcher::News;

const PLAIN: Style = Style::new();
/// A line about what happened fits a terminal of so many columns.
const COLUMNS: usize = 120;
/// What is left of them after the time and the kind.
const AFTER_KIND: usize = COLUMNS - "17:03:21  DEAD LETTER  ".len();

/// Where the news goes.
pub struct Lines {
    output: Output,
    gone: Arc<AtomicBool>,
}

/// What is known at the start.
pub struct Start<'s> {
    /// The broker.
    pub ground: &'s Ground,
    /// Where metrics are served.
    pub metrics: String,
    /// Names of the policies.
    pub policies: &'s [String],
    /// Events a second.
    pub rate: u32,
}

impl Lines {
    /// Lines for people or for programs. Sets `gone` where nobody reads any more, as after `| head`.
    pub fn new(output: Output, gone: Arc<AtomicBool>) -> Self {
        Self { output, gone }
    }

    fn say(&self, line: impl Display) {
        if !is_read(line) {
            self.gone.store(true, Ordering::Release);
        }
    }

    /// What runs here.
    pub fn start(&self, start: &Start<'_>) {
        let Start { ground, metrics, policies, rate } = start;
        let Ground { broker, means, bootstrap, layout, .. } = ground;
        if self.output == Output::Json {
            return self.say(json!({ "type": "start", "broker": broker, "bootstrap": bootstrap, "limits": means,
                "prefix": layout.prefix, "policies": policies, "rate": rate, "metrics": metrics }));
        }
        let heading = |heading: &str| paint(STRONG, format_args!("{heading:10}"));
        let rest = heading("");
        self.say(format_args!("{}{broker}, at {bootstrap}:", heading("broker")));
        self.say(format_args!("{rest}{means}"));
        self.say(format_args!(
            "{}{rate} a second, real ones: UCI Adult and UCI Default of Credit Card Clients (CC BY 4.0);",
            heading("events")
        ));
        self.say(format_args!("{rest}of every 50, one is broken, one is sent twice, one comes again with other content,"));
        self.say(format_args!("{rest}and two are made to hit a rule"));
        self.say(format_args!("{}{}, as in config/policies/", heading("policies"), policies.join(", ")));
        self.say(format_args!("{}{metrics}", heading("metrics")));
        let patience = if ground.check == TopicCheck::MockBroker { " (the mock broker takes 3 s for it)" } else { "" };
        self.say(paint(FAINT, format_args!("joining the group…{patience}")));
    }

    /// The gate holds its part of the input.
    pub fn ready(&self) {
        if self.output == Output::Text {
            self.say(format_args!("{}\n", paint(FAINT, "joined. What is released is not shown; times are UTC.")));
        }
    }

    /// What the watcher tells.
    pub fn tell(&self, news: &News<'_>) {
        match (self.output, news) {
            (_, News::Stored(_)) => {}
            (Output::Text, News::Happened(happening)) => {
                if let Some(line) = line(happening) {
                    self.say(line);
                }
            }
            (Output::Json, News::Happened(happening)) => {
                if let Some(document) = document(happening) {
                    self.say(document);
                }
            }
            (Output::Text, News::SoFar(counts)) => self.say(paint(FAINT, short(counts))),
            (Output::Json, News::SoFar(counts)) => self.say(summary(counts, false)),
        }
    }

    /// The summary at the end, and what stays.
    pub fn end(&self, counts: &Counts<'_>, stays: Option<&str>) {
        if self.output == Output::Json {
            let mut summary = summary(counts, true);
            if let Some(stays) = stays {
                summary["stays"] = json!(stays);
            }
            return self.say(summary);
        }
        self.say("");
        let row = |heading: &str, style: Style, number: u64, rest: &str| {
            let line = format!("{} {:>7}  {rest}", paint(STRONG, format_args!("{heading:13}")), paint_number(style, number));
            self.say(line.trim_end());
        };
        let undecided = counts.played.saturating_sub(counts.decided);
        let rest = if undecided > 0 { format!("{} not yet decided", thousands(undecided)) } else { String::new() };
        row("events", PLAIN, counts.played, &rest);
        row("released", GOOD, counts.released, "the automation may go on");
        row("held", WARNING, counts.held, &format!("for a person: {}", bands(counts)));
        self.say(format_args!("{:23}because of {}", "", listed(counts.findings)));
        row("duplicates", PLAIN, counts.duplicates, "seen before with the same content, not decided again");
        row("dead letters", PLAIN, counts.dead_letters, "unreadable; held, and the original kept");
        if let (Some(p50), Some(p99)) = (counts.age_ms.p50, counts.age_ms.p99) {
            self.say(format_args!(
                "{} p50 {p50} ms, p99 {p99} ms from sent to decided",
                paint(STRONG, format_args!("{:13}", "age"))
            ));
        }
        if let Some(stays) = stays {
            self.say(format_args!("\n{stays}"));
        }
    }
}

fn paint_number(style: Style, number: u64) -> String {
    paint(style, format_args!("{:>7}", thousands(number)))
}

fn band_style(band: &str) -> Style {
    match band {
        "critical" => WRONG,
        "high" => WARNING,
        "normal" => PLAIN,
        _ => FAINT,
    }
}

/// `17:03:21` of an RFC 3339 time.
fn clock(at: &str) -> &str {
    at.get(11..19).unwrap_or("        ")
}

/// A line about what happened; nothing of what was released, nor of the audit entry behind a held decision.
fn line(happening: &Happening) -> Option<String> {
    match happening {
        Happening::Decided(_) => None,
        Happening::Held(held) => {
            let Held { at, band, score, .. } = held;
            let event = held.event_id.as_deref().unwrap_or("(no event id)");
            let before = format!("{band:8} {score:5.1}  {event:23}  ");
            let sentences: Vec<&str> = held.findings.iter().map(|finding| finding.sentence.as_str()).collect();
            let why = why(&sentences, AFTER_KIND.saturating_sub(width(&before)));
            let band = paint(band_style(band), format_args!("{band:8} {score:5.1}"));
            Some(format!("{}  {}  {band}  {event:23}  {why}", clock(at), paint(WARNING, "HELD       ")))
        }
        Happening::Duplicate(Duplicate { at, event_id, of }) => {
            let what = format!("{event_id}  Seen before with the same content; not decided again (decision {of}).");
            Some(format!("{}  {}  {}", clock(at), paint(FAINT, "DUPLICATE  "), cut(&what, AFTER_KIND)))
        }
        Happening::DeadLetter(DeadLetter { at, code, detail, place, .. }) => {
            let what = cut(&format!("{place}: {detail}"), AFTER_KIND.saturating_sub(width(code) + 2));
            Some(format!("{}  {}  {}  {what}", clock(at), paint(WRONG, "DEAD LETTER"), paint(STRONG, code)))
        }
    }
}

/// The same for programs.
fn document(happening: &Happening) -> Option<serde_json::Value> {
    match happening {
        Happening::Decided(_) => None,
        Happening::Held(held) => {
            let why = |finding: &Finding| json!({ "trigger": finding.trigger, "sentence": finding.sentence });
            let findings: Vec<_> = held.findings.iter().map(why).collect();
            Some(json!({ "type": "held", "at": held.at, "decision_id": held.decision_id, "event_id": held.event_id,
                "model": held.model.name, "band": held.band, "score": held.score, "findings": findings }))
        }
        Happening::Duplicate(Duplicate { at, event_id, of }) => {
            Some(json!({ "type": "duplicate", "at": at, "event_id": event_id, "of": of }))
        }
        Happening::DeadLetter(DeadLetter { at, code, detail, place, .. }) => {
            Some(json!({ "type": "dead-letter", "at": at, "code": code, "detail": detail, "place": place }))
        }
    }
}

fn summary(counts: &Counts<'_>, is_final: bool) -> serde_json::Value {
    let mut summary = json!(counts);
    summary["type"] = json!(if is_final { "summary" } else { "so-far" });
    summary
}

fn bands(counts: &Counts<'_>) -> String {
    let of = |band: &&str| counts.bands.get(*band).map(|count| format!("{} {band}", thousands(*count)));
    BANDS.iter().filter_map(of).collect::<Vec<_>>().join(", ")
}

/// The most frequent first.
fn listed(counts: &BTreeMap<String, u64>) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    counts.iter().map(|(name, count)| format!("{} {name}", thousands(**count))).collect::<Vec<_>>().join(", ")
}

fn short(counts: &Counts<'_>) -> String {
    let age = counts.age_ms.p50.zip(counts.age_ms.p99).map(|(p50, p99)| format!(" · age p50 {p50} ms, p99 {p99} ms"));
    format!(
        "-- {} events: {} released, {} held ({}), {} duplicates, {} dead letters{}",
        thousands(counts.decided),
        thousands(counts.released),
        thousands(counts.held),
        bands(counts),
        thousands(counts.duplicates),
        thousands(counts.dead_letters),
        age.unwrap_or_default()
    )
}
