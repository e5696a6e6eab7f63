//! What the view shows, as plain data: changed by the watcher's news, by keys and by the passing of seconds, and drawn by
//! [`super::draw::draw`].

use std::collections::{BTreeSet, VecDeque};

use crate::case::Kind;
use crate::cli::terminal::thousands;
use crate::dev::cases::{Case, Cases, Heard};
use crate::dev::events::Extra;
use crate::dev::happening::{Change, Happening};
use crate::dev::summary::{CaseCounts, Summary};
use crate::dev::trail::{Entry, Follows};
use crate::dev::watcher::News;
use crate::signal::{Incident, IncidentKind, IncidentState};

/// Seconds that the small curve shows.
pub const SECONDS_SHOWN: usize = 60;
/// A rate is that of so many last seconds.
const RATE_SECONDS: usize = 5;

/// What is known from the beginning.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Which broker.
    pub broker: String,
    /// What that means.
    pub means: String,
    /// Where metrics are served.
    pub metrics: String,
    /// Names of the policies.
    pub policies: Vec<String>,
    /// Events a second.
    pub rate: u32,
    /// Names of the simulated reviewers.
    pub crew: Vec<String>,
    /// The command that shows a case from another terminal.
    pub elsewhere: String,
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Stage {
    /// The gate joins its group.
    #[default]
    Joining,
    /// Events are played and decided.
    Running,
    /// Somebody asked for the end.
    Ending,
}

/// Whether events are played.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Play {
    /// One after the other.
    #[default]
    On,
    /// Only those that somebody asks for.
    Paused,
}

/// An opened case.
#[derive(Clone, PartialEq, Debug)]
pub struct Opened {
    /// The case.
    pub case: Case,
    /// Lines above the first that is shown.
    pub scroll: usize,
}

/// What was seen of the audit trail.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trails {
    /// Entries read.
    pub read: u64,
    /// Names of the chains.
    pub chains: BTreeSet<String>,
    /// Entries whose bytes have another hash than their header says.
    pub altered: u64,
    /// Entries that do not follow the one before.
    pub broken: u64,
}

/// A percentile each, in milliseconds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Percentiles {
    /// Half were faster.
    pub p50: f64,
    /// All but one in a hundred were faster.
    pub p99: f64,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// What is known from the beginning.
    pub about: About,
    /// How far it is.
    pub stage: Stage,
    /// Whether events are played.
    pub play: Play,
    /// Events played so far.
    pub played: u64,
    /// What became of them.
    pub summary: Summary,
    /// The audit trail.
    pub trails: Trails,
    /// Decisions in each of the last seconds.
    pub seconds: VecDeque<u64>,
    /// Append time to commit, from the gate's own histogram.
    pub committed: Option<Percentiles>,
    /// What is wrong without being in the way, and what was logged.
    pub notes: Vec<String>,
    /// The last thing that happened beside decisions.
    pub latest: String,
    /// Held decisions, the newest first.
    pub cases: Cases,
    /// Which of them is marked; the newest until somebody moves.
    pub marked: usize,
    /// The opened one.
    pub opened: Option<Opened>,
    /// Whether the keys are explained.
    pub help: bool,
    /// Columns and rows of the screen.
    pub size: (u16, u16),
    decided_before: u64,
}

impl Model {
    /// Nothing has happened.
    #[must_use]
    pub fn new(about: About) -> Self {
        Self { about, size: (80, 24), ..Self::default() }
    }

    /// Takes what the watcher tells.
    pub fn hear(&mut self, news: &News<'_>) {
        match news {
            News::SoFar(_) => {}
            News::Stored(entry) => self.stored(entry),
            News::Happened(happening) => {
                self.summary.add(happening);
                if let Some(latest) = latest(happening) {
                    self.latest = latest;
                }
            }
        }
        match self.cases.hear(news) {
            Heard::Added if self.marked > 0 => self.marked = (self.marked + 1).min(self.cases.list().len() - 1),
            Heard::Nothing | Heard::Added => {}
            Heard::Changed(id) => {
                let opened = self.opened.as_mut().filter(|opened| opened.case.held.decision_id == id);
                if let (Some(opened), Some(case)) = (opened, self.cases.of(&id)) {
                    opened.case = case.clone();
                }
            }
        }
    }

    fn stored(&mut self, entry: &Entry) {
        self.trails.read += 1;
        if !self.trails.chains.contains(&entry.chain.id) {
            self.trails.chains.insert(entry.chain.id.clone());
        }
        self.trails.altered += u64::from(!entry.is_as_written());
        self.trails.broken += u64::from(entry.follows == Follows::No);
    }

    /// A second has passed.
    pub fn second(&mut self) {
        let decided = self.summary.counts(self.played).decided;
        self.seconds.push_back(decided - self.decided_before);
        self.decided_before = decided;
        if self.seconds.len() > SECONDS_SHOWN {
            self.seconds.pop_front();
        }
    }

