//! The transcoder against apache-avro: random schemas and values, written by that and read here.

use std::collections::{BTreeMap, HashMap};

use apache_avro::rabin::Rabin;
use apache_avro::{Decimal, Uuid};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;

/// What decides about a schema and a value of it; when they are used up, every choice is the first, which is small.
#[derive(Debug)]
struct Choices(std::vec::IntoIter<u64>);

impl Choices {
    fn any(&mut self) -> u64 {
        self.0.next().unwrap_or(0)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.any() % bound as u64).expect("below a bound")
    }

    /// Small and big numbers alike.
    fn number(&mut self) -> i64 {
        let shift = self.below(64);
        self.any().cast_signed() >> shift
    }

    fn text(&mut self) -> String {
        const CHARS: [char; 12] = ['a', 'Z', '_', '0', ' ', '"', '\\', '\n', '\u{1}', 'é', '😀', '/'];
        (0..self.below(12)).map(|_| CHARS[self.below(CHARS.len())]).collect()
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.any().to_le_bytes()[0]).collect()
    }
}

/// What the transcoder should write.
#[derive(Debug)]
enum Expected {
    /// Exactly this.
    Written(String),
    /// A number that reads back as this.
    Double(f64),
    Text(String),
    List(Vec<Expected>),
    Object(BTreeMap<String, Expected>),
}

impl Expected {
    fn assert_is(&self, raw: &RawValue) {
        let raw = raw.get();
        match self {
            Self::Written(text) => assert_eq!(raw, text),
            Self::Double(value) => assert_eq!(raw.parse::<f64>().expect("a number").to_bits(), value.to_bits(), "{raw}, {value}"),
            Self::Text(text) => assert_eq!(&serde_json::from_str::<String>(raw).expect("a string"), text),
            Self::List(items) => {
                let found: Vec<&RawValue> = serde_json::from_str(raw).expect("a list");
                assert_eq!(items.len(), found.len(), "{raw}");
                items.iter().zip(found).for_each(|(item, found)| item.assert_is(found));
            }
            Self::Object(members) => {
                let found: HashMap<String, &RawValue> = serde_json::from_str(raw).expect("an object");
                assert_eq!(members.len(), found.len(), "{raw}");
                for (key, member) in members {
                    member.assert_is(found[key]);
                }
            }
        }
    }
}

/// A random schema, which can make random values of itself.
enum Kind {
    Plain(&'static str),
    Logical(&'static str, &'static str),
    Decimal { scale: usize, size: Option<usize>, name: String },
    Fixed { name: String, size: usize },
    Enum { name: String, symbols: usize },
    Array(Box<Kind>),
    Map(Box<Kind>),
    Union(Vec<Kind>),
    Record { name: String, fields: Vec<Kind> },
}

const PLAIN: [&str; 8] = ["int", "long", "string", "boolean", "double", "float", "bytes", "null"];
const LOGICAL: [(&str, &str); 8] = [
    ("int", "date"),
    ("long", "timestamp-millis"),
    ("long", "timestamp-micros"),
    ("long", "timestamp-nanos"),
    ("long", "local-timestamp-millis"),
    ("long", "local-timestamp-micros"),
    ("long", "local-timestamp-nanos"),
    ("string", "uuid"),
];

impl Kind {
    fn record(choices: &mut Choices, levels: usize, names: &mut usize) -> Self {
        let fields = (0..choices.below(6)).map(|_| Self::any(choices, levels, names)).collect();
        Self::Record { name: name(names), fields }
    }

    fn any(choices: &mut Choices, levels: usize, names: &mut usize) -> Self {
        match choices.below(if levels == 0 { 7 } else { 12 }) {
            0..=2 => Self::Plain(PLAIN[choices.below(PLAIN.len())]),
            3 => {
                let (kind, logical) = LOGICAL[choices.below(LOGICAL.len())];
                Self::Logical(kind, logical)
            }
            4 => Self::Decimal { scale: choices.below(8), size: [None, Some(12)][choices.below(2)], name: name(names) },
            5 => Self::Fixed { name: name(names), size: choices.below(20) },
            6 => Self::Enum { name: name(names), symbols: 1 + choices.below(70) },
            7 => Self::Array(Box::new(Self::items(choices, levels - 1, names))),
            8 => Self::Map(Box::new(Self::any(choices, levels - 1, names))),
            9 | 10 => Self::union(choices, levels - 1, names),
            _ => Self::record(choices, levels - 1, names),
        }
    }

