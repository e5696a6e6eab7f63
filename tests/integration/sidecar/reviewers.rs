//! A crew of simulated reviewers: they follow the cases and give commands, most of them in earnest, some wrong in every way
//! that the contract names. What must come of each, only the oracle says.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::office::{ANN, BOB, Board, CAT, EVE, FORGER, KIM, LANES, LEA, Office, Person, Signer, command, command_id, input};
use super::oracle::measure;
use crate::gate::dice::Dice;
use crate::gate::events::{Input, Player};

/// Who works; the last two should not.
const CREW: [Person; 6] = [ANN, BOB, CAT, LEA, EVE, KIM];

/// How hard they work.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Reviewers at once.
    pub reviewers: usize,
    /// The longest pause of each between two commands.
    pub pause: Duration,
    /// How many of a hundred commands are wrong on purpose.
    pub wrong: u64,
}

/// What a crew shares.
struct Desk<'o> {
    bootstrap: &'o str,
    topic: &'o str,
    lanes: u16,
    /// Who signs, where commands need a signature.
    signer: Option<&'static Signer>,
    /// Open cases and some closed ones, as they were a moment ago.
    cases: Mutex<BTreeMap<String, Value>>,
    sent: AtomicUsize,
}

/// Lets a crew work until `done`; how many commands they gave.
pub fn work(office: &Office, pace: Pace, dice: &Dice, done: &AtomicBool) -> usize {
    let desk = Desk {
        bootstrap: office.bootstrap(),
        topic: &office.terms.verdicts,
        lanes: office.terms.lanes,
        signer: office.signer,
        cases: Mutex::default(),
        sent: AtomicUsize::new(0),
    };
    let cases = office.topic("cases");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut board = Board::new(desk.bootstrap, &cases);
            while !done.load(Ordering::Relaxed) {
                let changed = board.look();
                let mut shown = desk.cases.lock().unwrap_or_else(PoisonError::into_inner);
                for id in changed {
                    match board.cases.get(&id) {
                        Some(case) => drop(shown.insert(id, case.clone())),
                        None => drop(shown.remove(&id)),
                    }
                }
                thin_out(&mut shown);
            }
        });
        for number in 0..pace.reviewers {
            let (desk, dice) = (&desk, dice.branch(u64::try_from(number).expect("a few") + 1));
            scope.spawn(move || Reviewer::new(desk, number, dice).work(pace, done));
        }
    });
    desk.sent.into_inner()
}

/// Closed cases are of little use: late commands meet a few of them.
fn thin_out(shown: &mut BTreeMap<String, Value>) {
    const CLOSED: usize = 50;
    let closed: Vec<String> = shown.iter().filter(|(_, case)| !case["closed_at"].is_null()).map(|(id, _)| id.clone()).collect();
    for id in closed.into_iter().skip(CLOSED) {
        shown.remove(&id);
    }
}

/// One of the crew.
struct Reviewer<'d, 'o> {
    desk: &'d Desk<'o>,
    own: Person,
    dice: Dice,
    player: Player,
    /// Commands of this reviewer that may come again.
    before: Vec<Input>,
}

impl<'d, 'o> Reviewer<'d, 'o> {
    fn new(desk: &'d Desk<'o>, number: usize, dice: Dice) -> Self {
        Self { own: CREW[number % CREW.len()], dice, player: Player::new(desk.bootstrap, desk.topic), desk, before: Vec::new() }
    }

    fn work(mut self, pace: Pace, done: &AtomicBool) {
        let most = u64::try_from(pace.pause.as_millis()).expect("a short pause");
        while !done.load(Ordering::Relaxed) {
            if let Some(case) = self.choose() {
                let input = if self.dice.chance(pace.wrong) { self.wrong(&case) } else { self.earnest(&case) };
                self.player.offer(&input);
                self.desk.sent.fetch_add(1, Ordering::Relaxed);
                if self.before.len() < 64 {
                    self.before.push(input);
                }
            }
            std::thread::sleep(self.dice.millis(0, most));
        }
        // Until all of it is there.
        self.player.play(&[]);
    }

    /// Half of the time one of the first few, so that several meet at one case.
    fn choose(&mut self) -> Option<Value> {
        let cases = self.desk.cases.lock().unwrap_or_else(PoisonError::into_inner);
        let few = if self.dice.chance(50) { cases.len().min(4) } else { cases.len() };
        let place = self.dice.below(u64::try_from(few).ok().filter(|few| *few > 0)?);
        cases.values().nth(usize::try_from(place).expect("less than there are")).cloned()
    }

