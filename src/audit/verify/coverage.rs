//! The input of a gate's chain: each offset is decided once, or passed over by a GAP.

use super::Extent;
use super::chains::At;
use super::entry::{Entry, Kind};
use super::finding::{Damage, Findings};

/// How far a gate's chain covers its input partition.
#[derive(Default)]
pub(super) struct Coverage {
    /// The first offset that no entry was about; none where that is not known.
    next: Reached,
    row: Option<u64>,
}

/// How far the input was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reached {
    Unknown,
    Before(i64),
}

impl Default for Reached {
    fn default() -> Self {
        Self::Before(0)
    }
}

/// Input offsets that no entry is about.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Holes {
    pub count: u64,
    pub offsets: u64,
    pub first: Option<String>,
}

impl Coverage {
    /// An entry is not there or not known: what it was about is not known either.
    pub fn forget(&mut self) {
        *self = Self { next: Reached::Unknown, row: None };
    }

    /// Takes the next entry of the chain `id`.
    pub fn take(
        &mut self,
        (id, entry): (&str, &Entry<'_>),
        at: &At<'_>,
        (extent, holes): (Extent, &mut Holes),
        findings: &mut Findings,
    ) {
        let Some(input) = entry.input else { return };
        let row = (entry.kind != Kind::Gap).then_some(entry.row);
        if let Reached::Before(next) = self.next {
            // The rows of a batch are decisions of the same record.
            let same_record = next == input.first + 1 && self.row.is_some_and(|before| row.is_some_and(|row| row > before));
            if input.first < next && !same_record {
                let (first, last) = (input.first, next - 1);
                let sentence =
                    format!("the chain {id} has decided its input up to offset {last}, and this entry is about {first}");
                findings.add(Damage::InputTwice, at.place(), sentence);
                return;
            }
            if input.first > next && extent == Extent::Whole {
                holes.add(id, next, input.first - 1);
            }
        }
        *self = Self { next: Reached::Before(input.last.saturating_add(1)), row };
    }
}

impl Holes {
    #[cold]
    fn add(&mut self, id: &str, from: i64, to: i64) {
        self.count += 1;
        self.offsets += to.abs_diff(from) + 1;
        self.first.get_or_insert_with(|| {
            if from == to { format!("offset {from} of {id}") } else { format!("offsets {from} to {to} of {id}") }
        });
    }
}
