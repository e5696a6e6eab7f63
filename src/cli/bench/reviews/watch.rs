//! Who sees when a verdict was appended, and when what came of it was committed: a consumer of both, outside both sides.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cli::bench::run::Reading;
use crate::cli::run::client_settings;
use crate::config::Settings;
use crate::stream::follower::Follower;
use crate::stream::log_reader::LogReader;
use crate::stream::processor::InputPartition;
use crate::stream::topics::Role;

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Follows both topics from their present ends on.
pub(super) struct Watch {
    follower: Follower,
    input: String,
    seen: AtomicU64,
    ended: AtomicBool,
}

/// When records of each key were appended to the input, and seen in the output, in milliseconds since 1970.
#[derive(Default)]
struct Times {
    appended: HashMap<Vec<u8>, i64>,
    seen: HashMap<Vec<u8>, i64>,
}

impl Watch {
    /// Watches what `reading` reads, and a topic with as many partitions to which the results go.
    pub fn open(settings: &Settings, reading: &Reading, output: &str) -> Result<Self, String> {
        let clients = client_settings(settings, Role::Reviewer);
        let open = || {
            let (follower, log) = (Follower::open(&clients)?, LogReader::open(&clients)?);
            for topic in [&reading.topic, output] {
                for partition in 0..reading.partitions {
                    let partition = InputPartition { topic: topic.to_owned(), partition };
                    follower.follow(&partition, log.extent(&partition)?.high)?;
                }
            }
            Ok(follower)
        };
        let follower = open().map_err(|fault: crate::stream::fault::Fault| fault.sentence)?;
        Ok(Self { follower, input: reading.topic.clone(), seen: AtomicU64::new(0), ended: AtomicBool::new(false) })
    }

    /// Results that were seen so far.
    pub fn seen(&self) -> u64 {
        self.seen.load(Ordering::Acquire)
    }

    /// Watches while `work` lasts. Ages in milliseconds of all but the first tenth of `count` verdicts, sorted.
    pub fn during(&self, count: u64, work: impl FnOnce() -> Result<(), String>) -> Result<Vec<i64>, String> {
        let times = std::thread::scope(|scope| {
            let watching = scope.spawn(|| self.watch());
            let done = work();
            self.ended.store(true, Ordering::Release);
            let times = watching.join().unwrap_or_else(|_| Err("the watching thread panicked".to_owned()));
            done.and(times)
        })?;
        let ages = times.ages();
        if ages.len() as u64 == count {
            let mut ages = ages[ages.len() / 10..].to_vec();
            ages.sort_unstable();
            return Ok(ages);
        }
        Err(format!("{count} verdicts were sent, and {} of them were seen with what came of them", ages.len()))
    }

    fn watch(&self) -> Result<Times, String> {
        let mut times = Times::default();
        while !self.ended.load(Ordering::Acquire) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
            let now = i64::try_from(now).unwrap_or(i64::MAX);
            let taken = self.follower.take(|record| {
                let key = record.key.unwrap_or_default().to_vec();
                if record.topic == self.input {
                    times.appended.insert(key, record.appended_at_ms());
                } else {
                    times.seen.insert(key, now);
                }
            });
            taken.map_err(|fault| fault.sentence)?;
            self.seen.store(times.appended.len().min(times.seen.len()) as u64, Ordering::Release);
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(times)
    }
}

impl Times {
    /// From appended to seen, in the order in which they were appended.
    fn ages(&self) -> Vec<i64> {
        let both = |(key, appended): (&Vec<u8>, &i64)| self.seen.get(key).map(|seen| (*appended, (seen - appended).max(0)));
        let mut pairs: Vec<(i64, i64)> = self.appended.iter().filter_map(both).collect();
        pairs.sort_unstable();
        pairs.into_iter().map(|(_, age)| age).collect()
    }
}
