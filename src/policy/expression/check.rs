//! Tree → program: what every name and operator means, and whether it fits.
//!
//! All mistakes are found, not the first: where a part is wrong it has no type, and what is around it is checked as far as
//! that goes.

mod fields;
mod functions;
mod loops;
mod operators;

use std::ops::Range;
use std::sync::Arc;

use super::evaluate::Scope;
use super::program::{Constant, EvidencePart, Field, Loop, Node};
use super::syntax::{Syntax, Term};
use super::{Failure, Mistake, World};
use crate::event::{Decoder, Limits, Plan, Slot};

/// The type of a value, as far as it is known before there is an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Type {
    Bool,
    Int,
    Double,
    Text,
    Time,
    Duration,
    /// A number of an event, a text or a bool: never an int.
    Dynamic,
}

impl Type {
    fn noun(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Int => "a whole number",
            Self::Double => "a number",
            Self::Text => "a text",
            Self::Time => "a time",
            Self::Duration => "a duration",
            Self::Dynamic => "a value of any type",
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Double)
    }

    fn of(constant: &Constant) -> Self {
        match constant {
            Constant::Bool(_) => Self::Bool,
            Constant::Int(_) => Self::Int,
            Constant::Double(_) => Self::Double,
            Constant::Text(_) => Self::Text,
            Constant::Time(_) => Self::Time,
            Constant::Duration(_) => Self::Duration,
        }
    }
}

/// A part that has a value.
struct Typed {
    node: Node,
    kind: Type,
    /// Whether the value is the same for every event.
    constant: bool,
}

impl Typed {
    fn constant(constant: Constant) -> Self {
        Self { kind: Type::of(&constant), node: Node::Constant(constant), constant: true }
    }

    fn varying(node: Node, kind: Type) -> Self {
        Self { node, kind, constant: false }
    }

    fn text(&self) -> Option<&str> {
        match &self.node {
            Node::Constant(Constant::Text(text)) => Some(text),
            _ => None,
        }
    }
}

/// The maps of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Map {
    Features,
    Probabilities,
    Protected,
    Explanation,
    /// The members of the trusted record, where the expression may read one.
    Reference,
}

/// What a part of an expression stands for: most of them for a value, but not all.
enum Meaning<'t> {
    Value(Typed),
    Event,
    Model,
    Map(Map),
    Flags,
    Evidence,
    Item(Item),
    List(&'t [Term]),
    Filtered(Loop),
}

/// An item of the evidence.
#[derive(Clone, Copy)]
enum Item {
    At(usize),
    /// The variable, counted from the innermost.
    Variable(usize),
}

/// A variable of a loop.
struct Variable {
    name: String,
    kind: VariableKind,
}

#[derive(Clone, Copy)]
enum VariableKind {
    Value(Type),
    Label,
    Item,
}

/// What a check produces beside the mistakes.
pub(super) struct Checked {
    pub node: Node,
    /// In the order of [`Failure`].
    pub reasons: Vec<String>,
    pub slots: Vec<Slot>,
    /// The members of the trusted record that it reads, by [`Field::Reference`].
    pub trusted: Vec<Box<str>>,
}

/// Checks that `term`, parsed from `text`, is a condition on what there is in `world`.
pub(super) fn check(text: &str, term: &Term, plan: &mut Plan, world: World) -> Result<Checked, Vec<Mistake>> {
    let mut checker = Checker {
        text,
        plan,
        world,
        slots: Vec::new(),
        trusted: Vec::new(),
        reasons: Vec::new(),
        mistakes: Vec::new(),
        variables: Vec::new(),
    };
    let node = checker.condition(term);
    let Checker { mut mistakes, reasons, slots, trusted, .. } = checker;
    match node {
        Some(node) if mistakes.is_empty() => Ok(Checked { node, reasons, slots, trusted }),
        _ => {
            mistakes.sort_by_key(|mistake| mistake.at.start);
            Err(mistakes)
        }
    }
}

struct Checker<'c> {
    text: &'c str,
    plan: &'c mut Plan,
    world: World,
    slots: Vec<Slot>,
    trusted: Vec<Box<str>>,
    reasons: Vec<String>,
    mistakes: Vec<Mistake>,
    /// The innermost last.
    variables: Vec<Variable>,
}

