//! Expressions: CEL over the fields of one event, as policies have them in `rule`, `when` and `adverse`.
//!
//! ```text
//! text ─ scan ─→ tokens ─ syntax ─→ tree ─ check ─→ program ─ evaluate(event) ─→ true, false or a failure
//!       (bounds)         (parser)         (types)
//! ```
//!
//! Everything that can be wrong with an expression is found when the policy is loaded, all of it at once, and says where
//! it stands and what to write instead. What remains is an evaluation that allocates nothing and ends in a *failure* only
//! where the event lacks something that mattered; what follows then is the trigger's `on_error`.
//!
//! # The language
//!
//! | fields | type |
//! |---|---|
//! | `event_id`, `subject_id`, `requested_by`, `action`, `currency`, `model.name`, `model.version` | text |
//! | `amount`, `confidence`, `probabilities.yes`, `explanation.age` | number |
//! | `protected.sex` | text |
//! | `prediction`, `features.age` | any of number, text, true or false |
//! | `timestamp` | time |
//! | `flags`, `flags[0]` | list of texts, text |
//! | `evidence`, `evidence[0].uri`, `evidence[0].sha256` | list, text |
//! | `reference.limit`, only in the `when` of a contradiction trigger | any of number, text, true or false |
//!
//! Each is also a member of `event` (`event.amount`). A name that is no word stands in brackets:
//! `features['hours-per-week']`. Only `probabilities` can be asked for a name that the event says:
//! `probabilities[prediction]`.
//!
//! | written | means |
//! |---|---|
//! | `has(event.amount)`, `has(features.age)`, `'age' in features` | whether it is there; null is not there |
//! | `a == b`, `a != b` | equality; two values of different types are unequal |
//! | `a < b`, `<=`, `>`, `>=` | order of numbers, texts, times, durations, false before true |
//! | `a && b`, `a \|\| b`, `!a`, `a ? b : c` | what decides the result decides it, even if the other side is an error |
//! | `a + b`, `-`, `*`, `/`, `%`, `-a` | numbers; `%` whole ones; times and durations with `+` and `-` |
//! | `x in ['a', 'b']`, `'x' in flags`, `prediction in probabilities` | membership |
//! | `flags.exists(f, …)`, `.all(f, …)`, `.exists_one(f, …)` | over `flags`, `evidence`, `probabilities` (the labels) or a list that is written out |
//! | `flags.filter(f, …).size()` | how many |
//! | `size(x)`, `x.size()` | of `flags`, `evidence`, `probabilities`, and of a text in characters |
//! | `x.startsWith('a')`, `.endsWith`, `.contains` | texts |
//! | `x.matches('^a.*z$')` | searches for a constant pattern; `\d`, `\w`, `\s`, `\b` are ASCII |
//! | `double(x)`, `int(x)` | a number as the other kind, `int` towards zero; or the number that a text is |
//! | `timestamp('2026-01-05T10:46:41Z')`, `duration('1h30m')` | constants |
//! | `timestamp.getHours()`, `getMinutes`, `getSeconds`, `getMilliseconds`, `getFullYear`, `getMonth` (from 0), `getDate` (from 1), `getDayOfMonth` (from 0), `getDayOfWeek` (Sunday is 0) | parts of a time in UTC |
//!
//! Every number of an event is a decimal one, and a whole number that is written out becomes one where it meets it:
//! `amount / 2` may be 7500.5, `1 / 2` is 0. What is counted is whole: write `double(size(flags))` to compute with both.
//! Absent lists and maps are empty.
//!
//! An error is: a field that is missing, an order between values of different types, a feature that is not of the type
//! that is needed, overflow and division by zero of whole numbers, an order with what `0.0 / 0.0` gives.
//!
//! Everything else of CEL is refused when the policy is loaded, with what to write instead. So is what takes too many
//! steps: lists count with 1,000 elements, so that one `exists` within another over the event's lists is too much.

mod check;
mod evaluate;
mod known;
mod pattern;
mod program;
mod scan;
mod syntax;
mod time;
mod value;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::event::{Event, Plan, Slot};
use crate::reference::TrustedRecord;
use evaluate::{Reference, Scope};
use program::Node;

/// Bytes of an expression; a longer one is refused unread.
pub const MAX_TEXT: usize = 4096;
/// Steps of an expression in the worst case, some nanoseconds each.
pub const MAX_COST: u32 = 100_000;
/// So many mistakes of one expression are reported.
const MAX_MISTAKES: usize = 20;

