//! Signed chain heads: lines of a file outside Kafka, by which an auditor notices a chain that was cut or written anew.

use serde::Deserialize;

use crate::audit::ChainHead;
use crate::identity::{Hash, Timestamp};
use crate::json::object;
use crate::signature::{PrivateKey, PublicKey};

const HEAD: &str = "jidoka/head/1";

/// The key that signs heads, with the id that its lines carry.
#[derive(Clone, Debug)]
pub struct HeadSigner {
    key: PrivateKey,
    id: String,
}

impl HeadSigner {
    /// Signs with `key`, under its [`PublicKey::id`].
    #[must_use]
    pub fn new(key: PrivateKey) -> Self {
        let id = key.public().id();
        Self { key, id }
    }

    /// Writes one line, with its line feed, into `out`: `chain` stood at `head` at the time `at`.
    pub fn write_line(&self, out: &mut Vec<u8>, chain: &str, head: ChainHead, at: Timestamp) {
        let hash = head.hash.hex();
        let signature = signed_parts(chain, head.n, &hash, at, |parts| self.key.sign(HEAD, parts));
        object(out, |line| {
            line.text("chain", chain);
            line.integer("n", i64::try_from(head.n).unwrap_or(i64::MAX));
            line.word("hash", &hash);
            line.word("at", &at.rfc3339());
            line.text("key", self.id.as_str());
            line.text("signature", signature.as_str());
        });
        out.push(b'\n');
    }
}

/// A head as it stands in the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedHead {
    /// The chain's name.
    pub chain: String,
    /// Its last entry then.
    pub head: ChainHead,
    /// When it was signed.
    pub at: Timestamp,
    /// The id of the key that signed it.
    pub key: String,
    signature: String,
}

impl SignedHead {
    /// Reads a line.
    ///
    /// # Errors
    /// With a sentence where it is no head, such as a line that a crash cut off.
    pub fn read(line: &[u8]) -> Result<Self, String> {
        let wire: Wire = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let hash = Hash::parse(&wire.hash).ok_or_else(|| format!("{:?} is no SHA-256", wire.hash))?;
        let at = Timestamp::parse(&wire.at).ok_or_else(|| format!("{:?} is no time", wire.at))?;
        let head = ChainHead { n: wire.n, hash };
        Ok(Self { chain: wire.chain, head, at, key: wire.key, signature: wire.signature })
    }

    /// Whether it was signed with the private key of `public`.
    #[must_use]
    pub fn is_signed_by(&self, public: &PublicKey) -> bool {
        let hash = self.head.hash.hex();
        signed_parts(&self.chain, self.head.n, &hash, self.at, |parts| public.signed(HEAD, parts, &self.signature))
    }
}

/// Hands the parts that are signed to `with`.
fn signed_parts<T>(chain: &str, n: u64, hash: &[u8], at: Timestamp, with: impl FnOnce(&[&[u8]]) -> T) -> T {
    let mut digits = itoa::Buffer::new();
    with(&[chain.as_bytes(), digits.format(n).as_bytes(), hash, &at.rfc3339()])
}

#[derive(Deserialize)]
struct Wire {
    chain: String,
    n: u64,
    hash: String,
    at: String,
    key: String,
    signature: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> (PrivateKey, Vec<u8>) {
        let key = PrivateKey::of_secret(&[7; 32]);
        let mut line = Vec::new();
        let head = ChainHead { n: 41, hash: Hash([0xab; 32]) };
        HeadSigner::new(key.clone()).write_line(&mut line, "gate/a\"b/0", head, Timestamp(1_767_610_001_187));
        (key, line)
    }

    #[test]
    fn a_head_reads_back_and_is_signed() {
        let (key, line) = line();
        let head = SignedHead::read(&line).expect("a head");
        assert_eq!((head.chain.as_str(), head.head.n, head.key.as_str()), ("gate/a\"b/0", 41, key.public().id().as_str()));
        assert!(head.is_signed_by(&key.public()));
        assert!(!head.is_signed_by(&PrivateKey::of_secret(&[8; 32]).public()));
        let text = String::from_utf8(line).expect("text");
        let begins = format!(
            r#"{{"chain":"gate/a\"b/0","n":41,"hash":"{}","at":"2026-01-05T10:46:41.187Z","key":"{}","signature":""#,
            "ab".repeat(32),
            key.public().id()
        );
        assert!(text.starts_with(&begins) && text.ends_with("==\"}\n"), "{text}");
    }

    #[test]
    fn a_changed_head_is_not_signed() {
        let (key, line) = line();
        let text = String::from_utf8(line).expect("text");
        for (from, to) in [("/0\"", "/1\""), ("41", "42"), ("abab\"", "abac\""), ("187Z", "188Z")] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text);
            assert!(!SignedHead::read(changed.as_bytes()).expect("a head").is_signed_by(&key.public()), "{to}");
        }
        assert!(SignedHead::read(&text.as_bytes()[..90]).is_err());
        assert!(SignedHead::read(text.replacen("abab", "", 1).as_bytes()).is_err());
    }
}
