//! The monitor between records and records: a fake outbox, no Kafka.

use serde_json::json;

use super::restore::{Again, Found};
use super::*;
use crate::audit::AppendTimeType;
use crate::control::ControlView;
use crate::identity::Hash;
use crate::policy::{FallbackReview, PolicySet};
use crate::profile::small;
use crate::signal::Incident;
use crate::stream::fake_outbox::FakeOutbox;
use crate::stream::log_reader::Extent;
use crate::stream::record::IncomingHeaders;
use crate::tallies::{EventHash, EventTally, TallyOf, TallyWriter};

const POLICY: &str = "policy: loans
profile: p.profile
adverse: prediction == 'no'
triggers:
  - { id: fair, fairness: { attributes: [ sex ], events_between_false_alarms: 1000 } }
review: { capacity: { rate: 0.1 } }
";

/// Nothing of it is watched.
const WITHOUT_PROFILE: &str = "policy: loans
triggers: [ { id: low, confidence: { measure: top_probability, below: 0.62 } } ]
";

fn priorities() -> Vec<f32> {
    (0..1_000_u16).map(|place| f32::from(place) / 1_000.0).collect()
}

fn rules(set: PolicySet) -> Rules {
    Rules::new(set, &FallbackReview::default(), &Metrics::new())
}

fn trained(text: &str) -> Rules {
    rules(small::policies(text, priorities()))
}

fn plain(text: &str) -> Rules {
    rules(PolicySet::read(&[("p.yaml".to_owned(), text.to_owned())], &FallbackReview::default()).expect("a sound policy"))
}

/// A seeded sequence of numbers in 0–1.
struct Draws(u64);

impl Draws {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A log of tallies, what was written, and the monitor that reads the one and writes the other.
struct Ward {
    settings: Arc<MonitorSettings>,
    monitor: Monitor,
    log: Vec<Vec<u8>>,
    outbox: FakeOutbox,
    draws: Draws,
    events: u64,
}

impl Ward {
    fn new(rules: Rules) -> Self {
        let settings = Arc::new(MonitorSettings {
            topics: MonitorTopics { audit: "audit".to_owned(), signals: "signals".to_owned(), tallies: "tallies".to_owned() },
            lanes: 1,
            snapshot_every: 10_000,
            window: 2_000,
            rules: Arc::new(RulesInForce::new(rules)),
            clock: Clock::start(),
            heads: None,
            health: Arc::new(Health::default()),
        });
        let monitor = monitor(&settings, BTreeMap::new());
        let mut ward = Self { settings, monitor, log: Vec::new(), outbox: FakeOutbox::new(), draws: Draws(1), events: 0 };
        ward.begin_at(0);
        ward
    }

    fn begin_at(&mut self, next: i64) {
        let tallies = self.monitor.tallies();
        self.monitor.next.insert(tallies, next);
    }

    fn reload(&mut self, rules: Rules) {
        self.settings.rules.replace(rules).expect("they are not long");
        self.monitor.look_around().expect("nothing to read");
    }

    fn hash(&self) -> Hash {
        self.settings.rules.current().set.policies()[0].hash
    }

    /// Records of tallies of `policy` as gates write them, 50 events each, of which `f` and `m` are favourable as often as given.
    fn tallies(&mut self, (policy, hash): (&str, Hash), records: usize, rates: [f64; 2]) -> Vec<Vec<u8>> {
        let baseline = small::baseline();
        let mut record = || {
            let mut writer = TallyWriter::default();
            for _ in 0..50 {
                self.events += 1;
                let levels = [u8::from(self.draws.unit() < 0.5)];
                let favourable = self.draws.unit() < rates[usize::from(levels[0])];
                // As the baseline has them, so that nothing else happens.
                let bins: Vec<u8> = baseline.measures.iter().map(|measure| bin(&measure.counts, self.draws.unit())).collect();
                writer.add(&EventTally {
                    event: EventHash::of(&self.events.to_string()),
                    vector: 0,
                    held: false,
                    mandatory: true,
                    flagged: false,
                    favourable: Some(favourable),
                    score: None,
                    priority: 0.5,
                    levels: &levels,
                    bins: &bins,
                });
            }
            let mut value = Vec::new();
            let of = TallyOf { policy, policy_hash: hash, source: "inference", partition: 0, first_offset: 0 };
            writer.write(of, &mut value);
            value
        };
        (0..records).map(|_| record()).collect()
    }

