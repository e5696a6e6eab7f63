//! Plays events into a topic at a steady rate.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::dev::events::{Events, PlayedRecord};
use crate::stream::ClientConfig;
use crate::stream::player::{Offer, Player};

/// A signal is seen within this time.
const GLANCE: Duration = Duration::from_millis(50);

/// What is played.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Score<'t> {
    /// Where to.
    pub topic: &'t str,
    /// Records a second.
    pub rate: u32,
    /// So many records; without end where none.
    pub limit: Option<u64>,
}

/// Plays `score` until it ends or `stop`, and counts in `count` what was handed over.
///
/// # Errors
/// When librdkafka does not take the settings or a record.
pub fn play(client: &ClientConfig, score: Score<'_>, count: &AtomicU64, stop: &AtomicBool) -> Result<(), String> {
    let player = Player::new(client, score.topic)?;
    let interval = Duration::from_secs(1) / score.rate.max(1);
    let mut due = Instant::now();
    for record in Events::default() {
        if score.limit.is_some_and(|limit| count.load(Ordering::Relaxed) >= limit) || !wait_until(due, stop) {
            break;
        }
        if !send(&player, &record, stop)? {
            break;
        }
        count.fetch_add(1, Ordering::Release);
        due += interval;
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    while player.tally().delivered + player.tally().failed < count.load(Ordering::Relaxed) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    match player.tally().first_error {
        Some(error) => Err(format!("A record could not be played: {error}")),
        None => Ok(()),
    }
}

/// Waits; `false` where a stop came first.
fn wait_until(due: Instant, stop: &AtomicBool) -> bool {
    loop {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        match due.checked_duration_since(Instant::now()) {
            Some(wait) if !wait.is_zero() => std::thread::sleep(wait.min(GLANCE)),
            _ => return true,
        }
    }
}

/// Hands one record over; `false` where a stop came first.
fn send(player: &Player, record: &PlayedRecord, stop: &AtomicBool) -> Result<bool, String> {
    loop {
        match player.offer(Some(record.key.as_bytes()), record.value.as_bytes()) {
            Offer::Taken => return Ok(true),
            Offer::Refused => return Err("A record was refused before it was sent.".to_owned()),
            Offer::Full if stop.load(Ordering::Relaxed) => return Ok(false),
            Offer::Full => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}
