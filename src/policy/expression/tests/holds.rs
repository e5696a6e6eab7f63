//! What expressions say of events: every operator and function, and every failure.

use super::*;

#[track_caller]
fn assert_true(texts: &[&str]) {
    for text in texts {
        assert_eq!(said(text, EVENT), Ok(true), "{text}");
    }
}

#[track_caller]
fn assert_false(texts: &[&str]) {
    for text in texts {
        assert_eq!(said(text, EVENT), Ok(false), "{text}");
    }
}

#[track_caller]
fn assert_fails(event: &str, cases: &[(&str, &str)]) {
    for (text, reason) in cases {
        assert_eq!(said(text, event), Err((*reason).to_owned()), "{text}");
    }
}

#[test]
fn every_field_is_read() {
    assert_true(&[
        "event_id == 'e-1'",
        "event.event_id == event_id",
        "timestamp == timestamp('2026-01-05T10:46:41.187Z')",
        "model.name == 'adult' && model.version == '1.0' && event.model.version == '1.0'",
        "subject_id == 'S2' && requested_by == 'u1' && action == 'pay' && currency == 'EUR'",
        "prediction == '>50K' && '>50K' == event.prediction",
        "confidence == 0.75 && amount == 15001",
        "features.age == 57 && event.features.age == 57 && features['age'] == 57",
        "features['hours-per-week'] == 40.5",
        "features.member && features.job == 'Größe'",
        "probabilities['>50K'] == 0.75 && probabilities[prediction] == 0.75",
        "protected.sex == 'Female' && explanation.age == -0.5",
        "flags[0] == 'bias:sex' && flags[1] == 'late'",
        "evidence[0].uri == 's3://a' && evidence[0].sha256 == '00'",
    ]);
}

#[test]
fn presence_is_asked_first() {
    assert_true(&[
        "has(event.amount) && has(features.age) && has(model.version) && has(event.prediction) && has(protected.sex)",
        "has(event.event_id) && has(model.name) && has(event.model.name)",
        "!has(features.nothing) && !has(features.absent) && !('nothing' in features)",
        "'age' in features && 'sex' in protected && '>50K' in probabilities && 'age' in explanation && 'age' in event.features",
        "prediction in probabilities && !('x' in probabilities)",
        "has(evidence[0].sha256) && !has(evidence[1].sha256)",
        "evidence.exists_one(e, has(e.sha256))",
    ]);
    for text in ["has(event.amount)", "has(event.timestamp)", "'age' in features", "has(model.version)", "'a' in flags"] {
        assert_eq!(said(text, BARE), Ok(false), "{text}");
    }
    for text in ["size(flags) == 0", "size(evidence) == 0 && flags.all(f, false)", "size(probabilities) == 0"] {
        assert_eq!(said(text, BARE), Ok(true), "{text}");
    }
}

#[test]
fn comparisons() {
    assert_true(&[
        "amount > 15000 && amount >= 15001 && amount < 15002 && amount <= 15001 && 15000 < amount && 15001 >= amount",
        "amount != 1 && amount == 15001.0 && !(amount == 2)",
        "features.age > 56.5 && features.age == 57 && features.age != '57' && features.job != 57 && features.member != 1",
        "action < 'q' && action >= 'pay' && features.job > 'A'",
        "size(flags) == 2 && size(flags) >= 2.0 && size(flags) < amount && features.age > size(flags)",
        "false < true && features.member > false",
        "features.age == features.age && features.age != features.job",
        "prediction == '>50K' && prediction != 3 && prediction != true",
        "timestamp > timestamp('2026-01-05T10:46:41Z') && timestamp <= timestamp('2026-01-05T12:46:41.187+02:00')",
        "timestamp - timestamp('2026-01-05T10:00:00Z') > duration('46m') && timestamp + duration('1h') > timestamp",
        "duration('1h30m') == duration('90m') && duration('-1.5s') < duration('250ms')",
        "timestamp - duration('24h') < timestamp && duration('1h') - duration('1m') == duration('59m')",
        "duration('1h') + timestamp == timestamp + duration('1h')",
    ]);
    assert_false(&[
        "amount < 15001",
        "amount / 0 < 0",
        "0.0 / (amount * 0) == 0.0 / (amount * 0)",
        "action == 'PAY'",
        "size(flags) == 2.5",
    ]);
}

