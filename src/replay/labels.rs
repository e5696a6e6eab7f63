//! What findings are counted by: the triggers of one or two sets of policies, and the built-in findings that came up.

use crate::decision::TriggerRef;
use crate::policy::{Policy, PolicySet};

/// A trigger or built-in finding in a report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Label {
    /// The policy that has it, where several policies are looked at; else its name says nothing.
    pub policy: Option<String>,
    /// The trigger's id.
    pub id: String,
    /// Its kind.
    pub kind: &'static str,
}

/// All labels, by number: the triggers in the order of their policies, then built-in findings in the order in which they came
/// up. A trigger of the same id has the same label in every set.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    list: Vec<Label>,
    /// By set, by place of the policy, by place of the trigger.
    sets: Vec<Vec<Vec<usize>>>,
    built_in: Vec<(&'static str, usize)>,
}

impl Labels {
    /// The labels of these sets.
    #[must_use]
    pub fn of(sets: &[&PolicySet]) -> Self {
        let mut labels = Self::default();
        let by_name = sets.iter().any(|set| set.policies().len() > 1);
        for set in sets {
            let of_policy = |policy: &Policy| {
                let name = by_name.then_some(policy.name.as_str());
                policy.triggers.iter().map(|trigger| labels.number(name, &trigger.id, trigger.kind.name())).collect()
            };
            let numbers = set.policies().iter().map(of_policy).collect();
            labels.sets.push(numbers);
        }
        labels
    }

    /// All of them.
    #[must_use]
    pub fn list(&self) -> &[Label] {
        &self.list
    }

    /// The number of `trigger` of `policy`, which is one of the set number `set`.
    pub fn of_trigger(&mut self, set: usize, policy: Option<&Policy>, trigger: TriggerRef) -> Option<usize> {
        match trigger {
            TriggerRef::Policy(index) => self.sets.get(set)?.get(policy?.place)?.get(index).copied(),
            TriggerRef::BuiltIn(built_in) => Some(self.of_built_in(built_in.id())),
        }
    }

    fn of_built_in(&mut self, id: &'static str) -> usize {
        if let Some((_, number)) = self.built_in.iter().find(|(known, _)| *known == id) {
            return *number;
        }
        let number = self.list.len();
        self.list.push(Label { policy: None, id: id.to_owned(), kind: "built-in" });
        self.built_in.push((id, number));
        number
    }

    fn number(&mut self, policy: Option<&str>, id: &str, kind: &'static str) -> usize {
        let is_it = |label: &Label| label.policy.as_deref() == policy && label.id == id;
        self.list.iter().position(is_it).unwrap_or_else(|| {
            self.list.push(Label { policy: policy.map(str::to_owned), id: id.to_owned(), kind });
            self.list.len() - 1
        })
    }
}
