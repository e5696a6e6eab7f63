//! Judging one record: what the gate and `policy replay` share, without Kafka and without a clock of its own.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::{self, ChainLink, InputRecord, Shadow};
use crate::decision::{Decision, Occasion, Signals, Subject, evaluate};
use crate::event::{Decoder, Event, Limits, Plan, SchemaSource, Unreadable, Value};
use crate::gate::window::{DedupWindow, EventKey, Seen, Sighting};
use crate::identity::{DecisionId, Hash, LanePrefix, RecordId, Timestamp};
use crate::policy::{Policy, PolicySet};

/// A partition of an input: where the ids of its decisions come from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Configured name of the input.
    pub source: &'a str,
    /// Partition of it.
    pub partition: i32,
    /// What all its decision ids begin with.
    pub prefix: LanePrefix,
}

impl Origin<'_> {
    /// The id of the decision about the record at `sighting`.
    #[must_use]
    pub fn id(&self, sighting: Sighting) -> DecisionId {
        let appended_at_ms = sighting.appended_at.map_or(0, |time| time.0);
        let (source, partition, offset) = (self.source, self.partition, sighting.offset);
        DecisionId::with_prefix(self.prefix, RecordId { source, partition, offset, appended_at_ms, row: 0 })
    }
}

/// A record that is to be judged, and when.
#[derive(Clone, Copy, Debug)]
pub struct Sighted<'a> {
    /// Its partition.
    pub origin: Origin<'a>,
    /// Its place there.
    pub sighting: Sighting,
    /// The id of the decision about it.
    pub id: DecisionId,
    /// Its value: nothing for null.
    pub bytes: &'a [u8],
    /// SHA-256 of them.
    pub sha256: Hash,
    /// The moment of deciding.
    pub now: Timestamp,
}

impl<'a> Sighted<'a> {
    /// The record with these `bytes` at `sighting`, to be decided `now`.
    #[must_use]
    pub fn new(origin: Origin<'a>, sighting: Sighting, bytes: &'a [u8], now: Timestamp) -> Self {
        Self { origin, sighting, id: origin.id(sighting), bytes, sha256: Hash::of(bytes), now }
    }
}

/// What became of a record.
#[derive(Debug)]
pub enum Judged<'a> {
    /// The same event came before with the same bytes.
    Duplicate {
        /// The producer's id of it.
        event_id: &'a str,
        /// The decision's id of the sighting before.
        of: DecisionId,
    },
    /// It was decided.
    Decided(Verdict<'a>),
}

/// A decision, with what it is about.
#[derive(Debug)]
pub struct Verdict<'a> {
    /// The event, or why there is none.
    pub event: Result<Event<'a>, Unreadable<'a>>,
    /// The policy that applied.
    pub policy: Option<&'a Policy>,
    /// The earlier decision about the same event id with other bytes.
    pub conflicts_with: Option<DecisionId>,
    /// The decision.
    pub decision: &'a Decision,
    /// What the other of a policy and its candidate decided.
    pub shadow: Option<(&'a Policy, &'a Decision)>,
}

impl<'a> Verdict<'a> {
    /// The producer's id of the event, where it could be read.
    #[must_use]
    pub fn event_id(&self) -> Option<&str> {
        self.event.as_ref().map_or_else(|unreadable| unreadable.event_id, |event| Some(event.event_id()))
    }

    /// Name and version of the model, as far as they could be read.
    #[must_use]
    pub fn model(&self) -> (Option<&str>, Option<&str>) {
        match &self.event {
            Ok(event) => (Some(event.model_name()), event.model_version()),
            Err(unreadable) => (unreadable.model_name, unreadable.model_version),
        }
    }