#[test]
fn arithmetic() {
    assert_true(&[
        "amount / 2 == 7500.5",
        "1 / 2 == 0 && 7 % 3 == 1 && -7 % 3 == -1 && -7 / 2 == -3",
        "amount * 2 == 30002 && amount + 1 == 15002 && amount - 1 == 15000 && -amount == -15001 && - amount < 0",
        "features.age + features['hours-per-week'] == 97.5 && features.age * 2 == 114 && 1 + features.age == 58",
        "int(amount) % 10 == 1 && int(-2.9) == -2 && int(2.9) == 2 && int('12') == 12 && double(size(flags)) / 4 == 0.5",
        "double(features.number) == 12.5 && int(features.age) == 57 && double('-1e3') == -1000.0",
        "size(flags) + 1 == 3 && size(flags) * 2 - 1 == 3 && -size(flags) == -2",
        "amount / 0 > 1e308",
        "0x10 == 16 && 1.5e1 == 15.0 && .5 == 0.5",
    ]);
}

#[test]
fn what_decides_decides_also_beside_an_error() {
    assert_true(&[
        "features.absent == 1 || amount > 1",
        "amount > 1 || features.absent == 1",
        "!(features.absent == 1 && amount < 1)",
        "!(amount < 1 && features.absent == 1)",
        "flags.exists(f, f == 'late' || features.absent > 1) && flags.exists(f, f == 'late' ? true : features.absent)",
        "!flags.all(f, f == 'late' ? false : features.absent)",
        "has(features.absent) ? features.absent > 1 : true",
        "amount > 1 ? true : features.absent",
    ]);
    assert_fails(
        EVENT,
        &[
            ("features.absent == 1 || amount < 1", "features.absent is missing"),
            ("amount < 1 || features.absent == 1", "features.absent is missing"),
            ("amount > 1 && features.absent == 1", "features.absent is missing"),
            ("features.absent == 1 || features.other == 1", "features.absent is missing"),
            ("!(features.absent == 1)", "features.absent is missing"),
            ("features.absent == 1 ? true : true", "features.absent is missing"),
            ("amount > 1 ? features.absent == 1 : true", "features.absent is missing"),
            ("flags.all(f, f == 'late' || features.absent == 1)", "features.absent is missing"),
            ("flags.exists(f, f == 'x' || features.absent == 1)", "features.absent is missing"),
            ("flags.exists_one(f, f == 'late' || features.absent == 1)", "features.absent is missing"),
            ("flags.filter(f, features.absent == 1).size() > 0", "features.absent is missing"),
            ("[amount, features.absent].exists(x, x > 1)", "features.absent is missing"),
            ("amount in [15001, features.absent]", "features.absent is missing"),
        ],
    );
}

#[test]
fn choices() {
    assert_true(&[
        "(amount > 1 ? 'a' : 'b') == 'a'",
        "amount < 1 ? false : amount < 2 ? false : true",
        "(amount > 1 ? 5 : amount) == 5.0 && (amount > 1 ? amount : 5) == 15001",
        "(amount > 1 ? features.age : 'x') == 57 && (features.member ? features.age : 3) > 3",
        "features.member ? features.member : false",
    ]);
}

#[test]
fn membership() {
    assert_true(&[
        "action in ['pay', 'refuse'] && !(action in ['a']) && !(action in [])",
        "amount in [1, 15001] && features.age in [1, 'x', true, 57] && features.job in ['Größe', 3]",
        "1 in [1, 2] && 1 in [1.0] && 'late' in flags && !('x' in flags) && features.job in ['x', features.job]",
        "prediction in ['>50K', '<=50K'] && !(features.age in flags)",
    ]);
    assert_false(&["!(amount in [15001])", "features.member in [1, 'true']"]);
}

