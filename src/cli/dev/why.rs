//! Why a decision was held, in one line of a terminal.

use crate::cli::text::{cut, width};

/// Between what several triggers found.
const BETWEEN: &str = " · ";
const LEFT_OUT: &str = " …";

/// As much of `sentences` as fits in so many columns. Where not all fits, the words of the policy's author come before the rule
/// that they explain, and whole sentences before halves.
pub fn why(sentences: &[&str], columns: usize) -> String {
    let whole = sentences.join(BETWEEN);
    if width(&whole) <= columns {
        return whole;
    }
    let explained: Vec<&str> = sentences.iter().map(|sentence| without_rule(sentence)).collect();
    let room = columns.saturating_sub(width(LEFT_OUT));
    let (mut fitting, mut left_out) = (String::new(), "");
    for sentence in &explained {
        let mut between = if fitting.is_empty() { "" } else { BETWEEN };
        let pieces = split(sentence);
        // Of several findings each is named rather than one told in full.
        let skipped = if explained.len() > 1 { pieces.len() - 1 } else { 0 };
        if skipped > 0 {
            left_out = LEFT_OUT;
        }
        for piece in &pieces[skipped..] {
            if width(&fitting) + width(between) + width(piece) <= room {
                fitting.extend([between, piece]);
                between = " ";
            } else {
                left_out = LEFT_OUT;
            }
        }
    }
    if fitting.is_empty() { cut(&explained.join(BETWEEN), columns) } else { fitting + left_out }
}

/// What the policy says of its rule, where it says something.
fn without_rule(sentence: &str) -> &str {
    match sentence.strip_prefix("The rule `").and_then(|rest| rest.rsplit_once("` applies. ")) {
        Some((_, reason)) if !reason.is_empty() => reason,
        _ => sentence,
    }
}

/// Single sentences.
fn split(text: &str) -> Vec<&str> {
    let (mut pieces, mut rest, mut from) = (Vec::new(), text, 0);
    while let Some(at) = rest[from..].find(". ").map(|at| from + at + 1) {
        if rest[at + 1..].starts_with(char::is_uppercase) {
            pieces.push(&rest[..at]);
            (rest, from) = (&rest[at + 1..], 0);
        } else {
            from = at;
        }
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNSURE: &str =
        "The probability of the most likely answer is 0.5637, below the limit of 0.6. The model is not sure enough";
    const RULE: &str = "The rule `amount >= 15000. A` applies. Amounts of 15,000 and more need a person";

    #[test]
    fn what_helps_most_stays() {
        for (sentences, columns, line) in [
            (&[UNSURE][..], 120, UNSURE),
            (&[UNSURE], 80, "The probability of the most likely answer is 0.5637, below the limit of 0.6. …"),
            (&[UNSURE], 40, "The model is not sure enough …"),
            (&[UNSURE], 20, "The probability of…"),
            (&[RULE], 60, "Amounts of 15,000 and more need a person"),
            (&[RULE, UNSURE], 80, "Amounts of 15,000 and more need a person · The model is not sure enough …"),
            (&["The rule `a` applies."], 10, "The rule…"),
        ] {
            assert_eq!(why(sentences, columns), line);
            assert!(width(&why(sentences, columns)) <= columns);
        }
    }
}
