//! End to end, on real Postgres.

#[path = "../support/mod.rs"]
mod support;

mod check;
mod demo;
mod drivers;
mod local;
mod login;
mod pool;
mod proxy;
mod schema;
mod support_itself;
