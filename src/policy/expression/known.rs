//! What can be told of an expression without any event: that it never holds, or always does.
//!
//! For every condition two questions are answered. *Can it be true, can it be false?* What each part then demands of a
//! field is collected along `&&`, `||` and `!`, and a field that would have to lie in two places at once makes it
//! impossible. *Can it fail?* Which fields it needs is collected too, less those that were asked for with `has`. Wherever
//! that is not enough, both are possible: never more is said than is certain.

use super::program::{Constant, Field, Loop, Node, Presence, Quantifier, Range, Sized};
use super::value::Relation;

/// Whether it always (`true`) or never (`false`) holds; what fails for some event does not always hold.
pub(super) fn known(node: &Node) -> Option<bool> {
    if can_be(node, true) { is_always(node, true).then_some(true) } else { Some(false) }
}

/// Whether `node` is `truth` for every event, and never fails.
fn is_always(node: &Node, truth: bool) -> bool {
    !can_be(node, !truth) && Needs::of(node).are_met()
}

/// Whether there may be an event for which `node` is `truth`.
fn can_be(node: &Node, truth: bool) -> bool {
    let possible = match node {
        Node::Constant(Constant::Bool(value)) => *value == truth,
        Node::Not(of) => can_be(of, !truth),
        // All must be alike, or one is enough.
        Node::And(parts) | Node::Or(parts) if matches!(node, Node::And(_)) == truth => {
            parts.iter().all(|part| can_be(part, truth))
        }
        Node::And(parts) | Node::Or(parts) => parts.iter().any(|part| can_be(part, truth)),
        Node::Choose(parts) => {
            let [condition, yes, no] = &**parts;
            can_be(condition, true) && can_be(yes, truth) || can_be(condition, false) && can_be(no, truth)
        }
        Node::Quantified(quantifier, inner) => can_loop_be(*quantifier, inner, truth),
        Node::In(parts) if parts.len() == 1 => !truth,
        _ => true,
    };
    let mut demands = Demands::default();
    possible && {
        demands.collect(node, truth);
        demands.can_be_met()
    }
}

/// An empty range makes `all` true and the others false.
fn can_loop_be(quantifier: Quantifier, inner: &Loop, truth: bool) -> bool {
    let never_empty = matches!(&inner.range, Range::List(elements) if !elements.is_empty());
    let never_any = matches!(&inner.range, Range::List(elements) if elements.is_empty());
    match (quantifier, truth) {
        (Quantifier::All, true) => !never_empty || can_be(&inner.condition, true),
        (Quantifier::All, false) => !never_any && can_be(&inner.condition, false),
        (Quantifier::Exists | Quantifier::ExistsOne, true) => !never_any && can_be(&inner.condition, true),
        (Quantifier::Exists, false) => !never_empty || can_be(&inner.condition, false),
        (Quantifier::ExistsOne, false) => true,
    }
}

/// A value that a field is compared with.
#[derive(Clone, Copy, PartialEq)]
enum Literal<'n> {
    Number(f64),
    Text(&'n str),
    Bool(bool),
}

impl<'n> Literal<'n> {
    fn of(node: &'n Node) -> Option<Self> {
        match node {
            Node::Constant(Constant::Double(value)) => Some(Self::Number(*value)),
            Node::Constant(Constant::Text(text)) => Some(Self::Text(text)),
            Node::Constant(Constant::Bool(value)) => Some(Self::Bool(*value)),
            _ => None,
        }
    }
}

/// What is demanded of one field.
struct Demand<'n> {
    field: Field,
    /// The relations that it must have to numbers.
    relations: Vec<(Relation, f64)>,
    /// Where it must be one of these.
    allowed: Option<Vec<Literal<'n>>>,
    excluded: Vec<Literal<'n>>,
}

impl Demand<'_> {
    fn can_be_met(&self) -> bool {
        let is_excluded = |literal: &Literal<'_>| self.excluded.contains(literal);
        if let Some(allowed) = &self.allowed {
            return allowed.iter().any(|literal| {
                let related = match literal {
                    Literal::Number(value) => self.relations.iter().all(|(relation, limit)| relation.holds_for(*value, *limit)),
                    Literal::Text(_) | Literal::Bool(_) => self.relations.is_empty(),
                };
                related && !is_excluded(literal)
            });
        }
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        for (relation, limit) in &self.relations {
            match relation {
                Relation::Greater | Relation::GreaterEqual => low = low.max(*limit),
                Relation::Less | Relation::LessEqual => high = high.min(*limit),
            }
        }
        // What lies between two different limits is assumed to be enough; the limit itself is looked at.
        let limit_fits = || self.relations.iter().all(|(relation, limit)| relation.holds_for(low, *limit));
        #[expect(clippy::float_cmp, reason = "limits as they were written")]
        let one_left = low == high;
        low < high || one_left && limit_fits() && !is_excluded(&Literal::Number(low))
    }
}

/// What is demanded of all fields.
#[derive(Default)]
struct Demands<'n>(Vec<Demand<'n>>);

impl<'n> Demands<'n> {
    fn can_be_met(&self) -> bool {
        self.0.iter().all(Demand::can_be_met)
    }

