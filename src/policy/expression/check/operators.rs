//! Operators: what may stand on their sides.

use super::{Checker, Constant, Meaning, Node, Syntax, Term, Type, Typed};
use crate::policy::expression::syntax::Operator;
use crate::policy::expression::value::{Arithmetic, Relation};

impl Checker<'_> {
    pub(super) fn binary(&mut self, term: &Term, operator: Operator, sides: &[Term; 2]) -> Option<Typed> {
        match operator {
            Operator::Add => self.arithmetic(term, Arithmetic::Add, sides),
            Operator::Subtract => self.arithmetic(term, Arithmetic::Subtract, sides),
            Operator::Multiply => self.arithmetic(term, Arithmetic::Multiply, sides),
            Operator::Divide => self.arithmetic(term, Arithmetic::Divide, sides),
            Operator::Remainder => self.arithmetic(term, Arithmetic::Remainder, sides),
            Operator::Less => self.order(term, Relation::Less, sides),
            Operator::LessEqual => self.order(term, Relation::LessEqual, sides),
            Operator::Greater => self.order(term, Relation::Greater, sides),
            Operator::GreaterEqual => self.order(term, Relation::GreaterEqual, sides),
            Operator::Equal | Operator::Unequal => self.equality(term, operator, sides),
            Operator::In => self.membership(term, sides),
        }
    }

    /// Both sides, each checked even if the other is wrong. A whole number that is written out meets an event's number as
    /// one of its kind.
    fn both(&mut self, sides: &[Term; 2]) -> Option<[Typed; 2]> {
        let (left, right) = (self.value(&sides[0]), self.value(&sides[1]));
        let (mut left, mut right) = (left?, right?);
        adapt(&mut left, right.kind);
        adapt(&mut right, left.kind);
        Some([left, right])
    }

    fn arithmetic(&mut self, term: &Term, operator: Arithmetic, sides: &[Term; 2]) -> Option<Typed> {
        use Arithmetic::{Add, Remainder, Subtract};
        let [left, right] = self.both(sides)?;
        let doubles = |kind| matches!(kind, Type::Double | Type::Dynamic);
        let kind = match (left.kind, right.kind) {
            (Type::Int, Type::Int) => Type::Int,
            (left, right) if doubles(left) && doubles(right) && operator != Remainder => Type::Double,
            (Type::Time, Type::Time) if operator == Subtract => Type::Duration,
            (Type::Time, Type::Duration) if matches!(operator, Add | Subtract) => Type::Time,
            (Type::Duration, Type::Time) if operator == Add => Type::Time,
            (Type::Duration, Type::Duration) if matches!(operator, Add | Subtract) => Type::Duration,
            (left, right) => {
                let message = self.no_arithmetic(operator, sides, left, right);
                return self.refuse(&term.at, message);
            }
        };
        let written = self.written(term);
        let failed = self.failure(match kind {
            Type::Int if matches!(operator, Arithmetic::Divide | Remainder) => format!("{written} divides by zero or overflows"),
            Type::Double => format!("a side of {written} is not a number"),
            _ => format!("{written} overflows"),
        });
        let constant = left.constant && right.constant;
        let node = Node::Arithmetic { sides: Box::new([left.node, right.node]), operator, failed };
        self.folded(term, Typed { node, kind, constant })
    }

    /// Why two types cannot be computed with.
    fn no_arithmetic(&self, operator: Arithmetic, sides: &[Term; 2], left: Type, right: Type) -> String {
        let [left_text, right_text] = [self.written(&sides[0]), self.written(&sides[1])];
        let texts = [left, right].contains(&Type::Text);
        if operator == Arithmetic::Remainder && ![left, right].iter().all(|kind| *kind == Type::Int) && !texts {
            return format!("`%` is only for whole numbers: write `int({left_text}) % …`");
        }
        if operator == Arithmetic::Add && texts {
            return "texts cannot be put together: compare their parts one by one".to_owned();
        }
        match (left, right) {
            (Type::Int, Type::Double | Type::Dynamic) => {
                format!("a whole number and a number of the event do not mix: write `double({left_text})`")
            }
            (Type::Double | Type::Dynamic, Type::Int) => {
                format!("a whole number and a number of the event do not mix: write `double({right_text})`")
            }
            _ => {
                let (left, right) = (left.noun(), right.noun());
                format!("cannot compute with `{left_text}`, {left}, and `{right_text}`, {right}")
            }
        }
    }

    pub(super) fn negation(&mut self, term: &Term, of: &Term) -> Option<Typed> {
        let value = self.value(of)?;
        let kind = match value.kind {
            Type::Int => Type::Int,
            Type::Double | Type::Dynamic => Type::Double,
            Type::Bool => return self.refuse(&term.at, format!("write `!{}` for the contrary", self.written(of))),
            kind => return self.refuse(&term.at, format!("`{}` is {} and has no sign", self.written(of), kind.noun())),
        };
        let written = self.written(of);
        let failed =
            self.failure(if kind == Type::Int { format!("-{written} overflows") } else { format!("{written} is not a number") });
        let constant = value.constant;
        self.folded(term, Typed { node: Node::Negate(Box::new(value.node), failed), kind, constant })
    }

    fn order(&mut self, term: &Term, relation: Relation, sides: &[Term; 2]) -> Option<Typed> {
        let [left, right] = self.both(sides)?;
        let comparable = left.kind == right.kind
            || left.kind.is_number() && right.kind.is_number()
            || left.kind == Type::Dynamic && !matches!(right.kind, Type::Time | Type::Duration)
            || right.kind == Type::Dynamic && !matches!(left.kind, Type::Time | Type::Duration);
        if !comparable {
            let message = self.no_comparison(sides, left.kind, right.kind, "they have no order");
            return self.refuse(&term.at, message);
        }
        let reason = match (left.kind, right.kind) {
            (Type::Dynamic, kind) if kind != Type::Dynamic => format!("{} is not {}", self.written(&sides[0]), number_or(kind)),
            (kind, Type::Dynamic) if kind != Type::Dynamic => format!("{} is not {}", self.written(&sides[1]), number_or(kind)),
            (Type::Int | Type::Double, _) => format!("a side of {} is not a number", self.written(term)),
            _ => format!("{} compares values of different types", self.written(term)),
        };
        let unordered = self.failure(reason);
        let constant = left.constant && right.constant;
        let node = match (left.node, right.node) {
            (Node::Field { field, missing }, Node::Constant(Constant::Double(limit))) if !limit.is_nan() => {
                Node::NumberOrder { field, relation, limit, missing, unordered }
            }
            (Node::Constant(Constant::Double(limit)), Node::Field { field, missing }) if !limit.is_nan() => {
                Node::NumberOrder { field, relation: relation.mirrored(), limit, missing, unordered }
            }
            (left, right) => Node::Order { sides: Box::new([left, right]), relation, unordered },
        };
        self.folded(term, Typed { node, kind: Type::Bool, constant })
    }

    fn equality(&mut self, term: &Term, operator: Operator, sides: &[Term; 2]) -> Option<Typed> {
        if let Some(other) = beside_null(sides) {
            let has = match &sides[other].kind {
                Syntax::Name(name) => format!("has(event.{name})"),
                Syntax::Index { operand, index } => format!("{} in {}", self.written(index), self.written(operand)),
                _ => format!("has({})", self.written(&sides[other])),
            };
            let negated = match (&sides[other].kind, operator) {
                (_, Operator::Unequal) => has,
                (Syntax::Index { .. }, _) => format!("!({has})"),
                _ => format!("!{has}"),
            };
            return self.refuse(&term.at, format!("null is the same as absent: write `{negated}`"));
        }
        let [left, right] = self.both(sides)?;
        if !may_be_equal(left.kind, right.kind) {
            let message = self.no_comparison(sides, left.kind, right.kind, "they are never equal");
            return self.refuse(&term.at, message);
        }
        let constant = left.constant && right.constant;
        let equal = operator == Operator::Equal;
        let node = match (left.node, right.node) {
            (Node::Field { field, missing }, Node::Constant(Constant::Text(text)))
            | (Node::Constant(Constant::Text(text)), Node::Field { field, missing }) => {
                let is = Node::TextEqual { field, text, missing };
                if equal { is } else { Node::Not(Box::new(is)) }
            }
            (left, right) if equal => Node::Equal(Box::new([left, right])),
            (left, right) => Node::Unequal(Box::new([left, right])),
        };
        self.folded(term, Typed { node, kind: Type::Bool, constant })
    }

    fn no_comparison(&self, sides: &[Term; 2], left: Type, right: Type, why: &str) -> String {
        let [left_text, right_text] = [self.written(&sides[0]), self.written(&sides[1])];
        let time = match (left, right) {
            (Type::Time, Type::Text) => format!(" Write `timestamp({right_text})`"),
            (Type::Text, Type::Time) => format!(" Write `timestamp({left_text})`"),
            _ => String::new(),
        };
        let (left, right) = (left.noun(), right.noun());
        let sentence = format!("`{left_text}` is {left} and `{right_text}` is {right}: {why}");
        if time.is_empty() { sentence } else { format!("{sentence}.{time}") }
    }

    fn membership(&mut self, term: &Term, sides: &[Term; 2]) -> Option<Typed> {
        let [needle, list] = sides;
        let meaning = self.meaning(list);
        let key = self.value(needle);
        let (meaning, key) = (meaning?, key?);
        let written = self.written(list);
        match meaning {
            Meaning::List(elements) => self.membership_in_list(term, needle, key, elements),
            Meaning::Map(map) => self.key_in(map, key, &needle.at),
            Meaning::Flags if matches!(key.kind, Type::Text | Type::Dynamic) => {
                Some(Typed::varying(Node::InFlags(Box::new(key.node)), Type::Bool))
            }
            Meaning::Flags => self.refuse(&needle.at, format!("flags are texts, and this is {}", key.kind.noun())),
            Meaning::Event => self.refuse(&term.at, "write `has(event.amount)` to ask whether a field is there"),
            Meaning::Value(value) if value.kind == Type::Text => {
                self.refuse(&term.at, format!("write `{written}.contains({})`", self.written(needle)))
            }
            _ => {
                self.refuse(&list.at, format!("`in` asks for a list, `flags` or a map, and `{written}` is none: write `exists`"))
            }
        }
    }

    fn membership_in_list(&mut self, term: &Term, needle: &Term, key: Typed, elements: &[Term]) -> Option<Typed> {
        let (kind, mut constant) = (key.kind, key.constant);
        let mut parts = Vec::with_capacity(elements.len() + 1);
        parts.push(key.node);
        let mut right = true;
        for element in elements {
            let Some(mut value) = self.value(element) else {
                right = false;
                continue;
            };
            adapt(&mut value, kind);
            if !may_be_equal(kind, value.kind) {
                let (needle, noun) = (self.written(needle), kind.noun());
                let message = format!("this is {}, and `{needle}` is {noun}: they are never equal", value.kind.noun());
                self.refuse::<()>(&element.at, message);
                right = false;
            }
            constant &= value.constant;
            parts.push(value.node);
        }
        let typed = Typed { node: Node::In(parts.into()), kind: Type::Bool, constant };
        if right { self.folded(term, typed) } else { None }
    }

    pub(super) fn choice(&mut self, term: &Term, parts: &[Term; 3]) -> Option<Typed> {
        let condition = self.condition(&parts[0]);
        let (yes, no) = (self.value(&parts[1]), self.value(&parts[2]));
        let (condition, mut yes, mut no) = (condition?, yes?, no?);
        adapt(&mut yes, no.kind);
        adapt(&mut no, yes.kind);
        let dynamic = |kind| matches!(kind, Type::Dynamic | Type::Bool | Type::Double | Type::Text);
        let kind = match (yes.kind, no.kind) {
            (yes, no) if yes == no => yes,
            (yes, no) if [yes, no].contains(&Type::Dynamic) && dynamic(yes) && dynamic(no) => Type::Dynamic,
            (yes, no) => {
                let [yes_text, no_text] = [self.written(&parts[1]), self.written(&parts[2])];
                let (yes, no) = (yes.noun(), no.noun());
                let message = format!("both answers of `? :` must have one type: `{yes_text}` is {yes} and `{no_text}` is {no}");
                return self.refuse(&term.at, message);
            }
        };
        let constant = matches!(condition, Node::Constant(_)) && yes.constant && no.constant;
        self.folded(term, Typed { node: Node::Choose(Box::new([condition, yes.node, no.node])), kind, constant })
    }
}

/// Makes a whole number that is written out a number of the event's kind where it meets one.
#[expect(clippy::cast_precision_loss, reason = "the contract says that it converts")]
pub(super) fn adapt(value: &mut Typed, meets: Type) {
    if let Node::Constant(Constant::Int(int)) = value.node
        && matches!(meets, Type::Double | Type::Dynamic)
    {
        *value = Typed::constant(Constant::Double(int as f64));
    }
}

fn may_be_equal(left: Type, right: Type) -> bool {
    let dynamic = |kind| !matches!(kind, Type::Time | Type::Duration);
    left == right
        || left.is_number() && right.is_number()
        || left == Type::Dynamic && dynamic(right)
        || right == Type::Dynamic && dynamic(left)
}

fn number_or(kind: Type) -> &'static str {
    if kind == Type::Int { Type::Double.noun() } else { kind.noun() }
}

/// The number of the other side, where one is `null`.
fn beside_null(sides: &[Term; 2]) -> Option<usize> {
    sides.iter().position(|side| matches!(side.kind, Syntax::Null)).map(|null| 1 - null)
}
