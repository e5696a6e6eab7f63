//! The references of a process: each a topic that is followed, or an HTTP source that is asked.

use std::sync::Arc;

use crate::config::{self, ReferenceSource};
use crate::lookup::Lookup;
use crate::reference::{References, Trusted, UNKNOWN_REFERENCE};
use crate::stream::reference::{TopicReference, TopicReferenceSettings};
use crate::telemetry::metrics::{Metrics, set_count, set_seconds};

/// All references of the configuration.
#[derive(Debug, Default)]
pub struct LiveReferences {
    topics: Vec<Arc<TopicReference>>,
    lookups: Vec<Arc<Lookup>>,
}

impl LiveReferences {
    /// The references of this configuration, none of which knows anything yet.
    #[must_use]
    pub fn new(configured: &[config::Reference], metrics: &Metrics) -> Self {
        let topic = |reference: &config::Reference| match &reference.source {
            ReferenceSource::Topic(topic) => Some(Arc::new(TopicReference::new(TopicReferenceSettings {
                name: reference.name.clone(),
                topic: topic.topic.clone(),
                as_of: reference.as_of.clone(),
                bounds: topic.bounds,
                max_age: topic.max_age,
            }))),
            ReferenceSource::Http(_) => None,
        };
        let lookup = |reference: &config::Reference| match &reference.source {
            ReferenceSource::Topic(_) => None,
            ReferenceSource::Http(http) => {
                Some(Arc::new(Lookup::new((&reference.name, reference.as_of.as_deref()), http, metrics)))
            }
        };
        Self { topics: configured.iter().filter_map(topic).collect(), lookups: configured.iter().filter_map(lookup).collect() }
    }

    /// Those that are topics, to be followed.
    #[must_use]
    pub fn topics(&self) -> &[Arc<TopicReference>] {
        &self.topics
    }

    /// Those that are HTTP sources, to be served.
    #[must_use]
    pub fn lookups(&self) -> &[Arc<Lookup>] {
        &self.lookups
    }

    /// Tells `metrics` how they stand. Called whenever metrics are asked for.
    pub fn show(&self, metrics: &Metrics) {
        for topic in &self.topics {
            let name = [topic.settings().name.as_str()];
            let (records, bytes, undecodable) = topic.size();
            set_count(&metrics.reference_records.with_label_values(&name), records);
            set_count(&metrics.reference_bytes.with_label_values(&name), bytes);
            set_count(&metrics.reference_undecodable.with_label_values(&name), undecodable);
            set_seconds(&metrics.reference_age.with_label_values(&name), topic.age());
        }
        for lookup in &self.lookups {
            set_count(&metrics.breaker_open.with_label_values(&[lookup.name()]), usize::from(lookup.is_unavailable()));
        }
    }
}

impl References for LiveReferences {
    fn look(&self, name: &str, subject: &str) -> Trusted {
        if let Some(topic) = self.topics.iter().find(|topic| topic.settings().name == name) {
            return topic.look(subject);
        }
        if self.lookups.iter().any(|lookup| lookup.name() == name) {
            // Its answers come with the batch.
            return Trusted::Late;
        }
        Trusted::NotReady(UNKNOWN_REFERENCE)
    }
}
