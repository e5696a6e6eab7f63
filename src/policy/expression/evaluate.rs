//! The evaluation: a walk over the tree that allocates nothing.
//!
//! `&&`, `||`, `all` and `exists` are commutative also in their errors, as CEL wants it: what decides the result decides
//! it, on whichever side an error stands.

use regex_automata::Input;
use regex_automata::dfa::Automaton;

use super::Failure;
use super::program::{EvidencePart, Field, Loop, Node, Pattern, Presence, Quantifier, Range, Sized, TextTest};
use super::value::{Value, equal, order, to_double, to_int};
use crate::event::{Event, Evidence, Plain};
use crate::reference::{Fact, TrustedRecord};

/// The event, the trusted record where there is one, and the variables around a node.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s, 'v> {
    event: &'v Event<'v>,
    reference: Option<Reference<'v>>,
    variables: Option<&'s Variable<'s, 'v>>,
}

/// A trusted record, and the members that the expression reads of it.
#[derive(Clone, Copy)]
pub(super) struct Reference<'v> {
    pub record: &'v TrustedRecord,
    pub names: &'v [Box<str>],
}

/// The innermost variable, and those around it.
struct Variable<'s, 'v> {
    element: Element<'v>,
    outer: Option<&'s Self>,
}

#[derive(Clone, Copy)]
enum Element<'v> {
    Value(Value<'v>),
    Evidence(Evidence<'v>),
    Label(&'v str, f64),
}

impl<'v> Scope<'_, 'v> {
    pub fn of(event: &'v Event<'v>) -> Self {
        Self { event, reference: None, variables: None }
    }

    /// [`Scope::of`] an event beside a trusted record.
    pub fn beside(event: &'v Event<'v>, reference: Reference<'v>) -> Self {
        Self { reference: Some(reference), ..Self::of(event) }
    }

    fn element(&self, up: usize) -> Element<'v> {
        let mut variable = self.variables;
        for _ in 0..up {
            variable = variable.and_then(|variable| variable.outer);
        }
        variable.expect("the checker counted the variables").element
    }

    /// [`Node::holds`] for each element of the range, as far as `go_on` says.
    fn each(&self, inner: &'v Loop, mut go_on: impl FnMut(Result<bool, Failure>) -> bool) -> Result<(), Failure> {
        let mut visit = |element: Element<'v>| {
            let variable = Variable { element, outer: self.variables };
            go_on(inner.condition.holds(&Scope { variables: Some(&variable), ..*self }))
        };
        match &inner.range {
            Range::Flags => _ = self.event.flags().all(|flag| visit(Element::Value(Value::Text(flag)))),
            Range::Evidence => _ = self.event.evidence().all(|item| visit(Element::Evidence(item))),
            Range::Probabilities => {
                _ = self.event.probabilities().all(|(label, value)| visit(Element::Label(label, value)));
            }
            Range::List(elements) => {
                // A list with an element that has no value has none itself, whatever the other elements are.
                elements.iter().try_for_each(|element| element.value(self).map(drop))?;
                for element in elements {
                    if !visit(Element::Value(element.value(self)?)) {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn quantified(&self, quantifier: Quantifier, inner: &'v Loop) -> Result<bool, Failure> {
        match quantifier {
            Quantifier::All => self.unless(inner, false),
            Quantifier::Exists => self.unless(inner, true),
            Quantifier::ExistsOne => self.count(inner).map(|count| count == 1),
        }
    }

    /// The contrary of what is decisive, unless the condition is that for one element.
    fn unless(&self, inner: &'v Loop, decisive: bool) -> Result<bool, Failure> {
        let mut result = Ok(!decisive);
        self.each(inner, |holds| {
            match holds {
                Ok(value) if value == decisive => result = Ok(decisive),
                Err(failure) if result.is_ok() => result = Err(failure),
                Ok(_) | Err(_) => {}
            }
            result != Ok(decisive)
        })?;
        result
    }

    fn count(&self, inner: &'v Loop) -> Result<i64, Failure> {
        let mut count = Ok(0);
        self.each(inner, |holds| {
            count = count.and_then(|count: i64| holds.map(|holds| count + i64::from(holds)));
            count.is_ok()
        })?;
        count
    }
}

impl Field {
    #[inline]
    fn read<'v>(self, scope: &Scope<'_, 'v>) -> Option<Value<'v>> {
        let event = scope.event;
        match self {
            Self::Reference(place) => scope.reference.and_then(|reference| reference.read(place)),
            Self::Feature(slot) | Self::Probability(slot) | Self::Protected(slot) | Self::Explanation(slot) => {
                value_of(event.plain_slot(slot))
            }
            Self::Prediction => value_of(event.plain_prediction()),
            Self::Amount => event.amount_number().map(Value::Double),
            Self::Confidence => event.confidence().map(Value::Double),
            Self::Timestamp => event.timestamp().map(|time| Value::Time(time.0)),
            Self::EventId => Some(Value::Text(event.event_id())),
            Self::ModelName => Some(Value::Text(event.model_name())),
            Self::ModelVersion => event.model_version().map(Value::Text),
            Self::SubjectId => event.subject_id().map(Value::Text),
            Self::RequestedBy => event.requested_by().map(Value::Text),
            Self::Action => event.action().map(Value::Text),
            Self::Currency => event.currency().map(Value::Text),
        }
    }
}

impl<'v> Reference<'v> {
    /// The member at the place `place` among the names; lists and objects are no values.
    fn read(self, place: u16) -> Option<Value<'v>> {
        match self.record.fact(self.names.get(usize::from(place))?) {
            Fact::Missing | Fact::Nested => None,
            Fact::Bool(value) => Some(Value::Bool(value)),
            Fact::Number(value) => Some(Value::Double(value)),
            Fact::Text(text) => Some(Value::Text(text)),
        }
    }
}

#[inline]
fn value_of(plain: Plain<'_>) -> Option<Value<'_>> {
    match plain {
        Plain::Missing => None,
        Plain::Bool(value) => Some(Value::Bool(value)),
        Plain::Number(value) => Some(Value::Double(value)),
        Plain::Text(text) => Some(Value::Text(text)),
    }
}

impl EvidencePart {
    fn of(self, item: Evidence<'_>) -> Option<&str> {
        match self {
            Self::Uri => item.uri,
            Self::Sha256 => item.sha256,
        }
    }
}

impl Node {
    /// The value of a node that the checker knows to be a bool.
    pub fn holds<'v>(&'v self, scope: &Scope<'_, 'v>) -> Result<bool, Failure> {
        match self {
            Self::NumberOrder { field, relation, limit, missing, unordered } => match field.read(scope) {
                Some(Value::Double(value)) => Ok(relation.holds_for(value, *limit)),
                Some(_) => Err(*unordered),
                None => Err(*missing),
            },
            Self::TextEqual { field, text, missing } => match field.read(scope) {
                Some(Value::Text(value)) => Ok(*value == **text),
                Some(_) => Ok(false),
                None => Err(*missing),
            },
            Self::And(parts) => chain(parts, scope, false),
            Self::Or(parts) => chain(parts, scope, true),
            Self::Not(of) => of.holds(scope).map(|holds| !holds),
            Self::Choose(parts) => {
                let [condition, yes, no] = &**parts;
                if condition.holds(scope)? { yes.holds(scope) } else { no.holds(scope) }
            }
            Self::Has(presence) => presence.holds(scope),
            Self::Equal(sides) => Ok(equal(sides[0].value(scope)?, sides[1].value(scope)?)),
            Self::Unequal(sides) => Ok(!equal(sides[0].value(scope)?, sides[1].value(scope)?)),
            Self::Order { sides, relation, unordered } => {
                let ordering = order(sides[0].value(scope)?, sides[1].value(scope)?);
                ordering.map(|ordering| relation.holds(ordering)).ok_or(*unordered)
            }
            Self::In(parts) => is_in(parts, scope),
            Self::InFlags(needle) => {
                let needle = needle.value(scope)?;
                Ok(scope.event.flags().any(|flag| equal(needle, Value::Text(flag))))
            }
            Self::InProbabilities(label) => {
                let label = label.value(scope)?;
                Ok(scope.event.probabilities().any(|(known, _)| equal(label, Value::Text(known))))
            }
            Self::Quantified(quantifier, inner) => scope.quantified(*quantifier, inner),
            Self::Test { sides, test, mistyped } => match (sides[0].value(scope)?, sides[1].value(scope)?) {
                (Value::Text(text), Value::Text(part)) => Ok(test.holds(text, part)),
                _ => Err(*mistyped),
            },
            Self::Matches { text, pattern, mistyped } => match text.value(scope)? {
                Value::Text(text) => Ok(pattern.is_found_in(text)),
                _ => Err(*mistyped),
            },
            Self::AsBool(of, mistyped) => match of.value(scope)? {
                Value::Bool(value) => Ok(value),
                _ => Err(*mistyped),
            },
            Self::Constant(_)
            | Self::Field { .. }
            | Self::Variable { .. }
            | Self::Flag { .. }
            | Self::Evidence { .. }
            | Self::ProbabilityOf { .. }
            | Self::VariableProbability { .. }
            | Self::VariableEvidence { .. }
            | Self::Arithmetic { .. }
            | Self::Negate(..)
            | Self::Size(_)
            | Self::Count(_)
            | Self::ToDouble(..)
            | Self::ToInt(..)
            | Self::TimePart(..) => match self.value(scope)? {
                Value::Bool(value) => Ok(value),
                _ => unreachable!("the checker saw a bool"),
            },
        }
    }

    /// The value of any node.
    pub fn value<'v>(&'v self, scope: &Scope<'_, 'v>) -> Result<Value<'v>, Failure> {
        match self {
            Self::Constant(constant) => Ok(constant.value()),
            Self::Field { field, missing } => field.read(scope).ok_or(*missing),
            Self::Flag { index, missing } => scope.event.flags().nth(*index).map(Value::Text).ok_or(*missing),
            Self::Evidence { index, part, missing } => {
                let item = scope.event.evidence().nth(*index);
                item.and_then(|item| part.of(item)).map(Value::Text).ok_or(*missing)
            }
            Self::ProbabilityOf { label, missing } => {
                let label = label.value(scope)?;
                let found = scope.event.probabilities().find(|(known, _)| equal(label, Value::Text(known)));
                found.map(|(_, probability)| Value::Double(probability)).ok_or(*missing)
            }
            Self::Variable { up } => Ok(match scope.element(*up) {
                Element::Value(value) => value,
                Element::Label(label, _) => Value::Text(label),
                Element::Evidence(_) => unreachable!("the checker allows only parts of evidence"),
            }),
            Self::VariableProbability { up } => match scope.element(*up) {
                Element::Label(_, probability) => Ok(Value::Double(probability)),
                Element::Value(_) | Element::Evidence(_) => unreachable!("the checker saw a label"),
            },
            Self::VariableEvidence { up, part, missing } => match scope.element(*up) {
                Element::Evidence(item) => part.of(item).map(Value::Text).ok_or(*missing),
                Element::Value(_) | Element::Label(..) => unreachable!("the checker saw evidence"),
            },
            Self::Choose(parts) => {
                let [condition, yes, no] = &**parts;
                if condition.holds(scope)? { yes.value(scope) } else { no.value(scope) }
            }
            Self::Arithmetic { sides, operator, failed } => {
                operator.of(sides[0].value(scope)?, sides[1].value(scope)?).ok_or(*failed)
            }
            Self::Negate(of, failed) => match of.value(scope)? {
                Value::Double(value) => Ok(Value::Double(-value)),
                Value::Int(value) => value.checked_neg().map(Value::Int).ok_or(*failed),
                _ => Err(*failed),
            },
            Self::Size(sized) => sized.count(scope).map(Value::Int),
            Self::Count(inner) => scope.count(inner).map(Value::Int),
            Self::ToDouble(of, failed) => to_double(of.value(scope)?).map(Value::Double).ok_or(*failed),
            Self::ToInt(of, failed) => to_int(of.value(scope)?).map(Value::Int).ok_or(*failed),
            Self::TimePart(of, part) => match of.value(scope)? {
                Value::Time(millis) => Ok(Value::Int(part.of(millis))),
                _ => unreachable!("the checker saw a time"),
            },
            Self::Has(_)
            | Self::Not(_)
            | Self::And(_)
            | Self::Or(_)
            | Self::AsBool(..)
            | Self::Equal(_)
            | Self::Unequal(_)
            | Self::Order { .. }
            | Self::NumberOrder { .. }
            | Self::TextEqual { .. }
            | Self::In(_)
            | Self::InFlags(_)
            | Self::InProbabilities(_)
            | Self::Quantified(..)
            | Self::Test { .. }
            | Self::Matches { .. } => self.holds(scope).map(Value::Bool),
        }
    }
}

/// `&&` with a decisive false, `||` with a decisive true.
fn chain<'v>(parts: &'v [Node], scope: &Scope<'_, 'v>, decisive: bool) -> Result<bool, Failure> {
    let mut result = Ok(!decisive);
    for part in parts {
        match part.holds(scope) {
            Ok(value) if value == decisive => return Ok(decisive),
            Err(failure) if result.is_ok() => result = Err(failure),
            Ok(_) | Err(_) => {}
        }
    }
    result
}

