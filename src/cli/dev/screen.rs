//! How it looks: lines for people, or JSON.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use anstyle::Style;
use serde_json::json;

use super::asked::{self, Question};
use super::ground::Ground;
use super::line::{document, line};
use crate::cli::run::TopicCheck;
use crate::cli::terminal::{FAINT, GOOD, Output, STRONG, WARNING, WRONG, is_read, note, paint, thousands};
use crate::dev::cases::Cases;
use crate::dev::summary::{Ages, BANDS, CaseCounts, Counts, IncidentCounts};
use crate::dev::watcher::News;

const PLAIN: Style = Style::new();
/// Where the news goes.
pub struct Lines {
    output: Output,
    gone: Arc<AtomicBool>,
    /// The last cases, for whoever asks about one.
    cases: Mutex<Cases>,
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
    /// Names of the simulated reviewers.
    pub crew: Vec<&'static str>,
}

impl Lines {
    /// Lines for people or for programs. Sets `gone` where nobody reads any more, as after `| head`.
    pub fn new(output: Output, gone: Arc<AtomicBool>) -> Self {
        Self { output, gone, cases: Mutex::default() }
    }

    fn say(&self, line: impl Display) {
        if !is_read(line) {
            self.gone.store(true, Ordering::Release);
        }
    }

    /// What runs here.
    pub fn start(&self, start: &Start<'_>) {
        let Start { ground, metrics, policies, rate, crew } = start;
        let Ground { broker, means, bootstrap, layout, .. } = ground;
        if self.output == Output::Json {
            return self.say(json!({ "type": "start", "broker": broker, "bootstrap": bootstrap, "limits": means,
                "prefix": layout.prefix, "policies": policies, "rate": rate, "crew": crew, "metrics": metrics,
                "case": ground.case_command("ID").join(" ") }));
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
        self.say(format_args!(
            "{rest}two are made to hit a rule, and two have a flaw in their input; of the credit model's, men"
        ));
        self.say(format_args!("{rest}fare badly for a while, from the 600th on"));
        self.say(format_args!("{}{}, as in config/policies/", heading("policies"), policies.join(", ")));
        let reviewers = match crew.split_last() {
            Some((lead, others)) => format!("{} and {lead}, simulated, claim and decide what is held", others.join(", ")),
            None => "nobody: what is held stays open".to_owned(),
        };
        self.say(format_args!("{}{reviewers}", heading("reviewers")));
        self.say(format_args!("{}{metrics}", heading("metrics")));
        self.say(format_args!("{}type `case ID`, the id of an event or the beginning of a decision's;", heading("one case")));
        let [settings, command] = ground.case_command("ID");
        self.say(format_args!("{rest}or from another terminal: {settings} \\"));
        self.say(format_args!("{rest}  {command}"));
        let patience = if ground.check == TopicCheck::MockBroker { " (the mock broker takes 3 s for it)" } else { "" };
        self.say(paint(FAINT, format_args!("joining the group…{patience}")));
    }

    /// Gate, monitor and sidecar hold their parts of the input.
    pub fn ready(&self) {
        if self.output == Output::Text {
            self.say(format_args!("{}\n", paint(FAINT, "joined. What is released is not shown; times are UTC.")));
        }
    }

    /// What the watcher tells.
    pub fn tell(&self, news: &News<'_>) {
        self.cases.lock().unwrap_or_else(PoisonError::into_inner).hear(news);
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
            (Output::Text, News::SoFar(counts)) => {
                self.say(paint(FAINT, short(counts)));
                self.say(paint(FAINT, short_of_cases(&counts.cases)));
            }
            (Output::Json, News::SoFar(counts)) => self.say(summary(counts, false)),
        }
    }

    /// Answers what somebody typed.
    pub fn answer(&self, typed: &str) {
        let asked = match asked::read(typed) {
            Question::Nothing => return,
            Question::Case(id) => id,
            Question::Unknown => return note("One question is understood: `case ID`, such as `case adult-e-000003`."),
        };
        let cases = self.cases.lock().unwrap_or_else(PoisonError::into_inner);
        match (cases.find(asked), self.output) {
            (None, _) => note(format_args!(
                "None of the last {} cases is about the event {asked:?}, or has a decision id that begins so.",
                cases.list().len()
            )),
            (Some(case), Output::Text) => asked::lines(case).into_iter().for_each(|line| self.say(line)),
            (Some(case), Output::Json) => self.say(asked::document(case)),
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
        let cases = &counts.cases;
        row("  approved", GOOD, cases.approved, "by a person: the automation may go on");
        row("  rejected", WRONG, cases.rejected, "by a person");
        row("  open", PLAIN, cases.open, &still_open(cases));
        row("duplicates", PLAIN, counts.duplicates, "seen before with the same content, not decided again");
        let IncidentCounts { opened, open } = counts.incidents;
        row(
            "incidents",
            if open > 0 { WRONG } else { PLAIN },
            opened,
            &format!("noticed in all decisions together; {open} open"),
        );
        row("dead letters", PLAIN, counts.dead_letters, "unreadable; held, and the original kept");
        if let (Some(p50), Some(p99)) = (counts.age_ms.p50, counts.age_ms.p99) {
            self.say(format_args!(
                "{} p50 {p50} ms, p99 {p99} ms from sent to decided",
                paint(STRONG, format_args!("{:13}", "age"))
            ));
        }
        if let Some(after) = decided_after(cases.decide_ms) {
            self.say(format_args!(
                "{} {after} from held to approved or rejected",
                paint(STRONG, format_args!("{:13}", "reviewed"))
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

/// The bands of those that are open, and what else became of cases.
fn still_open(cases: &CaseCounts<'_>) -> String {
    let of = |band: &&str| cases.open_by_band.get(*band).map(|count| format!("{} {band}", thousands(*count)));
    let bands: Vec<String> = BANDS.iter().filter_map(of).collect();
    let claimed: u64 = cases.claimed_by.values().sum();
    let more = [(claimed, "claimed"), (cases.escalated, "escalated"), (cases.expired, "expired"), (cases.cancelled, "cancelled")];
    let more = more.into_iter().chain([(cases.refused, "commands refused")]).filter(|(count, _)| *count > 0);
    let more = more.map(|(count, what)| format!("{} {what}", thousands(count)));
    let bands = (!bands.is_empty()).then(|| bands.join(", "));
    bands.into_iter().chain(more).collect::<Vec<_>>().join("; ")
}

fn decided_after(decide_ms: Ages) -> Option<String> {
    let seconds = |ms: u64| ms as f64 / 1_000.0;
    let (p50, p99) = decide_ms.p50.zip(decide_ms.p99)?;
    Some(format!("p50 {:.1} s, p99 {:.1} s", seconds(p50), seconds(p99)))
}

fn short_of_cases(cases: &CaseCounts<'_>) -> String {
    let CaseCounts { open, approved, rejected, escalated, expired, .. } = cases;
    let claimed: u64 = cases.claimed_by.values().sum();
    let after = decided_after(cases.decide_ms).map(|after| format!(" · decided after {after}"));
    format!(
        "-- cases: {} open, {claimed} of them claimed, {} approved, {} rejected, {escalated} escalated, {expired} expired{}",
        thousands(*open),
        thousands(*approved),
        thousands(*rejected),
        after.unwrap_or_default()
    )
}
