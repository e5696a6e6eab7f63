//! The command line: arguments in, exit code out.

pub mod interrupt;
pub mod lines;
pub mod produce;
pub mod terminal;
pub mod topics;
