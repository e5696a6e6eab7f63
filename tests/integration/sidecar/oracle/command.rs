//! A verdict as the contract describes it, read a second time, and who signed it.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Terms;
use crate::gate::books::Record;

const MAX_NAME: usize = 256;
const MAX_GROUPS: usize = 64;

/// A key that reviewers' commands are signed with, as the configuration names it.
#[derive(Clone, Debug)]
pub struct Key {
    pub id: String,
    pub public: [u8; 32],
    /// Whom it may speak for; `*` for everybody.
    pub reviewers: Vec<String>,
    pub groups: Vec<String>,
    pub cancel: Cancel,
}

/// Whether a key may cancel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cancel {
    Allowed,
    Refused,
}

/// What becomes of commands without a signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unsigned {
    Allow,
    Refuse,
}

/// A command that is not malformed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// In lower case.
    pub id: String,
    pub decision_id: String,
    pub action: String,
    pub seen: Option<(i64, String)>,
    pub reviewer: String,
    pub groups: Vec<String>,
    pub code: Option<String>,
    pub text: Option<String>,
    pub judgement: Option<String>,
    /// The JSON as it stood there.
    pub corrected: Option<String>,
    pub to: Option<String>,
    pub channel: Option<String>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    command_id: Option<String>,
    decision_id: Option<String>,
    action: Option<String>,
    seen: Option<Seen>,
    reviewer: Option<Reviewer>,
    reason: Option<Reason>,
    judgement: Option<String>,
    #[serde(borrow)]
    corrected: Option<&'a RawValue>,
    to: Option<String>,
    channel: Option<String>,
    issued_at: Option<String>,
}

#[derive(Deserialize)]
struct Seen {
    seq: i64,
    hash: String,
}

#[derive(Deserialize)]
struct Reviewer {
    id: Option<String>,
    groups: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Reason {
    code: Option<String>,
    text: Option<String>,
}

/// The command in a record; none where it is malformed.
pub fn read(bytes: &[u8]) -> Option<Command> {
    let shape: Value = serde_json::from_slice(bytes).ok()?;
    let is_map = |name: &str| shape[name].is_null() || shape[name].is_object();
    if !shape.is_object() || !["seen", "reviewer", "reason"].into_iter().all(is_map) {
        return None;
    }
    let wire: Wire<'_> = serde_json::from_slice(bytes).ok()?;
    let (reviewer, reason) = (wire.reviewer?, wire.reason.unwrap_or(Reason { code: None, text: None }));
    let command = Command {
        id: uuid(&wire.command_id?)?,
        decision_id: wire.decision_id.filter(|id| id.len() == 32 && is_hex(id))?,
        action: wire.action?,
        seen: wire.seen.map(|seen| (seen.seq, seen.hash)),
        reviewer: name(reviewer.id?)?,
        groups: reviewer.groups.unwrap_or_default().into_iter().map(name).collect::<Option<_>>()?,
        code: reason.code,
        text: reason.text,
        judgement: wire.judgement,
        corrected: wire.corrected.map(|raw| raw.get().to_owned()),
        to: wire.to,
        channel: wire.channel,
    };
    let _ = wire.issued_at;
    (command.groups.len() <= MAX_GROUPS && command.is_complete()).then_some(command)
}

impl Command {
    fn is_complete(&self) -> bool {
        let needed = match self.action.as_str() {
            "claim" | "unclaim" | "unmask" | "cancel" => true,
            "judge" => self.judgement.is_some(),
            "approve" | "reject" | "escalate" => self.seen.is_some(),
            "reassign" => self.to.is_some(),
            "comment" => self.text.is_some(),
            _ => false,
        };
        needed && (self.corrected.is_none() || self.action == "reject")
    }

    /// Whether a text is longer than `most` bytes.
    pub fn has_text_over(&self, most: usize) -> bool {
        [&self.text, &self.judgement, &self.corrected].into_iter().flatten().any(|text| text.len() > most)
    }

    /// Whether the reviewer belongs to one of `groups`.
    pub fn is_in(&self, groups: &[String]) -> bool {
        let own: BTreeSet<&String> = self.groups.iter().collect();
        groups.iter().any(|group| own.contains(group))
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn name(text: String) -> Option<String> {
    (!text.is_empty() && text.len() <= MAX_NAME && !text.chars().any(char::is_control)).then_some(text)
}

/// A UUID with hyphens, in lower case.
fn uuid(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let parts: Vec<&str> = lower.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    (lengths == [8, 4, 4, 4, 12] && parts.into_iter().all(is_hex)).then_some(lower)
}

/// What a signature is worth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signed {
    /// The key of a signature that fits the bytes.
    pub by: Option<String>,
    /// Whether the command may count as far as signatures go.
    pub counts: bool,
}

/// Who signed `record`, and whether `command` may be given with that signature.
pub fn signed(record: &Record, command: &Command, terms: &Terms) -> Signed {
    let Some((_, header)) = record.headers.iter().find(|(name, _)| name == "jidoka-signature") else {
        return Signed { by: None, counts: terms.unsigned == Unsigned::Allow };
    };
    let Some(key) = key_of(header, record.bytes(), terms) else { return Signed { by: None, counts: false } };
    let covers = |names: &[String], wanted: &String| names.iter().any(|name| name == "*" || name == wanted);
    let counts = covers(&key.reviewers, &command.reviewer)
        && command.groups.iter().all(|group| covers(&key.groups, group))
        && (command.action != "cancel" || key.cancel == Cancel::Allowed);
    Signed { by: Some(key.id.clone()), counts }
}

fn key_of<'t>(header: &[u8], value: &[u8], terms: &'t Terms) -> Option<&'t Key> {
    let (id, signature) = std::str::from_utf8(header).ok()?.split_once(':')?;
    let key = terms.keys.iter().find(|key| key.id == id)?;
    let signature = Signature::from_slice(&STANDARD.decode(signature).ok()?).ok()?;
    let message = signed_bytes(&terms.verdicts, value);
    VerifyingKey::from_bytes(&key.public).ok()?.verify_strict(&message, &signature).ok().map(|()| key)
}

/// What a reviewer's key signs.
pub fn signed_bytes(topic: &str, value: &[u8]) -> Vec<u8> {
    [b"jidoka/verdict/1\0", topic.as_bytes(), b"\0", value].concat()
}
