//! The sentence that helps after a word that is not known.

/// `did you mean …?` where one of `known` is near to `word`, else `what` and the list of them.
pub fn suggestion(word: &str, known: &[&str], what: &str) -> String {
    let distance = |candidate: &&&str| strsim::osa_distance(&word.to_lowercase(), candidate);
    let near = known.iter().min_by_key(distance).filter(|best| distance(best) <= tolerance(word.len().min(best.len())));
    match near {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "no key is known here".to_owned(),
        None => format!("{what}: {}", quoted(known)),
    }
}

/// How many letters may differ in a word of `length` for the two to be thought the same.
fn tolerance(length: usize) -> usize {
    (length / 3).clamp(1, 3)
}

/// `` `a`, `b`, `c` ``
pub fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
