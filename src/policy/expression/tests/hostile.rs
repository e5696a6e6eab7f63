//! Texts that nobody would write: none of them may panic, hang or overflow the stack.

use proptest::prelude::*;

use super::*;

/// Compiles on a stack as small as a worker's, as it may be that.
fn compile_on_small_stack(texts: Vec<String>) {
    let work = move || {
        for text in texts {
            if let Err(mistakes) = Expression::condition(&text, &mut Plan::default()) {
                assert!(!mistakes.is_empty());
                for mistake in mistakes {
                    assert!(text.get(mistake.at.clone()).is_some(), "{text:?}: {mistake:?}");
                    assert!(!mistake.message.is_empty());
                }
            }
        }
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(work).unwrap().join().unwrap();
}

#[test]
fn deep_and_long_ones() {
    let mut texts = Vec::new();
    for part in [
        "(",
        "[",
        "{",
        "!",
        "-",
        "a?",
        "a?b:",
        "a&&",
        "a||",
        "1+",
        "a.",
        "a<",
        "f(",
        "a.all(b,",
        "a{",
        "\"\\",
        "'''",
        "\u{0}",
        "😀",
        "a ",
        ") ",
        "//",
        "- ",
        "!-",
        "[0]",
        "a in ",
        ".b()",
        "true?",
        "{1:",
        "r'",
        "b'",
        "\\",
        "`",
        "..",
        "1.",
        "1e",
        "0x",
        "'\\u",
        "'\\x\u{1e000}2",
        "'\\u12é4",
        "'\\0😀7",
    ] {
        for count in [1, 31, 32, 33, 500, MAX_TEXT / part.len(), MAX_TEXT] {
            texts.push(part.repeat(count));
            texts.push(format!("{}amount", part.repeat(count)));
            texts.push(format!("amount{}", part.repeat(count)));
        }
    }
    for (open, close) in
        [("(", ")"), ("[", "]"), ("f(", ")"), ("(a ? ", " : b)"), ("flags.all(f, ", ")"), ("a[", "]"), ("-(", ")")]
    {
        for depth in [1, 10, 31, 32, 33, 400] {
            texts.push(format!("{}a{}", open.repeat(depth), close.repeat(depth)));
        }
    }
    // As much of everything as the bounds allow.
    let wide = |depth: usize, chain: usize| format!("{}1{}", format!("({}", "1+".repeat(chain)).repeat(depth), ")".repeat(depth));
    texts.extend([wide(4, 6), wide(15, 1), wide(2, 14), "a &&".repeat(400), format!("[{}1]", "1,".repeat(490))]);
    compile_on_small_stack(texts);
}

const PARTS: [&str; 66] = [
    "amount",
    "flags",
    "features",
    "features.age",
    "evidence",
    "probabilities",
    "event",
    "model",
    "prediction",
    "timestamp",
    "f",
    "'x'",
    "\"y\"",
    "1",
    "2.5",
    "0",
    "-1",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ".",
    ",",
    "?",
    ":",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "==",
    "!=",
    "<",
    "<=",
    ">=",
    ">",
    "&&",
    "||",
    " in ",
    "true",
    "null",
    "has(",
    ".exists(f,",
    ".all(f,",
    ".filter(f,",
    ".size()",
    "size(",
    "\u{0}",
    "ä",
    "'",
    "\"",
    "'''",
    "r'",
    "\\",
    "`",
    "=",
    "//",
    "\n",
    "timestamp('",
    "duration('1h')",
    ".matches('a+')",
    ".startsWith('😀')",
    "int(",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_texts(text in "\\PC{0,60}") {
        compile_on_small_stack(vec![text]);
    }

    #[test]
    fn random_parts(parts in prop::collection::vec(prop::sample::select(&PARTS[..]), 0..24)) {
        compile_on_small_stack(vec![parts.concat(), parts.join(" ")]);
    }
}
