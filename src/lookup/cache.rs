//! Answers that are kept for a while, never more than a bound.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Answer;

/// Two generations: when the younger is full, the older is forgotten, and the younger is the older. So what is kept is
/// bounded, and nothing is searched for what to forget.
pub(super) struct Cache {
    young: HashMap<Arc<str>, (Answer, Instant)>,
    old: HashMap<Arc<str>, (Answer, Instant)>,
    /// Of each generation.
    entries_max: usize,
    ttl: Duration,
}

impl Cache {
    /// Keeps up to `entries` answers for `ttl`.
    pub fn new(entries: usize, ttl: Duration) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), entries_max: entries.div_ceil(2), ttl }
    }

    /// The answer about `subject`, if it is still good at `now`.
    pub fn get(&self, subject: &str, now: Instant) -> Option<Answer> {
        let (answer, until) = self.young.get(subject).or_else(|| self.old.get(subject))?;
        (now < *until).then(|| answer.clone())
    }

    /// Keeps an answer that came at `now`.
    pub fn put(&mut self, subject: Arc<str>, answer: Answer, now: Instant) {
        if self.young.len() >= self.entries_max && !self.young.contains_key(&subject) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(subject, (answer, now + self.ttl));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_kept_for_their_time_and_never_more_than_the_bound() {
        let (start, ttl) = (Instant::now(), Duration::from_mins(1));
        let mut cache = Cache::new(100, ttl);
        for number in 0..1_000 {
            cache.put(format!("S{number}").into(), Answer::Absent, start);
            assert!(cache.young.len() + cache.old.len() <= 100);
        }
        let kept = |cache: &Cache, at| (0..1_000).filter(|number| cache.get(&format!("S{number}"), at).is_some()).count();
        assert!(kept(&cache, start) >= 50, "at least the younger half");
        assert!(cache.get("S999", start).is_some() && cache.get("S0", start).is_none());
        assert_eq!(kept(&cache, start + ttl), 0);
        cache.put("S999".into(), Answer::Absent, start + ttl);
        assert!(cache.get("S999", start + ttl).is_some(), "the newer counts");
    }
}
