//! One writer's chain: numbered links, each naming the hash of the one before it.

use crate::identity::Hash;
use crate::json::ObjectWriter;

/// The last entry of a chain: its number and hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChainHead {
    /// Number of the last entry, from 0 without gaps.
    pub n: u64,
    /// That entry's hash.
    pub hash: Hash,
}

/// What an entry says of its place in its writer's chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChainLink<'a> {
    /// The chain's name, `gate/<source>/<partition>`, `lane/<k>` or `monitor/<policy>`.
    pub id: &'a str,
    /// Number of this entry.
    pub n: u64,
    /// Hash of the entry before; none for the first.
    pub prev: Option<Hash>,
}

impl ChainLink<'_> {
    /// Writes the member `chain` of an entry.
    pub(super) fn write(&self, entry: &mut ObjectWriter<'_>) {
        entry.object("chain", |chain| {
            chain.text("id", self.id);
            chain.integer("n", i64::try_from(self.n).unwrap_or(i64::MAX));
            match self.prev {
                Some(prev) => chain.word("prev", &prev.hex()),
                None => chain.raw("prev", None),
            }
        });
    }
}

/// A chain that grows within a transaction and falls back with it.
#[derive(Debug)]
pub struct Chain {
    id: String,
    committed: Option<ChainHead>,
    staged: Option<ChainHead>,
}

impl Chain {
    /// The chain `id` as it stood when its last entry was `head`; none where nothing was written yet.
    #[must_use]
    pub fn resume(id: String, head: Option<ChainHead>) -> Self {
        Self { id, committed: head, staged: head }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The place of the next entry.
    #[must_use]
    pub fn next(&self) -> ChainLink<'_> {
        ChainLink { id: &self.id, n: self.staged.map_or(0, |head| head.n + 1), prev: self.staged.map(|head| head.hash) }
    }

    /// Takes the entry written at [`Chain::next`] as the new head, until [`Chain::roll_back`].
    pub fn advance(&mut self, hash: Hash) {
        self.staged = Some(ChainHead { n: self.next().n, hash });
    }

    /// The head with everything staged.
    #[must_use]
    pub fn head(&self) -> Option<ChainHead> {
        self.staged
    }

    /// The transaction was committed: what was staged stands.
    pub fn commit(&mut self) {
        self.committed = self.staged;
    }

    /// The transaction was aborted: the chain is where it was.
    pub fn roll_back(&mut self) {
        self.staged = self.committed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_numbers_from_zero_and_names_its_predecessor() {
        let mut chain = Chain::resume("gate/s/0".to_owned(), None);
        assert_eq!(chain.next(), ChainLink { id: "gate/s/0", n: 0, prev: None });
        let first = Hash::of(b"first");
        chain.advance(first);
        assert_eq!(chain.next(), ChainLink { id: "gate/s/0", n: 1, prev: Some(first) });
    }

    #[test]
    fn an_aborted_transaction_leaves_the_chain_where_it_was() {
        let head = ChainHead { n: 6, hash: Hash::of(b"six") };
        let mut chain = Chain::resume("gate/s/0".to_owned(), Some(head));
        chain.advance(Hash::of(b"seven"));
        chain.advance(Hash::of(b"eight"));
        chain.roll_back();
        assert_eq!(chain.head(), Some(head));
        chain.advance(Hash::of(b"other seven"));
        chain.commit();
        chain.advance(Hash::of(b"lost"));
        chain.roll_back();
        assert_eq!(chain.head(), Some(ChainHead { n: 7, hash: Hash::of(b"other seven") }));
    }
}
