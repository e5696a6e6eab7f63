//! What the view shows, as plain data: changed by the watcher's news, by keys and by the passing of seconds, and drawn by
//! [`super::draw::draw`].

use std::collections::{BTreeSet, VecDeque};

use crate::cli::terminal::thousands;
use crate::dev::events::Extra;
use crate::dev::happening::{DeadLetter, Happening, Held};
use crate::dev::summary::Summary;
use crate::dev::trail::{Entry, Follows};
use crate::dev::watcher::News;

/// Cases that can be looked at.
const CASES_MAX: usize = 500;
/// Entries and dead letters that came before their case.
const WAITING_MAX: usize = 500;
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

/// A held decision with what belongs to it, as far as it has come.
#[derive(Clone, PartialEq, Debug)]
pub struct Case {
    /// The record of the review feed.
    pub held: Held,
    /// Its DECIDED entry.
    pub entry: Option<Entry>,
    /// Its dead letter, where the record could not be read.
    pub dead_letter: Option<DeadLetter>,
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
    pub cases: VecDeque<Case>,
    /// Which of them is marked; the newest until somebody moves.
    pub marked: usize,
    /// The opened one.
    pub opened: Option<Opened>,
    /// Whether the keys are explained.
    pub help: bool,
    /// Columns and rows of the screen.
    pub size: (u16, u16),
    entries: VecDeque<Entry>,
    dead_letters: VecDeque<DeadLetter>,
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
                match happening {
                    Happening::Decided(_) => {}
                    Happening::Held(held) => self.held(held),
                    Happening::Duplicate(duplicate) => {
                        self.latest =
                            format!("duplicate: {} came again with the same bytes; not decided again", duplicate.event_id);
                    }
                    Happening::DeadLetter(dead_letter) => self.dead_letter(dead_letter),
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
        let Some(id) = entry.decision_id.as_ref().filter(|_| entry.kind == "DECIDED") else { return };
        if !self.complete(id, |case| case.entry = Some(entry.clone())) {
            keep(&mut self.entries, entry.clone());
        }
    }

    fn dead_letter(&mut self, dead_letter: &DeadLetter) {
        self.latest = format!("dead letter: {}, {}: {}", dead_letter.code, dead_letter.place, dead_letter.detail);
        if !self.complete(&dead_letter.decision_id, |case| case.dead_letter = Some(dead_letter.clone())) {
            keep(&mut self.dead_letters, dead_letter.clone());
        }
    }

    /// Gives something to the case that it belongs to; whether it is there.
    fn complete(&mut self, id: &str, give: impl Fn(&mut Case)) -> bool {
        let opened = self.opened.as_mut().map(|opened| &mut opened.case).filter(|case| case.held.decision_id == id);
        if let Some(case) = opened {
            give(case);
        }
        let listed = self.cases.iter_mut().find(|case| case.held.decision_id == id);
        listed.map(give).is_some()
    }

    fn held(&mut self, held: &Held) {
        let id = &held.decision_id;
        let entry = take(&mut self.entries, |entry| entry.decision_id.as_ref() == Some(id));
        let dead_letter = take(&mut self.dead_letters, |dead_letter| &dead_letter.decision_id == id);
        self.cases.push_front(Case { held: held.clone(), entry, dead_letter });
        self.cases.truncate(CASES_MAX);
        if self.marked > 0 {
            self.marked = (self.marked + 1).min(self.cases.len() - 1);
        }
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

    /// How long it took from append to commit, and to decision, as far as that is known.
    #[must_use]
    pub fn ages(&self) -> String {
        let ages = self.summary.counts(self.played).age_ms;
        let decided = ages.p50.zip(ages.p99).map(|(p50, p99)| format!("decided after p50 {p50} ms, p99 {p99} ms"));
        let shown = |millis: f64| if millis < 10.0 { format!("{millis:.1}") } else { format!("{millis:.0}") };
        let committed = self
            .committed
            .map(|committed| format!("committed after p50 ≈ {} ms, p99 ≈ {} ms", shown(committed.p50), shown(committed.p99)));
        [decided, committed].into_iter().flatten().collect::<Vec<_>>().join(" · ")
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

fn keep<T>(waiting: &mut VecDeque<T>, one: T) {
    waiting.push_back(one);
    if waiting.len() > WAITING_MAX {
        waiting.pop_front();
    }
}

fn take<T>(waiting: &mut VecDeque<T>, is_it: impl Fn(&T) -> bool) -> Option<T> {
    let place = waiting.iter().position(is_it)?;
    waiting.remove(place)
}
