//! Trusted facts about subjects: where they come from, and the bounds of each source.

use std::time::Duration;

use super::read::{MAX_ITEMS, MAX_NAME, MAX_TOPIC, timeout, topic};
use crate::document::{DAY, Field, HOUR, MINUTE, Map, SECOND};
use crate::reference::TableBounds;

const MILLISECOND: Duration = Duration::from_millis(1);
/// The longest URL of an HTTP source, in bytes.
const MAX_URL: usize = 2_048;
/// What an HTTP source's URL has in the place of the subject's id.
pub const SUBJECT_PLACE: &str = "{subject_id}";

/// A source of trusted facts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reference {
    /// Its name in policies.
    pub name: String,
    /// The member that says since when a record is true.
    pub as_of: Option<String>,
    /// Where the records are.
    pub source: ReferenceSource,
}

impl Reference {
    /// The topic, where it is one.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        match &self.source {
            ReferenceSource::Topic(bounds) => Some(&bounds.topic),
            ReferenceSource::Http(_) => None,
        }
    }
}

/// Where trusted records are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReferenceSource {
    /// In a compacted topic, all of which is kept in memory.
    Topic(TopicReferenceBounds),
    /// Behind an HTTP address, asked for each subject.
    Http(HttpReference),
}

/// A topic of trusted facts by subject, and how much of it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicReferenceBounds {
    /// The topic.
    pub topic: String,
    /// How much of it fits.
    pub bounds: TableBounds,
    /// How long it may not be known to be read to its end.
    pub max_age: Duration,
}

/// A service that answers for one subject at a time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpReference {
    /// Its address, with [`SUBJECT_PLACE`] where the subject's id belongs.
    pub url: String,
    /// How long a batch of events waits for its answers, all of them together.
    pub deadline: Duration,
    /// So many questions are open at once.
    pub concurrency: u16,
    /// So many failures in a row open the breaker: nothing is asked any more.
    pub breaker_failures: u32,
    /// After so long one question is tried.
    pub breaker_open_for: Duration,
    /// So many answers are kept.
    pub cache_entries: usize,
    /// For so long.
    pub cache_ttl: Duration,
}

/// Reads the list.
pub(super) fn references(field: &Field<'_>) -> Vec<Reference> {
    let mut names: Vec<String> = Vec::new();
    let mut read = |map: &Map<'_>| {
        let name_field = map.required("name");
        let (name, as_of) = (name_field.text(MAX_NAME), map.key("as_of").text(MAX_NAME));
        let (topic, http) = (topic_reference(map), http_reference(map));
        let source = match (map.has("topic"), map.has("url")) {
            (true, false) => topic.map(ReferenceSource::Topic),
            (false, true) => http.map(ReferenceSource::Http),
            (true, true) => {
                map.problem("has a `topic` and a `url`; make two references of it");
                None
            }
            (false, false) => {
                map.problem("says nothing about where the records are: give a `topic` or a `url`");
                None
            }
        };
        let name = name?;
        if names.contains(&name) {
            return name_field.refused(format!("another reference has the name `{name}` already"));
        }
        names.push(name.clone());
        Some(Reference { name, as_of, source: source? })
    };
    field.list(0..=MAX_ITEMS, |item| item.map(&mut read).flatten()).unwrap_or_default()
}

/// The value of `key`, which has a meaning only beside `other`.
fn only_with<'m>(map: &Map<'m>, key: &'static str, other: &str) -> Field<'m> {
    let field = map.key(key);
    if !field.is_absent() && !map.has(other) {
        field.problem(format!("belongs to a reference with a `{other}`"));
    }
    field
}

fn topic_reference(map: &Map<'_>) -> Option<TopicReferenceBounds> {
    let topic = topic(&map.key("topic"), MAX_TOPIC);
    let field = |key| only_with(map, key, "topic");
    let usual = TableBounds::default();
    let bounds = TableBounds {
        records: field("max_records").integer(1..=1_000_000_000).unwrap_or(usual.records),
        bytes: field("max_bytes").integer(65_536..=1_099_511_627_776).unwrap_or(usual.bytes),
    };
    let max_age = timeout(&field("max_age"), SECOND..=DAY, SECOND * 30);
    Some(TopicReferenceBounds { topic: topic?, bounds, max_age })
}

fn http_reference(map: &Map<'_>) -> Option<HttpReference> {
    let url = url(&map.key("url"));
    let field = |key| only_with(map, key, "url");
    let deadline = timeout(&field("deadline"), MILLISECOND..=SECOND * 10, MILLISECOND * 50);
    let concurrency = field("concurrency").integer(1..=256).unwrap_or(16);
    let breaker = field("breaker").map(|breaker| {
        let failures = breaker.key("failures").integer(1..=1_000_000).unwrap_or(BREAKER.0);
        (failures, timeout(&breaker.key("open_for"), MILLISECOND * 100..=HOUR, BREAKER.1))
    });
    let cache = field("cache").map(|cache| {
        let entries = cache.key("entries").integer(1..=10_000_000).unwrap_or(CACHE.0);
        (entries, timeout(&cache.key("ttl"), MILLISECOND..=DAY, CACHE.1))
    });
    let (breaker_failures, breaker_open_for) = breaker.unwrap_or(BREAKER);
    let (cache_entries, cache_ttl) = cache.unwrap_or(CACHE);
    let url = url?;
    Some(HttpReference { url, deadline, concurrency, breaker_failures, breaker_open_for, cache_entries, cache_ttl })
}

/// Failures that open the breaker, and how long it stays open, where nothing is said.
const BREAKER: (u32, Duration) = (5, Duration::from_secs(30));
/// Answers that are kept, and for how long, where nothing is said.
const CACHE: (usize, Duration) = (10_000, MINUTE);

fn url(field: &Field<'_>) -> Option<String> {
    let url = field.text(MAX_URL)?;
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let Some(path) = rest.and_then(|rest| rest.split_once('/')).map(|(_, path)| path) else {
        return field.refused(
            "must begin with `http://` or `https://`, a host and a `/`, such as `http://bureau:8080/subjects/{subject_id}`",
        );
    };
    if path.matches(SUBJECT_PLACE).count() != 1 {
        return field.refused(format!("must have `{SUBJECT_PLACE}` once behind the host, where the subject's id belongs"));
    }
    Some(url)
}
