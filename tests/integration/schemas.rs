//! `schemas/`: the Avro and the JSON form of every record say the same, and the examples, which are what the program writes
//! (`examples`), fit both.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::types::Value as AvroValue;
use jidoka::event::{Decoder, Limits, Plan, SchemaSource as _, Schemas};
use serde_json::{Value, json};

use crate::examples;

/// Members that take JSON of any kind.
const ANYTHING: [&str; 1] = ["corrected"];

/// Examples that are no records of jidoka's.
const NO_RECORDS: [&str; 3] = ["candidate.yaml", "policy.yaml", "unreadable-event.json"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let files = entries.map(|entry| entry.expect("a folder can be listed").path()).filter(|path| path.is_file());
    let mut names: Vec<String> = files.map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The schemas by name, in JSON and, where there is one, in Avro.
fn schemas() -> BTreeMap<String, (Value, Option<Avro>)> {
    let (mut schemas, mut avro) = (BTreeMap::new(), BTreeMap::new());
    for file in names(&folder()) {
        let parsed = serde_json::from_str(&read(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        if let Some(name) = file.strip_suffix(".schema.json") {
            schemas.insert(name.to_owned(), (parsed, None));
        } else if let Some(name) = file.strip_suffix(".avsc") {
            avro.insert(name.to_owned(), Avro::new(parsed));
        } else {
            panic!("{file} is no schema");
        }
    }
    for (name, avro) in avro {
        schemas.get_mut(&name).unwrap_or_else(|| panic!("{name}.avsc has no JSON form")).1 = Some(avro);
    }
    schemas
}

/// The records among the examples, with the name of their schema.
fn records() -> Vec<(String, String, Value)> {
    let files = names(&examples::folder()).into_iter().filter(|file| !NO_RECORDS.contains(&file.as_str()));
    let record = |file: String| {
        let schema = file.split('.').next().expect("a part before the first dot").to_owned();
        let value = serde_json::from_str(&examples::example(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        (file, schema, value)
    };
    files.map(record).collect()
}

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::draft202012::options().should_validate_formats(true).build(schema).expect("a JSON Schema")
}

#[test]
fn every_example_fits_both_forms_of_its_schema_and_none_is_without() {
    let (schemas, records) = (schemas(), records());
    for name in schemas.keys() {
        assert!(records.iter().any(|(_, schema, _)| schema == name), "{name} has no example");
    }
    for (file, schema, record) in &records {
        let (json, avro) = schemas.get(schema).unwrap_or_else(|| panic!("{file}: no schema is named {schema}"));
        let errors: Vec<String> =
            validator(json).iter_errors(record).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{file}: {errors:?}");
        if let Some(avro) = avro {
            let value = avro.value(record).unwrap_or_else(|| panic!("{file} does not fit {schema}.avsc"));
            assert!(value.validate(&avro.schema), "{file} does not fit {schema}.avsc");
            let datum = apache_avro::to_avro_datum(&avro.schema, value.clone()).expect("a valid value can be written");
            let back = apache_avro::from_avro_datum(&avro.schema, &mut datum.as_slice(), None).expect("and read");
            assert_eq!(back, value, "{file}");
        }
    }
}

/// A schema that takes everything would pass the test above.
#[test]
fn a_record_that_lost_a_field_or_has_another_type_is_refused_by_both_forms() {
    let schemas = schemas();
    let mut refused = 0;
    for (file, schema, record) in records() {
        let (json, avro) = &schemas[&schema];
        let Some(avro) = avro else { continue };
        let validator = validator(json);
        let fits = |record: &Value| (validator.is_valid(record), avro.value(record).is_some());
        let members: Vec<String> = record.as_object().expect("an object").keys().cloned().collect();
        for member in members.into_iter().filter(|member| !ANYTHING.contains(&member.as_str())) {
            let mut without = record.clone();
            without.as_object_mut().expect("an object").shift_remove(&member);
            let mut other = record.clone();
            other[&member] = json!([[["no field looks like this"]]]);
            assert_eq!(fits(&other), (false, false), "{file}: {member} of another type");
            // That one of several fields must be there can be said in JSON Schema alone.
            let (by_json, by_avro) = fits(&without);
            assert!(by_avro || !by_json, "{file}: without {member} it fits the JSON form alone");
            refused += usize::from(!by_json);
        }
    }
    assert!(refused > 150, "only {refused} records without a field were refused");
}

#[test]
fn both_forms_name_the_same_fields() {
    for (name, (json, avro)) in schemas() {
        let Some(avro) = avro else { continue };
        let differences = differences(&avro, &json);
        assert!(differences.is_empty(), "{name}:\n{}", differences.join("\n"));
    }
}

/// A comparison that finds nothing would pass the test above.
#[test]
fn differences_between_the_forms_are_found() {
    let (json, avro) = schemas().remove("progress").expect("a schema of progress");
    let avro = avro.expect("in both forms");
    let changes = [
        ("/$defs/Progress/properties/sha256", json!({"type": "string"})),
        ("/$defs/Progress/properties/decided_through", json!({"type": ["integer", "null"]})),
        ("/$defs/Progress/properties/partitions_at_start", json!({"type": "string"})),
        ("/$defs/ChainHead/required", json!(["n"])),
        ("/$defs/ChainHead/properties", json!({"n": {"type": "integer"}})),
    ];
    for (at, change) in changes {
        let mut other = json.clone();
        *other.pointer_mut(at).unwrap_or_else(|| panic!("no {at}")) = change;
        assert!(!differences(&avro, &other).is_empty(), "a change at {at} is not noticed");
    }
}

fn differences(avro: &Avro, json: &Value) -> Vec<String> {
    let mut comparison = Comparison { json, avro, differences: Vec::new() };
    match (&avro.source, json.get("oneOf").and_then(Value::as_array)) {
        (Value::Array(records), Some(branches)) => {
            assert_eq!(records.len(), branches.len(), "as many kinds of records in both forms");
            records.iter().zip(branches).for_each(|(avro, json)| comparison.same("", avro, json));
        }
        (record, _) => comparison.same("", record, json),
    }
    comparison.differences
}

/// `schemas/registry/1.avsc` is the native event's schema itself, and events written with it can be read.
#[test]
fn the_registry_knows_the_native_event() {
    let registry = folder().join("registry");
    assert_eq!(fs::read_link(registry.join("1.avsc")).expect("a link"), Path::new("../inference-event.avsc"));
    let text = |name: &String| fs::read_to_string(registry.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let files: Vec<(String, String)> = names(&registry).into_iter().map(|name| (name.clone(), text(&name))).collect();
    let registry = Arc::new(Schemas::read(&files).unwrap_or_else(|problems| panic!("{problems:?}")));
    let fingerprint = registry.by_id(1).expect("the schema 1").fingerprint();
    let mut decoder = Decoder::new(Arc::new(Plan::default()), Limits::default()).with_schemas(registry);
    let avro = schemas().remove("inference-event").and_then(|(_, avro)| avro).expect("the native schema");
    let events: Vec<_> = records().into_iter().filter(|(_, schema, _)| schema == "inference-event").collect();
    assert!(!events.is_empty());
    for (file, _, event) in events {
        let value = avro.value(&event).unwrap_or_else(|| panic!("{file} does not fit"));
        let body = apache_avro::to_avro_datum(&avro.schema, value).expect("a valid value can be written");
        for frame in [&b"\x00\x00\x00\x00\x01"[..], &[&b"\xc3\x01"[..], &fingerprint.to_le_bytes()].concat()] {
            let bytes = [frame, &body].concat();
            let read = decoder.decode(&bytes).unwrap_or_else(|unreadable| panic!("{file}: {unreadable}"));
            assert_eq!(
                (read.event_id(), read.model_name()),
                (text_at(&event, "/event_id"), text_at(&event, "/model/name")),
                "{file}"
            );
        }
    }
}

fn text_at<'a>(json: &'a Value, pointer: &str) -> &'a str {
    json.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer}"))
}

/// The codes of the schema are those of the program.
#[test]
fn dead_letter_codes_are_the_programs() {
    let schema: Value = serde_json::from_str(&read("dead-letter-headers.schema.json")).expect("JSON");
    let codes = jidoka::event::Code::ALL.map(jidoka::event::Code::as_str);
    assert_eq!(schema["properties"]["jidoka-error-code"]["enum"], json!(codes));
}

/// An Avro schema: as the library reads it, and as it is written.
struct Avro {
    schema: Schema,
    source: Value,
    named: BTreeMap<String, Value>,
}

impl Avro {
    fn new(source: Value) -> Self {
        let schema = Schema::parse_str(&source.to_string()).unwrap_or_else(|error| panic!("{error}: {source}"));
        let mut named = BTreeMap::new();
        collect_named(&source, &mut named);
        Self { schema, source, named }
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        schema.as_str().and_then(|name| self.named.get(name)).unwrap_or(schema)
    }

    /// `json` as this schema has it; none where it does not fit. Members that the schema does not name do not fit.
    fn value(&self, json: &Value) -> Option<AvroValue> {
        self.convert(&self.source, json)
    }

    fn convert(&self, schema: &Value, json: &Value) -> Option<AvroValue> {
        let schema = self.resolve(schema);
        if let Value::Array(branches) = schema {
            let fits = |(place, branch)| Some((u32::try_from(place).ok()?, self.convert(branch, json)?));
            let (place, value) = branches.iter().enumerate().find_map(fits)?;
            return Some(AvroValue::Union(place, Box::new(value)));
        }
        let kind = schema.get("type").unwrap_or(schema).as_str().expect("a type's name");
        Some(match kind {
            "null" => json.is_null().then_some(AvroValue::Null)?,
            "boolean" => AvroValue::Boolean(json.as_bool()?),
            "int" => AvroValue::Int(i32::try_from(json.as_i64()?).ok()?),
            "long" => AvroValue::Long(json.as_i64()?),
            "double" => AvroValue::Double(json.as_f64()?),
            "string" if is_json_text(schema, "text") => AvroValue::String(json.is_object().then(|| json.to_string())?),
            "string" if is_json_text(schema, "any") => AvroValue::String(json.to_string()),
            "string" => AvroValue::String(json.as_str()?.to_owned()),
            "enum" => {
                let symbol = json.as_str()?;
                let place = list(schema, "symbols").iter().position(|known| known == symbol)?;
                AvroValue::Enum(u32::try_from(place).ok()?, symbol.to_owned())
            }
            "array" => {
                let items = json.as_array()?.iter().map(|item| self.convert(&schema["items"], item));
                AvroValue::Array(items.collect::<Option<_>>()?)
            }
            "map" => {
                let member = |(key, value): (&String, &Value)| Some((key.clone(), self.convert(&schema["values"], value)?));
                AvroValue::Map(json.as_object()?.iter().map(member).collect::<Option<_>>()?)
            }
            "record" => self.record(schema, json)?,
            other => panic!("unknown Avro type {other}"),
        })
    }

    fn record(&self, schema: &Value, json: &Value) -> Option<AvroValue> {
        let (fields, members) = (list(schema, "fields"), json.as_object()?);
        if members.keys().any(|member| fields.iter().all(|field| field["name"] != *member)) {
            return None;
        }
        let field = |field: &Value| {
            let name = field["name"].as_str().expect("a field's name");
            let value = members.get(name).or_else(|| field.get("default"))?;
            Some((name.to_owned(), self.convert(&field["type"], value)?))
        };
        Some(AvroValue::Record(fields.iter().map(field).collect::<Option<_>>()?))
    }
}

fn list<'a>(schema: &'a Value, member: &str) -> &'a [Value] {
    schema[member].as_array().unwrap_or_else(|| panic!("no {member}: {schema}"))
}

