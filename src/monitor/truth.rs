//! Late labels: what was right to decide, and whether that is favourable for the subject.
//!
//! A label names its event by `event_id` alone. Where several sources use the same ids, it is joined to the latest event with that id
//! of every policy that remembers one: give ids that are unique over all sources whose models have late labels.

use std::sync::Arc;

use serde::Deserialize;

use crate::event::{Decoder, Limits};
use crate::gate::Rules;
use crate::json::object;
use crate::monitor::desk::Desk;
use crate::tallies::{EventHash, Outcome, Truth};
use crate::watch::{Change, Joined};

/// A label's record is no longer than this.
const BYTES_MAX: usize = 65_536;
/// A label is no longer than this: a prediction is not, either.
const LABEL_MAX: usize = 1_024;

#[derive(Deserialize)]
struct Wire {
    event_id: String,
    favourable: Option<bool>,
    label: Option<String>,
}

/// Reads a record of an `outcomes` topic.
///
/// # Errors
/// With a sentence where it is none.
pub(super) fn read(value: &[u8]) -> Result<Outcome, String> {
    if value.len() > BYTES_MAX {
        return Err(format!("it has {} bytes, more than {BYTES_MAX}", value.len()));
    }
    let wire: Wire = serde_json::from_slice(value).map_err(|error| error.to_string())?;
    let truth = match (wire.favourable, wire.label) {
        (Some(truth), None) => Truth::Favourable(truth),
        (None, Some(label)) if label.len() > LABEL_MAX => {
            return Err(format!("its label has {} bytes, more than {LABEL_MAX}", label.len()));
        }
        (None, Some(label)) => Truth::Label(label),
        _ => return Err("it has either `favourable` or `label`".to_owned()),
    };
    Ok(Outcome { event: EventHash::of(&wire.event_id), truth })
}

/// Tells of labels whether they are favourable, by a policy's `adverse`.
pub(super) struct Judge {
    decoder: Decoder,
    event: Vec<u8>,
}

impl Judge {
    pub fn new(rules: &Rules) -> Self {
        Self { decoder: Decoder::new(Arc::clone(rules.set.plan()), Limits::default()), event: Vec::new() }
    }

    /// Joins a late label to a policy's event; none where it awaits no such label. With `changes` it is folded, without only
    /// remembered, as what lies before a saved state is.
    ///
    /// Each policy that awaits it gets it, whatever others do: what comes of one policy's tallies must not depend on how far back
    /// those of another are remembered, or a restart would join it otherwise.
    pub fn join(
        &mut self,
        outcome: &Outcome,
        (policy, desk): (&str, &mut Desk),
        rules: &Rules,
        changes: Option<&mut Vec<Change>>,
    ) -> Option<Joined> {
        if !desk.watch.awaits(outcome.event) {
            return None;
        }
        let Some(favourable) = self.is_favourable(&outcome.truth, policy, rules) else { return Some(Joined::Undecided) };
        if let Some(changes) = changes {
            return Some(desk.watch.outcome(outcome, favourable, changes));
        }
        desk.watch.remember_outcome(outcome);
        Some(Joined::Joined)
    }

    /// Whether what turned out is favourable for the subject, under `policy`; none where that cannot be told.
    fn is_favourable(&mut self, truth: &Truth, policy: &str, rules: &Rules) -> Option<bool> {
        let label = match truth {
            Truth::Favourable(truth) => return Some(*truth),
            Truth::Label(label) => label,
        };
        let adverse = rules.set.policies().iter().find(|known| known.name == policy)?.adverse.as_ref()?;
        self.event.clear();
        object(&mut self.event, |event| {
            event.text("event_id", "label");
            event.object("model", |model| model.text("name", "label"));
            event.text("prediction", label.as_str());
        });
        let event = self.decoder.decode(&self.event).ok()?;
        adverse.holds(&event).ok().map(|adverse| !adverse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_a_text_of_a_predictions_length_or_a_truth() {
        let label = |label: &str| format!(r#"{{"event_id":"e","label":"{label}"}}"#);
        assert!(read(label("yes").as_bytes()).is_ok() && read(br#"{"event_id":"e","favourable":true}"#).is_ok());
        let longest = "y".repeat(LABEL_MAX);
        assert!(read(label(&longest).as_bytes()).is_ok());
        let longer = read(label(&format!("{longest}y")).as_bytes()).expect_err("too long");
        assert_eq!(longer, "its label has 1025 bytes, more than 1024");
        for neither in
            [r#"{"event_id":"e"}"#, r#"{"event_id":"e","label":"a","favourable":true}"#, r#"{"event_id":"e","label":1}"#]
        {
            assert!(read(neither.as_bytes()).is_err(), "{neither}");
        }
    }
}
