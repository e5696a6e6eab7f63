//! Evaluating one event under its policy.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::control::{ControlView, Mode};
use crate::decision::{
    BuiltIn, Consulted, ControlBasis, Decision, Outcome, Part, Rank, ResultKind, TriggerRef, TriggerResult, capacity, fairness,
    unusual,
};
use crate::event::{Code, Event};
use crate::identity::{DecisionId, Timestamp};
use crate::policy::{Anomaly, Band, Contradiction, Limit, Missed, OnAbsent, OnLate, Policy, Trigger, TriggerKind};
use crate::reference::{LOOKUP_LATE, NO_REFERENCE, REFERENCE_TOO_OLD, References, Trusted, TrustedRecord};
use crate::signal::{PolicySignals, SignalsView};
use crate::tallies::EventHash;
use crate::trigger::anomaly::Unusual;
use crate::trigger::contradiction::{self, Contradictions};
use crate::trigger::{Measurement, Unmeasured, anomaly, confidence, rule, sample};

/// Which decision it is, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Occasion {
    /// The decision's id.
    pub id: DecisionId,
    /// When the record was appended to its log, where that is known.
    pub appended_at: Option<Timestamp>,
    /// The moment of deciding.
    pub now: Timestamp,
}

/// What is to be decided.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// An event, and the policy that matches it.
    Event {
        /// The event.
        event: &'a Event<'a>,
        /// Its policy; none matches: held.
        policy: Option<&'a Policy>,
        /// Whether the same event came before with other bytes.
        conflicting: bool,
    },
    /// A record that is no event.
    Unreadable(Code),
}

impl<'a> Subject<'a> {
    /// The policy that applies.
    #[must_use]
    pub const fn policy(&self) -> Option<&'a Policy> {
        match self {
            Self::Event { policy, .. } => *policy,
            Self::Unreadable(_) => None,
        }
    }
}

/// What the rest of the system says at this moment; named on the decision as its basis.
#[derive(Clone, Copy, Debug)]
pub struct Signals<'a> {
    /// The operators' orders; none where they are not known to be read to the end within `control.max_age`.
    pub control: Option<&'a ControlView>,
    /// What the monitor said; none where there is no monitor.
    pub monitor: Option<&'a SignalsView>,
    /// Band of cases that no policy covers.
    pub fallback_band: Band,
    /// What is trusted about subjects.
    pub references: &'a dyn References,
}

/// Decides about `subject`. `meter` tells the time spent so far.
///
/// Writes the result into `decision`, whatever was in it. Never fails: what cannot be measured holds.
pub fn evaluate(
    subject: Subject<'_>,
    occasion: Occasion,
    signals: Signals<'_>,
    meter: &mut dyn FnMut() -> Duration,
    decision: &mut Decision,
) {
    let policy = subject.policy();
    decision.clear();
    let understood = signals.monitor.is_none_or(SignalsView::is_readable);
    decision.control = signals
        .control
        .filter(|_| understood)
        .map_or(ControlBasis::Unreadable, |control| ControlBasis::Read(control.mode(policy.map(|policy| policy.name.as_str()))));
    decision.late = is_late(policy, occasion);
    let built_in = built_in_findings(subject, signals, decision);
    let holds = match subject {
        Subject::Event { event, policy: Some(policy), .. } => {
            let said = signals.monitor.and_then(|monitor| monitor.of(&policy.name));
            let (spent, references) = (meter(), signals.references);
            Run { policy, event, said, occasion, references, spent, must: built_in, would: Holds::No, decision }.triggers(meter)
        }
        _ => built_in,
    };
    decision.outcome = if holds == Holds::Yes { Outcome::Held } else { Outcome::Released };
    decision.priority.rate();
    decision.priority.band = policy.map_or(signals.fallback_band, |policy| policy.review.band_of(decision.priority.score));
    decision.took = meter();
}

/// Whether something that was found holds the decision.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Yes,
    No,
}

/// Late = older than the policy's `max_age`. Where the append time is unknown, or ahead of a clock that jumped, it is not.
fn is_late(policy: Option<&Policy>, occasion: Occasion) -> bool {
    match (policy.and_then(|policy| policy.max_age), occasion.appended_at) {
        (Some(max_age), Some(appended_at)) => {
            i64::try_from(max_age.as_millis()).is_ok_and(|max_age| occasion.now.0.saturating_sub(appended_at.0) > max_age)
        }
        _ => false,
    }
}