    /// A kind that takes a byte at least.
    fn items(choices: &mut Choices, levels: usize, names: &mut usize) -> Self {
        match Self::any(choices, levels, names) {
            Self::Plain("null") | Self::Record { .. } | Self::Fixed { .. } => Self::Plain("string"),
            other => other,
        }
    }

    /// Null and some others, no two of one type.
    fn union(choices: &mut Choices, levels: usize, names: &mut usize) -> Self {
        let mut branches = vec![Self::Plain("null")];
        branches.extend(PLAIN[..7].iter().filter(|_| choices.below(3) == 0).map(|kind| Self::Plain(kind)));
        if choices.below(2) == 0 {
            branches.push(Self::record(choices, levels, names));
        }
        if choices.below(2) == 0 {
            branches.push(Self::Map(Box::new(Self::any(choices, levels, names))));
        }
        let first = choices.below(branches.len());
        branches.swap(0, first);
        Self::Union(branches)
    }

    fn schema(&self) -> Json {
        match self {
            Self::Plain(kind) => json!(kind),
            Self::Logical(kind, logical) => json!({"type": kind, "logicalType": logical}),
            Self::Decimal { scale, size: None, .. } => {
                json!({"type": "bytes", "logicalType": "decimal", "precision": 30, "scale": scale})
            }
            Self::Decimal { scale, size, name } => {
                json!({"type": "fixed", "name": name, "size": size, "logicalType": "decimal", "precision": 28, "scale": scale})
            }
            Self::Fixed { name, size } => json!({"type": "fixed", "name": name, "size": size}),
            Self::Enum { name, symbols } => {
                let symbols: Vec<String> = (0..*symbols).map(|n| format!("s{n}")).collect();
                json!({"type": "enum", "name": name, "symbols": symbols})
            }
            Self::Array(items) => json!({"type": "array", "items": items.schema()}),
            Self::Map(values) => json!({"type": "map", "values": values.schema()}),
            Self::Union(branches) => branches.iter().map(Self::schema).collect(),
            Self::Record { name, fields } => {
                let field = |(n, field): (usize, &Self)| json!({"name": format!("f{n}"), "type": field.schema(), "doc": "\"x\""});
                let fields: Vec<Json> = fields.iter().enumerate().map(field).collect();
                json!({"name": name, "fields": fields, "type": "record", "namespace": "n.m"})
            }
        }
    }

    /// Whether apache-avro's canonical form is the specification's: it keeps traces of logical types.
    fn is_without_logical_types(&self) -> bool {
        match self {
            Self::Logical(..) | Self::Decimal { .. } => false,
            Self::Array(inner) | Self::Map(inner) => inner.is_without_logical_types(),
            Self::Union(inner) | Self::Record { fields: inner, .. } => inner.iter().all(Self::is_without_logical_types),
            Self::Plain(_) | Self::Fixed { .. } | Self::Enum { .. } => true,
        }
    }

