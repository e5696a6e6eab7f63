//! The results: both sides and their ratio, medians over the rounds.

use serde_json::json;

use crate::cli::terminal::{Output, Table};

/// What was measured.
pub(super) struct Results {
    pub rounds: Vec<Round>,
    pub latencies: Vec<Latency>,
}

/// Events a second and microseconds of processor an event, of both sides.
pub(super) struct Round {
    pub copy: (f64, f64),
    pub gate: (f64, f64),
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
    p50: f64,
    p99: f64,
    touched: f64,
    aborted: u64,
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
        median(self.rounds.iter().map(|round| round.gate.0))
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Prints the results.
pub(super) fn print(results: &Results, output: Output) {
    let rounds = || results.rounds.iter();
    let (copy, gate) = (median(rounds().map(|round| round.copy.0)), results.gate_speed());
    let ratio = median(rounds().map(|round| round.gate.0 / round.copy.0));
    let added = median(rounds().map(|round| round.gate.1 - round.copy.1));
    let mut rates: Vec<f64> = results.latencies.iter().map(|latency| latency.rate).collect();
    rates.dedup();
    let latency = |rate: f64, of: fn(&Latency) -> f64| {
        #[expect(clippy::float_cmp, reason = "the same value, copied")]
        median(results.latencies.iter().filter(|latency| latency.rate == rate).map(of))
    };
    if output == Output::Json {
        let latencies: Vec<_> = rates
            .iter()
            .map(|rate| {
                json!({
                    "rate": rate,
                    "copy_p50_ms": latency(*rate, |at| at.copy.p50), "copy_p99_ms": latency(*rate, |at| at.copy.p99),
                    "gate_p50_ms": latency(*rate, |at| at.gate.p50), "gate_p99_ms": latency(*rate, |at| at.gate.p99),
                    "p50_ratio": latency(*rate, |at| at.gate.p50 / at.copy.p50),
                    "p99_ratio": latency(*rate, |at| at.gate.p99 / at.copy.p99),
                    "partitions_touched_median": latency(*rate, |at| at.gate.touched),
                })
            })
            .collect();
        let value = json!({
            "copy_per_second": copy, "gate_per_second": gate, "throughput_ratio": ratio,
            "added_processor_us": added, "latencies": latencies,
        });
        println!("{value:#}");
        return;
    }
    let mut table = Table::new(&["", "copy loop", "gate", "gate ÷ copy loop"]);
    table.row(["events/s".to_owned(), format!("{copy:.0}"), format!("{gate:.0}"), format!("{ratio:.2}")]);
    let busy = |of: fn(&Round) -> f64| median(rounds().map(of));
    table.row([
        "processor µs an event".to_owned(),
        format!("{:.1}", busy(|round| round.copy.1)),
        format!("{:.1}", busy(|round| round.gate.1)),
        format!("{added:+.1}"),
    ]);
    for rate in rates {
        for (name, copy, gate, ratio) in [
            (
                "p50",
                latency(rate, |at| at.copy.p50),
                latency(rate, |at| at.gate.p50),
                latency(rate, |at| at.gate.p50 / at.copy.p50),
            ),
            (
                "p99",
                latency(rate, |at| at.copy.p99),
                latency(rate, |at| at.gate.p99),
                latency(rate, |at| at.gate.p99 / at.copy.p99),
            ),
        ] {
            let name = format!("append → committed, {name} ms at {rate}/s");
            table.row([name, format!("{copy:.0}"), format!("{gate:.0}"), format!("{ratio:.2}")]);
        }
        let touched = format!("{:.0}", latency(rate, |at| at.gate.touched));
        table.row([format!("partitions a transaction touches at {rate}/s"), String::new(), touched, String::new()]);
    }
    for line in table.lines() {
        anstream::println!("{line}");
    }
    let aborted: u64 = results.latencies.iter().map(|latency| latency.gate.aborted).sum();
    if aborted > 0 {
        anstream::println!("{aborted} of the gate's transactions were aborted during the latency runs.");
    }
}
