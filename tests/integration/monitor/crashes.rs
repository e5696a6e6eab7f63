//! Monitors that are killed and replaced under load: the same alarms at the same events as a fold that nothing interrupts.

use std::time::{Duration, Instant};

use super::ward::{Draws, Ward};
use crate::gate::dice::Dice;
use crate::gate::process::Gate;
use crate::gate::stage::end;
use crate::kafka;

/// Rates of `f` and `m` by part of the log: a fall, a fall of everybody, and back.
const PARTS: [[f64; 2]; 6] = [[0.5, 0.5], [0.35, 0.5], [0.5, 0.5], [0.3, 0.3], [0.5, 0.5], [0.5, 0.75]];

fn assert_as_folded(ward: &Ward) -> usize {
    let expected = ward.expected();
    assert!(expected.opened.len() >= 2, "much should happen in this log: {:?}", expected.opened);
    assert_eq!(ward.incidents("INCIDENT_OPENED"), expected.opened);
    assert_eq!(ward.incidents("INCIDENT_CLOSED"), expected.closed);
    let threshold = ward.signals()["threshold/loans"].clone().expect("there is one");
    assert_eq!(serde_json::from_value::<jidoka::signal::Threshold>(threshold).ok(), expected.threshold);
    expected.opened.len()
}

#[test]
fn killed_at_random_moments_a_monitor_tells_the_same_at_the_same_events() {
    if !kafka::required() {
        return;
    }
    let (began, dice) = (Instant::now(), Dice::new());
    let ward = Ward::new();
    let mut fate = dice.branch(7);
    let mut processes = [ward.start_as("monitor", 0, &[]), ward.start_as("monitor", 1, &[])];
    let mut kills = 0;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut draws = Draws(11);
            for step in 0..60_u64 {
                let part = usize::try_from(step / 10).expect("small");
                ward.write_tallies(&mut draws, step * 300, 6, PARTS[part]);
                ward.write_labels((step * 300).saturating_sub(1_000)..(step * 300).saturating_sub(700));
                std::thread::sleep(Duration::from_millis(120));
            }
        });
        while !writer.is_finished() {
            let victim = usize::try_from(fate.below(2)).expect("small");
            if fate.chance(60) {
                processes[victim].await_ready();
            }
            std::thread::sleep(fate.millis(50, 1_500));
            processes[victim].check_alive();
            processes[victim].kill();
            processes[victim] = ward.start_as("monitor", u32::try_from(victim).expect("small"), &[]);
            kills += 1;
        }
        writer.join().expect("it writes");
    });
    let [first, second] = &mut processes;
    ward.settle(&mut [first, second]);
    processes.into_iter().for_each(end);
    let alarms = assert_as_folded(&ward);
    ward.assert_verified();
    println!("{kills} kills, {alarms} alarms, {:.1} s", began.elapsed().as_secs_f64());
}

#[test]
fn a_monitor_that_was_replaced_while_it_slept_writes_nothing_more() {
    if !kafka::required() {
        return;
    }
    let (ward, mut draws) = (Ward::new(), Draws(12));
    let mut sleeper: Gate = ward.ready_as("monitor", 0);
    ward.write_tallies(&mut draws, 0, 20, [0.5, 0.5]);
    ward.settle(&mut [&mut sleeper]);
    sleeper.stop();
    // The same ordinal: its transactional id is taken over.
    let mut heir = ward.ready_as("monitor", 0);
    for (part, rates) in PARTS.iter().enumerate() {
        let first = 1_000 + u64::try_from(part).expect("small") * 2_000;
        ward.write_tallies(&mut draws, first, 40, *rates);
    }
    sleeper.wake();
    // It learns from the group that it was replaced, and ends.
    assert!(!sleeper.await_end().success());
    ward.settle(&mut [&mut heir]);
    end(heir);
    assert_as_folded(&ward);
    ward.assert_verified();
}