    fn value(&self, choices: &mut Choices) -> (AvroValue, Expected) {
        match self {
            Self::Plain(kind) => plain_value(kind, choices),
            Self::Logical(_, logical) => logical_value(logical, choices),
            Self::Decimal { scale, .. } => {
                let unscaled = i128::from(choices.number()) * 1_000;
                let bytes = unscaled.to_be_bytes()[4..].to_vec();
                (AvroValue::Decimal(Decimal::from(bytes)), Expected::Written(scaled(unscaled, *scale)))
            }
            Self::Fixed { size, .. } => {
                let bytes = choices.bytes(*size);
                let expected = Expected::Text(in_base64(&bytes));
                (AvroValue::Fixed(*size, bytes), expected)
            }
            Self::Enum { symbols, .. } => {
                let choice = choices.below(*symbols);
                let symbol = format!("s{choice}");
                (AvroValue::Enum(u32::try_from(choice).expect("few"), symbol.clone()), Expected::Text(symbol))
            }
            Self::Array(items) => {
                let (values, expected) = (0..choices.below(5)).map(|_| items.value(choices)).unzip();
                (AvroValue::Array(values), Expected::List(expected))
            }
            Self::Map(of) => {
                let (mut values, mut expected) = (HashMap::new(), BTreeMap::new());
                for _ in 0..choices.below(5) {
                    let (key, (value, member)) = (choices.text(), of.value(choices));
                    values.insert(key.clone(), value);
                    expected.insert(key, member);
                }
                (AvroValue::Map(values), Expected::Object(expected))
            }
            Self::Union(branches) => {
                let branch = choices.below(branches.len());
                let (value, expected) = branches[branch].value(choices);
                (AvroValue::Union(u32::try_from(branch).expect("few"), Box::new(value)), expected)
            }
            Self::Record { fields, .. } => {
                let (mut values, mut expected) = (Vec::new(), BTreeMap::new());
                for (n, field) in fields.iter().enumerate() {
                    let (name, (value, member)) = (format!("f{n}"), field.value(choices));
                    values.push((name.clone(), value));
                    expected.insert(name, member);
                }
                (AvroValue::Record(values), Expected::Object(expected))
            }
        }
    }
}

fn name(names: &mut usize) -> String {
    *names += 1;
    format!("N{names}")
}

fn plain_value(kind: &str, choices: &mut Choices) -> (AvroValue, Expected) {
    let finite = |value: f64| if value.is_finite() { value } else { -0.0 };
    match kind {
        "null" => (AvroValue::Null, Expected::Written("null".to_owned())),
        "boolean" => {
            let value = choices.below(2) == 1;
            (AvroValue::Boolean(value), Expected::Written(value.to_string()))
        }
        "int" => {
            let value = i32::try_from(choices.number() >> 32).expect("32 bits");
            (AvroValue::Int(value), Expected::Written(value.to_string()))
        }
        "long" => {
            let value = choices.number();
            (AvroValue::Long(value), Expected::Written(value.to_string()))
        }
        "float" => {
            let bits = u32::try_from(choices.any() >> 32).expect("32 bits");
            let value = if f32::from_bits(bits).is_finite() { f32::from_bits(bits) } else { 0.1 };
            (AvroValue::Float(value), Expected::Double(f64::from(value)))
        }
        "double" => {
            let value = if choices.below(2) == 0 { finite(f64::from_bits(choices.any())) } else { choices.number() as f64 };
            (AvroValue::Double(value), Expected::Double(value))
        }
        "bytes" => {
            let len = choices.below(9);
            let bytes = choices.bytes(len);
            let expected = Expected::Text(in_base64(&bytes));
            (AvroValue::Bytes(bytes), expected)
        }
        _ => {
            let text = choices.text();
            (AvroValue::String(text.clone()), Expected::Text(text))
        }
    }
}

fn logical_value(logical: &str, choices: &mut Choices) -> (AvroValue, Expected) {
    if logical == "uuid" {
        let uuid = Uuid::from_u128(u128::from(choices.any()) << 64 | u128::from(choices.any()));
        return (AvroValue::Uuid(uuid), Expected::Text(uuid.to_string()));
    }
    if logical == "date" {
        let days = i32::try_from(choices.number() >> 43).expect("21 bits");
        let time = crate::identity::Timestamp(i64::from(days) * 86_400_000).to_string();
        // The years that have no four digits are another test's.
        let days = if (-719_528..=2_932_896).contains(&days) { days } else { 0 };
        let time = if days == 0 { "1970-01-01".to_owned() } else { time[..10].to_owned() };
        return (AvroValue::Date(days), Expected::Text(time));
    }
    let value = choices.number() >> 14;
    let (made, per_milli): (fn(i64) -> AvroValue, i64) = match logical {
        "timestamp-millis" => (AvroValue::TimestampMillis, 1),
        "timestamp-micros" => (AvroValue::TimestampMicros, 1_000),
        "timestamp-nanos" => (AvroValue::TimestampNanos, 1_000_000),
        "local-timestamp-millis" => (AvroValue::LocalTimestampMillis, 1),
        "local-timestamp-micros" => (AvroValue::LocalTimestampMicros, 1_000),
        _ => (AvroValue::LocalTimestampNanos, 1_000_000),
    };
    let value = if per_milli == 1 { value >> 6 } else { value };
    let value = value.clamp(-60_000_000_000_000, 250_000_000_000_000);
    (made(value), Expected::Text(crate::identity::Timestamp(value.div_euclid(per_milli)).to_string()))
}

/// `unscaled` with `scale` of its digits after the point.
fn scaled(unscaled: i128, scale: usize) -> String {
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{}{whole}{}{fraction}", if unscaled < 0 { "-" } else { "" }, if scale > 0 { "." } else { "" })
}

/// Six bits at a time, slowly.
fn in_base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<bool> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect();
    let six = |six: &[bool]| {
        let padded = six.iter().chain(&[false; 5]).take(6);
        char::from(LETTERS[padded.fold(0, |sum, bit| sum << 1 | usize::from(*bit))])
    };
    let mut text: String = bits.chunks(6).map(six).collect();
    text.extend(std::iter::repeat_n('=', (4 - text.len() % 4) % 4));
    text
}

