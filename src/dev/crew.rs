//! A small simulated crew of reviewers: they follow the cases, claim one, read it, and decide, as people with any review tool
//! would. What they want lies in the `verdicts` topic, and what became of it they learn from `cases`.
//!
//! ```text
//! cases ─→ Desk ─→ Reviewer (one a person) ─→ Order ─→ verdicts
//!                     └─ Opinion, Dice
//! signals ─→ Lead ─→ control
//! ```
//!
//! The events of `dev` do not carry what really happened, so the crew goes by the findings: mostly the same for the same kind
//! of case, and not always. The dice are seeded: what is random is the same in every run.

mod desk;
mod dice;
mod lead;
mod opinion;
mod people;
mod reviewer;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::case::{Action, CommandId};
use crate::identity::Timestamp;
use crate::stream::ClientConfig;
use crate::stream::client::ClientSettings;
use crate::stream::onlooker::Onlooker;
use crate::stream::player::{Offer, Player};
use crate::stream::record::Incoming;
use desk::Desk;
use dice::Dice;
use lead::Lead;
use reviewer::{Order, Reviewer};

pub use people::{PEOPLE, Person};

/// How long a person's hands may lag behind.
const GLANCE: Duration = Duration::from_millis(20);
/// By which tool a command came.
const CHANNEL: &str = "dev-crew";

/// Where the crew works.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Workplace {
    /// The cases, and how many partitions they have.
    pub cases: (String, i32),
    /// Where commands go.
    pub verdicts: String,
    /// What the monitor says; one partition.
    pub signals: String,
    /// Where orders go.
    pub control: String,
}

/// Reviews what is held, and acknowledges incidents, until `stop`.
///
/// # Errors
/// Where the cases or signals cannot be followed, or librdkafka does not take the settings.
pub fn review(clients: &ClientSettings, client: &ClientConfig, at: &Workplace, stop: &AtomicBool) -> Result<(), String> {
    let (cases, partitions) = &at.cases;
    let onlooker =
        Onlooker::open(clients, [(cases.as_str(), *partitions), (at.signals.as_str(), 1)]).map_err(|fault| fault.sentence)?;
    let (player, orders) = (Player::new(client, &at.verdicts)?, Player::new(client, &at.control)?);
    let (mut desk, mut dice) = (Desk::default(), Dice::seeded());
    let mut crew: Vec<Reviewer> = PEOPLE.iter().map(|person| Reviewer::new(person, &mut dice)).collect();
    let (began, mut looked, mut lead) = (Instant::now(), Duration::ZERO, Lead::default());
    while !stop.load(Ordering::Relaxed) {
        let see = |record: &Incoming<'_>| {
            let seen = if record.topic == at.signals {
                lead.see(record.key, record.value, began.elapsed())
            } else {
                record.value.map_or(Ok(()), |value| desk.see(value))
            };
            if let Err(error) = seen {
                tracing::error!(%error, topic = record.topic, offset = record.offset, "a record cannot be read");
            }
        };
        onlooker.next(GLANCE, see).map_err(|fault| fault.sentence)?;
        let now = began.elapsed();
        if now.saturating_sub(looked) < GLANCE {
            continue;
        }
        looked = now;
        for reviewer in &mut crew {
            if let Some(order) = reviewer.step(now, &mut desk, &mut dice) {
                write(&player, reviewer.person(), &order)?;
            }
        }
        if let Some((key, value)) = lead.acknowledges(now)
            && orders.offer(Some(key.as_bytes()), value.as_bytes()) != Offer::Taken
        {
            tracing::warn!(key, "an order could not be sent");
        }
    }
    Ok(())
}

/// Writes a command. Where it cannot be sent or is refused, nothing follows from it, and the reviewer goes on after a while.
fn write(player: &Player, person: &Person, order: &Order) -> Result<(), String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| format!("The operating system has no random number: {error}"))?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)).rfc3339();
    let command = command(CommandId::of_random(random), person, order, &String::from_utf8_lossy(&now));
    let offer = player.offer_to(Some(order.lane), Some(order.decision_id.as_bytes()), command.as_bytes());
    if offer != Offer::Taken {
        tracing::warn!(reviewer = person.name, "a command could not be sent");
    }
    Ok(())
}

/// The value of a record in `verdicts`. What is not said is left out.
fn command(id: CommandId, person: &Person, order: &Order, now: &str) -> String {
    let mut command = json!({ "command_id": id.to_string(), "decision_id": order.decision_id, "action": order.action.as_str() });
    if order.action.needs_seen() {
        command["seen"] = json!({ "seq": order.seen.0, "hash": order.seen.1 });
    }
    command["reviewer"] = json!({ "id": person.name, "groups": person.groups });
    if order.code.is_some() || order.text.is_some() {
        command["reason"] = json!({ "code": order.code, "text": order.text });
    }
    let more = [("judgement", &order.judgement), ("to", &order.to), ("corrected", &order.corrected)];
    for (name, value) in more.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        command[name] = json!(value);
    }
    debug_assert!(order.corrected.is_none() || order.action == Action::Reject, "only a rejection corrects");
    command["issued_at"] = json!(now);
    command["channel"] = json!(CHANNEL);
    command.to_string()
}

#[cfg(test)]
mod tests;
