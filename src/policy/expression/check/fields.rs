//! Names, members and indices: which field is meant.

use std::ops::Range;

use super::{Checker, EvidencePart, Field, Item, Map, Meaning, Node, Syntax, Term, Type, Typed, VariableKind};
use crate::document::suggestion;
use crate::policy::expression::World;
use crate::policy::expression::program::{Constant, Presence};

/// The fields that have one value, under the names of the event.
const FIELDS: [(&str, Field, Type); 9] = [
    ("event_id", Field::EventId, Type::Text),
    ("timestamp", Field::Timestamp, Type::Time),
    ("subject_id", Field::SubjectId, Type::Text),
    ("requested_by", Field::RequestedBy, Type::Text),
    ("action", Field::Action, Type::Text),
    ("currency", Field::Currency, Type::Text),
    ("confidence", Field::Confidence, Type::Double),
    ("amount", Field::Amount, Type::Double),
    ("prediction", Field::Prediction, Type::Dynamic),
];

/// The trusted record.
const REFERENCE: &str = "reference";

/// The members of `model`.
const MODEL: [(&str, Field); 2] = [("name", Field::ModelName), ("version", Field::ModelVersion)];

const EVIDENCE: [(&str, EvidencePart); 2] = [("uri", EvidencePart::Uri), ("sha256", EvidencePart::Sha256)];

