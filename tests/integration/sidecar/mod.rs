//! The sidecar as its users run it: verdicts on a real Kafka, and an oracle that replays every one of them and shares no code
//! with it.

mod oracle;
