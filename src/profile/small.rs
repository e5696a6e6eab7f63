//! A small profile for tests: of rows that are made up here, judged as a test says.

use std::collections::BTreeMap;

use crate::event::Plain;
use crate::identity::Hash;
use crate::policy::{Around, FallbackReview, PolicySet, Profiles};
use crate::profile::{Baseline, BaselineBuilder, Columns, FirstPass, Judged, Kind, Measured, Profile, Provenance, SecondPass};
use crate::trigger::anomaly;

/// The row at a place: an age that rises and falls, and one of three jobs.
fn row(place: u32) -> [Plain<'static>; 2] {
    [Plain::Number(f64::from(20 + place * 7 % 50)), Plain::Text(["clerk", "nurse", "smith"][place as usize % 3])]
}

/// A profile of 1,200 rows with the features `age` (20 to 69) and `job`, calibrated with 999 of them.
pub(crate) fn profile(judged: Judged) -> Profile {
    let kinds = BTreeMap::from([("age".to_owned(), Kind::Number), ("job".to_owned(), Kind::Category)]);
    let columns = Columns::new(kinds).expect("two features");
    let mut first = FirstPass::new(&columns);
    (0..1_200).for_each(|place| first.add(&row(place)));
    let frozen = first.freeze().expect("enough rows");
    let mut second = SecondPass::new(&frozen);
    (0..1_200).for_each(|place| second.add(&row(place)));
    let mut profile = second.finish().expect("a profile");
    let mut scratch = anomaly::Scratch::default();
    let scores = (0..999).map(|place| anomaly::score(&profile, |feature| row(place)[feature], &mut scratch).score).collect();
    profile.calibrate(scores);
    profile.complete(judged, Provenance::default());
    profile
}

/// A baseline of the attribute `sex` with the levels f and m, 1,000 events each, of which 300 and 600 are favourable, and of
/// the measures `age`, prediction and confidence.
pub(crate) fn baseline() -> Baseline {
    let measures = vec![Measured::Feature("age".to_owned()), Measured::Prediction, Measured::Confidence];
    let mut builder = BaselineBuilder::new(vec!["sex".to_owned()], measures);
    let event = |place: u32| {
        let sex = ["f", "m"][place as usize % 2];
        let good = place / 2 % 10 < if sex == "f" { 3 } else { 6 };
        let values = [row(place)[0], Plain::Text(if good { "yes" } else { "no" }), Plain::Number(f64::from(place % 100) / 100.0)];
        ([Plain::Text(sex)], values, good)
    };
    for place in 0..2_000 {
        let (levels, values, _) = event(place);
        builder.see(levels, values);
    }
    let mut count = builder.freeze();
    for place in 0..2_000 {
        let (levels, values, good) = event(place);
        count.count(levels, values, Some(good));
    }
    count.finish()
}

/// Nothing but where profiles come from.
pub(crate) fn around(profiles: Profiles<'_>) -> Around<'_> {
    static FALLBACK: std::sync::LazyLock<FallbackReview> = std::sync::LazyLock::new(FallbackReview::default);
    Around { fallback: &FALLBACK, references: None, profiles }
}

/// The bytes of a profile that was built for the policy in `text`, whose calibration had these priorities.
pub(crate) fn built_for(text: &str, priorities: Vec<f32>) -> Vec<u8> {
    let files = [("p.yaml".to_owned(), text.to_owned())];
    let set = PolicySet::read_with(&files, around(Profiles::Unbuilt)).expect("a sound policy");
    let scoring: Option<Hash> = set.policies().first().map(crate::policy::Policy::scoring_hash);
    let judged = Judged { priorities, confidences: Vec::new(), baseline: Some(baseline()), scoring };
    let mut bytes = Vec::new();
    profile(judged).write(&mut bytes);
    bytes
}

/// The policy in `text` with such a profile.
pub(crate) fn policies(text: &str, priorities: Vec<f32>) -> PolicySet {
    let bytes = built_for(text, priorities);
    let open = |_: &str, _: &str| Ok(bytes.clone());
    let files = [("p.yaml".to_owned(), text.to_owned())];
    PolicySet::read_with(&files, around(Profiles::Files(&open))).unwrap_or_else(|problems| panic!("{problems:?}"))
}
