//! The rule trigger: does a condition on the event's fields hold?

use crate::event::Event;
use crate::policy::Expression;
use crate::trigger::{Measurement, Unmeasured};

/// Evaluates `rule` on `event`. A condition that cannot be evaluated is an error, never a miss.
#[must_use]
pub fn measure(rule: &Expression, event: &Event<'_>) -> Measurement {
    match rule.holds(event) {
        Ok(holds) => Measurement::Found(holds),
        Err(failure) => Measurement::Error(Unmeasured::Expression(failure)),
    }
}
