//! The settings of a contradiction trigger.

use std::time::Duration;

use super::{MAX_NAME, condition};
use crate::document::{Field, Map, YEAR, suggestion};
use crate::event::Plan;
use crate::policy::{
    ABS_TOL, Aliases, COMPARISONS_MAX, Comparison, ComparisonKind, Contradiction, EventField, OnAbsent, REL_TOL, World,
};
use crate::reference::NAME_BYTES_MAX;

/// So many aliases may a comparison have.
const ALIASES_MAX: usize = 10_000;
/// The longest text that has an alias, in bytes.
const ALIAS_BYTES_MAX: usize = 1_024;

/// Reads the settings. `references` are the names that the configuration gives, where it is known.
pub(super) fn read(map: &Map<'_>, references: Option<&[&str]>, plan: &mut Plan) -> Option<Contradiction> {
    let reference = reference(&map.required("reference"), references);
    let compare_field = map.key("compare");
    let compare = compare_field.list(1..=COMPARISONS_MAX, |item| comparison(&item, plan));
    let max_age = map.key("max_age").duration(Duration::from_secs(1)..=YEAR * 100);
    let on_absent = map.key("on_absent").choice(&[("skip", OnAbsent::Skip), ("hold", OnAbsent::Hold)]).unwrap_or_default();
    let when_field = map.key("when");
    let always = "holds for every event and record, so every decision would wait for a person";
    let never = "can hold for no event and record, so it would never find anything";
    let when = condition::read_in(World::Reference, &when_field, plan, [always, never]);
    if compare_field.is_absent() && when_field.is_absent() {
        map.problem("says nothing to look for: name fields in `compare`, such as `[ age ]`, or a condition in `when`");
    }
    let complete = (compare_field.is_absent() || compare.is_some()) && (when_field.is_absent() || when.is_some());
    complete.then_some(Contradiction { reference: reference?, compare: compare.unwrap_or_default(), when, max_age, on_absent })
}

fn reference(field: &Field<'_>, known: Option<&[&str]>) -> Option<String> {
    let name = field.text(NAME_BYTES_MAX)?;
    match known {
        Some([]) => field.refused(format!("there is no reference `{name}`: the configuration has none under `references`")),
        Some(known) if !known.contains(&name.as_str()) => {
            let hint = suggestion(&name, known, "the configuration has");
            field.refused(format!("there is no reference `{name}`; {hint}"))
        }
        _ => Some(name),
    }
}

/// A name, which is the same on both sides, or a map.
fn comparison(item: &Field<'_>, plan: &mut Plan) -> Option<Comparison> {
    if !item.is_map() {
        let name = item.text(MAX_NAME)?;
        let (field, bare) = event_field(item, &name, plan)?;
        let (kind, aliases) = (ComparisonKind::Auto, Aliases::default());
        return Some(Comparison { field, trusted: bare.to_owned(), name, kind, abs_tol: ABS_TOL, rel_tol: REL_TOL, aliases });
    }
    item.map(|map| {
        let field = map.required("field");
        let trusted = map.key("trusted").text(MAX_NAME);
        let kinds = [("number", ComparisonKind::Number), ("text", ComparisonKind::Text), ("date", ComparisonKind::Date)];
        let kind = map.key("kind").choice(&kinds).unwrap_or_default();
        let (abs_tol, rel_tol) = tolerances(map, kind);
        let aliases = aliases(&map.key("aliases"), kind);
        let name = field.text(MAX_NAME)?;
        let (event, bare) = event_field(&field, &name, plan)?;
        let trusted = trusted.unwrap_or_else(|| bare.to_owned());
        Some(Comparison { field: event, name, trusted, kind, abs_tol, rel_tol, aliases })
    })
    .flatten()
}

/// Numbers of any size are tolerances, but not negative ones.
fn tolerances(map: &Map<'_>, kind: ComparisonKind) -> (f64, f64) {
    let (abs, rel) = (map.key("abs_tol"), map.key("rel_tol"));
    let read = (abs.number(0.0..=1e15).unwrap_or(ABS_TOL), rel.number(0.0..=1.0).unwrap_or(REL_TOL));
    let tolerates = "texts are the same or not: the tolerance belongs to numbers and dates";
    match kind {
        ComparisonKind::Text => {
            for field in [&abs, &rel].into_iter().filter(|field| !field.is_absent()) {
                field.problem(tolerates);
            }
        }
        ComparisonKind::Date if !rel.is_absent() => rel.problem("dates have no share: give `abs_tol`, in days"),
        ComparisonKind::Date | ComparisonKind::Auto | ComparisonKind::Number => {}
    }
    read
}

fn aliases(field: &Field<'_>, kind: ComparisonKind) -> Aliases {
    if matches!(kind, ComparisonKind::Number | ComparisonKind::Date) && !field.is_absent() {
        field.problem("only texts have aliases");
    }
    let read = |map: &Map<'_>| {
        let all = map.rest();
        if all.len() > ALIASES_MAX {
            map.problem(format!("has {} aliases; at most {ALIASES_MAX} are allowed", all.len()));
        }
        let pair = |(from, to): (&str, Field<'_>)| {
            if to.is_absent() {
                to.problem("say which text it stands for");
            }
            Some((from.to_owned(), to.text(ALIAS_BYTES_MAX)?))
        };
        let pairs: Vec<_> = all.into_iter().take(ALIASES_MAX).filter_map(pair).collect();
        Aliases::new(&pairs).unwrap_or_else(|place| {
            map.problem(format!(
                "`{}` stands for two texts: case, width and spaces around it do not tell it from another",
                pairs[place].0
            ));
            Aliases::default()
        })
    };
    field.map(read).unwrap_or_default()
}

/// What `name` means of an event, and the name without the map that it is in: a bare name that is no field is a feature.
fn event_field<'n>(field: &Field<'_>, name: &'n str, plan: &mut Plan) -> Option<(EventField, &'n str)> {
    let fields = [
        ("amount", EventField::Amount),
        ("currency", EventField::Currency),
        ("action", EventField::Action),
        ("prediction", EventField::Prediction),
        ("requested_by", EventField::RequestedBy),
    ];
    if let Some((_, found)) = fields.iter().find(|(known, _)| *known == name) {
        return Some((*found, name));
    }
    match name.split_once('.') {
        Some(("features" | "protected", "")) => field.refused("name the member that is meant, such as `features.age`"),
        Some(("features", member)) => Some((EventField::Feature(plan.feature(member)), member)),
        Some(("protected", member)) => Some((EventField::Protected(plan.protected(member)), member)),
        _ => Some((EventField::Feature(plan.feature(name)), name)),
    }
}
