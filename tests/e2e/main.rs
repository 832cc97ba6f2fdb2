//! End to end, on real Postgres.

#[path = "../support/mod.rs"]
mod support;

mod local;
mod support_itself;
