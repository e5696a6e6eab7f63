//! The operators' acknowledgements: which of them may take effect, and what comes of it.

use crate::audit::IncidentChange;
use crate::control::AcknowledgedBaseline;
use crate::monitor::Monitor;
use crate::stream::fault::Fault;
use crate::stream::record::Outbox;
use crate::watch::{NewBaseline, Why};

/// Events after which an acknowledgement that had too few of them is tried again.
const RETRY_AFTER: u64 = 50;

impl Monitor {
    /// Applies the operators' acknowledgements.
    pub(super) fn acknowledge(&mut self, outbox: &mut dyn Outbox) -> Result<(), Fault> {
        for (id, order) in std::mem::take(&mut self.orders) {
            let Some(desk) = self.desks.values_mut().find(|desk| desk.open.contains_key(&id)) else { continue };
            let baseline = match order.baseline {
                AcknowledgedBaseline::Keep => NewBaseline::Keep,
                AcknowledgedBaseline::Recent => NewBaseline::Recent,
            };
            match desk.watch.acknowledge(&id, baseline) {
                Ok(incident) => {
                    tracing::info!(incident = id, by = order.by, "acknowledged");
                    let change =
                        IncidentChange::Acknowledged { by: &order.by, reason: &order.reason, baseline: order.baseline.as_str() };
                    self.emitter.incident(desk, &incident, (change, self.settings.clock.now()), outbox)?;
                }
                Err(why) => {
                    if self.told.insert((id.clone(), order.baseline), desk.watch.events()).is_none() {
                        tracing::error!(incident = id, by = order.by, why = said(why), "the acknowledgement has no effect yet");
                    }
                }
            }
        }
        Ok(())
    }

    /// Acknowledgements that may take effect; of those that cannot it is said once.
    pub(super) fn look_for_orders(&mut self) {
        if !self.owns_tallies() {
            return;
        }
        let broadcast = self.control.orders();
        for (id, order) in broadcast.control.acknowledged() {
            let told = (id.clone(), order.baseline);
            let Some(desk) = self.desks.values().find(|desk| desk.open.contains_key(id)) else {
                let is_over = self.desks.values().any(|desk| desk.knows_over(id));
                if !is_over && self.told.insert(told, 0).is_none() {
                    tracing::warn!(incident = id, by = order.by, "acknowledges an incident that is not open here");
                }
                continue;
            };
            // Said already that it cannot be: it is tried again when there are more events.
            if self.told.get(&told).is_none_or(|at| desk.watch.events() >= at + RETRY_AFTER) {
                self.orders.push((id.clone(), order.clone()));
            }
        }
    }
}

fn said(why: Why) -> String {
    match why {
        Why::Unknown => "no such incident is open".to_owned(),
        Why::TooFew(events) => {
            format!("there are only {events} events since for a new baseline, and 200 are needed; it waits for more")
        }
        Why::NoBaseline => "it is about nothing that has a baseline; acknowledge it with `--baseline keep`".to_owned(),
    }
}
