//! What comes in and what goes out, as a processor sees it: no client, no connection.

use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Headers as _, Message};

use crate::audit::AppendTimeType;
use crate::identity::Timestamp;
use crate::stream::fault::Fault;

/// What headers and framing may add to a record's key and value.
pub const HEADERS_MAX: usize = 2_048;

/// One record of an input topic.
#[derive(Clone, Copy)]
pub struct Incoming<'m> {
    /// Topic it came from.
    pub topic: &'m str,
    /// Partition it came from.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// When it was appended.
    pub appended_at: Option<Timestamp>,
    /// Whose clock that is.
    pub appended_at_type: AppendTimeType,
    /// Its key.
    pub key: Option<&'m [u8]>,
    /// Its value; none where it is null.
    pub value: Option<&'m [u8]>,
    /// Its headers.
    pub headers: IncomingHeaders<'m>,
}

impl<'m> Incoming<'m> {
    /// The record inside a message.
    #[must_use]
    pub fn of(message: &'m BorrowedMessage<'_>) -> Self {
        let (appended_at_type, millis) = match message.timestamp() {
            rdkafka::Timestamp::NotAvailable => (AppendTimeType::None, None),
            rdkafka::Timestamp::CreateTime(millis) => (AppendTimeType::Create, Some(millis)),
            rdkafka::Timestamp::LogAppendTime(millis) => (AppendTimeType::LogAppend, Some(millis)),
        };
        Self {
            topic: message.topic(),
            partition: message.partition(),
            offset: message.offset(),
            appended_at: millis.map(Timestamp),
            appended_at_type,
            key: message.key(),
            value: message.payload(),
            headers: message.headers().map_or(IncomingHeaders::Plain(&[]), IncomingHeaders::Kafka),
        }
    }

    /// The append time in milliseconds, 0 when the broker has none: part of the decision's identity.
    #[must_use]
    pub fn appended_at_ms(&self) -> i64 {
        self.appended_at.map_or(0, |time| time.0)
    }
}

/// A name and, unless it is null, its value.
pub type HeaderItem<'m> = (&'m str, Option<&'m [u8]>);

/// The headers of an incoming record.
#[derive(Clone, Copy)]
pub enum IncomingHeaders<'m> {
    /// As the client holds them.
    Kafka(&'m BorrowedHeaders),
    /// As a test writes them.
    Plain(&'m [HeaderItem<'m>]),
}

impl<'m> IncomingHeaders<'m> {
    /// All of them, in order.
    pub fn iter(self) -> impl Iterator<Item = HeaderItem<'m>> {
        let count = match self {
            Self::Kafka(headers) => headers.count(),
            Self::Plain(headers) => headers.len(),
        };
        (0..count).map(move |place| match self {
            Self::Kafka(headers) => {
                let header = headers.get(place);
                (header.key, header.value)
            }
            Self::Plain(headers) => headers[place],
        })
    }

    /// The value of the first header `name`.
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'m [u8]> {
        self.iter().find(|(key, _)| *key == name).and_then(|(_, value)| value)
    }
}

/// One record to write. Everything is copied when it is sent.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'r> {
    /// Topic to write to.
    pub topic: &'r str,
    /// Partition of it.
    pub partition: i32,
    /// Key; none where the record has none.
    pub key: Option<&'r [u8]>,
    /// Value; none is a tombstone.
    pub value: Option<&'r [u8]>,
    /// Headers, in order.
    pub headers: &'r [(&'r str, &'r [u8])],
}

/// Where a processor puts its records: an open transaction, or a test's list.
pub trait Outbox {
    /// The largest record that will be taken, with key and headers. Callers cut or refer before they send.
    fn record_bytes_max(&self) -> usize;

    /// Hands over one record; it becomes visible with the transaction or not at all.
    ///
    /// # Errors
    /// Where it cannot be written; the caller returns at once and the whole transaction is aborted.
    fn send(&mut self, record: Outgoing<'_>) -> Result<(), Fault>;
}
