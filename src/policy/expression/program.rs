//! The compiled form: a tree whose leaves know where their values lie.

use regex_automata::dfa::dense::DFA;

use super::Failure;
use super::time::TimePart;
use super::value::{Arithmetic, Relation, Value};
use crate::event::Slot;

/// A value of an event that is read without a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Field {
    EventId,
    SubjectId,
    RequestedBy,
    Action,
    Currency,
    ModelName,
    ModelVersion,
    Timestamp,
    Confidence,
    Amount,
    Prediction,
    /// A number, a text or a bool.
    Feature(Slot),
    /// A number from 0 to 1.
    Probability(Slot),
    /// A text.
    Protected(Slot),
    /// A number.
    Explanation(Slot),
    /// A member of the trusted record, by its place among the expression's names: a number, a text or a bool.
    Reference(u16),
}

/// The part of an item of the evidence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EvidencePart {
    Uri,
    Sha256,
}

#[derive(Clone, Debug)]
pub(super) enum Constant {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Box<str>),
    Time(i64),
    Duration(i64),
}

impl Constant {
    #[inline]
    pub fn value(&self) -> Value<'_> {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Double(value) => Value::Double(*value),
            Self::Text(text) => Value::Text(text),
            Self::Time(millis) => Value::Time(*millis),
            Self::Duration(millis) => Value::Duration(*millis),
        }
    }

    pub fn of(value: Value<'_>) -> Self {
        match value {
            Value::Bool(value) => Self::Bool(value),
            Value::Int(value) => Self::Int(value),
            Value::Double(value) => Self::Double(value),
            Value::Text(text) => Self::Text(text.into()),
            Value::Time(millis) => Self::Time(millis),
            Value::Duration(millis) => Self::Duration(millis),
        }
    }
}

/// One step of an evaluation. A [`Failure`] names the reason to give where it has no value.
///
/// Variables of `exists` and its kind have no names: `up` counts from the innermost one.
#[derive(Debug)]
pub(super) enum Node {
    Constant(Constant),
    Field {
        field: Field,
        missing: Failure,
    },
    Flag {
        index: usize,
        missing: Failure,
    },
    Evidence {
        index: usize,
        part: EvidencePart,
        missing: Failure,
    },
    /// `probabilities[label]`
    ProbabilityOf {
        label: Box<Node>,
        missing: Failure,
    },
    Variable {
        up: usize,
    },
    /// `probabilities[v]` for a variable that goes over them.
    VariableProbability {
        up: usize,
    },
    VariableEvidence {
        up: usize,
        part: EvidencePart,
        missing: Failure,
    },
    Has(Presence),
    Not(Box<Node>),
    And(Box<[Node]>),
    Or(Box<[Node]>),
    /// `[0] ? [1] : [2]`
    Choose(Box<[Node; 3]>),
    /// A dynamic value that must be a bool.
    AsBool(Box<Node>, Failure),
    Equal(Box<[Node; 2]>),
    Unequal(Box<[Node; 2]>),
    Order {
        sides: Box<[Node; 2]>,
        relation: Relation,
        unordered: Failure,
    },
    /// [`Node::Order`] of a field and a constant number that is not NaN, which most rules are made of.
    NumberOrder {
        field: Field,
        relation: Relation,
        limit: f64,
        missing: Failure,
        unordered: Failure,
    },
    /// [`Node::Equal`] of a field and a constant text, which most other rules are made of.
    TextEqual {
        field: Field,
        text: Box<str>,
        missing: Failure,
    },
    Arithmetic {
        sides: Box<[Node; 2]>,
        operator: Arithmetic,
        failed: Failure,
    },
    Negate(Box<Node>, Failure),
    /// Whether the first is one of the others.
    In(Box<[Node]>),
    InFlags(Box<Node>),
    InProbabilities(Box<Node>),
    Size(Sized),
    /// How often the condition holds.
    Count(Box<Loop>),
    Quantified(Quantifier, Box<Loop>),
    Test {
        sides: Box<[Node; 2]>,
        test: TextTest,
        mistyped: Failure,
    },
    Matches {
        text: Box<Node>,
        pattern: Box<Pattern>,
        mistyped: Failure,
    },
    ToDouble(Box<Node>, Failure),
    ToInt(Box<Node>, Failure),
    TimePart(Box<Node>, TimePart),
}

