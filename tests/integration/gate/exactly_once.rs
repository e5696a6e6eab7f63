//! Every inference event decided once, whatever is killed. Each test ends with the oracle over everything in Kafka.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};

use super::books::{self, Books, Isolation, Watcher};
use super::dice::Dice;
use super::events::{self, Input};
use super::oracle::{self, Extent, rules};
use super::process::{Gate, Installation, PATIENCE, Setup};
use crate::kafka;

const PAUSE: Duration = Duration::from_millis(50);

/// Small batches: a kill then meets transactions and not the wait for the next record.
fn small_batches() -> Setup {
    Setup { batch_records: 200, ..Setup::default() }
}

/// Asks until `done`.
fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Plays `inputs` at `rate` a second while `test` runs and until they are all played; stops early if `test` fails.
fn under_load(installation: &Installation, inputs: &[Input], rate: u32, test: impl FnOnce(&dyn Fn() -> bool)) {
    struct Ended<'f>(&'f AtomicBool);
    impl Drop for Ended<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                self.0.store(true, Ordering::Relaxed);
            }
        }
    }
    let failed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _ended = Ended(&failed);
        let load = scope.spawn(|| installation.player().play_at(inputs, rate, || !failed.load(Ordering::Relaxed)));
        test(&|| !load.is_finished());
        assert_eq!(load.join().expect("the player does not panic"), inputs.len());
    });
}

/// Figures for whoever reads a test's output.
fn report(what: &str, books: &Books, began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    println!("{what}: {} records, {} entries, {} aborted, {seconds:.1} s", books.input.len(), books.audit.len(), books.aborted);
}

/// 12,000 real events and what comes with them, 6 partitions, 2 workers. Here the oracle also recomputes who is held.
#[test]
fn real_events_are_decided_once() {
    if !kafka::required() {
        return;
    }
    let began = Instant::now();
    let installation = Installation::new(kafka::shared(), Setup::default());
    let inputs = events::stream(12_000, installation.setup.partitions);
    installation.play(&inputs);
    let mut gate = installation.start(0);
    installation.await_decided(&mut [&mut gate]);
    let books = installation.books();
    let terms = oracle::Terms { holds: Some(rules::is_unsure), ..installation.terms() };
    let violations = oracle::judge(&terms, &books);
    assert!(violations.is_empty(), "{}", oracle::summary(&violations));
    assert_eq!((books.input.len(), books.audit.len()), (inputs.len(), inputs.len()));
    assert_eq!(books.dead_letters.len(), 20);
    report("plain", &books, began);
}

#[test]
fn killed_at_random_moments_nothing_is_lost_or_doubled() {
    const KILLS: usize = 8;
    if !kafka::required() {
        return;
    }
    let (began, mut dice, mut kills) = (Instant::now(), Dice::new(), 0);
    let installation = Installation::new(kafka::shared(), small_batches());
    let watcher = Watcher::start(installation.bootstrap(), &installation.topic("audit"));
    under_load(&installation, &events::stream(12_000, 6), 500, |playing| {
        while playing() || kills < KILLS {
            let mut gate = installation.start(0);
            if kills % 3 == 2 {
                // Anywhere, the start included.
                std::thread::sleep(dice.millis(50, 1_500));
            } else {
                gate.await_ready();
                std::thread::sleep(dice.millis(0, 1_000));
            }
            gate.check_alive();
            gate.kill();
            kills += 1;
        }
    });
    let mut gate = installation.start(0);
    installation.await_decided(&mut [&mut gate]);
    let books = installation.assert_sound();
    let seen = watcher.end(books.audit.len());
    assert_eq!((seen.records, seen.doubled, seen.out_of_order), (books.audit.len(), Vec::new(), Vec::new()));
    assert!(books.aborted > 0, "none of {kills} kills met a transaction");
    report(&format!("{kills} kills"), &books, began);
}

