//! Every inference event decided once, whatever is killed.

use super::events;
use super::process::{Installation, Setup};
use crate::kafka;

/// 12,000 real events and what comes with them, 6 partitions, 2 workers.
#[test]
fn real_events_are_decided_once() {
    if !kafka::required() {
        return;
    }
    let installation = Installation::new(kafka::shared(), Setup::default());
    let inputs = events::stream(12_000, installation.setup.partitions);
    installation.play(&inputs);
    let mut gate = installation.start(0);
    gate.await_ready();
    installation.await_decided(&mut [&mut gate]);
    let books = installation.assert_sound();
    assert_eq!((books.input.len(), books.audit.len()), (inputs.len(), inputs.len()));
    assert_eq!(books.dead_letters.len(), 20);
}
