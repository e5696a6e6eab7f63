//! Having everything delivered that was handed to a producer: at once, together, without spinning.
//!
//! librdkafka sends what has lingered for `linger.ms`. With a short linger the first records of a turn leave alone, and all
//! that follow for the same partition must wait for their answer; while they wait, the client's broker thread *spins* (their
//! time to leave lies in the past), and on a machine that it shares with a broker it starves what it waits for (measured: two
//! such threads kept a broker on two cores from running for more than ten seconds). So records linger until the turn has
//! written all of them, and leave as one request a partition when it asks for delivery. That holds up to what one request may
//! carry (`message.max.bytes`, 1 MiB on most topics): a turn that writes more to a partition waits, and spins, for a second one.
//!
//! That is what `rd_kafka_flush` is for: while it waits, nothing lingers. rdkafka's wrapper calls it with a timeout of zero and
//! sleeps 100 ms in between, which is why it is called directly.

use std::time::Duration;

use rdkafka::producer::{BaseProducer, Producer};

use crate::stream::client::StreamContext;

/// Sends everything and waits until it is delivered, or for `within`; whether it was. Failed deliveries are reported by the
/// next `poll` of the producer.
#[expect(unsafe_code, reason = "rdkafka's own wrapper waits in steps of 100 ms; see the module")]
pub(super) fn deliver(producer: &BaseProducer<StreamContext>, within: Duration) -> bool {
    let millis = i32::try_from(within.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the pointer is that of a live producer, which outlives the call because it is borrowed; rd_kafka_flush is
    // documented as thread-safe, takes no other pointer, and keeps none.
    let answer = unsafe { rdkafka_sys::rd_kafka_flush(producer.client().native_ptr(), millis) };
    answer == rdkafka_sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
}
