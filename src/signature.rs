//! Ed25519 signatures: of reviewers' commands and of chain heads, and the keys that they are made and checked with.
//!
//! ```text
//! record of the verdicts topic ─┬─ header `jidoka-signature` ─┐
//!                               └─ value ─────────────────────┴→ VerdictKeys::check → Absent | Good(key) | Bad(why)
//!                                                                                             └→ may_speak_for, may_cancel
//! ```
//!
//! What is signed begins with a domain, `jidoka/verdict/1` or `jidoka/head/1`, and its parts are separated by zero bytes, so
//! that no signature can be taken for another. Private keys are PKCS#8 PEM, as `openssl genpkey -algorithm ed25519` makes
//! them; public keys are the base64 of their 32 bytes.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, KeypairBytes};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};

use crate::identity::{Hash, write_hex};

/// The header of a verdict that holds its signature: `<key id>:<base64 of the signature>`.
pub const SIGNATURE_HEADER: &str = "jidoka-signature";

const VERDICT: &str = "jidoka/verdict/1";
const SIGNATURE_BYTES: usize = 64;
/// Base64 digits of a signature, padding included.
const SIGNATURE_DIGITS: usize = 88;
const KEY_BYTES: usize = 32;
/// Base64 digits of a public key, padding included.
const KEY_DIGITS: usize = 44;

/// Why a key or a signature cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyError {
    /// A private key file holds something else.
    #[error("this is no Ed25519 private key in PKCS#8 PEM; `jidoka verdict-key new` makes one")]
    NoPrivateKey,
    /// A public key is something else.
    #[error("this is no Ed25519 public key: 32 bytes in base64, such as `jidoka verdict-key show` prints")]
    NoPublicKey,
}

/// A key that signs. Its secret is never printed, and wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrivateKey(SigningKey);

impl PrivateKey {
    /// The key of these 32 secret bytes, which must be random.
    #[must_use]
    pub fn of_secret(secret: &[u8; KEY_BYTES]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }

    /// Reads the text of a private key file.
    ///
    /// # Errors
    /// Where it is no Ed25519 key in PKCS#8 PEM.
    pub fn parse_pem(text: &str) -> Result<Self, KeyError> {
        SigningKey::from_pkcs8_pem(text.trim()).map(Self).map_err(|_| KeyError::NoPrivateKey)
    }

    /// The text of its private key file: a secret.
    ///
    /// # Panics
    /// Never: a key of a fixed length has a PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        // Without the public key, as openssl writes it: not every tool reads the longer form.
        let pair = KeypairBytes { secret_key: self.0.to_bytes(), public_key: None };
        pair.to_pkcs8_pem(LineEnding::LF).expect("32 bytes fit every bound of PKCS#8").to_string()
    }

    /// The key that its signatures are checked with.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The value of [`SIGNATURE_HEADER`] for a record with this `value`, written to `topic` by whoever has the key `id`.
    #[must_use]
    pub fn sign_verdict(&self, id: &str, topic: &str, value: &[u8]) -> String {
        format!("{id}:{}", self.sign(VERDICT, &[topic.as_bytes(), value]))
    }

    /// The signature, in base64, over `domain` and `parts`, with a zero byte before each part.
    pub(crate) fn sign(&self, domain: &str, parts: &[&[u8]]) -> String {
        let mut digits = [0; SIGNATURE_DIGITS];
        let signature = self.0.sign(&message(domain, parts)).to_bytes();
        in_base64(&signature, &mut digits).to_owned()
    }
}

/// A key that signatures are checked with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a public key: the base64 of its 32 bytes, or the PEM that openssl makes of it.
    ///
    /// # Errors
    /// Where the text is neither, or the 32 bytes are no key.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let key = if text.starts_with("-----BEGIN") {
            VerifyingKey::from_public_key_pem(text).ok()
        } else {
            of_base64::<KEY_BYTES>(text, KEY_DIGITS).and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok())
        };
        // A weak key would let one signature stand for many values.
        key.filter(|key| !key.is_weak()).map(Self).ok_or(KeyError::NoPublicKey)
    }

    /// Its 32 bytes in base64.
    #[must_use]
    pub fn base64(&self) -> String {
        let mut digits = [0; KEY_DIGITS];
        in_base64(self.0.as_bytes(), &mut digits).to_owned()
    }

    /// What it is called where nobody gave it a name: the first 16 hex digits of its SHA-256.
    #[must_use]
    pub fn id(&self) -> String {
        let mut digits = [0; 16];
        write_hex(&Hash::of(self.0.as_bytes()).0[..8], &mut digits);
        digits.iter().map(|digit| char::from(*digit)).collect()
    }

    /// Whether `signature`, in base64, is that of this key over `domain` and `parts`.
    pub(crate) fn signed(&self, domain: &str, parts: &[&[u8]], signature: &str) -> bool {
        let bytes: Option<[u8; SIGNATURE_BYTES]> = of_base64(signature, SIGNATURE_DIGITS);
        bytes.is_some_and(|bytes| self.0.verify_strict(&message(domain, parts), &bytes.into()).is_ok())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base64())
    }
}