    /// What a person would do next with the case.
    fn earnest(&mut self, case: &Value) -> Input {
        const PENDING: [&str; 16] = [
            "claim", "claim", "claim", "claim", "claim", "claim", "approve", "approve", "reject", "judge", "judge", "escalate",
            "comment", "unmask", "reassign", "cancel",
        ];
        const OWN: [&str; 12] = [
            "approve", "approve", "approve", "approve", "reject", "reject", "judge", "judge", "escalate", "comment", "unmask",
            "unclaim",
        ];
        const OTHERS: [&str; 8] = ["approve", "approve", "judge", "comment", "claim", "unclaim", "reassign", "escalate"];
        let judged = case["judgements"].as_array().into_iter().flatten().any(|one| one["reviewer"] == self.own.id);
        let mut action = if case["state"] == "PENDING" {
            *self.dice.one_of(&PENDING)
        } else if case["assignee"] == self.own.id {
            *self.dice.one_of(&OWN)
        } else {
            *self.dice.one_of(&OTHERS)
        };
        if case["review"]["blind"] == true && !judged && ["approve", "reject"].contains(&action) && self.dice.chance(80) {
            action = "judge";
        }
        let mut command = command(case, action, self.own);
        if ["approve", "reject", "claim"].contains(&action) && self.dice.chance(30) {
            command["reason"]["text"] =
                json!(format!("{} saw to it, quite thoroughly: ☂ {}", self.own.id, self.dice.below(1_000)));
        }
        match action {
            "reject" if self.dice.chance(50) => command["corrected"] = json!({ "prediction": "no", "income": 48_000.5 }),
            "escalate" if self.dice.chance(30) => {
                command["to"] = json!(*self.dice.one_of(&["night-shift", "group:leads", "underwriting"]));
            }
            "reassign" => {
                command["to"] = json!(*self.dice.one_of(&["bob", "user:cat", "group:underwriting", "underwriting", "leads"]));
            }
            _ => {}
        }
        self.at_home(&command)
    }

    /// Signed, and for the lane of its case.
    fn at_home(&self, command: &Value) -> Input {
        let lane = command["decision_id"].as_str().and_then(|id| measure::lane(id, self.desk.lanes));
        self.for_lane(lane.unwrap_or(0), command.to_string().as_bytes())
    }

    fn for_lane(&self, lane: i32, value: &[u8]) -> Input {
        let signature = self.desk.signer.map(|signer| signer.sign(self.desk.topic, value));
        input(lane, Some(value), signature)
    }

    /// A command that is wrong in some way; not always in one that matters for this case.
    fn wrong(&mut self, case: &Value) -> Input {
        let action =
            *self.dice.one_of(&["claim", "approve", "reject", "judge", "escalate", "comment", "unmask", "unclaim", "reassign"]);
        let mut command = command(case, action, self.own);
        match self.dice.below(16) {
            0 if !self.before.is_empty() => return self.dice.one_of(&self.before).clone(),
            0 | 1 => command["seen"] = json!({ "seq": 0, "hash": "ab".repeat(32) }),
            2 => command["reviewer"]["groups"] = json!(["marketing"]),
            3 => command["reviewer"]["id"] = case["subject_id"].clone(),
            4 => command["reviewer"]["id"] = case["requested_by"].clone(),
            5 => command["decision_id"] = json!(format!("{:04x}{}", self.dice.below(65_536), "0123456789ab".repeat(2) + "cdef")),
            6 => command["reason"] = json!({ "code": "because" }),
            7 => command["reason"] = json!({ "text": "no code at all" }),
            8 => command["reason"] = json!({ "code": "confirmed", "text": "x".repeat(4_097) }),
            9 => command["more"] = json!("x".repeat(70_000)),
            10 | 11 => return self.malformed(command),
            12 => return self.forged(&command),
            13 | 14 => {
                // Once, and with an id of its own: the oracle counts the copies.
                let home = command["decision_id"].as_str().and_then(|id| measure::lane(id, self.desk.lanes)).unwrap_or(0);
                let away = i32::try_from(self.dice.below(2)).expect("small") + 1;
                command["command_id"] = json!(command_id());
                return Input { key: None, ..self.for_lane((home + away) % LANES, command.to_string().as_bytes()) };
            }
            _ => command["command_id"] = json!(command_id().to_uppercase()),
        }
        self.at_home(&command)
    }

    fn malformed(&mut self, mut command: Value) -> Input {
        let lane = command["decision_id"].as_str().and_then(|id| measure::lane(id, self.desk.lanes)).unwrap_or(0);
        match self.dice.below(9) {
            0 => command["command_id"] = json!("no-uuid"),
            1 => command["action"] = json!("abolish"),
            2 => command["reviewer"] = json!(self.own.id),
            3 => command["reviewer"]["id"] = json!("ann\u{7}"),
            4 => command["reviewer"]["groups"] = json!(vec!["underwriting"; 65]),
            5 => {
                let text = command.to_string();
                return self.for_lane(lane, &text.as_bytes()[..text.len() / 2]);
            }
            6 => return Input { value: None, ..self.for_lane(lane, b"") },
            7 => return self.for_lane(lane, b"\xff\xfe{}"),
            _ => {
                command["corrected"] = json!(1);
                command["action"] = json!("comment");
            }
        }
        self.for_lane(lane, command.to_string().as_bytes())
    }

    /// With the signature of a key that nobody knows, of other bytes, or with none.
    fn forged(&mut self, command: &Value) -> Input {
        let value = command.to_string();
        let mut input = self.at_home(command);
        let signature = match self.dice.below(4) {
            0 => Some(FORGER.sign(self.desk.topic, value.as_bytes())),
            1 => Some("desk:AAAA".to_owned()),
            2 => Some("no signature at all".to_owned()),
            _ => None,
        };
        input.headers = signature.map(|text| ("jidoka-signature".to_owned(), text.into_bytes())).into_iter().collect();
        input
    }
}
