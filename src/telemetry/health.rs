//! Health: whether this process is alive, whether it is ready, and if not, why not.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use serde::Serialize;

/// What workers and followers report, and probes ask for.
pub struct Health {
    born: Instant,
    stopping: AtomicBool,
    /// What keeps the process from being ready, by whom.
    reasons: DashMap<String, String>,
    /// What is wrong without being in the way, by what it is.
    notes: DashMap<String, String>,
    /// Milliseconds since `born` at which a worker's present turn began; 0: none is under way.
    turns: DashMap<(&'static str, usize), AtomicU64>,
}

/// The answer of `/readyz`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Readiness {
    /// Whether everything that should run does.
    pub ready: bool,
    /// What does not, and why; ordered.
    pub reasons: Vec<Reason>,
    /// What is wrong without being in the way, such as a policy file that was refused; ordered.
    pub notes: Vec<Reason>,
}

/// One thing that is not as it should be.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Reason {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            born: Instant::now(),
            stopping: AtomicBool::new(false),
            reasons: DashMap::new(),
            notes: DashMap::new(),
            turns: DashMap::new(),
        }
    }
}

impl Health {
    /// `what` keeps the process from being ready. `true` where the reason is new.
    pub fn not_ready(&self, what: &str, why: &str) -> bool {
        self.reasons.insert(what.to_owned(), why.to_owned()).is_none_or(|before| before != why)
    }

    /// `what` is as it should be. `true` where it was not before.
    pub fn is_ready(&self, what: &str) -> bool {
        self.reasons.remove(what).is_some()
    }

    /// Something is wrong that a person should see, and the process goes on: its last good state holds.
    pub fn note(&self, what: &str, why: &str) {
        self.notes.insert(what.to_owned(), why.to_owned());
    }

    /// It is not any more. `true` where it was.
    pub fn is_settled(&self, what: &str) -> bool {
        self.notes.remove(what).is_some()
    }

    /// The state now.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let listed = |map: &DashMap<String, String>| {
            let mut list: Vec<Reason> =
                map.iter().map(|entry| Reason { what: entry.key().clone(), why: entry.value().clone() }).collect();
            list.sort();
            list
        };
        let reasons = listed(&self.reasons);
        Readiness { ready: reasons.is_empty() && !self.is_stopping(), reasons, notes: listed(&self.notes) }
    }

    /// Everything should end after its present turn.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether it should.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// A turn of a role's worker begins.
    pub fn turn_began(&self, worker: (&'static str, usize)) {
        let millis = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        self.turns.entry(worker).or_default().store(millis, Ordering::Release);
    }

    /// It ended.
    pub fn turn_ended(&self, worker: (&'static str, usize)) {
        self.turns.entry(worker).or_default().store(0, Ordering::Release);
    }

    /// How long the longest present turn has lasted. Some calls of librdkafka ignore their timeouts while a coordinator is
    /// down; the watchdog ends a process in which one does.
    #[must_use]
    pub fn longest_turn(&self) -> Duration {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        let longest = self.turns.iter().map(|turn| turn.load(Ordering::Acquire)).filter(|began| *began > 0);
        Duration::from_millis(longest.map(|began| now.saturating_sub(began)).max().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_that_nothing_is_in_the_way() {
        let health = Health::default();
        assert!(health.not_ready("broker", "no answer"));
        assert!(!health.not_ready("broker", "no answer"));
        assert!(!health.readiness().ready);
        assert_eq!(health.readiness().reasons[0].why, "no answer");
        assert!(health.is_ready("broker"));
        health.note("policies", "a file was refused");
        assert!(health.readiness().ready, "a note is in nobody's way");
        assert_eq!(health.readiness().notes[0].what, "policies");
        assert!(health.is_settled("policies") && health.readiness().notes.is_empty());
        health.stop();
        assert!(!health.readiness().ready);
    }

    #[test]
    fn a_turn_is_timed_while_it_lasts() {
        let health = Health::default();
        assert_eq!(health.longest_turn(), Duration::ZERO);
        health.turn_began(("gate", 0));
        std::thread::sleep(Duration::from_millis(15));
        assert!(health.longest_turn() >= Duration::from_millis(10));
        health.turn_ended(("gate", 0));
        assert_eq!(health.longest_turn(), Duration::ZERO);
    }
}
