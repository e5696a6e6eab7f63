//! Just enough of Rust to judge a source: its words, without comments, literals and test code.

/// A word or a sign of a source, and the line it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// A source without its test code.
pub struct Source {
    /// Outside comments and literals.
    pub tokens: Vec<Token>,
    /// How many lines are not those of items under `#[cfg(test)]`.
    pub lines: usize,
    /// Modules in files of their own that are declared under `#[cfg(test)]`.
    pub test_modules: Vec<String>,
}

impl Source {
    /// Takes `text` apart.
    pub fn read(text: &str) -> Self {
        let all = tokens(text);
        let (mut kept, mut lines, mut position) = (Vec::with_capacity(all.len()), text.lines().count(), 0);
        let mut test_modules = Vec::new();
        while position < all.len() {
            if at(&all, position, &CFG_TEST) {
                // Other attributes may follow; the item ends with its own brace or semicolon.
                let end = end_of_item(&all, position + CFG_TEST.len());
                lines -= all[end - 1].line - all[position].line + 1;
                if end >= 3 && at(&all, end - 3, &["mod"]) && at(&all, end - 1, &[";"]) {
                    test_modules.push(all[end - 2].text.clone());
                }
                position = end;
            } else {
                kept.push(all[position].clone());
                position += 1;
            }
        }
        Self { tokens: kept, lines, test_modules }
    }
}

const CFG_TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];

/// The position after the item or block that begins at `start`: past its closing brace, or past its semicolon.
pub fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0_usize;
    for (position, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && token.text == "}" {
                    return position + 1;
                }
            }
            ";" if depth == 0 => return position + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Whether the tokens at `position` are `words`.
pub fn at(tokens: &[Token], position: usize, words: &[&str]) -> bool {
    tokens
        .get(position..position + words.len())
        .is_some_and(|found| found.iter().zip(words).all(|(token, word)| token.text == *word))
}

fn tokens(source: &str) -> Vec<Token> {
    let bytes = source.as_bytes();
    let (mut found, mut position, mut line) = (Vec::new(), 0, 1);
    while position < bytes.len() {
        let end = skipped(source, position).unwrap_or_else(|| {
            let end = position + word_length(&bytes[position..]);
            found.push(Token { text: source[position..end].to_owned(), line });
            end
        });
        line += bytes[position..end].iter().filter(|byte| **byte == b'\n').count();
        position = end;
    }
    found
}

/// Letters, digits and underscores make one word; any other character is a sign of its own.
fn word_length(rest: &[u8]) -> usize {
    let word = rest.iter().take_while(|byte| is_word(**byte)).count();
    if word > 0 { word } else { 1 }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// The end of the space, comment or literal at `start`, if that is what stands there.
fn skipped(source: &str, start: usize) -> Option<usize> {
    let rest = &source.as_bytes()[start..];
    let length = match rest {
        [byte, ..] if byte.is_ascii_whitespace() => 1,
        [b'/', b'/', ..] => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment(rest),
        [b'\'', ..] => character(rest)?,
        [b'"', ..] => quoted(rest, 0),
        // Prefixes only begin a word; within one they are its letters, and word_length has taken them.
        [b'b' | b'c', b'"', ..] => quoted(rest, 1),
        [b'b', b'\'', ..] => 1 + character(&rest[1..])?,
        [b'r', ..] => raw(rest, 1)?,
        [b'b' | b'c', b'r', ..] => raw(rest, 2)?,
        _ => return None,
    };
    Some(start + length)
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut position) = (0_usize, 0);
    while position < rest.len() {
        match rest[position..] {
            [b'/', b'*', ..] => (depth, position) = (depth + 1, position + 2),
            [b'*', b'/', ..] => (depth, position) = (depth - 1, position + 2),
            _ => position += 1,
        }
        if depth == 0 {
            break;
        }
    }
    position
}

/// A character literal; `None` for a lifetime or a label, which is no literal.
fn character(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        return rest[3..].iter().position(|byte| *byte == b'\'').map(|end| end + 4);
    }
    let text = std::str::from_utf8(&rest[1..]).expect("a source is UTF-8, and this is between two of its characters");
    let length = text.chars().next()?.len_utf8();
    (rest.get(1 + length) == Some(&b'\'')).then_some(length + 2)
}

fn quoted(rest: &[u8], prefix: usize) -> usize {
    let mut position = prefix + 1;
    while position < rest.len() {
        match rest[position] {
            b'\\' => position += 2,
            b'"' => return position + 1,
            _ => position += 1,
        }
    }
    rest.len()
}

/// A raw string; `None` for a word that only begins like one.
fn raw(rest: &[u8], prefix: usize) -> Option<usize> {
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    let open = prefix + hashes;
    if rest.get(open) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let length = rest[open + 1..].windows(close.len()).position(|window| window == close);
    Some(length.map_or(rest.len(), |length| open + 1 + length + close.len()))
}

#[test]
fn comments_literals_and_tests_are_left_out() {
    let source = r##"
        // one /* two
        /* three /* four */ five */ fn a<'x>(b: &'x str) -> char { let _ = "six \" seven"; 'e' }
        const C: &str = r#"eight " nine"#; const D: &[u8] = b"ten"; const E: u8 = b'\''; static N: char = '\u{41}';
        #[cfg(test)]
        #[allow(dead_code)]
        mod tests { fn eleven() { } }
        fn f() {}
    "##;
    let words: Vec<String> =
        Source::read(source).tokens.into_iter().map(|token| token.text).filter(|text| is_word(text.as_bytes()[0])).collect();
    let expected = "fn a x b x str char let _ const C str const D u8 const E u8 static N char fn f";
    assert_eq!(words.join(" "), expected);
}

#[test]
fn tokens_know_their_lines() {
    let lines: Vec<usize> = Source::read("a\n\"b\nc\" d\n/*\n*/e").tokens.iter().map(|token| token.line).collect();
    assert_eq!(lines, [1, 3, 5]);
}

#[test]
fn tests_are_told_apart() {
    let source = Source::read("fn a() {}\n\n#[cfg(test)]\nmod tests {\n}\n#[cfg(test)]\nmod oracle;\nmod b;\n// end\n");
    assert_eq!((source.lines, source.test_modules), (4, vec!["oracle".to_owned()]));
}