/// Whether the first is one of the others, all of which must have values.
fn is_in<'v>(parts: &'v [Node], scope: &Scope<'_, 'v>) -> Result<bool, Failure> {
    let (needle, list) = parts.split_first().expect("the checker put the needle first");
    let needle = needle.value(scope)?;
    let mut found = false;
    for element in list {
        // Most lists are of constants, for which the call would cost more than the comparison.
        let element = if let Node::Constant(constant) = element { constant.value() } else { element.value(scope)? };
        found |= equal(needle, element);
    }
    Ok(found)
}

impl Presence {
    fn holds(&self, scope: &Scope<'_, '_>) -> Result<bool, Failure> {
        match self {
            Self::Field(field) => Ok(field.read(scope).is_some()),
            Self::Evidence { index, part, missing } => {
                scope.event.evidence().nth(*index).map(|item| part.of(item).is_some()).ok_or(*missing)
            }
            Self::VariableEvidence { up, part } => match scope.element(*up) {
                Element::Evidence(item) => Ok(part.of(item).is_some()),
                Element::Value(_) | Element::Label(..) => unreachable!("the checker saw evidence"),
            },
        }
    }
}

impl Sized {
    fn count<'v>(&'v self, scope: &Scope<'_, 'v>) -> Result<i64, Failure> {
        let count = match self {
            Self::Flags => scope.event.flags().len(),
            Self::Evidence => scope.event.evidence().len(),
            Self::Probabilities => scope.event.probabilities().len(),
            Self::Text(text, mistyped) => match text.value(scope)? {
                Value::Text(text) => text.chars().count(),
                _ => return Err(*mistyped),
            },
        };
        Ok(i64::try_from(count).expect("an event is smaller than memory"))
    }
}

impl TextTest {
    fn holds(self, text: &str, part: &str) -> bool {
        match self {
            Self::StartsWith => text.starts_with(part),
            Self::EndsWith => text.ends_with(part),
            Self::Contains => text.contains(part),
        }
    }
}

impl Pattern {
    /// Whether it is found anywhere in `text`.
    pub fn is_found_in(&self, text: &str) -> bool {
        let found = self.automaton.try_search_fwd(&Input::new(text).earliest(true));
        found.expect("the automaton has no byte to stop at, and no limit").is_some()
    }
}