/// An object of any shape, or a value of any kind, is JSON text in Avro.
fn is_json_text(schema: &Value, kind: &str) -> bool {
    schema.get("json").is_some_and(|json| json == kind)
}

fn collect_named(schema: &Value, named: &mut BTreeMap<String, Value>) {
    match schema {
        Value::Object(members) => {
            if let (Some(Value::String(kind)), Some(Value::String(name))) = (members.get("type"), members.get("name"))
                && (kind == "record" || kind == "enum")
            {
                assert!(named.insert(name.clone(), schema.clone()).is_none(), "{name} is defined twice");
            }
            members.values().for_each(|member| collect_named(member, named));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_named(item, named)),
        _ => {}
    }
}

/// Compares the two forms of one schema, member by member.
struct Comparison<'s> {
    json: &'s Value,
    avro: &'s Avro,
    differences: Vec<String>,
}

impl<'s> Comparison<'s> {
    fn differ(&mut self, path: &str, avro: &Value, json: &Value) {
        self.differences.push(format!("at {path}: {avro} is not {json}"));
    }

    fn definition(&self, json: &'s Value) -> &'s Value {
        match json.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.json.pointer(reference.trim_start_matches('#')).expect("a definition of the same file"),
            None => json,
        }
    }

    fn same(&mut self, path: &str, avro: &Value, json: &'s Value) {
        let json = self.definition(json);
        let avro = self.avro.resolve(avro).clone();
        let (avro_nullable, branches) = match &avro {
            Value::Array(branches) => {
                let rest: Vec<Value> = branches.iter().filter(|branch| *branch != "null").cloned().collect();
                (rest.len() < branches.len(), rest)
            }
            other => (false, vec![other.clone()]),
        };
        let (json_nullable, mut types) = types(json);
        if avro_nullable != json_nullable {
            self.differ(path, &avro, json);
        }
        if branches.len() > 1 {
            let mut scalars: Vec<&str> = branches.iter().map(|branch| json_type(branch.as_str().expect("a scalar"))).collect();
            scalars.sort_unstable();
            types.sort_unstable();
            if scalars != types {
                self.differ(path, &avro, json);
            }
            return;
        }
        let branch = self.avro.resolve(&branches[0]).clone();
        let json = match json.get("anyOf").and_then(Value::as_array).filter(|_| json.get("properties").is_none()) {
            Some(options) => self.definition(options.iter().find(|option| option["type"] != "null").expect("more than null")),
            None => json,
        };
        self.one(path, &branch, json);
    }

