//! Against values that another implementation gave (`tests/data/golden/watch.py`, by scipy).

use super::super::chance::{Allowance, Band, clopper_pearson, jeffreys, steps, wilson};
use super::super::stream::{At, Stream};

fn golden() -> serde_json::Value {
    serde_json::from_str(include_str!("../../../tests/data/golden/watch.json")).unwrap()
}

fn number(value: &serde_json::Value) -> f64 {
    value.as_f64().unwrap()
}

#[track_caller]
fn close(ours: f64, theirs: &serde_json::Value) {
    let theirs = number(theirs);
    assert!((ours - theirs).abs() <= 1e-10 * theirs.abs().max(1e-3), "{ours} is not {theirs}");
}

#[test]
fn intervals_are_those_of_another_implementation() {
    let golden = golden();
    let rows = |name: &str| golden[name].as_array().unwrap().clone();
    for row in rows("clopper_pearson_80") {
        let (low, high) = clopper_pearson(row[0].as_u64().unwrap(), row[1].as_u64().unwrap(), 0.8);
        close(low, &row[2]);
        close(high, &row[3]);
    }
    for row in rows("wilson_95") {
        let (low, high) = wilson(row[0].as_u64().unwrap(), row[1].as_u64().unwrap());
        close(low, &row[2]);
        close(high, &row[3]);
    }
    for row in rows("jeffreys") {
        close(jeffreys(row[0].as_u64().unwrap(), row[1].as_u64().unwrap()), &row[2]);
    }
    for row in rows("bands") {
        let allowance = Allowance { confidence: number(&row[2]), material: number(&row[3]) };
        let band = Band::around(row[0].as_u64().unwrap(), row[1].as_u64().unwrap(), allowance);
        close(band.low, &row[4]);
        close(band.high, &row[5]);
    }
}

#[test]
fn likelihood_ratios_and_the_statistic_are_those_of_another_implementation() {
    let golden = golden();
    for row in golden["steps"].as_array().unwrap() {
        let ours = steps(number(&row[0]), Band { low: number(&row[1]), high: number(&row[2]) });
        for (hit, ratios) in ours.iter().enumerate() {
            ratios.iter().enumerate().for_each(|(place, ratio)| close(*ratio, &row[3][hit][place]));
        }
    }
    let row = &golden["statistic"];
    let ratios = steps(number(&row[0]), Band { low: number(&row[1]), high: number(&row[2]) });
    let mut stream = Stream::from(At::default());
    for (hit, event) in row[3].as_array().unwrap().iter().zip(1..) {
        stream.step(At { event, own: event }, hit.as_u64() == Some(1), 0.08, &ratios);
    }
    stream.odds.iter().enumerate().for_each(|(place, odds)| close(*odds, &row[4][place]));
    let means = [0, 3].map(|side| (0..3).map(|place| number(&row[4][side + place])).sum::<f64>() / 3.0);
    stream.statistics().iter().zip(means).for_each(|(ours, theirs)| assert!((ours - theirs).abs() < 1e-10 * theirs));
}
