//! The sections `verdicts` and `audit.heads`: whose commands count, and what signs chain heads.

use std::path::Path;

use super::read::{MAX_ITEMS, MAX_NAME, MAX_PATH, timeout};
use super::{AuditHeads, Unsigned, VerdictSettings, files};
use crate::document::{DAY, Field, Map, SECOND};
use crate::signature::{Cancelling, PrivateKey, PublicKey, SpeaksFor, VerdictKey, VerdictKeys};

pub(super) fn verdicts(map: &Map<'_>) -> VerdictSettings {
    let words = [("refuse", Unsigned::Refuse), ("allow", Unsigned::Allow)];
    VerdictSettings {
        unsigned: map.key("unsigned").choice(&words).unwrap_or_default(),
        keys: keys(&map.key("keys")),
        max_bytes: map.key("max_bytes").integer(1_024..=1_048_576).unwrap_or(65_536),
        max_text: map.key("max_text").integer(64..=65_536).unwrap_or(4_096),
        max_commands: map.key("max_commands").integer(1..=100_000).unwrap_or(1_000),
    }
}

fn keys(field: &Field<'_>) -> VerdictKeys {
    let mut seen: Vec<VerdictKey> = Vec::new();
    let read = |item: Field<'_>| {
        let key = item.map(|map| key(map, &seen)).flatten()?;
        seen.push(key);
        Some(())
    };
    let _ = field.list(0..=MAX_ITEMS, read);
    VerdictKeys::new(seen)
}

fn key(map: &Map<'_>, seen: &[VerdictKey]) -> Option<VerdictKey> {
    let id = key_id(&map.required("id"), seen);
    let public = public_key(&map.required("public"), seen);
    // Both must be said: a key that nobody thought about speaks for nobody.
    let names = |field: Field<'_>| field.texts(1..=MAX_ITEMS, MAX_NAME).map(SpeaksFor::names);
    let (reviewers, groups) = (names(map.required("reviewers")), names(map.required("groups")));
    let cancelling = if map.key("cancel").yes_or_no() == Some(true) { Cancelling::Allowed } else { Cancelling::Refused };
    Some(VerdictKey { id: id?, public: public?, reviewers: reviewers?, groups: groups?, cancelling })
}

fn key_id(field: &Field<'_>, seen: &[VerdictKey]) -> Option<String> {
    let id = field.text(MAX_NAME)?;
    if id.contains(':') {
        return field.refused("must not contain `:`, which ends it in the header of a verdict");
    }
    if seen.iter().any(|key| key.id == id) {
        return field.refused(format!("another key has the id `{id}` already"));
    }
    Some(id)
}

/// A public key. None may stand here under two ids: the id is not signed, so whoever has the key could take either's rights.
fn public_key(field: &Field<'_>, seen: &[VerdictKey]) -> Option<PublicKey> {
    let text = field.source_text("a public key")?;
    let key = match PublicKey::parse(text) {
        Ok(key) => key,
        Err(error) => return field.refused(error.to_string()),
    };
    if let Some(other) = seen.iter().find(|other| other.public == key) {
        return field.refused(format!("this is also the key of `{}`; list what it may do under one id", other.id));
    }
    Some(key)
}

pub(super) fn audit_heads(map: &Map<'_>, folder: &Path) -> Option<AuditHeads> {
    let file_field = map.required("file");
    let file = file_field.text(MAX_PATH).map(|path| folder.join(path));
    if let Some(parent) = file.as_deref().and_then(Path::parent)
        && !parent.as_os_str().is_empty()
        && !parent.is_dir()
    {
        file_field.problem(format!("there is no folder {}", parent.display()));
    }
    let key = private_key(&map.required("key"), folder);
    let every = timeout(&map.key("every"), SECOND..=DAY, SECOND * 60);
    Some(AuditHeads { file: file?, key: key?, every })
}

fn private_key(field: &Field<'_>, folder: &Path) -> Option<PrivateKey> {
    let path = folder.join(field.text(MAX_PATH)?);
    if !path.is_file() {
        return field.refused(format!("there is no file {}", path.display()));
    }
    let text = match files::read_text(&path) {
        Ok(text) => text,
        Err(problem) => return field.refused(problem.to_string()),
    };
    PrivateKey::parse_pem(&text).map_err(|error| field.problem(format!("{}: {error}", path.display()))).ok()
}
