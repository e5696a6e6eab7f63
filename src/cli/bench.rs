//! `jidoka bench`: what a decision costs, and gate and sidecar against a bare copy loop on the same broker, in one run.
//!
//! Absolute figures differ from machine to machine and from minute to minute; ratios of runs that take turns do not. So
//! everything here is measured in turns and shown as a ratio with its two sides.

mod avro;
mod compute;
mod measure;
mod report;
mod reviews;
mod run;

use std::path::PathBuf;

use clap::Args;

use super::terminal::{Exit, Output, fail};

/// Measures what a decision costs and, on a broker, gate or sidecar against a bare transactional copy loop.
#[derive(Args, Debug)]
#[command(
    after_help = "Without --bootstrap only what needs no broker is measured: bytes → decision, the records of a decision, many rules
against few, reading many policies.

With --reviews a gate opens so many cases, and a sidecar approves them: verdicts at 200 a second until a consumer that reads
only what is committed sees the disposition, verdicts that wait, and the start with all cases open; beside it a bare copy loop
with the same verdicts.

The broker must be one that may be loaded: topics begin with `bench-` and a number that nobody used before, and are removed at
the end. Warm it first; in its first seconds everything is several times slower (one round is run and thrown away).

Exit codes: 0 measured; 1 something failed; 2 wrong usage.

Examples:
  jidoka bench
  jidoka bench --bootstrap localhost:9092
  jidoka bench --bootstrap localhost:9092 --reviews 100000
  jidoka bench --bootstrap localhost:9092 --events 400000 --rounds 5 --workers 3 --output json"
)]
pub struct BenchArgs {
    /// Brokers to measure on
    #[arg(long, value_name = "HOST:PORT,…")]
    pub bootstrap: Option<String>,
    /// Files of events, plain or gzipped [default: the events of `jidoka dev`]
    #[arg(long, value_name = "FILE")]
    pub file: Vec<PathBuf>,
    /// Records of a throughput run
    #[arg(long, value_name = "N", default_value_t = 300_000)]
    pub events: u64,
    /// Records a second of the latency runs; beside it half of the gate's own peak is measured
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub rate: u32,
    /// Seconds of each latency run
    #[arg(long, value_name = "S", default_value_t = 15)]
    pub seconds: u32,
    /// Times that both sides take their turn
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub rounds: u32,
    /// Workers of each side
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub workers: usize,
    /// Input partitions
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub partitions: i32,
    /// A property of librdkafka for both sides
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Measure the sidecar with N open cases, instead of the gate
    #[arg(long, value_name = "N", requires = "bootstrap", value_parser = clap::value_parser!(u64).range(20..))]
    pub reviews: Option<u64>,
    /// Leave the topics there: their trails can be looked at
    #[arg(long, requires = "bootstrap")]
    pub keep_topics: bool,
    /// Leave the latency runs away
    #[arg(long, requires = "bootstrap")]
    pub only_throughput: bool,
    /// Form of the result
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// Runs the command.
#[must_use]
pub fn run(args: &BenchArgs) -> Exit {
    let measured = match (&args.bootstrap, args.reviews) {
        (Some(bootstrap), Some(count)) => {
            reviews::all(args, bootstrap, count).map(|results| reviews::print(&results, args.output))
        }
        _ => run::all(args).map(|results| report::print(&results, args.output)),
    };
    match measured {
        Ok(()) => Exit::Done,
        Err(reason) => fail(Exit::Failed, reason),
    }
}