#[test]
fn loops() {
    assert_true(&[
        "flags.exists(f, f.startsWith('bias')) && !flags.exists(f, f == 'x')",
        "flags.all(f, size(f) > 3) && !flags.all(f, f == 'late')",
        "flags.exists_one(f, f == 'late') && !flags.exists_one(f, size(f) > 1) && flags.existsOne(f, f == 'late')",
        "flags.filter(f, f.contains('a')).size() == 2 && size(flags.filter(f, f == 'late')) == 1",
        "evidence.exists(e, e.uri == 's3://b') && evidence.all(e, has(e.uri)) && size(evidence) == 2",
        "probabilities.exists(p, probabilities[p] > 0.7 && p == prediction) && probabilities.all(p, p.contains('50K'))",
        "probabilities.filter(p, probabilities[p] > 0.5).size() == 1 && size(probabilities) == 2",
        "['late', 'x'].exists(x, x in flags) && [1, 2].all(x, amount > x) && [amount, confidence].exists(x, x < 1)",
        "['a', 'late'].exists(x, flags.exists(f, f == x))",
        "[features.age, features.job, 3].exists(x, x == 'Größe') && [].all(x, false) && ![].exists(x, x == 1)",
        "flags.exists(f, ['late'].exists(x, f == x && amount > 1))",
    ]);
}

#[test]
fn texts() {
    assert_true(&[
        "action.startsWith('pa') && action.endsWith('ay') && action.contains('a') && !action.contains('x') && action.contains('')",
        "features.job.startsWith('Gr') && features.job.size() == 5 && size(features.job) == 5 && size('😀ä') == 2",
        "action.matches('^p.y$') && action.matches('a') && !action.matches('^a') && matches(action, 'ay$')",
        "features.job.matches('ö') && '\\u00e4' == 'ä' && \"\\x41\" == 'A' && r'\\d' == '\\\\d' && '''a'b''' == \"a'b\"",
        "action.startsWith(action) && prediction.startsWith('>') && flags[0].startsWith('bias')",
        "'a\\tb'.contains('\\t') && 'straße' != 'strasse'",
    ]);
}

#[test]
fn parts_of_times() {
    assert_true(&[
        "timestamp.getFullYear() == 2026 && timestamp.getMonth() == 0 && timestamp.getDate() == 5 && timestamp.getDayOfMonth() == 4",
        "timestamp.getDayOfWeek() == 1 && timestamp.getHours() == 10 && timestamp.getMinutes() == 46",
        "timestamp.getSeconds() == 41 && timestamp.getMilliseconds() == 187",
        "timestamp('1969-12-31T23:59:59Z').getDayOfWeek() == 3 && timestamp('1969-12-31T23:59:59Z').getSeconds() == 59",
        "timestamp('2026-01-05T00:30:00+01:00').getDate() == 4 && timestamp('0001-01-01T00:00:00Z').getFullYear() == 1",
    ]);
}

