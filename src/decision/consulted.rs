//! The trusted records that a decision was based on.

use std::sync::Arc;

use crate::decision::{Decision, TriggerRef, TriggerResult};
use crate::event::Event;
use crate::json::ObjectWriter;
use crate::policy::{Contradiction, Policy, TriggerKind};
use crate::reference::{Origin, TrustedRecord};
use crate::trigger::contradiction::{self, Contradictions};

/// A look of a contradiction trigger at its reference. The record stays as it was, whatever the reference learns since.
#[derive(Clone, Debug)]
pub struct Consulted {
    /// The trigger's place in the policy's list.
    pub trigger: usize,
    /// What is trusted about the subject; none where there is no record, or none could be had.
    pub record: Option<Arc<TrustedRecord>>,
    /// What was found in it.
    pub found: Contradictions,
}

impl Consulted {
    /// The settings of its trigger.
    fn rule<'p>(&self, policy: Option<&'p Policy>) -> Option<&'p Contradiction> {
        match &policy?.triggers.get(self.trigger)?.kind {
            TriggerKind::Contradiction(rule) => Some(rule),
            _ => None,
        }
    }
}

impl Decision {
    fn consulted_by(&self, result: &TriggerResult) -> Option<&Consulted> {
        let TriggerRef::Policy(place) = result.trigger else { return None };
        self.consulted.iter().find(|consulted| consulted.trigger == place)
    }

    /// Appends the sentence that tells the reviewer what `result`, one of this decision's, found.
    pub fn sentence(&self, result: &TriggerResult, policy: Option<&Policy>, out: &mut String) {
        if result.is_finding()
            && let Some(consulted) = self.consulted_by(result).filter(|consulted| consulted.found.is_hit())
            && let Some(rule) = consulted.rule(policy)
        {
            contradiction::sentence(rule, &consulted.found, out);
            result.reason_after(policy, out);
            return;
        }
        result.sentence(policy, self.told.sentence(result), out);
    }

    /// Writes the member `details` of `result`: null for what has none. It holds values of the event and of the record, and
    /// so belongs to what can be erased. `scratch` is overwritten.
    pub fn write_details(
        &self,
        writer: &mut ObjectWriter<'_>,
        result: &TriggerResult,
        (policy, event): (Option<&Policy>, Option<&Event<'_>>),
        scratch: &mut String,
    ) {
        let consulted = self.consulted_by(result).filter(|consulted| consulted.found.is_hit());
        let rule = consulted.and_then(|consulted| consulted.rule(policy));
        match (consulted, rule, consulted.and_then(|consulted| consulted.record.as_deref()), event) {
            (Some(consulted), Some(rule), Some(record), Some(event)) => {
                contradiction::write_details(writer, (rule, &consulted.found), (event, record), scratch);
            }
            _ => writer.raw("details", self.told.details(result)),
        }
    }

    /// Writes the member `reference` of a decision's basis: where each reference's record was read, null where there was
    /// none; null where no trigger asked. Nothing of the record itself.
    pub fn write_reference(&self, writer: &mut ObjectWriter<'_>, policy: Option<&Policy>) {
        if self.consulted.is_empty() {
            return writer.raw("reference", None);
        }
        writer.object("reference", |references| {
            for (place, consulted) in self.consulted.iter().enumerate() {
                let Some(rule) = consulted.rule(policy) else { continue };
                let is_named =
                    |earlier: &Consulted| earlier.rule(policy).is_some_and(|earlier| earlier.reference == rule.reference);
                // Triggers that ask the same reference are told the same.
                if self.consulted[..place].iter().any(is_named) {
                    continue;
                }
                let later = self.consulted[place..].iter().filter(|consulted| is_named(consulted));
                let origin = later.filter_map(|consulted| consulted.record.as_deref()).map(TrustedRecord::origin).next();
                references.named_object(&rule.reference, origin, |origin, at| match at {
                    Origin::Log { partition, offset } => {
                        origin.integer("partition", i64::from(partition));
                        origin.integer("offset", offset);
                    }
                    Origin::Fetched(at) => origin.word("fetched_at", &at.rfc3339()),
                });
            }
        });
    }
}
