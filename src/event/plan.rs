//! Which members of an event's maps anybody will ask for.

use hashbrown::HashTable;

use super::keys::fingerprint;

/// Where a planned member's value is found: what an expression keeps instead of a name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Slot(u32);

impl Slot {
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The maps of an event whose members have slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Map {
    Features,
    Probabilities,
    Protected,
    Explanation,
}

#[derive(Clone, Debug)]
struct Member {
    name: Box<str>,
    slot: Slot,
}

/// The members of the maps `features`, `probabilities`, `protected` and `explanation` that the policies read.
///
/// Filled while policies are compiled; the same path always has the same slot. The named fields need no plan, they are
/// always decoded.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    members: [HashTable<Member>; 4],
    len: u32,
}

impl Plan {
    /// The slot of `features.<name>`: a number, a text or a bool.
    pub fn feature(&mut self, name: &str) -> Slot {
        self.intern(Map::Features, name)
    }

    /// The slot of `probabilities.<label>`: a number from 0 to 1.
    pub fn probability(&mut self, label: &str) -> Slot {
        self.intern(Map::Probabilities, label)
    }

    /// The slot of `protected.<name>`: a text.
    pub fn protected(&mut self, name: &str) -> Slot {
        self.intern(Map::Protected, name)
    }

    /// The slot of `explanation.<name>`: a number.
    pub fn explanation(&mut self, name: &str) -> Slot {
        self.intern(Map::Explanation, name)
    }

    /// How many slots there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The slot of the member `name` of `map`, whose fingerprint is known, if it is planned.
    pub(super) fn slot(&self, map: Map, name: &str, fingerprint: u64) -> Option<Slot> {
        self.members[map as usize].find(fingerprint, |member| *member.name == *name).map(|member| member.slot)
    }

    fn intern(&mut self, map: Map, name: &str) -> Slot {
        let hash = fingerprint(name);
        if let Some(slot) = self.slot(map, name, hash) {
            return slot;
        }
        let slot = Slot(self.len);
        self.len = self.len.checked_add(1).expect("four billion names do not fit into memory");
        let member = Member { name: name.into(), slot };
        self.members[map as usize].insert_unique(hash, member, |member| fingerprint(&member.name));
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_path_has_the_same_slot_and_no_other_has_it() {
        let mut plan = Plan::default();
        assert!(plan.is_empty());
        let age = plan.feature("age");
        let others = [plan.probability("age"), plan.protected("age"), plan.explanation("age"), plan.feature("Age")];
        assert!(!others.contains(&age));
        for n in 0..1_000 {
            plan.feature(&format!("feature-{n}"));
        }
        assert_eq!(plan.feature("age"), age);
        assert_eq!(plan.probability("age"), others[0]);
        assert_eq!(plan.len(), 1_005);
    }
}
