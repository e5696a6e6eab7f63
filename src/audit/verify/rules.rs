//! What a trail may say: an independent statement of what is legal, so that a mistake of the sidecar is found as well.

use crate::case::Kind as Move;

/// Where a decision stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    Released,
    Duplicate,
    Pending,
    UnderReview,
    Approved,
    Rejected,
    Expired,
    Cancelled,
}

impl State {
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "PENDING" => Self::Pending,
            "UNDER_REVIEW" => Self::UnderReview,
            "APPROVED" => Self::Approved,
            "REJECTED" => Self::Rejected,
            "EXPIRED" => Self::Expired,
            "CANCELLED" => Self::Cancelled,
            _ => return None,
        })
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Released => "RELEASED",
            Self::Duplicate => "DUPLICATE",
            Self::Pending => "PENDING",
            Self::UnderReview => "UNDER_REVIEW",
            Self::Approved => "APPROVED",
            Self::Rejected => "REJECTED",
            Self::Expired => "EXPIRED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Whether nothing may follow.
    pub const fn is_final(self) -> bool {
        !self.is_open()
    }

    /// Whether it waits for people.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::UnderReview)
    }

    /// Whether it has a case, open or closed.
    pub const fn has_case(self) -> bool {
        !matches!(self, Self::Released | Self::Duplicate)
    }
}

/// Whether `a_move` may lead from one state to the other.
pub(super) const fn is_legal(from: State, a_move: Move, to: State) -> bool {
    use State as S;
    if !from.is_open() {
        return false;
    }
    match a_move {
        Move::Claimed => matches!((from, to), (S::Pending, S::UnderReview)),
        Move::Unclaimed => matches!((from, to), (S::UnderReview, S::Pending)),
        Move::Judged | Move::Voted | Move::Commented | Move::Unmasked => {
            matches!((from, to), (S::Pending, S::Pending) | (S::UnderReview, S::UnderReview))
        }
        Move::Approved => matches!(to, S::Approved),
        Move::Rejected => matches!(to, S::Rejected),
        Move::Escalated => matches!(to, S::Pending),
        Move::Reassigned => to.is_open(),
        Move::Expired => matches!(to, S::Expired),
        Move::Cancelled => matches!(to, S::Cancelled),
    }
}

/// Whether reviewers see another case afterwards.
pub(super) const fn changes_view(a_move: Move) -> bool {
    !matches!(a_move, Move::Judged | Move::Commented | Move::Unmasked)
}
