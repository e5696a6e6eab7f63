//! The text of a writer schema → a program and a fingerprint, or the reason why it is refused.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::fingerprint;
use super::program::{Field, Items, Node, NodeId, Program};
use crate::event::path::cut;
use crate::event::unreadable::Limits;

/// The longest text of a schema, in bytes.
const MAX_TEXT: usize = 64 * 1_024;
/// The most types that a schema may consist of, a named one counted wherever it is used.
const MAX_TYPES: usize = 10_000;
/// The biggest `fixed`, in bytes.
const MAX_FIXED: u64 = 64 * 1_024;
/// The most digits of a `decimal`; a double has 309 before its point.
const MAX_DIGITS: u64 = 500;
/// Deeper fields are cut here in sentences.
const SHOWN_STEPS: usize = 8;

/// A schema that records were written with, ready to read them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WriterSchema {
    pub(super) program: Program,
    /// The fields of the event itself.
    pub(super) event: Items,
    /// Which of them is `features`.
    pub(super) features: Option<usize>,
    fingerprint: u64,
}

/// Why a schema cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}{what}", if self.field.is_empty() { String::new() } else { format!("in `{}`: ", self.field) })]
pub struct SchemaRefused {
    /// The field it is about, such as `model.name`; empty where it is the whole.
    pub field: String,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl WriterSchema {
    /// Reads the text of a schema (`.avsc`): the JSON of the Avro specification, a record at the top.
    ///
    /// # Errors
    /// When it is no schema of a record, or one whose records could take much more time or memory than they have bytes:
    /// it is longer than 64 KiB, is recursive, has more levels than an event may have by default, consists of more than
    /// 10,000 types (a named one counted wherever it is used), has arrays of items that take no bytes, a fixed of more than
    /// 64 KiB or a decimal of more than 500 digits. The first reason is given.
    pub fn parse(text: &str) -> Result<Self, SchemaRefused> {
        let whole = |what| SchemaRefused { field: String::new(), what };
        if text.len() > MAX_TEXT {
            return Err(whole(format!("the schema has {} bytes; at most {MAX_TEXT} are read", text.len())));
        }
        // It refuses JSON of more than 128 levels, so nothing below goes deeper.
        let json: Value = serde_json::from_str(text).map_err(|error| whole(format!("the schema is not JSON: {error}")))?;
        let mut parser = Parser::default();
        let root = parser.schema(&json, "")?;
        let Parser { program, canonical, .. } = parser;
        let Node::Record { fields: event } = program.node(root.node) else {
            return Err(whole("an event must be a record; this schema is of another type".to_owned()));
        };
        let named_features = |field: &Field| program.literal(field.before).ends_with(b"\"features\":");
        let features = program.fields(event).iter().position(named_features);
        Ok(Self { event, features, fingerprint: fingerprint::of(&canonical), program })
    }

    /// CRC-64-AVRO of the schema's parsing canonical form: what the single-object encoding names it by.
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

/// A type that was read.
#[derive(Clone, Copy)]
struct Type {
    node: NodeId,
    extent: Extent,
}

/// How much a type can stand for.
#[derive(Clone, Copy)]
struct Extent {
    /// The fewest bytes that a value of it takes.
    bytes: usize,
    /// How many types it consists of, itself counted.
    types: usize,
    /// Levels of objects and lists in the JSON of its deepest value.
    levels: usize,
}

impl Extent {
    const fn leaf(bytes: usize) -> Self {
        Self { bytes, types: 1, levels: 0 }
    }

    /// That of something in which `inner` stands too.
    fn with(self, inner: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(inner.bytes),
            types: self.types.saturating_add(inner.types),
            levels: self.levels.max(inner.levels),
        }
    }

    /// That of an object or a list of which so far only the inside was counted, and of which the smallest takes `bytes`.
    const fn around(self, bytes: usize) -> Self {
        Self { bytes, levels: self.levels + 1, ..self }
    }
}

/// Reads a schema, writing its canonical form on the way.
#[derive(Default)]
struct Parser<'s> {
    program: Program,
    canonical: String,
    /// Named types by their full names; none while their definition is read.
    named: BTreeMap<String, Option<Type>>,
    /// The fields that it is inside of.
    path: Vec<&'s str>,
}

type Parsed<T> = Result<T, SchemaRefused>;

