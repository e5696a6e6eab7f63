//! The dedup window of one input partition: which events were seen in its last `window` offsets.
//!
//! A ring of sightings in offset order, and an index from event key to the latest sighting. What a transaction adds is
//! staged: [`DedupWindow::roll_back`] leaves no trace of it. Memory: about 64 bytes a sighting, bounded by the window.

use std::collections::VecDeque;

use hashbrown::HashTable;
use sha2::{Digest, Sha256};

use crate::identity::{Hash, Timestamp};

/// What makes two records the same event within one source: its `event_id` and row, as half a SHA-256, so that no
/// producer can make two events look like one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventKey([u8; 16]);

impl EventKey {
    /// The key of row `row` of `event_id`.
    #[must_use]
    pub fn of(event_id: &str, row: u32) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(row.to_be_bytes());
        hasher.update(event_id.as_bytes());
        let hash: [u8; 32] = hasher.finalize().into();
        Self(first_half(hash))
    }

    /// The table's hash: the key is one already.
    fn table_hash(self) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[..8]);
        u64::from_ne_bytes(bytes)
    }
}

fn first_half(hash: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hash[..16]);
    half
}

/// One sighting of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sighting {
    /// Offset of its record.
    pub offset: i64,
    /// Append time of its record.
    pub appended_at: Option<Timestamp>,
}

/// What the window says of a new sighting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// For the first time within the window.
    First,
    /// Before, with the same bytes.
    Same(Sighting),
    /// Before, with other bytes.
    Other(Sighting),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: EventKey,
    content: [u8; 16],
    sighting: Sighting,
    /// Serial of the sighting before of the same key; itself where there is none.
    before: u64,
}

/// The window. See the module.
#[derive(Debug)]
pub struct DedupWindow {
    window: i64,
    ring: VecDeque<Entry>,
    /// Serial of the ring's first entry; serials count up for ever.
    first_serial: u64,
    committed: u64,
    index: HashTable<u64>,
}

impl DedupWindow {
    /// An empty window over `window` offsets; 0 remembers nothing.
    #[must_use]
    pub fn new(window: u32) -> Self {
        Self { window: i64::from(window), ring: VecDeque::new(), first_serial: 0, committed: 0, index: HashTable::new() }
    }

    /// Records that the event `key` with bytes of hash `content` was seen, and says whether it was before. Offsets rise
    /// from call to call.
    pub fn see(&mut self, key: EventKey, content: Hash, sighting: Sighting) -> Seen {
        if self.window == 0 {
            return Seen::First;
        }
        let serial = self.first_serial + self.ring.len() as u64;
        let content = first_half(content.0);
        let (ring, first) = (&self.ring, self.first_serial);
        let latest = self.index.find_mut(key.table_hash(), |&serial| entry(ring, first, serial).key == key);
        let (seen, before) = match latest {
            None => {
                self.index.insert_unique(key.table_hash(), serial, |&serial| entry(ring, first, serial).key.table_hash());
                (Seen::First, serial)
            }
            Some(latest) => {
                let before = *entry(ring, first, *latest);
                let before_serial = std::mem::replace(latest, serial);
                let seen = if sighting.offset - before.sighting.offset >= self.window {
                    Seen::First
                } else if before.content == content {
                    Seen::Same(before.sighting)
                } else {
                    Seen::Other(before.sighting)
                };
                (seen, before_serial)
            }
        };
        self.ring.push_back(Entry { key, content, sighting, before });
        seen
    }

    /// The transaction was committed: its sightings stand, and what `next_offset` has left behind is dropped.
    pub fn commit(&mut self, next_offset: i64) {
        self.committed = self.first_serial + self.ring.len() as u64;
        while let Some(oldest) = self.ring.front().filter(|oldest| next_offset - oldest.sighting.offset >= self.window) {
            let serial = self.first_serial;
            if let Ok(latest) = self.index.find_entry(oldest.key.table_hash(), |&latest| latest == serial) {
                latest.remove();
            }
            self.ring.pop_front();
            self.first_serial += 1;
        }
    }

