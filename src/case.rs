//! The case: a held decision on its way through people's hands. Here its opening; its later life is the sidecar's.

mod opening;

pub use opening::{EventCopy, Opening, write_opening};
