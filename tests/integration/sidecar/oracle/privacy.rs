//! What must last holds no personal data: no subject, no feature's value, no free text.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Judge;

/// Shorter texts turn up by chance.
const LEAST: usize = 6;

impl Judge<'_> {
    /// Searches the sidecars' entries and the dispositions for what the case holds of people.
    pub(super) fn privacy(&mut self) {
        let mut written: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for entry in self.lanes.values().flatten() {
            let told = leaves(&without_actors(entry.value.clone()));
            written.entry(entry.id().to_owned()).or_default().push((format!("audit: {}", entry.record.key_text()), told));
        }
        for record in &self.books.dispositions {
            let told = leaves(&serde_json::from_slice(record.bytes()).unwrap_or_default());
            written.entry(record.key_text()).or_default().push((format!("dispositions: {}", record.key_text()), told));
        }
        let mut found = Vec::new();
        for (id, held) in &self.held {
            let mut secrets: Vec<String> = held.texts.clone();
            let mut known = leaves(&held.entry);
            if let Some(opened) = held.opened {
                let case: Value = serde_json::from_slice(opened.bytes()).unwrap_or_default();
                collect(&case["event"]["features"], &mut secrets);
                collect(&case["event"]["protected"], &mut secrets);
                secrets.extend(case["subject_id"].as_str().map(str::to_owned));
                known = leaves(&Value::Array(vec![Value::from(known), case["review"].clone(), case["policy"].clone()]));
            }
            // What is a word of the policy or the decision besides says nothing of a person.
            let is_number = |secret: &String| secret.parse::<f64>().is_ok() && secret.len() < LEAST + 2;
            secrets.retain(|secret| secret.len() >= LEAST && !is_number(secret) && !known.contains(secret.as_str()));
            for (key, told) in written.get(id).into_iter().flatten() {
                let secrets = secrets.iter().filter(|secret| told.contains(secret.as_str()));
                found.extend(secrets.map(|secret| format!("{key} tells {secret:?}, which is personal")));
            }
        }
        found.sort_unstable();
        self.violations.extend(found);
    }
}

/// The names of people who acted are no subject's, even where they are the same.
fn without_actors(mut entry: Value) -> Value {
    for name in ["actor", "assignee", "channel"] {
        entry[name] = Value::Null;
    }
    entry
}

/// All values, one a line, but hashes and ids, in which digits turn up by chance.
fn leaves(value: &Value) -> String {
    let mut all = Vec::new();
    collect(value, &mut all);
    all.retain(|leaf| leaf.len() < 32 || !leaf.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'));
    all.join("\n")
}

/// All values in `value`.
fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.values().for_each(|member| collect(member, found)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::String(text) => found.push(text.clone()),
        Value::Number(number) => found.push(number.to_string()),
        Value::Null | Value::Bool(_) => {}
    }
}
