//! The sidecar's audit entries: what became of a case, and commands that were refused.

use crate::audit::ChainLink;
use crate::audit::entry::actor_member;
use crate::identity::{DecisionId, Hash, Timestamp};
use crate::json::{ObjectWriter, object};
use crate::record;

/// Where a command lay in the verdicts topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VerdictPlace {
    /// Partition of that topic.
    pub partition: i32,
    /// Offset in it.
    pub offset: i64,
}

impl VerdictPlace {
    fn write(self, entry: &mut ObjectWriter<'_>) {
        entry.object("verdict", |verdict| {
            verdict.integer("partition", i64::from(self.partition));
            verdict.integer("offset", self.offset);
        });
    }
}

/// Who ordered a change, and how.
#[derive(Clone, Copy, Debug)]
pub struct Ordered<'a> {
    /// Id of the command, as text.
    pub command_id: &'a str,
    /// Where it lay.
    pub verdict: VerdictPlace,
    /// The reviewer.
    pub reviewer: &'a str,
    /// The tool it came through.
    pub channel: Option<&'a str>,
    /// Id of the key that signed it.
    pub signed_by: Option<&'a str>,
}

/// What an entry about a change of a case says.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The decision.
    pub decision_id: DecisionId,
    /// Its number in the trail.
    pub seq: u64,
    /// What happened, `CLAIMED` and so on.
    pub kind: &'a str,
    /// When.
    pub at: Timestamp,
    /// Hash of the trail's entry before.
    pub prev: Hash,
    /// Its place in the lane's chain.
    pub chain: ChainLink<'a>,
    /// The command; none where only time acted.
    pub ordered: Option<Ordered<'a>>,
    /// The state after it.
    pub state: &'a str,
    /// The state before it.
    pub previous_state: &'a str,
    /// Code of the reason.
    pub reason: Option<&'a str>,
    /// Band after it.
    pub band: &'a str,
    /// Who has the case after it.
    pub assignee: Option<&'a str>,
    /// Whose members may act after it.
    pub groups: &'a [String],
    /// What salts the hashes of texts.
    pub salt: &'a [u8; 16],
    /// What the reviewer wrote: only its hash is in the entry.
    pub text: Option<&'a str>,
    /// The right answer, as JSON; only its hash is in the entry.
    pub corrected: Option<&'a str>,
    /// The blind judgement; only its hash is in the entry.
    pub judgement: Option<&'a str>,
}

/// Writes the entry about a change of a case into `out`.
pub fn write_change(out: &mut Vec<u8>, change: &Change<'_>) {
    object(out, |entry| {
        entry.word("decision_id", &change.decision_id.hex());
        entry.integer("seq", i64::try_from(change.seq).unwrap_or(i64::MAX));
        entry.text("kind", change.kind);
        entry.word("at", &change.at.rfc3339());
        entry.word("prev", &change.prev.hex());
        change.chain.write(entry);
        if let Some(ordered) = change.ordered {
            actor_member(entry, "reviewer", Some(ordered.reviewer));
            entry.text("command_id", ordered.command_id);
            ordered.verdict.write(entry);
        } else {
            actor_member(entry, "system", Some("sidecar"));
            entry.text("command_id", None);
            entry.raw("verdict", None);
        }
        entry.text("state", change.state);
        entry.text("previous_state", change.previous_state);
        entry.text("reason", change.reason);
        entry.text("channel", change.ordered.and_then(|ordered| ordered.channel));
        entry.text("signed_by", change.ordered.and_then(|ordered| ordered.signed_by));
        entry.text("band", change.band);
        entry.text("assignee", change.assignee);
        entry.texts("groups", change.groups.iter().map(String::as_str));
        for (name, text) in
            [("text_sha256", change.text), ("corrected_sha256", change.corrected), ("judgement_sha256", change.judgement)]
        {
            if let Some(text) = text {
                entry.word(name, &text_hash(change.salt, text).hex());
            }
        }
    });
}

/// By which an entry commits to what a reviewer wrote: SHA-256 of the salt, a zero byte and the text. The salt is in the case,
/// so that with the case the text is gone, however short it was.
#[must_use]
pub fn text_hash(salt: &[u8; 16], text: &str) -> Hash {
    Hash::of(&[&salt[..], &[0], text.as_bytes()].concat())
}

/// What an entry about a refused command says.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// The case, if the command names one.
    pub decision_id: Option<DecisionId>,
    /// When it was refused.
    pub at: Timestamp,
    /// Who it says it is from.
    pub reviewer: Option<&'a str>,
    /// Id of the command, as text, if it has one.
    pub command_id: Option<&'a str>,
    /// Where it lay.
    pub verdict: VerdictPlace,
    /// What it wanted.
    pub action: Option<&'a str>,
    /// Code of the refusal.
    pub error: &'a str,
    /// The tool it came through.
    pub channel: Option<&'a str>,
    /// Id of the key that signed it.
    pub signed_by: Option<&'a str>,
}

impl Refused<'_> {
    /// The record's key, `refused/<verdicts partition>/<offset>`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("refused/{}/{}", self.verdict.partition, self.verdict.offset)
    }
}

/// Writes the entry about a refused command into `out`; `chain` is its place in the chain of the lane that read it.
pub fn write_refused(out: &mut Vec<u8>, refused: &Refused<'_>, chain: &ChainLink<'_>) {
    object(out, |entry| {
        record::decision_id(entry, "decision_id", refused.decision_id);
        entry.text("kind", "REFUSED");
        entry.word("at", &refused.at.rfc3339());
        chain.write(entry);
        actor_member(entry, "reviewer", refused.reviewer);
        entry.text("command_id", refused.command_id);
        refused.verdict.write(entry);
        entry.text("action", refused.action);
        entry.text("error", refused.error);
        entry.text("channel", refused.channel);
        entry.text("signed_by", refused.signed_by);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked with `printf '\001\002\003\004\005\006\007\010\011\012\013\014\015\016\017\020\000The income is wrong – 2×' | sha256sum`.
    #[test]
    fn the_hash_of_a_text_is_the_contracts() {
        let salt = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
        let hash = text_hash(&salt, "The income is wrong – 2×");
        assert_eq!(hash.to_string(), "f50eef9189fbe4e9bfbf7fd091baa3455deb84938171d9980d517e3ff4315213");
        assert_ne!(text_hash(&[0; 16], "The income is wrong – 2×"), hash);
    }
}
