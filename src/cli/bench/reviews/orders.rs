//! What reviewers order: an approval of every case that is open.

use serde::Deserialize;

use crate::cli::bench::measure::Counts;
use crate::cli::bench::run::Bench;
use crate::cli::layout;
use crate::cli::run::client_settings;
use crate::config::Settings;
use crate::stream::log_reader::LogReader;
use crate::stream::processor::InputPartition;
use crate::stream::record::Incoming;
use crate::stream::topics::{Role, Topic};

/// So many people review.
const REVIEWERS: usize = 40;

/// The open cases, as their reviewers saw them, lane by lane in turn.
pub(super) struct Orders {
    cases: Vec<Seen>,
    /// Records of `cases` that a restore reads, and their keys and values in bytes.
    pub records: u64,
    pub bytes: u64,
    /// Bytes of all events in them.
    pub event_bytes: u64,
}

/// A case, as much of it as a verdict names.
struct Seen {
    lane: i32,
    id: String,
    hash: String,
}

#[derive(Deserialize)]
struct WireCase<'a> {
    decision_id: String,
    view: WireView,
    #[serde(borrow)]
    event: &'a serde_json::value::RawValue,
}

#[derive(Deserialize)]
struct WireView {
    hash: String,
}

impl Orders {
    /// Reads the cases that a gate has just opened.
    pub fn read(settings: &Settings) -> Result<Self, String> {
        let mut orders = Self { cases: Vec::new(), records: 0, bytes: 0, event_bytes: 0 };
        let (mut lanes, mut unreadable) = (Vec::new(), None);
        read_all(settings, Topic::Cases, |record| {
            orders.records += 1;
            let value = record.value.unwrap_or_default();
            orders.bytes += (record.key.map_or(0, <[u8]>::len) + value.len()) as u64;
            match serde_json::from_slice::<WireCase<'_>>(value) {
                Ok(case) => {
                    orders.event_bytes += case.event.get().len() as u64;
                    lanes.push(Seen { lane: record.partition, id: case.decision_id, hash: case.view.hash });
                }
                Err(error) => unreadable = Some(format!("a case cannot be read: {error}")),
            }
        })?;
        if let Some(reason) = unreadable {
            return Err(reason);
        }
        orders.cases = in_turn(lanes);
        Ok(orders)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// Sends `count` of them from `first` on.
    pub fn play(
        &self,
        bench: &Bench<'_>,
        topic: &str,
        first: usize,
        count: u64,
        rate: Option<f64>,
        counts: &Counts,
    ) -> Result<(), String> {
        bench.play(topic, count, rate, counts, &mut |number, offer| {
            let place = first + usize::try_from(number).unwrap_or(0);
            let case = &self.cases[place];
            offer(Some(case.lane), case.id.as_bytes(), case.approval(place).as_bytes());
        })
    }
}

impl Seen {
    fn approval(&self, number: usize) -> String {
        let Self { id, hash, .. } = self;
        format!(
            r#"{{"command_id":"{number:08x}-0000-4000-8000-{number:012x}","decision_id":"{id}","action":"approve","seen":{{"seq":0,"hash":"{hash}"}},"#
        ) + &format!(
            r#""reviewer":{{"id":"reviewer-{}","groups":["reviewers"]}},"reason":{{"code":"confirmed","text":"Looked at it; nothing is wrong with it."}},"channel":"bench"}}"#,
            number % REVIEWERS
        )
    }
}

/// One of each lane, then one of each again: a lane alone would be another workload.
fn in_turn(cases: Vec<Seen>) -> Vec<Seen> {
    let mut counts: Vec<usize> = Vec::new();
    let mut placed: Vec<(usize, Seen)> = Vec::with_capacity(cases.len());
    for case in cases {
        let lane = usize::try_from(case.lane).unwrap_or(0);
        counts.resize(counts.len().max(lane + 1), 0);
        placed.push((counts[lane], case));
        counts[lane] += 1;
    }
    placed.sort_by_key(|(place, case)| (*place, case.lane));
    placed.into_iter().map(|(_, case)| case).collect()
}

/// How many approvals action services see.
pub(super) fn approved(settings: &Settings) -> Result<u64, String> {
    #[derive(Deserialize)]
    struct Disposition {
        outcome: String,
    }
    let mut approved = 0;
    read_all(settings, Topic::Dispositions, |record| {
        let disposition = serde_json::from_slice::<Disposition>(record.value.unwrap_or_default());
        approved += u64::from(disposition.is_ok_and(|disposition| disposition.outcome == "APPROVED"));
    })?;
    Ok(approved)
}

/// Reads a topic that has a partition for every lane, as it is committed now.
fn read_all(settings: &Settings, topic: Topic, mut each: impl FnMut(&Incoming<'_>)) -> Result<(), String> {
    let mut log = LogReader::open(&client_settings(settings, Role::Sidecar)).map_err(|fault| fault.sentence)?;
    for lane in 0..i32::from(settings.topics.lanes) {
        let partition = InputPartition { topic: topic.name(&layout(settings)), partition: lane };
        log.read_state(&partition, &mut each).map_err(|fault| fault.sentence)?;
    }
    Ok(())
}
