//! How often each protected subgroup is held, under two sets of policies.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

/// Attributes that are told apart, and levels of each; what is beyond is counted together.
const ATTRIBUTES_MAX: usize = 16;
const LEVELS_MAX: usize = 64;

/// How many events there were, and how many of them each side held.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Held {
    /// Events.
    pub events: u64,
    /// Held by the first and the second side.
    pub held: [u64; 2],
}

impl Held {
    /// The share that a side held; 0 of nothing.
    #[must_use]
    pub fn share(&self, side: usize) -> f64 {
        if self.events == 0 { 0.0 } else { self.held[side] as f64 / self.events as f64 }
    }

    fn add(&mut self, held: [bool; 2]) {
        self.events += 1;
        for (count, held) in self.held.iter_mut().zip(held) {
            *count += u64::from(held);
        }
    }
}

/// One protected attribute.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Attribute {
    /// Its levels, in the order of their names: the first 64 that came.
    pub levels: BTreeMap<String, Held>,
    /// All other levels together.
    pub other: Held,
}

/// Counts by every level of every attribute below `protected`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Subgroups {
    attributes: BTreeMap<String, Attribute>,
    /// Members of further attributes than are told apart.
    pub other: u64,
}

/// Calls `each` with every attribute below `protected` of an event, given as its JSON, and its level.
pub(super) fn each_level(event: &[u8], mut each: impl FnMut(&str, &str)) {
    let Ok(Protected { protected: Some(members) }) = serde_json::from_slice(event) else { return };
    for (attribute, level) in &members {
        if let Some(level) = level {
            each(attribute, level);
        }
    }
}

/// What is read of an event here; the decoder reads only what policies ask for.
#[derive(Deserialize)]
struct Protected<'a> {
    #[serde(borrow, default)]
    protected: Option<BTreeMap<Cow<'a, str>, Option<Cow<'a, str>>>>,
}

impl Subgroups {
    /// Counts an event, given as its JSON, and which sides held it. One that is no JSON object with texts below `protected`
    /// belongs to no subgroup.
    pub fn count(&mut self, event: &[u8], held: [bool; 2]) {
        each_level(event, |attribute, level| match self.attribute(attribute) {
            Some(attribute) => attribute.level(level).add(held),
            None => self.other += 1,
        });
    }

    /// The attributes, in the order of their names.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.attributes.iter().map(|(name, attribute)| (name.as_str(), attribute))
    }

    fn attribute(&mut self, name: &str) -> Option<&mut Attribute> {
        if !self.attributes.contains_key(name) {
            if self.attributes.len() == ATTRIBUTES_MAX {
                return None;
            }
            self.attributes.insert(name.to_owned(), Attribute::default());
        }
        self.attributes.get_mut(name)
    }
}

impl Attribute {
    fn level(&mut self, name: &str) -> &mut Held {
        if !self.levels.contains_key(name) {
            if self.levels.len() == LEVELS_MAX {
                return &mut self.other;
            }
            self.levels.insert(name.to_owned(), Held::default());
        }
        self.levels.get_mut(name).unwrap_or(&mut self.other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_counted_and_escapes_make_no_other_one() {
        let mut groups = Subgroups::default();
        groups.count(br#"{"event_id":"a","protected":{"sex":"F","region":null},"features":{"protected":1}}"#, [true, false]);
        groups.count(br#"{"protected":{"sex":"\u0046"}}"#, [true, true]);
        groups.count(br#"{"protected":{"sex":"M"}}"#, [false, false]);
        for no_group in [&b"{}"[..], b"", b"[]", br#"{"protected":null}"#, br#"{"protected":{"sex":7}}"#] {
            groups.count(no_group, [true, true]);
        }
        let sex = &groups.attributes["sex"];
        assert_eq!(sex.levels["F"], Held { events: 2, held: [2, 1] });
        assert_eq!(sex.levels["M"], Held { events: 1, held: [0, 0] });
        assert_eq!((groups.attributes.len(), sex.levels.len(), groups.other), (1, 2, 0));
        assert!((sex.levels["F"].share(1) - 0.5).abs() < f64::EPSILON && Held::default().share(0).abs() < f64::EPSILON);
    }

    #[test]
    fn what_a_producer_invents_takes_no_more_room() {
        let mut groups = Subgroups::default();
        for number in 0..1_000 {
            let event = format!(r#"{{"protected":{{"a{number}":"x","same":"level {number}"}}}}"#);
            groups.count(event.as_bytes(), [false, true]);
        }
        assert_eq!(groups.attributes.len(), ATTRIBUTES_MAX);
        let same = &groups.attributes["same"];
        assert_eq!((same.levels.len(), same.other.events, groups.other), (LEVELS_MAX, 1_000 - 64, 1_000 - 15));
    }
}
