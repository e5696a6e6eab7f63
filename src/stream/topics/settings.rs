//! The broker settings that each topic needs, and why.

use serde::Serialize;

use super::finding::Severity;
use super::layout::{Topic, TopicLayout};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const MIB: i64 = 1024 * 1024;

/// How a broker's value is held against the wanted one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Any other value is wrong.
    Exactly,
    /// More is as good; −1, Kafka's "without end", is the most.
    AtLeast,
    /// More is as good, but an end there must be: what lies here is personal data.
    AtLeastFinite,
    /// Less is as good.
    AtMost,
}

/// One setting that a topic is created with and checked for.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Setting {
    /// Kafka's name of it.
    pub key: &'static str,
    /// The value that a topic is created with.
    pub value: String,
    /// Which other values will do.
    pub bound: Bound,
    /// What a wrong value means.
    pub severity: Severity,
    /// What the value is for, as half a sentence.
    pub why: &'static str,
}

impl Setting {
    fn warned(key: &'static str, value: impl ToString, bound: Bound, why: &'static str) -> Self {
        Self { key, value: value.to_string(), bound, severity: Severity::Warning, why }
    }

    fn fatal(key: &'static str, value: &str, why: &'static str) -> Self {
        Self { key, value: value.to_owned(), bound: Bound::Exactly, severity: Severity::Fatal, why }
    }

    /// Whether the broker's value will do. A value that is no number where one belongs will not.
    #[must_use]
    pub fn allows(&self, found: &str) -> bool {
        if self.bound == Bound::Exactly {
            return found == self.value;
        }
        let (Some(found), Some(wanted)) = (magnitude(found), magnitude(&self.value)) else { return false };
        match self.bound {
            Bound::AtMost => found <= wanted,
            Bound::AtLeastFinite => found >= wanted && found.is_finite(),
            Bound::AtLeast | Bound::Exactly => found >= wanted,
        }
    }
}

/// A setting as a number to compare by; −1 is Kafka's "without end".
fn magnitude(value: &str) -> Option<f64> {
    value.parse::<f64>().ok().map(|number| if number < 0.0 { f64::INFINITY } else { number })
}

/// All settings of `topic`.
pub(super) fn wanted(topic: Topic, layout: &TopicLayout) -> Vec<Setting> {
    let mut settings = vec![cleanup(topic), timestamps(topic)];
    settings.extend(durability(layout));
    settings.extend(of_kind(topic));
    settings
}

fn cleanup(topic: Topic) -> Setting {
    let compact = |why| Setting::fatal("cleanup.policy", "compact", why);
    let delete = |why| Setting::fatal("cleanup.policy", "delete", why);
    match topic {
        Topic::Audit => compact("with unique keys compaction drops nothing, and the trail is kept for good"),
        Topic::Dispositions => compact("the last word on every decision is kept for good"),
        Topic::Cases => compact("every open case is restored from here, however old it is"),
        Topic::Archive => compact("a closed case stays until a tombstone erases it"),
        Topic::Progress => compact("the last record of each input partition says where to go on"),
        Topic::Signals | Topic::Control => compact("what is in force stays, however long ago it was said"),
        Topic::Reviews => delete("a work feed that holds personal data and therefore expires; open cases are in `cases`"),
        Topic::Verdicts => delete("each command counts, also the earlier ones on a case"),
        Topic::Tallies => delete("each transaction's counts matter; records with one key do not replace each other"),
        Topic::DeadLetters => delete("each record matters, and personal data expires"),
    }
}

fn timestamps(topic: Topic) -> Setting {
    const KEY: &str = "message.timestamp.type";
    if topic == Topic::Verdicts {
        return Setting::fatal(KEY, "LogAppendTime", "the append time is the case's clock, so no sender may choose it");
    }
    Setting::warned(KEY, "CreateTime", Bound::Exactly, "records carry the time of the turn that wrote them")
}

fn durability(layout: &TopicLayout) -> [Setting; 3] {
    let in_sync = layout.replication.clamp(1, 2);
    [
        Setting::warned("min.insync.replicas", in_sync, Bound::AtLeast, "a committed record must survive the loss of one broker"),
        Setting::warned("unclean.leader.election.enable", false, Bound::Exactly, "a stale leader would lose committed records"),
        Setting::warned(
            "compression.type",
            "producer",
            Bound::Exactly,
            "brokers keep batches as sent and need not recompress them",
        ),
    ]
}