    fn one(&mut self, path: &str, avro: &Value, json: &'s Value) {
        let kind = avro.get("type").unwrap_or(avro).as_str().expect("a type's name").to_owned();
        match kind.as_str() {
            "record" => self.record(path, avro, json),
            "enum" => {
                let words = json.get("enum").cloned().unwrap_or_else(|| json!([json["const"]]));
                if words != avro["symbols"] {
                    self.differ(path, avro, json);
                }
            }
            "array" => self.same(&format!("{path}[]"), &avro["items"].clone(), &json["items"]),
            "map" => self.same(&format!("{path}{{}}"), &avro["values"].clone(), &json["additionalProperties"]),
            "string" if is_json_text(avro, "text") => {
                if types(json).1 != ["object"] {
                    self.differ(path, avro, json);
                }
            }
            "string" if is_json_text(avro, "any") => {
                if types(json).1 != ["object", "array", "string", "number", "boolean"] {
                    self.differ(path, avro, json);
                }
            }
            scalar => {
                let words = scalar == "string"
                    && json.get("enum").is_some_and(|words| list(json, "enum").iter().all(Value::is_string) && !words.is_null());
                if types(json).1 != [json_type(scalar)] && !words {
                    self.differ(path, avro, json);
                }
            }
        }
    }

    fn record(&mut self, path: &str, avro: &Value, json: &'s Value) {
        let fields = list(avro, "fields");
        let properties = json["properties"].as_object().unwrap_or_else(|| panic!("{path}: no properties in {json}"));
        let named: Vec<&str> = fields.iter().map(|field| field["name"].as_str().expect("a name")).collect();
        let written: Vec<&str> = properties.keys().map(String::as_str).collect();
        if named != written {
            self.differences.push(format!("at {path}: Avro names {named:?}, JSON names {written:?}"));
            return;
        }
        let required = json.get("required").map_or(&[][..], |_| list(json, "required"));
        for (field, name) in fields.iter().zip(named) {
            let path = format!("{path}.{name}");
            if field.get("default").is_some() == required.iter().any(|required| required == name) {
                self.differences.push(format!("at {path}: what may be absent has a default in Avro and is not required in JSON"));
            }
            self.same(&path, &field["type"], &properties[name]);
        }
    }
}

/// Whether null fits, and what else does.
fn types(json: &Value) -> (bool, Vec<&str>) {
    let null_option =
        json.get("anyOf").and_then(Value::as_array).is_some_and(|options| options.iter().any(|option| option["type"] == "null"));
    let types: Vec<&str> = match &json["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        Value::String(only) => vec![only],
        _ => Vec::new(),
    };
    (null_option || types.contains(&"null"), types.into_iter().filter(|kind| *kind != "null").collect())
}

fn json_type(avro: &str) -> &'static str {
    match avro {
        "string" => "string",
        "int" | "long" => "integer",
        "double" => "number",
        "boolean" => "boolean",
        other => panic!("{other} is no scalar"),
    }
}
