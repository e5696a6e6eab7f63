//! Which rules decide, what is tried beside them, and who reviews.

use super::*;

#[test]
fn other_rules_are_taken_up_between_turns_and_never_within_one() {
    let settings = settings();
    let in_force = Arc::clone(&settings.rules);
    let mut gate = gate(settings, None);
    let version =
        |outbox: &FakeOutbox| outbox.of("audit").iter().map(|sent| sent.json()["policy"]["version"].clone()).collect::<Vec<_>>();
    let mut outbox = FakeOutbox::new();
    gate.process(&incoming(0, &event("a", "0.7")), &mut outbox).expect("taken");
    in_force.replace(rules(&format!("version: \"2\"\n{}", POLICY.replace("0.62", "0.8")))).expect("it fits");
    gate.process(&incoming(1, &event("b", "0.7")), &mut outbox).expect("taken");
    gate.finish(&mut outbox).expect("taken");
    assert_eq!(version(&outbox), [json!(null), json!(null)], "the turn had begun");
    gate.committed();
    let next = done(&mut gate, 2, &[event("c", "0.7"), event("a", "0.7")]);
    assert_eq!(version(&next), [json!("2"), json!(null)]);
    assert_eq!(next.of("audit")[0].json()["outcome"], json!("HELD"), "0.7 is below the new limit");
    assert_eq!(next.of("audit")[1].json()["kind"], json!("DUPLICATE"), "the window outlives the rules");
    // Decided once, it stays so: after an abort the same records may meet newer rules, as nobody saw the others.
    gate.rolled_back();
    in_force.replace(rules(POLICY)).expect("it fits");
    assert_eq!(version(&done(&mut gate, 2, &[event("c", "0.7")])), [json!(null)]);
}

