//! The results: both sides and their ratio, medians over the rounds.

use std::ops::Range;
use std::time::Instant;

use serde_json::json;

use crate::cli::terminal::{Output, Table};

/// What was measured.
#[derive(Default)]
pub(super) struct Results {
    pub compute: Compute,
    pub rounds: Vec<Round>,
    pub latencies: Vec<Latency>,
    pub reloading: Option<Reloading>,
}

/// What needs no broker, a value a round.
#[derive(Default)]
pub(super) struct Compute {
    /// Bytes → decision, ten rules and confidence, microseconds an event.
    pub json_us: Vec<f64>,
    /// The same of Avro.
    pub avro_us: Vec<f64>,
    /// Building, hashing and handing over the records of a decision.
    pub records_us: Vec<f64>,
    /// 200 rules ÷ 10 rules, bytes → decision.
    pub rules_ratio: Vec<f64>,
    /// Reading a hundred policies of ten rules and preparing them, milliseconds.
    pub reload_ms: Vec<f64>,
}

/// Transactions while policies are read and taken up, and in the time between, in milliseconds.
pub(super) struct Reloading {
    reloads: usize,
    median_ms: f64,
    longest_during_ms: f64,
    longest_between_ms: f64,
}

impl Reloading {
    /// Of transactions and of readings of policies.
    pub fn of(transactions: &[Range<Instant>], reloads: &[Range<Instant>]) -> Self {
        let millis = |time: &Range<Instant>| time.end.saturating_duration_since(time.start).as_secs_f64() * 1e3;
        let overlaps = |time: &&Range<Instant>| reloads.iter().any(|other| time.start <= other.end && other.start <= time.end);
        let longest = |times: Vec<&Range<Instant>>| times.into_iter().map(millis).fold(0.0, f64::max);
        let (during, between) = transactions.iter().partition(overlaps);
        Self {
            reloads: reloads.len(),
            median_ms: median(transactions.iter().map(millis)),
            longest_during_ms: longest(during),
            longest_between_ms: longest(between),
        }
    }
}

/// Events a second and microseconds of processor an event, of both sides.
pub(super) struct Round {
    pub copy: (f64, f64),
    pub gate: (f64, f64),
    /// The gate without what is statistical.
    pub rules_only: (f64, f64),
}

/// Ages at one rate, of both sides.
pub(super) struct Latency {
    pub rate: f64,
    pub copy: Ages,
    pub gate: Ages,
}

/// Append → committed in milliseconds, and partitions that a transaction touched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ages {
    pub p50: f64,
    pub p99: f64,
    pub touched: f64,
    pub aborted: u64,
}

impl Ages {
    /// Of sorted values.
    pub fn of(ages: &[i64], touched: &[usize], aborted: u64) -> Self {
        let at = |share: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
            let place = ((ages.len() as f64 * share) as usize).min(ages.len().saturating_sub(1));
            ages.get(place).map_or(f64::NAN, |age| *age as f64)
        };
        let touched = touched.get(touched.len() / 2).map_or(f64::NAN, |touched| *touched as f64);
        Self { p50: at(0.5), p99: at(0.99), touched, aborted }
    }
}

impl Results {
    /// The gate's median speed.
    pub fn gate_speed(&self) -> f64 {
        self.of(|round| round.gate.0)
    }

    fn of(&self, of: fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(of))
    }

    fn rates(&self) -> Vec<f64> {
        let mut rates: Vec<f64> = self.latencies.iter().map(|latency| latency.rate).collect();
        rates.dedup();
        rates
    }

    fn at(&self, rate: f64, of: fn(&Latency) -> f64) -> f64 {
        #[expect(clippy::float_cmp, reason = "the same value, copied")]
        median(self.latencies.iter().filter(|latency| latency.rate == rate).map(of))
    }
}

pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Prints the results.
pub(super) fn print(results: &Results, output: Output) {
    match output {
        Output::Json => println!("{:#}", as_json(results)),
        Output::Text => {
            print_compute(&results.compute);
            if !results.rounds.is_empty() {
                print_broker(results);
            }
        }
    }
}

