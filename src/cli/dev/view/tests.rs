//! The view on screens in memory: what it shows, and what keys do to it.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::draw::draw;
use super::keys::Wish;
use super::model::{About, Model, Percentiles, Play, Stage};
use crate::audit::entry_hash;
use crate::dev::docket::Docket;
use crate::dev::events::Extra;
use crate::dev::happening::{
    Before, Change, DeadLetter, Decided, Duplicate, Finding, Happening, Held, IncidentStep, Model as OfModel, Opens, Outcome,
    Words,
};
use crate::dev::trail::{Entry, Follows, Link};
use crate::dev::watcher::News;
use crate::signal::{Direction, Incident, IncidentKind, IncidentState};

const EVENT: &str = r#"{"event_id":"adult-e-000063","model":{"name":"adult-gbdt","version":"1.0.0"},"features":{"age":57,"capital_gain":15024,"hours_per_week":40,"workclass":"Private","occupation":"Craft-repair"},"prediction":">50K","confidence":0.9910,"amount":15024}"#;
const PREV: &str = "d96e499c8714a90af34715d8bd843e402548630ba7af2e20f9fa33266792c2c8";

fn finding(trigger: &str, sentence: &str) -> Finding {
    Finding { trigger: trigger.to_owned(), sentence: sentence.to_owned() }
}

fn held(number: u64, band: &str, score: f64, findings: Vec<Finding>) -> Held {
    Held {
        decision_id: format!("{number:032x}"),
        at: format!("2026-01-05T10:46:{:02}.250Z", number % 60),
        band: band.to_owned(),
        score,
        model: OfModel { name: Some("adult-gbdt".to_owned()) },
        event_id: Some(format!("adult-e-{number:06}")),
        findings,
        due_at: Some("2026-01-05T11:46:41.250Z".to_owned()),
        event: Some(EVENT.to_owned()),
    }
}

fn entry(number: u64, follows: Follows) -> Entry {
    let stored = format!(
        r#"{{"decision_id":"{number:032x}","seq":0,"kind":"DECIDED","at":"2026-01-05T10:46:41.250Z","prev":null,"chain":{{"id":"gate/inference/1","n":{number},"prev":"{PREV}"}},"outcome":"HELD"}}"#
    );
    Entry {
        decision_id: Some(format!("{number:032x}")),
        kind: "DECIDED".to_owned(),
        seq: Some(0),
        prev: None,
        place: format!("jidoka.audit/0 at offset {number}"),
        header_hash: String::from_utf8(entry_hash(stored.as_bytes()).hex().to_vec()).expect("hex"),
        stored: stored.into_bytes(),
        chain: Link { id: "gate/inference/1".to_owned(), n: number, prev: Some(PREV.to_owned()) },
        follows,
    }
}

fn decided(model: &mut Model, outcome: Outcome, findings: &[&str], age_ms: u64) {
    let findings = findings.iter().map(|finding| (*finding).to_owned()).collect();
    model.hear(&News::Happened(&Happening::Decided(Decided { opens: None, outcome, findings, age_ms: Some(age_ms) })));
}

fn hear_held(model: &mut Model, held: Held) {
    let opens = opens(&held);
    let findings = held.findings.iter().map(|finding| finding.trigger.clone()).collect();
    let decided = Decided { opens: Some(opens), outcome: Outcome::Held, findings, age_ms: Some(17) };
    model.hear(&News::Happened(&Happening::Decided(decided)));
    model.hear(&News::Happened(&Happening::Held(held)));
}

fn opens(held: &Held) -> Opens {
    let Held { decision_id, event_id, at, band, score, .. } = held.clone();
    Opens { decision_id, event_id, at, band, score }
}