impl Map {
    const ALL: [(&'static str, Self); 5] = [
        ("features", Self::Features),
        ("probabilities", Self::Probabilities),
        ("protected", Self::Protected),
        ("explanation", Self::Explanation),
        (REFERENCE, Self::Reference),
    ];
    /// Those of an event.
    const OF_EVENT: usize = 4;

    pub(super) fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

impl Checker<'_> {
    /// What a name stands for that stands alone.
    pub(super) fn named<'t>(&mut self, name: &str, at: &Range<usize>) -> Option<Meaning<'t>> {
        if let Some(up) = self.variables.iter().rev().position(|variable| variable.name == name) {
            return Some(match self.variables[self.variables.len() - 1 - up].kind {
                VariableKind::Value(kind) => Meaning::Value(Typed::varying(Node::Variable { up }, kind)),
                VariableKind::Label => Meaning::Value(Typed::varying(Node::Variable { up }, Type::Text)),
                VariableKind::Item => Meaning::Item(Item::Variable(up)),
            });
        }
        if name == "event" {
            return Some(Meaning::Event);
        }
        if let Some(meaning) = self.field(name) {
            return Some(meaning);
        }
        if name == REFERENCE {
            let only = "the trusted record `reference` is known only in the `when` of a contradiction trigger";
            return if self.world == World::Reference { Some(Meaning::Map(Map::Reference)) } else { self.refuse(at, only) };
        }
        let variables: Vec<String> = self.variables.iter().map(|variable| variable.name.clone()).collect();
        let mut known = field_names();
        known.push("event");
        known.extend(variables.iter().map(String::as_str));
        let hint = suggestion(name, &known, "the fields are");
        let feature = if hint.ends_with('?') { String::new() } else { format!(": a feature is written `features.{name}`") };
        self.refuse(at, format!("unknown name `{name}`{feature}; {hint}"))
    }

    /// A field of the event.
    fn field<'t>(&mut self, name: &str) -> Option<Meaning<'t>> {
        if let Some((_, field, kind)) = FIELDS.iter().find(|(known, _, _)| *known == name) {
            return Some(Meaning::Value(self.reading(*field, name, *kind)));
        }
        if let Some((_, map)) = Map::ALL[..Map::OF_EVENT].iter().find(|(known, _)| *known == name) {
            return Some(Meaning::Map(*map));
        }
        match name {
            "model" => Some(Meaning::Model),
            "flags" => Some(Meaning::Flags),
            "evidence" => Some(Meaning::Evidence),
            _ => None,
        }
    }

    fn reading(&mut self, field: Field, path: &str, kind: Type) -> Typed {
        let missing = self.failure(format!("{path} is missing"));
        Typed::varying(Node::Field { field, missing }, kind)
    }

    /// `operand.name`
    pub(super) fn member<'t>(&mut self, operand: &Term, name: &str, at: &Range<usize>) -> Option<Meaning<'t>> {
        match self.meaning(operand)? {
            Meaning::Event => {
                let field = self.field(name);
                if field.is_none() {
                    let hint = suggestion(name, &field_names(), "the fields are");
                    return self.refuse(at, format!("unknown field `{name}`; {hint}"));
                }
                field
            }
            Meaning::Model => {
                let Some((_, field)) = MODEL.iter().find(|(known, _)| *known == name) else {
                    let hint = suggestion(name, &MODEL.map(|(name, _)| name), "a model has");
                    return self.refuse(at, format!("unknown field `model.{name}`; {hint}"));
                };
                Some(Meaning::Value(self.reading(*field, &format!("model.{name}"), Type::Text)))
            }
            Meaning::Map(map) => Some(Meaning::Value(self.map_member(map, name))),
            Meaning::Item(item) => self.item_part(item, name, at).map(Meaning::Value),
            Meaning::Value(value) => {
                let (written, noun) = (self.written(operand), value.kind.noun());
                self.refuse(at, format!("`{written}` is {noun} and has no members"))
            }
            Meaning::Flags | Meaning::Evidence | Meaning::List(_) | Meaning::Filtered(_) => {
                let written = self.written(operand);
                self.refuse(at, format!("`{written}` is a list and has no members: write `{written}[0]` or `exists`"))
            }
        }
    }

    fn map_member(&mut self, map: Map, name: &str) -> Typed {
        let (field, kind) = match map {
            Map::Features => (Field::Feature(self.plan.feature(name)), Type::Dynamic),
            Map::Probabilities => (Field::Probability(self.plan.probability(name)), Type::Double),
            Map::Protected => (Field::Protected(self.plan.protected(name)), Type::Text),
            Map::Explanation => (Field::Explanation(self.plan.explanation(name)), Type::Double),
            Map::Reference => (Field::Reference(self.trusted(name)), Type::Dynamic),
        };
        if let Field::Feature(slot) | Field::Probability(slot) | Field::Protected(slot) | Field::Explanation(slot) = field {
            self.slots.push(slot);
        }
        self.reading(field, &path(map, name), kind)
    }

    /// The place of a member of the trusted record among those that are read.
    fn trusted(&mut self, name: &str) -> u16 {
        let known = self.trusted.iter().position(|known| **known == *name);
        let place = known.unwrap_or_else(|| {
            self.trusted.push(name.into());
            self.trusted.len() - 1
        });
        u16::try_from(place).expect("an expression has fewer parts")
    }

    fn item_part(&mut self, item: Item, name: &str, at: &Range<usize>) -> Option<Typed> {
        let Some((_, part)) = EVIDENCE.iter().find(|(known, _)| *known == name) else {
            let hint = suggestion(name, &EVIDENCE.map(|(name, _)| name), "an item of the evidence has");
            return self.refuse(at, format!("unknown field `{name}`; {hint}"));
        };
        let node = match item {
            Item::At(index) => {
                let missing = self.failure(format!("evidence[{index}].{name} is missing"));
                Node::Evidence { index, part: *part, missing }
            }
            Item::Variable(up) => {
                let missing = self.failure(format!("{name} of an item of the evidence is missing"));
                Node::VariableEvidence { up, part: *part, missing }
            }
        };
        Some(Typed::varying(node, Type::Text))
    }

    /// `operand[index]`
    pub(super) fn index<'t>(&mut self, operand: &Term, index: &Term) -> Option<Meaning<'t>> {
        let written = self.written(operand);
        match self.meaning(operand)? {
            Meaning::Map(map) => self.map_index(map, index).map(Meaning::Value),
            Meaning::Flags => {
                let index = self.place(index)?;
                let missing = self.failure(format!("flags[{index}] is missing"));
                Some(Meaning::Value(Typed::varying(Node::Flag { index, missing }, Type::Text)))
            }
            Meaning::Evidence => Some(Meaning::Item(Item::At(self.place(index)?))),
            Meaning::Event | Meaning::Model => {
                self.refuse(&index.at, format!("write the field's name after a dot: `{written}.name`"))
            }
            Meaning::List(_) | Meaning::Filtered(_) => {
                self.refuse(&index.at, "only `flags`, `evidence` and maps have an index: write what is meant instead")
            }
            Meaning::Value(_) | Meaning::Item(_) => {
                self.refuse(&index.at, format!("`{written}` is a single value and has no index"))
            }
        }
    }

    fn map_index(&mut self, map: Map, index: &Term) -> Option<Typed> {
        let key = self.value(index)?;
        if let Some(name) = key.text() {
            let name = name.to_owned();
            return Some(self.map_member(map, &name));
        }
        let name = map.name();
        if !matches!(key.kind, Type::Text | Type::Dynamic) {
            let noun = key.kind.noun();
            return self
                .refuse(&index.at, format!("the names in `{name}` are texts, and this is {noun}: write `{name}['name']`"));
        }
        if map != Map::Probabilities {
            let which = "only `probabilities` can be asked for a name that the event says";
            return self.refuse(&index.at, format!("{which}: write a constant name, such as `{name}['age']`"));
        }
        if let Node::Variable { up } = key.node
            && matches!(self.variables[self.variables.len() - 1 - up].kind, VariableKind::Label)
        {
            return Some(Typed::varying(Node::VariableProbability { up }, Type::Double));
        }
        let missing = self.failure(format!("probabilities[{}] is missing", self.written(index)));
        Some(Typed::varying(Node::ProbabilityOf { label: Box::new(key.node), missing }, Type::Double))
    }

    /// A constant index of a list.
    fn place(&mut self, index: &Term) -> Option<usize> {
        let constant = self.value(index)?;
        match constant.node {
            Node::Constant(Constant::Int(place)) if (0..1_000_000).contains(&place) => usize::try_from(place).ok(),
            _ => self.refuse(&index.at, "an index of a list is a whole number from 0, written out: `flags[0]`"),
        }
    }

    /// `has(term)`: whether a member is there.
    pub(super) fn presence(&mut self, term: &Term) -> Option<Typed> {
        let written = self.written(term);
        let Syntax::Member { operand, name, name_at } = &term.kind else {
            let instead = match &term.kind {
                Syntax::Name(name) => format!("write `has(event.{name})`"),
                Syntax::Index { operand, index } => format!("write `{} in {}`", self.written(index), self.written(operand)),
                _ => "such as `has(event.amount)` or `has(features.age)`".to_owned(),
            };
            return self.refuse(&term.at, format!("has() asks for a member of something: {instead}"));
        };
        let always = match self.member(operand, name, name_at)? {
            Meaning::Value(value) => {
                let presence = match value.node {
                    Node::Field { field: Field::EventId | Field::ModelName, .. } => {
                        return Some(Typed::constant(Constant::Bool(true)));
                    }
                    Node::Field { field, .. } => Presence::Field(field),
                    Node::Evidence { index, part, missing } => Presence::Evidence { index, part, missing },
                    Node::VariableEvidence { up, part, .. } => Presence::VariableEvidence { up, part },
                    _ => return self.refuse(&term.at, "has() asks for a field of the event"),
                };
                return Some(Typed::varying(Node::Has(presence), Type::Bool));
            }
            Meaning::Flags | Meaning::Evidence => format!("write `size({name}) > 0`"),
            Meaning::Map(_) => format!("ask for the member that is meant, such as `has({name}.age)`"),
            _ => "ask for the field that is meant, such as `has(model.version)`".to_owned(),
        };
        self.refuse(&term.at, format!("`{written}` is always there, if only empty: {always}"))
    }

    /// `name in map`
    pub(super) fn key_in(&mut self, map: Map, key: Typed, at: &Range<usize>) -> Option<Typed> {
        if let Some(name) = key.text() {
            let name = name.to_owned();
            let Node::Field { field, .. } = self.map_member(map, &name).node else { return None };
            return Some(Typed::varying(Node::Has(Presence::Field(field)), Type::Bool));
        }
        let name = map.name();
        if !matches!(key.kind, Type::Text | Type::Dynamic) {
            return self.refuse(at, format!("the names in `{name}` are texts, and this is {}", key.kind.noun()));
        }
        if map != Map::Probabilities {
            let which = "only `probabilities` can be asked for a name that the event says";
            return self.refuse(at, format!("{which}: write a constant name, such as `'age' in {name}`"));
        }
        Some(Typed::varying(Node::InProbabilities(Box::new(key.node)), Type::Bool))
    }
}

/// `features.age`, or `features['hours-per-week']` where the name is no word.
fn path(map: Map, name: &str) -> String {
    let word = name.starts_with(|char: char| char.is_ascii_alphabetic() || char == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if word { format!("{}.{name}", map.name()) } else { format!("{}['{name}']", map.name()) }
}

pub(super) fn field_names() -> Vec<&'static str> {
    let fields = FIELDS.iter().map(|(name, _, _)| *name);
    fields.chain(Map::ALL[..Map::OF_EVENT].iter().map(|(name, _)| *name)).chain(["model", "flags", "evidence"]).collect()
}
