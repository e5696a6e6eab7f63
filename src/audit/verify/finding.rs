//! What is found wrong: one kind of damage after the other, each with its first record.

use crate::json::{ObjectWriter, object};

/// A kind of damage.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Damage {
    /// A line or record that cannot be read.
    Unreadable,
    /// An entry is not what its writer wrote.
    ChangedByte,
    /// An entry is missing.
    Removed,
    /// There is an entry too many.
    Inserted,
    /// Entries do not lie in the order in which they were written.
    Swapped,
    /// Two entries follow the same one.
    Forked,
    /// A signed head names an entry behind the end of its chain.
    CutTail,
    /// A signed head names another entry than the one in its place.
    Rewritten,
    /// A head is not signed with the key.
    UnsignedHead,
    /// A trail says what cannot have happened.
    IllegalTrail,
    /// An input record was decided twice, or out of its order.
    InputTwice,
    /// Input offsets were never decided, which was to be a failure.
    Hole,
    /// A disposition is not the last word of its trail.
    DispositionDisagrees,
    /// A case is not as its trail left it.
    CaseDisagrees,
}

impl Damage {
    const COUNT: usize = Self::CaseDisagrees as usize + 1;

    /// Its name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::ChangedByte => "changed-byte",
            Self::Removed => "removed",
            Self::Inserted => "inserted",
            Self::Swapped => "swapped",
            Self::Forked => "forked",
            Self::CutTail => "cut-tail",
            Self::Rewritten => "rewritten",
            Self::UnsignedHead => "unsigned-head",
            Self::IllegalTrail => "illegal-trail",
            Self::InputTwice => "input-twice",
            Self::Hole => "hole",
            Self::DispositionDisagrees => "disposition-disagrees",
            Self::CaseDisagrees => "case-disagrees",
        }
    }
}

/// Where a record lies.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// Its line in the input, from 1; 0 for what has no line.
    pub line: u64,
    /// Its topic.
    pub topic: String,
    /// Partition of it.
    pub partition: i32,
    /// Offset in that.
    pub offset: i64,
    /// Its key.
    pub key: Option<String>,
}

/// One kind of damage, by its first record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The kind.
    pub damage: Damage,
    /// The first bad record; for what is missing, the first one that shows it.
    pub place: Place,
    /// What is wrong with it.
    pub sentence: String,
    /// How often this kind was found. One change may be found in several places.
    pub count: u64,
}

impl Finding {
    pub(super) fn write(&self, object: &mut ObjectWriter<'_>) {
        object.text("damage", self.damage.as_str());
        object.integer("count", i64::try_from(self.count).unwrap_or(i64::MAX));
        object.object("first", |first| {
            let has_record = !self.place.topic.is_empty();
            first.text("topic", has_record.then_some(self.place.topic.as_str()));
            first.integer("partition", has_record.then_some(i64::from(self.place.partition)));
            first.integer("offset", has_record.then_some(self.place.offset));
            first.text("key", self.place.key.as_deref());
            first.integer("line", i64::try_from(self.place.line).ok().filter(|line| *line > 0));
        });
        object.text("sentence", self.sentence.as_str());
    }
}

/// All that was found, kind by kind.
#[derive(Debug, Default)]
pub(super) struct Findings([Option<Finding>; Damage::COUNT]);

impl Findings {
    /// Notes damage. Of each kind the one that stands first in the input is kept.
    #[cold]
    pub fn add(&mut self, damage: Damage, place: Place, sentence: String) {
        let slot = &mut self.0[damage as usize];
        let count = slot.as_ref().map_or(0, |first| first.count) + 1;
        match slot {
            Some(first) if first.place.line <= place.line => first.count = count,
            _ => *slot = Some(Finding { damage, place, sentence, count }),
        }
    }

    /// Whether this kind was found.
    pub fn has(&self, damage: Damage) -> bool {
        self.0[damage as usize].is_some()
    }

    /// The kinds that were found.
    pub fn into_list(self) -> Vec<Finding> {
        self.0.into_iter().flatten().collect()
    }
}

/// So many, and what they are, and how many of them hold up: the whole result.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// What was counted, by name, in the order in which it is shown.
    pub counts: Vec<(&'static str, u64)>,
    /// What a reader should know, though it is no damage.
    pub notes: Vec<String>,
    /// The damage; none where everything is as it was written.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether no damage was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// What was counted under `name`.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.counts.iter().find(|(known, _)| *known == name).map_or(0, |(_, count)| *count)
    }

    /// Writes it as one JSON object into `out`.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        object(out, |report| {
            report.truth("clean", self.is_clean());
            report.object("counts", |counts| {
                for (name, count) in &self.counts {
                    counts.integer(name, i64::try_from(*count).unwrap_or(i64::MAX));
                }
            });
            report.texts("notes", self.notes.iter().map(String::as_str));
            report.objects("damage", &self.findings, |object, finding| finding.write(object));
        });
    }
}