    /// The transaction was aborted: the sightings since the last commit are forgotten.
    pub fn roll_back(&mut self) {
        while self.first_serial + (self.ring.len() as u64) > self.committed {
            let Some(last) = self.ring.pop_back() else { break };
            let serial = self.first_serial + self.ring.len() as u64;
            let Ok(mut latest) = self.index.find_entry(last.key.table_hash(), |&latest| latest == serial) else { continue };
            if last.before == serial || last.before < self.first_serial {
                latest.remove();
            } else {
                *latest.get_mut() = last.before;
            }
        }
    }

    /// How many sightings are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }
}

fn entry(ring: &VecDeque<Entry>, first_serial: u64, serial: u64) -> &Entry {
    let place = usize::try_from(serial - first_serial).expect("a place in the ring fits memory");
    &ring[place]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn at(offset: i64) -> Sighting {
        Sighting { offset, appended_at: None }
    }

    fn see(window: &mut DedupWindow, id: &str, content: &str, offset: i64) -> Seen {
        window.see(EventKey::of(id, 0), Hash::of(content.as_bytes()), at(offset))
    }

    #[test]
    fn the_previous_sighting_counts_even_if_it_was_a_duplicate() {
        let mut window = DedupWindow::new(100);
        assert_eq!(see(&mut window, "a", "1", 0), Seen::First);
        assert_eq!(see(&mut window, "a", "1", 1), Seen::Same(at(0)));
        assert_eq!(see(&mut window, "a", "2", 2), Seen::Other(at(1)));
        assert_eq!(see(&mut window, "a", "1", 3), Seen::Other(at(2)));
        assert_eq!(window.see(EventKey::of("a", 1), Hash::of(b"1"), at(4)), Seen::First);
    }

    #[test]
    fn the_window_is_a_distance_of_offsets() {
        let mut window = DedupWindow::new(10);
        see(&mut window, "a", "1", 0);
        assert_eq!(see(&mut window, "a", "1", 9), Seen::Same(at(0)));
        assert_eq!(see(&mut window, "a", "1", 19), Seen::First);
        window.commit(20);
        assert_eq!(window.len(), 1);
        assert_eq!(DedupWindow::new(0).see(EventKey::of("a", 0), Hash::of(b""), at(0)), Seen::First);
    }

    #[test]
    fn an_aborted_transaction_was_never_seen() {
        let mut window = DedupWindow::new(10);
        see(&mut window, "a", "1", 0);
        window.commit(1);
        see(&mut window, "a", "2", 1);
        see(&mut window, "b", "1", 2);
        window.roll_back();
        assert_eq!(see(&mut window, "b", "1", 2), Seen::First);
        assert_eq!(see(&mut window, "a", "2", 3), Seen::Other(at(0)));
    }

    /// The window as the contract words it, without any thought of speed.
    #[derive(Default, Clone)]
    struct Naive(HashMap<u8, (u8, i64)>);

    impl Naive {
        fn see(&mut self, id: u8, content: u8, offset: i64, window: i64) -> Seen {
            match self.0.insert(id, (content, offset)) {
                Some((_, before)) if offset - before >= window => Seen::First,
                Some((same, before)) if same == content => Seen::Same(at(before)),
                Some((_, before)) => Seen::Other(at(before)),
                None => Seen::First,
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_window(
            window in 0_u32..20,
            batches in prop::collection::vec((prop::collection::vec((0_u8..6, 0_u8..2, 1_i64..4), 0..8), any::<bool>()), 0..30),
        ) {
            let (mut fast, mut naive, mut next) = (DedupWindow::new(window), Naive::default(), 0);
            for (records, committed) in batches {
                let (mut staged, mut offset) = (naive.clone(), next);
                for (id, content, step) in records {
                    offset += step;
                    let seen = fast.see(EventKey::of(&id.to_string(), 0), Hash::of(&[content]), at(offset));
                    let expected = if window == 0 { Seen::First } else { staged.see(id, content, offset, i64::from(window)) };
                    prop_assert_eq!(seen, expected);
                }
                if committed {
                    (naive, next) = (staged, offset);
                    fast.commit(next + 1);
                    prop_assert!(fast.len() <= window as usize);
                } else {
                    fast.roll_back();
                }
            }
        }
    }
}
