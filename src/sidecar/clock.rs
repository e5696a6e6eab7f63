//! How late it is, for cases that no command moves.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::identity::Timestamp;

/// The wall clock as it was when the process began, and the time that has passed since. A wall clock that is set anew
/// while the process runs changes nothing: nobody's time is cut short by it, and nobody's never ends.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    born: Instant,
    began: Timestamp,
}

impl Clock {
    /// A clock that is set by the wall clock now.
    #[must_use]
    pub fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { born: Instant::now(), began: Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)) }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.began.plus_millis(i64::try_from(self.born.elapsed().as_millis()).unwrap_or(i64::MAX))
    }
}
