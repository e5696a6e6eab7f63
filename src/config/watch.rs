//! Noticing that the files of a folder have changed.
//!
//! The folder is looked at now and then, which works everywhere: on network file systems, and where Kubernetes swaps a link
//! under a whole folder. A change counts once it has stood still from one look to the next, so that a file which is half
//! written is not taken up. (One that stays half written is: write beside it and rename, as editors do.)

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::files::files_in;

/// A folder, and how its files looked when they were last read.
#[derive(Clone, Debug)]
pub struct FolderWatch {
    folder: PathBuf,
    extensions: &'static [&'static str],
    /// Files elsewhere that are read with those of the folder.
    beside: Vec<PathBuf>,
    read: Look,
    last: Look,
}

/// What is seen of the files without reading them; or why nothing can be seen.
type Look = Result<Vec<(PathBuf, Option<FileLook>)>, String>;

/// What is seen of a file without reading it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileLook {
    bytes: u64,
    modified: Option<SystemTime>,
    /// A file that was put in another's place may have its size and time.
    #[cfg(unix)]
    inode: u64,
}

/// What a look found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Nothing that is to be taken up.
    None,
    /// The files are others than before and have stood still since the last look: read them.
    Files,
    /// The folder cannot be read any more, for this reason; told once.
    Unreadable(String),
}

impl FolderWatch {
    /// Watches the files of `folder` that have one of these `extensions`. How they look now counts as read.
    #[must_use]
    pub fn new(folder: &Path, extensions: &'static [&'static str]) -> Self {
        let read = look(folder, extensions, &[]);
        Self { folder: folder.to_owned(), extensions, beside: Vec::new(), last: read.clone(), read }
    }

    /// Watches these files, too, and no others than those of the folder and these. They looked so when they were read; none
    /// where there was none.
    pub fn beside(&mut self, mut looks: Vec<(PathBuf, Option<FileLook>)>) {
        looks.sort_by(|(one, _), (other, _)| one.cmp(other));
        looks.dedup_by(|(one, _), (other, _)| one == other);
        if let Ok(read) = &mut self.read {
            read.retain(|(path, _)| !self.beside.contains(path));
            read.extend(looks.iter().cloned());
        }
        self.beside = looks.into_iter().map(|(path, _)| path).collect();
    }

    /// Looks again.
    pub fn look(&mut self) -> Change {
        let seen = look(&self.folder, self.extensions, &self.beside);
        let stood_still = seen == self.last;
        self.last.clone_from(&seen);
        if seen == self.read || !stood_still {
            return Change::None;
        }
        self.read = seen;
        match &self.read {
            Ok(_) => Change::Files,
            Err(error) => Change::Unreadable(error.clone()),
        }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

fn look(folder: &Path, extensions: &[&str], beside: &[PathBuf]) -> Look {
    let files = || -> io::Result<Vec<(PathBuf, Option<FileLook>)>> {
        let seen = |path: PathBuf| std::fs::metadata(&path).map(|metadata| (path, Some(FileLook::of(&metadata))));
        files_in(folder, extensions)?.into_iter().map(seen).collect()
    };
    let mut seen = files().map_err(|error| error.to_string())?;
    seen.extend(beside.iter().map(|path| (path.clone(), FileLook::at(path))));
    Ok(seen)
}

impl FileLook {
    /// The file at `path`, where there is one.
    #[must_use]
    pub fn at(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|metadata| Self::of(&metadata))
    }

    fn of(metadata: &Metadata) -> Self {
        Self {
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(metadata),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_change_counts_once_it_stands_still() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.yaml");
        fs::write(&file, "a").expect("written");
        let mut watch = FolderWatch::new(folder.path(), &["yaml"]);
        assert_eq!(watch.look(), Change::None, "nothing has changed");
        fs::write(&file, "ab").expect("written");
        assert_eq!(watch.look(), Change::None, "it may not be finished");
        fs::write(&file, "abc").expect("written");
        assert_eq!(watch.look(), Change::None, "it was not");
        assert_eq!(watch.look(), Change::Files);
        assert_eq!(watch.look(), Change::None, "told once");
        fs::write(folder.path().join(".a.yaml.swp"), "x").expect("written");
        fs::write(folder.path().join("notes.txt"), "x").expect("written");
        assert_eq!((watch.look(), watch.look()), (Change::None, Change::None), "not ours");
    }

    #[test]
    fn files_elsewhere_that_are_read_with_it_are_watched_too() {
        let parent = tempfile::tempdir().expect("a folder");
        let (folder, profile) = (parent.path().join("policies"), parent.path().join("a.profile"));
        fs::create_dir(&folder).expect("made");
        fs::write(folder.join("a.yaml"), "a").expect("written");
        let mut watch = FolderWatch::new(&folder, &["yaml"]);
        watch.beside(vec![(profile.clone(), None)]);
        assert_eq!((watch.look(), watch.look()), (Change::None, Change::None), "it is not there, as before");
        fs::write(&profile, "one").expect("written");
        assert_eq!((watch.look(), watch.look(), watch.look()), (Change::None, Change::Files, Change::None));
        fs::write(&profile, "more").expect("written");
        watch.beside(vec![(profile.clone(), FileLook::at(&profile)), (profile.clone(), FileLook::at(&profile))]);
        assert_eq!((watch.look(), watch.look()), (Change::None, Change::None), "it was read so");
        fs::remove_file(&profile).expect("removed");
        assert_eq!((watch.look(), watch.look()), (Change::None, Change::Files));
    }

    #[test]
    fn a_folder_that_goes_is_told_once_and_one_that_comes_back_is_read() {
        let parent = tempfile::tempdir().expect("a folder");
        let (folder, away) = (parent.path().join("policies"), parent.path().join("away"));
        fs::create_dir(&folder).expect("made");
        fs::write(folder.join("a.yaml"), "a").expect("written");
        let mut watch = FolderWatch::new(&folder, &["yaml"]);
        fs::rename(&folder, &away).expect("moved");
        assert_eq!(watch.look(), Change::None);
        assert!(matches!(watch.look(), Change::Unreadable(_)));
        assert_eq!(watch.look(), Change::None);
        fs::rename(&away, &folder).expect("moved back");
        assert_eq!(watch.look(), Change::None);
        assert_eq!(watch.look(), Change::Files);
    }
}