impl<'s> Parser<'s> {
    #[cold]
    fn refuse<T>(&self, what: impl Into<String>) -> Parsed<T> {
        let steps: Vec<String> = self.path.iter().take(SHOWN_STEPS).map(|name| cut(name)).collect();
        Err(SchemaRefused { field: steps.join("."), what: what.into() })
    }

    /// Reads a schema that stands in the namespace `space`.
    fn schema(&mut self, json: &'s Value, space: &str) -> Parsed<Type> {
        match json {
            Value::String(name) => self.by_name(name, None, space),
            Value::Array(branches) => self.union(branches, space),
            Value::Object(object) => match object.get("type") {
                Some(Value::String(kind)) => self.complex(kind, object, space),
                // Superfluous braces, which some generators write.
                Some(inner @ (Value::Object(_) | Value::Array(_))) => self.schema(inner, space),
                _ => self.refuse("a type needs the member `type`: a name, an object or a list"),
            },
            _ => self.refuse("a type is a name, an object with the member `type`, or a list of the branches of a union"),
        }
    }

    fn complex(&mut self, kind: &str, object: &'s Map<String, Value>, space: &str) -> Parsed<Type> {
        match kind {
            "record" | "error" => self.record(object, space),
            "enum" => self.enumeration(object, space),
            "fixed" => self.fixed(object, space),
            "array" => self.array(object, space),
            "map" => self.map(object, space),
            name => self.by_name(name, Some(object), space),
        }
    }

    /// A primitive type, with what `object` says about its meaning, or one that was defined before.
    fn by_name(&mut self, name: &str, object: Option<&'s Map<String, Value>>, space: &str) -> Parsed<Type> {
        let Some((node, bytes)) = self.primitive(name, object)? else { return self.reference(name, space) };
        self.write_quoted(name);
        self.add(node, bytes)
    }

    /// A primitive type and the fewest bytes of it; none where `name` is not that of one.
    fn primitive(&self, name: &str, object: Option<&Map<String, Value>>) -> Parsed<Option<(Node, usize)>> {
        let logical = object.and_then(|object| object.get("logicalType")).and_then(Value::as_str).unwrap_or_default();
        let time = |per_milli| Node::Time { per_milli };
        // An unknown or misplaced logical type is none, says the specification.
        Ok(Some(match (name, logical) {
            ("int", "date") => (Node::Date, 1),
            ("long", "timestamp-millis" | "local-timestamp-millis") => (time(1), 1),
            ("long", "timestamp-micros" | "local-timestamp-micros") => (time(1_000), 1),
            ("long", "timestamp-nanos" | "local-timestamp-nanos") => (time(1_000_000), 1),
            ("bytes", "decimal") => match self.scale(object)? {
                Some(scale) => (Node::Decimal { scale, size: None }, 1),
                None => (Node::Bytes, 1),
            },
            ("null", _) => (Node::Null, 0),
            ("boolean", _) => (Node::Boolean, 1),
            ("int", _) => (Node::Int, 1),
            ("long", _) => (Node::Long, 1),
            ("float", _) => (Node::Float, 4),
            ("double", _) => (Node::Double, 8),
            ("bytes", _) => (Node::Bytes, 1),
            ("string", _) => (Node::Text, 1),
            _ => return Ok(None),
        }))
    }

    /// The scale of a decimal; none where it is not a valid one, which then counts as bytes.
    fn scale(&self, object: Option<&Map<String, Value>>) -> Parsed<Option<u32>> {
        let number = |name| object.and_then(|object| object.get(name));
        let precision = number("precision").and_then(Value::as_u64);
        let scale = number("scale").map_or(Some(0), Value::as_u64);
        match (precision, scale) {
            (Some(digits), _) if digits > MAX_DIGITS => {
                self.refuse(format!("a decimal of {digits} digits; at most {MAX_DIGITS} are read"))
            }
            (Some(1..), Some(scale)) if Some(scale) <= precision => Ok(u32::try_from(scale).ok()),
            _ => Ok(None),
        }
    }

    /// A type that was defined before: in the namespace `space`, or in none.
    fn reference(&mut self, name: &str, space: &str) -> Parsed<Type> {
        let full = full_name(name, space);
        let (full, found) = match (self.named.get(&full), self.named.get(name)) {
            (Some(found), _) => (full.as_str(), found),
            (None, Some(found)) => (name, found),
            (None, None) => return self.refuse(format!("the type `{}` is not defined before it is used here", shown(name))),
        };
        match *found {
            Some(found) => {
                self.canonical.extend(["\"", full, "\""]);
                Ok(found)
            }
            None => self.refuse(format!("the type `{}` contains itself; recursive types are not read", shown(full))),
        }
    }