/// For whom a key may speak, of the reviewers or of the groups.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SpeaksFor {
    /// Everybody: `*`.
    All,
    /// These.
    Only(Vec<String>),
}

impl SpeaksFor {
    /// Reads a list of names; `*` among them is everybody.
    #[must_use]
    pub fn names(names: Vec<String>) -> Self {
        if names.iter().any(|name| name == "*") { Self::All } else { Self::Only(names) }
    }

    fn covers(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|known| known == name),
        }
    }
}

/// Whether verdicts signed with a key may cancel a case.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Cancelling {
    /// They may not.
    #[default]
    Refused,
    /// They may: the key of a producer that withdraws decisions.
    Allowed,
}

/// A key that verdicts may be signed with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerdictKey {
    /// Its name in headers and in `signed_by`.
    pub id: String,
    /// The key.
    pub public: PublicKey,
    /// The reviewers that it may speak for.
    pub reviewers: SpeaksFor,
    /// The groups that it may say they belong to.
    pub groups: SpeaksFor,
    /// Whether it may cancel.
    pub cancelling: Cancelling,
}

impl VerdictKey {
    /// Whether it may speak for `reviewer` as a member of all these `groups`.
    pub fn may_speak_for<'g>(&self, reviewer: &str, groups: impl IntoIterator<Item = &'g str>) -> bool {
        self.reviewers.covers(reviewer) && groups.into_iter().all(|group| self.groups.covers(group))
    }

    /// Whether it may cancel a case.
    #[must_use]
    pub fn may_cancel(&self) -> bool {
        self.cancelling == Cancelling::Allowed
    }
}

/// The keys that verdicts may be signed with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VerdictKeys(Vec<VerdictKey>);

/// What the signature of a verdict says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signature<'k> {
    /// The record has none.
    Absent,
    /// It is the signature of this key over this topic and value. What the key may say is another question:
    /// [`VerdictKey::may_speak_for`], [`VerdictKey::may_cancel`].
    Good(&'k VerdictKey),
    /// It is not.
    Bad(BadSignature),
}

/// What is wrong with a signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadSignature {
    /// The header does not have its form.
    #[error("the signature is not written `<key id>:<base64>`")]
    Form,
    /// No key has that id.
    #[error("no key of that id is configured")]
    UnknownKey,
    /// The bytes were signed with another key, or changed, or signed for another topic.
    #[error("the signature is not that of the key over this topic and value")]
    Mismatch,
}

impl VerdictKeys {
    /// These keys; their ids are different.
    #[must_use]
    pub fn new(keys: Vec<VerdictKey>) -> Self {
        Self(keys)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &VerdictKey> {
        self.0.iter()
    }

    /// What the header [`SIGNATURE_HEADER`] of a record of `topic` with this `value` says. A record may carry it once; give
    /// an empty one where it stands there more often, which is never good.
    #[must_use]
    pub fn check(&self, header: Option<&[u8]>, topic: &str, value: &[u8]) -> Signature<'_> {
        let Some(header) = header else { return Signature::Absent };
        let parts = std::str::from_utf8(header).ok().and_then(|header| header.rsplit_once(':'));
        let Some((id, signature)) = parts else { return Signature::Bad(BadSignature::Form) };
        let Some(key) = self.0.iter().find(|key| key.id == id) else { return Signature::Bad(BadSignature::UnknownKey) };
        if key.public.signed(VERDICT, &[topic.as_bytes(), value], signature) {
            Signature::Good(key)
        } else {
            Signature::Bad(BadSignature::Mismatch)
        }
    }
}

/// What is signed: the domain, and each part after a zero byte.
fn message(domain: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut message = Vec::with_capacity(domain.len() + parts.iter().map(|part| part.len() + 1).sum::<usize>());
    message.extend_from_slice(domain.as_bytes());
    for part in parts {
        message.push(0);
        message.extend_from_slice(part);
    }
    message
}

fn in_base64<'d>(bytes: &[u8], digits: &'d mut [u8]) -> &'d str {
    let len = BASE64_STANDARD.encode_slice(bytes, digits).expect("the digits are as many as the bytes need");
    std::str::from_utf8(&digits[..len]).expect("base64 is ASCII")
}

