//! What can go wrong on a stream, classed by what is done about it. One table ([`reaction`]), one test a row.

use rdkafka::error::{KafkaError, RDKafkaError, RDKafkaErrorCode};

/// The step at which Kafka answered with an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Making a client.
    Create,
    /// `init_transactions`.
    Init,
    /// Polling the consumer.
    Poll,
    /// Assigning, seeking, pausing.
    Assign,
    /// Reading state back.
    Restore,
    /// `begin_transaction`.
    Begin,
    /// Handing a record to the producer, or its delivery.
    Send,
    /// `send_offsets_to_transaction`.
    Offsets,
    /// `commit_transaction`.
    Commit,
    /// `abort_transaction`.
    Abort,
}

impl Step {
    const fn doing(self) -> &'static str {
        match self {
            Self::Create => "making a Kafka client",
            Self::Init => "taking over the transactional id",
            Self::Poll => "reading input",
            Self::Assign => "moving in the input",
            Self::Restore => "restoring state",
            Self::Begin => "beginning a transaction",
            Self::Send => "writing records",
            Self::Offsets => "adding offsets to the transaction",
            Self::Commit => "committing the transaction",
            Self::Abort => "aborting the transaction",
        }
    }
}

/// What is done about a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reaction {
    /// Nothing is lost and nothing needs doing: the client mends it by itself. Health is degraded meanwhile.
    GoOn,
    /// The same call again after a short wait, within the transaction's time.
    Retry,
    /// Abort, rewind to the batch's first offsets, next batch.
    Abort,
    /// Drop producer and consumer, make new ones, restore from what is committed. Also where an outcome is unknown.
    Rebuild,
    /// End the process with a sentence: only a person can mend it.
    Stop,
}

/// A fault and what is to be done about it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct Fault {
    /// What is to be done.
    pub reaction: Reaction,
    /// A word for metrics, from a fixed set.
    pub reason: &'static str,
    /// What happened, for people.
    pub sentence: String,
}

impl Fault {
    /// Classes Kafka's `error` at `step`.
    #[must_use]
    pub fn of(step: Step, error: &KafkaError) -> Self {
        let code = code_of(error);
        let reaction = reaction(step, error);
        let sentence = match explain(code) {
            Some(explanation) => format!("Kafka refused while {}: {explanation} ({error})", step.doing()),
            None => format!("Kafka failed while {}: {error}", step.doing()),
        };
        Self { reaction, reason: reason(step, code), sentence }
    }

    /// A fault that only a person can mend.
    #[must_use]
    pub fn stop(reason: &'static str, sentence: String) -> Self {
        Self { reaction: Reaction::Stop, reason, sentence }
    }

    /// A fault after which everything is made anew.
    #[must_use]
    pub fn rebuild(reason: &'static str, sentence: String) -> Self {
        Self { reaction: Reaction::Rebuild, reason, sentence }
    }
}

/// The error code inside `error`, wherever rdkafka put it.
#[must_use]
pub fn code_of(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::Transaction(error) => Some(error.code()),
        other => other.rdkafka_error_code(),
    }
}

/// The table.
#[must_use]
pub fn reaction(step: Step, error: &KafkaError) -> Reaction {
    if let Some(code) = code_of(error) {
        if let Some(reaction) = everywhere(code) {
            return reaction;
        }
        if let Some(reaction) = at_step(step, code) {
            return reaction;
        }
    }
    match error {
        KafkaError::Transaction(error) => transactional(step, error),
        KafkaError::ClientCreation(_) | KafkaError::ClientConfig(..) => Reaction::Stop,
        KafkaError::PartitionEOF(_) => Reaction::GoOn,
        // Whatever is not known to be harmless is not treated as harmless.
        _ => Reaction::Rebuild,
    }
}

/// Codes that mean the same at every step.
fn everywhere(code: RDKafkaErrorCode) -> Option<Reaction> {
    use RDKafkaErrorCode as C;
    match code {
        C::Authentication
        | C::SaslAuthenticationFailed
        | C::TopicAuthorizationFailed
        | C::GroupAuthorizationFailed
        | C::ClusterAuthorizationFailed
        | C::TransactionalIdAuthorizationFailed
        | C::FencedInstanceId
        | C::UnsupportedSASLMechanism
        | C::UnsupportedFeature => Some(Reaction::Stop),
        _ => None,
    }
}

/// Codes whose meaning depends on the step.
fn at_step(step: Step, code: RDKafkaErrorCode) -> Option<Reaction> {
    use RDKafkaErrorCode as C;
    match (step, code) {
        (
            Step::Poll,
            C::BrokerTransportFailure
            | C::AllBrokersDown
            | C::Resolve
            | C::OperationTimedOut
            | C::RequestTimedOut
            | C::NodeUpdate
            | C::PollExceeded
            | C::UnknownTopicOrPartition
            | C::UnknownTopic
            | C::NotLeaderForPartition
            | C::LeaderNotAvailable
            | C::CoordinatorNotAvailable
            | C::NotCoordinator
            | C::CoordinatorLoadInProgress,
        ) => Some(Reaction::GoOn),
        (Step::Send, C::QueueFull) => Some(Reaction::Retry),
        (Step::Send, C::MessageTimedOut | C::PurgeInflight | C::PurgeQueue | C::OperationTimedOut | C::RequestTimedOut) => {
            Some(Reaction::Abort)
        }
        _ => None,
    }
}

/// What librdkafka itself says of a transactional call's error.
fn transactional(step: Step, error: &RDKafkaError) -> Reaction {
    if error.is_fatal() {
        return Reaction::Rebuild;
    }
    if error.txn_requires_abort() {
        return Reaction::Abort;
    }
    // A commit that timed out may have happened: asking again on the same producer could end a later transaction.
    let known = !matches!(step, Step::Commit | Step::Abort);
    if error.is_retriable() && known { Reaction::Retry } else { Reaction::Rebuild }
}

