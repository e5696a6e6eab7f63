//! `jidoka dev`.
use clap::Args;
/// x
#[derive(Args, Debug)]
pub struct DevArgs {}
/// x
pub fn run(_: &DevArgs) -> super::terminal::Exit {
    super::terminal::Exit::Done
}