/// Two instances under load, of which `strike` hits the first. The second must decide everything alone; then `heal` brings
/// the first one back, and both go on.
fn one_of_two_fails(strike: impl FnOnce(&mut Gate), heal: impl FnOnce(&Installation, &mut Gate)) {
    let began = Instant::now();
    let installation = Installation::new(kafka::shared(), small_batches());
    let inputs = events::stream(6_000, 6);
    let (before, after) = inputs.split_at(5_000);
    let (mut first, mut second) = (installation.start(0), installation.start(1));
    first.await_ready();
    second.await_ready();
    under_load(&installation, before, 1_000, |_| {
        eventually("both to decide", || installation.decided() > 1_500 && held(&first) > 0.0 && held(&second) > 0.0);
        strike(&mut first);
    });
    installation.await_decided(&mut [&mut second]);
    heal(&installation, &mut first);
    under_load(&installation, after, 500, |_| eventually("the first to take part again", || held(&first) > 0.0));
    installation.await_decided(&mut [&mut first, &mut second]);
    let books = installation.assert_sound();
    report("one of two", &books, began);
    assert_eq!((first.terminate().code(), second.terminate().code()), (Some(0), Some(0)));
}

/// How many input partitions a gate reads.
fn held(gate: &Gate) -> f64 {
    gate.metric("jidoka_partitions_held", "gate")
}

#[test]
fn another_instance_takes_over_from_a_dead_one() {
    if kafka::required() {
        one_of_two_fails(Gate::kill, |installation, first| *first = installation.start(0));
    }
}

/// The zombie wakes with a transaction that was aborted and a membership that is gone.
#[test]
fn a_zombie_doubles_nothing_and_recovers() {
    if !kafka::required() {
        return;
    }
    let restored = |gate: &Gate| gate.log().matches("\"restored\"").count();
    let heal = |_: &Installation, first: &mut Gate| {
        let before = restored(first);
        first.wake();
        eventually("the zombie to join again", || restored(first) > before);
    };
    one_of_two_fails(|first| first.stop(), heal);
}

#[test]
fn a_second_process_of_the_same_ordinal_ends_the_first() {
    if !kafka::required() {
        return;
    }
    let began = Instant::now();
    let installation = Installation::new(kafka::shared(), small_batches());
    let mut older = installation.start(0);
    older.await_ready();
    let mut newer = None;
    under_load(&installation, &events::stream(5_000, 6), 500, |_| {
        eventually("the first to decide", || installation.decided() > 500);
        let newer = newer.insert(installation.start(0));
        assert_eq!(older.await_end().code(), Some(1));
        newer.await_ready();
    });
    let newer = newer.as_mut().expect("it was started");
    installation.await_decided(&mut [newer]);
    let log = older.log();
    let last = log.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: ") && last.contains("`instance`"), "{log}");
    report("same ordinal", &installation.assert_sound(), began);
}

/// Starts a gate again that its own watchdog ended, as whatever runs it in production does: while the group's coordinator
/// is lost, a call of librdkafka may hang whatever its timeout.
fn supervise(installation: &Installation, gate: &mut Gate) {
    if gate.ended().is_some_and(|ended| ended.code() == Some(1)) && gate.log().contains("hangs in a call") {
        println!("gate {} was ended by its watchdog and is started again", gate.instance);
        *gate = installation.start(gate.instance);
    }
}

#[test]
fn the_leader_of_three_brokers_is_killed() {
    if !kafka::own_required() {
        return;
    }
    let began = Instant::now();
    let cluster = kafka::Cluster::three();
    let installation = Installation::new(&cluster, Setup { replication: 3, ..small_batches() });
    let mut gate = installation.start(0);
    gate.await_ready();
    under_load(&installation, &events::stream(6_000, 6), 400, |_| {
        eventually("decisions by three", || installation.decided() > 1_000);
        let audit = installation.topic("audit");
        let lost = cluster.leader(&audit, 0);
        cluster.kill(lost);
        let before = installation.decided();
        eventually("decisions by two", || {
            supervise(&installation, &mut gate);
            installation.decided() > before + 1_000
        });
        cluster.restart(lost);
        cluster.await_in_sync(&audit);
        supervise(&installation, &mut gate);
    });
    installation.await_decided(&mut [&mut gate]);
    report("leader killed", &installation.assert_sound(), began);
}

#[test]
fn asked_to_end_it_ends_in_order_and_a_restart_goes_on() {
    if !kafka::required() {
        return;
    }
    let began = Instant::now();
    let installation = Installation::new(kafka::shared(), small_batches());
    under_load(&installation, &events::stream(4_000, 6), 800, |playing| {
        let mut starts = 0;
        while playing() || starts < 2 {
            let mut gate = installation.start(0);
            gate.await_ready();
            let before = installation.decided();
            eventually("some decisions", || installation.decided() > before || !playing());
            let (asked, aborted) = (Instant::now(), aborts(&gate));
            assert_eq!(gate.terminate().code(), Some(0), "{}", gate.log());
            assert!(asked.elapsed() < Duration::from_secs(20), "it took {:?}", asked.elapsed());
            assert_eq!(aborts(&gate), aborted, "an orderly end aborts nothing");
            starts += 1;
        }
        let violations = oracle::judge(&oracle::Terms { extent: Extent::SoFar, ..installation.terms() }, &installation.books());
        assert!(violations.is_empty(), "{}", oracle::summary(&violations));
    });
    let mut gate = installation.start(0);
    installation.await_decided(&mut [&mut gate]);
    report("terminated", &installation.assert_sound(), began);
}

