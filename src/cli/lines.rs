//! Lines of files, gzipped or not, and of standard input, in bounded pieces.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use flate2::bufread::MultiGzDecoder;

/// The longest line that is read: far above what any broker takes, far below what a machine has.
const LINE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// A piece this large is handed on.
const CHUNK_BYTES: usize = 256 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Where lines come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// `-`
    Stdin,
    /// A file, plain or gzipped; its first bytes tell which.
    File(PathBuf),
}

impl From<PathBuf> for Input {
    fn from(path: PathBuf) -> Self {
        if path.as_os_str() == "-" { Self::Stdin } else { Self::File(path) }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// Some whole lines.
#[derive(Default)]
pub struct Chunk {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Chunk {
    /// The lines, without their line feeds. Empty ones are lines too.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| {
            let line = &self.bytes[start..*end];
            line.strip_suffix(b"\n").unwrap_or(line)
        })
    }
}

/// The lines of one input.
pub struct Lines {
    reader: Box<dyn Buffered>,
    line_bytes_max: usize,
}

/// A reader that tells whether its next byte is at hand.
trait Buffered: BufRead {
    fn is_drained(&self) -> bool;
}

impl<R: Read> Buffered for BufReader<R> {
    fn is_drained(&self) -> bool {
        self.buffer().is_empty()
    }
}

impl Lines {
    /// Opens `input` and looks at its first bytes.
    ///
    /// # Errors
    /// When it cannot be opened or read.
    pub fn open(input: &Input) -> io::Result<Self> {
        match input {
            Input::Stdin => Self::of(io::stdin()),
            Input::File(path) => Self::of(File::open(path)?),
        }
    }

    fn of(source: impl Read + 'static) -> io::Result<Self> {
        let mut plain = BufReader::with_capacity(CHUNK_BYTES, source);
        let is_gzip = plain.fill_buf()?.starts_with(&GZIP_MAGIC);
        let reader: Box<dyn Buffered> =
            if is_gzip { Box::new(BufReader::with_capacity(CHUNK_BYTES, MultiGzDecoder::new(plain))) } else { Box::new(plain) };
        Ok(Self { reader, line_bytes_max: LINE_BYTES_MAX })
    }

    /// The next lines, `None` at the end. Returns what it has rather than wait for more, so that a pipe is followed line by
    /// line.
    ///
    /// # Errors
    /// When the input cannot be read, is broken gzip, or has a line of more than 32 MiB.
    pub fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        let mut chunk = Chunk::default();
        loop {
            let limit = self.line_bytes_max as u64 + 1;
            let read = (&mut self.reader).take(limit).read_until(b'\n', &mut chunk.bytes)?;
            if read > self.line_bytes_max && !chunk.bytes.ends_with(b"\n") {
                return Err(io::Error::other(format!("a line is longer than {} bytes", self.line_bytes_max)));
            }
            if read > 0 {
                chunk.ends.push(chunk.bytes.len());
            }
            if read == 0 || chunk.bytes.len() >= CHUNK_BYTES || self.reader.is_drained() {
                return Ok((!chunk.ends.is_empty()).then_some(chunk));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn all(mut lines: Lines) -> io::Result<Vec<Vec<u8>>> {
        let mut found = Vec::new();
        while let Some(chunk) = lines.next_chunk()? {
            found.extend(chunk.lines().map(<[u8]>::to_vec));
        }
        Ok(found)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("memory takes bytes");
        encoder.finish().expect("memory takes bytes")
    }

    #[test]
    fn every_line_is_a_record_whatever_is_in_it() {
        for (text, lines) in [
            (&b""[..], &[][..]),
            (b"a", &[&b"a"[..]]),
            (b"a\n", &[b"a"]),
            (b"a\n\nb\r\n", &[b"a", b"", b"b\r"]),
            (b"\n", &[b""]),
            (b"\xff\x00\nb", &[b"\xff\x00", b"b"]),
        ] {
            assert_eq!(all(Lines::of(Cursor::new(text)).unwrap()).unwrap(), lines);
            assert_eq!(all(Lines::of(Cursor::new(gzip(text))).unwrap()).unwrap(), lines, "gzipped");
        }
    }

    #[test]
    fn many_lines_survive_the_cutting_and_members_of_a_gzip_follow_each_other() {
        let line = |number: usize| format!("{number}:{}", "x".repeat(number % 700));
        let text: Vec<String> = (0..5_000).map(line).collect();
        let joined = text.join("\n");
        let (first, second) = joined.as_bytes().split_at(joined.len() / 3);
        let found = all(Lines::of(Cursor::new([gzip(first), gzip(second)].concat())).unwrap()).unwrap();
        assert_eq!(found.len(), text.len());
        assert!(found.iter().zip(&text).all(|(found, line)| found == line.as_bytes()));
    }

    #[test]
    fn a_cut_gzip_and_an_endless_line_are_errors() {
        let bytes = gzip(&[b'x'; 10_000]);
        assert!(all(Lines::of(Cursor::new(bytes[..bytes.len() - 9].to_vec())).unwrap()).is_err());
        let endless = |length| Lines { line_bytes_max: 10, ..Lines::of(Cursor::new(vec![b'x'; length])).unwrap() };
        assert_eq!(all(endless(10)).unwrap().len(), 1);
        assert!(all(endless(11)).is_err());
    }
}
