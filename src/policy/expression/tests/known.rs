//! What is told without an event, and what must not be.

use super::*;

#[track_caller]
fn assert_known(known: Option<bool>, texts: &[&str]) {
    for text in texts {
        assert_eq!(compiled(text).0.known(), known, "{text}");
    }
}

#[test]
fn what_never_holds() {
    assert_known(
        Some(false),
        &[
            "false",
            "1 > 2",
            "!true",
            "amount > 1 && false",
            "amount in []",
            "amount > 5 && amount < 3",
            "amount > 5 && action == 'x' && amount <= 5",
            "amount > 5 && 5 > amount",
            "amount >= 5 && amount <= 5 && amount != 5",
            "amount == 5 && amount == 6",
            "amount == 5 && amount > 5",
            "amount in [1, 2, 3] && amount > 3",
            "amount in [1, 2] && !(amount in [2, 1])",
            "!(amount > 5 || amount <= 5)",
            "prediction == 'a' && prediction == 'b'",
            "prediction == 'a' && prediction != 'a'",
            "prediction in ['a', 'b'] && prediction == 'c'",
            "features.age > 5 && features.age == 'old'",
            "features.age > 5 && !(features.age > 3)",
            "confidence > 1",
            "confidence < 0 || probabilities.yes > 1",
            "probabilities.yes == 1.5",
            "amount > 1 ? confidence > 2 : false",
            "flags.exists(f, confidence > 2)",
            "[].exists(x, x == 1)",
            "[1].all(x, confidence > 1)",
            "features.absent == 1 && 1 == 2",
        ],
    );
}

#[test]
fn what_always_holds() {
    assert_known(
        Some(true),
        &[
            "true",
            "1 < 2 || amount > 1",
            "amount > 1 || !false",
            "has(event.event_id)",
            "flags.all(f, true)",
            "[].all(x, x == 1)",
            "model.name == 'a' || model.name != 'a'",
            "!(model.name == 'a' && model.name == 'b')",
            "!has(event.confidence) || confidence <= 1",
            "has(event.confidence) ? confidence >= 0 : true",
            "!(has(event.amount) && amount > 5 && amount < 3)",
            "has(event.amount) ? amount > 5 || amount <= 5 : model.name == 'a' || model.name != 'a'",
            "!has(event.amount) || amount < 5 || amount != 4",
        ],
    );
}

#[test]
fn what_cannot_be_told() {
    assert_known(
        None,
        &[
            "amount > 5",
            "amount > 5 && amount < 6",
            "amount >= 5 && amount <= 5",
            "amount > 5 || amount <= 5", // fails where the amount is missing
            "confidence >= 0",           // the same
            "confidence > 0.5 && probabilities.yes >= 1",
            "features.age > 5 || features.age <= 5", // may be a text
            "has(features.age) ? features.age > 5 || features.age <= 5 : true",
            "prediction == 'a' || prediction == 'b'",
            "features.a == 'x' && features.b == 'y'",
            "features.a > 5 && probabilities.a < 3",
            "has(features.b) ? features.a == features.a : true",
            "flags.exists(f, f == 'a') && flags.exists(f, f == 'b')",
            "flags.exists(f, true)",
            "flags.all(f, false)",
            "amount > 1 ? true : false",
            "amount == 1 && confidence == 1",
            "has(event.amount) || amount > 5 || amount <= 5",
            "features.member",
            "amount in [1, 2] && amount != 1",
            "action.startsWith('a') && action.startsWith('b')",
        ],
    );
}