#[test]
fn a_candidates_decision_stands_on_the_entry_and_is_published_nowhere() {
    let files = [
        ("a.yaml", POLICY.to_owned()),
        ("b.yaml", format!("policy: stricter\ncandidate: {{for: loans}}\n{}", &POLICY[14..].replace("0.62", "0.95"))),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text));
    let set = PolicySet::read(&files, &fallback()).expect("sound policies");
    let metrics = Metrics::new();
    let rules = Arc::new(RulesInForce::new(Rules::new(set, &fallback(), &metrics)));
    let mut gate = gate(GateSettings { rules, ..settings() }, None);
    let outbox = done(&mut gate, 0, &[event("a", "0.9"), event("b", "0.5"), b"{".to_vec()]);
    gate.committed();
    let entries: Vec<Value> = outbox.of("audit").iter().map(|sent| sent.json()).collect();
    assert_eq!(entries[0]["outcome"], json!("RELEASED"));
    assert_eq!(entries[0]["policy"]["name"], json!("loans"));
    let shadow = &entries[0]["shadow"];
    assert_eq!(
        (&shadow["policy"]["name"], &shadow["outcome"], &shadow["findings"]),
        (&json!("stricter"), &json!("HELD"), &json!(["low"]))
    );
    assert_eq!((&shadow["score"], &shadow["band"]), (&json!(10), &json!("low")));
    assert_eq!((&entries[1]["outcome"], &entries[1]["shadow"]["outcome"]), (&json!("HELD"), &json!("HELD")));
    assert!(entries[2].get("shadow").is_none(), "no policy, no candidate");
    let outcomes: Vec<Value> = outbox.of("dispositions").iter().map(|sent| sent.json()["outcome"].clone()).collect();
    assert_eq!(outcomes, ["RELEASED", "HELD", "HELD"]);
    assert_eq!(outbox.of("cases").len(), 2, "what only the candidate holds opens no case");
    let shown = metrics.exposition();
    for (verdict, count) in [("same", 1), ("different", 1)] {
        let line = format!(r#"jidoka_shadow_decisions_total{{policy="stricter",verdict="{verdict}"}} {count}"#);
        assert!(shown.contains(&line), "{shown}");
    }
    assert!(shown.contains(r#"jidoka_decisions_total{outcome="HELD",policy="stricter"} 0"#), "{shown}");
}

#[test]
fn the_case_of_a_sample_is_blind_and_goes_to_the_groups_that_apply() {
    let policy = format!(
        "{}  - {{id: all, sample: {{rate: 1}}}}\nreview: {{groups: [{{when: amount >= 15000, groups: [senior]}}, {{groups: [junior]}}]}}\n",
        "policy: loans\ntriggers:\n  - {id: low, confidence: {measure: top_probability, below: 0.62}}\n"
    );
    let rules = Arc::new(RulesInForce::new(rules(&policy)));
    let mut gate = gate(GateSettings { rules, ..settings() }, None);
    let outbox = done(&mut gate, 0, &[event("a", "0.9"), event("b", r#"0.5,"amount":20000"#)]);
    let cases: Vec<Value> = outbox.of("cases").iter().map(|sent| sent.json()).collect();
    assert_eq!((&cases[0]["groups"], &cases[0]["review"]["groups"]), (&json!(["junior"]), &json!(["junior"])));
    assert_eq!(cases[0]["review"]["blind"], json!(true));
    assert_eq!(
        cases[0]["findings"][0]["sentence"],
        json!("Drawn for a quality review: nothing was found, and it would have been released.")
    );
    assert_eq!((&cases[1]["groups"], &cases[1]["review"]["blind"]), (&json!(["senior"]), &json!(false)));
}

/// The longest that everything may be: ids, reasons, names in expressions, the event's own fields; all rules fail or hit, in a
/// policy and in its candidate. What is promised to fit must.
#[test]
fn no_record_is_longer_than_what_the_topics_were_asked_for() {
    let line = |number: usize| {
        let id = format!("{number:03}{}", "x".repeat(61));
        let name = "\\x01".repeat(900);
        let rule = match number % 3 {
            0 => format!("features['{name}{number}'] > 1"),
            1 => format!("amount > {number} && currency != '{name}'"),
            _ => format!("confidence < 2 && amount > {number}"),
        };
        format!("  - {{ id: {id}, rule: '{}', reason: '{}' }}\n", rule.replace('\'', "''"), "\\\"".repeat(250))
    };
    let triggers = format!("triggers:\n{}", (0..60).map(line).collect::<String>());
    let files = [
        ("a.yaml", format!("policy: loans\n{triggers}")),
        ("b.yaml", format!("policy: new\ncandidate: {{ for: loans }}\n{triggers}")),
    ];
    let set = PolicySet::read(&files.map(|(name, text)| (name.to_owned(), text)), &fallback()).expect("sound policies");
    let rules = Rules::new(set, &fallback(), &Metrics::new());
    let promised = rules::EVENT_BYTES + rules.record_bytes();
    let text = "\\u0001".repeat(1_024);
    let long = format!(
        r#"{{"event_id":"{}","model":{{"name":"{text}","version":"{text}"}},"prediction":"{text}","confidence":0.5,"amount":500,"currency":"EUR","subject_id":"{}","requested_by":"{}"}}"#,
        "\\\"".repeat(256),
        "s".repeat(1_024),
        "\\\"".repeat(1_024)
    );
    let mut gate = gate(GateSettings { rules: Arc::new(RulesInForce::new(rules)), record_bytes_max: 1, ..settings() }, None);
    let outbox = done(&mut gate, 0, &[long.into_bytes()]);
    let entry = outbox.of("audit")[0].json();
    assert_eq!(entry["triggers"].as_array().map(Vec::len), Some(60), "everything was found");
    assert_eq!(entry["shadow"]["findings"].as_array().map(Vec::len), Some(60));
    let longest = outbox.sent.iter().filter_map(|sent| sent.value.as_ref().map(Vec::len)).max().expect("records");
    assert!(longest < promised, "{longest} bytes, promised are {promised}");
    assert!(longest > promised / 3, "{longest} bytes: {promised} asks for too much");
}