impl Checker<'_> {
    /// Notes a mistake; the part has no meaning then.
    fn refuse<T>(&mut self, at: &Range<usize>, message: impl Into<String>) -> Option<T> {
        self.mistakes.push(Mistake { at: at.clone(), message: message.into() });
        None
    }

    fn failure(&mut self, reason: String) -> Failure {
        let known = self.reasons.iter().position(|known| *known == reason);
        let place = known.unwrap_or_else(|| {
            self.reasons.push(reason);
            self.reasons.len() - 1
        });
        Failure(u16::try_from(place).expect("an expression has fewer parts"))
    }

    /// `term` as it is written, for sentences.
    fn written(&self, term: &Term) -> String {
        const LETTERS: usize = 60;
        let written = &self.text[term.at.clone()];
        let mut short: String = written.chars().take(LETTERS).map(|char| if char.is_control() { ' ' } else { char }).collect();
        if written.chars().nth(LETTERS).is_some() {
            short.push('…');
        }
        short
    }

    /// A part that must be true or false.
    fn condition(&mut self, term: &Term) -> Option<Node> {
        let value = self.value(term)?;
        match value.kind {
            Type::Bool => Some(value.node),
            Type::Dynamic => {
                let mistyped = self.failure(format!("{} is neither true nor false", self.written(term)));
                Some(Node::AsBool(Box::new(value.node), mistyped))
            }
            kind => {
                let written = self.written(term);
                let noun = kind.noun();
                self.refuse(&term.at, format!("`{written}` is {noun}, and a condition is needed here: compare it with something"))
            }
        }
    }

    /// A part that must have a value.
    fn value(&mut self, term: &Term) -> Option<Typed> {
        let written = self.written(term);
        let instead = match self.meaning(term)? {
            Meaning::Value(value) => return Some(value),
            Meaning::Event | Meaning::Model => format!("name the field that is meant, such as `{written}.name`"),
            Meaning::Map(Map::Probabilities) => {
                "name the label, such as `probabilities['yes']`, or write `probabilities.exists(label, …)`".to_owned()
            }
            Meaning::Map(_) => format!("name the member that is meant, such as `{written}.age`"),
            Meaning::Flags => "write `size(flags) > 0`, `'name' in flags` or `flags.exists(f, …)`".to_owned(),
            Meaning::Evidence => "write `size(evidence) > 0` or `evidence.exists(e, …)`".to_owned(),
            Meaning::Item(_) => format!("write `{written}.uri` or `{written}.sha256`"),
            Meaning::List(_) => "a list can stand behind `in` and before `.exists(x, …)`".to_owned(),
            Meaning::Filtered(_) => format!("filter can only be counted: write `{written}.size()`, or `exists` for `filter`"),
        };
        self.refuse(&term.at, format!("`{written}` is not a single value: {instead}"))
    }

    fn meaning<'t>(&mut self, term: &'t Term) -> Option<Meaning<'t>> {
        Some(Meaning::Value(match &term.kind {
            Syntax::Bool(value) => Typed::constant(Constant::Bool(*value)),
            Syntax::Int(value) => Typed::constant(Constant::Int(*value)),
            Syntax::Double(value) => Typed::constant(Constant::Double(*value)),
            Syntax::Text(text) => Typed::constant(Constant::Text(text.as_str().into())),
            Syntax::Null => {
                let instead = "there is no null: what is absent or null is asked for with has(), such as `!has(event.amount)`";
                return self.refuse(&term.at, instead);
            }
            Syntax::List(elements) => return Some(Meaning::List(elements)),
            Syntax::Name(name) => return self.named(name, &term.at),
            Syntax::Member { operand, name, name_at } => return self.member(operand, name, name_at),
            Syntax::Index { operand, index } => return self.index(operand, index),
            Syntax::Call { function, function_at, target, arguments } => {
                let call = functions::Call { term, function, function_at, target: target.as_deref(), arguments };
                return self.call(&call);
            }
            Syntax::Not(of) => {
                let of = self.condition(of)?;
                let constant = matches!(of, Node::Constant(_));
                return self
                    .folded(term, Typed { node: Node::Not(Box::new(of)), kind: Type::Bool, constant })
                    .map(Meaning::Value);
            }
            Syntax::Negate(of) => self.negation(term, of)?,
            Syntax::Binary { operator, sides } => self.binary(term, *operator, sides)?,
            Syntax::And(parts) => Typed::varying(Node::And(self.conditions(parts)?), Type::Bool),
            Syntax::Or(parts) => Typed::varying(Node::Or(self.conditions(parts)?), Type::Bool),
            Syntax::Choose(parts) => self.choice(term, parts)?,
            Syntax::Refused => return None,
        }))
    }

    fn conditions(&mut self, parts: &[Term]) -> Option<Box<[Node]>> {
        let nodes: Vec<Option<Node>> = parts.iter().map(|part| self.condition(part)).collect();
        nodes.into_iter().collect()
    }

    /// A part of constants as the constant that it is.
    fn folded(&mut self, term: &Term, typed: Typed) -> Option<Typed> {
        if !typed.constant || matches!(typed.node, Node::Constant(_)) {
            return Some(typed);
        }
        match constant_value(&typed.node) {
            Ok(constant) => Some(Typed::constant(constant)),
            Err(failure) => {
                let reason = self.reasons[usize::from(failure.0)].clone();
                self.refuse(&term.at, format!("this can only end in an error: {reason}"))
            }
        }
    }
}

/// The value of a node that reads nothing of an event.
fn constant_value(node: &Node) -> Result<Constant, Failure> {
    let any = br#"{"event_id":"any","model":{"name":"any"},"prediction":0}"#;
    let mut decoder = Decoder::new(Arc::new(Plan::default()), Limits::default());
    let event = decoder.decode(any).expect("the shortest event can be read");
    node.value(&Scope::of(&event)).map(Constant::of)
}
