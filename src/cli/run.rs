//! `jidoka run`: the roles of a process, from settings to threads, and how it ends.
//!
//! ```text
//! Settings, Roles ─→ Plan ─→ topics are checked ─→ threads: control, reload, heads, workers ─→ Running ─ stop, or a fault ─→ Exit
//!                                                                           ├ gate: a worker with its gate each
//!                                                                           └ sidecar: one
//! ```

mod gate;
mod monitor;
mod plan;
mod sidecar;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::interrupt;
use super::terminal::{Exit, fail};
use crate::config::{self, FolderWatch, POLICY_FILES, ProfileFiles, SCHEMA_FILES, Settings, Unsigned};
use crate::reload::Watches;
use crate::telemetry::metrics::Metrics;

pub use gate::GateRole;
pub(super) use gate::gate_settings;
pub use monitor::MonitorRole;
pub use plan::{Ended, Plan, Roles, Running, TopicCheck};
pub(super) use plan::{batch_limits, client_settings};
pub use sidecar::SidecarRole;
pub(super) use sidecar::{sidecar_settings, worker_settings as sidecar_worker_settings};

/// Runs jidoka's roles until SIGTERM or Ctrl-C.
#[derive(Args, Debug)]
#[command(after_help = "The roles:
  gate     reads inference events, decides, opens cases; as many threads as gate.workers
  monitor  watches all decisions together: subgroups, inputs, the load; others stand by
  sidecar  applies reviewers' verdicts to cases; instances share the lanes
Without --roles it runs the gate where `sources` are configured, and the sidecar where `verdicts.keys` or `verdicts.unsigned`
are. The monitor runs only where it is named. api arrives in a later version.

The process waits for a broker that is not there yet and says so; /readyz answers 503 with the reason until
every worker has its part of the input. SIGTERM ends it after the present transactions; nothing is lost however it ends.

Exit codes: 0 ended as asked; 1 something that only a person can mend, said in one sentence; 2 wrong usage, configuration or policy.

Examples:
  jidoka run --config jidoka.yaml --roles gate
  jidoka run --config jidoka.yaml --roles gate,monitor,sidecar
  JIDOKA__INSTANCE=1 JIDOKA__GATE__WORKERS=4 jidoka run --config jidoka.yaml
  curl -s localhost:8080/readyz | jq")]
pub struct RunArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE", env = "JIDOKA_CONFIG", default_value = "jidoka.yaml")]
    pub config: PathBuf,
    /// What this process does: gate, monitor, sidecar
    #[arg(long, value_delimiter = ',', value_name = "ROLES")]
    pub roles: Vec<String>,
}

/// A role that this version has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wanted {
    Gate,
    Monitor,
    Sidecar,
}

/// Runs the command.
#[must_use]
pub fn run(args: &RunArgs) -> Exit {
    let named = match named_roles(&args.roles) {
        Ok(named) => named,
        Err(sentence) => return fail(Exit::Usage, sentence),
    };
    let settings = match super::settings(Some(&args.config)) {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    let wanted = match wanted_roles(named, &settings) {
        Ok(wanted) => wanted,
        Err(sentence) => return fail(Exit::Usage, sentence),
    };
    let stop = match interrupt::flag() {
        Ok(stop) => stop,
        Err(error) => return fail(Exit::Failed, format!("Cannot listen for Ctrl-C: {error}")),
    };
    let gate = match wanted.contains(&Wanted::Gate).then(|| gate_role(&settings)).transpose() {
        Ok(gate) => gate,
        Err(exit) => return exit,
    };
    let monitor = match wanted.contains(&Wanted::Monitor).then(|| monitor_role(&settings)).transpose() {
        Ok(monitor) => monitor,
        Err(exit) => return exit,
    };
    for key in settings.without_effect() {
        tracing::warn!(key, "is set, but does nothing in this version");
    }
    let roles = Roles { gate, monitor, sidecar: wanted.contains(&Wanted::Sidecar).then_some(SidecarRole) };
    let plan = Plan { settings: &settings, roles, metrics: Arc::new(Metrics::new()), check: TopicCheck::Full };
    match plan.run(&args.config.display().to_string(), &stop) {
        Ok(()) => Exit::Done,
        Err(ended) => fail(ended.exit, ended.sentence),
    }
}

fn named_roles(names: &[String]) -> Result<Vec<Wanted>, String> {
    let role = |name: &String| match name.as_str() {
        "gate" => Ok(Wanted::Gate),
        "monitor" => Ok(Wanted::Monitor),
        "sidecar" => Ok(Wanted::Sidecar),
        "api" => {
            let runs = "This version runs: gate, monitor, sidecar.";
            Err(format!("The role {name:?} is not part of this version yet; it arrives later. {runs}"))
        }
        _ => Err(format!("The role {name:?} is no role of jidoka. This version runs: gate, monitor, sidecar.")),
    };
    names.iter().map(role).collect()
}

/// The roles that were named, or those that the settings are complete for.
fn wanted_roles(named: Vec<Wanted>, settings: &Settings) -> Result<Vec<Wanted>, String> {
    let takes_verdicts = !settings.verdicts.keys.is_empty() || settings.verdicts.unsigned == Unsigned::Allow;
    if named.contains(&Wanted::Sidecar) && !takes_verdicts {
        return Err(
            "The sidecar takes only signed verdicts, and no key is configured. Make one with `jidoka verdict-key new` and \
                    write it below verdicts.keys; or take everybody's word: verdicts: { unsigned: allow }."
                .to_owned(),
        );
    }
    if !named.is_empty() {
        return Ok(named);
    }
    let mut wanted = Vec::new();
    wanted.extend((!settings.sources.is_empty()).then_some(Wanted::Gate));
    wanted.extend(takes_verdicts.then_some(Wanted::Sidecar));
    if wanted.is_empty() {
        return Err(
            "There is nothing to do: no `sources` for a gate, and neither `verdicts.keys` nor `verdicts.unsigned` for a \
                    sidecar."
                .to_owned(),
        );
    }
    Ok(wanted)
}

/// Policies of a monitor, read once and then followed.
fn monitor_role(settings: &Settings) -> Result<MonitorRole, Exit> {
    let GateRole { policies, follow, .. } = gate_role(settings)?;
    Ok(MonitorRole { policies, follow })
}

/// Policies and schemas of a gate, read once and then followed.
fn gate_role(settings: &Settings) -> Result<GateRole, Exit> {
    // Before they are read, so that no change falls between.
    let mut follow = Watches {
        policies: FolderWatch::new(&settings.policies, &POLICY_FILES),
        schemas: FolderWatch::new(&settings.schemas.path, &SCHEMA_FILES),
    };
    let profiles = ProfileFiles::default();
    let names = settings.reference_names();
    let policies = config::read_policies(&settings.policies, &settings.fallback, Some(&names), &profiles)
        .map_err(|problems| super::report_problems(&problems))?;
    follow.policies.beside(profiles.into_looks());
    if policies.policies().is_empty() {
        tracing::warn!(folder = %settings.policies.display(), "there is no policy; every event will be held by `no-policy`");
    }
    let schemas = config::read_schemas(&settings.schemas).map_err(|problems| super::report_problems(&problems))?;
    Ok(GateRole { policies, schemas, follow: Some(follow) })
}