/// What a person should know of a code.
fn explain(code: Option<RDKafkaErrorCode>) -> Option<&'static str> {
    use RDKafkaErrorCode as C;
    Some(match code? {
        C::Authentication | C::SaslAuthenticationFailed => {
            "the broker does not accept the credentials; check kafka.sasl.username, kafka.sasl.password and kafka.sasl.mechanism"
        }
        C::TopicAuthorizationFailed => {
            "this user may not use one of the topics; `jidoka topics plan --acls` prints the rights that each role needs"
        }
        C::GroupAuthorizationFailed => {
            "this user may not use the consumer group; `jidoka topics plan --acls` prints the rights that each role needs"
        }
        C::TransactionalIdAuthorizationFailed => {
            "this user may not use the transactional id; `jidoka topics plan --acls` prints the rights that each role needs"
        }
        C::ClusterAuthorizationFailed => "this user lacks rights on the cluster; see `jidoka topics plan --acls`",
        C::FencedInstanceId => {
            "another process with the same `instance` has taken over; give each process its own ordinal, or leave it to the other"
        }
        _ => return None,
    })
}

/// The words of [`Fault::reason`] for which a turn may be aborted.
pub const ABORT_REASONS: [&str; 10] =
    ["rebalance", "fenced", "timeout", "too-large", "transport", "authorization", "delivery", "offsets", "commit", "other"];

/// The metric's word for a code: few and fixed.
fn reason(step: Step, code: Option<RDKafkaErrorCode>) -> &'static str {
    use RDKafkaErrorCode as C;
    match code {
        Some(C::IllegalGeneration | C::UnknownMemberId | C::RebalanceInProgress) => "rebalance",
        Some(C::FencedInstanceId) => "fenced-instance",
        Some(C::ProducerFenced | C::InvalidProducerEpoch | C::Fenced | C::Fatal | C::InvalidTransactionalState) => "fenced",
        Some(C::MessageTimedOut | C::OperationTimedOut | C::RequestTimedOut) => "timeout",
        Some(C::MessageSizeTooLarge) => "too-large",
        Some(C::OffsetOutOfRange | C::AutoOffsetReset) => "offset-out-of-range",
        Some(C::BrokerTransportFailure | C::AllBrokersDown | C::Resolve) => "transport",
        Some(
            C::Authentication
            | C::SaslAuthenticationFailed
            | C::TopicAuthorizationFailed
            | C::GroupAuthorizationFailed
            | C::ClusterAuthorizationFailed
            | C::TransactionalIdAuthorizationFailed,
        ) => "authorization",
        _ => match step {
            Step::Commit => "commit",
            Step::Offsets => "offsets",
            Step::Send => "delivery",
            _ => "other",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RDKafkaErrorCode as C;

    fn poll(code: C) -> Reaction {
        reaction(Step::Poll, &KafkaError::MessageConsumption(code))
    }

    fn send(code: C) -> Reaction {
        reaction(Step::Send, &KafkaError::MessageProduction(code))
    }

    #[test]
    fn a_lost_connection_is_the_clients_to_mend() {
        for code in [C::BrokerTransportFailure, C::AllBrokersDown, C::NotCoordinator, C::PollExceeded] {
            assert_eq!(poll(code), Reaction::GoOn, "{code:?}");
        }
    }

    #[test]
    fn an_offset_out_of_range_is_looked_at_anew_and_never_skipped() {
        assert_eq!(poll(C::OffsetOutOfRange), Reaction::Rebuild);
        assert_eq!(poll(C::AutoOffsetReset), Reaction::Rebuild);
    }

    #[test]
    fn a_second_process_of_the_same_ordinal_stops_this_one() {
        assert_eq!(reaction(Step::Poll, &KafkaError::MessageConsumptionFatal(C::FencedInstanceId)), Reaction::Stop);
        let fault = Fault::of(Step::Poll, &KafkaError::MessageConsumptionFatal(C::FencedInstanceId));
        assert!(fault.sentence.contains("another process with the same `instance`"), "{fault}");
        assert_eq!(fault.reason, "fenced-instance");
    }

    #[test]
    fn what_only_a_person_can_mend_stops_with_a_sentence() {
        for code in
            [C::Authentication, C::TopicAuthorizationFailed, C::GroupAuthorizationFailed, C::TransactionalIdAuthorizationFailed]
        {
            assert_eq!(poll(code), Reaction::Stop);
            assert_eq!(send(code), Reaction::Stop);
            assert!(
                Fault::of(Step::Send, &KafkaError::MessageProduction(code))
                    .sentence
                    .contains("Kafka refused while writing records")
            );
        }
    }

    #[test]
    fn an_undelivered_record_aborts_and_a_full_queue_waits() {
        assert_eq!(send(C::MessageTimedOut), Reaction::Abort);
        assert_eq!(send(C::PurgeQueue), Reaction::Abort);
        assert_eq!(send(C::QueueFull), Reaction::Retry);
    }

    #[test]
    fn a_record_too_large_has_the_limits_read_again() {
        assert_eq!(send(C::MessageSizeTooLarge), Reaction::Rebuild);
    }

    #[test]
    fn whatever_is_not_classified_is_made_anew() {
        assert_eq!(poll(C::Unknown), Reaction::Rebuild);
        assert_eq!(send(C::Fenced), Reaction::Rebuild);
        assert_eq!(reaction(Step::Commit, &KafkaError::Canceled), Reaction::Rebuild);
    }
}
