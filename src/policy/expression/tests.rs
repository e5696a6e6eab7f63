use std::sync::Arc;

use super::*;
use crate::event::{Decoder, Limits};

mod holds;
mod hostile;
mod known;
mod oracle;
mod refused;

/// An event with something in every field.
const EVENT: &str = r#"{"event_id":"e-1","timestamp":"2026-01-05T10:46:41.187Z","model":{"name":"adult","version":"1.0"},
    "subject_id":"S2","requested_by":"u1","action":"pay","currency":"EUR","prediction":">50K","confidence":0.75,"amount":15001,
    "features":{"age":57,"job":"Größe","member":true,"hours-per-week":40.5,"nothing":null,"number":"12.5"},
    "probabilities":{">50K":0.75,"<=50K":0.25},"protected":{"sex":"Female"},"explanation":{"age":-0.5},
    "flags":["bias:sex","late"],"evidence":[{"uri":"s3://a","sha256":"00"},{"uri":"s3://b"}]}"#;
const BARE: &str = r#"{"event_id":"e-2","model":{"name":"adult"},"prediction":1}"#;

fn compiled(text: &str) -> (Expression, Plan) {
    let mut plan = Plan::default();
    let expression = Expression::condition(text, &mut plan).unwrap_or_else(|mistakes| panic!("{text}: {mistakes:#?}"));
    (expression, plan)
}

/// What `text` says of `event`, or why it fails.
fn said(text: &str, event: &str) -> Result<bool, String> {
    let (expression, plan) = compiled(text);
    let mut decoder = Decoder::new(Arc::new(plan), Limits::default());
    let event = decoder.decode(event.as_bytes()).expect("a good event");
    expression.holds(&event).map_err(|failure| expression.reason(failure).to_owned())
}
