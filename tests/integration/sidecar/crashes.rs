//! Sidecars that are killed, stopped and replaced while a crew of reviewers works: every verdict is applied once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::office::{Office, event};
use super::reviewers::{self, Pace};
use crate::gate::books::{Books, Watcher};
use crate::gate::dice::Dice;
use crate::gate::events::Input;
use crate::gate::process::Gate;
use crate::gate::stage::{end, eventually};
use crate::kafka;

const MODELS: [&str; 5] = ["loans", "pairs", "blind", "swift", "leased"];
const PACE: Pace = Pace { reviewers: 6, pause: Duration::from_millis(100), wrong: 25 };

/// Opens `cases` at `rate` a second and lets the crew work while `test` runs; how many commands there were.
fn under_work(office: &Office, (cases, rate): (usize, u32), dice: &Dice, test: impl FnOnce(&dyn Fn() -> bool)) -> usize {
    struct Ended<'f>(&'f AtomicBool);
    impl Drop for Ended<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let (done, played) = (AtomicBool::new(false), AtomicBool::new(false));
    let inputs: Vec<Input> = (0..cases).map(held).collect();
    std::thread::scope(|scope| {
        let crew = scope.spawn(|| reviewers::work(office, PACE, dice, &done));
        let ended = Ended(&done);
        scope.spawn(|| {
            office.player().play_at(&inputs, rate, || !done.load(Ordering::Relaxed));
            played.store(true, Ordering::Relaxed);
        });
        test(&|| !played.load(Ordering::Relaxed));
        drop(ended);
        crew.join().expect("the crew does not panic")
    })
}

fn held(number: usize) -> Input {
    let partition = i32::try_from(number % 3).expect("small");
    Input::plain(partition, event(MODELS[number % MODELS.len()], &kafka::unique("event")))
}

/// Figures for whoever reads a test's output.
fn report(what: &str, books: &Books, sent: usize, began: Instant) {
    let (seconds, entries) = (began.elapsed().as_secs_f64(), books.audit.len());
    let count = |kind: &str| books.audit.iter().filter(|record| record.header("jidoka-kind") == Some(kind)).count();
    let (decided, refused) = (count("DECIDED"), count("REFUSED"));
    let closed = books.archive.len();
    let aborted = books.aborted;
    println!(
        "{what}: {sent} commands, {decided} cases, {closed} closed, {entries} entries, {refused} refusals, {aborted} aborted, {seconds:.1} s"
    );
}

/// How often it is killed, and for how long the crew works.
fn kill_at_random(what: &str, work: (usize, u32), at_least: Duration) -> Books {
    let (began, dice) = (Instant::now(), Dice::new());
    let office = Office::new();
    let watcher = Watcher::start(office.bootstrap(), &office.topic("audit"));
    let mut fate = dice.branch(99);
    let mut processes = [office.start_as("gate,sidecar", 0, &[]), office.start_as("sidecar", 1, &[])];
    let kills = AtomicUsize::new(0);
    let sent = under_work(&office, work, &dice, |playing| {
        while playing() || began.elapsed() < at_least {
            let victim = usize::try_from(fate.below(2)).expect("small");
            if fate.chance(60) {
                processes[victim].await_ready();
            }
            std::thread::sleep(fate.millis(50, 2_000));
            processes[victim].check_alive();
            processes[victim].kill();
            processes[victim] =
                if victim == 0 { office.start_as("gate,sidecar", 0, &[]) } else { office.start_as("sidecar", 1, &[]) };
            kills.fetch_add(1, Ordering::Relaxed);
        }
    });
    let [first, second] = &mut processes;
    office.installation().await_decided(&mut [&mut *first, &mut *second]);
    office.settle(&mut [first, second]);
    let [first, second] = processes;
    end(first);
    end(second);
    let books = office.assert_sound();
    let seen = watcher.end(books.audit.len());
    assert_eq!((seen.records, seen.doubled, seen.out_of_order), (books.audit.len(), Vec::new(), Vec::new()));
    report(&format!("{what}, {} kills", kills.into_inner()), &books, sent, began);
    books
}

