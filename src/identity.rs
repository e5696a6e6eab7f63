//! The small values everything else is named by: times, hashes, decision ids, lanes.
//!
//! A decision belongs to an input *record*, so its id is computed from where that record lies and never from what
//! its producer wrote into it: no two decisions can share one, whatever is sent again, re-created or restored.

use std::fmt;

use sha2::{Digest, Sha256};

/// Milliseconds since 1970-01-01 UTC. Printed as RFC 3339 with milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Reads an RFC 3339 time (`2026-01-05T10:46:41.187Z`, any offset, any number of fraction digits, `T` or a
    /// space); digits beyond the millisecond are cut. `None` where the text is no such time.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() < 20 || bytes.len() > 64 {
            return None;
        }
        let digits = |range: std::ops::Range<usize>| -> Option<i64> {
            bytes.get(range)?.iter().try_fold(0_i64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
        };
        let separators = bytes[4] == b'-'
            && bytes[7] == b'-'
            && matches!(bytes[10], b'T' | b't' | b' ')
            && bytes[13] == b':'
            && bytes[16] == b':';
        let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
        let (hour, minute, second) = (digits(11..13)?, digits(14..16)?, digits(17..19)?);
        if !separators
            || !(1..=12).contains(&month)
            || day < 1
            || day > days_in_month(year, month)
            || hour > 23
            || minute > 59
            || second > 60
        {
            return None;
        }
        let (millis, zone) = fraction(&bytes[19..])?;
        let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - zone_seconds(zone)?;
        Some(Self(seconds * 1_000 + millis))
    }

    /// This time as its 24 bytes of RFC 3339, `2026-01-05T10:46:41.187Z`. Years are clamped to 0–9999.
    #[must_use]
    pub fn rfc3339(self) -> [u8; 24] {
        const FIRST: i64 = -62_167_219_200_000; // 0000-01-01T00:00:00.000Z
        const LAST: i64 = 253_402_300_799_999; // 9999-12-31T23:59:59.999Z
        let millis = self.0.clamp(FIRST, LAST);
        let (days, rest) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
        let (year, month, day) = civil_from_days(days);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |at: usize, width: usize, mut value: i64| {
            for place in (at..at + width).rev() {
                text[place] = b'0' + u8::try_from(value % 10).unwrap_or(0);
                value /= 10;
            }
        };
        put(0, 4, year);
        put(5, 2, month);
        put(8, 2, day);
        put(11, 2, rest / 3_600_000);
        put(14, 2, rest / 60_000 % 60);
        put(17, 2, rest / 1_000 % 60);
        put(20, 3, rest % 1_000);
        text
    }

    /// This time, moved later by `millis`.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.rfc3339()).unwrap_or("9999-12-31T23:59:59.999Z"))
    }
}

/// The fraction of a second as milliseconds, and what follows it.
fn fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    if bytes.first() != Some(&b'.') {
        return Some((0, bytes));
    }
    let count = bytes[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let millis = (0..3).fold(0, |sum, place| sum * 10 + if place < count { i64::from(bytes[1 + place] - b'0') } else { 0 });
    (count > 0).then(|| (millis, &bytes[1 + count..]))
}

