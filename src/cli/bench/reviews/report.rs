//! The results of the sidecar and the copy loop, medians over the rounds.

use serde_json::json;

use super::orders::Orders;
use crate::cli::bench::measure::Restore;
use crate::cli::bench::report::{Ages, median};
use crate::cli::terminal::{Output, Table};

/// What was measured.
pub(in crate::cli::bench) struct Reviews {
    pub cases: u64,
    pub rate: f64,
    pub turns: Vec<Turn>,
}

/// One round.
pub(in crate::cli::bench) struct Turn {
    pub copy_ages: Ages,
    pub sidecar_ages: Ages,
    /// Verdicts a second.
    pub copy_speed: f64,
    pub sidecar_speed: f64,
    pub restored: Restored,
}

/// The start of a sidecar with all cases open.
#[derive(Clone, Copy)]
pub(in crate::cli::bench) struct Restored {
    seconds: f64,
    records: f64,
    bytes: f64,
    /// Memory that the process had more after it than before, a case.
    resident_bytes: f64,
    /// Bytes of an event in them.
    event_bytes: f64,
}

impl Restored {
    /// Of what happened at the assignments, the memory `before`, and what there was to restore.
    pub(super) fn of(restores: &[Restore], before: u64, orders: &Orders) -> Result<Self, String> {
        let last = restores.last().ok_or("the sidecar was given no lane")?;
        let cases = orders.len() as f64;
        Ok(Self {
            seconds: restores.iter().map(|restore| restore.took.as_secs_f64()).sum(),
            records: orders.records as f64,
            bytes: orders.bytes as f64,
            resident_bytes: last.resident_bytes.saturating_sub(before) as f64 / cases,
            event_bytes: orders.event_bytes as f64 / cases,
        })
    }
}

impl Reviews {
    fn of(&self, of: impl Fn(&Turn) -> f64) -> f64 {
        median(self.turns.iter().map(of))
    }
}

/// Prints the results.
pub(in crate::cli::bench) fn print(results: &Reviews, output: Output) {
    match output {
        Output::Json => println!("{:#}", as_json(results)),
        Output::Text => print_text(results),
    }
}

fn as_json(results: &Reviews) -> serde_json::Value {
    let of = |of: fn(&Turn) -> f64| results.of(of);
    json!({
        "cases": results.cases, "rate": results.rate,
        "copy_p50_ms": of(|turn| turn.copy_ages.p50), "copy_p99_ms": of(|turn| turn.copy_ages.p99),
        "sidecar_p50_ms": of(|turn| turn.sidecar_ages.p50), "sidecar_p99_ms": of(|turn| turn.sidecar_ages.p99),
        "p50_ratio": of(|turn| turn.sidecar_ages.p50 / turn.copy_ages.p50),
        "p99_ratio": of(|turn| turn.sidecar_ages.p99 / turn.copy_ages.p99),
        "partitions_touched_median": of(|turn| turn.sidecar_ages.touched),
        "copy_per_second": of(|turn| turn.copy_speed), "sidecar_per_second": of(|turn| turn.sidecar_speed),
        "throughput_ratio": of(|turn| turn.sidecar_speed / turn.copy_speed),
        "restore_seconds": of(|turn| turn.restored.seconds), "restore_records": of(|turn| turn.restored.records),
        "restore_bytes": of(|turn| turn.restored.bytes),
        "resident_bytes_per_case": of(|turn| turn.restored.resident_bytes),
        "event_bytes_per_case": of(|turn| turn.restored.event_bytes),
    })
}

/// A figure of both sides, the copy loop's first.
type Pair = fn(&Turn) -> (f64, f64);

fn print_text(results: &Reviews) {
    let mut table = Table::new(&["", "copy loop", "sidecar", "sidecar ÷ copy loop"]);
    let pairs: [(String, Pair); 3] = [
        (format!("appended → seen committed, p50 ms at {}/s", results.rate), |turn| {
            (turn.copy_ages.p50, turn.sidecar_ages.p50)
        }),
        (format!("appended → seen committed, p99 ms at {}/s", results.rate), |turn| {
            (turn.copy_ages.p99, turn.sidecar_ages.p99)
        }),
        ("verdicts/s, while they wait".to_owned(), |turn| (turn.copy_speed, turn.sidecar_speed)),
    ];
    for (name, pair) in pairs {
        let (copy, sidecar) = (results.of(|turn| pair(turn).0), results.of(|turn| pair(turn).1));
        let ratio = results.of(|turn| pair(turn).1 / pair(turn).0);
        table.row([name, format!("{copy:.0}"), format!("{sidecar:.0}"), format!("{ratio:.2}")]);
    }
    let touched = results.of(|turn| turn.sidecar_ages.touched);
    let name = format!("partitions a transaction touches at {}/s", results.rate);
    table.row([name, String::new(), format!("{touched:.0}"), String::new()]);
    for line in table.lines() {
        anstream::println!("{line}");
    }
    let of = |of: fn(&Restored) -> f64| results.of(|turn| of(&turn.restored));
    anstream::println!(
        "{} open cases were restored in {:.2} s: {:.0} records, {:.1} MiB. The process grew by {:.0} bytes a case, of which {:.0} \
         are its event.",
        results.cases,
        of(|restored| restored.seconds),
        of(|restored| restored.records),
        of(|restored| restored.bytes) / 1_048_576.0,
        of(|restored| restored.resident_bytes),
        of(|restored| restored.event_bytes)
    );
    let aborted: u64 = results.turns.iter().map(|turn| turn.sidecar_ages.aborted).sum();
    if aborted > 0 {
        anstream::println!("{aborted} of the sidecar's transactions were aborted at the steady rate.");
    }
}
