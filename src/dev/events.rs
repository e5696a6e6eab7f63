//! Real inference events, for ever, with a few among them that are broken, repeated, conflicting, or such that every rule of
//! the policies finds something: always the same ones.

mod altered;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Lines};

use flate2::read::GzDecoder;

use altered::{Touch, broken, rescored};

const ADULT: &[u8] = include_bytes!("data/adult/events.jsonl.gz");
const CREDIT_DEFAULT: &[u8] = include_bytes!("data/credit_default/events.jsonl.gz");

/// What goes wrong among so many records goes wrong again among the next.
const CYCLE: u64 = 50;
const BROKEN_AT: u64 = 17;
const REPEATED_AT: u64 = 31;
const CONFLICTING_AT: u64 = 43;
/// From here on the next event of either model that is fit for it becomes one that a rule holds.
const TOUCHED_AT: [u64; 2] = [24, 7];
/// So many events back lies the one that is sent again, and the one that is contradicted.
const REPEATED_BACK: usize = 5;
const CONFLICTING_BACK: usize = 9;

/// One record to play.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlayedRecord {
    /// Its key: the event's id, so that one event's copies meet in one partition.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// A record that somebody asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extra {
    /// One that cannot be read.
    Broken,
    /// One about so much money that a person must decide.
    LargeAmount,
    /// The last one once more.
    Duplicate,
}

/// The events of both models by turns. Ends never: a new round gives the events new ids.
pub struct Events {
    streams: [DataStream; 2],
    /// What the next fit event of either model becomes.
    due: [Option<Touch>; 2],
    played: u64,
    extras: u64,
    recent: VecDeque<PlayedRecord>,
}

impl Default for Events {
    fn default() -> Self {
        let streams = [DataStream::new(ADULT), DataStream::new(CREDIT_DEFAULT)];
        Self { streams, due: [None; 2], played: 0, extras: 0, recent: VecDeque::with_capacity(CONFLICTING_BACK) }
    }
}

impl Iterator for Events {
    type Item = PlayedRecord;

    fn next(&mut self) -> Option<PlayedRecord> {
        let (place, cycle) = (self.played % CYCLE, self.played / CYCLE);
        for (model, at) in TOUCHED_AT.into_iter().enumerate() {
            if place == at {
                self.due[model] = Some(Touch::of(model, cycle));
            }
        }
        let record = match place {
            REPEATED_AT => self.back(REPEATED_BACK),
            CONFLICTING_AT => rescored(self.back(CONFLICTING_BACK)),
            BROKEN_AT => broken(self.fresh(), cycle),
            _ => {
                let record = self.fresh_or_touched();
                self.recent.truncate(CONFLICTING_BACK - 1);
                self.recent.push_front(record.clone());
                record
            }
        };
        self.played += 1;
        Some(record)
    }
}

impl Events {
    /// A record that is not among those of the iterator; each has an id of its own, but for a duplicate.
    pub fn extra(&mut self, extra: Extra) -> PlayedRecord {
        self.extras += 1;
        let key = format!("yours-{:03}", self.extras);
        let first = DataStream::new(ADULT).next_event();
        let yours = PlayedRecord { value: first.value.replacen(&first.key, &key, 1), key };
        match extra {
            Extra::Broken => broken(yours, self.extras - 1),
            Extra::LargeAmount => Touch::LargeAmount.apply(yours),
            Extra::Duplicate => self.recent.front().cloned().unwrap_or(yours),
        }
    }

    fn model(&self) -> usize {
        usize::from(!self.played.is_multiple_of(2))
    }

    fn fresh(&mut self) -> PlayedRecord {
        let model = self.model();
        self.streams[model].next_event()
    }

    fn fresh_or_touched(&mut self) -> PlayedRecord {
        let (model, record) = (self.model(), self.fresh());
        match self.due[model].take_if(|touch| touch.fits(&record)) {
            Some(touch) => touch.apply(record),
            None => record,
        }
    }

    fn back(&self, by: usize) -> PlayedRecord {
        self.recent.get(by - 1).expect("the first special record comes later than so many events").clone()
    }
}

type Unzipped = Lines<BufReader<GzDecoder<&'static [u8]>>>;

/// One data set, unzipped as it is played, and begun again at its end.
struct DataStream {
    data: &'static [u8],
    lines: Unzipped,
    round: u32,
}

fn unzip(data: &'static [u8]) -> Unzipped {
    BufReader::new(GzDecoder::new(data)).lines()
}

impl DataStream {
    fn new(data: &'static [u8]) -> Self {
        Self { data, lines: unzip(data), round: 1 }
    }

