//! The bytes of a record, read as Avro's binary encoding. No length and no count is believed before the bytes are there.

use crate::event::unreadable::{Code, Fault};

/// What was read, or why it could not be.
pub(super) type Read<T> = Result<T, Stop>;

/// Why reading cannot go on: boxed, for it is rare and everything else that is returned is small.
pub(super) struct Stop(pub Box<Fault>);

impl Stop {
    #[cold]
    pub fn new(code: Code, at: usize, what: String) -> Self {
        Self(Box::new(Fault { code, at: Some(at), what }))
    }
}

/// A place in the bytes of a record.
pub(super) struct Input<'r> {
    bytes: &'r [u8],
    at: usize,
}

/// A block of an array's or map's items.
#[derive(Clone, Copy)]
pub(super) struct Block {
    /// How many items; at least one.
    pub items: usize,
    /// The byte where the block said it ends.
    end: Option<usize>,
}

impl<'r> Input<'r> {
    /// A record's bytes, of which the first `start` were read.
    pub const fn new(bytes: &'r [u8], start: usize) -> Self {
        Self { bytes, at: start }
    }

    /// A fault at the byte that is read next.
    #[cold]
    pub fn misfit(&self, what: String) -> Stop {
        misfit_at(self.at, what)
    }

    /// The byte that is read next.
    pub const fn at(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub const fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Reads `len` bytes of `what`, which has its article.
    #[inline]
    pub fn take(&mut self, len: usize, what: &str) -> Read<&'r [u8]> {
        match self.bytes[self.at..].get(..len) {
            Some(bytes) => {
                self.at += len;
                Ok(bytes)
            }
            None => Err(self.misfit(format!("the record ends inside {what} of {len} bytes, {} are left", self.left()))),
        }
    }

    /// Reads eight or four bytes of a floating point number.
    #[inline]
    pub fn chunk<const N: usize>(&mut self, what: &str) -> Read<[u8; N]> {
        match self.bytes[self.at..].first_chunk() {
            Some(bytes) => {
                self.at += N;
                Ok(*bytes)
            }
            None => Err(self.misfit(format!("the record ends inside {what}"))),
        }
    }

    /// Reads a bool.
    #[inline]
    pub fn boolean(&mut self) -> Read<bool> {
        match self.chunk::<1>("a boolean")? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(misfit_at(self.at - 1, format!("a boolean is 0 or 1, not {other}"))),
        }
    }

    /// Reads a `long`, or whatever is written like one.
    #[inline]
    pub fn long(&mut self) -> Read<i64> {
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(unzigzag(u64::from(byte)))
            }
            _ => self.long_of_many_bytes(),
        }
    }

    /// Apart, so that the short ones, which most are, are read in line.
    #[inline(never)]
    fn long_of_many_bytes(&mut self) -> Read<i64> {
        let mut value = 0_u64;
        for (place, &byte) in self.bytes[self.at..].iter().take(10).enumerate() {
            // The tenth byte has room for one bit.
            if place == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                self.at += place + 1;
                return Ok(unzigzag(value));
            }
        }
        let what = if self.left() < 10 { "the record ends inside a number" } else { "a number of more than 64 bits" };
        Err(self.misfit(what.to_owned()))
    }

    /// Reads an `int`.
    #[inline]
    pub fn int(&mut self) -> Read<i32> {
        let at = self.at;
        let value = self.long()?;
        i32::try_from(value).map_err(|_| misfit_at(at, "an int of more than 32 bits".to_owned()))
    }

    /// Reads the number of one of `count` branches or symbols of `what`, which has its article.
    #[inline]
    pub fn choice(&mut self, count: u32, what: &str) -> Read<u32> {
        let at = self.at;
        let value = self.long()?;
        match u32::try_from(value) {
            Ok(choice) if choice < count => Ok(choice),
            _ => Err(misfit_at(at, format!("number {value} of {what} that has {count}, counted from 0"))),
        }
    }

    /// Reads bytes or a string, `what` with its article, whose length comes first.
    #[inline]
    pub fn counted(&mut self, what: &str) -> Read<&'r [u8]> {
        let at = self.at;
        let len = self.long()?;
        match usize::try_from(len) {
            Ok(len) => self.take(len, what),
            Err(_) => Err(misfit_at(at, format!("{what} of {len} bytes"))),
        }
    }

    /// Reads up to the next block of items that take at least `item_bytes`, which is not 0; none where there are no more.
    pub fn block(&mut self, item_bytes: usize) -> Read<Option<Block>> {
        let at = self.at;
        let count = self.long()?;
        if count == 0 {
            return Ok(None);
        }
        let end = if count < 0 { Some(self.block_end()?) } else { None };
        let room = end.unwrap_or(self.bytes.len()) - self.at;
        let count = count.unsigned_abs();
        match usize::try_from(count) {
            Ok(items) if items <= room / item_bytes => Ok(Some(Block { items, end })),
            _ if end.is_some() => Err(misfit_at(at, format!("a block of {count} items in {room} bytes"))),
            _ => Err(misfit_at(at, format!("the record ends inside a block of {count} items, {room} bytes are left"))),
        }
    }

    /// Reads a block's size in bytes.
    fn block_end(&mut self) -> Read<usize> {
        let at = self.at;
        let size = self.long()?;
        match usize::try_from(size) {
            Ok(size) if size <= self.left() => Ok(self.at + size),
            _ => Err(misfit_at(at, format!("a block of {size} bytes where {} are left", self.left()))),
        }
    }

    /// Checks that `block`, whose items were read, ends where it said: whoever skips it must come to the same place.
    pub fn end_block(&self, block: Block) -> Read<()> {
        match block.end {
            Some(end) if end != self.at => Err(self.misfit(format!("a block that should end at byte {end} ends here"))),
            _ => Ok(()),
        }
    }

    /// Checks that nothing follows.
    pub fn end(&self) -> Read<()> {
        if self.left() == 0 {
            Ok(())
        } else {
            Err(self.misfit(format!("the record should end here, bytes left: {}", self.left())))
        }
    }
}

/// 0, −1, 1, −2, 2 … from 0, 1, 2, 3, 4 …
#[inline]
const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// A fault at the byte `at`.
#[cold]
pub(super) fn misfit_at(at: usize, what: String) -> Stop {
    Stop::new(Code::NotAvro, at, what)
}