/// What somebody did with a case, as the watcher tells it.
fn step(model: &mut Model, number: u64, (kind, state, who): (&str, &str, &str), code: Option<&str>) {
    let case = model.cases.of(&format!("{number:032x}")).expect("a case that is held");
    let seq = u64::try_from(case.entries.len().max(1)).expect("few");
    let (prev, held) = (case.entries.last().map_or_else(|| PREV.to_owned(), Entry::hash), case.held.clone());
    let (assignee, groups) = match state {
        "PENDING" => ("null".to_owned(), "credit-leads"),
        _ => (format!("{who:?}"), "credit"),
    };
    let stored = format!(
        r#"{{"decision_id":"{number:032x}","seq":{seq},"kind":"{kind}","at":"2026-01-05T10:47:{:02}.600Z","prev":"{prev}","chain":{{"id":"lane/1","n":{number},"prev":"{PREV}"}},"actor":{{"type":"reviewer","id":"{who}"}},"command_id":"c3c3c3c3-c3c3-43c3-83c3-c3c3c3c3c3c3","verdict":{{"partition":1,"offset":{seq}}},"state":"{state}","previous_state":"PENDING","reason":{},"channel":"dev-crew","signed_by":null,"band":"{}","assignee":{assignee},"groups":["{groups}"]}}"#,
        3 + seq * 4,
        code.map_or_else(|| "null".to_owned(), |code| format!("{code:?}")),
        held.band,
    );
    let mut change = Change::read(kind, stored.as_bytes()).expect("an entry").expect("of a case");
    let mut docket = Docket::default();
    docket.opened(&opens(&held));
    docket.changed(&mut change);
    change.before = Before { assignee: case.stands.assignee.clone(), ..change.before };
    let entry = Entry {
        kind: kind.to_owned(),
        seq: Some(seq),
        prev: Some(prev),
        header_hash: String::from_utf8(entry_hash(stored.as_bytes()).hex().to_vec()).expect("hex"),
        stored: stored.into_bytes(),
        chain: Link { id: "lane/1".to_owned(), n: number, prev: Some(PREV.to_owned()) },
        ..entry(number, Follows::Yes)
    };
    model.hear(&News::Stored(&entry));
    model.hear(&News::Happened(&Happening::Changed(change)));
}

/// A model after a minute of a session.
fn model() -> Model {
    let about = About {
        broker: "librdkafka's mock broker in this process".to_owned(),
        means: "not exactly-once, nothing is kept; for that: --real, or --bootstrap HOST:PORT".to_owned(),
        metrics: "http://127.0.0.1:9999/metrics".to_owned(),
        policies: vec!["adult-income".to_owned(), "credit-default".to_owned()],
        rate: 20,
        crew: ["amira", "jonas", "mei", "rosa"].map(str::to_owned).to_vec(),
        elsewhere: "JIDOKA__KAFKA__BOOTSTRAP_SERVERS=127.0.0.1:45678 JIDOKA__TOPICS__PREFIX=jidoka. jidoka case show ID --config /dev/null"
            .to_owned(),
    };
    let mut model = Model::new(about);
    (model.stage, model.played) = (Stage::Running, 1_238);
    for second in 0..60 {
        for age_ms in 0..18 + second % 5 {
            decided(&mut model, Outcome::Released, &[], age_ms + 5);
        }
        model.second();
    }
    model.committed = Some(Percentiles { p50: 8.24, p99: 31.9 });
    let unsure = "The probability of the most likely answer is 0.5637, below the limit of 0.6. The model is not sure enough to decide alone";
    let large = "The rule `has(event.amount) && amount >= 15000 && prediction == '>50K'` applies. Amounts of 15,000 and more need a person";
    for number in 50..60 {
        hear_held(&mut model, held(number, "normal", 43.5, vec![finding("low-confidence", unsure)]));
    }
    hear_held(&mut model, held(61, "critical", 91.3, vec![finding("low-confidence", unsure), finding("large-amount", large)]));
    let unreadable = "The record could not be read as an inference event; its original bytes are in the dead letters.";
    let of_nobody = Held { event_id: None, event: None, ..held(62, "high", 70.0, vec![finding("unreadable", unreadable)]) };
    hear_held(&mut model, of_nobody);
    model.hear(&News::Happened(&Happening::DeadLetter(DeadLetter {
        decision_id: format!("{:032x}", 62),
        at: "2026-01-05T10:46:41.250Z".to_owned(),
        code: "not-json".to_owned(),
        detail: "at byte 288, in `features`: the record ends inside the string that begins at byte 281".to_owned(),
        place: "inference/2 at offset 5".to_owned(),
        original: EVENT[..EVENT.len() / 2].to_owned(),
        original_size: "122".to_owned(),
    })));
    model.hear(&News::Stored(&entry(63, Follows::Yes)));
    hear_held(&mut model, held(63, "critical", 86.5, vec![finding("large-amount", large)]));
    step(&mut model, 59, ("CLAIMED", "UNDER_REVIEW", "jonas"), None);
    step(&mut model, 59, ("REJECTED", "REJECTED", "jonas"), Some("model-wrong"));
    step(&mut model, 58, ("APPROVED", "APPROVED", "amira"), Some("confirmed"));
    step(&mut model, 57, ("ESCALATED", "PENDING", "mei"), Some("confirmed"));
    step(&mut model, 61, ("CLAIMED", "UNDER_REVIEW", "rosa"), None);
    step(&mut model, 63, ("CLAIMED", "UNDER_REVIEW", "mei"), None);
    step(&mut model, 63, ("COMMENTED", "UNDER_REVIEW", "mei"), None);
    let texts = vec![(2, "Called back; what was said fits the file.".to_owned())];
    model.hear(&News::Happened(&Happening::Wrote(Words { decision_id: format!("{:032x}", 63), texts })));
    let [at, of] = [const { String::new() }; 2];
    model.hear(&News::Happened(&Happening::Duplicate(Duplicate { at, event_id: "adult-e-000058".to_owned(), of })));
    model
}