fn choices() -> impl Strategy<Value = Choices> {
    vec(any::<u64>(), 0..300).prop_map(|choices| Choices(choices.into_iter()))
}

proptest! {
    #[test]
    fn what_apache_avro_writes_is_read_as_it_was_meant(mut choices in choices()) {
        let kind = Kind::record(&mut choices, 4, &mut 0);
        let schema = kind.schema().to_string();
        let (value, expected) = kind.value(&mut choices);
        let text = text(&schema, &datum(&schema, value));
        expected.assert_is(serde_json::from_str(&text).expect("JSON"));
    }

    #[test]
    fn fingerprints_are_those_that_apache_avro_computes(mut choices in choices()) {
        let kind = Kind::record(&mut choices, 4, &mut 0);
        prop_assume!(kind.is_without_logical_types());
        let schema = kind.schema().to_string();
        let theirs = Schema::parse_str(&schema).expect("a schema").fingerprint::<Rabin>().bytes;
        prop_assert_eq!(WriterSchema::parse(&schema).expect("a schema").fingerprint().to_le_bytes().to_vec(), theirs);
    }

    #[test]
    fn a_record_cut_anywhere_is_refused_or_ends_early(mut choices in choices(), at: prop::sample::Index) {
        let kind = Kind::record(&mut choices, 4, &mut 0);
        let schema = kind.schema().to_string();
        let mut body = datum(&schema, kind.value(&mut choices).0);
        prop_assume!(!body.is_empty());
        body.truncate(at.index(body.len()));
        let ended = transcoded(&schema, &body).1.ended.expect("a part of a record is none");
        prop_assert_eq!(ended.code, Code::NotAvro);
        prop_assert!(ended.what.contains("ends"), "{}", ended.what);
    }

    #[test]
    fn any_bytes_are_json_or_refused(mut choices in choices(), body in vec(prop_oneof![0..8_u8, any::<u8>()], 0..200)) {
        let schema = Kind::record(&mut choices, 4, &mut 0).schema().to_string();
        let (text, cut) = transcoded(&schema, &body);
        prop_assert!(cut.ended.is_some() || serde_json::from_str::<Json>(&text).is_ok(), "{}", text);
    }

    #[test]
    fn any_text_is_a_schema_or_refused(text in "[\\[\\]{}:,\"a-z ]{0,80}") {
        drop(WriterSchema::parse(&text));
    }

    /// Good schemas with something else in one place: taken or refused, without a panic.
    #[test]
    fn a_schema_that_is_broken_anywhere_is_taken_or_refused(mut choices in choices(), at: prop::sample::Index, with in "[\\[\\]{}:,\"0-9a-c]{0,3}") {
        let mut schema = Kind::record(&mut choices, 4, &mut 0).schema().to_string();
        let at = at.index(schema.len());
        schema.replace_range(at..(at + with.len()).min(schema.len()), &with);
        drop(WriterSchema::parse(&schema));
    }
}

#[test]
fn fingerprints_do_not_hang_on_what_the_canonical_form_leaves_out() {
    let plain = r#"{"name":"a.b.E","type":"record","fields":[{"name":"f","type":["null","long"]},{"name":"g","type":{"name":"a.b.F",
        "type":"fixed","size":3}},{"name":"h","type":{"type":"array","items":"a.b.F"}}]}"#;
    let dressed = r#"{"doc":"x","namespace":"a.b","type":"record","aliases":["D"],"name":"E","fields":[
        {"type":[{"type":"null"},{"logicalType":"timestamp-millis","type":"long"}],"default":null,"order":"ignore","name":"f"},
        {"name":"g","type":{"type":"fixed","size":3,"name":"F","logicalType":"decimal","precision":4,"scale":2}},
        {"name":"h","doc":"y","type":{"items":"F","type":"array","java-class":"List"}}]}"#;
    let fingerprint = |text: &str| WriterSchema::parse(text).expect("a schema").fingerprint();
    assert_eq!(fingerprint(plain), fingerprint(dressed));
    let theirs = Schema::parse_str(plain).expect("a schema").fingerprint::<Rabin>().bytes;
    assert_eq!(fingerprint(plain).to_le_bytes().to_vec(), theirs);
    let native = Schema::parse_str(NATIVE).expect("a schema").fingerprint::<Rabin>().bytes;
    assert_eq!(fingerprint(NATIVE).to_le_bytes().to_vec(), native);
}
