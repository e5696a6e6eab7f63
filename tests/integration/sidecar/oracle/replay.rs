//! Replays the verdicts of each lane in their order, and holds the lane's entries against what must have come of them.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use super::command::{self, Command, Signed};
use super::model::{Case, Lapse};
use super::{Entry, Judge, measure};
use crate::gate::books::Record;
use crate::gate::oracle::Extent;
use crate::gate::oracle::rules::rfc3339;

/// What must come of a command.
enum Outcome {
    /// It is a repeat of an applied one.
    Nothing,
    /// It lies in another lane than its decision's.
    Forwarded,
    Applied,
    /// Refused, with one of these codes: the first is what must be, the others are tolerated where the contract is silent.
    Refused(Vec<&'static str>),
    /// What is left in Kafka does not tell.
    Unknown,
}

/// A lane on its way through its verdicts.
struct Walk<'e, 'b> {
    lane: i32,
    entries: std::iter::Peekable<std::slice::Iter<'e, Entry<'b>>>,
    /// The last entry's time, and the latest append time of a command.
    at: i64,
    appended: i64,
    /// Cases that the sidecar certainly knows, with their next deadlines: in order of time, and by case.
    deadlines: BTreeSet<(i64, String)>,
    next: HashMap<String, i64>,
}

impl<'e, 'b> Walk<'e, 'b> {
    fn begin(lane: i32, entries: &'e [Entry<'b>]) -> Self {
        let (deadlines, next) = (BTreeSet::new(), HashMap::new());
        Self { lane, entries: entries.iter().peekable(), at: i64::MIN, appended: i64::MIN, deadlines, next }
    }

    /// The next deadline of a case; none when it is closed.
    fn wait_for(&mut self, id: &str, deadline: Option<i64>) {
        if let Some(before) = self.next.remove(id) {
            self.deadlines.remove(&(before, id.to_owned()));
        }
        if let Some(deadline) = deadline {
            self.next.insert(id.to_owned(), deadline);
            self.deadlines.insert((deadline, id.to_owned()));
        }
    }
}

impl<'b> Judge<'b> {
    /// Every lane from its first verdict to its last.
    pub(super) fn replay(&mut self) {
        let lanes = std::mem::take(&mut self.lanes);
        for lane in 0..i32::from(self.terms.lanes) {
            let entries = lanes.get(&lane).map_or(&[][..], Vec::as_slice);
            self.replay_lane(lane, entries);
        }
        self.lanes = lanes;
        let Some(settled) = self.terms.settled_at else { return };
        let overdue = |case: &Case| case.deadlines().first().is_some_and(|(deadline, _)| *deadline < settled);
        let ids: BTreeSet<&String> =
            self.held.iter().filter(|(_, held)| held.case.as_ref().is_some_and(overdue)).map(|(id, _)| id).collect();
        let found: Vec<String> =
            ids.into_iter().map(|id| format!("audit: a deadline of {id} has passed and nothing came of it")).collect();
        self.violations.extend(found);
    }