/// Something that is wrong with an expression.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// The bytes of the text that it is about.
    pub at: Range<usize>,
    /// What is wrong, and how to mend it.
    pub message: String,
}

/// That an evaluation ended in an error: [`Expression::reason`] says why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure(u16);

/// A compiled condition over one event. Cloning is cheap. Two are equal when they have the same text and slots.
#[derive(Clone)]
pub struct Expression(Arc<Compiled>);

struct Compiled {
    text: Box<str>,
    program: Node,
    /// In the order of [`Failure`].
    reasons: Box<[String]>,
    slots: Box<[Slot]>,
    /// The members of the trusted record that it reads.
    trusted: Box<[Box<str>]>,
    cost: u32,
}

/// What an expression can read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum World {
    /// An event.
    Event,
    /// An event, and as `reference` the trusted record of its subject.
    Reference,
}

impl Expression {
    /// Checks and compiles `text` as a condition on an event. The members of maps that it reads get slots in `plan`.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the text.
    pub fn condition(text: &str, plan: &mut Plan) -> Result<Self, Vec<Mistake>> {
        Self::condition_in(World::Event, text, plan)
    }

    /// [`Expression::condition`] on what there is in `world`.
    ///
    /// # Errors
    /// As there.
    pub fn condition_in(world: World, text: &str, plan: &mut Plan) -> Result<Self, Vec<Mistake>> {
        let compiled = compile(world, text, plan).map_err(|mut mistakes| {
            mistakes.truncate(MAX_MISTAKES);
            mistakes
        })?;
        Ok(Self(Arc::new(compiled)))
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Whether it holds for `event`, which was decoded with the plan of its compilation. Allocates nothing.
    ///
    /// # Errors
    /// When the event lacks something that mattered. What follows then is the caller's to say; nothing is assumed here.
    pub fn holds(&self, event: &Event<'_>) -> Result<bool, Failure> {
        self.0.program.holds(&Scope::of(event))
    }

    /// [`Expression::holds`] for `event` beside what is trusted about its subject. Allocates nothing.
    ///
    /// # Errors
    /// When the event or the record lacks something that mattered.
    pub fn holds_beside(&self, event: &Event<'_>, record: &TrustedRecord) -> Result<bool, Failure> {
        self.0.program.holds(&Scope::beside(event, Reference { record, names: &self.0.trusted }))
    }

    /// Why an evaluation failed, in names of the policy and never in values of the event: `features.age is missing`.
    pub fn reason(&self, failure: Failure) -> &str {
        self.0.reasons.get(usize::from(failure.0)).map_or("the failure of another expression", String::as_str)
    }

    /// The length of the longest [`Expression::reason`], in bytes: names of features can be long.
    pub fn reason_bytes_max(&self) -> usize {
        self.0.reasons.iter().map(String::len).max().unwrap_or(0)
    }

    /// Whether it always or never holds, where that can be told without any event: because of constants, or because a
    /// field would have to lie in two places at once. What fails for some event does not always hold.
    pub fn known(&self) -> Option<bool> {
        known::known(&self.0.program)
    }

    /// How many elementary steps it takes in the worst case.
    pub fn cost(&self) -> u32 {
        self.0.cost
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text && self.0.slots == other.0.slots
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.0.text).finish()
    }
}

fn compile(world: World, text: &str, plan: &mut Plan) -> Result<Compiled, Vec<Mistake>> {
    let tokens = scan::scan(text)?;
    let term = syntax::parse(text, &tokens)?;
    let check::Checked { node, reasons, slots, trusted } = check::check(text, &term, plan, world)?;
    let steps = node.cost();
    let cost = u32::try_from(steps).ok().filter(|cost| *cost <= MAX_COST).ok_or_else(|| {
        let why = "lists count with 1,000 elements: write no loop within a loop over them, or several rules";
        vec![Mistake { at: term.at.clone(), message: format!("it may take {steps} steps, more than {MAX_COST}; {why}") }]
    })?;
    let (slots, trusted) = (slots.into(), trusted.into());
    Ok(Compiled { text: text.into(), program: node, reasons: reasons.into(), slots, trusted, cost })
}

#[cfg(test)]
mod tests;
