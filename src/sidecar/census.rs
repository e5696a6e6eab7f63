//! How many open cases there are of each kind, and since when the oldest: kept as cases change, so that nobody goes through
//! all of them to tell.

use std::collections::{BTreeMap, HashMap};

use crate::case::{Case, State};
use crate::identity::Timestamp;
use crate::policy::Band;

/// The open states.
const OPEN: [State; 2] = [State::Pending, State::UnderReview];
const SECOND_MS: i64 = 1_000;

/// The open cases of a policy: by band, and by state in the order of [`OPEN`].
type OfPolicy = [[Open; OPEN.len()]; Band::ALL.len()];

/// The counts. See the module.
#[derive(Default, Debug)]
pub(super) struct Census {
    policies: HashMap<Box<str>, OfPolicy>,
}

/// Open cases of one kind by the second in which they were opened: there are fewer of those than cases.
#[derive(Default, Debug)]
struct Open {
    count: usize,
    seconds: BTreeMap<i64, usize>,
}

/// Open cases of one kind, as they are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Kind<'c> {
    pub policy: &'c str,
    pub band: Band,
    pub state: State,
    pub count: usize,
    /// When the oldest was opened, to the second.
    pub oldest: Timestamp,
}

impl Census {
    /// A case is there now; a closed one does not count.
    pub fn add(&mut self, case: &Case) {
        let second = second_of(case);
        if let Some(open) = self.of(case) {
            open.count += 1;
            *open.seconds.entry(second).or_default() += 1;
        }
    }

    /// A case that was added is no longer there, or not like this.
    pub fn remove(&mut self, case: &Case) {
        let second = second_of(case);
        if let Some(open) = self.of(case) {
            open.count = open.count.saturating_sub(1);
            let left = open.seconds.get_mut(&second).map_or(0, |count| {
                *count -= 1;
                *count
            });
            if left == 0 {
                open.seconds.remove(&second);
            }
        }
    }

    fn of(&mut self, case: &Case) -> Option<&mut Open> {
        let state = OPEN.iter().position(|state| *state == case.state)?;
        let policy = &case.opened.common.policy_name;
        if !self.policies.contains_key(policy) {
            self.policies.insert(policy.clone(), OfPolicy::default());
        }
        self.policies.get_mut(policy).map(|bands| &mut bands[case.band.index()][state])
    }

    /// All kinds of which there are cases.
    pub fn kinds(&self) -> impl Iterator<Item = Kind<'_>> {
        self.policies.iter().flat_map(|(policy, bands)| {
            let of_band = bands
                .iter()
                .zip(Band::ALL)
                .flat_map(|(states, band)| states.iter().zip(OPEN).map(move |(open, state)| (band, state, open)));
            of_band.filter_map(move |(band, state, open)| {
                let (second, _) = open.seconds.first_key_value()?;
                let oldest = Timestamp(second.saturating_mul(SECOND_MS));
                Some(Kind { policy, band, state, count: open.count, oldest })
            })
        })
    }
}

fn second_of(case: &Case) -> i64 {
    case.opened.opened_at.0.div_euclid(SECOND_MS)
}