fn screen(model: &Model, columns: u16, rows: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("memory can be drawn to");
    terminal.draw(|frame| draw(model, frame)).expect("memory can be drawn to");
    let shown = terminal.backend().to_string();
    let lines = shown.lines().map(|line| line.trim_matches('"').trim_end());
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// Holds a screen against `snapshots/NAME.txt`. `UPDATE_SNAPSHOTS=1` writes it anew: look at the difference before you commit.
fn assert_shows(name: &str, shown: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/cli/dev/view/snapshots/{name}.txt"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, shown).expect("the snapshot can be written");
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(shown == wanted, "{name} should show\n{wanted}\nand shows\n{shown}");
}

fn press(model: &mut Model, code: KeyCode) -> Option<Wish> {
    model.press(KeyEvent::new(code, KeyModifiers::NONE))
}

fn type_in(model: &mut Model, letter: char) -> Option<Wish> {
    press(model, KeyCode::Char(letter))
}

#[test]
fn the_first_screen_at_every_size() {
    let mut model = model();
    assert_shows("main-80x24", &screen(&model, 80, 24));
    assert_shows("main-120x40", &screen(&model, 120, 40));
    assert_shows("main-200x60", &screen(&model, 200, 60));
    assert_shows("small", &screen(&model, 40, 10));
    model.notes.push("policies: adult-income.yaml was refused: line 3".to_owned());
    assert!(screen(&model, 80, 24).contains("! policies: adult-income.yaml was refused: line 3"));
    for (columns, rows) in (1..70).zip(1..40).chain([(1, 500), (500, 1), (60, 16), (61, 17)]) {
        screen(&model, columns, rows);
    }
}

fn incident(model: &mut Model, kind: IncidentKind, state: IncidentState, sentence: &str) {
    let incident = Incident {
        id: format!("{:016x}", sentence.len()),
        kind,
        policy: "credit-default".to_owned(),
        about: "favourable-rate".to_owned(),
        group: [("sex".to_owned(), "Male".to_owned())].into(),
        direction: Direction::Down,
        at_event: 755,
        since_event: 566,
        statistic: 6.5,
        threshold: 5.0,
        sentence: sentence.to_owned(),
    };
    let by = (state == IncidentState::Acknowledged).then(|| "rosa".to_owned());
    let (at, reason) = ("2026-01-05T10:47:41.250Z".to_owned(), by.as_ref().map(|_| "rolled back".to_owned()));
    model.hear(&News::Happened(&Happening::Incident(IncidentStep { state, at, by, reason, incident })));
}

#[test]
fn an_open_incident_stands_on_top_until_it_is_over() {
    let fell = "The share of favourable decisions of sex=Male fell to 46.7 % (21 of 45 decisions since event 566); 85.4 % were to be \
                expected of them by the approved baseline, which has 85.2 %.";
    let rose = "The share of events with the prediction = default rose to 34.6 %.";
    let mut model = model();
    let before = screen(&model, 120, 40);
    incident(&mut model, IncidentKind::Fairness, IncidentState::Open, fell);
    assert_shows("incident-80x24", &screen(&model, 80, 24));
    incident(&mut model, IncidentKind::Drift, IncidentState::Open, rose);
    assert_shows("incident-120x40", &screen(&model, 120, 40));
    for (columns, rows) in [(60, 16), (61, 17), (300, 20)] {
        screen(&model, columns, rows);
    }
    incident(&mut model, IncidentKind::Fairness, IncidentState::Acknowledged, fell);
    assert!(screen(&model, 120, 40).contains("▲ incident: The share of events with"), "the other one is left");
    assert!(screen(&model, 120, 40).contains("acknowledged by rosa: rolled back"));
    incident(&mut model, IncidentKind::Drift, IncidentState::Closed, rose);
    let but_the_latest = |screen: &str| screen.lines().take(38).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(but_the_latest(&screen(&model, 120, 40)), but_the_latest(&before));
}

#[test]
fn nothing_has_happened_yet() {
    let shown = screen(&Model::new(About::default()), 80, 24);
    assert!(shown.contains("joining the group") && shown.contains("nothing yet"), "{shown}");
}

#[test]
fn a_case_is_opened_scrolled_and_closed() {
    let mut model = model();
    model.resize(80, 24);
    assert_eq!(press(&mut model, KeyCode::Enter), None);
    assert_shows("case-80x24", &screen(&model, 80, 24));
    assert_shows("case-160x50", &screen(&model, 160, 50));
    press(&mut model, KeyCode::Down);
    assert_eq!(model.opened.as_ref().map(|opened| opened.scroll), Some(1));
    for _ in 0..50 {
        press(&mut model, KeyCode::PageDown);
    }
    let shown = screen(&model, 80, 24);
    assert!(shown.contains(r#""groups": ["credit"]"#), "the end of the last entry is in sight: {shown}");
    let end = model.opened.as_ref().map(|opened| opened.scroll);
    press(&mut model, KeyCode::End);
    assert_eq!(model.opened.as_ref().map(|opened| opened.scroll), end);
    model.resize(160, 120);
    assert!(model.opened.as_ref().is_some_and(|opened| opened.scroll == 0), "all of it fits");
    assert_eq!(press(&mut model, KeyCode::Esc), None);
    assert!(model.opened.is_none());
    assert_eq!(press(&mut model, KeyCode::Esc), Some(Wish::Quit));
}

#[test]
fn an_unreadable_record_shows_what_was_sent() {
    let mut model = model();
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Enter);
    assert_shows("unreadable-80x24", &screen(&model, 80, 24));
}

#[test]
fn what_was_altered_is_said() {
    let mut model = model();
    let mut altered = entry(61, Follows::No);
    altered.stored[20] ^= 1;
    model.hear(&News::Stored(&altered));
    let shown = screen(&model, 80, 24);
    assert!(shown.contains("✗ 1 altered, 1 do not follow"), "{shown}");
    for _ in 0..2 {
        press(&mut model, KeyCode::Down);
    }
    press(&mut model, KeyCode::Enter);
    let shown = screen(&model, 140, 50);
    assert!(shown.contains("✗ Entry 60, as it was read, has another number"), "{shown}");
    assert!(shown.contains("they were altered"), "{shown}");
}

#[test]
fn the_mark_stays_on_its_case_when_others_come() {
    let mut model = model();
    type_in(&mut model, 'j');
    let marked = |model: &Model| model.cases.list()[model.marked].held.decision_id.clone();
    let before = marked(&model);
    for number in 100..900 {
        hear_held(&mut model, held(number, "low", 10.0, Vec::new()));
        if number == 200 {
            assert_eq!(marked(&model), before);
        }
    }
    assert!(model.cases.list().len() == 500 && model.marked == 499, "bounded");
    assert!(screen(&model, 80, 24).contains("500 of the last 500"));
    press(&mut model, KeyCode::Home);
    assert_eq!(model.marked, 0);
    hear_held(&mut model, held(999, "low", 10.0, Vec::new()));
    assert_eq!(model.marked, 0, "at the top it is the newest");
    type_in(&mut model, 'k');
    assert_eq!(model.marked, 0);
}

#[test]
fn keys_are_wishes() {
    let mut model = model();
    assert_eq!(type_in(&mut model, 'b'), Some(Wish::Send(Extra::Broken)));
    assert_eq!(type_in(&mut model, 'l'), Some(Wish::Send(Extra::LargeAmount)));
    assert_eq!(type_in(&mut model, 'd'), Some(Wish::Send(Extra::Duplicate)));
    assert!(screen(&model, 80, 24).contains("you sent the last event once more"));
    assert_eq!(type_in(&mut model, ' '), Some(Wish::Play(Play::Paused)));
    assert!(screen(&model, 80, 24).contains("‖ paused"));
    assert_eq!(type_in(&mut model, ' '), Some(Wish::Play(Play::On)));
    assert_eq!(type_in(&mut model, '?'), None);
    assert_shows("help-80x24", &screen(&model, 80, 24));
    assert_eq!(type_in(&mut model, 'b'), None, "any key only closes the help");
    assert!(!model.help);
    assert_eq!(type_in(&mut model, 'q'), Some(Wish::Quit));
    assert_eq!(model.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Some(Wish::Quit));
    assert_eq!(model.press(KeyEvent::new(KeyCode::Char('b'), KeyModifiers::CONTROL)), None);
}

/// `cargo run --release -- dev --once 1660 --picture src/dev/screen.svg` makes it anew.
#[test]
fn the_picture_in_the_readme_shows_this_view() {
    const PICTURE: &str = include_str!("../../../dev/screen.svg");
    let shown = screen(&model(), 112, 34);
    let words: Vec<&str> = shown.lines().flat_map(|line| line.split("  ")).map(|words| words.trim_matches([' ', '─'])).collect();
    for word in ["jidoka dev", "decisions", "held because of", "last held, and why", "low-confidence", "released", "critical"] {
        assert!(words.contains(&word) && PICTURE.contains(&format!(">{word}")), "make the picture anew: {word}");
    }
    assert!(PICTURE.contains(">▲ incident") && PICTURE.contains("sex=Male"), "make the picture anew, with an incident");
}