/// `Z` or `±hh:mm` as seconds east of UTC.
fn zone_seconds(bytes: &[u8]) -> Option<i64> {
    match bytes {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] if [h1, h2, m1, m2].iter().all(|byte| byte.is_ascii_digit()) => {
            let hours = i64::from(h1 - b'0') * 10 + i64::from(h2 - b'0');
            let minutes = i64::from(m1 - b'0') * 10 + i64::from(m2 - b'0');
            let seconds = hours * 3_600 + minutes * 60;
            (hours < 24 && minutes < 60).then_some(if *sign == b'+' { seconds } else { -seconds })
        }
        _ => None,
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (H. Hinnant, "chrono-compatible low-level date algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// A SHA-256, shown as lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The hash of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The hash of `domain`, a zero byte, and `bytes`: what keeps hashes of different uses apart.
    #[must_use]
    pub fn in_domain(domain: &str, bytes: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(domain.as_bytes());
        hasher.update([0]);
        hasher.update(bytes);
        Self(hasher.finalize().into())
    }

    /// This hash as its 64 hex digits.
    #[must_use]
    pub fn hex(&self) -> [u8; 64] {
        let mut text = [0; 64];
        write_hex(&self.0, &mut text);
        text
    }

    /// Reads 64 lower-case hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        parse_hex(text).map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.hex()).unwrap_or_default())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Writes `bytes` as lower-case hex into `text`, which is twice as long.
pub fn write_hex(bytes: &[u8], text: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, pair) in bytes.iter().zip(text.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// Reads twice as many lower-case hex digits as there are bytes.
pub(crate) fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// Where a record lies in its source: what a decision's identity is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordId<'a> {
    /// The configured name of the input.
    pub source: &'a str,
    /// Partition of the input topic.
    pub partition: i32,
    /// Offset in that partition.
    pub offset: i64,
    /// Append time in milliseconds, 0 when the broker has none.
    pub appended_at_ms: i64,
    /// Row of a batch; 0 unless the record is one.
    pub row: u32,
}

/// The 16 bytes by which everything about one decision is keyed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DecisionId(pub [u8; 16]);

impl DecisionId {
    /// The id of the decision about the record at `at` (contract, section 1): two bytes that say the lane and fourteen
    /// of a SHA-256 over the record's place.
    #[must_use]
    pub fn of(at: RecordId<'_>) -> Self {
        Self::with_prefix(LanePrefix::of(at.source, at.partition), at)
    }

    /// [`DecisionId::of`] with the partition's prefix computed before, as the gate does once an assignment.
    #[must_use]
    pub fn with_prefix(prefix: LanePrefix, at: RecordId<'_>) -> Self {
        let mut digits = itoa::Buffer::new();
        let mut hasher = Sha256::new();
        hasher.update(b"jidoka/decision/1\0");
        hasher.update(at.source.as_bytes());
        for number in [i64::from(at.partition), at.offset, at.appended_at_ms, i64::from(at.row)] {
            hasher.update([0]);
            hasher.update(digits.format(number).as_bytes());
        }
        let hash: [u8; 32] = hasher.finalize().into();
        let mut id = [0; 16];
        id[..2].copy_from_slice(&prefix.0.to_be_bytes());
        id[2..].copy_from_slice(&hash[..14]);
        Self(id)
    }

    /// The lane that this decision's records go to.
    #[must_use]
    pub fn lane(self, lanes: u16) -> Lane {
        LanePrefix(u16::from_be_bytes([self.0[0], self.0[1]])).lane(lanes)
    }

    /// A number from 0 to below 1, evenly distributed over ids and the same at every replay: the first 53 bits of
    /// SHA-256("jidoka/draw/1" 00 purpose 00 name 00 id). Draws of different purposes or names are independent.
    #[must_use]
    pub fn draw(self, purpose: &str, name: &str) -> f64 {
        let mut hasher = Sha256::new();
        hasher.update(b"jidoka/draw/1\0");
        hasher.update(purpose.as_bytes());
        hasher.update([0]);
        hasher.update(name.as_bytes());
        hasher.update([0]);
        hasher.update(self.0);
        let hash: [u8; 32] = hasher.finalize().into();
        let first = hash.first_chunk::<8>().expect("a hash has 32 bytes");
        (u64::from_be_bytes(*first) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// This id as its 32 hex digits.
    #[must_use]
    pub fn hex(self) -> [u8; 32] {
        let mut text = [0; 32];
        write_hex(&self.0, &mut text);
        text
    }

    /// Reads 32 lower-case hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        parse_hex(text).map(Self)
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.hex()).unwrap_or_default())
    }
}

/// The first two bytes of every decision id of one input partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LanePrefix(u16);

impl LanePrefix {
    /// The prefix of `partition` of `source`: neighbouring partitions get neighbouring lanes.
    #[must_use]
    pub fn of(source: &str, partition: i32) -> Self {
        let hash = Hash::of(source.as_bytes()).0;
        let start = i64::from(u16::from_be_bytes([hash[0], hash[1]]));
        let sum = (start + i64::from(partition)).rem_euclid(65_536);
        Self(u16::try_from(sum).expect("a remainder of 65,536 fits 16 bits"))
    }

    /// The lane among `lanes` that this prefix stands for.
    #[must_use]
    pub fn lane(self, lanes: u16) -> Lane {
        Lane(self.0 % lanes.max(1))
    }
}

/// A partition number of the topics that are partitioned by decision.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Lane(pub u16);

impl Lane {
    /// This lane as a Kafka partition.
    #[must_use]
    pub fn partition(self) -> i32 {
        i32::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_trip_and_accept_offsets() {
        let time = Timestamp::parse("2026-01-05T10:46:41.187Z").expect("a time");
        assert_eq!(time, Timestamp(1_767_610_001_187));
        assert_eq!(time.to_string(), "2026-01-05T10:46:41.187Z");
        assert_eq!(Timestamp::parse("2026-01-05T12:46:41.187999+02:00"), Some(time));
        assert_eq!(Timestamp::parse("2026-01-05 10:46:41.187z"), Some(time));
        assert_eq!(Timestamp::parse("1970-01-01T00:00:00Z"), Some(Timestamp(0)));
        assert_eq!(
            Timestamp::parse("2024-02-29T00:00:00Z").map(|time| time.to_string()).as_deref(),
            Some("2024-02-29T00:00:00.000Z")
        );
        assert_eq!(Timestamp::parse("1969-12-31T23:59:59.999Z"), Some(Timestamp(-1)));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-01-05",
            "2026-01-05T10:46:41",
            "2026-13-05T10:46:41Z",
            "2026-02-29T10:46:41Z",
            "2026-00-01T00:00:00Z",
            "2026-01-05T24:00:00Z",
            "2026-01-05T10:46:41.Z",
            "2026-01-05T10:46:41+2:00",
            "2026-01-05T10:46:41Zx",
            "+026-01-05T10:46:41Z",
            "2026-01-0aT10:46:41Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn calendar_agrees_with_itself_over_four_centuries() {
        for days in -150_000..150_000 {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
            assert!(day <= days_in_month(year, month));
        }
    }

    /// Worked by hand with `printf 'jidoka/decision/1\0inference\0003\00042\0001767610001187\0000' | sha256sum` and
    /// `printf inference | sha256sum`.
    #[test]
    fn decision_id_is_the_contracts() {
        let at = RecordId { source: "inference", partition: 3, offset: 42, appended_at_ms: 1_767_610_001_187, row: 0 };
        let id = DecisionId::of(at);
        assert_eq!(id.to_string(), "925ac930a46bce327cfe9b99fc5ab0c0");
        assert_eq!(DecisionId::parse(&id.to_string()), Some(id));
    }

    #[test]
    fn a_partition_is_a_lane_and_neighbours_are_neighbours() {
        for lanes in [1, 3, 7] {
            for partition in 0..12 {
                let at = RecordId { source: "s", partition, offset: 1, appended_at_ms: 0, row: 0 };
                let other = RecordId { offset: 99, row: 3, ..at };
                assert_eq!(DecisionId::of(at).lane(lanes), DecisionId::of(other).lane(lanes));
                let next = LanePrefix::of("s", partition + 1).lane(lanes);
                assert_eq!(next.0, (LanePrefix::of("s", partition).lane(lanes).0 + 1) % lanes);
            }
        }
    }
}