fn built_in_findings(subject: Subject<'_>, signals: Signals<'_>, decision: &mut Decision) -> Holds {
    let mut found = Holds::No;
    let mut find = |built_in: BuiltIn| {
        found = Holds::Yes;
        let trigger = TriggerRef::BuiltIn(built_in);
        decision.results.push(TriggerResult::plain(trigger, ResultKind::Hit));
        decision.priority.parts.push(Part::new(trigger, BuiltIn::RISK, 1.0));
    };
    match subject {
        Subject::Unreadable(code) => find(BuiltIn::Unreadable(code)),
        Subject::Event { policy, conflicting, .. } => {
            if policy.is_none() {
                find(BuiltIn::NoPolicy);
            }
            if conflicting {
                find(BuiltIn::ConflictingDuplicate);
            }
        }
    }
    match decision.control {
        ControlBasis::Unreadable => find(BuiltIn::ControlUnreadable),
        ControlBasis::Read(Mode::Hold | Mode::Halt) => find(BuiltIn::Stopped),
        ControlBasis::Read(Mode::Normal | Mode::RulesOnly) => {}
    }
    if let (Some(policy), Some(control)) = (subject.policy(), signals.control)
        && control.forbids(&policy.name, policy.hash)
    {
        find(BuiltIn::PolicyMissing);
    }
    if decision.late && subject.policy().is_some_and(|policy| policy.on_late == OnLate::Hold) {
        find(BuiltIn::Late);
    }
    found
}

/// So many rules in a row are evaluated under one reading of the clock.
const TIMED_TOGETHER: usize = 16;

/// One policy's triggers on one event.
struct Run<'r> {
    policy: &'r Policy,
    event: &'r Event<'r>,
    /// What the monitor said of this policy.
    said: Option<&'r PolicySignals>,
    occasion: Occasion,
    references: &'r dyn References,
    /// The meter after the trigger before.
    spent: Duration,
    /// Whether it is held whatever the reviewers' capacity.
    must: Holds,
    /// Whether something was found that holds unless there is a capacity, which then decides.
    would: Holds,
    decision: &'r mut Decision,
}