    fn on(&mut self, field: Field) -> &mut Demand<'n> {
        let known = self.0.iter().position(|demand| demand.field == field);
        let place = known.unwrap_or_else(|| {
            let share = matches!(field, Field::Confidence | Field::Probability(_));
            let relations = if share { vec![(Relation::GreaterEqual, 0.0), (Relation::LessEqual, 1.0)] } else { Vec::new() };
            self.0.push(Demand { field, relations, allowed: None, excluded: Vec::new() });
            self.0.len() - 1
        });
        &mut self.0[place]
    }

    fn allow(&mut self, field: Field, literals: &[Literal<'n>]) {
        let demand = self.on(field);
        let both = match demand.allowed.take() {
            None => literals.to_vec(),
            Some(allowed) => allowed.into_iter().filter(|literal| literals.contains(literal)).collect(),
        };
        demand.allowed = Some(both);
    }

    /// What `node` demands to be `truth`; where that is not one thing, nothing.
    fn collect(&mut self, node: &'n Node, truth: bool) {
        match node {
            Node::Not(of) => self.collect(of, !truth),
            Node::And(parts) if truth => parts.iter().for_each(|part| self.collect(part, true)),
            Node::Or(parts) if !truth => parts.iter().for_each(|part| self.collect(part, false)),
            // Numbers of events are finite, so that one side of a limit or the other is always theirs.
            Node::NumberOrder { field, relation, limit, .. } => {
                let relation = if truth { *relation } else { relation.contrary() };
                self.on(*field).relations.push((relation, *limit));
            }
            Node::TextEqual { field, text, .. } => self.equal(*field, &[Literal::Text(text)], truth),
            Node::Equal(sides) | Node::Unequal(sides) => {
                let truth = truth == matches!(node, Node::Equal(_));
                match &**sides {
                    [Node::Field { field, .. }, other] | [other, Node::Field { field, .. }] => {
                        if let Some(literal) = Literal::of(other) {
                            self.equal(*field, &[literal], truth);
                        }
                    }
                    _ => {}
                }
            }
            Node::In(parts) => {
                if let Some((Node::Field { field, .. }, list)) = parts.split_first()
                    && let Some(literals) = list.iter().map(Literal::of).collect::<Option<Vec<_>>>()
                {
                    self.equal(*field, &literals, truth);
                }
            }
            _ => {}
        }
    }

    fn equal(&mut self, field: Field, literals: &[Literal<'n>], truth: bool) {
        if truth {
            self.allow(field, literals);
        } else {
            self.on(field).excluded.extend_from_slice(literals);
        }
    }
}

/// What an evaluation needs so that it does not fail.
#[derive(Default)]
struct Needs {
    fields: Vec<Field>,
    /// Anything else, such as a feature of the right type.
    others: bool,
}

impl Needs {
    fn are_met(&self) -> bool {
        self.fields.is_empty() && !self.others
    }

    fn of(node: &Node) -> Self {
        let mut needs = Self::default();
        needs.collect(node);
        needs
    }

    fn collect(&mut self, node: &Node) {
        match node {
            Node::Field { field: Field::EventId | Field::ModelName, .. }
            | Node::TextEqual { field: Field::EventId | Field::ModelName, .. }
            | Node::Constant(_)
            | Node::Has(Presence::Field(_) | Presence::VariableEvidence { .. })
            | Node::Variable { .. }
            | Node::VariableProbability { .. }
            | Node::Size(Sized::Flags | Sized::Evidence | Sized::Probabilities) => {}
            Node::Field { field, .. } | Node::TextEqual { field, .. } => self.fields.push(*field),
            Node::NumberOrder { field, .. } => {
                self.fields.push(*field);
                self.others |= is_dynamic(*field);
            }
            Node::And(parts) => self.collect_guarded(parts, true),
            Node::Or(parts) => self.collect_guarded(parts, false),
            Node::Choose(parts) => {
                let [condition, yes, no] = &**parts;
                self.collect(condition);
                self.collect_without(yes, &present(condition, true));
                self.collect_without(no, &present(condition, false));
            }
            Node::Count(inner) | Node::Quantified(_, inner) => {
                if let Range::List(elements) = &inner.range {
                    elements.iter().for_each(|element| self.collect(element));
                }
                self.collect(&inner.condition);
            }
            Node::Not(_)
            | Node::Equal(_)
            | Node::Unequal(_)
            | Node::In(_)
            | Node::InFlags(_)
            | Node::InProbabilities(_)
            | Node::TimePart(..) => {
                node.children().iter().for_each(|child| self.collect(child));
            }
            _ => self.others = true,
        }
    }

    /// Parts of which one decides when a field that another needs is missing.
    fn collect_guarded(&mut self, parts: &[Node], truth: bool) {
        if parts.iter().any(|part| is_always(part, !truth)) {
            return;
        }
        let guarded: Vec<Field> = parts.iter().flat_map(|part| present(part, truth)).collect();
        for part in parts {
            self.collect_without(part, &guarded);
        }
    }

    fn collect_without(&mut self, node: &Node, present: &[Field]) {
        let needs = Self::of(node);
        self.others |= needs.others;
        self.fields.extend(needs.fields.into_iter().filter(|field| !present.contains(field)));
    }
}

/// The fields that are there when `node` is `truth`.
fn present(node: &Node, truth: bool) -> Vec<Field> {
    match node {
        Node::Has(Presence::Field(field)) if truth => vec![*field],
        Node::Not(of) => present(of, !truth),
        Node::And(parts) if truth => parts.iter().flat_map(|part| present(part, true)).collect(),
        Node::Or(parts) if !truth => parts.iter().flat_map(|part| present(part, false)).collect(),
        _ => Vec::new(),
    }
}

/// Whether a value of the field may be of another type than is needed.
fn is_dynamic(field: Field) -> bool {
    matches!(field, Field::Feature(_) | Field::Prediction | Field::Reference(_))
}
