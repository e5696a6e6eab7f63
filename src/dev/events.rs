//! Real inference events, for ever, with a few broken, repeated and conflicting ones among them: always the same ones.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Lines};

use flate2::read::GzDecoder;

const ADULT: &[u8] = include_bytes!("data/adult/events.jsonl.gz");
const CREDIT_DEFAULT: &[u8] = include_bytes!("data/credit_default/events.jsonl.gz");

/// What goes wrong among so many records goes wrong again among the next.
const CYCLE: u64 = 50;
const BROKEN_AT: u64 = 17;
const REPEATED_AT: u64 = 31;
const CONFLICTING_AT: u64 = 43;
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

/// The events of both models by turns. Ends never: a new round gives the events new ids.
pub struct Events {
    streams: [DataStream; 2],
    played: u64,
    recent: VecDeque<PlayedRecord>,
}

impl Default for Events {
    fn default() -> Self {
        let streams = [DataStream::new(ADULT), DataStream::new(CREDIT_DEFAULT)];
        Self { streams, played: 0, recent: VecDeque::with_capacity(CONFLICTING_BACK) }
    }
}

impl Iterator for Events {
    type Item = PlayedRecord;

    fn next(&mut self) -> Option<PlayedRecord> {
        let (place, cycle) = (self.played % CYCLE, self.played / CYCLE);
        let record = match place {
            REPEATED_AT => self.back(REPEATED_BACK),
            CONFLICTING_AT => rescored(self.back(CONFLICTING_BACK)),
            BROKEN_AT => broken(self.fresh(), cycle),
            _ => {
                let record = self.fresh();
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
    fn fresh(&mut self) -> PlayedRecord {
        let stream = usize::from(!self.played.is_multiple_of(2));
        self.streams[stream].next_event()
    }

    fn back(&self, by: usize) -> PlayedRecord {
        self.recent.get(by - 1).expect("the first special record comes later than so many events").clone()
    }
}

/// The same event, sent again by the next version of its model: one of the two must be wrong.
fn rescored(record: PlayedRecord) -> PlayedRecord {
    PlayedRecord { value: record.value.replacen(r#""version":"1.0.0""#, r#""version":"1.0.1""#, 1), ..record }
}

/// An event as a broken producer might send it, in one of four ways.
fn broken(record: PlayedRecord, which: u64) -> PlayedRecord {
    let value = match which % 4 {
        0 => record.value[..record.value.floor_char_boundary(record.value.len() / 2)].to_owned(),
        1 => record.value.replacen(r#""confidence":"#, r#""confidence":1"#, 1),
        2 => record.value.replacen(r#""event_id":"#, r#""id":"#, 1),
        _ => String::new(),
    };
    PlayedRecord { value, ..record }
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
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::event::{Decoder, Limits, Plan};

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
        for record in Events::default().take(200) {
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
        assert_eq!((codes, same, conflicting), (vec!["not-json", "out-of-range", "missing-field", "empty"], 4, 4));
        let again: Vec<_> = Events::default().take(200).collect();
        assert_eq!(again, Events::default().take(200).collect::<Vec<_>>(), "always the same");
    }
}