#[test]
fn killed_at_random_moments_no_verdict_is_lost_or_doubled() {
    if !kafka::required() {
        return;
    }
    let books = kill_at_random("killed at random", (300, 20), Duration::from_secs(15));
    for kind in ["CLAIMED", "APPROVED", "REJECTED", "VOTED", "JUDGED", "REFUSED"] {
        assert!(books.audit.iter().any(|record| record.header("jidoka-kind") == Some(kind)), "no {kind} came of all that");
    }
}

/// As long and with as many cases as `JIDOKA_TESTS_MINUTES` and `JIDOKA_TESTS_CASES` say.
#[test]
#[ignore = "takes ten minutes and more; run it alone before a release"]
fn killed_for_a_long_time_no_verdict_is_lost_or_doubled() {
    if !kafka::required() {
        return;
    }
    let number = |name: &str, otherwise: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (minutes, cases) = (number("JIDOKA_TESTS_MINUTES", 10), number("JIDOKA_TESTS_CASES", 20_000));
    let rate = u32::try_from(cases.div_ceil(minutes * 60)).expect("a moderate rate");
    kill_at_random("killed for long", (usize::try_from(cases).expect("a count"), rate), Duration::from_secs(minutes * 60));
}

/// How many lanes a sidecar has.
fn lanes(process: &Gate) -> f64 {
    process.metric("jidoka_partitions_held", "sidecar")
}

/// Two sidecars share the lanes. `strike` hits the first while the crew works, and the second goes on alone; `heal` brings
/// the first one back.
fn one_of_two_fails(strike: impl FnOnce(&mut Gate), heal: impl FnOnce(&Office, &mut Gate)) {
    let (began, dice) = (Instant::now(), Dice::new());
    let office = Office::new();
    let gate = office.ready_as("gate", 0);
    let (mut first, mut second) = (office.ready_as("sidecar", 1), office.ready_as("sidecar", 2));
    let sent = under_work(&office, (200, 20), &dice, |playing| {
        eventually("both to have a lane", || (lanes(&first) > 0.0 && lanes(&second) > 0.0).then_some(()));
        strike(&mut first);
        eventually("the second to have all lanes", || (lanes(&second) > 2.0).then_some(()));
        heal(&office, &mut first);
        eventually("the first to take part again", || (lanes(&first) > 0.0).then_some(()));
        eventually("the rest to be played", || (!playing()).then_some(()));
    });
    office.settle(&mut [&mut first, &mut second]);
    let books = office.assert_sound();
    report("one of two", &books, sent, began);
    end(gate);
    end(first);
    end(second);
}

#[test]
fn another_sidecar_takes_over_from_a_dead_one() {
    if kafka::required() {
        one_of_two_fails(Gate::kill, |office, first| *first = office.start_as("sidecar", 1, &[]));
    }
}

/// The zombie wakes with a transaction that was aborted and lanes that are another's: what it wanted to write is refused.
#[test]
fn a_zombie_applies_nothing_and_recovers() {
    if !kafka::required() {
        return;
    }
    let restored = |process: &Gate| process.log().matches("\"restored\"").count();
    let heal = |_: &Office, first: &mut Gate| {
        let before = restored(first);
        first.wake();
        eventually("the zombie to join again", || (restored(first) > before).then_some(()));
    };
    one_of_two_fails(|first| first.stop(), heal);
}

/// Instances come and go in order, so that lanes move all the time.
#[test]
fn lanes_that_move_while_verdicts_flow_lose_nothing() {
    if !kafka::required() {
        return;
    }
    let (began, dice) = (Instant::now(), Dice::new());
    let office = Office::new();
    let mut process = office.ready_as("gate,sidecar", 0);
    let sent = under_work(&office, (250, 20), &dice, |playing| {
        let mut moves = 0;
        while playing() || moves < 2 {
            let mut second = office.start_as("sidecar", 1, &[]);
            eventually("the second to have a lane", || {
                second.check_alive();
                (lanes(&second) > 0.0).then_some(())
            });
            std::thread::sleep(Duration::from_millis(500));
            end(second);
            moves += 1;
        }
    });
    office.settle(&mut [&mut process]);
    let books = office.assert_sound();
    report("moving lanes", &books, sent, began);
    end(process);
}
