//! Expressions in a policy file, with the places of their mistakes.

use crate::document::Field;
use crate::event::Plan;
use crate::policy::{Expression, World};

/// Reads the condition in `field`. One that is known to hold always or never says nothing about any event; `useless` are
/// the sentences about that, in this order.
pub(super) fn read(field: &Field<'_>, plan: &mut Plan, useless: [&str; 2]) -> Option<Expression> {
    read_in(World::Event, field, plan, useless)
}

/// [`read`] in a `world` of more than the event.
pub(super) fn read_in(world: World, field: &Field<'_>, plan: &mut Plan, useless: [&str; 2]) -> Option<Expression> {
    let text = field.source_text("an expression, such as `amount >= 15000`")?;
    if text.trim().is_empty() {
        return field.refused("the expression is empty");
    }
    let expression = match Expression::condition_in(world, text, plan) {
        Ok(expression) => expression,
        Err(mistakes) => {
            for mistake in mistakes {
                field.problem_inside(mistake.at, mistake.message);
            }
            return None;
        }
    };
    let [always, never] = useless;
    match expression.known() {
        Some(true) => field.problem_inside(0..text.len(), always),
        Some(false) => field.problem_inside(0..text.len(), never),
        None => return Some(expression),
    }
    None
}
