//! Who is in the crew.

/// A reviewer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Person {
    /// Name.
    pub name: &'static str,
    /// Groups of the policies in `config/policies/`, and of the fallback for what no policy covers.
    pub groups: &'static [&'static str],
    /// Whether it is the one whom the others ask.
    pub rank: Rank,
}

/// What somebody may do beyond deciding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rank {
    /// Decides, and hands up what is too much.
    Reviewer,
    /// Decides what is handed up, and what others leave lying.
    Lead,
}

/// The crew.
pub const PEOPLE: [Person; 4] = [
    Person { name: "amira", groups: &["underwriting", "senior-underwriting", "reviewers"], rank: Rank::Reviewer },
    Person { name: "jonas", groups: &["underwriting", "reviewers"], rank: Rank::Reviewer },
    Person { name: "mei", groups: &["credit", "reviewers"], rank: Rank::Reviewer },
    Person {
        name: "rosa",
        groups: &["underwriting-leads", "credit-leads", "leads", "underwriting", "senior-underwriting", "credit", "reviewers"],
        rank: Rank::Lead,
    },
];