    fn replay_lane(&mut self, lane: i32, entries: &[Entry<'b>]) {
        let through = self.applied_through(lane);
        let gaps: Vec<(i64, i64)> = entries.iter().filter(|entry| entry.kind() == "GAP").map(gap).collect();
        let mut walk = Walk::begin(lane, entries);
        let mut last = (-1, i64::MIN);
        for record in self.books.verdicts.iter().filter(|record| record.partition == lane) {
            if gaps.iter().any(|(first, last)| (*first..=*last).contains(&record.offset)) {
                continue;
            }
            if self.terms.extent == Extent::SoFar && record.offset > through {
                break;
            }
            self.step(&mut walk, record);
            last = (record.offset, walk.appended);
        }
        self.until_command(&mut walk);
        for entry in walk.entries {
            self.blame(format!("audit: {} is about a verdict that is not there, or was handled before", entry.record.key_text()));
        }
        let skipped = gaps.iter().map(|(_, last)| *last).max().unwrap_or(-1);
        self.through.insert(lane, (last.0.max(skipped), last.1));
    }

    /// One verdict and what came of it.
    fn step(&mut self, walk: &mut Walk<'_, 'b>, record: &Record) {
        self.until_command(walk);
        while walk.entries.peek().and_then(|entry| entry.offset()).is_some_and(|offset| offset < record.offset) {
            let key = walk.entries.next().map(|entry| entry.record.key_text()).unwrap_or_default();
            self.blame(format!("audit: {key} is about a verdict that is not there, or was handled before"));
            self.until_command(walk);
        }
        let appended = record.time_ms.unwrap_or(0);
        walk.appended = walk.appended.max(appended);
        let (offset, place) = (record.offset, format!("verdicts {}/{}", walk.lane, record.offset));
        let entry = walk.entries.next_if(|entry| entry.offset() == Some(offset));
        let read = command::read(record.bytes());
        let signed = read.as_ref().map(|command| command::signed(record, command, self.terms));
        match (self.outcome(walk.lane, record, read.as_ref(), signed.as_ref()), entry) {
            (Outcome::Unknown, Some(entry)) if entry.kind() != "REFUSED" => {
                self.follow(walk, entry, read.as_ref(), signed.as_ref());
            }
            (Outcome::Unknown, _) | (Outcome::Nothing, None) => {}
            (Outcome::Nothing, Some(entry)) => self.blame(format!("{place} repeats an applied command, and has {}", told(entry))),
            (Outcome::Forwarded, None) => {
                let lane = self.home(record).unwrap_or(-1);
                *self.misplaced.entry((lane, record.bytes().to_vec())).or_default() += 1;
            }
            (Outcome::Forwarded, Some(entry)) => self.blame(format!("{place} belongs to another lane, and has {}", told(entry))),
            (Outcome::Applied, None) => self.blame(format!("{place} must be applied, and has no entry")),
            (Outcome::Refused(codes), None) => self.blame(format!("{place} must be refused as {}, and has no entry", codes[0])),
            (Outcome::Refused(codes), Some(entry)) if entry.kind() == "REFUSED" => {
                self.overdue(walk, entry.id(), appended, &place);
                self.refused(entry, record, read.as_ref(), (&codes, signed.as_ref()));
                self.lane_time(walk, entry, appended);
            }
            (Outcome::Refused(codes), Some(entry)) => {
                self.blame(format!("{place} must be refused as {}, and has {}", codes[0], told(entry)));
                self.follow(walk, entry, read.as_ref(), signed.as_ref());
            }
            (Outcome::Applied, Some(entry)) if entry.kind() == "REFUSED" => {
                self.blame(format!("{place} must be applied, and has {}", told(entry)));
            }
            (Outcome::Applied, Some(entry)) => {
                self.overdue(walk, entry.id(), appended, &place);
                self.lane_time(walk, entry, appended);
                self.follow(walk, entry, read.as_ref(), signed.as_ref());
            }
        }
    }

    /// What must come of a command, as everything stands.
    fn outcome(&self, lane: i32, record: &Record, command: Option<&Command>, signed: Option<&Signed>) -> Outcome {
        let over = record.bytes().len() > self.terms.max_bytes;
        let away = self.home(record).is_some_and(|home| home != lane);
        // Whether what may not count is looked into before it is forwarded, the contract leaves open.
        if away && !self.refused_at.contains_key(&(lane, record.offset)) {
            return Outcome::Forwarded;
        }
        let Some((command, signed)) = command.zip(signed) else {
            return Outcome::Refused(if over { vec!["malformed", "too-large"] } else { vec!["malformed"] });
        };
        if over || command.has_text_over(self.terms.max_text) {
            return Outcome::Refused(vec!["too-large"]);
        }
        if !signed.counts {
            return Outcome::Refused(vec!["bad-signature"]);
        }
        if away {
            return Outcome::Forwarded;
        }
        let Some(held) = self.held.get(&command.decision_id) else { return Outcome::Refused(vec!["unknown-case"]) };
        let Some(case) = &held.case else { return Outcome::Unknown };
        let appended = record.time_ms.unwrap_or(0);
        let forgotten = case.closed_at.is_some_and(|closed| appended >= closed + self.terms.keep_closed);
        if case.has_applied(&command.id) {
            return if forgotten { Outcome::Unknown } else { Outcome::Nothing };
        }
        let strict = self.refused_at.get(&(lane, record.offset)).is_some_and(|error| error == "not-in-group");
        if strict && command.action == "reassign" && case.is_open() && !command.is_in(&case.groups) {
            // Whether a lead needs a group of the case besides, the contract leaves open.
            return Outcome::Refused(vec!["not-in-group"]);
        }
        match case.refuses(command, self.terms.max_commands) {
            Some(code) if forgotten => Outcome::Refused(vec![code, "unknown-case"]),
            Some(code) if appended < case.opened_at => Outcome::Refused(vec![code, "unknown-case"]),
            Some(code) => Outcome::Refused(vec![code]),
            None if appended < case.opened_at => Outcome::Unknown,
            None => Outcome::Applied,
        }
    }

    /// The lane of the decision that a command names, as far as it can be read.
    fn home(&self, record: &Record) -> Option<i32> {
        let value: Value = serde_json::from_slice(record.bytes()).ok()?;
        let id = value["decision_id"].as_str().filter(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        measure::lane(id, self.terms.lanes)
    }

    /// What only time did, up to the next entry about a command.
    fn until_command(&mut self, walk: &mut Walk<'_, 'b>) {
        while let Some(entry) = walk.entries.next_if(|entry| entry.offset().is_none()) {
            walk.at = walk.at.max(entry.at());
            if entry.kind() != "GAP" {
                self.lapse(walk, entry);
            }
        }
    }

    /// An entry of which no person is the cause.
    fn lapse(&mut self, walk: &mut Walk<'_, 'b>, entry: &Entry<'b>) {
        let (id, key, at) = (entry.id().to_owned(), entry.record.key_text(), entry.at());
        let lapse = match entry.kind() {
            "UNCLAIMED" => Lapse::Lease,
            "ESCALATED" => Lapse::Escalation,
            "EXPIRED" => Lapse::Expiry,
            kind => return self.blame(format!("audit: {key} is {kind}, and no command asked for it")),
        };
        let Some(mut case) = self.held.get(&id).and_then(|held| held.case.clone()) else { return };
        let ahead = case.deadlines();
        match ahead.iter().find(|(_, kind)| *kind == lapse) {
            None => self.blame(format!("audit: {key} is {}, and no such time was running: {ahead:?}", entry.kind())),
            Some((deadline, _)) => {
                if at < *deadline {
                    self.blame(format!("audit: {key} is {} at {}, before {}", entry.kind(), rfc3339(at), rfc3339(*deadline)));
                }
                // A share of the way may be rounded either way.
                let sooner = ahead.first().filter(|(first, _)| first + 1 < *deadline).map(|(first, _)| (*first, id.clone()));
                let other = walk.deadlines.first().filter(|(first, other)| first + 1 < *deadline && *other != id).cloned();
                if let Some((first, of)) = sooner.or(other) {
                    let (first, deadline) = (rfc3339(first), rfc3339(*deadline));
                    self.blame(format!("audit: {key} acts on {deadline} while {first} of {of} has passed before"));
                }
            }
        }
        let before = case.state;
        let (kind, reason) = case.lapse(lapse, at);
        let nobody = json!({ "type": "system", "id": "sidecar" });
        let own = [
            ("actor", nobody),
            ("command_id", Value::Null),
            ("channel", Value::Null),
            ("signed_by", Value::Null),
            ("verdict", Value::Null),
            ("reason", Value::from(reason)),
        ];
        for (name, expected) in own {
            self.expect(|| format!("audit: {name} of {key}"), &entry.value[name], &expected);
        }
        self.settle(walk, entry, case, (kind, before));
    }

    /// Applies the command to the case, and compares the entry with what came of it.
    fn follow(&mut self, walk: &mut Walk<'_, 'b>, entry: &Entry<'b>, command: Option<&Command>, signed: Option<&Signed>) {
        let (Some(command), Some(signed)) = (command, signed) else { return };
        let Some(mut case) = self.held.get(&command.decision_id).and_then(|held| held.case.clone()) else { return };
        let (key, before) = (entry.record.key_text(), case.state);
        let kind = case.apply(command, entry.at());
        let hash = |text: &Option<String>| text.as_ref().map(|text| measure::text_hash(&case.salt, text));
        let own = [
            ("decision_id", json!(command.decision_id)),
            ("actor", json!({ "type": "reviewer", "id": command.reviewer })),
            ("verdict", json!({ "partition": walk.lane, "offset": entry.offset() })),
            ("reason", json!(command.code)),
            ("channel", json!(command.channel)),
            ("signed_by", json!(signed.by)),
            ("text_sha256", json!(hash(&command.text))),
            ("corrected_sha256", json!(hash(&command.corrected))),
            ("judgement_sha256", json!(hash(&command.judgement.clone().filter(|_| command.action == "judge")))),
        ];
        for (name, expected) in own {
            self.expect(|| format!("audit: {name} of {key}"), &entry.value[name], &expected);
        }
        self.command_id(entry, Some(command));
        if let Some(held) = self.held.get_mut(&command.decision_id) {
            held.texts.extend([&command.text, &command.corrected, &command.judgement].into_iter().flatten().cloned());
        }
        self.settle(walk, entry, case, (kind, before));
    }

    /// What the entry says of the case after the change; from here on that is the case.
    fn settle(&mut self, walk: &mut Walk<'_, 'b>, entry: &Entry<'b>, mut case: Case, (kind, before): (&'static str, &str)) {
        let (id, key) = (entry.id().to_owned(), entry.record.key_text());
        case.entered(kind, &entry.hash);
        if !case.is_open() && entry.value["assignee"].is_null() {
            case.assignee = None;
        }
        let members = case.members();
        let expected = [("kind", json!(kind)), ("previous_state", json!(before)), ("seq", json!(case.seq))];
        let of_case = ["state", "band", "assignee", "groups"].map(|name| (name, members[name].clone()));
        for (name, expected) in expected.into_iter().chain(of_case) {
            self.expect(|| format!("audit: {name} of {key}"), &entry.value[name], &expected);
        }
        walk.wait_for(&id, case.deadlines().first().map(|(deadline, _)| *deadline));
        if let Some(held) = self.held.get_mut(&id) {
            held.snapshots.push(members);
            held.case = Some(case);
        }
    }

    /// An entry about a command has the latest of the time before and the command's append time.
    fn lane_time(&mut self, walk: &mut Walk<'_, 'b>, entry: &Entry<'b>, appended: i64) {
        let (least, most, at) = (walk.at.max(appended), walk.at.max(walk.appended), entry.at());
        if !(least..=most).contains(&at) {
            let (least, most) = (rfc3339(least), rfc3339(most));
            self.blame(format!("audit: at of {} is {}, not within {least} and {most}", entry.record.key_text(), rfc3339(at)));
        }
        walk.at = walk.at.max(at);
    }

    /// Deadlines that have passed when a command was appended act before it. Of cases without an entry it is not certain that
    /// the sidecar knew them then, but for the one that the command is about.
    fn overdue(&mut self, walk: &Walk<'_, 'b>, id: &str, appended: i64, place: &str) {
        let own = self.held.get(id).and_then(|held| held.case.as_ref()).and_then(|case| case.deadlines().first().copied());
        let own = own.map(|(deadline, _)| (deadline, id.to_owned()));
        let first = walk.deadlines.first().cloned().into_iter().chain(own).min().filter(|(deadline, _)| *deadline < appended);
        if let Some((deadline, of)) = first {
            self.blame(format!("audit: {place} was judged while {} of {of} had passed", rfc3339(deadline)));
        }
    }

    fn command_id(&mut self, entry: &Entry<'b>, command: Option<&Command>) {
        let actual = entry.value["command_id"].as_str().map(str::to_ascii_lowercase);
        let expected = command.map(|command| command.id.clone());
        self.expect(|| format!("audit: command_id of {}", entry.record.key_text()), &actual, &expected);
    }

    fn refused(
        &mut self,
        entry: &Entry<'b>,
        record: &Record,
        command: Option<&Command>,
        (codes, signed): (&[&str], Option<&Signed>),
    ) {
        let (key, value) = (entry.record.key_text(), &entry.value);
        let error = value["error"].as_str().unwrap_or_default();
        if !codes.contains(&error) {
            self.blame(format!("audit: error of {key} is {error:?}, not {:?}", codes[0]));
        }
        self.expect(|| format!("audit: the actor of {key}"), &value["actor"]["type"], &json!("reviewer"));
        let key_id = json!(signed.and_then(|signed| signed.by.clone()));
        let early = ["malformed", "too-large", "bad-signature"].contains(&error);
        if value["signed_by"] != key_id && !(early && value["signed_by"].is_null()) {
            self.blame(format!("audit: signed_by of {key} is {}, not {key_id}", value["signed_by"]));
        }
        // Of what is malformed or too large as a whole, nothing need have been read.
        let sure = command.is_some() && record.bytes().len() <= self.terms.max_bytes;
        let loose: Value = serde_json::from_slice(record.bytes()).unwrap_or_default();
        let said = [
            ("decision_id", &value["decision_id"], &loose["decision_id"]),
            ("command_id", &value["command_id"], &loose["command_id"]),
            ("actor.id", &value["actor"]["id"], &loose["reviewer"]["id"]),
            ("action", &value["action"], &loose["action"]),
            ("channel", &value["channel"], &loose["channel"]),
        ];
        for (name, actual, given) in said {
            let same = actual == given || name == "command_id" && lower(actual) == lower(given);
            let read = actual.as_str().is_some_and(|text| String::from_utf8_lossy(record.bytes()).contains(text));
            if !same && (sure || !actual.is_null() && !read) {
                self.blame(format!("audit: {name} of {key} is {actual}, not {given}"));
            }
        }
    }

    /// Each command that lay elsewhere has a copy in its own lane.
    pub(super) fn forwarded(&mut self) {
        let misplaced = std::mem::take(&mut self.misplaced);
        let mut copies: HashMap<(i32, &[u8]), usize> = HashMap::new();
        for record in &self.books.verdicts {
            *copies.entry((record.partition, record.bytes())).or_default() += 1;
        }
        for ((lane, value), count) in misplaced {
            let copies = copies.get(&(lane, value.as_slice())).copied().unwrap_or(0);
            let what = String::from_utf8_lossy(&value);
            self.expect(|| format!("verdicts: how many copies in lane {lane} of {what}"), &copies, &count);
        }
    }
}

fn lower(value: &Value) -> Option<String> {
    value.as_str().map(str::to_ascii_lowercase)
}

fn told(entry: &Entry<'_>) -> String {
    format!("the entry {} of kind {} ({})", entry.record.key_text(), entry.kind(), entry.value["error"])
}

fn gap(entry: &Entry<'_>) -> (i64, i64) {
    let number = |name: &str| entry.value["input"][name].as_i64().unwrap_or(-1);
    (number("first_offset"), number("last_offset"))
}