    fn union(&mut self, branches: &'s [Value], space: &str) -> Parsed<Type> {
        self.canonical.push('[');
        let mut nodes = Vec::new();
        let mut extent = Extent::leaf(0);
        let mut bytes = usize::MAX;
        for branch in branches {
            self.separate(nodes.is_empty());
            let branch = self.schema(branch, space)?;
            if matches!(self.program.node(branch.node), Node::Union { .. }) {
                return self.refuse("a union is a branch of another union; join their branches");
            }
            extent = extent.with(branch.extent);
            bytes = bytes.min(branch.extent.bytes);
            nodes.push(branch.node);
        }
        if nodes.is_empty() {
            return self.refuse("a union without branches has no values");
        }
        self.canonical.push(']');
        let node = self.program.add_union(&nodes);
        // The number of the branch, and its value.
        self.bounded(Type { node, extent: Extent { bytes: bytes.saturating_add(1), ..extent } })
    }

    fn record(&mut self, object: &'s Map<String, Value>, space: &str) -> Parsed<Type> {
        let full = self.define(object, space)?;
        self.canonical.push_str(r#","type":"record","fields":["#);
        let Some(Value::Array(fields)) = object.get("fields") else {
            return self.refuse("a record needs the member `fields`, a list");
        };
        let mut read = Vec::new();
        let mut names = BTreeSet::new();
        let mut extent = Extent::leaf(0);
        for field in fields {
            self.separate(read.is_empty());
            let (name, kind) = self.field(field, space_of(&full))?;
            if !names.insert(name) {
                return self.refuse(format!("a record has two fields named `{}`", cut(name)));
            }
            extent = extent.with(kind.extent);
            read.push((name, kind.node));
        }
        self.canonical.push_str("]}");
        let node = self.program.add_record(&read);
        self.defined(full, Type { node, extent: extent.around(extent.bytes) })
    }

    fn field(&mut self, field: &'s Value, space: &str) -> Parsed<(&'s str, Type)> {
        let Some(name) = field.get("name").and_then(Value::as_str) else {
            return self.refuse("a field needs the member `name`, a string");
        };
        self.check_name(name, "a field")?;
        self.path.push(name);
        let Some(kind) = field.get("type") else { return self.refuse("a field needs the member `type`") };
        self.canonical.extend([r#"{"name":""#, name, r#"","type":"#]);
        let kind = self.schema(kind, space)?;
        self.canonical.push('}');
        self.path.pop();
        Ok((name, kind))
    }

    fn enumeration(&mut self, object: &'s Map<String, Value>, space: &str) -> Parsed<Type> {
        let full = self.define(object, space)?;
        self.canonical.push_str(r#","type":"enum","symbols":["#);
        let Some(Value::Array(symbols)) = object.get("symbols") else {
            return self.refuse("an enum needs the member `symbols`, a list");
        };
        let mut read = Vec::new();
        for symbol in symbols {
            let Value::String(symbol) = symbol else { return self.refuse("a symbol of an enum is a string") };
            self.check_name(symbol, "a symbol of an enum")?;
            self.separate(read.is_empty());
            self.write_quoted(symbol);
            read.push(symbol.as_str());
        }
        self.canonical.push_str("]}");
        let node = self.program.add_enum(&read);
        self.defined(full, Type { node, extent: Extent::leaf(1) })
    }

    fn fixed(&mut self, object: &'s Map<String, Value>, space: &str) -> Parsed<Type> {
        let full = self.define(object, space)?;
        let size = match object.get("size").and_then(Value::as_u64) {
            Some(size @ ..=MAX_FIXED) => u32::try_from(size).expect("64 KiB fit into 32 bits"),
            Some(size) => return self.refuse(format!("a fixed of {size} bytes; at most {MAX_FIXED} are read")),
            None => return self.refuse("a fixed needs the member `size`, a number of bytes"),
        };
        self.canonical.extend([r#","type":"fixed","size":"#, &size.to_string(), "}"]);
        let node = match (object.get("logicalType").and_then(Value::as_str), size) {
            (Some("uuid"), 16) => Node::Uuid,
            (Some("decimal"), _) => match self.scale(Some(object))? {
                Some(scale) => Node::Decimal { scale, size: Some(size) },
                None => Node::Fixed { size },
            },
            _ => Node::Fixed { size },
        };
        let node = self.program.add(node);
        self.defined(full, Type { node, extent: Extent::leaf(size as usize) })
    }

    fn array(&mut self, object: &'s Map<String, Value>, space: &str) -> Parsed<Type> {
        let Some(items) = object.get("items") else { return self.refuse("an array needs the member `items`") };
        self.canonical.push_str(r#"{"type":"array","items":"#);
        let items = self.schema(items, space)?;
        self.canonical.push('}');
        if items.extent.bytes == 0 {
            return self.refuse("items of an array that take no bytes: a few bytes could then count billions of them");
        }
        let node = self.program.add(Node::Array { items: items.node, item_bytes: items.extent.bytes });
        self.bounded(Type { node, extent: Extent::leaf(0).with(items.extent).around(1) })
    }

    fn map(&mut self, object: &'s Map<String, Value>, space: &str) -> Parsed<Type> {
        let Some(values) = object.get("values") else { return self.refuse("a map needs the member `values`") };
        self.canonical.push_str(r#"{"type":"map","values":"#);
        let values = self.schema(values, space)?;
        self.canonical.push('}');
        // A key takes a byte at least, so even values that take none cannot be counted without end.
        let node = self.program.add(Node::Map { values: values.node, item_bytes: values.extent.bytes.saturating_add(1) });
        self.bounded(Type { node, extent: Extent::leaf(0).with(values.extent).around(1) })
    }

    /// Begins the definition of a named type, and gives its full name.
    fn define(&mut self, object: &'s Map<String, Value>, space: &str) -> Parsed<String> {
        let Some(name) = object.get("name").and_then(Value::as_str) else {
            return self.refuse("a record, enum or fixed needs the member `name`, a string");
        };
        let full = full_name(name, object.get("namespace").and_then(Value::as_str).unwrap_or(space));
        for part in full.split('.') {
            self.check_name(part, "a type")?;
        }
        if matches!(self.primitive(&full, None), Ok(Some(_))) {
            return self.refuse(format!("a type of its own cannot be named `{full}`, as a type of Avro's"));
        }
        if self.named.insert(full.clone(), None).is_some() {
            return self.refuse(format!("the type `{}` is defined twice", shown(&full)));
        }
        self.canonical.extend([r#"{"name":""#, &full, "\""]);
        Ok(full)
    }

    /// Ends the definition of a named type.
    fn defined(&mut self, full: String, kind: Type) -> Parsed<Type> {
        let kind = self.bounded(kind)?;
        self.named.insert(full, Some(kind));
        Ok(kind)
    }

    fn add(&mut self, node: Node, bytes: usize) -> Parsed<Type> {
        let node = self.program.add(node);
        self.bounded(Type { node, extent: Extent::leaf(bytes) })
    }

    /// `kind`, if it is within the bounds.
    fn bounded(&self, kind: Type) -> Parsed<Type> {
        let max_levels = Limits::default().max_depth;
        if kind.extent.types > MAX_TYPES {
            self.refuse(format!("more than {MAX_TYPES} types, a named one counted wherever it is used"))
        } else if kind.extent.levels > max_levels {
            self.refuse(format!("more than {max_levels} levels of records, maps and arrays"))
        } else {
            Ok(kind)
        }
    }

    fn check_name(&self, name: &str, of: &str) -> Parsed<()> {
        let mut bytes = name.bytes();
        let begins = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        if begins && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Ok(());
        }
        self.refuse(format!("`{}` is no name of {of}: letters, digits and `_`, the first no digit", shown(name)))
    }

    fn write_quoted(&mut self, text: &str) {
        self.canonical.extend(["\"", text, "\""]);
    }

    /// A comma, unless the first item follows.
    fn separate(&mut self, is_first: bool) {
        self.canonical.push_str(if is_first { "" } else { "," });
    }
}

/// The name of a type, with the namespace `space` unless it brings its own.
fn full_name(name: &str, space: &str) -> String {
    if space.is_empty() || name.contains('.') { name.to_owned() } else { format!("{space}.{name}") }
}

/// The namespace of a full name.
fn space_of(full: &str) -> &str {
    full.rsplit_once('.').map_or("", |(space, _)| space)
}

/// A text of the schema as a sentence can carry it.
fn shown(text: &str) -> String {
    cut(text).escape_debug().to_string()
}