#[test]
fn what_is_missing_or_mistyped_is_a_failure() {
    assert_fails(
        BARE,
        &[
            ("amount > 1", "amount is missing"),
            ("event.amount > 1", "amount is missing"),
            ("amount == amount", "amount is missing"),
            ("confidence > 1", "confidence is missing"),
            ("model.version == '1'", "model.version is missing"),
            ("action == 'x'", "action is missing"),
            ("action != 'x'", "action is missing"),
            ("features['a-b'] == 1", "features['a-b'] is missing"),
            ("protected.sex == 'x'", "protected.sex is missing"),
            ("probabilities.yes > 0.5", "probabilities.yes is missing"),
            ("probabilities[action] > 0.5", "action is missing"),
            ("probabilities[prediction] > 0.5", "probabilities[prediction] is missing"),
            ("flags[0] == 'x'", "flags[0] is missing"),
            ("evidence[0].uri == 'x'", "evidence[0].uri is missing"),
            ("has(evidence[0].uri)", "evidence[0].uri is missing"),
            ("timestamp.getHours() == 1", "timestamp is missing"),
            ("action in ['x']", "action is missing"),
            ("action in flags", "action is missing"),
            ("features.a ? true : false", "features.a is missing"),
        ],
    );
    assert_fails(
        EVENT,
        &[
            ("features.job > 1", "features.job is not a number"),
            ("features.age > 'x'", "features.age is not a text"),
            ("1 < features.job", "features.job is not a number"),
            ("features.age < features.job", "features.age < features.job compares values of different types"),
            ("features.job + 1 > 2", "a side of features.job + 1 is not a number"),
            ("-features.job > 2", "features.job is not a number"),
            ("0.0 / (amount * 0) < 1.0", "a side of 0.0 / (amount * 0) < 1.0 is not a number"),
            ("amount > 0.0 / 0.0", "a side of amount > 0.0 / 0.0 is not a number"),
            ("features.job", "features.job is neither true nor false"),
            ("!features.age", "features.age is neither true nor false"),
            ("features.age || amount < 1", "features.age is neither true nor false"),
            ("features.age.startsWith('x')", "a side of features.age.startsWith('x') is not a text"),
            ("features.age.matches('x')", "features.age is not a text"),
            ("size(features.age) == 1", "features.age is not a text"),
            ("double(features.job) > 1", "features.job is not a number"),
            ("int(features.job) > 1", "features.job is not a number that fits a whole one"),
            ("int(amount * 1e300) > 1", "amount * 1e300 is not a number that fits a whole one"),
            ("size(flags) / (size(flags) - 2) > 1", "size(flags) / (size(flags) - 2) divides by zero or overflows"),
            ("size(flags) % (size(flags) - 2) > 1", "size(flags) % (size(flags) - 2) divides by zero or overflows"),
            ("size(flags) + 9223372036854775806 > 1", "size(flags) + 9223372036854775806 overflows"),
            ("size(flags) * 9223372036854775807 > 1", "size(flags) * 9223372036854775807 overflows"),
            (
                "timestamp + duration('2500000h') > timestamp && timestamp + duration('2500000h') + duration('2500000h') + \
              duration('2500000h') + duration('2500000h') + duration('2500000h') + duration('2500000h') + duration('2500000h') + \
              duration('2500000h') + duration('2500000h') + duration('2500000h') + duration('2500000h') + duration('2500000h') + \
              duration('2500000h') + duration('2500000h') + duration('2500000h') + duration('2500000h') + duration('2500000h') + \
              duration('2500000h') + duration('2500000h') + duration('2500000h') + duration('2500000h') + duration('2500000h') + \
              duration('2500000h') + duration('2500000h') + duration('2500000h') + duration('2500000h') + duration('2500000h') + \
              duration('2500000h') > timestamp",
                "timestamp + duration('2500000h') + duration('2500000h') + du… overflows",
            ),
            ("evidence.exists(e, e.sha256 == 'x')", "sha256 of an item of the evidence is missing"),
            ("[1, 2].all(x, x / size(flags) / (x - x) > 0)", "x / size(flags) / (x - x) divides by zero or overflows"),
        ],
    );
}

#[test]
fn expressions_are_compared_and_shown_by_their_text() {
    let mut plan = Plan::default();
    let a = Expression::condition("features.a > 1", &mut plan).unwrap();
    let same = Expression::condition("features.a > 1", &mut plan).unwrap();
    let elsewhere = {
        let mut plan = Plan::default();
        plan.feature("other");
        Expression::condition("features.a > 1", &mut plan).unwrap()
    };
    assert_eq!(a, same);
    assert_eq!(a, a.clone());
    assert_ne!(a, elsewhere);
    assert_ne!(a, Expression::condition("features.a > 2", &mut plan).unwrap());
    assert_eq!((format!("{a:?}").as_str(), a.text()), ("Expression(\"features.a > 1\")", "features.a > 1"));
    assert_eq!(plan.len(), 1);
}
