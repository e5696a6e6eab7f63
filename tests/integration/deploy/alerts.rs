//! `deploy/prometheus`: Prometheus reads it, its rules name what exists, and each alert has been seen to fire and not to.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use super::queries::{Names, Query, exposed};
use super::tools::{assert_clean, tool};
use super::{README, list, path, text, yaml};

/// A rule of the file.
struct Rule {
    /// The alert's name, or that of the recorded series.
    name: String,
    rule: Value,
}

impl Rule {
    fn is_alert(&self) -> bool {
        self.rule.get("alert").is_some()
    }

    fn query(&self) -> Query {
        Query::read(text(&self.rule["expr"]))
    }
}

fn folder() -> PathBuf {
    path("prometheus")
}

fn rules() -> Vec<Rule> {
    let file = yaml("prometheus/alerts.yaml");
    let rules = list(&file["groups"]).iter().flat_map(|group| list(&group["rules"]));
    let named = |rule: &Value| Rule { name: text(rule.get("alert").unwrap_or(&rule["record"])).to_owned(), rule: rule.clone() };
    rules.map(named).collect()
}

/// All queries of the rules, each with its place.
pub fn queries() -> Vec<(String, Query)> {
    rules().iter().map(|rule| (format!("the rule {}", rule.name), rule.query())).collect()
}

/// What is exposed, and what the rules record; what is recorded has the labels that it is grouped by.
fn names() -> Names {
    let mut names = exposed();
    for rule in rules().iter().filter(|rule| !rule.is_alert()) {
        let mut labels = rule.query().grouped;
        // A quantile is without it.
        labels.remove("le");
        names.insert(rule.name.clone(), labels);
    }
    names
}

#[test]
fn prometheus_reads_the_configuration_and_the_rules() {
    let Some(mut promtool) = tool("promtool") else { return };
    assert_clean(promtool.args(["check", "config", "prometheus.yaml"]).current_dir(folder()));
    let Some(mut promtool) = tool("promtool") else { return };
    assert_clean(promtool.args(["check", "rules", "alerts.yaml"]).current_dir(folder()));
}

#[test]
fn every_alert_fires_when_it_should_and_not_otherwise() {
    let Some(mut promtool) = tool("promtool") else { return };
    assert_clean(promtool.args(["test", "rules", "alerts.test.yaml"]).current_dir(folder()));
}

#[test]
fn rules_ask_for_what_this_version_exposes() {
    let names = names();
    for (place, query) in queries() {
        query.assert_known(&names, &place);
    }
}

#[test]
fn every_alert_says_what_it_means_and_what_to_do() {
    for Rule { name, rule } in rules().iter().filter(|rule| rule.is_alert()) {
        assert!(!text(&rule["for"]).is_empty() && rule["for"] != "0s", "{name} fires at once");
        assert!(["critical", "warning", "info"].contains(&text(&rule["labels"]["severity"])), "{name}");
        let [summary, description] = ["summary", "description"].map(|key| text(&rule["annotations"][key]));
        assert!(!summary.is_empty() && !summary.ends_with('.'), "{name}: {summary}");
        assert!(description.ends_with('.') && description.matches(". ").count() >= 1, "{name}: {description}");
        assert!(README.contains(&format!("| `{name}` |")), "deploy/README.md does not explain {name}");
    }
}

/// The test's file is run by promtool; that it leaves nobody out is seen here.
#[test]
fn every_alert_has_a_series_that_fires_it_and_a_time_without() {
    let tests = yaml("prometheus/alerts.test.yaml");
    let mut tested = BTreeSet::new();
    for test in list(&tests["tests"]) {
        let name = text(&test["name"]);
        let [before, after] = &list(&test["promql_expr_test"])[..] else { panic!("{name}: two times") };
        let asked = format!("ALERTS{{alertname=\"{name}\",alertstate=\"firing\"}}");
        assert!(before["expr"] == asked.as_str() && after["expr"] == asked.as_str(), "{name} asks for another alert");
        assert!(list(&before["exp_samples"]).is_empty() && !list(&after["exp_samples"]).is_empty(), "{name}");
        tested.insert(name.to_owned());
    }
    let alerts: BTreeSet<String> = rules().into_iter().filter(Rule::is_alert).map(|rule| rule.name).collect();
    assert_eq!(tested, alerts);
}

/// A label that a firing alert does not have would leave a hole in its sentence.
#[test]
fn sentences_use_labels_that_the_firing_alert_has() {
    let tests = yaml("prometheus/alerts.test.yaml");
    for Rule { name, rule } in rules().iter().filter(|rule| rule.is_alert()) {
        let said = format!("{} {}", text(&rule["annotations"]["summary"]), text(&rule["annotations"]["description"]));
        let wanted = said.split("$labels.").skip(1).map(|after| after.split([' ', '}']).next().unwrap_or_default());
        let firing = list(&tests["tests"]).iter().filter(|test| test["name"] == name.as_str());
        let samples: Vec<&Value> = firing.flat_map(|test| list(&test["promql_expr_test"][1]["exp_samples"])).collect();
        for label in wanted {
            let has = |sample: &&Value| text(&sample["labels"]).contains(&format!("{label}=\""));
            assert!(samples.iter().all(has), "{name} fires without the label {label:?}");
        }
    }
}