    /// One turn over these records.
    fn turn(&mut self, values: Vec<Vec<u8>>) {
        for value in values {
            let offset = i64::try_from(self.log.len()).expect("few");
            let record = Incoming {
                topic: "tallies",
                partition: 0,
                offset,
                appended_at: Some(Timestamp(1_767_610_001_187 + offset)),
                appended_at_type: AppendTimeType::LogAppend,
                key: Some(b"loans"),
                value: Some(&value),
                headers: IncomingHeaders::Plain(&[]),
            };
            self.monitor.process(&record, &mut self.outbox).expect("a fake takes everything");
            self.log.push(value);
        }
        self.monitor.finish(&mut self.outbox).expect("a fake takes everything");
        self.monitor.committed();
    }

    /// Folds events of the policy that is loaded.
    fn fold(&mut self, records: usize, rates: [f64; 2]) {
        let values = self.tallies(("loans", self.hash()), records, rates);
        self.turn(values);
    }

    /// The newest state of each policy.
    fn states(&self) -> BTreeMap<String, StateRecord> {
        let states = self.outbox.of("signals").into_iter().filter_map(|sent| {
            let policy = sent.key.as_deref()?.strip_prefix("state/")?;
            Some((policy.to_owned(), StateRecord::read(sent.value.as_ref()?).expect("a state")))
        });
        states.collect()
    }

    fn again(&self) -> Result<restore::Restored, Fault> {
        let high = i64::try_from(self.log.len()).expect("few");
        let found = Found { committed: Some(high), states: self.states(), extent: Extent { low: 0, high } };
        let rules = self.settings.rules.current();
        let mut again = Again::of((&self.settings, &rules), &self.monitor.tallies(), found)?;
        let range = again.range;
        for (offset, value) in (0..).zip(&self.log).filter(|(offset, _)| (range.low..range.high).contains(offset)) {
            again.take(offset, value);
        }
        again.done()
    }

    /// Another monitor takes over.
    fn restart(&mut self) {
        let restored = self.again().expect("it can be restored");
        self.monitor = monitor(&self.settings, restored.desks);
        self.monitor.dormant = restored.dormant;
        self.begin_at(restored.next);
    }

    fn opened(&self) -> Vec<Incident> {
        let entries = self.outbox.of("audit").into_iter().map(crate::stream::fake_outbox::Sent::json);
        let opened = entries.filter(|entry| entry["kind"] == "INCIDENT_OPENED");
        opened.map(|entry| serde_json::from_value(entry["incident"].clone()).expect("an incident")).collect()
    }

    fn chain(&self) -> Vec<(u64, serde_json::Value)> {
        let entries = self.outbox.of("audit").into_iter().map(crate::stream::fake_outbox::Sent::json);
        entries.map(|entry| (entry["chain"]["n"].as_u64().expect("a number"), entry["chain"]["prev"].clone())).collect()
    }

