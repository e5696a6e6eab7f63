//! The training profile: what a model's inputs and answers look like when all is well, so that what is unlike it is noticed.

pub mod baseline;

pub use baseline::{Attribute, Baseline, Binned, Bins, Cell, Measured};
