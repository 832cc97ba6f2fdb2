//! End to end, on real Postgres.

#[path = "../support/mod.rs"]
mod support;

mod auth;
mod check;
mod command_line;
mod copy;
mod define;
mod demo;
mod drivers;
mod local;
mod login;
mod modes;
mod moved;
mod pool;
mod pool_bounds;
mod pool_pause;
mod proxy;
mod scatter;
mod schema;
mod support_itself;
mod tls;
mod twin;
mod views;
mod wide;
mod writes;