/// How many aborted transactions a gate has told of.
fn aborts(gate: &Gate) -> usize {
    gate.log().matches("a transaction was aborted").count()
}

/// `progress` says where to go on, and not the group: neither a reset nor the loss of its offsets decides anything again.
#[test]
fn reset_and_deleted_group_offsets_decide_nothing_again() {
    const SOON: [(&str, &str); 2] = [("JIDOKA__SESSION__TIMEOUT", "6s"), ("JIDOKA__TRANSACTION__TIMEOUT", "5s")];
    if !kafka::required() {
        return;
    }
    let began = Instant::now();
    let installation = Installation::new(kafka::shared(), Setup::default());
    let inputs = events::stream(3_000, 6);
    let parts: Vec<&[Input]> = inputs.chunks(inputs.len().div_ceil(3)).collect();
    let run = |part: &[Input]| {
        installation.play(part);
        let mut gate = installation.start_with(0, &SOON);
        installation.await_decided(&mut [&mut gate]);
        assert_eq!(gate.terminate().code(), Some(0));
    };
    run(parts[0]);
    eventually("the group to be empty, and its offsets reset", || reset(&installation).is_ok());
    assert_eq!(installation.decided(), 0);
    // Without anything new to decide, the group's offsets are set right.
    run(&[]);
    run(parts[1]);
    eventually("the group to be empty, and deleted", || delete(&installation));
    assert_eq!(installation.committed().len(), 0);
    run(parts[2]);
    let books = installation.assert_sound();
    assert_eq!(books.audit.len(), inputs.len());
    report("offsets reset", &books, began);
}

/// Commits offset 0 for the group, as operators do to replay. Refused while it has members.
fn reset(installation: &Installation) -> rdkafka::error::KafkaResult<()> {
    let consumer = books::asker(installation.bootstrap(), &installation.topic("gate"), Isolation::Committed);
    let mut list = TopicPartitionList::new();
    for partition in 0..installation.setup.partitions {
        list.add_partition_offset(&installation.input, partition, Offset::Offset(0))?;
    }
    consumer.commit(&list, CommitMode::Sync)
}

/// Deletes the group, as Kafka itself does with one that was gone for a week. Refused while it has members.
fn delete(installation: &Installation) -> bool {
    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", installation.bootstrap());
    let admin: rdkafka::admin::AdminClient<_> = config.create().expect("the settings are sound");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime of one thread needs nothing");
    let group = installation.topic("gate");
    let results = runtime.block_on(admin.delete_groups(&[&group], &rdkafka::admin::AdminOptions::new()));
    results.is_ok_and(|results| results.iter().all(Result::is_ok))
}

/// What `start` skips was never seen: an event that comes again after it is decided, before a restart and after.
#[test]
fn nothing_is_a_duplicate_of_what_was_skipped() {
    if !kafka::required() {
        return;
    }
    let installation = Installation::new(kafka::shared(), Setup { partitions: 1, ..Setup::default() });
    let sources = format!("[ {{ name: inference, topic: {}, start: latest }} ]", installation.input);
    let inputs: Vec<Input> = events::real().iter().take(20).map(|event| Input::plain(0, event.clone())).collect();
    installation.play(&inputs);
    for half in inputs.chunks(10) {
        let mut gate = installation.start_with(0, &[("JIDOKA__SOURCES", &sources)]);
        gate.await_ready();
        // The first time it skips what is there; until then nothing may be added.
        eventually("the start", || installation.decided() >= 20);
        installation.play(half);
        installation.await_decided(&mut [&mut gate]);
        assert_eq!(gate.terminate().code(), Some(0));
    }
    let books = installation.assert_sound();
    assert_eq!((books.input.len(), books.audit.len()), (40, 21));
    assert!(books.audit.iter().all(|entry| entry.header("jidoka-kind") != Some("DUPLICATE")));
}
