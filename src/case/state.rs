//! The state machine of a case: every pair of a state and a move is decided here, on purpose.

use std::fmt;

/// Where a case stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum State {
    /// Open, and nobody has it.
    Pending,
    /// Open, and somebody has claimed it.
    UnderReview,
    /// A person, or as many as the quorum asks for, let the automation go on.
    Approved,
    /// A person stopped it.
    Rejected,
    /// Nobody answered in time: it stays stopped.
    Expired,
    /// Its producer withdrew it.
    Cancelled,
}

impl State {
    /// All states, the open ones first.
    pub const ALL: [Self; 6] = [Self::Pending, Self::UnderReview, Self::Approved, Self::Rejected, Self::Expired, Self::Cancelled];

    /// The word in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::UnderReview => "UNDER_REVIEW",
            Self::Approved => "APPROVED",
            Self::Rejected => "REJECTED",
            Self::Expired => "EXPIRED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// The state of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether anything may still happen.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::UnderReview)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What may happen to a case: what a reviewer's command comes to, or time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Move {
    /// A reviewer takes the case.
    Claim,
    /// Its reviewer, or a lead, gives it back.
    Unclaim,
    /// A reviewer says what the answer should be, before seeing the machine's.
    Judge,
    /// An approval that the quorum does not yet reach.
    Vote,
    /// The approval that the quorum reaches.
    Approve,
    /// A reviewer stops the automation.
    Reject,
    /// A reviewer hands it up.
    Escalate,
    /// A lead gives it to a person.
    Assign,
    /// A lead gives it to another group.
    Hand,
    /// A reviewer writes something.
    Comment,
    /// A reviewer looks at what is masked.
    Unmask,
    /// The producer withdraws the decision.
    Cancel,
    /// Time: the claim has lapsed.
    Lapse,
    /// Time: too long undecided.
    Remind,
    /// Time: nobody answered.
    Expire,
}

impl Move {
    /// All moves, those of time last.
    pub const ALL: [Self; 15] = [
        Self::Claim,
        Self::Unclaim,
        Self::Judge,
        Self::Vote,
        Self::Approve,
        Self::Reject,
        Self::Escalate,
        Self::Assign,
        Self::Hand,
        Self::Comment,
        Self::Unmask,
        Self::Cancel,
        Self::Lapse,
        Self::Remind,
        Self::Expire,
    ];

    /// What it is called in the table of the docs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Unclaim => "unclaim",
            Self::Judge => "judge",
            Self::Vote => "approve, below quorum",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Escalate => "escalate",
            Self::Assign => "reassign to a person",
            Self::Hand => "reassign to a group",
            Self::Comment => "comment",
            Self::Unmask => "unmask",
            Self::Cancel => "cancel",
            Self::Lapse => "(lease over)",
            Self::Remind => "(time to escalate)",
            Self::Expire => "(time is up)",
        }
    }
}

/// The kind of audit entry that a move writes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Somebody has it.
    Claimed,
    /// Nobody has it any more.
    Unclaimed,
    /// A blind judgement.
    Judged,
    /// An approval of several that are needed.
    Voted,
    /// Final: go on.
    Approved,
    /// Final: stopped by a person.
    Rejected,
    /// Handed up.
    Escalated,
    /// Given to a person or group.
    Reassigned,
    /// A comment.
    Commented,
    /// Masked fields were shown.
    Unmasked,
    /// Final: time is up.
    Expired,
    /// Final: withdrawn.
    Cancelled,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::Claimed,
        Self::Unclaimed,
        Self::Judged,
        Self::Voted,
        Self::Approved,
        Self::Rejected,
        Self::Escalated,
        Self::Reassigned,
        Self::Commented,
        Self::Unmasked,
        Self::Expired,
        Self::Cancelled,
    ];

    /// The word in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "CLAIMED",
            Self::Unclaimed => "UNCLAIMED",
            Self::Judged => "JUDGED",
            Self::Voted => "VOTED",
            Self::Approved => "APPROVED",
            Self::Rejected => "REJECTED",
            Self::Escalated => "ESCALATED",
            Self::Reassigned => "REASSIGNED",
            Self::Commented => "COMMENTED",
            Self::Unmasked => "UNMASKED",
            Self::Expired => "EXPIRED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// The kind of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether what reviewers see of the case is another one afterwards, so that they must look again before they decide.
    #[must_use]
    pub const fn changes_view(self) -> bool {
        !matches!(self, Self::Judged | Self::Commented | Self::Unmasked)
    }
}

/// What `a_move` does to a case in `state`: the entry that it writes and the state it leads to; none where it may not be.
#[must_use]
#[rustfmt::skip]
#[expect(clippy::match_same_arms, reason = "each pair is decided by itself")]
pub const fn transition(state: State, a_move: Move) -> Option<(Kind, State)> {
    use Kind as K;
    use Move as M;
    use State as S;
    match (state, a_move) {
        (S::Pending, M::Claim) => Some((K::Claimed, S::UnderReview)),
        (S::UnderReview, M::Claim) => None,

        (S::Pending, M::Unclaim | M::Lapse) => None,
        (S::UnderReview, M::Unclaim | M::Lapse) => Some((K::Unclaimed, S::Pending)),

        (S::Pending | S::UnderReview, M::Judge) => Some((K::Judged, state)),
        (S::Pending | S::UnderReview, M::Vote) => Some((K::Voted, state)),
        (S::Pending | S::UnderReview, M::Comment) => Some((K::Commented, state)),
        (S::Pending | S::UnderReview, M::Unmask) => Some((K::Unmasked, state)),

        (S::Pending | S::UnderReview, M::Approve) => Some((K::Approved, S::Approved)),
        (S::Pending | S::UnderReview, M::Reject) => Some((K::Rejected, S::Rejected)),
        (S::Pending | S::UnderReview, M::Cancel) => Some((K::Cancelled, S::Cancelled)),
        (S::Pending | S::UnderReview, M::Expire) => Some((K::Expired, S::Expired)),

        (S::Pending | S::UnderReview, M::Escalate | M::Remind) => Some((K::Escalated, S::Pending)),
        (S::Pending | S::UnderReview, M::Assign) => Some((K::Reassigned, S::UnderReview)),
        (S::Pending | S::UnderReview, M::Hand) => Some((K::Reassigned, S::Pending)),

        (S::Approved | S::Rejected | S::Expired | S::Cancelled, _) => None,
    }
}