    fn state_of(&self, policy: &str) -> StateRecord {
        self.monitor.desks[policy].state(i64::try_from(self.log.len()).expect("few"))
    }
}

fn monitor(settings: &Arc<MonitorSettings>, desks: BTreeMap<String, Desk>) -> Monitor {
    let control = Arc::new(ControlFollower::sure_of(ControlView::default()));
    let mut monitor = Monitor::new(Arc::clone(settings), control, &Arc::new(Metrics::new()));
    monitor.desks = desks;
    monitor
}

/// A code as often as the baseline has it.
fn bin(counts: &[u64], unit: f64) -> u8 {
    let mut left = unit * counts.iter().sum::<u64>() as f64;
    let place = counts.iter().position(|count| {
        left -= *count as f64;
        left <= 0.0
    });
    u8::try_from(place.unwrap_or(0)).expect("few bins")
}

/// The policy with another hash.
fn changed() -> String {
    format!("{POLICY}# changed\n")
}

#[test]
fn a_policy_that_lost_its_profile_for_a_while_keeps_its_chain_and_its_incidents() {
    for restarts in [false, true] {
        let mut ward = Ward::new(trained(POLICY));
        let hash = ward.hash();
        ward.fold(40, [0.05, 0.6]);
        let opened = ward.opened();
        assert_eq!(opened.len(), 1, "{opened:?}");
        ward.reload(plain(WITHOUT_PROFILE));
        let values = ward.tallies(("loans", hash), 10, [0.05, 0.05]);
        ward.turn(values);
        assert!(!ward.monitor.wants_turn(), "there is nothing more to do");
        if restarts {
            ward.restart();
        }
        // Gates and the monitor have the profile again.
        ward.reload(trained(POLICY));
        ward.fold(10, [0.05, 0.6]);
        let desk = &ward.monitor.desks["loans"];
        assert_eq!((desk.watch.events(), desk.open.len(), desk.watch.open_incidents()), (2_500, 1, &opened[..]));
        ward.fold(60, [0.05, 0.95]);
        let chain = ward.chain();
        assert_eq!(chain.iter().map(|(n, _)| *n).collect::<Vec<_>>(), (0..chain.len() as u64).collect::<Vec<_>>());
        assert!(chain.len() > 1 && chain[1..].iter().all(|(_, prev)| *prev != json!(null)), "{chain:?}");
    }
}

#[test]
fn after_a_change_of_the_policy_nothing_of_before_is_read_again() {
    let mut ward = Ward::new(trained(POLICY));
    ward.fold(20, [0.3, 0.6]);
    ward.reload(trained(&changed()));
    ward.fold(3, [0.3, 0.6]);
    let state = ward.states()["loans"].clone();
    assert_eq!(state.recall, (20, 1_000));
    let live = ward.state_of("loans");
    ward.restart();
    assert_eq!(ward.state_of("loans"), live);
}

#[test]
fn what_was_passed_over_when_it_came_is_not_folded_silently_later() {
    // Gates are ahead: they decide by the changed policy, of which this monitor does not know yet.
    let mut ward = Ward::new(trained(POLICY));
    ward.fold(20, [0.3, 0.6]);
    let ahead = trained(&changed()).set.policies()[0].hash;
    let values = ward.tallies(("loans", ahead), 40, [0.05, 0.6]);
    ward.turn(values);
    assert_eq!(ward.opened(), []);
    // It comes back with it: what has come since was never told of, and is not.
    ward.settings.rules.replace(trained(&changed())).expect("they are not long");
    ward.restart();
    assert_eq!(ward.monitor.desks["loans"].watch.events(), 1_000, "as the state says");
    assert!(ward.monitor.desks["loans"].watch.open_incidents().is_empty());
    // It goes on, and is told of.
    ward.fold(40, [0.05, 0.6]);
    assert_eq!(ward.opened().len(), 1);
}

#[test]
fn what_a_policy_missed_while_it_was_not_loaded_is_not_folded_when_it_is_again() {
    let mut ward = Ward::new(trained(POLICY));
    let hash = ward.hash();
    ward.fold(1, [0.3, 0.6]);
    ward.fold(20, [0.3, 0.6]);
    ward.settings.rules.replace(plain(WITHOUT_PROFILE)).expect("they are not long");
    ward.restart();
    assert!(!ward.states()["loans"].asleep);
    let values = ward.tallies(("loans", hash), 40, [0.05, 0.6]);
    ward.turn(values);
    assert!(ward.states()["loans"].asleep);
    ward.settings.rules.replace(trained(POLICY)).expect("they are not long");
    ward.restart();
    assert!(ward.monitor.desks["loans"].watch.open_incidents().is_empty());
    ward.fold(40, [0.05, 0.6]);
    assert_eq!(ward.opened().len(), 1);
    // From here on a restart folds again what was folded.
    let live = ward.state_of("loans");
    ward.restart();
    assert_eq!(ward.state_of("loans").watch, live.watch);
}

#[test]
fn an_incident_that_nobody_was_told_of_stops_a_restart() {
    let mut ward = Ward::new(trained(POLICY));
    ward.fold(1, [0.3, 0.6]);
    // As another version would have passed them over.
    let values = ward.tallies(("loans", ward.hash()), 40, [0.05, 0.6]);
    ward.log.extend(values);
    let Err(fault) = ward.again() else { panic!("it was restored") };
    assert!(fault.sentence.contains("opens or closes an incident"), "{fault}");
}

#[test]
fn a_label_is_joined_alike_by_whoever_folds_it() {
    // Two policies that decided events with the same ids, as two sources may have.
    let text = |name: &str| POLICY.replace("policy: loans\n", &format!("policy: {name}\nmatch: {{ model: {name} }}\n"));
    let bytes = small::built_for(POLICY, priorities());
    let open = |_: &str, _: &str| Ok(bytes.clone());
    let files = ["loans", "cards"].map(|name| (format!("{name}.yaml"), text(name)));
    let both = PolicySet::read_with(&files, small::around(crate::policy::Profiles::Files(&open))).expect("sound policies");
    let hash = |name: &str| both.policies().iter().find(|policy| policy.name == name).expect("it is there").hash;
    let (loans, cards) = (hash("loans"), hash("cards"));
    let mut ward = Ward::new(rules(both));
    let mut values = ward.tallies(("loans", loans), 4, [0.3, 0.6]);
    ward.events = 0;
    values.extend(ward.tallies(("cards", cards), 4, [0.3, 0.6]));
    ward.turn(values);
    let label = |event: u64| {
        let mut value = Vec::new();
        Outcome { event: EventHash::of(&event.to_string()), truth: crate::tallies::Truth::Favourable(true) }.write(&mut value);
        value
    };
    ward.turn((1..=50).map(label).collect());
    let live = ["loans", "cards"].map(|policy| ward.state_of(policy).watch);
    assert!(live.iter().all(|state| String::from_utf8_lossy(state).contains("\"labels\":[{\"counts\":[[")), "both have them");
    ward.restart();
    assert_eq!(["loans", "cards"].map(|policy| ward.state_of(policy).watch), live);
}

#[test]
fn a_policy_that_has_few_events_does_not_make_a_restart_read_everything() {
    let mut ward = Ward::new(trained(POLICY));
    ward.fold(1, [0.3, 0.6]);
    let label = |event: u64| {
        let mut value = Vec::new();
        Outcome { event: EventHash::of(&event.to_string()), truth: crate::tallies::Truth::Favourable(true) }.write(&mut value);
        value
    };
    // Of others.
    for _ in 0..10 {
        ward.turn((0..1_500).map(|_| label(u64::MAX)).collect());
    }
    let state = ward.states()["loans"].clone();
    assert!(state.next > 10_000, "it is written though nothing of it came: {}", state.next);
    assert!(state.recall.0 >= state.next - 4 * 2_000, "{:?} of {}", state.recall, state.next);
    // A label that comes too late by so many records is not joined, whether there was a restart or not.
    let before = ward.state_of("loans").watch;
    ward.turn(vec![label(1)]);
    assert!(ward.state_of("loans").watch == before);
    ward.restart();
    ward.turn(vec![label(2)]);
    assert!(ward.state_of("loans").watch == before);
}
