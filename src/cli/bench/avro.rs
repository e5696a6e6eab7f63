//! The same events in Avro, as a producer with a schema registry frames them.

use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::types::Value;

use crate::event::{SchemaSource, Schemas};

const SCHEMA: &str = include_str!("../../../schemas/inference-event.avsc");

/// Events in Avro, and who knows their schema.
pub(super) struct Framed {
    pub records: Vec<Vec<u8>>,
    pub schemas: Arc<dyn SchemaSource>,
}

impl Framed {
    /// The native JSON events of `lines`.
    pub fn new(lines: &[Vec<u8>]) -> Result<Self, String> {
        let schema = Schema::parse_str(SCHEMA).map_err(|error| error.to_string())?;
        let records = lines.iter().map(|line| framed(&schema, line)).collect::<Result<_, _>>()?;
        let schemas = Schemas::read(&[("1.avsc".to_owned(), SCHEMA.to_owned())])
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
        Ok(Self { records, schemas: Arc::new(schemas) })
    }
}

/// A zero byte and the schema's id before the record.
fn framed(schema: &Schema, line: &[u8]) -> Result<Vec<u8>, String> {
    let json: serde_json::Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let value = Value::from(json).resolve(schema).map_err(|error| error.to_string())?;
    let body = apache_avro::to_avro_datum(schema, value).map_err(|error| error.to_string())?;
    Ok([&[0, 0, 0, 0, 1], body.as_slice()].concat())
}
