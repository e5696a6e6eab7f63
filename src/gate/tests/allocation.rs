//! A warm gate allocates nothing for a readable event, whether it is released or held: the claim of [`Emitter`] and of the
//! decoder, counted.

use super::*;
use crate::event::{Decoder, Plan, Schemas, Value, encoded};
use crate::reference::{Change, Origin, RecordReader, References, Table, TableBounds, Tables};
use crate::stream::record::Outgoing;
use crate::test_allocator::allocations;

/// Keeps nothing but the count.
struct Counter(usize);

impl Outbox for Counter {
    fn record_bytes_max(&self) -> usize {
        1_000_000
    }

    fn send(&mut self, record: Outgoing<'_>) -> Result<(), Fault> {
        assert!(!record.headers.is_empty());
        self.0 += 1;
        Ok(())
    }
}

/// Decides `values`, a transaction each hundred.
fn decide(gate: &mut Gate, first: i64, values: &[Vec<u8>]) -> usize {
    let (mut outbox, mut offset) = (Counter(0), first);
    for batch in values.chunks(100) {
        for value in batch {
            gate.process(&incoming(offset, value), &mut outbox).expect("a counter takes everything");
            offset += 1;
        }
        gate.finish(&mut outbox).expect("a counter takes everything");
        gate.committed();
    }
    outbox.0
}

