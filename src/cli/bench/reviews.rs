//! The sidecar against the bare copy loop: verdicts at a steady rate, verdicts that wait, and restoring open cases.
//!
//! ```text
//! events ─→ gate ─→ N open cases ─→ a verdict for each ─┬→ at a steady rate → sidecar, and copy loop ─→ watch ─→ ages
//!                                                       └→ all at once, before the start of either ─→ counts ─→ speed
//! ```
//!
//! The cases are opened by a real gate, and every verdict approves one, so that the trails are whole and legal. The sidecar
//! begins with all of them open; that start is the one whose time and memory are shown.

mod orders;
mod report;
mod watch;

use std::sync::Arc;

pub(super) use report::{Reviews, print};

use self::orders::Orders;
use self::report::{Restored, Turn};
use self::watch::Watch;
use super::BenchArgs;
use super::measure::{Counted, Counts, resident_bytes};
use super::report::Ages;
use super::run::{Bench, Reading, Side, Work, at_rate, wait, wait_until_done, wait_until_settled};
use crate::cli::layout;
use crate::cli::run::{sidecar_settings, sidecar_worker_settings};
use crate::cli::terminal::note;
use crate::config::Settings;
use crate::control::ControlView;
use crate::sidecar::Sidecar;
use crate::stream::control::ControlFollower;
use crate::stream::topics::Topic;
use crate::stream::worker::{Unclaimed, run as run_worker};
use crate::telemetry::metrics::Metrics;

/// Verdicts a second of the steady part.
const RATE: f64 = 200.0;

/// Everything, in turns, with `reviews` open cases.
pub(super) fn all(args: &BenchArgs, bootstrap: &str, reviews: u64) -> Result<Reviews, String> {
    let bench = Bench::new(args, bootstrap)?;
    let measured = measure(&bench, reviews);
    bench.remove_topics();
    measured
}

fn measure(bench: &Bench<'_>, reviews: u64) -> Result<Reviews, String> {
    bench.fill_input(reviews)?;
    let mut results = Reviews { cases: reviews, rate: RATE, turns: Vec::new() };
    // The first turn warms broker and caches up and is thrown away.
    for round in 0..=bench.args.rounds {
        match round {
            0 => note("warming up"),
            _ => note(format!("reviews, round {round} of {}", bench.args.rounds)),
        }
        let turn = Round { bench, run: format!("r{round}"), reviews }.turn()?;
        if round > 0 {
            results.turns.push(turn);
        }
    }
    Ok(results)
}

/// One round: topics of its own, in which all of it happens.
struct Round<'b> {
    bench: &'b Bench<'b>,
    run: String,
    reviews: u64,
}

/// A part of the verdicts, by their numbers, and how fast they come.
struct Part {
    name: &'static str,
    first: usize,
    count: u64,
}

