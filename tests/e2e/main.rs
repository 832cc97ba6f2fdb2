//! End to end, on real Postgres.

#[path = "../support/mod.rs"]
mod support;

mod local;
mod pool;
mod support_itself;
