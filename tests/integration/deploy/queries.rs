//! What a query in `PromQL` asks for: which metrics, by which labels. Enough of the language to hold its names against the table.

use std::collections::{BTreeMap, BTreeSet};

use jidoka::telemetry::metrics::{
    ALL, COMMIT_AGE, DECISION_AGE, Described, TIME_TO_CLAIM, TIME_TO_DECIDE, TRANSACTION_DURATION, TRANSACTION_RECORDS,
};

const HISTOGRAMS: [Described; 6] =
    [DECISION_AGE, COMMIT_AGE, TRANSACTION_DURATION, TRANSACTION_RECORDS, TIME_TO_CLAIM, TIME_TO_DECIDE];
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];
/// What Prometheus adds to every series that it scrapes.
const TARGET: [&str; 2] = ["job", "instance"];
const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Labels by the name of the series that carry them.
pub type Names = BTreeMap<String, BTreeSet<String>>;

/// One `label="value"` of a selector.
#[derive(PartialEq, Eq, Debug)]
pub struct Matcher {
    pub label: String,
    /// All that an alternative of words names, nothing where the value is a variable or a pattern.
    pub values: Vec<String>,
}

/// A metric in a query, with what it is narrowed by.
#[derive(PartialEq, Eq, Debug)]
pub struct Selector {
    pub metric: String,
    pub matchers: Vec<Matcher>,
}

/// The names in one query.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct Query {
    pub selectors: Vec<Selector>,
    /// Labels that it groups or joins by: those that its result has.
    pub grouped: BTreeSet<String>,
}

/// The series that a process of this version exposes, and what Prometheus makes of scraping it.
pub fn exposed() -> Names {
    let mut names = Names::new();
    for described in ALL {
        let labels = || described.labels.iter().chain(&TARGET).map(|label| (*label).to_owned());
        if HISTOGRAMS.contains(described) {
            for suffix in SUFFIXES {
                let le = (suffix == "_bucket").then(|| "le".to_owned());
                names.insert(format!("{}{suffix}", described.name), labels().chain(le).collect());
            }
        } else {
            names.insert(described.name.to_owned(), labels().collect());
        }
    }
    names.insert("up".to_owned(), TARGET.map(str::to_owned).into());
    names.insert("ALERTS".to_owned(), ["alertname", "alertstate", "severity"].map(str::to_owned).into());
    names
}

/// The metric of the table that a series belongs to.
pub fn metric_of(series: &str) -> &str {
    let base = SUFFIXES.iter().find_map(|suffix| series.strip_suffix(suffix));
    base.filter(|base| HISTOGRAMS.iter().any(|described| described.name == *base)).unwrap_or(series)
}

impl Query {
    /// Reads the names in `text`.
    pub fn read(text: &str) -> Self {
        let mut query = Self::default();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if first == '"' || first == '\'' {
                rest = quoted(rest).1;
            } else if is_letter(first) {
                let (name, after) = name(rest);
                rest = query.take(name, after.trim_start());
            } else {
                // A number takes the unit of its duration along: `5m` has no name in it.
                let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric()).len();
                rest = &rest[digits.max(first.len_utf8())..];
            }
        }
        query
    }

    /// Takes `name`, and what belongs to it from the beginning of `after`; the rest comes back.
    fn take<'t>(&mut self, name: &str, after: &'t str) -> &'t str {
        if let Some(labels) = after.strip_prefix('(').filter(|_| GROUPING.contains(&name)) {
            let (labels, rest) = labels.split_once(')').expect("a list of labels is closed");
            self.grouped.extend(labels.split(',').map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()));
            return rest;
        }
        let is_metric = name.starts_with("jidoka") || name == "up" || name == "ALERTS";
        let (matchers, rest) = after.strip_prefix('{').map_or_else(|| (Vec::new(), after), matchers);
        if is_metric {
            self.selectors.push(Selector { metric: name.to_owned(), matchers });
        }
        rest
    }

    /// Fails where the query names what is not in `names`.
    pub fn assert_known(&self, names: &Names, place: &str) {
        assert!(!self.selectors.is_empty(), "{place} asks for nothing of jidoka's");
        let mut labels = BTreeSet::new();
        for selector in &self.selectors {
            let known = names.get(&selector.metric).unwrap_or_else(|| panic!("{place}: there is no {}", selector.metric));
            let unknown: Vec<_> = selector.matchers.iter().filter(|matcher| !known.contains(&matcher.label)).collect();
            assert!(unknown.is_empty(), "{place}: {} has no {unknown:?}", selector.metric);
            labels.extend(known);
        }
        let unknown: Vec<_> = self.grouped.iter().filter(|label| !labels.contains(label)).collect();
        assert!(unknown.is_empty(), "{place} groups by {unknown:?}, which nothing in it has");
    }
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == ':'
}

fn name(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !is_letter(c) && !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// A text in quotes, and what follows it. None of ours has a quote in it.
fn quoted(text: &str) -> (&str, &str) {
    let (quote, inside) = text.split_at(1);
    inside.split_once(quote).expect("a text is closed")
}

/// What stands in braces, and what follows them.
fn matchers(mut text: &str) -> (Vec<Matcher>, &str) {
    let mut matchers = Vec::new();
    loop {
        text = text.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
        if let Some(rest) = text.strip_prefix('}') {
            return (matchers, rest);
        }
        let (label, after) = name(text);
        let (value, rest) = quoted(after.trim_start_matches(['=', '!', '~', ' ']));
        let is_words = value.chars().all(|c| is_letter(c) || matches!(c, '-' | '|'));
        let values = if is_words { value.split('|').map(str::to_owned).collect() } else { Vec::new() };
        matchers.push(Matcher { label: label.to_owned(), values });
        text = rest;
    }
}

#[test]
fn names_are_found_and_nothing_else() {
    let query = Query::read(
        r#"sum by (le, source) (rate(jidoka_x_bucket{source=~"$source", code!~"a|b-c"}[$__rate_interval])) / on(job) up > 1e5 unless jidoka:y:sum offset 1h"#,
    );
    let matcher = |label: &str, values: &[&str]| Matcher {
        label: label.to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let selector = |metric: &str, matchers: Vec<Matcher>| Selector { metric: metric.to_owned(), matchers };
    let selectors = vec![
        selector("jidoka_x_bucket", vec![matcher("source", &[]), matcher("code", &["a", "b-c"])]),
        selector("up", vec![]),
        selector("jidoka:y:sum", vec![]),
    ];
    let grouped = ["job", "le", "source"].map(str::to_owned).into();
    assert_eq!(query, Query { selectors, grouped });
}
