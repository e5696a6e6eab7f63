//! Telling what is unusual about an input, in words and in detail.

use crate::event::Plain;
use crate::json::object;
use crate::profile::Profile;
use crate::trigger::anomaly::{Anomaly, NAMED, Unusual};

/// So many features stand in the sentence; the details have all that are named.
const SAID: usize = 3;
/// A feature's sentence is not longer: its numbers and cut texts.
const SENTENCE_BYTES: usize = 512;

/// Appends the sentence to `sentence` and the JSON `{"features":[{"name","surprise","sentence"}]}`, the most unusual first,
/// to `details`.
pub(super) fn tell<'e>(
    found: &Anomaly,
    profile: &Profile,
    value_of: impl Fn(&Unusual) -> Plain<'e>,
    sentence: &mut String,
    details: &mut Vec<u8>,
) {
    let name = |unusual: &Unusual| profile.features().get(unusual.feature).map_or("", |feature| feature.name.as_str());
    object(details, |details| {
        details.objects("features", found.unusual(), |feature, unusual| {
            // Written behind what is said, and taken back: no other buffer is needed.
            let end = sentence.len();
            unusual.sentence(profile, value_of(unusual), sentence);
            feature.text("name", name(unusual));
            feature.number("surprise", (unusual.surprise * 1e4).round() / 1e4);
            feature.text("sentence", &sentence[end..]);
            sentence.truncate(end);
        });
    });
    sentence.push_str("The input is unlike the training data");
    for (place, unusual) in found.unusual().iter().take(SAID).enumerate() {
        sentence.push_str(if place == 0 { ": " } else { "; " });
        unusual.sentence(profile, value_of(unusual), sentence);
    }
    sentence.push('.');
}

/// The most bytes that sentence and details take, before they are escaped.
pub(crate) fn told_bytes_max(profile: &Profile) -> usize {
    let longest = profile.features().iter().map(|feature| feature.name.len()).max().unwrap_or(0);
    NAMED * (longest + 2 * SENTENCE_BYTES)
}