impl Round<'_> {
    fn turn(&self) -> Result<Turn, String> {
        let bench = self.bench;
        let opened = Arc::new(Counts::new(self.reviews));
        bench.side(Side::Opening, &bench.events(&bench.input), &self.run, &opened, wait_until_done)?;
        let settings = bench.settings(&bench.input, &self.run)?;
        let orders = Orders::read(&settings)?;
        if orders.len() as u64 != self.reviews {
            return Err(format!("{} cases were to be opened, but {} were", self.reviews, orders.len()));
        }
        // Some come one by one; the sidecar is ended then, and begins anew with all others waiting for it.
        let steady = at_rate(RATE, bench.args.seconds).min(self.reviews / 2);
        let steady = Part { name: "steady", first: 0, count: steady };
        let waiting =
            Part { name: "waiting", first: usize::try_from(steady.count).unwrap_or(0), count: self.reviews - steady.count };
        let copy_ages = self.steadily(Side::Copy, &steady, &settings, &orders)?.0;
        let before = resident_bytes();
        let (sidecar_ages, counts) = self.steadily(Side::Sidecar, &steady, &settings, &orders)?;
        let restored = Restored::of(&counts.restores(), before, &orders)?;
        let copy_speed = self.at_once(Side::Copy, &waiting, &settings, &orders)?;
        let sidecar_speed = self.at_once(Side::Sidecar, &waiting, &settings, &orders)?;
        let approved = orders::approved(&settings)?;
        if approved != self.reviews {
            return Err(format!("{} cases were to be approved, but {approved} were", self.reviews));
        }
        Ok(Turn { copy_ages, sidecar_ages, copy_speed, sidecar_speed, restored })
    }

    /// What `side` reads: the sidecar its verdicts; the copy loop, which leaves no trace in them, the same in a topic of its own.
    fn reading(&self, side: Side, part: &Part, settings: &Settings) -> Result<Reading, String> {
        let lanes = i32::from(settings.topics.lanes);
        let topic = match side {
            Side::Copy => format!("{}{}-{}-in", self.bench.prefix, self.run, part.name),
            _ => Topic::Verdicts.name(&layout(settings)),
        };
        if side == Side::Copy {
            self.bench.create(&topic, lanes)?;
        }
        Ok(Reading { topic, partitions: lanes, workers: 1, batch: |settings| settings.sidecar.batch })
    }

    /// The run of `side`: the sidecar's is that in which the cases were opened.
    fn run_of(&self, side: Side, part: &Part) -> String {
        if side == Side::Copy { format!("{}-{}", self.run, part.name) } else { self.run.clone() }
    }

    /// Verdict appended → the record that comes of it seen by a consumer that reads only what is committed.
    fn steadily(&self, side: Side, part: &Part, settings: &Settings, orders: &Orders) -> Result<(Ages, Arc<Counts>), String> {
        let (bench, run) = (self.bench, self.run_of(side, part));
        let reading = self.reading(side, part, settings)?;
        let output = match side {
            Side::Copy => bench.copied_to(&run)[0].clone(),
            _ => Topic::Dispositions.name(&layout(settings)),
        };
        let counts = Arc::new(Counts::new(part.count));
        let mut ages = Vec::new();
        bench.side(side, &reading, &run, &counts, |counts| {
            wait_until_settled(side, &reading, counts)?;
            let watch = Watch::open(settings, &reading, &output)?;
            ages = watch.during(part.count, || {
                orders.play(bench, &reading.topic, part.first, part.count, Some(RATE), counts)?;
                wait("all verdicts to be seen committed", counts, || watch.seen() >= part.count)
            })?;
            wait_until_done(counts)
        })?;
        Ok((Ages::of(&ages, &counts.touched(), counts.aborted()), counts))
    }

    /// Verdicts a second, of those that all waited when `side` began.
    fn at_once(&self, side: Side, part: &Part, settings: &Settings, orders: &Orders) -> Result<f64, String> {
        let counts = Arc::new(Counts::new(part.count));
        let reading = self.reading(side, part, settings)?;
        orders.play(self.bench, &reading.topic, part.first, part.count, None, &counts)?;
        self.bench.side(side, &reading, &self.run_of(side, part), &counts, wait_until_done)?;
        let speed = counts.speed().map(|(verdicts, _)| verdicts);
        speed.ok_or_else(|| "the run ended before a tenth of the verdicts".to_owned())
    }
}

/// The worker of a sidecar; one in a process.
pub(super) fn sidecar(settings: &Settings) -> Work<'static> {
    let layout = layout(settings);
    let worker = sidecar_worker_settings(settings, &layout, Unclaimed::Ignore);
    let sidecar = Arc::new(sidecar_settings(settings, &layout, None));
    // Nobody orders anything here.
    let control = Arc::new(ControlFollower::sure_of(ControlView::default()));
    Box::new(move |counts: &Counts| {
        let sidecar = Sidecar::new(sidecar, control, &Arc::new(Metrics::new())).map_err(|fault| fault.sentence)?;
        run_worker(&worker, &mut Counted::new(sidecar, counts), &|| Ok(1_000_000), counts).map_err(|fault| fault.sentence)
    })
}
