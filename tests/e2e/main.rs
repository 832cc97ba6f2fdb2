//! End to end, on real Postgres.

#[path = "../support/mod.rs"]
mod support;

mod check;
mod local;
mod support_itself;
