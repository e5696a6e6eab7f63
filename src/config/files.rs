//! Reading the files that settings point to.

use std::cell::RefCell;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::watch::FileLook;
use super::{Presence, SchemaFolder};
use crate::document::{MAX_BYTES, Place, Problem, Problems};
use crate::event::Schemas;
use crate::policy::{Around, FallbackReview, PolicySet, Profiles};

/// The text of the file at `path`; longer ones are read just so far that their length is noticed.
pub(super) fn read_text(path: &Path) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    let limit = MAX_BYTES as u64 + 1;
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    read.map_err(|error| problem(path, &format!("cannot be read: {error}")))?;
    if bytes.len() > MAX_BYTES {
        return Err(problem(path, &format!("is longer than the {MAX_BYTES} bytes that are read")));
    }
    String::from_utf8(bytes).map_err(|error| problem(path, &format!("is not UTF-8 text: {}", error.utf8_error())))
}

/// Reads every policy (`*.yaml`, `*.yml`) in `folder`, in the order of the names, and the profiles that they name. Called at
/// the start, and again when any of these files has changed.
///
/// # Errors
/// Everything that is wrong in the folder and its files; then there is no policy at all, never a part of them.
///
/// A policy that names another reference than `references` is refused, where these are known.
pub fn read_policies(
    folder: &Path,
    fallback: &FallbackReview,
    references: Option<&[&str]>,
    profiles: &ProfileFiles,
) -> Result<PolicySet, Vec<Problem>> {
    let paths = policy_files(folder).map_err(|error| vec![problem(folder, &format!("cannot be read: {error}"))])?;
    read_set(&paths, (fallback, references), profiles)
}

/// The longest training profile that is read, in bytes.
pub const PROFILE_BYTES_MAX: u64 = 64 * 1_024 * 1_024;

/// The training profiles that were read with a set of policies, and how their files looked before: what is to be watched
/// beside the policies' folder.
#[derive(Debug, Default)]
pub struct ProfileFiles(RefCell<Vec<(PathBuf, Option<FileLook>)>>);

impl ProfileFiles {
    /// The bytes of the profile at `path`, which the policy in the file `policy` names: relative to that file.
    fn open(&self, policy: &str, path: &str) -> Result<Vec<u8>, String> {
        let path = Path::new(policy).parent().unwrap_or(Path::new("")).join(path);
        self.0.borrow_mut().push((path.clone(), FileLook::at(&path)));
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(PROFILE_BYTES_MAX + 1).read_to_end(&mut bytes));
        read.map_err(|error| format!("cannot be read: {error}; `jidoka profile build` makes it"))?;
        if bytes.len() as u64 > PROFILE_BYTES_MAX {
            return Err(format!("is longer than the {PROFILE_BYTES_MAX} bytes that are read"));
        }
        Ok(bytes)
    }

    /// The files.
    #[must_use]
    pub fn into_looks(self) -> Vec<(PathBuf, Option<FileLook>)> {
        self.0.into_inner()
    }
}

/// What writer schemas are called.
pub const SCHEMA_FILES: [&str; 1] = ["avsc"];

/// Reads every writer schema (`<id>.avsc`) in `folder`. Where there is no folder and none has to be, there are no schemas.
///
/// # Errors
/// Everything that is wrong in the folder and its files.
pub fn read_schemas(folder: &SchemaFolder) -> Result<Schemas, Vec<Problem>> {
    let paths = match files_in(&folder.path, &SCHEMA_FILES) {
        Err(error) if error.kind() == ErrorKind::NotFound && folder.presence == Presence::Optional => Vec::new(),
        Err(error) => return Err(vec![problem(&folder.path, &format!("cannot be read: {error}"))]),
        Ok(paths) => paths,
    };
    Schemas::read(&texts(&paths)?)
}

/// Reads these policy files as one set.
///
/// # Errors
/// Everything that is wrong in any of them.
pub fn read_policy_files(paths: &[PathBuf], fallback: &FallbackReview) -> Result<PolicySet, Vec<Problem>> {
    read_set(paths, (fallback, None), &ProfileFiles::default())
}

/// Reads the policy in the file at `path` alone, with a profile that is still to be built, or that is being built.
///
/// # Errors
/// Everything that is wrong in it.
pub fn read_policy_for_profile(
    path: &Path,
    fallback: &FallbackReview,
    profiles: Profiles<'_>,
) -> Result<PolicySet, Vec<Problem>> {
    PolicySet::read_with(&texts(&[path.to_owned()])?, Around { fallback, references: None, profiles })
}

fn read_set(
    paths: &[PathBuf],
    (fallback, references): (&FallbackReview, Option<&[&str]>),
    profiles: &ProfileFiles,
) -> Result<PolicySet, Vec<Problem>> {
    let open = |policy: &str, path: &str| profiles.open(policy, path);
    PolicySet::read_with(&texts(paths)?, Around { fallback, references, profiles: Profiles::Files(&open) })
}

/// The files at `paths`, each with its name.
fn texts(paths: &[PathBuf]) -> Result<Vec<(String, String)>, Vec<Problem>> {
    let problems = Problems::default();
    let mut files = Vec::new();
    for path in paths {
        match read_text(path) {
            Ok(text) => files.push((path.display().to_string(), text)),
            Err(unreadable) => problems.add(unreadable),
        }
    }
    problems.finish(files)
}

/// What policy files are called.
pub const POLICY_FILES: [&str; 2] = ["yaml", "yml"];

/// The policy files in `folder`, in the order of their names.
///
/// # Errors
/// Where the folder cannot be read.
pub fn policy_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    files_in(folder, &POLICY_FILES)
}

/// The files in `folder` with one of these `extensions`, in the order of their names. Hidden ones are passed over, as
/// Kubernetes and editors keep copies in them.
pub(super) fn files_in(folder: &Path, extensions: &[&str]) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    let is_wanted = |path: &PathBuf| {
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        !hidden && path.extension().is_some_and(|extension| extensions.iter().any(|wanted| extension == *wanted))
    };
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(is_wanted).collect();
    paths.sort();
    Ok(paths)
}

fn problem(path: &Path, message: &str) -> Problem {
    Problem::new(&Place::whole(&path.display().to_string()), "", message)
}
