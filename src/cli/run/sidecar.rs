//! The thread of a sidecar.

use std::collections::HashMap;
use std::sync::Arc;

use super::plan::{Ended, Shared, Thread, TopicCheck, batch_limits, client_settings, spawn};
use crate::case::{CommandBounds, CommandsMax};
use crate::config::Settings;
use crate::heads::HeadBoard;
use crate::sidecar::{Authority, Clock, Sidecar, SidecarSettings, SidecarTopics};
use crate::stream::topics::{Role, Topic, TopicLayout};
use crate::stream::worker::{Unclaimed, WorkerSettings, run as run_worker};
use crate::telemetry::worker::WorkerObserver;

/// That a process is a sidecar. What it needs to know is all in the settings.
pub struct SidecarRole;

/// Starts the sidecar: one thread, which takes as many lanes as the group gives it.
pub(super) fn thread(shared: &Shared<'_>) -> Result<Thread, Ended> {
    let (settings, layout) = (shared.settings, &shared.layout);
    let sidecar = Arc::new(sidecar_settings(settings, layout, shared.heads.clone()));
    let unclaimed = if shared.check == TopicCheck::Full { Unclaimed::Watch } else { Unclaimed::Ignore };
    let worker = worker_settings(settings, layout, unclaimed);
    // The lag is shown under the topic's name: no source may have it.
    let verdicts = Topic::Verdicts.name(layout);
    let sources = Arc::new(HashMap::from([(verdicts.clone(), verdicts)]));
    let observer = WorkerObserver::new("sidecar", 0, Arc::clone(&shared.metrics), Arc::clone(&shared.health), sources);
    let (control, metrics, limit) =
        (Arc::clone(&shared.control), Arc::clone(&shared.metrics), shared.record_limit(Role::Sidecar));
    spawn("sidecar", move || {
        let mut sidecar = Sidecar::new(sidecar, control, &metrics)?;
        run_worker(&worker, &mut sidecar, &limit, &observer)
    })
}

/// What the sidecar's worker runs on.
pub(in crate::cli) fn worker_settings(settings: &Settings, layout: &TopicLayout, unclaimed: Unclaimed) -> WorkerSettings {
    WorkerSettings {
        clients: client_settings(settings, Role::Sidecar),
        topics: vec![Topic::Verdicts.name(layout)],
        batch: batch_limits(settings.sidecar.batch),
        worker: 0,
        unclaimed,
    }
}

/// What the sidecar of a process is told.
pub(in crate::cli) fn sidecar_settings(
    settings: &Settings,
    layout: &TopicLayout,
    heads: Option<Arc<HeadBoard>>,
) -> SidecarSettings {
    SidecarSettings {
        clients: client_settings(settings, Role::Sidecar),
        topics: SidecarTopics {
            audit: Topic::Audit.name(layout),
            cases: Topic::Cases.name(layout),
            reviews: Topic::Reviews.name(layout),
            dispositions: Topic::Dispositions.name(layout),
            archive: Topic::Archive.name(layout),
            verdicts: Topic::Verdicts.name(layout),
            progress: Topic::Progress.name(layout),
        },
        lanes: settings.topics.lanes,
        spread: settings.topics.spread,
        authority: Authority { keys: settings.verdicts.keys.clone(), unsigned: settings.verdicts.unsigned },
        bounds: CommandBounds { record_bytes: settings.verdicts.max_bytes, text_bytes: settings.verdicts.max_text },
        commands_max: CommandsMax(settings.verdicts.max_commands),
        keep_closed: settings.cases_keep_closed,
        archive_keep: settings.archive_keep,
        timed_max: settings.sidecar.batch.max_records,
        clock: Clock::start(),
        heads,
    }
}
