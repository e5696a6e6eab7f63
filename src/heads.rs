//! Chain heads kept outside Kafka: what an auditor holds against a chain that was cut or written anew.
//!
//! ```text
//! gate, sidecar, monitor ─(after each commit)─→ HeadBoard::publish ─→ HeadWriter::follow ─(every `audit.heads.every`)─→ file
//! ```
//!
//! Publishing is a lock and two copies; signing and writing have a thread of their own, and whatever they meet stops nothing.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::audit::{ChainHead, HeadSigner};
use crate::identity::Timestamp;
use crate::signature::PrivateKey;

/// How often a thread that waits looks whether it should end.
const GLANCE: Duration = Duration::from_millis(100);
/// After a failure it is tried again at the latest after this.
const RETRY: Duration = Duration::from_secs(10);

/// The last committed head of every chain that this process writes.
#[derive(Debug, Default)]
pub struct HeadBoard {
    chains: Mutex<BTreeMap<String, Posted>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Posted {
    head: ChainHead,
    /// What stands in the file.
    written: Option<ChainHead>,
}

impl HeadBoard {
    /// An empty board.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that the chain `id` now stands at `head`. To be called once its transaction is committed, and only then. Allocates
    /// nothing for a chain that was published before.
    pub fn publish(&self, id: &str, head: ChainHead) {
        let mut chains = self.chains.lock().unwrap_or_else(PoisonError::into_inner);
        match chains.get_mut(id) {
            Some(posted) => posted.head = head,
            None => drop(chains.insert(id.to_owned(), Posted { head, written: None })),
        }
    }

    /// The heads that are not in the file, in the order of the chains' names.
    fn unwritten(&self) -> Vec<(String, ChainHead)> {
        let chains = self.chains.lock().unwrap_or_else(PoisonError::into_inner);
        let unwritten = chains.iter().filter(|(_, posted)| posted.written != Some(posted.head));
        unwritten.map(|(id, posted)| (id.clone(), posted.head)).collect()
    }

    fn have_written(&self, heads: &[(String, ChainHead)]) {
        let mut chains = self.chains.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, head) in heads {
            if let Some(posted) = chains.get_mut(id) {
                posted.written = Some(*head);
            }
        }
    }
}

/// Signs the heads of a board and adds them to a file. One file belongs to one process.
#[derive(Debug)]
pub struct HeadWriter {
    board: Arc<HeadBoard>,
    file: PathBuf,
    signer: HeadSigner,
}

impl HeadWriter {
    /// A writer of the heads on `board` into `file`, signed with `key`.
    #[must_use]
    pub fn new(board: Arc<HeadBoard>, file: PathBuf, key: PrivateKey) -> Self {
        Self { board, file, signer: HeadSigner::new(key) }
    }

    /// Adds what has changed to the file `every` so often until `stopping` says so, and once more then, on the calling
    /// thread. A file that cannot be written is logged and tried again; the heads that it lacks are not forgotten.
    pub fn follow(&self, every: Duration, stopping: &dyn Fn() -> bool) {
        let mut next = Instant::now() + every;
        while !stopping() {
            let now = Instant::now();
            if now < next {
                std::thread::sleep(GLANCE.min(next - now));
                continue;
            }
            next = now + if self.write_or_log() { every } else { every.min(RETRY) };
        }
        self.write_or_log();
    }

    /// Whether it went well.
    fn write_or_log(&self) -> bool {
        let written = self.write();
        if let Err(error) = &written {
            let file = self.file.display();
            tracing::error!(%error, %file, "signed chain heads cannot be written (audit.heads.file); they are tried again");
        }
        written.is_ok()
    }

    /// Adds a signed line for every head that has changed, and waits until it is on the disk.
    ///
    /// # Errors
    /// Where the file cannot be written; then the same heads are written the next time.
    pub fn write(&self) -> io::Result<()> {
        let heads = self.board.unwritten();
        if heads.is_empty() {
            return Ok(());
        }
        let (mut file, lines) = (open(&self.file)?, self.lines(&heads, now()));
        // A line that was cut off, by a full disk or a crash, must not swallow the next one.
        if ends_within_a_line(&mut file)? {
            file.write_all(b"\n")?;
        }
        file.write_all(&lines)?;
        file.sync_all()?;
        self.board.have_written(&heads);
        Ok(())
    }

    fn lines(&self, heads: &[(String, ChainHead)], at: Timestamp) -> Vec<u8> {
        let mut lines = Vec::new();
        for (chain, head) in heads {
            self.signer.write_line(&mut lines, chain, *head, at);
        }
        lines
    }
}

/// The file at `path`, to be added to; where it is new, its name is on the disk as well.
fn open(path: &Path) -> io::Result<File> {
    let is_new = !path.exists();
    let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    if is_new {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
    }
    Ok(file)
}

fn ends_within_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::audit::SignedHead;
    use crate::identity::Hash;

    fn head(n: u64) -> ChainHead {
        ChainHead { n, hash: Hash::of(&n.to_be_bytes()) }
    }

    fn found(path: &Path) -> Vec<(String, u64)> {
        let text = fs::read_to_string(path).unwrap_or_default();
        let heads = text.lines().filter_map(|line| SignedHead::read(line.as_bytes()).ok());
        let key = PrivateKey::of_secret(&[7; 32]).public();
        heads.map(|head| (head.is_signed_by(&key).then_some(head.chain).expect("signed"), head.head.n)).collect()
    }

    fn writer(path: &Path) -> (Arc<HeadBoard>, HeadWriter) {
        let board = Arc::new(HeadBoard::new());
        let writer = HeadWriter::new(Arc::clone(&board), path.to_owned(), PrivateKey::of_secret(&[7; 32]));
        (board, writer)
    }

    #[test]
    fn only_what_has_changed_is_added() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("heads.jsonl");
        let (board, writer) = writer(&path);
        writer.write().unwrap();
        assert!(!path.exists());
        board.publish("lane/1", head(4));
        board.publish("gate/s/0", head(0));
        board.publish("lane/1", head(5));
        writer.write().unwrap();
        writer.write().unwrap();
        board.publish("lane/1", head(5));
        writer.write().unwrap();
        let first = [("gate/s/0".to_owned(), 0), ("lane/1".to_owned(), 5)];
        assert_eq!(found(&path), first);
        board.publish("lane/1", head(6));
        writer.write().unwrap();
        assert_eq!(found(&path), [&first[..], &[("lane/1".to_owned(), 6)]].concat());
    }

    #[test]
    fn a_line_that_was_cut_off_swallows_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("heads.jsonl");
        fs::write(&path, "{\"chain\":\"lan").unwrap();
        let (board, writer) = writer(&path);
        board.publish("lane/1", head(5));
        writer.write().unwrap();
        assert_eq!(found(&path), [("lane/1".to_owned(), 5)]);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_tried_again_and_the_last_heads_are_written_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("later/heads.jsonl");
        let (board, writer) = writer(&path);
        board.publish("lane/1", head(5));
        assert!(writer.write().is_err());
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| writer.follow(Duration::from_millis(1), &|| stop.load(Ordering::Relaxed)));
            fs::create_dir(folder.path().join("later")).unwrap();
            while found(&path).is_empty() {
                std::thread::yield_now();
            }
            board.publish("lane/1", head(6));
            stop.store(true, Ordering::Relaxed);
        });
        assert_eq!(found(&path).last(), Some(&("lane/1".to_owned(), 6)));
    }
}
