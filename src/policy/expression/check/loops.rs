//! `all`, `exists`, `exists_one` and `filter`: a condition on every element.

use super::fields::field_names;
use super::functions::Call;
use super::operators::adapt;
use super::{Checker, Loop, Map, Meaning, Node, Syntax, Term, Type, Typed, Variable, VariableKind};
use crate::policy::expression::program::{Quantifier, Range};

impl Checker<'_> {
    /// `target.exists(v, condition)` and its kind.
    pub(super) fn quantified(&mut self, call: &Call<'_>, quantifier: Quantifier) -> Option<Typed> {
        let inner = self.each(call)?;
        Some(Typed::varying(Node::Quantified(quantifier, Box::new(inner)), Type::Bool))
    }

    /// The range, the variable and the condition of a call.
    pub(super) fn each(&mut self, call: &Call<'_>) -> Option<Loop> {
        let name = call.function;
        let Some(target) = call.target else {
            return self.refuse(&call.term.at, format!("write what it goes over first: `flags.{name}(f, f == 'x')`"));
        };
        let [variable, condition] = call.arguments else {
            return self.refuse(&call.term.at, format!("{name}() has a variable and a condition: `flags.{name}(f, f == 'x')`"));
        };
        let range = self.range(target, name);
        let variable = self.variable(variable);
        let ((range, kind), name) = (range?, variable?);
        self.variables.push(Variable { name, kind });
        let condition = self.condition(condition);
        self.variables.pop();
        Some(Loop { range, condition: condition? })
    }

    fn variable(&mut self, term: &Term) -> Option<String> {
        let Syntax::Name(name) = &term.kind else {
            return self.refuse(&term.at, "the variable is a name: `flags.exists(f, f == 'x')`");
        };
        if name == "event" || field_names().contains(&name.as_str()) {
            return self.refuse(&term.at, format!("`{name}` is a field of the event: give the variable another name"));
        }
        if self.variables.iter().any(|variable| variable.name == *name) {
            return self.refuse(&term.at, format!("`{name}` is the variable around this one: give it another name"));
        }
        Some(name.clone())
    }

    fn range(&mut self, target: &Term, function: &str) -> Option<(Range, VariableKind)> {
        let written = self.written(target);
        match self.meaning(target)? {
            Meaning::Flags => Some((Range::Flags, VariableKind::Value(Type::Text))),
            Meaning::Evidence => Some((Range::Evidence, VariableKind::Item)),
            Meaning::Map(Map::Probabilities) => Some((Range::Probabilities, VariableKind::Label)),
            Meaning::List(elements) => self.elements(elements).map(|(list, kind)| (Range::List(list), VariableKind::Value(kind))),
            _ => {
                let over = "goes over `flags`, `evidence`, `probabilities` or a list that is written out";
                self.refuse(&target.at, format!("{function}() {over}, and `{written}` is none of them"))
            }
        }
    }

    /// The elements of a list, which must have one type so that the variable has it too.
    fn elements(&mut self, elements: &[Term]) -> Option<(Box<[Node]>, Type)> {
        let values: Vec<Option<Typed>> = elements.iter().map(|element| self.value(element)).collect();
        let mut values = values.into_iter().collect::<Option<Vec<Typed>>>()?;
        let has = |values: &[Typed], kind| values.iter().any(|value| value.kind == kind);
        let kind = if has(&values, Type::Dynamic) {
            Type::Dynamic
        } else if has(&values, Type::Double) {
            Type::Double
        } else {
            values.first().map_or(Type::Dynamic, |first| first.kind)
        };
        for (value, element) in values.iter_mut().zip(elements) {
            adapt(value, kind);
            let fits =
                value.kind == kind || kind == Type::Dynamic && matches!(value.kind, Type::Bool | Type::Double | Type::Text);
            if !fits {
                let (noun, others) = (value.kind.noun(), kind.noun());
                return self.refuse(&element.at, format!("the elements must have one type: this is {noun}, others are {others}"));
            }
        }
        Some((values.into_iter().map(|value| value.node).collect(), kind))
    }
}
