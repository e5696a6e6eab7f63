//! How held decisions are reviewed: bands, times, groups. A case carries these rules from its opening on, so that a
//! reload changes no open case.

use std::time::Duration;

use serde_json::{Map, Number, Value, json};

use super::expression::Expression;
use crate::document::{DAY, HOUR, MINUTE, duration_text};
use crate::event::Event;

/// How urgent a case is. The most urgent band is the least, so that a queue sorts by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Band {
    /// The most urgent; partition 0 of the reviews topic.
    Critical,
    /// Urgent.
    High,
    /// Usual.
    Normal,
    /// Least urgent.
    Low,
}

impl Band {
    /// All bands, the most urgent first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Normal, Self::Low];

    /// The band's number, 0 for critical to 3 for low: its place in `ALL` and in the reviews topic.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The band's name in records, policies and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    /// The band of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|band| band.as_str() == name)
    }

    /// The next more urgent band, where an escalation leads; `None` above critical.
    #[must_use]
    pub const fn one_up(self) -> Option<Self> {
        match self {
            Self::Critical => None,
            Self::High => Some(Self::Critical),
            Self::Normal => Some(Self::High),
            Self::Low => Some(Self::Normal),
        }
    }
}

/// The scores from which a case belongs to a band, 0–100 and falling; below `normal` it is low.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BandLimits {
    /// From here on critical.
    pub critical: f64,
    /// From here on high.
    pub high: f64,
    /// From here on normal.
    pub normal: f64,
}

impl Default for BandLimits {
    fn default() -> Self {
        Self { critical: 85.0, high: 60.0, normal: 30.0 }
    }
}

/// A policy's `review` section, complete with defaults.
#[derive(Clone, PartialEq, Debug)]
pub struct ReviewRules {
    /// Who may review: the first that applies to the event. The last one applies to every event.
    pub groups: Vec<GroupRule>,
    /// The groups whose members lead: reassign, and take over what escalates beyond critical.
    pub leads: Vec<String>,
    /// Where the bands begin.
    pub bands: BandLimits,
    /// How many different people must approve; one reject is enough.
    pub quorum: u32,
    /// How long a claim lasts.
    pub lease: Duration,
    /// The part of the time to `due_at` after which an undecided case escalates: more than 0, at most 1.
    pub escalate_at: f64,
    /// The time from opening to `due_at` by band, in the order of [`Band::ALL`].
    pub sla: [Duration; 4],
    /// The codes a reviewer may give as reason.
    pub reasons: Vec<String>,
    /// Whether the machine's answer is hidden until the reviewer has judged.
    pub blind: bool,
    /// Paths in the event that reviewers see only after unmasking them with a reason.
    pub mask: Vec<String>,
}

/// Groups of reviewers, and for which events they are.
#[derive(Clone, PartialEq, Debug)]
pub struct GroupRule {
    /// Applies to events of which this holds; to every event where there is none. One that cannot be evaluated does not
    /// apply.
    pub when: Option<Expression>,
    /// The groups whose members may review.
    pub groups: Vec<String>,
}

/// Whether reviewers see the machine's answer before they have judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sight {
    /// They do, unless the rules say otherwise.
    Open,
    /// They do not, whatever the rules say: a sample measures what people find by themselves.
    Blind,
}

impl ReviewRules {
    /// The rules that hold where a policy says nothing (contract, section 6), for these groups.
    #[must_use]
    pub fn with_defaults(groups: Vec<String>, leads: Vec<String>) -> Self {
        Self {
            groups: vec![GroupRule { when: None, groups }],
            leads,
            bands: BandLimits::default(),
            quorum: 1,
            lease: MINUTE * 15,
            escalate_at: 0.5,
            sla: [MINUTE * 15, HOUR, HOUR * 8, DAY],
            reasons: ["data-error", "policy-exception", "model-wrong", "confirmed"].map(str::to_owned).to_vec(),
            blind: false,
            mask: Vec::new(),
        }
    }

    /// The band of a case with this score (0–100, already rounded). A score that is not a number is critical.
    #[must_use]
    pub fn band_of(&self, score: f64) -> Band {
        if score >= self.bands.critical || score.is_nan() {
            Band::Critical
        } else if score >= self.bands.high {
            Band::High
        } else if score >= self.bands.normal {
            Band::Normal
        } else {
            Band::Low
        }
    }

    /// How long a case of this band may stay undecided.
    #[must_use]
    pub fn sla(&self, band: Band) -> Duration {
        self.sla[band.index()]
    }

    /// The place in `groups` of those that review `event`; of the last where there is no event to ask.
    #[must_use]
    pub fn groups_for(&self, event: Option<&Event<'_>>) -> usize {
        let last = self.groups.len().saturating_sub(1);
        let Some(event) = event else { return last };
        let applies = |rule: &GroupRule| rule.when.as_ref().is_none_or(|when| when.holds(event) == Ok(true));
        self.groups.iter().position(applies).unwrap_or(last)
    }

    /// The rules as compact JSON for the case record, with the groups at the place `groups`: the policy file's keys,
    /// durations as `15m`. Equal rules give equal bytes.
    #[must_use]
    pub fn to_json(&self, groups: usize, sight: Sight) -> String {
        let sla: Map<String, Value> =
            Band::ALL.iter().map(|band| (band.as_str().to_owned(), duration_text(self.sla(*band)).into())).collect();
        let bands = json!({
            "critical": number(self.bands.critical),
            "high": number(self.bands.high),
            "normal": number(self.bands.normal),
        });
        let rules = json!({
            "groups": self.groups.get(groups).map(|rule| &rule.groups),
            "leads": self.leads,
            "bands": bands,
            "quorum": self.quorum,
            "lease": duration_text(self.lease),
            "escalate_at": number(self.escalate_at),
            "sla": sla,
            "reasons": self.reasons,
            "blind": self.blind || sight == Sight::Blind,
            "mask": self.mask,
        });
        rules.to_string()
    }
}

/// A JSON number that is written like in the policy: 85, not 85.0.
fn number(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "checked to be a whole number of at most 100")]
    if value.fract() == 0.0 && value.abs() <= 100.0 { Value::from(value as i64) } else { Number::from_f64(value).into() }
}

/// Who reviews where no policy says it, and how urgently what no policy covers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FallbackReview {
    /// The groups whose members may review.
    pub groups: Vec<String>,
    /// The groups whose members lead.
    pub leads: Vec<String>,
    /// The band of cases that no policy covers.
    pub band: Band,
}

impl Default for FallbackReview {
    fn default() -> Self {
        Self { groups: vec!["reviewers".to_owned()], leads: vec!["leads".to_owned()], band: Band::High }
    }
}

impl FallbackReview {
    /// The review rules of cases that no policy covers, and what a policy's own rules start from.
    #[must_use]
    pub fn review_rules(&self) -> ReviewRules {
        ReviewRules::with_defaults(self.groups.clone(), self.leads.clone())
    }
}
