//! How a record says which schema it was written with.

use std::sync::Arc;

use super::registry::SchemaSource;
use super::schema::WriterSchema;

/// The first byte of Confluent's wire format.
const CONFLUENT: u8 = 0x00;
/// The first bytes of the Avro specification's single-object encoding.
const SINGLE_OBJECT: [u8; 2] = [0xc3, 0x01];

/// What a record begins with. JSON text can begin with none of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::event) enum Frame {
    /// Confluent's: a schema registry's id, big-endian.
    Id(u32),
    /// A single object's: CRC-64-AVRO of the schema, little-endian.
    Fingerprint(u64),
    /// One of them, cut short.
    CutShort,
}

impl Frame {
    /// The frame that `bytes` begin with; none where they are no Avro.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let frame = match bytes {
            [CONFLUENT, rest @ ..] => rest.first_chunk().map(|id| Self::Id(u32::from_be_bytes(*id))),
            [first] if *first == SINGLE_OBJECT[0] => None,
            _ => {
                let rest = bytes.strip_prefix(&SINGLE_OBJECT)?;
                rest.first_chunk().map(|fingerprint| Self::Fingerprint(u64::from_le_bytes(*fingerprint)))
            }
        };
        Some(frame.unwrap_or(Self::CutShort))
    }

    /// How many bytes of the record it takes.
    pub const fn len(self) -> usize {
        match self {
            Self::Id(_) => 5,
            Self::Fingerprint(_) => 10,
            Self::CutShort => 0,
        }
    }

    /// The schema that it names, if `source` knows it.
    pub fn schema(self, source: &dyn SchemaSource) -> Option<Arc<WriterSchema>> {
        match self {
            Self::Id(id) => source.by_id(id),
            Self::Fingerprint(fingerprint) => source.by_fingerprint(fingerprint),
            Self::CutShort => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_the_frame() {
        for (bytes, frame) in [
            (&b"\x00\x00\x00\x01\x02rest"[..], Some(Frame::Id(258))),
            (b"\x00\xff\xff\xff\xff", Some(Frame::Id(u32::MAX))),
            (b"\x00\x00\x00\x01", Some(Frame::CutShort)),
            (b"\x00", Some(Frame::CutShort)),
            (b"\xc3\x01\x08\x07\x06\x05\x04\x03\x02\x01rest", Some(Frame::Fingerprint(0x0102_0304_0506_0708))),
            (b"\xc3\x01\x08\x07\x06\x05\x04\x03\x02", Some(Frame::CutShort)),
            (b"\xc3", Some(Frame::CutShort)),
            (b"\xc3\xa9", None),
            (b"{}", None),
            (b" ", None),
            (b"", None),
        ] {
            assert_eq!(Frame::of(bytes), frame, "{bytes:?}");
        }
    }
}
