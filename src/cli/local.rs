//! `pgherd local`: real Postgres clusters on this machine.

use clap::Args;

use super::Failure;

/// Start, stop and look at real Postgres clusters on this machine.
#[derive(Debug, Args)]
pub struct Local {}

impl Local {
    pub fn run(self) -> Result<(), Failure> {
        Err(Failure::usage("name one of up, down, status"))
    }
}
