//! The thread of a monitor.

use std::collections::HashMap;
use std::sync::Arc;

use super::plan::{Ended, Shared, Thread, TopicCheck, batch_limits, client_settings, spawn};
use crate::gate::{Rules, RulesInForce};
use crate::monitor::{Monitor, MonitorSettings, MonitorTopics};
use crate::policy::PolicySet;
use crate::reload::{Around, CurrentSchemas, Reload, Targets, Watches};
use crate::sidecar::Clock;
use crate::stream::topics::{Role, Topic};
use crate::stream::worker::{Unclaimed, WorkerSettings, run as run_worker};
use crate::telemetry::worker::WorkerObserver;

/// By which policies a monitor watches.
pub struct MonitorRole {
    /// The policies to begin with.
    pub policies: PolicySet,
    /// The folder that they came from, where it is to be followed.
    pub follow: Option<Watches>,
}

impl MonitorRole {
    /// Starts the reloading of policies, and the one worker.
    pub(super) fn threads(self, shared: &Shared<'_>) -> Result<Vec<Thread>, Ended> {
        let (settings, layout) = (shared.settings, &shared.layout);
        let rules = Rules::new(self.policies, &settings.fallback, &shared.metrics);
        let rules = Arc::new(RulesInForce::new(rules));
        let mut threads = Vec::new();
        if let Some(watches) = self.follow {
            threads.push(reload(shared, watches, &rules)?);
        }
        let tallies = Topic::Tallies.name(layout);
        let monitor = Arc::new(MonitorSettings {
            topics: MonitorTopics {
                audit: Topic::Audit.name(layout),
                signals: Topic::Signals.name(layout),
                tallies: tallies.clone(),
            },
            lanes: settings.topics.lanes,
            snapshot_every: settings.monitor.snapshot_every,
            window: settings.monitor.window,
            rules,
            clock: Clock::start(),
            heads: shared.heads.clone(),
            health: Arc::clone(&shared.health),
        });
        let topics: Vec<String> = std::iter::once(tallies).chain(settings.outcomes.iter().cloned()).collect();
        // The lag is shown under the topics' names: no source may have them.
        let sources = Arc::new(topics.iter().map(|topic| (topic.clone(), topic.clone())).collect::<HashMap<_, _>>());
        let worker = WorkerSettings {
            clients: client_settings(settings, Role::Monitor),
            topics,
            batch: batch_limits(settings.monitor.batch),
            worker: 0,
            unclaimed: if shared.check == TopicCheck::Full { Unclaimed::Watch } else { Unclaimed::Ignore },
        };
        let observer = WorkerObserver::new("monitor", 0, Arc::clone(&shared.metrics), Arc::clone(&shared.health), sources);
        let (control, metrics, limit) =
            (Arc::clone(&shared.control), Arc::clone(&shared.metrics), shared.record_limit(Role::Monitor));
        threads.push(spawn("monitor", move || {
            run_worker(&worker, &mut Monitor::new(monitor, control, &metrics), &limit, &observer)
        })?);
        Ok(threads)
    }
}

/// Follows the policies, as a gate does. (In a process that is both, each has its own: they take a change up one after the other.)
fn reload(shared: &Shared<'_>, watches: Watches, rules: &Arc<RulesInForce>) -> Result<Thread, Ended> {
    let settings = shared.settings;
    let to = Targets {
        rules: Arc::clone(rules),
        schemas: Arc::new(CurrentSchemas::default()),
        metrics: Arc::clone(&shared.metrics),
        health: Arc::clone(&shared.health),
    };
    let references = settings.reference_names().into_iter().map(str::to_owned).collect();
    let around = Around { fallback: settings.fallback.clone(), references };
    let mut reload = Reload::new(watches, settings.schemas.clone(), around, to);
    let every = settings.reload_every;
    spawn("reload-monitor", move || {
        reload.follow(every);
        Ok(())
    })
}
