//! Native events in Avro, for tests: apache-avro writes them.

use apache_avro::Schema;
use apache_avro::types::Value;
use serde_json::Value as Json;

/// The native event's schema: that of `schemas/registry/1.avsc`.
pub(crate) const NATIVE: &str = include_str!("../../../schemas/inference-event.avsc");

/// The native event `json` as a record in Confluent's framing with the schema id 1.
pub(crate) fn native(json: &str) -> Vec<u8> {
    let schema = Schema::parse_str(NATIVE).expect("the native schema");
    let json = serde_json::from_str(json).expect("an event in JSON");
    let value = value(&schema, &json).expect("a native event fits the native schema");
    confluent(1, &apache_avro::to_avro_datum(&schema, value).expect("it can be written"))
}

/// A record in Confluent's framing.
pub(crate) fn confluent(id: u32, body: &[u8]) -> Vec<u8> {
    [&[0][..], &id.to_be_bytes(), body].concat()
}

/// A record in the specification's single-object encoding.
pub(crate) fn single_object(fingerprint: u64, body: &[u8]) -> Vec<u8> {
    [&[0xc3, 1][..], &fingerprint.to_le_bytes(), body].concat()
}

/// `json` as a value of `schema`, which has no named types that are used twice; members that it does not name are left out.
/// None where it does not fit.
fn value(schema: &Schema, json: &Json) -> Option<Value> {
    Some(match schema {
        Schema::Null => json.is_null().then_some(Value::Null)?,
        Schema::Boolean => Value::Boolean(json.as_bool()?),
        Schema::Double => Value::Double(json.as_f64()?),
        Schema::String => Value::String(json.as_str()?.to_owned()),
        Schema::Array(array) => {
            Value::Array(json.as_array()?.iter().map(|item| value(&array.items, item)).collect::<Option<_>>()?)
        }
        Schema::Map(map) => {
            let member = |(key, member): (&String, &Json)| Some((key.clone(), value(&map.types, member)?));
            Value::Map(json.as_object()?.iter().map(member).collect::<Option<_>>()?)
        }
        Schema::Union(union) => {
            let fits = |(branch, schema)| Some((u32::try_from(branch).ok()?, value(schema, json)?));
            let (branch, value) = union.variants().iter().enumerate().find_map(fits)?;
            Value::Union(branch, Box::new(value))
        }
        Schema::Record(record) => {
            let members = json.as_object()?;
            let field = |name: &String, schema| Some((name.clone(), value(schema, members.get(name).unwrap_or(&Json::Null))?));
            Value::Record(record.fields.iter().map(|f| field(&f.name, &f.schema)).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}
