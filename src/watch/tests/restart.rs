//! A restart changes nothing: what is restored goes on as what was saved would have, bit for bit.

use proptest::prelude::*;

use super::super::NewBaseline;
use super::*;
use crate::tallies::{Outcome, Truth};

fn terms() -> WatchTerms {
    let attribute =
        |name: &str, levels: [&str; 2]| Attribute { name: name.to_owned(), levels: levels.map(str::to_owned).to_vec() };
    let cell = |a: u8, b: u8, favourable: u64| Cell { levels: vec![a, b], events: 500, favourable };
    let baseline = Baseline {
        attributes: vec![attribute("sex", ["f", "m"]), attribute("region", ["east", "west"])],
        cells: vec![cell(0, 0, 150), cell(0, 1, 150), cell(1, 0, 250), cell(1, 1, 250)],
        measures: vec![Binned {
            of: Measured::Feature("age".to_owned()),
            bins: Bins::Cuts(vec![30.0]),
            counts: vec![400, 600, 0, 0],
        }],
    };
    WatchTerms {
        fairness: Some(FairnessTerms { attributes: vec![0, 1], events_between_false_alarms: 300.0 }),
        capacity: Some(0.1),
        alpha: Some(0.05),
        duplicates: DuplicateTerms { rows: 3_000, most: vec![(1, 90), (2, 3)], others: 3 },
        window: 2_000,
        ..fairness_terms(Arc::new(baseline))
    }
}

/// What comes to a monitor.
#[derive(Clone, Debug)]
enum Step {
    Event { levels: [u8; 2], favourable: Option<bool>, bin: u8, vector: u32, score: f32, flags: u8 },
    Label { back: u64, favourable: bool },
    EndOfRecord,
    Acknowledge { recent: bool },
}

/// A long log of them, with changes in it so that things happen.
fn log(seed: u64, steps: usize) -> Vec<Step> {
    let mut draws = Draws(seed);
    (0..steps)
        .map(|step| {
            // Late, so that labels have a baseline, one group falls for long.
            let phase = if step > 11_000 { 4 } else { step / 900 % 4 };
            match draws.below(100) {
                0..=29 => Step::Label { back: draws.below(1_500) as u64, favourable: draws.unit() < 0.5 },
                30..=31 => Step::EndOfRecord,
                32 if draws.below(20) == 0 => Step::Acknowledge { recent: draws.unit() < 0.5 },
                _ => {
                    let level = |draws: &mut Draws| if draws.below(50) == 0 { 254 } else { u8::from(draws.unit() < 0.5) };
                    let levels = [level(&mut draws), level(&mut draws)];
                    let rate = [[0.3, 0.5], [0.1, 0.5], [0.1, 0.2], [0.4, 0.4], [0.02, 0.5]][phase][usize::from(levels[0] == 1)];
                    let score = single(-(draws.unit() + 1e-9).ln());
                    Step::Event {
                        levels,
                        favourable: (draws.below(30) > 0).then(|| draws.unit() < rate),
                        bin: u8::from(draws.unit() < if phase == 3 { 0.3 } else { 0.6 }),
                        vector: if step > 5_000 && step < 7_000 && draws.below(10) == 0 {
                            9
                        } else {
                            u32::try_from(draws.below(1 << 20)).unwrap()
                        },
                        score,
                        flags: u8::from(draws.unit() < 0.2) | u8::from(draws.unit() < 0.05) << 1 | u8::from(score > 3.0) << 2,
                    }
                }
            }
        })
        .collect()
}

fn event_of(number: u64) -> EventHash {
    EventHash(number.to_be_bytes())
}

/// What happens at a step; `number` is that of the event before. Only what is remembered of it, if `again`.
fn apply(watch: &mut Watch, number: &mut u64, step: &Step, again: bool, out: &mut Vec<Change>) {
    match step {
        Step::Event { levels, favourable, bin, vector, score, flags } => {
            *number += 1;
            let bins = [*bin];
            let tally = EventTally {
                event: event_of(*number),
                vector: *vector,
                held: flags & 1 != 0,
                mandatory: flags & 2 != 0,
                flagged: flags & 4 != 0,
                favourable: *favourable,
                score: Some(*score),
                priority: 0.0,
                levels,
                bins: &bins,
            };
            if again { watch.remember(&tally) } else { watch.fold(&tally, out) }
        }
        Step::Label { back, favourable } => {
            let outcome = Outcome { event: event_of(number.saturating_sub(*back)), truth: Truth::Favourable(*favourable) };
            if again { watch.remember_outcome(&outcome) } else { _ = watch.outcome(&outcome, *favourable, out) }
        }
        _ if again => {}
        Step::EndOfRecord => watch.end_of_record(out),
        Step::Acknowledge { recent } => {
            if let Some(id) = watch.open_incidents().first().map(|incident| incident.id.clone()) {
                let _ = watch.acknowledge(&id, if *recent { NewBaseline::Recent } else { NewBaseline::Keep });
            }
        }
    }
}