fn of_kind(topic: Topic) -> Vec<Setting> {
    match topic {
        Topic::Audit => vec![uncompacted_for(7 * DAY_MS, "should a key ever repeat, both entries can still be looked at")],
        Topic::Dispositions => vec![uncompacted_for(DAY_MS, "a reader that was away sees each word, not only the last")],
        Topic::Cases => {
            let mut settings = vec![whole_events(), uncompacted_for(HOUR_MS, "followers see each change of a case")];
            settings.extend(restored_fast(64 * MIB, HOUR_MS, DAY_MS));
            settings
        }
        Topic::Archive => {
            vec![whole_events(), compacted_within(DAY_MS, "an erased case is gone about a day after its tombstone")]
        }
        Topic::Progress => restored_fast(16 * MIB, 10 * MINUTE_MS, 10 * MINUTE_MS),
        Topic::Signals | Topic::Control => restored_fast(16 * MIB, HOUR_MS, HOUR_MS),
        Topic::Reviews => {
            let mut settings = vec![whole_events()];
            settings.extend(kept(
                30 * DAY_MS,
                Bound::AtLeastFinite,
                "longer than any case stays open, and personal data expires",
            ));
            settings
        }
        Topic::Verdicts => kept(
            30 * DAY_MS,
            Bound::AtLeastFinite,
            "longer than any stop of the sidecar, so that no command is lost; reviewers' words expire",
        ),
        Topic::Tallies => {
            kept(7 * DAY_MS, Bound::AtLeast, "longer than any stop of the monitor, which goes on from its snapshot")
        }
        Topic::DeadLetters => {
            let mut settings = vec![whole_events()];
            let why = "time to mend the producer and play the records again, and personal data expires";
            settings.extend(kept(90 * DAY_MS, Bound::AtLeastFinite, why));
            settings
        }
    }
}

/// An event of 1 MiB, the default bound, and what a case or a dead letter adds to it.
fn whole_events() -> Setting {
    Setting::warned("max.message.bytes", 2 * MIB, Bound::AtLeast, "a record carries a whole event; larger ones go by reference")
}

fn uncompacted_for(lag_ms: i64, why: &'static str) -> Setting {
    Setting::warned("min.compaction.lag.ms", lag_ms, Bound::AtLeast, why)
}

fn compacted_within(lag_ms: i64, why: &'static str) -> Setting {
    Setting::warned("max.compaction.lag.ms", lag_ms, Bound::AtMost, why)
}

/// Small segments that are cleaned soon. Only closed segments are ever compacted, and a start reads the whole partition.
fn restored_fast(segment_bytes: i64, segment_ms: i64, compacted_within_ms: i64) -> Vec<Setting> {
    const WHY: &str = "a start reads this topic from its beginning, so it is kept short";
    vec![
        Setting::warned("segment.bytes", segment_bytes, Bound::AtMost, WHY),
        Setting::warned("segment.ms", segment_ms, Bound::AtMost, WHY),
        compacted_within(compacted_within_ms, WHY),
        Setting::warned("min.cleanable.dirty.ratio", 0.1, Bound::AtMost, WHY),
    ]
}

/// Kept by time alone. Only closed segments expire, hence one a day.
fn kept(retention_ms: i64, bound: Bound, why: &'static str) -> Vec<Setting> {
    vec![
        Setting::warned("retention.ms", retention_ms, bound, why),
        Setting::warned("retention.bytes", -1, Bound::AtLeast, "time alone decides how long records stay, not their number"),
        Setting::warned("segment.ms", DAY_MS, Bound::AtMost, "only closed segments expire"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(value: &str, bound: Bound) -> Setting {
        Setting { key: "k", value: value.to_owned(), bound, severity: Severity::Warning, why: "" }
    }

    #[test]
    fn bounds_are_held_from_the_right_side() {
        for (wanted, bound, allowed, refused) in [
            ("compact", Bound::Exactly, "compact", "compact,delete"),
            ("10", Bound::AtLeast, "10", "9"),
            ("10", Bound::AtLeast, "-1", "0"),
            ("-1", Bound::AtLeast, "-1", "9223372036854775807"),
            ("10", Bound::AtLeastFinite, "11", "-1"),
            ("10", Bound::AtLeastFinite, "10", "9"),
            ("10", Bound::AtMost, "10", "11"),
            ("0.1", Bound::AtMost, "0.05", "0.5"),
            ("10", Bound::AtMost, "1", "9223372036854775807"),
            ("10", Bound::AtMost, "1", "many"),
        ] {
            let setting = setting(wanted, bound);
            assert!(setting.allows(allowed), "{allowed} for {wanted} {bound:?}");
            assert!(!setting.allows(refused), "{refused} for {wanted} {bound:?}");
        }
    }

    /// Brokers refuse a topic whose two lags cross.
    #[test]
    fn compaction_lags_do_not_cross() {
        for topic in Topic::ALL {
            let settings = wanted(topic, &TopicLayout::default());
            let lag = |key| settings.iter().find(|setting| setting.key == key).and_then(|setting| magnitude(&setting.value));
            let (min, max) = (lag("min.compaction.lag.ms"), lag("max.compaction.lag.ms"));
            assert!(min.unwrap_or(0.0) <= max.unwrap_or(f64::INFINITY), "{topic:?}");
        }
    }

    #[test]
    fn no_topic_names_a_setting_twice() {
        for topic in Topic::ALL {
            let settings = wanted(topic, &TopicLayout::default());
            let mut keys: Vec<_> = settings.iter().map(|setting| setting.key).collect();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), settings.len(), "{topic:?}");
        }
    }

    #[test]
    fn one_copy_is_in_sync_with_itself() {
        for (replication, in_sync) in [(1, "1"), (2, "2"), (3, "2")] {
            assert_eq!(durability(&TopicLayout { replication, ..TopicLayout::default() })[0].value, in_sync);
        }
    }
}
