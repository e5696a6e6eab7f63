//! The policies that `dev` runs: those of `config/policies/`, embedded, so that it works in any folder.

use crate::document::Problem;
use crate::policy::{Around, FallbackReview, PolicySet, Profiles};

/// The files.
pub const POLICIES: [(&str, &str); 2] = [
    ("config/policies/adult-income.yaml", include_str!("../../config/policies/adult-income.yaml")),
    ("config/policies/credit-default.yaml", include_str!("../../config/policies/credit-default.yaml")),
];

/// The training profiles that they name.
const PROFILES: [(&str, &[u8]); 2] = [
    ("../profiles/adult.profile", include_bytes!("../../config/profiles/adult.profile")),
    ("../profiles/credit-default.profile", include_bytes!("../../config/profiles/credit-default.profile")),
];

/// The reference that they compare with.
pub const REFERENCE: &str = "customers";

/// The profile at `path`, which the policy in the first file names: see [`Profiles::Files`].
///
/// # Errors
/// Where there is none.
pub fn profile(_: &str, path: &str) -> Result<Vec<u8>, String> {
    let found = PROFILES.iter().find(|(known, _)| *known == path);
    found.map(|(_, bytes)| bytes.to_vec()).ok_or_else(|| format!("only the profiles of {} are embedded here", listed()))
}

fn listed() -> String {
    PROFILES.map(|(name, _)| name).join(", ")
}

/// `text` with the settings that it has switched off: lines that begin with # and no space after it, or with more than one.
#[must_use]
pub fn switched_on(text: &str) -> String {
    let is_off = |line: &str| line.strip_prefix('#').is_some_and(|rest| !rest.starts_with(' ') || rest.starts_with("  "));
    let lines: Vec<&str> = text.lines().map(|line| if is_off(line) { &line[1..] } else { line }).collect();
    lines.join("\n") + "\n"
}

/// The policies with everything switched on: `dev` has the reference that this needs.
///
/// # Errors
/// Never, as a test reads them.
pub fn policies(fallback: &FallbackReview) -> Result<PolicySet, Vec<Problem>> {
    let files = POLICIES.map(|(name, text)| (name.to_owned(), switched_on(text)));
    PolicySet::read_with(&files, Around { fallback, references: Some(&[REFERENCE]), profiles: Profiles::Files(&profile) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dev_compares_with_trusted_facts_and_has_all_profiles() {
        let set = policies(&FallbackReview::default()).expect("sound policies");
        assert_eq!(set.references().into_iter().collect::<Vec<_>>(), [REFERENCE]);
        let kinds = |place: usize| set.policies()[place].triggers.iter().map(|trigger| trigger.kind.name()).collect::<Vec<_>>();
        assert!(set.policies().iter().all(|policy| policy.trained.is_some()));
        assert!(["anomaly", "fairness", "contradiction"].iter().all(|kind| kinds(0).contains(kind)), "{:?}", kinds(0));
        assert!(profile("p.yaml", "../profiles/other.profile").is_err_and(|why| why.contains("adult.profile")));
    }

    #[test]
    fn what_is_switched_off_is_told_from_what_is_said() {
        assert_eq!(switched_on("# said\n#a: 1\n#  b: 2\nc: 3 # said"), "# said\na: 1\n  b: 2\nc: 3 # said\n");
    }
}