fn saved(watch: &Watch) -> Vec<u8> {
    let mut bytes = Vec::new();
    watch.snapshot(&mut bytes);
    bytes
}

/// Goes through the log; at each of `stops` the state is saved and restored, with what is remembered read again.
fn through(log: &[Step], stops: &[usize]) -> (Vec<Change>, Vec<u8>) {
    let (mut watch, mut changes, mut number) = (Watch::new(terms()), Vec::new(), 0);
    for (place, step) in log.iter().enumerate() {
        if stops.contains(&place) {
            let bytes = saved(&watch);
            let mut restored = Watch::restore(terms(), &bytes).unwrap();
            restored.recall(0);
            let (mut again, mut none) = (0, Vec::new());
            for step in &log[..place] {
                apply(&mut restored, &mut again, step, true, &mut none);
            }
            assert!(none.is_empty() && again == number);
            assert_eq!(String::from_utf8(saved(&restored)), String::from_utf8(bytes), "at step {place}");
            watch = restored;
        }
        apply(&mut watch, &mut number, step, false, &mut changes);
    }
    (changes, saved(&watch))
}

#[test]
fn a_log_in_which_much_happens_comes_to_the_same_however_often_it_is_interrupted() {
    let log = log(1, 16_000);
    let whole = through(&log, &[]);
    let kinds = ["favourable-rate", "true-favourable-rate", "feature/age", "identical-inputs", "review-capacity"];
    for about in kinds {
        assert!(opened(&whole.0).iter().any(|incident| incident.about == about), "nothing about {about} happens in this log");
    }
    assert!(whole.0.iter().any(|change| matches!(change, Change::Recalibrated(_))));
    assert_eq!(through(&log, &(0..16).map(|part| part * 1_000 + 37).collect::<Vec<_>>()), whole);
}

/// What groups have kept to is not lost by a baseline that is approved for another one: a restored watch has it.
#[test]
fn a_restart_after_a_new_baseline_was_approved_changes_nothing() {
    let mut draws = Draws(4);
    let mut event = |watch: &mut [&mut Watch], rates: [f64; 2]| {
        let levels = [u8::from(draws.unit() < 0.5), u8::from(draws.unit() < 0.5)];
        let (favourable, bins) = (draws.unit() < rates[usize::from(levels[0])], [u8::from(draws.unit() < 0.6)]);
        let mut all = Vec::new();
        for watch in watch {
            let mut changes = Vec::new();
            let number = watch.events() + 1;
            watch.fold(&EventTally { bins: &bins, ..tally(number, &levels, favourable) }, &mut changes);
            all.push(changes);
        }
        all
    };
    let mut watch = Watch::new(terms());
    // Long enough that the group that nothing happens to has kept to its level, a little above its baseline.
    (0..6_000).for_each(|_| _ = event(&mut [&mut watch], [0.3, 0.53]));
    (0..3_000).for_each(|_| _ = event(&mut [&mut watch], [0.1, 0.53]));
    let of_group = |incident: &&Incident| incident.about == "favourable-rate" && incident.group.len() == 1;
    let id = watch.open_incidents().iter().find(of_group).expect("it fell").id.clone();
    watch.acknowledge(&id, NewBaseline::Recent).unwrap();
    let mut restored = Watch::restore(terms(), &saved(&watch)).unwrap();
    for after in 0..6_000 {
        let changes = event(&mut [&mut watch, &mut restored], [0.1, 0.53]);
        assert_eq!(changes[0], changes[1], "after {after} events");
        if after % 200 == 0 {
            assert!(saved(&restored) == saved(&watch), "after {after} events");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_log_comes_to_the_same_wherever_it_is_interrupted(seed in any::<u64>(), stops in prop::collection::vec(0_usize..5_000, 1..4)) {
        let log = log(seed, 5_000);
        prop_assert_eq!(through(&log, &stops), through(&log, &[]));
    }

    #[test]
    fn a_damaged_state_is_refused_or_at_least_harmless(seed in any::<u64>(), hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let log = log(seed, 3_000);
        let (_, mut bytes) = through(&log, &[]);
        for (place, byte) in hits {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(mut watch) = Watch::restore(terms(), &bytes) {
            let (mut number, mut changes) = (3_000, Vec::new());
            for step in &log {
                apply(&mut watch, &mut number, step, false, &mut changes);
            }
            prop_assert!(opened(&changes).iter().all(|incident| incident.statistic.is_finite()));
        }
    }
}
