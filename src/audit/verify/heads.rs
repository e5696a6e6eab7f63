//! Signed heads, as far as an input is held against them.

use std::collections::HashMap;

use super::chains::Digits;
use super::finding::{Damage, Findings, Place};
use crate::audit::SignedHead;
use crate::identity::Timestamp;
use crate::signature::PublicKey;

/// What a head says of its chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ExpectedHead {
    pub n: u64,
    pub hash: Digits,
    pub at: Timestamp,
}

/// The heads of one or more files, signed with one key.
#[derive(Debug)]
pub struct Heads {
    key: PublicKey,
    chains: HashMap<String, Vec<ExpectedHead>>,
    count: u64,
    lines: u64,
    unreadable: u64,
    unsigned: Option<(u64, String)>,
}

impl Heads {
    /// No heads yet; those that come must be signed with `key`.
    #[must_use]
    pub fn new(key: PublicKey) -> Self {
        Self { key, chains: HashMap::new(), count: 0, lines: 0, unreadable: 0, unsigned: None }
    }

    /// Takes a line of a file of heads. One that cannot be read is counted: a crash may have cut it off.
    pub fn line(&mut self, line: &[u8]) {
        self.lines += 1;
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        let Ok(head) = SignedHead::read(line) else {
            self.unreadable += 1;
            return;
        };
        if !head.is_signed_by(&self.key) {
            let first = || {
                let (chain, n, line) = (&head.chain, head.head.n, self.lines);
                format!(
                    "line {line} of the heads, of the chain {chain} and n = {n}, is not signed with the key given, whose id is {}; it says \
                     that its key's id is {}",
                    self.key.id(),
                    head.key
                )
            };
            let sentence = self.unsigned.take().map_or_else(|| (1, first()), |(count, sentence)| (count + 1, sentence));
            self.unsigned = Some(sentence);
            return;
        }
        self.count += 1;
        let expected = ExpectedHead { n: head.head.n, hash: head.head.hash.hex(), at: head.at };
        self.chains.entry(head.chain).or_default().push(expected);
    }

    /// How many heads are signed.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The heads by chain, in the order of their numbers, after what is wrong with them was told.
    pub(super) fn into_chains(mut self, findings: &mut Findings, notes: &mut Vec<String>) -> HashMap<String, Vec<ExpectedHead>> {
        if let Some((count, sentence)) = self.unsigned.take() {
            for _ in 0..count {
                findings.add(Damage::UnsignedHead, Place::default(), sentence.clone());
            }
        }
        if self.unreadable > 0 {
            notes.push(format!("{} lines of the heads are no heads, such as a crash leaves; they say nothing", self.unreadable));
        }
        for heads in self.chains.values_mut() {
            heads.sort_by_key(|head| (head.n, head.at));
            heads.dedup_by_key(|head| (head.n, head.hash));
        }
        self.chains
    }
}