/// What `has` asks for.
#[derive(Debug)]
pub(super) enum Presence {
    Field(Field),
    Evidence { index: usize, part: EvidencePart, missing: Failure },
    VariableEvidence { up: usize, part: EvidencePart },
}

/// What `size` counts.
#[derive(Debug)]
pub(super) enum Sized {
    Flags,
    Evidence,
    Probabilities,
    Text(Box<Node>, Failure),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Quantifier {
    All,
    Exists,
    ExistsOne,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

/// A condition on every element of a range.
#[derive(Debug)]
pub(super) struct Loop {
    pub range: Range,
    pub condition: Node,
}

#[derive(Debug)]
pub(super) enum Range {
    Flags,
    Evidence,
    /// The labels.
    Probabilities,
    List(Box<[Node]>),
}

/// A pattern as it was compiled: complete, so that a search allocates nothing.
pub(super) struct Pattern {
    pub automaton: DFA<Vec<u32>>,
    /// Its bytes as written.
    pub size: usize,
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pattern").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Flags, evidence and probabilities count with so many elements: events are bounded, but not much lower.
const ELEMENTS: u64 = 1_000;

impl Node {
    /// The worst case, in elementary steps of some nanoseconds.
    pub fn cost(&self) -> u64 {
        let own = match self {
            Self::Constant(_) | Self::Variable { .. } | Self::VariableProbability { .. } => 0,
            Self::InFlags(_) | Self::InProbabilities(_) | Self::ProbabilityOf { .. } => ELEMENTS,
            // Features may be long texts.
            Self::Size(Sized::Text(..)) | Self::Test { .. } => 8,
            Self::Matches { pattern, .. } => 16 + pattern.size as u64,
            Self::Flag { .. } | Self::Evidence { .. } | Self::TimePart(..) => 2,
            _ => 1,
        };
        own.saturating_add(match self {
            Self::Count(inner) | Self::Quantified(_, inner) => inner.cost(),
            _ => sum(self.children()),
        })
    }

    /// The nodes that are evaluated for this one, but for those of loops.
    pub fn children(&self) -> &[Self] {
        use std::slice::from_ref;
        match self {
            Self::Not(of)
            | Self::AsBool(of, _)
            | Self::Negate(of, _)
            | Self::InFlags(of)
            | Self::InProbabilities(of)
            | Self::Size(Sized::Text(of, _))
            | Self::Matches { text: of, .. }
            | Self::ProbabilityOf { label: of, .. }
            | Self::ToDouble(of, _)
            | Self::ToInt(of, _)
            | Self::TimePart(of, _) => from_ref(of),
            Self::And(parts) | Self::Or(parts) | Self::In(parts) => parts,
            Self::Choose(parts) => &parts[..],
            Self::Equal(sides)
            | Self::Unequal(sides)
            | Self::Order { sides, .. }
            | Self::Arithmetic { sides, .. }
            | Self::Test { sides, .. } => &sides[..],
            _ => &[],
        }
    }
}

impl Loop {
    fn cost(&self) -> u64 {
        let (elements, made) = match &self.range {
            Range::Flags | Range::Evidence | Range::Probabilities => (ELEMENTS, 0),
            // Once to see whether they have values, once for the condition.
            Range::List(elements) => (elements.len() as u64, sum(elements).saturating_mul(2)),
        };
        self.condition.cost().saturating_add(1).saturating_mul(elements).saturating_add(made)
    }
}

fn sum(nodes: &[Node]) -> u64 {
    nodes.iter().fold(0, |sum, node| sum.saturating_add(node.cost()))
}
