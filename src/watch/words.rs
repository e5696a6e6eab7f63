//! Numbers as a snapshot has them: bit for bit, packed as base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Words of 64 bits: integers, and doubles by their bits.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Words(pub(super) Vec<u64>);

impl Words {
    /// In groups of so many; none where the number of words is no multiple of it.
    pub(super) fn groups<const N: usize>(&self) -> Result<impl ExactSizeIterator<Item = [u64; N]>, String> {
        let (groups, rest) = self.0.as_chunks::<N>();
        if rest.is_empty() { Ok(groups.iter().copied()) } else { Err(format!("{} words are no multiple of {N}", self.0.len())) }
    }
}

impl Serialize for Words {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|word| word.to_le_bytes()).collect();
        serializer.serialize_str(&STANDARD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = STANDARD.decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)?;
        let (words, rest) = bytes.as_chunks::<8>();
        if rest.is_empty() {
            Ok(Self(words.iter().map(|word| u64::from_le_bytes(*word)).collect()))
        } else {
            Err(serde::de::Error::custom("words of 8 bytes expected"))
        }
    }
}

/// With six significant digits, so that every reader of the decimals gets the same double.
pub(super) fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}
