//! The `review` section.

use std::time::Duration;

use super::profile::Profiled;
use super::{MAX_NAME, condition};
use crate::document::{DAY, Field, Map, SECOND, YEAR};
use crate::event::Plan;
use crate::policy::{Band, BandLimits, FallbackReview, GroupRule, ReviewRules};

/// So many groups, reasons or paths may stand in a list.
const MAX_WORDS: usize = 64;

/// Reads the section; what it leaves open is as in `fallback`.
pub(super) fn read(map: &Map<'_>, fallback: &FallbackReview, plan: &mut Plan) -> ReviewRules {
    let default = fallback.review_rules();
    let escalate_at = map.key("escalate_at");
    ReviewRules {
        groups: groups(&map.key("groups"), default.groups, plan),
        leads: map.key("leads").texts(1..=MAX_WORDS, MAX_NAME).unwrap_or(default.leads),
        bands: map.section("bands", |bands| band_limits(bands, default.bands)),
        quorum: map.key("quorum").integer(1..=100).unwrap_or(default.quorum),
        lease: map.key("lease").duration(SECOND..=DAY * 30).unwrap_or(default.lease),
        escalate_at: share_above_zero(&escalate_at).unwrap_or(default.escalate_at),
        sla: map.section("sla", |sla| sla_by_band(sla, default.sla)),
        reasons: map.key("reasons").texts(1..=MAX_WORDS, MAX_NAME).unwrap_or(default.reasons),
        blind: map.key("blind").yes_or_no().unwrap_or(default.blind),
        mask: map.key("mask").texts(0..=MAX_WORDS, MAX_NAME).unwrap_or(default.mask),
    }
}

/// The share of decisions that reviewers can look at.
pub(super) fn capacity(map: &Map<'_>, profiled: Profiled<'_>) -> Option<f64> {
    let field = map.key("capacity");
    if !field.is_absent() && matches!(profiled, Profiled::No) {
        field.problem("needs a `profile`: what is risky is told by the priorities of its calibration events");
    }
    field.map(|capacity| capacity.required("rate").number(0.0001..=0.5)).flatten()
}

/// Plain names, or groups by condition: the first that applies. Behind conditions alone stand the groups of `default`.
fn groups(field: &Field<'_>, default: Vec<GroupRule>, plan: &mut Plan) -> Vec<GroupRule> {
    if field.is_absent() {
        return default;
    }
    let mut by_condition = false;
    let _ = field.list(0..=usize::MAX, |item| {
        by_condition |= item.is_map();
        Some(())
    });
    if !by_condition {
        return field.texts(1..=MAX_WORDS, MAX_NAME).map_or(default, |groups| vec![GroupRule { when: None, groups }]);
    }
    let mut rules: Vec<GroupRule> = Vec::new();
    let _ = field.list(1..=MAX_WORDS, |item| {
        if rules.last().is_some_and(|rule| rule.when.is_none()) {
            item.problem("is never reached: the groups before it are for every event");
        }
        rules.extend(item.map(|map| group_rule(map, plan)).flatten());
        Some(())
    });
    if rules.last().is_none_or(|rule| rule.when.is_some()) {
        rules.extend(default);
    }
    rules
}

fn group_rule(map: &Map<'_>, plan: &mut Plan) -> Option<GroupRule> {
    let when = map.key("when");
    let always = "holds for every event; leave `when` away, and these groups are for all that come this far";
    let never = "can hold for no event, so these groups would never be asked";
    let condition = condition::read(&when, plan, [always, never]);
    let groups = map.required("groups").texts(1..=MAX_WORDS, MAX_NAME)?;
    (condition.is_some() || when.is_absent()).then_some(GroupRule { when: condition, groups })
}

fn band_limits(map: &Map<'_>, default: BandLimits) -> BandLimits {
    let score = |key| map.key(key).number(0.0..=100.0);
    let limits = BandLimits {
        critical: score("critical").unwrap_or(default.critical),
        high: score("high").unwrap_or(default.high),
        normal: score("normal").unwrap_or(default.normal),
    };
    if limits.critical <= limits.high || limits.high <= limits.normal {
        let BandLimits { critical, high, normal } = limits;
        map.problem(format!("must fall from critical to normal, and are critical {critical}, high {high}, normal {normal}"));
    }
    limits
}

fn sla_by_band(map: &Map<'_>, default: [Duration; 4]) -> [Duration; 4] {
    Band::ALL.map(|band| map.key(band.as_str()).duration(SECOND..=YEAR).unwrap_or(default[band.index()]))
}

fn share_above_zero(field: &Field<'_>) -> Option<f64> {
    match field.number(0.0..=1.0)? {
        0.0 => field.refused("must be more than 0: the part of the time after which the case escalates"),
        share => Some(share),
    }
}