    /// What the audit entry about it says.
    #[must_use]
    pub fn entry<'v>(
        &'v self,
        decision_id: DecisionId,
        at: Timestamp,
        input: InputRecord<'v>,
        chain: ChainLink<'v>,
    ) -> audit::Decided<'v> {
        audit::Decided {
            decision_id,
            at,
            chain,
            input,
            event_id: self.event_id(),
            model: self.model(),
            policy: self.policy,
            prediction: self.readable().map_or(Value::Missing, Event::prediction),
            confidence: self.readable().and_then(Event::confidence_text),
            conflicts_with: self.conflicts_with,
            decision: self.decision,
            shadow: self.shadow.map(|(policy, decision)| Shadow { policy, decision }),
        }
    }

    /// The event, where there is one.
    #[must_use]
    pub fn readable(&self) -> Option<&Event<'a>> {
        self.event.as_ref().ok()
    }
}

/// Judges one record after the other into the same buffers: after warm-up it allocates nothing.
pub struct Judge {
    decoder: Decoder,
    decision: Decision,
    shadow: Decision,
}

impl Judge {
    /// A judge of events within `limits`; Avro ones are read by the writer schemas of `schemas`.
    #[must_use]
    pub fn new(limits: Limits, schemas: Arc<dyn SchemaSource>) -> Self {
        let decoder = Decoder::new(Arc::new(Plan::default()), limits).with_schemas(schemas);
        Self { decoder, decision: Decision::default(), shadow: Decision::default() }
    }

    /// Tells misses in detail, too, for whoever tries a policy out.
    #[must_use]
    pub fn in_detail(mut self) -> Self {
        self.decision.detailed = true;
        self
    }

    /// From now on events are judged by policies that read what `plan` names. Called before the first record and whenever
    /// other policies come into force.
    pub fn adopt(&mut self, plan: &Arc<Plan>) {
        self.decoder.replan(Arc::clone(plan));
    }

    /// What reads events, for whoever must only look at them.
    pub fn decoder(&mut self) -> &mut Decoder {
        &mut self.decoder
    }

    /// Judges one record by the policies of `set`, whose plan was adopted. `meter` tells the time spent so far; the window of
    /// its partition learns of the event.
    pub fn judge<'a>(
        &'a mut self,
        sighted: &Sighted<'a>,
        window: &mut DedupWindow,
        set: &'a PolicySet,
        signals: Signals<'_>,
        meter: &mut dyn FnMut() -> Duration,
    ) -> Judged<'a> {
        let occasion = Occasion { id: sighted.id, appended_at: sighted.sighting.appended_at, now: sighted.now };
        let event = match self.decoder.decode(sighted.bytes) {
            Err(unreadable) => {
                evaluate(Subject::Unreadable(unreadable.code), occasion, signals, meter, &mut self.decision);
                return Judged::Decided(Verdict {
                    event: Err(unreadable),
                    policy: None,
                    conflicts_with: None,
                    decision: &self.decision,
                    shadow: None,
                });
            }
            Ok(event) => event,
        };
        let conflicts_with = match window.see(EventKey::of(event.event_id(), 0), sighted.sha256, sighted.sighting) {
            Seen::Same(before) => return Judged::Duplicate { event_id: event.event_id(), of: sighted.origin.id(before) },
            Seen::Other(before) => Some(sighted.origin.id(before)),
            Seen::First => None,
        };
        let chosen = set.choose((sighted.origin.source, event.model_name(), event.model_version()), occasion.id);
        let subject = |policy| Subject::Event { event: &event, policy, conflicting: conflicts_with.is_some() };
        evaluate(subject(chosen.policy), occasion, signals, meter, &mut self.decision);
        if chosen.shadow.is_some() {
            // What it costs is no part of the decision's time.
            let before = meter();
            let mut since = || meter().saturating_sub(before);
            evaluate(subject(chosen.shadow), occasion, signals, &mut since, &mut self.shadow);
        }
        let shadow = chosen.shadow.map(|policy| (policy, &self.shadow));
        Judged::Decided(Verdict { event: Ok(event), policy: chosen.policy, conflicts_with, decision: &self.decision, shadow })
    }
}
