//! Drivers, each by a program of `tests/drivers/same/` that prints what it gets: the output
//! through pgherd has to be that of a plain Postgres, line for line. See the README there.
//!
//! `tools/test` installs what the programs need. What can't be had there it names at its end;
//! anything else that is missing is a failure.

#[path = "../support/mod.rs"]
mod support;

mod program;
mod same;
