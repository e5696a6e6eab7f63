//! Incidents: what they are called, and what they say to people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::drift::{Moved, bin_name};
use super::identical::Flood;
use super::rates::Alarm;
use super::words::rounded;
use crate::identity::{Hash, write_hex};
use crate::profile::baseline::{Attribute, Binned, Measured};
use crate::signal::{Direction, Incident, IncidentKind};
use crate::tallies::EventHash;

/// Whose rate an alarm is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Rate {
    /// Favourable decisions.
    Favourable,
    /// Favourable ones among those that should be.
    TrueFavourable,
    /// Adverse ones among those that should be.
    TrueAdverse,
}

impl Rate {
    pub(super) const ALL: [Self; 3] = [Self::Favourable, Self::TrueFavourable, Self::TrueAdverse];

    /// What an incident's `about` says.
    pub(super) const fn about(self) -> &'static str {
        match self {
            Self::Favourable => "favourable-rate",
            Self::TrueFavourable => "true-favourable-rate",
            Self::TrueAdverse => "true-adverse-rate",
        }
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Favourable => ("favourable decisions", "decisions"),
            Self::TrueFavourable => ("favourable decisions among cases whose label says they should be", "labels"),
            Self::TrueAdverse => ("adverse decisions among cases whose label says they should be", "labels"),
        }
    }
}

/// Where in the log something was noticed, and of which policy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noticed<'a> {
    pub(super) policy: &'a str,
    pub(super) event: u64,
    pub(super) hash: EventHash,
}

/// 16 hex digits that follow from what it is about and where it was noticed.
fn id(noticed: Noticed<'_>, kind: IncidentKind, stream: &str, group: &BTreeMap<String, String>, direction: Direction) -> String {
    let mut text = format!("{}\0{}\0{stream}\0{}\0{}\0", noticed.policy, kind.as_str(), direction.as_str(), noticed.event);
    for (attribute, level) in group {
        let _ = write!(text, "{attribute}\0{level}\0");
    }
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(&noticed.hash.0);
    let mut hex = [0; 16];
    write_hex(&Hash::in_domain("jidoka/incident/1", &bytes).0[..8], &mut hex);
    String::from_utf8_lossy(&hex).into_owned()
}

/// 0.0416 → `4.2 %`; of small shares more digits.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = if percent >= 1.0 || percent == 0.0 { 1 } else { 2 };
    format!("{percent:.digits$} %")
}

/// 53 → `53`, 1314 → `1,314`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn moved(direction: Direction) -> &'static str {
    match direction {
        Direction::Down => "fell",
        Direction::Up => "rose",
    }
}

/// About a rate of a subgroup (fairness), or of everybody (drift: a fall of all alike is no disparity).
pub(super) fn of_rate(noticed: Noticed<'_>, rate: Rate, alarm: &Alarm, attributes: &[Attribute]) -> Incident {
    let group = alarm.group.names(attributes);
    let kind = if group.is_empty() { IncidentKind::Drift } else { IncidentKind::Fairness };
    let (what, unit) = rate.words();
    let whose = if group.is_empty() {
        "of all groups together".to_owned()
    } else {
        let names: Vec<String> = group.iter().map(|(attribute, level)| format!("{attribute}={level}")).collect();
        format!("of {}", names.join(", "))
    };
    let by = if alarm.beside { "as everybody's share has moved from the approved baseline" } else { "by the approved baseline" };
    let since = alarm.since;
    let share = |hits: f64| if since.events == 0 { 0.0 } else { hits / since.events as f64 };
    let sentence = format!(
        "The share of {what} {whose} {} to {} ({} of {} {unit} since event {}); {} were to be expected of them {by}, which has {}.",
        moved(alarm.direction),
        percent(share(since.hits as f64)),
        thousands(since.hits),
        thousands(since.events),
        thousands(since.event),
        percent(share(since.expected)),
        percent(alarm.baseline),
    );
    Incident {
        id: id(noticed, kind, rate.about(), &group, alarm.direction),
        kind,
        policy: noticed.policy.to_owned(),
        about: rate.about().to_owned(),
        group,
        direction: alarm.direction,
        at_event: noticed.event,
        since_event: since.event,
        statistic: rounded(alarm.statistic),
        threshold: rounded(alarm.limit),
        sentence,
    }
}

