//! What people wrote about a case. The trail commits to it with a hash; the words themselves stand in the case.

use serde::Deserialize;

/// The words of a case so far.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Words {
    /// The case.
    pub decision_id: String,
    /// Number of the entry that each belongs to, and what was written.
    pub texts: Vec<(u64, String)>,
}

#[derive(Deserialize)]
struct Case {
    decision_id: String,
    votes: Vec<Vote>,
    judgements: Vec<Judgement>,
    comments: Vec<Comment>,
}

#[derive(Deserialize)]
struct Vote {
    seq: u64,
    reason: Reason,
}

#[derive(Deserialize)]
struct Reason {
    text: Option<String>,
}

#[derive(Deserialize)]
struct Judgement {
    seq: u64,
    judgement: String,
}

#[derive(Deserialize)]
struct Comment {
    seq: u64,
    text: String,
}

/// Reads a record of `cases`; none where nobody has written anything yet.
///
/// # Errors
/// Where it is not a case.
pub fn words(value: &[u8]) -> serde_json::Result<Option<Words>> {
    let Case { decision_id, votes, judgements, comments } = serde_json::from_slice(value)?;
    let mut texts: Vec<(u64, String)> = votes.into_iter().filter_map(|vote| Some((vote.seq, vote.reason.text?))).collect();
    texts.extend(judgements.into_iter().map(|judgement| (judgement.seq, judgement.judgement)));
    texts.extend(comments.into_iter().map(|comment| (comment.seq, comment.text)));
    Ok((!texts.is_empty()).then_some(Words { decision_id, texts }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_belong_to_their_entries() {
        let case = br#"{"decision_id":"d","votes":[{"seq":3,"reason":{"code":"confirmed","text":null}},{"seq":4,"reason":{"code":null,"text":"no"}}],
            "judgements":[{"seq":2,"judgement":">50K"}],"comments":[{"seq":1,"text":"hm"}]}"#;
        let texts = [(4, "no"), (2, ">50K"), (1, "hm")].map(|(seq, text)| (seq, text.to_owned())).to_vec();
        assert_eq!(words(case).unwrap(), Some(Words { decision_id: "d".to_owned(), texts }));
        let silent = br#"{"decision_id":"d","votes":[],"judgements":[],"comments":[]}"#;
        assert_eq!(words(silent).unwrap(), None);
        assert!(words(b"{}").is_err());
    }
}
