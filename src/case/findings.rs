//! What was found, without what many cases have in common.
//!
//! The sentences of two findings of the same trigger differ in their numbers, if at all. A case keeps those, and the text
//! around them once for all cases: `"value":0.55,"limit":0.62` is the pattern `"value":#,"limit":#` and the numbers `0.55 0.62`.
//! Nothing is interpreted: whatever the text is, it comes back byte for byte.

use std::sync::Arc;

/// Where a number stands in a pattern, and between numbers. In JSON it stands nowhere: it would be escaped.
const MARK: char = '\u{1}';

/// Findings as JSON, split.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Findings {
    /// The text, with a mark for each number.
    pub pattern: Arc<str>,
    /// The numbers, each with a mark behind it.
    pub numbers: Box<str>,
}

/// The pattern of `json` and its numbers.
pub(super) fn split(json: &str) -> (String, String) {
    let (mut pattern, mut numbers) = (String::with_capacity(json.len()), String::new());
    let mut rest = json;
    while !rest.is_empty() {
        let text = rest.find(is_digit).unwrap_or(rest.len());
        pattern.push_str(&rest[..text]);
        rest = &rest[text..];
        let number = rest.find(|letter| !is_digit(letter)).unwrap_or(rest.len());
        if number > 0 {
            pattern.push(MARK);
            numbers.push_str(&rest[..number]);
            numbers.push(MARK);
            rest = &rest[number..];
        }
    }
    (pattern, numbers)
}

fn is_digit(letter: char) -> bool {
    letter.is_ascii_digit() || letter == '.'
}

impl Findings {
    /// The findings as they were.
    pub fn json(&self) -> String {
        let mut json = String::with_capacity(self.pattern.len() + self.numbers.len());
        let mut numbers = self.numbers.split(MARK);
        for (place, text) in self.pattern.split(MARK).enumerate() {
            if place > 0 {
                json.push_str(numbers.next().unwrap_or_default());
            }
            json.push_str(text);
        }
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split_whole(json: &str) -> Findings {
        let (pattern, numbers) = split(json);
        Findings { pattern: pattern.into(), numbers: numbers.into() }
    }

    #[test]
    fn findings_of_one_trigger_share_their_pattern() {
        let json = |value: &str| format!(r#"[{{"sentence":"It is {value}, below 0.62.","value":{value},"details":null}}]"#);
        let (one, other) = (split_whole(&json("0.55")), split_whole(&json("1.25e-7")));
        assert_eq!(&*one.numbers, "0.55\u{1}0.62.\u{1}0.55\u{1}");
        assert_eq!(one.pattern, split_whole(&json("0.6")).pattern);
        assert_eq!((one.json(), other.json()), (json("0.55"), json("1.25e-7")));
    }

    proptest! {
        #[test]
        fn any_text_comes_back(json in "[^\u{1}]*|[0-9.a \"]*") {
            prop_assert_eq!(split_whole(&json).json(), json);
        }
    }
}
