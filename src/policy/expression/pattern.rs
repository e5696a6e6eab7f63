//! Patterns of `matches`: compiled completely when the policy is loaded.
//!
//! As in CEL a pattern is searched for, not matched as a whole, and as in RE2 `\d`, `\w`, `\s` and `\b` know only ASCII,
//! which also keeps them small. A pattern becomes an automaton without a cache, so that a search costs one table look-up a
//! byte and allocates nothing, whatever the text is.

use regex_automata::dfa::{StartKind, dense};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::syntax;

use super::program::Pattern;

/// Groups, repetitions and classes within each other.
const MAX_NESTING: u32 = 16;
/// Bytes of an automaton and of what it is made from.
const MAX_BYTES: usize = 256 * 1024;

impl Pattern {
    /// Compiles `text`.
    ///
    /// # Errors
    /// The sentence that says what is wrong with it.
    pub fn compile(text: &str) -> Result<Self, String> {
        let rules = syntax::Config::new().nest_limit(MAX_NESTING);
        let parsed = syntax::parse_with(&with_ascii_classes(text), &rules).map_err(|error| {
            let said = error.to_string();
            let what = said.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            format!("the pattern cannot be read: {what}")
        })?;
        let too_large = || format!("the pattern is too large: its automaton has more than {} KiB", MAX_BYTES / 1024);
        let nfa = thompson::Compiler::new()
            .configure(thompson::Config::new().nfa_size_limit(Some(MAX_BYTES)).which_captures(WhichCaptures::None))
            .build_from_hir(&parsed)
            .map_err(|_| too_large())?;
        let limits = dense::Config::new()
            .start_kind(StartKind::Unanchored)
            .dfa_size_limit(Some(MAX_BYTES))
            .determinize_size_limit(Some(MAX_BYTES));
        let automaton = dense::Builder::new().configure(limits).build_from_nfa(&nfa).map_err(|_| too_large())?;
        Ok(Self { automaton, size: text.len() })
    }
}

/// `pattern` with the short names of classes written out as RE2 means them.
fn with_ascii_classes(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            out.push(char);
            continue;
        }
        match chars.next() {
            Some('d') => out.push_str("[0-9]"),
            Some('D') => out.push_str("[^0-9]"),
            Some('w') => out.push_str("[0-9A-Za-z_]"),
            Some('W') => out.push_str("[^0-9A-Za-z_]"),
            Some('s') => out.push_str("[\\t\\n\\x0c\\r ]"),
            Some('S') => out.push_str("[^\\t\\n\\x0c\\r ]"),
            Some('b') => out.push_str("(?-u:\\b)"),
            Some('B') => out.push_str("(?-u:\\B)"),
            other => {
                out.push('\\');
                out.extend(other);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(pattern: &str, text: &str) -> bool {
        Pattern::compile(pattern).unwrap_or_else(|error| panic!("{error}")).is_found_in(text)
    }

    #[test]
    fn a_pattern_is_searched_for() {
        assert!(finds("b+", "abbc") && finds("^a.*c$", "a😀c") && finds("", "") && finds("(?i)ÄB", "xäb"));
        assert!(!finds("^b", "abbc") && !finds("^.$", "ab") && finds("^.$", "ä") && !finds("a", ""));
        assert!(finds(r"^\p{L}+$", "Größe") && !finds(r"^\p{L}+$", "a1"));
    }

    #[test]
    fn short_names_of_classes_are_ascii() {
        assert!(finds(r"^\d\D\w\W\s\S$", "1a_- x") && !finds(r"\d", "٣") && !finds(r"\w", "ä") && finds(r"^[\d.]+$", "1.5"));
        assert!(finds(r"\bab\b", "x ab y") && !finds(r"\bab\b", "xab") && finds(r"\\d", r"\d") && finds(r"[^\s]", "x"));
    }

    #[test]
    fn bombs_are_refused() {
        let deep = format!("{}a{}", "(".repeat(40), ")".repeat(40));
        for bomb in [
            "(a{1,1000}){1,1000}",
            r"\p{L}{500}",
            "(a|b)*a(a|b){30}",
            "(((a{100}){100}){100}){100}",
            &deep,
            "(?:a?){4000}a{4000}",
        ] {
            assert!(Pattern::compile(bomb).is_err(), "{bomb}");
        }
        let said = Pattern::compile("(a").err();
        assert_eq!(said.as_deref(), Some("the pattern cannot be read: unclosed group"));
    }
}