#[test]
fn a_warm_gate_allocates_nothing() {
    let rich =
        r#""features":{"age":57,"job":"a \"quoted\" one"},"probabilities":{"yes":0.9,"no":0.1},"flags":["x"],"amount":10.50"#;
    let members = |outcome: &str| match outcome {
        "released" => rich.to_owned(),
        "held" => rich.replace("0.9", "0.6").replace("0.1}", "0.4}"),
        other => panic!("{other}"),
    };
    for (outcome, records) in [("released", 2), ("held", 4)] {
        let values: Vec<Vec<u8>> = (0..12_000)
            .map(|n| {
                format!(r#"{{"event_id":"{n:08}","model":{{"name":"m"}},"prediction":"yes",{}}}"#, members(outcome)).into_bytes()
            })
            .collect();
        let mut gate = gate(GateSettings { window: 500, ..settings() }, None);
        // Long enough for the window to have taken its final size: it is rehashed some windows after it is full.
        decide(&mut gate, 0, &values[..8_000]);
        let mut sent = 0;
        let allocated = allocations(|| sent = decide(&mut gate, 8_000, &values[8_000..]));
        assert_eq!(sent, 4_000 * records + 40, "{outcome}");
        assert_eq!(allocated, 0, "allocations for 4,000 {outcome} events");
    }
    // The repeated event's entry is as cheap.
    let mut gate = gate(settings(), None);
    let same = vec![event("same", "0.9"); 2_000];
    decide(&mut gate, 0, &same);
    let mut sent = 0;
    assert_eq!(allocations(|| sent = decide(&mut gate, 2_000, &same)), 0, "allocations for 2,000 duplicates");
    assert_eq!(sent, 2_020);
}

/// Every kind of rule that there is, some of which hit, fail and are drawn; and a candidate beside the policy.
const RICH_POLICY: &str = "policy: loans
triggers:
  - { id: low, confidence: { measure: top_probability, below: 0.62 } }
  - { id: class, confidence: { measure: class, label: yes, below: 0.2 } }
  - { id: amount, rule: amount >= 15000 && prediction == 'yes' }
  - { id: flags, rule: \"flags.exists(f, f.startsWith('bias'))\" }
  - { id: age, rule: has(features.age) && features.age < 18 }
  - { id: job, rule: \"features.job.matches('^(teller|clerk)') || features.job in ['x', 'y']\" }
  - { id: sex, rule: protected.sex == 'Female', on_error: skip }
  - { id: most-likely, rule: \"probabilities[prediction] < 0.5 && size(flags) > 3\" }
  - { id: time, rule: \"timestamp.getHours() < 6\", on_error: skip }
  - { id: evidence, rule: \"evidence.all(e, has(e.uri)) && evidence.size() > 2\" }
  - { id: drawn, sample: { rate: 0.1 } }
review: { groups: [ { when: amount > 50000, groups: [ senior ] }, { groups: [ junior ] } ] }
";

#[test]
fn rules_samples_and_candidates_allocate_nothing() {
    // A machine that is busy with other tests may stop this one for longer than a rule may take: that would be another result.
    let policy = RICH_POLICY.replace("- { id:", "- { budget: 10s, id:");
    let candidate = policy.replacen("policy: loans", "policy: new\ncandidate: { for: loans, share: 0.3 }", 1);
    let files = [("a.yaml", policy), ("b.yaml", candidate)].map(|(name, text)| (name.to_owned(), text));
    for (amount, least) in [("10.50", 2), ("20000", 4)] {
        let policies = PolicySet::read(&files, &fallback()).expect("sound policies");
        let rules = Arc::new(RulesInForce::new(Rules::new(policies, &fallback(), &Metrics::new())));
        let mut gate = gate(GateSettings { rules, window: 500, ..settings() }, None);
        let values: Vec<Vec<u8>> = (0..12_000)
            .map(|n| {
                let rest = format!(
                    r#""features":{{"age":57,"job":"a \"quoted\" one"}},"probabilities":{{"yes":0.9,"no":0.1}},"flags":["x"],"amount":{amount}"#
                );
                format!(r#"{{"event_id":"{n:08}","model":{{"name":"m"}},"prediction":"yes",{rest}}}"#).into_bytes()
            })
            .collect();
        decide(&mut gate, 0, &values[..8_000]);
        let mut sent = 0;
        let allocated = allocations(|| sent = decide(&mut gate, 8_000, &values[8_000..]));
        assert!(sent >= 4_000 * least + 40, "{sent} records");
        assert_eq!(allocated, 0, "allocations for 4,000 events of {amount}");
    }
}

/// Contradictions with trusted records, as fields and as a condition; subjects without a record, and a reference that is not
/// ready.
const COMPARING_POLICY: &str = "policy: loans
triggers:
  - id: facts
    budget: 10s
    contradiction:
      reference: customers
      compare: [ age, job, { field: amount, trusted: limit }, { field: features.education, aliases: { HS: HS-grad } } ]
      when: amount > reference.limit
  - { id: bureau, budget: 10s, contradiction: { reference: bureau, compare: [ age ] } }
";

#[test]
fn comparing_with_trusted_records_allocates_nothing() {
    let mut table = Table::default();
    let mut reader = RecordReader::new(None);
    let record = br#"{"age":40,"job":"a clerk","limit":20.5,"education":"Bachelors"}"#;
    let record = reader.read(("S1", record), Origin::Log { partition: 0, offset: 7 }, None).expect("a record");
    table.apply(Change::Record(record), TableBounds::default()).expect("room");
    let tables: Arc<dyn References> = Arc::new(Tables(vec![("customers".to_owned(), table)]));
    let files = [("a.yaml".to_owned(), COMPARING_POLICY.to_owned())];
    for (subject, amount) in [("S1", "20.50"), ("S1", "20000"), ("S2", "10")] {
        let policies = PolicySet::read(&files, &fallback()).expect("sound policies");
        let rules = Arc::new(RulesInForce::new(Rules::new(policies, &fallback(), &Metrics::new())));
        let references = Arc::clone(&tables);
        let mut gate = gate(GateSettings { rules, references, window: 500, ..settings() }, None);
        let values: Vec<Vec<u8>> = (0..12_000)
            .map(|n| {
                let rest = format!(
                    r#""subject_id":"{subject}","features":{{"age":37,"job":"A CLERK","education":"hs"}},"amount":{amount}"#
                );
                format!(r#"{{"event_id":"{n:08}","model":{{"name":"m"}},"prediction":"yes",{rest}}}"#).into_bytes()
            })
            .collect();
        decide(&mut gate, 0, &values[..8_000]);
        let mut sent = 0;
        let allocated = allocations(|| sent = decide(&mut gate, 8_000, &values[8_000..]));
        assert_eq!(sent, 4_000 * 4 + 40, "all are held");
        assert_eq!(allocated, 0, "allocations for 4,000 events of {subject} and {amount}");
    }
}

#[test]
fn a_warm_decoder_allocates_nothing_for_avro() {
    let files = [("1.avsc".to_owned(), encoded::NATIVE.to_owned())];
    let schemas = Schemas::read(&files).expect("the native schema");
    let mut plan = Plan::default();
    let age = plan.feature("age");
    let mut decoder = Decoder::new(Arc::new(plan), settings().limits).with_schemas(Arc::new(schemas));
    let records: Vec<Vec<u8>> = (0..2_000)
        .map(|n| {
            encoded::native(&format!(
                r#"{{"event_id":"{n:08}","model":{{"name":"m"}},"prediction":"yes","confidence":0.{n:04},"amount":10.5,
                    "features":{{"age":57.25,"job":"a \"quoted\" one in Zürich","member":true,"none":null}},"flags":["x","y"]}}"#
            ))
        })
        .collect();
    let mut read = 0;
    let mut decode = |records: &[Vec<u8>]| {
        for record in records {
            let event = decoder.decode(record).expect("a good event");
            read += usize::from(matches!(event.slot(age), Value::Number { .. }));
        }
    };
    decode(&records[..100]);
    assert_eq!(allocations(|| decode(&records[100..])), 0, "allocations for 1,900 Avro events");
    assert_eq!(read, 2_000);
}

#[test]
fn profiles_incidents_capacity_and_tallies_allocate_nothing() {
    let rules = Arc::new(RulesInForce::new(statistics::trained()));
    let settings = GateSettings { rules, window: 500, ..settings() };
    let mut gate = gate_that_hears(settings, statistics::incident());
    let values: Vec<Vec<u8>> = (0..12_000)
        .map(|n| {
            let age = if n % 10 == 0 { 4_100 } else { 20 + n % 50 };
            let rest = format!(r#""features":{{"age":{age},"job":"smith"}},"protected":{{"sex":"f"}}"#);
            let sure = if n % 7 == 0 { 0.55 } else { 0.9 };
            statistics::event(&format!("{n:08}"), (if n % 3 == 0 { "no" } else { "yes" }, sure), &rest)
        })
        .collect();
    decide(&mut gate, 0, &values[..8_000]);
    let mut sent = 0;
    assert_eq!(allocations(|| sent = decide(&mut gate, 8_000, &values[8_000..])), 0, "allocations for 4,000 events");
    assert!(sent >= 4_000 * 2 + 40 * 2 + 400 * 2, "{sent} records, of which some are cases and tallies");
}
