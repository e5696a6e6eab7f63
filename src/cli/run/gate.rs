//! The threads of a gate.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::plan::{Ended, Shared, Thread, TopicCheck, batch_limits, client_settings, spawn};
use crate::config::Settings;
use crate::event::{Limits, SchemaSource, Schemas};
use crate::gate::{Gate, GateSettings, LiveReferences, OutputTopics, Rules, RulesInForce};
use crate::heads::HeadBoard;
use crate::policy::PolicySet;
use crate::reference::{NoReferences, References};
use crate::reload::{Around, CurrentSchemas, Reload, Targets, Watches};
use crate::stream::control::ControlFollower;
use crate::stream::fault::Fault;
use crate::stream::reference::TopicReference;
use crate::stream::topics::{Role, Topic, TopicLayout};
use crate::stream::worker::{RecordLimit, Unclaimed, WorkerSettings, run as run_worker};
use crate::telemetry::health::Health;
use crate::telemetry::metrics::GateMetrics;
use crate::telemetry::worker::WorkerObserver;

/// What a gate decides by.
pub struct GateRole {
    /// The policies to begin with.
    pub policies: PolicySet,
    /// Writer schemas to begin with.
    pub schemas: Schemas,
    /// The folders that they came from, where they are to be followed.
    pub follow: Option<Watches>,
}

impl GateRole {
    /// Starts the reloading of policies and schemas, and the workers.
    pub(super) fn threads(self, shared: &Shared<'_>) -> Result<Vec<Thread>, Ended> {
        let settings = shared.settings;
        let rules = Rules::new(self.policies, &settings.fallback, &shared.metrics);
        let rules = Arc::new(RulesInForce::new(rules));
        let schemas = Arc::new(CurrentSchemas::new(self.schemas));
        let mut threads = follow_references(shared)?;
        if let Some(watches) = self.follow {
            threads.push(reload(shared, watches, &rules, &schemas)?);
        }
        let limit: Arc<RecordLimit> = limit(shared, &rules);
        let gate = gate_settings(settings, (&shared.layout, shared.heads.clone()), rules, schemas);
        let references: Arc<dyn References> = Arc::<LiveReferences>::clone(&shared.references);
        let gate = Arc::new(GateSettings { references, lookups: shared.references.lookups().to_vec(), ..gate });
        let names: Vec<&str> = settings.sources.iter().map(|source| source.name.as_str()).collect();
        let metrics = Arc::new(GateMetrics::new(&shared.metrics, &names));
        let sources: Arc<HashMap<String, String>> =
            Arc::new(settings.sources.iter().map(|source| (source.topic.clone(), source.name.clone())).collect());
        for worker in 0..usize::from(settings.gate.workers) {
            let worker_settings = worker_settings(shared, worker);
            let (health, sources) = (Arc::clone(&shared.health), Arc::clone(&sources));
            let observer = WorkerObserver::new("gate", worker, Arc::clone(&shared.metrics), health, sources);
            let (gate, control, metrics) = (Arc::clone(&gate), Arc::clone(&shared.control), Arc::clone(&metrics));
            let (limit, patience, ending) = (Arc::clone(&limit), settings.control_max_age, Arc::clone(&shared.health));
            let references = Arc::clone(&shared.references);
            threads.push(spawn(&format!("gate-{worker}"), move || {
                wait_for_control(&control, patience, &ending);
                wait_for_references(&references, &ending);
                run_worker(&worker_settings, &mut Gate::new(gate, control, metrics), &*limit, &observer)
            })?);
        }
        Ok(threads)
    }
}

/// The followers of the topics of trusted facts, a thread each, and the threads that ask HTTP sources.
fn follow_references(shared: &Shared<'_>) -> Result<Vec<Thread>, Ended> {
    let follow = |reference: &Arc<TopicReference>| {
        let (reference, ending) = (Arc::clone(reference), Arc::clone(&shared.health));
        let clients = client_settings(shared.settings, Role::Gate);
        spawn(&format!("reference-{}", reference.settings().name), move || {
            reference.follow(&clients, &|| ending.is_stopping());
            Ok(())
        })
    };
    let mut threads = shared.references.topics().iter().map(follow).collect::<Result<Vec<_>, _>>()?;
    for lookup in shared.references.lookups() {
        for number in 0..lookup.concurrency() {
            let (serving, ending) = (Arc::clone(lookup), Arc::clone(&shared.health));
            threads.push(spawn(&format!("lookup-{number}"), move || {
                serving.serve(&|| ending.is_stopping());
                Ok(())
            })?);
        }
    }
    Ok(threads)
}