fn as_json(results: &Results) -> serde_json::Value {
    let compute = &results.compute;
    let of = |values: &[f64]| median(values.iter().copied());
    let latencies: Vec<_> = results
        .rates()
        .into_iter()
        .map(|rate| {
            let at = |of| results.at(rate, of);
            json!({
                "rate": rate,
                "copy_p50_ms": at(|at| at.copy.p50), "copy_p99_ms": at(|at| at.copy.p99),
                "gate_p50_ms": at(|at| at.gate.p50), "gate_p99_ms": at(|at| at.gate.p99),
                "p50_ratio": at(|at| at.gate.p50 / at.copy.p50), "p99_ratio": at(|at| at.gate.p99 / at.copy.p99),
                "partitions_touched_median": at(|at| at.gate.touched),
            })
        })
        .collect();
    let reloading = results.reloading.as_ref().map(|reloading| {
        json!({
            "reloads": reloading.reloads, "transaction_median_ms": reloading.median_ms,
            "longest_during_ms": reloading.longest_during_ms, "longest_between_ms": reloading.longest_between_ms,
        })
    });
    json!({
        "decide_json_us": of(&compute.json_us), "decide_avro_us": of(&compute.avro_us), "records_us": of(&compute.records_us),
        "rules_200_ratio": of(&compute.rules_ratio), "read_100_policies_ms": of(&compute.reload_ms),
        "copy_per_second": results.of(|round| round.copy.0), "gate_per_second": results.gate_speed(),
        "throughput_ratio": results.of(|round| round.gate.0 / round.copy.0),
        "rules_only_per_second": results.of(|round| round.rules_only.0),
        "statistics_ratio": results.of(|round| round.gate.0 / round.rules_only.0),
        "added_processor_us": results.of(|round| round.gate.1 - round.copy.1),
        "latencies": latencies, "reloading": reloading,
    })
}

fn print_compute(compute: &Compute) {
    let mut table = Table::new(&["without a broker", "median", "least", "most"]);
    for (name, values, digits) in [
        ("bytes → decision, JSON, 10 rules + confidence, µs", &compute.json_us, 2),
        ("bytes → decision, Avro, 10 rules + confidence, µs", &compute.avro_us, 2),
        ("building, hashing and handing over its records, µs", &compute.records_us, 2),
        ("200 rules ÷ 10 rules", &compute.rules_ratio, 2),
        ("reading 100 policies of 10 rules, ms", &compute.reload_ms, 0),
    ] {
        let (least, most) = (values.iter().copied().fold(f64::INFINITY, f64::min), values.iter().copied().fold(0.0, f64::max));
        let [median, least, most] = [median(values.iter().copied()), least, most].map(|value| format!("{value:.digits$}"));
        table.row([name.to_owned(), median, least, most]);
    }
    for line in table.lines() {
        anstream::println!("{line}");
    }
}

fn print_broker(results: &Results) {
    let mut table = Table::new(&["", "copy loop", "gate", "gate ÷ copy loop"]);
    let pair = |of: fn(&Round) -> f64, other: fn(&Round) -> f64| (results.of(of), results.of(other));
    let (copy, gate) = pair(|round| round.copy.0, |round| round.gate.0);
    let ratio = results.of(|round| round.gate.0 / round.copy.0);
    table.row(["events/s".to_owned(), format!("{copy:.0}"), format!("{gate:.0}"), format!("{ratio:.2}")]);
    let (copy, gate) = pair(|round| round.copy.1, |round| round.gate.1);
    let added = results.of(|round| round.gate.1 - round.copy.1);
    table.row(["processor µs an event".to_owned(), format!("{copy:.1}"), format!("{gate:.1}"), format!("{added:+.1}")]);
    let (rules_only, ratio) = pair(|round| round.rules_only.0, |round| round.gate.0 / round.rules_only.0);
    let name = "events/s with rules only; the gate with all ÷ this".to_owned();
    table.row([name, String::new(), format!("{rules_only:.0}"), format!("{ratio:.2}")]);
    for rate in results.rates() {
        let at = |of| results.at(rate, of);
        for (name, copy, gate, ratio) in [
            ("p50", at(|at| at.copy.p50), at(|at| at.gate.p50), at(|at| at.gate.p50 / at.copy.p50)),
            ("p99", at(|at| at.copy.p99), at(|at| at.gate.p99), at(|at| at.gate.p99 / at.copy.p99)),
        ] {
            let name = format!("append → committed, {name} ms at {rate}/s");
            table.row([name, format!("{copy:.0}"), format!("{gate:.0}"), format!("{ratio:.2}")]);
        }
        let touched = format!("{:.0}", at(|at| at.gate.touched));
        table.row([format!("partitions a transaction touches at {rate}/s"), String::new(), touched, String::new()]);
    }
    for line in table.lines() {
        anstream::println!("{line}");
    }
    if let Some(reloading) = &results.reloading {
        let Reloading { reloads, median_ms, longest_during_ms, longest_between_ms } = reloading;
        anstream::println!(
            "While 100 policies were read and taken up ({reloads} times): the longest transaction took {longest_during_ms:.1} ms, \
             {:.1} × the median of {median_ms:.1} ms; between those times the longest took {longest_between_ms:.1} ms.",
            longest_during_ms / median_ms
        );
    }
    let aborted: u64 = results.latencies.iter().map(|latency| latency.gate.aborted).sum();
    if aborted > 0 {
        anstream::println!("{aborted} of the gate's transactions were aborted during the latency runs.");
    }
}
