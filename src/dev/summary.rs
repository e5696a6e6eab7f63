//! Counts of what happened.

mod cases;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::dev::happening::{Happening, Incidents, Outcome};

pub use cases::CaseCounts;
use cases::CaseTally;

/// Bands, the most urgent first.
pub const BANDS: [&str; 4] = ["critical", "high", "normal", "low"];

/// Ages from here on count as this one.
const AGE_MS_MAX: usize = 60_000;

/// All that was seen so far.
#[derive(Clone, Debug)]
pub struct Summary {
    released: u64,
    held: u64,
    shown: u64,
    unreadable: u64,
    bands: BTreeMap<String, u64>,
    findings: BTreeMap<String, u64>,
    duplicates: u64,
    dead_letters: u64,
    ages: Histogram,
    cases: CaseTally,
    incidents: Incidents,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            released: 0,
            held: 0,
            shown: 0,
            unreadable: 0,
            bands: BTreeMap::new(),
            findings: BTreeMap::new(),
            duplicates: 0,
            dead_letters: 0,
            ages: Histogram::new(1, AGE_MS_MAX),
            cases: CaseTally::default(),
            incidents: Incidents::default(),
        }
    }
}

/// The counts as JSON.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Counts<'s> {
    /// Records that were played.
    pub played: u64,
    /// Of these, such that were decided, duplicates included.
    pub decided: u64,
    /// Decisions that let the automation go on.
    pub released: u64,
    /// Decisions that wait for a person.
    pub held: u64,
    /// Those by band.
    pub bands: &'s BTreeMap<String, u64>,
    /// Those by what held them; several may hold one.
    pub findings: &'s BTreeMap<String, u64>,
    /// Events that were seen again.
    pub duplicates: u64,
    /// Records that could not be read.
    pub dead_letters: u64,
    /// Append time of an event to its decision.
    pub age_ms: Ages,
    /// What became of the cases of those that were held.
    pub cases: CaseCounts<'s>,
    /// What the monitor noticed.
    pub incidents: IncidentCounts,
}

/// Incidents, as JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct IncidentCounts {
    /// Those that were opened.
    pub opened: u64,
    /// Of these, such as nobody has acknowledged, and that did not end by themselves.
    pub open: u64,
}

/// Ages in milliseconds; null before the first decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Ages {
    /// Half were younger.
    pub p50: Option<u64>,
    /// All but one in a hundred were younger.
    pub p99: Option<u64>,
}

impl Summary {
    /// Counts one thing.
    pub fn add(&mut self, happening: &Happening) {
        match happening {
            Happening::Decided(decided) => {
                match decided.outcome {
                    Outcome::Released => self.released += 1,
                    Outcome::Held => self.held += 1,
                }
                self.unreadable += u64::from(decided.findings.iter().any(|finding| finding == "unreadable"));
                for finding in &decided.findings {
                    count(&mut self.findings, finding);
                }
                if let Some(age_ms) = decided.age_ms {
                    self.ages.add(age_ms);
                }
                if let Some(opens) = &decided.opens {
                    self.cases.opened(opens);
                }
            }
            Happening::Duplicate(_) => self.duplicates += 1,
            Happening::Held(held) => {
                self.shown += 1;
                count(&mut self.bands, &held.band);
            }
            Happening::DeadLetter(_) => self.dead_letters += 1,
            Happening::Changed(change) => self.cases.changed(change),
            Happening::Refused(_) => self.cases.refused(),
            Happening::Incident(step) => self.incidents.take(step),
            Happening::Wrote(_) => {}
        }
    }

    /// Whether `played` records are decided, and everything that follows from them was seen.
    #[must_use]
    pub fn is_complete(&self, played: u64) -> bool {
        self.decided() >= played && self.shown >= self.held && self.dead_letters >= self.unreadable
    }

    /// The counts, of which `played` is known to the player.
    #[must_use]
    pub fn counts(&self, played: u64) -> Counts<'_> {
        Counts {
            played,
            decided: self.decided(),
            released: self.released,
            held: self.held,
            bands: &self.bands,
            findings: &self.findings,
            duplicates: self.duplicates,
            dead_letters: self.dead_letters,
            age_ms: self.ages.ages(),
            cases: self.cases.counts(),
            incidents: IncidentCounts {
                opened: self.incidents.opened(),
                open: u64::try_from(self.incidents.open().len()).unwrap_or(u64::MAX),
            },
        }
    }

    /// The incidents.
    #[must_use]
    pub fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    fn decided(&self) -> u64 {
        self.released + self.held + self.duplicates
    }
}

/// How often a time was so long, in steps; what is longer than all of them counts as the last.
#[derive(Clone, Debug)]
struct Histogram {
    step_ms: u64,
    steps_max: usize,
    counts: Vec<u64>,
}

impl Histogram {
    const fn new(step_ms: u64, steps_max: usize) -> Self {
        Self { step_ms, steps_max, counts: Vec::new() }
    }

    fn add(&mut self, age_ms: u64) {
        let place = usize::try_from(age_ms / self.step_ms).unwrap_or(self.steps_max).min(self.steps_max);
        self.counts.resize(self.counts.len().max(place + 1), 0);
        self.counts[place] += 1;
    }

    fn ages(&self) -> Ages {
        Ages { p50: self.quantile(0.5), p99: self.quantile(0.99) }
    }

    /// The smallest time, in milliseconds, that at least this part of them did not exceed.
    fn quantile(&self, part: f64) -> Option<u64> {
        let all: u64 = self.counts.iter().sum();
        let (mut below, mut ms) = (0, 0);
        self.counts.iter().find_map(|count| {
            below += count;
            let step = ms;
            ms += self.step_ms;
            (below > 0 && below as f64 >= all as f64 * part).then_some(step)
        })
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => {
            counts.insert(name.to_owned(), 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::happening::{DeadLetter, Decided, Duplicate, Held, Model};

    fn decided(outcome: Outcome, finding: &str, age_ms: u64) -> Happening {
        let findings = if finding.is_empty() { Vec::new() } else { vec![finding.to_owned()] };
        Happening::Decided(Decided { opens: None, outcome, findings, age_ms: Some(age_ms) })
    }

    #[test]
    fn counts_add_up_and_completeness_waits_for_all_topics() {
        let mut summary = Summary::default();
        assert_eq!(summary.counts(0).age_ms, Ages { p50: None, p99: None });
        for age_ms in 0..100 {
            summary.add(&decided(Outcome::Released, "", age_ms));
        }
        summary.add(&Happening::Duplicate(Duplicate { at: String::new(), event_id: String::new(), of: String::new() }));
        summary.add(&decided(Outcome::Held, "unreadable", 1_000_000));
        assert!(!summary.is_complete(102), "neither review nor dead letter was seen");
        summary.add(&Happening::Held(Held {
            decision_id: String::new(),
            at: String::new(),
            band: "high".to_owned(),
            score: 70.0,
            model: Model { name: None },
            event_id: None,
            findings: Vec::new(),
            due_at: None,
            event: None,
        }));
        assert!(!summary.is_complete(102), "no dead letter was seen");
        summary.add(&Happening::DeadLetter(DeadLetter::default()));
        assert!(summary.is_complete(102) && !summary.is_complete(103));
        let counts = summary.counts(102);
        assert_eq!((counts.decided, counts.released, counts.held, counts.duplicates), (102, 100, 1, 1));
        assert_eq!((counts.bands["high"], counts.findings["unreadable"], counts.dead_letters), (1, 1, 1));
        assert_eq!(counts.age_ms, Ages { p50: Some(50), p99: Some(99) });
    }
}