fn worker_settings(shared: &Shared<'_>, worker: usize) -> WorkerSettings {
    let settings = shared.settings;
    WorkerSettings {
        clients: client_settings(settings, Role::Gate),
        topics: settings.sources.iter().map(|source| source.topic.clone()).collect(),
        batch: batch_limits(settings.gate.batch),
        worker,
        unclaimed: if worker == 0 && shared.check == TopicCheck::Full { Unclaimed::Watch } else { Unclaimed::Ignore },
    }
}

fn reload(
    shared: &Shared<'_>,
    watches: Watches,
    rules: &Arc<RulesInForce>,
    schemas: &Arc<CurrentSchemas>,
) -> Result<Thread, Ended> {
    let settings = shared.settings;
    let (rules, schemas) = (Arc::clone(rules), Arc::clone(schemas));
    let to = Targets { rules, schemas, metrics: Arc::clone(&shared.metrics), health: Arc::clone(&shared.health) };
    let references = settings.reference_names().into_iter().map(str::to_owned).collect();
    let around = Around { fallback: settings.fallback.clone(), references };
    let mut reload = Reload::new(watches, settings.schemas.clone(), around, to);
    let every = settings.reload_every;
    spawn("reload", move || {
        reload.follow(every);
        Ok(())
    })
}

/// What the gate's topics take; rules that could say more do not run.
fn limit(shared: &Shared<'_>, rules: &Arc<RulesInForce>) -> Arc<RecordLimit> {
    let (limit, rules) = (shared.record_limit(Role::Gate), Arc::clone(rules));
    Arc::new(move || {
        let limit = limit()?;
        let no_room = |error| Fault::stop("too-large", format!("With these policies the gate cannot run: {error}."));
        rules.make_room(limit).map_err(no_room)?;
        Ok(limit)
    })
}

/// Nothing is decided before the operators' orders were read; where they cannot be, everything will be held.
fn wait_for_control(control: &ControlFollower, patience: Duration, health: &Health) {
    let until = Instant::now() + patience;
    while control.age().is_none() && Instant::now() < until && !health.is_stopping() {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Nothing is decided before the topics of trusted facts were read; where they cannot be, what needs them will be an error.
fn wait_for_references(references: &LiveReferences, health: &Health) {
    let began = Instant::now();
    for topic in references.topics() {
        while topic.age().is_none()
            && !topic.is_too_large()
            && began.elapsed() < topic.settings().max_age
            && !health.is_stopping()
        {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// What all gates of a process share, without references.
pub(in crate::cli) fn gate_settings(
    settings: &Settings,
    (layout, heads): (&TopicLayout, Option<Arc<HeadBoard>>),
    rules: Arc<RulesInForce>,
    schemas: Arc<dyn SchemaSource>,
) -> GateSettings {
    let event = &settings.gate.event;
    GateSettings {
        references: Arc::new(NoReferences),
        lookups: Vec::new(),
        sources: settings.sources.clone(),
        topics: OutputTopics {
            audit: Topic::Audit.name(layout),
            dispositions: Topic::Dispositions.name(layout),
            cases: Topic::Cases.name(layout),
            reviews: Topic::Reviews.name(layout),
            dead_letters: Topic::DeadLetters.name(layout),
            tallies: Topic::Tallies.name(layout),
            progress: Topic::Progress.name(layout),
        },
        lanes: settings.topics.lanes,
        spread: settings.topics.spread,
        rules,
        schemas,
        fallback: settings.fallback.clone(),
        limits: Limits { max_bytes: event.max_bytes, max_depth: event.max_depth, max_fields: event.max_fields },
        window: settings.gate.dedup_window,
        record_bytes_max: settings.gate.max_record_bytes,
        dead_letter_bytes_max: settings.dead_letters_max_bytes,
        heads,
    }
}