/// What an incident about this measure says in `about`.
pub(super) fn about(measured: &Measured) -> String {
    match measured {
        Measured::Feature(name) => format!("feature/{name}"),
        Measured::Prediction => "prediction".to_owned(),
        Measured::Confidence => "confidence".to_owned(),
    }
}

/// About the distribution of a feature, of the predictions or of confidence.
pub(super) fn of_measure(noticed: Noticed<'_>, moved_bin: &Moved, binned: &Binned) -> Incident {
    let (since, about) = (moved_bin.since, about(&binned.of));
    let share = if since.events == 0 { 0.0 } else { since.hits as f64 / since.events as f64 };
    let sentence = format!(
        "The share of events with {} {} to {} ({} of {} since event {}); on the calibration events it was {}.",
        bin_name(binned, moved_bin.bin),
        moved(moved_bin.direction),
        percent(share),
        thousands(since.hits),
        thousands(since.events),
        thousands(since.event),
        percent(moved_bin.baseline),
    );
    Incident {
        id: id(noticed, IncidentKind::Drift, &format!("{about}\0{}", moved_bin.bin), &BTreeMap::new(), moved_bin.direction),
        kind: IncidentKind::Drift,
        policy: noticed.policy.to_owned(),
        about,
        group: BTreeMap::new(),
        direction: moved_bin.direction,
        at_event: noticed.event,
        since_event: since.event,
        statistic: rounded(moved_bin.statistic),
        threshold: rounded(moved_bin.limit),
        sentence,
    }
}

/// What an incident about one and the same input says in `about`.
pub(super) const IDENTICAL: &str = "identical-inputs";
/// What an incident about saturation says in `about`.
pub(super) const CAPACITY: &str = "review-capacity";

/// About one and the same input.
pub(super) fn of_flood(noticed: Noticed<'_>, flood: &Flood) -> Incident {
    let place = flood.place;
    let events = noticed.event.saturating_sub(place.since);
    let share = if events == 0 { 0.0 } else { place.hits as f64 / events as f64 };
    let sentence = format!(
        "One and the same input came {} times in {} events since event {} ({}); in training no more than {} would be usual for it.",
        thousands(place.hits),
        thousands(events),
        thousands(place.since),
        percent(share),
        percent(place.rate),
    );
    Incident {
        id: id(noticed, IncidentKind::Drift, &format!("{IDENTICAL}\0{}", place.vector), &BTreeMap::new(), Direction::Up),
        kind: IncidentKind::Drift,
        policy: noticed.policy.to_owned(),
        about: IDENTICAL.to_owned(),
        group: BTreeMap::new(),
        direction: Direction::Up,
        at_event: noticed.event,
        since_event: place.since,
        statistic: rounded(flood.statistic),
        threshold: rounded(flood.limit),
        sentence,
    }
}

/// About more being risky than people can look at.
pub(super) fn of_load(noticed: Noticed<'_>, threshold: f64, limit: f64, rate: f64) -> Incident {
    let sentence = format!(
        "Review capacity is saturated: to hold no more than {}, only decisions above the {} quantile of the calibration's priorities \
         have been held for 1,000 events. More is risky than people are planned to look at; something may have happened to the inputs.",
        percent(rate),
        format_args!("{threshold:.4}"),
    );
    Incident {
        id: id(noticed, IncidentKind::Capacity, CAPACITY, &BTreeMap::new(), Direction::Up),
        kind: IncidentKind::Capacity,
        policy: noticed.policy.to_owned(),
        about: CAPACITY.to_owned(),
        group: BTreeMap::new(),
        direction: Direction::Up,
        at_event: noticed.event,
        since_event: noticed.event.saturating_sub(1_000),
        statistic: rounded(threshold),
        threshold: rounded(limit),
        sentence,
    }
}
