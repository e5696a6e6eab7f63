//! CRC-64-AVRO, as the Avro specification defines it.

/// The CRC of no bytes, and the polynomial.
const EMPTY: u64 = 0xc15d_213a_a4d7_a795;

/// The fingerprint of a schema's parsing canonical form.
pub(super) fn of(canonical: &str) -> u64 {
    canonical.bytes().fold(EMPTY, |crc, byte| {
        // Schemas are read rarely: bit by bit is quick enough.
        let low = (0..8).fold((crc ^ u64::from(byte)) & 0xff, |bits, _| bits >> 1 ^ (EMPTY & (bits & 1).wrapping_neg()));
        crc >> 8 ^ low
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_have_the_fingerprints_that_the_specification_computes() {
        // From the test data of the Avro project: share/test/data/schema-tests.txt.
        for (text, fingerprint) in [
            (r#""null""#, 7_195_948_357_588_979_594_i64),
            (r#""boolean""#, -6_970_731_678_124_411_036),
            (r#""int""#, 8_247_732_601_305_521_295),
            (r#""string""#, -8_142_146_995_180_207_161),
            (r#"{"name":"foo","type":"record","fields":[]}"#, -4_824_392_279_771_201_922),
        ] {
            assert_eq!(super::of(text).cast_signed(), fingerprint, "{text}");
        }
    }
}
