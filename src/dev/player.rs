//! Plays events into a topic at a steady rate.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::dev::events::{Events, Extra, PlayedRecord, customers};
use crate::dev::watcher::Course;
use crate::stream::ClientConfig;
use crate::stream::player::{Offer, Player};

/// A signal is seen within this time.
const GLANCE: Duration = Duration::from_millis(50);
/// Some thousand records are written within this time, or something is wrong.
const FILLED_WITHIN: Duration = Duration::from_secs(30);

/// What is played.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Score<'t> {
    /// Where to.
    pub topic: &'t str,
    /// Records a second.
    pub rate: u32,
    /// So many records, besides those that somebody asks for; without end where none.
    pub limit: Option<u64>,
}

/// Plays `score` until it ends or everything should, counts what was handed over, and sends what the course is asked for.
///
/// # Errors
/// When librdkafka does not take the settings or a record.
pub fn play(client: &ClientConfig, score: Score<'_>, course: &Course) -> Result<(), String> {
    let player = Player::new(client, score.topic)?;
    let interval = Duration::from_secs(1) / score.rate.max(1);
    let (mut events, mut due, mut regular) = (Events::default(), Instant::now(), 0);
    while score.limit.is_none_or(|limit| regular < limit) {
        let record = match wait(&mut due, course) {
            Awaited::Stop => break,
            Awaited::Asked(extra) => events.extra(extra),
            Awaited::Due => {
                due += interval;
                regular += 1;
                events.next().expect("the events never end")
            }
        };
        if !send(&player, &record, &course.stop)? {
            break;
        }
        course.played.fetch_add(1, Ordering::Release);
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    while player.tally().delivered + player.tally().failed < course.played.load(Ordering::Relaxed) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    match player.tally().first_error {
        Some(error) => Err(format!("A record could not be played: {error}")),
        None => Ok(()),
    }
}

/// Writes the customer file into `topic`, before anybody reads it.
///
/// # Errors
/// When librdkafka does not take the settings or a record, or the broker not all of them within a while.
pub fn fill(client: &ClientConfig, topic: &str, stop: &AtomicBool) -> Result<(), String> {
    let player = Player::new(client, topic)?;
    let mut written = 0;
    for record in customers() {
        if !send(&player, &record, stop)? {
            return Ok(());
        }
        written += 1;
    }
    let deadline = Instant::now() + FILLED_WITHIN;
    while player.tally().delivered < written && player.tally().first_error.is_none() && !stop.load(Ordering::Relaxed) {
        if Instant::now() > deadline {
            return Err(format!("The customer file was not written to the topic {topic} within {} s.", FILLED_WITHIN.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    player.tally().first_error.map_or(Ok(()), |error| Err(format!("The customer file could not be written: {error}")))
}

/// What a wait ended with.
enum Awaited {
    /// Everything should end.
    Stop,
    /// Somebody asked for this, due or not, paused or not.
    Asked(Extra),
    /// The next record is due.
    Due,
}

fn wait(due: &mut Instant, course: &Course) -> Awaited {
    loop {
        if course.stop.load(Ordering::Relaxed) {
            return Awaited::Stop;
        }
        if let Some(extra) = course.next_extra() {
            return Awaited::Asked(extra);
        }
        if course.paused.load(Ordering::Relaxed) {
            std::thread::sleep(GLANCE);
            // What was not played meanwhile is not caught up with.
            *due = Instant::now();
            continue;
        }
        match due.checked_duration_since(Instant::now()) {
            Some(wait) if !wait.is_zero() => std::thread::sleep(wait.min(GLANCE)),
            _ => return Awaited::Due,
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
