//! Every refusal: where it points and what it says.

use super::*;

/// The one mistake of `text`: what it points at, and its sentence.
fn mistake(text: &str) -> (String, String) {
    let mistakes = mistakes(text);
    assert_eq!(mistakes.len(), 1, "{text}: {mistakes:#?}");
    mistakes.into_iter().next().unwrap()
}

fn mistakes(text: &str) -> Vec<(String, String)> {
    let mistakes = Expression::condition(text, &mut Plan::default()).err();
    let mistakes = mistakes.unwrap_or_else(|| panic!("accepted: {text}"));
    mistakes.into_iter().map(|mistake| (text[mistake.at].to_owned(), mistake.message)).collect()
}

/// Each case: an expression, what the mistake points at, and a part of the sentence.
#[track_caller]
fn assert_refused(cases: &[(&str, &str, &str)]) {
    for (text, at, part) in cases {
        let (found_at, message) = mistake(text);
        assert_eq!(found_at, *at, "{text}: {message}");
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn what_cannot_be_read() {
    assert_refused(&[
        ("", "", "the expression is empty"),
        ("  // only a comment", "  // only a comment", "the expression is empty"),
        ("amount = 5", "=", "write `==` to compare"),
        ("amount > 5 & amount < 6", "&", "write `&&`"),
        ("amount > 5 | amount < 6", "|", "write `||`"),
        ("amount > 5 and amount < 6", "and", "write `&&`"),
        ("amount > 5 OR amount < 6", "OR", "write `||`"),
        ("not has(event.amount)", "not", "write `!`"),
        ("True", "True", "write `true` in small letters"),
        ("amount ≥ 5", "≥", "write `>=`"),
        ("action == ‘pay", "‘", "straight quote"),
        ("action == 'pay", "'pay", "not closed"),
        ("action == 'pay\n'", "'pay", "not closed on its line"),
        ("action == '''pay'", "'''pay'", "not closed"),
        ("action == 'a\\q'", "\\q", "no escape sequence"),
        ("action == '\\u12'", "\\u", "no escape sequence"),
        ("größe > 5", "größe", "only the letters a to z"),
        ("action == 'ä' && größe > 5", "größe", "only the letters a to z"),
        ("features.`a == 1", "`", "features['the-name']"),
        ("amount > 5;", ";", "no end sign"),
        ("amount > 5 @", "@", "no meaning here"),
        ("amount > 5\u{0}", "\u{0}", "no meaning here"),
        ("amount > 5_000", "5_000", "write the number without `_`: 5000"),
        ("amount > 5u", "5u", "write 5"),
        ("(amount > 5", "(", "not closed"),
        ("amount > 5)", ")", "nothing is open here that `)` could close"),
        ("amount in [1)", ")", "nothing is open"),
        ("amount >", "", "ends too early"),
        ("amount > )", ")", "nothing is open"),
        ("(amount > )", ")", "something is missing before `)`"),
        ("amount > 5 amount", "amount", "not expected here"),
        ("action == 'ä' action", "action", "not expected here"),
        ("if == 5", "if", "reserved word"),
        ("amount > 99999999999999999999", "99999999999999999999", "whole numbers lie between"),
        ("amount > 1e999", "1e999", "beyond a double"),
        ("event.?amount == 5", ".", "ask first with has()"),
        ("amount > b'x'", "b'x'", "bytes are not supported"),
        ("{'a': 1} == 1", "{'a': 1}", "maps cannot be written"),
        ("Foo{a: 1} == 1", "{a: 1}", "messages cannot be written"),
    ]);
}

#[test]
fn names_that_are_not_known() {
    assert_refused(&[
        ("amuont > 5", "amuont", "unknown name `amuont`; did you mean `amount`?"),
        ("age > 5", "age", "unknown name `age`: a feature is written `features.age`; the fields are: `event_id`"),
        ("event.amuont > 5", "amuont", "did you mean `amount`?"),
        ("model.nmae == 'x'", "nmae", "did you mean `name`?"),
        ("model.kind == 'x'", "kind", "a model has: `name`, `version`"),
        ("evidence[0].url == 'x'", "url", "did you mean `uri`?"),
        ("action.startswith('x')", "startswith", "did you mean `startsWith`?"),
        ("frobnicate(amount)", "frobnicate", "unknown function `frobnicate`; the functions are: `has`"),
        ("math.abs(amount) > 5", "abs", "write `x < -5 || x > 5`"),
        ("'😀' == action && amuont > 5", "amuont", "did you mean `amount`?"),
        ("flags.exists(flag, flga == 'x')", "flga", "did you mean `flag`?"),
        ("event.event.amount > 5", "event", "unknown field `event`"),
    ]);
}

#[test]
fn types_that_do_not_fit() {
    assert_refused(&[
        ("amount", "amount", "`amount` is a number, and a condition is needed here"),
        ("amount + 1", "amount + 1", "a condition is needed"),
        ("'x'", "'x'", "a condition is needed"),
        ("!amount", "amount", "a condition is needed"),
        ("amount && true", "amount", "a condition is needed"),
        ("amount ? true : false", "amount", "a condition is needed"),
        ("amount == 'x'", "amount == 'x'", "`amount` is a number and `'x'` is a text: they are never equal"),
        ("amount != 'x'", "amount != 'x'", "never equal"),
        ("action == 5", "action == 5", "never equal"),
        ("flags == 'x'", "flags", "`flags` is not a single value: write `size(flags) > 0`"),
        ("evidence == 'x'", "evidence", "write `size(evidence) > 0`"),
        ("features == 'x'", "features", "name the member that is meant"),
        ("event == 'x'", "event", "name the field that is meant"),
        ("model == 'x'", "model", "name the field that is meant"),
        ("evidence[0] == 'x'", "evidence[0]", "write `evidence[0].uri`"),
        ("probabilities > 0.5", "probabilities", "name the label"),
        ("action > 5", "action > 5", "they have no order"),
        ("timestamp > '2026-01-05T10:46:41Z'", "timestamp > '2026-01-05T10:46:41Z'", "Write `timestamp('2026-01-05T10:46:41Z')`"),
        ("features.when > timestamp", "features.when > timestamp", "they have no order"),
        ("features.when == timestamp", "features.when == timestamp", "they are never equal"),
        ("amount in ['x']", "'x'", "this is a text, and `amount` is a number"),
        ("amount in flags", "amount", "flags are texts, and this is a number"),
        ("'x' in action", "'x' in action", "write `action.contains('x')`"),
        ("'x' in evidence", "evidence", "write `exists`"),
        ("'amount' in event", "'amount' in event", "write `has(event.amount)`"),
        ("amount == null", "amount == null", "write `!has(event.amount)`"),
        ("features.age != null", "features.age != null", "write `has(features.age)`"),
        ("features['a-b'] == null", "features['a-b'] == null", "write `!('a-b' in features)`"),
        ("action in [null]", "null", "there is no null"),
        ("amount % 2 == 0", "amount % 2", "write `int(amount) % …`"),
        ("action + 'x' == 'yx'", "action + 'x'", "texts cannot be put together"),
        ("size(flags) * amount > 1", "size(flags) * amount", "write `double(size(flags))`"),
        ("action - 1 > 1", "action - 1", "cannot compute with `action`, a text"),
        ("-action == 'x'", "-action", "has no sign"),
        ("-has(event.amount)", "-has(event.amount)", "write `!has(event.amount)`"),
        ("(amount > 1 ? 'a' : 2) == 2", "(amount > 1 ? 'a' : 2)", "must have one type"),
        ("amount.size() > 1", "amount", "has no size"),
        ("features.size() > 1", "features.size()", "the size of `features` is not known"),
        ("amount.startsWith('x')", "amount", "a text is needed here"),
        ("action.startsWith(5)", "5", "a text is needed here"),
        ("amount.x == 1", "x", "has no members"),
        ("flags.x == 1", "x", "is a list"),
        ("action[0] == 'a'", "0", "has no index"),
        ("timestamp.getHours() == '5'", "timestamp.getHours() == '5'", "never equal"),
        ("amount.getHours() == 5", "amount", "no time"),
        ("double(timestamp) > 1", "timestamp", "has no double"),
    ]);
}

#[test]
fn what_is_not_supported() {
    assert_refused(&[
        ("flags.map(f, f) == 1", "map", "write `exists(v, …)`"),
        ("string(amount) == '5'", "string", "compare the value itself"),
        ("type(amount) == 'int'", "type", "type() is not supported"),
        ("flags.filter(f, f == 'x') == 1", "flags.filter(f, f == 'x')", "filter can only be counted"),
        ("flags.filter(f, f == 'x').exists(g, g == 'x')", "flags.filter(f, f == 'x')", "goes over"),
        ("features[action] == 1", "action", "only `probabilities` can be asked"),
        ("action in features", "action", "write a constant name, such as `'age' in features`"),
        ("features[1] == 1", "1", "the names in `features` are texts"),
        ("flags[size(flags)] == 'x'", "size(flags)", "a whole number from 0"),
        ("flags[-1] == 'x'", "-1", "a whole number from 0"),
        ("[1, 2][0] == 1", "0", "have an index"),
        ("event['amount'] == 1", "'amount'", "after a dot"),
        ("has(amount)", "amount", "write `has(event.amount)`"),
        ("has(features['a'])", "features['a']", "write `'a' in features`"),
        ("has(event.flags)", "event.flags", "write `size(flags) > 0`"),
        ("has(event.features)", "event.features", "such as `has(features.age)`"),
        ("has(event.model)", "event.model", "such as `has(model.version)`"),
        ("has(event.amount, 1)", "has(event.amount, 1)", "is written like `has(event.amount)`"),
        ("features.exists(f, f == 'x')", "features", "goes over `flags`"),
        ("exists(f, f == 'x')", "exists(f, f == 'x')", "write what it goes over first"),
        ("flags.exists(f == 'x')", "flags.exists(f == 'x')", "has a variable and a condition"),
        ("flags.exists('f', true)", "'f'", "the variable is a name"),
        ("flags.exists(amount, amount == 'x')", "amount", "a field of the event"),
        ("flags.exists(f, flags.exists(f, f == 'x'))", "f", "the variable around this one"),
        ("[1, 'a'].exists(x, x == 1)", "'a'", "must have one type"),
        ("timestamp(action) > timestamp", "action", "only a text that is written out"),
        ("timestamp > timestamp('yesterday')", "'yesterday'", "a time is written like"),
        ("timestamp - timestamp > duration('5 minutes')", "'5 minutes'", "a duration is written like"),
        ("timestamp - timestamp > duration('1us')", "'1us'", "a duration is written like"),
        ("timestamp - timestamp > duration('0.0001s')", "'0.0001s'", "in whole ones"),
        ("timestamp - timestamp > duration('9999999999h')", "'9999999999h'", "longer than 290 years"),
        ("timestamp.getHours('Europe/Berlin') > 5", "timestamp.getHours('Europe/Berlin')", "times are in UTC"),
        ("action.matches(currency)", "currency", "must be written out"),
        ("action.matches('(')", "'('", "the pattern cannot be read: unclosed group"),
        ("action.matches('(a{1,1000}){1,1000}')", "'(a{1,1000}){1,1000}'", "the pattern is too large"),
        ("action.matches()", "action.matches()", "is written like"),
        ("startsWith(action, 'x')", "startsWith(action, 'x')", "is written like `action.startsWith('x')`"),
        ("action.int() == 1", "action.int()", "is written like `int(features.age)`"),
        ("size() == 1", "size()", "is written like `size(flags)`"),
        ("size([amount]) == 1", "size([amount])", "write the number"),
        ("now() > timestamp", "now", "is not known here"),
    ]);
}

#[test]
fn constants_that_can_only_fail() {
    assert_refused(&[
        ("1 / 0 == 1", "1 / 0", "can only end in an error: 1 / 0 divides by zero"),
        ("amount > 1 || 5 % 0 == 1", "5 % 0", "divides by zero"),
        ("9223372036854775807 + 1 > 0", "9223372036854775807 + 1", "overflows"),
        ("-(-9223372036854775807 - 1) > 0", "-(-9223372036854775807 - 1)", "overflows"),
        ("int(1e30) > 0", "int(1e30)", "can only end in an error"),
        ("int('x') > 0", "int('x')", "can only end in an error"),
    ]);
}

#[test]
fn all_mistakes_are_found_in_order() {
    let found = mistakes("amuont > 5 && flags == 'x' || features.job.startswith('a') || action == 5");
    let places: Vec<&str> = found.iter().map(|(at, _)| at.as_str()).collect();
    assert_eq!(places, ["amuont", "flags", "startswith", "action == 5"]);
    let found = mistakes("amount = 5 and action = 'x'");
    assert_eq!(found.len(), 3);
    let unknown = format!("a == 1{}", " && b == 2".repeat(60));
    assert_eq!(mistakes(&unknown).len(), MAX_MISTAKES);
}

#[test]
fn bounds() {
    let long = format!("amount > 1{}", " ".repeat(MAX_TEXT));
    assert_refused(&[(&long, "", "more than 4096")]);
    let fits = format!("amount > 1{}", " ".repeat(MAX_TEXT - 10));
    assert!(Expression::condition(&fits, &mut Plan::default()).is_ok());
    let many = format!("amount in [{}1]", "1,".repeat(600));
    assert!(mistake(&many).1.contains("more than 1000 words and signs"));
    for deep in [
        format!("{}true{}", "(".repeat(40), ")".repeat(40)),
        format!("{}true", "!".repeat(40)),
        format!("{}true", "true ? true : ".repeat(40)),
        format!("1{} > 0", " + 1".repeat(40)),
        format!("amount in {}1{}", "[".repeat(40), "]".repeat(40)),
    ] {
        assert!(mistake(&deep).1.contains("more than 32 levels deep"), "{deep}");
    }
    let wide = format!("amount > 0{}", " && amount > 1 || amount + 1 > 2".repeat(60));
    assert!(Expression::condition(&wide, &mut Plan::default()).is_ok());
}

#[test]
fn what_takes_too_many_steps() {
    assert_refused(&[
        (
            "flags.exists(f, flags.exists(g, f == g))",
            "flags.exists(f, flags.exists(g, f == g))",
            "steps, more than 100000; lists count with 1,000 elements",
        ),
        ("probabilities.all(p, p in flags)", "probabilities.all(p, p in flags)", "steps"),
    ]);
    let cost = |text: &str| compiled(text).0.cost();
    assert_eq!(cost("amount > 5"), 1);
    assert_eq!(cost("amount > 5 && prediction == 'x'"), 3);
    assert!((2_000..20_000).contains(&cost("flags.exists(f, f.startsWith('bias'))")));
    assert!(cost("flags.exists(f, f.matches('a{10}b{10}'))") > cost("flags.exists(f, f.matches('a'))"));
    assert!(cost("['a', 'b'].exists(x, x in flags)") < 3_000);
}
