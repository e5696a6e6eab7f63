//! The case: a held decision on its way through people's hands. Here its opening; its later life is the sidecar's.
//!
//! `held decision + event + policy's review rules → `[`write_opening`]` → the bytes of cases and reviews`

mod opening;

pub use opening::{EventCopy, Opening, write_opening};
