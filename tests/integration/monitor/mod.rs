//! The monitor as its users run it: real processes on a real Kafka, held against the pure fold over the same log.

mod alarms;
mod crashes;
mod ward;