impl Run<'_> {
    /// All of them: samples last, since they draw from what the others would release.
    fn triggers(mut self, meter: &mut dyn FnMut() -> Duration) -> Holds {
        let policy = self.policy;
        self.look_at_the_subject();
        let mut most_unsure: Option<Part> = None;
        let mut sampled = false;
        let (mut rest, mut alone_until) = (0, 0);
        while let Some(trigger) = policy.triggers.get(rest) {
            let rules = policy.triggers[rest..].iter().take(TIMED_TOGETHER).take_while(|trigger| trigger.is_rule()).count();
            if rules > 1 && rest >= alone_until {
                if self.rules_in_time(rest..rest + rules, meter) {
                    rest += rules;
                    continue;
                }
                alone_until = rest + rules;
            }
            match &trigger.kind {
                TriggerKind::Rule(condition) => {
                    let measurement = rule::measure(condition, self.event);
                    self.judge_metered(rest, measurement, meter(), &mut most_unsure);
                }
                TriggerKind::Confidence(limits) => {
                    let measurement = confidence::measure(limits, self.event);
                    self.judge_metered(rest, measurement, meter(), &mut most_unsure);
                }
                TriggerKind::Anomaly(_) | TriggerKind::Fairness(_) if self.rules_only() => self.skip(rest),
                TriggerKind::Anomaly(settings) => self.anomaly(rest, *settings, meter),
                TriggerKind::Fairness(_) => self.fairness(rest, meter),
                TriggerKind::Contradiction(rule) => {
                    let measurement = self.contradiction(rest, rule);
                    self.judge_metered(rest, measurement, meter(), &mut most_unsure);
                }
                TriggerKind::Sample(_) => sampled = true,
            }
            rest += 1;
        }
        self.decision.priority.parts.extend(most_unsure);
        let holds = self.within_capacity();
        if sampled {
            self.draw(holds == Holds::No, meter);
        }
        self.decision.mandatory = self.must == Holds::Yes;
        if self.must == Holds::Yes { Holds::Yes } else { holds }
    }

    /// Whose event it is and what it would mean for them: asked once, and only under a policy with a profile.
    fn look_at_the_subject(&mut self) {
        let Some(trained) = &self.policy.trained else { return };
        self.decision.event = Some(EventHash::of(self.event.event_id()));
        self.decision.favourable =
            self.policy.adverse.as_ref().and_then(|adverse| adverse.holds(self.event).ok()).map(|adverse| !adverse);
        self.decision.incidents.extend(fairness::concerning(self.said, trained, self.event).map(|(id, _)| id));
    }

    /// Whether operators ordered that statistical triggers are skipped.
    fn rules_only(&self) -> bool {
        self.decision.control == ControlBasis::Read(Mode::RulesOnly)
    }

    fn skip(&mut self, place: usize) {
        self.decision.results.push(TriggerResult::plain(TriggerRef::Policy(place), ResultKind::Skipped));
    }

    /// How unlike the training data the input is.
    fn anomaly(&mut self, place: usize, settings: Anomaly, meter: &mut dyn FnMut() -> Duration) {
        let Some(trained) = &self.policy.trained else {
            let without = Measurement::Error(Unmeasured::Because("the policy has no profile"));
            self.judge_metered(place, without, meter(), &mut None);
            return;
        };
        let (profile, event) = (trained.profile(), self.event);
        let found = anomaly::score(profile, |feature| trained.feature(event, feature), &mut self.decision.scratch);
        let fresh = self.said.filter(|_| settings.recalibrate).and_then(|said| said.calibration_for(self.policy.hash));
        let value = fresh.map_or(profile.calibration(), |fresh| &fresh.calibration).p(found.score);
        let measurement = Measurement::Measured { value, risk: anomaly::risk(value), hit: value <= settings.alpha };
        let mut part = None;
        let noted = self.judge_metered(place, measurement, meter(), &mut part);
        self.decision.priority.parts.extend(part);
        let Some(noted) = noted else { return };
        // A look that came too late is none: the monitor must not take its score for an ordinary one.
        if matches!(self.decision.results[noted].result, ResultKind::Hit | ResultKind::Miss) {
            self.decision.anomaly = Some(found);
        }
        if self.decision.results[noted].result == ResultKind::Hit || self.decision.detailed {
            let value_of = |unusual: &Unusual| trained.feature(event, unusual.feature);
            let told = self.decision.told.tell(|sentence, details| unusual::tell(&found, profile, value_of, sentence, details));
            self.decision.results[noted].told = told;
        }
    }

    /// Whether an incident about the subject's group is open, and the prediction is adverse. Of several the one counts whose
    /// statistic went furthest.
    fn fairness(&mut self, place: usize, meter: &mut dyn FnMut() -> Duration) {
        let concerning = self.policy.trained.iter().flat_map(|trained| fairness::concerning(self.said, trained, self.event));
        let worst = concerning.max_by(|(_, one), (_, other)| one.statistic.total_cmp(&other.statistic));
        let measurement = match (self.decision.favourable, worst) {
            (None, _) => Measurement::Error(Unmeasured::Because("whether the prediction is adverse cannot be told")),
            (Some(false), Some((_, incident))) => {
                Measurement::Measured { value: incident.statistic, risk: fairness::RISK, hit: true }
            }
            (Some(_), _) => Measurement::NothingMeasured,
        };
        let mut part = None;
        let noted = self.judge_metered(place, measurement, meter(), &mut part);
        self.decision.priority.parts.extend(part);
        if let (Some(noted), Some((id, incident))) = (noted, worst)
            && self.decision.results[noted].result == ResultKind::Hit
        {
            let told = self.decision.told.tell(|sentence, details| fairness::tell(id, incident, sentence, details));
            let result = &mut self.decision.results[noted];
            (result.limit, result.told) = (Some(incident.threshold), told);
        }
    }

    /// Whether what was found holds. Where reviewers have a capacity, the decision's rank among those of the calibration says
    /// it, and what was found only through the rank.
    fn within_capacity(&mut self) -> Holds {
        let (Some(trained), Some(event)) = (&self.policy.trained, self.decision.event) else { return self.would };
        let priority = single(self.decision.priority.probability());
        let quantile = capacity::quantile(trained.profile().priorities(), priority, event.draw());
        let capacity = self.policy.capacity.filter(|_| !self.rules_only());
        let published = self.said.and_then(|said| said.threshold_for(self.policy.hash));
        let threshold = capacity.map(|rate| published.unwrap_or(1.0 - rate));
        self.decision.rank = Some(Rank { priority, quantile, threshold });
        let Some(threshold) = threshold else { return self.would };
        if quantile <= threshold {
            return Holds::No;
        }
        let trigger = TriggerRef::BuiltIn(BuiltIn::Capacity);
        let finding =
            TriggerResult { value: Some(quantile), limit: Some(threshold), ..TriggerResult::plain(trigger, ResultKind::Hit) };
        let built_in = self.decision.results.iter().take_while(|result| matches!(result.trigger, TriggerRef::BuiltIn(_))).count();
        self.decision.results.insert(built_in, finding);
        Holds::Yes
    }

    /// Evaluates the rules at these places under one reading of the clock, which costs as much as a rule. Where all of them
    /// together took longer than one of them may, nothing is noted and they must be evaluated one by one: whoever is out of
    /// its budget then is so by its own work.
    fn rules_in_time(&mut self, places: Range<usize>, meter: &mut dyn FnMut() -> Duration) -> bool {
        let rules = &self.policy.triggers[places.clone()];
        let mut found = [Measurement::Found(false); TIMED_TOGETHER];
        let mut least = Duration::MAX;
        for (measurement, trigger) in found.iter_mut().zip(rules) {
            if let TriggerKind::Rule(condition) = &trigger.kind {
                *measurement = rule::measure(condition, self.event);
            }
            least = least.min(trigger.budget);
        }
        let now = meter();
        let took = now.saturating_sub(std::mem::replace(&mut self.spent, now));
        if took > least {
            return false;
        }
        for (place, measurement) in places.zip(found) {
            self.judge(place, measurement, took, &mut None);
        }
        true
    }

    /// Looks at what is trusted about the event's subject, and remembers the record for whoever writes about the decision.
    fn contradiction(&mut self, place: usize, rule: &Contradiction) -> Measurement {
        let Some(subject) = self.event.subject_id() else {
            return Measurement::Error(Unmeasured::Because("subject_id is missing"));
        };
        // Triggers that ask the same reference about one event are told the same, whatever it learns meanwhile.
        let asked = self.decision.consulted.iter().find(|consulted| self.asks(consulted.trigger, &rule.reference));
        let trusted = match asked.map(|consulted| &consulted.record) {
            Some(Some(record)) => Trusted::Record(Arc::clone(record)),
            _ => self.references.look(&rule.reference, subject),
        };
        let (record, found, measurement) = match trusted {
            Trusted::Record(record) => {
                let (found, measurement) = self.compared(rule, &record);
                (Some(record), found, measurement)
            }
            Trusted::NoRecord if rule.on_absent == OnAbsent::Hold => {
                self.must = Holds::Yes;
                (None, Contradictions::default(), Measurement::Error(Unmeasured::Because(NO_REFERENCE)))
            }
            Trusted::NoRecord => (None, Contradictions::default(), Measurement::Absent(NO_REFERENCE)),
            Trusted::NotReady(why) => (None, Contradictions::default(), Measurement::Error(Unmeasured::Because(why))),
            Trusted::Late => (None, Contradictions::default(), Measurement::Late(LOOKUP_LATE)),
        };
        self.decision.consulted.push(Consulted { trigger: place, record, found });
        measurement
    }

    fn asks(&self, place: usize, reference: &str) -> bool {
        matches!(&self.policy.triggers[place].kind, TriggerKind::Contradiction(rule) if rule.reference == reference)
    }

    fn compared(&self, rule: &Contradiction, record: &TrustedRecord) -> (Contradictions, Measurement) {
        let age = record.as_of().map(|as_of| self.occasion.now.0.saturating_sub(as_of.0));
        let is_too_old = |max: Duration| age.is_some_and(|age| i64::try_from(max.as_millis()).is_ok_and(|max| age > max));
        if rule.max_age.is_some_and(is_too_old) {
            return (Contradictions::default(), Measurement::Absent(REFERENCE_TOO_OLD));
        }
        let found = contradiction::measure(rule, self.event, record);
        let measurement = match found.failed {
            Some(why) if !found.is_hit() => Measurement::Error(why),
            _ => Measurement::Found(found.is_hit()),
        };
        (found, measurement)
    }

    /// Draws from what would be `released`.
    fn draw(&mut self, released: bool, meter: &mut dyn FnMut() -> Duration) {
        let released = released && self.must == Holds::No;
        let policy = self.policy;
        for (place, trigger) in policy.triggers.iter().enumerate() {
            let TriggerKind::Sample(rate) = trigger.kind else { continue };
            let measurement =
                if released { sample::measure(rate, &trigger.id, self.occasion.id) } else { Measurement::Found(false) };
            self.judge_metered(place, measurement, meter(), &mut None);
        }
    }

    /// [`Run::judge`] of a trigger that alone has passed the time since the last reading of the clock.
    fn judge_metered(
        &mut self,
        place: usize,
        measurement: Measurement,
        meter: Duration,
        most_unsure: &mut Option<Part>,
    ) -> Option<usize> {
        let took = meter.saturating_sub(std::mem::replace(&mut self.spent, meter));
        self.judge(place, measurement, took, most_unsure)
    }

    /// Notes one trigger's result, whether it holds, and its factor of the priority. Several confidence triggers look at the
    /// same doubt, so only the largest of their factors counts: it is left in `most_unsure`. The place of the result in the
    /// decision's, where it is listed there.
    fn judge(&mut self, index: usize, measurement: Measurement, took: Duration, most_unsure: &mut Option<Part>) -> Option<usize> {
        let trigger = &self.policy.triggers[index];
        let trigger_ref = TriggerRef::Policy(index);
        let (mut value, mut error) = (None, None);
        let result = match measurement {
            _ if took > trigger.budget => {
                error = Some(Unmeasured::Because("took longer than its budget"));
                ResultKind::Timeout
            }
            Measurement::Error(why) => {
                error = Some(why);
                ResultKind::Error
            }
            Measurement::Late(why) => {
                error = Some(Unmeasured::Because(why));
                ResultKind::Timeout
            }
            Measurement::Absent(why) => {
                error = Some(Unmeasured::Because(why));
                ResultKind::Miss
            }
            Measurement::NothingMeasured => ResultKind::Miss,
            Measurement::Found(false) => {
                self.decision.missed.push(index);
                return None;
            }
            Measurement::Found(true) => {
                self.decision.priority.parts.push(Part::new(trigger_ref, trigger.plain_risk(), 1.0));
                ResultKind::Hit
            }
            Measurement::Measured { value: measured, risk, hit } => {
                value = Some(measured);
                let part = Part::new(trigger_ref, risk, trigger.weight());
                if most_unsure.is_none_or(|most| part.factor() > most.factor()) {
                    *most_unsure = Some(part);
                }
                if hit { ResultKind::Hit } else { ResultKind::Miss }
            }
        };
        if matches!(result, ResultKind::Error | ResultKind::Timeout) {
            self.decision.priority.parts.push(Part::new(trigger_ref, trigger.failed_risk(), 1.0));
        }
        if holding(trigger, result) == Holds::Yes {
            let sampled = matches!(trigger.kind, TriggerKind::Sample(_));
            let found = if result != ResultKind::Hit || trigger.mandatory || sampled { &mut self.must } else { &mut self.would };
            *found = Holds::Yes;
        }
        let limit = match &trigger.kind {
            TriggerKind::Confidence(limits) => Some(limit(limits.limit)),
            TriggerKind::Anomaly(anomaly) => Some(anomaly.alpha),
            TriggerKind::Rule(_) | TriggerKind::Fairness(_) | TriggerKind::Contradiction(_) | TriggerKind::Sample(_) => None,
        };
        self.decision.results.push(TriggerResult { value, limit, error, ..TriggerResult::plain(trigger_ref, result) });
        Some(self.decision.results.len() - 1)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "seven digits are enough to rank by")]
const fn single(value: f64) -> f32 {
    value as f32
}

const fn limit(limit: Limit) -> f64 {
    match limit {
        Limit::Below(limit) | Limit::Above(limit) => limit,
    }
}

fn holding(trigger: &Trigger, result: ResultKind) -> Holds {
    let fault = match result {
        ResultKind::Hit => return Holds::Yes,
        ResultKind::Miss | ResultKind::Skipped => return Holds::No,
        ResultKind::Error => trigger.on_error,
        ResultKind::Timeout => trigger.on_timeout,
    };
    match fault {
        Missed::Hold => Holds::Yes,
        Missed::Skip => Holds::No,
    }
}

#[cfg(test)]
mod tests;
