//! Triggers: one file each, a plain function of (event, rule) to a [`Measurement`].

pub mod confidence;

/// What a trigger found when it looked at one event.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Measurement {
    /// It could look.
    Measured {
        /// The raw measure, compared with the limit.
        value: f64,
        /// Risk 0–1 for the priority, of a hit and of a miss alike.
        risk: f64,
        /// Whether the value is beyond the limit.
        hit: bool,
    },
    /// It could not: the event lacks what the trigger reads. Holds, unless the trigger says otherwise.
    Error(&'static str),
}
