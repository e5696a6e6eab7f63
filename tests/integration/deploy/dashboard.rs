//! `deploy/grafana/jidoka.json`: Grafana's panels stand beside each other, and each asks for what exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use jidoka::telemetry::metrics::ALL;
use serde_json::{Value, json};

use super::queries::{Query, exposed, metric_of};
use super::tools::{assert_clean, scratch, tool};
use super::{list, path, text};

/// Grafana's grid is so many columns wide.
const COLUMNS: u64 = 24;

fn dashboard() -> Value {
    let file = fs::read_to_string(path("grafana/jidoka.json")).expect("the dashboard");
    serde_json::from_str(&file).expect("the dashboard is JSON")
}

fn panels(dashboard: &Value) -> &[Value] {
    list(&dashboard["panels"])
}

/// Every query with the panel's title and what its legend shows.
fn targets<'d>(dashboard: &'d Value) -> Vec<(&'d str, &'d str, &'d str)> {
    let mut targets = Vec::new();
    for panel in panels(dashboard).iter().filter(|panel| panel["type"] != "row") {
        let shown = |target: &'d Value| (text(&panel["title"]), text(&target["expr"]), text(&target["legendFormat"]));
        targets.extend(list(&panel["targets"]).iter().map(shown));
    }
    targets
}

/// All queries of the dashboard, each with its place.
pub fn queries() -> Vec<(String, Query)> {
    let dashboard = dashboard();
    targets(&dashboard).iter().map(|(title, expression, _)| (format!("the panel {title:?}"), Query::read(expression))).collect()
}

/// A query as Prometheus gets it: Grafana has put values in the places of its variables.
fn filled(expression: &str) -> String {
    let filled = expression.replace("$__rate_interval", "1m");
    ["$job", "$policy", "$source"].iter().fold(filled, |text, variable| text.replace(variable, ".*"))
}

#[test]
fn panels_ask_for_what_this_version_exposes_and_leave_nothing_out() {
    let names = exposed();
    let mut shown = BTreeSet::new();
    for (place, query) in queries() {
        query.assert_known(&names, &place);
        shown.extend(query.selectors.iter().map(|selector| metric_of(&selector.metric).to_owned()));
    }
    let missing: Vec<&str> = ALL.iter().map(|described| described.name).filter(|name| !shown.contains(*name)).collect();
    assert!(missing.is_empty(), "the dashboard does not show {missing:?}");
}

#[test]
fn prometheus_understands_every_query() {
    let dashboard = dashboard();
    let annotations = list(&dashboard["annotations"]["list"]).iter().map(|annotation| text(&annotation["expr"]));
    let expressions = targets(&dashboard).into_iter().map(|(_, expression, _)| expression).chain(annotations);
    let rules: Vec<Value> =
        expressions.enumerate().map(|(n, it)| json!({"record": format!("panel:{n}"), "expr": filled(it)})).collect();
    for rule in &rules {
        assert!(!text(&rule["expr"]).contains('$'), "a variable that is not declared: {rule}");
    }
    // JSON is YAML.
    let file = scratch().join("dashboard-rules.yaml");
    fs::write(&file, json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string()).expect("a file in target/tmp");
    let Some(mut promtool) = tool("promtool") else { return };
    assert_clean(promtool.args(["check", "rules"]).arg(file));
}

#[test]
fn panels_have_their_own_ids_and_places() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    let mut taken: BTreeMap<(u64, u64), &str> = BTreeMap::new();
    for panel in panels(&dashboard) {
        let title = text(&panel["title"]);
        assert!(ids.insert(panel["id"].as_u64().expect("a panel's number")), "{title} has the number of another");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().expect("a panel's place"));
        assert!(w > 0 && h > 0 && x + w <= COLUMNS, "{title} does not fit the grid");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            let other = taken.insert(cell, title);
            assert!(other.is_none(), "{title} and {other:?} overlap");
        }
    }
}

#[test]
fn panels_say_what_they_show() {
    let dashboard = dashboard();
    for panel in panels(&dashboard).iter().filter(|panel| panel["type"] != "row") {
        let [title, description] = ["title", "description"].map(|key| text(&panel[key]));
        assert!(!title.is_empty() && description.ends_with('.'), "{title:?}: {description:?}");
        assert!(!list(&panel["targets"]).is_empty(), "{title} shows nothing");
    }
    for (title, expression, legend) in targets(&dashboard) {
        let grouped = Query::read(expression).grouped;
        let wanted = legend.split("{{").skip(1).map(|after| after.split_once("}}").expect("a label is closed").0);
        let unknown: Vec<&str> = wanted.filter(|label| !grouped.contains(*label)).collect();
        assert!(unknown.is_empty(), "the legend of {title} shows {unknown:?}, which its query drops");
    }
}

#[test]
fn variables_let_one_choose_the_data_source_the_policy_and_the_source() {
    let dashboard = dashboard();
    let variables = list(&dashboard["templating"]["list"]);
    let names: Vec<&str> = variables.iter().map(|variable| text(&variable["name"])).collect();
    assert_eq!(names, ["datasource", "job", "policy", "source"]);
    for variable in variables.iter().filter(|variable| variable["type"] == "query") {
        let query = text(&variable["query"]["query"]);
        let asked = query.strip_prefix("label_values(").and_then(|it| it.strip_suffix(')')).expect("label_values(metric, label)");
        let (selector, label) = asked.rsplit_once(", ").expect("label_values(metric, label)");
        let query = Query::read(&format!("sum by ({label}) ({selector})"));
        query.assert_known(&exposed(), &format!("the variable {label}"));
    }
    for panel in panels(&dashboard).iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
    }
}
