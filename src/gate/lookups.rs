//! What HTTP sources say about the events of a batch: asked for all of them at once, before the first is decided.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::event::Event;
use crate::gate::GateSettings;
use crate::lookup::Lookup;
use crate::policy::{Policy, PolicySet, TriggerKind};
use crate::reference::{References, Trusted};

/// The sources, and what they said. One lives in each worker.
#[derive(Debug)]
pub(super) struct LookedUp {
    lookups: Vec<Arc<Lookup>>,
    /// What all other references know.
    others: Arc<dyn References>,
    /// By place of the source.
    wanted: Vec<HashSet<Arc<str>>>,
    answers: Vec<HashMap<Arc<str>, Trusted>>,
}

impl LookedUp {
    pub fn new(settings: &GateSettings) -> Self {
        let lookups = settings.lookups.clone();
        let (wanted, answers) =
            (lookups.iter().map(|_| HashSet::new()).collect(), lookups.iter().map(|_| HashMap::new()).collect());
        Self { lookups, others: Arc::clone(&settings.references), wanted, answers }
    }

    /// Whether there is nobody to ask.
    pub fn is_idle(&self) -> bool {
        self.lookups.is_empty()
    }

    /// Notes what the policies that may decide about `event` will ask for.
    pub fn want(&mut self, source: &str, event: &Event<'_>, set: &PolicySet) {
        let Some(subject) = event.subject_id() else { return };
        let Some(policy) = set.matching(source, event.model_name(), event.model_version()) else { return };
        for (lookup, wanted) in self.lookups.iter().zip(&mut self.wanted) {
            let asks = asks(policy, lookup.name()) || set.candidate(policy).is_some_and(|tried| asks(tried, lookup.name()));
            if asks && !wanted.contains(subject) {
                wanted.insert(subject.into());
            }
        }
    }

    /// Asks for all that is wanted, of all sources at once, and waits until it is there, but for none longer than its
    /// deadline.
    pub fn ask(&mut self) {
        let rounds: Vec<_> =
            self.lookups.iter().zip(&mut self.wanted).map(|(lookup, wanted)| lookup.ask(wanted.drain())).collect();
        for ((lookup, round), answers) in self.lookups.iter().zip(&rounds).zip(&mut self.answers) {
            answers.clear();
            lookup.wait(round, answers);
        }
    }
}

fn asks(policy: &Policy, reference: &str) -> bool {
    policy.triggers.iter().any(|trigger| matches!(&trigger.kind, TriggerKind::Contradiction(rule) if rule.reference == reference))
}

impl References for LookedUp {
    fn look(&self, name: &str, subject: &str) -> Trusted {
        match self.lookups.iter().position(|lookup| lookup.name() == name) {
            None => self.others.look(name, subject),
            Some(place) => self.answers[place].get(subject).cloned().unwrap_or(Trusted::Late),
        }
    }
}
