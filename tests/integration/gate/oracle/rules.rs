//! The contract's rules about ids, lanes, hashes and times, written down a second time.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::gate::process::LIMITS;

/// SHA-256 of `parts` one after the other, in lower-case hex.
pub fn sha256(parts: &[&[u8]]) -> String {
    hex(&digest(parts))
}

/// The header `jidoka-hash` of an audit entry.
pub fn entry_hash(value: &[u8]) -> String {
    sha256(&[b"jidoka/audit/1\0", value])
}

fn digest(parts: &[&[u8]]) -> Vec<u8> {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The two bytes that an input partition's decision ids begin with, as a number.
fn prefix(source: &str, partition: i32) -> u32 {
    let hash = digest(&[source.as_bytes()]);
    let first = u32::from(hash[0]) * 256 + u32::from(hash[1]);
    (first + u32::try_from(partition).expect("partitions are not negative")) % 65_536
}

/// The lane of an input partition, which is the partition of all that is written about it.
pub fn lane(source: &str, partition: i32, lanes: u16) -> i32 {
    i32::try_from(prefix(source, partition) % u32::from(lanes)).expect("fewer lanes than that")
}

/// The id of the decision about a record that is no batch.
pub fn decision_id(source: &str, partition: i32, offset: i64, time_ms: Option<i64>) -> String {
    let place = format!("jidoka/decision/1\0{source}\0{partition}\0{offset}\0{}\0{}", time_ms.unwrap_or(0), 0);
    format!("{:04x}{}", prefix(source, partition), &sha256(&[place.as_bytes()])[..28])
}

/// A time as records show it.
pub fn rfc3339(millis: i64) -> String {
    let (mut days, rest) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let mut year = 1970;
    while days >= 365 + i64::from(leap(year)) {
        days -= 365 + i64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second, milli) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60, rest % 1_000);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z", days + 1)
}

/// The place of a band among the four.
pub fn band(name: &str) -> Option<i32> {
    let place = ["critical", "high", "normal", "low"].iter().position(|band| *band == name)?;
    i32::try_from(place).ok()
}

/// What makes a record certainly no event; none where nothing that is checked here does.
pub fn unreadable(bytes: &[u8]) -> Option<&'static str> {
    if bytes.is_empty() {
        return Some("empty");
    }
    let Ok(Value::Object(event)) = serde_json::from_slice(bytes) else { return Some("not-json") };
    let present = |name: &str| event.get(name).is_some_and(|value| !value.is_null());
    let named = event.get("model").is_some_and(|model| !model["name"].is_null());
    let answered = ["prediction", "probabilities", "confidence"].into_iter().any(present);
    (!present("event_id") || !named || !answered).then_some("missing-field")
}

/// Whether an event of the two committed data sets is held, by the policies of these tests.
pub fn is_unsure(event: &Value) -> bool {
    let probabilities = event["probabilities"].as_object().into_iter().flatten().filter_map(|(_, value)| value.as_f64());
    let top = probabilities.fold(f64::MIN, f64::max);
    let limit = LIMITS.iter().find(|(model, _)| event["model"]["name"] == *model);
    top < limit.expect("an event of a model that has a policy").1
}

#[test]
fn the_rules_are_those_of_the_contract() {
    assert_eq!(sha256(&[b"a", b"bc"]), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    let words = [("1970-01-01T00:00:00.000Z", 0), ("2000-02-29T23:59:59.999Z", 951_868_799_999)];
    for (text, millis) in words {
        assert_eq!(rfc3339(millis), text);
    }
    assert_eq!(rfc3339(1_767_610_001_187), "2026-01-05T10:46:41.187Z");
    // SHA-256("abc") begins with ba78 = 47736.
    assert_eq!((lane("abc", 0, 3), lane("abc", 1, 3), lane("abc", 65_535, 3)), (0, 1, 47_735 % 3));
    let id = decision_id("abc", 1, 7, None);
    assert_eq!((id.len(), &id[..4]), (32, "ba79"));
    assert_ne!(id, decision_id("abc", 1, 7, Some(1)));
    assert_eq!(unreadable(b"{\"event_id\":\"a\",\"model\":{\"name\":\"m\"},\"confidence\":1}"), None);
}