/// The `N` bytes that exactly so many `digits` of base64, with their padding, stand for.
fn of_base64<const N: usize>(text: &str, digits: usize) -> Option<[u8; N]> {
    // Its estimate is in whole groups of four digits.
    let mut bytes = [0; SIGNATURE_DIGITS];
    if text.len() != digits {
        return None;
    }
    let len = BASE64_STANDARD.decode_slice(text, &mut bytes).ok()?;
    bytes[..len].try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `openssl genpkey -algorithm ed25519`, and its public key with `openssl pkey -pubout`.
    const PEM: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f
-----END PRIVATE KEY-----
";
    const PUBLIC: &str = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
    const PUBLIC_PEM: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=
-----END PUBLIC KEY-----
";

    fn private() -> PrivateKey {
        PrivateKey::of_secret(&std::array::from_fn(|index| u8::try_from(index).expect("below 32")))
    }

    fn keys() -> VerdictKeys {
        let other = PrivateKey::of_secret(&[9; 32]).public();
        let only = |names: &[&str]| SpeaksFor::names(names.iter().map(|name| (*name).to_owned()).collect());
        VerdictKeys::new(vec![
            VerdictKey {
                id: "tool".into(),
                public: private().public(),
                reviewers: only(&["*"]),
                groups: only(&["a", "b"]),
                cancelling: Cancelling::Refused,
            },
            VerdictKey {
                id: "x:y".into(),
                public: other,
                reviewers: only(&["kim"]),
                groups: only(&[]),
                cancelling: Cancelling::Allowed,
            },
        ])
    }

    #[test]
    fn keys_are_openssls() {
        assert_eq!(private().pem(), PEM);
        let read = PrivateKey::parse_pem(&PEM.replace('\n', "\r\n")).expect("a key");
        assert_eq!(read.public(), private().public());
        assert_eq!(read.public().base64(), PUBLIC);
        assert_eq!(PublicKey::parse(PUBLIC), Ok(read.public()));
        assert_eq!(PublicKey::parse(PUBLIC_PEM), Ok(read.public()));
        // printf A6EH… | base64 -d | sha256sum
        assert_eq!(read.public().id(), "56475aa75463474c");
        assert!(!format!("{read:?}").contains("AAECAw"), "a secret is printed");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "x", PUBLIC, PUBLIC_PEM, "-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----"] {
            assert_eq!(PrivateKey::parse_pem(text).err(), Some(KeyError::NoPrivateKey), "{text}");
        }
        let weak = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        for text in ["", "x", PEM, weak, &PUBLIC[..43], &format!("{PUBLIC}{PUBLIC}"), &PUBLIC.replace('=', "A")] {
            assert_eq!(PublicKey::parse(text), Err(KeyError::NoPublicKey), "{text}");
        }
    }

    #[test]
    fn a_signature_is_good_for_its_key_topic_and_value_only() {
        let keys = keys();
        let header = private().sign_verdict("tool", "jidoka.verdicts", b"{}");
        let check = |header: &str, topic: &str, value: &[u8]| match keys.check(Some(header.as_bytes()), topic, value) {
            Signature::Good(key) => Ok(key.id.clone()),
            Signature::Bad(why) => Err(why),
            Signature::Absent => panic!("there is a header"),
        };
        assert_eq!(check(&header, "jidoka.verdicts", b"{}"), Ok("tool".to_owned()));
        assert_eq!(check(&header, "other.verdicts", b"{}"), Err(BadSignature::Mismatch));
        assert_eq!(check(&header, "jidoka.verdicts", b"{ }"), Err(BadSignature::Mismatch));
        assert_eq!(check(&header, "jidoka.verdicts\0{", b"}"), Err(BadSignature::Mismatch));
        assert_eq!(check(&header.replace("tool", "x:y"), "jidoka.verdicts", b"{}"), Err(BadSignature::Mismatch));
        assert_eq!(check(&header.replace("tool", "tol"), "jidoka.verdicts", b"{}"), Err(BadSignature::UnknownKey));
        assert_eq!(check(&header[..header.len() - 1], "jidoka.verdicts", b"{}"), Err(BadSignature::Mismatch));
        assert_eq!(check("", "jidoka.verdicts", b"{}"), Err(BadSignature::Form));
        let other = PrivateKey::of_secret(&[9; 32]).sign_verdict("x:y", "t", b"v");
        assert_eq!(check(&other, "t", b"v"), Ok("x:y".to_owned()));
        assert_eq!(keys.check(Some(b"\xff"), "t", b"v"), Signature::Bad(BadSignature::Form));
        assert_eq!(keys.check(None, "t", b"v"), Signature::Absent);
    }

    #[test]
    fn a_key_speaks_for_those_it_names() {
        let keys = keys();
        let [tool, kims] = keys.0.as_slice() else { panic!("two keys") };
        assert!(tool.may_speak_for("anybody", []) && tool.may_speak_for("anybody", ["a", "b"]));
        assert!(!tool.may_speak_for("anybody", ["a", "c"]) && !tool.may_cancel());
        assert!(kims.may_speak_for("kim", []) && kims.may_cancel());
        assert!(!kims.may_speak_for("kim", ["a"]) && !kims.may_speak_for("lee", []));
    }
}
