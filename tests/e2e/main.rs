//! End to end, on real Postgres.

#[path = "../support/mod.rs"]
mod support;

mod check;
mod local;
mod login;
mod pool;
mod schema;
mod support_itself;