    fn next_event(&mut self) -> PlayedRecord {
        let line = self.lines.next().unwrap_or_else(|| {
            self.round += 1;
            self.lines = unzip(self.data);
            self.lines.next().expect("the data has lines")
        });
        let line = line.expect("the data is whole: a test reads all of it");
        let (id, rest) = line
            .strip_prefix(r#"{"event_id":""#)
            .and_then(|line| line.split_once('"'))
            .expect("every line begins with its event_id: a test reads all of it");
        match self.round {
            1 => PlayedRecord { key: id.to_owned(), value: line },
            round => {
                let key = format!("{id}-{round}");
                PlayedRecord { value: format!(r#"{{"event_id":"{key}"{rest}"#), key }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    use super::*;
    use crate::audit::AppendTimeType;
    use crate::event::{Decoder, Limits, Plan};
    use crate::policy::{FallbackReview, PolicySet};
    use crate::replay::{Log, Record, Replay, Terms};

    fn decoder() -> Decoder {
        Decoder::new(Arc::new(Plan::default()), Limits { max_bytes: 1 << 20, max_depth: 64, max_fields: 1_000 })
    }

    #[test]
    fn all_of_the_data_can_be_read_and_ids_never_repeat() {
        let mut decoder = decoder();
        for (data, count) in [(ADULT, 7_000), (CREDIT_DEFAULT, 5_000)] {
            let mut stream = DataStream::new(data);
            let mut ids = std::collections::HashSet::new();
            for _ in 0..count * 2 {
                let record = stream.next_event();
                let event = decoder.decode(record.value.as_bytes()).expect("a good event");
                assert_eq!(event.event_id(), record.key);
                assert!(ids.insert(record.key));
            }
            assert_eq!(stream.round, 2);
        }
    }

    #[test]
    fn what_is_mixed_in_is_what_it_is_meant_to_be() {
        let (mut decoder, mut seen) = (decoder(), BTreeMap::<String, String>::new());
        let (mut codes, mut same, mut conflicting) = (Vec::new(), 0, 0);
        for record in Events::default().take(400) {
            if let Err(unreadable) = decoder.decode(record.value.as_bytes()) {
                codes.push(unreadable.code.as_str());
                continue;
            }
            match seen.insert(record.key.clone(), record.value.clone()) {
                None => {}
                Some(before) if before == record.value => same += 1,
                Some(_) => conflicting += 1,
            }
        }
        let wanted =
            vec!["not-json", "out-of-range", "missing-field", "empty", "duplicate-key", "wrong-type", "bad-id", "too-deep"];
        assert_eq!((codes, same, conflicting), (wanted, 8, 8));
        let again: Vec<_> = Events::default().take(400).collect();
        assert_eq!(again, Events::default().take(400).collect::<Vec<_>>(), "always the same");
    }

    #[test]
    fn what_somebody_asks_for_has_an_id_of_its_own() {
        let (mut decoder, mut events) = (decoder(), Events::default());
        let last = events.by_ref().take(3).last().expect("there are three");
        assert_eq!(events.extra(Extra::Duplicate), last);
        let large = events.extra(Extra::LargeAmount);
        assert_eq!(decoder.decode(large.value.as_bytes()).expect("a good event").event_id(), "yours-002");
        let broken: Vec<_> = (0..8).map(|_| events.extra(Extra::Broken)).collect();
        assert!(broken.iter().all(|record| decoder.decode(record.value.as_bytes()).is_err()));
    }

    /// The sample apart: it is drawn by the decision's id, which differs from run to run.
    #[test]
    fn every_rule_of_both_policies_finds_something_soon() {
        let files = crate::dev::POLICIES.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let policies = PolicySet::read(&files, &FallbackReview::default()).expect("a test reads these files");
        let mut wanted = BTreeSet::new();
        for policy in policies.policies() {
            wanted.extend(policy.triggers.iter().map(|trigger| (policy.name.clone(), trigger.id.clone())));
        }
        wanted.retain(|(_, trigger)| trigger != "quality-sample");
        assert!(wanted.len() >= 10);
        let log = Log { source: "inference".to_owned(), topic: "inference".to_owned(), partition: 0 };
        let mut replay = Replay::new(policies, Terms::default(), log);
        for (offset, record) in (0..).zip(Events::default().take(450)) {
            let (appended_at, appended_at_type) = (None, AppendTimeType::None);
            let replayed = replay.judge(&Record { offset, appended_at, appended_at_type, bytes: record.value.as_bytes() });
            let Some(verdict) = replayed.verdict() else { continue };
            for finding in verdict.decision.results.iter().filter(|result| result.is_finding()) {
                let policy = verdict.policy.map(|policy| policy.name.clone()).unwrap_or_default();
                wanted.remove(&(policy, finding.id(verdict.policy).to_owned()));
            }
        }
        assert!(wanted.is_empty(), "never seen: {wanted:?}");
    }
}