    /// Decisions a second, lately.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let last: Vec<u64> = self.seconds.iter().rev().take(RATE_SECONDS).copied().collect();
        last.iter().sum::<u64>() as f64 / last.len().max(1) as f64
    }

    /// What somebody asked the player for.
    pub fn asked_for(&mut self, extra: Extra) {
        let said = match extra {
            Extra::Broken => "you sent an event that cannot be read …",
            Extra::LargeAmount => "you sent an event about a large amount …",
            Extra::Duplicate => "you sent the last event once more …",
        };
        said.clone_into(&mut self.latest);
    }

    /// The open incident that matters most, and how many there are: one that holds decisions before others, the newest of them.
    #[must_use]
    pub fn incident(&self) -> Option<(&Incident, usize)> {
        let open = self.summary.incidents().open();
        let holding = open.iter().rev().find(|incident| incident.kind == IncidentKind::Fairness);
        Some((holding.or(open.last())?, open.len()))
    }

    /// How long it took from append to commit, and to decision, as far as that is known.
    #[must_use]
    pub fn ages(&self) -> String {
        let ages = self.summary.counts(self.played).age_ms;
        let decided = ages.p50.zip(ages.p99).map(|(p50, p99)| format!("decided after p50 {p50} ms, p99 {p99} ms"));
        let shown = |millis: f64| if millis < 10.0 { format!("{millis:.1}") } else { format!("{millis:.0}") };
        let committed = self
            .committed
            .map(|committed| format!("committed p50 ≈ {} ms, p99 ≈ {} ms", shown(committed.p50), shown(committed.p99)));
        [decided, committed].into_iter().flatten().collect::<Vec<_>>().join(" · ")
    }

    /// What became of cases.
    #[must_use]
    pub fn fates(counts: &CaseCounts<'_>) -> [String; 2] {
        let CaseCounts { open, approved, rejected, escalated, expired, .. } = counts;
        let fates = format!(
            "cases: {} open · {} approved · {} rejected · {} escalated · {} expired",
            thousands(*open),
            thousands(*approved),
            thousands(*rejected),
            thousands(*escalated),
            thousands(*expired)
        );
        let people: Vec<String> = counts
            .claimed_by
            .iter()
            .map(|(person, count)| if *count == 1 { person.clone() } else { format!("{person} {count}") })
            .collect();
        let claimed =
            if people.is_empty() { "claimed by nobody".to_owned() } else { format!("claimed by {}", people.join(", ")) };
        let after = counts.decide_ms.p50.map(|p50| format!(" · reviewed after p50 {:.1} s", p50 as f64 / 1_000.0));
        [fates, claimed + &after.unwrap_or_default()]
    }

    /// What was checked of the audit trail.
    #[must_use]
    pub fn trail(&self) -> String {
        let Trails { read, chains, altered, broken } = &self.trails;
        let what = format!("audit: {} entries, {} chains", thousands(*read), chains.len());
        match (altered, broken) {
            (0, 0) => format!("{what}, every hash and link checked ✓"),
            _ => format!("{what}; ✗ {altered} altered, {broken} do not follow the one before"),
        }
    }
}

/// What is worth a line beside decisions.
fn latest(happening: &Happening) -> Option<String> {
    match happening {
        Happening::Duplicate(duplicate) => {
            Some(format!("duplicate: {} came again with the same bytes; not decided again", duplicate.event_id))
        }
        Happening::DeadLetter(dead_letter) => {
            Some(format!("dead letter: {}, {}: {}", dead_letter.code, dead_letter.place, dead_letter.detail))
        }
        Happening::Changed(change) => Some(step(change)),
        Happening::Refused(refused) => {
            let by = refused.reviewer.as_deref().unwrap_or("nobody");
            Some(format!("refused: {} by {by}: {}", refused.action.as_deref().unwrap_or("a command"), refused.error))
        }
        Happening::Incident(step) if step.state == IncidentState::Open => Some(format!("incident: {}", step.incident.sentence)),
        Happening::Incident(step) => {
            let (word, by, sentence) = (step.word(), step.by_whom(), &step.incident.sentence);
            Some(format!("incident {} {word} {by}: {sentence}", step.incident.id))
        }
        Happening::Decided(_) | Happening::Held(_) | Happening::Wrote(_) => None,
    }
}

/// A step of a case in some words.
fn step(change: &Change) -> String {
    let event = change.before.event_id.as_deref().unwrap_or("(no event id)");
    let word = change.kind.as_str().to_ascii_lowercase();
    let by = change.reviewer.as_deref().map(|reviewer| format!(" by {reviewer}")).unwrap_or_default();
    let to = if change.kind == Kind::Escalated { format!(" to {}", change.groups.join(", ")) } else { String::new() };
    let code = change.reason.as_deref().filter(|_| change.reviewer.is_some()).map(|code| format!(": {code}"));
    format!("{word}: {event}{by}{to}{}", code.unwrap_or_default())
}
