//! Reading the files that settings point to.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::{Presence, SchemaFolder};
use crate::document::{MAX_BYTES, Place, Problem, Problems};
use crate::event::Schemas;
use crate::policy::{FallbackReview, PolicySet};

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

/// Reads every policy (`*.yaml`, `*.yml`) in `folder`, in the order of the names. Called at the start, and again when
/// the folder has changed.
///
/// # Errors
/// Everything that is wrong in the folder and its files; then there is no policy at all, never a part of them.
pub fn read_policies(folder: &Path, fallback: &FallbackReview) -> Result<PolicySet, Vec<Problem>> {
    read_policies_with(folder, fallback, None)
}

/// [`read_policies`] where the names of the references are known: a policy that names another is refused.
///
/// # Errors
/// As there.
pub fn read_policies_with(
    folder: &Path,
    fallback: &FallbackReview,
    references: Option<&[&str]>,
) -> Result<PolicySet, Vec<Problem>> {
    let paths = policy_files(folder).map_err(|error| vec![problem(folder, &format!("cannot be read: {error}"))])?;
    PolicySet::read_with(&texts(&paths)?, fallback, references)
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
    PolicySet::read(&texts(paths)?, fallback)
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
