//! Environment variables, laid over the document of the file.

use crate::document::{Entry, Node, Place, Problem, Problems, Style, Value, parse};

use super::keys::{KEYS, Takes};

const PREFIX: &str = "JIDOKA__";

/// So many keys a variable's name may have.
const MAX_KEYS: usize = 8;

/// Puts the value of every `JIDOKA__…` variable where its name says; what stood there is replaced. Later problems with
/// it name the variable.
pub(super) fn overlay(document: &mut Node, variables: impl Iterator<Item = (String, String)>, problems: &Problems) {
    let mut ours: Vec<(String, String)> = variables.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    // A section sorts before its parts, so that `JIDOKA__GATE` and `JIDOKA__GATE__WORKERS` together mean the same always.
    ours.sort();
    for (name, text) in ours {
        if let Err(found) = put(document, &name, &text) {
            problems.extend(found);
        }
    }
}

fn put(document: &mut Node, name: &str, text: &str) -> Result<(), Vec<Problem>> {
    let keys = keys_of(name).map_err(|problem| vec![problem])?;
    let path = keys.join(".");
    if text.is_empty() {
        return Err(vec![problem(name, &path, "the variable is empty; unset it or give it a value")]);
    }
    let node = match takes(&path) {
        // A password may look like anything, `null` and numbers included.
        _ if path.starts_with("kafka.") => scalar(name, text, Style::Quoted),
        Takes::Value => scalar(name, text, Style::Plain),
        Takes::Structure => parse(name, text)?,
    };
    insert(document, &keys, name, node).map_err(|message| vec![problem(name, &path, &message)])
}

/// The keys that a variable's name stands for, from the root down.
fn keys_of(name: &str) -> Result<Vec<String>, Problem> {
    let parts: Vec<&str> = name[PREFIX.len()..].split("__").collect();
    if parts.iter().any(|part| part.is_empty()) || name.bytes().any(|byte| byte.is_ascii_lowercase()) {
        let message = "the name is written like JIDOKA__GATE__WORKERS: capitals, and `__` between the keys";
        return Err(problem(name, "", message));
    }
    if parts.len() > MAX_KEYS {
        return Err(problem(name, "", &format!("the name has more than {MAX_KEYS} keys; no setting lies that deep")));
    }
    let keys: Vec<String> = parts.iter().map(|part| part.to_ascii_lowercase()).collect();
    match keys.split_first() {
        Some((kafka, property)) if kafka == "kafka" && property.len() == 1 => {
            Ok(vec![kafka.clone(), property[0].replace('_', ".")])
        }
        Some((kafka, property)) if kafka == "kafka" && property.len() > 1 => {
            Err(problem(name, "", "below JIDOKA__KAFKA__ one `_` stands for each dot of the property's name"))
        }
        _ => Ok(keys),
    }
}

/// What the key at `path` takes. Unknown ones are taken as they are, for the reader to refuse.
fn takes(path: &str) -> Takes {
    let is_section = |key: &str| key.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
    match KEYS.iter().find(|key| key.path == path) {
        Some(key) => key.takes,
        None if KEYS.iter().any(|key| is_section(key.path)) => Takes::Structure,
        None => Takes::Value,
    }
}

/// Sets the value at `keys` below `node`, making the maps on the way.
fn insert(node: &mut Node, keys: &[String], variable: &str, value: Node) -> Result<(), String> {
    let Some((key, rest)) = keys.split_first() else {
        *node = value;
        return Ok(());
    };
    if node.is_null() {
        node.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut node.value else {
        return Err(format!("`{key}` cannot be set: what it belongs to is not a map"));
    };
    let place = Place::whole(variable);
    let index = entries.iter().position(|entry| entry.key == *key).unwrap_or_else(|| {
        entries.push(Entry { key: key.clone(), place: place.clone(), node: Node::plain(place.clone(), "") });
        entries.len() - 1
    });
    if rest.is_empty() {
        entries[index].place = place;
    }
    insert(&mut entries[index].node, rest, variable, value)
}

fn scalar(variable: &str, text: &str, style: Style) -> Node {
    Node { place: Place::whole(variable), value: Value::Scalar { text: text.to_owned(), style } }
}

fn problem(variable: &str, path: &str, message: &str) -> Problem {
    Problem::new(&Place::whole(variable), path, message)
}
