//! The writer schemas that are known.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::Arc;

use super::schema::{SchemaRefused, WriterSchema};
use crate::document::{Place, Problem, Problems};

/// So many schemas may be known at once.
pub const MAX_SCHEMAS: usize = 1_000;

/// What the name of a schema's file ends with.
const EXTENSION: &str = ".avsc";

/// Where writer schemas come from.
///
/// Asked for every Avro record, on the thread that decides: it must be quick and never wait. A record whose schema is not
/// known at that moment is unreadable, `unknown-schema`, and so is held.
pub trait SchemaSource: Send + Sync + fmt::Debug {
    /// The schema that a registry gave this id.
    fn by_id(&self, id: u32) -> Option<Arc<WriterSchema>>;

    /// The schema with this [`WriterSchema::fingerprint`].
    fn by_fingerprint(&self, fingerprint: u64) -> Option<Arc<WriterSchema>>;

    /// Whether none is known at all: then nothing is taken for Avro, whatever its first bytes are.
    fn is_empty(&self) -> bool;
}

/// Writer schemas by id and by fingerprint; a set that never changes.
#[derive(Clone, Default)]
pub struct Schemas {
    by_id: BTreeMap<u32, Arc<WriterSchema>>,
    /// None where schemas that mean different things share a fingerprint, as those do that differ in logical types alone:
    /// nobody can tell which of them a record was written with.
    by_fingerprint: BTreeMap<u64, Option<Arc<WriterSchema>>>,
}

impl Schemas {
    /// Reads all schemas from `files` of (name, text), where a name is `<id>.avsc`, with or without its folder. There may be none.
    ///
    /// # Errors
    /// Everything that is wrong with the names, and the first thing that is with each text.
    pub fn read(files: &[(String, String)]) -> Result<Self, Vec<Problem>> {
        let problems = Problems::default();
        let mut schemas = Self::default();
        let problem = |file: &str, field: &str, what: String| problems.add(Problem::new(&Place::whole(file), field, what));
        if let Some((file, _)) = files.get(MAX_SCHEMAS) {
            problem(file, "", format!("at most {MAX_SCHEMAS} schemas can be known at once"));
        }
        for (file, text) in files.iter().take(MAX_SCHEMAS) {
            match (id_of(file), WriterSchema::parse(text)) {
                (None, _) => {
                    problem(file, "", format!("a schema's file is named by its id, a number up to {}: `7{EXTENSION}`", u32::MAX));
                }
                (_, Err(SchemaRefused { field, what })) => problem(file, &field, what),
                (Some(id), Ok(schema)) => {
                    if !schemas.add(id, Arc::new(schema)) {
                        problem(file, "", format!("the id {id} is there twice"));
                    }
                }
            }
        }
        problems.finish(schemas)
    }

    /// Adds a schema, and says whether its id was free.
    fn add(&mut self, id: u32, schema: Arc<WriterSchema>) -> bool {
        match self.by_fingerprint.entry(schema.fingerprint()) {
            Entry::Vacant(entry) => drop(entry.insert(Some(Arc::clone(&schema)))),
            Entry::Occupied(mut entry) => {
                if entry.get().as_ref() != Some(&schema) {
                    entry.insert(None);
                }
            }
        }
        self.by_id.insert(id, schema).is_none()
    }
}

impl SchemaSource for Schemas {
    fn by_id(&self, id: u32) -> Option<Arc<WriterSchema>> {
        self.by_id.get(&id).map(Arc::clone)
    }

    fn by_fingerprint(&self, fingerprint: u64) -> Option<Arc<WriterSchema>> {
        self.by_fingerprint.get(&fingerprint)?.as_ref().map(Arc::clone)
    }

    fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

impl fmt::Debug for Schemas {
    /// Their ids: compiled schemas are long, and nobody reads them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_id.keys()).finish()
    }
}

/// The id that a file's name says, whatever its folder; none where it is another name, or the id has superfluous zeros.
fn id_of(file: &str) -> Option<u32> {
    let written = file.rsplit(['/', '\\']).next()?.strip_suffix(EXTENSION)?;
    written.parse().ok().filter(|id: &u32| id.to_string() == written)
}
